//! Where each millisecond of a silence went.
//!
//! ```text
//!   last answer ── stop ── resume ── first frame heard ── entry 1 ── … ── entry n right ── ARP ── first answer
//!        before     pause     announcement wait     rewriting, switch by switch     ARP    rest
//! ```

use core::time::Duration;

use serde::{Deserialize, Serialize};
use switchd::watch::{Analysis, Wiring};

/// The moments between two answers that a client got.
#[derive(Clone, Debug, Default)]
pub struct Moments {
    /// The last answer before the silence, and the first after it.
    pub silence: (Duration, Duration),
    /// The machine stopped.
    pub stopped: Duration,
    /// It went on.
    pub resumed: Duration,
    /// A switch heard it at its new place, for the first time.
    pub heard: Option<Duration>,
    /// When the entries on the client's way to it became right, in order of time.
    pub way: Vec<(String, Duration)>,
    /// The client asked for its address by ARP, and was answered; `None`: it knew it all the time, or nobody looked.
    pub arp: Option<(Duration, Duration)>,
}

/// A silence taken apart. Parts are milliseconds; together they are the silence.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Downtime {
    /// From the client's last answer to its first one after.
    pub silence_ms: f64,
    /// From the last answer to the stop: the client asks every so often; more if the target drew the traffic early.
    pub before_stop_ms: f64,
    /// The machine was stopped.
    pub pause_ms: f64,
    /// It ran, and no switch had heard it at its new place.
    pub announcement_wait_ms: f64,
    /// From then on: the switches on the client's way, in the order in which their entries became right.
    pub rewrite: Vec<Rewrite>,
    /// The way was right, and the client waited for an answer to its ARP; absent if nobody looked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arp_ms: Option<f64>,
    /// The rest: until the client asked again, and the answer's way.
    pub rest_ms: f64,
}

/// A switch's share.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rewrite {
    /// The switch.
    pub switch: String,
    /// From the moment before to its entry being right.
    pub ms: f64,
}

/// Goes from moment to moment.
struct Cursor(Duration);

impl Cursor {
    /// How long it is to `moment`; nothing if that has passed.
    fn reach(&mut self, moment: Duration) -> f64 {
        let part = moment.saturating_sub(self.0);
        self.0 = self.0.max(moment);
        part.as_secs_f64() * 1e3
    }
}

impl Downtime {
    /// Takes a silence apart; `None` if it was not the move's: the machine did not stop in it.
    #[must_use]
    pub fn of(moments: &Moments) -> Option<Self> {
        let (from, to) = moments.silence;
        if moments.stopped > to || moments.resumed < from {
            return None;
        }
        let mut cursor = Cursor(from);
        let mut downtime = Self {
            silence_ms: to.saturating_sub(from).as_secs_f64() * 1e3,
            before_stop_ms: cursor.reach(moments.stopped),
            pause_ms: cursor.reach(moments.resumed),
            ..Self::default()
        };
        if let Some(heard) = moments.heard {
            downtime.announcement_wait_ms = cursor.reach(heard);
        }
        for (switch, right) in &moments.way {
            downtime.rewrite.push(Rewrite {
                switch: switch.clone(),
                ms: cursor.reach(*right),
            });
        }
        downtime.arp_ms = moments.arp.map(|(_, answered)| cursor.reach(answered));
        downtime.rest_ms = cursor.reach(to);
        Some(downtime)
    }

    /// What the switches took, together.
    #[must_use]
    pub fn rewrite_ms(&self) -> f64 {
        // Not `sum`, which makes -0 of nothing.
        self.rewrite.iter().fold(0.0, |sum, part| sum + part.ms)
    }

    /// The parts together.
    #[must_use]
    pub fn sum_ms(&self) -> f64 {
        self.before_stop_ms
            + self.pause_ms
            + self.announcement_wait_ms
            + self.rewrite_ms()
            + self.arp_ms.unwrap_or(0.0)
            + self.rest_ms
    }
}

impl Moments {
    /// Fills in what the switches saw: `client` is the switch the client is plugged into.
    #[must_use]
    pub fn seen(mut self, analysis: &Analysis, wiring: &Wiring, client: &str) -> Self {
        let (resumed, until) = (self.resumed, self.silence.1);
        let Some(place) = analysis.stays.last().map(|stay| &stay.place) else {
            return self;
        };
        let after = |time: Duration| (resumed..=until).contains(&time);
        let there = analysis
            .changes
            .iter()
            .filter(|change| change.place.as_ref() == Some(place) && after(change.time));
        self.heard = there.map(|change| change.time).min();
        for switch in wiring.way(&analysis.entries, client) {
            let changes = analysis.changes.iter().rev();
            let last = changes
                .filter(|change| change.switch == switch && after(change.time))
                .find(|change| change.to.is_some());
            if let Some(last) = last {
                self.way.push((switch, last.time));
            }
        }
        self.way.sort_by_key(|(_, right)| *right);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn parts_make_the_whole() {
        let moments = Moments {
            silence: (100 * MS, 400 * MS),
            stopped: 107 * MS,
            resumed: 150 * MS,
            heard: Some(250 * MS),
            way: vec![("b".to_owned(), 250 * MS), ("a".to_owned(), 252 * MS)],
            arp: Some((300 * MS, 390 * MS)),
        };
        let downtime = Downtime::of(&moments).unwrap();
        let rewrite: Vec<f64> = downtime.rewrite.iter().map(|part| part.ms).collect();
        assert_eq!(
            (
                downtime.before_stop_ms,
                downtime.pause_ms,
                downtime.announcement_wait_ms,
                downtime.arp_ms,
                downtime.rest_ms
            ),
            (7.0, 43.0, 100.0, Some(138.0), 10.0)
        );
        assert_eq!(rewrite, [0.0, 2.0]);
        assert!((downtime.sum_ms() - downtime.silence_ms).abs() < 1e-9);
    }

    #[test]
    fn what_came_too_late_shows_in_the_sum() {
        let moments = Moments {
            silence: (Duration::ZERO, 50 * MS),
            stopped: 5 * MS,
            resumed: 10 * MS,
            heard: Some(80 * MS),
            ..Moments::default()
        };
        let downtime = Downtime::of(&moments).unwrap();
        assert!(downtime.sum_ms() > downtime.silence_ms + 1.0);
        let nothing = format!("{:.2}", downtime.rewrite_ms());
        assert_eq!(nothing, "0.00", "no switch had anything to rewrite");
        let other = Moments {
            silence: (60 * MS, 90 * MS),
            ..moments
        };
        assert_eq!(Downtime::of(&other), None, "the machine did not stop in it");
    }
}
