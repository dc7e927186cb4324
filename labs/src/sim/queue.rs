//! What is going to happen, in order of time; at equal times, in the order it was decided.

use core::cmp::Reverse;
use core::time::Duration;
use std::collections::BinaryHeap;

/// What happens then. The numbers are places in the owner's tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum What {
    /// A frame arrives.
    Arrival(u32),
    /// A node's timer is due.
    Timer(u32),
    /// Somebody does something to the world.
    Operation(u32),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    at: u64,
    seq: u64,
    what: What,
}

/// A heap of [`What`] by (time, sequence number).
#[derive(Clone, Debug, Default)]
pub(super) struct Queue {
    heap: BinaryHeap<Reverse<Entry>>,
    seq: u64,
}

impl Queue {
    pub(super) fn push(&mut self, at: u64, what: What) {
        let seq = self.seq;
        self.seq += 1;
        self.heap.push(Reverse(Entry { at, seq, what }));
    }

    /// When the next thing happens.
    pub(super) fn next_at(&self) -> Option<u64> {
        self.heap.peek().map(|Reverse(entry)| entry.at)
    }

    pub(super) fn pop(&mut self) -> Option<(u64, What)> {
        let Reverse(entry) = self.heap.pop()?;
        Some((entry.at, entry.what))
    }
}

/// Values in numbered places that are used again when free.
#[derive(Clone, Debug)]
pub(super) struct Slab<T> {
    places: Vec<Option<T>>,
    free: Vec<u32>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self {
            places: Vec::new(),
            free: Vec::new(),
        }
    }
}

impl<T> Slab<T> {
    pub(super) fn insert(&mut self, value: T) -> u32 {
        if let Some(place) = self.free.pop() {
            self.places[place as usize] = Some(value);
            return place;
        }
        let place = u32::try_from(self.places.len()).expect("memory ends before 2^32 frames");
        self.places.push(Some(value));
        place
    }

    pub(super) fn take(&mut self, place: u32) -> Option<T> {
        let value = self.places.get_mut(place as usize)?.take()?;
        self.free.push(place);
        Some(value)
    }

    pub(super) fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }
}

/// `time` in nanoseconds; 584 years at most.
pub(super) fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_times_keep_the_order_of_pushing() {
        let mut queue = Queue::default();
        queue.push(5, What::Timer(1));
        queue.push(3, What::Operation(9));
        queue.push(5, What::Arrival(0));
        queue.push(3, What::Arrival(2));
        assert_eq!(queue.next_at(), Some(3));
        let order: Vec<_> = core::iter::from_fn(|| queue.pop()).collect();
        assert_eq!(
            order,
            [
                (3, What::Operation(9)),
                (3, What::Arrival(2)),
                (5, What::Timer(1)),
                (5, What::Arrival(0)),
            ]
        );
    }

    #[test]
    fn a_place_is_used_again_once_it_is_free() {
        let mut slab = Slab::default();
        let (a, b) = (slab.insert("a"), slab.insert("b"));
        assert_eq!(
            (slab.take(a), slab.take(a), slab.len()),
            (Some("a"), None, 1)
        );
        assert_eq!(slab.insert("c"), a);
        assert_eq!(
            (slab.take(b), slab.take(a), slab.len()),
            (Some("b"), Some("c"), 0)
        );
    }
}
