//! A scenario, played: after the start and after every step the bridges must agree with the oracle.

use std::time::{Duration, Instant};

use labs::netns::Namespace;
use pnet_base::MacAddr;
use stp::Bpdu;
use tempfile::TempDir;

use super::bridge::{HOST, Running};
use super::ears::{Ears, Place};
use super::model::{Expected, Model};
use super::plan::{Brand, Scenario, Step, name};
use crate::frames::{frame, inject};
use crate::net::{Net, cable};

/// How long a tree may take: max age and two forward delays are 14 s, hello and hold times come on top, topology changes
/// are told for 10 s, and the machine has other things to do.
const LIMIT: Duration = Duration::from_secs(45);
/// How often bridges are asked.
const POLL: Duration = Duration::from_millis(250);
/// How long a network must stay as it is, that is looked at all the while: two hello times of the slowest.
const CALM: Duration = Duration::from_secs(4);
/// More copies of one broadcast than that are a loop. Two may be one frame overtaken by the tree.
const COPIES_MAX: u32 = 2;

/// What came of a scenario.
#[derive(Debug)]
pub struct Outcome {
    /// Of the start and each step, in words: what was done, and the tree that must be.
    pub rows: Vec<(String, String)>,
    /// What was wrong, if anything; nothing is done after that.
    pub wrong: Option<String>,
    /// The BPDUs that our ports sent.
    pub sent: Vec<Vec<u8>>,
    /// How long each row took.
    pub took: Vec<Duration>,
}

/// A network that stands.
pub(super) struct Site {
    model: Model,
    running: Vec<Option<Running>>,
    ears: Ears,
    spaces: Vec<Namespace>,
    hosts: Vec<Namespace>,
    /// Bridges that must notice a topology change, and have not yet.
    unaware: Vec<usize>,
    dir: TempDir,
    /// How many bridges were started: each has a directory of its own.
    started: usize,
    _net: Net,
}

/// Plays a scenario.
///
/// # Panics
/// When a peer is missing or refuses, or without privilege.
#[must_use]
pub fn play(scenario: &Scenario) -> Outcome {
    let mut site = Site::build(scenario);
    let mut outcome = Outcome {
        rows: Vec::new(),
        wrong: None,
        sent: Vec::new(),
        took: Vec::new(),
    };
    let steps = std::iter::once(None).chain(scenario.steps.iter().copied().map(Some));
    for step in steps {
        let what = step.map_or("start".to_owned(), |step| scenario.words(step));
        let begin = Instant::now();
        let result = site.step(step);
        outcome
            .rows
            .push((what.clone(), site.model.expected().words(&site.model)));
        outcome.took.push(begin.elapsed());
        if let Err(error) = result {
            outcome.wrong = Some(format!("{}: {what}: {error}", scenario.name));
            break;
        }
    }
    outcome.sent = site.ears.sent();
    if scenario.has_epochs() && outcome.wrong.is_none() {
        let calm = site.stays().and_then(|()| stamped(&outcome.sent));
        let wrong = calm
            .err()
            .map(|error| format!("{}: {error}", scenario.name));
        outcome.wrong = wrong;
    }
    outcome
}

/// Whether epochs went over the cables at all.
fn stamped(sent: &[Vec<u8>]) -> Result<(), String> {
    let is_stamped = |frame: &Vec<u8>| match stp::llc::unframe(frame) {
        Ok(Bpdu::Rst(rst)) => rst.epoch.is_some(),
        Ok(Bpdu::Config(_) | Bpdu::Tcn | Bpdu::Mst(_)) | Err(_) => false,
    };
    match sent.iter().any(is_stamped) {
        true => Ok(()),
        false => Err("no BPDU had an epoch".to_owned()),
    }
}

