//! Adding nodes, ports and wires.

use std::rc::Rc;

use pnet_base::MacAddr;
use stp::PortNumber;
use switchd::{PortSettings, Switch, SwitchConfig, SwitchError};

use super::{Body, Node, World};
use crate::sim::bridge::{
    BridgeNode, BridgeSpec, PortSpec, bridge_address, default_name, port_address, station_address,
};
use crate::sim::id::{NodeId, PortRef, WireId};
use crate::sim::operation::{Power, WorldError};
use crate::sim::rng::Rng;
use crate::sim::station::{Listener, Station};
use crate::sim::wire::{End, Impairment, Line, LinkState, Medium, OneWay, Wire};

impl World {
    /// Adds a bridge without ports; it runs from now on.
    ///
    /// # Errors
    /// The name is taken.
    pub fn add_bridge(&mut self, spec: &BridgeSpec) -> Result<NodeId, WorldError> {
        self.add_switch(&spec.name, |address| spec.config(address))
    }

    /// Adds a bridge of this configuration, without ports; it runs from now on. `config` is given the address that
    /// follows from the order of adding.
    ///
    /// # Errors
    /// The name is taken.
    pub fn add_switch(
        &mut self,
        name: &str,
        config: impl FnOnce(MacAddr) -> SwitchConfig,
    ) -> Result<NodeId, WorldError> {
        let node = self.add_node(name, true)?;
        let config = config(bridge_address(node));
        self.nodes.push(Node {
            body: Body::Bridge(Box::new(BridgeNode {
                switch: Some(Switch::new(config.clone())),
                config,
                ports: Vec::new(),
            })),
            armed: None,
        });
        Ok(node)
    }

    /// Adds a station that only listens, with one port and an address of its own ([`World::address`]).
    ///
    /// # Errors
    /// The name is taken.
    pub fn add_listener(&mut self, name: &str) -> Result<NodeId, WorldError> {
        let node = self.add_station(name, Listener)?;
        self.add_station_port(node, PortNumber::MIN, "eth0", None)?;
        Ok(node)
    }

    /// Adds a station without ports; it runs from now on.
    ///
    /// # Errors
    /// The name is taken.
    pub fn add_station(&mut self, name: &str, station: impl Station) -> Result<NodeId, WorldError> {
        let node = self.add_node(name, false)?;
        self.nodes.push(Node {
            body: Body::Station {
                station: Box::new(station),
                links: Vec::new(),
            },
            armed: None,
        });
        self.rearm(node);
        Ok(node)
    }

    fn add_node(&mut self, name: &str, is_bridge: bool) -> Result<NodeId, WorldError> {
        if self.fabric.map.node(name).is_some() {
            return Err(WorldError::NameTaken(name.to_owned()));
        }
        self.fabric.power.push(Power::On);
        Ok(self.fabric.map.add_node(name, is_bridge))
    }

    /// Adds a port to a station. Its address is `address`, or one that follows from its numbers; frames to it are
    /// expected to arrive there.
    ///
    /// # Errors
    /// There is no such station, it has that port, or `name` is no port name.
    pub fn add_station_port(
        &mut self,
        node: NodeId,
        number: PortNumber,
        name: &str,
        address: Option<MacAddr>,
    ) -> Result<PortRef, WorldError> {
        let port = node.port(number);
        if node.index() >= self.nodes.len() || self.fabric.map.is_bridge(node) {
            return Err(WorldError::NoNode(node));
        }
        if self.fabric.map.has_port(port) {
            return Err(SwitchError::NumberTaken(number.get()).into());
        }
        let name = name.parse().unwrap_or_else(|_| default_name(number));
        self.fabric.map.add_port(port, name);
        let address = address.unwrap_or_else(|| station_address(node, number));
        self.fabric.map.place(address, port);
        self.fabric.addresses.insert(port, address);
        Ok(port)
    }

    /// Says that the station with this address is at `port` from now on, as when a VM moves: where frames to it are
    /// expected to arrive.
    pub fn place(&mut self, address: MacAddr, port: PortRef) {
        self.fabric.map.place(address, port);
    }

    /// The address of a station's port.
    #[must_use]
    pub fn address(&self, port: PortRef) -> Option<MacAddr> {
        self.fabric.addresses.get(&port).copied()
    }

    /// Adds a port with the lowest free number to a bridge.
    ///
    /// # Errors
    /// There is no such running bridge, its numbers are used up, or the port's name is taken.
    pub fn add_port(&mut self, node: NodeId, spec: &PortSpec) -> Result<PortRef, WorldError> {
        let free = (1..)
            .map_while(PortNumber::new)
            .find(|number| !self.fabric.map.has_port(node.port(*number)));
        let number = free.ok_or(SwitchError::NumberRange(PortNumber::MAX.get()))?;
        self.add_port_numbered(node, number, spec)
    }

