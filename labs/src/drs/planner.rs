//! The planner: loads, places and obstacles in, one choice with reasons out.
//!
//! Of all moves of a VM (or of VMs that affinity binds) to another host it takes the one that lowers the standard
//! deviation of the hosts' loads most for its cost. Three things keep it from moving VMs to and fro: a move must gain
//! [`Level::least_benefit`] with the loads of each of the last three rounds, so that a shorter burst moves nobody; a VM
//! that has moved rests; and it does not go back for three times as long.
//!
//! As long as loads stay as they are, each move lowers the deviation by at least that benefit, so there are at most
//! (deviation - target) / benefit of them.
//!
//! [`Level::least_benefit`]: super::Level::least_benefit

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::decision::{Choice, Decision, HostLoad, Refusal, Refused, Verdict, VmLoad};
use super::listed;
use super::policy::Settings;
use super::rules::{Breach, Rule, breaches, units};

/// Rounds whose loads count; a burst that is shorter moves nobody.
pub(super) const ROUNDS: usize = 3;
/// What a move costs besides its copying: setting up, the pause, the announcements.
const OVERHEAD: Duration = Duration::from_secs(1);
/// What the copy is taken to run at, in octets per second: the gigabit that VMotion asks for.
const COPY_RATE: f64 = 125e6;

/// A cluster as it is in a round.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// What each host has, in percent of one core.
    pub hosts: BTreeMap<String, f64>,
    /// The VMs.
    pub vms: BTreeMap<String, VmNow>,
    /// Why the network keeps a VM from a host, where it does.
    pub obstacles: BTreeMap<(String, String), String>,
}

/// A VM as it is in a round.
#[derive(Debug, Clone, PartialEq)]
pub struct VmNow {
    /// Where it runs.
    pub host: String,
    /// What it uses, in percent of one core.
    pub load: f64,
    /// Its memory in octets.
    pub memory: u64,
    /// What it writes of that, in octets per second.
    pub dirty_rate: u64,
}

impl VmNow {
    /// What moving it costs. What is written while it is copied is copied again, so that memory m at rate r with d written
    /// takes m / (r - d), up to ten times m / r.
    #[must_use]
    pub fn cost(&self) -> Duration {
        // Rates and sizes that are compared, not counted: 53 bits are enough.
        let (memory, dirty) = (self.memory as f64, self.dirty_rate as f64);
        let rate = (COPY_RATE - dirty).max(COPY_RATE / 10.0);
        OVERHEAD.saturating_add(Duration::try_from_secs_f64(memory / rate).unwrap_or(Duration::MAX))
    }
}

/// Decides round by round, and remembers what it must: the last loads, and who has moved.
#[derive(Debug, Clone)]
pub struct Planner {
    settings: Settings,
    units: Vec<Vec<String>>,
    /// The loads of the last rounds; those of now are the last.
    history: VecDeque<BTreeMap<String, f64>>,
    /// Who has moved when, by VM and the host it left; a move that failed counts, too.
    left: BTreeMap<(String, String), Duration>,
}

impl Planner {
    /// A planner that has seen nothing.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let units = units(&settings.rules, settings.loads.keys());
        Self {
            settings,
            units,
            history: VecDeque::new(),
            left: BTreeMap::new(),
        }
    }

    /// Its settings.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Says that a VM has left a host, or tried to.
    pub fn moved(&mut self, now: Duration, vm: &str, from: &str) {
        self.left.insert((vm.to_owned(), from.to_owned()), now);
    }

    /// What to do in a round at `now`.
    pub fn decide(&mut self, now: Duration, cluster: &Snapshot) -> Decision {
        let loads = cluster.vms.iter();
        let loads = loads.map(|(vm, state)| (vm.clone(), state.load));
        self.history.push_back(loads.collect());
        while self.history.len() > ROUNDS {
            self.history.pop_front();
        }
        let state = State {
            settings: &self.settings,
            units: &self.units,
            left: &self.left,
            now,
            cluster,
            places: cluster
                .vms
                .iter()
                .map(|(vm, state)| (vm.clone(), state.host.clone()))
                .collect(),
            history: &self.history,
        };
        state.decide()
    }
}

/// A round.
struct State<'a> {
    settings: &'a Settings,
    units: &'a [Vec<String>],
    left: &'a BTreeMap<(String, String), Duration>,
    now: Duration,
    cluster: &'a Snapshot,
    places: BTreeMap<String, String>,
    history: &'a VecDeque<BTreeMap<String, f64>>,
}

