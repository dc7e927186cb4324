use super::*;
use crate::bpdu::ConfigBpdu;
use crate::config::Protocol;
use crate::event::PortRole;
use crate::id::{BridgeId, PortId};
use crate::times::BpduTime;
use pnet_base::MacAddr;

const S: Duration = Duration::from_secs(1);

fn port(number: u16) -> PortNumber {
    PortNumber::new(number).unwrap()
}

fn vlan(number: u16) -> TreeId {
    TreeId::new(number).unwrap()
}

/// Ports 1 and 2, trunks of VLANs 1, 10 and 20 but that port 2 does not carry 20.
fn bridges(config: PortConfig) -> PerVlan {
    bridges_of(Protocol::Stp, config)
}

fn bridges_of(protocol: Protocol, config: PortConfig) -> PerVlan {
    let mut bridges = PerVlan::new(BridgeConfig {
        protocol,
        guard_recovery: Some(30 * S),
        ..BridgeConfig::new(MacAddr::new(2, 0, 0, 0, 0, 9))
    });
    for number in [1, 2] {
        let _ = bridges.add_port(Duration::ZERO, port(number), config);
    }
    arrange(&mut bridges, Duration::ZERO);
    for number in [1, 2] {
        let cost = PathCost::new(4).unwrap();
        let _ = bridges.link_up(Duration::ZERO, port(number), cost, true);
    }
    bridges
}

fn arrange(bridges: &mut PerVlan, now: Duration) {
    let vlans = [1, 10, 20].map(|number| (vlan(number), BridgePriority::default()));
    let _ = bridges.arrange(now, vlans, |port, tree| port.get() == 1 || tree.get() != 20);
}

/// Runs all timers up to `until`; what was done, with when.
fn run(bridges: &mut PerVlan, until: Duration) -> Vec<(Duration, TreeAction)> {
    let mut done = Vec::new();
    while let Some(due) = bridges.deadline().filter(|&due| due <= until) {
        done.extend(
            bridges
                .timeout(due)
                .iter()
                .map(|action| (due, action.clone())),
        );
    }
    done
}

/// What a better root says through its port 1, in a VLAN.
fn better(vlan: u16) -> Bpdu {
    let id = BridgeId::from_octets([0, 0, 2, 0, 0, 0, 0, 1]).with_extension(vlan);
    Bpdu::Config(ConfigBpdu {
        root: id,
        root_path_cost: 0,
        bridge: id,
        port: PortId::from_octets([0x80, 1]),
        message_age: BpduTime::from_units(0),
        max_age: BpduTime::from_units(20 << 8),
        hello_time: BpduTime::from_units(2 << 8),
        forward_delay: BpduTime::from_units(15 << 8),
        topology_change_acknowledgment: false,
        topology_change: false,
    })
}

fn state(bridges: &PerVlan, number: u16, tree: u16) -> Option<PortState> {
    Some(bridges.bridge(vlan(tree))?.port(port(number))?.state)
}

#[test]
fn every_vlan_has_its_own_root() {
    for protocol in [Protocol::Stp, Protocol::Rstp] {
        let mut bridges = bridges_of(protocol, PortConfig::default());
        for number in [1, 10, 20] {
            let status = bridges.bridge(vlan(number)).unwrap().tree(TreeId::COMMON);
            assert_eq!(status.bridge.settable(), 32768 + number, "{protocol:?}");
            assert!(status.is_root());
        }
        let _ = bridges.receive(S, port(1), vlan(10), &better(10));
        let root = |number| {
            bridges
                .bridge(vlan(number))
                .unwrap()
                .tree(TreeId::COMMON)
                .root_port
        };
        assert_eq!((root(10), root(1), root(20)), (Some(port(1)), None, None));
        assert_eq!(state(&bridges, 2, 20), None, "not carried there");
    }
}

#[test]
fn actions_name_their_vlan_and_timers_run_in_all_trees() {
    let mut bridges = bridges(PortConfig::default());
    let done = run(&mut bridges, 30 * S);
    let forwarding = done.iter().filter(|(at, (id, action))| {
        let due = *at == 30 * S;
        let state = PortState::Forwarding;
        let is_it = matches!(action, Action::SetState { tree, state: now, .. } if tree == id && *now == state);
        due && is_it
    });
    assert_eq!(
        forwarding.count(),
        5,
        "two ports, three trees, one left out"
    );
    let sent = |number: u16| {
        let of = vlan(number);
        let is_hello = |(_, (id, action)): &&(Duration, TreeAction)| {
            *id == of && matches!(action, Action::Transmit { .. })
        };
        done.iter().filter(is_hello).count()
    };
    assert!(
        sent(1) >= 2 * 14 && sent(20) >= 14,
        "{} {}",
        sent(1),
        sent(20)
    );
    assert!(bridges.deadline().unwrap() > 30 * S);
}

