//! The fast path against the core: the same decision, whatever has happened, or none.

use std::sync::Arc;

use cam::{AgeingTime, Capacity, Flush, MacTableConfig};
use proptest::prelude::*;
use stp::{BridgeConfig, PortState, TreeId};

use super::*;
use crate::event::{Event, FlushReason};
use crate::meter::{BIT_RATE_MIN, BitRate, RateLimits};
use crate::protect::{StormControl, StormRate};
use crate::switch::{PortSettings, SwitchConfig};
use crate::train::Train;
use crate::trees::{Instances, TreeProtocol};
use crate::vlan::PortMode;
use crate::vlan_set::VlanSet;

const PORTS: u16 = 4;
const SECOND: Duration = Duration::from_secs(1);

/// What left, and what was told.
#[derive(Default)]
struct Effects {
    sent: Vec<(PortNumber, Vec<u8>)>,
    events: usize,
}

impl Ports for Effects {
    fn transmit(&mut self, port: PortNumber, frame: Relayed<'_>) {
        let mut octets = Vec::new();
        frame.write_to(&mut octets);
        self.sent.push((port, octets));
    }

    fn send(&mut self, _: PortNumber, _: &[u8]) {
        self.events += 1;
    }

    fn notice(&mut self, _: Event) {
        self.events += 1;
    }
}

/// A core and what forwards beside it, as the daemon has them, without threads.
struct Pair {
    switch: Switch,
    mirror: Arc<Mirror>,
    path: FastPath,
    revision: u64,
    made: Duration,
    now: Duration,
}

fn n(port: u16) -> PortNumber {
    PortNumber::new(port).unwrap()
}

fn vlan(vid: u16) -> VlanId {
    VlanId::try_new(vid).unwrap()
}

fn station(number: u8) -> MacAddr {
    MacAddr::new(2, 0, 0, 0, 0, number)
}

fn settings(port: u16) -> PortSettings {
    let [_, number] = port.to_be_bytes();
    let name = format!("p{port}").parse().unwrap();
    PortSettings::new(name, MacAddr::new(2, 0, 0, 0, 1, number))
}

impl Pair {
    fn new() -> Self {
        let mut switch = Switch::new(SwitchConfig {
            bridge: BridgeConfig::new(MacAddr::new(2, 0, 0, 0, 1, 0)),
            protocol: TreeProtocol::Off,
            instances: Instances::default(),
            cam: MacTableConfig {
                // Fewer than there are stations.
                capacity: Capacity::new(12).unwrap(),
                ..MacTableConfig::default()
            },
        });
        let out = &mut Effects::default();
        for port in 1..=PORTS {
            let added = switch.add_port(Duration::ZERO, n(port), settings(port), out);
            added.unwrap();
            let cost = stp::PathCost::new(1).unwrap();
            switch.link_up(Duration::ZERO, n(port), cost, true, out);
        }
        Self {
            mirror: switch.mirror(),
            path: switch.fast_path(Duration::ZERO),
            revision: switch.revision(),
            switch,
            made: Duration::ZERO,
            now: SECOND,
        }
    }

    /// What the daemon does before frames are carried.
    fn publish(&mut self) {
        let is_old = self.path.is_braked() && self.now >= self.made + SECOND;
        if is_old || self.revision != self.switch.revision() {
            self.path = self.switch.fast_path(self.now);
            self.revision = self.switch.revision();
            self.made = self.now;
        }
    }

    /// One frame, first by the fast path, held against what the core would do; by the core if it must see it.
    fn receive(&mut self, port: PortNumber, frame: &[u8], is_told: bool) -> Course {
        self.publish();
        let mut got = Effects::default();
        let mut confirmed = Vec::new();
        let mut stations = Reflected::new(&self.mirror, |confirmation| {
            confirmed.push(confirmation);
            is_told
        });
        let course = self
            .path
            .decide(&mut stations, self.now, port, frame, &mut got);
        let (mut core, mut wanted) = (self.switch.clone(), Effects::default());
        core.receive(self.now, port, frame, &mut wanted);
        let counters = |switch: &Switch| *switch.port(port).unwrap().counters();
        let (before, after) = (counters(&self.switch), counters(&core));
        match course {
            Course::Slow => assert!(got.sent.is_empty(), "it has not left"),
            Course::Relayed => {
                assert_eq!(got.sent, wanted.sent);
                assert!(!got.sent.is_empty());
                assert_eq!(after.drops_total(), before.drops_total());
            }
            Course::Dropped(reason) => {
                assert!(got.sent.is_empty() && wanted.sent.is_empty());
                assert_eq!(after.drops(reason), before.drops(reason) + 1);
                assert_eq!(after.drops_total(), before.drops_total() + 1);
            }
        }
        if course == Course::Slow {
            self.switch
                .receive(self.now, port, frame, &mut Effects::default());
        } else {
            assert_eq!(
                (got.events, wanted.events),
                (0, 0),
                "there is nothing to tell"
            );
            assert_eq!(core.cam().len(), self.switch.cam().len());
        }
        if is_told {
            for seen in confirmed {
                let station = (seen.vlan, seen.address);
                self.switch.confirm(self.now, station, seen.port);
            }
        }
        course
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        while self.switch.deadline().is_some_and(|due| due <= self.now) {
            self.switch.timeout(self.now, &mut Effects::default());
        }
    }
}

