//! What a table is made with.

use core::fmt;

use crate::AgeingTime;

/// How many entries a table holds at most: dynamic, static and local together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Capacity(u32);

impl Capacity {
    /// The smallest table, one entry.
    pub const MIN: Self = Self(1);
    /// The largest table, 1,000,000 entries.
    pub const MAX: Self = Self(1_000_000);

    /// A capacity of `entries`.
    ///
    /// # Errors
    /// [`CapacityError`] outside 1..=1,000,000.
    pub fn new(entries: usize) -> Result<Self, CapacityError> {
        u32::try_from(entries)
            .ok()
            .map(Self)
            .filter(|capacity| (Self::MIN..=Self::MAX).contains(capacity))
            .ok_or(CapacityError { entries })
    }

    /// The capacity as a number of entries.
    #[must_use]
    pub const fn get(self) -> usize {
        self.0 as usize
    }

    pub(crate) const fn entries(self) -> u32 {
        self.0
    }
}

impl Default for Capacity {
    /// 32,768 entries.
    fn default() -> Self {
        Self(32_768)
    }
}

impl fmt::Display for Capacity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} entries", self.0)
    }
}

/// A capacity no table can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("capacity of {entries} entries is outside 1..=1000000")]
pub struct CapacityError {
    /// What was asked for, in entries.
    pub entries: usize,
}

/// What a [`MacTable`](crate::MacTable) is made with.
///
/// By default 32,768 entries, 300 s, and a hash key of zero: a daemon sets a random one.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct MacTableConfig {
    /// How many entries the table holds at most.
    pub capacity: Capacity,
    /// The secret of the hash that places entries. Random in a daemon, so that nobody outside can choose addresses
    /// that collide; fixed in a simulation, so that a run repeats (results never depend on it, only cost does).
    pub hash_key: [u64; 2],
    /// How long a dynamic entry is held.
    pub ageing: AgeingTime,
}

impl fmt::Debug for MacTableConfig {
    /// Everything but the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MacTableConfig")
            .field("capacity", &self.capacity)
            .field("ageing", &self.ageing)
            .finish_non_exhaustive()
    }
}
