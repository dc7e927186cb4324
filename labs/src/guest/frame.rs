//! TCP segments inside Ethernet frames: where their fields lie, and frames made by hand.

use pnet_base::MacAddr;
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    EthernetAddress, EthernetFrame, EthernetProtocol, EthernetRepr, IpProtocol, Ipv4Packet,
    Ipv4Repr, TcpOption, TcpPacket, TcpRepr,
};
use std::net::{Ipv4Addr, SocketAddrV4};

use super::checkpoint::SynOptions;

const ETHERNET_LEN: usize = 14;

/// What the flow table needs to know of a TCP segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    /// Offset of the TCP header in the frame.
    tcp: usize,
    pub(super) source_mac: MacAddr,
    pub(super) source: SocketAddrV4,
    pub(super) destination: SocketAddrV4,
    pub(super) syn: bool,
    pub(super) ack: Option<u32>,
    pub(super) seq: u32,
    pub(super) window: u16,
    /// Options, if it is a SYN.
    pub(super) options: SynOptions,
}

impl Segment {
    /// Reads `frame`; `None` when it is no whole, unfragmented IPv4 TCP segment.
    pub(super) fn parse(frame: &[u8]) -> Option<Self> {
        let ethernet = EthernetFrame::new_checked(frame).ok()?;
        if ethernet.ethertype() != EthernetProtocol::Ipv4 {
            return None;
        }
        let ip = Ipv4Packet::new_checked(ethernet.payload()).ok()?;
        if ip.next_header() != IpProtocol::Tcp || ip.frag_offset() != 0 || ip.more_frags() {
            return None;
        }
        let header = usize::from(ip.header_len());
        let tcp = TcpPacket::new_checked(ip.payload()).ok()?;
        let options = if tcp.syn() {
            syn_options(tcp.options())
        } else {
            SynOptions::default()
        };
        Some(Self {
            tcp: ETHERNET_LEN + header,
            source_mac: mac(ethernet.src_addr()),
            source: SocketAddrV4::new(ip.src_addr(), tcp.src_port()),
            destination: SocketAddrV4::new(ip.dst_addr(), tcp.dst_port()),
            syn: tcp.syn(),
            ack: tcp.ack().then(|| tcp.ack_number().0.cast_unsigned()),
            seq: tcp.seq_number().0.cast_unsigned(),
            window: tcp.window_len(),
            options,
        })
    }

    /// Puts another sequence number into the frame this was read from.
    pub(super) fn set_seq(&self, frame: &mut [u8], seq: u32) {
        self.replace(frame, 4, self.seq, seq);
    }

    /// Puts another acknowledgment number into it; nothing without ACK flag.
    pub(super) fn set_ack(&self, frame: &mut [u8], ack: u32) {
        if let Some(old) = self.ack {
            self.replace(frame, 8, old, ack);
        }
    }

    fn replace(&self, frame: &mut [u8], offset: usize, old: u32, new: u32) {
        let at = self.tcp + offset;
        frame[at..at + 4].copy_from_slice(&new.to_be_bytes());
        let sum = self.tcp + 16;
        let checksum = u16::from_be_bytes([frame[sum], frame[sum + 1]]);
        let adjusted = adjust(checksum, old, new);
        frame[sum..sum + 2].copy_from_slice(&adjusted.to_be_bytes());
    }
}

/// RFC 1624 equation 3: HC' = ~(~HC + ~m + m'), for a 32-bit field on a 16-bit boundary.
fn adjust(checksum: u16, old: u32, new: u32) -> u16 {
    let halves = |word: u32| (word >> 16) + (word & 0xffff);
    let mut sum = u32::from(!checksum) + halves(!old) + halves(new);
    while sum > 0xffff {
        sum = halves(sum);
    }
    !u16::try_from(sum).expect("folded to 16 bits")
}

fn syn_options(mut bytes: &[u8]) -> SynOptions {
    let mut found = SynOptions::default();
    while let Ok((rest, option)) = TcpOption::parse(bytes) {
        match option {
            TcpOption::MaxSegmentSize(mss) => found.mss = Some(mss),
            TcpOption::WindowScale(shift) => found.window_scale = Some(shift.min(14)),
            TcpOption::SackPermitted => found.sack = true,
            TcpOption::EndOfList => break,
            TcpOption::NoOperation
            | TcpOption::SackRange(_)
            | TcpOption::TimeStamp { .. }
            | TcpOption::Unknown { .. } => {}
        }
        if rest.is_empty() {
            break;
        }
        bytes = rest;
    }
    found
}

