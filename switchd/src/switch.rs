//! The switch as a value: spanning tree, CAM and Forwarding Process behind one surface.
//!
//! Methods that change something take `now` and a [`Ports`] for the effects, and are of three kinds: what
//! happened ([`Switch::receive`], [`Switch::link_up`], [`Switch::link_down`], [`Switch::timeout`]), what
//! management wants (`add_port`, `set_…`, `flush`), and getters. `now` never goes back.

use std::time::Duration;

use cam::{Flush, MacTable, MacTableConfig, Origin};
use etherparse::VlanId;
use pnet_base::MacAddr;
use stp::{Action, Bridge, BridgeConfig, PathCost, PortNumber, PortRole, PortState, TreeId};
use thiserror::Error;

use crate::counters::PortCounters;
use crate::effects::Effects;
use crate::event::{Event, FlushReason};
use crate::forward::{Decision, Forwarding};
use crate::port_name::PortName;
use crate::ports::Ports;
use crate::portset::PORTS_MAX;
use crate::vlan::{AcceptableFrames, PortMode, VlanTable};

/// Entries looked at for expiry per [`Switch::timeout`]; more of them due means another timeout at once.
const EXPIRE_BUDGET: usize = 256;

/// What a switch is made with.
#[derive(Clone, Debug)]
pub struct SwitchConfig {
    /// Identifier and timers; kept for later while spanning tree is off.
    pub bridge: BridgeConfig,
    /// Whether spanning tree runs. A hypervisor's vSwitch runs none.
    pub spanning_tree: bool,
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
        }
    }
}

/// A port of a [`Switch`].
#[derive(Clone, Debug)]
pub struct Port {
    pub(crate) settings: PortSettings,
    pub(crate) counters: PortCounters,
    link: Option<Link>,
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

    /// Its role on `tree`; designated where spanning tree is off and the port works.
    #[must_use]
    pub fn role(&self, _tree: TreeId) -> PortRole {
        self.role
    }

    /// Its state on `tree`.
    #[must_use]
    pub fn state(&self, _tree: TreeId) -> PortState {
        self.state
    }

    /// Takes over a state; returns the one before.
    pub(crate) fn set_state(&mut self, _tree: TreeId, state: PortState) -> PortState {
        std::mem::replace(&mut self.state, state)
    }

