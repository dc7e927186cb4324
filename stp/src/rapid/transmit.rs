//! Port Transmit (802.1D-2004 17.26, Figure 17-17; 802.1Q 13.32).

use super::{Actions, At, Engine};
use crate::event::PortRole;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum State {
    TransmitInit,
    TransmitPeriodic,
    TransmitConfig,
    TransmitTcn,
    TransmitRstp,
    Idle,
}

impl State {
    pub(super) fn next(self, engine: &Engine, index: usize) -> Option<Self> {
        let port = &engine.ports[index];
        let may_send = port.enabled && !port.config.bpdu_filter;
        match self {
            Self::TransmitInit if may_send => Some(Self::Idle),
            Self::TransmitInit => None,
            _idle_or_sent if !may_send => Some(Self::TransmitInit),
            Self::TransmitPeriodic
            | Self::TransmitConfig
            | Self::TransmitTcn
            | Self::TransmitRstp => Some(Self::Idle),
            Self::Idle if !engine.all_transmit_ready(index) => None,
            Self::Idle if port.hello_when.is_zero() => Some(Self::TransmitPeriodic),
            Self::Idle if port.tx_count >= engine.config.transmit_hold_count.get() => None,
            Self::Idle if port.send_rstp => {
                let instances = port.new_info_msti && !engine.msti_master_port(index);
                (port.new_info || instances).then_some(Self::TransmitRstp)
            }
            Self::Idle if port.new_info => match engine.common(index).role {
                PortRole::Designated => Some(Self::TransmitConfig),
                PortRole::Root => Some(Self::TransmitTcn),
                PortRole::Disabled | PortRole::Alternate | PortRole::Backup | PortRole::Master => {
                    None
                }
            },
            Self::Idle => None,
        }
    }

    pub(super) fn enter(self, engine: &mut Engine, index: usize, actions: &mut Actions) {
        let (now, hello_time) = (engine.now, engine.hello_time());
        let port = &mut engine.ports[index];
        match self {
            Self::TransmitInit => {
                port.new_info = true;
                port.new_info_msti = true;
                port.tx_count = 0;
                port.tick.stop();
                port.hello_when.stop();
            }
            Self::TransmitPeriodic => {
                let (common, instances) = engine.has_something_to_repeat(index);
                let port = &mut engine.ports[index];
                port.new_info |= common;
                port.new_info_msti |= instances;
            }
            Self::TransmitConfig => {
                engine.tx_config(index, actions);
                engine.sent(index);
                engine.ports[index].tc_ack = false;
            }
            Self::TransmitTcn => {
                engine.tx_tcn(index, actions);
                engine.sent(index);
            }
            Self::TransmitRstp => {
                engine.tx_rstp(index, actions);
                engine.sent(index);
                engine.ports[index].tc_ack = false;
            }
            Self::Idle => port.hello_when.start(now, hello_time),
        }
    }
}

impl Engine {
    /// allTransmitReady (802.1Q 13.25): what would be said is decided.
    fn all_transmit_ready(&self, index: usize) -> bool {
        let mut trees = self.trees.iter();
        trees.all(|tree| tree.ports[index].selected && !tree.ports[index].updt_info)
    }

    /// mstiMasterPort (802.1Q 13.25).
    fn msti_master_port(&self, index: usize) -> bool {
        let mut trees = self.trees.iter();
        trees.any(|tree| tree.ports[index].role == PortRole::Master)
    }

    /// What a hello time repeats, of the common tree and of instances: a designated port's word, a root port's topology
    /// change, and everything if bridge assurance wants to hear it.
    fn has_something_to_repeat(&self, index: usize) -> (bool, bool) {
        let assured = self.is_assured(index);
        let repeats = |at: At| {
            let port = self.tp(at);
            match port.role {
                PortRole::Designated => true,
                PortRole::Root => assured || !port.tc_while.is_zero(),
                PortRole::Alternate | PortRole::Backup => assured,
                PortRole::Disabled | PortRole::Master => false,
            }
        };
        let at = |tree| At { tree, port: index };
        let instances = (1..self.trees.len()).any(|tree| repeats(at(tree)));
        (repeats(at(0)), instances)
    }

    /// newInfo is over, txCount one more: it goes down once a second while it is above zero (17.22).
    fn sent(&mut self, index: usize) {
        let now = self.now;
        let port = &mut self.ports[index];
        port.new_info = false;
        port.new_info_msti = false;
        port.tx_count += 1;
        if port.tick.is_zero() {
            port.tick.start(now, core::time::Duration::from_secs(1));
        }
    }
}
