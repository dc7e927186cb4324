//! The lab as its switches tell it: the same view, and the same drawing, as of a lab in namespaces.

use std::collections::{BTreeMap, BTreeSet};

use stp::TreeId;
use switchd::Switch;

use super::Twin;
use super::checks::held_by;
use crate::lab::{PortView, SwitchView, TreeStates, View, is_settled};
use crate::sim::id::NodeId;
use crate::sim::operation::Power;

impl Twin {
    /// All switches that run, at this instant; one that hangs cannot be asked.
    #[must_use]
    pub fn view(&self) -> View {
        let mut view = View::default();
        let runs = |node: &NodeId| self.world.power(*node) == Some(Power::On);
        for node in self.world.bridges().filter(runs) {
            let Some(switch) = self.world.switch(node) else {
                continue;
            };
            let tree = switch.bridge().map(|bridge| bridge.tree(TreeId::COMMON));
            let ports: BTreeMap<String, PortView> = switch
                .ports()
                .map(|(number, port)| {
                    let role = match tree {
                        Some(_) => port.role(TreeId::COMMON).to_string(),
                        None => String::new(),
                    };
                    let port_view = PortView {
                        role,
                        state: port.state(TreeId::COMMON).to_string(),
                        link: port.is_link_up(),
                        held: held_by(switch, number),
                        mode: port.settings().mode.clone(),
                    };
                    (port.settings().name.to_string(), port_view)
                })
                .collect();
            let config = switch.bridge_config();
            let switch_view = SwitchView {
                pid: 0,
                address: config.address,
                priority: config.priority.get(),
                root: tree.map(|tree| tree.root.address()),
                root_path_cost: tree.map_or(0, |tree| tree.root_path_cost),
                ports,
                trees: trees(switch),
            };
            view.switches
                .insert(self.world.map().name(node).to_owned(), switch_view);
        }
        for (vm, places) in &self.vms {
            view.vms.insert(vm.clone(), places.host.clone());
        }
        view
    }

    /// Whether the tree stands, as [`View::is_converged`] says it for switches that run.
    pub(super) fn is_converged(&self) -> bool {
        // Cheap first: it is asked after every step.
        self.world.is_settled() && self.view().is_converged()
    }
}

/// The trees a switch is in.
fn trees(switch: &Switch) -> Vec<TreeStates> {
    let states = |tree: TreeId| {
        let mut unsettled = BTreeSet::new();
        let ports = switch.ports().filter_map(|(number, port)| {
            let seen = switch.port_in_tree(tree, number)?;
            let (role, state) = (seen.role.to_string(), seen.state.to_string());
            let name = port.settings().name.to_string();
            if !is_settled(&role, &state) {
                unsettled.insert(name.clone());
            }
            Some((name, state))
        });
        TreeStates {
            vlans: switch.vlans_of(tree),
            states: ports.collect(),
            unsettled,
        }
    };
    switch.trees().into_iter().map(states).collect()
}
