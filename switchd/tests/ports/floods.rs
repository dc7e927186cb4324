//! Floods over packet ports: sent by one port and copied to the others by the kernel, or sent by each; nobody can tell
//! from what arrives.

use std::process::Command;

use switchd::config::{PortKind, PortMode, VlanSet};
use switchd::control::Target;
use switchd::counters::DropReason;

use super::support::switch::{Switch, config, number, vlan, workers};
use super::support::wire::{Wire, frame, tagged};
use super::support::{Namespace, eventually};

const BROADCAST: [u8; 6] = [0xff; 6];
const STATION: [u8; 6] = [2, 0, 0, 0, 0, 0xa];
/// Frames sent before they are asked for: fewer than a tap holds.
const BURST: u16 = 100;
/// In place of a number: only there to be many.
const NOISE: u16 = u16::MAX;
const PORTS: u16 = 4;

/// A switch of four packet ports that has sent many floods from port 1.
struct Rig {
    place: Namespace,
    wires: Vec<Wire>,
    switch: Switch,
}

impl Rig {
    /// The frames of ports `read` are read from the beginning.
    fn new(read: &[u16]) -> Self {
        let place = Namespace::new();
        let names = ["w1", "w2", "w3", "w4"];
        let wires: Vec<Wire> = names.iter().map(|name| Wire::new(&place, name)).collect();
        let mut config = config(&names.map(|name| (PortKind::Packet, name)));
        for port in &mut config.ports {
            port.mode = PortMode::Trunk {
                allowed: VlanSet::all(),
                native: vlan(1),
                native_tagged: false,
            };
        }
        let switch = Switch::start(&place, config).unwrap();
        eventually("links", || (1..=PORTS).all(|port| switch.link(port)));
        let rig = Self {
            place,
            wires,
            switch,
        };
        rig.flood(0, 60, read);
        rig.make_it_worth_it();
        // All have seen the last of it, so that only frames with numbers come from here on.
        rig.flood(0, 60, read);
        rig
    }

    /// Floods until the kernel copies; a switch with forwarding threads never has it do that.
    fn make_it_worth_it(&self) {
        let mut bursts = 0;
        eventually("copies by the kernel", || {
            bursts += 1;
            (0..BURST).for_each(|_| self.wires[0].send(&numbered(NOISE, 60)));
            match workers() {
                0 => self.leader().is_some(),
                _ => bursts > 20,
            }
        });
        assert_eq!(self.leader(), (workers() == 0).then_some(2));
    }

    /// The port that sends for the others.
    fn leader(&self) -> Option<u16> {
        let copies = |port: &u16| {
            let port = number(*port);
            let facts = self.switch.ask(move |daemon, _| daemon.port_facts(port));
            facts.unwrap().io.contains("floods copied by the kernel")
        };
        (1..=PORTS).find(copies)
    }

    /// A burst from port 1, its frames numbered from `first` on: each of the ports `to` gets each frame once, in order.
    fn flood(&self, first: u16, len: usize, to: &[u16]) {
        self.burst(first, &|number| numbered(number, len), to);
    }

    fn burst(&self, first: u16, make: &dyn Fn(u16) -> Vec<u8>, to: &[u16]) {
        (first..first + BURST).for_each(|number| self.wires[0].send(&make(number)));
        for &port in to {
            for number in first..first + BURST {
                let what = format!("frame {number} at port {port}");
                let wire = &self.wires[usize::from(port) - 1];
                let got = wire.receive(&what, |frame| is_ours(frame) && !is_noise(frame));
                assert_eq!(got, make(number), "{what}");
            }
        }
    }

    fn drops(&self, reason: DropReason) -> [u64; 3] {
        [2, 3, 4].map(|port| self.switch.drops(port, reason))
    }

    fn transmitted(&self) -> [(u64, u64); 3] {
        self.switch.ask(|daemon, _| {
            [2, 3, 4].map(|port| {
                let counters = daemon.switch().port(number(port)).unwrap().counters();
                (counters.transmitted_frames, counters.transmitted_octets)
            })
        })
    }
}

/// A broadcast frame of `len` octets with a number in it.
fn numbered(number: u16, len: usize) -> Vec<u8> {
    let mut payload = number.to_be_bytes().to_vec();
    payload.resize(len - 14, 0);
    frame(BROADCAST, STATION, &payload)
}

