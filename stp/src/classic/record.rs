//! What is remembered of a configuration BPDU (802.1D-1998 8.6.2, 8.6.3).

use super::{Context, Tree};
use crate::bpdu::ConfigBpdu;
use crate::times::TimesInForce;

impl Tree {
    /// 8.6.2: what the LAN's designated port says, and how old it is.
    pub(super) fn record_config_information(
        &mut self,
        index: usize,
        config: &ConfigBpdu,
        context: &Context<'_>,
    ) {
        let port = &mut self.ports[index];
        port.designated = config.vector();
        port.message_age_timer
            .start_at(context.now, config.message_age.duration());
    }

    /// 8.6.3: the root's times, and whether it knows of a topology change.
    pub(super) fn record_config_timeout_values(
        &mut self,
        index: usize,
        config: &ConfigBpdu,
        context: &mut Context<'_>,
    ) {
        self.times = TimesInForce {
            max_age: config.max_age.duration(),
            hello_time: config.hello_time.duration(),
            forward_delay: config.forward_delay.duration(),
        };
        self.set_topology_change(config.topology_change, Some(index), context);
    }
}
