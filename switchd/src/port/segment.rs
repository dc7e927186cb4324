//! Finishing frames for a port that takes only finished ones: the checksum computed, a super-frame cut into the
//! frames that its sender meant.
//!
//! The pieces are those the kernel makes (`tcp_gso_segment`, `__udp_gso_segment`, `inet_gso_segment`): headers are
//! repeated, lengths and IPv4 identification go on, sequence numbers advance, FIN and PSH stay with the last piece,
//! CWR with the first. Pure: octets in, octets out. Whatever a frame's headers say, the answer is pieces or a
//! reason.

use std::ops::Range;

use super::batch::FRAME_LEN_MAX;
use super::headers::{Headers, Network};
use super::offload::{Offload, SegmentKind};

/// Pieces a super-frame becomes, at most: 64 KiB in segments of 48 octets, below which no TCP goes, are 1,366.
const PIECES_MAX: usize = 1400;

const TCP_SEQUENCE_AT: usize = 4;
const TCP_FLAGS_AT: usize = 13;
const TCP_CHECKSUM_AT: usize = 16;
const TCP_FIN_PSH: u8 = 0x09;
const TCP_CWR: u8 = 0x80;
const UDP_LEN_AT: usize = 4;
const UDP_CHECKSUM_AT: usize = 6;
const IPV4_LEN_AT: usize = 2;
const IPV4_ID_AT: usize = 4;
const IPV4_CHECKSUM_AT: usize = 10;
const IPV6_LEN_AT: usize = 4;
const IPV6_HEADER_LEN: usize = 40;

/// Why a frame cannot be finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SegmentError {
    /// Its headers do not hold what its virtio-net header promises, or end behind the frame.
    #[error("headers and offload contradict each other")]
    Headers,
    /// A piece would be longer than a frame, or there would be too many of them.
    #[error("{pieces} pieces of up to {len} octets")]
    Pieces {
        /// How many.
        pieces: usize,
        /// Octets of the longest.
        len: usize,
    },
}

/// Memory for the pieces of one frame. Grows with the first frames; then nothing is allocated.
#[derive(Debug, Default)]
pub struct Segmenter {
    /// The frame in one piece.
    whole: Vec<u8>,
    octets: Vec<u8>,
    pieces: Vec<Range<usize>>,
}

impl Segmenter {
    /// The finished frames of `head` followed by `body`, a frame of which `offload` says what is left to do.
    ///
    /// # Errors
    /// See [`SegmentError`].
    pub fn finish(
        &mut self,
        head: &[u8],
        body: &[u8],
        offload: &Offload,
    ) -> Result<impl Iterator<Item = &[u8]>, SegmentError> {
        self.whole.clear();
        self.whole.extend_from_slice(head);
        self.whole.extend_from_slice(body);
        self.octets.clear();
        self.pieces.clear();
        match offload.segments() {
            Some((kind, size)) => self.cut(kind, usize::from(size), offload)?,
            None => self.sum(offload)?,
        }
        let octets = &self.octets;
        Ok(self.pieces.iter().map(|piece| &octets[piece.clone()]))
    }

    /// Computes the checksum of a frame that is no super-frame.
    fn sum(&mut self, offload: &Offload) -> Result<(), SegmentError> {
        self.octets.extend_from_slice(&self.whole);
        if let Some((start, offset)) = offload.checksum() {
            let summed = self.octets.get_mut(start..).ok_or(SegmentError::Headers)?;
            // The field holds the sum of the pseudo-header and is summed with the rest.
            let sum = finished(add(0, summed));
            let field = summed.get_mut(offset..offset + 2);
            field
                .ok_or(SegmentError::Headers)?
                .copy_from_slice(&sum.to_be_bytes());
        }
        self.pieces.push(0..self.octets.len());
        Ok(())
    }

    fn cut(
        &mut self,
        kind: SegmentKind,
        size: usize,
        offload: &Offload,
    ) -> Result<(), SegmentError> {
        let headers = Headers::of(&self.whole, kind).ok_or(SegmentError::Headers)?;
        let checksum_at = match kind {
            SegmentKind::Tcp4 | SegmentKind::Tcp6 => TCP_CHECKSUM_AT,
            SegmentKind::Udp => UDP_CHECKSUM_AT,
        };
        let place = (headers.transport_at, checksum_at);
        if offload.checksum().is_some_and(|said| said != place) {
            return Err(SegmentError::Headers);
        }
        let payload = self.whole.len() - headers.payload_at;
        let pieces = payload.div_ceil(size.max(1)).max(1);
        let len = headers.payload_at + size.min(payload);
        if size == 0 || pieces > PIECES_MAX || len > FRAME_LEN_MAX {
            return Err(SegmentError::Pieces { pieces, len });
        }
        let pseudo = headers.pseudo_sum(&self.whole, offload.checksum().is_some(), checksum_at);
        for index in 0..pieces {
            let from = headers.payload_at + index * size;
            let to = (from + size).min(self.whole.len());
            let start = self.octets.len();
            self.octets
                .extend_from_slice(&self.whole[..headers.payload_at]);
            self.octets.extend_from_slice(&self.whole[from..to]);
            let piece = &mut self.octets[start..];
            let place = Place {
                index,
                is_last: index + 1 == pieces,
                offset: index * size,
            };
            network(piece, &headers, index);
            transport(piece, &headers, kind, &place, pseudo);
            self.pieces.push(start..self.octets.len());
        }
        Ok(())
    }
}

