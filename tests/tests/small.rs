//! All small networks, every priority order, every single fault at every instant that matters: what
//! `tests::scenario::small` enumerates, judged as the random networks are.
//!
//! | bridges | cables | hello | networks | faults | scenarios |
//! | ---: | --- | ---: | ---: | ---: | ---: |
//! | 2 | up to 3 between two | 1 s | 5 | 149 | 10,699 |
//! | 3 | up to 2 between two | 2 s | 36 | 1,755 | 72,215 |
//! | 4 | 1 between two | 2 s | 38 | 2,056 | 95,918 |
//!
//! Together about 90 s of one core at opt-level 1. `make soak` also plays 4 bridges with up to 2 cables between two
//! (1,210 networks), and all with a hello time of 1 s, at which hellos and hold timers run out together.

use std::io::Write as _;

use tests::crowd::gather;
use tests::failure::explain;
use tests::scenario::small::{Bounds, Small};

#[track_caller]
fn all_survive(bounds: &Bounds, networks: usize, scenarios: u64) {
    let small = Small::new(bounds);
    assert_eq!(small.networks(), networks, "{bounds:?}");
    let census = gather(|number| small.batch(number)).unwrap_or_else(|failure| {
        panic!("{}", explain(&format!("{bounds:?}"), &failure.scenario));
    });
    writeln!(std::io::stderr(), "{bounds:?}: {census}").expect("there is a standard error");
    // Much fewer would mean that faults or instants are overlooked.
    assert!(census.trials >= scenarios, "{census}");
    assert!(census.safe > scenarios / 2, "{census}");
}

#[test]
fn two_bridges() {
    let bounds = Bounds {
        bridges: 2,
        parallel: 3,
        cables: 3,
        hello: 1,
    };
    all_survive(&bounds, 5, 10_000);
}

#[test]
fn three_bridges() {
    let bounds = Bounds {
        bridges: 3,
        parallel: 2,
        cables: 6,
        hello: 2,
    };
    all_survive(&bounds, 36, 70_000);
}

#[test]
fn four_bridges() {
    let bounds = Bounds {
        bridges: 4,
        parallel: 1,
        cables: 6,
        hello: 2,
    };
    all_survive(&bounds, 38, 90_000);
}
