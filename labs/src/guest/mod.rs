//! A virtual machine as a value: memory, a network card, a TCP/IP stack and one service.
//!
//! [`Machine`] owns everything a guest is made of and nothing of the world: frames and the time go
//! in, frames and the next deadline come out. The process that gives it a tap is `shell`; the
//! virtual-time simulator may run the same machine on simulated wires.
//!
//! # Freezing a TCP stack that cannot be serialised
//!
//! smoltcp's sockets have no import or export. A [`Checkpoint`] therefore holds, per connection,
//! only what can be seen from outside: the peer, the options of its SYN, the two initial sequence
//! numbers as they were on the wire, how much of the stream was acknowledged and how much of the
//! peer's was consumed. Thawing plays a synthetic handshake into a fresh listening socket:
//!
//! ```text
//!   ARP request from the peer              fills the neighbour cache (the reply is swallowed)
//!   SYN   seq = RCV.NXT - 1, the peer's original options and window
//!   SYN-ACK of the fresh socket            swallowed; its sequence number S is read
//!   ACK   seq = RCV.NXT, ack = S + 1, window as last seen       the socket is ESTABLISHED
//!   (FIN, and the ACK of our FIN, where the original had seen them)
//! ```
//!
//! The fresh socket counts from `S + 1` where the peer expects SND.UNA: a constant difference,
//! added to the sequence number of every segment that leaves and taken off the acknowledgment
//! number of every segment that arrives (`flow`), with the checksum adjusted as RFC 1624 says, so
//! that a damaged segment stays damaged. The difference is always between the *wire* and the
//! *current* socket, so any number of migrations compose. Bytes sent and not acknowledged are
//! queued again: the stream is a pure function of its offset ([`stream`]).
//!
//! Not carried over: segments received out of order (RFC 2018 allows a receiver to forget what it
//! selectively acknowledged; the peer sends them again), round-trip estimates, connections in
//! TIME-WAIT. A socket in CLOSING comes back in LAST-ACK, which skips only its TIME-WAIT.

pub(crate) mod announce;
mod checkpoint;
mod flow;
mod frame;
mod machine;
pub mod memory;
mod service;
pub mod shell;
mod stack;
pub mod stream;
mod thaw;

pub use announce::{ANNOUNCE_AT, AnnouncementKind};
pub use checkpoint::{Checkpoint, Closing, ConnectionState, MachineConfig, SynOptions};
pub use machine::{Announced, Machine, MachineStatus, Output};
pub use memory::Memory;
pub use thaw::ThawError;

/// Longest Ethernet frame of the guest's card, octets without FCS.
pub const FRAME_MAX: usize = 1514;
