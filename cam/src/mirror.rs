//! What a table holds, for other threads to read while its owner changes it: without a lock, and never torn.

use core::fmt;
use core::sync::atomic::{AtomicU64, Ordering, fence};
use core::time::Duration;
use std::sync::OnceLock;

use etherparse::VlanId;
use pnet_base::MacAddr;

use crate::ageing::{Ageing, nanoseconds};
use crate::hash::BucketHash;
use crate::slots::{Key, Kind};

/// Entries that a set has room for. Sets hold three entries on average when the table is full, so that one entry in a
/// hundred finds no place then, and none of a table that is half full.
pub(crate) const WAYS: usize = 7;

/// The table's places for each set.
const PLACES_PER_SET: usize = 4;

/// Sets are made so many at a time, some 4 KiB, when the first of them is used.
const CHUNK: usize = 16;

/// Marks of flushes: two (port, VLAN) that share one are flushed together.
const MARKS: usize = 4096;

/// A reader tells the owner of a station it has seen this many times in the time an entry is held.
const CONFIRMATIONS: u64 = 64;

/// But not more often than this, in nanoseconds.
const CONFIRM_EVERY_MIN: u64 = 1_000_000_000;

/// A [`MacTable`](crate::MacTable)'s entries as other threads see them: a cache that its table fills and empties.
///
/// Made by [`MacTable::mirror`](crate::MacTable::mirror). What a reader finds, the table holds, or held until the change
/// that is being made. What a reader does not find, the table may hold all the same: a set is full, a set is being written,
/// or a flush took more with it than was asked for. So a reader that finds nothing asks the table's owner.
///
/// Readers wait for nobody. One thread writes, the table's owner. A set has a version that is odd while it is written; who
/// reads the same even version before and after has read what belongs together.
pub struct Mirror {
    hash: BucketHash,
    chunks: Box<[OnceLock<Box<[Set]>>]>,
    /// The epoch of the last flush of each (port, VLAN), of several together.
    flushed: Box<[AtomicU64]>,
    flushed_all: AtomicU64,
    /// How many flushes there were. Entries live if they were written after the flushes that concern them.
    epoch: AtomicU64,
    hold: AtomicU64,
    seen_min: AtomicU64,
}

/// An entry as a reader finds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reflection {
    /// The number of the port the station is reached by.
    pub port: u16,
    /// Whether the address is the bridge's own.
    pub is_local: bool,
}

/// What a reader who has seen a station may do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    /// Nothing: the table knows the station there, and heard of it lately or need not.
    Known,
    /// The same, but the table is to hear of it ([`MacTable::confirm`](crate::MacTable::confirm)), lest the entry expire.
    /// Said again only after a while.
    Due,
    /// Let the table learn.
    Unknown,
}

#[derive(Debug, Default)]
struct Set {
    version: AtomicU64,
    ways: [Way; WAYS],
}

/// One place of a set.
#[derive(Debug)]
struct Way {
    key: AtomicU64,
    /// Epoch, kind and port.
    what: AtomicU64,
    seen: AtomicU64,
    /// When the table last heard of it.
    told: AtomicU64,
}

impl Default for Way {
    fn default() -> Self {
        Self {
            key: AtomicU64::new(Key::VACANT.word()),
            what: AtomicU64::new(0),
            seen: AtomicU64::new(0),
            told: AtomicU64::new(0),
        }
    }
}

/// The second word of a place, taken apart.
#[derive(Clone, Copy, PartialEq, Eq)]
struct What {
    epoch: u64,
    kind: Kind,
    port: u16,
}

impl What {
    fn pack(self) -> u64 {
        let kind = match self.kind {
            Kind::Dynamic => 0,
            Kind::Static => 1,
            Kind::Local => 2,
        };
        self.epoch << 24 | kind << 16 | u64::from(self.port)
    }

    fn unpack(word: u64) -> Self {
        let [.., kind, high, low] = word.to_be_bytes();
        Self {
            epoch: word >> 24,
            kind: match kind {
                0 => Kind::Dynamic,
                1 => Kind::Static,
                _ => Kind::Local,
            },
            port: u16::from_be_bytes([high, low]),
        }
    }
}

