//! The operations that are measured, in nanoseconds by `frame_path` and in instructions by `instructions`: what a
//! switch of eight ports does with one frame.

use std::hint::black_box;
use std::time::Duration;

use cam::MacTableConfig;
use etherparse::VlanId;
use pnet_base::MacAddr;
use stp::{Bpdu, BridgeConfig, BridgePriority, PathCost, PortNumber};
use switchd::event::Event;
use switchd::frame::Header;
use switchd::tag::{Relayed, Tci};

use switchd::vlan::PortMode;
use switchd::{Instances, PortSettings, Ports, Switch, SwitchConfig, TreeProtocol, VlanSet};

/// Ports 1 to 4 are access ports of VLAN 10, 5 to 8 trunks.
const PORTS: u16 = 8;
const VLAN: u16 = 10;
/// Spanning tree's timers are far away from here.
const NOW: Duration = Duration::from_secs(60);

/// One operation, ready to be repeated.
pub(crate) struct Operation {
    /// The name in results.
    pub(crate) name: &'static str,
    /// Does it once.
    pub(crate) run: Box<dyn FnMut()>,
}

/// All operations, each with a switch of its own.
pub(crate) fn operations() -> Vec<Operation> {
    let tag = |frame: Vec<u8>| tagged(frame, VLAN);
    let (untagged, broadcast) = (frame(station(5), station(1)), frame([0xff; 6], station(1)));
    vec![
        parsed("parse untagged", untagged.clone()),
        parsed("parse tagged", tag(untagged.clone())),
        received("known, access to access", 1, frame(station(2), station(1))),
        received("known, access to trunk", 1, untagged.clone()),
        received(
            "known, trunk to access",
            5,
            tag(frame(station(1), station(5))),
        ),
        received(
            "known, trunk to trunk",
            5,
            tag(frame(station(6), station(5))),
        ),
        received("unknown, flooded to 7", 1, frame(station(99), station(1))),
        received("broadcast to 7", 1, broadcast),
        received("dropped, same port", 1, frame(station(1), station(1))),
        received("dropped, reserved VLAN", 5, tagged(untagged, 4095)),
        learned(),
        received("BPDU, repeated", 8, bpdu_frame()),
        decoded(),
        encoded(),
    ]
}

/// Counts nothing, keeps nothing: what the core itself costs.
struct Nowhere;

impl Ports for Nowhere {
    fn transmit(&mut self, port: PortNumber, frame: Relayed<'_>) {
        black_box((port, frame));
    }

    fn send(&mut self, port: PortNumber, frame: &[u8]) {
        black_box((port, frame));
    }

    fn notice(&mut self, event: Event) {
        black_box(event);
    }
}

fn parsed(name: &'static str, frame: Vec<u8>) -> Operation {
    let run = Box::new(move || {
        black_box(Header::parse(black_box(&frame)));
    });
    Operation { name, run }
}

fn received(name: &'static str, port: u16, frame: Vec<u8>) -> Operation {
    let mut switch = switch();
    let port = number(port);
    let run = Box::new(move || switch.receive(NOW, port, black_box(&frame), &mut Nowhere));
    Operation { name, run }
}

/// Every frame from a station never seen, in a table that is full after 32,768 of them.
fn learned() -> Operation {
    let mut switch = switch();
    let mut next = 0_u32;
    let mut octets = frame(station(2), station(1));
    let run = Box::new(move || {
        next = next.wrapping_add(1);
        octets[8..12].copy_from_slice(&next.to_be_bytes());
        switch.receive(NOW, number(1), black_box(&octets), &mut Nowhere);
    });
    Operation {
        name: "learned, evicts when full",
        run,
    }
}

fn decoded() -> Operation {
    let frame = bpdu_frame();
    let run = Box::new(move || {
        let _ = black_box(stp::llc::unframe(black_box(&frame)));
    });
    Operation {
        name: "BPDU, decode",
        run,
    }
}

