//! What rapid spanning tree promises its hosts, to the millisecond, in virtual time: a triangle loses a link, a link and its
//! carrier does not show it, a switch goes and comes back. `make interop` measures the same with real switches
//! (docs/INTEROP.md).

use std::time::Duration;

use labs::sim::{
    BridgeSpec, FlowId, LinkState, Medium, NodeId, PortRef, Power, WireId, World, frame,
};
use stp::{BridgePriority, BridgeTimes};
use switchd::TreeProtocol;

const MS: Duration = Duration::from_millis(1);
const S: Duration = Duration::from_secs(1);
/// The fastest legal hello time.
const HELLO: Duration = S;
/// A carrier that goes may cost so much.
const CARRIER_MAX: Duration = Duration::from_millis(50);
/// Longer than anything here takes.
const SETTLED: Duration = Duration::from_secs(20);

/// Bridges a, b and c in a ring, a the root, with a host at each. Cables a – b, b – c, c – a; c blocks its port to b.
struct Triangle {
    world: World,
    bridges: Vec<NodeId>,
    wires: Vec<WireId>,
    hosts: Vec<PortRef>,
}

impl Triangle {
    fn new(protocol: TreeProtocol) -> Self {
        let mut world = World::new(1);
        world.watch_cycles();
        let times = BridgeTimes::new(6 * S, HELLO, 4 * S).expect("legal times");
        let bridges: Vec<NodeId> = (1..=3)
            .map(|number| {
                let priority = BridgePriority::new(4096 * number).expect("legal");
                let spec = BridgeSpec::new(format!("b{number}"))
                    .protocol(protocol)
                    .priority(priority)
                    .times(times);
                world.add_bridge(&spec).expect("a new name")
            })
            .collect();
        let mut wire = |ends: [NodeId; 2]| {
            let medium = Medium::default();
            world.wire_nodes(&ends, medium).expect("they are there")
        };
        let wires = [[0, 1], [1, 2], [2, 0]]
            .map(|ends| wire(ends.map(|end| bridges[end])))
            .into();
        let hosts = (0..).zip(&bridges).map(|(number, &bridge): (usize, _)| {
            let host = world.add_listener(&format!("h{number}")).expect("new");
            let medium = Medium::default();
            world.wire_nodes(&[bridge, host], medium).expect("there");
            world.port(host, 1).expect("it is wired")
        });
        let hosts = hosts.collect();
        let mut this = Self {
            world,
            bridges,
            wires,
            hosts,
        };
        this.world.run_until(SETTLED);
        this
    }

    /// Host `from` broadcasts every millisecond for `time`; the longest time in which `to` hears nothing. What is sent is
    /// heard well within the millisecond, if at all.
    fn silence(&mut self, from: usize, to: usize, time: Duration) -> Duration {
        let (from, to) = (self.hosts[from], self.hosts[to]);
        let octets = frame::broadcast(self.world.address(from).expect("it has one"));
        let begin = self.world.now();
        let mut sent: Vec<FlowId> = Vec::new();
        while self.world.now() < begin + time {
            sent.push(self.world.send(from, octets.clone()));
            self.world.run_for(MS);
        }
        let (mut last, mut longest) = (begin, Duration::ZERO);
        for flow in sent {
            let flow = self.world.take_flow(flow).expect("it was sent");
            if flow.count_at(to) > 0 {
                longest = longest.max(flow.sent - last);
                last = flow.sent;
            }
        }
        longest.max(self.world.now() - last)
    }

    fn assert_no_loop(&self) {
        let mut findings = self.world.findings().iter();
        let found = findings.find(|finding| finding.violation.is_loop());
        assert!(found.is_none(), "{found:?}");
    }
}

const RAPID: [TreeProtocol; 3] = [
    TreeProtocol::Rstp,
    TreeProtocol::Mstp,
    TreeProtocol::RapidPvst,
];

/// Neither when it goes nor when it comes back. Every millisecond of a hello time is a moment for it, but the neighbours
/// answer at once in each.
#[test]
fn a_carrier_that_goes_or_comes_is_hardly_heard() {
    for protocol in RAPID {
        let mut triangle = Triangle::new(protocol);
        for turn in 0..20 {
            // Another phase of the hellos each time.
            triangle.world.run_for(turn * 53 * MS);
            for state in [LinkState::Down, LinkState::Up] {
                let wire = triangle.wires[2];
                triangle.world.set_link(wire, state).expect("it is there");
                let silence = triangle.silence(0, 2, 5 * S);
                assert!(silence <= CARRIER_MAX, "{protocol} {state:?}: {silence:?}");
            }
        }
        triangle.assert_no_loop();
    }
}

/// The classic protocol is what it is held against: two forward delays.
#[test]
fn a_classic_triangle_is_silent_for_two_forward_delays() {
    let mut triangle = Triangle::new(TreeProtocol::Stp);
    let wire = triangle.wires[2];
    triangle
        .world
        .set_link(wire, LinkState::Down)
        .expect("it is there");
    let silence = triangle.silence(0, 2, 15 * S);
    assert!((8 * S..9 * S).contains(&silence), "{silence:?}");
}

/// Information lives for three hello times (802.1D-2004 17.21.23), from the last hello before the link died.
#[test]
fn a_link_that_dies_in_silence_is_missed_for_three_hello_times_at_most() {
    for protocol in RAPID {
        for turn in 0..10 {
            let mut triangle = Triangle::new(protocol);
            triangle.world.run_for(turn * 97 * MS);
            let wire = triangle.wires[2];
            triangle
                .world
                .set_link(wire, LinkState::Silent)
                .expect("it is there");
            let silence = triangle.silence(0, 2, 8 * S);
            assert!(silence > HELLO, "{protocol}: it was no way: {silence:?}");
            assert!(
                silence <= 3 * HELLO + CARRIER_MAX,
                "{protocol}: {silence:?}"
            );
            triangle.assert_no_loop();
        }
    }
}

/// Root or not, off or hung: no frame goes round, and those that have another way use it.
#[test]
fn a_switch_that_goes_and_comes_back_opens_no_loop() {
    for protocol in RAPID {
        for bridge in 0..3 {
            let mut triangle = Triangle::new(protocol);
            let (one, other) = ((bridge + 1) % 3, (bridge + 2) % 3);
            let node = triangle.bridges[bridge];
            let off = triangle.world.set_power(node, Power::Off);
            off.expect("it is there");
            let silence = triangle.silence(one, other, 5 * S);
            assert!(
                silence <= CARRIER_MAX,
                "{protocol} {bridge} off: {silence:?}"
            );
            let on = triangle.world.set_power(node, Power::On);
            on.expect("it is there");
            let silence = triangle.silence(one, other, 5 * S);
            assert!(
                silence <= CARRIER_MAX,
                "{protocol} {bridge} on: {silence:?}"
            );
            // Its own host is an edge again when the port has been silent for the migrate time.
            let silence = triangle.silence(bridge, other, 5 * S);
            assert!(silence <= S, "{protocol} {bridge} again: {silence:?}");
            triangle.assert_no_loop();
        }
    }
}
