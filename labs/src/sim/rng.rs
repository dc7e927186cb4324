//! Chance that repeats: a small generator, one stream for each direction of each wire.

use core::fmt;

use serde::{Deserialize, Serialize};

/// Odd constant of the golden ratio, the increment of SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom
/// number generators", 2014).
const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

/// SplitMix64: eight octets of state, passes BigCrush, and any two keys give independent streams. Not for secrets.
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    /// The stream of this key: a seed, and what tells the stream from others of the same seed.
    #[must_use]
    pub fn new(seed: u64, stream: [u32; 2]) -> Self {
        let [a, b] = stream;
        let mut rng = Self(seed);
        let seed = rng.next_u64();
        Self(seed ^ mix((u64::from(a) << 32 | u64::from(b)).wrapping_add(GAMMA)))
    }

    /// 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GAMMA);
        mix(self.0)
    }

    /// A number in `0..limit`; 0 if `limit` is 0. Biased by less than `limit` / 2^64.
    pub fn below(&mut self, limit: u64) -> u64 {
        let product = u128::from(self.next_u64()) * u128::from(limit);
        u64::try_from(product >> 64).unwrap_or(0)
    }

    /// True as often as `probability` says.
    pub fn hits(&mut self, probability: Probability) -> bool {
        // No draw for what cannot happen: switching one fault on does not shift the draws of the others.
        probability.0 > 0 && self.below(u64::from(Probability::ALWAYS.0)) < u64::from(probability.0)
    }
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// How likely something is, in parts per million.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Probability(u32);

impl Probability {
    /// Never.
    pub const NEVER: Self = Self(0);
    /// Every time.
    pub const ALWAYS: Self = Self(1_000_000);

    /// So many times in a million; more than a million counts as always.
    #[must_use]
    pub const fn per_million(parts: u32) -> Self {
        if parts > Self::ALWAYS.0 {
            Self::ALWAYS
        } else {
            Self(parts)
        }
    }

    /// So many times in a hundred; more than a hundred counts as always.
    #[must_use]
    pub const fn percent(percent: u32) -> Self {
        Self::per_million(percent.saturating_mul(10_000))
    }

    /// Parts per million.
    #[must_use]
    pub const fn parts(self) -> u32 {
        self.0
    }

    /// Whether it can happen.
    #[must_use]
    pub const fn is_possible(self) -> bool {
        self.0 > 0
    }
}

impl fmt::Display for Probability {
    /// In percent, without trailing zeros: `1%`, `0.25%`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.0 / 10_000, self.0 % 10_000);
        if rest == 0 {
            return write!(f, "{whole}%");
        }
        let digits = format!("{rest:04}");
        write!(f, "{whole}.{}%", digits.trim_end_matches('0'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_repeats_and_differs_from_its_neighbours() {
        let draw = |seed, stream| {
            let mut rng = Rng::new(seed, stream);
            [rng.next_u64(), rng.next_u64(), rng.next_u64()]
        };
        assert_eq!(draw(1, [2, 0]), draw(1, [2, 0]));
        assert_ne!(draw(1, [2, 0]), draw(1, [2, 1]));
        assert_ne!(draw(1, [2, 0]), draw(1, [0, 2]));
        assert_ne!(draw(1, [2, 0]), draw(2, [2, 0]));
    }

    #[test]
    fn below_stays_below_and_reaches_all() {
        let mut rng = Rng::new(7, [0, 0]);
        let mut seen = [0_u32; 6];
        for _ in 0..6_000 {
            let face = usize::try_from(rng.below(6)).unwrap();
            seen[face] += 1;
        }
        assert!(seen.iter().all(|&n| (850..1_150).contains(&n)), "{seen:?}");
        assert_eq!(rng.below(0), 0);
    }

    #[test]
    fn probabilities_hold() {
        let mut rng = Rng::new(7, [1, 1]);
        let mut count = |p: Probability| (0..100_000).filter(|_| rng.hits(p)).count();
        assert_eq!(count(Probability::NEVER), 0);
        assert_eq!(count(Probability::ALWAYS), 100_000);
        assert!((900..1_100).contains(&count(Probability::percent(1))));
    }

    #[test]
    fn probabilities_read_as_percent() {
        for (parts, text) in [
            (0, "0%"),
            (10_000, "1%"),
            (2_500, "0.25%"),
            (1_000_000, "100%"),
            (1, "0.0001%"),
        ] {
            assert_eq!(Probability::per_million(parts).to_string(), text);
        }
        assert_eq!(Probability::percent(700), Probability::ALWAYS);
    }
}
