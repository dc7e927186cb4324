//! Who pays when the table is full.

use super::invariants::check;
use super::{NEW, VLAN, learn_many, left, seconds, station, table, vlan};
use crate::{Departure, Flush, InsertError, Learned, PORTS_MAX, Rejection};

#[test]
fn who_floods_addresses_evicts_himself() {
    let mut table = table(10);
    learn_many(&mut table, 0, 3, 1);
    learn_many(&mut table, 3, 7, 2);
    for number in 10..10_000 {
        let displaced = Some(left(station(number - 7), 2, Departure::Evicted));
        let learned = table.learn(seconds(10), VLAN, station(number), 2);
        assert_eq!(learned, Learned::New { displaced });
    }
    assert_eq!((table.count(1).dynamic, table.count(2).dynamic), (3, 7));
    assert_eq!(table.stats().evicted, 9_990);
    check(&table);
}

#[test]
fn a_newcomer_makes_the_fullest_port_pay_with_its_least_recently_refreshed() {
    let mut table = table(10);
    learn_many(&mut table, 0, 6, 1);
    learn_many(&mut table, 6, 4, 2);
    table.learn(seconds(20), VLAN, station(0), 1);
    let displaced = Some(left(station(1), 1, Departure::Evicted));
    let learned = table.learn(seconds(21), VLAN, station(90), 3);
    assert_eq!(learned, Learned::New { displaced });
}

#[test]
fn among_equally_full_ports_the_learner_pays_else_the_lowest() {
    let mut table = table(6);
    for port in [3, 2, 1] {
        learn_many(&mut table, u32::from(port) * 10, 2, port);
    }
    let displaced = Some(left(station(20), 2, Departure::Evicted));
    let learned = table.learn(seconds(50), VLAN, station(90), 2);
    assert_eq!(learned, Learned::New { displaced });
    let displaced = Some(left(station(10), 1, Departure::Evicted));
    let learned = table.learn(seconds(50), VLAN, station(91), 4);
    assert_eq!(learned, Learned::New { displaced });
}

#[test]
fn nobody_is_evicted_while_an_expired_or_flushed_entry_has_a_place() {
    let mut table = table(3);
    table.learn(seconds(0), VLAN, station(1), 1);
    table.learn(seconds(200), VLAN, station(2), 1);
    table.learn(seconds(200), vlan(2), station(3), 1);
    let displaced = Some(left(station(1), 1, Departure::Expired));
    let learned = table.learn(seconds(300), VLAN, station(4), 2);
    assert_eq!(learned, Learned::New { displaced });
    assert_eq!(table.flush(Flush::vlan(vlan(2))), 1);
    assert_eq!(table.learn(seconds(300), VLAN, station(5), 2), NEW);
    assert_eq!(table.stats().evicted, 0);
}

#[test]
fn a_table_full_of_static_entries_learns_nothing() {
    let mut table = table(2);
    for number in [1, 2] {
        let inserted = table.insert_static(seconds(0), VLAN, station(number), 1);
        assert_eq!(inserted, Ok(None));
    }
    assert_eq!(
        table.learn(seconds(0), VLAN, station(3), 1),
        Learned::Rejected(Rejection::Full)
    );
    let inserted = table.insert_static(seconds(0), VLAN, station(3), 1);
    assert_eq!(inserted, Err(InsertError::Full));
}

#[test]
fn a_port_beyond_the_last_port_number_learns_nothing_until_another_is_unused() {
    let mut table = table(10_000);
    let last = u16::try_from(PORTS_MAX).unwrap();
    for port in 0..last {
        table.learn(seconds(0), VLAN, station(port.into()), port);
    }
    let rejected = Learned::Rejected(Rejection::Full);
    assert_eq!(
        table.learn(seconds(0), VLAN, station(9_999), last),
        rejected
    );
    assert_eq!(table.learn(seconds(0), VLAN, station(0), last), rejected);
    assert_eq!(table.remove_port(7), 1);
    assert_eq!(table.expire(seconds(0), 1), []);
    assert_eq!(table.learn(seconds(0), VLAN, station(9_999), last), NEW);
    check(&table);
}