#[derive(Clone, Debug)]
enum Operation {
    Frame {
        port: u16,
        frame: Vec<u8>,
        is_told: bool,
    },
    Pass(Duration),
    State(u16, PortState),
    Link(u16, bool),
    Mode(u16, PortMode),
    Storm(u16, Option<u32>),
    Rate(u16, bool),
    Flush(Flush<PortNumber>),
    Static(VlanId, MacAddr, u16),
    Unpin(VlanId, MacAddr),
    Ageing(u32),
}

fn vlans() -> impl Strategy<Value = VlanId> {
    prop_oneof![Just(1), Just(10)].prop_map(vlan)
}

fn modes() -> impl Strategy<Value = PortMode> {
    prop_oneof![
        vlans().prop_map(|vlan| PortMode::Access { vlan }),
        (vlans(), any::<bool>()).prop_map(|(native, native_tagged)| PortMode::Trunk {
            allowed: VlanSet::all(),
            native,
            native_tagged,
        }),
    ]
}

fn addresses() -> impl Strategy<Value = MacAddr> {
    prop_oneof![
        20 => (1..6_u8).prop_map(station),
        // The switch's own, groups, the bridge's.
        1 => Just(MacAddr::new(2, 0, 0, 0, 1, 1)),
        2 => Just(MacAddr::broadcast()),
        1 => Just(MacAddr::new(1, 0, 0x5e, 0, 0, 1)),
        1 => Just(MacAddr::new(1, 0x80, 0xc2, 0, 0, 0)),
    ]
}

fn frames() -> impl Strategy<Value = Vec<u8>> {
    let tag = proptest::option::weighted(0.3, vlans());
    (addresses(), addresses(), tag, 0..40_usize).prop_map(|(to, from, tag, len)| {
        let mut frame = [to.octets(), from.octets()].concat();
        if let Some(vlan) = tag {
            let [high, low] = vlan.value().to_be_bytes();
            frame.extend([0x81, 0, 0x60 | high, low]);
        }
        frame.extend([0x88, 0xb5]);
        frame.resize(frame.len() + len, 7);
        if len == 39 {
            frame.truncate(13);
        }
        frame
    })
}

fn operations() -> impl Strategy<Value = Operation> {
    use Operation as O;
    let ports = || 1..=PORTS;
    let states = prop_oneof![
        Just(PortState::Forwarding),
        Just(PortState::Learning),
        Just(PortState::Blocking)
    ];
    let flush = (
        proptest::option::of(ports().prop_map(n)),
        proptest::option::of(vlans()),
        proptest::option::weighted(0.3, (1..6_u8).prop_map(station)),
    );
    prop_oneof![
        60 => (ports(), frames(), proptest::bool::weighted(0.9))
            .prop_map(|(port, frame, is_told)| O::Frame { port, frame, is_told }),
        6 => (0..3_000_u64).prop_map(|ms| O::Pass(Duration::from_millis(ms))),
        2 => (0..200_u64).prop_map(|s| O::Pass(Duration::from_secs(s))),
        3 => (ports(), states).prop_map(|(port, state)| O::State(port, state)),
        1 => (ports(), any::<bool>()).prop_map(|(port, up)| O::Link(port, up)),
        1 => (ports(), modes()).prop_map(|(port, mode)| O::Mode(port, mode)),
        1 => (ports(), proptest::option::of(1..5_u32)).prop_map(|(port, rate)| O::Storm(port, rate)),
        1 => (ports(), any::<bool>()).prop_map(|(port, on)| O::Rate(port, on)),
        2 => flush.prop_map(|(port, vlan, address)| O::Flush(Flush { port, vlan, address })),
        1 => (vlans(), (1..6_u8).prop_map(station), ports())
            .prop_map(|(vlan, address, port)| O::Static(vlan, address, port)),
        1 => (vlans(), (1..6_u8).prop_map(station)).prop_map(|(vlan, address)| O::Unpin(vlan, address)),
        1 => (10..300_u32).prop_map(O::Ageing),
    ]
}

