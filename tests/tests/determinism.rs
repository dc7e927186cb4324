//! The same scenario gives the same run: every frame, drop, loss and event at the same time in the same order, on
//! whatever thread it is played.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hasher as _};
use std::rc::Rc;
use std::thread;
use std::time::Duration;

use labs::sim::{Map, Notice, Observer};
use tests::scenario::Scenario;
use tests::scenario::strategy::{Kind, numbered};
use tests::trial::{Trial, play_watched};

const SCENARIOS: u64 = 300;

/// Hashes everything it is told.
#[derive(Debug, Default)]
struct Trace {
    hasher: DefaultHasher,
    line: String,
    lines: u64,
}

impl Observer for Trace {
    fn notice(&mut self, now: Duration, _: &Map, notice: &Notice<'_>) {
        self.line.clear();
        write!(self.line, "{now:?} {notice:?}").expect("writing to a string does not fail");
        self.hasher.write(self.line.as_bytes());
        self.lines += 1;
    }
}

/// The hash of the whole run, the number of things in it, and what came of it.
fn trace(scenario: &Scenario) -> (u64, u64, Trial) {
    let trace = Rc::new(RefCell::new(Trace::default()));
    let trial = play_watched(scenario, trace.clone());
    let trace = trace.borrow();
    (trace.hasher.finish(), trace.lines, trial)
}

#[test]
fn the_same_scenario_gives_the_same_run() {
    let play_all = || -> Vec<_> { (0..SCENARIOS).map(|n| trace(&numbered(n))).collect() };
    let (one, other) = thread::scope(|scope| {
        let [one, other] = [(); 2].map(|()| scope.spawn(play_all));
        (one.join(), other.join())
    });
    let (one, other) = (one.expect("no panic"), other.expect("no panic"));
    for (number, (one, other)) in (0..).zip(one.iter().zip(&other)) {
        let again = format!("cargo run -p tests --bin repro -- --number {number}");
        assert_eq!(one, other, "scenario {number} differs from itself: {again}");
        assert!(one.1 > 0, "scenario {number} is empty");
    }
}

#[test]
fn the_seed_decides_what_chance_does_and_nothing_else() {
    let with_seed = |number: u64, seed: u64| Scenario {
        seed,
        ..numbered(number)
    };
    let differs = |number: &u64| trace(&with_seed(*number, 1)).0 != trace(&with_seed(*number, 2)).0;
    let by_kind = |wanted: Kind| (0..SCENARIOS).filter(move |&n| Kind::of(n) == wanted);
    assert_eq!(by_kind(Kind::Safe).find(differs), None);
    assert!(by_kind(Kind::Lossy).any(|number| differs(&number)));
}
