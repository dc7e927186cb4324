//! Every arrow of every figure is taken by a scenario, and none that is in no figure. docs/CONFORMANCE.md is written from
//! here: `CONFORMANCE=write cargo test -p stp --test network conformance`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::Path;

use stp::{Inconsistency, Machine, Protocol, Region, Transition, TreeConfig, TreeId, VlanMap};

use crate::harness::{HOP, World, port_number, s};

/// The arrows of a machine: from each of these boxes to each of those. `*`: a change of role, from any box of another.
/// An arrow that leaves every box of a figure is listed from the boxes that are not left at once.
type Arrows = &'static [(&'static str, &'static str)];

const FIGURES: &[(Machine, &str, Arrows)] = &[
    (
        Machine::PortReceive,
        "17-14",
        &[("DISCARD", "RECEIVE"), ("RECEIVE", "RECEIVE DISCARD")],
    ),
    (
        Machine::PortProtocolMigration,
        "17-15",
        &[
            ("CHECKING_RSTP", "SENSING CHECKING_RSTP"),
            ("SENSING", "CHECKING_RSTP SELECTING_STP"),
            ("SELECTING_STP", "SENSING"),
        ],
    ),
    (
        Machine::BridgeDetection,
        "17-16",
        &[("EDGE", "NOT_EDGE"), ("NOT_EDGE", "EDGE")],
    ),
    (
        Machine::PortTransmit,
        "17-17",
        &[
            ("TRANSMIT_INIT", "IDLE"),
            (
                "IDLE",
                "TRANSMIT_PERIODIC TRANSMIT_CONFIG TRANSMIT_TCN TRANSMIT_RSTP TRANSMIT_INIT",
            ),
            (
                "TRANSMIT_PERIODIC TRANSMIT_CONFIG TRANSMIT_TCN TRANSMIT_RSTP",
                "IDLE",
            ),
        ],
    ),
    (
        Machine::PortInformation,
        "17-18",
        &[
            ("DISABLED", "AGED"),
            ("AGED", "UPDATE"),
            ("UPDATE", "CURRENT"),
            ("CURRENT", "UPDATE AGED RECEIVE DISABLED"),
            (
                "RECEIVE",
                "SUPERIOR_DESIGNATED REPEATED_DESIGNATED INFERIOR_DESIGNATED NOT_DESIGNATED OTHER",
            ),
            (
                "SUPERIOR_DESIGNATED REPEATED_DESIGNATED INFERIOR_DESIGNATED NOT_DESIGNATED OTHER",
                "CURRENT",
            ),
        ],
    ),
    (
        Machine::PortRoleSelection,
        "17-19",
        &[
            ("INIT_TREE", "ROLE_SELECTION"),
            ("ROLE_SELECTION", "ROLE_SELECTION"),
        ],
    ),
    (
        Machine::PortRoleTransitions,
        "17-20 to 17-23; 802.1Q 13.35",
        &[
            ("INIT_PORT", "DISABLE_PORT"),
            (
                "*",
                "DISABLE_PORT ROOT_PORT DESIGNATED_PORT BLOCK_PORT MASTER_PORT",
            ),
            ("DISABLE_PORT DISABLED_PORT", "DISABLED_PORT"),
            (
                "ROOT_PORT",
                "ROOT_PROPOSED ROOT_AGREED ROOT_DISCARD REROOT REROOTED ROOT_FORWARD ROOT_LEARN",
            ),
            (
                "ROOT_PROPOSED ROOT_AGREED ROOT_DISCARD REROOT REROOTED ROOT_FORWARD ROOT_LEARN",
                "ROOT_PORT",
            ),
            (
                "DESIGNATED_PORT",
                "DESIGNATED_PROPOSE DESIGNATED_SYNCED DESIGNATED_RETIRED DESIGNATED_FORWARD DESIGNATED_LEARN \
                 DESIGNATED_DISCARD",
            ),
            (
                "DESIGNATED_PROPOSE DESIGNATED_SYNCED DESIGNATED_RETIRED DESIGNATED_FORWARD DESIGNATED_LEARN \
                 DESIGNATED_DISCARD",
                "DESIGNATED_PORT",
            ),
            ("BLOCK_PORT", "ALTERNATE_PORT"),
            (
                "ALTERNATE_PORT",
                "ALTERNATE_PORT ALTERNATE_PROPOSED ALTERNATE_AGREED BACKUP_PORT",
            ),
            (
                "ALTERNATE_PROPOSED ALTERNATE_AGREED BACKUP_PORT",
                "ALTERNATE_PORT",
            ),
            (
                "MASTER_PORT",
                "MASTER_PROPOSED MASTER_AGREED MASTER_SYNCED MASTER_RETIRED MASTER_FORWARD MASTER_LEARN \
                 MASTER_DISCARD",
            ),
            (
                "MASTER_PROPOSED MASTER_AGREED MASTER_SYNCED MASTER_RETIRED MASTER_FORWARD MASTER_LEARN \
                 MASTER_DISCARD",
                "MASTER_PORT",
            ),
        ],
    ),
    (
        Machine::PortStateTransition,
        "17-24",
        &[
            ("DISCARDING", "LEARNING"),
            ("LEARNING", "FORWARDING DISCARDING"),
            ("FORWARDING", "DISCARDING"),
        ],
    ),
    (
        Machine::TopologyChange,
        "17-25",
        &[
            ("INACTIVE", "LEARNING"),
            ("LEARNING", "LEARNING DETECTED INACTIVE"),
            ("DETECTED NOTIFIED_TC PROPAGATING ACKNOWLEDGED", "ACTIVE"),
            ("NOTIFIED_TCN", "NOTIFIED_TC"),
            (
                "ACTIVE",
                "LEARNING NOTIFIED_TCN NOTIFIED_TC PROPAGATING ACKNOWLEDGED",
            ),
        ],
    ),
];

