//! Path cost from link speed.

use stp::{CostMethod, PathCost};

use crate::sys::ethtool::Speed;

/// What an interface of unknown speed is taken for: virtual ones are as fast as this machine.
const MEGABITS_DEFAULT: u32 = 10_000;

/// The cost of a link of `speed`, the short value of 802.1D-1998 Table 8-5, and whether it is point-to-point:
/// half duplex is a shared segment.
pub(crate) fn path_cost(speed: Speed) -> (PathCost, bool) {
    let megabits = u64::from(speed.megabits.unwrap_or(MEGABITS_DEFAULT));
    let cost = PathCost::for_speed(megabits, CostMethod::Short);
    (cost, speed.full_duplex.unwrap_or(true))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_speed_costs_what_ten_gigabits_cost() {
        let cost = |megabits| {
            let speed = Speed {
                megabits,
                full_duplex: None,
            };
            path_cost(speed).0.get()
        };
        assert_eq!(cost(None), 2);
        assert_eq!(cost(Some(10_000)), 2);
        assert_eq!(cost(Some(1_000)), 4);
        assert_eq!(cost(Some(10)), 100);
    }

    #[test]
    fn only_half_duplex_is_shared() {
        for (full_duplex, point_to_point) in
            [(None, true), (Some(true), true), (Some(false), false)]
        {
            let speed = Speed {
                megabits: None,
                full_duplex,
            };
            assert_eq!(path_cost(speed).1, point_to_point);
        }
    }
}
