//! The world: bridges, stations and wires under a clock that jumps.

mod apply;
mod build;
mod run;
#[cfg(test)]
mod tests;

pub use run::NotQuiet;

use core::any::Any;
use core::fmt::Debug;
use core::time::Duration;
use std::rc::Rc;

use stp::PortNumber;
use switchd::Switch;
use switchd::counters::PortCounters;

use super::bridge::BridgeNode;
use super::changes::Changes;
use super::checks::cycle::CycleWatch;
use super::checks::{Finding, FindingCounts, Flow, Flows, Limits};
use super::fabric::{Effects, Fabric, Sent, Totals, count};
use super::id::{FlowId, NodeId, PortRef, WireId};
use super::map::Map;
use super::observe::Observer;
use super::operation::{Operation, Power};
use super::queue::{Slab, What, nanos};
use super::station::{Outbox, Station};
use super::wire::{Impairment, Wire};

/// Bridges, stations and wires, and a clock that jumps from one event to the next.
///
/// A world is a plain value: it repeats exactly from the same calls and the same seed, whatever machine it runs on.
/// Between steps anything can be done to it; what is done acts at [`World::now`]. Handles ([`NodeId`], [`PortRef`],
/// [`WireId`]) come from the world itself.
///
/// Cost of a step: log(frames under way + nodes), and what the one node concerned does. Nothing walks all nodes but
/// what says so.
#[derive(Debug)]
pub struct World {
    fabric: Fabric,
    nodes: Vec<Node>,
    operations: Slab<Operation>,
    sent: Sent,
    seed: u64,
    cycles: Option<CycleWatch>,
    /// Of the wire connected last; wires that are alike share it.
    impairment: Option<Rc<Impairment>>,
    refused: Vec<(Duration, Operation, super::operation::WorldError)>,
}

#[derive(Debug)]
struct Node {
    body: Body,
    /// When the earliest timer in the queue for this node is due.
    armed: Option<u64>,
}

#[derive(Debug)]
enum Body {
    Bridge(Box<BridgeNode>),
    Station {
        station: Box<dyn Station>,
        /// Carrier as the station was told, by port number.
        links: Vec<bool>,
    },
}

impl Node {
    fn fork(&self) -> Option<Self> {
        let body = match &self.body {
            Body::Bridge(bridge) => Body::Bridge(bridge.clone()),
            Body::Station { station, links } => Body::Station {
                station: station.fork()?,
                links: links.clone(),
            },
        };
        let armed = self.armed;
        Some(Self { body, armed })
    }
}

