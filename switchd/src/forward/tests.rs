//! The Forwarding Process against a naive model of 802.1Q: the model keeps sets of numbers, builds whole
//! frames by cutting and pasting octets, and asks of each egress port in turn whether the frame may leave.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use cam::MacTableConfig;
use proptest::prelude::*;

use super::*;
use crate::tag::Relayed;
use crate::vlan_set::VlanSet;

const NOW: Duration = Duration::from_secs(1);

#[derive(Clone, Debug)]
struct ModelPort {
    mode: PortMode,
    acceptable: AcceptableFrames,
    filtering: bool,
    state: PortState,
}

impl ModelPort {
    fn carries(&self, vid: u16) -> bool {
        let has = |set: &VlanSet| set.iter().any(|member| member.value() == vid);
        match &self.mode {
            PortMode::Access { vlan } | PortMode::Dot1qTunnel { vlan } => vlan.value() == vid,
            PortMode::Trunk { allowed, .. } => has(allowed),
            PortMode::Hybrid {
                tagged, untagged, ..
            } => has(tagged) || has(untagged),
        }
    }

    fn sends_tagged(&self, vid: u16) -> bool {
        match &self.mode {
            PortMode::Access { .. } | PortMode::Dot1qTunnel { .. } => false,
            PortMode::Trunk {
                native,
                native_tagged,
                ..
            } => native.value() != vid || *native_tagged,
            PortMode::Hybrid { untagged, .. } => !untagged.iter().any(|v| v.value() == vid),
        }
    }
}

#[derive(Default)]
struct Model {
    cam: BTreeMap<(u16, [u8; 6]), u16>,
}

impl Model {
    /// Who gets which octets; nobody, if the frame is dropped or delivered.
    fn receive(
        &mut self,
        ports: &BTreeMap<u16, ModelPort>,
        port: u16,
        frame: &[u8],
    ) -> BTreeMap<u16, Vec<u8>> {
        let nobody = BTreeMap::new();
        let Some(ingress) = ports.get(&port) else {
            return nobody;
        };
        let (destination, source) = (&frame[..6], &frame[6..12]);
        if source[0] & 1 == 1 || source == [0; 6] {
            return nobody;
        }
        if destination[..5] == [1, 0x80, 0xc2, 0, 0] && destination[5] < 16 {
            return nobody;
        }
        let has_tag = frame[12..14] == [0x81, 0x00];
        let tci = has_tag.then(|| u16::from_be_bytes([frame[14], frame[15]]));
        let tagged_vid = tci.map(|tci| tci & 0xfff).filter(|&vid| vid != 0);
        let tunnel = matches!(ingress.mode, PortMode::Dot1qTunnel { .. });
        let acceptable = match ingress.acceptable {
            AcceptableFrames::All => true,
            AcceptableFrames::Tagged => tagged_vid.is_some(),
            AcceptableFrames::Untagged => tagged_vid.is_none(),
        };
        if !tunnel && (!acceptable || tagged_vid == Some(4095)) {
            return nobody;
        }
        let pvid = ingress.mode.pvid().value();
        let vid = if tunnel {
            pvid
        } else {
            tagged_vid.unwrap_or(pvid)
        };
        let mut bare = frame.to_vec();
        if has_tag && !tunnel {
            bare.drain(12..16);
        }
        let priority = tci.unwrap_or(0) & 0xf000;
        if ingress.filtering && !ingress.carries(vid) {
            return nobody;
        }
        if ingress.state == PortState::Learning || ingress.state == PortState::Forwarding {
            self.cam.insert((vid, source.try_into().unwrap()), port);
        }
        let known = (destination[0] & 1 == 0)
            .then(|| self.cam.get(&(vid, destination.try_into().unwrap())))
            .flatten();
        ports
            .iter()
            .filter(|(number, egress)| {
                ingress.state == PortState::Forwarding
                    && egress.state == PortState::Forwarding
                    && **number != port
                    && egress.carries(vid)
                    && known.is_none_or(|known| known == *number)
            })
            .map(|(number, egress)| {
                let mut out = bare.clone();
                if egress.sends_tagged(vid) {
                    let [high, low] = (priority | vid).to_be_bytes();
                    out.splice(12..12, [0x81, 0x00, high, low]);
                }
                (*number, out)
            })
            .collect()
    }
}

