//! The steps of a lab file, in virtual time.

use core::time::Duration;
use std::rc::Rc;

use pnet_base::MacAddr;
use serde::Serialize;
use switchd::config::{PortKind, PortSettings, StpSettings};
use switchd::control::{Command, execute};
use switchd::tag::Tci;

use super::build::NOWHERE;
use super::target::Running;
use super::{Telling, Twin, TwinError};
use crate::lab::draw;
use crate::sim::frame;
use crate::sim::operation::Power;
use crate::sim::queue::nanos;
use crate::sim::wire::LinkState;
use crate::topology::{
    Endpoint, Frames, Incident, LinkChange, Recipient, Setting, Step, StepKind, Switch,
};
use crate::vmotion::migration::is_whole;

/// How often a wait looks whether the tree stands: often enough to tell the time to a hundredth of a second.
const LOOK: Duration = Duration::from_millis(10);

/// What became of a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StepReport {
    /// Its key in the lab file.
    pub step: &'static str,
    /// Its line there.
    pub line: usize,
    /// Whether it did what it should, or held.
    pub ok: bool,
    /// One line for people.
    pub text: String,
    /// When it was over, in nanoseconds.
    pub time_ns: u64,
}

/// Whether it went well, and what to say of it.
pub(super) type Outcome = (bool, String);

pub(super) fn done(text: impl Into<String>) -> Outcome {
    (true, text.into())
}

impl Twin {
    /// Does all steps, telling of everything as it happens; the first step that fails is the last. Then time runs
    /// to [`Twin::end_at`], if that is later.
    ///
    /// # Errors
    /// A step that cannot be done at all.
    pub fn run(&mut self, mut tell: impl FnMut(&Telling)) -> Result<Vec<StepReport>, TwinError> {
        let mut reports = Vec::new();
        for step in self.topology.steps.clone() {
            if self.until.is_some_and(|until| self.world.now() >= until) {
                break;
            }
            let report = self.step(&step);
            self.story.drain(..).for_each(|telling| tell(&telling));
            let report = report?;
            let ok = report.ok;
            reports.push(report);
            if !ok {
                return Ok(reports);
            }
        }
        if let Some(until) = self.until {
            self.world.run_until(until);
        }
        Ok(reports)
    }

    /// Does one step.
    ///
    /// # Errors
    /// It cannot be done at all; with its place in the file.
    pub fn step(&mut self, step: &Step) -> Result<StepReport, TwinError> {
        let (ok, text) = match &step.kind {
            StepKind::Wait(time) => {
                self.pass(*time);
                done(format!("waited {time:?}"))
            }
            StepKind::WaitConverged(patience) => self.converge(*patience),
            StepKind::Link { endpoint, change } => self.link(step, endpoint, *change)?,
            StepKind::Set(setting) => self.set(step, setting)?,
            StepKind::Migrate {
                vm,
                to,
                force,
                felt,
            } => {
                let (ok, text) = self.migrate(step, vm, to, *force)?;
                let is_whole = self.migrations.last().is_some_and(is_whole);
                (ok || *felt && is_whole, text)
            }
            StepKind::Check(check) => self.check(step, check)?,
            StepKind::Incident(incident) => self.incident(step, incident)?,
        };
        self.say_outcome(step, ok, &text);
        Ok(StepReport {
            step: word(&step.kind),
            line: step.at.line,
            ok,
            text,
            time_ns: nanos(self.world.now()),
        })
    }

    fn say_outcome(&mut self, step: &Step, ok: bool, text: &str) {
        let word = match (&step.kind, ok) {
            (StepKind::Check(_), true) => "PASS ",
            (_, true) => "",
            (_, false) => "FAIL ",
        };
        let place = if ok {
            String::new()
        } else {
            format!(" ({}:{})", self.topology.file, step.at)
        };
        self.say(&format!("{word}{text}{place}"));
        if matches!(step.kind, StepKind::WaitConverged(_)) {
            let drawing = draw::draw(&self.topology, &self.view());
            self.story.push(Telling::Drawing(drawing));
            // As hypervisors do for a vNIC whose network has just become usable.
            if ok && !self.vms.is_empty() {
                self.announce();
                self.say("the virtual machines announce themselves");
            }
        }
    }

    /// Lets so much time pass, but not beyond the end.
    pub(super) fn pass(&mut self, time: Duration) {
        let end = self.world.now().saturating_add(time);
        self.world
            .run_until(self.until.map_or(end, |until| end.min(until)));
    }

