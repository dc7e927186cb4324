//! How many frames are asked of a port in one turn, and of what length they are likely to be.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::batch::{BATCH_MAX, Batch};

/// Octets of a turn, about: super-frames have a thousand times the octets of others, and other ports wait meanwhile.
/// What is read of 1 MiB stays in the cache until it is written. Measured against 128 KiB, a gigabyte of TCP takes an
/// eighth less processor time on taps and on packet ports.
pub(super) const OCTETS: usize = 1 << 20;

/// As many as the turn before had, and twice as many where all came: to ask for what is not there costs as much as a
/// tenth of a frame, which a single frame's way there and back feels; a turn too short costs one more wait.
#[derive(Debug)]
pub(super) struct Turn {
    asked: AtomicUsize,
    is_short: AtomicBool,
}

/// Octets of a short frame, at most, on the average of a turn.
const SHORT: usize = 1024;

impl Turn {
    pub(super) fn new() -> Self {
        Self {
            asked: AtomicUsize::new(1),
            is_short: AtomicBool::new(true),
        }
    }

    /// Frames to ask for.
    pub(super) fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    /// Whether frames were short the last time.
    pub(super) fn is_short(&self) -> bool {
        self.is_short.load(Ordering::Relaxed)
    }

    /// The turn is over, and these came.
    pub(super) fn over(&self, batch: &Batch) {
        let (frames, octets) = (batch.len(), batch.octets());
        let asked = next(self.asked(), frames, octets);
        self.asked.store(asked, Ordering::Relaxed);
        self.is_short
            .store(octets <= frames * SHORT, Ordering::Relaxed);
    }
}

/// How many frames to ask for after `asked` brought so many with so many octets.
fn next(asked: usize, frames: usize, octets: usize) -> usize {
    let wanted = if frames == asked { 2 * asked } else { frames };
    let fitting = (OCTETS * frames).checked_div(octets).unwrap_or(BATCH_MAX);
    wanted.min(fitting).clamp(1, BATCH_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: usize = 60;
    const SUPER: usize = 65_226;

    #[test]
    fn a_busy_port_has_longer_turns_until_the_batch_is_full() {
        let mut asked = 1;
        for _ in 0..10 {
            asked = next(asked, asked, asked * SMALL);
        }
        assert_eq!(asked, BATCH_MAX);
        assert_eq!(next(asked, 10, 10 * SMALL), 10);
        assert_eq!(next(asked, 0, 0), 1);
    }

    #[test]
    fn super_frames_come_few_at_a_time_and_small_ones_many_again() {
        let few = next(BATCH_MAX, BATCH_MAX, BATCH_MAX * SUPER);
        assert_eq!(few, OCTETS / SUPER);
        assert_eq!(next(few, few, few * SUPER), few);
        assert_eq!(next(few, few, few * SMALL), 2 * few);
        assert_eq!(next(1, 1, usize::MAX / 2), 1);
    }
}