#[test]
fn a_port_that_leaves_and_enters_a_vlan_begins_again() {
    let mut bridges = bridges(PortConfig::default());
    run(&mut bridges, 40 * S);
    assert_eq!(state(&bridges, 1, 20), Some(PortState::Forwarding));
    let vlans = [1, 10, 20].map(|number| (vlan(number), BridgePriority::default()));
    let actions = bridges.arrange(40 * S, vlans, |port, tree| {
        port.get() == 2 || tree.get() != 20
    });
    let disabled = Action::SetState {
        port: port(1),
        tree: vlan(20),
        state: PortState::Disabled,
    };
    assert!(actions.contains(&(vlan(20), disabled)));
    assert_eq!(state(&bridges, 2, 20), Some(PortState::Listening));
    assert_eq!(state(&bridges, 1, 10), Some(PortState::Forwarding));
    let _ = bridges.arrange(41 * S, [], |_, _| true);
    assert_eq!(bridges.trees().count(), 0);
    run(&mut bridges, 100 * S);
}

#[test]
fn a_link_that_means_another_vlan_at_its_far_end_is_held_in_that_tree_only() {
    let mut bridges = bridges(PortConfig::default());
    run(&mut bridges, 40 * S);
    let reason = Inconsistency::Pvid;
    let other = better(20);
    let actions = bridges
        .hold(40 * S, port(1), vlan(10), reason, &other)
        .to_vec();
    assert_eq!(
        actions[..2],
        [
            (vlan(10), set_state(port(1), vlan(10))),
            (vlan(10), set_inconsistent(port(1), vlan(10), Some(reason)))
        ]
    );
    // It begins again.
    assert_eq!(state(&bridges, 1, 10), Some(PortState::Listening));
    // What it hears meanwhile may be of any VLAN; what it says, the far end hears.
    assert_eq!(bridges.receive(41 * S, port(1), vlan(10), &better(10)), []);
    let done = run(&mut bridges, 43 * S);
    let is_told = |(_, (id, action)): &(Duration, TreeAction)| {
        let speaks = matches!(action, Action::Transmit { port: from, .. } if *from == port(1));
        speaks && *id == vlan(10)
    };
    assert!(done.iter().any(is_told), "{done:?}");
    assert_eq!(bridges.inconsistency(port(1), vlan(10)), Some(reason));
    assert_eq!(bridges.inconsistency(port(1), vlan(1)), None);
    // Seen again: held longer, told once.
    let again = bridges.hold(44 * S, port(1), vlan(10), reason, &other);
    assert_eq!(again, []);
    assert_eq!(bridges.inconsistency(port(1), vlan(10)), Some(reason));
    let done = run(&mut bridges, 49 * S);
    let told = |state| {
        let action = Action::SetState {
            port: port(1),
            tree: vlan(10),
            state,
        };
        done.iter().any(|(_, (_, done))| *done == action)
    };
    assert!(!told(PortState::Forwarding) && !told(PortState::Learning));
    // 44 s and three hello times: from listening.
    let done = run(&mut bridges, 50 * S);
    assert!(
        done.iter().any(|(at, (_, action))| *at == 50 * S
            && *action == set_inconsistent(port(1), vlan(10), None))
    );
    assert_eq!(state(&bridges, 1, 10), Some(PortState::Listening));
    run(&mut bridges, 80 * S);
    assert_eq!(state(&bridges, 1, 10), Some(PortState::Forwarding));
}

