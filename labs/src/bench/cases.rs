//! What is measured.

use core::time::Duration;
use std::fs;
use std::time::Instant;

use serde::{Deserialize, Serialize};
use stp::{BpduTime, BridgeTimes};

use crate::sim::{BridgeSpec, Medium, World, WorldError};
use crate::study::{Family, Graph};

/// How long a network may take to converge, in protocol time.
const PATIENCE: Duration = Duration::from_secs(300);
const HOUR: Duration = Duration::from_secs(3_600);
/// Protocol time of the cases that show how cost grows.
const GROWTH: Duration = Duration::from_secs(300);

/// One thing to measure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Case {
    /// Its name.
    pub name: &'static str,
    /// What it is.
    pub title: &'static str,
    /// How often it is measured unless told otherwise.
    pub runs: usize,
    /// What must not be exceeded: seconds, and mebibytes.
    pub bars: (Option<f64>, Option<u64>),
    shape: Shape,
    /// Default timers carry the root's word over twenty switches at best; networks of greater depth never stand still
    /// with them.
    deep: bool,
    until: Until,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    /// Rows and columns, both closed to rings.
    Torus(usize, usize),
    Family(Family, u32),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Until {
    Quiet,
    Time(Duration),
}

/// What one process measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    /// Seconds it took, without building the network.
    pub seconds: f64,
    /// Seconds it took to build the network.
    pub build_seconds: f64,
    /// Switches.
    pub switches: usize,
    /// Cables.
    pub cables: usize,
    /// Protocol time that passed, in seconds.
    pub protocol_seconds: f64,
    /// BPDUs sent.
    pub bpdus: u64,
    /// Events: arrivals and timers.
    pub events: u64,
    /// When the tree last changed, in seconds; nothing if it did not come to rest.
    pub converged_seconds: Option<f64>,
    /// The most memory the process had at a time, in mebibytes; nothing if the system does not tell.
    pub peak_mib: Option<u64>,
}

impl Measurement {
    /// Nanoseconds for each BPDU: encoding, its way, decoding, and what the receiver does about it.
    #[must_use]
    pub fn nanos_per_bpdu(&self) -> f64 {
        let bpdus = u32::try_from(self.bpdus).map_or(f64::from(u32::MAX), f64::from);
        self.seconds * 1e9 / bpdus.max(1.0)
    }
}

const fn growth(name: &'static str, title: &'static str, side: usize) -> Case {
    Case {
        name,
        title,
        runs: 3,
        bars: (None, None),
        shape: Shape::Torus(side, side),
        deep: false,
        until: Until::Time(GROWTH),
    }
}

impl Case {
    /// All, in the order they are measured.
    pub const ALL: [Self; 10] = [
        Self {
            name: "torus-hour",
            title: "torus of 1,000 switches, an hour",
            runs: 5,
            bars: (Some(60.0), None),
            shape: Shape::Torus(25, 40),
            deep: false,
            until: Until::Time(HOUR),
        },
        Self {
            name: "torus-calm",
            title: "the same, with timers for its depth",
            runs: 3,
            bars: (Some(60.0), None),
            shape: Shape::Torus(25, 40),
            deep: true,
            until: Until::Time(HOUR),
        },
        Self {
            name: "pods-hour",
            title: "dual-core pods of 1,000 switches, an hour",
            runs: 3,
            bars: (None, None),
            shape: Shape::Family(Family::Pods, 1_000),
            deep: false,
            until: Until::Time(HOUR),
        },
        Self {
            name: "ring",
            title: "ring of 64 switches until converged, deep timers",
            runs: 5,
            bars: (Some(0.2), None),
            shape: Shape::Family(Family::Ring, 64),
            deep: true,
            until: Until::Quiet,
        },
        Self {
            name: "fat-tree",
            title: "fat tree of 10,125 switches until converged",
            runs: 1,
            bars: (None, Some(2_048)),
            shape: Shape::Family(Family::FatTree, 10_125),
            deep: false,
            until: Until::Quiet,
        },
        growth("torus-16", "torus of 16 switches, five minutes", 4),
        growth("torus-64", "torus of 64 switches, five minutes", 8),
        growth("torus-256", "torus of 256 switches, five minutes", 16),
        growth("torus-1024", "torus of 1,024 switches, five minutes", 32),
        growth("torus-4096", "torus of 4,096 switches, five minutes", 64),
    ];

