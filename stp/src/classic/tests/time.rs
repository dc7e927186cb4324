//! Time: states, timers, lateness.

use super::*;

#[test]
fn first_port_to_come_up_begins_the_protocol() {
    let mut bridge = Bridge::new(BridgeConfig::new(address(5)));
    assert_eq!(bridge.deadline(), None);
    let now = 1000 * S;
    assert!(
        bridge
            .add_port(now, port(1), PortConfig::default())
            .is_empty()
    );
    assert_eq!(
        role_and_state(&bridge, 1),
        (PortRole::Disabled, PortState::Disabled)
    );
    let hello = ConfigBpdu {
        port: PortId::new(PortPriority::default(), port(1)),
        ..config(5, 0, 5)
    };
    assert_eq!(
        link_up(&mut bridge, now, 1),
        [
            Action::SetRole {
                port: port(1),
                tree: TREE,
                role: PortRole::Designated
            },
            Action::SetState {
                port: port(1),
                tree: TREE,
                state: PortState::Listening
            },
            Action::Transmit {
                port: port(1),
                bpdu: Bpdu::Config(hello)
            },
        ]
    );
    assert_eq!(bridge.deadline(), Some(now + 2 * S));
}

#[test]
fn listening_learning_forwarding() {
    let mut bridge = bridge(1);
    run(&mut bridge, 15 * S - Duration::from_nanos(1));
    assert_eq!(status(&bridge, 1).state, PortState::Listening);
    run(&mut bridge, 15 * S);
    assert_eq!(status(&bridge, 1).state, PortState::Learning);
    run(&mut bridge, 30 * S - Duration::from_nanos(1));
    assert_eq!(status(&bridge, 1).state, PortState::Learning);
    run(&mut bridge, 30 * S);
    assert_eq!(status(&bridge, 1).state, PortState::Forwarding);
    assert_eq!(status(&bridge, 1).counters.forward_transitions, 1);
    assert_eq!(status(&bridge, 1).state_since, Some(30 * S));
}

#[test]
fn late_timeout_never_hastens_a_port() {
    let mut bridge = bridge(1);
    timeout(&mut bridge, 100 * S);
    assert_eq!(
        status(&bridge, 1).state,
        PortState::Learning,
        "15 s of learning are still to come"
    );
    run(&mut bridge, 114 * S);
    assert_eq!(status(&bridge, 1).state, PortState::Learning);
    run(&mut bridge, 115 * S);
    assert_eq!(status(&bridge, 1).state, PortState::Forwarding);
}

#[test]
fn what_is_due_expires_before_a_late_event() {
    let mut bridge = bridge(2);
    hear(&mut bridge, S, 1, config(1, 0, 1));
    let actions = hear(&mut bridge, 60 * S, 1, config(1, 0, 1));
    assert_eq!(status(&bridge, 1).counters.message_age_expiries, 1);
    assert!(matches!(actions[0], Action::RootChanged { root, .. } if root == id(5)));
    assert_eq!(bridge.tree(TREE).root, id(1), "and is then told again");
}

#[test]
fn time_does_not_go_back() {
    let mut bridge = bridge(1);
    timeout(&mut bridge, 50 * S);
    let deadline = bridge.deadline();
    assert!(timeout(&mut bridge, 10 * S).is_empty());
    assert_eq!(bridge.deadline(), deadline);
}

#[test]
fn hold_timer_lets_one_through_and_the_latest_after_it() {
    let mut bridge = bridge(1);
    run(&mut bridge, 4 * S);
    for millis in [4100, 4200, 4300] {
        let now = Duration::from_millis(millis);
        assert_eq!(sent(&hear(&mut bridge, now, 1, config(9, 0, 9))), []);
    }
    assert_eq!(sent(&run(&mut bridge, 5 * S - Duration::from_nanos(1))), []);
    assert_eq!(sent(&timeout(&mut bridge, 5 * S)).len(), 1);
    assert_eq!(sent(&timeout(&mut bridge, 5 * S)), []);
}

#[test]
fn many_timers_at_one_instant_go_in_the_order_written_down() {
    let mut bridge = bridge(3);
    // Root on 1, alternate on 2; both too old at 30 s, when port 3 also begins to forward.
    hear(&mut bridge, Duration::ZERO, 1, config(1, 0, 1));
    run(&mut bridge, 10 * S - Duration::from_nanos(1));
    hear(&mut bridge, 10 * S, 1, config(1, 0, 1));
    hear(&mut bridge, 10 * S, 2, config(1, 5, 3));
    run(&mut bridge, 30 * S - Duration::from_nanos(1));
    assert_eq!(status(&bridge, 1).message_age_due, Some(30 * S));
    assert_eq!(status(&bridge, 3).forward_delay_due, Some(30 * S));
    let actions = timeout(&mut bridge, 30 * S);
    let position = |wanted: &dyn Fn(&Action) -> bool| actions.iter().position(wanted).unwrap();
    let first = position(&|action| matches!(action, Action::RootChanged { port: Some(_), .. }));
    let second = position(&|action| matches!(action, Action::RootChanged { port: None, .. }));
    let forward = position(&|action| {
        matches!(
            action,
            Action::SetState { port, state: PortState::Forwarding, .. } if port.get() == 3
        )
    });
    assert!(first < second && second < forward, "{actions:?}");
}

#[test]
fn end_of_time_is_survived() {
    let mut bridge = bridge(2);
    hear(&mut bridge, S, 1, config(1, 0, 1));
    timeout(&mut bridge, Duration::MAX);
    hear(&mut bridge, Duration::MAX, 1, config(1, 0, 1));
    receive(&mut bridge, Duration::MAX, 2, Bpdu::Tcn);
    assert_eq!(bridge.tree(TREE).root, id(1));
}
