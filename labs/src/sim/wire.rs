//! Wires: what happens to a frame between the port that sends it and the ports that get it.

use core::time::Duration;
use std::rc::Rc;

use serde::{Deserialize, Serialize};
use stp::{CostMethod, PathCost};

use super::id::PortRef;
use super::queue::nanos;
use super::rng::{Probability, Rng};

/// What one direction of a wire does to frames. The default is a good cable: 10 µs, nothing lost, no limit of rate.
///
/// Of a segment with more than two ends a direction is everything one end sends; each receiver's copy has its own luck.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Impairment {
    /// How long a frame is under way, without what `rate` adds.
    pub delay: Duration,
    /// Each frame takes up to this much longer. Frames keep their order unless `reorder` says otherwise.
    pub jitter: Duration,
    /// Frames lost, each by itself.
    pub loss: Probability,
    /// Frames lost in bursts, besides `loss`.
    pub burst: Option<Burst>,
    /// Frames that arrive twice.
    pub duplicate: Probability,
    /// Frames that arrive late, after others that were sent up to [`Impairment::late_by`] later.
    pub reorder: Probability,
    /// Frames of which one bit is flipped, and no check sequence notices.
    pub corrupt: Probability,
    /// Bits per second; frames wait for each other at the sending end. `None`: no limit.
    pub rate: Option<u64>,
    /// How long a frame may have to wait for others; beyond, it is dropped. Acts with `rate` only.
    pub queue: Duration,
}

impl Default for Impairment {
    fn default() -> Self {
        Self {
            delay: Duration::from_micros(10),
            jitter: Duration::ZERO,
            loss: Probability::NEVER,
            burst: None,
            duplicate: Probability::NEVER,
            reorder: Probability::NEVER,
            corrupt: Probability::NEVER,
            rate: None,
            queue: Duration::from_millis(100),
        }
    }
}

impl Impairment {
    /// A good cable of this delay.
    #[must_use]
    pub fn delayed(delay: Duration) -> Self {
        Self {
            delay,
            ..Self::default()
        }
    }

    /// A cable that loses this many frames.
    #[must_use]
    pub fn lossy(loss: Probability) -> Self {
        Self {
            loss,
            ..Self::default()
        }
    }

    /// By how much a reordered frame is late at most: a millisecond, or four times the delay and jitter if that is more.
    #[must_use]
    pub fn late_by(&self) -> Duration {
        Duration::from_millis(1).max(4 * (self.delay + self.jitter))
    }

    /// Whether every frame arrives, once and as it was sent.
    #[must_use]
    pub fn is_lossless(&self) -> bool {
        !self.loss.is_possible()
            && self.burst.is_none()
            && !self.duplicate.is_possible()
            && !self.corrupt.is_possible()
            && self.rate.is_none()
    }
}

/// Losses in bursts, after Gilbert (1960): a direction is good or bad, and may change with every frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Burst {
    /// From good to bad.
    pub enter: Probability,
    /// From bad to good: bursts are 1/`leave` frames long on average.
    pub leave: Probability,
    /// Frames lost while bad.
    pub loss: Probability,
}

/// How a wire as a whole is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LinkState {
    /// It works.
    Up,
    /// It is cut: no port has carrier.
    Down,
    /// It is dead and does not show it: carrier stays, frames vanish.
    Silent,
}

/// Which frames of an end vanish although the wire works: a one-way failure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct OneWay {
    /// What the end sends reaches nobody.
    pub mute: bool,
    /// What others send does not reach the end.
    pub deaf: bool,
}

/// What a wire is made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Medium {
    /// What happens to frames, in every direction alike; [`super::World::impair`] changes one.
    pub impairment: Impairment,
    /// Megabits per second, as ports report it: what the path cost is taken from. Default 10,000, as tap and veth say.
    pub speed: u64,
}

impl Default for Medium {
    fn default() -> Self {
        Self {
            impairment: Impairment::default(),
            speed: 10_000,
        }
    }
}

impl Medium {
    /// A good cable of this delay.
    #[must_use]
    pub fn delayed(delay: Duration) -> Self {
        Self {
            impairment: Impairment::delayed(delay),
            ..Self::default()
        }
    }
}

/// A wire in a world.
#[derive(Clone, Debug)]
pub struct Wire {
    /// Megabits per second.
    pub(super) speed: u64,
    pub(super) state: LinkState,
    pub(super) ends: Vec<End>,
    /// Counts cuts: what was under way before one never arrives.
    pub(super) generation: u32,
}