fn is_ours(frame: &[u8]) -> bool {
    frame[..6] == BROADCAST && frame[6..12] == STATION
}

fn is_noise(frame: &[u8]) -> bool {
    frame[14..16] == NOISE.to_be_bytes()
}

#[test]
fn every_port_gets_each_frame_of_a_flood_once_and_in_order() {
    let rig = Rig::new(&[2, 3, 4]);
    let before = rig.transmitted();
    for burst in 1..=10 {
        rig.flood(burst * BURST, 60, &[2, 3, 4]);
        rig.flood(burst * BURST, 1514, &[2, 3, 4]);
    }
    let frames = 20 * u64::from(BURST);
    let octets = frames / 2 * (60 + 1514);
    let after = before.map(|(f, o)| (f + frames, o + octets));
    assert_eq!(rig.transmitted(), after);
    for reason in [DropReason::TransmitError, DropReason::TransmitDown] {
        assert_eq!(rig.drops(reason), [0; 3], "{reason:?}");
    }
}

#[test]
fn a_frame_that_is_too_long_for_one_port_is_counted_there_and_reaches_the_others() {
    let rig = Rig::new(&[2, 3, 4]);
    // Port 2 sends for the others: that one, and one of those.
    for (short, others, counted) in [(3, [2, 4], [0, 100, 0]), (2, [3, 4], [100, 100, 0])] {
        rig.place.ip(&format!("link set w{short} mtu 600"));
        rig.flood(1000, 1000, &others);
        eventually("the last is counted", || {
            rig.drops(DropReason::TransmitError) == counted
        });
        rig.place.ip(&format!("link set w{short} mtu 1500"));
        rig.flood(2000, 1000, &[2, 3, 4]);
    }
    // A tag may be more than the MTU; four octets without may not.
    let long_and_tagged = |number| tagged(&numbered(number, 1514), [0x81, 0, 0, 1]);
    let long_and_plain = |number| numbered(number, 1518);
    let in_another_vlan = |number| tagged(&numbered(number, 1514), [0x81, 0, 0, 10]);
    let arrives: Vec<Vec<u8>> = (0..BURST)
        .map(|number| numbered(3000 + number, 1514))
        .collect();
    (3000..3000 + BURST).for_each(|number| rig.wires[0].send(&long_and_tagged(number)));
    for wire in &rig.wires[1..] {
        for wanted in &arrives {
            assert_eq!(&wire.receive("untagged", is_ours), wanted);
        }
    }
    rig.burst(4000, &in_another_vlan, &[2, 3, 4]);
    (0..BURST).for_each(|number| rig.wires[0].send(&long_and_plain(number)));
    eventually("all are counted", || {
        rig.drops(DropReason::TransmitError) == [200, 200, 100]
    });
    rig.flood(5000, 60, &[2, 3, 4]);
}

#[test]
fn a_port_that_is_not_read_loses_its_own_frames_and_those_are_counted() {
    /// Frames that a tap holds.
    const QUEUE: u64 = 500;
    let rig = Rig::new(&[2, 4]);
    // Without a queueing discipline the interface itself says that it is full.
    let tc = ["qdisc", "replace", "dev", "w3", "root", "noqueue"];
    let set = rig.place.run(|| Command::new("tc").args(tc).status());
    assert!(set.unwrap().success());
    let full = || rig.drops(DropReason::TransmitFull);
    let (full_before, sent_before) = (full(), rig.transmitted());
    for burst in 1..=10 {
        rig.flood(burst * BURST, 60, &[2, 4]);
    }
    let frames = 10 * u64::from(BURST);
    let lost = [0, 1, 2].map(|port| full()[port] - full_before[port]);
    assert_eq!((lost[0], lost[2]), (0, 0));
    assert!(lost[1] >= frames - QUEUE, "{lost:?}");
    for (port, lost) in lost.into_iter().enumerate() {
        let (before, after) = (sent_before[port], rig.transmitted()[port]);
        assert_eq!(after.0 - before.0 + lost, frames, "port {}", port + 2);
        assert_eq!(after.1 - before.1, 60 * (after.0 - before.0));
    }
}