impl Site {
    pub(super) fn build(scenario: &Scenario) -> Self {
        let model = Model::new(scenario);
        let mut net = Net::new();
        let all = 0..scenario.bridges.len();
        let spaces: Vec<Namespace> = all
            .clone()
            .map(|bridge| net.namespace(name(bridge)))
            .collect();
        let hosts: Vec<Namespace> = all
            .clone()
            .map(|bridge| net.namespace(&format!("h{}", name(bridge))))
            .collect();
        for (index, wire) in scenario.wires.iter().enumerate() {
            let [one, other] = wire.ends;
            cable(
                &spaces[one],
                &scenario.port(one, index),
                &spaces[other],
                &scenario.port(other, index),
            );
        }
        for (host, space) in hosts.iter().zip(&spaces) {
            cable(host, "eth0", space, HOST);
        }
        let mut places = Vec::new();
        for bridge in all.clone() {
            places.push((Place::Host(bridge), &hosts[bridge], "eth0".to_owned()));
            if scenario.bridges[bridge].brand == Brand::Ours {
                for wire in scenario.wires_of(bridge) {
                    let place = Place::Port { bridge, wire };
                    places.push((place, &spaces[bridge], scenario.port(bridge, wire)));
                }
            }
        }
        let ears = Ears::open(&places);
        let mut site = Self {
            running: all.clone().map(|_| None).collect(),
            model,
            ears,
            spaces,
            hosts,
            unaware: Vec::new(),
            dir: tempfile::tempdir().expect("a directory"),
            started: 0,
            _net: net,
        };
        for bridge in all {
            site.start(bridge);
        }
        site
    }

    fn start(&mut self, bridge: usize) {
        let dir = self.dir.path().join(self.started.to_string());
        self.started += 1;
        self.running[bridge] = Some(Running::start(
            &self.model,
            bridge,
            &self.spaces[bridge],
            &dir,
        ));
    }

    /// The namespace of a bridge's host.
    pub(super) fn host(&self, bridge: usize) -> &Namespace {
        &self.hosts[bridge]
    }

    /// Does `step` and waits for nothing.
    pub(super) fn apply(&mut self, step: Step) {
        self.model.take(step);
        self.act(step);
    }

    /// Waits until every bridge has the tree that must be, and speaks.
    pub(super) fn settle(&mut self) -> Result<(), String> {
        let (expected, since) = (self.model.expected(), Instant::now());
        self.until(since + LIMIT, |site| site.tree_difference(&expected, since))
    }

    pub(super) fn purge_flows(&self) {
        for running in self.running.iter().flatten() {
            running.purge_flows();
        }
    }

    /// Does `step` (`None`: has just started) and waits for what must come of it.
    fn step(&mut self, step: Option<Step>) -> Result<(), String> {
        let before = self.model.expected();
        let may_loop = step.is_some_and(|step| self.model.leaves_old_words(step));
        if let Some(step) = step {
            self.seed(&before)?;
            for running in self.running.iter_mut().flatten() {
                running.mark();
            }
            self.model.take(step);
        }
        let since = Instant::now();
        if let Some(step) = step {
            self.act(step);
        }
        let expected = self.model.expected();
        if step.is_some() && expected.opens(&before) {
            self.unaware = self.alive();
        }
        let end = since + LIMIT;
        self.until(end, |site| site.tree_difference(&expected, since))?;
        self.purge_flows();
        let calm = Instant::now();
        let alive = self.alive();
        self.until(end, |site| {
            let wrong = site
                .ears
                .wrong(calm, &alive, |from, to| expected.reaches(from, to));
            wrong
                .unwrap_or_else(|| vec!["no broadcast has been counted".to_owned()])
                .into_iter()
                .next()
        })?;
        self.until(end, |site| {
            let unaware = site.unaware.first();
            unaware.map(|&bridge| format!("{} has not noticed the topology change", name(bridge)))
        })?;
        self.until(end, |site| site.astray(&expected))?;
        if let Some(difference) = self.tree_difference(&expected, since) {
            return Err(format!("it did not stay so: {difference}"));
        }
        let copies = self.ears.take_most_copies();
        if copies > COPIES_MAX && !may_loop {
            return Err(format!("{copies} copies of a broadcast: there was a loop"));
        }
        Ok(())
    }

