//! Timers that expire (802.1D-1998 8.7.3 to 8.7.8).
//!
//! Several due at one instant are taken in this order, ports in number order within each: message age (what is no
//! longer true is forgotten first), forward delay, topology change, topology change notification, hello, hold. Then
//! again from the start, until none is due: a bridge that has just become the root goes by other times.

use core::time::Duration;

use super::topology_change::Cause;
use super::{Context, Tree};
use crate::config::Inconsistency;
use crate::event::PortState;
use crate::times::HOLD_TIME;

impl Tree {
    /// The first timer due.
    pub(crate) fn deadline(&self) -> Option<Duration> {
        let bridge = [
            self.hello_timer.due(self.times.hello_time),
            self.topology_change_notification_timer
                .due(self.bridge_times.hello_time()),
            self.topology_change_timer
                .due(self.bridge_times.topology_change_time()),
        ];
        let ports = self.ports.iter().flat_map(|port| {
            [
                port.message_age_timer.due(self.times.max_age),
                port.forward_delay_timer.due(self.times.forward_delay),
                // Asked of nearly every port of every bridge at every event, and nearly never pending.
                if port.config_pending {
                    port.hold_timer.due(HOLD_TIME)
                } else {
                    None
                },
            ]
        });
        bridge.into_iter().chain(ports).flatten().min()
    }

    /// Lets everything expire that is due.
    pub(crate) fn expire(&mut self, context: &mut Context<'_>) {
        // Each round ends with every timer stopped, or restarted for a time that is not zero; only a port's way from
        // listening to forwarding and a change of the times in force can make another one due.
        let rounds_most = 3 * self.ports.len() + 3;
        for _ in 0..rounds_most {
            if self.deadline().is_none_or(|due| due > context.now) {
                return;
            }
            self.expire_once(context);
        }
        debug_assert!(self.deadline().is_none_or(|due| due > context.now));
    }

    fn expire_once(&mut self, context: &mut Context<'_>) {
        for index in 0..self.ports.len() {
            let timer = &self.ports[index].message_age_timer;
            if timer.has_expired(self.times.max_age, context.now) {
                self.message_age_timer_expiry(index, context);
            }
        }
        for index in 0..self.ports.len() {
            let timer = &self.ports[index].forward_delay_timer;
            if timer.has_expired(self.times.forward_delay, context.now) {
                self.forward_delay_timer_expiry(index, context);
            }
        }
        let topology_change_time = self.bridge_times.topology_change_time();
        if self
            .topology_change_timer
            .has_expired(topology_change_time, context.now)
        {
            self.topology_change_timer_expiry(context);
        }
        if self
            .topology_change_notification_timer
            .has_expired(self.bridge_times.hello_time(), context.now)
        {
            self.topology_change_notification_timer_expiry(context);
        }
        if self
            .hello_timer
            .has_expired(self.times.hello_time, context.now)
        {
            self.hello_timer_expiry(context);
        }
        for index in 0..self.ports.len() {
            let port = &self.ports[index];
            if port.config_pending && port.hold_timer.has_expired(HOLD_TIME, context.now) {
                self.hold_timer_expiry(index, context);
            }
        }
    }

    /// 8.7.3.
    fn hello_timer_expiry(&mut self, context: &mut Context<'_>) {
        self.config_bpdu_generation(context);
        if self.ports.iter().any(super::TreePort::is_enabled) {
            self.hello_timer.start(context.now);
        } else {
            self.hello_timer.stop();
        }
    }

    /// 8.7.4.
    fn message_age_timer_expiry(&mut self, index: usize, context: &mut Context<'_>) {
        let was_root = self.is_root_bridge();
        let port = &mut self.ports[index];
        port.message_age_timer.stop();
        port.counters.message_age_expiries += 1;
        port.held = port.loop_guard.then_some(Inconsistency::Loop);
        self.become_designated_port(index);
        self.configuration_update(context);
        self.port_state_selection(context);
        self.follow_root(was_root, context);
    }

    /// 8.7.5.
    fn forward_delay_timer_expiry(&mut self, index: usize, context: &mut Context<'_>) {
        match self.ports[index].state {
            PortState::Listening => {
                self.set_state(index, PortState::Learning, context);
                self.ports[index].forward_delay_timer.start(context.now);
            }
            PortState::Learning => {
                self.ports[index].forward_delay_timer.stop();
                self.set_state(index, PortState::Forwarding, context);
                if self.is_designated_for_some_port()
                    && self.ports[index].change_detection_enabled()
                {
                    self.topology_change_detection(Cause::Port(index), context);
                }
            }
            PortState::Disabled | PortState::Blocking | PortState::Forwarding => {
                self.ports[index].forward_delay_timer.stop();
            }
        }
    }

    /// 8.7.6.
    fn topology_change_notification_timer_expiry(&mut self, context: &mut Context<'_>) {
        self.transmit_topology_change_notification(context);
        self.topology_change_notification_timer.start(context.now);
    }

    /// 8.7.7.
    fn topology_change_timer_expiry(&mut self, context: &mut Context<'_>) {
        self.topology_change_timer.stop();
        self.topology_change.detected = false;
        self.set_topology_change(false, None, context);
    }

    /// 8.7.8.
    fn hold_timer_expiry(&mut self, index: usize, context: &mut Context<'_>) {
        self.ports[index].hold_timer.stop();
        self.transmit_config(index, context);
    }
}
