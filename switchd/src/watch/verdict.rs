//! What the watching came to, in a word.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What became of an address while it was watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// No switch has or had an entry.
    NotSeen,
    /// It is where it was.
    Still,
    /// It is where it was, and switches reach it another way.
    PathChanged,
    /// It moved once, said so, and every switch knows.
    CleanMove,
    /// It moved more than once, each time as it should.
    DoubleMove,
    /// It fell silent: its entries aged out, and nobody has heard of it since.
    FellSilent,
    /// It moved, said so, and some switches still point elsewhere.
    StaleEntry,
    /// It left its place, and no announcement told of it.
    NeverAnnounced,
    /// It showed at the new place while it still spoke at the old one.
    EarlyLeak,
    /// It is in two places at once: two stations have the address.
    Flap,
    /// Frames go round: what the switches learn says nothing of where the station is.
    Loop,
}

impl Verdict {
    /// All, the harmless first.
    pub const ALL: [Self; 11] = [
        Self::NotSeen,
        Self::Still,
        Self::PathChanged,
        Self::CleanMove,
        Self::DoubleMove,
        Self::FellSilent,
        Self::StaleEntry,
        Self::NeverAnnounced,
        Self::EarlyLeak,
        Self::Flap,
        Self::Loop,
    ];

    /// Whether there is nothing to mend.
    #[must_use]
    pub const fn is_good(self) -> bool {
        match self {
            Self::Still | Self::PathChanged | Self::CleanMove | Self::DoubleMove => true,
            Self::NotSeen
            | Self::FellSilent
            | Self::StaleEntry
            | Self::NeverAnnounced
            | Self::EarlyLeak
            | Self::Flap
            | Self::Loop => false,
        }
    }

    /// Whether it says that the address went from one place to another.
    #[must_use]
    pub const fn is_move(self) -> bool {
        match self {
            Self::CleanMove
            | Self::DoubleMove
            | Self::StaleEntry
            | Self::NeverAnnounced
            | Self::EarlyLeak => true,
            Self::NotSeen
            | Self::Still
            | Self::PathChanged
            | Self::FellSilent
            | Self::Flap
            | Self::Loop => false,
        }
    }

    /// What to do about it; empty if nothing.
    #[must_use]
    pub const fn advice(self) -> &'static str {
        match self {
            Self::Still | Self::PathChanged | Self::CleanMove | Self::DoubleMove => "",
            Self::NotSeen => {
                "Is the address right, and does the station send anything? A switch learns only from frames it receives."
            }
            Self::FellSilent => {
                "A switch forgets who says nothing for its ageing time; frames to it are flooded until it speaks again."
            }
            Self::StaleEntry => {
                "The announcement did not reach these switches: frames that pass them go to the old place until the entry ages or the station is heard there. Look for loss, or for a port that did not forward yet, on the way from the new place."
            }
            Self::NeverAnnounced => {
                "Switches kept sending to the old place until something else put them right. Let the hypervisor (RARP) or the guest (gratuitous ARP) announce the move."
            }
            Self::EarlyLeak => {
                "The target's card sent frames before the source had stopped, so traffic went to a machine that was not running yet. Keep the target's port closed until the machine resumes."
            }
            Self::Flap => {
                "Two stations use this address: a copy of a machine that still runs, a clone, or an address given twice. Switches send frames to whichever spoke last."
            }
            Self::Loop => {
                "Break the loop first: run spanning tree on every switch of the circle, or find the port that should be blocked. Moves seen meanwhile mean nothing."
            }
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotSeen => "not seen",
            Self::Still => "still",
            Self::PathChanged => "path changed",
            Self::CleanMove => "clean move",
            Self::DoubleMove => "double move",
            Self::FellSilent => "fell silent",
            Self::StaleEntry => "stale entry left",
            Self::NeverAnnounced => "never announced",
            Self::EarlyLeak => "early leak",
            Self::Flap => "flap",
            Self::Loop => "bridging loop",
        })
    }
}
