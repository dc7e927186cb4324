//! Hosts: interfaces with a TCP/IP stack, and the virtual machines that run on them.
//!
//! A host answers ARP and ping on every interface with an address. It can send echo requests, be the client of a VM, and
//! give VMs away or take them over its own TCP, with the very protocol and the very [`Machine`] of the real backend.

mod client;
mod echo;
mod moving;
mod nic;

use core::net::Ipv4Addr;
use core::time::Duration;
use std::collections::BTreeMap;

use pnet_base::MacAddr;
use stp::PortNumber;

use super::station::{Outbox, Station};
use crate::client::Report;
use crate::guest::{Announced, AnnouncementKind, Machine};
use crate::migrate::{Happening, Outcome};

use client::Client;
use echo::Echo;
use moving::{Arrived, Incoming, Outgoing};
use nic::Nic;

pub use nic::HostAddress;

/// Where hosts wait for machines.
const MIGRATION_PORT: u16 = 7_001;
/// Turns in which one event may lead to the next, within an instant.
const TURNS_MAX: usize = 64;
/// How long a VM's card is asked again for what did not fit into one poll.
const POLLS_MAX: usize = 64;

/// Something that happened to a VM on this host.
#[derive(Clone, Debug, PartialEq)]
pub enum VmEvent {
    /// The side that gives it away tells of the move.
    Source(Happening),
    /// It announced itself by a frame of this kind.
    Announced(AnnouncementKind),
    /// It runs here now.
    Running,
    /// The move ended without it.
    NotArrived(String),
}

/// A VM's place on a host: a port of the host that is wired to the vSwitch.
#[derive(Debug, Default)]
struct Place {
    machine: Option<Machine>,
    /// When the machine wants to be polled.
    wake: Option<Duration>,
    outgoing: Option<(PortNumber, Outgoing)>,
    incoming: Option<(PortNumber, Incoming)>,
}

/// A host.
#[derive(Debug, Default)]
pub struct Host {
    nics: BTreeMap<PortNumber, Nic>,
    places: BTreeMap<PortNumber, Place>,
    echo: Option<(PortNumber, Echo)>,
    /// By the address of the VM each talks to.
    clients: BTreeMap<Ipv4Addr, (PortNumber, Client)>,
    identifiers: u16,
    deadline: Option<Duration>,
    told: Vec<(Duration, PortNumber, VmEvent)>,
}

impl Host {
    /// A host without interfaces.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Gives the host an interface. Returns how many of the addresses it took: smoltcp is built for two.
    pub fn add_nic(
        &mut self,
        now: Duration,
        port: PortNumber,
        mac: MacAddr,
        addresses: &[HostAddress],
        gateway: Option<Ipv4Addr>,
        seed: u64,
    ) -> usize {
        let nic = Nic::new(now, mac, addresses, gateway, seed);
        let taken = nic.addresses().len();
        self.nics.insert(port, nic);
        taken
    }

    /// Gives the host a place where a VM can run.
    pub fn add_place(&mut self, port: PortNumber) {
        self.places.insert(port, Place::default());
    }

    /// Lets a machine run at `port`.
    pub fn boot(&mut self, port: PortNumber, machine: Machine) {
        if let Some(place) = self.places.get_mut(&port) {
            place.machine = Some(machine);
            place.wake = Some(Duration::ZERO);
            self.deadline = Some(Duration::ZERO);
        }
    }

    /// The machine at `port`, if one runs or rests there.
    #[must_use]
    pub fn machine(&self, port: PortNumber) -> Option<&Machine> {
        self.places.get(&port)?.machine.as_ref()
    }

    /// Lets the machine at `port` tell the network where it is.
    pub fn announce(&mut self, now: Duration, port: PortNumber) {
        if let Some(place) = self.places.get_mut(&port)
            && let Some(machine) = &mut place.machine
        {
            machine.announce(now);
            place.wake = Some(now);
            self.deadline = Some(now);
        }
    }

    /// What happened to VMs here since the last call.
    pub fn take_told(&mut self) -> Vec<(Duration, PortNumber, VmEvent)> {
        std::mem::take(&mut self.told)
    }

    /// The interface by which `ip` is reached: one of its network, else the first with an address.
    fn nic_to(&mut self, ip: Ipv4Addr) -> Option<(PortNumber, &mut Nic)> {
        let near = self.nics.iter().find(|(_, nic)| nic.is_neighbour(ip));
        let any = || {
            self.nics
                .iter()
                .find(|(_, nic)| !nic.addresses().is_empty())
        };
        let port = *near.or_else(any)?.0;
        Some((port, self.nics.get_mut(&port)?))
    }

