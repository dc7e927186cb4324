//! Namespaces, links and addresses on the real kernel. Needs root.

#![expect(clippy::unwrap_used, reason = "a test says no more by expect")]

use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};

use labs::netns::{self, Namespace, VethEnd};

/// Namespaces of one test, removed when it ends, however it ends.
struct Guard(Vec<String>);

impl Guard {
    fn new(test: &str, nodes: &[&str]) -> Self {
        let name = |node: &&str| format!("t{}-{test}-{node}", std::process::id());
        Self(nodes.iter().map(name).collect())
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        for name in &self.0 {
            Namespace::remove(name).unwrap();
        }
    }
}

#[test]
fn a_veth_pair_carries_tcp_and_nothing_is_left() {
    let guard = Guard::new("veth", &["a", "b"]);
    let [a, b] = [0, 1].map(|i| Namespace::create(&guard.0[i]).unwrap());
    let one = VethEnd {
        mac: Some("52:54:00:00:00:01".parse().unwrap()),
        mtu: Some(9000),
        ..VethEnd::new(&a, "eth0")
    };
    netns::add_veth(
        one,
        VethEnd {
            mtu: Some(9000),
            ..VethEnd::new(&b, "p1")
        },
    )
    .unwrap();
    a.net()
        .unwrap()
        .add_address("eth0", "10.1.0.1".parse().unwrap(), 24)
        .unwrap();
    b.net()
        .unwrap()
        .add_address("p1", "10.1.0.2".parse().unwrap(), 24)
        .unwrap();
    let link = a.net().unwrap().link("eth0").unwrap();
    assert_eq!((link.mtu, link.up, link.carrier), (9000, true, true));
    assert_eq!(link.mac, Some("52:54:00:00:00:01".parse().unwrap()));
    let listener = b.run(|| TcpListener::bind("10.1.0.2:7")).unwrap().unwrap();
    let client = a.run(|| TcpStream::connect("10.1.0.2:7")).unwrap().unwrap();
    assert_eq!(listener.accept().unwrap().1, client.local_addr().unwrap());
    let child = a
        .spawn(
            Command::new("cat")
                .arg("/proc/self/net/dev")
                .stdout(Stdio::piped()),
        )
        .unwrap();
    let output = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
    assert!(
        output.contains("eth0:"),
        "a child sees the links of its namespace: {output}"
    );

    a.net().unwrap().set_up("eth0", false).unwrap();
    assert!(
        !b.net().unwrap().link("p1").unwrap().carrier,
        "the carrier goes at both ends"
    );
    drop((a, b));
    let names = guard.0.clone();
    drop(guard);
    assert!(names.iter().all(|name| !Namespace::names().contains(name)));
    assert!(names.iter().all(|name| Namespace::open(name).is_err()));
}

#[test]
fn links_are_moved_renamed_changed_and_deleted() {
    let guard = Guard::new("move", &["a", "b"]);
    let [a, b] = [0, 1].map(|i| Namespace::create(&guard.0[i]).unwrap());
    netns::add_veth(VethEnd::new(&a, "x"), VethEnd::new(&a, "y")).unwrap();
    let net = a.net().unwrap();
    net.move_link("y", &b, "eth0").unwrap();
    assert!(net.link("y").is_err());
    let there = b.net().unwrap();
    there.set_mtu("eth0", 1400).unwrap();
    there
        .set_mac("eth0", "52:54:00:00:00:09".parse().unwrap())
        .unwrap();
    there.set_up("eth0", true).unwrap();
    there.rename("eth0", "wan").unwrap();
    let link = there.link("wan").unwrap();
    assert_eq!((link.mtu, link.up), (1400, true));
    assert_eq!(link.mac, Some("52:54:00:00:00:09".parse().unwrap()));
    there
        .add_address("wan", "10.2.0.1".parse().unwrap(), 24)
        .unwrap();
    there
        .add_default_route("10.2.0.254".parse().unwrap())
        .unwrap();
    net.delete("x").unwrap();
    assert!(there.link("wan").is_err(), "of a pair both ends go");
}

#[test]
fn errors_say_what_and_where() {
    let guard = Guard::new("errors", &["a"]);
    let a = Namespace::create(&guard.0[0]).unwrap();
    let again = Namespace::create(&guard.0[0]).unwrap_err().to_string();
    assert_eq!(
        again,
        format!(
            "cannot create the namespace {}: File exists (os error 17)",
            a.name()
        )
    );
    let error =
        netns::add_veth(VethEnd::new(&a, "x"), VethEnd::new(&a, "sixteen-octets-x")).unwrap_err();
    assert!(error.to_string().contains("make the veth pair"), "{error}");
    let links = a.net().unwrap().links().unwrap();
    assert_eq!(links.len(), 1, "only the loopback: {links:?}");
    assert!(!Namespace::remove(&format!("{}-never-made", a.name())).unwrap());
}

#[test]
fn a_fresh_namespace_has_no_ipv6_until_asked() {
    let guard = Guard::new("quiet", &["a"]);
    let a = Namespace::create(&guard.0[0]).unwrap();
    netns::add_veth(VethEnd::new(&a, "x"), VethEnd::new(&a, "y")).unwrap();
    let addresses = || {
        a.run(|| std::fs::read_to_string("/proc/thread-self/net/if_inet6").unwrap_or_default())
            .unwrap()
    };
    assert_eq!(addresses(), "");
    a.enable_ipv6("x").unwrap();
    a.net()
        .unwrap()
        .add_address("x", "fd00::1".parse().unwrap(), 64)
        .unwrap();
    assert_eq!(addresses().lines().count(), 1, "{}", addresses());
}
