//! Doing things to the world while time stands still.

use core::time::Duration;
use std::rc::Rc;

use stp::{BridgeConfig, PortNumber};
use switchd::{PortSettings, Switch};

use super::{Body, World};
use crate::sim::fabric::Arrival;
use crate::sim::id::{FlowId, NodeId, PortRef, WireId};
use crate::sim::observe::Notice;
use crate::sim::operation::{Operation, Power, WorldError};
use crate::sim::queue::{What, nanos};
use crate::sim::station::Outbox;
use crate::sim::wire::{End, Impairment, LinkState, OneWay};

impl World {
    /// Does something to the world, now.
    ///
    /// # Errors
    /// It cannot be done; nothing is changed then.
    pub fn apply(&mut self, operation: Operation) -> Result<(), WorldError> {
        self.fabric.notice(&Notice::Operation(&operation));
        match operation {
            Operation::Link { wire, state } => self.set_link(wire, state),
            Operation::Plug { port, plugged } => self.plug(port, plugged),
            Operation::OneWay { port, one_way } => self.set_one_way(port, one_way),
            Operation::Impair { port, impairment } => self.impair(port, impairment),
            Operation::Power { node, power } => self.set_power(node, power),
            Operation::Connect { ends, medium } => self.connect(&ends, medium).map(drop),
            Operation::SetBridge { node, config } => self.set_bridge(node, config),
            Operation::SetProtocol { node, protocol } => self.manage(node, |switch, now, out| {
                switch.set_protocol(now, protocol, out);
                Ok(())
            }),
            Operation::SetAgeing { node, ageing } => self.manage(node, |switch, now, _| {
                switch.set_ageing(now, ageing);
                Ok(())
            }),
            Operation::SetPort { port, settings } => self.set_port(port, *settings),
            Operation::Send { from, frame } => {
                self.known(from)?;
                self.fabric.originate(from, frame, false);
                self.fabric.report();
                Ok(())
            }
            Operation::Inject { at, frame } => {
                let flow = self.inject(at, frame)?;
                self.fabric.flows.take(flow);
                Ok(())
            }
        }
    }

    /// Has something done when the time comes. What cannot be done then stands in [`World::refused`].
    ///
    /// # Errors
    /// The time is past.
    pub fn schedule(&mut self, at: Duration, operation: Operation) -> Result<(), WorldError> {
        if at < self.fabric.now {
            return Err(WorldError::Past(at));
        }
        let place = self.operations.insert(operation);
        self.fabric.queue.push(nanos(at), What::Operation(place));
        Ok(())
    }

    fn known(&self, port: PortRef) -> Result<(), WorldError> {
        self.fabric
            .map
            .has_port(port)
            .then_some(())
            .ok_or(WorldError::NoPort(port))
    }

    /// Cuts a wire, repairs it, or lets it die in silence.
    ///
    /// # Errors
    /// There is no such wire.
    pub fn set_link(&mut self, wire: WireId, state: LinkState) -> Result<(), WorldError> {
        let place = self.fabric.wires.get_mut(wire.index());
        let place = place.ok_or(WorldError::NoWire(wire))?;
        place.set_state(state);
        self.fabric.parts.forget();
        let ends = self.fabric.map.ends(wire).to_vec();
        self.sync_carrier(&ends);
        Ok(())
    }

    /// Plugs one end of a wire in or out.
    ///
    /// # Errors
    /// No wire ends at that port.
    pub fn plug(&mut self, port: PortRef, plugged: bool) -> Result<(), WorldError> {
        self.end_mut(port)?.plugged = plugged;
        self.fabric.parts.forget();
        if let Some((wire, _)) = self.fabric.map.wire_at(port) {
            let ends = self.fabric.map.ends(wire).to_vec();
            self.sync_carrier(&ends);
        }
        Ok(())
    }

