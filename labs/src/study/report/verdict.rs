//! What was measured, held against what was promised.

use super::super::families::Family;
use super::super::plan::{Event, Timers};
use super::super::protocol::Protocol;
use super::super::record::{Metric, Outcome, Record};
use super::super::summary::{Point, Spread};

/// What the last cable adds to a promise is not a broken promise.
const SLACK: u64 = 10_000;

/// All trials of one shape and event, over all sizes.
#[derive(Clone, Debug)]
pub(super) struct Verdict {
    pub(super) family: Family,
    pub(super) trials: usize,
    /// Trees that stood within the shorter promise.
    pub(super) direct: usize,
    /// Later, but within the longer one.
    pub(super) indirect: usize,
    /// Later still.
    pub(super) beyond: usize,
    /// Trees that did not come to stand, or not as one.
    pub(super) unsettled: usize,
    /// Trials in which nothing was done because the network had not even started well.
    pub(super) never: usize,
    /// Until the last change.
    pub(super) settle: Option<Spread>,
    /// Until the last lost frame, where there was a way and it was found.
    pub(super) outage: Option<Spread>,
    /// There was a way, and it was not found.
    pub(super) broken: usize,
    /// There was no way left.
    pub(super) parted: usize,
}

/// The verdicts on an event, by shape: held against what the protocol promises.
pub(super) fn of_event(points: &[Point<'_>], protocol: Protocol, event: Event) -> Vec<Verdict> {
    let promise = protocol.promise();
    let limits = [promise.direct, promise.indirect]
        .map(|time| u64::try_from(time.as_micros()).unwrap_or(u64::MAX - SLACK) + SLACK);
    let verdict = |family: Family| {
        let mine = points.iter().filter(|point| {
            point.family == family && point.event == event && point.timers == Timers::Default
        });
        let records: Vec<&Record> = mine
            .flat_map(|point| point.records.iter().copied())
            .collect();
        (!records.is_empty()).then(|| of_records(family, &records, limits))
    };
    Family::GROWING.into_iter().filter_map(verdict).collect()
}

fn of_records(family: Family, records: &[&Record], [by_direct, by_indirect]: [u64; 2]) -> Verdict {
    let ended = |outcome| {
        records
            .iter()
            .filter(move |record| record.outcome() == outcome)
    };
    let settle: Vec<u64> = ended(Outcome::Settled)
        .map(|record| record.get(Metric::Settle).unwrap_or(0))
        .collect();
    let within = |low: u64, high: u64| {
        let times = settle.iter();
        times.filter(|time| **time > low && **time <= high).count()
    };
    let direct = settle.iter().filter(|time| **time <= by_direct).count();
    // A tree that never stands loses frames again and again: it is counted as unsettled, and has no outage to measure.
    let tried = ended(Outcome::Settled).copied();
    let (parted, whole): (Vec<&Record>, Vec<&Record>) =
        tried.partition(|record| record.get(Metric::Parted) == Some(1));
    let (broken, back): (Vec<&Record>, Vec<&Record>) = whole
        .into_iter()
        .partition(|record| record.get(Metric::Broken) == Some(1));
    let outages = back
        .iter()
        .map(|record| record.get(Metric::LastLost).unwrap_or(0));
    Verdict {
        family,
        trials: records.len(),
        direct,
        indirect: within(by_direct, by_indirect),
        beyond: within(by_indirect, u64::MAX),
        unsettled: ended(Outcome::Unsettled).count() + ended(Outcome::Split).count(),
        never: ended(Outcome::NeverSettled).count(),
        outage: Spread::of(outages.collect()),
        settle: Spread::of(settle),
        broken: broken.len(),
        parted: parted.len(),
    }
}

/// The chain's sizes at which every trial settles, up to the first at which one does not; and the least size at which
/// none does.
pub(super) fn depth_limits(points: &[Point<'_>], timers: Timers) -> (Option<u32>, Option<u32>) {
    let mine = || {
        let mine = points.iter();
        mine.filter(move |point| point.family == Family::Chain && point.timers == timers)
    };
    let all = mine().take_while(|point| point.ended(Outcome::Settled) == point.records.len());
    let none = mine().find(|point| point.ended(Outcome::Settled) == 0);
    (
        all.last().map(|point| point.size),
        none.map(|point| point.size),
    )
}
