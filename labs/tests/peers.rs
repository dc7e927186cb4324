//! Other people's switches come up privately, speak spanning tree, say what their ports do, and leave nothing.
#![allow(clippy::unwrap_used, reason = "a test says no more by expect")]

use std::time::{Duration, Instant};

use labs::netns::{self, Namespace, VethEnd};
use labs::peers::{KernelBridge, Ovs, OvsPort, PortStatus, Protocol, Tree, Vde};
use stp::BridgeTimes;

const PATIENCE: Duration = Duration::from_secs(60);

/// A namespace that goes with its test.
struct Scratch(Namespace);

impl Scratch {
    fn new(name: &str) -> Self {
        Self(Namespace::create(&format!("peers-{name}-{}", std::process::id())).unwrap())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        Namespace::remove(self.0.name()).unwrap();
    }
}

fn fast(protocol: Protocol, priority: u16) -> Tree {
    let seconds = Duration::from_secs;
    Tree {
        priority,
        times: BridgeTimes::new(seconds(6), seconds(1), seconds(4)).unwrap(),
        ..Tree::new(protocol)
    }
}

fn wait(what: &str, mut port: impl FnMut() -> PortStatus, wanted: impl Fn(&PortStatus) -> bool) {
    let end = Instant::now() + PATIENCE;
    loop {
        let status = port();
        if wanted(&status) {
            return;
        }
        assert!(Instant::now() < end, "{what}: still {status:?}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn is(status: &PortStatus, role: &str, state: &str) -> bool {
    status.role.as_deref() == Some(role) && status.state == state
}

/// Two wires between Open vSwitch and the kernel's bridge, Open vSwitch the root: one of the two is blocked by the
/// kernel; with RSTP between two Open vSwitches, one is discarding as alternate.
#[test]
fn spanning_trees_of_the_peers_agree_and_can_be_read() {
    let (one, two) = (Scratch::new("one"), Scratch::new("two"));
    let wires = ["w1", "w2"];
    for wire in wires {
        netns::add_veth(VethEnd::new(&one.0, wire), VethEnd::new(&two.0, wire)).unwrap();
    }
    let dir = tempfile::tempdir().unwrap();
    let ovs = Ovs::start(&one.0, &dir.path().join("one")).unwrap();
    ovs.add_bridge("br0").unwrap();
    ovs.set_tree("br0", &fast(Protocol::Stp, 4096)).unwrap();
    ovs.add_ports("br0", &wires, OvsPort::System).unwrap();
    let tree = fast(Protocol::Stp, 8192);
    let bridge = KernelBridge::create(&two.0, "br1", &wires, Some(&tree)).unwrap();
    bridge.set_port("w2", 50, 128).unwrap();
    wait(
        "the root's port",
        || ovs.port("w1").unwrap(),
        |status| is(status, "designated", "forwarding"),
    );
    wait(
        "the kernel's root port",
        || bridge.port("w1").unwrap(),
        |status| status.state == "forwarding",
    );
    wait(
        "the kernel's costly port",
        || bridge.port("w2").unwrap(),
        |status| status.state == "blocking",
    );
    let facts = bridge.port_facts("w1").unwrap();
    assert!(
        facts["root_id"].as_str().unwrap().starts_with("1000."),
        "{facts}"
    );

    bridge.batch(&["link del br1".to_owned()]).unwrap();
    let other = Ovs::start(&two.0, &dir.path().join("two")).unwrap();
    other.add_bridge("br1").unwrap();
    other.set_tree("br1", &fast(Protocol::Rstp, 8192)).unwrap();
    other.add_ports("br1", &wires, OvsPort::System).unwrap();
    other.set_port("w2", 5000, 128).unwrap();
    ovs.set_tree("br0", &fast(Protocol::Rstp, 4096)).unwrap();
    wait(
        "the root port",
        || other.port("w1").unwrap(),
        |status| is(status, "root", "forwarding"),
    );
    wait(
        "the costly port",
        || other.port("w2").unwrap(),
        |status| is(status, "alternate", "discarding"),
    );
    assert!(ovs.appctl(&["rstp/show"]).unwrap().contains("br0"));
}

#[test]
fn vde_has_its_taps_until_it_is_dropped() {
    let one = Scratch::new("vde");
    let dir = tempfile::tempdir().unwrap();
    let vde = Vde::start(&one.0, dir.path(), &["p1", "p2"]).unwrap();
    let net = one.0.net().unwrap();
    assert!(net.link("p2").is_ok());
    drop(vde);
    assert!(net.link("p2").is_err());
}
