//! What the announcement is worth: a machine moves, somebody announces it or nobody does, and a client counts the
//! questions that stay unanswered.
//!
//! ```text
//!   client ─┐     ✂                          ┌─ target
//!           s1 ─────── s2 ─── s3 ─── … ─── sN
//!   source ─┘└─ detour ┘ (s2 waits here)
//! ```
//!
//! The machine leaves s1 for sN, so every switch on the client's way has an entry that is wrong. A *case* says who
//! announces, how many announcements are lost, whether the guest speaks of its own accord, how many switches are on the
//! way, and whether spanning tree is rebuilding meanwhile because a cable was cut. `predict` says from the timers alone
//! how long the client must be without answers; `trial` lets it happen in virtual time.
//!
//! Times are whole milliseconds from the resume. Announcements and a guest's words fall on the millisecond, cuts and
//! questions after it (`CUT_AFTER`, `ASKED_AFTER`), and a way through eight switches takes less than either: whatever the
//! schedule and the step of the cuts, nothing depends on which of two things comes first.

mod charts;
mod choice;
pub mod cli;
mod network;
mod page;
mod plan;
mod predict;
mod schedule;
mod stations;
mod table;
#[cfg(test)]
mod tests;
mod trial;

use core::time::Duration;

use cam::AgeingTime;
use stp::BridgeTimes;

pub use schedule::{Schedule, ScheduleError};

/// How often the client asks. An outage is known to this precision.
const PERIOD: i64 = 10;
/// The millisecond of the first question after the resume.
const FIRST_QUESTION: i64 = 5;
/// How long after its millisecond a question is asked: what was announced in it has arrived.
const ASKED_AFTER: Duration = Duration::from_micros(600);
/// How long after its millisecond a cable is cut: what was announced in it has passed, what is asked in it has not.
const CUT_AFTER: Duration = Duration::from_micros(300);
/// How long the machine is stopped.
const PAUSE: i64 = 50;
/// When the source's last answer passed: the last question before the stop was asked 55 ms before the resume.
const LAST_HEARD: i64 = -54;
/// A chatty guest's first word to its client, and the pause between words.
const FIRST_WORD: i64 = 120;
const WORDS: i64 = 200;
/// A guest that announces itself does so when it has noticed that it moved: this much after the resume. Linux under
/// QEMU was seen to take 22 to 186 ms.
const GUEST_NOTICES: i64 = 100;
/// No port sends two configuration messages within it (802.1D-1998 8.5.6.3).
const HOLD: i64 = 1_000;

/// Who announces the move.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Sender {
    /// Nobody.
    Nobody,
    /// The hypervisor, by RARP.
    Rarp,
    /// The guest, by ARP requests for its own address.
    Request,
    /// The guest, by ARP replies nobody asked for.
    Reply,
    /// The hypervisor by RARP and the guest by ARP requests.
    Both,
}

impl Sender {
    const ALL: [Self; 5] = [
        Self::Nobody,
        Self::Rarp,
        Self::Request,
        Self::Reply,
        Self::Both,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Nobody => "none",
            Self::Rarp => "rarp",
            Self::Request => "garp-request",
            Self::Reply => "garp-reply",
            Self::Both => "both",
        }
    }

    const fn title(self) -> &'static str {
        match self {
            Self::Nobody => "no announcement",
            Self::Rarp => "RARP",
            Self::Request => "gratuitous ARP request",
            Self::Reply => "gratuitous ARP reply",
            Self::Both => "RARP and gratuitous ARP",
        }
    }
}

/// A frame that announces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Word {
    Rarp,
    Request,
    Reply,
}

/// What happens to the spanning tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Tree {
    /// It stands.
    Quiet,
    /// A cable of the way is cut at this time, and the tree rebuilds itself.
    Cut(i64),
}

/// What is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Case {
    /// Switches between the client and the target.
    diameter: u32,
    tree: Tree,
    chatty: bool,
    sender: Sender,
    /// The first so many announcements are lost.
    lost: u32,
    schedule: Schedule,
}

impl Case {
    /// Every announcement in order of time, and whether it gets through.
    fn announcements(&self) -> Vec<(i64, Word, bool)> {
        let by = |word, after| self.schedule.times().map(move |at| (at + after, word));
        let mut all: Vec<(i64, Word)> = match self.sender {
            Sender::Nobody => Vec::new(),
            Sender::Rarp => by(Word::Rarp, 0).collect(),
            Sender::Request => by(Word::Request, GUEST_NOTICES).collect(),
            Sender::Reply => by(Word::Reply, GUEST_NOTICES).collect(),
            Sender::Both => by(Word::Rarp, 0)
                .chain(by(Word::Request, GUEST_NOTICES))
                .collect(),
        };
        all.sort_unstable();
        let lost = usize::try_from(self.lost).unwrap_or(usize::MAX);
        let told = all.into_iter().enumerate();
        told.map(|(place, (at, word))| (at, word, place >= lost))
            .collect()
    }
}

/// The network all cases share.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Setting {
    times: BridgeTimes,
    ageing: AgeingTime,
}

impl Setting {
    fn forward_delay(&self) -> i64 {
        millis(self.times.forward_delay())
    }

    fn ageing(&self) -> i64 {
        millis(self.ageing.get())
    }
}

/// A case, what was predicted of it, and what became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Record {
    case: Case,
    predicted: predict::Predicted,
    measured: trial::Measured,
}

impl Record {
    /// Whether it came as predicted.
    fn holds(&self) -> bool {
        (self.predicted.least..=self.predicted.most).contains(&self.measured.outage)
    }

    /// The outage without what spanning tree alone costs: the way itself was broken.
    fn beyond_tree(&self) -> i64 {
        self.measured.outage - self.measured.way_broken
    }
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

/// Questions asked from `from` until before `to`, as the time they stand for.
fn asked(from: i64, to: i64) -> i64 {
    // The first question not before `time`, counted from the resume.
    let index = |time: i64| {
        (time - FIRST_QUESTION + PERIOD - 1)
            .div_euclid(PERIOD)
            .max(0)
    };
    (index(to) - index(from)).max(0) * PERIOD
}
