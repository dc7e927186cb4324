//! BPDUs in Ethernet frames: 802.3 length, LLC with the spanning tree's service access point. And the per-VLAN trees'
//! own way, shared spanning tree frames: LLC and SNAP, another address, and the VLAN after the BPDU.
//!
//! ```text
//! IEEE  01-80-C2-00-00-00 | source | length | 42 42 03                | BPDU
//! SSTP  01-00-0C-CC-CC-CD | source | [tag] length | aa aa 03 00 00 0c 01 0b | BPDU, 36 octets | 0000 0002 VLAN | [epoch]
//! ```

use pnet_base::MacAddr;

use crate::bpdu::{Bpdu, DecodeError, RstBpdu, epoch};

/// The bridge group address, 01-80-C2-00-00-00: where BPDUs go.
pub const BRIDGE_GROUP_ADDRESS: MacAddr = MacAddr(0x01, 0x80, 0xc2, 0x00, 0x00, 0x00);
/// Where the BPDUs of per-VLAN trees go. Bridges that do not know it relay it as any group address, within its VLAN:
/// so it crosses them.
pub const SHARED_SPANNING_TREE_ADDRESS: MacAddr = MacAddr(0x01, 0x00, 0x0c, 0xcc, 0xcc, 0xcd);

/// Destination and source service access point 0x42, unnumbered information.
const LLC: [u8; 3] = [0x42, 0x42, 0x03];
/// Service access points 0xaa, unnumbered information, and the protocol 0x010b of the organisation 00-00-0C.
const LLC_SNAP: [u8; 8] = [0xaa, 0xaa, 0x03, 0x00, 0x00, 0x0c, 0x01, 0x0b];
const ADDRESSES_LENGTH: usize = 12;
const HEADER_LENGTH: usize = ADDRESSES_LENGTH + 2;
const TAG_LENGTH: usize = 4;
/// The tag protocol identifiers of 802.1Q: C-TAG, S-TAG.
const TAG_PROTOCOLS: [[u8; 2]; 2] = [[0x81, 0x00], [0x88, 0xa8]];
/// Priority 7 in a tag: network control.
const TAG_PRIORITY: u16 = 7 << 13;
/// The part of a tag that is the VLAN.
const TAG_VLAN: u16 = 0x0fff;
/// Two octets above this are an EtherType and no length (802.3).
const LENGTH_FIELD_MAX: u16 = 1500;
/// Where the VLAN follows a configuration or RST BPDU: the former is filled up to the length of the latter.
const TLV_AT: usize = 36;
const TLV_LENGTH: usize = 6;

/// A BPDU of a per-VLAN tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedBpdu {
    /// The sender's VLAN, 1..=4094. `None` for a topology change notification, which has no room for it.
    pub vlan: Option<u16>,
    /// The BPDU.
    pub bpdu: Bpdu,
}

/// `bpdu` as a frame to the bridge group address from `source`, the address of the sending port: 52 octets of a
/// configuration BPDU, 21 of a TCN, 53 of an RST BPDU (64 with an epoch), 119 and more of a multiple spanning tree BPDU; untagged, without
/// padding and check sequence. A medium with a minimum length must be given padding by whoever sends.
#[must_use]
pub fn frame(source: MacAddr, bpdu: &Bpdu) -> Vec<u8> {
    let mut out = Vec::new();
    frame_into(&mut out, source, bpdu);
    out
}

/// Appends what [`frame`] gives; allocates nothing where there is room.
pub fn frame_into(out: &mut Vec<u8>, source: MacAddr, bpdu: &Bpdu) {
    out.extend(BRIDGE_GROUP_ADDRESS.octets());
    out.extend(source.octets());
    let payload = begin_payload(out);
    out.extend(LLC);
    bpdu.encode_into(out);
    end_payload(out, payload);
}

