//! Forwarding threads: `--workers N`.
//!
//! ```text
//!              frames                                      frames
//!   ports ───────────────► forwarding thread ─────────────────────────────► ports
//!     │                      │   ▲   ▲   │
//!     │     batches the core │   │   │   │ counters, confirmations
//!     │              decides ▼   │   │   ▼
//!     └─ BPDUs ───────────► the loop: Switch, timers, requests
//!                               snapshot   mirror of the CAM
//! ```
//!
//! A port's frames are received by one thread, its own, and sent by any. The threads share the CAM's mirror and a snapshot of
//! what decides a frame's way, which nobody changes ([`crate::fast_path`]). The first frame of a batch that the core must see
//! takes the rest of the batch with it, in its place and without a copy, and its port rests until the batch is back: so frames
//! of a port keep their order, nothing has to be queued between threads, and whoever keeps the core busy fills the kernel's
//! queue of his own port.
//!
//! When a port stops forwarding, the loop waits until no thread forwards by the old snapshot, and then says so.

mod desk;
mod tally;
mod worker;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};
use std::thread::JoinHandle;
use std::time::Duration;

use cam::Mirror;
use crossbeam_channel::{Receiver, Sender};
use stp::PortNumber;

pub(crate) use desk::Handed;
pub(crate) use tally::Tally;
#[cfg(test)]
pub(crate) use worker::Worker as Lone;

use crate::clock::Clock;
use crate::config::Io;
use crate::control::Bell;
use crate::fast_path::{Confirmation, FastPath};
use crate::port::Device;
use crate::portset::PORTS_MAX;
use desk::Desk;
use worker::Worker;

/// How long the loop waits for threads to forward by a new snapshot before a BPDU leaves that relies on it. A batch
/// takes less than a millisecond; but another process may have the thread's processor.
const SNAPSHOT_PATIENCE: Duration = Duration::from_millis(20);

/// The same when a device comes or goes, which nobody is waiting for but management.
const DEVICE_PATIENCE: Duration = Duration::from_secs(1);

/// When a snapshot is looked at again that holds a port for looping.
const BRAKE_REVIEW: Duration = Duration::from_secs(1);

/// Confirmations on their way, at most. Frames whose confirmation finds no room go by the core.
const CONFIRMATIONS_MAX: usize = 4096;

/// What threads forward by.
#[derive(Debug)]
pub(crate) struct Snapshot {
    generation: u64,
    path: FastPath,
    /// By port number.
    ports: Vec<Option<Way>>,
}

/// A port as threads know it.
#[derive(Clone, Debug)]
pub(crate) struct Way {
    pub(crate) device: Option<Arc<Device>>,
    pub(crate) tally: Arc<Tally>,
}

impl Snapshot {
    fn way(&self, port: PortNumber) -> Option<&Way> {
        self.ports.get(usize::from(port.get()))?.as_ref()
    }

    fn device(&self, port: PortNumber) -> Option<&Arc<Device>> {
        self.way(port)?.device.as_ref()
    }

    /// Ports that have another device than in `other`, or one only here or there.
    fn rewired<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = PortNumber> + 'a {
        let last = self.ports.len().max(other.ports.len());
        let numbers = (1..last).filter_map(|index| PortNumber::new(u16::try_from(index).ok()?));
        numbers.filter(|&port| match (self.device(port), other.device(port)) {
            (Some(here), Some(there)) => !Arc::ptr_eq(here, there),
            (here, there) => here.is_some() != there.is_some(),
        })
    }
}

/// All forwarding threads, as the loop has them. Dropped, they end.
#[derive(Debug)]
pub(crate) struct Workers {
    desks: Vec<Arc<Desk>>,
    threads: Vec<JoinHandle<()>>,
    /// Batches with frames of bridge protocols, and others.
    urgent: Receiver<Handed>,
    handed: Receiver<Handed>,
    confirmations: Receiver<Confirmation>,
    /// Wakes the loop.
    bell: Arc<Bell>,
    /// What was offered last.
    snapshot: Arc<Snapshot>,
    /// The switch's revision that the snapshot has.
    revision: Option<u64>,
    review_at: Option<Duration>,
}

