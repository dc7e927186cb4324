//! Ports: where frames come in and go out, in batches, without waiting. A file per kind of port.

pub(crate) mod batch;
pub(crate) mod datagram;
mod error;
mod fan_out;
pub mod framing;
pub(crate) mod given;
mod headers;
mod intake;
mod mover;
pub mod offload;
pub(crate) mod packet;
pub(crate) mod receivers;
pub mod segment;
mod socket_file;
pub(crate) mod stream;
pub(crate) mod tap;
mod turn;
mod watch;
mod way;

use std::io;
use std::os::fd::BorrowedFd;

pub use batch::FRAME_LEN_MAX;
pub(crate) use batch::Outgoing;
pub use error::PortError;
pub(crate) use fan_out::FanOut;
pub(crate) use mover::{Leaving, Mover};

use crate::counters::DropReason;
use datagram::Datagram;
use packet::Packet;
use stream::Stream;
use tap::Tap;
use turn::Turn;

/// What a port is made of.
#[derive(Debug)]
pub(crate) enum Device {
    /// A tap of our own.
    Tap(Tap),
    /// Somebody's interface.
    Packet(Packet),
    /// A stream socket and its peer.
    Stream(Stream),
    /// A datagram socket and its peer.
    Datagram(Datagram),
}

/// How a turn of receiving ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reception {
    /// There may be more, or not: readiness says.
    Done,
    /// The same, and a peer has come or gone: the device says which.
    Carrier,
    /// The device was deleted, or its only peer is gone; there will never be more.
    Gone,
}

/// The error of a frame that could not be finished; no device of ours says it.
const UNFINISHED: i32 = libc::EBADMSG;

/// What became of frames handed to a port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) frames: u64,
    pub(crate) octets: u64,
    /// The port had no room.
    pub(crate) full: u64,
    /// The port has no interface, or it is down.
    pub(crate) down: u64,
    /// The kernel found fault with the frame.
    pub(crate) refused: u64,
    /// The frame could not be finished for a port that takes only finished ones.
    pub(crate) unfinished: u64,
}

impl Sent {
    /// What did not leave, and why.
    pub(crate) fn drops(&self) -> [(DropReason, u64); 4] {
        [
            (DropReason::TransmitFull, self.full),
            (DropReason::TransmitDown, self.down),
            (DropReason::TransmitError, self.refused),
            (DropReason::TransmitOffload, self.unfinished),
        ]
    }

    /// `frames` for a port that has no interface.
    pub(crate) fn nowhere(frames: usize) -> Self {
        Self {
            down: frames as u64,
            ..Self::default()
        }
    }

    /// One frame that could not be finished.
    fn unfinished() -> Self {
        Self {
            unfinished: 1,
            ..Self::default()
        }
    }

    /// What became of one frame of `octets`.
    fn of(octets: usize, result: io::Result<usize>) -> Self {
        let mut sent = Self::default();
        match result {
            Ok(_) => sent.count(octets),
            Err(error) => {
                sent.refused(error);
            }
        }
        sent
    }

    fn count(&mut self, octets: usize) {
        self.frames += 1;
        self.octets += octets as u64;
    }

    /// Counts a frame that the kernel did not take; the counter, if frames behind it meet the same.
    fn refused(&mut self, error: io::Error) -> Option<&mut u64> {
        let (counter, stops) = self.reason(error.raw_os_error());
        *counter += 1;
        stops.then_some(counter)
    }

    /// What counts frames that the kernel refuses with `error`, and whether frames behind meet the same.
    fn reason(&mut self, error: Option<i32>) -> (&mut u64, bool) {
        match error {
            Some(libc::EAGAIN | libc::ENOBUFS | libc::ENOMEM) => (&mut self.full, true),
            Some(
                libc::ENETDOWN
                | libc::ENETUNREACH
                | libc::ENODEV
                | libc::ENXIO
                | libc::EIO
                | libc::EBADFD
                | libc::ECONNREFUSED
                | libc::ENOTCONN,
            ) => (&mut self.down, true),
            Some(UNFINISHED) => (&mut self.unfinished, false),
            _ => (&mut self.refused, false),
        }
    }
}

impl Device {
    /// Readable when there are frames.
    pub(crate) fn descriptor(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tap(tap) => tap.descriptor(),
            Self::Packet(packet) => packet.descriptor(),
            Self::Stream(stream) => stream.descriptor(),
            Self::Datagram(datagram) => datagram.descriptor(),
        }
    }

    /// Readable when there are frames of bridge protocols, if they have a queue of their own.
    pub(crate) fn control_descriptor(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::Tap(_) | Self::Stream(_) | Self::Datagram(_) => None,
            Self::Packet(packet) => Some(packet.control_descriptor()),
        }
    }
}

impl Device {
    /// Whether a socket has a peer; `None` for an interface, of which rtnetlink tells.
    pub(crate) fn has_carrier(&self) -> Option<bool> {
        match self {
            Self::Tap(_) | Self::Packet(_) => None,
            Self::Stream(stream) => Some(stream.has_carrier()),
            Self::Datagram(datagram) => Some(datagram.has_carrier()),
        }
    }
}

impl std::ops::AddAssign for Sent {
    fn add_assign(&mut self, other: Self) {
        self.frames += other.frames;
        self.octets += other.octets;
        self.full += other.full;
        self.down += other.down;
        self.refused += other.refused;
        self.unfinished += other.unfinished;
    }
}
