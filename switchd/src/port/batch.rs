//! The frames of one turn: received into fixed places, sent from there without a copy.

use std::array;

use super::offload::{HEADER_LEN, Offload};
use crate::counters::DropReason;
pub(crate) use crate::sys::mmsg::BATCH_MAX;
use crate::sys::uring::HEAD_LEN_MAX;
use crate::tag::{ADDRESSES_LEN, Relayed, TAG_LEN};

/// Octets of the longest frame, tags included, that is not a super-frame.
pub const FRAME_LEN_MAX: usize = 9216;

/// Octets of a place: room for a tag, header, and a super-frame (64 KiB of IP, Ethernet, two tags). An odd
/// number of cache lines, so that the first octets of all places do not meet in the same set of the cache.
const PLACE_LEN: usize = 1027 * 64;

/// Where a frame starts in its place: behind the header, with no gap, so that both are one piece of memory for
/// the kernel (a second piece costs it 100 ns a frame), and with room for a tag before them.
const FRAME_AT: usize = 16;

/// At most [`BATCH_MAX`] frames received from one port. Allocated once; pages are touched as used.
pub(crate) struct Batch {
    memory: Box<[u8]>,
    frames: [Received; BATCH_MAX],
    len: usize,
    oversize: u64,
    bad_offload: u64,
    missed: u64,
    malformed: u64,
}

#[derive(Clone, Copy, Default)]
struct Received {
    start: usize,
    len: usize,
    offload: Offload,
}

/// A frame of the batch in the form it leaves by one port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Outgoing {
    frame: usize,
    strip: bool,
    tag: Option<[u8; TAG_LEN]>,
}

/// A frame ready to be written: what is written before the body, copied, and the body.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Written<'a> {
    head: [u8; HEAD_LEN_MAX],
    head_len: usize,
    pub(crate) body: &'a [u8],
    /// Octets of the frame, without virtio-net header.
    pub(crate) octets: usize,
}

impl Outgoing {
    /// Frame `frame` of the batch as the core wants it sent.
    pub(crate) fn new(frame: usize, relayed: &Relayed<'_>) -> Self {
        let tag = relayed.tag();
        let kept = relayed.shift()
            == if tag.is_some() {
                TAG_LEN.cast_signed()
            } else {
                0
            };
        Self {
            frame,
            strip: !kept,
            tag,
        }
    }

    fn shift(&self) -> isize {
        let len = TAG_LEN.cast_signed();
        match (self.strip, self.tag.is_some()) {
            (true, true) | (false, false) => 0,
            (true, false) => -len,
            (false, true) => len,
        }
    }
}

impl<'a> Written<'a> {
    /// A finished frame for a port with (`header_len` = [`HEADER_LEN`]) or without (0) virtio-net header.
    pub(crate) fn finished(frame: &'a [u8], header_len: usize) -> Self {
        Self {
            // The header of a finished frame is all zero.
            head: [0; HEAD_LEN_MAX],
            head_len: header_len,
            body: frame,
            octets: frame.len(),
        }
    }

    pub(crate) fn head(&self) -> &[u8] {
        &self.head[..self.head_len]
    }
}

impl std::fmt::Debug for Batch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Batch")
            .field("len", &self.len)
            .finish_non_exhaustive()
    }
}

impl Batch {
    pub(crate) fn new() -> Self {
        Self {
            memory: vec![0; PLACE_LEN * BATCH_MAX].into_boxed_slice(),
            frames: [Received::default(); BATCH_MAX],
            len: 0,
            oversize: 0,
            bad_offload: 0,
            missed: 0,
            malformed: 0,
        }
    }

    /// Forgets the frames.
    pub(crate) fn clear(&mut self) {
        self.len = 0;
    }

    /// All memory of the places, for the kernel to keep at hand.
    pub(crate) fn memory_mut(&mut self) -> &mut [u8] {
        &mut self.memory
    }

    /// Forgets the frames, and gives the places for new ones from a port with a virtio-net header of
    /// `header_len` octets, or none.
    pub(crate) fn places(&mut self, header_len: usize) -> [&mut [u8]; BATCH_MAX] {
        self.len = 0;
        let mut places = self.memory.chunks_exact_mut(PLACE_LEN);
        array::from_fn(|_| {
            let place = places.next().expect("memory of BATCH_MAX places");
            &mut place[FRAME_AT - header_len..]
        })
    }

