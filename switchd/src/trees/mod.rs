//! Which spanning trees a switch keeps: none, one, a few or one for every VLAN, behind one surface.

mod map;
pub(crate) mod wire;

pub(crate) use map::TreeMap;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use stp::{
    Action, Bpdu, Bridge, BridgeConfig, BridgePriority, Event, Inconsistency, PathCost, PerVlan,
    PortConfig, PortNumber, PortState, PortStatus, Protocol, Reason, Region, StateReason,
    TreeAction, TreeConfig, TreeId, TreeStatus,
};

use crate::vlan_set::VlanSet;

/// The spanning tree protocol of a switch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TreeProtocol {
    /// None: every port that has a link forwards.
    Off,
    /// One classic tree, IEEE 802.1D-1998.
    Stp,
    /// One rapid tree, IEEE 802.1D-2004.
    #[default]
    Rstp,
    /// A rapid tree for every group of VLANs, IEEE 802.1Q.
    Mstp,
    /// A classic tree for every VLAN, in the trade's framing.
    Pvst,
    /// A rapid tree for every VLAN, in the trade's framing.
    RapidPvst,
}

impl TreeProtocol {
    /// Every protocol.
    pub const ALL: [Self; 6] = [
        Self::Off,
        Self::Stp,
        Self::Rstp,
        Self::Mstp,
        Self::Pvst,
        Self::RapidPvst,
    ];

    /// Its word in configuration and answers.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Stp => "stp",
            Self::Rstp => "rstp",
            Self::Mstp => "mstp",
            Self::Pvst => "pvst",
            Self::RapidPvst => "rapid-pvst",
        }
    }

    /// Whether there is a tree for every VLAN.
    #[must_use]
    pub const fn is_per_vlan(self) -> bool {
        matches!(self, Self::Pvst | Self::RapidPvst)
    }

    /// What each bridge speaks; `None` without spanning tree.
    #[must_use]
    pub const fn engine(self) -> Option<Protocol> {
        match self {
            Self::Off => None,
            Self::Stp | Self::Pvst => Some(Protocol::Stp),
            Self::Rstp | Self::RapidPvst => Some(Protocol::Rstp),
            Self::Mstp => Some(Protocol::Mstp),
        }
    }
}

impl fmt::Display for TreeProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for TreeProtocol {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = Self::ALL.iter().find(|protocol| protocol.name() == text);
        known.copied().ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            format!("'{text}' is none of {names}")
        })
    }
}

/// What tells the trees of a switch apart.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Instances {
    /// The region of [`TreeProtocol::Mstp`].
    pub region: Region,
    /// VLANs that have a tree of their own where every VLAN has one, besides those that a port names.
    pub vlans: VlanSet,
    /// Bridge priorities of single trees: of an MSTI or of a VLAN's; others have the bridge's.
    pub priorities: BTreeMap<TreeId, BridgePriority>,
}

impl Instances {
    /// The bridge priority in `tree`.
    #[must_use]
    pub fn priority(&self, tree: TreeId, common: BridgePriority) -> BridgePriority {
        self.priorities.get(&tree).copied().unwrap_or(common)
    }
}

/// The spanning tree engine of a switch.
#[derive(Clone, Debug)]
pub(crate) enum Engine {
    Off,
    One(Box<Bridge>),
    PerVlan(Box<PerVlan>),
}

