//! A port that is a stream socket, each frame behind its length: a VM's network card, as QEMU's `-netdev stream`
//! has it. One peer at a time; while there is none the port has no carrier.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::sys::socket::{MsgFlags, recv, send};

use super::batch::{BATCH_MAX, Batch};
use super::framing::{Decoder, LENGTH_LEN, length};
use super::segment::Segmenter;
use super::socket_file::SocketFile;
use super::watch::Watch;
use super::{Leaving, PortError, Reception, Sent};
use crate::sys::packet::set_buffers;

/// How long until the next attempt to reach a peer that is not there.
const RETRY: Duration = Duration::from_millis(250);

/// How long a peer that is out of step is kept away: its carrier should not flap at the rate of its mistakes.
const PENANCE: Duration = Duration::from_secs(1);

/// Octets that wait for a peer that is slower than we are; frames behind them are lost.
const QUEUE_MAX: usize = 256 << 10;

/// Octets the kernel keeps in each direction.
const BUFFER: libc::c_int = 1 << 20;

/// The port.
#[derive(Debug)]
pub(crate) struct Stream {
    watch: Watch,
    source: Source,
    state: Mutex<State>,
}

/// Where peers come from.
#[derive(Debug)]
enum Source {
    Listen(
        UnixListener,
        PathBuf,
        #[expect(dead_code, reason = "removed when dropped")] SocketFile,
    ),
    Connect(PathBuf),
    /// Somebody has handed it over; there is no other.
    Given,
}

#[derive(Debug)]
struct State {
    connection: Option<Connection>,
    /// Nobody is let in before the timer says so.
    is_waiting: bool,
    enabled: bool,
    /// Why the last peer went, if that was its fault.
    trouble: Option<String>,
    /// The carrier as the loop knows it.
    told: bool,
}

#[derive(Debug)]
struct Connection {
    socket: OwnedFd,
    decoder: Decoder,
    /// Frames, lengths included, that the socket has not taken yet.
    unsent: Vec<u8>,
    wants_room: bool,
    is_broken: bool,
}

/// Why a connection ends.
enum End {
    Closed,
    OutOfStep(String),
}

impl Stream {
    /// Listens at `path`.
    ///
    /// # Errors
    /// The path is taken, or cannot be made.
    pub(crate) fn listen(port: &str, path: &Path) -> Result<Self, PortError> {
        let bound = SocketFile::bind(
            path,
            |path| UnixListener::bind(path),
            |path| UnixStream::connect(path).map(drop),
        );
        bound
            .and_then(|(listener, file)| {
                listener.set_nonblocking(true)?;
                let watch = Watch::new()?;
                watch.add(listener.as_fd())?;
                Ok(Self::new(
                    watch,
                    Source::Listen(listener, path.to_owned(), file),
                ))
            })
            .map_err(|error| PortError::at(port, "listen at", path, error))
    }

    /// Connects to `path`, now or as soon as somebody listens there.
    ///
    /// # Errors
    /// No descriptors.
    pub(crate) fn connect(port: &str, path: &Path) -> Result<Self, PortError> {
        let watch =
            Watch::new().map_err(|error| PortError::new(port, "wait for its socket", error))?;
        watch.again();
        Ok(Self::new(watch, Source::Connect(path.to_owned())))
    }

    /// A stream that somebody has opened and connected.
    pub(super) fn given(socket: OwnedFd) -> io::Result<Self> {
        let stream = Self::new(Watch::new()?, Source::Given);
        {
            let mut state = stream.state();
            stream.take(&mut state, socket)?;
            state.told = true;
        }
        Ok(stream)
    }

