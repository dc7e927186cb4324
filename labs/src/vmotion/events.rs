//! The event streams of all switches, in one queue.

use core::time::Duration;
use crossbeam_channel::{Receiver, Sender, unbounded};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use switchd::control::{Client, EventStream, Notice};
use switchd::event::Event;

use crate::lab::{Lab, LabError};

/// How often a reader looks whether it shall end.
const TURN: Duration = Duration::from_millis(100);

pub(crate) use switchd::watch::Seen;

/// A reader per switch. Ends when dropped.
#[derive(Debug)]
pub(super) struct Watch {
    queue: Receiver<Seen>,
    stop: Arc<AtomicBool>,
    lost: Arc<AtomicU64>,
    readers: Vec<JoinHandle<()>>,
}

impl Watch {
    /// Subscribes to every switch of `lab`, from its first event still remembered.
    pub(super) fn start(lab: &Lab) -> Result<Self, LabError> {
        let (sender, queue) = unbounded();
        let stop = Arc::new(AtomicBool::new(false));
        let lost = Arc::new(AtomicU64::new(0));
        let mut readers = Vec::new();
        for (switch, _) in lab.topology.switches() {
            let stream = lab.client(switch)?.events(Some(0));
            let stream = stream.map_err(|error| LabError::Other(format!("{switch}: {error}")))?;
            let reader = Reader {
                switch: switch.to_owned(),
                socket: lab.socket(switch),
                stream: Some(stream),
                sender: sender.clone(),
                stop: Arc::clone(&stop),
                lost: Arc::clone(&lost),
            };
            let thread = std::thread::Builder::new()
                .name(format!("events {switch}"))
                .spawn(|| reader.run());
            readers.push(thread.map_err(|error| LabError::io("start a thread", error))?);
        }
        Ok(Self {
            queue,
            stop,
            lost,
            readers,
        })
    }

    /// What came since the last call, in order of time.
    pub(super) fn drain(&self) -> Vec<Seen> {
        let mut seen: Vec<Seen> = self.queue.try_iter().collect();
        seen.sort_by_key(|seen| seen.record.time);
        seen
    }

    /// Events this reader was too slow for, since the start.
    pub(super) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for reader in self.readers.drain(..) {
            let _panicked = reader.join();
        }
    }
}

struct Reader {
    switch: String,
    socket: PathBuf,
    /// `None` while the switch is off.
    stream: Option<EventStream>,
    sender: Sender<Seen>,
    stop: Arc<AtomicBool>,
    lost: Arc<AtomicU64>,
}

impl Reader {
    fn run(mut self) {
        while !self.stop.load(Ordering::Relaxed) {
            let Some(stream) = &mut self.stream else {
                std::thread::sleep(TURN);
                self.stream = connect(&self.socket);
                continue;
            };
            match stream.next_within(TURN) {
                Ok(None) => {}
                Ok(Some(Notice::Event(record))) => {
                    let switch = self.switch.clone();
                    if self.sender.send(Seen { switch, record }).is_err() {
                        return;
                    }
                }
                Ok(Some(Notice::Lost { from, to })) => {
                    self.lost.fetch_add(to - from + 1, Ordering::Relaxed);
                }
                // The switch has gone: whoever needs it will say so, or a step will bring it back.
                Err(_) => self.stream = None,
            }
        }
    }
}

/// The events of a switch from its start, if it runs.
fn connect(socket: &Path) -> Option<EventStream> {
    Client::connect(socket).ok()?.events(Some(0)).ok()
}

/// When the first link came up, and when the last port of a tree took the state it kept.
pub(super) fn tree_built(seen: &[Seen]) -> (Option<Duration>, Option<Duration>) {
    let is_link = |seen: &&Seen| matches!(seen.record.event, Event::Link { up: true, .. });
    let is_state = |seen: &&Seen| matches!(seen.record.event, Event::StpState { .. });
    let time = |seen: &Seen| seen.record.time;
    let last = seen.iter().filter(is_state).map(time).max();
    let first_state = seen.iter().filter(is_state).map(time).min();
    let first = seen.iter().filter(is_link).map(time).min();
    (first.or(first_state), last)
}
