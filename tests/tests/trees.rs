//! Many trees on one network, in virtual time: random graphs, random priorities in every tree, links that fail. Every tree is
//! the one that follows from its graph alone, found by code that shares nothing with ours ([`tests::oracle`]); every frame goes
//! by the tree of its VLAN and by no other; and no frame goes round: never in classic trees, in rapid ones not once the news of
//! a dead root has died down (docs/STP.md, counting to infinity).
//!
//! A region of multiple spanning trees has the same links in every tree, and priorities that differ; where every VLAN has a
//! tree, links that do not carry a VLAN are not in its tree either.

use std::collections::BTreeMap;
use std::time::Duration;

use etherparse::VlanId;
use labs::sim::checks::reach;
use labs::sim::{BridgeSpec, LinkState, Medium, NodeId, PortRef, PortSpec, WireId, World};
use pnet_base::MacAddr;
use proptest::prelude::*;
use stp::{BridgePriority, PathCost, PortRole, Protocol, Region, RegionName, TreeId, VlanMap};
use switchd::counters::DropReason;
use switchd::forward::Verdict;
use switchd::vlan::PortMode;
use switchd::{Instances, TreeProtocol, VlanSet};
use tests::oracle::{Graph, Port, Role, Tree};

/// The VLANs that have hosts. VLAN 1 goes by the common tree.
const VLANS: [u16; 4] = [1, 10, 20, 30];
/// Max age and two forward delays of the classic protocol, twice, and what the holds add.
const SETTLED: Duration = Duration::from_secs(150);
const PATIENCE: Duration = Duration::from_secs(2);

/// A cable between two bridges.
#[derive(Clone, Debug)]
struct Cable {
    ends: [usize; 2],
    costs: [u32; 2],
    /// The VLANs it carries, by their place in [`VLANS`]; looked at where every VLAN has a tree.
    carries: [bool; VLANS.len()],
}

#[derive(Clone, Debug)]
struct Case {
    /// Of each bridge its priority in each VLAN's tree, in steps of 4096.
    priorities: Vec<[u16; VLANS.len()]>,
    cables: Vec<Cable>,
    /// When, which cable, and whether it fails.
    faults: Vec<(u64, usize, bool)>,
}

fn cases() -> impl Strategy<Value = Case> {
    (2_usize..6).prop_flat_map(|bridges| {
        let priorities = prop::collection::vec(prop::array::uniform4(0_u16..16), bridges);
        let ends = (0..bridges, 1..bridges).prop_map(move |(one, on)| [one, (one + on) % bridges]);
        let costs = prop::array::uniform2(1_u32..4);
        let cable = (
            ends,
            costs,
            prop::array::uniform4(prop::bool::weighted(0.8)),
        );
        let cable = cable.prop_map(|(ends, costs, carries)| Cable {
            ends,
            costs,
            carries,
        });
        let cables = prop::collection::vec(cable, 1..9);
        let faults = prop::collection::vec((1_000_u64..40_000, 0_usize..8, any::<bool>()), 0..5);
        (priorities, cables, faults).prop_map(|(priorities, cables, faults)| Case {
            priorities,
            cables,
            faults,
        })
    })
}

fn vlan(number: u16) -> VlanId {
    VlanId::try_new(number).expect("legal")
}

/// The tree of a VLAN by its place: of the region, or its own.
fn tree_of(protocol: TreeProtocol, place: usize) -> TreeId {
    let number = match protocol.is_per_vlan() {
        true => VLANS[place],
        false => u16::try_from(place).expect("few"),
    };
    TreeId::new(number).unwrap_or(TreeId::COMMON)
}

/// The address of a bridge; by it ties are broken.
fn address(bridge: usize) -> MacAddr {
    MacAddr::new(2, 0, 0, 0, 0xb, u8::try_from(bridge).expect("few"))
}

fn instances(protocol: TreeProtocol, region: &str, priorities: &[u16; VLANS.len()]) -> Instances {
    let mut vlans = VlanMap::new();
    for (place, &number) in VLANS.iter().enumerate() {
        vlans.set(number, tree_of(TreeProtocol::Mstp, place));
    }
    let of = |place: usize| BridgePriority::new(4096 * priorities[place]).expect("legal");
    Instances {
        region: Region {
            name: RegionName::new(region).expect("short"),
            revision: 1,
            vlans,
        },
        vlans: VlanSet::EMPTY,
        priorities: (0..VLANS.len())
            .map(|place| (tree_of(protocol, place), of(place)))
            .collect(),
    }
}

/// A case in a world: bridges with a host in every VLAN, and the ports at both ends of every cable.
struct Network {
    world: World,
    bridges: Vec<NodeId>,
    wires: Vec<WireId>,
    ends: Vec<[PortRef; 2]>,
    /// Hosts with their bridges and the place of their VLAN.
    hosts: BTreeMap<PortRef, (usize, usize)>,
    joined: Vec<bool>,
}

