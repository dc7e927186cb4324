//! What a trial measured: one row.

use super::plan::Key;

/// How a trial ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// The tree stood still, with one root in each connected part.
    Settled,
    /// It stood still, but connected switches believe in different roots: some never hear the true one.
    Split,
    /// It was still changing when patience ended.
    Unsettled,
    /// It had not settled even before anything was done to it; nothing was done then.
    NeverSettled,
}

impl Outcome {
    /// All, the best first.
    pub const ALL: [Self; 4] = [
        Self::Settled,
        Self::Split,
        Self::Unsettled,
        Self::NeverSettled,
    ];

    /// The word in tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Settled => "settled",
            Self::Split => "split",
            Self::Unsettled => "unsettled",
            Self::NeverSettled => "never-settled",
        }
    }

    /// The outcome of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.name() == name)
    }
}

/// What a metric counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Microseconds in a record; tables and axes say seconds.
    Time,
    /// Things.
    Count,
    /// 1 or 0.
    Flag,
}

macro_rules! metrics {
    ($($(#[$doc:meta])* $name:ident = $column:literal, $unit:ident;)*) => {
        /// What is measured. Instants count from the event: from the last switch's power in a cold start.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Metric { $($(#[$doc])* $name,)* }

        impl Metric {
            /// All, in the order of columns.
            pub const ALL: [Self; [$($column),*].len()] = [$(Self::$name),*];

            /// The column's heading.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $column,)* }
            }

            /// What it counts.
            #[must_use]
            pub const fn unit(self) -> Unit {
                match self { $(Self::$name => Unit::$unit,)* }
            }
        }
    };
}

metrics! {
    /// Until the last change of a role, a state or a root; none unless the tree came to rest, or if nothing changed.
    Settle = "settle_s", Time;
    /// Until the last change of a role.
    LastRole = "last_role_s", Time;
    /// Until the last lost probe was sent; none if none was lost, or if probes never came back.
    LastLost = "last_lost_s", Time;
    /// Probes lost, both directions.
    Lost = "probes_lost", Count;
    /// The stream of probes was still broken at the end.
    Broken = "broken", Flag;
    /// The event left the probing hosts without any way between them.
    Parted = "parted", Flag;
    /// Until the last probe that arrived twice.
    LastDuplicate = "last_duplicate_s", Time;
    /// Probes that arrived again.
    Duplicates = "duplicates", Count;
    /// Topology changes detected, by all switches.
    TopologyChanges = "topology_changes", Count;
    /// CAM entries removed together: the port went down or ceased to forward.
    Flushed = "cam_flushed", Count;
    /// CAM entries that grew too old.
    Aged = "cam_aged", Count;
    /// CAM entries learned or moved.
    Relearned = "cam_relearned", Count;
    /// Data frames that a switch sent out of two ports or more.
    Flooded = "frames_flooded", Count;
    /// BPDUs sent until the last change.
    Bpdus = "bpdus", Count;
    /// Ports with carrier that are blocked in the end.
    Blocked = "ports_blocked", Count;
    /// Switches on the longest way to a root, both ends counted.
    Depth = "depth", Count;
    /// The greatest message age that was sent.
    OldestAge = "oldest_age_s", Time;
    /// How often held information grew too old.
    Expiries = "age_expiries", Count;
    /// Roots believed in.
    Roots = "roots", Count;
    /// Parts that the event left the network in.
    Parts = "parts", Count;
    /// Data frames that came back to a switch, or became a storm.
    Loops = "looped_frames", Count;
    /// Ports that forward make a circle in the end.
    Circle = "circle", Flag;
}

/// The measurements of one trial.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    key: Key,
    outcome: Outcome,
    values: [Option<u64>; Metric::ALL.len()],
}

impl Record {
    /// A record without measurements.
    #[must_use]
    pub const fn new(key: Key, outcome: Outcome) -> Self {
        Self {
            key,
            outcome,
            values: [None; Metric::ALL.len()],
        }
    }

    /// Which trial.
    #[must_use]
    pub const fn key(&self) -> &Key {
        &self.key
    }

    /// How it ended.
    #[must_use]
    pub const fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// What was measured: microseconds, a number, or 0 and 1 ([`Metric::unit`]).
    #[must_use]
    pub const fn get(&self, metric: Metric) -> Option<u64> {
        self.values[metric as usize]
    }

    /// Notes a measurement.
    pub const fn set(&mut self, metric: Metric, value: Option<u64>) {
        self.values[metric as usize] = value;
    }
}
