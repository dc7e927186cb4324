//! Storm control: how many flooded frames a second a port may bring in.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::forward::Flood;

/// The highest limit, in frames a second.
pub const STORM_RATE_MAX: u32 = 10_000_000;
/// What a port that shows a loop may bring in of each kind where it has no limit of its own. A loop multiplies and never
/// rests: unbraked, one broadcast takes a processor from every switch it goes round.
pub const LOOP_RATE: StormRate = StormRate(1_000);
/// How much of its limit a quiet port may use at once: a second's worth.
const BURST: u64 = 1_000_000_000;
/// A storm is over when nothing was dropped for so long.
const CALM: Duration = Duration::from_secs(1);

/// A limit: 1..=10 000 000 frames a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StormRate(u32);

impl StormRate {
    /// `rate` frames a second; `None` outside 1..=10 000 000.
    #[must_use]
    pub const fn new(rate: u32) -> Option<Self> {
        match rate {
            1..=STORM_RATE_MAX => Some(Self(rate)),
            _ => None,
        }
    }

    /// Frames a second.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }
}

/// What to do with frames above the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StormAction {
    /// Drop them.
    #[default]
    Drop,
    /// Drop them, and disable the port.
    Shutdown,
}

impl StormAction {
    /// Its word in configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Drop => "drop",
            Self::Shutdown => "shutdown",
        }
    }
}

/// The limits of a port; none by default.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct StormControl {
    /// Of broadcasts.
    pub broadcast: Option<StormRate>,
    /// Of other group addresses' frames.
    pub multicast: Option<StormRate>,
    /// Of frames to addresses that nobody knows.
    pub unknown_unicast: Option<StormRate>,
    /// What becomes of frames above a limit.
    pub action: StormAction,
}

impl StormControl {
    /// These limits, and [`LOOP_RATE`] where there is none.
    #[must_use]
    pub const fn braked(self) -> Self {
        const fn or(limit: Option<StormRate>) -> Option<StormRate> {
            match limit {
                Some(rate) => Some(rate),
                None => Some(LOOP_RATE),
            }
        }
        Self {
            broadcast: or(self.broadcast),
            multicast: or(self.multicast),
            unknown_unicast: or(self.unknown_unicast),
            action: self.action,
        }
    }

    /// The limit of a kind.
    #[must_use]
    pub const fn limit(&self, kind: Flood) -> Option<StormRate> {
        match kind {
            Flood::Broadcast => self.broadcast,
            Flood::Multicast => self.multicast,
            Flood::UnknownUnicast => self.unknown_unicast,
        }
    }
}

/// What storm control says of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StormVerdict {
    /// It may pass.
    Pass,
    /// It is above the limit: the first of a storm.
    Begins,
    /// It is above the limit.
    Drop,
}

/// What a port has used of its limits: a token bucket for each kind.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct StormMeter {
    buckets: [Bucket; 3],
}

/// Credit counts in nanoseconds of the limit's rate, so that no rate needs a fraction.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    credit: u64,
    /// When the credit was right; `None` before the first frame.
    at: Option<Duration>,
    /// When the storm is over, unless more is dropped.
    storm_until: Option<Duration>,
}

impl Default for Bucket {
    fn default() -> Self {
        Self {
            credit: BURST,
            at: None,
            storm_until: None,
        }
    }
}

impl Bucket {
    fn take(&mut self, now: Duration, rate: StormRate) -> bool {
        let since = self
            .at
            .map_or(Duration::ZERO, |at| now.saturating_sub(at))
            .min(Duration::from_nanos(BURST));
        let earned = u64::try_from(since.as_nanos()).unwrap_or(BURST);
        self.at = Some(self.at.map_or(now, |at| at.max(now)));
        self.credit = (self.credit + earned).min(BURST);
        let cost = BURST / u64::from(rate.get());
        let has = self.credit >= cost;
        if has {
            self.credit -= cost;
        }
        has
    }
}

