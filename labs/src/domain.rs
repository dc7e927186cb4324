//! Whether a VM's move stays within its layer-2 domain: both hosts must be reached by every VLAN of the VM, and by the one
//! the copy goes over. Asked before anything is copied.
//!
//! The way is looked for along the cables, through ports that carry the VLAN and forward in its tree: where VLANs have
//! several trees, each goes its own way. If there is none, the answer names the first port where it stops, on the way with
//! the fewest such ports.

use core::fmt;
use core::net::IpAddr;
use std::collections::{BTreeMap, BTreeSet};

use switchd::config::VlanNumber;

use crate::lab::View;
use crate::topology::{Endpoint, NodeKind, Topology, Vm};

/// Where a VLAN stops.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stop {
    /// Whose VLAN it is.
    pub(crate) whose: String,
    pub(crate) vlan: VlanNumber,
    /// The first port, if there is a way at all.
    pub(crate) at: Option<Barrier>,
}

/// A port that a VLAN does not pass, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Barrier {
    pub(crate) port: Endpoint,
    pub(crate) why: Why,
}

/// Why a VLAN does not pass a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// Its switch is off, frozen or gone, or has no such port.
    Mute,
    NoCarrier,
    /// It is not in the VLAN.
    Missing,
    /// Its frames come tagged, and it takes the VLAN untagged.
    UntaggedOnly,
    /// The other way round.
    TaggedOnly,
    /// Its switch keeps trees for VLANs, and none for this one.
    NoTree,
    /// It is in this state.
    State(String),
}

impl Why {
    /// How hard it is to pass. A port that spanning tree holds back is where the way does not go; one that lacks the VLAN
    /// is where somebody forgot it.
    const fn weight(&self) -> u32 {
        match self {
            Self::Missing | Self::UntaggedOnly | Self::TaggedOnly | Self::NoTree => 1,
            Self::Mute | Self::NoCarrier | Self::State(_) => 1_000,
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mute => f.write_str("cannot be asked"),
            Self::NoCarrier => f.write_str("has no carrier"),
            Self::Missing => f.write_str("does not carry it"),
            Self::UntaggedOnly => f.write_str("takes it untagged only"),
            Self::TaggedOnly => f.write_str("takes it tagged only"),
            Self::NoTree => f.write_str("is on a switch that keeps no tree for it"),
            Self::State(state) => write!(f, "is {state}"),
        }
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { whose, vlan, at } = self;
        write!(f, "VLAN {vlan} of {whose} ")?;
        match at {
            Some(Barrier { port, why }) => write!(f, "stops at {port}, which {why}"),
            None => f.write_str("has no way there: no cable leads to it"),
        }
    }
}

/// The network as it is now.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Domain<'a> {
    pub(crate) topology: &'a Topology,
    pub(crate) view: &'a View,
}

