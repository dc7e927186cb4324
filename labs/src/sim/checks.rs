//! What must not happen, and who looks for it.
//!
//! * [`Flows`] follows every frame that a station sent, copy by copy: a copy that comes back to a bridge which has relayed
//!   it already is a loop, a second copy at a station a duplicate, a frame that never reaches the station it is for
//!   a blackhole.
//! * [`cycle`] looks at the state instead: ports that forward on working wires must make no circle.
//! * [`reach`] asks actively: does every station reach every other one, exactly once?

use core::time::Duration;

use etherparse::VlanId;

use super::id::{FlowId, PortRef};

pub mod cycle;
mod flows;
pub mod reach;

pub use flows::{Delivery, Flow, Flows, Limits};
pub(super) use flows::{Relay, Track};

/// Something wrong, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// When.
    pub time: Duration,
    /// What.
    pub violation: Violation,
}

/// What is wrong. A path lists the port that sent the frame and then each port a copy came in by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Violation {
    /// A bridge relays a copy that it has relayed already. Told once for each frame.
    Loop {
        /// The frame.
        flow: FlowId,
        /// The copy's way; its last port is on the bridge that appears in it twice.
        path: Vec<PortRef>,
    },
    /// More copies of one frame than the bound allows: a storm. Told once for each frame.
    Storm {
        /// The frame.
        flow: FlowId,
        /// How many copies there were.
        copies: u32,
    },
    /// Ports that forward on working wires make a circle. Told when it appears.
    Cycle {
        /// In this VLAN.
        vlan: VlanId,
        /// The ports of the circle, in order: out of one bridge, into the next.
        path: Vec<PortRef>,
    },
    /// A station got a frame again.
    Duplicate {
        /// The frame.
        flow: FlowId,
        /// The second copy's way.
        path: Vec<PortRef>,
    },
    /// A frame was dropped on its way, or led astray, although working wires and running bridges lead to the station it is
    /// for.
    Blackhole {
        /// The frame.
        flow: FlowId,
        /// Where the station is.
        to: PortRef,
        /// The way of the copy that ended last.
        path: Vec<PortRef>,
        /// What happened to it: a drop reason, a loss reason, or `astray`.
        reason: &'static str,
    },
}

impl Violation {
    /// The word in results and traces.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Loop { .. } => "loop",
            Self::Storm { .. } => "storm",
            Self::Cycle { .. } => "cycle",
            Self::Duplicate { .. } => "duplicate",
            Self::Blackhole { .. } => "blackhole",
        }
    }

    /// The way, if it has one.
    #[must_use]
    pub fn path(&self) -> &[PortRef] {
        match self {
            Self::Loop { path, .. }
            | Self::Cycle { path, .. }
            | Self::Duplicate { path, .. }
            | Self::Blackhole { path, .. } => path,
            Self::Storm { .. } => &[],
        }
    }

    /// The frame, if it is about one.
    #[must_use]
    pub fn flow(&self) -> Option<FlowId> {
        match self {
            Self::Loop { flow, .. }
            | Self::Storm { flow, .. }
            | Self::Duplicate { flow, .. }
            | Self::Blackhole { flow, .. } => Some(*flow),
            Self::Cycle { .. } => None,
        }
    }

    /// Whether it is a forwarding loop, seen in a frame or in the state.
    #[must_use]
    pub fn is_loop(&self) -> bool {
        match self {
            Self::Loop { .. } | Self::Storm { .. } | Self::Cycle { .. } => true,
            Self::Duplicate { .. } | Self::Blackhole { .. } => false,
        }
    }
}

/// How often each thing was found; counted even when the list of findings is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct FindingCounts {
    /// Frames with a copy that came back to a bridge.
    pub loops: u64,
    /// Frames with too many copies.
    pub storms: u64,
    /// Circles of forwarding ports.
    pub cycles: u64,
    /// Copies that reached a station again.
    pub duplicates: u64,
    /// Frames that did not reach the station they were for.
    pub blackholes: u64,
}

impl FindingCounts {
    /// All together.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.loops + self.storms + self.cycles + self.duplicates + self.blackholes
    }

    pub(super) fn count(&mut self, violation: &Violation) {
        match violation {
            Violation::Loop { .. } => self.loops += 1,
            Violation::Storm { .. } => self.storms += 1,
            Violation::Cycle { .. } => self.cycles += 1,
            Violation::Duplicate { .. } => self.duplicates += 1,
            Violation::Blackhole { .. } => self.blackholes += 1,
        }
    }
}
