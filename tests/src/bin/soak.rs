//! Random and exhaustive properties for as long as one likes: random scenarios beyond those of the tests, and all
//! networks of up to four bridges with parallel cables, every single fault at every instant.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use clap::Parser;
use tests::crowd::gather;
use tests::failure::{command, explain, smallest};
use tests::scenario::small::{Bounds, Small};
use tests::scenario::strategy::numbered;

/// Play random scenarios and small networks until the time is up. Exit code 1: something is wrong in one.
#[derive(Parser)]
#[command(name = "soak")]
struct Arguments {
    /// How long, in minutes.
    #[arg(long, env = "MINUTES", default_value_t = 60)]
    minutes: u64,
    /// The first random scenario's number; by the clock if not given.
    #[arg(long)]
    from: Option<u64>,
}

/// Random scenarios in one batch.
const RANDOM: u64 = 100;

/// All networks of two to four bridges, with hellos that coincide with the hold time and such that do not.
const BOUNDS: [Bounds; 6] = [
    bounds(2, 3, 1),
    bounds(2, 3, 2),
    bounds(3, 2, 1),
    bounds(3, 2, 2),
    bounds(4, 2, 2),
    bounds(4, 2, 1),
];

const fn bounds(bridges: usize, parallel: usize, hello: u8) -> Bounds {
    Bounds {
        bridges,
        parallel,
        cables: 12,
        hello,
    }
}

fn main() -> io::Result<ExitCode> {
    let arguments = Arguments::parse();
    let from = arguments.from.unwrap_or_else(by_clock);
    let end = Instant::now() + Duration::from_secs(60 * arguments.minutes);
    let mut out = io::stdout().lock();
    writeln!(out, "random scenarios from number {from}")?;
    let small: Vec<Small> = BOUNDS.iter().map(Small::new).collect();
    // Odd batches are random, even ones small networks as long as there are any.
    let batch = |number: u64| {
        if Instant::now() >= end {
            return None;
        }
        let random = || {
            let first = from.wrapping_add(number * RANDOM);
            (first..first + RANDOM).map(numbered).collect()
        };
        let exhaustive = number
            .is_multiple_of(2)
            .then(|| nth(&small, number / 2))
            .flatten();
        Some(exhaustive.unwrap_or_else(random))
    };
    match gather(batch) {
        Ok(census) => {
            writeln!(out, "{census}")?;
            for (cause, scenario) in &census.shown {
                let small = smallest(scenario);
                writeln!(out, "a loop by {cause}:\n    {}", command(&small))?;
            }
            Ok(ExitCode::SUCCESS)
        }
        Err(failure) => {
            writeln!(out, "{}", explain("wrong", &failure.scenario))?;
            Ok(ExitCode::FAILURE)
        }
    }
}

/// The batch of this number, counted through all of `small`.
fn nth(small: &[Small], mut number: u64) -> Option<Vec<tests::scenario::Scenario>> {
    for some in small {
        if number < some.batches() {
            return some.batch(number);
        }
        number -= some.batches();
    }
    None
}

fn by_clock() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs() << 20)
}
