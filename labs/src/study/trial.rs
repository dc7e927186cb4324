//! One trial: build, let settle, disturb, measure.

use core::time::Duration;

use etherparse::VlanId;
use stp::{BridgePriority, TreeId};

use super::graph::Damage;
use super::hosts::{ASK_PERIOD, Host, Stream};
use super::network::Network;
use super::plan::{Event, Key};
use super::protocol::Protocol;
use super::record::{Metric, Outcome, Record};
use crate::sim::checks::cycle;
use crate::sim::{LinkState, Operation, Power, Totals, WireId, WorldError};

/// How long a network may take to settle after the event: more than three times the longest promise of the protocol. What is
/// too deep to settle at all costs that time in full, and is the larger part of a study.
pub const PATIENCE: Duration = Duration::from_secs(180);
/// How long it may take to settle before the event: twice forward delay, and to be sure of it, thrice.
pub const PATIENCE_BEFORE: Duration = Duration::from_secs(180);
/// How long hosts speak before the event: each has been asked at least once.
const WARM_UP: Duration = Duration::from_secs(ASK_PERIOD.as_secs() + 1);
/// The event comes at an instant drawn from one hello time.
const HELLO: Duration = Duration::from_secs(2);
/// How often a flapping link goes down.
pub const FLAPS: u32 = 5;
/// How long it stays down.
pub const FLAP_DOWN: Duration = Duration::from_secs(2);
/// How long it stays up: longer than the way to forwarding, so that each flap is a topology change.
pub const FLAP_UP: Duration = Duration::from_secs(38);

/// Runs a trial. `study` is the plan's seed; the same key and seed give the same record.
///
/// # Panics
/// A family's graph cannot be built: a mistake of the family.
#[must_use]
pub fn run(key: &Key, protocol: Protocol, study: u64) -> Record {
    run_alike(&[*key], protocol, study).remove(0)
}

/// Runs trials that differ in nothing but the event. They have the network in common, and so the way to its rest, which
/// is gone once; each event happens to a copy of it.
pub(super) fn run_alike(keys: &[Key], protocol: Protocol, study: u64) -> Vec<Record> {
    let mut start = Start::default();
    let run = |key: &Key| match start.run(key, protocol, study) {
        Ok(record) => record,
        Err(error) => panic!("{key}: {error}"),
    };
    keys.iter().map(run).collect()
}

/// A network before the event, once it is known.
#[derive(Default)]
struct Start(Option<Before>);

/// What became of the network before the event.
enum Before {
    NeverSettled,
    Settled(Box<Network>),
}

impl Start {
    fn run(&mut self, key: &Key, protocol: Protocol, study: u64) -> Result<Record, WorldError> {
        if key.event == Event::ColdStart {
            return Trial::of(key, Network::build(key, protocol, study)?).start();
        }
        let before = match &mut self.0 {
            Some(before) => before,
            none => none.insert(settle(Network::build(key, protocol, study)?)?),
        };
        match before {
            Before::NeverSettled => Ok(Record::new(*key, Outcome::NeverSettled)),
            Before::Settled(network) => Trial::of(key, network.fork()).strike(),
        }
    }
}

/// Lets a network settle and its hosts speak, up to the instant of the event.
fn settle(mut network: Network) -> Result<Before, WorldError> {
    network.power_on()?;
    let is_quiet = network.world.run_quiet(PATIENCE_BEFORE).is_ok();
    if !is_quiet || network.roots() > 1 {
        return Ok(Before::NeverSettled);
    }
    network.speak();
    network.world.run_for(WARM_UP);
    let moment = network.draw_time(HELLO);
    network.world.run_for(moment);
    Ok(Before::Settled(Box::new(network)))
}

struct Trial {
    key: Key,
    network: Network,
    damage: Damage,
    /// When the event was.
    begin: Duration,
    before: Totals,
    loops_before: u64,
    expiries_before: u64,
}

impl Trial {
    fn of(key: &Key, network: Network) -> Self {
        Self {
            key: *key,
            network,
            damage: Damage::default(),
            begin: Duration::ZERO,
            before: Totals::default(),
            loops_before: 0,
            expiries_before: 0,
        }
    }

    /// The cold start, which is an event itself.
    fn start(mut self) -> Result<Record, WorldError> {
        self.network.speak();
        self.network.power_on()?;
        self.begin = self.network.world.now();
        Ok(self.measure())
    }

