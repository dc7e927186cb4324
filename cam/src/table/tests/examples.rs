//! One behaviour, one story.

use pnet_base::MacAddr;

use super::invariants::check;
use super::{NEW, VLAN, learn_many, left, seconds, station, table, vlan};
use crate::{
    AgeingTime, Capacity, Count, Departure, Entry, Flush, InsertError, Learned, Origin, Rejection,
};

#[test]
fn a_station_is_new_then_refreshed_then_moved() {
    let mut table = table(8);
    assert_eq!(table.lookup(seconds(0), VLAN, station(1)), None);
    assert_eq!(table.learn(seconds(0), VLAN, station(1), 1), NEW);
    assert_eq!(
        table.learn(seconds(1), VLAN, station(1), 1),
        Learned::Refreshed
    );
    assert_eq!(
        table.learn(seconds(2), VLAN, station(1), 2),
        Learned::Moved { from: 1 }
    );
    assert_eq!(table.lookup(seconds(2), VLAN, station(1)), Some(2));
    assert_eq!((table.count(1).dynamic, table.count(2).dynamic), (0, 1));
    let stats = table.stats();
    assert_eq!((stats.learned, stats.refreshed, stats.moved), (1, 1, 1));
}

#[test]
fn an_address_is_another_station_in_another_vlan() {
    let mut table = table(8);
    assert_eq!(table.learn(seconds(0), vlan(10), station(1), 1), NEW);
    assert_eq!(table.learn(seconds(0), vlan(20), station(1), 2), NEW);
    assert_eq!(table.lookup(seconds(0), vlan(10), station(1)), Some(1));
    assert_eq!(table.lookup(seconds(0), vlan(20), station(1)), Some(2));
    assert_eq!(table.lookup(seconds(0), vlan(30), station(1)), None);
}

#[test]
fn a_source_that_names_no_station_is_rejected() {
    let mut table = table(8);
    let group = MacAddr::new(0x01, 0x80, 0xc2, 0, 0, 0);
    for (address, why) in [
        (group, Rejection::Group),
        (MacAddr::broadcast(), Rejection::Group),
        (MacAddr::zero(), Rejection::Zero),
    ] {
        let learned = table.learn(seconds(0), VLAN, address, 1);
        assert_eq!(learned, Learned::Rejected(why));
    }
    assert_eq!((table.len(), table.stats().rejected), (0, 3));
}

#[test]
fn an_entry_is_absent_from_the_very_instant_it_expires() {
    let mut table = table(8);
    table.learn(seconds(5), VLAN, station(1), 1);
    assert_eq!(table.deadline(), Some(seconds(305)));
    let before = seconds(305) - core::time::Duration::from_nanos(1);
    assert_eq!(table.lookup(before, VLAN, station(1)), Some(1));
    assert_eq!(table.lookup(seconds(305), VLAN, station(1)), None);
    assert_eq!(table.entries_from(seconds(305), 0, 10), (vec![], None));
    let departed = [left(station(1), 1, Departure::Expired)];
    assert_eq!(table.expire(before, 10), []);
    assert_eq!(table.expire(seconds(305), 10), departed);
    assert_eq!(table.expire(seconds(305), 10), []);
    assert_eq!(table.deadline(), None);
}

#[test]
fn an_expired_station_heard_again_is_new_and_its_expiry_is_told() {
    let mut table = table(8);
    table.learn(seconds(0), VLAN, station(1), 1);
    let displaced = Some(left(station(1), 1, Departure::Expired));
    let learned = table.learn(seconds(300), VLAN, station(1), 2);
    assert_eq!(learned, Learned::New { displaced });
    assert_eq!(table.expire(seconds(300), 10), []);
}

#[test]
fn short_ageing_acts_on_entries_held_and_what_it_ended_stays_ended() {
    let mut table = table(8);
    table.learn(seconds(0), VLAN, station(1), 1);
    table.learn(seconds(90), VLAN, station(2), 1);
    table.set_short_ageing(seconds(100), Some(seconds(15)));
    assert_eq!(table.hold_time(), seconds(15));
    assert_eq!(table.lookup(seconds(100), VLAN, station(1)), None);
    assert_eq!(table.lookup(seconds(104), VLAN, station(2)), Some(1));
    table.set_short_ageing(seconds(104), None);
    assert_eq!(table.hold_time(), seconds(300));
    assert_eq!(table.lookup(seconds(104), VLAN, station(1)), None);
    assert_eq!(table.lookup(seconds(389), VLAN, station(2)), Some(1));
    let departed = [left(station(1), 1, Departure::Expired)];
    assert_eq!(table.expire(seconds(104), 10), departed);
}

