//! The procedures, one bridge at a time.

mod information;
mod management;
mod time;
mod topology_change;

use core::time::Duration;

use pnet_base::MacAddr;

use crate::{
    Action, Bpdu, BpduTime, Bridge, BridgeConfig, BridgeId, BridgePriority, BridgeTimes,
    ConfigBpdu, Event, PathCost, PortConfig, PortId, PortNumber, PortPriority, PortRole, PortState,
    PortStatus, RstBpdu, RstRole, TopologyChangeKind, TreeId,
};

const S: Duration = Duration::from_secs(1);
const TREE: TreeId = TreeId::COMMON;

fn port(number: u16) -> PortNumber {
    PortNumber::new(number).unwrap()
}

fn address(number: u8) -> MacAddr {
    MacAddr::new(2, 0, 0, 0, 0, number)
}

fn id(number: u8) -> BridgeId {
    BridgeId::new(BridgePriority::default(), address(number))
}

/// Bridge 5 with `ports` ports of cost 10, all up since time 0.
fn bridge(ports: u16) -> Bridge {
    let mut bridge = Bridge::new(BridgeConfig::new(address(5)));
    for number in 1..=ports {
        assert!(
            bridge
                .add_port(Duration::ZERO, port(number), PortConfig::default())
                .is_empty()
        );
        link_up(&mut bridge, Duration::ZERO, number);
    }
    bridge
}

fn link_up(bridge: &mut Bridge, now: Duration, number: u16) -> Vec<Action> {
    let event = Event::LinkUp {
        port: port(number),
        cost: PathCost::new(10).unwrap(),
        point_to_point: true,
    };
    bridge.handle(now, event).to_vec()
}

fn link_down(bridge: &mut Bridge, now: Duration, number: u16) -> Vec<Action> {
    let event = Event::LinkDown { port: port(number) };
    bridge.handle(now, event).to_vec()
}

fn timeout(bridge: &mut Bridge, now: Duration) -> Vec<Action> {
    bridge.handle(now, Event::Timeout).to_vec()
}

/// Lets the time pass, timer by timer.
fn run(bridge: &mut Bridge, until: Duration) -> Vec<Action> {
    let mut actions = Vec::new();
    while let Some(due) = bridge.deadline().filter(|&due| due <= until) {
        actions.extend(timeout(bridge, due));
    }
    actions
}

fn receive(bridge: &mut Bridge, now: Duration, number: u16, bpdu: Bpdu) -> Vec<Action> {
    let event = Event::Received {
        port: port(number),
        bpdu: &bpdu,
    };
    bridge.handle(now, event).to_vec()
}

/// What bridge `from` says of `root` at `cost`, through its port 1.
fn config(root: u8, cost: u32, from: u8) -> ConfigBpdu {
    let seconds = |seconds| BpduTime::at_least(seconds * S);
    ConfigBpdu {
        root: id(root),
        root_path_cost: cost,
        bridge: id(from),
        port: PortId::new(PortPriority::default(), port(1)),
        message_age: BpduTime::ZERO,
        max_age: seconds(20),
        hello_time: seconds(2),
        forward_delay: seconds(15),
        topology_change_acknowledgment: false,
        topology_change: false,
    }
}

fn hear(bridge: &mut Bridge, now: Duration, number: u16, bpdu: ConfigBpdu) -> Vec<Action> {
    receive(bridge, now, number, Bpdu::Config(bpdu))
}

fn status(bridge: &Bridge, number: u16) -> PortStatus {
    bridge.port(port(number)).unwrap()
}

fn role_and_state(bridge: &Bridge, number: u16) -> (PortRole, PortState) {
    let status = status(bridge, number);
    (status.role, status.state)
}

fn sent(actions: &[Action]) -> Vec<(u16, Bpdu)> {
    let mut sent = Vec::new();
    for action in actions {
        if let Action::Transmit { port, bpdu } = action {
            sent.push((port.get(), bpdu.clone()));
        }
    }
    sent
}

fn sent_config(actions: &[Action], number: u16) -> Option<ConfigBpdu> {
    sent(actions)
        .into_iter()
        .find_map(|(port, bpdu)| match bpdu {
            Bpdu::Config(config) if port == number => Some(config),
            Bpdu::Config(_) | Bpdu::Tcn | Bpdu::Rst(_) | Bpdu::Mst(_) => None,
        })
}
