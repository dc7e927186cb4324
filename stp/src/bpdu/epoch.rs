//! The stamp of RSTP with epochs, behind an RST BPDU.
//!
//! ```text
//! octet  36   37   38          41   42      43        47
//!        | fe | 0d | 02 41 4c   | 01 | flags | current | vouched |
//! ```
//! A bridge that knows nothing of epochs ignores octets behind those that it knows (802.1D-2004 9.3.4). For one that
//! does, they have the form of an organizationally specific element (type 127, 13 octets, an organisation of the
//! locally administered space, subtype 1), so that nothing else is taken for a stamp.

use super::LENGTH_RST;

const HEAD: [u8; 6] = [0xfe, 13, 0x02, 0x41, 0x4c, 1];
const LENGTH: usize = HEAD.len() + 9;
const FLAG_VOUCHED: u8 = 1;

/// What a BPDU says of epochs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EpochStamp {
    /// The epoch that the sender is in.
    pub current: u32,
    /// The epoch in which the root has vouched for what the BPDU says of it. `None` if it came through a bridge that
    /// knows no epochs.
    pub vouched: Option<u32>,
}

/// The stamp behind an RST BPDU; none where the octets are something else, or contradict themselves: nobody vouches in
/// an epoch that is yet to come.
pub(super) fn decode(octets: &[u8]) -> Option<EpochStamp> {
    let stamp: &[u8; LENGTH] = octets.get(LENGTH_RST..)?.first_chunk()?;
    let (head, rest) = stamp.split_first_chunk()?;
    let [flags, c0, c1, c2, c3, v0, v1, v2, v3] = *rest.first_chunk()?;
    let current = u32::from_be_bytes([c0, c1, c2, c3]);
    let vouched = u32::from_be_bytes([v0, v1, v2, v3]);
    let vouched = (flags & FLAG_VOUCHED != 0).then_some(vouched);
    let holds = *head == HEAD && vouched.is_none_or(|vouched| vouched <= current);
    holds.then_some(EpochStamp { current, vouched })
}

pub(super) fn encode(out: &mut Vec<u8>, stamp: EpochStamp) {
    out.extend(HEAD);
    out.push(if stamp.vouched.is_some() {
        FLAG_VOUCHED
    } else {
        0
    });
    out.extend(stamp.current.to_be_bytes());
    out.extend(stamp.vouched.unwrap_or(0).to_be_bytes());
}