/// The role that a box of the role transitions belongs to.
fn role_of(name: &str) -> &str {
    match name {
        "INIT_PORT" | "DISABLE_PORT" | "DISABLED_PORT" => "DISABLED",
        "REROOT" | "REROOTED" => "ROOT",
        "BLOCK_PORT" | "BACKUP_PORT" => "ALTERNATE",
        _ => name.split('_').next().unwrap(),
    }
}

/// The arrow of the figures that a transition is; `None`: of no figure. A port that is told to block while it blocks
/// (alternate becomes backup) changes its role too.
fn arrow(taken: Transition) -> Option<(Machine, &'static str, &'static str)> {
    let (_, _, arrows) = FIGURES.iter().find(|figure| figure.0 == taken.machine)?;
    let changes_role = role_of(taken.from) != role_of(taken.to) || taken.to == "BLOCK_PORT";
    for (from, to) in *arrows {
        let leads = to.split_whitespace().any(|to| to == taken.to);
        if !leads {
            continue;
        }
        if *from == "*" && changes_role {
            return Some((taken.machine, "*", taken.to));
        }
        if from.split_whitespace().any(|from| from == taken.from) {
            return Some((taken.machine, taken.from, taken.to));
        }
    }
    None
}

/// All arrows, in the order of the figures.
fn all() -> Vec<(Machine, &'static str, &'static str)> {
    let mut all = Vec::new();
    for (machine, _, arrows) in FIGURES {
        for (from, to) in *arrows {
            for from in from.split_whitespace() {
                all.extend(to.split_whitespace().map(|to| (*machine, from, to)));
            }
        }
    }
    all
}

const TRIANGLE: &str = "bridge 1 0x1000: 1=a 2=b 3=x/edge
    bridge 2 0x8000: 1=a 2=c 3=y/edge
    bridge 3 0x8000: 1=b 2=c 3=z/edge";

/// Takes a port out of service and puts it back.
fn bounce(world: &mut World, bridge: u8, port: u16) {
    for on in [false, true] {
        world.act(bridge, |bridge, now| {
            bridge.set_port_enabled(now, port_number(port), on).to_vec()
        });
        world.run(s(5));
    }
}

