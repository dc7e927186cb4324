//! `check` steps.

use core::net::IpAddr;
use core::time::Duration;

use pnet_base::MacAddr;
use stp::{PortNumber, TreeId};
use switchd::Switch;
use switchd::config::VlanNumber;

use super::steps::Outcome;
use super::{Twin, TwinError};
use crate::lab::PortView;
use crate::sim::host::Host;
use crate::sim::operation::Power;
use crate::topology::{Check, Endpoint, Expectation, MacSubject, PingTarget, Step};
use crate::vmotion::bars;

/// How often a check that does not hold yet is looked at again.
const POLL: Duration = Duration::from_millis(100);
/// How long one ping of a check is waited for.
const PING_PATIENCE: Duration = Duration::from_millis(500);

impl Twin {
    /// Looks until the expectation holds, or the check's time is over; at least once.
    pub(super) fn check(&mut self, step: &Step, check: &Check) -> Result<Outcome, TwinError> {
        let end = self.world.now().saturating_add(check.wait);
        // What is due at this very instant has happened before anybody looks.
        self.pass(Duration::ZERO);
        loop {
            let (ok, seen) = self.look(step, &check.expect)?;
            let over = self.until.is_some_and(|until| self.world.now() >= until);
            if ok || over || self.world.now() >= end {
                return Ok((ok, check.says(ok, seen)));
            }
            self.pass(POLL);
        }
    }

    fn look(&mut self, step: &Step, expect: &Expectation) -> Result<Outcome, TwinError> {
        match expect {
            Expectation::Root { root, nodes } => Ok(self.view().look_root(root, nodes)),
            Expectation::Port {
                endpoint,
                role,
                state,
                held,
            } => self.look_port(step, endpoint, (*role, *state), *held),
            Expectation::Cam {
                switch,
                subject,
                vlan,
                at,
            } => {
                let mac = self.mac_of(subject);
                let unknown = || self.fault(step.at, format!("no address is known of {subject:?}"));
                let mac = mac.ok_or_else(unknown)?;
                Ok(self.look_cam(switch, mac, *vlan, at.as_deref()))
            }
            Expectation::Move(bars) => Ok(bars::look(bars, &self.migrations)),
            Expectation::Ping { from, to, lost } => self.look_ping(step, from, to, *lost),
        }
    }

    fn look_port(
        &self,
        step: &Step,
        endpoint: &Endpoint,
        (role, state): (Option<stp::PortRole>, Option<stp::PortState>),
        held: Option<&str>,
    ) -> Result<Outcome, TwinError> {
        let Some(port) = self.port(endpoint) else {
            return Err(self.fault(step.at, format!("there is no port {endpoint}")));
        };
        let running = match self.world.power(port.node) {
            // As in reality: nobody can ask it.
            Some(Power::Frozen) => return Ok((false, format!("{} is frozen", endpoint.node))),
            Some(Power::On | Power::Off) | None => self.world.switch(port.node),
        };
        let Some(switch) = running else {
            return Ok((false, format!("{} is off", endpoint.node)));
        };
        let Some(seen) = switch.port(port.port) else {
            return Ok((false, format!("there is no port {endpoint} any more")));
        };
        let (is_role, is_state) = (seen.role(TreeId::COMMON), seen.state(TreeId::COMMON));
        let view = PortView {
            role: is_role.to_string(),
            state: is_state.to_string(),
            link: seen.is_link_up(),
            held: held_by(switch, port.port),
            mode: seen.settings().mode.clone(),
        };
        let ok = role.is_none_or(|role| role == is_role)
            && state.is_none_or(|state| state == is_state)
            && held.is_none_or(|held| held == view.held);
        Ok((ok, view.told(endpoint)))
    }

    pub(super) fn mac_of(&self, subject: &MacSubject) -> Option<MacAddr> {
        match subject {
            MacSubject::Address(mac) => Some(*mac),
            MacSubject::Vm(vm) => self.topology.vm(vm).map(|vm| vm.mac),
            MacSubject::Port(endpoint) => self.address(self.port(endpoint)?),
        }
    }

    fn look_cam(
        &self,
        switch: &str,
        mac: MacAddr,
        vlan: Option<VlanNumber>,
        at: Option<&str>,
    ) -> Outcome {
        let node = self.node(switch);
        if node.and_then(|node| self.world.power(node)) == Some(Power::Frozen) {
            return (false, format!("{switch} is frozen"));
        }
        let ports = self.entries_of(switch, mac, vlan);
        let ok = match at {
            Some(port) => !ports.is_empty() && ports.iter().all(|seen| seen == port),
            None => ports.is_empty(),
        };
        let text = match ports.as_slice() {
            [] => format!("{switch} has no entry"),
            ports => format!("{switch} has it at {}", ports.join(", ")),
        };
        (ok, text)
    }

    /// The ports at which a switch's CAM has an address.
    pub(super) fn entries_of(
        &self,
        switch: &str,
        mac: MacAddr,
        vlan: Option<VlanNumber>,
    ) -> Vec<String> {
        let running = self.node(switch).and_then(|node| self.world.switch(node));
        let Some(running) = running else {
            return Vec::new();
        };
        let vlans: Vec<_> = match vlan {
            Some(vlan) => vec![vlan.id()],
            None => running.vlans().named().map(|(vlan, _)| vlan).collect(),
        };
        let now = self.world.now();
        let ports = vlans.into_iter().filter_map(|vlan| {
            let port = running.cam().lookup(now, vlan, mac)?;
            Some(running.port(port)?.settings().name.to_string())
        });
        ports.collect()
    }

    fn look_ping(
        &mut self,
        step: &Step,
        from: &str,
        to: &PingTarget,
        lost: bool,
    ) -> Result<Outcome, TwinError> {
        let IpAddr::V4(target) = to.ip else {
            return Err(self.fault(step.at, format!("{} is no IPv4 address", to.ip)));
        };
        let Some(node) = self.node(from) else {
            return Err(self.fault(step.at, format!("there is no host `{from}`")));
        };
        let sent = self.world.with_station(node, |host: &mut Host, now, out| {
            host.ping(now, target, out)
        });
        if sent != Some(true) {
            return Err(self.fault(step.at, format!("{from} has no address to ping from")));
        }
        let end = self.world.now().saturating_add(PING_PATIENCE);
        let pong = |world: &crate::sim::World| world.station::<Host>(node).and_then(Host::pong);
        self.world.run_while_not(end, |world| pong(world).is_some());
        let answer = pong(&self.world);
        let text = match answer {
            Some(took) => format!(
                "{} answers {from} after {:.1} ms",
                to.name,
                took.as_secs_f64() * 1e3
            ),
            None => format!("{} does not answer {from}", to.name),
        };
        Ok((answer.is_none() == lost, text))
    }
}

/// What keeps a port from forwarding in some tree, or has disabled it for cause; empty if nothing does.
pub(super) fn held_by(switch: &Switch, port: PortNumber) -> String {
    if let Some(reason) = switch.port(port).and_then(switchd::Port::disabled) {
        return reason.name().to_owned();
    }
    let mut trees = switch.trees().into_iter();
    let inconsistent = trees.find_map(|tree| switch.port_in_tree(tree, port)?.inconsistent);
    inconsistent.map_or_else(String::new, |held| held.to_string())
}
