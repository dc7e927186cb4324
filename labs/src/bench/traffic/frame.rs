//! The bench's frames: addresses, an EtherType no stack wants, and who, which and when.

use pnet_base::MacAddr;

/// Local experimental EtherType 1 (IEEE 802, clause 9.2.3.1): a receiving stack drops it at once, so that the switch is
/// measured and not the stack.
pub const ETHER_TYPE: u16 = 0x88b5;

/// Octets of the smallest frame: the 64 of RFC 2544 without the FCS, which virtual wires do not carry.
pub const FRAME_MIN: usize = 60;

/// Where the sequence number's lower half stands, for samples taken by the kernel.
pub(super) const SEQUENCE_LOW: u32 = 22;

/// A set of consecutive addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses {
    group: [u8; 2],
    first: u32,
    step: u32,
    count: u32,
}

impl Addresses {
    /// The address of the station behind port `number`.
    #[must_use]
    pub fn station(number: u32) -> Self {
        Self {
            group: [0x02, 0xb5],
            first: number,
            step: 1,
            count: 1,
        }
    }

    /// `count` addresses of no station. Sets of different `set` have none in common.
    #[must_use]
    pub fn many(set: u8, count: u32) -> Self {
        Self {
            group: [0x06, set],
            first: 0,
            step: 1,
            count: count.max(1),
        }
    }

    /// Everybody.
    #[must_use]
    pub fn broadcast() -> Self {
        Self {
            group: [0xff, 0xff],
            first: u32::MAX,
            step: 1,
            count: 1,
        }
    }

    /// One address.
    #[must_use]
    pub fn one(address: MacAddr) -> Self {
        let [a, b, c, d, e, f] = address.octets();
        Self {
            group: [a, b],
            first: u32::from_be_bytes([c, d, e, f]),
            step: 1,
            count: 1,
        }
    }

    /// Every `step`th of these.
    #[must_use]
    pub fn every(self, step: u32) -> Self {
        let step = step.max(1);
        Self {
            step: self.step * step,
            count: (self.count / step).max(1),
            ..self
        }
    }

    /// How many.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.count
    }

    /// The address of the `sequence`th frame: each in turn, then again from the first.
    #[must_use]
    pub fn nth(&self, sequence: u64) -> [u8; 6] {
        let step = u32::try_from(sequence % u64::from(self.count)).unwrap_or(0);
        let [c, d, e, f] = self
            .first
            .wrapping_add(step.wrapping_mul(self.step))
            .to_be_bytes();
        let [a, b] = self.group;
        [a, b, c, d, e, f]
    }
}

/// What a frame of the bench says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Which stream it belongs to; every stream of a run has its own.
    pub stream: u32,
    /// From 0, without gap.
    pub sequence: u64,
    /// When it was made, in nanoseconds of the machine's monotonic clock.
    pub time: u64,
}

impl Header {
    /// Writes the header and what stands before it.
    ///
    /// # Panics
    /// When the frame is shorter than [`FRAME_MIN`].
    pub fn write(&self, frame: &mut [u8], destination: [u8; 6], source: [u8; 6]) {
        frame[0..6].copy_from_slice(&destination);
        frame[6..12].copy_from_slice(&source);
        frame[12..14].copy_from_slice(&ETHER_TYPE.to_be_bytes());
        frame[14..18].copy_from_slice(&self.stream.to_be_bytes());
        frame[18..26].copy_from_slice(&self.sequence.to_be_bytes());
        frame[26..34].copy_from_slice(&self.time.to_be_bytes());
    }

    /// Reads it back; `None`: no frame of the bench.
    #[must_use]
    pub fn read(frame: &[u8]) -> Option<Self> {
        if frame.get(12..14)? != ETHER_TYPE.to_be_bytes() {
            return None;
        }
        Some(Self {
            stream: u32::from_be_bytes(frame.get(14..18)?.try_into().ok()?),
            sequence: u64::from_be_bytes(frame.get(18..26)?.try_into().ok()?),
            time: u64::from_be_bytes(frame.get(26..34)?.try_into().ok()?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_reads_back_and_strangers_have_none() {
        let header = Header {
            stream: 7,
            sequence: 0x0102_0304_0506_0708,
            time: 99,
        };
        let mut frame = [0; FRAME_MIN];
        header.write(&mut frame, [0xff; 6], Addresses::station(1).nth(0));
        assert_eq!(Header::read(&frame), Some(header));
        let low = usize::try_from(SEQUENCE_LOW).unwrap();
        assert_eq!(frame[low..low + 4], [5, 6, 7, 8]);
        for length in 0..34 {
            assert_eq!(Header::read(&frame[..length]), None);
        }
        frame[13] = 0xb6;
        assert_eq!(Header::read(&frame), None);
    }

    #[test]
    fn addresses_go_round_and_sets_differ() {
        let many = Addresses::many(3, 70_000);
        assert_eq!(many.nth(0), [6, 3, 0, 0, 0, 0]);
        assert_eq!(many.nth(65_537), [6, 3, 0, 1, 0, 1]);
        assert_eq!(many.nth(70_000), many.nth(0));
        assert_eq!(Addresses::broadcast().nth(5), [0xff; 6]);
        let some = many.every(7_000);
        assert_eq!((some.count(), some.nth(9)), (10, many.nth(63_000)));
        let one = MacAddr::new(1, 0x80, 0xc2, 0, 0, 0x0e);
        assert_eq!(Addresses::one(one).nth(9), one.octets());
    }
}
