//! Building a trial's network, and what chance decides of it.

use core::time::Duration;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use pnet_base::MacAddr;
use stp::{BridgePriority, PortNumber};

use super::graph::{Damage, Graph};
use super::hosts::Host;
use super::meter::Meter;
use super::plan::Key;
use super::protocol::Protocol;
use crate::sim::rng::Rng;
use crate::sim::{
    BridgeSpec, Medium, NodeId, Operation, PortRef, PortSpec, Power, WireId, World, WorldError,
};

/// Hosts that are asked, at most; spread evenly over the access switches.
const ASKED_MAX: usize = 16;
/// Switches get power within this time of a cold start.
pub(super) const POWER_WITHIN: Duration = Duration::from_secs(2);
/// Cables have a delay from here …
const DELAY_LEAST: Duration = Duration::from_micros(5);
/// … up to here, drawn for each.
const DELAY_SPREAD_MICROS: u64 = 45;

/// A network and its hosts. Switches are off until [`Network::power_on`].
#[derive(Debug)]
pub(super) struct Network {
    pub(super) world: World,
    pub(super) graph: Graph,
    pub(super) meter: Rc<RefCell<Meter>>,
    pub(super) chance: Rng,
    /// The switch that will be the root.
    pub(super) root: usize,
    /// By number in the graph.
    pub(super) bridges: Vec<NodeId>,
    /// By place in the graph's list.
    pub(super) wires: Vec<WireId>,
    /// The two that probe, and the switches they are plugged into.
    pub(super) probing: [HostPlace; 2],
    asked: Vec<MacAddr>,
    /// The links of the hosts that may flap: of one at a port that takes part in spanning tree, of one at an edge port.
    pub(super) flapping: [WireId; 2],
}

/// A host and where it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct HostPlace {
    pub(super) node: NodeId,
    pub(super) address: MacAddr,
    pub(super) switch: usize,
}

impl Network {
    /// Builds what `key` says, out of the chance of `study` and the key.
    pub(super) fn build(key: &Key, protocol: Protocol, study: u64) -> Result<Self, WorldError> {
        let graph = key.family.graph(key.size);
        let mut chance = Rng::new(study, [key.size, key.seed ^ ((key.family as u32) << 24)]);
        let first = graph.access[0];
        let ends = [first, graph.farthest_access(first)];
        let order = addresses(&graph, ends, &mut chance);
        let root = root_of(&graph, &order);
        let mut world = World::new(chance.next_u64());
        let meter = Rc::new(RefCell::new(Meter::default()));
        world.observe(meter.clone());
        let mut bridges = Vec::with_capacity(graph.switches);
        for (switch, &rank) in order.iter().enumerate() {
            let spec = BridgeSpec::new(format!("s{switch}"))
                .address(address(0x02, rank))
                .priority(priority(&graph, switch))
                .times(key.timers.times())
                .protocol(protocol.tree_protocol());
            bridges.push(world.add_bridge(&spec)?);
        }
        let wires = connect(&mut world, &graph, &bridges, &mut chance)?;
        let mut plug = |switch: usize, edge| add_host(&mut world, bridges[switch], switch, edge);
        let probing = [plug(ends[0], true)?.0, plug(ends[1], true)?.0];
        let count = graph.access.len().min(ASKED_MAX);
        let mut asked = Vec::with_capacity(count);
        for place in 0..count {
            let switch = graph.access[place * graph.access.len() / count];
            asked.push(plug(switch, true)?.0.address);
        }
        let place = chance.below(graph.access.len() as u64);
        let switch = graph.access[usize::try_from(place).unwrap_or(0)];
        let flapping = [plug(switch, false)?.1, plug(switch, true)?.1];
        for &bridge in &bridges {
            world.set_power(bridge, Power::Off)?;
        }
        Ok(Self {
            world,
            graph,
            meter,
            chance,
            root,
            bridges,
            wires,
            probing,
            asked,
            flapping,
        })
    }

    /// A network that goes on from here as this one would, with a meter of its own.
    pub(super) fn fork(&self) -> Self {
        let mut world = self.world.fork().expect("hosts can be copied");
        let meter = Rc::new(RefCell::new(*self.meter.borrow()));
        world.observe(meter.clone());
        Self {
            world,
            meter,
            graph: self.graph.clone(),
            chance: self.chance.clone(),
            bridges: self.bridges.clone(),
            wires: self.wires.clone(),
            asked: self.asked.clone(),
            ..*self
        }
    }

    /// A number below `limit`.
    pub(super) fn draw(&mut self, limit: usize) -> usize {
        usize::try_from(self.chance.below(limit as u64)).unwrap_or(0)
    }

    /// A time below `limit`.
    pub(super) fn draw_time(&mut self, limit: Duration) -> Duration {
        let micros = u64::try_from(limit.as_micros()).unwrap_or(u64::MAX);
        Duration::from_micros(self.chance.below(micros))
    }

    /// Gives every switch power, each at its own instant within [`POWER_WITHIN`], and lets that time pass.
    pub(super) fn power_on(&mut self) -> Result<(), WorldError> {
        for index in 0..self.bridges.len() {
            let at = self.draw_time(POWER_WITHIN);
            let node = self.bridges[index];
            let power = Power::On;
            self.world.schedule(at, Operation::Power { node, power })?;
        }
        self.world.run_until(POWER_WITHIN);
        Ok(())
    }

    /// Lets the hosts speak from now on.
    pub(super) fn speak(&mut self) {
        let [here, there] = self.probing;
        let asked = self.asked.clone();
        self.world
            .with_station(here.node, |host: &mut Host, now, _| {
                host.speak(now, there.address, asked);
            });
        self.world
            .with_station(there.node, |host: &mut Host, now, _| {
                host.speak(now, here.address, Vec::new());
            });
    }

