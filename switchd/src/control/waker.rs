//! Wakes a thread out of its sleep, with a system call only if it sleeps.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};

use nix::sys::eventfd::{EfdFlags, EventFd};

/// An eventfd and whether anybody waits for it.
#[derive(Debug)]
pub(crate) struct Waker {
    fd: EventFd,
    asleep: AtomicBool,
}

impl Waker {
    pub(crate) fn new() -> nix::Result<Self> {
        let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
        Ok(Self {
            fd: EventFd::from_flags(flags)?,
            asleep: AtomicBool::new(false),
        })
    }

    /// The sleeper is about to wait; it must look at its queues once more after this call.
    pub(crate) fn going_to_sleep(&self) {
        self.asleep.store(true, Ordering::SeqCst);
    }

    /// The sleeper is up again.
    pub(crate) fn awake(&self) {
        self.asleep.store(false, Ordering::SeqCst);
        // EAGAIN: nobody had written, which is as good.
        let _ = self.fd.read();
    }

    /// Ends the sleep, if there is one.
    pub(crate) fn wake(&self) {
        std::sync::atomic::fence(Ordering::SeqCst);
        if self.asleep.swap(false, Ordering::SeqCst) {
            // EAGAIN needs a counter at 2^64 - 2; the sleeper is up long before.
            let _ = self.fd.write(1);
        }
    }
}

impl AsFd for Waker {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
