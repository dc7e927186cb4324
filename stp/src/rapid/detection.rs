//! Bridge Detection (802.1D-2004 17.25, Figure 17-16): is there a bridge behind the port?

use super::Engine;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum State {
    Edge,
    NotEdge,
}

impl State {
    pub(super) fn next(self, engine: &Engine, index: usize) -> Option<Self> {
        let port = &engine.ports[index];
        let admin_edge = port.config.admin_edge;
        let unheard = port.receive == super::receive::State::Discard && port.rcvd_bpdu.is_none();
        // On a shared LAN nothing answers a proposal for good, and root ports are silent: a bridge once heard is there.
        let silent = (unheard || port.is_point_to_point())
            && port.edge_delay_while.is_zero()
            && port.config.auto_edge
            && !port.config.bridge_assurance
            && port.send_rstp
            && engine.common(index).proposing;
        match self {
            Self::Edge if !port.oper_edge => Some(Self::NotEdge),
            Self::Edge if (!port.enabled || !port.config.auto_edge) && !admin_edge => {
                Some(Self::NotEdge)
            }
            // Also on a live port that has heard no BPDU yet, as users expect it.
            Self::NotEdge if admin_edge && (!port.enabled || unheard) => Some(Self::Edge),
            // A port that a guard holds waits for a bridge that it knows to be there.
            Self::NotEdge if silent && !engine.is_held_anywhere(index) => Some(Self::Edge),
            Self::Edge | Self::NotEdge => None,
        }
    }

    pub(super) fn enter(self, engine: &mut Engine, index: usize) {
        engine.ports[index].oper_edge = match self {
            Self::Edge => true,
            Self::NotEdge => false,
        };
    }
}
