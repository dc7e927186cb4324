//! Segmentation against the kernel's, octet by octet, and against whatever may come.

use std::os::fd::AsFd;

use nix::sched::{CloneFlags, unshare};
use proptest::prelude::*;
use tun_tap::{Iface, Mode};

use super::*;
use crate::link::{Namespaces, Setting};
use crate::port::offload::HEADER_LEN;
use crate::sys::mmsg::Messages;
use crate::sys::packet;

const C_TAG: [u8; 4] = [0x81, 0, 0x20, 10];
const S_TAG: [u8; 4] = [0x88, 0xa8, 0, 5];

/// A super-frame of which only the pseudo-header's sum is in the checksum field, and its virtio-net header.
#[derive(Clone, Debug)]
struct Super {
    frame: Vec<u8>,
    header: [u8; HEADER_LEN],
}

/// What a sender gives.
#[derive(Clone, Copy, Debug)]
struct Sender<'a> {
    tags: &'a [[u8; 4]],
    version: u8,
    is_tcp: bool,
    /// Octets of IPv4 options or IPv6 extension headers, and of TCP options.
    extra: (usize, usize),
    flags: u8,
    payload: usize,
    size: u16,
}

const SENDER: Sender<'_> = Sender {
    tags: &[],
    version: 4,
    is_tcp: true,
    extra: (0, 12),
    flags: 0x18,
    payload: 10_000,
    size: 1448,
};

impl Sender<'_> {
    fn frame(&self) -> Super {
        let mut frame = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1];
        frame.extend(self.tags.concat());
        let (network, options) = self.extra;
        let protocol = if self.is_tcp { 6 } else { 17 };
        let transport = if self.is_tcp { 20 + options } else { 8 };
        let segment = transport + self.payload;
        let addresses = if self.version == 4 {
            frame.extend([8, 0]);
            let octets = u8::try_from(20 + network).unwrap();
            let [a, b] = low16(usize::from(octets) + segment).to_be_bytes();
            let start = frame.len();
            frame.extend([
                0x40 | (octets / 4),
                0,
                a,
                b,
                0xff,
                0xfe,
                0x40,
                0,
                64,
                protocol,
                0,
                0,
            ]);
            frame.extend([10, 0, 0, 1, 10, 0, 0, 2]);
            frame.extend(vec![1; network]);
            let sum = !folded(add(0, &frame[start..]));
            put(&mut frame, start + 10, sum);
            start + 12..start + 20
        } else {
            frame.extend([0x86, 0xdd]);
            let start = frame.len();
            let [a, b] = low16(network + segment).to_be_bytes();
            let next = if network > 0 { DESTINATION } else { protocol };
            frame.extend([0x60, 0, 0, 0, a, b, next, 64]);
            frame.extend([0xfd; 32]);
            if network > 0 {
                // Padding options.
                let octets = u8::try_from(network / 8 - 1).unwrap();
                let pad = u8::try_from(network - 4).unwrap();
                frame.extend([protocol, octets, 1, pad]);
                frame.extend(vec![0; network - 4]);
            }
            start + 8..start + 40
        };
        let at = frame.len();
        frame.extend([0x13, 0x88, 0x14, 0x51]);
        let checksum_at = if self.is_tcp {
            let offset = u8::try_from(transport / 4).unwrap() << 4;
            frame.extend([
                0xff, 0xff, 0xf0, 0, 0, 0, 0, 9, offset, self.flags, 1, 0, 0, 0, 0, 0,
            ]);
            frame.extend(vec![1; options]);
            TCP_CHECKSUM_AT
        } else {
            let [a, b] = low16(segment).to_be_bytes();
            frame.extend([a, b, 0, 0]);
            UDP_CHECKSUM_AT
        };
        let pseudo = add(u64::from(protocol) + segment as u64, &frame[addresses]);
        put(&mut frame, at + checksum_at, folded(pseudo));
        frame.extend((0..self.payload).map(|i| i.to_le_bytes()[0] ^ i.to_le_bytes()[1]));
        let kind = match (self.is_tcp, self.version) {
            (true, 4) => 1,
            (true, _) => 4,
            (false, _) => 5,
        };
        let mut header = [1, kind, 0, 0, 0, 0, 0, 0, 0, 0];
        if self.size == 0 {
            header[1] = 0;
        }
        let positions = [
            low16(at + transport),
            self.size,
            low16(at),
            low16(checksum_at),
        ];
        for (place, position) in header[2..].chunks_exact_mut(2).zip(positions) {
            place.copy_from_slice(&position.to_ne_bytes());
        }
        Super { frame, header }
    }
}

const DESTINATION: u8 = 60;

fn ours(sent: &Super) -> Vec<Vec<u8>> {
    let offload = Offload::decode(sent.header, &sent.frame).unwrap();
    let mut segmenter = Segmenter::default();
    let (head, body) = sent.frame.split_at(16);
    let pieces = segmenter.finish(head, body, &offload).unwrap();
    pieces.map(<[u8]>::to_vec).collect()
}

/// What the kernel makes of frames sent to a device that takes only finished ones.
struct Kernel {
    socket: std::os::fd::OwnedFd,
    device: Iface,
}

impl Kernel {
    /// Leaves the calling thread in a new namespace.
    fn new() -> Self {
        unshare(CloneFlags::CLONE_NEWNET).expect("this test needs root");
        let device = Iface::without_packet_info("k0", Mode::Tap).unwrap();
        let mut namespaces = Namespaces::new().unwrap();
        let home = namespaces.home_mut();
        let link = home.by_name("k0").unwrap().unwrap();
        let quiet = Setting::AddressGeneration(crate::link::ADDRESS_GENERATION_NONE);
        home.set(link.index, quiet).unwrap();
        home.set(link.index, Setting::Up(true)).unwrap();
        let socket = packet::socket().unwrap();
        packet::turn_on(socket.as_fd(), packet::Switch::VnetHeader).unwrap();
        packet::bind(socket.as_fd(), link.index).unwrap();
        Self { socket, device }
    }

