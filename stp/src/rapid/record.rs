//! What a message is, and what is recorded of it (802.1D-2004 17.21.8 to 17.21.14, 17.21.17, 17.21.23; 802.1Q 13.26.5 to
//! 13.26.9, 13.26.15, 13.26.22).

use super::{At, Engine, InfoIs, Message, RcvdInfo};
use crate::bpdu::RstRole;
use crate::priority::TreeVector;

impl Engine {
    /// rcvInfo (17.21.8).
    pub(super) fn rcv_info(&mut self, at: At) {
        let Some(message) = self.tp(at).message else {
            return;
        };
        let kind = self.kind_of(at, &message);
        if self.is_dead_word(at.tree, &message) {
            // The sender is to hear of it.
            self.new_info(at);
        }
        let port = self.tp_mut(at);
        port.rcvd_info = kind;
        port.rival = match kind {
            RcvdInfo::InferiorDesignated | RcvdInfo::InferiorRootAlternate => {
                Some(message.priority)
            }
            RcvdInfo::SuperiorDesignated | RcvdInfo::RepeatedDesignated | RcvdInfo::Other => None,
        };
        if message.notification {
            self.ports[at.port].rcvd_tcn = true;
            for tree in &mut self.trees[1..] {
                tree.ports[at.port].rcvd_tc = true;
            }
            self.mark(at.port);
        }
    }

    fn kind_of(&self, at: At, message: &Message) -> RcvdInfo {
        let port = self.tp(at);
        if message.notification || self.is_dead_word(at.tree, message) {
            return RcvdInfo::Other;
        }
        let held = &port.port_priority;
        match message.role {
            RstRole::Designated => {
                let same = message.priority == *held;
                let differs =
                    message.times != port.port_times || self.vouched_of(message) != port.vouched;
                if message.priority.is_superior_to(held)
                    || (same && differs)
                    || self.is_dead(at.tree, port.vouched)
                {
                    RcvdInfo::SuperiorDesignated
                } else if same && port.info_is == InfoIs::Received {
                    RcvdInfo::RepeatedDesignated
                } else {
                    RcvdInfo::InferiorDesignated
                }
            }
            RstRole::Root | RstRole::AlternateOrBackup if message.priority >= *held => {
                RcvdInfo::InferiorRootAlternate
            }
            RstRole::Root | RstRole::AlternateOrBackup | RstRole::Unknown => RcvdInfo::Other,
        }
    }

    /// recordProposal (17.21.11; 802.1Q 13.26.7): a proposal from outside the region is one to all trees.
    pub(super) fn record_proposal(&mut self, at: At) {
        let proposal = self.tp(at).message.is_some_and(|message| message.proposal);
        if proposal {
            self.tp_mut(at).proposed = true;
        }
        if self.speaks_for_all(at) {
            let proposed = self.tp(at).proposed;
            for tree in &mut self.trees[1..] {
                tree.ports[at.port].proposed = proposed;
            }
            self.mark(at.port);
        }
    }

    /// recordAgreement (17.21.9; 802.1Q 13.26.6). Over a link of two ends only: there nobody else could disagree.
    pub(super) fn record_agreement(&mut self, at: At) {
        let agreement = self.tp(at).message.is_some_and(|message| message.agreement)
            && self.ports[at.port].is_point_to_point()
            && (at.is_common() || self.is_about_our_root(at));
        let port = self.tp_mut(at);
        port.agreed = agreement;
        port.proposing &= !agreement;
        if self.speaks_for_all(at) {
            let (agreed, proposing) = (self.tp(at).agreed, self.tp(at).proposing);
            for tree in &mut self.trees[1..] {
                tree.ports[at.port].agreed = agreed;
                tree.ports[at.port].proposing = proposing;
            }
            self.mark(at.port);
        }
    }

    /// recordDispute (17.21.10; 802.1Q 13.26.8): somebody worse already learns where we are designated.
    pub(super) fn record_dispute(&mut self, at: At) {
        if !self.tp(at).message.is_some_and(|message| message.learning) {
            return;
        }
        let common_for_all = self.speaks_for_all(at);
        let port = self.tp_mut(at);
        port.disputed = true;
        port.agreed = false;
        if common_for_all {
            for tree in &mut self.trees[1..] {
                tree.ports[at.port].disputed = true;
                tree.ports[at.port].agreed = false;
            }
            self.mark(at.port);
        }
    }

    /// setTcFlags (17.21.17; 802.1Q 13.26.15).
    pub(super) fn set_tc_flags(&mut self, at: At) {
        let Some(message) = self.tp(at).message else {
            return;
        };
        self.ports[at.port].rcvd_tc_ack |= message.acknowledgment;
        if message.topology_change {
            self.tp_mut(at).rcvd_tc = true;
            if self.speaks_for_all(at) {
                for tree in &mut self.trees[1..] {
                    tree.ports[at.port].rcvd_tc = true;
                }
                self.mark(at.port);
            }
        }
    }

    /// updtRcvdInfoWhile (17.21.23; 802.1Q 13.26.22): three hello times, if the information has not come too far.
    pub(super) fn updt_rcvd_info_while(&mut self, at: At) {
        let now = self.now;
        let internal = self.ports[at.port].info_internal;
        let hello_time = self.common(at.port).port_times.hello_time;
        let port = self.tp_mut(at);
        let times = port.port_times;
        let near_enough = if internal || !at.is_common() {
            times.remaining_hops > 1
        } else {
            times.age_one_hop_on() <= times.max_age
        };
        port.too_old = !near_enough;
        if near_enough {
            port.rcvd_info_while.start(now, 3 * hello_time);
        } else {
            port.rcvd_info_while.stop();
        }
    }

    /// Whether a message of the common tree is all that its sender says of any tree: it is not of this region.
    fn speaks_for_all(&self, at: At) -> bool {
        at.is_common() && !self.ports[at.port].rcvd_internal
    }

    /// Whether an instance's agreement was given knowing the way out of the region that we know (802.1Q 13.26.6).
    fn is_about_our_root(&self, at: At) -> bool {
        let heard = self.ports[at.port].heard_common;
        let held = self.common(at.port).port_priority;
        let way_out = |vector: TreeVector| {
            (
                vector.root,
                vector.external_root_path_cost,
                vector.regional_root,
            )
        };
        heard.map(way_out) == Some(way_out(held))
    }
}