    /// What happens to a network that stood.
    fn strike(mut self) -> Result<Record, WorldError> {
        self.begin();
        self.disturb()?;
        Ok(self.measure())
    }

    /// What is counted from now on.
    fn begin(&mut self) {
        let world = &self.network.world;
        self.begin = world.now();
        self.before = world.totals();
        self.loops_before = self.loops();
        self.expiries_before = self.expiries();
        self.network.meter.borrow_mut().begin();
    }

    fn disturb(&mut self) -> Result<(), WorldError> {
        let network = &mut self.network;
        let [port, edge] = network.flapping;
        match self.key.event {
            Event::ColdStart => Ok(()),
            Event::RootLoss => {
                self.damage.switch = Some(network.root);
                let root = network.bridges[network.root];
                network.world.set_power(root, Power::Off)
            }
            Event::RootLinkLoss => self.fail_root_link(LinkState::Down),
            Event::SilentFailure => self.fail_root_link(LinkState::Silent),
            Event::NewRoot => {
                let others = network.bridges.len() - 1;
                let place = network.draw(others);
                // Any but the root.
                let switch = place + usize::from(place >= network.root);
                self.crown(switch)
            }
            Event::FlappingPort => self.flap(port),
            Event::FlappingEdge => self.flap(edge),
        }
    }

    /// The link of the root that the probes cross; if they cross none, the one above the first host's switch.
    fn fail_root_link(&mut self, state: LinkState) -> Result<(), WorldError> {
        let network = &mut self.network;
        let ways = network.probing.map(|host| network.way_to_root(host.switch));
        let Some(port) = ways.iter().find_map(|way| way.last()) else {
            return Ok(());
        };
        let Some((wire, _)) = network.world.map().wire_at(*port) else {
            return Ok(());
        };
        self.damage.link = network.wires.iter().position(|known| *known == wire);
        network.world.set_link(wire, state)
    }

    fn crown(&mut self, switch: usize) -> Result<(), WorldError> {
        let world = &mut self.network.world;
        let node = self.network.bridges[switch];
        let Some(config) = world.switch(node).map(|switch| *switch.bridge_config()) else {
            return Ok(());
        };
        world.set_bridge(
            node,
            stp::BridgeConfig {
                priority: BridgePriority::MIN,
                ..config
            },
        )
    }

    fn flap(&mut self, wire: WireId) -> Result<(), WorldError> {
        let network = &mut self.network;
        network.meter.borrow_mut().ignored = network.world.map().ends(wire).first().copied();
        let mut at = self.begin;
        for _ in 0..FLAPS {
            for (state, time) in [(LinkState::Down, FLAP_DOWN), (LinkState::Up, FLAP_UP)] {
                let operation = Operation::Link { wire, state };
                network.world.schedule(at, operation)?;
                at += time;
            }
        }
        network.world.run_until(at);
        Ok(())
    }

    /// Waits until the tree stands still, and looks.
    fn measure(mut self) -> Record {
        let quiet = self.network.world.run_quiet(PATIENCE).is_ok();
        self.network.fall_silent();
        let parts = self.network.graph.parts(self.damage);
        let roots = self.network.roots();
        let outcome = match (quiet, roots > parts) {
            (true, false) => Outcome::Settled,
            (true, true) => Outcome::Split,
            (false, _) => Outcome::Unsettled,
        };
        let mut record = Record::new(self.key, outcome);
        self.record_tree(&mut record, quiet);
        self.record_hosts(&mut record);
        record.set(Metric::Roots, Some(roots as u64));
        record.set(Metric::Parts, Some(parts as u64));
        record
    }