/// Where a piece is among the pieces.
struct Place {
    index: usize,
    is_last: bool,
    /// Octets of payload before it.
    offset: usize,
}

/// Lengths, and of IPv4 identification and checksum.
fn network(piece: &mut [u8], headers: &Headers, index: usize) {
    let at = headers.network_at;
    let len = piece.len() - at;
    match headers.network {
        Network::V4 => {
            put(piece, at + IPV4_LEN_AT, low16(len));
            let id = get(piece, at + IPV4_ID_AT).wrapping_add(low16(index));
            put(piece, at + IPV4_ID_AT, id);
            put(piece, at + IPV4_CHECKSUM_AT, 0);
            let sum = !folded(add(0, &piece[at..headers.transport_at]));
            put(piece, at + IPV4_CHECKSUM_AT, sum);
        }
        Network::V6 => put(piece, at + IPV6_LEN_AT, low16(len - IPV6_HEADER_LEN)),
    }
}

/// Sequence number and flags, or length; and the checksum, which begins with `pseudo`.
fn transport(piece: &mut [u8], headers: &Headers, kind: SegmentKind, place: &Place, pseudo: u64) {
    let at = headers.transport_at;
    let len = piece.len() - at;
    let checksum_at = match kind {
        SegmentKind::Tcp4 | SegmentKind::Tcp6 => {
            let sequence = at + TCP_SEQUENCE_AT;
            let [a, b] = get(piece, sequence).to_be_bytes();
            let [c, d] = get(piece, sequence + 2).to_be_bytes();
            let offset = u32::try_from(place.offset).unwrap_or(u32::MAX);
            let here = u32::from_be_bytes([a, b, c, d]).wrapping_add(offset);
            piece[sequence..sequence + 4].copy_from_slice(&here.to_be_bytes());
            if !place.is_last {
                piece[at + TCP_FLAGS_AT] &= !TCP_FIN_PSH;
            }
            if place.index > 0 {
                piece[at + TCP_FLAGS_AT] &= !TCP_CWR;
            }
            at + TCP_CHECKSUM_AT
        }
        SegmentKind::Udp => {
            put(piece, at + UDP_LEN_AT, low16(len));
            at + UDP_CHECKSUM_AT
        }
    };
    put(piece, checksum_at, 0);
    let sum = finished(add(pseudo + len as u64, &piece[at..]));
    put(piece, checksum_at, sum);
}

impl Headers {
    /// The sum of the pseudo-header without the length. Its sender has left it in the checksum field, with the
    /// length of the whole; where it has not, it is made from the addresses.
    fn pseudo_sum(&self, frame: &[u8], is_in_field: bool, checksum_at: usize) -> u64 {
        if is_in_field {
            let len = (frame.len() - self.transport_at) as u64;
            let field = u64::from(get(frame, self.transport_at + checksum_at));
            // Subtraction in one's complement.
            return field + u64::from(!folded(len));
        }
        add(u64::from(self.protocol), &frame[self.addresses()])
    }

    fn addresses(&self) -> Range<usize> {
        match self.network {
            Network::V4 => self.network_at + 12..self.network_at + 20,
            Network::V6 => self.network_at + 8..self.network_at + 40,
        }
    }
}

fn get(octets: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([octets[at], octets[at + 1]])
}

fn put(octets: &mut [u8], at: usize, value: u16) {
    octets[at..at + 2].copy_from_slice(&value.to_be_bytes());
}

/// Lengths and counts here are below 64 Ki: a frame of more is refused before.
fn low16(value: usize) -> u16 {
    u16::try_from(value & 0xffff).expect("16 bits")
}

/// Adds `octets` to a sum of 16-bit words that is folded later (RFC 1071).
fn add(sum: u64, octets: &[u8]) -> u64 {
    let mut words = octets.chunks_exact(4);
    let mut sum = sum;
    for word in words.by_ref() {
        let word = u32::from_be_bytes([word[0], word[1], word[2], word[3]]);
        // The halves fold into one another later.
        sum += u64::from(word);
    }
    let mut last = [0; 4];
    let rest = words.remainder();
    last[..rest.len()].copy_from_slice(rest);
    sum + u64::from(u32::from_be_bytes(last))
}

fn folded(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    u16::try_from(sum).expect("folded")
}

/// The checksum for a sum; zero would say "none" in UDP and is the same as its complement in TCP.
fn finished(sum: u64) -> u16 {
    match !folded(sum) {
        0 => 0xffff,
        checksum => checksum,
    }
}

#[cfg(test)]
mod tests;
