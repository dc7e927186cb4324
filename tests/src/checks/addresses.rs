//! No bridge holds an address at a port from which its host cannot be reached.

use etherparse::VlanId;

use crate::oracle::{Graph, Tree};
use crate::scenario::network::Network;

/// An entry that points away from its host; `None`: there is none. Hosts that a bridge cannot reach at all are left
/// out: there is nowhere to point.
#[must_use]
pub fn astray(network: &Network, graph: &Graph, tree: &Tree) -> Option<String> {
    let world = &network.world;
    let vlan = VlanId::try_new(1).expect("VLAN 1 is legal");
    for &(home, host) in &network.hosts {
        if !world.has_carrier(host) {
            continue;
        }
        let address = world.address(host)?;
        for (index, port) in network.all_ports().enumerate() {
            let Some(switch) = world.switch(port.node) else {
                continue;
            };
            let (bridge, lan) = (graph.ports[index].bridge, graph.ports[index].lan);
            let at = switch.cam().lookup(world.now(), vlan, address);
            if at != Some(port.port) || !is_connected(graph, tree, bridge, home) {
                continue;
            }
            let leads = tree.roles[index].forwards()
                && graph
                    .reached(&tree.roles, lan, Some(bridge))
                    .contains(&home);
            if !leads {
                let map = world.map();
                return Some(format!(
                    "{} holds {address} of {} at {}, which does not lead there",
                    map.name(port.node),
                    map.name(host.node),
                    map.label(port)
                ));
            }
        }
    }
    None
}

fn is_connected(graph: &Graph, tree: &Tree, bridge: usize, home: usize) -> bool {
    (0..).zip(&graph.ports).any(|(index, port): (usize, _)| {
        port.bridge == bridge
            && tree.roles[index].forwards()
            && graph.reached(&tree.roles, port.lan, None).contains(&home)
    })
}
