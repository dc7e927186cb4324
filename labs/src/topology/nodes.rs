//! `topology.nodes`, with what `defaults` and `kinds` supply.

use core::net::IpAddr;

use switchd::TreeProtocol;
use switchd::config::{InstanceMap, PortSettings, StpSettings, TreePriorities};

use super::error::{Fault, Position};
use super::fields::{self, Fields};
use super::port;
use super::yaml::{Key, Value};
use super::{Address, NODE_NAME_MAX, PORT_NAME_MAX, Switch, Vm, VmMachine};

const SWITCH_KEYS: &[&str] = &[
    "kind",
    "stp",
    "protocol",
    "region",
    "priorities",
    "vlans",
    "hold-count",
    "max-hops",
    "guard-recovery",
    "epochs",
    "priority",
    "hello",
    "max-age",
    "forward-delay",
    "ageing",
    "cam-capacity",
    "address",
    "ports",
];
const PROTOCOLS: [(&str, TreeProtocol); 6] = [
    ("off", TreeProtocol::Off),
    ("stp", TreeProtocol::Stp),
    ("rstp", TreeProtocol::Rstp),
    ("mstp", TreeProtocol::Mstp),
    ("pvst", TreeProtocol::Pvst),
    ("rapid-pvst", TreeProtocol::RapidPvst),
];
const HOST_KEYS: &[&str] = &["kind", "vswitch", "gateway", "ports"];
const VM_KEYS: &[&str] = &[
    "kind",
    "host",
    "mac",
    "ip",
    "vlan",
    "memory",
    "dirty-rate",
    "machine",
];
const MACHINES: [(&str, VmMachine); 2] = [("labs", VmMachine::Labs), ("qemu", VmMachine::Qemu)];
const HOST_PORT_KEYS: &[&str] = &["ip", "mac", "mtu"];

/// Memory of a VM that does not say: 64 MiB.
const VM_MEMORY: u64 = 64 << 20;
const VM_MEMORY_MAX: u64 = 4 << 30;
const MIB: u64 = 1 << 20;
/// A page, the unit in which memory is copied.
const PAGE: u64 = 4096;

/// A node as declared: its ports have settings but no wires yet.
pub(super) struct Declared {
    pub(super) name: String,
    pub(super) at: Position,
    pub(super) kind: DeclaredKind,
}

pub(super) enum DeclaredKind {
    Switch(Switch, Vec<DeclaredPort<PortSettings>>),
    Host {
        vswitch: Option<(String, Position)>,
        gateway: Option<IpAddr>,
        ports: Vec<DeclaredPort<HostPortSettings>>,
    },
    Vm(Vm, Position),
}

pub(super) struct DeclaredPort<S> {
    pub(super) name: String,
    pub(super) at: Position,
    pub(super) settings: S,
}

#[derive(Default)]
pub(super) struct HostPortSettings {
    pub(super) addresses: Vec<Address>,
    pub(super) mac: Option<pnet_base::MacAddr>,
    pub(super) mtu: Option<u32>,
}

#[derive(Clone, Copy, PartialEq)]
enum Word {
    Switch,
    Host,
    Vm,
}

const KINDS: &[(&str, Word)] = &[
    ("switch", Word::Switch),
    ("host", Word::Host),
    ("vm", Word::Vm),
];

impl Word {
    fn keys(self) -> &'static [&'static str] {
        match self {
            Self::Switch => SWITCH_KEYS,
            Self::Host => HOST_KEYS,
            Self::Vm => VM_KEYS,
        }
    }
}

