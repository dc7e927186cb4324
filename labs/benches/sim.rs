//! How fast virtual time passes, and how cost grows with size. Prints one line for each figure.
//!
//! `cargo bench -p labs --bench sim [-- NAME…]`; names: `torus`, `ring`, `growth`, `fat-tree`. Each figure is the median
//! processor time of five runs in one process (the fat tree: one run, with the memory it needed). Timers are the defaults. Rings and
//! tori are deeper than the 20 bridges that max age allows when every bridge adds a second to the message age, so theirs
//! add the least there is, 1/256 s, as the Linux bridge does.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a program that prints figures about worlds it builds itself"
)]

use std::time::Duration;

use cam::Capacity;
use labs::sim::{BridgeSpec, Medium, NodeId, World};
use stp::BridgeTimes;

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);
/// Long enough for every tree here.
const BOUND: Duration = Duration::from_secs(600);
const RUNS: usize = 5;

fn main() {
    let names: Vec<String> = std::env::args()
        .skip(1)
        .filter(|name| !name.starts_with('-'))
        .collect();
    let wanted = |name: &str| names.is_empty() || names.iter().any(|wanted| wanted == name);
    if wanted("ring") {
        median("64 bridges in a ring, to convergence", || {
            let mut world = ring(64);
            converge(&mut world);
            world
        });
    }
    if wanted("growth") {
        for side in [8, 16, 32] {
            median(
                &format!("{} bridges in a torus, 10 minutes", side * side),
                || {
                    let mut world = torus(side, BridgeTimes::default());
                    world.run_until(Duration::from_secs(600));
                    world
                },
            );
        }
    }
    if wanted("torus") {
        // Deeper than max age 20 s carries through a start at one instant, where every BPDU waits for the hold timer at
        // every bridge: this tree never stands, and the figure is that of an hour of turmoil.
        median(
            "1024 bridges in a 32x32 torus, 1 hour, default timers",
            || {
                let mut world = torus(32, BridgeTimes::default());
                world.run_until(HOUR);
                world
            },
        );
        let long = BridgeTimes::new(40 * SECOND, 2 * SECOND, 21 * SECOND).unwrap();
        median(
            "1024 bridges in a 32x32 torus, 1 hour, max age 40 s",
            || {
                let mut world = torus(32, long);
                world.run_until(HOUR);
                world
            },
        );
    }
    if wanted("fat-tree") {
        let begin = processor_time();
        let mut world = fat_tree(90);
        let built = processor_time() - begin;
        converge(&mut world);
        figures(
            "10,125 bridges in a fat tree, to convergence",
            processor_time() - begin,
            &world,
        );
        println!(
            "    built in {built:.2?}; memory at the most {}",
            peak_memory()
        );
    }
}

/// Runs until the last change is two hellos past; worlds here change nothing later.
fn converge(world: &mut World) {
    let settled = world.run_while_not(BOUND, |world| {
        let last = world.changes().last().unwrap_or_default();
        world.now() >= last + Duration::from_secs(4) && world.is_settled()
    });
    assert!(settled, "it did not converge");
}

fn median(what: &str, run: impl Fn() -> World) {
    let mut times: Vec<(Duration, World)> = Vec::new();
    for _ in 0..RUNS {
        let begin = processor_time();
        let world = run();
        times.push((processor_time() - begin, world));
    }
    times.sort_by_key(|(time, _)| *time);
    let (time, world) = &times[RUNS / 2];
    figures(what, *time, world);
}

fn figures(what: &str, time: Duration, world: &World) {
    let totals = world.totals();
    let per = |count: u64| time.as_secs_f64() * 1e9 / (count.max(1) as f64);
    println!(
        "{what}: {:.3} s; {} events, {:.2} M/s; {} BPDUs, {:.0} ns each; converged at {:?}",
        time.as_secs_f64(),
        totals.events,
        totals.events as f64 / time.as_secs_f64() / 1e6,
        totals.bpdus,
        per(totals.bpdus),
        world.changes().last().unwrap_or_default(),
    );
}

fn bridges(world: &mut World, count: usize, times: BridgeTimes) -> Vec<NodeId> {
    let increment = Duration::from_nanos(1_000_000_000 / 256);
    let times = times.with_message_age_increment(increment).unwrap();
    (0..count)
        .map(|n| {
            let spec = BridgeSpec::new(format!("b{n}"))
                .times(times)
                .cam_capacity(cam_capacity());
            world.add_bridge(&spec).unwrap()
        })
        .collect()
}

/// Room for the addresses of a bridge's own ports; there are no stations here.
fn cam_capacity() -> Capacity {
    Capacity::new(128).unwrap()
}

fn wire(world: &mut World, a: NodeId, b: NodeId) {
    world.wire_nodes(&[a, b], Medium::default()).unwrap();
}

fn ring(count: usize) -> World {
    let mut world = World::new(1);
    let nodes = bridges(&mut world, count, BridgeTimes::default());
    for n in 0..count {
        wire(&mut world, nodes[n], nodes[(n + 1) % count]);
    }
    world
}

fn torus(side: usize, times: BridgeTimes) -> World {
    let mut world = World::new(1);
    let nodes = bridges(&mut world, side * side, times);
    for row in 0..side {
        for column in 0..side {
            let here = nodes[row * side + column];
            wire(&mut world, here, nodes[row * side + (column + 1) % side]);
            wire(&mut world, here, nodes[(row + 1) % side * side + column]);
        }
    }
    world
}

/// The k-ary fat tree of Al-Fares et al. (SIGCOMM 2008): k pods of k/2 edge and k/2 aggregation bridges, and (k/2)² cores.
fn fat_tree(k: usize) -> World {
    let half = k / 2;
    let mut world = World::new(1);
    let cores = bridges(&mut world, half * half, BridgeTimes::default());
    for pod in 0..k {
        let add = |world: &mut World, kind: &str, n: usize| {
            let spec = BridgeSpec::new(format!("{kind}{pod}-{n}")).cam_capacity(cam_capacity());
            world.add_bridge(&spec).unwrap()
        };
        let upper: Vec<NodeId> = (0..half).map(|n| add(&mut world, "agg", n)).collect();
        let lower: Vec<NodeId> = (0..half).map(|n| add(&mut world, "edge", n)).collect();
        for (n, &aggregation) in upper.iter().enumerate() {
            for &core in &cores[n * half..(n + 1) * half] {
                wire(&mut world, aggregation, core);
            }
            for &edge in &lower {
                wire(&mut world, aggregation, edge);
            }
        }
    }
    world
}

/// Processor time of this process, which has one thread (proc(5), schedstat): other load on the machine does not count.
fn processor_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    let nanos = stat
        .split_whitespace()
        .next()
        .and_then(|nanos| nanos.parse().ok());
    Duration::from_nanos(nanos.unwrap_or(0))
}

/// The most memory this process ever had resident (proc(5), VmHWM).
fn peak_memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM"));
    line.map_or_else(String::new, |line| {
        line.split_whitespace()
            .skip(1)
            .collect::<Vec<_>>()
            .join(" ")
    })
}