impl Pair {
    fn change(&mut self, port: u16, change: impl FnOnce(&mut PortSettings)) {
        let mut settings = self.switch.port(n(port)).unwrap().settings().clone();
        change(&mut settings);
        let out = &mut Effects::default();
        let changed = self.switch.set_port(self.now, n(port), settings, out);
        changed.unwrap();
    }

    fn apply(&mut self, operation: Operation) {
        let (now, out) = (self.now, &mut Effects::default());
        match operation {
            Operation::Frame {
                port,
                frame,
                is_told,
            } => {
                self.receive(n(port), &frame, is_told);
            }
            Operation::Pass(time) => self.pass(time),
            Operation::State(port, state) => {
                self.switch
                    .forwarding
                    .set_state(TreeId::COMMON, n(port), state);
            }
            Operation::Link(port, true) => {
                let cost = stp::PathCost::new(1).unwrap();
                self.switch.link_up(now, n(port), cost, true, out);
            }
            Operation::Link(port, false) => self.switch.link_down(now, n(port), out),
            Operation::Mode(port, mode) => self.change(port, |settings| settings.mode = mode),
            Operation::Storm(port, rate) => self.change(port, |settings| {
                settings.storm = StormControl {
                    broadcast: rate.and_then(StormRate::new),
                    ..StormControl::default()
                };
            }),
            Operation::Rate(port, on) => self.change(port, |settings| {
                settings.rate = RateLimits {
                    output: BitRate::new(BIT_RATE_MIN).filter(|_| on),
                    ..RateLimits::default()
                };
            }),
            Operation::Flush(flush) => {
                self.switch.flush(flush, FlushReason::Management, out);
            }
            Operation::Static(vlan, address, port) => {
                // Full, or one of the switch's own: refused.
                let _ = self.switch.set_static(now, vlan, address, n(port), out);
            }
            Operation::Unpin(vlan, address) => {
                self.switch.remove_static(now, vlan, address);
            }
            Operation::Ageing(seconds) => {
                let ageing = AgeingTime::from_secs(seconds).unwrap();
                self.switch.set_ageing(now, ageing);
            }
        }
    }
}

/// Frames that come in one batch: a few, over and over, with payloads of different lengths.
fn batches() -> impl Strategy<Value = (u16, Vec<Vec<u8>>)> {
    let few = proptest::collection::vec(frames(), 1..4);
    let turns = proptest::collection::vec((any::<prop::sample::Index>(), 0..4_usize), 1..12);
    (1..=PORTS, few, turns).prop_map(|(port, few, turns)| {
        let frame = |(which, longer): (prop::sample::Index, usize)| {
            let mut frame = which.get(&few).clone();
            frame.extend(std::iter::repeat_n(9, longer));
            frame
        };
        (port, turns.into_iter().map(frame).collect())
    })
}

