//! The times of the protocol: on the wire, as configured, as in force (802.1D-1998 8.5.3, 8.10.2; 9.2.8).

use core::fmt;
use core::time::Duration;

/// No bridge sends two configuration BPDUs through one port within this time (802.1D-1998 8.5.3.14, fixed).
pub const HOLD_TIME: Duration = Duration::from_secs(1);

/// A time as a BPDU carries it: units of 1/256 s, 0..=65535 of them, so at most 255.996 s (802.1D-1998 9.2.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct BpduTime(u16);

impl BpduTime {
    /// No time at all.
    pub const ZERO: Self = Self(0);
    const UNIT_NANOS: u32 = 3_906_250;

    /// So many units of 1/256 s.
    #[must_use]
    pub const fn from_units(units: u16) -> Self {
        Self(units)
    }

    /// The number of units of 1/256 s.
    #[must_use]
    pub const fn units(self) -> u16 {
        self.0
    }

    /// The smallest wire time that is not less than `duration`; the largest there is if `duration` exceeds it.
    /// An age is never understated.
    #[must_use]
    pub fn at_least(duration: Duration) -> Self {
        let units = duration.as_nanos().div_ceil(u128::from(Self::UNIT_NANOS));
        Self(u16::try_from(units).unwrap_or(u16::MAX))
    }

    /// Exactly this time.
    #[must_use]
    pub fn duration(self) -> Duration {
        Duration::from_nanos(u64::from(self.0) * u64::from(Self::UNIT_NANOS))
    }
}

impl fmt::Display for BpduTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.duration())
    }
}

/// Max age, hello time and forward delay as they are in force: the root's (802.1D-1998 8.5.3.4 to 8.5.3.6).
///
/// What another root says is used as it is, within [`BridgeTimes`]' ranges or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimesInForce {
    /// How old information may grow before it is discarded (8.5.3.4).
    pub max_age: Duration,
    /// How often the root sends (8.5.3.5).
    pub hello_time: Duration,
    /// How long a port stays listening, and then learning; also the short ageing time (8.5.3.6, 8.3.5).
    pub forward_delay: Duration,
}

/// What a bridge uses when it is the root: legal by construction (802.1D-1998 8.5.3.8 to 8.5.3.10, Table 8-3, 8.10.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BridgeTimes {
    max_age: Duration,
    hello_time: Duration,
    forward_delay: Duration,
    message_age_increment: Duration,
}

/// Why times are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TimesError {
    /// Not a whole number of seconds from 6 to 40.
    #[error("max age must be 6 to 40 whole seconds, not {0:?}")]
    MaxAge(Duration),
    /// Not a whole number of seconds from 1 to 10.
    #[error("hello time must be 1 to 10 whole seconds, not {0:?}")]
    HelloTime(Duration),
    /// Not a whole number of seconds from 4 to 30.
    #[error("forward delay must be 4 to 30 whole seconds, not {0:?}")]
    ForwardDelay(Duration),
    /// 2 × (forward delay − 1 s) ≥ max age does not hold.
    #[error(
        "2 x (forward delay - 1 s) must be at least max age: forward delay {forward_delay:?} allows {max_age_most:?}, not {max_age:?}"
    )]
    ForwardDelayTooShort {
        /// The forward delay asked for.
        forward_delay: Duration,
        /// The max age asked for.
        max_age: Duration,
        /// The largest max age that this forward delay allows.
        max_age_most: Duration,
    },
    /// max age ≥ 2 × (hello time + 1 s) does not hold.
    #[error(
        "max age must be at least 2 x (hello time + 1 s): hello time {hello_time:?} needs {max_age_least:?}, not {max_age:?}"
    )]
    MaxAgeTooShort {
        /// The hello time asked for.
        hello_time: Duration,
        /// The max age asked for.
        max_age: Duration,
        /// The smallest max age that this hello time needs.
        max_age_least: Duration,
    },
    /// Not from 1/256 s to 1 s.
    #[error("message age increment must be 1/256 s to 1 s, not {0:?}")]
    MessageAgeIncrement(Duration),
}

const SECOND: Duration = Duration::from_secs(1);

impl BridgeTimes {
    /// Times a root may announce: max age 6..=40 s, hello time 1..=10 s, forward delay 4..=30 s, whole seconds
    /// (802.1D-1998 Table 8-3) with 2 × (forward delay − 1 s) ≥ max age ≥ 2 × (hello time + 1 s) (8.10.2).
    ///
    /// # Errors
    /// The first of these that does not hold, in the order max age, hello time, forward delay, relations.
    pub fn new(
        max_age: Duration,
        hello_time: Duration,
        forward_delay: Duration,
    ) -> Result<Self, TimesError> {
        if !is_whole_seconds_within(max_age, 6, 40) {
            return Err(TimesError::MaxAge(max_age));
        }
        if !is_whole_seconds_within(hello_time, 1, 10) {
            return Err(TimesError::HelloTime(hello_time));
        }
        if !is_whole_seconds_within(forward_delay, 4, 30) {
            return Err(TimesError::ForwardDelay(forward_delay));
        }
        let max_age_most = 2 * (forward_delay - SECOND);
        if max_age > max_age_most {
            return Err(TimesError::ForwardDelayTooShort {
                forward_delay,
                max_age,
                max_age_most,
            });
        }
        let max_age_least = 2 * (hello_time + SECOND);
        if max_age < max_age_least {
            return Err(TimesError::MaxAgeTooShort {
                hello_time,
                max_age,
                max_age_least,
            });
        }
        Ok(Self {
            max_age,
            hello_time,
            forward_delay,
            message_age_increment: SECOND,
        })
    }

