//! How a lab changes a wire that is in use: a line of JSON there, a line of JSON back.

use core::time::Duration;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use crossbeam_channel::{Receiver, Sender, bounded};
use mio::Waker;
use serde::{Deserialize, Serialize};

use crate::sim::{Impairment, LinkState, OneWay};

/// How long either side waits for the other: answers take microseconds.
const PATIENCE: Duration = Duration::from_secs(5);
/// Longest request, in octets.
const REQUEST_MAX: u64 = 4096;

/// What a wire can be told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Request {
    /// Cut it, repair it, or let it die in silence.
    State(LinkState),
    /// Plug one end in or out.
    Plug {
        /// The end, from 0.
        end: usize,
        /// Whether it is in.
        plugged: bool,
    },
    /// The node at an end is switched on or off.
    Power {
        /// The end.
        end: usize,
        /// Whether it is on.
        on: bool,
    },
    /// What happens to frames that an end sends.
    Change {
        /// The end.
        end: usize,
        /// What happens to them.
        impairment: Impairment,
        /// What vanishes whole.
        one_way: OneWay,
    },
}

/// How the wire is after a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// By end: whether it has carrier.
    pub carrier: Vec<bool>,
}

/// A request, and where its answer goes.
pub(super) type Asked = (Request, Sender<Reply>);

/// Listens at `path` in a thread of its own; requests come out, and `waker` tells of them.
pub(super) fn listen(path: &Path, waker: Waker) -> io::Result<Receiver<Asked>> {
    let listener = UnixListener::bind(path)?;
    let (sender, requests) = bounded(1);
    std::thread::Builder::new()
        .name("control".to_owned())
        .spawn(move || {
            for stream in listener.incoming().flatten() {
                // Whoever says nothing sensible gets no answer.
                let _ = serve(&stream, &sender, &waker);
            }
        })?;
    Ok(requests)
}

fn serve(stream: &UnixStream, requests: &Sender<Asked>, waker: &Waker) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut line = String::new();
    BufReader::new(stream.take(REQUEST_MAX)).read_line(&mut line)?;
    let request = serde_json::from_str(&line)?;
    let (answer, answered) = bounded(1);
    requests.send((request, answer)).map_err(io::Error::other)?;
    waker.wake()?;
    let reply: Reply = answered.recv().map_err(io::Error::other)?;
    write_line(stream, &reply)
}

/// Asks the hub that listens at `path`.
///
/// # Errors
/// When it is not there, or does not answer.
pub fn call(path: &Path, request: &Request) -> io::Result<Reply> {
    let stream = UnixStream::connect(path)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    write_line(&stream, request)?;
    let mut line = String::new();
    BufReader::new(&stream).read_line(&mut line)?;
    Ok(serde_json::from_str(&line)?)
}

fn write_line(mut stream: &UnixStream, value: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    stream.write_all(&line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_and_nonsense() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("hub.sock");
        let poll = mio::Poll::new().unwrap();
        let waker = Waker::new(poll.registry(), mio::Token(0)).unwrap();
        let requests = listen(&path, waker).unwrap();
        let nonsense = UnixStream::connect(&path).unwrap();
        (&nonsense)
            .write_all(b"{\"state\": \"sideways\"}\n")
            .unwrap();
        let mut nothing = Vec::new();
        (&nonsense).read_to_end(&mut nothing).unwrap();
        assert!(nothing.is_empty());
        let change = Request::Change {
            end: 1,
            impairment: Impairment::default(),
            one_way: OneWay {
                mute: true,
                deaf: false,
            },
        };
        let caller = {
            let (path, change) = (path.clone(), change.clone());
            std::thread::spawn(move || call(&path, &change).unwrap())
        };
        let (request, answer) = requests.recv().unwrap();
        assert_eq!(request, change);
        let reply = Reply {
            carrier: vec![true, false],
        };
        answer.send(reply.clone()).unwrap();
        assert_eq!(caller.join().unwrap(), reply);
    }
}
