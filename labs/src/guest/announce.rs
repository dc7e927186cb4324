//! How a machine that moved tells the network: RARP, as hypervisors send it, and gratuitous ARP.

use core::time::Duration;
use pnet_base::MacAddr;
use std::net::Ipv4Addr;

/// When announcements leave, counted from the resume: one at once, then QEMU's schedule (initial
/// 50 ms, step 100 ms, limit 550 ms, five rounds).
pub const ANNOUNCE_AT: [Duration; 5] = [
    Duration::ZERO,
    Duration::from_millis(50),
    Duration::from_millis(200),
    Duration::from_millis(450),
    Duration::from_millis(800),
];

/// The two frames of an announcement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AnnouncementKind {
    /// Reverse ARP request (EtherType 0x8035, operation 3), broadcast: what QEMU and VMware send.
    /// It teaches switches and says nothing to hosts.
    Rarp,
    /// ARP request of the machine for its own address, broadcast: what a Linux guest sends.
    GratuitousArp,
}

impl AnnouncementKind {
    /// In the order in which one announcement sends them.
    pub const ALL: [Self; 2] = [Self::Rarp, Self::GratuitousArp];

    /// The frame of this kind for a machine.
    pub(super) fn frame(self, mac: MacAddr, ip: Ipv4Addr) -> Vec<u8> {
        match self {
            Self::Rarp => rarp(mac),
            Self::GratuitousArp => request(mac, ip),
        }
    }
}

/// Reverse ARP request (RFC 903) of a machine for itself.
pub(crate) fn rarp(mac: MacAddr) -> Vec<u8> {
    let zero = Ipv4Addr::UNSPECIFIED;
    let mut frame = arp(0x8035, 3, mac, zero, mac, zero);
    frame.resize(60, 0);
    frame
}

/// ARP request of a machine for its own address.
pub(crate) fn request(mac: MacAddr, ip: Ipv4Addr) -> Vec<u8> {
    arp(0x0806, 1, mac, ip, MacAddr::zero(), ip)
}

/// ARP reply that nobody asked for, to everybody (RFC 5227 section 3).
pub(crate) fn reply(mac: MacAddr, ip: Ipv4Addr) -> Vec<u8> {
    arp(0x0806, 2, mac, ip, mac, ip)
}

/// True if `frame` is an announcement of `mac`: RARP or ARP, broadcast, from that address.
#[must_use]
pub(crate) fn is_announcement_of(frame: &[u8], mac: MacAddr) -> bool {
    frame.len() >= 42
        && frame[..6] == [0xff; 6]
        && frame[6..12] == mac.octets()
        && (frame[12..14] == [0x80, 0x35] || frame[12..14] == [0x08, 0x06])
}

/// The announcements still to be sent after a resume.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Schedule {
    since: Duration,
    sent: usize,
    running: bool,
}

impl Schedule {
    /// Starts over at `now`: the first announcement is due at once.
    pub(super) fn start(&mut self, now: Duration) {
        *self = Self {
            since: now,
            sent: 0,
            running: true,
        };
    }

    /// When the next announcement is due.
    pub(super) fn deadline(&self) -> Option<Duration> {
        let after = ANNOUNCE_AT.get(self.sent).filter(|_| self.running)?;
        Some(self.since + *after)
    }

    /// True if one is due at `now`; it counts as sent. Announcements that were missed are merged.
    pub(super) fn take(&mut self, now: Duration) -> bool {
        let mut due = false;
        while self.deadline().is_some_and(|at| at <= now) {
            self.sent += 1;
            due = true;
        }
        due
    }
}

fn arp(
    ether_type: u16,
    operation: u16,
    mac: MacAddr,
    ip: Ipv4Addr,
    target: MacAddr,
    target_ip: Ipv4Addr,
) -> Vec<u8> {
    let mut frame = Vec::with_capacity(60);
    frame.extend_from_slice(&[0xff; 6]);
    frame.extend_from_slice(&mac.octets());
    frame.extend_from_slice(&ether_type.to_be_bytes());
    // Hardware type Ethernet, protocol type IPv4, address lengths 6 and 4 (RFC 826, RFC 903).
    frame.extend_from_slice(&[0, 1, 8, 0, 6, 4]);
    frame.extend_from_slice(&operation.to_be_bytes());
    frame.extend_from_slice(&mac.octets());
    frame.extend_from_slice(&ip.octets());
    frame.extend_from_slice(&target.octets());
    frame.extend_from_slice(&target_ip.octets());
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: MacAddr = MacAddr(0x52, 0x54, 0, 0, 0, 5);

    #[test]
    fn rarp_is_what_qemu_sends() {
        let frame = AnnouncementKind::Rarp.frame(MAC, Ipv4Addr::new(10, 0, 0, 5));
        assert_eq!(frame.len(), 60);
        assert_eq!(
            frame[..14],
            *b"\xff\xff\xff\xff\xff\xff\x52\x54\0\0\0\x05\x80\x35"
        );
        assert_eq!(frame[14..22], [0, 1, 8, 0, 6, 4, 0, 3]);
        assert!(is_announcement_of(&frame, MAC));
        assert!(!is_announcement_of(&frame, MacAddr::broadcast()));
    }

    #[test]
    fn gratuitous_arp_asks_for_its_own_address() {
        let frame = AnnouncementKind::GratuitousArp.frame(MAC, Ipv4Addr::new(10, 0, 0, 5));
        assert_eq!(frame.len(), 42);
        assert_eq!(frame[28..32], frame[38..42]);
        assert!(is_announcement_of(&frame, MAC));
    }

    #[test]
    fn announcements_follow_the_schedule_and_missed_ones_merge() {
        let mut schedule = Schedule::default();
        assert_eq!(schedule.deadline(), None);
        let start = Duration::from_secs(3);
        schedule.start(start);
        assert!(schedule.take(start));
        assert!(!schedule.take(start));
        assert_eq!(schedule.deadline(), Some(start + ANNOUNCE_AT[1]));
        assert!(schedule.take(start + Duration::from_millis(300)));
        assert_eq!(schedule.deadline(), Some(start + ANNOUNCE_AT[3]));
        assert!(schedule.take(start + Duration::from_secs(9)));
        assert_eq!(schedule.deadline(), None);
    }
}
