//! Epochs where a bridge keeps several trees: in each of them a dead root is forgotten in the time of a way through the
//! network and back, and so is a way out of the region that is no more.

use std::time::Duration;

use proptest::prelude::*;
use stp::{BridgePriority, Region, TreeConfig, TreeId, VlanMap};

use crate::epochs::{Aftermath, aftermath_in, network};
use crate::harness::{HOP, World, s};

/// Bridge 3 before a triangle of one region.
const TRIANGLE: &str = "bridge 1 0x1000 mstp/7 EPOCHS: 1=c/1 2=a/1 3=r/1
     bridge 2 0x1000 mstp/7 EPOCHS: 1=b/1 2=r/1 3=a/1
     bridge 3 0x0000 mstp/7 EPOCHS: 1=r/1
     bridge 4 0x1000 mstp/7 EPOCHS: 1=b/1 2=c/1";

/// The root, outside, and a region of three with two ways to it: the better one at bridge 2.
const TWO_WAYS_OUT: &str = "bridge 1 0x0000 rstp EPOCHS: 1=a/1 2=b/1
     bridge 2 0x4000 mstp/7 EPOCHS: 1=a/1 2=c/1 3=d/1
     bridge 3 0x8000 mstp/7 EPOCHS: 1=b/500 2=c/1 3=e/1
     bridge 4 0x8000 mstp/7 EPOCHS: 1=d/1 2=e/1";

fn instance() -> TreeId {
    TreeId::new(1).unwrap()
}

/// Gives every bridge of the region an instance, in which it has this priority.
fn with_instance(world: &mut World, priority: impl Fn(u8) -> u16) {
    let mut vlans = VlanMap::new();
    vlans.set(10, instance());
    let region = Region {
        revision: 7,
        vlans,
        ..Region::default()
    };
    for bridge in world.bridges.keys().copied().collect::<Vec<_>>() {
        let config = TreeConfig {
            priority: BridgePriority::new(priority(bridge)).unwrap(),
        };
        world.act(bridge, |bridge, now| {
            bridge.set_region(now, region.id(), &[instance()]).to_vec()
        });
        world.act(bridge, |bridge, now| {
            bridge.configure_tree(now, instance(), config).to_vec()
        });
    }
}

fn drawn(text: &str, epochs: bool) -> World {
    let mut world = World::new(&text.replace(" EPOCHS", if epochs { " epochs" } else { "" }));
    world.forbid_loops = false;
    world
}

/// What comes of the death of bridge 3 in the triangle, in one tree.
fn death(tree: TreeId, epochs: bool) -> Aftermath {
    let mut world = drawn(TRIANGLE, epochs);
    // Bridge 3 is the root of both, bridge 4 its heir in the instance.
    with_instance(&mut world, |bridge| match bridge {
        3 => 0,
        4 => 0x1000,
        _ => 0x2000,
    });
    world.run(Duration::from_millis(20_004));
    assert_eq!(world.roles_in(tree), world.oracle_of(tree));
    world.cut("r");
    let seen = aftermath_in(&mut world, s(60), &[tree]);
    assert_eq!(world.roles_in(tree), world.oracle_of(tree));
    seen
}

#[test]
fn a_dead_root_is_forgotten_at_once_in_every_tree_of_a_region() {
    for tree in [TreeId::COMMON, instance()] {
        let without = death(tree, false);
        assert!(without.believed >= 100 * HOP, "{tree:?} {without:?}");
        let with = death(tree, true);
        assert!(with.believed <= 3 * HOP, "{tree:?} {with:?}");
        assert!(with.settled <= 12 * HOP, "{tree:?} {with:?}");
        assert_eq!(with.looped, Duration::ZERO, "{tree:?}");
    }
}

/// How long somebody takes bridge 2, whose cable to the root is cut, for the region's way out.
fn dead_way_out(epochs: bool) -> Duration {
    let mut world = drawn(TWO_WAYS_OUT, epochs);
    world.run(s(20));
    let way_out = |world: &World, bridge: u8| world.tree(bridge).regional_root;
    let dead = way_out(&world, 4);
    assert_eq!(dead, world.bridges[&2].id());
    world.cut("a");
    let (begin, mut believed) = (world.now, Duration::ZERO);
    while world.now < begin + s(60) {
        world.run(HOP);
        if [2, 3, 4]
            .iter()
            .any(|&bridge| way_out(&world, bridge) == dead)
        {
            believed = world.now - begin;
        }
    }
    assert_eq!(way_out(&world, 2), world.bridges[&3].id());
    assert!((1..=4).all(|bridge| world.tree(bridge).root == world.bridges[&1].id()));
    believed
}

/// The root lives, and is heard by another way: what was vouched for before is not believed, and it vouches anew.
#[test]
fn a_way_out_of_the_region_that_is_no_more_is_forgotten_at_once() {
    let without = dead_way_out(false);
    assert!(without >= 100 * HOP, "{without:?}");
    let with = dead_way_out(true);
    assert!(with <= 5 * HOP, "{with:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Of one region; in its instance the order of bridges is the other way round.
    #[test]
    fn nobody_counts_to_infinity_in_any_tree_of_a_region(network in network(Just(true))) {
        let mut world = network.world(|_| "mstp/7 epochs");
        let count = u16::try_from(network.bridges.len()).unwrap();
        with_instance(&mut world, |bridge| (count - u16::from(bridge)) << 12);
        let trees = [TreeId::COMMON, instance()];
        network.play(world, s(8), &trees, |world, seen| {
            for tree in trees {
                assert_eq!(world.roles_in(tree), world.oracle_of(tree), "{tree:?}");
            }
            assert!(seen.believed <= 16 * HOP, "{seen:?}");
            assert_eq!(seen.looped, Duration::ZERO, "{seen:?}");
        });
    }
}
