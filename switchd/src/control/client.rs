//! The other end of the control socket, for programs: blocking, with timeouts.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::BytesMut;
use serde::Deserialize;
use serde_json::Value;

use super::codec::encode_line;
use super::{Command, Error, Greeting, MacEntry, PROTOCOL, Reply};
use crate::event::Record;

/// How long an answer may take before the switch counts as stuck.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// Why a switch could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody answers at this path.
    #[error("no switch answers at {}: {error}", path.display())]
    NotRunning {
        /// The socket.
        path: PathBuf,
        /// What the kernel says.
        error: io::Error,
    },
    /// It speaks, but not this protocol.
    #[error("the switch speaks another protocol: {0}")]
    Protocol(String),
    /// The connection broke or timed out.
    #[error("the connection to the switch broke: {0}")]
    Io(#[from] io::Error),
    /// The switch refused the command.
    #[error("{0}")]
    Refused(#[from] Error),
}

/// A connection to a running switch.
#[derive(Debug)]
pub struct Client {
    greeting: Greeting,
    reader: BufReader<UnixStream>,
    /// A line as far as it has arrived.
    partial: BytesMut,
    next_id: u64,
}

/// A line from the switch.
#[derive(Debug, Deserialize)]
struct Line {
    id: Option<u64>,
    ok: Option<Reply>,
    error: Option<Error>,
    part: Option<Vec<MacEntry>>,
    event: Option<Record>,
    lost: Option<Lost>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
struct Lost {
    from: u64,
    to: u64,
}

impl Client {
    /// Connects to the socket at `path` and reads the greeting.
    ///
    /// # Errors
    /// Nobody answers, or not as a switch.
    pub fn connect(path: &Path) -> Result<Self, ClientError> {
        let stream = UnixStream::connect(path).map_err(|error| ClientError::NotRunning {
            path: path.to_owned(),
            error,
        })?;
        stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
        stream.set_write_timeout(Some(ANSWER_TIMEOUT))?;
        let mut client = Self {
            greeting: Greeting {
                switchd: String::new(),
                protocol: PROTOCOL,
                name: String::new(),
                pid: 0,
            },
            reader: BufReader::new(stream),
            partial: BytesMut::new(),
            next_id: 1,
        };
        let line = client.line()?;
        let greeting: Greeting = serde_json::from_slice(&line).map_err(|_| {
            ClientError::Protocol(String::from_utf8_lossy(&line).trim_end().to_owned())
        })?;
        if greeting.protocol != PROTOCOL {
            return Err(ClientError::Protocol(format!(
                "version {}, here is version {PROTOCOL}",
                greeting.protocol
            )));
        }
        client.greeting = greeting;
        Ok(client)
    }

    /// Connects to the switch `name` of a run directory.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub fn connect_named(run_dir: &Path, name: &str) -> Result<Self, ClientError> {
        Self::connect(&super::socket_path(run_dir, name))
    }

    /// What the switch said first: name, process id, version.
    #[must_use]
    pub const fn greeting(&self) -> &Greeting {
        &self.greeting
    }

    /// Bounds the wait for each answer; [`ANSWER_TIMEOUT`] until set.
    ///
    /// # Errors
    /// Zero is no timeout.
    pub fn set_timeout(&mut self, timeout: Duration) -> io::Result<()> {
        self.reader.get_ref().set_read_timeout(Some(timeout))
    }

    /// Asks and waits for the answer. Listings come back whole.
    ///
    /// # Errors
    /// Refused, or the connection broke.
    pub fn call(&mut self, command: &Command) -> Result<Reply, ClientError> {
        let id = self.send(command)?;
        let mut listed = Vec::new();
        loop {
            let line = self.parsed_line()?;
            if let Some(error) = line.error {
                return Err(ClientError::Refused(error));
            }
            if line.id != Some(id) {
                continue;
            }
            if let Some(part) = line.part {
                listed.extend(part);
            }
            match line.ok {
                Some(Reply::MacTable { total, .. }) => {
                    return Ok(Reply::MacTable {
                        entries: listed,
                        total,
                    });
                }
                Some(reply) => return Ok(reply),
                None => {}
            }
        }
    }

    /// Turns the connection into a stream of events, from number `since` on, or from now on.
    ///
    /// # Errors
    /// As [`call`](Self::call).
    pub fn events(mut self, since: Option<u64>) -> Result<EventStream, ClientError> {
        let reply = self.call(&Command::Events { since })?;
        let Reply::Events { next } = reply else {
            return Err(ClientError::Protocol(format!("{reply:?}")));
        };
        Ok(EventStream { client: self, next })
    }

    fn send(&mut self, command: &Command) -> Result<u64, ClientError> {
        let id = self.next_id;
        self.next_id += 1;
        let mut request = serde_json::to_value(command).map_err(io::Error::from)?;
        if let Value::Object(fields) = &mut request {
            fields.insert("id".to_owned(), id.into());
        }
        self.reader.get_mut().write_all(&encode_line(&request))?;
        Ok(id)
    }

    fn parsed_line(&mut self) -> Result<Line, ClientError> {
        let line = self.line()?;
        serde_json::from_slice(&line).map_err(|error| {
            ClientError::Protocol(format!("{error} in {}", String::from_utf8_lossy(&line)))
        })
    }

    /// The next whole line. What arrived before a timeout is kept for the next call.
    fn line(&mut self) -> Result<BytesMut, ClientError> {
        loop {
            let arrived = match self.reader.fill_buf() {
                Ok(arrived) => arrived,
                // A process that was stopped and goes on: a wait with a timeout ends without any handler (signal(7)).
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error.into()),
            };
            if arrived.is_empty() {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
            let newline = arrived.iter().position(|&octet| octet == b'\n');
            let taken = newline.map_or(arrived.len(), |at| at + 1);
            self.partial.extend_from_slice(&arrived[..taken]);
            self.reader.consume(taken);
            if newline.is_some() {
                return Ok(self.partial.split());
            }
        }
    }
}

/// What an event stream brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notice {
    /// Something happened. Numbers go up by one, unless a loss was told.
    Event(Record),
    /// Events this reader was too slow for, both ends included.
    Lost {
        /// The first.
        from: u64,
        /// The last.
        to: u64,
    },
}

