//! The switch in virtual time: frames and link changes in, octets and events out.

use etherparse::VlanId;

mod bad_bpdus;
mod mismatch;
mod rates;

use super::*;
use crate::counters::DropReason;
use crate::frame::Cause;
use crate::tag::Relayed;

/// Collects effects.
#[derive(Default)]
struct Wire {
    sent: Vec<(u16, Vec<u8>)>,
    bpdus: Vec<(u16, Vec<u8>)>,
    events: Vec<Event>,
}

impl Ports for Wire {
    fn transmit(&mut self, port: PortNumber, frame: Relayed<'_>) {
        let mut octets = Vec::new();
        frame.write_to(&mut octets);
        self.sent.push((port.get(), octets));
    }

    fn send(&mut self, port: PortNumber, frame: &[u8]) {
        self.bpdus.push((port.get(), frame.to_vec()));
    }

    fn notice(&mut self, event: Event) {
        self.events.push(event);
    }
}

impl Wire {
    fn ports(&mut self) -> Vec<u16> {
        self.sent.drain(..).map(|(port, _)| port).collect()
    }
}

fn n(port: u16) -> PortNumber {
    PortNumber::new(port).unwrap()
}

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn name(text: &str) -> PortName {
    text.parse().unwrap()
}

const VLAN_1: fn() -> VlanId = crate::vlan::default_vid;

fn protocol(spanning_tree: bool) -> TreeProtocol {
    match spanning_tree {
        true => TreeProtocol::Stp,
        false => TreeProtocol::Off,
    }
}

fn switch(id: u8, spanning_tree: bool, ports: u8, out: &mut Wire) -> Switch {
    let mut switch = Switch::new(SwitchConfig {
        bridge: BridgeConfig::new(MacAddr::new(2, 0, 0, 0, id, 0)),
        protocol: protocol(spanning_tree),
        instances: Instances::default(),
        cam: MacTableConfig::default(),
    });
    for port in 1..=ports {
        let settings = PortSettings::new(
            name(&format!("p{port}")),
            MacAddr::new(2, 0, 0, 0, id, port),
        );
        switch
            .add_port(s(0), n(port.into()), settings, out)
            .unwrap();
        up(&mut switch, s(0), port.into(), out);
    }
    switch
}

fn up(switch: &mut Switch, now: Duration, port: u16, out: &mut Wire) {
    switch.link_up(now, n(port), PathCost::new(2).unwrap(), true, out);
}

/// Lets every timer up to `until` run.
fn run(switch: &mut Switch, until: Duration, out: &mut Wire) {
    while let Some(due) = switch.deadline().filter(|&due| due <= until) {
        switch.timeout(due, out);
    }
    switch.timeout(until, out);
}

fn frame(destination: u8, source: u8) -> Vec<u8> {
    let mut frame = vec![0xaa, 0, 0, 0, 0, destination, 0xaa, 0, 0, 0, 0, source];
    frame.extend([8, 0, 1, 2, 3]);
    frame[0] &= 0xfe;
    frame[6] &= 0xfe;
    frame
}

fn broadcast(source: u8) -> Vec<u8> {
    let mut frame = frame(0, source);
    frame[..6].fill(0xff);
    frame
}

#[test]
fn a_port_relays_nothing_before_spanning_tree_lets_it() {
    let mut out = Wire::default();
    let mut switch = switch(1, true, 2, &mut out);
    for second in 0..30 {
        run(&mut switch, s(second), &mut out);
        switch.receive(s(second), n(1), &broadcast(1), &mut out);
        assert_eq!(out.ports(), [0_u16; 0], "at {second} s");
        let learned = switch.cam().len();
        assert_eq!(learned > 2, second >= 15, "at {second} s");
    }
    run(&mut switch, s(30), &mut out);
    switch.receive(s(30), n(1), &broadcast(1), &mut out);
    assert_eq!(out.ports(), [2]);
    let counters = switch.port(n(1)).unwrap().counters();
    assert_eq!(counters.drops(DropReason::PortState), 30);
    assert_eq!(counters.received_frames, 31);
    assert!(!out.bpdus.is_empty());
}

