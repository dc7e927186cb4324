//! Which schedule bounds the outage best.

use super::{Schedule, Setting};

/// What a schedule is to be good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Demand {
    pub(super) setting: Setting,
    /// The first so many announcements may be lost.
    pub(super) lost: u32,
    /// Spanning tree may be rebuilding meanwhile.
    pub(super) redundant: bool,
}

impl Demand {
    /// The longest outage of a silent guest that this schedule allows, beyond what spanning tree itself costs.
    ///
    /// In a network at rest that is the wait for the first announcement that is not lost, or ageing. While a tree
    /// rebuilds itself, announcements are heard only once the new way forwards, which may be at any time: the longest
    /// pause counts, or, when all has been said, the wait for the entry to age by the forward delay.
    pub(super) fn bound(&self, schedule: Schedule) -> i64 {
        let mut heard = schedule
            .times()
            .skip(usize::try_from(self.lost).unwrap_or(usize::MAX));
        let first = heard.next();
        let at_rest = first.unwrap_or_else(|| self.setting.ageing());
        if !self.redundant {
            return at_rest;
        }
        let short = self.setting.forward_delay();
        let mut since = 0;
        let mut longest = 0;
        for at in first.into_iter().chain(heard).take_while(|at| *at < short) {
            longest = longest.max(at - since);
            since = at;
        }
        at_rest.max(longest).max(short - since)
    }

    /// The best schedule of at most `budget` frames: the least bound, then the fewest frames, then the shortest.
    pub(super) fn best(&self, budget: u32) -> Schedule {
        let all = candidates().filter(|schedule| schedule.rounds <= budget);
        all.min_by_key(|schedule| {
            (
                self.bound(*schedule),
                schedule.rounds,
                schedule.last(),
                *schedule,
            )
        })
        .unwrap_or(Schedule::QEMU)
    }
}

/// What is looked through: round numbers within QEMU's ranges.
fn candidates() -> impl Iterator<Item = Schedule> {
    const INITIAL: [u32; 7] = [10, 20, 50, 100, 200, 500, 1_000];
    const STEP: [u32; 9] = [1, 10, 20, 50, 100, 200, 500, 1_000, 2_000];
    const MAX: [u32; 9] = [50, 100, 200, 300, 550, 1_000, 2_000, 5_000, 10_000];
    const ROUNDS: [u32; 12] = [1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 100, 200];
    let all = INITIAL.into_iter().flat_map(|initial| {
        STEP.into_iter().flat_map(move |step| {
            MAX.into_iter().flat_map(move |max| {
                ROUNDS
                    .into_iter()
                    .map(move |rounds| (initial, step, rounds, max))
            })
        })
    });
    all.filter_map(|(initial, step, rounds, max)| Schedule::new(initial, step, rounds, max).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    const RING: fn() -> Demand = || Demand {
        setting: Setting::default(),
        lost: 2,
        redundant: true,
    };

    #[test]
    fn a_schedule_that_ends_early_leaves_the_rest_to_ageing() {
        let demand = RING();
        assert_eq!(demand.bound(Schedule::QEMU), 15_000 - 800);
        let line = Demand {
            redundant: false,
            ..demand
        };
        assert_eq!(line.bound(Schedule::QEMU), 200);
        assert_eq!(line.bound(Schedule::new(50, 100, 2, 550).unwrap()), 300_000);
        assert_eq!(demand.bound(Schedule::new(50, 100, 60, 550).unwrap()), 550);
    }

    #[test]
    fn more_frames_never_bound_worse() {
        for redundant in [false, true] {
            let demand = Demand {
                redundant,
                ..RING()
            };
            let bounds: Vec<i64> = [3, 5, 10, 20, 50, 100]
                .map(|budget| demand.bound(demand.best(budget)))
                .to_vec();
            assert!(bounds.is_sorted_by(|a, b| a >= b), "{bounds:?}");
            assert!(demand.bound(demand.best(5)) <= demand.bound(Schedule::QEMU));
        }
    }
}
