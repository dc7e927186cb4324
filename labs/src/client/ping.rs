//! Echo requests through a raw socket.

use core::time::Duration;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn, recv, sendto, socket,
};
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};

const ECHO_REPLY: u8 = 0;
const ECHO_REQUEST: u8 = 8;

/// Sends echo requests to one address.
#[derive(Debug)]
pub(super) struct Ping {
    socket: OwnedFd,
    to: SockaddrIn,
    identifier: u16,
    sequence: u16,
}

impl Ping {
    pub(super) fn new(to: Ipv4Addr) -> io::Result<Self> {
        let socket = socket(
            AddressFamily::Inet,
            SockType::Raw,
            SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC,
            SockProtocol::Icmp,
        )?;
        let identifier = u16::try_from(std::process::id() & 0xffff).expect("masked to 16 bits");
        Ok(Self {
            socket,
            to: SockaddrIn::from(SocketAddrV4::new(to, 0)),
            identifier,
            sequence: 0,
        })
    }

    /// Sends the next request, with its time in it; one that cannot be sent now is lost like any other.
    pub(super) fn send(&mut self, now: Duration) {
        self.sequence = self.sequence.wrapping_add(1);
        let request = request(self.identifier, self.sequence, now);
        let _lost = sendto(
            self.socket.as_raw_fd(),
            &request,
            &self.to,
            MsgFlags::empty(),
        );
    }

    /// Takes what arrived: number of replies to our requests in it, and how long the slowest took.
    pub(super) fn receive(&self, now: Duration) -> (u64, Duration) {
        let mut buffer = [0; 2048];
        let mut replies = (0, Duration::ZERO);
        while let Ok(count) = recv(self.socket.as_raw_fd(), &mut buffer, MsgFlags::empty()) {
            if let Some(sent) = sent_at(&buffer[..count], self.identifier) {
                replies = (replies.0 + 1, replies.1.max(now.saturating_sub(sent)));
            }
        }
        replies
    }
}

impl AsFd for Ping {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn request(identifier: u16, sequence: u16, now: Duration) -> [u8; 16] {
    let mut packet = [0; 16];
    packet[0] = ECHO_REQUEST;
    packet[4..6].copy_from_slice(&identifier.to_be_bytes());
    packet[6..8].copy_from_slice(&sequence.to_be_bytes());
    let nanos = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
    packet[8..].copy_from_slice(&nanos.to_be_bytes());
    let checksum = checksum(&packet);
    packet[2..4].copy_from_slice(&checksum.to_be_bytes());
    packet
}

/// RFC 1071.
fn checksum(bytes: &[u8]) -> u16 {
    let mut sum = 0;
    for pair in bytes.chunks(2) {
        let low = pair.get(1).copied().unwrap_or(0);
        sum += u32::from(u16::from_be_bytes([pair[0], low]));
    }
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    !u16::try_from(sum).expect("folded to 16 bits")
}

/// When the request was sent that this replies to, if it is one of ours. A raw socket delivers the IP header too.
fn sent_at(packet: &[u8], identifier: u16) -> Option<Duration> {
    let header = usize::from(packet.first()? & 0xf) * 4;
    let icmp = packet.get(header..header + 16)?;
    let is_ours = icmp[0] == ECHO_REPLY && icmp[4..6] == identifier.to_be_bytes();
    let nanos = u64::from_be_bytes(icmp[8..].try_into().ok()?);
    is_ours.then(|| Duration::from_nanos(nanos))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_have_a_good_checksum_and_replies_are_known_by_their_identifier() {
        let sent = Duration::from_nanos(12_345_678_901);
        let packet = request(0x1234, 7, sent);
        assert_eq!(checksum(&packet), 0);
        let mut reply = vec![0x45; 20];
        reply.extend(packet);
        assert_eq!(sent_at(&reply, 0x1234), None, "a request is no reply");
        reply[20] = ECHO_REPLY;
        assert_eq!(sent_at(&reply, 0x1234), Some(sent));
        assert_eq!(sent_at(&reply, 0x1235), None);
        assert_eq!(sent_at(&reply[..35], 0x1234), None);
        assert_eq!(sent_at(&[], 0x1234), None);
    }
}
