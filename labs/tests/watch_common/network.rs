//! A random network with three places for one machine, and a client.

use core::time::Duration;
use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use cam::AgeingTime;
use labs::sim::rng::{Probability, Rng};
use labs::sim::{BridgeSpec, Impairment, Limits, Medium, NodeId, PortRef, PortSpec, WireId, World};
use labs::watch::{ArpWatch, Recorder};
use stp::{PortNumber, TreeId};
use switchd::watch::Subject;

use super::stations::{CLIENT, Card, Client, VM, VM_IP};

pub(crate) const MS: Duration = Duration::from_millis(1);

/// What a network is made like.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Shape {
    /// A cable too many between the core switches.
    pub(crate) ring: bool,
    /// Spanning tree on core switches.
    pub(crate) tree: bool,
    /// At least so many core switches.
    pub(crate) least: u64,
    /// Seconds.
    pub(crate) ageing: u32,
    /// How often the client asks.
    pub(crate) period: Duration,
}

pub(crate) struct Network {
    pub(crate) world: World,
    pub(crate) chance: Rng,
    /// Cables between core switches; with a ring, the last one closes it.
    pub(crate) cables: Vec<WireId>,
    /// The machine's cards, and the port of the switch each is plugged into.
    pub(crate) cards: [(PortRef, PortRef); 3],
    pub(crate) client: PortRef,
    /// The switch the client is plugged into.
    pub(crate) client_at: NodeId,
    client_port: PortRef,
    pub(crate) recorder: Rc<RefCell<Recorder>>,
    pub(crate) arp: Rc<RefCell<ArpWatch>>,
}

pub(crate) fn subject() -> Subject {
    Subject {
        vlan: etherparse::VlanId::try_new(1).unwrap(),
        mac: VM,
    }
}

impl Network {
    /// Draws one and lets its tree settle.
    pub(crate) fn draw(shape: Shape, seed: u64) -> Self {
        let mut chance = Rng::new(seed, [0x57, 0x41]);
        let mut world = World::new(chance.next_u64());
        world.set_limits(Limits {
            copies_per_end: 40,
            returns: 40,
        });
        let recorder = Rc::new(RefCell::new(Recorder::new(VM)));
        world.observe(recorder.clone());
        let least = shape.least.max(1);
        let count = usize::try_from(least + chance.below(6 - least)).unwrap();
        let ageing = AgeingTime::from_secs(shape.ageing).unwrap();
        let spec = |name: String, tree| BridgeSpec::new(name).spanning_tree(tree).ageing(ageing);
        let core: Vec<NodeId> = (0..count)
            .map(|number| {
                world
                    .add_bridge(&spec(format!("s{number}"), shape.tree))
                    .unwrap()
            })
            .collect();
        let impairment = Impairment {
            delay: Duration::from_micros(1 + chance.below(200)),
            jitter: Duration::from_micros(chance.below(50)),
            duplicate: Probability::percent(u32::try_from(chance.below(3)).unwrap() * 5),
            ..Impairment::default()
        };
        let medium = Medium {
            impairment,
            ..Medium::default()
        };
        let mut cables = Vec::new();
        for number in 1..count {
            // A ring needs a line to close.
            let other = match shape.ring {
                true => number - 1,
                false => pick(&mut chance, number),
            };
            cables.push(
                world
                    .wire_nodes(&[core[other], core[number]], medium)
                    .unwrap(),
            );
        }
        if shape.ring {
            cables.push(
                world
                    .wire_nodes(&[core[count - 1], core[0]], medium)
                    .unwrap(),
            );
        }
        let vswitches = chance.below(4) > 0;
        let mut place = |world: &mut World, number: usize| {
            let mut at = core[pick(&mut chance, count)];
            if vswitches {
                let vswitch = world
                    .add_bridge(&spec(format!("v{number}"), false))
                    .unwrap();
                let up = world.add_port(vswitch, &PortSpec::default()).unwrap();
                let down = world.add_port(at, &PortSpec::default().edge(true)).unwrap();
                world.connect(&[down, up], medium).unwrap();
                at = vswitch;
            }
            let card = world
                .add_station(&format!("card{number}"), Card::default())
                .unwrap();
            let card = world
                .add_station_port(card, PortNumber::MIN, "eth0", Some(VM))
                .unwrap();
            let port = world.add_port(at, &PortSpec::default().edge(true)).unwrap();
            world.connect(&[port, card], Medium::default()).unwrap();
            (card, port)
        };
        let cards = [0, 1, 2].map(|number| place(&mut world, number));
        let client_at = core[pick(&mut chance, count)];
        let begin = 200 * Duration::from_secs(1);
        let client = world
            .add_station("client", Client::new(shape.period, begin))
            .unwrap();
        let client = world
            .add_station_port(client, PortNumber::MIN, "eth0", Some(CLIENT))
            .unwrap();
        let port = world
            .add_port(client_at, &PortSpec::default().edge(true))
            .unwrap();
        world.connect(&[port, client], Medium::default()).unwrap();
        let arp = Rc::new(RefCell::new(ArpWatch::new(client, VM_IP)));
        world.observe(arp.clone());
        if shape.tree {
            world.run_quiet(begin).unwrap();
        }
        world.run_until(begin - 10 * MS);
        Self {
            world,
            chance,
            cables,
            cards,
            client,
            client_at,
            client_port: port,
            recorder,
            arp,
        }
    }

