//! What is measured, in which terms, and what it is held against. All of it is data: tables, JSON and report are made
//! from here.

use super::dut::Dut;

/// A scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scenario {
    /// What `--scenario` calls it.
    pub name: &'static str,
    /// What it is.
    pub title: &'static str,
    /// Where it is defined, or with what it is measured.
    pub clause: &'static str,
    /// What happens.
    pub what: &'static str,
}

/// A figure of a scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    /// The scenario.
    pub scenario: &'static str,
    /// Its name there.
    pub name: &'static str,
    /// What it is.
    pub title: &'static str,
    /// Its unit.
    pub unit: &'static str,
    /// Which way is good.
    pub better: Better,
}

/// Which way is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Better {
    /// The more the better; a bar is a least value.
    Higher,
    /// The less the better; a bar is a greatest value.
    Lower,
}

/// What a bar is relative to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Against {
    /// The same figure of another device in the same round: bar and aim are ratios.
    Dut(Dut),
    /// Nothing: bar and aim are in the figure's unit.
    Nothing,
}

/// What a device must reach, and what it is to reach.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bar {
    /// The scenario.
    pub scenario: &'static str,
    /// The figure.
    pub metric: &'static str,
    /// Whose.
    pub of: Dut,
    /// Relative to what.
    pub against: Against,
    /// Must be reached.
    pub bar: Option<f64>,
    /// Is aimed at.
    pub aim: Option<f64>,
}

const fn scenario(
    name: &'static str,
    title: &'static str,
    clause: &'static str,
    what: &'static str,
) -> Scenario {
    Scenario {
        name,
        title,
        clause,
        what,
    }
}

/// All scenarios, in the order in which a round does them.
pub const SCENARIOS: [Scenario; 15] = [
    scenario(
        "tcp",
        "TCP, one pair",
        "iperf3",
        "one TCP connection between two hosts with their default offloads",
    ),
    scenario(
        "tcp-pairs",
        "TCP, two pairs at once",
        "iperf3",
        "the same between two pairs of hosts at once",
    ),
    scenario(
        "tcp-plain",
        "TCP, hosts' offloads off",
        "iperf3",
        "one pair, TSO, GSO and GRO of both hosts off: every segment is a frame",
    ),
    scenario(
        "flat-out",
        "64-byte frames, flat out",
        "RFC 2889, 5.1",
        "smallest frames as fast as one core makes them; what arrives",
    ),
    scenario(
        "throughput",
        "64-byte frames, throughput",
        "RFC 2544, 26.1",
        "the greatest rate with a loss under 0.1 %, by binary search",
    ),
    scenario(
        "latency",
        "latency at half the throughput",
        "RFC 2544, 26.2",
        "one way, from handing a frame to the kernel to reading it",
    ),
    scenario(
        "round-trip",
        "round trip, UDP of 64 bytes",
        "sockperf",
        "one at a time, cores kept awake by a loop of lowest priority on each",
    ),
    scenario(
        "broadcast",
        "broadcast, 1 port to 7",
        "RFC 2889, 5.7",
        "smallest broadcast frames flat out; copies that arrive, all ports together",
    ),
    scenario(
        "congestion",
        "head-of-line blocking",
        "RFC 2889, 5.4",
        "20,000 frames/s to an idle port and as many to a port that another floods; loss on the idle one",
    ),
    scenario(
        "errored",
        "frames that must not be relayed",
        "RFC 2889, 5.8",
        "virtual wires have no FCS: group and zero source addresses, and a destination that bridges keep (802.1D, 7.12.6)",
    ),
    scenario(
        "learning",
        "learning 100,000 addresses",
        "RFC 2889, 5.6",
        "at full rate, over and over, beside 20,000 frames/s of unicast and a TCP connection",
    ),
    scenario(
        "caching",
        "address caching capacity",
        "RFC 2889, 5.5",
        "as many addresses as were tried, 1,024 and doubling up to 100,000, of which none is flooded afterwards",
    ),
    scenario(
        "bpdu",
        "BPDUs while all ports are flooded",
        "802.1D-2004, 17.29.2",
        "seven ports' stations flood all ports with broadcasts; how long the eighth's proposals wait for agreement",
    ),
    scenario(
        "footprint",
        "what it takes to be there",
        "/proc",
        "idle processor time, resident memory, from exec to the first frame relayed",
    ),
    scenario(
        "chain",
        "chains of 1, 2, 4, 8 switches",
        "RFC 2544, 26",
        "TCP, smallest frames and round trips through so many switches",
    ),
];

