//! A live bridge: ports that come and go, links, settings.

use core::time::Duration;

use super::countdown::Countdown;
use super::dues::Dues;
use super::settle::Marks;
use super::times::Times;
use super::{
    Actions, At, Engine, Heard, InfoIs, MIGRATE_TIME, Message, Port, RcvdInfo, Transitions, Tree,
    TreePort, detection, information, migration, receive, role_selection, role_transition,
    state_transition, topology_change, transmit,
};
use crate::bpdu::{Bpdu, MstBpdu, MstiRecord, RstBpdu, RstRole};
use crate::config::{BridgeConfig, PortConfig, TreeConfig, TreePortConfig};
use crate::cost::PathCost;
use crate::event::PortRole;
use crate::id::{BridgeId, PortId, PortNumber, TreeId};
use crate::priority::TreeVector;
use crate::region::ConfigurationId;
use crate::status::{PortCounters, TopologyChangeStatus};

/// What a link is, as far as a port has one that may be used.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Link {
    pub(crate) operational: bool,
    pub(crate) cost: PathCost,
    pub(crate) point_to_point: bool,
}

impl Engine {
    /// A bridge without ports, with the common tree and the region's instances.
    pub(crate) fn new(
        now: Duration,
        config: BridgeConfig,
        region: Option<ConfigurationId>,
        instances: &[(TreeId, TreeConfig)],
    ) -> Self {
        let common = (
            TreeId::COMMON,
            TreeConfig {
                priority: config.priority,
            },
        );
        let mut trees: Vec<Tree> = core::iter::once(&common)
            .chain(region.map_or(&[][..], |_| instances))
            .map(|&(id, tree)| Tree::new(id, tree, &config))
            .collect();
        trees.sort_by_key(|tree| tree.id);
        let mut engine = Self {
            config,
            region,
            ports: Vec::new(),
            trees,
            now,
            marks: Marks::default(),
            dues: Dues::default(),
            taken: Transitions::new(),
        };
        for tree in 0..engine.trees.len() {
            let own = engine.bridge_priority(tree);
            let hops = config.max_hops.get();
            let times = if tree == 0 {
                Times::of_bridge(&config.times, hops)
            } else {
                Times::of_hops(hops)
            };
            let tree = &mut engine.trees[tree];
            tree.root = own;
            tree.root_times = times;
        }
        engine
    }

    /// Adds a port without a link.
    pub(crate) fn insert_port(
        &mut self,
        index: usize,
        number: PortNumber,
        config: PortConfig,
        actions: &mut Actions,
    ) {
        self.ports.insert(index, Port::new(number, config));
        self.dues.insert(index);
        for tree in 0..self.trees.len() {
            let root = self.trees[tree].root;
            let tree = &mut self.trees[tree];
            tree.root_port = tree.root_port.map(|port| port + usize::from(port >= index));
            let told = &mut tree.told_root.2;
            *told = told.map(|port| port + usize::from(port >= index));
            tree.ports.insert(index, TreePort::new(number, root));
            tree.dues.insert(index);
        }
        self.resize_marks();
        self.update_identity(index);
        self.settle(actions);
    }

    /// Removes a port, which is disabled and so is nobody's root port.
    pub(crate) fn remove_port(&mut self, index: usize) {
        self.ports.remove(index);
        self.dues.remove(index);
        for tree in &mut self.trees {
            let removed = tree.ports.remove(index);
            tree.changing_ports -= usize::from(removed.told_changing);
            tree.dues.remove(index);
            tree.root_port = tree.root_port.map(|port| port - usize::from(port > index));
            let told = &mut tree.told_root.2;
            *told = told.map(|port| port - usize::from(port > index));
        }
        self.resize_marks();
        let mut nothing = Actions::new();
        self.settle(&mut nothing);
        debug_assert!(nothing.is_empty(), "a disabled port was missed");
    }

    fn resize_marks(&mut self) {
        self.marks.resize(self.ports.len());
        for tree in &mut self.trees {
            tree.marks.resize(self.ports.len());
        }
    }

    /// Follows what management and the link say of a port.
    pub(crate) fn set_port(
        &mut self,
        index: usize,
        config: PortConfig,
        link: Link,
        actions: &mut Actions,
    ) {
        let port = &mut self.ports[index];
        let old = core::mem::replace(&mut port.config, config);
        port.link_cost = link.cost;
        port.link_point_to_point = link.point_to_point;
        if old.restricted_role != config.restricted_role {
            for tree in 0..self.trees.len() {
                self.reselect(At { tree, port: index });
            }
        }
        self.update_identity(index);
        self.update_enabled(index, link.operational);
        if !config.loop_guard {
            self.release_loop_guard(index);
        }
        if old.bridge_assurance != config.bridge_assurance {
            self.watch(index);
        }
        self.mark(index);
        self.settle(actions);
    }

