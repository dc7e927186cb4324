//! Doing many trials, on as many threads as one likes.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use core::num::NonZeroUsize;

use super::plan::{Key, bundles, cost};
use super::protocol::Protocol;
use super::record::Record;
use super::trial;

/// Runs trials on `jobs` threads, the heaviest first, and returns their records in the order of `keys`. Which thread
/// does what changes nothing. `done` hears of each trial that is over, on the caller's thread.
pub fn run(
    keys: &[Key],
    protocol: Protocol,
    study: u64,
    jobs: NonZeroUsize,
    mut done: impl FnMut(&Key),
) -> Vec<Record> {
    let bundles = bundles(keys);
    let mut order: Vec<usize> = (0..bundles.len()).collect();
    order.sort_by_key(|&place| core::cmp::Reverse(cost(&bundles[place])));
    let work = |bundle: &Vec<Key>| trial::run_alike(bundle, protocol, study);
    let over = |bundle: &Vec<Key>| bundle.iter().for_each(&mut done);
    let records = spread(&bundles, &order, jobs, work, over);
    let records = records.into_iter().flatten();
    let mut by_key: BTreeMap<Key, Record> = records.map(|record| (*record.key(), record)).collect();
    keys.iter().filter_map(|key| by_key.remove(key)).collect()
}

/// Does `work` on each of `keys`, on `jobs` threads, in this order; what comes of it is in the order of `keys`.
pub(super) fn spread<K: Sync, R: Send>(
    keys: &[K],
    order: &[usize],
    jobs: NonZeroUsize,
    work: impl Fn(&K) -> R + Sync,
    mut done: impl FnMut(&K),
) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let (sender, receiver) = crossbeam_channel::unbounded();
    let mut results: Vec<Option<R>> = keys.iter().map(|_| None).collect();
    thread::scope(|scope| {
        for _ in 0..jobs.get().min(keys.len()) {
            let (next, work, sender) = (&next, &work, sender.clone());
            scope.spawn(move || {
                while let Some(&place) = order.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if sender.send((place, work(&keys[place]))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        for (place, result) in receiver {
            done(&keys[place]);
            results[place] = Some(result);
        }
    });
    results.into_iter().flatten().collect()
}
