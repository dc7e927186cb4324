//! The last events, as the lines readers get, with every gap on record.

use std::collections::VecDeque;

use bytes::Bytes;

/// Events kept for readers that come late or read slowly: some 2 MiB at 250 octets each.
pub(super) const EVENTS_KEPT: usize = 8192;

/// The number of the first event of a switch.
pub(super) const FIRST_SEQ: u64 = 0;

/// A ring of encoded events in the order of their numbers. Numbers that are missing were lost on the way.
#[derive(Debug)]
pub(super) struct History {
    kept: VecDeque<(u64, Bytes)>,
    next: u64,
}

/// What a reader who wants number `n` gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    /// The event, and the number to ask for next.
    Event { line: Bytes, next: u64 },
    /// All numbers up to `to` are gone.
    Lost { to: u64 },
}

impl History {
    pub(super) const fn new() -> Self {
        Self {
            kept: VecDeque::new(),
            next: FIRST_SEQ,
        }
    }

    /// The number of the next event to happen.
    pub(super) const fn next(&self) -> u64 {
        self.next
    }

    /// Takes in an event; the oldest goes when the ring is full. An event older than the last is ignored.
    pub(super) fn push(&mut self, seq: u64, line: Bytes) {
        if seq < self.next {
            return;
        }
        if self.kept.len() == EVENTS_KEPT {
            self.kept.pop_front();
        }
        self.kept.push_back((seq, line));
        self.next = seq + 1;
    }

    /// Events below `next` have happened; those that did not arrive by now are lost.
    pub(super) fn happened_below(&mut self, next: u64) {
        self.next = self.next.max(next);
    }

    /// What a reader gets who has seen everything below `wanted`; `None` when there is nothing yet.
    pub(super) fn read(&self, wanted: u64) -> Option<Piece> {
        if wanted >= self.next {
            return None;
        }
        let index = self.kept.partition_point(|&(seq, _)| seq < wanted);
        Some(match self.kept.get(index) {
            Some((seq, line)) if *seq == wanted => Piece::Event {
                line: line.clone(),
                next: seq + 1,
            },
            Some((seq, _)) => Piece::Lost { to: seq - 1 },
            None => Piece::Lost { to: self.next - 1 },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(seq: u64) -> Bytes {
        Bytes::from(seq.to_string())
    }

    fn read_all(history: &History, mut wanted: u64) -> Vec<Piece> {
        let mut pieces = Vec::new();
        while let Some(piece) = history.read(wanted) {
            wanted = match &piece {
                Piece::Event { next, .. } => *next,
                Piece::Lost { to } => to + 1,
            };
            pieces.push(piece);
        }
        pieces
    }

    #[test]
    fn every_number_is_an_event_or_lost() {
        let mut history = History::new();
        history.push(0, line(0));
        history.push(3, line(3));
        history.happened_below(6);
        let event = |seq| Piece::Event {
            line: line(seq),
            next: seq + 1,
        };
        assert_eq!(
            read_all(&history, 0),
            [
                event(0),
                Piece::Lost { to: 2 },
                event(3),
                Piece::Lost { to: 5 }
            ]
        );
        assert_eq!(history.next(), 6);
        assert_eq!(history.read(6), None);
    }

    #[test]
    fn a_full_ring_forgets_the_oldest() {
        let mut history = History::new();
        for seq in 0..u64::try_from(EVENTS_KEPT).unwrap() + 5 {
            history.push(seq, line(seq));
        }
        let pieces = read_all(&history, FIRST_SEQ);
        assert_eq!(pieces[0], Piece::Lost { to: 4 });
        assert_eq!(pieces.len(), EVENTS_KEPT + 1);
    }
}
