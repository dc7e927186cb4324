//! What a port on a socket waits for: its descriptors, a time, and itself. To the loop it is one descriptor.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};

/// Descriptors, a timer and a call to come again, in one that is readable when any of them is.
#[derive(Debug)]
pub(super) struct Watch {
    epoll: Epoll,
    timer: TimerFd,
    again: EventFd,
}

impl Watch {
    pub(super) fn new() -> io::Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let flags = TimerFlags::TFD_CLOEXEC | TimerFlags::TFD_NONBLOCK;
        let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, flags)?;
        let again = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?;
        epoll.add(&timer, EpollEvent::new(EpollFlags::EPOLLIN, 0))?;
        epoll.add(&again, EpollEvent::new(EpollFlags::EPOLLIN, 0))?;
        Ok(Self {
            epoll,
            timer,
            again,
        })
    }

    pub(super) fn descriptor(&self) -> BorrowedFd<'_> {
        self.epoll.0.as_fd()
    }

    /// Waits for `descriptor` to be readable, too. Closing it ends that.
    pub(super) fn add(&self, descriptor: BorrowedFd<'_>) -> io::Result<()> {
        let event = EpollEvent::new(EpollFlags::EPOLLIN, 0);
        Ok(self.epoll.add(descriptor, event)?)
    }

    pub(super) fn remove(&self, descriptor: BorrowedFd<'_>) {
        // It is only absent if it was never added.
        let _ = self.epoll.delete(descriptor);
    }

    /// Whether room to write in `descriptor`, which was added, is waited for as well.
    pub(super) fn want_room(&self, descriptor: BorrowedFd<'_>, wanted: bool) {
        let mut flags = EpollFlags::EPOLLIN;
        flags.set(EpollFlags::EPOLLOUT, wanted);
        // It can only fail for a descriptor that was never added.
        let _ = self
            .epoll
            .modify(descriptor, &mut EpollEvent::new(flags, 0));
    }

    /// Ready once more after `delay`.
    pub(super) fn after(&self, delay: Duration) {
        let expiration = Expiration::OneShot(TimeSpec::from(delay));
        // A relative time that is not zero is always taken.
        let _ = self.timer.set(expiration, TimerSetTimeFlags::empty());
    }

    /// Ready again at once.
    pub(super) fn again(&self) {
        // EAGAIN: it is.
        let _ = self.again.write(1);
    }

    /// Forgets what it was ready for, but for descriptors; whether a time had come.
    pub(super) fn clear(&self) -> bool {
        let _ = self.again.read();
        // The timer's descriptor does not wait: EAGAIN says it is not due.
        let mut octets = [0; 8];
        nix::unistd::read(self.timer.as_fd(), &mut octets).is_ok()
    }
}
