//! A configuration that was checked: every value in its range, every combination legal.

use std::path::PathBuf;

use cam::{AgeingTime, Capacity, MacTableConfig};
use pnet_base::MacAddr;
use stp::PortNumber;

use super::{AcceptableFrames, Endpoint, Io, PortKind, PortMode, StpConfig, VlanNumber};
use crate::meter::RateLimits;
use crate::port_name::PortName;
use crate::protect::{LoopDetection, StormControl};
use crate::switch::{PortSettings, SwitchConfig};

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
    /// Ageing time of learned addresses.
    pub ageing: AgeingTime,
    /// Capacity of the filtering database.
    pub cam_capacity: Capacity,
    /// How frames are moved.
    pub io: Io,
    /// How many forwarding threads there are; 0: the one thread does everything.
    pub workers: u8,
    /// Whether ports take unfinished frames, unless they say otherwise.
    pub offload: bool,
    /// Ascending by number; names and numbers are unique.
    pub ports: Vec<PortConfig>,
    /// Pinned addresses; (VLAN, address) pairs are unique and each port exists.
    pub static_macs: Vec<StaticMac>,
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
    /// Name, and that of the interface.
    pub name: PortName,
    /// What it is made of.
    pub kind: PortKind,
    /// Where its frames come from, if it is no interface; of the kind.
    pub endpoint: Option<Endpoint>,
    /// Address; `None`: that of the interface.
    pub mac: Option<MacAddr>,
    /// How it treats VLANs. A trunk's list includes its native VLAN.
    pub mode: PortMode,
    /// Which frames it takes in; `None`: those its mode has a meaning for.
    pub frames: Option<AcceptableFrames>,
    /// Spanning tree: cost, priority, edge, guards.
    pub stp: stp::PortConfig,
    /// Limits of flooded frames.
    pub storm: StormControl,
    /// What to do about a loop that flapping addresses give away.
    pub loop_detection: LoopDetection,
    /// How much it takes in and sends.
    pub rate: RateLimits,
    /// Administratively down.
    pub down: bool,
    /// Whether frames with an unfinished checksum and super-frames cross the port; `None`: as the switch says.
    pub offload: Option<bool>,
}

impl PortConfig {
    /// What the core's port is made with; `address` is the port's own.
    #[must_use]
    pub fn core(&self, address: MacAddr) -> PortSettings {
        PortSettings {
            mode: self.mode.clone(),
            acceptable: self.frames,
            enabled: !self.down,
            stp: self.stp,
            storm: self.storm,
            loop_detection: self.loop_detection,
            rate: self.rate,
            ..PortSettings::new(self.name, address)
        }
    }
}

impl Config {
    /// What the core is made with: bridge address and the secret of the filtering database's hash come from the
    /// world.
    #[must_use]
    pub fn core(&self, address: MacAddr, hash_key: [u64; 2]) -> SwitchConfig {
        SwitchConfig {
            bridge: self.stp.bridge(address),
            protocol: self.stp.protocol,
            instances: self.stp.instances.clone(),
            cam: MacTableConfig {
                capacity: self.cam_capacity,
                hash_key,
                ageing: self.ageing,
            },
        }
    }

    /// The port of this name.
    #[must_use]
    pub fn port(&self, name: &str) -> Option<&PortConfig> {
        self.ports.iter().find(|port| port.name.as_str() == name)
    }

    /// The port of this number.
    #[must_use]
    pub fn port_numbered(&self, number: PortNumber) -> Option<&PortConfig> {
        self.ports.iter().find(|port| port.number == number)
    }
}
