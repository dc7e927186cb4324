//! The stamps of epochs, behind what the standards know of a BPDU.
//!
//! ```text
//! RST   36 octets | element                       fe 09 02 41 4c 01 | flags | epoch, 4 octets
//! MST   102 + 16n | element, of the common tree;  fe|ff len 02 41 4c 02 | n times flags, epoch: of the instances
//! SSTP  36, VLAN  | TLV                           41 4c 00 05       | flags | epoch, 4 octets
//! ```
//! A bridge that knows nothing of epochs ignores octets behind those that it knows (802.1D-2004 9.3.4, 802.1Q 14.4). For
//! one that does, elements have the form of organizationally specific ones (type 127, a length of nine bits, an
//! organisation of the locally administered space, a subtype), and the TLV that of the VLAN before it, so that nothing
//! else is taken for a stamp. A region of 64 instances has its BPDU within an Ethernet frame with them: 1463 octets.

const ORGANISATION: [u8; 3] = [0x02, 0x41, 0x4c];
const SUBTYPE_TREE: u8 = 1;
const SUBTYPE_INSTANCES: u8 = 2;
/// Type, length, organisation and subtype.
const LENGTH_HEAD: usize = 6;
const TLV: [u8; 4] = [0x41, 0x4c, 0, 5];
/// Flags and epoch.
const LENGTH_STAMP: usize = 5;
const FLAG_VOUCHED: u8 = 1;
/// Of an instance among others: it has no stamp.
const FLAG_NONE: u8 = 2;

/// What stamps make a BPDU longer, at most.
pub(super) const LENGTH_MAX: usize = 2 * LENGTH_HEAD + (1 + super::MSTI_RECORDS_MAX) * LENGTH_STAMP;

/// What a BPDU says of a tree's epochs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EpochStamp {
    /// The epoch that the sender is in.
    pub current: u32,
    /// Whether the root has vouched in that epoch for what the BPDU says of it. Nobody has if it came through a bridge
    /// that knows no epochs.
    pub vouched: bool,
}

/// The stamp of a tree at the beginning of `octets`, and what follows it; none where they are something else.
pub(super) fn decode(octets: &[u8]) -> (Option<EpochStamp>, &[u8]) {
    match octets.split_at_checked(LENGTH_HEAD + LENGTH_STAMP) {
        Some((element, rest)) if element.starts_with(&head(SUBTYPE_TREE, 1)) => {
            (stamp_in(&element[LENGTH_HEAD..]), rest)
        }
        Some(_) | None => (None, octets),
    }
}

pub(super) fn encode(out: &mut Vec<u8>, stamp: EpochStamp) {
    out.extend(head(SUBTYPE_TREE, 1));
    put(out, Some(stamp));
}

/// The stamps of `count` instances at the beginning of `octets`, in their order; nothing where they are something else.
pub(super) fn decode_instances(
    octets: &[u8],
    count: usize,
) -> impl Iterator<Item = Option<EpochStamp>> {
    let stamps = octets
        .strip_prefix(&head(SUBTYPE_INSTANCES, count))
        .and_then(|stamps| stamps.get(..count * LENGTH_STAMP))
        .unwrap_or_default();
    stamps.chunks_exact(LENGTH_STAMP).map(stamp_in)
}

/// Nothing if none has one.
pub(super) fn encode_instances(
    out: &mut Vec<u8>,
    stamps: impl ExactSizeIterator<Item = Option<EpochStamp>> + Clone,
) {
    if stamps.clone().any(|stamp| stamp.is_some()) {
        out.extend(head(SUBTYPE_INSTANCES, stamps.len()));
        for stamp in stamps {
            put(out, stamp);
        }
    }
}

/// The stamp that stands behind the VLAN of a shared spanning tree BPDU.
pub(crate) fn decode_shared(octets: &[u8]) -> Option<EpochStamp> {
    let stamp = octets.strip_prefix(&TLV)?;
    stamp_in(stamp.get(..LENGTH_STAMP)?)
}

pub(crate) fn encode_shared(out: &mut Vec<u8>, stamp: EpochStamp) {
    out.extend(TLV);
    put(out, Some(stamp));
}

/// Of an element with `count` stamps: 1, or as many as there are instances.
fn head(subtype: u8, count: usize) -> [u8; LENGTH_HEAD] {
    let length = ORGANISATION.len() + 1 + count * LENGTH_STAMP;
    let length = u16::try_from(length).expect("at most 64 stamps, 324 octets");
    let [high, low] = (127 << 9 | length).to_be_bytes();
    let [a, b, c] = ORGANISATION;
    [high, low, a, b, c, subtype]
}

fn stamp_in(octets: &[u8]) -> Option<EpochStamp> {
    let (&[flags], rest) = octets.split_first_chunk()?;
    let current = u32::from_be_bytes(*rest.first_chunk()?);
    (flags & FLAG_NONE == 0).then_some(EpochStamp {
        current,
        vouched: flags & FLAG_VOUCHED != 0,
    })
}

fn put(out: &mut Vec<u8>, stamp: Option<EpochStamp>) {
    let (flags, current) = match stamp {
        None => (FLAG_NONE, 0),
        Some(stamp) => (if stamp.vouched { FLAG_VOUCHED } else { 0 }, stamp.current),
    };
    out.push(flags);
    out.extend(current.to_be_bytes());
}
