//! What more VLANs cost: BPDUs on a trunk, where every VLAN has a tree, and where it has not.

use core::time::Duration;
use std::cell::RefCell;
use std::fmt::Write as _;
use std::rc::Rc;

use etherparse::VlanId;
use switchd::vlan::PortMode;
use switchd::{Instances, TreeProtocol, VlanSet};

use super::super::plot::{Chart, Dot, Look, Scale, Series};
use crate::sim::{BridgeSpec, Map, Medium, Notice, Observer, PortSpec, World, WorldError};
use stp::{Region, TreeId, VlanMap};

/// VLANs on the trunks.
const VLANS: [u16; 10] = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000];
/// Switches of the ring, and its cables: one of them rests in each tree.
const SWITCHES: u32 = 4;
/// How long it is counted, hellos of 2 s.
const TIME: Duration = Duration::from_secs(60);
/// Instances of the region it is held against.
const INSTANCES: u16 = 4;

/// What one protocol sends with so many VLANs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::study) struct Row {
    pub(in crate::study) protocol: TreeProtocol,
    pub(in crate::study) vlans: u16,
    /// On a cable, both directions, the mean of all.
    pub(in crate::study) bpdus_per_second: f64,
    /// The same in bits, with preamble, check sequence and gap, and padding to the least frame.
    pub(in crate::study) bits_per_second: f64,
}

/// BPDUs that left a port, and their octets on the wire.
#[derive(Debug, Default)]
struct Load {
    bpdus: u32,
    octets: u32,
}

impl Observer for Load {
    fn notice(&mut self, _: Duration, _: &Map, notice: &Notice<'_>) {
        if let Notice::Transmitted {
            frame, flow: None, ..
        } = notice
        {
            self.bpdus += 1;
            let frame = u32::try_from(frame.len()).unwrap_or(u32::MAX);
            // 60 octets at least, and 24 around them.
            self.octets += frame.max(60) + 24;
        }
    }
}

/// Measures `protocol`, and beside it one rapid tree for all VLANs, and a region of a few.
pub(in crate::study) fn measure(protocol: TreeProtocol) -> Vec<Row> {
    let beside = [TreeProtocol::Rstp, TreeProtocol::Mstp];
    let protocols = core::iter::once(protocol).chain(beside);
    protocols
        .flat_map(|protocol| VLANS.map(|vlans| (protocol, vlans)))
        .map(|(protocol, vlans)| load(protocol, vlans).expect("a ring can be built"))
        .collect()
}

fn load(protocol: TreeProtocol, vlans: u16) -> Result<Row, WorldError> {
    let mut world = World::new(1);
    let set: VlanSet = (1..=vlans)
        .filter_map(|vid| VlanId::try_new(vid).ok())
        .collect();
    let mut map = VlanMap::new();
    for vid in 1..=vlans {
        map.set(vid, TreeId::new(vid % (INSTANCES + 1)).unwrap_or_default());
    }
    let instances = Instances {
        region: Region {
            vlans: map,
            ..Region::default()
        },
        vlans: set.clone(),
        ..Instances::default()
    };
    let trunk = PortSpec::default().mode(PortMode::Trunk {
        allowed: set,
        native: VlanId::try_new(1).unwrap_or_default(),
        native_tagged: false,
    });
    let mut bridges = Vec::new();
    for place in 0..SWITCHES {
        let spec = BridgeSpec::new(format!("s{place}"))
            .protocol(protocol)
            .instances(instances.clone());
        bridges.push(world.add_bridge(&spec)?);
    }
    for place in 0..bridges.len() {
        let next = (place + 1) % bridges.len();
        let ends = [
            world.add_port(bridges[place], &trunk)?,
            world.add_port(bridges[next], &trunk)?,
        ];
        world.connect(&ends, Medium::default())?;
    }
    world.run_until(Duration::from_secs(100));
    let load = Rc::new(RefCell::new(Load::default()));
    world.observe(Rc::clone(&load));
    world.run_for(TIME);
    let load = load.borrow();
    let cables_seconds = f64::from(SWITCHES) * TIME.as_secs_f64();
    Ok(Row {
        protocol,
        vlans,
        bpdus_per_second: f64::from(load.bpdus) / cables_seconds,
        bits_per_second: 8.0 * f64::from(load.octets) / cables_seconds,
    })
}

/// The table `vlans.csv`.
pub(in crate::study) fn csv(rows: &[Row]) -> String {
    let mut text = String::from("protocol,vlans,bpdus_per_second,bits_per_second\n");
    for row in rows {
        let _ = writeln!(
            text,
            "{},{},{:.3},{:.0}",
            row.protocol, row.vlans, row.bpdus_per_second, row.bits_per_second
        );
    }
    text
}

/// What each sends for.
pub(in crate::study) const fn label(protocol: TreeProtocol) -> &'static str {
    match protocol {
        TreeProtocol::Off => "no spanning tree",
        TreeProtocol::Stp => "one classic tree",
        TreeProtocol::Rstp => "one rapid tree for all VLANs",
        TreeProtocol::Mstp => "a region of four instances",
        TreeProtocol::Pvst => "a classic tree for every VLAN",
        TreeProtocol::RapidPvst => "a rapid tree for every VLAN",
    }
}

/// BPDUs against VLANs.
pub(in crate::study) fn chart(rows: &[Row]) -> Chart {
    let mut series: Vec<Series> = Vec::new();
    for row in rows {
        let dot = Dot {
            x: f64::from(row.vlans),
            y: Some([row.bpdus_per_second; 3]),
            whole: true,
        };
        let text = label(row.protocol);
        match series.last_mut().filter(|series| series.label == text) {
            Some(series) => series.dots.push(dot),
            None => series.push(Series {
                label: text.to_owned(),
                look: Look::nth(series.len()),
                dots: vec![dot],
            }),
        }
    }
    Chart {
        name: "vlan-load",
        title: "What a trunk carries of spanning tree as VLANs are added".to_owned(),
        subtitle: "a ring of four at rest, hello time 2 s; mean of its cables, both directions"
            .to_owned(),
        x: ("VLANs", Scale::Log),
        y: ("BPDUs per second on a cable", Scale::Log),
        band: "",
        series,
        guides: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A designated port speaks every 2 s for each VLAN, and for VLAN 1 in both framings: as everybody understands it,
    /// and as its kin do.
    #[test]
    fn every_vlan_adds_a_bpdu_every_hello_time_and_one_tree_adds_none() {
        for (protocol, vlans, every_hello) in [
            (TreeProtocol::Pvst, 1, 2.0),
            (TreeProtocol::Pvst, 20, 21.0),
            (TreeProtocol::RapidPvst, 50, 51.0),
            (TreeProtocol::Rstp, 1, 1.0),
            (TreeProtocol::Rstp, 50, 1.0),
            (TreeProtocol::Mstp, 50, 1.0),
        ] {
            let row = load(protocol, vlans).unwrap();
            let per_hello = 2.0 * row.bpdus_per_second;
            assert!((per_hello / every_hello - 1.0).abs() < 0.05, "{row:?}");
        }
    }
}
