//! Virtual time: the shipped switch on simulated wires, under a clock that jumps.
//!
//! A [`World`] holds bridges, which are the very [`switchd::Switch`] that the daemon runs, stations and wires. BPDUs cross
//! the wires as encoded octets; only the clock and the wires differ from a real network. An hour of protocol time takes
//! seconds, and the same calls with the same seed give the same run, event by event.
//!
//! ```
//! use core::time::Duration;
//! use labs::sim::{BridgeSpec, LinkState, Medium, World, frame};
//!
//! // A ring of three bridges, and a listener at two of them.
//! let mut world = World::new(1);
//! let [a, b, c] = ["a", "b", "c"].map(|name| world.add_bridge(&BridgeSpec::new(name)).unwrap());
//! let ab = world.wire_nodes(&[a, b], Medium::default())?;
//! world.wire_nodes(&[b, c], Medium::default())?;
//! world.wire_nodes(&[c, a], Medium::default())?;
//! let [h1, h2] = ["h1", "h2"].map(|name| world.add_listener(name).unwrap());
//! world.wire_nodes(&[a, h1], Medium::default())?;
//! let at_b = world.wire_nodes(&[b, h2], Medium::default())?;
//!
//! // Two forward delays after the start it has converged.
//! let converged = world.run_quiet(Duration::from_secs(120)).unwrap();
//! assert_eq!(converged, Duration::from_secs(30));
//!
//! // A broadcast reaches the other station once, although there is a ring.
//! let eth0 = world.port(h1, 1).unwrap();
//! let flow = world.send(eth0, frame::broadcast(world.address(eth0).unwrap()));
//! world.run_for(Duration::from_secs(1));
//! assert_eq!(world.flow(flow).unwrap().count_at(world.map().ends(at_b)[1]), 1);
//!
//! // Cut a link: the ring heals, and no frame ever went round.
//! world.set_link(ab, LinkState::Down)?;
//! world.run_quiet(Duration::from_secs(120)).unwrap();
//! assert!(world.findings().is_empty());
//! # Ok::<(), labs::sim::WorldError>(())
//! ```
//!
//! # Order
//!
//! Events of equal time happen in the order they were decided: a frame sent first arrives first, a timer armed before a
//! frame was sent fires before it arrives. Bridges know nothing of each other's order.
//!
//! # Chance
//!
//! Every direction of every wire draws from a stream of its own ([`rng`]), seeded by the world's seed and the wire's
//! place. A fault on one wire does not shift the luck of another.
//!
//! # Safety
//!
//! Every copy of every data frame is followed ([`checks`]): loops, duplicates and blackholes are found with time and
//! path. A storm is bounded ([`Limits`]): beyond the bound copies are dropped and the finding says so.

mod bridge;
mod changes;
pub mod checks;
pub mod cli;
mod fabric;
pub mod frame;
mod host;
mod id;
mod map;
mod observe;
mod operation;
mod parts;
mod pcap;
mod queue;
pub mod rng;
mod segment;
mod snapshot;
mod station;
mod trace;
mod twin;
mod wire;
mod world;

pub use bridge::{BridgeSpec, CAM_CAPACITY, PortSpec};
pub use changes::Changes;
pub use checks::{Finding, FindingCounts, Flow, Limits, Violation};
pub use fabric::{Effects, Totals};
pub use host::{Host, HostAddress, VmEvent};
pub use id::{FlowId, NodeId, PortRef, WireId};
pub use map::Map;
pub use observe::{Notice, Observer};
pub use operation::{Operation, Power, WorldError};
pub use pcap::Captures;
pub use rng::Probability;
pub use segment::{Segment, UNDER_WAY_MAX};
pub use snapshot::{BridgeSnapshot, CamSnapshot, PortSnapshot, TreeSnapshot};
pub use station::{Listener, Outbox, Station};
pub use trace::{Trace, finding_json};
pub(crate) use twin::balance;
pub(crate) use twin::steps::experimental;
pub use twin::{StepReport, Telling, Twin, TwinError, TwinReport};
pub use wire::{Burst, End, Impairment, LinkState, LossReason, Medium, OneWay, Wire};
pub use world::{NotQuiet, World};
