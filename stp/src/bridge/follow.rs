//! How the engine follows: what a port is, which engine runs, what BPDU guard does.

use super::{Bridge, Engine, Port};
use crate::bpdu::Bpdu;
use crate::classic::{self, Context, Tree};
use crate::config::{BridgeConfig, Inconsistency, Protocol, TreeConfig};
use crate::event::{Action, PortRole};
use crate::id::{PortNumber, TreeId};
use crate::rapid;
use crate::region::ConfigurationId;
use crate::status::PortCounters;
use core::time::Duration;

impl Engine {
    pub(super) fn new(
        now: Duration,
        config: BridgeConfig,
        region: ConfigurationId,
        instances: &[(TreeId, TreeConfig)],
    ) -> Self {
        let rapid = |region| {
            let engine = rapid::Engine::new(now, config, region, instances);
            Self::Rapid(Box::new(engine))
        };
        match config.protocol {
            Protocol::Stp => Self::Classic(Tree::new(TreeId::COMMON, config.id(), config.times)),
            Protocol::Rstp => rapid(None),
            Protocol::Mstp => rapid(Some(region)),
        }
    }

    /// What it counted on a port.
    fn counters(&self, index: usize) -> PortCounters {
        match self {
            Self::Classic(tree) => tree.port_status(index).counters,
            Self::Rapid(engine) => engine.port_status(index, TreeId::COMMON).counters,
        }
    }
}

impl Bridge {
    /// Another engine, or the same from its beginning: every port is disabled, in every tree there was, and begins again.
    pub(super) fn restart(&mut self) {
        for index in 0..self.ports.len() {
            self.ports[index].counters = self
                .engine
                .counters(index)
                .plus(&self.ports[index].counters);
            self.follow(index, true, false);
        }
        if let Engine::Classic(tree) = &mut self.engine {
            tree.end(&mut classic::Context {
                now: self.now,
                actions: &mut self.actions,
            });
        }
        let told = self.tree(TreeId::COMMON).root;
        self.engine = Engine::new(self.now, self.config, self.region, &self.instances);
        self.deadline = None;
        for index in 0..self.ports.len() {
            self.insert_into_engine(index);
        }
        // Without a link this bridge was the root before, by the identifier it had.
        if told != self.config.id() {
            self.actions.push(Action::RootChanged {
                tree: TreeId::COMMON,
                root: self.config.id(),
                path_cost: 0,
                port: None,
            });
        }
        for index in 0..self.ports.len() {
            self.follow(index, false, self.ports[index].is_operational());
        }
    }

    pub(super) fn insert_into_engine(&mut self, index: usize) {
        let port = &self.ports[index];
        match &mut self.engine {
            Engine::Classic(tree) => {
                tree.insert_port(index, port.number, port.id(), port.path_cost());
            }
            Engine::Rapid(engine) => {
                engine.insert_port(index, port.number, port.config, &mut self.actions);
                for &(tree, config) in &port.trees {
                    engine.set_tree_port(index, tree, config, &mut self.actions);
                }
            }
        }
        if self.ports[index].held.is_some() {
            self.hold(index);
        }
        self.follow(index, false, false);
    }

    /// Changes what a port is in all trees and lets every tree follow.
    pub(super) fn change(&mut self, index: usize, apply: impl FnOnce(&mut Port)) {
        let port = &mut self.ports[index];
        let was_operational = port.is_operational();
        let was_tripped = port.tripped;
        apply(port);
        port.tripped &= port.config.bpdu_guard;
        if !port.tripped && port.recovery_due.is_some() {
            self.set_recovery(index, None);
        }
        let port = &mut self.ports[index];
        if !port.is_operational() {
            port.bpdu_heard = false;
        }
        let (number, tripped) = (port.number, port.tripped);
        if was_tripped && !tripped {
            self.tell_of_guard(number, tripped);
        }
        self.follow(index, was_operational, self.ports[index].is_operational());
        if !was_tripped && tripped {
            self.tell_of_guard(number, tripped);
        }
    }

    fn tell_of_guard(&mut self, port: PortNumber, tripped: bool) {
        self.actions.push(Action::SetInconsistent {
            port,
            tree: TreeId::COMMON,
            inconsistent: tripped.then_some(Inconsistency::BpduGuard),
        });
    }

