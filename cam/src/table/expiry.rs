//! Time: what expires, when, and how fast entries age.

use core::time::Duration;

use super::MacTable;
use crate::list::NIL;
use crate::{AgeingTime, Departed, Departure};

/// How many entries one [`MacTable::expire`] removes at most, whatever its budget.
pub const EXPIRE_BUDGET_MAX: usize = 4096;

impl<P: Copy + Ord> MacTable<P> {
    /// Removes entries whose time has passed, oldest first, and tells which; then reclaims flushed ones.
    ///
    /// At most `budget` entries are touched (and at most [`EXPIRE_BUDGET_MAX`]); if more are due,
    /// [`deadline`](Self::deadline) says so by not lying ahead. For the caller expired entries are absent anyway:
    /// this tells of them and makes room. Calling early is harmless.
    pub fn expire(&mut self, now: Duration, budget: usize) -> &[Departed<P>] {
        let at = self.ageing.advance(now);
        self.departed.clear();
        for _ in 0..budget.min(EXPIRE_BUDGET_MAX) {
            let oldest = self.by_age.first();
            if oldest != NIL && self.ageing.is_expired(self.slots.get(oldest).seen, at) {
                let departed = self.dismiss(oldest, at, Departure::Expired);
                self.departed.extend(departed);
            } else if let Some(id) = self.groups.first_dead_entry() {
                self.forget(id);
            } else {
                break;
            }
        }
        &self.departed
    }

    /// When the first entry expires: when to call [`expire`](Self::expire), at the latest. `None` if none will.
    ///
    /// Changed by every method that changes the table. It may be early after a flush.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        let oldest = self.by_age.first();
        (oldest != NIL).then(|| self.ageing.expires(self.slots.get(oldest).seen))
    }

    /// The ageing time set.
    #[must_use]
    pub fn ageing(&self) -> AgeingTime {
        self.ageing.time()
    }

    /// Sets the ageing time. Acts at once and in one step, on entries held too; what has expired stays expired.
    pub fn set_ageing(&mut self, now: Duration, ageing: AgeingTime) {
        let at = self.ageing.advance(now);
        self.ageing.set_time(at, ageing);
        self.reflect_ageing();
    }

    /// The short ageing time in force, if any.
    #[must_use]
    pub fn short_ageing(&self) -> Option<Duration> {
        self.ageing.short()
    }

    /// Begins (`Some`: the spanning tree's forward delay) or ends (`None`) short ageing, as while the topology
    /// changes (802.1D-1998 clauses 7.9.2 and 8.3.5).
    ///
    /// Acts at once and in one step, on entries held too; what has expired stays expired. A time longer than the
    /// ageing time has no effect; of no time, one nanosecond is made.
    pub fn set_short_ageing(&mut self, now: Duration, short: Option<Duration>) {
        let at = self.ageing.advance(now);
        self.ageing.set_short(at, short);
        self.reflect_ageing();
    }

    /// How long a dynamic entry is held now: the ageing time, or the short one if that is shorter.
    #[must_use]
    pub fn hold_time(&self) -> Duration {
        self.ageing.hold()
    }
}
