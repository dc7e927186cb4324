//! What is sent (802.1D-2004 17.21.18 to 17.21.20; 802.1Q 13.26.19 to 13.26.21).

use super::{Actions, At, Engine, TreePort};
use crate::bpdu::{Bpdu, ConfigBpdu, MstBpdu, MstiRecord, RstBpdu, RstRole};
use crate::event::{Action, PortRole};
use crate::times::BpduTime;

impl Engine {
    /// txConfig (17.21.18). Information that would be too old to be believed is not sent.
    pub(super) fn tx_config(&mut self, index: usize, actions: &mut Actions) {
        let mut config = self.config_of(index);
        if config.message_age >= config.max_age {
            return;
        }
        config.topology_change_acknowledgment = self.ports[index].tc_ack;
        let port = &mut self.ports[index];
        port.counters.config_sent += 1;
        actions.push(Action::Transmit {
            port: port.number,
            bpdu: Bpdu::Config(config),
        });
    }

    /// txTcn (17.21.20).
    pub(super) fn tx_tcn(&mut self, index: usize, actions: &mut Actions) {
        let port = &mut self.ports[index];
        port.counters.tcn_sent += 1;
        actions.push(Action::Transmit {
            port: port.number,
            bpdu: Bpdu::Tcn,
        });
    }

    /// txRstp (17.21.19), txMstp (802.1Q 13.26.20).
    pub(super) fn tx_rstp(&mut self, index: usize, actions: &mut Actions) {
        let common = self.common(index);
        let rst = RstBpdu {
            config: self.config_of(index),
            proposal: common.proposing,
            role: role_of(common),
            learning: common.learning,
            forwarding: common.forwarding,
            agreement: agrees(common),
            epoch: self.stamp(0),
        };
        let bpdu = match self.region {
            None => Bpdu::Rst(rst),
            Some(configuration) => Bpdu::Mst(Box::new(MstBpdu {
                cist: rst,
                configuration,
                internal_root_path_cost: common.designated_priority.internal_root_path_cost,
                bridge: self.trees[0].bridge_id,
                remaining_hops: common.designated_times.remaining_hops,
                records: (1..self.trees.len())
                    .map(|tree| self.record_of(At { tree, port: index }))
                    .collect(),
            })),
        };
        let port = &mut self.ports[index];
        match self.region {
            None => port.counters.rst_sent += 1,
            Some(_) => port.counters.mst_sent += 1,
        }
        actions.push(Action::Transmit {
            port: port.number,
            bpdu,
        });
    }

    /// The part that BPDUs of all versions have. Outside the region, the regional root is the bridge that speaks.
    fn config_of(&self, index: usize) -> ConfigBpdu {
        let common = self.common(index);
        let (vector, times) = (common.designated_priority, common.designated_times);
        ConfigBpdu {
            root: vector.root,
            root_path_cost: vector.external_root_path_cost,
            bridge: vector.regional_root,
            port: vector.designated_port,
            message_age: BpduTime::at_least(times.message_age),
            max_age: BpduTime::at_least(times.max_age),
            hello_time: BpduTime::at_least(times.hello_time),
            forward_delay: BpduTime::at_least(times.forward_delay),
            topology_change_acknowledgment: false,
            topology_change: !common.tc_while.is_zero(),
        }
    }

    fn record_of(&self, at: At) -> MstiRecord {
        let tree = &self.trees[at.tree];
        let port = &tree.ports[at.port];
        let vector = port.designated_priority;
        MstiRecord {
            topology_change: !port.tc_while.is_zero(),
            proposal: port.proposing,
            role: role_of(port),
            learning: port.learning,
            forwarding: port.forwarding,
            agreement: agrees(port),
            master: self.leads_to_master(at),
            regional_root: vector.regional_root,
            internal_root_path_cost: vector.internal_root_path_cost,
            bridge_priority: tree.priority,
            port_priority: port.priority,
            remaining_hops: port.designated_times.remaining_hops,
            epoch: self.stamp(at.tree),
        }
    }

    /// master (802.1Q 13.24): the way out of the region lies behind another port of this bridge.
    fn leads_to_master(&self, at: At) -> bool {
        let speaks = |port: &TreePort| matches!(port.role, PortRole::Root | PortRole::Designated);
        let ports = self.trees[at.tree].ports.iter().enumerate();
        let mut others = ports.filter(|(index, _)| *index != at.port);
        speaks(self.tp(at))
            && others
                .any(|(_, port)| port.role == PortRole::Master || (port.mastered && speaks(port)))
    }
}

/// Whether the port gives its agreement. One that was given to somebody better is no agreement with whom the port is
/// better than itself.
fn agrees(port: &TreePort) -> bool {
    port.agree && port.role != PortRole::Designated
}

/// As a BPDU names it (802.1D-2004 9.2.9). In an instance's record 0 is a master port (802.1Q 14.6.1); a disabled port
/// does not speak.
const fn role_of(port: &TreePort) -> RstRole {
    match port.role {
        PortRole::Root => RstRole::Root,
        PortRole::Designated => RstRole::Designated,
        PortRole::Alternate | PortRole::Backup => RstRole::AlternateOrBackup,
        PortRole::Master | PortRole::Disabled => RstRole::Unknown,
    }
}