    pub(crate) fn millis(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_micros(from * 1000 + self.chance.below((to - from) * 1000))
    }

    pub(crate) fn coin(&mut self) -> bool {
        self.chance.below(2) == 0
    }

    /// The port by which each switch reaches the place behind `from`, straight from the cables that forward: the
    /// truth that tables are held against.
    pub(crate) fn truth(&self, from: PortRef) -> BTreeMap<NodeId, PortRef> {
        let map = self.world.map();
        let mut found = BTreeMap::from([(from.node, from)]);
        let mut open = VecDeque::from([from.node]);
        while let Some(node) = open.pop_front() {
            for (port, _) in map.ports(node).filter(|(port, _)| self.forwards(*port)) {
                let Some((wire, _)) = map.wire_at(port) else {
                    continue;
                };
                for &far in map.ends(wire).iter().filter(|far| **far != port) {
                    if map.is_bridge(far.node)
                        && self.forwards(far)
                        && !found.contains_key(&far.node)
                    {
                        found.insert(far.node, far);
                        open.push_back(far.node);
                    }
                }
            }
        }
        found
    }

    /// Whether a frame from the second place to the client passes every switch that reaches the first and the second
    /// place by different ports.
    pub(crate) fn rest_learns_by_word(&self) -> bool {
        let (old, new) = (self.truth(self.cards[0].1), self.truth(self.cards[1].1));
        let to_client = self.truth(self.client_port);
        let mut way = Vec::new();
        let mut here = self.cards[1].1.node;
        loop {
            way.push(here);
            let port = to_client[&here];
            if port == self.client_port {
                break;
            }
            let map = self.world.map();
            let (wire, index) = map.wire_at(port).unwrap();
            here = map.ends(wire)[1 - index].node;
        }
        new.iter()
            .filter(|(node, port)| old.get(node) != Some(port))
            .all(|(node, _)| way.contains(node))
    }

    fn forwards(&self, port: PortRef) -> bool {
        let switch = self.world.switch(port.node);
        switch
            .and_then(|switch| switch.port(port.port))
            .is_some_and(|port| {
                port.is_link_up() && port.state(TreeId::COMMON) == stp::PortState::Forwarding
            })
    }

    /// Switches whose table leads elsewhere than to the place behind `to`.
    pub(crate) fn astray(&self, to: PortRef) -> Vec<NodeId> {
        let truth = self.truth(to);
        let subject = subject();
        let wrong = self.world.bridges().filter(|node| {
            let entry = self.world.switch(*node).and_then(|switch| {
                switch
                    .cam()
                    .lookup(self.world.now(), subject.vlan, subject.mac)
            });
            entry.is_some_and(|port| truth.get(node) != Some(&node.port(port)))
        });
        wrong.collect()
    }
}

fn pick(chance: &mut Rng, count: usize) -> usize {
    usize::try_from(chance.below(count as u64)).unwrap()
}
