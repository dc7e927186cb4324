//! A configuration that was checked: every value in its range, every combination legal.

use std::path::PathBuf;
use std::time::Duration;

use pnet_base::MacAddr;
use serde::{Deserialize, Serialize};

use super::{Cost, Frames, PortKind, VlanList, VlanNumber};

/// All a switch needs to start, and, kept up to date, what `show running-config` shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Name: 1 to 64 octets, no `/`, not starting with `.` or `-`.
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
}

/// The spanning tree of a switch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StpConfig {
    /// Whether it runs one.
    pub enabled: bool,
    /// Bridge priority, 0..=61440, a multiple of 4096.
    pub priority: u16,
    /// Hello time, 1..=10 whole seconds.
    pub hello: Duration,
    /// Max age, 6..=40 whole seconds.
    pub max_age: Duration,
    /// Forward delay, 4..=30 whole seconds; 2 × (forward delay − 1) ≥ max age ≥ 2 × (hello + 1).
    pub forward_delay: Duration,
}

/// One port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortConfig {
    /// Number, 1..=1023.
    pub number: u16,
    /// Name, and that of the interface: 1 to 15 octets, no `/`, `:` or white space, not `.` or `..`.
    pub name: String,
    /// What it is made of.
    pub kind: PortKind,
    /// Address; `None`: that of the interface.
    pub mac: Option<MacAddr>,
    /// How it treats VLANs.
    pub mode: PortMode,
    /// Which frames it takes in.
    pub frames: Frames,
    /// Path cost.
    pub cost: Cost,
    /// Port priority, 0..=240, a multiple of 16.
    pub priority: u8,
    /// A port to a host.
    pub edge: bool,
    /// Administratively down.
    pub down: bool,
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
