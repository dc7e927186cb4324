//! Which tree a VLAN's frames go by.

use etherparse::VlanId;
use stp::TreeId;

use crate::vlan_set::VID_MAX;

/// VLANs to trees, by way of slots: numbers without gaps, so that what is kept per tree stands in an array.
///
/// Without more than one tree nothing is kept per VLAN, so that ten thousand simulated switches fit in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TreeMap {
    /// The tree of each slot; `None` is the slot of VLANs that have no tree, in which nothing ever forwards.
    slots: Vec<Option<TreeId>>,
    /// By VLAN; empty if all go by slot 0.
    slot_of: Vec<u16>,
    /// The VLANs in the order of their slots: a tree's are found without a look at the others, which a topology change of
    /// 4,094 trees would give 4,094 times for every port.
    by_slot: Vec<VlanId>,
}

impl TreeMap {
    /// All VLANs in the common tree.
    pub(crate) fn common() -> Self {
        Self {
            slots: vec![Some(TreeId::COMMON)],
            slot_of: Vec::new(),
            by_slot: Vec::new(),
        }
    }

    /// These trees, ascending, and the VLANs as `tree_of` says. One that goes by none of them has no tree.
    pub(crate) fn new(
        trees: impl IntoIterator<Item = TreeId>,
        tree_of: impl Fn(u16) -> Option<TreeId>,
    ) -> Self {
        let mut map = Self {
            slots: std::iter::once(None)
                .chain(trees.into_iter().map(Some))
                .collect(),
            slot_of: Vec::new(),
            by_slot: Vec::new(),
        };
        map.slot_of = (0..=VID_MAX)
            .map(|vid| {
                let slot = tree_of(vid).and_then(|tree| map.slot_of(tree));
                u16::try_from(slot.unwrap_or(0)).unwrap_or(0)
            })
            .collect();
        let vlans = (1..=VID_MAX).filter_map(|vid| VlanId::try_new(vid).ok());
        let mut by_slot: Vec<VlanId> = vlans.collect();
        by_slot.sort_by_key(|&vlan| map.slot_of_vlan(vlan));
        map.by_slot = by_slot;
        map
    }

    /// The tree of each slot.
    pub(crate) fn slots(&self) -> &[Option<TreeId>] {
        &self.slots
    }

    /// The slot of a tree.
    pub(crate) fn slot_of(&self, tree: TreeId) -> Option<usize> {
        self.slots.binary_search(&Some(tree)).ok()
    }

    /// The slot of a VLAN. Cost: a load.
    pub(crate) fn slot_of_vlan(&self, vlan: VlanId) -> usize {
        let slot = self.slot_of.get(usize::from(vlan.value())).copied();
        usize::from(slot.unwrap_or(0))
    }

    /// The tree of a VLAN, if it has one.
    pub(crate) fn tree_of(&self, vlan: VlanId) -> Option<TreeId> {
        self.slots[self.slot_of_vlan(vlan)]
    }

    /// The VLANs of a tree, ascending; `None` if those are all there are. Cost: a step for each, and two searches.
    pub(crate) fn vlans(&self, tree: TreeId) -> Option<impl ExactSizeIterator<Item = VlanId>> {
        if self.slot_of.is_empty() {
            return None;
        }
        let vlans = match self.slot_of(tree) {
            Some(slot) => {
                let place = |slot| {
                    self.by_slot
                        .partition_point(|&vlan| self.slot_of_vlan(vlan) < slot)
                };
                &self.by_slot[place(slot)..place(slot + 1)]
            }
            None => &[],
        };
        Some(vlans.iter().copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vlans_without_a_tree_have_a_slot_of_their_own() {
        let tree = |number| TreeId::new(number).unwrap();
        let vid = |vid| VlanId::try_new(vid).unwrap();
        let map = TreeMap::new([tree(10), tree(20)], TreeId::new);
        assert_eq!(map.tree_of(vid(10)), Some(tree(10)));
        assert_eq!(map.tree_of(vid(11)), None);
        assert_eq!(map.slot_of_vlan(vid(4095)), 0);
        assert_eq!(map.slot_of(TreeId::COMMON), None);
        let vlans: Vec<u16> = map.vlans(tree(20)).unwrap().map(VlanId::value).collect();
        assert_eq!(vlans, [20]);
        assert_eq!(map.vlans(tree(11)).unwrap().count(), 0, "it is no tree");
        let common = TreeMap::common();
        assert_eq!(common.tree_of(vid(4094)), Some(TreeId::COMMON));
        assert!(common.vlans(TreeId::COMMON).is_none());
    }

    #[test]
    fn a_regions_vlans_go_by_the_cist_unless_they_are_moved() {
        let one = TreeId::new(1).unwrap();
        let map = TreeMap::new([TreeId::COMMON, one], |vid| {
            Some(if vid == 10 { one } else { TreeId::COMMON })
        });
        let vid = |vid| VlanId::try_new(vid).unwrap();
        assert_eq!(map.tree_of(vid(10)), Some(one));
        assert_eq!(map.tree_of(vid(11)), Some(TreeId::COMMON));
        let common: Vec<u16> = map
            .vlans(TreeId::COMMON)
            .unwrap()
            .map(VlanId::value)
            .collect();
        let others: Vec<u16> = (1..=VID_MAX).filter(|&vid| vid != 10).collect();
        assert_eq!(common, others);
        let of_one: Vec<VlanId> = map.vlans(one).unwrap().collect();
        assert_eq!(of_one, [vid(10)]);
    }
}