const fn metric(
    scenario: &'static str,
    name: &'static str,
    title: &'static str,
    unit: &'static str,
    better: Better,
) -> Metric {
    Metric {
        scenario,
        name,
        title,
        unit,
        better,
    }
}

use Better::{Higher, Lower};

/// All figures.
pub const METRICS: [Metric; 52] = [
    metric("tcp", "rate", "TCP", "Gbit/s", Higher),
    metric("tcp", "cpu", "switch's CPU per GB", "s/GB", Lower),
    metric("tcp", "machine", "machine's CPU per GB", "s/GB", Lower),
    metric("tcp-pairs", "rate", "TCP, both pairs", "Gbit/s", Higher),
    metric("tcp-pairs", "cpu", "switch's CPU per GB", "s/GB", Lower),
    metric("tcp-plain", "rate", "TCP", "Gbit/s", Higher),
    metric("tcp-plain", "cpu", "switch's CPU per GB", "s/GB", Lower),
    metric("flat-out", "offered", "offered", "k frames/s", Higher),
    metric("flat-out", "received", "received", "k frames/s", Higher),
    metric("flat-out", "cpu", "switch's CPU per frame", "µs", Lower),
    metric(
        "flat-out",
        "machine",
        "machine's CPU per frame",
        "µs",
        Lower,
    ),
    metric(
        "flat-out",
        "reordered",
        "out of order, of the sample",
        "frames",
        Lower,
    ),
    metric(
        "flat-out",
        "duplicates",
        "duplicates, of the sample",
        "frames",
        Lower,
    ),
    metric("throughput", "rate", "throughput", "k frames/s", Higher),
    metric("latency", "rate", "at", "k frames/s", Higher),
    metric("latency", "p50", "latency, median", "µs", Lower),
    metric("latency", "p99", "latency, 99th percentile", "µs", Lower),
    metric("latency", "lost", "lost", "frames", Lower),
    metric("round-trip", "p50", "round trip, median", "µs", Lower),
    metric(
        "round-trip",
        "p99",
        "round trip, 99th percentile",
        "µs",
        Lower,
    ),
    metric(
        "broadcast",
        "delivered",
        "copies delivered",
        "k frames/s",
        Higher,
    ),
    metric("broadcast", "cpu", "switch's CPU per copy", "µs", Lower),
    metric(
        "broadcast",
        "machine",
        "machine's CPU per copy",
        "µs",
        Lower,
    ),
    metric("congestion", "lost", "lost on the idle port", "%", Lower),
    metric(
        "congestion",
        "flooded",
        "received on the flooded port",
        "k frames/s",
        Higher,
    ),
    metric("errored", "relayed", "relayed of 300", "frames", Lower),
    metric("learning", "held", "addresses held", "addresses", Higher),
    metric("learning", "lost", "unicast lost", "frames", Lower),
    metric(
        "learning",
        "offered",
        "learning frames offered",
        "k frames/s",
        Higher,
    ),
    metric("learning", "tcp", "TCP, of undisturbed", "ratio", Higher),
    metric("caching", "capacity", "addresses", "addresses", Higher),
    metric("bpdu", "p50", "answered after, median", "ms", Lower),
    metric("bpdu", "worst", "answered after, worst of 8", "ms", Lower),
    metric("bpdu", "unanswered", "unanswered of 8", "BPDUs", Lower),
    metric(
        "bpdu",
        "flooded",
        "flood sent to each port",
        "k frames/s",
        Higher,
    ),
    metric("footprint", "idle", "idle CPU", "%", Lower),
    metric("footprint", "rss", "resident memory, idle", "MiB", Lower),
    metric(
        "footprint",
        "rss-100k",
        "with 100,000 addresses",
        "MiB",
        Lower,
    ),
    metric(
        "footprint",
        "first-frame",
        "exec to first frame, 8 ports",
        "ms",
        Lower,
    ),
    metric("chain", "tcp-1", "TCP, 1 switch", "Gbit/s", Higher),
    metric("chain", "tcp-2", "TCP, 2 switches", "Gbit/s", Higher),
    metric("chain", "tcp-4", "TCP, 4 switches", "Gbit/s", Higher),
    metric("chain", "tcp-8", "TCP, 8 switches", "Gbit/s", Higher),
    metric(
        "chain",
        "frames-1",
        "64-byte frames, 1 switch",
        "k frames/s",
        Higher,
    ),
    metric(
        "chain",
        "frames-2",
        "64-byte frames, 2 switches",
        "k frames/s",
        Higher,
    ),
    metric(
        "chain",
        "frames-4",
        "64-byte frames, 4 switches",
        "k frames/s",
        Higher,
    ),
    metric(
        "chain",
        "frames-8",
        "64-byte frames, 8 switches",
        "k frames/s",
        Higher,
    ),
    metric("chain", "rtt-1", "round trip, 1 switch", "µs", Lower),
    metric("chain", "rtt-2", "round trip, 2 switches", "µs", Lower),
    metric("chain", "rtt-4", "round trip, 4 switches", "µs", Lower),
    metric("chain", "rtt-8", "round trip, 8 switches", "µs", Lower),
    metric("learning", "tcp-rate", "TCP beside it", "Gbit/s", Higher),
];

