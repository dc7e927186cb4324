//! `labs bench`: the command line.

use std::cell::RefCell;
use std::fs;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;

use clap::{Args, ValueEnum};

use super::dut::{self, Dut, Family, Medium};
use super::plan::{ROUNDS, Times};
use super::rounds::{self, Run};
use super::verdict::{Mark, verdicts};
use super::{BenchError, Machine, Outcome, markdown, plot, report, table, tools};
use crate::command::print;
use crate::lab::{Scratch, interrupt};
use crate::peers::PeerError;

/// Measure the switch beside the kernel's bridge, Open vSwitch and VDE.
///
/// Makes its own namespaces, runs the devices in turn (A B C, A B C, …) and prints medians, ratios and what they are held
/// against, in the terms of RFC 2544 and RFC 2889. Everything is removed afterwards, also after kill -9.
///
/// All of it takes about fifteen minutes, `--quick` about two. Leave the machine alone meanwhile.
#[derive(Debug, Args)]
pub struct Bench {
    /// Devices, separated by commas; all that are installed if not given.
    #[arg(long, value_enum, value_name = "DUT", value_delimiter = ',')]
    dut: Vec<Family>,
    /// Scenarios, separated by commas; all if not given. `list` prints them.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    scenario: Vec<String>,
    /// Ports of our switch and of Open vSwitch: tap, packet (veth), or both.
    #[arg(
        long,
        value_enum,
        value_name = "KIND",
        value_delimiter = ',',
        default_value = "tap,packet"
    )]
    ports: Vec<Ports>,
    /// How often.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: Option<u32>,
    /// One round, everything shorter: a look, not figures to quote.
    #[arg(long)]
    quick: bool,
    /// A device that is not installed is a failure, not a note.
    #[arg(long)]
    strict: bool,
    /// Arguments for switchd, as one word: --switchd-args="--io plain".
    #[arg(long, value_name = "ARGS", allow_hyphen_values = true)]
    switchd_args: Option<String>,
    /// Write every figure of every round, as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write a report, as one HTML page.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Write the bars as a table in Markdown.
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
    /// Write the plot, as SVG or PNG.
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
    /// Measure nothing: make table, report and plot of JSON files; several are runs of different scenarios.
    #[arg(long, value_name = "FILE", value_delimiter = ',',
          conflicts_with_all = ["dut", "scenario", "ports", "rounds", "quick", "strict", "switchd_args"])]
    from: Vec<PathBuf>,
    /// Do not tell what is being done.
    #[arg(long, short)]
    quiet: bool,
}

/// What ports are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Ports {
    Tap,
    Packet,
}

/// Does what the command line says. The exit code is 0 if all that was asked for was measured, whatever came of it.
///
/// # Errors
/// When nothing could be measured, a file not be written, or the user wants it to end.
pub fn run(args: &Bench, run_dir: &Path) -> Result<ExitCode, BenchError> {
    if args.scenario.iter().any(|name| name == "list") {
        return list();
    }
    // Not after all the measuring.
    let files = [&args.json, &args.html, &args.markdown, &args.plot];
    for path in files.into_iter().flatten() {
        can_write(path)?;
    }
    let outcome = match args.from.split_first() {
        Some((first, others)) => others.iter().try_fold(read(first)?, |outcome, path| {
            outcome.joined(read(path)?).map_err(BenchError::Usage)
        })?,
        None => measure(args, run_dir)?,
    };
    if let Some(path) = &args.json {
        let text = serde_json::to_string_pretty(&outcome)
            .map_err(|error| BenchError::io("make JSON", error.into()))?;
        write(path, &(text + "\n"))?;
    }
    if let Some(path) = &args.html {
        write(path, &report::html(&outcome)?)?;
    }
    if let Some(path) = &args.markdown {
        write(path, &markdown::markdown(&outcome))?;
    }
    if let Some(path) = &args.plot {
        if path.extension().is_some_and(|extension| extension == "png") {
            plot::png(&outcome, path)?;
        } else {
            write(path, &plot::svg(&outcome)?)?;
        }
    }
    say(&table::table(&outcome))?;
    let unknown = verdicts(&outcome)
        .iter()
        .any(|verdict| verdict.mark == Mark::Unknown);
    let complete = outcome.failures.is_empty() && (outcome.missing.is_empty() || !args.strict);
    if args.strict && args.dut.is_empty() && args.scenario.is_empty() && unknown {
        eprintln!("some bars could not be judged");
    }
    Ok(ExitCode::from(u8::from(!complete)))
}

fn list() -> Result<ExitCode, BenchError> {
    let lines = super::catalogue::SCENARIOS.iter().map(|scenario| {
        format!(
            "{:<12} {} ({}): {}\n",
            scenario.name, scenario.title, scenario.clause, scenario.what
        )
    });
    say(&lines.collect::<String>())?;
    Ok(ExitCode::SUCCESS)
}

