//! A tree for every VLAN: as many bridges as there are VLANs, behind one surface.
//!
//! Each VLAN's [`Bridge`] is a whole one, of the classic or the rapid protocol; its identifier carries the VLAN as system
//! identifier extension. What is left to do here: which port is in which tree; what concerns a port in all its trees
//! (link, BPDU guard); when which tree is due; and the inconsistencies that only show where VLANs are compared.
//!
//! Frames are the caller's business: which tree a BPDU belongs to, and whether both ends agree about that, its framing
//! says ([`crate::llc`]).

use core::cmp::Reverse;
use core::time::Duration;
use std::collections::BinaryHeap;

use crate::bpdu::Bpdu;
use crate::bridge::Bridge;
use crate::config::{BridgeConfig, Inconsistency, PortConfig};
use crate::cost::PathCost;
use crate::event::{Action, Event, PortState};
use crate::id::{BridgePriority, PortNumber, TreeId};

/// Trees whose timers run in one call at most; further ones wait for the next, which is due at once. Keeps a call's
/// work, and the buffer of its actions, within a bound: 64 trees on 32 ports are some 2,000 BPDUs.
pub const TREES_PER_CALL: usize = 64;

/// How long an inconsistency is held after it was last seen, in hello times: as long as rapid bridges believe what they
/// heard (802.1D-2004 17.21.23).
const HOLD_HELLO_TIMES: u32 = 3;
/// The greatest legal hello time (802.1D-1998 Table 8-3); no BPDU makes an inconsistency last longer than three of it.
const HELLO_TIME_MAX: Duration = Duration::from_secs(10);
/// The greatest legal max age (same table).
const MAX_AGE_MAX: Duration = Duration::from_secs(40);

/// An action, and in which VLAN's tree; what concerns a port in all trees is in [`TreeId::COMMON`].
pub type TreeAction = (TreeId, Action);

/// Spanning tree bridges, one for every VLAN.
///
/// As with [`Bridge`]: time goes in, actions come out in a buffer that is reused, calls about what is not there change
/// nothing. Unlike there, a call does not run every timer that is due, but those of the trees it touches; and
/// [`deadline`](Self::deadline) may be early, never late.
#[derive(Clone, Debug)]
pub struct PerVlan {
    config: BridgeConfig,
    now: Duration,
    /// Ascending by number.
    ports: Vec<Port>,
    /// Ascending by VLAN.
    trees: Vec<VlanTree>,
    /// When a tree is to be looked at, by VLAN: a tree's `queued` is in here, what is not a tree's `queued` is stale.
    due: BinaryHeap<Reverse<(Duration, TreeId)>>,
    actions: Vec<TreeAction>,
}

#[derive(Clone, Debug)]
struct VlanTree {
    id: TreeId,
    bridge: Bridge,
    holds: Vec<Hold>,
    queued: Option<Duration>,
}

/// A port kept from forwarding in one tree.
#[derive(Clone, Copy, Debug)]
struct Hold {
    port: PortNumber,
    reason: Inconsistency,
    /// When the far end has forgotten, at the latest, what the port said before.
    forgotten: Duration,
    until: Duration,
}

impl Hold {
    /// Whether the port says nothing meanwhile: the far end, a trunk, cannot see that the ends do not agree. If it took the
    /// port's word, its own might be a root port, silent, and nothing would show the port the disagreement.
    fn is_silent(&self) -> bool {
        self.reason == Inconsistency::Type
    }

    /// Seen now: it lasts until three hello times have passed in which the far end, if it were there still, had spoken.
    fn extend(&mut self, now: Duration, hello_time: Duration) {
        let speaks = if self.is_silent() {
            now.max(self.forgotten)
        } else {
            now
        };
        self.until = speaks.saturating_add(hello_time * HOLD_HELLO_TIMES);
    }
}

