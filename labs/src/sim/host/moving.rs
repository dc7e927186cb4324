//! Both sides of a migration on a host's own TCP.

use core::net::Ipv4Addr;
use core::time::Duration;

use smoltcp::iface::SocketHandle;
use smoltcp::socket::tcp;

use super::nic::Nic;
use crate::guest::Machine;
use crate::migrate::protocol::Decoder;
use crate::migrate::{DOUBT_MAX, Limits, Outcome, Source, Target};

/// Octets a migration may have under way: a gigabit for eight milliseconds.
const BUFFER: usize = 1 << 20;

/// A socket with what waits for it.
#[derive(Debug)]
struct Line {
    handle: SocketHandle,
    decoder: Decoder,
    out: Vec<u8>,
    taken: usize,
    opened: bool,
}

impl Line {
    fn new(handle: SocketHandle) -> Self {
        Self {
            handle,
            decoder: Decoder::default(),
            out: Vec::new(),
            taken: 0,
            opened: false,
        }
    }

    /// Moves octets both ways as far as the socket goes. `false`: the connection is over.
    fn pump(&mut self, nic: &mut Nic) -> bool {
        let socket: &mut tcp::Socket<'static> = nic.socket(self.handle);
        self.opened |= socket.may_send();
        let decoder = &mut self.decoder;
        while socket.can_recv() {
            let read = socket.recv(|octets| {
                decoder.feed(octets);
                (octets.len(), ())
            });
            if read.is_err() {
                break;
            }
        }
        while socket.can_send() && self.taken < self.out.len() {
            match socket.send_slice(&self.out[self.taken..]) {
                Ok(0) | Err(_) => break,
                Ok(count) => self.taken += count,
            }
        }
        if self.taken == self.out.len() {
            self.out.clear();
            self.taken = 0;
        }
        !self.opened || socket.may_recv() || socket.can_recv()
    }
}

/// The side that gives a machine away.
#[derive(Debug)]
pub(super) struct Outgoing {
    line: Line,
    pub(super) source: Source,
    doubt_until: Option<Duration>,
}

impl Outgoing {
    pub(super) fn new(
        now: Duration,
        nic: &mut Nic,
        to: Ipv4Addr,
        port: u16,
        machine: &mut Machine,
    ) -> Self {
        let mut line = Line::new(nic.call(to, port, BUFFER));
        Self {
            source: Source::new(now, Limits::default(), machine, &mut line.out),
            line,
            doubt_until: None,
        }
    }

    pub(super) fn run(&mut self, now: Duration, nic: &mut Nic, machine: &mut Machine) {
        let open = self.line.pump(nic);
        loop {
            match self.line.decoder.message() {
                Ok(None) => break,
                Ok(Some(message)) => {
                    self.source
                        .handle(now, &message, machine, &mut self.line.out);
                }
                Err(error) => {
                    self.source
                        .lost(now, &format!("the migration link: {error}"));
                    break;
                }
            }
        }
        if !open {
            self.source.lost(now, "the migration link is gone");
        }
        // The line takes less at a time than the source makes ready.
        self.source.fill(now, machine, &mut self.line.out);
        self.line.pump(nic);
        self.source.expire(now);
        if self.source.outcome() == Outcome::Doubt {
            let until = *self.doubt_until.get_or_insert(now + DOUBT_MAX);
            if now >= until {
                self.source.settle(now, false);
            }
        }
    }

    pub(super) fn deadline(&self) -> Option<Duration> {
        // While the line is full, it is the peer that is waited for.
        let pace = self.source.deadline().filter(|_| self.line.out.is_empty());
        self.doubt_until.or(pace)
    }

    pub(super) fn end(self, nic: &mut Nic) {
        nic.retire(self.line.handle);
    }
}

/// The side that takes one.
#[derive(Debug)]
pub(super) struct Incoming {
    line: Line,
    target: Target,
    over: bool,
}

/// What a turn brought.
#[derive(Debug)]
pub(super) enum Arrived {
    /// Nothing yet.
    Nothing,
    /// The machine, to be run from now on.
    Machine(Box<Machine>),
    /// The migration ended without it.
    Failed(String),
}

impl Incoming {
    pub(super) fn new(nic: &mut Nic, port: u16, pages_max: u32) -> Self {
        Self {
            line: Line::new(nic.listen(port, BUFFER)),
            target: Target::new(pages_max),
            over: false,
        }
    }

    pub(super) fn run(&mut self, now: Duration, nic: &mut Nic) -> Arrived {
        let open = self.line.pump(nic);
        while !self.over {
            match self.line.decoder.message() {
                Ok(None) => break,
                Ok(Some(message)) => match self.target.handle(now, &message, &mut self.line.out) {
                    Ok(None) => {}
                    Ok(Some(machine)) => {
                        self.over = true;
                        self.line.pump(nic);
                        return Arrived::Machine(Box::new(machine));
                    }
                    Err(error) => {
                        self.over = true;
                        self.line.pump(nic);
                        return Arrived::Failed(error.to_string());
                    }
                },
                Err(error) => {
                    self.over = true;
                    return Arrived::Failed(error.to_string());
                }
            }
        }
        self.line.pump(nic);
        if !open && !self.over {
            self.over = true;
            return Arrived::Failed("the source is gone".to_owned());
        }
        Arrived::Nothing
    }

    pub(super) fn end(self, nic: &mut Nic) {
        nic.retire(self.line.handle);
    }
}
