//! The switch as a value: spanning tree, CAM and Forwarding Process behind one surface.
//!
//! Methods that change something take `now` and a [`Ports`] for the effects, and are of three kinds: what
//! happened ([`Switch::receive`], [`Switch::link_up`], [`Switch::link_down`], [`Switch::timeout`]), what
//! management wants (`add_port`, `set_…`, `flush`), and getters. `now` never goes back.

mod manage;
mod protect;
mod trees;

use std::sync::Arc;
use std::time::Duration;

use cam::{Flush, MacTable, MacTableConfig, Mirror};
use etherparse::VlanId;
use pnet_base::MacAddr;
use stp::{
    Action, Bridge, BridgeConfig, PathCost, PortNumber, PortRole, PortState, PortStatus, Reason,
    TreeId, TreeStatus,
};
use thiserror::Error;

use crate::counters::PortCounters;
use crate::effects::Effects;
use crate::event::{Event, FlushReason};
use crate::forward::{Decision, Forwarding};
use crate::meter::{Meter, RateLimits};
use crate::port_name::PortName;
use crate::ports::Ports;
use crate::portset::PORTS_MAX;
use crate::protect::{DisableReason, LoopDetection, Protection, StormControl};
use crate::trees::{Deeds, Engine, Instances, TreeProtocol};
use crate::vlan::{AcceptableFrames, PortMode, VlanTable};
use crate::vlan_set::{VID_MAX, VlanSet};

/// Entries looked at for expiry per [`Switch::timeout`]; more of them due means another timeout at once.
const EXPIRE_BUDGET: usize = 256;

/// What a switch is made with.
#[derive(Clone, Debug)]
pub struct SwitchConfig {
    /// Identifier and timers; kept for later while spanning tree is off. Its protocol follows from `protocol`.
    pub bridge: BridgeConfig,
    /// Which spanning tree runs. A hypervisor's vSwitch runs none.
    pub protocol: TreeProtocol,
    /// What tells its trees apart, where there are several.
    pub instances: Instances,
    /// Capacity, hash key and ageing of the CAM.
    pub cam: MacTableConfig,
}

/// What is configured of a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortSettings {
    /// Its name.
    pub name: PortName,
    /// Its address: the source of its BPDUs.
    pub address: MacAddr,
    /// How it takes part in VLANs.
    pub mode: PortMode,
    /// What it accepts; `None`: what its mode accepts.
    pub acceptable: Option<AcceptableFrames>,
    /// Whether frames of VLANs it is not a member of are dropped (802.1Q 8.6.2).
    pub ingress_filtering: bool,
    /// Administrative state.
    pub enabled: bool,
    /// Spanning tree parameters.
    pub stp: stp::PortConfig,
    /// Limits of flooded frames.
    pub storm: StormControl,
    /// What to do about a loop that flapping addresses give away.
    pub loop_detection: LoopDetection,
    /// How much it takes in and sends.
    pub rate: RateLimits,
}

impl PortSettings {
    /// A port in VLAN 1 with everything at its default.
    #[must_use]
    pub fn new(name: PortName, address: MacAddr) -> Self {
        Self {
            name,
            address,
            mode: PortMode::default(),
            acceptable: None,
            ingress_filtering: true,
            enabled: true,
            stp: stp::PortConfig::default(),
            storm: StormControl::default(),
            loop_detection: LoopDetection::default(),
            rate: RateLimits::default(),
        }
    }
}

/// A port of a [`Switch`].
#[derive(Clone, Debug)]
pub struct Port {
    pub(crate) settings: PortSettings,
    pub(crate) counters: PortCounters,
    pub(crate) protection: Protection,
    pub(crate) meter: Meter,
    link: Option<Link>,
    /// Ascending by tree.
    trees: Vec<PortInTree>,
}

/// What the data path knows of a port in one tree.
#[derive(Clone, Copy, Debug)]
struct PortInTree {
    tree: TreeId,
    role: PortRole,
    state: PortState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Link {
    cost: PathCost,
    point_to_point: bool,
}

impl Port {
    /// What is configured.
    #[must_use]
    pub fn settings(&self) -> &PortSettings {
        &self.settings
    }

    /// What it counted.
    #[must_use]
    pub fn counters(&self) -> &PortCounters {
        &self.counters
    }

    /// Whether it has carrier.
    #[must_use]
    pub fn is_link_up(&self) -> bool {
        self.link.is_some()
    }

