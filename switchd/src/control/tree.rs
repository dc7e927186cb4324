//! The spanning tree as an answer.

use std::time::Duration;

use stp::{Bridge, PortNumber, PortStatus, TimesInForce, TreeId};

use super::execute::millis;
use super::{SpanningTree, StpCounters, StpTimes, Target, TopologyChanges, Tree, TreePort};

/// Every tree of the switch at `now`.
pub(super) fn show(target: &impl Target, now: Duration) -> SpanningTree {
    let ageing_configured = u64::from(target.config().ageing.as_secs());
    let Some(bridge) = target.switch().bridge() else {
        return SpanningTree {
            protocol: "off".to_owned(),
            ageing: ageing_configured,
            ageing_configured,
            trees: Vec::new(),
        };
    };
    let status = bridge.tree(TreeId::COMMON);
    let ageing = match status.topology_change.active {
        true => status.times.forward_delay.as_secs().min(ageing_configured),
        false => ageing_configured,
    };
    SpanningTree {
        protocol: "stp".to_owned(),
        ageing,
        ageing_configured,
        trees: bridge
            .trees()
            .map(|tree| show_tree(target, bridge, tree, now))
            .collect(),
    }
}

fn show_tree(target: &impl Target, bridge: &Bridge, tree: TreeId, now: Duration) -> Tree {
    let name = |number: PortNumber| {
        let port = target.switch().port(number);
        port.map_or_else(
            || number.to_string(),
            |port| port.settings().name.to_string(),
        )
    };
    let status = bridge.tree(tree);
    let own = bridge.config().times;
    let changes = status.topology_change;
    let ports = bridge
        .ports()
        .filter_map(|number| bridge.port_in_tree(number, tree));
    Tree {
        tree: tree.get(),
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
            .map(|port| show_port(&port, name(port.port), now))
            .collect(),
    }
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
        },
    }
}
