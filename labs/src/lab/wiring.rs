//! Cables: veth pairs, wires that are processes, and the taps that hosts and VMs get from their switch.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::build::{self, Site};
use super::state::{Live, Record};
use super::{Lab, LabError};
use crate::hub::{self, Request};
use crate::netns::{Namespace, VethEnd, add_veth};
use crate::sim::{LinkState, OneWay, Power};
use crate::topology::{
    Endpoint, Host, HostPort, Incident, Link, LinkChange, NodeKind, StepKind, Topology, Wire,
};

/// MTU of interfaces between switches: a frame of 9,216 octets less its header of 14; the kernel lets a tag
/// pass on top of it.
const SWITCH_MTU: u32 = 9202;

/// How a link is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Medium {
    /// A cable that only carries: a veth pair.
    Veth,
    /// A switch and a host: a tap of the switch, its kernel end at the host.
    Tap,
    /// More than two ends, or something happens to its frames: a wire that is a process.
    Hub,
}

/// How the link `index` of a lab with all its `connect` links is made: the fastest way that can do what the file and
/// its steps ask of it.
pub(super) fn medium(whole: &Topology, index: usize) -> Medium {
    let link = &whole.links[index];
    let incidents = || {
        whole.steps.iter().filter_map(|step| match &step.kind {
            StepKind::Incident(incident) => Some(incident),
            StepKind::Wait(_)
            | StepKind::WaitConverged(_)
            | StepKind::Link { .. }
            | StepKind::Set(_)
            | StepKind::Migrate { .. }
            | StepKind::Check(_) => None,
        })
    };
    let hosts = link
        .endpoints
        .iter()
        .filter(|end| whole.host(&end.node).is_some())
        .count();
    if link.endpoints.len() > 2
        || link.conditions.given
        || incidents().any(|incident| touches_frames(incident, link))
    {
        Medium::Hub
    } else if hosts == 1 && !incidents().any(|incident| outlives_tap(incident, link)) {
        Medium::Tap
    } else {
        Medium::Veth
    }
}

/// Whether a step does something to the frames of a link.
fn touches_frames(incident: &Incident, link: &Link) -> bool {
    match incident {
        Incident::Silence(endpoint) | Incident::Change { endpoint, .. } => {
            link.endpoints.contains(endpoint)
        }
        Incident::Switch { .. } | Incident::Connect { .. } | Incident::Send(_) => false,
    }
}

/// Whether a step needs a host's link to have an interface at the switch that does not end with the switch's process.
fn outlives_tap(incident: &Incident, link: &Link) -> bool {
    match incident {
        Incident::Switch { switch, .. } => link.endpoints.iter().any(|end| end.node == *switch),
        Incident::Send(frames) => link.endpoints.contains(&frames.from),
        Incident::Silence(_) | Incident::Change { .. } | Incident::Connect { .. } => false,
    }
}

/// The node name of the hub of a link. Node names have no dot, so it is nobody else's.
pub(super) fn hub_node(link: usize) -> String {
    format!("hub.{link}")
}