pub(super) fn read(topology: &Fields<'_>) -> Result<Vec<Declared>, Fault> {
    let every: Vec<&str> = [SWITCH_KEYS, HOST_KEYS, VM_KEYS].concat();
    let defaults = match topology.get("defaults") {
        Some(value) => lower(value, "defaults", &every)?,
        None => &[],
    };
    let mut kinds: Vec<(Word, &[(Key, Value)])> = Vec::new();
    if let Some(value) = topology.get("kinds") {
        let names: Vec<&str> = KINDS.iter().map(|&(name, _)| name).collect();
        for (key, value) in fields::map(value, "kinds")? {
            fields::check_key(key, "kinds", &names)?;
            let (name, word) = KINDS
                .iter()
                .find(|(name, _)| *name == key.text)
                .copied()
                .unwrap_or(KINDS[0]);
            kinds.push((word, lower(value, &format!("kind `{name}`"), word.keys())?));
        }
    }
    let nodes = fields::map(topology.need("nodes")?, "nodes")?;
    if nodes.is_empty() {
        return Err(Fault::new(
            topology.need("nodes")?.at,
            "a lab has at least one node",
        ));
    }
    let read = |(key, value): &(Key, Value)| node(key, value, defaults, &kinds);
    nodes.iter().map(read).collect()
}

/// The entries of `defaults` or of a kind, their keys checked.
fn lower<'v>(value: &'v Value, what: &str, known: &[&str]) -> Result<&'v [(Key, Value)], Fault> {
    let entries = fields::map(value, what)?;
    for (key, _) in entries {
        fields::check_key(key, what, known)?;
    }
    Ok(entries)
}

fn node(
    key: &Key,
    value: &Value,
    defaults: &[(Key, Value)],
    kinds: &[(Word, &[(Key, Value)])],
) -> Result<Declared, Fault> {
    let name = name(key.at, &key.text, "node", NODE_NAME_MAX)?;
    let what = format!("node `{name}`");
    let own = fields::map(value, &what)?;
    let kind = [own, defaults]
        .into_iter()
        .find_map(|entries| entries.iter().find(|(key, _)| key.text == "kind"));
    let Some((_, kind)) = kind else {
        return Err(Fault::new(
            key.at,
            format!("{what} needs the key `kind`: switch, host or vm"),
        ));
    };
    let word = fields::word(kind, "kind", KINDS)?;
    let mut merged = Fields::new(value, &what, word.keys())?;
    for (_, entries) in kinds.iter().filter(|(kind, _)| *kind == word) {
        merged.inherit(entries, word.keys());
    }
    merged.inherit(defaults, word.keys());
    merged.at = key.at;
    let kind = match word {
        Word::Switch => switch(&merged, &what)?,
        Word::Host => host(&merged, &what)?,
        Word::Vm => vm(&merged)?,
    };
    Ok(Declared {
        name,
        at: key.at,
        kind,
    })
}

fn switch(fields: &Fields<'_>, what: &str) -> Result<DeclaredKind, Fault> {
    let settings = switch_settings(fields)?;
    timers(fields, &settings.stp)?;
    let read = |key: &Key, value: &Value| {
        let fields = Fields::new(value, format!("{what}, port `{}`", key.text), port::KEYS)?;
        port::read(&fields)
    };
    Ok(DeclaredKind::Switch(settings, ports(fields, read)?))
}

/// The settings of a switch itself, each in its range; also what a `set` step takes, where the timers that it leaves out
/// are the live ones.
pub(super) fn switch_settings(fields: &Fields<'_>) -> Result<Switch, Fault> {
    let seconds = |name, range| fields.read(name, |value, key| fields::seconds(value, key, range));
    let priority = fields.read("priority", |value, key| {
        fields::stepped(value, key, 0..=61440, 4096)
    })?;
    let region = match fields.get("region") {
        Some(value) => region(value)?,
        None => Region::default(),
    };
    Ok(Switch {
        stp: StpSettings {
            enabled: fields.read("stp", fields::switch)?,
            protocol: fields.read("protocol", |value, key| {
                fields::word(value, key, &PROTOCOLS)
            })?,
            hold_count: fields.read("hold-count", |value, key| {
                fields::number(value, key, 1..=10)
            })?,
            max_hops: fields.read("max-hops", |value, key| fields::number(value, key, 6..=40))?,
            guard_recovery: seconds("guard-recovery", 1..=86_400)?,
            epochs: fields.read("epochs", fields::switch)?,
            region: region.name,
            revision: region.revision,
            instances: region.instances,
            priorities: fields.read("priorities", priorities)?,
            vlans: fields.read("vlans", fields::vlans)?,
            priority: priority.map(u32::from),
            hello: seconds("hello", 1..=10)?,
            max_age: seconds("max-age", 6..=40)?,
            forward_delay: seconds("forward-delay", 4..=30)?,
        },
        ageing: seconds("ageing", 10..=1_000_000)?.map(u64::from),
        cam_capacity: fields.read("cam-capacity", |value, key| {
            fields::number(value, key, 1..=1_000_000)
        })?,
        address: fields.read("address", fields::mac)?,
        ports: Vec::new(),
    })
}

