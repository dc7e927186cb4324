//! A configuration that was checked: every value in its range, every combination legal.

use std::path::PathBuf;
use std::time::Duration;

use pnet_base::MacAddr;
use serde::{Deserialize, Serialize};
use stp::{BridgePriority, BridgeTimes, PathCost, PortNumber, PortPriority};

use super::{Frames, PortKind, VlanList, VlanNumber};

/// All a switch needs to start, and, kept up to date, what `show running-config` shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Name: 1 to 64 octets, letters, digits, `.`, `_` and `-`, starting with a letter, digit or `_`.
    pub name: String,
    /// Where the control socket is made.
    pub run_dir: PathBuf,
    /// Address of the bridge; `None`: derived by the daemon.
    pub address: Option<MacAddr>,
    /// Spanning tree.
    pub stp: StpConfig,
    /// Ageing time of learned addresses, 10..=1_000_000 whole seconds.
    pub ageing: Duration,
    /// Capacity of the filtering database, 1..=1_000_000.
    pub cam_capacity: usize,
    /// Ascending by number; names and numbers are unique.
    pub ports: Vec<PortConfig>,
    /// Pinned addresses; (VLAN, address) pairs are unique and each port exists.
    pub static_macs: Vec<StaticMac>,
}

/// The spanning tree of a switch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StpConfig {
    /// Whether it is off; a switch runs a spanning tree until told otherwise.
    pub disabled: bool,
    /// Bridge priority.
    pub priority: BridgePriority,
    /// Hello time, max age and forward delay for when it is the root.
    pub times: BridgeTimes,
}

/// An address pinned to a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StaticMac {
    /// The VLAN.
    pub vlan: VlanNumber,
    /// The address; no group address.
    pub mac: MacAddr,
    /// The port.
    pub port: PortNumber,
}

/// One port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortConfig {
    /// Number, 1..=1023.
    pub number: PortNumber,
    /// Name, and that of the interface: 1 to 15 octets, no `/`, `:`, `,` or white space, not `.` or `..`.
    pub name: String,
    /// What it is made of.
    pub kind: PortKind,
    /// Address; `None`: that of the interface.
    pub mac: Option<MacAddr>,
    /// How it treats VLANs.
    pub mode: PortMode,
    /// Which frames it takes in, of those its mode allows.
    pub frames: Frames,
    /// Path cost; `None`: from the speed of the link.
    pub cost: Option<PathCost>,
    /// Port priority.
    pub priority: PortPriority,
    /// A port to a host.
    pub edge: bool,
    /// Administratively down.
    pub down: bool,
}

impl Config {
    /// The port of this name.
    #[must_use]
    pub fn port(&self, name: &str) -> Option<&PortConfig> {
        self.ports.iter().find(|port| port.name == name)
    }

    /// The port of this number.
    #[must_use]
    pub fn port_numbered(&self, number: PortNumber) -> Option<&PortConfig> {
        self.ports.iter().find(|port| port.number == number)
    }
}

/// How a port treats VLANs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "mode", rename_all = "kebab-case")]
pub enum PortMode {
    /// One VLAN, untagged.
    Access {
        /// The VLAN.
        #[serde(rename = "access")]
        vlan: VlanNumber,
    },
    /// Many VLANs, tagged, and one native.
    Trunk {
        /// The VLANs it carries; the native one is carried whether listed or not.
        #[serde(rename = "trunk")]
        allowed: VlanList,
        /// The VLAN of untagged frames.
        native: VlanNumber,
        /// Whether the native VLAN is sent tagged.
        #[serde(rename = "native-tagged")]
        native_tagged: bool,
    },
    /// Any mixture; no VLAN is in both lists.
    Hybrid {
        /// The VLAN of untagged frames.
        pvid: VlanNumber,
        /// Sent tagged.
        tagged: VlanList,
        /// Sent untagged.
        untagged: VlanList,
    },
    /// Every frame as it is, in one VLAN.
    #[serde(rename = "dot1q-tunnel")]
    Dot1qTunnel {
        /// The VLAN.
        #[serde(rename = "dot1q-tunnel")]
        vlan: VlanNumber,
    },
}
