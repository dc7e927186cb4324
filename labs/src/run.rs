//! `labs run`: up, steps, down, and what came of it.

use std::path::Path;
use std::process::{Child, ExitCode};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::command::{CommandError, print};
use crate::guest::shell::monotonic;
use crate::lab::{self, Lab, LabError, Options, Outcome, View, draw, interrupt, run_step};
use crate::qemu::{QemuArgs, Setup};
use crate::topology::{Step, StepKind, Topology};
use crate::vmotion;

/// How a lab is run.
#[derive(Debug, Clone, Copy)]
pub struct Wishes {
    /// The outcome as one JSON object.
    pub json: bool,
    /// The lab stays up.
    pub keep: bool,
}

/// A lab that goes down when this goes, unless it is to be kept.
struct Running {
    lab: Lab,
    keep: bool,
    /// Clears the lab if this process is killed.
    guard: Option<Child>,
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.keep {
            return;
        }
        if let Err(error) = lab::down(self.lab.run_dir(), self.lab.name()) {
            eprintln!("{error}");
        }
        if let Some(mut guard) = self.guard.take() {
            // Its standard input ends here, and with nothing left to clear so does it.
            drop(guard.stdin.take());
            let _ = guard.wait();
        }
    }
}

/// Brings `topology` up, lets `act` do something with it, and takes it down. `act` is told when it was begun, by
/// CLOCK_MONOTONIC.
pub(crate) fn with_lab<R>(
    run_dir: &Path,
    topology: Topology,
    Wishes { keep, .. }: Wishes,
    qemu: &QemuArgs,
    act: impl FnOnce(&Lab, Duration, Option<Setup>) -> Result<R, CommandError>,
) -> Result<R, CommandError> {
    lab::check_privilege().map_err(LabError::from)?;
    interrupt::catch()?;
    let start = Instant::now();
    let begun = monotonic();
    let progress = |text: &str| eprintln!("[{:7.3}] {text}", start.elapsed().as_secs_f64());
    let setup = Setup::prepare(&topology, qemu, &progress)?;
    let options = Options {
        run_dir,
        owned: !keep,
        progress: &progress,
    };
    let mut running = Running {
        lab: lab::up(topology, &options)?,
        keep,
        guard: None,
    };
    // A guest of QEMU's uses up a core for as long as it is left.
    if setup.is_some() && !keep {
        running.guard = Some(lab::start_guard(run_dir, running.lab.name())?);
    }
    act(&running.lab, begun, setup)
}

/// Brings `topology` up, does its steps and takes it down. The first step that fails is the last.
///
/// # Errors
/// When the lab cannot be brought up or a step cannot be done at all. A check that does not hold is an exit code.
pub fn run(
    run_dir: &Path,
    topology: Topology,
    wishes: Wishes,
    qemu: &QemuArgs,
) -> Result<ExitCode, CommandError> {
    let json = wishes.json;
    let start = Instant::now();
    with_lab(run_dir, topology, wishes, qemu, |lab, begun, setup| {
        if lab.topology.vms().next().is_some() {
            let told = vmotion::Options { json, start: begun };
            return exit_code(vmotion::run(lab, told, setup)?);
        }
        steps(lab, json, start)
    })
}

/// Does the steps of a lab without VMs.
fn steps(lab: &Lab, json: bool, start: Instant) -> Result<ExitCode, CommandError> {
    let say = |text: &str| {
        let line = format!("[{:7.3}] {text}\n", start.elapsed().as_secs_f64());
        if json {
            eprint!("{line}");
            Ok(())
        } else {
            print(&line)
        }
    };
    let mut results = Vec::new();
    let mut ok = true;
    for step in &lab.topology.steps {
        let outcome = run_step(lab, &step.kind, &mut no_vm)?;
        let word = match (&step.kind, outcome.ok) {
            (StepKind::Check(_), true) => "PASS ",
            (_, true) => "",
            (_, false) => "FAIL ",
        };
        let place = if outcome.ok {
            String::new()
        } else {
            format!(" ({}:{})", lab.topology.file, step.at)
        };
        say(&format!("{word}{}{place}", outcome.text))?;
        ok &= outcome.ok;
        results.push(result(step, &outcome, start));
        if !outcome.ok {
            break;
        }
    }
    let view = View::of(lab)?;
    if json {
        print(&format!("{}\n", report(lab, &view, &results, ok)))?;
    } else {
        print(&format!("\n{}\n", draw::draw(&lab.current(), &view)))?;
        say(if ok { "ok" } else { "failed" })?;
    }
    exit_code(ok)
}

fn exit_code(ok: bool) -> Result<ExitCode, CommandError> {
    Ok(if ok {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn no_vm(vm: &str, to: &str) -> Result<Outcome, LabError> {
    Err(LabError::Other(format!(
        "{vm} is not running, so it cannot move to {to}"
    )))
}

fn result(step: &Step, outcome: &Outcome, start: Instant) -> Value {
    let kind = match &step.kind {
        StepKind::Wait(_) | StepKind::WaitConverged(_) => "wait",
        StepKind::Link { .. } => "link",
        StepKind::Set(_) => "set",
        StepKind::Migrate { .. } => "migrate",
        StepKind::Check(_) => "check",
        StepKind::Incident(_) => "incident",
    };
    json!({
        "step": kind,
        "line": step.at.line,
        "ok": outcome.ok,
        "text": outcome.text,
        "at_ms": u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX),
    })
}

fn report(lab: &Lab, view: &View, results: &[Value], ok: bool) -> Value {
    let blocked: Vec<String> = view.blocked().iter().map(ToString::to_string).collect();
    json!({
        "lab": lab.name(),
        "backend": "netns",
        "switches": view.switches.len(),
        "stp": {"blocked": blocked},
        "steps": results,
        "ok": ok,
    })
}
