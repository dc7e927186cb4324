//! Which bridges have a way between them. It is asked about every frame that is lost, and changes with the wiring only:
//! so it is found out once after each change, if anybody asks.

use super::fabric::carrier;
use super::id::{NodeId, PortRef, WireId};
use super::map::Map;
use super::operation::Power;
use super::wire::{LinkState, Wire};

/// The connected parts that running bridges and working wires make.
#[derive(Clone, Debug, Default)]
pub(super) struct Parts {
    /// By node: the number of its part; `None` for what relays nothing.
    of: Vec<Option<u32>>,
    known: bool,
}

/// What the parts are made of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wiring<'a> {
    pub(super) map: &'a Map,
    pub(super) wires: &'a [Wire],
    /// Indexed by node.
    pub(super) power: &'a [Power],
}

impl Wiring<'_> {
    fn works(&self, wire: WireId) -> bool {
        self.wires[wire.index()].state == LinkState::Up
    }

    fn relays(&self, node: NodeId) -> bool {
        self.map.is_bridge(node) && self.power.get(node.index()) == Some(&Power::On)
    }

    fn has_carrier(&self, port: PortRef) -> bool {
        carrier(self.map, self.wires, self.power, port)
    }

    fn plugged(&self, wire: WireId) -> impl Iterator<Item = PortRef> {
        let ends = &self.wires[wire.index()].ends;
        ends.iter().filter(|end| end.plugged).map(|end| end.port)
    }

    /// The bridges that a bridge reaches by one wire.
    fn neighbours(&self, node: NodeId) -> impl Iterator<Item = NodeId> {
        let ports = self.map.ports(node).map(|(port, _)| port);
        let leaving = ports.filter(|&port| self.has_carrier(port));
        let wires = leaving.filter_map(|port| self.map.wire_at(port));
        wires
            .filter(|&(wire, _)| self.works(wire))
            .flat_map(|(wire, _)| self.plugged(wire))
            .map(|port| port.node)
            .filter(|&other| self.relays(other))
    }
}

impl Parts {
    /// The wiring is about to change.
    pub(super) fn forget(&mut self) {
        self.known = false;
    }

    /// Whether there is a way by wires that work over bridges that run.
    pub(super) fn connected(&mut self, wiring: Wiring<'_>, from: PortRef, to: PortRef) -> bool {
        let wire_at = |port| wiring.map.wire_at(port).map(|(wire, _)| wire);
        let working = |port| wire_at(port).filter(|&wire| wiring.works(wire));
        let (Some(first), Some(last)) = (working(from), working(to)) else {
            return false;
        };
        if !wiring.plugged(last).any(|port| port == to) {
            return false;
        }
        if first == last {
            return true;
        }
        if !self.known {
            self.find(wiring);
        }
        let part = |node: NodeId| self.of.get(node.index()).copied().flatten();
        let mut arriving = wiring
            .plugged(last)
            .filter(|&port| wiring.has_carrier(port))
            .filter_map(|port| part(port.node));
        arriving.any(|there| {
            let mut leaving = wiring.plugged(first);
            leaving.any(|port| part(port.node) == Some(there))
        })
    }

    /// Numbers the parts. Cost: all ports.
    fn find(&mut self, wiring: Wiring<'_>) {
        self.known = true;
        self.of.clear();
        self.of.resize(wiring.power.len(), None);
        let mut open = Vec::new();
        for (number, start) in (0..).zip(wiring.map.nodes()) {
            if self.of[start.index()].is_some() || !wiring.relays(start) {
                continue;
            }
            self.of[start.index()] = Some(number);
            open.push(start);
            while let Some(node) = open.pop() {
                for other in wiring.neighbours(node) {
                    if self.of[other.index()].is_none() {
                        self.of[other.index()] = Some(number);
                        open.push(other);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::sim::rng::Rng;
    use crate::sim::{BridgeSpec, Medium, World};

    /// The same, straight from the wires, each time anew.
    fn walk(world: &World, from: PortRef, to: PortRef) -> bool {
        let map = world.map();
        let state = |wire| world.wire(wire).unwrap().state();
        let wire_at = |port| map.wire_at(port).map(|(wire, _)| wire);
        let start = wire_at(from).filter(|&wire| state(wire) == LinkState::Up);
        let mut open: Vec<WireId> = start.into_iter().collect();
        let mut seen: BTreeSet<WireId> = open.iter().copied().collect();
        while let Some(wire) = open.pop() {
            let ends = world.wire(wire).unwrap().ends();
            for end in ends.iter().filter(|end| end.is_plugged()) {
                if end.port() == to {
                    return true;
                }
                let node = end.port().node;
                if !map.is_bridge(node) || world.power(node) != Some(Power::On) {
                    continue;
                }
                let ports = map.ports(node).map(|(port, _)| port);
                for port in ports.filter(|port| world.has_carrier(*port)) {
                    let next = wire_at(port).filter(|&wire| state(wire) == LinkState::Up);
                    open.extend(next.filter(|&next| seen.insert(next)));
                }
            }
        }
        false
    }

    #[test]
    fn parts_are_what_a_walk_finds_whatever_happens_to_the_wiring() {
        let mut yes = 0;
        for seed in 0..40 {
            let mut chance = Rng::new(seed, [0, 0]);
            let mut draw = |limit: usize| usize::try_from(chance.below(limit as u64)).unwrap();
            let mut world = World::new(seed);
            let mut nodes = Vec::new();
            for index in 0..6 {
                nodes.push(
                    world
                        .add_bridge(&BridgeSpec::new(format!("s{index}")))
                        .unwrap(),
                );
            }
            let mut wires = Vec::new();
            for index in 0..3 {
                let host = world.add_listener(&format!("h{index}")).unwrap();
                let ends = [nodes[draw(6)], host];
                wires.push(world.wire_nodes(&ends, Medium::default()).unwrap());
            }
            for _ in 0..6 {
                let ends: Vec<NodeId> = (0..2 + draw(2)).map(|_| nodes[draw(6)]).collect();
                wires.push(world.wire_nodes(&ends, Medium::default()).unwrap());
            }
            for _ in 0..30 {
                let wire = wires[draw(wires.len())];
                let state = [LinkState::Up, LinkState::Down, LinkState::Silent][draw(3)];
                let power = [Power::On, Power::Off, Power::Frozen][draw(3)];
                let end = world.map().ends(wire)[draw(2)];
                match draw(3) {
                    0 => world.set_link(wire, state).unwrap(),
                    1 => world.plug(end, draw(2) > 0).unwrap(),
                    _ => world.set_power(nodes[draw(6)], power).unwrap(),
                }
                let ports: Vec<PortRef> = wires
                    .iter()
                    .flat_map(|&wire| world.map().ends(wire).to_vec())
                    .collect();
                for &from in &ports {
                    for &to in &ports {
                        let walked = walk(&world, from, to);
                        assert_eq!(world.connected(from, to), walked, "{seed}: {from:?} {to:?}");
                        yes += usize::from(walked);
                    }
                }
            }
        }
        assert!(yes > 10_000, "{yes} pairs with a way between them");
    }
}
