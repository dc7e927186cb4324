//! What is done with a device, scenario by scenario. Each function fills in figures that [`catalogue`](super::catalogue)
//! names.

mod bpdu;
mod chain;
mod footprint;
mod frames;
mod learning;
mod stack;

pub(super) use bpdu::bpdu;
pub(super) use chain::{LENGTHS, chain};
pub(super) use footprint::footprint;
pub(super) use learning::caching;

use super::BenchError;
use super::bed::{Bed, Plan};
use super::plan::Times;

/// Ports of a test bed.
pub(super) const PORTS: usize = 8;

/// What every scenario is given.
#[derive(Clone, Copy, Debug)]
pub(super) struct Setting<'a> {
    pub(super) plan: Plan<'a>,
    pub(super) times: Times,
}

/// Figures of one scenario, one device and one round.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Figures {
    pub(super) values: Vec<(&'static str, f64)>,
}

impl Figures {
    fn put(&mut self, name: &'static str, value: f64) {
        self.values.push((name, value));
    }

    /// A figure that some devices do not have.
    fn put_some(&mut self, name: &'static str, value: Option<f64>) {
        if let Some(value) = value {
            self.put(name, value);
        }
    }

    fn get(&self, name: &str) -> Option<f64> {
        let found = self.values.iter().find(|(found, _)| *found == name);
        found.map(|(_, value)| *value)
    }
}

/// Does a scenario that runs on a bed of [`PORTS`] ports; `earlier` are the figures of this round so far.
pub(super) fn on_bed(
    name: &str,
    bed: &Bed,
    setting: &Setting<'_>,
    earlier: &Figures,
) -> Result<Figures, BenchError> {
    let times = &setting.times;
    match name {
        "tcp" => stack::tcp(bed, times, &[(1, 2)]),
        "tcp-pairs" => stack::tcp(bed, times, &[(1, 2), (3, 4)]),
        "tcp-plain" => stack::tcp_plain(bed, times),
        "round-trip" => stack::round_trip(bed, times),
        "flat-out" => frames::flat_out(bed, times),
        "throughput" => frames::throughput(bed, times),
        "latency" => frames::latency(bed, times, earlier.get("rate")),
        "broadcast" => frames::broadcast(bed, times),
        "congestion" => frames::congestion(bed, times),
        "errored" => frames::errored(bed),
        "learning" => learning::learning(bed, times),
        other => Err(BenchError::Usage(format!("there is no scenario {other}"))),
    }
}

/// What a thread returned; its panic is ours.
fn joined<T>(thread: std::thread::ScopedJoinHandle<'_, T>) -> T {
    match thread.join() {
        Ok(value) => value,
        Err(panic) => std::panic::resume_unwind(panic),
    }
}
