//! The way of an event from the loop to the control thread: numbered without gaps, never blocking.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::history::FIRST_SEQ;
use super::waker::Waker;
use crate::event::{Event, Record};
use crossbeam_channel::{Receiver, Sender};

/// Events on their way to the control thread. A burst beyond it is lost, and reported as lost: the filtering
/// database of a switch under a flood of new addresses must not wait for a reader. The channel has memory for those that
/// are in it: one with memory for all would touch 1.3 MiB before the first frame.
const EVENTS_IN_FLIGHT: usize = 16 * 1024;

/// Where the loop puts its events.
#[derive(Debug)]
pub struct EventSink {
    records: Sender<Record>,
    next: Arc<AtomicU64>,
    waker: Arc<Waker>,
    /// Whether something was published since the last [`flush`](Self::flush).
    unflushed: bool,
}

/// Where the control thread finds them.
#[derive(Debug)]
pub(super) struct EventSource {
    pub(super) records: Receiver<Record>,
    pub(super) next: Arc<AtomicU64>,
}

pub(super) fn channel(waker: Arc<Waker>) -> (EventSink, EventSource) {
    let (sender, receiver) = crossbeam_channel::unbounded();
    let next = Arc::new(AtomicU64::new(FIRST_SEQ));
    let sink = EventSink {
        records: sender,
        next: Arc::clone(&next),
        waker,
        unflushed: false,
    };
    let source = EventSource {
        records: receiver,
        next,
    };
    (sink, source)
}

impl EventSink {
    /// Numbers an event of `now` (CLOCK_MONOTONIC) and sends it off. Never blocks: a full channel loses the event, and readers
    /// are told.
    /// Call [`flush`](Self::flush) before sleeping.
    pub fn publish(&mut self, now: Duration, event: Event) {
        let seq = self.next.load(Ordering::Relaxed);
        // Nobody else sends, so that it is no fuller when the event goes in.
        if self.records.len() < EVENTS_IN_FLIGHT {
            let _lost_if_nobody_listens = self.records.send(Record {
                seq,
                time: now,
                event,
            });
        }
        // After the send: whoever sees `next` finds every record below it in the channel, or it is lost.
        self.next.store(seq + 1, Ordering::Release);
        self.unflushed = true;
    }

    /// Wakes the control thread if it sleeps and something was published: at most one system call a batch.
    pub fn flush(&mut self) {
        if self.unflushed {
            self.unflushed = false;
            self.waker.wake();
        }
    }
}
