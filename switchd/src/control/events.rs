//! The way of an event from the loop to the control thread: numbered without gaps, never blocking.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam_channel::{Receiver, Sender};
use serde::Serialize;

use super::history::FIRST_SEQ;
use super::waker::Waker;

/// Events on their way to the control thread. A burst beyond it is lost, and reported as lost: the filtering
/// database of a switch under a flood of new addresses must not wait for a reader.
const EVENTS_IN_FLIGHT: usize = 16 * 1024;

/// An event with its number and time, as readers see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Record<E> {
    /// Counts all events of this switch, from 1, without gaps.
    pub seq: u64,
    /// CLOCK_MONOTONIC, in nanoseconds: comparable between processes of one machine.
    pub time_ns: u64,
    /// What happened.
    #[serde(flatten)]
    pub event: E,
}

/// Where the loop puts its events.
#[derive(Debug)]
pub struct EventSink<E> {
    records: Sender<Record<E>>,
    next: Arc<AtomicU64>,
    waker: Arc<Waker>,
    /// Whether something was published since the last [`flush`](Self::flush).
    unflushed: bool,
}

/// Where the control thread finds them.
#[derive(Debug)]
pub(super) struct EventSource<E> {
    pub(super) records: Receiver<Record<E>>,
    pub(super) next: Arc<AtomicU64>,
}

pub(super) fn channel<E>(waker: Arc<Waker>) -> (EventSink<E>, EventSource<E>) {
    let (sender, receiver) = crossbeam_channel::bounded(EVENTS_IN_FLIGHT);
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

impl<E> EventSink<E> {
    /// Numbers an event and sends it off. Never blocks: a full channel loses the event, and readers are told.
    /// Call [`flush`](Self::flush) before sleeping.
    pub fn publish(&mut self, time_ns: u64, event: E) {
        let seq = self.next.load(Ordering::Relaxed);
        let _lost_if_full = self.records.try_send(Record {
            seq,
            time_ns,
            event,
        });
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