/// Few VLANs and stations, so that frames meet; the edges of the range among them.
fn vid() -> impl Strategy<Value = VlanId> {
    prop_oneof![Just(1), Just(10), Just(20), Just(4094)]
        .prop_map(|vid| VlanId::try_new(vid).unwrap())
}

fn vlans() -> impl Strategy<Value = VlanSet> {
    prop_oneof![
        1 => Just(VlanSet::all()),
        4 => proptest::collection::vec(vid(), 0..4).prop_map(VlanSet::from_iter),
    ]
}

fn mode() -> impl Strategy<Value = PortMode> {
    prop_oneof![
        vid().prop_map(|vlan| PortMode::Access { vlan }),
        (vlans(), vid(), any::<bool>()).prop_map(|(allowed, native, native_tagged)| {
            PortMode::Trunk {
                allowed,
                native,
                native_tagged,
            }
        }),
        (vid(), vlans(), vlans()).prop_map(|(pvid, tagged, untagged)| PortMode::Hybrid {
            pvid,
            tagged,
            untagged,
        }),
        vid().prop_map(|vlan| PortMode::Dot1qTunnel { vlan }),
    ]
}

fn port() -> impl Strategy<Value = ModelPort> {
    let acceptable = prop_oneof![
        Just(None),
        Just(Some(AcceptableFrames::All)),
        Just(Some(AcceptableFrames::Tagged)),
        Just(Some(AcceptableFrames::Untagged)),
    ];
    let state = prop_oneof![
        5 => Just(PortState::Forwarding),
        1 => Just(PortState::Learning),
        1 => Just(PortState::Listening),
        1 => Just(PortState::Blocking),
        1 => Just(PortState::Disabled),
    ];
    (mode(), acceptable, any::<bool>(), state).prop_map(|(mode, acceptable, filtering, state)| {
        ModelPort {
            acceptable: acceptable.unwrap_or(mode.acceptable_frames()),
            mode,
            filtering,
            state,
        }
    })
}

fn station() -> impl Strategy<Value = [u8; 6]> {
    prop_oneof![
        20 => (1_u8..6).prop_map(|n| [2, 0, 0, 0, 0, n]),
        2 => Just([0xff; 6]),
        1 => Just([1, 0, 0x5e, 0, 0, 1]),
        1 => (0_u8..18).prop_map(|n| [1, 0x80, 0xc2, 0, 0, n]),
        1 => Just([0; 6]),
    ]
}

fn frame() -> impl Strategy<Value = Vec<u8>> {
    let tci = prop_oneof![
        4 => (vid(), 0_u16..16).prop_map(|(vid, head)| vid.value() | head << 12),
        1 => Just(0),
        1 => Just(0x5000),
        1 => Just(0x0fff),
        1 => any::<u16>(),
    ];
    let tags = proptest::collection::vec(tci, 0..3);
    (
        station(),
        station(),
        tags,
        proptest::collection::vec(any::<u8>(), 2..20),
    )
        .prop_map(|(destination, source, tags, payload)| {
            let mut frame = [destination, source].concat();
            for tci in tags {
                frame.extend([0x81, 0x00]);
                frame.extend(tci.to_be_bytes());
            }
            frame.extend([0x08, 0x00]);
            frame.extend(payload);
            frame
        })
}

fn number(port: u16) -> PortNumber {
    PortNumber::new(port).unwrap()
}

