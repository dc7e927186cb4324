//! The stopwatch: one address watched over the switches of a lab, and the silence of a move taken apart.
//!
//! The judging is [`switchd::watch`]'s. Here are its eyes in virtual time ([`Recorder`]), what a lab's file says of cables
//! ([`wiring_of`]), and where each millisecond of a silence went ([`Downtime`]).

mod arp;
pub mod cli;
mod downtime;
pub(crate) mod moved;
mod world;

pub use arp::ArpWatch;
pub use downtime::{Downtime, Moments, Rewrite};
pub use world::{Recorder, forwarding, tables, wiring_in};

use switchd::watch::{End, Wiring};

use crate::topology::Topology;

/// The cables between the switches of a lab file.
#[must_use]
pub fn wiring_of(topology: &Topology) -> Wiring {
    let mut wiring = Wiring::none();
    for link in &topology.links {
        let ends: Vec<End> = link
            .endpoints
            .iter()
            .filter(|end| topology.switch(&end.node).is_some())
            .filter_map(|end| {
                Some(End {
                    switch: end.node.clone(),
                    port: end.port.parse().ok()?,
                })
            })
            .collect();
        let shared = ends.len() < link.endpoints.len();
        wiring.connect(ends, shared);
    }
    wiring
}
