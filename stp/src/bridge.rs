//! The bridge: one surface for the engines, which know trees only. What belongs to a port as such (link, management,
//! whether it is an edge) is here; what belongs to a port in a tree is in the tree.

use core::time::Duration;

use crate::bpdu::Bpdu;
use crate::classic::{Context, Tree};
use crate::config::{BridgeConfig, PortConfig};
use crate::cost::{CostMethod, PathCost};
use crate::event::{Action, Event};
use crate::id::{BridgeId, PortId, PortNumber, TreeId};
use crate::status::{PortStatus, TreeStatus};

/// A spanning tree bridge as a value.
///
/// Time is a [`Duration`] since any fixed moment. It must not go back; if it does, the bridge goes by the latest it
/// was told. Every call that takes `now` first lets all timers due by then expire, as [`Event::Timeout`] would, so the
/// caller's order of events and timeouts at one instant does not matter. A late call acts at `now`: what
/// should have happened earlier happens now, and what should follow from it later is counted from now, so lateness
/// never makes a port forward early.
///
/// The slice of actions is a buffer that the bridge reuses: no call allocates once it has grown to the largest number
/// of actions ever needed. Calls about a port number that was never added change nothing and return no actions.
/// Each call costs at most a few steps per port.
#[derive(Clone, Debug)]
pub struct Bridge {
    config: BridgeConfig,
    now: Duration,
    /// In number order; the trees' ports stand in the same order.
    ports: Vec<Port>,
    /// One in the classic protocol; never empty.
    trees: Vec<Tree>,
    actions: Vec<Action>,
    deadline: Option<Duration>,
}

/// What a port is in all trees.
#[derive(Clone, Copy, Debug)]
struct Port {
    number: PortNumber,
    config: PortConfig,
    enabled: bool,
    link: Option<Link>,
    /// What the last link costs; until there was one, what 10 Mb/s costs.
    link_cost: PathCost,
    /// Since it last came up. An edge port that heard one is none any more.
    bpdu_heard: bool,
}

#[derive(Clone, Copy, Debug)]
struct Link {
    point_to_point: bool,
}

impl Port {
    const fn is_operational(&self) -> bool {
        self.enabled && self.link.is_some()
    }

    const fn is_edge(&self) -> bool {
        self.config.admin_edge && !self.bpdu_heard && self.is_operational()
    }

    fn id(&self) -> PortId {
        PortId::new(self.config.priority, self.number)
    }

    /// The cost in force.
    fn path_cost(&self) -> PathCost {
        self.config.path_cost.unwrap_or(self.link_cost)
    }
}

impl Bridge {
    /// A bridge without ports: the root of its own tree.
    #[must_use]
    pub fn new(config: BridgeConfig) -> Self {
        Self {
            config,
            now: Duration::ZERO,
            ports: Vec::new(),
            trees: vec![Tree::new(TreeId::COMMON, config.id(), config.times)],
            actions: Vec::new(),
            deadline: None,
        }
    }

    /// Adds a port, enabled by management and without a link: disabled until [`Event::LinkUp`]. If the number
    /// is in use, the call is [`Self::configure_port`].
    pub fn add_port(&mut self, now: Duration, port: PortNumber, config: PortConfig) -> &[Action] {
        let Err(index) = self.find(port) else {
            return self.configure_port(now, port, config);
        };
        self.begin(now);
        let added = Port {
            number: port,
            config,
            enabled: true,
            link: None,
            link_cost: PathCost::for_speed(0, CostMethod::Short),
            bpdu_heard: false,
        };
        self.ports.insert(index, added);
        for tree in &mut self.trees {
            tree.insert_port(index, port, added.id(), added.path_cost());
        }
        self.finish()
    }

    /// Removes a port, as if its link went down before.
    pub fn remove_port(&mut self, now: Duration, port: PortNumber) -> &[Action] {
        self.begin(now);
        if let Ok(index) = self.find(port) {
            self.change(index, |port| port.link = None);
            self.ports.remove(index);
            for tree in &mut self.trees {
                tree.remove_port(index);
            }
        }
        self.finish()
    }

    /// Changes the bridge's settings while it runs: priority and address (802.1D-1998 8.8.4), times (in force at once
    /// if this bridge is the root).
    pub fn configure(&mut self, now: Duration, config: BridgeConfig) -> &[Action] {
        self.begin(now);
        self.config = config;
        let (trees, mut context) = self.split();
        for tree in trees {
            tree.set_bridge_times(config.times);
            if tree.bridge_id() != config.id() {
                tree.set_bridge_priority(config.id(), &mut context);
            }
        }
        self.finish()
    }

    /// Changes a port's settings while it runs: priority (802.1D-1998 8.8.5), path cost (8.8.6), edge.
    pub fn configure_port(
        &mut self,
        now: Duration,
        port: PortNumber,
        config: PortConfig,
    ) -> &[Action] {
        self.begin(now);
        if let Ok(index) = self.find(port) {
            self.change(index, |port| port.config = config);
        }
        self.finish()
    }

    /// Lets a port run or not, by management (802.1D-1998 8.8.2, 8.8.3). It runs if it also has a link.
    pub fn set_port_enabled(
        &mut self,
        now: Duration,
        port: PortNumber,
        enabled: bool,
    ) -> &[Action] {
        self.begin(now);
        if let Ok(index) = self.find(port) {
            self.change(index, |port| port.enabled = enabled);
        }
        self.finish()
    }

