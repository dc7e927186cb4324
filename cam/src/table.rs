//! The table.

use core::time::Duration;
use std::collections::BTreeMap;

use etherparse::VlanId;
use pnet_base::MacAddr;

use crate::{
    AgeingTime, Count, Departed, Departure, Entry, Flush, InsertError, Learned, MacTableConfig,
    Origin, Rejection, Stats,
};

/// How many ports can have entries at once: as many as there are port numbers.
pub const PORTS_MAX: usize = 4095;
/// How many entries one [`MacTable::expire`] removes at most, whatever its budget.
pub const EXPIRE_BUDGET_MAX: usize = 4096;
/// How many places of the table one [`MacTable::entries_from`] looks at most, whatever its limit.
pub const LIST_LIMIT_MAX: usize = 4096;

type Key = (VlanId, MacAddr);

/// The filtering database: which port reaches which address in which VLAN.
#[derive(Clone, Debug)]
pub struct MacTable<P> {
    entries: BTreeMap<Key, (Entry<P>, u64)>,
    config: MacTableConfig,
    short: Option<Duration>,
    sequence: u64,
    stats: Stats,
    departed: Vec<Departed<P>>,
}

impl<P: Copy + Ord> MacTable<P> {
    /// An empty table.
    #[must_use]
    pub fn new(config: MacTableConfig) -> Self {
        Self {
            entries: BTreeMap::new(),
            config,
            short: None,
            sequence: 0,
            stats: Stats::default(),
            departed: Vec::new(),
        }
    }

    /// Learns that a frame with source `address` came in by `port`.
    pub fn learn(&mut self, now: Duration, vlan: VlanId, address: MacAddr, port: P) -> Learned<P> {
        let learned = self.try_learn(now, vlan, address, port);
        match learned {
            Learned::New { .. } => self.stats.learned += 1,
            Learned::Refreshed => self.stats.refreshed += 1,
            Learned::Moved { .. } => self.stats.moved += 1,
            Learned::Rejected(_) => self.stats.rejected += 1,
        }
        learned
    }

    fn try_learn(&mut self, now: Duration, vlan: VlanId, address: MacAddr, port: P) -> Learned<P> {
        if address.is_zero() {
            return Learned::Rejected(Rejection::Zero);
        }
        if address.is_multicast() {
            return Learned::Rejected(Rejection::Group);
        }
        let mut displaced = None;
        if let Some(held) = self.held(now, vlan, address) {
            match held.origin {
                Origin::Local => return Learned::Rejected(Rejection::Local),
                Origin::Static if held.port == port => return Learned::Refreshed,
                Origin::Static => return Learned::Rejected(Rejection::Static),
                Origin::Dynamic { .. } => {
                    self.put(now, vlan, address, port);
                    if held.port == port {
                        return Learned::Refreshed;
                    }
                    return Learned::Moved { from: held.port };
                }
            }
        } else if let Some((entry, _)) = self.entries.remove(&(vlan, address)) {
            self.stats.expired += 1;
            displaced = Some(departed(entry, Departure::Expired));
        } else if self.entries.len() == self.config.capacity.get() {
            displaced = self.make_room(now, port);
            if displaced.is_none() {
                return Learned::Rejected(Rejection::Full);
            }
        }
        self.put(now, vlan, address, port);
        Learned::New { displaced }
    }

    fn put(&mut self, now: Duration, vlan: VlanId, address: MacAddr, port: P) {
        self.sequence += 1;
        let origin = Origin::Dynamic {
            seen: now,
            expires: now + self.hold_time(),
        };
        let entry = Entry {
            vlan,
            address,
            port,
            origin,
        };
        self.entries.insert((vlan, address), (entry, self.sequence));
    }

    fn held(&self, now: Duration, vlan: VlanId, address: MacAddr) -> Option<Entry<P>> {
        let (entry, _) = self.entries.get(&(vlan, address))?;
        self.alive(now, *entry)
    }

    fn alive(&self, now: Duration, mut entry: Entry<P>) -> Option<Entry<P>> {
        if let Origin::Dynamic { seen, .. } = entry.origin {
            let expires = seen + self.hold_time();
            entry.origin = Origin::Dynamic { seen, expires };
            return (now < expires).then_some(entry);
        }
        Some(entry)
    }

