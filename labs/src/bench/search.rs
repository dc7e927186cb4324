//! Throughput by search (RFC 2544, 26.1): the greatest rate at which a trial passes.

/// Where to search, and how closely.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Search {
    /// A rate that is surely too high.
    pub ceiling: u64,
    /// The search ends when the greatest rate that passed and the least that failed differ by no more than this share.
    pub resolution: f64,
    /// Trials, at most.
    pub trials: u32,
}

impl Search {
    /// The greatest rate found that passes, 0 if none did. A trial that fails is done once more before it counts: on a
    /// machine that does other things besides, one hiccup is no property of the switch.
    ///
    /// # Errors
    /// Those of a trial.
    pub fn run<E>(&self, mut trial: impl FnMut(u64) -> Result<bool, E>) -> Result<u64, E> {
        let (mut good, mut bad) = (0_u64, self.ceiling.max(1));
        for _ in 0..self.trials {
            let close = bad.saturating_sub(good) as f64 <= self.resolution * bad as f64;
            if close {
                break;
            }
            let rate = good.midpoint(bad);
            if trial(rate)? || trial(rate)? {
                good = rate;
            } else {
                bad = rate;
            }
        }
        Ok(good)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEARCH: Search = Search {
        ceiling: 1_000_000,
        resolution: 0.02,
        trials: 20,
    };

    fn found(limit: u64) -> u64 {
        SEARCH
            .run(|rate| Ok::<_, ()>(rate <= limit))
            .expect("trials do not fail")
    }

    #[test]
    fn the_limit_is_found_within_the_resolution_and_never_above() {
        for limit in [40_000, 123_456, 500_000, 999_999] {
            let found = found(limit);
            assert!(
                found <= limit && found as f64 > limit as f64 * 0.96,
                "{found}"
            );
        }
        assert!(found(0) == 0);
    }

    #[test]
    fn one_hiccup_is_forgiven_and_trials_are_bounded() {
        let mut count = 0;
        let found = SEARCH.run(|rate| {
            count += 1;
            Ok::<_, ()>(count != 1 && rate <= 700_000)
        });
        assert!(found.expect("no error") > 650_000);
        let short = Search {
            trials: 3,
            ..SEARCH
        };
        let mut count = 0;
        let found = short.run(|_| {
            count += 1;
            Ok::<_, ()>(false)
        });
        assert_eq!((found, count), (Ok(0), 6));
        assert_eq!(SEARCH.run(|_| Err::<bool, _>("gone")), Err("gone"));
    }
}
