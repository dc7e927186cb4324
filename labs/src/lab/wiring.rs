//! Cables: veth pairs, shared segments, and the taps that hosts and VMs get from their switch.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use super::LabError;
use super::build::{self, Site};
use crate::netns::{Namespace, VethEnd, add_veth};
use crate::topology::{Endpoint, Host, HostPort, Link, NodeKind, Topology, Wire};

/// MTU of interfaces between switches: a frame of 9,216 octets less its header of 14; the kernel lets a tag
/// pass on top of it.
const SWITCH_MTU: u32 = 9202;

/// How a link is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Medium {
    /// Both ends are switches, or both hosts: a veth pair.
    Veth,
    /// A switch and a host: a tap of the switch, its kernel end at the host.
    Tap,
    /// More than two ends.
    Hub,
}

pub(super) fn medium(topology: &Topology, link: &Link) -> Medium {
    let hosts = link
        .endpoints
        .iter()
        .filter(|end| topology.host(&end.node).is_some())
        .count();
    match (link.endpoints.len(), hosts) {
        (2, 1) => Medium::Tap,
        (2, _) => Medium::Veth,
        _ => Medium::Hub,
    }
}

/// The node name of the hub of a shared segment. Node names have no dot, so it is nobody else's.
pub(super) fn hub_node(link: usize) -> String {
    format!("hub.{link}")
}

/// Makes the link `index`, except taps, which come with the switch.
pub(super) fn lay(site: &Site<'_>, index: usize) -> Result<(), LabError> {
    let link = &site.topology.links[index];
    match (medium(site.topology, link), link.endpoints.as_slice()) {
        (Medium::Veth, [one, other]) => {
            let (a, b) = (site.namespace(&one.node)?, site.namespace(&other.node)?);
            Ok(add_veth(
                end(site.topology, one, &a),
                end(site.topology, other, &b),
            )?)
        }
        (Medium::Hub, endpoints) => lay_segment(site, index, endpoints),
        (Medium::Tap | Medium::Veth, _) => Ok(()),
    }
}

fn end<'a>(topology: &Topology, endpoint: &'a Endpoint, namespace: &'a Namespace) -> VethEnd<'a> {
    let port = host_port(topology, endpoint);
    VethEnd {
        mac: port.and_then(|port| port.mac),
        mtu: port.map_or(Some(SWITCH_MTU), |port| port.mtu),
        ..VethEnd::new(namespace, &endpoint.port)
    }
}

fn host_port<'t>(topology: &'t Topology, endpoint: &Endpoint) -> Option<&'t HostPort> {
    let host = topology.host(&endpoint.node)?;
    host.ports.iter().find(|port| port.name == endpoint.port)
}

