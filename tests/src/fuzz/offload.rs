//! Virtio-net headers and segmentation: whatever header comes with whatever frame, the answer is a reason, or frames
//! that are what the sender meant. Read by `etherparse`, which shares nothing with the switch's own reader.

use etherparse::{NetSlice, SlicedPacket, TransportSlice};
use switchd::port::FRAME_LEN_MAX;
use switchd::port::offload::{HEADER_LEN, Offload};
use switchd::port::segment::Segmenter;

const F_NEEDS_CSUM: u8 = 1;
const ADDRESSES_LEN: usize = 12;

/// A header, and the frame it came with.
pub(super) fn run(octets: &[u8]) {
    let Some((header, frame)) = octets.split_first_chunk::<HEADER_LEN>() else {
        return;
    };
    let Ok(offload) = Offload::decode(*header, frame) else {
        return;
    };
    let again = offload.encode(0);
    let read = Offload::decode(again, frame).expect("what was read can be written and read");
    assert_eq!(read.encode(0), again);
    // In two parts, as a frame leaves that gets a tag.
    let (head, body) = frame.split_at(ADDRESSES_LEN.min(frame.len()));
    let mut segmenter = Segmenter::default();
    let Ok(pieces) = segmenter.finish(head, body, &offload) else {
        return;
    };
    let pieces: Vec<&[u8]> = pieces.collect();
    if offload.is_super_frame() {
        segments(*header, frame, &pieces);
    } else {
        let [piece] = pieces[..] else {
            panic!("{} pieces of a frame", pieces.len());
        };
        whole(*header, frame, piece);
    }
}

fn field(header: [u8; HEADER_LEN], at: usize) -> usize {
    usize::from(u16::from_ne_bytes([header[at], header[at + 1]]))
}

/// One's complement sum of 16-bit words.
fn sum(octets: &[u8]) -> u32 {
    let words = octets.chunks(2);
    let sum = words.fold(0_u32, |sum, word| {
        let low = word.get(1).copied().unwrap_or(0);
        fold(sum + u32::from(u16::from_be_bytes([word[0], low])))
    });
    fold(sum)
}

fn fold(sum: u32) -> u32 {
    let once = (sum & 0xffff) + (sum >> 16);
    (once & 0xffff) + (once >> 16)
}

/// Nothing but the checksum differs, and with the sum that stood in its place it makes all ones.
fn whole(header: [u8; HEADER_LEN], frame: &[u8], piece: &[u8]) {
    if header[0] & F_NEEDS_CSUM == 0 {
        assert_eq!(piece, frame);
        return;
    }
    let (start, offset) = (field(header, 6), field(header, 8));
    let place = start + offset..start + offset + 2;
    let mut expected = frame.to_vec();
    expected[place.clone()].copy_from_slice(&piece[place.clone()]);
    assert_eq!(piece, expected);
    // At an odd place the octets belong to two words: nobody's protocol.
    if offset.is_multiple_of(2) {
        assert_eq!(fold(sum(&piece[start..]) + sum(&frame[place])), 0xffff);
    }
}

/// The headers before the payload, the sum of the pseudo-header without length, and where the transport begins.
struct Read<'a> {
    payload: &'a [u8],
    pseudo: u32,
    transport: &'a [u8],
}

fn read(piece: &[u8]) -> Option<Read<'_>> {
    let packet = SlicedPacket::from_ethernet(piece).ok()?;
    let (addresses, transport) = match packet.net? {
        NetSlice::Ipv4(ip) => {
            assert_eq!(sum(ip.header().slice()), 0xffff, "checksum of IPv4");
            let header = ip.header();
            (
                sum(&header.source()) + sum(&header.destination()),
                ip.payload().payload,
            )
        }
        NetSlice::Ipv6(ip) => {
            let header = ip.header();
            (
                sum(&header.source()) + sum(&header.destination()),
                ip.payload().payload,
            )
        }
        NetSlice::Arp(_) => return None,
    };
    let (payload, protocol) = match packet.transport? {
        TransportSlice::Tcp(tcp) => (tcp.payload(), 6),
        TransportSlice::Udp(udp) => (udp.payload(), 17),
        TransportSlice::Icmpv4(_) | TransportSlice::Icmpv6(_) | TransportSlice::Igmp(_) => {
            return None;
        }
    };
    Some(Read {
        payload,
        pseudo: fold(fold(addresses) + protocol),
        transport,
    })
}

/// Each piece is a frame with right lengths, none is longer than one, together they carry what the super-frame
/// carried; and where the sender's own sum was right, so are the checksums.
fn segments(header: [u8; HEADER_LEN], frame: &[u8], pieces: &[&[u8]]) {
    let size = field(header, 4);
    let mut carried = Vec::new();
    let mut head = 0;
    for (index, piece) in pieces.iter().enumerate() {
        assert!(piece.len() <= FRAME_LEN_MAX);
        assert_eq!(piece[..ADDRESSES_LEN], frame[..ADDRESSES_LEN]);
        let Some(read) = read(piece) else {
            // The reader knows fewer orders of extension headers than there are.
            let is_v6 = header[1] & 0x7f != 1;
            assert!(is_v6, "a piece that is none: {piece:02x?}");
            return;
        };
        head = piece.len() - read.payload.len();
        let is_last = index + 1 == pieces.len();
        assert!(read.payload.len() == size || (is_last && read.payload.len() < size));
        carried.extend_from_slice(read.payload);
        let len = sum(&u32::try_from(read.transport.len())
            .expect("short")
            .to_be_bytes());
        if is_trusted(header, frame, &read, piece.len()) {
            assert_eq!(fold(sum(read.transport) + fold(read.pseudo + len)), 0xffff);
        }
    }
    assert_eq!(carried, frame[head..]);
}

/// Whether the checksum was left to the switch altogether, or the sender has left the right sum for it.
fn is_trusted(header: [u8; HEADER_LEN], frame: &[u8], read: &Read<'_>, piece: usize) -> bool {
    if header[0] & F_NEEDS_CSUM == 0 {
        return true;
    }
    let at = field(header, 6) + field(header, 8);
    let transport_at = piece - read.transport.len();
    let len = u32::try_from(frame.len() - transport_at).expect("64 KiB");
    let right = fold(read.pseudo + sum(&len.to_be_bytes()));
    sum(&frame[at..at + 2]) == right
}
