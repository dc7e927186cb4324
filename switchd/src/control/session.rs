//! One client of the control socket: what it sent, what it is owed, how far it has read the events.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};

use super::codec::{self, LineBuffer};
use super::history::{History, Piece};
use super::{Command, Error, ErrorCode, Greeting, MacFilter, Reply};

/// Octets owed to a client beyond which nothing more is produced for it until it reads: a reader that stopped
/// costs this much and one answer more.
const OWED_MAX: usize = 256 * 1024;

/// Octets taken from a client a turn, so that a flood from one leaves time for the others.
const READ_MAX: usize = 16 * 1024;

/// What a session waits for.
#[derive(Debug)]
enum Waiting {
    /// Nothing: the next line may be looked at.
    Idle,
    /// The loop's answer to a plain request.
    Answer { id: u64 },
    /// The loop's next page of a listing.
    Page {
        id: u64,
        filter: MacFilter,
        total: u64,
    },
    /// The client's reading, before the next page is asked for.
    Room {
        id: u64,
        filter: MacFilter,
        total: u64,
        cursor: u64,
    },
}

/// A connected client.
#[derive(Debug)]
pub(super) struct Session {
    stream: UnixStream,
    input: LineBuffer,
    owed: BytesMut,
    waiting: Waiting,
    /// The number of the next event this client gets, once it asked for events.
    subscribed: Option<u64>,
    /// Lines may wait in `input` because too much is owed.
    held_back: bool,
    /// The client sends no more; it may still read.
    input_ended: bool,
    /// Nothing more will be taken from it: once what is owed is written, it goes.
    closing: bool,
    /// The connection is gone.
    dead: bool,
    /// When octets last moved, either way.
    pub(super) moved_at: Duration,
}

impl Session {
    /// A new client, greeted. `stream` is non-blocking.
    pub(super) fn new(stream: UnixStream, greeting: &Greeting, now: Duration) -> Self {
        let mut session = Self {
            stream,
            input: LineBuffer::default(),
            owed: BytesMut::new(),
            waiting: Waiting::Idle,
            subscribed: None,
            held_back: false,
            input_ended: false,
            closing: false,
            dead: false,
            moved_at: now,
        };
        session.owe(&codec::encode_greeting(greeting));
        session
    }

    pub(super) const fn stream(&self) -> &UnixStream {
        &self.stream
    }

    /// Whether the session is over and can be dropped.
    pub(super) fn is_over(&self) -> bool {
        let served = self.owed.is_empty() && matches!(self.waiting, Waiting::Idle);
        let silent = self.input_ended && self.subscribed.is_none();
        self.dead || (served && (self.closing || silent))
    }

    /// Whether the client may send: it is neither waited for nor behind with reading.
    pub(super) fn wants_input(&self) -> bool {
        let idle = matches!(self.waiting, Waiting::Idle);
        idle && !self.input_ended && !self.closing && self.has_room()
    }

    /// Whether something is owed to the client.
    pub(super) fn wants_output(&self) -> bool {
        !self.owed.is_empty()
    }

    /// Whether the client does nothing it could be missed for: it may be shown the door for a new one.
    pub(super) fn is_idle(&self) -> bool {
        let stuck = !self.owed.is_empty();
        let silent = matches!(self.waiting, Waiting::Idle) && self.subscribed.is_none();
        stuck || silent
    }

    fn has_room(&self) -> bool {
        self.owed.len() < OWED_MAX
    }

    fn owe(&mut self, line: &[u8]) {
        self.owed.extend_from_slice(line);
    }

    /// No place for this client: it is told why, and goes.
    pub(super) fn turn_away(&mut self, error: &Error) {
        self.owe(&codec::encode_error(None, error));
        self.closing = true;
    }

    /// The peer is gone in both directions.
    pub(super) const fn hang_up(&mut self) {
        self.dead = true;
    }

    /// Takes what the client sent, a bounded piece.
    pub(super) fn read(&mut self, scratch: &mut [u8], now: Duration) {
        let room = scratch.len().min(READ_MAX);
        match self.stream.read(&mut scratch[..room]) {
            Ok(0) => self.input_ended = true,
            Ok(length) => {
                self.moved_at = now;
                self.input.push(&scratch[..length]);
            }
            Err(error) => self.failed(&error),
        }
    }

    /// Writes what is owed, as far as the kernel takes it.
    pub(super) fn write(&mut self, now: Duration) {
        while !self.owed.is_empty() && !self.dead {
            match self.stream.write(&self.owed) {
                Ok(0) => self.dead = true,
                Ok(length) => {
                    self.moved_at = now;
                    self.owed.advance(length);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) => self.failed(&error),
            }
        }
    }

    fn failed(&mut self, error: &io::Error) {
        let passing = matches!(
            error.kind(),
            io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
        );
        self.dead |= !passing;
    }

