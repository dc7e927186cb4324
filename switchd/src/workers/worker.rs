//! One forwarding thread.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use cam::Mirror;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use stp::PortNumber;

use super::desk::{Desk, Handed};
use super::{Snapshot, Wires, worker_of};
use crate::clock::Clock;
use crate::config::Io;
use crate::counters::DropReason;
use crate::event_loop::Outbox;
use crate::fast_path::{Course, Reflected};
use crate::forward::ReservedAddress;
use crate::frame::Header;
use crate::port::batch::Batch;
use crate::port::{Device, Mover, Reception};
use crate::portset::PortSet;
use crate::sys::slice;

/// Ports ready that are looked at per wait. The kernel hands out the others first the next time.
const READY_MAX: usize = 64;

/// The mark of the bell; a port is its number.
const BELL: u64 = 1 << 32;

/// What a thread starts with.
pub(super) struct Plan {
    pub(super) number: usize,
    pub(super) count: usize,
    pub(super) io: Io,
    pub(super) desk: Arc<Desk>,
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) wires: Wires,
    pub(super) mirror: Arc<Mirror>,
    pub(super) epoll: Epoll,
}

/// What a thread waits for: its bell, and later its ports.
pub(super) fn poll(desk: &Desk) -> io::Result<Epoll> {
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
    epoll.add(&desk.bell, EpollEvent::new(EpollFlags::EPOLLIN, BELL))?;
    Ok(epoll)
}

/// One forwarding thread.
pub(crate) struct Worker {
    plan: Plan,
    snapshot: Arc<Snapshot>,
    mover: Mover,
    outbox: Outbox,
    /// Ports whose batch is with the core: they rest.
    away: PortSet,
    /// Batches to receive into.
    #[expect(
        clippy::vec_box,
        reason = "they are exchanged as they are: a batch is 4 KiB and its frames"
    )]
    spare: Vec<Box<Batch>>,
    ready: Vec<PortNumber>,
}

impl Worker {
    /// On the thread itself: a ring is its thread's own.
    pub(super) fn new(plan: Plan) -> Self {
        Self {
            // Without ports. What may be offered already is taken in its turn, as any other.
            snapshot: Arc::clone(&plan.snapshot),
            mover: Mover::new(plan.io),
            outbox: Outbox::new(None),
            away: PortSet::EMPTY,
            spare: Vec::new(),
            ready: Vec::new(),
            plan,
        }
    }

    /// Forwards until told to end.
    pub(super) fn run(mut self) {
        // What is wrong with it the loop says, once for all.
        let _ = slice::request(slice::SHORTEST);
        while !self.plan.desk.is_over() {
            if let Err(error) = self.wait() {
                eprintln!("switchd: a forwarding thread cannot wait for frames: {error}");
                break;
            }
            self.take_back();
            for index in 0..self.ready.len() {
                self.turn(self.ready[index]);
                self.take_back();
            }
        }
    }

    /// Waits until ports have frames, or the bell rings. Looks first, and lies down only if there is nothing.
    fn wait(&mut self) -> io::Result<()> {
        self.ready.clear();
        if self.look(EpollTimeout::ZERO)? {
            return Ok(());
        }
        let lies = self.plan.desk.lie_down(self.snapshot.generation);
        let looked = match lies {
            true => self.look(EpollTimeout::NONE),
            false => Ok(true),
        };
        self.plan.desk.get_up();
        looked.map(|_| ())
    }

    /// Whether anything was ready.
    fn look(&mut self, timeout: EpollTimeout) -> io::Result<bool> {
        let mut events = [EpollEvent::empty(); READY_MAX];
        let ready = match self.plan.epoll.wait(&mut events, timeout) {
            Ok(ready) => ready,
            Err(nix::Error::EINTR) => 0,
            Err(error) => return Err(error.into()),
        };
        let ports = events[..ready].iter().filter_map(|event| {
            let number = u16::try_from(event.data()).ok();
            number.and_then(PortNumber::new)
        });
        self.ready.extend(ports);
        Ok(!self.ready.is_empty())
    }

    /// Takes a new snapshot if there is one, then batches that the core is done with: what it decided of a port comes before
    /// the port goes on.
    pub(crate) fn take_back(&mut self) {
        self.take_snapshot();
        while let Ok(Handed { port, batch, .. }) = self.plan.desk.back.1.try_recv() {
            self.take_snapshot();
            self.spare.push(batch);
            self.away.remove(port);
            if let Some(device) = self.snapshot.device(port).cloned() {
                self.listen(port, &device);
            }
        }
    }

    fn take_snapshot(&mut self) {
        if !self.plan.desk.has_news(self.snapshot.generation) {
            return;
        }
        let snapshot = self.plan.desk.take();
        let old = std::mem::replace(&mut self.snapshot, snapshot);
        let new = Arc::clone(&self.snapshot);
        for number in new.rewired(&old) {
            let (before, after) = (old.device(number), new.device(number));
            if let Some(device) = before {
                self.mover.detach(number);
                if self.is_mine(number) && !self.away.contains(number) {
                    // It may be closed at its other end; it is ours until the old snapshot goes.
                    let _ = self.plan.epoll.delete(device.descriptor());
                }
            }
            if let Some(device) = after {
                self.mover.attach(number, device);
                if self.is_mine(number) && !self.away.contains(number) {
                    self.listen(number, device);
                }
            }
        }
    }

