//! What a bridge of any brand says of its tree.

use std::collections::BTreeMap;

use labs::peers::{PortStatus, TreeView};
use pnet_base::MacAddr;
use switchd::control::SpanningTree;

/// A bridge's common tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// The root it believes in: priority and address.
    pub root: (u16, MacAddr),
    /// What it costs to get there.
    pub root_path_cost: u32,
    /// Whether it says that a topology change is active; `None`: it does not say.
    pub topology_change: Option<bool>,
    /// Roles and states, by port.
    pub ports: BTreeMap<String, PortStatus>,
}

impl View {
    /// Of one of ours.
    ///
    /// # Panics
    /// When it runs no spanning tree.
    #[must_use]
    pub fn of_ours(tree: &SpanningTree) -> Self {
        let common = tree.trees.first().expect("spanning tree is on");
        let port = |port: &switchd::control::TreePort| {
            let status = PortStatus {
                role: Some(port.role.clone()),
                state: port.state.clone(),
            };
            (port.name.clone(), status)
        };
        Self {
            root: (common.root_priority, common.root_mac),
            root_path_cost: common.root_path_cost,
            topology_change: Some(common.topology_changes.active),
            ports: common.ports.iter().map(port).collect(),
        }
    }
}

impl From<TreeView> for View {
    fn from(view: TreeView) -> Self {
        Self {
            root: view.root,
            root_path_cost: view.root_path_cost,
            topology_change: view.topology_change,
            ports: view.ports,
        }
    }
}
