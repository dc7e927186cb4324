//! Steps on the real backend.

use core::net::IpAddr;
use std::time::{Duration, Instant};

use pnet_base::MacAddr;
use switchd::config::StpSettings;
use switchd::control::{Command, MacFilter, Reply};

use super::{Lab, LabError, View, incidents, interrupt, ping, wiring};
use crate::sim::Power;
use crate::topology::{
    Check, Endpoint, Expectation, LinkChange, MacSubject, Setting, StepKind, Switch,
};

/// How often a check that does not hold yet is looked at again.
const POLL: Duration = Duration::from_millis(100);
/// How long one ping of a check is waited for: a shared two-core machine answers in milliseconds.
const PING_PATIENCE: Duration = Duration::from_millis(500);

/// What became of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Whether it did what it should, or held.
    pub ok: bool,
    /// One line for people: the check's `pass` or `fail` text, and what was seen.
    pub text: String,
}

impl Outcome {
    pub(super) fn done(text: impl Into<String>) -> Self {
        Self {
            ok: true,
            text: text.into(),
        }
    }
}

/// Does one step. VMs are moved by those who run them: `migrate` is handed to `migrate`.
///
/// # Errors
/// When a switch does not answer, refuses, or the kernel does. A check that does not hold is no error but an outcome.
pub fn run_step(
    lab: &Lab,
    step: &StepKind,
    migrate: &mut dyn FnMut(&str, &str) -> Result<Outcome, LabError>,
) -> Result<Outcome, LabError> {
    match step {
        StepKind::Wait(time) => {
            interrupt::pause(*time)?;
            Ok(Outcome::done(format!("waited {time:?}")))
        }
        StepKind::WaitConverged(patience) => converged(lab, *patience),
        StepKind::Link { endpoint, change } => {
            wiring::set_carrier(lab, endpoint, *change)?;
            let word = match change {
                LinkChange::Up => "up",
                LinkChange::Down => "down",
            };
            Ok(Outcome::done(format!("link {word} at {endpoint}")))
        }
        StepKind::Set(setting) => set(lab, setting),
        StepKind::Migrate { vm, to, .. } => migrate(vm, to),
        StepKind::Check(check) => run_check(lab, check),
        StepKind::Incident(incident) => incidents::run(lab, incident),
    }
}

fn converged(lab: &Lab, patience: Duration) -> Result<Outcome, LabError> {
    let (view, took) = lab.wait_converged(patience)?;
    Ok(match took {
        Some(took) => {
            let blocked: Vec<String> = view.blocked().iter().map(Endpoint::to_string).collect();
            let blocked = if blocked.is_empty() {
                "nothing".to_owned()
            } else {
                blocked.join(", ")
            };
            Outcome::done(format!(
                "converged after {:.1} s; blocked: {blocked}",
                took.as_secs_f64()
            ))
        }
        None => Outcome {
            ok: false,
            text: format!("not converged after {patience:?}"),
        },
    })
}

fn set(lab: &Lab, setting: &Setting) -> Result<Outcome, LabError> {
    match setting {
        Setting::Port {
            endpoint, settings, ..
        } => {
            let command = Command::SetPort {
                port: endpoint.port.clone(),
                settings: settings.as_ref().clone(),
            };
            lab.ask(&endpoint.node, &command)?;
        }
        Setting::Switch {
            switch, settings, ..
        } => {
            let Switch { stp, ageing, .. } = settings.as_ref();
            if *stp != StpSettings::default() {
                lab.ask(switch, &Command::SetSpanningTree(stp.clone()))?;
            }
            if let Some(seconds) = *ageing {
                lab.ask(switch, &Command::SetAgeing { seconds })?;
            }
        }
    }
    Ok(Outcome::done(setting.to_string()))
}

/// Looks until the expectation holds, or the check's time is over; at least once.
fn run_check(lab: &Lab, check: &Check) -> Result<Outcome, LabError> {
    let end = Instant::now() + check.wait;
    loop {
        let seen = look(lab, &check.expect)?;
        if seen.ok || Instant::now() >= end {
            return Ok(Outcome {
                ok: seen.ok,
                text: check.says(seen.ok, seen.text),
            });
        }
        interrupt::pause(POLL)?;
    }
}

