//! A lab file in virtual time: the same switches with the same settings, the same steps, the same outcome.

mod balance;
mod build;
mod checks;
mod moves;
mod report;
pub(crate) mod steps;
mod target;
mod view;

use core::time::Duration;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use pnet_base::MacAddr;
use switchd::config::Config;
use switchd::event::{Event, Record};

use super::id::{NodeId, PortRef};
use super::map::Map;
use super::observe::{Notice, Observer};
use super::world::World;
use crate::topology::{Endpoint, Position, Topology};
use crate::vmotion::MigrationReport;
use crate::watch::ArpWatch;

pub(crate) use balance::balance;
pub use report::TwinReport;
pub use steps::StepReport;

/// Why a lab cannot be run in virtual time. Displays with the place in the lab file.
#[derive(Debug, thiserror::Error)]
pub enum TwinError {
    /// Something in the lab file.
    #[error("{file}:{at}: {message}")]
    File {
        /// The file.
        file: String,
        /// Where.
        at: Position,
        /// What.
        message: String,
    },
    /// A trace or capture could not be written.
    #[error("cannot write {what}: {source}")]
    Write {
        /// What.
        what: String,
        /// Why not.
        source: std::io::Error,
    },
}

/// A lab in virtual time.
#[derive(Debug)]
pub struct Twin {
    world: World,
    topology: Topology,
    /// The live configuration of each switch.
    configs: BTreeMap<NodeId, Config>,
    /// Where each VM can run and does.
    vms: BTreeMap<String, VmPlaces>,
    /// What switches told, until somebody reads it.
    events: Rc<RefCell<Events>>,
    /// The ARP of each VM's client, by VM.
    arps: BTreeMap<String, Rc<RefCell<ArpWatch>>>,
    /// Every move so far.
    migrations: Vec<MigrationReport>,
    /// What is told of the run and nobody has heard yet.
    story: Vec<Telling>,
    until: Option<Duration>,
    seed: u64,
    pace: Pace,
}

/// How much VMs and their clients have to say to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pace {
    /// Octets of the VM's stream per second.
    pub(crate) stream: u64,
    /// From one echo request to the next: the resolution of the stopwatch.
    pub(crate) ask_every: Duration,
}

impl Default for Pace {
    /// As on the real backend.
    fn default() -> Self {
        Self {
            stream: 256 * 1024,
            ask_every: Duration::from_millis(10),
        }
    }
}

/// A piece of the story of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Telling {
    /// Something that happened, and when.
    Line(Duration, String),
    /// What follows.
    Heading(String),
    /// The lab as drawn.
    Drawing(String),
}

/// Where a VM can run: a port of each host with a vSwitch, wired to it.
#[derive(Clone, Debug)]
struct VmPlaces {
    /// The host it runs on.
    host: String,
    /// By host.
    ports: BTreeMap<String, VmPort>,
}

/// A VM's card on one host.
#[derive(Clone, Debug)]
struct VmPort {
    /// The host's port.
    port: PortRef,
    /// The vSwitch and its port.
    at: Endpoint,
}

/// What switches told, in order.
#[derive(Debug, Default)]
struct Events {
    /// Only while somebody wants to know.
    kept: bool,
    seen: Vec<(NodeId, Record)>,
    seq: BTreeMap<NodeId, u64>,
}

impl Observer for Events {
    fn notice(&mut self, now: Duration, _: &Map, notice: &Notice<'_>) {
        let Notice::Bridge { node, event } = *notice else {
            return;
        };
        let seq = self.seq.entry(node).or_default();
        let record = Record {
            seq: *seq,
            time: now,
            event: *event,
        };
        *seq += 1;
        let of_entries = matches!(
            event,
            Event::CamLearn { .. }
                | Event::CamMove { .. }
                | Event::CamExpire { .. }
                | Event::CamEvict { .. }
                | Event::CamFlush { .. }
                | Event::Link { .. }
                | Event::PortRemoved { .. }
        );
        if self.kept && of_entries {
            self.seen.push((node, record));
        }
    }
}

impl Twin {
    /// The world the lab lives in.
    #[must_use]
    pub fn world(&self) -> &World {
        &self.world
    }

    /// The world, to watch it or to do more to it than steps can.
    pub fn world_mut(&mut self) -> &mut World {
        &mut self.world
    }

    /// The lab file.
    #[must_use]
    pub fn topology(&self) -> &Topology {
        &self.topology
    }

    fn say(&mut self, text: &str) {
        self.story
            .push(Telling::Line(self.world.now(), text.to_owned()));
    }

    fn fault(&self, at: Position, message: impl Into<String>) -> TwinError {
        TwinError::File {
            file: self.topology.file.clone(),
            at,
            message: message.into(),
        }
    }

    fn node(&self, name: &str) -> Option<NodeId> {
        self.world.map().node(name)
    }

    fn port(&self, endpoint: &Endpoint) -> Option<PortRef> {
        self.world
            .map()
            .port(self.node(&endpoint.node)?, &endpoint.port)
    }

    /// The address of a station's port, or of a switch's.
    fn address(&self, port: PortRef) -> Option<MacAddr> {
        self.world.address(port).or_else(|| {
            let switch = self.world.switch(port.node)?;
            Some(switch.port(port.port)?.settings().address)
        })
    }
}

#[cfg(test)]
mod tests;
