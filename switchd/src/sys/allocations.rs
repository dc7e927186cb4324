//! Counts what a thread allocates, for the tests of what must not allocate.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// The system's allocator with a count per thread.
struct Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

fn count() {
    // A thread that ends has no count any more.
    let _ = COUNT.try_with(|count| count.set(count.get() + 1));
}

/// How often this thread has allocated or grown memory while `act` ran.
pub(crate) fn during(act: impl FnOnce()) -> u64 {
    let before = COUNT.get();
    act();
    COUNT.get() - before
}

// SAFETY: every call goes to the system's allocator as it came; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller keeps the contract of `GlobalAlloc::alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // SAFETY: `place` came from `System` by way of `alloc` or `realloc`, with this layout.
        unsafe { System.dealloc(place, layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: `place` came from `System` with this layout; the caller keeps the contract on `size`.
        unsafe { System.realloc(place, layout, size) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_allocates_is_counted_on_its_own_thread() {
        let mut kept = Vec::new();
        assert_eq!(during(|| kept = vec![1_u8; 100]), 1);
        assert_eq!(during(|| kept.reserve(1000)), 1);
        assert_eq!(during(|| kept[0] = 2), 0);
        let elsewhere = || std::thread::spawn(|| drop(vec![0_u8; 10]));
        let thread = elsewhere();
        assert_eq!(during(std::hint::spin_loop), 0);
        thread.join().unwrap();
    }
}
