//! What is heard, believed, answered and relayed.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

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
fn rapid_bpdus_are_counted_and_ignored() {
    let mut bridge = bridge(1);
    let rst = RstBpdu {
        config: config(1, 0, 1),
        proposal: true,
        role: RstRole::Designated,
        learning: false,
        forwarding: false,
        agreement: false,
        epoch: None,
    };
    assert_eq!(receive(&mut bridge, S, 1, Bpdu::Rst(rst)), []);
    assert_eq!(status(&bridge, 1).counters.rst_received, 1);
    assert!(bridge.tree(TREE).is_root());
}

proptest! {
    /// The check is within: a repetition finds a tree at rest, whatever came before.
    #[test]
    fn what_is_said_again_changes_nothing(
        events in vec((1_u16..=4, 1_u8..=7, 0_u32..3, 1_u16..=2, 0_u64..3_000, 0_u8..12), 1..120),
    ) {
        let mut bridge = bridge(4);
        let mut now = Duration::ZERO;
        for (number, root, cost, sender, wait, kind) in events {
            now += Duration::from_millis(wait);
            run(&mut bridge, now);
            match kind {
                0 => drop(link_down(&mut bridge, now, number)),
                1 => drop(link_up(&mut bridge, now, number)),
                2 => now += 8 * S,
                _ => {
                    let said = config(root, cost * 10, root + u8::from(sender == 2));
                    receive(&mut bridge, now, number, Bpdu::Config(said));
                    receive(&mut bridge, now, number, Bpdu::Config(said));
                }
            }
        }
    }
}
