//! The migration stream: framed, versioned, every length bounded.
//!
//! A message is a 32-bit big-endian length of what follows, one octet of kind, and the body.

use crate::guest::memory::{PAGE, PAGES_MAX};

/// Version of this protocol; the other side must have the same.
pub const VERSION: u16 = 1;
/// Pages in one message, at most.
pub const PAGES_PER_MESSAGE: usize = 16;
/// Longest checkpoint, octets.
pub const STATE_MAX: usize = 64 * 1024;
/// Longest reason of a refusal, octets; longer ones are cut.
pub const REASON_MAX: usize = 512;

const MAGIC: [u8; 4] = *b"ALGV";
const ENTRY: usize = 4 + PAGE;
/// Longest message, kind included: the body of a full `Pages`.
const LENGTH_MAX: usize = 1 + PAGES_PER_MESSAGE * ENTRY;

/// One message, borrowed from where it arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message<'a> {
    /// Source: a machine of this size wants to come.
    Hello {
        /// Pages of its memory, 1..=[`PAGES_MAX`].
        pages: u32,
    },
    /// Target: send it.
    Accept,
    /// Source: memory.
    Pages(PageList<'a>),
    /// Source: this round's pages are all sent.
    RoundEnd {
        /// Number of the round, from 1.
        round: u32,
    },
    /// Target: this round's pages are all installed.
    RoundDone {
        /// Number of the round.
        round: u32,
    },
    /// Source: the machine has stopped; everything but the memory.
    State {
        /// Digest of its memory.
        digest: u64,
        /// The checkpoint, JSON.
        checkpoint: &'a [u8],
    },
    /// Target: the machine is built and could run.
    Ready {
        /// Digest of the memory as installed.
        digest: u64,
    },
    /// Source: it is yours.
    Go,
    /// Target: it runs.
    Resumed {
        /// CLOCK_MONOTONIC of the target when it resumed.
        time_ns: u64,
    },
    /// Target: it cannot be; the source keeps it.
    Refused {
        /// Why, for people.
        reason: &'a str,
    },
}

/// The pages of one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageList<'a>(&'a [u8]);

impl<'a> PageList<'a> {
    /// Index and content of each page.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &'a [u8])> {
        self.0.chunks_exact(ENTRY).map(|entry| {
            let (index, content) = entry.split_at(4);
            let index = index.try_into().expect("split at four");
            (u32::from_be_bytes(index), content)
        })
    }
}

/// Why a stream is not this protocol's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProtocolError {
    /// A length outside 1..=the longest message.
    #[error("message of {0} octets, the longest has {LENGTH_MAX}")]
    Length(u32),
    /// An unknown kind.
    #[error("unknown message kind {0}")]
    Kind(u8),
    /// A body that does not fit its kind.
    #[error("malformed {0} message")]
    Body(&'static str),
    /// The other side is no migration peer.
    #[error("not a migration stream")]
    Magic,
    /// Another version.
    #[error("protocol version {0}, here is {VERSION}")]
    Version(u16),
}

/// Appends a message to `out`. A reason is cut at [`REASON_MAX`].
pub fn encode(message: &Message<'_>, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    match *message {
        Message::Hello { pages } => {
            out.push(1);
            out.extend_from_slice(&MAGIC);
            out.extend_from_slice(&VERSION.to_be_bytes());
            out.extend_from_slice(&pages.to_be_bytes());
        }
        Message::Accept => out.push(2),
        Message::Pages(list) => {
            out.push(3);
            out.extend_from_slice(list.0);
        }
        Message::RoundEnd { round } => number(out, 4, &round.to_be_bytes()),
        Message::RoundDone { round } => number(out, 5, &round.to_be_bytes()),
        Message::State { digest, checkpoint } => {
            number(out, 6, &digest.to_be_bytes());
            out.extend_from_slice(checkpoint);
        }
        Message::Ready { digest } => number(out, 7, &digest.to_be_bytes()),
        Message::Go => out.push(8),
        Message::Resumed { time_ns } => number(out, 9, &time_ns.to_be_bytes()),
        Message::Refused { reason } => {
            out.push(10);
            out.extend_from_slice(cut(reason).as_bytes());
        }
    }
    finish(out, start);
}

