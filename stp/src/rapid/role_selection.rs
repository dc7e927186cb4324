//! Port Role Selection (802.1D-2004 17.28, Figure 17-19, 17.21.25; 802.1Q 13.34, 13.26.23): one machine a tree.

use super::times::Times;
use super::{At, Engine, InfoIs, TreePort};
use crate::event::PortRole;
use crate::id::{BridgeId, PortId};
use crate::priority::TreeVector;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum State {
    InitTree,
    RoleSelection,
}

/// A way to the root: what the port holds, its own cost on top, and the port as the last tie-breaker (17.6).
pub(super) type Path = (TreeVector, PortId, usize);

impl State {
    pub(super) fn next(self, engine: &Engine, tree: usize) -> Option<Self> {
        let mut ports = engine.trees[tree].ports.iter();
        match self {
            Self::InitTree => Some(Self::RoleSelection),
            Self::RoleSelection if ports.any(|port| port.reselect) => Some(Self::RoleSelection),
            Self::RoleSelection => None,
        }
    }

    pub(super) fn enter(self, engine: &mut Engine, tree: usize) {
        match self {
            // updtRoleDisabledTree (17.21.24): ports begin so.
            Self::InitTree => {}
            Self::RoleSelection => {
                // clearReselectTree, updtRolesTree, setSelectedTree (17.21.2, 17.21.25, 17.21.16). Nothing sets
                // reselect meanwhile, so selected is set for all.
                engine.updt_roles_tree(tree);
                for port in &mut engine.trees[tree].ports {
                    port.reselect = false;
                    port.selected = true;
                }
                engine.trees[tree].marks.set_all();
                engine.marks.set_all();
            }
        }
    }
}

impl Engine {
    /// updtRolesTree.
    fn updt_roles_tree(&mut self, tree: usize) {
        let before = self.trees[tree].root;
        self.select_root(tree);
        for port in 0..self.ports.len() {
            let at = At { tree, port };
            let designated_priority = self.designated_priority(at);
            let designated_times = self.designated_times(at);
            let port = self.tp_mut(at);
            port.designated_priority = designated_priority;
            port.designated_times = designated_times;
        }
        for port in 0..self.ports.len() {
            self.select_role(At { tree, port });
        }
        if tree == 0 && self.trees.len() > 1 {
            self.sync_master_if_moved(&before);
            // What an instance's ports are at the region's boundary depends on what they are to the common tree.
            for index in 1..self.trees.len() {
                if let Some(port) = self.trees[index].ports.first_mut() {
                    port.reselect = true;
                }
                for port in &mut self.trees[index].ports {
                    port.selected = false;
                }
                self.trees[index].marks.set_all();
            }
        }
    }

    /// rootPriority, rootPortId, rootTimes: the best of this bridge's own and the ways through its ports.
    fn select_root(&mut self, tree: usize) {
        let (before, vouched) = (self.trees[tree].root, self.trees[tree].root_vouched);
        self.take_root(tree);
        let was_vouched = self.has_epochs() && vouched == Some(self.trees[tree].epoch);
        if was_vouched && self.is_root_lost(tree, &before) {
            self.begin_epoch(tree);
            self.take_root(tree);
        }
    }

    fn take_root(&mut self, tree: usize) {
        let best = self.best_path(tree);
        let own = self.bridge_priority(tree);
        let vouched = match best {
            Some((_, _, port)) => self.tp(At { tree, port }).vouched,
            None => self.has_epochs().then_some(self.trees[tree].epoch),
        };
        let times = match best {
            Some((_, _, port)) => self.times_one_hop_on(At { tree, port }),
            None => self.own_times(tree),
        };
        let tree = &mut self.trees[tree];
        tree.root_port = best.map(|(_, _, port)| port);
        tree.root = best.map_or(own, |(path, _, _)| path);
        tree.root_times = times;
        tree.root_vouched = vouched;
    }

    /// The best way to a root better than this bridge.
    pub(super) fn best_path(&self, tree: usize) -> Option<Path> {
        let own = self.bridge_priority(tree);
        let paths = (0..self.ports.len()).filter_map(|port| self.root_path(At { tree, port }));
        paths.min().filter(|(path, _, _)| *path < own)
    }

    /// BridgePriority (17.18.3; 802.1Q 13.23).
    pub(super) fn bridge_priority(&self, tree: usize) -> TreeVector {
        let id = self.trees[tree].bridge_id;
        TreeVector {
            root: if tree == 0 { id } else { BridgeId::NONE },
            external_root_path_cost: 0,
            regional_root: id,
            internal_root_path_cost: 0,
            designated_bridge: id,
            designated_port: PortId::from_octets([0, 0]),
        }
    }

    fn own_times(&self, tree: usize) -> Times {
        let hops = self.config.max_hops.get();
        if tree == 0 {
            Times::of_bridge(&self.config.times, hops)
        } else {
            Times::of_hops(hops)
        }
    }

