use pnet_base::MacAddr;

use super::*;
use crate::control::{StpCounters, TopologyChanges};

fn port(number: u16, role: &str, state: &str) -> TreePort {
    TreePort {
        number,
        name: format!("p{number}"),
        role: role.to_owned(),
        state: state.to_owned(),
        path_cost: 4,
        priority: 128,
        edge: number == 3,
        inconsistent: None,
        rapid: false,
        epochs: None,
        boundary: false,
        point_to_point: number != 4,
        designated_root_priority: 4096,
        designated_root_mac: MacAddr::new(0, 0x11, 0x22, 0x33, 0x44, 0x55),
        designated_cost: 0,
        designated_bridge_priority: 4096,
        designated_bridge_mac: MacAddr::new(0, 0x11, 0x22, 0x33, 0x44, 0x55),
        designated_port_priority: 128,
        designated_port_number: 2,
        message_age_timer_ms: Some(18_100),
        forward_delay_timer_ms: None,
        hold_timer_ms: None,
        forward_transitions: 1,
        bpdus: StpCounters {
            config_sent: 3,
            tcn_sent: 1,
            config_received: 40,
            tcn_received: 0,
            rst_received: 0,
            rst_sent: 0,
            mst_received: 0,
            mst_sent: 0,
        },
    }
}

fn shown() -> SpanningTree {
    let times = StpTimes {
        hello: 2,
        max_age: 20,
        forward_delay: 15,
    };
    SpanningTree {
        protocol: "stp".to_owned(),
        region: None,
        ageing: 15,
        ageing_configured: 300,
        trees: vec![Tree {
            tree: 0,
            vlans: crate::config::VlanSet::all(),
            regional_root: None,
            epoch: None,
            root_priority: 4096,
            root_mac: MacAddr::new(0, 0x11, 0x22, 0x33, 0x44, 0x55),
            root_path_cost: 4,
            root_port: Some("p1".to_owned()),
            root_times: times,
            bridge_priority: 32_768,
            bridge_mac: MacAddr::new(2, 0, 0, 0, 0, 1),
            bridge_times: times,
            topology_changes: TopologyChanges {
                active: true,
                detected: false,
                count: 2,
                last_ms: Some(62_000),
                last_port: Some("p2".to_owned()),
            },
            ports: vec![
                port(1, "root", "forwarding"),
                port(2, "alternate", "blocking"),
                port(3, "designated", "learning"),
                port(4, "backup", "blocking"),
                port(5, "disabled", "disabled"),
            ],
        }],
    }
}

#[test]
fn the_short_form_has_the_known_columns_and_the_ageing_in_force() {
    assert_eq!(
        spanning_tree(&shown()),
        "VLAN0001
  Spanning tree enabled protocol ieee
  Root ID    Priority    4096
             Address     0011.2233.4455
             Cost        4
             Port        1 (p1)
             Hello Time   2 sec  Max Age 20 sec  Forward Delay 15 sec

  Bridge ID  Priority    32768  (priority 32768 sys-id-ext 0)
             Address     0200.0000.0001
             Hello Time   2 sec  Max Age 20 sec  Forward Delay 15 sec
             Aging Time  15 sec

Interface        Role Sts Cost      Prio.Nbr Type
---------------- ---- --- --------- -------- --------------------------------
p1               Root FWD 4         128.1    P2p
p2               Altn BLK 4         128.2    P2p
p3               Desg LRN 4         128.3    P2p Edge
p4               Back BLK 4         128.4    Shr
"
    );
}

#[test]
fn the_root_says_so() {
    let mut root = shown();
    root.trees[0].root_port = None;
    let text = spanning_tree(&root);
    assert!(text.contains(
        "             Address     0011.2233.4455\n             This bridge is the root\n             Hello Time"
    ));
}

#[test]
fn without_a_tree_the_text_says_what_that_means() {
    let mut off = shown();
    off.trees.clear();
    let expected = "Spanning tree is off: every port that has a link forwards.\n";
    assert_eq!(spanning_tree(&off), expected);
    assert_eq!(spanning_tree_detail(&off), expected);
}

