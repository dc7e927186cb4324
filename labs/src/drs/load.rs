//! What VMs use: traces that are a function of time and seed, or what a process really uses.

use core::time::Duration;

use crate::sim::rng::Rng;

/// The load of a VM, in percent of one core.
#[derive(Debug, Clone, PartialEq)]
pub enum Load {
    /// What the VM's process uses.
    Measured,
    /// From each time on this much; the first time is zero.
    Steps(Vec<(Duration, f64)>),
    /// Up and down in straight lines (a sine would depend on the machine's library).
    Wave {
        /// Lowest.
        low: f64,
        /// Highest.
        high: f64,
        /// From low to low.
        period: Duration,
        /// How far it is at the beginning.
        phase: Duration,
    },
    /// Little, and much for a while, once in every stretch of time, at an instant drawn from the seed.
    Bursts {
        /// Between bursts.
        idle: f64,
        /// In a burst.
        busy: f64,
        /// The stretch that has one burst.
        every: Duration,
        /// How long a burst lasts.
        length: Duration,
    },
    /// Another value for every stretch of time, drawn from the seed.
    Random {
        /// Lowest.
        low: f64,
        /// Highest.
        high: f64,
        /// The stretch.
        every: Duration,
    },
    /// One of the kinds above, drawn with its figures from the seed.
    Drawn,
}

/// What is drawn does not depend on what else is: streams of chance of this module have this bit.
const STREAM: u32 = 1 << 31;

impl Load {
    /// The load at a time since the beginning; `None` if it has to be measured. `number` tells the VM from others.
    #[must_use]
    pub fn at(&self, time: Duration, seed: u64, number: u32) -> Option<f64> {
        match self {
            Self::Measured => None,
            Self::Steps(steps) => {
                let past = steps.iter().take_while(|(from, _)| *from <= time);
                Some(past.last().map_or(0.0, |(_, load)| *load))
            }
            Self::Wave {
                low,
                high,
                period,
                phase,
            } => {
                let (_, into) = split(time.saturating_add(*phase), *period);
                let part = into.as_secs_f64() / period.as_secs_f64();
                Some(low + (high - low) * (1.0 - (2.0 * part - 1.0).abs()))
            }
            Self::Bursts {
                idle,
                busy,
                every,
                length,
            } => {
                let (slot, into) = split(time, *every);
                let room = every.saturating_sub(*length).as_millis();
                let room = u64::try_from(room).unwrap_or(u64::MAX);
                let begin = Rng::new(seed, [STREAM | number, slot]).below(room.saturating_add(1));
                let begin = Duration::from_millis(begin);
                let is_on = into >= begin && into < begin.saturating_add(*length);
                Some(if is_on { *busy } else { *idle })
            }
            Self::Random { low, high, every } => {
                let (slot, _) = split(time, *every);
                let mut rng = Rng::new(seed, [STREAM | number, slot]);
                Some(between(&mut rng, *low, *high))
            }
            Self::Drawn => Self::drawn(seed, number).at(time, seed, number),
        }
    }

    /// A kind of load with its figures.
    fn drawn(seed: u64, number: u32) -> Self {
        let mut rng = Rng::new(seed, [STREAM | number, u32::MAX]);
        let kind = rng.below(3);
        let mut seconds = |low, more| Duration::from_secs(low + rng.below(more));
        match kind {
            0 => {
                let (period, phase) = (seconds(40, 80), seconds(0, 60));
                Self::Wave {
                    low: between(&mut rng, 10.0, 40.0),
                    high: between(&mut rng, 80.0, 180.0),
                    period,
                    phase,
                }
            }
            1 => {
                let (every, length) = (seconds(40, 50), seconds(10, 15));
                Self::Bursts {
                    idle: between(&mut rng, 10.0, 40.0),
                    busy: between(&mut rng, 100.0, 200.0),
                    every,
                    length,
                }
            }
            _ => Self::Random {
                low: 10.0,
                high: 180.0,
                every: seconds(20, 30),
            },
        }
    }
}

/// In which stretch of time an instant is, and how far in it. A stretch is never empty: lab files have none.
fn split(time: Duration, every: Duration) -> (u32, Duration) {
    let nanos = every.as_nanos().max(1);
    let slot = u32::try_from(time.as_nanos() / nanos).unwrap_or(u32::MAX);
    let into = u64::try_from(time.as_nanos() % nanos).unwrap_or(u64::MAX);
    (slot, Duration::from_nanos(into))
}

/// A draw to the tenth of a percent.
fn between(rng: &mut Rng, low: f64, high: f64) -> f64 {
    let draw = u32::try_from(rng.below(1_001)).unwrap_or(0);
    let load = low + (high - low) * f64::from(draw) / 1_000.0;
    (load * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn steps_hold_until_the_next() {
        let steps = Load::Steps(vec![(s(0), 10.0), (s(5), 90.0)]);
        let seen = [0, 4, 5, 500].map(|time| steps.at(s(time), 1, 0));
        assert_eq!(seen, [Some(10.0), Some(10.0), Some(90.0), Some(90.0)]);
        assert_eq!(Load::Measured.at(s(1), 1, 0), None);
    }

    #[test]
    fn a_wave_goes_up_and_down() {
        let wave = Load::Wave {
            low: 20.0,
            high: 120.0,
            period: s(40),
            phase: s(10),
        };
        let seen = [0, 10, 20, 30, 40].map(|time| wave.at(s(time), 1, 0));
        let expected = [70.0, 120.0, 70.0, 20.0, 70.0].map(Some);
        assert_eq!(seen, expected);
    }

    #[test]
    fn there_is_one_burst_in_each_stretch_and_it_is_whole() {
        let bursts = Load::Bursts {
            idle: 5.0,
            busy: 95.0,
            every: s(60),
            length: s(10),
        };
        for seed in 1..20 {
            for slot in 0..5 {
                let tenths =
                    (0..600).map(|tenth| s(60 * slot) + Duration::from_millis(100 * tenth));
                let busy = tenths.filter(|time| bursts.at(*time, seed, 3) == Some(95.0));
                let busy: Vec<_> = busy.collect();
                assert_eq!(busy.len(), 100, "seed {seed}");
                assert!(busy[99] - busy[0] < s(10));
            }
        }
    }

    #[test]
    fn what_is_drawn_repeats_with_its_seed_and_stays_in_its_bounds() {
        let trace = |seed, number| -> Vec<f64> {
            let times = (0..600).map(s);
            times
                .filter_map(|time| Load::Drawn.at(time, seed, number))
                .collect()
        };
        for number in 0..10 {
            let once = trace(7, number);
            assert_eq!(once, trace(7, number));
            assert_ne!(once, trace(8, number));
            assert_ne!(once, trace(7, number + 1));
            assert!(once.iter().all(|load| (10.0..=200.0).contains(load)));
        }
    }
}
