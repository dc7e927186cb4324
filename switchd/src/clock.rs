//! The only reader of the clock.

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

/// The clock of a switch: `CLOCK_MONOTONIC`, the same for all processes of a machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clock;

impl Clock {
    /// Time since some moment at or after the machine's boot; never goes back. Some 20 ns.
    #[must_use]
    pub fn now(self) -> Duration {
        let now = clock_gettime(ClockId::CLOCK_MONOTONIC).expect("Linux has this clock");
        Duration::from(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_does_not_go_back() {
        let times: Vec<Duration> = (0..100).map(|_| Clock.now()).collect();
        assert!(times.is_sorted());
    }
}
