//! The virtio-net header: what a frame leaves for the last device to do.
//!
//! A host with default offloads sends frames with an unfinished checksum, and TCP in super-frames of up to
//! 64 KiB. Both cross the switch whole, with this header telling the receiving side's kernel what is left
//! (virtio 1.2, 5.1.6). A header is checked once, when the frame comes in.

use super::headers::network_layer;
use crate::tag::{ADDRESSES_LEN, TAG_LEN};

/// Octets of the header on the ports of this crate: `struct virtio_net_hdr`, in the machine's byte order.
pub const HEADER_LEN: usize = 10;

const F_NEEDS_CSUM: u8 = 1;
const F_DATA_VALID: u8 = 2;
const GSO_NONE: u8 = 0;
const GSO_TCPV4: u8 = 1;
const GSO_TCPV6: u8 = 4;
const GSO_UDP_L4: u8 = 5;
const GSO_ECN: u8 = 0x80;

pub(super) const ETHERTYPE_IPV4: u16 = 0x0800;
pub(super) const ETHERTYPE_IPV6: u16 = 0x86dd;
pub(super) const ETHERTYPE_C_TAG: u16 = 0x8100;
pub(super) const ETHERTYPE_S_TAG: u16 = 0x88a8;
pub(super) const TAGS_MAX: usize = 3;

const TCP_CHECKSUM_AT: u16 = 16;
const UDP_CHECKSUM_AT: u16 = 6;
pub(super) const PROTOCOL_TCP: u8 = 6;
pub(super) const PROTOCOL_UDP: u8 = 17;
const IPV4_PROTOCOL_AT: usize = 9;

/// What is left to be done to a frame. [`Offload::default`] is a finished frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offload {
    /// Where the checksum goes that nobody has computed yet.
    checksum: Option<Checksum>,
    /// Whoever sent the frame vouches for its checksum.
    verified: bool,
    /// The frame is a super-frame, to be cut.
    segments: Option<Segments>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Checksum {
    /// First octet summed, from the start of the frame.
    start: u16,
    /// Place of the sum, from `start`.
    offset: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Segments {
    kind: SegmentKind,
    /// TCP with CWR set in the first segment only.
    ecn: bool,
    /// Octets of payload in each frame it becomes.
    size: u16,
    /// Octets of headers, a hint.
    header_len: u16,
}

/// What a super-frame is cut into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SegmentKind {
    Tcp4,
    Tcp6,
    Udp,
}

/// Why a header was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OffloadError {
    /// A flag or kind of super-frame that was not asked for.
    #[error("unknown flags {flags:#04x} or super-frame kind {kind:#04x}")]
    Unknown {
        /// The flags octet.
        flags: u8,
        /// The kind octet.
        kind: u8,
    },
    /// The checksum lies outside the frame or in its Ethernet header.
    #[error("checksum of {start}+{offset} in a frame of {len} octets")]
    Checksum {
        /// First octet summed.
        start: u16,
        /// Place of the sum from there.
        offset: u16,
        /// Octets of the frame.
        len: usize,
    },
    /// A super-frame cut into nothing, with headers longer than itself, or of another protocol than it says.
    #[error("a super-frame that is none")]
    Segments,
}

impl Offload {
    /// Reads `header`, and checks it against the `frame` it came with. Total: any octets are an answer.
    ///
    /// # Errors
    /// The header promises what the frame does not hold.
    pub fn decode(header: [u8; HEADER_LEN], frame: &[u8]) -> Result<Self, OffloadError> {
        let [flags, kind, h0, h1, s0, s1, c0, c1, o0, o1] = header;
        if flags & !(F_NEEDS_CSUM | F_DATA_VALID) != 0 {
            return Err(OffloadError::Unknown { flags, kind });
        }
        let checksum = (flags & F_NEEDS_CSUM != 0).then_some(Checksum {
            start: u16::from_ne_bytes([c0, c1]),
            offset: u16::from_ne_bytes([o0, o1]),
        });
        if let Some(checksum) = checksum {
            checksum.check(frame.len())?;
        }
        let segment_kind = match kind & !GSO_ECN {
            GSO_NONE if kind == GSO_NONE => None,
            GSO_TCPV4 => Some(SegmentKind::Tcp4),
            GSO_TCPV6 => Some(SegmentKind::Tcp6),
            GSO_UDP_L4 => Some(SegmentKind::Udp),
            _ => return Err(OffloadError::Unknown { flags, kind }),
        };
        let segments = segment_kind.map(|segment_kind| Segments {
            kind: segment_kind,
            ecn: kind & GSO_ECN != 0,
            size: u16::from_ne_bytes([s0, s1]),
            header_len: u16::from_ne_bytes([h0, h1]),
        });
        if let Some(segments) = segments {
            segments.check(checksum, frame)?;
        }
        Ok(Self {
            checksum,
            verified: flags & F_DATA_VALID != 0,
            segments,
        })
    }

