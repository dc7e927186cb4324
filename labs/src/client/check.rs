//! Is the stream what it should be: every record once, in order, undamaged?

use crate::guest::stream::{self, RECORD};

/// Reads the guest's stream as it arrives. Cost: one record's content per record.
///
/// What is lost is told from what is damaged: a stretch of the stream that did not come, and as many other octets in its
/// place, is damage (a machine whose memory was copied wrongly sends old octets where new ones belong); TCP has delivered
/// all it was given.
#[derive(Clone, Debug, Default)]
pub struct StreamCheck {
    partial: Vec<u8>,
    next: u64,
    /// Octets since the last record in its place that were none, and those of records that had come before.
    odd: (u64, u64),
    /// Octets received.
    pub received: u64,
    /// Octets of records left out, with nothing in their place.
    pub lost: u64,
    /// Octets of records that had come before, besides all others.
    pub duplicated: u64,
    /// Octets that were no record, or in the place of others.
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
                    self.odd.0 += 1;
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
            self.odd.1 += record;
            return;
        }
        let missing = (number - self.next).saturating_mul(record);
        let (broken, repeated) = core::mem::take(&mut self.odd);
        // What is broken stands in the place of what is missing first: it came from nowhere else.
        let replaced = missing.saturating_sub(broken).min(repeated);
        self.duplicated -= replaced;
        self.damaged += replaced;
        self.lost += missing.saturating_sub(broken + repeated);
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
        assert_eq!((check.damaged, check.lost), (256, 2 * 256));
        check.feed(&records(&[8]));
        assert_eq!((check.damaged, check.lost), (256, 2 * 256));
    }

    #[test]
    fn an_old_record_in_the_place_of_another_is_damage_and_no_loss() {
        let mut check = StreamCheck::default();
        check.feed(&records(&[0, 1, 2, 3, 2, 5, 6]));
        let seen = (check.lost, check.duplicated, check.damaged);
        assert_eq!(seen, (0, 0, 256));
        // Two missing, one old in their place: one is lost.
        let mut check = StreamCheck::default();
        check.feed(&records(&[0, 1, 1, 4]));
        let seen = (check.lost, check.duplicated, check.damaged);
        assert_eq!(seen, (256, 0, 256));
        // None missing: it came twice.
        let mut check = StreamCheck::default();
        check.feed(&records(&[0, 1, 1, 1, 2, 3]));
        let seen = (check.lost, check.duplicated, check.damaged);
        assert_eq!(seen, (0, 512, 0));
    }
}
