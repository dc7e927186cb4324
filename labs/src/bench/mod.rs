//! The bench: our switch beside the kernel's bridge, Open vSwitch and VDE, in the terms of RFC 2544 and RFC 2889.
//!
//! Every round makes a test bed for each device under test (a namespace for the device, one for each of eight hosts) and
//! does every scenario with each device in turn, A B C A B C, so that what changes on the machine meanwhile changes for
//! all; ratios are taken within a round, then their median. What is measured, the terms and the bars are data:
//! [`catalogue`]. [`traffic`] is the generator and sink.

mod bed;
pub mod catalogue;
pub mod cli;
mod dut;
mod markdown;
mod outcome;
mod plan;
mod plot;
mod report;
mod rounds;
mod scenario;
mod search;
mod stats;
mod table;
mod tools;
pub mod traffic;
mod usage;
mod verdict;

use std::io;

pub use dut::{Dut, Family, Medium};
pub use outcome::{Failure, Machine, Outcome, Sample};
pub use search::Search;
pub use stats::Spread;
pub use usage::{machine_time, processor_time, resident_mib};
pub use verdict::{Mark, Verdict, verdicts};

use crate::lab::LabError;
use crate::netns;
use crate::peers::PeerError;

/// Why the bench, or a part of it, failed.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// What holds test beds.
    #[error(transparent)]
    Lab(#[from] LabError),
    /// A peer.
    #[error(transparent)]
    Peer(#[from] PeerError),
    /// A namespace.
    #[error(transparent)]
    Netns(#[from] netns::Error),
    /// A file, socket or process operation failed.
    #[error("cannot {action}: {source}")]
    Io {
        /// What was tried.
        action: String,
        /// What the system said.
        source: io::Error,
    },
    /// iperf3 or sockperf did not do its work.
    #[error("{program}: {said}")]
    Load {
        /// The program.
        program: &'static str,
        /// What it said.
        said: String,
    },
    /// A device does not relay.
    #[error("{dut} does not relay from port {port} to all others")]
    Silent {
        /// The device.
        dut: &'static str,
        /// The port.
        port: usize,
    },
    /// What was asked for makes no sense.
    #[error("{0}")]
    Usage(String),
    /// The plot could not be drawn.
    #[error("cannot draw the plot: {0}")]
    Plot(String),
}

impl BenchError {
    pub(crate) fn io(action: impl Into<String>, source: io::Error) -> Self {
        Self::Io {
            action: action.into(),
            source,
        }
    }

    /// 2 for what the user must mend, 1 for what went wrong underway.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Lab(error) => error.exit_code(),
            Self::Usage(_) | Self::Peer(PeerError::Missing { .. }) => 2,
            Self::Peer(_)
            | Self::Netns(_)
            | Self::Io { .. }
            | Self::Load { .. }
            | Self::Silent { .. }
            | Self::Plot(_) => 1,
        }
    }

    /// Whether the user wants it to end.
    fn is_interrupt(&self) -> bool {
        matches!(self, Self::Lab(LabError::Interrupted))
    }
}
