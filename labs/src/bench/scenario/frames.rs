//! Scenarios of the bench's own frames: rates, latency, fan-out, fairness, and what must not be relayed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use pnet_base::MacAddr;

use crate::bench::bed::{Bed, station};
use crate::bench::plan::Times;
use crate::bench::search::Search;
use crate::bench::traffic::{Addresses, Rate, Reading, Sink, Stream};
use crate::bench::{BenchError, usage};

use super::{Figures, PORTS, joined};

/// One frame of so many is read where rates are measured; all are counted.
const SAMPLE: Reading = Reading::OneOf(32);
/// Loss of a trial that still passes.
const LOSS: f64 = 0.001;
/// How much slower than asked for a generator may be before a trial counts as failed.
const PACE: f64 = 0.97;
/// Frames before a measurement, so that flows are set up and caches are warm.
const WARM_UP: Duration = Duration::from_millis(100);
const THOUSAND: f64 = 1000.0;

fn to_second(bed: &Bed, rate: Rate, time: Duration) -> Stream {
    Stream {
        rate,
        time,
        ..bed.stream(bed.number(), 1, station(2))
    }
}

/// Smallest frames flat out from port 1 to port 2.
pub(super) fn flat_out(bed: &Bed, times: &Times) -> Result<Figures, BenchError> {
    bed.measure(&to_second(bed, Rate::FlatOut, WARM_UP), SAMPLE)?;
    let stream = to_second(bed, Rate::FlatOut, times.flat_out);
    let measured = bed.measure(&stream, SAMPLE)?;
    let mut figures = Figures::default();
    let received = (measured.received as f64).max(1.0);
    let micros = |time: Duration| time.as_secs_f64() * 1e6 / received;
    figures.put("offered", measured.sent.rate() / THOUSAND);
    figures.put("received", measured.rate() / THOUSAND);
    figures.put_some("cpu", measured.device_time.map(micros));
    figures.put("machine", micros(measured.machine_time));
    figures.put("reordered", measured.tally.reordered as f64);
    figures.put("duplicates", measured.tally.duplicates as f64);
    Ok(figures)
}

/// The greatest rate with hardly any loss.
pub(super) fn throughput(bed: &Bed, times: &Times) -> Result<Figures, BenchError> {
    let first = bed.measure(&to_second(bed, Rate::FlatOut, WARM_UP), SAMPLE)?;
    // What arrives flat out may be less than what arrives at a gentler rate, but not by that much.
    let ceiling = Duration::from_secs_f64(first.rate() * 1.5 / 1e9).as_nanos();
    let search = Search {
        ceiling: u64::try_from(ceiling).unwrap_or(u64::MAX),
        resolution: 0.03,
        trials: times.trials,
    };
    let rate = search.run(|rate| {
        let stream = to_second(bed, Rate::PerSecond(rate), times.trial);
        let measured = bed.measure(&stream, SAMPLE)?;
        let lost = measured.lost() as f64 / measured.sent.offered as f64;
        Ok::<_, BenchError>(lost < LOSS && measured.sent.rate() > rate as f64 * PACE)
    })?;
    let mut figures = Figures::default();
    figures.put("rate", rate as f64 / THOUSAND);
    Ok(figures)
}

/// Latency at half of what the search found, in thousands of frames a second; at 20,000 if it was not done.
pub(super) fn latency(
    bed: &Bed,
    times: &Times,
    throughput: Option<f64>,
) -> Result<Figures, BenchError> {
    let rate = throughput.map_or(20_000.0, |thousands| thousands * THOUSAND / 2.0);
    let rate = Duration::from_secs_f64(rate.max(1000.0) / 1e9).as_nanos();
    let rate = Rate::PerSecond(u64::try_from(rate).unwrap_or(u64::MAX));
    let measured = bed.measure(&to_second(bed, rate, times.latency), Reading::All)?;
    let mut figures = Figures::default();
    figures.put("rate", measured.sent.rate() / THOUSAND);
    figures.put("p50", measured.tally.latency_us(50.0));
    figures.put("p99", measured.tally.latency_us(99.0));
    figures.put("lost", measured.lost() as f64);
    Ok(figures)
}

