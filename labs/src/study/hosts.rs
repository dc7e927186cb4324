//! The hosts of a trial: two that stream probes at each other, one of them also asks all others from time to time.

use core::time::Duration;

use pnet_base::MacAddr;
use stp::PortNumber;

use crate::sim::{Outbox, Station, frame};

/// How often each of the two probing hosts sends; what is known of losses is known to this, a three-hundredth of the
/// shortest promise. While the way is broken every probe floods the whole domain, and is the larger part of a study's work.
pub(super) const PROBE_PERIOD: Duration = Duration::from_millis(100);
/// How often every other host is asked something. Longer than the short ageing time of 15 s, as a monitoring system
/// asks its servers: after a topology change such entries are gone before they are used again.
pub(super) const ASK_PERIOD: Duration = Duration::from_secs(20);

const PROBE: u8 = 1;
const QUESTION: u8 = 2;
const ANSWER: u8 = 3;

/// A host; it says nothing before [`Host::speak`], except that it answers.
#[derive(Clone, Debug)]
pub(super) struct Host {
    address: MacAddr,
    peer: Option<MacAddr>,
    /// Whom it asks, in turn.
    asks: Vec<MacAddr>,
    next_ask: usize,
    probe_due: Option<Duration>,
    ask_due: Option<Duration>,
    /// When each probe was sent.
    sent: Vec<Duration>,
    /// How often each probe of the peer arrived.
    heard: Vec<u8>,
    last_duplicate: Option<Duration>,
    duplicates: u64,
}

/// What became of the probes of one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Stream {
    /// Probes that never arrived.
    pub(super) lost: u64,
    /// When the last one of them was sent.
    pub(super) last_lost: Option<Duration>,
    /// Whether the very last probe was lost too: the stream had not come back.
    pub(super) is_broken: bool,
    /// Arrivals beyond the first.
    pub(super) duplicates: u64,
    /// When the last one of them came.
    pub(super) last_duplicate: Option<Duration>,
}

impl Host {
    /// A host that answers only.
    pub(super) fn new(address: MacAddr) -> Self {
        Self {
            address,
            peer: None,
            asks: Vec::new(),
            next_ask: 0,
            probe_due: None,
            ask_due: None,
            sent: Vec::new(),
            heard: Vec::new(),
            last_duplicate: None,
            duplicates: 0,
        }
    }

    /// From `now` on sends probes to `peer` and asks `asks`.
    pub(super) fn speak(&mut self, now: Duration, peer: MacAddr, asks: Vec<MacAddr>) {
        self.peer = Some(peer);
        self.probe_due = Some(now);
        self.ask_due = (!asks.is_empty()).then_some(now);
        self.asks = asks;
    }

    /// Says nothing any more.
    pub(super) fn fall_silent(&mut self) {
        self.probe_due = None;
        self.ask_due = None;
    }

    /// What became of the probes that this host sent to `peer` since `since`.
    pub(super) fn stream_to(&self, peer: &Self, since: Duration) -> Stream {
        let mut stream = Stream {
            duplicates: peer.duplicates,
            last_duplicate: peer.last_duplicate.filter(|at| *at >= since),
            ..Stream::default()
        };
        let first = self.sent.partition_point(|at| *at < since);
        for (number, &at) in self.sent.iter().enumerate().skip(first) {
            let arrived = peer.heard.get(number).is_some_and(|&count| count > 0);
            stream.is_broken = !arrived;
            if !arrived {
                stream.lost += 1;
                stream.last_lost = Some(at);
            }
        }
        stream
    }

    fn probe(&mut self, now: Duration, out: &mut Outbox<'_>) {
        let Some(peer) = self.peer else {
            return;
        };
        let number = u32::try_from(self.sent.len()).expect("a trial ends before 2^32 probes");
        self.sent.push(now);
        self.send(peer, PROBE, number, out);
        self.probe_due = Some(now + PROBE_PERIOD);
    }

    fn ask(&mut self, now: Duration, out: &mut Outbox<'_>) {
        let count = u32::try_from(self.asks.len()).unwrap_or(u32::MAX).max(1);
        if let Some(&to) = self.asks.get(self.next_ask) {
            self.send(to, QUESTION, 0, out);
        }
        self.next_ask = (self.next_ask + 1) % self.asks.len().max(1);
        self.ask_due = Some(now + ASK_PERIOD / count);
    }

    fn send(&self, to: MacAddr, kind: u8, number: u32, out: &mut Outbox<'_>) {
        let mut payload = [0; 46];
        payload[0] = kind;
        payload[1..5].copy_from_slice(&number.to_be_bytes());
        let frame = frame::with_payload(to, self.address, frame::EXPERIMENTAL, &payload);
        out.send(PortNumber::MIN, &frame);
    }

    fn hear(&mut self, now: Duration, number: u32) {
        let number = number as usize;
        if self.heard.len() <= number {
            self.heard.resize(number + 1, 0);
        }
        let count = &mut self.heard[number];
        *count = count.saturating_add(1);
        if *count > 1 {
            self.duplicates += 1;
            self.last_duplicate = Some(now);
        }
    }
}

impl Station for Host {
    fn receive(&mut self, now: Duration, _: PortNumber, frame: &[u8], out: &mut Outbox<'_>) {
        // Destination, source, EtherType, kind, number.
        let [
            d0,
            d1,
            d2,
            d3,
            d4,
            d5,
            s0,
            s1,
            s2,
            s3,
            s4,
            s5,
            _,
            _,
            kind,
            n0,
            n1,
            n2,
            n3,
            ..,
        ] = *frame
        else {
            return;
        };
        if MacAddr::new(d0, d1, d2, d3, d4, d5) != self.address {
            return;
        }
        match kind {
            PROBE => self.hear(now, u32::from_be_bytes([n0, n1, n2, n3])),
            QUESTION => self.send(MacAddr::new(s0, s1, s2, s3, s4, s5), ANSWER, 0, out),
            _ => {}
        }
    }

    fn fork(&self) -> Option<Box<dyn Station>> {
        Some(Box::new(self.clone()))
    }

    fn deadline(&self) -> Option<Duration> {
        [self.probe_due, self.ask_due].into_iter().flatten().min()
    }

    fn timeout(&mut self, now: Duration, out: &mut Outbox<'_>) {
        if self.probe_due.is_some_and(|due| due <= now) {
            self.probe(now, out);
        }
        if self.ask_due.is_some_and(|due| due <= now) {
            self.ask(now, out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_and_duplicates_are_told_apart() {
        let second = Duration::from_secs(1);
        let mut here = Host::new(MacAddr::new(2, 0, 0, 0, 0, 1));
        let mut there = Host::new(MacAddr::new(2, 0, 0, 0, 0, 2));
        here.sent = (0..6).map(|number| number * second).collect();
        for number in [0, 2, 4, 4] {
            there.hear(5 * second, number);
        }
        let stream = here.stream_to(&there, second);
        assert_eq!((stream.lost, stream.last_lost), (3, Some(5 * second)));
        assert!(stream.is_broken);
        assert_eq!(
            (stream.duplicates, stream.last_duplicate),
            (1, Some(5 * second))
        );
        there.hear(6 * second, 5);
        let stream = here.stream_to(&there, 4 * second);
        assert_eq!((stream.lost, stream.is_broken), (0, false));
    }
}
