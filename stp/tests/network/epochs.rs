//! RSTP with epochs: a dead root is forgotten in the time of a way through the network and back, no loop opens
//! meanwhile, and bridges that know nothing of it agree with those that do.

use std::fmt::Write as _;
use std::time::Duration;

use proptest::prelude::*;
use stp::{BridgeConfig, BridgePriority, TreeId};

use crate::harness::{HOP, World, s};

/// The root at bridge 1 of a triangle; the smallest network that counts to infinity.
const TRIANGLE: &str = "bridge 1 0x1000 epochs: 1=c/1 2=a/1 3=r/1
     bridge 2 0x1000 epochs: 1=b/1 2=r/1 3=a/1
     bridge 3 0x0000 epochs: 1=r/1
     bridge 4 0x1000 epochs: 1=b/1 2=c/1";

/// What is seen after something has happened.
#[derive(Debug, Default)]
pub(crate) struct Aftermath {
    /// How long somebody believed a dead root.
    pub(crate) believed: Duration,
    /// How long until every role was as the network's cables say, for good.
    pub(crate) settled: Duration,
    /// When a forwarding loop was last seen.
    pub(crate) looped: Duration,
}

fn aftermath(world: &mut World, time: Duration) -> Aftermath {
    aftermath_in(world, time, &[TreeId::COMMON])
}

/// Looks at these trees after every hop for a tenth of a second, then every tenth of a second.
pub(crate) fn aftermath_in(world: &mut World, time: Duration, trees: &[TreeId]) -> Aftermath {
    let mut seen = Aftermath::default();
    let begin = world.now;
    while world.now < begin + time {
        let is_soon = world.now < begin + 100 * HOP;
        world.run(if is_soon { HOP } else { 100 * HOP });
        let passed = world.now - begin;
        for &tree in trees {
            if world.believes_dead_root_in(tree) {
                seen.believed = passed;
            }
            if world.roles_in(tree) != world.oracle_of(tree) {
                seen.settled = passed;
            }
            if world.has_loop_in(tree) {
                seen.looped = passed;
            }
        }
    }
    seen
}

/// The network of `rapid.rs` that counts for ten seconds and more, with two of them in a loop.
#[test]
fn a_dead_root_is_forgotten_at_once_in_a_triangle() {
    let mut world = World::new(TRIANGLE);
    world.run(Duration::from_millis(8004));
    world.cut("r");
    let seen = aftermath(&mut world, s(30));
    assert_eq!(world.roles(), world.oracle());
    assert!(seen.believed <= 3 * HOP, "{seen:?}");
    assert!(seen.settled <= 10 * HOP, "{seen:?}");
    assert_eq!(seen.looped, Duration::ZERO);
}

/// The root is alive when it is given up: it vouches anew.
#[test]
fn a_living_root_comes_back_within_a_round_trip() {
    let mut world = World::new(
        "bridge 1 0x0000 epochs: 1=a 2=d
         bridge 2 0x1000 epochs: 1=a 2=b
         bridge 3 0x2000 epochs: 1=b 2=c
         bridge 4 0x3000 epochs: 1=c 2=d 3=e
         bridge 5 0x4000 epochs: 1=e",
    );
    world.run(s(20));
    // Bridges 2 and 3 have no other way they know of; bridge 4 has.
    world.cut("a");
    let seen = aftermath(&mut world, s(30));
    assert_eq!(world.roles(), world.oracle());
    assert!(seen.settled <= 20 * HOP, "{seen:?}");
    assert_eq!(seen.looped, Duration::ZERO);
}

/// A root that becomes a worse one vouches for nobody but itself from then on.
#[test]
fn a_root_that_gets_worse_is_forgotten_at_once() {
    let mut world = World::new(TRIANGLE);
    world.run(s(20));
    world.act(3, |bridge, now| {
        let config = BridgeConfig {
            priority: BridgePriority::MAX,
            ..*bridge.config()
        };
        bridge.configure(now, config).to_vec()
    });
    let seen = aftermath(&mut world, s(30));
    assert_eq!(world.roles(), world.oracle());
    assert!(
        seen.believed <= 5 * HOP && seen.settled <= 20 * HOP,
        "{seen:?}"
    );
    assert_eq!(seen.looped, Duration::ZERO);
}

