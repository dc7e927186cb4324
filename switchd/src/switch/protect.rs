//! Storm control, loop detection, and ports that are disabled for cause.

use std::time::Duration;

use etherparse::VlanId;
use pnet_base::MacAddr;
use stp::{PortNumber, PortRole, PortState};

use super::Switch;
use crate::counters::DropReason;
use crate::event::{Event, FlushReason};
use crate::forward::Flood;
use crate::ports::Ports;
use crate::protect::{DisableReason, LoopDetection, StormAction, StormVerdict};

impl Switch {
    /// Counts a flooded frame against its port's limits; the reason to drop it, if it is above.
    pub(crate) fn storm(
        &mut self,
        now: Duration,
        port: PortNumber,
        kind: Flood,
        out: &mut impl Ports,
    ) -> Option<DropReason> {
        let state = self.port_mut(port)?;
        let (control, name) = (state.settings.storm, state.settings.name);
        let limits = state.protection.limits(now, control);
        let verdict = state.protection.storm.count(now, &limits, kind);
        if verdict == StormVerdict::Pass {
            return None;
        }
        if verdict == StormVerdict::Begins {
            self.plan_protection(port);
            out.notice(Event::Storm {
                port: name,
                what: kind,
                active: true,
            });
            match control.action {
                StormAction::Drop => {}
                // What the brake drops is loop detection's affair.
                StormAction::Shutdown if control.limit(kind).is_none() => {}
                StormAction::Shutdown => {
                    self.disable_for_cause(now, port, DisableReason::Storm, out);
                }
            }
        }
        Some(match kind {
            Flood::Broadcast => DropReason::StormBroadcast,
            Flood::Multicast => DropReason::StormMulticast,
            Flood::UnknownUnicast => DropReason::StormUnicast,
        })
    }

    /// An address moved: once is a station, to and fro is a loop.
    pub(crate) fn moved(
        &mut self,
        now: Duration,
        (vlan, address): (VlanId, MacAddr),
        (from, to): (PortNumber, PortNumber),
        out: &mut impl Ports,
    ) {
        let names = [from, to].map(|port| self.port(port).map(|port| port.settings.name));
        let [Some(from_name), Some(to_name)] = names else {
            return;
        };
        for port in [from, to] {
            let Some(state) = self.port_mut(port) else {
                continue;
            };
            let action = state.settings.loop_detection;
            if action == LoopDetection::Off || !state.protection.flaps.count(now, vlan, address) {
                continue;
            }
            out.notice(Event::Flapping {
                vlan,
                mac: address,
                from: from_name,
                to: to_name,
            });
            // Its floods are braked from now on.
            self.forwarding.touch();
            if action == LoopDetection::Shutdown {
                self.disable_for_cause(now, port, DisableReason::Loop, out);
                // One port less, and it is a loop no more.
                return;
            }
        }
    }

    fn disable_for_cause(
        &mut self,
        now: Duration,
        port: PortNumber,
        reason: DisableReason,
        out: &mut impl Ports,
    ) {
        let recovery = self.bridge_config.guard_recovery;
        let Some(state) = self.port_mut(port) else {
            return;
        };
        if state.protection.disabled.is_some() {
            return;
        }
        let until = recovery.map(|after| now.saturating_add(after));
        state.protection.disabled = Some((reason, until));
        let name = state.settings.name;
        out.notice(Event::PortDisabled {
            port: name,
            reason,
            active: true,
        });
        self.plan_protection(port);
        self.let_run(now, port, out);
    }

    /// What disabled the port for cause is over.
    pub(super) fn clear_disabled(&mut self, port: PortNumber, out: &mut impl Ports) {
        let Some(state) = self.port_mut(port) else {
            return;
        };
        if let Some((reason, _)) = state.protection.disabled.take() {
            let port = state.settings.name;
            out.notice(Event::PortDisabled {
                port,
                reason,
                active: false,
            });
        }
    }

    /// Lets a port run, or not, as its settings and its protection have it now.
    pub(super) fn let_run(&mut self, now: Duration, port: PortNumber, out: &mut impl Ports) {
        let Some(runs) = self.port(port).map(super::Port::may_run) else {
            return;
        };
        if self.engine.is_off() {
            self.start_port(now, port, out);
        } else {
            self.drive(now, out, |engine| engine.set_port_enabled(now, port, runs));
        }
        if !runs {
            self.flush_port(port, FlushReason::LinkDown, out);
        }
    }

    /// Ends what is over by `now`: storms, and times after which a port is tried again.
    pub(super) fn end_protection(&mut self, now: Duration, out: &mut impl Ports) {
        let numbers: Vec<PortNumber> = self.ports().map(|(number, _)| number).collect();
        for port in numbers {
            let Some(state) = self.port_mut(port) else {
                continue;
            };
            let name = state.settings.name;
            for what in state.protection.storm.calmed(now) {
                out.notice(Event::Storm {
                    port: name,
                    what,
                    active: false,
                });
            }
            let recovers =
                matches!(state.protection.disabled, Some((_, Some(until))) if until <= now);
            if recovers {
                self.clear_disabled(port, out);
                self.let_run(now, port, out);
            }
        }
        let due = self
            .ports()
            .filter_map(|(_, port)| port.protection.deadline());
        self.protection_due = due.min();
    }

    fn plan_protection(&mut self, port: PortNumber) {
        let due = self.port(port).and_then(|port| port.protection.deadline());
        self.protection_due = self.protection_due.into_iter().chain(due).min();
    }

    /// A state in a tree that no spanning tree decided.
    pub(super) fn set_state_in(
        &mut self,
        tree: stp::TreeId,
        port: PortNumber,
        role: PortRole,
        state: PortState,
        out: &mut impl Ports,
    ) {
        let mut effects = crate::effects::Effects {
            ports: &mut self.ports,
            forwarding: &mut self.forwarding,
            cam: &mut self.cam,
            buffer: &mut self.buffer,
            per_vlan: false,
        };
        effects.apply(tree, &stp::Action::SetRole { port, tree, role }, out);
        effects.apply(tree, &stp::Action::SetState { port, tree, state }, out);
    }
}
