//! The table: what a bridge asks of its filtering database.

mod expiry;
mod flush;
mod listing;
mod mirroring;
#[cfg(test)]
mod tests;

use core::fmt;
use core::time::Duration;

use etherparse::VlanId;
use pnet_base::MacAddr;

use crate::ageing::Ageing;
use crate::groups::Groups;
use crate::list::{self, List, NIL};
use crate::ports::Ports;
use crate::slots::{BY_AGE, BY_PORT, Key, Kind, Slot, Slots};
use crate::{
    Departed, Departure, Entry, InsertError, Learned, MacTableConfig, Origin, Rejection, Stats,
};

pub use expiry::EXPIRE_BUDGET_MAX;
pub use listing::LIST_LIMIT_MAX;
use mirroring::Mirroring;

/// How many ports can have entries at once: as many as there are port numbers (802.1D-2004 clause 9.2.7). A port whose
/// entries are all flushed counts until [`MacTable::expire`] has reclaimed them.
pub const PORTS_MAX: usize = 4095;

/// The filtering database: which port reaches which address in which VLAN.
///
/// `P` is the caller's handle for a port; where ports are listed or equally full, their order is `P`'s. The
/// [crate documentation](crate) says what every method costs.
///
/// `now` is time since any fixed instant and never goes back. If it does all the same, the table takes the latest
/// instant it was told instead: entries may be held longer, nothing else happens.
#[derive(Clone)]
pub struct MacTable<P> {
    slots: Slots,
    groups: Groups,
    ports: Ports<P>,
    /// All dynamic entries, flushed ones included until they are reclaimed, least recently refreshed first.
    by_age: List,
    ageing: Ageing,
    stats: Stats,
    departed: Vec<Departed<P>>,
    mirroring: Mirroring<P>,
}

impl<P: Copy + Ord> MacTable<P> {
    /// An empty table. Reserves all the memory it will ever need and touches next to none of it.
    #[must_use]
    pub fn new(config: MacTableConfig) -> Self {
        let MacTableConfig {
            capacity,
            hash_key,
            ageing,
        } = config;
        Self {
            slots: Slots::new(capacity.entries(), hash_key),
            groups: Groups::new(capacity.entries(), hash_key),
            ports: Ports::new(),
            by_age: List::default(),
            ageing: Ageing::new(ageing),
            stats: Stats {
                capacity: capacity.get(),
                ..Stats::default()
            },
            departed: Vec::with_capacity(capacity.get().min(EXPIRE_BUDGET_MAX)),
            mirroring: Mirroring::default(),
        }
    }

    /// Learns that a frame with source `address`, classified to `vlan`, came in by `port` (802.1D-1998 clause 7.8).
    ///
    /// Whether the port's state allows learning is for the caller to know. In a full table the newcomer takes the
    /// place of an expired entry; failing that, of the least recently refreshed dynamic entry of the fullest port
    /// (`port` itself if none is fuller, else the lowest of the equally full ones).
    pub fn learn(&mut self, now: Duration, vlan: VlanId, address: MacAddr, port: P) -> Learned<P> {
        let at = self.ageing.advance(now);
        let learned = self.learn_at(at, vlan, address, port);
        match learned {
            Learned::New { .. } => self.stats.learned += 1,
            Learned::Refreshed => self.stats.refreshed += 1,
            Learned::Moved { .. } => self.stats.moved += 1,
            Learned::Rejected(_) => self.stats.rejected += 1,
        }
        learned
    }

    /// Counts one more frame that showed a station which [`learn`](Self::learn) has just found
    /// [`Refreshed`](Learned::Refreshed), at the same instant: all else it would do is done.
    pub fn count_refreshed(&mut self) {
        self.stats.refreshed += 1;
    }

