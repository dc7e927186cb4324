//! The tables.

use std::fmt::Write as _;

use super::plan::Plan;
use super::{Record, Sender, Tree};

/// Milliseconds as seconds with three digits.
pub(super) fn seconds(millis: i64) -> String {
    let sign = if millis < 0 { "-" } else { "" };
    let millis = millis.unsigned_abs();
    format!("{sign}{}.{:03}", millis / 1_000, millis % 1_000)
}

/// A line for every trial.
pub(super) fn trials(records: &[Record]) -> String {
    let mut text = String::from(
        "switches,guest,announcement,lost,schedule,cut_s,predicted_least_s,predicted_most_s,outage_s,way_broken_s,\
         first_answer_s,stale_after_1s,as_predicted\n",
    );
    for record in records {
        let case = record.case;
        let cut = match case.tree {
            Tree::Quiet => String::new(),
            Tree::Cut(at) => seconds(at),
        };
        let stale = record.measured.stale;
        let _ = writeln!(
            text,
            "{},{},{},{},{},{cut},{},{},{},{},{},{},{}",
            case.diameter,
            guest(case.chatty),
            case.sender.name(),
            case.lost,
            case.schedule,
            seconds(record.predicted.least),
            seconds(record.predicted.most),
            seconds(record.measured.outage),
            seconds(record.measured.way_broken),
            record.measured.first.map(seconds).unwrap_or_default(),
            stale.map(|stale| stale.to_string()).unwrap_or_default(),
            u8::from(record.holds())
        );
    }
    text
}

pub(super) const fn guest(chatty: bool) -> &'static str {
    if chatty { "chatty" } else { "silent" }
}

/// A schedule and what it came to.
#[derive(Clone, Debug)]
pub(super) struct Contender {
    pub(super) name: String,
    pub(super) schedule: super::Schedule,
    /// The longest outage beyond the tree's own that it allows.
    pub(super) bound: i64,
    /// The longest outage in a network at rest, by announcements lost.
    pub(super) at_rest: Vec<i64>,
    /// The longest outage beyond what the tree itself costs, over all cuts and losses.
    pub(super) beyond: i64,
}

/// Every schedule, the best first.
pub(super) fn contenders(plan: &Plan, records: &[Record]) -> Vec<Contender> {
    let demand = plan.demand();
    let mut all: Vec<Contender> = plan
        .contenders()
        .into_iter()
        .map(|(name, schedule)| {
            // The same schedule serves other cases as well: those of other senders say nothing of it.
            let mine = || {
                records.iter().filter(move |record| {
                    let case = record.case;
                    case.schedule == schedule
                        && case.sender == Sender::Rarp
                        && !case.chatty
                        && case.diameter == plan.farthest()
                })
            };
            let quiet = |lost| {
                let mine = mine().filter(move |record| {
                    record.case.tree == Tree::Quiet && record.case.lost == lost
                });
                mine.map(|record| record.measured.outage).max().unwrap_or(0)
            };
            Contender {
                name,
                schedule,
                bound: demand.bound(schedule),
                at_rest: (0..=plan.lost).map(quiet).collect(),
                beyond: mine().map(Record::beyond_tree).max().unwrap_or(0),
            }
        })
        .collect();
    all.sort_by_key(|contender| (contender.bound, contender.schedule.rounds));
    all
}

/// A line for every schedule.
pub(super) fn schedules(contenders: &[Contender]) -> String {
    let most = contenders
        .iter()
        .map(|contender| contender.at_rest.len())
        .max()
        .unwrap_or(0);
    let mut text = String::from("name,schedule,frames,last_s,bound_s,beyond_tree_s");
    for lost in 0..most {
        let _ = write!(text, ",at_rest_lost_{lost}_s");
    }
    text.push('\n');
    for contender in contenders {
        let _ = write!(
            text,
            "{},{},{},{},{},{}",
            contender.name,
            contender.schedule,
            contender.schedule.rounds,
            contender.schedule.last().map(seconds).unwrap_or_default(),
            seconds(contender.bound),
            seconds(contender.beyond)
        );
        for outage in &contender.at_rest {
            let _ = write!(text, ",{}", seconds(*outage));
        }
        text.push('\n');
    }
    text
}
