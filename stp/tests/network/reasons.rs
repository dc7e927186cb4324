//! The reason a bridge gives for a port, derived again from what every bridge on the LAN would say.

use stp::{Candidate, Component, PortRole, PriorityVector, RoleReason, StateReason, TreeId};

use crate::harness::{World, port_number};

/// What the best speaker on the port's LAN says, by asking the bridges, not the port.
fn spoken(world: &World, bridge: u8, port: u16) -> PriorityVector {
    let ends = world.neighbours(bridge, port);
    let offers = ends
        .iter()
        .map(|&(bridge, port)| world.port(bridge, port).offer);
    offers.min().unwrap()
}

/// Checks the reason of a port in a network at rest.
pub(crate) fn check(world: &World, bridge: u8, port: u16) {
    let status = world.port(bridge, port);
    let reason = world.bridges[&bridge]
        .why(port_number(port), TreeId::COMMON)
        .unwrap();
    let best = spoken(world, bridge, port);
    let own = status.offer;
    match (status.role, reason.role) {
        (PortRole::Disabled, RoleReason::NotOperational) => {
            assert_eq!(reason.state, StateReason::Disabled);
            return;
        }
        (PortRole::Root, RoleReason::BestPath(won)) => {
            let path = best.plus(status.path_cost).unwrap();
            assert_eq!(won.winner.vector.common(), path);
            assert!(key(&won.winner) < key(&won.loser));
            assert_decided(&won.winner, &won.loser, won.decided_by);
        }
        (PortRole::Designated, RoleReason::NobodyElse) => assert_eq!(own, best),
        (PortRole::Designated, RoleReason::BetterOffer(won)) => {
            assert_eq!(own, best);
            assert_eq!(won.winner.vector.common(), own);
            assert!(won.loser.vector.common() > own);
            assert_decided(&won.winner, &won.loser, won.decided_by);
        }
        (PortRole::Backup, RoleReason::OwnOffer(lan)) => {
            assert_eq!(lan.winner.vector.common(), best);
            assert_eq!(lan.loser.vector.common(), own);
            assert_eq!(lan.decided_by, Component::DesignatedPort);
        }
        (PortRole::Alternate, RoleReason::WorseOffer { lan, path }) => {
            assert_eq!(lan.winner.vector.common(), best);
            assert_eq!(lan.loser.vector.common(), own);
            assert_decided(&lan.winner, &lan.loser, lan.decided_by);
            let path = path.expect("a way to the root, if not the best");
            assert_eq!(
                path.loser.vector.common(),
                best.plus(status.path_cost).unwrap()
            );
            let root_port = world.tree(bridge).root_port;
            assert_eq!(path.winner.port.map(|(port, _)| port), root_port);
            assert_decided(&path.winner, &path.loser, path.decided_by);
        }
        (role, reason) => panic!("{bridge}.{port} is {role} because {reason:?}"),
    }
    let state = match status.role {
        PortRole::Alternate | PortRole::Backup => StateReason::Role,
        PortRole::Disabled | PortRole::Root | PortRole::Designated | PortRole::Master => {
            StateReason::Forwarding
        }
    };
    assert_eq!(reason.state, state, "{bridge}.{port}");
}

fn key(candidate: &Candidate) -> (PriorityVector, Option<stp::PortId>) {
    (candidate.vector.common(), candidate.port.map(|(_, id)| id))
}

/// The component named is the first that differs.
fn assert_decided(winner: &Candidate, loser: &Candidate, component: Component) {
    let (one, other) = (winner.vector.common(), loser.vector.common());
    let expected = if one.root != other.root {
        Component::Root
    } else if one.root_path_cost != other.root_path_cost {
        Component::ExternalRootPathCost
    } else if one.designated_bridge != other.designated_bridge {
        // Each bridge is a region of its own here; with regions, that is what differs first.
        assert!(matches!(
            component,
            Component::DesignatedBridge | Component::RegionalRoot
        ));
        component
    } else if one.designated_port != other.designated_port {
        Component::DesignatedPort
    } else {
        Component::ReceivingPort
    };
    assert_eq!(component, expected);
}
