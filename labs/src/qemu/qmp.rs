//! A client of QEMU's machine protocol: JSON objects, a line each, over a unix socket.

use core::time::Duration;
use std::collections::VecDeque;
use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;

use nix::time::{ClockId, clock_gettime};
use serde_json::{Map, Value, json};

use crate::guest::shell::monotonic;

/// How long QEMU may take to answer: it does between two turns of its main loop, which a migration keeps busy.
const ANSWER_MAX: Duration = Duration::from_secs(5);
/// Octets of the longest line; QEMU's are below 64 KiB.
const LINE_MAX: usize = 1 << 20;

/// Why QEMU could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum QmpError {
    /// The connection could not be made or broke.
    #[error("QEMU's monitor: {0}")]
    Io(#[from] io::Error),
    /// It said what is not of the protocol.
    #[error("QEMU's monitor said `{0}`")]
    Protocol(String),
    /// It refused.
    #[error("QEMU refuses {command}: {reason}")]
    Refused {
        /// What was asked.
        command: String,
        /// Its words.
        reason: String,
    },
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
pub struct QmpEvent {
    /// In QEMU's words: `STOP`, `RESUME`, `MIGRATION`.
    pub name: String,
    /// When, CLOCK_MONOTONIC.
    pub at: Duration,
    /// The facts.
    pub data: Map<String, Value>,
}

/// A connection to QEMU's monitor.
#[derive(Debug)]
pub struct Qmp {
    stream: UnixStream,
    /// What came and is no whole line yet.
    buffer: Vec<u8>,
    events: VecDeque<QmpEvent>,
}

impl Qmp {
    /// Connects to the monitor at `path`, and leaves its greeting behind.
    ///
    /// # Errors
    /// When nobody answers there, or in other words.
    pub fn connect(path: &Path) -> Result<Self, QmpError> {
        let stream = UnixStream::connect(path)?;
        stream.set_write_timeout(Some(ANSWER_MAX))?;
        let mut qmp = Self {
            stream,
            buffer: Vec::new(),
            events: VecDeque::new(),
        };
        let greeting = qmp.object(monotonic() + ANSWER_MAX)?.ok_or_else(silent)?;
        if !greeting.contains_key("QMP") {
            return Err(QmpError::Protocol(Value::from(greeting).to_string()));
        }
        qmp.execute("qmp_capabilities", json!({}))?;
        Ok(qmp)
    }

    /// Asks; events that come before the answer are kept for [`next_event`](Self::next_event).
    ///
    /// # Errors
    /// When QEMU refuses, is silent for too long, or is gone.
    pub fn execute(&mut self, command: &str, arguments: Value) -> Result<Value, QmpError> {
        let mut line = json!({"execute": command, "arguments": arguments}).to_string();
        line.push('\n');
        self.stream.write_all(line.as_bytes())?;
        let end = monotonic() + ANSWER_MAX;
        loop {
            let mut answer = self.object(end)?.ok_or_else(silent)?;
            if let Some(value) = answer.remove("return") {
                return Ok(value);
            }
            if let Some(error) = answer.get("error") {
                let reason = error.get("desc").and_then(Value::as_str);
                return Err(QmpError::Refused {
                    command: command.to_owned(),
                    reason: reason.unwrap_or("no reason given").to_owned(),
                });
            }
            self.keep(answer)?;
        }
    }

    /// The next event, waiting at most `timeout` for it.
    ///
    /// # Errors
    /// When QEMU is gone.
    pub fn next_event(&mut self, timeout: Duration) -> Result<Option<QmpEvent>, QmpError> {
        if let Some(event) = self.events.pop_front() {
            return Ok(Some(event));
        }
        match self.object(monotonic() + timeout)? {
            Some(object) => {
                self.keep(object)?;
                Ok(self.events.pop_front())
            }
            None => Ok(None),
        }
    }

    fn keep(&mut self, mut object: Map<String, Value>) -> Result<(), QmpError> {
        let Some(event) = event(&mut object) else {
            return Err(QmpError::Protocol(Value::from(object).to_string()));
        };
        self.events.push_back(event);
        Ok(())
    }

    /// The next object; `None`: no whole one until `end`.
    fn object(&mut self, end: Duration) -> Result<Option<Map<String, Value>>, QmpError> {
        let mut octets = [0; 4096];
        loop {
            if let Some(at) = self.buffer.iter().position(|&octet| octet == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=at).collect();
                let object = serde_json::from_slice(&line);
                let text = || String::from_utf8_lossy(&line).trim().to_owned();
                return object.map(Some).map_err(|_| QmpError::Protocol(text()));
            }
            if self.buffer.len() > LINE_MAX {
                return Err(QmpError::Protocol("a line without end".to_owned()));
            }
            // A timeout of zero would wait for ever.
            let left = end
                .saturating_sub(monotonic())
                .max(Duration::from_millis(1));
            self.stream.set_read_timeout(Some(left))?;
            match self.stream.read(&mut octets) {
                Ok(0) => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
                Ok(count) => self.buffer.extend_from_slice(&octets[..count]),
                Err(error) if is_timeout(&error) => return Ok(None),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

fn event(object: &mut Map<String, Value>) -> Option<QmpEvent> {
    let name = object.get("event")?.as_str()?.to_owned();
    let stamp = object.get("timestamp")?;
    let part = |key: &str| stamp.get(key).and_then(Value::as_u64);
    let at = Duration::from_secs(part("seconds")?) + Duration::from_micros(part("microseconds")?);
    let data = match object.remove("data") {
        Some(Value::Object(data)) => data,
        Some(_) | None => Map::new(),
    };
    Some(QmpEvent {
        name,
        at: on_our_clock(at),
        data,
    })
}

/// QEMU stamps events by the time of day; everything else here counts from boot.
fn on_our_clock(time_of_day: Duration) -> Duration {
    let Ok(now) = clock_gettime(ClockId::CLOCK_REALTIME) else {
        return monotonic();
    };
    let ago = Duration::from(now).saturating_sub(time_of_day);
    monotonic().saturating_sub(ago)
}

fn silent() -> QmpError {
    io::Error::from(io::ErrorKind::TimedOut).into()
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
    )
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;
    use std::thread::JoinHandle;

    use super::*;

    /// A monitor that says `lines`, the first at once, each other after a line it has read.
    fn monitor(lines: &'static [&'static str]) -> (tempfile::TempDir, JoinHandle<()>) {
        let dir = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(dir.path().join("qmp")).unwrap();
        let thread = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            for line in lines {
                if stream.write_all(line.as_bytes()).is_err() {
                    return;
                }
                let mut octets = [0; 1024];
                if stream.read(&mut octets).is_ok_and(|count| count == 0) {
                    return;
                }
            }
        });
        (dir, thread)
    }

    const GREETING: &str = "{\"QMP\": {\"version\": {}, \"capabilities\": []}}\r\n";

    #[test]
    fn answers_and_events_are_told_apart() {
        let (dir, thread) = monitor(&[
            GREETING,
            "{\"return\": {}}\r\n",
            "{\"event\": \"STOP\", \"timestamp\": {\"seconds\": 1, \"microseconds\": 2}}\r\n{\"return\": 7}\r\n",
            "{\"error\": {\"class\": \"GenericError\", \"desc\": \"no\"}}\r\n",
        ]);
        let mut qmp = Qmp::connect(&dir.path().join("qmp")).unwrap();
        assert_eq!(qmp.execute("query", json!({})).unwrap(), 7);
        let error = qmp.execute("migrate", json!({})).unwrap_err();
        assert_eq!(error.to_string(), "QEMU refuses migrate: no");
        let event = qmp.next_event(Duration::ZERO).unwrap().unwrap();
        assert_eq!((event.name.as_str(), event.data.len()), ("STOP", 0));
        assert!(qmp.next_event(Duration::ZERO).unwrap().is_none());
        drop(qmp);
        thread.join().unwrap();
    }

    #[test]
    fn what_is_no_monitor_is_an_error() {
        for lines in [
            &["hello\r\n"][..],
            &["{\"return\": {}}\r\n"],
            &[GREETING, "[1]\r\n"],
            &[GREETING, "{\"event\": \"STOP\"}\r\n"],
        ] {
            let (dir, thread) = monitor(lines);
            let error = Qmp::connect(&dir.path().join("qmp")).unwrap_err();
            assert!(matches!(error, QmpError::Protocol(_)), "{error}");
            thread.join().unwrap();
        }
        let (dir, thread) = monitor(&[]);
        let error = Qmp::connect(&dir.path().join("qmp")).unwrap_err();
        assert!(matches!(error, QmpError::Io(_)), "{error}");
        thread.join().unwrap();
    }
}
