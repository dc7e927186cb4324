//! What goes into a bridge and what comes out of it: plain values, to be recorded, replayed and printed.

use core::fmt;

use crate::bpdu::Bpdu;
use crate::config::Inconsistency;
use crate::cost::PathCost;
use crate::id::{BridgeId, PortNumber, TreeId};

/// Something that happened to a bridge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// A port can reach its LAN. Repeated for a port that is up already, it only changes cost and kind of link.
    LinkUp {
        /// The port.
        port: PortNumber,
        /// The path cost if the port's own is not set: [`PathCost::for_speed`].
        cost: PathCost,
        /// Whether one other station at most is on the link. Reported by [`crate::PortStatus`]; the classic protocol
        /// makes no other use of it.
        point_to_point: bool,
    },
    /// A port has lost its LAN.
    LinkDown {
        /// The port.
        port: PortNumber,
    },
    /// A BPDU has arrived.
    Received {
        /// The port it came through.
        port: PortNumber,
        /// The BPDU.
        bpdu: &'a Bpdu,
    },
    /// Time has passed: due at [`crate::Bridge::deadline`], harmless at any other time.
    Timeout,
}

/// Something a bridge wants done, in the order given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send a BPDU.
    Transmit {
        /// Through this port.
        port: PortNumber,
        /// The BPDU.
        bpdu: Bpdu,
    },
    /// A port's state has changed; the data path follows at once.
    SetState {
        /// The port.
        port: PortNumber,
        /// For frames of this tree.
        tree: TreeId,
        /// The new state.
        state: PortState,
    },
    /// A port's role has changed. Nothing in the data path depends on it.
    SetRole {
        /// The port.
        port: PortNumber,
        /// In this tree.
        tree: TreeId,
        /// The new role.
        role: PortRole,
    },
    /// Forget the dynamic entries learned on a port, at once: it is disabled, or the topology has changed and stations
    /// behind it may now be elsewhere (fdbFlush, 802.1D-2004 17.19.7).
    Flush {
        /// The port.
        port: PortNumber,
        /// Entries of this tree's VLANs.
        tree: TreeId,
    },
    /// A guard holds the port, or holds it no longer. What follows for the data path comes as [`Action::SetState`].
    SetInconsistent {
        /// The port.
        port: PortNumber,
        /// In this tree. [`Inconsistency::BpduGuard`] is told of in the common tree only, and is true of all.
        tree: TreeId,
        /// Why the port is held; `None`: it is held no longer.
        inconsistent: Option<Inconsistency>,
    },
    /// Age dynamic entries by the forward delay in force instead of the ageing time, or cease to (802.1D-1998 8.3.5).
    ShortAgeing {
        /// Entries of this tree's VLANs.
        tree: TreeId,
        /// Whether short ageing is in force from now on.
        active: bool,
    },
    /// Another root, another cost to it, or another port towards it.
    RootChanged {
        /// In this tree.
        tree: TreeId,
        /// The root.
        root: BridgeId,
        /// The cost of the path to it; 0 if this bridge is the root.
        path_cost: u32,
        /// The root port; `None` if this bridge is the root.
        port: Option<PortNumber>,
    },
    /// Something about a topology change, for those who watch.
    TopologyChange {
        /// In this tree.
        tree: TreeId,
        /// The port it came from or happened on, if it was a port.
        port: Option<PortNumber>,
        /// What.
        kind: TopologyChangeKind,
    },
}

/// The stages of a topology change (802.1D-1998 8.3.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TopologyChangeKind {
    /// This bridge saw one: a port began or ceased to forward, or the bridge became the root.
    Detected,
    /// A topology change notification came from a bridge further from the root.
    Notified,
    /// The next bridge towards the root has acknowledged our notification.
    Acknowledged,
    /// The root says so, or we as the root do: short ageing is in force.
    Active,
    /// The root says so no longer.
    Ended,
}

/// What a port is to the tree (802.1D-1998 8.3.1; alternate and backup are told apart as in 802.1D-2004 17.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PortRole {
    /// Takes no part.
    Disabled,
    /// The way to the root.
    Root,
    /// The LAN's way to the root.
    Designated,
    /// Another bridge is designated on the LAN: another way to the root.
    Alternate,
    /// Another port of this bridge is designated on the LAN.
    Backup,
    /// The region's way to the common root, seen by a tree of the region (802.1Q 13.12).
    Master,
}

impl fmt::Display for PortRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Disabled => "disabled",
            Self::Root => "root",
            Self::Designated => "designated",
            Self::Alternate => "alternate",
            Self::Backup => "backup",
            Self::Master => "master",
        })
    }
}

/// What a port does with frames (802.1D-1998 8.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PortState {
    /// Nothing (8.4.5).
    Disabled,
    /// Takes BPDUs only (8.4.1).
    Blocking,
    /// Takes part in the computation of the tree (8.4.2).
    Listening,
    /// Learns addresses, relays nothing yet (8.4.3).
    Learning,
    /// Relays (8.4.4).
    Forwarding,
}

impl PortState {
    /// Whether source addresses are learned: learning and forwarding.
    #[must_use]
    pub const fn learns(self) -> bool {
        match self {
            Self::Learning | Self::Forwarding => true,
            Self::Disabled | Self::Blocking | Self::Listening => false,
        }
    }

    /// Whether frames are relayed from and to the port: forwarding.
    #[must_use]
    pub const fn forwards(self) -> bool {
        match self {
            Self::Forwarding => true,
            Self::Disabled | Self::Blocking | Self::Listening | Self::Learning => false,
        }
    }
}

impl fmt::Display for PortState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Disabled => "disabled",
            Self::Blocking => "blocking",
            Self::Listening => "listening",
            Self::Learning => "learning",
            Self::Forwarding => "forwarding",
        })
    }
}
