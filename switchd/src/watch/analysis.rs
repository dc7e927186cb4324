//! From changes to stays, from stays to a verdict.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::Serialize;

use super::trace::{Change, Entries, How, Origin, Step, nanos, steps};
use super::verdict::Verdict;
use super::wiring::{End, Wiring};
use super::{Observation, Subject};
use crate::frame::Cause;
use crate::port_name::PortName;

/// An address that changes places goes on doing so if its last change is not longer ago than this.
const SETTLED: Duration = Duration::from_secs(2);
/// A target that leaks does so while the machine is copied and handed over; who goes to and fro for longer than this, and
/// more than [`LEAKS`] times, is two.
const LEAK_MAX: Duration = Duration::from_secs(5);
const LEAKS: usize = 3;
/// Where cables are unknown, entries that change faster than any two stations speak in turn are a loop's doing.
const LOOP_PACE: Duration = Duration::from_millis(2);
const LOOP_TURNS: usize = 6;

/// A time during which the address was at one place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Stay {
    /// The place: a port that leads to no other watched switch.
    pub place: End,
    /// From when on.
    #[serde(rename = "since_ns", serialize_with = "nanos")]
    pub since: Duration,
    /// The frame that first showed it there; absent if it was there before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// An announcement from there rewrote an entry.
    pub announced: bool,
    /// It came back by an ordinary frame to a place whose port had stayed open: the station there had never stopped.
    pub continued: bool,
    /// Switches whose entry followed, and when, in order.
    #[serde(skip)]
    pub followed: Vec<(String, Duration)>,
}

/// What was found out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Analysis {
    /// The VLAN.
    pub vlan: u16,
    /// In a word.
    pub verdict: Verdict,
    /// Where it was, in order.
    pub stays: Vec<Stay>,
    /// The place it left without being heard elsewhere: its port went down.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub left: Option<End>,
    /// Entries that point elsewhere than to where it is.
    pub stale: Vec<End>,
    /// Frames that came back to where they had been.
    pub circles: usize,
    /// Switches are judged one by one, for their cables are not known.
    pub apart: bool,
    /// Every change of an entry, in order.
    #[serde(skip)]
    pub changes: Vec<Change>,
    /// The entries in the end.
    #[serde(skip)]
    pub entries: BTreeMap<String, PortName>,
}

/// Judges what was seen of `subject`. Cost: events times switches.
#[must_use]
pub fn analyse(subject: Subject, wiring: &Wiring, observation: &Observation) -> Analysis {
    if !wiring.is_unknown() {
        return joint(subject, wiring, observation);
    }
    let mut switches: BTreeSet<&str> = observation.before.keys().map(String::as_str).collect();
    switches.extend(observation.events.iter().map(|seen| seen.switch.as_str()));
    let each = switches.into_iter().map(|switch| {
        let own = Observation {
            before: observation
                .before
                .iter()
                .filter(|(name, _)| *name == switch)
                .map(|(name, port)| (name.clone(), *port))
                .collect(),
            events: observation
                .events
                .iter()
                .filter(|seen| seen.switch == switch)
                .cloned()
                .collect(),
            ..observation.clone()
        };
        joint(subject, wiring, &own)
    });
    let mut each: Vec<Analysis> = each.collect();
    each.sort_by_key(|analysis| analysis.verdict);
    let mut changes: Vec<Change> = each
        .iter()
        .flat_map(|analysis| analysis.changes.iter().cloned())
        .collect();
    changes.sort_by_key(|change| change.time);
    let worst = each
        .pop()
        .unwrap_or_else(|| joint(subject, wiring, observation));
    Analysis {
        apart: true,
        changes,
        ..worst
    }
}

/// Judges switches whose cables are known.
fn joint(subject: Subject, wiring: &Wiring, observation: &Observation) -> Analysis {
    let mut entries = Entries::new(subject, wiring, observation.before.clone());
    let mut course = Course::begin(&entries);
    for step in steps(&mut entries, observation) {
        course.take(step);
    }
    let stale = match &observation.forwarding {
        Some(forwarding) => course.astray(&entries, &wiring.ways_to(course.place(), forwarding)),
        None => course.stale(&entries),
    };
    let silent = entries.all().next().is_none();
    let verdict = course.judge(wiring, observation.until, &stale, silent);
    Analysis {
        vlan: subject.vlan.value(),
        verdict,
        left: course.left(),
        stays: course.stays,
        stale,
        circles: course.circles,
        apart: false,
        changes: course.changes,
        entries: entries.all().map(|end| (end.switch, end.port)).collect(),
    }
}

/// The address's way so far.
#[derive(Debug, Default)]
struct Course {
    stays: Vec<Stay>,
    changes: Vec<Change>,
    circles: usize,
    /// Places whose port went down since the address was last heard there.
    closed: BTreeSet<End>,
}