const fn bar(
    scenario: &'static str,
    metric: &'static str,
    of: Dut,
    against: Dut,
    bar: f64,
    aim: Option<f64>,
) -> Bar {
    Bar {
        scenario,
        metric,
        of,
        against: Against::Dut(against),
        bar: Some(bar),
        aim,
    }
}

/// Only an aim.
const fn aim(scenario: &'static str, metric: &'static str, of: Dut, against: Dut, aim: f64) -> Bar {
    Bar {
        scenario,
        metric,
        of,
        against: Against::Dut(against),
        bar: None,
        aim: Some(aim),
    }
}

const fn limit(
    scenario: &'static str,
    metric: &'static str,
    of: Dut,
    bar: f64,
    aim: Option<f64>,
) -> Bar {
    Bar {
        scenario,
        metric,
        of,
        against: Against::Nothing,
        bar: Some(bar),
        aim,
    }
}

use Dut::{KernelBridge, OvsTap, OvsVeth, SwitchdPacket, SwitchdTap, SwitchdTapPlain, Vde};

/// What our switch is held against.
pub const BARS: [Bar; 67] = [
    bar("tcp", "rate", SwitchdTap, KernelBridge, 0.8, Some(1.0)),
    bar("tcp", "rate", SwitchdTap, OvsTap, 10.0, None),
    bar("tcp", "rate", SwitchdTap, Vde, 10.0, None),
    bar("tcp", "rate", SwitchdPacket, KernelBridge, 0.5, Some(0.9)),
    bar("tcp", "rate", SwitchdPacket, OvsVeth, 10.0, None),
    bar("tcp", "cpu", SwitchdTap, OvsTap, 0.06, Some(0.03)),
    bar("tcp", "cpu", SwitchdPacket, OvsVeth, 0.06, Some(0.03)),
    bar(
        "tcp-pairs",
        "rate",
        SwitchdTap,
        KernelBridge,
        0.4,
        Some(0.8),
    ),
    bar("tcp-pairs", "rate", SwitchdTap, OvsTap, 10.0, None),
    bar(
        "tcp-pairs",
        "rate",
        SwitchdPacket,
        KernelBridge,
        0.4,
        Some(0.8),
    ),
    bar("tcp-pairs", "rate", SwitchdPacket, OvsVeth, 10.0, None),
    bar("tcp-plain", "rate", SwitchdTap, OvsTap, 1.6, None),
    aim("tcp-plain", "rate", SwitchdTap, KernelBridge, 0.7),
    bar(
        "flat-out",
        "received",
        SwitchdTap,
        KernelBridge,
        1.3,
        Some(1.6),
    ),
    bar("flat-out", "received", SwitchdTap, OvsTap, 2.0, None),
    bar("flat-out", "received", SwitchdTap, Vde, 2.0, None),
    bar(
        "flat-out",
        "received",
        SwitchdPacket,
        KernelBridge,
        0.85,
        Some(1.2),
    ),
    bar("flat-out", "received", SwitchdPacket, OvsVeth, 1.6, None),
    bar("flat-out", "cpu", SwitchdTap, OvsTap, 0.45, Some(0.35)),
    bar("flat-out", "cpu", SwitchdTap, Vde, 0.45, Some(0.35)),
    bar("flat-out", "cpu", SwitchdTap, SwitchdTapPlain, 1.15, None),
    limit("flat-out", "duplicates", SwitchdTap, 0.0, None),
    limit("flat-out", "duplicates", SwitchdPacket, 0.0, None),
    limit("flat-out", "reordered", SwitchdTap, 0.0, None),
    limit("flat-out", "reordered", SwitchdPacket, 0.0, None),
    bar("throughput", "rate", SwitchdTap, OvsTap, 2.5, None),
    bar("throughput", "rate", SwitchdTap, Vde, 2.5, None),
    aim("throughput", "rate", SwitchdTap, KernelBridge, 1.3),
    bar("throughput", "rate", SwitchdPacket, OvsVeth, 2.5, None),
    bar("throughput", "rate", SwitchdPacket, Vde, 2.5, None),
    aim("throughput", "rate", SwitchdPacket, KernelBridge, 1.3),
    bar("round-trip", "p50", SwitchdTap, OvsTap, 1.0, None),
    bar("round-trip", "p99", SwitchdTap, OvsTap, 1.0, None),
    bar("round-trip", "p50", SwitchdTap, Vde, 1.0, None),
    bar("round-trip", "p99", SwitchdTap, Vde, 1.0, None),
    aim("round-trip", "p50", SwitchdTap, KernelBridge, 2.0),
    bar("round-trip", "p50", SwitchdPacket, OvsVeth, 1.0, None),
    bar("round-trip", "p99", SwitchdPacket, OvsVeth, 1.0, None),
    bar("round-trip", "p50", SwitchdPacket, Vde, 1.0, None),
    bar("round-trip", "p99", SwitchdPacket, Vde, 1.0, None),
    aim("round-trip", "p50", SwitchdPacket, KernelBridge, 2.0),
    bar("broadcast", "delivered", SwitchdTap, OvsTap, 1.3, None),
    aim("broadcast", "delivered", SwitchdTap, KernelBridge, 0.8),
    bar("broadcast", "cpu", SwitchdTap, Vde, 0.8, None),
    bar("broadcast", "delivered", SwitchdPacket, OvsTap, 1.3, None),
    aim("broadcast", "delivered", SwitchdPacket, KernelBridge, 0.8),
    bar("broadcast", "cpu", SwitchdPacket, Vde, 0.8, None),
    limit("congestion", "lost", SwitchdTap, 0.0, None),
    limit("congestion", "lost", SwitchdPacket, 0.0, None),
    limit("errored", "relayed", SwitchdTap, 0.0, None),
    limit("errored", "relayed", SwitchdPacket, 0.0, None),
    limit("learning", "held", SwitchdTap, 100_000.0, None),
    limit("learning", "lost", SwitchdTap, 0.0, None),
    limit("learning", "tcp", SwitchdTap, 0.6, Some(0.9)),
    limit("caching", "capacity", SwitchdTap, 100_000.0, None),
    limit("bpdu", "worst", SwitchdTap, 50.0, None),
    limit("bpdu", "worst", SwitchdPacket, 50.0, None),
    limit("bpdu", "unanswered", SwitchdTap, 0.0, None),
    limit("bpdu", "unanswered", SwitchdPacket, 0.0, None),
    limit("footprint", "idle", SwitchdTap, 0.1, None),
    limit("footprint", "rss", SwitchdTap, 6.0, Some(4.0)),
    limit("footprint", "rss-100k", SwitchdTap, 24.0, Some(12.0)),
    bar("footprint", "first-frame", SwitchdTap, Vde, 1.0, None),
    Bar {
        scenario: "footprint",
        metric: "first-frame",
        of: SwitchdTap,
        against: Against::Nothing,
        bar: None,
        aim: Some(50.0),
    },
    aim("chain", "tcp-8", SwitchdPacket, KernelBridge, 0.5),
    aim("chain", "frames-8", SwitchdPacket, KernelBridge, 0.5),
    aim("chain", "rtt-8", SwitchdPacket, KernelBridge, 2.0),
];

