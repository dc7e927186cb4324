//! `labs study`: the command line.

use std::fs;
use std::io::{self, IsTerminal, Write};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;

use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::merge::{self, MergeError};
use super::report::{self, ReportError};
use super::{Event, Family, Key, Outcome, Plan, Protocol, Record, Shard, run};

/// Measure how spanning tree behaves as a network grows, in virtual time.
#[derive(Debug, Args)]
pub struct Study {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// From 2 to 1,000 switches, in six shapes, through seven events, by any protocol; tables, charts and a report.
    ///
    /// Every trial builds a network in virtual time out of the very switches the daemon runs, lets it settle, does
    /// something to it and measures until the tree stands still. Chance (addresses, cabling order, cable delays,
    /// instants) comes from the seed: the same command writes the same files.
    ///
    /// With --shard I/N only part I of N is done; parts may run on any machines and are joined by `labs study merge`
    /// into the report of the whole, octet by octet.
    DomainGrowth(DomainGrowth),
    /// What the announcement of a moved machine is worth: none, RARP, gratuitous ARP; some of it lost; while spanning tree
    /// rebuilds itself. Predicted, measured, and which schedule bounds the outage best.
    ///
    /// A machine moves to the far end of a way of 1 to 8 switches, a client counts questions without an answer, and in
    /// between a cable of the way is cut, at every offset from the move. Writes trials.csv, schedules.csv, charts and
    /// report.html.
    Announce(super::announce::cli::Announce),
    /// Count to infinity: the root of a rapid spanning tree dies, and its word goes round those that are left.
    ///
    /// Lines, rings and meshes of up to 8 bridges behind a root whose cables are cut: how long somebody believes in it and
    /// how long ports forward in a circle, by max age, transmit hold count and instant; without epochs, with epochs at
    /// every other bridge, and at all. Writes trials.csv, trials.json, charts and report.html.
    CountToInfinity(super::infinity::cli::CountToInfinity),
    /// Join the parts that `domain-growth --shard` wrote into one report.
    Merge {
        /// The directories the parts were written to, all of them, in any order.
        #[arg(required = true, value_name = "DIR")]
        parts: Vec<PathBuf>,
        /// Where to write the report.
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
}

#[derive(Debug, Args)]
struct DomainGrowth {
    /// The protocol to study.
    #[arg(long, value_enum, default_value_t)]
    protocol: Protocol,
    /// Where to write tables, charts and report.
    #[arg(long, value_name = "DIR", default_value = "domain-growth")]
    out: PathBuf,
    /// How many threads; as many as there are processors if not given.
    #[arg(long, value_name = "N")]
    jobs: Option<NonZeroUsize>,
    /// Do part I of N only, to be merged later.
    #[arg(long, value_name = "I/N")]
    shard: Option<Shard>,
    /// What chance is drawn from.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Trials of every point, instead of 3 to 20 by size.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    trials: Option<u32>,
    /// The largest network; 1,000 switches for stp, 300 for the others if not given.
    #[arg(long, value_name = "SWITCHES", value_parser = clap::value_parser!(u32).range(2..=1000))]
    size_max: Option<u32>,
    /// Only these shapes, separated by commas.
    #[arg(long, value_name = "SHAPE", value_delimiter = ',', value_parser = family)]
    topology: Vec<Family>,
    /// Only these events, separated by commas.
    #[arg(long, value_name = "EVENT", value_enum, value_delimiter = ',')]
    event: Vec<Event>,
    /// Leave out the protocol's own chapters: depth of stp, the law of rapid rings, the load of a tree for every VLAN, what
    /// regions hold back.
    #[arg(long)]
    no_depth: bool,
    /// Show no progress; there is none either unless standard error is a terminal.
    #[arg(long, short)]
    quiet: bool,
}

/// Why a study failed.
#[derive(Debug, thiserror::Error)]
pub enum StudyError {
    /// There is something else in the way.
    #[error("{}: {problem}", path.display())]
    File {
        /// Where.
        path: PathBuf,
        /// What.
        problem: io::Error,
    },
    /// The parts do not make a whole.
    #[error(transparent)]
    Merge(#[from] MergeError),
    /// The report could not be written.
    #[error(transparent)]
    Report(#[from] ReportError),
    /// Settings that make no network.
    #[error("{0}")]
    Settings(String),
    /// A network of a study could not be built: a mistake of the program.
    #[error("a trial's network: {0}")]
    World(#[from] crate::sim::WorldError),
    /// Standard output.
    #[error("standard output: {0}")]
    Output(io::Error),
}

impl StudyError {
    /// 2 for what the user must mend, 1 for what went wrong underway.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Merge(_) | Self::Settings(_) => 2,
            Self::File { .. } | Self::Report(_) | Self::World(_) | Self::Output(_) => 1,
        }
    }
}

/// Does what the command line says.
///
/// # Errors
/// Files that cannot be read or written, or parts that do not fit together.
pub fn run(study: &Study) -> Result<ExitCode, StudyError> {
    match &study.command {
        Command::DomainGrowth(arguments) => domain_growth(arguments),
        Command::Announce(arguments) => super::announce::cli::run(arguments),
        Command::CountToInfinity(arguments) => super::infinity::cli::run(arguments),
        Command::Merge { parts, out } => {
            let (plan, records) = merge::read(parts)?;
            create(out)?;
            report::write(out, &plan, &records)?;
            tell(out, &records, Shard::WHOLE)
        }
    }
}

fn domain_growth(arguments: &DomainGrowth) -> Result<ExitCode, StudyError> {
    let plan = plan_of(arguments);
    let shard = arguments.shard.unwrap_or(Shard::WHOLE);
    let keys = plan.keys_of(shard);
    // What cannot be written is told before the work, not after.
    create(&arguments.out)?;
    let jobs = arguments
        .jobs
        .or_else(|| thread::available_parallelism().ok())
        .unwrap_or(NonZeroUsize::MIN);
    let progress = progress(&keys, arguments.quiet);
    let records = run::run(&keys, plan.protocol, plan.seed, jobs, |key| {
        progress.inc(key.cost())
    });
    progress.finish_and_clear();
    if shard.is_whole() {
        report::write(&arguments.out, &plan, &records)?;
    } else {
        report::write_part(&arguments.out, &plan, &records)?;
    }
    tell(&arguments.out, &records, shard)
}

fn plan_of(arguments: &DomainGrowth) -> Plan {
    let default = Plan::default();
    let names = |chosen: Vec<&str>, all: Vec<String>| {
        if chosen.is_empty() {
            return all;
        }
        all.into_iter()
            .filter(|name| chosen.contains(&name.as_str()))
            .collect()
    };
    Plan {
        protocol: arguments.protocol,
        seed: arguments.seed,
        size_max: arguments
            .size_max
            .unwrap_or_else(|| arguments.protocol.size_max()),
        trials: arguments.trials,
        families: names(
            arguments
                .topology
                .iter()
                .map(|family| family.name())
                .collect(),
            default.families,
        ),
        events: names(
            arguments.event.iter().map(|event| event.name()).collect(),
            default.events,
        ),
        depth: !arguments.no_depth,
        ..default
    }
}

/// A shape of the growing domain.
fn family(name: &str) -> Result<Family, String> {
    let found = Family::GROWING
        .into_iter()
        .find(|family| family.name() == name);
    found.ok_or_else(|| {
        let names = Family::GROWING.map(Family::name);
        format!("shapes are {}", names.join(", "))
    })
}

pub(super) fn create(dir: &Path) -> Result<(), StudyError> {
    fs::create_dir_all(dir).map_err(|problem| StudyError::File {
        path: dir.to_owned(),
        problem,
    })
}

/// A bar on standard error, if that is a terminal; its unit is work, not trials, so that its forecast is honest.
fn progress(keys: &[Key], quiet: bool) -> ProgressBar {
    bar(keys.iter().map(Key::cost).sum(), quiet)
}

/// A bar for so much work.
pub(super) fn bar(work: u64, quiet: bool) -> ProgressBar {
    let is_shown = !quiet && io::stderr().is_terminal();
    let target = if is_shown {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    };
    let style =
        ProgressStyle::with_template("{bar:40} {percent:>3} %  {elapsed} of about {duration}")
            .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::with_draw_target(Some(work), target).with_style(style)
}

fn tell(out: &Path, records: &[Record], shard: Shard) -> Result<ExitCode, StudyError> {
    let settled = records
        .iter()
        .filter(|record| record.outcome() == Outcome::Settled)
        .count();
    let mut text = format!("{} trials, {settled} of them settled.\n", records.len());
    if shard.is_whole() {
        text += &format!("Report: {}\n", out.join(report::REPORT).display());
    } else {
        text += &format!(
            "Part {shard} is in {}; join all parts with: labs study merge DIR... --out DIR\n",
            out.display()
        );
    }
    io::stdout()
        .lock()
        .write_all(text.as_bytes())
        .map_err(StudyError::Output)?;
    Ok(ExitCode::SUCCESS)
}
