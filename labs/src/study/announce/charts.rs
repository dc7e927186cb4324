//! The pictures.

use super::plan::Plan;
use super::table::Contender;
use super::{Record, Schedule, Sender, Tree};
use crate::study::plot::{Chart, Dot, Guide, Look, Scale, Series, seconds};

const ONE: &str = "one case each: virtual time has no spread";

pub(super) fn all(plan: &Plan, records: &[Record], contenders: &[Contender]) -> Vec<Chart> {
    let mut charts = vec![
        lost(plan, records),
        offset(plan, records),
        schedule_offset(plan, records, contenders),
        budget(plan, contenders),
        promise(records),
    ];
    charts.retain(|chart| !chart.is_empty());
    charts
}

fn dot(x: f64, y: i64) -> Dot {
    Dot {
        x,
        y: Some([seconds(y); 3]),
        whole: true,
    }
}

/// Outage against announcements lost, in a network at rest.
fn lost(plan: &Plan, records: &[Record]) -> Chart {
    let mut series = Vec::new();
    for (place, sender) in Sender::ALL.into_iter().enumerate() {
        let mine = records.iter().filter(|record| {
            let case = record.case;
            case.sender == sender
                && case.tree == Tree::Quiet
                && !case.chatty
                && case.diameter == plan.farthest()
                && case.schedule == plan.schedule
        });
        series.push(Series {
            label: sender.title().to_owned(),
            look: Look::nth(place).line(),
            dots: mine
                // On an axis of ratios an outage of nothing is drawn as the least that can be told from it.
                .map(|record| {
                    dot(
                        f64::from(record.case.lost),
                        record.measured.outage.max(super::PERIOD),
                    )
                })
                .collect(),
        });
    }
    Chart {
        name: "lost",
        title: "Announcements lost, network at rest, silent guest".to_owned(),
        subtitle: ONE.to_owned(),
        x: ("announcements lost, the first ones", Scale::Linear),
        y: ("outage, seconds (10 ms: none)", Scale::Log),
        band: "",
        series,
        guides: vec![Guide {
            y: seconds(plan.setting.ageing()),
            label: "ageing time".to_owned(),
        }],
    }
}

/// Outage against the instant of the cut.
fn offset(plan: &Plan, records: &[Record]) -> Chart {
    let wanted = [
        (Sender::Nobody, false, "none, silent guest"),
        (Sender::Rarp, false, "RARP, silent guest"),
        (Sender::Both, false, "both, silent guest"),
        (Sender::Nobody, true, "none, chatty guest"),
    ];
    let series = wanted
        .into_iter()
        .enumerate()
        .map(|(place, (sender, chatty, label))| {
            let mine = records.iter().filter(move |record| {
                let case = record.case;
                case.sender == sender
                    && case.chatty == chatty
                    && case.lost == 0
                    && case.diameter == plan.farthest()
                    && case.schedule == plan.schedule
            });
            Series {
                label: label.to_owned(),
                look: Look::nth(place).line(),
                dots: by_cut(mine, |record| record.measured.outage),
            }
        });
    Chart {
        name: "offset",
        title: "A cable of the way is cut before or after the move".to_owned(),
        subtitle: "how long the client is without answers, from the resume on".to_owned(),
        x: ("seconds from the cut to the resume", Scale::Linear),
        y: ("outage, seconds", Scale::Linear),
        band: "",
        series: series.collect(),
        guides: vec![Guide {
            y: seconds(2 * plan.setting.forward_delay()),
            label: "2 × forward delay".to_owned(),
        }],
    }
}

fn by_cut<'r>(records: impl Iterator<Item = &'r Record>, of: impl Fn(&Record) -> i64) -> Vec<Dot> {
    let mut dots: Vec<(i64, i64)> = records
        .filter_map(|record| match record.case.tree {
            Tree::Quiet => None,
            Tree::Cut(at) => Some((-at, of(record))),
        })
        .collect();
    dots.sort_unstable();
    dots.into_iter()
        .map(|(cut, outage)| dot(seconds(cut), outage))
        .collect()
}