#[derive(Clone, Copy, Debug)]
struct Port {
    number: PortNumber,
    config: PortConfig,
    enabled: bool,
    link: Option<(PathCost, bool)>,
    /// BPDU guard has disabled the port; until when, if it ends by itself.
    tripped: Option<Option<Duration>>,
}

impl Port {
    /// What the trees are told: BPDU guard acts here, for all of them at once.
    fn tree_config(&self) -> PortConfig {
        PortConfig {
            bpdu_guard: false,
            ..self.config
        }
    }

    fn may_run(&self) -> bool {
        self.enabled && self.tripped.is_none()
    }
}

impl VlanTree {
    fn holds(&self, port: PortNumber) -> bool {
        self.holds.iter().any(|hold| hold.port == port)
    }

    fn deadline(&self) -> Option<Duration> {
        let holds = self.holds.iter().map(|hold| hold.until);
        self.bridge.deadline().into_iter().chain(holds).min()
    }
}

impl PerVlan {
    /// No trees and no ports. Of `config`, priority and extension are each tree's own, as are its epochs, if there are.
    #[must_use]
    pub fn new(config: BridgeConfig) -> Self {
        Self {
            config,
            now: Duration::ZERO,
            ports: Vec::new(),
            trees: Vec::new(),
            due: BinaryHeap::new(),
            actions: Vec::new(),
        }
    }

    /// Makes it so that there is a tree for every VLAN of `vlans`, with this priority, and for no other, and that a
    /// port is in the tree of a VLAN just if `carries` says so. Cost: trees times ports.
    pub fn arrange(
        &mut self,
        now: Duration,
        vlans: impl IntoIterator<Item = (TreeId, BridgePriority)>,
        carries: impl Fn(PortNumber, TreeId) -> bool,
    ) -> &[TreeAction] {
        self.begin(now);
        let mut old = core::mem::take(&mut self.trees).into_iter().peekable();
        let mut wanted: Vec<_> = vlans.into_iter().collect();
        wanted.sort_unstable();
        wanted.dedup_by_key(|(id, _)| *id);
        for (id, priority) in wanted {
            while old.next_if(|tree| tree.id < id).is_some() {}
            let config = BridgeConfig {
                priority,
                extension: id.get(),
                ..self.config
            };
            let held = old.next_if(|tree| tree.id == id);
            let mut tree = held.unwrap_or_else(|| VlanTree {
                id,
                bridge: Bridge::new(config),
                holds: Vec::new(),
                queued: None,
            });
            if *tree.bridge.config() != config {
                let actions = tree.bridge.configure(self.now, config);
                take(&mut self.actions, id, &tree.holds, actions);
            }
            self.trees.push(tree);
        }
        for index in 0..self.trees.len() {
            for port in self.ports.clone() {
                self.arrange_port(index, &port, &carries);
            }
            self.requeue(index);
        }
        &self.actions
    }

    fn arrange_port(
        &mut self,
        index: usize,
        port: &Port,
        carries: &impl Fn(PortNumber, TreeId) -> bool,
    ) {
        let now = self.now;
        let tree = &mut self.trees[index];
        let is_in = tree.bridge.port_config(port.number).is_some();
        match (is_in, carries(port.number, tree.id)) {
            (false, true) => {
                let number = port.number;
                self.act(index, |bridge| {
                    bridge.add_port(now, number, port.tree_config())
                });
                self.act(index, |bridge| {
                    bridge.set_port_enabled(now, number, port.may_run())
                });
                self.start(index, port);
            }
            (true, false) => {
                self.act(index, |bridge| bridge.remove_port(now, port.number));
                self.trees[index]
                    .holds
                    .retain(|hold| hold.port != port.number);
            }
            (true, true) | (false, false) => {}
        }
    }

    /// Tells a tree of a port's link, if it has one.
    fn start(&mut self, index: usize, port: &Port) {
        let Some((cost, point_to_point)) = port.link else {
            return;
        };
        let now = self.now;
        let event = Event::LinkUp {
            port: port.number,
            cost,
            point_to_point,
        };
        self.act(index, |bridge| bridge.handle(now, event));
    }