/// The events of a switch, as they happen.
#[derive(Debug)]
pub struct EventStream {
    client: Client,
    next: u64,
}

impl EventStream {
    /// The number the next event to happen had when the stream began: what comes before it is history.
    #[must_use]
    pub const fn next_at_start(&self) -> u64 {
        self.next
    }

    /// Waits for the next notice, at most `timeout` (above zero); `None` when none came.
    ///
    /// # Errors
    /// The connection broke: the switch is gone.
    pub fn next_within(&mut self, timeout: Duration) -> Result<Option<Notice>, ClientError> {
        self.client.set_timeout(timeout)?;
        loop {
            let line = match self.client.parsed_line() {
                Ok(line) => line,
                Err(ClientError::Io(error)) if is_timeout(&error) => return Ok(None),
                Err(error) => return Err(error),
            };
            if let Some(Lost { from, to }) = line.lost {
                return Ok(Some(Notice::Lost { from, to }));
            }
            if let Some(record) = line.event {
                return Ok(Some(Notice::Event(record)));
            }
        }
    }

    /// The connection, to poll it for readiness beside others.
    #[must_use]
    pub fn stream(&self) -> &UnixStream {
        self.client.reader.get_ref()
    }
}

impl Iterator for EventStream {
    type Item = Result<Notice, ClientError>;

    /// Waits as long as it takes; ends with an error when the switch goes.
    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.next_within(ANSWER_TIMEOUT) {
                Ok(None) => {}
                Ok(Some(notice)) => return Some(Ok(notice)),
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
    )
}

/// The switches that answer in a run directory, by name, and the names of sockets nobody answers.
///
/// # Errors
/// The directory cannot be read. One that does not exist holds no switches.
pub fn running_switches(run_dir: &Path) -> io::Result<(Vec<Greeting>, Vec<String>)> {
    let entries = match std::fs::read_dir(run_dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((vec![], vec![])),
        Err(error) => return Err(error),
    };
    let (mut live, mut stale) = (Vec::new(), Vec::new());
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "sock") {
            continue;
        }
        match Client::connect(&path) {
            Ok(client) => live.push(client.greeting.clone()),
            Err(_) => stale.extend(
                path.file_stem()
                    .map(|stem| stem.to_string_lossy().into_owned()),
            ),
        }
    }
    live.sort_by(|one, other| one.name.cmp(&other.name));
    stale.sort();
    Ok((live, stale))
}
