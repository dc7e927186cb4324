//! Root and designated ports (802.1D-1998 8.6.7 to 8.6.10).

use super::{Context, Tree};
use crate::event::Action;

impl Tree {
    /// 8.6.7.
    pub(super) fn configuration_update(&mut self, context: &mut Context<'_>) {
        self.root_selection(context);
        self.designated_port_selection();
    }

    /// 8.6.8: the best way to a root better than this bridge, among the ports where another bridge (or another port)
    /// is designated; at equal ways the lowest port identifier. If there is none, this bridge is the root.
    fn root_selection(&mut self, context: &mut Context<'_>) {
        let before = (self.designated_root, self.root_path_cost, self.root_port);
        let best = (0..self.ports.len())
            .filter(|&index| {
                let port = &self.ports[index];
                port.is_enabled()
                    && port.designated.root < self.bridge_id
                    && !self.is_designated_port(index)
            })
            .min_by_key(|&index| (self.ports[index].root_path(), self.ports[index].id));
        self.root_port = best;
        match best {
            Some(index) => {
                let path = self.ports[index].root_path();
                self.designated_root = path.root;
                self.root_path_cost = path.root_path_cost;
            }
            None => {
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

    /// 8.6.9: this bridge speaks for a LAN if it did already, if the LAN believes in another root, or if what it has
    /// to say is better than what is said there.
    fn designated_port_selection(&mut self) {
        for index in 0..self.ports.len() {
            let port = &self.ports[index];
            if self.is_designated_port(index)
                || port.designated.root != self.designated_root
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
