//! The other end of a guest's control socket.

use core::time::Duration;
use serde_json::{Map, Value};
use std::collections::VecDeque;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;

use super::control::Request;

/// Why a guest could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum GuestClientError {
    /// The connection could not be made or broke.
    #[error("guest: {0}")]
    Io(#[from] io::Error),
    /// The guest's words were not understood.
    #[error("guest said `{0}`")]
    Protocol(String),
    /// The guest said no.
    #[error("guest refused: {0}")]
    Refused(String),
}

/// Something that happened to a guest.
#[derive(Clone, Debug, PartialEq)]
pub struct GuestEvent {
    /// What: `round`, `stop`, `ready`, `resumed`, `verified`, `failed`, `running`, `announced`.
    pub kind: String,
    /// CLOCK_MONOTONIC, nanoseconds.
    pub time_ns: u64,
    /// The facts.
    pub fields: Map<String, Value>,
}

/// A connection to a guest's control socket.
#[derive(Debug)]
pub struct GuestClient {
    reader: BufReader<UnixStream>,
    line: String,
    state: String,
    events: VecDeque<GuestEvent>,
}

impl GuestClient {
    /// Connects to the guest whose control socket is at `path`.
    ///
    /// # Errors
    ///
    /// When nobody answers there.
    pub fn connect(path: &Path) -> Result<Self, GuestClientError> {
        let stream = UnixStream::connect(path)?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.set_write_timeout(Some(Duration::from_secs(5)))?;
        let mut client = Self {
            reader: BufReader::new(stream),
            line: String::new(),
            state: String::new(),
            events: VecDeque::new(),
        };
        let greeting = client.read()?;
        match greeting.get("state").and_then(Value::as_str) {
            Some(state) => client.state = state.to_owned(),
            None => {
                return Err(GuestClientError::Protocol(
                    Value::from(greeting).to_string(),
                ));
            }
        }
        Ok(client)
    }

    /// The state it was in when the connection was made: `running`, `incoming`, `migrating`, `left`.
    #[must_use]
    pub fn state(&self) -> &str {
        &self.state
    }

    /// Asks; events that come before the answer are kept for [`next_event`](Self::next_event).
    ///
    /// # Errors
    ///
    /// When the guest refuses or is gone.
    pub fn call(&mut self, request: &Request) -> Result<Value, GuestClientError> {
        let mut line = serde_json::to_string(request).map_err(io::Error::from)?;
        line.push('\n');
        self.reader
            .get_mut()
            .set_read_timeout(Some(Duration::from_secs(5)))?;
        self.reader.get_mut().write_all(line.as_bytes())?;
        loop {
            let mut answer = self.read()?;
            if let Some(ok) = answer.remove("ok") {
                return Ok(ok);
            }
            match answer.remove("error") {
                Some(Value::String(error)) => return Err(GuestClientError::Refused(error)),
                Some(error) => return Err(GuestClientError::Refused(error.to_string())),
                None => self.keep(answer)?,
            }
        }
    }

    /// The next event, waiting at most `timeout` for it.
    ///
    /// # Errors
    ///
    /// When the guest is gone.
    pub fn next_event(
        &mut self,
        timeout: Duration,
    ) -> Result<Option<GuestEvent>, GuestClientError> {
        if let Some(event) = self.events.pop_front() {
            return Ok(Some(event));
        }
        let timeout = timeout.max(Duration::from_millis(1));
        self.reader.get_mut().set_read_timeout(Some(timeout))?;
        match self.read() {
            Ok(line) => {
                self.keep(line)?;
                Ok(self.events.pop_front())
            }
            Err(GuestClientError::Io(error)) if is_timeout(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn keep(&mut self, mut fields: Map<String, Value>) -> Result<(), GuestClientError> {
        let kind = fields.remove("event");
        let time_ns = fields.remove("time_ns").and_then(|time| time.as_u64());
        match (kind, time_ns) {
            (Some(Value::String(kind)), Some(time_ns)) => {
                self.events.push_back(GuestEvent {
                    kind,
                    time_ns,
                    fields,
                });
                Ok(())
            }
            (_, _) => Err(GuestClientError::Protocol(Value::from(fields).to_string())),
        }
    }

    /// A whole line; what came of a line before a timeout is kept.
    fn read(&mut self) -> Result<Map<String, Value>, GuestClientError> {
        if self.reader.read_line(&mut self.line)? == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        let line = core::mem::take(&mut self.line);
        serde_json::from_str(&line).map_err(|_| GuestClientError::Protocol(line))
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
    )
}
