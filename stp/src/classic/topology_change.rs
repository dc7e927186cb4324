//! Topology changes: detected, notified towards the root, acknowledged, told of by the root (802.1D-1998 8.3.5, 8.6.14 to
//! 8.6.16).

use super::{Context, Tree};
use crate::event::{Action, TopologyChangeKind};

/// Where a topology change was noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// A port of ours began to forward, or ceased to learn.
    Port(usize),
    /// A notification came through a port.
    Notification(usize),
    /// This bridge has become the root.
    BecameRoot,
}

impl Tree {
    /// 8.6.14: the root tells everybody; others tell the root, until they are acknowledged.
    pub(super) fn topology_change_detection(&mut self, cause: Cause, context: &mut Context<'_>) {
        let (port, kind) = match cause {
            Cause::Port(index) => (Some(index), TopologyChangeKind::Detected),
            Cause::Notification(index) => (Some(index), TopologyChangeKind::Notified),
            Cause::BecameRoot => (None, TopologyChangeKind::Detected),
        };
        self.note_topology_change(port, context);
        self.tell(port, kind, context);
        if self.is_root_bridge() {
            self.set_topology_change(true, port, context);
            self.topology_change_timer.start(context.now);
        } else if !self.topology_change.detected {
            self.transmit_topology_change_notification(context);
            self.topology_change_notification_timer.start(context.now);
        }
        self.topology_change.detected = true;
    }

    /// 8.6.15.
    pub(super) fn topology_change_acknowledged(&mut self, context: &mut Context<'_>) {
        if self.topology_change.detected {
            self.tell(self.root_port, TopologyChangeKind::Acknowledged, context);
        }
        self.topology_change.detected = false;
        self.topology_change_notification_timer.stop();
    }

    /// 8.6.16.
    pub(super) fn acknowledge_topology_change(&mut self, index: usize, context: &mut Context<'_>) {
        self.ports[index].topology_change_acknowledge = true;
        self.transmit_config(index, context);
    }

    /// The topology change flag (8.5.3.12); while it is set, ageing is short (8.3.5).
    pub(super) fn set_topology_change(
        &mut self,
        active: bool,
        port: Option<usize>,
        context: &mut Context<'_>,
    ) {
        if self.topology_change.active == active {
            return;
        }
        self.topology_change.active = active;
        let kind = if active {
            self.topology_change.count += 1;
            self.note_topology_change(port, context);
            TopologyChangeKind::Active
        } else {
            TopologyChangeKind::Ended
        };
        self.tell(port, kind, context);
        context.act(Action::ShortAgeing {
            tree: self.id,
            active,
        });
    }

    /// The tree is given up: whoever watches is told that nothing of it is in force any more.
    pub(crate) fn end(&mut self, context: &mut Context<'_>) {
        self.set_topology_change(false, None, context);
    }

    fn note_topology_change(&mut self, port: Option<usize>, context: &Context<'_>) {
        self.topology_change.last = Some(context.now);
        self.topology_change.last_port = port.map(|index| self.number(index));
    }

    fn tell(&self, port: Option<usize>, kind: TopologyChangeKind, context: &mut Context<'_>) {
        context.act(Action::TopologyChange {
            tree: self.id,
            port: port.map(|index| self.number(index)),
            kind,
        });
    }
}