    /// Takes what a port has put into place `place`: `received` octets, the first `header_len` of them header,
    /// out of which the kernel has taken `tag`. A frame that cannot be used is counted.
    pub(crate) fn accept(
        &mut self,
        place: usize,
        received: usize,
        header_len: usize,
        tag: Option<[u8; TAG_LEN]>,
    ) {
        let at = place * PLACE_LEN;
        let (Some(memory), Some(mut len)) = (
            self.memory.get_mut(at..at + PLACE_LEN),
            received.checked_sub(header_len),
        ) else {
            self.bad_offload += 1;
            return;
        };
        let (before, rest) = memory.split_at_mut(FRAME_AT);
        // A frame that fills its place may have been cut.
        let Some(frame) = rest.get(..len).filter(|frame| frame.len() < rest.len()) else {
            self.oversize += 1;
            return;
        };
        let header = before.last_chunk().filter(|_| header_len > 0);
        // A header that says nothing need not be read, nor written anew.
        if header == Some(&[0; HEADER_LEN]) && tag.is_none() && len <= FRAME_LEN_MAX {
            self.frames[self.len] = Received {
                start: at + FRAME_AT,
                len,
                offload: Offload::default(),
            };
            self.len += 1;
            return;
        }
        let decoded = header.map_or(Ok(Offload::default()), |header| {
            Offload::decode(*header, frame)
        });
        let Ok(mut offload) = decoded else {
            self.bad_offload += 1;
            return;
        };
        let mut start = FRAME_AT;
        if let Some(tag) = tag.filter(|_| len >= ADDRESSES_LEN) {
            memory.copy_within(start..start + ADDRESSES_LEN, start - TAG_LEN);
            memory[start + ADDRESSES_LEN - TAG_LEN..start + ADDRESSES_LEN].copy_from_slice(&tag);
            start -= TAG_LEN;
            len += TAG_LEN;
            offload = offload.with_tag();
        }
        if len > FRAME_LEN_MAX && !offload.is_super_frame() {
            self.oversize += 1;
            return;
        }
        // As it goes out, if nothing is put in or taken out.
        memory[start - HEADER_LEN..start].copy_from_slice(&offload.encode(0));
        self.frames[self.len] = Received {
            start: at + start,
            len,
            offload,
        };
        self.len += 1;
    }

    /// Counts a frame that the kernel could not hand over.
    pub(crate) fn refuse(&mut self) {
        self.bad_offload += 1;
    }

    /// Counts frames that the kernel has dropped before they could be received.
    pub(crate) fn miss(&mut self, frames: u64) {
        self.missed += frames;
    }

    /// Counts what a stream's peer has sent that is no frame.
    pub(crate) fn malform(&mut self) {
        self.malformed += 1;
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Octets of all frames.
    pub(crate) fn octets(&self) -> usize {
        let frames = &self.frames[..self.len];
        frames.iter().map(|received| received.len).sum()
    }

    /// Frame `index`, tag in place.
    pub(crate) fn frame(&self, index: usize) -> &[u8] {
        let received = &self.frames[index];
        &self.memory[received.start..received.start + received.len]
    }

    /// The frames refused since last asked, by reason.
    pub(crate) fn take_drops(&mut self) -> [(DropReason, u64); 4] {
        [
            (DropReason::Oversize, std::mem::take(&mut self.oversize)),
            (
                DropReason::BadOffload,
                std::mem::take(&mut self.bad_offload),
            ),
            (DropReason::ReceiveFull, std::mem::take(&mut self.missed)),
            (DropReason::BadFraming, std::mem::take(&mut self.malformed)),
        ]
    }

    /// Octets that `outgoing` has on the wire.
    pub(crate) fn octets_of(&self, outgoing: &Outgoing) -> usize {
        let received = &self.frames[outgoing.frame];
        received.len.saturating_add_signed(outgoing.shift())
    }

    /// What is left to do to `outgoing`, if anything.
    pub(crate) fn unfinished(&self, outgoing: &Outgoing) -> Option<Offload> {
        let offload = self.frames[outgoing.frame].offload;
        (!offload.is_finished()).then(|| offload.shifted(outgoing.shift()))
    }

    /// `outgoing` as it is written to a port with (`header_len` = [`HEADER_LEN`]) or without (0) virtio-net
    /// header.
    #[inline]
    pub(crate) fn written(&self, outgoing: &Outgoing, header_len: usize) -> Written<'_> {
        if outgoing.strip || outgoing.tag.is_some() {
            return self.rewritten(outgoing, header_len);
        }
        let received = &self.frames[outgoing.frame];
        let end = received.start + received.len;
        Written {
            head: [0; HEAD_LEN_MAX],
            head_len: 0,
            body: &self.memory[received.start - header_len..end],
            octets: received.len,
        }
    }

