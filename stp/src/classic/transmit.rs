//! What is sent (802.1D-1998 8.6.1, 8.6.4 to 8.6.6).

use core::time::Duration;

use super::{Context, Tree};
use crate::bpdu::{Bpdu, ConfigBpdu};
use crate::event::Action;
use crate::times::{BpduTime, HOLD_TIME};

impl Tree {
    /// 8.6.1. Within the hold time of the last one, it is put off until that ends. Information that would be too old to
    /// be believed is not sent.
    pub(super) fn transmit_config(&mut self, index: usize, context: &mut Context<'_>) {
        let message_age = BpduTime::at_least(self.message_age(context));
        let max_age = BpduTime::at_least(self.times.max_age);
        let topology_change = self.topology_change.active;
        let vector = self.offer(self.ports[index].id);
        let times = self.times;

        let port = &mut self.ports[index];
        if port.hold_timer.is_running() && !port.hold_timer.has_expired(HOLD_TIME, context.now) {
            port.config_pending = true;
            return;
        }
        if message_age >= max_age {
            port.config_pending = false;
            return;
        }
        let config = ConfigBpdu {
            root: vector.root,
            root_path_cost: vector.root_path_cost,
            bridge: vector.designated_bridge,
            port: vector.designated_port,
            message_age,
            max_age,
            hello_time: BpduTime::at_least(times.hello_time),
            forward_delay: BpduTime::at_least(times.forward_delay),
            topology_change_acknowledgment: port.topology_change_acknowledge,
            topology_change,
        };
        port.topology_change_acknowledge = false;
        port.config_pending = false;
        port.hold_timer.start(context.now);
        port.counters.config_sent += 1;
        context.act(Action::Transmit {
            port: port.number,
            bpdu: Bpdu::Config(config),
        });
    }

    /// 0 from the root; from others the age of what the root port holds, and the increment on top.
    fn message_age(&self, context: &Context<'_>) -> Duration {
        let Some(root_port) = self.root_port else {
            return Duration::ZERO;
        };
        let held = self.ports[root_port].message_age_timer.value(context.now);
        held.unwrap_or_default()
            .saturating_add(self.bridge_times.message_age_increment())
    }

    /// 8.6.4: through every designated port.
    pub(super) fn config_bpdu_generation(&mut self, context: &mut Context<'_>) {
        for index in 0..self.ports.len() {
            if self.ports[index].is_enabled() && self.is_designated_port(index) {
                self.transmit_config(index, context);
            }
        }
    }

    /// 8.6.5: worse information is answered with better.
    pub(super) fn reply_to_config_bpdu(&mut self, index: usize, context: &mut Context<'_>) {
        self.transmit_config(index, context);
    }

    /// 8.6.6: through the root port. The root has nobody to notify.
    pub(super) fn transmit_topology_change_notification(&mut self, context: &mut Context<'_>) {
        if let Some(root_port) = self.root_port {
            let port = &mut self.ports[root_port];
            port.counters.tcn_sent += 1;
            context.act(Action::Transmit {
                port: port.number,
                bpdu: Bpdu::Tcn,
            });
        }
    }
}
