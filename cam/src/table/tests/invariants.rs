//! The table looked at from inside: every list, count and index says the same.

use std::collections::{BTreeMap, BTreeSet};

use etherparse::VlanId;

use crate::MacTable;
use crate::list::{self, NIL};
use crate::slots::{BY_AGE, BY_PORT, Kind};

/// Panics if any two parts of the table disagree.
pub(super) fn check(table: &MacTable<u16>) {
    let slots = &table.slots;
    let ids: Vec<u32> = (1..slots.slab.end())
        .filter(|&id| !slots.get(id).is_vacant())
        .collect();
    assert_eq!(ids.len(), slots.slab.used() as usize);
    let mut counts: BTreeMap<u16, [u32; 4]> = BTreeMap::new();
    let mut groups: BTreeMap<u32, u32> = BTreeMap::new();
    let mut vlans: BTreeMap<u16, BTreeSet<VlanId>> = BTreeMap::new();
    for &id in &ids {
        let slot = slots.get(id);
        assert_eq!(slots.find(slot.key), Some(id));
        let count = counts.entry(slot.port).or_default();
        match slot.kind {
            Kind::Static => count[1] += 1,
            Kind::Local => count[2] += 1,
            Kind::Dynamic => {
                count[3] += 1;
                *groups.entry(slot.group).or_default() += 1;
                let group = table.groups.get(slot.group);
                assert_eq!(group.port, slot.port);
                if table.groups.is_alive(slot.group) {
                    count[0] += 1;
                    let vlan = slot.key.vlan();
                    let group = table.groups.find(slot.port, vlan.value());
                    assert_eq!(group, Some(slot.group));
                    vlans.entry(slot.port).or_default().insert(vlan);
                }
            }
        }
    }
    assert_eq!(groups.len(), table.groups.used() as usize);
    for (&group, &count) in &groups {
        assert_eq!(table.groups.get(group).count, count);
    }
    for &slot in counts.keys() {
        let listed: Vec<VlanId> = table.vlans_of(table.ports.handle(slot)).collect();
        let held = vlans.remove(&slot).unwrap_or_default();
        assert_eq!(listed.len(), held.len());
        assert_eq!(listed.into_iter().collect::<BTreeSet<_>>(), held);
    }
    check_ports(table, &counts);
    check_totals(table, &counts);
}

fn check_ports(table: &MacTable<u16>, counts: &BTreeMap<u16, [u32; 4]>) {
    assert_eq!(counts.len(), table.ports.used());
    for (&slot, &[dynamic, statics, locals, linked]) in counts {
        let port = table.ports.get(slot);
        assert_eq!(table.ports.find(table.ports.handle(slot)), Some(slot));
        let held = port.held();
        let expected = [dynamic, statics, locals].map(|count| count as usize);
        assert_eq!([held.dynamic, held.r#static, held.local], expected);
        assert_eq!(ordered(table, port.recent.first(), BY_PORT), linked);
        let mut permanent = 0;
        let mut id = port.permanent;
        while id != NIL {
            permanent += 1;
            id = list::next(&table.slots.slab, BY_PORT, id);
        }
        assert_eq!(permanent, statics + locals);
    }
    let most = counts.values().map(|count| count[0]).max().unwrap_or(0);
    let fullest = table.ports.fullest(u16::MAX);
    let of_fullest = fullest.map_or(0, |slot| table.ports.get(slot).held().dynamic);
    assert_eq!(of_fullest, most as usize);
}

fn check_totals(table: &MacTable<u16>, counts: &BTreeMap<u16, [u32; 4]>) {
    let sum = |which: usize| counts.values().map(|count| count[which]).sum::<u32>();
    let held = table.stats().held;
    assert_eq!(held.dynamic, sum(0) as usize);
    assert_eq!(held.r#static, sum(1) as usize);
    assert_eq!(held.local, sum(2) as usize);
    assert_eq!(ordered(table, table.by_age.first(), BY_AGE), sum(3));
    assert_eq!(table.groups.first_dead_entry().is_some(), sum(0) < sum(3));
}

/// How many entries a list has; they must be in order of refresh.
fn ordered(table: &MacTable<u16>, first: u32, which: usize) -> u32 {
    let (mut length, mut seen, mut id) = (0, 0, first);
    while id != NIL {
        let slot = table.slots.get(id);
        assert!(seen <= slot.seen);
        seen = slot.seen;
        length += 1;
        id = list::next(&table.slots.slab, which, id);
    }
    length
}
