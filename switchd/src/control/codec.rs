//! Lines of JSON, both ways. Whatever arrives becomes a typed request or a reason, never a panic.

use bytes::{Bytes, BytesMut};
use serde::Serialize;
use serde_json::{Map, Value};

use super::{Command, Error, ErrorCode, Greeting, Reply};

/// The longest request, in octets, its newline not counted.
pub const LINE_MAX: usize = 64 * 1024;

/// Cuts a stream of octets into lines. Holds at most [`LINE_MAX`] octets and what one read brought.
#[derive(Debug, Default)]
pub struct LineBuffer {
    octets: BytesMut,
    /// How far was searched for a newline already: an octet is looked at once.
    searched: usize,
}

/// A line ran past [`LINE_MAX`]; the stream cannot be trusted to find its feet again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a request is at most {LINE_MAX} octets long")]
pub struct LineTooLong;

impl LineBuffer {
    /// Takes in what was read.
    pub fn push(&mut self, octets: &[u8]) {
        self.octets.extend_from_slice(octets);
    }

    /// The next whole line without its newline, `None` if there is none yet.
    ///
    /// # Errors
    /// The line is longer than [`LINE_MAX`].
    pub fn line(&mut self) -> Result<Option<Bytes>, LineTooLong> {
        let newline = self.octets[self.searched..]
            .iter()
            .position(|&octet| octet == b'\n');
        match newline {
            Some(offset) if self.searched + offset > LINE_MAX => Err(LineTooLong),
            Some(offset) => {
                let line = self.octets.split_to(self.searched + offset).freeze();
                let _newline = self.octets.split_to(1);
                self.searched = 0;
                Ok(Some(line))
            }
            None => {
                self.searched = self.octets.len();
                match self.searched > LINE_MAX {
                    true => Err(LineTooLong),
                    false => Ok(None),
                }
            }
        }
    }

    /// Whether nothing is held, not even half a line.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.octets.is_empty()
    }
}

/// Why a line is no request, with the request's id as far as it could be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadRequest {
    /// The id, if there was one.
    pub id: Option<u64>,
    /// The reason.
    pub error: Error,
}

/// Reads one request.
///
/// # Errors
/// Not JSON, not an object, no `id`, an unknown command or key, a value of the wrong kind.
pub fn decode_request(line: &[u8]) -> Result<(u64, Command), BadRequest> {
    let refuse = |id, message: String| BadRequest {
        id,
        error: Error::new(ErrorCode::BadRequest, message),
    };
    let value: Value = serde_json::from_slice(line).map_err(|error| {
        refuse(
            None,
            format!("a request is one JSON object a line: {error}"),
        )
    })?;
    let Value::Object(mut object) = value else {
        return Err(refuse(
            None,
            "a request is a JSON object, such as {\"id\":1,\"command\":\"show-version\"}"
                .to_owned(),
        ));
    };
    let Some(id) = object.remove("id").as_ref().and_then(Value::as_u64) else {
        return Err(refuse(
            None,
            "a request carries an id, a whole number that its answer repeats".to_owned(),
        ));
    };
    let keys: Vec<String> = object.keys().cloned().collect();
    let command: Command = serde_json::from_value(Value::Object(object))
        .map_err(|error| refuse(Some(id), error.to_string()))?;
    match unknown_key(&keys, &command) {
        Some(key) => Err(refuse(Some(id), format!("unknown key '{key}'"))),
        None => Ok((id, command)),
    }
}

/// The first key that the command does not have. Serde ignores unknown keys next to flattened ones, and a typo
/// must not pass for a default: what the command would write itself is what it may be given.
fn unknown_key<'a>(keys: &'a [String], command: &Command) -> Option<&'a str> {
    let Ok(Value::Object(known)) = serde_json::to_value(command) else {
        return None;
    };
    keys.iter()
        .map(String::as_str)
        .find(|key| !known.contains_key(*key))
}

/// One line: `value` and a newline.
///
/// Values of this protocol have string keys and no maps with failing `Serialize`, so encoding cannot fail; should
/// it ever, the line says so instead of killing the thread.
pub fn encode_line(value: &impl Serialize) -> Bytes {
    let mut line = serde_json::to_vec(value)
        .unwrap_or_else(|error| Value::String(error.to_string()).to_string().into_bytes());
    line.push(b'\n');
    Bytes::from(line)
}

fn object<const N: usize>(fields: [(&str, Value); N]) -> Value {
    Value::Object(
        fields
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value))
            .collect::<Map<_, _>>(),
    )
}

fn to_value(value: &impl Serialize) -> Value {
    serde_json::to_value(value).unwrap_or_else(|error| Value::String(error.to_string()))
}

/// The first line of a connection.
#[must_use]
pub fn encode_greeting(greeting: &Greeting) -> Bytes {
    encode_line(greeting)
}

/// The answer to a request that was carried out.
#[must_use]
pub fn encode_ok(id: u64, reply: &Reply) -> Bytes {
    encode_line(&object([("id", id.into()), ("ok", to_value(reply))]))
}

