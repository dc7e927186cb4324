//! Every small network, every single fault, every instant at which it could matter.
//!
//! # Networks
//!
//! All connected graphs of a number of labelled bridges with up to a number of parallel cables between any two. The
//! label is the rank in priority: every graph in every labelling is every graph in every priority order, each once
//! for each of its symmetries. Costs are equal, so that ties abound; of parallel cables the second may be the one that
//! the better bridge prefers, against the order of port numbers at the other end. Each bridge has a host.
//!
//! # Instants
//!
//! What a fault does depends on what the bridges next to it did before it: whether a timer ran out or a BPDU arrived
//! just before, or would have just after. So the network is played once without the fault, and every time at which one
//! of those bridges sent, heard, or changed something is noted, until the tree stands and two more hellos have passed:
//! from then on every hello is like the last one. The fault then happens a microsecond before each such time, and right
//! after all that happens at it. BPDUs take ten microseconds, so nothing is nearer together.

use core::time::Duration;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use labs::sim::{Map, Notice, Observer};
use switchd::event::Event;

use super::network::Network;
use super::regime::least_max_age;
use super::{Bridge, End, Fault, Scenario, Step, Times, Wire};

/// How long a frame is under way, in microseconds.
const DELAY_US: u32 = 10;

/// A single fault, and what has to be before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Single {
    /// At the very beginning.
    before: Fault,
    /// The fault.
    fault: Fault,
}

/// Which networks.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// So many bridges.
    pub bridges: usize,
    /// Up to so many cables between any two of them.
    pub parallel: usize,
    /// Up to so many cables in all.
    pub cables: usize,
    /// Hello time in seconds; the other times are the shortest that [`super::regime`] allows.
    pub hello: u8,
}

/// All scenarios within bounds.
#[derive(Clone, Debug)]
pub struct Small {
    networks: Vec<Scenario>,
    /// Indices of networks, and faults of theirs.
    singles: Vec<(usize, Single)>,
}

impl Small {
    /// All networks within these bounds, with all their faults.
    #[must_use]
    pub fn new(bounds: &Bounds) -> Self {
        let networks = networks(bounds);
        let with_index = |(index, network)| faults(network).into_iter().map(move |f| (index, f));
        let singles = networks.iter().enumerate().flat_map(with_index).collect();
        Self { networks, singles }
    }

    /// How many networks there are.
    #[must_use]
    pub fn networks(&self) -> usize {
        self.networks.len()
    }

    /// How many batches there are.
    #[must_use]
    pub fn batches(&self) -> u64 {
        self.singles.len() as u64
    }

    /// One fault of one network at every instant that matters; `None` beyond the last.
    #[must_use]
    pub fn batch(&self, number: u64) -> Option<Vec<Scenario>> {
        let (network, single) = self.singles.get(usize::try_from(number).ok()?)?;
        let network = &self.networks[*network];
        let at = instants(network, single).into_iter();
        Some(at.map(|at| with_fault(network, single, at)).collect())
    }
}

/// All connected graphs within these bounds.
fn networks(bounds: &Bounds) -> Vec<Scenario> {
    let &Bounds {
        bridges,
        parallel,
        cables,
        hello,
    } = bounds;
    let mut pairs = Vec::new();
    for b in 1..bridges {
        pairs.extend((0..b).map(|a| (a, b)));
    }
    let mut found = Vec::new();
    let mut counts = vec![0; pairs.len()];
    loop {
        let chosen: Vec<_> = pairs.iter().copied().zip(counts.iter().copied()).collect();
        if counts.iter().sum::<usize>() <= cables && is_connected(bridges, &chosen) {
            found.push(network(bridges, &chosen, hello, false));
            if counts.iter().any(|&count| count > 1) {
                found.push(network(bridges, &chosen, hello, true));
            }
        }
        let Some(place) = counts.iter().position(|&count| count < parallel) else {
            return found;
        };
        counts[place] += 1;
        counts[..place].fill(0);
    }
}

