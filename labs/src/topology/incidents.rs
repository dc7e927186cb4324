//! Steps about things that go wrong, or are done to the wires; both backends do them.
//!
//! ```yaml
//! steps:
//!   - link: {silent: "sw1:p1"}             # dead, and carrier stays; `up` heals it
//!   - link: {change: "sw1:p1", loss: 10%}  # what this end sends, against what the file says of the link
//!   - switch: {freeze: sw2}                # hangs; also `down` (off) and `up`
//!   - connect: {endpoints: ["sw1:p9", "sw2:p9"], delay: 1ms}    # a new link between new ports
//!   - send: {from: h1, to: broadcast, count: 3}        # frames; `to` is a host, a VM, or an address
//! ```

use pnet_base::MacAddr;
use switchd::config::{PortSettings, VlanNumber};

use super::conditions::{self, Conditions};
use super::error::{Fault, Position};
use super::fields::{self, Fields};
use super::yaml::{Kind, Value};
use super::{Endpoint, Link, NodeKind, StepKind, SwitchPort, Topology, Wire, links, steps};
use crate::sim::{Impairment, OneWay, Power};

/// Most frames of one `send`.
const COUNT_MAX: u32 = 10_000;
/// Octets of a frame that does not say: the least of Ethernet, without check sequence.
const OCTETS: u16 = 60;
/// The least octets a frame can have: addresses, a tag and an EtherType.
const OCTETS_MIN: u16 = 18;
/// The longest frame the switches carry.
const OCTETS_MAX: u16 = 9_216;

/// Something that happens to a lab.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Incident {
    /// A link dies and does not show it.
    Silence(Endpoint),
    /// What one end of a link sends meets other conditions.
    Change {
        /// The end.
        endpoint: Endpoint,
        /// What happens to the frames it sends.
        impairment: Impairment,
        /// What vanishes whole.
        one_way: OneWay,
    },
    /// A switch is switched off or on, or hangs.
    Switch {
        /// The switch.
        switch: String,
        /// What it is from then on.
        power: Power,
    },
    /// A new link between new ports.
    Connect {
        /// Its ends: ports of switches that do not exist until then.
        endpoints: Vec<Endpoint>,
        /// What it does to frames.
        conditions: Box<Conditions>,
    },
    /// Somebody sends frames.
    Send(Frames),
}

/// Frames to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frames {
    /// The port they leave.
    pub from: Endpoint,
    /// Whom they are for.
    pub to: Recipient,
    /// Their source address; that of the port if absent.
    pub source: Option<MacAddr>,
    /// The VLAN they are tagged with.
    pub vlan: Option<VlanNumber>,
    /// How many.
    pub count: u32,
    /// How long each is, in octets without check sequence.
    pub octets: u16,
}

/// Whom a frame is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recipient {
    /// This address; group addresses and broadcast too.
    Address(MacAddr),
    /// A VM.
    Vm(String),
    /// A host's interface.
    Port(Endpoint),
}

/// `link: {change: sw1:p1, loss: 10%}`.
pub(super) fn change(body: &Value, topology: &Topology) -> Result<Incident, Fault> {
    let keys = [
        &["change"],
        conditions::IMPAIRMENT_KEYS,
        conditions::ONE_WAY_KEYS,
    ]
    .concat();
    let fields = Fields::new(body, "link", &keys)?;
    let endpoint = steps::wired_endpoint(fields.need("change")?, "change", topology)?;
    let conditions = topology
        .link_at(&endpoint)
        .map_or_else(Conditions::default, |(_, link)| link.conditions.clone());
    let flag = |name| fields.read(name, fields::switch);
    Ok(Incident::Change {
        impairment: conditions::impairment(&fields, conditions.impairment)?,
        one_way: OneWay {
            mute: flag("mute")?.unwrap_or(false),
            deaf: flag("deaf")?.unwrap_or(false),
        },
        endpoint,
    })
}

