//! `steps`: what a run does once the lab is up.
//!
//! A step is a mapping of one key. The keys are [`KEYS`]; `labs --help` and docs list them:
//!
//! ```yaml
//! steps:
//!   - wait: 5s
//!   - wait: {converged: 60s}              # until no port listens or learns; at most this long
//!   - link: {down: "core1:p1"}            # carrier goes at both ends; `up` brings it back
//!   - set: {switch: core1, priority: 4096}
//!   - set: {port: "acc1:p2", cost: 100}
//!   - migrate: {vm: vm1, to: esx2}
//!   - check: {root: core1, nodes: [acc1, acc2], wait: 20s, pass: …, fail: …}
//!   - check: {port: "acc1:p2", role: alternate, state: blocking}
//!   - check: {mac: vm1, switch: core1, at: p3}          # the CAM entry; `at: none`: there is none
//!   - check: {ping: {from: client, to: vm1}}            # `lost: on`: must not get through
//! ```
//!
//! `wait`, `pass`, `fail` and `nodes` mean what they do in netlab's `validate`: how long a check may take to come
//! true, what to say then, what to say otherwise, and where it is looked at.

use core::net::IpAddr;
use core::time::Duration;

use pnet_base::MacAddr;
use stp::{PortRole, PortState};
use switchd::config::{PortSettings, VlanNumber};

use super::error::{Fault, Position};
use super::fields::{self, Fields};
use super::yaml::{Key, Kind, Value};
use super::{Endpoint, NodeKind, Switch, Topology, links, nodes, port};

/// All steps there are.
const KEYS: &[&str] = &["wait", "link", "set", "migrate", "check"];
/// Settings of a switch that can change while it runs.
const SWITCH_SETTINGS: &[&str] = &[
    "priority",
    "hello",
    "max-age",
    "forward-delay",
    "ageing",
    "stp",
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
    },
    /// Looks whether something holds.
    Check(Check),
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
    },
    /// Of a port.
    Port {
        /// The port.
        endpoint: Endpoint,
        /// Its new settings.
        settings: PortSettings,
    },
}

/// Something that must hold, now or within a while.
#[derive(Debug, Clone)]
pub struct Check {
    /// What.
    pub expect: Expectation,
    /// How long it may take to come true; zero: it must hold at once.
    pub wait: Duration,
    /// What to say when it holds.
    pub pass: Option<String>,
    /// What to say when it does not.
    pub fail: Option<String>,
}

/// What a check expects.
#[derive(Debug, Clone)]
pub enum Expectation {
    /// All of `nodes` take `root` for the root of the spanning tree.
    Root {
        /// The switch that shall be root.
        root: String,
        /// The switches that are asked.
        nodes: Vec<String>,
    },
    /// A port has this role and this state (`None`: any).
    Port {
        /// The port.
        endpoint: Endpoint,
        /// Its role.
        role: Option<PortRole>,
        /// Its state.
        state: Option<PortState>,
    },
    /// The filtering database of `switch` has `subject` at port `at` (`None`: nowhere).
    Cam {
        /// The switch.
        switch: String,
        /// Whose address.
        subject: MacSubject,
        /// In this VLAN, or in any.
        vlan: Option<VlanNumber>,
        /// The port.
        at: Option<String>,
    },
    /// A ping from a host comes back, or (`lost`) does not.
    Ping {
        /// The host that asks.
        from: String,
        /// Who shall answer.
        to: PingTarget,
        /// Whether it must stay without answer.
        lost: bool,
    },
}

/// Whose MAC address is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MacSubject {
    /// This address.
    Address(MacAddr),
    /// That of a VM.
    Vm(String),
    /// That of a host's interface.
    Port(Endpoint),
}

/// Who is pinged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PingTarget {
    /// As written, for messages.
    pub name: String,
    /// The address.
    pub ip: IpAddr,
}

pub(super) fn read(value: Option<&Value>, topology: &Topology) -> Result<Vec<Step>, Fault> {
    let Some(value) = value else {
        return Ok(Vec::new());
    };
    fields::list(value, "steps")?
        .into_iter()
        .map(|step| read_step(step, topology))
        .collect()
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
        _ => StepKind::Check(check(key, body, topology)?),
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
    let fields = Fields::new(body, "link", &["down", "up"])?;
    let (change, value) = match (fields.get("down"), fields.get("up")) {
        (Some(value), None) => (LinkChange::Down, value),
        (None, Some(value)) => (LinkChange::Up, value),
        (None, None) | (Some(_), Some(_)) => {
            return Err(Fault::new(
                body.at,
                "`link` takes one key, `down` or `up`, with a port such as sw1:p1",
            ));
        }
    };
    let endpoint = wired_endpoint(value, "link", topology)?;
    Ok(StepKind::Link { endpoint, change })
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
    if subject.text == "switch" {
        let fields = Fields::new(body, "set", &[&["switch"], SWITCH_SETTINGS].concat())?;
        let switch = switch_name(value, "switch", topology)?;
        let settings = Box::new(nodes::switch_settings(&fields)?);
        return Ok(Setting::Switch { switch, settings });
    }
    let settings: Vec<&str> = port::KEYS
        .iter()
        .copied()
        .filter(|key| !matches!(*key, "number" | "mac"))
        .collect();
    let fields = Fields::new(body, "set", &[&["port"], settings.as_slice()].concat())?;
    let endpoint = switch_endpoint(value, "port", topology)?;
    let settings = port::read(&fields)?;
    Ok(Setting::Port { endpoint, settings })
}

