//! Topology changes.

use super::*;

#[test]
fn notification_at_the_root() {
    let mut bridge = bridge(2);
    run(&mut bridge, 100 * S);
    let actions = receive(&mut bridge, 101 * S, 2, Bpdu::Tcn);
    let told = |kind, port| Action::TopologyChange {
        tree: TREE,
        port,
        kind,
    };
    let from = Some(port(2));
    assert_eq!(
        actions[..3],
        [
            told(TopologyChangeKind::Notified, from),
            told(TopologyChangeKind::Active, from),
            Action::ShortAgeing {
                tree: TREE,
                active: true
            },
        ]
    );
    let answer = sent_config(&actions, 2).unwrap();
    assert!(answer.topology_change && answer.topology_change_acknowledgment);
    let hello = timeout(&mut bridge, 102 * S);
    let next = sent_config(&hello, 1).unwrap();
    assert!(next.topology_change && !next.topology_change_acknowledgment);
    let tree = bridge.tree(TREE).topology_change;
    assert_eq!((tree.last, tree.last_port), (Some(101 * S), from));
    let ended = run(&mut bridge, 136 * S);
    assert!(ended.contains(&told(TopologyChangeKind::Ended, None)));
    assert!(!bridge.tree(TREE).topology_change.active);
    let hello = run(&mut bridge, 138 * S);
    assert!(!sent_config(&hello, 1).unwrap().topology_change);
}

#[test]
fn acknowledgment_waits_for_the_hold_timer_and_is_not_lost() {
    let mut bridge = bridge(1);
    run(&mut bridge, 100 * S);
    let now = 100 * S + Duration::from_millis(10);
    assert_eq!(sent(&receive(&mut bridge, now, 1, Bpdu::Tcn)), []);
    assert!(status(&bridge, 1).topology_change_acknowledge);
    let answer = sent_config(&timeout(&mut bridge, 101 * S), 1).unwrap();
    assert!(answer.topology_change_acknowledgment);
    let next = sent_config(&timeout(&mut bridge, 102 * S), 1).unwrap();
    assert!(!next.topology_change_acknowledgment, "told once");
}

#[test]
fn notification_goes_on_to_the_root_until_acknowledged() {
    let mut bridge = bridge(2);
    hear(&mut bridge, S, 1, config(1, 0, 1));
    let heard = |bridge: &mut Bridge, now| hear(bridge, now, 1, config(1, 0, 1));
    let actions = receive(&mut bridge, 2 * S, 2, Bpdu::Tcn);
    assert_eq!(sent(&actions)[0], (1, Bpdu::Tcn));
    heard(&mut bridge, 3 * S);
    assert_eq!(
        sent(&receive(&mut bridge, 3 * S, 2, Bpdu::Tcn)),
        [],
        "one at a time"
    );
    assert!(
        sent(&run(&mut bridge, 4 * S)).contains(&(1, Bpdu::Tcn)),
        "every hello time"
    );
    heard(&mut bridge, 5 * S);
    assert!(sent(&run(&mut bridge, 6 * S)).contains(&(1, Bpdu::Tcn)));
    let acknowledged = ConfigBpdu {
        topology_change_acknowledgment: true,
        topology_change: true,
        ..config(1, 0, 1)
    };
    let actions = hear(&mut bridge, 7 * S, 1, acknowledged);
    assert!(actions.contains(&Action::TopologyChange {
        tree: TREE,
        port: Some(port(1)),
        kind: TopologyChangeKind::Acknowledged
    }));
    assert!(!sent(&run(&mut bridge, 12 * S)).contains(&(1, Bpdu::Tcn)));
    assert_eq!(status(&bridge, 1).counters.tcn_sent, 3);
}

#[test]
fn notification_through_a_port_that_is_not_designated_is_none() {
    let mut bridge = bridge(2);
    hear(&mut bridge, S, 1, config(1, 0, 1));
    hear(&mut bridge, S, 2, config(1, 5, 3));
    assert_eq!(receive(&mut bridge, 2 * S, 1, Bpdu::Tcn), []);
    assert_eq!(receive(&mut bridge, 2 * S, 2, Bpdu::Tcn), []);
    assert_eq!(status(&bridge, 2).counters.tcn_received, 1);
}

#[test]
fn port_that_ceases_to_learn_is_a_change_and_one_that_listened_is_not() {
    let mut bridge = bridge(2);
    hear(&mut bridge, S, 1, config(1, 0, 1));
    let blocked = hear(&mut bridge, 2 * S, 2, config(1, 5, 3));
    assert!(!sent(&blocked).contains(&(1, Bpdu::Tcn)));

    let mut bridge = self::bridge(2);
    hear(&mut bridge, 14 * S, 1, config(1, 0, 1));
    run(&mut bridge, 15 * S);
    assert_eq!(status(&bridge, 2).state, PortState::Learning);
    let blocked = hear(&mut bridge, 16 * S, 2, config(1, 5, 3));
    assert!(sent(&blocked).contains(&(1, Bpdu::Tcn)));
}

#[test]
fn old_root_with_a_change_to_tell_notifies_the_new_one() {
    let mut bridge = bridge(1);
    run(&mut bridge, 31 * S);
    assert!(bridge.tree(TREE).topology_change.active);
    let actions = hear(&mut bridge, 31 * S, 1, config(1, 0, 1));
    assert_eq!(sent(&actions), [(1, Bpdu::Tcn)]);
    let tree = bridge.tree(TREE);
    assert!(!tree.topology_change.active && tree.topology_change.detected);
    assert_eq!(tree.topology_change_due, None);
    assert_eq!(tree.topology_change_notification_due, Some(33 * S));
}