impl StormMeter {
    /// Counts a frame of `kind` against its limit.
    pub(crate) fn count(
        &mut self,
        now: Duration,
        control: &StormControl,
        kind: Flood,
    ) -> StormVerdict {
        let Some(rate) = control.limit(kind) else {
            return StormVerdict::Pass;
        };
        let bucket = &mut self.buckets[kind as usize];
        if bucket.take(now, rate) {
            return StormVerdict::Pass;
        }
        match bucket.storm_until.replace(now.saturating_add(CALM)) {
            None => StormVerdict::Begins,
            Some(_) => StormVerdict::Drop,
        }
    }

    /// The kinds whose storm is over by `now`; each is told once.
    pub(crate) fn calmed(&mut self, now: Duration) -> impl Iterator<Item = Flood> + '_ {
        let kinds = [Flood::Broadcast, Flood::Multicast, Flood::UnknownUnicast];
        kinds.into_iter().filter(move |&kind| {
            let bucket = &mut self.buckets[kind as usize];
            let over = bucket.storm_until.is_some_and(|until| until <= now);
            if over {
                bucket.storm_until = None;
            }
            over
        })
    }

    pub(crate) fn deadline(&self) -> Option<Duration> {
        let until = self.buckets.iter().filter_map(|bucket| bucket.storm_until);
        until.min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn control(rate: u32) -> StormControl {
        StormControl {
            broadcast: StormRate::new(rate),
            ..StormControl::default()
        }
    }

    #[test]
    fn a_seconds_worth_at_once_then_the_rate() {
        let mut meter = StormMeter::default();
        let second = Duration::from_secs(1);
        let mut passed = [0; 4];
        for (at, passed) in passed.iter_mut().enumerate() {
            for frame in 0..1000 {
                let now = second * u32::try_from(at).unwrap() + Duration::from_millis(frame);
                let verdict = meter.count(now, &control(100), Flood::Broadcast);
                *passed += u32::from(verdict == StormVerdict::Pass);
            }
        }
        assert_eq!(passed, [199, 100, 100, 100]);
        assert_eq!(
            meter.count(second * 4, &control(100), Flood::Multicast),
            StormVerdict::Pass
        );
    }

    #[test]
    fn a_storm_begins_and_ends_once() {
        let mut meter = StormMeter::default();
        let one = control(1);
        let at = Duration::from_secs(5);
        assert_eq!(meter.count(at, &one, Flood::Broadcast), StormVerdict::Pass);
        assert_eq!(
            meter.count(at, &one, Flood::Broadcast),
            StormVerdict::Begins
        );
        let later = at + CALM / 2;
        assert_eq!(
            meter.count(later, &one, Flood::Broadcast),
            StormVerdict::Drop
        );
        assert_eq!(meter.deadline(), Some(later + CALM));
        assert_eq!(meter.calmed(at + CALM).count(), 0);
        assert_eq!(
            meter.calmed(later + CALM).collect::<Vec<_>>(),
            [Flood::Broadcast]
        );
        assert_eq!(
            (meter.deadline(), meter.calmed(later + CALM).count()),
            (None, 0)
        );
    }

    proptest! {
        /// In no window of any length more passes than a second's worth and the rate times the window.
        #[test]
        fn never_more_than_burst_and_rate(
            rate in 1_u32..5000,
            gaps in prop::collection::vec(0_u64..50_000_000, 1..400),
        ) {
            let mut meter = StormMeter::default();
            let mut now = Duration::ZERO;
            let mut passed = Vec::new();
            for gap in gaps {
                now += Duration::from_nanos(gap);
                if meter.count(now, &control(rate), Flood::Broadcast) == StormVerdict::Pass {
                    passed.push(now);
                }
            }
            for first in 0..passed.len() {
                let window = (now - passed[first]).as_secs_f64();
                let count = f64::from(u32::try_from(passed.len() - first).unwrap());
                let rate = f64::from(rate);
                prop_assert!(count <= rate * (1.0 + window) * 1.001 + 1.0);
            }
        }
    }
}