/// What a forwarding thread has of the loop.
#[derive(Clone, Debug)]
struct Wires {
    urgent: Sender<Handed>,
    handed: Sender<Handed>,
    confirmations: Sender<Confirmation>,
    bell: Arc<Bell>,
}

impl Workers {
    /// Starts `count` threads, which forward nothing yet.
    ///
    /// # Errors
    /// No threads, or no descriptors.
    pub(crate) fn start(
        count: usize,
        io: Io,
        mirror: &Arc<Mirror>,
        path: FastPath,
    ) -> io::Result<Self> {
        // A port has one batch away at a time, so that these are never full.
        let (urgent, first) = crossbeam_channel::bounded(PORTS_MAX);
        let (handed, second) = crossbeam_channel::bounded(PORTS_MAX);
        let (confirmations, confirmed) = crossbeam_channel::bounded(CONFIRMATIONS_MAX);
        let bell = Arc::new(Bell::new()?);
        let wires = Wires {
            urgent,
            handed,
            confirmations,
            bell: Arc::clone(&bell),
        };
        let snapshot = Arc::new(Snapshot {
            generation: 0,
            path,
            ports: Vec::new(),
        });
        let mut workers = Self {
            desks: Vec::new(),
            threads: Vec::new(),
            urgent: first,
            handed: second,
            confirmations: confirmed,
            bell,
            snapshot: Arc::clone(&snapshot),
            revision: None,
            review_at: None,
        };
        for number in 0..count {
            let desk = Arc::new(Desk::new(Arc::clone(&snapshot), PORTS_MAX)?);
            let worker = worker::Plan {
                number,
                count,
                io,
                desk: Arc::clone(&desk),
                snapshot: Arc::clone(&snapshot),
                wires: wires.clone(),
                mirror: Arc::clone(mirror),
                epoll: worker::poll(&desk)?,
            };
            let thread = std::thread::Builder::new()
                .name(format!("worker-{}", number + 1))
                .spawn(move || Worker::new(worker).run())?;
            workers.desks.push(desk);
            workers.threads.push(thread);
        }
        Ok(workers)
    }

    /// Which thread has a port, from 1 on.
    pub(crate) fn of(&self, port: PortNumber) -> usize {
        worker_of(port, self.desks.len()) + 1
    }

    /// What wakes the loop.
    pub(crate) fn bell(&self) -> &Bell {
        &self.bell
    }

    /// The loop is about to sleep; false if there is something to do instead.
    pub(crate) fn lie_down(&self) -> bool {
        self.bell.going_to_sleep();
        // Who rings sees that it sleeps, or what he rang for is seen here.
        fence(Ordering::SeqCst);
        self.urgent.is_empty() && self.handed.is_empty() && self.confirmations.is_empty()
    }

    /// It is up again.
    ///
    /// # Errors
    /// A thread has ended that was not told to: its ports are dead.
    pub(crate) fn get_up(&self) -> io::Result<()> {
        self.bell.awake();
        match self.desks.iter().any(|desk| desk.has_ended()) {
            true => Err(io::Error::other("a forwarding thread has failed")),
            false => Ok(()),
        }
    }

    /// A station that was seen where it is known to be.
    pub(crate) fn next_confirmation(&self) -> Option<Confirmation> {
        self.confirmations.try_recv().ok()
    }

    /// A batch for the core, those with BPDUs first.
    pub(crate) fn next_handed(&self) -> Option<Handed> {
        let urgent = self.urgent.try_recv();
        urgent.or_else(|_| self.handed.try_recv()).ok()
    }

