//! A lab with virtual machines, told as a story: who moved, what it cost, which frame rewrote which
//! entry.
//!
//! [`run`] takes a lab that is up, starts its VMs where the file says, does the steps, and around
//! every `migrate` step runs a client's stopwatch and listens to the event streams of all switches.
//! Everything is put in order by CLOCK_MONOTONIC, which the processes of one machine share.

mod alone;
mod balance;
pub(crate) mod bars;
pub(crate) mod events;
mod guests;
pub(crate) mod migration;
mod order;
mod outside;
pub(crate) mod path;
mod probe;
mod process;
pub(crate) mod report;
pub(crate) mod story;

use core::time::Duration;
use std::collections::BTreeMap;

use crate::guest::shell::monotonic;
use crate::lab::{Lab, LabError, Outcome, View, draw, run_step};
use crate::qemu::Setup;
use crate::topology::{Expectation, StepKind};

pub(crate) use balance::balance;
pub use order::{Order, migrate};
pub use report::{Announcement, CamMove, MigrationReport, Report, StpReport, TcpSummary};

use alone::Alone;
use events::Watch;
use guests::Guests;
use probe::Probe;
use story::Story;

/// What a run needs to know of its surroundings.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// One JSON object on standard output; the story goes to standard error.
    pub json: bool,
    /// CLOCK_MONOTONIC when the lab was begun: the story counts from here.
    pub start: Duration,
}

/// Boots every VM of `lab`, which is up, on the host the file says. They live as long as the lab.
///
/// # Errors
///
/// When a process cannot be started or a vSwitch refuses its port.
pub fn boot(lab: &Lab, setup: Option<Setup>) -> Result<(), LabError> {
    let mut guests = Guests::new(lab, setup)?;
    for (vm, settings) in lab.topology.vms() {
        guests.boot(lab, vm, settings)?;
    }
    Ok(())
}

/// Plays the steps of `lab`, which is up, with its VMs. True if every check held and every VM moved
/// as a VM should. The VMs end with the lab.
///
/// # Errors
///
/// When a process cannot be started or a switch does not answer.
pub fn run(lab: &Lab, options: Options, setup: Option<Setup>) -> Result<bool, LabError> {
    let mut play = Play::begin(lab, options, setup, "labs run")?;
    let ok = play.steps()?;
    for probe in std::mem::take(&mut play.probes).into_values() {
        probe.end(lab)?;
    }
    play.report.ok = ok;
    play.story.finish(&play.report)?;
    Ok(ok)
}

/// A run under way.
struct Play<'a> {
    lab: &'a Lab,
    watch: Watch,
    guests: Guests,
    /// The client of each VM.
    probes: BTreeMap<String, Probe>,
    report: Report,
    story: Story,
    _alone: Alone,
}

impl<'a> Play<'a> {
    /// Boots every VM where the file says; `who` moves them, and nobody else.
    fn begin(
        lab: &'a Lab,
        options: Options,
        setup: Option<Setup>,
        who: &str,
    ) -> Result<Self, LabError> {
        let alone = Alone::with(lab, &format!("its machines are moved by `{who}` alone"))?;
        let story = Story::new(options);
        let watch = Watch::start(lab)?;
        let mut guests = Guests::new(lab, setup)?;
        for (vm, settings) in lab.topology.vms() {
            guests.boot(lab, vm, settings)?;
            story.line(monotonic(), &format!("{vm} boots on {}", settings.host))?;
        }
        Ok(Self {
            lab,
            watch,
            guests,
            probes: BTreeMap::new(),
            report: Report::new(lab),
            story,
            _alone: alone,
        })
    }
}

impl Play<'_> {
    fn steps(&mut self) -> Result<bool, LabError> {
        let lab = self.lab;
        let mut all = true;
        for step in &lab.topology.steps {
            let goes_on = match &step.kind {
                StepKind::Migrate {
                    vm,
                    to,
                    force,
                    felt,
                } => {
                    let ok = self.migrate(vm, to, *force)?;
                    // A move that was felt has moved the machine all the same.
                    let last = self.report.migrations.last();
                    all &= ok || *felt && last.is_some_and(migration::is_whole);
                    last.is_some_and(|report| report.failure.is_none())
                }
                StepKind::WaitConverged(_) => self.converge(&step.kind)?,
                StepKind::Wait(_)
                | StepKind::Link { .. }
                | StepKind::Set(_)
                | StepKind::Check(_)
                | StepKind::Incident(_) => self.plain(&step.kind)?,
            };
            if !goes_on {
                return Ok(false);
            }
        }
        Ok(all)
    }

    fn plain(&mut self, step: &StepKind) -> Result<bool, LabError> {
        let mut no_migration = |_: &str, _: &str| Err(LabError::Other("no such step".to_owned()));
        let outcome = if let StepKind::Check(check) = step
            && let Expectation::Move(bars) = &check.expect
        {
            let (ok, seen) = bars::look(bars, &self.report.migrations);
            let text = check.says(ok, seen);
            Outcome { ok, text }
        } else {
            run_step(self.lab, step, &mut no_migration)?
        };
        let text = match (step, outcome.ok) {
            (StepKind::Check(_), true) => format!("PASS {}", outcome.text),
            (_, true) => outcome.text,
            (_, false) => format!("FAIL {}", outcome.text),
        };
        self.story.line(monotonic(), &text)?;
        Ok(outcome.ok)
    }

    /// Waits for the tree; its events say when it stood. Then the VMs announce themselves, as
    /// hypervisors do for a vNIC whose network has just become usable.
    fn converge(&mut self, step: &StepKind) -> Result<bool, LabError> {
        let mut no_migration = |_: &str, _: &str| Err(LabError::Other("no such step".to_owned()));
        let outcome = run_step(self.lab, step, &mut no_migration)?;
        let (first, last) = events::tree_built(&self.watch.drain());
        let view = self.view()?;
        let blocked = view.blocked();
        self.report.stp.blocked = blocked.iter().map(ToString::to_string).collect();
        match (first, last) {
            (Some(first), Some(last)) if outcome.ok => {
                let took = last.saturating_sub(first);
                self.report.stp.converged_ms = report::ms(took);
                let text = format!(
                    "the tree stands, {:.3} s after the first link; blocked: {}",
                    took.as_secs_f64(),
                    self.report.stp.blocked.join(", "),
                );
                self.story.line(last, &text)?;
            }
            (_, _) => self.story.line(monotonic(), &outcome.text)?,
        }
        self.story
            .drawing(&draw::draw(&self.lab.current(), &view))?;
        self.guests.announce()?;
        self.story
            .line(monotonic(), "the virtual machines announce themselves")?;
        Ok(outcome.ok)
    }

    /// The lab as its switches tell it, the VMs where they are now.
    fn view(&self) -> Result<View, LabError> {
        let mut view = View::of(self.lab)?;
        for (vm, host) in self.guests.places() {
            view.vms.insert(vm.to_owned(), host.to_owned());
        }
        Ok(view)
    }
}
