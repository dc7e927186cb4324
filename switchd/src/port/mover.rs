//! Moving frames between ports: what one thread needs for it.

use std::io;
use std::sync::Arc;

use stp::PortNumber;

use super::batch::{BATCH_MAX, Batch, Outgoing};
use super::fan_out::{FanOut, Gathered};
use super::segment::Segmenter;
use super::{Device, Reception, Sent};
use crate::config::Io;
use crate::sys::mmsg::Messages;
use crate::sys::uring::{Ring, Writes};

/// So many full batches of taps, and it is worth to have the kernel keep the batch's memory at hand. Until then none of it
/// is touched that is not used: a switch that is never busy keeps small.
const WORTH_PINNING: u32 = 500;

/// Memory for a batch of frames, and the ring that moves them. A thread has one of its own; devices are shared.
#[derive(Debug)]
pub(crate) struct Mover {
    ring: Option<Ring>,
    /// Boxed, to be exchanged for another.
    batch: Box<Batch>,
    /// Full batches that taps have given, counted as far as [`WORTH_PINNING`].
    full: u32,
    segmenter: Segmenter,
    messages: Messages,
    /// Copies made by the kernel, where one thread has all ports.
    fan_out: Option<Arc<FanOut>>,
    /// Why there is no ring although one was wanted.
    fallback: Option<String>,
}

/// What leaves by one port.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Leaving<'a> {
    /// Frames of the batch.
    Relayed(&'a [Outgoing]),
    /// A frame of the switch itself.
    Own(&'a [u8]),
}

/// What sending takes.
pub(super) struct Means<'m, 'a> {
    pub(super) segmenter: &'m mut Segmenter,
    pub(super) messages: &'m mut Messages,
    /// Where there is a ring.
    pub(super) writes: Option<Writes<'m, 'a>>,
}

impl Leaving<'_> {
    pub(super) fn frames(&self) -> usize {
        match self {
            Self::Relayed(queue) => queue.len(),
            Self::Own(_) => 1,
        }
    }
}

impl Mover {
    /// For the calling thread. Without io_uring frames are moved one by one; [`Self::fallback`] says why.
    pub(crate) fn new(io: Io) -> Self {
        let ring = match io {
            Io::Uring => Some(Ring::new()),
            Io::Plain => None,
        };
        Self::with(ring)
    }

    fn with(ring: Option<io::Result<Ring>>) -> Self {
        let (ring, fallback) = match ring {
            Some(Ok(ring)) => (Some(ring), None),
            Some(Err(error)) => (None, Some(format!("no io_uring here: {error}"))),
            None => (None, None),
        };
        Self {
            ring,
            batch: Box::new(Batch::new()),
            full: 0,
            segmenter: Segmenter::default(),
            messages: Messages::new(),
            fan_out: None,
            fallback,
        }
    }

    /// From here on frames that leave alike by several packet ports may be copied by the kernel. Nobody else may send by
    /// these ports then.
    pub(crate) fn allow_copies(&mut self) {
        self.fan_out = Some(Arc::default());
    }

    /// What makes these copies, if they are allowed.
    pub(crate) fn fan_out(&self) -> Option<&Arc<FanOut>> {
        self.fan_out.as_ref()
    }

    /// Whether the kernel keeps the batch's memory at hand.
    #[cfg(test)]
    pub(crate) fn has_pinned(&self) -> bool {
        self.ring.as_ref().is_some_and(Ring::has_pinned)
    }

    /// Whether frames are moved by io_uring.
    pub(crate) fn has_ring(&self) -> bool {
        self.ring.is_some()
    }

    /// Why they are not, although that was wanted.
    pub(crate) fn fallback(&self) -> Option<&str> {
        self.fallback.as_deref()
    }

    /// Makes moving frames of `device` cheaper. Until [`Self::detach`] it stays open.
    pub(crate) fn attach(&mut self, port: PortNumber, device: &Device) {
        let Some(ring) = &mut self.ring else {
            return;
        };
        match device {
            Device::Tap(tap) => ring.attach(tap.target(port)),
            Device::Packet(packet) => ring.attach(packet.target(port)),
            Device::Stream(_) | Device::Datagram(_) => {}
        }
    }

    /// Forgets the device of `port`.
    pub(crate) fn detach(&mut self, port: PortNumber) {
        if let Some(ring) = &mut self.ring {
            ring.detach(port.get());
        }
    }

    /// Receives at most a batch of frames; those of the batch before are forgotten.
    pub(crate) fn receive(&mut self, port: PortNumber, device: &Device) -> Reception {
        match (device, &mut self.ring) {
            (Device::Tap(tap), Some(ring)) => {
                let reception = tap.receive_by(ring, port, &mut self.batch);
                if self.full < WORTH_PINNING && self.batch.len() == BATCH_MAX {
                    self.count_full();
                }
                reception
            }
            (Device::Tap(tap), None) => tap.receive(&mut self.batch),
            (Device::Packet(packet), _) => packet.receive(&mut self.batch, &mut self.messages),
            (Device::Stream(stream), _) => stream.receive(&mut self.batch),
            (Device::Datagram(datagram), _) => {
                datagram.receive(&mut self.batch, &mut self.messages)
            }
        }
    }