fn migrate(body: &Value, topology: &Topology) -> Result<StepKind, Fault> {
    let fields = Fields::new(body, "migrate", &["vm", "to"])?;
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
    })
}

fn check(key: &Key, body: &Value, topology: &Topology) -> Result<Check, Fault> {
    const SUBJECTS: &[(&str, &[&str])] = &[
        ("root", &["nodes"]),
        ("port", &["role", "state"]),
        ("mac", &["switch", "vlan", "at"]),
        ("ping", &[]),
    ];
    const COMMON: &[&str] = &["wait", "pass", "fail"];
    let subjects: Vec<&str> = SUBJECTS.iter().map(|&(subject, _)| subject).collect();
    let entries = fields::map(body, "check")?;
    let Some((_, own)) = SUBJECTS
        .iter()
        .find(|(subject, _)| entries.iter().any(|(key, _)| key.text == *subject))
    else {
        let every: Vec<&str> = SUBJECTS
            .iter()
            .flat_map(|(subject, own)| [&[*subject], *own].concat())
            .chain(COMMON.iter().copied())
            .collect();
        for (key, _) in entries {
            fields::check_key(key, "check", &every)?;
        }
        let message = format!(
            "`check` says what it looks at: {}",
            fields::one_of(&subjects)
        );
        return Err(Fault::new(key.at, message));
    };
    let subject = entries
        .iter()
        .find(|(key, _)| subjects.contains(&key.text.as_str()))
        .map_or("", |(key, _)| key.text.as_str());
    let own = SUBJECTS
        .iter()
        .find(|(name, _)| *name == subject)
        .map_or(*own, |(_, own)| *own);
    let fields = Fields::new(
        body,
        format!("check of {subject}"),
        &[&[subject], own, COMMON].concat(),
    )?;
    let expect = match subject {
        "root" => root(&fields, topology)?,
        "port" => port_check(&fields, topology)?,
        "mac" => cam(&fields, topology)?,
        _ => ping(&fields, topology)?,
    };
    Ok(Check {
        expect,
        wait: fields.read("wait", fields::duration)?.unwrap_or_default(),
        pass: fields.read("pass", fields::string)?,
        fail: fields.read("fail", fields::string)?,
    })
}

fn root(fields: &Fields<'_>, topology: &Topology) -> Result<Expectation, Fault> {
    let root = stp_switch(fields.need("root")?, "root", topology)?;
    let nodes = match fields.get("nodes") {
        Some(value) => {
            let names = fields::list(value, "`nodes`")?;
            names
                .into_iter()
                .map(|value| stp_switch(value, "nodes", topology))
                .collect::<Result<_, _>>()?
        }
        None => {
            let running = topology.switches().filter(|(_, switch)| switch.runs_stp());
            running.map(|(name, _)| name.to_owned()).collect()
        }
    };
    Ok(Expectation::Root { root, nodes })
}

fn port_check(fields: &Fields<'_>, topology: &Topology) -> Result<Expectation, Fault> {
    const ROLES: &[(&str, PortRole)] = &[
        ("root", PortRole::Root),
        ("designated", PortRole::Designated),
        ("alternate", PortRole::Alternate),
        ("backup", PortRole::Backup),
        ("disabled", PortRole::Disabled),
    ];
    const STATES: &[(&str, PortState)] = &[
        ("blocking", PortState::Blocking),
        ("listening", PortState::Listening),
        ("learning", PortState::Learning),
        ("forwarding", PortState::Forwarding),
        ("disabled", PortState::Disabled),
    ];
    let value = fields.need("port")?;
    let endpoint = switch_endpoint(value, "port", topology)?;
    let role = fields.read("role", |value, key| fields::word(value, key, ROLES))?;
    let state = fields.read("state", |value, key| fields::word(value, key, STATES))?;
    if role.is_none() && state.is_none() {
        return Err(Fault::new(
            fields.at,
            "a check of a port expects a `role`, a `state` or both",
        ));
    }
    Ok(Expectation::Port {
        endpoint,
        role,
        state,
    })
}

