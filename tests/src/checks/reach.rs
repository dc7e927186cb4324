//! Every host reaches every host it can reach exactly once, and no other.

use core::time::Duration;

use labs::sim::checks::reach::probe;

use crate::oracle::{Graph, Tree};
use crate::scenario::network::Network;

/// Lets every host send to all and to each, and says who was reached too rarely or too often; `None`: all as it should
/// be. Time passes.
#[must_use]
pub fn wrong(
    network: &mut Network,
    graph: &Graph,
    tree: &Tree,
    patience: Duration,
) -> Option<String> {
    let results = probe(&mut network.world, patience);
    let home = |port| {
        let mut hosts = network.hosts.iter();
        hosts.find(|(_, host)| *host == port).map(|(wire, _)| *wire)
    };
    results.into_iter().find_map(|result| {
        let (from, to) = (home(result.from)?, home(result.to)?);
        let expected = usize::from(graph.reached(&tree.roles, from, None).contains(&to));
        (result.arrived != expected).then(|| {
            let map = network.world.map();
            let how = if result.broadcast {
                "broadcast"
            } else {
                "frame"
            };
            format!(
                "a {how} of {} reached {} {} times, not {expected}",
                map.name(result.from.node),
                map.name(result.to.node),
                result.arrived
            )
        })
    })
}
