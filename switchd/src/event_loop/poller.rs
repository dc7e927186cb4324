//! What the loop waits for: ports, links, its deadline, requests, signals.

use std::io;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use stp::PortNumber;

use super::awake::Awake;
use crate::clock::Clock;
use crate::control::Bell;
use crate::link::NamespaceId;
use crate::port::Device;

/// Things ready that are looked at per wait. The kernel hands out the others first the next time.
const READY_MAX: usize = 64;

/// Marks of what is ready; a port is its number, a namespace its inode above this bit.
const NAMESPACE: u64 = 1 << 40;
const TIMER: u64 = 1 << 32;
const WAKER: u64 = TIMER + 1;
const SIGNAL: u64 = TIMER + 2;
const CONTROL: u64 = TIMER + 3;
const BELL: u64 = TIMER + 4;

/// Something the loop has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ready {
    Port(PortNumber),
    /// There are frames of bridge protocols: [`Poller::control`] says where.
    Control,
    Link(NamespaceId),
    /// A forwarding thread has something.
    Bell,
    Timer,
    Wake,
    Stop,
}

/// Wakes a sleeping loop, from any thread.
#[derive(Clone, Debug)]
pub struct Waker(Arc<EventFd>);

impl Waker {
    /// # Errors
    /// `EMFILE`.
    pub fn new() -> io::Result<Self> {
        let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
        Ok(Self(Arc::new(EventFd::from_flags(flags)?)))
    }

    /// Makes the loop look at its requests. Never waits.
    pub fn wake(&self) {
        // EAGAIN: it has 2^64 wakings before it.
        let _ = self.0.write(1);
    }

    fn clear(&self) {
        let _ = self.0.read();
    }
}

/// SIGTERM and SIGINT as something to read.
#[derive(Debug)]
pub struct Signals(SignalFd);

impl Signals {
    /// Blocks both for this thread and those it starts from now on; call it before any is started.
    ///
    /// # Errors
    /// `EMFILE`.
    pub fn block() -> io::Result<Self> {
        let mut signals = SigSet::empty();
        signals.add(Signal::SIGTERM);
        signals.add(Signal::SIGINT);
        signals.thread_block()?;
        let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
        Ok(Self(SignalFd::with_flags(&signals, flags)?))
    }
}

/// The descriptors of the loop.
#[derive(Debug)]
pub(super) struct Poller {
    epoll: Epoll,
    /// Where frames of bridge protocols have a queue of their own: asked between two batches, too.
    control: Epoll,
    timer: TimerFd,
    armed: Option<Duration>,
    waker: Waker,
    signals: Option<Signals>,
    /// Whether ports' frames are waited for here, not on threads of their own.
    has_ports: bool,
}

