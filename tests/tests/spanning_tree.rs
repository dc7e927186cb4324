//! Classic spanning tree on real links: a ring that is cut, topology changes, and the kernel's bridge as a peer.
//!
//! All with the fastest legal timers: hello 1 s, max age 6 s, forward delay 4 s (802.1D-1998 8.10.2).

use std::time::Duration;

use labs::netns::Namespace;
use switchd::event::Event;
use tests::kernel_bridge;
use tests::net::{Net, cable, pings, run};
use tests::switch_process::SwitchProcess;
use tests::wait::{wait_for, wait_for_eq};

const FAST: [&str; 8] = [
    "--protocol",
    "stp",
    "--hello",
    "1",
    "--max-age",
    "6",
    "--forward-delay",
    "4",
];

/// Twice the forward delay, a hello, and as much again for a machine that has other things to do.
const DIRECT: Duration = Duration::from_secs(20);

/// Max age before that.
const INDIRECT: Duration = Duration::from_secs(30);

fn start(namespace: &Namespace, name: &str, priority: &str, ports: &[&str]) -> SwitchProcess {
    let arguments = [&FAST[..], &["--priority", priority, "--packet"], ports].concat();
    SwitchProcess::start(namespace, name, &arguments)
}

fn is(role: &str, state: &str) -> (String, String) {
    (role.to_owned(), state.to_owned())
}

#[test]
fn a_ring_blocks_one_port_and_heals_when_a_link_is_cut() {
    let mut net = Net::new();
    let (a, b, c) = (net.namespace("a"), net.namespace("b"), net.namespace("c"));
    cable(&a, "p1", &b, "p1");
    cable(&b, "p2", &c, "p2");
    cable(&c, "p1", &a, "p2");
    let h1 = net.host("h1", "10.9.1.1", &b, "h1");
    let _h2 = net.host("h2", "10.9.1.2", &c, "h2");
    let root = start(&a, "a", "4096", &["p1", "p2"]);
    let left = start(&b, "b", "8192", &["p1", "p2", "h1:edge"]);
    let right = start(&c, "c", "12288", &["p1", "p2", "h2:edge"]);
    wait_for_eq(
        "the worst bridge blocks",
        DIRECT,
        &is("alternate", "blocking"),
        || right.role_and_state("p2"),
    );
    wait_for_eq(
        "the ring forwards",
        DIRECT,
        &is("root", "forwarding"),
        || right.role_and_state("p1"),
    );
    assert!(wait_ping(&h1), "before the cut");
    wait_for_eq("ageing is long", DIRECT, &300, || {
        right.spanning_tree().ageing
    });
    let mut events = right.client().events(None).expect("events");
    let link = a.net().expect("netlink");
    link.set_up("p2", false).expect("cut");
    wait_for_eq(
        "the blocked port takes over",
        DIRECT,
        &is("root", "forwarding"),
        || right.role_and_state("p2"),
    );
    assert!(wait_ping(&h1), "after the cut");
    let ageing = wait_for("short ageing begins", DIRECT, || {
        let event = tests::events::next(&mut events)?.event;
        matches!(event, Event::ShortAgeing { active: true, .. })
            .then(|| right.spanning_tree().ageing)
    });
    assert_eq!(ageing, 4, "the forward delay");
    assert_eq!(root.spanning_tree().ageing_configured, 300);
    assert_eq!(left.spanning_tree().trees[0].root_priority, 4096);
    wait_for_eq("ageing is long again", DIRECT, &300, || {
        right.spanning_tree().ageing
    });
}

fn wait_ping(from: &Namespace) -> bool {
    (0..10).any(|_| pings(from, "10.9.1.2", 5))
}

/// Two links between our switch and the kernel's bridge.
fn two_links(ours: &str, kernels: u16) -> (Net, Namespace, Namespace, SwitchProcess) {
    let mut net = Net::new();
    let (us, peer) = (net.namespace("us"), net.namespace("kernel"));
    cable(&us, "p1", &peer, "k1");
    cable(&us, "p2", &peer, "k2");
    kernel_bridge::make(&peer, kernels, &["k1", "k2"]);
    let process = start(&us, "us", ours, &["p1", "p2"]);
    (net, us, peer, process)
}

#[test]
fn the_kernel_bridge_is_root_and_when_it_fails_we_are() {
    let (_net, _us, peer, process) = two_links("32768", 4096);
    wait_for_eq("root port", DIRECT, &is("root", "forwarding"), || {
        process.role_and_state("p1")
    });
    assert_eq!(process.role_and_state("p2"), is("alternate", "blocking"));
    let tree = &process.spanning_tree().trees[0];
    assert_eq!(tree.root_priority, 4096);
    assert_eq!(kernel_bridge::root(&peer, "k1"), (4096, tree.root_mac));
    // It falls silent with its carriers up: its information must age out.
    run(&peer, "ip", &["link", "set", "br0", "down"]).expect("silence");
    wait_for_eq("we are root", INDIRECT, &true, || {
        let tree = &process.spanning_tree().trees[0];
        tree.root_mac == tree.bridge_mac
    });
    for port in ["p1", "p2"] {
        wait_for_eq(
            "we forward",
            DIRECT,
            &is("designated", "forwarding"),
            || process.role_and_state(port),
        );
    }
}

#[test]
fn we_are_root_of_the_kernel_bridge_and_when_we_fail_it_is() {
    let (_net, _us, peer, process) = two_links("4096", 32768);
    wait_for_eq(
        "the kernel's root port",
        DIRECT,
        &"forwarding".to_owned(),
        || kernel_bridge::port_state(&peer, "k1"),
    );
    assert_eq!(kernel_bridge::port_state(&peer, "k2"), "blocking");
    for port in ["p1", "p2"] {
        assert_eq!(process.role_and_state(port), is("designated", "forwarding"));
    }
    let ours = process.spanning_tree().trees[0].bridge_mac;
    assert_eq!(kernel_bridge::root(&peer, "k1"), (4096, ours));
    drop(process);
    wait_for_eq("the kernel is root", INDIRECT, &true, || {
        kernel_bridge::root(&peer, "k1").0 == 32768
    });
    wait_for_eq(
        "its other port takes over",
        DIRECT,
        &"forwarding".to_owned(),
        || kernel_bridge::port_state(&peer, "k2"),
    );
}
