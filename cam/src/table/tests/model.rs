//! The filtering database as one would explain it: a map, walked from end to end for every question.

use core::time::Duration;
use std::collections::BTreeMap;

use etherparse::VlanId;
use pnet_base::MacAddr;

use crate::{AgeingTime, Count, Departed, Departure, Flush, InsertError, Learned, Rejection};

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Origin {
    Dynamic,
    Static,
    Local,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Held {
    pub(super) vlan: VlanId,
    pub(super) address: MacAddr,
    pub(super) port: u16,
    pub(super) origin: Origin,
    pub(super) seen: Duration,
    /// Rank among entries seen at the same instant.
    order: u64,
    /// Expired under an ageing time no longer in force.
    is_past: bool,
}

#[derive(Debug)]
pub(super) struct Model {
    pub(super) entries: BTreeMap<(VlanId, MacAddr), Held>,
    capacity: usize,
    pub(super) ageing: AgeingTime,
    pub(super) short: Option<Duration>,
    pub(super) latest: Duration,
    order: u64,
}

impl Model {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            entries: BTreeMap::new(),
            capacity,
            ageing: AgeingTime::default(),
            short: None,
            latest: Duration::ZERO,
            order: 0,
        }
    }

    pub(super) fn learn(
        &mut self,
        now: Duration,
        vlan: VlanId,
        address: MacAddr,
        port: u16,
    ) -> Learned<u16> {
        let now = self.advance(now);
        match refusal(address) {
            Some(InsertError::Group) => return Learned::Rejected(Rejection::Group),
            Some(_) => return Learned::Rejected(Rejection::Zero),
            None => {}
        }
        let known = self.entries.get(&(vlan, address)).copied();
        let order = self.next_order();
        match known {
            Some(held) if held.origin == Origin::Local => Learned::Rejected(Rejection::Local),
            Some(held) if held.origin == Origin::Static && held.port == port => Learned::Refreshed,
            Some(held) if held.origin == Origin::Static => Learned::Rejected(Rejection::Static),
            Some(held) if !self.is_expired(&held, now) => {
                let entry = self.entries.get_mut(&(vlan, address)).unwrap();
                if held.port != port || held.seen != now {
                    entry.order = order;
                }
                entry.port = port;
                entry.seen = now;
                match held.port == port {
                    true => Learned::Refreshed,
                    false => Learned::Moved { from: held.port },
                }
            }
            Some(_) | None => {
                let Ok(displaced) = self.make_room(now, vlan, address, port) else {
                    return Learned::Rejected(Rejection::Full);
                };
                self.put(now, vlan, address, port, Origin::Dynamic);
                Learned::New { displaced }
            }
        }
    }

    pub(super) fn insert(
        &mut self,
        now: Duration,
        vlan: VlanId,
        address: MacAddr,
        port: u16,
        origin: Origin,
    ) -> Result<Option<Departed<u16>>, InsertError> {
        let now = self.advance(now);
        if let Some(error) = refusal(address) {
            return Err(error);
        }
        if let Some(held) = self.entries.get(&(vlan, address)) {
            if held.origin == origin && held.port == port {
                return Ok(None);
            }
            if held.origin == Origin::Local && origin == Origin::Static {
                return Err(InsertError::Local);
            }
        }
        let displaced = self.make_room(now, vlan, address, port)?;
        self.put(now, vlan, address, port, origin);
        Ok(displaced)
    }

    pub(super) fn find(&self, now: Duration, vlan: VlanId, address: MacAddr) -> Option<Held> {
        let now = now.max(self.latest);
        let held = self.entries.get(&(vlan, address))?;
        (!self.is_expired(held, now)).then_some(*held)
    }

    pub(super) fn remove(&mut self, now: Duration, vlan: VlanId, address: MacAddr) -> Option<Held> {
        let now = self.advance(now);
        let held = self.find(now, vlan, address)?;
        self.entries.remove(&(vlan, address)).map(|_| held)
    }

    pub(super) fn remove_port(&mut self, port: u16) -> usize {
        self.remove_if(|held| held.port == port)
    }

    pub(super) fn flush(&mut self, flush: Flush<u16>) -> usize {
        self.remove_if(|held| {
            held.origin == Origin::Dynamic
                && flush.port.is_none_or(|port| port == held.port)
                && flush.vlan.is_none_or(|vlan| vlan == held.vlan)
                && flush.address.is_none_or(|address| address == held.address)
        })
    }

    /// Everything expired at `now`, oldest first.
    pub(super) fn due(&mut self, now: Duration) -> Vec<Departed<u16>> {
        let now = self.advance(now);
        self.by_age()
            .filter(|held| self.is_expired(held, now))
            .map(|held| departed(&held, Departure::Expired))
            .collect()
    }

    pub(super) fn set_ageing(&mut self, now: Duration, ageing: AgeingTime) {
        self.remember_expired(now);
        self.ageing = ageing;
    }

    pub(super) fn set_short_ageing(&mut self, now: Duration, short: Option<Duration>) {
        self.remember_expired(now);
        self.short = short;
    }

    pub(super) fn deadline(&self) -> Option<Duration> {
        let oldest = self.by_age().next()?;
        let expires = oldest.seen + self.hold();
        Some(if oldest.is_past {
            expires.min(self.latest)
        } else {
            expires
        })
    }

    pub(super) fn held(&self, now: Duration) -> impl Iterator<Item = &Held> {
        let now = now.max(self.latest);
        self.entries
            .values()
            .filter(move |held| !self.is_expired(held, now))
    }

    pub(super) fn count(&self, port: u16) -> Count {
        let of = |origin| {
            let is_counted = |held: &&Held| held.port == port && held.origin == origin;
            self.entries.values().filter(is_counted).count()
        };
        Count {
            dynamic: of(Origin::Dynamic),
            r#static: of(Origin::Static),
            local: of(Origin::Local),
        }
    }

    pub(super) fn hold(&self) -> Duration {
        let short = self.short.unwrap_or(Duration::MAX);
        short.clamp(Duration::from_nanos(1), self.ageing.get())
    }

    pub(super) fn advance(&mut self, now: Duration) -> Duration {
        self.latest = self.latest.max(now);
        self.latest
    }

    fn next_order(&mut self) -> u64 {
        self.order += 1;
        self.order
    }

    fn is_expired(&self, held: &Held, now: Duration) -> bool {
        held.origin == Origin::Dynamic && (held.is_past || now >= held.seen + self.hold())
    }

    fn remember_expired(&mut self, now: Duration) {
        let now = self.advance(now);
        for departed in self.due(now) {
            let key = (departed.vlan, departed.address);
            self.entries.get_mut(&key).unwrap().is_past = true;
        }
    }

    fn by_age(&self) -> impl Iterator<Item = Held> {
        let is_dynamic = |held: &Held| held.origin == Origin::Dynamic;
        let mut dynamic: Vec<Held> = self.entries.values().copied().filter(is_dynamic).collect();
        dynamic.sort_by_key(|held| (held.seen, held.order));
        dynamic.into_iter()
    }

    fn make_room(
        &mut self,
        now: Duration,
        vlan: VlanId,
        address: MacAddr,
        port: u16,
    ) -> Result<Option<Departed<u16>>, InsertError> {
        let (leaver, cause) = if let Some(known) = self.entries.get(&(vlan, address)) {
            (*known, Departure::Replaced)
        } else if self.entries.len() < self.capacity {
            return Ok(None);
        } else if let Some(oldest) = self
            .by_age()
            .next()
            .filter(|held| self.is_expired(held, now))
        {
            (oldest, Departure::Expired)
        } else {
            (
                self.payer(port).ok_or(InsertError::Full)?,
                Departure::Evicted,
            )
        };
        let cause = if self.is_expired(&leaver, now) {
            Departure::Expired
        } else {
            cause
        };
        self.entries.remove(&(leaver.vlan, leaver.address));
        Ok(Some(departed(&leaver, cause)))
    }

    fn payer(&self, learner: u16) -> Option<Held> {
        let ports = self.by_age().map(|held| held.port);
        let fullest = ports
            .max_by_key(|&port| (self.count(port).dynamic, port == learner, u16::MAX - port))?;
        self.by_age().find(|held| held.port == fullest)
    }

    fn put(&mut self, now: Duration, vlan: VlanId, address: MacAddr, port: u16, origin: Origin) {
        let order = self.next_order();
        let held = Held {
            vlan,
            address,
            port,
            origin,
            seen: now,
            order,
            is_past: false,
        };
        self.entries.insert((vlan, address), held);
    }

    fn remove_if(&mut self, is_removed: impl Fn(&Held) -> bool) -> usize {
        let before = self.entries.len();
        self.entries.retain(|_, held| !is_removed(held));
        before - self.entries.len()
    }
}

fn refusal(address: MacAddr) -> Option<InsertError> {
    match address {
        MacAddr(0, 0, 0, 0, 0, 0) => Some(InsertError::Zero),
        MacAddr(first, ..) if first % 2 == 1 => Some(InsertError::Group),
        MacAddr(..) => None,
    }
}

fn departed(held: &Held, cause: Departure) -> Departed<u16> {
    Departed {
        vlan: held.vlan,
        address: held.address,
        port: held.port,
        cause,
    }
}
