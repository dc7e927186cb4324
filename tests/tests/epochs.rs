//! Epochs where every VLAN has a tree, octet by octet in virtual time: a dead root is forgotten in the time of a way through
//! the network and back in its VLAN, and a VLAN whose root lives knows nothing of it.
//!
//! One rapid tree, and the trees of a region: `stp/tests/network/epochs.rs`, `epochs_of_trees.rs`.

use std::time::Duration;

use etherparse::VlanId;
use labs::sim::{BridgeSpec, LinkState, Medium, NodeId, PortSpec, WireId, World};
use pnet_base::MacAddr;
use proptest::prelude::*;
use stp::{BridgeId, BridgePriority, TreeId};
use switchd::vlan::PortMode;
use switchd::{Instances, TreeProtocol};
use tests::oracle::{Graph, Port};

/// What a frame takes over a cable.
const HOP: Duration = Duration::from_millis(1);
/// In the second the bridges' priorities are the other way round.
const VLANS: [u16; 2] = [10, 20];

/// Bridges with trunks of both VLANs.
struct Network {
    world: World,
    bridges: Vec<NodeId>,
    cables: Vec<([usize; 2], WireId)>,
    up: Vec<bool>,
}

/// What is seen of one VLAN's tree after something has happened.
#[derive(Debug, Default)]
struct Aftermath {
    /// How long some bridge believed in a root that none of its ways leads to.
    believed: Duration,
    /// How long until all bridges had the roots that the cables say, for good.
    settled: Duration,
}

fn address(bridge: usize) -> MacAddr {
    MacAddr::new(2, 0, 0, 0, 0xb, u8::try_from(bridge).expect("few"))
}

/// The priority of one of `count` bridges in a VLAN: the last is the root of VLAN 10, the first that of VLAN 20.
fn priority(bridge: usize, count: usize, vlan: u16) -> u16 {
    let place = match vlan == VLANS[0] {
        true => count - 1 - bridge,
        false => bridge,
    };
    u16::try_from(place).expect("few") << 12
}

fn tree(vlan: u16) -> TreeId {
    TreeId::new(vlan).expect("legal")
}

impl Network {
    fn new(count: usize, cables: &[[usize; 2]], epochs: bool) -> Self {
        let mut world = World::new(1);
        world.watch_cycles();
        let bridge = |bridge: usize| {
            let of = |vlan| BridgePriority::new(priority(bridge, count, vlan)).expect("legal");
            let instances = Instances {
                priorities: VLANS.map(|vlan| (tree(vlan), of(vlan))).into(),
                ..Instances::default()
            };
            BridgeSpec::new(format!("b{bridge}"))
                .address(address(bridge))
                .protocol(TreeProtocol::RapidPvst)
                .epochs(epochs)
                .instances(instances)
        };
        let bridges: Vec<NodeId> = (0..count)
            .map(|number| world.add_bridge(&bridge(number)).expect("a new name"))
            .collect();
        let vlan = |number| VlanId::try_new(number).expect("legal");
        let trunk = PortMode::Trunk {
            allowed: VLANS.map(vlan).into_iter().collect(),
            native: vlan(1),
            native_tagged: false,
        };
        let cables: Vec<_> = cables
            .iter()
            .map(|&ends| {
                let ports = ends.map(|end| {
                    let spec = PortSpec::default().mode(trunk.clone());
                    world.add_port(bridges[end], &spec).expect("few ports")
                });
                (
                    ends,
                    world
                        .connect(&ports, Medium::delayed(HOP))
                        .expect("new ports are free"),
                )
            })
            .collect();
        Self {
            up: vec![true; cables.len()],
            world,
            bridges,
            cables,
        }
    }

    fn set(&mut self, cable: usize, up: bool) {
        self.up[cable] = up;
        let state = match up {
            true => LinkState::Up,
            false => LinkState::Down,
        };
        self.world
            .set_link(self.cables[cable].1, state)
            .expect("there");
    }

    /// Of every bridge the root that it should believe in, by number, from the cables alone.
    fn expected(&self, vlan: u16) -> Vec<usize> {
        let count = self.bridges.len();
        let id = |bridge| u64::from(priority(bridge, count, vlan)) << 48 | bridge as u64;
        let port = |lan: usize, end: usize| Port {
            bridge: self.cables[lan].0[end],
            lan,
            cost: 1,
            id: u32::try_from(2 * lan + end).expect("few"),
            up: self.up[lan],
        };
        let graph = Graph {
            bridges: (0..count).map(id).collect(),
            ports: (0..self.cables.len())
                .flat_map(|lan| [port(lan, 0), port(lan, 1)])
                .collect(),
        };
        let ways = graph.tree().ways;
        let number = |(root, _): &(u64, u64)| (root & 0xffff) as usize;
        ways.iter().map(number).collect()
    }

    /// Whom a bridge takes for the root.
    fn root(&self, bridge: usize, vlan: u16) -> BridgeId {
        let switch = self.world.switch(self.bridges[bridge]).expect("it runs");
        switch.tree(tree(vlan)).expect("of a VLAN").root
    }