    /// Whether it comes to rest: no port of any brand moves again, however often it is looked at, and once the last topology
    /// change has been told, no other comes.
    fn stays(&mut self) -> Result<(), String> {
        let expected = self.model.expected();
        let end = Instant::now() + LIMIT;
        loop {
            for running in self.running.iter_mut().flatten() {
                running.mark();
            }
            let begin = Instant::now();
            while begin.elapsed() < CALM {
                if let Some(difference) = self.tree_difference(&expected, begin - CALM) {
                    return Err(format!("it did not stay so: {difference}"));
                }
                std::thread::sleep(POLL);
            }
            let noticed = self.running.iter_mut().flatten().map(Running::noticed);
            let changes = noticed.flatten().any(|noticed| noticed);
            if !changes {
                return Ok(());
            }
            if begin > end {
                return Err("topology changes do not end, and nothing happens".to_owned());
            }
        }
    }

    fn act(&mut self, step: Step) {
        match step {
            Step::Cut(wire) => self.carrier(wire, false),
            Step::Join(wire) => self.carrier(wire, true),
            Step::Stop(bridge) => {
                if let Some(running) = self.running[bridge].take() {
                    running.stop();
                }
            }
            Step::Start(bridge) => self.start(bridge),
            Step::Priority(bridge, _) => {
                self.alive_bridge(bridge).set_priority(&self.model, bridge)
            }
            Step::Cost { bridge, wire, .. } => {
                self.alive_bridge(bridge)
                    .set_cost(&self.model, bridge, wire)
            }
            Step::Speak(bridge, _) => self.alive_bridge(bridge).set_speech(&self.model, bridge),
        }
    }

    fn alive_bridge(&self, bridge: usize) -> &Running {
        self.running[bridge]
            .as_ref()
            .expect("the scenario changes what runs")
    }

    fn alive(&self) -> Vec<usize> {
        (0..self.running.len())
            .filter(|&bridge| self.model.is_alive(bridge))
            .collect()
    }

    /// Sets the end of a cable down or up that is ours, so that both see the carrier go or come.
    fn carrier(&self, wire: usize, up: bool) {
        let ends = self.model.scenario.wires[wire].ends;
        let ours = ends
            .into_iter()
            .find(|&end| self.model.bridges[end].brand == Brand::Ours);
        let end = ours.unwrap_or(ends[0]);
        let net = self.spaces[end].net().expect("netlink");
        net.set_up(&self.model.scenario.port(end, wire), up)
            .expect("it is there");
    }

    /// What differs from the tree that must be, or from what must be spoken on the cables. The peers, which cost a process to
    /// ask, are asked once ours agree.
    fn tree_difference(&self, expected: &Expected, since: Instant) -> Option<String> {
        let ask = |brands: &dyn Fn(Brand) -> bool| {
            let views = (0..self.running.len()).map(|bridge| {
                let running = self.running[bridge].as_ref();
                running
                    .filter(|_| brands(self.model.bridges[bridge].brand))
                    .map(Running::view)
            });
            let differences = self.model.differences(expected, &views.collect::<Vec<_>>());
            (!differences.is_empty()).then(|| differences.join("; "))
        };
        ask(&|brand| brand == Brand::Ours)
            .or_else(|| ask(&|brand| brand != Brand::Ours))
            .or_else(|| self.speech_difference(expected, since))
    }