    /// Takes over a role; returns the one before.
    pub(crate) fn set_role(&mut self, _tree: TreeId, role: PortRole) -> PortRole {
        std::mem::replace(&mut self.role, role)
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

/// One switch.
#[derive(Debug)]
pub struct Switch {
    bridge_config: BridgeConfig,
    bridge: Option<Bridge>,
    pub(crate) cam: MacTable<PortNumber>,
    pub(crate) forwarding: Forwarding,
    pub(crate) ports: Vec<Option<Port>>,
}

impl Switch {
    /// A switch without ports.
    #[must_use]
    pub fn new(config: SwitchConfig) -> Self {
        Self {
            bridge: config.spanning_tree.then(|| Bridge::new(config.bridge)),
            bridge_config: config.bridge,
            cam: MacTable::new(config.cam),
            forwarding: Forwarding::new(),
            ports: Vec::new(),
        }
    }

    /// When to call [`Switch::timeout`], at the latest.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        let bridge = self.bridge.as_ref().and_then(Bridge::deadline);
        [bridge, self.cam.deadline()].into_iter().flatten().min()
    }

    /// Runs the timers due at `now` and a bounded part of the CAM's ageing. Calling early is harmless.
    pub fn timeout(&mut self, now: Duration, out: &mut impl Ports) {
        self.drive(now, out, |bridge| bridge.handle(now, stp::Event::Timeout));
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
        if self.bridge.is_some() {
            let event = stp::Event::LinkDown { port };
            self.drive(now, out, |bridge| bridge.handle(now, event));
        } else {
            self.set_state(port, PortRole::Disabled, PortState::Disabled, out);
        }
        self.flush_port(port, FlushReason::LinkDown, out);
    }

    /// Adds a port, without carrier.
    ///
    /// # Errors
    /// The number is taken or out of range, or the name is taken; nothing is changed then.
    pub fn add_port(
        &mut self,
        now: Duration,
        port: PortNumber,
        settings: PortSettings,
        out: &mut impl Ports,
    ) -> Result<(), SwitchError> {
        let index = usize::from(port.get());
        if index >= PORTS_MAX {
            return Err(SwitchError::NumberRange(port.get()));
        }
        if self.port(port).is_some() {
            return Err(SwitchError::NumberTaken(port.get()));
        }
        if self.find_port(settings.name.as_str()).is_some() {
            return Err(SwitchError::NameTaken(settings.name));
        }
        if self.ports.len() <= index {
            self.ports.resize(index + 1, None);
        }
        let (name, stp, enabled) = (settings.name, settings.stp, settings.enabled);
        self.ports[index] = Some(Port {
            settings,
            counters: PortCounters::default(),
            link: None,
            role: PortRole::Disabled,
            state: PortState::Disabled,
        });
        self.apply_vlans();
        self.insert_local(now, port, out);
        out.notice(Event::PortAdded { port: name });
        self.drive(now, out, |bridge| bridge.add_port(now, port, stp));
        self.drive(now, out, |bridge| {
            bridge.set_port_enabled(now, port, enabled)
        });
        Ok(())
    }

    /// Removes a port and all the CAM knew of it.
    ///
    /// # Errors
    /// There is no such port.
    pub fn remove_port(
        &mut self,
        now: Duration,
        port: PortNumber,
        out: &mut impl Ports,
    ) -> Result<(), SwitchError> {
        let name = self.known(port)?.settings.name;
        self.drive(now, out, |bridge| bridge.remove_port(now, port));
        self.flush_port(port, FlushReason::PortRemoved, out);
        self.cam.remove_port(port);
        self.forwarding
            .set_state(TreeId::COMMON, port, PortState::Disabled);
        self.ports[usize::from(port.get())] = None;
        self.apply_vlans();
        out.notice(Event::PortRemoved { port: name });
        Ok(())
    }

    /// Changes a port's settings; name and address are kept.
    ///
    /// # Errors
    /// There is no such port.
    pub fn set_port(
        &mut self,
        now: Duration,
        port: PortNumber,
        settings: PortSettings,
        out: &mut impl Ports,
    ) -> Result<(), SwitchError> {
        let old = self.known(port)?.settings.clone();
        let settings = PortSettings {
            name: old.name,
            address: old.address,
            ..settings
        };
        let (stp, enabled) = (settings.stp, settings.enabled);
        let vlans_changed = (
            &settings.mode,
            settings.acceptable,
            settings.ingress_filtering,
        ) != (&old.mode, old.acceptable, old.ingress_filtering);
        if let Some(state) = self.port_mut(port) {
            state.settings = settings;
        }
        if vlans_changed {
            self.flush_port(port, FlushReason::VlanChanged, out);
            self.cam.remove(now, old.mode.pvid(), old.address);
            self.apply_vlans();
            self.insert_local(now, port, out);
        }
        if stp != old.stp {
            self.drive(now, out, |bridge| bridge.configure_port(now, port, stp));
        }
        if enabled != old.enabled {
            if self.bridge.is_some() {
                self.drive(now, out, |bridge| {
                    bridge.set_port_enabled(now, port, enabled)
                });
            } else {
                self.start_port(now, port, out);
            }
            if !enabled {
                self.flush_port(port, FlushReason::LinkDown, out);
            }
        }
        Ok(())
    }

    /// Changes identifier or timers of the bridge, now or, while spanning tree is off, for later.
    pub fn set_bridge(&mut self, now: Duration, config: BridgeConfig, out: &mut impl Ports) {
        self.bridge_config = config;
        self.drive(now, out, |bridge| bridge.configure(now, config));
    }

    /// Switches spanning tree on, every port starting over from blocking, or off, every port with carrier
    /// forwarding at once.
    pub fn set_spanning_tree(&mut self, now: Duration, on: bool, out: &mut impl Ports) {
        if on == self.bridge.is_some() {
            return;
        }
        self.bridge = None;
        self.cam.set_short_ageing(now, None);
        let numbers: Vec<PortNumber> = self.ports().map(|(number, _)| number).collect();
        for &port in &numbers {
            self.set_state(port, PortRole::Disabled, PortState::Disabled, out);
        }
        if on {
            self.bridge = Some(Bridge::new(self.bridge_config));
            for &port in &numbers {
                let Some(settings) = self.port(port).map(|state| state.settings.clone()) else {
                    continue;
                };
                self.drive(now, out, |bridge| bridge.add_port(now, port, settings.stp));
                self.drive(now, out, |bridge| {
                    bridge.set_port_enabled(now, port, settings.enabled)
                });
            }
        }
        for port in numbers {
            self.start_port(now, port, out);
        }
    }

    /// Tells spanning tree of a port's link, or does without it what spanning tree would decide.
    fn start_port(&mut self, now: Duration, port: PortNumber, out: &mut impl Ports) {
        let Some(state) = self.port(port) else {
            return;
        };
        let (link, enabled) = (state.link, state.settings.enabled);
        if self.bridge.is_none() {
            let (role, state) = if link.is_some() && enabled {
                (PortRole::Designated, PortState::Forwarding)
            } else {
                (PortRole::Disabled, PortState::Disabled)
            };
            self.set_state(port, role, state, out);
        } else if let Some(link) = link {
            let event = stp::Event::LinkUp {
                port,
                cost: link.cost,
                point_to_point: link.point_to_point,
            };
            self.drive(now, out, |bridge| bridge.handle(now, event));
        }
    }

    /// A state that no spanning tree decided.
    fn set_state(
        &mut self,
        port: PortNumber,
        role: PortRole,
        state: PortState,
        out: &mut impl Ports,
    ) {
        let tree = TreeId::COMMON;
        let mut effects = Effects {
            ports: &mut self.ports,
            forwarding: &mut self.forwarding,
            cam: &mut self.cam,
        };
        effects.apply(Action::SetRole { port, tree, role }, out);
        effects.apply(Action::SetState { port, tree, state }, out);
    }

    /// Lets `ask` act on the bridge, if there is one, and carries out what it answers.
    pub(crate) fn drive(
        &mut self,
        now: Duration,
        out: &mut impl Ports,
        ask: impl for<'a> FnOnce(&'a mut Bridge) -> &'a [Action],
    ) {
        let Self {
            bridge: Some(bridge),
            cam,
            forwarding,
            ports,
            ..
        } = self
        else {
            return;
        };
        let mut ageing_touched = false;
        for &action in ask(bridge) {
            ageing_touched |= matches!(
                action,
                Action::ShortAgeing { .. } | Action::RootChanged { .. }
            );
            Effects {
                ports,
                forwarding,
                cam,
            }
            .apply(action, out);
        }
        if ageing_touched {
            let tree = bridge.tree(TreeId::COMMON);
            let active = tree.topology_change.active;
            cam.set_short_ageing(now, active.then_some(tree.times.forward_delay));
        }
    }

