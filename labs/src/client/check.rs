//! Is the stream what it should be: every record once, in order, undamaged?

use crate::guest::stream::{self, RECORD};

/// Reads the guest's stream as it arrives. Cost: one record's content per record.
#[derive(Clone, Debug, Default)]
pub struct StreamCheck {
    partial: Vec<u8>,
    next: u64,
    /// Octets received.
    pub received: u64,
    /// Octets of records left out.
    pub lost: u64,
    /// Octets of records that had come before.
    pub duplicated: u64,
    /// Octets that were no record.
    pub damaged: u64,
}

impl StreamCheck {
    /// Takes in octets of the stream.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.received += bytes.len() as u64;
        self.partial.extend_from_slice(bytes);
        let mut start = 0;
        while self.partial.len() - start >= RECORD {
            match stream::parse(&self.partial[start..]) {
                Some(number) => {
                    self.record(number);
                    start += RECORD;
                }
                None => {
                    self.damaged += 1;
                    start += 1;
                }
            }
        }
        self.partial.drain(..start);
    }

    fn record(&mut self, number: u64) {
        let record = RECORD as u64;
        if number < self.next {
            self.duplicated += record;
            return;
        }
        self.lost += (number - self.next).saturating_mul(record);
        self.next = number.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(numbers: &[u64]) -> Vec<u8> {
        numbers.iter().flat_map(|n| stream::record(*n)).collect()
    }

    #[test]
    fn a_good_stream_in_any_pieces_is_good() {
        let mut check = StreamCheck::default();
        for piece in records(&[0, 1, 2, 3, 4]).chunks(100) {
            check.feed(piece);
        }
        assert_eq!((check.received, check.lost), (5 * 256, 0));
        assert_eq!((check.duplicated, check.damaged), (0, 0));
    }

    #[test]
    fn lost_repeated_and_damaged_records_are_told_apart() {
        let mut check = StreamCheck::default();
        check.feed(&records(&[0, 1, 4, 3, 5]));
        assert_eq!((check.lost, check.duplicated), (2 * 256, 256));
        let mut bytes = records(&[6, 7]);
        bytes[100] ^= 1;
        check.feed(&bytes);
        assert_eq!((check.damaged, check.lost), (256, 3 * 256));
        check.feed(&records(&[8]));
        assert_eq!((check.damaged, check.lost), (256, 3 * 256));
    }
}
