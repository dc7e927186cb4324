//! How long an entry is held: the ageing time, and the shorter one while the topology changes.

use core::fmt;
use core::time::Duration;

/// The ageing time: how long a dynamic entry outlives the last frame that showed its station.
///
/// 802.1D-1998 clause 7.9.2, Table 7-4 (802.1D-2004 Table 7-5): 10 to 1,000,000 s in steps of 1 s, 300 s by default.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AgeingTime(u32);

impl AgeingTime {
    /// The shortest legal ageing time, 10 s.
    pub const MIN: Self = Self(10);
    /// The longest legal ageing time, 1,000,000 s (eleven and a half days).
    pub const MAX: Self = Self(1_000_000);

    /// An ageing time of `seconds`.
    ///
    /// # Errors
    /// [`AgeingTimeError`] outside 10..=1,000,000.
    pub const fn from_secs(seconds: u32) -> Result<Self, AgeingTimeError> {
        if seconds < Self::MIN.0 || seconds > Self::MAX.0 {
            return Err(AgeingTimeError { seconds });
        }
        Ok(Self(seconds))
    }

    /// The ageing time in seconds.
    #[must_use]
    pub const fn as_secs(self) -> u32 {
        self.0
    }

    /// The ageing time as a span of time.
    #[must_use]
    pub const fn get(self) -> Duration {
        Duration::from_secs(self.0 as u64)
    }
}

impl Default for AgeingTime {
    /// 300 s.
    fn default() -> Self {
        Self(300)
    }
}

impl fmt::Display for AgeingTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} s", self.0)
    }
}

/// An ageing time outside the range of 802.1D-1998 Table 7-4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("ageing time of {seconds} s is outside 10..=1000000 s")]
pub struct AgeingTimeError {
    /// What was asked for, in seconds.
    pub seconds: u32,
}

/// The clock of the table and the rule of expiry.
///
/// An entry stores when it was last seen and not when it ends, so a new ageing time acts on all entries in one step.
/// What has expired stays so: when the time is lengthened, `seen_min` remembers which entries were past it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ageing {
    time: AgeingTime,
    short: Option<Duration>,
    /// How long entries are held now, in nanoseconds; never 0, so that `seen_min` never lies ahead of now.
    hold: u64,
    /// Entries last seen before this instant have expired under an earlier, shorter ageing time.
    seen_min: u64,
    /// The latest instant told, in nanoseconds: time does not go back from here.
    latest: u64,
}

impl Ageing {
    pub(crate) fn new(time: AgeingTime) -> Self {
        Self {
            time,
            short: None,
            hold: nanoseconds(time.get()),
            seen_min: 0,
            latest: 0,
        }
    }

    pub(crate) fn time(&self) -> AgeingTime {
        self.time
    }

    pub(crate) fn short(&self) -> Option<Duration> {
        self.short
    }

    pub(crate) fn hold(&self) -> Duration {
        Duration::from_nanos(self.hold)
    }

    /// `now` as the table counts it.
    pub(crate) fn at(&self, now: Duration) -> u64 {
        nanoseconds(now).max(self.latest)
    }

    /// The same, and the table's time moves on.
    pub(crate) fn advance(&mut self, now: Duration) -> u64 {
        self.latest = self.at(now);
        self.latest
    }

    pub(crate) fn set_time(&mut self, at: u64, time: AgeingTime) {
        self.change_hold(at, time, self.short);
    }

    pub(crate) fn set_short(&mut self, at: u64, short: Option<Duration>) {
        self.change_hold(at, self.time, short);
    }

    /// Whether an entry last seen at `seen` has expired at `at`.
    pub(crate) fn is_expired(&self, seen: u64, at: u64) -> bool {
        seen < self.seen_min || at >= seen.saturating_add(self.hold)
    }

    /// When an entry last seen at `seen` expires; of one that has, not later than now.
    pub(crate) fn expires(&self, seen: u64) -> Duration {
        let expires = seen.saturating_add(self.hold);
        Duration::from_nanos(match seen < self.seen_min {
            true => expires.min(self.latest),
            false => expires,
        })
    }

    /// How long entries are held, and the instant before which entries last seen have expired, in nanoseconds.
    pub(crate) fn bounds(&self) -> (u64, u64) {
        (self.hold, self.seen_min)
    }

    fn change_hold(&mut self, at: u64, time: AgeingTime, short: Option<Duration>) {
        if let Some(seen_max_expired) = at.checked_sub(self.hold) {
            self.seen_min = self.seen_min.max(seen_max_expired.saturating_add(1));
        }
        self.time = time;
        self.short = short;
        let time = nanoseconds(time.get());
        self.hold = short.map_or(time, |short| nanoseconds(short).clamp(1, time));
    }
}

/// Nanoseconds, up to five centuries; more counts as that.
pub(crate) fn nanoseconds(time: Duration) -> u64 {
    time.as_secs()
        .saturating_mul(1_000_000_000)
        .saturating_add(u64::from(time.subsec_nanos()))
}
