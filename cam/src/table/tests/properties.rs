//! The table agrees with the model whatever is asked of it.

use core::time::Duration;
use std::collections::BTreeSet;
use std::sync::Arc;

use etherparse::VlanId;
use pnet_base::MacAddr;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::invariants::check;
use super::model::{self, Held, Model};
use super::{seconds, station, table, vlan};
use crate::mirror::WAYS;
use crate::{AgeingTime, Entry, Flush, MacTable, Mirror, Origin, Reflection};

#[derive(Clone, Debug)]
enum Operation {
    Pass {
        time: Duration,
    },
    GoBack {
        time: Duration,
    },
    Learn {
        vlan: VlanId,
        address: MacAddr,
        port: u16,
    },
    Confirm {
        vlan: VlanId,
        address: MacAddr,
        port: u16,
    },
    /// From now on the table has a mirror.
    Mirror,
    Static {
        vlan: VlanId,
        address: MacAddr,
        port: u16,
    },
    Local {
        vlan: VlanId,
        address: MacAddr,
        port: u16,
    },
    Remove {
        vlan: VlanId,
        address: MacAddr,
    },
    RemovePort {
        port: u16,
    },
    Flush(Flush<u16>),
    Expire {
        budget: usize,
    },
    Ageing(AgeingTime),
    ShortAgeing(Option<Duration>),
}

fn vlans() -> impl Strategy<Value = VlanId> {
    select(vec![vlan(0), vlan(1), vlan(4095)])
}

fn addresses(stations: u32) -> impl Strategy<Value = MacAddr> {
    prop_oneof![
        20 => (0..stations).prop_map(station),
        1 => select(vec![MacAddr::zero(), MacAddr::broadcast(), MacAddr::new(1, 0, 0x5e, 0, 0, 1)]),
    ]
}

