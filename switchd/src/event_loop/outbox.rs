//! What the core decided, on its way out: queues of one batch, flushed after it.

use std::time::Duration;

use stp::PortNumber;

use crate::control::EventSink;
use crate::event::Event;
use crate::port::batch::BATCH_MAX;
use crate::port::{Leaving, Outgoing};
use crate::ports::Ports;
use crate::portset::PORTS_MAX;
use crate::tag::Relayed;

/// The effects of one batch. Queues keep their memory: after the first frames nothing is allocated.
pub(crate) struct Outbox {
    /// The frame of the batch that the core is looking at.
    frame: usize,
    queues: Vec<Vec<Outgoing>>,
    /// Ports whose queue is not empty, in the order it got its first frame.
    touched: Vec<PortNumber>,
    /// The switch's own frames, one behind the other, and whose and how long they are.
    own: Vec<u8>,
    own_frames: Vec<(PortNumber, usize)>,
    now: Duration,
    events: Option<EventSink>,
}

impl Outbox {
    /// Wakes whoever reads the events, if there were any.
    pub(crate) fn flush_events(&mut self) {
        if let Some(events) = &mut self.events {
            events.flush();
        }
    }

    pub(crate) fn new(events: Option<EventSink>) -> Self {
        Self {
            frame: 0,
            queues: vec![Vec::new(); PORTS_MAX],
            touched: Vec::with_capacity(PORTS_MAX),
            own: Vec::new(),
            own_frames: Vec::new(),
            now: Duration::ZERO,
            events,
        }
    }

    /// The time that events are stamped with.
    pub(crate) fn set_now(&mut self, now: Duration) {
        self.now = now;
    }

    /// The time that was set last.
    pub(crate) fn now(&self) -> Duration {
        self.now
    }

    /// The core is about to look at frame `frame` of the batch.
    pub(crate) fn set_frame(&mut self, frame: usize) {
        self.frame = frame;
    }

    /// What leaves by each port, in the order it is to be sent.
    pub(crate) fn leaving(&self) -> impl Iterator<Item = (PortNumber, Leaving<'_>)> {
        let relayed = self.touched.iter().map(|&port| {
            let queue = &self.queues[usize::from(port.get())];
            (port, Leaving::Relayed(queue))
        });
        let mut rest = self.own.as_slice();
        let own = self.own_frames.iter().map(move |&(port, len)| {
            let (frame, behind) = rest.split_at(len);
            rest = behind;
            (port, Leaving::Own(frame))
        });
        // The switch's own go first: BPDUs do not wait behind a batch.
        own.chain(relayed)
    }

    /// Forgets what was sent; tells whoever reads the events, if there were any.
    pub(crate) fn clear(&mut self) {
        for port in self.touched.drain(..) {
            self.queues[usize::from(port.get())].clear();
        }
        self.own_frames.clear();
        self.own.clear();
        self.flush_events();
    }
}

impl Ports for Outbox {
    fn transmit(&mut self, port: PortNumber, frame: Relayed<'_>) {
        let Some(queue) = self.queues.get_mut(usize::from(port.get())) else {
            return;
        };
        if queue.is_empty() {
            self.touched.push(port);
        }
        // A frame of the batch leaves by a port once at most.
        debug_assert!(queue.len() < BATCH_MAX);
        queue.push(Outgoing::new(self.frame, &frame));
    }

    fn send(&mut self, port: PortNumber, frame: &[u8]) {
        self.own.extend_from_slice(frame);
        self.own_frames.push((port, frame.len()));
    }

    fn notice(&mut self, event: Event) {
        if let Some(events) = &mut self.events {
            events.publish(self.now, event);
        }
    }
}

impl std::fmt::Debug for Outbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outbox")
            .field("touched", &self.touched)
            .finish_non_exhaustive()
    }
}
