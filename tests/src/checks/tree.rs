//! The tree that stands equals the one that follows from the graph.

use labs::sim::{PortRef, Power};
use stp::{PortRole, PortState, TreeId};

use crate::oracle::{Graph, Role, Tree};
use crate::scenario::network::Network;

/// Where the bridges' roots, costs, roles and states differ from the oracle's; `None`: nowhere.
#[must_use]
pub fn difference(network: &Network, graph: &Graph, tree: &Tree) -> Option<String> {
    let roots = (0..network.bridges.len())
        .find_map(|index| root_difference(network, index, graph, tree.ways[index]));
    roots.or_else(|| {
        let mut ports = network.all_ports().zip(&tree.roles);
        ports.find_map(|(port, &role)| port_difference(network, port, role))
    })
}

fn root_difference(
    network: &Network,
    index: usize,
    graph: &Graph,
    (root, cost): (u64, u64),
) -> Option<String> {
    let world = &network.world;
    let node = network.bridges[index];
    if world.power(node) != Some(Power::On) {
        return None;
    }
    let status = world.switch(node)?.bridge()?.tree(TreeId::COMMON);
    let expected = graph.bridges.iter().position(|&id| id == root)?;
    let id = world.switch(network.bridges[expected])?.bridge()?.id();
    let seen = (status.root, u64::from(status.root_path_cost));
    (seen != (id, cost)).then(|| {
        let name = world.map().name(node);
        format!(
            "{name} has root {} at cost {}, not {id} at cost {cost}",
            status.root, status.root_path_cost
        )
    })
}

fn port_difference(network: &Network, port: PortRef, role: Role) -> Option<String> {
    if network.world.power(port.node) != Some(Power::On) {
        return None;
    }
    let switch = network.world.switch(port.node)?;
    let (status, relays) = (switch.bridge()?.port(port.port)?, switch.port(port.port)?);
    let (expected_role, expected_state) = match role {
        Role::Disabled => (PortRole::Disabled, PortState::Disabled),
        Role::Root => (PortRole::Root, PortState::Forwarding),
        Role::Designated => (PortRole::Designated, PortState::Forwarding),
        Role::Alternate => (PortRole::Alternate, PortState::Blocking),
        Role::Backup => (PortRole::Backup, PortState::Blocking),
    };
    let seen = (status.role, status.state);
    let acted_on = (relays.role(TreeId::COMMON), relays.state(TreeId::COMMON));
    let label = network.world.map().label(port);
    if seen != (expected_role, expected_state) {
        let (role, state) = seen;
        Some(format!(
            "{label} is {role} {state}, not {expected_role} {expected_state}"
        ))
    } else if acted_on != seen {
        Some(format!("{label} is {seen:?}, but frames see {acted_on:?}"))
    } else {
        None
    }
}
