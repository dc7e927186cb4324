//! How machines step: in clause order, trees and ports in number order, until none moves. Only ports with a mark are
//! looked at: a machine can move only if something it reads has changed, and whoever changes it leaves a mark.

use super::{Actions, At, Engine, Machine, PortRole, TreePort};

/// Rounds in which something moves, at most. A round lets each machine of each port go as far as it can; what one port
/// does to the others (a role, a sync, a change to propagate) takes a round, and none of these comes back to
/// a port more than a few times.
const ROUNDS_MAX: usize = 100;
/// Steps of one machine in one round: no figure has a longer way without a wait.
const STEPS_MAX: usize = 16;

/// A set of ports.
#[derive(Clone, Debug, Default)]
pub(super) struct Marks {
    words: Vec<u64>,
    ports: usize,
}

impl Marks {
    pub(super) fn resize(&mut self, ports: usize) {
        self.ports = ports;
        self.words.resize(ports.div_ceil(64), 0);
        self.set_all();
    }

    pub(super) fn set(&mut self, port: usize) {
        self.words[port / 64] |= 1 << (port % 64);
    }

    pub(super) fn set_all(&mut self) {
        for (index, word) in self.words.iter_mut().enumerate() {
            let ports = (self.ports - 64 * index).min(64);
            *word = u64::MAX >> (64 - ports);
        }
    }

    pub(super) fn clear(&mut self) {
        self.words.fill(0);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.words.iter().all(|&word| word == 0)
    }

    /// The first that is not below `from`.
    pub(super) fn next(&self, from: usize) -> Option<usize> {
        let mut index = from / 64;
        let mut word = self.words.get(index)? & (u64::MAX << (from % 64));
        while word == 0 {
            index += 1;
            word = *self.words.get(index)?;
        }
        // At most 63.
        let bit = usize::try_from(word.trailing_zeros()).unwrap_or(0);
        Some(64 * index + bit)
    }
}

/// What other ports' machines read of a port in a tree.
#[derive(PartialEq, Eq)]
struct Outside {
    role: PortRole,
    selected_role: PortRole,
    flags: [bool; 4],
}

impl Outside {
    const fn of(port: &TreePort) -> Self {
        Self {
            role: port.role,
            selected_role: port.selected_role,
            flags: [
                port.synced,
                port.selected,
                port.updt_info,
                port.rr_while.is_zero(),
            ],
        }
    }
}

impl Engine {
    /// Marks a port in all trees.
    pub(super) fn mark(&mut self, port: usize) {
        self.marks.set(port);
        for tree in &mut self.trees {
            tree.marks.set(port);
        }
    }

    /// Lets machines move until none can, and tells what has come of it.
    pub(super) fn settle(&mut self, actions: &mut Actions) {
        let mut rounds = 0;
        loop {
            let mut moved = self.round(actions);
            if !moved {
                // What is sent is sent when all is decided, and after the data path knows: an agreement must be true
                // when it is given.
                self.publish(actions);
                moved = self.transmit(actions);
            }
            if !moved {
                break;
            }
            rounds += 1;
            debug_assert!(rounds <= ROUNDS_MAX, "machines run in a circle: {self:#?}");
            if rounds > ROUNDS_MAX {
                break;
            }
        }
        debug_assert!(self.is_settled(), "a machine could move that has no mark");
        self.refresh_deadlines();
    }

    fn round(&mut self, actions: &mut Actions) -> bool {
        let mut moved = false;
        let mut from = 0;
        while let Some(port) = self.marks.next(from) {
            moved |= repeat(|| self.step_receive(port));
            moved |= repeat(|| self.step_migration(port));
            moved |= repeat(|| self.step_detection(port));
            from = port + 1;
        }
        for tree in 0..self.trees.len() {
            if self.is_untouched(tree) {
                continue;
            }
            moved |= self.each_marked(tree, |engine, at| engine.step_information(at));
            moved |= repeat(|| self.step_role_selection(tree));
            moved |= self.each_marked(tree, |engine, at| {
                let mut moved = repeat(|| engine.step_role_transition(at));
                moved |= repeat(|| engine.step_state_transition(at));
                moved
            });
            moved |= self.each_marked(tree, |engine, at| engine.step_topology_change(at, actions));
        }
        moved
    }

    /// Whether nothing can have changed in a tree. One without ports costs nothing to look at.
    pub(super) fn is_untouched(&self, tree: usize) -> bool {
        self.trees[tree].marks.is_empty() && !self.ports.is_empty()
    }

    fn each_marked(&mut self, tree: usize, mut step: impl FnMut(&mut Self, At) -> bool) -> bool {
        let (mut moved, mut from) = (false, 0);
        while let Some(port) = self.trees[tree].marks.next(from) {
            moved |= repeat(|| step(self, At { tree, port }));
            from = port + 1;
        }
        moved
    }

    fn transmit(&mut self, actions: &mut Actions) -> bool {
        let (mut moved, mut from) = (false, 0);
        while let Some(port) = self.marks.next(from) {
            moved |= repeat(|| self.step_transmit(port, actions));
            from = port + 1;
        }
        moved
    }

    fn step_receive(&mut self, port: usize) -> bool {
        let from = self.ports[port].receive;
        let Some(to) = from.next(self, port) else {
            return false;
        };
        self.taken
            .note(Machine::PortReceive, from as usize, to as usize);
        self.ports[port].receive = to;
        to.enter(self, port);
        self.mark(port);
        true
    }

