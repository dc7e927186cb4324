//! The control thread: serves every client without ever waiting for one.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::time::{ClockId, clock_gettime};

use super::events::{self, EventSink, EventSource};
use super::history::History;
use super::session::Session;
use super::socket::{ControlSocket, SocketError};
use super::waker::Waker;
use super::{Error, ErrorCode, Greeting, PROTOCOL, Reply, Request, Responder};

/// Clients at a time. One more takes the place of an idle one, or is turned away.
pub const CLIENTS_MAX: usize = 64;

/// How long a client must have done nothing before a new one may take its place.
const IDLE_MIN: Duration = Duration::from_secs(5);

/// Connections taken a turn.
const ACCEPTS_MAX: usize = 16;

/// How long no connection is taken after the kernel refused one (descriptors exhausted).
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Answers on their way: each client has one request under way at most.
const ANSWERS_IN_FLIGHT: usize = 2 * CLIENTS_MAX;

/// The control socket of one switch, which nobody serves yet: clients wait. Dropped, its file goes.
pub struct Unserved(Control);

/// The control thread of one switch. Dropped, it stops and its socket file goes.
#[derive(Debug)]
pub struct Server {
    stop: Arc<AtomicBool>,
    waker: Arc<Waker>,
    thread: Option<JoinHandle<()>>,
}

impl Unserved {
    /// Makes the socket of the switch `name` in `run_dir`: from now on another of this name is refused.
    ///
    /// Requests will go to `requests` and `wake` is called after each; the loop carries them out with
    /// [`execute`](super::execute()) and answers through the [`Responder`]. A full channel refuses the request: a
    /// bound of [`CLIENTS_MAX`] is never full. Events of the switch go into the sink returned.
    ///
    /// # Errors
    /// A live switch has the name, or the kernel refuses directory or socket.
    pub fn bind(
        run_dir: &Path,
        name: &str,
        requests: Sender<Request>,
        wake: impl Fn() + Send + 'static,
    ) -> Result<(Self, EventSink), SocketError> {
        let socket = ControlSocket::create(run_dir, name)?;
        let waker = Waker::new().map_err(|errno| SocketError::Io {
            path: super::socket_path(run_dir, name),
            error: errno.into(),
        })?;
        let waker = Arc::new(waker);
        let (sink, source) = events::channel(Arc::clone(&waker));
        let (answers_in, answers) = crossbeam_channel::bounded(ANSWERS_IN_FLIGHT);
        let wake_self = Arc::clone(&waker);
        let control = Control {
            socket,
            greeting: Greeting {
                switchd: env!("CARGO_PKG_VERSION").to_owned(),
                protocol: PROTOCOL,
                name: name.to_owned(),
                pid: std::process::id(),
            },
            waker,
            stop: Arc::new(AtomicBool::new(false)),
            source,
            history: History::new(),
            answers,
            answers_in,
            wake_self: Arc::new(move || wake_self.wake()),
            requests,
            wake_loop: Box::new(wake),
            sessions: BTreeMap::new(),
            next_ticket: 0,
            accept_after: Duration::ZERO,
        };
        Ok((Self(control), sink))
    }

    /// Serves it on a thread of its own.
    ///
    /// # Errors
    /// The kernel refuses a thread.
    pub fn serve(self) -> io::Result<Server> {
        let Self(control) = self;
        let (stop, waker) = (Arc::clone(&control.stop), Arc::clone(&control.waker));
        let thread = std::thread::Builder::new()
            .name("control".to_owned())
            .spawn(move || control.run())?;
        Ok(Server {
            stop,
            waker,
            thread: Some(thread),
        })
    }
}

impl std::fmt::Debug for Unserved {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Unserved").field(&self.0.socket).finish()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        self.waker.wake();
        if let Some(thread) = self.thread.take() {
            // A panic of the control thread was reported by the panic hook; the switch itself goes on.
            let _ = thread.join();
        }
    }
}

/// CLOCK_MONOTONIC; only used to see how long clients were idle.
fn monotonic() -> Duration {
    clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(Duration::ZERO, Duration::from)
}

struct Control {
    socket: ControlSocket,
    greeting: Greeting,
    waker: Arc<Waker>,
    stop: Arc<AtomicBool>,
    source: EventSource,
    history: History,
    answers: Receiver<(u64, Result<Reply, Error>)>,
    answers_in: Sender<(u64, Result<Reply, Error>)>,
    wake_self: Arc<dyn Fn() + Send + Sync>,
    requests: Sender<Request>,
    wake_loop: Box<dyn Fn() + Send>,
    /// By ticket; tickets are never used twice, so a late answer cannot reach the wrong client.
    sessions: BTreeMap<u64, Session>,
    next_ticket: u64,
    accept_after: Duration,
}

