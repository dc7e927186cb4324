//! All scenarios at once: they mostly wait.

use std::panic::catch_unwind;
use std::sync::Mutex;

use super::dissect::dissect;
use super::plan::Scenario;
use super::play::{Outcome, play};
use crate::binaries;

/// Plays all of `scenarios` side by side; `None`: one panicked, and has told why.
///
/// # Panics
/// When the programs do not build.
#[must_use]
pub fn run(scenarios: &[Scenario]) -> Vec<Option<Outcome>> {
    let _ = binaries::directory();
    let outcomes: Vec<Mutex<Option<Outcome>>> =
        scenarios.iter().map(|_| Mutex::new(None)).collect();
    std::thread::scope(|scope| {
        for (scenario, outcome) in scenarios.iter().zip(&outcomes) {
            scope.spawn(move || {
                // One that cannot be played leaves the others.
                let done = catch_unwind(|| play(scenario)).ok();
                *outcome.lock().expect("one thread each") = done;
            });
        }
    });
    let taken = |outcome: Mutex<Option<Outcome>>| outcome.into_inner().expect("one thread each");
    outcomes.into_iter().map(taken).collect()
}

/// What was wrong in any.
#[must_use]
pub fn wrong(scenarios: &[Scenario], outcomes: &[Option<Outcome>]) -> Vec<String> {
    let told = scenarios
        .iter()
        .zip(outcomes)
        .filter_map(|(scenario, outcome)| match outcome {
            Some(outcome) => outcome.wrong.clone(),
            None => Some(format!("{}: see above", scenario.name)),
        });
    told.collect()
}

/// What tshark complains of in the BPDUs that were sent.
///
/// # Panics
/// When tshark is missing, or hardly anything was sent.
#[must_use]
pub fn complaints(outcomes: &[Option<Outcome>]) -> Vec<String> {
    let sent = outcomes
        .iter()
        .flatten()
        .flat_map(|outcome| outcome.sent.iter().cloned());
    let sent: Vec<Vec<u8>> = sent.collect();
    assert!(
        sent.len() > 20 * outcomes.len(),
        "only {} BPDUs",
        sent.len()
    );
    let read = dissect(&sent);
    let complaints = read.iter().zip(&sent).filter_map(|(frame, octets)| {
        let complaints = frame.complaints();
        (!complaints.is_empty()).then(|| format!("{octets:02x?}: {}", complaints.join(", ")))
    });
    complaints.collect()
}