/// Appends `bpdu` as the frame of the tree of `vlan`, 1..=4094; tagged with that VLAN and priority 7 if `tagged`.
pub fn shared_frame_into(out: &mut Vec<u8>, source: MacAddr, vlan: u16, tagged: bool, bpdu: &Bpdu) {
    out.extend(SHARED_SPANNING_TREE_ADDRESS.octets());
    out.extend(source.octets());
    if tagged {
        out.extend(TAG_PROTOCOLS[0]);
        out.extend((TAG_PRIORITY | vlan).to_be_bytes());
    }
    let payload = begin_payload(out);
    out.extend(LLC_SNAP);
    let start = out.len();
    let stamp = match bpdu {
        // The VLAN stands where the stamp would, which follows it.
        Bpdu::Rst(rst) => {
            let plain = RstBpdu {
                epoch: None,
                ..*rst
            };
            Bpdu::Rst(plain).encode_into(out);
            rst.epoch
        }
        Bpdu::Config(_) | Bpdu::Tcn | Bpdu::Mst(_) => {
            bpdu.encode_into(out);
            None
        }
    };
    if *bpdu != Bpdu::Tcn {
        out.resize((start + TLV_AT).max(out.len()), 0);
        out.extend([0, 0, 0, 2]);
        out.extend(vlan.to_be_bytes());
    }
    if let Some(stamp) = stamp {
        epoch::encode_shared(out, stamp);
    }
    end_payload(out, payload);
}

/// Leaves room for the length; says where the payload begins.
fn begin_payload(out: &mut Vec<u8>) -> usize {
    out.extend([0, 0]);
    out.len()
}

fn end_payload(out: &mut [u8], payload: usize) {
    let length = u16::try_from(out.len() - payload).expect("a BPDU has at most 1463 octets");
    out[payload - 2..payload].copy_from_slice(&length.to_be_bytes());
}

/// The BPDU in a frame that was sent to a bridge's group address (which is not looked at, as neither is the source).
/// Padding is cut off by the length field. A priority tag (VLAN 0), which bridges of some makers put before it, is none of
/// a VLAN's and is skipped; in a VLAN's tag there is no BPDU of this kind.
///
/// # Errors
/// The reason why it is none. Never panics.
pub fn unframe(frame: &[u8]) -> Result<Bpdu, DecodeError> {
    let tag = if is_priority_tagged(frame) {
        TAG_LENGTH
    } else {
        0
    };
    let payload = payload(frame, ADDRESSES_LENGTH + tag, LLC.len())?;
    match payload.split_first_chunk() {
        Some((&LLC, bpdu)) => Bpdu::decode(bpdu),
        Some((&other, _)) => Err(DecodeError::Llc(other)),
        None => Err(DecodeError::Truncated {
            have: payload.len(),
            need: LLC.len(),
        }),
    }
}

/// The BPDU in a frame that was sent to [`SHARED_SPANNING_TREE_ADDRESS`], with or without a tag (whose VLAN is the
/// reader's business).
///
/// # Errors
/// The reason why it is none. Never panics.
pub fn unframe_shared(frame: &[u8]) -> Result<SharedBpdu, DecodeError> {
    let protocol = frame.get(ADDRESSES_LENGTH..HEADER_LENGTH);
    let is_tagged = TAG_PROTOCOLS
        .iter()
        .any(|tag| protocol == Some(tag.as_slice()));
    let tag = if is_tagged { TAG_LENGTH } else { 0 };
    let payload = payload(frame, ADDRESSES_LENGTH + tag, LLC_SNAP.len())?;
    let octets = match payload.split_first_chunk() {
        Some((&LLC_SNAP, octets)) => octets,
        Some((&other, _)) => return Err(DecodeError::Snap(other)),
        None => {
            return Err(DecodeError::Truncated {
                have: payload.len(),
                need: LLC_SNAP.len(),
            });
        }
    };
    let mut bpdu = Bpdu::decode(octets)?;
    if let Bpdu::Rst(rst) = &mut bpdu {
        let behind = octets.get(TLV_AT + TLV_LENGTH..).unwrap_or_default();
        rst.epoch = epoch::decode_shared(behind);
    }
    let vlan = match bpdu {
        Bpdu::Tcn => None,
        Bpdu::Config(_) | Bpdu::Rst(_) | Bpdu::Mst(_) => Some(vlan_after(octets)?),
    };
    Ok(SharedBpdu { vlan, bpdu })
}

/// Whether the frame has a C-TAG that names no VLAN (802.1Q 9.6).
fn is_priority_tagged(frame: &[u8]) -> bool {
    let tag = frame.get(ADDRESSES_LENGTH..).and_then(<[u8]>::first_chunk);
    tag.is_some_and(|&[a, b, c, d]| {
        [a, b] == TAG_PROTOCOLS[0] && u16::from_be_bytes([c, d]) & TAG_VLAN == 0
    })
}