fn is_connected(bridges: usize, cables: &[((usize, usize), usize)]) -> bool {
    let mut reached = vec![0];
    let mut next = 0;
    while let Some(&at) = reached.get(next) {
        next += 1;
        for &((a, b), count) in cables {
            let other = if a == at { b } else { a };
            if count > 0 && (a == at || b == at) && !reached.contains(&other) {
                reached.push(other);
            }
        }
    }
    reached.len() == bridges
}

/// `crossed`: the better bridge prefers the last of parallel cables.
fn network(
    bridges: usize,
    cables: &[((usize, usize), usize)],
    hello: u8,
    crossed: bool,
) -> Scenario {
    let end = |bridge: usize, priority: u8, edge: bool| End {
        bridge,
        cost: 2,
        priority,
        edge,
    };
    let mut wires = Vec::new();
    for &((a, b), count) in cables {
        for number in 0..count {
            let prefers = crossed && number > 0;
            wires.push(Wire {
                ends: vec![end(a, 8 - u8::from(prefers), false), end(b, 8, false)],
                hosts: 0,
                delay_us: DELAY_US,
            });
        }
    }
    wires.extend((0..bridges).map(|bridge| Wire {
        ends: vec![end(bridge, 8, true)],
        hosts: 1,
        delay_us: DELAY_US,
    }));
    let times = fastest(bridges, hello);
    Scenario {
        seed: 0,
        bridges: (0..)
            .zip(0..bridges)
            .map(|(priority, _)| Bridge { priority, times })
            .collect(),
        wires,
        traffic_ms: 1_900,
        hush: true,
        steps: Vec::new(),
    }
}

/// The fastest times that [`super::regime`] allows a network of so many bridges.
fn fastest(bridges: usize, hello: u8) -> Times {
    let bridges = u32::try_from(bridges).unwrap_or(u32::MAX);
    let delay = Duration::from_micros(DELAY_US.into());
    let whole =
        |time: Duration| u8::try_from(time.as_micros().div_ceil(1_000_000)).unwrap_or(u8::MAX);
    let least = least_max_age(bridges, Duration::from_secs(hello.into()), delay);
    let max_age = whole(least).max(2 * (hello + 1)).max(6);
    let spread = bridges * (Duration::from_secs(1) + 2 * delay);
    let forward_delay = whole((Duration::from_secs(max_age.into()) + spread) / 2);
    Times(max_age, hello, forward_delay.max(4))
}

/// All single faults of a network: each cable cut, repaired, silent, mute or deaf at one end; each bridge off, on,
/// hanging, suddenly the best, suddenly the worst; each port dearer, disabled.
fn faults(network: &Scenario) -> Vec<Single> {
    let mut found = Vec::new();
    let mut add = |before, fault| found.push(Single { before, fault });
    let cables = network.wires.iter().enumerate();
    for (wire, _) in cables.filter(|(_, wire)| wire.hosts == 0) {
        add(Fault::Nothing, Fault::Down(wire));
        add(Fault::Down(wire), Fault::Up(wire));
        add(Fault::Nothing, Fault::Silent(wire));
        for end in 0..2 {
            add(Fault::Nothing, Fault::Mute(wire, end));
            add(Fault::Nothing, Fault::Cost(wire, end, 5));
            add(Fault::Nothing, Fault::PortDown(wire, end));
        }
    }
    for bridge in 0..network.bridges.len() {
        add(Fault::Nothing, Fault::Off(bridge));
        add(Fault::Off(bridge), Fault::On(bridge));
        add(Fault::Nothing, Fault::Freeze(bridge));
        add(Fault::Nothing, Fault::Priority(bridge, 15));
        // The others have ranks from 0 up: equal to the best, the address decides.
        add(Fault::Nothing, Fault::Priority(bridge, 0));
    }
    found
}