#[test]
fn a_vswitch_forwards_with_the_carrier_and_sends_no_bpdu() {
    let mut out = Wire::default();
    let mut switch = switch(1, false, 3, &mut out);
    switch.receive(s(0), n(1), &broadcast(1), &mut out);
    assert_eq!(out.ports(), [2, 3]);
    switch.receive(s(0), n(2), &frame(1, 2), &mut out);
    assert_eq!(out.ports(), [1]);
    switch.link_down(s(1), n(1), &mut out);
    switch.receive(s(1), n(2), &frame(1, 2), &mut out);
    assert_eq!(out.ports(), [3], "flushed with the carrier, so flooded");
    assert!(out.bpdus.is_empty());
    assert!(
        switch.deadline().is_some_and(|due| due > s(1)),
        "ageing only"
    );
    let mut bpdu = frame(0, 9);
    bpdu[..6].copy_from_slice(&[1, 0x80, 0xc2, 0, 0, 0]);
    switch.receive(s(1), n(2), &bpdu, &mut out);
    let counters = switch.port(n(2)).unwrap().counters();
    assert_eq!(counters.drops(DropReason::BpduIgnored), 1);
}

#[test]
fn a_move_tells_both_ports_and_the_frame_that_did_it() {
    let mut out = Wire::default();
    let mut switch = switch(1, false, 3, &mut out);
    switch.receive(s(0), n(1), &frame(9, 5), &mut out);
    let mut rarp = broadcast(5);
    rarp[12..14].copy_from_slice(&[0x80, 0x35]);
    out.events.clear();
    switch.receive(s(1), n(2), &rarp, &mut out);
    let mac = MacAddr::new(0xaa, 0, 0, 0, 0, 5);
    assert_eq!(
        out.events,
        [Event::CamMove {
            vlan: VLAN_1(),
            mac,
            from: name("p1"),
            to: name("p2"),
            cause: Cause::Rarp,
        }]
    );
    assert_eq!(switch.cam().lookup(s(1), VLAN_1(), mac), Some(n(2)));
}

#[test]
fn entries_expire_at_the_ageing_time_with_an_event() {
    let mut out = Wire::default();
    let mut switch = switch(1, false, 2, &mut out);
    switch.receive(s(5), n(1), &frame(9, 5), &mut out);
    out.events.clear();
    run(&mut switch, s(304), &mut out);
    assert_eq!(out.events, []);
    run(&mut switch, s(305), &mut out);
    assert_eq!(
        out.events,
        [Event::CamExpire {
            vlan: VLAN_1(),
            mac: MacAddr::new(0xaa, 0, 0, 0, 0, 5),
            port: name("p1"),
        }]
    );
}

/// Two switches on two parallel links, in lock step: an event queue of their BPDUs without delay.
struct Pair {
    now: Duration,
    switches: [Switch; 2],
    wires: [Wire; 2],
}

impl Pair {
    fn new() -> Self {
        let mut wires = [Wire::default(), Wire::default()];
        let first = switch(1, true, 3, &mut wires[0]);
        let second = switch(2, true, 3, &mut wires[1]);
        let mut pair = Self {
            now: s(0),
            switches: [first, second],
            wires,
        };
        pair.exchange();
        pair
    }

    /// Delivers BPDUs sent on ports 1 and 2 to the same port of the other switch, until there are none.
    fn exchange(&mut self) {
        loop {
            let batch: [Vec<_>; 2] =
                std::array::from_fn(|i| std::mem::take(&mut self.wires[i].bpdus));
            if batch.iter().all(Vec::is_empty) {
                return;
            }
            for (from, bpdus) in batch.into_iter().enumerate() {
                let to = 1 - from;
                for (port, bpdu) in bpdus.into_iter().filter(|(port, _)| *port < 3) {
                    self.switches[to].receive(self.now, n(port), &bpdu, &mut self.wires[to]);
                }
            }
        }
    }

    fn run(&mut self, until: Duration) {
        loop {
            let due = self.switches.iter().filter_map(Switch::deadline).min();
            let Some(due) = due.filter(|&due| due <= until) else {
                self.now = until;
                return;
            };
            self.now = due;
            for (switch, wire) in self.switches.iter_mut().zip(&mut self.wires) {
                switch.timeout(due, wire);
            }
            self.exchange();
        }
    }