    fn new(watch: Watch, source: Source) -> Self {
        Self {
            watch,
            source,
            state: Mutex::new(State {
                connection: None,
                is_waiting: false,
                enabled: true,
                trouble: None,
                told: false,
            }),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn descriptor(&self) -> BorrowedFd<'_> {
        self.watch.descriptor()
    }

    /// Whether there is a peer.
    pub(crate) fn has_carrier(&self) -> bool {
        self.state().connection.is_some()
    }

    /// For people.
    pub(crate) fn describe(&self) -> String {
        let state = self.state();
        let source = match &self.source {
            Source::Listen(_, path, _) => format!("listens at {}", path.display()),
            Source::Connect(path) => format!("connects to {}", path.display()),
            Source::Given => "handed over".to_owned(),
        };
        let peer = match (&state.connection, &state.trouble) {
            (Some(_), _) => "connected".to_owned(),
            (None, None) => "no peer".to_owned(),
            (None, Some(trouble)) => format!("no peer ({trouble})"),
        };
        format!("stream socket, {source}, {peer}, frames leave finished")
    }

    /// Administratively down, there is no peer.
    pub(crate) fn set_enabled(&self, enabled: bool) {
        let mut state = self.state();
        if std::mem::replace(&mut state.enabled, enabled) != enabled {
            if !enabled && !matches!(self.source, Source::Given) {
                self.hang_up(&mut state, End::Closed);
            }
            // Who wants in meanwhile is not looked at.
            if let Source::Listen(listener, ..) = &self.source {
                self.watch.remove(listener.as_fd());
            }
            self.watch.again();
        }
    }

    /// Receives at most a batch of frames; lets a peer in, or go.
    pub(crate) fn receive(&self, batch: &mut Batch) -> Reception {
        let state = &mut *self.state();
        if self.watch.clear() {
            state.is_waiting = false;
        }
        batch.clear();
        if state.connection.is_none() && state.enabled && !state.is_waiting {
            self.find_peer(state);
        }
        if let Some(connection) = &mut state.connection {
            let result = connection.flush(&self.watch).receive(batch);
            match result {
                Ok(()) if connection.decoder.has_next() => self.watch.again(),
                Ok(()) => {}
                Err(end) => self.hang_up(state, end),
            }
        }
        let has_carrier = state.connection.is_some();
        let changed = std::mem::replace(&mut state.told, has_carrier) != has_carrier;
        match (has_carrier, &self.source) {
            (false, Source::Given) => Reception::Gone,
            (_, _) if changed => Reception::Carrier,
            (_, _) => Reception::Done,
        }
    }

    /// Lets in who waits, or tries to connect.
    fn find_peer(&self, state: &mut State) {
        let found = match &self.source {
            Source::Listen(listener, ..) => {
                let accepted = listener.accept();
                if accepted.is_err() {
                    // It may have been unwatched while a peer was there.
                    let _ = self.watch.add(listener.as_fd());
                }
                accepted.map(|(socket, _)| socket)
            }
            Source::Connect(path) => connect(path),
            Source::Given => return,
        };
        let taken = found.and_then(|socket| self.take(state, socket.into()));
        match (&self.source, taken) {
            // Those who come meanwhile wait until this one goes.
            (Source::Listen(listener, ..), Ok(())) => self.watch.remove(listener.as_fd()),
            (Source::Listen(..), Err(error)) if error.kind() == io::ErrorKind::WouldBlock => {}
            (Source::Listen(listener, ..), Err(_)) => {
                // No descriptor for it: the listener stays readable, and is not asked again at once.
                self.watch.remove(listener.as_fd());
                self.wait(state, RETRY);
            }
            (Source::Connect(_), Err(_)) => self.wait(state, RETRY),
            (Source::Connect(_) | Source::Given, Ok(())) | (Source::Given, Err(_)) => {}
        }
    }

    fn take(&self, state: &mut State, socket: OwnedFd) -> io::Result<()> {
        // More than the default is only comfort.
        let _ = set_buffers(socket.as_fd(), BUFFER, BUFFER);
        self.watch.add(socket.as_fd())?;
        state.trouble = None;
        state.connection = Some(Connection {
            socket,
            decoder: Decoder::default(),
            unsent: Vec::new(),
            wants_room: false,
            is_broken: false,
        });
        Ok(())
    }

    fn hang_up(&self, state: &mut State, end: End) {
        let Some(connection) = state.connection.take() else {
            return;
        };
        self.watch.remove(connection.socket.as_fd());
        // A descriptor that was handed over may be open elsewhere, too.
        let _ = nix::sys::socket::shutdown(
            connection.socket.as_raw_fd(),
            nix::sys::socket::Shutdown::Both,
        );
        match (end, &self.source) {
            (End::OutOfStep(why), _) => {
                state.trouble = Some(why);
                self.wait(state, PENANCE);
            }
            (End::Closed, Source::Connect(_)) => self.wait(state, RETRY),
            (End::Closed, Source::Listen(..) | Source::Given) => self.watch.again(),
        }
    }

    fn wait(&self, state: &mut State, time: Duration) {
        state.is_waiting = true;
        self.watch.after(time);
    }

    /// Sends what leaves, finished.
    pub(crate) fn transmit(
        &self,
        batch: &Batch,
        leaving: Leaving<'_>,
        segmenter: &mut Segmenter,
    ) -> Sent {
        let mut state = self.state();
        let Some(connection) = &mut state.connection else {
            return Sent::nowhere(leaving.frames());
        };
        let mut sent = Sent::default();
        match leaving {
            Leaving::Own(frame) => sent += connection.push(&[], frame),
            Leaving::Relayed(queue) => {
                for outgoing in queue {
                    let written = batch.written(outgoing, 0);
                    let Some(offload) = batch.unfinished(outgoing) else {
                        sent += connection.push(written.head(), written.body);
                        continue;
                    };
                    match segmenter.finish(written.head(), written.body, &offload) {
                        Ok(pieces) => pieces.for_each(|piece| sent += connection.push(&[], piece)),
                        Err(_) => sent += Sent::unfinished(),
                    }
                }
            }
        }
        connection.flush(&self.watch);
        sent
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let mut state = self.state();
        self.hang_up(&mut state, End::Closed);
    }
}

impl Connection {
    /// Puts a frame behind those that wait.
    fn push(&mut self, head: &[u8], body: &[u8]) -> Sent {
        let octets = head.len() + body.len();
        let mut sent = Sent::default();
        if self.unsent.len() + LENGTH_LEN + octets > QUEUE_MAX {
            self.send();
        }
        if self.unsent.len() + LENGTH_LEN + octets > QUEUE_MAX {
            sent.full = 1;
            return sent;
        }
        self.unsent.extend_from_slice(&length(octets));
        self.unsent.extend_from_slice(head);
        self.unsent.extend_from_slice(body);
        sent.count(octets);
        sent
    }

