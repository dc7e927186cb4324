//! Whether a VM's move stays within its layer-2 domain: both hosts must be reached by every VLAN of the VM, and by the one
//! the copy goes over. Asked before anything is copied.
//!
//! The way is looked for along the cables, through ports that carry the VLAN and forward. If there is none, the answer
//! names the first port where it stops, on the way with the fewest such ports.

use core::fmt;
use core::net::IpAddr;
use std::collections::{BTreeMap, BTreeSet};

use switchd::config::VlanNumber;
use switchd::control::{Command, Reply};

use crate::lab::{Lab, LabError, View};
use crate::topology::{Endpoint, NodeKind, Topology, Vm};

/// The VLANs of every port, and whether it sends each of them tagged.
#[derive(Clone, Debug, Default)]
pub(crate) struct Membership(BTreeMap<(String, String), BTreeMap<VlanNumber, bool>>);

impl Membership {
    /// Says that this port carries a VLAN.
    pub(crate) fn add(&mut self, switch: &str, port: &str, vlan: VlanNumber, tagged: bool) {
        let of_port = self.0.entry((switch.to_owned(), port.to_owned()));
        of_port.or_default().insert(vlan, tagged);
    }

    /// What the switches of a lab say that can be asked.
    pub(crate) fn of(lab: &Lab, view: &View) -> Result<Self, LabError> {
        let mut all = Self::default();
        for switch in view.switches.keys() {
            let Reply::Vlans { vlans } = lab.ask(switch, &Command::ShowVlan)? else {
                continue;
            };
            for line in vlans {
                for (ports, tagged) in [(&line.untagged, false), (&line.tagged, true)] {
                    for port in ports {
                        all.add(switch, port, line.vlan, tagged);
                    }
                }
            }
        }
        Ok(all)
    }

    fn form(&self, end: &Endpoint, vlan: VlanNumber) -> Option<bool> {
        let of_port = self.0.get(&(end.node.clone(), end.port.clone()))?;
        of_port.get(&vlan).copied()
    }

    /// The VLAN that untagged frames of a port are in.
    fn untagged(&self, end: &Endpoint) -> Option<VlanNumber> {
        let of_port = self.0.get(&(end.node.clone(), end.port.clone()))?;
        of_port
            .iter()
            .find(|(_, tagged)| !**tagged)
            .map(|(vlan, _)| *vlan)
    }
}

/// Where a VLAN stops.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stop {
    /// Whose VLAN it is.
    pub(crate) whose: String,
    pub(crate) vlan: VlanNumber,
    /// The first port, if there is a way at all.
    pub(crate) at: Option<(Endpoint, String)>,
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { whose, vlan, at } = self;
        write!(f, "VLAN {vlan} of {whose} ")?;
        match at {
            Some((port, why)) => write!(f, "stops at {port}, which {why}"),
            None => f.write_str("has no way there: no cable leads to it"),
        }
    }
}

/// The network as it is now.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Domain<'a> {
    pub(crate) topology: &'a Topology,
    pub(crate) view: &'a View,
    pub(crate) members: &'a Membership,
}

impl Domain<'_> {
    /// The first thing that keeps `vm` from moving between these hosts: its own VLAN, then the one the copy takes.
    pub(crate) fn stop(&self, name: &str, vm: &Vm, from: &str, to: &str) -> Option<Stop> {
        let vswitch = |host: &str| self.topology.host(host)?.vswitch.clone();
        let vlan = vm.vlan.unwrap_or(VlanNumber::DEFAULT);
        let (here, there) = (vswitch(from)?, vswitch(to)?);
        let stop = |whose: String, vlan, way: Result<(), Option<(Endpoint, String)>>| {
            way.err().map(|at| Stop { whose, vlan, at })
        };
        stop(name.to_owned(), vlan, self.way(vlan, &here, &there)).or_else(|| {
            let (near, far) = (self.vmkernel(from)?, self.vmkernel(to)?);
            let vlan = self.members.untagged(&near).unwrap_or(VlanNumber::DEFAULT);
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

    /// Why frames of a VLAN do not pass this port, if they do not; `tagged`: the form in which they come.
    fn fault(&self, end: &Endpoint, vlan: VlanNumber, tagged: bool) -> Option<(Endpoint, String)> {
        let why = match (self.view.port(end), self.members.form(end, vlan)) {
            (None, _) => "cannot be asked".to_owned(),
            (Some(port), _) if !port.link => "has no carrier".to_owned(),
            (Some(_), None) => "does not carry it".to_owned(),
            (Some(_), Some(false)) if tagged => "takes it untagged only".to_owned(),
            (Some(_), Some(true)) if !tagged => "takes it tagged only".to_owned(),
            (Some(port), Some(_)) if port.state != "forwarding" => format!("is {}", port.state),
            (Some(_), Some(_)) => return None,
        };
        Some((end.clone(), why))
    }

    /// How hard a fault is to pass. A port that spanning tree holds back is where the way does not go; one that lacks the
    /// VLAN is where somebody forgot it.
    fn weight(fault: Option<&(Endpoint, String)>) -> u32 {
        match fault {
            None => 0,
            Some((_, why)) if why.ends_with("carry it") || why.ends_with("only") => 1,
            Some(_) => 1_000,
        }
    }

    /// Whether `vlan` gets from switch to switch; if not, where it stops first.
    fn way(
        &self,
        vlan: VlanNumber,
        from: &str,
        to: &str,
    ) -> Result<(), Option<(Endpoint, String)>> {
        // Dijkstra's shortest way; lengths are (faults, hops).
        type Known = (u32, u32, Option<(Endpoint, String)>);
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
                let tagged = self.members.form(near, vlan).unwrap_or(true);
                let leaving = self.fault(near, vlan, tagged);
                for far in link.endpoints.iter().filter(|end| *end != near) {
                    if !self.is_switch(&far.node) || done.contains(far.node.as_str()) {
                        continue;
                    }
                    let arriving = self.fault(far, vlan, tagged);
                    let more = Self::weight(leaving.as_ref()) + Self::weight(arriving.as_ref());
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