    fn release_loop_guard(&mut self, index: usize) {
        for tree in &mut self.trees {
            let held = &mut tree.ports[index].held;
            if *held == Some(crate::Inconsistency::Loop) {
                *held = None;
            }
        }
    }

    /// Time has passed and nothing is due.
    pub(crate) const fn set_time(&mut self, now: Duration) {
        self.now = now;
    }

    /// mcheck (802.1D-2004 17.19.13): finds out again whether classic bridges are there.
    pub(crate) fn mcheck(&mut self, index: usize, actions: &mut Actions) {
        self.ports[index].mcheck = true;
        self.mark(index);
        self.settle(actions);
    }

    /// portEnabled follows.
    fn update_enabled(&mut self, index: usize, enabled: bool) {
        let now = self.now;
        let port = &mut self.ports[index];
        if enabled == port.enabled {
            return;
        }
        port.enabled = enabled;
        if enabled {
            port.edge_delay_while.release(now);
            port.mdelay_while.release(now);
            self.watch(index);
        } else {
            port.edge_delay_while.hold(MIGRATE_TIME);
            port.assurance_while.stop();
            port.rcvd_bpdu = None;
            port.heard_stamp = None;
            port.heard_common = None;
            port.info_internal = false;
        }
        self.mark(index);
    }

    /// Port identifiers and costs follow the settings.
    fn update_identity(&mut self, index: usize) {
        let (number, config, link_cost) = {
            let port = &self.ports[index];
            (port.number, port.config, port.link_cost)
        };
        for tree in 0..self.trees.len() {
            let at = At { tree, port: index };
            let port = self.tp_mut(at);
            if tree == 0 {
                port.priority = config.priority;
                port.own_cost = config.path_cost;
            }
            let id = PortId::new(port.priority, number);
            let path_cost = port.own_cost.unwrap_or(link_cost);
            if (port.id, port.path_cost) != (id, path_cost) {
                port.id = id;
                port.path_cost = path_cost;
                self.reselect(at);
            }
        }
    }

    /// Another priority or other times. The address stays: another one is another bridge.
    pub(crate) fn set_bridge(&mut self, config: BridgeConfig, actions: &mut Actions) {
        let old = core::mem::replace(&mut self.config, config);
        self.trees[0].priority = config.priority;
        self.trees[0].bridge_id = config.id();
        self.reselect_all(0);
        if old.epochs != config.epochs {
            // Who vouches for what is another question now.
            for tree in 1..self.trees.len() {
                self.reselect_all(tree);
            }
        }
        self.settle(actions);
    }

    /// Another priority in a tree of the region.
    pub(crate) fn set_tree(&mut self, id: TreeId, config: TreeConfig, actions: &mut Actions) {
        if let Some(index) = self.find(id) {
            let address = self.config.address;
            let tree = &mut self.trees[index];
            tree.priority = config.priority;
            tree.bridge_id = BridgeId::new(config.priority, address).with_extension(tree.id.get());
            self.reselect_all(index);
            self.settle(actions);
        }
    }

    fn reselect_all(&mut self, tree: usize) {
        for port in 0..self.ports.len() {
            self.reselect(At { tree, port });
        }
        if self.ports.is_empty() {
            self.trees[tree].root = self.bridge_priority(tree);
            self.trees[tree].root_times =
                Times::of_bridge(&self.config.times, self.config.max_hops.get());
        }
    }

    /// A port's settings in a tree of the region.
    pub(crate) fn set_tree_port(
        &mut self,
        index: usize,
        id: TreeId,
        config: TreePortConfig,
        actions: &mut Actions,
    ) {
        if let Some(tree) = self.find(id).filter(|&tree| tree != 0) {
            let port = &mut self.trees[tree].ports[index];
            port.priority = config.priority;
            port.own_cost = config.path_cost;
            self.update_identity(index);
            self.settle(actions);
        }
    }

    pub(super) fn find(&self, id: TreeId) -> Option<usize> {
        self.trees.binary_search_by_key(&id, |tree| tree.id).ok()
    }

    /// Takes a BPDU, if the port is enabled and it is not its own.
    pub(crate) fn receive(&mut self, index: usize, bpdu: &Bpdu, actions: &mut Actions) {
        let port = &mut self.ports[index];
        if !port.enabled {
            port.counters.discarded_disabled += 1;
            return;
        }
        port.counters.count_received(bpdu);
        if self.is_own(index, bpdu) {
            self.ports[index].counters.discarded_own += 1;
            return;
        }
        self.rcv_msgs(index, bpdu);
        self.mark(index);
        self.settle(actions);
    }