#[test]
fn an_ageing_time_lengthened_at_the_instant_of_expiry_comes_too_late() {
    let mut table = table(8);
    table.learn(seconds(0), VLAN, station(1), 1);
    table.learn(seconds(1), VLAN, station(2), 1);
    table.set_ageing(seconds(300), AgeingTime::MAX);
    assert_eq!(table.lookup(seconds(300), VLAN, station(1)), None);
    assert_eq!(table.lookup(seconds(300), VLAN, station(2)), Some(1));
}

#[test]
fn short_ageing_never_lengthens_the_ageing_time() {
    let mut table = table(8);
    table.set_ageing(seconds(0), AgeingTime::MIN);
    table.set_short_ageing(seconds(0), Some(seconds(15)));
    assert_eq!(table.hold_time(), seconds(10));
    assert_eq!(table.short_ageing(), Some(seconds(15)));
    assert_eq!(table.ageing(), AgeingTime::MIN);
}

#[test]
fn time_that_goes_back_stands_still() {
    let mut table = table(8);
    table.learn(seconds(400), VLAN, station(1), 1);
    table.learn(seconds(1), VLAN, station(2), 1);
    let Some(Entry { origin, .. }) = table.entry(seconds(0), VLAN, station(2)) else {
        panic!("held");
    };
    let (seen, expires) = (seconds(400), seconds(700));
    assert_eq!(origin, Origin::Dynamic { seen, expires });
    table.learn(core::time::Duration::MAX, VLAN, station(3), 1);
    assert_eq!(table.expire(core::time::Duration::MAX, 10).len(), 3);
}

#[test]
fn a_static_entry_neither_moves_nor_ages_nor_is_flushed() {
    let mut table = table(8);
    assert_eq!(
        table.insert_static(seconds(0), VLAN, station(1), 1),
        Ok(None)
    );
    assert_eq!(
        table.learn(seconds(1), VLAN, station(1), 2),
        Learned::Rejected(Rejection::Static)
    );
    assert_eq!(
        table.learn(seconds(1), VLAN, station(1), 1),
        Learned::Refreshed
    );
    assert_eq!(table.flush(Flush::ALL), 0);
    assert_eq!(table.flush(Flush::address(station(1))), 0);
    assert_eq!(
        (table.deadline(), table.expire(seconds(9_999), 9)),
        (None, [].as_slice())
    );
    assert_eq!(table.lookup(seconds(9_999), VLAN, station(1)), Some(1));
    let removed = table.remove(seconds(9_999), VLAN, station(1));
    assert_eq!(removed.map(|entry| entry.origin), Some(Origin::Static));
    assert_eq!(table.lookup(seconds(9_999), VLAN, station(1)), None);
}

#[test]
fn managements_entry_replaces_what_was_learned() {
    let mut table = table(8);
    table.learn(seconds(0), VLAN, station(1), 1);
    let replaced = left(station(1), 1, Departure::Replaced);
    assert_eq!(
        table.insert_static(seconds(0), VLAN, station(1), 2),
        Ok(Some(replaced))
    );
    assert_eq!(
        table.insert_static(seconds(0), VLAN, station(1), 2),
        Ok(None)
    );
    assert_eq!(table.lookup(seconds(0), VLAN, station(1)), Some(2));
    check(&table);
}

#[test]
fn the_bridges_own_address_is_neither_learned_nor_rebound() {
    let mut table = table(8);
    assert_eq!(
        table.insert_local(seconds(0), VLAN, station(1), 1),
        Ok(None)
    );
    for port in [1, 2] {
        let learned = table.learn(seconds(0), VLAN, station(1), port);
        assert_eq!(learned, Learned::Rejected(Rejection::Local));
    }
    let refused = table.insert_static(seconds(0), VLAN, station(1), 2);
    assert_eq!(refused, Err(InsertError::Local));
    let entry = table.entry(seconds(0), VLAN, station(1));
    assert_eq!(entry.map(|entry| entry.origin), Some(Origin::Local));
    let group = table.insert_local(seconds(0), VLAN, MacAddr::broadcast(), 1);
    assert_eq!(group, Err(InsertError::Group));
    let zero = table.insert_static(seconds(0), VLAN, MacAddr::zero(), 1);
    assert_eq!(zero, Err(InsertError::Zero));
}