    /// Its role on `tree`; designated where spanning tree is off and the port works. Where every VLAN has a tree,
    /// [`TreeId::COMMON`] stands for that of the port's own VLAN.
    #[must_use]
    pub fn role(&self, tree: TreeId) -> PortRole {
        self.in_tree(tree)
            .map_or(PortRole::Disabled, |entry| entry.role)
    }

    /// Its state on `tree`; [`TreeId::COMMON`] as for [`Port::role`].
    #[must_use]
    pub fn state(&self, tree: TreeId) -> PortState {
        self.in_tree(tree)
            .map_or(PortState::Disabled, |entry| entry.state)
    }

    /// Its states on all trees it is in, ascending.
    pub fn states(&self) -> impl Iterator<Item = (TreeId, PortState)> + '_ {
        self.trees.iter().map(|entry| (entry.tree, entry.state))
    }

    /// Why storm control or loop detection disabled it, if one did.
    #[must_use]
    pub fn disabled(&self) -> Option<DisableReason> {
        self.protection.disabled.map(|(reason, _)| reason)
    }

    /// Whether it may run: management enabled it, and nothing disabled it for cause.
    pub(crate) fn may_run(&self) -> bool {
        self.settings.enabled && self.protection.disabled.is_none()
    }

    fn in_tree(&self, tree: TreeId) -> Option<&PortInTree> {
        let exact = self
            .trees
            .binary_search_by_key(&tree, |entry| entry.tree)
            .ok();
        let own = || {
            let vlan = self.settings.mode.pvid().value();
            let own = self.trees.iter().find(|entry| entry.tree.get() == vlan);
            own.or(self.trees.first())
                .filter(|_| tree == TreeId::COMMON)
        };
        match exact {
            Some(index) => self.trees.get(index),
            None => own(),
        }
    }

    fn entry(&mut self, tree: TreeId) -> &mut PortInTree {
        let found = self.trees.binary_search_by_key(&tree, |entry| entry.tree);
        let index = found.unwrap_or_else(|place| {
            let entry = PortInTree {
                tree,
                role: PortRole::Disabled,
                state: PortState::Disabled,
            };
            self.trees.insert(place, entry);
            place
        });
        &mut self.trees[index]
    }

    /// Takes over a state; returns the one before.
    pub(crate) fn set_state(&mut self, tree: TreeId, state: PortState) -> PortState {
        std::mem::replace(&mut self.entry(tree).state, state)
    }

    /// Takes over a role; returns the one before.
    pub(crate) fn set_role(&mut self, tree: TreeId, role: PortRole) -> PortRole {
        std::mem::replace(&mut self.entry(tree).role, role)
    }
}

/// Why management was refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SwitchError {
    /// The number is taken.
    #[error("port number {0} is taken")]
    NumberTaken(u16),
    /// The number is beyond [`PORTS_MAX`].
    #[error("port number {0} is not in 1..{max}", max = PORTS_MAX - 1)]
    NumberRange(u16),
    /// The name is taken.
    #[error("port '{0}' exists already")]
    NameTaken(PortName),
    /// There is no such port.
    #[error("there is no port number {0}")]
    NoPort(u16),
    /// The CAM refused a static entry.
    #[error("static entry refused: {0}")]
    Static(#[from] cam::InsertError),
}

/// One switch. A clone goes on by itself from here: it would do exactly the same.
#[derive(Clone, Debug)]
pub struct Switch {
    bridge_config: BridgeConfig,
    protocol: TreeProtocol,
    instances: Instances,
    engine: Engine,
    /// When a port's protection next ends something, at the earliest.
    protection_due: Option<Duration>,
    /// Room for the frames of BPDUs.
    buffer: Vec<u8>,
    pub(crate) cam: MacTable<PortNumber>,
    pub(crate) forwarding: Forwarding,
    pub(crate) ports: Vec<Option<Port>>,
    /// Whether any port has a rate: all that a frame costs where none has.
    pub(crate) is_metered: bool,
}

impl Switch {
    /// A switch without ports.
    #[must_use]
    pub fn new(config: SwitchConfig) -> Self {
        let mut switch = Self {
            engine: Engine::new(config.protocol, config.bridge, &config.instances),
            bridge_config: config.bridge,
            protocol: config.protocol,
            instances: config.instances,
            protection_due: None,
            buffer: Vec::new(),
            cam: MacTable::new(config.cam),
            forwarding: Forwarding::new(),
            ports: Vec::new(),
            is_metered: false,
        };
        switch.map_vlans();
        switch
    }