    /// Adds a port, without a link and in no tree yet: [`arrange`](Self::arrange) puts it there. If the number is in use,
    /// the call is [`configure_port`](Self::configure_port).
    pub fn add_port(
        &mut self,
        now: Duration,
        number: PortNumber,
        config: PortConfig,
    ) -> &[TreeAction] {
        let Err(index) = self.find(number) else {
            return self.configure_port(now, number, config);
        };
        self.begin(now);
        let port = Port {
            number,
            config,
            enabled: true,
            link: None,
            tripped: None,
        };
        self.ports.insert(index, port);
        &self.actions
    }

    /// Removes a port from all trees.
    pub fn remove_port(&mut self, now: Duration, number: PortNumber) -> &[TreeAction] {
        self.begin(now);
        if let Ok(index) = self.find(number) {
            self.ports.remove(index);
            self.each_tree_of(number, |bridge, now| bridge.remove_port(now, number));
            for tree in &mut self.trees {
                tree.holds.retain(|hold| hold.port != number);
            }
        }
        &self.actions
    }

    /// Changes times, protocol and what else all trees share; priorities are [`arrange`](Self::arrange)'s.
    pub fn configure(&mut self, now: Duration, config: BridgeConfig) -> &[TreeAction] {
        self.begin(now);
        self.config = config;
        for index in 0..self.trees.len() {
            let own = *self.trees[index].bridge.config();
            let config = BridgeConfig {
                priority: own.priority,
                extension: own.extension,
                ..config
            };
            let now = self.now;
            self.act(index, |bridge| bridge.configure(now, config));
            self.requeue(index);
        }
        &self.actions
    }

    /// Changes a port's settings in all trees.
    pub fn configure_port(
        &mut self,
        now: Duration,
        number: PortNumber,
        config: PortConfig,
    ) -> &[TreeAction] {
        self.begin(now);
        if let Ok(index) = self.find(number) {
            self.ports[index].config = config;
            if !config.bpdu_guard {
                self.recover(index);
            }
            let config = self.ports[index].tree_config();
            self.each_tree_of(number, |bridge, now| {
                bridge.configure_port(now, number, config)
            });
        }
        &self.actions
    }

    /// Lets a port run or not. A port that is enabled anew has left BPDU guard behind.
    pub fn set_port_enabled(
        &mut self,
        now: Duration,
        number: PortNumber,
        enabled: bool,
    ) -> &[TreeAction] {
        self.begin(now);
        if let Ok(index) = self.find(number) {
            if enabled && !self.ports[index].enabled {
                self.recover(index);
            }
            self.ports[index].enabled = enabled;
            let runs = self.ports[index].may_run();
            self.each_tree_of(number, |bridge, now| {
                bridge.set_port_enabled(now, number, runs)
            });
        }
        &self.actions
    }

    /// A port can reach its LAN; or, if it could, its cost or kind is another.
    pub fn link_up(
        &mut self,
        now: Duration,
        number: PortNumber,
        cost: PathCost,
        point_to_point: bool,
    ) -> &[TreeAction] {
        self.begin(now);
        if let Ok(index) = self.find(number) {
            self.ports[index].link = Some((cost, point_to_point));
            let event = Event::LinkUp {
                port: number,
                cost,
                point_to_point,
            };
            self.each_tree_of(number, |bridge, now| bridge.handle(now, event));
        }
        &self.actions
    }

    /// A port has lost its LAN.
    pub fn link_down(&mut self, now: Duration, number: PortNumber) -> &[TreeAction] {
        self.begin(now);
        if let Ok(index) = self.find(number) {
            self.ports[index].link = None;
            for tree in &mut self.trees {
                tree.holds.retain(|hold| hold.port != number);
            }
            let event = Event::LinkDown { port: number };
            self.each_tree_of(number, |bridge, now| bridge.handle(now, event));
        }
        &self.actions
    }

