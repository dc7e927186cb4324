//! A switch's configuration file, out of the lab file.

use pnet_base::MacAddr;
use serde::Serialize;
use switchd::config::{PortKind, PortSettings, StpSettings};

use super::build::Site;
use super::wiring::{self, Medium};
use super::{LabError, switch_name};
use crate::topology::{Topology, Wire};

#[derive(Serialize)]
struct ConfigFile<'a> {
    switch: SwitchTable<'a>,
    stp: &'a StpSettings,
    cam: CamTable,
    port: Vec<PortTable<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct SwitchTable<'a> {
    name: String,
    run_dir: &'a std::path::Path,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<MacAddr>,
}

#[derive(Serialize)]
struct CamTable {
    #[serde(skip_serializing_if = "Option::is_none")]
    ageing: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    capacity: Option<u32>,
}

#[derive(Serialize)]
struct PortTable<'a> {
    name: &'a str,
    kind: PortKind,
    #[serde(flatten)]
    settings: &'a PortSettings,
}

/// The configuration of the switch `name`.
pub(super) fn toml(site: &Site<'_>, name: &str) -> Result<String, LabError> {
    let Some(switch) = site.topology.switch(name) else {
        return Err(LabError::Other(format!("{name} is no switch")));
    };
    let port = switch.ports.iter().map(|port| PortTable {
        name: &port.name,
        kind: kind(site.whole, &port.wire),
        settings: &port.settings,
    });
    let file = ConfigFile {
        switch: SwitchTable {
            name: switch_name(&site.topology.name, name),
            run_dir: site.run_dir,
            address: switch.address,
        },
        stp: &switch.stp,
        cam: CamTable {
            ageing: switch.ageing,
            capacity: switch.cam_capacity,
        },
        port: port.collect(),
    };
    toml::to_string(&file).map_err(|error| LabError::Other(format!("{name}: {error}")))
}

/// Towards a VM, and a host on a plain link, the switch makes a tap; other interfaces are there before the switch.
fn kind(whole: &Topology, wire: &Wire) -> PortKind {
    match wire {
        Wire::Vm(_) => PortKind::Tap,
        Wire::Link(link) => match wiring::medium(whole, *link) {
            Medium::Tap => PortKind::Tap,
            Medium::Veth | Medium::Hub => PortKind::Packet,
        },
    }
}
