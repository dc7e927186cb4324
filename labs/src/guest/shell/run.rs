//! The loop of a guest process.

use anyhow::Context as _;
use core::time::Duration;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use serde_json::{Value, json};
use std::io;
use std::os::fd::AsFd as _;
use std::os::fd::AsRawFd as _;

use super::control::{Control, Request};
use super::incoming::{Arrived, Incoming};
use super::nic::Nic;
use super::outgoing::Outgoing;
use super::{GuestArgs, monotonic};
use crate::guest::announce::is_announcement_of;
use crate::guest::memory::PAGES_PER_MIB;
use crate::guest::{AnnouncementKind, Machine};
use crate::migrate::{Happening, Outcome};

const NIC: Token = Token(0);
const TIMER: Token = Token(1);
const SIGNAL: Token = Token(2);
const LISTENER: Token = Token(3);
const ARRIVAL: Token = Token(4);
const OUTGOING: Token = Token(5);
/// The control socket's listener; its clients' tokens follow.
const CONTROL: usize = 6;

/// Frames taken from the tap per turn of the loop.
const FRAMES_PER_TURN: usize = 64;

/// A guest process.
#[derive(Debug)]
pub(super) struct Shell {
    name: String,
    poll: Poll,
    timer: TimerFd,
    signals: SignalFd,
    nic: Nic,
    control: Control,
    incoming: Option<Incoming>,
    machine: Option<Machine>,
    /// When the machine wants to be polled.
    wake: Option<Duration>,
    outgoing: Option<Outgoing>,
    /// The machine moved away: the card is silent until the process ends.
    left: bool,
    quit: bool,
}

