//! Frames in a stream of octets: each behind its length, four octets, big-endian, as QEMU's `-netdev stream`.

/// Octets of a length.
pub const LENGTH_LEN: usize = 4;

/// The longest frame that QEMU sends (`NET_BUFSIZE`: 64 KiB and a page). A longer one is no frame: the stream is
/// out of step and cannot be brought into step again.
pub const LEN_MAX: usize = (64 << 10) + (4 << 10);

/// Octets kept: more than the longest frame, and enough for a batch of common ones.
const ROOM: usize = 128 << 10;

/// Takes a stream apart, as it comes.
pub struct Decoder {
    octets: Box<[u8]>,
    start: usize,
    end: usize,
}

/// A length that no frame has: whatever follows means nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a frame of {0} octets was announced")]
pub struct BadLength(u32);

impl Default for Decoder {
    /// For a stream that begins.
    fn default() -> Self {
        Self {
            octets: vec![0; ROOM].into_boxed_slice(),
            start: 0,
            end: 0,
        }
    }
}

impl Decoder {
    /// Where the next octets of the stream go; never empty after [`Self::frame`] had no frame.
    pub fn room(&mut self) -> &mut [u8] {
        self.octets.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        &mut self.octets[self.end..]
    }

    /// `octets` of the room were filled.
    pub fn filled(&mut self, octets: usize) {
        self.end = (self.end + octets).min(self.octets.len());
    }

    /// The next whole frame, if it is there. It may be longer than any port takes, or empty.
    ///
    /// # Errors
    /// The stream is out of step; from then on this is the answer.
    pub fn frame(&mut self) -> Result<Option<&[u8]>, BadLength> {
        let held = &self.octets[self.start..self.end];
        let Some((length, rest)) = held.split_first_chunk::<LENGTH_LEN>() else {
            return Ok(None);
        };
        let length = u32::from_be_bytes(*length);
        let len = length as usize;
        if len > LEN_MAX {
            return Err(BadLength(length));
        }
        if rest.len() < len {
            return Ok(None);
        }
        self.start += LENGTH_LEN + len;
        Ok(Some(&self.octets[self.start - len..self.start]))
    }

    /// Whether [`Self::frame`] has an answer without more octets.
    #[must_use]
    pub fn has_next(&self) -> bool {
        let held = &self.octets[self.start..self.end];
        held.split_first_chunk::<LENGTH_LEN>()
            .is_some_and(|(length, rest)| {
                let len = u32::from_be_bytes(*length) as usize;
                len > LEN_MAX || rest.len() >= len
            })
    }

    /// Whether octets are left over: the beginning of a frame.
    #[must_use]
    pub fn is_in_frame(&self) -> bool {
        self.start < self.end
    }
}

impl std::fmt::Debug for Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decoder")
            .field("held", &(self.end - self.start))
            .finish_non_exhaustive()
    }
}

/// The length that goes before a frame of `octets`.
pub(super) fn length(octets: usize) -> [u8; LENGTH_LEN] {
    debug_assert!(octets <= LEN_MAX);
    u32::try_from(octets).unwrap_or(u32::MAX).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Gives `stream` to a decoder in pieces of these sizes, and takes what comes out.
    fn decoded(stream: &[u8], pieces: &[usize]) -> (Vec<Vec<u8>>, Option<BadLength>, bool) {
        let (mut decoder, mut frames) = (Decoder::default(), Vec::new());
        let (mut rest, mut sizes) = (stream, pieces.iter().cycle());
        loop {
            loop {
                let has_next = decoder.has_next();
                match decoder.frame() {
                    Ok(Some(frame)) => frames.push(frame.to_vec()),
                    Ok(None) => {
                        assert!(!has_next);
                        break;
                    }
                    Err(bad) => {
                        assert!(has_next);
                        assert_eq!(decoder.frame().unwrap_err(), bad);
                        return (frames, Some(bad), true);
                    }
                }
                assert!(has_next);
            }
            if rest.is_empty() {
                return (frames, None, decoder.is_in_frame());
            }
            let room = decoder.room();
            assert!(!room.is_empty());
            let taken = (*sizes.next().unwrap()).min(rest.len()).min(room.len());
            room[..taken].copy_from_slice(&rest[..taken]);
            decoder.filled(taken);
            rest = &rest[taken..];
        }
    }

    #[test]
    fn the_longest_frame_is_taken_and_one_octet_more_is_out_of_step() {
        let len = u32::try_from(LEN_MAX).unwrap();
        let mut stream = len.to_be_bytes().to_vec();
        stream.resize(LENGTH_LEN + LEN_MAX, 7);
        assert_eq!(decoded(&stream, &[usize::MAX]).0[0].len(), LEN_MAX);
        let bad = (len + 1).to_be_bytes();
        assert_eq!(
            decoded(&bad, &[1]),
            (vec![], Some(BadLength(len + 1)), true)
        );
    }

    proptest! {
        #[test]
        fn frames_come_out_as_they_went_in_however_the_stream_is_cut(
            frames in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..2000), 0..40),
            pieces in prop::collection::vec(1_usize..4000, 1..20),
            cut in any::<prop::sample::Index>(),
        ) {
            let mut stream = Vec::new();
            for frame in &frames {
                stream.extend(length(frame.len()));
                stream.extend(frame);
            }
            prop_assert_eq!(decoded(&stream, &pieces), (frames.clone(), None, false));
            // Cut anywhere: those before the cut, and the rest is known to be a part.
            let cut = cut.index(stream.len() + 1);
            let (whole, bad, in_frame) = decoded(&stream[..cut], &pieces);
            prop_assert_eq!(bad, None);
            prop_assert_eq!(&whole[..], &frames[..whole.len()]);
            let taken: usize = whole.iter().map(|frame| LENGTH_LEN + frame.len()).sum();
            prop_assert_eq!(in_frame, taken < cut);
        }

        #[test]
        fn any_octets_are_an_answer(
            stream in prop::collection::vec(prop_oneof![3 => Just(0_u8), 1 => any::<u8>()], 0..3000),
            pieces in prop::collection::vec(1_usize..100, 1..20),
        ) {
            let (frames, bad, in_frame) = decoded(&stream, &pieces);
            let taken: usize = frames.iter().map(|frame| LENGTH_LEN + frame.len()).sum();
            prop_assert!(taken <= stream.len());
            prop_assert_eq!(in_frame, bad.is_some() || taken < stream.len());
        }
    }
}
