//! The spanning trees as an answer.

use std::time::Duration;

use stp::{Bridge, PortNumber, PortStatus, TimesInForce, TreeId};

use super::execute::millis;
use super::{
    EpochReply, Error, ErrorCode, RegionReply, RegionalRoot, SpanningTree, StpCounters, StpTimes,
    Target, TopologyChanges, Tree, TreeChoice, TreePort,
};
use crate::switch::Switch;
use crate::trees::TreeProtocol;

/// The trees of the switch at `now`, or the chosen one.
///
/// # Errors
/// The chosen one does not exist.
pub(super) fn show(
    target: &impl Target,
    now: Duration,
    choice: Option<TreeChoice>,
) -> Result<SpanningTree, Error> {
    let switch = target.switch();
    let trees = chosen(switch, choice)?;
    let ageing_configured = u64::from(target.config().ageing.as_secs());
    let short = switch.cam().short_ageing();
    let ageing = short.map_or(ageing_configured, |short| {
        short.as_secs().min(ageing_configured)
    });
    Ok(SpanningTree {
        protocol: switch.protocol().name().to_owned(),
        region: (switch.protocol() == TreeProtocol::Mstp).then(|| region(switch)),
        ageing,
        ageing_configured,
        trees: trees
            .into_iter()
            .filter_map(|tree| show_tree(switch, tree, now))
            .collect(),
    })
}

/// The trees that are asked for.
pub(super) fn chosen(switch: &Switch, choice: Option<TreeChoice>) -> Result<Vec<TreeId>, Error> {
    let trees = switch.trees();
    let missing = |what: String| {
        let message = format!("{what}; spanning tree protocol: {}", switch.protocol());
        Err(Error::new(ErrorCode::NotFound, message))
    };
    match choice {
        None => Ok(trees),
        Some(_) if trees.is_empty() => Ok(trees),
        Some(TreeChoice::Vlan(vlan)) => match switch.tree_of(vlan.id()) {
            Some(tree) => Ok(vec![tree]),
            None => missing(format!("VLAN {vlan} has no spanning tree")),
        },
        Some(TreeChoice::Mst(number)) => {
            let wanted = TreeId::new(number).unwrap_or(TreeId::COMMON);
            let is_instance = !switch.protocol().is_per_vlan() && wanted.get() == number;
            match is_instance && trees.contains(&wanted) {
                true => Ok(vec![wanted]),
                false => missing(format!("there is no instance {number}")),
            }
        }
    }
}

fn region(switch: &Switch) -> RegionReply {
    let id = switch.instances().region.id();
    RegionReply {
        name: id.name.to_string(),
        revision: id.revision,
        digest: id
            .digest
            .iter()
            .map(|octet| format!("{octet:02x}"))
            .collect(),
    }
}

fn show_tree(switch: &Switch, tree: TreeId, now: Duration) -> Option<Tree> {
    let name = |number: PortNumber| {
        let port = switch.port(number);
        port.map_or_else(
            || number.to_string(),
            |port| port.settings().name.to_string(),
        )
    };
    let bridge: &Bridge = switch.bridge_of(tree)?;
    let status = switch.tree(tree)?;
    let own = bridge.config().times;
    let changes = status.topology_change;
    let ports = bridge
        .ports()
        .filter_map(|number| switch.port_in_tree(tree, number));
    Some(Tree {
        tree: tree.get(),
        vlans: switch.vlans_of(tree),
        regional_root: status.remaining_hops.map(|remaining_hops| RegionalRoot {
            priority: status.regional_root.settable(),
            mac: status.regional_root.address(),
            internal_path_cost: status.internal_root_path_cost,
            remaining_hops,
        }),
        epoch: status.epoch.map(|stamp| EpochReply {
            number: stamp.current,
            vouched: stamp.vouched,
        }),
        root_priority: status.root.settable(),
        root_mac: status.root.address(),
        root_path_cost: status.root_path_cost,
        root_port: status.root_port.map(name),
        root_times: times(&status.times),
        bridge_priority: status.bridge.settable(),
        bridge_mac: status.bridge.address(),
        bridge_times: times(&own.in_force()),
        topology_changes: TopologyChanges {
            active: changes.active,
            detected: changes.detected,
            count: changes.count,
            last_ms: changes.last.map(|last| millis(now.saturating_sub(last))),
            last_port: changes.last_port.map(name),
        },
        ports: ports
            .map(|port| TreePort {
                epochs: port.heard_epoch.filter(|_| status.epoch.is_some()),
                ..show_port(&port, name(port.port), now)
            })
            .collect(),
    })
}

const fn times(times: &TimesInForce) -> StpTimes {
    StpTimes {
        hello: times.hello_time.as_secs(),
        max_age: times.max_age.as_secs(),
        forward_delay: times.forward_delay.as_secs(),
    }
}

fn show_port(port: &PortStatus, name: String, now: Duration) -> TreePort {
    let left = |due: Duration| millis(due.saturating_sub(now));
    let designated = port.designated;
    TreePort {
        number: port.port.get(),
        name,
        role: port.role.to_string(),
        state: port.state.to_string(),
        path_cost: port.path_cost.get(),
        priority: port.id.priority().get(),
        edge: port.edge,
        inconsistent: port.inconsistent.map(|why| why.to_string()),
        rapid: port.send_rstp,
        epochs: None,
        boundary: port.boundary,
        point_to_point: port.point_to_point,
        designated_root_priority: designated.root.settable(),
        designated_root_mac: designated.root.address(),
        designated_cost: designated.root_path_cost,
        designated_bridge_priority: designated.designated_bridge.settable(),
        designated_bridge_mac: designated.designated_bridge.address(),
        designated_port_priority: designated.designated_port.priority().get(),
        designated_port_number: designated.designated_port.number(),
        message_age_timer_ms: port.message_age_due.map(left),
        forward_delay_timer_ms: port.forward_delay_due.map(left),
        hold_timer_ms: port.hold_until.filter(|&until| until > now).map(left),
        forward_transitions: port.counters.forward_transitions,
        bpdus: StpCounters {
            config_sent: port.counters.config_sent,
            tcn_sent: port.counters.tcn_sent,
            config_received: port.counters.config_received,
            tcn_received: port.counters.tcn_received,
            rst_received: port.counters.rst_received,
            rst_sent: port.counters.rst_sent,
            mst_received: port.counters.mst_received,
            mst_sent: port.counters.mst_sent,
        },
    }
}
