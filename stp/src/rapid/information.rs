//! Port Information (802.1D-2004 17.27, Figure 17-18; 802.1Q 13.33): what is known of the LAN, and whose word it is.

use super::{At, Engine, InfoIs, RcvdInfo};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum State {
    Disabled,
    Aged,
    Update,
    Current,
    Receive,
    SuperiorDesignated,
    RepeatedDesignated,
    InferiorDesignated,
    NotDesignated,
    Other,
}

impl State {
    pub(super) fn next(self, engine: &Engine, at: At) -> Option<Self> {
        let port = engine.tp(at);
        if !engine.ports[at.port].enabled && port.info_is != InfoIs::Disabled {
            return Some(Self::Disabled);
        }
        match self {
            Self::Disabled if port.message.is_some() => Some(Self::Disabled),
            Self::Disabled if engine.ports[at.port].enabled => Some(Self::Aged),
            Self::Aged if port.selected && port.updt_info => Some(Self::Update),
            Self::Update
            | Self::SuperiorDesignated
            | Self::RepeatedDesignated
            | Self::InferiorDesignated
            | Self::NotDesignated
            | Self::Other => Some(Self::Current),
            Self::Current if port.selected && port.updt_info => Some(Self::Update),
            Self::Current if engine.has_aged(at) => Some(Self::Aged),
            Self::Current if engine.rcvd_xst_msg(at) && !engine.updt_xst_info(at) => {
                Some(Self::Receive)
            }
            Self::Receive => Some(match port.rcvd_info {
                RcvdInfo::SuperiorDesignated => Self::SuperiorDesignated,
                RcvdInfo::RepeatedDesignated => Self::RepeatedDesignated,
                RcvdInfo::InferiorDesignated => Self::InferiorDesignated,
                RcvdInfo::InferiorRootAlternate => Self::NotDesignated,
                RcvdInfo::Other => Self::Other,
            }),
            Self::Disabled | Self::Aged | Self::Current => None,
        }
    }

    pub(super) fn enter(self, engine: &mut Engine, at: At) {
        match self {
            Self::Disabled => {
                let port = engine.tp_mut(at);
                port.message = None;
                port.proposing = false;
                port.proposed = false;
                port.agree = false;
                port.agreed = false;
                port.rcvd_info_while.stop();
                port.held = None;
                port.info_is = InfoIs::Disabled;
                engine.reselect(at);
            }
            Self::Aged => {
                engine.guard_silence(at);
                engine.tp_mut(at).info_is = InfoIs::Aged;
                engine.reselect(at);
            }
            Self::Update => engine.update_information(at),
            Self::Current => {}
            Self::Receive => engine.rcv_info(at),
            Self::SuperiorDesignated => {
                engine.take_internal(at);
                let port = engine.tp_mut(at);
                port.agreed = false;
                port.proposing = false;
                engine.record_proposal(at);
                engine.set_tc_flags(at);
                engine.keep_agree_if_better(at);
                engine.tp_mut(at).synced = false;
                engine.record_priority_and_times(at);
                engine.updt_rcvd_info_while(at);
                let port = engine.tp_mut(at);
                port.info_is = InfoIs::Received;
                port.message = None;
                engine.reselect(at);
            }
            Self::RepeatedDesignated => {
                engine.take_internal(at);
                engine.record_proposal(at);
                engine.set_tc_flags(at);
                engine.updt_rcvd_info_while(at);
                engine.tp_mut(at).message = None;
            }
            Self::InferiorDesignated => {
                engine.record_dispute(at);
                engine.tp_mut(at).message = None;
            }
            Self::NotDesignated => {
                engine.record_agreement(at);
                engine.set_tc_flags(at);
                engine.tp_mut(at).message = None;
            }
            Self::Other => engine.tp_mut(at).message = None,
        }
    }
}

impl Engine {
    /// What is known must be looked at anew.
    pub(super) fn reselect(&mut self, at: At) {
        let port = self.tp_mut(at);
        port.reselect = true;
        port.selected = false;
        self.trees[at.tree].marks.set_all();
    }

    fn has_aged(&self, at: At) -> bool {
        let port = self.tp(at);
        port.info_is == InfoIs::Received
            && port.rcvd_info_while.is_zero()
            && !port.updt_info
            && port.message.is_none()
    }

    /// rcvdCistMsg, rcvdMstiMsg (802.1Q 13.25): the common tree's word is taken first.
    fn rcvd_xst_msg(&self, at: At) -> bool {
        let rcvd_msg = self.tp(at).message.is_some();
        rcvd_msg && (at.is_common() || self.common(at.port).message.is_none())
    }

    /// updtCistInfo, updtMstiInfo (802.1Q 13.25).
    fn updt_xst_info(&self, at: At) -> bool {
        self.tp(at).updt_info || self.common(at.port).updt_info
    }

    /// The box UPDATE: our own word stands on the LAN.
    fn update_information(&mut self, at: At) {
        let vouched = self.trees[at.tree].root_vouched;
        let port = self.tp_mut(at);
        port.proposing = false;
        port.proposed = false;
        // betterorsameInfo(Mine) (17.21.1).
        port.agreed &=
            port.info_is == InfoIs::Mine && port.designated_priority <= port.port_priority;
        port.synced &= port.agreed;
        port.port_priority = port.designated_priority;
        port.port_times = port.designated_times;
        port.vouched = vouched;
        port.updt_info = false;
        port.info_is = InfoIs::Mine;
        // Nobody's information is held that could grow old.
        port.rcvd_info_while.stop();
        self.new_info(at);
    }

    /// newInfo, newInfoMsti.
    pub(super) fn new_info(&mut self, at: At) {
        let port = &mut self.ports[at.port];
        if at.is_common() {
            port.new_info = true;
        } else {
            port.new_info_msti = true;
        }
        self.marks.set(at.port);
    }

    /// infoInternal (802.1Q 13.24) is what the common tree's information is. If the neighbour has come into the region, or
    /// left it, the same word means another way: all trees are selected anew.
    fn take_internal(&mut self, at: At) {
        if !at.is_common() {
            return;
        }
        let port = &mut self.ports[at.port];
        if port.info_internal != port.rcvd_internal {
            port.info_internal = port.rcvd_internal;
            for tree in 0..self.trees.len() {
                self.reselect(At { tree, ..at });
            }
        }
    }

    /// agree stands only while what is heard is no worse than what it was given for: betterorsameInfo(Received)
    /// (17.21.1).
    fn keep_agree_if_better(&mut self, at: At) {
        let port = self.tp_mut(at);
        let better = port.message.is_some_and(|message| {
            port.info_is == InfoIs::Received && message.priority <= port.port_priority
        });
        port.agree &= better;
    }

    fn record_priority_and_times(&mut self, at: At) {
        let message = self.tp(at).message;
        let vouched = message.and_then(|message| self.vouched_of(&message));
        let port = self.tp_mut(at);
        if let Some(message) = port.message {
            port.port_priority = message.priority;
            port.port_times = message.times;
            port.vouched = vouched;
        }
    }
}