    /// Sends one echo request, in place of any before. `false`: the host has no address.
    pub fn ping(&mut self, now: Duration, to: Ipv4Addr, out: &mut Outbox<'_>) -> bool {
        self.end_ping();
        self.identifiers = self.identifiers.wrapping_add(1);
        let identifier = self.identifiers;
        let Some((port, nic)) = self.nic_to(to) else {
            return false;
        };
        let mut echo = Echo::new(nic, to, identifier);
        echo.request(now, nic);
        self.echo = Some((port, echo));
        self.run(now, out);
        true
    }

    /// How long the answer to the latest ping took, if it came.
    #[must_use]
    pub fn pong(&self) -> Option<Duration> {
        let (_, echo) = self.echo.as_ref()?;
        echo.answered.map(|(_, took)| took)
    }

    fn end_ping(&mut self) {
        if let Some((port, echo)) = self.echo.take()
            && let Some(nic) = self.nics.get_mut(&port)
        {
            echo.end(nic);
        }
    }

    /// Makes the host a client of a VM, which it asks for an echo so often. `false`: the host has no address.
    pub fn attend(
        &mut self,
        now: Duration,
        (server, port): (Ipv4Addr, u16),
        ask_every: Duration,
        out: &mut Outbox<'_>,
    ) -> bool {
        self.identifiers = self.identifiers.wrapping_add(1);
        let identifier = self.identifiers;
        let Some((at, nic)) = self.nic_to(server) else {
            return false;
        };
        let client = Client::new(now, nic, (server, port), identifier, ask_every);
        self.clients.insert(server, (at, client));
        self.run(now, out);
        true
    }

    /// Whether the session of this VM's client stands.
    #[must_use]
    pub fn is_attending(&self, server: Ipv4Addr) -> bool {
        self.clients
            .get(&server)
            .is_some_and(|(_, client)| client.is_connected())
    }

    /// What this VM's client saw since the last call.
    pub fn client_report(&mut self, now: Duration, server: Ipv4Addr) -> Option<Report> {
        let (port, client) = self.clients.get_mut(&server)?;
        Some(client.report(now, self.nics.get_mut(port)?))
    }

    /// Waits for a machine, which will run at `place`; it comes to the address `at`. `false`: no interface has it.
    pub fn expect_vm(&mut self, at: Ipv4Addr, place: PortNumber, pages_max: u32) -> bool {
        let nic = self
            .nics
            .iter_mut()
            .find(|(_, nic)| nic.addresses().iter().any(|address| address.ip == at));
        let (Some((&port, nic)), Some(place)) = (nic, self.places.get_mut(&place)) else {
            return false;
        };
        let incoming = Incoming::new(nic, MIGRATION_PORT, pages_max);
        place.incoming = Some((port, incoming));
        true
    }

    /// Waits no longer for a machine at `place`.
    pub fn expect_no_more(&mut self, place: PortNumber) {
        if let Some(place) = self.places.get_mut(&place)
            && let Some((port, incoming)) = place.incoming.take()
            && let Some(nic) = self.nics.get_mut(&port)
        {
            incoming.end(nic);
        }
    }

    /// Begins to move the machine at `place` to the host that expects it at `to`. `false`: there is none, or no way.
    pub fn move_vm(
        &mut self,
        now: Duration,
        place: PortNumber,
        to: Ipv4Addr,
        out: &mut Outbox<'_>,
    ) -> bool {
        let Some((port, _)) = self.nic_to(to) else {
            return false;
        };
        let (Some(nic), Some(place)) = (self.nics.get_mut(&port), self.places.get_mut(&place))
        else {
            return false;
        };
        let Some(machine) = &mut place.machine else {
            return false;
        };
        let outgoing = Outgoing::new(now, nic, to, MIGRATION_PORT, machine);
        place.outgoing = Some((port, outgoing));
        self.run(now, out);
        true
    }

    /// Lets everything happen that can happen now.
    fn run(&mut self, now: Duration, out: &mut Outbox<'_>) {
        for _ in 0..TURNS_MAX {
            let mut sent = false;
            self.run_users(now);
            for (&port, nic) in &mut self.nics {
                let mut frames = Vec::new();
                nic.egress(now, &mut frames);
                sent |= !frames.is_empty();
                send(port, &frames, out);
            }
            self.live(now, out);
            if !sent {
                break;
            }
        }
        self.deadline = self.next(now);
    }

    fn run_users(&mut self, now: Duration) {
        if let Some((port, echo)) = &mut self.echo
            && let Some(nic) = self.nics.get_mut(port)
        {
            echo.collect(now, nic);
        }
        for (port, client) in self.clients.values_mut() {
            if let Some(nic) = self.nics.get_mut(port) {
                client.run(now, nic);
            }
        }
        for (&at, place) in &mut self.places {
            place.take_over(now, at, &mut self.nics, &mut self.told);
            place.give_away(now, at, &mut self.nics, &mut self.told);
        }
    }

    /// Lets the machines live that are due.
    fn live(&mut self, now: Duration, out: &mut Outbox<'_>) {
        for (&port, place) in &mut self.places {
            place.live(now, port, None, out, &mut self.told);
        }
    }

