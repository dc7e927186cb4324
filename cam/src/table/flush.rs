//! Forgetting many entries in few steps.

use etherparse::VlanId;
use pnet_base::MacAddr;

use super::MacTable;
use crate::Flush;
use crate::list::NIL;
use crate::slots::{Key, Kind};

impl<P: Copy + Ord> MacTable<P> {
    /// Flushes the dynamic entries that match; returns how many there were.
    ///
    /// They are absent at once and not reported again. An entry that had expired and was not reported yet is flushed
    /// like the others.
    pub fn flush(&mut self, flush: Flush<P>) -> usize {
        let Flush {
            port,
            vlan,
            address,
        } = flush;
        let flushed = match (address, port, vlan) {
            (Some(address), _, Some(vlan)) => self.flush_address(vlan, address, port),
            (Some(address), _, None) => self.flush_address_everywhere(address, port),
            (None, Some(port), Some(vlan)) => self.flush_port_vlan(port, vlan),
            (None, Some(port), None) => self.flush_port(port),
            (None, None, Some(vlan)) => self.flush_vlan(vlan),
            (None, None, None) => self.flush_all(),
        };
        self.stats.flushed += flushed as u64;
        flushed
    }

    /// Removes every entry of `port`, of any origin, as when the port itself is removed; returns how many there were.
    ///
    /// Cost: as for a flush of the port, and a step for each static and local entry.
    pub fn remove_port(&mut self, port: P) -> usize {
        let mut removed = self.flush(Flush::port(port));
        let Some(slot) = self.ports.find(port) else {
            return removed;
        };
        let mut id = self.ports.get(slot).permanent;
        while id != NIL {
            self.forget(id);
            self.stats.removed += 1;
            removed += 1;
            id = self.ports.get(slot).permanent;
        }
        removed
    }

    fn flush_all(&mut self) -> usize {
        self.groups.kill_all();
        self.hide_all();
        self.ports.clear_dynamic();
        core::mem::take(&mut self.stats.held.dynamic)
    }

    fn flush_port(&mut self, port: P) -> usize {
        let Some(slot) = self.ports.find(port) else {
            return 0;
        };
        let mut flushed = 0;
        while let Some(id) = self.groups.first_of_port(self.ports.get(slot).groups) {
            flushed += self.kill(id);
        }
        flushed
    }

    fn flush_vlan(&mut self, vlan: VlanId) -> usize {
        let mut flushed = 0;
        while let Some(id) = self.groups.first_of_vlan(vlan.value()) {
            flushed += self.kill(id);
        }
        flushed
    }

    fn flush_port_vlan(&mut self, port: P, vlan: VlanId) -> usize {
        self.ports
            .find(port)
            .and_then(|slot| self.groups.find(slot, vlan.value()))
            .map_or(0, |id| self.kill(id))
    }

    fn flush_address_everywhere(&mut self, address: MacAddr, port: Option<P>) -> usize {
        (0..=VlanId::MAX_U16)
            .filter_map(|vlan| VlanId::try_new(vlan).ok())
            .map(|vlan| match self.groups.first_of_vlan(vlan.value()) {
                Some(_) => self.flush_address(vlan, address, port),
                None => 0,
            })
            .sum()
    }

    fn flush_address(&mut self, vlan: VlanId, address: MacAddr, port: Option<P>) -> usize {
        let Some(id) = self.slots.find(Key::new(vlan, address)) else {
            return 0;
        };
        let slot = self.slots.get(id);
        if slot.kind != Kind::Dynamic
            || !self.groups.is_alive(slot.group)
            || port.is_some_and(|port| port != self.ports.handle(slot.port))
        {
            return 0;
        }
        self.forget(id);
        1
    }

    fn kill(&mut self, id: u32) -> usize {
        let group = *self.groups.get(id);
        self.hide_group(group.port, group.vlan);
        let of_port = &mut self.ports.get_mut(group.port).groups;
        self.groups.kill(of_port, id);
        let count = group.count as usize;
        self.ports.subtract_dynamic(group.port, count);
        self.stats.held.dynamic -= count;
        count
    }
}
