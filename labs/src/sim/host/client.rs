//! The client of a VM: reads its stream, checks every record, sends an echo request every few milliseconds, keeps the
//! stopwatch.

use core::net::Ipv4Addr;
use core::time::Duration;

use smoltcp::iface::SocketHandle;
use smoltcp::socket::tcp;

use super::echo::Echo;
use super::nic::Nic;
use crate::client::{Answers, PingReport, Report, Silence, StreamCheck, TcpReport};
use crate::guest::stream;

/// The client says something this often, so that the connection is used both ways.
const SPEAK: Duration = Duration::from_millis(50);
/// A session that has not delivered for this long is not alive.
const ALIVE: Duration = Duration::from_secs(1);
const BUFFER: usize = 64 * 1024;

/// A client at work.
#[derive(Debug)]
pub(super) struct Client {
    handle: SocketHandle,
    echo: Echo,
    check: StreamCheck,
    stall: Silence,
    silence: Silence,
    answers: Answers,
    spoken: u64,
    ask_every: Duration,
    next_ping: Duration,
    next_word: Duration,
    connected: bool,
    reported: (u64, u64, u64),
}

impl Client {
    pub(super) fn new(
        now: Duration,
        nic: &mut Nic,
        (server, port): (Ipv4Addr, u16),
        identifier: u16,
        ask_every: Duration,
    ) -> Self {
        Self {
            handle: nic.call(server, port, BUFFER),
            echo: Echo::new(nic, server, identifier),
            check: StreamCheck::default(),
            stall: Silence::new(now),
            silence: Silence::new(now),
            answers: Answers::default(),
            spoken: 0,
            ask_every,
            next_ping: now,
            next_word: now,
            connected: false,
            reported: (0, 0, 0),
        }
    }

    pub(super) fn is_connected(&self) -> bool {
        self.connected
    }

    pub(super) fn deadline(&self) -> Duration {
        self.next_ping.min(self.next_word)
    }

    pub(super) fn run(&mut self, now: Duration, nic: &mut Nic) {
        if now >= self.next_ping {
            self.echo.request(now, nic);
            self.next_ping = now + self.ask_every;
        }
        if self.echo.collect(now, nic) {
            self.silence.news(now);
            self.answers.news(now);
        }
        let socket: &mut tcp::Socket<'static> = nic.socket(self.handle);
        if !self.connected && socket.may_send() {
            self.connected = true;
            self.stall = Silence::new(now);
            self.silence = Silence::new(now);
        }
        let check = &mut self.check;
        let received = check.received;
        while socket.can_recv() {
            let read = socket.recv(|octets| {
                check.feed(octets);
                (octets.len(), ())
            });
            if read.is_err() {
                break;
            }
        }
        if check.received > received {
            self.stall.news(now);
        }
        if now >= self.next_word {
            self.next_word = now + SPEAK;
            if socket.can_send()
                && let Ok(count) = socket.send_slice(&[stream::upstream_octet(self.spoken)])
            {
                self.spoken += count as u64;
            }
        }
    }

    /// What it saw since the last call.
    pub(super) fn report(&mut self, now: Duration, nic: &mut Nic) -> Report {
        let socket: &mut tcp::Socket<'static> = nic.socket(self.handle);
        let stands = socket.may_recv() && socket.may_send();
        let quiet = now.saturating_sub(self.stall.last());
        let (bytes, sent, answered) = self.reported;
        self.reported = (self.check.received, self.echo.sent, self.echo.answers);
        Report {
            heard: Vec::new(),
            tcp: TcpReport {
                alive: stands && quiet < ALIVE,
                bytes: self.check.received - bytes,
                bytes_lost: self.check.lost,
                bytes_duplicated: self.check.duplicated,
                bytes_damaged: self.check.damaged,
                stall: self.stall.take(now),
            },
            ping: PingReport {
                sent: self.echo.sent - sent,
                answered: self.echo.answers - answered,
                silence: self.silence.take(now),
                slowest_ms: core::mem::take(&mut self.echo.slowest).as_secs_f64() * 1e3,
                answers_ns: self.answers.take(),
            },
        }
    }
}
