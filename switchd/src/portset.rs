//! A set of ports, in number order.

use stp::PortNumber;

/// Port numbers a switch can use are `1..PORTS_MAX`. 802.1D allows 4095 (9.2.7); a userspace switch with
/// more than a thousand descriptors is not something we have seen, and the bound keeps [`PortSet`] at 128
/// octets, small enough to copy per frame.
pub const PORTS_MAX: usize = 1024;

const WORDS: usize = PORTS_MAX / 64;

/// A set of port numbers below [`PORTS_MAX`]. Numbers outside are never members; inserting one is ignored,
/// because the switch refuses such a port when it is added.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PortSet([u64; WORDS]);

impl PortSet {
    /// The set without members.
    pub const EMPTY: Self = Self([0; WORDS]);

    /// The set of one port.
    #[must_use]
    pub fn single(port: PortNumber) -> Self {
        let mut set = Self::EMPTY;
        set.insert(port);
        set
    }

    fn split(port: PortNumber) -> Option<(usize, u64)> {
        let index = usize::from(port.get());
        (index < PORTS_MAX).then_some((index / 64, 1 << (index % 64)))
    }

    /// Makes `port` a member.
    pub fn insert(&mut self, port: PortNumber) {
        if let Some((word, bit)) = Self::split(port) {
            self.0[word] |= bit;
        }
    }

    /// Makes `port` no member.
    pub fn remove(&mut self, port: PortNumber) {
        if let Some((word, bit)) = Self::split(port) {
            self.0[word] &= !bit;
        }
    }

    /// Inserts or removes.
    pub fn set(&mut self, port: PortNumber, member: bool) {
        if member {
            self.insert(port);
        } else {
            self.remove(port);
        }
    }

    /// Whether `port` is a member.
    #[must_use]
    pub fn contains(&self, port: PortNumber) -> bool {
        Self::split(port).is_some_and(|(word, bit)| self.0[word] & bit != 0)
    }

    /// Whether there is no member.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|&word| word == 0)
    }

    /// How many members.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Members of `self` that are not in `other`.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        Self(std::array::from_fn(|word| self.0[word] & !other.0[word]))
    }

    /// Members in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = PortNumber> + use<> {
        Members {
            words: self.0,
            word: 0,
        }
    }
}

/// Members not told yet, from word `word` on. By hand: adapters cost thirty instructions for every empty word, and
/// every frame walks two sets.
struct Members {
    words: [u64; WORDS],
    word: u16,
}

impl Iterator for Members {
    type Item = PortNumber;

    fn next(&mut self) -> Option<PortNumber> {
        while let Some(bits) = self.words.get_mut(usize::from(self.word)) {
            if *bits != 0 {
                let low = u16::try_from(bits.trailing_zeros()).expect("below 64");
                *bits &= *bits - 1;
                return PortNumber::new(self.word * 64 + low);
            }
            self.word += 1;
        }
        None
    }
}

/// The ports of a flood, each with whether it sends the frame tagged. Walks the sets where they lie: a copy of one is
/// 128 octets.
pub(crate) struct FloodPorts<'a> {
    members: &'a PortSet,
    untagged: &'a PortSet,
    forwarding: &'a PortSet,
    ingress: PortNumber,
    /// Words that can have members.
    words: u16,
    /// Whether those that send tagged are being told; the others follow.
    tagged: bool,
    /// The next word to look at.
    word: u16,
    /// What is left of the word before it.
    bits: u64,
}

impl<'a> FloodPorts<'a> {
    /// Of `members` that forward all but `ingress`; of them, those not in `untagged` send tagged. No member is above
    /// `last`: most switches have few ports, and the empty words of three sets are not worth a look.
    pub(crate) fn new(
        members: &'a PortSet,
        untagged: &'a PortSet,
        forwarding: &'a PortSet,
        ingress: PortNumber,
        last: PortNumber,
    ) -> Self {
        Self {
            members,
            untagged,
            forwarding,
            ingress,
            words: last.get() / 64 + 1,
            tagged: true,
            word: 0,
            bits: 0,
        }
    }
}

