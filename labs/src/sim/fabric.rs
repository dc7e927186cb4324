//! Everything in the world but its nodes: wires, what is under way, who watches. A node is lent this while it acts, so
//! that what it sends goes straight onto the wires.

use core::fmt;
use core::time::Duration;
use std::collections::BTreeMap;
use std::rc::Rc;

use pnet_base::MacAddr;
use stp::PortNumber;
use switchd::counters::DropReason;
use switchd::event::Event;
use switchd::frame::Header;
use switchd::tag::Relayed;
use switchd::{Ports, Switch};

use super::changes::Changes;
use super::checks::{Finding, FindingCounts, Flows, Relay, Track};
use super::id::{FlowId, NodeId, PortRef, WireId};
use super::map::Map;
use super::observe::{Notice, Observer};
use super::operation::Power;
use super::parts::{Parts, Wiring};
use super::queue::{Queue, Slab, What, nanos};
use super::wire::{LossReason, Wire};

/// Findings kept with their paths; more are counted only.
const FINDINGS_MAX: usize = 1_000;

/// What the simulation did so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Totals {
    /// Things that happened: arrivals, timers and scheduled operations.
    pub events: u64,
    /// Frames that left a port.
    pub transmitted: u64,
    /// Those of them that bridges sent themselves: BPDUs.
    pub bpdus: u64,
    /// Frames that arrived at a node that runs.
    pub arrived: u64,
    /// Copies that wires lost.
    pub lost: u64,
    /// Frames that bridges dropped, BPDUs not counted.
    pub dropped: u64,
    /// Frames that a bridge sent out of two ports or more.
    pub flooded: u64,
}

/// A frame under way.
#[derive(Clone, Debug)]
pub(super) struct Arrival {
    pub(super) wire: WireId,
    /// The receiving end.
    pub(super) end: usize,
    pub(super) from: PortRef,
    pub(super) generation: u32,
    pub(super) octets: Rc<[u8]>,
    pub(super) track: Option<Track>,
}

pub(super) struct Fabric {
    pub(super) now: Duration,
    pub(super) map: Map,
    pub(super) wires: Vec<Wire>,
    /// Indexed by node.
    pub(super) power: Vec<Power>,
    pub(super) parts: Parts,
    pub(super) queue: Queue,
    pub(super) arrivals: Slab<Arrival>,
    pub(super) flows: Flows,
    pub(super) changes: Changes,
    pub(super) totals: Totals,
    pub(super) findings: Vec<Finding>,
    pub(super) counts: FindingCounts,
    /// Of stations' ports.
    pub(super) addresses: BTreeMap<PortRef, MacAddr>,
    observers: Vec<Box<dyn Observer>>,
}

impl fmt::Debug for Fabric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fabric")
            .field("now", &self.now)
            .field("wires", &self.wires.len())
            .field("in_flight", &self.arrivals.len())
            .finish_non_exhaustive()
    }
}

impl Fabric {
    pub(super) fn new() -> Self {
        Self {
            now: Duration::ZERO,
            map: Map::default(),
            wires: Vec::new(),
            power: Vec::new(),
            parts: Parts::default(),
            queue: Queue::default(),
            arrivals: Slab::default(),
            flows: Flows::default(),
            changes: Changes::default(),
            totals: Totals::default(),
            findings: Vec::new(),
            counts: FindingCounts::default(),
            addresses: BTreeMap::new(),
            observers: Vec::new(),
        }
    }

    /// The same, with nobody watching.
    pub(super) fn fork(&self) -> Self {
        Self {
            now: self.now,
            map: self.map.clone(),
            wires: self.wires.clone(),
            power: self.power.clone(),
            parts: self.parts.clone(),
            queue: self.queue.clone(),
            arrivals: self.arrivals.clone(),
            flows: self.flows.clone(),
            changes: self.changes.clone(),
            totals: self.totals,
            findings: self.findings.clone(),
            counts: self.counts,
            addresses: self.addresses.clone(),
            observers: Vec::new(),
        }
    }

    pub(super) fn observe(&mut self, observer: Box<dyn Observer>) {
        self.observers.push(observer);
    }

    pub(super) fn notice(&mut self, notice: &Notice<'_>) {
        let Self {
            observers,
            map,
            now,
            ..
        } = self;
        for observer in observers {
            observer.notice(*now, map, notice);
        }
    }

    /// Hands out what the checks found since the last time.
    pub(super) fn report(&mut self) {
        for finding in std::mem::take(&mut self.flows.found) {
            self.record(finding);
        }
    }

