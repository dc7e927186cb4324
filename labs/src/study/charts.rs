//! Which charts a study has.

use super::depth;
use super::families::Family;
use super::own::Own;
use super::plan::{Event, Plan, Timers};
use super::plot::{Chart, Dot, Guide, Look, Scale, Series};
use super::protocol::Protocol;
use super::record::{Metric, Outcome, Unit};
use super::summary::{Point, Spread};

const SWITCHES: (&str, Scale) = ("switches in the network", Scale::Log);
const SPREAD: &str = "dot: median; bar: least to 99th percentile of trials; hollow: some trials did not come to that";

/// The promises of the protocol at default times: what a chart is held against.
pub(super) fn promises(protocol: Protocol) -> Vec<Guide> {
    let promise = protocol.promise();
    let guide = |(time, label): (core::time::Duration, &str)| Guide {
        y: time.as_secs_f64(),
        label: label.to_owned(),
    };
    let times = [promise.direct, promise.indirect];
    times.into_iter().zip(promise.labels).map(guide).collect()
}

/// How long the tree took after `event`.
pub(super) fn settling(points: &[Point<'_>], protocol: Protocol, event: Event) -> Chart {
    let name = match event {
        Event::ColdStart => "settle-cold-start",
        Event::RootLoss => "settle-root-loss",
        Event::RootLinkLoss => "settle-root-link-loss",
        Event::SilentFailure => "settle-silent-failure",
        Event::NewRoot => "settle-new-root",
        Event::FlappingPort => "settle-flapping-port",
        Event::FlappingEdge => "settle-flapping-edge",
    };
    let dot = |point: &Point<'_>| {
        // A tree that stood still in pieces has settled in no useful sense.
        let settled = point.ended(Outcome::Settled);
        let y = point
            .spread_of(Outcome::Settled, Metric::Settle)
            .map(|spread| values(Metric::Settle, spread));
        (settled == 0 || y.is_some()).then_some((y, settled == point.records.len()))
    };
    growing(points, event, name, Metric::Settle, Scale::Linear, dot)
        .titled(format!("{}: until the tree stands still", event.title()))
        .with_axis("time to the last change of the tree, seconds")
        .with_guides(promises(protocol))
}

/// How long the probing hosts heard nothing of each other after `event`.
pub(super) fn outage(points: &[Point<'_>], protocol: Protocol, event: Event) -> Chart {
    let name = match event {
        Event::ColdStart => "outage-cold-start",
        Event::RootLoss => "outage-root-loss",
        Event::RootLinkLoss => "outage-root-link-loss",
        Event::SilentFailure => "outage-silent-failure",
        Event::NewRoot => "outage-new-root",
        Event::FlappingPort => "outage-flapping-port",
        Event::FlappingEdge => "outage-flapping-edge",
    };
    let dot = |point: &Point<'_>| {
        let with_way = || {
            point
                .records
                .iter()
                .filter(|record| record.get(Metric::Parted) == Some(0))
        };
        // A tree that never stands loses frames again and again, whenever the last one was.
        let times: Vec<u64> = with_way()
            .filter(|record| record.outcome() == Outcome::Settled)
            .filter(|record| record.get(Metric::Broken) == Some(0))
            .map(|record| record.get(Metric::LastLost).unwrap_or(0))
            .collect();
        let whole = times.len() == with_way().count();
        let y = Spread::of(times).map(|spread| values(Metric::LastLost, spread));
        // Where the event left no way at all there is nothing to wait for.
        (y.is_some() || with_way().next().is_some()).then_some((y, whole))
    };
    let mut chart = growing(points, event, name, Metric::LastLost, Scale::Linear, dot)
        .titled(format!(
            "{}: until the hosts' frames get through again",
            event.title()
        ))
        .with_axis("time to the last lost frame, seconds")
        .with_guides(promises(protocol));
    chart.band = "never for good";
    chart
}

