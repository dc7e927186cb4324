//! The connections as they look on the wire, and the translation of their sequence numbers.

use pnet_base::MacAddr;
use std::net::SocketAddrV4;

use super::checkpoint::SynOptions;
use super::frame::Segment;

/// Flows remembered at most: one per socket and as many SYNs that were not answered yet.
const FLOWS_MAX: usize = 16;

/// One connection on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Flow {
    pub(super) peer: SocketAddrV4,
    pub(super) peer_mac: MacAddr,
    pub(super) options: SynOptions,
    /// The peer's initial sequence number.
    pub(super) irs: u32,
    /// Our initial sequence number on the wire, once the SYN-ACK was sent.
    pub(super) iss: Option<u32>,
    /// Wire position minus the current socket's position, modulo 2^32.
    pub(super) delta: u32,
    /// The window field the peer last sent.
    pub(super) window: u16,
}

/// All connections of the machine.
#[derive(Clone, Debug, Default)]
pub(super) struct FlowTable {
    flows: Vec<Flow>,
}

impl FlowTable {
    /// Adds a flow; the oldest gives way when there are too many.
    pub(super) fn insert(&mut self, flow: Flow) {
        self.remove(flow.peer);
        if self.flows.len() == FLOWS_MAX {
            self.flows.remove(0);
        }
        self.flows.push(flow);
    }

    /// The flow with `peer`.
    pub(super) fn get(&self, peer: SocketAddrV4) -> Option<&Flow> {
        self.flows.iter().find(|flow| flow.peer == peer)
    }

    /// Forgets the flow with `peer`.
    pub(super) fn remove(&mut self, peer: SocketAddrV4) {
        self.flows.retain(|flow| flow.peer != peer);
    }

    /// Notes a frame that arrived and turns its acknowledgment number into the socket's.
    ///
    /// `is_live` tells whether a socket is connected to a peer: its flow is never replaced.
    pub(super) fn received(&mut self, frame: &mut [u8], is_live: impl Fn(SocketAddrV4) -> bool) {
        let Some(segment) = Segment::parse(frame) else {
            return;
        };
        match segment.ack {
            None if segment.syn && !is_live(segment.source) => {
                self.insert(Flow {
                    peer: segment.source,
                    peer_mac: segment.source_mac,
                    options: segment.options,
                    irs: segment.seq,
                    iss: None,
                    delta: 0,
                    window: segment.window,
                });
            }
            None => {}
            Some(ack) => {
                let flow = self.flows.iter_mut().find(|f| f.peer == segment.source);
                if let Some(flow) = flow {
                    flow.peer_mac = segment.source_mac;
                    flow.window = segment.window;
                    segment.set_ack(frame, ack.wrapping_sub(flow.delta));
                }
            }
        }
    }

    /// Turns the sequence number of a frame that leaves into the wire's, and notes our own
    /// initial one.
    pub(super) fn sent(&mut self, frame: &mut [u8]) {
        let Some(segment) = Segment::parse(frame) else {
            return;
        };
        let flow = self.flows.iter_mut();
        let Some(flow) = { flow }.find(|f| f.peer == segment.destination) else {
            return;
        };
        let seq = segment.seq.wrapping_add(flow.delta);
        if segment.syn {
            flow.iss = Some(seq);
        }
        segment.set_seq(frame, seq);
    }
}
