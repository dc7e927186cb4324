//! Random networks against the graph, random events against the invariants (which the harness checks after each call).

use proptest::prelude::*;
use stp::{
    Action, Bpdu, BpduTime, Bridge, BridgeConfig, BridgeId, BridgePriority, BridgeTimes,
    ConfigBpdu, Event, PathCost, PortConfig, PortId, PortPriority, PortState, TreeId,
};

use crate::harness::{World, port_number, s};

/// A drawing: up to five bridges, up to four ports each, on up to six LANs.
fn drawing() -> impl Strategy<Value = String> {
    let port = (0..6_u8, 1..4_u32);
    let bridge = (0..3_u16, prop::collection::vec(port, 1..=4));
    prop::collection::vec(bridge, 1..=5).prop_map(|bridges| {
        let mut text = String::new();
        for (index, (priority, ports)) in bridges.iter().enumerate() {
            text += &format!("bridge {} {priority:x}000:", index + 1);
            for (port, (lan, cost)) in ports.iter().enumerate() {
                text += &format!(" {}=l{lan}/{cost}", port + 1);
            }
            text += "\n";
        }
        text
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn every_network_converges_to_its_graph_without_a_loop(
        text in drawing(),
        cuts in prop::collection::vec((0..6_u8, 1..40_u64, any::<bool>()), 0..6),
    ) {
        let mut world = World::new(&text);
        for (lan, wait, join) in cuts {
            world.run(s(wait));
            let lan = format!("l{lan}");
            if text.contains(&format!("={lan}/")) {
                if join { world.join(&lan) } else { world.cut(&lan) }
            }
        }
        world.run(s(20 + 30 + 10));
        prop_assert_eq!(world.roles(), world.oracle());
        for ((bridge, port), role) in world.roles() {
            let expected = match role {
                stp::PortRole::Disabled => PortState::Disabled,
                stp::PortRole::Root | stp::PortRole::Designated => PortState::Forwarding,
                stp::PortRole::Alternate | stp::PortRole::Backup | stp::PortRole::Master => PortState::Blocking,
            };
            prop_assert_eq!(world.state(bridge, port), expected);
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Wait(u64),
    LinkUp(u16, u32),
    LinkDown(u16),
    Enable(u16, bool),
    Configure(u8, u8),
    ConfigurePort(u16, u8, Option<u32>, bool),
    Add(u16),
    Remove(u16),
    Config(u16, ConfigBpdu),
    Tcn(u16),
    Timeout,
}

fn config_bpdu() -> impl Strategy<Value = ConfigBpdu> {
    let id = (0..4_u16, 0..4_u8).prop_map(|(priority, address)| {
        let [high, low] = (priority << 12).to_be_bytes();
        BridgeId::from_octets([high, low, 2, 0, 0, 0, 0, address])
    });
    let cost = prop_oneof![0..50_u32, Just(u32::MAX), Just(u32::MAX - 19)];
    let times = (
        0..3000_u16,
        1..6000_u16,
        any::<u16>(),
        prop_oneof![Just(0), any::<u16>()],
    );
    (id.clone(), cost, id, 1..6_u16, times, any::<(bool, bool)>()).prop_map(
        |(root, root_path_cost, bridge, port, times, flags)| ConfigBpdu {
            root,
            root_path_cost,
            bridge,
            port: PortId::new(PortPriority::default(), port_number(port)),
            message_age: BpduTime::from_units(times.0.min(times.1 - 1)),
            max_age: BpduTime::from_units(times.1),
            hello_time: BpduTime::from_units(times.2),
            forward_delay: BpduTime::from_units(times.3),
            topology_change_acknowledgment: flags.0,
            topology_change: flags.1,
        },
    )
}

fn step() -> impl Strategy<Value = Step> {
    let port = 1..5_u16;
    prop_oneof![
        4 => (0..40_000_u64).prop_map(Step::Wait),
        3 => (port.clone(), 1..30_u32).prop_map(|(port, cost)| Step::LinkUp(port, cost)),
        1 => port.clone().prop_map(Step::LinkDown),
        1 => (port.clone(), any::<bool>()).prop_map(|(port, on)| Step::Enable(port, on)),
        1 => (0..4_u8, 0..3_u8).prop_map(|(priority, times)| Step::Configure(priority, times)),
        1 => (port.clone(), 0..3_u8, prop::option::of(1..30_u32), any::<bool>())
            .prop_map(|(port, priority, cost, edge)| Step::ConfigurePort(port, priority, cost, edge)),
        1 => port.clone().prop_map(Step::Add),
        1 => port.clone().prop_map(Step::Remove),
        6 => (port.clone(), config_bpdu()).prop_map(|(port, bpdu)| Step::Config(port, bpdu)),
        2 => port.prop_map(Step::Tcn),
        2 => Just(Step::Timeout),
    ]
}

/// Applies `step`; the time after it.
fn apply(bridge: &mut Bridge, now: std::time::Duration, step: &Step) -> Vec<Action> {
    match *step {
        Step::Wait(_) | Step::Timeout => bridge.handle(now, Event::Timeout).to_vec(),
        Step::LinkUp(port, cost) => {
            let event = Event::LinkUp {
                port: port_number(port),
                cost: PathCost::new(cost).unwrap(),
                point_to_point: false,
            };
            bridge.handle(now, event).to_vec()
        }
        Step::LinkDown(port) => {
            let port = port_number(port);
            bridge.handle(now, Event::LinkDown { port }).to_vec()
        }
        Step::Enable(port, on) => bridge.set_port_enabled(now, port_number(port), on).to_vec(),
        Step::Configure(priority, times) => {
            let times = [(20, 2, 15), (6, 1, 4), (40, 10, 30)][usize::from(times)];
            let config = BridgeConfig {
                priority: BridgePriority::new(u16::from(priority) << 12).unwrap(),
                times: BridgeTimes::new(s(times.0), s(times.1), s(times.2)).unwrap(),
                ..*bridge.config()
            };
            bridge.configure(now, config).to_vec()
        }
        Step::ConfigurePort(port, priority, cost, edge) => {
            let config = PortConfig {
                priority: PortPriority::new(priority << 4).unwrap(),
                path_cost: cost.and_then(PathCost::new),
                admin_edge: edge,
                ..PortConfig::default()
            };
            bridge
                .configure_port(now, port_number(port), config)
                .to_vec()
        }
        Step::Add(port) => bridge
            .add_port(now, port_number(port), PortConfig::default())
            .to_vec(),
        Step::Remove(port) => bridge.remove_port(now, port_number(port)).to_vec(),
        Step::Config(port, bpdu) => {
            let bpdu = Bpdu::Config(bpdu);
            let port = port_number(port);
            bridge
                .handle(now, Event::Received { port, bpdu: &bpdu })
                .to_vec()
        }
        Step::Tcn(port) => {
            let port = port_number(port);
            let event = Event::Received {
                port,
                bpdu: &Bpdu::Tcn,
            };
            bridge.handle(now, event).to_vec()
        }
    }
}

/// What the actions so far amount to.
#[derive(Debug, Default)]
struct Told {
    states: std::collections::BTreeMap<u16, PortState>,
    roles: std::collections::BTreeMap<u16, stp::PortRole>,
    short_ageing: bool,
    root: Option<(BridgeId, u32, Option<u16>)>,
}

impl Told {
    fn hear(&mut self, action: &Action) {
        match *action {
            Action::SetState { port, state, .. } => {
                self.states.insert(port.get(), state);
            }
            Action::SetRole { port, role, .. } => {
                self.roles.insert(port.get(), role);
            }
            Action::ShortAgeing { active, .. } => {
                assert_ne!(self.short_ageing, active, "told twice");
                self.short_ageing = active;
            }
            Action::RootChanged {
                root,
                path_cost,
                port,
                ..
            } => self.root = Some((root, path_cost, port.map(stp::PortNumber::get))),
            Action::Transmit { .. }
            | Action::Flush { .. }
            | Action::SetInconsistent { .. }
            | Action::TopologyChange { .. } => {}
        }
    }

    fn compare(&self, bridge: &Bridge) {
        let tree = bridge.tree(TreeId::COMMON);
        assert_eq!(self.short_ageing, tree.topology_change.active);
        if let Some(root) = self.root {
            let port = tree.root_port.map(stp::PortNumber::get);
            assert_eq!(root, (tree.root, tree.root_path_cost, port));
        }
        assert_eq!(tree.is_root(), tree.root_port.is_none());
        assert!(tree.root <= bridge.id());
        if tree.is_root() {
            assert_eq!(tree.times, bridge.config().times.in_force());
            assert_eq!(
                tree.topology_change.active,
                tree.topology_change_due.is_some()
            );
            assert_eq!(tree.topology_change_notification_due, None);
        } else {
            assert_eq!(tree.hello_due, None);
            assert_eq!(tree.topology_change_due, None);
            assert_eq!(
                tree.topology_change.detected,
                tree.topology_change_notification_due.is_some()
            );
        }
        for port in bridge.ports() {
            let status = bridge.port(port).unwrap();
            let state = self.states.get(&port.get()).copied();
            assert_eq!(state.unwrap_or(PortState::Disabled), status.state);
            let role = self.roles.get(&port.get()).copied();
            assert_eq!(role.unwrap_or(stp::PortRole::Disabled), status.role);
            match status.role {
                stp::PortRole::Disabled => assert_eq!(status.state, PortState::Disabled),
                stp::PortRole::Alternate | stp::PortRole::Backup | stp::PortRole::Master => {
                    assert_eq!(status.state, PortState::Blocking);
                    assert!(!status.config_pending && !status.topology_change_acknowledge);
                    assert!(status.message_age_due.is_some());
                }
                stp::PortRole::Root => {
                    assert_eq!(tree.root_port, Some(port));
                    assert!(status.message_age_due.is_some());
                }
                stp::PortRole::Designated => {
                    assert_eq!(status.designated, status.offer);
                    assert_eq!(status.message_age_due, None);
                }
            }
            let waiting = matches!(status.state, PortState::Listening | PortState::Learning);
            assert_eq!(status.forward_delay_due.is_some(), waiting);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_events_keep_the_invariants(steps in prop::collection::vec(step(), 1..120)) {
        let mut bridge = Bridge::new(BridgeConfig {
            priority: BridgePriority::new(0x2000).unwrap(),
            ..BridgeConfig::new(pnet_base::MacAddr::new(2, 0, 0, 0, 0, 2))
        });
        let mut now = std::time::Duration::ZERO;
        let mut told = Told::default();
        for port in 1..4 {
            let actions = bridge.add_port(now, port_number(port), PortConfig::default());
            prop_assert!(actions.is_empty());
        }
        for step in &steps {
            if let Step::Wait(millis) = step {
                now += std::time::Duration::from_millis(*millis);
            }
            for action in &apply(&mut bridge, now, step) {
                told.hear(action);
            }
            told.compare(&bridge);
            for action in bridge.handle(now, Event::Timeout) {
                told.hear(action);
            }
            told.compare(&bridge);
            prop_assert!(bridge.deadline().is_none_or(|due| due > now), "a deadline stays due");
            prop_assert!(bridge.handle(now, Event::Timeout).is_empty(), "spurious, yet it does something");
        }
    }

    #[test]
    fn deadlines_are_exact(steps in prop::collection::vec(step(), 1..60)) {
        let config = BridgeConfig::new(pnet_base::MacAddr::new(2, 0, 0, 0, 0, 2));
        let mut bridge = Bridge::new(config);
        let mut now = std::time::Duration::ZERO;
        for port in 1..4 {
            assert!(bridge.add_port(now, port_number(port), PortConfig::default()).is_empty());
        }
        for step in &steps {
            let _ = apply(&mut bridge, now, step);
            let _ = bridge.handle(now, Event::Timeout);
            if let Some(due) = bridge.deadline() {
                let early = due - std::time::Duration::from_nanos(1);
                if early > now {
                    prop_assert!(bridge.handle(early, Event::Timeout).is_empty());
                    prop_assert_eq!(bridge.deadline(), Some(due));
                }
                now = due;
                let _ = bridge.handle(now, Event::Timeout);
                prop_assert_ne!(bridge.deadline(), Some(due), "it was not due after all");
            }
        }
    }
}