    fn cut(&self, sent: &Super, pieces: usize) -> Vec<Vec<u8>> {
        let mut messages = Messages::new();
        let mut sends = messages.sends();
        sends.push(&sent.header, &sent.frame, sent.frame.len());
        assert_eq!(sends.send(self.socket.as_fd(), 0).unwrap(), 1);
        let mut buffer = vec![0; 1 << 17];
        let mut read = || {
            let octets = self.device.recv(&mut buffer).unwrap();
            buffer[..octets].to_vec()
        };
        (0..pieces).map(|_| read()).collect()
    }
}

#[test]
fn pieces_are_the_kernels_octet_by_octet() {
    let kernel = std::thread::spawn(|| {
        let kernel = Kernel::new();
        let mut compared = 0;
        for tags in [&[][..], &[C_TAG], &[S_TAG, C_TAG]] {
            for version in [4, 6] {
                for extra in [(0, 12), (8, 0)] {
                    for (is_tcp, size) in [
                        (true, 1448),
                        (true, 536),
                        (true, 0),
                        (false, 1200),
                        (false, 0),
                    ] {
                        for flags in [0x10, 0x18, 0x99] {
                            let payload = if size == 0 { 1001 } else { 10_000 };
                            let sender = Sender {
                                tags,
                                version,
                                is_tcp,
                                extra,
                                flags,
                                payload,
                                size,
                            };
                            let sent = sender.frame();
                            let ours = ours(&sent);
                            assert_eq!(ours, kernel.cut(&sent, ours.len()), "{sender:?}");
                            compared += ours.len();
                        }
                    }
                }
            }
        }
        assert!(compared > 1000);
    });
    kernel.join().unwrap();
}

#[test]
fn a_super_frame_without_a_pseudo_sum_gets_the_same_checksums() {
    for version in [4, 6] {
        let sent = Sender { version, ..SENDER }.frame();
        let mut finished = sent.clone();
        finished.header[0] = 0;
        assert_eq!(ours(&sent), ours(&finished));
    }
}

#[test]
fn sizes_that_lie_are_refused() {
    for (size, payload, wanted) in [
        (
            1,
            60_000,
            SegmentError::Pieces {
                pieces: 60_000,
                len: 67,
            },
        ),
        (
            20_000,
            60_000,
            SegmentError::Pieces {
                pieces: 3,
                len: 20_066,
            },
        ),
    ] {
        let sent = Sender {
            size,
            payload,
            ..SENDER
        }
        .frame();
        let offload = Offload::decode(sent.header, &sent.frame).unwrap();
        let mut segmenter = Segmenter::default();
        let error = segmenter.finish(&sent.frame, &[], &offload).err();
        assert_eq!(error, Some(wanted));
    }
}

fn any_sender() -> impl Strategy<Value = Sender<'static>> {
    let tags = prop::sample::select(vec![&[][..], &[C_TAG], &[S_TAG, C_TAG]]);
    let extra = (prop::sample::select(vec![0_usize, 8]), 0_usize..10);
    (
        tags,
        prop::sample::select(vec![4_u8, 6]),
        any::<bool>(),
        extra,
        any::<u8>(),
        1_usize..60_000,
        48_u16..9000,
    )
        .prop_map(
            |(tags, version, is_tcp, (network, options), flags, payload, size)| Sender {
                tags,
                version,
                is_tcp,
                extra: (network, 4 * options),
                flags,
                payload,
                size,
            },
        )
}

proptest! {
    #[test]
    fn pieces_carry_the_payload_and_sum_up(sender in any_sender()) {
        let sent = sender.frame();
        let kind = if !sender.is_tcp { SegmentKind::Udp } else if sender.version == 4 { SegmentKind::Tcp4 } else { SegmentKind::Tcp6 };
        let headers = Headers::of(&sent.frame, kind).unwrap();
        let mut payload = Vec::new();
        for piece in ours(&sent) {
            let held = Headers::of(&piece, kind).unwrap();
            prop_assert_eq!(held.payload_at, headers.payload_at);
            let len = (piece.len() - held.transport_at) as u64;
            let pseudo = add(u64::from(held.protocol) + len, &piece[held.addresses()]);
            prop_assert_eq!(folded(add(pseudo, &piece[held.transport_at..])), 0xffff);
            payload.extend_from_slice(&piece[held.payload_at..]);
        }
        prop_assert!(payload == sent.frame[headers.payload_at..]);
    }

    /// Any octets changed, any length cut: pieces or a reason.
    #[test]
    fn hostile_octets_are_answered(
        sender in any_sender(),
        changes in proptest::collection::vec((0_usize..120, any::<u8>()), 0..12),
        lies in proptest::collection::vec((0_usize..HEADER_LEN, any::<u8>()), 0..4),
        len in 0_usize..70_000,
    ) {
        let mut sent = sender.frame();
        sent.frame.truncate(len);
        for (at, octet) in changes {
            if let Some(place) = sent.frame.get_mut(at) {
                *place = octet;
            }
        }
        for (at, octet) in lies {
            sent.header[at] = octet;
        }
        if let Ok(offload) = Offload::decode(sent.header, &sent.frame) {
            let mut segmenter = Segmenter::default();
            if let Ok(pieces) = segmenter.finish(&sent.frame, &[], &offload) {
                for piece in pieces {
                    prop_assert!(piece.len() <= FRAME_LEN_MAX || !offload.is_super_frame());
                }
            }
        }
    }
}
