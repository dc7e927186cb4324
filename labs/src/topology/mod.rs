//! Lab files: YAML in containerlab's words, read into a checked [`Topology`].
//!
//! ```yaml
//! name: pair
//! topology:
//!   nodes:
//!     sw1: {kind: switch, priority: 4096, ports: {p1: {trunk: [10, 20]}}}
//!     sw2: {kind: switch, ports: {p1: {trunk: [10, 20]}, h1: {access: 10, edge: on}}}
//!     h1:  {kind: host, ports: {eth0: {ip: 10.0.10.1/24}}}
//!   links:
//!     - endpoints: ["sw1:p1", "sw2:p1"]
//!     - endpoints: ["sw2:h1", "h1:eth0"]
//! steps:
//!   - check: {root: sw1, wait: 30s, pass: sw1 is the root, fail: sw1 has lost the election}
//! ```
//!
//! Everything that can be known from the file alone is checked before anything is started: unknown keys, nodes
//! and ports, ports used twice, timers that break 802.1D-1998 8.10.2, VLANs and addresses out of range or given
//! twice, steps about things that are not there. The first fault found is returned as
//! `file:line:column: message`, with the nearest known word.
//!
//! `topology.defaults` and `topology.kinds.<kind>` supply keys that a node does not set itself, as in
//! containerlab: the node's own value wins, then its kind's, then the default.

mod addresses;
mod bars;
mod check;
mod conditions;
mod drs;
mod error;
mod expect;
mod fields;
mod incidents;
mod links;
mod nodes;
mod port;
mod steps;
#[cfg(test)]
mod tests;
mod yaml;

use core::net::IpAddr;
use std::path::Path;

use pnet_base::MacAddr;
use switchd::TreeProtocol;
use switchd::config::{PortSettings, StpSettings, VlanNumber};

use crate::drs::Settings;

pub use bars::{Bar, Bars, Figure};
pub use conditions::Conditions;
pub use error::{Error, Position, nearest};
pub use expect::{Check, Expectation, MacSubject, PingTarget};
pub use incidents::{Frames, Incident, Recipient};
pub use steps::{LinkChange, Setting, Step, StepKind};

/// Largest lab file read, in octets.
const FILE_OCTETS_MAX: u64 = 16 << 20;

/// A lab as its file describes it, checked: every name in it leads somewhere.
#[derive(Debug, Clone)]
pub struct Topology {
    /// The lab's name: letters, digits and dashes, at most [`LAB_NAME_MAX`] octets.
    pub name: String,
    /// Nodes in file order.
    pub nodes: Vec<Node>,
    /// Links in file order.
    pub links: Vec<Link>,
    /// Steps in file order.
    pub steps: Vec<Step>,
    /// How `labs drs` balances its VMs, if the file says.
    pub drs: Option<Settings>,
    /// The file's name as given, for messages about steps.
    pub file: String,
    /// The file's text, as read.
    pub source: String,
}

/// Longest lab name, in octets: leaves room for a node's name in a namespace's or socket's name.
pub const LAB_NAME_MAX: usize = 24;
/// Longest node name, in octets.
pub const NODE_NAME_MAX: usize = 24;
/// Longest port name, in octets: what the kernel takes for an interface (IFNAMSIZ less the final NUL).
pub const PORT_NAME_MAX: usize = 15;

/// One node.
#[derive(Debug, Clone)]
pub struct Node {
    /// Its name, unique in the lab.
    pub name: String,
    /// Where its name stands in the file.
    pub at: Position,
    /// What it is.
    pub kind: NodeKind,
}

/// What a node is.
#[derive(Debug, Clone)]
pub enum NodeKind {
    /// A switch: its own `switchd` process in its own namespace.
    Switch(Switch),
    /// A host: a namespace with interfaces and addresses, using the kernel's stack.
    Host(Host),
    /// A virtual machine on a host, with a stack of its own.
    Vm(Vm),
}

/// A switch's settings. What the file leaves out is `None`: the daemon's default holds.
#[derive(Debug, Clone, Default)]
pub struct Switch {
    /// Its spanning tree, with timers that keep 802.1D-1998 8.10.2. A hypervisor's vSwitch has it off.
    pub stp: StpSettings,
    /// Ageing time of the filtering database, 10 to 1,000,000 s.
    pub ageing: Option<u64>,
    /// Most entries of the filtering database.
    pub cam_capacity: Option<u32>,
    /// The bridge's address; never absent in a [`Topology`].
    pub address: Option<MacAddr>,
    /// Its ports: all that some link ends at, in the order links name them.
    pub ports: Vec<SwitchPort>,
}

