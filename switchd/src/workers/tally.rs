//! What forwarding threads count, until the core takes it over.

use std::array;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::counters::{DROP_REASONS, DropReason, PortCounters};
use crate::port::Sent;

/// The counters of a port, for threads: added to once a batch by whoever has something to add, taken by the core before
/// anybody looks. What is added is taken once.
#[derive(Debug)]
pub(crate) struct Tally {
    received: [AtomicU64; 2],
    transmitted: [AtomicU64; 2],
    drops: [AtomicU64; DROP_REASONS],
}

impl Default for Tally {
    fn default() -> Self {
        let zero = |_| AtomicU64::new(0);
        Self {
            received: array::from_fn(zero),
            transmitted: array::from_fn(zero),
            drops: array::from_fn(zero),
        }
    }
}

impl Tally {
    pub(super) fn received(&self, frames: u64, octets: u64) {
        add(&self.received[0], frames);
        add(&self.received[1], octets);
    }

    pub(super) fn dropped(&self, reason: DropReason, frames: u64) {
        add(&self.drops[reason as usize], frames);
    }

    pub(super) fn sent(&self, sent: &Sent) {
        add(&self.transmitted[0], sent.frames);
        add(&self.transmitted[1], sent.octets);
        for (reason, frames) in sent.drops() {
            self.dropped(reason, frames);
        }
    }

    /// Moves everything to `counters`.
    pub(crate) fn pour(&self, counters: &mut PortCounters) {
        let take = |counter: &AtomicU64| match counter.load(Ordering::Relaxed) {
            0 => 0,
            _ => counter.swap(0, Ordering::Relaxed),
        };
        counters.received_frames += take(&self.received[0]);
        counters.received_octets += take(&self.received[1]);
        counters.transmitted_frames += take(&self.transmitted[0]);
        counters.transmitted_octets += take(&self.transmitted[1]);
        for (&reason, counter) in DropReason::ALL.iter().zip(&self.drops) {
            counters.dropped(reason, take(counter));
        }
    }
}

fn add(counter: &AtomicU64, count: u64) {
    if count > 0 {
        counter.fetch_add(count, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_is_poured_once_and_nothing_is_lost() {
        let tally = Tally::default();
        let mut counters = PortCounters::default();
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    for _ in 0..10_000 {
                        tally.received(1, 60);
                        tally.dropped(DropReason::PortState, 1);
                        tally.sent(&Sent {
                            frames: 2,
                            octets: 120,
                            full: 3,
                            ..Sent::default()
                        });
                    }
                });
            }
            for _ in 0..100 {
                tally.pour(&mut counters);
            }
        });
        tally.pour(&mut counters);
        let PortCounters {
            received_frames,
            received_octets,
            transmitted_frames,
            transmitted_octets,
            ..
        } = counters;
        assert_eq!((received_frames, received_octets), (20_000, 1_200_000));
        assert_eq!(
            (transmitted_frames, transmitted_octets),
            (40_000, 2_400_000)
        );
        assert_eq!(counters.drops(DropReason::PortState), 20_000);
        assert_eq!(counters.drops(DropReason::TransmitFull), 60_000);
    }
}