#[derive(Default)]
struct Region {
    name: Option<String>,
    revision: Option<u32>,
    instances: Option<InstanceMap>,
}

/// `region: {name: east, revision: 1, instances: {1: "10,20", 2: 30}}`.
fn region(value: &Value) -> Result<Region, Fault> {
    let fields = Fields::new(value, "region", &["name", "revision", "instances"])?;
    let name = fields.read("name", |value, key| {
        let name = fields::string(value, key)?;
        match name.len() {
            0..=32 => Ok(name),
            _ => Err(Fault::new(
                value.at,
                format!("`{key}`: a region's name has at most 32 octets"),
            )),
        }
    })?;
    Ok(Region {
        name,
        revision: fields.read("revision", |value, key| {
            fields::number(value, key, 0..=65_535)
        })?,
        instances: fields.read("instances", instances)?,
    })
}

fn instances(value: &Value, key: &str) -> Result<InstanceMap, Fault> {
    let mut map = InstanceMap::default();
    for (instance, vlans) in fields::map(value, "instances")? {
        let number = tree(instance, "an instance")?;
        map.0.insert(number, fields::vlans(vlans, key)?);
    }
    let wrong = |message| Fault::new(value.at, format!("`{key}`: {message}"));
    map.checked().map_err(wrong)?;
    Ok(map)
}

fn priorities(value: &Value, key: &str) -> Result<TreePriorities, Fault> {
    let mut map = TreePriorities::default();
    for (number, priority) in fields::map(value, "priorities")? {
        let priority = fields::stepped(priority, key, 0..=61440, 4096)?;
        map.0
            .insert(tree(number, "an instance or VLAN")?, priority.into());
    }
    Ok(map)
}

fn tree(key: &Key, what: &str) -> Result<u16, Fault> {
    let number = key.text.parse().ok();
    number
        .filter(|number| (1..=4094).contains(number))
        .ok_or_else(|| Fault::new(key.at, format!("`{}` is not {what} (1..4094)", key.text)))
}

/// 802.1D-1998 8.10.2: 2 × (forward delay − 1 s) ≥ max age ≥ 2 × (hello time + 1 s).
fn timers(fields: &Fields<'_>, stp: &StpSettings) -> Result<(), Fault> {
    let hello = stp.hello.unwrap_or(2);
    let max_age = stp.max_age.unwrap_or(20);
    let forward_delay = stp.forward_delay.unwrap_or(15);
    let place = ["max-age", "forward-delay", "hello"]
        .iter()
        .find_map(|name| fields.get(name));
    let at = place.map_or(fields.at, |value| value.at);
    let given = format!("hello {hello} s, max-age {max_age} s, forward-delay {forward_delay} s");
    if 2 * (forward_delay - 1) < max_age {
        let least = max_age.div_ceil(2) + 1;
        let message = format!(
            "impossible timers ({given}): 2 × (forward-delay − 1) must be at least max-age, so forward-delay at least {least}"
        );
        return Err(Fault::new(at, message));
    }
    if max_age < 2 * (hello + 1) {
        let least = 2 * (hello + 1);
        let message = format!(
            "impossible timers ({given}): max-age must be at least 2 × (hello + 1), so at least {least}"
        );
        return Err(Fault::new(at, message));
    }
    Ok(())
}

