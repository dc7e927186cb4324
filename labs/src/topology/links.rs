//! `topology.links`, and the wiring of ports to them.

use std::collections::BTreeMap;

use switchd::config::PortSettings;

use super::conditions;
use super::error::{Fault, Position};
use super::fields::{self, Fields};
use super::nodes::{Declared, DeclaredKind, DeclaredPort};
use super::yaml::Value;
use super::{Endpoint, Host, HostPort, Link, Node, NodeKind, SwitchPort, Wire};

/// Most endpoints of one shared segment.
const ENDPOINTS_MAX: usize = 64;

pub(super) fn read(topology: &Fields<'_>, nodes: &[Declared]) -> Result<Vec<Link>, Fault> {
    let Some(value) = topology.get("links") else {
        return Ok(Vec::new());
    };
    let mut used: BTreeMap<Endpoint, Position> = BTreeMap::new();
    let mut links = Vec::new();
    for value in fields::list(value, "links")? {
        let keys = [&["endpoints"], conditions::KEYS].concat();
        let link = Fields::new(value, "a link", &keys)?;
        let ends = link.need("endpoints")?;
        let mut endpoints = Vec::new();
        for end in fields::list(ends, "`endpoints`")? {
            let endpoint = endpoint(end, "endpoints")?;
            check_node(end, &endpoint, nodes)?;
            if let Some(first) = used.insert(endpoint.clone(), end.at) {
                let message = format!(
                    "port {endpoint} is used twice, first on line {}",
                    first.line
                );
                return Err(Fault::new(end.at, message));
            }
            endpoints.push(endpoint);
        }
        check_count(ends, endpoints.len())?;
        links.push(Link {
            conditions: conditions::read(&link, &endpoints)?,
            endpoints,
            at: value.at,
        });
    }
    Ok(links)
}

/// How many endpoints a link has, `ends` being where they are listed.
pub(super) fn check_count(ends: &Value, count: usize) -> Result<(), Fault> {
    if (2..=ENDPOINTS_MAX).contains(&count) {
        return Ok(());
    }
    let message = format!("a link has 2 to {ENDPOINTS_MAX} endpoints, this one {count}");
    Err(Fault::new(ends.at, message))
}

/// `node:port`.
pub(super) fn endpoint(value: &Value, key: &str) -> Result<Endpoint, Fault> {
    let written = fields::text(value, key)?;
    let Some((node, port)) = written.split_once(':') else {
        let message = format!("`{key}`: expected node:port such as sw1:p1, found `{written}`");
        return Err(Fault::new(value.at, message));
    };
    Ok(Endpoint {
        node: node.to_owned(),
        port: super::nodes::port_name(value.at, port)?,
    })
}

fn check_node(value: &Value, endpoint: &Endpoint, nodes: &[Declared]) -> Result<(), Fault> {
    let Some(node) = nodes.iter().find(|node| node.name == endpoint.node) else {
        return Err(unknown_node(
            value.at,
            &endpoint.node,
            nodes.iter().map(|node| node.name.as_str()),
        ));
    };
    match &node.kind {
        DeclaredKind::Switch(..) | DeclaredKind::Host { .. } => Ok(()),
        DeclaredKind::Vm(vm, _) => {
            let message = format!(
                "`{}` is a VM: it plugs into the vSwitch of its host `{}`, not into a link",
                node.name, vm.host
            );
            Err(Fault::new(value.at, message))
        }
    }
}

pub(super) fn unknown_node<'k>(
    at: Position,
    name: &str,
    known: impl IntoIterator<Item = &'k str>,
) -> Fault {
    Fault::new(at, format!("there is no node `{name}`")).near(name, known)
}

/// Joins what nodes declare about ports with the links that end there.
pub(super) fn wire(declared: Vec<Declared>, links: &[Link]) -> Result<Vec<Node>, Fault> {
    let vswitches = vswitches(&declared)?;
    let vms: Vec<(String, Position, PortSettings)> = declared.iter().filter_map(vm_port).collect();
    for node in &declared {
        if let DeclaredKind::Vm(vm, at) = &node.kind {
            check_vm_host(&vm.host, *at, &vswitches, &declared)?;
        }
    }
    let mut nodes = Vec::new();
    for node in declared {
        let ends = ends_at(&node.name, links);
        let kind = match node.kind {
            DeclaredKind::Switch(mut switch, ports) => {
                check_wired(&node.name, &ports, &ends)?;
                let mut ports: BTreeMap<String, PortSettings> = ports
                    .into_iter()
                    .map(|port| (port.name, port.settings))
                    .collect();
                for (name, link) in ends {
                    let settings = ports.remove(&name).unwrap_or_default();
                    let wire = Wire::Link(link);
                    switch.ports.push(SwitchPort {
                        name,
                        settings,
                        wire,
                    });
                }
                if vswitches.contains_key(&node.name) {
                    add_vm_ports(&node.name, &mut switch.ports, &vms)?;
                }
                NodeKind::Switch(switch)
            }
            DeclaredKind::Host {
                vswitch,
                gateway,
                ports,
            } => {
                check_wired(&node.name, &ports, &ends)?;
                let mut ports: BTreeMap<_, _> = ports
                    .into_iter()
                    .map(|port| (port.name, port.settings))
                    .collect();
                let ports = ends.into_iter().map(|(name, link)| {
                    let settings = ports.remove(&name).unwrap_or_default();
                    HostPort {
                        name,
                        addresses: settings.addresses,
                        mac: settings.mac,
                        mtu: settings.mtu,
                        link,
                    }
                });
                NodeKind::Host(Host {
                    vswitch: vswitch.map(|(name, _)| name),
                    ports: ports.collect(),
                    gateway,
                })
            }
            DeclaredKind::Vm(vm, _) => NodeKind::Vm(vm),
        };
        nodes.push(Node {
            name: node.name,
            at: node.at,
            kind,
        });
    }
    Ok(nodes)
}