    fn converge(&mut self, patience: Duration) -> Outcome {
        let begin = self.world.now();
        let end = begin.saturating_add(patience);
        let end = self.until.map_or(end, |until| end.min(until));
        // At the first instant everything still blocks, which is no tree.
        self.pass(Duration::ZERO);
        while !self.is_converged() {
            if self.world.now() >= end {
                return (false, format!("not converged after {patience:?}"));
            }
            let next = self.world.now().saturating_add(LOOK);
            self.world.run_until(next.min(end));
        }
        let took = self.world.now().saturating_sub(begin);
        let view = self.view();
        let blocked: Vec<String> = view.blocked().iter().map(ToString::to_string).collect();
        let blocked = if blocked.is_empty() {
            "nothing".to_owned()
        } else {
            blocked.join(", ")
        };
        done(format!(
            "converged after {:.1} s; blocked: {blocked}",
            took.as_secs_f64()
        ))
    }

    fn link(
        &mut self,
        step: &Step,
        endpoint: &Endpoint,
        change: LinkChange,
    ) -> Result<Outcome, TwinError> {
        let (port, wire, shared) = self.wire_of(step, endpoint)?;
        let up = change == LinkChange::Up;
        // Of a shared segment only this end is unplugged; a dead segment heals as a whole.
        if shared {
            if up {
                self.must(step.at, |world| world.set_link(wire, LinkState::Up))?;
            }
            self.must(step.at, |world| world.plug(port, up))?;
        } else {
            let state = if up { LinkState::Up } else { LinkState::Down };
            self.must(step.at, |world| world.set_link(wire, state))?;
        }
        let word = if up { "up" } else { "down" };
        Ok(done(format!("link {word} at {endpoint}")))
    }

    fn wire_of(
        &self,
        step: &Step,
        endpoint: &Endpoint,
    ) -> Result<(crate::sim::PortRef, crate::sim::WireId, bool), TwinError> {
        let port = self.port(endpoint);
        let found = port.and_then(|port| {
            let (wire, _) = self.world.map().wire_at(port)?;
            Some((port, wire, self.world.map().ends(wire).len() > 2))
        });
        found.ok_or_else(|| self.fault(step.at, format!("no link ends at {endpoint}")))
    }

    fn set(&mut self, step: &Step, setting: &Setting) -> Result<Outcome, TwinError> {
        let (node, commands) = match setting {
            Setting::Port {
                endpoint, settings, ..
            } => {
                let command = Command::SetPort {
                    port: endpoint.port.clone(),
                    settings: settings.as_ref().clone(),
                };
                (&endpoint.node, vec![command])
            }
            Setting::Switch {
                switch, settings, ..
            } => {
                let Switch { stp, ageing, .. } = settings.as_ref();
                let stp =
                    (*stp != StpSettings::default()).then(|| Command::SetSpanningTree(stp.clone()));
                let ageing = ageing.map(|seconds| Command::SetAgeing { seconds });
                let commands = stp.into_iter().chain(ageing).collect();
                (switch, commands)
            }
        };
        for command in commands {
            self.ask(step, node, command)?;
        }
        Ok(done(setting.to_string()))
    }

    /// Has a switch carry out a command, as `switchctl` would.
    fn ask(&mut self, step: &Step, name: &str, command: Command) -> Result<(), TwinError> {
        let unknown = || format!("there is no switch `{name}`");
        let Some(node) = self.node(name) else {
            return Err(self.fault(step.at, unknown()));
        };
        let Some(config) = self.configs.get_mut(&node) else {
            return Err(self.fault(step.at, unknown()));
        };
        let answer = self.world.manage(node, |switch, now, out| {
            let mut running = Running {
                config,
                switch,
                out,
            };
            Ok(execute(&mut running, now, command))
        });
        match answer {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(self.fault(step.at, format!("{name}: {}", error.message))),
            Err(_) => Err(self.fault(step.at, format!("{name} does not run"))),
        }
    }

