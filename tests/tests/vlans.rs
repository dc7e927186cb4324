//! VLANs on real frames: isolation, tags on trunks, learning.

use std::slice::from_ref;
use std::time::Duration;

use tests::frames::{frame, inject, observe, tagged};
use tests::net::{Net, cable, pings};
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
    let (left, right, host) = (net.namespace("l"), net.namespace("r"), net.namespace("h"));
    cable(&left, "eth0", &switch, "t1");
    cable(&right, "eth0", &switch, "t2");
    cable(&host, "eth0", &switch, "h1");
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
    let twenty = tagged(&plain, 20);
    let reserved = tagged(&plain, 4095);
    let sent = [ten.clone(), twenty, reserved, plain.clone()];
    let seen = observe(&right, "eth0", LISTEN, || inject(&left, "eth0", &sent));
    assert_eq!(seen, [ten], "VLAN 10 alone, priority 5 kept");
    let seen = observe(&host, "eth0", LISTEN, || inject(&left, "eth0", &sent));
    assert_eq!(seen, from_ref(&plain), "VLAN 10 untagged");
    let from_host = frame(ALL, B, b"from the host");
    let seen = observe(&left, "eth0", LISTEN, || {
        inject(&host, "eth0", from_ref(&from_host))
    });
    assert_eq!(seen, [tagged(&from_host, 10)]);
}

#[test]
fn a_tunnel_keeps_the_customers_tag_inside() {
    let mut net = Net::new();
    let switch = net.namespace("sw");
    let (left, core, right) = (net.namespace("l"), net.namespace("c"), net.namespace("r"));
    cable(&left, "eth0", &switch, "q1");
    cable(&core, "eth0", &switch, "t1");
    cable(&right, "eth0", &switch, "q2");
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
    let seen = observe(&core, "eth0", LISTEN, || {
        inject(&left, "eth0", from_ref(&customer));
    });
    assert_eq!(seen, from_ref(&double));
    let seen = observe(&right, "eth0", LISTEN, || inject(&core, "eth0", &[double]));
    assert_eq!(seen, [customer]);
}

#[test]
fn a_station_that_moves_is_followed_by_its_next_frame() {
    let mut net = Net::new();
    let switch = net.namespace("sw");
    let (one, two, three) = (net.namespace("1"), net.namespace("2"), net.namespace("3"));
    cable(&one, "eth0", &switch, "p1");
    cable(&two, "eth0", &switch, "p2");
    cable(&three, "eth0", &switch, "p3");
    let process = SwitchProcess::start(
        &switch,
        "sw",
        &["--stp", "off", "--packet", "p1", "p2", "p3"],
    );
    let limit = Duration::from_secs(5);
    inject(&one, "eth0", &[frame(ALL, A, b"here")]);
    wait_for_eq("learned", limit, &Some("p1".to_owned()), || {
        process.port_of(A.into())
    });
    let to_a = frame(A, B, b"for a");
    let seen = observe(&two, "eth0", LISTEN, || {
        inject(&three, "eth0", from_ref(&to_a))
    });
    assert_eq!(seen, [] as [Vec<u8>; 0], "known unicast is not flooded");
    inject(&two, "eth0", &[frame(ALL, A, b"now here")]);
    wait_for_eq("moved", limit, &Some("p2".to_owned()), || {
        process.port_of(A.into())
    });
    let seen = observe(&two, "eth0", LISTEN, || {
        inject(&three, "eth0", from_ref(&to_a))
    });
    assert_eq!(seen, [to_a]);
}