fn measure(args: &Bench, run_dir: &Path) -> Result<Outcome, BenchError> {
    let scenarios = rounds::chosen(&args.scenario)?;
    let mut outcome = Outcome {
        command: std::env::args().collect::<Vec<_>>().join(" "),
        date: date(),
        machine: Machine::here(),
        versions: rounds::versions(),
        ..Outcome::default()
    };
    let duts = devices(args, &mut outcome)?;
    for package in [tools::IPERF, tools::SOCKPERF, tools::ETHTOOL] {
        tools::find(package)?;
    }
    interrupt::catch().map_err(|source| BenchError::io("catch signals", source))?;
    let scratch = Scratch::make(run_dir, "bench")?;
    let words = args.switchd_args.iter().flat_map(|args| args.split(' '));
    let switchd_args: Vec<String> = words
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect();
    let run = Run {
        scratch: &scratch,
        switchd_args: &switchd_args,
        duts: &duts,
        scenarios: &scenarios,
        rounds: args.rounds.unwrap_or(if args.quick { 1 } else { ROUNDS }),
        times: if args.quick {
            Times::QUICK
        } else {
            Times::FULL
        },
    };
    let progress = Progress::new(args.quiet);
    let done = run.run(&mut outcome, &|what| progress.say(what));
    progress.end();
    done?;
    Ok(outcome)
}

/// The devices asked for that are there; those that are not go into the outcome. One that was named must be there.
fn devices(args: &Bench, outcome: &mut Outcome) -> Result<Vec<Dut>, BenchError> {
    let wanted = |dut: &Dut| {
        let family = args.dut.is_empty() || args.dut.contains(&dut.family());
        let ports = match (dut.family(), dut.medium()) {
            (Family::KernelBridge | Family::Vde, _) => true,
            (_, Medium::Tap) => args.ports.contains(&Ports::Tap),
            (_, Medium::Veth) => args.ports.contains(&Ports::Packet),
        };
        family && ports
    };
    let mut duts = Vec::new();
    for dut in Dut::ALL.into_iter().filter(wanted) {
        if dut == Dut::SwitchdTapPlain && !dut::knows_offload()? {
            let why = format!("this switchd has no {}", dut::PLAIN[0]);
            outcome.missing.insert(dut.name().to_owned(), why);
            continue;
        }
        match dut.installed() {
            Ok(()) => duts.push(dut),
            Err(error @ BenchError::Peer(PeerError::Missing { .. })) if !args.strict => {
                outcome
                    .missing
                    .insert(dut.name().to_owned(), error.to_string());
            }
            Err(error) => return Err(error),
        }
    }
    if duts.is_empty() {
        let missing: Vec<&str> = outcome.missing.values().map(String::as_str).collect();
        let why = format!("nothing to measure: {}", missing.join("; "));
        return Err(BenchError::Usage(why));
    }
    Ok(duts)
}

/// What is being done, on standard error: one line that changes if that is a terminal, else a line each.
struct Progress {
    quiet: bool,
    terminal: bool,
    begin: Instant,
    last: RefCell<String>,
}

impl Progress {
    fn new(quiet: bool) -> Self {
        Self {
            quiet,
            terminal: io::stderr().is_terminal(),
            begin: Instant::now(),
            last: RefCell::new(String::new()),
        }
    }

    fn say(&self, what: &str) {
        if self.quiet || *self.last.borrow() == what {
            return;
        }
        what.clone_into(&mut self.last.borrow_mut());
        let seconds = self.begin.elapsed().as_secs();
        if self.terminal {
            eprint!("\r\x1b[K[{seconds:4} s] {what}");
        } else {
            eprintln!("[{seconds:4} s] {what}");
        }
    }

    fn end(&self) {
        if self.terminal && !self.quiet {
            eprint!("\r\x1b[K");
        }
    }
}

fn say(text: &str) -> Result<(), BenchError> {
    print(text).map_err(|source| BenchError::io("write to standard output", source))
}

fn read(path: &Path) -> Result<Outcome, BenchError> {
    let failed = |error: &dyn std::error::Error| {
        BenchError::Usage(format!("cannot read {}: {error}", path.display()))
    };
    let text = fs::read_to_string(path).map_err(|error| failed(&error))?;
    serde_json::from_str(&text).map_err(|error| failed(&error))
}

/// Whether a file can be written there; what is in it stays.
fn can_write(path: &Path) -> Result<(), BenchError> {
    let file = fs::OpenOptions::new().create(true).append(true).open(path);
    file.map(drop).map_err(|source| {
        BenchError::Usage(format!("cannot write to {}: {source}", path.display()))
    })
}

fn write(path: &Path, text: &str) -> Result<(), BenchError> {
    fs::write(path, text)
        .map_err(|source| BenchError::io(format!("write {}", path.display()), source))
}

/// Today, as every Linux can say it.
fn date() -> String {
    let output = Command::new("date")
        .args(["-u", "+%Y-%m-%d %H:%M UTC"])
        .output();
    output.map_or(String::new(), |output| {
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    })
}