impl Scenario {
    /// The scenario called so.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        SCENARIOS.iter().find(|scenario| scenario.name == name)
    }

    /// Whether it is done with this device.
    #[must_use]
    pub fn takes(&self, dut: Dut) -> bool {
        match self.name {
            // What the offloads cost small frames is all there is to compare.
            _ if dut == SwitchdTapPlain => self.name == "flat-out",
            "chain" => matches!(dut, SwitchdPacket | KernelBridge),
            // Others' spanning tree is another process's, or the sender's.
            "bpdu" => matches!(dut, SwitchdTap | SwitchdPacket),
            _ => true,
        }
    }

    /// Whether it is done once, not once a round: it counts and does not measure.
    #[must_use]
    pub fn is_count(&self) -> bool {
        matches!(self.name, "caching" | "errored")
    }
}

impl Metric {
    /// The figures of a scenario.
    pub fn of(scenario: &str) -> impl Iterator<Item = &'static Self> {
        METRICS
            .iter()
            .filter(move |metric| metric.scenario == scenario)
    }
}

impl Bar {
    /// Whether `value` is as good as `wanted`, for a figure of this kind.
    #[must_use]
    pub fn reaches(better: Better, value: f64, wanted: f64) -> bool {
        match better {
            Higher => value >= wanted,
            Lower => value <= wanted,
        }
    }

