//! The eyes of a watch in virtual time.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use pnet_base::MacAddr;
use stp::TreeId;
use switchd::event::{Event, Record};
use switchd::watch::{End, Seen, Subject, Wiring};
use switchd::{PortName, Switch};

use crate::sim::{Map, NodeId, Notice, Observer, World};

/// Keeps what the switches of a world tell of one address. Give the world an `Rc<RefCell<_>>` of it.
#[derive(Clone, Debug)]
pub struct Recorder {
    mac: MacAddr,
    seq: BTreeMap<NodeId, u64>,
    seen: Vec<Seen>,
}

impl Recorder {
    /// One for this address.
    #[must_use]
    pub fn new(mac: MacAddr) -> Self {
        Self {
            mac,
            seq: BTreeMap::new(),
            seen: Vec::new(),
        }
    }

    /// Takes what was seen since the last call, in order.
    pub fn take(&mut self) -> Vec<Seen> {
        std::mem::take(&mut self.seen)
    }
}

impl Observer for Recorder {
    fn notice(&mut self, now: Duration, map: &Map, notice: &Notice<'_>) {
        let Notice::Bridge { node, event } = *notice else {
            return;
        };
        let seq = self.seq.entry(node).or_default();
        *seq += 1;
        let matters = match event {
            Event::CamLearn { mac, .. }
            | Event::CamMove { mac, .. }
            | Event::CamExpire { mac, .. }
            | Event::CamEvict { mac, .. } => *mac == self.mac,
            Event::CamFlush { .. } | Event::Link { .. } | Event::PortRemoved { .. } => true,
            Event::StpRole { .. }
            | Event::StpState { .. }
            | Event::StpRoot { .. }
            | Event::TopologyChange { .. }
            | Event::ShortAgeing { .. }
            | Event::StpInconsistent { .. }
            | Event::PortDisabled { .. }
            | Event::Storm { .. }
            | Event::Flapping { .. }
            | Event::PortAdded { .. } => false,
        };
        if matters {
            self.seen.push(Seen {
                switch: map.name(node).to_owned(),
                record: Record {
                    seq: *seq,
                    time: now,
                    event: *event,
                },
            });
        }
    }
}

/// The port each running switch of a world has for `subject`.
#[must_use]
pub fn tables(world: &World, subject: Subject) -> BTreeMap<String, PortName> {
    let entry = |node| {
        let switch = world.switch(node)?;
        let port = switch
            .cam()
            .lookup(world.now(), subject.vlan, subject.mac)?;
        let name = switch.port(port)?.settings().name;
        Some((world.map().name(node).to_owned(), name))
    };
    world.bridges().filter_map(entry).collect()
}

/// The ports of a world's running switches that forward in the VLAN of `subject`.
#[must_use]
pub fn forwarding(world: &World, subject: Subject) -> BTreeSet<End> {
    let mut ends = BTreeSet::new();
    for node in world.bridges() {
        let ports = world.switch(node).into_iter().flat_map(Switch::ports);
        for (_, port) in ports {
            let carries = port.settings().mode.members().contains(subject.vlan);
            if carries && port.is_link_up() && port.state(TreeId::COMMON).forwards() {
                ends.insert(End {
                    switch: world.map().name(node).to_owned(),
                    port: port.settings().name,
                });
            }
        }
    }
    ends
}

/// The cables between the switches of a world.
#[must_use]
pub fn wiring_in(map: &Map) -> Wiring {
    let mut wiring = Wiring::none();
    for wire in map.wires() {
        let all = map.ends(wire);
        let bridges = all.iter().filter(|end| map.is_bridge(end.node));
        let ends: Vec<End> = bridges
            .filter_map(|end| {
                Some(End {
                    switch: map.name(end.node).to_owned(),
                    port: map.port_name(*end)?,
                })
            })
            .collect();
        let shared = ends.len() < all.len();
        wiring.connect(ends, shared);
    }
    wiring
}
