//! Topology Change (802.1D-2004 17.31, Figure 17-25; 802.1Q 13.37).

use core::time::Duration;

use super::{Actions, At, Engine};
use crate::event::{Action, PortRole, TopologyChangeKind};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum State {
    Inactive,
    Learning,
    Detected,
    Active,
    NotifiedTcn,
    NotifiedTc,
    Propagating,
    Acknowledged,
}

impl State {
    pub(super) fn next(self, engine: &Engine, at: At) -> Option<Self> {
        let port = engine.tp(at);
        let shared = &engine.ports[at.port];
        let (rcvd_tcn, rcvd_tc_ack) = (
            at.is_common() && shared.rcvd_tcn,
            at.is_common() && shared.rcvd_tc_ack,
        );
        let told = port.rcvd_tc || rcvd_tcn || rcvd_tc_ack || port.tc_prop;
        let on_the_tree = match port.role {
            PortRole::Root | PortRole::Designated | PortRole::Master => true,
            PortRole::Disabled | PortRole::Alternate | PortRole::Backup => false,
        };
        match self {
            Self::Inactive if port.learn => Some(Self::Learning),
            Self::Learning if on_the_tree && port.forward && !shared.oper_edge => {
                Some(Self::Detected)
            }
            Self::Learning if told => Some(Self::Learning),
            Self::Learning if !on_the_tree && !port.learn && !port.learning => Some(Self::Inactive),
            Self::Detected | Self::NotifiedTc | Self::Propagating | Self::Acknowledged => {
                Some(Self::Active)
            }
            Self::NotifiedTcn => Some(Self::NotifiedTc),
            Self::Active if !on_the_tree || shared.oper_edge => Some(Self::Learning),
            Self::Active if rcvd_tcn => Some(Self::NotifiedTcn),
            Self::Active if port.rcvd_tc => Some(Self::NotifiedTc),
            Self::Active if port.tc_prop => Some(Self::Propagating),
            Self::Active if rcvd_tc_ack => Some(Self::Acknowledged),
            Self::Inactive | Self::Learning | Self::Active => None,
        }
    }

    pub(super) fn enter(self, engine: &mut Engine, at: At, actions: &mut Actions) {
        match self {
            Self::Inactive => {
                let port = engine.tp_mut(at);
                port.fdb_flush = true;
                port.tc_while.stop();
                if at.is_common() {
                    engine.ports[at.port].tc_ack = false;
                }
            }
            Self::Learning => {
                let port = engine.tp_mut(at);
                port.rcvd_tc = false;
                port.tc_prop = false;
                if at.is_common() {
                    let port = &mut engine.ports[at.port];
                    port.rcvd_tcn = false;
                    port.rcvd_tc_ack = false;
                }
            }
            Self::Detected => {
                engine.note_topology_change(at, TopologyChangeKind::Detected, actions);
                engine.new_tc_while(at);
                engine.set_tc_prop_tree(at);
                engine.new_info(at);
            }
            Self::Active => {}
            Self::NotifiedTcn => engine.new_tc_while(at),
            Self::NotifiedTc => {
                engine.note_topology_change(at, TopologyChangeKind::Notified, actions);
                engine.tp_mut(at).rcvd_tc = false;
                if at.is_common() {
                    let designated = engine.tp(at).role == PortRole::Designated;
                    let port = &mut engine.ports[at.port];
                    port.rcvd_tcn = false;
                    port.tc_ack |= designated;
                }
                engine.set_tc_prop_tree(at);
            }
            Self::Propagating => {
                engine.new_tc_while(at);
                let port = engine.tp_mut(at);
                port.fdb_flush = true;
                port.tc_prop = false;
            }
            Self::Acknowledged => {
                engine.tp_mut(at).tc_while.stop();
                engine.ports[at.port].rcvd_tc_ack = false;
                engine.note_topology_change(at, TopologyChangeKind::Acknowledged, actions);
            }
        }
    }
}

impl Engine {
    /// newTcWhile (17.21.7): two BPDUs to a rapid neighbour, to a classic one until the root has told everybody.
    fn new_tc_while(&mut self, at: At) {
        if !self.tp(at).tc_while.is_zero() {
            return;
        }
        let now = self.now;
        if self.ports[at.port].send_rstp {
            let time = self.hello_time() + Duration::from_secs(1);
            self.tp_mut(at).tc_while.start(now, time);
            self.new_info(at);
        } else {
            let time = self.max_age().saturating_add(self.fwd_delay());
            self.tp_mut(at).tc_while.start(now, time);
        }
    }

    /// setTcPropTree (17.21.18): all ports but the one it came from, unless that one's word does not count.
    fn set_tc_prop_tree(&mut self, at: At) {
        if self.ports[at.port].config.restricted_tcn {
            return;
        }
        let tree = &mut self.trees[at.tree];
        for (index, port) in tree.ports.iter_mut().enumerate() {
            port.tc_prop |= index != at.port;
        }
        tree.marks.set_all();
    }

    fn note_topology_change(&mut self, at: At, kind: TopologyChangeKind, actions: &mut Actions) {
        let (now, port) = (self.now, self.ports[at.port].number);
        let tree = &mut self.trees[at.tree];
        if kind != TopologyChangeKind::Acknowledged {
            tree.topology_change.last = Some(now);
            tree.topology_change.last_port = Some(port);
        }
        actions.push(Action::TopologyChange {
            tree: tree.id,
            port: Some(port),
            kind,
        });
    }
}