    /// The figure's description.
    #[must_use]
    pub fn metric(&self) -> Option<&'static Metric> {
        METRICS
            .iter()
            .find(|metric| metric.scenario == self.scenario && metric.name == self.metric)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_named_exists_once() {
        for metric in METRICS {
            assert!(Scenario::named(metric.scenario).is_some(), "{metric:?}");
            let same = METRICS
                .iter()
                .filter(|other| (other.scenario, other.name) == (metric.scenario, metric.name));
            assert_eq!(same.count(), 1, "{metric:?}");
        }
        for bar in BARS {
            assert!(bar.metric().is_some(), "{bar:?}");
            let scenario = Scenario::named(bar.scenario).unwrap();
            assert!(scenario.takes(bar.of), "{bar:?}");
            if let Against::Dut(other) = bar.against {
                assert!(scenario.takes(other), "{bar:?}");
            }
            assert!(bar.bar.is_some() || bar.aim.is_some());
        }
        for scenario in SCENARIOS {
            assert!(Metric::of(scenario.name).count() > 0, "{scenario:?}");
        }
    }

    #[test]
    fn an_aim_is_never_easier_than_its_bar() {
        for bar in BARS {
            if let (Some(metric), Some(least), Some(aim)) = (bar.metric(), bar.bar, bar.aim) {
                assert!(Bar::reaches(metric.better, aim, least), "{bar:?}");
            }
        }
    }
}
