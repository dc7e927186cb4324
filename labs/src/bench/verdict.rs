//! Figures against bars.

use serde::Serialize;

use super::catalogue::{Against, BARS, Bar, Better, Metric};
use super::{Outcome, Spread};

/// How a figure stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mark {
    /// The aim is reached.
    Aim,
    /// The bar is, the aim is not or there is none.
    Bar,
    /// There is no bar, and the aim is not reached.
    Short,
    /// The bar is missed.
    Missed,
    /// There is nothing to judge by: a device or scenario was left out or failed.
    Unknown,
}

/// A bar and what came of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Verdict {
    /// The bar.
    pub bar: &'static Bar,
    /// Which way is good.
    pub better: Better,
    /// The ratio, or the figure itself; median and range over the rounds.
    pub found: Option<Spread>,
    /// How that stands.
    pub mark: Mark,
}

impl Mark {
    /// A sign for tables.
    #[must_use]
    pub fn sign(self) -> &'static str {
        match self {
            Self::Aim => "✔✔",
            Self::Bar => "✔",
            Self::Short => "–",
            Self::Missed => "✘",
            Self::Unknown => "?",
        }
    }

    /// The same in words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Aim => "aim reached",
            Self::Bar => "bar reached",
            Self::Short => "aim not reached",
            Self::Missed => "bar missed",
            Self::Unknown => "not measured",
        }
    }
}

/// Every bar of the catalogue, judged.
#[must_use]
pub fn verdicts(outcome: &Outcome) -> Vec<Verdict> {
    let judged = BARS
        .iter()
        .filter_map(|bar| Some(judge(outcome, bar, bar.metric()?)));
    judged.collect()
}

fn judge(outcome: &Outcome, bar: &'static Bar, metric: &Metric) -> Verdict {
    let own = outcome.values(bar.scenario, bar.metric, bar.of.name());
    let values: Vec<f64> = match bar.against {
        Against::Nothing => own.map(|(_, value)| value).collect(),
        // Ratios within a round: what slowed one of the two slowed the other.
        Against::Dut(other) => own
            .filter_map(|(round, value)| {
                let mut others = outcome.values(bar.scenario, bar.metric, other.name());
                let (_, other) = others.find(|(other, _)| *other == round)?;
                (other > 0.0).then_some(value / other)
            })
            .collect(),
    };
    let found = Spread::of(&values);
    let reaches = |wanted: Option<f64>| {
        let (found, wanted) = (found?, wanted?);
        Some(Bar::reaches(metric.better, found.median, wanted))
    };
    let mark = match (found, reaches(bar.bar), reaches(bar.aim)) {
        (None, _, _) => Mark::Unknown,
        (Some(_), Some(false), _) => Mark::Missed,
        (Some(_), _, Some(true)) => Mark::Aim,
        (Some(_), Some(true), _) => Mark::Bar,
        (Some(_), None, _) => Mark::Short,
    };
    Verdict {
        bar,
        better: metric.better,
        found,
        mark,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::Sample;

    fn outcome(values: &[(u32, &str, f64)]) -> Outcome {
        let sample = |&(round, dut, value): &(u32, &str, f64)| Sample {
            round,
            scenario: "tcp".to_owned(),
            dut: dut.to_owned(),
            metric: "rate".to_owned(),
            value,
        };
        Outcome {
            samples: values.iter().map(sample).collect(),
            ..Outcome::default()
        }
    }

    fn first(values: &[(u32, &str, f64)]) -> Verdict {
        // TCP of tap ports against the kernel's bridge: bar 0.8, aim 1.0.
        verdicts(&outcome(values))[0]
    }

    #[test]
    fn ratios_are_taken_within_a_round_and_only_then_their_median() {
        let verdict = first(&[
            (1, "switchd-tap", 9.0),
            (1, "kernel-bridge", 10.0),
            (2, "switchd-tap", 1.0),
            (2, "kernel-bridge", 1.0),
            (3, "switchd-tap", 40.0),
            (3, "kernel-bridge", 50.0),
            (4, "switchd-tap", 40.0),
        ]);
        let found = verdict.found.unwrap();
        assert_eq!((found.count, found.median), (3, 0.9));
        assert_eq!(verdict.mark, Mark::Bar);
    }

    #[test]
    fn bars_are_reached_missed_or_unknown() {
        let pair = |ours| first(&[(1, "switchd-tap", ours), (1, "kernel-bridge", 10.0)]).mark;
        assert_eq!(pair(10.0), Mark::Aim);
        assert_eq!(pair(8.0), Mark::Bar);
        assert_eq!(pair(7.9), Mark::Missed);
        assert_eq!(first(&[(1, "switchd-tap", 9.0)]).mark, Mark::Unknown);
        let zero = first(&[(1, "switchd-tap", 9.0), (1, "kernel-bridge", 0.0)]);
        assert_eq!(zero.mark, Mark::Unknown);
    }
}
