//! The bridge: one surface for the engines, which know trees only. What belongs to a port as such (link, management,
//! whether it is an edge) is here; what belongs to a port in a tree is in the tree.

mod follow;

use core::time::Duration;

use crate::classic::{Context, Tree};
use crate::config::{
    BridgeConfig, Inconsistency, PointToPoint, PortConfig, Protocol, TreeConfig, TreePortConfig,
};
use crate::cost::{CostMethod, PathCost};
use crate::event::{Action, Event};
use crate::id::{BridgeId, PortId, PortNumber, TreeId};
use crate::rapid::{self, Transition};
use crate::reason::Reason;
use crate::region::{ConfigurationId, Region};
use crate::status::{PortCounters, PortStatus, TreeStatus};

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
    /// In number order; the engine's ports stand in the same order.
    ports: Vec<Port>,
    engine: Engine,
    /// What a bridge of [`Protocol::Mstp`] is told of its region; kept while another protocol runs.
    region: ConfigurationId,
    /// The region's trees besides the common one, by number.
    instances: Vec<(TreeId, TreeConfig)>,
    actions: Vec<Action>,
    /// The first of the ports' `recovery_due`.
    recovery_due: Option<Duration>,
    deadline: Option<Duration>,
}

/// The two engines.
#[derive(Clone, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "a bridge has one engine, and no list of them is kept"
)]
enum Engine {
    Classic(Tree),
    Rapid(Box<rapid::Engine>),
}

/// What a port is in all trees.
#[derive(Clone, Debug)]
struct Port {
    number: PortNumber,
    config: PortConfig,
    enabled: bool,
    link: Option<Link>,
    /// What the last link costs; until there was one, what 10 Mb/s costs.
    link_cost: PathCost,
    /// Since it last came up. An edge port that heard one is none any more.
    bpdu_heard: bool,
    /// BPDU guard has disabled it; the classic engine knows no guard of its own.
    tripped: bool,
    /// When BPDU guard tries again.
    recovery_due: Option<Duration>,
    held: Option<Inconsistency>,
    /// What was counted before the engine that runs now, and by this bridge itself.
    counters: PortCounters,
    /// Its settings in trees of the region, where they are not the defaults.
    trees: Vec<(TreeId, TreePortConfig)>,
}

#[derive(Clone, Copy, Debug)]
struct Link {
    point_to_point: bool,
}

impl Port {
    const fn is_operational(&self) -> bool {
        self.enabled && self.link.is_some() && !self.tripped
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

    fn is_point_to_point(&self) -> bool {
        match self.config.point_to_point {
            PointToPoint::Auto => self.link.is_some_and(|link| link.point_to_point),
            PointToPoint::On => true,
            PointToPoint::Off => false,
        }
    }
}

impl Bridge {
    /// A bridge without ports: the root of its own tree.
    #[must_use]
    pub fn new(config: BridgeConfig) -> Self {
        let region = Region::default().id();
        Self {
            config,
            now: Duration::ZERO,
            ports: Vec::new(),
            engine: Engine::new(Duration::ZERO, config, region, &[]),
            region,
            instances: Vec::new(),
            actions: Vec::new(),
            recovery_due: None,
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
            tripped: false,
            recovery_due: None,
            held: None,
            counters: PortCounters::default(),
            trees: Vec::new(),
        };
        self.ports.insert(index, added);
        self.insert_into_engine(index);
        self.finish()
    }

    /// Removes a port, as if its link went down before.
    pub fn remove_port(&mut self, now: Duration, port: PortNumber) -> &[Action] {
        self.begin(now);
        if let Ok(index) = self.find(port) {
            self.change(index, |port| {
                port.link = None;
                port.tripped = false;
            });
            self.ports.remove(index);
            match &mut self.engine {
                Engine::Classic(tree) => tree.remove_port(index),
                Engine::Rapid(engine) => engine.remove_port(index),
            }
        }
        self.finish()
    }

