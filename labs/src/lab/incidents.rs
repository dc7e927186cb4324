//! Steps about things that go wrong, or are done to the wires, on the real backend.

use pnet::datalink::{self, Channel, Config};
use switchd::config::{PortKind, PortSettings};
use switchd::control::Command;

use super::build::Site;
use super::state::Record;
use super::wiring::{self, Medium};
use super::{Lab, LabError, Outcome, power};
use crate::hub::Request;
use crate::sim::{LinkState, Power, experimental};
use crate::topology::{Endpoint, Frames, Incident, MacSubject, Recipient};

/// Does it.
pub(super) fn run(lab: &Lab, incident: &Incident) -> Result<Outcome, LabError> {
    match incident {
        Incident::Silence(endpoint) => {
            let site = Site::of(lab, &|_| {});
            let (index, _) = wiring::link_at(&site, endpoint)?;
            wiring::tell_hub(&site, index, &Request::State(LinkState::Silent))?;
            Ok(Outcome::done(format!("link silent at {endpoint}")))
        }
        Incident::Change {
            endpoint,
            impairment,
            one_way,
        } => {
            let site = Site::of(lab, &|_| {});
            let (index, link) = wiring::link_at(&site, endpoint)?;
            let end = link.endpoints.iter().position(|end| end == endpoint);
            let change = Request::Change {
                end: end.unwrap_or_default(),
                impairment: *impairment,
                one_way: *one_way,
            };
            wiring::tell_hub(&site, index, &change)?;
            Ok(Outcome::done(format!("what {endpoint} sends has changed")))
        }
        Incident::Switch { switch, power } => {
            power::set(lab, switch, *power)?;
            let word = match power {
                Power::On => "up",
                Power::Off => "down",
                Power::Frozen => "frozen",
            };
            Ok(Outcome::done(format!("switch {switch} {word}")))
        }
        Incident::Connect { endpoints, .. } => connect(lab, endpoints),
        Incident::Send(frames) => send(lab, frames),
    }
}

/// The cable first, then the ports.
fn connect(lab: &Lab, endpoints: &[Endpoint]) -> Result<Outcome, LabError> {
    let site = Site::of(lab, &|_| {});
    let first = endpoints.first();
    let Some(first) = first else {
        return Err(LabError::Other("a link has two ends or more".to_owned()));
    };
    // A switch that is off takes no port.
    let nodes = endpoints.iter().map(|end| lab.client(&end.node));
    nodes.collect::<Result<Vec<_>, _>>()?;
    let (index, _) = wiring::link_at(&site, first)?;
    if wiring::medium(site.whole, index) == Medium::Hub {
        site.make_namespace(&site.namespace_name(&wiring::hub_node(index)))?;
    }
    wiring::lay(&site, index)?;
    for endpoint in endpoints {
        let command = Command::AddPort {
            port: endpoint.port.clone(),
            kind: Some(PortKind::Packet),
            settings: PortSettings::default(),
        };
        lab.ask(&endpoint.node, &command)?;
    }
    site.journal.write(&Record::Connected { link: index })?;
    let ends: Vec<String> = endpoints.iter().map(ToString::to_string).collect();
    Ok(Outcome::done(format!("connected {}", ends.join(", "))))
}

/// Frames that leave the interface as if its owner had sent them.
fn send(lab: &Lab, frames: &Frames) -> Result<Outcome, LabError> {
    let Endpoint { node, port } = &frames.from;
    let namespace = lab.namespace(node)?;
    let source = match frames.source {
        Some(source) => source,
        None => super::steps::mac_of(lab, &MacSubject::Port(frames.from.clone()))?,
    };
    let to = match &frames.to {
        Recipient::Address(address) => *address,
        Recipient::Vm(vm) => super::steps::mac_of(lab, &MacSubject::Vm(vm.clone()))?,
        Recipient::Port(port) => super::steps::mac_of(lab, &MacSubject::Port(port.clone()))?,
    };
    let octets = experimental(to, source, frames).to_vec();
    let failed = |source| LabError::io(format!("send from {}", frames.from), source);
    let sent = namespace.run(|| inject(port, &octets, frames.count))?;
    sent.map_err(failed)?;
    let plural = if frames.count == 1 { "frame" } else { "frames" };
    Ok(Outcome::done(format!(
        "{} sent {} {plural} to {to}",
        frames.from, frames.count
    )))
}

/// In the namespace of the calling thread.
fn inject(interface: &str, frame: &[u8], count: u32) -> std::io::Result<()> {
    let gone = || std::io::Error::from(std::io::ErrorKind::NotFound);
    let mut interfaces = datalink::interfaces().into_iter();
    let found = interfaces.find(|known| known.name == interface);
    let config = Config {
        write_buffer_size: frame.len().max(Config::default().write_buffer_size),
        promiscuous: false,
        ..Config::default()
    };
    let channel = datalink::channel(&found.ok_or_else(gone)?, config)?;
    let Channel::Ethernet(mut sender, _) = channel else {
        return Err(gone());
    };
    for _ in 0..count {
        sender.send_to(frame, None).ok_or_else(gone)??;
    }
    Ok(())
}