    /// A tap has filled the batch. A kernel that may not pin memory is asked once.
    #[cold]
    fn count_full(&mut self) {
        self.full += 1;
        if let (WORTH_PINNING, Some(ring)) = (self.full, &mut self.ring) {
            let _ = ring.pin(self.batch.memory_mut());
        }
    }

    /// Receives at most a batch of frames of bridge protocols that have a queue of their own.
    pub(crate) fn receive_control(&mut self, device: &Device) {
        if let Device::Packet(packet) = device {
            packet.receive_control(&mut self.batch, &mut self.messages);
        } else {
            self.batch.clear();
        }
    }

    /// The frames received.
    pub(crate) fn batch(&self) -> &Batch {
        &self.batch
    }

    pub(crate) fn batch_mut(&mut self) -> &mut Batch {
        &mut self.batch
    }

    /// Takes another batch instead, and gives up the one it had.
    pub(crate) fn exchange(&mut self, batch: Box<Batch>) -> Box<Batch> {
        if let Some(ring) = &mut self.ring {
            ring.unpin();
        }
        std::mem::replace(&mut self.batch, batch)
    }

    /// Sends what leaves, by taps and packet ports all together. `count` hears what became of it, a part at a time.
    pub(crate) fn send<'a>(
        &mut self,
        leaving: impl Iterator<Item = (PortNumber, Option<&'a Device>, Leaving<'a>)>,
        mut count: impl FnMut(PortNumber, Sent),
    ) {
        let batch = &*self.batch;
        let mut means = Means {
            segmenter: &mut self.segmenter,
            messages: &mut self.messages,
            writes: self.ring.as_mut().map(Ring::writes),
        };
        let mut gathered = self.fan_out.as_deref().map(Gathered::new);
        let mut count = Tally::new(&mut count);
        for (port, device, leaving) in leaving {
            let Some(device) = device else {
                count.add(port, Sent::nowhere(leaving.frames()));
                continue;
            };
            let is_gathered = match (&mut gathered, device, leaving) {
                (Some(gathered), Device::Packet(packet), Leaving::Relayed(queue)) => {
                    gathered.add(port, packet, queue)
                }
                _ => false,
            };
            if !is_gathered {
                means.send(port, device, batch, leaving, &mut count);
            }
        }
        if let Some(gathered) = gathered {
            gathered.send(batch, &mut means, &mut count);
        }
        if let Some(mut writes) = means.writes {
            writes.run(|slot, octets, result| count.report(slot, octets, result));
        }
        count.tell();
    }
}

impl<'a> Means<'_, 'a> {
    /// Sends what leaves by one port.
    fn send(
        &mut self,
        port: PortNumber,
        device: &Device,
        batch: &'a Batch,
        leaving: Leaving<'a>,
        count: &mut Tally<'_, impl FnMut(PortNumber, Sent)>,
    ) {
        let (segmenter, messages) = (&mut *self.segmenter, &mut *self.messages);
        let sent = match (device, leaving, &mut self.writes) {
            (Device::Tap(tap), leaving, Some(writes)) => {
                let done = |slot, octets, result| count.report(slot, octets, result);
                return tap.push(port, batch, leaving, segmenter, writes, done);
            }
            (Device::Tap(tap), leaving, None) => tap.transmit(batch, leaving, segmenter),
            (Device::Packet(packet), Leaving::Own(frame), _) => packet.send_own(frame, messages),
            (Device::Packet(packet), Leaving::Relayed(queue), _) => {
                return packet.relay(port, batch, queue, self, count);
            }
            (Device::Stream(stream), leaving, _) => stream.transmit(batch, leaving, segmenter),
            (Device::Datagram(datagram), leaving, _) => {
                datagram.transmit(batch, leaving, segmenter, messages)
            }
        };
        count.add(port, sent);
    }
}

/// What became of frames to one port, told when another port's turn comes: they leave port by port.
pub(super) struct Tally<'c, C: FnMut(PortNumber, Sent)> {
    port: Option<PortNumber>,
    sent: Sent,
    count: &'c mut C,
}

impl<'c, C: FnMut(PortNumber, Sent)> Tally<'c, C> {
    pub(super) fn new(count: &'c mut C) -> Self {
        Self {
            port: None,
            sent: Sent::default(),
            count,
        }
    }

    pub(super) fn add(&mut self, port: PortNumber, sent: Sent) {
        if self.port != Some(port) {
            self.tell();
            self.port = Some(port);
        }
        self.sent += sent;
    }

    /// One write of the ring.
    pub(super) fn report(&mut self, slot: u16, octets: usize, result: io::Result<usize>) {
        if let Some(port) = PortNumber::new(slot) {
            self.add(port, Sent::of(octets, result));
        }
    }

    /// Tells what was counted since the last time.
    pub(super) fn tell(&mut self) {
        let sent = std::mem::take(&mut self.sent);
        if let Some(port) = self.port.take() {
            (self.count)(port, sent);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_without_io_uring_is_no_reason_not_to_start() {
        let refused = io::Error::from_raw_os_error(libc::EPERM);
        let mover = Mover::with(Some(Err(refused)));
        assert!(!mover.has_ring());
        let why = mover.fallback().unwrap();
        assert!(
            why.starts_with("no io_uring here: Operation not permitted"),
            "{why}"
        );
        assert_eq!(Mover::new(Io::Plain).fallback(), None);
        assert!(Mover::new(Io::Uring).has_ring());
    }
}
