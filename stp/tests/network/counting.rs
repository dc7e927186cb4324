//! How a dead root can be believed for longer than its word takes to grow too old on its way: two bridges hold each
//! other's.
//!
//! A bridge that believes its neighbour is silent on that link: its port is the root port, and says no more than its
//! agreement. If the neighbour believes it in the same instant, the messages having crossed, both ends of the link are
//! root ports. Neither says that what it said before is no longer so (a root port's word is heard as an agreement, not as a
//! correction: 802.1D-2004 17.21.8, InferiorRootAlternateInfo), neither hears anything that would refresh or replace what it
//! holds, and both hold it for three hello times (rcvdInfoWhile, 17.21.23), with everybody that hangs on them. Then the
//! dead root's word, kept elsewhere meanwhile, is a few hops older and goes on, until two bridges embrace again.

use std::fmt::Write as _;
use std::time::Duration;

use stp::{BridgeConfig, TransmitHoldCount, TreeId};

use crate::harness::{HOP, World, s};

/// Three hello times.
const RCVD_INFO_WHILE: Duration = Duration::from_secs(6);

/// A root, bridge 1, and others behind it, each joined with each.
fn mesh(others: u8, word: &str, hold: u8) -> World {
    let mut text = String::new();
    for own in 1..=others + 1 {
        let priority = if own == 1 { 0 } else { 0x8000 };
        write!(text, "bridge {own} {priority:#06x} {word}:").unwrap();
        let neighbours = (1..=others + 1).filter(|&other| other != own);
        for (port, other) in (1_u8..).zip(neighbours) {
            let (low, high) = (own.min(other), own.max(other));
            write!(text, " {port}=l{low}x{high}/noauto").unwrap();
        }
        text.push('\n');
    }
    let mut world = World::new(&text);
    world.forbid_loops = false;
    for number in 1..=others + 1 {
        world.act(number, |bridge, now| {
            let config = BridgeConfig {
                transmit_hold_count: TransmitHoldCount::new(hold).unwrap(),
                ..*bridge.config()
            };
            bridge.configure(now, config).to_vec()
        });
    }
    world.run(s(20) + 4 * HOP);
    world
}

/// What is seen once the root has lost all its cables.
#[derive(Debug, Default)]
struct Seen {
    believed: Duration,
    /// How long two bridges that believe in the dead root had their root ports at one link: each time of a second and
    /// more.
    embraces: Vec<Duration>,
}

fn death(mut world: World, others: u8) -> Seen {
    for other in 2..=others + 1 {
        world.cut(&format!("l1x{other}"));
    }
    let (begin, dead) = (world.now, world.bridges[&1].id());
    let (mut seen, mut since) = (Seen::default(), None);
    // Until nobody has believed it for as long as it can be held anywhere.
    while world.now - begin <= seen.believed + RCVD_INFO_WHILE + s(1) {
        let is_soon = world.now < begin + 20 * HOP;
        world.run(if is_soon { HOP } else { 20 * HOP });
        let passed = world.now - begin;
        if world.believes_dead_root() {
            seen.believed = passed;
        }
        let now = embrace(&world, dead);
        match (since, now) {
            (Some((_, pair)), Some(held)) if pair == held => {}
            (before, now) => {
                let lasted = before.map(|(from, _)| passed - from);
                seen.embraces.extend(lasted.filter(|&time| time >= s(1)));
                since = now.map(|pair| (passed, pair));
            }
        }
    }
    seen
}

/// Two bridges that take each other for the way to the dead root.
fn embrace(world: &World, dead: stp::BridgeId) -> Option<(u8, u8)> {
    let follows = |bridge: u8| {
        let tree = world.bridges[&bridge].tree(TreeId::COMMON);
        let port = tree.root_port.filter(|_| tree.root == dead)?;
        let ends = world.neighbours(bridge, port.get());
        let far = ends.into_iter().find(|end| end.0 != bridge);
        far.map(|(other, _)| other)
    };
    let mut bridges = world.bridges.keys().copied();
    bridges.find_map(|one| {
        let other = follows(one).filter(|&other| follows(other) == Some(one))?;
        Some((one, other))
    })
}

/// The hold count is not what keeps it alive: with the greatest, it lives longer here, for it is held four times.
#[test]
fn two_bridges_that_believe_each_other_keep_a_dead_root_for_three_hello_times() {
    let seen = death(mesh(4, "rstp", 10), 4);
    assert_eq!(seen.embraces.len(), 4, "{seen:?}");
    // What is not held is on its way, for milliseconds and, once, a second.
    let held: Duration = seen.embraces.iter().sum();
    assert!(held >= 3 * RCVD_INFO_WHILE, "{seen:?}");
    assert!((s(24)..s(25)).contains(&seen.believed), "{seen:?}");
    // With the default count four seconds are held so, and nine pass waiting for a second's next BPDU.
    let seen = death(mesh(4, "rstp", 6), 4);
    assert_eq!(seen.embraces.len(), 1, "{seen:?}");
    assert!((s(15)..s(16)).contains(&seen.believed), "{seen:?}");
}

#[test]
fn with_epochs_a_mesh_forgets_its_root_in_a_hop() {
    for others in [3, 4, 8] {
        let seen = death(mesh(others, "epochs", 6), others);
        assert!(seen.believed <= HOP, "{others}: {seen:?}");
        assert_eq!(seen.embraces, []);
    }
}