/// Everything that may be seen of a switch from outside.
fn seen(switch: &Switch) -> impl PartialEq + std::fmt::Debug {
    let counters: Vec<_> = switch.ports().map(|(_, port)| *port.counters()).collect();
    (
        counters,
        switch.cam().stats(),
        switch.deadline(),
        switch.revision(),
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn the_fast_path_decides_as_the_core_does_whatever_has_changed(
        operations in proptest::collection::vec(operations(), 1..150),
    ) {
        let mut pair = Pair::new();
        for operation in operations {
            pair.apply(operation);
        }
    }
}

fn frame(to: MacAddr, from: MacAddr) -> Vec<u8> {
    let mut frame = [to.octets(), from.octets()].concat();
    frame.extend([0x88, 0xb5]);
    frame.resize(60, 0);
    frame
}

#[test]
fn a_conversation_is_the_cores_until_both_ends_are_known() {
    let mut pair = Pair::new();
    let (a, b) = (station(1), station(2));
    let (there, back) = (frame(b, a), frame(a, b));
    assert_eq!(pair.receive(n(1), &there, true), Course::Slow, "learned");
    assert_eq!(pair.receive(n(1), &there, true), Course::Slow, "unknown");
    assert_eq!(pair.receive(n(2), &back, true), Course::Slow, "learned");
    assert_eq!(pair.receive(n(1), &there, true), Course::Relayed);
    assert_eq!(pair.receive(n(2), &back, true), Course::Relayed);
    let all = frame(MacAddr::broadcast(), a);
    assert_eq!(pair.receive(n(1), &all, true), Course::Relayed, "flooded");
    assert_eq!(pair.receive(n(3), &there, true), Course::Slow, "moved");
    assert_eq!(pair.receive(n(2), &back, true), Course::Relayed);
    let own = frame(b, b);
    let same_port = Course::Dropped(DropReason::SamePort);
    assert_eq!(pair.receive(n(2), &own, true), same_port);
    let out = &mut Effects::default();
    pair.switch
        .flush(Flush::port(n(3)), FlushReason::Management, out);
    assert_eq!(pair.receive(n(2), &back, true), Course::Slow, "flushed");
    pair.switch
        .forwarding
        .set_state(TreeId::COMMON, n(2), PortState::Blocking);
    let blocked = Course::Dropped(DropReason::PortState);
    assert_eq!(pair.receive(n(2), &back, true), blocked);
}

#[test]
fn floods_that_are_counted_and_frames_that_are_metered_are_the_cores() {
    let mut pair = Pair::new();
    let all = frame(MacAddr::broadcast(), station(1));
    pair.receive(n(1), &all, true);
    assert_eq!(pair.receive(n(1), &all, true), Course::Relayed);
    pair.apply(Operation::Storm(1, Some(5)));
    assert_eq!(pair.receive(n(1), &all, true), Course::Slow);
    pair.apply(Operation::Storm(1, None));
    assert_eq!(pair.receive(n(1), &all, true), Course::Relayed);
    pair.apply(Operation::Rate(4, true));
    assert_eq!(
        pair.receive(n(1), &all, true),
        Course::Slow,
        "it leaves by 4"
    );
    pair.apply(Operation::Rate(4, false));
    assert_eq!(pair.receive(n(1), &all, true), Course::Relayed);
}

#[test]
fn floods_of_a_port_that_shows_a_loop_are_counted_while_it_does() {
    let mut pair = Pair::new();
    let all = frame(MacAddr::broadcast(), station(1));
    for _ in 0..12 {
        for port in [1, 2] {
            pair.receive(n(port), &all, true);
        }
    }
    let other = frame(MacAddr::broadcast(), station(2));
    pair.receive(n(1), &other, true);
    assert_eq!(pair.receive(n(1), &other, true), Course::Slow, "braked");
    pair.pass(2 * SECOND);
    assert_eq!(pair.receive(n(1), &other, true), Course::Relayed);
}

#[test]
fn a_station_that_talks_by_the_fast_path_alone_does_not_expire_and_a_silent_one_does() {
    let mut pair = Pair::new();
    let (a, b, silent) = (station(1), station(2), station(3));
    pair.receive(n(1), &frame(b, a), true);
    pair.receive(n(2), &frame(a, b), true);
    pair.receive(n(3), &frame(a, silent), true);
    let knows = |pair: &Pair, address| pair.switch.cam().lookup(pair.now, vlan(1), address);
    for second in 0..1_000_u64 {
        pair.pass(SECOND);
        // Just once in the time that entries are held.
        if second % 290 == 0 {
            let course = pair.receive(n(1), &frame(b, a), true);
            assert_eq!(course, Course::Relayed, "{second}");
        }
        assert_eq!(pair.receive(n(2), &frame(a, b), true), Course::Relayed);
        assert_eq!(knows(&pair, a), Some(n(1)), "{second}");
        // Exactly as long as without a fast path.
        assert_eq!(knows(&pair, silent).is_some(), second + 1 < 300, "{second}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn a_train_goes_where_its_frames_would_one_by_one_whatever_has_changed(
        steps in proptest::collection::vec((operations(), batches()), 1..60),
    ) {
        let mut pair = Pair::new();
        for (operation, (port, frames)) in steps {
            pair.apply(operation);
            let mut core = pair.switch.clone();
            let (mut got, mut wanted) = (Effects::default(), Effects::default());
            let mut train = Train::default();
            for frame in &frames {
                core.receive(pair.now, n(port), frame, &mut wanted);
                pair.switch.receive_in(&mut train, pair.now, n(port), frame, &mut got);
            }
            prop_assert_eq!((&got.sent, got.events), (&wanted.sent, wanted.events));
            prop_assert_eq!(seen(&pair.switch), seen(&core));
        }
    }
}