fn speak(world: &mut World, bridge: u8, protocol: Protocol) {
    world.act(bridge, |bridge, now| {
        let config = stp::BridgeConfig {
            protocol,
            ..*bridge.config()
        };
        bridge.configure(now, config).to_vec()
    });
}

fn a_ring_is_cut_and_joined() -> World {
    let mut world = World::of(Protocol::Rstp, TRIANGLE);
    world.run(s(10));
    for (lan, pause) in [("b", 10), ("a", 10), ("a", 1), ("a", 10)] {
        world.cut(lan);
        world.run(s(pause));
        world.join(lan);
        world.run(s(pause));
    }
    bounce(&mut world, 3, 2);
    bounce(&mut world, 2, 1);
    world.silence("b");
    world.run(s(20));
    world
}

fn a_bridge_is_made_the_root_by_priority() -> World {
    let mut world = World::of(Protocol::Rstp, TRIANGLE);
    world.run(s(10));
    for priority in [0, 0xf000] {
        world.act(3, |bridge, now| {
            let config = stp::BridgeConfig {
                priority: stp::BridgePriority::new(priority).unwrap(),
                ..*bridge.config()
            };
            bridge.configure(now, config).to_vec()
        });
        world.run(s(60));
    }
    world
}

fn a_classic_bridge_comes_and_goes() -> World {
    let mut world = World::of(Protocol::Rstp, TRIANGLE);
    world.forbid_loops = false;
    world.run(s(10));
    for (bridge, protocol) in [
        (3, Protocol::Stp),
        (1, Protocol::Stp),
        (3, Protocol::Rstp),
        (1, Protocol::Rstp),
    ] {
        speak(&mut world, bridge, protocol);
        world.run(s(80));
        bounce(&mut world, 3, 3);
        world.cut("c");
        world.run(s(70));
        world.join("c");
        world.run(s(70));
        for bridge in 1..=3 {
            for port in 1..=2 {
                world.act(bridge, |bridge, now| {
                    bridge.check_migration(now, port_number(port)).to_vec()
                });
            }
        }
        world.run(s(80));
    }
    world
}

fn ports_share_lans() -> World {
    let mut world = World::new(
        "bridge 1 0x1000 rstp: 1=a 2=a 3=b 4=b
         bridge 2 0x8000 rstp: 1=a 2=b 3=c 4=c
         bridge 3 0x8000 rstp: 1=a 2=c
         bridge 4 0x8000 stp: 1=c",
    );
    world.run(s(80));
    for lan in ["a", "b", "c", "a"] {
        world.cut(lan);
        world.run(s(40));
        world.join(lan);
        world.run(s(60));
    }
    world
}

fn a_guard_holds_ports_and_lets_them_go() -> World {
    let mut world = World::of(Protocol::Rstp, TRIANGLE);
    world.run(s(10));
    for (bridge, port) in [(2, 1), (1, 1), (3, 1)] {
        for why in [Some(Inconsistency::Pvid), None] {
            world.act(bridge, |bridge, now| {
                bridge.hold_port(now, port_number(port), why).to_vec()
            });
            world.run(s(40));
        }
    }
    world
}

