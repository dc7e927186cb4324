//! What is built, and what is done to it.

use core::fmt;

use switchd::TreeProtocol;

/// Whose bridge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Brand {
    /// `switchd`.
    Ours,
    /// Linux's own.
    Kernel,
    /// Open vSwitch with its userspace datapath.
    Ovs,
}

/// What a bridge speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speech {
    /// IEEE 802.1D-1998.
    Stp,
    /// IEEE 802.1D-2004.
    Rstp,
}

impl Speech {
    /// The version octet of what it sends to a neighbour that speaks `other`: a rapid bridge falls back (802.1D-2004
    /// 17.24).
    #[must_use]
    pub fn version_towards(self, other: Self) -> u8 {
        self.version().min(match other.version() {
            0 => 0,
            _ => u8::MAX,
        })
    }

    /// In `switchd`'s words.
    #[must_use]
    pub fn protocol(self) -> TreeProtocol {
        match self {
            Self::Stp => TreeProtocol::Stp,
            Self::Rstp => TreeProtocol::Rstp,
        }
    }

    fn version(self) -> u8 {
        match self {
            Self::Stp => 0,
            Self::Rstp => 2,
        }
    }
}

impl fmt::Display for Speech {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Stp => "stp",
            Self::Rstp => "rstp",
        })
    }
}

/// A bridge as it starts. Bridges are numbered in the order of the plan and called a, b, c; each has a host.
#[derive(Debug, Clone, Copy)]
pub struct Bridge {
    /// Whose.
    pub brand: Brand,
    /// What it speaks.
    pub speech: Speech,
    /// Its priority.
    pub priority: u16,
    /// Whether it has epochs: an option of ours, which the others are not to notice.
    pub epochs: bool,
}

/// A cable between two bridges. Its ends are ports p1, p2, … of each, in the order of the plan.
#[derive(Debug, Clone, Copy)]
pub struct Wire {
    /// The bridges, by number.
    pub ends: [usize; 2],
    /// The path cost of both ends.
    pub cost: u32,
}

/// What is done.
#[derive(Debug, Clone, Copy)]
pub enum Step {
    /// A cable loses its carrier: one end, of ours if there is one, is set down.
    Cut(usize),
    /// It has carrier again.
    Join(usize),
    /// A bridge dies with its carriers up: process ended, or bridge device set down.
    Stop(usize),
    /// It is there again, as configured last.
    Start(usize),
    /// A bridge's priority is changed while it runs.
    Priority(usize, u16),
    /// The path cost of a bridge's end of a cable is changed while it runs.
    Cost {
        /// The bridge.
        bridge: usize,
        /// The cable.
        wire: usize,
        /// The cost.
        cost: u32,
    },
    /// A bridge's protocol is changed while it runs.
    Speak(usize, Speech),
}

/// A network of several brands and what is done to it, one thing after the other.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// What it is about.
    pub name: &'static str,
    /// The bridges.
    pub bridges: Vec<Bridge>,
    /// The cables.
    pub wires: Vec<Wire>,
    /// What is done after the start.
    pub steps: Vec<Step>,
}

/// A bridge's name by its number.
#[must_use]
pub fn name(bridge: usize) -> &'static str {
    ["a", "b", "c", "d"][bridge]
}

impl Scenario {
    /// The same, ours with epochs.
    #[must_use]
    pub fn with_epochs(mut self) -> Self {
        for bridge in &mut self.bridges {
            bridge.epochs = bridge.brand == Brand::Ours;
        }
        self
    }

    /// Whether some bridge has epochs.
    #[must_use]
    pub fn has_epochs(&self) -> bool {
        self.bridges.iter().any(|bridge| bridge.epochs)
    }

    /// The cables of a bridge, in the order of its ports.
    pub fn wires_of(&self, bridge: usize) -> impl Iterator<Item = usize> + '_ {
        let wires = (0..).zip(&self.wires);
        wires
            .filter(move |(_, wire)| wire.ends.contains(&bridge))
            .map(|(index, _)| index)
    }

    /// The name of a bridge's port at a cable.
    ///
    /// # Panics
    /// When they do not meet.
    #[must_use]
    pub fn port(&self, bridge: usize, wire: usize) -> String {
        let position = self.wires_of(bridge).position(|own| own == wire);
        format!("p{}", position.expect("the cable ends there") + 1)
    }

    /// A step in words.
    #[must_use]
    pub fn words(&self, step: Step) -> String {
        let cable = |wire: usize| {
            let [one, other] = self.wires[wire].ends;
            let end = |bridge| format!("{} {}", name(bridge), self.port(bridge, wire));
            format!("{} – {}", end(one), end(other))
        };
        match step {
            Step::Cut(wire) => format!("{} loses carrier", cable(wire)),
            Step::Join(wire) => format!("{} has carrier again", cable(wire)),
            Step::Stop(bridge) => format!("{} dies, carriers stay", name(bridge)),
            Step::Start(bridge) => format!("{} starts again", name(bridge)),
            Step::Priority(bridge, value) => format!("{} gets priority {value}", name(bridge)),
            Step::Cost { bridge, wire, cost } => {
                format!(
                    "{} {} gets cost {cost}",
                    name(bridge),
                    self.port(bridge, wire)
                )
            }
            Step::Speak(bridge, speech) => format!("{} is set to {speech}", name(bridge)),
        }
    }
}