    /// When to call [`Switch::timeout`], at the latest.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        let engine = self.engine.deadline();
        let others = [self.cam.deadline(), self.protection_due];
        engine.into_iter().chain(others.into_iter().flatten()).min()
    }

    /// Runs the timers due at `now` and a bounded part of the CAM's ageing. Calling early is harmless.
    pub fn timeout(&mut self, now: Duration, out: &mut impl Ports) {
        self.drive(now, out, |engine| engine.timeout(now));
        if self.protection_due.is_some_and(|due| due <= now) {
            self.end_protection(now, out);
        }
        let (cam, ports) = (&mut self.cam, &self.ports);
        for gone in cam.expire(now, EXPIRE_BUDGET) {
            crate::effects::departed(ports, gone, out);
        }
    }

    /// Decides one frame without carrying the verdict out: [`Switch::receive`] is the road that daemon and
    /// simulation take; this is for tests and measurements.
    pub fn forward(&mut self, now: Duration, port: PortNumber, frame: &[u8]) -> Decision {
        self.forwarding.decide(&mut self.cam, now, port, frame)
    }

    /// A frame showed a station where it is known to be, and was forwarded without coming here. Nothing, if it is not known
    /// there any more.
    pub(crate) fn confirm(
        &mut self,
        now: Duration,
        (vlan, address): (VlanId, MacAddr),
        port: PortNumber,
    ) {
        self.cam.confirm(now, vlan, address, port);
    }

    /// What other threads see of the CAM, from now on.
    pub(crate) fn mirror(&mut self) -> Arc<Mirror> {
        self.cam.mirror(PortNumber::get)
    }

    /// The carrier of `port` came. Unknown ports are ignored.
    pub fn link_up(
        &mut self,
        now: Duration,
        port: PortNumber,
        cost: PathCost,
        point_to_point: bool,
        out: &mut impl Ports,
    ) {
        let Some(state) = self.port_mut(port) else {
            return;
        };
        let link = Link {
            cost,
            point_to_point,
        };
        let before = state.link.replace(link);
        if before.is_none() {
            let port = state.settings.name;
            out.notice(Event::Link { port, up: true });
        }
        if before != Some(link) {
            self.start_port(now, port, out);
        }
    }

    /// The carrier of `port` went. What the CAM knew of it goes too. Unknown ports are ignored.
    pub fn link_down(&mut self, now: Duration, port: PortNumber, out: &mut impl Ports) {
        let Some(state) = self.port_mut(port) else {
            return;
        };
        if state.link.take().is_none() {
            return;
        }
        let name = state.settings.name;
        out.notice(Event::Link {
            port: name,
            up: false,
        });
        if self.engine.is_off() {
            self.set_state(port, PortRole::Disabled, PortState::Disabled, out);
        } else {
            self.drive(now, out, |engine| engine.link_down(now, port));
        }
        self.flush_port(port, FlushReason::LinkDown, out);
    }

    /// Tells spanning tree of a port's link, or does without it what spanning tree would decide.
    fn start_port(&mut self, now: Duration, port: PortNumber, out: &mut impl Ports) {
        let Some(state) = self.port(port) else {
            return;
        };
        let (link, enabled) = (state.link, state.may_run());
        if self.engine.is_off() {
            let (role, state) = if link.is_some() && enabled {
                (PortRole::Designated, PortState::Forwarding)
            } else {
                (PortRole::Disabled, PortState::Disabled)
            };
            self.set_state(port, role, state, out);
        } else if let Some(link) = link {
            self.drive(now, out, |engine| {
                engine.link_up(now, port, link.cost, link.point_to_point)
            });
        }
    }

    /// A state that no spanning tree decided, because there is none.
    fn set_state(
        &mut self,
        port: PortNumber,
        role: PortRole,
        state: PortState,
        out: &mut impl Ports,
    ) {
        self.set_state_in(TreeId::COMMON, port, role, state, out);
    }

    /// Lets `ask` act on the spanning trees, and carries out what they answer.
    pub(crate) fn drive(
        &mut self,
        now: Duration,
        out: &mut impl Ports,
        ask: impl for<'a> FnOnce(&'a mut Engine) -> Deeds<'a>,
    ) {
        let mut effects = Effects {
            ports: &mut self.ports,
            forwarding: &mut self.forwarding,
            cam: &mut self.cam,
            buffer: &mut self.buffer,
            per_vlan: self.protocol.is_per_vlan(),
        };
        let mut ageing_touched = false;
        for (tree, action) in ask(&mut self.engine).iter() {
            ageing_touched |= matches!(
                action,
                Action::ShortAgeing { .. } | Action::RootChanged { .. }
            );
            effects.apply(tree, action, out);
        }
        // Rapid trees have entries forgotten instead, and say nothing of ageing.
        if ageing_touched
            && self.protocol == TreeProtocol::Stp
            && let Engine::One(bridge) = &self.engine
        {
            let tree = bridge.tree(TreeId::COMMON);
            let active = tree.topology_change.active;
            self.cam
                .set_short_ageing(now, active.then_some(tree.times.forward_delay));
        }
    }

    fn flush_port(&mut self, port: PortNumber, reason: FlushReason, out: &mut impl Ports) {
        self.flush(Flush::port(port), reason, out);
    }

    fn known(&self, port: PortNumber) -> Result<&Port, SwitchError> {
        self.port(port).ok_or(SwitchError::NoPort(port.get()))
    }

    /// A port by number.
    #[must_use]
    pub fn port(&self, port: PortNumber) -> Option<&Port> {
        self.ports.get(usize::from(port.get()))?.as_ref()
    }

    fn port_mut(&mut self, port: PortNumber) -> Option<&mut Port> {
        self.ports.get_mut(usize::from(port.get()))?.as_mut()
    }

    /// The counters of a port, for the shell to count what it sees and the switch does not: what was sent,
    /// and drops on the way in and out.
    pub fn counters_mut(&mut self, port: PortNumber) -> Option<&mut PortCounters> {
        self.port_mut(port).map(|state| &mut state.counters)
    }

    /// Every port, in number order.
    pub fn ports(&self) -> impl Iterator<Item = (PortNumber, &Port)> {
        (0..)
            .zip(&self.ports)
            .filter_map(|(number, port)| Some((PortNumber::new(number)?, port.as_ref()?)))
    }

    /// The number of the port called `name`.
    #[must_use]
    pub fn find_port(&self, name: &str) -> Option<PortNumber> {
        self.ports()
            .find(|(_, port)| port.settings.name.as_str() == name)
            .map(|(number, _)| number)
    }

    /// The bridge, if spanning tree is on; where every VLAN has a tree, that of the lowest VLAN.
    #[must_use]
    pub fn bridge(&self) -> Option<&Bridge> {
        let first = self.engine.trees().first().copied()?;
        Some(self.engine.bridge_of(first)?.0)
    }

    /// The bridge that keeps `tree`. Where every VLAN has a tree, each has a bridge, which calls its own
    /// [`TreeId::COMMON`].
    #[must_use]
    pub fn bridge_of(&self, tree: TreeId) -> Option<&Bridge> {
        Some(self.engine.bridge_of(tree)?.0)
    }

    /// The trees, ascending; none if spanning tree is off.
    #[must_use]
    pub fn trees(&self) -> Vec<TreeId> {
        self.engine.trees()
    }

    /// What the bridge knows of a tree.
    #[must_use]
    pub fn tree(&self, tree: TreeId) -> Option<TreeStatus> {
        self.engine.tree(tree)
    }

    /// A port in a tree.
    #[must_use]
    pub fn port_in_tree(&self, tree: TreeId, port: PortNumber) -> Option<PortStatus> {
        self.engine.port(tree, port)
    }

    /// Why a port has its role and its state in a tree; `None` if it is not in that tree.
    #[must_use]
    pub fn why(&self, tree: TreeId, port: PortNumber) -> Option<Reason> {
        self.engine.why(tree, port)
    }

    /// The tree that the frames of a VLAN go by; `None` if they go nowhere. Without spanning tree, the common one.
    #[must_use]
    pub fn tree_of(&self, vlan: VlanId) -> Option<TreeId> {
        self.forwarding.trees().tree_of(vlan)
    }

    /// The VLANs whose frames go by a tree.
    #[must_use]
    pub fn vlans_of(&self, tree: TreeId) -> VlanSet {
        match self.forwarding.trees().vlans(tree) {
            None => VlanSet::all(),
            Some(vlans) => vlans.filter(|vlan| vlan.value() <= VID_MAX).collect(),
        }
    }

    /// The spanning tree protocol.
    #[must_use]
    pub fn protocol(&self) -> TreeProtocol {
        self.protocol
    }

    /// What tells its trees apart.
    #[must_use]
    pub fn instances(&self) -> &Instances {
        &self.instances
    }

    /// Identifier and timers, whether spanning tree is on or off.
    #[must_use]
    pub fn bridge_config(&self) -> &BridgeConfig {
        &self.bridge_config
    }

    /// The CAM.
    #[must_use]
    pub fn cam(&self) -> &MacTable<PortNumber> {
        &self.cam
    }

    /// VLAN membership.
    #[must_use]
    pub fn vlans(&self) -> &VlanTable {
        self.forwarding.vlans()
    }
}

#[cfg(test)]
mod tests;
