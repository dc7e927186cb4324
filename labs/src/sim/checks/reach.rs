//! Asking the network: does every station reach every other one, exactly once?

use core::time::Duration;

use pnet_base::MacAddr;

use crate::sim::frame;
use crate::sim::id::PortRef;
use crate::sim::world::World;

/// What was sent and what arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reach {
    /// From where.
    pub from: PortRef,
    /// To where.
    pub to: PortRef,
    /// By broadcast, or to the one address.
    pub broadcast: bool,
    /// How often it arrived; once is right.
    pub arrived: usize,
}

/// Lets every station that has carrier send one broadcast, then one frame to every other station, each when the one
/// before is over; returns every pair with how often the frame arrived. Time passes: as long as frames are under way,
/// at most `patience` for each.
///
/// Broadcasts come first, so that the frames to one address find learned entries: a wrong entry shows.
pub fn probe(world: &mut World, patience: Duration) -> Vec<Reach> {
    let map = world.map();
    let ports: Vec<(PortRef, MacAddr)> = world
        .stations()
        .flat_map(|node| map.ports(node).map(|(port, _)| port))
        .filter(|port| world.has_carrier(*port))
        .filter_map(|port| Some((port, world.address(port)?)))
        .collect();
    let mut results = Vec::new();
    for &(from, address) in &ports {
        let flow = send(world, from, MacAddr::broadcast(), address, patience);
        for &(to, _) in ports.iter().filter(|(to, _)| *to != from) {
            results.push(Reach {
                from,
                to,
                broadcast: true,
                arrived: flow.iter().filter(|at| **at == to).count(),
            });
        }
    }
    for &(from, source) in &ports {
        for &(to, destination) in ports.iter().filter(|(to, _)| *to != from) {
            let flow = send(world, from, destination, source, patience);
            results.push(Reach {
                from,
                to,
                broadcast: false,
                arrived: flow.iter().filter(|at| **at == to).count(),
            });
        }
    }
    results
}

/// Where the frame arrived.
fn send(
    world: &mut World,
    from: PortRef,
    destination: MacAddr,
    source: MacAddr,
    patience: Duration,
) -> Vec<PortRef> {
    let id = world.send(from, frame::data(destination, source));
    let until = world.now().saturating_add(patience);
    world.run_while_not(until, |world| {
        world.flow(id).is_none_or(super::Flow::is_over)
    });
    let flow = world.take_flow(id);
    flow.map_or_else(Vec::new, |flow| {
        flow.deliveries.iter().map(|delivery| delivery.at).collect()
    })
}