/// Starts the hub of a shared segment and hands its taps out.
fn lay_segment(site: &Site<'_>, index: usize, endpoints: &[Endpoint]) -> Result<(), LabError> {
    let node = hub_node(index);
    let namespace = site.namespace(&node)?;
    let failed = |reason: String| LabError::Start {
        node: node.clone(),
        program: "labs hub",
        reason,
    };
    let log = site.dir().join(format!("{node}.log"));
    let stderr = std::fs::File::create(&log)
        .map_err(|source| LabError::io(format!("write {}", log.display()), source))?;
    let mut command = Command::new(build::program("labs")?);
    command
        .args(["hub", &endpoints.len().to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(stderr);
    let mut child = build::spawn(&site.journal, &namespace, &node, "hub", &mut command)?;
    let mut line = String::new();
    if let Some(stdout) = child.stdout.take() {
        BufReader::new(stdout)
            .read_line(&mut line)
            .map_err(|error| failed(error.to_string()))?;
    }
    if line.trim() != crate::hub::READY {
        return Err(failed(build::last_words(&log)));
    }
    let net = namespace.net()?;
    for (number, endpoint) in endpoints.iter().enumerate() {
        let to = site.namespace(&endpoint.node)?;
        net.move_link(&crate::hub::tap_name(number), &to, &endpoint.port)?;
        let there = to.net()?;
        let port = host_port(site.topology, endpoint);
        if let Some(mac) = port.and_then(|port| port.mac) {
            there.set_mac(&endpoint.port, mac)?;
        }
        if let Some(mtu) = port.map_or(Some(SWITCH_MTU), |port| port.mtu) {
            there.set_mtu(&endpoint.port, mtu)?;
        }
        there.set_up(&endpoint.port, true)?;
    }
    Ok(())
}

/// Gives the host `name` its interfaces and addresses, and its vSwitch's VM ports.
pub(super) fn furnish(site: &Site<'_>, name: &str) -> Result<(), LabError> {
    let Some(host) = site.topology.host(name) else {
        return Ok(());
    };
    let namespace = site.namespace(name)?;
    let net = namespace.net()?;
    net.set_up("lo", true)?;
    for port in &host.ports {
        let link = &site.topology.links[port.link];
        if medium(site.topology, link) == Medium::Tap {
            for end in link
                .endpoints
                .iter()
                .filter(|end| site.topology.switch(&end.node).is_some())
            {
                site.namespace(&end.node)?
                    .net()?
                    .move_link(&end.port, &namespace, &port.name)?;
            }
            if let Some(mac) = port.mac {
                net.set_mac(&port.name, mac)?;
            }
            if let Some(mtu) = port.mtu {
                net.set_mtu(&port.name, mtu)?;
            }
            net.set_up(&port.name, true)?;
        }
        for address in &port.addresses {
            if address.ip.is_ipv6() {
                namespace.enable_ipv6(&port.name)?;
            }
            net.add_address(&port.name, address.ip, address.prefix)?;
        }
    }
    if let Some(gateway) = host.gateway {
        net.add_default_route(gateway)?;
    }
    plug_vms(site, host, &namespace)
}

/// The port of each VM is an interface of the VM's name at every host; the VM's process uses the one where it runs.
fn plug_vms(site: &Site<'_>, host: &Host, namespace: &Namespace) -> Result<(), LabError> {
    let Some(vswitch) = &host.vswitch else {
        return Ok(());
    };
    let ports = site
        .topology
        .switch(vswitch)
        .map_or(&[][..], |switch| &switch.ports);
    for port in ports {
        if let Wire::Vm(vm) = &port.wire {
            site.namespace(vswitch)?
                .net()?
                .move_link(&port.name, namespace, vm)?;
            namespace.net()?.set_up(vm, true)?;
        }
    }
    Ok(())
}

/// Takes the carrier of a link away at both ends, or gives it back. `endpoint` is one of its ends; of a shared segment
/// only that end is unplugged.
pub(super) fn set_carrier(lab: &super::Lab, endpoint: &Endpoint, up: bool) -> Result<(), LabError> {
    let topology = &lab.topology;
    let Some((_, link)) = topology.link_at(endpoint) else {
        return Err(LabError::Other(format!("no link ends at {endpoint}")));
    };
    if medium(topology, link) == Medium::Tap {
        // The tap's own carrier: the switch lets go of it, and the host sees the cable pulled.
        let switch = link
            .endpoints
            .iter()
            .find(|end| topology.switch(&end.node).is_some());
        let Some(end) = switch else { return Ok(()) };
        let settings = switchd::config::PortSettings {
            down: Some(!up),
            ..switchd::config::PortSettings::default()
        };
        let command = switchd::control::Command::SetPort {
            port: end.port.clone(),
            settings,
        };
        let called = lab.client(&end.node)?.call(&command);
        return called
            .map(drop)
            .map_err(|error| LabError::switch(&end.node, error));
    }
    let net = lab.namespace(&endpoint.node)?.net()?;
    net.set_up(&endpoint.port, up)?;
    match topology.node(&endpoint.node).map(|node| &node.kind) {
        // The kernel has dropped the routes with the carrier; connected ones return by themselves.
        Some(NodeKind::Host(Host {
            gateway: Some(gateway),
            ..
        })) if up => {
            // It may not have been by this interface: then it is still there.
            let _ = net.add_default_route(*gateway);
            Ok(())
        }
        Some(NodeKind::Host(_) | NodeKind::Switch(_) | NodeKind::Vm(_)) | None => Ok(()),
    }
}
