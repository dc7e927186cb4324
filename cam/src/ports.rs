//! The ports that have entries, and which of them is fullest.

use crate::Count;
use crate::list::{List, NIL};
use crate::slots::Kind;
use crate::table::PORTS_MAX;

/// One port's entries.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Port {
    /// Its dynamic entries, least recently refreshed first, flushed ones included until they are reclaimed.
    pub(crate) recent: List,
    /// Its static and local entries.
    pub(crate) permanent: u32,
    /// Its groups.
    pub(crate) groups: u32,
    /// How many entries it has, flushed ones not counted. The heap follows the dynamic ones, so they change by
    /// [`Ports::add_dynamic`] and its like only.
    held: Count,
    heap_index: u16,
}

impl Port {
    pub(crate) fn held(&self) -> Count {
        self.held
    }

    pub(crate) fn add_permanent(&mut self, kind: Kind) {
        *self.held.of_mut(kind) += 1;
    }

    pub(crate) fn subtract_permanent(&mut self, kind: Kind) {
        *self.held.of_mut(kind) -= 1;
    }

    fn is_unused(&self) -> bool {
        self.recent.is_empty() && self.permanent == NIL
    }
}

/// The ports that have entries, by slot number: found by handle in a sorted list, ranked by a binary heap.
#[derive(Clone, Debug)]
pub(crate) struct Ports<P> {
    handles: Vec<P>,
    ports: Vec<Port>,
    /// Slots in use, in order of their handles.
    order: Vec<u16>,
    /// Slots in use, as a heap: the fullest first, the lower handle where two are equally full.
    heap: Vec<u16>,
    free: Vec<u16>,
}

impl<P: Copy + Ord> Ports<P> {
    pub(crate) fn new() -> Self {
        Self {
            handles: Vec::with_capacity(PORTS_MAX),
            ports: Vec::with_capacity(PORTS_MAX),
            order: Vec::with_capacity(PORTS_MAX),
            heap: Vec::with_capacity(PORTS_MAX),
            free: Vec::with_capacity(PORTS_MAX),
        }
    }

    pub(crate) fn handle(&self, slot: u16) -> P {
        self.handles[slot as usize]
    }

    pub(crate) fn get(&self, slot: u16) -> &Port {
        &self.ports[slot as usize]
    }

    pub(crate) fn get_mut(&mut self, slot: u16) -> &mut Port {
        &mut self.ports[slot as usize]
    }

    /// The slot of a port that has entries.
    pub(crate) fn find(&self, handle: P) -> Option<u16> {
        let at = self.position(handle).ok()?;
        Some(self.order[at])
    }

    /// Whether `handle` has a slot or can get one.
    pub(crate) fn has_room_for(&self, handle: P) -> bool {
        self.order.len() < PORTS_MAX || self.position(handle).is_ok()
    }

    /// The slot of `handle`, taken now if it has none. There must be room.
    pub(crate) fn find_or_make(&mut self, handle: P) -> u16 {
        let at = match self.position(handle) {
            Ok(at) => return self.order[at],
            Err(at) => at,
        };
        let slot = self.free.pop().unwrap_or_else(|| {
            let slot = u16::try_from(self.ports.len()).expect("PORTS_MAX fits 16 bits");
            self.handles.push(handle);
            self.ports.push(Port::default());
            slot
        });
        self.handles[slot as usize] = handle;
        self.order.insert(at, slot);
        self.heap.push(slot);
        self.rise(self.heap.len() - 1);
        slot
    }

    /// Gives up a slot whose port has no entry left, not even a flushed one; else does nothing.
    pub(crate) fn release(&mut self, slot: u16) {
        if !self.get(slot).is_unused() {
            return;
        }
        let at = self
            .position(self.handle(slot))
            .expect("a slot in use is in the order");
        self.order.remove(at);
        let at = self.get(slot).heap_index as usize;
        self.heap.swap_remove(at);
        if at < self.heap.len() {
            self.reorder(at);
        }
        self.ports[slot as usize] = Port::default();
        self.free.push(slot);
    }

    /// The fullest port; of equally full ones `preferred`, else the one of the lowest handle. `None` if no port has a
    /// dynamic entry.
    pub(crate) fn fullest(&self, preferred: P) -> Option<u16> {
        let fullest = *self.heap.first()?;
        let count = self.get(fullest).held.dynamic;
        if count == 0 {
            return None;
        }
        self.find(preferred)
            .filter(|&slot| self.get(slot).held.dynamic == count)
            .or(Some(fullest))
    }

    pub(crate) fn add_dynamic(&mut self, slot: u16) {
        let port = self.get_mut(slot);
        port.held.dynamic += 1;
        let at = port.heap_index as usize;
        self.rise(at);
    }

    pub(crate) fn subtract_dynamic(&mut self, slot: u16, count: usize) {
        let port = self.get_mut(slot);
        port.held.dynamic -= count;
        let at = port.heap_index as usize;
        self.sink(at);
    }

    /// No port has a dynamic entry any more.
    pub(crate) fn clear_dynamic(&mut self) {
        self.heap.copy_from_slice(&self.order);
        for (index, &slot) in (0..).zip(&self.order) {
            let port = &mut self.ports[slot as usize];
            port.held.dynamic = 0;
            port.heap_index = index;
        }
    }

    fn position(&self, handle: P) -> Result<usize, usize> {
        self.order
            .binary_search_by(|&slot| self.handle(slot).cmp(&handle))
    }

    fn is_fuller(&self, a: u16, b: u16) -> bool {
        let (full_a, full_b) = (self.get(a).held.dynamic, self.get(b).held.dynamic);
        full_a > full_b || full_a == full_b && self.handle(a) < self.handle(b)
    }

    fn reorder(&mut self, at: usize) {
        let slot = self.heap[at];
        self.rise(at);
        self.sink(self.get(slot).heap_index as usize);
    }

    fn rise(&mut self, mut at: usize) {
        let slot = self.heap[at];
        while at > 0 {
            let parent = (at - 1) / 2;
            if !self.is_fuller(slot, self.heap[parent]) {
                break;
            }
            self.place(at, self.heap[parent]);
            at = parent;
        }
        self.place(at, slot);
    }

    fn sink(&mut self, mut at: usize) {
        let slot = self.heap[at];
        loop {
            let mut child = 2 * at + 1;
            if child >= self.heap.len() {
                break;
            }
            if child + 1 < self.heap.len() && self.is_fuller(self.heap[child + 1], self.heap[child])
            {
                child += 1;
            }
            if !self.is_fuller(self.heap[child], slot) {
                break;
            }
            self.place(at, self.heap[child]);
            at = child;
        }
        self.place(at, slot);
    }

    fn place(&mut self, at: usize, slot: u16) {
        self.heap[at] = slot;
        self.get_mut(slot).heap_index =
            u16::try_from(at).expect("the heap has at most PORTS_MAX places");
    }
}

#[cfg(test)]
impl<P> Ports<P> {
    pub(crate) fn used(&self) -> usize {
        self.order.len()
    }

    pub(crate) fn reserved(&self) -> [usize; 5] {
        [
            self.handles.capacity(),
            self.ports.capacity(),
            self.order.capacity(),
            self.heap.capacity(),
            self.free.capacity(),
        ]
    }
}
