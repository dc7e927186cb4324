//! `labs study announce`: the command line.

use core::time::Duration;
use std::fs;
use std::io::{self, Write as _};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;

use cam::AgeingTime;
use clap::Args;
use stp::BridgeTimes;

use super::page::{self, Material};
use super::plan::Plan;
use super::{Case, Record, Schedule, Setting, charts, table, trial};
use crate::sim::WorldError;
use crate::study::cli::{StudyError, bar, create};
use crate::study::report::{CHARTS, REPORT, RUNS, ReportError, put};
use crate::study::run::spread;

/// The file of all schedules.
const SCHEDULES: &str = "schedules.csv";

/// What `labs study announce` is asked.
#[derive(Clone, Debug, Args)]
pub struct Announce {
    /// Where to write tables, charts and report.
    #[arg(long, value_name = "DIR", default_value = "announce")]
    out: PathBuf,
    /// Switches between the client and the target, separated by commas.
    #[arg(long, value_name = "N", value_delimiter = ',', default_values_t = [1, 2, 3, 4, 5, 6, 7, 8],
          value_parser = clap::value_parser!(u32).range(1..=16))]
    diameter: Vec<u32>,
    /// Try from none up to this many announcements lost.
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(0..=50))]
    lost: u32,
    /// The announcements' schedule as QEMU has it, milliseconds but the rounds.
    #[arg(long, value_name = "INITIAL/STEP/ROUNDS/MAX", default_value_t = Schedule::QEMU)]
    schedule: Schedule,
    /// Further schedules to compare, separated by commas.
    #[arg(long, value_name = "SCHEDULE", value_delimiter = ',')]
    compare: Vec<Schedule>,
    /// Seconds between the instants at which a cable is cut.
    #[arg(long, value_name = "SECONDS", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=60))]
    offset_step: u32,
    /// Spanning tree's hello time, seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 2)]
    hello: u32,
    /// Its max age, seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 20)]
    max_age: u32,
    /// Its forward delay, seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 15)]
    forward_delay: u32,
    /// How long switches keep an address, seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    ageing: u32,
    /// How many threads; as many as there are processors if not given.
    #[arg(long, value_name = "N")]
    jobs: Option<NonZeroUsize>,
    /// Show no progress; there is none either unless standard error is a terminal.
    #[arg(long, short)]
    quiet: bool,
}

/// Does what the command line says.
///
/// # Errors
/// Settings that make no network, files that cannot be written.
pub fn run(arguments: &Announce) -> Result<ExitCode, StudyError> {
    let plan = plan_of(arguments)?;
    // What cannot be written is told before the work, not after.
    create(&arguments.out)?;
    let records = records(&plan, arguments.jobs, arguments.quiet)?;
    let told = write(&arguments.out, &plan, &records, command(arguments))?;
    io::stdout()
        .lock()
        .write_all(told.as_bytes())
        .map_err(StudyError::Output)?;
    let as_predicted = records.iter().all(Record::holds);
    Ok(ExitCode::from(u8::from(!as_predicted)))
}

fn plan_of(arguments: &Announce) -> Result<Plan, StudyError> {
    let seconds = |seconds: u32| Duration::from_secs(seconds.into());
    let wrong = |problem: String| StudyError::Settings(problem);
    let times = BridgeTimes::new(
        seconds(arguments.max_age),
        seconds(arguments.hello),
        seconds(arguments.forward_delay),
    );
    let setting = Setting {
        times: times.map_err(|error| wrong(error.to_string()))?,
        ageing: AgeingTime::from_secs(arguments.ageing)
            .map_err(|error| wrong(error.to_string()))?,
    };
    if arguments.ageing <= arguments.forward_delay {
        return Err(wrong(
            "the ageing time must be longer than the forward delay: else a topology change shortens nothing".to_owned(),
        ));
    }
    let mut schedules = vec![("asked for".to_owned(), arguments.schedule)];
    if arguments.schedule == Schedule::QEMU {
        schedules[0].0 = "QEMU's default".to_owned();
    } else {
        schedules.push(("QEMU's default".to_owned(), Schedule::QEMU));
    }
    for schedule in &arguments.compare {
        if !schedules.iter().any(|(_, known)| known == schedule) {
            schedules.push((format!("compared: {schedule}"), *schedule));
        }
    }
    let mut diameters = arguments.diameter.clone();
    diameters.sort_unstable();
    diameters.dedup();
    Ok(Plan {
        setting,
        diameters,
        lost: arguments.lost,
        step: i64::from(arguments.offset_step) * 1_000,
        schedule: arguments.schedule,
        schedules,
    })
}

