//! What is told of what machines have done: each change once, what blocks before what forwards.

use super::{Actions, At, Engine};
use crate::event::{Action, PortRole, PortState, TopologyChangeKind};

impl Engine {
    pub(super) fn publish(&mut self, actions: &mut Actions) {
        for tree in 0..self.trees.len() {
            if self.is_untouched(tree) {
                continue;
            }
            self.publish_root(tree, actions);
            self.publish_ports(tree, actions, Self::publish_role);
            self.publish_ports(tree, actions, |engine, at, actions| {
                engine.publish_state(at, false, actions);
            });
            self.publish_ports(tree, actions, |engine, at, actions| {
                engine.publish_state(at, true, actions);
            });
            self.publish_ports(tree, actions, Self::publish_rest);
            self.publish_topology_change(tree, actions);
        }
    }

    fn publish_ports(
        &mut self,
        tree: usize,
        actions: &mut Actions,
        publish: impl Fn(&mut Self, At, &mut Actions),
    ) {
        let mut from = 0;
        while let Some(port) = self.trees[tree].marks.next(from) {
            publish(self, At { tree, port }, actions);
            from = port + 1;
        }
    }

    fn publish_root(&mut self, tree: usize, actions: &mut Actions) {
        let (root, path_cost, port) = self.root_of(tree);
        if self.trees[tree].told_root == (root, path_cost, port) {
            return;
        }
        let number = port.map(|port| self.ports[port].number);
        let tree = &mut self.trees[tree];
        tree.told_root = (root, path_cost, port);
        actions.push(Action::RootChanged {
            tree: tree.id,
            root,
            path_cost,
            port: number,
        });
    }

    fn publish_role(&mut self, at: At, actions: &mut Actions) {
        let (tree, number) = (self.trees[at.tree].id, self.ports[at.port].number);
        let port = self.tp_mut(at);
        if port.told_role != port.role {
            port.told_role = port.role;
            actions.push(Action::SetRole {
                port: number,
                tree,
                role: port.role,
            });
        }
    }

    fn publish_state(&mut self, at: At, forwards: bool, actions: &mut Actions) {
        let state = self.state(at);
        let (tree, number, now) = (self.trees[at.tree].id, self.ports[at.port].number, self.now);
        let port = self.tp_mut(at);
        if port.told_state == state || state.forwards() != forwards {
            return;
        }
        port.told_state = state;
        port.state_since = Some(now);
        port.forward_transitions += u64::from(forwards);
        actions.push(Action::SetState {
            port: number,
            tree,
            state,
        });
    }

    fn publish_rest(&mut self, at: At, actions: &mut Actions) {
        let inconsistent = self.inconsistency(at);
        let (tree, number) = (self.trees[at.tree].id, self.ports[at.port].number);
        let tree_of = &mut self.trees[at.tree];
        let port = &mut tree_of.ports[at.port];
        let changing = !port.tc_while.is_zero();
        if core::mem::replace(&mut port.told_changing, changing) != changing {
            let changing_ports = &mut tree_of.changing_ports;
            *changing_ports = if changing {
                *changing_ports + 1
            } else {
                *changing_ports - 1
            };
        }
        if core::mem::take(&mut port.fdb_flush) {
            actions.push(Action::Flush { port: number, tree });
        }
        if port.told_inconsistent != inconsistent {
            port.told_inconsistent = inconsistent;
            actions.push(Action::SetInconsistent {
                port: number,
                tree,
                inconsistent,
            });
        }
    }

    fn publish_topology_change(&mut self, tree: usize, actions: &mut Actions) {
        let tree = &mut self.trees[tree];
        let active = tree.changing_ports > 0;
        if tree.topology_change.active == active {
            return;
        }
        tree.topology_change.active = active;
        tree.topology_change.detected = active;
        tree.topology_change.count += u64::from(active);
        actions.push(Action::TopologyChange {
            tree: tree.id,
            port: None,
            kind: if active {
                TopologyChangeKind::Active
            } else {
                TopologyChangeKind::Ended
            },
        });
    }

    /// The state in the words of the classic protocol, of which the rapid one has one, discarding, for three
    /// (802.1D-2004 17.5). A port that may yet forward listens.
    pub(super) fn state(&self, at: At) -> PortState {
        let port = self.tp(at);
        if port.forwarding {
            return PortState::Forwarding;
        }
        if port.learning {
            return PortState::Learning;
        }
        match port.role {
            PortRole::Disabled => PortState::Disabled,
            PortRole::Alternate | PortRole::Backup => PortState::Blocking,
            PortRole::Root | PortRole::Designated | PortRole::Master => {
                if self.is_held(at) {
                    PortState::Blocking
                } else {
                    PortState::Listening
                }
            }
        }
    }
}