    /// On every cable of ours the designated bridge has spoken since, in the version that both understand.
    fn speech_difference(&self, expected: &Expected, since: Instant) -> Option<String> {
        let model = &self.model;
        (0..)
            .zip(&model.scenario.wires)
            .find_map(|(wire, ends): (usize, _)| {
                let speaker = expected.designated(wire)?;
                let [one, other] = ends.ends;
                let listener = if speaker == one { other } else { one };
                let is_ours = |bridge: usize| {
                    model.bridges[bridge].brand == Brand::Ours && model.is_alive(bridge)
                };
                let at = [speaker, listener].into_iter().find(|&end| is_ours(end))?;
                let version = model.bridges[speaker]
                    .speech
                    .version_towards(model.bridges[listener].speech);
                let last = self.ears.last(wire, at, at == speaker);
                let port = || format!("{} {}", name(speaker), model.scenario.port(speaker, wire));
                match last.filter(|last| last.at >= since) {
                    None => Some(format!("{} is silent", port())),
                    Some(last) if model.is_alive(listener) && last.version != version => Some(
                        format!("{} sends version {}, not {version}", port(), last.version),
                    ),
                    Some(_) => None,
                }
            })
    }

    /// Everybody learns where the hosts are.
    fn seed(&mut self, expected: &Expected) -> Result<(), String> {
        let alive = self.alive();
        let end = Instant::now() + LIMIT;
        self.until(end, |site| {
            // Again each time: while a topology change is told, they age in 4 s.
            for &bridge in &alive {
                let octets = seed(bridge).octets();
                inject(
                    &site.hosts[bridge],
                    "eth0",
                    &[frame([0xff; 6], octets, &[0; 46])],
                );
            }
            std::thread::sleep(POLL);
            for &bridge in &alive {
                let known = site.running[bridge].as_ref().and_then(Running::addresses);
                let Some(known) = known else { continue };
                let unknown = alive.iter().find(|&&host| {
                    expected.reaches(bridge, host)
                        && known.iter().all(|(mac, _)| *mac != seed(host))
                });
                if let Some(&host) = unknown {
                    return Some(format!(
                        "{} has not learned the host of {}",
                        name(bridge),
                        name(host)
                    ));
                }
            }
            None
        })
    }

    /// An address that is held at a port that does not lead to its host.
    fn astray(&self, expected: &Expected) -> Option<String> {
        self.alive().into_iter().find_map(|bridge| {
            let known = self.running[bridge].as_ref()?.addresses()?;
            let alive = self.alive();
            let held = alive
                .iter()
                .filter(|&&host| host != bridge && expected.reaches(bridge, host));
            let mut held = held.filter_map(|&host| {
                Some((host, known.iter().find(|(mac, _)| *mac == seed(host))?))
            });
            held.find_map(|(host, (_, port))| {
                let mut wires = self.model.scenario.wires_of(bridge);
                let wire = wires.find(|&wire| self.model.scenario.port(bridge, wire) == *port);
                let leads = wire.is_some_and(|wire| expected.leads(bridge, Some(wire), host));
                (!leads).then(|| {
                    format!(
                        "{} looks for the host of {} at {port}",
                        name(bridge),
                        name(host)
                    )
                })
            })
        })
    }

    /// Whoever has noticed the topology change meanwhile: it is told for a few seconds only.
    fn look_who_noticed(&mut self) {
        let running = &mut self.running;
        self.unaware.retain(|&bridge| {
            let noticed = running[bridge].as_mut().and_then(Running::noticed);
            noticed == Some(false)
        });
    }

    fn until(
        &mut self,
        end: Instant,
        look: impl Fn(&Self) -> Option<String>,
    ) -> Result<(), String> {
        loop {
            self.look_who_noticed();
            let Some(wrong) = look(self) else {
                return Ok(());
            };
            if Instant::now() > end {
                return Err(wrong);
            }
            std::thread::sleep(POLL);
        }
    }
}

/// The address that a bridge's host is learned by before a step.
fn seed(bridge: usize) -> MacAddr {
    MacAddr::new(2, 0, 0, 0x5e, 0xed, u8::try_from(bridge).unwrap_or(u8::MAX))
}
