//! What is shown.

use super::{At, Engine, InfoIs};
use crate::config::Protocol;
use crate::id::{BridgeId, TreeId};
use crate::priority::{PriorityVector, TreeVector};
use crate::status::{PortStatus, TreeStatus};

impl Engine {
    pub(crate) fn tree_ids(&self) -> impl Iterator<Item = TreeId> + '_ {
        self.trees.iter().map(|tree| tree.id)
    }

    pub(crate) fn transitions(&self) -> impl Iterator<Item = super::Transition> + '_ {
        self.taken.iter()
    }

    /// Root, cost to it and root port, as users name them: of the common tree the common root.
    pub(super) fn root_of(&self, index: usize) -> (BridgeId, u32, Option<usize>) {
        let tree = &self.trees[index];
        let vector = self.shown(index, &tree.root);
        (vector.root, vector.root_path_cost, tree.root_port)
    }

    /// A vector in the four words of [`PriorityVector`].
    fn shown(&self, tree: usize, vector: &TreeVector) -> PriorityVector {
        if tree == 0 {
            vector.common()
        } else {
            vector.internal()
        }
    }

    pub(crate) fn tree_status(&self, id: TreeId) -> TreeStatus {
        let index = self.find(id).unwrap_or(0);
        let (root, root_path_cost, root_port) = self.root_of(index);
        let tree = &self.trees[index];
        let tc_due = tree.ports.iter().filter_map(|port| port.tc_while.due());
        let hello_due = self.ports.iter().filter_map(|port| port.hello_when.due());
        TreeStatus {
            tree: tree.id,
            protocol: self.protocol(),
            bridge: tree.bridge_id,
            root,
            root_path_cost,
            regional_root: tree.root.regional_root,
            internal_root_path_cost: tree.root.internal_root_path_cost,
            remaining_hops: self.region.map(|_| tree.root_times.remaining_hops),
            root_port: root_port.map(|port| self.ports[port].number),
            times: self.trees[0].root_times.in_force(),
            topology_change: tree.topology_change,
            epoch: self.stamp(index),
            hello_due: hello_due.min().filter(|_| root_port.is_none()),
            topology_change_notification_due: None,
            topology_change_due: tc_due.max(),
        }
    }

    pub(super) const fn protocol(&self) -> Protocol {
        match self.region {
            None => Protocol::Rstp,
            Some(_) => Protocol::Mstp,
        }
    }

    /// The port in a tree. What management and the link say is the bridge's to fill in.
    pub(crate) fn port_status(&self, index: usize, id: TreeId) -> PortStatus {
        let tree = self.find(id).unwrap_or(0);
        let at = At { tree, port: index };
        let shared = &self.ports[index];
        let port = self.tp(at);
        let full = shared.tx_count >= self.config.transmit_hold_count.get();
        let path = self.root_path(at).map(|(path, _, _)| path);
        let mut counters = shared.counters;
        counters.forward_transitions += port.forward_transitions;
        counters.message_age_expiries += port.expiries;
        PortStatus {
            port: shared.number,
            tree: self.trees[tree].id,
            role: port.role,
            state: self.state(at),
            id: port.id,
            path_cost: port.path_cost,
            enabled: true,
            link_up: shared.enabled,
            point_to_point: shared.is_point_to_point(),
            admin_edge: shared.config.admin_edge,
            edge: shared.oper_edge && shared.enabled,
            designated: self.shown(tree, &port.port_priority),
            root_path: path.map(|path| self.shown(tree, &path)),
            offer: self.shown(tree, &port.designated_priority),
            topology_change_acknowledge: shared.tc_ack,
            config_pending: full && shared.new_info,
            change_detection_enabled: !shared.oper_edge,
            message_age: (port.info_is == InfoIs::Received).then_some(port.port_times.message_age),
            message_age_due: port.rcvd_info_while.due(),
            forward_delay_due: port.fd_while.due(),
            hold_until: shared.tick.due().filter(|_| full),
            inconsistent: self.inconsistency(at),
            send_rstp: shared.send_rstp,
            boundary: self.region.is_some() && shared.enabled && !shared.info_internal,
            heard_epoch: shared.heard_stamp,
            state_since: port.state_since,
            counters,
        }
    }
}
