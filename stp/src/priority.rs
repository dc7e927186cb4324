//! The order that spanning tree is built on (802.1D-1998 8.6.8, 8.7.1; 802.1D-2004 17.6).

use core::fmt;

use crate::cost::PathCost;
use crate::id::{BridgeId, PortId};

/// What a designated port says about the way to the root: the order of the fields is the order of comparison, lower is
/// better. 802.1D-2004 17.6 adds the receiving port as the last tie-breaker; here it is compared beside the vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PriorityVector {
    /// The bridge taken for the root (8.5.5.4).
    pub root: BridgeId,
    /// The cost from the designated bridge to the root (8.5.5.5).
    pub root_path_cost: u32,
    /// The bridge that speaks for the LAN (8.5.5.6).
    pub designated_bridge: BridgeId,
    /// Its port on the LAN (8.5.5.7).
    pub designated_port: PortId,
}

impl PriorityVector {
    /// The same way, seen from the far side of a port that costs `path_cost` more. `None` if the sum is no cost that a
    /// BPDU can carry: then this is no way to anywhere.
    #[must_use]
    pub fn plus(self, path_cost: PathCost) -> Option<Self> {
        let root_path_cost = self.root_path_cost.checked_add(path_cost.get())?;
        Some(Self {
            root_path_cost,
            ..self
        })
    }

    /// Whether this information, just received, replaces `held` on a port of the bridge `own` (802.1D-1998 8.6.2.2): it
    /// is better; or it comes from the same designated bridge at the same root and cost, which refreshes it even if the
    /// port identifier is worse, unless that bridge is `own` itself: then its ports are told apart and the better one
    /// stands.
    #[must_use]
    pub fn supersedes(&self, held: &Self, own: BridgeId) -> bool {
        let key = |vector: &Self| (vector.root, vector.root_path_cost, vector.designated_bridge);
        if key(self) != key(held) {
            return key(self) < key(held);
        }
        self.designated_bridge != own || self.designated_port <= held.designated_port
    }
}

/// The priority vector of all spanning trees (802.1Q 13.9, 13.11): the order of the fields is the order of comparison,
/// lower is better. The receiving port, the last tie-breaker, is compared beside it.
///
/// Of the common tree it says how its root is reached from outside the region, and how the region's root is reached from
/// within. A rapid bridge is a region of its own: its regional root is itself, at no cost. In an instance of a region the
/// first two fields say nothing and are the same for all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TreeVector {
    /// The bridge taken for the common root.
    pub root: BridgeId,
    /// The cost between the regions on the way to it.
    pub external_root_path_cost: u32,
    /// The bridge taken for the root within the region.
    pub regional_root: BridgeId,
    /// The cost to it.
    pub internal_root_path_cost: u32,
    /// The bridge that speaks for the LAN.
    pub designated_bridge: BridgeId,
    /// Its port on the LAN.
    pub designated_port: PortId,
}

impl TreeVector {
    /// What a tree without a region knows of this: root, external cost, bridge, port.
    #[must_use]
    pub const fn common(&self) -> PriorityVector {
        PriorityVector {
            root: self.root,
            root_path_cost: self.external_root_path_cost,
            designated_bridge: self.designated_bridge,
            designated_port: self.designated_port,
        }
    }

    /// The same within a region: regional root, internal cost, bridge, port.
    #[must_use]
    pub const fn internal(&self) -> PriorityVector {
        PriorityVector {
            root: self.regional_root,
            root_path_cost: self.internal_root_path_cost,
            designated_bridge: self.designated_bridge,
            designated_port: self.designated_port,
        }
    }

    /// Whether both come from the same port of the same bridge: by address and port number, because priorities may be
    /// changed meanwhile (802.1D-2004 17.6).
    pub(crate) fn same_speaker(&self, other: &Self) -> bool {
        self.designated_bridge.address() == other.designated_bridge.address()
            && self.designated_port.number() == other.designated_port.number()
    }

