//! Rounds: ask the planner, do what it chose, wait for the next.

use core::time::Duration;
use std::collections::BTreeMap;

use super::decision::Decision;
use super::load::Load;
use super::planner::{Planner, Snapshot, VmNow};
use super::policy::Settings;
use super::report::{DrsReport, MoveReport, Round, Summary};
use super::rules::breaches;
use super::text;
use crate::topology::Topology;
use crate::vmotion::{MigrationReport, TcpSummary};

/// VM and host.
pub(crate) type Way = (String, String);

/// What a world has to offer. Its VMs run and have clients.
pub(crate) trait Cluster {
    /// What may go wrong.
    type Error;

    /// `sim` or `netns`.
    fn backend(&self) -> &'static str;
    /// The world's clock.
    fn now(&self) -> Duration;
    /// Lets time pass.
    fn wait_until(&mut self, at: Duration) -> Result<(), Self::Error>;
    /// Where each VM runs.
    fn places(&self) -> BTreeMap<String, String>;
    /// What a VM's process has used since the last call, in percent of one core; `None`: nobody knows (yet).
    fn usage(&mut self, vm: &str) -> Option<f64>;
    /// Why a VLAN does not reach a host, for each VM that should go there and cannot.
    fn obstacles(&mut self) -> Result<BTreeMap<Way, String>, Self::Error>;
    /// Moves a VM.
    fn migrate(&mut self, vm: &str, to: &str) -> Result<MigrationReport, Self::Error>;
    /// How each VM's client finds its session.
    fn sessions(&mut self) -> Result<BTreeMap<String, TcpSummary>, Self::Error>;
    /// Tells people.
    fn tell(&mut self, news: News<'_>) -> Result<(), Self::Error>;
}

/// What people are told.
#[derive(Debug, Clone, Copy)]
pub(crate) enum News<'a> {
    /// A round's table, or the summary.
    Table(&'a str),
    /// What has happened just now.
    Line(&'a str),
}

/// How far to go.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) seed: u64,
    pub(crate) length: Duration,
    /// Enough moves.
    pub(crate) moves: Option<usize>,
}

/// Balances a cluster, and tells what it does.
pub(crate) fn run<C: Cluster>(
    cluster: &mut C,
    topology: &Topology,
    settings: Settings,
    bounds: Bounds,
) -> Result<DrsReport, C::Error> {
    let mut rounds = Rounds {
        topology,
        bounds,
        begun: cluster.now(),
        measured: BTreeMap::new(),
        planner: Planner::new(settings),
        cluster,
    };
    rounds.warm_up()?;
    let rounds_done = rounds.all()?;
    let sessions = rounds.cluster.sessions()?;
    let settings = rounds.planner.settings();
    let broken = breaches(&settings.rules, &rounds.cluster.places());
    let broken = broken.into_iter().map(|breach| breach.text).collect();
    let summary = Summary::of(&rounds_done, &sessions, broken, settings);
    let text = text::summary(&summary, rounds_done.len());
    let report = DrsReport {
        lab: topology.name.clone(),
        backend: rounds.cluster.backend(),
        seed: bounds.seed,
        level: settings.level.get(),
        ok: summary.is_good(),
        rounds: rounds_done,
        summary,
    };
    rounds.cluster.tell(News::Table(&text))?;
    Ok(report)
}

struct Rounds<'a, C> {
    cluster: &'a mut C,
    topology: &'a Topology,
    bounds: Bounds,
    begun: Duration,
    /// What was measured last: a VM that has just moved has a new process.
    measured: BTreeMap<String, f64>,
    planner: Planner,
}

impl<C: Cluster> Rounds<'_, C> {
    /// What is measured is measured over an interval: there has to be a first one.
    fn warm_up(&mut self) -> Result<(), C::Error> {
        let loads = &self.planner.settings().loads;
        let measured = loads.iter().filter(|(_, load)| **load == Load::Measured);
        let measured: Vec<String> = measured.map(|(vm, _)| vm.clone()).collect();
        if measured.is_empty() {
            return Ok(());
        }
        for vm in measured {
            self.cluster.usage(&vm);
        }
        let interval = self.planner.settings().interval;
        self.cluster
            .wait_until(self.begun.saturating_add(interval))?;
        self.begun = self.cluster.now();
        Ok(())
    }

    fn since(&self) -> Duration {
        self.cluster.now().saturating_sub(self.begun)
    }

    fn all(&mut self) -> Result<Vec<Round>, C::Error> {
        let mut rounds: Vec<Round> = Vec::new();
        let mut moves = 0;
        while self.since() < self.bounds.length {
            let snapshot = self.snapshot()?;
            let decision = self.planner.decide(self.since(), &snapshot);
            let number = rounds.len() + 1;
            self.cluster
                .tell(News::Table(&text::round(number, &decision)))?;
            let done = self.do_it(&decision)?;
            moves += done.len();
            rounds.push(Round {
                round: number,
                decision,
                moves: done,
            });
            if self.bounds.moves.is_some_and(|most| moves >= most) {
                break;
            }
            self.wait()?;
        }
        Ok(rounds)
    }

    /// Until the next round is due: rounds keep their beat, those that moves took the time of are left out.
    fn wait(&mut self) -> Result<(), C::Error> {
        let interval = self
            .planner
            .settings()
            .interval
            .max(Duration::from_millis(1));
        let past = self.since().as_nanos() / interval.as_nanos();
        let next = u32::try_from(past + 1).unwrap_or(u32::MAX);
        let due = interval.saturating_mul(next).min(self.bounds.length);
        self.cluster.wait_until(self.begun.saturating_add(due))
    }

    fn snapshot(&mut self) -> Result<Snapshot, C::Error> {
        let since = self.since();
        let places = self.cluster.places();
        let obstacles = self.cluster.obstacles()?;
        let mut vms = BTreeMap::new();
        for ((name, vm), number) in self.topology.vms().zip(0..) {
            let Some(host) = places.get(name) else {
                continue;
            };
            let load = self.planner.settings().loads.get(name);
            let load = load.and_then(|load| load.at(since, self.bounds.seed, number));
            let load = load.unwrap_or_else(|| self.measure(name));
            let now = VmNow {
                host: host.clone(),
                load,
                memory: vm.memory,
                dirty_rate: vm.dirty_rate,
            };
            vms.insert(name.to_owned(), now);
        }
        Ok(Snapshot {
            hosts: self.planner.settings().hosts.clone(),
            vms,
            obstacles,
        })
    }

    fn measure(&mut self, vm: &str) -> f64 {
        match self.cluster.usage(vm) {
            Some(load) => {
                self.measured.insert(vm.to_owned(), load);
                load
            }
            None => self.measured.get(vm).copied().unwrap_or(0.0),
        }
    }

    fn do_it(&mut self, decision: &Decision) -> Result<Vec<MoveReport>, C::Error> {
        let mut done = Vec::new();
        let Some(choice) = &decision.chosen else {
            return Ok(done);
        };
        for vm in &choice.vms {
            let migration = self.cluster.migrate(vm, &choice.to)?;
            let since = self.since();
            self.planner.moved(since, vm, &choice.from);
            let report = MoveReport {
                done_ms: u64::try_from(since.as_millis()).unwrap_or(u64::MAX),
                mandatory: choice.mandatory,
                migration,
            };
            self.cluster.tell(News::Line(&text::moved(&report)))?;
            done.push(report);
        }
        Ok(done)
    }
}
