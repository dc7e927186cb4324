//! A kernel bridge in the place of one switch of a lab.

use std::collections::BTreeMap;

use labs::lab::PortView;
use labs::netns::Namespace;
use labs::topology::{Host, HostPort, Link, NodeKind, Switch, Topology, Wire};
use pnet_base::MacAddr;
use serde_json::Value;
use switchd::config::Cost;

use super::{Cam, SwitchState};
use crate::kernel_bridge;
use crate::net::run;

/// The kernel's unit of port priority, in ours (802.1t: 16 steps of 16).
const PRIORITY_UNIT: u32 = 4;
/// What a simulated wire and an interface of unknown speed cost: 10 Gb/s, 802.1D-1998 Table 8-5.
const COST: u32 = 2;

/// What the kernel is told.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    /// The switch whose place it takes.
    pub(super) name: String,
    switch: Switch,
}

impl Settings {
    /// Makes the node `name` a namespace with bare interfaces in which a bridge can be made, and gives its neighbours' ports
    /// the cost they would have towards a switch (a port towards a host is a tap, and has another).
    ///
    /// # Panics
    /// When it is no switch, or has hosts.
    pub(super) fn take(topology: &mut Topology, name: &str) -> Self {
        let links = topology.links.clone();
        let mut taken = None;
        for node in &mut topology.nodes {
            let is_it = node.name == name;
            match &mut node.kind {
                NodeKind::Switch(switch) if is_it => {
                    taken = Some(switch.clone());
                    let ports = switch.ports.iter().map(interface).collect();
                    node.kind = NodeKind::Host(Host {
                        ports,
                        ..Host::default()
                    });
                }
                NodeKind::Switch(switch) => {
                    for port in &mut switch.ports {
                        let Wire::Link(link) = port.wire else {
                            continue;
                        };
                        if ends_at(&links[link], name) {
                            port.settings.cost.get_or_insert(Cost::Fixed(COST));
                        }
                    }
                }
                NodeKind::Host(host) => {
                    let to_it = |port: &HostPort| ends_at(&links[port.link], name);
                    assert!(!host.ports.iter().any(to_it), "{name} has hosts");
                }
                NodeKind::Vm(_) => {}
            }
        }
        Self {
            name: name.to_owned(),
            switch: taken.expect("a switch"),
        }
    }

    /// Makes the bridge. Carrier comes last, to all ports, so that the tree begins with it.
    ///
    /// # Panics
    /// When the kernel refuses.
    pub(super) fn start(&self, namespace: &Namespace) {
        let stp = &self.switch.stp;
        let priority = stp.priority.unwrap_or(32_768);
        let centi = |seconds: Option<u32>, default: u32| 100 * seconds.unwrap_or(default);
        let address = self
            .switch
            .address
            .expect("a lab's switches have addresses");
        let ip = |arguments: &str| {
            let words: Vec<&str> = arguments.split_whitespace().collect();
            run(namespace, "ip", &words).unwrap_or_else(|error| panic!("ip {arguments}: {error}"));
        };
        ip(&format!("link add br0 address {address} type bridge"));
        ip(&format!(
            "link set br0 type bridge hello_time {} max_age {} forward_delay {} priority {priority} stp_state 1",
            centi(stp.hello, 2),
            centi(stp.max_age, 20),
            centi(stp.forward_delay, 15),
        ));
        for port in &self.switch.ports {
            let name = &port.name;
            let cost = match port.settings.cost {
                Some(Cost::Fixed(cost)) => cost,
                Some(Cost::Auto) | None => COST,
            };
            let priority = port.settings.priority.unwrap_or(128) / PRIORITY_UNIT;
            ip(&format!("link set {name} down"));
            ip(&format!("link set {name} master br0"));
            ip(&format!(
                "link set {name} type bridge_slave cost {cost} priority {priority}"
            ));
        }
        ip("link set br0 up");
        for port in &self.switch.ports {
            ip(&format!("link set {} up", port.name));
        }
    }

    /// What it says of itself. It has no word for roles.
    ///
    /// # Panics
    /// When there is no bridge.
    pub(super) fn state(&self, namespace: &Namespace) -> SwitchState {
        let names = || self.switch.ports.iter().map(|port| port.name.as_str());
        let text = run(namespace, "ip", &["-j", "-d", "link", "show", "br0"]).expect("ip link");
        let json: Value = serde_json::from_str(&text).expect("json");
        let facts = &json[0]["linkinfo"]["info_data"];
        let number = |key: &str| facts[key].as_u64().expect("a number");
        // Numbers are given in the order of enslaving, from 1.
        let root_port = usize::try_from(number("root_port")).expect("few ports");
        let root_port = root_port
            .checked_sub(1)
            .and_then(|index| names().nth(index));
        // A port without carrier remembers what it knew before.
        let alive = |name: &&str| kernel_bridge::port_state(namespace, name) != "disabled";
        let told_by = root_port
            .or_else(|| names().find(alive))
            .expect("a live port");
        let (priority, address) = kernel_bridge::root(namespace, told_by);
        let view = |name: &str| {
            let state = kernel_bridge::port_state(namespace, name);
            let port = PortView {
                role: String::new(),
                link: state != "disabled",
                state,
                held: String::new(),
                mode: switchd::config::PortMode::default(),
            };
            (name.to_owned(), port)
        };
        SwitchState {
            root: Some(format!("{priority}.{address}")),
            root_path_cost: u32::try_from(number("root_path_cost")).expect("32 bits"),
            root_port: root_port.map(str::to_owned),
            ports: names().map(view).collect::<BTreeMap<_, _>>(),
        }
    }

    /// Empties its table.
    ///
    /// # Panics
    /// When there is no bridge.
    pub(super) fn flush(namespace: &Namespace) {
        let words = ["link", "set", "br0", "type", "bridge", "fdb_flush"];
        run(namespace, "ip", &words).expect("ip link");
    }

    /// What it has learned; it is not aware of VLANs, so all in VLAN 1.
    ///
    /// # Panics
    /// When there is no bridge.
    pub(super) fn cam(namespace: &Namespace) -> Cam {
        let text = run(namespace, "bridge", &["-j", "fdb", "show", "br", "br0"]).expect("bridge");
        let json: Value = serde_json::from_str(&text).expect("json");
        let entries = json.as_array().expect("a list").iter();
        let learned = entries.filter(|entry| {
            entry["state"] != "permanent" && entry["flags"].as_array().is_none_or(Vec::is_empty)
        });
        let row = |entry: &Value| {
            let mac: MacAddr = entry["mac"]
                .as_str()
                .expect("a text")
                .parse()
                .expect("an address");
            let port = entry["ifname"].as_str().expect("a text");
            (1, mac, port.to_owned())
        };
        learned.map(row).collect()
    }
}

fn ends_at(link: &Link, node: &str) -> bool {
    link.endpoints.iter().any(|end| end.node == node)
}

fn interface(port: &labs::topology::SwitchPort) -> HostPort {
    let Wire::Link(link) = port.wire else {
        panic!("{}: not wired", port.name)
    };
    HostPort {
        name: port.name.clone(),
        addresses: Vec::new(),
        mac: None,
        mtu: None,
        link,
    }
}