/// The VLAN that stands after a BPDU.
fn vlan_after(octets: &[u8]) -> Result<u16, DecodeError> {
    let tlv = octets
        .get(TLV_AT..)
        .and_then(|tlv| tlv.first_chunk::<TLV_LENGTH>())
        .ok_or(DecodeError::Truncated {
            have: octets.len(),
            need: TLV_AT + TLV_LENGTH,
        })?;
    let [a, b, c, d, e, f] = *tlv;
    let [kind, length, value] = [[a, b], [c, d], [e, f]].map(u16::from_be_bytes);
    match (kind, length, value) {
        (0, 2, vlan @ 1..=4094) => Ok(vlan),
        _ => Err(DecodeError::Tlv {
            kind,
            length,
            value,
        }),
    }
}

/// What the length field at `at` says is the frame's, which must be `need` octets at least.
fn payload(frame: &[u8], at: usize, need: usize) -> Result<&[u8], DecodeError> {
    let truncated = |need| DecodeError::Truncated {
        have: frame.len(),
        need,
    };
    let start = at + 2;
    let (Some(field), Some(rest)) = (
        frame.get(at..).and_then(|field| field.first_chunk()),
        frame.get(start..),
    ) else {
        return Err(truncated(start + need));
    };
    let field = u16::from_be_bytes(*field);
    if field > LENGTH_FIELD_MAX {
        return Err(DecodeError::EtherType(field));
    }
    let length = usize::from(field);
    let payload = rest.get(..length).ok_or(truncated(start + length))?;
    if length < need {
        return Err(DecodeError::Truncated {
            have: start + length,
            need: start + need,
        });
    }
    Ok(payload)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bpdu::EpochStamp;
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
    fn a_priority_tag_is_skipped_and_a_vlans_is_not() {
        let tagged = |tag: [u8; 4]| {
            let mut frame = frame(PORT, &Bpdu::Tcn);
            frame.splice(ADDRESSES_LENGTH..ADDRESSES_LENGTH, tag);
            frame
        };
        for priority in [0x00, 0xe0, 0x10] {
            let frame = tagged([0x81, 0x00, priority, 0]);
            assert_eq!(unframe(&frame), Ok(Bpdu::Tcn));
            for have in 0..frame.len() {
                assert!(
                    unframe(&frame[..have]).is_err(),
                    "{have} octets are no BPDU"
                );
            }
        }
        for tag in [[0x81, 0x00, 0xe0, 1], [0x81, 0x00, 0x0f, 0xff]] {
            assert_eq!(
                unframe(&tagged(tag)),
                Err(DecodeError::EtherType(0x8100)),
                "{tag:x?}"
            );
        }
        assert_eq!(
            unframe(&tagged([0x88, 0xa8, 0, 0])),
            Err(DecodeError::EtherType(0x88a8)),
            "a provider's"
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

    /// The octets of a shared spanning tree frame from what is known of the format, not from our encoder.
    fn shared_octets(tag: &[u8], vlan: u16) -> Vec<u8> {
        let mut octets = vec![0x01, 0x00, 0x0c, 0xcc, 0xcc, 0xcd, 2, 0, 0, 0, 1, 5];
        octets.extend(tag);
        octets.extend([0x00, 0x32, 0xaa, 0xaa, 0x03, 0x00, 0x00, 0x0c, 0x01, 0x0b]);
        octets.extend([0x00, 0x00, 0x02, 0x02, 0x0e]);
        octets.extend([0x80, 0x05, 2, 0, 0, 0, 0, 9, 0, 0, 0, 0]);
        octets.extend([0x80, 0x05, 2, 0, 0, 0, 0, 9, 0x80, 0x04]);
        octets.extend([0, 0, 0x14, 0, 0x02, 0, 0x0f, 0, 0]);
        octets.extend([0x00, 0x00, 0x00, 0x02]);
        octets.extend(vlan.to_be_bytes());
        octets
    }

    #[test]
    fn shared_frame_octet_by_octet_tagged_and_not() {
        let untagged = shared_octets(&[], 5);
        assert_eq!(untagged.len(), 64);
        let SharedBpdu { vlan, bpdu } = unframe_shared(&untagged).unwrap();
        assert_eq!(vlan, Some(5));
        let Bpdu::Rst(rst) = &bpdu else {
            panic!("not an RST BPDU");
        };
        assert_eq!(rst.config.root.extension(), 5);
        assert!(rst.proposal && !rst.forwarding);
        let mut made = Vec::new();
        shared_frame_into(&mut made, PORT, 5, false, &bpdu);
        assert_eq!(made, untagged);

        let tagged = shared_octets(&[0x81, 0x00, 0xe0, 0x05], 5);
        assert_eq!(unframe_shared(&tagged).unwrap().vlan, Some(5));
        made.clear();
        shared_frame_into(&mut made, PORT, 5, true, &bpdu);
        assert_eq!(made, tagged);
    }

    #[test]
    fn a_stamp_of_epochs_follows_the_vlan() {
        let plain = shared_octets(&[], 5);
        let Ok(SharedBpdu {
            bpdu: Bpdu::Rst(rst),
            ..
        }) = unframe_shared(&plain)
        else {
            panic!("not an RST BPDU");
        };
        let stamp = EpochStamp {
            current: 3,
            vouched: true,
        };
        let stamped = Bpdu::Rst(RstBpdu {
            epoch: Some(stamp),
            ..rst
        });
        let mut made = Vec::new();
        shared_frame_into(&mut made, PORT, 5, false, &stamped);
        assert_eq!(made[14..plain.len()], plain[14..]);
        assert_eq!(made[plain.len()..], *b"\x41\x4c\0\x05\x01\0\0\0\x03");
        let back = unframe_shared(&made).unwrap();
        assert_eq!((back.vlan, back.bpdu), (Some(5), stamped));
        made[plain.len()] = 0;
        assert_eq!(unframe_shared(&made).unwrap().bpdu, Bpdu::Rst(rst));
    }

    #[test]
    fn a_configuration_bpdu_is_filled_up_before_its_vlan() {
        let config = Bpdu::decode(&[
            0, 0, 0, 0, 0, 0x80, 5, 2, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0x80, 5, 2, 0, 0, 0, 0, 1, 0x80,
            1, 0, 0, 0x14, 0, 2, 0, 0x0f, 0,
        ])
        .unwrap();
        let mut made = Vec::new();
        shared_frame_into(&mut made, PORT, 5, false, &config);
        assert_eq!(made.len(), 64);
        assert_eq!(made[22 + 35..], [0, 0, 0, 0, 2, 0, 5]);
        let back = unframe_shared(&made).unwrap();
        assert_eq!((back.vlan, back.bpdu), (Some(5), config));
        made.clear();
        shared_frame_into(&mut made, PORT, 5, true, &Bpdu::Tcn);
        let back = unframe_shared(&made).unwrap();
        assert_eq!((back.vlan, back.bpdu), (None, Bpdu::Tcn));
    }

    #[test]
    fn each_reason_before_the_vlan() {
        let good = shared_octets(&[], 5);
        for have in 0..good.len() {
            assert!(
                matches!(
                    unframe_shared(&good[..have]),
                    Err(DecodeError::Truncated { .. })
                ),
                "{have} octets"
            );
        }
        let changed = |at: usize, octet| {
            let mut frame = good.clone();
            frame[at] = octet;
            unframe_shared(&frame).unwrap_err().name()
        };
        assert_eq!(changed(12, 0x08), "ether-type");
        assert_eq!(changed(20, 0x20), "snap");
        assert_eq!(changed(58, 1), "vlan-tlv");
        assert_eq!(changed(61, 4), "vlan-tlv");
        assert_eq!(changed(62, 0x10), "vlan-tlv");
        assert_eq!(changed(13, 0x2c), "truncated");
    }

    proptest! {
        #[test]
        fn any_octets_are_a_shared_bpdu_or_a_reason(
            octets in prop::collection::vec(any::<u8>(), 0..1600),
            tagged: bool,
        ) {
            let mut frame = shared_octets(if tagged { &[0x81, 0, 0, 1] } else { &[] }, 1);
            frame.truncate(if tagged { 26 } else { 22 });
            let length = frame.len() - 10;
            let payload = u16::try_from(octets.len() + 8).unwrap();
            frame[length..length + 2].copy_from_slice(&payload.to_be_bytes());
            frame.extend(octets);
            if let Ok(shared) = unframe_shared(&frame) {
                let mut again = Vec::new();
                shared_frame_into(&mut again, PORT, shared.vlan.unwrap_or(1), false, &shared.bpdu);
                // A BPDU with records leaves no place for a VLAN that a reader would find.
                if !matches!(shared.bpdu, Bpdu::Mst(_)) {
                    prop_assert_eq!(unframe_shared(&again), Ok(shared));
                }
            }
        }

        #[test]
        fn any_octets_are_a_bpdu_or_a_reason(octets in prop::collection::vec(any::<u8>(), 0..128)) {
            if let Ok(bpdu) = unframe(&octets) {
                prop_assert_eq!(unframe(&frame(PORT, &bpdu)), Ok(bpdu));
            }
        }
    }
}