/// A port of a switch.
#[derive(Debug, Clone)]
pub struct SwitchPort {
    /// Name, unique in the switch; also the interface's name.
    pub name: String,
    /// What the file says about it.
    pub settings: PortSettings,
    /// What it is wired to.
    pub wire: Wire,
}

/// What a switch's port is wired to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wire {
    /// The link with this index in [`Topology::links`].
    Link(usize),
    /// The network card of the VM of this name: present on the vSwitch of every host, in use on one.
    Vm(String),
}

/// A host.
#[derive(Debug, Clone, Default)]
pub struct Host {
    /// The switch that is this host's vSwitch, if VMs can run here.
    pub vswitch: Option<String>,
    /// Its interfaces: all that some link ends at, in the order links name them.
    pub ports: Vec<HostPort>,
    /// Default gateway.
    pub gateway: Option<IpAddr>,
}

/// An interface of a host.
#[derive(Debug, Clone)]
pub struct HostPort {
    /// Name, unique in the host.
    pub name: String,
    /// Addresses, maybe none.
    pub addresses: Vec<Address>,
    /// Its MAC address; never absent in a [`Topology`].
    pub mac: Option<MacAddr>,
    /// Largest payload in octets, 68 to 9202 (a 9,216-octet frame less its header).
    pub mtu: Option<u32>,
    /// The link it ends, as an index in [`Topology::links`].
    pub link: usize,
}

/// A virtual machine.
#[derive(Debug, Clone)]
pub struct Vm {
    /// The host it starts on; has a vSwitch.
    pub host: String,
    /// Its MAC address, the same wherever it runs.
    pub mac: MacAddr,
    /// Its address.
    pub ip: Address,
    /// The VLAN its vSwitch port is an access port of (a port group); `None` is the switch's default.
    pub vlan: Option<VlanNumber>,
    /// Memory in octets, a multiple of 4096, up to 4 GiB.
    pub memory: u64,
    /// How fast the guest dirties its memory, in octets per second.
    pub dirty_rate: u64,
    /// What it is on the real backend.
    pub machine: VmMachine,
}

/// What a VM is in namespaces. In virtual time each is the labs' own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum VmMachine {
    /// The labs' own: memory, a TCP/IP stack and a service, no guest.
    #[default]
    Labs,
    /// QEMU's, with Linux in it.
    Qemu,
}

/// An address and its prefix length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Address {
    /// The address.
    pub ip: IpAddr,
    /// Prefix length in bits.
    pub prefix: u8,
}

impl core::fmt::Display for Address {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}/{}", self.ip, self.prefix)
    }
}

/// A link: a cable between two ports, or a shared segment of more.
#[derive(Debug, Clone)]
pub struct Link {
    /// Its ends, two or more; each port of a lab ends at most one link.
    pub endpoints: Vec<Endpoint>,
    /// Where the link starts in the file.
    pub at: Position,
    /// What it does to frames.
    pub conditions: Conditions,
}

/// A port of a node, written `node:port`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Endpoint {
    /// The node.
    pub node: String,
    /// The port.
    pub port: String,
}

impl core::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}:{}", self.node, self.port)
    }
}