impl Mirror {
    pub(crate) fn new(places: usize, hash: BucketHash, ageing: &Ageing) -> Self {
        let sets = (places.next_power_of_two() / PLACES_PER_SET).max(CHUNK);
        let mirror = Self {
            hash: hash.resized(sets),
            chunks: (0..sets / CHUNK).map(|_| OnceLock::new()).collect(),
            flushed: (0..MARKS).map(|_| AtomicU64::new(0)).collect(),
            flushed_all: AtomicU64::new(0),
            epoch: AtomicU64::new(0),
            hold: AtomicU64::new(0),
            seen_min: AtomicU64::new(0),
        };
        mirror.set_ageing(ageing);
        mirror
    }

    /// The entry of `address` in `vlan`, if it is to be found. Some 20 ns.
    #[must_use]
    pub fn find(&self, now: Duration, vlan: VlanId, address: MacAddr) -> Option<Reflection> {
        let (_, what) = self.read(now, vlan, address)?;
        Some(Reflection {
            port: what.port,
            is_local: what.kind == Kind::Local,
        })
    }

    /// A frame with source `address`, classified to `vlan`, came in by `port`: what learning it would come to. Some 20 ns.
    #[must_use]
    pub fn sight(&self, now: Duration, vlan: VlanId, address: MacAddr, port: u16) -> Sight {
        match self.read(now, vlan, address) {
            Some((way, what)) if what.port == port => match what.kind {
                Kind::Static => Sight::Known,
                Kind::Local => Sight::Unknown,
                Kind::Dynamic if self.is_due(way, nanoseconds(now)) => Sight::Due,
                Kind::Dynamic => Sight::Known,
            },
            Some(_) | None => Sight::Unknown,
        }
    }

    /// Whether the table should hear of a sight; it is then taken for told. Should the place meanwhile be another
    /// entry's, that is told of a little later than it might be.
    fn is_due(&self, way: &Way, at: u64) -> bool {
        let every = (self.hold.load(Ordering::Relaxed) / CONFIRMATIONS).min(CONFIRM_EVERY_MIN);
        let due = at.saturating_sub(way.told.load(Ordering::Relaxed)) >= every;
        if due {
            way.told.store(at, Ordering::Relaxed);
        }
        due
    }

    fn read(&self, now: Duration, vlan: VlanId, address: MacAddr) -> Option<(&Way, What)> {
        let key = Key::new(vlan, address);
        let (way, what, seen) = self.set(key)?.read(key.word())?;
        let what = What::unpack(what);
        let is_held = self.is_alive(vlan.value(), what) && !self.is_past(what, seen, now);
        is_held.then_some((way, what))
    }

    fn is_past(&self, what: What, seen: u64, now: Duration) -> bool {
        let expires = seen.saturating_add(self.hold.load(Ordering::Relaxed));
        let is_past = seen < self.seen_min.load(Ordering::Relaxed) || nanoseconds(now) >= expires;
        what.kind == Kind::Dynamic && is_past
    }

    /// Whether no flush has concerned it.
    fn is_alive(&self, vlan: u16, what: What) -> bool {
        let mark = &self.flushed[mark(what.port, vlan)];
        let flushed = self.flushed_all.load(Ordering::Acquire);
        what.kind != Kind::Dynamic || what.epoch > mark.load(Ordering::Acquire).max(flushed)
    }

    /// The set an entry goes to, by number.
    #[cfg(test)]
    pub(crate) fn set_of(&self, vlan: VlanId, address: MacAddr) -> usize {
        self.hash.bucket(Key::new(vlan, address).word())
    }

    fn set(&self, key: Key) -> Option<&Set> {
        let set = self.hash.bucket(key.word());
        Some(&self.chunks[set / CHUNK].get()?[set % CHUNK])
    }
}

/// What the table's owner does.
impl Mirror {
    /// The table holds this now, last refreshed at `seen`.
    pub(crate) fn note(&self, key: Key, kind: Kind, port: u16, seen: u64) {
        let set = self.hash.bucket(key.word());
        let make = || (0..CHUNK).map(|_| Set::default()).collect();
        let set = &self.chunks[set / CHUNK].get_or_init(make)[set % CHUNK];
        let epoch = self.epoch.load(Ordering::Relaxed) + 1;
        let what = What { epoch, kind, port };
        let Some(way) = self.place(set, key, seen) else {
            return;
        };
        if way.key.load(Ordering::Relaxed) == key.word()
            && way.what.load(Ordering::Relaxed) == what.pack()
        {
            // Refreshed: one word changes.
            way.seen.store(seen, Ordering::Relaxed);
            way.told.store(seen, Ordering::Relaxed);
            return;
        }
        set.write(|| {
            way.key.store(key.word(), Ordering::Relaxed);
            way.what.store(what.pack(), Ordering::Relaxed);
            way.seen.store(seen, Ordering::Relaxed);
            way.told.store(seen, Ordering::Relaxed);
        });
    }

