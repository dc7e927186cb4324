//! Ports on real interfaces: traffic between hosts with default offloads, tags, links that come and go.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod fallbacks;
mod floods;
mod qemu;
mod sockets;
#[path = "../support/mod.rs"]
mod support;

use std::time::Duration;

use stp::{BridgeTimes, PortState, TreeId};
use support::stream::transfer;
use support::switch::{Switch, config, number, port, vlan};
use support::wire::{Wire, frame, tagged};
use support::{Namespace, eventually};
use switchd::config::{PortKind, PortMode, VlanSet};
use switchd::control::Target;
use switchd::counters::DropReason;

const SECOND: Duration = Duration::from_secs(1);
const MIB: usize = 1 << 20;
const STATION_A: [u8; 6] = [2, 0, 0, 0, 0, 0xa];
const STATION_B: [u8; 6] = [2, 0, 0, 0, 0, 0xb];
const BROADCAST: [u8; 6] = [0xff; 6];

/// A host on a tap of the switch: the kernel end moved to a namespace of its own and renamed.
fn tap_host(switch: &Namespace, tap: &str, host: u8) -> Namespace {
    let there = Namespace::new();
    switch.ip(&format!("link set {tap} netns {}", there.path()));
    there.ip(&format!("link set {tap} name eth0"));
    there.host("eth0", host);
    there
}

/// A host on a veth whose other end, called `end`, is for the switch.
fn veth_host(switch: &Namespace, end: &str, host: u8) -> Namespace {
    let there = Namespace::new();
    switch.veth(end, &there, "eth0");
    there.host("eth0", host);
    there
}

/// What `ip` says of links, without the queueing discipline: going up once leaves another behind.
fn links(namespace: &Namespace, arguments: &str) -> String {
    let mut words = Vec::new();
    let output = namespace.ip(arguments);
    let mut said = output.split(' ');
    while let Some(word) = said.next() {
        if word == "qdisc" {
            said.next();
        } else {
            words.push(word);
        }
    }
    words.join(" ")
}

#[test]
fn tcp_between_taps_is_octet_exact_with_offloads_on() {
    let here = Namespace::new();
    let ports = [(PortKind::Tap, "p1"), (PortKind::Tap, "p2")];
    let switch = Switch::start(&here, config(&ports)).unwrap();
    let (a, b) = (tap_host(&here, "p1", 1), tap_host(&here, "p2", 2));
    transfer(&a, &b, 2, 64 * MIB);
    // Super-frames crossed whole: far fewer frames than segments.
    let frames = switch.received(1);
    assert!(frames < 64 * MIB as u64 / 1448 / 2, "{frames} frames");
    let said = a.ip("link show eth0");
    assert!(said.contains("qlen 2000"), "room for a burst: {said}");
}

#[test]
fn tcp_between_veths_is_octet_exact_with_offloads_on() {
    let here = Namespace::new();
    let (a, b) = (veth_host(&here, "v1", 1), veth_host(&here, "v2", 2));
    let ports = [(PortKind::Packet, "v1"), (PortKind::Packet, "v2")];
    let switch = Switch::start(&here, config(&ports)).unwrap();
    transfer(&a, &b, 2, 64 * MIB);
    let frames = switch.received(1);
    assert!(frames < 64 * MIB as u64 / 1448 / 2, "{frames} frames");
    assert_eq!(switch.drops(1, DropReason::BadOffload), 0);
}

#[test]
fn tcp_between_tap_and_veth_is_octet_exact_both_ways() {
    let here = Namespace::new();
    let b = veth_host(&here, "v2", 2);
    let ports = [(PortKind::Tap, "p1"), (PortKind::Packet, "v2")];
    let _switch = Switch::start(&here, config(&ports)).unwrap();
    let a = tap_host(&here, "p1", 1);
    transfer(&a, &b, 2, 32 * MIB);
    transfer(&b, &a, 1, 32 * MIB);
}

#[test]
fn tcp_crosses_a_tagged_trunk_of_two_switches_with_offloads_on() {
    let (here, there) = (Namespace::new(), Namespace::new());
    here.veth("trunk", &there, "trunk");
    let (a, b) = (veth_host(&here, "host", 1), veth_host(&there, "host", 2));
    let start = |namespace| {
        let ports = [(PortKind::Packet, "host"), (PortKind::Packet, "trunk")];
        let mut config = config(&ports);
        config.ports[0].mode = PortMode::Access { vlan: vlan(10) };
        config.ports[1].mode = PortMode::Trunk {
            allowed: VlanSet::all(),
            native: vlan(1),
            native_tagged: false,
        };
        Switch::start(namespace, config).unwrap()
    };
    let (_first, _second) = (start(&here), start(&there));
    transfer(&a, &b, 2, 32 * MIB);
}