/// Why a lab file cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// It cannot be read.
    #[error("cannot read the lab file {file}: {source}")]
    Read {
        /// The file.
        file: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// It is larger than any sensible lab.
    #[error("{file}: larger than {} MiB, this is no lab file", FILE_OCTETS_MAX >> 20)]
    TooLarge {
        /// The file.
        file: String,
    },
    /// It is wrong.
    #[error(transparent)]
    Wrong(#[from] Error),
}

impl Topology {
    /// Reads `text` as a lab file; `file` is its name for messages.
    ///
    /// # Errors
    /// The first fault, with its place.
    pub fn parse(file: &str, text: &str) -> Result<Self, Error> {
        Self::read(file, text).map_err(|fault| fault.in_file(file))
    }

    /// Reads the lab file at `path`.
    ///
    /// # Errors
    /// When it cannot be read, or is wrong.
    pub fn load(path: &Path) -> Result<Self, LoadError> {
        let file = path.display().to_string();
        let read = |source| LoadError::Read {
            file: file.clone(),
            source,
        };
        if std::fs::metadata(path).map_err(read)?.len() > FILE_OCTETS_MAX {
            return Err(LoadError::TooLarge { file });
        }
        let text = std::fs::read_to_string(path).map_err(read)?;
        Ok(Self::parse(&file, &text)?)
    }

    /// Calls the lab `name` instead of what its file says.
    ///
    /// # Errors
    /// When `name` is no lab name: what one is.
    pub fn rename(&mut self, name: &str) -> Result<(), String> {
        let legal = nodes::name(Position::default(), name, "lab", LAB_NAME_MAX);
        self.name = legal.map_err(|fault| fault.message)?;
        Ok(())
    }

    fn read(file: &str, text: &str) -> Result<Self, error::Fault> {
        let root = yaml::parse(text)?;
        let fields = fields::Fields::new(&root, "the lab", &["name", "topology", "drs", "steps"])?;
        let name = fields.need("name")?;
        let mut topology = Self {
            name: nodes::name(name.at, fields::text(name, "name")?, "lab", LAB_NAME_MAX)?,
            nodes: Vec::new(),
            links: Vec::new(),
            steps: Vec::new(),
            drs: None,
            file: file.to_owned(),
            source: text.to_owned(),
        };
        let body = fields.need("topology")?;
        let body = fields::Fields::new(body, "topology", &["defaults", "kinds", "nodes", "links"])?;
        let declared = nodes::read(&body)?;
        topology.links = links::read(&body, &declared)?;
        topology.nodes = links::wire(declared, &topology.links)?;
        addresses::assign(&mut topology.nodes);
        check::check(&topology)?;
        topology.drs = drs::read(fields.get("drs"), &topology)?;
        topology.steps = steps::read(fields.get("steps"), &topology)?;
        Ok(topology)
    }

    /// The node called `name`.
    #[must_use]
    pub fn node(&self, name: &str) -> Option<&Node> {
        self.nodes.iter().find(|node| node.name == name)
    }

    /// The switch called `name`.
    #[must_use]
    pub fn switch(&self, name: &str) -> Option<&Switch> {
        match &self.node(name)?.kind {
            NodeKind::Switch(switch) => Some(switch),
            NodeKind::Host(_) | NodeKind::Vm(_) => None,
        }
    }

    /// The host called `name`.
    #[must_use]
    pub fn host(&self, name: &str) -> Option<&Host> {
        match &self.node(name)?.kind {
            NodeKind::Host(host) => Some(host),
            NodeKind::Switch(_) | NodeKind::Vm(_) => None,
        }
    }

    /// The VM called `name`.
    #[must_use]
    pub fn vm(&self, name: &str) -> Option<&Vm> {
        match &self.node(name)?.kind {
            NodeKind::Vm(vm) => Some(vm),
            NodeKind::Switch(_) | NodeKind::Host(_) => None,
        }
    }

    /// All switches, in file order.
    pub fn switches(&self) -> impl Iterator<Item = (&str, &Switch)> {
        self.nodes.iter().filter_map(|node| match &node.kind {
            NodeKind::Switch(switch) => Some((node.name.as_str(), switch)),
            NodeKind::Host(_) | NodeKind::Vm(_) => None,
        })
    }

    /// All hosts, in file order.
    pub fn hosts(&self) -> impl Iterator<Item = (&str, &Host)> {
        self.nodes.iter().filter_map(|node| match &node.kind {
            NodeKind::Host(host) => Some((node.name.as_str(), host)),
            NodeKind::Switch(_) | NodeKind::Vm(_) => None,
        })
    }

    /// All VMs, in file order.
    pub fn vms(&self) -> impl Iterator<Item = (&str, &Vm)> {
        self.nodes.iter().filter_map(|node| match &node.kind {
            NodeKind::Vm(vm) => Some((node.name.as_str(), vm)),
            NodeKind::Switch(_) | NodeKind::Host(_) => None,
        })
    }

    /// The link that ends at `endpoint`, with its index.
    #[must_use]
    pub fn link_at(&self, endpoint: &Endpoint) -> Option<(usize, &Link)> {
        let mut links = self.links.iter().enumerate();
        links.find(|(_, link)| link.endpoints.contains(endpoint))
    }
}

impl Switch {
    /// The port called `name`.
    #[must_use]
    pub fn port(&self, name: &str) -> Option<&SwitchPort> {
        self.ports.iter().find(|port| port.name == name)
    }

    /// Whether it runs the spanning tree; it does unless told not to.
    #[must_use]
    pub fn runs_stp(&self) -> bool {
        self.stp.enabled != Some(false) && self.stp.protocol != Some(TreeProtocol::Off)
    }
}
