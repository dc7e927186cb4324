//! The way of an event from the loop to the control thread: numbered without gaps, never waiting for a reader.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::history::FIRST_SEQ;
use super::waker::Waker;
use crate::event::{Event, Record};

/// Events on their way to the control thread. A burst beyond it is lost, and reported as lost: the filtering
/// database of a switch under a flood of new addresses must not wait for a reader.
const EVENTS_IN_FLIGHT: usize = 16 * 1024;

/// Where the loop puts its events.
#[derive(Debug)]
pub struct EventSink {
    /// Published and not yet on their way.
    pending: Vec<Record>,
    next: u64,
    mailbox: Arc<Mailbox>,
    waker: Arc<Waker>,
}

/// Where the control thread finds them.
#[derive(Debug)]
pub(super) struct EventSource {
    /// Memory to exchange for what is in the mailbox.
    taken: Vec<Record>,
    mailbox: Arc<Mailbox>,
}

/// Events on their way. It is held for as long as a batch is put in, or taken out as a whole. Memory for all of them is
/// there from the beginning, so that none is allocated for a frame, and untouched until it is used: a channel would
/// write to all 1.3 MiB of it before the first frame.
type Mailbox = Mutex<Mail>;

#[derive(Debug)]
struct Mail {
    records: Vec<Record>,
    /// The number of the next event to happen: those below are in here, were taken out, or are lost.
    next: u64,
}

pub(super) fn channel(waker: Arc<Waker>) -> (EventSink, EventSource) {
    let memory = || Vec::with_capacity(EVENTS_IN_FLIGHT);
    let mailbox = Arc::new(Mutex::new(Mail {
        records: memory(),
        next: FIRST_SEQ,
    }));
    let sink = EventSink {
        pending: memory(),
        next: FIRST_SEQ,
        mailbox: Arc::clone(&mailbox),
        waker,
    };
    let source = EventSource {
        taken: memory(),
        mailbox,
    };
    (sink, source)
}

impl EventSink {
    /// Numbers an event of `now` (CLOCK_MONOTONIC), to be sent off with the next [`flush`](Self::flush). Never blocks: where
    /// too many are on their way the event is lost, and readers are told.
    pub fn publish(&mut self, now: Duration, event: Event) {
        if self.pending.len() < EVENTS_IN_FLIGHT {
            self.pending.push(Record {
                seq: self.next,
                time: now,
                event,
            });
        }
        self.next += 1;
    }

    /// Sends off what was published, and wakes the control thread if it sleeps: at most one system call a batch. To be called
    /// before sleeping.
    pub fn flush(&mut self) {
        let mut mail = open(&self.mailbox);
        if mail.next == self.next {
            return;
        }
        let room = EVENTS_IN_FLIGHT - mail.records.len();
        mail.records.extend(self.pending.drain(..).take(room));
        mail.next = self.next;
        drop(mail);
        self.waker.wake();
    }
}

impl EventSource {
    /// Whether nothing has happened since the last [`take`](Self::take).
    pub(super) fn is_empty(&self) -> bool {
        open(&self.mailbox).records.is_empty()
    }

    /// What has happened, oldest first, and the number of the next event to happen: those below it that are missing are
    /// lost.
    pub(super) fn take(&mut self) -> (impl Iterator<Item = Record> + '_, u64) {
        let mut mail = open(&self.mailbox);
        std::mem::swap(&mut mail.records, &mut self.taken);
        let next = mail.next;
        drop(mail);
        (self.taken.drain(..), next)
    }
}

/// Nothing of a panic is left in it: each change is one call.
fn open(mailbox: &Mailbox) -> MutexGuard<'_, Mail> {
    mailbox.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::history::tests::record;

    fn publish(sink: &mut EventSink) {
        sink.publish(Duration::ZERO, record(0).event);
    }

    fn taken(source: &mut EventSource) -> (Vec<u64>, u64) {
        let (records, next) = source.take();
        (records.map(|record| record.seq).collect(), next)
    }

    #[test]
    fn events_arrive_in_order_with_those_lost_left_out() {
        let waker = Arc::new(Waker::new().unwrap());
        let (mut sink, mut source) = channel(waker);
        publish(&mut sink);
        assert!(source.is_empty(), "what was published is still here");
        sink.flush();
        assert!(!source.is_empty());
        let many = u64::try_from(EVENTS_IN_FLIGHT).unwrap() + 3;
        for _ in 1..many {
            publish(&mut sink);
            sink.flush();
        }
        let (numbers, next) = taken(&mut source);
        assert_eq!(numbers, (0..many - 3).collect::<Vec<_>>());
        assert_eq!(next, many, "three are lost, and known to be");
        publish(&mut sink);
        sink.flush();
        assert_eq!(taken(&mut source), (vec![many], many + 1));
        assert_eq!(taken(&mut source), (vec![], many + 1));
    }
}
