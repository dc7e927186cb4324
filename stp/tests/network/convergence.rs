//! How long it takes, and what is told on the way.

use std::time::Duration;

use stp::{
    Action, Bpdu, BridgeConfig, BridgePriority, BridgeTimes, PathCost, PortConfig, PortPriority,
    PortState, TopologyChangeKind,
};

use crate::harness::{HOP, World, port_number, s};

const TRIANGLE: &str = "bridge 1 0x8000: 1=a 2=b 3=x/edge
     bridge 2 0x8000: 1=a 2=c 3=y/edge
     bridge 3 0x8000: 1=b 2=c 3=z/edge
     expect 1: 1=D 2=D 3=D
     expect 2: 1=R 2=D 3=D
     expect 3: 1=R 2=A 3=D";

fn settled(text: &str) -> World {
    let mut world = World::new(text);
    world.run(s(100));
    world.check_expected();
    world
}

/// Runs until `port` of `bridge` forwards; how long that took.
fn until_forwarding(world: &mut World, bridge: u8, port: u16, most: Duration) -> Duration {
    let begin = world.now;
    let step = Duration::from_millis(1);
    while world.state(bridge, port) != PortState::Forwarding {
        world.run(step);
        assert!(world.now - begin <= most, "not within {most:?}");
    }
    world.now - begin
}

#[test]
fn direct_failure_takes_two_forward_delays() {
    let mut world = settled(TRIANGLE);
    world.cut("b");
    let took = until_forwarding(&mut world, 3, 2, s(31));
    assert_eq!(took, s(30));
    world.run(s(10));
    world.expect(
        "1: 1=D 2=X 3=D
         2: 1=R 2=D 3=D
         3: 1=X 2=R 3=D",
    );
}

#[test]
fn indirect_failure_takes_max_age_and_two_forward_delays_at_most() {
    let mut world = settled(TRIANGLE);
    world.forbid_loops = false;
    world.silence("b");
    let took = until_forwarding(&mut world, 3, 2, s(50));
    // The last hello came at most a hello time ago and was fresh from the root.
    assert!(took > s(48) && took <= s(50), "{took:?}");
    assert!(!world.has_loop());
}

#[test]
fn dead_root_is_forgotten_within_max_age() {
    let mut world = settled(TRIANGLE);
    world.forbid_loops = false;
    world.silence("a");
    world.silence("b");
    world.run(s(50) + s(2) + HOP * 10);
    assert_eq!(world.tree(2).root, world.bridges[&2].id());
    assert_eq!(world.tree(3).root, world.bridges[&2].id());
    assert_eq!(world.state(3, 2), PortState::Forwarding);
    world.heal("a");
    world.heal("b");
    world.run(s(40));
    world.check_expected();
}

#[test]
fn silent_failure_brings_short_ageing_to_every_bridge() {
    let mut world = settled(TRIANGLE);
    world.forbid_loops = false;
    for bridge in [1, 2, 3] {
        assert!(!world.tree(bridge).topology_change.active);
    }
    world.silence("b");
    until_forwarding(&mut world, 3, 2, s(50));
    // The root learns of it at once, everybody else with its next hello.
    world.run(s(2) + HOP * 10);
    for bridge in [1, 2, 3] {
        assert!(world.tree(bridge).topology_change.active, "bridge {bridge}");
    }
    world.run(s(38));
    for bridge in [1, 2, 3] {
        assert!(
            !world.tree(bridge).topology_change.active,
            "bridge {bridge}"
        );
    }
}

#[test]
fn new_best_root_takes_over() {
    let mut world = settled(TRIANGLE);
    world.act(3, |bridge, now| {
        let config = BridgeConfig {
            priority: BridgePriority::MIN,
            ..*bridge.config()
        };
        bridge.configure(now, config).to_vec()
    });
    world.run(s(33));
    world.expect(
        "1: 1=D 2=R 3=D
         2: 1=A 2=R 3=D
         3: 1=D 2=D 3=D",
    );
}

