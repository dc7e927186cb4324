//! A scenario's network in a world: built, hurt, healed, and seen as a graph.

use core::time::Duration;

use labs::sim::{
    BridgeSpec, Impairment, LinkState, Medium, NodeId, OneWay, Operation, PortRef, PortSpec, Power,
    Probability, WireId, World, WorldError, frame,
};
use stp::{BridgePriority, BridgeTimes, PathCost, PortPriority};
use switchd::PortSettings;

use super::{Fault, Scenario, Times};
use crate::oracle::{Graph, Port};

/// A world and what of the scenario is where in it.
#[derive(Debug)]
pub struct Network {
    /// The world.
    pub world: World,
    /// The bridges.
    pub bridges: Vec<NodeId>,
    /// The wires; `None` for one with less than two ends.
    pub wires: Vec<Option<WireId>>,
    /// The bridges' ports, by wire and end.
    pub ports: Vec<Vec<PortRef>>,
    /// The hosts' ports, each with its wire.
    pub hosts: Vec<(usize, PortRef)>,
}

/// Hosts' addresses are forgotten only by topology changes, as far as these tests last.
const AGEING: cam::AgeingTime = cam::AgeingTime::MAX;

impl Network {
    /// Builds the network; everything starts at time zero.
    ///
    /// # Panics
    /// The scenario has illegal numbers, such as times that break 802.1D-1998 8.10.2.
    #[must_use]
    pub fn build(scenario: &Scenario) -> Self {
        let mut world = World::new(scenario.seed);
        world.watch_cycles();
        let bridges = (1..).zip(&scenario.bridges).map(|(number, bridge)| {
            let spec = BridgeSpec::new(format!("sw{number}"))
                .priority(bridge_priority(bridge.priority))
                .times(bridge_times(bridge.times))
                .ageing(AGEING);
            world.add_bridge(&spec).expect("names differ")
        });
        let mut network = Self {
            bridges: bridges.collect(),
            world,
            wires: Vec::new(),
            ports: Vec::new(),
            hosts: Vec::new(),
        };
        for (index, wire) in scenario.wires.iter().enumerate() {
            network.add_wire(index, wire);
        }
        network
    }

    fn add_wire(&mut self, index: usize, wire: &super::Wire) {
        let world = &mut self.world;
        let known = wire
            .ends
            .iter()
            .filter(|end| end.bridge < self.bridges.len());
        if known.clone().count() + usize::from(wire.hosts) < 2 {
            self.wires.push(None);
            self.ports.push(Vec::new());
            return;
        }
        let ports = known.map(|end| {
            let spec = PortSpec::default()
                .cost(path_cost(end.cost))
                .priority(port_priority(end.priority))
                .edge(end.edge);
            let node = self.bridges[end.bridge];
            world.add_port(node, &spec).expect("few ports")
        });
        let ports: Vec<PortRef> = ports.collect();
        let mut ends = ports.clone();
        for _ in 0..wire.hosts {
            let name = format!("h{}", self.hosts.len() + 1);
            let host = world.add_listener(&name).expect("names differ");
            let port = world.port(host, 1).expect("a listener has a port");
            self.hosts.push((index, port));
            ends.push(port);
        }
        let medium = Medium::delayed(Duration::from_micros(wire.delay_us.into()));
        let wire = world.connect(&ends, medium).expect("new ports are free");
        self.wires.push(Some(wire));
        self.ports.push(ports);
    }

    /// Lets every host send a broadcast.
    pub fn broadcast(&mut self) {
        for &(_, host) in &self.hosts {
            let Some(address) = self.world.address(host) else {
                continue;
            };
            let send = Operation::Send {
                from: host,
                frame: frame::broadcast(address),
            };
            self.world.apply(send).expect("the port is there");
        }
    }

    /// Lets a fault happen. What cannot be, such as a new priority of a bridge that is off, does not.
    pub fn hurt(&mut self, fault: Fault) {
        match self.try_hurt(fault) {
            Ok(()) | Err(WorldError::NotRunning(_)) => {}
            Err(error) => panic!("{fault:?}: {error}"),
        }
    }