/// A piece of a long listing.
#[must_use]
pub fn encode_part(id: u64, part: &impl Serialize) -> Bytes {
    encode_line(&object([("id", id.into()), ("part", to_value(part))]))
}

/// The answer to a request that was refused; no id if it had none.
#[must_use]
pub fn encode_error(id: Option<u64>, error: &Error) -> Bytes {
    encode_line(&object([("id", id.into()), ("error", to_value(error))]))
}

/// A line of the event stream; `record` is a JSON object already.
#[must_use]
pub fn encode_event(record: &impl Serialize) -> Bytes {
    encode_line(&object([("event", to_value(record))]))
}

/// Tells a reader which events it will never see, both ends included.
#[must_use]
pub fn encode_lost(from: u64, to: u64) -> Bytes {
    let lost = object([("from", from.into()), ("to", to.into())]);
    encode_line(&object([("lost", lost)]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn requests_are_read_or_refused_with_a_reason() {
        assert_eq!(
            decode_request(br#"{"id":1,"command":"show-version"}"#),
            Ok((1, Command::ShowVersion))
        );
        for (line, id, reason) in [
            (
                &b"{"[..],
                None,
                "a request is one JSON object a line: EOF while parsing an object at line 1 column 1",
            ),
            (
                b"[]",
                None,
                "a request is a JSON object, such as {\"id\":1,\"command\":\"show-version\"}",
            ),
            (
                br#"{"command":"show-version"}"#,
                None,
                "a request carries an id, a whole number that its answer repeats",
            ),
            (
                br#"{"id":-1,"command":"show-version"}"#,
                None,
                "a request carries an id, a whole number that its answer repeats",
            ),
            (br#"{"id":1}"#, Some(1), "missing field `command`"),
            (
                br#"{"id":1,"command":"show-version","colour":1}"#,
                Some(1),
                "unknown key 'colour'",
            ),
            (
                br#"{"id":1,"command":"set-port","port":"p1","acess":1}"#,
                Some(1),
                "unknown key 'acess'",
            ),
            (
                br#"{"id":1,"command":"show-mac","vlan":4095}"#,
                Some(1),
                "'4095' is not a VLAN (1..4094)",
            ),
            (
                br#"{"id":1,"command":"show-mac","mac":"x"}"#,
                Some(1),
                "Invalid length; expecting 14 or 17 chars, found 1",
            ),
        ] {
            let bad = decode_request(line).unwrap_err();
            assert_eq!(bad.id, id);
            if line != br#"{"id":1,"command":"show-mac","mac":"x"}"# {
                assert_eq!(bad.error.message, reason);
            }
        }
    }

    #[test]
    fn lines_come_out_whole_whatever_the_pieces() {
        let mut buffer = LineBuffer::default();
        buffer.push(b"one\ntw");
        assert_eq!(buffer.line(), Ok(Some(Bytes::from_static(b"one"))));
        assert_eq!(buffer.line(), Ok(None));
        buffer.push(b"o\n\n");
        assert_eq!(buffer.line(), Ok(Some(Bytes::from_static(b"two"))));
        assert_eq!(buffer.line(), Ok(Some(Bytes::new())));
        assert_eq!(buffer.line(), Ok(None));
        assert!(buffer.is_empty());
    }

    #[test]
    fn a_line_of_the_bound_passes_and_one_octet_more_does_not() {
        let mut buffer = LineBuffer::default();
        buffer.push(&[b'x'; LINE_MAX]);
        assert_eq!(buffer.line(), Ok(None));
        buffer.push(b"\n");
        assert_eq!(buffer.line().unwrap().unwrap().len(), LINE_MAX);
        buffer.push(&[b'x'; LINE_MAX + 1]);
        assert_eq!(buffer.line(), Err(LineTooLong));
    }

    proptest! {
        #[test]
        fn arbitrary_octets_never_panic(octets in proptest::collection::vec(any::<u8>(), 0..2048)) {
            let _ = decode_request(&octets);
            let mut buffer = LineBuffer::default();
            for piece in octets.chunks(7) {
                buffer.push(piece);
                while let Ok(Some(line)) = buffer.line() {
                    prop_assert!(!line.contains(&b'\n'));
                    let _ = decode_request(&line);
                }
            }
        }

        #[test]
        fn half_sound_requests_never_panic(
            command in "(show|set|clear|add|remove)-(mac|port|ageing|static-mac|spanning-tree|vlan)",
            key in "[a-z-]{1,14}",
            value in prop_oneof![Just("null".to_owned()), any::<i64>().prop_map(|n| n.to_string()), "\"[ -!#-\\[\\]-~]{0,20}\"", Just("[[]]".to_owned())],
        ) {
            let line = format!(r#"{{"id":3,"command":"{command}","{key}":{value}}}"#);
            if let Err(bad) = decode_request(line.as_bytes()) {
                prop_assert!(!bad.error.message.is_empty());
            }
        }
    }
}
