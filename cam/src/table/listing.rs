//! What the table holds and has counted.

use core::time::Duration;

use etherparse::VlanId;

use super::MacTable;
use crate::{Count, Entry, Stats};

/// How many places of the table one [`MacTable::entries_from`] looks at most, whatever its limit.
pub const LIST_LIMIT_MAX: usize = 4096;

impl<P: Copy + Ord> MacTable<P> {
    /// A page of the listing: what is held in `limit` places of the table from `cursor` on, and the cursor of the next
    /// page, `None` at the end. The first page starts at 0.
    ///
    /// At most [`LIST_LIMIT_MAX`] places are looked at, at least one; a page has as many entries or fewer, even none
    /// though more follow. Entries keep their places, so the table may change between pages: an entry held throughout
    /// is listed exactly once, one that comes or goes meanwhile at most once for each time it came. The order is that
    /// of places, which depends on the calls made and on nothing else.
    #[must_use]
    pub fn entries_from(
        &self,
        now: Duration,
        cursor: usize,
        limit: usize,
    ) -> (Vec<Entry<P>>, Option<usize>) {
        let at = self.ageing.at(now);
        let end = self.slots.slab.end();
        let first = u32::try_from(cursor).unwrap_or(end).saturating_add(1);
        let page = (first..end)
            .take(limit.clamp(1, LIST_LIMIT_MAX))
            .map(|id| self.slots.get(id))
            .filter(|slot| !slot.is_vacant() && self.is_held(slot, at))
            .map(|slot| self.describe(slot))
            .collect();
        let next = cursor.saturating_add(limit.clamp(1, LIST_LIMIT_MAX));
        (page, (next < (end - 1) as usize).then_some(next))
    }

    /// The counters, and how full the table is.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.stats
    }

    /// How many entries `port` has.
    #[must_use]
    pub fn count(&self, port: P) -> Count {
        self.ports
            .find(port)
            .map_or_else(Count::default, |slot| self.ports.get(slot).held())
    }

    /// The VLANs in which `port` has dynamic entries, in no particular order; those expired count until they are reported.
    pub fn vlans_of(&self, port: P) -> impl Iterator<Item = VlanId> {
        let slot = self.ports.find(port);
        let lists = slot.map(|slot| self.ports.get(slot).groups);
        let vlans = lists
            .into_iter()
            .flat_map(|list| self.groups.vlans_of_port(list));
        vlans.filter_map(|vlan| VlanId::try_new(vlan).ok())
    }

    /// How many entries are held, of all origins; those expired count until they are reported.
    #[must_use]
    pub fn len(&self) -> usize {
        self.stats.held.total()
    }

    /// Whether no entry is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
