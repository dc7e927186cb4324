//! The loop of a probe process.

use anyhow::Context as _;
use core::time::Duration;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::time::TimeSpec;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsFd as _;

use super::ear::{Ear, Heard};
use super::ping::Ping;
use super::{Answers, PingReport, ProbeArgs, Report, Silence, StreamCheck, TcpReport};
use crate::guest::shell::monotonic;
use crate::guest::stream;

/// The client says something this often, so that the connection is used both ways.
const SPEAK: Duration = Duration::from_millis(50);
/// To a guest that echoes: how often the stream goes on, how far, and how much may be under way.
const ECHO_PACE: Duration = Duration::from_millis(8);
const ECHO_OCTETS: usize = 256;
const ECHO_WINDOW: u64 = 64 << 10;
/// How soon a connection that was refused is tried again.
const AGAIN: Duration = Duration::from_millis(50);
/// A session that has not delivered for this long is not alive.
const ALIVE: Duration = Duration::from_secs(1);

struct Probe {
    stream: TcpStream,
    /// The session has neither ended nor failed.
    stands: bool,
    check: StreamCheck,
    stall: Silence,
    spoken: u64,
    /// The stream is ours, and comes back.
    is_echo: bool,
    ear: Option<Ear>,
    heard: Vec<Heard>,
    ping: Ping,
    sent: u64,
    answered: u64,
    slowest: Duration,
    silence: Silence,
    answers: Answers,
    reported_bytes: u64,
}

/// What can be read.
struct Ready {
    stream: bool,
    ping: bool,
    input: bool,
    ear: bool,
}

/// Runs `labs probe` until standard input ends.
///
/// # Errors
///
/// When the guest cannot be reached in time, or no raw socket be had.
pub fn run(args: &ProbeArgs) -> anyhow::Result<()> {
    let mut probe = Probe::connect(args)?;
    writeln!(io::stdout(), "{{\"probe\":\"ready\"}}")?;
    let mut next_ping = monotonic();
    let mut next_word = next_ping;
    loop {
        let now = monotonic();
        if now >= next_ping {
            probe.ping.send(now);
            probe.sent += 1;
            while next_ping <= now {
                next_ping += args.interval();
            }
        }
        if now >= next_word {
            probe.speak();
            next_word = now + probe.pace();
        }
        let Ready {
            stream,
            ping,
            input,
            ear,
        } = probe.wait(next_ping.min(next_word))?;
        if ping {
            let now = monotonic();
            let (replies, slowest) = probe.ping.receive(now);
            probe.answered += replies;
            probe.slowest = probe.slowest.max(slowest);
            if replies > 0 {
                probe.silence.news(now);
                probe.answers.news(now);
            }
        }
        if ear {
            probe.hear();
        }
        if stream {
            probe.read();
        }
        if input && !probe.report()? {
            return Ok(());
        }
    }
}

/// A guest that boots has no address yet, and one that has just come up answers echo requests before its service listens:
/// what is refused, or nobody's, is tried again.
fn connect(args: &ProbeArgs) -> io::Result<TcpStream> {
    let end = monotonic() + Duration::from_millis(args.connect_ms);
    loop {
        let left = end.saturating_sub(monotonic()).max(AGAIN);
        match TcpStream::connect_timeout(&SocketAddr::V4(args.server), left) {
            Err(error) if is_early(&error) && monotonic() < end => std::thread::sleep(AGAIN),
            done => return done,
        }
    }
}

fn is_early(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused | io::ErrorKind::HostUnreachable
    )
}

impl Probe {
    fn connect(args: &ProbeArgs) -> anyhow::Result<Self> {
        let stream = connect(args).with_context(|| format!("connect to {}", args.server))?;
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        let now = monotonic();
        Ok(Self {
            stream,
            stands: true,
            check: StreamCheck::default(),
            stall: Silence::new(now),
            spoken: 0,
            is_echo: args.echo,
            ear: match args.listen {
                Some(mac) => Some(Ear::new(mac).context("a packet socket")?),
                None => None,
            },
            heard: Vec::new(),
            ping: Ping::new(*args.server.ip()).context("a raw socket for echo requests")?,
            sent: 0,
            answered: 0,
            slowest: Duration::ZERO,
            silence: Silence::new(now),
            answers: Answers::default(),
            reported_bytes: 0,
        })
    }

