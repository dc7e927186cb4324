//! `steps`: what a run does once the lab is up.
//!
//! A step is a mapping of one key. The keys are [`KEYS`]; `labs --help` and docs list them:
//!
//! ```yaml
//! steps:
//!   - wait: 5s
//!   - wait: {converged: 60s}              # until no port listens or learns; at most this long
//!   - link: {down: "core1:p1"}            # carrier goes at both ends; `up` brings it back
//!   - switch: {freeze: core2}             # and other incidents: see `incidents`
//!   - set: {switch: core1, priority: 4096}
//!   - set: {port: "acc1:p2", cost: 100}
//!   - migrate: {vm: vm1, to: esx2}    # `force: on`, `felt: on`
//!   - check: {root: core1, nodes: [acc1, acc2], wait: 20s, pass: …, fail: …}
//!   - check: {port: "acc1:p2", role: alternate, state: blocking}
//!   - check: {mac: vm1, switch: core1, at: p3}          # the CAM entry; `at: none`: there is none
//!   - check: {ping: {from: client, to: vm1}}            # `lost: on`: must not get through
//!   - check: {move: vm1, silence: {under: 60ms}}        # what the last move of vm1 cost
//! ```
//!
//! `wait`, `pass`, `fail` and `nodes` mean what they do in netlab's `validate`: how long a check may take to come
//! true, what to say then, what to say otherwise, and where it is looked at.

use core::fmt;
use core::time::Duration;
use std::collections::BTreeMap;

use switchd::config::{PortSettings, StpConfig};

use super::error::{Fault, Position};
use super::expect::{self, Check};
use super::fields::{self, Fields};
use super::incidents::{self, Incident};
use super::yaml::{Key, Kind, Value};
use super::{Endpoint, Switch, Topology, links, nodes, port};

/// All steps there are.
const KEYS: &[&str] = &[
    "wait", "link", "switch", "connect", "set", "send", "migrate", "check",
];
/// Settings of a switch that can change while it runs.
const SWITCH_SETTINGS: &[&str] = &[
    "priority",
    "hello",
    "max-age",
    "forward-delay",
    "ageing",
    "stp",
    "protocol",
    "region",
    "priorities",
    "vlans",
    "hold-count",
    "max-hops",
    "guard-recovery",
    "epochs",
];

/// A step and its place in the file.
#[derive(Debug, Clone)]
pub struct Step {
    /// Where it stands.
    pub at: Position,
    /// What to do.
    pub kind: StepKind,
}

/// What a step does.
#[derive(Debug, Clone)]
pub enum StepKind {
    /// Lets time pass.
    Wait(Duration),
    /// Waits until every spanning tree port is blocking, forwarding or disabled, at most this long.
    WaitConverged(Duration),
    /// Takes the carrier of a link away, or gives it back.
    Link {
        /// A port the link ends at. Of a shared segment only this end is unplugged.
        endpoint: Endpoint,
        /// What happens to it.
        change: LinkChange,
    },
    /// Changes a live setting of a switch or of one of its ports.
    Set(Setting),
    /// Moves a VM to another host.
    Migrate {
        /// The VM.
        vm: String,
        /// The host it goes to.
        to: String,
        /// Even if a VLAN does not reach that host.
        force: bool,
        /// That its users feel it is no failure: the lab shows how much.
        felt: bool,
    },
    /// Looks whether something holds.
    Check(Check),
    /// Something goes wrong, or is done to the wires.
    Incident(Incident),
}

/// What happens to a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkChange {
    /// Carrier goes, at both ends.
    Down,
    /// Carrier returns.
    Up,
}

/// A live change of settings: only those that are `Some` change.
#[derive(Debug, Clone)]
pub enum Setting {
    /// Of a switch.
    Switch {
        /// The switch.
        switch: String,
        /// Its new settings.
        settings: Box<Switch>,
        /// They as the file has them: `priority 4096, hello 1`.
        words: String,
    },
    /// Of a port.
    Port {
        /// The port.
        endpoint: Endpoint,
        /// Its new settings.
        settings: Box<PortSettings>,
        /// They as the file has them: `trunk 10,20, native 10`.
        words: String,
    },
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Switch { switch, words, .. } => write!(f, "set {switch}: {words}"),
            Self::Port {
                endpoint, words, ..
            } => write!(f, "set {endpoint}: {words}"),
        }
    }
}