    /// Where `key` is or may go: where it is, where nothing is, else where the dynamic entry is that was refreshed longest
    /// ago; those that do not age stay.
    fn place<'s>(&self, set: &'s Set, key: Key, at: u64) -> Option<&'s Way> {
        let mut best: Option<(&Way, u64)> = None;
        for way in &set.ways {
            let held = way.key.load(Ordering::Relaxed);
            if held == key.word() {
                return Some(way);
            }
            let what = What::unpack(way.what.load(Ordering::Relaxed));
            let seen = way.seen.load(Ordering::Relaxed);
            let is_free = held == Key::VACANT.word()
                || !self.is_alive(Key::vlan_of(held), what)
                || self.is_past(what, seen, Duration::from_nanos(at));
            let rank = match (is_free, what.kind) {
                (true, _) => 0,
                (false, Kind::Dynamic) => seen.saturating_add(1),
                (false, Kind::Static | Kind::Local) => continue,
            };
            if best.is_none_or(|(_, least)| rank < least) {
                best = Some((way, rank));
            }
        }
        best.map(|(way, _)| way)
    }

    /// The table does not hold it any more.
    pub(crate) fn remove(&self, key: Key) {
        let Some(set) = self.set(key) else {
            return;
        };
        let is_it = |way: &&Way| way.key.load(Ordering::Relaxed) == key.word();
        if let Some(way) = set.ways.iter().find(is_it) {
            set.write(|| way.key.store(Key::VACANT.word(), Ordering::Relaxed));
        }
    }

    /// The table has flushed what it learned on `port` in `vlan`.
    pub(crate) fn flush(&self, port: u16, vlan: u16) {
        self.flushed[mark(port, vlan)].store(self.next_epoch(), Ordering::Release);
    }

    /// The table has flushed everything.
    pub(crate) fn flush_all(&self) {
        self.flushed_all.store(self.next_epoch(), Ordering::Release);
    }

    /// One thread writes, so it is only its own to change.
    fn next_epoch(&self) -> u64 {
        let epoch = self.epoch.load(Ordering::Relaxed) + 1;
        self.epoch.store(epoch, Ordering::Relaxed);
        epoch
    }

    pub(crate) fn set_ageing(&self, ageing: &Ageing) {
        let (hold, seen_min) = ageing.bounds();
        self.seen_min.store(seen_min, Ordering::Relaxed);
        self.hold.store(hold, Ordering::Relaxed);
    }
}

impl Set {
    /// The place of `key`, and its words that belong together.
    fn read(&self, key: u64) -> Option<(&Way, u64, u64)> {
        let before = self.version.load(Ordering::Acquire);
        let is_it = |way: &&Way| way.key.load(Ordering::Relaxed) == key;
        let way = self.ways.iter().find(is_it)?;
        let what = way.what.load(Ordering::Relaxed);
        let seen = way.seen.load(Ordering::Relaxed);
        // What was read is read before the version is looked at again.
        fence(Ordering::Acquire);
        let is_whole = before.is_multiple_of(2) && self.version.load(Ordering::Relaxed) == before;
        is_whole.then_some((way, what, seen))
    }

    fn write(&self, write: impl FnOnce()) {
        let version = self.version.load(Ordering::Relaxed);
        self.version.store(version + 1, Ordering::Relaxed);
        // The odd version is seen before any of what follows.
        fence(Ordering::Release);
        write();
        self.version.store(version + 2, Ordering::Release);
    }
}

/// Neighbouring ports and neighbouring VLANs have different ones.
fn mark(port: u16, vlan: u16) -> usize {
    usize::from(port.wrapping_mul(61) ^ vlan) % MARKS
}

impl fmt::Debug for Mirror {
    /// Not a million entries.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mirror").finish_non_exhaustive()
    }
}