    fn make_room(&mut self, now: Duration, port: P) -> Option<Departed<P>> {
        let expired = self
            .oldest()
            .filter(|entry| self.alive(now, *entry).is_none());
        let (entry, cause) = match expired {
            Some(entry) => (entry, Departure::Expired),
            None => (self.payer(port)?, Departure::Evicted),
        };
        self.entries.remove(&(entry.vlan, entry.address));
        match cause {
            Departure::Expired => self.stats.expired += 1,
            Departure::Evicted => self.stats.evicted += 1,
            Departure::Replaced => {}
        }
        Some(departed(entry, cause))
    }

    fn oldest(&self) -> Option<Entry<P>> {
        self.dynamic().min_by_key(|(_, s)| *s).map(|(e, _)| e)
    }

    fn dynamic(&self) -> impl Iterator<Item = (Entry<P>, u64)> {
        self.entries
            .values()
            .copied()
            .filter(|(entry, _)| matches!(entry.origin, Origin::Dynamic { .. }))
    }

    fn payer(&self, learner: P) -> Option<Entry<P>> {
        let mut counts: BTreeMap<P, usize> = BTreeMap::new();
        for (entry, _) in self.dynamic() {
            *counts.entry(entry.port).or_default() += 1;
        }
        let max = counts.values().copied().max()?;
        let port = if counts.get(&learner) == Some(&max) {
            learner
        } else {
            *counts.iter().find(|(_, count)| **count == max)?.0
        };
        self.dynamic()
            .filter(|(entry, _)| entry.port == port)
            .min_by_key(|(_, s)| *s)
            .map(|(e, _)| e)
    }

    /// The port that reaches `address` in `vlan`, if known.
    #[must_use]
    pub fn lookup(&self, now: Duration, vlan: VlanId, address: MacAddr) -> Option<P> {
        self.held(now, vlan, address).map(|entry| entry.port)
    }

    /// The entry of `address` in `vlan`, if any.
    #[must_use]
    pub fn entry(&self, now: Duration, vlan: VlanId, address: MacAddr) -> Option<Entry<P>> {
        self.held(now, vlan, address)
    }

