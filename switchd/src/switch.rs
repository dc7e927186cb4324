//! The switch as a value: spanning tree, CAM and Forwarding Process behind one surface.
//!
//! Methods that change something take `now` and a [`Ports`] for the effects, and are of three kinds: what
//! happened ([`Switch::receive`], [`Switch::link_up`], [`Switch::link_down`], [`Switch::timeout`]), what
//! management wants (`add_port`, `set_…`, `flush`), and getters. `now` never goes back.

mod manage;

use std::time::Duration;

use cam::{Flush, MacTable, MacTableConfig};
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
        effects.apply(&Action::SetRole { port, tree, role }, out);
        effects.apply(&Action::SetState { port, tree, state }, out);
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
        for action in ask(bridge) {
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
