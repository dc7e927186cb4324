//! Every order in which messages can arrive: small rapid networks, all interleavings, states that are equal visited once.
//!
//! A message may take any time on its link as long as the messages before it on that link have arrived; a timer runs out
//! only when nothing is on its way. So the bridges see every order of what happens between two timers.

use std::collections::{BTreeSet, HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use stp::{BridgeConfig, BridgePriority, Protocol};

use crate::harness::{World, s};

/// More states than any of these networks has: whoever gets here explores something else.
const STATES_MAX: usize = 100_000;

/// How many states there are from here until `end`, and one of the worlds in the end. The harness checks each for loops.
fn explore(start: World, end: Duration) -> (usize, World) {
    let mut seen = HashSet::from([key(&start)]);
    let mut open = VecDeque::from([start]);
    let mut last = None;
    while let Some(world) = open.pop_front() {
        let next = successors(&world, end);
        if next.is_empty() {
            assert_eq!(world.roles(), world.oracle());
            last = Some(world);
        }
        for world in next {
            if seen.insert(key(&world)) {
                assert!(seen.len() < STATES_MAX);
                open.push_back(world);
            }
        }
    }
    (seen.len(), last.expect("an end"))
}

/// What can happen next: any link's first message arrives; if there is none, the next timer runs out.
fn successors(world: &World, end: Duration) -> Vec<World> {
    let links = world.first_arrivals();
    if links.is_empty() {
        let mut world = world.clone();
        return world
            .run_to_deadline(end)
            .then_some(world)
            .into_iter()
            .collect();
    }
    let deliver = |arrival| {
        let mut world = world.clone();
        world.deliver(arrival);
        world
    };
    links.into_iter().map(deliver).collect()
}

/// What tells two states apart: the time, the bridges, what is on each link.
fn key(world: &World) -> u64 {
    let mut hasher = DefaultHasher::new();
    world.now.hash(&mut hasher);
    world.on_links().hash(&mut hasher);
    for bridge in world.bridges.values() {
        format!("{bridge:?}").hash(&mut hasher);
    }
    hasher.finish()
}

const TRIANGLE: &str = "bridge 1 0x1000: 1=a 2=b
    bridge 2 0x2000: 1=a 2=c
    bridge 3 0x3000: 1=b 2=c";
const DOUBLED: &str = "bridge 1 0x1000: 1=a 2=b
    bridge 2 0x2000: 1=a 2=b 3=c
    bridge 3 0x3000: 1=c";

fn crowned(world: &World, bridge: u8) -> World {
    let mut world = world.clone();
    world.act(bridge, |bridge, now| {
        let config = BridgeConfig {
            priority: BridgePriority::MIN,
            ..*bridge.config()
        };
        bridge.configure(now, config).to_vec()
    });
    world
}

/// All orders of messages after an event; how many states there were.
fn after(stands: &World, event: impl FnOnce(&mut World)) -> (usize, World) {
    let mut world = stands.clone();
    event(&mut world);
    let end = world.now + s(5);
    explore(world, end)
}

#[test]
fn no_order_of_messages_opens_a_loop_when_links_come_and_go() {
    for drawing in [TRIANGLE, DOUBLED] {
        let (cold, stands) = explore(World::of(Protocol::Rstp, drawing), s(5));
        assert!(cold > 100, "{cold}");
        for lan in ["a", "b", "c"] {
            let (cut, parted) = after(&stands, |world| world.cut(lan));
            let (joined, _) = after(&parted, |world| world.join(lan));
            assert!(cut > 3 && joined > 10, "{lan}: {cut}, {joined}");
        }
    }
}

/// What the standard does not exclude: bridge 2 is made the root, and its word comes to bridge 1 on the long way before
/// anything comes on the short one. Bridge 1 still holds bridge 2's agreement to its own word, so it agrees at once, and
/// all three links forward until a word on the short way arrives, either way. As a lab: `labs show root-race`.
#[test]
fn a_new_roots_word_that_comes_round_first_opens_a_loop() {
    let (_, stands) = explore(World::of(Protocol::Rstp, TRIANGLE), s(5));
    let mut world = crowned(&stands, 2);
    world.forbid_loops = false;
    let mut seen = HashSet::from([key(&world)]);
    let mut open = VecDeque::from([world]);
    let mut world = loop {
        let world = open.pop_front().expect("an order that opens a loop");
        if world.has_loop() {
            break world;
        }
        let next = successors(&world, world.now).into_iter();
        open.extend(next.filter(|world| seen.insert(key(world))));
    };
    // What opened it: nothing has crossed the link between the old root and the new one.
    let waiting: BTreeSet<_> = world.on_links().into_keys().collect();
    assert!(
        waiting.contains(&(1, 1)) && waiting.contains(&(2, 1)),
        "{waiting:?}"
    );
    while let Some(&key) = world.first_arrivals().first() {
        world.deliver(key);
    }
    assert!(!world.has_loop());
    assert_eq!(world.roles(), world.oracle());
}