/// Makes the link `index`, except taps, which come with the switch.
pub(super) fn lay(site: &Site<'_>, index: usize) -> Result<(), LabError> {
    let link = &site.whole.links[index];
    match (medium(site.whole, index), link.endpoints.as_slice()) {
        (Medium::Veth, [one, other]) => {
            let (a, b) = (site.namespace(&one.node)?, site.namespace(&other.node)?);
            Ok(add_veth(
                end(site.topology, one, &a),
                end(site.topology, other, &b),
            )?)
        }
        (Medium::Hub, _) => lay_hub(site, index, link),
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

/// Starts the process of a wire, tells it what it does to frames, and hands its taps out.
fn lay_hub(site: &Site<'_>, index: usize, link: &Link) -> Result<(), LabError> {
    let namespace = site.namespace(&hub_node(index))?;
    start_hub(site, index, link, &namespace)?;
    let conditions = &link.conditions;
    for (number, endpoint) in link.endpoints.iter().enumerate() {
        let own = conditions.from.iter().find(|(end, ..)| end == endpoint);
        let (impairment, one_way) = own.map_or(
            (conditions.impairment, OneWay::default()),
            |(_, impairment, one_way)| (*impairment, *one_way),
        );
        let change = Request::Change {
            end: number,
            impairment,
            one_way,
        };
        ask_hub(site, index, &change)?;
    }
    let carrier = ask_hub(site, index, &Request::State(conditions.state))?;
    let net = namespace.net()?;
    for ((number, endpoint), carrier) in link.endpoints.iter().enumerate().zip(carrier) {
        let to = site.namespace(&endpoint.node)?;
        net.move_link(&hub::tap_name(number), &to, &endpoint.port)?;
        let there = to.net()?;
        let port = host_port(site.topology, endpoint);
        if let Some(mac) = port.and_then(|port| port.mac) {
            there.set_mac(&endpoint.port, mac)?;
        }
        if let Some(mtu) = port.map_or(Some(SWITCH_MTU), |port| port.mtu) {
            there.set_mtu(&endpoint.port, mtu)?;
        }
        if !carrier {
            there.set_carrier(&endpoint.port, false, &hub_node(index))?;
        }
        there.set_up(&endpoint.port, true)?;
    }
    Ok(())
}

fn start_hub(
    site: &Site<'_>,
    index: usize,
    link: &Link,
    namespace: &Namespace,
) -> Result<(), LabError> {
    let node = hub_node(index);
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
        .args(["hub", &link.endpoints.len().to_string()])
        .args(["--number", &index.to_string()])
        .args(["--speed", &link.conditions.speed.to_string()])
        .arg("--control")
        .arg(hub_socket(site, index))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(stderr);
    let mut child = build::spawn(&site.journal, namespace, &node, "hub", &mut command)?;
    let mut line = String::new();
    if let Some(stdout) = child.stdout.take() {
        BufReader::new(stdout)
            .read_line(&mut line)
            .map_err(|error| failed(error.to_string()))?;
    }
    if line.trim() == hub::READY {
        return Ok(());
    }
    Err(failed(build::last_words(&log)))
}

fn hub_socket(site: &Site<'_>, index: usize) -> PathBuf {
    site.dir().join(format!("{}.sock", hub_node(index)))
}

/// Tells the process of the wire `index` something: who has carrier then.
fn ask_hub(site: &Site<'_>, index: usize, request: &Request) -> Result<Vec<bool>, LabError> {
    let reply = hub::call(&hub_socket(site, index), request);
    let failed = |source| LabError::io(format!("speak to {}", hub_node(index)), source);
    reply.map(|reply| reply.carrier).map_err(failed)
}

/// The same in a lab that is up: the carrier of every end follows.
pub(super) fn tell_hub(site: &Site<'_>, index: usize, request: &Request) -> Result<(), LabError> {
    let carrier = ask_hub(site, index, request)?;
    let ends = &site.whole.links[index].endpoints;
    for (endpoint, carrier) in ends.iter().zip(carrier) {
        let net = site.namespace(&endpoint.node)?.net()?;
        net.set_carrier(&endpoint.port, carrier, &hub_node(index))?;
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
        if medium(site.whole, port.link) == Medium::Tap {
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
    plug_vms_but(site, host, namespace, &[])
}

/// The same for those ports whose interface is not one of `own`: a VM's own card.
pub(super) fn plug_vms_but(
    site: &Site<'_>,
    host: &Host,
    namespace: &Namespace,
    own: &[String],
) -> Result<(), LabError> {
    let Some(vswitch) = &host.vswitch else {
        return Ok(());
    };
    let ports = site
        .topology
        .switch(vswitch)
        .map_or(&[][..], |switch| &switch.ports);
    let net = site.namespace(vswitch)?.net()?;
    let made: Vec<String> = net.links()?.into_iter().map(|link| link.name).collect();
    for port in ports {
        if let Wire::Vm(vm) = &port.wire
            && made.contains(&port.name)
            && !own.contains(&port.name)
        {
            net.move_link(&port.name, namespace, vm)?;
            namespace.net()?.set_up(vm, true)?;
        }
    }
    Ok(())
}

/// The link that ends at `endpoint`, and its number.
pub(super) fn link_at<'a>(
    site: &Site<'a>,
    endpoint: &Endpoint,
) -> Result<(usize, &'a Link), LabError> {
    let missing = || LabError::Other(format!("no link ends at {endpoint}"));
    site.whole.link_at(endpoint).ok_or_else(missing)
}

/// Takes the carrier of a link away at both ends, or gives it back. `endpoint` is one of its ends; of a shared segment
/// only that end is unplugged, and a dead segment heals as a whole.
pub(super) fn set_carrier(
    lab: &Lab,
    endpoint: &Endpoint,
    change: LinkChange,
) -> Result<(), LabError> {
    let site = Site::of(lab, &|_| {});
    let (index, link) = link_at(&site, endpoint)?;
    let up = change == LinkChange::Up;
    match medium(site.whole, index) {
        Medium::Hub if link.endpoints.len() == 2 => {
            let state = if up { LinkState::Up } else { LinkState::Down };
            tell_hub(&site, index, &Request::State(state))
        }
        Medium::Hub => {
            if up {
                tell_hub(&site, index, &Request::State(LinkState::Up))?;
            }
            let end = link.endpoints.iter().position(|end| end == endpoint);
            let plug = Request::Plug {
                end: end.unwrap_or_default(),
                plugged: up,
            };
            tell_hub(&site, index, &plug)
        }
        Medium::Veth => {
            site.journal.write(&Record::Link {
                link: index,
                cut: !up,
            })?;
            sync_veth(&site, index, &lab.live())
        }
        Medium::Tap => set_tap(lab, link, up),
    }
}

/// The tap's own carrier: the switch lets go of it, and the host sees the cable pulled.
fn set_tap(lab: &Lab, link: &Link, up: bool) -> Result<(), LabError> {
    let is_switch = |end: &&Endpoint| lab.topology.switch(&end.node).is_some();
    let Some(end) = link.endpoints.iter().find(is_switch) else {
        return Ok(());
    };
    let settings = switchd::config::PortSettings {
        down: Some(!up),
        ..switchd::config::PortSettings::default()
    };
    let command = switchd::control::Command::SetPort {
        port: end.port.clone(),
        settings,
    };
    lab.ask(&end.node, &command).map(drop)
}

/// Sets the ends of a veth up or down as the lab now is. One end that is down is enough to take the carrier of both; all
/// that are switches' are set down, because of that the kernel tells at once. Of a host's interface it would forget the
/// routes.
pub(super) fn sync_veth(site: &Site<'_>, index: usize, live: &Live) -> Result<(), LabError> {
    let link = &site.whole.links[index];
    let is_host = |end: &Endpoint| site.whole.host(&end.node).is_some();
    let hosts_only = link.endpoints.iter().all(is_host);
    let is_off = |end: &Endpoint| live.power(&end.node) == Power::Off;
    let cut = live.is_cut(index) || link.endpoints.iter().any(is_off);
    for end in &link.endpoints {
        let up = !cut || (is_host(end) && !hosts_only);
        let net = site.namespace(&end.node)?.net()?;
        net.set_up(&end.port, up)?;
        let host = site.whole.node(&end.node).map(|node| &node.kind);
        if let Some(NodeKind::Host(Host {
            gateway: Some(gateway),
            ..
        })) = host
            && up
        {
            // It may not have been by this interface: then it is still there. Connected routes return by themselves.
            let _ = net.add_default_route(*gateway);
        }
    }
    Ok(())
}