    /// Lets the hosts fall silent, and what they sent arrive.
    pub(super) fn fall_silent(&mut self) {
        for host in self.probing {
            self.world
                .with_station(host.node, |host: &mut Host, _, _| host.fall_silent());
        }
        let until = self.world.now() + Duration::from_secs(2);
        self.world.drain(until);
    }

    /// How many switches somebody takes for the root.
    pub(super) fn roots(&self) -> usize {
        let world = &self.world;
        let bridges = world
            .bridges()
            .filter_map(|node| world.switch(node)?.bridge());
        let roots: BTreeSet<_> = bridges
            .map(|bridge| bridge.tree(stp::TreeId::COMMON).root)
            .collect();
        roots.len()
    }

    /// The way from a switch to its root: each port that leads there, from the nearest on.
    pub(super) fn way_to_root(&self, from: usize) -> Vec<PortRef> {
        let mut way = Vec::new();
        let mut at = self.bridges[from];
        // Whoever is not settled may believe in a circle.
        while way.len() < self.graph.switches {
            let Some(port) = self.root_port(at) else {
                break;
            };
            way.push(port);
            let Some(next) = self.across(port) else {
                break;
            };
            at = next;
        }
        way
    }

    /// The port of a switch that leads to its root.
    pub(super) fn root_port(&self, bridge: NodeId) -> Option<PortRef> {
        let bridge_value = self.world.switch(bridge)?.bridge()?;
        let port = bridge_value.tree(stp::TreeId::COMMON).root_port?;
        Some(bridge.port(port))
    }

    /// The node at the other end of a port's cable.
    pub(super) fn across(&self, port: PortRef) -> Option<NodeId> {
        let map = self.world.map();
        let (wire, index) = map.wire_at(port)?;
        map.ends(wire).get(1 - index.min(1)).map(|end| end.node)
    }

    /// Whether the hosts that probe have a way between them.
    pub(super) fn is_parted(&self, damage: Damage) -> bool {
        let [here, there] = self.probing;
        self.graph.distances(here.switch, damage)[there.switch].is_none()
    }
}

/// The rank of each switch's address, drawn. The lowest is never at a switch of the probing hosts if there is another:
/// the root's loss shall not be theirs.
fn addresses(graph: &Graph, ends: [usize; 2], chance: &mut Rng) -> Vec<usize> {
    let mut order: Vec<usize> = (0..graph.switches).collect();
    shuffle(&mut order, chance);
    let free: Vec<usize> = (0..graph.switches)
        .filter(|switch| !ends.contains(switch))
        .collect();
    let lowest = order.iter().position(|&rank| rank == 0);
    if let Some(lowest) = lowest.filter(|lowest| ends.contains(lowest))
        && !free.is_empty()
    {
        let other = usize::try_from(chance.below(free.len() as u64)).unwrap_or(0);
        order.swap(lowest, free[other]);
    }
    order
}

fn root_of(graph: &Graph, order: &[usize]) -> usize {
    let lowest = || order.iter().position(|&rank| rank == 0).unwrap_or(0);
    graph.placed.first().copied().unwrap_or_else(lowest)
}

/// 4096 for the switch made the root, 8192 for its stand-in, 32768 for all others.
fn priority(graph: &Graph, switch: usize) -> BridgePriority {
    let place = graph.placed.iter().position(|&placed| placed == switch);
    let steps = place.and_then(|place| u16::try_from(place + 1).ok());
    steps
        .and_then(|steps| BridgePriority::new(4096 * steps))
        .unwrap_or_default()
}

fn connect(
    world: &mut World,
    graph: &Graph,
    bridges: &[NodeId],
    chance: &mut Rng,
) -> Result<Vec<WireId>, WorldError> {
    // Ports are numbered in the order of plugging in, which chance decides: it breaks ties.
    let mut order: Vec<usize> = (0..graph.links.len()).collect();
    shuffle(&mut order, chance);
    let mut wires = vec![None; graph.links.len()];
    for place in order {
        let (a, b) = graph.links[place];
        let delay = DELAY_LEAST + Duration::from_micros(chance.below(DELAY_SPREAD_MICROS));
        wires[place] = Some(world.wire_nodes(&[bridges[a], bridges[b]], Medium::delayed(delay))?);
    }
    Ok(wires.into_iter().flatten().collect())
}

/// Plugs a host into a switch; the switch's port is the wire's first end.
fn add_host(
    world: &mut World,
    bridge: NodeId,
    switch: usize,
    edge: bool,
) -> Result<(HostPlace, WireId), WorldError> {
    let number = world.stations().count();
    let address = address(0x0a, number);
    let node = world.add_station(&format!("h{number}"), Host::new(address))?;
    let port = world.add_station_port(node, PortNumber::MIN, "eth0", Some(address))?;
    let at = world.add_port(bridge, &PortSpec::default().edge(edge))?;
    let wire = world.connect(&[at, port], Medium::default())?;
    let place = HostPlace {
        node,
        address,
        switch,
    };
    Ok((place, wire))
}

fn shuffle<T>(values: &mut [T], chance: &mut Rng) {
    for last in (1..values.len()).rev() {
        let other = usize::try_from(chance.below(last as u64 + 1)).unwrap_or(0);
        values.swap(last, other);
    }
}

fn address(first: u8, number: usize) -> MacAddr {
    let [.., a, b, c] = number.to_be_bytes();
    MacAddr::new(first, 0, 0, a, b, c)
}