    /// Finds out again whether classic bridges are behind the port, as [`Bridge::check_migration`] does, in all its trees.
    pub fn check_migration(&mut self, now: Duration, number: PortNumber) -> &[TreeAction] {
        self.begin(now);
        if self.find(number).is_ok() {
            self.each_tree_of(number, |bridge, now| bridge.check_migration(now, number));
        }
        &self.actions
    }

    /// A BPDU of a VLAN's tree has arrived. Costs what [`Bridge::handle`] does. Nothing comes of it where the port
    /// [is held](Self::is_held).
    #[must_use]
    pub fn receive(
        &mut self,
        now: Duration,
        number: PortNumber,
        tree: TreeId,
        bpdu: &Bpdu,
    ) -> &[TreeAction] {
        self.begin(now);
        let now = self.now;
        if !self.trips(number)
            && let Ok(index) = self.find_tree(tree)
            && !self.trees[index].holds(number)
        {
            let event = Event::Received { port: number, bpdu };
            self.act(index, |bridge| bridge.handle(now, event));
            self.requeue(index);
        }
        &self.actions
    }

    /// The two ends of a link do not agree about the VLAN, as `bpdu` shows: the port does not forward in `tree` for three
    /// hello times from now (its own or those of `bpdu`, whichever is longer), and begins again then.
    ///
    /// Until then it hears nothing there, and so is designated, as in the trade: a port that took the far end's word might
    /// be the root port, and silent, and the far end, which learns of the disagreement from BPDUs only, would let go and
    /// be held again by turns. For the same reason a port whose far end cannot learn of it ([`Inconsistency::Type`]) says
    /// nothing, and is held besides until the far end has forgotten (max age) what it said before.
    pub fn hold(
        &mut self,
        now: Duration,
        number: PortNumber,
        tree: TreeId,
        reason: Inconsistency,
        bpdu: &Bpdu,
    ) -> &[TreeAction] {
        self.begin(now);
        let Ok(index) = self.find_tree(tree) else {
            return &self.actions;
        };
        let tree = &mut self.trees[index];
        let Some(status) = tree.bridge.port(number) else {
            return &self.actions;
        };
        let hello = hello_time_of(bpdu).max(self.config.times.hello_time());
        if let Some(hold) = tree.holds.iter_mut().find(|hold| hold.port == number) {
            hold.reason = reason;
            hold.extend(self.now, hello);
        } else {
            let max_age = tree.bridge.tree(TreeId::COMMON).times.max_age;
            let mut hold = Hold {
                port: number,
                reason,
                forgotten: self.now.saturating_add(max_age.min(MAX_AGE_MAX)),
                until: self.now,
            };
            hold.extend(self.now, hello);
            tree.holds.push(hold);
            let id = tree.id;
            if status.state.learns() {
                self.actions.push((id, set_state(number, id)));
            }
            self.actions
                .push((id, set_inconsistent(number, id, Some(reason))));
            self.restart(index, number);
        }
        self.requeue(index);
        &self.actions
    }

    /// Runs the timers of some of the trees that are due: [`TREES_PER_CALL`] at most.
    #[must_use]
    pub fn timeout(&mut self, now: Duration) -> &[TreeAction] {
        self.begin(now);
        for index in 0..self.ports.len() {
            if let Some(Some(until)) = self.ports[index].tripped
                && until <= self.now
            {
                self.recover(index);
            }
        }
        let mut looked_at = 0;
        while looked_at < TREES_PER_CALL
            && let Some(&Reverse((due, id))) = self.due.peek()
            && due <= self.now
        {
            self.due.pop();
            let Ok(index) = self.find_tree(id) else {
                continue;
            };
            if self.trees[index].queued != Some(due) {
                continue;
            }
            self.trees[index].queued = None;
            looked_at += 1;
            let now = self.now;
            self.act(index, |bridge| bridge.handle(now, Event::Timeout));
            self.release(index);
            self.requeue(index);
        }
        &self.actions
    }

