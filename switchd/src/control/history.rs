//! The last events, with every gap on record. They become lines when somebody reads them: most never do.

use std::collections::VecDeque;

use bytes::Bytes;

use super::codec;
use crate::event::Record;

/// Events kept for readers that come late or read slowly: some 600 KiB.
pub(super) const EVENTS_KEPT: usize = 8192;

/// The number of the first event of a switch.
pub(super) const FIRST_SEQ: u64 = 0;

/// A ring of events in the order of their numbers. Numbers that are missing were lost on the way.
#[derive(Debug)]
pub(super) struct History {
    kept: VecDeque<Record>,
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
    pub(super) fn push(&mut self, record: Record) {
        if record.seq < self.next {
            return;
        }
        if self.kept.len() == EVENTS_KEPT {
            self.kept.pop_front();
        }
        self.next = record.seq + 1;
        self.kept.push_back(record);
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
        let index = self.kept.partition_point(|record| record.seq < wanted);
        Some(match self.kept.get(index) {
            Some(record) if record.seq == wanted => Piece::Event {
                line: codec::encode_event(record),
                next: record.seq + 1,
            },
            Some(record) => Piece::Lost { to: record.seq - 1 },
            None => Piece::Lost { to: self.next - 1 },
        })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::event::Event;
    use crate::frame::Cause;
    use etherparse::VlanId;
    use pnet_base::MacAddr;
    use std::time::Duration;

    pub(in crate::control) fn record(seq: u64) -> Record {
        Record {
            seq,
            time: Duration::from_nanos(seq),
            event: Event::CamLearn {
                vlan: VlanId::try_new(1).unwrap(),
                mac: MacAddr(2, 0, 0, 0, 0, 1),
                port: "p1".parse().unwrap(),
                cause: Cause::Other,
            },
        }
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
        history.push(record(0));
        history.push(record(3));
        history.happened_below(6);
        let event = |seq| Piece::Event {
            line: codec::encode_event(&record(seq)),
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
            history.push(record(seq));
        }
        let pieces = read_all(&history, FIRST_SEQ);
        assert_eq!(pieces[0], Piece::Lost { to: 4 });
        assert_eq!(pieces.len(), EVENTS_KEPT + 1);
    }
}