fn host(fields: &Fields<'_>, what: &str) -> Result<DeclaredKind, Fault> {
    let read = |key: &Key, value: &Value| {
        let fields = Fields::new(
            value,
            format!("{what}, port `{}`", key.text),
            HOST_PORT_KEYS,
        )?;
        let addresses = fields
            .get("ip")
            .map(|value| fields::list(value, "`ip`"))
            .transpose()?;
        let addresses = addresses.unwrap_or_default();
        Ok(HostPortSettings {
            addresses: addresses
                .into_iter()
                .map(|value| fields::address(value, "ip"))
                .collect::<Result<_, _>>()?,
            mac: fields.read("mac", fields::mac)?,
            mtu: fields.read("mtu", |value, key| fields::number(value, key, 68..=9202))?,
        })
    };
    Ok(DeclaredKind::Host {
        vswitch: fields.read("vswitch", |value, key| {
            Ok((fields::string(value, key)?, value.at))
        })?,
        gateway: fields.read("gateway", fields::ip)?,
        ports: ports(fields, read)?,
    })
}

fn vm(fields: &Fields<'_>) -> Result<DeclaredKind, Fault> {
    let host = fields.need("host")?;
    let memory = fields.read("memory", |value, key| {
        let octets = fields::octets(value, key, "")?;
        if octets == 0 || octets % PAGE != 0 || octets > VM_MEMORY_MAX {
            return Err(Fault::new(
                value.at,
                format!("`{key}`: expected a multiple of {PAGE} octets up to 4GiB"),
            ));
        }
        Ok(octets)
    })?;
    let machine = fields.read("machine", |value, key| {
        let machine = fields::word(value, key, &MACHINES)?;
        if machine == VmMachine::Qemu && memory.is_some_and(|octets| octets % MIB != 0) {
            let message = "a VM of QEMU has whole MiB of memory";
            return Err(Fault::new(value.at, message));
        }
        Ok(machine)
    })?;
    let vm = Vm {
        host: fields::string(host, "host")?,
        mac: fields::mac(fields.need("mac")?, "mac")?,
        ip: fields::address(fields.need("ip")?, "ip")?,
        vlan: fields.read("vlan", fields::vlan)?,
        memory: memory.unwrap_or(VM_MEMORY),
        dirty_rate: fields
            .read("dirty-rate", |value, key| fields::octets(value, key, "/s"))?
            .unwrap_or(0),
        machine: machine.unwrap_or_default(),
    };
    Ok(DeclaredKind::Vm(vm, host.at))
}

fn ports<S>(
    fields: &Fields<'_>,
    read: impl Fn(&Key, &Value) -> Result<S, Fault>,
) -> Result<Vec<DeclaredPort<S>>, Fault> {
    let Some(value) = fields.get("ports") else {
        return Ok(Vec::new());
    };
    let port = |(key, value): &(Key, Value)| {
        Ok(DeclaredPort {
            name: port_name(key.at, &key.text)?,
            at: key.at,
            settings: read(key, value)?,
        })
    };
    fields::map(value, "ports")?.iter().map(port).collect()
}

/// A lab's or node's name: it becomes part of file, namespace and socket names.
pub(super) fn name(at: Position, name: &str, what: &str, most: usize) -> Result<String, Fault> {
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let starts = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    if !starts || !name.chars().all(legal) || name.len() > most {
        let message = format!(
            "`{name}` is no {what} name: 1 to {most} letters, digits, `-` and `_`, a letter or digit first"
        );
        return Err(Fault::new(at, message));
    }
    Ok(name.to_owned())
}

/// A port's name: it becomes an interface's name.
pub(super) fn port_name(at: Position, name: &str) -> Result<String, Fault> {
    let legal = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let reserved = matches!(name, "" | "." | ".." | "lo" | "all" | "default");
    if reserved || !name.chars().all(legal) || name.len() > PORT_NAME_MAX {
        let message = format!(
            "`{name}` is no port name: 1 to {PORT_NAME_MAX} letters, digits, `-`, `_` and `.`, not `lo`, `all` or `default`"
        );
        return Err(Fault::new(at, message));
    }
    Ok(name.to_owned())
}