fn operations(ports: u16, stations: u32) -> impl Strategy<Value = Operation> {
    let ports = move || 0..ports;
    let addresses = move || addresses(stations);
    use Operation as O;
    let entry = move || (vlans(), addresses(), ports());
    let flush = (
        proptest::option::of(ports()),
        proptest::option::of(vlans()),
        proptest::option::weighted(0.2, addresses()),
    );
    prop_oneof![
        30 => entry().prop_map(|(vlan, address, port)| O::Learn { vlan, address, port }),
        6 => entry().prop_map(|(vlan, address, port)| O::Confirm { vlan, address, port }),
        2 => Just(O::Mirror),
        6 => (0..12_u64).prop_map(|s| O::Pass { time: seconds(s) }),
        2 => (0..2_000_u64).prop_map(|ms| O::Pass { time: Duration::from_millis(ms) }),
        1 => (0..12_u64).prop_map(|s| O::GoBack { time: seconds(s) }),
        2 => entry().prop_map(|(vlan, address, port)| O::Static { vlan, address, port }),
        1 => entry().prop_map(|(vlan, address, port)| O::Local { vlan, address, port }),
        4 => (vlans(), addresses()).prop_map(|(vlan, address)| O::Remove { vlan, address }),
        1 => ports().prop_map(|port| O::RemovePort { port }),
        4 => flush.prop_map(|(port, vlan, address)| O::Flush(Flush { port, vlan, address })),
        4 => (0..5_usize).prop_map(|budget| O::Expire { budget }),
        2 => (10..30_u32).prop_map(|s| O::Ageing(AgeingTime::from_secs(s).unwrap())),
        2 => proptest::option::of((0..25_u64).prop_map(seconds)).prop_map(O::ShortAgeing),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_of_operations_agrees_with_the_model(
        capacity in 1..10_usize,
        operations in vec(operations(4, 7), 0..120),
    ) {
        let mut pair = Pair::new(capacity);
        for operation in operations {
            pair.apply(&operation);
            check(&pair.table);
            pair.compare();
        }
        pair.drain();
    }

    #[test]
    fn many_ports_agree_with_the_model_too(
        capacity in 1..100_usize,
        operations in vec(operations(60, 80), 0..200),
    ) {
        let mut pair = Pair::new(capacity);
        for operation in operations {
            pair.apply(&operation);
        }
        check(&pair.table);
        pair.compare();
    }

    #[test]
    fn the_hash_key_is_never_seen(key in any::<[u64; 2]>(), operations in vec(operations(4, 7), 0..60)) {
        let config = |hash_key| crate::MacTableConfig {
            capacity: crate::Capacity::new(5).unwrap(),
            hash_key,
            ageing: AgeingTime::MIN,
        };
        let pair = |hash_key| Pair {
            table: MacTable::new(config(hash_key)),
            model: Model::new(5),
            mirror: None,
            stations: BTreeSet::new(),
            now: Duration::ZERO,
        };
        let (mut one, mut other) = (pair([0, 0]), pair(key));
        one.model.ageing = AgeingTime::MIN;
        other.model.ageing = AgeingTime::MIN;
        for operation in operations {
            one.apply(&operation);
            other.apply(&operation);
            let now = one.now;
            prop_assert_eq!(one.table.entries_from(now, 0, 100), other.table.entries_from(now, 0, 100));
            prop_assert_eq!(one.table.stats(), other.table.stats());
        }
    }
}

struct Pair {
    table: MacTable<u16>,
    model: Model,
    mirror: Option<Arc<Mirror>>,
    /// Every station there ever was.
    stations: BTreeSet<(VlanId, MacAddr)>,
    now: Duration,
}

impl Pair {
    fn new(capacity: usize) -> Self {
        Self {
            table: table(capacity),
            model: Model::new(capacity),
            mirror: None,
            stations: BTreeSet::new(),
            now: Duration::ZERO,
        }
    }

    /// Does the same to both and compares the answers.
    fn apply(&mut self, operation: &Operation) {
        let Self {
            table,
            model,
            mirror,
            stations,
            now,
        } = self;
        if let Operation::Learn { vlan, address, .. }
        | Operation::Static { vlan, address, .. }
        | Operation::Local { vlan, address, .. } = *operation
        {
            stations.insert((vlan, address));
        }
        match *operation {
            Operation::Pass { time } => *now += time,
            Operation::GoBack { time } => *now = now.saturating_sub(time),
            Operation::Learn {
                vlan,
                address,
                port,
            } => assert_eq!(
                table.learn(*now, vlan, address, port),
                model.learn(*now, vlan, address, port)
            ),
            Operation::Confirm {
                vlan,
                address,
                port,
            } => {
                let held = model.find(*now, vlan, address);
                let is_there = held
                    .is_some_and(|held| (held.port, held.origin) == (port, model::Origin::Dynamic));
                assert_eq!(table.confirm(*now, vlan, address, port), is_there);
                if is_there {
                    model.learn(*now, vlan, address, port);
                } else {
                    model.advance(*now);
                }
            }
            Operation::Mirror => *mirror = Some(table.mirror(u16::from)),
            Operation::Static {
                vlan,
                address,
                port,
            } => assert_eq!(
                table.insert_static(*now, vlan, address, port),
                model.insert(*now, vlan, address, port, model::Origin::Static)
            ),
            Operation::Local {
                vlan,
                address,
                port,
            } => assert_eq!(
                table.insert_local(*now, vlan, address, port),
                model.insert(*now, vlan, address, port, model::Origin::Local)
            ),
            Operation::Remove { vlan, address } => {
                let removed = table.remove(*now, vlan, address);
                let hold = model.hold();
                let expected = model.remove(*now, vlan, address);
                assert_eq!(removed, expected.map(|held| describe(&held, hold)));
            }
            Operation::RemovePort { port } => {
                assert_eq!(table.remove_port(port), model.remove_port(port));
            }
            Operation::Flush(flush) => assert_eq!(table.flush(flush), model.flush(flush)),
            Operation::Expire { budget } => self.expire(budget),
            Operation::Ageing(ageing) => {
                table.set_ageing(*now, ageing);
                model.set_ageing(*now, ageing);
            }
            Operation::ShortAgeing(short) => {
                table.set_short_ageing(*now, short);
                model.set_short_ageing(*now, short);
            }
        }
    }

    /// What the table reports is due, oldest first; it may spend budget on flushed entries, but no more than there are.
    fn expire(&mut self, budget: usize) {
        let flushed = self.table.slots.slab.used() as usize - self.table.len();
        let due = self.model.due(self.now);
        let told = self.table.expire(self.now, budget).to_vec();
        assert!(told.len() <= budget);
        assert!(told.len() >= due.len().min(budget.saturating_sub(flushed)));
        assert_eq!(told[..], due[..told.len()]);
        for departed in told {
            self.model
                .entries
                .remove(&(departed.vlan, departed.address));
        }
    }

    fn compare(&self) {
        let Self {
            table,
            model,
            mirror,
            now,
            ..
        } = self;
        let hold = model.hold();
        for vlan in [vlan(0), vlan(1), vlan(4095)] {
            for address in (0..7).map(station) {
                let expected = model
                    .find(*now, vlan, address)
                    .map(|held| describe(&held, hold));
                assert_eq!(table.entry(*now, vlan, address), expected);
                assert_eq!(
                    table.lookup(*now, vlan, address),
                    expected.map(|entry| entry.port)
                );
                if let Some(mirror) = mirror {
                    // No two flushes share a mark here.
                    let reflected = mirror.find(model.latest.max(*now), vlan, address);
                    let expected = expected.map(|entry| Reflection {
                        port: entry.port,
                        is_local: entry.origin == Origin::Local,
                    });
                    if reflected.is_some() || !self.may_be_crowded_out(mirror, vlan, address) {
                        assert_eq!(reflected, expected);
                    }
                }
            }
        }
        let mut listed = listing(table, *now, 3);
        listed.sort_by_key(|entry| (entry.vlan, entry.address));
        let expected: Vec<_> = model.held(*now).map(|held| describe(held, hold)).collect();
        assert_eq!(listed, expected);
        for port in 0..4 {
            assert_eq!(table.count(port), model.count(port));
        }
        assert_eq!(table.len(), model.entries.len());
        assert_eq!(table.hold_time(), hold);
        let is_reclaimed = table.slots.slab.used() as usize == table.len();
        match (table.deadline(), model.deadline()) {
            (early, expected) if is_reclaimed => assert_eq!(early, expected),
            (Some(early), Some(expected)) => assert!(early <= expected),
            (Some(_), None) => {}
            (None, expected) => assert_eq!(expected, None),
        }
        check_conservation(table);
    }

    /// Whether more stations than have room there at once have been in the station's set of the mirror.
    fn may_be_crowded_out(&self, mirror: &Mirror, vlan: VlanId, address: MacAddr) -> bool {
        let set = mirror.set_of(vlan, address);
        let are_there = |&&(vlan, address): &&_| mirror.set_of(vlan, address) == set;
        self.stations.iter().filter(are_there).count() > WAYS
    }

    /// In the end everything expires, is told once and leaves nothing behind.
    fn drain(&mut self) {
        self.now = self.model.latest + self.model.ageing.get();
        for _ in 0..self.table.slots.slab.used().div_ceil(2) {
            self.expire(2);
            check(&self.table);
        }
        assert_eq!(self.table.deadline(), None);
        assert!(self.model.due(self.now).is_empty());
        assert_eq!(self.table.stats().held.dynamic, 0);
        assert_eq!(self.table.groups.used(), 0);
    }
}

/// Who was learned and has not left is held.
fn check_conservation(table: &MacTable<u16>) {
    let stats = table.stats();
    let left = stats.expired + stats.evicted + stats.flushed;
    assert!(stats.learned >= left);
    assert!(stats.learned - left >= stats.held.dynamic as u64);
}

fn listing(table: &MacTable<u16>, now: Duration, limit: usize) -> Vec<Entry<u16>> {
    let mut all = Vec::new();
    let mut cursor = Some(0);
    while let Some(at) = cursor {
        let (page, next) = table.entries_from(now, at, limit);
        assert!(page.len() <= limit);
        all.extend(page);
        cursor = next;
    }
    all
}

fn describe(held: &Held, hold: Duration) -> Entry<u16> {
    Entry {
        vlan: held.vlan,
        address: held.address,
        port: held.port,
        origin: match held.origin {
            model::Origin::Dynamic => Origin::Dynamic {
                seen: held.seen,
                expires: held.seen + hold,
            },
            model::Origin::Static => Origin::Static,
            model::Origin::Local => Origin::Local,
        },
    }
}