    pub(super) fn record(&mut self, finding: Finding) {
        self.counts.count(&finding.violation);
        self.notice(&Notice::Finding(&finding));
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(finding);
        }
    }

    fn runs(&self, node: NodeId) -> bool {
        self.power.get(node.index()) == Some(&Power::On)
    }

    /// Whether `port` has carrier: its wire is not cut, it is plugged in, and at a cable the other end is too and
    /// not switched off.
    pub(super) fn has_carrier(&self, port: PortRef) -> bool {
        carrier(&self.map, &self.wires, &self.power, port)
    }

    /// Lets a station, or somebody in its place, send a frame of its own.
    pub(super) fn originate(&mut self, from: PortRef, octets: Rc<[u8]>, keep: bool) -> FlowId {
        let track = self.begin_flow(from, &octets, keep);
        // A frame that no port takes is told of and counted as lost; its sender learns it from the flow.
        let _ = self.carry(from, &octets, Some(&track));
        self.end_copy(&track);
        track.flow
    }

    pub(super) fn begin_flow(&mut self, from: PortRef, octets: &[u8], keep: bool) -> Track {
        let to = Header::parse(octets)
            .filter(|header| !header.destination.is_multicast())
            .and_then(|header| self.map.station(header.destination));
        self.flows.begin(self.now, from, to, keep)
    }

    /// A copy has ended, by arriving or not.
    pub(super) fn end_copy(&mut self, track: &Track) {
        let Self {
            flows,
            map,
            wires,
            power,
            parts,
            now,
            ..
        } = self;
        flows.end(*now, track, |from, to| {
            let wiring = Wiring { map, wires, power };
            carrier(map, wires, power, to) && parts.connected(wiring, from, to)
        });
    }

    /// Whether there is a way between the ports at all.
    #[cfg(test)]
    pub(super) fn connected(&mut self, from: PortRef, to: PortRef) -> bool {
        let (map, wires, power) = (&self.map, &self.wires[..], &self.power[..]);
        let wiring = Wiring { map, wires, power };
        self.parts.connected(wiring, from, to)
    }

    /// Puts a frame on the wire at `from`. Says whether the port could take it.
    pub(super) fn carry(
        &mut self,
        from: PortRef,
        octets: &Rc<[u8]>,
        track: Option<&Track>,
    ) -> Result<(), LossReason> {
        if !self.has_carrier(from) {
            self.lose(from, None, LossReason::NoCarrier, track);
            return Err(LossReason::NoCarrier);
        }
        let Some((id, index)) = self.map.wire_at(from) else {
            return Err(LossReason::NoCarrier);
        };
        self.totals.transmitted += 1;
        self.totals.bpdus += u64::from(track.is_none());
        if !self.observers.is_empty() {
            self.notice(&Notice::Transmitted {
                from,
                wire: id,
                frame: octets,
                flow: track.map(|track| track.flow),
            });
        }
        let now = nanos(self.now);
        let departure = match self.wires[id.index()].take(index, now, octets.len()) {
            Ok(departure) => departure,
            Err(reason) => {
                self.lose(from, None, reason, track);
                // A port knows of a full queue; of what the wire does it does not.
                return match reason {
                    LossReason::Queue => Err(reason),
                    LossReason::NoCarrier
                    | LossReason::Cut
                    | LossReason::Silent
                    | LossReason::OneWay
                    | LossReason::Chance
                    | LossReason::Receiver
                    | LossReason::Limit => Ok(()),
                };
            }
        };
        for receiver in 0..wire_ends(&self.wires, id) {
            if receiver != index {
                self.carry_to(id, index, receiver, departure, octets, track);
            }
        }
        Ok(())
    }

    /// One receiver's copy.
    fn carry_to(
        &mut self,
        id: WireId,
        sender: usize,
        receiver: usize,
        departure: u64,
        octets: &Rc<[u8]>,
        track: Option<&Track>,
    ) {
        let wire = &mut self.wires[id.index()];
        let (from, to) = (wire.ends[sender].port, wire.ends[receiver].port);
        if !wire.ends[receiver].plugged {
            return;
        }
        let generation = wire.generation;
        let passage = match wire.copy(sender, receiver, departure) {
            Ok(passage) => passage,
            Err(reason) => return self.lose(from, Some(to), reason, track),
        };
        let octets = passage.octets(octets);
        for at in passage.times() {
            if let Some(track) = track
                && !self.flows.copy(self.now, track)
            {
                self.lose(from, Some(to), LossReason::Limit, Some(track));
                continue;
            }
            let place = self.arrivals.insert(Arrival {
                wire: id,
                end: receiver,
                from,
                generation,
                octets: octets.clone(),
                track: track.cloned(),
            });
            self.queue.push(at, What::Arrival(place));
        }
    }

    /// Counts and tells of a copy that a wire lost.
    pub(super) fn lose(
        &mut self,
        from: PortRef,
        to: Option<PortRef>,
        reason: LossReason,
        track: Option<&Track>,
    ) {
        self.totals.lost += 1;
        if let Some(track) = track {
            let by_chance = matches!(reason, LossReason::Chance | LossReason::Queue);
            self.flows.lose(track, to, reason.name(), by_chance);
        }
        if !self.observers.is_empty() {
            self.notice(&Notice::Lost {
                from,
                to,
                reason,
                flow: track.map(|track| track.flow),
            });
        }
    }

    /// Why a frame that is due at a port does not arrive there.
    pub(super) fn obstacle(&self, arrival: &Arrival) -> Option<LossReason> {
        let wire = &self.wires[arrival.wire.index()];
        let obstacle = wire.obstacle(arrival.end, arrival.generation);
        let node = wire.ends[arrival.end].port.node;
        obstacle.or_else(|| (!self.runs(node)).then_some(LossReason::Receiver))
    }
}