    /// Makes one end of a wire mute or deaf, or heals it.
    ///
    /// # Errors
    /// No wire ends at that port.
    pub fn set_one_way(&mut self, port: PortRef, one_way: OneWay) -> Result<(), WorldError> {
        self.end_mut(port)?.one_way = one_way;
        self.fabric.changes.topology = true;
        Ok(())
    }

    /// Changes what happens to frames that `port` sends.
    ///
    /// # Errors
    /// No wire ends at that port.
    pub fn impair(&mut self, port: PortRef, impairment: Impairment) -> Result<(), WorldError> {
        self.end_mut(port)?.line.set_impairment(impairment);
        Ok(())
    }

    fn end_mut(&mut self, port: PortRef) -> Result<&mut End, WorldError> {
        self.known(port)?;
        let (wire, index) = self
            .fabric
            .map
            .wire_at(port)
            .ok_or(WorldError::NotConnected(port))?;
        Ok(&mut self.fabric.wires[wire.index()].ends[index])
    }

    /// Switches a node on or off, or lets it hang.
    ///
    /// # Errors
    /// There is no such node.
    pub fn set_power(&mut self, node: NodeId, power: Power) -> Result<(), WorldError> {
        let place = self.fabric.power.get_mut(node.index());
        let before = std::mem::replace(place.ok_or(WorldError::NoNode(node))?, power);
        if before == power {
            return Ok(());
        }
        self.fabric.parts.forget();
        if power == Power::Off {
            self.cut_wires_of(node);
            if let Body::Bridge(bridge) = &mut self.nodes[node.index()].body {
                bridge.switch_off();
            }
        } else if before == Power::Off {
            self.start_bridge(node);
        }
        let ends = self.neighbourhood(node);
        self.sync_carrier(&ends);
        if power == Power::On {
            self.rearm(node);
        }
        Ok(())
    }

    /// What was under way to or from a node that is switched off never arrives, even if it is back before.
    fn cut_wires_of(&mut self, node: NodeId) {
        let map = &self.fabric.map;
        let wires = map.ports(node).filter_map(|(port, _)| map.wire_at(port));
        for (wire, _) in wires.collect::<Vec<_>>() {
            let wire = &mut self.fabric.wires[wire.index()];
            if wire.is_point_to_point() {
                wire.generation += 1;
            }
        }
    }

    /// A new switch with the old one's settings.
    fn start_bridge(&mut self, node: NodeId) {
        let Body::Bridge(bridge) = &mut self.nodes[node.index()].body else {
            return;
        };
        bridge.switch = Some(Switch::new(bridge.config.clone()));
        let ports = std::mem::take(&mut bridge.ports);
        for (number, settings) in ports {
            let added = self.with_switch(node, None, |switch, now, out| {
                switch.add_port(now, number, settings, out)
            });
            debug_assert!(matches!(added, Some(Ok(()))), "it had this port before");
        }
    }

    /// Ports whose carrier depends on `node`: its own, and those at the other ends of its wires.
    fn neighbourhood(&self, node: NodeId) -> Vec<PortRef> {
        let map = &self.fabric.map;
        let wires = map.ports(node).filter_map(|(port, _)| map.wire_at(port));
        wires
            .flat_map(|(wire, _)| map.ends(wire).iter().copied())
            .collect()
    }

    /// Tells those of `ports` whose carrier came or went.
    pub(super) fn sync_carrier(&mut self, ports: &[PortRef]) {
        self.fabric.changes.topology = true;
        for &port in ports {
            if self.fabric.power[port.node.index()] == Power::On {
                self.sync_port(port);
            }
        }
    }