    /// What is ready, waiting until `deadline`.
    fn wait(&self, deadline: Duration) -> anyhow::Result<Ready> {
        let stdin = io::stdin();
        let watch = |fd| PollFd::new(fd, PollFlags::POLLIN);
        let mut fds = vec![watch(self.ping.as_fd()), watch(stdin.as_fd())];
        // A session that has ended would be ready for ever.
        let stream = self.stands.then(|| {
            fds.push(watch(self.stream.as_fd()));
            fds.len() - 1
        });
        let ear = self.ear.as_ref().map(|ear| {
            fds.push(watch(ear.as_fd()));
            fds.len() - 1
        });
        let timeout = TimeSpec::from_duration(deadline.saturating_sub(monotonic()));
        match ppoll(&mut fds, Some(timeout), None) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
        let ready = |index: usize| fds[index].any().unwrap_or(false);
        Ok(Ready {
            ping: ready(0),
            input: ready(1),
            stream: stream.is_some_and(ready),
            ear: ear.is_some_and(ready),
        })
    }

    fn pace(&self) -> Duration {
        match self.is_echo {
            true => ECHO_PACE,
            false => SPEAK,
        }
    }

    fn speak(&mut self) {
        if !self.stands {
            return;
        }
        let mut octets = [0; ECHO_OCTETS];
        let said = if self.is_echo {
            // Behind a stall it does not pile up.
            let under_way = self.spoken.saturating_sub(self.check.received);
            if under_way >= ECHO_WINDOW {
                return;
            }
            stream::fill(self.spoken, &mut octets);
            &octets[..]
        } else {
            octets[0] = stream::upstream_octet(self.spoken);
            &octets[..1]
        };
        if let Ok(count) = self.stream.write(said) {
            self.spoken += count as u64;
        }
    }

    fn hear(&mut self) {
        if let Some(ear) = &self.ear {
            self.heard.extend(ear.receive(monotonic()));
        }
    }

    fn read(&mut self) {
        let mut buffer = [0; 16 * 1024];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => {
                    self.stands = false;
                    return;
                }
                Ok(count) => {
                    self.check.feed(&buffer[..count]);
                    self.stall.news(monotonic());
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => {
                    self.stands = false;
                    return;
                }
            }
        }
    }

    /// Answers what was asked on standard input; false at its end.
    fn report(&mut self) -> anyhow::Result<bool> {
        let mut buffer = [0; 256];
        let count = io::stdin().lock().read(&mut buffer)?;
        let asked = buffer[..count].iter().filter(|octet| **octet == b'\n');
        for _ in asked {
            let report = serde_json::to_string(&self.take_report())?;
            let mut stdout = io::stdout().lock();
            writeln!(stdout, "{report}")?;
            stdout.flush()?;
        }
        Ok(count > 0)
    }

    fn take_report(&mut self) -> Report {
        let now = monotonic();
        let bytes = self.check.received - self.reported_bytes;
        self.reported_bytes = self.check.received;
        let quiet = now.saturating_sub(self.stall.last());
        Report {
            tcp: TcpReport {
                alive: self.stands && quiet < ALIVE,
                bytes,
                bytes_lost: self.check.lost,
                bytes_duplicated: self.check.duplicated,
                bytes_damaged: self.check.damaged,
                stall: self.stall.take(now),
            },
            ping: PingReport {
                sent: core::mem::take(&mut self.sent),
                answered: core::mem::take(&mut self.answered),
                silence: self.silence.take(now),
                slowest_ms: core::mem::take(&mut self.slowest).as_secs_f64() * 1e3,
                answers_ns: self.answers.take(),
            },
            heard: core::mem::take(&mut self.heard),
        }
    }
}