    /// Binds `address` in `vlan` to `port`, in place of whatever is known of it.
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
        if let Some((entry, _)) = self.entries.get(&(vlan, address))
            && entry.origin == Origin::Local
        {
            return Err(InsertError::Local);
        }
        self.insert(now, vlan, address, port, Origin::Static)
    }

    /// Makes `address` in `vlan` one of the bridge's own, belonging to `port`.
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
        self.insert(now, vlan, address, port, Origin::Local)
    }

    fn insert(
        &mut self,
        now: Duration,
        vlan: VlanId,
        address: MacAddr,
        port: P,
        origin: Origin,
    ) -> Result<Option<Departed<P>>, InsertError> {
        if address.is_zero() {
            return Err(InsertError::Zero);
        }
        if address.is_multicast() {
            return Err(InsertError::Group);
        }
        let mut displaced = None;
        if let Some((old, _)) = self.entries.get(&(vlan, address)).copied() {
            let cause = match self.alive(now, old) {
                Some(_) => Departure::Replaced,
                None => Departure::Expired,
            };
            displaced = Some(departed(old, cause));
        } else if self.entries.len() == self.config.capacity.get() {
            displaced = self.make_room(now, port);
            if displaced.is_none() {
                return Err(InsertError::Full);
            }
        }
        let entry = Entry {
            vlan,
            address,
            port,
            origin,
        };
        self.entries.insert((vlan, address), (entry, 0));
        Ok(displaced)
    }

    /// Removes the entry of `address` in `vlan`, of any origin, and returns it.
    pub fn remove(&mut self, now: Duration, vlan: VlanId, address: MacAddr) -> Option<Entry<P>> {
        let held = self.held(now, vlan, address)?;
        self.entries.remove(&(vlan, address));
        Some(held)
    }

    /// Removes every entry of `port`, of any origin; returns how many there were.
    pub fn remove_port(&mut self, port: P) -> usize {
        let before = self.entries.len();
        self.entries.retain(|_, (entry, _)| entry.port != port);
        before - self.entries.len()
    }

    /// Flushes the dynamic entries that match; returns how many there were.
    pub fn flush(&mut self, flush: Flush<P>) -> usize {
        let before = self.entries.len();
        self.entries.retain(|_, (entry, _)| {
            !matches!(entry.origin, Origin::Dynamic { .. })
                || flush.port.is_some_and(|port| port != entry.port)
                || flush.vlan.is_some_and(|vlan| vlan != entry.vlan)
                || flush
                    .address
                    .is_some_and(|address| address != entry.address)
        });
        let flushed = before - self.entries.len();
        self.stats.flushed += flushed as u64;
        flushed
    }

    /// Removes entries whose time has passed, at most `budget` of them, and tells which.
    pub fn expire(&mut self, now: Duration, budget: usize) -> &[Departed<P>] {
        self.departed.clear();
        while self.departed.len() < budget.min(EXPIRE_BUDGET_MAX) {
            let Some(entry) = self.oldest().filter(|e| self.alive(now, *e).is_none()) else {
                break;
            };
            self.entries.remove(&(entry.vlan, entry.address));
            self.stats.expired += 1;
            self.departed.push(departed(entry, Departure::Expired));
        }
        &self.departed
    }

    /// When the first entry expires: when to call [`MacTable::expire`], at the latest.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        let Origin::Dynamic { seen, .. } = self.oldest()?.origin else {
            return None;
        };
        Some(seen + self.hold_time())
    }

    /// The ageing time set.
    #[must_use]
    pub fn ageing(&self) -> AgeingTime {
        self.config.ageing
    }

    /// Sets the ageing time; acts at once, on entries held too.
    pub fn set_ageing(&mut self, _now: Duration, ageing: AgeingTime) {
        self.config.ageing = ageing;
    }

    /// The short ageing time in force, if any.
    #[must_use]
    pub fn short_ageing(&self) -> Option<Duration> {
        self.short
    }

    /// Begins (`Some`) or ends (`None`) short ageing; acts at once, on entries held too.
    pub fn set_short_ageing(&mut self, _now: Duration, short: Option<Duration>) {
        self.short = short;
    }

    /// How long a dynamic entry is held now: the ageing time, or the short one if that is shorter.
    #[must_use]
    pub fn hold_time(&self) -> Duration {
        let ageing = self.config.ageing.get();
        self.short.map_or(ageing, |short| short.min(ageing))
    }

    /// A page of the listing: entries from `cursor` on, and where the next page starts (`None` at the end).
    #[must_use]
    pub fn entries_from(
        &self,
        now: Duration,
        cursor: usize,
        limit: usize,
    ) -> (Vec<Entry<P>>, Option<usize>) {
        let limit = limit.clamp(1, LIST_LIMIT_MAX);
        let page: Vec<_> = self
            .entries
            .values()
            .skip(cursor)
            .take(limit)
            .filter_map(|(entry, _)| self.alive(now, *entry))
            .collect();
        let next = cursor.saturating_add(limit);
        (page, (next < self.entries.len()).then_some(next))
    }

    /// The counters, and how full the table is.
    #[must_use]
    pub fn stats(&self) -> Stats {
        Stats {
            held: self.tally(|_| true),
            capacity: self.config.capacity.get(),
            ..self.stats
        }
    }

    /// How many entries `port` has.
    #[must_use]
    pub fn count(&self, port: P) -> Count {
        self.tally(|entry| entry.port == port)
    }

    fn tally(&self, mut counts: impl FnMut(&Entry<P>) -> bool) -> Count {
        let mut count = Count::default();
        for (entry, _) in self.entries.values().filter(|(entry, _)| counts(entry)) {
            match entry.origin {
                Origin::Dynamic { .. } => count.dynamic += 1,
                Origin::Static => count.r#static += 1,
                Origin::Local => count.local += 1,
            }
        }
        count
    }

    /// How many entries are held, of all origins.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether no entry is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

fn departed<P>(entry: Entry<P>, cause: Departure) -> Departed<P> {
    Departed {
        vlan: entry.vlan,
        address: entry.address,
        port: entry.port,
        cause,
    }
}
