//! The root, and the bridges that it leaves behind.

use core::time::Duration;

use stp::{BridgeId, BridgePriority, BridgeTimes, TransmitHoldCount};
use switchd::TreeProtocol;

use super::{CABLE, Case, Epochs, HELLO, Shape};
use crate::sim::{BridgeSpec, LinkState, Medium, NodeId, PortSpec, WireId, World, WorldError};

/// A built network; its tree is still to be built.
#[derive(Debug)]
pub(super) struct Network {
    pub(super) world: World,
    pub(super) root: BridgeId,
    /// Those that are left behind, the best first: the next root.
    pub(super) bridges: Vec<NodeId>,
    /// The root's cables.
    cables: Vec<WireId>,
}

impl Network {
    pub(super) fn build(case: &Case) -> Result<Self, WorldError> {
        let mut world = World::new(1);
        let spec = |name: String, place: u32| {
            let epochs = match case.epochs {
                Epochs::Nobody => false,
                Epochs::Half => place.is_multiple_of(2),
                Epochs::All => true,
            };
            BridgeSpec::new(name)
                .protocol(TreeProtocol::Rstp)
                .times(times(case.max_age))
                .transmit_hold_count(TransmitHoldCount::new(case.hold).unwrap_or_default())
                .epochs(epochs)
        };
        let root = world.add_bridge(&spec("root".to_owned(), 0).priority(BridgePriority::MIN))?;
        let mut bridges = Vec::new();
        for place in 1..=case.size {
            bridges.push(world.add_bridge(&spec(format!("b{place}"), place))?);
        }
        let heads = match case.shape {
            Shape::Line | Shape::Ring => &bridges[..1],
            Shape::Dual | Shape::Hub => &bridges[..bridges.len().min(2)],
            Shape::Mesh => &bridges[..],
        };
        let cables = if case.shape == Shape::Hub {
            let nodes: Vec<NodeId> = [root].iter().chain(heads).copied().collect();
            vec![world.wire_nodes(&nodes, Medium::delayed(CABLE))?]
        } else {
            let heads = heads.iter();
            heads
                .map(|head| join(&mut world, root, *head))
                .collect::<Result<_, _>>()?
        };
        for (place, bridge) in bridges.iter().enumerate() {
            let later = &bridges[place + 1..];
            let others = match case.shape {
                Shape::Line | Shape::Ring | Shape::Dual | Shape::Hub => {
                    &later[..later.len().min(1)]
                }
                Shape::Mesh => later,
            };
            for other in others {
                join(&mut world, *bridge, *other)?;
            }
        }
        let closes = matches!(case.shape, Shape::Ring | Shape::Dual | Shape::Hub);
        if let (true, [first, .., last]) = (closes, &bridges[..]) {
            join(&mut world, *last, *first)?;
        }
        let id = world.switch(root).map(|switch| switch.bridge_config().id());
        Ok(Self {
            root: id.unwrap_or(BridgeId::from_octets([0; 8])),
            world,
            bridges,
            cables,
        })
    }

    /// The root's cables are cut, and its neighbours notice.
    pub(super) fn kill_root(&mut self) -> Result<(), WorldError> {
        let mut cables = self.cables.iter();
        cables.try_for_each(|cable| self.world.set_link(*cable, LinkState::Down))
    }

    /// What each bridge that is left believes to be the root.
    pub(super) fn roots(&self) -> impl Iterator<Item = BridgeId> + '_ {
        let switches = self.bridges.iter();
        switches.filter_map(|node| Some(self.world.switch(*node)?.tree(stp::TreeId::COMMON)?.root))
    }

    /// The best of those that are left.
    pub(super) fn heir(&self) -> Option<BridgeId> {
        let first = self.world.switch(*self.bridges.first()?)?;
        Some(first.bridge_config().id())
    }
}

fn join(world: &mut World, a: NodeId, b: NodeId) -> Result<WireId, WorldError> {
    let ends = [
        world.add_port(a, &PortSpec::default())?,
        world.add_port(b, &PortSpec::default())?,
    ];
    world.connect(&ends, Medium::delayed(CABLE))
}

/// These with the shortest forward delay that the standard's relation allows, or its default.
fn times(max_age: u32) -> BridgeTimes {
    let seconds = |seconds: u32| Duration::from_secs(seconds.into());
    let forward_delay = (max_age / 2 + 1).max(15);
    BridgeTimes::new(seconds(max_age), seconds(HELLO), seconds(forward_delay)).unwrap_or_default()
}
