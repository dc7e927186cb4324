//! The procedures, one bridge at a time.

use core::time::Duration;

use pnet_base::MacAddr;

use crate::{
    Action, Bpdu, BpduTime, Bridge, BridgeConfig, BridgeId, BridgePriority, BridgeTimes,
    ConfigBpdu, Event, PathCost, PortConfig, PortId, PortNumber, PortPriority, PortRole, PortState,
    PortStatus, RstBpdu, RstRole, TopologyChangeKind, TreeId,
};

const S: Duration = Duration::from_secs(1);
const TREE: TreeId = TreeId::COMMON;

fn port(number: u16) -> PortNumber {
    PortNumber::new(number).unwrap()
}

fn address(number: u8) -> MacAddr {
    MacAddr::new(2, 0, 0, 0, 0, number)
}

fn id(number: u8) -> BridgeId {
    BridgeId::new(BridgePriority::default(), address(number))
}

/// Bridge 5 with `ports` ports of cost 10, all up since time 0.
fn bridge(ports: u16) -> Bridge {
    let mut bridge = Bridge::new(BridgeConfig::new(address(5)));
    for number in 1..=ports {
        assert!(
            bridge
                .add_port(Duration::ZERO, port(number), PortConfig::default())
                .is_empty()
        );
        link_up(&mut bridge, Duration::ZERO, number);
    }
    bridge
}

fn link_up(bridge: &mut Bridge, now: Duration, number: u16) -> Vec<Action> {
    let event = Event::LinkUp {
        port: port(number),
        cost: PathCost::new(10).unwrap(),
        point_to_point: true,
    };
    bridge.handle(now, event).to_vec()
}

fn link_down(bridge: &mut Bridge, now: Duration, number: u16) -> Vec<Action> {
    let event = Event::LinkDown { port: port(number) };
    bridge.handle(now, event).to_vec()
}

fn timeout(bridge: &mut Bridge, now: Duration) -> Vec<Action> {
    bridge.handle(now, Event::Timeout).to_vec()
}

/// Lets the time pass, timer by timer.
fn run(bridge: &mut Bridge, until: Duration) -> Vec<Action> {
    let mut actions = Vec::new();
    while let Some(due) = bridge.deadline().filter(|&due| due <= until) {
        actions.extend(timeout(bridge, due));
    }
    actions
}

fn receive(bridge: &mut Bridge, now: Duration, number: u16, bpdu: Bpdu) -> Vec<Action> {
    let event = Event::Received {
        port: port(number),
        bpdu: &bpdu,
    };
    bridge.handle(now, event).to_vec()
}

/// What bridge `from` says of `root` at `cost`, through its port 1.
fn config(root: u8, cost: u32, from: u8) -> ConfigBpdu {
    let seconds = |seconds| BpduTime::at_least(seconds * S);
    ConfigBpdu {
        root: id(root),
        root_path_cost: cost,
        bridge: id(from),
        port: PortId::new(PortPriority::default(), port(1)),
        message_age: BpduTime::ZERO,
        max_age: seconds(20),
        hello_time: seconds(2),
        forward_delay: seconds(15),
        topology_change_acknowledgment: false,
        topology_change: false,
    }
}

fn hear(bridge: &mut Bridge, now: Duration, number: u16, bpdu: ConfigBpdu) -> Vec<Action> {
    receive(bridge, now, number, Bpdu::Config(bpdu))
}

fn status(bridge: &Bridge, number: u16) -> PortStatus {
    bridge.port(port(number)).unwrap()
}

fn role_and_state(bridge: &Bridge, number: u16) -> (PortRole, PortState) {
    let status = status(bridge, number);
    (status.role, status.state)
}

fn sent(actions: &[Action]) -> Vec<(u16, Bpdu)> {
    let mut sent = Vec::new();
    for action in actions {
        if let Action::Transmit { port, bpdu } = action {
            sent.push((port.get(), *bpdu));
        }
    }
    sent
}