#[test]
fn tags_cross_packet_ports_although_the_kernel_strips_them() {
    let here = Namespace::new();
    let (a, b) = (Wire::new(&here, "w1"), Wire::new(&here, "w2"));
    let mut config = config(&[(PortKind::Packet, "w1"), (PortKind::Packet, "w2")]);
    for port in &mut config.ports {
        port.mode = PortMode::Trunk {
            allowed: VlanSet::all(),
            native: vlan(1),
            native_tagged: false,
        };
    }
    let switch = Switch::start(&here, config).unwrap();
    eventually("both links up", || switch.link(1) && switch.link(2));
    let plain = frame(BROADCAST, STATION_A, b"payload");
    // Priority 5, drop eligible, VLAN 10; and a service tag, which is only data to a customer bridge.
    for tag in [[0x81, 0x00, 0xb0, 0x0a], [0x88, 0xa8, 0x00, 0x05]] {
        let sent = tagged(&plain, tag);
        a.send(&sent);
        let got = b.receive("the tagged frame", |got| got[6..12] == STATION_A);
        assert_eq!(got, sent);
    }
    let twice = tagged(&tagged(&plain, [0x81, 0, 0, 20]), [0x81, 0, 0, 10]);
    a.send(&twice);
    assert_eq!(b.receive("two tags", |got| got[6..12] == STATION_A), twice);
}

#[test]
fn tags_are_put_in_and_taken_out_at_access_ports() {
    let here = Namespace::new();
    let (a, b) = (Wire::new(&here, "w1"), Wire::new(&here, "w2"));
    let mut config = config(&[(PortKind::Packet, "w1"), (PortKind::Packet, "w2")]);
    config.ports[0].mode = PortMode::Access { vlan: vlan(10) };
    config.ports[1].mode = PortMode::Trunk {
        allowed: VlanSet::all(),
        native: vlan(1),
        native_tagged: false,
    };
    let switch = Switch::start(&here, config).unwrap();
    eventually("both links up", || switch.link(1) && switch.link(2));
    let there = frame(STATION_B, STATION_A, b"there");
    a.send(&there);
    let got = b.receive("there", |got| got[6..12] == STATION_A);
    assert_eq!(got, tagged(&there, [0x81, 0, 0, 10]));
    let back = frame(STATION_A, STATION_B, b"back");
    b.send(&tagged(&back, [0x81, 0, 0, 10]));
    assert_eq!(a.receive("back", |got| got[6..12] == STATION_B), back);
}

#[test]
fn frames_of_9216_octets_pass_and_longer_ones_are_counted() {
    let here = Namespace::new();
    let (a, b) = (Wire::new(&here, "w1"), Wire::new(&here, "w2"));
    for wire in ["w1", "w2"] {
        here.ip(&format!("link set {wire} mtu 9300"));
    }
    let switch = Switch::start(
        &here,
        config(&[(PortKind::Packet, "w1"), (PortKind::Packet, "w2")]),
    );
    let switch = switch.unwrap();
    eventually("both links up", || switch.link(1) && switch.link(2));
    a.send(&frame(BROADCAST, STATION_A, &[7; 9217 - 14]));
    let longest = frame(BROADCAST, STATION_A, &[8; 9216 - 14]);
    a.send(&longest);
    assert_eq!(b.receive("9216", |got| got[6..12] == STATION_A), longest);
    assert_eq!(switch.drops(1, DropReason::Oversize), 1);
}

#[test]
fn carrier_of_a_veth_is_seen() {
    let here = Namespace::new();
    let host = veth_host(&here, "v1", 1);
    let switch = Switch::start(&here, config(&[(PortKind::Packet, "v1")])).unwrap();
    for _ in 0..2 {
        eventually("carrier", || switch.link(1));
        host.ip("link set eth0 down");
        eventually("no carrier", || !switch.link(1));
        host.ip("link set eth0 up");
    }
}