    fn follow(&mut self, index: usize, was_operational: bool, is_operational: bool) {
        let port = &self.ports[index];
        let context = &mut Context {
            now: self.now,
            actions: &mut self.actions,
        };
        match &mut self.engine {
            Engine::Classic(tree) => {
                if was_operational && !is_operational && tree.role(index) != PortRole::Disabled {
                    tree.disable_port(index, context);
                }
                tree.set_port_id(index, port.id(), context);
                tree.set_path_cost(index, port.path_cost(), context);
                tree.set_edge(index, port.is_edge() && is_operational, context);
                tree.set_guards(index, &port.config, context);
                if !was_operational && is_operational {
                    tree.enable_port(index, context);
                }
            }
            Engine::Rapid(engine) => {
                let link = rapid::Link {
                    operational: is_operational,
                    cost: port.link_cost,
                    point_to_point: port.link.is_some_and(|link| link.point_to_point),
                };
                engine.set_port(index, port.config, link, &mut self.actions);
            }
        }
    }

    pub(super) fn hold(&mut self, index: usize) {
        let held = self.ports[index].held;
        match &mut self.engine {
            Engine::Classic(tree) => tree.hold(
                index,
                held,
                &mut Context {
                    now: self.now,
                    actions: &mut self.actions,
                },
            ),
            Engine::Rapid(engine) => engine.hold(index, held, &mut self.actions),
        }
    }

    pub(super) fn receive(&mut self, index: usize, bpdu: &Bpdu) {
        let port = &mut self.ports[index];
        if port.is_operational() {
            if port.config.bpdu_filter {
                port.counters.discarded_filtered += 1;
                return;
            }
            if port.config.bpdu_guard {
                port.counters.count_received(bpdu);
                self.trip(index);
                return;
            }
        }
        match &mut self.engine {
            Engine::Classic(_) => self.receive_classic(index, bpdu),
            Engine::Rapid(engine) => engine.receive(index, bpdu, &mut self.actions),
        }
    }

    fn receive_classic(&mut self, index: usize, bpdu: &Bpdu) {
        let port = &mut self.ports[index];
        let loses_edge = port.is_operational() && !port.bpdu_heard && port.config.admin_edge;
        port.bpdu_heard |= port.is_operational();
        let mut context = Context {
            now: self.now,
            actions: &mut self.actions,
        };
        let Engine::Classic(tree) = &mut self.engine else {
            return;
        };
        if loses_edge {
            tree.lose_edge(index, &mut context);
        }
        tree.receive(index, bpdu, &mut context);
    }

    /// BPDU guard: a BPDU came where none may come.
    fn trip(&mut self, index: usize) {
        let recovery = self.config.guard_recovery;
        let due = recovery.map(|time| self.now.saturating_add(time));
        self.change(index, |port| {
            port.tripped = true;
            port.counters.guard_trips += 1;
        });
        self.set_recovery(index, due);
    }

    fn set_recovery(&mut self, index: usize, due: Option<Duration>) {
        self.ports[index].recovery_due = due;
        let ports = self.ports.iter();
        self.recovery_due = ports.filter_map(|port| port.recovery_due).min();
    }

    /// BPDU guard tries again.
    pub(super) fn recover(&mut self) {
        if self.recovery_due.is_none_or(|due| due > self.now) {
            return;
        }
        for index in 0..self.ports.len() {
            if self.ports[index]
                .recovery_due
                .is_some_and(|due| due <= self.now)
            {
                self.change(index, |port| port.tripped = false);
            }
        }
    }

    /// The classic engine knows no filter: what it sends is thrown away.
    pub(super) fn filter(&mut self) {
        if self.ports.iter().all(|port| !port.config.bpdu_filter) {
            return;
        }
        let ports = &self.ports;
        self.actions.retain(|action| match action {
            Action::Transmit { port, .. } => ports
                .binary_search_by_key(port, |port| port.number)
                .is_ok_and(|index| !ports[index].config.bpdu_filter),
            Action::SetState { .. }
            | Action::SetRole { .. }
            | Action::Flush { .. }
            | Action::SetInconsistent { .. }
            | Action::ShortAgeing { .. }
            | Action::RootChanged { .. }
            | Action::TopologyChange { .. } => true,
        });
    }
}
