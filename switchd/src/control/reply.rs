//! The answers of a switch: plain values that go to JSON and back.

mod tree;

use std::collections::BTreeMap;

use pnet_base::MacAddr;
use serde::{Deserialize, Serialize};

pub use tree::{
    EpochReply, RegionReply, RegionalRoot, SpanningTree, StpCounters, StpTimes, TopologyChanges,
    Tree, TreePort, Waits, Why, WhyComparison, WhyRegional, WhyRole, WhyTree, WhyVector,
};

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
    /// Why a port is what it is.
    Why(Why),
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
    /// Spanning-tree state; where every VLAN has a tree, that of the port's own VLAN.
    pub state: String,
    /// Why it is disabled although it is enabled: `bpdu-guard`, `storm` or `loop`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled: Option<String>,
    /// How much it takes in at most, bits a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_in: Option<RateReply>,
    /// How much it sends at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_out: Option<RateReply>,
    /// Words about the I/O path: offloads in use, what the kernel refused.
    pub io: String,
    /// Frames and octets.
    pub counters: Counters,
}

/// A rate of a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RateReply {
    /// Bits a second.
    pub bits: u64,
    /// How much may pass at once, octets.
    pub burst: u32,
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
