//! Port Receive (802.1D-2004 17.23, Figure 17-14; 802.1Q 13.29).

use super::{Engine, MIGRATE_TIME};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum State {
    Discard,
    Receive,
}

impl State {
    pub(super) fn next(self, engine: &Engine, index: usize) -> Option<Self> {
        let port = &engine.ports[index];
        let heard = port.rcvd_bpdu.is_some();
        match self {
            Self::Receive if !port.enabled => Some(Self::Discard),
            // What a BPDU brings is settled before the next one is looked at: rcvdMsg is false by then. A port that is
            // not enabled gets none.
            Self::Discard | Self::Receive if heard => Some(Self::Receive),
            Self::Discard | Self::Receive => None,
        }
    }

    pub(super) fn enter(self, engine: &mut Engine, index: usize) {
        let now = engine.now;
        match self {
            Self::Discard => {
                for tree in &mut engine.trees {
                    tree.ports[index].message = None;
                }
                let port = &mut engine.ports[index];
                port.rcvd_bpdu = None;
                port.rcvd_rstp = false;
                port.rcvd_stp = false;
                port.edge_delay_while.hold(MIGRATE_TIME);
            }
            Self::Receive => {
                let port = &mut engine.ports[index];
                if let Some(heard) = port.rcvd_bpdu.take() {
                    // updtBPDUVersion (17.21.22), fromSameRegion (802.1Q 13.26.3); the messages are there already.
                    port.rcvd_rstp |= heard.rapid;
                    port.rcvd_stp |= !heard.rapid;
                    port.rcvd_internal = heard.internal;
                }
                port.oper_edge = false;
                port.edge_delay_while.start(now, MIGRATE_TIME);
                engine.note_alive(index);
            }
        }
    }
}
