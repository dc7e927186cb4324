//! The byte stream the guest serves: numbered records, a pure function of the offset.
//!
//! ```text
//!    0      4          12                      RECORD
//!    | ALGO | number   | filler of the number  |
//! ```
//!
//! Because content follows from position, a migrated guest can queue again what was not yet
//! acknowledged, and a client can name every byte it should have got.

/// Octets of one record.
pub const RECORD: usize = 256;

const MAGIC: [u8; 4] = *b"ALGO";
const HEADER: usize = 12;

/// Writes the stream's octets from `offset` on into `buffer`.
pub fn fill(offset: u64, buffer: &mut [u8]) {
    let mut position = offset;
    let mut rest = buffer;
    while !rest.is_empty() {
        let record = record(position / RECORD as u64);
        let within = usize::try_from(position % RECORD as u64).expect("below RECORD");
        let count = rest.len().min(RECORD - within);
        let (now, later) = rest.split_at_mut(count);
        now.copy_from_slice(&record[within..within + count]);
        position += count as u64;
        rest = later;
    }
}

/// The octet a peer of the guest sends at `offset`: the guest checks what it receives against it.
#[must_use]
pub fn upstream_octet(offset: u64) -> u8 {
    u8::try_from(offset % 251).expect("below 251")
}

/// The whole record `number`.
#[must_use]
pub fn record(number: u64) -> [u8; RECORD] {
    let mut record = [0; RECORD];
    record[..4].copy_from_slice(&MAGIC);
    record[4..HEADER].copy_from_slice(&number.to_be_bytes());
    let mut state = number;
    for chunk in record[HEADER..].chunks_mut(8) {
        let word = mix(&mut state).to_le_bytes();
        let len = chunk.len();
        chunk.copy_from_slice(&word[..len]);
    }
    record
}

/// Number of the record at the start of `bytes`, if one stands there and is intact.
///
/// `bytes` may be longer than a record; shorter is `None`.
#[must_use]
pub fn parse(bytes: &[u8]) -> Option<u64> {
    let bytes = bytes.get(..RECORD)?;
    let number = u64::from_be_bytes(bytes[4..HEADER].try_into().ok()?);
    (record(number) == bytes).then_some(number)
}

/// SplitMix64: one step.
pub(crate) fn mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_record_tells_its_number_and_a_damaged_one_does_not() {
        let mut bytes = record(77);
        assert_eq!(parse(&bytes), Some(77));
        assert_eq!(parse(&bytes[..RECORD - 1]), None);
        bytes[200] ^= 1;
        assert_eq!(parse(&bytes), None);
    }

    proptest! {
        #[test]
        fn filling_in_pieces_equals_filling_at_once(
            start in 0u64..1 << 40,
            cuts in proptest::collection::vec(0usize..600, 1..6),
        ) {
            let total = cuts.iter().sum();
            let mut whole = vec![0; total];
            fill(start, &mut whole);
            let mut pieces = vec![0; total];
            let mut at = 0;
            for cut in cuts {
                fill(start + at as u64, &mut pieces[at..at + cut]);
                at += cut;
            }
            prop_assert_eq!(whole, pieces);
        }
    }
}