/// Where a wire ends.
#[derive(Clone, Debug)]
pub struct End {
    pub(super) port: PortRef,
    pub(super) plugged: bool,
    pub(super) one_way: OneWay,
    pub(super) line: Line,
}

impl Wire {
    /// How it is.
    #[must_use]
    pub fn state(&self) -> LinkState {
        self.state
    }

    /// Megabits per second, as its ports report it.
    #[must_use]
    pub fn speed(&self) -> u64 {
        self.speed
    }

    /// The path cost its speed gives ports that set none (802.1D-1998 Table 8-5).
    #[must_use]
    pub fn path_cost(&self) -> PathCost {
        PathCost::for_speed(self.speed, CostMethod::Short)
    }

    /// Its ends, in the order they were given.
    #[must_use]
    pub fn ends(&self) -> &[End] {
        &self.ends
    }

    /// Whether it has two ends only.
    #[must_use]
    pub fn is_point_to_point(&self) -> bool {
        self.ends.len() == 2
    }

    /// Whether the end `index` has carrier: the wire is not cut, the end is plugged in, and at a cable the other end is
    /// too, and its node is not switched off.
    pub(super) fn has_carrier(&self, index: usize, is_on: impl Fn(usize) -> bool) -> bool {
        let counts = |other: usize| other == index || self.is_point_to_point();
        let is_there = |other: usize, end: &End| end.plugged && is_on(other);
        self.state != LinkState::Down
            && (0..)
                .zip(&self.ends)
                .all(|(other, end)| !counts(other) || is_there(other, end))
    }

    /// Takes in what the end `sender` sends: when it has left, or why nobody gets any of it.
    pub(super) fn take(
        &mut self,
        sender: usize,
        now: u64,
        octets: usize,
    ) -> Result<u64, LossReason> {
        let end = &mut self.ends[sender];
        if self.state == LinkState::Silent {
            return Err(LossReason::Silent);
        }
        if end.one_way.mute {
            return Err(LossReason::OneWay);
        }
        end.line.depart(now, octets).ok_or(LossReason::Queue)
    }

    /// What becomes of the copy for `receiver` of a frame that left `sender` at `departure`.
    pub(super) fn copy(
        &mut self,
        sender: usize,
        receiver: usize,
        departure: u64,
    ) -> Result<Passage, LossReason> {
        if self.ends[receiver].one_way.deaf {
            return Err(LossReason::OneWay);
        }
        match self.ends[sender].line.fate(departure) {
            Fate::Lost => Err(LossReason::Chance),
            Fate::Arrives(passage) => Ok(passage),
        }
    }

    /// Why a copy that was sent when the wire had this generation does not reach the end `receiver`.
    pub(super) fn obstacle(&self, receiver: usize, generation: u32) -> Option<LossReason> {
        let end = &self.ends[receiver];
        if self.generation != generation || !end.plugged {
            Some(LossReason::Cut)
        } else if self.state == LinkState::Silent {
            Some(LossReason::Silent)
        } else if end.one_way.deaf {
            Some(LossReason::OneWay)
        } else {
            None
        }
    }

    /// Cuts it, repairs it, or lets it die in silence. What is under way when it is cut never arrives.
    pub(super) fn set_state(&mut self, state: LinkState) {
        self.state = state;
        if state == LinkState::Down {
            self.generation += 1;
        }
    }

    /// Whether frames can pass between all its plugged ends, whatever luck they have.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.state == LinkState::Up && self.ends.iter().all(|end| end.one_way == OneWay::default())
    }
}

impl End {
    /// The port it is plugged into, or was.
    #[must_use]
    pub fn port(&self) -> PortRef {
        self.port
    }

    /// Whether it is plugged in.
    #[must_use]
    pub fn is_plugged(&self) -> bool {
        self.plugged
    }

    /// Its one-way failure.
    #[must_use]
    pub fn one_way(&self) -> OneWay {
        self.one_way
    }

    /// What happens to frames it sends.
    #[must_use]
    pub fn impairment(&self) -> &Impairment {
        &self.line.impairment
    }
}

/// Why a frame did not get through a wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LossReason {
    /// No wire at the port, or no carrier.
    NoCarrier,
    /// The wire was cut while the frame was under way.
    Cut,
    /// The wire is dead and does not show it.
    Silent,
    /// A one-way failure.
    OneWay,
    /// By chance: loss or a burst of it.
    Chance,
    /// The frame would have had to wait too long for others.
    Queue,
    /// The receiver is off, or frozen.
    Receiver,
    /// The simulation's own bound of copies of one frame, or of times a copy may come back.
    Limit,
}

