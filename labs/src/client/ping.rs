//! Echo requests through a raw socket.

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

    /// Sends the next request; one that cannot be sent now is lost like any other.
    pub(super) fn send(&mut self) {
        self.sequence = self.sequence.wrapping_add(1);
        let request = request(self.identifier, self.sequence);
        let _lost = sendto(
            self.socket.as_raw_fd(),
            &request,
            &self.to,
            MsgFlags::empty(),
        );
    }

    /// Takes what arrived; number of replies to our requests in it.
    pub(super) fn receive(&self) -> u64 {
        let mut buffer = [0; 2048];
        let mut replies = 0;
        while let Ok(count) = recv(self.socket.as_raw_fd(), &mut buffer, MsgFlags::empty()) {
            replies += u64::from(is_reply(&buffer[..count], self.identifier));
        }
        replies
    }
}

impl AsFd for Ping {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn request(identifier: u16, sequence: u16) -> [u8; 16] {
    let mut packet = [0; 16];
    packet[0] = ECHO_REQUEST;
    packet[4..6].copy_from_slice(&identifier.to_be_bytes());
    packet[6..8].copy_from_slice(&sequence.to_be_bytes());
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

/// A raw socket delivers the IP header too.
fn is_reply(packet: &[u8], identifier: u16) -> bool {
    let Some(first) = packet.first() else {
        return false;
    };
    let header = usize::from(first & 0xf) * 4;
    let Some(icmp) = packet.get(header..header + 8) else {
        return false;
    };
    icmp[0] == ECHO_REPLY && icmp[4..6] == identifier.to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_have_a_good_checksum_and_replies_are_known_by_their_identifier() {
        let packet = request(0x1234, 7);
        assert_eq!(checksum(&packet), 0);
        let mut reply = vec![0x45; 20];
        reply.extend(packet);
        assert!(!is_reply(&reply, 0x1234), "a request is no reply");
        reply[20] = ECHO_REPLY;
        assert!(is_reply(&reply, 0x1234));
        assert!(!is_reply(&reply, 0x1235));
        assert!(!is_reply(&reply[..24], 0x1234));
        assert!(!is_reply(&[], 0x1234));
    }
}
