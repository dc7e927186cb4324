//! The rapid protocol: how fast, and what is told on the way.

use std::time::Duration;

use stp::{PortState, Protocol};

use crate::harness::{HOP, World, s};

const TRIANGLE: &str = "bridge 1 0x8000: 1=a 2=b 3=x/edge
     bridge 2 0x8000: 1=a 2=c 3=y/edge
     bridge 3 0x8000: 1=b 2=c 3=z/edge
     expect 1: 1=D 2=D 3=D
     expect 2: 1=R 2=D 3=D
     expect 3: 1=R 2=A 3=D";

fn settled(text: &str) -> World {
    let mut world = World::of(Protocol::Rstp, text);
    world.run(s(50));
    world.check_expected();
    world
}

/// Runs until `port` of `bridge` forwards; how long that took.
fn until_forwarding(world: &mut World, bridge: u8, port: u16, most: Duration) -> Duration {
    let begin = world.now;
    while world.state(bridge, port) != PortState::Forwarding {
        world.run(Duration::from_millis(1));
        assert!(world.now - begin <= most, "not within {most:?}");
    }
    world.now - begin
}

#[test]
fn a_triangle_forwards_within_milliseconds() {
    let mut world = World::of(Protocol::Rstp, TRIANGLE);
    world.run(HOP * 12);
    world.check_expected();
}

#[test]
fn an_alternate_port_takes_over_at_once() {
    let mut world = settled(TRIANGLE);
    world.cut("b");
    assert_eq!(until_forwarding(&mut world, 3, 2, HOP * 4), Duration::ZERO);
    world.run(s(3));
    world.expect(
        "1: 1=D 2=X 3=D
         2: 1=R 2=D 3=D
         3: 1=X 2=R 3=D",
    );
}

#[test]
fn a_silent_failure_takes_three_hello_times() {
    let mut world = settled(TRIANGLE);
    world.forbid_loops = false;
    world.silence("b");
    let took = until_forwarding(&mut world, 3, 2, s(6));
    assert!(took > s(4) && took <= s(6), "{took:?}");
}

/// Counting to infinity (Elmeleegy, Cox and Ng 2006, section 3): the root is cut off, and its word goes round the
/// three bridges that are left, one turn per second of the hold count, until its message age is max age. For two of
/// these seconds the ring forwards in a circle. Found by the random networks.
#[test]
fn a_dead_roots_word_goes_round_a_triangle_and_opens_a_loop() {
    let mut world = World::new(
        "bridge 1 0x1000 rstp: 1=c/1 2=a/1 3=r/1
         bridge 2 0x1000 rstp: 1=b/1 2=r/1 3=a/1
         bridge 3 0x0000 rstp: 1=r/1
         bridge 4 0x1000 rstp: 1=b/1 2=c/1",
    );
    world.run(Duration::from_millis(8004));
    world.cut("r");
    let begin = world.now;
    let (mut counted, mut looped) = (Duration::ZERO, Duration::ZERO);
    for _ in 0..70_000 {
        world.run(HOP);
        if world.believes_dead_root() {
            counted = world.now - begin;
        }
        if world.has_loop() {
            looped += HOP;
        }
    }
    assert_eq!(world.roles(), world.oracle());
    assert!(counted > s(9) && counted < s(20), "{counted:?}");
    assert_eq!(looped, s(2));
}
