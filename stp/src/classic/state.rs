//! Port states and the roles they follow (802.1D-1998 8.4, 8.6.11 to 8.6.13).

use super::topology_change::Cause;
use super::{Context, Tree};
use crate::event::{Action, PortRole, PortState};

impl Tree {
    /// 8.6.11: the root port and designated ports are on their way to forwarding, all others block.
    pub(super) fn port_state_selection(&mut self, context: &mut Context<'_>) {
        for index in 0..self.ports.len() {
            let role = self.select_role(index);
            self.set_role(index, role, context);
            self.update_inconsistency(index, context);
            match role {
                PortRole::Root | PortRole::Designated
                    if self.ports[index].inconsistent.is_some() =>
                {
                    if role == PortRole::Root {
                        self.nothing_to_send(index);
                    } else {
                        self.ports[index].message_age_timer.stop();
                    }
                    self.make_blocking(index, context);
                }
                PortRole::Disabled => {}
                PortRole::Root => {
                    self.nothing_to_send(index);
                    self.make_forwarding(index, context);
                }
                PortRole::Designated => {
                    self.ports[index].message_age_timer.stop();
                    self.make_forwarding(index, context);
                }
                // There is no master port without a region.
                PortRole::Alternate | PortRole::Backup | PortRole::Master => {
                    self.nothing_to_send(index);
                    self.make_blocking(index, context);
                }
            }
        }
    }

    /// What the port is, by what is known. The standard has no word for those that are neither root nor designated
    /// port; they are told apart by whose bridge is designated.
    fn select_role(&self, index: usize) -> PortRole {
        let port = &self.ports[index];
        if !port.is_enabled() {
            PortRole::Disabled
        } else if self.root_port == Some(index) {
            PortRole::Root
        } else if self.is_designated_port(index) {
            PortRole::Designated
        } else if port.designated.designated_bridge == self.bridge_id {
            PortRole::Backup
        } else {
            PortRole::Alternate
        }
    }

    fn nothing_to_send(&mut self, index: usize) {
        let port = &mut self.ports[index];
        port.config_pending = false;
        port.topology_change_acknowledge = false;
    }

    /// 8.6.12. An edge port need not wait.
    fn make_forwarding(&mut self, index: usize, context: &mut Context<'_>) {
        if self.ports[index].state == PortState::Blocking {
            if self.ports[index].edge {
                self.set_state(index, PortState::Forwarding, context);
            } else {
                self.set_state(index, PortState::Listening, context);
                self.ports[index].forward_delay_timer.start(context.now);
            }
        }
    }

    /// 8.6.13. A port that learned ceases to: stations behind it may now be reached another way.
    pub(super) fn make_blocking(&mut self, index: usize, context: &mut Context<'_>) {
        let state = self.ports[index].state;
        if matches!(state, PortState::Disabled | PortState::Blocking) {
            return;
        }
        self.set_state(index, PortState::Blocking, context);
        self.ports[index].forward_delay_timer.stop();
        if state.learns() && self.ports[index].change_detection_enabled() {
            self.topology_change_detection(Cause::Port(index), context);
        }
    }

    pub(super) fn set_state(&mut self, index: usize, state: PortState, context: &mut Context<'_>) {
        let port = &mut self.ports[index];
        if port.state == state {
            return;
        }
        port.state = state;
        port.state_since = Some(context.now);
        if state.forwards() {
            port.counters.forward_transitions += 1;
        }
        context.act(Action::SetState {
            port: port.number,
            tree: self.id,
            state,
        });
    }

    pub(super) fn set_role(&mut self, index: usize, role: PortRole, context: &mut Context<'_>) {
        let port = &mut self.ports[index];
        if port.role != role {
            port.role = role;
            context.act(Action::SetRole {
                port: port.number,
                tree: self.id,
                role,
            });
        }
    }
}
