//! `labs migrate`: one move in a lab that is up.
//!
//! The VM is another program's child, so it is taken over where the journal says that it runs; the process it becomes
//! on the target is written down there, too, and lives on when this program has ended. Moves of one lab wait for nobody:
//! a second one while the first is under way is refused.

use std::collections::BTreeMap;

use super::alone::Alone;
use super::events::Watch;
use super::guests::Guests;
use super::report::{MigrationReport, Report};
use super::story::Story;
use super::{Options, Play};
use crate::lab::{Lab, LabError};
use crate::topology::{Topology, Vm, nearest};

/// A move somebody wants.
#[derive(Clone, Copy, Debug)]
pub struct Order<'a> {
    /// Who moves.
    pub vm: &'a str,
    /// Where to.
    pub to: &'a str,
    /// Also where a VLAN it needs does not reach the target.
    pub force: bool,
}

impl Order<'_> {
    /// Whether it makes sense in a lab at all; the VM's settings.
    ///
    /// # Errors
    /// There is no such VM or host, or the host runs no VMs.
    pub fn check<'t>(&self, topology: &'t Topology) -> Result<&'t Vm, LabError> {
        let Self { vm, to, .. } = *self;
        let hint = |written: &str, known: &mut dyn Iterator<Item = &'t str>| {
            let known: Vec<&str> = known.collect();
            match nearest(written, known.iter().copied()) {
                Some(near) => format!("; did you mean `{near}`?"),
                None if known.is_empty() => "; it has none".to_owned(),
                None => format!("; there is {}", known.join(", ")),
            }
        };
        let Some(settings) = topology.vm(vm) else {
            let hint = hint(vm, &mut topology.vms().map(|(name, _)| name));
            return Err(LabError::Wrong(format!("there is no VM `{vm}`{hint}")));
        };
        let takes_vms = |to: &str| topology.host(to).is_some_and(|host| host.vswitch.is_some());
        if takes_vms(to) {
            return Ok(settings);
        }
        let mut hosts = topology
            .hosts()
            .map(|(name, _)| name)
            .filter(|name| takes_vms(name));
        Err(LabError::Wrong(match topology.host(to) {
            Some(_) => format!("the host `{to}` has no vSwitch to plug a VM into"),
            None => format!("there is no host `{to}`{}", hint(to, &mut hosts)),
        }))
    }
}

/// Moves a VM of `lab`, which is up, while a client talks to it, and tells what became of it. `None`: it was not even
/// begun, because a VLAN it needs does not reach the target.
///
/// # Errors
/// The order makes no sense, another move is under way, a process cannot be started, or a switch does not answer.
pub fn migrate(lab: &Lab, order: Order<'_>, options: Options) -> Result<MigrationReport, LabError> {
    let settings = order.check(&lab.topology)?;
    let alone = Alone::with(lab, &format!("{} is being moved to {}", order.vm, order.to))?;
    let mut guests = Guests::default();
    guests.adopt(lab, order.vm, settings)?;
    let from = &guests.get(order.vm)?.host;
    if from == order.to {
        let text = format!("{} runs on {from} already", order.vm);
        return Err(LabError::Wrong(text));
    }
    let mut play = Play {
        lab,
        watch: Watch::start(lab)?,
        guests,
        probes: BTreeMap::new(),
        report: Report::new(lab),
        story: Story::new(options),
        _alone: alone,
    };
    let moved = play.migrate(order.vm, order.to, order.force);
    for probe in std::mem::take(&mut play.probes).into_values() {
        probe.end(lab)?;
    }
    moved?;
    let report = play.report.migrations.pop();
    let report =
        report.ok_or_else(|| LabError::Other("nothing is known of the move".to_owned()))?;
    play.story.finish_move(&report)?;
    Ok(report)
}