/// All trials, each once, in the order of the table.
fn records(
    plan: &Plan,
    jobs: Option<NonZeroUsize>,
    quiet: bool,
) -> Result<Vec<Record>, WorldError> {
    let mut cases = plan.cases();
    cases.extend(plan.schedule_cases());
    cases.sort_unstable();
    cases.dedup();
    let jobs = jobs
        .or_else(|| thread::available_parallelism().ok())
        .unwrap_or(NonZeroUsize::MIN);
    // Long ways are the heavy ones.
    let order: Vec<usize> = (0..cases.len()).rev().collect();
    let progress = bar(cases.len() as u64, quiet);
    let work = |case: &Case| trial::run(&plan.setting, case);
    let records = spread(&cases, &order, jobs, work, |_| progress.inc(1));
    progress.finish_and_clear();
    records.into_iter().collect()
}

/// Writes everything; returns what to tell.
fn write(
    dir: &Path,
    plan: &Plan,
    records: &[Record],
    command: String,
) -> Result<String, ReportError> {
    let contenders = table::contenders(plan, records);
    put(&dir.join(RUNS), &table::trials(records))?;
    put(&dir.join(SCHEDULES), &table::schedules(&contenders))?;
    let folder = dir.join(CHARTS);
    fs::create_dir_all(&folder).map_err(|problem| ReportError::File {
        path: folder.clone(),
        problem,
    })?;
    let mut pictures = Vec::new();
    for chart in charts::all(plan, records, &contenders) {
        let svg = chart.svg()?;
        put(&folder.join(format!("{}.svg", chart.name)), &svg)?;
        chart.png(&folder.join(format!("{}.png", chart.name)))?;
        pictures.push((chart, svg));
    }
    let page = page::page(&Material {
        plan,
        records,
        contenders: &contenders,
        pictures: &pictures,
        command,
    });
    put(&dir.join(REPORT), &page)?;
    let held = records.iter().filter(|record| record.holds()).count();
    let mut told = format!("{} moves, {held} of them as predicted.\n", records.len());
    if let Some(best) = contenders.first() {
        told += &format!(
            "Best schedule for this network: {} ({} announcements, {} lost): at most {} s beyond what spanning tree costs.\n",
            best.schedule,
            best.schedule.rounds,
            plan.lost,
            table::seconds(best.bound)
        );
    }
    told += &format!("Report: {}\n", dir.join(REPORT).display());
    Ok(told)
}

/// The command that repeats the study.
fn command(arguments: &Announce) -> String {
    let list = |numbers: Vec<String>| numbers.join(",");
    let mut text = format!(
        "labs study announce --diameter {} --lost {} --schedule {} --offset-step {} --hello {} --max-age {} \
         --forward-delay {} --ageing {}",
        list(arguments.diameter.iter().map(u32::to_string).collect()),
        arguments.lost,
        arguments.schedule,
        arguments.offset_step,
        arguments.hello,
        arguments.max_age,
        arguments.forward_delay,
        arguments.ageing
    );
    if !arguments.compare.is_empty() {
        text += " --compare ";
        text += &list(arguments.compare.iter().map(ToString::to_string).collect());
    }
    text
}
