//! The target's side of a migration on a real socket.

use core::time::Duration;
use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Registry, Token};
use std::io::{self, Read, Write};
use std::net::SocketAddrV4;

use crate::guest::Machine;
use crate::migrate::Target;
use crate::migrate::protocol::Decoder;

/// Octets read per turn, at most.
const READ_MAX: usize = 1 << 20;

#[derive(Debug)]
struct Arrival {
    stream: TcpStream,
    target: Target,
    decoder: Decoder,
    out: Vec<u8>,
}

/// Waits for a machine; one at a time.
#[derive(Debug)]
pub(super) struct Incoming {
    listener: TcpListener,
    pages_max: u32,
    arrival: Option<Arrival>,
    buffer: Vec<u8>,
    /// More may wait than was read.
    pub(super) ready: bool,
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
    pub(super) fn listen(
        at: SocketAddrV4,
        pages_max: u32,
        registry: &Registry,
        token: Token,
    ) -> io::Result<Self> {
        let mut listener = TcpListener::bind(at.into())?;
        registry.register(&mut listener, token, Interest::READABLE)?;
        Ok(Self {
            listener,
            pages_max,
            arrival: None,
            buffer: vec![0; 256 * 1024],
            ready: false,
        })
    }

    /// Accepts a source when none is there; others wait in the listener's queue.
    pub(super) fn accept(&mut self, registry: &Registry, token: Token) {
        while self.arrival.is_none() {
            let Ok((mut stream, _)) = self.listener.accept() else {
                return;
            };
            let interest = Interest::READABLE | Interest::WRITABLE;
            let registered = registry.register(&mut stream, token, interest);
            if registered.and_then(|()| stream.set_nodelay(true)).is_ok() {
                self.ready = true;
                self.arrival = Some(Arrival {
                    stream,
                    target: Target::new(self.pages_max),
                    decoder: Decoder::default(),
                    out: Vec::new(),
                });
            }
        }
    }

    /// Takes in what arrived, a bounded amount per call. `clock` is read when a message asks for
    /// the time: loading a page takes longer than a turn of the loop should pretend.
    pub(super) fn pump(&mut self, clock: impl Fn() -> Duration) -> Arrived {
        let Some(arrival) = &mut self.arrival else {
            self.ready = false;
            return Arrived::Nothing;
        };
        let mut budget = READ_MAX;
        while budget > 0 {
            match arrival.stream.read(&mut self.buffer) {
                Ok(0) => {
                    self.arrival = None;
                    return Arrived::Failed("the source is gone".to_owned());
                }
                Ok(count) => {
                    budget = budget.saturating_sub(count);
                    arrival.decoder.feed(&self.buffer[..count]);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.ready = false;
                    break;
                }
                Err(error) => {
                    self.arrival = None;
                    return Arrived::Failed(format!("the migration link: {error}"));
                }
            }
            let failed = match arrival.take_messages(&clock) {
                // The answer waits: the announcement is more urgent.
                Ok(Some(machine)) => return Arrived::Machine(Box::new(machine)),
                Ok(None) => arrival.transmit().err().map(|error| error.to_string()),
                Err(reason) => {
                    let _source_may_be_gone = arrival.transmit();
                    Some(reason)
                }
            };
            if let Some(reason) = failed {
                self.arrival = None;
                return Arrived::Failed(reason);
            }
        }
        Arrived::Nothing
    }

    /// Tells the source that its machine runs here.
    pub(super) fn acknowledge(&mut self) {
        if let Some(arrival) = &mut self.arrival {
            let _source_may_be_gone = arrival.transmit();
        }
    }
}

impl Arrival {
    fn take_messages(&mut self, clock: &impl Fn() -> Duration) -> Result<Option<Machine>, String> {
        loop {
            match self.decoder.message() {
                Ok(None) => return Ok(None),
                Ok(Some(message)) => {
                    let step = self.target.handle(clock(), &message, &mut self.out);
                    if let Some(machine) = step.map_err(|error| error.to_string())? {
                        return Ok(Some(machine));
                    }
                }
                Err(error) => return Err(error.to_string()),
            }
        }
    }

    /// Answers are a few octets: a socket that cannot take them has no reader.
    fn transmit(&mut self) -> io::Result<()> {
        self.stream.write_all(&self.out)?;
        self.out.clear();
        Ok(())
    }
}
