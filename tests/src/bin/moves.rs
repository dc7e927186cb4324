//! The bars of lab vmotion-qemu, looked at many times: real machines in real time, there and back each time. Needs root
//! and what `.ci/setup` installs.

use std::io::{self, Write};
use std::process::{Command, ExitCode, Stdio};

use clap::Parser;
use labs::qemu::{Figures, REWRITE_MAX_MS, SILENCE_MAX_MS};
use labs::vmotion::{MigrationReport, Report};
use tests::binaries;

/// Run the lab vmotion-qemu many times and hold every move against the bars: the session lives and loses nothing, silence
/// beyond the machine's pause of at most 60 ms, median 20, every switch right within 5 ms. Exit code 1: one does not hold.
#[derive(Parser)]
#[command(name = "moves")]
struct Arguments {
    /// How often.
    #[arg(long, default_value_t = 10)]
    runs: u32,
}

/// The bar for the median of the silences beyond the pause.
const MEDIAN_MAX_MS: f64 = 20.0;

/// One move's figures, and whether they hold.
struct Row {
    line: String,
    silence_ms: f64,
    holds: bool,
}

fn main() -> ExitCode {
    match play(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            // There is nowhere else to tell it.
            let _ = writeln!(io::stderr(), "moves: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn play(arguments: &Arguments) -> anyhow::Result<bool> {
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "run  move           pause  silence beyond  rewritten  lost  damaged  session"
    )?;
    let mut rows = Vec::new();
    for run in 1..=arguments.runs {
        let report = once(run)?;
        anyhow::ensure!(report.migrations.len() == 2, "run {run}: a move is missing");
        for migration in &report.migrations {
            let row = row(run, migration);
            writeln!(out, "{}", row.line)?;
            rows.push(row);
        }
    }
    let mut silences: Vec<f64> = rows.iter().map(|row| row.silence_ms).collect();
    silences.sort_by(f64::total_cmp);
    let median = silences.get(silences.len() / 2).copied();
    let median = median.unwrap_or_default();
    let good = rows.iter().filter(|row| row.holds).count();
    let holds = good == rows.len() && median <= MEDIAN_MAX_MS;
    writeln!(
        out,
        "{good} of {} moves hold; median silence beyond the pause {median:.1} ms (bar {MEDIAN_MAX_MS})",
        rows.len()
    )?;
    Ok(holds)
}

/// One run of the lab; its story is not shown.
fn once(run: u32) -> anyhow::Result<Report> {
    let name = format!("moves{run}-{}", std::process::id());
    let output = Command::new(binaries::path("labs"))
        .args(["run", "vmotion-qemu", "--name", &name, "--json"])
        .stdin(Stdio::null())
        .output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    serde_json::from_slice(&output.stdout)
        .map_err(|error| anyhow::anyhow!("run {run}: {error}\n{said}"))
}

fn row(run: u32, migration: &MigrationReport) -> Row {
    let MigrationReport { from, to, tcp, .. } = migration;
    let none = Figures::default();
    let figures = migration.qemu.as_ref().unwrap_or(&none);
    let is_in_time =
        figures.silence_beyond_pause_ms <= SILENCE_MAX_MS && figures.rewrite_ms <= REWRITE_MAX_MS;
    let is_right = migration.stale.is_empty() && migration.not_by_announcement.is_empty();
    let is_whole = tcp
        .as_ref()
        .is_some_and(|tcp| tcp.alive && tcp.bytes_lost == 0);
    let holds = migration.failure.is_none() && is_in_time && is_right && is_whole;
    let session = match tcp {
        Some(tcp) => format!(
            "{:>4}  {:>7}  {}",
            tcp.bytes_lost,
            tcp.bytes_damaged + tcp.bytes_duplicated,
            if tcp.alive { "alive" } else { "DEAD" },
        ),
        None => format!("{:>4}  {:>7}  not asked", "–", "–"),
    };
    let mut line = format!(
        "{run:>3}  {from} → {to}  {:>6.1} ms  {:>9.1} ms  {:>6.2} ms  {session}",
        migration.pause_ms, figures.silence_beyond_pause_ms, figures.rewrite_ms,
    );
    if let Some(failure) = &migration.failure {
        line.push_str(&format!("  {failure}"));
    }
    if !holds {
        line.push_str("  DOES NOT HOLD");
    }
    Row {
        line,
        silence_ms: figures.silence_beyond_pause_ms,
        holds,
    }
}
