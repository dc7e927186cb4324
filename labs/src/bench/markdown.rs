//! The bars as a table in Markdown, for a README.

use std::fmt::Write;

use super::Outcome;
use super::catalogue::{Against, Better, Scenario};
use super::table::number;
use super::verdict::{Mark, Verdict, verdicts};

/// Where the figures are from, then a row for every bar that could be judged; empty if there is none.
pub(super) fn markdown(outcome: &Outcome) -> String {
    let verdicts = verdicts(outcome);
    let known = verdicts
        .iter()
        .filter(|verdict| verdict.mark != Mark::Unknown);
    let rows: String = known.filter_map(row).collect();
    if rows.is_empty() {
        return rows;
    }
    let machine = &outcome.machine;
    format!(
        "`{}` on {}: {} interleaved rounds, medians and ranges; {} cores ({}), {}.\n\n\
         | scenario | figure | ports | beside | measured | bar | aim | |\n|---|---|---|---|---|---|---|---|\n{rows}",
        outcome.command,
        outcome.date,
        outcome.rounds(),
        machine.cores,
        machine.cpu,
        machine.kernel,
    )
}

fn row(verdict: &Verdict) -> Option<String> {
    let (bar, found) = (verdict.bar, verdict.found?);
    let metric = bar.metric()?;
    let scenario = Scenario::named(bar.scenario).map_or(bar.scenario, |scenario| scenario.title);
    let ports = bar.of.name().trim_start_matches("switchd-");
    let (beside, unit) = match bar.against {
        Against::Dut(other) => (other.name(), "×"),
        Against::Nothing => ("", metric.unit),
    };
    let mut measured = format!("{} {unit}", number(found.median));
    if found.count > 1 {
        let _ = write!(
            measured,
            " ({} to {})",
            number(found.min),
            number(found.max)
        );
    }
    let bound = match verdict.better {
        Better::Higher => "≥",
        Better::Lower => "≤",
    };
    let limit = |limit: Option<f64>| {
        limit.map_or(String::new(), |limit| format!("{bound} {}", number(limit)))
    };
    Some(format!(
        "| {scenario} | {} | {ports} | {beside} | {measured} | {} | {} | {} |\n",
        metric.title,
        limit(bar.bar),
        limit(bar.aim),
        verdict.mark.sign(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::Sample;

    #[test]
    fn a_bar_is_a_row_that_says_what_was_measured_beside_what() {
        let sample = |round, dut: &str, value| Sample {
            round,
            scenario: "tcp".to_owned(),
            dut: dut.to_owned(),
            metric: "rate".to_owned(),
            value,
        };
        let outcome = Outcome {
            samples: vec![
                sample(1, "switchd-tap", 9.0),
                sample(1, "kernel-bridge", 10.0),
                sample(2, "switchd-tap", 7.0),
                sample(2, "kernel-bridge", 10.0),
                sample(3, "switchd-tap", 8.2),
                sample(3, "kernel-bridge", 10.0),
            ],
            ..Outcome::default()
        };
        let text = markdown(&outcome);
        assert_eq!(
            text.lines().last(),
            Some(
                "| TCP, one pair | TCP | tap | kernel-bridge | 0.820 × (0.700 to 0.900) | ≥ 0.800 | ≥ 1.00 | ✔ |"
            ),
            "{text}"
        );
        assert_eq!(markdown(&Outcome::default()), "");
    }
}
