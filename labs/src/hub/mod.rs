//! The wire that a process is: what one end sends, the others receive, octet by octet, unless the lab says that
//! something shall become of it. The hub sends nothing of its own and withholds nothing of itself, reserved addresses
//! included: it is a wire, not a bridge.
//!
//! What happens to a frame is decided by the simulator's wire ([`Segment`]); here are only its ends, which are taps, its
//! clock, and a socket by which the lab changes it while it runs.

mod control;

use core::time::Duration;
use std::io::{self, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use crossbeam_channel::Receiver;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token, Waker};
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use std::os::fd::AsFd;
use tun_tap::{Iface, Mode};

pub use control::{Reply, Request, call};

use crate::sim::Segment;
use control::Asked;

/// What the hub prints, as a line, once all its taps exist and it listens.
pub const READY: &str = "ready";
/// Longest frame, in octets: a tap's largest MTU with header and two tags.
const FRAME_MAX: usize = 65_536 + 22;
/// Frames taken from one end before the others have their turn.
const BATCH_MAX: usize = 64;
/// What is due within this time is handed out at once: sleeping and waking takes as long.
const GRAIN: Duration = Duration::from_micros(50);
/// The chance of all wires of all labs: with the wire's number it gives the stream of the simulator's seed 1.
const SEED: u64 = 1;

/// What a hub is started with.
#[derive(Args, Debug)]
pub struct HubArgs {
    /// How many ends it has.
    #[arg(value_parser = clap::value_parser!(u16).range(2..=64))]
    ends: u16,
    /// Its number in the lab.
    #[arg(long)]
    number: u32,
    /// Megabits per second that its ends report.
    #[arg(long)]
    speed: u32,
    /// Where it is told what to do to frames.
    #[arg(long)]
    control: PathBuf,
}

/// The name of the tap of end `number`, before it is moved to its owner.
#[must_use]
pub fn tap_name(number: usize) -> String {
    format!("end{number}")
}

/// Makes the taps, says so on standard output and carries frames between them until all their interfaces are gone.
///
/// # Errors
/// When a tap or the control socket cannot be made.
pub fn run(args: &HubArgs) -> io::Result<()> {
    let mut taps = Vec::new();
    for number in 0..args.ends {
        let name = tap_name(number.into());
        let tap = Iface::without_packet_info(&name, Mode::Tap)?;
        tap.set_non_blocking()?;
        // Two stations have the cable for themselves; more share it (802.1D-1998 Table 8-5 knows no duplex, point-to-point does).
        switchd::set_speed(&name, args.speed, args.ends == 2)?;
        taps.push(tap);
    }
    let segment = Segment::new(args.ends.into(), args.speed.into(), SEED, args.number);
    let mut hub = Hub::new(taps, segment)?;
    let waker = Waker::new(hub.poll.registry(), hub.requests_token())?;
    let requests = control::listen(&args.control, waker)?;
    let mut stdout = io::stdout();
    writeln!(stdout, "{READY}")?;
    stdout.flush()?;
    hub.carry(&requests)
}

struct Hub {
    taps: Vec<Iface>,
    /// By end: its interface is there.
    alive: Vec<bool>,
    /// By end: there may be more to read.
    ready: Vec<bool>,
    segment: Segment,
    poll: Poll,
    timer: TimerFd,
    armed: Option<Duration>,
    start: Instant,
    buffer: Vec<u8>,
}

impl Hub {
    fn new(taps: Vec<Iface>, segment: Segment) -> io::Result<Self> {
        let poll = Poll::new()?;
        let register = |fd: RawFd, token| {
            let mut source = SourceFd(&fd);
            poll.registry()
                .register(&mut source, token, Interest::READABLE)
        };
        for (end, tap) in taps.iter().enumerate() {
            register(tap.as_raw_fd(), Token(end))?;
        }
        let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, TimerFlags::TFD_NONBLOCK)?;
        register(timer.as_fd().as_raw_fd(), Token(taps.len()))?;
        Ok(Self {
            alive: vec![true; taps.len()],
            ready: vec![false; taps.len()],
            taps,
            segment,
            poll,
            timer,
            armed: None,
            start: Instant::now(),
            buffer: vec![0; FRAME_MAX],
        })
    }

    fn requests_token(&self) -> Token {
        Token(self.taps.len() + 1)
    }

    fn carry(&mut self, requests: &Receiver<Asked>) -> io::Result<()> {
        let mut events = Events::with_capacity(self.taps.len() + 2);
        while self.alive.contains(&true) {
            let busy = self.ready.contains(&true);
            match self.poll.poll(&mut events, busy.then_some(Duration::ZERO)) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                polled => polled?,
            }
            for event in &events {
                if let Some(ready) = self.ready.get_mut(event.token().0) {
                    *ready = true;
                }
            }
            for (request, answer) in requests.try_iter() {
                // Whoever asked may have gone.
                let _ = answer.send(self.obey(&request));
            }
            for end in 0..self.taps.len() {
                if self.ready[end] {
                    self.read(end);
                }
            }
            self.deliver();
            self.arm()?;
        }
        Ok(())
    }

    /// Takes a batch of what an end sends.
    fn read(&mut self, end: usize) {
        let now = self.start.elapsed();
        for _ in 0..BATCH_MAX {
            match self.taps[end].recv(&mut self.buffer) {
                Ok(length) => {
                    // What is lost is lost, as on any wire.
                    let _ = self.segment.send(now, end, &self.buffer[..length]);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.ready[end] = false;
                    // Any other error: its owner's namespace is gone, and the interface with it.
                    self.alive[end] = error.kind() == io::ErrorKind::WouldBlock;
                    return;
                }
            }
        }
    }

    /// Hands out what is due. Writing to a tap does not block: an end that is down or full loses its copy, as on a real
    /// wire.
    fn deliver(&mut self) {
        let Self {
            segment,
            taps,
            start,
            ..
        } = self;
        segment.arrive(start.elapsed() + GRAIN, |end, frame| {
            let _ = taps[end].send(frame);
        });
    }

    /// Sets the alarm to the next arrival.
    fn arm(&mut self) -> io::Result<()> {
        let next = self.segment.next_at();
        if next == self.armed {
            return Ok(());
        }
        self.armed = next;
        let Some(at) = next else {
            return Ok(self.timer.unset()?);
        };
        // Zero would disarm it.
        let left = at.saturating_sub(self.start.elapsed());
        let left = left.max(Duration::from_nanos(1));
        let alarm = Expiration::OneShot(TimeSpec::from_duration(left));
        Ok(self.timer.set(alarm, TimerSetTimeFlags::empty())?)
    }

    fn obey(&mut self, request: &Request) -> Reply {
        match *request {
            Request::State(state) => self.segment.set_state(state),
            Request::Plug { end, plugged } => self.segment.plug(end, plugged),
            Request::Power { end, on } => self.segment.power(end, on),
            Request::Change {
                end,
                impairment,
                one_way,
            } => self.segment.change(end, impairment, one_way),
        }
        let ends = 0..self.segment.ends();
        Reply {
            carrier: ends.map(|end| self.segment.has_carrier(end)).collect(),
        }
    }
}
