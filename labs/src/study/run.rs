//! Doing many trials, on as many threads as one likes.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use core::num::NonZeroUsize;

use super::plan::Key;
use super::record::Record;
use super::trial;

/// Runs trials on `jobs` threads, the heaviest first, and returns their records in the order of `keys`. Which thread
/// does what changes nothing. `done` hears of each trial that is over, on the caller's thread.
pub fn run(
    keys: &[Key],
    study: u64,
    jobs: NonZeroUsize,
    mut done: impl FnMut(&Key),
) -> Vec<Record> {
    let mut order: Vec<usize> = (0..keys.len()).collect();
    order.sort_by_key(|&place| core::cmp::Reverse(keys[place].cost()));
    let next = AtomicUsize::new(0);
    let (sender, receiver) = crossbeam_channel::unbounded();
    let mut records: Vec<Option<Record>> = vec![None; keys.len()];
    thread::scope(|scope| {
        for _ in 0..jobs.get().min(keys.len()) {
            let (order, next, sender) = (&order, &next, sender.clone());
            scope.spawn(move || {
                while let Some(&place) = order.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let record = trial::run(&keys[place], study);
                    if sender.send((place, record)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        for (place, record) in receiver {
            done(&keys[place]);
            records[place] = Some(record);
        }
    });
    records.into_iter().flatten().collect()
}