    fn incident(&mut self, step: &Step, incident: &Incident) -> Result<Outcome, TwinError> {
        match incident {
            Incident::Silence(endpoint) => {
                let (_, wire, _) = self.wire_of(step, endpoint)?;
                self.must(step.at, |world| world.set_link(wire, LinkState::Silent))?;
                Ok(done(format!("link silent at {endpoint}")))
            }
            Incident::Change {
                endpoint,
                impairment,
                one_way,
            } => {
                let (port, _, _) = self.wire_of(step, endpoint)?;
                self.must(step.at, |world| world.impair(port, *impairment))?;
                self.must(step.at, |world| world.set_one_way(port, *one_way))?;
                Ok(done(format!("what {endpoint} sends has changed")))
            }
            Incident::Switch { switch, power } => {
                let node = self.node(switch);
                let node =
                    node.ok_or_else(|| self.fault(step.at, format!("there is no {switch}")))?;
                self.must(step.at, |world| world.set_power(node, *power))?;
                let word = match power {
                    Power::On => "up",
                    Power::Off => "down",
                    Power::Frozen => "frozen",
                };
                Ok(done(format!("switch {switch} {word}")))
            }
            Incident::Connect {
                endpoints,
                conditions,
            } => {
                for endpoint in endpoints {
                    self.new_port(step, endpoint)?;
                }
                self.connect(step.at, endpoints, conditions)?;
                self.topology.add_link(step.at, endpoints, conditions);
                let ends: Vec<String> = endpoints.iter().map(ToString::to_string).collect();
                Ok(done(format!("connected {}", ends.join(", "))))
            }
            Incident::Send(frames) => self.send(step, frames),
        }
    }

    fn new_port(&mut self, step: &Step, endpoint: &Endpoint) -> Result<(), TwinError> {
        let name = &endpoint.node;
        let missing = || format!("there is no switch `{name}`");
        let node = self.node(name);
        let node = node.ok_or_else(|| self.fault(step.at, missing()))?;
        let Some(config) = self.configs.get(&node) else {
            return Err(self.fault(step.at, missing()));
        };
        let settings = PortSettings::default();
        let port = config.new_port(&endpoint.port, Some(PortKind::Packet), &settings, NOWHERE);
        let port = port.map_err(|error| self.fault(step.at, format!("{name}: {error}")))?;
        self.add_switch_port(node, step.at, &port)?;
        if let Some(config) = self.configs.get_mut(&node) {
            config.insert_port(port);
        }
        Ok(())
    }

    fn send(&mut self, step: &Step, frames: &Frames) -> Result<Outcome, TwinError> {
        let (from, _, _) = self.wire_of(step, &frames.from)?;
        let unknown = |what: &str| format!("no address is known of {what}");
        let own = frames.source.or_else(|| self.address(from));
        let source = own.ok_or_else(|| self.fault(step.at, unknown(&frames.from.to_string())))?;
        let to = match &frames.to {
            Recipient::Address(address) => Some(*address),
            Recipient::Vm(vm) => self.topology.vm(vm).map(|vm| vm.mac),
            Recipient::Port(port) => self.port(port).and_then(|port| self.address(port)),
        };
        let to = to.ok_or_else(|| self.fault(step.at, unknown("the recipient")))?;
        let octets = experimental(to, source, frames);
        for _ in 0..frames.count {
            let flow = self.world.send(from, octets.clone());
            self.world.take_flow(flow);
        }
        let plural = if frames.count == 1 { "frame" } else { "frames" };
        Ok(done(format!(
            "{} sent {} {plural} to {to}",
            frames.from, frames.count
        )))
    }
}

/// A frame that says nothing, tagged if asked for.
pub(crate) fn experimental(to: MacAddr, source: MacAddr, frames: &Frames) -> Rc<[u8]> {
    let mut payload = Vec::new();
    let ether_type = match frames.vlan {
        Some(vlan) => {
            // Priority and VLAN, then the EtherType behind the tag.
            payload.extend(&Tci::of(vlan.id()).tag()[2..]);
            payload.extend(frame::EXPERIMENTAL.to_be_bytes());
            switchd::tag::TPID
        }
        None => frame::EXPERIMENTAL,
    };
    let header = 14;
    payload.resize(
        usize::from(frames.octets)
            .saturating_sub(header)
            .max(payload.len()),
        0,
    );
    frame::with_payload(to, source, ether_type, &payload)
}

fn word(kind: &StepKind) -> &'static str {
    match kind {
        StepKind::Wait(_) | StepKind::WaitConverged(_) => "wait",
        StepKind::Link { .. }
        | StepKind::Incident(Incident::Silence(_) | Incident::Change { .. }) => "link",
        StepKind::Set(_) => "set",
        StepKind::Migrate { .. } => "migrate",
        StepKind::Check(_) => "check",
        StepKind::Incident(Incident::Switch { .. }) => "switch",
        StepKind::Incident(Incident::Connect { .. }) => "connect",
        StepKind::Incident(Incident::Send(_)) => "send",
    }
}
