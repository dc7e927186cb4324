//! `labs sim`: a lab in virtual time, from the command line.

use core::time::Duration;
use std::cell::RefCell;
use std::fs::File;
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use clap::Args;

use super::pcap::Captures;
use super::trace::{Trace, finding_json};
use super::twin::{Telling, Twin, TwinError, TwinReport};
use crate::lab::LabError;
use crate::topology::Topology;
use crate::vmotion::Options;
use crate::vmotion::story::Story;

/// Loops and blackholes told of on the terminal; all are in the JSON.
const TOLD_MAX: usize = 5;

/// Arguments of `labs sim`.
#[derive(Clone, Debug, Args)]
pub struct SimArgs {
    /// A lab file, or the name of a built-in lab.
    pub lab: String,
    /// Run to this time of the lab's clock, such as 120s or 1h; steps still to come then are not done.
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub until: Option<Duration>,
    /// What chance does on the wires; the same seed gives the same run.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// The outcome as one JSON object on standard output; the story goes to standard error.
    #[arg(long)]
    pub json: bool,
    /// Write everything that happens to this file, one JSON object a line.
    #[arg(long, value_name = "FILE.jsonl")]
    pub trace: Option<PathBuf>,
    /// Write what each wire carried to a capture file in this directory.
    #[arg(long, value_name = "DIR")]
    pub pcap: Option<PathBuf>,
}

/// `90s`, `1500ms`, `2m`, `1h`; a bare number is seconds.
pub(crate) fn time(text: &str) -> Result<Duration, String> {
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let wrong = || format!("'{text}' is no time such as 500ms, 90s, 2m or 1h");
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let unit = match unit {
        "ms" => Duration::from_millis(1),
        "" | "s" => Duration::from_secs(1),
        "m" | "min" => Duration::from_secs(60),
        "h" => Duration::from_secs(3600),
        _ => return Err(wrong()),
    };
    // A century is enough for everybody, and nanoseconds of it fit 64 bits.
    let most = Duration::from_secs(100 * 365 * 86_400);
    u32::try_from(number)
        .ok()
        .and_then(|number| unit.checked_mul(number))
        .filter(|time| *time <= most)
        .ok_or_else(|| format!("'{text}' is too long"))
}

/// Runs `topology` in virtual time. True if every step went well.
///
/// # Errors
/// The lab cannot be simulated, or a file cannot be written.
pub fn run(args: &SimArgs, topology: Topology) -> Result<bool, LabError> {
    let story = Story::new(Options {
        json: args.json,
        start: Duration::ZERO,
    });
    let mut twin = Twin::new(topology, args.seed).map_err(refused)?;
    if let Some(until) = args.until {
        twin.end_at(until);
    }
    let outputs = Outputs::open(args, &mut twin)?;
    let mut told = Ok(());
    let steps = twin.run(|telling| {
        let result = match telling {
            Telling::Line(at, text) => story.line(*at, text),
            Telling::Heading(text) => story.heading(text),
            Telling::Drawing(text) => story.drawing(text),
        };
        if told.is_ok() {
            told = result;
        }
    });
    // What was traced until a step failed is what explains it.
    outputs.finish()?;
    told?;
    let report = twin.report(steps.map_err(refused)?);
    finish(&story, &twin, &report, args.json)?;
    Ok(report.ok)
}

fn refused(error: TwinError) -> LabError {
    LabError::Simulation(error)
}

/// Files that are written while the lab runs.
#[derive(Default)]
struct Outputs {
    trace: Option<Output<Trace<BufWriter<File>>>>,
    captures: Option<Output<Captures>>,
}

/// Where it goes, and a hand on the observer that writes it.
type Output<T> = (PathBuf, Rc<RefCell<T>>);

impl Outputs {
    fn open(args: &SimArgs, twin: &mut Twin) -> Result<Self, LabError> {
        let mut outputs = Self::default();
        if let Some(path) = &args.trace {
            let file = File::create(path).map_err(|source| unwritten(path, source))?;
            let trace = Rc::new(RefCell::new(Trace::new(BufWriter::new(file))));
            twin.world_mut().observe(trace.clone());
            outputs.trace = Some((path.clone(), trace));
        }
        if let Some(dir) = &args.pcap {
            let captures = Captures::new(dir).map_err(|source| unwritten(dir, source))?;
            let captures = Rc::new(RefCell::new(captures));
            twin.world_mut().observe(captures.clone());
            outputs.captures = Some((dir.clone(), captures));
        }
        Ok(outputs)
    }

    fn finish(self) -> Result<(), LabError> {
        if let Some((path, trace)) = self.trace {
            let result = trace.borrow_mut().finish();
            result.map_err(|source| unwritten(&path, source))?;
        }
        if let Some((dir, captures)) = self.captures {
            let result = captures.borrow_mut().finish();
            result.map_err(|source| unwritten(&dir, source))?;
        }
        Ok(())
    }
}

fn unwritten(path: &Path, source: io::Error) -> LabError {
    LabError::io(format!("write {}", path.display()), source)
}

/// Summary for people, object for programs.
fn finish(story: &Story, twin: &Twin, report: &TwinReport, json: bool) -> Result<(), LabError> {
    for migration in &report.migrations {
        story.summary(migration)?;
    }
    let world = twin.world();
    let findings = world.findings();
    if !findings.is_empty() {
        story.heading("found")?;
    }
    for finding in findings.iter().take(TOLD_MAX) {
        let mut fields = finding_json(world.map(), finding);
        if let Some(fields) = fields.as_object_mut() {
            fields.remove("time_ns");
        }
        story.line(finding.time, &fields.to_string())?;
    }
    let told = findings.len().min(TOLD_MAX);
    let counts = world.finding_counts();
    let all = counts.total();
    if all > told as u64 {
        let rest = all - told as u64;
        story.line(world.now(), &format!("{rest} more: {counts:?}"))?;
    }
    story.verdict(&report.lab, report.ok)?;
    if json {
        let text = serde_json::to_string(report);
        let text = text.map_err(|error| LabError::Other(error.to_string()))?;
        crate::command::print(&format!("{text}\n"))
            .map_err(|source| LabError::io("write the outcome", source))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units() {
        for (text, expected) in [
            ("90", Some(90_000)),
            ("90s", Some(90_000)),
            ("1500ms", Some(1_500)),
            ("2m", Some(120_000)),
            ("1h", Some(3_600_000)),
            ("1.5s", None),
            ("s", None),
            ("-1s", None),
            ("999999999h", None),
        ] {
            let read = time(text).ok().map(|time| time.as_millis());
            assert_eq!(read, expected, "{text}");
        }
    }
}
