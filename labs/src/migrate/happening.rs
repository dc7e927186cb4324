//! What a migration may use, what is told of it, and where it can stand.

use serde::{Deserialize, Serialize};

/// What a migration may use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// Octets per second before the stop. Default: 125,000,000, the dedicated gigabit.
    pub bandwidth: u64,
    /// The guest stops when the rest takes no longer than this, milliseconds. Default 5.
    pub downtime_ms: u64,
    /// After this many rounds it stops anyway. Default 20.
    pub rounds: u32,
    /// An answer that takes longer is a failure, milliseconds. Default 3000.
    pub patience_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bandwidth: 125_000_000,
            downtime_ms: 5,
            rounds: 20,
            patience_ms: 3000,
        }
    }
}

/// Something that happened to a migration, for the story.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Happening {
    /// A round of copying is installed at the target.
    Round {
        /// Its number, from 1.
        round: u32,
        /// Pages copied.
        pages: u32,
        /// Pages written meanwhile.
        dirty: u32,
        /// Octets per second, from the first page sent to the answer.
        rate: u64,
    },
    /// The guest stopped.
    Stop {
        /// Pages still to copy.
        pages: u32,
        /// False: the rounds were used up before the rest was small enough.
        converged: bool,
    },
    /// The target has everything.
    Ready {
        /// Digest of the memory there.
        digest: String,
    },
    /// The guest runs at the target.
    Resumed {
        /// CLOCK_MONOTONIC there.
        resumed_ns: u64,
    },
    /// The whole memory, hashed after the guest left, against the target's.
    Verified {
        /// True if they are equal.
        equal: bool,
        /// Digest of the memory left behind.
        digest: String,
    },
    /// It failed; the guest goes on where it was.
    Failed {
        /// Why.
        reason: String,
    },
}

/// Where a migration stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Still going on; the guest runs here.
    Copying,
    /// Still going on; the guest is stopped.
    Stopped,
    /// The guest runs at the target; here it must never run again.
    Moved,
    /// `Go` was sent and the target not heard of since.
    Doubt,
    /// The guest stays and goes on here.
    Failed,
}
