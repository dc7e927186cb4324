//! End stations: whatever is at a wire and is no bridge.

use core::any::Any;
use core::fmt::Debug;
use core::time::Duration;
use std::rc::Rc;

use stp::PortNumber;

use super::fabric::Fabric;
use super::id::{FlowId, NodeId};

/// An end station as a value: frames and the time go in, frames and the next deadline come out. It has the ports its
/// maker gave it ([`super::World::add_station`]), and hears every frame its wires bring, whomever it is for.
pub trait Station: Any + Debug {
    /// A frame arrives at `port`.
    fn receive(&mut self, now: Duration, port: PortNumber, frame: &[u8], out: &mut Outbox<'_>);

    /// The carrier of `port` comes or goes.
    fn link(&mut self, now: Duration, port: PortNumber, up: bool, out: &mut Outbox<'_>) {
        let _ = (now, port, up, out);
    }

    /// When to call [`Station::timeout`], at the latest.
    fn deadline(&self) -> Option<Duration> {
        None
    }

    /// A copy that would go on exactly as this one, for [`super::World::fork`]; `None`: it cannot be copied.
    fn fork(&self) -> Option<Box<dyn Station>> {
        None
    }

    /// Time has come; harmless at any other time.
    fn timeout(&mut self, now: Duration, out: &mut Outbox<'_>) {
        let _ = (now, out);
    }
}

/// A station that listens and says nothing. What reached it stands in the flows ([`super::World::flow`]).
#[derive(Clone, Copy, Debug, Default)]
pub struct Listener;

impl Station for Listener {
    fn receive(&mut self, _: Duration, _: PortNumber, _: &[u8], _: &mut Outbox<'_>) {}

    fn fork(&self) -> Option<Box<dyn Station>> {
        Some(Box::new(*self))
    }
}

/// Where a station puts what it sends.
#[derive(Debug)]
pub struct Outbox<'a> {
    pub(super) fabric: &'a mut Fabric,
    pub(super) node: NodeId,
}

impl Outbox<'_> {
    /// Sends a frame out of `port`; it is gone if there is no carrier. Copies the octets once.
    pub fn send(&mut self, port: PortNumber, frame: &[u8]) -> FlowId {
        self.fabric
            .originate(self.node.port(port), Rc::from(frame), false)
    }
}