    fn next(&mut self, now: Duration) -> Option<Duration> {
        let nics = self.nics.values_mut().filter_map(|nic| nic.deadline(now));
        let nics = nics.min();
        let places = self.places.values().filter_map(Place::deadline).min();
        let clients = self.clients.values().map(|(_, client)| client.deadline());
        let clients = clients.min();
        [nics, places, clients].into_iter().flatten().min()
    }
}

impl Place {
    fn deadline(&self) -> Option<Duration> {
        let outgoing = self.outgoing.as_ref().map(|(_, outgoing)| outgoing);
        let runs = outgoing.is_none_or(|out| out.source.outcome() == Outcome::Copying);
        let wake = self.wake.filter(|_| runs);
        let moving = outgoing.and_then(Outgoing::deadline);
        [wake, moving].into_iter().flatten().min()
    }

    /// Goes on with a move to here.
    fn take_over(
        &mut self,
        now: Duration,
        at: PortNumber,
        nics: &mut BTreeMap<PortNumber, Nic>,
        told: &mut Vec<(Duration, PortNumber, VmEvent)>,
    ) {
        let Some((port, incoming)) = &mut self.incoming else {
            return;
        };
        let Some(nic) = nics.get_mut(port) else {
            return;
        };
        let event = match incoming.run(now, nic) {
            Arrived::Nothing => return,
            Arrived::Machine(machine) => {
                self.machine = Some(*machine);
                self.wake = Some(Duration::ZERO);
                VmEvent::Running
            }
            Arrived::Failed(reason) => VmEvent::NotArrived(reason),
        };
        told.push((now, at, event));
    }

    /// Goes on with a move away from here.
    fn give_away(
        &mut self,
        now: Duration,
        at: PortNumber,
        nics: &mut BTreeMap<PortNumber, Nic>,
        told: &mut Vec<(Duration, PortNumber, VmEvent)>,
    ) {
        let (Some((port, outgoing)), Some(machine)) = (&mut self.outgoing, &mut self.machine)
        else {
            return;
        };
        let Some(nic) = nics.get_mut(port) else {
            return;
        };
        outgoing.run(now, nic, machine);
        for (time, happening) in outgoing.source.take_happenings() {
            told.push((time, at, VmEvent::Source(happening)));
        }
        let outcome = outgoing.source.outcome();
        match outcome {
            Outcome::Copying | Outcome::Stopped | Outcome::Doubt => return,
            Outcome::Failed => {
                // Switches may have heard of the target in the meantime.
                machine.announce(now);
                self.wake = Some(now);
            }
            Outcome::Moved => {
                let expected = outgoing.source.target_digest();
                let found = machine.memory().digest();
                let verified = Happening::Verified {
                    equal: found == expected,
                    digest: format!("{found:016x}"),
                };
                told.push((now, at, VmEvent::Source(verified)));
                self.machine = None;
                self.wake = None;
            }
        }
        if let Some((_, outgoing)) = self.outgoing.take() {
            outgoing.end(nic);
        }
    }

    /// Lets the machine live: a frame that arrived, and what is due.
    fn live(
        &mut self,
        now: Duration,
        port: PortNumber,
        frame: Option<&[u8]>,
        out: &mut Outbox<'_>,
        told: &mut Vec<(Duration, PortNumber, VmEvent)>,
    ) {
        let stopped = |(_, outgoing): &(_, Outgoing)| outgoing.source.outcome() != Outcome::Copying;
        if self.outgoing.as_ref().is_some_and(stopped) {
            return;
        }
        let Some(machine) = &mut self.machine else {
            return;
        };
        let mut frame = frame;
        for _ in 0..POLLS_MAX {
            if frame.is_none() && self.wake.is_none_or(|wake| wake > now) {
                return;
            }
            let output = machine.poll(now, frame.take());
            self.wake = output.deadline;
            if let Some(Announced) = output.announced {
                for kind in AnnouncementKind::ALL {
                    told.push((now, port, VmEvent::Announced(kind)));
                }
            }
            send(port, output.frames, out);
        }
    }
}

fn send(port: PortNumber, frames: &[Vec<u8>], out: &mut Outbox<'_>) {
    for frame in frames {
        out.send(port, frame);
    }
}

impl Station for Host {
    fn receive(&mut self, now: Duration, port: PortNumber, frame: &[u8], out: &mut Outbox<'_>) {
        if let Some(nic) = self.nics.get_mut(&port) {
            let mut replies = Vec::new();
            nic.ingress(now, frame, &mut replies);
            send(port, &replies, out);
        } else if let Some(place) = self.places.get_mut(&port) {
            place.live(now, port, Some(frame), out, &mut self.told);
        }
        self.run(now, out);
    }

    fn deadline(&self) -> Option<Duration> {
        self.deadline
    }

    fn timeout(&mut self, now: Duration, out: &mut Outbox<'_>) {
        self.run(now, out);
    }
}
