//! How long a thread may run at a time: shortly under load, as usual while frames come one by one.
//!
//! A thread with short slices waits less for others who are busy too, so its queues overflow later. But it also breaks into
//! whoever wakes it, in the middle of his system call; what it wakes in turn then goes to another core, which costs more than
//! carrying the frame where that core sleeps. So slices are short under load only.

use std::io;
use std::time::Duration;

use crate::sys::slice;

/// How long there must have been no load for slices to be as usual again: pauses between bursts are shorter.
const CALM: Duration = Duration::from_millis(100);

/// The slices of one thread.
#[derive(Debug)]
pub(super) struct Slices {
    /// What the thread had.
    usual: Duration,
    /// When there was load last, if slices are short since.
    loaded: Option<Duration>,
}

impl Slices {
    /// Of the calling thread, as they are.
    ///
    /// # Errors
    /// A filter of system calls refuses to say or to change them.
    pub(super) fn new() -> io::Result<Self> {
        let usual = slice::current()?;
        slice::request(usual)?;
        Ok(Self {
            usual,
            loaded: None,
        })
    }

    /// There is load now, or not. One system call where that changes anything.
    pub(super) fn turn(&mut self, now: Duration, is_loaded: bool) {
        let before = self.loaded;
        if is_loaded {
            self.loaded = Some(now);
        } else if before.is_some_and(|at| now.saturating_sub(at) >= CALM) {
            self.loaded = None;
        }
        if self.loaded.is_some() != before.is_some() {
            self.change();
        }
    }

    #[cold]
    fn change(&self) {
        let length = match self.loaded {
            Some(_) => slice::SHORTEST,
            None => self.usual,
        };
        // It was permitted when the thread began; if it is no more, slices stay as they are.
        let _ = slice::request(length);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_are_short_from_the_first_load_until_it_is_calm() {
        let (usual, short) = (slice::current().unwrap(), slice::SHORTEST);
        assert!(usual > short, "{usual:?}");
        let mut slices = Slices::new().unwrap();
        let turns = [
            (0, false, usual),
            (1, true, short),
            (90, true, short),
            (91, false, short),
            (189, false, short),
            (190, false, usual),
            (191, false, usual),
            (192, true, short),
        ];
        for (at, is_loaded, expected) in turns {
            slices.turn(Duration::from_millis(at), is_loaded);
            assert_eq!(slice::current().unwrap(), expected, "at {at} ms");
        }
    }
}
