//! The order that spanning tree is built on (802.1D-1998 8.6.8, 8.7.1; 802.1D-2004 17.6).

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
