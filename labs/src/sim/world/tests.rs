use std::cell::RefCell;

use stp::{PortRole, PortState, TreeId};

use super::*;
use crate::sim::checks::{cycle, reach};
use crate::sim::{
    BridgeSpec, Impairment, LinkState, Medium, Notice, OneWay, PortSpec, Probability, Violation,
    WorldError, frame,
};

const S: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_millis(100);

/// Bridges wired in a circle, each with a listener; the wires of the circle.
fn ring(bridges: usize, seed: u64) -> (World, Vec<NodeId>, Vec<WireId>) {
    let mut world = World::new(seed);
    world.watch_cycles();
    let nodes: Vec<NodeId> = (0..bridges)
        .map(|n| world.add_bridge(&BridgeSpec::new(format!("b{n}"))).unwrap())
        .collect();
    let wires = (0..bridges)
        .map(|n| {
            let ends = [nodes[n], nodes[(n + 1) % bridges]];
            world.wire_nodes(&ends, Medium::default()).unwrap()
        })
        .collect();
    for &node in &nodes {
        let listener = world.add_listener(&format!("h{}", node.index())).unwrap();
        world
            .wire_nodes(&[node, listener], Medium::default())
            .unwrap();
    }
    (world, nodes, wires)
}

fn role(world: &World, port: PortRef) -> PortRole {
    let switch = world.switch(port.node).unwrap();
    switch.port(port.port).unwrap().role(TreeId::COMMON)
}

fn state(world: &World, port: PortRef) -> PortState {
    let switch = world.switch(port.node).unwrap();
    switch.port(port.port).unwrap().state(TreeId::COMMON)
}

