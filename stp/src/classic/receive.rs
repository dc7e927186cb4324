//! BPDUs received (802.1D-1998 8.7.1, 8.7.2, 9.3.4).

use core::time::Duration;

use super::topology_change::Cause;
use super::{Context, Tree};
use crate::bpdu::{Bpdu, ConfigBpdu};

/// How long a BPDU may be on its way through a LAN.
const BPDU_DELAY_MAX: Duration = Duration::from_secs(1);

impl Tree {
    /// Takes a BPDU, if the port is enabled. RST BPDUs are counted and left alone: a rapid bridge that hears our
    /// configuration BPDUs falls back to them.
    pub(crate) fn receive(&mut self, index: usize, bpdu: &Bpdu, context: &mut Context<'_>) {
        let enabled = self.ports[index].is_enabled();
        if !enabled {
            self.ports[index].counters.discarded_disabled += 1;
            return;
        }
        self.ports[index].counters.count_received(bpdu);
        self.end_silence(index, context);
        match bpdu {
            Bpdu::Config(config) => self.received_config_bpdu(index, config, context),
            Bpdu::Tcn => self.received_tcn_bpdu(index, context),
            Bpdu::Rst(_) | Bpdu::Mst(_) => {}
        }
    }

    /// 8.7.1. A BPDU that this very port sent is no news (802.1D-2004 9.3.4), neither is one that was on its way while
    /// this bridge's identifier was changed: it would make the bridge its own better root.
    fn received_config_bpdu(
        &mut self,
        index: usize,
        config: &ConfigBpdu,
        context: &mut Context<'_>,
    ) {
        let port = &mut self.ports[index];
        let own = config.bridge == self.bridge_id && config.port == port.id;
        let former = self.former_id.is_some_and(|(id, since)| {
            config.bridge == id && context.now.saturating_sub(since) <= BPDU_DELAY_MAX
        });
        if own || former {
            port.counters.discarded_own += 1;
            return;
        }
        if !config.vector().supersedes(&port.designated, self.bridge_id) {
            port.rival = Some(config.vector());
            if self.is_designated_port(index) {
                self.reply_to_config_bpdu(index, context);
            }
            return;
        }
        if self.is_repetition(index, config) {
            self.record_config_information(index, config, context);
            #[cfg(test)]
            assert!(self.is_at_rest(context.now), "{self:?}");
        } else {
            let was_root = self.is_root_bridge();
            self.record_config_information(index, config, context);
            self.configuration_update(context);
            self.port_state_selection(context);
            self.follow_root(was_root, context);
        }
        if self.root_port == Some(index) {
            self.record_config_timeout_values(index, config, context);
            self.config_bpdu_generation(context);
            if config.topology_change_acknowledgment {
                self.topology_change_acknowledged(context);
            }
        }
    }

    /// Whether the BPDU says what is known of the LAN already, as nearly all do. Then 8.6.7 and 8.6.11, which depend on
    /// nothing but what is known of each LAN, would find all as they left it; and they look at every port of the bridge.
    fn is_repetition(&self, index: usize, config: &ConfigBpdu) -> bool {
        let port = &self.ports[index];
        port.message_age_timer.is_running() && port.designated == config.vector()
    }

    /// Whether 8.6.7 and 8.6.11 find nothing to do.
    #[cfg(test)]
    fn is_at_rest(&self, now: Duration) -> bool {
        let mut again = self.clone();
        let mut actions = Vec::new();
        let context = &mut Context {
            now,
            actions: &mut actions,
        };
        again.configuration_update(context);
        again.port_state_selection(context);
        actions.is_empty() && format!("{again:?}") == format!("{self:?}")
    }

    /// 8.7.2. Only the designated port of a LAN answers, so one bridge passes the notification on.
    fn received_tcn_bpdu(&mut self, index: usize, context: &mut Context<'_>) {
        if self.is_designated_port(index) {
            if self.ports[index].restricted_tcn {
                self.acknowledge_topology_change(index, context);
                return;
            }
            self.topology_change_detection(Cause::Notification(index), context);
            self.acknowledge_topology_change(index, context);
        }
    }

    /// What follows if the bridge has become the root, or is it no longer.
    pub(super) fn follow_root(&mut self, was_root: bool, context: &mut Context<'_>) {
        match (was_root, self.is_root_bridge()) {
            (false, true) => self.become_root(context),
            (true, false) => self.cease_to_be_root(context),
            (true, true) | (false, false) => {}
        }
    }

    /// 8.7.1, where a bridge learns of a better root than itself: it sends no more hellos, and a change it was
    /// telling of as the root it now notifies.
    fn cease_to_be_root(&mut self, context: &mut Context<'_>) {
        self.hello_timer.stop();
        if self.topology_change.detected {
            self.topology_change_timer.stop();
            self.transmit_topology_change_notification(context);
            self.topology_change_notification_timer.start(context.now);
        }
    }

    /// 8.7.4 and 8.8.3 to 8.8.5, where a bridge is left without a better root: its own times come into force, and what
    /// it says is new to everybody.
    fn become_root(&mut self, context: &mut Context<'_>) {
        self.times = self.bridge_times.in_force();
        self.topology_change_detection(Cause::BecameRoot, context);
        self.topology_change_notification_timer.stop();
        self.config_bpdu_generation(context);
        self.hello_timer.start(context.now);
    }
}
