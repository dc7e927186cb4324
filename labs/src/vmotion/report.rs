//! The run as one JSON object. Times are milliseconds; `at_ms` counts from the resume.

use core::time::Duration;
use serde::{Deserialize, Serialize};

use crate::client::PingReport;
use crate::lab::Lab;
use crate::qemu::Figures;
use crate::watch::Downtime;
use switchd::watch::Verdict;

/// A run of a lab with VMs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The lab.
    pub lab: String,
    /// What it ran on.
    pub backend: String,
    /// Number of switches.
    pub switches: usize,
    /// The spanning tree.
    pub stp: StpReport,
    /// Every move.
    pub migrations: Vec<MigrationReport>,
    /// Events of switches that could not be read in time; 0 unless the machine is overloaded.
    pub events_lost: u64,
    /// Everything held.
    pub ok: bool,
}

/// The spanning tree of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StpReport {
    /// From the first link to the last change of a port's state.
    pub converged_ms: f64,
    /// Blocked ports, `switch:port`.
    pub blocked: Vec<String>,
}

/// One move of a VM.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MigrationReport {
    /// The VM.
    pub vm: String,
    /// The host it left.
    pub from: String,
    /// The host it went to.
    pub to: String,
    /// Size of its memory.
    pub memory_mib: u64,
    /// Rounds of copying before it stopped.
    pub rounds: u32,
    /// From the order to the acknowledgment.
    pub total_ms: f64,
    /// From stop to resume.
    pub pause_ms: f64,
    /// Longest time between two answers to the client's echo requests, which leave every 2 ms, in virtual time every 10.
    pub ping_gap_ms: f64,
    /// How long the slowest answer took.
    #[serde(default)]
    pub slowest_answer_ms: f64,
    /// Echo requests the client sent.
    #[serde(default)]
    pub pings_sent: u64,
    /// Those of them that nobody answered.
    #[serde(default)]
    pub pings_lost: u64,
    /// The client's session; absent if the move was refused before it began, when no client is asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tcp: Option<TcpSummary>,
    /// What the VM announced.
    pub announcements: Vec<Announcement>,
    /// Entries rewritten.
    pub cam_moves: Vec<CamMove>,
    /// Entries made in switches that had none.
    pub cam_learns: Vec<CamMove>,
    /// Entries that point elsewhere than where the VM is, `switch:port`.
    pub stale: Vec<String>,
    /// Switches whose entry should have moved and was not rewritten by an announcement.
    pub not_by_announcement: Vec<String>,
    /// The memory left behind equals the one that arrived; absent where nobody compares, as with QEMU.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_equal: Option<bool>,
    /// QEMU's own figures; absent for the labs' own machines, and for a move that failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub qemu: Option<Figures>,
    /// Why it failed; then the VM is where it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// What the switches' events amount to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    /// Where the client's silence went; absent if its longest silence was not the move's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub downtime: Option<Downtime>,
    /// It moved, and nobody noticed.
    pub ok: bool,
}

/// What a move did to the client's session.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TcpSummary {
    /// It stands and delivers.
    pub alive: bool,
    /// Longest time between two deliveries.
    pub longest_stall_ms: f64,
    /// Octets of the stream that never came, and nothing in their place.
    pub bytes_lost: u64,
    /// Octets that came twice.
    pub bytes_duplicated: u64,
    /// Octets that were not the stream's, or came in the place of others.
    pub bytes_damaged: u64,
}

/// A frame by which the VM told where it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Announcement {
    /// `rarp` or `gratuitous-arp`.
    pub kind: String,
    /// When.
    pub at_ms: f64,
}

/// An entry of a switch's table for the VM that changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CamMove {
    /// The switch.
    pub switch: String,
    /// The VLAN.
    pub vlan: u16,
    /// The address.
    pub mac: String,
    /// The port before; empty if there was no entry.
    pub from: String,
    /// The port now.
    pub to: String,
    /// The kind of frame that did it.
    pub cause: String,
    /// When.
    pub at_ms: f64,
}

impl MigrationReport {
    /// What came of the client's echo requests.
    pub(crate) fn asked(&mut self, ping: &PingReport) {
        self.ping_gap_ms = ping.silence.ms();
        self.slowest_answer_ms = ping.slowest_ms;
        self.pings_sent = ping.sent;
        self.pings_lost = ping.sent.saturating_sub(ping.answered);
    }
}

impl Report {
    pub(super) fn new(lab: &Lab) -> Self {
        Self {
            lab: lab.name().to_owned(),
            backend: "netns".to_owned(),
            switches: lab.topology.switches().count(),
            stp: StpReport::default(),
            migrations: Vec::new(),
            events_lost: 0,
            ok: false,
        }
    }
}

/// Milliseconds, to the microsecond.
pub(crate) fn ms(time: Duration) -> f64 {
    let micros = u32::try_from(time.as_micros()).unwrap_or(u32::MAX);
    f64::from(micros) / 1000.0
}

/// Milliseconds from `from` to `to`, negative if `to` came first.
pub(crate) fn ms_after(from: Duration, to: Duration) -> f64 {
    if to >= from {
        ms(to - from)
    } else {
        -ms(from - to)
    }
}