    /// Refreshes the dynamic entry of `address` in `vlan` if it is held, and by `port`; says whether. Else nothing changes:
    /// what has become of the station since it was seen there is known better here.
    pub fn confirm(&mut self, now: Duration, vlan: VlanId, address: MacAddr, port: P) -> bool {
        let at = self.ageing.advance(now);
        let Some(id) = self.slots.find(Key::new(vlan, address)) else {
            return false;
        };
        let slot = self.slots.get(id);
        let is_there = slot.kind == Kind::Dynamic
            && self.is_held(slot, at)
            && self.ports.handle(slot.port) == port;
        if is_there {
            self.refresh(id, at);
            self.stats.refreshed += 1;
        }
        is_there
    }

    /// The port that reaches `address` in `vlan`, if known.
    ///
    /// Of a local entry this is the port the address belongs to; a caller that must not relay frames meant for the
    /// bridge itself asks for the [`entry`](Self::entry), at the same cost.
    #[must_use]
    pub fn lookup(&self, now: Duration, vlan: VlanId, address: MacAddr) -> Option<P> {
        let slot = self.slots.get(self.slots.find(Key::new(vlan, address))?);
        self.is_held(slot, self.ageing.at(now))
            .then(|| self.ports.handle(slot.port))
    }

    /// The entry of `address` in `vlan`, if any.
    #[must_use]
    pub fn entry(&self, now: Duration, vlan: VlanId, address: MacAddr) -> Option<Entry<P>> {
        let slot = self.slots.get(self.slots.find(Key::new(vlan, address))?);
        self.is_held(slot, self.ageing.at(now))
            .then(|| self.describe(slot))
    }

    /// Binds `address` in `vlan` to `port` until removed, in place of any dynamic or static entry it has.
    ///
    /// Returns the entry that left for it: the one replaced, or whoever made room in a full table as for
    /// [`learn`](Self::learn). The same entry again changes nothing and returns `None`.
    ///
    /// # Errors
    /// [`InsertError`]; the table is then unchanged.
    pub fn insert_static(
        &mut self,
        now: Duration,
        vlan: VlanId,
        address: MacAddr,
        port: P,
    ) -> Result<Option<Departed<P>>, InsertError> {
        self.insert(now, Key::new(vlan, address), port, Kind::Static)
    }

    /// Makes `address` in `vlan` one of the bridge's own, belonging to `port`, in place of any entry it has.
    ///
    /// Returns as [`insert_static`](Self::insert_static) does.
    ///
    /// # Errors
    /// [`InsertError`], never [`InsertError::Local`]; the table is then unchanged.
    pub fn insert_local(
        &mut self,
        now: Duration,
        vlan: VlanId,
        address: MacAddr,
        port: P,
    ) -> Result<Option<Departed<P>>, InsertError> {
        self.insert(now, Key::new(vlan, address), port, Kind::Local)
    }

    /// Removes the entry of `address` in `vlan`, of any origin, and returns it.
    ///
    /// `None`, and no change, if there is none; one that has expired is still [`expire`](Self::expire)'s to tell.
    pub fn remove(&mut self, now: Duration, vlan: VlanId, address: MacAddr) -> Option<Entry<P>> {
        let at = self.ageing.advance(now);
        let id = self.slots.find(Key::new(vlan, address))?;
        let slot = *self.slots.get(id);
        if !self.is_held(&slot, at) {
            return None;
        }
        self.forget(id);
        self.stats.removed += 1;
        Some(self.describe(&slot))
    }

