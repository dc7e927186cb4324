//! How long a ring of rapid bridges takes to heal, held against the published laws.
//!
//! Pustylnik, Zafirovic-Vukotic and Moore (2007) derive, for the worst place of a cut cable in a ring of N bridges,
//! T_L + (N − 3) · T_PA for even N and T_L + (N − 2) · T_PA for odd N, where T_L is the time to see that a link is lost
//! and T_PA what a proposal and its agreement take between two neighbours. The death of the root they treat apart: for
//! even N their steps sum to N − 2 handshakes and N − 3 more that put ports to rest on their way, 2N − 5 in all.
//!
//! As they do, a ring counts as healed when all agree upon the root and the last port forwards that has to. They write of
//! switches whose ports send as many BPDUs as it takes. The standard lets a port send Transmit Hold Count of them, and
//! then one a second (802.1D-2004 17.26, 17.13.12): so everything is measured with the default count, 6, and the
//! greatest, 10.

mod chart;

use core::time::Duration;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::rc::Rc;

use pnet_base::MacAddr;
use stp::{BridgePriority, TransmitHoldCount};
use switchd::event::Event;

use super::super::plan::Timers;
use super::super::protocol::Protocol;
use crate::sim::rng::Rng;
use crate::sim::{
    BridgeSpec, LinkState, Map, Medium, NodeId, Notice, Observer, PortRef, Power, WireId, World,
    WorldError,
};

pub(in crate::study) use chart::{law as chart, without_root as root_chart};

/// The rings measured. Max age 40 s carries the root's word round the largest of them when it is cut.
const SIZES: [u32; 24] = [
    4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 18, 19, 20, 22, 23, 26, 27, 30, 31, 34, 35,
];
/// Rings of each size, that differ in who wins a tie, in delays, and in the instant of the failure: the law is about the
/// worst place, which each of them is by a toss of a coin or two.
pub(in crate::study) const TRIALS: u64 = 12;
/// A hop: a cable, and a switch that thinks about what came by it. A tenth more or less.
pub(in crate::study) const HOP: Duration = Duration::from_millis(5);
/// Longer than any failure here takes to heal.
const PATIENCE: Duration = Duration::from_secs(180);
/// What a port sends so soon after the failure is held against its transmit hold count.
const RUSH: Duration = Duration::from_secs(1);

/// What fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::study) enum Failure {
    /// A cable of the root.
    RootLink,
    /// The root itself.
    Root,
}

impl Failure {
    pub(in crate::study) const ALL: [Self; 2] = [Self::RootLink, Self::Root];

    /// The word in tables.
    pub(in crate::study) const fn name(self) -> &'static str {
        match self {
            Self::RootLink => "root-link-loss",
            Self::Root => "root-loss",
        }
    }

    pub(in crate::study) const fn title(self) -> &'static str {
        match self {
            Self::RootLink => "a cable of the root is cut",
            Self::Root => "the root dies",
        }
    }

    /// For legends.
    const fn short(self) -> &'static str {
        match self {
            Self::RootLink => "a cable cut",
            Self::Root => "the root dies",
        }
    }

    /// How many times T_PA the law says, in the worst place.
    pub(in crate::study) const fn handshakes(self, switches: u32) -> u32 {
        match self {
            Self::RootLink if switches.is_multiple_of(2) => switches - 3,
            Self::RootLink => switches - 2,
            Self::Root => 2 * switches - 5,
        }
    }
}

/// The transmit hold counts measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::study) enum HoldCount {
    /// The standard's default.
    Default,
    /// The greatest it allows.
    Most,
}

impl HoldCount {
    pub(in crate::study) const ALL: [Self; 2] = [Self::Default, Self::Most];

    pub(in crate::study) fn value(self) -> TransmitHoldCount {
        match self {
            Self::Default => TransmitHoldCount::default(),
            Self::Most => TransmitHoldCount::new(10).expect("17.13.12 allows 1 to 10"),
        }
    }
}