    fn states(&self, switch: usize) -> Vec<(PortRole, PortState)> {
        self.switches[switch]
            .ports()
            .map(|(_, port)| (port.role(TreeId::COMMON), port.state(TreeId::COMMON)))
            .collect()
    }
}

#[test]
fn two_switches_on_two_links_block_one_and_recover_when_the_other_is_cut() {
    use PortRole::{Alternate, Designated, Disabled, Root};
    use PortState::{Blocking, Forwarding};
    let mut pair = Pair::new();
    pair.run(s(35));
    assert_eq!(pair.states(0), [(Designated, Forwarding); 3]);
    assert_eq!(
        pair.states(1),
        [
            (Root, Forwarding),
            (Alternate, Blocking),
            (Designated, Forwarding)
        ]
    );
    // A host behind port 3 of the root; the other switch learns it by port 1.
    let hello = broadcast(7);
    pair.switches[1].receive(s(35), n(1), &hello, &mut pair.wires[1]);
    pair.wires[1].ports();
    let port = n(1);
    pair.switches[1].link_down(s(35), port, &mut pair.wires[1]);
    pair.switches[0].link_down(s(35), port, &mut pair.wires[0]);
    pair.exchange();
    pair.run(s(66));
    assert_eq!(
        pair.states(1),
        [
            (Disabled, PortState::Disabled),
            (Root, Forwarding),
            (Designated, Forwarding)
        ]
    );
    let mac = MacAddr::new(0xaa, 0, 0, 0, 0, 7);
    assert_eq!(pair.switches[1].cam().lookup(s(66), VLAN_1(), mac), None);
    assert!(pair.wires[0].events.contains(&Event::ShortAgeing {
        tree: 0,
        active: true
    }));
}

#[test]
fn a_topology_change_shortens_ageing_and_gives_it_back() {
    let mut pair = Pair::new();
    pair.run(s(100));
    assert_eq!(pair.switches[0].cam().hold_time(), s(300));
    assert_eq!(pair.switches[1].cam().hold_time(), s(300));
    // A port of the leaf that begins to forward is a topology change the root hears of and announces.
    pair.switches[1].link_down(s(100), n(3), &mut pair.wires[1]);
    up(&mut pair.switches[1], s(100), 3, &mut pair.wires[1]);
    pair.exchange();
    pair.run(s(129));
    assert_eq!(pair.switches[0].cam().hold_time(), s(300));
    pair.run(s(133));
    assert_eq!(pair.switches[0].cam().hold_time(), s(15));
    assert_eq!(pair.switches[1].cam().hold_time(), s(15));
    // Max age and forward delay later the root ends it (8.5.3.13).
    pair.run(s(168));
    assert_eq!(pair.switches[0].cam().hold_time(), s(300));
    assert_eq!(pair.switches[1].cam().hold_time(), s(300));
}

#[test]
fn spanning_tree_can_be_switched_off_and_on_without_a_moment_of_forwarding_too_early() {
    let mut out = Wire::default();
    let mut switch = switch(1, true, 2, &mut out);
    switch.set_protocol(s(1), TreeProtocol::Off, &mut out);
    switch.receive(s(1), n(1), &broadcast(1), &mut out);
    assert_eq!(out.ports(), [2]);
    switch.set_protocol(s(2), TreeProtocol::Stp, &mut out);
    switch.receive(s(2), n(1), &broadcast(1), &mut out);
    assert_eq!(out.ports(), [0_u16; 0]);
    run(&mut switch, s(40), &mut out);
    switch.receive(s(40), n(1), &broadcast(1), &mut out);
    assert_eq!(out.ports(), [2]);
}

#[test]
fn a_port_can_be_disabled_changed_and_removed_live() {
    let mut out = Wire::default();
    let mut switch = switch(1, false, 3, &mut out);
    let settings = switch.port(n(3)).unwrap().settings().clone();
    switch.receive(s(0), n(3), &frame(9, 3), &mut out);
    out.sent.clear();
    let disabled = PortSettings {
        enabled: false,
        ..settings.clone()
    };
    switch.set_port(s(1), n(3), disabled, &mut out).unwrap();
    switch.receive(s(1), n(1), &frame(3, 1), &mut out);
    assert_eq!(out.ports(), [2], "entry flushed, port disabled");
    let elsewhere = PortSettings {
        mode: PortMode::Access {
            vlan: VlanId::try_new(20).unwrap(),
        },
        ..settings
    };
    switch.set_port(s(2), n(3), elsewhere, &mut out).unwrap();
    switch.receive(s(2), n(1), &broadcast(1), &mut out);
    assert_eq!(out.ports(), [2], "enabled again, in another VLAN");
    switch.remove_port(s(3), n(2), &mut out).unwrap();
    switch.receive(s(3), n(1), &broadcast(1), &mut out);
    assert_eq!(out.ports(), [0_u16; 0]);
    let counters = switch.port(n(1)).unwrap().counters();
    assert_eq!(counters.drops(DropReason::NoEgress), 1);
    assert_eq!(
        switch.remove_port(s(3), n(2), &mut out),
        Err(SwitchError::NoPort(2))
    );
}

