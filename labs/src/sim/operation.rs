//! What can be done to a world while time stands still, as plain values: they can be drawn at random, listed, scheduled
//! and printed.

use core::time::Duration;
use std::rc::Rc;

use serde::{Deserialize, Serialize};
use stp::BridgeConfig;
use switchd::{PortSettings, SwitchError, TreeProtocol};

use super::id::{NodeId, PortRef, WireId};
use super::map::Map;
use super::wire::{Impairment, LinkState, Medium, OneWay};

/// Whether a node runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Power {
    /// It runs.
    #[default]
    On,
    /// It is off: its wires have no carrier, all it knew is lost. Settings are kept.
    Off,
    /// It hangs: neither receives nor sends nor runs timers, and carrier stays. It goes on where it stopped.
    Frozen,
}

/// Something done to a world; [`super::World::apply`] does it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Cuts a wire, repairs it, or lets it die in silence. Frames under way on a wire that is cut are lost.
    Link {
        /// The wire.
        wire: WireId,
        /// How it is from now on.
        state: LinkState,
    },
    /// Plugs one end of a wire in or out.
    Plug {
        /// The port it ends at.
        port: PortRef,
        /// Whether it is in.
        plugged: bool,
    },
    /// Makes one end of a wire mute or deaf, or heals it.
    OneWay {
        /// The port it ends at.
        port: PortRef,
        /// What fails.
        one_way: OneWay,
    },
    /// Changes what happens to frames that this port sends.
    Impair {
        /// The sending port.
        port: PortRef,
        /// What happens to them.
        impairment: Impairment,
    },
    /// Switches a node on or off, or lets it hang.
    Power {
        /// The node.
        node: NodeId,
        /// How it is from now on.
        power: Power,
    },
    /// Plugs a new wire into ports that have none.
    Connect {
        /// The ports, two or more.
        ends: Vec<PortRef>,
        /// The wire.
        medium: Medium,
    },
    /// Changes a bridge's priority, address or timers.
    SetBridge {
        /// The bridge.
        node: NodeId,
        /// Its settings from now on.
        config: BridgeConfig,
    },
    /// Changes a bridge's spanning tree protocol.
    SetProtocol {
        /// The bridge.
        node: NodeId,
        /// What it speaks from now on.
        protocol: TreeProtocol,
    },
    /// Changes how long a bridge holds addresses.
    SetAgeing {
        /// The bridge.
        node: NodeId,
        /// The time.
        ageing: cam::AgeingTime,
    },
    /// Changes a bridge's port: cost, priority, edge, VLANs, whether it is enabled. Name and address are kept.
    SetPort {
        /// The port.
        port: PortRef,
        /// Its settings from now on.
        settings: Box<PortSettings>,
    },
    /// Lets a port send a frame.
    Send {
        /// The port it leaves.
        from: PortRef,
        /// The frame, from its destination address to the end of its payload.
        frame: Rc<[u8]>,
    },
    /// Lets a frame come in by a port as if its wire had brought it.
    Inject {
        /// The port it comes in by.
        at: PortRef,
        /// The frame.
        frame: Rc<[u8]>,
    },
}

impl Operation {
    /// What it is, with the names of `map`, in one line.
    #[must_use]
    pub fn label(&self, map: &Map) -> String {
        let wire_label = |wire: &WireId| {
            let ends: Vec<String> = map.ends(*wire).iter().map(|end| map.label(*end)).collect();
            ends.join(", ")
        };
        match self {
            Self::Link { wire, state } => format!("link {state:?}: {}", wire_label(wire)),
            Self::Plug { port, plugged } => {
                let word = if *plugged { "in" } else { "out" };
                format!("plug {word}: {}", map.label(*port))
            }
            Self::OneWay { port, one_way } => {
                format!("{one_way:?}: {}", map.label(*port))
            }
            Self::Impair { port, impairment } => {
                format!("{impairment:?}: {}", map.label(*port))
            }
            Self::Power { node, power } => format!("power {power:?}: {}", map.name(*node)),
            Self::Connect { ends, medium } => {
                let ends: Vec<String> = ends.iter().map(|end| map.label(*end)).collect();
                format!("connect {}: {medium:?}", ends.join(", "))
            }
            Self::SetBridge { node, config } => {
                format!("set {}: {config:?}", map.name(*node))
            }
            Self::SetProtocol { node, protocol } => {
                format!("set {}: spanning tree {protocol}", map.name(*node))
            }
            Self::SetAgeing { node, ageing } => {
                format!("set {}: ageing {ageing:?}", map.name(*node))
            }
            Self::SetPort { port, settings } => {
                format!("set {}: {settings:?}", map.label(*port))
            }
            Self::Send { from, frame } => {
                format!("send {} octets from {}", frame.len(), map.label(*from))
            }
            Self::Inject { at, frame } => {
                format!("inject {} octets at {}", frame.len(), map.label(*at))
            }
        }
    }
}

/// Why something cannot be done; nothing is changed then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WorldError {
    /// There is no such node.
    #[error("there is no {0}")]
    NoNode(NodeId),
    /// There is no such port.
    #[error("there is no {0}")]
    NoPort(PortRef),
    /// There is no such wire.
    #[error("there is no {0}")]
    NoWire(WireId),
    /// No wire ends at the port.
    #[error("no wire ends at {0}")]
    NotConnected(PortRef),
    /// A wire ends at the port already, or is to end there twice.
    #[error("{0} has a wire already")]
    Connected(PortRef),
    /// A wire needs two ends or more.
    #[error("a wire has two ends or more, not {0}")]
    Ends(usize),
    /// A node of this name exists.
    #[error("there is a node '{0}' already")]
    NameTaken(String),
    /// Only bridges have such settings.
    #[error("{0} is no bridge")]
    NotABridge(NodeId),
    /// It is off or frozen.
    #[error("{0} is off or frozen")]
    NotRunning(NodeId),
    /// The switch refuses.
    #[error(transparent)]
    Switch(#[from] SwitchError),
    /// Time does not go back.
    #[error("{0:?} is past")]
    Past(Duration),
}
