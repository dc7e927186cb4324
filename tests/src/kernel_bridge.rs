//! The Linux kernel's bridge as a spanning tree peer, made and asked by iproute2.

use labs::netns::Namespace;
use pnet_base::MacAddr;
use serde_json::Value;

use crate::net::run;

/// Makes bridge `br0` with spanning tree, its address and the fastest legal timers, over `ports`, all up.
///
/// # Panics
/// When the kernel refuses.
pub fn make(namespace: &Namespace, priority: u16, ports: &[&str]) {
    let ip = |arguments: &str| {
        let words: Vec<&str> = arguments.split_whitespace().collect();
        run(namespace, "ip", &words).unwrap_or_else(|error| panic!("ip {arguments}: {error}"));
    };
    ip("link add br0 type bridge");
    ip("link set br0 type bridge hello_time 100 max_age 600 forward_delay 400");
    ip(&format!("link set br0 type bridge priority {priority}"));
    ip("link set br0 type bridge stp_state 1");
    for port in ports {
        ip(&format!("link set {port} master br0"));
        ip(&format!("link set {port} up"));
    }
    ip("link set br0 up");
}

/// A port's state in the kernel's words: `blocking`, `listening`, `learning`, `forwarding`, `disabled`.
///
/// # Panics
/// When there is no such port.
#[must_use]
pub fn port_state(namespace: &Namespace, port: &str) -> String {
    let facts = port_facts(namespace, port);
    facts["state"].as_str().expect("a bridge port").to_owned()
}

/// The root that a port's designated bridge believes in: priority and address. (What iproute2 prints as the root
/// of the bridge itself is the bridge's own identifier.)
///
/// # Panics
/// When there is no such port.
#[must_use]
pub fn root(namespace: &Namespace, port: &str) -> (u16, MacAddr) {
    let facts = port_facts(namespace, port);
    let text = facts["root_id"].as_str().expect("a bridge port");
    let (priority, address) = text.split_once('.').expect("priority.address");
    // Octets come without leading zeros.
    let octets: Vec<u8> = address
        .split(':')
        .map(|octet| u8::from_str_radix(octet, 16).expect("an octet"))
        .collect();
    let octets: [u8; 6] = octets.try_into().expect("six octets");
    let priority = u16::from_str_radix(priority, 16).expect("a priority");
    (priority, octets.into())
}

fn port_facts(namespace: &Namespace, port: &str) -> Value {
    let text = run(namespace, "ip", &["-j", "-d", "link", "show", port]).expect("ip link");
    let mut json: Value = serde_json::from_str(&text).expect("json");
    json[0]["linkinfo"]["info_slave_data"].take()
}
