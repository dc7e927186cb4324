//! Watching one address over many switches: what their event streams say of it, and what that amounts to.
//!
//! ```text
//!   Seen (switch, event) ─► Trace: every change of an entry, and the place its frame came from
//!                             │      a place is a port that leads to no other watched switch
//!                             └──► Stay: where the address was, from when on ──► Verdict
//! ```
//!
//! The analysis is a value: events in, verdict out. It reads no clock, so that `switchctl watch`, the labs and the tests
//! in virtual time share it. [`live`] feeds it from control sockets.
//!
//! How a frame's origin is found: a frame that teaches a switch an address at a port came from the switch at the far end,
//! which learned it a moment earlier. Following the entries from switch to switch leads to the port where the station
//! is. Where they lead round in a circle, a frame has come back to where it had been: a loop, or, once in a while, two
//! frames of two places that met on a wire.

mod analysis;
pub mod live;
mod text;
mod trace;
mod verdict;
mod wiring;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use etherparse::VlanId;
use pnet_base::MacAddr;

use crate::event::Record;
use crate::port_name::PortName;

pub use analysis::{Analysis, Stay, analyse};
pub use text::{change_line, report};
pub use trace::{Change, How};
pub use verdict::Verdict;
pub use wiring::{End, Wiring};

/// Whom one watches: an address in a VLAN. Switches learn in each VLAN apart (802.1Q 8.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Subject {
    /// The VLAN.
    pub vlan: VlanId,
    /// The address.
    pub mac: MacAddr,
}

/// An event and the switch it happened in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The switch.
    pub switch: String,
    /// What, and when.
    pub record: Record,
}

/// What was seen of a subject.
#[derive(Clone, Debug, Default)]
pub struct Observation {
    /// The port each switch had for it when the observation began.
    pub before: BTreeMap<String, PortName>,
    /// All events since then, in order of time; those that have nothing to do with it are passed over.
    pub events: Vec<Seen>,
    /// When the observation ended.
    pub until: Duration,
    /// Ports that forwarded in the subject's VLAN when it ended; `None`: nobody asked. With them it is certain which
    /// entries lead elsewhere; without, only where entries lead on to others.
    pub forwarding: Option<BTreeSet<End>>,
    /// How far the clock readings of two switches may stray from the order in which a frame passed them: zero in virtual
    /// time; a daemon reads its clock once for a batch of frames.
    pub slack: Duration,
}