    /// Gives the socket what it takes.
    fn send(&mut self) {
        if self.unsent.is_empty() || self.is_broken {
            return;
        }
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
        match send(self.socket.as_raw_fd(), &self.unsent, flags) {
            Ok(taken) => drop(self.unsent.drain(..taken)),
            Err(nix::Error::EAGAIN | nix::Error::EINTR | nix::Error::ENOBUFS) => {}
            Err(_) => {
                self.unsent.clear();
                self.is_broken = true;
            }
        }
    }

    /// The same, and asks to be called again when there is room for what is left.
    fn flush(&mut self, watch: &Watch) -> &mut Self {
        self.send();
        if self.is_broken {
            watch.again();
        }
        let wants_room = !self.unsent.is_empty();
        if std::mem::replace(&mut self.wants_room, wants_room) != wants_room {
            watch.want_room(self.socket.as_fd(), wants_room);
        }
        self
    }

    fn receive(&mut self, batch: &mut Batch) -> Result<(), End> {
        let mut is_over = self.is_broken;
        if !self.decoder.has_next() {
            match recv(
                self.socket.as_raw_fd(),
                self.decoder.room(),
                MsgFlags::MSG_DONTWAIT,
            ) {
                Ok(0) => is_over = true,
                Ok(octets) => self.decoder.filled(octets),
                Err(nix::Error::EAGAIN | nix::Error::EINTR) => {}
                Err(_) => is_over = true,
            }
        }
        let mut lens = [0; BATCH_MAX];
        let mut frames = 0;
        let mut bad = None;
        for (place, len) in batch.places(0).into_iter().zip(&mut lens) {
            match self.decoder.frame() {
                Ok(Some(frame)) => {
                    // QEMU may send more than a place holds; the batch counts that as oversize.
                    *len = frame.len();
                    let kept = frame.len().min(place.len());
                    place[..kept].copy_from_slice(&frame[..kept]);
                    frames += 1;
                }
                Ok(None) => break,
                Err(error) => {
                    bad = Some(error);
                    break;
                }
            }
        }
        for (place, &len) in lens[..frames].iter().enumerate() {
            batch.accept(place, len, 0, None);
        }
        if let Some(bad) = bad {
            batch.malform();
            return Err(End::OutOfStep(format!("out of step: {bad}")));
        }
        if is_over && !self.decoder.has_next() {
            if self.decoder.is_in_frame() {
                batch.malform();
            }
            return Err(End::Closed);
        }
        Ok(())
    }
}

/// A connection to `path` without waiting: who listens there and does not accept is not there.
fn connect(path: &Path) -> io::Result<UnixStream> {
    use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket};
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
    connect(socket.as_raw_fd(), &UnixAddr::new(path)?)?;
    Ok(socket.into())
}
