//! Where the headers of a super-frame are.

use super::offload::{
    ETHERTYPE_C_TAG, ETHERTYPE_IPV4, ETHERTYPE_IPV6, ETHERTYPE_S_TAG, PROTOCOL_TCP, PROTOCOL_UDP,
    SegmentKind, TAGS_MAX,
};
use crate::tag::{ADDRESSES_LEN, TAG_LEN};

/// IPv6 extension headers walked, at most; a host sends one or two.
const EXTENSIONS_MAX: usize = 8;

const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const DESTINATION_OPTIONS: u8 = 60;

/// The internet protocol's version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Network {
    V4,
    V6,
}

/// Positions from the start of the frame, all within it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Headers {
    pub(super) network: Network,
    pub(super) network_at: usize,
    pub(super) transport_at: usize,
    pub(super) payload_at: usize,
    pub(super) protocol: u8,
}

impl Headers {
    /// Reads the headers of `frame`, which should be those of a super-frame of `kind`. Total.
    pub(super) fn of(frame: &[u8], kind: SegmentKind) -> Option<Self> {
        let (ethertype, network_at) = network_layer(frame)?;
        let packet = frame.get(network_at..)?;
        let (network, protocol, len) = match ethertype {
            ETHERTYPE_IPV4 => ipv4(packet)?,
            ETHERTYPE_IPV6 => ipv6(packet)?,
            _ => return None,
        };
        let transport_at = network_at + len;
        let (wanted, transport_len) = match kind {
            SegmentKind::Tcp4 if network == Network::V6 => return None,
            SegmentKind::Tcp6 if network == Network::V4 => return None,
            SegmentKind::Tcp4 | SegmentKind::Tcp6 => {
                let offset = frame.get(transport_at + 12)? >> 4;
                (PROTOCOL_TCP, usize::from(offset) * 4)
            }
            SegmentKind::Udp => (PROTOCOL_UDP, 8),
        };
        let payload_at = transport_at + transport_len;
        let shortest = if wanted == PROTOCOL_TCP { 20 } else { 8 };
        let holds = protocol == wanted && transport_len >= shortest && payload_at <= frame.len();
        holds.then_some(Self {
            network,
            network_at,
            transport_at,
            payload_at,
            protocol,
        })
    }
}

/// EtherType behind the tags, and where what follows it begins.
pub(super) fn network_layer(frame: &[u8]) -> Option<(u16, usize)> {
    let mut at = ADDRESSES_LEN;
    for _ in 0..=TAGS_MAX {
        let octets = frame.get(at..)?.first_chunk::<2>()?;
        match u16::from_be_bytes(*octets) {
            ETHERTYPE_C_TAG | ETHERTYPE_S_TAG => at += TAG_LEN,
            ethertype => return Some((ethertype, at + 2)),
        }
    }
    None
}

/// Protocol and length of the header. A fragment is no super-frame.
fn ipv4(packet: &[u8]) -> Option<(Network, u8, usize)> {
    let header: &[u8; 20] = packet.first_chunk()?;
    let len = usize::from(header[0] & 0x0f) * 4;
    let is_fragment = u16::from_be_bytes([header[6], header[7]]) & 0x3fff != 0;
    let holds = header[0] >> 4 == 4 && len >= 20 && len <= packet.len() && !is_fragment;
    holds.then_some((Network::V4, header[9], len))
}

/// Protocol and length of the headers, extension headers included.
fn ipv6(packet: &[u8]) -> Option<(Network, u8, usize)> {
    let header: &[u8; 40] = packet.first_chunk()?;
    if header[0] >> 4 != 6 {
        return None;
    }
    let (mut next, mut len) = (header[6], 40);
    for _ in 0..EXTENSIONS_MAX {
        match next {
            HOP_BY_HOP | ROUTING | DESTINATION_OPTIONS => {
                let extension = packet.get(len..)?.first_chunk::<2>()?;
                next = extension[0];
                len += (usize::from(extension[1]) + 1) * 8;
            }
            protocol => return (len <= packet.len()).then_some((Network::V6, protocol, len)),
        }
    }
    None
}
