//! The ring of switches that all cases happen in.

use core::time::Duration;
use std::rc::Rc;

use std::net::Ipv4Addr;
use stp::{BridgePriority, PathCost, PortNumber};

use super::stations::{CLIENT, Card, Client, VM};
use super::{Setting, Word};
use crate::guest::announce as announcement;
use crate::sim::{
    BridgeSpec, Medium, NodeId, OneWay, Operation, PortRef, PortSpec, WireId, World, WorldError,
    frame,
};

/// What the waiting port costs: more than the cable that is cut.
const DEAR: u32 = 1_000;
/// When the stations say who they are, after the tree stands.
const INTRODUCTION: Duration = Duration::from_secs(1);
const VM_IP: Ipv4Addr = Ipv4Addr::new(10, 0, 10, 5);

/// s1 to sN in a line, and the detour from s1 to s2, at whose end s2 waits.
#[derive(Debug)]
pub(super) struct Ring {
    pub(super) world: World,
    /// s1, which the client is plugged into.
    #[cfg(test)]
    pub(super) first: NodeId,
    /// By which port each switch of the line reaches the target.
    to_target: Vec<PortRef>,
    /// The cable that is cut.
    pub(super) cut: WireId,
    /// The port that waits at the detour's end.
    pub(super) waiting: PortRef,
    pub(super) source: PortRef,
    pub(super) target: PortRef,
    pub(super) client: NodeId,
}

impl Ring {
    /// Builds it; its tree is still to be built. `runs`: until when the machine runs at the source, and from when on at
    /// the target; `first`: when the client begins to ask.
    pub(super) fn build(
        setting: &Setting,
        diameter: u32,
        runs: (Duration, Duration),
        first: Duration,
        period: Duration,
    ) -> Result<Self, WorldError> {
        let mut world = World::new(1);
        let spec = |name: String| {
            BridgeSpec::new(name)
                .times(setting.times)
                .ageing(setting.ageing)
        };
        let mut line = Vec::new();
        for number in 1..=diameter {
            let mut spec = spec(format!("s{number}"));
            if number == 1 {
                spec = spec.priority(BridgePriority::MIN);
            }
            line.push(world.add_bridge(&spec)?);
        }
        let detour = world.add_bridge(&spec("detour".to_owned()))?;
        let (first_switch, last_switch) = (line[0], line[line.len() - 1]);
        let mut cables = Vec::new();
        let mut to_target = Vec::new();
        for pair in line.windows(2) {
            let near = world.add_port(pair[0], &PortSpec::default())?;
            let far = world.add_port(pair[1], &PortSpec::default())?;
            cables.push(world.connect(&[near, far], Medium::default())?);
            to_target.push(near);
        }
        // Where there is no second switch, the detour is a second cable to itself.
        let (second, spare) = match line.get(1) {
            Some(second) => (*second, detour),
            None => (detour, first_switch),
        };
        let near = world.add_port(first_switch, &PortSpec::default())?;
        // Nearer to the root than s2, so that the detour speaks between them, and s2 waits.
        let far = world.add_port(detour, &PortSpec::default().cost(PathCost::MIN))?;
        let aside = world.connect(&[near, far], Medium::default())?;
        let dear = PortSpec::default().cost(PathCost::new(DEAR).unwrap_or(PathCost::MAX));
        let waiting = world.add_port(second, &dear)?;
        let back = world.add_port(spare, &PortSpec::default())?;
        world.connect(&[waiting, back], Medium::default())?;
        let eternity = Duration::from_secs(1 << 30);
        let source = plug(&mut world, first_switch, "source", |world, name| {
            let card = Card {
                runs: (Duration::ZERO, runs.0),
            };
            card_of(world, name, card)
        })?;
        let target = plug(&mut world, last_switch, "target", |world, name| {
            let card = Card {
                runs: (runs.1, eternity),
            };
            card_of(world, name, card)
        })?;
        let client = plug(&mut world, first_switch, "client", |world, name| {
            let node = world.add_station(name, Client::new(first, period))?;
            world.add_station_port(node, PortNumber::MIN, "eth0", Some(CLIENT))
        })?;
        to_target.push(target.1);
        Ok(Self {
            world,
            #[cfg(test)]
            first: first_switch,
            to_target,
            cut: cables.first().copied().unwrap_or(aside),
            waiting,
            source: source.0,
            target: target.0,
            client: client.0.node,
        })
    }

    /// Both stations tell everybody who they are, once.
    pub(super) fn introduce(&mut self) -> Result<(), WorldError> {
        let at = self.world.now() + INTRODUCTION;
        let client = self.client.port(PortNumber::MIN);
        for (from, address) in [(self.source, VM), (client, CLIENT)] {
            let frame = frame::broadcast(address);
            self.world.schedule(at, Operation::Send { from, frame })?;
        }
        Ok(())
    }

    /// The machine announces itself at its new place.
    pub(super) fn announce(
        &mut self,
        at: Duration,
        word: Word,
        heard: bool,
    ) -> Result<(), WorldError> {
        let frame: Rc<[u8]> = match word {
            Word::Rarp => announcement::rarp(VM),
            Word::Request => announcement::request(VM, VM_IP),
            Word::Reply => announcement::reply(VM, VM_IP),
        }
        .into();
        let from = self.target;
        let mute = |mute| Operation::OneWay {
            port: from,
            one_way: OneWay { mute, deaf: false },
        };
        // A lost one leaves the card, and its cable loses it.
        if !heard {
            self.world.schedule(at, mute(true))?;
        }
        self.world.schedule(at, Operation::Send { from, frame })?;
        if !heard {
            self.world.schedule(at, mute(false))?;
        }
        Ok(())
    }

    /// The machine says something to its client.
    pub(super) fn speak(&mut self, at: Duration) -> Result<(), WorldError> {
        let frame = frame::data(CLIENT, VM);
        let from = self.target;
        self.world.schedule(at, Operation::Send { from, frame })
    }

    /// Switches of the line whose entry for the machine leads elsewhere than to the target.
    pub(super) fn stale(&self, vlan: etherparse::VlanId) -> usize {
        let now = self.world.now();
        let wrong = self.to_target.iter().filter(|port| {
            let switch = self.world.switch(port.node);
            let entry = switch.and_then(|switch| switch.cam().lookup(now, vlan, VM));
            entry.is_some_and(|entry| entry != port.port)
        });
        wrong.count()
    }
}

fn card_of(world: &mut World, name: &str, card: Card) -> Result<PortRef, WorldError> {
    let node = world.add_station(name, card)?;
    world.add_station_port(node, PortNumber::MIN, "eth0", Some(VM))
}

/// Plugs a station into an edge port of a switch: its port, and the switch's.
fn plug(
    world: &mut World,
    switch: NodeId,
    name: &str,
    make: impl FnOnce(&mut World, &str) -> Result<PortRef, WorldError>,
) -> Result<(PortRef, PortRef), WorldError> {
    let station = make(world, name)?;
    let port = world.add_port(switch, &PortSpec::default().edge(true))?;
    world.connect(&[port, station], Medium::default())?;
    Ok((station, port))
}
