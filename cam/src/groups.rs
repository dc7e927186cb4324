//! Dynamic entries grouped by (port, VLAN), so that any flush is a matter of groups and never of entries.
//!
//! A flushed group dies at once: its entries are absent from then on and its count is taken off in one step. The
//! entries' slots are reclaimed later, a few at a time. A group dies in one of two ways:
//!
//! * killed, by a flush of a port or VLAN: taken out of the index and the lists it is in, and queued as dead;
//! * outlived, by a flush of everything: the generation advances, and all groups of earlier ones are dead. They stay
//!   in the index and the lists, always behind the groups of the current generation, because new ones go to the
//!   front: whoever walks stops at the first group outlived, and never pays for the dead.

use crate::hash::BucketHash;
use crate::list::{self, Link, List, NIL, Node, Slab};
use crate::slots::{BY_GROUP, Slot};

/// The queue of the living, or of the dead.
const BY_LIFE: usize = 0;
const BY_PORT: usize = 1;
const BY_VLAN: usize = 2;
const BY_BUCKET: usize = 3;

/// VLAN identifiers have 12 bits.
const VLANS: usize = 4096;

/// The generation of a killed group, which is never the current one.
const KILLED: u64 = 0;

/// The dynamic entries of one port in one VLAN.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Group {
    generation: u64,
    links: [Link; 4],
    entries: u32,
    pub(crate) count: u32,
    pub(crate) port: u16,
    pub(crate) vlan: u16,
}

const _: () = assert!(
    size_of::<Group>() == 56,
    "the crate's documentation says so"
);

impl Node for Group {
    fn link(&self, which: usize) -> Link {
        self.links[which]
    }

    fn link_mut(&mut self, which: usize) -> &mut Link {
        &mut self.links[which]
    }
}

/// All groups that have entries, dead ones included.
#[derive(Clone, Debug)]
pub(crate) struct Groups {
    slab: Slab<Group>,
    buckets: Vec<u32>,
    hash: BucketHash,
    by_vlan: Vec<u32>,
    generation: u64,
    living: List,
    dead: List,
}

impl Groups {
    /// For at most `entries` entries, hence at most as many groups.
    pub(crate) fn new(entries: u32, hash_key: [u64; 2]) -> Self {
        let buckets = entries.next_power_of_two() as usize;
        Self {
            slab: Slab::new(entries),
            buckets: vec![NIL; buckets],
            hash: BucketHash::new(hash_key, buckets),
            by_vlan: vec![NIL; VLANS],
            generation: KILLED + 1,
            living: List::default(),
            dead: List::default(),
        }
    }

    pub(crate) fn get(&self, id: u32) -> &Group {
        self.slab.get(id)
    }

    /// Whether the group is not flushed. The first test spares most callers a look at the group.
    pub(crate) fn is_alive(&self, id: u32) -> bool {
        self.dead.is_empty() || self.slab.get(id).generation == self.generation
    }

    /// The living group of `port` in `vlan`.
    pub(crate) fn find(&self, port: u16, vlan: u16) -> Option<u32> {
        let mut id = self.buckets[self.bucket(port, vlan)];
        while self.is_current(id) {
            let group = self.slab.get(id);
            if group.port == port && group.vlan == vlan {
                return Some(id);
            }
            id = list::next(&self.slab, BY_BUCKET, id);
        }
        None
    }

    /// The living group of `port` in `vlan`, made if need be; `of_port` is the port's list of groups.
    pub(crate) fn find_or_make(&mut self, of_port: &mut u32, port: u16, vlan: u16) -> u32 {
        if let Some(id) = self.find(port, vlan) {
            return id;
        }
        let id = self.slab.insert(Group {
            generation: self.generation,
            port,
            vlan,
            ..Group::default()
        });
        let bucket = self.bucket(port, vlan);
        self.living.push_back(&mut self.slab, BY_LIFE, id);
        list::push_front(of_port, &mut self.slab, BY_PORT, id);
        let of_vlan = &mut self.by_vlan[vlan as usize];
        list::push_front(of_vlan, &mut self.slab, BY_VLAN, id);
        let of_bucket = &mut self.buckets[bucket];
        list::push_front(of_bucket, &mut self.slab, BY_BUCKET, id);
        id
    }

