//! Frames that nobody meant: a bridge's own that come back to it, and mangled ones.

use std::collections::BTreeMap;
use std::time::Duration;

use pnet_base::MacAddr;
use proptest::prelude::*;
use stp::{Action, Bpdu, Bridge, Event, PortRole, PortState, llc};

use crate::harness::{World, port_number, s};

/// Longer than anything a mangled BPDU says can be believed: three hello times of 256 s, the most that fit into one.
const FORGOTTEN: Duration = Duration::from_secs(1_000);
const PROTOCOLS: [&str; 4] = ["stp", "rstp", "mstp/7", "mstp"];

/// A settled triangle. With `mstp/7` it is one region, with `mstp` three.
fn triangle(protocol: &str) -> World {
    let word = |number: u8| match protocol {
        "mstp" => format!("mstp/{number}"),
        other => other.to_owned(),
    };
    let mut world = World::new(&format!(
        "bridge 1 0x8000 {}: 1=a 2=b
         bridge 2 0x8000 {}: 1=a 2=c
         bridge 3 0x8000 {}: 1=b 2=c",
        word(1),
        word(2),
        word(3)
    ));
    world.run(s(60));
    assert_eq!(world.roles(), world.oracle());
    world
}

fn shown(world: &World) -> BTreeMap<(u8, u16), (PortRole, PortState)> {
    let roles = world.roles().into_iter();
    roles
        .map(|((bridge, port), role)| ((bridge, port), (role, world.state(bridge, port))))
        .collect()
}

/// What a port said last; notifications name nobody.
fn said(world: &World, bridge: u8, port: u16) -> Option<Bpdu> {
    let mut deeds = world
        .deeds
        .iter()
        .rev()
        .filter(|deed| deed.bridge == bridge);
    deeds.find_map(|deed| {
        let Action::Transmit { port: by, bpdu } = &deed.action else {
            return None;
        };
        (by.get() == port && *bpdu != Bpdu::Tcn).then(|| bpdu.clone())
    })
}

/// mcheck (802.1D-2004 17.19.13) at all ports that speak classic; whether there were any.
fn find_out_again(world: &mut World) -> bool {
    let ports = world.roles().into_keys();
    let classic: Vec<_> = ports
        .filter(|&(bridge, port)| !world.port(bridge, port).send_rstp)
        .collect();
    for &(bridge, port) in &classic {
        let mcheck =
            |bridge: &mut Bridge, now| bridge.check_migration(now, port_number(port)).to_vec();
        world.act(bridge, mcheck);
    }
    !classic.is_empty()
}

/// 802.1D-2004 17.24 has no way back from it: the one that is told answers in classic words, which the other hears. In a
/// region the link is then a boundary, and costs what an external one does.
#[test]
fn a_forged_notification_makes_both_ends_classic_until_management_has_them_find_out_again() {
    for protocol in ["rstp", "mstp/7", "mstp"] {
        let mut world = triangle(protocol);
        let before = world.roles();
        let port = port_number(1);
        world.event(
            2,
            Event::Received {
                port,
                bpdu: &Bpdu::Tcn,
            },
        );
        world.run(FORGOTTEN);
        let are_classic =
            [(1, 1), (2, 1)].map(|(bridge, port)| !world.port(bridge, port).send_rstp);
        assert_eq!(are_classic, [true; 2], "{protocol}");
        assert_eq!(world.roles() != before, protocol == "mstp/7", "{protocol}");
        assert!(find_out_again(&mut world));
        world.run(s(60));
        assert_eq!(world.roles(), before, "{protocol}");
        assert!(!find_out_again(&mut world), "{protocol}");
    }
}

/// 802.1D-2004 9.3.4: a thousand of them change nothing and are counted.
#[test]
fn what_comes_back_to_its_port_changes_nothing() {
    for protocol in PROTOCOLS {
        let mut world = triangle(protocol);
        let before = shown(&world);
        let mut told = 0;
        for &(bridge, port) in before.keys() {
            let Some(bpdu) = said(&world, bridge, port) else {
                continue;
            };
            told += 1;
            let counted = world.port(bridge, port).counters.discarded_own;
            for _ in 0..1_000 {
                let port = port_number(port);
                let actions = world.event(bridge, Event::Received { port, bpdu: &bpdu });
                assert_eq!(actions, [], "{protocol} {bridge}.{port}");
            }
            let now_counted = world.port(bridge, port).counters.discarded_own;
            assert_eq!(now_counted, counted + 1_000, "{protocol} {bridge}.{port}");
            assert_eq!(shown(&world), before, "{protocol} {bridge}.{port}");
        }
        assert!(told >= 3, "every LAN has somebody who speaks");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Some mangled frames are good BPDUs that lie. Whatever they bring about, when they have ceased it passes; but that two
    /// neighbours take each other for classic bridges, which is for management to end.
    #[test]
    fn mangled_frames_pass(
        protocol in prop::sample::select(PROTOCOLS.to_vec()),
        frames in prop::collection::vec(
            (1..4_u8, 1..3_u16, prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)),
            1..12,
        ),
    ) {
        let mut world = triangle(protocol);
        world.forbid_loops = false;
        for (bridge, port, mangles) in frames {
            let Some(bpdu) = said(&world, bridge, port) else {
                continue;
            };
            let mut frame = llc::frame(MacAddr::new(2, 0, 0, 0, 1, bridge), &bpdu);
            for (index, octet) in mangles {
                let index = index.index(frame.len());
                frame[index] = octet;
            }
            if let Ok(bpdu) = llc::unframe(&frame) {
                for (to, through) in world.neighbours(bridge, port) {
                    let port = port_number(through);
                    world.event(to, Event::Received { port, bpdu: &bpdu });
                }
            }
            world.run(Duration::from_millis(300));
        }
        world.run(FORGOTTEN);
        if protocol != "stp" && find_out_again(&mut world) {
            world.run(s(60));
        }
        prop_assert_eq!(world.roles(), world.oracle());
        prop_assert!(!world.has_loop());
    }
}