    fn try_hurt(&mut self, fault: Fault) -> Result<(), WorldError> {
        match fault {
            Fault::Nothing => Ok(()),
            Fault::Down(wire) => self.link(wire, LinkState::Down),
            Fault::Silent(wire) => self.link(wire, LinkState::Silent),
            Fault::Up(wire) => {
                self.heal_wire(wire)?;
                self.link(wire, LinkState::Up)
            }
            Fault::Mute(wire, end) => self.one_way(wire, end, true, false),
            Fault::Deaf(wire, end) => self.one_way(wire, end, false, true),
            Fault::Loss(wire, percent) => self.impair(wire, |impairment| Impairment {
                loss: Probability::percent(percent.into()),
                ..impairment
            }),
            Fault::Delay(wire, delay_us) => self.impair(wire, |impairment| Impairment {
                delay: Duration::from_micros(delay_us.into()),
                ..impairment
            }),
            Fault::Off(bridge) => self.power(bridge, Power::Off),
            Fault::On(bridge) => self.power(bridge, Power::On),
            Fault::Freeze(bridge) => self.freeze(bridge),
            Fault::Priority(bridge, priority) => self.set_bridge(bridge, |config| {
                config.priority = bridge_priority(priority);
            }),
            Fault::Times(bridge, times) => self.set_bridge(bridge, |config| {
                config.times = bridge_times(times);
            }),
            Fault::Cost(wire, end, cost) => self.set_port(wire, end, |settings| {
                settings.stp.path_cost = Some(path_cost(cost));
            }),
            Fault::PortPriority(wire, end, priority) => self.set_port(wire, end, |settings| {
                settings.stp.priority = port_priority(priority);
            }),
            Fault::PortDown(wire, end) => self.set_port(wire, end, |settings| {
                settings.enabled = false;
            }),
            Fault::PortUp(wire, end) => self.set_port(wire, end, |settings| {
                settings.enabled = true;
            }),
        }
    }

    fn wire(&self, wire: usize) -> Option<WireId> {
        self.wires.get(wire).copied().flatten()
    }

    fn port(&self, wire: usize, end: usize) -> Option<PortRef> {
        self.ports.get(wire)?.get(end).copied()
    }

    fn link(&mut self, wire: usize, state: LinkState) -> Result<(), WorldError> {
        match self.wire(wire) {
            Some(wire) => self.world.set_link(wire, state),
            None => Ok(()),
        }
    }

    fn one_way(
        &mut self,
        wire: usize,
        end: usize,
        mute: bool,
        deaf: bool,
    ) -> Result<(), WorldError> {
        match self.port(wire, end) {
            Some(port) => self.world.set_one_way(port, OneWay { mute, deaf }),
            None => Ok(()),
        }
    }

    fn impair(
        &mut self,
        wire: usize,
        change: impl Fn(Impairment) -> Impairment,
    ) -> Result<(), WorldError> {
        let Some(wire) = self.wire(wire) else {
            return Ok(());
        };
        for (port, now) in self.ends_of(wire) {
            self.world.impair(port, change(now))?;
        }
        Ok(())
    }

    fn ends_of(&self, wire: WireId) -> Vec<(PortRef, Impairment)> {
        let ends = self.world.wire(wire).map_or(&[][..], |wire| wire.ends());
        ends.iter()
            .map(|end| (end.port(), *end.impairment()))
            .collect()
    }

    fn power(&mut self, bridge: usize, power: Power) -> Result<(), WorldError> {
        match self.bridges.get(bridge) {
            Some(&node) => self.world.set_power(node, power),
            None => Ok(()),
        }
    }

    /// What is off cannot hang.
    fn freeze(&mut self, bridge: usize) -> Result<(), WorldError> {
        let node = self.bridges.get(bridge);
        if node.and_then(|&node| self.world.power(node)) != Some(Power::On) {
            return Ok(());
        }
        self.power(bridge, Power::Frozen)
    }

    fn set_bridge(
        &mut self,
        bridge: usize,
        change: impl FnOnce(&mut stp::BridgeConfig),
    ) -> Result<(), WorldError> {
        let Some(&node) = self.bridges.get(bridge) else {
            return Ok(());
        };
        let Some(mut config) = self
            .world
            .switch(node)
            .map(|switch| *switch.bridge_config())
        else {
            return Err(WorldError::NotRunning(node));
        };
        change(&mut config);
        self.world.set_bridge(node, config)
    }

    fn set_port(
        &mut self,
        wire: usize,
        end: usize,
        change: impl FnOnce(&mut PortSettings),
    ) -> Result<(), WorldError> {
        let Some(port) = self.port(wire, end) else {
            return Ok(());
        };
        let Some(mut settings) = self.settings(port).cloned() else {
            return Err(WorldError::NotRunning(port.node));
        };
        change(&mut settings);
        self.world.set_port(port, settings)
    }

    fn settings(&self, port: PortRef) -> Option<&PortSettings> {
        Some(self.world.switch(port.node)?.port(port.port)?.settings())
    }

    fn heal_wire(&mut self, wire: usize) -> Result<(), WorldError> {
        let ports = self.ports.get(wire).cloned().unwrap_or_default();
        for port in ports {
            self.world.set_one_way(port, OneWay::default())?;
        }
        self.impair(wire, |impairment| Impairment {
            loss: Probability::NEVER,
            ..impairment
        })
    }