/// One ring, and how it healed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::study) struct Ring {
    pub(in crate::study) failure: Failure,
    pub(in crate::study) hold_count: HoldCount,
    pub(in crate::study) switches: u32,
    /// Rings that differ in no more than the hold count have the same number.
    pub(in crate::study) trial: u64,
    /// Until all agree and the last port forwards.
    pub(in crate::study) recovery: Duration,
    /// The most BPDUs that one port sent in the second after the failure.
    pub(in crate::study) busiest: u32,
}

impl Ring {
    const fn handshakes(&self) -> u32 {
        self.failure.handshakes(self.switches)
    }
}

/// A straight line through the greatest times: y = T_L + x · T_PA.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::study) struct Fit {
    /// T_L, in seconds: at no handshake at all.
    pub(in crate::study) constant: f64,
    /// T_PA, in seconds.
    pub(in crate::study) slope: f64,
    /// The share of the variance that the line explains.
    pub(in crate::study) r_squared: f64,
}

/// Measures all rings; the same seed gives the same ones.
pub(in crate::study) fn measure(protocol: Protocol, seed: u64) -> Vec<Ring> {
    measure_sizes(protocol, seed, &SIZES)
}

fn measure_sizes(protocol: Protocol, seed: u64, sizes: &[u32]) -> Vec<Ring> {
    let mut rings = Vec::new();
    for failure in Failure::ALL {
        for hold_count in HoldCount::ALL {
            for &switches in sizes {
                rings.extend((0..TRIALS).map(|trial| {
                    let ring = Ring {
                        failure,
                        hold_count,
                        switches,
                        trial,
                        recovery: Duration::ZERO,
                        busiest: 0,
                    };
                    heal(protocol, seed, ring).expect("a ring can be built")
                }));
            }
        }
    }
    rings
}

/// When the tree last changed since the failure, and what each port sent meanwhile.
#[derive(Debug)]
struct Watch {
    begin: Duration,
    last_change: Duration,
    sent: BTreeMap<PortRef, u32>,
}

impl Observer for Watch {
    fn notice(&mut self, now: Duration, _: &Map, notice: &Notice<'_>) {
        match notice {
            Notice::Transmitted {
                from, flow: None, ..
            } if now < self.begin + RUSH => *self.sent.entry(*from).or_default() += 1,
            Notice::Bridge {
                event: Event::StpRole { .. } | Event::StpState { .. } | Event::StpRoot { .. },
                ..
            } => self.last_change = now,
            Notice::Transmitted { .. }
            | Notice::Bridge { .. }
            | Notice::Arrived { .. }
            | Notice::Lost { .. }
            | Notice::Dropped { .. }
            | Notice::Operation(_)
            | Notice::Finding(_) => {}
        }
    }
}

/// One ring: built, left to settle, hurt, and left to heal.
fn heal(protocol: Protocol, seed: u64, ring: Ring) -> Result<Ring, WorldError> {
    let mut chance = Rng::new(
        seed ^ (ring.trial << 32),
        [ring.switches, ring.failure as u32],
    );
    let mut world = World::new(chance.next_u64());
    let (bridges, wires) = build(&mut world, protocol, &ring, &mut chance)?;
    let unsettled = |_| WorldError::NotRunning(bridges[0]);
    world.run_quiet(PATIENCE).map_err(unsettled)?;
    let second = chance.below(1_000_000);
    world.run_for(Duration::from_micros(second));
    let begin = world.now();
    let watch = Rc::new(RefCell::new(Watch {
        begin,
        last_change: begin,
        sent: BTreeMap::new(),
    }));
    world.observe(Rc::clone(&watch));
    match ring.failure {
        // The one cable of the root or the other.
        Failure::RootLink if ring.trial.is_multiple_of(2) => {
            world.set_link(wires[0], LinkState::Down)?;
        }
        Failure::RootLink => {
            world.set_link(wires[wires.len() - 1], LinkState::Down)?;
        }
        Failure::Root => world.set_power(bridges[0], Power::Off)?,
    }
    world.run_quiet(PATIENCE).map_err(unsettled)?;
    let watch = watch.borrow();
    Ok(Ring {
        recovery: watch.last_change.saturating_sub(begin),
        busiest: watch.sent.values().copied().max().unwrap_or(0),
        ..ring
    })
}