/// A network of links between two bridges each; what is cut and joined, and after how long.
#[derive(Clone, Debug)]
pub(crate) struct Network {
    /// Priority, and whether it has epochs.
    pub(crate) bridges: Vec<(u16, bool)>,
    /// From, to, cost.
    links: Vec<(usize, usize, u32)>,
    happenings: Vec<Happening>,
}

#[derive(Clone, Debug)]
struct Happening {
    link: prop::sample::Index,
    /// All links of this bridge instead: it dies, and comes back.
    bridge: Option<prop::sample::Index>,
    after: u64,
}

pub(crate) fn network(
    epochs: impl Strategy<Value = bool> + Clone + 'static,
) -> impl Strategy<Value = Network> {
    (3..8_usize)
        .prop_flat_map(move |count| {
            let bridge = (0..4_u16, epochs.clone());
            let extra = (0..count, 0..count, 1..4_u32);
            let happening = (
                any::<prop::sample::Index>(),
                prop::option::of(any::<prop::sample::Index>()),
                0..9_000_u64,
            )
                .prop_map(|(link, bridge, after)| Happening {
                    link,
                    bridge,
                    after,
                });
            (
                prop::collection::vec(bridge, count),
                prop::collection::vec((any::<prop::sample::Index>(), 1..4_u32), count - 1),
                prop::collection::vec(extra, 0..6),
                prop::collection::vec(happening, 1..6),
            )
        })
        .prop_map(|(bridges, tree, extra, happenings)| {
            let first = tree.iter().enumerate();
            let tree =
                first.map(|(child, (parent, cost))| (child + 1, parent.index(child + 1), *cost));
            let extra = extra.into_iter().filter(|(from, to, _)| from != to);
            Network {
                links: tree.chain(extra).collect(),
                bridges,
                happenings,
            }
        })
}

impl Network {
    pub(crate) fn world(&self, protocol: impl Fn(bool) -> &'static str) -> World {
        let mut text = String::new();
        for (number, (priority, epochs)) in self.bridges.iter().enumerate() {
            let protocol = protocol(*epochs);
            let priority = priority << 12;
            write!(text, "bridge {} {priority:#06x} {protocol}:", number + 1).unwrap();
            let mut port = 0;
            for (link, (from, to, cost)) in self.links.iter().enumerate() {
                if [from, to].contains(&&number) {
                    port += 1;
                    write!(text, " {port}=l{link}/{cost}/noauto").unwrap();
                }
            }
            text.push('\n');
        }
        World::new(&text)
    }

    /// Lets everything happen; calls `seen` after each, when `time` has passed, with what was seen in `trees`.
    pub(crate) fn play(
        &self,
        mut world: World,
        time: Duration,
        trees: &[TreeId],
        mut seen: impl FnMut(&World, &Aftermath),
    ) {
        world.forbid_loops = false;
        world.run(s(40));
        let mut down = vec![false; self.links.len()];
        for happening in &self.happenings {
            world.run(Duration::from_millis(happening.after));
            let links: Vec<usize> = match &happening.bridge {
                Some(bridge) => {
                    let bridge = bridge.index(self.bridges.len());
                    let of = |(from, to, _): &(usize, usize, u32)| *from == bridge || *to == bridge;
                    (0..self.links.len())
                        .filter(|&link| of(&self.links[link]))
                        .collect()
                }
                None => vec![happening.link.index(self.links.len())],
            };
            let cut = !down[links[0]];
            for link in links {
                if cut && !down[link] {
                    world.cut(&format!("l{link}"));
                } else if !cut && down[link] {
                    world.join(&format!("l{link}"));
                }
                down[link] = cut;
            }
            let after = aftermath_in(&mut world, time, trees);
            seen(&world, &after);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn nobody_counts_to_infinity_and_no_loop_opens(network in network(Just(true))) {
        let world = network.world(|_| "epochs");
        network.play(world, s(8), &[TreeId::COMMON], |world, seen| {
            assert_eq!(world.roles(), world.oracle());
            assert!(seen.believed <= 16 * HOP, "{seen:?}");
            assert_eq!(seen.looped, Duration::ZERO, "{seen:?}");
        });
    }

    /// A network of both counts as one of those without does, and no longer.
    #[test]
    fn bridges_without_epochs_agree_with_those_that_have_them(network in network(any::<bool>())) {
        let world = network.world(|epochs| if epochs { "epochs" } else { "rstp" });
        network.play(world, s(60), &[TreeId::COMMON], |world, _| {
            assert_eq!(world.roles(), world.oracle());
        });
    }
}