    /// Whether the frame may be longer than a frame: it is cut before it meets a wire.
    #[must_use]
    pub fn is_super_frame(&self) -> bool {
        self.segments.is_some()
    }

    /// Whether nothing is left to do.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.checksum.is_none() && self.segments.is_none()
    }

    /// Where the sum of the checksum that is to be computed begins, and its place from there.
    pub(super) fn checksum(&self) -> Option<(usize, usize)> {
        let checksum = self.checksum?;
        Some((usize::from(checksum.start), usize::from(checksum.offset)))
    }

    /// What the frame is cut into, and octets of payload in each piece.
    pub(super) fn segments(&self) -> Option<(SegmentKind, u16)> {
        self.segments.map(|segments| (segments.kind, segments.size))
    }

    /// The header for the same frame after octets were put in (positive) or taken out behind the addresses.
    #[must_use]
    pub fn encode(&self, shift: isize) -> [u8; HEADER_LEN] {
        let mut header = [0; HEADER_LEN];
        if self.verified {
            header[0] = F_DATA_VALID;
        }
        if let Some(checksum) = self.checksum {
            header[0] = F_NEEDS_CSUM;
            header[6..8].copy_from_slice(&shifted(checksum.start, shift).to_ne_bytes());
            header[8..10].copy_from_slice(&checksum.offset.to_ne_bytes());
        }
        if let Some(segments) = self.segments {
            header[1] = segments.kind.code() | if segments.ecn { GSO_ECN } else { 0 };
            header[2..4].copy_from_slice(&shifted(segments.header_len, shift).to_ne_bytes());
            header[4..6].copy_from_slice(&segments.size.to_ne_bytes());
        }
        header
    }

    /// The same work on the frame after a tag was put back in.
    #[must_use]
    pub(crate) fn with_tag(self) -> Self {
        self.shifted(TAG_LEN.cast_signed())
    }

    /// The same work on the frame after octets were put in or taken out behind the addresses.
    #[must_use]
    pub(crate) fn shifted(self, shift: isize) -> Self {
        Self {
            checksum: self.checksum.map(|checksum| Checksum {
                start: shifted(checksum.start, shift),
                ..checksum
            }),
            segments: self.segments.map(|segments| Segments {
                header_len: shifted(segments.header_len, shift),
                ..segments
            }),
            ..self
        }
    }
}

/// `position` moved by `shift`; a frame long enough to meet the bound has no header there.
fn shifted(position: u16, shift: isize) -> u16 {
    let moved = usize::from(position).saturating_add_signed(shift);
    u16::try_from(moved).unwrap_or(u16::MAX)
}

impl Checksum {
    fn check(self, len: usize) -> Result<(), OffloadError> {
        let end = usize::from(self.start) + usize::from(self.offset) + 2;
        if usize::from(self.start) < ADDRESSES_LEN + 2 || end > len {
            return Err(OffloadError::Checksum {
                start: self.start,
                offset: self.offset,
                len,
            });
        }
        Ok(())
    }
}

impl Segments {
    fn check(self, checksum: Option<Checksum>, frame: &[u8]) -> Result<(), OffloadError> {
        let (ethertype, at) = network_layer(frame).ok_or(OffloadError::Segments)?;
        let payload = frame.get(at..).unwrap_or_default();
        let version = payload.first().map(|octet| octet >> 4);
        let ipv4 = ethertype == ETHERTYPE_IPV4 && version == Some(4);
        let ipv6 = ethertype == ETHERTYPE_IPV6 && version == Some(6);
        // IPv6 may have extension headers; whoever cuts the frame walks them, and so does the kernel.
        let protocol = payload.get(IPV4_PROTOCOL_AT).copied();
        let fits = match self.kind {
            SegmentKind::Tcp4 => ipv4 && protocol == Some(PROTOCOL_TCP),
            SegmentKind::Tcp6 => ipv6,
            SegmentKind::Udp => ipv6 || (ipv4 && protocol == Some(PROTOCOL_UDP)),
        };
        let place = match self.kind {
            SegmentKind::Tcp4 | SegmentKind::Tcp6 => TCP_CHECKSUM_AT,
            SegmentKind::Udp => UDP_CHECKSUM_AT,
        };
        let sum_fits = checksum.is_none_or(|checksum| checksum.offset == place);
        let headers_fit = usize::from(self.header_len) <= frame.len();
        if !fits || !sum_fits || !headers_fit || self.size == 0 {
            return Err(OffloadError::Segments);
        }
        Ok(())
    }
}