    /// The same times with another message age increment: what this bridge adds to the age of what it relays, beyond
    /// the time it held it. 1/256 s to 1 s, default 1 s: the standard allows an overestimate of at most a second
    /// (802.1D-1998 8.10.1). At 1 s a tree with max age 20 s is at most 20 bridges deep; a smaller increment
    /// lets larger networks converge at the price of remembering a dead root for longer.
    ///
    /// # Errors
    /// [`TimesError::MessageAgeIncrement`] outside the range.
    pub fn with_message_age_increment(self, increment: Duration) -> Result<Self, TimesError> {
        let least = BpduTime::from_units(1).duration();
        if increment < least || increment > SECOND {
            return Err(TimesError::MessageAgeIncrement(increment));
        }
        Ok(Self {
            message_age_increment: increment,
            ..self
        })
    }

    /// Bridge Max Age (8.5.3.8): 6..=40 s, default 20 s.
    #[must_use]
    pub const fn max_age(&self) -> Duration {
        self.max_age
    }

    /// Bridge Hello Time (8.5.3.9): 1..=10 s, default 2 s.
    #[must_use]
    pub const fn hello_time(&self) -> Duration {
        self.hello_time
    }

    /// Bridge Forward Delay (8.5.3.10): 4..=30 s, default 15 s.
    #[must_use]
    pub const fn forward_delay(&self) -> Duration {
        self.forward_delay
    }

    /// What relaying adds to a message's age: 1/256 s to 1 s, default 1 s.
    #[must_use]
    pub const fn message_age_increment(&self) -> Duration {
        self.message_age_increment
    }

    /// How long the root tells of a topology change: max age + forward delay (8.5.3.13), by default 35 s.
    #[must_use]
    pub fn topology_change_time(&self) -> Duration {
        self.max_age + self.forward_delay
    }

    /// The times as they are in force while this bridge is the root.
    #[must_use]
    pub const fn in_force(&self) -> TimesInForce {
        TimesInForce {
            max_age: self.max_age,
            hello_time: self.hello_time,
            forward_delay: self.forward_delay,
        }
    }
}

impl Default for BridgeTimes {
    /// Max age 20 s, hello time 2 s, forward delay 15 s, message age increment 1 s.
    fn default() -> Self {
        Self {
            max_age: 20 * SECOND,
            hello_time: 2 * SECOND,
            forward_delay: 15 * SECOND,
            message_age_increment: SECOND,
        }
    }
}

fn is_whole_seconds_within(time: Duration, least: u64, most: u64) -> bool {
    time.subsec_nanos() == 0 && (least..=most).contains(&time.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(max_age: u64, hello: u64, forward_delay: u64) -> Result<BridgeTimes, TimesError> {
        BridgeTimes::new(
            Duration::from_secs(max_age),
            Duration::from_secs(hello),
            Duration::from_secs(forward_delay),
        )
    }

    #[test]
    fn defaults_and_extremes_are_legal() {
        assert_eq!(times(20, 2, 15), Ok(BridgeTimes::default()));
        assert!(times(6, 1, 4).is_ok(), "the fastest");
        assert!(times(40, 10, 30).is_ok(), "the slowest");
        assert_eq!(
            BridgeTimes::default().topology_change_time(),
            Duration::from_secs(35)
        );
    }

    #[test]
    fn each_bound_is_checked() {
        assert_eq!(
            times(5, 1, 30),
            Err(TimesError::MaxAge(Duration::from_secs(5)))
        );
        assert_eq!(
            times(41, 1, 30),
            Err(TimesError::MaxAge(Duration::from_secs(41)))
        );
        assert_eq!(times(20, 0, 15), Err(TimesError::HelloTime(Duration::ZERO)));
        assert_eq!(
            times(40, 11, 30),
            Err(TimesError::HelloTime(Duration::from_secs(11)))
        );
        assert_eq!(
            times(6, 1, 3),
            Err(TimesError::ForwardDelay(Duration::from_secs(3)))
        );
        assert_eq!(
            times(20, 2, 31),
            Err(TimesError::ForwardDelay(Duration::from_secs(31)))
        );
        let fraction = Duration::from_millis(20_500);
        assert_eq!(
            BridgeTimes::new(fraction, Duration::from_secs(2), Duration::from_secs(15)),
            Err(TimesError::MaxAge(fraction))
        );
    }

    #[test]
    fn both_relations_are_checked_at_their_edge() {
        assert!(times(28, 2, 15).is_ok());
        assert!(matches!(
            times(29, 2, 15),
            Err(TimesError::ForwardDelayTooShort { .. })
        ));
        assert!(times(8, 3, 15).is_ok());
        assert!(matches!(
            times(8, 4, 15),
            Err(TimesError::MaxAgeTooShort { .. })
        ));
    }

    #[test]
    fn message_age_increment_has_a_range() {
        let times = BridgeTimes::default();
        for (nanos, legal) in [
            (3_906_249, false),
            (3_906_250, true),
            (1_000_000_000, true),
            (1_000_000_001, false),
        ] {
            let increment = Duration::from_nanos(nanos);
            assert_eq!(
                times.with_message_age_increment(increment).is_ok(),
                legal,
                "{nanos}"
            );
        }
    }

    #[test]
    fn wire_time_rounds_up_and_saturates() {
        assert_eq!(BpduTime::at_least(Duration::ZERO), BpduTime::ZERO);
        assert_eq!(BpduTime::at_least(Duration::from_nanos(1)).units(), 1);
        assert_eq!(
            BpduTime::at_least(Duration::from_secs(20)).units(),
            20 * 256
        );
        assert_eq!(BpduTime::at_least(Duration::MAX).units(), u16::MAX);
        for units in [0, 1, 255, 256, u16::MAX] {
            let time = BpduTime::from_units(units);
            assert_eq!(BpduTime::at_least(time.duration()), time);
        }
    }
}
