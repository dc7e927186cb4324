//! What is answered about spanning trees.

use pnet_base::MacAddr;
use serde::{Deserialize, Serialize};

use crate::config::VlanSet;

/// The spanning trees of the switch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpanningTree {
    /// `off`, `stp`, `rstp`, `mstp`, `pvst` or `rapid-pvst`.
    pub protocol: String,
    /// The region; only with `mstp`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<RegionReply>,
    /// Ageing time in force, seconds: short while a topology change is active.
    pub ageing: u64,
    /// Ageing time as configured, seconds.
    pub ageing_configured: u64,
    /// One entry per tree; empty when the spanning tree is off.
    pub trees: Vec<Tree>,
}

/// The region of a switch that keeps multiple spanning trees.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegionReply {
    /// Its name.
    pub name: String,
    /// Its revision.
    pub revision: u16,
    /// The digest of its VLAN map, in hexadecimal.
    pub digest: String,
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
    /// Number of the tree; 0 is the common one. An instance's number, or a VLAN's, as the protocol has it.
    pub tree: u16,
    /// The VLANs whose frames go by it.
    pub vlans: VlanSet,
    /// The bridge at which the region meets the way to the root: priority; only with `mstp`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub regional_root: Option<RegionalRoot>,
    /// The tree's epoch; only with epochs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<EpochReply>,
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

/// Where a region meets the way to the root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegionalRoot {
    /// The bridge's priority, with the system identifier extension in its low 12 bits.
    pub priority: u16,
    /// Its address.
    pub mac: MacAddr,
    /// Cost of the path to it within the region.
    pub internal_path_cost: u32,
    /// How many bridges further its information goes.
    pub remaining_hops: u8,
}

/// In which epoch a tree is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct EpochReply {
    /// How many roots the network has lost, as far as anybody here has heard.
    pub number: u32,
    /// Whether the root has vouched for its word in this epoch. If not, a bridge without epochs passed it on.
    pub vouched: bool,
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
    /// What keeps it from forwarding: `root-inconsistent`, `loop-inconsistent`, `bridge-assurance-inconsistent`,
    /// `bpdu-guard`, `pvid-inconsistent` or `type-inconsistent`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inconsistent: Option<String>,
    /// Whether it speaks a rapid protocol on the link.
    pub rapid: bool,
    /// Whether the neighbour has epochs, too, by the last BPDU that came from it; only with epochs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epochs: Option<bool>,
    /// Whether the region ends here; only with `mstp`.
    pub boundary: bool,
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
    /// Rapid BPDUs sent.
    pub rst_sent: u64,
    /// Multiple spanning tree BPDUs received.
    pub mst_received: u64,
    /// Multiple spanning tree BPDUs sent.
    pub mst_sent: u64,
}

/// Why a port has its roles and its states.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Why {
    /// The port.
    pub port: String,
    /// The spanning tree protocol of the switch.
    pub protocol: String,
    /// Whether management lets it run.
    pub enabled: bool,
    /// Whether its link is there.
    pub link: bool,
    /// Why it is disabled although it is enabled: `bpdu-guard`, `storm` or `loop`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled: Option<String>,
    /// Ascending by tree; empty where no spanning tree runs.
    pub trees: Vec<WhyTree>,
}

/// Why a port has its role and its state in a tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WhyTree {
    /// The tree.
    pub tree: u16,
    /// The role.
    pub role: String,
    /// The state.
    pub state: String,
    /// What gave it the role.
    pub because: WhyRole,
    /// What is said on its LAN by the two best speakers, this bridge being one of them, if anybody else speaks there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lan: Option<WhyComparison>,
    /// The best way to the root against the one through this port; of the root port, against the next best.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<WhyComparison>,
    /// What keeps it from forwarding, as in [`TreePort::inconsistent`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<String>,
    /// What it waits for before it forwards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits: Option<Waits>,
}

/// What gave a port its role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WhyRole {
    /// Disabled: it has no link, or is not to run.
    NotOperational,
    /// Root: the best way to the root.
    BestPath,
    /// Designated: it has the better offer for its LAN.
    BetterOffer,
    /// Designated: nobody else speaks on its LAN.
    NobodyElse,
    /// Alternate: another bridge has the better offer for its LAN.
    WorseOffer,
    /// Backup: another port of this bridge has the better offer for its LAN.
    OwnOffer,
    /// In an instance, at the boundary of its region: as the common tree has it.
    Boundary,
}

/// Of two vectors, the lower wins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WhyComparison {
    /// The better.
    pub winner: WhyVector,
    /// The worse.
    pub loser: WhyVector,
    /// The first part in which they differ.
    pub decided_by: String,
}

/// A priority vector.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WhyVector {
    /// The root's priority, system identifier extension included.
    pub root_priority: u16,
    /// The root's address.
    pub root_mac: MacAddr,
    /// Cost to the root; in a region, up to its border.
    pub root_path_cost: u32,
    /// The regional root and the cost to it; only with `mstp`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub regional: Option<WhyRegional>,
    /// The priority of the bridge that says so.
    pub bridge_priority: u16,
    /// Its address.
    pub bridge_mac: MacAddr,
    /// Priority part of the identifier of its port.
    pub port_priority: u8,
    /// Number part of the identifier of its port.
    pub port_number: u16,
    /// The port of this switch that the way goes through; none for what is said on a LAN, and for the bridge's own claim
    /// to be the root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub through: Option<String>,
}

/// The regional part of a priority vector.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WhyRegional {
    /// The regional root's priority.
    pub priority: u16,
    /// Its address.
    pub mac: MacAddr,
    /// The cost to it.
    pub internal_path_cost: u32,
}

/// What a port waits for before it forwards.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waits {
    /// `agreement` of the far end, the forward `delay`, or that the `former-root` ceases to forward.
    #[serde(rename = "for")]
    pub what: String,
    /// Milliseconds until the delay is over at the latest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_most_ms: Option<u64>,
}
