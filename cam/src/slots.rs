//! The entries themselves, and the index that finds them by (VLAN, address).

use etherparse::VlanId;
use pnet_base::MacAddr;

use crate::hash::BucketHash;
use crate::list::{Link, NIL, Node, Slab};

/// The list of all dynamic entries, least recently refreshed first.
pub(crate) const BY_AGE: usize = 0;
/// The list of a port's dynamic entries, least recently refreshed first; or of its static and local ones.
pub(crate) const BY_PORT: usize = 1;
/// The list of a group's entries.
pub(crate) const BY_GROUP: usize = 2;

/// A VLAN and an address in one word: the VLAN in the upper 16 bits, the address below.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key(u64);

impl Key {
    /// No VLAN has this number: the key of a slot that holds no entry.
    pub(crate) const VACANT: Self = Self(u64::MAX);

    pub(crate) fn new(vlan: VlanId, address: MacAddr) -> Self {
        let [v, w] = vlan.value().to_be_bytes();
        let [a, b, c, d, e, f] = address.octets();
        Self(u64::from_be_bytes([v, w, a, b, c, d, e, f]))
    }

    /// As one word.
    pub(crate) fn word(self) -> u64 {
        self.0
    }

    /// The number of the VLAN in such a word.
    pub(crate) fn vlan_of(word: u64) -> u16 {
        let [v, w, ..] = word.to_be_bytes();
        u16::from_be_bytes([v, w])
    }

    pub(crate) fn vlan(self) -> VlanId {
        let [v, w, ..] = self.0.to_be_bytes();
        VlanId::try_new(u16::from_be_bytes([v, w])).expect("a key is made of a legal VLAN")
    }

    pub(crate) fn address(self) -> MacAddr {
        let [_, _, a, b, c, d, e, f] = self.0.to_be_bytes();
        MacAddr::new(a, b, c, d, e, f)
    }
}

/// Where an entry comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Dynamic,
    Static,
    Local,
}

/// One entry as it is held.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slot {
    pub(crate) key: Key,
    /// When a dynamic entry was last refreshed, in nanoseconds.
    pub(crate) seen: u64,
    /// The next slot in the bucket.
    chain: u32,
    /// A dynamic entry's group, else [`NIL`].
    pub(crate) group: u32,
    links: [Link; 3],
    pub(crate) port: u16,
    pub(crate) kind: Kind,
}

const _: () = assert!(size_of::<Slot>() == 56, "the crate's documentation says so");

impl Slot {
    pub(crate) fn new(key: Key, kind: Kind, port: u16, seen: u64, group: u32) -> Self {
        Self {
            key,
            seen,
            chain: NIL,
            group,
            links: [Link::default(); 3],
            port,
            kind,
        }
    }

    pub(crate) fn is_vacant(&self) -> bool {
        self.key == Key::VACANT
    }
}

impl Default for Slot {
    fn default() -> Self {
        Self::new(Key::VACANT, Kind::Static, 0, 0, NIL)
    }
}

impl Node for Slot {
    fn link(&self, which: usize) -> Link {
        self.links[which]
    }

    fn link_mut(&mut self, which: usize) -> &mut Link {
        &mut self.links[which]
    }
}

/// All entries, by identity and by key.
#[derive(Clone, Debug)]
pub(crate) struct Slots {
    pub(crate) slab: Slab<Slot>,
    /// The first slot of each bucket. At least as many buckets as slots, so a chain is a step or two long.
    buckets: Vec<u32>,
    pub(crate) hash: BucketHash,
}

impl Slots {
    pub(crate) fn new(capacity: u32, hash_key: [u64; 2]) -> Self {
        let buckets = capacity.next_power_of_two() as usize;
        Self {
            slab: Slab::new(capacity),
            buckets: vec![NIL; buckets],
            hash: BucketHash::new(hash_key, buckets),
        }
    }

    pub(crate) fn get(&self, id: u32) -> &Slot {
        self.slab.get(id)
    }

    pub(crate) fn get_mut(&mut self, id: u32) -> &mut Slot {
        self.slab.get_mut(id)
    }

    #[inline]
    pub(crate) fn find(&self, key: Key) -> Option<u32> {
        let mut id = self.buckets[self.hash.bucket(key.0)];
        while id != NIL {
            let slot = self.slab.get(id);
            if slot.key == key {
                return Some(id);
            }
            id = slot.chain;
        }
        None
    }

    /// Stores an entry whose key is not held. There must be room.
    pub(crate) fn insert(&mut self, mut slot: Slot) -> u32 {
        let first = &mut self.buckets[self.hash.bucket(slot.key.0)];
        slot.chain = *first;
        *first = self.slab.insert(slot);
        *first
    }

    /// Forgets an entry that is in no list any more.
    pub(crate) fn remove(&mut self, id: u32) {
        let Slot { key, chain, .. } = *self.slab.get(id);
        let first = &mut self.buckets[self.hash.bucket(key.0)];
        if *first == id {
            *first = chain;
        } else {
            let mut before = *first;
            while self.slab.get(before).chain != id {
                before = self.slab.get(before).chain;
            }
            self.slab.get_mut(before).chain = chain;
        }
        self.slab.remove(id);
    }
}

#[cfg(test)]
impl Slots {
    /// How many entries share the bucket of `key`: what a lookup walks at most.
    pub(crate) fn chain_length(&self, key: Key) -> usize {
        let mut id = self.buckets[self.hash.bucket(key.0)];
        let mut length = 0;
        while id != NIL {
            length += 1;
            id = self.slab.get(id).chain;
        }
        length
    }

    pub(crate) fn reserved(&self) -> [usize; 2] {
        [self.slab.reserved(), self.buckets.capacity()]
    }
}