    /// Adds a port of this number to a bridge.
    ///
    /// # Errors
    /// There is no such running bridge, or the port's number or name is taken or out of range.
    pub fn add_port_numbered(
        &mut self,
        node: NodeId,
        number: PortNumber,
        spec: &PortSpec,
    ) -> Result<PortRef, WorldError> {
        self.add_port_with(node, number, spec.address, |address| {
            spec.settings(number, address)
        })
    }

    /// Adds a port of this number with these settings, which are given the port's address: `address`, or one that
    /// follows from its numbers.
    ///
    /// # Errors
    /// As [`World::add_port_numbered`].
    pub fn add_port_with(
        &mut self,
        node: NodeId,
        number: PortNumber,
        address: Option<MacAddr>,
        settings: impl FnOnce(MacAddr) -> PortSettings,
    ) -> Result<PortRef, WorldError> {
        let settings = settings(address.unwrap_or_else(|| port_address(node, number)));
        let name = settings.name;
        let added = self.with_switch(node, None, |switch, now, out| {
            switch.add_port(now, number, settings, out)
        });
        added.ok_or_else(|| self.not_running(node))??;
        let port = node.port(number);
        self.fabric.map.add_port(port, name);
        Ok(port)
    }

    /// Why a node's switch could not be had.
    pub(super) fn not_running(&self, node: NodeId) -> WorldError {
        if node.index() >= self.nodes.len() {
            WorldError::NoNode(node)
        } else if self.fabric.map.is_bridge(node) {
            WorldError::NotRunning(node)
        } else {
            WorldError::NotABridge(node)
        }
    }

    /// Wires nodes together: bridges get a new port with the lowest free number, stations use their first free one. A
    /// bridge may stand in the list twice.
    ///
    /// # Errors
    /// As [`World::add_port`] and [`World::connect`], and a station has no free port.
    pub fn wire_nodes(&mut self, nodes: &[NodeId], medium: Medium) -> Result<WireId, WorldError> {
        if nodes.len() < 2 {
            return Err(WorldError::Ends(nodes.len()));
        }
        let mut ends = Vec::with_capacity(nodes.len());
        for &node in nodes {
            let end = if self.fabric.map.is_bridge(node) {
                self.add_port(node, &PortSpec::default())?
            } else {
                let map = &self.fabric.map;
                map.ports(node)
                    .map(|(port, _)| port)
                    .find(|port| map.wire_at(*port).is_none() && !ends.contains(port))
                    .ok_or(WorldError::NoPort(node.port(PortNumber::MIN)))?
            };
            ends.push(end);
        }
        self.connect(&ends, medium)
    }

    /// Plugs a new wire into ports that have none: two of them make a cable, more a shared segment. Carrier comes at
    /// once.
    ///
    /// # Errors
    /// Less than two ends, an unknown port, or a port with a wire; nothing is changed then.
    pub fn connect(&mut self, ends: &[PortRef], medium: Medium) -> Result<WireId, WorldError> {
        if ends.len() < 2 {
            return Err(WorldError::Ends(ends.len()));
        }
        for (index, &end) in ends.iter().enumerate() {
            if !self.fabric.map.has_port(end) {
                return Err(WorldError::NoPort(end));
            }
            if self.fabric.map.wire_at(end).is_some() || ends[..index].contains(&end) {
                return Err(WorldError::Connected(end));
            }
        }
        let id = self.fabric.map.add_wire(ends);
        let impairment = self.shared(medium.impairment);
        let end = |(index, &port): (u32, &PortRef)| End {
            port,
            plugged: true,
            one_way: OneWay::default(),
            line: Line::new(Rc::clone(&impairment), Rng::new(self.seed, [id.0, index])),
        };
        let wire = Wire {
            speed: medium.speed,
            state: LinkState::Up,
            ends: (0..).zip(ends).map(end).collect(),
            generation: 0,
        };
        self.fabric.wires.push(wire);
        self.fabric.parts.forget();
        self.fabric.flows.add_ends(ends.len());
        self.sync_carrier(ends);
        Ok(id)
    }

    /// The same impairment as of the wire before, if it is the same.
    fn shared(&mut self, impairment: Impairment) -> Rc<Impairment> {
        match &self.impairment {
            Some(last) if **last == impairment => Rc::clone(last),
            Some(_) | None => Rc::clone(self.impairment.insert(Rc::new(impairment))),
        }
    }
}
