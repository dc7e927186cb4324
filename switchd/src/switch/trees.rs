//! What management wants of the spanning trees, all of it live: protocol, priorities, and which VLAN goes by which tree.

use std::collections::BTreeSet;
use std::time::Duration;

use etherparse::VlanId;
use stp::{BridgeConfig, BridgePriority, PortNumber, PortRole, PortState, TreeId};

use super::Switch;
use crate::event::FlushReason;
use crate::ports::Ports;
use crate::trees::{Deeds, Engine, Instances, TreeMap, TreeProtocol};
use crate::vlan::default_vid;

impl Switch {
    /// Changes identifier or timers of the bridge, now or, while spanning tree is off, for later.
    pub fn set_bridge(&mut self, now: Duration, config: BridgeConfig, out: &mut impl Ports) {
        self.bridge_config = config;
        self.drive(now, out, |engine| engine.configure(now, config));
        self.arrange_trees(now, out);
    }

    /// Changes the protocol, every port starting over from discarding; or off, every port with carrier forwarding at
    /// once.
    pub fn set_protocol(&mut self, now: Duration, protocol: TreeProtocol, out: &mut impl Ports) {
        if protocol == self.protocol {
            return;
        }
        let numbers: Vec<PortNumber> = self.ports().map(|(number, _)| number).collect();
        for &port in &numbers {
            self.disable_everywhere(now, port, out);
        }
        self.cam.set_short_ageing(now, None);
        self.protocol = protocol;
        self.engine = Engine::new(protocol, self.bridge_config, &self.instances);
        for &port in &numbers {
            if let Some(state) = self.port_mut(port) {
                state.trees.clear();
            }
        }
        self.map_vlans();
        for &port in &numbers {
            let Some(state) = self.port(port) else {
                continue;
            };
            let (stp, runs) = (state.settings.stp, state.may_run());
            self.drive(now, out, |engine| engine.add_port(now, port, stp));
            self.drive(now, out, |engine| engine.set_port_enabled(now, port, runs));
        }
        self.arrange_trees(now, out);
        for port in numbers {
            self.start_port(now, port, out);
        }
    }

    /// Changes what tells the trees apart. VLANs that change their tree forward again once their new tree says so.
    pub fn set_instances(&mut self, now: Duration, instances: Instances, out: &mut impl Ports) {
        if instances != self.instances {
            self.instances = instances;
            self.arrange_trees(now, out);
        }
    }

    /// Forgets that a classic bridge was heard on the port: speaks the rapid protocol there again, and classic only if one
    /// is still heard (mcheck, 802.1D-2004 17.19.13).
    pub fn check_migration(&mut self, now: Duration, port: PortNumber, out: &mut impl Ports) {
        self.drive(now, out, |engine| engine.check_migration(now, port));
    }

    /// Whether the ends of the port's link do not agree about a tree's VLAN. What comes of its tree meanwhile is not heard.
    pub(crate) fn is_held(&self, port: PortNumber, tree: TreeId) -> bool {
        match &self.engine {
            Engine::PerVlan(bridges) => bridges.is_held(port, tree),
            Engine::Off | Engine::One(_) => false,
        }
    }

    /// Every port out of every tree, before the trees themselves go.
    fn disable_everywhere(&mut self, now: Duration, port: PortNumber, out: &mut impl Ports) {
        self.drive(now, out, |engine| engine.remove_port(now, port));
        let Some(state) = self.port(port) else {
            return;
        };
        let trees: Vec<TreeId> = state.states().map(|(tree, _)| tree).collect();
        for tree in trees {
            self.set_state_in(tree, port, PortRole::Disabled, PortState::Disabled, out);
        }
        self.flush_port(port, FlushReason::NotForwarding, out);
    }

    /// Which VLAN goes by which tree, in the data path.
    pub(super) fn map_vlans(&mut self) {
        let map = match self.protocol {
            TreeProtocol::Off | TreeProtocol::Stp | TreeProtocol::Rstp => TreeMap::common(),
            TreeProtocol::Mstp => {
                let vlans = &self.instances.region.vlans;
                let trees = std::iter::once(TreeId::COMMON).chain(vlans.instances());
                TreeMap::new(trees, |vid| Some(vlans.get(vid)))
            }
            TreeProtocol::Pvst | TreeProtocol::RapidPvst => {
                TreeMap::new(self.vlan_trees(), TreeId::new)
            }
        };
        if map != *self.forwarding.trees() {
            let old = self.forwarding.trees().clone();
            self.forwarding.set_trees(map, self.protocol.is_per_vlan());
            let map = self.forwarding.trees();
            for port in self.ports.iter_mut().flatten() {
                port.trees.retain(|entry| map.slot_of(entry.tree).is_some());
            }
            self.flush_moved(&old);
        }
    }

    /// Forgets what was learned in VLANs that have changed their tree.
    fn flush_moved(&mut self, old: &TreeMap) {
        let map = self.forwarding.trees();
        for vid in 1..=crate::vlan_set::VID_MAX {
            if let Ok(vlan) = VlanId::try_new(vid)
                && old.tree_of(vlan) != map.tree_of(vlan)
            {
                self.cam.flush(cam::Flush {
                    port: None,
                    vlan: Some(vlan),
                    address: None,
                });
            }
        }
    }

    /// The VLANs that have a tree where each has one: VLAN 1, those that a port names, and those management wants.
    fn vlan_trees(&self) -> BTreeSet<TreeId> {
        let named = self.forwarding.vlans().named().map(|(vid, _)| vid);
        std::iter::once(default_vid())
            .chain(named)
            .chain(self.instances.vlans.iter())
            .filter_map(|vid| TreeId::new(vid.value()))
            .collect()
    }

    /// Tells the engine which trees there are, with which priorities, and which port is in which.
    pub(super) fn arrange_trees(&mut self, now: Duration, out: &mut impl Ports) {
        self.map_vlans();
        if self.protocol == TreeProtocol::Mstp {
            self.arrange_region(now, out);
            return;
        }
        if !self.protocol.is_per_vlan() {
            return;
        }
        let common = self.bridge_config.priority;
        let priorities: Vec<(TreeId, BridgePriority)> = self
            .forwarding
            .trees()
            .slots()
            .iter()
            .flatten()
            .map(|&tree| (tree, self.instances.priority(tree, common)))
            .collect();
        let members: Vec<_> = self
            .ports()
            .map(|(number, port)| (number, port.settings.mode.members()))
            .collect();
        let carries = |port: PortNumber, tree: TreeId| {
            let found = members.binary_search_by_key(&port, |(number, _)| *number);
            let vlan = VlanId::try_new(tree.get());
            match (found, vlan) {
                (Ok(index), Ok(vlan)) => members[index].1.contains(vlan),
                _ => false,
            }
        };
        self.drive(now, out, |engine| match engine {
            Engine::PerVlan(bridges) => Deeds::PerVlan(bridges.arrange(now, priorities, carries)),
            Engine::Off | Engine::One(_) => Deeds::NONE,
        });
    }

    /// Region, instances and their priorities. A bridge whose region changes begins again, every port discarding (802.1Q
    /// 13.25.1), so that no VLAN is ever forwarded by two trees.
    fn arrange_region(&mut self, now: Duration, out: &mut impl Ports) {
        let instances = self.instances.clone();
        self.drive(now, out, |engine| engine.set_region(now, &instances));
        for tree in instances.region.vlans.instances() {
            self.drive(now, out, |engine| {
                engine.set_tree_priority(now, tree, &instances)
            });
        }
    }
}
