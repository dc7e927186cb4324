//! What the Forwarding Process reads of a frame, and what kind of frame taught us an address.

use etherparse::{ArpPacketSlice, EtherType};
use pnet_base::MacAddr;
use serde::{Deserialize, Serialize};

use crate::tag::{ADDRESSES_LEN, TAG_LEN, TPID, Tci};

/// Octets of the shortest frame with addresses and an EtherType. 60 is not required: veth and tap carry
/// ARP of 42 and BPDUs of 21 octets.
pub const FRAME_LEN_MIN: usize = ADDRESSES_LEN + 2;

/// The header of a frame: addresses and, if the EtherType says so, one C-VLAN tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Where it goes.
    pub destination: MacAddr,
    /// Where it comes from.
    pub source: MacAddr,
    /// The outermost tag, if the frame has one.
    pub tag: Option<Tci>,
}

impl Header {
    /// Reads the header; `None` if the frame ends before its EtherType, or inside its tag.
    #[must_use]
    pub fn parse(frame: &[u8]) -> Option<Self> {
        let addresses: &[u8; FRAME_LEN_MIN] = frame.first_chunk()?;
        let [d0, d1, d2, d3, d4, d5, s0, s1, s2, s3, s4, s5, t0, t1] = *addresses;
        let tag = if u16::from_be_bytes([t0, t1]) == TPID {
            let tagged: &[u8; FRAME_LEN_MIN + TAG_LEN] = frame.first_chunk()?;
            Some(Tci::from_octets([tagged[14], tagged[15]]))
        } else {
            None
        };
        Some(Self {
            destination: MacAddr::new(d0, d1, d2, d3, d4, d5),
            source: MacAddr::new(s0, s1, s2, s3, s4, s5),
            tag,
        })
    }
}

/// The kind of frame that made a CAM entry appear or move. The migration story turns on it: a hypervisor
/// announces a moved VM by RARP, a guest by gratuitous ARP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// Reverse ARP, EtherType 0x8035 (RFC 903).
    Rarp,
    /// ARP whose sender and target protocol address are the same (RFC 5227 section 3).
    GratuitousArp,
    /// Any other ARP (RFC 826).
    Arp,
    /// IPv4.
    Ipv4,
    /// Anything else.
    Other,
}

impl Cause {
    /// Classifies `frame`. Looks behind one tag, or behind two on a tunnel. Total: what is cut off or odd
    /// is [`Cause::Other`]. Called when an entry appears or moves, not per frame.
    #[must_use]
    pub fn of(frame: &[u8]) -> Self {
        let mut at = ADDRESSES_LEN;
        for _ in 0..2 {
            if frame.get(at..at + 2) == Some(&TPID.to_be_bytes()) {
                at += TAG_LEN;
            }
        }
        let Some(&[high, low]) = frame.get(at..).and_then(<[u8]>::first_chunk) else {
            return Self::Other;
        };
        let payload = &frame[at + 2..];
        match EtherType(u16::from_be_bytes([high, low])) {
            EtherType(0x8035) => Self::Rarp,
            EtherType::ARP => Self::of_arp(payload),
            EtherType::IPV4 => Self::Ipv4,
            _ => Self::Other,
        }
    }

    fn of_arp(payload: &[u8]) -> Self {
        match ArpPacketSlice::from_slice(payload) {
            Ok(arp)
                if !arp.sender_protocol_addr().is_empty()
                    && arp.sender_protocol_addr() == arp.target_protocol_addr() =>
            {
                Self::GratuitousArp
            }
            Ok(_) => Self::Arp,
            Err(_) => Self::Other,
        }
    }

    /// The word in event streams and reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Rarp => "rarp",
            Self::GratuitousArp => "gratuitous-arp",
            Self::Arp => "arp",
            Self::Ipv4 => "ipv4",
            Self::Other => "other",
        }
    }
}

impl std::fmt::Display for Cause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn arp(sender: [u8; 4], target: [u8; 4]) -> Vec<u8> {
        let mut frame = vec![0xff; 6];
        frame.extend([2, 0, 0, 0, 0, 1]);
        frame.extend([8, 6, 0, 1, 8, 0, 6, 4, 0, 1]);
        frame.extend([2, 0, 0, 0, 0, 1]);
        frame.extend(sender);
        frame.extend([0; 6]);
        frame.extend(target);
        frame
    }

    fn tagged(mut frame: Vec<u8>) -> Vec<u8> {
        frame.splice(12..12, [0x81, 0x00, 0x00, 0x0a]);
        frame
    }

    #[test]
    fn the_announcements_of_a_moved_vm_are_told_apart() {
        let gratuitous = arp([10, 0, 0, 5], [10, 0, 0, 5]);
        assert_eq!(Cause::of(&gratuitous), Cause::GratuitousArp);
        assert_eq!(Cause::of(&tagged(gratuitous.clone())), Cause::GratuitousArp);
        assert_eq!(Cause::of(&arp([10, 0, 0, 5], [10, 0, 0, 6])), Cause::Arp);
        let mut rarp = gratuitous;
        rarp[12..14].copy_from_slice(&[0x80, 0x35]);
        assert_eq!(Cause::of(&rarp), Cause::Rarp);
        let mut ip = rarp;
        ip[12..14].copy_from_slice(&[0x08, 0x00]);
        assert_eq!(Cause::of(&ip), Cause::Ipv4);
        assert_eq!(Cause::of(&[0; 12]), Cause::Other);
    }

    proptest! {
        #[test]
        fn any_octets_have_a_cause_and_a_header_or_none(
            frame in proptest::collection::vec(any::<u8>(), 0..80)
        ) {
            let _ = Cause::of(&frame);
            prop_assert_eq!(
                Header::parse(&frame).is_some(),
                frame.len() >= 14 && (frame[12..14] != [0x81, 0] || frame.len() >= 18)
            );
        }
    }
}
