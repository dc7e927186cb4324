//! What spanning tree promises for a scenario, and how long it may take: the arithmetic.
//!
//! Let n be the number of bridges, d the longest time a frame is ever under way on a wire, A, H and F the max age, hello
//! time and forward delay that some bridge is ever set to. Any bridge may become the root, so any of them may be in
//! force anywhere.
//!
//! # No loop, ever
//!
//! A port that closes a circle has been listening and learning for 2 F. The circle stays closed only if some bridge on
//! it still holds word of what is no more, and so does not block. Such word is A old at most, plus the n d that wires
//! hide from its age. What replaces it needs, bridge by bridge, 1 s for the hold timer (8.5.3.14) and d; and bridges
//! further from the dead root give it up earlier, by the 1 s that each bridge on the way overstates its age (8.10.1).
//! So no circle can close if for all of them
//!
//! ```text
//! 2 F >= A + n (1 s + d) + n d
//! ```
//!
//! and no frame is lost in silence. It is the standard's own derivation of the forward delay (802.1D-1998 Annex B.3),
//! for n bridges in a line instead of seven, with no BPDU lost and frames that live for n d.
//!
//! # Rest
//!
//! After the last fault, word of what is no more dies within A + n d. The right root says what it is within H, and that
//! reaches everyone within n (1 s + d). The last port then becomes root or designated port, and forwards 2 F later:
//!
//! ```text
//! A + n d + H + n (1 s + d) + 2 F
//! ```
//!
//! with H and F of the root itself and the greatest A. But word must not die on its way: at the end of a line it is
//! 2 (n - 1) s old, 1 s for each bridge and 1 s for its hold timer, waits H for the next, and that one may be held up
//! where this was not. So each root needs
//!
//! ```text
//! A >= 2 (n - 1) s + H + 1 s + n d
//! ```
//!
//! # No stale address
//!
//! Whatever port began to forward last has told the root within n d and 1 s, by notifications that are passed on at
//! once; the root tells all within H + n (1 s + d), and goes on telling for A + F; entries older than F are then gone.
//! Root and bridges may have to repeat a notification once if a port was not yet ready to take it: another H.

use core::time::Duration;

use super::{Fault, Scenario, Times};

/// The hold time, which is also the most that a bridge adds to the age of what it relays.
const SECOND: Duration = Duration::from_secs(1);

/// The numbers above.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Regime {
    /// How many bridges there are.
    pub bridges: u32,
    /// The longest time a frame is ever under way on a wire.
    pub delay: Duration,
    /// The greatest max age.
    pub max_age: Duration,
    /// The greatest hello time.
    pub hello_time: Duration,
    /// The least forward delay.
    pub forward_delay: Duration,
    /// Whether every bridge's word, as the root, reaches everyone.
    pub reaches: bool,
    /// Whether frames are lost in silence.
    pub loses: bool,
}

impl Regime {
    /// The numbers of this scenario.
    #[must_use]
    pub fn of(scenario: &Scenario) -> Self {
        let changed = scenario.steps.iter().filter_map(|step| {
            let Fault::Times(_, times) = step.fault else {
                return None;
            };
            Some(times)
        });
        let times: Vec<Times> = scenario
            .bridges
            .iter()
            .map(|bridge| bridge.times)
            .chain(changed)
            .collect();
        let delays = scenario.steps.iter().filter_map(|step| {
            let Fault::Delay(_, delay) = step.fault else {
                return None;
            };
            Some(delay)
        });
        let delay = scenario
            .wires
            .iter()
            .map(|wire| wire.delay_us)
            .chain(delays);
        let bridges = u32::try_from(scenario.bridges.len()).unwrap_or(u32::MAX);
        let delay = Duration::from_micros(delay.max().unwrap_or_default().into());
        Self {
            bridges,
            delay,
            max_age: times.iter().map(|t| t.max_age()).max().unwrap_or_default(),
            hello_time: times
                .iter()
                .map(|t| t.hello_time())
                .max()
                .unwrap_or_default(),
            forward_delay: times
                .iter()
                .map(|t| t.forward_delay())
                .min()
                .unwrap_or_default(),
            reaches: times
                .iter()
                .all(|times| times.max_age() >= least_max_age(bridges, times.hello_time(), delay)),
            loses: scenario.loses(),
        }
    }

    /// Whether no loop may ever be.
    #[must_use]
    pub fn is_safe(&self) -> bool {
        !self.loses && self.holds()
    }

    /// Whether forward delays are long enough for the network.
    #[must_use]
    pub fn holds(&self) -> bool {
        2 * self.forward_delay >= self.stale() + self.spread()
    }

    /// How long word of what is no more may live.
    fn stale(&self) -> Duration {
        self.max_age + self.bridges * self.delay
    }

    /// How long word needs from one end to the other.
    fn spread(&self) -> Duration {
        self.bridges * (SECOND + self.delay)
    }

    /// How long after the last fault the tree is final, under a root with these times.
    #[must_use]
    pub fn settled_after(&self, root: Times) -> Duration {
        self.stale() + root.hello_time() + self.spread() + 2 * root.forward_delay()
    }

    /// How long after that no address is stale.
    #[must_use]
    pub fn learned_after(&self, root: Times) -> Duration {
        let told = self.bridges * self.delay + SECOND + self.hello_time;
        told + root.hello_time() + self.spread() + root.forward_delay()
    }
}

/// The least max age by which a root's word reaches everyone.
#[must_use]
pub fn least_max_age(bridges: u32, hello_time: Duration, delay: Duration) -> Duration {
    2 * bridges.saturating_sub(1) * SECOND + hello_time + SECOND + bridges * delay
}
