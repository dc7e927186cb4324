//! The stopwatch on stories whose end is known: every verdict right, every silence taken apart.

#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests may unwrap as tests do"
)]

mod watch_common;

use core::time::Duration;
use std::collections::BTreeMap;

use labs::watch::{Downtime, Moments};
use switchd::watch::{Verdict, report};

use watch_common::network::subject;
use watch_common::scenario::{Kind, Lived, live};

/// Stories of each kind.
const SEEDS: u64 = 14;

#[test]
fn every_verdict_is_right() {
    let mut right: BTreeMap<Verdict, usize> = BTreeMap::new();
    let mut wrong = Vec::new();
    let mut taken_apart = 0;
    for kind in Kind::ALL {
        for seed in 0..SEEDS {
            let lived = live(kind, seed);
            let Lived {
                truth, analysis, ..
            } = &lived;
            if analysis.verdict == *truth {
                *right.entry(*truth).or_default() += 1;
            } else {
                wrong.push(format!(
                    "{kind:?} {seed}: {truth}, judged as\n{}",
                    report(analysis, subject(), Duration::from_secs(200))
                ));
            }
            taken_apart += usize::from(apart(kind, seed, &lived));
        }
    }
    let all = Kind::ALL.len() * usize::try_from(SEEDS).unwrap();
    assert!(all >= 200);
    assert!(
        wrong.is_empty(),
        "{} of {all}:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    // Every verdict but "not seen" was earned.
    assert_eq!(right.len(), Verdict::ALL.len() - 1, "{right:?}");
    assert!(taken_apart >= 60, "{taken_apart} silences");
}

/// Takes the silence of a story apart, if it has one, and holds it against what the story did.
fn apart(kind: Kind, seed: u64, lived: &Lived) -> bool {
    let Some((moved, gap, last)) = lived.moved else {
        return false;
    };
    let silence = (
        Duration::from_nanos(gap.from_ns),
        Duration::from_nanos(gap.to_ns),
    );
    // A watch that was broken off has seen no first answer.
    if silence.1 == last {
        return false;
    }
    let client = lived.net.world.map().name(lived.net.client_at);
    let moments = Moments {
        silence,
        stopped: moved.stopped,
        resumed: moved.resumed,
        arp: lived.net.arp.borrow().wait(silence.0, silence.1),
        ..Moments::default()
    };
    let moments = moments.seen(&lived.analysis, &lived.wiring, client);
    let Some(downtime) = Downtime::of(&moments) else {
        return false;
    };
    let context = || format!("{kind:?} {seed}: {moved:?}\n{downtime:#?}");
    assert!(
        (downtime.sum_ms() - downtime.silence_ms).abs() < 1.0,
        "{}",
        context()
    );
    let pause = (moved.resumed - moved.stopped).as_secs_f64() * 1e3;
    assert!((downtime.pause_ms - pause).abs() < 1.0, "{}", context());
    if let Some(spoke) = moved.spoke {
        let wait = (spoke - moved.resumed).as_secs_f64() * 1e3;
        let wire = 1.0;
        assert!(
            (downtime.announcement_wait_ms - wait).abs() < wire,
            "{}",
            context()
        );
    }
    if let Some(answered) = moved.answered {
        let asked_until = (answered - silence.0).as_secs_f64() * 1e3;
        let told = downtime.silence_ms - downtime.rest_ms;
        assert!((told - asked_until).abs() < 1.0, "{}", context());
        assert!(
            downtime.arp_ms.is_some_and(|ms| ms > 300.0),
            "{}",
            context()
        );
    }
    true
}
