//! `labs bench`: the command line.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::process::{Command, ExitCode, Stdio};

use clap::Args;

use super::cases::{Case, Measurement};

/// Measure how fast virtual time runs on this machine.
#[derive(Debug, Args)]
pub struct Bench {
    /// What to measure; everything if nothing is named. `labs bench --list` shows the names.
    #[arg(value_parser = case)]
    cases: Vec<Case>,
    /// How often to measure each, instead of one to five times by how long it takes.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000))]
    runs: Option<u16>,
    /// As JSON, one object per case with all its measurements.
    #[arg(long)]
    json: bool,
    /// Show the names of the cases.
    #[arg(long)]
    list: bool,
    /// Measure once, in this process.
    #[arg(long, hide = true)]
    here: bool,
}

fn case(name: &str) -> Result<Case, String> {
    Case::from_name(name).ok_or_else(|| {
        let names: Vec<&str> = Case::ALL.iter().map(|case| case.name).collect();
        format!("cases are {}", names.join(", "))
    })
}

/// Does what the command line says. Exit code 1 if a bar is missed.
///
/// # Errors
/// A process could not be started, or standard output is gone.
pub fn run(bench: &Bench) -> io::Result<ExitCode> {
    let cases = if bench.cases.is_empty() {
        Case::ALL.to_vec()
    } else {
        bench.cases.clone()
    };
    let mut out = io::stdout().lock();
    if bench.list {
        for case in cases {
            writeln!(out, "{:<12} {}", case.name, case.title)?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    if bench.here {
        for case in cases {
            serde_json::to_writer(&mut out, &case.measure())?;
            writeln!(out)?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    if !bench.json {
        writeln!(out, "{}", heading())?;
    }
    let mut is_met = true;
    for case in cases {
        let runs = bench.runs.map_or(case.runs, usize::from);
        let mut measured = (0..runs)
            .map(|_| apart(&case))
            .collect::<io::Result<Vec<_>>>()?;
        measured.sort_by(|a, b| a.seconds.total_cmp(&b.seconds));
        let median = &measured[(runs - 1) / 2];
        is_met &= meets(&case, median);
        if bench.json {
            let object =
                serde_json::json!({"case": case.name, "median": median, "measurements": measured});
            writeln!(out, "{object}")?;
        } else {
            writeln!(out, "{}", line(&case, median, runs))?;
        }
        out.flush()?;
    }
    Ok(ExitCode::from(u8::from(!is_met)))
}

/// Measures in a process of its own.
fn apart(case: &Case) -> io::Result<Measurement> {
    let output = Command::new(std::env::current_exe()?)
        .args(["bench", "--here", case.name])
        .stderr(Stdio::inherit())
        .output()?;
    if !output.status.success() {
        return Err(io::Error::other(format!(
            "{}: {}",
            case.name, output.status
        )));
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

fn meets(case: &Case, measured: &Measurement) -> bool {
    let (seconds, mib) = case.bars;
    let is_fast = seconds.is_none_or(|bar| measured.seconds < bar);
    is_fast && mib.is_none_or(|bar| measured.peak_mib.is_none_or(|peak| peak < bar))
}

fn heading() -> String {
    format!(
        "{:<46} {:>9} {:>6} {:>11} {:>9} {:>10} {:>9} {:>9}",
        "", "seconds", "runs", "BPDUs", "ns/BPDU", "converged", "peak MiB", "bar"
    )
}

fn line(case: &Case, measured: &Measurement, runs: usize) -> String {
    let mut text = format!(
        "{:<46} {:>9.3} {:>6} {:>11} {:>9.0}",
        case.title,
        measured.seconds,
        runs,
        measured.bpdus,
        measured.nanos_per_bpdu()
    );
    let converged = measured
        .converged_seconds
        .map_or_else(|| "-".to_owned(), |at| format!("{at:.1} s"));
    let peak = measured
        .peak_mib
        .map_or_else(|| "?".to_owned(), |mib| mib.to_string());
    let bar = match case.bars {
        (Some(seconds), _) => format!("< {seconds} s"),
        (None, Some(mib)) => format!("< {mib} MiB"),
        (None, None) => "-".to_owned(),
    };
    // A String takes all that is written to it.
    let _ = write!(text, " {converged:>10} {peak:>9} {bar:>9}");
    if !meets(case, measured) {
        text.push_str("  MISSED");
    }
    text
}
