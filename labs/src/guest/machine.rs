//! The machine itself: everything that is polled, in one order.

use core::time::Duration;
use serde::Serialize;

use super::announce::{AnnouncementKind, Schedule};
use super::checkpoint::{Checkpoint, MachineConfig};
use super::flow::FlowTable;
use super::memory::{Dirtier, Memory};
use super::service::Service;
use super::stack::{Frames, Stack};
use super::{FRAME_MAX, ThawError};

/// What a poll brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Output<'a> {
    /// Frames to send, in order.
    pub frames: &'a [Vec<u8>],
    /// Announcement among them, if one was due: frames 0 and 1.
    pub announced: Option<Announced>,
    /// When to poll again at the latest; not before the `now` of this poll.
    pub deadline: Option<Duration>,
}

/// An announcement left with a poll: one frame of each kind, in the order of
/// [`AnnouncementKind::ALL`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Announced;

/// Figures about a machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MachineStatus {
    /// Connections that are not listening.
    pub connections: usize,
    /// Stream octets acknowledged by all present peers.
    pub acknowledged: u64,
    /// Octets received from all present peers.
    pub received: u64,
    /// Of these, octets that were not what the peer should have sent.
    pub mismatched: u64,
    /// Echo requests answered.
    pub pings: u64,
    /// Page writes of the load.
    pub pages_written: u64,
    /// Pages written and not copied.
    pub dirty_pages: u32,
    /// Moves behind it.
    pub moves: u32,
}

/// A virtual machine as a value. Time is a `Duration` since any fixed moment and never goes back.
#[derive(Debug)]
pub struct Machine {
    pub(super) config: MachineConfig,
    pub(super) memory: Memory,
    pub(super) stack: Stack,
    pub(super) flows: FlowTable,
    pub(super) service: Service,
    pub(super) load: Dirtier,
    pub(super) schedule: Schedule,
    pub(super) frames: Frames,
    pub(super) pings: u64,
    pub(super) moves: u32,
    scratch: Vec<u8>,
}

impl Machine {
    /// A machine that has just booted.
    ///
    /// # Errors
    ///
    /// [`ThawError::Config`] when `config` is outside its ranges.
    pub fn boot(now: Duration, config: MachineConfig) -> Result<Self, ThawError> {
        let memory = Memory::booted(config.memory_pages, config.seed);
        let mut machine = Self::bare(now, config, memory)?;
        machine.service.open(&mut machine.stack);
        Ok(machine)
    }

    /// A machine without sockets.
    pub(super) fn bare(
        now: Duration,
        config: MachineConfig,
        memory: Memory,
    ) -> Result<Self, ThawError> {
        super::thaw::check_config(&config, &memory)?;
        Ok(Self {
            stack: Stack::new(now, &config),
            service: Service::new(&config),
            load: Dirtier::new(now, config.dirty_pages_per_second, config.seed, 0),
            flows: FlowTable::default(),
            schedule: Schedule::default(),
            frames: Frames::default(),
            pings: 0,
            moves: 0,
            scratch: Vec::with_capacity(FRAME_MAX),
            memory,
            config,
        })
    }

    /// Lets the machine live until `now`: it takes in `frame`, if any, and everything due happens.
    ///
    /// Polling early is harmless. At most 64 frames come out per poll; when there are more, the
    /// deadline is `now`. Frames longer than [`FRAME_MAX`] are dropped.
    pub fn poll(&mut self, now: Duration, frame: Option<&[u8]>) -> Output<'_> {
        self.frames.clear();
        let announced = self.announce_due(now);
        let first = self.frames.as_slice().len();
        if let Some(frame) = frame {
            self.take_in(now, frame);
        }
        self.service.run(now, &mut self.stack, &mut self.flows);
        self.stack.egress(now, &mut self.frames);
        // Sending can end a connection (the last RST, TIME-WAIT): its socket listens again at once.
        self.service.run(now, &mut self.stack, &mut self.flows);
        for frame in &mut self.frames.as_mut_slice()[first..] {
            self.flows.sent(frame);
        }
        self.load.run(now, &mut self.memory);
        let deadline = [
            self.stack.deadline(now),
            self.service.deadline(now, &self.stack),
            self.load.deadline(),
            self.schedule.deadline(),
        ];
        Output {
            frames: self.frames.as_slice(),
            announced,
            deadline: deadline.into_iter().flatten().min().map(|at| at.max(now)),
        }
    }

    /// Tells the network at the next polls where the machine is, as after a move.
    pub fn announce(&mut self, now: Duration) {
        self.schedule.start(now);
    }

    /// Everything but the memory, as data. The machine itself does not change: it can go on.
    #[must_use]
    pub fn freeze(&self) -> Checkpoint {
        Checkpoint {
            config: self.config.clone(),
            connections: self.service.states(&self.stack, &self.flows),
            load_state: self.load.state,
            load_written: self.load.written,
            pings: self.pings,
            moves: self.moves,
        }
    }

    /// How it was built.
    #[must_use]
    pub fn config(&self) -> &MachineConfig {
        &self.config
    }

    /// Its memory, to be read.
    #[must_use]
    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    /// Its memory, for copying: taking pages out of the dirty set.
    pub fn memory_mut(&mut self) -> &mut Memory {
        &mut self.memory
    }

    /// Figures about it.
    #[must_use]
    pub fn status(&self) -> MachineStatus {
        let states = self.service.states(&self.stack, &self.flows);
        MachineStatus {
            connections: states.len(),
            acknowledged: states.iter().map(|state| state.acknowledged).sum(),
            received: states.iter().map(|state| state.received).sum(),
            mismatched: states.iter().map(|state| state.mismatched).sum(),
            pings: self.pings,
            pages_written: self.load.written,
            dirty_pages: self.memory.dirty_pages(),
            moves: self.moves,
        }
    }

    fn take_in(&mut self, now: Duration, frame: &[u8]) {
        if frame.len() > FRAME_MAX {
            return;
        }
        self.scratch.clear();
        self.scratch.extend_from_slice(frame);
        let (service, stack) = (&self.service, &self.stack);
        self.flows
            .received(&mut self.scratch, |peer| service.is_live(stack, peer));
        let before = self.frames.as_slice().len();
        self.stack.ingress(now, &self.scratch, &mut self.frames);
        if is_echo_request(frame) && self.frames.as_slice().len() > before {
            self.pings += 1;
        }
    }

    fn announce_due(&mut self, now: Duration) -> Option<Announced> {
        if !self.schedule.take(now) {
            return None;
        }
        for kind in AnnouncementKind::ALL {
            let bytes = kind.frame(self.config.mac, self.config.ip);
            self.frames.push(bytes.len()).copy_from_slice(&bytes);
        }
        Some(Announced)
    }
}

/// IPv4 without options, ICMP, echo request.
fn is_echo_request(frame: &[u8]) -> bool {
    frame.len() >= 42
        && frame[12..14] == [8, 0]
        && frame[14] == 0x45
        && frame[23] == 1
        && frame[34] == 8
}
