//! Timers as values: when one was started and how far it had run by then. What it runs up to is asked for anew each
//! time, because the times in force change while timers run (802.1D-1998 8.5.4, 8.5.6).

use core::time::Duration;

/// A running timer counts up from where it was started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Running {
    started: Duration,
    value: Duration,
}

/// One timer of the standard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct Timer(Option<Running>);

impl Timer {
    pub(crate) const fn start(&mut self, now: Duration) {
        self.start_at(now, Duration::ZERO);
    }

    /// Starts with `value` already on the clock.
    pub(crate) const fn start_at(&mut self, now: Duration, value: Duration) {
        self.0 = Some(Running {
            started: now,
            value,
        });
    }

    pub(crate) const fn stop(&mut self) {
        self.0 = None;
    }

    pub(crate) const fn is_running(&self) -> bool {
        self.0.is_some()
    }

    /// How far it has run.
    pub(crate) fn value(&self, now: Duration) -> Option<Duration> {
        self.0.map(|running| {
            now.saturating_sub(running.started)
                .saturating_add(running.value)
        })
    }

    /// The value it was started with.
    pub(crate) fn initial(&self) -> Option<Duration> {
        self.0.map(|running| running.value)
    }

    /// When it reaches `limit`: in the past if it was started beyond it, `None` if that is after the end of time.
    pub(crate) fn due(&self, limit: Duration) -> Option<Duration> {
        let running = self.0?;
        let left = limit.saturating_sub(running.value);
        let beyond = running.value.saturating_sub(limit);
        Some(running.started.checked_add(left)?.saturating_sub(beyond))
    }

    pub(crate) fn has_expired(&self, limit: Duration, now: Duration) -> bool {
        self.due(limit).is_some_and(|due| due <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    #[test]
    fn a_stopped_timer_has_nothing_to_tell() {
        let timer = Timer::default();
        assert!(!timer.is_running());
        assert_eq!((timer.value(9 * S), timer.due(S)), (None, None));
        assert!(!timer.has_expired(Duration::ZERO, 9 * S));
    }

    #[test]
    fn due_and_expired_agree_whatever_the_limit() {
        let mut timer = Timer::default();
        timer.start_at(10 * S, 3 * S);
        assert_eq!(
            (timer.initial(), timer.value(12 * S)),
            (Some(3 * S), Some(5 * S))
        );
        for limit in [4, 6, 20] {
            let due = timer.due(limit * S).unwrap();
            assert_eq!(due, 10 * S + limit * S - 3 * S);
            assert!(timer.has_expired(limit * S, due));
            assert!(!timer.has_expired(limit * S, due - Duration::from_nanos(1)));
        }
        assert!(timer.has_expired(3 * S, 10 * S), "started beyond the limit");
        timer.start(20 * S);
        assert_eq!(timer.due(S), Some(21 * S));
        timer.stop();
        assert_eq!(timer, Timer::default());
    }

    #[test]
    fn the_end_of_time_is_no_end() {
        let mut timer = Timer::default();
        timer.start_at(Duration::MAX, S);
        assert_eq!(timer.due(20 * S), None);
        assert!(!timer.has_expired(20 * S, Duration::MAX));
        timer.start_at(Duration::ZERO, 9 * S);
        assert_eq!(timer.value(Duration::MAX), Some(Duration::MAX));
        assert_eq!(timer.due(S), Some(Duration::ZERO));
    }
}