impl Network {
    /// `speaks` says of each bridge what it speaks, and its region.
    fn build(case: &Case, speaks: impl Fn(usize) -> (TreeProtocol, &'static str)) -> Self {
        let mut world = World::new(1);
        world.watch_cycles();
        let bridges = case.priorities.iter().enumerate();
        let bridges: Vec<NodeId> = bridges
            .map(|(index, priorities)| {
                let (protocol, region) = speaks(index);
                let common = BridgePriority::new(4096 * priorities[0]).expect("legal");
                let spec = BridgeSpec::new(format!("b{index}"))
                    .address(address(index))
                    .protocol(protocol)
                    .priority(common)
                    .instances(instances(protocol, region, priorities));
                world.add_bridge(&spec).expect("a new name")
            })
            .collect();
        let mut this = Self {
            bridges,
            world,
            wires: Vec::new(),
            ends: Vec::new(),
            hosts: BTreeMap::new(),
            joined: vec![true; case.cables.len()],
        };
        let per_vlan = speaks(0).0.is_per_vlan();
        for cable in &case.cables {
            this.plug(cable, per_vlan);
        }
        for bridge in 0..this.bridges.len() {
            for (place, &number) in VLANS.iter().enumerate() {
                this.add_host(bridge, place, vlan(number));
            }
        }
        this
    }

    fn plug(&mut self, cable: &Cable, per_vlan: bool) {
        let carried = VLANS.iter().zip(cable.carries);
        let carried = carried.filter(|(_, carries)| *carries || !per_vlan);
        let mode = PortMode::Trunk {
            allowed: carried.map(|(&number, _)| vlan(number)).collect(),
            native: vlan(1),
            native_tagged: false,
        };
        let ends = [0, 1].map(|end| {
            let cost = PathCost::new(cable.costs[end]).expect("legal");
            let spec = PortSpec::default().cost(cost).mode(mode.clone());
            let node = self.bridges[cable.ends[end]];
            self.world.add_port(node, &spec).expect("few ports")
        });
        let wire = self.world.connect(&ends, Medium::default());
        self.wires.push(wire.expect("new ports are free"));
        self.ends.push(ends);
    }

    fn add_host(&mut self, bridge: usize, place: usize, vlan: VlanId) {
        let world = &mut self.world;
        let host = world
            .add_listener(&format!("h{bridge}-{place}"))
            .expect("new");
        let port = world.port(host, 1).expect("a listener has a port");
        let spec = PortSpec::default()
            .edge(true)
            .mode(PortMode::Access { vlan });
        let at = world
            .add_port(self.bridges[bridge], &spec)
            .expect("few ports");
        let medium = Medium::default();
        world
            .connect(&[at, port], medium)
            .expect("new ports are free");
        self.hosts.insert(port, (bridge, place));
    }

    /// Lets the faults happen, and everything settle after the last.
    fn suffer(&mut self, case: &Case) {
        let mut faults = case.faults.clone();
        faults.sort_unstable();
        for (at, target, fails) in faults {
            self.world.run_until(Duration::from_millis(at));
            let index = target % self.wires.len();
            self.joined[index] = !fails;
            let state = if fails {
                LinkState::Down
            } else {
                LinkState::Up
            };
            self.world
                .set_link(self.wires[index], state)
                .expect("there");
        }
        self.world.run_for(SETTLED);
    }

    /// The graph of a VLAN's tree, and of each of its ports where it is. Where every VLAN has a tree, cables that do
    /// not carry it are no part of it.
    fn graph(&self, case: &Case, place: usize, per_vlan: bool) -> (Graph, Vec<PortRef>) {
        let bridges = case
            .priorities
            .iter()
            .enumerate()
            .map(|(index, priorities)| {
                let octets = address(index).octets();
                let mac = octets
                    .iter()
                    .fold(0, |all, &octet| all << 8 | u64::from(octet));
                u64::from(priorities[place]) << 60 | mac
            });
        let (mut ports, mut places) = (Vec::new(), Vec::new());
        for (lan, cable) in case.cables.iter().enumerate() {
            if per_vlan && !cable.carries[place] {
                continue;
            }
            for end in 0..2 {
                let at = self.ends[lan][end];
                ports.push(Port {
                    bridge: cable.ends[end],
                    lan,
                    // What is configured of a port is the common tree's; instances go by the link.
                    cost: match place == 0 || per_vlan {
                        true => cable.costs[end].into(),
                        false => 1,
                    },
                    id: 0x8000 | u32::from(at.port.get()),
                    up: self.joined[lan],
                });
                places.push(at);
            }
        }
        let graph = Graph {
            bridges: bridges.collect(),
            ports,
        };
        (graph, places)
    }

    /// What a port is in a tree, in the oracle's words, and whether it forwards there.
    fn role(&self, at: PortRef, tree: TreeId) -> (Role, bool) {
        let switch = self.world.switch(at.node).expect("it runs");
        let status = switch
            .port_in_tree(tree, at.port)
            .expect("it is in the tree");
        let role = match status.role {
            PortRole::Disabled => Role::Disabled,
            PortRole::Root => Role::Root,
            PortRole::Designated => Role::Designated,
            PortRole::Alternate => Role::Alternate,
            PortRole::Backup => Role::Backup,
            PortRole::Master => panic!("a region that is alone has no master port"),
        };
        let port = switch.port(at.port).expect("it is there");
        (role, port.state(tree).forwards())
    }

    /// What the data path does with a frame of a VLAN that comes in by a port: whether it takes it.
    fn takes(&mut self, at: PortRef, vlan: VlanId) -> bool {
        let mut frame = vec![0xff; 6];
        frame.extend([0x0a, 0, 0, 0, 0x77, 0x77, 0x81, 0]);
        frame.extend(vlan.value().to_be_bytes());
        frame.extend([0x88, 0xb5]);
        frame.resize(60, 0);
        let decision = self.world.manage(at.node, |switch, now, _| {
            Ok(switch.forward(now, at.port, &frame).verdict)
        });
        match decision.expect("it runs") {
            Verdict::Drop(DropReason::PortState) => false,
            // Where it is the only port of its VLAN that forwards, it is taken and goes nowhere.
            Verdict::Relay { .. } | Verdict::Drop(DropReason::NoEgress) => true,
            other @ (Verdict::Drop(_) | Verdict::Deliver(_) | Verdict::DeliverShared { .. }) => {
                panic!("{at:?} {vlan:?}: {other:?}")
            }
        }
    }

    /// Every host hears the others of its VLAN that its tree leads to once, and nobody else.
    fn assert_reach(&mut self, trees: &[(Graph, Tree)]) {
        for seen in reach::probe(&mut self.world, PATIENCE) {
            let ((from, place), (to, other)) = (self.hosts[&seen.from], self.hosts[&seen.to]);
            let (_, tree) = &trees[place];
            let together = place == other && tree.ways[from].0 == tree.ways[to].0;
            assert_eq!(
                seen.arrived,
                usize::from(together),
                "{seen:?} in {}",
                VLANS[place]
            );
        }
        let mut findings = self.world.findings().iter();
        let found = findings.find(|finding| finding.violation.is_loop());
        assert!(found.is_none(), "{found:?}");
    }
}

/// Every tree of a network of one protocol is its oracle's, and its states are enforced.
fn every_tree_is_its_own(protocol: TreeProtocol, case: &Case) {
    let mut network = Network::build(case, |_| (protocol, "one"));
    network.suffer(case);
    if protocol.engine() != Some(Protocol::Stp) {
        network.world.take_findings();
    }
    let mut trees = Vec::new();
    for (place, &number) in VLANS.iter().enumerate() {
        let (graph, places) = network.graph(case, place, protocol.is_per_vlan());
        let expected = graph.tree();
        let tree = tree_of(protocol, place);
        for (&at, &role) in places.iter().zip(&expected.roles) {
            let is = network.role(at, tree);
            assert_eq!(is, (role, role.forwards()), "{at:?} in {tree}");
            if role != Role::Disabled {
                // The native VLAN is untagged there, which is one more way in, but not another.
                let takes = network.takes(at, vlan(number));
                assert_eq!(takes, role.forwards(), "{at:?} in VLAN {number}");
            }
        }
        trees.push((graph, expected));
    }
    network.assert_reach(&trees);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn every_instance_of_a_region_has_the_tree_of_its_graph(case in cases()) {
        every_tree_is_its_own(TreeProtocol::Mstp, &case);
    }

    #[test]
    fn every_vlan_has_the_tree_of_its_graph(case in cases()) {
        every_tree_is_its_own(TreeProtocol::RapidPvst, &case);
    }

    #[test]
    fn every_vlan_has_the_classic_tree_of_its_graph(case in cases()) {
        every_tree_is_its_own(TreeProtocol::Pvst, &case);
    }

    /// Two regions, and bridges that know of none: what the common tree joins, every VLAN's frames reach once.
    #[test]
    fn regions_and_bridges_of_other_versions_carry_every_vlan_once(
        case in cases(),
        speaks in prop::collection::vec(0_usize..4, 6),
    ) {
        const WORDS: [(TreeProtocol, &str); 4] = [
            (TreeProtocol::Mstp, "east"),
            (TreeProtocol::Mstp, "west"),
            (TreeProtocol::Rstp, ""),
            (TreeProtocol::Stp, ""),
        ];
        let mut network = Network::build(&case, |bridge| WORDS[speaks[bridge]]);
        network.suffer(&case);
        network.world.take_findings();
        // Which tree it is depends on the regions; what it joins does not.
        let (graph, _) = network.graph(&case, 0, false);
        let tree = graph.tree();
        let trees = vec![(graph, tree); VLANS.len()];
        network.assert_reach(&trees);
    }
}
