//! What a failing scenario leaves behind: the smallest one that fails alike, and the command that repeats it.

use core::fmt::Write as _;

use crate::scenario::Scenario;
use crate::scenario::minimise::minimise;
use crate::trial::{Trial, play};

/// The smallest scenario found that shows the same: the same kind of wrong thing, or else a loop of the same cause, or
/// else a stale address.
#[must_use]
pub fn smallest(scenario: &Scenario) -> Scenario {
    let trial = play(scenario);
    if trial.wrong.is_none() && trial.loops.is_empty() && trial.stale.is_none() {
        return scenario.clone();
    }
    minimise(scenario, |candidate| alike(&trial, &play(candidate)))
}

fn alike(shown: &Trial, now: &Trial) -> bool {
    match (&shown.wrong, &now.wrong) {
        (Some(shown), Some(now)) => shown.kind == now.kind,
        (Some(_), None) | (None, Some(_)) => false,
        (None, None) => {
            let causes = |trial: &Trial| trial.loops.first().map(|seen| seen.cause);
            if shown.loops.is_empty() {
                shown.stale.is_some() == now.stale.is_some()
            } else {
                causes(shown) == causes(now)
            }
        }
    }
}

/// What to say of a scenario in which something is wrong. `origin` says where it is from.
#[must_use]
pub fn explain(origin: &str, scenario: &Scenario) -> String {
    let small = smallest(scenario);
    let mut text = format!("{origin}\n");
    for (what, scenario) in [("as drawn", scenario), ("smallest", &small)] {
        let wrong = play(scenario).wrong;
        let wrong = wrong.map_or_else(|| "nothing is wrong".to_owned(), |wrong| wrong.to_string());
        // Writing to a string does not fail.
        let _ = writeln!(text, "{what}: {wrong}\n    {}", command(scenario));
    }
    text + "with `--save FILE` that command writes a lab file of it"
}

/// The command that repeats a scenario.
#[must_use]
pub fn command(scenario: &Scenario) -> String {
    format!(
        "cargo run -p tests --bin repro -- --case '{}'",
        scenario.to_line()
    )
}
