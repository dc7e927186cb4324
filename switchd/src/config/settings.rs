//! Settings in which every key may be left out: what a file, a flag or a live `set` says of a port or the tree.

use pnet_base::MacAddr;
use serde::{Deserialize, Serialize};

use super::vlan_list::{VlanList, VlanNumber};

/// What a port is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PortKind {
    /// A tap device the switch creates and removes.
    Tap,
    /// An AF_PACKET socket on an interface that exists already.
    Packet,
}

/// Which frames a port takes in (802.1Q 6.9, acceptable frame types).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Frames {
    /// Every frame.
    All,
    /// Only frames that carry a VLAN.
    Tagged,
    /// Only untagged and priority-tagged frames.
    Untagged,
}

/// A path cost as configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cost {
    /// From the speed of the link.
    Auto,
    /// Fixed, 1..=200_000_000 (802.1D-2004 Table 17-3).
    #[serde(untagged)]
    Fixed(u32),
}

/// What is said of one port. Keys left out keep their value on a live port, take the default on a new one.
///
/// The keys of a `[[port]]` table, the options of a `PORT` flag and the fields of `set-port` and `add-port`
/// are these fields by these names (with `-` for `_`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct PortSettings {
    /// Number, 1..=1023; the lowest free one if left out. Fixed once the port exists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number: Option<u32>,
    /// Address of the port, source of its BPDUs. Fixed once the port exists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mac: Option<MacAddr>,
    /// Mode access, in this VLAN.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access: Option<VlanNumber>,
    /// Mode trunk, allowing these VLANs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trunk: Option<VlanList>,
    /// Trunk: the VLAN of untagged frames (default 1).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub native: Option<VlanNumber>,
    /// Trunk: send the native VLAN tagged too (default no).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub native_tagged: Option<bool>,
    /// Mode hybrid: `pvid`, `tagged` and `untagged` say the rest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hybrid: Option<bool>,
    /// Hybrid: the VLAN of untagged frames (default 1).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pvid: Option<VlanNumber>,
    /// Hybrid: the VLANs sent with their tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tagged: Option<VlanList>,
    /// Hybrid: the VLANs sent without a tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub untagged: Option<VlanList>,
    /// Mode dot1q-tunnel: every frame, tagged or not, rides in this VLAN.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dot1q_tunnel: Option<VlanNumber>,
    /// Which frames the port takes in (default all the mode allows).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frames: Option<Frames>,
    /// Spanning-tree path cost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost: Option<Cost>,
    /// Spanning-tree port priority, 0..=240 in steps of 16.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<u32>,
    /// A port to a host: forwards at once, starts no topology change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub edge: Option<bool>,
    /// Administratively down.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub down: Option<bool>,
}

/// What is said of the spanning tree of the whole switch; keys left out keep their value.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct StpSettings {
    /// Whether the switch runs a spanning tree.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Bridge priority, 0..=61440 in steps of 4096.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<u32>,
    /// Hello time, 1..=10 seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hello: Option<u32>,
    /// Max age, 6..=40 seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_age: Option<u32>,
    /// Forward delay, 4..=30 seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forward_delay: Option<u32>,
}
