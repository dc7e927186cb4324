//! Checks: what a step may expect, in the vocabulary of netlab's `validate`.

use core::net::IpAddr;
use core::time::Duration;

use pnet_base::MacAddr;
use stp::{PortRole, PortState};
use switchd::config::VlanNumber;

use super::bars::{self, Bars};
use super::error::Fault;
use super::fields::{self, Fields};
use super::steps::{host_name, switch_endpoint, switch_name, wired_endpoint};
use super::yaml::{Key, Value};
use super::{Endpoint, NodeKind, Topology};

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

impl Check {
    /// Its own words for what was seen.
    pub(crate) fn says(&self, ok: bool, seen: String) -> String {
        match (ok, &self.pass, &self.fail) {
            (true, Some(pass), _) => pass.clone(),
            (false, _, Some(fail)) => format!("{fail} ({seen})"),
            (true, None, _) | (false, _, None) => seen,
        }
    }
}

/// What a check expects.
#[derive(Debug, Clone)]
pub enum Expectation {
    /// All of `nodes` take `root` for the root of the spanning tree.
    Root {
        /// The switch that shall be root.
        root: String,
        /// The switches that are asked; none: all with a spanning tree that run then.
        nodes: Vec<String>,
    },
    /// A port has this role and this state, and is held by this guard (`None`: any).
    Port {
        /// The port.
        endpoint: Endpoint,
        /// Its role.
        role: Option<PortRole>,
        /// Its state.
        state: Option<PortState>,
        /// What holds it, in the switch's words; empty: nothing does.
        held: Option<&'static str>,
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
    /// What the last move of a VM cost.
    Move(Bars),
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

pub(super) fn check(key: &Key, body: &Value, topology: &Topology) -> Result<Check, Fault> {
    const SUBJECTS: &[(&str, &[&str])] = &[
        ("root", &["nodes"]),
        ("port", &["role", "state", "held"]),
        ("mac", &["switch", "vlan", "at"]),
        ("ping", &[]),
        ("move", bars::KEYS),
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
        "move" => Expectation::Move(bars::read(&fields, topology)?),
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
        None => Vec::new(),
    };
    Ok(Expectation::Root { root, nodes })
}

fn port_check(fields: &Fields<'_>, topology: &Topology) -> Result<Expectation, Fault> {
    const ROLES: &[(&str, PortRole)] = &[
        ("root", PortRole::Root),
        ("designated", PortRole::Designated),
        ("alternate", PortRole::Alternate),
        ("backup", PortRole::Backup),
        ("master", PortRole::Master),
        ("disabled", PortRole::Disabled),
    ];
    const STATES: &[(&str, PortState)] = &[
        ("blocking", PortState::Blocking),
        ("listening", PortState::Listening),
        ("learning", PortState::Learning),
        ("forwarding", PortState::Forwarding),
        ("disabled", PortState::Disabled),
    ];
    /// In a lab file, and in the answers of a switch.
    const HELD: &[(&str, &str)] = &[
        ("nothing", ""),
        ("root-guard", "root-inconsistent"),
        ("loop-guard", "loop-inconsistent"),
        ("bridge-assurance", "bridge-assurance-inconsistent"),
        ("bpdu-guard", "bpdu-guard"),
        ("pvid", "pvid-inconsistent"),
        ("type", "type-inconsistent"),
        ("storm-control", "storm"),
        ("loop-detection", "loop"),
    ];
    let value = fields.need("port")?;
    let endpoint = switch_endpoint(value, "port", topology)?;
    let role = fields.read("role", |value, key| fields::word(value, key, ROLES))?;
    let state = fields.read("state", |value, key| fields::word(value, key, STATES))?;
    let held = fields.read("held", |value, key| fields::word(value, key, HELD))?;
    if role.is_none() && state.is_none() && held.is_none() {
        return Err(Fault::new(
            fields.at,
            "a check of a port expects a `role`, a `state` or what it is `held` by",
        ));
    }
    Ok(Expectation::Port {
        endpoint,
        role,
        state,
        held,
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
