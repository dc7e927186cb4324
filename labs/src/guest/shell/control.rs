//! The control socket: requests in, answers and events out, one JSON object a line.
//!
//! On connecting a client is greeted with `{"guest":NAME,"protocol":1,"state":…}`. A request is
//! answered by `{"ok":…}` or `{"error":…}`; whatever happens to the machine is told to all clients
//! as `{"event":…,"time_ns":…}`. A client that does not read is disconnected.

use mio::net::{UnixListener, UnixStream};
use mio::{Interest, Registry, Token};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::io::{self, Read, Write};
use std::net::SocketAddrV4;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::migrate::Limits;

const CLIENTS_MAX: usize = 4;
const LINE_MAX: usize = 4096;
const BACKLOG_MAX: usize = 256 * 1024;

/// What a guest can be asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Request {
    /// Figures about the machine.
    Status,
    /// Move to the host that waits at `to`.
    Migrate {
        /// Where a `labs guest --incoming` listens.
        to: SocketAddrV4,
        /// What the move may use.
        #[serde(default)]
        limits: Limits,
    },
    /// Tell the network where the machine is, as after a move.
    Announce,
    /// End the process: the plug is pulled.
    Quit,
}

#[derive(Debug)]
struct Client {
    stream: UnixStream,
    arrived: Vec<u8>,
    backlog: Vec<u8>,
}

/// The listening socket and its clients.
#[derive(Debug)]
pub(super) struct Control {
    listener: UnixListener,
    path: PathBuf,
    clients: [Option<Client>; CLIENTS_MAX],
    first: usize,
}

impl Control {
    /// Listens at `path`, mode 0600, with tokens `first` (the listener) and the four after it. A
    /// socket that nobody serves any more is replaced.
    pub(super) fn open(path: &Path, first: usize, registry: &Registry) -> anyhow::Result<Self> {
        if std::os::unix::net::UnixStream::connect(path).is_ok() {
            anyhow::bail!("{} is in use by a running guest", path.display());
        }
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            Ok(()) | Err(_) => {}
        }
        let mut listener = UnixListener::bind(path)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
        registry.register(&mut listener, Token(first), Interest::READABLE)?;
        Ok(Self {
            listener,
            path: path.to_owned(),
            clients: Default::default(),
            first,
        })
    }

    /// Accepts clients; each gets `greeting` first. One too many is turned away.
    pub(super) fn accept(&mut self, registry: &Registry, greeting: &Value) {
        while let Ok((mut stream, _)) = self.listener.accept() {
            let Some(index) = self.clients.iter().position(Option::is_none) else {
                continue;
            };
            let token = Token(self.first + 1 + index);
            let interest = Interest::READABLE | Interest::WRITABLE;
            if registry.register(&mut stream, token, interest).is_ok() {
                self.clients[index] = Some(Client {
                    stream,
                    arrived: Vec::new(),
                    backlog: Vec::new(),
                });
                self.send(index, greeting);
            }
        }
    }

    /// Number of the client with this token, if it is one's.
    pub(super) fn client(&self, token: Token) -> Option<usize> {
        let index = token.0.checked_sub(self.first + 1)?;
        (index < CLIENTS_MAX).then_some(index)
    }

    /// Requests that arrived from client `index`, each as read or as the error to answer.
    pub(super) fn receive(&mut self, index: usize) -> Vec<Result<Request, String>> {
        let mut requests = Vec::new();
        let Some(client) = &mut self.clients[index] else {
            return requests;
        };
        let mut buffer = [0; LINE_MAX];
        loop {
            let gone = match client.stream.read(&mut buffer) {
                Ok(0) => true,
                Ok(count) => {
                    client.arrived.extend_from_slice(&buffer[..count]);
                    while let Some(end) = client.arrived.iter().position(|o| *o == b'\n') {
                        let line: Vec<u8> = client.arrived.drain(..=end).collect();
                        let request = serde_json::from_slice(&line);
                        requests.push(request.map_err(|error| error.to_string()));
                    }
                    client.arrived.len() > LINE_MAX
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(_) => true,
            };
            if gone {
                self.clients[index] = None;
                break;
            }
        }
        self.flush(index);
        requests
    }

    /// Sends `line` to client `index`.
    pub(super) fn send(&mut self, index: usize, line: &Value) {
        if let Some(client) = &mut self.clients[index] {
            client
                .backlog
                .extend_from_slice(line.to_string().as_bytes());
            client.backlog.push(b'\n');
            self.flush(index);
        }
    }

    /// Sends `line` to all clients.
    pub(super) fn broadcast(&mut self, line: &Value) {
        for index in 0..CLIENTS_MAX {
            self.send(index, line);
        }
    }

    fn flush(&mut self, index: usize) {
        let Some(client) = &mut self.clients[index] else {
            return;
        };
        while !client.backlog.is_empty() {
            match client.stream.write(&client.backlog) {
                Ok(count) => {
                    client.backlog.drain(..count);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(_) => {
                    self.clients[index] = None;
                    return;
                }
            }
        }
        if client.backlog.len() > BACKLOG_MAX {
            self.clients[index] = None;
        }
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        let _may_be_gone = std::fs::remove_file(&self.path);
    }
}
