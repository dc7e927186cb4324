//! A userspace Ethernet switch: a pure core in a thin shell.
//!
//! The way of a frame, in the daemon and in a simulation alike:
//!
//! ```text
//!   port ── octets ──► Switch::receive ──► Verdict::Relay ──► Ports::transmit ── octets ──► ports
//!                        │      │     └──► Verdict::Deliver ► stp::Bridge ── Action ──► Ports::send (BPDU)
//!                        │      └────────► Verdict::Drop ───► a counter per reason
//!                        └─ CAM learns ──────────────────────► Ports::notice (Event)
//! ```
//!
//! The core ([`Switch`] and what it owns) has no I/O, no clock and no threads: `now` goes in as an argument,
//! [`Switch::deadline`] comes out, effects go through the [`Ports`] trait.

pub mod cli;
mod clock;
pub mod config;
pub mod control;
pub mod counters;
mod effects;
pub mod event;
mod event_loop;
mod fast_path;
pub mod forward;
pub mod frame;
mod link;
pub mod meter;
pub mod port;
mod port_name;
mod ports;
mod portset;
pub mod protect;
pub mod show;
mod switch;
#[expect(unsafe_code, reason = "the project's system calls have one address")]
mod sys;
pub mod tag;
mod train;
mod trees;
pub mod vlan;
mod vlan_set;
pub mod watch;
mod workers;

pub use clock::Clock;
pub use event_loop::{Daemon, Executor, Inputs, Signals, StartError, Waker};
pub use link::set_speed;
pub use port_name::{PORT_NAME_MAX, PortName, PortNameError};
pub use ports::Ports;
pub use portset::{PORTS_MAX, PortSet};
pub use switch::{Port, PortSettings, Switch, SwitchConfig, SwitchError};
pub use sys::traffic::{TRAFFIC_BATCH, TrafficSocket};
pub use trees::{Instances, TreeProtocol};
pub use vlan_set::{VID_MAX, VlanSet, VlanSetError};
