//! Worked topologies: drawn, run, and compared with the roles that the drawing expects.

use crate::harness::{World, s};
use stp::BridgeTimes;

/// Two forward delays, the hello that the last bridge waits for, and some hops.
const COLD_START: u64 = 2 * 15 + 2 + 1;

fn converges(text: &str) -> World {
    let mut world = World::new(text);
    world.run(s(COLD_START));
    world.check_expected();
    assert_eq!(
        world.roles(),
        world.oracle(),
        "the drawing and the graph differ"
    );
    world
}

#[test]
fn one_bridge_alone_is_the_root() {
    converges(
        "bridge 1 0x8000: 1=a 2=b
         expect 1: 1=D 2=D",
    );
}

#[test]
fn two_bridges_on_two_lans_block_the_second() {
    converges(
        "bridge 1 0x8000: 1=a 2=b
         bridge 2 0x8000: 1=a 2=b
         expect 1: 1=D 2=D
         expect 2: 1=R 2=A",
    );
}

#[test]
fn parallel_links_go_by_the_designated_port_not_the_own() {
    converges(
        "bridge 1 0x8000: 1=a 2=b
         bridge 2 0x8000: 1=b 2=a
         expect 1: 1=D 2=D
         expect 2: 1=A 2=R",
    );
}

#[test]
fn triangle_blocks_opposite_the_root() {
    converges(
        "bridge 1 0x8000: 1=a 2=b
         bridge 2 0x8000: 1=a 2=c
         bridge 3 0x8000: 1=b 2=c
         expect 1: 1=D 2=D
         expect 2: 1=R 2=D
         expect 3: 1=R 2=A",
    );
}

#[test]
fn priority_beats_address() {
    converges(
        "bridge 1 0x8000: 1=a 2=b
         bridge 2 0x8000: 1=a 2=c
         bridge 3 0x7000: 1=b 2=c
         expect 3: 1=D 2=D
         expect 1: 1=D 2=R
         expect 2: 1=A 2=R",
    );
}

#[test]
fn cost_beats_hops() {
    converges(
        "bridge 1 0x1000: 1=a 2=b
         bridge 2 0x8000: 1=a 2=c
         bridge 3 0x8000: 1=b/100 2=c
         expect 1: 1=D 2=D
         expect 2: 1=R 2=D
         expect 3: 1=A 2=R",
    );
}

#[test]
fn equal_costs_go_by_the_designated_bridge() {
    converges(
        "bridge 1 0x1000: 1=a 2=b
         bridge 2 0x8000: 1=a 2=c
         bridge 3 0x8000: 1=b 2=d
         bridge 4 0x8000: 1=d 2=c
         expect 2: 1=R 2=D
         expect 3: 1=R 2=D
         expect 4: 1=A 2=R",
    );
}

#[test]
fn two_ports_on_one_lan_make_a_backup() {
    converges(
        "bridge 1 0x1000: 1=a
         bridge 2 0x8000: 1=a 2=b 3=b
         expect 1: 1=D
         expect 2: 1=R 2=D 3=B",
    );
    converges(
        "bridge 1 0x1000: 1=a 2=a 3=a
         expect 1: 1=D 2=B 3=B",
    );
}

#[test]
fn shared_lan_with_root_alternate_backup_and_designated() {
    converges(
        "bridge 1 0x1000: 1=a 2=b
         bridge 2 0x8000: 1=a 2=shared 3=shared
         bridge 3 0x8000: 1=b 2=shared
         bridge 4 0x8000: 1=shared 2=leaf
         expect 1: 1=D 2=D
         expect 2: 1=R 2=D 3=B
         expect 3: 1=R 2=A
         expect 4: 1=R 2=D",
    );
}

/// The overview's picture of clause 8.3: five bridges, five LANs, one shared by four.
#[test]
fn lans_with_many_bridges() {
    converges(
        "bridge 1 0x1000: 1=a 2=b
         bridge 2 0x8000: 1=a 2=c
         bridge 3 0x8000: 1=a/5 2=c 3=d
         bridge 4 0x8000: 1=b 2=d 3=e
         bridge 5 0x8000: 1=c 2=e
         expect 1: 1=D 2=D
         expect 2: 1=R 2=A
         expect 3: 1=R 2=D 3=D
         expect 4: 1=R 2=A 3=D
         expect 5: 1=R 2=A",
    );
}

#[test]
fn figure_of_eight_of_six() {
    converges(
        "bridge 1 0x8000: 1=ab 2=af
         bridge 2 0x8000: 1=ab 2=bc 3=be
         bridge 3 0x8000: 1=bc 2=cd
         bridge 4 0x8000: 1=cd 2=de
         bridge 5 0x8000: 1=de 2=ef 3=be
         bridge 6 0x8000: 1=ef 2=af
         expect 1: 1=D 2=D
         expect 2: 1=R 2=D 3=D
         expect 3: 1=R 2=D
         expect 4: 1=R 2=A
         expect 5: 1=D 2=A 3=R
         expect 6: 1=D 2=R",
    );
}

#[test]
fn fastest_legal_times_converge_in_eight_seconds_and_a_hello() {
    let times = BridgeTimes::new(s(6), s(1), s(4)).unwrap();
    let mut world = World::with_times(
        "bridge 1 0x8000: 1=a 2=b
         bridge 2 0x8000: 1=a 2=c
         bridge 3 0x8000: 1=b 2=c
         expect 1: 1=D 2=D
         expect 2: 1=R 2=D
         expect 3: 1=R 2=A",
        times,
    );
    world.run(s(9) + crate::harness::HOP * 4);
    world.check_expected();
}

#[test]
fn same_drawing_same_deeds() {
    let run = || {
        let mut world = World::new(
            "bridge 1 0x8000: 1=a 2=b 3=h/edge
             bridge 2 0x8000: 1=a 2=c
             bridge 3 0x8000: 1=b 2=c",
        );
        world.run(s(40));
        world.cut("a");
        world.run(s(60));
        world.deeds
    };
    assert_eq!(run(), run());
}