fn sent_config(actions: &[Action], number: u16) -> Option<ConfigBpdu> {
    sent(actions)
        .into_iter()
        .find_map(|(port, bpdu)| match bpdu {
            Bpdu::Config(config) if port == number => Some(config),
            Bpdu::Config(_) | Bpdu::Tcn | Bpdu::Rst(_) => None,
        })
}

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
fn better_root_is_believed_and_relayed() {
    let mut bridge = bridge(2);
    run(&mut bridge, 4 * S);
    let heard = ConfigBpdu {
        message_age: BpduTime::at_least(3 * S),
        max_age: BpduTime::at_least(10 * S),
        hello_time: BpduTime::at_least(S),
        forward_delay: BpduTime::at_least(6 * S),
        topology_change: true,
        ..config(1, 7, 3)
    };
    let now = 6 * S - Duration::from_millis(1);
    let actions = hear(&mut bridge, now, 1, heard);
    assert_eq!(
        actions[0],
        Action::RootChanged {
            tree: TREE,
            root: id(1),
            path_cost: 17,
            port: Some(port(1))
        }
    );
    let relayed = sent_config(&actions, 2).unwrap();
    assert_eq!(
        (relayed.root, relayed.root_path_cost, relayed.bridge),
        (id(1), 17, id(5))
    );
    assert_eq!(
        relayed.message_age,
        BpduTime::at_least(4 * S),
        "one second a hop"
    );
    assert_eq!(relayed.max_age, heard.max_age);
    assert_eq!(relayed.hello_time, heard.hello_time);
    assert_eq!(relayed.forward_delay, heard.forward_delay);
    assert!(relayed.topology_change && !relayed.topology_change_acknowledgment);
    assert_eq!(sent_config(&actions, 1), None, "nothing towards the root");
    assert!(actions.contains(&Action::ShortAgeing {
        tree: TREE,
        active: true
    }));
    assert_eq!(bridge.tree(TREE).times, heard.times());
    assert_eq!(status(&bridge, 1).message_age_due, Some(now + 7 * S));
    assert_eq!(
        bridge.tree(TREE).hello_due,
        None,
        "only the root says hello"
    );
}

