//! Where the loop and one forwarding thread meet.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender};
use stp::PortNumber;

use super::Snapshot;
use crate::control::Bell;
use crate::port::Reception;
use crate::port::batch::Batch;

/// A batch on its way from a forwarding thread to the loop: the frames from `first` on are the core's to decide.
#[derive(Debug)]
pub(crate) struct Handed {
    /// Whose it is.
    pub(crate) worker: usize,
    pub(crate) port: PortNumber,
    pub(crate) batch: Box<Batch>,
    pub(crate) first: usize,
    pub(crate) reception: Reception,
}

/// The loop's side and the thread's own.
#[derive(Debug)]
pub(super) struct Desk {
    state: Mutex<State>,
    moved: Condvar,
    /// The snapshot offered, for a look without the lock.
    offered: AtomicU64,
    is_over: AtomicBool,
    /// The thread has ended, wanted or not.
    has_ended: AtomicBool,
    /// Wakes the thread.
    pub(super) bell: Bell,
    /// Batches that the core is done with.
    pub(super) back: (Sender<Handed>, Receiver<Handed>),
}

#[derive(Debug)]
struct State {
    snapshot: Arc<Snapshot>,
    /// The snapshot that the thread forwards by.
    taken: u64,
    /// It forwards nothing, and takes what is offered before it does again.
    is_asleep: bool,
}

impl Desk {
    /// For a thread that may have so many batches away at a time.
    pub(super) fn new(snapshot: Arc<Snapshot>, away_max: usize) -> nix::Result<Self> {
        Ok(Self {
            offered: AtomicU64::new(snapshot.generation),
            state: Mutex::new(State {
                taken: snapshot.generation,
                snapshot,
                is_asleep: false,
            }),
            moved: Condvar::new(),
            is_over: AtomicBool::new(false),
            has_ended: AtomicBool::new(false),
            bell: Bell::new()?,
            back: crossbeam_channel::bounded(away_max),
        })
    }

    /// Nothing of a panic is left in the state: each change is one assignment.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The loop's part.
impl Desk {
    /// Offers a snapshot; `wakes` a thread that sleeps, too.
    pub(super) fn offer(&self, snapshot: &Arc<Snapshot>, wakes: bool) {
        let mut state = self.state();
        state.snapshot = Arc::clone(snapshot);
        self.offered.store(snapshot.generation, Ordering::SeqCst);
        drop(state);
        if wakes {
            self.bell.wake();
        }
    }

    /// Waits, no longer than `patience`, until the thread has taken what was offered, or sleeps where that is `enough`.
    pub(super) fn await_taken(&self, patience: Duration, sleeping_is_enough: bool) {
        let offered = self.offered.load(Ordering::SeqCst);
        let lags = |state: &mut State| {
            let is_idle = state.is_asleep && sleeping_is_enough;
            state.taken < offered && !is_idle && !self.has_ended()
        };
        // Whether it came to pass or not, there is nothing more to be done.
        let _ = self.moved.wait_timeout_while(self.state(), patience, lags);
    }

    /// Tells the thread to end.
    pub(super) fn end(&self) {
        self.is_over.store(true, Ordering::SeqCst);
        self.bell.wake();
    }

    pub(super) fn has_ended(&self) -> bool {
        self.has_ended.load(Ordering::SeqCst)
    }
}

/// The thread's part.
impl Desk {
    pub(super) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::SeqCst)
    }

    /// Whether a newer snapshot than `generation` is offered.
    pub(super) fn has_news(&self, generation: u64) -> bool {
        self.offered.load(Ordering::Acquire) != generation
    }

    /// The snapshot offered. Whatever was decided by the one before has left.
    pub(super) fn take(&self) -> Arc<Snapshot> {
        let mut state = self.state();
        state.taken = state.snapshot.generation;
        self.moved.notify_all();
        Arc::clone(&state.snapshot)
    }

    /// The thread is about to sleep; false if there is something to do instead. It knows the snapshot `generation`.
    pub(super) fn lie_down(&self, generation: u64) -> bool {
        self.bell.going_to_sleep();
        // Who rings sees that it sleeps, or what he rang for is seen here.
        fence(Ordering::SeqCst);
        let mut state = self.state();
        let has_work =
            state.snapshot.generation != generation || self.is_over() || !self.back.1.is_empty();
        state.is_asleep = !has_work;
        self.moved.notify_all();
        !has_work
    }

    /// It is up again.
    pub(super) fn get_up(&self) {
        self.bell.awake();
        self.state().is_asleep = false;
    }

    /// The thread ends.
    pub(super) fn leave(&self) {
        self.has_ended.store(true, Ordering::SeqCst);
        let _state = self.state();
        self.moved.notify_all();
    }
}
