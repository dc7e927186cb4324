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

pub mod config;
pub mod control;
pub mod counters;
mod effects;
pub mod event;
pub mod forward;
pub mod frame;
mod port_name;
mod ports;
mod portset;
mod switch;
pub mod tag;
pub mod vlan;
mod vlan_set;

pub use port_name::{PORT_NAME_MAX, PortName, PortNameError};
pub use ports::Ports;
pub use portset::{PORTS_MAX, PortSet};
pub use switch::{Port, PortSettings, Switch, SwitchConfig, SwitchError};
pub use vlan_set::{VID_MAX, VlanSet, VlanSetError};
