//! Random networks against the graph, random events against the invariants (which the harness checks after each call).

use proptest::prelude::*;
use std::collections::BTreeMap;
use std::time::Duration;

use stp::{
    Action, Bpdu, BpduTime, Bridge, BridgeConfig, BridgeId, BridgePriority, BridgeTimes,
    ConfigBpdu, EpochStamp, Event, Inconsistency, MstBpdu, MstiRecord, PathCost, PointToPoint,
    PortConfig, PortId, PortPriority, PortRole, PortState, Protocol, Region, RstBpdu, RstRole,
    TreeId,
};

use crate::harness::{World, port_number, s};

/// What a bridge of this number speaks. A bridge of multiple trees is alone in its region, so that the tree is the
/// same whatever they speak.
fn protocol_word(choice: u8, number: usize) -> String {
    match choice {
        0 => "stp".to_owned(),
        1 => "rstp".to_owned(),
        _ => format!("mstp/{number}"),
    }
}

/// A drawing: up to five bridges, up to four ports each, on up to six LANs.
fn drawing(protocols: std::ops::Range<u8>) -> impl Strategy<Value = String> {
    let port = (0..6_u8, 1..4_u32);
    let bridge = (0..3_u16, protocols, prop::collection::vec(port, 1..=4));
    prop::collection::vec(bridge, 1..=5).prop_map(|bridges| {
        let mut text = String::new();
        for (index, (priority, protocol, ports)) in bridges.iter().enumerate() {
            let number = index + 1;
            let protocol = protocol_word(*protocol, number);
            text += &format!("bridge {number} {priority:x}000 {protocol}:");
            for (port, (lan, cost)) in ports.iter().enumerate() {
                text += &format!(" {}=l{lan}/{cost}", port + 1);
            }
            text += "\n";
        }
        text
    })
}

/// LANs cut and joined, with waits in between.
fn cuts() -> impl Strategy<Value = Vec<(u8, u64, bool)>> {
    prop::collection::vec((0..6_u8, 1..40_000_u64, any::<bool>()), 0..6)
}

