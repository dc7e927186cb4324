//! What arrives of a machine's announcements at a client's interfaces.

use core::time::Duration;
use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, socket};
use pnet_base::MacAddr;
use serde::{Deserialize, Serialize};
use std::io;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};

use crate::guest::AnnouncementKind;
use crate::guest::announce::is_announcement_of;

/// An announcement that arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heard {
    /// Its kind.
    pub kind: AnnouncementKind,
    /// When, CLOCK_MONOTONIC nanoseconds.
    pub at_ns: u64,
}

/// A packet socket that sees every frame of the namespace, like a capture.
#[derive(Debug)]
pub(super) struct Ear {
    socket: OwnedFd,
    mac: MacAddr,
}

impl Ear {
    pub(super) fn new(mac: MacAddr) -> io::Result<Self> {
        let socket = socket(
            AddressFamily::Packet,
            SockType::Raw,
            SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC,
            SockProtocol::EthAll,
        )?;
        Ok(Self { socket, mac })
    }

    /// The announcements among what arrived; `now` is when.
    pub(super) fn receive(&self, now: Duration) -> Vec<Heard> {
        let at_ns = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
        let mut heard = Vec::new();
        let mut buffer = [0; 64];
        loop {
            // What is longer is cut: an announcement is not.
            match recv(self.socket.as_raw_fd(), &mut buffer, MsgFlags::empty()) {
                Ok(octets) => {
                    let kind = kind_of(&buffer[..octets], self.mac);
                    heard.extend(kind.map(|kind| Heard { kind, at_ns }));
                }
                Err(Errno::EINTR) => {}
                Err(_) => return heard,
            }
        }
    }
}

impl AsFd for Ear {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// What kind of announcement of `mac` this is, if one. A broadcast ARP that asks for another address is none.
fn kind_of(frame: &[u8], mac: MacAddr) -> Option<AnnouncementKind> {
    if !is_announcement_of(frame, mac) {
        return None;
    }
    match frame[12..14] == [0x80, 0x35] {
        true => Some(AnnouncementKind::Rarp),
        // Sender's and target's address.
        false if frame[28..32] == frame[38..42] => Some(AnnouncementKind::GratuitousArp),
        false => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guest::announce::{rarp, reply, request};
    use std::net::Ipv4Addr;

    #[test]
    fn announcements_are_told_from_questions() {
        let mac = MacAddr(0x52, 0x54, 0, 0, 0, 5);
        let ip = Ipv4Addr::new(10, 0, 0, 5);
        assert_eq!(kind_of(&rarp(mac), mac), Some(AnnouncementKind::Rarp));
        for frame in [request(mac, ip), reply(mac, ip)] {
            assert_eq!(kind_of(&frame, mac), Some(AnnouncementKind::GratuitousArp));
            assert_eq!(kind_of(&frame, MacAddr::broadcast()), None);
        }
        let mut question = request(mac, ip);
        question[41] = 6;
        assert_eq!(kind_of(&question, mac), None);
        assert_eq!(kind_of(&rarp(mac)[..30], mac), None);
    }
}