    /// The case of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|case| case.name == name)
    }

    /// Measures, once, in this process.
    ///
    /// # Panics
    /// The case's network cannot be built: a mistake of the case.
    #[must_use]
    pub fn measure(&self) -> Measurement {
        let graph = match self.shape {
            Shape::Torus(rows, columns) => torus(rows, columns),
            Shape::Family(family, size) => family.graph(size),
        };
        let begin = Instant::now();
        let mut world = build(&graph, times(self.deep)).expect("the cases' networks can be built");
        let build_seconds = begin.elapsed().as_secs_f64();
        let begin = Instant::now();
        let converged = match self.until {
            Until::Quiet => world.run_quiet(PATIENCE).ok(),
            Until::Time(time) => {
                world.run_until(time);
                None
            }
        };
        let totals = world.totals();
        Measurement {
            seconds: begin.elapsed().as_secs_f64(),
            build_seconds,
            switches: graph.switches,
            cables: graph.links.len(),
            protocol_seconds: world.now().as_secs_f64(),
            bpdus: totals.bpdus,
            events: totals.events,
            converged_seconds: converged.map(|time| time.as_secs_f64()),
            peak_mib: peak_mib(),
        }
    }
}

fn torus(rows: usize, columns: usize) -> Graph {
    let at = |row: usize, column: usize| (row % rows) * columns + column % columns;
    let places = (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column)));
    let links = places.flat_map(|(row, column)| {
        let here = at(row, column);
        [(here, at(row, column + 1)), (here, at(row + 1, column))]
    });
    Graph {
        switches: rows * columns,
        links: links.collect(),
        access: vec![0],
        placed: Vec::new(),
    }
}

/// The default, or the longest max age with the least message age per hop.
fn times(deep: bool) -> BridgeTimes {
    if !deep {
        return BridgeTimes::default();
    }
    let seconds = Duration::from_secs;
    BridgeTimes::new(seconds(40), seconds(2), seconds(21))
        .and_then(|times| times.with_message_age_increment(BpduTime::from_units(1).duration()))
        .expect("2 x (21 - 1) >= 40 >= 2 x (2 + 1), and 1/256 s is the least there is")
}

fn build(graph: &Graph, times: BridgeTimes) -> Result<World, WorldError> {
    let mut world = World::new(1);
    let mut bridges = Vec::with_capacity(graph.switches);
    for switch in 0..graph.switches {
        let spec = BridgeSpec::new(format!("s{switch}")).times(times);
        bridges.push(world.add_bridge(&spec)?);
    }
    for &(a, b) in &graph.links {
        world.wire_nodes(&[bridges[a], bridges[b]], Medium::default())?;
    }
    Ok(world)
}

/// The high-water mark of resident memory.
fn peak_mib() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib / 1_024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torus_has_four_neighbours_everywhere() {
        let graph = torus(3, 4);
        assert_eq!((graph.switches, graph.links.len()), (12, 24));
        for switch in 0..12 {
            let cables = graph
                .links
                .iter()
                .filter(|(a, b)| *a == switch || *b == switch);
            assert_eq!(cables.count(), 4);
        }
    }

    #[test]
    fn a_small_case_is_measured() {
        let case = Case {
            shape: Shape::Torus(3, 3),
            until: Until::Quiet,
            ..Case::ALL[0]
        };
        let measured = case.measure();
        assert_eq!((measured.switches, measured.cables), (9, 18));
        assert!(
            measured
                .converged_seconds
                .is_some_and(|seconds| seconds >= 30.0)
        );
        assert!(measured.bpdus > 0 && measured.events > measured.bpdus);
        assert!(measured.peak_mib.is_some_and(|mib| mib > 0));
        assert!(measured.nanos_per_bpdu() > 0.0);
    }
}