#[test]
fn the_link_of_a_tap_is_seen_wherever_its_kernel_end_goes() {
    let here = Namespace::new();
    let switch = Switch::start(&here, config(&[(PortKind::Tap, "p1")])).unwrap();
    assert!(switch.link(1), "a tap starts up");
    let mut place = here;
    for name in ["eth0", "eth1", "eth2"] {
        let next = Namespace::new();
        let old = if name == "eth0" { "p1" } else { "x" };
        place.ip(&format!("link set {old} netns {}", next.path()));
        eventually("a moved interface is down", || !switch.link(1));
        next.ip(&format!("link set {old} name {name}"));
        next.ip(&format!("link set {name} up"));
        eventually("set up there", || switch.link(1));
        next.ip(&format!("link set {name} down"));
        eventually("set down there", || !switch.link(1));
        next.ip(&format!("link set {name} name x"));
        place = next;
    }
}

#[test]
fn a_tap_deleted_by_its_host_is_a_link_down_and_no_busy_loop() {
    let here = Namespace::new();
    let ports = [(PortKind::Tap, "p1"), (PortKind::Tap, "p2")];
    let switch = Switch::start(&here, config(&ports)).unwrap();
    let host = tap_host(&here, "p1", 1);
    eventually("link", || switch.link(1));
    host.ip("link del eth0");
    eventually("deleted", || !switch.link(1));
    assert!(switch.link(2));
    let facts = switch.ask(|daemon, _| daemon.port_facts(number(1)).unwrap());
    assert!(facts.io.contains("deleted"), "{}", facts.io);
}

#[test]
fn an_interface_removed_under_traffic_is_taken_again_when_it_returns() {
    // The other host keeps the address in its ARP cache.
    const SAME_ADDRESS: &str = "link set eth0 address 02:00:00:00:00:02";
    let here = Namespace::new();
    let (a, b) = (veth_host(&here, "v1", 1), veth_host(&here, "v2", 2));
    b.ip(SAME_ADDRESS);
    let wire = Wire::new(&here, "w3");
    let ports = [
        (PortKind::Packet, "v1"),
        (PortKind::Packet, "v2"),
        (PortKind::Packet, "w3"),
    ];
    let switch = Switch::start(&here, config(&ports)).unwrap();
    transfer(&a, &b, 2, MIB);
    let (seen, flood) = (
        frame(STATION_B, STATION_A, b"on"),
        frame(BROADCAST, STATION_B, b"on"),
    );
    for round in 0..3 {
        wire.send(&flood);
        here.ip("link del v2");
        wire.send(&flood);
        wire.send(&seen);
        eventually("link of the removed interface down", || !switch.link(2));
        assert!(switch.link(1) && switch.link(3), "round {round}");
        here.veth("v2", &b, "eth0");
        b.ip(SAME_ADDRESS);
        b.host("eth0", 2);
        eventually("the interface taken again", || switch.link(2));
        transfer(&a, &b, 2, MIB);
    }
}

#[test]
fn more_changes_of_links_than_the_kernel_keeps_end_in_the_links_as_they_are() {
    let here = Namespace::new();
    let (_a, b) = (veth_host(&here, "v1", 1), veth_host(&here, "v2", 2));
    let ports = [(PortKind::Packet, "v1"), (PortKind::Packet, "v2")];
    let switch = Switch::start(&here, config(&ports)).unwrap();
    eventually("links up", || switch.link(1) && switch.link(2));
    let flaps = tempfile::NamedTempFile::new().unwrap();
    let flap = "link set v1 down\nlink set v1 up\n";
    std::fs::write(flaps.path(), flap.repeat(1500)).unwrap();
    let (done, busy) = crossbeam_channel::bounded::<()>(1);
    std::thread::scope(|scope| {
        // The loop looks at nothing until all is over.
        scope.spawn(|| switch.ask(move |_, _| busy.recv_timeout(support::PATIENCE).is_ok()));
        here.ip(&format!("-batch {}", flaps.path().display()));
        here.ip("link del v2");
        here.veth("v2", &b, "eth0");
        b.host("eth0", 2);
        done.send(()).unwrap();
    });
    eventually("the new interface taken", || switch.link(2));
    assert!(switch.link(1), "up was its last word");
}