fn wire_ends(wires: &[Wire], id: WireId) -> usize {
    wires[id.index()].ends.len()
}

pub(super) fn carrier(map: &Map, wires: &[Wire], power: &[Power], port: PortRef) -> bool {
    let Some((id, index)) = map.wire_at(port) else {
        return false;
    };
    let wire = &wires[id.index()];
    let is_on = |other: usize| {
        let node = wire.ends[other].port.node;
        power.get(node.index()) != Some(&Power::Off)
    };
    wire.has_carrier(index, is_on)
}

/// What a switch put on its ports while it acted, to be counted once it is free again.
pub(super) type Sent = Vec<(PortNumber, usize, Result<(), LossReason>)>;

/// The world as a switch sees it: where its frames and events go.
#[derive(Debug)]
pub struct Effects<'a> {
    pub(super) fabric: &'a mut Fabric,
    pub(super) node: NodeId,
    pub(super) incoming: Option<Incoming<'a>>,
    pub(super) sent: &'a mut Sent,
}

/// The frame a switch is handling.
#[derive(Debug)]
pub(super) struct Incoming<'a> {
    octets: &'a Rc<[u8]>,
    at: PortRef,
    track: Option<&'a Track>,
    /// What its copies carry; known once the first one leaves.
    onward: Option<Option<Relay>>,
    /// The two forms it leaves in, each copied at most once.
    tagged: Option<Rc<[u8]>>,
    untagged: Option<Rc<[u8]>>,
}

impl<'a> Incoming<'a> {
    pub(super) fn new(octets: &'a Rc<[u8]>, at: PortRef, track: Option<&'a Track>) -> Self {
        Self {
            octets,
            at,
            track,
            onward: None,
            tagged: None,
            untagged: None,
        }
    }

    fn form(&mut self, frame: &Relayed<'_>) -> Rc<[u8]> {
        if frame.tag().is_none() && frame.shift() == 0 {
            return self.octets.clone();
        }
        let form = if frame.tag().is_some() {
            &mut self.tagged
        } else {
            &mut self.untagged
        };
        form.get_or_insert_with(|| {
            let mut octets = Vec::with_capacity(frame.len());
            frame.write_to(&mut octets);
            octets.into()
        })
        .clone()
    }
}

impl Ports for Effects<'_> {
    fn transmit(&mut self, port: PortNumber, frame: Relayed<'_>) {
        let Some(incoming) = &mut self.incoming else {
            return;
        };
        let octets = incoming.form(&frame);
        let (at, track, fabric) = (incoming.at, incoming.track, &mut *self.fabric);
        let onward = incoming
            .onward
            .get_or_insert_with(|| track.map(|track| fabric.flows.relay(fabric.now, track, at)));
        let from = self.node.port(port);
        let result = match onward {
            None => fabric.carry(from, &octets, None),
            Some(Relay::Go(track)) => fabric.carry(from, &octets, Some(track)),
            Some(Relay::Stop) => {
                fabric.lose(from, None, LossReason::Limit, track);
                return;
            }
        };
        self.sent.push((port, octets.len(), result));
    }

    fn send(&mut self, port: PortNumber, frame: &[u8]) {
        let octets = Rc::from(frame);
        let result = self.fabric.carry(self.node.port(port), &octets, None);
        self.sent.push((port, frame.len(), result));
    }

    fn notice(&mut self, event: Event) {
        let Self { fabric, node, .. } = self;
        fabric.changes.note(fabric.now, *node, &fabric.map, &event);
        if !fabric.observers.is_empty() {
            fabric.notice(&Notice::Bridge {
                node: *node,
                event: &event,
            });
        }
    }
}

/// Counts at the switch what left its ports.
pub(super) fn count(switch: &mut Switch, sent: &mut Sent) {
    for (port, octets, result) in sent.drain(..) {
        let Some(counters) = switch.counters_mut(port) else {
            continue;
        };
        match result {
            Ok(()) => counters.transmitted(octets),
            Err(LossReason::Queue) => counters.dropped(DropReason::TransmitFull, 1),
            Err(
                LossReason::NoCarrier
                | LossReason::Cut
                | LossReason::Silent
                | LossReason::OneWay
                | LossReason::Chance
                | LossReason::Receiver
                | LossReason::Limit,
            ) => counters.dropped(DropReason::TransmitDown, 1),
        }
    }
}