/// Appends one `Pages` message of pages from `next`, at most [`PAGES_PER_MESSAGE`]; returns how
/// many. Nothing is appended for none.
pub fn encode_pages<'p>(
    mut next: impl FnMut() -> Option<(u32, &'p [u8])>,
    out: &mut Vec<u8>,
) -> usize {
    let start = out.len();
    let mut count = 0;
    while count < PAGES_PER_MESSAGE {
        let Some((index, content)) = next() else {
            break;
        };
        if count == 0 {
            out.extend_from_slice(&[0, 0, 0, 0, 3]);
        }
        out.extend_from_slice(&index.to_be_bytes());
        out.extend_from_slice(content);
        count += 1;
    }
    if count > 0 {
        finish(out, start);
    }
    count
}

/// The longest start of `reason` that fits [`REASON_MAX`].
fn cut(reason: &str) -> &str {
    let mut end = reason.len().min(REASON_MAX);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    &reason[..end]
}

fn number(out: &mut Vec<u8>, kind: u8, value: &[u8]) {
    out.push(kind);
    out.extend_from_slice(value);
}

fn finish(out: &mut [u8], start: usize) {
    let length = u32::try_from(out.len() - start - 4).expect("messages are bounded");
    out[start..start + 4].copy_from_slice(&length.to_be_bytes());
}

/// Collects octets into messages. Holds at most one message and what came with it.
#[derive(Debug, Default)]
pub struct Decoder {
    buffer: Vec<u8>,
    start: usize,
}

impl Decoder {
    /// Adds octets that arrived.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.start);
        self.start = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole message, if there is one. After an error the stream is lost.
    ///
    /// # Errors
    ///
    /// When the octets are not this protocol's; a bad length is seen before anything is kept for it.
    pub fn message(&mut self) -> Result<Option<Message<'_>>, ProtocolError> {
        let rest = &self.buffer[self.start..];
        let Some((length, rest)) = rest.split_first_chunk() else {
            return Ok(None);
        };
        let length = u32::from_be_bytes(*length);
        let octets = length as usize;
        if octets == 0 || octets > LENGTH_MAX {
            return Err(ProtocolError::Length(length));
        }
        if rest.len() < octets {
            return Ok(None);
        }
        let at = self.start + 4;
        self.start = at + octets;
        parse(self.buffer[at], &self.buffer[at + 1..at + octets]).map(Some)
    }
}

fn parse(kind: u8, body: &[u8]) -> Result<Message<'_>, ProtocolError> {
    let word = |name| body.try_into().map_err(|_| ProtocolError::Body(name));
    let long = |name| body.try_into().map_err(|_| ProtocolError::Body(name));
    Ok(match kind {
        1 => hello(body)?,
        2 if body.is_empty() => Message::Accept,
        2 => return Err(ProtocolError::Body("Accept")),
        3 if !body.is_empty() && body.len().is_multiple_of(ENTRY) => Message::Pages(PageList(body)),
        3 => return Err(ProtocolError::Body("Pages")),
        4 => Message::RoundEnd {
            round: u32::from_be_bytes(word("RoundEnd")?),
        },
        5 => Message::RoundDone {
            round: u32::from_be_bytes(word("RoundDone")?),
        },
        6 => {
            let (digest, checkpoint) = body
                .split_first_chunk()
                .filter(|(_, checkpoint)| checkpoint.len() <= STATE_MAX)
                .ok_or(ProtocolError::Body("State"))?;
            let digest = u64::from_be_bytes(*digest);
            Message::State { digest, checkpoint }
        }
        7 => Message::Ready {
            digest: u64::from_be_bytes(long("Ready")?),
        },
        8 if body.is_empty() => Message::Go,
        8 => return Err(ProtocolError::Body("Go")),
        9 => Message::Resumed {
            time_ns: u64::from_be_bytes(long("Resumed")?),
        },
        10 => Message::Refused {
            reason: core::str::from_utf8(body)
                .ok()
                .filter(|reason| reason.len() <= REASON_MAX)
                .ok_or(ProtocolError::Body("Refused"))?,
        },
        unknown => return Err(ProtocolError::Kind(unknown)),
    })
}

