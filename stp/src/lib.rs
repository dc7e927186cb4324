//! IEEE 802.1D spanning tree as a value: no I/O, no clock, no threads.
//!
//! A [`Bridge`] is told what happened and when ([`Event`], a [`Duration`](core::time::Duration)), and answers with what
//! to do ([`Action`]) and when it wants to be told the time again ([`Bridge::deadline`]). Frames become [`Bpdu`]s in
//! [`llc`], where every octet string is a BPDU or a reason.
//!
//! ```
//! use core::time::Duration;
//! use pnet_base::MacAddr;
//! use stp::{Bridge, BridgeConfig, Event, PathCost, PortConfig, PortNumber, PortState};
//!
//! let mut bridge = Bridge::new(BridgeConfig::new(MacAddr::new(2, 0, 0, 0, 0, 1)));
//! let port = PortNumber::new(1).ok_or("1 to 4095")?;
//! let mut now = Duration::ZERO;
//! bridge.add_port(now, port, PortConfig::default());
//! let link_up = Event::LinkUp {
//!     port,
//!     cost: PathCost::new(4).ok_or("1 to 200 000 000")?,
//!     point_to_point: true,
//! };
//! for action in bridge.handle(now, link_up) {
//!     println!("{action:?}"); // designated, listening, and the first configuration BPDU
//! }
//! while bridge.port(port).is_some_and(|port| port.state != PortState::Forwarding) {
//!     now = bridge.deadline().ok_or("a port that waits has a timer")?;
//!     let _ = bridge.handle(now, Event::Timeout);
//! }
//! assert_eq!(now, Duration::from_secs(30)); // two forward delays
//! # Ok::<(), &str>(())
//! ```
//!
//! # What is implemented
//!
//! IEEE 802.1D-1998, clause 8 and what clause 9 says of its BPDUs. Procedures carry the standard's names.
//!
//! | clause | what | where |
//! | --- | --- | --- |
//! | 8.3.5 | topology changes, short ageing | `classic/topology_change.rs`, [`Action::ShortAgeing`] |
//! | 8.4 | port states | [`PortState`], `classic/state.rs` |
//! | 8.5.1, 8.5.2 | BPDU parameters | [`ConfigBpdu`], [`Bpdu::Tcn`] |
//! | 8.5.3, 8.5.4 | bridge parameters and timers | `classic/mod.rs`, [`TreeStatus`] |
//! | 8.5.5, 8.5.6 | port parameters and timers | `classic/mod.rs`, [`PortStatus`] |
//! | 8.6.1, 8.6.4 to 8.6.6 | transmit configuration BPDU, configuration BPDU generation, reply, transmit TCN | `classic/transmit.rs` |
//! | 8.6.2, 8.6.3 | record configuration information and timeout values | `classic/record.rs` |
//! | 8.6.2.2 | supersedes | [`PriorityVector::supersedes`] |
//! | 8.6.7 to 8.6.10 | configuration update, root and designated port selection | `classic/update.rs` |
//! | 8.6.11 to 8.6.13 | port state selection, make forwarding, make blocking | `classic/state.rs` |
//! | 8.6.14 to 8.6.16 | topology change detection, acknowledged, acknowledge | `classic/topology_change.rs` |
//! | 8.7.1, 8.7.2 | BPDUs received | `classic/receive.rs` |
//! | 8.7.3 to 8.7.8 | timers expired | `classic/expire.rs` |
//! | 8.8.1 to 8.8.8 | management of a live bridge | `classic/manage.rs`, [`Bridge`] |
//! | 8.10.2 | parameter ranges and relations | [`BridgeTimes`] |
//! | 9.2, 9.3 | encoding, validation | `bpdu.rs` |
//!
//! # Departures
//!
//! | clause | the standard | here | why |
//! | --- | --- | --- | --- |
//! | 8.5.3.7, 8.5.5.1, 8.5.5.3 | 16-bit priority; 8-bit port priority and number; 16-bit cost | steps of 4096 and 16, twelve bits of port number, costs to 200 000 000 | 802.1D-2004 Tables 17-2, 17-3; on the wire every value is understood |
//! | 8.5.5.2 | blocked ports are not told apart | alternate and backup | the roles of 802.1D-2004 |
//! | 8.5.5.10, 8.8.7, 8.8.8 | change detection is set for each port | off exactly while a port operates as an edge | one switch for one purpose |
//! | none | no edge ports | an edge port forwards at once; a BPDU of any kind makes it begin again at listening, until its link goes down | what users expect |
//! | 8.6.8 | any port that is not designated may become the root port | not one where this bridge itself is designated | a backup port would make the bridge follow its own old word (802.1D-2004 17.21.25) |
//! | 8.6.8 | costs are added | a sum beyond 32 bits is no way to the root | a hostile BPDU must not break the selection |
//! | 8.6.1 | a BPDU too old to send stays pending | it is forgotten | the next information brings the next |
//! | 8.7.1 | all superseding information is taken | not what this port sent, nor, for a second, what this bridge said before its identifier was changed | 802.1D-2004 9.3.4; no self-made root |
//! | 8.7.5 | designated for some port: any port | any port that is not disabled | a disabled port has no LAN |
//! | 8.8.1 | a bridge begins with all its ports | the first port to be enabled begins it | ports come and go; without any, no timer runs |
//! | 8.8.3 | learned entries of a disabled port stay | [`Action::Flush`] | they point nowhere |
//! | 8.8.4 | designated ports learn the bridge's new name | backup ports too | as for 8.6.8 |
//! | 8.8.5 | configuration is not updated | it is | the tie that port priority breaks is broken at once |
//! | 8.9 | timers tick once a second | timers are exact; message age counts in 1/256 s, rounded up | nothing is understated |
//! | 8.7 | order of timers at one tick | message age, forward delay, topology change, notification, hello, hold; ports by number | information that is dead is forgotten before anything is built on it |
//! | 9.3.4 | unknown types are discarded | RST BPDUs (also of multiple and shortest path bridges) are decoded; the classic engine counts them and uses them no further | for the rapid engine beside it |
#![forbid(unsafe_code)]

mod bpdu;
mod bridge;
mod classic;
mod config;
mod cost;
mod event;
mod id;
pub mod llc;
mod per_vlan;
mod priority;
mod rapid;
mod reason;
mod region;
mod status;
mod timers;
mod times;

pub use bpdu::{
    BPDU_LENGTH_MAX, Bpdu, ConfigBpdu, DecodeError, EpochStamp, MSTI_RECORDS_MAX, MstBpdu,
    MstiRecord, RstBpdu, RstRole,
};
pub use bridge::Bridge;
pub use config::{
    BridgeConfig, Inconsistency, MaxHops, PointToPoint, PortConfig, Protocol, TransmitHoldCount,
    TreeConfig, TreePortConfig,
};
pub use cost::{CostMethod, PathCost};
pub use event::{Action, Event, PortRole, PortState, TopologyChangeKind};
pub use id::{BridgeId, BridgePriority, PortId, PortNumber, PortPriority, TreeId};
pub use per_vlan::{PerVlan, TREES_PER_CALL, TreeAction};
pub use priority::{Component, PriorityVector, TreeVector};
pub use rapid::{Machine, Transition};
pub use reason::{Candidate, Comparison, Reason, RoleReason, StateReason};
pub use region::{ConfigurationId, Region, RegionName, VlanMap};
pub use status::{PortCounters, PortStatus, TopologyChangeStatus, TreeStatus};
pub use times::{BpduTime, BridgeTimes, HOLD_TIME, TimesError, TimesInForce};