    fn apply_vlans(&mut self) {
        let ports = (0..).zip(&self.ports).filter_map(|(number, port)| {
            let settings = &port.as_ref()?.settings;
            let acceptable = settings
                .acceptable
                .unwrap_or(settings.mode.acceptable_frames());
            Some((
                PortNumber::new(number)?,
                &settings.mode,
                acceptable,
                settings.ingress_filtering,
            ))
        });
        self.forwarding.set_ports(ports);
    }

    /// The port's own address, in the VLAN a host on it would look for it.
    fn insert_local(&mut self, now: Duration, port: PortNumber, out: &mut impl Ports) {
        let Some((vlan, address)) = self
            .port(port)
            .map(|state| (state.settings.mode.pvid(), state.settings.address))
        else {
            return;
        };
        // Refused only if the table is full of static entries, or the address is no individual one: then
        // frames to it are flooded, as to any unknown address.
        if let Ok(Some(gone)) = self.cam.insert_local(now, vlan, address, port) {
            crate::effects::departed(&self.ports, &gone, out);
        }
    }

    fn flush_port(&mut self, port: PortNumber, reason: FlushReason, out: &mut impl Ports) {
        self.flush(Flush::port(port), reason, out);
    }

    /// Removes dynamic CAM entries; returns how many.
    pub fn flush(
        &mut self,
        flush: Flush<PortNumber>,
        reason: FlushReason,
        out: &mut impl Ports,
    ) -> usize {
        crate::effects::flush(&mut self.cam, &self.ports, flush, reason, out)
    }

    /// Binds an address to a port until [`Switch::remove_static`].
    ///
    /// # Errors
    /// There is no such port, or the CAM cannot hold the entry.
    pub fn set_static(
        &mut self,
        now: Duration,
        vlan: VlanId,
        address: MacAddr,
        port: PortNumber,
        out: &mut impl Ports,
    ) -> Result<(), SwitchError> {
        self.known(port)?;
        if let Some(gone) = self.cam.insert_static(now, vlan, address, port)? {
            crate::effects::departed(&self.ports, &gone, out);
        }
        Ok(())
    }

    /// Removes a static entry; says whether there was one.
    pub fn remove_static(&mut self, now: Duration, vlan: VlanId, address: MacAddr) -> bool {
        let is_static = self
            .cam
            .entry(now, vlan, address)
            .is_some_and(|entry| entry.origin == Origin::Static);
        is_static && self.cam.remove(now, vlan, address).is_some()
    }

    /// Changes the CAM's ageing time; acts on entries already there.
    pub fn set_ageing(&mut self, now: Duration, ageing: cam::AgeingTime) {
        self.cam.set_ageing(now, ageing);
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

    /// The bridge, if spanning tree is on.
    #[must_use]
    pub fn bridge(&self) -> Option<&Bridge> {
        self.bridge.as_ref()
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
