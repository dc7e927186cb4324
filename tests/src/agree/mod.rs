//! One lab file on both backends: what must be the same, and how it is told.
//!
//! A run is cut into phases: from the start to the first disturbance, and from each disturbance (a step that changes a link,
//! a switch or a setting) to the next. At the end of a phase, when nothing moves any more, everything is looked at: every switch's
//! root, cost and root port, every port's role and state. Then all CAMs are emptied and filled by a defined exchange:
//! every host sends one broadcast, then pings the next host of the file; which pings come back and what every CAM holds
//! must be the same too.

mod kernel;
pub mod real;
pub mod sim;
pub mod span;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use labs::lab::PortView;
use labs::topology::{Endpoint, Incident, Step, StepKind, Topology};
use pnet_base::MacAddr;

pub use span::Span;

/// What a switch says of itself when the tree stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SwitchState {
    /// Priority and address of the root; `None` without spanning tree.
    pub root: Option<String>,
    /// Cost of the way there.
    pub root_path_cost: u32,
    /// The port towards it.
    pub root_port: Option<String>,
    /// Role, state and carrier of every port.
    pub ports: BTreeMap<String, PortView>,
}

/// Every switch of a lab that runs.
pub type LabState = BTreeMap<String, SwitchState>;

/// Dynamic entries: VLAN, address, port.
pub type Cam = BTreeSet<(u16, MacAddr, String)>;

/// What a defined exchange has left, and what it has shown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Exchange {
    /// By switch.
    pub cams: BTreeMap<String, Cam>,
    /// Who pinged whom, and whether it came back.
    pub pings: BTreeMap<(String, String), bool>,
}

/// What a phase has come to.
#[derive(Debug, Clone)]
pub struct Phase {
    /// Where the tree stands.
    pub state: LabState,
    /// What the exchange did.
    pub exchange: Exchange,
    /// When the tree moved; `None`: it did not.
    pub span: Option<Span>,
}

/// The steps that disturb, each of which begins a phase after the first.
#[must_use]
pub fn disturbances(topology: &Topology) -> Vec<Step> {
    let disturbs = |step: &&Step| match &step.kind {
        StepKind::Link { .. } | StepKind::Set(_) => true,
        // Frames are sent by the exchange.
        StepKind::Incident(Incident::Send(_)) => false,
        StepKind::Incident(_) => true,
        StepKind::Wait(_) | StepKind::WaitConverged(_) | StepKind::Check(_) => false,
        StepKind::Migrate { .. } => panic!("{}:{}: no machine runs here", topology.file, step.at),
    };
    topology.steps.iter().filter(disturbs).cloned().collect()
}

/// A disturbance in words.
#[must_use]
pub fn words(step: &Step) -> String {
    match &step.kind {
        StepKind::Link { endpoint, change } => format!("link {change:?} {endpoint}").to_lowercase(),
        StepKind::Set(setting) => setting.to_string(),
        StepKind::Incident(Incident::Silence(endpoint)) => format!("link silent {endpoint}"),
        StepKind::Incident(Incident::Change { endpoint, .. }) => format!("change {endpoint}"),
        StepKind::Incident(Incident::Switch { switch, power }) => {
            format!("switch {power:?} {switch}").to_lowercase()
        }
        StepKind::Incident(Incident::Connect { endpoints, .. }) => {
            let ends: Vec<String> = endpoints.iter().map(ToString::to_string).collect();
            format!("connect {}", ends.join(" "))
        }
        StepKind::Wait(_)
        | StepKind::WaitConverged(_)
        | StepKind::Check(_)
        | StepKind::Migrate { .. }
        | StepKind::Incident(Incident::Send(_)) => format!("line {}", step.at.line),
    }
}

/// A host's interface that takes part in the exchange.
#[derive(Debug, Clone)]
pub struct Speaker {
    /// The interface.
    pub endpoint: Endpoint,
    /// Its MAC address.
    pub mac: MacAddr,
    /// Its address.
    pub ip: Ipv4Addr,
}

/// Every host's first interface, in file order; hosts without an IPv4 address are silent.
#[must_use]
pub fn speakers(topology: &Topology) -> Vec<Speaker> {
    let speaker = |(name, host): (&str, &labs::topology::Host)| {
        let port = host.ports.first()?;
        let IpAddr::V4(ip) = port.addresses.first()?.ip else {
            return None;
        };
        Some(Speaker {
            endpoint: Endpoint {
                node: name.to_owned(),
                port: port.name.clone(),
            },
            mac: port.mac.expect("a lab's interfaces have addresses"),
            ip,
        })
    };
    topology.hosts().filter_map(speaker).collect()
}

/// Who pings whom: each host the next, the last the first.
#[must_use]
pub fn pairs(topology: &Topology) -> Vec<(Speaker, Speaker)> {
    let from = speakers(topology);
    let to = from.iter().cycle().skip(1).cloned();
    from.iter().cloned().zip(to).collect()
}

/// How many switches lie between the root and the switch that is farthest from it, itself counted.
#[must_use]
pub fn depth(topology: &Topology, state: &LabState) -> u32 {
    let topology = &topology.connected(|_| true);
    let mut deepest = 0;
    for start in state.keys() {
        let (mut at, mut hops) = (start.as_str(), 0);
        while let Some(up) = upstream(topology, state, at).filter(|_| hops < state.len()) {
            (at, hops) = (up, hops + 1);
        }
        deepest = deepest.max(hops);
    }
    u32::try_from(deepest).expect("a lab has few switches")
}

/// The switch a root port looks at: of those on its link, the one nearest to the root.
fn upstream<'a>(topology: &Topology, state: &'a LabState, switch: &str) -> Option<&'a str> {
    let port = state[switch].root_port.clone()?;
    let end = Endpoint {
        node: switch.to_owned(),
        port,
    };
    let (_, link) = topology.link_at(&end)?;
    let others = link.endpoints.iter().filter(|other| other.node != switch);
    let known = others.filter_map(|other| state.get_key_value(&other.node));
    let nearest = known.min_by_key(|(_, other)| other.root_path_cost)?;
    Some(nearest.0)
}
