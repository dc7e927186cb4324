//! When each of several is due, and the first of them. Kept as they change, close together in memory: a bridge of every
//! VLAN is asked for its deadline after every BPDU, and its ports' variables fill more cache than there is.

use core::time::Duration;

#[derive(Clone, Debug, Default)]
pub(super) struct Dues {
    each: Vec<Option<Duration>>,
    first: Option<Duration>,
    /// What was the first is it no longer.
    stale: bool,
}

impl Dues {
    /// One more at `index`, never due yet.
    pub(super) fn insert(&mut self, index: usize) {
        self.each.insert(index, None);
    }

    pub(super) fn remove(&mut self, index: usize) {
        self.set(index, None);
        self.each.remove(index);
        self.refresh();
    }

    pub(super) fn set(&mut self, index: usize, due: Option<Duration>) {
        let before = core::mem::replace(&mut self.each[index], due);
        if due.is_some_and(|due| self.first.is_none_or(|first| due < first)) {
            self.first = due;
            self.stale = false;
        } else if before.is_some() && before == self.first && before != due {
            self.stale = true;
        }
    }

    /// To be called after [`set`](Self::set), before [`first`](Self::first).
    pub(super) fn refresh(&mut self) {
        if core::mem::take(&mut self.stale) {
            self.first = self.each.iter().copied().flatten().min();
        }
    }

    pub(super) const fn first(&self) -> Option<Duration> {
        self.first
    }

    pub(super) fn get(&self, index: usize) -> Option<Duration> {
        self.each[index]
    }

    /// Whether that one is due.
    pub(super) fn is_due(&self, index: usize, now: Duration) -> bool {
        self.each[index].is_some_and(|due| due <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// However they change.
        #[test]
        fn the_first_is_the_least(changes in prop::collection::vec(
            (0..3_u8, any::<prop::sample::Index>(), prop::option::of(0..6_u64)), 0..60,
        )) {
            let (mut dues, mut model) = (Dues::default(), Vec::new());
            for (kind, index, due) in changes {
                let due = due.map(Duration::from_secs);
                match kind {
                    0 => {
                        let index = index.index(model.len() + 1);
                        dues.insert(index);
                        model.insert(index, None);
                    }
                    1 if !model.is_empty() => {
                        let index = index.index(model.len());
                        dues.remove(index);
                        model.remove(index);
                    }
                    _ if !model.is_empty() => {
                        let index = index.index(model.len());
                        dues.set(index, due);
                        model[index] = due;
                        prop_assert_eq!(dues.get(index), due);
                        prop_assert_eq!(dues.is_due(index, Duration::from_secs(3)),
                            due.is_some_and(|due| due <= Duration::from_secs(3)));
                        if due.is_some_and(|due| due.as_secs() % 2 == 0) {
                            // Several may change before anybody asks.
                            continue;
                        }
                    }
                    _ => {}
                }
                dues.refresh();
                prop_assert_eq!(dues.first(), model.iter().copied().flatten().min());
            }
        }
    }
}
