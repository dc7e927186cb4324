//! The keyed hash that places entries: SipHash-1-3 of one word.

/// A keyed hash that yields a bucket number.
///
/// SipHash-1-3 as Aumasson and Bernstein define it ("SipHash: a fast short-input PRF", 2012), for messages of exactly
/// eight octets. Written out because a frame hashes two addresses: a hasher for messages of any length carries its
/// state through memory and takes three times as long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BucketHash {
    /// The state after the key was taken in.
    keyed: [u64; 4],
    mask: usize,
}

impl BucketHash {
    /// For a power of two of buckets.
    pub(crate) fn new(key: [u64; 2], buckets: usize) -> Self {
        debug_assert!(buckets.is_power_of_two());
        // The words spell "somepseudorandomlygeneratedbytes".
        Self {
            keyed: [
                key[0] ^ 0x736f_6d65_7073_6575,
                key[1] ^ 0x646f_7261_6e64_6f6d,
                key[0] ^ 0x6c79_6765_6e65_7261,
                key[1] ^ 0x7465_6462_7974_6573,
            ],
            mask: buckets - 1,
        }
    }

    /// The same key for another power of two of buckets.
    pub(crate) fn resized(self, buckets: usize) -> Self {
        debug_assert!(buckets.is_power_of_two());
        Self {
            mask: buckets - 1,
            ..self
        }
    }

    #[inline]
    pub(crate) fn bucket(&self, word: u64) -> usize {
        let [a, b, c, d, ..] = self.hash(word).to_le_bytes();
        u32::from_le_bytes([a, b, c, d]) as usize & self.mask
    }

    /// Once in the program: it is long, and several look-ups of a frame use it.
    #[inline(never)]
    fn hash(&self, word: u64) -> u64 {
        // The last block of a message: its length in the highest octet, and no octet left over.
        const END: u64 = 8 << 56;
        let mut state = self.keyed;
        for block in [word, END] {
            state[3] ^= block;
            round(&mut state);
            state[0] ^= block;
        }
        state[2] ^= 0xff;
        round(&mut state);
        round(&mut state);
        round(&mut state);
        state[0] ^ state[1] ^ state[2] ^ state[3]
    }
}

/// SipRound.
fn round([a, b, c, d]: &mut [u64; 4]) {
    *a = a.wrapping_add(*b);
    *c = c.wrapping_add(*d);
    *b = b.rotate_left(13) ^ *a;
    *d = d.rotate_left(16) ^ *c;
    *a = a.rotate_left(32);
    *c = c.wrapping_add(*b);
    *a = a.wrapping_add(*d);
    *b = b.rotate_left(17) ^ *c;
    *d = d.rotate_left(21) ^ *a;
    *c = c.rotate_left(32);
}

#[cfg(test)]
mod tests {
    use core::hash::Hasher;

    use proptest::prelude::*;
    use siphasher::sip::SipHasher13;

    use super::*;

    proptest! {
        #[test]
        fn it_is_siphash_1_3(key: [u64; 2], word: u64) {
            let mut reference = SipHasher13::new_with_keys(key[0], key[1]);
            reference.write(&word.to_le_bytes());
            prop_assert_eq!(BucketHash::new(key, 1).hash(word), reference.finish());
        }
    }
}