    /// Whether this very port has sent it (802.1D-2004 9.3.4).
    fn is_own(&self, index: usize, bpdu: &Bpdu) -> bool {
        let (bridge, port) = match bpdu {
            Bpdu::Config(config) => (config.bridge, config.port),
            Bpdu::Rst(rst) => (rst.config.bridge, rst.config.port),
            Bpdu::Mst(mst) => (mst.bridge, mst.cist.config.port),
            Bpdu::Tcn => return false,
        };
        bridge.address() == self.config.address && port.number() == self.ports[index].number.get()
    }

    /// rcvMsgs (802.1Q 13.26.12): the common tree's message and, from a bridge of the region, the instances'.
    fn rcv_msgs(&mut self, index: usize, bpdu: &Bpdu) {
        let hops = self.config.max_hops.get();
        let (message, rapid) = match bpdu {
            Bpdu::Config(config) => (Message::of_config(config, hops), false),
            Bpdu::Tcn => (Message::NOTIFICATION, false),
            Bpdu::Rst(rst) => (Message::of_rst(rst, hops), true),
            Bpdu::Mst(mst) => (Message::of_rst(&mst.cist, hops), true),
        };
        self.ports[index].heard_stamp = Some(message.epoch.is_some());
        self.hear_epoch(0, message.epoch);
        self.trees[0].ports[index].message = Some(message);
        let mut internal = false;
        if let (Bpdu::Mst(mst), Some(region)) = (bpdu, self.region)
            && mst.configuration == region
        {
            internal = true;
            let message = Message::of_region(mst);
            self.trees[0].ports[index].message = Some(message);
            self.ports[index].heard_common = Some(message.priority);
            for record in &mst.records {
                self.take_record(index, mst, record);
            }
        }
        self.ports[index].rcvd_bpdu = Some(Heard { rapid, internal });
    }

    fn take_record(&mut self, index: usize, mst: &MstBpdu, record: &MstiRecord) {
        let number = record.regional_root.extension();
        let tree = TreeId::new(number).and_then(|id| self.find(id));
        let Some(tree) = tree.filter(|&tree| tree != 0) else {
            return;
        };
        self.hear_epoch(tree, record.epoch);
        let point_to_point = self.ports[index].is_point_to_point();
        let port = &mut self.trees[tree].ports[index];
        port.message = Some(Message::of_record(mst, record));
        port.mastered = record.master && point_to_point;
    }
}

impl Message {
    const NOTIFICATION: Self = Self {
        notification: true,
        role: RstRole::Unknown,
        priority: TreeVector {
            root: BridgeId::NONE,
            external_root_path_cost: 0,
            regional_root: BridgeId::NONE,
            internal_root_path_cost: 0,
            designated_bridge: BridgeId::NONE,
            designated_port: PortId::from_octets([0, 0]),
        },
        times: Times::of_hops(0),
        proposal: false,
        agreement: false,
        learning: false,
        topology_change: false,
        acknowledgment: false,
        epoch: None,
    };

    /// From outside: the sender is a region of its own, or speaks for its region.
    fn of_config(config: &crate::ConfigBpdu, hops: u8) -> Self {
        Self {
            notification: false,
            role: RstRole::Designated,
            priority: TreeVector {
                root: config.root,
                external_root_path_cost: config.root_path_cost,
                regional_root: config.bridge,
                internal_root_path_cost: 0,
                designated_bridge: config.bridge,
                designated_port: config.port,
            },
            times: Times::of_bpdu(config, hops),
            proposal: false,
            agreement: false,
            learning: false,
            topology_change: config.topology_change,
            acknowledgment: config.topology_change_acknowledgment,
            epoch: None,
        }
    }

    /// A role that is unknown makes it a configuration BPDU (802.1D-2004 9.2.9).
    fn of_rst(rst: &RstBpdu, hops: u8) -> Self {
        let config = Self {
            epoch: rst.epoch,
            ..Self::of_config(&rst.config, hops)
        };
        if rst.role == RstRole::Unknown {
            return config;
        }
        Self {
            role: rst.role,
            proposal: rst.proposal,
            agreement: rst.agreement,
            learning: rst.learning,
            ..config
        }
    }

    /// From a bridge of the region.
    fn of_region(mst: &MstBpdu) -> Self {
        let message = Self::of_rst(&mst.cist, mst.remaining_hops);
        Self {
            priority: TreeVector {
                internal_root_path_cost: mst.internal_root_path_cost,
                designated_bridge: mst.bridge,
                ..message.priority
            },
            ..message
        }
    }