#[test]
fn topology_change_runs_to_the_root_and_back() {
    let mut world = settled(
        "bridge 1 0x1000: 1=a
         bridge 2 0x8000: 1=a 2=b
         bridge 3 0x8000: 1=b 2=c
         expect 1: 1=D
         expect 2: 1=R 2=D
         expect 3: 1=R 2=D",
    );
    let before = world.now;
    world.cut("c");
    world.join("c");
    world.run(s(30));
    let changes = |world: &World, bridge| -> Vec<(Duration, Option<u16>, TopologyChangeKind)> {
        world
            .deeds_of(bridge, before)
            .iter()
            .filter_map(|deed| match deed.action {
                Action::TopologyChange { port, kind, .. } => {
                    Some((deed.at - before, port.map(stp::PortNumber::get), kind))
                }
                Action::Transmit { .. }
                | Action::SetState { .. }
                | Action::SetRole { .. }
                | Action::Flush { .. }
                | Action::SetInconsistent { .. }
                | Action::ShortAgeing { .. }
                | Action::RootChanged { .. } => None,
            })
            .collect()
    };
    // Give the acknowledgment, held back by the hold time at most, and the next hello their time.
    world.run(s(3));
    let leaf = changes(&world, 3);
    assert_eq!(leaf[0], (s(30), Some(2), TopologyChangeKind::Detected));
    assert!(
        leaf[1..]
            .iter()
            .any(|&(_, _, kind)| kind == TopologyChangeKind::Acknowledged)
    );
    assert!(
        leaf[1..]
            .iter()
            .any(|&(_, _, kind)| kind == TopologyChangeKind::Active)
    );
    let middle = changes(&world, 2);
    assert_eq!(
        middle[0],
        (s(30) + HOP, Some(2), TopologyChangeKind::Notified)
    );
    let root = changes(&world, 1);
    assert_eq!(
        root[0],
        (s(30) + 2 * HOP, Some(1), TopologyChangeKind::Notified)
    );
    assert_eq!(
        root[1],
        (s(30) + 2 * HOP, Some(1), TopologyChangeKind::Active)
    );
    world.run(s(40));
    let ended = changes(&world, 1);
    assert_eq!(
        ended.last(),
        Some(&(s(65) + 2 * HOP, None, TopologyChangeKind::Ended)),
        "max age + forward delay after the notification"
    );
    assert_eq!(
        world.tree(1).topology_change.count,
        1 + 1,
        "one at the start, one now"
    );
    assert_eq!(
        changes(&world, 3).last().unwrap().2,
        TopologyChangeKind::Ended
    );
}

#[test]
fn edge_ports_change_no_topology() {
    let mut world = settled(TRIANGLE);
    let before = world.now;
    world.cut("z");
    world.run(s(5));
    let up = world.link_up(3, 3);
    assert!(up.iter().any(|action| matches!(
        action,
        Action::SetState {
            state: PortState::Forwarding,
            ..
        }
    )));
    world.run(s(60));
    assert!(
        !world.deeds.iter().any(|deed| deed.at >= before
            && matches!(
                deed.action,
                Action::TopologyChange { .. } | Action::ShortAgeing { .. }
            )),
        "an edge port told of a topology change"
    );
}

#[test]
fn two_edge_ports_joined_by_mistake_open_up() {
    let mut world = World::new(
        "bridge 1 0x8000: 1=a 2=b/edge
         bridge 2 0x8000: 1=a 2=b/edge
         expect 1: 1=D 2=D
         expect 2: 1=R 2=A",
    );
    world.run(s(40));
    world.check_expected();
    assert!(!world.port(1, 2).edge && !world.port(2, 2).edge);
    assert!(world.port(1, 2).admin_edge);
}

#[test]
fn path_cost_and_port_priority_move_the_root_port_live() {
    let mut world = settled(
        "bridge 1 0x8000: 1=a 2=b
         bridge 2 0x8000: 1=a 2=b
         expect 1: 1=D 2=D
         expect 2: 1=R 2=A",
    );
    let set = |world: &mut World, bridge, port, config: PortConfig| {
        world.act(bridge, |bridge, now| {
            bridge
                .configure_port(now, port_number(port), config)
                .to_vec()
        });
        world.run(s(33));
    };
    let dear = PortConfig {
        path_cost: PathCost::new(200),
        ..PortConfig::default()
    };
    set(&mut world, 2, 1, dear);
    world.expect("2: 1=A 2=R");
    set(&mut world, 2, 1, PortConfig::default());
    world.expect("2: 1=R 2=A");
    let first = PortConfig {
        priority: PortPriority::MIN,
        ..PortConfig::default()
    };
    set(&mut world, 1, 2, first);
    world.expect("2: 1=A 2=R");
}

#[test]
fn times_of_the_root_rule_everywhere() {
    let mut world = settled(TRIANGLE);
    let fast = BridgeTimes::new(s(6), s(1), s(4)).unwrap();
    world.act(1, |bridge, now| {
        let config = BridgeConfig {
            times: fast,
            ..*bridge.config()
        };
        bridge.configure(now, config).to_vec()
    });
    world.run(s(5));
    for bridge in [1, 2, 3] {
        assert_eq!(world.tree(bridge).times, fast.in_force());
    }
    world.cut("b");
    assert_eq!(until_forwarding(&mut world, 3, 2, s(9)), s(8));
    world.run(s(10));
    world.join("b");
    world.run(s(12));
    world.cut("a");
    world.cut("b");
    world.run(s(1));
    assert_eq!(world.tree(2).times, BridgeTimes::default().in_force());
}