    fn learn_at(&mut self, at: u64, vlan: VlanId, address: MacAddr, port: P) -> Learned<P> {
        if address.is_multicast() {
            return Learned::Rejected(Rejection::Group);
        }
        if address.is_zero() {
            return Learned::Rejected(Rejection::Zero);
        }
        let key = Key::new(vlan, address);
        let known = self.slots.find(key);
        if let Some(id) = known {
            // By reference: a copy would read the whole slot, whose last refresh may still be on its way to memory.
            let slot = self.slots.get(id);
            let held_in = slot.port;
            let held_by = self.ports.handle(held_in);
            match slot.kind {
                Kind::Local => return Learned::Rejected(Rejection::Local),
                Kind::Static if held_by == port => return Learned::Refreshed,
                Kind::Static => return Learned::Rejected(Rejection::Static),
                Kind::Dynamic if !self.is_held(slot, at) => {}
                Kind::Dynamic if held_by == port => {
                    self.refresh(id, at);
                    return Learned::Refreshed;
                }
                Kind::Dynamic if !self.ports.has_room_for(port) => {
                    return Learned::Rejected(Rejection::Full);
                }
                Kind::Dynamic => {
                    self.unhitch(id);
                    self.hitch(id, at, port);
                    self.ports.release(held_in);
                    return Learned::Moved { from: held_by };
                }
            }
        }
        let Ok(displaced) = self.make_room(known, at, port) else {
            return Learned::Rejected(Rejection::Full);
        };
        let id = self.slots.insert(Slot::new(key, Kind::Dynamic, 0, at, NIL));
        self.hitch(id, at, port);
        self.stats.held.dynamic += 1;
        Learned::New { displaced }
    }

    fn insert(
        &mut self,
        now: Duration,
        key: Key,
        port: P,
        kind: Kind,
    ) -> Result<Option<Departed<P>>, InsertError> {
        let at = self.ageing.advance(now);
        if key.address().is_multicast() {
            return Err(InsertError::Group);
        }
        if key.address().is_zero() {
            return Err(InsertError::Zero);
        }
        let known = self.slots.find(key);
        if let Some(id) = known {
            let slot = self.slots.get(id);
            if slot.kind == kind && self.ports.handle(slot.port) == port {
                return Ok(None);
            }
            if slot.kind == Kind::Local && kind == Kind::Static {
                return Err(InsertError::Local);
            }
        }
        let displaced = self
            .make_room(known, at, port)
            .map_err(|Full| InsertError::Full)?;
        let slot = self.ports.find_or_make(port);
        let id = self.slots.insert(Slot::new(key, kind, slot, at, NIL));
        let port = self.ports.get_mut(slot);
        list::push_front(&mut port.permanent, &mut self.slots.slab, BY_PORT, id);
        port.add_permanent(kind);
        *self.stats.held.of_mut(kind) += 1;
        self.reflect(id);
        Ok(displaced)
    }

    /// Makes room for an entry of `port`: in place of `known`, which has its key, else of nobody while the table is
    /// not full, else of a flushed, an expired or the paying entry. Tells who left, flushed ones excepted: those were
    /// told when they were flushed.
    fn make_room(
        &mut self,
        known: Option<u32>,
        at: u64,
        port: P,
    ) -> Result<Option<Departed<P>>, Full> {
        if !self.ports.has_room_for(port) {
            return Err(Full);
        }
        if let Some(id) = known {
            return Ok(self.dismiss(id, at, Departure::Replaced));
        }
        if !self.slots.slab.has_free()
            && let Some(id) = self.groups.first_dead_entry()
        {
            self.forget(id);
        }
        if !self.slots.slab.is_full() {
            return Ok(None);
        }
        let oldest = self.by_age.first();
        if oldest != NIL && self.ageing.is_expired(self.slots.get(oldest).seen, at) {
            return Ok(self.dismiss(oldest, at, Departure::Expired));
        }
        let payer = self.ports.fullest(port).ok_or(Full)?;
        let id = self.ports.get(payer).recent.first();
        Ok(self.dismiss(id, at, Departure::Evicted))
    }

    /// Forgets an entry and tells so, unless its flush was told: as expired if it has, else for `cause`.
    fn dismiss(&mut self, id: u32, at: u64, cause: Departure) -> Option<Departed<P>> {
        let slot = *self.slots.get(id);
        let is_dynamic = slot.kind == Kind::Dynamic;
        let is_told = is_dynamic && !self.groups.is_alive(slot.group);
        let departed = Departed {
            vlan: slot.key.vlan(),
            address: slot.key.address(),
            port: self.ports.handle(slot.port),
            cause: match is_dynamic && self.ageing.is_expired(slot.seen, at) {
                true => Departure::Expired,
                false => cause,
            },
        };
        self.forget(id);
        if is_told {
            return None;
        }
        match departed.cause {
            Departure::Expired => self.stats.expired += 1,
            Departure::Evicted => self.stats.evicted += 1,
            Departure::Replaced => self.stats.removed += 1,
        }
        Some(departed)
    }

