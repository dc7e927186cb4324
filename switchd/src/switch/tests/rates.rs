//! Rates of ports: what is dropped, where it is counted, and what is left alone.

use super::*;
use crate::meter::{BURST_MIN, BitRate, RateLimits};

/// Gives a port a rate, live.
fn limit(switch: &mut Switch, port: u16, rate: RateLimits, out: &mut Wire) {
    let held = switch.port(n(port)).unwrap().settings().clone();
    let settings = PortSettings { rate, ..held };
    switch.set_port(s(0), n(port), settings, out).unwrap();
}

/// 8 kbit/s, a thousand octets a second, in the directions named.
fn slow(input: bool, output: bool) -> RateLimits {
    let rate = BitRate::new(8_000);
    RateLimits {
        input: rate.filter(|_| input),
        output: rate.filter(|_| output),
        burst: None,
    }
}

fn super_frame(octets: usize, from: u8, to: u8) -> Vec<u8> {
    let mut super_frame = frame(to, from);
    super_frame.resize(octets, 0);
    super_frame
}

fn drops(switch: &Switch, port: u16) -> [u64; 2] {
    let counters = switch.port(n(port)).unwrap().counters();
    [DropReason::ReceiveRate, DropReason::TransmitRate].map(|reason| counters.drops(reason))
}

#[test]
fn what_comes_in_above_the_rate_is_dropped_and_still_teaches() {
    let mut out = Wire::default();
    let mut switch = switch(1, false, 3, &mut out);
    limit(&mut switch, 1, slow(true, false), &mut out);
    let burst = usize::try_from(BURST_MIN).unwrap();
    switch.receive(s(1), n(1), &super_frame(burst, 9, 8), &mut out);
    assert_eq!(out.ports(), [2, 3], "a super-frame passes as a whole");
    switch.receive(s(1), n(1), &super_frame(60, 7, 8), &mut out);
    assert_eq!((out.ports().len(), drops(&switch, 1)), (0, [1, 0]));
    switch.receive(s(1), n(2), &super_frame(60, 8, 7), &mut out);
    assert_eq!(
        out.ports(),
        [1],
        "it has taught where 7 is, and out is free"
    );
    switch.receive(s(2), n(1), &super_frame(1_000, 9, 8), &mut out);
    switch.receive(s(2), n(1), &super_frame(14, 9, 8), &mut out);
    assert_eq!((out.ports(), drops(&switch, 1)), (vec![2], [2, 0]));
}

#[test]
fn what_leaves_above_the_rate_is_dropped_at_that_port_alone() {
    let mut out = Wire::default();
    let mut switch = switch(1, false, 3, &mut out);
    limit(&mut switch, 2, slow(false, true), &mut out);
    switch.receive(s(1), n(1), &super_frame(66_000, 9, 8), &mut out);
    assert_eq!(out.ports(), [2, 3]);
    switch.receive(s(1), n(1), &broadcast(9), &mut out);
    assert_eq!((out.ports(), drops(&switch, 2)), (vec![3], [0, 1]));
    switch.receive(s(1), n(2), &super_frame(60_000, 8, 9), &mut out);
    assert_eq!(out.ports(), [1], "what it takes in is free");
    limit(&mut switch, 2, RateLimits::default(), &mut out);
    switch.receive(s(1), n(1), &broadcast(9), &mut out);
    assert_eq!((out.ports(), drops(&switch, 2)), (vec![2, 3], [0, 1]));
    assert!(!switch.is_metered, "no port has a rate any more");
}

#[test]
fn bpdus_pass_a_port_whose_rate_is_used_up() {
    let mut one = Wire::default();
    let mut two = Wire::default();
    let mut root = switch(1, true, 2, &mut one);
    let mut other = switch(2, true, 2, &mut two);
    for (switch, out) in [(&mut root, &mut one), (&mut other, &mut two)] {
        run(switch, s(40), out);
        limit(switch, 1, slow(true, true), out);
        // Both buckets: what leaves by port 1, and what comes in there.
        switch.receive(s(40), n(2), &super_frame(66_000, 9, 8), out);
        switch.receive(s(40), n(1), &super_frame(66_000, 7, 6), out);
        out.sent.clear();
        out.bpdus.clear();
        switch.receive(s(40), n(2), &broadcast(9), out);
        switch.receive(s(40), n(1), &broadcast(7), out);
        assert_eq!((out.ports().len(), drops(switch, 1)), (0, [1, 1]));
    }
    run(&mut root, s(43), &mut one);
    let hello = one.bpdus.iter().find(|(port, _)| *port == 1).unwrap();
    other.receive(s(43), n(1), &hello.1, &mut two);
    assert_eq!(
        other
            .bridge()
            .unwrap()
            .tree(stp::TreeId::COMMON)
            .root
            .address(),
        MacAddr::new(2, 0, 0, 0, 1, 0)
    );
}