    /// When to call [`timeout`](Self::timeout), at the latest; it may find nothing to do then.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        let tree = self.due.peek().map(|&Reverse((due, _))| due);
        let guard = self.ports.iter().filter_map(|port| port.tripped.flatten());
        tree.into_iter().chain(guard).min()
    }

    /// The settings that all trees share.
    #[must_use]
    pub const fn config(&self) -> &BridgeConfig {
        &self.config
    }

    /// The VLANs that have a tree, ascending.
    pub fn trees(&self) -> impl Iterator<Item = TreeId> + '_ {
        self.trees.iter().map(|tree| tree.id)
    }

    /// The bridge of a VLAN. It calls its tree [`TreeId::COMMON`], having but one.
    #[must_use]
    pub fn bridge(&self, tree: TreeId) -> Option<&Bridge> {
        let index = self.find_tree(tree).ok()?;
        Some(&self.trees[index].bridge)
    }

    /// What keeps a port from forwarding in a tree, be it that the ends of the link do not agree, or a guard.
    #[must_use]
    pub fn inconsistency(&self, number: PortNumber, tree: TreeId) -> Option<Inconsistency> {
        let port = self.ports[self.find(number).ok()?];
        if port.tripped.is_some() {
            return Some(Inconsistency::BpduGuard);
        }
        let tree = &self.trees[self.find_tree(tree).ok()?];
        let held = tree.holds.iter().find(|hold| hold.port == number);
        match held {
            Some(hold) => Some(hold.reason),
            None => tree.bridge.port(number)?.inconsistent,
        }
    }

    /// Whether the port is [held](Self::hold) in a tree.
    #[must_use]
    pub fn is_held(&self, number: PortNumber, tree: TreeId) -> bool {
        let tree = self.find_tree(tree);
        tree.is_ok_and(|index| self.trees[index].holds(number))
    }

    fn find(&self, number: PortNumber) -> Result<usize, usize> {
        self.ports.binary_search_by_key(&number, |port| port.number)
    }

    fn find_tree(&self, id: TreeId) -> Result<usize, usize> {
        self.trees.binary_search_by_key(&id, |tree| tree.id)
    }

    fn begin(&mut self, now: Duration) {
        self.now = self.now.max(now);
        self.actions.clear();
    }

    /// Lets `ask` act on a tree's bridge, and takes over what it answers.
    fn act(&mut self, index: usize, ask: impl for<'a> FnOnce(&'a mut Bridge) -> &'a [Action]) {
        let tree = &mut self.trees[index];
        let actions = ask(&mut tree.bridge);
        take(&mut self.actions, tree.id, &tree.holds, actions);
    }

    /// The same for every tree the port is in; others know nothing of it and answer nothing.
    fn each_tree_of(
        &mut self,
        number: PortNumber,
        ask: impl for<'a> Fn(&'a mut Bridge, Duration) -> &'a [Action],
    ) {
        let now = self.now;
        for index in 0..self.trees.len() {
            if self.trees[index].bridge.port_config(number).is_some() {
                self.act(index, |bridge| ask(bridge, now));
                self.requeue(index);
            }
        }
    }

    /// Keeps the heap's promise for a tree whose timers may have changed.
    fn requeue(&mut self, index: usize) {
        let tree = &mut self.trees[index];
        let Some(due) = tree.deadline() else {
            return;
        };
        // A tree that is looked at too early is put off then; one that is looked at too late would be wrong.
        if tree.queued.is_none_or(|queued| due < queued) {
            tree.queued = Some(due);
            self.due.push(Reverse((due, tree.id)));
        }
    }

    /// Ends the holds whose time has come. The port begins again from discarding: what it was told while it was held is
    /// old.
    fn release(&mut self, index: usize) {
        let now = self.now;
        let tree = &self.trees[index];
        let over: Vec<PortNumber> = tree
            .holds
            .iter()
            .filter(|hold| hold.until <= now)
            .map(|hold| hold.port)
            .collect();
        for number in over {
            let id = self.trees[index].id;
            self.trees[index].holds.retain(|hold| hold.port != number);
            self.actions.push((id, set_inconsistent(number, id, None)));
            self.restart(index, number);
        }
    }

    /// A port begins again in a tree, from discarding.
    fn restart(&mut self, index: usize, number: PortNumber) {
        let now = self.now;
        self.act(index, |bridge| {
            bridge.handle(now, Event::LinkDown { port: number })
        });
        if let Ok(port) = self.find(number) {
            let port = self.ports[port];
            self.start(index, &port);
        }
    }

    /// BPDU guard: whether a BPDU on this port goes no further, because the port is disabled, now or already.
    fn trips(&mut self, number: PortNumber) -> bool {
        let Ok(index) = self.find(number) else {
            return true;
        };
        let port = &mut self.ports[index];
        if port.tripped.is_some() {
            return true;
        }
        if !port.config.bpdu_guard
            || port.config.bpdu_filter
            || port.link.is_none()
            || !port.enabled
        {
            return false;
        }
        let recovery = self.config.guard_recovery;
        port.tripped = Some(recovery.map(|after| self.now.saturating_add(after)));
        let reason = Some(Inconsistency::BpduGuard);
        let common = TreeId::COMMON;
        self.actions
            .push((common, set_inconsistent(number, common, reason)));
        self.each_tree_of(number, |bridge, now| {
            bridge.set_port_enabled(now, number, false)
        });
        true
    }

    /// Ends what BPDU guard did to a port.
    fn recover(&mut self, index: usize) {
        let port = &mut self.ports[index];
        if port.tripped.take().is_none() {
            return;
        }
        let (number, runs) = (port.number, port.may_run());
        let common = TreeId::COMMON;
        self.actions
            .push((common, set_inconsistent(number, common, None)));
        self.each_tree_of(number, |bridge, now| {
            bridge.set_port_enabled(now, number, runs)
        });
    }
}

