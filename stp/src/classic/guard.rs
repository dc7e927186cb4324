//! Guards in the classic protocol: root guard, topology change guard, loop guard. BPDU guard and filter are the bridge's.

use super::{Context, Tree};
use crate::config::{Inconsistency, PortConfig};
use crate::event::{Action, PortRole};

impl Tree {
    pub(crate) fn set_guards(
        &mut self,
        index: usize,
        config: &PortConfig,
        context: &mut Context<'_>,
    ) {
        let port = &mut self.ports[index];
        port.restricted_tcn = config.restricted_tcn;
        port.loop_guard = config.loop_guard;
        let freed = !config.loop_guard && port.held.is_some();
        if freed {
            port.held = None;
        }
        if port.restricted_role != config.restricted_role || freed {
            port.restricted_role = config.restricted_role;
            self.reconfigure_guards(context);
        }
    }

    /// Holds a port, or lets it go, by order from outside.
    pub(crate) fn hold(
        &mut self,
        index: usize,
        inconsistency: Option<Inconsistency>,
        context: &mut Context<'_>,
    ) {
        self.ports[index].held_outside = inconsistency;
        self.reconfigure_guards(context);
    }

    /// A BPDU has come: a port that loop guard held for its silence begins again.
    pub(super) fn end_silence(&mut self, index: usize, context: &mut Context<'_>) {
        if self.ports[index].held.take().is_some() {
            self.reconfigure_guards(context);
        }
    }

    /// What holds the port, told if it is news.
    pub(super) fn update_inconsistency(&mut self, index: usize, context: &mut Context<'_>) {
        let port = &mut self.ports[index];
        let root_guard = port.restricted_role && port.role == PortRole::Alternate;
        let inconsistent = port
            .held_outside
            .or(port.held)
            .or(root_guard.then_some(Inconsistency::Root))
            .filter(|_| port.role != PortRole::Disabled);
        if port.inconsistent != inconsistent {
            port.inconsistent = inconsistent;
            context.act(Action::SetInconsistent {
                port: port.number,
                tree: self.id,
                inconsistent,
            });
        }
    }
}
