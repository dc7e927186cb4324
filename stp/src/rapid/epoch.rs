//! RSTP with epochs: a dead root's word does not go round.
//!
//! When a bridge loses the way to the root, and believes a neighbour who still knows of one, that neighbour may know it
//! from nobody but the bridge that has just lost it; the dead root's information then goes round until its age is spent:
//! counting to infinity (Myers, Ng, Zhang, HotNets 2004; Elmeleegy, Cox, Ng, INFOCOM 2006). The latter's remedy, RSTP
//! with Epochs, numbers roots' words. Here it is one number for the network, which makes the same difference:
//!
//! 1. A root vouches for its word in the present *epoch*, and its word carries that number wherever it goes.
//! 2. Who loses the root (falls to a worse one) begins the next epoch, and says so to all neighbours.
//! 3. Who hears of a later epoch enters it, says so to all neighbours, and believes nothing any more that was vouched
//!    for in an earlier one. If it is the root itself, it lives, and vouches anew.
//!
//! So the loss of a root reaches everybody one time, a living root's answer comes back, and between the two lies a way
//! through the network and back. What bridges say that know no epochs nobody vouches for; it is believed as the
//! standard has it, and so is everybody as long as no root is lost.

use super::{At, Engine, InfoIs, Message};

impl Engine {
    /// Whether epochs count: of a region's trees nobody vouches.
    pub(super) const fn has_epochs(&self) -> bool {
        self.config.epochs && self.region.is_none()
    }

    /// Whether what was vouched for then is not to be believed now.
    pub(super) fn is_dead(&self, vouched: Option<u32>) -> bool {
        self.has_epochs() && vouched.is_some_and(|vouched| vouched < self.epoch)
    }

    /// Whether a message is a dead root's word. Whoever says it has not heard yet.
    pub(super) fn is_dead_word(&self, message: &Message) -> bool {
        self.is_dead(message.epoch.and_then(|stamp| stamp.vouched))
    }

    /// The epoch in which a root's word in `message` was vouched for.
    pub(super) fn vouched_of(&self, message: &Message) -> Option<u32> {
        message
            .epoch
            .and_then(|stamp| stamp.vouched)
            .filter(|_| self.has_epochs())
    }

    /// Somebody is in `epoch`.
    pub(super) fn hear_epoch(&mut self, epoch: u32) {
        if self.has_epochs() && epoch > self.epoch {
            self.enter_epoch(epoch);
        }
    }

    /// The root that was believed until now is lost: whatever is still heard of it is not to be believed. The last
    /// epoch has no next one; then the network is as without epochs.
    pub(super) fn begin_epoch(&mut self) {
        if let Some(next) = self.epoch.checked_add(1) {
            self.enter_epoch(next);
        }
    }

    fn enter_epoch(&mut self, epoch: u32) {
        self.epoch = epoch;
        let is_root = self.trees[0].root_port.is_none();
        if is_root {
            self.trees[0].root_vouched = Some(epoch);
        }
        for port in 0..self.ports.len() {
            let at = At { tree: 0, port };
            let dead = self.is_dead(self.tp(at).vouched);
            let tree_port = self.tp_mut(at);
            match tree_port.info_is {
                InfoIs::Received if dead => {
                    // As if it had come too far: that is no silence.
                    tree_port.rcvd_info_while.stop();
                    tree_port.too_old = true;
                }
                InfoIs::Mine if is_root => tree_port.vouched = Some(epoch),
                InfoIs::Received | InfoIs::Mine | InfoIs::Aged | InfoIs::Disabled => {}
            }
            if self.ports[port].enabled {
                self.new_info(at);
            }
        }
        self.trees[0].marks.set_all();
        self.marks.set_all();
    }
}