#[test]
fn detail_tells_timers_counters_and_where_changes_came_from() {
    let mut one = shown();
    one.trees[0].ports.truncate(1);
    assert_eq!(
        spanning_tree_detail(&one),
        " VLAN0001 is executing the ieee compatible Spanning Tree protocol
  Bridge Identifier has priority 32768, sysid 0, address 0200.0000.0001
  Configured hello time 2, max age 20, forward delay 15
  Current root has priority 4096, address 0011.2233.4455
  Root port is 1 (p1), cost of root path is 4
  Topology change flag set, detected flag not set
  Number of topology changes 2 last change occurred 00:01:02 ago
          from p2
  Times:  hold 1, topology change 35, notification 2
          hello 2, max age 20, forward delay 15
  Aging time 15 (configured 300)

 Port 1 (p1) of VLAN0001 is root forwarding
   Port path cost 4, Port priority 128, Port Identifier 128.1.
   Designated root has priority 4096, address 0011.2233.4455
   Designated bridge has priority 4096, address 0011.2233.4455
   Designated port id is 128.2, designated path cost 0
   Timers: message age 19, forward delay 0, hold 0
   Number of transitions to forwarding state: 1
   Link type is point-to-point
   BPDU: sent 4, received 40 (topology change notifications: sent 1, received 0)
"
    );
}

#[test]
fn what_a_guard_holds_is_broken_and_named() {
    let mut held = shown();
    for (port, why) in held.trees[0].ports.iter_mut().zip([
        "root-inconsistent",
        "loop-inconsistent",
        "bridge-assurance-inconsistent",
        "pvid-inconsistent",
        "bpdu-guard",
    ]) {
        port.inconsistent = Some(why.to_owned());
    }
    let text = spanning_tree(&held);
    let table = text.split("----\n").last().unwrap();
    assert_eq!(
        table,
        "p1               Root BKN*4         128.1    P2p *ROOT_Inc
p2               Altn BKN*4         128.2    P2p *LOOP_Inc
p3               Desg BKN*4         128.3    P2p Edge *BA_Inc
p4               Back BKN*4         128.4    Shr *PVID_Inc
p5               is err-disabled by BPDU guard
"
    );
    let detail = spanning_tree_detail(&held);
    assert!(detail.contains("is root forwarding, broken (root-inconsistent)"));
}

#[test]
fn rapid_trees_say_who_speaks_the_classic_protocol() {
    let mut rapid = shown();
    rapid.protocol = "rapid-pvst".to_owned();
    rapid.trees[0].tree = 10;
    rapid.trees[0].ports[0].rapid = true;
    let text = spanning_tree(&rapid);
    assert!(
        text.starts_with("VLAN0010\n  Spanning tree enabled protocol rstp\n"),
        "{text}"
    );
    assert!(
        text.contains("p1               Root FWD 4         128.1    P2p\n"),
        "{text}"
    );
    assert!(text.contains("128.2    P2p Peer(STP)\n"), "{text}");
}

#[test]
fn a_regions_trees_are_called_by_instance() {
    let mut region = shown();
    region.protocol = "mstp".to_owned();
    region.region = Some(crate::control::RegionReply {
        name: "lab".to_owned(),
        revision: 3,
        digest: "ac36".to_owned(),
    });
    region.trees[0].ports[0].rapid = true;
    region.trees[0].ports[0].boundary = true;
    let text = spanning_tree(&region);
    assert!(
        text.starts_with(
            "MST0\n  Spanning tree enabled protocol mstp\n  Region     [lab] revision 3, digest ac36\n"
        ),
        "{text}"
    );
    assert!(text.contains("P2p Bound(RSTP)\n"), "{text}");
}

#[test]
fn epochs_are_shown_where_there_are() {
    let mut with = shown();
    with.protocol = "rstp".to_owned();
    let tree = &mut with.trees[0];
    tree.epoch = Some(EpochReply {
        number: 3,
        vouched: true,
    });
    tree.ports[0].epochs = Some(true);
    tree.ports[0].rapid = true;
    tree.ports[1].epochs = Some(false);
    let text = spanning_tree(&with);
    for line in [
        "  Spanning tree enabled protocol rstp\n  Epoch      3\n  Root ID",
        "p1               Root FWD 4         128.1    P2p\n",
        "p2               Altn BLK 4         128.2    P2p Peer(STP) NoEpochs\n",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    let text = spanning_tree_detail(&with);
    for line in [
        "  Epoch 3\n  Topology change flag",
        "Link type is point-to-point, a neighbour with epochs\n",
        "Link type is point-to-point, a neighbour without epochs\n",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    with.trees[0].epoch = Some(EpochReply {
        number: 3,
        vouched: false,
    });
    let text = spanning_tree(&with);
    let line = "Epoch      3, in which the root has not vouched for its word\n";
    assert!(text.contains(line), "{text}");
}