impl World {
    /// An empty world at time zero. The seed decides what chance does on wires, and nothing else.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            fabric: Fabric::new(),
            nodes: Vec::new(),
            operations: Slab::default(),
            sent: Sent::new(),
            seed,
            cycles: None,
            impairment: None,
            refused: Vec::new(),
        }
    }

    /// A world of its own that goes on from here exactly as this one would. Who watches stays with this one.
    /// Costs a copy of everything. `None`: a station cannot be copied ([`Station::fork`]).
    #[must_use]
    pub fn fork(&self) -> Option<Self> {
        let nodes: Option<Vec<Node>> = self.nodes.iter().map(Node::fork).collect();
        Some(Self {
            fabric: self.fabric.fork(),
            nodes: nodes?,
            operations: self.operations.clone(),
            sent: Sent::new(),
            seed: self.seed,
            cycles: self.cycles.clone(),
            impairment: self.impairment.clone(),
            refused: self.refused.clone(),
        })
    }

    /// Lets somebody watch, from now on. An `Rc<RefCell<_>>` of an observer is one, so that its owner can read it.
    pub fn observe(&mut self, observer: impl Observer + 'static) {
        self.fabric.observe(Box::new(observer));
    }

    /// Looks for circles of forwarding ports whenever time is about to go on after the wiring or a port changed. Costs
    /// a walk over all ports each time.
    pub fn watch_cycles(&mut self) {
        self.cycles.get_or_insert_default();
    }

    /// Bounds what a single frame may become; see [`Limits`].
    pub fn set_limits(&mut self, limits: Limits) {
        self.fabric.flows.set_limits(limits);
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.fabric.now
    }

    /// Names and wiring.
    #[must_use]
    pub fn map(&self) -> &Map {
        &self.fabric.map
    }

    /// A wire.
    #[must_use]
    pub fn wire(&self, wire: WireId) -> Option<&Wire> {
        self.fabric.wires.get(wire.index())
    }

    /// Whether a node runs; `None` if there is none.
    #[must_use]
    pub fn power(&self, node: NodeId) -> Option<Power> {
        self.fabric.power.get(node.index()).copied()
    }

    /// The switch of a bridge, to ask it anything; `None` while it is off, and for stations.
    #[must_use]
    pub fn switch(&self, node: NodeId) -> Option<&Switch> {
        match &self.nodes.get(node.index())?.body {
            Body::Bridge(bridge) => bridge.switch.as_ref(),
            Body::Station { .. } => None,
        }
    }

    /// The bridges, in the order they were added.
    pub fn bridges(&self) -> impl Iterator<Item = NodeId> {
        let map = &self.fabric.map;
        map.nodes().filter(|node| map.is_bridge(*node))
    }

    /// The stations, in the order they were added.
    pub fn stations(&self) -> impl Iterator<Item = NodeId> {
        let map = &self.fabric.map;
        map.nodes().filter(|node| !map.is_bridge(*node))
    }

    /// A station as what it was added as; `None` if it is something else.
    #[must_use]
    pub fn station<S: Station>(&self, node: NodeId) -> Option<&S> {
        match &self.nodes.get(node.index())?.body {
            Body::Station { station, .. } => {
                let station: &dyn Any = &**station;
                station.downcast_ref()
            }
            Body::Bridge(_) => None,
        }
    }

    /// A station to be changed in ways that neither send nor move its deadline; see [`World::with_station`].
    pub fn station_mut<S: Station>(&mut self, node: NodeId) -> Option<&mut S> {
        match &mut self.nodes.get_mut(node.index())?.body {
            Body::Station { station, .. } => {
                let station: &mut dyn Any = &mut **station;
                station.downcast_mut()
            }
            Body::Bridge(_) => None,
        }
    }

    /// Lets `act` do something with a station, which may send and change its deadline. `None` if it is something else.
    pub fn with_station<S: Station, R>(
        &mut self,
        node: NodeId,
        act: impl FnOnce(&mut S, Duration, &mut Outbox<'_>) -> R,
    ) -> Option<R> {
        let Body::Station { station, .. } = &mut self.nodes.get_mut(node.index())?.body else {
            return None;
        };
        let station: &mut dyn Any = &mut **station;
        let station = station.downcast_mut::<S>()?;
        let now = self.fabric.now;
        let mut out = Outbox {
            fabric: &mut self.fabric,
            node,
        };
        let result = act(station, now, &mut out);
        self.rearm(node);
        Some(result)
    }

    /// Whether `port` has carrier.
    #[must_use]
    pub fn has_carrier(&self, port: PortRef) -> bool {
        self.fabric.has_carrier(port)
    }

    #[cfg(test)]
    pub(super) fn connected(&mut self, from: PortRef, to: PortRef) -> bool {
        self.fabric.connected(from, to)
    }

    /// What one port of a running bridge counted.
    #[must_use]
    pub fn counters(&self, port: PortRef) -> Option<&PortCounters> {
        Some(self.switch(port.node)?.port(port.port)?.counters())
    }

    /// When the tree last changed, where, and how often.
    #[must_use]
    pub fn changes(&self) -> &Changes {
        &self.fabric.changes
    }

    /// What the simulation did so far.
    #[must_use]
    pub fn totals(&self) -> Totals {
        self.fabric.totals
    }

    /// Frames under way now.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.fabric.arrivals.len()
    }

    /// What was found wrong, the first thousand.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        &self.fabric.findings
    }

    /// How often each thing was found wrong.
    #[must_use]
    pub fn finding_counts(&self) -> FindingCounts {
        self.fabric.counts
    }

    /// Takes the findings out; counts stay.
    pub fn take_findings(&mut self) -> Vec<Finding> {
        std::mem::take(&mut self.fabric.findings)
    }

    /// Scheduled operations that could not be done when their time came.
    #[must_use]
    pub fn refused(&self) -> &[(Duration, Operation, super::operation::WorldError)] {
        &self.refused
    }

    /// Frames that are under way or kept.
    #[must_use]
    pub fn flows(&self) -> &Flows {
        &self.fabric.flows
    }

    /// What became so far of a frame that [`World::send`] or [`World::inject`] sent, until it is taken.
    #[must_use]
    pub fn flow(&self, flow: FlowId) -> Option<&Flow> {
        self.fabric.flows.get(flow)
    }

    /// What became of a frame; it is forgotten, now or when its last copy has ended.
    pub fn take_flow(&mut self, flow: FlowId) -> Option<Flow> {
        self.fabric.flows.take(flow)
    }

    /// Whether no port that runs is on its way to forwarding: none is listening or learning. Cost: all ports.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.bridges()
            .filter(|node| self.power(*node) == Some(Power::On))
            .filter_map(|node| self.switch(node))
            .flat_map(Switch::ports)
            .all(|(_, port)| match port.state(stp::TreeId::COMMON) {
                stp::PortState::Listening | stp::PortState::Learning => false,
                stp::PortState::Disabled
                | stp::PortState::Blocking
                | stp::PortState::Forwarding => true,
            })
    }

    /// Lets `act` do something with a running switch, and counts and arms what follows from it.
    fn with_switch<R>(
        &mut self,
        node: NodeId,
        incoming: Option<super::fabric::Incoming<'_>>,
        act: impl FnOnce(&mut Switch, Duration, &mut Effects<'_>) -> R,
    ) -> Option<R> {
        let Body::Bridge(bridge) = &mut self.nodes.get_mut(node.index())?.body else {
            return None;
        };
        let switch = bridge.switch.as_mut()?;
        let now = self.fabric.now;
        let mut effects = Effects {
            fabric: &mut self.fabric,
            node,
            incoming,
            sent: &mut self.sent,
        };
        let result = act(switch, now, &mut effects);
        count(switch, &mut self.sent);
        self.rearm(node);
        Some(result)
    }

    /// Puts the node's deadline into the queue unless an earlier timer will look at it anyway.
    fn rearm(&mut self, node: NodeId) {
        let place = &mut self.nodes[node.index()];
        let deadline = match &place.body {
            Body::Bridge(bridge) => bridge.switch.as_ref().and_then(Switch::deadline),
            Body::Station { station, .. } => station.deadline(),
        };
        let Some(deadline) = deadline else {
            return;
        };
        let at = nanos(deadline).max(nanos(self.fabric.now));
        if place.armed.is_none_or(|armed| at < armed) {
            place.armed = Some(at);
            self.fabric.queue.push(at, What::Timer(node.0));
        }
    }

    /// Sends a frame out of a port onto its wire, and follows its copies until [`World::take_flow`].
    ///
    /// `frame` is destination, source, EtherType and payload; see [`super::frame`] for such frames. Nothing is sent if
    /// there is no carrier: then the flow is over at once.
    pub fn send(&mut self, from: PortRef, frame: impl Into<Rc<[u8]>>) -> FlowId {
        let flow = self.fabric.originate(from, frame.into(), true);
        self.fabric.report();
        flow
    }

    /// Port `number` of `node`, if the node has it.
    #[must_use]
    pub fn port(&self, node: NodeId, number: u16) -> Option<PortRef> {
        let port = node.port(PortNumber::new(number)?);
        self.map().has_port(port).then_some(port)
    }
}
