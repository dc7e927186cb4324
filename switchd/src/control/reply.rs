//! The answers of a switch: plain values that go to JSON and back.

use std::collections::BTreeMap;

use pnet_base::MacAddr;
use serde::{Deserialize, Serialize};

use crate::config::{AcceptableFrames, PortKind, PortMode, VlanNumber};

/// The first line a switch sends on a new connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Greeting {
    /// Version of the program.
    pub switchd: String,
    /// Version of the line protocol, [`PROTOCOL`](super::PROTOCOL).
    pub protocol: u32,
    /// Name of the switch.
    pub name: String,
    /// Process id of the switch.
    pub pid: u32,
}

/// The answer to a [`Command`](super::Command) that was carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "kebab-case")]
pub enum Reply {
    /// Carried out, nothing to tell.
    Done,
    /// Entries matching the filter; to [`Command::ShowMac`](super::Command::ShowMac).
    MacTable {
        /// In the order of the table. On the socket they come before this answer, in `part` lines.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        entries: Vec<MacEntry>,
        /// How many there are.
        total: u64,
    },
    /// A page of entries; to [`Command::ShowMacPage`](super::Command::ShowMacPage).
    MacPage {
        /// Entries of this page, maybe none.
        entries: Vec<MacEntry>,
        /// Where the next page starts; `None` after the last.
        cursor: Option<u64>,
    },
    /// How many entries.
    MacCount(MacCount),
    /// The spanning tree.
    SpanningTree(SpanningTree),
    /// VLANs and their ports.
    Vlans {
        /// Ascending by number.
        vlans: Vec<VlanLine>,
    },
    /// Ports.
    Interfaces {
        /// Ascending by number.
        interfaces: Vec<Interface>,
    },
    /// The live configuration.
    RunningConfig {
        /// A configuration file.
        toml: String,
    },
    /// Program, process, uptime.
    Version(Version),
    /// Entries that were cleared.
    Cleared {
        /// How many.
        count: u64,
    },
    /// The port was added.
    PortAdded {
        /// The number it got.
        number: u16,
    },
    /// Subscribed.
    Events {
        /// Sequence number of the next event to happen.
        next: u64,
    },
}

/// How an entry of the filtering database came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MacOrigin {
    /// Learned from a frame; ages.
    Dynamic,
    /// Pinned by configuration.
    Static,
    /// An address of the switch itself.
    Local,
}

/// An entry of the filtering database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MacEntry {
    /// The VLAN.
    pub vlan: VlanNumber,
    /// The address.
    pub mac: MacAddr,
    /// How it came to be.
    pub origin: MacOrigin,
    /// The port it points to; of an address of the switch itself, the port that has it.
    pub port: String,
    /// Milliseconds until it expires; `None` for entries that do not age.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_ms: Option<u64>,
}

/// How many entries the filtering database has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct MacCount {
    /// Learned ones.
    pub dynamic: u64,
    /// Pinned ones.
    #[serde(rename = "static")]
    pub static_: u64,
    /// Addresses of the switch itself.
    pub local: u64,
    /// How many the table can hold.
    pub capacity: u64,
    /// Addresses that became known.
    pub learned: u64,
    /// Addresses that moved to another port.
    pub moved: u64,
    /// Entries that reached their age.
    pub expired: u64,
    /// Entries that made room for others in a full table.
    pub evicted: u64,
    /// Entries flushed.
    pub flushed: u64,
    /// Source addresses that were not learned.
    pub rejected: u64,
}

/// The spanning trees of the switch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpanningTree {
    /// `off` or `stp`.
    pub protocol: String,
    /// Ageing time in force, seconds: short while a topology change is active.
    pub ageing: u64,
    /// Ageing time as configured, seconds.
    pub ageing_configured: u64,
    /// One entry per tree; empty when the spanning tree is off.
    pub trees: Vec<Tree>,
}

/// Hello time, max age and forward delay, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct StpTimes {
    /// Hello time.
    pub hello: u64,
    /// Max age.
    pub max_age: u64,
    /// Forward delay.
    pub forward_delay: u64,
}

/// One spanning tree as this switch sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tree {
    /// Number of the tree; 0 is the common one.
    pub tree: u16,
    /// The root's priority with the system identifier extension in its low 12 bits.
    pub root_priority: u16,
    /// The root's address.
    pub root_mac: MacAddr,
    /// Cost of the path to the root; 0 at the root.
    pub root_path_cost: u32,
    /// The port towards the root; `None` at the root.
    pub root_port: Option<String>,
    /// Times the root dictates.
    pub root_times: StpTimes,
    /// This bridge's priority with the system identifier extension in its low 12 bits.
    pub bridge_priority: u16,
    /// This bridge's address.
    pub bridge_mac: MacAddr,
    /// This bridge's own times, used when it is root.
    pub bridge_times: StpTimes,
    /// Topology changes.
    pub topology_changes: TopologyChanges,
    /// Ascending by number.
    pub ports: Vec<TreePort>,
}