fn all_reach_all_once(world: &mut World) {
    let reached = reach::probe(world, PATIENCE);
    let wrong: Vec<_> = reached.iter().filter(|reach| reach.arrived != 1).collect();
    assert!(!reached.is_empty());
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn a_fork_goes_on_as_its_origin_would() {
    let (mut world, _, wires) = ring(5, 1);
    // In the middle of the walk to forwarding, with frames under way.
    world.run_until(17 * S);
    world.run_until(world.next_at().unwrap());
    let mut fork = world.fork().unwrap();
    let then = world.now();
    let after = |world: &mut World| {
        world.set_link(wires[0], LinkState::Down).unwrap();
        let quiet = world.run_quiet(120 * S);
        (quiet, world.totals(), format!("{:?}", world.snapshot()))
    };
    let first = after(&mut fork);
    assert_eq!(world.now(), then, "the origin stays where it was");
    assert_eq!(first, after(&mut world));
    assert!(first.0.is_ok());
}

#[test]
fn a_ring_converges_in_two_forward_delays_and_blocks_the_farthest_port() {
    let (mut world, nodes, wires) = ring(5, 1);
    assert_eq!(world.run_quiet(120 * S), Ok(30 * S));
    // Two ways round from the root b0: the circle is cut between b2 and b3, at the worse bridge.
    let blocked = world.map().ends(wires[2])[1];
    assert_eq!(blocked.node, nodes[3]);
    assert_eq!(role(&world, blocked), PortRole::Alternate);
    assert_eq!(state(&world, blocked), PortState::Blocking);
    all_reach_all_once(&mut world);
    assert_eq!(world.findings(), []);
}

#[test]
fn a_cut_link_heals_after_two_forward_delays() {
    let (mut world, _, wires) = ring(4, 1);
    world.run_quiet(120 * S).unwrap();
    let cut = world.now();
    world.set_link(wires[0], LinkState::Down).unwrap();
    let healed = world.run_quiet(200 * S).unwrap() - cut;
    assert!((30 * S..50 * S + 2 * S).contains(&healed), "{healed:?}");
    all_reach_all_once(&mut world);
    world.set_link(wires[0], LinkState::Up).unwrap();
    world.run_quiet(200 * S).unwrap();
    all_reach_all_once(&mut world);
    assert_eq!(world.findings(), []);
}

#[test]
fn a_silent_link_is_noticed_by_max_age() {
    let (mut world, nodes, wires) = ring(3, 1);
    world.run_quiet(120 * S).unwrap();
    let cut = world.now();
    world.set_link(wires[0], LinkState::Silent).unwrap();
    let ends = world.map().ends(wires[0]).to_vec();
    assert!(ends.iter().all(|end| world.has_carrier(*end)));
    let healed = world.run_quiet(200 * S).unwrap() - cut;
    assert!((46 * S..=51 * S).contains(&healed), "{healed:?}");
    assert_eq!(role(&world, ends[1]), PortRole::Designated);
    assert_eq!(ends[1].node, nodes[1]);
    all_reach_all_once(&mut world);
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let run = |seed| {
        let (mut world, _, wires) = ring(4, seed);
        let lossy = Impairment {
            jitter: Duration::from_millis(3),
            ..Impairment::lossy(Probability::percent(20))
        };
        for &wire in &wires {
            for end in world.map().ends(wire).to_vec() {
                world.impair(end, lossy).unwrap();
            }
        }
        let log = Rc::new(RefCell::new(Log::default()));
        world.observe(log.clone());
        world.run_until(120 * S);
        let log = log.borrow().clone();
        (log, world.totals())
    };
    let (first, totals) = run(7);
    assert!(totals.lost > 20, "{totals:?}");
    assert_eq!((first.clone(), totals), run(7));
    assert_ne!(first, run(8).0);
}

/// Every notice as text.
#[derive(Clone, Debug, Default, PartialEq)]
struct Log(Vec<String>);

impl Observer for Log {
    fn notice(&mut self, now: Duration, _: &Map, notice: &Notice<'_>) {
        self.0.push(format!("{now:?} {notice:?}"));
    }
}

#[test]
fn without_spanning_tree_a_ring_is_a_bounded_storm() {
    let mut world = World::new(1);
    world.watch_cycles();
    let nodes: Vec<NodeId> = (0..3)
        .map(|n| {
            let spec = BridgeSpec::new(format!("b{n}")).spanning_tree(false);
            world.add_bridge(&spec).unwrap()
        })
        .collect();
    for n in 0..3 {
        let ends = [nodes[n], nodes[(n + 1) % 3]];
        world.wire_nodes(&ends, Medium::default()).unwrap();
    }
    let host = world.add_listener("h").unwrap();
    world
        .wire_nodes(&[nodes[0], host], Medium::default())
        .unwrap();
    let eth0 = world.port(host, 1).unwrap();
    let flow = world.send(eth0, frame::broadcast(world.address(eth0).unwrap()));
    assert!(world.drain(S), "a storm ends by its bound");
    assert!(world.flow(flow).unwrap().looped);
    let kinds: Vec<&str> = world
        .findings()
        .iter()
        .map(|finding| finding.violation.kind())
        .collect();
    assert_eq!(kinds[..3], ["cycle", "loop", "duplicate"], "{kinds:?}");
    let Violation::Loop { path, .. } = &world.findings()[1].violation else {
        panic!("the second is the loop");
    };
    // Out of the host, once round, and into the first bridge again.
    let around: Vec<NodeId> = path.iter().map(|port| port.node).collect();
    assert_eq!(around.len(), 5);
    assert_eq!((around[0], around[1]), (host, around[4]));
    let Violation::Cycle { path, .. } = &world.findings()[0].violation else {
        panic!("the first is the cycle");
    };
    assert_eq!(path.len(), 6);
    assert_eq!(
        cycle::find(&world, cycle::vlans(&world)[0]).as_ref(),
        Some(path)
    );
}

#[test]
fn a_segment_of_three_has_one_designated_port_and_floods_to_all() {
    let mut world = World::new(1);
    let [a, b, c] = ["a", "b", "c"].map(|name| world.add_bridge(&BridgeSpec::new(name)).unwrap());
    let [h, g] = ["h", "g"].map(|name| world.add_listener(name).unwrap());
    let lan = world
        .wire_nodes(&[a, b, c, a, h], Medium::default())
        .unwrap();
    world.wire_nodes(&[b, c], Medium::default()).unwrap();
    world.wire_nodes(&[c, g], Medium::default()).unwrap();
    world.run_quiet(120 * S).unwrap();
    let roles: Vec<PortRole> = world.map().ends(lan)[..4]
        .iter()
        .map(|end| role(&world, *end))
        .collect();
    assert_eq!(
        roles,
        [
            PortRole::Designated,
            PortRole::Root,
            PortRole::Root,
            PortRole::Backup
        ]
    );
    all_reach_all_once(&mut world);
    assert_eq!(world.findings(), []);
}

#[test]
fn a_stale_entry_is_a_blackhole() {
    let mut world = World::new(1);
    let a = world
        .add_bridge(&BridgeSpec::new("a").spanning_tree(false))
        .unwrap();
    let [h, g] = ["h", "g"].map(|name| world.add_listener(name).unwrap());
    world.wire_nodes(&[a, h], Medium::default()).unwrap();
    world.wire_nodes(&[a, g], Medium::default()).unwrap();
    let (h, g) = (world.port(h, 1).unwrap(), world.port(g, 1).unwrap());
    let [at_h, at_g] = [h, g].map(|port| world.address(port).unwrap());
    // Somebody pretends to be `g` where `h` is.
    world.send(h, frame::broadcast(at_g));
    world.run_for(S);
    let flow = world.send(h, frame::data(at_g, at_h));
    world.run_for(S);
    let [finding] = world.findings() else {
        panic!("{:?}", world.findings());
    };
    let Violation::Blackhole {
        to, path, reason, ..
    } = &finding.violation
    else {
        panic!("{finding:?}");
    };
    assert_eq!((*to, *reason), (g, "same-port"));
    assert_eq!(path, &[h, world.port(a, 1).unwrap()]);
    assert!(world.flow(flow).unwrap().deliveries.is_empty());
}

#[test]
fn a_frozen_root_is_replaced_and_wakes_to_be_root_again() {
    let (mut world, nodes, _) = ring(3, 1);
    world.run_quiet(120 * S).unwrap();
    let root = |world: &World, node| {
        world
            .switch(node)
            .unwrap()
            .bridge()
            .unwrap()
            .tree(TreeId::COMMON)
            .root
    };
    let first = root(&world, nodes[1]);
    world.set_power(nodes[0], Power::Frozen).unwrap();
    assert_eq!(
        world.manage(nodes[0], |_, _, _| Ok(())),
        Err(WorldError::NotRunning(nodes[0]))
    );
    world.run_quiet(200 * S).unwrap();
    assert_ne!(root(&world, nodes[1]), first);
    world.set_power(nodes[0], Power::On).unwrap();
    world.run_quiet(200 * S).unwrap();
    assert_eq!(root(&world, nodes[1]), first);
    all_reach_all_once(&mut world);
}

#[test]
fn a_bridge_that_was_off_comes_back_with_its_settings() {
    let (mut world, nodes, _) = ring(3, 1);
    let port = world.port(nodes[2], 1).unwrap();
    let mut settings = world
        .switch(nodes[2])
        .unwrap()
        .port(port.port)
        .unwrap()
        .settings()
        .clone();
    settings.stp.path_cost = stp::PathCost::new(77);
    world.set_port(port, settings.clone()).unwrap();
    world.run_quiet(120 * S).unwrap();
    world.set_power(nodes[2], Power::Off).unwrap();
    assert!(world.switch(nodes[2]).is_none());
    let peer = world.port(nodes[1], 2).unwrap();
    assert!(!world.has_carrier(peer));
    assert_eq!(
        world.set_port(port, settings.clone()),
        Err(WorldError::NotRunning(nodes[2]))
    );
    world.run_for(10 * S);
    world.set_power(nodes[2], Power::On).unwrap();
    assert_eq!(
        world
            .switch(nodes[2])
            .unwrap()
            .port(port.port)
            .unwrap()
            .settings(),
        &settings
    );
    world.run_quiet(200 * S).unwrap();
    all_reach_all_once(&mut world);
    assert_eq!(world.findings(), []);
}

#[test]
fn one_way_failure_leaves_the_other_direction() {
    let mut world = World::new(1);
    let [h, g] = ["h", "g"].map(|name| world.add_listener(name).unwrap());
    world.wire_nodes(&[h, g], Medium::default()).unwrap();
    let (h, g) = (world.port(h, 1).unwrap(), world.port(g, 1).unwrap());
    let mute = OneWay {
        mute: true,
        deaf: false,
    };
    world.set_one_way(h, mute).unwrap();
    let there = world.send(h, frame::broadcast(world.address(h).unwrap()));
    let back = world.send(g, frame::broadcast(world.address(g).unwrap()));
    world.run_for(S);
    assert_eq!(world.take_flow(there).unwrap().count_at(g), 0);
    assert_eq!(world.take_flow(back).unwrap().count_at(h), 1);
    assert!(world.flow(back).is_none());
}

#[test]
fn what_is_under_way_on_a_cut_wire_never_arrives() {
    let mut world = World::new(1);
    let [h, g] = ["h", "g"].map(|name| world.add_listener(name).unwrap());
    let wire = world.wire_nodes(&[h, g], Medium::delayed(S)).unwrap();
    let h = world.port(h, 1).unwrap();
    let flow = world.send(h, frame::broadcast(world.address(h).unwrap()));
    world.set_link(wire, LinkState::Down).unwrap();
    world.set_link(wire, LinkState::Up).unwrap();
    world.run_for(2 * S);
    assert!(world.flow(flow).unwrap().is_over());
    assert!(world.flow(flow).unwrap().deliveries.is_empty());
    assert_eq!(world.totals().lost, 1);
}

#[test]
fn scheduled_operations_come_in_their_time_and_refusals_are_kept() {
    let (mut world, nodes, wires) = ring(3, 1);
    let cut = Operation::Link {
        wire: wires[0],
        state: LinkState::Down,
    };
    world.schedule(50 * S, cut.clone()).unwrap();
    let off = Operation::Power {
        node: nodes[1],
        power: Power::Off,
    };
    world.schedule(60 * S, off).unwrap();
    let set = Operation::SetProtocol {
        node: nodes[1],
        protocol: switchd::TreeProtocol::Off,
    };
    world.schedule(61 * S, set.clone()).unwrap();
    world.run_until(49 * S);
    assert_eq!(world.wire(wires[0]).unwrap().state(), LinkState::Up);
    assert_eq!(world.schedule(48 * S, cut), Err(WorldError::Past(48 * S)));
    world.run_until(70 * S);
    assert_eq!(world.wire(wires[0]).unwrap().state(), LinkState::Down);
    assert_eq!(world.power(nodes[1]), Some(Power::Off));
    assert_eq!(
        world.refused(),
        [(61 * S, set, WorldError::NotRunning(nodes[1]))]
    );
}

#[test]
fn what_cannot_be_built_is_refused() {
    let mut world = World::new(1);
    let a = world.add_bridge(&BridgeSpec::new("a")).unwrap();
    assert_eq!(
        world
            .add_bridge(&BridgeSpec::new("a"))
            .unwrap_err()
            .to_string(),
        "there is a node 'a' already"
    );
    let p1 = world.add_port(a, &PortSpec::default()).unwrap();
    assert_eq!(
        world.connect(&[p1], Medium::default()),
        Err(WorldError::Ends(1))
    );
    assert_eq!(
        world.connect(&[p1, p1], Medium::default()),
        Err(WorldError::Connected(p1))
    );
    let p2 = a.port(PortNumber::MAX);
    assert_eq!(
        world.connect(&[p1, p2], Medium::default()),
        Err(WorldError::NoPort(p2))
    );
    assert_eq!(
        world.set_link(WireId(3), LinkState::Up),
        Err(WorldError::NoWire(WireId(3)))
    );
    assert_eq!(world.plug(p1, false), Err(WorldError::NotConnected(p1)));
    let h = world.add_listener("h").unwrap();
    assert_eq!(
        world.manage(h, |_, _, _| Ok(())),
        Err(WorldError::NotABridge(h))
    );
}