/// A count against size.
pub(super) fn counting(
    points: &[Point<'_>],
    event: Event,
    metric: Metric,
    name: &'static str,
    title: &str,
    axis: &'static str,
) -> Chart {
    let dot = |point: &Point<'_>| {
        let settled = point.spread_of(Outcome::Settled, metric);
        settled.map(|spread| {
            let whole = point.ended(Outcome::Settled) == point.records.len();
            (Some(values(metric, spread)), whole)
        })
    };
    growing(points, event, name, metric, Scale::Log, dot)
        .titled(title.to_owned())
        .with_axis(axis)
}

fn growing(
    points: &[Point<'_>],
    event: Event,
    name: &'static str,
    _: Metric,
    scale: Scale,
    dot: impl Fn(&Point<'_>) -> Option<(Option<[f64; 3]>, bool)>,
) -> Chart {
    let mut series = Vec::new();
    for (place, family) in Family::GROWING.into_iter().enumerate() {
        let mine = points.iter().filter(|point| {
            point.family == family && point.event == event && point.timers == Timers::Default
        });
        let dots: Vec<Dot> = mine
            .filter_map(|point| {
                let (y, whole) = dot(point)?;
                Some(Dot {
                    x: f64::from(point.size),
                    y,
                    whole,
                })
            })
            .collect();
        if !dots.is_empty() {
            series.push(Series {
                label: family.title().to_owned(),
                look: Look::nth(place),
                dots,
            });
        }
    }
    Chart {
        name,
        title: String::new(),
        subtitle: SPREAD.to_owned(),
        x: SWITCHES,
        y: ("", scale),
        band: "did not settle",
        series,
        guides: Vec::new(),
    }
}

impl Chart {
    fn titled(mut self, title: String) -> Self {
        self.title = title;
        self
    }

    fn with_axis(mut self, label: &'static str) -> Self {
        self.y.0 = label;
        self
    }

    fn with_guides(mut self, guides: Vec<Guide>) -> Self {
        self.guides = guides;
        self
    }
}

/// The depth chapter: one point per size and timers.
fn chain(
    points: &[Point<'_>],
    name: &'static str,
    y: (&'static str, Scale),
    dot: impl Fn(&Point<'_>) -> Option<(Option<[f64; 3]>, bool)>,
) -> Chart {
    let mut series = Vec::new();
    for (place, timers) in Timers::ALL.into_iter().enumerate() {
        let mine = points
            .iter()
            .filter(|point| point.family == Family::Chain && point.timers == timers);
        let dots: Vec<Dot> = mine
            .filter_map(|point| {
                let (y, whole) = dot(point)?;
                Some(Dot {
                    x: f64::from(point.size),
                    y,
                    whole,
                })
            })
            .collect();
        if !dots.is_empty() {
            series.push(Series {
                label: depth::timers_label(timers),
                look: Look::nth(place),
                dots,
            });
        }
    }
    Chart {
        name,
        title: String::new(),
        subtitle: SPREAD.to_owned(),
        x: ("switches in a line, the root at its end", Scale::Linear),
        y,
        band: "did not settle",
        series,
        guides: Vec::new(),
    }
}

/// What share of trials settles, by depth.
pub(super) fn depth_share(points: &[Point<'_>]) -> Chart {
    let axis = ("trials that settle, percent", Scale::Percent);
    let mut chart = chain(points, "depth-share", axis, |point| {
        let all = u32::try_from(point.records.len()).unwrap_or(u32::MAX);
        let settled = u32::try_from(point.ended(Outcome::Settled)).unwrap_or(u32::MAX);
        let share = 100.0 * f64::from(settled) / f64::from(all.max(1));
        Some((Some([share; 3]), true))
    })
    .titled("How deep a tree may be: cold starts of a line".to_owned());
    chart.subtitle =
        "share of trials whose tree stands still within patience, with one root".to_owned();
    chart
}

/// The greatest message age, by depth.
pub(super) fn depth_age(points: &[Point<'_>]) -> Chart {
    let axis = ("greatest message age sent, seconds", Scale::Linear);
    chain(points, "depth-age", axis, |point| {
        let spread = point.spread(Metric::OldestAge)?;
        let whole = point.ended(Outcome::Settled) == point.records.len();
        Some((Some(values(Metric::OldestAge, spread)), whole))
    })
    .titled("How old the root's word becomes on its way down".to_owned())
    .with_guides(vec![
        Guide {
            y: 20.0,
            label: "max age 20 s".to_owned(),
        },
        Guide {
            y: 40.0,
            label: "max age 40 s".to_owned(),
        },
    ])
}

/// The age of what the last switch of a line hears, second by second.
pub(super) fn depth_story(plan: &Plan) -> Chart {
    let series = depth::stories(plan.seed)
        .into_iter()
        .enumerate()
        .map(|(place, (label, heard))| Series {
            label,
            look: Look::nth(place).line(),
            dots: heard
                .into_iter()
                .map(|(at, age)| Dot {
                    x: at,
                    y: age.map(|age| [age; 3]),
                    whole: true,
                })
                .collect(),
        })
        .collect();
    Chart {
        name: "depth-story",
        title: "One cold start each: what the last switch of a line holds".to_owned(),
        subtitle: "age of the root's word as the last switch's root port holds it; at max age it is thrown away".to_owned(),
        x: ("seconds since the last switch got power", Scale::Linear),
        y: ("age of the word, seconds", Scale::Linear),
        band: "takes itself for root",
        series,
        guides: vec![Guide { y: 20.0, label: "max age".to_owned() }],
    }
}

/// All charts of a study that have something in them, in the order of the report.
pub(super) fn all(plan: &Plan, points: &[Point<'_>], own: &Own) -> Vec<Chart> {
    let mut charts = Vec::new();
    for event in plan.events() {
        match event {
            Event::ColdStart
            | Event::RootLoss
            | Event::RootLinkLoss
            | Event::SilentFailure
            | Event::NewRoot => charts.extend([
                settling(points, plan.protocol, event),
                outage(points, plan.protocol, event),
            ]),
            Event::FlappingPort => charts.extend([
                counting(
                    points,
                    event,
                    Metric::Flooded,
                    "flapping-flooded",
                    "A host's link flaps five times: frames flooded",
                    "data frames sent out of two ports or more",
                ),
                counting(
                    points,
                    event,
                    Metric::Relearned,
                    "flapping-relearned",
                    "A host's link flaps five times: entries learned again",
                    "CAM entries learned or moved, all switches",
                ),
            ]),
            Event::FlappingEdge => {}
        }
    }
    charts.extend([
        counting(
            points,
            Event::ColdStart,
            Metric::Bpdus,
            "bpdus-cold-start",
            "Cold start: BPDUs until the tree stands",
            "BPDUs sent by all switches",
        ),
        counting(
            points,
            Event::ColdStart,
            Metric::Blocked,
            "blocked",
            "What redundancy costs: ports that wait",
            "blocked ports, all switches",
        ),
        counting(
            points,
            Event::RootLoss,
            Metric::Relearned,
            "relearned-root-loss",
            "The root dies: CAM entries learned again",
            "CAM entries learned or moved, all switches",
        ),
    ]);
    if plan.has_depth() {
        charts.extend([depth_share(points), depth_age(points), depth_story(plan)]);
    }
    charts.extend(own.charts());
    charts.retain(|chart| !chart.is_empty());
    charts
}

fn values(metric: Metric, spread: Spread) -> [f64; 3] {
    [spread.min, spread.median, spread.p99].map(|value| number(metric, value))
}

/// Seconds or a count, as a number to draw.
fn number(metric: Metric, value: u64) -> f64 {
    match metric.unit() {
        Unit::Time => core::time::Duration::from_micros(value).as_secs_f64(),
        Unit::Count | Unit::Flag => u32::try_from(value).map_or(f64::from(u32::MAX), f64::from),
    }
}
