//! What became of the entries for one address, change by change, and where the frames came from that changed them.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::wiring::{End, Wiring};
use super::{Observation, Seen, Subject};
use crate::event::{Event, FlushReason};
use crate::frame::Cause;
use crate::port_name::PortName;

/// Why an entry changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum How {
    /// A frame of this kind made it.
    Learned(Cause),
    /// A frame of this kind turned it to another port.
    Moved(Cause),
    /// It reached its age.
    Expired,
    /// It made room in a full table.
    Evicted,
    /// It was flushed with others.
    Flushed(FlushReason),
}

impl How {
    /// The kind of frame, if it was one.
    #[must_use]
    pub const fn cause(self) -> Option<Cause> {
        match self {
            Self::Learned(cause) | Self::Moved(cause) => Some(cause),
            Self::Expired | Self::Evicted | Self::Flushed(_) => None,
        }
    }
}

/// Where the frame came from that changed an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// From a station there.
    Place(End),
    /// From a switch that has no entry for it.
    Unknown,
    /// The entries lead round: it had been here before, or met another on its way.
    Circle,
}

/// A change of the entry for the subject in one switch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// When.
    #[serde(rename = "time_ns", serialize_with = "nanos")]
    pub time: Duration,
    /// The switch.
    pub switch: String,
    /// The port before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<PortName>,
    /// The port now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<PortName>,
    /// Why.
    pub how: How,
    /// The station's place as far as this change tells; absent if it was no frame, or one whose origin is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<End>,
    /// The frame came back to where it had been, or met another one on its way.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub circle: bool,
}

/// Nanoseconds, as events have them.
pub(super) fn nanos<S: serde::Serializer>(time: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_u64(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX))
}

/// A step of the trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// An entry changed.
    Changed(Change),
    /// A port went down or was removed: whoever was there is there no longer.
    Closed(End),
}

/// The entries for a subject in all switches, as the events change them.
#[derive(Clone, Debug)]
pub(super) struct Entries<'a> {
    subject: Subject,
    wiring: &'a Wiring,
    ports: BTreeMap<String, PortName>,
}

impl<'a> Entries<'a> {
    pub(super) fn new(
        subject: Subject,
        wiring: &'a Wiring,
        before: BTreeMap<String, PortName>,
    ) -> Self {
        Self {
            subject,
            wiring,
            ports: before,
        }
    }

    /// Every switch that has one, and its port.
    pub(super) fn all(&self) -> impl Iterator<Item = End> {
        self.ports.iter().map(|(switch, port)| End {
            switch: switch.clone(),
            port: *port,
        })
    }

    /// Where a frame comes from that arrives at `end`, as the entries tell.
    pub(super) fn origin(&self, end: &End) -> Origin {
        let mut here = end.clone();
        for _ in 0..self.wiring.reach() {
            let Some((far, shared)) = self.wiring.across(&here) else {
                return Origin::Place(here);
            };
            let mut back = false;
            let mut onward = None;
            for far in far {
                let Some(&port) = self.ports.get(&far.switch) else {
                    continue;
                };
                let next = End {
                    switch: far.switch.clone(),
                    port,
                };
                if self.wiring.share(&next, &here) {
                    back = true;
                } else {
                    onward = Some(next);
                }
            }
            match onward {
                Some(next) => here = next,
                None if shared => return Origin::Place(self.wiring.place(&here)),
                None if back => return Origin::Circle,
                None => return Origin::Unknown,
            }
        }
        Origin::Circle
    }

    /// Applies what a switch told, if it is about the subject.
    fn apply(&mut self, seen: &Seen) -> Option<Change> {
        let (to, how) = self.read(seen)?;
        let from = self.ports.get(&seen.switch).copied();
        match to {
            Some(port) => self.ports.insert(seen.switch.clone(), port),
            None => self.ports.remove(&seen.switch),
        };
        let end = to.map(|port| End {
            switch: seen.switch.clone(),
            port,
        });
        let origin = end.map(|end| self.origin(&end));
        Some(Change {
            time: seen.record.time,
            switch: seen.switch.clone(),
            from,
            to,
            how,
            circle: origin == Some(Origin::Circle),
            place: match origin {
                Some(Origin::Place(place)) => Some(place),
                Some(Origin::Unknown | Origin::Circle) | None => None,
            },
        })
    }