    /// Puts an entry into a group.
    pub(crate) fn join(&mut self, slots: &mut Slab<Slot>, entry: u32, id: u32) {
        let group = self.slab.get_mut(id);
        list::push_front(&mut group.entries, slots, BY_GROUP, entry);
        group.count += 1;
    }

    /// Takes an entry out of its group; a group left empty is forgotten.
    pub(crate) fn leave(&mut self, of_port: &mut u32, slots: &mut Slab<Slot>, entry: u32) {
        let id = slots.get(entry).group;
        let group = self.slab.get_mut(id);
        list::unlink(&mut group.entries, slots, BY_GROUP, entry);
        group.count -= 1;
        let (count, generation) = (group.count, group.generation);
        if count > 0 {
            return;
        }
        if generation == self.generation {
            self.living.remove(&mut self.slab, BY_LIFE, id);
        } else {
            self.dead.remove(&mut self.slab, BY_LIFE, id);
        }
        if generation != KILLED {
            self.unlink(of_port, id);
        }
        self.slab.remove(id);
    }

    /// Kills a living group, in one step however many entries it has.
    pub(crate) fn kill(&mut self, of_port: &mut u32, id: u32) {
        self.unlink(of_port, id);
        self.living.remove(&mut self.slab, BY_LIFE, id);
        self.dead.push_back(&mut self.slab, BY_LIFE, id);
        self.slab.get_mut(id).generation = KILLED;
    }

    /// Outlives all living groups, in one step however many there are.
    pub(crate) fn kill_all(&mut self) {
        self.dead.append(&mut self.slab, BY_LIFE, self.living);
        self.living = List::default();
        self.generation += 1;
    }

    /// A living group of the port that has this list of groups.
    pub(crate) fn first_of_port(&self, of_port: u32) -> Option<u32> {
        self.is_current(of_port).then_some(of_port)
    }

    /// The VLANs of the living groups of the port that has this list of groups, the latest made first.
    pub(crate) fn vlans_of_port(&self, of_port: u32) -> impl Iterator<Item = u16> {
        let mut id = of_port;
        core::iter::from_fn(move || {
            let here = self.is_current(id).then_some(id)?;
            id = list::next(&self.slab, BY_PORT, here);
            Some(self.slab.get(here).vlan)
        })
    }

    /// A living group in `vlan`.
    pub(crate) fn first_of_vlan(&self, vlan: u16) -> Option<u32> {
        let id = self.by_vlan[vlan as usize];
        self.is_current(id).then_some(id)
    }

    /// An entry of a dead group, while there is any.
    pub(crate) fn first_dead_entry(&self) -> Option<u32> {
        let id = self.dead.first();
        (id != NIL).then(|| self.slab.get(id).entries)
    }

    /// Whether there is a group here, and it is of the current generation.
    fn is_current(&self, id: u32) -> bool {
        id != NIL && self.slab.get(id).generation == self.generation
    }

    fn unlink(&mut self, of_port: &mut u32, id: u32) {
        let Group { port, vlan, .. } = *self.slab.get(id);
        let bucket = self.bucket(port, vlan);
        list::unlink(of_port, &mut self.slab, BY_PORT, id);
        let of_vlan = &mut self.by_vlan[vlan as usize];
        list::unlink(of_vlan, &mut self.slab, BY_VLAN, id);
        let of_bucket = &mut self.buckets[bucket];
        list::unlink(of_bucket, &mut self.slab, BY_BUCKET, id);
    }

    fn bucket(&self, port: u16, vlan: u16) -> usize {
        self.hash.bucket(u64::from(port) << 16 | u64::from(vlan))
    }
}

#[cfg(test)]
impl Groups {
    pub(crate) fn used(&self) -> u32 {
        self.slab.used()
    }

    pub(crate) fn reserved(&self) -> [usize; 3] {
        [
            self.slab.reserved(),
            self.buckets.capacity(),
            self.by_vlan.capacity(),
        ]
    }
}
