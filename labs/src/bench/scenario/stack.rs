//! Scenarios that use the hosts' own stacks: TCP and round trips.

use crate::bench::bed::Bed;
use crate::bench::plan::Times;
use crate::bench::tools::{self, Awake};
use crate::bench::{BenchError, usage};

use super::Figures;

/// TCP between pairs of hosts.
pub(super) fn tcp(
    bed: &Bed,
    times: &Times,
    pairs: &[(usize, usize)],
) -> Result<Figures, BenchError> {
    let (device, machine) = (bed.device_time(), usage::machine_time());
    let tcp = tools::iperf(bed, pairs, times.tcp)?;
    let (device_end, machine_end) = (bed.device_time(), usage::machine_time());
    let mut figures = Figures::default();
    figures.put("rate", tcp.gbit_per_s);
    let gigabytes = tcp.gigabytes.max(1e-9);
    let device = device.zip(device_end).map(|(begin, end)| end - begin);
    figures.put_some("cpu", device.map(|time| time.as_secs_f64() / gigabytes));
    if pairs.len() == 1 {
        let machine = machine_end.saturating_sub(machine);
        figures.put("machine", machine.as_secs_f64() / gigabytes);
    }
    Ok(figures)
}

/// TCP with segments made by the stack: what a host without offloads gives its switch.
pub(super) fn tcp_plain(bed: &Bed, times: &Times) -> Result<Figures, BenchError> {
    // They stay off: no later scenario of this bed uses these two for TCP.
    for port in [1, 2] {
        bed.offload(port, &["tso", "off", "gso", "off", "gro", "off"])?;
    }
    let mut figures = tcp(bed, times, &[(1, 2)])?;
    figures.values.retain(|(name, _)| *name != "machine");
    Ok(figures)
}

/// UDP round trips.
pub(super) fn round_trip(bed: &Bed, times: &Times) -> Result<Figures, BenchError> {
    let _awake = Awake::keep(bed)?;
    let trips = tools::sockperf(bed, times.round_trip)?;
    let mut figures = Figures::default();
    figures.put("p50", trips.p50);
    figures.put("p99", trips.p99);
    Ok(figures)
}