fn encoded() -> Operation {
    let bpdu: Bpdu = stp::llc::unframe(&bpdu_frame()).expect("a bridge sends BPDUs");
    let run = Box::new(move || {
        black_box(stp::llc::frame(
            black_box(MacAddr(2, 0, 0, 0, 0, 1)),
            black_box(&bpdu),
        ));
    });
    Operation {
        name: "BPDU, encode",
        run,
    }
}

fn number(port: u16) -> PortNumber {
    PortNumber::new(port).expect("a legal port number")
}

fn vlan(number: u16) -> VlanId {
    VlanId::try_new(number).expect("a legal VLAN")
}

/// The station behind a port.
fn station(number: u8) -> [u8; 6] {
    [0x52, 0x54, 0, 0, 0, number]
}

fn frame(destination: [u8; 6], source: [u8; 6]) -> Vec<u8> {
    let mut octets = [destination, source].concat();
    octets.extend([0x88, 0xb5]);
    octets.resize(60, 0);
    octets
}

fn tagged(mut frame: Vec<u8>, vid: u16) -> Vec<u8> {
    frame.splice(12..12, Tci::of(vlan(vid)).tag());
    frame
}

fn new_switch(priority: u16, address: u8) -> Switch {
    let priority = BridgePriority::new(priority).expect("a multiple of 4096");
    let bridge = BridgeConfig {
        priority,
        ..BridgeConfig::new(MacAddr(2, 0, 0, 0, address, 0))
    };
    Switch::new(SwitchConfig {
        bridge,
        protocol: TreeProtocol::Stp,
        instances: Instances::default(),
        cam: MacTableConfig::default(),
    })
}

fn add_port(switch: &mut Switch, port: u16, mode: PortMode, out: &mut impl Ports) {
    let name = format!("p{port}").parse().expect("a legal name");
    let address = MacAddr(2, 0, 0, 0, 0, u8::try_from(port).expect("eight ports"));
    let settings = PortSettings {
        mode,
        ..PortSettings::new(name, address)
    };
    let cost = PathCost::new(4).expect("a legal cost");
    switch
        .add_port(Duration::ZERO, number(port), settings, out)
        .expect("a free number");
    switch.link_up(Duration::ZERO, number(port), cost, true, out);
}

/// A switch whose ports all forward, with a station behind each of them.
fn switch() -> Switch {
    let mut switch = new_switch(32768, 2);
    for port in 1..=PORTS {
        let mode = if port <= 4 {
            PortMode::Access { vlan: vlan(VLAN) }
        } else {
            PortMode::Trunk {
                allowed: VlanSet::all(),
                native: vlan(1),
                native_tagged: false,
            }
        };
        add_port(&mut switch, port, mode, &mut Nowhere);
    }
    while let Some(due) = switch.deadline().filter(|&due| due < NOW) {
        switch.timeout(due, &mut Nowhere);
    }
    for port in 1..=PORTS {
        let who = station(u8::try_from(port).expect("eight ports"));
        let hello = frame([0xff; 6], who);
        let hello = if port <= 4 {
            hello
        } else {
            tagged(hello, VLAN)
        };
        switch.receive(NOW, number(port), &hello, &mut Nowhere);
    }
    assert_eq!(switch.cam().stats().held.dynamic, usize::from(PORTS));
    switch
}

/// What a better root says.
fn bpdu_frame() -> Vec<u8> {
    struct Sent(Vec<u8>);
    impl Ports for Sent {
        fn transmit(&mut self, _port: PortNumber, _frame: Relayed<'_>) {}
        fn send(&mut self, _port: PortNumber, frame: &[u8]) {
            self.0 = frame.to_vec();
        }
        fn notice(&mut self, _event: Event) {}
    }
    let (mut root, mut sent) = (new_switch(4096, 1), Sent(Vec::new()));
    add_port(&mut root, 1, PortMode::default(), &mut sent);
    sent.0
}