fn hello_time_of(bpdu: &Bpdu) -> Duration {
    let said = match bpdu {
        Bpdu::Config(config) => config.hello_time,
        Bpdu::Rst(rst) => rst.config.hello_time,
        Bpdu::Mst(mst) => mst.cist.config.hello_time,
        Bpdu::Tcn => return Duration::ZERO,
    };
    said.duration().min(HELLO_TIME_MAX)
}

fn set_state(port: PortNumber, tree: TreeId) -> Action {
    let state = PortState::Blocking;
    Action::SetState { port, tree, state }
}

const fn set_inconsistent(
    port: PortNumber,
    tree: TreeId,
    inconsistent: Option<Inconsistency>,
) -> Action {
    Action::SetInconsistent {
        port,
        tree,
        inconsistent,
    }
}

/// Takes over a bridge's actions as those of the tree `id`. A port that is held is not told to learn or forward,
/// nor is it on its way there; if it is [held in silence](Hold::is_silent), nothing is sent.
fn take(into: &mut Vec<TreeAction>, id: TreeId, holds: &[Hold], actions: &[Action]) {
    for action in actions {
        let mut action = action.clone();
        match &mut action {
            Action::Transmit { port, .. } => {
                let silent = |hold: &Hold| hold.port == *port && hold.is_silent();
                if holds.iter().any(silent) {
                    continue;
                }
            }
            Action::SetState { port, tree, state } => {
                *tree = id;
                if holds.iter().any(|hold| hold.port == *port) {
                    match *state {
                        PortState::Learning | PortState::Forwarding => continue,
                        PortState::Listening => *state = PortState::Blocking,
                        PortState::Blocking | PortState::Disabled => {}
                    }
                }
            }
            Action::SetRole { tree, .. }
            | Action::Flush { tree, .. }
            | Action::SetInconsistent { tree, .. }
            | Action::ShortAgeing { tree, .. }
            | Action::RootChanged { tree, .. }
            | Action::TopologyChange { tree, .. } => *tree = id,
        }
        into.push((id, action));
    }
}

#[cfg(test)]
mod tests;
