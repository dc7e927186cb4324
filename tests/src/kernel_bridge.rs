//! The Linux kernel's bridge as a spanning tree peer, made and asked by iproute2.

use labs::netns::Namespace;
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
    let text = run(namespace, "ip", &["-j", "-d", "link", "show", port]).expect("ip link");
    let json: Value = serde_json::from_str(&text).expect("json");
    let state = &json[0]["linkinfo"]["info_slave_data"]["state"];
    state.as_str().expect("a bridge port").to_owned()
}

/// The root the kernel takes, as `priority.address` in its notation (`8000.aabbccddeeff` as `8000.aa:bb:…`).
///
/// # Panics
/// When there is no bridge.
#[must_use]
pub fn root(namespace: &Namespace) -> String {
    let text = run(namespace, "ip", &["-j", "-d", "link", "show", "br0"]).expect("ip link");
    let json: Value = serde_json::from_str(&text).expect("json");
    let root = &json[0]["linkinfo"]["info_data"]["root_id"];
    root.as_str().expect("a bridge").to_owned()
}