    fn epoch(&self, bridge: usize, vlan: u16) -> Option<u32> {
        let switch = self.world.switch(self.bridges[bridge]).expect("it runs");
        let stamp = switch.tree(tree(vlan)).expect("of a VLAN").epoch;
        stamp.map(|stamp| stamp.current)
    }

    /// Looks after every hop for a tenth of a second, then every tenth of a second.
    fn aftermath(&mut self, time: Duration) -> [Aftermath; 2] {
        let mut seen = [Aftermath::default(), Aftermath::default()];
        let begin = self.world.now();
        let expected = VLANS.map(|vlan| self.expected(vlan));
        while self.world.now() < begin + time {
            let is_soon = self.world.now() < begin + 100 * HOP;
            self.world.run_for(if is_soon { HOP } else { 100 * HOP });
            let passed = self.world.now() - begin;
            for ((vlan, expected), seen) in VLANS.into_iter().zip(&expected).zip(&mut seen) {
                for (bridge, &should) in expected.iter().enumerate() {
                    let root = self.root(bridge, vlan);
                    if root.address() != address(should) {
                        seen.settled = passed;
                    }
                    // Parts of the network are those that agree in the end.
                    let mut part = (0..expected.len()).filter(|&other| expected[other] == should);
                    if part.all(|other| root.address() != address(other)) {
                        seen.believed = passed;
                    }
                }
            }
        }
        seen
    }

    fn loops(&mut self) -> usize {
        let findings = self.world.take_findings();
        let loops = findings.iter().filter(|found| found.violation.is_loop());
        loops.count()
    }
}

/// Behind bridge 3, the root of VLAN 10, a triangle whose first bridge is the root of VLAN 20. Bridge 3 dies.
fn death(epochs: bool) -> (Network, [Aftermath; 2]) {
    let mut network = Network::new(4, &[[0, 1], [1, 2], [2, 0], [3, 0], [3, 1]], epochs);
    network.world.run_for(Duration::from_millis(20_004));
    for vlan in VLANS {
        assert!((0..4).all(|bridge| network.root(bridge, vlan) == network.root(0, vlan)));
    }
    let before = network.epoch(2, 20);
    network.world.take_findings();
    network.set(3, false);
    network.set(4, false);
    let seen = network.aftermath(Duration::from_secs(60));
    assert_eq!(network.epoch(2, 20), before, "VLAN 20's root lives");
    (network, seen)
}

#[test]
fn a_dead_root_is_forgotten_at_once_in_its_vlan() {
    let (_, [without, other]) = death(false);
    assert!(without.believed >= 100 * HOP, "{without:?}");
    assert_eq!(other.believed, Duration::ZERO);
    let (mut network, [with, other]) = death(true);
    assert!(with.believed <= 4 * HOP, "{with:?}");
    assert!(with.settled <= 12 * HOP, "{with:?}");
    assert_eq!(other.believed, Duration::ZERO);
    assert_eq!(network.loops(), 0);
    assert!(network.epoch(2, 10) > network.epoch(2, 20));
}

/// Bridges, cables between them, and what is cut and joined, after how many milliseconds: a cable, or all of a bridge's.
#[derive(Clone, Debug)]
struct Case {
    count: usize,
    cables: Vec<[usize; 2]>,
    happenings: Vec<(u64, prop::sample::Index, bool)>,
}

fn cases() -> impl Strategy<Value = Case> {
    (3..7_usize).prop_flat_map(|count| {
        let parents = prop::collection::vec(any::<prop::sample::Index>(), count - 1);
        let more = prop::collection::vec([0..count, 0..count], 0..5);
        let happening = (0..9_000_u64, any::<prop::sample::Index>(), any::<bool>());
        let happenings = prop::collection::vec(happening, 1..5);
        (parents, more, happenings).prop_map(move |(parents, more, happenings)| {
            let tree = (1..count).zip(&parents);
            let tree = tree.map(|(child, parent)| [child, parent.index(child)]);
            let more = more.into_iter().filter(|[from, to]| from != to);
            Case {
                count,
                cables: tree.chain(more).collect(),
                happenings,
            }
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn nobody_counts_to_infinity_in_any_vlan(case in cases()) {
        let mut network = Network::new(case.count, &case.cables, true);
        network.world.run_for(Duration::from_secs(40));
        network.world.take_findings();
        for (after, which, of_a_bridge) in case.happenings {
            network.world.run_for(Duration::from_millis(after));
            let bridge = which.index(case.count);
            let struck: Vec<usize> = match of_a_bridge {
                true => (0..case.cables.len())
                    .filter(|&cable| case.cables[cable].contains(&bridge))
                    .collect(),
                false => vec![which.index(case.cables.len())],
            };
            let up = struck.first().is_some_and(|&cable| !network.up[cable]);
            for cable in struck {
                network.set(cable, up);
            }
            for seen in network.aftermath(Duration::from_secs(8)) {
                assert!(seen.believed <= 16 * HOP, "{seen:?}");
                assert!(seen.settled < Duration::from_secs(8), "{seen:?}");
            }
            assert_eq!(network.loops(), 0);
        }
    }
}
