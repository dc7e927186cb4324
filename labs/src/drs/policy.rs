//! How eagerly a cluster is balanced.

use core::time::Duration;
use std::collections::BTreeMap;

use serde::Serialize;

use super::load::Load;
use super::rules::Rule;
use crate::topology::{Position, Topology};

/// How eager: 1 does only what rules demand, 5 takes every small improvement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Level(u8);

impl Default for Level {
    fn default() -> Self {
        Self(3)
    }
}

impl Level {
    /// The level of this number, 1 to 5.
    #[must_use]
    pub const fn new(level: u8) -> Option<Self> {
        match level {
            1..=5 => Some(Self(level)),
            _ => None,
        }
    }

    /// Its number.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }

    /// The deviation of host loads, in percent points, that this level puts up with in a cluster of so many hosts;
    /// `None` at level 1, which balances nothing.
    ///
    /// VMware gives a recommendation the priority 6 - ceil(deviation / 0.1 * sqrt(hosts)) (KB 1007485) and level N does
    /// those of priority up to N: that leaves alone what deviates by no more than 0.1 * (5 - N) / sqrt(hosts).
    #[must_use]
    pub fn target(self, hosts: usize) -> Option<f64> {
        let hosts = u32::try_from(hosts.max(1)).unwrap_or(u32::MAX);
        (self.0 > 1).then(|| 10.0 * f64::from(5 - self.0) / f64::from(hosts).sqrt())
    }

    /// By how much a move must lower the deviation, in percent points: it costs something, and what it gains must not be
    /// the noise of the loads.
    #[must_use]
    pub const fn least_benefit(self) -> f64 {
        match self.0 {
            5 => 0.5,
            4 => 1.0,
            3 => 2.0,
            _ => 4.0,
        }
    }
}

/// What a host has if the lab file says nothing: four cores.
const CAPACITY: f64 = 400.0;

/// The section `drs` of a lab file.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where it stands; the file's beginning if it is not there.
    pub at: Position,
    /// How eager it is.
    pub level: Level,
    /// The standard deviation of host loads that is good enough, in percent points; `None`: what the level says.
    pub target: Option<f64>,
    /// A host above this load, in percent, is overloaded: it is relieved whatever the deviation, and no move may make one.
    pub threshold: f64,
    /// How long a VM stays where it has moved. It does not go back to the host it left for three times as long.
    pub cool_down: Duration,
    /// From round to round.
    pub interval: Duration,
    /// How long the cluster is balanced.
    pub length: Duration,
    /// What each host that can run VMs has, in percent of one core.
    pub hosts: BTreeMap<String, f64>,
    /// What each VM uses.
    pub loads: BTreeMap<String, Load>,
    /// Who may run where.
    pub rules: Vec<Rule>,
}

impl Settings {
    /// What holds in a lab whose file says nothing: every load is drawn from the seed.
    #[must_use]
    pub fn of(topology: &Topology) -> Self {
        let hosts = topology.hosts().filter(|(_, host)| host.vswitch.is_some());
        Self {
            at: Position { line: 1, column: 1 },
            level: Level::default(),
            target: None,
            threshold: 90.0,
            cool_down: Duration::from_secs(30),
            interval: Duration::from_secs(5),
            length: Duration::from_secs(60),
            hosts: hosts.map(|(name, _)| (name.to_owned(), CAPACITY)).collect(),
            loads: topology
                .vms()
                .map(|(name, _)| (name.to_owned(), Load::Drawn))
                .collect(),
            rules: Vec::new(),
        }
    }

    /// The deviation that is good enough, in percent points; `None`: nothing is balanced.
    #[must_use]
    pub fn target(&self) -> Option<f64> {
        let of_level = self.level.target(self.hosts.len());
        of_level.map(|of_level| self.target.unwrap_or(of_level))
    }

    /// How long a VM does not return to a host it has left: what helps against going to and fro with a load that swings.
    #[must_use]
    pub const fn no_return(&self) -> Duration {
        self.cool_down.saturating_mul(3)
    }
}
