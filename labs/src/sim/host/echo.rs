//! Echo requests: one at a time for a check, or one every few milliseconds as a client sends them.

use core::net::Ipv4Addr;
use core::time::Duration;
use std::collections::BTreeMap;

use smoltcp::iface::SocketHandle;
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::socket::icmp;
use smoltcp::wire::{Icmpv4Packet, Icmpv4Repr, IpAddress};

use super::nic::Nic;

/// Requests to one address, and the answers to them.
#[derive(Debug)]
pub(super) struct Echo {
    handle: SocketHandle,
    to: Ipv4Addr,
    identifier: u16,
    sequence: u16,
    /// When requests not answered yet were sent, the latest few.
    open: BTreeMap<u16, Duration>,
    /// When the latest answer came, and how long it took.
    pub(super) answered: Option<(Duration, Duration)>,
    pub(super) answers: u64,
    /// How long the slowest answer took since this was last taken.
    pub(super) slowest: Duration,
    pub(super) sent: u64,
}

/// Requests without answer that are remembered.
const OPEN_MAX: usize = 1_000;

impl Echo {
    pub(super) fn new(nic: &mut Nic, to: Ipv4Addr, identifier: u16) -> Self {
        Self {
            handle: nic.echo(identifier),
            to,
            identifier,
            sequence: 0,
            open: BTreeMap::new(),
            answered: None,
            answers: 0,
            slowest: Duration::ZERO,
            sent: 0,
        }
    }

    pub(super) fn end(self, nic: &mut Nic) {
        nic.remove(self.handle);
    }

    /// Sends the next request; one that finds no room is lost like any other.
    pub(super) fn request(&mut self, now: Duration, nic: &mut Nic) {
        self.sequence = self.sequence.wrapping_add(1);
        let request = Icmpv4Repr::EchoRequest {
            ident: self.identifier,
            seq_no: self.sequence,
            data: &[0; 8],
        };
        let socket: &mut icmp::Socket<'static> = nic.socket(self.handle);
        self.sent += 1;
        if let Ok(octets) = socket.send(request.buffer_len(), IpAddress::Ipv4(self.to)) {
            let mut packet = Icmpv4Packet::new_unchecked(octets);
            request.emit(&mut packet, &ChecksumCapabilities::default());
            self.open.insert(self.sequence, now);
            while self.open.len() > OPEN_MAX {
                self.open.pop_first();
            }
        }
    }

    /// Takes in answers; says whether there were any.
    pub(super) fn collect(&mut self, now: Duration, nic: &mut Nic) -> bool {
        let socket: &mut icmp::Socket<'static> = nic.socket(self.handle);
        let before = self.answers;
        while let Ok((octets, from)) = socket.recv() {
            let packet = Icmpv4Packet::new_checked(octets).ok();
            let answer = packet.as_ref().and_then(|packet| {
                Icmpv4Repr::parse(packet, &ChecksumCapabilities::default()).ok()
            });
            if let Some(Icmpv4Repr::EchoReply { ident, seq_no, .. }) = answer
                && ident == self.identifier
                && from == IpAddress::Ipv4(self.to)
                && let Some(sent) = self.open.remove(&seq_no)
            {
                let took = now.saturating_sub(sent);
                self.answered = Some((now, took));
                self.slowest = self.slowest.max(took);
                self.answers += 1;
            }
        }
        self.answers > before
    }
}