fn cam(fields: &Fields<'_>, topology: &Topology) -> Result<Expectation, Fault> {
    let subject = mac_subject(fields.need("mac")?, topology)?;
    let switch = switch_name(fields.need("switch")?, "switch", topology)?;
    let value = fields.need("at")?;
    let port = fields::text(value, "at")?;
    let ports = &topology
        .switch(&switch)
        .map_or(&[][..], |switch| &switch.ports);
    if port != "none" && !ports.iter().any(|known| known.name == port) {
        let fault = Fault::new(value.at, format!("`{switch}` has no port `{port}`"));
        return Err(fault.near(port, ports.iter().map(|port| port.name.as_str())));
    }
    Ok(Expectation::Cam {
        switch,
        subject,
        vlan: fields.read("vlan", fields::vlan)?,
        at: Some(port.to_owned()).filter(|port| port != "none"),
    })
}

fn mac_subject(value: &Value, topology: &Topology) -> Result<MacSubject, Fault> {
    let written = fields::text(value, "mac")?;
    if topology.vm(written).is_some() {
        return Ok(MacSubject::Vm(written.to_owned()));
    }
    match written.split_once(':') {
        Some((node, _)) if topology.host(node).is_some() => {
            Ok(MacSubject::Port(wired_endpoint(value, "mac", topology)?))
        }
        Some(_) | None => {
            let fault = |_| {
                let message = format!(
                    "`mac`: expected a VM, a host's port such as h1:eth0 or a MAC address, found `{written}`"
                );
                let hosts = topology.vms().map(|(name, _)| name);
                Fault::new(value.at, message).near(written, hosts)
            };
            fields::mac(value, "mac")
                .map(MacSubject::Address)
                .map_err(fault)
        }
    }
}

fn ping(fields: &Fields<'_>, topology: &Topology) -> Result<Expectation, Fault> {
    let ping = Fields::new(fields.need("ping")?, "ping", &["from", "to", "lost"])?;
    let from = host_name(ping.need("from")?, "from", topology)?;
    let value = ping.need("to")?;
    let name = fields::text(value, "to")?;
    let ip = match (name.parse(), topology.node(name).map(|node| &node.kind)) {
        (Ok(ip), _) => ip,
        (_, Some(NodeKind::Vm(vm))) => vm.ip.ip,
        (_, Some(NodeKind::Host(host))) => {
            let first = host.ports.iter().find_map(|port| port.addresses.first());
            first
                .ok_or_else(|| {
                    Fault::new(
                        value.at,
                        format!("the host `{name}` has no address to ping"),
                    )
                })?
                .ip
        }
        (_, Some(NodeKind::Switch(_))) => {
            return Err(Fault::new(
                value.at,
                format!("`{name}` is a switch: it has no address to ping"),
            ));
        }
        (_, None) => {
            let known = topology
                .hosts()
                .map(|(name, _)| name)
                .chain(topology.vms().map(|(name, _)| name));
            return Err(Fault::new(
                value.at,
                format!("there is no host, VM or address `{name}`"),
            )
            .near(name, known));
        }
    };
    if ip.is_ipv6() {
        let message = format!("`{name}` is {ip}: a ping check needs an IPv4 address");
        return Err(Fault::new(value.at, message));
    }
    Ok(Expectation::Ping {
        from,
        to: PingTarget {
            name: name.to_owned(),
            ip,
        },
        lost: ping.read("lost", fields::switch)?.unwrap_or(false),
    })
}

fn switch_name(value: &Value, key: &str, topology: &Topology) -> Result<String, Fault> {
    let name = fields::text(value, key)?;
    if topology.switch(name).is_none() {
        let known = topology.switches().map(|(name, _)| name);
        return Err(Fault::new(value.at, format!("there is no switch `{name}`")).near(name, known));
    }
    Ok(name.to_owned())
}

fn stp_switch(value: &Value, key: &str, topology: &Topology) -> Result<String, Fault> {
    let name = switch_name(value, key, topology)?;
    if topology
        .switch(&name)
        .is_some_and(|switch| !switch.runs_stp())
    {
        return Err(Fault::new(
            value.at,
            format!("the switch `{name}` runs no spanning tree"),
        ));
    }
    Ok(name)
}

fn host_name(value: &Value, key: &str, topology: &Topology) -> Result<String, Fault> {
    let name = fields::text(value, key)?;
    if topology.host(name).is_none() {
        let known = topology.hosts().map(|(name, _)| name);
        return Err(Fault::new(value.at, format!("there is no host `{name}`")).near(name, known));
    }
    Ok(name.to_owned())
}

/// A port that some link ends at.
fn wired_endpoint(value: &Value, key: &str, topology: &Topology) -> Result<Endpoint, Fault> {
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
fn switch_endpoint(value: &Value, key: &str, topology: &Topology) -> Result<Endpoint, Fault> {
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