/// What a tree remembers of its topology changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopologyChanges {
    /// Whether one is being signalled now: learned entries age after the forward delay.
    pub active: bool,
    /// Whether this bridge detected one and waits for the acknowledgement.
    pub detected: bool,
    /// How many since the start.
    pub count: u64,
    /// Milliseconds since the last one.
    pub last_ms: Option<u64>,
    /// The port the last one came from.
    pub last_port: Option<String>,
}

/// A port in a tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TreePort {
    /// Number of the port.
    pub number: u16,
    /// Its name.
    pub name: String,
    /// `disabled`, `root`, `designated`, `alternate` or `backup`.
    pub role: String,
    /// `disabled`, `blocking`, `listening`, `learning` or `forwarding`.
    pub state: String,
    /// Path cost in force.
    pub path_cost: u32,
    /// Port priority, 0..=240.
    pub priority: u8,
    /// Whether it works as an edge port.
    pub edge: bool,
    /// Whether the link is point-to-point.
    pub point_to_point: bool,
    /// The root the designated bridge of this segment announces.
    pub designated_root_priority: u16,
    /// Address of that root.
    pub designated_root_mac: MacAddr,
    /// Cost the designated bridge announces.
    pub designated_cost: u32,
    /// The designated bridge's priority.
    pub designated_bridge_priority: u16,
    /// The designated bridge's address.
    pub designated_bridge_mac: MacAddr,
    /// Priority part of the designated port's identifier.
    pub designated_port_priority: u8,
    /// Number part of the designated port's identifier.
    pub designated_port_number: u16,
    /// Milliseconds until the received information is too old; `None` when there is none.
    pub message_age_timer_ms: Option<u64>,
    /// Milliseconds until the next state; `None` when it stays.
    pub forward_delay_timer_ms: Option<u64>,
    /// Milliseconds until the next configuration BPDU may be sent; `None` when it may be sent now.
    pub hold_timer_ms: Option<u64>,
    /// How often the port began to forward.
    pub forward_transitions: u64,
    /// BPDUs.
    pub bpdus: StpCounters,
}

/// BPDUs of a port.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StpCounters {
    /// Configuration BPDUs sent.
    pub config_sent: u64,
    /// Topology change notifications sent.
    pub tcn_sent: u64,
    /// Configuration BPDUs received.
    pub config_received: u64,
    /// Topology change notifications received.
    pub tcn_received: u64,
    /// Rapid BPDUs received, which the classic protocol does not understand.
    pub rst_received: u64,
}

/// A VLAN and its ports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VlanLine {
    /// The VLAN.
    pub vlan: VlanNumber,
    /// Ports that send it untagged, ascending by number.
    pub untagged: Vec<String>,
    /// Ports that send it tagged, ascending by number.
    pub tagged: Vec<String>,
}

/// A port of the switch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interface {
    /// Number, 1..=1023.
    pub number: u16,
    /// Name.
    pub name: String,
    /// What it is made of.
    pub kind: PortKind,
    /// Administratively up.
    pub enabled: bool,
    /// Whether the link is there.
    pub link: bool,
    /// Its address.
    pub mac: MacAddr,
    /// Longest frame in octets, tags included.
    pub frame_max: u32,
    /// How it treats VLANs.
    #[serde(flatten)]
    pub mode: PortMode,
    /// Which frames it takes in.
    pub frames: AcceptableFrames,
    /// Spanning-tree state.
    pub state: String,
    /// Words about the I/O path: offloads in use, what the kernel refused.
    pub io: String,
    /// Frames and octets.
    pub counters: Counters,
}

/// Traffic of a port since it was added.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Frames received.
    pub rx_frames: u64,
    /// Octets received.
    pub rx_octets: u64,
    /// Frames sent.
    pub tx_frames: u64,
    /// Octets sent.
    pub tx_octets: u64,
    /// Frames dropped, by reason; reasons never seen are left out.
    #[serde(default)]
    pub drops: BTreeMap<String, u64>,
}

/// Program, process, uptime.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// Version of the program.
    pub switchd: String,
    /// Version of the line protocol.
    pub protocol: u32,
    /// Name of the switch.
    pub name: String,
    /// Process id.
    pub pid: u32,
    /// Milliseconds since the switch started.
    pub uptime_ms: u64,
    /// Address of the bridge.
    pub mac: MacAddr,
    /// How many ports it has.
    pub ports: u64,
}
