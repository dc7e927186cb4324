//! The outcome as text.

use std::fmt::Write;

use super::catalogue::{Against, Better, Metric, SCENARIOS};
use super::verdict::{Mark, Verdict, verdicts};
use super::{Dut, Outcome, Spread};

const LABEL: usize = 30;
const COLUMN: usize = 15;

/// All figures as a table, then every bar with its mark.
pub(super) fn table(outcome: &Outcome) -> String {
    let duts = devices(outcome);
    let mut text = String::new();
    let _ = write!(text, "{:<LABEL$}", "median of rounds");
    for dut in &duts {
        let _ = write!(text, "{:>width$}", dut.name(), width = column(*dut));
    }
    text.push('\n');
    for scenario in SCENARIOS {
        let rows = Metric::of(scenario.name).filter_map(|metric| row(outcome, metric, &duts));
        let rows: String = rows.collect();
        if rows.is_empty() {
            continue;
        }
        let _ = write!(text, "\n{} ({})\n{rows}", scenario.title, scenario.clause);
    }
    text.push_str(&judged(outcome));
    for failure in &outcome.failures {
        let _ = writeln!(
            text,
            "failed: {} of {} in round {}: {}",
            failure.scenario, failure.dut, failure.round, failure.reason
        );
    }
    for (dut, why) in &outcome.missing {
        let _ = writeln!(text, "missing: {dut}: {why}");
    }
    text
}

/// Devices that have figures, in their order.
pub(super) fn devices(outcome: &Outcome) -> Vec<Dut> {
    let has = |dut: &Dut| {
        outcome
            .samples
            .iter()
            .any(|sample| sample.dut == dut.name())
    };
    Dut::ALL.into_iter().filter(has).collect()
}

fn column(dut: Dut) -> usize {
    COLUMN.max(dut.name().len() + 2)
}

fn row(outcome: &Outcome, metric: &Metric, duts: &[Dut]) -> Option<String> {
    let spreads: Vec<Option<Spread>> = duts
        .iter()
        .map(|dut| spread(outcome, metric, *dut))
        .collect();
    spreads.iter().any(Option::is_some).then(|| {
        let label = format!("  {}, {}", metric.title, metric.unit);
        let mut line = format!("{label:<LABEL$}");
        // A long label takes from the first column.
        let mut excess = label.chars().count().saturating_sub(LABEL);
        for (dut, spread) in duts.iter().zip(spreads) {
            let cell = spread.map_or(String::new(), |spread| number(spread.median));
            let width = column(*dut);
            let _ = write!(line, "{cell:>width$}", width = width.saturating_sub(excess));
            excess = excess.saturating_sub(width);
        }
        format!("{}\n", line.trim_end())
    })
}

/// A figure's values over the rounds.
pub(super) fn spread(outcome: &Outcome, metric: &Metric, dut: Dut) -> Option<Spread> {
    let values = outcome.values(metric.scenario, metric.name, dut.name());
    Spread::of(&values.map(|(_, value)| value).collect::<Vec<_>>())
}

/// Three digits that say something.
pub(super) fn number(value: f64) -> String {
    let size = value.abs();
    if size == 0.0 {
        "0".to_owned()
    } else if size >= 100.0 {
        grouped(&format!("{value:.0}"))
    } else if size >= 10.0 {
        format!("{value:.1}")
    } else if size >= 1.0 {
        format!("{value:.2}")
    } else {
        format!("{value:.3}")
    }
}

fn grouped(digits: &str) -> String {
    let mut text = String::new();
    for (place, digit) in digits.char_indices() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Every bar that could be judged.
fn judged(outcome: &Outcome) -> String {
    let mut text = String::new();
    let verdicts = verdicts(outcome);
    let known = verdicts
        .iter()
        .filter(|verdict| verdict.mark != Mark::Unknown);
    for verdict in known.clone() {
        let _ = writeln!(text, "{:<3}{}", verdict.mark.sign(), sentence(verdict));
    }
    if text.is_empty() {
        return text;
    }
    let count = |mark| known.clone().filter(|verdict| verdict.mark == mark).count();
    format!(
        "\nbars (ratios: median of the rounds' ratios)\n{text}{} aims reached ✔✔, {} bars reached ✔, {} aims without bar not reached –, {} bars missed ✘\n",
        count(Mark::Aim),
        count(Mark::Bar),
        count(Mark::Short),
        count(Mark::Missed),
    )
}

/// `switchd-tap, TCP: 0.91 × kernel-bridge [0.88..0.95]; bar at least 0.80, aim 1.00`
pub(super) fn sentence(verdict: &Verdict) -> String {
    let bar = verdict.bar;
    let title = bar.metric().map_or(bar.metric, |metric| metric.title);
    let mut text = format!("{}: {}, {title}: ", bar.of.name(), bar.scenario);
    let Some(found) = verdict.found else {
        return text + "not measured";
    };
    let _ = match bar.against {
        Against::Dut(other) => write!(text, "{} × {}", number(found.median), other.name()),
        Against::Nothing => write!(
            text,
            "{} {}",
            number(found.median),
            bar.metric().map_or("", |metric| metric.unit)
        ),
    };
    if found.count > 1 {
        let _ = write!(text, " [{}..{}]", number(found.min), number(found.max));
    }
    let bound = match verdict.better {
        Better::Higher => "at least",
        Better::Lower => "at most",
    };
    if let Some(bar) = bar.bar {
        let _ = write!(text, "; bar {bound} {}", number(bar));
    }
    if let Some(aim) = bar.aim {
        let _ = write!(text, "; aim {}", number(aim));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::Sample;

    fn outcome() -> Outcome {
        let sample = |dut: &str, value| Sample {
            round: 1,
            scenario: "tcp".to_owned(),
            dut: dut.to_owned(),
            metric: "rate".to_owned(),
            value,
        };
        Outcome {
            samples: vec![sample("switchd-tap", 9.0), sample("kernel-bridge", 10.0)],
            ..Outcome::default()
        }
    }

    #[test]
    fn figures_stand_under_their_devices_and_bars_below() {
        let text = table(&outcome());
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].ends_with("switchd-tap  kernel-bridge"), "{text}");
        let row = lines.iter().find(|line| line.contains("Gbit/s")).unwrap();
        assert_eq!(row.len(), lines[0].len(), "{text}");
        assert!(
            text.contains(
                "✔  switchd-tap: tcp, TCP: 0.900 × kernel-bridge; bar at least 0.800; aim 1.00"
            ),
            "{text}"
        );
        assert!(
            text.contains("0 aims reached ✔✔, 1 bars reached ✔"),
            "{text}"
        );
        assert!(!text.contains("vde"), "{text}");
    }

    #[test]
    fn numbers_have_three_digits() {
        for (value, text) in [
            (0.0, "0"),
            (0.0834, "0.083"),
            (1.234, "1.23"),
            (23.45, "23.4"),
            (1234.5, "1,234"),
            (100_000.0, "100,000"),
        ] {
            assert_eq!(number(value), text);
        }
    }
}