impl Domain<'_> {
    /// The first thing that keeps `vm` from moving between these hosts: its own VLAN, then the one the copy takes.
    pub(crate) fn stop(&self, name: &str, vm: &Vm, from: &str, to: &str) -> Option<Stop> {
        let vswitch = |host: &str| self.topology.host(host)?.vswitch.clone();
        let vlan = vm.vlan.unwrap_or(VlanNumber::DEFAULT);
        let (here, there) = (vswitch(from)?, vswitch(to)?);
        let stop = |whose: String, vlan, way: Result<(), Option<Barrier>>| {
            way.err().map(|at| Stop { whose, vlan, at })
        };
        stop(name.to_owned(), vlan, self.way(vlan, &here, &there)).or_else(|| {
            let (near, far) = (self.vmkernel(from)?, self.vmkernel(to)?);
            let vlan = self.untagged(&near).unwrap_or(VlanNumber::DEFAULT);
            let whose = "the migration's copy".to_owned();
            let way = self.way(vlan, &near.node, &far.node);
            let last = || self.fault(&far, vlan, false).map(Some);
            stop(whose, vlan, way.and_then(|()| last().map_or(Ok(()), Err)))
        })
    }

    /// The switch's port that a host's VMkernel interface is plugged into: that of its first IPv4 address.
    fn vmkernel(&self, host: &str) -> Option<Endpoint> {
        let ports = &self.topology.host(host)?.ports;
        let is_v4 = |port: &&crate::topology::HostPort| {
            port.addresses
                .iter()
                .any(|address| matches!(address.ip, IpAddr::V4(_)))
        };
        let port = ports.iter().find(is_v4)?;
        let links = self.topology.links.iter();
        let mine = |end: &Endpoint| end.node == host && end.port == port.name;
        let link = links
            .into_iter()
            .find(|link| link.endpoints.iter().any(mine))?;
        link.endpoints
            .iter()
            .find(|end| self.is_switch(&end.node))
            .cloned()
    }

    fn is_switch(&self, node: &str) -> bool {
        let node = self.topology.node(node);
        node.is_some_and(|node| matches!(node.kind, NodeKind::Switch(_)))
    }

    /// Whether a port sends the frames of a VLAN tagged; `None`: it is not in it.
    fn form(&self, end: &Endpoint, vlan: VlanNumber) -> Option<bool> {
        let mode = &self.view.port(end)?.mode;
        let is_member = mode.members().contains(vlan.id());
        is_member.then(|| !mode.untagged().contains(vlan.id()))
    }

    /// The VLAN that untagged frames of a port are in.
    fn untagged(&self, end: &Endpoint) -> Option<VlanNumber> {
        VlanNumber::from_id(self.view.port(end)?.mode.pvid())
    }

    /// Why frames of a VLAN do not pass this port, if they do not; `tagged`: the form in which they come.
    fn fault(&self, end: &Endpoint, vlan: VlanNumber, tagged: bool) -> Option<Barrier> {
        let switch = self.view.switches.get(&end.node);
        let state = switch.and_then(|switch| switch.state_in(&end.port, vlan));
        let why = match (self.view.port(end), self.form(end, vlan), state) {
            (None, _, _) => Why::Mute,
            (Some(port), _, _) if !port.link => Why::NoCarrier,
            (Some(_), None, _) => Why::Missing,
            (Some(_), Some(false), _) if tagged => Why::UntaggedOnly,
            (Some(_), Some(true), _) if !tagged => Why::TaggedOnly,
            (Some(_), Some(_), None) => Why::NoTree,
            (Some(_), Some(_), Some("forwarding")) => return None,
            (Some(_), Some(_), Some(state)) => Why::State(state.to_owned()),
        };
        Some(Barrier {
            port: end.clone(),
            why,
        })
    }

    /// Whether `vlan` gets from switch to switch; if not, where it stops first.
    fn way(&self, vlan: VlanNumber, from: &str, to: &str) -> Result<(), Option<Barrier>> {
        // Dijkstra's shortest way; lengths are (faults, hops).
        type Known = (u32, u32, Option<Barrier>);
        let mut known: BTreeMap<&str, Known> = BTreeMap::from([(from, (0, 0, None))]);
        let mut done: BTreeSet<&str> = BTreeSet::new();
        loop {
            let open = known.iter().filter(|(node, _)| !done.contains(*node));
            let next = open.min_by_key(|(node, (faults, hops, _))| (*faults, *hops, **node));
            let Some((&here, (faults, hops, first))) = next else {
                return Err(None);
            };
            let (faults, hops, first) = (*faults, *hops, first.clone());
            if here == to {
                return first.map_or(Ok(()), |first| Err(Some(first)));
            }
            done.insert(here);
            for link in &self.topology.links {
                let Some(near) = link.endpoints.iter().find(|end| end.node == here) else {
                    continue;
                };
                let tagged = self.form(near, vlan).unwrap_or(true);
                let leaving = self.fault(near, vlan, tagged);
                for far in link.endpoints.iter().filter(|end| *end != near) {
                    if !self.is_switch(&far.node) || done.contains(far.node.as_str()) {
                        continue;
                    }
                    let arriving = self.fault(far, vlan, tagged);
                    let more = weight(leaving.as_ref()) + weight(arriving.as_ref());
                    let length = (faults + more, hops + 1);
                    let place = known.get(far.node.as_str());
                    if place.is_none_or(|place| length < (place.0, place.1)) {
                        let first = first.clone().or_else(|| leaving.clone()).or(arriving);
                        known.insert(&far.node, (length.0, length.1, first));
                    }
                }
            }
        }
    }
}

fn weight(barrier: Option<&Barrier>) -> u32 {
    barrier.map_or(0, |barrier| barrier.why.weight())
}

/// For every VM and every other host that could run it: why the network does not let it move there, if it does not.
pub(crate) fn ways_stopped(
    domain: &Domain<'_>,
    places: &BTreeMap<String, String>,
) -> BTreeMap<(String, String), String> {
    let mut stopped = BTreeMap::new();
    for (vm, settings) in domain.topology.vms() {
        let Some(from) = places.get(vm) else {
            continue;
        };
        let hosts = domain.topology.hosts();
        let hosts = hosts.filter(|(host, settings)| settings.vswitch.is_some() && host != from);
        for (host, _) in hosts {
            if let Some(stop) = domain.stop(vm, settings, from, host) {
                stopped.insert((vm.to_owned(), host.to_owned()), stop.to_string());
            }
        }
    }
    stopped
}
