//! Who hears of a topology change: everybody where there is one tree, the region where it is one of a region's.

use core::time::Duration;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::rc::Rc;

use etherparse::VlanId;
use stp::{BridgePriority, PortRole, Region, RegionName, TreeId, VlanMap};
use switchd::event::{Event, TopologyChangeStep};
use switchd::vlan::PortMode;
use switchd::{Instances, TreeProtocol, VlanSet};

use super::super::plot::{Chart, Dot, Look, Scale, Series};
use crate::sim::{
    BridgeSpec, LinkState, Map, Medium, NodeId, Notice, Observer, PortRef, PortSpec, World,
    WorldError, frame,
};

/// Switches of each half: a ring.
const HALVES: [u32; 5] = [4, 6, 8, 12, 16];
const PATIENCE: Duration = Duration::from_secs(180);
/// VLAN 10 goes by instance 1.
const INSTANCE: u16 = 1;
const VLAN_OF_INSTANCE: u16 = 10;

/// Which tree the cut cable belongs to, and who made the trees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::study) enum Case {
    /// One rapid tree over both halves.
    OneTree,
    /// Each half a region; the cable is in the tree that both share.
    CommonTree,
    /// Each half a region; the cable is in the tree of one half's instance only.
    Instance,
}

impl Case {
    pub(in crate::study) const ALL: [Self; 3] = [Self::OneTree, Self::CommonTree, Self::Instance];

    /// The word in tables.
    pub(in crate::study) const fn name(self) -> &'static str {
        match self {
            Self::OneTree => "one-tree",
            Self::CommonTree => "common-tree",
            Self::Instance => "instance",
        }
    }

    pub(in crate::study) const fn title(self) -> &'static str {
        match self {
            Self::OneTree => "one rapid tree",
            Self::CommonTree => "two regions, a cable of the common tree",
            Self::Instance => "two regions, a cable of one instance",
        }
    }
}

/// What a cut in the one half did, in that half and in the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::study) struct Row {
    pub(in crate::study) case: Case,
    pub(in crate::study) switches: u32,
    /// Switches that were told, here and there.
    pub(in crate::study) told: [usize; 2],
    /// CAM entries that they forgot, here and there.
    pub(in crate::study) flushed: [usize; 2],
}

/// Who was told of a topology change, and what was forgotten.
#[derive(Debug, Default)]
struct News {
    told: BTreeSet<NodeId>,
    flushed: BTreeMap<NodeId, usize>,
}

impl Observer for News {
    fn notice(&mut self, _: Duration, _: &Map, notice: &Notice<'_>) {
        let Notice::Bridge { node, event } = notice else {
            return;
        };
        if let Event::TopologyChange {
            what: TopologyChangeStep::Detected | TopologyChangeStep::Notified,
            ..
        } = event
        {
            self.told.insert(*node);
        }
        if let Event::CamFlush { count, .. } = event {
            *self.flushed.entry(*node).or_default() += count;
        }
    }
}

/// Measures every case in every size.
pub(in crate::study) fn measure() -> Vec<Row> {
    let cases = Case::ALL
        .into_iter()
        .flat_map(|case| HALVES.map(|half| (case, half)));
    cases
        .map(|(case, half)| Halves::measure(case, half).expect("two rings can be built"))
        .collect()
}

struct Halves {
    world: World,
    /// The first half of them is here, the second there.
    bridges: Vec<NodeId>,
    half: usize,
}

impl Halves {
    fn measure(case: Case, half: u32) -> Result<Row, WorldError> {
        let mut halves = Self::build(case, half)?;
        let first = halves.bridges[0];
        let unsettled = |_| WorldError::NotRunning(first);
        halves.world.run_quiet(PATIENCE).map_err(unsettled)?;
        halves.greet();
        let news = Rc::new(RefCell::new(News::default()));
        halves.world.observe(Rc::clone(&news));
        let port = halves.cable(case).ok_or(WorldError::NoNode(first))?;
        let wire = halves.world.map().wire_at(port);
        let (wire, _) = wire.ok_or(WorldError::NotConnected(port))?;
        halves.world.set_link(wire, LinkState::Down)?;
        halves.world.run_quiet(PATIENCE).map_err(unsettled)?;
        let news = news.borrow();
        let is_here = |node: &NodeId| halves.bridges[..halves.half].contains(node);
        let here = news.told.iter().filter(|node| is_here(node)).count();
        let flushed = |here: bool| -> usize {
            let mine = news.flushed.iter();
            mine.filter(|(node, _)| is_here(node) == here)
                .map(|(_, count)| count)
                .sum()
        };
        Ok(Row {
            case,
            switches: 2 * half,
            told: [here, news.told.len() - here],
            flushed: [flushed(true), flushed(false)],
        })
    }

