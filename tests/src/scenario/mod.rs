//! Scenarios: a network, what happens to it and when, as one plain value.
//!
//! A scenario can be drawn at random ([`strategy`]), enumerated, printed as one line of JSON and read back,
//! made smaller ([`minimise`]), put into a world ([`network`]) and written as a lab file. Places in it are
//! indices; an index beyond the end means nothing happens, so that parts can be taken away.

pub mod lab_file;
pub mod minimise;
pub mod network;
pub mod regime;
pub mod small;
pub mod strategy;

use core::time::Duration;

use serde::{Deserialize, Serialize};

/// A network and its fate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Decides what chance does on wires.
    #[serde(default)]
    pub seed: u64,
    /// The bridges; of two with equal priority the earlier one is better.
    pub bridges: Vec<Bridge>,
    /// The wires. Ports of a bridge are numbered from 1 in the order of the wires.
    pub wires: Vec<Wire>,
    /// How often each host sends a broadcast, in milliseconds; 0: never.
    #[serde(default)]
    pub traffic_ms: u32,
    /// Hosts send nothing from the last step on, so that only the protocol makes bridges forget.
    #[serde(default)]
    pub hush: bool,
    /// What happens, in order.
    #[serde(default)]
    pub steps: Vec<Step>,
}

/// A bridge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bridge {
    /// In steps of 4096: 0 to 15.
    pub priority: u8,
    /// What it uses when it is the root.
    pub times: Times,
}

/// Max age, hello time and forward delay in seconds; legal ones (802.1D-1998 8.10.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Times(pub u8, pub u8, pub u8);

impl Times {
    /// The fastest there are.
    pub const FASTEST: Self = Self(6, 1, 4);
    /// The standard's defaults.
    pub const DEFAULT: Self = Self(20, 2, 15);

    /// Max age.
    #[must_use]
    pub fn max_age(self) -> Duration {
        Duration::from_secs(self.0.into())
    }

    /// Hello time.
    #[must_use]
    pub fn hello_time(self) -> Duration {
        Duration::from_secs(self.1.into())
    }

    /// Forward delay.
    #[must_use]
    pub fn forward_delay(self) -> Duration {
        Duration::from_secs(self.2.into())
    }
}

/// A cable between two ends, or a segment of more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wire {
    /// Bridges' ports on it; the same bridge may come twice.
    pub ends: Vec<End>,
    /// Hosts on it.
    #[serde(default)]
    pub hosts: u8,
    /// How long frames are under way, in microseconds.
    pub delay_us: u32,
}

/// A bridge's port on a wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct End {
    /// The bridge.
    pub bridge: usize,
    /// Its path cost.
    pub cost: u32,
    /// Its priority in steps of 16: 0 to 15.
    pub priority: u8,
    /// Whether management says that no bridge is behind it.
    #[serde(default)]
    pub edge: bool,
}

/// Something that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// How long after the step before, in microseconds.
    pub wait_us: u64,
    /// What.
    pub fault: Fault,
}

/// What can happen. A wire is an index, an end an index of a wire and one of an end of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// Nothing: time passes.
    Nothing,
    /// A wire is cut: no end has carrier.
    Down(usize),
    /// A wire works again, whatever was wrong with it.
    Up(usize),
    /// A wire dies in silence: carrier stays.
    Silent(usize),
    /// What a bridge's port sends gets nowhere.
    Mute(usize, usize),
    /// What others send does not get to a bridge's port.
    Deaf(usize, usize),
    /// A wire loses frames; in percent.
    Loss(usize, u8),
    /// A wire takes so many microseconds from now on.
    Delay(usize, u32),
    /// A bridge is switched off.
    Off(usize),
    /// A bridge is switched on, or goes on where it stopped.
    On(usize),
    /// A bridge hangs.
    Freeze(usize),
    /// A bridge's priority changes.
    Priority(usize, u8),
    /// A bridge's times change.
    Times(usize, Times),
    /// A port's path cost changes.
    Cost(usize, usize, u32),
    /// A port's priority changes.
    PortPriority(usize, usize, u8),
    /// Management disables a port.
    PortDown(usize, usize),
    /// Management enables a port.
    PortUp(usize, usize),
}

impl Fault {
    /// Whether frames are lost by it that nobody is told of: spanning tree promises nothing then.
    #[must_use]
    pub fn loses(&self) -> bool {
        match self {
            Self::Silent(_)
            | Self::Mute(..)
            | Self::Deaf(..)
            | Self::Loss(..)
            | Self::Freeze(_) => true,
            Self::Nothing
            | Self::Down(_)
            | Self::Up(_)
            | Self::Delay(..)
            | Self::Off(_)
            | Self::On(_)
            | Self::Priority(..)
            | Self::Times(..)
            | Self::Cost(..)
            | Self::PortPriority(..)
            | Self::PortDown(..)
            | Self::PortUp(..) => false,
        }
    }
}

impl Scenario {
    /// Whether some fault of it loses frames in silence.
    #[must_use]
    pub fn loses(&self) -> bool {
        self.steps.iter().any(|step| step.fault.loses())
    }

    /// When the last step happens.
    #[must_use]
    pub fn last_step(&self) -> Duration {
        Duration::from_micros(self.steps.iter().map(|step| step.wait_us).sum())
    }

    /// One line of JSON.
    #[must_use]
    pub fn to_line(&self) -> String {
        serde_json::to_string(self).expect("numbers and words make JSON")
    }

    /// Reads what [`Scenario::to_line`] wrote.
    ///
    /// # Errors
    /// It is no scenario: what is wrong, and where.
    pub fn from_line(line: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(line)
    }
}