/// The far end, a trunk, sees nothing amiss: it must not follow, and be given time to forget what was said.
#[test]
fn a_port_before_a_trunk_is_silent_until_the_far_end_has_forgotten_it() {
    let mut bridges = bridges(PortConfig::default());
    run(&mut bridges, 40 * S);
    let reason = Inconsistency::Type;
    let mut done = bridges
        .hold(40 * S, port(1), vlan(10), reason, &better(10))
        .to_vec();
    let let_go = (vlan(10), set_inconsistent(port(1), vlan(10), None));
    // Max age, 20 s, and three hello times; whatever it hears again meanwhile.
    done.extend(run(&mut bridges, 55 * S).into_iter().map(|(_, done)| done));
    let again = bridges.hold(55 * S, port(1), vlan(10), reason, &better(10));
    assert_eq!(again, []);
    done.extend(run(&mut bridges, 65 * S).into_iter().map(|(_, done)| done));
    let says = |done: &[TreeAction], number: u16| {
        let is_it = |(id, action): &&TreeAction| {
            let own = matches!(action, Action::Transmit { port: from, .. } if *from == port(1));
            own && *id == vlan(number)
        };
        done.iter().filter(is_it).count()
    };
    assert_eq!(says(&done, 10), 0);
    assert!(says(&done, 1) >= 10, "in another tree it speaks");
    assert!(!done.contains(&let_go));
    // Heard again: three hello times more, no further max age.
    let again = bridges.hold(65 * S, port(1), vlan(10), reason, &better(10));
    assert_eq!(again, []);
    let done = run(&mut bridges, 70 * S);
    assert!(!done.iter().any(|(_, done)| *done == let_go));
    let done = run(&mut bridges, 71 * S);
    assert!(done.contains(&(71 * S, let_go)));
    let done: Vec<_> = run(&mut bridges, 75 * S)
        .into_iter()
        .map(|(_, done)| done)
        .collect();
    assert!(says(&done, 10) >= 1);
}

#[test]
fn bpdu_guard_disables_a_port_in_all_its_trees_and_recovers() {
    let guarded = PortConfig {
        bpdu_guard: true,
        admin_edge: true,
        ..PortConfig::default()
    };
    let mut bridges = bridges(guarded);
    assert_eq!(state(&bridges, 1, 20), Some(PortState::Forwarding));
    let actions = bridges.receive(S, port(1), vlan(10), &better(10)).to_vec();
    let tripped = set_inconsistent(port(1), TreeId::COMMON, Some(Inconsistency::BpduGuard));
    assert_eq!(actions[0], (TreeId::COMMON, tripped));
    for tree in [1, 10, 20] {
        assert_eq!(state(&bridges, 1, tree), Some(PortState::Disabled));
        assert_eq!(
            bridges.inconsistency(port(1), vlan(tree)),
            Some(Inconsistency::BpduGuard)
        );
    }
    assert_eq!(state(&bridges, 2, 10), Some(PortState::Forwarding));
    assert_eq!(bridges.receive(2 * S, port(1), vlan(10), &better(10)), []);
    run(&mut bridges, 30 * S);
    assert_eq!(state(&bridges, 1, 10), Some(PortState::Disabled));
    run(&mut bridges, 31 * S);
    assert_eq!(state(&bridges, 1, 10), Some(PortState::Forwarding));
}

#[test]
fn a_call_works_on_so_many_trees_at_most() {
    let mut bridges = PerVlan::new(BridgeConfig::new(MacAddr::new(2, 0, 0, 0, 0, 9)));
    let _ = bridges.add_port(Duration::ZERO, port(1), PortConfig::default());
    let vlans = (1..=200).map(|number| (vlan(number), BridgePriority::default()));
    let _ = bridges.arrange(Duration::ZERO, vlans, |_, _| true);
    let cost = PathCost::new(4).unwrap();
    let _ = bridges.link_up(Duration::ZERO, port(1), cost, true);
    let due = bridges.deadline().unwrap();
    let mut calls = 0;
    let mut trees = std::collections::BTreeSet::new();
    while bridges.deadline().is_some_and(|next| next <= due) {
        let now: std::collections::BTreeSet<TreeId> =
            bridges.timeout(due).iter().map(|(id, _)| *id).collect();
        assert!(now.len() <= TREES_PER_CALL);
        trees.extend(now);
        calls += 1;
    }
    assert!(calls >= 4 && trees.len() == 200, "{calls} {}", trees.len());
}

#[test]
fn what_is_not_there_changes_nothing() {
    let mut bridges = bridges(PortConfig::default());
    assert_eq!(bridges.receive(S, port(7), vlan(10), &better(10)), []);
    assert_eq!(bridges.receive(S, port(1), vlan(77), &better(77)), []);
    assert_eq!(bridges.receive(S, port(2), vlan(20), &better(20)), []);
    let reason = Inconsistency::Type;
    assert_eq!(bridges.hold(S, port(2), vlan(20), reason, &better(20)), []);
    assert_eq!(bridges.link_down(S, port(7)), []);
    assert_eq!(bridges.remove_port(S, port(7)), []);
    let role = bridges.bridge(vlan(1)).unwrap().port(port(1)).unwrap().role;
    assert_eq!(role, PortRole::Designated);
    assert_eq!(bridges.config().protocol, Protocol::Stp);
}
