//! A machine's card at one place, and a client that asks it.

use core::net::Ipv4Addr;
use core::time::Duration;
use std::rc::Rc;

use labs::client::{Gap, Silence};
use labs::sim::{Outbox, Station, frame};
use pnet_base::MacAddr;
use stp::PortNumber;

/// EtherType of IPv4: what users' frames are.
const IPV4: u16 = 0x0800;
pub(crate) const VM: MacAddr = MacAddr(0x52, 0x54, 0, 0, 0, 5);
pub(crate) const CLIENT: MacAddr = MacAddr(0x52, 0x54, 0, 0x10, 0, 0x64);
pub(crate) const VM_IP: Ipv4Addr = Ipv4Addr::new(10, 0, 10, 5);
const CLIENT_IP: Ipv4Addr = Ipv4Addr::new(10, 0, 10, 100);
const QUESTION: u8 = 1;
const ANSWER: u8 = 2;

/// A frame of the machine to its client.
pub(crate) fn word(from: MacAddr, to: MacAddr) -> Rc<[u8]> {
    frame::with_payload(to, from, IPV4, &[0; 46])
}

fn spoken(from: MacAddr, to: MacAddr, what: u8) -> Rc<[u8]> {
    let mut payload = [0; 46];
    payload[0] = what;
    frame::with_payload(to, from, IPV4, &payload)
}

/// RARP (RFC 903) of the machine for itself, as hypervisors send it.
pub(crate) fn rarp() -> Rc<[u8]> {
    let zero = Ipv4Addr::UNSPECIFIED;
    arp(0x8035, 3, (VM, zero), (VM, zero), MacAddr::broadcast())
}

/// ARP request of the machine for its own address.
pub(crate) fn gratuitous() -> Rc<[u8]> {
    let nobody = (MacAddr::zero(), VM_IP);
    arp(0x0806, 1, (VM, VM_IP), nobody, MacAddr::broadcast())
}

/// ARP request of the machine for its client: a broadcast that announces nothing.
pub(crate) fn question() -> Rc<[u8]> {
    let nobody = (MacAddr::zero(), CLIENT_IP);
    arp(0x0806, 1, (VM, VM_IP), nobody, MacAddr::broadcast())
}

fn arp(
    ether_type: u16,
    operation: u16,
    sender: (MacAddr, Ipv4Addr),
    target: (MacAddr, Ipv4Addr),
    to: MacAddr,
) -> Rc<[u8]> {
    let payload = [
        &[0, 1, 8, 0, 6, 4][..],
        &operation.to_be_bytes(),
        &sender.0.octets(),
        &sender.1.octets(),
        &target.0.octets(),
        &target.1.octets(),
        &[0; 18],
    ]
    .concat();
    frame::with_payload(to, sender.0, ether_type, &payload)
}

/// A card of the machine. It answers while the machine runs there.
#[derive(Debug, Default)]
pub(crate) struct Card {
    /// From when to when the machine runs here.
    pub(crate) runs: Vec<(Duration, Duration)>,
}

impl Station for Card {
    fn receive(&mut self, now: Duration, port: PortNumber, frame: &[u8], out: &mut Outbox<'_>) {
        let runs = self
            .runs
            .iter()
            .any(|&(from, to)| (from..to).contains(&now));
        if !runs || frame.len() < 42 {
            return;
        }
        let is_mine = frame[..6] == VM.octets();
        if is_mine && frame[12..14] == IPV4.to_be_bytes() && frame[14] == QUESTION {
            out.send(port, &spoken(VM, CLIENT, ANSWER));
        }
        let asks_for_me = frame[38..42] == VM_IP.octets() && frame[6..12] != VM.octets();
        if frame[12..14] == [8, 6] && frame[20..22] == [0, 1] && asks_for_me {
            let reply = arp(0x0806, 2, (VM, VM_IP), (CLIENT, CLIENT_IP), CLIENT);
            out.send(port, &reply);
        }
    }
}

/// Asks the machine every so often, and keeps the stopwatch.
#[derive(Debug)]
pub(crate) struct Client {
    period: Duration,
    next: Option<Duration>,
    /// When it forgets the machine's address, and has to ask for it by ARP.
    pub(crate) forgets: Option<Duration>,
    next_arp: Option<Duration>,
    pub(crate) silence: Silence,
}

impl Client {
    pub(crate) fn new(period: Duration, from: Duration) -> Self {
        Self {
            period,
            next: Some(from),
            forgets: None,
            next_arp: None,
            silence: Silence::new(from),
        }
    }

    pub(crate) fn stop(&mut self) {
        self.next = None;
        self.next_arp = None;
        self.forgets = None;
    }

    pub(crate) fn longest(&mut self, now: Duration) -> Gap {
        self.silence.take(now)
    }
}

impl Station for Client {
    fn receive(&mut self, now: Duration, _: PortNumber, frame: &[u8], _: &mut Outbox<'_>) {
        if frame.len() < 42 || frame[..6] != CLIENT.octets() {
            return;
        }
        if frame[12..14] == IPV4.to_be_bytes() && frame[14] == ANSWER {
            self.silence.news(now);
        }
        if frame[12..14] == [8, 6] && frame[20..22] == [0, 2] {
            self.next_arp = None;
        }
    }

    fn deadline(&self) -> Option<Duration> {
        [self.next, self.forgets, self.next_arp]
            .into_iter()
            .flatten()
            .min()
    }

    fn timeout(&mut self, now: Duration, out: &mut Outbox<'_>) {
        if self.forgets.is_some_and(|at| at <= now) {
            self.forgets = None;
            self.next_arp = Some(now);
        }
        if self.next_arp.is_some_and(|at| at <= now) {
            let nobody = (MacAddr::zero(), VM_IP);
            let request = arp(0x0806, 1, (CLIENT, CLIENT_IP), nobody, MacAddr::broadcast());
            out.send(PortNumber::MIN, &request);
            // RFC 1122 2.3.2.1: once a second at most.
            self.next_arp = Some(now + Duration::from_secs(1));
        }
        if self.next.is_some_and(|at| at <= now) {
            if self.next_arp.is_none() {
                out.send(PortNumber::MIN, &spoken(CLIENT, VM, QUESTION));
            }
            self.next = Some(now + self.period);
        }
    }
}
