//! One wire by itself, on a clock that somebody else reads: what impairs frames of the real backend is the simulator's
//! wire, with real frames and real time.

use core::time::Duration;
use std::rc::Rc;

use stp::PortNumber;

use super::id::NodeId;
use super::queue::{Queue, Slab, What, nanos};
use super::rng::Rng;
use super::wire::{End, Impairment, Line, LinkState, LossReason, OneWay, Wire};

/// Most octets under way at a time; what is sent beyond is lost. A gigabit for half a second.
pub const UNDER_WAY_MAX: usize = 64 << 20;

/// A wire and what is under way on it.
#[derive(Debug)]
pub struct Segment {
    wire: Wire,
    /// By end: its node is switched off.
    off: Vec<bool>,
    queue: Queue,
    flights: Slab<Flight>,
    octets: usize,
}

/// A copy of a frame, under way.
#[derive(Debug)]
struct Flight {
    to: usize,
    generation: u32,
    octets: Rc<[u8]>,
}

impl Segment {
    /// A good cable between `ends` ends. `number` tells its luck from that of other wires of the same seed.
    #[must_use]
    pub fn new(ends: u32, speed: u64, seed: u64, number: u32) -> Self {
        let impairment = Rc::new(Impairment::default());
        let end = |index| End {
            port: NodeId(index).port(PortNumber::MIN),
            plugged: true,
            one_way: OneWay::default(),
            line: Line::new(Rc::clone(&impairment), Rng::new(seed, [number, index])),
        };
        let ends: Vec<End> = (0..ends).map(end).collect();
        Self {
            off: vec![false; ends.len()],
            wire: Wire {
                speed,
                state: LinkState::Up,
                ends,
                generation: 0,
            },
            queue: Queue::default(),
            flights: Slab::default(),
            octets: 0,
        }
    }

    /// How many ends it has.
    #[must_use]
    pub fn ends(&self) -> usize {
        self.wire.ends.len()
    }

    /// Whether an end has carrier.
    #[must_use]
    pub fn has_carrier(&self, end: usize) -> bool {
        end < self.ends() && self.wire.has_carrier(end, |other| !self.off[other])
    }

    /// Takes in a frame that an end sends.
    ///
    /// # Errors
    /// Why nobody gets any of it. What chance does to the copies is no error.
    pub fn send(&mut self, now: Duration, from: usize, frame: &[u8]) -> Result<(), LossReason> {
        if !self.has_carrier(from) {
            return Err(LossReason::NoCarrier);
        }
        let departure = self.wire.take(from, nanos(now), frame.len())?;
        let sent: Rc<[u8]> = frame.into();
        for to in (0..self.ends()).filter(|&to| to != from) {
            if !self.wire.ends[to].plugged {
                continue;
            }
            let Ok(passage) = self.wire.copy(from, to, departure) else {
                continue;
            };
            for at in passage.times() {
                if self.octets + frame.len() > UNDER_WAY_MAX {
                    return Err(LossReason::Limit);
                }
                self.octets += frame.len();
                let place = self.flights.insert(Flight {
                    to,
                    generation: self.wire.generation,
                    octets: passage.octets(&sent),
                });
                self.queue.push(at, What::Arrival(place));
            }
        }
        Ok(())
    }

    /// When the next frame arrives.
    #[must_use]
    pub fn next_at(&self) -> Option<Duration> {
        self.queue.next_at().map(Duration::from_nanos)
    }

    /// Hands out what has arrived by `now`, in order.
    pub fn arrive(&mut self, now: Duration, mut deliver: impl FnMut(usize, &[u8])) {
        let now = nanos(now);
        while self.queue.next_at().is_some_and(|at| at <= now) {
            let Some((_, What::Arrival(place))) = self.queue.pop() else {
                continue;
            };
            let Some(flight) = self.flights.take(place) else {
                continue;
            };
            self.octets -= flight.octets.len();
            let stopped = self.wire.obstacle(flight.to, flight.generation);
            if stopped.is_none() && !self.off[flight.to] {
                deliver(flight.to, &flight.octets);
            }
        }
    }

    /// Cuts it, repairs it, or lets it die in silence.
    pub fn set_state(&mut self, state: LinkState) {
        self.wire.set_state(state);
    }

    /// Plugs an end in or out.
    pub fn plug(&mut self, end: usize, plugged: bool) {
        if let Some(end) = self.wire.ends.get_mut(end) {
            end.plugged = plugged;
        }
    }

