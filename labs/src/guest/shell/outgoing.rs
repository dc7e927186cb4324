//! The source's side of a migration on a real socket.

use core::time::Duration;
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use std::io::{self, Read, Write};
use std::net::SocketAddrV4;

use crate::guest::Machine;
use crate::migrate::protocol::Decoder;
use crate::migrate::{DOUBT_MAX, Limits, Outcome, Source};

/// A migration under way.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) source: Source,
    stream: TcpStream,
    decoder: Decoder,
    /// Not taken by the socket yet.
    out: Vec<u8>,
    taken: usize,
    /// When a doubt is settled by silence.
    doubt_until: Option<Duration>,
}

impl Outgoing {
    pub(super) fn start(
        now: Duration,
        to: SocketAddrV4,
        limits: Limits,
        machine: &mut Machine,
        registry: &Registry,
        token: Token,
    ) -> io::Result<Self> {
        let mut stream = TcpStream::connect(to.into())?;
        registry.register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
        let mut out = Vec::new();
        Ok(Self {
            source: Source::new(now, limits, machine, &mut out),
            stream,
            decoder: Decoder::default(),
            out,
            taken: 0,
            doubt_until: None,
        })
    }

    /// Moves bytes both ways as far as they go without waiting; bounded by the socket's buffers
    /// and the bandwidth limit.
    pub(super) fn pump(&mut self, now: Duration, machine: &mut Machine) {
        if let Err(error) = self.receive(now, machine).and_then(|()| {
            self.source.fill(now, machine, &mut self.out);
            self.transmit()
        }) {
            self.source
                .lost(now, &format!("the migration link: {error}"));
        }
        self.source.expire(now);
        if self.source.outcome() == Outcome::Doubt {
            let until = *self.doubt_until.get_or_insert(now + DOUBT_MAX);
            if now >= until {
                self.source.settle(now, false);
            }
        }
    }

    pub(super) fn deadline(&self) -> Option<Duration> {
        self.doubt_until.or(self.source.deadline())
    }

    /// True while everything made so far was taken by the socket: pacing, not the peer, is what
    /// is waited for.
    pub(super) fn is_drained(&self) -> bool {
        self.out.is_empty()
    }

    fn receive(&mut self, now: Duration, machine: &mut Machine) -> io::Result<()> {
        let mut buffer = [0; 4096];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => self.decoder.feed(&buffer[..count]),
                Err(error) if is_not_yet(&error) => return Ok(()),
                Err(error) => return Err(error),
            }
            loop {
                match self.decoder.message() {
                    Ok(None) => break,
                    Ok(Some(message)) => {
                        self.source.handle(now, &message, machine, &mut self.out);
                    }
                    Err(error) => return Err(io::Error::other(error)),
                }
            }
        }
    }

    fn transmit(&mut self) -> io::Result<()> {
        while self.taken < self.out.len() {
            match self.stream.write(&self.out[self.taken..]) {
                Ok(count) => self.taken += count,
                Err(error) if is_not_yet(&error) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        self.out.clear();
        self.taken = 0;
        Ok(())
    }
}

/// Not connected yet, or no room, or nothing there.
fn is_not_yet(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::NotConnected | io::ErrorKind::Interrupted
    )
}