#[test]
fn held_information_ages_while_it_waits_for_the_hold_timer() {
    let mut bridge = bridge(2);
    run(&mut bridge, 4 * S);
    let now = 4 * S + Duration::from_millis(500);
    assert_eq!(sent(&hear(&mut bridge, now, 1, config(1, 0, 1))), []);
    assert!(status(&bridge, 2).config_pending);
    assert_eq!(bridge.deadline(), Some(5 * S));
    let actions = timeout(&mut bridge, 5 * S);
    let relayed = sent_config(&actions, 2).unwrap();
    assert_eq!(relayed.message_age.duration(), Duration::from_millis(1500));
    assert!(!status(&bridge, 2).config_pending);
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
fn inferior_information_is_answered_by_the_designated_port() {
    let mut bridge = bridge(1);
    run(&mut bridge, 4 * S);
    let actions = hear(&mut bridge, 5 * S, 1, config(9, 0, 9));
    assert_eq!(sent_config(&actions, 1).unwrap().root, id(5));
    hear(&mut bridge, 7 * S, 1, config(1, 0, 1));
    assert_eq!(
        hear(&mut bridge, 9 * S, 1, config(9, 0, 9)),
        [],
        "but not by the root port"
    );
}

#[test]
fn information_too_old_is_not_relayed() {
    let mut bridge = bridge(2);
    run(&mut bridge, 4 * S);
    let old = ConfigBpdu {
        message_age: BpduTime::at_least(19 * S),
        ..config(1, 0, 1)
    };
    let actions = hear(&mut bridge, 6 * S - Duration::from_millis(1), 1, old);
    assert_eq!(bridge.tree(TREE).root, id(1));
    assert_eq!(sent_config(&actions, 2), None);
    assert!(!status(&bridge, 2).config_pending);
}

#[test]
fn roles_of_the_four_kinds_of_port() {
    let mut bridge = bridge(4);
    hear(&mut bridge, S, 1, config(1, 0, 1));
    hear(&mut bridge, S, 2, config(1, 5, 3));
    let own = ConfigBpdu {
        port: PortId::new(PortPriority::default(), port(3)),
        ..config(1, 10, 5)
    };
    hear(&mut bridge, S, 4, own);
    assert_eq!(
        role_and_state(&bridge, 1),
        (PortRole::Root, PortState::Listening)
    );
    assert_eq!(
        role_and_state(&bridge, 2),
        (PortRole::Alternate, PortState::Blocking)
    );
    assert_eq!(
        role_and_state(&bridge, 3),
        (PortRole::Designated, PortState::Listening)
    );
    assert_eq!(
        role_and_state(&bridge, 4),
        (PortRole::Backup, PortState::Blocking)
    );
    let way = status(&bridge, 2).root_path.unwrap();
    assert_eq!(
        (way.root_path_cost, status(&bridge, 2).offer.root_path_cost),
        (15, 10)
    );
    assert_eq!(status(&bridge, 3).root_path, None);
    assert_eq!(status(&bridge, 4).root_path, None);
    // The root port fails: the alternate follows, the backup's word is not believed.
    link_down(&mut bridge, 2 * S, 1);
    assert_eq!(
        role_and_state(&bridge, 2),
        (PortRole::Root, PortState::Listening)
    );
    assert_eq!(bridge.tree(TREE).root_path_cost, 15);
}

#[test]
fn ties_for_the_root_port_go_down_to_the_own_port() {
    let mut bridge = bridge(2);
    // One LAN, two of our ports, nobody else: the same BPDU through both.
    hear(&mut bridge, S, 2, config(1, 0, 1));
    hear(&mut bridge, S, 1, config(1, 0, 1));
    assert_eq!(bridge.tree(TREE).root_port, Some(port(1)));
    assert_eq!(status(&bridge, 2).role, PortRole::Alternate);
    let better = PortConfig {
        priority: PortPriority::MIN,
        ..PortConfig::default()
    };
    let _ = bridge.configure_port(2 * S, port(2), better);
    assert_eq!(bridge.tree(TREE).root_port, Some(port(2)));
}

#[test]
fn own_words_coming_back_change_nothing() {
    let mut bridge = bridge(1);
    let before = bridge.tree(TREE);
    assert_eq!(hear(&mut bridge, S, 1, config(5, 0, 5)), []);
    assert_eq!(bridge.tree(TREE), before);
    assert_eq!(status(&bridge, 1).counters.discarded_own, 1);
    assert_eq!(status(&bridge, 1).role, PortRole::Designated);

    let worst = BridgeConfig {
        priority: BridgePriority::MAX,
        ..*bridge.config()
    };
    let _ = bridge.configure(S, worst);
    assert_eq!(
        hear(&mut bridge, S, 1, config(5, 0, 5)),
        [],
        "still on its way"
    );
    assert!(bridge.tree(TREE).is_root());
    hear(&mut bridge, 3 * S, 1, config(5, 0, 5));
    assert_eq!(bridge.tree(TREE).root, id(5), "later it is somebody else's");
}

#[test]
fn cost_that_no_bpdu_can_carry_is_no_way() {
    let mut bridge = bridge(2);
    hear(&mut bridge, S, 1, config(1, u32::MAX, 1));
    assert!(bridge.tree(TREE).is_root());
    assert_eq!(status(&bridge, 1).role, PortRole::Designated);
    hear(&mut bridge, S, 1, config(1, u32::MAX - 10, 1));
    assert_eq!(bridge.tree(TREE).root_path_cost, u32::MAX);
    hear(&mut bridge, S, 1, config(0, u32::MAX, 1));
    assert!(
        bridge.tree(TREE).is_root(),
        "the better root is out of reach, and the old one is forgotten"
    );
    assert_eq!(bridge.tree(TREE).times, BridgeTimes::default().in_force());
}

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
        }),
    ] {
        let mut bridge = Bridge::new(BridgeConfig::new(address(5)));
        let edge = PortConfig {
            edge: true,
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
        edge,
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
fn rapid_bpdus_are_counted_and_ignored() {
    let mut bridge = bridge(1);
    let rst = RstBpdu {
        config: config(1, 0, 1),
        proposal: true,
        role: RstRole::Designated,
        learning: false,
        forwarding: false,
        agreement: false,
    };
    assert_eq!(receive(&mut bridge, S, 1, Bpdu::Rst(rst)), []);
    assert_eq!(status(&bridge, 1).counters.rst_received, 1);
    assert!(bridge.tree(TREE).is_root());
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
fn end_of_time_is_survived() {
    let mut bridge = bridge(2);
    hear(&mut bridge, S, 1, config(1, 0, 1));
    timeout(&mut bridge, Duration::MAX);
    hear(&mut bridge, Duration::MAX, 1, config(1, 0, 1));
    receive(&mut bridge, Duration::MAX, 2, Bpdu::Tcn);
    assert_eq!(bridge.tree(TREE).root, id(1));
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
