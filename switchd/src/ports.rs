//! What a switch needs of the world.

use stp::PortNumber;

use crate::event::Event;
use crate::tag::Relayed;

/// The effects of a switch: sockets in the daemon, a heap of arrivals in a simulation, vectors in a test.
/// The switch is borrowed while one of these runs, so none can call back into it.
pub trait Ports {
    /// Sends a relayed frame out of `port`. Counting what left, or why not, is the implementor's
    /// (see [`crate::Switch::counters_mut`]): only it learns whether the port took the frame.
    fn transmit(&mut self, port: PortNumber, frame: Relayed<'_>);

    /// Sends a frame of the switch's own, a BPDU, out of `port`.
    fn send(&mut self, port: PortNumber, frame: &[u8]);

    /// Hears what happened.
    fn notice(&mut self, event: Event);
}
