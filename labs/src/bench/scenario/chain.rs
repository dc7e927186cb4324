//! Chains: several switches between two hosts.

use crate::bench::BenchError;
use crate::bench::bed::{self, Bed, INTERFACE};
use crate::bench::dut::{Device, Dut};
use crate::bench::plan::Times;
use crate::netns::{self, VethEnd};

use super::{Figures, Setting, frames, stack};

/// How many switches.
pub(in crate::bench) const LENGTHS: [usize; 4] = [1, 2, 4, 8];

/// Names of the figures for each of [`LENGTHS`].
const TCP: [&str; 4] = ["tcp-1", "tcp-2", "tcp-4", "tcp-8"];
const FRAMES: [&str; 4] = ["frames-1", "frames-2", "frames-4", "frames-8"];
const ROUND_TRIPS: [&str; 4] = ["rtt-1", "rtt-2", "rtt-4", "rtt-8"];

/// TCP, smallest frames and round trips through the `nth` of [`LENGTHS`].
pub(in crate::bench) fn chain(
    setting: &Setting<'_>,
    dut: Dut,
    nth: usize,
) -> Result<Figures, BenchError> {
    let bed = build(setting, dut, LENGTHS[nth])?;
    let times: &Times = &setting.times;
    let mut figures = Figures::default();
    let rate = |figures: &Figures, name| figures.get(name).unwrap_or(0.0);
    let tcp = stack::tcp(&bed, times, &[(1, 2)])?;
    figures.put(TCP[nth], rate(&tcp, "rate"));
    let flat_out = frames::flat_out(&bed, times)?;
    figures.put(FRAMES[nth], rate(&flat_out, "received"));
    let round_trip = stack::round_trip(&bed, times)?;
    figures.put(ROUND_TRIPS[nth], rate(&round_trip, "p50"));
    Ok(figures)
}

/// host 1 – switch 1 – switch 2 – … – host 2, all switches in one namespace, a veth pair for each wire.
fn build(setting: &Setting<'_>, dut: Dut, length: usize) -> Result<Bed, BenchError> {
    let plan = setting.plan;
    let label = format!("-chain{length}");
    let (switch, hosts) = bed::namespaces(plan.scratch, dut, 2, &label)?;
    let (left, right) = (|n: usize| format!("l{n}"), |n: usize| format!("r{n}"));
    for (host, port) in hosts.iter().zip([left(1), right(length)]) {
        netns::add_veth(VethEnd::new(&switch, &port), VethEnd::new(host, INTERFACE))?;
    }
    for n in 1..length {
        let ends = (right(n), left(n + 1));
        netns::add_veth(
            VethEnd::new(&switch, &ends.0),
            VethEnd::new(&switch, &ends.1),
        )?;
    }
    let dir = plan.scratch.dir().join(format!("{}{label}", dut.name()));
    let mut devices = Vec::new();
    for n in 1..=length {
        let ports = [left(n), right(n)];
        devices.push(Device::start(
            dut,
            &switch,
            &ports.each_ref().map(String::as_str),
            &dir.join(n.to_string()),
            plan.switchd_args,
        )?);
    }
    Bed::furnish(dut, devices, switch, hosts, dir)
}