/// The root is the first; its stand-in is next to it, as an engineer would have it. Who wins a tie is drawn.
fn build(
    world: &mut World,
    protocol: Protocol,
    ring: &Ring,
    chance: &mut Rng,
) -> Result<(Vec<NodeId>, Vec<WireId>), WorldError> {
    let mut bridges = Vec::new();
    for place in 0..ring.switches {
        let priority = match place {
            0 => BridgePriority::new(4096),
            1 => BridgePriority::new(8192),
            _ => None,
        };
        let [a, b, c, d, ..] = chance.next_u64().to_be_bytes();
        let [.., number] = place.to_be_bytes();
        let spec = BridgeSpec::new(format!("s{place}"))
            .protocol(protocol.tree_protocol())
            .times(Timers::LongMaxAge.times())
            .transmit_hold_count(ring.hold_count.value())
            .priority(priority.unwrap_or_default())
            .address(MacAddr::new(2, a, b, c, d, number));
        bridges.push(world.add_bridge(&spec)?);
    }
    let mut wires = Vec::new();
    for place in 0..bridges.len() {
        let next = (place + 1) % bridges.len();
        let spread = u64::try_from(HOP.as_micros()).unwrap_or(0) / 5;
        let delay = HOP * 9 / 10 + Duration::from_micros(chance.below(spread));
        let ends = [bridges[place], bridges[next]];
        wires.push(world.wire_nodes(&ends, Medium::delayed(delay))?);
    }
    Ok((bridges, wires))
}

/// The rings of one failure and one hold count.
pub(in crate::study) fn of(
    rings: &[Ring],
    failure: Failure,
    hold_count: HoldCount,
) -> impl Iterator<Item = &Ring> {
    let rings = rings.iter();
    rings.filter(move |ring| ring.failure == failure && ring.hold_count == hold_count)
}

/// Least and greatest recovery by the number of switches.
fn spreads<'a>(rings: impl Iterator<Item = &'a Ring>) -> BTreeMap<u32, [Duration; 2]> {
    let mut by_size: BTreeMap<u32, Vec<Duration>> = BTreeMap::new();
    for ring in rings {
        by_size
            .entry(ring.switches)
            .or_default()
            .push(ring.recovery);
    }
    by_size
        .into_iter()
        .map(|(switches, mut times)| {
            times.sort_unstable();
            (switches, [times[0], times[times.len() - 1]])
        })
        .collect()
}

/// Which rings a line goes through, by how many bridges they have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::study) enum Sizes {
    All,
    Even,
    Odd,
}

impl Sizes {
    const fn has(self, ring: &Ring) -> bool {
        match self {
            Self::All => true,
            Self::Even => ring.switches.is_multiple_of(2),
            Self::Odd => !ring.switches.is_multiple_of(2),
        }
    }
}

/// The line of least squares through the greatest time of each size; `None` without two sizes.
pub(in crate::study) fn fit(
    rings: &[Ring],
    failure: Failure,
    hold_count: HoldCount,
    sizes: Sizes,
) -> Option<Fit> {
    let chosen = of(rings, failure, hold_count).filter(|ring| sizes.has(ring));
    let dots: Vec<(f64, f64)> = spreads(chosen)
        .into_iter()
        .map(|(switches, [_, most])| {
            let handshakes = failure.handshakes(switches);
            (f64::from(handshakes), most.as_secs_f64())
        })
        .collect();
    let count = f64::from(u32::try_from(dots.len()).ok()?);
    let mean = |of: fn(&(f64, f64)) -> f64| dots.iter().map(of).sum::<f64>() / count;
    let (mean_x, mean_y) = (mean(|dot| dot.0), mean(|dot| dot.1));
    let sum = |of: &dyn Fn(f64, f64) -> f64| -> f64 {
        dots.iter().map(|&(x, y)| of(x - mean_x, y - mean_y)).sum()
    };
    let (xx, xy, yy) = (sum(&|x, _| x * x), sum(&|x, y| x * y), sum(&|_, y| y * y));
    (xx > 0.0 && yy > 0.0).then(|| Fit {
        constant: mean_y - xy / xx * mean_x,
        slope: xy / xx,
        r_squared: xy * xy / (xx * yy),
    })
}