    /// The root path priority of a port (17.6; 802.1Q 13.26.23 a): none where this bridge itself is designated, where
    /// root guard forbids it, or where the sum is more than a BPDU can say. Neither does a way lead to the root from
    /// the root: who says that another is the regional root of this one lies, and would be believed.
    pub(super) fn root_path(&self, at: At) -> Option<Path> {
        let shared = &self.ports[at.port];
        let port = self.tp(at);
        let held = port.port_priority;
        let own = self.trees[at.tree].bridge_id;
        if port.info_is != InfoIs::Received
            || held.designated_bridge.address() == own.address()
            || (at.is_common() && held.root == own)
            || shared.config.restricted_role
            || self.is_dead(at.tree, port.vouched)
        {
            return None;
        }
        let cost = port.path_cost.get();
        let path = if at.is_common() && !shared.info_internal {
            TreeVector {
                external_root_path_cost: held.external_root_path_cost.checked_add(cost)?,
                regional_root: own,
                internal_root_path_cost: 0,
                ..held
            }
        } else {
            TreeVector {
                internal_root_path_cost: held.internal_root_path_cost.checked_add(cost)?,
                ..held
            }
        };
        Some((path, port.id, at.port))
    }

    /// portTimes as they are one bridge further: an age of a second more, or a hop less within the region.
    fn times_one_hop_on(&self, at: At) -> Times {
        let times = self.tp(at).port_times;
        if at.is_common() && !self.ports[at.port].info_internal {
            Times {
                message_age: times.age_one_hop_on(),
                remaining_hops: self.config.max_hops.get(),
                ..times
            }
        } else {
            Times {
                remaining_hops: times.remaining_hops.saturating_sub(1),
                ..times
            }
        }
    }

    /// What this bridge would say on the LAN. To bridges that know no regions it is a region of its own.
    fn designated_priority(&self, at: At) -> TreeVector {
        let tree = &self.trees[at.tree];
        let vector = TreeVector {
            designated_bridge: tree.bridge_id,
            designated_port: tree.ports[at.port].id,
            ..tree.root
        };
        if at.is_common() && !self.ports[at.port].send_rstp {
            TreeVector {
                regional_root: tree.bridge_id,
                internal_root_path_cost: 0,
                ..vector
            }
        } else {
            vector
        }
    }

    /// The root's times, but this bridge's own hello time.
    fn designated_times(&self, at: At) -> Times {
        let times = self.trees[at.tree].root_times;
        if at.is_common() {
            Times {
                hello_time: self.hello_time(),
                ..times
            }
        } else {
            times
        }
    }

    fn select_role(&mut self, at: At) {
        let (role, updt_info) = self.role_and_update(at);
        let port = self.tp_mut(at);
        port.selected_role = role;
        port.updt_info = updt_info;
    }

    /// The port's role, and whether its own word is to be spread, by whose word is known.
    fn role_and_update(&self, at: At) -> (PortRole, bool) {
        let tree = &self.trees[at.tree];
        let port = self.tp(at);
        let differs = port.info_is != InfoIs::Mine
            || port.port_priority != port.designated_priority
            || port.port_times != port.designated_times
            || port.vouched != tree.root_vouched;
        if port.info_is == InfoIs::Disabled {
            return (PortRole::Disabled, false);
        }
        if let Some(role) = self.role_at_boundary(at) {
            return (role, differs);
        }
        match port.info_is {
            InfoIs::Disabled => (PortRole::Disabled, false),
            InfoIs::Aged => (PortRole::Designated, true),
            InfoIs::Mine => (PortRole::Designated, differs),
            InfoIs::Received if tree.root_port == Some(at.port) => (PortRole::Root, false),
            InfoIs::Received if port.designated_priority < port.port_priority => {
                (PortRole::Designated, true)
            }
            InfoIs::Received if is_word_of(port, tree.bridge_id) => (PortRole::Backup, false),
            InfoIs::Received => (PortRole::Alternate, false),
        }
    }

    /// Of an instance where the region ends (802.1Q 13.26.23 g, h): the common root port leads out of the region for all
    /// instances, and what the common tree blocks is blocked for all.
    fn role_at_boundary(&self, at: At) -> Option<PortRole> {
        let common = self.common(at.port);
        if at.is_common() || common.info_is != InfoIs::Received || self.ports[at.port].info_internal
        {
            return None;
        }
        match common.selected_role {
            PortRole::Root => Some(PortRole::Master),
            PortRole::Alternate => Some(PortRole::Alternate),
            PortRole::Backup => Some(PortRole::Backup),
            PortRole::Designated | PortRole::Disabled | PortRole::Master => None,
        }
    }

    /// syncMaster (802.1Q 13.26.17), if the region has got another root for the way out: instances within the region
    /// agree anew.
    fn sync_master_if_moved(&mut self, before: &TreeVector) {
        let now = self.trees[0].root;
        let leads_out = before.external_root_path_cost != 0 || now.external_root_path_cost != 0;
        if before.regional_root == now.regional_root || !leads_out {
            return;
        }
        for tree in &mut self.trees[1..] {
            for (port, shared) in tree.ports.iter_mut().zip(&self.ports) {
                if shared.info_internal {
                    port.agree = false;
                    port.agreed = false;
                    port.synced = false;
                    port.sync = true;
                }
            }
        }
    }
}

/// Whether another port of this bridge is designated on the LAN.
pub(super) fn is_word_of(port: &TreePort, own: BridgeId) -> bool {
    port.port_priority.designated_bridge.address() == own.address()
}