/// Which switch is whose vSwitch.
fn vswitches(nodes: &[Declared]) -> Result<BTreeMap<String, String>, Fault> {
    let mut hosts: BTreeMap<String, String> = BTreeMap::new();
    for node in nodes {
        let DeclaredKind::Host {
            vswitch: Some((name, at)),
            ..
        } = &node.kind
        else {
            continue;
        };
        let is_switch = |node: &&Declared| matches!(node.kind, DeclaredKind::Switch(..));
        if !nodes
            .iter()
            .filter(is_switch)
            .any(|switch| switch.name == *name)
        {
            let known = nodes
                .iter()
                .filter(is_switch)
                .map(|switch| switch.name.as_str());
            return Err(Fault::new(*at, format!("there is no switch `{name}`")).near(name, known));
        }
        if let Some(other) = hosts.insert(name.clone(), node.name.clone()) {
            return Err(Fault::new(
                *at,
                format!("`{name}` is already the vSwitch of `{other}`"),
            ));
        }
    }
    Ok(hosts)
}

fn vm_port(node: &Declared) -> Option<(String, Position, PortSettings)> {
    let DeclaredKind::Vm(vm, _) = &node.kind else {
        return None;
    };
    let settings = PortSettings {
        access: vm.vlan,
        ..PortSettings::default()
    };
    Some((node.name.clone(), node.at, settings))
}

/// Every vSwitch has a port for every VM, so that a VM can arrive anywhere.
fn add_vm_ports(
    switch: &str,
    ports: &mut Vec<SwitchPort>,
    vms: &[(String, Position, PortSettings)],
) -> Result<(), Fault> {
    for (vm, at, settings) in vms {
        super::nodes::port_name(*at, vm)?;
        if ports.iter().any(|port| port.name == *vm) {
            let message = format!(
                "the VM `{vm}` needs a port of its own name on `{switch}`, but that port is in a link"
            );
            return Err(Fault::new(*at, message));
        }
        ports.push(SwitchPort {
            name: vm.clone(),
            settings: settings.clone(),
            wire: Wire::Vm(vm.clone()),
        });
    }
    Ok(())
}

fn check_vm_host(
    host: &str,
    at: Position,
    vswitches: &BTreeMap<String, String>,
    nodes: &[Declared],
) -> Result<(), Fault> {
    if vswitches.values().any(|known| known == host) {
        return Ok(());
    }
    let exists = nodes
        .iter()
        .any(|node| node.name == host && matches!(node.kind, DeclaredKind::Host { .. }));
    let message = if exists {
        format!("the host `{host}` has no vSwitch to plug a VM into: give it the key `vswitch`")
    } else {
        format!("there is no host `{host}`")
    };
    Err(Fault::new(at, message).near(
        host,
        vswitches
            .values()
            .map(String::as_str)
            .filter(|name| *name != host),
    ))
}

/// The ports of `node` that links end at, in the links' order.
fn ends_at(node: &str, links: &[Link]) -> Vec<(String, usize)> {
    let mut ends = Vec::new();
    for (index, link) in links.iter().enumerate() {
        for endpoint in link
            .endpoints
            .iter()
            .filter(|endpoint| endpoint.node == node)
        {
            ends.push((endpoint.port.clone(), index));
        }
    }
    ends
}

/// A declared port that no link ends at is a typo.
fn check_wired<S>(
    node: &str,
    ports: &[DeclaredPort<S>],
    ends: &[(String, usize)],
) -> Result<(), Fault> {
    for port in ports {
        if !ends.iter().any(|(name, _)| *name == port.name) {
            let fault = Fault::new(
                port.at,
                format!("no link ends at port {node}:{}", port.name),
            );
            return Err(fault.near(&port.name, ends.iter().map(|(name, _)| name.as_str())));
        }
    }
    Ok(())
}
