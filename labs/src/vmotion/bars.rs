//! `check: {move: …}`: what a move cost, held against what the lab file says that it may or must.

use super::MigrationReport;
use crate::topology::{Bars, Figure};

/// Whether the last move of the VM keeps to its bars, and what it cost.
pub(crate) fn look(bars: &Bars, migrations: &[MigrationReport]) -> (bool, String) {
    let vm = &bars.vm;
    let Some(last) = migrations.iter().rev().find(|report| report.vm == *vm) else {
        return (false, format!("{vm} has not moved"));
    };
    if let Some(failure) = &last.failure {
        return (false, format!("{vm} did not move: {failure}"));
    }
    let figures = bars.bars.iter().map(|bar| (bar, figure(last, bar.figure)));
    let holds = figures.clone().all(|(bar, figure)| bar.holds(figure));
    let said: Vec<String> = figures
        .map(|(bar, figure)| match bar.figure {
            Figure::PingsLost => format!("{} {figure} of {}", bar.figure, last.pings_sent),
            Figure::Total | Figure::Pause | Figure::Silence | Figure::Answer | Figure::Stall => {
                format!("{} {figure:.1} ms", bar.figure)
            }
        })
        .collect();
    (holds, format!("{vm}: {}", said.join(", ")))
}

fn figure(report: &MigrationReport, figure: Figure) -> f64 {
    match figure {
        Figure::Total => report.total_ms,
        Figure::Pause => report.pause_ms,
        Figure::Silence => report.ping_gap_ms,
        Figure::Answer => report.slowest_answer_ms,
        // No session asked: none of its bars holds.
        Figure::Stall => report
            .tcp
            .as_ref()
            .map_or(f64::NAN, |tcp| tcp.longest_stall_ms),
        Figure::PingsLost => report.pings_lost as f64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::Bar;

    fn bars(figure: Figure, over: Option<f64>, under: Option<f64>) -> Bars {
        Bars {
            vm: "vm1".to_owned(),
            bars: vec![Bar {
                figure,
                over,
                under,
            }],
        }
    }

    #[test]
    fn the_last_move_of_the_machine_counts_and_one_that_failed_holds_nothing() {
        let moved = |vm: &str, pings_lost| MigrationReport {
            vm: vm.to_owned(),
            pings_sent: 100,
            pings_lost,
            ping_gap_ms: 12.34,
            ..MigrationReport::default()
        };
        let migrations = [moved("vm1", 50), moved("vm1", 3), moved("vm2", 9)];
        let few = bars(Figure::PingsLost, None, Some(4.0));
        assert_eq!(
            look(&few, &migrations),
            (true, "vm1: pings lost 3 of 100".to_owned())
        );
        assert!(!look(&few, &migrations[..1]).0);
        let long = bars(Figure::Silence, Some(12.34), None);
        assert_eq!(
            look(&long, &migrations),
            (false, "vm1: silence 12.3 ms".to_owned())
        );
        for stall in [
            bars(Figure::Stall, None, Some(1e9)),
            bars(Figure::Stall, Some(0.0), None),
        ] {
            assert!(!look(&stall, &migrations).0, "no session was asked");
        }
        assert_eq!(look(&few, &[]), (false, "vm1 has not moved".to_owned()));
        let failed = MigrationReport {
            failure: Some("cut".to_owned()),
            ..moved("vm1", 0)
        };
        let seen = look(&few, &[failed]);
        assert_eq!(seen, (false, "vm1 did not move: cut".to_owned()));
    }
}
