//! Bad BPDUs of all kinds, a thousand a second on every port, for ten seconds: counted by reason, and nothing comes of them.

use stp::llc;

use super::*;
use crate::vlan::PortMode;

const PORTS: u16 = 8;
/// Every port gets one every millisecond.
const PACE: Duration = Duration::from_millis(1);
const ROUNDS: u32 = 10_000;
/// A port sends so many BPDUs of a tree at most in ten seconds: the hold count, and one a second.
const SENT_MAX: usize = 6 + 10;
/// Until the last topology change of the start has ended.
const SETTLED: Duration = Duration::from_secs(120);
const VLANS: [u16; 2] = [10, 20];

/// An attacker's randomness: xorshift, the same every time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(sides).unwrap()).unwrap()
    }

    fn octet(&mut self) -> u8 {
        u8::try_from(self.roll(256)).unwrap()
    }
}

/// The root of all trees: odd ports are trunks, even ones in VLAN 10.
fn root(protocol: TreeProtocol, out: &mut Wire) -> Switch {
    let mut switch = Switch::new(SwitchConfig {
        bridge: BridgeConfig::new(MacAddr::new(2, 0, 0, 0, 1, 0)),
        protocol,
        instances: Instances::default(),
        cam: MacTableConfig::default(),
    });
    let [access, _] = VLANS.map(|vlan| VlanId::try_new(vlan).unwrap());
    for port in 1..=PORTS {
        let address = MacAddr::new(2, 0, 0, 0, 1, u8::try_from(port).unwrap());
        let mut settings = PortSettings::new(name(&format!("p{port}")), address);
        settings.mode = match port % 2 {
            1 => PortMode::Trunk {
                allowed: "10,20".parse().unwrap(),
                native: access,
                native_tagged: false,
            },
            _ => PortMode::Access { vlan: access },
        };
        switch.add_port(s(0), n(port), settings, out).unwrap();
        up(&mut switch, s(0), port, out);
    }
    switch
}

/// What every port is in every tree.
fn shown(switch: &Switch) -> Vec<(u16, u16, PortRole, PortState)> {
    let mut shown = Vec::new();
    for tree in switch.trees() {
        for port in 1..=PORTS {
            if let Some(status) = switch.port_in_tree(tree, n(port)) {
                shown.push((tree.get(), port, status.role, status.state));
            }
        }
    }
    shown
}

/// A BPDU that is none: another protocol, an unknown type, cut short, or very long and of no sense; to the bridge group
/// address or, where trees listen there, to the shared one.
fn none(dice: &mut Dice, shared: bool) -> Vec<u8> {
    let mut payload = match dice.roll(4) {
        0 => vec![0, 1 + u8::try_from(dice.roll(255)).unwrap(), 2, 2],
        1 => vec![0, 0, 2, 0x03 + u8::try_from(dice.roll(0x7d)).unwrap()],
        2 => vec![0, 0, 0, 0],
        _ => vec![0xff; 1_400],
    };
    let cut = dice.roll(30);
    if payload.len() < 30 {
        payload.extend((0..cut).map(|_| dice.octet()));
    }
    let (address, service): (_, &[u8]) = match shared {
        true => (
            llc::SHARED_SPANNING_TREE_ADDRESS,
            b"\xaa\xaa\x03\0\0\x0c\x01\x0b",
        ),
        false => (llc::BRIDGE_GROUP_ADDRESS, b"\x42\x42\x03"),
    };
    let mut frame = address.octets().to_vec();
    frame.extend([2, 0, 0, 0, 9, dice.octet()]);
    let length = u16::try_from(service.len() + payload.len()).unwrap();
    frame.extend(length.to_be_bytes());
    frame.extend(service);
    frame.extend(payload);
    frame
}

/// What the port itself said last to the bridge group address.
fn own(out: &Wire, port: u16) -> Option<Vec<u8>> {
    let group = llc::BRIDGE_GROUP_ADDRESS.octets();
    let mut said = out.bpdus.iter().rev();
    let said = said.find(|(by, frame)| *by == port && frame.starts_with(&group));
    said.map(|(_, frame)| frame.clone())
}

/// BPDUs of the port's own that have come back to it, in all trees.
fn come_back(switch: &Switch, port: u16) -> u64 {
    let trees = switch.trees().into_iter();
    let ports = trees.filter_map(|tree| switch.port_in_tree(tree, n(port)));
    ports.map(|port| port.counters.discarded_own).sum()
}

#[test]
fn ten_thousand_bad_bpdus_on_every_port_change_nothing() {
    for protocol in [
        TreeProtocol::Stp,
        TreeProtocol::Rstp,
        TreeProtocol::Mstp,
        TreeProtocol::Pvst,
        TreeProtocol::RapidPvst,
    ] {
        let mut out = Wire::default();
        let mut switch = root(protocol, &mut out);
        run(&mut switch, SETTLED, &mut out);
        let before = shown(&switch);
        assert!(before.iter().all(|port| port.3 == PortState::Forwarding));
        let echoes: Vec<Vec<u8>> = (1..=PORTS).map(|port| own(&out, port).unwrap()).collect();
        let learned = switch.cam().len();
        out = Wire::default();
        let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
        let (mut bad, mut echoed) = ([0; 8], [0; 8]);
        for round in 1..=ROUNDS {
            let now = SETTLED + round * PACE;
            run(&mut switch, now, &mut out);
            for (place, echo) in echoes.iter().enumerate() {
                let port = u16::try_from(place + 1).unwrap();
                if dice.roll(4) == 0 {
                    echoed[place] += 1;
                    switch.receive(now, n(port), echo, &mut out);
                } else {
                    bad[place] += 1;
                    // Elsewhere the shared address is that of any group.
                    let shared = protocol.is_per_vlan() && dice.roll(2) == 0;
                    switch.receive(now, n(port), &none(&mut dice, shared), &mut out);
                }
            }
        }
        assert_eq!(shown(&switch), before, "{protocol}");
        assert_eq!(out.events, [], "{protocol}: nothing to tell");
        assert_eq!(out.ports(), [0_u16; 0], "{protocol}: nothing is relayed");
        assert_eq!(switch.cam().len(), learned, "{protocol}: nobody is learned");
        for place in 0..usize::from(PORTS) {
            let port = u16::try_from(place + 1).unwrap();
            let counters = switch.port(n(port)).unwrap().counters();
            let counted = counters.drops(DropReason::BpduInvalid);
            assert_eq!(counted, bad[place], "{protocol} p{port}");
            assert_eq!(
                come_back(&switch, port),
                echoed[place],
                "{protocol} p{port}"
            );
            // A trunk's trees speak once each, the native one twice.
            let sent = out.bpdus.iter().filter(|(by, _)| *by == port).count();
            assert!(sent <= 3 * SENT_MAX, "{protocol} p{port}: {sent}");
        }
    }
}