/// Bridges 2 to 4 are a region with an instance; bridge 1, the root, is outside, and two ways lead there.
fn a_region_has_two_ways_out(outside: Protocol) -> World {
    let mut world = World::new(&format!(
        "bridge 1 0x1000 {outside}: 1=a 2=b
         bridge 2 0x8000 mstp/7: 1=a 2=c 3=d 4=x/edge
         bridge 3 0x8000 mstp/7: 1=b 2=c 3=e
         bridge 4 0x8000 mstp/7: 1=d 2=e 3=y",
    ));
    let instance = TreeId::new(1).unwrap();
    let mut vlans = VlanMap::new();
    vlans.set(10, instance);
    let region = Region {
        revision: 7,
        vlans,
        ..Region::default()
    };
    for bridge in 2..=4 {
        world.act(bridge, |bridge, now| {
            bridge.set_region(now, region.id(), &[instance]).to_vec()
        });
    }
    world.run(s(60));
    let priorities = [(4, 0), (2, 0), (3, 0), (4, 0xf000)];
    for (bridge, priority) in priorities {
        world.act(bridge, |bridge, now| {
            let config = TreeConfig {
                priority: stp::BridgePriority::new(priority).unwrap(),
            };
            bridge.configure_tree(now, instance, config).to_vec()
        });
        world.run(s(10));
    }
    for lan in ["a", "c", "d", "b", "e"] {
        world.cut(lan);
        world.run(s(40));
        world.join(lan);
        world.run(s(40));
    }
    for why in [Some(Inconsistency::Pvid), None] {
        world.act(2, |bridge, now| {
            bridge.hold_port(now, port_number(1), why).to_vec()
        });
        world.run(s(40));
    }
    world.silence("a");
    world.run(HOP * 200);
    world.run(s(40));
    world
}

type Scenario = (&'static str, fn() -> World);

const SCENARIOS: &[Scenario] = &[
    ("a ring is cut and joined", a_ring_is_cut_and_joined),
    (
        "a bridge is made the root by priority",
        a_bridge_is_made_the_root_by_priority,
    ),
    (
        "a classic bridge comes and goes",
        a_classic_bridge_comes_and_goes,
    ),
    ("ports share LANs", ports_share_lans),
    (
        "a guard holds ports and lets them go",
        a_guard_holds_ports_and_lets_them_go,
    ),
    ("a region has two ways to a rapid root", || {
        a_region_has_two_ways_out(Protocol::Rstp)
    }),
    ("a region has two ways to a classic root", || {
        a_region_has_two_ways_out(Protocol::Stp)
    }),
];

type Taken = BTreeMap<(Machine, &'static str, &'static str), BTreeSet<&'static str>>;

fn taken() -> Taken {
    let mut taken = Taken::new();
    for (name, scenario) in SCENARIOS {
        let world = scenario();
        for transition in world.bridges.values().flat_map(stp::Bridge::transitions) {
            let arrow = arrow(transition);
            assert!(arrow.is_some(), "{name}: {transition:?} is in no figure");
            taken.entry(arrow.unwrap()).or_default().insert(name);
        }
    }
    taken
}

fn document(taken: &Taken) -> String {
    let mut text = String::from(
        "# Conformance of the rapid engine\n\n\
         Written by `CONFORMANCE=write cargo test -p stp --test network conformance`; the same test fails when an arrow is\n\
         taken by no scenario, when one is taken that no figure has, and when this page is out of date.\n\n\
         Boxes have the names they have in the figures of IEEE 802.1D-2004 clause 17 and IEEE 802.1Q clause 13. `*` is a box\n\
         of any other role. Where this engine leaves the standard is written in [STP.md](STP.md#departures).\n",
    );
    for (machine, figure, _) in FIGURES {
        let _ = write!(
            text,
            "\n## {machine} (Figure {figure})\n\n| arrow | taken when |\n|---|---|\n"
        );
        for (of, from, to) in all().into_iter().filter(|arrow| arrow.0 == *machine) {
            let names = taken.get(&(of, from, to)).into_iter().flatten();
            let names: Vec<&str> = names.copied().collect();
            let _ = writeln!(text, "| {from} → {to} | {} |", names.join("; "));
        }
    }
    text
}

#[test]
fn every_arrow_is_taken_and_written_down() {
    let taken = taken();
    let missing: Vec<_> = all()
        .into_iter()
        .filter(|arrow| !taken.contains_key(arrow))
        .collect();
    assert!(missing.is_empty(), "taken by no scenario: {missing:#?}");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/CONFORMANCE.md");
    let text = document(&taken);
    if std::env::var_os("CONFORMANCE").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == text,
        "docs/CONFORMANCE.md is out of date: CONFORMANCE=write cargo test -p stp --test network conformance"
    );
}