/// Smallest broadcast frames flat out from port 1 to all others.
pub(super) fn broadcast(bed: &Bed, times: &Times) -> Result<Figures, BenchError> {
    let ports: Vec<usize> = (2..=PORTS).collect();
    let stream = |time| Stream {
        time,
        ..bed.stream(bed.number(), 1, Addresses::broadcast())
    };
    bed.send(1, &stream(WARM_UP))?;
    let before: u64 = bed.quiet(&ports)?.iter().sum();
    let (device, machine) = (bed.device_time(), usage::machine_time());
    let sent = bed.send(1, &stream(times.flat_out))?;
    let after: u64 = bed.quiet(&ports)?.iter().sum();
    let (device_end, machine_end) = (bed.device_time(), usage::machine_time());
    let copies = (after - before) as f64;
    let micros = |time: Duration| time.as_secs_f64() * 1e6 / copies.max(1.0);
    let mut figures = Figures::default();
    figures.put(
        "delivered",
        copies / sent.elapsed.as_secs_f64().max(1e-9) / THOUSAND,
    );
    let device = device.zip(device_end).map(|(begin, end)| end - begin);
    figures.put_some("cpu", device.map(micros));
    figures.put("machine", micros(machine_end.saturating_sub(machine)));
    Ok(figures)
}

/// Port 1 sends to port 2, which is idle, and as much to port 4, which port 3 floods. What is lost on port 2 is lost to
/// head-of-line blocking.
pub(super) fn congestion(bed: &Bed, times: &Times) -> Result<Figures, BenchError> {
    const RATE: u64 = 20_000;
    let number = bed.number();
    let idle = Stream {
        rate: Rate::PerSecond(RATE),
        time: times.flat_out,
        ..bed.stream(number, 1, station(2))
    };
    let to_flooded = Stream {
        number: bed.number(),
        destination: station(4),
        ..idle
    };
    let flood = bed.stream(bed.number(), 3, station(4));
    let sink = bed.sink(2, number, Reading::All)?;
    let before = bed.received(4)?;
    let stop = AtomicBool::new(false);
    let (idle, flooded) = std::thread::scope(|scope| {
        let flooding = scope.spawn(|| bed.send_until(3, &flood, &stop));
        let second = scope.spawn(|| bed.send_until(1, &to_flooded, &stop));
        let first = bed.send(1, &idle);
        stop.store(true, Ordering::Relaxed);
        let (_, flooded) = (joined(second), joined(flooding));
        (first, flooded)
    });
    let (idle, flooded) = (idle?, flooded?);
    let after = bed.quiet(&[2, 4])?;
    let received = after.get(1).map_or(0, |after| after - before) as f64;
    let distinct = sink.finish().distinct();
    let mut figures = Figures::default();
    let lost = idle.offered.saturating_sub(distinct) as f64;
    figures.put("lost", 100.0 * lost / (idle.offered as f64).max(1.0));
    let seconds = flooded.elapsed.as_secs_f64().max(1e-9);
    figures.put("flooded", received / seconds / THOUSAND);
    Ok(figures)
}

/// Frames that no bridge relays, a hundred of each kind; how many came out anywhere.
pub(super) fn errored(bed: &Bed) -> Result<Figures, BenchError> {
    const EACH: u64 = 100;
    let group = Addresses::one(MacAddr::new(0x03, 0xb5, 0, 0, 0, 1));
    let zero = Addresses::one(MacAddr::zero());
    let reserved = Addresses::one(MacAddr::new(0x01, 0x80, 0xc2, 0, 0, 0x0e));
    let mut relayed = 0;
    for (source, destination) in [
        (group, station(2)),
        (zero, station(2)),
        (station(1), reserved),
    ] {
        let number = bed.number();
        let sinks: Vec<Sink> = (2..=PORTS)
            .map(|port| bed.sink(port, number, Reading::All))
            .collect::<Result<_, _>>()?;
        let stream = Stream {
            source,
            rate: Rate::PerSecond(5_000),
            frames: EACH,
            ..bed.stream(number, 1, destination)
        };
        bed.send(1, &stream)?;
        bed.quiet(&[2])?;
        sinks.iter().for_each(Sink::stop);
        let most = sinks.into_iter().map(|sink| sink.finish().distinct()).max();
        relayed += most.unwrap_or(0);
    }
    let mut figures = Figures::default();
    figures.put("relayed", relayed as f64);
    Ok(figures)
}