impl Poller {
    pub(super) fn new(waker: Waker, signals: Option<Signals>, has_ports: bool) -> io::Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let control = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        epoll.add(&control.0, EpollEvent::new(EpollFlags::EPOLLIN, CONTROL))?;
        let flags = TimerFlags::TFD_CLOEXEC | TimerFlags::TFD_NONBLOCK;
        let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, flags)?;
        epoll.add(&timer, EpollEvent::new(EpollFlags::EPOLLIN, TIMER))?;
        epoll.add(&*waker.0, EpollEvent::new(EpollFlags::EPOLLIN, WAKER))?;
        if let Some(signals) = &signals {
            epoll.add(&signals.0, EpollEvent::new(EpollFlags::EPOLLIN, SIGNAL))?;
        }
        Ok(Self {
            epoll,
            control,
            timer,
            armed: None,
            waker,
            signals,
            has_ports,
        })
    }

    pub(super) fn waker(&self) -> &Waker {
        &self.waker
    }

    /// From now on frames of `port` make it ready, if they are received here. Closing the descriptor ends that.
    pub(super) fn add_port(&self, port: PortNumber, device: &Device) -> io::Result<()> {
        let event = EpollEvent::new(EpollFlags::EPOLLIN, u64::from(port.get()));
        if let Some(control) = device.control_descriptor() {
            self.control.add(control, event)?;
        }
        if self.has_ports {
            self.epoll.add(device.descriptor(), event)?;
        }
        Ok(())
    }

    /// Frames of `device` make it ready no more.
    pub(super) fn stop_waiting(&self, device: &Device) {
        // ENOENT: it was added to no poller.
        let _ = self.epoll.delete(device.descriptor());
    }

    /// Frames of `port` make it ready again, those that are there already, too.
    pub(super) fn wait_again(&self, port: PortNumber, device: &Device) -> io::Result<()> {
        let event = EpollEvent::new(EpollFlags::EPOLLIN, u64::from(port.get()));
        match self.epoll.add(device.descriptor(), event) {
            // It is another device than the one that was stopped.
            Err(nix::Error::EEXIST) => Ok(()),
            result => Ok(result?),
        }
    }

    /// From now on nothing is heard of `device`, which may be closed later.
    pub(super) fn remove_port(&self, device: &Device) {
        if let Some(control) = device.control_descriptor() {
            let _ = self.control.delete(control);
        }
        // ENOENT: forwarding threads had it.
        let _ = self.epoll.delete(device.descriptor());
    }

    /// From now on forwarding threads wake the loop.
    pub(super) fn add_bell(&self, bell: &Bell) -> io::Result<()> {
        let event = EpollEvent::new(EpollFlags::EPOLLIN, BELL);
        Ok(self.epoll.add(bell, event)?)
    }

    /// Gives the ports that have frames of bridge protocols now to `each`. Does not wait.
    pub(super) fn control(&self, mut each: impl FnMut(PortNumber)) {
        let mut events = [EpollEvent::empty(); READY_MAX];
        // What cannot be asked now is asked again after the next batch.
        let ready = self.control.wait(&mut events, EpollTimeout::ZERO);
        for event in &events[..ready.unwrap_or(0)] {
            if let Some(port) = u16::try_from(event.data()).ok().and_then(PortNumber::new) {
                each(port);
            }
        }
    }

    pub(super) fn add_namespace(
        &self,
        id: NamespaceId,
        listener: BorrowedFd<'_>,
    ) -> io::Result<()> {
        let event = EpollEvent::new(EpollFlags::EPOLLIN, NAMESPACE | id.get());
        Ok(self.epoll.add(listener, event)?)
    }

    /// Waits until something is ready or `deadline` has come, and gives what is ready to `each`; if it does not sleep, what
    /// is ready now. Who sleeps may stay awake for a moment first.
    pub(super) fn wait(
        &mut self,
        deadline: Option<Duration>,
        sleep: Option<&mut Awake>,
        mut each: impl FnMut(Ready),
    ) -> io::Result<()> {
        self.arm(deadline)?;
        let mut events = [EpollEvent::empty(); READY_MAX];
        let ready = match sleep {
            Some(awake) => self.sleep(awake, &mut events)?,
            None => self.look(&mut events, EpollTimeout::ZERO)?,
        };
        for event in &events[..ready] {
            match event.data() {
                TIMER => {
                    self.armed = None;
                    // EAGAIN: it was set anew meanwhile.
                    let _ = self.timer.wait();
                    each(Ready::Timer);
                }
                WAKER => {
                    self.waker.clear();
                    each(Ready::Wake);
                }
                SIGNAL => {
                    if let Some(signals) = &self.signals {
                        let _ = signals.0.read_signal();
                    }
                    each(Ready::Stop);
                }
                CONTROL => each(Ready::Control),
                BELL => each(Ready::Bell),
                mark if mark & NAMESPACE != 0 => {
                    each(Ready::Link(NamespaceId::from_inode(mark & !NAMESPACE)));
                }
                number => {
                    if let Some(port) = u16::try_from(number).ok().and_then(PortNumber::new) {
                        each(Ready::Port(port));
                    }
                }
            }
        }
        Ok(())
    }

    /// Waits as long as it takes, for a moment awake where that is worth it. How many are ready.
    fn sleep(&self, awake: &mut Awake, events: &mut [EpollEvent]) -> io::Result<usize> {
        let (begin, limit) = (Clock.now(), awake.limit());
        let mut now = begin;
        let mut ready = 0;
        while ready == 0 && now - begin < limit {
            ready = self.look(events, EpollTimeout::ZERO)?;
            now = Clock.now();
        }
        if ready == 0 {
            ready = self.look(events, EpollTimeout::NONE)?;
            now = Clock.now();
        }
        awake.waited(now - begin);
        Ok(ready)
    }

    /// How many are ready within `timeout`; none, too, if a signal came.
    fn look(&self, events: &mut [EpollEvent], timeout: EpollTimeout) -> io::Result<usize> {
        match self.epoll.wait(events, timeout) {
            Ok(ready) => Ok(ready),
            Err(nix::Error::EINTR) => Ok(0),
            Err(error) => Err(error.into()),
        }
    }

    /// The timer goes off at `deadline` or before. A deadline that moves away, as ageing does with every frame, leaves it as
    /// it is: it is set again when it has gone off.
    fn arm(&mut self, deadline: Option<Duration>) -> io::Result<()> {
        let is_early = self
            .armed
            .zip(deadline)
            .is_some_and(|(armed, due)| armed <= due);
        if is_early || self.armed == deadline {
            return Ok(());
        }
        match deadline {
            Some(deadline) => {
                // Zero would disarm it; a deadline in the past fires at once.
                let at = TimeSpec::from(deadline.max(Duration::from_nanos(1)));
                let flags = TimerSetTimeFlags::TFD_TIMER_ABSTIME;
                self.timer.set(Expiration::OneShot(at), flags)?;
            }
            None => self.timer.unset()?,
        }
        self.armed = deadline;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    #[test]
    fn the_timer_is_set_anew_only_for_what_comes_sooner_or_when_it_has_gone_off() {
        const HOUR: Duration = Duration::from_secs(3600);
        let mut poller = Poller::new(Waker::new().unwrap(), None, true).unwrap();
        let soon = Clock.now() + HOUR;
        poller.arm(Some(soon)).unwrap();
        poller.arm(Some(soon + HOUR)).unwrap();
        assert_eq!(
            poller.armed,
            Some(soon),
            "what moved away is looked at in time"
        );
        poller.arm(Some(soon - HOUR / 2)).unwrap();
        assert_eq!(poller.armed, Some(soon - HOUR / 2));
        poller.arm(None).unwrap();
        assert_eq!(poller.armed, None);

        let mut ready = Vec::new();
        let past = Duration::from_nanos(1);
        poller
            .wait(Some(past), Some(&mut Awake::new()), |what| ready.push(what))
            .unwrap();
        assert_eq!((&ready[..], poller.armed), (&[Ready::Timer][..], None));
    }
}
