//! Epochs: a dead root's word does not go round.
//!
//! When a bridge loses the way to the root, and believes a neighbour who still knows of one, that neighbour may know it
//! from nobody but the bridge that has just lost it; the dead root's information then goes round until its age, or its
//! hops, are spent: counting to infinity (Myers, Ng, Zhang, HotNets 2004; Elmeleegy, Cox, Ng, INFOCOM 2006). The latter's
//! remedy, RSTP with Epochs, numbers roots' words. Here it is one number for a tree, which makes the same difference:
//!
//! 1. A root vouches for its word in the present *epoch*, and its word carries that number wherever it goes.
//! 2. Who loses the root (falls to a worse one) begins the next epoch, and says so to all neighbours.
//! 3. Who hears of a later epoch enters it, says so to all neighbours, and believes nothing any more that was vouched
//!    for in an earlier one. If it is the root itself, it lives, and vouches anew.
//!
//! So the loss of a root reaches everybody one time, a living root's answer comes back, and between the two lies a way
//! through the network and back. What bridges say that know no epochs nobody vouches for; it is believed as the
//! standard has it, and so is everybody as long as no root is lost.
//!
//! Every tree of a region has epochs of its own, and so has every VLAN's. Nobody vouches beyond the region for an
//! instance, whose root is in it.

use super::{At, Engine, InfoIs, Message};
use crate::bpdu::EpochStamp;
use crate::priority::TreeVector;

impl Engine {
    pub(super) const fn has_epochs(&self) -> bool {
        self.config.epochs
    }

    /// What is said of a tree's epochs. The root that is believed has not vouched for an earlier one: it would not be
    /// believed.
    pub(super) fn stamp(&self, tree: usize) -> Option<EpochStamp> {
        let tree = &self.trees[tree];
        self.has_epochs().then(|| EpochStamp {
            current: tree.epoch,
            vouched: tree.root_vouched == Some(tree.epoch),
        })
    }

    /// Whether what was vouched for then is not to be believed now.
    pub(super) fn is_dead(&self, tree: usize, vouched: Option<u32>) -> bool {
        self.has_epochs() && vouched.is_some_and(|vouched| vouched < self.trees[tree].epoch)
    }

    /// Whether a message is a dead root's word. Whoever says it has not heard yet.
    pub(super) fn is_dead_word(&self, tree: usize, message: &Message) -> bool {
        self.is_dead(tree, self.vouched_of(message))
    }

    /// The epoch in which a root's word in `message` was vouched for.
    pub(super) fn vouched_of(&self, message: &Message) -> Option<u32> {
        let stamp = message.epoch.filter(|_| self.has_epochs())?;
        stamp.vouched.then_some(stamp.current)
    }

    /// A neighbour says what epoch a tree is in.
    pub(super) fn hear_epoch(&mut self, tree: usize, stamp: Option<EpochStamp>) {
        if let Some(stamp) = stamp
            && self.has_epochs()
            && stamp.current > self.trees[tree].epoch
        {
            self.enter_epoch(tree, stamp.current);
        }
    }

    /// Whether the root that was believed until now is lost: there is a worse one. In a region the way out of it goes with
    /// its root, and is as good as a root to those within: the word of a regional root that is dead, or that knows of a
    /// worse way than it did, would go round like another.
    pub(super) fn is_root_lost(&self, tree: usize, before: &TreeVector) -> bool {
        let now = &self.trees[tree].root;
        let is_in_region = self.ports.iter().any(|port| port.info_internal);
        let way = |vector: &TreeVector| {
            (
                vector.root,
                vector.external_root_path_cost,
                vector.regional_root,
            )
        };
        if is_in_region || tree != 0 {
            way(now) > way(before)
        } else {
            now.root > before.root
        }
    }

    /// Whatever is still heard of the root that was believed is not to be believed. The last epoch has no next one; then
    /// the tree is as without epochs.
    pub(super) fn begin_epoch(&mut self, tree: usize) {
        if let Some(next) = self.trees[tree].epoch.checked_add(1) {
            self.enter_epoch(tree, next);
        }
    }

    fn enter_epoch(&mut self, tree: usize, epoch: u32) {
        self.trees[tree].epoch = epoch;
        let is_root = self.trees[tree].root_port.is_none();
        if is_root {
            self.trees[tree].root_vouched = Some(epoch);
        }
        for port in 0..self.ports.len() {
            let at = At { tree, port };
            let dead = self.is_dead(tree, self.tp(at).vouched);
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
        self.trees[tree].marks.set_all();
        self.marks.set_all();
    }
}
