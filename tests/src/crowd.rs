//! Many trials, on all cores: each takes the next number until there are none left, and what they found is added up.

use core::fmt;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use crate::scenario::Scenario;
use crate::trial::{Trial, Wrong};

/// What many trials came to.
#[derive(Clone, Debug, Default)]
pub struct Census {
    /// Scenarios played.
    pub trials: u64,
    /// Scenarios in which nothing was lost in silence and the times fit, so that no loop may be.
    pub safe: u64,
    /// Events of all simulations together.
    pub events: u64,
    /// Loops that spanning tree does not promise to prevent, by cause; and in how many scenarios.
    pub loops: BTreeMap<&'static str, (u64, u64)>,
    /// Scenarios that ended with stale addresses that spanning tree does not promise to forget.
    pub stale: u64,
    /// The most of its allowed time that a tree took to come to rest, in percent.
    pub settled_percent: u64,
    /// The first scenario with a loop, and the loop.
    pub shown: Option<(u64, String)>,
}

/// A scenario in which something is wrong.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Its number.
    pub number: u64,
    /// What is wrong.
    pub wrong: Wrong,
}

impl Census {
    /// Adds one trial. `number` is the scenario's.
    pub fn add(&mut self, number: u64, scenario: &Scenario, trial: &Trial) {
        self.trials += 1;
        self.safe += u64::from(crate::scenario::regime::Regime::of(scenario).is_safe());
        self.events += trial.events;
        self.stale += u64::from(trial.stale.is_some());
        self.settled_percent = self.settled_percent.max(trial.settled_percent);
        let mut causes: Vec<&str> = trial.loops.iter().map(|seen| seen.cause).collect();
        for seen in &trial.loops {
            self.loops.entry(seen.cause).or_default().0 += 1;
        }
        causes.sort_unstable();
        causes.dedup();
        for seen in &trial.loops {
            if let Some(place) = causes.iter().position(|cause| *cause == seen.cause) {
                causes.remove(place);
                self.loops.entry(seen.cause).or_default().1 += 1;
            }
        }
        if let Some(seen) = trial.loops.first() {
            self.show(number, seen.to_string());
        }
    }

    fn show(&mut self, number: u64, what: String) {
        if self.shown.as_ref().is_none_or(|(shown, _)| number < *shown) {
            self.shown = Some((number, what));
        }
    }

    /// Adds what others found.
    pub fn join(&mut self, other: Self) {
        self.trials += other.trials;
        self.safe += other.safe;
        self.events += other.events;
        self.stale += other.stale;
        self.settled_percent = self.settled_percent.max(other.settled_percent);
        for (cause, (loops, scenarios)) in other.loops {
            let sum = self.loops.entry(cause).or_default();
            sum.0 += loops;
            sum.1 += scenarios;
        }
        if let Some((number, what)) = other.shown {
            self.show(number, what);
        }
    }
}

impl fmt::Display for Census {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} scenarios, {} of them safe, {} events; rest came after {} % of the time allowed at most",
            self.trials, self.safe, self.events, self.settled_percent
        )?;
        for (cause, (loops, scenarios)) in &self.loops {
            writeln!(f, "{loops} loops in {scenarios} scenarios: {cause}")?;
        }
        if self.stale > 0 {
            writeln!(
                f,
                "{} scenarios with loss ended with a stale address",
                self.stale
            )?;
        }
        if let Some((number, what)) = &self.shown {
            writeln!(f, "scenario {number}: {what}")?;
        }
        Ok(())
    }
}

/// Runs `trial` for 0, 1, 2, … while it returns something and nothing is wrong, on every core.
///
/// # Errors
/// The failure with the lowest number among those found before all stopped.
pub fn gather(
    trial: impl Fn(u64) -> Option<(Scenario, Trial)> + Sync,
) -> Result<Census, Box<Failure>> {
    let next = AtomicU64::new(0);
    let stop = AtomicBool::new(false);
    let sum = Mutex::new(Census::default());
    let failure: Mutex<Option<Failure>> = Mutex::new(None);
    let work = || {
        let mut census = Census::default();
        while !stop.load(Ordering::Relaxed) {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some((scenario, trial)) = trial(number) else {
                break;
            };
            census.add(number, &scenario, &trial);
            if let Some(wrong) = trial.wrong {
                stop.store(true, Ordering::Relaxed);
                let mut failure = failure.lock().expect("nobody panics with the lock");
                if failure.as_ref().is_none_or(|first| number < first.number) {
                    *failure = Some(Failure { number, wrong });
                }
            }
        }
        sum.lock()
            .expect("nobody panics with the lock")
            .join(census);
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(work);
        }
    });
    match failure.into_inner().expect("nobody panics with the lock") {
        Some(failure) => Err(Box::new(failure)),
        None => Ok(sum.into_inner().expect("nobody panics with the lock")),
    }
}