/// Whether the expectation holds now, and what is seen.
fn look(lab: &Lab, expect: &Expectation) -> Result<Outcome, LabError> {
    match expect {
        Expectation::Root { root, nodes } => {
            let (ok, text) = View::of(lab)?.look_root(root, nodes);
            Ok(Outcome { ok, text })
        }
        Expectation::Port {
            endpoint,
            role,
            state,
            held,
        } => {
            if let Some(outcome) = absent(lab, &endpoint.node) {
                return Ok(outcome);
            }
            let view = View::of(lab)?;
            let Some(port) = view.port(endpoint) else {
                return Err(LabError::Other(format!(
                    "there is no port {endpoint} any more"
                )));
            };
            let role_ok = role.is_none_or(|role| role.to_string() == port.role);
            let state_ok = state.is_none_or(|state| state.to_string() == port.state);
            Ok(Outcome {
                ok: role_ok && state_ok && held.is_none_or(|held| held == port.held),
                text: port.told(endpoint),
            })
        }
        Expectation::Cam {
            switch,
            subject,
            vlan,
            at,
        } => {
            let filter = MacFilter {
                vlan: *vlan,
                mac: Some(mac_of(lab, subject)?),
                interface: None,
            };
            look_cam(lab, switch, filter, at.as_deref())
        }
        // Whoever moves VMs knows; see `vmotion`.
        Expectation::Move(bars) => Ok(Outcome {
            ok: false,
            text: format!("{} has not moved", bars.vm),
        }),
        Expectation::Ping { from, to, lost } => {
            let IpAddr::V4(target) = to.ip else {
                return Err(LabError::Other(format!("{} is no IPv4 address", to.ip)));
            };
            let answer = ping(&lab.namespace(from)?, target, PING_PATIENCE);
            let answer =
                answer.map_err(|source| LabError::io(format!("ping from {from}"), source))?;
            let text = match answer {
                Some(time) => format!(
                    "{} answers {from} after {:.1} ms",
                    to.name,
                    time.as_secs_f64() * 1e3
                ),
                None => format!("{} does not answer {from}", to.name),
            };
            Ok(Outcome {
                ok: answer.is_none() == *lost,
                text,
            })
        }
    }
}

/// What there is to see of a switch that does not run; `None`: it runs.
fn absent(lab: &Lab, switch: &str) -> Option<Outcome> {
    match lab.power(switch) {
        Power::On => None,
        Power::Off => Some(unseen(switch, "off")),
        Power::Frozen => Some(unseen(switch, "frozen")),
    }
}

fn unseen(switch: &str, word: &str) -> Outcome {
    Outcome {
        ok: false,
        text: format!("{switch} is {word}"),
    }
}

fn look_cam(
    lab: &Lab,
    switch: &str,
    filter: MacFilter,
    at: Option<&str>,
) -> Result<Outcome, LabError> {
    match lab.power(switch) {
        Power::On => {}
        Power::Frozen => return Ok(unseen(switch, "frozen")),
        // Its table went with it.
        Power::Off => {
            return Ok(Outcome {
                ok: at.is_none(),
                text: format!("{switch} is off and has no entry"),
            });
        }
    }
    let Reply::MacTable { entries, .. } = lab.ask(switch, &Command::ShowMac(filter))? else {
        return Err(LabError::Other(format!(
            "{switch}: an answer to another question"
        )));
    };
    let ports: Vec<&str> = entries.iter().map(|entry| entry.port.as_str()).collect();
    let ok = match at {
        Some(port) => !ports.is_empty() && ports.iter().all(|&seen| seen == port),
        None => ports.is_empty(),
    };
    let text = match ports.as_slice() {
        [] => format!("{switch} has no entry"),
        ports => format!("{switch} has it at {}", ports.join(", ")),
    };
    Ok(Outcome { ok, text })
}

pub(super) fn mac_of(lab: &Lab, subject: &MacSubject) -> Result<MacAddr, LabError> {
    let found = match subject {
        MacSubject::Address(mac) => Some(*mac),
        MacSubject::Vm(vm) => lab.topology.vm(vm).map(|vm| vm.mac),
        MacSubject::Port(endpoint) => {
            lab.namespace(&endpoint.node)?
                .net()?
                .link(&endpoint.port)?
                .mac
        }
    };
    found.ok_or_else(|| LabError::Other(format!("no address is known of {subject:?}")))
}