/// 10 Mbit/s with the smallest bucket.
const RATE: u64 = 10_000_000;
const OCTETS_A_SECOND: usize = 1_250_000;

fn vid(vlan: u16) -> VlanId {
    VlanId::try_new(vlan).unwrap()
}

/// Port 1 carries VLANs 10 and 20 untagged and tagged, port 2 both tagged at a rate, port 3 the same without.
fn trunks(rate: RateLimits, out: &mut Wire) -> Switch {
    let mut switch = switch(1, false, 3, out);
    let tagged: VlanSet = [vid(10), vid(20)].into_iter().collect();
    for port in 1..=3 {
        let held = switch.port(n(port)).unwrap().settings().clone();
        let mode = PortMode::Hybrid {
            pvid: vid(10),
            tagged: tagged.clone(),
            untagged: [vid(10)].into_iter().filter(|_| port == 1).collect(),
        };
        let rate = if port == 2 { rate } else { held.rate };
        let settings = PortSettings { mode, rate, ..held };
        switch.set_port(s(0), n(port), settings, out).unwrap();
    }
    switch
}

fn tagged(frame: &[u8], vlan: u16) -> Vec<u8> {
    let [high, low] = vlan.to_be_bytes();
    [&frame[..12], &[0x81, 0, high, low], &frame[12..]].concat()
}

/// Offers frames at four times the rate for ten seconds, in two VLANs by turns: octets that left by port `counted`, by
/// the time they had in microseconds.
fn offer(
    switch: &mut Switch,
    (port, counted): (u16, u16),
    out: &mut Wire,
) -> Vec<(usize, Vec<u8>)> {
    let plain = super_frame(1_000, 9, 8);
    let mut passed = Vec::new();
    for (turn, at) in (0..10_000_000).step_by(200).enumerate() {
        let now = Duration::from_micros(at);
        let frame = match turn % 2 {
            0 => tagged(&plain, 20),
            _ if port == 1 => plain.clone(),
            _ => tagged(&plain, 10),
        };
        switch.receive(now, n(port), &frame, out);
        let left = out.sent.drain(..).filter(|(port, _)| *port == counted);
        passed.extend(left.map(|(_, frame)| (usize::try_from(at).unwrap(), frame)));
    }
    passed
}

#[test]
fn a_tagged_flood_passes_at_the_rate_to_within_a_hundredth_and_never_above() {
    let burst = usize::try_from(BURST_MIN).unwrap();
    let rate = BitRate::new(RATE);
    // Out of the port with the rate, and into it.
    for (ports, limits, reason) in [
        ((1, 2), [None, rate], DropReason::TransmitRate),
        ((2, 3), [rate, None], DropReason::ReceiveRate),
    ] {
        let [input, output] = limits;
        let limits = RateLimits {
            input,
            output,
            burst: crate::meter::Burst::new(BURST_MIN),
        };
        let mut out = Wire::default();
        let mut switch = trunks(limits, &mut out);
        let passed = offer(&mut switch, ports, &mut out);
        let mut sum = 0;
        for (at, frame) in &passed {
            assert_eq!((frame.len(), &frame[12..14]), (1_004, &[0x81, 0][..]));
            sum += frame.len();
            let most = at * OCTETS_A_SECOND / 1_000_000 + burst;
            assert!(sum <= most, "{sum} octets after {at} µs: at most {most}");
        }
        let later = passed.iter().filter(|(at, _)| *at >= 1_000_000);
        let later: usize = later.map(|(_, frame)| frame.len()).sum();
        let exact = 9 * OCTETS_A_SECOND;
        assert!(later.abs_diff(exact) * 100 <= exact, "{later} of {exact}");
        let dropped = switch.port(n(2)).unwrap().counters().drops(reason);
        assert_eq!(usize::try_from(dropped).unwrap(), 50_000 - passed.len());
        // When nothing has come for a while, a bucket passes at once, and not a frame more.
        for _ in 0..100 {
            let frame = tagged(&super_frame(1_000, 9, 8), 20);
            switch.receive(s(20), n(ports.0), &frame, &mut out);
        }
        let bucketful = out.ports().iter().filter(|port| **port == ports.1).count();
        assert_eq!(bucketful, burst / 1_004);
    }
}