fn hello(body: &[u8]) -> Result<Message<'static>, ProtocolError> {
    let body: [u8; 10] = body.try_into().map_err(|_| ProtocolError::Body("Hello"))?;
    let [a, b, c, d, v, w, pages @ ..] = body;
    if [a, b, c, d] != MAGIC {
        return Err(ProtocolError::Magic);
    }
    let version = u16::from_be_bytes([v, w]);
    if version != VERSION {
        return Err(ProtocolError::Version(version));
    }
    let pages = u32::from_be_bytes(pages);
    if pages == 0 || pages > PAGES_MAX {
        return Err(ProtocolError::Body("Hello"));
    }
    Ok(Message::Hello { pages })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all() -> Vec<Message<'static>> {
        vec![
            Message::Hello { pages: 9 },
            Message::Accept,
            Message::Pages(PageList(&[7; 2 * ENTRY])),
            Message::RoundEnd { round: 3 },
            Message::RoundDone { round: 3 },
            Message::State {
                digest: u64::MAX,
                checkpoint: b"{}",
            },
            Message::Ready { digest: 1 },
            Message::Go,
            Message::Resumed { time_ns: 5 },
            Message::Refused { reason: "no" },
        ]
    }

    #[test]
    fn lengths_are_refused_before_anything_is_kept_for_them() {
        let mut decoder = Decoder::default();
        decoder.feed(&u32::MAX.to_be_bytes());
        assert_eq!(decoder.message(), Err(ProtocolError::Length(u32::MAX)));
        let mut decoder = Decoder::default();
        decoder.feed(&[0; 4]);
        assert_eq!(decoder.message(), Err(ProtocolError::Length(0)));
    }

    #[test]
    fn another_version_and_another_protocol_are_named() {
        let mut bytes = Vec::new();
        encode(&Message::Hello { pages: 9 }, &mut bytes);
        bytes[10] = 2;
        let mut decoder = Decoder::default();
        decoder.feed(&bytes);
        assert_eq!(decoder.message(), Err(ProtocolError::Version(2)));
        bytes[5] = b'X';
        let mut decoder = Decoder::default();
        decoder.feed(&bytes);
        assert_eq!(decoder.message(), Err(ProtocolError::Magic));
    }

    proptest! {
        #[test]
        fn messages_survive_any_cutting(cuts in proptest::collection::vec(1usize..5000, 1..50)) {
            let mut bytes = Vec::new();
            for message in all() {
                encode(&message, &mut bytes);
            }
            let mut decoder = Decoder::default();
            let mut expected = all().into_iter();
            let mut rest = &bytes[..];
            for cut in cuts.into_iter().cycle() {
                let (now, later) = rest.split_at(cut.min(rest.len()));
                decoder.feed(now);
                while let Some(message) = decoder.message().expect("good bytes") {
                    prop_assert_eq!(Some(message), expected.next());
                }
                rest = later;
                if rest.is_empty() {
                    break;
                }
            }
            prop_assert_eq!(expected.next(), None);
        }

        #[test]
        fn arbitrary_bytes_give_messages_or_a_reason(
            bytes in proptest::collection::vec(any::<u8>(), 0..300),
            kind in 0u8..12,
            body in proptest::collection::vec(any::<u8>(), 0..40),
        ) {
            let mut framed = u32::try_from(body.len() + 1).unwrap().to_be_bytes().to_vec();
            framed.push(kind);
            framed.extend(body);
            for bytes in [bytes, framed] {
                let mut decoder = Decoder::default();
                decoder.feed(&bytes);
                while let Ok(Some(_)) = decoder.message() {}
            }
        }
    }
}
