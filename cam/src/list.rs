//! Doubly linked lists through the nodes of a slab: order without allocation, removal in one step.

/// The identity of no node. A slab's real nodes start at 1, so that zeroed memory is empty memory.
pub(crate) const NIL: u32 = 0;

/// A node's place in one list.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Link {
    previous: u32,
    next: u32,
}

/// What can be linked: a node has one [`Link`] for each list it can be in.
pub(crate) trait Node: Copy + Default {
    fn link(&self, which: usize) -> Link;
    fn link_mut(&mut self, which: usize) -> &mut Link;
}

/// A list with both ends at hand, for queues.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct List {
    first: u32,
    last: u32,
}

impl List {
    pub(crate) fn first(self) -> u32 {
        self.first
    }

    pub(crate) fn is_empty(self) -> bool {
        self.first == NIL
    }

    pub(crate) fn push_back<T: Node>(&mut self, nodes: &mut Slab<T>, which: usize, id: u32) {
        *nodes.get_mut(id).link_mut(which) = Link {
            previous: self.last,
            next: NIL,
        };
        match self.last {
            NIL => self.first = id,
            last => nodes.get_mut(last).link_mut(which).next = id,
        }
        self.last = id;
    }

    pub(crate) fn remove<T: Node>(&mut self, nodes: &mut Slab<T>, which: usize, id: u32) {
        let Link { previous, next } = nodes.get(id).link(which);
        match previous {
            NIL => self.first = next,
            previous => nodes.get_mut(previous).link_mut(which).next = next,
        }
        match next {
            NIL => self.last = previous,
            next => nodes.get_mut(next).link_mut(which).previous = previous,
        }
    }

    pub(crate) fn move_to_back<T: Node>(&mut self, nodes: &mut Slab<T>, which: usize, id: u32) {
        if self.last != id {
            self.remove(nodes, which, id);
            self.push_back(nodes, which, id);
        }
    }

    /// Puts all of `other` behind this list, in one step.
    pub(crate) fn append<T: Node>(&mut self, nodes: &mut Slab<T>, which: usize, other: Self) {
        if other.is_empty() {
            return;
        }
        match self.last {
            NIL => self.first = other.first,
            last => {
                nodes.get_mut(last).link_mut(which).next = other.first;
                nodes.get_mut(other.first).link_mut(which).previous = last;
            }
        }
        self.last = other.last;
    }
}

/// Puts a node before the list whose first node is `first`. For lists that need no end: half the memory.
pub(crate) fn push_front<T: Node>(first: &mut u32, nodes: &mut Slab<T>, which: usize, id: u32) {
    *nodes.get_mut(id).link_mut(which) = Link {
        previous: NIL,
        next: *first,
    };
    if *first != NIL {
        nodes.get_mut(*first).link_mut(which).previous = id;
    }
    *first = id;
}

/// Takes a node out of the list whose first node is `first`.
pub(crate) fn unlink<T: Node>(first: &mut u32, nodes: &mut Slab<T>, which: usize, id: u32) {
    let Link { previous, next } = nodes.get(id).link(which);
    match previous {
        NIL => *first = next,
        previous => nodes.get_mut(previous).link_mut(which).next = next,
    }
    if next != NIL {
        nodes.get_mut(next).link_mut(which).previous = previous;
    }
}

/// The node after `id`.
pub(crate) fn next<T: Node>(nodes: &Slab<T>, which: usize, id: u32) -> u32 {
    nodes.get(id).link(which).next
}

/// Nodes named by small numbers that stay theirs as long as they live.
///
/// All memory is reserved when the slab is made and none is touched before its node is used; free nodes are a list
/// through their first link.
#[derive(Debug)]
pub(crate) struct Slab<T> {
    nodes: Vec<T>,
    /// The identity after the highest one ever used.
    end: u32,
    end_max: u32,
    free: u32,
    used: u32,
}

impl<T: Node> Slab<T> {
    pub(crate) fn new(capacity: u32) -> Self {
        let mut nodes = Vec::with_capacity(capacity as usize + 1);
        nodes.push(T::default());
        Self {
            nodes,
            end: 1,
            end_max: capacity + 1,
            free: NIL,
            used: 0,
        }
    }

    pub(crate) fn get(&self, id: u32) -> &T {
        &self.nodes[id as usize]
    }

    pub(crate) fn get_mut(&mut self, id: u32) -> &mut T {
        &mut self.nodes[id as usize]
    }

    pub(crate) fn is_full(&self) -> bool {
        self.free == NIL && self.end == self.end_max
    }

    /// Whether a node is to be had without touching memory never used before.
    pub(crate) fn has_free(&self) -> bool {
        self.free != NIL
    }

    /// The identity after the highest one ever used.
    pub(crate) fn end(&self) -> u32 {
        self.end
    }

    /// Stores a node and names it. The slab must not be full.
    pub(crate) fn insert(&mut self, node: T) -> u32 {
        self.used += 1;
        if self.free != NIL {
            let id = self.free;
            self.free = self.get(id).link(0).next;
            *self.get_mut(id) = node;
            return id;
        }
        assert!(self.end < self.end_max, "room is made before insertion");
        let id = self.end;
        self.nodes.push(node);
        self.end += 1;
        id
    }

    /// Forgets a node, which must be in no list any more.
    pub(crate) fn remove(&mut self, id: u32) {
        let mut vacant = T::default();
        vacant.link_mut(0).next = self.free;
        *self.get_mut(id) = vacant;
        self.free = id;
        self.used -= 1;
    }
}

impl<T: Node> Clone for Slab<T> {
    fn clone(&self) -> Self {
        let mut nodes = Vec::with_capacity(self.end_max as usize);
        nodes.extend_from_slice(&self.nodes);
        Self { nodes, ..*self }
    }
}

#[cfg(test)]
impl<T> Slab<T> {
    pub(crate) fn used(&self) -> u32 {
        self.used
    }

    pub(crate) fn reserved(&self) -> usize {
        self.nodes.capacity()
    }
}