    /// Applies `event` at `now`; returns what to do, in order. A spurious [`Event::Timeout`] changes nothing.
    #[must_use]
    pub fn handle(&mut self, now: Duration, event: Event<'_>) -> &[Action] {
        self.begin(now);
        match event {
            Event::LinkUp {
                port,
                cost,
                point_to_point,
            } => {
                if let Ok(index) = self.find(port) {
                    self.change(index, |port| {
                        port.link = Some(Link { point_to_point });
                        port.link_cost = cost;
                    });
                }
            }
            Event::LinkDown { port } => {
                if let Ok(index) = self.find(port) {
                    self.change(index, |port| port.link = None);
                }
            }
            Event::Received { port, bpdu } => {
                if let Ok(index) = self.find(port) {
                    self.receive(index, bpdu);
                }
            }
            Event::Timeout => {}
        }
        self.finish()
    }

    /// The first timer due: when to send [`Event::Timeout`], at the latest. Exact: unless a call comes before, something
    /// happens then and nothing earlier. It may be now or past after a call that shortened a time; after a timeout it
    /// is later than now. `None` while no timer runs. Costs nothing; changes with every other call.
    #[must_use]
    pub const fn deadline(&self) -> Option<Duration> {
        self.deadline
    }

    /// The settings.
    #[must_use]
    pub const fn config(&self) -> &BridgeConfig {
        &self.config
    }

    /// The bridge identifier.
    #[must_use]
    pub const fn id(&self) -> BridgeId {
        self.config.id()
    }

    /// What this bridge knows of a tree.
    #[must_use]
    pub fn tree(&self, tree: TreeId) -> TreeStatus {
        self.tree_named(tree).status()
    }

    /// A port in the common tree; `None` if there is no such port.
    #[must_use]
    pub fn port(&self, port: PortNumber) -> Option<PortStatus> {
        self.port_in_tree(port, TreeId::COMMON)
    }

    /// A port in a tree; `None` if there is no such port.
    #[must_use]
    pub fn port_in_tree(&self, port: PortNumber, tree: TreeId) -> Option<PortStatus> {
        let index = self.find(port).ok()?;
        let shared = &self.ports[index];
        Some(PortStatus {
            enabled: shared.enabled,
            link_up: shared.link.is_some(),
            point_to_point: shared.link.is_some_and(|link| link.point_to_point),
            admin_edge: shared.config.admin_edge,
            ..self.tree_named(tree).port_status(index)
        })
    }

    /// A port's settings; `None` if there is no such port.
    #[must_use]
    pub fn port_config(&self, port: PortNumber) -> Option<&PortConfig> {
        let index = self.find(port).ok()?;
        Some(&self.ports[index].config)
    }

    /// The ports, in number order.
    pub fn ports(&self) -> impl Iterator<Item = PortNumber> + '_ {
        self.ports.iter().map(|port| port.number)
    }

    /// The trees; one.
    pub fn trees(&self) -> impl Iterator<Item = TreeId> + '_ {
        self.trees.iter().map(Tree::id)
    }

    fn find(&self, port: PortNumber) -> Result<usize, usize> {
        self.ports.binary_search_by_key(&port, |port| port.number)
    }

    fn tree_named(&self, id: TreeId) -> &Tree {
        self.trees.iter().find(|tree| tree.id() == id).expect(
            "TreeId::COMMON is the only identifier there is, and its tree exists from the start",
        )
    }

    /// Starts a call: nothing to do yet, and what is due by `now` is done.
    fn begin(&mut self, now: Duration) {
        self.now = self.now.max(now);
        self.actions.clear();
        if self.deadline.is_some_and(|due| due <= self.now) {
            let (trees, mut context) = self.split();
            for tree in trees {
                tree.expire(&mut context);
            }
        }
    }

    /// Ends a call.
    fn finish(&mut self) -> &[Action] {
        self.deadline = self.trees.iter().filter_map(Tree::deadline).min();
        &self.actions
    }

    fn split(&mut self) -> (&mut [Tree], Context<'_>) {
        let context = Context {
            now: self.now,
            actions: &mut self.actions,
        };
        (&mut self.trees, context)
    }

    /// Changes what a port is in all trees and lets every tree follow.
    fn change(&mut self, index: usize, apply: impl FnOnce(&mut Port)) {
        let port = &mut self.ports[index];
        let was_operational = port.is_operational();
        apply(port);
        if !port.is_operational() {
            port.bpdu_heard = false;
        }
        let port = *port;
        let (trees, mut context) = self.split();
        for tree in trees {
            if was_operational && !port.is_operational() {
                tree.disable_port(index, &mut context);
            }
            tree.set_port_id(index, port.id(), &mut context);
            tree.set_path_cost(index, port.path_cost(), &mut context);
            tree.set_edge(index, port.is_edge(), &mut context);
            if !was_operational && port.is_operational() {
                tree.enable_port(index, &mut context);
            }
        }
    }

    fn receive(&mut self, index: usize, bpdu: &Bpdu) {
        let port = &mut self.ports[index];
        if port.is_operational() && !port.bpdu_heard {
            port.bpdu_heard = true;
            if port.config.admin_edge {
                let (trees, mut context) = self.split();
                for tree in trees {
                    tree.lose_edge(index, &mut context);
                }
            }
        }
        let (trees, mut context) = self.split();
        // A configuration BPDU of the classic protocol speaks of the common tree, which is the first.
        if let Some(tree) = trees.first_mut() {
            tree.receive(index, bpdu, &mut context);
        }
    }
}