    fn sync_port(&mut self, port: PortRef) {
        let up = self.fabric.has_carrier(port);
        let Some((wire, _)) = self.fabric.map.wire_at(port) else {
            return;
        };
        let wire = &self.fabric.wires[wire.index()];
        let (cost, point_to_point) = (wire.path_cost(), wire.is_point_to_point());
        let index = usize::from(port.port.get());
        match &mut self.nodes[port.node.index()].body {
            Body::Bridge(_) => {
                self.with_switch(port.node, None, |switch, now, out| {
                    let was_up = switch.port(port.port).is_some_and(|port| port.is_link_up());
                    match (was_up, up) {
                        (false, true) => {
                            switch.link_up(now, port.port, cost, point_to_point, out);
                        }
                        (true, false) => switch.link_down(now, port.port, out),
                        (true, true) | (false, false) => {}
                    }
                });
            }
            Body::Station { station, links } => {
                if links.len() <= index {
                    links.resize(index + 1, false);
                }
                if std::mem::replace(&mut links[index], up) != up {
                    let now = self.fabric.now;
                    let mut out = Outbox {
                        fabric: &mut self.fabric,
                        node: port.node,
                    };
                    station.link(now, port.port, up, &mut out);
                    self.rearm(port.node);
                }
            }
        }
    }

    /// Changes a bridge's priority, address or timers.
    ///
    /// # Errors
    /// There is no such bridge, or it does not run.
    pub fn set_bridge(&mut self, node: NodeId, config: BridgeConfig) -> Result<(), WorldError> {
        self.manage(node, |switch, now, out| {
            switch.set_bridge(now, config, out);
            Ok(())
        })
    }

    /// Changes a bridge's port; name and address are kept.
    ///
    /// # Errors
    /// There is no such port, or its bridge does not run.
    pub fn set_port(&mut self, port: PortRef, settings: PortSettings) -> Result<(), WorldError> {
        self.known(port)?;
        self.manage(port.node, |switch, now, out| {
            Ok(switch.set_port(now, port.port, settings, out)?)
        })
    }

    /// Lets management act on a switch that runs: anything [`Switch`] can do.
    ///
    /// # Errors
    /// There is no such bridge, it is off or frozen, or `act` says no.
    pub fn manage<R>(
        &mut self,
        node: NodeId,
        act: impl FnOnce(&mut Switch, Duration, &mut crate::sim::Effects<'_>) -> Result<R, WorldError>,
    ) -> Result<R, WorldError> {
        if self.power(node) == Some(Power::Frozen) {
            return Err(WorldError::NotRunning(node));
        }
        let result = self.with_switch(node, None, act);
        self.fabric.changes.topology = true;
        result.ok_or_else(|| self.not_running(node))?
    }

    /// Lets a frame come in by a port as if its wire had brought it, and follows its copies until
    /// [`World::take_flow`].
    ///
    /// # Errors
    /// There is no such port, or its node does not run.
    pub fn inject(
        &mut self,
        at: PortRef,
        frame: impl Into<Rc<[u8]>>,
    ) -> Result<FlowId, WorldError> {
        self.known(at)?;
        if self.power(at.node) != Some(Power::On) {
            return Err(WorldError::NotRunning(at.node));
        }
        let octets = frame.into();
        let track = self.fabric.begin_flow(at, &octets, true);
        self.accept(at, None, &octets, Some(&track));
        self.fabric.end_copy(&track);
        self.fabric.report();
        Ok(track.flow)
    }

    /// A frame reaches the end of its wire.
    pub(super) fn arrive(&mut self, arrival: &Arrival) {
        let at = self.fabric.wires[arrival.wire.index()].ends[arrival.end].port;
        let track = arrival.track.as_ref();
        match self.fabric.obstacle(arrival) {
            Some(reason) => self.fabric.lose(arrival.from, Some(at), reason, track),
            None => self.accept(at, Some(arrival.wire), &arrival.octets, track),
        }
        if let Some(track) = track {
            self.fabric.end_copy(track);
        }
    }

    pub(super) fn port_of(&self, node: NodeId, number: PortNumber) -> Option<&switchd::Port> {
        self.switch(node)?.port(number)
    }
}