/// The Ethernet and IP ends of a frame made by hand.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ends {
    pub(super) source: (MacAddr, Ipv4Addr),
    pub(super) destination: (MacAddr, Ipv4Addr),
}

/// The whole frame that carries `segment`.
pub(super) fn tcp_frame(ends: Ends, segment: &TcpRepr<'_>) -> Vec<u8> {
    let ip = Ipv4Repr {
        src_addr: ends.source.1,
        dst_addr: ends.destination.1,
        next_header: IpProtocol::Tcp,
        payload_len: segment.buffer_len(),
        hop_limit: 64,
    };
    let ethernet = EthernetRepr {
        src_addr: address(ends.source.0),
        dst_addr: address(ends.destination.0),
        ethertype: EthernetProtocol::Ipv4,
    };
    let mut bytes = vec![0; ETHERNET_LEN + ip.buffer_len() + segment.buffer_len()];
    let mut frame = EthernetFrame::new_unchecked(&mut bytes[..]);
    ethernet.emit(&mut frame);
    let checksums = ChecksumCapabilities::default();
    let mut packet = Ipv4Packet::new_unchecked(frame.payload_mut());
    ip.emit(&mut packet, &checksums);
    segment.emit(
        &mut TcpPacket::new_unchecked(packet.payload_mut()),
        &ends.source.1.into(),
        &ends.destination.1.into(),
        &checksums,
    );
    bytes
}

/// An ARP request of `ends.source` for `ends.destination`, to its address directly.
pub(super) fn arp_request(ends: Ends) -> Vec<u8> {
    let mut frame = Vec::with_capacity(42);
    frame.extend_from_slice(&ends.destination.0.octets());
    frame.extend_from_slice(&ends.source.0.octets());
    frame.extend_from_slice(&[8, 6, 0, 1, 8, 0, 6, 4, 0, 1]);
    frame.extend_from_slice(&ends.source.0.octets());
    frame.extend_from_slice(&ends.source.1.octets());
    frame.extend_from_slice(&[0; 6]);
    frame.extend_from_slice(&ends.destination.1.octets());
    frame
}

/// smoltcp's form of an address.
pub(super) fn address(mac: MacAddr) -> EthernetAddress {
    EthernetAddress(mac.octets())
}

fn mac(address: EthernetAddress) -> MacAddr {
    let [a, b, c, d, e, f] = address.0;
    MacAddr(a, b, c, d, e, f)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use smoltcp::wire::{TcpControl, TcpSeqNumber};

    fn frame(seq: i32, ack: i32, payload: &[u8]) -> Vec<u8> {
        let ends = Ends {
            source: (MacAddr(2, 0, 0, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 1)),
            destination: (MacAddr(2, 0, 0, 0, 0, 2), Ipv4Addr::new(10, 0, 0, 2)),
        };
        let segment = TcpRepr {
            src_port: 1000,
            dst_port: 7,
            control: TcpControl::Psh,
            seq_number: TcpSeqNumber(seq),
            ack_number: Some(TcpSeqNumber(ack)),
            window_len: 5000,
            window_scale: None,
            max_seg_size: None,
            sack_permitted: false,
            sack_ranges: [None; 3],
            timestamp: None,
            payload,
        };
        tcp_frame(ends, &segment)
    }

    fn intact(frame: &[u8]) -> bool {
        let ethernet = EthernetFrame::new_checked(frame).expect("whole");
        let ip = Ipv4Packet::new_checked(ethernet.payload()).expect("whole");
        let tcp = TcpPacket::new_checked(ip.payload()).expect("whole");
        tcp.verify_checksum(&ip.src_addr().into(), &ip.dst_addr().into())
    }

    proptest! {
        #[test]
        fn rewritten_numbers_keep_good_checksums_good_and_bad_ones_bad(
            seq: i32, ack: i32, new_seq: u32, new_ack: u32,
            payload in proptest::collection::vec(any::<u8>(), 1..60),
            damage: bool,
        ) {
            let mut bytes = frame(seq, ack, &payload);
            if damage {
                *bytes.last_mut().expect("not empty") ^= 0x10;
            }
            let segment = Segment::parse(&bytes).expect("a segment");
            segment.set_seq(&mut bytes, new_seq);
            segment.set_ack(&mut bytes, new_ack);
            let after = Segment::parse(&bytes).expect("still a segment");
            prop_assert_eq!(after.seq, new_seq);
            prop_assert_eq!(after.ack, Some(new_ack));
            prop_assert_eq!(intact(&bytes), !damage);
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
            let _ = Segment::parse(&bytes);
        }
    }
}
