//! Learning: how fast, how many, and what it does to everybody else.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::bench::bed::{Bed, station};
use crate::bench::plan::Times;
use crate::bench::traffic::{Addresses, Rate, Reading, Stream};
use crate::bench::{BenchError, Dut, tools};

use super::{Figures, PORTS, Setting, joined};

/// Addresses learned.
const ADDRESSES: u32 = 100_000;
/// Unicast beside it, in frames a second.
const BESIDE: u64 = 20_000;
/// The port behind which the addresses are, the one their frames go to, the one that watches for floods.
const LEARNING: usize = 3;
const QUERY: usize = 4;
const MONITOR: usize = PORTS;
/// A set of addresses of each scenario's own.
const SET_LEARNING: u8 = 1;
const SET_FOOTPRINT: u8 = 2;
const SET_CACHING: u8 = 3;
/// Frames a second that every device learns and relays without loss.
const GENTLE: u64 = 50_000;
/// Frames a second to addresses that are not known: Open vSwitch sets up a flow for each.
const GENTLEST: u64 = 5_000;
/// Of how many addresses one is asked after, where all could not be.
const ONE_OF: u32 = 20;

/// What a TCP connection and a stream of unicast saw.
struct Beside {
    gbit_per_s: f64,
    lost: u64,
}

/// Learning at full rate beside unicast and TCP, and the same without learning.
pub(super) fn learning(bed: &Bed, times: &Times) -> Result<Figures, BenchError> {
    let undisturbed = beside(bed, times.tcp)?;
    let learned = Addresses::many(SET_LEARNING, ADDRESSES);
    let stream = Stream {
        source: learned,
        ..bed.stream(bed.number(), LEARNING, station(QUERY))
    };
    let stop = AtomicBool::new(false);
    let (disturbed, offered) = std::thread::scope(|scope| {
        let learning = scope.spawn(|| bed.send_until(LEARNING, &stream, &stop));
        let disturbed = beside(bed, times.learning);
        stop.store(true, Ordering::Relaxed);
        (disturbed, joined(learning))
    });
    let (disturbed, offered) = (disturbed?, offered?);
    let mut figures = Figures::default();
    figures.put("held", held(bed, learned)?);
    figures.put("lost", disturbed.lost as f64);
    figures.put("offered", offered.rate() / 1000.0);
    figures.put("tcp-rate", disturbed.gbit_per_s);
    figures.put(
        "tcp",
        disturbed.gbit_per_s / undisturbed.gbit_per_s.max(1e-9),
    );
    Ok(figures)
}

/// Unicast from port 1 to port 2 and TCP from port 5 to port 6, at once, for `time`.
fn beside(bed: &Bed, time: Duration) -> Result<Beside, BenchError> {
    let number = bed.number();
    let stream = Stream {
        rate: Rate::PerSecond(BESIDE),
        ..bed.stream(number, 1, station(2))
    };
    let sink = bed.sink(2, number, Reading::All)?;
    let stop = AtomicBool::new(false);
    let (tcp, sent) = std::thread::scope(|scope| {
        let unicast = scope.spawn(|| bed.send_until(1, &stream, &stop));
        let tcp = tools::iperf(bed, &[(5, 6)], time);
        stop.store(true, Ordering::Relaxed);
        (tcp, joined(unicast))
    });
    bed.quiet(&[2])?;
    Ok(Beside {
        gbit_per_s: tcp?.gbit_per_s,
        lost: sent?.offered.saturating_sub(sink.finish().distinct()),
    })
}

/// Teaches addresses at a gentle rate, all of them twice.
pub(super) fn teach(bed: &Bed, learned: Addresses) -> Result<(), BenchError> {
    let stream = Stream {
        source: learned,
        rate: Rate::PerSecond(GENTLE),
        frames: 2 * u64::from(learned.count()),
        ..bed.stream(bed.number(), LEARNING, station(QUERY))
    };
    bed.send(LEARNING, &stream)?;
    bed.quiet(&[QUERY])?;
    Ok(())
}

/// Teaches the addresses that memory is measured with.
pub(super) fn teach_footprint(bed: &Bed) -> Result<(), BenchError> {
    teach(bed, Addresses::many(SET_FOOTPRINT, ADDRESSES))
}

/// How many of `learned` the device holds: a frame to each goes to its port alone if it is held, to all others as well
/// if not. If frames are lost, a sample is asked after more gently, and the figure is a least value.
fn held(bed: &Bed, learned: Addresses) -> Result<f64, BenchError> {
    let (there, flooded) = ask(bed, learned, GENTLE)?;
    if there == u64::from(learned.count()) && flooded == 0 {
        return Ok(there as f64);
    }
    let (there, flooded) = ask(bed, learned.every(ONE_OF), GENTLEST)?;
    Ok(there.saturating_sub(flooded) as f64 * f64::from(ONE_OF))
}

/// Sends a frame to each address; how many came to the port they were learned on, how many to the monitor.
fn ask(bed: &Bed, learned: Addresses, rate: u64) -> Result<(u64, u64), BenchError> {
    let number = bed.number();
    let there = bed.sink(LEARNING, number, Reading::All)?;
    let monitor = bed.sink(MONITOR, number, Reading::All)?;
    let stream = Stream {
        rate: Rate::PerSecond(rate),
        frames: learned.count().into(),
        ..bed.stream(number, QUERY, learned)
    };
    bed.send(QUERY, &stream)?;
    bed.quiet(&[LEARNING, MONITOR])?;
    Ok((there.finish().distinct(), monitor.finish().distinct()))
}

/// The greatest of some numbers of addresses of which none is flooded, by binary search with a fresh device for each
/// (RFC 2889, 5.5.3).
pub(in crate::bench) fn caching(setting: &Setting<'_>, dut: Dut) -> Result<Figures, BenchError> {
    const COUNTS: [u32; 8] = [
        1_024, 2_048, 4_096, 8_192, 16_384, 32_768, 65_536, ADDRESSES,
    ];
    let holds = |count: u32| {
        let bed = Bed::start(setting.plan, dut, PORTS, &format!("-{count}"))?;
        let learned = Addresses::many(SET_CACHING, count);
        teach(&bed, learned)?;
        let (there, flooded) = ask(&bed, learned, GENTLE)?;
        Ok::<_, BenchError>(there == u64::from(count) && flooded == 0)
    };
    let mut figures = Figures::default();
    // Most devices hold all, and those that do not are searched.
    if holds(ADDRESSES)? {
        figures.put("capacity", ADDRESSES.into());
        return Ok(figures);
    }
    let (mut good, mut bad) = (None, COUNTS.len() - 1);
    while good.map_or(0, |good| good + 1) < bad {
        let middle = usize::midpoint(good.map_or(0, |good| good + 1), bad - 1);
        if holds(COUNTS[middle])? {
            good = Some(middle);
        } else {
            bad = middle;
        }
    }
    figures.put("capacity", good.map_or(0.0, |good| COUNTS[good].into()));
    Ok(figures)
}
