//! The lab's client: a plain Linux process that uses the virtual machine as users do, over the
//! kernel's own TCP and ICMP, and keeps the stopwatch.
//!
//! `labs probe` connects to the guest's stream, checks every record, sends an echo request every
//! 2 ms (`--interval-ms`), and writes one JSON line per line it reads on standard input: a [`Report`] of the time
//! since the line before. It ends with its standard input. Of a guest that only echoes (`--echo`) the stream is the
//! client's own: it goes there and back.

mod check;
mod ear;
mod ping;
mod probe;
mod silence;

use core::time::Duration;
use pnet_base::MacAddr;
use serde::{Deserialize, Serialize};
use std::net::SocketAddrV4;

pub use check::StreamCheck;
pub use ear::Heard;
pub use probe::run;
pub use silence::{Answers, Gap, Silence, gap_around};

/// Flags of `labs probe`.
#[derive(Clone, Debug, clap::Args)]
pub struct ProbeArgs {
    /// The guest's stream service
    #[arg(value_name = "ADDRESS:PORT")]
    pub server: SocketAddrV4,
    /// Milliseconds between two echo requests
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    pub interval_ms: u64,
    /// Give up connecting after this many milliseconds
    #[arg(long, default_value_t = 10_000)]
    pub connect_ms: u64,
    /// The service echoes: send it the stream, and check what comes back
    #[arg(long)]
    pub echo: bool,
    /// Tell of the announcements of this address that arrive
    #[arg(long, value_name = "MAC")]
    pub listen: Option<MacAddr>,
}

/// What a client saw in a span of time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The stream.
    pub tcp: TcpReport,
    /// The echo requests.
    pub ping: PingReport,
    /// Announcements that arrived in the span.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub heard: Vec<Heard>,
}

/// What a client saw of the stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TcpReport {
    /// The session stands and has delivered within the last second.
    pub alive: bool,
    /// Octets received in the span.
    pub bytes: u64,
    /// Octets of records that never came, and nothing in their place, since the beginning.
    pub bytes_lost: u64,
    /// Octets of records that came once more, since the beginning.
    pub bytes_duplicated: u64,
    /// Octets that were not the stream's, or came in the place of others, since the beginning.
    pub bytes_damaged: u64,
    /// Longest time between two deliveries in the span.
    pub stall: Gap,
}

/// What a client saw of its echo requests.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PingReport {
    /// Requests sent in the span.
    pub sent: u64,
    /// Replies received in the span.
    pub answered: u64,
    /// Longest time between two replies in the span.
    pub silence: Gap,
    /// How long the slowest of these replies took, in milliseconds.
    #[serde(default)]
    pub slowest_ms: f64,
    /// When these replies came, nanoseconds of CLOCK_MONOTONIC, and the last before them; the latest of very many.
    #[serde(default)]
    pub answers_ns: Vec<u64>,
}

impl PingReport {
    /// The silence of something that lasted from `from` to `to`: the longest of all, if it fell into that, else the longest
    /// between two answers that did. Where a machine pauses for less than the time between two questions, a busy host's
    /// longest silence is often another one.
    #[must_use]
    pub fn silence_around(&self, from: Duration, to: Duration) -> Gap {
        let longest = self.silence;
        let (begin, end) = (longest.from_ns, longest.to_ns);
        let is_it = Duration::from_nanos(end) >= from && Duration::from_nanos(begin) <= to;
        match gap_around(&self.answers_ns, from, to) {
            Some(around) if !is_it => around,
            Some(_) | None => longest,
        }
    }
}

impl ProbeArgs {
    fn interval(&self) -> Duration {
        Duration::from_millis(self.interval_ms)
    }
}
