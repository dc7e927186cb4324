//! What is shown of a tree.

use super::Tree;
use crate::config::Protocol;
use crate::status::{PortStatus, TreeStatus};
use crate::times::HOLD_TIME;

impl Tree {
    pub(crate) fn role(&self, index: usize) -> crate::PortRole {
        self.ports[index].role
    }

    pub(crate) fn status(&self) -> TreeStatus {
        TreeStatus {
            tree: self.id,
            protocol: Protocol::Stp,
            bridge: self.bridge_id,
            root: self.designated_root,
            root_path_cost: self.root_path_cost,
            regional_root: self.bridge_id,
            internal_root_path_cost: 0,
            remaining_hops: None,
            root_port: self.root_port.map(|index| self.number(index)),
            times: self.times,
            topology_change: self.topology_change,
            epoch: None,
            hello_due: self.hello_timer.due(self.times.hello_time),
            topology_change_notification_due: self
                .topology_change_notification_timer
                .due(self.bridge_times.hello_time()),
            topology_change_due: self
                .topology_change_timer
                .due(self.bridge_times.topology_change_time()),
        }
    }

    /// The port in this tree. What management and the link say is the bridge's to fill in.
    pub(crate) fn port_status(&self, index: usize) -> PortStatus {
        let port = &self.ports[index];
        let foreign = port.is_enabled() && port.designated.designated_bridge != self.bridge_id;
        PortStatus {
            port: port.number,
            tree: self.id,
            role: port.role,
            state: port.state,
            id: port.id,
            path_cost: port.path_cost,
            enabled: true,
            link_up: port.is_enabled(),
            point_to_point: false,
            admin_edge: port.edge,
            edge: port.edge,
            designated: port.designated,
            root_path: port.root_path().filter(|_| foreign),
            offer: self.offer(port.id),
            topology_change_acknowledge: port.topology_change_acknowledge,
            config_pending: port.config_pending,
            change_detection_enabled: port.change_detection_enabled(),
            message_age: port.message_age_timer.initial(),
            message_age_due: port.message_age_timer.due(self.times.max_age),
            forward_delay_due: port.forward_delay_timer.due(self.times.forward_delay),
            hold_until: port.hold_timer.due(HOLD_TIME),
            inconsistent: port.inconsistent,
            send_rstp: false,
            boundary: false,
            heard_epoch: None,
            state_since: port.state_since,
            counters: port.counters,
        }
    }
}
