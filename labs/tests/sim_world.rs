//! Small random networks in virtual time: no forwarding loop at any instant while no frame is lost, and everybody reaches
//! everybody exactly once when it is quiet.

#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests may unwrap as tests do"
)]

use core::time::Duration;

use labs::sim::checks::reach;
use labs::sim::{
    BridgeSpec, Impairment, LinkState, Medium, NodeId, Operation, Power, WireId, World, frame,
};
use proptest::prelude::*;

const S: Duration = Duration::from_secs(1);

/// A network and what is done to it.
#[derive(Clone, Debug)]
struct Case {
    bridges: usize,
    /// Ends of each wire; two or more, repeats allowed.
    wires: Vec<Vec<usize>>,
    delays_us: Vec<u64>,
    jitter_us: u64,
    /// When, which wire or bridge, and whether it fails.
    faults: Vec<(u64, usize, bool)>,
}

fn cases() -> impl Strategy<Value = Case> {
    (2_usize..6).prop_flat_map(|bridges| {
        let wire = prop::collection::vec(0..bridges, 2..4);
        let wires = prop::collection::vec(wire, 1..9);
        let delays = prop::collection::vec(1_u64..200_000, 9);
        let faults = prop::collection::vec((0_u64..120_000, 0_usize..64, any::<bool>()), 0..6);
        (Just(bridges), wires, delays, 0_u64..50_000, faults).prop_map(
            |(bridges, wires, delays_us, jitter_us, faults)| Case {
                bridges,
                wires,
                delays_us,
                jitter_us,
                faults,
            },
        )
    })
}

fn build(case: &Case) -> (World, Vec<NodeId>, Vec<WireId>) {
    let mut world = World::new(1);
    world.watch_cycles();
    let nodes: Vec<NodeId> = (0..case.bridges)
        .map(|n| world.add_bridge(&BridgeSpec::new(format!("b{n}"))).unwrap())
        .collect();
    let wires = case.wires.iter().zip(&case.delays_us).map(|(ends, delay)| {
        let ends: Vec<NodeId> = ends.iter().map(|&end| nodes[end]).collect();
        let medium = Medium {
            impairment: Impairment {
                delay: Duration::from_micros(*delay),
                jitter: Duration::from_micros(case.jitter_us),
                ..Impairment::default()
            },
            ..Medium::default()
        };
        world.wire_nodes(&ends, medium).unwrap()
    });
    let wires = wires.collect();
    for (n, &node) in nodes.iter().enumerate() {
        let host = world.add_listener(&format!("h{n}")).unwrap();
        world.wire_nodes(&[node, host], Medium::default()).unwrap();
    }
    (world, nodes, wires)
}

/// Cut links and dead bridges lose no frame between working ones: carrier tells of them.
fn operation(nodes: &[NodeId], wires: &[WireId], target: usize, fails: bool) -> Operation {
    let index = target % (nodes.len() + wires.len());
    match index.checked_sub(nodes.len()) {
        None => Operation::Power {
            node: nodes[index],
            power: if fails { Power::Off } else { Power::On },
        },
        Some(wire) => Operation::Link {
            wire: wires[wire],
            state: if fails {
                LinkState::Down
            } else {
                LinkState::Up
            },
        },
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn no_frame_goes_round_and_in_the_end_all_is_well(case in cases()) {
        let (mut world, nodes, wires) = build(&case);
        for &(at_ms, target, fails) in &case.faults {
            let operation = operation(&nodes, &wires, target, fails);
            world.schedule(Duration::from_millis(at_ms), operation).unwrap();
        }
        // Somebody talks all the time, so that there is a frame to go round.
        let talkers: Vec<_> = world.stations().collect();
        for second in 0..240_u32 {
            world.run_until(second * S);
            for &node in &talkers {
                let port = world.port(node, 1).unwrap();
                let octets = frame::broadcast(world.address(port).unwrap());
                let flow = world.send(port, octets);
                world.take_flow(flow);
            }
        }
        prop_assert!(world.drain(250 * S));
        let loops: Vec<_> = world
            .findings()
            .iter()
            .filter(|finding| finding.violation.is_loop())
            .collect();
        prop_assert!(loops.is_empty(), "{loops:?}");

        // All that failed is well again, and the tree stands: everybody is reached, once.
        for &wire in &wires {
            world.set_link(wire, LinkState::Up).unwrap();
        }
        for &node in &nodes {
            world.set_power(node, Power::On).unwrap();
        }
        prop_assert!(world.run_quiet(600 * S).is_ok());
        world.take_findings();
        let islands = islands(&case);
        for reach in reach::probe(&mut world, 5 * S) {
            let island = |port: labs::sim::PortRef| {
                let listener = port.node.index() - case.bridges;
                islands[listener]
            };
            let expected = usize::from(island(reach.from) == island(reach.to));
            prop_assert_eq!(reach.arrived, expected, "{:?}", reach);
        }
        prop_assert_eq!(world.findings(), &[]);
    }
}

/// Which bridges are joined at all: bridges of one island have one number.
fn islands(case: &Case) -> Vec<usize> {
    let mut island: Vec<usize> = (0..case.bridges).collect();
    for _ in 0..case.bridges {
        for wire in &case.wires {
            let least = wire.iter().map(|&end| island[end]).min().unwrap();
            for &end in wire {
                island[end] = least;
            }
        }
    }
    island
}
