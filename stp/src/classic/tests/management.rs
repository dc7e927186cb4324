//! Links, management, edge ports.

use super::*;

#[test]
fn disabled_port_takes_nothing_and_remembers_nothing() {
    let mut bridge = bridge(2);
    hear(&mut bridge, S, 1, config(1, 0, 1));
    let actions = link_down(&mut bridge, 2 * S, 1);
    assert!(actions.contains(&Action::Flush {
        port: port(1),
        tree: TREE
    }));
    assert!(bridge.tree(TREE).is_root());
    assert_eq!(status(&bridge, 1).message_age_due, None);
    assert_eq!(hear(&mut bridge, 3 * S, 1, config(1, 0, 1)), []);
    assert_eq!(receive(&mut bridge, 3 * S, 1, Bpdu::Tcn), []);
    let counters = status(&bridge, 1).counters;
    assert_eq!(
        (counters.discarded_disabled, counters.bpdus_received()),
        (2, 1)
    );
    link_up(&mut bridge, 4 * S, 1);
    assert!(
        bridge.tree(TREE).is_root(),
        "what was known before the link went down is gone"
    );
    assert_eq!(
        role_and_state(&bridge, 1),
        (PortRole::Designated, PortState::Listening)
    );
}

#[test]
fn management_and_link_must_both_agree() {
    let mut bridge = bridge(1);
    assert!(!bridge.set_port_enabled(S, port(1), false).is_empty());
    assert_eq!(link_up(&mut bridge, S, 1), []);
    assert_eq!(link_down(&mut bridge, S, 1), []);
    assert_eq!(bridge.set_port_enabled(S, port(1), true), []);
    assert_eq!(status(&bridge, 1).state, PortState::Disabled);
    link_up(&mut bridge, S, 1);
    assert_eq!(status(&bridge, 1).state, PortState::Listening);
}

#[test]
fn edge_port_forwards_at_once_until_a_bpdu_comes() {
    for bpdu in [
        Bpdu::Config(config(9, 0, 9)),
        Bpdu::Tcn,
        Bpdu::Rst(RstBpdu {
            config: config(9, 0, 9),
            proposal: true,
            role: RstRole::Designated,
            learning: false,
            forwarding: false,
            agreement: false,
            epoch: None,
        }),
    ] {
        let mut bridge = Bridge::new(BridgeConfig::new(address(5)));
        let edge = PortConfig {
            admin_edge: true,
            ..PortConfig::default()
        };
        let _ = bridge.add_port(Duration::ZERO, port(1), edge);
        link_up(&mut bridge, Duration::ZERO, 1);
        assert_eq!(status(&bridge, 1).state, PortState::Forwarding);
        assert!(status(&bridge, 1).edge && !bridge.tree(TREE).topology_change.active);
        receive(&mut bridge, S, 1, bpdu);
        assert_eq!(status(&bridge, 1).state, PortState::Listening);
        assert!(!status(&bridge, 1).edge && status(&bridge, 1).change_detection_enabled);
        assert_eq!(
            bridge.configure_port(S, port(1), edge),
            [],
            "asking again does not help"
        );
        assert!(!status(&bridge, 1).edge);
        link_down(&mut bridge, 3 * S, 1);
        link_up(&mut bridge, 3 * S, 1);
        assert!(status(&bridge, 1).edge, "a new link, a new chance");
        assert_eq!(status(&bridge, 1).state, PortState::Forwarding);
    }
}

#[test]
fn edge_can_be_set_on_a_port_that_waits() {
    let mut bridge = bridge(1);
    let edge = |edge| PortConfig {
        admin_edge: edge,
        ..PortConfig::default()
    };
    let actions = bridge.configure_port(S, port(1), edge(true)).to_vec();
    assert_eq!(
        actions,
        [Action::SetState {
            port: port(1),
            tree: TREE,
            state: PortState::Forwarding
        }]
    );
    assert_eq!(status(&bridge, 1).forward_delay_due, None);
    assert_eq!(bridge.configure_port(S, port(1), edge(false)), []);
    assert_eq!(status(&bridge, 1).state, PortState::Forwarding);
}

#[test]
fn bridge_settings_change_live() {
    let mut bridge = bridge(2);
    hear(&mut bridge, S, 1, config(1, 0, 1));
    let best = BridgeConfig {
        priority: BridgePriority::MIN,
        ..*bridge.config()
    };
    run(&mut bridge, 5 * S);
    let actions = bridge.configure(5 * S, best).to_vec();
    assert!(bridge.tree(TREE).is_root() && bridge.id() == best.id());
    assert_eq!(sent(&actions).len(), 2, "the new root says so");
    assert_eq!(bridge.tree(TREE).hello_due, Some(7 * S));
    let fast = BridgeTimes::new(6 * S, S, 4 * S).unwrap();
    let faster = BridgeConfig {
        times: fast,
        ..best
    };
    assert_eq!(bridge.configure(5 * S, faster), []);
    assert_eq!(bridge.tree(TREE).times, fast.in_force());
    assert_eq!(
        bridge.tree(TREE).hello_due,
        Some(6 * S),
        "a running timer goes by the new time"
    );
    timeout(&mut bridge, 5 * S);
    assert_eq!(
        bridge.configure(5 * S, faster),
        [],
        "the same again is nothing"
    );
}

#[test]
fn ports_come_and_go_around_the_root_port() {
    let mut bridge = Bridge::new(BridgeConfig::new(address(5)));
    for number in [2, 4] {
        let _ = bridge.add_port(Duration::ZERO, port(number), PortConfig::default());
        link_up(&mut bridge, Duration::ZERO, number);
    }
    hear(&mut bridge, S, 4, config(1, 0, 1));
    let _ = bridge.add_port(S, port(3), PortConfig::default());
    assert_eq!(bridge.tree(TREE).root_port, Some(port(4)));
    let _ = bridge.add_port(S, port(5), PortConfig::default());
    let _ = bridge.remove_port(S, port(2));
    assert_eq!(bridge.tree(TREE).root_port, Some(port(4)));
    assert_eq!(
        bridge.ports().map(PortNumber::get).collect::<Vec<_>>(),
        [3, 4, 5]
    );
    let actions = bridge.remove_port(S, port(4)).to_vec();
    assert!(actions.contains(&Action::SetState {
        port: port(4),
        tree: TREE,
        state: PortState::Disabled
    }));
    assert!(bridge.tree(TREE).is_root());
    assert_eq!(bridge.port(port(4)), None);
    assert_eq!(bridge.remove_port(S, port(4)), []);
    assert_eq!(hear(&mut bridge, S, 4, config(1, 0, 1)), []);
}

#[test]
fn cost_of_the_link_stays_when_it_is_down() {
    let mut bridge = bridge(1);
    link_down(&mut bridge, S, 1);
    assert_eq!(status(&bridge, 1).path_cost.get(), 10);
    let dear = PortConfig {
        path_cost: PathCost::new(77),
        ..PortConfig::default()
    };
    let _ = bridge.configure_port(S, port(1), dear);
    assert_eq!(status(&bridge, 1).path_cost.get(), 77);
    let _ = bridge.configure_port(S, port(1), PortConfig::default());
    assert_eq!(status(&bridge, 1).path_cost.get(), 10);
}
