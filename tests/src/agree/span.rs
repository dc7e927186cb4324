//! How long the tree took, and how far two clocks may be apart.
//!
//! # What is measured
//!
//! The time stamps of the switches' own event streams: `CLOCK_MONOTONIC` in the daemons, the world's clock in the
//! simulator. A tree *moves* from
//!
//! * at the start: the last port's carrier (in the simulator all have it at zero),
//! * after a disturbance: the first event of a link, a role, a state or a root,
//!
//! to the last change of a role, a state or a root. A kernel bridge has no such stream; where one takes part, the switch
//! it replaces is left out on both sides.
//!
//! # How far apart they may be
//!
//! The simulator starts all switches at one instant and loses no time; its hellos of different switches fall on the same
//! instants for ever. In reality:
//!
//! | what | how much | why |
//! |---|---|---|
//! | skew | measured | at the start: between the first and the last port's carrier. A tree may have stood before the last edge port came |
//! | hello phase | 1 × hello | a disturbance meets the root's hellos anywhere between two; what was heard is up to one hello old, and ages from there |
//! | hold | (depth + 1) × 1 s | news may wait for the hold timer (802.1D-1998 8.5.6.3, fixed 1 s) at every switch on its way from the root to the farthest, and once more at the neighbour that answers it; or at none, if nothing was sent just before. With hellos as frequent as that every hello may wait so, and be the older when it ages |
//! | lateness | (3 + depth + 1) × 0.25 s | a timer goes off when the process gets the processor: one message age, two forward delays, and the holds follow each other. A quarter of a second each, for two processors and dozens of processes |
//!
//! Hold and hello phase work in either direction, so the sum bounds the difference, not its sign.

use std::time::Duration;

use switchd::event::Event;

/// The fixed hold time of 802.1D-1998 Table 8-3.
const HOLD: Duration = Duration::from_secs(1);
/// How late a process may come to its timer.
const LATE: Duration = Duration::from_millis(250);
/// Message age, listening, learning.
const TIMERS: u32 = 3;

/// When a tree moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// From where it is counted to the last change.
    pub took: Duration,
    /// At the start: between the first carrier and the last. Else zero.
    pub skew: Duration,
}

/// An event and its time.
pub type Timed = (Duration, Event);

/// Whether the tree has changed by this.
#[must_use]
pub fn is_change(event: &Event) -> bool {
    matches!(
        event,
        Event::StpRole { .. } | Event::StpState { .. } | Event::StpRoot { .. }
    )
}

/// The span from the start.
#[must_use]
pub fn from_start(events: &[Timed]) -> Option<Span> {
    let carriers = || {
        let up =
            |(time, event): &Timed| matches!(event, Event::Link { up: true, .. }).then_some(*time);
        events.iter().filter_map(up)
    };
    let (first, last) = (carriers().min()?, carriers().max()?);
    Some(Span {
        took: last_change(events)?.saturating_sub(last),
        skew: last - first,
    })
}

/// The span from the beginning of a world, in which every port has carrier from the first instant. What happens in that
/// instant is over before anybody watches.
#[must_use]
pub fn from_zero(events: &[Timed]) -> Span {
    Span {
        took: last_change(events).unwrap_or_default(),
        skew: Duration::ZERO,
    }
}

/// The span from a disturbance: `events` are what came after it.
#[must_use]
pub fn from_disturbance(events: &[Timed]) -> Option<Span> {
    let touched = |(_, event): &&Timed| is_change(event) || matches!(event, Event::Link { .. });
    let first = events.iter().filter(touched).map(|(time, _)| *time).min()?;
    Some(Span {
        took: last_change(events)? - first,
        skew: Duration::ZERO,
    })
}

fn last_change(events: &[Timed]) -> Option<Duration> {
    let changes = events.iter().filter(|(_, event)| is_change(event));
    changes.map(|(time, _)| *time).max()
}

/// How far a real span may be from the simulated one, in a tree that is, or was before, `depth` switches deep: see
/// the module.
#[must_use]
pub fn tolerance(real: Span, hello: Duration, depth: u32) -> Duration {
    let holds = depth + 1;
    real.skew + hello + HOLD * holds + LATE * (TIMERS + holds)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64, event: Event) -> Timed {
        (Duration::from_millis(ms), event)
    }

    fn link(up: bool) -> Event {
        let port = "p1".parse().expect("a name");
        Event::Link { port, up }
    }

    fn state() -> Event {
        Event::StpState {
            tree: 0,
            port: "p1".parse().expect("a name"),
            from: stp::PortState::Learning,
            to: stp::PortState::Forwarding,
        }
    }

    #[test]
    fn a_start_counts_from_the_last_carrier_and_a_disturbance_from_its_first_sign() {
        let events = [
            at(100, link(true)),
            at(400, link(true)),
            at(8_150, state()),
            at(8_400, state()),
        ];
        let span = from_start(&events).expect("it moved");
        let expected = Span {
            took: Duration::from_secs(8),
            skew: Duration::from_millis(300),
        };
        assert_eq!(span, expected);
        let events = [at(20_000, link(false)), at(28_000, state())];
        let span = from_disturbance(&events).expect("it moved");
        assert_eq!(span.took, Duration::from_secs(8));
        assert_eq!(from_disturbance(&[at(20_000, link(false))]), None);
        assert_eq!(from_zero(&events).took, Duration::from_secs(28));
        assert_eq!(from_zero(&[]).took, Duration::ZERO);
    }

    #[test]
    fn a_tree_two_switches_deep_may_differ_by_five_and_a_half_seconds() {
        let span = Span {
            took: Duration::ZERO,
            skew: Duration::ZERO,
        };
        let expected = Duration::from_millis(1_000 + 3 * 1_000 + 6 * 250);
        assert_eq!(tolerance(span, Duration::from_secs(1), 2), expected);
    }
}