impl Shell {
    pub(super) fn new(args: &GuestArgs) -> anyhow::Result<Self> {
        let poll = Poll::new()?;
        let registry = poll.registry();
        let control = Control::open(&args.control, CONTROL, registry)
            .with_context(|| format!("control socket {}", args.control.display()))?;
        let pages_max = args.memory_mib * PAGES_PER_MIB;
        let incoming = args
            .incoming
            .map(|at| Incoming::listen(at, pages_max, registry, LISTENER));
        let incoming = incoming.transpose().context("incoming socket")?;
        let machine = match incoming {
            Some(_) => None,
            None => Some(Machine::boot(monotonic(), args.config())?),
        };
        let nic = Nic::open(&args.tap, args.tap_netns.as_deref())?;
        nic.register(registry, NIC)?;
        let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, TimerFlags::TFD_NONBLOCK)?;
        let fd = timer.as_fd().as_raw_fd();
        registry.register(&mut SourceFd(&fd), TIMER, Interest::READABLE)?;
        let mut mask = SigSet::empty();
        mask.add(Signal::SIGTERM);
        mask.add(Signal::SIGINT);
        mask.thread_block()?;
        let signals = SignalFd::with_flags(&mask, SfdFlags::SFD_NONBLOCK)?;
        registry.register(
            &mut SourceFd(&signals.as_raw_fd()),
            SIGNAL,
            Interest::READABLE,
        )?;
        Ok(Self {
            name: args.name.clone(),
            poll,
            timer,
            signals,
            nic,
            control,
            incoming,
            wake: machine.as_ref().map(|_| Duration::ZERO),
            machine,
            outgoing: None,
            left: false,
            quit: false,
        })
    }

    pub(super) fn run(mut self) -> anyhow::Result<()> {
        let mut events = Events::with_capacity(32);
        while !self.quit {
            self.arrive();
            self.copy();
            self.live();
            self.wait(&mut events)?;
            for event in &events {
                self.dispatch(event.token());
            }
        }
        Ok(())
    }

    fn dispatch(&mut self, token: Token) {
        match token {
            NIC => self.nic.ready = true,
            TIMER => {
                let mut ticks = [0; 8];
                let _expired = nix::unistd::read(&self.timer, &mut ticks);
            }
            SIGNAL => self.quit = matches!(self.signals.read_signal(), Ok(Some(_))),
            LISTENER => {
                if let Some(incoming) = &mut self.incoming {
                    incoming.accept(self.poll.registry(), ARRIVAL);
                }
            }
            ARRIVAL => {
                if let Some(incoming) = &mut self.incoming {
                    incoming.ready = true;
                }
            }
            OUTGOING => {}
            Token(CONTROL) => {
                let greeting = json!({
                    "guest": self.name, "protocol": 1, "pid": std::process::id(),
                    "state": self.state(),
                });
                self.control.accept(self.poll.registry(), &greeting);
            }
            token => {
                if let Some(client) = self.control.client(token) {
                    for request in self.control.receive(client) {
                        let answer = request.and_then(|request| self.answer(request));
                        let line = match answer {
                            Ok(value) => json!({ "ok": value }),
                            Err(error) => json!({ "error": error }),
                        };
                        self.control.send(client, &line);
                    }
                }
            }
        }
    }

    fn state(&self) -> &'static str {
        match (&self.machine, &self.outgoing, self.left) {
            (_, _, true) => "left",
            (None, _, _) => "incoming",
            (Some(_), Some(_), _) => "migrating",
            (Some(_), None, _) => "running",
        }
    }

    fn answer(&mut self, request: Request) -> Result<Value, String> {
        match request {
            Request::Status => {
                let status = self.machine.as_ref().map(Machine::status);
                Ok(json!({ "state": self.state(), "machine": status }))
            }
            Request::Migrate { to, limits } => {
                let Some(machine) = &mut self.machine else {
                    return Err("no machine runs here".to_owned());
                };
                if self.outgoing.is_some() {
                    return Err("a migration is under way".to_owned());
                }
                let registry = self.poll.registry();
                let now = monotonic();
                let outgoing = Outgoing::start(now, to, limits, machine, registry, OUTGOING);
                self.outgoing = Some(outgoing.map_err(|error| error.to_string())?);
                Ok(json!({}))
            }
            Request::Announce => {
                let machine = self.machine.as_mut().ok_or("no machine runs here")?;
                machine.announce(monotonic());
                self.wake = Some(Duration::ZERO);
                Ok(json!({}))
            }
            Request::Quit => {
                self.quit = true;
                Ok(json!({}))
            }
        }
    }

    /// Takes in a machine that comes.
    fn arrive(&mut self) {
        let Some(incoming) = &mut self.incoming else {
            return;
        };
        match incoming.pump(monotonic) {
            Arrived::Nothing => {}
            Arrived::Machine(machine) => {
                self.machine = Some(*machine);
                self.wake = Some(Duration::ZERO);
                // First of all the announcement, then the news.
                self.live();
                if let Some(mut incoming) = self.incoming.take() {
                    incoming.acknowledge();
                }
                self.tell(monotonic(), json!({ "event": "running" }));
            }
            Arrived::Failed(reason) => {
                incoming.accept(self.poll.registry(), ARRIVAL);
                self.tell(
                    monotonic(),
                    json!({ "event": "not-arrived", "reason": reason }),
                );
            }
        }
    }

    /// Goes on with a migration away from here.
    fn copy(&mut self) {
        let (Some(outgoing), Some(machine)) = (&mut self.outgoing, &mut self.machine) else {
            return;
        };
        let now = monotonic();
        outgoing.pump(now, machine);
        if outgoing.source.outcome() == Outcome::Doubt {
            let mac = machine.config().mac;
            while let Some(frame) = self.nic.receive() {
                if is_announcement_of(frame, mac) {
                    outgoing.source.settle(now, true);
                }
            }
        }
        let outcome = outgoing.source.outcome();
        let mut happenings = outgoing.source.take_happenings();
        match outcome {
            Outcome::Copying | Outcome::Stopped | Outcome::Doubt => {}
            Outcome::Failed => {
                self.outgoing = None;
                self.wake = Some(Duration::ZERO);
                // Switches may have heard of the target in the meantime.
                machine.announce(now);
            }
            Outcome::Moved => {
                let expected = outgoing.source.target_digest();
                let found = machine.memory().digest();
                let verified = Happening::Verified {
                    equal: found == expected,
                    digest: format!("{found:016x}"),
                };
                happenings.push((monotonic(), verified));
                self.outgoing = None;
                self.machine = None;
                self.wake = None;
                self.left = true;
            }
        }
        for (at, happening) in happenings {
            if let Ok(line) = serde_json::to_value(happening) {
                self.tell(at, line);
            }
        }
    }

    /// Lets the machine live: frames that arrived, and what is due.
    fn live(&mut self) {
        if self.left {
            // A silent card still empties its queue.
            for _ in 0..FRAMES_PER_TURN {
                if self.nic.receive().is_none() {
                    break;
                }
            }
            return;
        }
        let stopped = |outgoing: &Outgoing| outgoing.source.outcome() != Outcome::Copying;
        if self.outgoing.as_ref().is_some_and(stopped) {
            return;
        }
        let Some(machine) = &mut self.machine else {
            return;
        };
        let mut announced = None;
        for _ in 0..FRAMES_PER_TURN {
            let now = monotonic();
            let due = self.wake.is_some_and(|at| at <= now);
            let frame = self.nic.ready.then(|| self.nic.receive()).flatten();
            if frame.is_none() && !due {
                break;
            }
            let output = machine.poll(now, frame);
            self.wake = output.deadline;
            for frame in output.frames {
                self.nic.send(frame);
            }
            if output.announced.is_some() {
                announced = Some(now);
            }
        }
        if let Some(at) = announced {
            for kind in AnnouncementKind::ALL {
                self.tell(at, json!({ "event": "announced", "kind": kind }));
            }
        }
    }

    fn tell(&mut self, at: Duration, mut line: Value) {
        let time_ns = u64::try_from(at.as_nanos()).unwrap_or(u64::MAX);
        line["time_ns"] = time_ns.into();
        self.control.broadcast(&line);
    }

    /// Sleeps until something happens or is due.
    fn wait(&mut self, events: &mut Events) -> anyhow::Result<()> {
        let stopped = |outgoing: &Outgoing| outgoing.source.outcome() != Outcome::Copying;
        let halted = self.outgoing.as_ref().is_some_and(stopped);
        let lives = self.machine.is_some() && !halted;
        let frames = self.nic.ready && (lives || self.left);
        let arrival = self.incoming.as_ref().is_some_and(|i| i.ready);
        if frames || arrival {
            return ignore_interrupt(self.poll.poll(events, Some(Duration::ZERO)));
        }
        let copy = self.outgoing.as_ref().and_then(|outgoing| {
            let deadline = outgoing.deadline();
            deadline.filter(|_| outgoing.is_drained() || halted)
        });
        let wake = self.wake.filter(|_| lives);
        let deadline = [copy, wake].into_iter().flatten().min();
        if let Some(at) = deadline {
            // Zero would disarm.
            let at = at.max(Duration::from_nanos(1));
            let expiration = Expiration::OneShot(TimeSpec::from_duration(at));
            self.timer
                .set(expiration, TimerSetTimeFlags::TFD_TIMER_ABSTIME)?;
        } else {
            self.timer.unset()?;
        }
        ignore_interrupt(self.poll.poll(events, None))
    }
}

fn ignore_interrupt(result: io::Result<()>) -> anyhow::Result<()> {
    match result {
        Err(error) if error.kind() != io::ErrorKind::Interrupted => Err(error.into()),
        Ok(()) | Err(_) => Ok(()),
    }
}
