//! When announcements leave: QEMU's four parameters.

use core::fmt;
use core::str::FromStr;

/// A schedule of announcements as QEMU's migration parameters `announce-initial`, `announce-step`, `announce-rounds` and
/// `announce-max` say it: the first leaves at once, the second `initial` later, and each further pause is longer by
/// `step`, until it would be longer than `max`. All in milliseconds but `rounds`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Schedule {
    /// Before the second announcement, 0 to 100,000.
    pub initial: u32,
    /// How much longer each further pause is, 1 to 10,000.
    pub step: u32,
    /// How many announcements, 0 to 1,000.
    pub rounds: u32,
    /// The longest pause, 0 to 100,000.
    pub max: u32,
}

/// Why a schedule is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// Not four numbers.
    #[error(
        "'{0}' is no schedule: write INITIAL/STEP/ROUNDS/MAX, milliseconds but the rounds, as in 50/100/5/550"
    )]
    Form(String),
    /// A number QEMU does not take.
    #[error("{name} is from {least} to {most}, not {found}")]
    Range {
        /// Which of the four.
        name: &'static str,
        /// What it says.
        found: u32,
        /// The least there may be.
        least: u32,
        /// The most.
        most: u32,
    },
}

impl Schedule {
    /// QEMU's default.
    pub const QEMU: Self = Self {
        initial: 50,
        step: 100,
        rounds: 5,
        max: 550,
    };

    /// A schedule QEMU takes.
    ///
    /// # Errors
    /// The first number out of its range.
    pub fn new(initial: u32, step: u32, rounds: u32, max: u32) -> Result<Self, ScheduleError> {
        for (name, found, least, most) in [
            ("initial", initial, 0, 100_000),
            ("step", step, 1, 10_000),
            ("rounds", rounds, 0, 1_000),
            ("max", max, 0, 100_000),
        ] {
            if !(least..=most).contains(&found) {
                return Err(ScheduleError::Range {
                    name,
                    found,
                    least,
                    most,
                });
            }
        }
        Ok(Self {
            initial,
            step,
            rounds,
            max,
        })
    }

    /// When announcements leave, in milliseconds after the first.
    pub fn times(self) -> impl Iterator<Item = i64> {
        let pause = move |round: u32| {
            let pause = u64::from(self.initial) + u64::from(round) * u64::from(self.step);
            i64::try_from(pause.min(u64::from(self.max))).unwrap_or(i64::MAX)
        };
        let mut next = 0;
        (0..self.rounds).map(move |round| {
            let at = next;
            next += pause(round);
            at
        })
    }

    /// When the last one leaves; `None`: there is none.
    #[must_use]
    pub fn last(self) -> Option<i64> {
        self.times().last()
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            initial,
            step,
            rounds,
            max,
        } = self;
        write!(f, "{initial}/{step}/{rounds}/{max}")
    }
}

impl FromStr for Schedule {
    type Err = ScheduleError;

    fn from_str(text: &str) -> Result<Self, ScheduleError> {
        let numbers: Option<Vec<u32>> = text.split('/').map(|word| word.parse().ok()).collect();
        match numbers.as_deref() {
            Some(&[initial, step, rounds, max]) => Self::new(initial, step, rounds, max),
            Some(_) | None => Err(ScheduleError::Form(text.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guest::ANNOUNCE_AT;

    #[test]
    fn the_default_is_what_our_guests_do() {
        let times: Vec<i64> = Schedule::QEMU.times().collect();
        let guests = ANNOUNCE_AT.map(|at| i64::try_from(at.as_millis()).unwrap());
        assert_eq!(times, guests);
        assert_eq!(Schedule::QEMU.to_string().parse(), Ok(Schedule::QEMU));
    }

    #[test]
    fn pauses_grow_up_to_the_longest() {
        let schedule = Schedule::new(10, 500, 6, 600).unwrap();
        let times: Vec<i64> = schedule.times().collect();
        assert_eq!(times, [0, 10, 520, 1_120, 1_720, 2_320]);
        assert_eq!(schedule.last(), Some(2_320));
        assert_eq!(Schedule::new(0, 1, 0, 0).unwrap().last(), None);
    }

    #[test]
    fn what_qemu_refuses_is_refused() {
        for (text, message) in [
            (
                "50/100/5",
                "'50/100/5' is no schedule: write INITIAL/STEP/ROUNDS/MAX, milliseconds but the rounds, as in 50/100/5/550",
            ),
            ("50/0/5/550", "step is from 1 to 10000, not 0"),
            ("50/1/1001/550", "rounds is from 0 to 1000, not 1001"),
        ] {
            assert_eq!(text.parse::<Schedule>().unwrap_err().to_string(), message);
        }
    }
}