/// A move that could be made, and what it would lead to.
struct Candidate {
    vms: Vec<String>,
    from: String,
    to: String,
    breaches: Vec<Breach>,
    /// Standard deviation with the loads of now.
    after: f64,
    /// By how much it would fall with the loads of now.
    benefit: f64,
    /// The least by which it would have fallen with the loads of any of the last rounds.
    steady: f64,
    /// The target's load.
    load: f64,
    cost: Duration,
}

impl Candidate {
    /// Points of deviation for a second of copying.
    fn worth(&self) -> f64 {
        self.steady / self.cost.as_secs_f64().max(f64::MIN_POSITIVE)
    }

    fn refused(&self, reason: Refusal, why: String) -> Refused {
        Refused {
            vms: self.vms.clone(),
            from: self.from.clone(),
            to: self.to.clone(),
            deviation_after: self.after,
            reason,
            why,
        }
    }

    fn chosen(&self, mandatory: bool, why: String) -> Choice {
        Choice {
            vms: self.vms.clone(),
            from: self.from.clone(),
            to: self.to.clone(),
            mandatory,
            deviation_after: self.after,
            cost_s: self.cost.as_secs_f64(),
            why,
        }
    }
}

impl State<'_> {
    fn decide(&self) -> Decision {
        let loads = self.loads(&self.places, |vm| self.load(vm));
        let deviation = deviation(&loads);
        let broken = breaches(&self.settings.rules, &self.places);
        let target = self.settings.target();
        let busy = loads
            .iter()
            .find(|(_, load)| **load > self.settings.threshold);
        let (verdict, why, chosen, refused) = if !broken.is_empty() {
            self.mend(&broken)
        } else if let Some(target) = target {
            match busy {
                None if deviation <= target => {
                    let why = format!(
                        "balanced: {deviation:.1} is within the target of {target:.1}, and no host is above {:.0} %",
                        self.settings.threshold
                    );
                    (Verdict::Balanced, why, None, Vec::new())
                }
                busy => self.balance(deviation, target, busy.map(|(host, _)| *host)),
            }
        } else {
            let why = "level 1 does only what rules demand, and they are kept".to_owned();
            (Verdict::RulesOnly, why, None, Vec::new())
        };
        let least = self.settings.level.least_benefit();
        let excess = target.map_or(0.0, |target| (deviation - target).max(0.0));
        Decision {
            at_ms: u64::try_from(self.now.as_millis()).unwrap_or(u64::MAX),
            hosts: self.host_loads(&loads),
            deviation,
            target,
            broken: broken.into_iter().map(|breach| breach.text).collect(),
            moves_max: whole((excess / least).ceil()),
            verdict,
            why,
            chosen,
            refused,
        }
    }

    fn load(&self, vm: &str) -> f64 {
        self.cluster.vms.get(vm).map_or(0.0, |state| state.load)
    }

    /// Every host's load in percent of what it has, with VMs at these places.
    fn loads(
        &self,
        places: &BTreeMap<String, String>,
        load: impl Fn(&str) -> f64,
    ) -> BTreeMap<&str, f64> {
        let hosts = self.cluster.hosts.keys();
        let mut loads: BTreeMap<&str, f64> = hosts.map(|host| (host.as_str(), 0.0)).collect();
        for (vm, host) in places {
            if let Some(sum) = loads.get_mut(host.as_str()) {
                *sum += load(vm);
            }
        }
        for (host, load) in &mut loads {
            *load *= 100.0 / self.cluster.hosts.get(*host).copied().unwrap_or(1.0);
        }
        loads
    }

    fn host_loads(&self, loads: &BTreeMap<&str, f64>) -> Vec<HostLoad> {
        let here = |host: &str| {
            let vms = self
                .cluster
                .vms
                .iter()
                .filter(|(_, state)| state.host == host);
            vms.map(|(vm, state)| VmLoad {
                vm: vm.clone(),
                load: state.load,
            })
            .collect()
        };
        let hosts = self.cluster.hosts.iter().map(|(host, capacity)| HostLoad {
            host: host.clone(),
            load: loads.get(host.as_str()).copied().unwrap_or(0.0),
            capacity: *capacity,
            vms: here(host),
        });
        hosts.collect()
    }

    fn weigh(&self, vms: &[String], from: &str, to: &str) -> Candidate {
        let mut places = self.places.clone();
        for vm in vms {
            places.insert(vm.clone(), to.to_owned());
        }
        let fall = |load: &dyn Fn(&str) -> f64| {
            let after = deviation(&self.loads(&places, load));
            (after, deviation(&self.loads(&self.places, load)) - after)
        };
        let (after, benefit) = fall(&|vm| self.load(vm));
        let past = self.history.iter().map(|loads| {
            let load = |vm: &str| loads.get(vm).copied().unwrap_or_else(|| self.load(vm));
            fall(&load).1
        });
        let steady = past.fold(benefit, f64::min);
        let loads = self.loads(&places, |vm| self.load(vm));
        let costs = vms.iter().filter_map(|vm| self.cluster.vms.get(vm));
        Candidate {
            vms: vms.to_vec(),
            from: from.to_owned(),
            to: to.to_owned(),
            breaches: breaches(&self.settings.rules, &places),
            after,
            benefit,
            steady,
            load: loads.get(to).copied().unwrap_or(0.0),
            cost: costs
                .map(VmNow::cost)
                .fold(Duration::ZERO, Duration::saturating_add),
        }
    }

    /// Every move of each of these groups to a host that it is not on.
    fn candidates<'u>(&self, groups: impl Iterator<Item = &'u [String]>) -> Vec<Candidate> {
        let mut all = Vec::new();
        for vms in groups {
            let places: BTreeSet<&String> =
                vms.iter().filter_map(|vm| self.places.get(vm)).collect();
            // One that rules have not brought together yet is the rules' business.
            let (Some(from), 1) = (places.first(), places.len()) else {
                continue;
            };
            for to in self.cluster.hosts.keys().filter(|to| to != from) {
                all.push(self.weigh(vms, from, to));
            }
        }
        all
    }

    /// What the network has against a move.
    fn obstacle(&self, candidate: &Candidate) -> Option<&String> {
        let mut vms = candidate.vms.iter();
        vms.find_map(|vm| {
            let way = (vm.clone(), candidate.to.clone());
            self.cluster.obstacles.get(&way)
        })
    }

    /// Rules are broken: the move that leaves the fewest breaches, of these the one with the least deviation.
    fn mend(&self, broken: &[Breach]) -> Outcome {
        let guilty: BTreeSet<&String> = broken.iter().flat_map(|breach| &breach.vms).collect();
        let single = guilty.iter().map(|vm| core::slice::from_ref(*vm));
        let bound = self.units.iter().filter(|unit| unit.len() > 1);
        let bound = bound.filter(|unit| unit.iter().any(|vm| guilty.contains(vm)));
        let mut candidates = self.candidates(single.chain(bound.map(Vec::as_slice)));
        candidates.sort_by(|a, b| {
            let key = |c: &Candidate| (c.breaches.len(), c.vms.len());
            key(a).cmp(&key(b)).then(a.after.total_cmp(&b.after))
        });
        let mut best: Option<Candidate> = None;
        let mut refused = Vec::new();
        for candidate in candidates {
            let left = candidate.breaches.len();
            if left >= broken.len() {
                let first = candidate.breaches.first();
                let text = first.map_or_else(String::new, |breach| breach.text.clone());
                refused.push(candidate.refused(Refusal::Rule, text));
            } else if let Some(obstacle) = self.obstacle(&candidate) {
                let why = obstacle.clone();
                refused.push(candidate.refused(Refusal::Network, why));
            } else if let Some(best) = &best {
                let why = if left > best.breaches.len() {
                    "would mend less".to_owned()
                } else {
                    format!("would mend no more, and lead to {:.1}", candidate.after)
                };
                refused.push(candidate.refused(Refusal::Lesser, why));
            } else {
                best = Some(candidate);
            }
        }
        let Some(best) = best else {
            let why = format!("no move mends what is broken: {}", broken[0].text);
            return (Verdict::Stuck, why, None, refused);
        };
        let text = &broken[0].rule;
        let rule = self.settings.rules.get(*text).map(Rule::to_string);
        let why = format!(
            "a rule demands it: {}; breaches {} → {}",
            rule.unwrap_or_default(),
            broken.len(),
            best.breaches.len()
        );
        (
            Verdict::Move,
            why.clone(),
            Some(best.chosen(true, why)),
            refused,
        )
    }

    /// The move that lowers the deviation most for its cost.
    fn balance(&self, before: f64, target: f64, busy: Option<&str>) -> Outcome {
        let mut candidates = self.candidates(self.units.iter().map(Vec::as_slice));
        // Stable: of equals the first by name stays first.
        candidates.sort_by(|a, b| b.worth().total_cmp(&a.worth()));
        let mut best: Option<Candidate> = None;
        let mut refused = Vec::new();
        for candidate in candidates {
            if let Some((reason, why)) = self.objection(&candidate) {
                refused.push(candidate.refused(reason, why));
            } else if let Some(best) = &best {
                let why = format!(
                    "{:.1} points a second of copying instead of {:.1}",
                    candidate.worth(),
                    best.worth()
                );
                refused.push(candidate.refused(Refusal::Lesser, why));
            } else {
                best = Some(candidate);
            }
        }
        refused.sort_by(|a, b| a.deviation_after.total_cmp(&b.deviation_after));
        let need = match busy {
            Some(host) if before <= target => {
                format!("{host} is above {:.0} %", self.settings.threshold)
            }
            _ => format!("{before:.1} is above the target of {target:.1}"),
        };
        let Some(best) = best else {
            let why = format!("{need}, and no move is possible and worth it");
            return (Verdict::Stuck, why, None, refused);
        };
        let why = format!(
            "{need}; this takes off {:.1} points for {:.2} s of copying",
            best.benefit,
            best.cost.as_secs_f64()
        );
        (
            Verdict::Move,
            why.clone(),
            Some(best.chosen(false, why)),
            refused,
        )
    }

    /// What speaks against a move for balance.
    fn objection(&self, candidate: &Candidate) -> Option<(Refusal, String)> {
        let least = self.settings.level.least_benefit();
        if let Some(breach) = candidate.breaches.first() {
            return Some((Refusal::Rule, breach.text.clone()));
        }
        if let Some(obstacle) = self.obstacle(candidate) {
            return Some((Refusal::Network, obstacle.clone()));
        }
        if let Some(resting) = self.resting(candidate) {
            return Some(resting);
        }
        if candidate.load > self.settings.threshold {
            let (to, threshold) = (&candidate.to, self.settings.threshold);
            let why = format!(
                "{to} would be at {:.0} %, above {threshold:.0}",
                candidate.load
            );
            return Some((Refusal::Threshold, why));
        }
        if candidate.benefit <= 0.0 {
            return Some((Refusal::Worse, "would not lower the deviation".to_owned()));
        }
        if candidate.benefit < least {
            let why = format!(
                "lowers it by {:.1}, less than {least:.1}",
                candidate.benefit
            );
            return Some((Refusal::TooLittle, why));
        }
        if candidate.steady < least {
            let why =
                format!("helps now, but not with the loads of each of the last {ROUNDS} rounds");
            return Some((Refusal::Burst, why));
        }
        None
    }

    /// Whether somebody of these has moved too short a while ago.
    fn resting(&self, candidate: &Candidate) -> Option<(Refusal, String)> {
        let Settings { cool_down, .. } = self.settings;
        let mut found = None;
        for ((vm, from), at) in self.left {
            if !candidate.vms.contains(vm) {
                continue;
            }
            let since = self.now.saturating_sub(*at);
            if since < *cool_down {
                let why = format!(
                    "{vm} has moved {:.1} s ago and rests for {:.1}",
                    since.as_secs_f64(),
                    cool_down.as_secs_f64()
                );
                return Some((Refusal::CoolDown, why));
            }
            let no_return = self.settings.no_return();
            if *from == candidate.to && since < no_return {
                let why = format!(
                    "{vm} has left {from} {:.1} s ago and stays away for {:.1}",
                    since.as_secs_f64(),
                    no_return.as_secs_f64()
                );
                found = Some((Refusal::Return, why));
            }
        }
        found
    }
}

/// Verdict, why, what was chosen, what was not.
type Outcome = (Verdict, String, Option<Choice>, Vec<Refused>);

/// Standard deviation of a population: these are all the hosts there are.
fn deviation(loads: &BTreeMap<&str, f64>) -> f64 {
    let number = f64::from(u32::try_from(loads.len().max(1)).unwrap_or(u32::MAX));
    let mean = loads.values().sum::<f64>() / number;
    let squares = loads.values().map(|load| (load - mean) * (load - mean));
    (squares.sum::<f64>() / number).sqrt()
}

/// A whole number that is not negative and small; the largest it can be else.
fn whole(number: f64) -> u64 {
    let secs = Duration::try_from_secs_f64(number.max(0.0));
    secs.map_or(u64::MAX, |time| time.as_secs())
}

/// Who moves, for a sentence.
pub(super) fn who(vms: &[String]) -> String {
    listed(vms)
}