    fn step_migration(&mut self, port: usize) -> bool {
        let from = self.ports[port].migration;
        let Some(to) = from.next(self, port) else {
            return false;
        };
        self.taken
            .note(Machine::PortProtocolMigration, from as usize, to as usize);
        self.ports[port].migration = to;
        let before = self.ports[port].send_rstp;
        to.enter(self, port);
        if before != self.ports[port].send_rstp {
            // What is said to a classic neighbour is said in another name (802.1Q 13.11).
            self.reselect(At { tree: 0, port });
        }
        self.mark(port);
        true
    }

    fn step_detection(&mut self, port: usize) -> bool {
        let from = self.ports[port].detection;
        let Some(to) = from.next(self, port) else {
            return false;
        };
        self.taken
            .note(Machine::BridgeDetection, from as usize, to as usize);
        self.ports[port].detection = to;
        to.enter(self, port);
        self.mark(port);
        true
    }

    fn step_transmit(&mut self, port: usize, actions: &mut Actions) -> bool {
        let from = self.ports[port].transmit;
        let Some(to) = from.next(self, port) else {
            return false;
        };
        self.taken
            .note(Machine::PortTransmit, from as usize, to as usize);
        self.ports[port].transmit = to;
        to.enter(self, port, actions);
        true
    }

    fn step_information(&mut self, at: At) -> bool {
        let from = self.tp(at).information;
        let Some(to) = from.next(self, at) else {
            return false;
        };
        self.taken
            .note(Machine::PortInformation, from as usize, to as usize);
        self.within(at, |engine| {
            engine.tp_mut(at).information = to;
            to.enter(engine, at);
        });
        true
    }

    fn step_role_selection(&mut self, tree: usize) -> bool {
        let from = self.trees[tree].selection;
        let Some(to) = from.next(self, tree) else {
            return false;
        };
        self.taken
            .note(Machine::PortRoleSelection, from as usize, to as usize);
        self.trees[tree].selection = to;
        to.enter(self, tree);
        true
    }

    fn step_role_transition(&mut self, at: At) -> bool {
        let from = self.tp(at).role_transition;
        let Some(to) = from.next(self, at) else {
            return false;
        };
        self.taken
            .note(Machine::PortRoleTransitions, from as usize, to as usize);
        self.within(at, |engine| {
            engine.tp_mut(at).role_transition = to;
            to.enter(engine, at);
        });
        true
    }

    fn step_state_transition(&mut self, at: At) -> bool {
        let from = self.tp(at).state_transition;
        let Some(to) = from.next(self, at) else {
            return false;
        };
        self.taken
            .note(Machine::PortStateTransition, from as usize, to as usize);
        self.within(at, |engine| {
            engine.tp_mut(at).state_transition = to;
            to.enter(engine, at);
        });
        true
    }

    fn step_topology_change(&mut self, at: At, actions: &mut Actions) -> bool {
        let from = self.tp(at).topology_change;
        let Some(to) = from.next(self, at) else {
            return false;
        };
        self.taken
            .note(Machine::TopologyChange, from as usize, to as usize);
        self.within(at, |engine| {
            engine.tp_mut(at).topology_change = to;
            to.enter(engine, at, actions);
        });
        true
    }

    /// Leaves the marks that a step of a (port, tree) asks for.
    fn within(&mut self, at: At, step: impl FnOnce(&mut Self)) {
        let before = Outside::of(self.tp(at));
        step(self);
        self.marks.set(at.port);
        if at.is_common() {
            for tree in &mut self.trees {
                tree.marks.set(at.port);
            }
        } else {
            self.trees[at.tree].marks.set(at.port);
        }
        if Outside::of(self.tp(at)) != before {
            self.trees[at.tree].marks.set_all();
        }
    }

    /// Whether no machine at all can move, marked or not.
    fn is_settled(&self) -> bool {
        let ports_rest = (0..self.ports.len()).all(|index| {
            let port = &self.ports[index];
            port.receive.next(self, index).is_none()
                && port.migration.next(self, index).is_none()
                && port.detection.next(self, index).is_none()
                && port.transmit.next(self, index).is_none()
        });
        ports_rest
            && (0..self.trees.len()).all(|tree| {
                let ports_rest = (0..self.ports.len()).all(|port| {
                    let at = At { tree, port };
                    let port = self.tp(at);
                    port.information.next(self, at).is_none()
                        && port.role_transition.next(self, at).is_none()
                        && port.state_transition.next(self, at).is_none()
                        && port.topology_change.next(self, at).is_none()
                });
                ports_rest && self.trees[tree].selection.next(self, tree).is_none()
            })
    }
}

/// Steps until there is nothing more to do; whether there was anything.
fn repeat(mut step: impl FnMut() -> bool) -> bool {
    let mut steps = 0;
    while steps < STEPS_MAX && step() {
        steps += 1;
    }
    debug_assert!(steps < STEPS_MAX, "a machine runs in a circle");
    steps > 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_a_set() {
        let mut marks = Marks::default();
        assert!(marks.is_empty() && marks.next(0).is_none());
        for ports in [1, 63, 64, 65, 128, 130] {
            marks.resize(ports);
            let all: Vec<_> =
                core::iter::successors(marks.next(0), |&at| marks.next(at + 1)).collect();
            assert_eq!(all, (0..ports).collect::<Vec<_>>());
            marks.clear();
            assert!(marks.is_empty());
            marks.set(ports - 1);
            assert_eq!((marks.next(0), marks.next(ports)), (Some(ports - 1), None));
            marks.clear();
        }
    }
}
