//! From the checked configuration to what the core is made with.

use std::hash::{BuildHasher, RandomState};

use cam::{AgeingTime, Capacity, MacTableConfig};
use pnet_base::MacAddr;
use stp::{BridgeConfig, BridgePriority, BridgeTimes, PathCost, PortPriority};

use crate::config::{Config, Cost, Frames, PortConfig, PortMode, StpConfig, VlanList};
use crate::switch::{PortSettings, SwitchConfig};
use crate::vlan::{self, AcceptableFrames};
use crate::vlan_set::VlanSet;

const CHECKED: &str = "the configuration was checked";

pub(super) fn switch(config: &Config, address: MacAddr) -> SwitchConfig {
    SwitchConfig {
        bridge: bridge(&config.stp, address),
        spanning_tree: config.stp.enabled,
        cam: MacTableConfig {
            capacity: Capacity::new(config.cam_capacity).expect(CHECKED),
            // Nobody outside may know which addresses collide.
            hash_key: [0, 1].map(|half: u64| RandomState::new().hash_one(half)),
            ageing: ageing(config.ageing),
        },
    }
}

pub(super) fn bridge(stp: &StpConfig, address: MacAddr) -> BridgeConfig {
    BridgeConfig {
        address,
        priority: BridgePriority::new(stp.priority).expect(CHECKED),
        times: BridgeTimes::new(stp.max_age, stp.hello, stp.forward_delay).expect(CHECKED),
    }
}

pub(super) fn ageing(time: std::time::Duration) -> AgeingTime {
    let seconds = u32::try_from(time.as_secs()).expect(CHECKED);
    AgeingTime::from_secs(seconds).expect(CHECKED)
}

/// `address` is the port's own.
pub(super) fn port(config: &PortConfig, address: MacAddr) -> PortSettings {
    let name = config.name.parse().expect(CHECKED);
    PortSettings {
        mode: mode(&config.mode),
        acceptable: match config.frames {
            // What the mode has a meaning for.
            Frames::All => None,
            Frames::Tagged => Some(AcceptableFrames::Tagged),
            Frames::Untagged => Some(AcceptableFrames::Untagged),
        },
        enabled: !config.down,
        stp: stp::PortConfig {
            priority: PortPriority::new(config.priority).expect(CHECKED),
            path_cost: match config.cost {
                Cost::Auto => None,
                Cost::Fixed(cost) => Some(PathCost::new(cost).expect(CHECKED)),
            },
            edge: config.edge,
        },
        ..PortSettings::new(name, address)
    }
}

fn mode(mode: &PortMode) -> vlan::PortMode {
    match mode {
        PortMode::Access { vlan } => vlan::PortMode::Access { vlan: vlan.id() },
        PortMode::Trunk {
            allowed,
            native,
            native_tagged,
        } => vlan::PortMode::Trunk {
            // Carried whether listed or not.
            allowed: vlans(allowed).union(&VlanSet::single(native.id())),
            native: native.id(),
            native_tagged: *native_tagged,
        },
        PortMode::Hybrid {
            pvid,
            tagged,
            untagged,
        } => vlan::PortMode::Hybrid {
            pvid: pvid.id(),
            tagged: vlans(tagged),
            untagged: vlans(untagged),
        },
        PortMode::Dot1qTunnel { vlan } => vlan::PortMode::Dot1qTunnel { vlan: vlan.id() },
    }
}

fn vlans(list: &VlanList) -> VlanSet {
    list.iter().map(|vlan| vlan.id()).collect()
}
