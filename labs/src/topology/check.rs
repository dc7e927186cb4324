//! What must hold between the nodes of a lab: addresses given once, port numbers given once.

use std::collections::BTreeMap;

use pnet_base::MacAddr;

use super::error::Fault;
use super::{Node, NodeKind, Topology};

pub(super) fn check(topology: &Topology) -> Result<(), Fault> {
    unique(&topology.nodes, "MAC address", macs)?;
    unique(&topology.nodes, "IP address", addresses)?;
    for node in &topology.nodes {
        port_numbers(node)?;
    }
    Ok(())
}

fn unique(
    nodes: &[Node],
    what: &str,
    of: impl Fn(&Node) -> Vec<(String, String)>,
) -> Result<(), Fault> {
    let mut owners: BTreeMap<String, String> = BTreeMap::new();
    for node in nodes {
        for (address, owner) in of(node) {
            if let Some(first) = owners.insert(address.clone(), owner.clone()) {
                let message = format!("{owner} has the {what} {address} that {first} has too");
                return Err(Fault::new(node.at, message));
            }
        }
    }
    Ok(())
}

fn macs(node: &Node) -> Vec<(String, String)> {
    let owned = |mac: MacAddr, port: &str| (mac.to_string(), format!("{}:{port}", node.name));
    match &node.kind {
        NodeKind::Switch(switch) => {
            let ports = switch
                .ports
                .iter()
                .filter_map(|port| Some(owned(port.settings.mac?, &port.name)));
            let own = switch
                .address
                .map(|mac| (mac.to_string(), node.name.clone()));
            ports.chain(own).collect()
        }
        NodeKind::Host(host) => host
            .ports
            .iter()
            .filter_map(|port| Some(owned(port.mac?, &port.name)))
            .collect(),
        NodeKind::Vm(vm) => vec![(vm.mac.to_string(), node.name.clone())],
    }
}

fn addresses(node: &Node) -> Vec<(String, String)> {
    match &node.kind {
        NodeKind::Switch(_) => Vec::new(),
        NodeKind::Host(host) => {
            let of = |port: &super::HostPort| {
                let owner = format!("{}:{}", node.name, port.name);
                let owned = port
                    .addresses
                    .iter()
                    .map(move |address| (address.ip.to_string(), owner.clone()));
                owned.collect::<Vec<_>>()
            };
            host.ports.iter().flat_map(of).collect()
        }
        NodeKind::Vm(vm) => vec![(vm.ip.ip.to_string(), node.name.clone())],
    }
}

fn port_numbers(node: &Node) -> Result<(), Fault> {
    let NodeKind::Switch(switch) = &node.kind else {
        return Ok(());
    };
    let mut owners: BTreeMap<u32, &str> = BTreeMap::new();
    for port in &switch.ports {
        let first = port
            .settings
            .number
            .and_then(|number| Some((number, owners.insert(number, &port.name)?)));
        if let Some((number, first)) = first {
            let message = format!(
                "{}: ports `{first}` and `{}` both have number {number}",
                node.name, port.name
            );
            return Err(Fault::new(node.at, message));
        }
    }
    Ok(())
}
