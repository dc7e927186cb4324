//! How long and how often.

use core::time::Duration;

use serde::Serialize;

/// Durations of the parts of a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Times {
    /// A TCP connection; whole seconds.
    pub(super) tcp: Duration,
    /// The same beside learning at full rate, which has to come by every address; whole seconds.
    pub(super) learning: Duration,
    /// Frames flat out.
    pub(super) flat_out: Duration,
    /// A trial of the search for throughput.
    pub(super) trial: Duration,
    /// Trials of a search, at most.
    pub(super) trials: u32,
    /// Frames for latency.
    pub(super) latency: Duration,
    /// Round trips; whole seconds.
    pub(super) round_trip: Duration,
    /// Doing nothing.
    pub(super) idle: Duration,
    /// The longest chain.
    pub(super) chain: usize,
}

impl Times {
    /// A run whose figures are worth quoting: some fifteen minutes for three rounds.
    pub(super) const FULL: Self = Self {
        tcp: Duration::from_secs(2),
        learning: Duration::from_secs(8),
        flat_out: Duration::from_millis(1000),
        trial: Duration::from_millis(300),
        trials: 8,
        latency: Duration::from_millis(700),
        round_trip: Duration::from_secs(1),
        idle: Duration::from_secs(2),
        chain: 8,
    };

    /// A look: one round in about two minutes.
    pub(super) const QUICK: Self = Self {
        tcp: Duration::from_secs(1),
        learning: Duration::from_secs(1),
        flat_out: Duration::from_millis(400),
        trial: Duration::from_millis(150),
        trials: 6,
        latency: Duration::from_millis(300),
        round_trip: Duration::from_secs(1),
        idle: Duration::from_secs(1),
        chain: 2,
    };
}

/// Rounds of a full run; a quick one has one.
pub(super) const ROUNDS: u32 = 3;