    /// Whether this information, just received, is superior to `held`: better, or other news from whom `held` came
    /// (802.1D-2004 17.6).
    pub(crate) fn is_superior_to(&self, held: &Self) -> bool {
        self < held || (self != held && self.same_speaker(held))
    }

    /// The field in which two vectors first differ.
    pub(crate) fn decided_by(&self, other: &Self) -> Option<Component> {
        [
            (self.root == other.root, Component::Root),
            (
                self.external_root_path_cost == other.external_root_path_cost,
                Component::ExternalRootPathCost,
            ),
            (
                self.regional_root == other.regional_root,
                Component::RegionalRoot,
            ),
            (
                self.internal_root_path_cost == other.internal_root_path_cost,
                Component::InternalRootPathCost,
            ),
            (
                self.designated_bridge == other.designated_bridge,
                Component::DesignatedBridge,
            ),
            (
                self.designated_port == other.designated_port,
                Component::DesignatedPort,
            ),
        ]
        .into_iter()
        .find_map(|(same, component)| (!same).then_some(component))
    }
}

/// The part of a comparison that decided it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Component {
    /// The root's identifier.
    Root,
    /// The cost to the root, or between the regions on the way to it.
    ExternalRootPathCost,
    /// The regional root's identifier.
    RegionalRoot,
    /// The cost to it.
    InternalRootPathCost,
    /// The identifier of the bridge that speaks for the LAN.
    DesignatedBridge,
    /// The identifier of its port.
    DesignatedPort,
    /// The identifier of our own port.
    ReceivingPort,
}

impl fmt::Display for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Root => "root",
            Self::ExternalRootPathCost => "root path cost",
            Self::RegionalRoot => "regional root",
            Self::InternalRootPathCost => "internal root path cost",
            Self::DesignatedBridge => "designated bridge",
            Self::DesignatedPort => "designated port",
            Self::ReceivingPort => "receiving port",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(low: u8) -> BridgeId {
        BridgeId::from_octets([0x80, 0, 0, 0, 0, 0, 0, low])
    }

    fn vector(root: u8, cost: u32, bridge: u8, port: u8) -> PriorityVector {
        PriorityVector {
            root: id(root),
            root_path_cost: cost,
            designated_bridge: id(bridge),
            designated_port: PortId::from_octets([0x80, port]),
        }
    }

    #[test]
    fn fields_decide_in_order() {
        let held = vector(5, 10, 5, 5);
        assert!(vector(4, 99, 9, 9) < held);
        assert!(vector(5, 9, 9, 9) < held);
        assert!(vector(5, 10, 4, 9) < held);
        assert!(vector(5, 10, 5, 4) < held);
        assert!(held < vector(6, 0, 0, 0));
    }

    #[test]
    fn the_same_bridge_refreshes_whatever_its_port() {
        let own = BridgeId::from_octets([0xf0, 0, 0, 0, 0, 0, 0, 1]);
        let held = vector(1, 10, 2, 5);
        for port in [4, 5, 6] {
            assert!(vector(1, 10, 2, port).supersedes(&held, own));
        }
        assert!(!vector(1, 10, 3, 1).supersedes(&held, own));
        assert!(!vector(1, 11, 2, 1).supersedes(&held, own));
        assert!(vector(1, 9, 3, 9).supersedes(&held, own));
    }

    #[test]
    fn own_ports_are_told_apart() {
        let held = vector(1, 10, 2, 5);
        assert!(vector(1, 10, 2, 4).supersedes(&held, id(2)));
        assert!(vector(1, 10, 2, 5).supersedes(&held, id(2)));
        assert!(!vector(1, 10, 2, 6).supersedes(&held, id(2)));
    }

    #[test]
    fn a_cost_beyond_the_field_is_no_way() {
        let far = vector(1, u32::MAX - 1, 2, 3);
        assert_eq!(
            far.plus(PathCost::MIN).map(|way| way.root_path_cost),
            Some(u32::MAX)
        );
        assert_eq!(far.plus(PathCost::MAX), None);
    }
}
