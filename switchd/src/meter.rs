//! How much a port takes in and sends: a rate for each direction, and the token buckets that hold it (802.1Q clause 8.6.5,
//! flow metering: behind learning and filtering, before queuing).
//!
//! Both directions are policed: a frame for which the bucket has no credit is dropped and counted. Nothing is queued, so
//! nothing is copied, nothing waits for a timer, and a slow port holds back nobody; a peer that speaks TCP slows down by
//! itself, and one that does not loses its own frames. The price is that a burst beyond the bucket is lost rather than
//! delayed, which is why the bucket is twenty milliseconds deep unless told otherwise.
//!
//! Over any time `T` no more than `rate * T + burst` passes, exactly: credit is counted in bits times nanoseconds, where
//! no rate needs a fraction. A super-frame of 64 KiB passes as a whole or not at all, so a bucket is never smaller than one.
//! Octets are counted as the port counters count them, without preamble and FCS. The switch's own BPDUs, and those it
//! takes in, are not metered: a full port must not take the network down.

use std::time::Duration;

/// The lowest rate, bits a second.
pub const BIT_RATE_MIN: u64 = 1_000;
/// The highest rate, bits a second: 400 Gbit/s.
pub const BIT_RATE_MAX: u64 = 400_000_000_000;
/// The smallest bucket, octets: a super-frame with all its headers fits.
pub const BURST_MIN: u32 = 66_000;
/// The largest bucket, octets: 1 GiB.
pub const BURST_MAX: u32 = 1 << 30;

/// How deep a bucket is that nobody gave a size: so much of its rate, in parts of a second.
const BURST_PART: u64 = 50;
/// A bit's worth of credit.
const BIT: u64 = 1_000_000_000;

/// A rate: 1 kbit/s to 400 Gbit/s.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BitRate(u64);

impl BitRate {
    /// `rate` bits a second; `None` outside [`BIT_RATE_MIN`]..=[`BIT_RATE_MAX`].
    #[must_use]
    pub const fn new(rate: u64) -> Option<Self> {
        match rate {
            BIT_RATE_MIN..=BIT_RATE_MAX => Some(Self(rate)),
            _ => None,
        }
    }

    /// Bits a second.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

/// The size of a bucket: 66,000 octets to 1 GiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Burst(u32);

impl Burst {
    /// `octets`; `None` outside [`BURST_MIN`]..=[`BURST_MAX`].
    #[must_use]
    pub const fn new(octets: u32) -> Option<Self> {
        match octets {
            BURST_MIN..=BURST_MAX => Some(Self(octets)),
            _ => None,
        }
    }

    /// Octets.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }

    /// That of a bucket nobody gave a size: twenty milliseconds of its rate, as far as that is legal.
    #[must_use]
    pub fn of(rate: BitRate) -> Self {
        let octets = rate.get() / 8 / BURST_PART;
        let octets = u32::try_from(octets).unwrap_or(BURST_MAX);
        Self(octets.clamp(BURST_MIN, BURST_MAX))
    }
}

/// The rates of a port; none by default.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct RateLimits {
    /// Of what it takes in.
    pub input: Option<BitRate>,
    /// Of what it sends.
    pub output: Option<BitRate>,
    /// The size of each bucket; `None`: [`Burst::of`] its rate.
    pub burst: Option<Burst>,
}

impl RateLimits {
    fn burst(&self, rate: BitRate) -> Burst {
        self.burst.unwrap_or_else(|| Burst::of(rate))
    }

    /// The bucket of what comes in, if there is one.
    #[must_use]
    pub fn input_burst(&self) -> Option<Burst> {
        self.input.map(|rate| self.burst(rate))
    }

    /// The bucket of what is sent, if there is one.
    #[must_use]
    pub fn output_burst(&self) -> Option<Burst> {
        self.output.map(|rate| self.burst(rate))
    }
}

/// What a port has left of its rates.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Meter {
    input: Option<Bucket>,
    output: Option<Bucket>,
}

impl Meter {
    pub(crate) fn new(limits: &RateLimits) -> Self {
        let mut meter = Self::default();
        meter.set(Duration::ZERO, limits);
        meter
    }

    /// Takes over new limits. A bucket that stays keeps its credit, as far as it holds it: setting a rate again and again
    /// fills nothing.
    pub(crate) fn set(&mut self, now: Duration, limits: &RateLimits) {
        let bucket = |held: Option<Bucket>, rate: Option<BitRate>| {
            let rate = rate?;
            Some(Bucket::resized(held, now, rate, limits.burst(rate)))
        };
        self.input = bucket(self.input, limits.input);
        self.output = bucket(self.output, limits.output);
    }

    /// Whether any rate is set.
    pub(crate) const fn is_any(&self) -> bool {
        self.input.is_some() || self.output.is_some()
    }

    /// Whether a frame of so many octets may come in, which it then has.
    pub(crate) fn takes(&mut self, now: Duration, octets: usize) -> bool {
        let bucket = self.input.as_mut();
        bucket.is_none_or(|bucket| bucket.take(now, octets))
    }

    /// Whether a frame of so many octets may be sent, which it then is.
    pub(crate) fn sends(&mut self, now: Duration, octets: usize) -> bool {
        let bucket = self.output.as_mut();
        bucket.is_none_or(|bucket| bucket.take(now, octets))
    }
}

