//! Many trials, on all cores: each takes the next number until there are none left, and what they found is added up.

use core::fmt;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use crate::scenario::Scenario;
use crate::trial::{Cause, Trial, play};

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
    pub loops: BTreeMap<Cause, (u64, u64)>,
    /// Scenarios that ended with stale addresses that spanning tree does not promise to forget.
    pub stale: u64,
    /// The most of its allowed time that a tree took to come to rest, in percent.
    pub settled_percent: u64,
    /// Of each cause of loops, the shortest scenario that shows one.
    pub shown: BTreeMap<Cause, Scenario>,
}

/// A scenario in which something is wrong.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The number it was named for.
    pub number: u64,
    /// The scenario.
    pub scenario: Scenario,
}

impl Census {
    /// Adds one trial.
    pub fn add(&mut self, scenario: &Scenario, trial: &Trial) {
        self.trials += 1;
        self.safe += u64::from(crate::scenario::regime::Regime::of(scenario).is_safe());
        self.events += trial.events;
        self.stale += u64::from(trial.stale.is_some());
        self.settled_percent = self.settled_percent.max(trial.settled_percent);
        let mut causes = BTreeMap::new();
        for seen in &trial.loops {
            *causes.entry(seen.cause).or_insert(0) += 1;
        }
        for (cause, loops) in causes {
            let sum = self.loops.entry(cause).or_default();
            *sum = (sum.0 + loops, sum.1 + 1);
            self.show(cause, scenario);
        }
    }

    fn show(&mut self, cause: Cause, scenario: &Scenario) {
        let size = |scenario: &Scenario| (scenario.steps.len(), scenario.wires.len());
        let shown = self.shown.entry(cause).or_insert_with(|| scenario.clone());
        if size(scenario) < size(shown) {
            scenario.clone_into(shown);
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
        for (cause, scenario) in other.shown {
            self.show(cause, &scenario);
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
        Ok(())
    }
}

/// Plays the scenarios that `batch` names for 0, 1, 2, … until it names no more or something is wrong, on every core.
///
/// # Errors
/// The failure of the lowest number among those found before all stopped.
pub fn gather(batch: impl Fn(u64) -> Option<Vec<Scenario>> + Sync) -> Result<Census, Box<Failure>> {
    let next = AtomicU64::new(0);
    let stop = AtomicBool::new(false);
    let sum = Mutex::new(Census::default());
    let failure: Mutex<Option<Failure>> = Mutex::new(None);
    let work = || {
        let mut census = Census::default();
        while !stop.load(Ordering::Relaxed) {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(scenarios) = batch(number) else {
                break;
            };
            let Some(found) = play_all(number, scenarios, &mut census) else {
                continue;
            };
            stop.store(true, Ordering::Relaxed);
            let mut failure = failure.lock().expect("nobody panics with the lock");
            if failure.as_ref().is_none_or(|first| number < first.number) {
                *failure = Some(found);
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

fn play_all(number: u64, scenarios: Vec<Scenario>, census: &mut Census) -> Option<Failure> {
    scenarios.into_iter().find_map(|scenario| {
        let trial = play(&scenario);
        census.add(&scenario, &trial);
        trial.wrong.map(|_| Failure { number, scenario })
    })
}