#[test]
fn port_taken_out_and_put_back_by_management() {
    let mut world = settled(TRIANGLE);
    let enable = |world: &mut World, enabled| {
        world.act(3, |bridge, now| {
            bridge
                .set_port_enabled(now, port_number(1), enabled)
                .to_vec()
        });
        world.run(s(33));
    };
    enable(&mut world, false);
    world.expect("3: 1=X 2=R 3=D");
    enable(&mut world, true);
    world.expect("3: 1=R 2=A 3=D");
}

#[test]
fn backup_takes_over_when_the_designated_port_fails() {
    let mut world = settled(
        "bridge 1 0x1000: 1=a
         bridge 2 0x8000: 1=a 2=b 3=b
         expect 1: 1=D
         expect 2: 1=R 2=D 3=B",
    );
    world.link_down(2, 2);
    // Nobody tells the backup port: what it holds must grow too old.
    world.run(s(20) + s(30));
    world.expect("2: 1=R 2=X 3=D");
}

#[test]
fn bridge_with_a_backup_port_loses_its_root_at_once() {
    let mut world = settled(
        "bridge 1 0x1000: 1=a
         bridge 2 0x8000: 1=a 2=b 3=b
         expect 1: 1=D
         expect 2: 1=R 2=D 3=B",
    );
    world.cut("a");
    assert_eq!(world.tree(2).root, world.bridges[&2].id());
    world.run(HOP * 3);
    world.expect("2: 1=X 2=D 3=B");
}

#[test]
fn root_with_a_backup_port_takes_another_name() {
    let mut world = settled(
        "bridge 1 0x1000: 1=a 2=a
         expect 1: 1=D 2=B",
    );
    world.act(1, |bridge, now| {
        let config = BridgeConfig {
            priority: BridgePriority::MAX,
            ..*bridge.config()
        };
        bridge.configure(now, config).to_vec()
    });
    assert_eq!(world.tree(1).root, world.bridges[&1].id());
    world.run(s(5));
    world.check_expected();
    assert!(world.tree(1).is_root());
}

fn line_of(bridges: u8, times: BridgeTimes) -> World {
    let line: String = (1..=bridges)
        .map(|bridge| format!("bridge {bridge} 0x8000: 1=l{bridge} 2=l{}\n", bridge + 1))
        .collect();
    let mut world = World::with_times(&line, times);
    world.run(s(100));
    world
}

#[test]
fn message_age_grows_by_the_increment_a_hop() {
    let world = line_of(8, BridgeTimes::default());
    for bridge in 2..=8 {
        let age = world.port(bridge, 1).message_age.unwrap();
        // Each hop adds a second, each way through bridge and wire some milliseconds.
        let hops = s(u64::from(bridge) - 2);
        assert!(
            age >= hops && age <= hops + HOP * 8 * 4,
            "bridge {bridge}: {age:?}"
        );
        assert_eq!(world.tree(bridge).root, world.bridges[&1].id());
    }
}

#[test]
fn max_age_bounds_the_depth_of_the_tree() {
    let times = BridgeTimes::new(s(10), s(2), s(6)).unwrap();
    let world = line_of(13, times);
    let root = world.bridges[&1].id();
    // Bridge 11 would say that its information is 10 s old, and so does not say it.
    assert!(world.tree(12).root != root && world.tree(13).root != root);

    let tiny = Duration::from_nanos(3_906_250);
    let times = BridgeTimes::default()
        .with_message_age_increment(tiny)
        .unwrap();
    let world = line_of(13, times);
    for bridge in 2..=13 {
        assert_eq!(world.tree(bridge).root, root, "bridge {bridge}");
        assert!(world.port(bridge, 1).message_age.unwrap() < s(1));
    }
}

#[test]
fn configuration_bpdus_keep_their_distance() {
    let mut world = World::new(TRIANGLE);
    world.run(s(60));
    world.cut("b");
    world.run(s(45));
    world.join("b");
    world.run(s(60));
    let mut last = std::collections::BTreeMap::new();
    for deed in &world.deeds {
        match deed.action {
            Action::Transmit {
                port,
                bpdu: Bpdu::Config(_),
            } => {
                let before = last.insert((deed.bridge, port), deed.at);
                assert!(before.is_none_or(|before| deed.at - before >= stp::HOLD_TIME));
            }
            Action::SetState {
                port,
                state: PortState::Disabled,
                ..
            } => {
                last.remove(&(deed.bridge, port));
            }
            Action::Transmit { .. }
            | Action::SetState { .. }
            | Action::SetRole { .. }
            | Action::Flush { .. }
            | Action::SetInconsistent { .. }
            | Action::ShortAgeing { .. }
            | Action::RootChanged { .. }
            | Action::TopologyChange { .. } => {}
        }
    }
    assert!(last.len() >= 6);
}