fn under_test(ports: &BTreeMap<u16, ModelPort>) -> Forwarding {
    let mut forwarding = Forwarding::new();
    forwarding.set_ports(
        ports
            .iter()
            .map(|(n, port)| (number(*n), &port.mode, port.acceptable, port.filtering)),
    );
    for (n, port) in ports {
        forwarding.set_state(TreeId::COMMON, number(*n), port.state);
    }
    forwarding
}

/// What leaves by which port, as octets.
fn octets(
    forwarding: &Forwarding,
    ingress: u16,
    verdict: Verdict,
    frame: &[u8],
) -> BTreeMap<u16, Vec<u8>> {
    let Verdict::Relay { tag, strip, egress } = verdict else {
        return BTreeMap::new();
    };
    let form = |port: PortNumber, tagged: bool| {
        let mut out = Vec::new();
        Relayed::new(frame, strip, tagged.then_some(tag)).write_to(&mut out);
        (port.get(), out)
    };
    match egress {
        Egress::Port { port, tagged } => BTreeMap::from([form(port, tagged)]),
        Egress::Flood(_) => forwarding
            .flood(tag.vid, number(ingress))
            .map(|(port, tagged)| form(port, tagged))
            .collect(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn agrees_with_a_naive_model(
        ports in proptest::collection::btree_map(1_u16..9, port(), 1..8),
        frames in proptest::collection::vec((1_u16..9, frame()), 1..40),
    ) {
        let forwarding = under_test(&ports);
        let mut cam = MacTable::new(MacTableConfig::default());
        let mut model = Model::default();
        for (port, frame) in frames {
            let decision = forwarding.decide(&mut cam, NOW, number(port), &frame);
            let expected = model.receive(&ports, port, &frame);
            prop_assert_eq!(octets(&forwarding, port, decision.verdict, &frame), expected, "{:?}", decision);
            for (&(vid, address), &port) in &model.cam {
                let found = cam.lookup(NOW, VlanId::try_new(vid).unwrap(), address.into());
                prop_assert_eq!(found, Some(number(port)));
            }
        }
    }

    #[test]
    fn any_octets_get_a_verdict(
        ports in proptest::collection::btree_map(1_u16..9, port(), 1..8),
        from in 1_u16..12,
        frame in proptest::collection::vec(any::<u8>(), 0..64),
    ) {
        let mut cam = MacTable::new(MacTableConfig::default());
        let forwarding = under_test(&ports);
        let decision = forwarding.decide(&mut cam, NOW, number(from), &frame);
        let out: BTreeSet<u16> = octets(&forwarding, from, decision.verdict, &frame).into_keys().collect();
        prop_assert!(!out.contains(&from));
        prop_assert!(frame.len() >= 14 || decision.verdict == Verdict::Drop(DropReason::Runt));
    }
}

/// Ports 1 to 3 in VLAN 10, port 4 a trunk of VLAN 10 and 20, all forwarding.
fn small() -> BTreeMap<u16, ModelPort> {
    let access = PortMode::Access {
        vlan: VlanId::try_new(10).unwrap(),
    };
    let trunk = PortMode::Trunk {
        allowed: "10,20".parse().unwrap(),
        native: VlanId::try_new(1).unwrap(),
        native_tagged: false,
    };
    [(1, &access), (2, &access), (3, &access), (4, &trunk)]
        .into_iter()
        .map(|(n, mode)| {
            let port = ModelPort {
                mode: mode.clone(),
                acceptable: mode.acceptable_frames(),
                filtering: true,
                state: PortState::Forwarding,
            };
            (n, port)
        })
        .collect()
}

fn ethernet(destination: u8, source: u8, rest: &[u8]) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, destination, 2, 0, 0, 0, 0, source];
    frame.extend(rest);
    frame
}