#[test]
fn a_peer_that_stops_reading_costs_only_its_own_frames() {
    let here = Namespace::new();
    let (a, b) = (veth_host(&here, "v1", 1), veth_host(&here, "v2", 2));
    let stalled = Wire::new(&here, "w3");
    let ports = [
        (PortKind::Packet, "v1"),
        (PortKind::Packet, "v2"),
        (PortKind::Packet, "w3"),
    ];
    let switch = Switch::start(&here, config(&ports)).unwrap();
    eventually("links up", || (1..=3).all(|port| switch.link(port)));
    // Broadcasts from `a`, which also go to the port that nobody reads, more than its queue holds.
    let flood = a.spawn(|| {
        let socket = std::net::UdpSocket::bind("10.0.0.1:0").unwrap();
        socket.set_broadcast(true).unwrap();
        for _ in 0..20_000 {
            // A full queue of the sender's own is no matter here.
            let _ = socket.send_to(&[0; 1000], "10.0.0.255:9");
        }
    });
    transfer(&a, &b, 2, 16 * MIB);
    flood.join().unwrap();
    transfer(&a, &b, 2, MIB);
    // A tap takes what its reader does not want, and drops it: the kernel counts that at the interface.
    let said: serde_json::Value = serde_json::from_str(&here.ip("-s -j link show w3")).unwrap();
    assert!(
        said[0]["stats64"]["tx"]["dropped"].as_u64() > Some(0),
        "{said}"
    );
    stalled.receive("its first frames wait in its queue", |_| true);
}

#[test]
fn administrative_down_takes_the_carrier_from_the_other_end() {
    let here = Namespace::new();
    let veth = veth_host(&here, "v1", 1);
    let ports = [(PortKind::Packet, "v1"), (PortKind::Tap, "p2")];
    let switch = Switch::start(&here, config(&ports)).unwrap();
    let tap = tap_host(&here, "p2", 2);
    let has_carrier = |host: &Namespace| host.ip("-o link show eth0").contains("LOWER_UP");
    eventually("links", || switch.link(1) && switch.link(2));
    for (number, host) in [(1, &veth), (2, &tap)] {
        for down in [true, false] {
            switch.ask(move |daemon, now| {
                let mut port = daemon.config().ports[usize::from(number) - 1].clone();
                port.down = down;
                daemon.configure_port(now, port).unwrap();
            });
            eventually("carrier at the other end", || has_carrier(host) != down);
            eventually("link here", || switch.link(number) != down);
        }
    }
    transfer(&veth, &tap, 2, MIB);
}

#[test]
fn ports_come_and_go_while_traffic_flows() {
    let here = Namespace::new();
    let (a, b) = (veth_host(&here, "v1", 1), veth_host(&here, "v2", 2));
    let switch = Switch::start(&here, config(&[(PortKind::Packet, "v1")])).unwrap();
    for _ in 0..3 {
        switch.ask(|daemon, now| {
            daemon
                .add_port(now, port(2, PortKind::Packet, "v2"))
                .unwrap();
            daemon.add_port(now, port(3, PortKind::Tap, "p3")).unwrap();
        });
        assert!(here.has("p3"));
        transfer(&a, &b, 2, MIB);
        switch.ask(|daemon, now| {
            daemon.remove_port(now, number(2)).unwrap();
            daemon.remove_port(now, number(3)).unwrap();
        });
        eventually("the tap is gone", || !here.has("p3"));
    }
    let error = switch.ask(|daemon, now| daemon.add_port(now, port(2, PortKind::Packet, "no")));
    assert!(
        error
            .unwrap_err()
            .message
            .contains("no interface of that name")
    );
    assert!(switch.ask(|daemon, _| daemon.config().ports.len()) == 1);
}

#[test]
fn a_switch_that_cannot_start_leaves_nothing() {
    let here = Namespace::new();
    here.ip("link add v1 type veth peer name v2");
    let before = links(&here, "-o link");
    for (bad, words) in [
        (
            (PortKind::Packet, "missing"),
            "port missing: there is no interface of that name",
        ),
        (
            (PortKind::Tap, "v2"),
            "port v2: an interface of that name exists already",
        ),
        (
            (PortKind::Packet, "lo"),
            "port lo: the interface does not carry Ethernet",
        ),
    ] {
        let ports = [(PortKind::Tap, "p1"), (PortKind::Packet, "v1"), bad];
        let error = Switch::start(&here, config(&ports)).err().unwrap();
        assert!(error.starts_with(words), "{error}");
        eventually("as before", || links(&here, "-o link") == before);
    }
}

