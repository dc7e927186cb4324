//! Keeping a mirror right: every change of an entry passes here.

use core::fmt;
use std::sync::Arc;

use super::MacTable;
use crate::mirror::Mirror;
use crate::slots::Kind;

/// The mirror of a table, if it has one, and what its ports are called there.
pub(super) struct Mirroring<P>(Option<Writing<P>>);

/// A mirror, and what ports are called there.
type Writing<P> = (Arc<Mirror>, fn(P) -> u16);

impl<P> Default for Mirroring<P> {
    fn default() -> Self {
        Self(None)
    }
}

impl<P> Clone for Mirroring<P> {
    /// A mirror has one writer: the clone of a table has none.
    fn clone(&self) -> Self {
        Self(None)
    }
}

impl<P> fmt::Debug for Mirroring<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Mirroring").field(&self.0.is_some()).finish()
    }
}

impl<P: Copy + Ord> MacTable<P> {
    /// The mirror of this table, made now if there is none, with what is held; `number` says what a port is called there,
    /// which must tell ports apart. From now on every change shows in it. Takes 58 octets for each place of the table, in
    /// pages of 4 KiB as they are used.
    pub fn mirror(&mut self, number: fn(P) -> u16) -> Arc<Mirror> {
        if let Some((mirror, _)) = &self.mirroring.0 {
            return Arc::clone(mirror);
        }
        let mirror = Arc::new(Mirror::new(
            self.stats.capacity,
            self.slots.hash,
            &self.ageing,
        ));
        self.mirroring = Mirroring(Some((Arc::clone(&mirror), number)));
        for id in 1..self.slots.slab.end() {
            let slot = self.slots.get(id);
            let is_flushed = slot.kind == Kind::Dynamic && !self.groups.is_alive(slot.group);
            if !slot.is_vacant() && !is_flushed {
                self.reflect(id);
            }
        }
        mirror
    }

    /// The entry is new, has moved or was refreshed.
    #[inline]
    pub(super) fn reflect(&self, id: u32) {
        if self.mirroring.0.is_some() {
            self.note(id);
        }
    }

    /// The entry is about to be forgotten.
    #[inline]
    pub(super) fn hide(&self, id: u32) {
        if self.mirroring.0.is_some() {
            self.remove_from_mirror(id);
        }
    }

    /// Apart, so that a table without a mirror pays for the test alone and not for registers.
    #[cold]
    #[inline(never)]
    fn note(&self, id: u32) {
        if let Some((mirror, number)) = &self.mirroring.0 {
            let slot = self.slots.get(id);
            let port = number(self.ports.handle(slot.port));
            mirror.note(slot.key, slot.kind, port, slot.seen);
        }
    }

    /// Apart as [`Self::note`] is.
    #[cold]
    #[inline(never)]
    fn remove_from_mirror(&self, id: u32) {
        if let Some((mirror, _)) = &self.mirroring.0 {
            mirror.remove(self.slots.get(id).key);
        }
    }

    /// The dynamic entries of a port, by its slot, in a VLAN were flushed.
    #[inline]
    pub(super) fn hide_group(&self, port: u16, vlan: u16) {
        if let Some((mirror, number)) = &self.mirroring.0 {
            mirror.flush(number(self.ports.handle(port)), vlan);
        }
    }

    /// All dynamic entries were flushed.
    pub(super) fn hide_all(&self) {
        if let Some((mirror, _)) = &self.mirroring.0 {
            mirror.flush_all();
        }
    }

    /// Entries are held for another time.
    pub(super) fn reflect_ageing(&self) {
        if let Some((mirror, _)) = &self.mirroring.0 {
            mirror.set_ageing(&self.ageing);
        }
    }
}