    /// Two rings, joined by two cables. The common root is in the first; the instance's root is opposite to it.
    fn build(case: Case, half: u32) -> Result<Self, WorldError> {
        let mut world = World::new(1);
        let mut bridges = Vec::new();
        for place in 0..2 * half {
            let (ring, at) = (place / half, place % half);
            let priority = match (ring, at) {
                (0, 0) => BridgePriority::new(4096),
                (0, 1) => BridgePriority::new(8192),
                _ => None,
            };
            let mut spec = BridgeSpec::new(format!("s{place}"))
                .priority(priority.unwrap_or_default())
                .protocol(TreeProtocol::Rstp);
            if case != Case::OneTree {
                spec = spec
                    .protocol(TreeProtocol::Mstp)
                    .instances(region(ring, at == half / 2));
            }
            bridges.push(world.add_bridge(&spec)?);
        }
        let vlans = [1, VLAN_OF_INSTANCE].into_iter().filter_map(vlan);
        let trunk = PortSpec::default().mode(PortMode::Trunk {
            allowed: vlans.collect::<VlanSet>(),
            native: VlanId::default(),
            native_tagged: false,
        });
        let half = half as usize;
        let ring = |first: usize| (0..half).map(move |at| (first + at, first + (at + 1) % half));
        let cables = ring(0).chain(ring(half)).chain([(0, half), (1, half + 1)]);
        for (a, b) in cables {
            let ends = [
                world.add_port(bridges[a], &trunk)?,
                world.add_port(bridges[b], &trunk)?,
            ];
            world.connect(&ends, Medium::default())?;
        }
        for (number, &bridge) in bridges.iter().enumerate() {
            for vid in [1, VLAN_OF_INSTANCE] {
                let host = world.add_listener(&format!("h{number}-{vid}"))?;
                let access = vlan(vid).map(|vlan| PortMode::Access { vlan });
                let spec = PortSpec::default()
                    .edge(true)
                    .mode(access.unwrap_or_default());
                let ends = [
                    world.add_port(bridge, &spec)?,
                    host.port(stp::PortNumber::MIN),
                ];
                world.connect(&ends, Medium::default())?;
            }
        }
        Ok(Self {
            world,
            bridges,
            half,
        })
    }

    /// Every host says something, and every switch learns where it is.
    fn greet(&mut self) {
        let stations: Vec<NodeId> = self.world.stations().collect();
        for host in stations {
            let port = host.port(stp::PortNumber::MIN);
            if let Some(address) = self.world.address(port) {
                let flow = self.world.send(port, frame::broadcast(address));
                self.world.run_for(Duration::from_millis(1));
                self.world.take_flow(flow);
            }
        }
    }

    /// The port behind which the cable is that is cut: the root's way down the first ring, or the one that rests there in
    /// the common tree and so is of an instance only.
    fn cable(&self, case: Case) -> Option<PortRef> {
        let here = &self.bridges[..self.half];
        match case {
            Case::OneTree | Case::CommonTree => self.world.port(here[self.half - 1], 2),
            Case::Instance => here.iter().find_map(|&bridge| {
                let ports = self.world.switch(bridge)?.ports();
                let mut resting = ports.filter(|(_, port)| {
                    port.role(TreeId::COMMON) == PortRole::Alternate && port.is_link_up()
                });
                resting.next().map(|(number, _)| bridge.port(number))
            }),
        }
    }
}

fn vlan(vid: u16) -> Option<VlanId> {
    VlanId::try_new(vid).ok()
}

fn region(ring: u32, is_root: bool) -> Instances {
    let tree = TreeId::new(INSTANCE).unwrap_or_default();
    let mut vlans = VlanMap::new();
    vlans.set(VLAN_OF_INSTANCE, tree);
    let name = if ring == 0 { "here" } else { "there" };
    let priority = BridgePriority::new(4096).filter(|_| is_root);
    Instances {
        region: Region {
            name: RegionName::new(name).unwrap_or_default(),
            revision: 0,
            vlans,
        },
        priorities: priority
            .map(|priority| (tree, priority))
            .into_iter()
            .collect(),
        ..Instances::default()
    }
}

/// The table `regions.csv`.
pub(in crate::study) fn csv(rows: &[Row]) -> String {
    let mut text =
        String::from("case,switches,told_here,told_there,cam_flushed_here,cam_flushed_there\n");
    for row in rows {
        let [told_here, told_there] = row.told;
        let [flushed_here, flushed_there] = row.flushed;
        let _ = writeln!(
            text,
            "{},{},{told_here},{told_there},{flushed_here},{flushed_there}",
            row.case.name(),
            row.switches
        );
    }
    text
}

/// What the half forgot in which nothing happened, against the number of switches.
pub(in crate::study) fn chart(rows: &[Row]) -> Chart {
    let series = Case::ALL.into_iter().enumerate().map(|(place, case)| {
        let mine = rows.iter().filter(|row| row.case == case);
        let dots = mine.map(|row| {
            let [_, there] = row.flushed;
            let y = f64::from(u32::try_from(there).unwrap_or(u32::MAX));
            let (x, whole) = (f64::from(row.switches), true);
            let y = Some([y; 3]);
            Dot { x, y, whole }
        });
        Series {
            label: case.title().to_owned(),
            look: Look::nth(place),
            dots: dots.collect(),
        }
    });
    Chart {
        name: "regions",
        title: "A cable is cut in one half of the network: what the other half forgets".to_owned(),
        subtitle: "two rings of equal size, joined by two cables, a host of each of two VLANs at every switch".to_owned(),
        x: ("switches in both halves", Scale::Linear),
        y: ("CAM entries flushed in the other half", Scale::Linear),
        band: "",
        series: series.collect(),
        guides: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_of_an_instance_stays_in_its_region() {
        for half in [4, 6] {
            let row = |case| Halves::measure(case, half).unwrap();
            let all = half as usize;
            let one = row(Case::OneTree);
            assert_eq!(one.told, [all, all], "one tree tells everybody");
            assert!(one.flushed[1] > 0);
            let common = row(Case::CommonTree);
            assert_eq!(common.told[1], all, "the common tree is everybody's");
            let instance = row(Case::Instance);
            assert_eq!(
                instance.told,
                [all, 0],
                "nobody beyond the region hears of it"
            );
            assert!(instance.flushed[0] > 0);
            assert_eq!(instance.flushed[1], 0);
        }
    }
}