/// The rings that healed later with the default hold count than the same ring did with the greatest: both of each.
pub(in crate::study) fn held_back(rings: &[Ring], failure: Failure) -> Vec<[&Ring; 2]> {
    let free = of(rings, failure, HoldCount::Most);
    free.zip(of(rings, failure, HoldCount::Default))
        .filter(|(free, held)| held.recovery > free.recovery)
        .map(|(free, held)| [held, free])
        .collect()
}

/// The table `law.csv`.
pub(in crate::study) fn csv(rings: &[Ring]) -> String {
    let mut text = String::from(
        "event,transmit_hold_count,switches,trial,handshakes,recovery_s,busiest_port_bpdus\n",
    );
    for ring in rings {
        let _ = writeln!(
            text,
            "{},{},{},{},{},{:.6},{}",
            ring.failure.name(),
            ring.hold_count.value().get(),
            ring.switches,
            ring.trial + 1,
            ring.handshakes(),
            ring.recovery.as_secs_f64(),
            ring.busiest
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The laws hold, with the slope that the cables have; and what breaks them is the default hold count, in rings
    /// without their root alone, where a port has more to say than it allows.
    #[test]
    fn rings_heal_as_published_unless_the_hold_count_is_in_the_way() {
        let rings = measure_sizes(Protocol::Rstp, 1, &[4, 5, 9, 14, 15, 20]);
        let fit = |failure, hold_count| fit(&rings, failure, hold_count, Sizes::All);
        for (failure, hold_count) in [
            (Failure::RootLink, HoldCount::Default),
            (Failure::RootLink, HoldCount::Most),
            (Failure::Root, HoldCount::Most),
        ] {
            let fit = fit(failure, hold_count).expect("there are many sizes");
            let what = format!("{failure:?} {hold_count:?}: {fit:?}");
            assert!(fit.r_squared >= 0.98, "{what}");
            assert!((fit.slope / HOP.as_secs_f64() - 1.0).abs() < 0.1, "{what}");
        }
        // As published: the terms differ, and what is measured follows each.
        let both = fit(Failure::RootLink, HoldCount::Default).expect("as above");
        for sizes in [Sizes::Even, Sizes::Odd] {
            let own = super::fit(&rings, Failure::RootLink, HoldCount::Default, sizes);
            let own = own.expect("three sizes of each");
            assert!(own.r_squared >= 0.98, "{sizes:?}: {own:?}");
            let off = own.slope / HOP.as_secs_f64() - 1.0;
            assert!(off.abs() < 0.1, "{sizes:?}: {own:?}");
            let apart = (own.constant - both.constant).abs();
            assert!(apart < HOP.as_secs_f64(), "{sizes:?}: {own:?}, {both:?}");
        }
        assert_eq!(
            held_back(&rings, Failure::RootLink),
            Vec::<[&Ring; 2]>::new()
        );
        let held = held_back(&rings, Failure::Root);
        assert!(!held.is_empty());
        for [held, free] in held {
            // It waits for the next second of a port's count.
            assert!(held.recovery > 2 * free.recovery, "{held:?}, {free:?}");
            let demand = free.busiest;
            assert!((6..10).contains(&demand), "{free:?}");
        }
        let broken = fit(Failure::Root, HoldCount::Default).expect("as above");
        assert!(broken.r_squared < 0.9, "{broken:?}");
    }
}