/// What schedules add to the tree's own outage, by the instant of the cut.
fn schedule_offset(plan: &Plan, records: &[Record], contenders: &[Contender]) -> Chart {
    let best = contenders.first().map(|contender| contender.schedule);
    let mut wanted: Vec<(String, Schedule)> = plan.schedules.clone();
    wanted.extend(best.map(|best| (format!("best: {best}"), best)));
    let series = wanted
        .into_iter()
        .enumerate()
        .map(|(place, (label, schedule))| Series {
            label,
            look: Look::nth(place).line(),
            dots: by_cut(
                records.iter().filter(|record| {
                    let case = record.case;
                    case.schedule == schedule
                        && case.sender == Sender::Rarp
                        && !case.chatty
                        && case.lost == 0
                        && case.diameter == plan.farthest()
                }),
                Record::beyond_tree,
            ),
        });
    Chart {
        name: "schedules",
        title: "What the schedule adds to spanning tree's own outage".to_owned(),
        subtitle: "RARP, silent guest, nothing lost; outage less the time in which no way was open"
            .to_owned(),
        x: ("seconds from the cut to the resume", Scale::Linear),
        y: ("outage beyond the tree's own, seconds", Scale::Linear),
        band: "",
        series: series.collect(),
        guides: vec![Guide {
            y: seconds(plan.setting.forward_delay()),
            label: "forward delay".to_owned(),
        }],
    }
}

/// What more frames buy.
fn budget(plan: &Plan, contenders: &[Contender]) -> Chart {
    let named = |name: &str| plan.schedules.iter().any(|(known, _)| known == name);
    let of = |wanted: bool| {
        let mine = contenders
            .iter()
            .filter(|contender| named(&contender.name) == wanted);
        let mut dots: Vec<(u32, i64)> = mine
            .map(|contender| (contender.schedule.rounds, contender.bound))
            .collect();
        dots.sort_unstable();
        dots.into_iter()
            .map(|(frames, bound)| dot(f64::from(frames), bound))
            .collect()
    };
    Chart {
        name: "budget",
        title: format!("What more announcements buy, {} of them lost", plan.lost),
        subtitle: "the longest outage a silent guest may have beyond what spanning tree costs, at any instant of a cut".to_owned(),
        x: ("announcements sent", Scale::Log),
        y: ("outage bound, seconds", Scale::Log),
        band: "",
        series: vec![
            Series {
                label: "best of its size".to_owned(),
                look: Look::nth(0).line(),
                dots: of(false),
            },
            Series {
                label: "asked for".to_owned(),
                look: Look::nth(1),
                dots: of(true),
            },
        ],
        guides: Vec::new(),
    }
}

/// Every trial: what was predicted, and what was measured.
fn promise(records: &[Record]) -> Chart {
    let of = |quiet: bool| {
        let mine = records
            .iter()
            .filter(|record| (record.case.tree == Tree::Quiet) == quiet);
        let mut dots: Vec<(i64, i64)> = mine
            .map(|record| (record.predicted.most, record.measured.outage))
            .collect();
        dots.sort_unstable();
        dots.dedup();
        let seen = |millis: i64| millis.max(super::PERIOD);
        dots.into_iter()
            .map(|(most, outage)| dot(seconds(seen(most)), seen(outage)))
            .collect()
    };
    Chart {
        name: "predicted",
        title: "Predicted and measured".to_owned(),
        subtitle: "every trial; equal ones are drawn once".to_owned(),
        x: ("outage predicted at most, seconds", Scale::Log),
        y: ("outage measured, seconds", Scale::Log),
        band: "",
        series: vec![
            Series {
                label: "network at rest".to_owned(),
                look: Look::nth(0),
                dots: of(true),
            },
            Series {
                label: "tree rebuilding".to_owned(),
                look: Look::nth(1),
                dots: of(false),
            },
        ],
        guides: Vec::new(),
    }
}
