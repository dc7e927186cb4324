//! The VLAN tag and the two forms a relayed frame takes.

use etherparse::{VlanId, VlanPcp};

/// The tag protocol identifier of a C-VLAN tag (802.1Q Table 9-1).
pub const TPID: u16 = 0x8100;

/// Octets of the two addresses before the tag or EtherType.
pub const ADDRESSES_LEN: usize = 12;

/// Octets of a tag: TPID and tag control information.
pub const TAG_LEN: usize = 4;

/// Tag control information (802.1Q 9.6): priority, drop eligibility, VLAN identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tci {
    /// Priority code point, 0..=7.
    pub pcp: VlanPcp,
    /// Drop eligible indicator.
    pub dei: bool,
    /// VLAN identifier, 0..=4095; 0 says "priority-tagged", 4095 is reserved.
    pub vid: VlanId,
}

impl Tci {
    /// A tag of `vid` with priority 0.
    #[must_use]
    pub fn of(vid: VlanId) -> Self {
        Self {
            pcp: VlanPcp::ZERO,
            dei: false,
            vid,
        }
    }

    /// The same priority and drop eligibility in another VLAN.
    #[must_use]
    pub fn with_vid(self, vid: VlanId) -> Self {
        Self { vid, ..self }
    }

    /// From the two octets after the TPID; every value has a meaning.
    #[must_use]
    pub fn from_octets(octets: [u8; 2]) -> Self {
        Self {
            pcp: VlanPcp::try_new(octets[0] >> 5).expect("three bits"),
            dei: octets[0] & 0x10 != 0,
            vid: VlanId::try_new(u16::from_be_bytes([octets[0] & 0x0f, octets[1]]))
                .expect("twelve bits"),
        }
    }

    /// The whole tag as on the wire, TPID included.
    #[must_use]
    pub fn tag(self) -> [u8; TAG_LEN] {
        let [tpid_high, tpid_low] = TPID.to_be_bytes();
        let [vid_high, vid_low] = self.vid.value().to_be_bytes();
        let head = self.pcp.value() << 5 | u8::from(self.dei) << 4 | vid_high;
        [tpid_high, tpid_low, head, vid_low]
    }
}

/// A received frame in the form it leaves by one port: the octets as they came, whether their outermost
/// tag goes, and the tag that is put in its place. Nothing is copied until somebody writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Relayed<'a> {
    received: &'a [u8],
    strip: bool,
    tag: Option<Tci>,
}

impl<'a> Relayed<'a> {
    /// `received` is at least 14 octets, 18 if `strip`: the Forwarding Process has parsed it.
    pub(crate) fn new(received: &'a [u8], strip: bool, tag: Option<Tci>) -> Self {
        debug_assert!(received.len() >= ADDRESSES_LEN + if strip { TAG_LEN } else { 0 });
        Self {
            received,
            strip,
            tag,
        }
    }

    /// Destination and source address.
    #[must_use]
    pub fn addresses(&self) -> &'a [u8] {
        &self.received[..ADDRESSES_LEN]
    }

    /// The tag between addresses and [`Self::rest`], if the frame leaves tagged.
    #[must_use]
    pub fn tag(&self) -> Option<[u8; TAG_LEN]> {
        self.tag.map(Tci::tag)
    }

    /// From the EtherType or length field on.
    #[must_use]
    pub fn rest(&self) -> &'a [u8] {
        &self.received[ADDRESSES_LEN + if self.strip { TAG_LEN } else { 0 }..]
    }

    /// By how many octets positions behind the addresses move against the received frame: -4, 0 or 4.
    #[must_use]
    pub fn shift(&self) -> isize {
        let len = TAG_LEN.cast_signed();
        match (self.strip, self.tag.is_some()) {
            (true, true) | (false, false) => 0,
            (true, false) => -len,
            (false, true) => len,
        }
    }

    /// Octets of the frame as it leaves.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a frame is never empty")]
    pub fn len(&self) -> usize {
        self.received.len().saturating_add_signed(self.shift())
    }

    /// Appends the frame as it leaves to `out`; copies [`Self::len`] octets.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.addresses());
        if let Some(tag) = self.tag() {
            out.extend_from_slice(&tag);
        }
        out.extend_from_slice(self.rest());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn tci_round_trips(octets: [u8; 2]) {
            let tag = Tci::from_octets(octets).tag();
            prop_assert_eq!(&tag[..2], &[0x81, 0x00]);
            prop_assert_eq!(&tag[2..], &octets);
        }
    }

    #[test]
    fn every_form_has_the_length_it_says() {
        let received: Vec<u8> = (0..64).collect();
        let ten = Tci::of(VlanId::try_new(10).unwrap());
        for (strip, tag, shift) in [
            (false, None, 0),
            (false, Some(ten), 4),
            (true, None, -4),
            (true, Some(ten), 0),
        ] {
            let relayed = Relayed::new(&received, strip, tag);
            let mut out = Vec::new();
            relayed.write_to(&mut out);
            assert_eq!(relayed.shift(), shift);
            assert_eq!(out.len(), relayed.len());
            assert_eq!(out[..12], received[..12]);
            assert!(out.ends_with(&received[16..]));
        }
    }
}