impl Iterator for FloodPorts<'_> {
    type Item = (PortNumber, bool);

    /// Not a call for each port: nine instructions of some 140.
    #[inline(always)]
    fn next(&mut self) -> Option<(PortNumber, bool)> {
        loop {
            while self.bits != 0 {
                let low = u16::try_from(self.bits.trailing_zeros()).expect("below 64");
                self.bits &= self.bits - 1;
                let port = PortNumber::new((self.word - 1) * 64 + low)?;
                if port != self.ingress {
                    return Some((port, self.tagged));
                }
            }
            if self.word == self.words {
                if !self.tagged {
                    return None;
                }
                (self.tagged, self.word) = (false, 0);
            }
            let index = usize::from(self.word);
            let untagged = self.untagged.0[index];
            let form = if self.tagged { !untagged } else { untagged };
            self.bits = self.members.0[index] & self.forwarding.0[index] & form;
            self.word += 1;
        }
    }
}

impl Default for PortSet {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl std::fmt::Debug for PortSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set()
            .entries(self.iter().map(PortNumber::get))
            .finish()
    }
}

impl FromIterator<PortNumber> for PortSet {
    fn from_iter<I: IntoIterator<Item = PortNumber>>(ports: I) -> Self {
        let mut set = Self::EMPTY;
        for port in ports {
            set.insert(port);
        }
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn agrees_with_a_tree_set(
            a in proptest::collection::btree_set(1_u16..1024, 0..40),
            b in proptest::collection::btree_set(1_u16..1024, 0..40),
        ) {
            let set = |numbers: &BTreeSet<u16>| {
                numbers.iter().filter_map(|&n| PortNumber::new(n)).collect::<PortSet>()
            };
            let numbers = |set: PortSet| set.iter().map(PortNumber::get).collect::<Vec<_>>();
            prop_assert_eq!(numbers(set(&a)), a.iter().copied().collect::<Vec<_>>());
            prop_assert_eq!(set(&a).len(), a.len());
            prop_assert_eq!(set(&a).is_empty(), a.is_empty());
            prop_assert_eq!(
                numbers(set(&a).difference(&set(&b))),
                a.difference(&b).copied().collect::<Vec<_>>()
            );
        }
    }

    proptest! {
        #[test]
        fn a_flood_reaches_members_that_forward_tagged_ones_first(
            members in proptest::collection::btree_set(1_u16..1024, 0..40),
            untagged in proptest::collection::btree_set(1_u16..1024, 0..40),
            forwarding in proptest::collection::btree_set(1_u16..1024, 0..40),
            everywhere in proptest::collection::btree_set(1_u16..1024, 0..40),
            ingress in 1_u16..1024,
        ) {
            let number = |n: u16| PortNumber::new(n).unwrap();
            // Sets that meet: what is everywhere is a member and forwards.
            let of = |numbers: &BTreeSet<u16>| numbers.union(&everywhere).copied().collect::<BTreeSet<_>>();
            let (members, forwarding) = (of(&members), of(&forwarding));
            let set = |numbers: &BTreeSet<u16>| numbers.iter().map(|&n| number(n)).collect::<PortSet>();
            let last = members.iter().next_back().copied().unwrap_or(1);
            let (all, bare, ready) = (set(&members), set(&untagged), set(&forwarding));
            let flood = FloodPorts::new(&all, &bare, &ready, number(ingress), number(last));
            let told: Vec<(u16, bool)> = flood.map(|(port, tagged)| (port.get(), tagged)).collect();
            let reached = members.intersection(&forwarding).copied().filter(|&n| n != ingress);
            let (without, with): (Vec<u16>, Vec<u16>) = reached.partition(|n| untagged.contains(n));
            let expected = with.into_iter().map(|n| (n, true));
            let expected = expected.chain(without.into_iter().map(|n| (n, false)));
            prop_assert_eq!(told, expected.collect::<Vec<_>>());
        }
    }

    #[test]
    fn numbers_beyond_the_bound_are_never_members() {
        let beyond = PortNumber::new(1024).unwrap();
        let mut set = PortSet::single(beyond);
        assert!(set.is_empty());
        set.insert(PortNumber::new(1023).unwrap());
        assert_eq!(set.len(), 1);
        assert!(!set.contains(beyond));
    }
}
