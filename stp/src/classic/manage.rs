//! Management of a live bridge (802.1D-1998 8.8).

use super::{Context, Tree};
use crate::cost::PathCost;
use crate::event::{Action, PortRole, PortState};
use crate::id::{BridgeId, PortId};
use crate::times::BridgeTimes;

impl Tree {
    /// 8.8.2. The first port to be enabled also does the rest of 8.8.1: the bridge says that it is the root, and goes on
    /// to say it.
    pub(crate) fn enable_port(&mut self, index: usize, context: &mut Context<'_>) {
        self.initialize_port(index);
        self.port_state_selection(context);
        if self.ports[index].state == PortState::Blocking {
            // A guard holds it.
            self.ports[index].state_since = Some(context.now);
            context.act(Action::SetState {
                port: self.number(index),
                tree: self.id,
                state: PortState::Blocking,
            });
        }
        if self.is_root_bridge() && !self.hello_timer.is_running() {
            self.config_bpdu_generation(context);
            self.hello_timer.start(context.now);
        }
    }

    /// 8.8.1, for one port. The state is told of once it is selected.
    fn initialize_port(&mut self, index: usize) {
        self.become_designated_port(index);
        let port = &mut self.ports[index];
        port.state = PortState::Blocking;
        port.topology_change_acknowledge = false;
        port.config_pending = false;
        port.message_age_timer.stop();
        port.forward_delay_timer.stop();
        port.hold_timer.stop();
        port.held = None;
        port.rival = None;
    }

    /// 8.8.3. What was learned on the port is worth nothing any more.
    pub(crate) fn disable_port(&mut self, index: usize, context: &mut Context<'_>) {
        let was_root = self.is_root_bridge();
        self.become_designated_port(index);
        self.set_role(index, PortRole::Disabled, context);
        self.set_state(index, PortState::Disabled, context);
        self.ports[index].held = None;
        self.update_inconsistency(index, context);
        context.act(Action::Flush {
            port: self.number(index),
            tree: self.id,
        });
        let port = &mut self.ports[index];
        port.topology_change_acknowledge = false;
        port.config_pending = false;
        port.message_age_timer.stop();
        port.forward_delay_timer.stop();
        self.reconfigure(was_root, context);
    }

    /// 8.8.4. Ports on whose LAN this bridge is designated learn its new name at once, backup ports with them: what
    /// they hold is this bridge's own word, and its old name would come back to it as another root.
    pub(crate) fn set_bridge_priority(&mut self, id: BridgeId, context: &mut Context<'_>) {
        let was_root = self.is_root_bridge();
        let old = self.bridge_id;
        for port in &mut self.ports {
            if port.designated.designated_bridge == old {
                port.designated.designated_bridge = id;
                if port.designated.root == old {
                    port.designated.root = id;
                }
            }
        }
        self.bridge_id = id;
        self.former_id = Some((old, context.now));
        self.reconfigure(was_root, context);
    }

    /// 8.8.5.
    pub(crate) fn set_port_id(&mut self, index: usize, id: PortId, context: &mut Context<'_>) {
        if self.ports[index].id == id {
            return;
        }
        let was_root = self.is_root_bridge();
        let was_designated = self.is_designated_port(index);
        self.ports[index].id = id;
        if was_designated {
            self.ports[index].designated.designated_port = id;
        }
        self.reconfigure(was_root, context);
    }

    /// 8.8.6.
    pub(crate) fn set_path_cost(
        &mut self,
        index: usize,
        cost: PathCost,
        context: &mut Context<'_>,
    ) {
        if self.ports[index].path_cost == cost {
            return;
        }
        let was_root = self.is_root_bridge();
        self.ports[index].path_cost = cost;
        self.reconfigure(was_root, context);
    }

    /// The times this bridge uses as the root; in force at once if it is.
    pub(crate) fn set_bridge_times(&mut self, times: BridgeTimes) {
        self.bridge_times = times;
        if self.is_root_bridge() {
            self.times = times.in_force();
        }
    }

    /// Management's word on what to expect behind a port. A port that becomes an edge on its way to forwarding arrives.
    pub(crate) fn set_edge(&mut self, index: usize, edge: bool, context: &mut Context<'_>) {
        self.ports[index].edge = edge;
        let state = self.ports[index].state;
        if edge && matches!(state, PortState::Listening | PortState::Learning) {
            self.ports[index].forward_delay_timer.stop();
            self.set_state(index, PortState::Forwarding, context);
        }
    }

    /// A BPDU proves that there is a bridge behind an edge port: the port begins again, as any other port would.
    pub(crate) fn lose_edge(&mut self, index: usize, context: &mut Context<'_>) {
        self.make_blocking(index, context);
        self.ports[index].edge = false;
        self.port_state_selection(context);
    }

    /// Guards have changed what ports may be.
    pub(super) fn reconfigure_guards(&mut self, context: &mut Context<'_>) {
        self.reconfigure(self.is_root_bridge(), context);
    }

    /// Configuration update, port state selection, and what follows for the root.
    fn reconfigure(&mut self, was_root: bool, context: &mut Context<'_>) {
        self.configuration_update(context);
        self.port_state_selection(context);
        self.follow_root(was_root, context);
    }
}
