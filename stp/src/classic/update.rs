//! Root and designated ports (802.1D-1998 8.6.7 to 8.6.10).

use super::{Context, Tree, TreePort};
use crate::event::Action;
use crate::priority::PriorityVector;

impl Tree {
    /// 8.6.7.
    pub(super) fn configuration_update(&mut self, context: &mut Context<'_>) {
        self.root_selection(context);
        self.designated_port_selection();
    }

    /// 8.6.8: the best way to a root better than this bridge, among the ports where another bridge is designated; at
    /// equal ways the lowest port identifier. If there is none, this bridge is the root.
    ///
    /// A backup port, which holds this bridge's own word, is no candidate (as in 802.1D-2004 17.21.25): else the bridge
    /// would follow itself, once its root port has failed, until that word is too old.
    fn root_selection(&mut self, context: &mut Context<'_>) {
        let before = (self.designated_root, self.root_path_cost, self.root_port);
        let ports = self.ports.iter().enumerate();
        let best = ports
            .filter_map(|(index, port)| Some((self.candidate(port)?, port.id, index)))
            .min();
        match best {
            Some((path, _, index)) => {
                self.root_port = Some(index);
                self.designated_root = path.root;
                self.root_path_cost = path.root_path_cost;
            }
            None => {
                self.root_port = None;
                self.designated_root = self.bridge_id;
                self.root_path_cost = 0;
            }
        }
        if before != (self.designated_root, self.root_path_cost, self.root_port) {
            context.act(Action::RootChanged {
                tree: self.id,
                root: self.designated_root,
                path_cost: self.root_path_cost,
                port: self.root_port.map(|index| self.number(index)),
            });
        }
    }

    /// The way to a better root through a port, if it may be taken.
    pub(super) fn candidate(&self, port: &TreePort) -> Option<PriorityVector> {
        let may_be_root = port.is_enabled()
            && !port.restricted_role
            && port.designated.root < self.bridge_id
            && port.designated.designated_bridge != self.bridge_id;
        port.root_path().filter(|_| may_be_root)
    }

    /// 8.6.9: this bridge speaks for a LAN if it did already, if the LAN believes in another root, or if what it has
    /// to say is better than what is said there. A port that root guard keeps from a better root does not speak
    /// against it: it blocks until that information is too old.
    fn designated_port_selection(&mut self) {
        for index in 0..self.ports.len() {
            let port = &self.ports[index];
            let guarded = port.restricted_role && port.message_age_timer.is_running();
            if self.is_designated_port(index)
                || (port.designated.root != self.designated_root && !guarded)
                || self.offer(port.id) <= port.designated
            {
                self.become_designated_port(index);
            }
        }
    }

    /// 8.6.10.
    pub(super) fn become_designated_port(&mut self, index: usize) {
        self.ports[index].designated = self.offer(self.ports[index].id);
    }
}