    /// The same of a frame that loses its tag, gets one, or another.
    #[inline(never)]
    fn rewritten(&self, outgoing: &Outgoing, header_len: usize) -> Written<'_> {
        let received = &self.frames[outgoing.frame];
        let frame = &self.memory[received.start..received.start + received.len];
        let (addresses, rest) = frame.split_at(ADDRESSES_LEN);
        let header = received.offload.encode(outgoing.shift());
        let tag = outgoing.tag.as_ref().map_or(&[][..], |tag| &tag[..]);
        let strip = if outgoing.strip { TAG_LEN } else { 0 };
        let mut written = Written {
            head: [0; HEAD_LEN_MAX],
            head_len: 0,
            body: &rest[strip..],
            octets: self.octets_of(outgoing),
        };
        for part in [&header[..header_len], addresses, tag] {
            written.head[written.head_len..written.head_len + part.len()].copy_from_slice(part);
            written.head_len += part.len();
        }
        written
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tag::Tci;
    use proptest::prelude::*;

    const HEADER: [u8; HEADER_LEN] = [0; HEADER_LEN];

    /// A batch that has received `frames`, each with the tag that the kernel took out.
    fn batch(frames: &[(&[u8], Option<[u8; TAG_LEN]>)]) -> Batch {
        let mut batch = Batch::new();
        for (place, (frame, _)) in batch.places(HEADER_LEN).into_iter().zip(frames) {
            let (header, octets) = place.split_at_mut(HEADER_LEN);
            header.copy_from_slice(&HEADER);
            let len = frame.len().min(octets.len());
            octets[..len].copy_from_slice(&frame[..len]);
        }
        for (place, (frame, tag)) in frames.iter().enumerate() {
            batch.accept(place, HEADER_LEN + frame.len(), HEADER_LEN, *tag);
        }
        batch
    }

    /// What a port without header gets; one with header gets the same behind it.
    fn sent(batch: &Batch, outgoing: &Outgoing) -> Vec<u8> {
        let written = batch.written(outgoing, 0);
        let octets = [written.head(), written.body].concat();
        assert_eq!(written.octets, octets.len());
        let with_header = batch.written(outgoing, HEADER_LEN);
        let both = [with_header.head(), with_header.body].concat();
        assert_eq!(
            (&both[..HEADER_LEN], &both[HEADER_LEN..]),
            (&HEADER[..], &octets[..])
        );
        assert_eq!(with_header.octets, octets.len());
        octets
    }

    #[test]
    fn a_stripped_tag_is_put_back() {
        let batch = batch(&[(b"destinsourceABCD", Some([0x81, 0, 0, 10]))]);
        assert_eq!(batch.frame(0), b"destinsource\x81\0\0\x0aABCD");
    }

    #[test]
    fn refused_frames_are_counted_and_leave_no_gap() {
        let (short, long) = (vec![1; 60], vec![2; FRAME_LEN_MAX + 1]);
        let cut = vec![3; PLACE_LEN];
        let mut batch = batch(&[(&short, None), (&long, None), (&cut, None), (&short, None)]);
        assert_eq!(batch.len(), 2);
        assert_eq!(batch.frame(1), short);
        assert_eq!(
            batch.take_drops(),
            [
                (DropReason::Oversize, 2),
                (DropReason::BadOffload, 0),
                (DropReason::ReceiveFull, 0),
                (DropReason::BadFraming, 0)
            ]
        );
        assert_eq!(batch.take_drops().map(|(_, frames)| frames), [0; 4]);
    }

    #[test]
    fn fewer_octets_than_a_header_are_no_frame() {
        let mut batch = Batch::new();
        batch.places(HEADER_LEN);
        batch.accept(0, HEADER_LEN - 1, HEADER_LEN, None);
        assert_eq!(batch.len(), 0);
        assert_eq!(batch.take_drops()[1], (DropReason::BadOffload, 1));
    }

    proptest! {
        #[test]
        fn a_frame_leaves_as_the_core_wants_it(
            frame in proptest::collection::vec(any::<u8>(), 18..200),
            strip: bool,
            tci: Option<[u8; 2]>,
        ) {
            let batch = batch(&[(&frame, None)]);
            let relayed = Relayed::new(batch.frame(0), strip, tci.map(Tci::from_octets));
            let mut wanted = Vec::new();
            relayed.write_to(&mut wanted);
            prop_assert_eq!(sent(&batch, &Outgoing::new(0, &relayed)), wanted);
        }
    }
}