    /// Changes the bridge's settings while it runs: priority and address (802.1D-1998 8.8.4), times (in force at once
    /// if this bridge is the root). With another protocol every port begins again, discarding; so it does with another
    /// address, unless the protocol is the classic one.
    pub fn configure(&mut self, now: Duration, config: BridgeConfig) -> &[Action] {
        self.begin(now);
        let old = core::mem::replace(&mut self.config, config);
        let other_bridge = old.address != config.address && config.protocol != Protocol::Stp;
        if old.protocol != config.protocol || other_bridge {
            self.restart();
            return self.finish();
        }
        let mut context = Context {
            now: self.now,
            actions: &mut self.actions,
        };
        match &mut self.engine {
            Engine::Classic(tree) => {
                tree.set_bridge_times(config.times);
                if tree.bridge_id() != config.id() {
                    tree.set_bridge_priority(config.id(), &mut context);
                }
            }
            Engine::Rapid(engine) if old != config => {
                engine.set_bridge(config, &mut self.actions);
            }
            Engine::Rapid(_) => {}
        }
        self.finish()
    }

    /// Puts the bridge into a region with these trees besides the common one (802.1Q 13.8): in force with
    /// [`Protocol::Mstp`], where every port begins again, discarding, if anything changes (802.1Q 13.25.1). At most
    /// [`crate::MSTI_RECORDS_MAX`] trees; further ones and [`TreeId::COMMON`] are left out.
    pub fn set_region(
        &mut self,
        now: Duration,
        region: ConfigurationId,
        instances: &[TreeId],
    ) -> &[Action] {
        self.begin(now);
        let mut wanted: Vec<TreeId> = instances.to_vec();
        wanted.retain(|&id| id != TreeId::COMMON);
        wanted.sort_unstable();
        wanted.dedup();
        wanted.truncate(crate::MSTI_RECORDS_MAX);
        let known = self.instances.iter().map(|&(id, _)| id);
        if self.region != region || !known.eq(wanted.iter().copied()) {
            self.region = region;
            let kept = |id| self.instances.iter().find(|&&(known, _)| known == id);
            self.instances = wanted
                .into_iter()
                .map(|id| (id, kept(id).map_or(TreeConfig::default(), |kept| kept.1)))
                .collect();
            if self.config.protocol == Protocol::Mstp {
                self.restart();
            }
        }
        self.finish()
    }

    /// Changes the bridge's settings in a tree of its region. The common tree's are [`Self::configure`]'s.
    pub fn configure_tree(&mut self, now: Duration, tree: TreeId, config: TreeConfig) -> &[Action] {
        self.begin(now);
        let known = self.instances.iter_mut().find(|(id, _)| *id == tree);
        if let Some(known) = known.filter(|known| known.1 != config) {
            known.1 = config;
            if let Engine::Rapid(engine) = &mut self.engine {
                engine.set_tree(tree, config, &mut self.actions);
            }
        }
        self.finish()
    }

    /// Changes a port's settings in a tree of the region. The common tree's are [`Self::configure_port`]'s.
    pub fn configure_tree_port(
        &mut self,
        now: Duration,
        port: PortNumber,
        tree: TreeId,
        config: TreePortConfig,
    ) -> &[Action] {
        self.begin(now);
        if let Ok(index) = self.find(port) {
            let trees = &mut self.ports[index].trees;
            trees.retain(|(id, _)| *id != tree);
            trees.push((tree, config));
            if let Engine::Rapid(engine) = &mut self.engine {
                engine.set_tree_port(index, tree, config, &mut self.actions);
            }
        }
        self.finish()
    }

    /// Changes a port's settings while it runs: priority (802.1D-1998 8.8.5), path cost (8.8.6), edge, guards.
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

    /// Lets a port run or not, by management (802.1D-1998 8.8.2, 8.8.3). It runs if it also has a link. Taking a port
    /// down ends what BPDU guard did to it.
    pub fn set_port_enabled(
        &mut self,
        now: Duration,
        port: PortNumber,
        enabled: bool,
    ) -> &[Action] {
        self.begin(now);
        if let Ok(index) = self.find(port) {
            self.change(index, |port| {
                port.enabled = enabled;
                port.tripped &= enabled;
            });
        }
        self.finish()
    }

    /// Keeps a port from forwarding in all trees, for a reason that this bridge cannot know
    /// ([`Inconsistency::Pvid`]), or ceases to. It takes part in the protocol as before.
    pub fn hold_port(
        &mut self,
        now: Duration,
        port: PortNumber,
        inconsistent: Option<Inconsistency>,
    ) -> &[Action] {
        self.begin(now);
        if let Ok(index) = self.find(port) {
            self.ports[index].held = inconsistent;
            self.hold(index);
        }
        self.finish()
    }

