//! What a LAN costs a path (802.1D-1998 8.5.5.3 and Table 8-5, 802.1D-2004 17.14 and Table 17-3).

use core::fmt;

/// A port's path cost: 1..=200 000 000 (802.1D-2004 Table 17-3; 802.1D-1998 ends at 65535).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PathCost(u32);

/// Which table turns a speed into a cost. All bridges of a network must use the same one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum CostMethod {
    /// 16-bit values of 802.1D-1998 Table 8-5: 1 Gb/s is 4.
    #[default]
    Short,
    /// 32-bit values of 802.1D-2004 Table 17-3: 1 Gb/s is 20 000.
    Long,
}

impl PathCost {
    /// The lowest cost, 1.
    pub const MIN: Self = Self(1);
    /// The highest cost, 200 000 000.
    pub const MAX: Self = Self(200_000_000);

    /// `cost` as a path cost; `None` outside 1..=200 000 000.
    #[must_use]
    pub const fn new(cost: u32) -> Option<Self> {
        match cost {
            1..=200_000_000 => Some(Self(cost)),
            0 | 200_000_001..=u32::MAX => None,
        }
    }

    /// The cost, 1..=200 000 000.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }

    /// The recommended cost of a LAN of `megabits_per_second`.
    ///
    /// Short: the value of the fastest speed in the table that the LAN reaches (below 4 Mb/s: 250). Long: the formula
    /// of 802.1D-2004 17.14, 20 000 000 divided by the speed in Mb/s, held within 1..=200 000 000. A speed of 0
    /// means unknown and costs what 10 Mb/s costs.
    #[must_use]
    pub fn for_speed(megabits_per_second: u64, method: CostMethod) -> Self {
        let speed = match megabits_per_second {
            0 => 10,
            known => known,
        };
        match method {
            CostMethod::Short => Self(match speed {
                10_000.. => 2,
                1_000..=9_999 => 4,
                100..=999 => 19,
                16..=99 => 62,
                10..=15 => 100,
                0..=9 => 250,
            }),
            CostMethod::Long => {
                let cost = u32::try_from(20_000_000 / speed).unwrap_or(Self::MAX.0);
                Self(cost.clamp(Self::MIN.0, Self::MAX.0))
            }
        }
    }
}

impl fmt::Display for PathCost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn range_ends_where_the_table_says() {
        assert_eq!(PathCost::new(0), None);
        assert_eq!(PathCost::new(1), Some(PathCost::MIN));
        assert_eq!(PathCost::new(200_000_000), Some(PathCost::MAX));
        assert_eq!(PathCost::new(200_000_001), None);
    }

    #[test]
    fn both_tables() {
        for (speed, short, long) in [
            (1, 250, 20_000_000),
            (4, 250, 5_000_000),
            (10, 100, 2_000_000),
            (16, 62, 1_250_000),
            (100, 19, 200_000),
            (1_000, 4, 20_000),
            (10_000, 2, 2_000),
            (100_000, 2, 200),
            (1_000_000, 2, 20),
            (10_000_000, 2, 2),
            (u64::MAX, 2, 1),
            (0, 100, 2_000_000),
        ] {
            let cost = |method| PathCost::for_speed(speed, method).get();
            assert_eq!(
                (cost(CostMethod::Short), cost(CostMethod::Long)),
                (short, long),
                "{speed} Mb/s"
            );
        }
    }
}