impl Course {
    /// It is where most entries lead.
    fn begin(entries: &Entries<'_>) -> Self {
        let mut places: BTreeMap<End, usize> = BTreeMap::new();
        for end in entries.all() {
            if let Origin::Place(place) = entries.origin(&end) {
                *places.entry(place).or_default() += 1;
            }
        }
        let most = places.into_iter().max_by_key(|(_, count)| *count);
        let stay = most.map(|(place, _)| Stay {
            place,
            since: Duration::ZERO,
            cause: None,
            announced: false,
            continued: false,
            followed: Vec::new(),
        });
        Self {
            stays: stay.into_iter().collect(),
            ..Self::default()
        }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Closed(end) => {
                self.closed.insert(end);
            }
            Step::Changed(change) => {
                self.circles += usize::from(change.circle);
                if let (Some(cause), Some(place)) = (change.how.cause(), &change.place) {
                    self.show(change.time, place, cause, &change.switch);
                }
                self.changes.push(change);
            }
        }
    }

    /// The address shows at `place`.
    fn show(&mut self, time: Duration, place: &End, cause: Cause, switch: &str) {
        let announces = matches!(cause, Cause::Rarp | Cause::GratuitousArp);
        let was_closed = self.closed.remove(place);
        if self.stays.last().is_none_or(|stay| stay.place != *place) {
            let known = self.stays.iter().any(|stay| stay.place == *place);
            self.stays.push(Stay {
                place: place.clone(),
                since: time,
                cause: Some(cause),
                announced: false,
                continued: known && !announces && !was_closed,
                followed: Vec::new(),
            });
        }
        if let Some(stay) = self.stays.last_mut() {
            stay.announced |= announces;
            stay.followed.push((switch.to_owned(), time));
        }
    }

    /// The place it left without being heard elsewhere.
    fn left(&self) -> Option<End> {
        let last = &self.stays.last()?.place;
        self.closed.contains(last).then(|| last.clone())
    }

    /// Where it was heard last.
    fn place(&self) -> Option<&End> {
        self.stays.last().map(|stay| &stay.place)
    }

    /// Entries that are not among `ways`, the ports that lead to where the address is.
    fn astray(&self, entries: &Entries<'_>, ways: &BTreeMap<String, PortName>) -> Vec<End> {
        let gone = self.left().is_some();
        let wrong = entries
            .all()
            .filter(|end| gone || ways.get(&end.switch) != Some(&end.port));
        match self.stays.is_empty() {
            true => Vec::new(),
            false => wrong.collect(),
        }
    }

    /// Entries that lead elsewhere than to where the address is, as far as entries tell.
    fn stale(&self, entries: &Entries<'_>) -> Vec<End> {
        let Some(last) = self.stays.last() else {
            return Vec::new();
        };
        let gone = self.left().is_some();
        let wrong = entries.all().filter(|end| match entries.origin(end) {
            Origin::Place(place) => gone || place != last.place,
            Origin::Circle => true,
            // The next switch floods: the frame arrives.
            Origin::Unknown => gone,
        });
        wrong.collect()
    }

    fn judge(&self, wiring: &Wiring, until: Duration, stale: &[End], silent: bool) -> Verdict {
        let Some(last) = self.stays.last() else {
            return match self.circles {
                0 | 1 => Verdict::NotSeen,
                _ => Verdict::Loop,
            };
        };
        if self.is_loop(wiring) {
            return Verdict::Loop;
        }
        let moves = &self.stays[1..];
        if moves.is_empty() {
            return self.stayed(silent);
        }
        if moves.iter().any(|stay| stay.continued) {
            let first = moves.first().map_or(last.since, |stay| stay.since);
            let goes_on = until.saturating_sub(last.since) < SETTLED;
            let is_long = last.since - first > LEAK_MAX && moves.len() > LEAKS;
            let is_back = last.place == self.stays[0].place && moves.len() > LEAKS;
            return match goes_on || is_long || is_back {
                true => Verdict::Flap,
                false => Verdict::EarlyLeak,
            };
        }
        if moves.iter().any(|stay| !stay.announced) || self.left().is_some() {
            return Verdict::NeverAnnounced;
        }
        match (stale.is_empty(), moves.len()) {
            (false, _) => Verdict::StaleEntry,
            (true, 1) => Verdict::CleanMove,
            (true, _) => Verdict::DoubleMove,
        }
    }

    /// It never showed anywhere else.
    fn stayed(&self, silent: bool) -> Verdict {
        if self.left().is_some() {
            return Verdict::NeverAnnounced;
        }
        if silent {
            return Verdict::FellSilent;
        }
        let turned = |change: &Change| matches!(change.how, How::Moved(_));
        match self.changes.iter().any(turned) || self.relearned_elsewhere() {
            true => Verdict::PathChanged,
            false => Verdict::Still,
        }
    }

    /// A switch that had forgotten it found it again at another port.
    fn relearned_elsewhere(&self) -> bool {
        let mut last: BTreeMap<&str, Option<PortName>> = BTreeMap::new();
        self.changes.iter().any(|change| match change.how {
            How::Learned(_) => {
                let before = last.get(change.switch.as_str()).copied().flatten();
                before.is_some() && before != change.to
            }
            How::Expired | How::Evicted | How::Flushed(_) => {
                last.insert(&change.switch, change.from);
                false
            }
            How::Moved(_) => false,
        })
    }

    /// Whether frames go round. Two places whose frames meet on a wire make a circle once for a change of places at
    /// most; a loop makes them without any.
    fn is_loop(&self, wiring: &Wiring) -> bool {
        let turns = self.stays.len() - 1;
        if wiring.is_unknown() {
            let first = self.stays.get(1).map_or(Duration::ZERO, |stay| stay.since);
            let last = self.stays.last().map_or(first, |stay| stay.since);
            let count = u32::try_from(turns).unwrap_or(u32::MAX);
            return turns >= LOOP_TURNS && last.saturating_sub(first) < LOOP_PACE * count;
        }
        match turns {
            0 => self.circles >= 2,
            _ => self.circles >= 3 && self.circles > turns,
        }
    }
}
