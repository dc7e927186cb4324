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
