//! `labs drs`: from the command line.

use core::time::Duration;
use std::path::Path;

use clap::Args;

use super::load::Load;
use super::policy::{Level, Settings};
use super::report::DrsReport;
use super::run::Bounds;
use crate::command::CommandError;
use crate::lab::LabError;
use crate::qemu::QemuArgs;
use crate::run::{Wishes, with_lab};
use crate::sim::Telling;
use crate::sim::balance as in_virtual_time;
use crate::sim::cli::time;
use crate::topology::Topology;
use crate::vmotion::story::Story;
use crate::vmotion::{self, Options};

/// Arguments of `labs drs`.
#[derive(Clone, Debug, Args)]
pub struct DrsArgs {
    /// A lab file, or the name of a built-in lab.
    #[arg(default_value = "drs")]
    pub lab: String,
    /// Call it this instead of the name in the file.
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// In virtual time, without namespaces or privilege.
    #[arg(long)]
    pub sim: bool,
    /// How eager: 1 only what rules demand, 5 every small improvement; instead of what the file says.
    #[arg(long, value_name = "1..5", value_parser = level)]
    pub level: Option<Level>,
    /// Balance for this long, such as 90s or 10m, instead of what the file says.
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub until: Option<Duration>,
    /// Enough when so many VMs have moved.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub moves: Option<u32>,
    /// What loads are drawn from, and in virtual time chance on the wires; the same seed gives the same run there.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Tell of every move frame by frame, as `labs run` does.
    #[arg(long)]
    pub details: bool,
    /// The outcome as one JSON object on standard output; the story goes to standard error.
    #[arg(long)]
    pub json: bool,
    /// What machines of QEMU's are made of.
    #[command(flatten)]
    pub qemu: QemuArgs,
}

fn level(text: &str) -> Result<Level, String> {
    let level = text.parse().ok().and_then(Level::new);
    level.ok_or_else(|| format!("'{text}' is no level from 1 (conservative) to 5 (aggressive)"))
}

/// Balances the VMs of `topology`. True if all went well.
///
/// # Errors
/// There is nothing to balance, the lab cannot be brought up or simulated, or a step cannot be done at all.
pub fn run(args: &DrsArgs, run_dir: &Path, topology: Topology) -> Result<bool, CommandError> {
    let settings = settings(args, &topology)?;
    if args.sim && args.qemu.is_used() {
        return Err(CommandError::Usage(
            "in virtual time no QEMU runs: leave out --sim, or --kernel, --initrd, --disk, --append and --accel"
                .to_owned(),
        ));
    }
    let bounds = Bounds {
        seed: args.seed,
        length: settings.length,
        moves: args.moves.map(|moves| moves as usize),
    };
    let report = if args.sim {
        let story = Story::new(Options {
            json: args.json,
            start: Duration::ZERO,
        });
        let mut tell = |telling: &Telling| match telling {
            Telling::Line(at, text) => story.line(*at, text),
            Telling::Heading(text) => story.heading(text),
            Telling::Drawing(text) => story.drawing(text),
        };
        in_virtual_time(&topology, settings, bounds, args.details, &mut tell)?
    } else {
        let wishes = Wishes {
            json: args.json,
            keep: false,
        };
        with_lab(
            run_dir,
            topology.clone(),
            wishes,
            &args.qemu,
            |lab, start, setup| {
                let options = Options {
                    json: args.json,
                    start,
                };
                let order = (settings, bounds);
                Ok(vmotion::balance(lab, options, setup, order, args.details)?)
            },
        )?
    };
    finish(args, &topology, report.as_ref())
}

fn finish(
    args: &DrsArgs,
    topology: &Topology,
    report: Option<&DrsReport>,
) -> Result<bool, CommandError> {
    let ok = report.is_some_and(|report| report.ok);
    let story = Story::new(Options {
        json: args.json,
        start: Duration::ZERO,
    });
    story.verdict(&topology.name, ok)?;
    if let (true, Some(report)) = (args.json, report) {
        let text = serde_json::to_string(report);
        let text = text.map_err(|error| LabError::Other(error.to_string()))?;
        crate::command::print(&format!("{text}\n"))?;
    }
    Ok(ok)
}

/// What the file says, and the command line against it.
fn settings(args: &DrsArgs, topology: &Topology) -> Result<Settings, CommandError> {
    let mut settings = topology
        .drs
        .clone()
        .unwrap_or_else(|| Settings::of(topology));
    if settings.hosts.len() < 2 || settings.loads.is_empty() {
        return Err(CommandError::Usage(format!(
            "there is nothing to balance in {}: that takes a VM and two hosts with a vSwitch",
            topology.name
        )));
    }
    let measured = settings
        .loads
        .iter()
        .find(|(_, load)| **load == Load::Measured);
    if let (true, Some((vm, _))) = (args.sim, measured) {
        return Err(CommandError::Usage(format!(
            "the load of {vm} is measured, and in virtual time no process has one: leave out --sim, or give it a trace"
        )));
    }
    settings.level = args.level.unwrap_or(settings.level);
    settings.length = args.until.unwrap_or(settings.length);
    Ok(settings)
}
