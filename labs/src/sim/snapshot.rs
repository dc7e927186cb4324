//! The state of a world as plain data, for results and comparisons.

use core::time::Duration;

use cam::Origin;
use serde::Serialize;
use stp::{PortNumber, TreeId};
use switchd::counters::DropReason;
use switchd::{Port, Switch};

use super::id::NodeId;
use super::operation::Power;
use super::queue::nanos;
use super::world::World;

/// Places of a CAM looked at per page of its listing.
const CAM_PAGE: usize = 4096;

/// A bridge at one instant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BridgeSnapshot {
    /// Its name.
    pub name: String,
    /// Whether it runs: `on`, `off` or `frozen`.
    pub power: &'static str,
    /// Whether it runs a spanning tree.
    pub spanning_tree: bool,
    /// Its identifier, such as `32768.02:00:00:00:00:00`; absent while it is off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// When its root, root port, or one of its ports last changed, in nanoseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changed_ns: Option<u64>,
    /// Its trees; none without spanning tree.
    pub trees: Vec<TreeSnapshot>,
    /// Its ports, in number order.
    pub ports: Vec<PortSnapshot>,
    /// Its CAM: dynamic and static entries, by VLAN and address.
    pub cam: Vec<CamSnapshot>,
}

/// A bridge's view of one tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TreeSnapshot {
    /// The tree; 0 is the common one.
    pub tree: u16,
    /// The root's identifier.
    pub root: String,
    /// The cost of the way there.
    pub root_path_cost: u32,
    /// The port towards the root; absent at the root.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root_port: Option<String>,
    /// Whether a topology change is being told of.
    pub topology_change: bool,
    /// How often one began.
    pub topology_changes: u64,
}

/// A port at one instant. Role and state are those of the common tree, as long as there is no other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PortSnapshot {
    /// Its name.
    pub name: String,
    /// Its number.
    pub number: u16,
    /// Whether it has carrier.
    pub carrier: bool,
    /// Its role.
    pub role: String,
    /// Its state.
    pub state: String,
    /// Its path cost; absent without spanning tree.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost: Option<u32>,
    /// When role or state last changed, in nanoseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changed_ns: Option<u64>,
    /// BPDUs sent.
    pub bpdus_sent: u64,
    /// BPDUs received.
    pub bpdus_received: u64,
    /// Frames received.
    pub frames_received: u64,
    /// Frames sent.
    pub frames_sent: u64,
    /// Frames dropped, by reason.
    #[serde(skip_serializing_if = "serde_json::Map::is_empty")]
    pub drops: serde_json::Map<String, serde_json::Value>,
}

/// An entry of a CAM.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct CamSnapshot {
    /// Its VLAN.
    pub vlan: u16,
    /// Its address.
    pub mac: String,
    /// The port it points to.
    pub port: String,
    /// `dynamic` or `static`.
    pub origin: &'static str,
}

impl World {
    /// Every bridge, in the order they were added. Cost: ports and CAM entries.
    #[must_use]
    pub fn snapshot(&self) -> Vec<BridgeSnapshot> {
        self.bridges()
            .map(|node| self.bridge_snapshot(node))
            .collect()
    }

    fn bridge_snapshot(&self, node: NodeId) -> BridgeSnapshot {
        let switch = self.switch(node);
        BridgeSnapshot {
            name: self.map().name(node).to_owned(),
            power: match self.power(node) {
                Some(Power::On) => "on",
                Some(Power::Frozen) => "frozen",
                Some(Power::Off) | None => "off",
            },
            spanning_tree: switch.is_some_and(|switch| switch.bridge().is_some()),
            id: switch.map(|switch| switch.bridge_config().id().to_string()),
            changed_ns: self.changes().of_node(node).map(nanos),
            trees: switch.map_or_else(Vec::new, trees),
            ports: switch.map_or_else(Vec::new, |switch| {
                switch
                    .ports()
                    .map(|(number, port)| self.port_snapshot(node, switch, number, port))
                    .collect()
            }),
            cam: switch.map_or_else(Vec::new, |switch| cam_entries(switch, self.now())),
        }
    }

    fn port_snapshot(
        &self,
        node: NodeId,
        switch: &Switch,
        number: PortNumber,
        port: &Port,
    ) -> PortSnapshot {
        let counters = port.counters();
        let stp = switch.bridge().and_then(|bridge| bridge.port(number));
        let drops = DropReason::ALL.iter().filter_map(|&reason| {
            let count = counters.drops(reason);
            (count > 0).then(|| (reason.name().to_owned(), count.into()))
        });
        PortSnapshot {
            name: port.settings().name.to_string(),
            number: number.get(),
            carrier: port.is_link_up(),
            role: port.role(TreeId::COMMON).to_string(),
            state: port.state(TreeId::COMMON).to_string(),
            cost: stp.map(|status| status.path_cost.get()),
            changed_ns: self.changes().of_port(node.port(number)).map(nanos),
            bpdus_sent: stp.map_or(0, |status| status.counters.bpdus_sent()),
            bpdus_received: stp.map_or(0, |status| status.counters.bpdus_received()),
            frames_received: counters.received_frames,
            frames_sent: counters.transmitted_frames,
            drops: drops.collect(),
        }
    }
}

fn trees(switch: &Switch) -> Vec<TreeSnapshot> {
    let name = |port: PortNumber| {
        switch
            .port(port)
            .map(|port| port.settings().name.to_string())
    };
    let trees = switch.trees().into_iter().filter_map(|id| {
        let tree = switch.tree(id)?;
        Some(TreeSnapshot {
            tree: id.get(),
            root: tree.root.to_string(),
            root_path_cost: tree.root_path_cost,
            root_port: tree.root_port.and_then(name),
            topology_change: tree.topology_change.active,
            topology_changes: tree.topology_change.count,
        })
    });
    trees.collect()
}

/// What a switch's CAM holds, its own addresses left out, by VLAN and address.
fn cam_entries(switch: &Switch, now: Duration) -> Vec<CamSnapshot> {
    let mut entries = Vec::new();
    let mut cursor = Some(0);
    while let Some(from) = cursor {
        let (page, next) = switch.cam().entries_from(now, from, CAM_PAGE);
        for entry in page {
            let origin = match entry.origin {
                Origin::Dynamic { .. } => "dynamic",
                Origin::Static => "static",
                Origin::Local => continue,
            };
            let port = switch.port(entry.port);
            entries.push(CamSnapshot {
                vlan: entry.vlan.value(),
                mac: entry.address.to_string(),
                port: port.map_or_else(String::new, |port| port.settings().name.to_string()),
                origin,
            });
        }
        cursor = next;
    }
    entries.sort();
    entries
}
