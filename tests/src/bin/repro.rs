//! Repeats one scenario of the random and exhaustive tests and tells what happens in it.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use tests::failure::{command, smallest};
use tests::scenario::lab_file;
use tests::scenario::regime::Regime;
use tests::scenario::strategy::numbered;
use tests::scenario::{Scenario, Wire};
use tests::trial::{Trial, play};

/// Repeat one scenario of the random and exhaustive tests. Exit code 1: something is wrong in it.
#[derive(Parser)]
#[command(name = "repro")]
struct Arguments {
    /// The scenario, as a failing test prints it.
    #[arg(long, value_name = "JSON", value_parser = Scenario::from_line, required_unless_present = "number")]
    case: Option<Scenario>,
    /// The random scenario of this number.
    #[arg(long, conflicts_with = "case")]
    number: Option<u64>,
    /// Look for the smallest scenario that shows the same first.
    #[arg(long)]
    smallest: bool,
    /// Write it as a lab file, the smallest that shows the same; then `labs sim FILE` plays it.
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,
}

fn main() -> io::Result<ExitCode> {
    let arguments = Arguments::parse();
    let given = arguments.case.or_else(|| arguments.number.map(numbered));
    let mut scenario = given.expect("the parser asks for one of the two");
    if arguments.smallest || arguments.save.is_some() {
        scenario = smallest(&scenario);
    }
    let trial = play(&scenario);
    let mut out = io::stdout().lock();
    describe(&mut out, &scenario)?;
    tell(&mut out, &trial)?;
    writeln!(out, "again: {}", command(&scenario))?;
    if let Some(path) = arguments.save {
        std::fs::write(&path, lab_file::write(&scenario, &headline(&trial)))?;
        let (path, seed) = (path.display(), scenario.seed);
        writeln!(out, "saved: labs sim {path} --seed {seed}")?;
    }
    Ok(ExitCode::from(u8::from(trial.wrong.is_some())))
}

fn describe(out: &mut impl Write, scenario: &Scenario) -> io::Result<()> {
    for (number, bridge) in (1..).zip(&scenario.bridges) {
        let priority = u32::from(bridge.priority) * 4096;
        let times = bridge.times;
        writeln!(
            out,
            "sw{number}: priority {priority}, max age {} s, hello {} s, forward delay {} s",
            times.0, times.1, times.2
        )?;
    }
    let mut ports = vec![0; scenario.bridges.len()];
    for (index, wire) in scenario.wires.iter().enumerate() {
        writeln!(out, "wire {index}: {}", ends(wire, &mut ports))?;
    }
    let mut time = 0;
    for step in &scenario.steps {
        time += step.wait_us;
        let seconds = core::time::Duration::from_micros(time);
        writeln!(out, "at {seconds:?}: {:?}", step.fault)?;
    }
    let regime = Regime::of(scenario);
    let promise = if regime.is_safe() {
        "no loop may be"
    } else {
        "loops can be"
    };
    writeln!(out, "{promise}: {regime:?}")
}

fn ends(wire: &Wire, ports: &mut [u32]) -> String {
    let mut words = Vec::new();
    for end in &wire.ends {
        if let Some(port) = ports.get_mut(end.bridge) {
            *port += 1;
            words.push(format!("sw{}:p{port} (cost {})", end.bridge + 1, end.cost));
        }
    }
    words.push(format!("{} hosts, {} us", wire.hosts, wire.delay_us));
    words.join(", ")
}

/// The most important thing in one line.
fn headline(trial: &Trial) -> String {
    let wrong = trial.wrong.as_ref().map(ToString::to_string);
    let seen = || trial.loops.first().map(ToString::to_string);
    wrong
        .or_else(seen)
        .unwrap_or_else(|| "nothing is wrong".to_owned())
}

fn tell(out: &mut impl Write, trial: &Trial) -> io::Result<()> {
    for seen in &trial.loops {
        writeln!(out, "{seen}")?;
    }
    if let Some(stale) = &trial.stale {
        writeln!(out, "stale: {stale}")?;
    }
    match &trial.wrong {
        Some(wrong) => writeln!(out, "WRONG: {wrong}"),
        None => writeln!(out, "nothing is wrong"),
    }
}