    /// Takes an entry out of everything; its slot is free then.
    fn forget(&mut self, id: u32) {
        self.hide(id);
        let Slot { kind, port, .. } = *self.slots.get(id);
        match kind {
            Kind::Dynamic => {
                if self.groups.is_alive(self.slots.get(id).group) {
                    self.stats.held.dynamic -= 1;
                }
                self.unhitch(id);
            }
            Kind::Static | Kind::Local => {
                let port = self.ports.get_mut(port);
                list::unlink(&mut port.permanent, &mut self.slots.slab, BY_PORT, id);
                port.subtract_permanent(kind);
                *self.stats.held.of_mut(kind) -= 1;
            }
        }
        self.slots.remove(id);
        self.ports.release(port);
    }

    /// Puts a dynamic entry seen at `at` by `port` into its lists, at the young end.
    fn hitch(&mut self, id: u32, at: u64, port: P) {
        let port = self.ports.find_or_make(port);
        let slot = self.slots.get_mut(id);
        let vlan = slot.key.vlan().value();
        let of_port = &mut self.ports.get_mut(port).groups;
        let group = self.groups.find_or_make(of_port, port, vlan);
        slot.seen = at;
        slot.port = port;
        slot.group = group;
        let slab = &mut self.slots.slab;
        self.groups.join(slab, id, group);
        self.by_age.push_back(slab, BY_AGE, id);
        let port_entry = self.ports.get_mut(port);
        port_entry.recent.push_back(slab, BY_PORT, id);
        self.ports.add_dynamic(port);
        self.reflect(id);
    }

    /// Takes a dynamic entry out of its lists. Its port may be left unused, to be released.
    fn unhitch(&mut self, id: u32) {
        let Slot { port, group, .. } = *self.slots.get(id);
        let slab = &mut self.slots.slab;
        if self.groups.is_alive(group) {
            self.ports.subtract_dynamic(port, 1);
        }
        self.by_age.remove(slab, BY_AGE, id);
        let port = self.ports.get_mut(port);
        port.recent.remove(slab, BY_PORT, id);
        self.groups.leave(&mut port.groups, slab, id);
    }

    /// A frame showed a known station. Frames of one instant keep the order of the first.
    fn refresh(&mut self, id: u32, at: u64) {
        let slot = self.slots.get_mut(id);
        if slot.seen == at {
            return;
        }
        slot.seen = at;
        let port = slot.port;
        let slab = &mut self.slots.slab;
        self.by_age.move_to_back(slab, BY_AGE, id);
        let recent = &mut self.ports.get_mut(port).recent;
        recent.move_to_back(slab, BY_PORT, id);
        self.reflect(id);
    }

    /// Whether the entry is one for the caller: neither expired nor flushed.
    fn is_held(&self, slot: &Slot, at: u64) -> bool {
        match slot.kind {
            Kind::Static | Kind::Local => true,
            Kind::Dynamic => {
                !self.ageing.is_expired(slot.seen, at) && self.groups.is_alive(slot.group)
            }
        }
    }

    fn describe(&self, slot: &Slot) -> Entry<P> {
        Entry {
            vlan: slot.key.vlan(),
            address: slot.key.address(),
            port: self.ports.handle(slot.port),
            origin: match slot.kind {
                Kind::Dynamic => Origin::Dynamic {
                    seen: Duration::from_nanos(slot.seen),
                    expires: self.ageing.expires(slot.seen),
                },
                Kind::Static => Origin::Static,
                Kind::Local => Origin::Local,
            },
        }
    }
}

/// Nobody can make room.
struct Full;

impl<P> fmt::Debug for MacTable<P> {
    /// The counters, not a million entries.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MacTable")
            .field("stats", &self.stats)
            .field("ageing", &self.ageing)
            .finish_non_exhaustive()
    }
}
