//! `labs study count-to-infinity`: the command line.

use std::fs;
use std::io::{self, Write as _};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;

use clap::Args;

use super::page::{self, Material, Story};
use super::{Case, Epochs, Record, Shape, cases, charts, table, trial};
use crate::sim::WorldError;
use crate::study::cli::{StudyError, bar, create};
use crate::study::report::{CHARTS, REPORT, RUNS, ReportError, put};
use crate::study::run::spread;

/// The trials for programs.
const JSON: &str = "trials.json";

/// What `labs study count-to-infinity` is asked.
#[derive(Clone, Debug, Args)]
pub struct CountToInfinity {
    /// Where to write tables, charts and report.
    #[arg(long, value_name = "DIR", default_value = "count-to-infinity")]
    out: PathBuf,
    /// The most bridges that are left behind.
    #[arg(long, value_name = "BRIDGES", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=16))]
    size_max: u32,
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
/// Files that cannot be written.
pub fn run(arguments: &CountToInfinity) -> Result<ExitCode, StudyError> {
    // What cannot be written is told before the work, not after.
    create(&arguments.out)?;
    let records = records(arguments)?;
    let stories = stories()?;
    let command = format!(
        "labs study count-to-infinity --size-max {}",
        arguments.size_max
    );
    write(&arguments.out, &records, &stories, command)?;
    let held = records.iter().filter(|record| record.holds()).count();
    let told = format!(
        "{} roots died, {held} of them as promised.\nReport: {}\n",
        records.len(),
        arguments.out.join(REPORT).display()
    );
    io::stdout()
        .lock()
        .write_all(told.as_bytes())
        .map_err(StudyError::Output)?;
    Ok(ExitCode::from(u8::from(held < records.len())))
}

/// All trials, in the order of the table.
fn records(arguments: &CountToInfinity) -> Result<Vec<Record>, WorldError> {
    let cases = cases(arguments.size_max);
    let jobs = arguments
        .jobs
        .or_else(|| thread::available_parallelism().ok())
        .unwrap_or(NonZeroUsize::MIN);
    // Meshes of many bridges are the heavy ones.
    let order: Vec<usize> = (0..cases.len()).rev().collect();
    let progress = bar(cases.len() as u64, arguments.quiet);
    let records = spread(&cases, &order, jobs, trial::run, |_: &Case| progress.inc(1));
    progress.finish_and_clear();
    records.into_iter().collect()
}

/// The smallest circle, and the smallest that the root hung at twice, without epochs and with them.
fn stories() -> Result<Vec<Story>, WorldError> {
    let tell = |(shape, size): (Shape, u32), epochs, how: &str| {
        let case = Case {
            epochs,
            ..Case::new(shape, size)
        };
        let (_, told, dead) = trial::live(&case)?;
        let title = format!("BPDU by BPDU: {} of {size}, {how}", shape.name());
        Ok(Story { title, told, dead })
    };
    [
        ((Shape::Ring, 2), Epochs::Nobody, "without epochs"),
        ((Shape::Ring, 2), Epochs::All, "with epochs"),
        ((Shape::Dual, 3), Epochs::Nobody, "without epochs"),
        ((Shape::Dual, 3), Epochs::All, "with epochs"),
    ]
    .into_iter()
    .map(|(network, epochs, how)| tell(network, epochs, how))
    .collect()
}

fn write(
    dir: &Path,
    records: &[Record],
    stories: &[Story],
    command: String,
) -> Result<(), ReportError> {
    put(&dir.join(RUNS), &table::trials(records))?;
    put(&dir.join(JSON), &table::json(records))?;
    let folder = dir.join(CHARTS);
    fs::create_dir_all(&folder).map_err(|problem| ReportError::File {
        path: folder.clone(),
        problem,
    })?;
    let mut pictures = Vec::new();
    for chart in charts::all(records) {
        let svg = chart.svg()?;
        put(&folder.join(format!("{}.svg", chart.name)), &svg)?;
        chart.png(&folder.join(format!("{}.png", chart.name)))?;
        pictures.push((chart, svg));
    }
    let page = page::page(&Material {
        records,
        stories,
        pictures: &pictures,
        command,
    });
    put(&dir.join(REPORT), &page)
}