#[test]
fn a_flush_takes_what_matches_and_nothing_else() {
    let learned = || {
        let mut table = table(64);
        for number in 0..2 {
            for port in [1, 2, 3] {
                for number_of_vlan in [10, 20] {
                    let station = station(u32::from(port) * 100 + number);
                    table.learn(seconds(0), vlan(number_of_vlan), station, port);
                }
            }
        }
        table
    };
    let port_and_address = Flush {
        port: Some(2),
        ..Flush::address(station(100))
    };
    for (flush, count) in [
        (Flush::ALL, 12),
        (Flush::port(1), 4),
        (Flush::vlan(vlan(10)), 6),
        (Flush::port_vlan(1, vlan(10)), 2),
        (Flush::port_vlan(1, vlan(30)), 0),
        (Flush::address(station(100)), 2),
        (port_and_address, 0),
        (Flush::port(9), 0),
    ] {
        let mut table = learned();
        assert_eq!(table.flush(flush), count, "{flush:?}");
        assert_eq!(table.flush(flush), 0, "{flush:?}");
        assert_eq!(table.len(), 12 - count);
        assert_eq!(table.entries_from(seconds(0), 0, 100).0.len(), 12 - count);
        check(&table);
    }
}

#[test]
fn a_flushed_station_heard_again_is_new_and_no_other_comes_back() {
    let mut table = table(8);
    for round in 0..50 {
        assert_eq!(table.learn(seconds(round), VLAN, station(1), 1), NEW);
        assert_eq!(table.learn(seconds(round), VLAN, station(2), 1), NEW);
        let flush = if round % 2 == 0 {
            Flush::ALL
        } else {
            Flush::port(1)
        };
        assert_eq!(table.flush(flush), 2);
        assert_eq!(table.lookup(seconds(round), VLAN, station(2)), None);
        check(&table);
    }
}

#[test]
fn a_removed_port_leaves_no_entry_of_any_origin() {
    let mut table = table(8);
    table.learn(seconds(0), VLAN, station(1), 1);
    assert_eq!(
        table.insert_static(seconds(0), VLAN, station(2), 1),
        Ok(None)
    );
    assert_eq!(
        table.insert_local(seconds(0), VLAN, station(3), 1),
        Ok(None)
    );
    table.learn(seconds(0), VLAN, station(4), 2);
    assert_eq!(table.remove_port(1), 3);
    assert_eq!(table.count(1), Count::default());
    assert_eq!(
        (table.len(), table.lookup(seconds(0), VLAN, station(4))),
        (1, Some(2))
    );
    check(&table);
}

#[test]
fn an_entry_held_throughout_is_listed_once_whatever_happens_between_pages() {
    let mut table = table(1_000);
    learn_many(&mut table, 0, 100, 1);
    let now = seconds(100);
    let (mut listed, mut cursor, mut turn) = (Vec::new(), Some(0), 0);
    while let Some(at) = cursor {
        let (page, next) = table.entries_from(now, at, 7);
        listed.extend(page.iter().map(|entry| entry.address));
        turn += 1;
        table.remove(now, VLAN, station(turn * 2));
        table.learn(now, VLAN, station(turn * 2 + 1), 2);
        table.learn(now, VLAN, station(500 + turn), 3);
        cursor = next;
    }
    for odd in (1..100).step_by(2) {
        let times = listed
            .iter()
            .filter(|&&address| address == station(odd))
            .count();
        assert_eq!(times, 1, "station {odd}");
    }
    assert_eq!(
        table.entries_from(now, usize::MAX, usize::MAX),
        (vec![], None)
    );
}

#[test]
fn ranges_are_those_of_the_standard() {
    for seconds in [10, 300, 1_000_000] {
        assert_eq!(AgeingTime::from_secs(seconds).unwrap().as_secs(), seconds);
    }
    for seconds in [0, 9, 1_000_001, u32::MAX] {
        let error = AgeingTime::from_secs(seconds).unwrap_err();
        let text = format!("ageing time of {seconds} s is outside 10..=1000000 s");
        assert_eq!(error.to_string(), text);
    }
    for entries in [1, 32_768, 1_000_000] {
        assert_eq!(Capacity::new(entries).unwrap().get(), entries);
    }
    for entries in [0, 1_000_001, usize::MAX] {
        let error = Capacity::new(entries).unwrap_err();
        let text = format!("capacity of {entries} entries is outside 1..=1000000");
        assert_eq!(error.to_string(), text);
    }
}