/// A token bucket, full at first. Credit is in bits times nanoseconds; a gibibyte of it is half of what 64 bits hold.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    rate: u64,
    capacity: u64,
    credit: u64,
    /// When the credit was right.
    at: Duration,
}

impl Bucket {
    fn resized(held: Option<Self>, now: Duration, rate: BitRate, burst: Burst) -> Self {
        let capacity = u64::from(burst.get()) * 8 * BIT;
        let credit = held.map_or(capacity, |mut bucket| {
            bucket.earn(now);
            bucket.credit.min(capacity)
        });
        Self {
            rate: rate.get(),
            capacity,
            credit,
            at: now,
        }
    }

    fn earn(&mut self, now: Duration) {
        let since = now.saturating_sub(self.at).as_nanos();
        let since = u64::try_from(since).unwrap_or(u64::MAX);
        let earned = since.saturating_mul(self.rate);
        self.credit = self.credit.saturating_add(earned).min(self.capacity);
        self.at = self.at.max(now);
    }

    fn take(&mut self, now: Duration, octets: usize) -> bool {
        self.earn(now);
        let cost = (octets as u64).saturating_mul(8 * BIT);
        let rest = self.credit.checked_sub(cost);
        self.credit = rest.unwrap_or(self.credit);
        rest.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn limits(rate: u64, burst: u32) -> RateLimits {
        RateLimits {
            input: BitRate::new(rate),
            output: BitRate::new(rate),
            burst: Burst::new(burst),
        }
    }

    #[test]
    fn a_bucket_is_twenty_milliseconds_deep_and_holds_a_super_frame() {
        let burst = |rate| Burst::of(BitRate::new(rate).unwrap()).get();
        assert_eq!(burst(1_000_000_000), 2_500_000);
        assert_eq!(burst(BIT_RATE_MIN), BURST_MIN);
        assert_eq!(burst(BIT_RATE_MAX), 1_000_000_000);
        for (rate, burst) in [(BIT_RATE_MIN, BURST_MIN), (BIT_RATE_MAX, BURST_MAX)] {
            let mut meter = Meter::new(&limits(rate, burst));
            // The longest IP packet behind an Ethernet header and two tags.
            assert!(meter.takes(Duration::ZERO, 65_535 + 14 + 8));
            assert!(!meter.takes(Duration::ZERO, usize::MAX));
        }
    }

    #[test]
    fn a_rate_of_one_direction_leaves_the_other_alone() {
        let mut meter = Meter::new(&RateLimits {
            input: BitRate::new(BIT_RATE_MIN),
            ..RateLimits::default()
        });
        assert!(meter.takes(Duration::ZERO, 66_000) && !meter.takes(Duration::ZERO, 1));
        assert!((0..100).all(|_| meter.sends(Duration::ZERO, 66_000)));
        assert!(meter.is_any() && !Meter::default().is_any());
    }

    #[test]
    fn setting_a_rate_again_fills_nothing() {
        let mut meter = Meter::new(&limits(8_000, BURST_MIN));
        let now = Duration::from_secs(1);
        assert!(meter.takes(now, 66_000));
        meter.set(now, &limits(16_000, 132_000));
        assert!(!meter.takes(now, 1), "the bucket grew, and stayed empty");
        assert!(meter.takes(now + Duration::from_secs(1), 2_000));
        assert!(!meter.takes(now + Duration::from_secs(1), 1));
        // What was earned before counts by the rate of before.
        meter.set(now + Duration::from_secs(2), &limits(8_000_000, 66_000));
        assert!(meter.takes(now + Duration::from_secs(2), 2_000));
        assert!(!meter.takes(now + Duration::from_secs(2), 1));
    }

    proptest! {
        /// In no window of any length does more pass than the rate times the window and the bucket. Exact.
        #[test]
        fn never_more_than_rate_and_burst(
            rate in BIT_RATE_MIN..=10_000_000_000,
            burst in BURST_MIN..200_000,
            frames in prop::collection::vec((0_u64..3_000_000, 14_usize..65_557), 1..250),
        ) {
            let mut meter = Meter::new(&limits(rate, burst));
            let mut now = Duration::from_secs(3);
            let mut passed: Vec<(u128, u128)> = Vec::new();
            for (gap, octets) in frames {
                now += Duration::from_nanos(gap);
                if meter.sends(now, octets) {
                    passed.push((now.as_nanos(), octets as u128));
                }
            }
            for first in 0..passed.len() {
                let mut octets = 0;
                for &(at, more) in &passed[first..] {
                    octets += more;
                    let window = at - passed[first].0;
                    let most = u128::from(rate) * window + u128::from(burst) * 8 * u128::from(BIT);
                    prop_assert!(octets * 8 * u128::from(BIT) <= most);
                }
            }
        }

        /// Whoever keeps to the rate loses nothing, however long it goes on.
        #[test]
        fn who_keeps_to_the_rate_loses_nothing(
            rate in BIT_RATE_MIN..=10_000_000_000,
            sizes in prop::collection::vec(14_usize..65_557, 1..250),
        ) {
            let mut meter = Meter::new(&limits(rate, BURST_MIN));
            let mut now = Duration::ZERO;
            for octets in sizes {
                prop_assert!(meter.takes(now, octets));
                let bits = octets as u64 * 8;
                now += Duration::from_nanos((bits * BIT).div_ceil(rate));
            }
        }
    }
}
