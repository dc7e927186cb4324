//! The last line of defence, when spanning tree is off, filtered or fooled: storm control, loops told by the addresses
//! that flap, and ports that are disabled for cause.

mod flap;
mod storm;

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub(crate) use flap::Flaps;
pub use storm::{LOOP_RATE, STORM_RATE_MAX, StormAction, StormControl, StormRate};
pub(crate) use storm::{StormMeter, StormVerdict};

use crate::forward::Flood;

/// What to do about a loop that flapping addresses give away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LoopDetection {
    /// Nothing; do not even look.
    Off,
    /// Tell of it.
    #[default]
    Log,
    /// Disable the port.
    Shutdown,
}

impl LoopDetection {
    /// Its word in configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Log => "log",
            Self::Shutdown => "shutdown",
        }
    }
}

/// Why a port is disabled although management enabled it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DisableReason {
    /// BPDU guard.
    BpduGuard,
    /// Storm control.
    Storm,
    /// Loop detection.
    Loop,
}

impl DisableReason {
    /// Its word in answers.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::BpduGuard => "bpdu-guard",
            Self::Storm => "storm",
            Self::Loop => "loop",
        }
    }
}

/// What protects a port, as it stands.
#[derive(Clone, Debug, Default)]
pub(crate) struct Protection {
    pub(crate) storm: StormMeter,
    pub(crate) flaps: Flaps,
    /// Disabled for cause, by storm control or loop detection; until when, if it ends by itself. BPDU guard's doing is
    /// spanning tree's.
    pub(crate) disabled: Option<(DisableReason, Option<Duration>)>,
}

impl Protection {
    /// The limits in force: those configured, and the brake of a port that shows a loop.
    pub(crate) fn limits(&self, now: Duration, configured: StormControl) -> StormControl {
        match self.flaps.is_loop(now) {
            true => configured.braked(),
            false => configured,
        }
    }

    /// Whether flooded frames of the port are counted: it has limits, or shows a loop.
    pub(crate) fn counts_floods(&self, now: Duration, configured: StormControl) -> bool {
        let limits = self.limits(now, configured);
        [limits.broadcast, limits.multicast, limits.unknown_unicast]
            .iter()
            .any(Option::is_some)
    }

    /// When something ends.
    pub(crate) fn deadline(&self) -> Option<Duration> {
        let recovery = self.disabled.and_then(|(_, until)| until);
        recovery.into_iter().chain(self.storm.deadline()).min()
    }
}

/// The word of a kind of flooded frames.
#[must_use]
pub(crate) const fn flood_name(kind: Flood) -> &'static str {
    match kind {
        Flood::Broadcast => "broadcast",
        Flood::Multicast => "multicast",
        Flood::UnknownUnicast => "unknown unicast",
    }
}
