//! A cluster for real: the VMs of a lab that is up, balanced by [`crate::drs`].

use core::time::Duration;
use std::collections::BTreeMap;

use super::migration::summary;
use super::probe::Probe;
use super::story::Story;
use super::{Options, Play};
use crate::domain::{Domain, ways_stopped};
use crate::drs::run::{Bounds, Cluster, News, Way, run};
use crate::drs::usage::Reading;
use crate::drs::{DrsReport, Settings};
use crate::guest::shell::monotonic;
use crate::lab::{Lab, LabError, interrupt};
use crate::qemu::Setup;

use super::{MigrationReport, TcpSummary};

/// Does the steps of `lab`, which is up, with its VMs, then balances them. `None`: a step failed, and the story says which.
/// `details`: of the moves, too, the whole story is told.
pub(crate) fn balance(
    lab: &Lab,
    options: Options,
    setup: Option<Setup>,
    (settings, bounds): (Settings, Bounds),
    details: bool,
) -> Result<Option<DrsReport>, LabError> {
    let mut play = Play::begin(lab, options, setup, "labs drs")?;
    if !play.steps()? {
        return Ok(None);
    }
    // Every VM gets a client: also those that do not move must not notice that others do.
    for (vm, settings) in lab.topology.vms() {
        if !play.probes.contains_key(vm) {
            let probe = Probe::start(lab, vm, settings)?;
            play.probes.insert(vm.to_owned(), probe);
        }
    }
    if !details {
        play.story.hush();
    }
    let mut cluster = RealCluster {
        story: Story::new(options),
        readings: BTreeMap::new(),
        play: &mut play,
    };
    let report = run(&mut cluster, &lab.topology, settings, bounds)?;
    for probe in std::mem::take(&mut play.probes).into_values() {
        probe.end(lab)?;
    }
    Ok(Some(report))
}

struct RealCluster<'a, 'l> {
    play: &'a mut Play<'l>,
    story: Story,
    /// What the processes of VMs had used when they were looked at.
    readings: BTreeMap<String, Reading>,
}

impl Cluster for RealCluster<'_, '_> {
    type Error = LabError;

    fn backend(&self) -> &'static str {
        "netns"
    }

    fn now(&self) -> Duration {
        monotonic()
    }

    fn wait_until(&mut self, at: Duration) -> Result<(), LabError> {
        interrupt::pause(at.saturating_sub(monotonic()))
    }

    fn places(&self) -> BTreeMap<String, String> {
        let places = self.play.guests.places();
        places
            .map(|(vm, host)| (vm.to_owned(), host.to_owned()))
            .collect()
    }

    fn usage(&mut self, vm: &str) -> Option<f64> {
        let pid = self.play.guests.get(vm).ok()?.pid()?;
        let reading = Reading::take(pid, monotonic())?;
        let earlier = self.readings.insert(vm.to_owned(), reading)?;
        reading.percent_since(&earlier)
    }

    fn obstacles(&mut self) -> Result<BTreeMap<Way, String>, LabError> {
        let view = self.play.view()?;
        let domain = Domain {
            topology: &self.play.lab.topology,
            view: &view,
        };
        Ok(ways_stopped(&domain, &self.places()))
    }

    fn migrate(&mut self, vm: &str, to: &str) -> Result<MigrationReport, LabError> {
        self.play.migrate(vm, to, false)?;
        // Every move leaves a report, also one that was refused.
        Ok(self.play.report.migrations.pop().unwrap_or_default())
    }

    fn sessions(&mut self) -> Result<BTreeMap<String, TcpSummary>, LabError> {
        let probes = self.play.probes.iter_mut();
        probes
            .map(|(vm, probe)| Ok((vm.clone(), summary(&probe.report()?))))
            .collect()
    }

    fn tell(&mut self, news: News<'_>) -> Result<(), LabError> {
        match news {
            News::Table(text) => self.story.drawing(text),
            News::Line(text) => self.story.line(monotonic(), text),
        }
    }
}
