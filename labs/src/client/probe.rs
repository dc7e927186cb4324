//! The loop of a probe process.

use anyhow::Context as _;
use core::time::Duration;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::time::TimeSpec;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsFd as _;

use super::ping::Ping;
use super::{PingReport, ProbeArgs, Report, Silence, StreamCheck, TcpReport};
use crate::guest::shell::monotonic;
use crate::guest::stream;

/// The client says something this often, so that the connection is used both ways.
const SPEAK: Duration = Duration::from_millis(50);
/// A session that has not delivered for this long is not alive.
const ALIVE: Duration = Duration::from_secs(1);

struct Probe {
    stream: TcpStream,
    /// The session has neither ended nor failed.
    stands: bool,
    check: StreamCheck,
    stall: Silence,
    spoken: u64,
    ping: Ping,
    sent: u64,
    answered: u64,
    silence: Silence,
    reported_bytes: u64,
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
            probe.ping.send();
            probe.sent += 1;
            while next_ping <= now {
                next_ping += args.interval();
            }
        }
        if now >= next_word {
            probe.speak();
            next_word = now + SPEAK;
        }
        let (stream, ping, input) = probe.wait(next_ping.min(next_word))?;
        if ping {
            let replies = probe.ping.receive();
            probe.answered += replies;
            if replies > 0 {
                probe.silence.news(monotonic());
            }
        }
        if stream {
            probe.read();
        }
        if input && !probe.report()? {
            return Ok(());
        }
    }
}

impl Probe {
    fn connect(args: &ProbeArgs) -> anyhow::Result<Self> {
        let timeout = Duration::from_millis(args.connect_ms.max(1));
        let stream = TcpStream::connect_timeout(&SocketAddr::V4(args.server), timeout)
            .with_context(|| format!("connect to {}", args.server))?;
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        let now = monotonic();
        Ok(Self {
            stream,
            stands: true,
            check: StreamCheck::default(),
            stall: Silence::new(now),
            spoken: 0,
            ping: Ping::new(*args.server.ip()).context("a raw socket for echo requests")?,
            sent: 0,
            answered: 0,
            silence: Silence::new(now),
            reported_bytes: 0,
        })
    }

    /// Which of stream, ping and standard input are ready, waiting until `deadline`.
    fn wait(&self, deadline: Duration) -> anyhow::Result<(bool, bool, bool)> {
        let stdin = io::stdin();
        let mut fds = [
            PollFd::new(self.ping.as_fd(), PollFlags::POLLIN),
            PollFd::new(stdin.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.stream.as_fd(), PollFlags::POLLIN),
        ];
        // A session that has ended would be ready for ever.
        let watched = if self.stands { 3 } else { 2 };
        let timeout = TimeSpec::from_duration(deadline.saturating_sub(monotonic()));
        match ppoll(&mut fds[..watched], Some(timeout), None) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
        let ready = |index: usize| fds[index].any().unwrap_or(false);
        Ok((self.stands && ready(2), ready(0), ready(1)))
    }

    fn speak(&mut self) {
        if self.stands {
            let octet = [stream::upstream_octet(self.spoken)];
            if let Ok(count) = self.stream.write(&octet) {
                self.spoken += count as u64;
            }
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
            },
        }
    }
}