#[test]
fn every_drop_says_why() {
    let mut ports = small();
    ports.get_mut(&3).unwrap().state = PortState::Blocking;
    let forwarding = under_test(&ports);
    let mut cam = MacTable::new(MacTableConfig::default());
    let ten = VlanId::try_new(10).unwrap();
    cam.insert_local(NOW, ten, [2, 0, 0, 0, 0, 9].into(), number(1))
        .unwrap();
    cam.insert_static(NOW, ten, [2, 0, 0, 0, 0, 3].into(), number(3))
        .unwrap();
    cam.insert_static(NOW, ten, [2, 0, 0, 0, 0, 1].into(), number(1))
        .unwrap();
    let ip = [8, 0, 0];
    let cases: [(u16, Vec<u8>, DropReason); 10] = [
        (1, vec![0; 13], DropReason::Runt),
        (4, ethernet(2, 1, &[0x81, 0, 0]), DropReason::Runt),
        (
            1,
            ethernet(2, 0, &ip).splice_source([0; 6]),
            DropReason::SourceInvalid,
        ),
        (
            1,
            ethernet(2, 0, &ip).splice_source([3; 6]),
            DropReason::SourceInvalid,
        ),
        (
            4,
            ethernet(2, 5, &[0x81, 0, 0x0f, 0xff, 8, 0]),
            DropReason::VidReserved,
        ),
        (
            1,
            ethernet(2, 5, &[0x81, 0, 0, 10, 8, 0]),
            DropReason::FrameType,
        ),
        (4, ethernet(2, 5, &ip), DropReason::IngressFilter),
        (3, ethernet(2, 5, &ip), DropReason::PortState),
        (1, ethernet(9, 5, &ip), DropReason::OwnAddress),
        (1, ethernet(3, 5, &ip), DropReason::EgressFilter),
    ];
    for (port, frame, reason) in cases {
        let decision = forwarding.decide(&mut cam, NOW, number(port), &frame);
        assert_eq!(decision.verdict, Verdict::Drop(reason), "{frame:x?}");
    }
    let same = forwarding.decide(&mut cam, NOW, number(1), &ethernet(1, 5, &ip));
    assert_eq!(same.verdict, Verdict::Drop(DropReason::SamePort));
    let lonely = forwarding.decide(
        &mut cam,
        NOW,
        number(4),
        &ethernet(7, 5, &[0x81, 0, 0, 20, 8, 0]),
    );
    assert_eq!(lonely.verdict, Verdict::Drop(DropReason::NoEgress));
}

trait SpliceSource {
    fn splice_source(self, source: [u8; 6]) -> Self;
}

impl SpliceSource for Vec<u8> {
    fn splice_source(mut self, source: [u8; 6]) -> Self {
        self[6..12].copy_from_slice(&source);
        self
    }
}

#[test]
fn priority_and_drop_eligibility_survive_a_trunk() {
    let mut ports = small();
    let trunk = ports[&4].clone();
    ports.insert(5, trunk);
    let forwarding = under_test(&ports);
    let mut cam = MacTable::new(MacTableConfig::default());
    let frame = ethernet(2, 1, &[0x81, 0, 0xb0, 20, 8, 0, 1, 2, 3]);
    let decision = forwarding.decide(&mut cam, NOW, number(4), &frame);
    let out = octets(&forwarding, 4, decision.verdict, &frame);
    assert_eq!(out, BTreeMap::from([(5, frame)]));
}

#[test]
fn the_sixteen_reserved_addresses_are_delivered_and_the_next_is_relayed() {
    let forwarding = under_test(&small());
    let mut cam = MacTable::new(MacTableConfig::default());
    for last in 0..=0x10 {
        let mut frame = ethernet(0, 1, &[8, 0]);
        frame[..6].copy_from_slice(&[1, 0x80, 0xc2, 0, 0, last]);
        let decision = forwarding.decide(&mut cam, NOW, number(1), &frame);
        assert_eq!(
            matches!(decision.verdict, Verdict::Deliver(_)),
            last < 0x10,
            "{last}"
        );
    }
}
