//! The state's own safety: ports that forward make a forest, at every instant and in every VLAN.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use etherparse::VlanId;

use super::{Finding, Violation};
use crate::sim::id::{NodeId, PortRef, WireId};
use crate::sim::operation::Power;
use crate::sim::wire::{LinkState, OneWay};
use crate::sim::world::World;

/// A place in the graph of bridges and wires.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Bridge(NodeId),
    Wire(WireId),
}

/// A circle of ports that forward in `vlan`, if there is one: out of a bridge by the first, into the next bridge by the
/// second, and so on.
///
/// An edge is a port that forwards, is a member of the VLAN, and reaches its wire in both directions; wires that are
/// cut or silent, and bridges that are off or frozen, carry nothing. A VLAN is taken to keep its number from bridge to
/// bridge. Cost: ports × log(ports).
#[must_use]
pub fn find(world: &World, vlan: VlanId) -> Option<Vec<PortRef>> {
    let ports = forwarding_ports(world, vlan);
    let mut sets = Sets::default();
    let closing = ports
        .iter()
        .position(|&(port, wire)| !sets.join(Place::Bridge(port.node), Place::Wire(wire)))?;
    Some(circle(&ports[..=closing]))
}

/// The VLANs in which anything could go round: those that some bridge names.
#[must_use]
pub fn vlans(world: &World) -> Vec<VlanId> {
    let mut vlans = BTreeSet::new();
    for switch in world.bridges().filter_map(|node| world.switch(node)) {
        vlans.extend(switch.vlans().named().map(|(vlan, _)| vlan.value()));
    }
    vlans
        .into_iter()
        .filter_map(|vlan| VlanId::try_new(vlan).ok())
        .collect()
}

fn forwarding_ports(world: &World, vlan: VlanId) -> Vec<(PortRef, WireId)> {
    let mut found = Vec::new();
    for node in world.bridges() {
        let Some(switch) = world.switch(node) else {
            continue;
        };
        if world.power(node) != Some(Power::On) {
            continue;
        }
        let members = switch.vlans().row(vlan).members;
        let Some(tree) = switch.tree_of(vlan) else {
            continue;
        };
        for (number, port) in switch.ports() {
            let end = node.port(number);
            let Some((id, index)) = world.map().wire_at(end) else {
                continue;
            };
            let Some(wire) = world.wire(id) else {
                continue;
            };
            let whole = wire.state() == LinkState::Up
                && wire.ends()[index].is_plugged()
                && wire.ends()[index].one_way() == OneWay::default();
            if whole && members.contains(number) && port.state(tree).forwards() {
                found.push((end, id));
            }
        }
    }
    found
}

/// The last of `ports` closes a circle: the way from its bridge to its wire without it, and then itself.
fn circle(ports: &[(PortRef, WireId)]) -> Vec<PortRef> {
    let Some((&(last, wire), rest)) = ports.split_last() else {
        return Vec::new();
    };
    let mut by_place: BTreeMap<Place, Vec<(Place, PortRef)>> = BTreeMap::new();
    for &(port, wire) in rest {
        let (bridge, wire) = (Place::Bridge(port.node), Place::Wire(wire));
        by_place.entry(bridge).or_default().push((wire, port));
        by_place.entry(wire).or_default().push((bridge, port));
    }
    let start = Place::Bridge(last.node);
    let mut came: BTreeMap<Place, (Place, PortRef)> = BTreeMap::new();
    let mut todo = VecDeque::from([start]);
    while let Some(place) = todo.pop_front() {
        for &(next, port) in by_place.get(&place).into_iter().flatten() {
            if next != start && !came.contains_key(&next) {
                came.insert(next, (place, port));
                todo.push_back(next);
            }
        }
    }
    let mut path = vec![last];
    let mut at = Place::Wire(wire);
    while let Some(&(before, port)) = came.get(&at) {
        path.push(port);
        at = before;
    }
    path.reverse();
    path
}

/// Disjoint sets of places.
#[derive(Default)]
struct Sets {
    parent: BTreeMap<Place, Place>,
}

impl Sets {
    fn root(&mut self, place: Place) -> Place {
        let mut root = place;
        while let Some(&above) = self.parent.get(&root) {
            root = above;
        }
        let mut at = place;
        while let Some(&above) = self.parent.get(&at) {
            self.parent.insert(at, root);
            if above == root {
                break;
            }
            at = above;
        }
        root
    }

    /// `false`: they were joined already.
    fn join(&mut self, a: Place, b: Place) -> bool {
        let (a, b) = (self.root(a), self.root(b));
        if a == b {
            return false;
        }
        self.parent.insert(a, b);
        true
    }
}

/// Remembers in which VLANs there is a circle now, so that each is told once.
#[derive(Clone, Debug, Default)]
pub(crate) struct CycleWatch {
    present: BTreeSet<u16>,
}

impl CycleWatch {
    pub(crate) fn look(&mut self, world: &World) -> Vec<Finding> {
        let mut findings = Vec::new();
        for vlan in vlans(world) {
            match find(world, vlan) {
                None => {
                    self.present.remove(&vlan.value());
                }
                Some(path) => {
                    if self.present.insert(vlan.value()) {
                        findings.push(Finding {
                            time: world.now(),
                            violation: Violation::Cycle { vlan, path },
                        });
                    }
                }
            }
        }
        findings
    }
}
