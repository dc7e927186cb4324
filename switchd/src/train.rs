//! Trains of frames: those of a batch that follow each other from one station to another need one decision.
//!
//! A frame whose addresses and tag are those of the frame before it, from the same port at the same instant, goes the same
//! way, and teaches nothing new. That holds where the first was relayed to a known station and its source was known where it
//! came from: then the decision has changed nothing but counters. All else is decided frame by frame.

use std::time::Duration;

use stp::PortNumber;

use crate::ports::Ports;
use crate::switch::Switch;
use crate::tag::{ADDRESSES_LEN, Relayed, TAG_LEN, Tci};

/// Octets that decide a frame's way: addresses, and a tag or what stands in its place.
const HEAD_LEN: usize = ADDRESSES_LEN + TAG_LEN + 2;

/// Where a frame went.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Track {
    pub(crate) port: PortNumber,
    pub(crate) strip: bool,
    pub(crate) tag: Option<Tci>,
}

/// The frame before, and its way. Of one port, one instant, and as long as nothing is done with the switch but to
/// [receive](Switch::receive_in) with it.
#[derive(Debug, Default)]
pub(crate) struct Train {
    first: Option<([u8; HEAD_LEN], Track)>,
}

impl Train {
    /// The way of `frame`, if the frame before was like it.
    #[inline]
    fn track(&self, frame: &[u8]) -> Option<Track> {
        let (first, track) = self.first.as_ref()?;
        (frame.first_chunk() == Some(first)).then_some(*track)
    }
}

impl Switch {
    /// Takes the next frame of a train through the switch: the same as [`Self::receive`].
    #[inline]
    pub(crate) fn receive_in(
        &mut self,
        train: &mut Train,
        now: Duration,
        port: PortNumber,
        frame: &[u8],
        out: &mut impl Ports,
    ) {
        if let Some(track) = train.track(frame)
            && let Some(counters) = self.counters_mut(port)
        {
            counters.received(frame.len());
            self.cam.count_refreshed();
            out.transmit(track.port, Relayed::new(frame, track.strip, track.tag));
            return;
        }
        let track = self.receive_first(now, port, frame, out);
        train.first = frame.first_chunk().copied().zip(track);
    }
}