fn converges(text: &str, cuts: &[(u8, u64, bool)]) {
    let mut world = World::new(text);
    for &(lan, wait, join) in cuts {
        world.run(std::time::Duration::from_millis(wait));
        let lan = format!("l{lan}");
        if text.contains(&format!("={lan}/")) {
            if join {
                world.join(&lan);
            } else {
                world.cut(&lan);
            }
        }
    }
    // Information grows too old, and a port that nobody answers waits for max age and a forward delay.
    world.run(s(20 + 20 + 15 + 15));
    assert_eq!(world.roles(), world.oracle());
    for ((bridge, port), role) in world.roles() {
        let expected = match role {
            PortRole::Disabled => PortState::Disabled,
            PortRole::Root | PortRole::Designated => PortState::Forwarding,
            PortRole::Alternate | PortRole::Backup | PortRole::Master => PortState::Blocking,
        };
        assert_eq!(world.state(bridge, port), expected, "{bridge}.{port}");
        crate::reasons::check(&world, bridge, port);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn every_classic_network_converges_to_its_graph_without_a_loop(
        text in drawing(0..1), cuts in cuts(),
    ) {
        converges(&text, &cuts);
    }

    #[test]
    fn every_rapid_network_converges_to_its_graph_without_a_loop(
        text in drawing(1..2), cuts in cuts(),
    ) {
        converges(&text, &cuts);
    }

    #[test]
    fn every_network_of_regions_of_one_converges_to_its_graph_without_a_loop(
        text in drawing(2..3), cuts in cuts(),
    ) {
        converges(&text, &cuts);
    }

    #[test]
    fn every_mixed_network_converges_to_its_graph_without_a_loop(
        text in drawing(0..3), cuts in cuts(),
    ) {
        converges(&text, &cuts);
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
    Rst(u16, RstBpdu, bool),
    Tcn(u16),
    Protocol(Protocol),
    Guards(u16, u8),
    Hold(u16, bool),
    CheckMigration(u16),
    Timeout,
}

fn rst_bpdu() -> impl Strategy<Value = RstBpdu> {
    let role = prop::sample::select(vec![
        RstRole::Unknown,
        RstRole::AlternateOrBackup,
        RstRole::Root,
        RstRole::Designated,
        RstRole::Designated,
    ]);
    let epoch =
        (0..4_u32, any::<bool>()).prop_map(|(current, vouched)| EpochStamp { current, vouched });
    let epoch = prop::option::of(epoch);
    (config_bpdu(), role, any::<[bool; 4]>(), epoch).prop_map(|(config, role, flags, epoch)| {
        RstBpdu {
            config,
            role,
            proposal: flags[0],
            learning: flags[1],
            forwarding: flags[2],
            agreement: flags[3],
            epoch,
        }
    })
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
        6 => (port.clone(), rst_bpdu(), any::<bool>())
            .prop_map(|(port, bpdu, multiple)| Step::Rst(port, bpdu, multiple)),
        1 => prop::sample::select(vec![Protocol::Stp, Protocol::Rstp, Protocol::Mstp])
            .prop_map(Step::Protocol),
        1 => (port.clone(), any::<u8>()).prop_map(|(port, guards)| Step::Guards(port, guards)),
        1 => (port.clone(), any::<bool>()).prop_map(|(port, hold)| Step::Hold(port, hold)),
        1 => port.clone().prop_map(Step::CheckMigration),
        2 => port.prop_map(Step::Tcn),
        2 => Just(Step::Timeout),
    ]
}

/// The same from a bridge of the region all are in, with a word about instance 1.
fn mst(cist: RstBpdu) -> MstBpdu {
    let record = MstiRecord {
        topology_change: cist.config.topology_change,
        proposal: cist.proposal,
        role: cist.role,
        learning: cist.learning,
        forwarding: cist.forwarding,
        agreement: cist.agreement,
        master: cist.learning,
        regional_root: cist.config.root.with_extension(1),
        internal_root_path_cost: cist.config.root_path_cost,
        bridge_priority: cist.config.bridge.priority(),
        port_priority: cist.config.port.priority(),
        remaining_hops: cist.config.root.octets()[7] * 5,
        epoch: cist.epoch,
    };
    MstBpdu {
        cist,
        configuration: Region::default().id(),
        internal_root_path_cost: cist.config.root_path_cost,
        bridge: cist.config.bridge,
        remaining_hops: cist.config.bridge.octets()[7] * 5,
        records: vec![record],
    }
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
        Step::Rst(port, bpdu, multiple) => {
            let bpdu = if multiple {
                Bpdu::Mst(Box::new(mst(bpdu)))
            } else {
                Bpdu::Rst(bpdu)
            };
            let port = port_number(port);
            bridge
                .handle(now, Event::Received { port, bpdu: &bpdu })
                .to_vec()
        }
        Step::Protocol(protocol) => {
            let config = BridgeConfig {
                protocol,
                epochs: protocol != Protocol::Stp,
                guard_recovery: Some(s(7)),
                ..*bridge.config()
            };
            bridge.configure(now, config).to_vec()
        }
        Step::Guards(port, guards) => {
            let port = port_number(port);
            let Some(&config) = bridge.port_config(port) else {
                return Vec::new();
            };
            let config = PortConfig {
                restricted_role: guards & 1 != 0,
                restricted_tcn: guards & 2 != 0,
                bpdu_guard: guards & 0xc == 0xc,
                bpdu_filter: guards & 0x30 == 0x30,
                loop_guard: guards & 0x40 != 0,
                bridge_assurance: guards & 0x80 != 0,
                point_to_point: if guards & 4 != 0 {
                    PointToPoint::On
                } else {
                    PointToPoint::Auto
                },
                ..config
            };
            bridge.configure_port(now, port, config).to_vec()
        }
        Step::Hold(port, hold) => {
            let why = hold.then_some(Inconsistency::Pvid);
            bridge.hold_port(now, port_number(port), why).to_vec()
        }
        Step::CheckMigration(port) => bridge.check_migration(now, port_number(port)).to_vec(),
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
    states: BTreeMap<(u16, TreeId), PortState>,
    roles: BTreeMap<(u16, TreeId), PortRole>,
    inconsistent: BTreeMap<(u16, TreeId), Option<Inconsistency>>,
    short_ageing: bool,
    root: BTreeMap<TreeId, (BridgeId, u32, Option<u16>)>,
}

impl Told {
    fn hear(&mut self, action: &Action) {
        match *action {
            Action::SetState { port, tree, state } => {
                self.states.insert((port.get(), tree), state);
            }
            Action::SetRole { port, tree, role } => {
                self.roles.insert((port.get(), tree), role);
            }
            Action::SetInconsistent {
                port,
                tree,
                inconsistent,
            } => {
                self.inconsistent.insert((port.get(), tree), inconsistent);
            }
            Action::ShortAgeing { active, .. } => {
                assert_ne!(self.short_ageing, active, "told twice");
                self.short_ageing = active;
            }
            Action::RootChanged {
                root,
                path_cost,
                port,
                tree,
            } => {
                let told = (root, path_cost, port.map(stp::PortNumber::get));
                self.root.insert(tree, told);
            }
            Action::Transmit { .. } | Action::Flush { .. } | Action::TopologyChange { .. } => {}
        }
    }

    fn compare(&self, bridge: &Bridge) {
        for id in bridge.trees() {
            let tree = bridge.tree(id);
            if let Some(root) = self.root.get(&id) {
                let port = tree.root_port.map(stp::PortNumber::get);
                assert_eq!(*root, (tree.root, tree.root_path_cost, port));
            }
            assert_eq!(tree.is_root(), tree.root_port.is_none());
            assert!(tree.root <= tree.bridge);
            for port in bridge.ports() {
                self.compare_port(bridge, id, port);
            }
        }
        let tree = bridge.tree(TreeId::COMMON);
        if tree.is_root() {
            assert_eq!(tree.times, bridge.config().times.in_force());
        }
        if bridge.config().protocol == Protocol::Stp {
            self.compare_classic(bridge);
        } else {
            assert!(
                !self.short_ageing,
                "nothing of the classic protocol lives on"
            );
            assert_eq!(
                tree.topology_change.active,
                tree.topology_change_due.is_some()
            );
        }
    }

    fn compare_port(&self, bridge: &Bridge, id: TreeId, port: stp::PortNumber) {
        let status = bridge.port_in_tree(port, id).unwrap();
        let key = (port.get(), id);
        let state = self.states.get(&key).copied();
        assert_eq!(state.unwrap_or(PortState::Disabled), status.state);
        let role = self.roles.get(&key).copied();
        assert_eq!(role.unwrap_or(PortRole::Disabled), status.role);
        if id == TreeId::COMMON {
            let inconsistent = self.inconsistent.get(&key).copied().flatten();
            assert_eq!(inconsistent, status.inconsistent);
        }
        let held = status.inconsistent.is_some();
        let on = !matches!(status.state, PortState::Disabled | PortState::Blocking);
        match status.role {
            PortRole::Disabled => assert_eq!(status.state, PortState::Disabled),
            PortRole::Alternate | PortRole::Backup => {
                assert_eq!(status.state, PortState::Blocking);
                assert!(id != TreeId::COMMON || status.message_age_due.is_some());
            }
            PortRole::Root => {
                assert_eq!(bridge.tree(id).root_port, Some(port));
                assert!(status.message_age_due.is_some());
                assert_eq!(on, !held);
            }
            PortRole::Designated => {
                assert_eq!(status.designated, status.offer);
                assert_eq!(status.message_age_due, None);
                assert_eq!(on, !held);
            }
            PortRole::Master => {
                assert!(id != TreeId::COMMON && status.boundary);
                assert_eq!(on, !held);
            }
        }
        assert!(bridge.why(port, id).is_some());
    }

    fn compare_classic(&self, bridge: &Bridge) {
        let tree = bridge.tree(TreeId::COMMON);
        assert_eq!(self.short_ageing, tree.topology_change.active);
        if tree.is_root() {
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
            if matches!(status.role, PortRole::Alternate | PortRole::Backup) {
                assert!(!status.config_pending && !status.topology_change_acknowledge);
            }
            let waiting = matches!(status.state, PortState::Listening | PortState::Learning);
            assert_eq!(status.forward_delay_due.is_some(), waiting);
        }
    }
}

/// A bridge with an instance and three ports.
fn fresh(now: Duration, protocol: Protocol) -> Bridge {
    let mut bridge = Bridge::new(BridgeConfig {
        priority: BridgePriority::new(0x2000).unwrap(),
        protocol,
        ..BridgeConfig::new(pnet_base::MacAddr::new(2, 0, 0, 0, 0, 2))
    });
    let instance = TreeId::new(1).unwrap();
    let region = Region::default().id();
    assert!(bridge.set_region(now, region, &[instance]).is_empty());
    for port in 1..4 {
        let actions = bridge.add_port(now, port_number(port), PortConfig::default());
        assert!(actions.is_empty(), "{actions:?}");
    }
    bridge
}

fn any_protocol() -> impl Strategy<Value = Protocol> {
    prop::sample::select(vec![Protocol::Stp, Protocol::Rstp, Protocol::Mstp])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_events_keep_the_invariants(
        protocol in any_protocol(),
        steps in prop::collection::vec(step(), 1..120),
    ) {
        let mut now = std::time::Duration::ZERO;
        let mut bridge = fresh(now, protocol);
        let mut told = Told::default();
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
    fn deadlines_are_exact(
        protocol in any_protocol(),
        steps in prop::collection::vec(step(), 1..60),
    ) {
        let mut now = std::time::Duration::ZERO;
        let mut bridge = fresh(now, protocol);
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

/// Found by the events above: a bridge of the region names itself regional root, and this one the root.
#[test]
fn nobody_tells_the_root_a_way_to_itself() {
    let mut bridge = fresh(Duration::ZERO, Protocol::Mstp);
    let id = bridge.id();
    let lie = ConfigBpdu {
        root: id,
        root_path_cost: 0,
        bridge: BridgeId::from_octets([0, 0, 2, 0, 0, 0, 0, 1]),
        port: PortId::new(PortPriority::default(), port_number(1)),
        message_age: BpduTime::ZERO,
        max_age: BpduTime::from_units(256),
        hello_time: BpduTime::from_units(256),
        forward_delay: BpduTime::from_units(256),
        topology_change_acknowledgment: false,
        topology_change: false,
    };
    let rst = RstBpdu {
        config: lie,
        role: RstRole::Designated,
        proposal: true,
        learning: false,
        forwarding: false,
        agreement: false,
        epoch: None,
    };
    let steps = [Step::LinkUp(1, 1), Step::Rst(1, rst, true)];
    for step in steps {
        let _ = apply(&mut bridge, Duration::ZERO, &step);
    }
    assert!(bridge.tree(TreeId::COMMON).is_root());
    assert_eq!(bridge.tree(TreeId::COMMON).root_port, None);
}

/// Found by the events above: the last port took its timers with it, but not the deadline.
#[test]
fn a_bridge_without_ports_waits_for_nothing() {
    let mut bridge = fresh(Duration::ZERO, Protocol::Rstp);
    for step in [
        Step::LinkUp(3, 1),
        Step::Remove(1),
        Step::Remove(2),
        Step::Remove(3),
    ] {
        let _ = apply(&mut bridge, Duration::ZERO, &step);
    }
    assert_eq!(bridge.deadline(), None);
}
