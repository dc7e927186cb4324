//! From trials to points: the least, the median and the 99th percentile of what differs in chance only.

use std::collections::BTreeMap;

use super::families::Family;
use super::plan::{Event, Timers};
use super::record::{Metric, Outcome, Record};

/// The least, the middle and almost the greatest of some values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spread {
    /// How many values.
    pub count: usize,
    /// The least.
    pub min: u64,
    /// The median, by nearest rank: always one of the values.
    pub median: u64,
    /// The 99th percentile, by nearest rank: the greatest of up to 99 values.
    pub p99: u64,
}

impl Spread {
    /// Of these values; `None` if there are none.
    #[must_use]
    pub fn of(mut values: Vec<u64>) -> Option<Self> {
        values.sort_unstable();
        // The nearest rank of a percentile p of n values is ⌈p·n / 100⌉, from 1.
        let rank = |percent: usize| (percent * values.len()).div_ceil(100).saturating_sub(1);
        Some(Self {
            count: values.len(),
            min: *values.first()?,
            median: *values.get(rank(50))?,
            p99: *values.get(rank(99))?,
        })
    }
}

/// All trials of one family, timers, event and size.
#[derive(Clone, Debug)]
pub struct Point<'a> {
    /// What was built.
    pub family: Family,
    /// With what times.
    pub timers: Timers,
    /// What happened.
    pub event: Event,
    /// How many switches.
    pub size: u32,
    /// Its trials.
    pub records: Vec<&'a Record>,
}

impl Point<'_> {
    /// The spread of a metric over the trials that have it.
    #[must_use]
    pub fn spread(&self, metric: Metric) -> Option<Spread> {
        Spread::of(self.values(metric).collect())
    }

    /// The spread over those trials that ended so.
    #[must_use]
    pub fn spread_of(&self, outcome: Outcome, metric: Metric) -> Option<Spread> {
        let records = self
            .records
            .iter()
            .filter(|record| record.outcome() == outcome);
        Spread::of(records.filter_map(|record| record.get(metric)).collect())
    }

    /// How many trials ended so.
    #[must_use]
    pub fn ended(&self, outcome: Outcome) -> usize {
        self.records
            .iter()
            .filter(|record| record.outcome() == outcome)
            .count()
    }

    /// How many trials have 1 there.
    #[must_use]
    pub fn flagged(&self, metric: Metric) -> usize {
        self.values(metric).filter(|value| *value > 0).count()
    }

    fn values(&self, metric: Metric) -> impl Iterator<Item = u64> {
        self.records
            .iter()
            .filter_map(move |record| record.get(metric))
    }
}

/// The points of these records, in the order of keys.
#[must_use]
pub fn points(records: &[Record]) -> Vec<Point<'_>> {
    let mut points: BTreeMap<_, Vec<&Record>> = BTreeMap::new();
    for record in records {
        let key = record.key();
        let point = (key.family, key.timers, key.event, key.size);
        points.entry(point).or_default().push(record);
    }
    let point = |((family, timers, event, size), records)| Point {
        family,
        timers,
        event,
        size,
        records,
    };
    points.into_iter().map(point).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_values_that_were_there() {
        assert_eq!(Spread::of(Vec::new()), None);
        let spread = Spread::of(vec![7]).unwrap();
        assert_eq!((spread.min, spread.median, spread.p99), (7, 7, 7));
        let spread = Spread::of((1..=4).rev().collect()).unwrap();
        assert_eq!((spread.min, spread.median, spread.p99), (1, 2, 4));
        let spread = Spread::of((1..=200).collect()).unwrap();
        assert_eq!((spread.count, spread.median, spread.p99), (200, 100, 198));
    }
}