#[test]
fn taken_and_impossible_ports_are_refused_by_name() {
    let mut out = Wire::default();
    let mut switch = switch(1, true, 2, &mut out);
    let add = |switch: &mut Switch, number, text: &str| {
        let settings = PortSettings::new(name(text), MacAddr::new(2, 0, 0, 0, 9, 9));
        switch
            .add_port(s(0), n(number), settings, &mut Wire::default())
            .unwrap_err()
            .to_string()
    };
    assert_eq!(add(&mut switch, 1, "x"), "port number 1 is taken");
    assert_eq!(add(&mut switch, 5, "p1"), "port 'p1' exists already");
    assert_eq!(
        add(&mut switch, 1024, "x"),
        "port number 1024 is not in 1..1023"
    );
}

/// Two cables between two switches without a spanning tree: what a host broadcasts goes round for ever, 10,000 times a
/// second here, until it is dropped.
#[test]
fn a_loop_is_named_within_a_second_and_braked() {
    let mut wires = [Wire::default(), Wire::default()];
    let mut switches = [1, 2].map(|id| switch(id, false, 3, &mut wires[usize::from(id) - 1]));
    let mut relayed = [0_u32; 5];
    for step in 0..50_000 {
        let now = step * Duration::from_micros(100);
        if step % 100 == 0 {
            switches[0].receive(now, n(3), &broadcast(7), &mut wires[0]);
        }
        let second = usize::try_from(now.as_secs()).unwrap().min(4);
        for at in 0..2 {
            let frames: Vec<_> = wires[at].sent.drain(..).collect();
            for (port, frame) in frames.into_iter().filter(|(port, _)| *port < 3) {
                relayed[second] += 1;
                switches[1 - at].receive(now, n(port), &frame, &mut wires[1 - at]);
            }
        }
    }
    // What comes in by a cable leaves by the other; what the host sends, by both.
    let most = 4 * crate::protect::LOOP_RATE.get() + 2 * 100;
    assert!(relayed[0] > most, "it was a storm: {relayed:?}");
    assert!(relayed[3] <= most + 4 && relayed[3] > 0, "{relayed:?}");
    for (at, wire) in wires.iter().enumerate() {
        let cables = [name("p1"), name("p2")];
        let named = wire.events.iter().any(|event| {
            matches!(event, Event::Flapping { from, to, .. } if cables.contains(from) && cables.contains(to))
        });
        assert!(named, "switch {at} names the ports");
    }
    let drops = |switch: &Switch| {
        let ports = [1, 2].map(|port| switch.port(n(port)).unwrap().counters());
        ports.map(|counters| counters.drops(DropReason::StormBroadcast))
    };
    let drops: u64 = switches.iter().flat_map(drops).sum();
    assert!(drops > 0, "what is too much is counted");
}

#[test]
fn a_static_entry_stays_until_it_is_removed() {
    let mut out = Wire::default();
    let mut switch = switch(1, false, 3, &mut out);
    let mac = MacAddr::new(0xaa, 0, 0, 0, 0, 5);
    switch
        .set_static(s(0), VLAN_1(), mac, n(2), &mut out)
        .unwrap();
    switch.receive(s(0), n(1), &frame(9, 5), &mut out);
    out.sent.clear();
    switch.receive(s(5_000), n(3), &frame(5, 3), &mut out);
    assert_eq!(out.ports(), [2]);
    assert!(switch.remove_static(s(5_000), VLAN_1(), mac));
    assert!(!switch.remove_static(s(5_000), VLAN_1(), mac));
}