impl SegmentKind {
    fn code(self) -> u8 {
        match self {
            Self::Tcp4 => GSO_TCPV4,
            Self::Tcp6 => GSO_TCPV6,
            Self::Udp => GSO_UDP_L4,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// TCP over IPv4 in an untagged frame: headers end at 54, the checksum is at 34 + 16.
    fn tcp4(len: usize) -> Vec<u8> {
        let mut frame = vec![0; len];
        frame[12..14].copy_from_slice(&[0x08, 0x00]);
        frame[14] = 0x45;
        frame[23] = PROTOCOL_TCP;
        frame
    }

    fn header(flags: u8, kind: u8, fields: [u16; 4]) -> [u8; HEADER_LEN] {
        let mut header = [flags, kind, 0, 0, 0, 0, 0, 0, 0, 0];
        for (place, field) in header[2..].chunks_exact_mut(2).zip(fields) {
            place.copy_from_slice(&field.to_ne_bytes());
        }
        header
    }

    #[test]
    fn a_super_frame_keeps_its_header() {
        let sent = header(F_NEEDS_CSUM, GSO_TCPV4 | GSO_ECN, [54, 1448, 34, 16]);
        let offload = Offload::decode(sent, &tcp4(60_000)).unwrap();
        assert!(offload.is_super_frame());
        assert_eq!(offload.encode(0), sent);
    }

    #[test]
    fn positions_move_with_the_tag() {
        let sent = header(F_NEEDS_CSUM, GSO_TCPV4, [54, 1448, 34, 16]);
        let tagged = header(F_NEEDS_CSUM, GSO_TCPV4, [58, 1448, 38, 16]);
        let offload = Offload::decode(sent, &tcp4(60_000)).unwrap();
        assert_eq!(offload.encode(4), tagged);
        assert_eq!(offload.with_tag().encode(0), tagged);
        assert_eq!(offload.with_tag().encode(-4), sent);
    }

    #[test]
    fn a_tagged_super_frame_is_looked_into_behind_its_tags() {
        let mut frame = tcp4(9000);
        frame.splice(12..12, [0x88, 0xa8, 0, 5, 0x81, 0, 0, 10]);
        let sent = header(F_NEEDS_CSUM, GSO_TCPV4, [62, 1448, 42, 16]);
        assert!(Offload::decode(sent, &frame).is_ok());
    }

    #[test]
    fn headers_that_lie_are_refused() {
        let frame = tcp4(200);
        for (flags, kind, fields) in [
            (4, GSO_NONE, [0, 0, 0, 0]),
            (0, GSO_ECN, [0, 0, 0, 0]),
            (0, 3, [54, 1000, 0, 0]),
            (0, 7, [54, 1000, 0, 0]),
            (F_NEEDS_CSUM, GSO_NONE, [0, 0, 13, 16]),
            (F_NEEDS_CSUM, GSO_NONE, [0, 0, 34, 165]),
            (F_NEEDS_CSUM, GSO_NONE, [0, 0, u16::MAX, u16::MAX]),
            (F_NEEDS_CSUM, GSO_TCPV4, [54, 0, 34, 16]),
            (F_NEEDS_CSUM, GSO_TCPV4, [201, 100, 34, 16]),
            (F_NEEDS_CSUM, GSO_TCPV4, [54, 100, 34, 6]),
            (F_NEEDS_CSUM, GSO_TCPV6, [54, 100, 34, 16]),
            (F_NEEDS_CSUM, GSO_UDP_L4, [54, 100, 34, 6]),
        ] {
            let sent = header(flags, kind, fields);
            assert!(Offload::decode(sent, &frame).is_err(), "{sent:?}");
        }
    }

    proptest! {
        #[test]
        fn any_header_on_any_frame_is_an_answer_that_round_trips(
            sent: [u8; HEADER_LEN],
            frame in proptest::collection::vec(any::<u8>(), 0..100),
        ) {
            if let Ok(offload) = Offload::decode(sent, &frame) {
                prop_assert_eq!(Offload::decode(offload.encode(0), &frame), Ok(offload.normal()));
            }
        }

        #[test]
        fn near_misses_are_answers_too(
            flags in 0_u8..4, kind in prop::sample::select(vec![0_u8, 1, 4, 5, 0x81]),
            header_len in 0_u16..80, size in 0_u16..3, start in 10_u16..70, offset in 0_u16..20,
        ) {
            let _ = Offload::decode(header(flags, kind, [header_len, size, start, offset]), &tcp4(64));
        }
    }

    impl Offload {
        /// An unfinished checksum cannot be a verified one as well; the header says the former.
        fn normal(self) -> Self {
            Self {
                verified: self.verified && self.checksum.is_none(),
                ..self
            }
        }
    }
}