pub(super) fn read(value: Option<&Value>, topology: &Topology) -> Result<Vec<Step>, Fault> {
    let Some(value) = value else {
        return Ok(Vec::new());
    };
    let mut steps: Vec<Step> = Vec::new();
    // The lab as it is when a step's turn comes: `connect` adds to it.
    let mut known = topology.clone();
    for step in fields::list(value, "steps")? {
        let step = read_step(step, &known)?;
        if let StepKind::Incident(Incident::Connect {
            endpoints,
            conditions,
        }) = &step.kind
        {
            known.add_link(step.at, endpoints, conditions);
        }
        steps.push(step);
    }
    check_settings(&steps, topology)?;
    Ok(steps)
}

/// Settings change one after the other: what a `set` leads to must be legal with all that was set before.
fn check_settings(steps: &[Step], topology: &Topology) -> Result<(), Fault> {
    let mut live: BTreeMap<&str, StpConfig> = BTreeMap::new();
    for step in steps {
        let StepKind::Set(Setting::Switch {
            switch, settings, ..
        }) = &step.kind
        else {
            continue;
        };
        let wrong = |error| Fault::new(step.at, format!("{switch}: {error}"));
        let before = match (live.get(switch.as_str()), topology.switch(switch)) {
            (Some(before), _) => before.clone(),
            (None, Some(file)) => StpConfig::default().with(&file.stp).map_err(wrong)?,
            (None, None) => StpConfig::default(),
        };
        let after = before.with(&settings.stp).map_err(wrong)?;
        live.insert(switch, after);
    }
    Ok(())
}

fn read_step(value: &Value, topology: &Topology) -> Result<Step, Fault> {
    let entries = fields::map(value, "a step")?;
    let [(key, body)] = entries else {
        let message = format!("a step has one key: {}", fields::one_of(KEYS));
        return Err(Fault::new(
            entries.get(1).map_or(value.at, |(key, _)| key.at),
            message,
        ));
    };
    fields::check_key(key, "a step", KEYS)?;
    let kind = match key.text.as_str() {
        "wait" => wait(body)?,
        "link" => link(body, topology)?,
        "set" => StepKind::Set(set(key, body, topology)?),
        "migrate" => migrate(body, topology)?,
        "switch" => StepKind::Incident(incidents::switch(body, topology)?),
        "connect" => StepKind::Incident(incidents::connect(body, topology)?),
        "send" => StepKind::Incident(incidents::send(body, topology)?),
        _ => StepKind::Check(expect::check(key, body, topology)?),
    };
    Ok(Step { at: value.at, kind })
}

fn wait(body: &Value) -> Result<StepKind, Fault> {
    if !matches!(body.kind, Kind::Map(_)) {
        return Ok(StepKind::Wait(fields::duration(body, "wait")?));
    }
    let body = Fields::new(body, "wait", &["converged"])?;
    Ok(StepKind::WaitConverged(fields::duration(
        body.need("converged")?,
        "converged",
    )?))
}

fn link(body: &Value, topology: &Topology) -> Result<StepKind, Fault> {
    let entries = fields::map(body, "link")?;
    if entries.iter().any(|(key, _)| key.text == "change") {
        return Ok(StepKind::Incident(incidents::change(body, topology)?));
    }
    let fields = Fields::new(body, "link", &["down", "up", "silent", "change"])?;
    match (fields.get("down"), fields.get("up"), fields.get("silent")) {
        (Some(value), None, None) => Ok(StepKind::Link {
            endpoint: wired_endpoint(value, "link", topology)?,
            change: LinkChange::Down,
        }),
        (None, Some(value), None) => Ok(StepKind::Link {
            endpoint: wired_endpoint(value, "link", topology)?,
            change: LinkChange::Up,
        }),
        (None, None, Some(value)) => {
            let endpoint = wired_endpoint(value, "link", topology)?;
            Ok(StepKind::Incident(Incident::Silence(endpoint)))
        }
        _ => Err(Fault::new(
            body.at,
            "`link` takes one key, `down`, `up`, `silent` or `change`, with a port such as sw1:p1",
        )),
    }
}

