//! A lab in virtual time, phase by phase.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use labs::sim::{BridgeSnapshot, Map, NodeId, Notice, Observer, Power, Twin};
use labs::topology::{
    Check, Expectation, Frames, Incident, PingTarget, Position, Recipient, Step, StepKind, Topology,
};
use pnet_base::MacAddr;
use switchd::event::FlushReason;

use super::span::{Timed, from_disturbance, from_zero};
use super::{Exchange, LabState, Phase, Speaker, SwitchState, disturbances, pairs, speakers};

/// The same chance for all: the wires of these labs leave nothing to it.
const SEED: u64 = 1;
/// Where a tree that does not come to rest is given up.
const BOUND: Duration = Duration::from_secs(600);
/// How long frames of an exchange may be under way.
const EXCHANGE: Duration = Duration::from_secs(1);

/// What switches told.
#[derive(Debug, Default)]
struct Diary(Vec<(NodeId, Timed)>);

impl Observer for Diary {
    fn notice(&mut self, now: Duration, _: &Map, notice: &Notice<'_>) {
        if let Notice::Bridge { node, event } = *notice {
            self.0.push((node, (now, *event)));
        }
    }
}

/// Runs `topology`; the times of the switch `unseen` are left out.
///
/// # Panics
/// When the lab cannot be run, does not come to rest, or shows a loop.
#[must_use]
pub fn play(topology: &Topology, unseen: Option<&str>) -> Vec<Phase> {
    let mut twin = Twin::new(topology.clone(), SEED).expect("a lab for both backends");
    let diary = Rc::new(RefCell::new(Diary::default()));
    twin.world_mut().observe(diary.clone());
    let unseen = unseen.map(|name| twin.world().map().node(name).expect("a switch"));
    let take = || {
        let all = diary.borrow_mut().0.split_off(0);
        let seen = all.into_iter().filter(|(node, _)| Some(*node) != unseen);
        seen.map(|(_, timed)| timed).collect::<Vec<Timed>>()
    };
    settle(&mut twin);
    let mut phases = vec![Phase {
        span: Some(from_zero(&take())),
        state: state(&twin),
        exchange: exchange(&mut twin),
    }];
    for step in disturbances(topology) {
        take();
        twin.step(&step).expect("a step for both backends");
        settle(&mut twin);
        phases.push(Phase {
            span: from_disturbance(&take()),
            state: state(&twin),
            exchange: exchange(&mut twin),
        });
    }
    let loops = twin.world().findings().iter();
    let loops = loops.filter(|finding| finding.violation.is_loop()).count();
    assert_eq!(loops, 0, "{}: {:?}", topology.name, twin.world().findings());
    phases
}

fn settle(twin: &mut Twin) {
    let rest = twin.world_mut().run_quiet(BOUND);
    rest.expect("the tree comes to rest");
}

fn state(twin: &Twin) -> LabState {
    let mut view = twin.view();
    let of = |bridge: BridgeSnapshot| {
        let switch = view
            .switches
            .remove(&bridge.name)
            .expect("the same switches");
        let tree = bridge.trees.first();
        let state = SwitchState {
            root: tree.map(|tree| tree.root.clone()),
            root_path_cost: tree.map_or(0, |tree| tree.root_path_cost),
            root_port: tree.and_then(|tree| tree.root_port.clone()),
            ports: switch.ports,
        };
        (bridge.name, state)
    };
    running(twin).into_iter().map(of).collect()
}

/// The switches that can be asked.
fn running(twin: &Twin) -> Vec<BridgeSnapshot> {
    let runs = |bridge: &BridgeSnapshot| {
        let node = twin.world().map().node(&bridge.name);
        node.and_then(|node| twin.world().power(node)) == Some(Power::On)
    };
    twin.world().snapshot().into_iter().filter(runs).collect()
}

fn exchange(twin: &mut Twin) -> Exchange {
    let world = twin.world_mut();
    let runs = |node: &NodeId| world.power(*node) == Some(Power::On);
    let bridges: Vec<NodeId> = world.bridges().filter(runs).collect();
    for bridge in bridges {
        let flushed = world.manage(bridge, |switch, _, out| {
            switch.flush(cam::Flush::ALL, FlushReason::Management, out);
            Ok(())
        });
        flushed.expect("it runs");
    }
    let topology = twin.topology().clone();
    for speaker in speakers(&topology) {
        let frames = Frames {
            from: speaker.endpoint,
            to: Recipient::Address(MacAddr::broadcast()),
            source: None,
            vlan: None,
            count: 1,
            octets: 60,
        };
        let sent = twin.step(&bare(StepKind::Incident(Incident::Send(frames))));
        assert!(sent.expect("a host can send").ok);
    }
    twin.world_mut().run_for(EXCHANGE);
    let mut pings = BTreeMap::new();
    for (from, to) in pairs(&topology) {
        let came_back = ping(twin, &from, &to);
        pings.insert((from.endpoint.node, to.endpoint.node), came_back);
    }
    let cam = |bridge: BridgeSnapshot| {
        let entries = bridge.cam.into_iter().map(|entry| {
            let mac = entry.mac.parse().expect("an address");
            (entry.vlan, mac, entry.port)
        });
        (bridge.name, entries.collect())
    };
    let cams = running(twin).into_iter().map(cam).collect();
    Exchange { cams, pings }
}

fn ping(twin: &mut Twin, from: &Speaker, to: &Speaker) -> bool {
    let expect = Expectation::Ping {
        from: from.endpoint.node.clone(),
        to: PingTarget {
            name: to.endpoint.node.clone(),
            ip: to.ip.into(),
        },
        lost: false,
    };
    let check = Check {
        expect,
        wait: Duration::ZERO,
        pass: None,
        fail: None,
    };
    let report = twin.step(&bare(StepKind::Check(check)));
    report.expect("a host can ping").ok
}

/// A step that stands in no file.
fn bare(kind: StepKind) -> Step {
    Step {
        at: Position::default(),
        kind,
    }
}