    /// Ends every fault that loses frames in silence. What is cut, off or disabled stays so.
    pub fn heal(&mut self) {
        for wire in 0..self.wires.len() {
            self.heal_wire(wire).expect("the wire is there");
            let id = self.wire(wire).and_then(|wire| self.world.wire(wire));
            if id.is_some_and(|wire| wire.state() == LinkState::Silent) {
                self.link(wire, LinkState::Up).expect("the wire is there");
            }
        }
        for &node in &self.bridges {
            if self.world.power(node) == Some(Power::Frozen) {
                self.world
                    .set_power(node, Power::On)
                    .expect("the bridge is there");
            }
        }
    }

    /// The graph as it is now: what is plugged in, on and enabled, with the settings in force. LANs are the wires.
    #[must_use]
    pub fn graph(&self) -> Graph {
        let bridges = (0..).zip(&self.bridges).map(|(index, &node)| {
            let config = self.world.switch(node).map(|switch| switch.bridge_config());
            let priority = config.map_or(0, |config| u64::from(config.priority.get()));
            priority << 48 | index
        });
        let mut ports = Vec::new();
        for (lan, ends) in self.ports.iter().enumerate() {
            ports.extend(ends.iter().map(|&port| self.port_of_graph(lan, port)));
        }
        Graph {
            bridges: bridges.collect(),
            ports,
        }
    }

    fn port_of_graph(&self, lan: usize, port: PortRef) -> Port {
        let stp = self.settings(port).map(|settings| settings.stp);
        let enabled = self.settings(port).is_some_and(|settings| settings.enabled);
        let cost = stp.and_then(|stp| stp.path_cost).map_or(0, PathCost::get);
        let priority = stp.map_or(0, |stp| u32::from(stp.priority.get()));
        Port {
            bridge: port.node.index(),
            lan,
            cost: cost.into(),
            id: priority << 16 | u32::from(port.port.get()),
            up: enabled
                && self.world.has_carrier(port)
                && self.world.power(port.node) == Some(Power::On),
        }
    }

    /// All bridges' ports, in the graph's order.
    pub fn all_ports(&self) -> impl Iterator<Item = PortRef> {
        self.ports.iter().flatten().copied()
    }

    /// Whether a fault is about a wire or a bridge on this way.
    #[must_use]
    pub fn touches(&self, fault: Fault, path: &[PortRef]) -> bool {
        let wire = |wire: usize| {
            let wire = self.wire(wire);
            path.iter().any(|&port| self.wire_of(port) == wire)
        };
        let bridge = |bridge: usize| {
            let node = self.bridges.get(bridge);
            path.iter().any(|port| Some(&port.node) == node)
        };
        match fault {
            Fault::Nothing => false,
            Fault::Down(index)
            | Fault::Up(index)
            | Fault::Silent(index)
            | Fault::Mute(index, _)
            | Fault::Deaf(index, _)
            | Fault::Loss(index, _)
            | Fault::Delay(index, _)
            | Fault::Cost(index, ..)
            | Fault::PortPriority(index, ..)
            | Fault::PortDown(index, _)
            | Fault::PortUp(index, _) => wire(index),
            Fault::Off(index)
            | Fault::On(index)
            | Fault::Freeze(index)
            | Fault::Priority(index, _)
            | Fault::Times(index, _) => bridge(index),
        }
    }

    fn wire_of(&self, port: PortRef) -> Option<WireId> {
        self.world.map().wire_at(port).map(|(wire, _)| wire)
    }

    /// The times a bridge is set to.
    #[must_use]
    pub fn times(&self, bridge: usize) -> Option<Times> {
        let times = self
            .world
            .switch(*self.bridges.get(bridge)?)?
            .bridge_config()
            .times;
        let seconds = |time: Duration| u8::try_from(time.as_secs()).unwrap_or(u8::MAX);
        Some(Times(
            seconds(times.max_age()),
            seconds(times.hello_time()),
            seconds(times.forward_delay()),
        ))
    }
}

fn bridge_times(times: Times) -> BridgeTimes {
    BridgeTimes::new(times.max_age(), times.hello_time(), times.forward_delay())
        .unwrap_or_else(|error| panic!("{times:?}: {error}"))
}

fn bridge_priority(steps: u8) -> BridgePriority {
    let priority = BridgePriority::new(u16::from(steps) * 4096);
    priority.unwrap_or_else(|| panic!("a bridge priority of {steps} steps"))
}

fn port_priority(steps: u8) -> PortPriority {
    let priority = steps.checked_mul(16).and_then(PortPriority::new);
    priority.unwrap_or_else(|| panic!("a port priority of {steps} steps"))
}

fn path_cost(cost: u32) -> PathCost {
    PathCost::new(cost).unwrap_or_else(|| panic!("a path cost of {cost}"))
}