    /// Finds out again whether classic bridges are behind the port (mcheck, 802.1D-2004 17.19.13). Nothing to find out
    /// in the classic protocol.
    pub fn check_migration(&mut self, now: Duration, port: PortNumber) -> &[Action] {
        self.begin(now);
        if let (Ok(index), Engine::Rapid(engine)) = (self.find(port), &mut self.engine) {
            engine.mcheck(index, &mut self.actions);
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

    /// What this bridge knows of a tree; of the common tree, if there is no such tree.
    #[must_use]
    pub fn tree(&self, tree: TreeId) -> TreeStatus {
        match &self.engine {
            Engine::Classic(tree) => tree.status(),
            Engine::Rapid(engine) => engine.tree_status(tree),
        }
    }

    /// A port in the common tree; `None` if there is no such port.
    #[must_use]
    pub fn port(&self, port: PortNumber) -> Option<PortStatus> {
        self.port_in_tree(port, TreeId::COMMON)
    }

    /// A port in a tree, or in the common tree if there is no such tree; `None` if there is no such port.
    #[must_use]
    pub fn port_in_tree(&self, port: PortNumber, tree: TreeId) -> Option<PortStatus> {
        let index = self.find(port).ok()?;
        let shared = &self.ports[index];
        let status = match &self.engine {
            Engine::Classic(tree) => tree.port_status(index),
            Engine::Rapid(engine) => engine.port_status(index, tree),
        };
        let tripped = shared.tripped.then_some(Inconsistency::BpduGuard);
        Some(PortStatus {
            enabled: shared.enabled,
            link_up: shared.link.is_some(),
            point_to_point: shared.is_point_to_point(),
            admin_edge: shared.config.admin_edge,
            inconsistent: tripped.or(status.inconsistent),
            counters: status.counters.plus(&shared.counters),
            ..status
        })
    }

    /// Why a port has its role and state in a tree: the comparison that decided, or what holds it. `None` if there is no
    /// such port or tree.
    #[must_use]
    pub fn why(&self, port: PortNumber, tree: TreeId) -> Option<Reason> {
        let index = self.find(port).ok()?;
        match &self.engine {
            Engine::Classic(only) => (tree == TreeId::COMMON).then(|| only.why(index)),
            Engine::Rapid(engine) => engine.why(index, tree),
        }
    }

    /// The arrows of the rapid protocols' figures that this bridge has taken since it began; none in the classic
    /// protocol, which has no such figures.
    pub fn transitions(&self) -> impl Iterator<Item = Transition> + '_ {
        let engine = match &self.engine {
            Engine::Classic(_) => None,
            Engine::Rapid(engine) => Some(engine),
        };
        engine.into_iter().flat_map(|engine| engine.transitions())
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

    /// The trees: the common one, and those of the region in number order if the protocol is [`Protocol::Mstp`].
    pub fn trees(&self) -> impl Iterator<Item = TreeId> + '_ {
        let (common, rapid) = match &self.engine {
            Engine::Classic(tree) => (Some(tree.id()), None),
            Engine::Rapid(engine) => (None, Some(engine.tree_ids())),
        };
        common.into_iter().chain(rapid.into_iter().flatten())
    }

    fn find(&self, port: PortNumber) -> Result<usize, usize> {
        self.ports.binary_search_by_key(&port, |port| port.number)
    }

    /// Starts a call: nothing to do yet, and what is due by `now` is done.
    fn begin(&mut self, now: Duration) {
        self.now = self.now.max(now);
        self.actions.clear();
        if self.deadline.is_some_and(|due| due <= self.now) {
            // First: where the root's forward delay is no time at all, a port that is back is due at once.
            if let Engine::Rapid(engine) = &mut self.engine {
                engine.set_time(self.now);
            }
            self.recover();
            let mut context = Context {
                now: self.now,
                actions: &mut self.actions,
            };
            match &mut self.engine {
                Engine::Classic(tree) => tree.expire(&mut context),
                Engine::Rapid(engine) => engine.expire(self.now, &mut self.actions),
            }
        } else if let Engine::Rapid(engine) = &mut self.engine {
            engine.set_time(self.now);
        }
    }

    /// Ends a call.
    fn finish(&mut self) -> &[Action] {
        let engine = match &self.engine {
            Engine::Classic(tree) => tree.deadline(),
            Engine::Rapid(engine) => engine.deadline(),
        };
        self.deadline = engine.into_iter().chain(self.recovery_due).min();
        if let Engine::Classic(_) = self.engine {
            self.filter();
        }
        &self.actions
    }
}
