//! What the table counts.

use crate::slots::Kind;

/// Counters since the table was made, and how full it is now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Addresses that became known ([`Learned::New`](crate::Learned::New)).
    pub learned: u64,
    /// Frames that showed a known station where it was known to be.
    pub refreshed: u64,
    /// Stations that moved to another port.
    pub moved: u64,
    /// Entries reported as expired.
    pub expired: u64,
    /// Entries that made room for others.
    pub evicted: u64,
    /// Entries flushed.
    pub flushed: u64,
    /// Entries removed or replaced by management.
    pub removed: u64,
    /// Source addresses that were not learned.
    pub rejected: u64,
    /// Entries held now, by origin.
    pub held: Count,
    /// How many entries can be held.
    pub capacity: usize,
}

/// How many entries of each origin are held, by the table or for one port.
///
/// An entry that has expired counts until [`expire`](crate::MacTable::expire) or a `learn` reports it; a flushed one
/// stops counting at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Learned entries.
    pub dynamic: usize,
    /// Entries set by management.
    pub r#static: usize,
    /// The bridge's own addresses.
    pub local: usize,
}

impl Count {
    pub(crate) fn of_mut(&mut self, kind: Kind) -> &mut usize {
        match kind {
            Kind::Dynamic => &mut self.dynamic,
            Kind::Static => &mut self.r#static,
            Kind::Local => &mut self.local,
        }
    }

    /// All of them.
    #[must_use]
    pub const fn total(&self) -> usize {
        self.dynamic + self.r#static + self.local
    }
}