    fn is_mine(&self, port: PortNumber) -> bool {
        worker_of(port, self.plan.count) == self.plan.number
    }

    /// From now on frames of `port` make it ready.
    fn listen(&self, port: PortNumber, device: &Device) {
        let event = EpollEvent::new(EpollFlags::EPOLLIN, u64::from(port.get()));
        if let Err(error) = self.plan.epoll.add(device.descriptor(), event) {
            eprintln!("switchd: port {port}: cannot wait for its frames: {error}");
        }
    }

    /// One batch from `port`.
    pub(crate) fn turn(&mut self, port: PortNumber) {
        let snapshot = Arc::clone(&self.snapshot);
        let Some(way) = snapshot.way(port).filter(|_| !self.away.contains(port)) else {
            return;
        };
        let Some(device) = &way.device else {
            return;
        };
        let now = Clock.now();
        let reception = self.mover.receive(port, device);
        for (reason, frames) in self.mover.batch_mut().take_drops() {
            way.tally.dropped(reason, frames);
        }
        let first = match reception {
            Reception::Done => self.forward(now, port, &snapshot),
            // First the core hears what has become of the port.
            Reception::Carrier | Reception::Gone => 0,
        };
        if first < self.mover.batch().len() || reception != Reception::Done {
            self.hand_over(port, device, first, reception);
        }
    }

    /// Sends frames of the batch where they go, up to the first that the core must see; its place.
    fn forward(&mut self, now: Duration, port: PortNumber, snapshot: &Snapshot) -> usize {
        let (wires, batch) = (&self.plan.wires, self.mover.batch());
        let confirm = |confirmation| {
            let passed = wires.confirmations.try_send(confirmation).is_ok();
            wires.bell.wake();
            passed
        };
        let mut stations = Reflected::new(&self.plan.mirror, confirm);
        let Some(tally) = snapshot.way(port).map(|way| &way.tally) else {
            return batch.len();
        };
        let (mut octets, mut next) = (0, 0);
        while next < batch.len() {
            let frame = batch.frame(next);
            self.outbox.set_frame(next);
            let outbox = &mut self.outbox;
            match snapshot
                .path
                .decide(&mut stations, now, port, frame, outbox)
            {
                Course::Relayed => {}
                Course::Dropped(reason) => tally.dropped(reason, 1),
                Course::Slow => break,
            }
            octets += frame.len() as u64;
            next += 1;
        }
        tally.received(next as u64, octets);
        self.flush(snapshot);
        next
    }

    /// Sends what was decided.
    fn flush(&mut self, snapshot: &Snapshot) {
        let leaving = self
            .outbox
            .leaving()
            .map(|(port, leaving)| (port, snapshot.device(port).map(|device| &**device), leaving));
        self.mover.send(leaving, |port, sent| {
            if let Some(way) = snapshot.way(port) {
                way.tally.sent(&sent);
            }
        });
        self.outbox.clear();
    }

    /// Gives the rest of the batch to the loop. The port rests until it is back.
    fn hand_over(&mut self, port: PortNumber, device: &Device, first: usize, reception: Reception) {
        let spare = self.spare.pop();
        let batch = self
            .mover
            .exchange(spare.unwrap_or_else(|| Box::new(Batch::new())));
        self.away.insert(port);
        // A device that is gone cannot be waited for either.
        let _ = self.plan.epoll.delete(device.descriptor());
        let is_urgent = (first..batch.len()).any(|frame| is_control(batch.frame(frame)));
        let wires = &self.plan.wires;
        let way = match is_urgent {
            true => &wires.urgent,
            false => &wires.handed,
        };
        let handed = Handed {
            worker: self.plan.number,
            port,
            batch,
            first,
            reception,
        };
        if let Err(unsent) = way.try_send(handed) {
            // There is room for a batch of every port, so the loop is gone, and all is about to end.
            let lost = unsent.into_inner().batch.len() - first;
            if let Some(way) = self.snapshot.way(port) {
                way.tally.dropped(DropReason::ReceiveFull, lost as u64);
            }
        }
        wires.bell.wake();
    }
}

impl Drop for Worker {
    /// Also when it panics: the loop hears of it.
    fn drop(&mut self) {
        for index in 1..self.snapshot.ports.len() {
            if let Some(port) = u16::try_from(index).ok().and_then(PortNumber::new) {
                // A ring lets go of its descriptors late unless told to.
                self.mover.detach(port);
            }
        }
        self.plan.desk.leave();
        self.plan.wires.bell.wake();
    }
}

/// Whether a frame is one of a bridge protocol.
fn is_control(frame: &[u8]) -> bool {
    Header::parse(frame).is_some_and(|header| {
        ReservedAddress::of(header.destination).is_some()
            || header.destination == stp::llc::SHARED_SPANNING_TREE_ADDRESS
    })
}
