//! The timers of 802.1D-2004 17.17 as deadlines: nothing ticks.

use core::time::Duration;

/// A timer that runs down to zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub(super) enum Countdown {
    /// At zero.
    #[default]
    Zero,
    /// Reaches zero then.
    Until(Duration),
    /// Set to this much again and again by the figure's box that the machine rests in; runs once that is left.
    Held(Duration),
}

impl Countdown {
    /// Set to `time`, at `now`. A time that never ends is as long as time itself.
    pub(super) const fn start(&mut self, now: Duration, time: Duration) {
        *self = if time.is_zero() {
            Self::Zero
        } else {
            Self::Until(now.saturating_add(time))
        };
    }

    pub(super) const fn hold(&mut self, time: Duration) {
        *self = Self::Held(time);
    }

    /// Runs from `now` if it was held.
    pub(super) const fn release(&mut self, now: Duration) {
        if let Self::Held(time) = *self {
            self.start(now, time);
        }
    }

    pub(super) const fn stop(&mut self) {
        *self = Self::Zero;
    }

    pub(super) const fn is_zero(self) -> bool {
        matches!(self, Self::Zero)
    }

    pub(super) const fn due(self) -> Option<Duration> {
        match self {
            Self::Until(due) => Some(due),
            Self::Zero | Self::Held(_) => None,
        }
    }

    /// At zero from now on, if it is time.
    pub(super) fn expire(&mut self, now: Duration) {
        if self.due().is_some_and(|due| due <= now) {
            *self = Self::Zero;
        }
    }
}

/// The first of several.
pub(super) fn first<const N: usize>(timers: [Countdown; N]) -> Option<Duration> {
    timers.into_iter().filter_map(Countdown::due).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    #[test]
    fn a_held_timer_runs_once_it_is_released() {
        let mut timer = Countdown::default();
        assert!(timer.is_zero());
        timer.hold(3 * S);
        assert_eq!((timer.is_zero(), timer.due()), (false, None));
        timer.expire(100 * S);
        assert!(!timer.is_zero(), "held is not running");
        timer.release(5 * S);
        assert_eq!(timer.due(), Some(8 * S));
        timer.release(6 * S);
        timer.expire(8 * S - Duration::from_nanos(1));
        assert_eq!(timer.due(), Some(8 * S), "released once");
        timer.expire(8 * S);
        assert!(timer.is_zero());
        timer.start(S, Duration::ZERO);
        assert!(timer.is_zero(), "no time is no time");
        timer.start(S, Duration::MAX);
        assert_eq!(timer.due(), Some(Duration::MAX));
        assert_eq!(
            first([Countdown::Zero, Countdown::Until(S), timer]),
            Some(S)
        );
    }
}
