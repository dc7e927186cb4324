//! The longest time without news.

use core::time::Duration;
use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// A span in which nothing came. Times are CLOCK_MONOTONIC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// Last news before it, nanoseconds.
    pub from_ns: u64,
    /// First news after it, or the end of the observation, nanoseconds.
    pub to_ns: u64,
}

impl Gap {
    fn new(from: Duration, to: Duration) -> Self {
        let ns = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        Self {
            from_ns: ns(from),
            to_ns: ns(to),
        }
    }

    /// Its length in milliseconds.
    #[must_use]
    pub fn ms(&self) -> f64 {
        Duration::from_nanos(self.to_ns.saturating_sub(self.from_ns)).as_secs_f64() * 1000.0
    }

    fn len(&self) -> u64 {
        self.to_ns.saturating_sub(self.from_ns)
    }
}

/// Watches for the longest gap, span after span.
#[derive(Clone, Debug)]
pub struct Silence {
    last: Duration,
    longest: Gap,
}

impl Silence {
    /// Begins to watch; `now` counts as news.
    #[must_use]
    pub fn new(now: Duration) -> Self {
        Self {
            last: now,
            longest: Gap::new(now, now),
        }
    }

    /// News at `now`.
    pub fn news(&mut self, now: Duration) {
        let gap = Gap::new(self.last, now);
        if gap.len() > self.longest.len() {
            self.longest = gap;
        }
        self.last = now;
    }

    /// When the last news came.
    #[must_use]
    pub fn last(&self) -> Duration {
        self.last
    }

    /// The longest gap of the span that ends at `now`, one still open included; the next span
    /// begins. A gap open now counts in the next span too, with its whole length.
    pub fn take(&mut self, now: Duration) -> Gap {
        let open = Gap::new(self.last, now);
        let longest = if open.len() > self.longest.len() {
            open
        } else {
            self.longest
        };
        self.longest = Gap::new(self.last, self.last);
        longest
    }
}

/// How many answers are kept: 8 s of those to a question every 2 ms.
const ANSWERS_MAX: usize = 4096;

/// When answers came: the latest 4,096.
#[derive(Clone, Debug, Default)]
pub struct Answers(VecDeque<u64>);

impl Answers {
    /// An answer at `now`.
    pub fn news(&mut self, now: Duration) {
        if self.0.len() == ANSWERS_MAX {
            self.0.pop_front();
        }
        self.0.push_back(Gap::new(now, now).to_ns);
    }

    /// The answers so far, nanoseconds; the latest is kept for the next span.
    pub fn take(&mut self) -> Vec<u64> {
        let latest = self.0.back().copied();
        let taken = core::mem::take(&mut self.0);
        self.0.extend(latest);
        taken.into()
    }
}

/// The longest of the gaps between successive `answers` (nanoseconds, ascending) that some of the span from `from` to `to`
/// lies in; `None` if no two answers have any of it between them.
#[must_use]
pub fn gap_around(answers: &[u64], from: Duration, to: Duration) -> Option<Gap> {
    let span = Gap::new(from, to);
    let gaps = answers.windows(2).map(|pair| Gap {
        from_ns: pair[0],
        to_ns: pair[1],
    });
    gaps.filter(|gap| gap.from_ns <= span.to_ns && gap.to_ns >= span.from_ns)
        .max_by_key(Gap::len)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn the_longest_gap_of_each_span_is_reported() {
        let mut silence = Silence::new(Duration::ZERO);
        for at in [10, 20, 65, 75] {
            silence.news(at * MS);
        }
        let gap = silence.take(80 * MS);
        assert_eq!(gap, Gap::new(20 * MS, 65 * MS));
        assert!((gap.ms() - 45.0).abs() < 1e-9);
        silence.news(85 * MS);
        assert_eq!(silence.take(90 * MS), Gap::new(75 * MS, 85 * MS));
    }

    #[test]
    fn the_gap_around_a_moment_is_found_among_longer_ones() {
        let mut answers = Answers::default();
        for at in [10, 90, 92, 94, 99, 101] {
            answers.news(at * MS);
        }
        let times = answers.take();
        let around = |from: u32, to: u32| gap_around(&times, from * MS, to * MS);
        assert_eq!(around(95, 96), Some(Gap::new(94 * MS, 99 * MS)));
        assert_eq!(around(91, 98), Some(Gap::new(94 * MS, 99 * MS)));
        assert_eq!(around(20, 30), Some(Gap::new(10 * MS, 90 * MS)));
        assert_eq!(around(102, 110), None, "no answer since");
        assert_eq!(around(1, 9), None);
        // The next span begins with the last answer of this one.
        answers.news(130 * MS);
        let gap = gap_around(&answers.take(), 110 * MS, 111 * MS);
        assert_eq!(gap, Some(Gap::new(101 * MS, 130 * MS)));
        for at in 0..10_000 {
            answers.news(at * MS);
        }
        assert_eq!(answers.take().len(), ANSWERS_MAX);
    }

    #[test]
    fn a_gap_that_is_still_open_counts_now_and_later() {
        let mut silence = Silence::new(Duration::ZERO);
        silence.news(10 * MS);
        assert_eq!(silence.take(500 * MS), Gap::new(10 * MS, 500 * MS));
        silence.news(700 * MS);
        assert_eq!(silence.take(701 * MS), Gap::new(10 * MS, 700 * MS));
    }
}
