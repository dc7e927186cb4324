//! Bounded waits for what the kernel and other processes do in their own time.

use std::fmt::Debug;
use std::time::{Duration, Instant};

/// How often a condition is looked at.
const POLL: Duration = Duration::from_millis(20);

/// Waits until `look` returns `expected`; says what was seen last if it does not within `limit`.
///
/// # Panics
/// After `limit`.
#[track_caller]
pub fn wait_for_eq<T: PartialEq + Debug>(
    what: &str,
    limit: Duration,
    expected: &T,
    mut look: impl FnMut() -> T,
) {
    let until = Instant::now() + limit;
    loop {
        let seen = look();
        if seen == *expected {
            return;
        }
        assert!(
            Instant::now() < until,
            "{what}: after {limit:?}\n  expected {expected:?}\n  seen     {seen:?}"
        );
        std::thread::sleep(POLL);
    }
}

/// Waits until `look` returns something.
///
/// # Panics
/// After `limit`.
#[track_caller]
pub fn wait_for<T>(what: &str, limit: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + limit;
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(Instant::now() < until, "{what}: not within {limit:?}");
        std::thread::sleep(POLL);
    }
}
