//! Guards: what keeps a port from forwarding although its role would let it. Root guard and topology change guard are the
//! standard's (restrictedRole, restrictedTcn); loop guard and bridge
//! assurance are the trade's. BPDU guard is the bridge's business: to an engine its ports have no link.

use super::{Actions, At, Engine, InfoIs, TreePort};
use crate::config::Inconsistency;
use crate::event::PortRole;

impl Engine {
    /// What holds the port in this tree.
    pub(super) fn inconsistency(&self, at: At) -> Option<Inconsistency> {
        let shared = &self.ports[at.port];
        let port = self.tp(at);
        let root_guard = shared.config.restricted_role
            && port.role == PortRole::Alternate
            && port.info_is == InfoIs::Received;
        shared
            .held_outside
            .or(port.held)
            .or(root_guard.then_some(Inconsistency::Root))
            .filter(|_| port.role != PortRole::Disabled)
    }

    pub(super) fn is_held_anywhere(&self, index: usize) -> bool {
        let held = |tree: &super::Tree| tree.ports[index].held.is_some();
        self.ports[index].held_outside.is_some() || self.trees.iter().any(held)
    }

    /// Whether bridge assurance watches the port: it wants BPDUs from it and sends them through it.
    pub(super) fn is_assured(&self, index: usize) -> bool {
        let port = &self.ports[index];
        port.config.bridge_assurance
            && port.enabled
            && port.is_point_to_point()
            && !port.oper_edge
            && !port.config.bpdu_filter
    }

    /// Bridge assurance begins, or hears what it wants.
    pub(super) fn watch(&mut self, index: usize) {
        let (now, hello_time) = (self.now, self.hello_time());
        if self.is_assured(index) {
            self.ports[index].assurance_while.start(now, 3 * hello_time);
        } else {
            self.ports[index].assurance_while.stop();
            self.let_go(index, Inconsistency::BridgeAssurance);
        }
    }

    /// A BPDU has come: the far end lives.
    pub(super) fn note_alive(&mut self, index: usize) {
        self.let_go(index, Inconsistency::BridgeAssurance);
        self.let_go(index, Inconsistency::Loop);
        self.watch(index);
    }

    fn let_go(&mut self, index: usize, inconsistency: Inconsistency) {
        for tree in &mut self.trees {
            let port = &mut tree.ports[index];
            if port.held == Some(inconsistency) {
                port.held = None;
            }
        }
        self.mark(index);
    }

    /// Loop guard: information that was on its way out of or around the network has ceased to come. Who sent it may be
    /// there still, forwarding, and unable to tell.
    pub(super) fn guard_silence(&mut self, at: At) {
        let shared = &self.ports[at.port];
        let port = self.tp(at);
        let took = match port.role {
            PortRole::Root | PortRole::Alternate | PortRole::Backup => true,
            PortRole::Disabled | PortRole::Designated | PortRole::Master => false,
        };
        let silent = port.info_is == InfoIs::Received && took && !port.too_old;
        if !silent || !shared.config.loop_guard || !shared.is_point_to_point() {
            return;
        }
        // What comes from outside the region speaks for all trees, and so does its silence.
        let all = at.is_common() && !shared.info_internal;
        let hold = |port: &mut TreePort| port.held = port.held.or(Some(Inconsistency::Loop));
        if all {
            for tree in &mut self.trees {
                hold(&mut tree.ports[at.port]);
            }
            self.mark(at.port);
        } else {
            hold(self.tp_mut(at));
        }
    }

    /// Guards' timers that are due.
    pub(super) fn expire_guards(&mut self, index: usize) {
        let now = self.now;
        let port = &mut self.ports[index];
        let assured = port.assurance_while.due().is_some_and(|due| due <= now);
        port.assurance_while.expire(now);
        if assured && self.is_assured(index) {
            for tree in &mut self.trees {
                let port = &mut tree.ports[index];
                port.held = Some(Inconsistency::BridgeAssurance);
            }
        }
    }

    /// Holds a port in all trees, or lets it go, by order from outside.
    pub(crate) fn hold(
        &mut self,
        index: usize,
        inconsistency: Option<Inconsistency>,
        actions: &mut Actions,
    ) {
        self.ports[index].held_outside = inconsistency;
        self.mark(index);
        self.settle(actions);
    }
}