    /// What an event does to the subject's entry: the port it has then, and why.
    fn read(&self, seen: &Seen) -> Option<(Option<PortName>, How)> {
        let Subject { vlan, mac } = self.subject;
        let is_mine = |its_vlan, its_mac| its_vlan == vlan && its_mac == mac;
        match seen.record.event {
            Event::CamLearn {
                vlan,
                mac,
                port,
                cause,
            } => is_mine(vlan, mac).then_some((Some(port), How::Learned(cause))),
            Event::CamMove {
                vlan,
                mac,
                to,
                cause,
                ..
            } => is_mine(vlan, mac).then_some((Some(to), How::Moved(cause))),
            Event::CamExpire { vlan, mac, .. } => {
                is_mine(vlan, mac).then_some((None, How::Expired))
            }
            Event::CamEvict { vlan, mac, .. } => is_mine(vlan, mac).then_some((None, How::Evicted)),
            Event::CamFlush {
                port,
                vlan: of_vlan,
                reason,
                ..
            } => {
                let held = *self.ports.get(&seen.switch)?;
                let hit = port.is_none_or(|port| port == held)
                    && of_vlan.is_none_or(|of_vlan| of_vlan == vlan);
                hit.then_some((None, How::Flushed(reason)))
            }
            Event::StpRole { .. }
            | Event::StpState { .. }
            | Event::StpRoot { .. }
            | Event::TopologyChange { .. }
            | Event::ShortAgeing { .. }
            | Event::StpInconsistent { .. }
            | Event::PortDisabled { .. }
            | Event::Storm { .. }
            | Event::Flapping { .. }
            | Event::Link { .. }
            | Event::PortAdded { .. }
            | Event::PortRemoved { .. } => None,
        }
    }

    /// The switch whose event must have come before `seen`, if clocks stray: the frame came from there, and its entry
    /// does not say so yet.
    fn waits_for(&self, seen: &Seen) -> Option<Vec<&'a End>> {
        let (Some(port), How::Learned(_) | How::Moved(_)) = self.read(seen)? else {
            return None;
        };
        let end = End {
            switch: seen.switch.clone(),
            port,
        };
        let segment = self.wiring.segment_of(&end)?;
        let far: Vec<&End> = segment.iter().filter(|far| **far != end).collect();
        let told = far.iter().any(|far| {
            let held = self.ports.get(&far.switch);
            held.is_some_and(|held| *held != far.port)
        });
        (!told).then_some(far)
    }
}

/// All steps of an observation, in the order in which frames made them; `entries` is as it was left.
pub(super) fn steps(entries: &mut Entries<'_>, observation: &Observation) -> Vec<Step> {
    let mut pending: std::collections::VecDeque<&Seen> = observation.events.iter().collect();
    let mut steps = Vec::new();
    while let Some(seen) = pending.pop_front() {
        let earlier = match observation.slack.is_zero() {
            true => None,
            false => earlier(entries, seen, &pending, observation.slack),
        };
        if let Some(place) = earlier
            && let Some(cause) = pending.remove(place)
        {
            // At most one turn per event: what was waited for is taken as it is.
            step(entries, cause, &mut steps);
        }
        step(entries, seen, &mut steps);
    }
    steps
}

fn step(entries: &mut Entries<'_>, seen: &Seen, steps: &mut Vec<Step>) {
    let closed = match seen.record.event {
        Event::Link { port, up: false } | Event::PortRemoved { port } => Some(port),
        Event::CamFlush {
            port,
            reason: FlushReason::LinkDown | FlushReason::PortRemoved,
            ..
        } => port,
        Event::CamFlush { .. }
        | Event::CamLearn { .. }
        | Event::CamMove { .. }
        | Event::CamExpire { .. }
        | Event::CamEvict { .. }
        | Event::StpRole { .. }
        | Event::StpState { .. }
        | Event::StpRoot { .. }
        | Event::TopologyChange { .. }
        | Event::ShortAgeing { .. }
        | Event::StpInconsistent { .. }
        | Event::PortDisabled { .. }
        | Event::Storm { .. }
        | Event::Flapping { .. }
        | Event::Link { .. }
        | Event::PortAdded { .. } => None,
    };
    if let Some(port) = closed {
        steps.push(Step::Closed(End {
            switch: seen.switch.clone(),
            port,
        }));
    }
    if let Some(change) = entries.apply(seen) {
        steps.push(Step::Changed(change));
    }
}

/// Where in `pending` the event is that must have come before `seen`.
fn earlier(
    entries: &Entries<'_>,
    seen: &Seen,
    pending: &std::collections::VecDeque<&Seen>,
    slack: Duration,
) -> Option<usize> {
    let far = entries.waits_for(seen)?;
    let near = pending
        .iter()
        .take_while(|later| later.record.time <= seen.record.time + slack);
    near.enumerate().find_map(|(place, later)| {
        let end = far.iter().find(|far| far.switch == later.switch)?;
        let (Some(port), How::Learned(_) | How::Moved(_)) = entries.read(later)? else {
            return None;
        };
        (port != end.port).then_some(place)
    })
}