impl LossReason {
    /// The word in traces and reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::NoCarrier => "no-carrier",
            Self::Cut => "cut",
            Self::Silent => "silent",
            Self::OneWay => "one-way",
            Self::Chance => "chance",
            Self::Queue => "queue",
            Self::Receiver => "receiver-down",
            Self::Limit => "limit",
        }
    }
}

/// What becomes of one copy of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Lost,
    Arrives(Passage),
}

/// A copy that arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Passage {
    pub(super) at: u64,
    pub(super) again: Option<u64>,
    /// The bit that is flipped, modulo the frame's length in bits.
    flipped: Option<u64>,
}

impl Passage {
    /// When it arrives: once or twice.
    pub(super) fn times(&self) -> impl Iterator<Item = u64> + use<> {
        [Some(self.at), self.again].into_iter().flatten()
    }

    /// The frame as it arrives.
    pub(super) fn octets(&self, sent: &Rc<[u8]>) -> Rc<[u8]> {
        self.flipped
            .map_or_else(|| sent.clone(), |bit| flip(sent, bit))
    }
}

/// A copy with one bit of it flipped.
fn flip(octets: &[u8], bit: u64) -> Rc<[u8]> {
    let mut octets = octets.to_vec();
    let bits = 8 * octets.len() as u64;
    let bit = bit.checked_rem(bits).unwrap_or(0);
    if let Some(octet) = usize::try_from(bit / 8)
        .ok()
        .and_then(|index| octets.get_mut(index))
    {
        *octet ^= 1 << (bit % 8);
    }
    octets.into()
}

/// One direction: its faults, its luck and what waits.
#[derive(Clone, Debug)]
pub(super) struct Line {
    /// Shared by all directions that are alike: a wire has many, and a big world many wires.
    impairment: Rc<Impairment>,
    rng: Rng,
    busy_until: u64,
    last_arrival: u64,
    bad: bool,
}

impl Line {
    pub(super) fn new(impairment: Rc<Impairment>, rng: Rng) -> Self {
        Self {
            impairment,
            rng,
            busy_until: 0,
            last_arrival: 0,
            bad: false,
        }
    }

    pub(super) fn set_impairment(&mut self, impairment: Impairment) {
        self.impairment = Rc::new(impairment);
    }

    /// When a frame of this many octets has left the sending end; `None` if it cannot wait that long. Preamble, check
    /// sequence and gap (24 octets) count, as on a cable.
    pub(super) fn depart(&mut self, now: u64, octets: usize) -> Option<u64> {
        let Some(rate) = self.impairment.rate else {
            return Some(now);
        };
        let start = self.busy_until.max(now);
        if start - now > nanos(self.impairment.queue) {
            return None;
        }
        let bits = 8 * (octets as u64 + 24);
        let time = u128::from(bits) * 1_000_000_000 / u128::from(rate.max(1));
        self.busy_until = start.saturating_add(u64::try_from(time).unwrap_or(u64::MAX));
        Some(self.busy_until)
    }

    /// The luck of one receiver's copy.
    pub(super) fn fate(&mut self, departure: u64) -> Fate {
        let Self {
            impairment, rng, ..
        } = self;
        let impairment = impairment.as_ref();
        if let Some(burst) = impairment.burst {
            let turn = if self.bad { burst.leave } else { burst.enter };
            if rng.hits(turn) {
                self.bad = !self.bad;
            }
            if self.bad && rng.hits(burst.loss) {
                return Fate::Lost;
            }
        }
        if rng.hits(impairment.loss) {
            return Fate::Lost;
        }
        let mut at = departure.saturating_add(nanos(impairment.delay));
        let jitter = nanos(impairment.jitter);
        if jitter > 0 {
            at = at.saturating_add(rng.below(jitter.saturating_add(1)));
        }
        at = at.max(self.last_arrival);
        if rng.hits(impairment.reorder) {
            at = at.saturating_add(1 + rng.below(nanos(impairment.late_by())));
        } else {
            self.last_arrival = at;
        }
        let again = rng.hits(impairment.duplicate).then_some(at);
        let flipped = rng.hits(impairment.corrupt).then(|| rng.next_u64());
        Fate::Arrives(Passage { at, again, flipped })
    }
}

#[cfg(test)]
mod tests;
