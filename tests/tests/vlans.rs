//! VLANs on real frames: isolation, tags on trunks, learning.

use std::slice::from_ref;
use std::time::Duration;

use tests::frames::{Plug, frame, tagged};
use tests::net::{Net, pings};
use tests::switch_process::SwitchProcess;
use tests::wait::wait_for_eq;

const LISTEN: Duration = Duration::from_millis(400);
const A: [u8; 6] = [2, 0xaa, 0, 0, 0, 1];
const B: [u8; 6] = [2, 0xbb, 0, 0, 0, 2];
const ALL: [u8; 6] = [0xff; 6];

#[test]
fn hosts_reach_each_other_inside_a_vlan_and_nobody_outside() {
    let mut net = Net::new();
    let switch = net.namespace("sw");
    let h1 = net.host("h1", "10.9.0.1", &switch, "p1");
    let _h2 = net.host("h2", "10.9.0.2", &switch, "p2");
    let h3 = net.host("h3", "10.9.0.3", &switch, "p3");
    let _h4 = net.host("h4", "10.9.0.4", &switch, "p4");
    let process = SwitchProcess::start(
        &switch,
        "sw",
        &[
            "--stp",
            "off",
            "--packet",
            "p1:access=10",
            "p2:access=10",
            "p3:access=20",
            "p4:access=20",
        ],
    );
    assert!(pings(&h1, "10.9.0.2", 5));
    assert!(pings(&h3, "10.9.0.4", 5));
    assert!(!pings(&h1, "10.9.0.3", 2));
    assert!(!pings(&h3, "10.9.0.2", 2));
    let vlans: Vec<(u16, String)> = process
        .cam()
        .into_iter()
        .filter(|entry| entry.expires_ms.is_some())
        .map(|entry| (entry.vlan.get(), entry.port))
        .collect();
    for (port, vlan) in [("p1", 10), ("p2", 10), ("p3", 20), ("p4", 20)] {
        assert!(vlans.contains(&(vlan, port.to_owned())), "{vlans:?}");
    }
}

#[test]
fn a_trunk_carries_the_tag_with_its_priority_and_nothing_it_does_not_allow() {
    let mut net = Net::new();
    let switch = net.namespace("sw");
    let [left, right, host] = ["t1", "t2", "h1"].map(|port| Plug::new(&switch, port));
    let _process = SwitchProcess::start(
        &switch,
        "sw",
        &[
            "--stp",
            "off",
            "--packet",
            "t1:trunk=10,20",
            "t2:trunk=10:native=99",
            "h1:access=10",
        ],
    );
    let plain = frame(ALL, A, b"payload of forty octets or so, untagged.");
    let ten = tagged(&plain, 0xa00a);
    for frame in [&ten, &tagged(&plain, 20), &tagged(&plain, 4095)] {
        left.send(frame);
    }
    assert_eq!(right.receive(LISTEN), [ten], "VLAN 10, priority 5 kept");
    assert_eq!(host.receive(LISTEN), [plain], "VLAN 10, untagged");
    let from_host = frame(ALL, B, b"from the host");
    host.send(&from_host);
    assert_eq!(left.receive(LISTEN), [tagged(&from_host, 10)]);
}

#[test]
fn a_tunnel_keeps_the_customers_tag_inside() {
    let mut net = Net::new();
    let switch = net.namespace("sw");
    let [left, core, right] = ["q1", "t1", "q2"].map(|port| Plug::new(&switch, port));
    let _process = SwitchProcess::start(
        &switch,
        "sw",
        &[
            "--stp",
            "off",
            "--packet",
            "q1:dot1q-tunnel=100",
            "q2:dot1q-tunnel=100",
            "t1:trunk=100",
        ],
    );
    let customer = tagged(&frame(ALL, A, b"customer"), 7);
    let double = [&customer[..12], &[0x81, 0x00, 0x00, 100], &customer[12..]].concat();
    left.send(&customer);
    assert_eq!(core.receive(LISTEN), from_ref(&double));
    assert_eq!(right.receive(LISTEN), from_ref(&customer));
    core.send(&tagged(&tagged(&frame(ALL, B, b"back"), 7), 100));
    let back = tagged(&frame(ALL, B, b"back"), 7);
    assert_eq!(left.receive(LISTEN), from_ref(&back));
}

#[test]
fn a_station_that_moves_is_followed_by_its_next_frame() {
    let mut net = Net::new();
    let switch = net.namespace("sw");
    let [one, two, three] = ["p1", "p2", "p3"].map(|port| Plug::new(&switch, port));
    let process = SwitchProcess::start(
        &switch,
        "sw",
        &["--stp", "off", "--packet", "p1", "p2", "p3"],
    );
    let limit = Duration::from_secs(5);
    one.send(&frame(ALL, A, b"here"));
    wait_for_eq("learned", limit, &Some("p1".to_owned()), || {
        process.port_of(A.into())
    });
    let to_a = frame(A, B, b"for a");
    three.send(&to_a);
    assert_eq!(one.receive(LISTEN), from_ref(&to_a));
    let flooded: Vec<_> = two.receive(LISTEN);
    assert!(!flooded.contains(&to_a), "known unicast is not flooded");
    two.send(&frame(ALL, A, b"now here"));
    wait_for_eq("moved", limit, &Some("p2".to_owned()), || {
        process.port_of(A.into())
    });
    three.send(&to_a);
    assert_eq!(two.receive(LISTEN), from_ref(&to_a));
    assert!(!one.receive(LISTEN).contains(&to_a), "no longer here");
}