/// What an engine wants done.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Deeds<'a> {
    One(&'a [Action]),
    PerVlan(&'a [TreeAction]),
}

impl<'a> Deeds<'a> {
    pub(crate) const NONE: Self = Self::One(&[]);

    /// Every action, with the tree it belongs to: of a BPDU, the tree it speaks for.
    pub(crate) fn iter(self) -> impl Iterator<Item = (TreeId, &'a Action)> {
        let (one, many): (&[Action], &[TreeAction]) = match self {
            Self::One(actions) => (actions, &[]),
            Self::PerVlan(actions) => (&[], actions),
        };
        let one = one.iter().map(|action| (TreeId::COMMON, action));
        one.chain(many.iter().map(|(tree, action)| (*tree, action)))
    }
}

impl Engine {
    /// The engine of a protocol, without ports. A region has its trees from the start; those of VLANs are arranged later.
    pub(crate) fn new(protocol: TreeProtocol, config: BridgeConfig, instances: &Instances) -> Self {
        let Some(engine) = protocol.engine() else {
            return Self::Off;
        };
        let config = BridgeConfig {
            protocol: engine,
            ..config
        };
        if protocol.is_per_vlan() {
            Self::PerVlan(Box::new(PerVlan::new(config)))
        } else {
            let mut engine = Self::One(Box::new(Bridge::new(config)));
            // No port, and so nothing that anybody need do.
            let _ = engine.set_region(Duration::ZERO, instances);
            for tree in instances.region.vlans.instances() {
                let _ = engine.set_tree_priority(Duration::ZERO, tree, instances);
            }
            engine
        }
    }

    /// Puts the bridge into its region. Nothing to do where no region is.
    pub(crate) fn set_region(&mut self, now: Duration, instances: &Instances) -> Deeds<'_> {
        match self {
            Self::Off | Self::PerVlan(_) => Deeds::NONE,
            Self::One(bridge) => {
                let trees: Vec<TreeId> = instances.region.vlans.instances().into_iter().collect();
                Deeds::One(bridge.set_region(now, instances.region.id(), &trees))
            }
        }
    }

    /// Gives the bridge its priority in a tree of its region.
    pub(crate) fn set_tree_priority(
        &mut self,
        now: Duration,
        tree: TreeId,
        instances: &Instances,
    ) -> Deeds<'_> {
        match self {
            Self::Off | Self::PerVlan(_) => Deeds::NONE,
            Self::One(bridge) => {
                let priority = instances.priority(tree, BridgePriority::default());
                Deeds::One(bridge.configure_tree(now, tree, TreeConfig { priority }))
            }
        }
    }

    pub(crate) const fn is_off(&self) -> bool {
        matches!(self, Self::Off)
    }

    pub(crate) fn deadline(&self) -> Option<Duration> {
        match self {
            Self::Off => None,
            Self::One(bridge) => bridge.deadline(),
            Self::PerVlan(bridges) => bridges.deadline(),
        }
    }

    pub(crate) fn timeout(&mut self, now: Duration) -> Deeds<'_> {
        match self {
            Self::Off => Deeds::NONE,
            Self::One(bridge) => Deeds::One(bridge.handle(now, Event::Timeout)),
            Self::PerVlan(bridges) => Deeds::PerVlan(bridges.timeout(now)),
        }
    }

    pub(crate) fn add_port(
        &mut self,
        now: Duration,
        port: PortNumber,
        config: PortConfig,
    ) -> Deeds<'_> {
        match self {
            Self::Off => Deeds::NONE,
            Self::One(bridge) => Deeds::One(bridge.add_port(now, port, config)),
            Self::PerVlan(bridges) => Deeds::PerVlan(bridges.add_port(now, port, config)),
        }
    }

    pub(crate) fn remove_port(&mut self, now: Duration, port: PortNumber) -> Deeds<'_> {
        match self {
            Self::Off => Deeds::NONE,
            Self::One(bridge) => Deeds::One(bridge.remove_port(now, port)),
            Self::PerVlan(bridges) => Deeds::PerVlan(bridges.remove_port(now, port)),
        }
    }

    pub(crate) fn configure(&mut self, now: Duration, config: BridgeConfig) -> Deeds<'_> {
        match self {
            Self::Off => Deeds::NONE,
            Self::One(bridge) => {
                let protocol = bridge.config().protocol;
                let config = BridgeConfig { protocol, ..config };
                Deeds::One(bridge.configure(now, config))
            }
            Self::PerVlan(bridges) => {
                let protocol = bridges.config().protocol;
                let config = BridgeConfig { protocol, ..config };
                Deeds::PerVlan(bridges.configure(now, config))
            }
        }
    }

    pub(crate) fn configure_port(
        &mut self,
        now: Duration,
        port: PortNumber,
        config: PortConfig,
    ) -> Deeds<'_> {
        match self {
            Self::Off => Deeds::NONE,
            Self::One(bridge) => Deeds::One(bridge.configure_port(now, port, config)),
            Self::PerVlan(bridges) => Deeds::PerVlan(bridges.configure_port(now, port, config)),
        }
    }

    pub(crate) fn set_port_enabled(
        &mut self,
        now: Duration,
        port: PortNumber,
        enabled: bool,
    ) -> Deeds<'_> {
        match self {
            Self::Off => Deeds::NONE,
            Self::One(bridge) => Deeds::One(bridge.set_port_enabled(now, port, enabled)),
            Self::PerVlan(bridges) => Deeds::PerVlan(bridges.set_port_enabled(now, port, enabled)),
        }
    }

    pub(crate) fn link_up(
        &mut self,
        now: Duration,
        port: PortNumber,
        cost: PathCost,
        point_to_point: bool,
    ) -> Deeds<'_> {
        match self {
            Self::Off => Deeds::NONE,
            Self::One(bridge) => Deeds::One(bridge.handle(
                now,
                Event::LinkUp {
                    port,
                    cost,
                    point_to_point,
                },
            )),
            Self::PerVlan(bridges) => {
                Deeds::PerVlan(bridges.link_up(now, port, cost, point_to_point))
            }
        }
    }

    pub(crate) fn link_down(&mut self, now: Duration, port: PortNumber) -> Deeds<'_> {
        match self {
            Self::Off => Deeds::NONE,
            Self::One(bridge) => Deeds::One(bridge.handle(now, Event::LinkDown { port })),
            Self::PerVlan(bridges) => Deeds::PerVlan(bridges.link_down(now, port)),
        }
    }

    /// Whether classic bridges are behind the port is found out again.
    pub(crate) fn check_migration(&mut self, now: Duration, port: PortNumber) -> Deeds<'_> {
        match self {
            Self::Off => Deeds::NONE,
            Self::One(bridge) => Deeds::One(bridge.check_migration(now, port)),
            Self::PerVlan(bridges) => Deeds::PerVlan(bridges.check_migration(now, port)),
        }
    }

    /// A BPDU that speaks for `tree`.
    pub(crate) fn receive(
        &mut self,
        now: Duration,
        port: PortNumber,
        tree: TreeId,
        bpdu: &Bpdu,
    ) -> Deeds<'_> {
        match self {
            Self::Off => Deeds::NONE,
            Self::One(bridge) => Deeds::One(bridge.handle(now, Event::Received { port, bpdu })),
            Self::PerVlan(bridges) => Deeds::PerVlan(bridges.receive(now, port, tree, bpdu)),
        }
    }

    /// The trees, ascending.
    pub(crate) fn trees(&self) -> Vec<TreeId> {
        match self {
            Self::Off => Vec::new(),
            Self::One(bridge) => bridge.trees().collect(),
            Self::PerVlan(bridges) => bridges.trees().collect(),
        }
    }

    /// The bridge that keeps `tree`, and what it calls it.
    pub(crate) fn bridge_of(&self, tree: TreeId) -> Option<(&Bridge, TreeId)> {
        match self {
            Self::Off => None,
            Self::One(bridge) => {
                let has = bridge.trees().any(|known| known == tree);
                has.then_some((bridge, tree))
            }
            Self::PerVlan(bridges) => Some((bridges.bridge(tree)?, TreeId::COMMON)),
        }
    }

    pub(crate) fn tree(&self, tree: TreeId) -> Option<TreeStatus> {
        let (bridge, own) = self.bridge_of(tree)?;
        Some(TreeStatus {
            tree,
            ..bridge.tree(own)
        })
    }

    pub(crate) fn port(&self, tree: TreeId, port: PortNumber) -> Option<PortStatus> {
        let (bridge, own) = self.bridge_of(tree)?;
        let status = bridge.port_in_tree(port, own)?;
        let inconsistent = self.inconsistency(tree, port);
        // The bridge of one VLAN does not know that its port is held.
        let is_held = inconsistent.is_some() && status.state != PortState::Disabled;
        let state = if is_held {
            PortState::Blocking
        } else {
            status.state
        };
        Some(PortStatus {
            tree,
            inconsistent,
            state,
            ..status
        })
    }

    /// Why a port is what it is in a tree, what only this switch knows included.
    pub(crate) fn why(&self, tree: TreeId, port: PortNumber) -> Option<Reason> {
        let (bridge, own) = self.bridge_of(tree)?;
        let reason = bridge.why(port, own)?;
        Some(match self.inconsistency(tree, port) {
            None => reason,
            Some(held) => Reason {
                state: StateReason::Held(held),
                ..reason
            },
        })
    }

    pub(crate) fn inconsistency(&self, tree: TreeId, port: PortNumber) -> Option<Inconsistency> {
        match self {
            Self::Off => None,
            Self::One(bridge) => bridge.port_in_tree(port, tree)?.inconsistent,
            Self::PerVlan(bridges) => bridges.inconsistency(port, tree),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn protocols_are_read_by_their_names() {
        for protocol in TreeProtocol::ALL {
            assert_eq!(protocol.name().parse(), Ok(protocol));
            let json = format!("\"{}\"", protocol.name());
            assert_eq!(serde_json::to_string(&protocol).unwrap(), json);
        }
        let error = "rpvst".parse::<TreeProtocol>().unwrap_err();
        assert!(error.ends_with("pvst, rapid-pvst"), "{error}");
    }
}