    fn record_tree(&self, record: &mut Record, quiet: bool) {
        let meter = *self.network.meter.borrow();
        let totals = self.network.world.totals();
        // What happened before time zero of a cold start, when the first switches got power, took no time of it.
        let after = |at: Duration| micros(at.saturating_sub(self.begin));
        let settle = meter.last_change.filter(|_| quiet).map(after);
        record.set(Metric::Settle, settle);
        record.set(
            Metric::LastRole,
            meter.last_role.filter(|_| quiet).map(after),
        );
        record.set(Metric::TopologyChanges, Some(meter.detected));
        record.set(Metric::Flushed, Some(meter.flushed));
        record.set(Metric::Aged, Some(meter.aged));
        record.set(Metric::Relearned, Some(meter.learned));
        let flooded = totals.flooded - self.before.flooded;
        record.set(Metric::Flooded, Some(flooded));
        let bpdus = if quiet {
            meter.bpdus_at_change
        } else {
            meter.bpdus
        };
        record.set(Metric::Bpdus, Some(bpdus));
        record.set(Metric::Blocked, Some(self.blocked()));
        record.set(Metric::Depth, Some(self.depth()));
        let oldest = stp::BpduTime::from_units(meter.oldest).duration();
        record.set(Metric::OldestAge, Some(micros(oldest)));
        record.set(
            Metric::Expiries,
            Some(self.expiries() - self.expiries_before),
        );
        record.set(Metric::Loops, Some(self.loops() - self.loops_before));
        let circle =
            VlanId::try_new(1).is_ok_and(|vlan| cycle::find(&self.network.world, vlan).is_some());
        record.set(Metric::Circle, Some(u64::from(circle)));
    }

    fn record_hosts(&self, record: &mut Record) {
        let world = &self.network.world;
        let [here, there] = self.network.probing;
        let hosts = world
            .station::<Host>(here.node)
            .zip(world.station::<Host>(there.node));
        let Some((here, there)) = hosts else {
            return;
        };
        let streams = [
            here.stream_to(there, self.begin),
            there.stream_to(here, self.begin),
        ];
        let is_broken = streams.iter().any(|stream| stream.is_broken);
        let after = |at: Duration| micros(at.saturating_sub(self.begin));
        let last = |of: fn(&Stream) -> Option<Duration>| streams.iter().filter_map(of).max();
        let last_lost = last(|stream| stream.last_lost).filter(|_| !is_broken);
        record.set(Metric::LastLost, last_lost.map(after));
        record.set(
            Metric::Lost,
            Some(streams.iter().map(|stream| stream.lost).sum()),
        );
        record.set(Metric::Broken, Some(u64::from(is_broken)));
        let is_parted = self.network.is_parted(self.damage);
        record.set(Metric::Parted, Some(u64::from(is_parted)));
        let last_duplicate = last(|stream| stream.last_duplicate);
        record.set(Metric::LastDuplicate, last_duplicate.map(after));
        let duplicates = streams.iter().map(|stream| stream.duplicates).sum();
        record.set(Metric::Duplicates, Some(duplicates));
    }

    fn blocked(&self) -> u64 {
        let world = &self.network.world;
        let switches = world.bridges().filter_map(|node| world.switch(node));
        let blocked = switches
            .flat_map(switchd::Switch::ports)
            .filter(|(_, port)| {
                port.is_link_up() && port.state(TreeId::COMMON) == stp::PortState::Blocking
            });
        blocked.count() as u64
    }

    /// Switches on the longest way to a root, both ends counted.
    fn depth(&self) -> u64 {
        let network = &self.network;
        let place = |node| network.bridges.iter().position(|known| *known == node);
        let mut depths: Vec<Option<u64>> = vec![None; network.bridges.len()];
        let mut deepest = 0;
        for start in 0..network.bridges.len() {
            // Down the way until somebody's depth is known, then back up.
            let mut way = Vec::new();
            let mut at = Some(start);
            let mut depth = loop {
                let Some(here) = at else { break 0 };
                if let Some(known) = depths[here] {
                    break known;
                }
                way.push(here);
                // Believers in a circle are all as deep as the circle is long.
                if way.len() > network.bridges.len() {
                    break 0;
                }
                let port = network.root_port(network.bridges[here]);
                at = port.and_then(|port| network.across(port)).and_then(place);
            };
            for here in way.into_iter().rev() {
                depth += 1;
                depths[here] = Some(depth);
            }
            deepest = deepest.max(depth);
        }
        deepest
    }

    fn expiries(&self) -> u64 {
        let world = &self.network.world;
        let bridges = world
            .bridges()
            .filter_map(|node| world.switch(node)?.bridge());
        bridges
            .flat_map(|bridge| bridge.ports().filter_map(|port| bridge.port(port)))
            .map(|port| port.counters.message_age_expiries)
            .sum()
    }

    fn loops(&self) -> u64 {
        let counts = self.network.world.finding_counts();
        counts.loops + counts.storms
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
