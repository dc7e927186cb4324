//! Spanning tree while every port is flooded: two switches with two links between them, a loop that only BPDUs keep open,
//! and hosts that send as fast as they can. Without forwarding threads, and with two.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(
    dead_code,
    reason = "these tests use a part of what tests of ports share"
)]

mod support;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use stp::{BridgePriority, BridgeTimes, PortState, TreeId};
use support::switch::{Switch, config, number};
use support::wire::{Wire, frame};
use support::{Namespace, eventually};
use switchd::TreeProtocol;
use switchd::config::PortKind;
use switchd::control::Target;

const BROADCAST: [u8; 6] = [0xff; 6];
/// What is heard is forgotten after three hello times of a second: long enough for that to happen, if BPDUs are lost.
const FLOODED: Duration = Duration::from_secs(5);

/// A host of each switch on port 1, and links between them on 2 and 3.
struct Pair {
    switches: [Switch; 2],
    hosts: [Wire; 2],
    _places: [Namespace; 2],
}

/// What a tree looks like, and how often it has changed.
#[derive(Debug, PartialEq)]
struct Tree {
    states: [PortState; 3],
    changes: u64,
}

impl Pair {
    fn new(workers: u8) -> Self {
        let places = [Namespace::new(), Namespace::new()];
        for link in ["l2", "l3"] {
            places[0].veth(link, &places[1], link);
        }
        let hosts = [0, 1].map(|place| Wire::new(&places[place], "host"));
        let kinds = [
            (PortKind::Packet, "host"),
            (PortKind::Packet, "l2"),
            (PortKind::Packet, "l3"),
        ];
        let switches = [(0, 4096), (1, 32768)].map(|(place, priority)| {
            let mut config = config(&kinds);
            config.workers = workers;
            config.address = Some(pnet_base::MacAddr::new(2, 0, 0, 1, 0, place));
            config.stp.protocol = TreeProtocol::Rstp;
            config.stp.priority = BridgePriority::new(priority).unwrap();
            config.stp.times = BridgeTimes::new(
                Duration::from_secs(6),
                Duration::from_secs(1),
                Duration::from_secs(4),
            )
            .unwrap();
            config.ports[0].stp.admin_edge = true;
            Switch::start(&places[usize::from(place)], config).unwrap()
        });
        Self {
            switches,
            hosts,
            _places: places,
        }
    }

    fn trees(&self) -> [Tree; 2] {
        [0, 1].map(|which| {
            self.switches[which].ask(|daemon, _| {
                let switch = daemon.switch();
                let state = |port| switch.port(number(port)).unwrap().state(TreeId::COMMON);
                let tree = switch.tree(TreeId::COMMON).unwrap();
                Tree {
                    states: [state(1), state(2), state(3)],
                    changes: tree.topology_change.count,
                }
            })
        })
    }

    /// Every host sends to everybody, to the other, and from stations never seen, until the time is over.
    fn flood(&self) {
        let is_over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for (own, other, wire) in [(1, 2, self.hosts[0].end()), (2, 1, self.hosts[1].end())] {
                let is_over = &is_over;
                scope.spawn(move || {
                    let (here, there) = ([2, 0, 0, 0, 0, own], [2, 0, 0, 0, 0, other]);
                    let mut count = 0_u32;
                    while !is_over.load(Ordering::Relaxed) {
                        count += 1;
                        let [_, a, b, c] = count.to_be_bytes();
                        let (to, from) = match count % 8 {
                            0 => (BROADCAST, [2, own, 1, a, b, c]),
                            1 => (there, [2, own, 1, a, b, c]),
                            2 | 3 => (BROADCAST, here),
                            _ => (there, here),
                        };
                        wire.send(&frame(to, from, &[0; 46])).unwrap();
                    }
                });
            }
            std::thread::sleep(FLOODED);
            is_over.store(true, Ordering::Relaxed);
        });
    }
}

fn the_tree_keeps_still(workers: u8) {
    const FORWARDING: PortState = PortState::Forwarding;
    let pair = Pair::new(workers);
    let converged = [
        [FORWARDING; 3],
        [FORWARDING, FORWARDING, PortState::Blocking],
    ];
    eventually("the tree", || {
        pair.trees().map(|tree| tree.states) == converged
    });
    let before = pair.trees();
    let started = pair.switches[1].received(2);
    pair.flood();
    assert_eq!(pair.trees(), before, "with {workers} forwarding threads");
    let crossed = pair.switches[1].received(2) - started;
    assert!(crossed > 10_000, "it was a flood: {crossed} frames");
    let facts = pair.switches[0].ask(|daemon, _| daemon.port_facts(number(2)).unwrap().io);
    assert_eq!(
        facts.contains("forwarding thread 2"),
        workers == 2,
        "{facts}"
    );
}

#[test]
fn the_tree_keeps_still_while_all_ports_are_flooded() {
    the_tree_keeps_still(0);
}

#[test]
fn the_tree_keeps_still_with_forwarding_threads() {
    the_tree_keeps_still(2);
}
