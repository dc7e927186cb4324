//! BPDUs in Ethernet frames: 802.3 length, LLC with the spanning tree's service access point.

use core::ops::Deref;

use pnet_base::MacAddr;

use crate::bpdu::{BPDU_LENGTH_MAX, Bpdu, DecodeError};

/// The bridge group address, 01-80-C2-00-00-00: where BPDUs go.
pub const BRIDGE_GROUP_ADDRESS: MacAddr = MacAddr(0x01, 0x80, 0xc2, 0x00, 0x00, 0x00);

/// Destination and source service access point 0x42, unnumbered information.
const LLC: [u8; 3] = [0x42, 0x42, 0x03];
const HEADER_LENGTH: usize = 14;
/// Two octets above this are an EtherType and no length (802.3).
const LENGTH_FIELD_MAX: u16 = 1500;
/// The longest frame that [`frame`] makes, in octets.
pub const FRAME_LENGTH_MAX: usize = HEADER_LENGTH + LLC.len() + BPDU_LENGTH_MAX;

/// A whole Ethernet frame that carries a BPDU, without padding and check sequence; dereferences to its octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EncodedFrame {
    octets: [u8; FRAME_LENGTH_MAX],
    length: usize,
}

impl Deref for EncodedFrame {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.octets[..self.length]
    }
}

/// `bpdu` as a frame to the bridge group address from `source`, the address of the sending port: 52, 21 or 53 octets,
/// untagged. A medium with a minimum length must be given padding by whoever sends.
#[must_use]
pub fn frame(source: MacAddr, bpdu: &Bpdu) -> EncodedFrame {
    let encoded = bpdu.encode();
    let payload = LLC.len() + encoded.len();
    let length = HEADER_LENGTH + payload;
    let mut octets = [0; FRAME_LENGTH_MAX];
    octets[0..6].copy_from_slice(&BRIDGE_GROUP_ADDRESS.octets());
    octets[6..12].copy_from_slice(&source.octets());
    let length_field = u16::try_from(payload).expect("a BPDU has at most 36 octets");
    octets[12..14].copy_from_slice(&length_field.to_be_bytes());
    octets[14..17].copy_from_slice(&LLC);
    octets[17..length].copy_from_slice(&encoded);
    EncodedFrame { octets, length }
}

/// The BPDU in an untagged frame that was sent to a bridge's group address (which is not looked at, as neither is the
/// source). Padding is cut off by the length field.
///
/// # Errors
/// The reason why it is none. Never panics.
pub fn unframe(frame: &[u8]) -> Result<Bpdu, DecodeError> {
    let truncated = |need| DecodeError::Truncated {
        have: frame.len(),
        need,
    };
    let (header, rest) = frame
        .split_at_checked(HEADER_LENGTH)
        .ok_or(truncated(HEADER_LENGTH + LLC.len()))?;
    let length_field = u16::from_be_bytes([header[12], header[13]]);
    if length_field > LENGTH_FIELD_MAX {
        return Err(DecodeError::EtherType(length_field));
    }
    let length = usize::from(length_field);
    let payload = rest
        .get(..length)
        .ok_or(truncated(HEADER_LENGTH + length))?;
    let (llc, bpdu) = payload.split_first_chunk().ok_or(DecodeError::Truncated {
        have: HEADER_LENGTH + length,
        need: HEADER_LENGTH + LLC.len(),
    })?;
    if *llc != LLC {
        return Err(DecodeError::Llc(*llc));
    }
    Bpdu::decode(bpdu)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PORT: MacAddr = MacAddr(2, 0, 0, 0, 1, 5);

    #[test]
    fn notification_frame_octet_by_octet() {
        let expected = [
            0x01, 0x80, 0xc2, 0, 0, 0, 2, 0, 0, 0, 1, 5, 0, 7, 0x42, 0x42, 0x03, 0, 0, 0, 0x80,
        ];
        assert_eq!(*frame(PORT, &Bpdu::Tcn), expected);
        assert_eq!(unframe(&expected), Ok(Bpdu::Tcn));
    }

    #[test]
    fn padding_is_cut_off_by_the_length() {
        let mut padded = frame(PORT, &Bpdu::Tcn).to_vec();
        padded.resize(60, 0xff);
        assert_eq!(unframe(&padded), Ok(Bpdu::Tcn));
        // The padding would be a configuration BPDU if it counted.
        padded[20] = 0;
        assert_eq!(
            unframe(&padded),
            Err(DecodeError::Truncated { have: 4, need: 35 })
        );
    }

    #[test]
    fn each_reason_before_the_bpdu() {
        let good = frame(PORT, &Bpdu::Tcn).to_vec();
        for have in 0..good.len() {
            assert!(
                matches!(unframe(&good[..have]), Err(DecodeError::Truncated { .. })),
                "{have} octets"
            );
        }
        let changed = |at: usize, octet| {
            let mut frame = good.clone();
            frame[at] = octet;
            unframe(&frame)
        };
        assert_eq!(changed(12, 0x08), Err(DecodeError::EtherType(0x0807)));
        assert_eq!(changed(14, 0xaa), Err(DecodeError::Llc([0xaa, 0x42, 0x03])));
        assert_eq!(changed(16, 0x13), Err(DecodeError::Llc([0x42, 0x42, 0x13])));
        assert_eq!(
            changed(13, 2),
            Err(DecodeError::Truncated { have: 16, need: 17 })
        );
    }

    proptest! {
        #[test]
        fn any_octets_are_a_bpdu_or_a_reason(octets in prop::collection::vec(any::<u8>(), 0..128)) {
            if let Ok(bpdu) = unframe(&octets) {
                prop_assert_eq!(unframe(&frame(PORT, &bpdu)), Ok(bpdu));
            }
        }
    }
}