impl Control {
    fn run(mut self) {
        let mut scratch = vec![0; 16 * 1024];
        while !self.stop.load(Ordering::SeqCst) {
            self.wait_and_read(&mut scratch);
            self.take_events();
            self.take_answers();
            self.accept();
            self.advance();
        }
        // What the last turn produced still goes out, as far as readers take it at once.
        self.take_events();
        self.take_answers();
        self.advance();
    }

    /// Sleeps until something happens, then reads from every client that has sent.
    fn wait_and_read(&mut self, scratch: &mut [u8]) {
        self.waker.going_to_sleep();
        let busy = !self.answers.is_empty()
            || !self.source.is_empty()
            || self.stop.load(Ordering::SeqCst)
            || self
                .sessions
                .values()
                .any(|session| session.has_more(&self.history));
        let paused = self.accept_after > monotonic();
        let timeout = match (busy, paused) {
            (true, _) => PollTimeout::ZERO,
            (false, true) => PollTimeout::try_from(ACCEPT_PAUSE).unwrap_or(PollTimeout::MAX),
            (false, false) => PollTimeout::NONE,
        };
        let mut fds = Vec::with_capacity(2 + self.sessions.len());
        fds.push(PollFd::new(self.waker.as_fd(), PollFlags::POLLIN));
        let listening = if paused {
            PollFlags::empty()
        } else {
            PollFlags::POLLIN
        };
        fds.push(PollFd::new(self.socket.listener.as_fd(), listening));
        for session in self.sessions.values() {
            let mut interest = PollFlags::empty();
            interest.set(PollFlags::POLLIN, session.wants_input());
            interest.set(PollFlags::POLLOUT, session.wants_output());
            fds.push(PollFd::new(session.stream().as_fd(), interest));
        }
        // EINTR and the like: look at everybody's results as "nothing" and come round again.
        let polled = poll(&mut fds, timeout).is_ok();
        let ready: Vec<PollFlags> = fds
            .iter()
            .skip(2)
            .map(|fd| {
                fd.revents()
                    .filter(|_| polled)
                    .unwrap_or(PollFlags::empty())
            })
            .collect();
        self.waker.awake();
        let now = monotonic();
        for (session, ready) in self.sessions.values_mut().zip(ready) {
            if ready.contains(PollFlags::POLLIN) {
                session.read(scratch, now);
            } else if ready.intersects(PollFlags::POLLHUP | PollFlags::POLLERR) {
                session.hang_up();
            }
        }
    }

    fn take_events(&mut self) {
        let (records, happened_below) = self.source.take();
        for record in records {
            self.history.push(record);
        }
        self.history.happened_below(happened_below);
    }

    fn take_answers(&mut self) {
        while let Ok((ticket, result)) = self.answers.try_recv() {
            if let Some(session) = self.sessions.get_mut(&ticket) {
                session.answered(result);
            }
        }
    }

    fn accept(&mut self) {
        let now = monotonic();
        if now < self.accept_after {
            return;
        }
        for _ in 0..ACCEPTS_MAX {
            match self.socket.listener.accept() {
                Ok((stream, _)) if stream.set_nonblocking(true).is_ok() => {
                    let mut session = Session::new(stream, &self.greeting, now);
                    if self.sessions.len() < CLIENTS_MAX || self.displace(now) {
                        self.sessions.insert(self.next_ticket, session);
                        self.next_ticket += 1;
                    } else {
                        session.turn_away(&Error::new(
                            ErrorCode::Full,
                            format!("{CLIENTS_MAX} clients are connected already"),
                        ));
                        session.write(now);
                    }
                }
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => {
                    self.accept_after = now + ACCEPT_PAUSE;
                    return;
                }
            }
        }
    }

    /// Shows the client that was idle longest the door; whether there was one.
    fn displace(&mut self, now: Duration) -> bool {
        let idle = self
            .sessions
            .iter()
            .filter(|(_, session)| session.is_idle() && now >= session.moved_at + IDLE_MIN)
            .min_by_key(|(_, session)| session.moved_at)
            .map(|(&ticket, _)| ticket);
        idle.is_some_and(|ticket| self.sessions.remove(&ticket).is_some())
    }

    fn advance(&mut self) {
        let now = monotonic();
        let mut asked = false;
        for (&ticket, session) in &mut self.sessions {
            if let Some(command) = session.advance(&self.history) {
                let responder =
                    Responder::new(ticket, self.answers_in.clone(), Arc::clone(&self.wake_self));
                // Refused (full, or the loop is gone): the responder's drop answers for it.
                asked |= self
                    .requests
                    .try_send(Request::new(command, responder))
                    .is_ok();
            }
            session.write(now);
        }
        self.sessions.retain(|_, session| !session.is_over());
        if asked {
            (self.wake_loop)();
        }
    }
}