/// When a fault matters: a microsecond before, and at, every time one of the bridges next to it did something.
fn instants(network: &Scenario, single: &Single) -> Vec<u64> {
    let mut played = Network::build(network);
    let seen = Rc::new(RefCell::new(Seen {
        near: near(network, single.fault),
        times: BTreeSet::new(),
    }));
    played.world.observe(seen.clone());
    played.hurt(single.before);
    let Times(_, hello, forward_delay) = network.bridges[0].times;
    let stands = Duration::from_secs((2 * forward_delay + 2 * hello).into());
    played.world.run_until(stands);
    let times = core::mem::take(&mut seen.borrow_mut().times);
    let both = times.into_iter().flat_map(|at| [at.saturating_sub(1), at]);
    let instants: BTreeSet<u64> = both.collect();
    instants.into_iter().collect()
}

/// The bridges next to a fault.
fn near(network: &Scenario, fault: Fault) -> BTreeSet<usize> {
    let wire = |wire: usize| {
        network.wires[wire]
            .ends
            .iter()
            .map(|end| end.bridge)
            .collect()
    };
    match fault {
        Fault::Nothing => BTreeSet::new(),
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
        Fault::Off(bridge)
        | Fault::On(bridge)
        | Fault::Freeze(bridge)
        | Fault::Priority(bridge, _)
        | Fault::Times(bridge, _) => [bridge].into(),
    }
}

/// Notes when some bridges send, hear or change.
#[derive(Debug)]
struct Seen {
    near: BTreeSet<usize>,
    times: BTreeSet<u64>,
}

impl Observer for Seen {
    fn notice(&mut self, now: Duration, _: &Map, notice: &Notice<'_>) {
        let node = match notice {
            Notice::Transmitted {
                from, flow: None, ..
            } => from.node,
            Notice::Arrived { at, flow: None, .. } => at.node,
            Notice::Bridge { node, event } if is_of_protocol(event) => *node,
            Notice::Transmitted { .. }
            | Notice::Arrived { .. }
            | Notice::Bridge { .. }
            | Notice::Lost { .. }
            | Notice::Dropped { .. }
            | Notice::Operation(_)
            | Notice::Finding(_) => return,
        };
        if self.near.contains(&node.index()) {
            let micros = u64::try_from(now.as_micros()).unwrap_or(u64::MAX);
            self.times.insert(micros);
        }
    }
}

/// Addresses that are learned are none of the protocol's business.
fn is_of_protocol(event: &Event) -> bool {
    match event {
        Event::StpRole { .. }
        | Event::StpState { .. }
        | Event::StpRoot { .. }
        | Event::TopologyChange { .. }
        | Event::ShortAgeing { .. }
        | Event::StpInconsistent { .. } => true,
        Event::CamLearn { .. }
        | Event::PortDisabled { .. }
        | Event::Storm { .. }
        | Event::Flapping { .. }
        | Event::CamMove { .. }
        | Event::CamExpire { .. }
        | Event::CamEvict { .. }
        | Event::CamFlush { .. }
        | Event::Link { .. }
        | Event::PortAdded { .. }
        | Event::PortRemoved { .. } => false,
    }
}

/// The network with the fault at this time. A fault that nobody is told of is healed once all it could do is done.
fn with_fault(network: &Scenario, single: &Single, at_us: u64) -> Scenario {
    let step = |wait_us, fault| Step { wait_us, fault };
    let mut steps = vec![step(at_us, single.fault)];
    if single.before != Fault::Nothing {
        steps.insert(0, step(0, single.before));
    }
    if single.fault.loses() {
        let Times(max_age, hello, forward_delay) = network.bridges[0].times;
        let seconds = max_age + 2 * forward_delay + 2 * hello;
        steps.push(step(u64::from(seconds) * 1_000_000, Fault::Nothing));
    }
    Scenario {
        steps,
        ..network.clone()
    }
}
