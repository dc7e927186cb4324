//! Whether a client waited for an answer to its ARP.

use core::net::Ipv4Addr;
use core::time::Duration;

use crate::sim::{Map, Notice, Observer, PortRef};

const ARP: [u8; 2] = [0x08, 0x06];
const REQUEST: [u8; 2] = [0, 1];
const REPLY: [u8; 2] = [0, 2];

/// Watches a client's port for its ARP requests for one address, and for the answers.
#[derive(Clone, Debug)]
pub struct ArpWatch {
    port: PortRef,
    address: Ipv4Addr,
    /// First request without an answer, and the answer.
    waits: Vec<(Duration, Option<Duration>)>,
}

impl ArpWatch {
    /// For requests that leave `port` for `address`.
    #[must_use]
    pub fn new(port: PortRef, address: Ipv4Addr) -> Self {
        Self {
            port,
            address,
            waits: Vec::new(),
        }
    }

    /// The last wait that was over by `until` and began after `from`: first request, answer.
    #[must_use]
    pub fn wait(&self, from: Duration, until: Duration) -> Option<(Duration, Duration)> {
        let over = self.waits.iter().rev().filter_map(|&(asked, answered)| {
            let answered = answered.filter(|answered| *answered <= until)?;
            (asked >= from).then_some((asked, answered))
        });
        over.max_by_key(|wait| wait.1)
    }
}

impl Observer for ArpWatch {
    fn notice(&mut self, now: Duration, _: &Map, notice: &Notice<'_>) {
        match *notice {
            Notice::Transmitted { from, frame, .. } if from == self.port => {
                let open = self
                    .waits
                    .last()
                    .is_some_and(|(_, answered)| answered.is_none());
                if !open && is_arp(frame, REQUEST, 38, self.address) {
                    self.waits.push((now, None));
                }
            }
            Notice::Arrived { at, frame, .. }
                if at == self.port && is_arp(frame, REPLY, 28, self.address) =>
            {
                if let Some((_, answered @ None)) = self.waits.last_mut() {
                    *answered = Some(now);
                }
            }
            Notice::Transmitted { .. }
            | Notice::Arrived { .. }
            | Notice::Lost { .. }
            | Notice::Dropped { .. }
            | Notice::Bridge { .. }
            | Notice::Operation(_)
            | Notice::Finding(_) => {}
        }
    }
}

/// An untagged ARP of this operation with `address` as the protocol address at that octet (RFC 826: sender's at 28,
/// target's at 38).
fn is_arp(frame: &[u8], operation: [u8; 2], at: usize, address: Ipv4Addr) -> bool {
    frame.get(12..14) == Some(&ARP)
        && frame.get(20..22) == Some(&operation)
        && frame.get(at..at + 4) == Some(&address.octets())
}