    /// Gives a batch back: its port goes on.
    pub(crate) fn give_back(&self, handed: Handed) {
        let desk = &self.desks[handed.worker];
        // A thread that has ended wants nothing back; else there is room for the batches of all ports.
        let _ = desk.back.0.try_send(handed);
        desk.bell.wake();
    }

    /// Whether a switch of this revision needs a new snapshot.
    pub(crate) fn is_stale(&self, now: Duration, revision: u64) -> bool {
        self.revision != Some(revision) || self.review_at.is_some_and(|at| at <= now)
    }

    /// From now on threads forward by this, if anything has changed: whoever does not after a while is without a
    /// processor, and sends a batch by the old one at most.
    pub(crate) fn publish(
        &mut self,
        now: Duration,
        revision: u64,
        path: FastPath,
        ports: Vec<Option<Way>>,
    ) {
        let review_at = path.is_braked().then(|| now.saturating_add(BRAKE_REVIEW));
        let snapshot = Snapshot {
            generation: self.snapshot.generation + 1,
            path,
            ports,
        };
        // A thread that sleeps must let go of devices that go, and wait for those that come.
        let is_rewired = snapshot.rewired(&self.snapshot).next().is_some();
        if !is_rewired && !self.is_stale(now, revision) {
            return;
        }
        self.revision = Some(revision);
        self.review_at = review_at;
        self.snapshot = Arc::new(snapshot);
        let snapshot = &self.snapshot;
        for desk in &self.desks {
            desk.offer(snapshot, is_rewired);
        }
        let patience = match is_rewired {
            true => DEVICE_PATIENCE,
            false => SNAPSHOT_PATIENCE,
        };
        let until = Clock.now().saturating_add(patience);
        for desk in &self.desks {
            desk.await_taken(until.saturating_sub(Clock.now()), !is_rewired);
        }
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        for desk in &self.desks {
            desk.end();
        }
        for thread in self.threads.drain(..) {
            // Of a panic it has told already.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
impl Workers {
    /// One thread that is none: its part is played by the caller, turn by turn.
    pub(crate) fn lone(mirror: &Arc<Mirror>, path: FastPath) -> (Self, Worker) {
        let mut workers = Self::start(0, Io::Uring, mirror, path.clone()).unwrap();
        let snapshot = Arc::new(Snapshot {
            generation: 0,
            path,
            ports: Vec::new(),
        });
        let (urgent, first) = crossbeam_channel::bounded(PORTS_MAX);
        let (handed, second) = crossbeam_channel::bounded(PORTS_MAX);
        let (confirmations, confirmed) = crossbeam_channel::bounded(CONFIRMATIONS_MAX);
        let desk = Arc::new(Desk::new(Arc::clone(&snapshot), PORTS_MAX).unwrap());
        (workers.urgent, workers.handed) = (first, second);
        workers.confirmations = confirmed;
        workers.desks.push(Arc::clone(&desk));
        let plan = worker::Plan {
            number: 0,
            count: 1,
            io: Io::Uring,
            epoll: worker::poll(&desk).unwrap(),
            desk,
            snapshot,
            wires: Wires {
                urgent,
                handed,
                confirmations,
                bell: Arc::clone(&workers.bell),
            },
            mirror: Arc::clone(mirror),
        };
        (workers, Worker::new(plan))
    }

    /// Offers a snapshot that nobody is waited for to take.
    pub(crate) fn offer(&mut self, path: FastPath, ports: Vec<Option<Way>>) {
        self.snapshot = Arc::new(Snapshot {
            generation: self.snapshot.generation + 1,
            path,
            ports,
        });
        self.desks[0].offer(&self.snapshot, false);
    }

    /// The snapshot offered last.
    pub(crate) fn generation(&self) -> u64 {
        self.snapshot.generation
    }
}

/// Ports are dealt out by number.
fn worker_of(port: PortNumber, count: usize) -> usize {
    usize::from(port.get() - 1) % count.max(1)
}