    /// Of an instance. The sending port's number stands with the common tree's.
    fn of_record(mst: &MstBpdu, record: &MstiRecord) -> Self {
        let [high, low] = mst.cist.config.port.octets();
        let number_high = high & 0x0f;
        let instance = record.regional_root.extension();
        Self {
            notification: false,
            role: record.role,
            priority: TreeVector {
                root: BridgeId::NONE,
                external_root_path_cost: 0,
                regional_root: record.regional_root,
                internal_root_path_cost: record.internal_root_path_cost,
                designated_bridge: BridgeId::new(record.bridge_priority, mst.bridge.address())
                    .with_extension(instance),
                designated_port: PortId::from_octets([
                    record.port_priority.get() | number_high,
                    low,
                ]),
            },
            times: Times::of_hops(record.remaining_hops),
            proposal: record.proposal,
            agreement: record.agreement,
            learning: record.learning,
            topology_change: record.topology_change,
            acknowledgment: false,
            epoch: record.epoch,
        }
    }
}

impl Tree {
    fn new(id: TreeId, tree: TreeConfig, config: &BridgeConfig) -> Self {
        let extension = match id {
            TreeId::COMMON => config.extension,
            instance => instance.get(),
        };
        let bridge_id = BridgeId::new(tree.priority, config.address).with_extension(extension);
        Self {
            id,
            priority: tree.priority,
            bridge_id,
            root: Message::NOTIFICATION.priority,
            root_port: None,
            root_times: Times::default(),
            epoch: 0,
            root_vouched: config.epochs.then_some(0),
            selection: role_selection::State::InitTree,
            ports: Vec::new(),
            marks: Marks::default(),
            dues: Dues::default(),
            told_root: (bridge_id, 0, None),
            topology_change: TopologyChangeStatus::default(),
            changing_ports: 0,
        }
    }
}

impl Port {
    fn new(number: PortNumber, config: PortConfig) -> Self {
        Self {
            number,
            config,
            enabled: false,
            link_cost: PathCost::MIN,
            link_point_to_point: false,
            edge_delay_while: Countdown::Held(MIGRATE_TIME),
            hello_when: Countdown::Zero,
            mdelay_while: Countdown::Held(MIGRATE_TIME),
            tick: Countdown::Zero,
            assurance_while: Countdown::Zero,
            info_internal: false,
            mcheck: false,
            new_info: true,
            new_info_msti: true,
            oper_edge: config.admin_edge,
            rcvd_bpdu: None,
            rcvd_internal: false,
            heard_common: None,
            rcvd_rstp: false,
            rcvd_stp: false,
            rcvd_tc_ack: false,
            rcvd_tcn: false,
            heard_stamp: None,
            send_rstp: true,
            tc_ack: false,
            tx_count: 0,
            receive: receive::State::Discard,
            migration: migration::State::CheckingRstp,
            detection: if config.admin_edge {
                detection::State::Edge
            } else {
                detection::State::NotEdge
            },
            transmit: transmit::State::TransmitInit,
            counters: PortCounters::default(),
            held_outside: None,
        }
    }
}

impl TreePort {
    fn new(number: PortNumber, vector: TreeVector) -> Self {
        let priority = crate::PortPriority::default();
        Self {
            id: PortId::new(priority, number),
            priority,
            own_cost: None,
            path_cost: PathCost::MIN,
            fd_while: Countdown::Zero,
            rr_while: Countdown::Zero,
            rb_while: Countdown::Zero,
            tc_while: Countdown::Zero,
            rcvd_info_while: Countdown::Zero,
            agree: false,
            agreed: false,
            disputed: false,
            fdb_flush: false,
            forward: false,
            forwarding: false,
            learn: false,
            learning: false,
            proposed: false,
            proposing: false,
            rcvd_tc: false,
            re_root: true,
            reselect: true,
            selected: false,
            sync: true,
            synced: false,
            tc_prop: false,
            updt_info: false,
            mastered: false,
            info_is: InfoIs::Disabled,
            rcvd_info: RcvdInfo::Other,
            role: PortRole::Disabled,
            selected_role: PortRole::Disabled,
            port_priority: vector,
            port_times: Times::default(),
            vouched: None,
            designated_priority: vector,
            designated_times: Times::default(),
            message: None,
            rival: None,
            too_old: false,
            held: None,
            information: information::State::Disabled,
            role_transition: role_transition::State::InitPort,
            state_transition: state_transition::State::Discarding,
            topology_change: topology_change::State::Inactive,
            told_changing: false,
            told_role: PortRole::Disabled,
            told_state: crate::PortState::Disabled,
            told_inconsistent: None,
            state_since: None,
            forward_transitions: 0,
            expiries: 0,
        }
    }
}