    /// Goes on with what can go on: lines into requests, events into lines. Returns a command for the loop, of
    /// which a session has one under way at most.
    pub(super) fn advance(&mut self, history: &History) -> Option<Command> {
        self.held_back = false;
        self.feed_events(history);
        if let Waiting::Room { .. } = self.waiting {
            return self.next_page();
        }
        while matches!(self.waiting, Waiting::Idle) && !self.closing && self.has_room() {
            let command = match self.input.line() {
                Ok(Some(line)) => self.request(&line, history),
                Ok(None) => return None,
                Err(error) => {
                    let error = Error::new(ErrorCode::BadRequest, error.to_string());
                    self.turn_away(&error);
                    return None;
                }
            };
            if command.is_some() {
                return command;
            }
        }
        self.held_back = !self.has_room();
        None
    }

    /// Whether a further call of [`advance`](Self::advance) would do something without new input.
    pub(super) fn has_more(&self, history: &History) -> bool {
        let events = self.subscribed.is_some_and(|next| next < history.next());
        let page = matches!(self.waiting, Waiting::Room { .. });
        self.has_room() && !self.dead && (events || page || self.held_back)
    }

    fn request(&mut self, line: &Bytes, history: &History) -> Option<Command> {
        if line.iter().all(u8::is_ascii_whitespace) {
            return None;
        }
        let (id, command) = match codec::decode_request(line) {
            Ok(request) => request,
            Err(bad) => {
                self.owe(&codec::encode_error(bad.id, &bad.error));
                return None;
            }
        };
        if let Command::Events { since } = command {
            let next = history.next();
            self.subscribed = Some(since.unwrap_or(next));
            self.owe(&codec::encode_ok(id, &Reply::Events { next }));
            self.feed_events(history);
            return None;
        }
        if let Command::ShowMac(filter) = command {
            return Some(self.ask_page(id, filter, 0, 0));
        }
        self.waiting = Waiting::Answer { id };
        Some(command)
    }

    fn ask_page(&mut self, id: u64, filter: MacFilter, total: u64, cursor: u64) -> Command {
        self.waiting = Waiting::Page {
            id,
            filter: filter.clone(),
            total,
        };
        Command::ShowMacPage {
            filter,
            cursor,
            limit: Command::PAGE_MAX,
        }
    }

    fn next_page(&mut self) -> Option<Command> {
        if !self.has_room() {
            return None;
        }
        match std::mem::replace(&mut self.waiting, Waiting::Idle) {
            Waiting::Room {
                id,
                filter,
                total,
                cursor,
            } => Some(self.ask_page(id, filter, total, cursor)),
            other @ (Waiting::Idle | Waiting::Answer { .. } | Waiting::Page { .. }) => {
                self.waiting = other;
                None
            }
        }
    }

    /// The loop's answer to the command under way.
    pub(super) fn answered(&mut self, result: Result<Reply, Error>) {
        match (std::mem::replace(&mut self.waiting, Waiting::Idle), result) {
            (Waiting::Page { id, filter, total }, Ok(Reply::MacPage { entries, cursor })) => {
                self.page(id, filter, total, &entries, cursor);
            }
            (Waiting::Answer { id } | Waiting::Page { id, .. }, Ok(reply)) => {
                self.owe(&codec::encode_ok(id, &reply));
            }
            (Waiting::Answer { id } | Waiting::Page { id, .. }, Err(error)) => {
                self.owe(&codec::encode_error(Some(id), &error));
            }
            // No command under way: nothing was asked, so nothing is told.
            (waiting @ (Waiting::Idle | Waiting::Room { .. }), _) => self.waiting = waiting,
        }
    }

    fn page(
        &mut self,
        id: u64,
        filter: MacFilter,
        total: u64,
        entries: &[super::MacEntry],
        cursor: Option<u64>,
    ) {
        let total = total + entries.len() as u64;
        if !entries.is_empty() {
            self.owe(&codec::encode_part(id, &entries));
        }
        match cursor {
            Some(cursor) => {
                self.waiting = Waiting::Room {
                    id,
                    filter,
                    total,
                    cursor,
                };
            }
            None => {
                let entries = Vec::new();
                self.owe(&codec::encode_ok(id, &Reply::MacTable { entries, total }));
            }
        }
    }

    fn feed_events(&mut self, history: &History) {
        let Some(mut wanted) = self.subscribed else {
            return;
        };
        while self.has_room() {
            match history.read(wanted) {
                Some(Piece::Event { line, next }) => {
                    self.owe(&line);
                    wanted = next;
                }
                Some(Piece::Lost { to }) => {
                    self.owe(&codec::encode_lost(wanted, to));
                    wanted = to + 1;
                }
                None => break,
            }
        }
        self.subscribed = Some(wanted);
    }
}