fn set(key: &Key, body: &Value, topology: &Topology) -> Result<Setting, Fault> {
    let entries = fields::map(body, "set")?;
    let subject = entries
        .iter()
        .find(|(key, _)| key.text == "switch" || key.text == "port");
    let Some((subject, value)) = subject else {
        return Err(Fault::new(
            key.at,
            "`set` says what it changes: `switch: sw1` or `port: sw1:p1`",
        ));
    };
    if entries.len() == 1 {
        return Err(Fault::new(
            key.at,
            "`set` changes nothing: no setting is given",
        ));
    }
    let settings = entries.iter().filter(|(key, _)| key.text != subject.text);
    let words: Vec<String> = settings
        .map(|(key, value)| format!("{} {}", key.text, value.words()))
        .collect();
    let words = words.join(", ");
    if subject.text == "switch" {
        let fields = Fields::new(body, "set", &[&["switch"], SWITCH_SETTINGS].concat())?;
        let switch = switch_name(value, "switch", topology)?;
        let settings = Box::new(nodes::switch_settings(&fields)?);
        return Ok(Setting::Switch {
            switch,
            settings,
            words,
        });
    }
    let settings: Vec<&str> = port::KEYS
        .iter()
        .copied()
        .filter(|key| !matches!(*key, "number" | "mac"))
        .collect();
    let fields = Fields::new(body, "set", &[&["port"], settings.as_slice()].concat())?;
    let endpoint = switch_endpoint(value, "port", topology)?;
    let settings = Box::new(port::read(&fields)?);
    Ok(Setting::Port {
        endpoint,
        settings,
        words,
    })
}

fn migrate(body: &Value, topology: &Topology) -> Result<StepKind, Fault> {
    let fields = Fields::new(body, "migrate", &["vm", "to", "force", "felt"])?;
    let vm = fields.need("vm")?;
    let name = fields::text(vm, "vm")?;
    if topology.vm(name).is_none() {
        let known = topology.vms().map(|(name, _)| name);
        return Err(Fault::new(vm.at, format!("there is no VM `{name}`")).near(name, known));
    }
    let to = fields.need("to")?;
    let host = host_name(to, "to", topology)?;
    if topology
        .host(&host)
        .is_some_and(|host| host.vswitch.is_none())
    {
        let message = format!("the host `{host}` has no vSwitch to plug a VM into");
        return Err(Fault::new(to.at, message));
    }
    Ok(StepKind::Migrate {
        vm: name.to_owned(),
        to: host,
        force: fields.read("force", fields::switch)?.unwrap_or(false),
        felt: fields.read("felt", fields::switch)?.unwrap_or(false),
    })
}

pub(super) fn switch_name(value: &Value, key: &str, topology: &Topology) -> Result<String, Fault> {
    let name = fields::text(value, key)?;
    if topology.switch(name).is_none() {
        let known = topology.switches().map(|(name, _)| name);
        return Err(Fault::new(value.at, format!("there is no switch `{name}`")).near(name, known));
    }
    Ok(name.to_owned())
}

pub(super) fn host_name(value: &Value, key: &str, topology: &Topology) -> Result<String, Fault> {
    let name = fields::text(value, key)?;
    if topology.host(name).is_none() {
        let known = topology.hosts().map(|(name, _)| name);
        return Err(Fault::new(value.at, format!("there is no host `{name}`")).near(name, known));
    }
    Ok(name.to_owned())
}

/// A port that some link ends at.
pub(super) fn wired_endpoint(
    value: &Value,
    key: &str,
    topology: &Topology,
) -> Result<Endpoint, Fault> {
    let endpoint = links::endpoint(value, key)?;
    if topology.node(&endpoint.node).is_none() {
        let known = topology.nodes.iter().map(|node| node.name.as_str());
        return Err(links::unknown_node(value.at, &endpoint.node, known));
    }
    if topology.link_at(&endpoint).is_none() {
        let ends = topology.links.iter().flat_map(|link| &link.endpoints);
        let known: Vec<String> = ends
            .filter(|end| end.node == endpoint.node)
            .map(Endpoint::to_string)
            .collect();
        let fault = Fault::new(value.at, format!("no link ends at {endpoint}"));
        return Err(fault.near(&endpoint.to_string(), known.iter().map(String::as_str)));
    }
    Ok(endpoint)
}

/// A port of a switch, wired to a link or to a VM.
pub(super) fn switch_endpoint(
    value: &Value,
    key: &str,
    topology: &Topology,
) -> Result<Endpoint, Fault> {
    let endpoint = links::endpoint(value, key)?;
    let Some(switch) = topology.switch(&endpoint.node) else {
        let known = topology.switches().map(|(name, _)| name);
        return Err(
            Fault::new(value.at, format!("there is no switch `{}`", endpoint.node))
                .near(&endpoint.node, known),
        );
    };
    if switch.port(&endpoint.port).is_none() {
        let fault = Fault::new(
            value.at,
            format!("`{}` has no port `{}`", endpoint.node, endpoint.port),
        );
        return Err(fault.near(
            &endpoint.port,
            switch.ports.iter().map(|port| port.name.as_str()),
        ));
    }
    Ok(endpoint)
}
