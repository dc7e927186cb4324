//! Frames made, sent, received and accounted for: the bench's own tester in the sense of RFC 2544 and RFC 2889.
//!
//! A *source* sends the frames of a [`Stream`], flat out or at a rate; a *sink* reads what arrives and keeps a [`Tally`]:
//! duplicates, frames out of order, latency. Counting is done by the receiving interface, which costs the machine
//! nothing: the sink may read only a sample, chosen by sequence number, and leave the processors to the switch.

mod frame;
mod sink;
mod source;
mod tally;

pub use frame::{Addresses, ETHER_TYPE, FRAME_MIN, Header};
pub use sink::{Reading, Sink};
pub use source::{Rate, Sent, Stream, send};
pub use tally::Tally;

use std::io;
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

use crate::netns::Namespace;

/// Nanoseconds of the clock that source and sink share.
///
/// # Panics
/// Where there is no monotonic clock, which is nowhere.
#[must_use]
pub fn now() -> u64 {
    let time = clock_gettime(ClockId::CLOCK_MONOTONIC).expect("every Linux has this clock");
    u64::try_from(Duration::from(time).as_nanos()).unwrap_or(u64::MAX)
}

/// What an interface has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Frames received.
    pub received: u64,
    /// Frames sent.
    pub sent: u64,
}

/// The counters of interface `name` of `namespace`.
///
/// # Errors
/// When there is no such interface.
pub fn counters(namespace: &Namespace, name: &str) -> io::Result<Counters> {
    let text = namespace
        .run(|| std::fs::read_to_string("/proc/thread-self/net/dev"))
        .map_err(|error| error.source)??;
    parse(&text, name).ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, name.to_owned()))
}

/// `/proc/net/dev`: after the name, octets and frames received are columns 0 and 1, octets and frames sent 8 and 9.
fn parse(text: &str, name: &str) -> Option<Counters> {
    let line = text.lines().find_map(|line| {
        let (found, rest) = line.trim_start().split_once(':')?;
        (found == name).then_some(rest)
    })?;
    let fields: Vec<&str> = line.split_ascii_whitespace().collect();
    let field = |index: usize| fields.get(index)?.parse().ok();
    Some(Counters {
        received: field(1)?,
        sent: field(9)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interface_is_found_among_others() {
        let text = "Inter-|   Receive  |  Transmit\n face |bytes packets errs\n    lo:       0       0    0 0 0 0 0 0 0 0 0 0 0 0 0 0\n  eth0: 600 10 0 0 0 0 0 0 1200 20 0 0 0 0 0 0\n";
        let wanted = Counters {
            received: 10,
            sent: 20,
        };
        assert_eq!(parse(text, "eth0"), Some(wanted));
        assert_eq!(parse(text, "eth"), None);
    }
}