    /// Says that the node at an end is switched on or off.
    pub fn power(&mut self, end: usize, on: bool) {
        if let Some(off) = self.off.get_mut(end) {
            *off = !on;
            // As in the simulator: what is under way never arrives, even if the node is back before.
            if !on && self.wire.is_point_to_point() {
                self.wire.generation += 1;
            }
        }
    }

    /// Changes what happens to frames that an end sends, and what vanishes whole.
    pub fn change(&mut self, end: usize, impairment: Impairment, one_way: OneWay) {
        if let Some(end) = self.wire.ends.get_mut(end) {
            end.line.set_impairment(impairment);
            end.one_way = one_way;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::Probability;

    fn arrivals(segment: &mut Segment, now: Duration) -> Vec<(usize, Vec<u8>)> {
        let mut all = Vec::new();
        segment.arrive(now, |end, frame| all.push((end, frame.to_vec())));
        all
    }

    const MS: Duration = Duration::from_millis(1);

    fn slow(ends: u32) -> Segment {
        let mut segment = Segment::new(ends, 10_000, 1, 0);
        for end in 0..segment.ends() {
            segment.change(end, Impairment::delayed(MS), OneWay::default());
        }
        segment
    }

    #[test]
    fn a_frame_reaches_all_other_ends_when_its_time_has_come() {
        let mut segment = slow(3);
        segment.send(Duration::ZERO, 1, &[7; 60]).unwrap();
        assert_eq!(segment.next_at(), Some(MS));
        assert!(arrivals(&mut segment, MS - Duration::from_nanos(1)).is_empty());
        assert_eq!(
            arrivals(&mut segment, MS),
            [(0, vec![7; 60]), (2, vec![7; 60])]
        );
        assert_eq!((segment.next_at(), segment.octets), (None, 0));
    }

    #[test]
    fn a_dead_wire_keeps_its_carrier_and_a_cut_one_does_not() {
        let mut segment = slow(2);
        segment.send(Duration::ZERO, 0, &[1; 60]).unwrap();
        segment.set_state(LinkState::Silent);
        assert!(segment.has_carrier(0) && segment.has_carrier(1));
        assert_eq!(
            segment.send(Duration::ZERO, 0, &[1; 60]),
            Err(LossReason::Silent)
        );
        assert!(arrivals(&mut segment, MS).is_empty());
        segment.set_state(LinkState::Up);
        segment.send(MS, 0, &[2; 60]).unwrap();
        segment.set_state(LinkState::Down);
        assert!(!segment.has_carrier(0) && !segment.has_carrier(1));
        segment.set_state(LinkState::Up);
        assert!(arrivals(&mut segment, 2 * MS).is_empty(), "it was cut");
    }

    #[test]
    fn an_end_without_power_takes_the_carrier_of_a_cable_but_not_of_a_segment() {
        let mut cable = slow(2);
        cable.power(1, false);
        assert!(!cable.has_carrier(0) && !cable.has_carrier(1));
        cable.power(1, true);
        assert!(cable.has_carrier(0));
        let mut shared = slow(3);
        shared.plug(1, false);
        assert!(shared.has_carrier(0) && !shared.has_carrier(1));
        assert_eq!(
            shared.send(Duration::ZERO, 1, &[0; 60]),
            Err(LossReason::NoCarrier)
        );
    }

    #[test]
    fn what_is_under_way_is_bounded() {
        let mut segment = slow(2);
        let frame = vec![0; 9_000];
        let sent = (0..).take_while(|_| segment.send(Duration::ZERO, 0, &frame).is_ok());
        assert_eq!(sent.count(), UNDER_WAY_MAX / 9_000);
        assert_eq!(arrivals(&mut segment, MS).len(), UNDER_WAY_MAX / 9_000);
        segment.send(MS, 0, &frame).unwrap();
    }

    #[test]
    fn luck_is_that_of_the_wire_in_the_simulator() {
        let mut segment = slow(2);
        let lossy = Impairment::lossy(Probability::percent(50));
        segment.change(0, lossy, OneWay::default());
        for _ in 0..1_000 {
            segment.send(Duration::ZERO, 0, &[0; 60]).unwrap();
        }
        let came = arrivals(&mut segment, MS).len();
        assert!((400..600).contains(&came), "{came}");
        let mut line = Line::new(Rc::new(lossy), Rng::new(1, [0, 0]));
        let lost = |line: &mut Line| line.fate(0) == super::super::wire::Fate::Lost;
        assert_eq!((0..1_000).filter(|_| !lost(&mut line)).count(), came);
    }
}