#[test]
fn interfaces_are_left_as_they_were_found() {
    let here = Namespace::new();
    here.ip("link add v1 type veth peer name v2");
    here.ip("link add v3 type veth peer name v4");
    here.ip("link set v3 up");
    let state = || {
        [
            links(&here, "-d -o link show v1"),
            links(&here, "-d -o link show v3"),
        ]
    };
    let before = state();
    let ports = [
        (PortKind::Packet, "v1"),
        (PortKind::Packet, "v3"),
        (PortKind::Tap, "p1"),
    ];
    let switch = Switch::start(&here, config(&ports)).unwrap();
    assert!(here.ip("-d -o link show v1").contains("addrgenmode none"));
    assert!(here.ip("-o link show v1").contains(",UP"));
    drop(switch);
    eventually("the tap is gone", || !here.has("p1"));
    eventually("as before", || state() == before);
}

/// Floods every port with broadcasts, as fast as both hosts can: the tree stands as it was, every BPDU is taken,
/// and its clock is not late.
fn flood_and_keep_the_tree(hosts: [&Namespace; 2], leaf: &Switch) {
    const FLOOD: Duration = Duration::from_secs(3);
    let seen = || {
        leaf.ask(|daemon, _| {
            let bridge = daemon.switch().bridge().unwrap();
            let bpdus = [1, 2].map(|port| {
                let port = bridge.port(number(port)).unwrap();
                port.counters.bpdus_received()
            });
            (bridge.tree(TreeId::COMMON).topology_change.count, bpdus)
        })
    };
    let (states, before, frames) = (
        [1, 2, 3].map(|port| leaf.state(port)),
        seen(),
        leaf.received(1),
    );
    let floods = hosts.map(|host| {
        host.spawn(|| {
            let socket = std::net::UdpSocket::bind("0.0.0.0:0").unwrap();
            socket.set_broadcast(true).unwrap();
            let start = std::time::Instant::now();
            while start.elapsed() < FLOOD {
                // A full queue of the sender's own is no matter here.
                let _ = socket.send_to(&[0; 18], "10.0.0.255:9");
            }
        })
    });
    for flood in floods {
        flood.join().unwrap();
    }
    let after = seen();
    let flood = leaf.received(1) - frames;
    // As fast as a machine goes on which twenty other tests run.
    assert!(flood > 1000, "no flood: {flood} frames");
    assert_eq!(after.0, before.0, "topology changes");
    assert_eq!([1, 2, 3].map(|port| leaf.state(port)), states);
    // One a second on each wire; the first and the last may lie outside.
    for (after, before) in after.1.into_iter().zip(before.1) {
        assert!(after - before >= FLOOD.as_secs() - 1, "BPDUs were lost");
    }
}

#[test]
fn a_ring_of_two_blocks_one_port_and_discards_until_then() {
    let (here, there) = (Namespace::new(), Namespace::new());
    here.veth("l1", &there, "l1");
    here.veth("l2", &there, "l2");
    let (a, b) = (veth_host(&here, "host", 1), veth_host(&there, "host", 2));
    let start = |namespace, address: &str| {
        let ports = [
            (PortKind::Packet, "l1"),
            (PortKind::Packet, "l2"),
            (PortKind::Packet, "host"),
        ];
        let mut config = config(&ports);
        config.stp.protocol = switchd::TreeProtocol::Stp;
        // The fastest legal: listening and learning are over after eight seconds.
        config.stp.times = BridgeTimes::new(6 * SECOND, SECOND, 4 * SECOND).unwrap();
        config.address = Some(address.parse().unwrap());
        Switch::start(namespace, config).unwrap()
    };
    let root = start(&here, "02:00:00:00:00:01");
    let leaf = start(&there, "02:00:00:00:00:02");
    assert!((1..=3).all(|port| !root.state(port).forwards() && !leaf.state(port).forwards()));
    eventually("the tree stands", || {
        let all = |switch: &Switch, states: [PortState; 3]| {
            (1..)
                .zip(states)
                .all(|(port, state)| switch.state(port) == state)
        };
        use PortState::{Blocking, Forwarding};
        all(&root, [Forwarding; 3]) && all(&leaf, [Forwarding, Blocking, Forwarding])
    });
    transfer(&a, &b, 2, 4 * MIB);
    flood_and_keep_the_tree([&a, &b], &leaf);
    transfer(&a, &b, 2, MIB);
    // The root port's wire is cut: the other port takes over after listening and learning.
    here.ip("link set l1 down");
    eventually("the blocked port takes over", || {
        leaf.state(2) == PortState::Forwarding
    });
    transfer(&a, &b, 2, MIB);
}
