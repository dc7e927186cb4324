//! The guest's memory: real pages, a dirty bitmap, and the load that dirties them.

use core::hash::Hasher;
use core::time::Duration;
use siphasher::sip::SipHasher13;

use super::stream::mix;

/// Octets of a page.
pub const PAGE: usize = 4096;
/// Pages of one mebibyte.
pub const PAGES_PER_MIB: u32 = 256;
/// Largest memory, pages (4 GiB).
pub const PAGES_MAX: u32 = 1 << 20;

/// Pages of memory and which of them were written since they were last taken.
///
/// Every write goes through [`write`](Self::write) or [`install`](Self::install): tracking is
/// exact, where a hypervisor needs its MMU.
#[derive(Clone)]
pub struct Memory {
    bytes: Vec<u8>,
    dirty: Vec<u64>,
    dirty_count: u32,
}

impl core::fmt::Debug for Memory {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Memory")
            .field("pages", &self.pages())
            .field("dirty", &self.dirty_count)
            .finish_non_exhaustive()
    }
}

impl Memory {
    /// Memory of `pages` pages of zeros, none dirty. Cost: linear.
    ///
    /// `pages` is limited to [`PAGES_MAX`].
    #[must_use]
    pub fn zeroed(pages: u32) -> Self {
        let pages = pages.min(PAGES_MAX) as usize;
        Self {
            bytes: vec![0; pages * PAGE],
            dirty: vec![0; pages.div_ceil(64)],
            dirty_count: 0,
        }
    }

    /// Memory as after boot: every page has content of its own, all dirty.
    #[must_use]
    pub fn booted(pages: u32, seed: u64) -> Self {
        let mut memory = Self::zeroed(pages);
        let mut state = seed;
        for chunk in memory.bytes.chunks_exact_mut(8) {
            chunk.copy_from_slice(&mix(&mut state).to_le_bytes());
        }
        memory.mark_all();
        memory
    }

    /// Number of pages.
    #[must_use]
    pub fn pages(&self) -> u32 {
        u32::try_from(self.bytes.len() / PAGE).expect("limited to PAGES_MAX")
    }

    /// Number of pages written since they were last taken.
    #[must_use]
    pub fn dirty_pages(&self) -> u32 {
        self.dirty_count
    }

    /// Content of page `index`; `None` beyond the end.
    #[must_use]
    pub fn page(&self, index: u32) -> Option<&[u8]> {
        let start = index as usize * PAGE;
        self.bytes.get(start..start + PAGE)
    }

    /// Writes one 64-bit word into page `index` (both taken modulo the size); marks it dirty.
    pub fn write(&mut self, index: u32, word: u32, value: u64) {
        let pages = self.pages();
        if pages == 0 {
            return;
        }
        let index = index % pages;
        let start = index as usize * PAGE + (word as usize % (PAGE / 8)) * 8;
        self.bytes[start..start + 8].copy_from_slice(&value.to_le_bytes());
        self.mark(index);
    }

    /// Replaces page `index` by what arrived for it; not dirty by that. False beyond the end or
    /// when `content` is not one page.
    #[must_use]
    pub fn install(&mut self, index: u32, content: &[u8]) -> bool {
        let start = index as usize * PAGE;
        match self.bytes.get_mut(start..start + PAGE) {
            Some(page) if content.len() == PAGE => {
                page.copy_from_slice(content);
                true
            }
            Some(_) | None => false,
        }
    }

    /// Marks every page dirty: the first round of a migration copies all.
    pub fn mark_all(&mut self) {
        for index in 0..self.pages() {
            self.mark(index);
        }
    }

    /// Takes the first dirty page at or after `from` out of the dirty set; `None`: no such page.
    pub fn take_dirty(&mut self, from: u32) -> Option<u32> {
        let mut slot = from as usize / 64;
        let mut word = self.dirty.get(slot)? & (u64::MAX << (from % 64));
        while word == 0 {
            slot += 1;
            word = *self.dirty.get(slot)?;
        }
        let bit = word.trailing_zeros();
        self.dirty[slot] &= !(1 << bit);
        self.dirty_count -= 1;
        Some(u32::try_from(slot).expect("limited to PAGES_MAX") * 64 + bit)
    }

    /// Digest of the whole memory, page by page. Cost: linear, about a millisecond per MiB.
    #[must_use]
    pub fn digest(&self) -> u64 {
        let mut all = Digest::new(self.pages());
        for (index, page) in self.bytes.chunks_exact(PAGE).enumerate() {
            all.set(index, page);
        }
        all.value()
    }

    fn mark(&mut self, index: u32) {
        let word = &mut self.dirty[index as usize / 64];
        let bit = 1 << (index % 64);
        if *word & bit == 0 {
            *word |= bit;
            self.dirty_count += 1;
        }
    }
}

/// Digest of a memory kept page by page, so that replacing a page costs one page.
#[derive(Clone, Debug)]
pub struct Digest {
    pages: Vec<u64>,
}

impl Digest {
    /// Digest of `pages` pages not seen yet.
    #[must_use]
    pub fn new(pages: u32) -> Self {
        Self {
            pages: vec![0; pages.min(PAGES_MAX) as usize],
        }
    }

