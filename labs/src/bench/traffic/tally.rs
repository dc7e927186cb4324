//! What a sink has seen of a stream.

use hdrhistogram::Histogram;

use super::Header;

/// Sequence numbers that are told apart, at most: a duplicate further behind counts as late only.
const WINDOW: u64 = 1 << 20;
/// Latencies are kept up to this, in nanoseconds; longer ones count as this.
const LATENCY_MAX: u64 = 100_000_000_000;

/// What arrived of a stream, by its sequence numbers.
#[derive(Clone, Debug)]
pub struct Tally {
    /// Frames, duplicates included.
    pub received: u64,
    /// Frames that were there already.
    pub duplicates: u64,
    /// Frames that came behind one with a greater number (reordered in the sense of RFC 4737, 3.3).
    pub reordered: u64,
    /// Nanoseconds from making to reading.
    pub latency: Histogram<u64>,
    next: u64,
    seen: Vec<u64>,
}

impl Default for Tally {
    fn default() -> Self {
        Self::new()
    }
}

impl Tally {
    /// Nothing yet.
    ///
    /// # Panics
    /// Never: the bounds of the histogram are legal.
    #[must_use]
    pub fn new() -> Self {
        let words = usize::try_from(WINDOW / 64).expect("a small number");
        Self {
            received: 0,
            duplicates: 0,
            reordered: 0,
            latency: Histogram::new_with_bounds(1, LATENCY_MAX, 3).expect("legal bounds"),
            next: 0,
            seen: vec![0; words],
        }
    }

    /// Different frames.
    #[must_use]
    pub fn distinct(&self) -> u64 {
        self.received - self.duplicates
    }

    /// Takes a frame that arrived at `now`.
    pub fn take(&mut self, header: &Header, now: u64) {
        self.received += 1;
        self.latency
            .saturating_record(now.saturating_sub(header.time).max(1));
        let sequence = header.sequence;
        if sequence >= self.next {
            self.forget(self.next, sequence);
            self.next = sequence + 1;
        } else if self.next - sequence > WINDOW {
            self.reordered += 1;
            return;
        } else if self.has(sequence) {
            self.duplicates += 1;
            return;
        } else {
            self.reordered += 1;
        }
        let (word, bit) = place(sequence);
        self.seen[word] |= bit;
    }

    /// Latency at a percentile, in microseconds; 0 if nothing came.
    #[must_use]
    pub fn latency_us(&self, percentile: f64) -> f64 {
        self.latency.value_at_percentile(percentile) as f64 / 1000.0
    }

    fn has(&self, sequence: u64) -> bool {
        let (word, bit) = place(sequence);
        self.seen[word] & bit != 0
    }

    /// The window moves on: places from `from` up to and including `to` are for new numbers.
    fn forget(&mut self, from: u64, to: u64) {
        if to - from >= WINDOW {
            self.seen.fill(0);
            return;
        }
        for sequence in from..=to {
            let (word, bit) = place(sequence);
            self.seen[word] &= !bit;
        }
    }
}

fn place(sequence: u64) -> (usize, u64) {
    let index = sequence % WINDOW;
    let word = usize::try_from(index / 64).unwrap_or(0);
    (word, 1 << (index % 64))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(sequences: &[u64]) -> Tally {
        let mut tally = Tally::new();
        for &sequence in sequences {
            let header = Header {
                stream: 1,
                sequence,
                time: 1_000,
            };
            tally.take(&header, 3_000);
        }
        tally
    }

    fn counts(sequences: &[u64]) -> (u64, u64, u64) {
        let tally = tally(sequences);
        (tally.distinct(), tally.duplicates, tally.reordered)
    }

    #[test]
    fn losses_duplicates_and_late_frames_are_told_apart() {
        assert_eq!(counts(&[0, 1, 2, 3]), (4, 0, 0));
        assert_eq!(counts(&[0, 2, 3]), (3, 0, 0));
        assert_eq!(counts(&[0, 1, 1, 2, 0]), (3, 2, 0));
        assert_eq!(counts(&[0, 2, 1, 3, 1]), (4, 1, 1));
    }

    #[test]
    fn old_places_of_the_window_are_used_again() {
        let far = 3 * WINDOW;
        assert_eq!(counts(&[5, 5 + WINDOW, 5 + WINDOW]), (2, 1, 0));
        assert_eq!(counts(&[5, far + 5, far + 4, far + 5]), (3, 1, 1));
        assert_eq!(counts(&[far, 1]), (2, 0, 1));
    }

    #[test]
    fn latency_is_from_making_to_reading() {
        let tally = tally(&[0, 1]);
        assert!((tally.latency_us(50.0) - 2.0).abs() < 0.01);
        let mut late = Tally::new();
        let header = Header {
            stream: 1,
            sequence: 0,
            time: 10,
        };
        late.take(&header, 5);
        late.take(&header, u64::MAX);
        assert_eq!(late.latency.len(), 2);
    }
}
