//! No call does more than its share, whatever the table holds.

use super::invariants::check;
use super::{VLAN, seconds, station, table, vlan};
use crate::slots::{Key, Slots};
use crate::{EXPIRE_BUDGET_MAX, Flush, LIST_LIMIT_MAX, Learned, MacTable};

fn used(table: &MacTable<u16>) -> usize {
    table.slots.slab.used() as usize
}

/// The size of everything the table has allocated, in elements.
fn reserved(table: &MacTable<u16>) -> Vec<usize> {
    let mut reserved = vec![table.departed.capacity()];
    reserved.extend(table.slots.reserved());
    reserved.extend(table.groups.reserved());
    reserved.extend(table.ports.reserved());
    reserved
}

#[test]
fn nothing_is_allocated_after_the_table_is_made() {
    let mut table = table(500);
    let at_first = reserved(&table);
    for turn in 0..50_000_u32 {
        let now = seconds(u64::from(turn / 20));
        let port = u16::try_from(turn % 1_023).unwrap();
        let vlan = vlan(u16::try_from(turn % 4_000).unwrap());
        table.learn(now, vlan, station(turn), port);
        table.learn(now, vlan, station(turn / 2), port);
        match turn % 1_000 {
            0 => assert!(table.expire(now, 100).len() <= 100),
            300 => assert!(table.flush(Flush::port(port)) <= 500),
            600 => assert!(table.flush(Flush::ALL) <= 500),
            900 => assert!(table.remove_port(port) <= 500),
            _ => {}
        }
    }
    check(&table);
    assert_eq!(reserved(&table), at_first);
}

#[test]
fn a_million_entries_are_held_flushed_at_once_and_reclaimed_bit_by_bit() {
    const MILLION: u32 = 1_000_000;
    let mut table = table(1_000_000);
    for number in 0..MILLION {
        let port = u16::try_from(number % 64).unwrap();
        table.learn(seconds(0), vlan(port % 8), station(number), port);
    }
    assert_eq!((table.len(), used(&table)), (1_000_000, 1_000_000));
    assert!(matches!(
        table.learn(seconds(0), VLAN, station(MILLION), 1),
        Learned::New { displaced: Some(_) }
    ));

    // No entry is touched by a flush: all keep their places.
    assert_eq!(table.flush(Flush::vlan(vlan(7))), 125_000);
    assert_eq!((table.len(), used(&table)), (875_000, 1_000_000));
    assert_eq!(table.flush(Flush::ALL), 875_000);
    assert_eq!((table.len(), used(&table)), (0, 1_000_000));
    assert_eq!(table.lookup(seconds(0), VLAN, station(8)), None);

    assert_eq!(table.expire(seconds(0), 10), []);
    assert_eq!(used(&table), 999_990);
    assert_eq!(table.expire(seconds(0), usize::MAX), []);
    assert_eq!(used(&table), 999_990 - EXPIRE_BUDGET_MAX);
    let (page, next) = table.entries_from(seconds(0), 0, usize::MAX);
    assert_eq!((page.len(), next), (0, Some(LIST_LIMIT_MAX)));
}

#[test]
fn expiry_keeps_to_its_budget_and_the_deadline_asks_for_more() {
    let mut table = table(10_000);
    for number in 0..10_000 {
        table.learn(seconds(0), VLAN, station(number), 1);
    }
    let mut calls = 0;
    while table
        .deadline()
        .is_some_and(|deadline| deadline <= seconds(300))
    {
        assert_eq!(table.expire(seconds(300), 100).len(), 100);
        calls += 1;
    }
    assert_eq!((calls, table.len()), (100, 0));
}

#[test]
fn addresses_chosen_to_collide_collide_under_one_key_only() {
    const BUCKETS: u32 = 1_024;
    let victim = Slots::new(BUCKETS, [1, 2]);
    let guess = {
        let mut guess = Slots::new(BUCKETS, [3, 4]);
        guess.insert(slot(station(0)));
        guess
    };
    let chosen: Vec<_> = (1..)
        .map(station)
        .filter(|&address| guess.chain_length(Key::new(VLAN, address)) == 1)
        .take(BUCKETS as usize)
        .collect();
    let longest = |mut slots: Slots| {
        for &address in &chosen {
            slots.insert(slot(address));
        }
        let lengths = chosen.iter().map(|&address| Key::new(VLAN, address));
        lengths.map(|key| slots.chain_length(key)).max().unwrap()
    };
    assert_eq!(longest(Slots::new(BUCKETS, [3, 4])), BUCKETS as usize);
    assert!(longest(victim) <= 10);
}

fn slot(address: pnet_base::MacAddr) -> crate::slots::Slot {
    use crate::slots::{Kind, Slot};
    Slot::new(Key::new(VLAN, address), Kind::Static, 0, 0, 0)
}

#[test]
fn chains_of_a_full_table_are_short() {
    let mut table = table(32_768);
    for number in 0..32_768 {
        table.learn(seconds(0), VLAN, station(number), 1);
    }
    let chain = |number| table.slots.chain_length(Key::new(VLAN, station(number)));
    let (longest, sum) = (0..32_768)
        .map(chain)
        .fold((0, 0), |(longest, sum), length| {
            (length.max(longest), sum + length)
        });
    assert!(longest <= 12, "{longest}");
    assert!(sum < 3 * 32_768, "{sum}");
}