/// `switch: {down: sw1}`.
pub(super) fn switch(body: &Value, topology: &Topology) -> Result<Incident, Fault> {
    const POWERS: &[(&str, Power)] = &[
        ("down", Power::Off),
        ("up", Power::On),
        ("freeze", Power::Frozen),
    ];
    let names: Vec<&str> = POWERS.iter().map(|&(name, _)| name).collect();
    let fields = Fields::new(body, "switch", &names)?;
    let given = |(name, power): &(&'static str, Power)| Some((fields.get(name)?, *power));
    let mut given = POWERS.iter().filter_map(given);
    let (Some((value, power)), None) = (given.next(), given.next()) else {
        let message = "`switch` takes one key, `down`, `up` or `freeze`, with a switch";
        return Err(Fault::new(body.at, message));
    };
    Ok(Incident::Switch {
        switch: steps::switch_name(value, "switch", topology)?,
        power,
    })
}

/// `connect: {endpoints: […], …}`.
pub(super) fn connect(body: &Value, topology: &Topology) -> Result<Incident, Fault> {
    let fields = Fields::new(
        body,
        "connect",
        &[&["endpoints"], conditions::KEYS].concat(),
    )?;
    let ends = fields.need("endpoints")?;
    let mut endpoints: Vec<Endpoint> = Vec::new();
    for value in fields::list(ends, "`endpoints`")? {
        let endpoint = links::endpoint(value, "endpoints")?;
        let Some(switch) = topology.switch(&endpoint.node) else {
            let known = topology.switches().map(|(name, _)| name);
            let message = format!("there is no switch `{}`", endpoint.node);
            return Err(Fault::new(value.at, message).near(&endpoint.node, known));
        };
        let used = switch.port(&endpoint.port).is_some() || endpoints.contains(&endpoint);
        if used {
            let message = format!("{endpoint} exists already: `connect` makes new ports");
            return Err(Fault::new(value.at, message));
        }
        endpoints.push(endpoint);
    }
    links::check_count(ends, endpoints.len())?;
    let conditions = Box::new(conditions::read(&fields, &endpoints)?);
    Ok(Incident::Connect {
        endpoints,
        conditions,
    })
}

impl Topology {
    /// Puts the link of a `connect` step into the lab.
    pub(crate) fn add_link(
        &mut self,
        at: Position,
        endpoints: &[Endpoint],
        conditions: &Conditions,
    ) {
        let index = self.links.len();
        for endpoint in endpoints {
            self.add_port(endpoint, index);
        }
        self.links.push(Link {
            endpoints: endpoints.to_vec(),
            at,
            conditions: conditions.clone(),
        });
    }

    fn add_port(&mut self, endpoint: &Endpoint, link: usize) {
        let node = self
            .nodes
            .iter_mut()
            .find(|node| node.name == endpoint.node);
        if let Some(NodeKind::Switch(switch)) = node.map(|node| &mut node.kind) {
            switch.ports.push(SwitchPort {
                name: endpoint.port.clone(),
                settings: PortSettings::default(),
                wire: Wire::Link(link),
            });
        }
    }

    /// The lab with the links of its `connect` steps, which are numbered on from those of the file. Those that are not
    /// `there` have no ends.
    #[must_use]
    pub fn connected(&self, there: impl Fn(usize) -> bool) -> Self {
        let mut whole = self.clone();
        for step in &self.steps {
            if let StepKind::Incident(Incident::Connect {
                endpoints,
                conditions,
            }) = &step.kind
            {
                let ends = if there(whole.links.len()) {
                    endpoints.as_slice()
                } else {
                    &[]
                };
                whole.add_link(step.at, ends, conditions);
            }
        }
        whole
    }
}

/// `send: {from: h1, to: broadcast}`.
pub(super) fn send(body: &Value, topology: &Topology) -> Result<Incident, Fault> {
    let keys = ["from", "to", "source", "vlan", "count", "octets"];
    let fields = Fields::new(body, "send", &keys)?;
    let count = fields.read("count", |value, key| {
        fields::number(value, key, 1..=COUNT_MAX)
    })?;
    let octets = fields.read("octets", |value, key| {
        fields::number(value, key, OCTETS_MIN..=OCTETS_MAX)
    })?;
    Ok(Incident::Send(Frames {
        from: port(fields.need("from")?, "from", topology)?,
        to: recipient(fields.need("to")?, topology)?,
        source: fields.read("source", fields::mac)?,
        vlan: fields.read("vlan", fields::vlan)?,
        count: count.unwrap_or(1),
        octets: octets.unwrap_or(OCTETS),
    }))
}

/// A host, which stands for its first port, or any port with a link.
fn port(value: &Value, key: &str, topology: &Topology) -> Result<Endpoint, Fault> {
    let written = fields::text(value, key)?;
    if written.contains(':') {
        return steps::wired_endpoint(value, key, topology);
    }
    let name = steps::host_name(value, key, topology)?;
    let first = topology.host(&name).and_then(|host| host.ports.first());
    match first {
        Some(port) => Ok(Endpoint {
            node: name,
            port: port.name.clone(),
        }),
        None => Err(Fault::new(
            value.at,
            format!("the host `{name}` has no port"),
        )),
    }
}

fn recipient(value: &Value, topology: &Topology) -> Result<Recipient, Fault> {
    let written = fields::text(value, "to")?;
    if written == "broadcast" {
        return Ok(Recipient::Address(MacAddr::broadcast()));
    }
    match topology.node(written).map(|node| &node.kind) {
        Some(NodeKind::Vm(_)) => return Ok(Recipient::Vm(written.to_owned())),
        Some(NodeKind::Host(_)) => return Ok(Recipient::Port(port(value, "to", topology)?)),
        Some(NodeKind::Switch(_)) | None => {}
    }
    if matches!(value.kind, Kind::Scalar(_))
        && let Ok(address) = written.parse()
    {
        return Ok(Recipient::Address(address));
    }
    let hosts = topology.hosts().map(|(name, _)| name);
    let vms = topology.vms().map(|(name, _)| name);
    let message =
        format!("`to`: expected a host, a VM, broadcast or a MAC address, found `{written}`");
    Err(Fault::new(value.at, message).near(written, hosts.chain(vms)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::Step;

    const NODES: &str = "name: t
topology:
  nodes: {a: {kind: switch}, b: {kind: switch}, h: {kind: host}}
  links:
    - endpoints: [\"a:p1\", \"b:p1\"]
      delay: 1ms
    - endpoints: [\"a:h\", \"h:eth0\"]
steps:
";

    fn steps(text: &str) -> Result<Vec<Incident>, String> {
        let topology = Topology::parse("t.yml", &format!("{NODES}{text}"));
        let topology = topology.map_err(|error| error.to_string())?;
        let incident = |step: Step| {
            let StepKind::Incident(incident) = step.kind else {
                panic!("{step:?}");
            };
            incident
        };
        Ok(topology.steps.into_iter().map(incident).collect())
    }

    fn end(text: &str) -> Endpoint {
        let (node, port) = text.split_once(':').unwrap();
        Endpoint {
            node: node.to_owned(),
            port: port.to_owned(),
        }
    }

    #[test]
    fn every_incident_is_read() {
        let read = steps(
            "  - link: {silent: \"a:p1\"}
  - link: {change: \"a:p1\", loss: 10%, deaf: on}
  - switch: {freeze: b}
  - connect: {endpoints: [\"a:p9\", \"b:p9\"], delay: 2ms}
  - send: {from: h, to: broadcast, count: 3}
  - send: {from: \"b:p1\", to: h, vlan: 10}
",
        )
        .unwrap();
        assert_eq!(read[0], Incident::Silence(end("a:p1")));
        let Incident::Change {
            impairment,
            one_way,
            ..
        } = &read[1]
        else {
            panic!("{:?}", read[1]);
        };
        assert_eq!(impairment.delay, core::time::Duration::from_millis(1));
        assert_eq!(impairment.loss, crate::sim::Probability::percent(10));
        assert!(one_way.deaf && !one_way.mute);
        let frozen = Incident::Switch {
            switch: "b".to_owned(),
            power: Power::Frozen,
        };
        assert_eq!(read[2], frozen);
        assert!(matches!(&read[3], Incident::Connect { endpoints, .. } if endpoints.len() == 2));
        let Incident::Send(frames) = &read[4] else {
            panic!("{:?}", read[4]);
        };
        assert_eq!((&frames.from, frames.count), (&end("h:eth0"), 3));
        assert_eq!(frames.to, Recipient::Address(MacAddr::broadcast()));
        let Incident::Send(frames) = &read[5] else {
            panic!("{:?}", read[5]);
        };
        assert_eq!(frames.to, Recipient::Port(end("h:eth0")));
    }

    #[test]
    fn a_connected_link_is_part_of_the_lab_from_its_step_on() {
        let steps = "  - connect: {endpoints: [\"a:p9\", \"b:p9\"]}\n  - connect: {endpoints: [\"a:p8\", \"b:p8\"]}\n";
        let topology = Topology::parse("t.yml", &format!("{NODES}{steps}")).unwrap();
        let links = |topology: &Topology| topology.links.len();
        assert_eq!(links(&topology), 2);
        let whole = topology.connected(|_| true);
        assert_eq!(links(&whole), 4);
        assert_eq!(whole.link_at(&end("b:p8")).unwrap().0, 3);
        assert_eq!(whole.switch("a").unwrap().ports.len(), 4);
        let second = topology.connected(|link| link == 3);
        assert_eq!(second.link_at(&end("b:p8")).unwrap().0, 3);
        assert!(second.switch("a").unwrap().port("p9").is_none());
    }

    #[test]
    fn what_is_not_there_is_refused_with_its_place() {
        for (step, expected) in [
            (
                "  - link: {silent: \"a:p2\"}\n",
                "t.yml:9:20: no link ends at a:p2; did you mean `a:p1`?",
            ),
            (
                "  - switch: {freeze: c}\n",
                "t.yml:9:22: there is no switch `c`; did you mean `a`?",
            ),
            (
                "  - switch: {freze: a}\n",
                "t.yml:9:14: switch: unknown key `freze`; did you mean `freeze`?",
            ),
            (
                "  - connect: {endpoints: [\"a:p1\", \"b:p9\"]}\n",
                "t.yml:9:27: a:p1 exists already: `connect` makes new ports",
            ),
            (
                "  - connect: {endpoints: [\"a:p9\"]}\n",
                "t.yml:9:26: a link has 2 to 64 endpoints, this one 1",
            ),
            (
                "  - send: {from: h, to: nobody}\n",
                "t.yml:9:25: `to`: expected a host, a VM, broadcast or a MAC address, found `nobody`",
            ),
            (
                "  - send: {from: h, to: broadcast, count: 0}\n",
                "t.yml:9:43: `count`: expected a whole number 1 to 10000, found `0`",
            ),
        ] {
            assert_eq!(steps(step).unwrap_err(), expected);
        }
    }
}
