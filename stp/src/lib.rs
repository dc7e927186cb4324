//! IEEE 802.1D spanning tree as a value: no I/O, no clock, no threads.
#![forbid(unsafe_code)]

mod bpdu;
mod bridge;
mod classic;
mod config;
mod cost;
mod event;
mod id;
pub mod llc;
mod priority;
mod status;
mod timers;
mod times;

pub use bpdu::{BPDU_LENGTH_MAX, Bpdu, ConfigBpdu, DecodeError, EncodedBpdu, RstBpdu, RstRole};
pub use bridge::Bridge;
pub use config::{BridgeConfig, PortConfig};
pub use cost::{CostMethod, PathCost};
pub use event::{Action, Event, PortRole, PortState, TopologyChangeKind};
pub use id::{BridgeId, BridgePriority, PortId, PortNumber, PortPriority, TreeId};
pub use priority::PriorityVector;
pub use status::{PortCounters, PortStatus, TopologyChangeStatus, TreeStatus};
pub use times::{BpduTime, BridgeTimes, HOLD_TIME, TimesError, TimesInForce};