    /// Notes the content of page `index`; ignored beyond the end.
    pub fn set(&mut self, index: usize, content: &[u8]) {
        if let Some(slot) = self.pages.get_mut(index) {
            let mut hasher = SipHasher13::new();
            hasher.write(content);
            *slot = hasher.finish();
        }
    }

    /// The digest of all pages. Cost: 8 octets hashed per page.
    #[must_use]
    pub fn value(&self) -> u64 {
        let mut hasher = SipHasher13::new();
        for page in &self.pages {
            hasher.write_u64(*page);
        }
        hasher.finish()
    }
}

/// The load: writes pages at a steady rate, most of them in a working set of an eighth.
///
/// Programs rewrite what they have just written; a uniform load would be the unrealistic one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Dirtier {
    pub(super) state: u64,
    pub(super) written: u64,
    rate: u32,
    next: Duration,
}

/// Time between two bursts of writes.
const TICK: Duration = Duration::from_millis(2);
/// Writes caught up at most at once, after the machine was not run for a while.
const CATCH_UP_MAX: u32 = 4096;

impl Dirtier {
    /// A load of `rate` page writes per second from `now` on.
    pub(super) fn new(now: Duration, rate: u32, state: u64, written: u64) -> Self {
        Self {
            state,
            written,
            rate,
            next: now + TICK,
        }
    }

    /// Does the writes due at `now`; at most [`CATCH_UP_MAX`].
    pub(super) fn run(&mut self, now: Duration, memory: &mut Memory) {
        if self.rate == 0 || now < self.next || memory.pages() == 0 {
            return;
        }
        let elapsed = now - self.next + TICK;
        let due = elapsed.as_micros() * u128::from(self.rate) / 1_000_000;
        let due = u32::try_from(due).unwrap_or(CATCH_UP_MAX);
        if due == 0 {
            // Slower than one page a tick: wait until a whole page is due.
            self.next += TICK;
            if self.rate < 500 {
                self.next = self.next.max(now) + Duration::from_secs(1) / self.rate;
                self.write(memory);
            }
            return;
        }
        for _ in 0..due.min(CATCH_UP_MAX) {
            self.write(memory);
        }
        self.next = now + TICK;
    }

    /// When [`run`](Self::run) has something to do.
    pub(super) fn deadline(&self) -> Option<Duration> {
        (self.rate > 0).then_some(self.next)
    }

    fn write(&mut self, memory: &mut Memory) {
        let random = mix(&mut self.state);
        let hot = random & 0xf != 0;
        let span = if hot {
            memory.pages().div_ceil(8)
        } else {
            memory.pages()
        };
        let index = u32::try_from((random >> 16) & 0x7fff_ffff).expect("31 bits") % span;
        let word = u32::try_from((random >> 4) & 0x1ff).expect("9 bits");
        self.written += 1;
        memory.write(index, word, random ^ self.written);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_load_writes_at_its_rate() {
        let mut memory = Memory::zeroed(1024);
        let mut load = Dirtier::new(Duration::ZERO, 1000, 1, 0);
        let mut now = Duration::ZERO;
        while now < Duration::from_secs(1) {
            now = load.deadline().expect("a rate was given");
            load.run(now, &mut memory);
        }
        assert!((990..=1010).contains(&load.written), "{}", load.written);
        assert!(memory.dirty_pages() > 100);
    }

    #[test]
    fn a_slow_load_writes_too() {
        let mut memory = Memory::zeroed(64);
        let mut load = Dirtier::new(Duration::ZERO, 3, 1, 0);
        let mut now = Duration::ZERO;
        while now < Duration::from_secs(10) {
            now = load.deadline().expect("a rate was given");
            load.run(now, &mut memory);
        }
        assert!((28..=32).contains(&load.written), "{}", load.written);
    }

    #[test]
    fn digests_differ_when_one_bit_differs_and_do_not_depend_on_the_order_of_pages() {
        let mut memory = Memory::booted(32, 9);
        let before = memory.digest();
        let mut digest = Digest::new(32);
        for index in (0..32u32).rev() {
            digest.set(index as usize, memory.page(index).expect("in range"));
        }
        assert_eq!(digest.value(), before);
        memory.write(7, 3, 1);
        assert_ne!(memory.digest(), before);
    }

    proptest! {
        #[test]
        fn dirty_pages_are_those_written_and_each_is_taken_once(
            writes in proptest::collection::vec((0u32..300, 0u32..512, any::<u64>()), 0..200),
        ) {
            let mut memory = Memory::zeroed(300);
            let mut model = BTreeSet::new();
            for (page, word, value) in writes {
                memory.write(page, word, value);
                model.insert(page);
            }
            prop_assert_eq!(memory.dirty_pages() as usize, model.len());
            let mut taken = Vec::new();
            let mut from = 0;
            while let Some(page) = memory.take_dirty(from) {
                taken.push(page);
                from = page + 1;
            }
            prop_assert_eq!(taken, model.into_iter().collect::<Vec<_>>());
            prop_assert_eq!(memory.dirty_pages(), 0);
        }
    }
}
