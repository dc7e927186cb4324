//! `migrate` steps: a VM moves as on the real backend, by the same protocol over the simulated network, and the same
//! things are told of it.

use core::net::Ipv4Addr;
use core::time::Duration;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use serde_json::{Value, json};
use switchd::config::VlanNumber;

use super::build::{STREAM_PORT, migration_address};
use super::steps::Outcome;
use super::{Telling, Twin, TwinError, VmPort};
use crate::client::PingReport;
use crate::domain::Domain;
use crate::guest::ANNOUNCE_AT;
use crate::guest::memory::PAGE;
use crate::guest::shell::GuestEvent;
use crate::sim::host::{Host, VmEvent};
use crate::sim::id::{NodeId, PortRef};
use crate::sim::queue::nanos;
use crate::topology::{self, Position, Step, Topology};
use crate::vmotion::MigrationReport;
use crate::vmotion::events::Seen;
use crate::vmotion::migration::{
    MOVE_MAX, SETTLE, Told, WARM_UP, digest_events, entries_changed, from_ms, is_good, judge,
    lines, summary,
};
use crate::vmotion::path::{self, Entries};
use crate::watch::ArpWatch;
use crate::watch::moved::{self, Felt};

/// How long a client may take to connect.
const CONNECT_MAX: Duration = Duration::from_secs(10);

/// A move under way.
struct Move<'a> {
    vm: &'a str,
    settings: &'a topology::Vm,
    from: (String, VmPort),
    to: (String, VmPort),
    client: NodeId,
    /// The VM's.
    ip: Ipv4Addr,
}

impl Twin {
    /// Lets every VM tell the network where it is.
    pub(super) fn announce(&mut self) {
        let places = self.vms.values();
        let running = places.filter_map(|places| places.ports.get(&places.host));
        for port in running.map(|place| place.port).collect::<Vec<_>>() {
            self.world
                .with_station(port.node, |host: &mut Host, now, _| {
                    host.announce(now, port.port);
                });
        }
    }

    pub(super) fn migrate(
        &mut self,
        step: &Step,
        vm: &str,
        to: &str,
        force: bool,
    ) -> Result<Outcome, TwinError> {
        let topology = self.topology.clone();
        let Some(settings) = topology.vm(vm) else {
            return Err(self.fault(step.at, format!("there is no VM `{vm}`")));
        };
        if let Some(refusal) = self.refusal(vm, settings, to, force) {
            return Ok((false, refusal));
        }
        let course = self.course(step, vm, settings, to, &topology)?;
        let (from, _) = &course.from;
        let heading = format!("{vm} moves from {from} to {to}");
        self.story.push(Telling::Heading(heading));
        let address = topology.host(to).and_then(migration_address);
        let Some(address) = address else {
            return Err(self.fault(step.at, format!("{to} has no VMkernel address")));
        };
        self.expect(step, &course, address)?;
        self.pass(WARM_UP);
        let vlan = settings.vlan.unwrap_or(VlanNumber::DEFAULT);
        let before = self.entries(vlan, settings);
        self.collect(&course);
        self.client_report(&course);
        self.events.borrow_mut().seen.clear();
        self.events.borrow_mut().kept = true;

        let ordered = self.world.now();
        let source = course.from.1.port;
        let begun = self
            .world
            .with_station(source.node, |host: &mut Host, now, out| {
                host.move_vm(now, source.port, address, out)
            });
        if begun != Some(true) {
            return Err(self.fault(step.at, format!("{vm} cannot leave {from}")));
        }
        let told = self.follow(&course);
        let mut report = MigrationReport {
            vm: vm.to_owned(),
            from: from.clone(),
            to: to.to_owned(),
            memory_mib: settings.memory >> 20,
            ..MigrationReport::default()
        };
        let resumed = digest_events(&told, ordered, &mut report);
        let pings = self.client_saw(&course, &mut report);
        let events = self.take_events();
        for (at, text) in lines(&told, &events, settings, resumed) {
            self.story.push(Telling::Line(at, text));
        }
        let (moves, learns) = entries_changed(&events, settings, resumed.unwrap_or(ordered));
        self.land(step, &course, report.failure.is_none())?;
        let (_, landed) = if report.failure.is_none() {
            &course.to
        } else {
            &course.from
        };
        let expected = path::expected(
            &topology,
            &self.view(),
            vlan,
            (&landed.at.node, &landed.at.port),
        );
        report.stale = path::stale(&expected, &self.entries(vlan, settings));
        if report.failure.is_none() {
            let changes = moves.iter().chain(&learns);
            report.not_by_announcement =
                path::unannounced(&expected, &before, changes, -report.pause_ms);
        }
        report.cam_moves = moves;
        report.cam_learns = learns;
        self.judge(&course, &before, &events, resumed.zip(pings), &mut report);
        report.ok = is_good(&report);
        let text = match (&report.failure, report.ok) {
            (Some(failure), _) => format!("{vm} did not move: {failure}"),
            (None, true) => format!("{vm} has moved to {to}"),
            (None, false) => format!("{vm} has moved to {to}, and it was noticed"),
        };
        let ok = report.ok;
        self.migrations.push(report);
        Ok((ok, text))
    }

    /// Why a move is not even begun: a VLAN it needs does not reach the target.
    fn refusal(
        &mut self,
        vm: &str,
        settings: &topology::Vm,
        to: &str,
        force: bool,
    ) -> Option<String> {
        let from = self.vms.get(vm)?.host.clone();
        let domain = Domain {
            topology: &self.topology,
            view: &self.view(),
        };
        let stop = domain.stop(vm, settings, &from, to)?;
        if force {
            self.say(&format!("{vm} is moved although {stop}"));
            return None;
        }
        let refusal = format!("{vm} stays on {from}: {stop}");
        self.migrations.push(MigrationReport {
            vm: vm.to_owned(),
            from,
            to: to.to_owned(),
            failure: Some(stop.to_string()),
            ..MigrationReport::default()
        });
        Some(refusal)
    }

    /// Who takes part; the client is connected when this returns.
    fn course<'a>(
        &mut self,
        step: &Step,
        vm: &'a str,
        settings: &'a topology::Vm,
        to: &str,
        topology: &Topology,
    ) -> Result<Move<'a>, TwinError> {
        let places = self.vms.get(vm).cloned();
        let missing = || format!("{vm} cannot run on {to}");
        let places = places.ok_or_else(|| self.fault(step.at, missing()))?;
        let side = |host: &str| Some((host.to_owned(), places.ports.get(host)?.clone()));
        let (Some(from), Some(to)) = (side(&places.host), side(to)) else {
            return Err(self.fault(step.at, missing()));
        };
        if from.0 == to.0 {
            return Err(self.fault(step.at, format!("{vm} runs on {} already", to.0)));
        }
        let client = client_host(topology, settings).and_then(|host| self.node(host));
        let nobody = || format!("no host is in the network of {vm}");
        let client = client.ok_or_else(|| self.fault(step.at, nobody()))?;
        let ip = self.attend(step.at, (vm, settings), client)?;
        Ok(Move {
            vm,
            settings,
            from,
            to,
            client,
            ip,
        })
    }

    /// Lets a client talk to a VM, unless one does already. Returns when it is connected; the VM's address.
    pub(super) fn attend(
        &mut self,
        at: Position,
        (vm, settings): (&str, &topology::Vm),
        client: NodeId,
    ) -> Result<Ipv4Addr, TwinError> {
        let core::net::IpAddr::V4(ip) = settings.ip.ip else {
            return Err(self.fault(at, format!("{vm}: a VM needs an IPv4 address")));
        };
        let attends = |world: &crate::sim::World| {
            let host = world.station::<Host>(client);
            host.is_some_and(|host| host.is_attending(ip))
        };
        if attends(&self.world) {
            return Ok(ip);
        }
        let ask_every = self.pace.ask_every;
        self.world
            .with_station(client, |host: &mut Host, now, out| {
                host.attend(now, (ip, STREAM_PORT), ask_every, out)
            });
        let until = self.world.now() + CONNECT_MAX;
        if !self.world.run_while_not(until, attends) {
            return Err(self.fault(at, format!("no connection to {vm}")));
        }
        self.say(&format!("a client talks to {vm}"));
        self.watch_arp(client, (vm, settings), ip);
        Ok(ip)
    }

    /// The target waits, and its card is plugged in.
    fn expect(&mut self, step: &Step, course: &Move<'_>, at: Ipv4Addr) -> Result<(), TwinError> {
        let port = course.to.1.port;
        self.must(step.at, |world| world.plug(port, true))?;
        let pages = u32::try_from(course.settings.memory / PAGE as u64).unwrap_or(u32::MAX);
        let expected = self.world.with_station(port.node, |host: &mut Host, _, _| {
            host.expect_vm(at, port.port, pages)
        });
        match expected {
            Some(true) => Ok(()),
            Some(false) | None => Err(self.fault(
                step.at,
                format!("{} cannot take {}", course.to.0, course.vm),
            )),
        }
    }

    /// Unplugs the card that nobody uses any more.
    fn land(&mut self, step: &Step, course: &Move<'_>, moved: bool) -> Result<(), TwinError> {
        let (gone, host) = if moved {
            (course.from.1.port, &course.to.0)
        } else {
            (course.to.1.port, &course.from.0)
        };
        if let Some(places) = self.vms.get_mut(course.vm) {
            places.host.clone_from(host);
        }
        let to = course.to.1.port;
        self.world.with_station(to.node, |host: &mut Host, _, _| {
            host.expect_no_more(to.port)
        });
        self.must(step.at, |world| world.plug(gone, false))
    }

    /// Lets time pass until the move is over and its announcements had their time.
    fn follow(&mut self, course: &Move<'_>) -> Told {
        let mut told = Told::new();
        let mut end = self.world.now() + MOVE_MAX;
        while self.world.now() < end && self.world.next_at().is_some_and(|at| at <= end) {
            self.world.step();
            for (side, event) in self.collect(course) {
                let rest = match event.kind.as_str() {
                    "verified" => Some(ANNOUNCE_AT[ANNOUNCE_AT.len() - 1] + SETTLE),
                    "failed" => Some(SETTLE),
                    _ => None,
                };
                if let Some(rest) = rest {
                    end = self.world.now() + rest;
                }
                if event.kind == "running" {
                    self.world.place(course.settings.mac, course.to.1.port);
                }
                told.push((side, event));
            }
        }
        told
    }

    /// What both hosts told since the last call.
    fn collect(&mut self, course: &Move<'_>) -> Vec<(&'static str, GuestEvent)> {
        let mut all = Vec::new();
        for (side, place) in [("source", &course.from.1), ("target", &course.to.1)] {
            let port: PortRef = place.port;
            let told = self
                .world
                .station_mut::<Host>(port.node)
                .map(Host::take_told);
            for (at, place, event) in told.unwrap_or_default() {
                if place == port.port {
                    all.push((side, guest_event(at, &event)));
                }
            }
        }
        all
    }

    fn client_report(&mut self, course: &Move<'_>) -> Option<crate::client::Report> {
        self.ask_client(course.client, course.ip)
    }

    /// What a VM's client saw since the last call.
    pub(super) fn ask_client(
        &mut self,
        client: NodeId,
        vm: Ipv4Addr,
    ) -> Option<crate::client::Report> {
        self.world
            .with_station(client, |host: &mut Host, now, _| {
                host.client_report(now, vm)
            })
            .flatten()
    }

    /// Verdict and parts of the silence; `felt`: the resume, and the client's longest silence.
    fn judge(
        &self,
        course: &Move<'_>,
        before: &Entries,
        events: &[Seen],
        felt: Option<(Duration, PingReport)>,
        report: &mut MigrationReport,
    ) {
        let watched = moved::Move {
            topology: &self.topology,
            vm: course.settings,
            before,
            events,
            view: &self.view(),
            now: self.world.now(),
            slack: Duration::ZERO,
        };
        let felt = felt.map(|(resumed, pings)| {
            let pause = from_ms(report.pause_ms);
            let gap = pings.silence_around(resumed.saturating_sub(pause), resumed);
            let [from, to] = [gap.from_ns, gap.to_ns].map(Duration::from_nanos);
            let arp = self.arps.get(course.vm);
            Felt {
                client: self.world.map().name(course.client),
                gap,
                resumed,
                pause,
                arp: arp.and_then(|arp| arp.borrow().wait(from, to)),
            }
        });
        judge(&watched, felt.as_ref(), report);
    }

    /// Listens to the ARP of a client for its VM from now on.
    fn watch_arp(&mut self, client: NodeId, (name, vm): (&str, &topology::Vm), ip: Ipv4Addr) {
        let host = self.topology.host(self.world.map().name(client));
        let ports = host.map_or(&[][..], |host| &host.ports);
        let near = ports.iter().find(|port| {
            let mut addresses = port.addresses.iter();
            addresses.any(|address| in_network(vm, address.ip))
        });
        let port = near.and_then(|near| self.world.map().port(client, &near.name));
        if let Some(port) = port {
            let watch = Rc::new(RefCell::new(ArpWatch::new(port, ip)));
            self.world.observe(watch.clone());
            self.arps.insert(name.to_owned(), watch);
        }
    }

    fn client_saw(
        &mut self,
        course: &Move<'_>,
        report: &mut MigrationReport,
    ) -> Option<PingReport> {
        let seen = self.client_report(course)?;
        report.asked(&seen.ping);
        report.tcp = Some(summary(&seen));
        Some(seen.ping)
    }

    fn take_events(&mut self) -> Vec<Seen> {
        let mut events = self.events.borrow_mut();
        events.kept = false;
        let map = self.world.map();
        let seen = std::mem::take(&mut events.seen).into_iter();
        seen.map(|(node, record)| Seen {
            switch: map.name(node).to_owned(),
            record,
        })
        .collect()
    }

    /// What every switch's CAM says about the VM.
    fn entries(&self, vlan: VlanNumber, settings: &topology::Vm) -> Entries {
        let mut entries = BTreeMap::new();
        for (switch, _) in self.topology.switches() {
            for port in self.entries_of(switch, settings.mac, Some(vlan)) {
                entries.insert(switch.to_owned(), port);
            }
        }
        entries
    }
}

/// An event in the form in which a guest's process tells of it.
fn guest_event(at: Duration, event: &VmEvent) -> GuestEvent {
    let value = match event {
        VmEvent::Source(happening) => serde_json::to_value(happening).unwrap_or_default(),
        VmEvent::Announced(kind) => json!({"event": "announced", "kind": kind}),
        VmEvent::Running => json!({"event": "running"}),
        VmEvent::NotArrived(reason) => json!({"event": "not-arrived", "reason": reason}),
    };
    let mut fields = match value {
        Value::Object(fields) => fields,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            serde_json::Map::new()
        }
    };
    let kind = fields.remove("event");
    GuestEvent {
        time_ns: nanos(at),
        kind: kind
            .as_ref()
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned(),
        fields,
    }
}

/// The first host without a vSwitch that has an address in the VM's network.
pub(super) fn client_host<'t>(topology: &'t Topology, vm: &topology::Vm) -> Option<&'t str> {
    let found = topology.hosts().find(|(_, host)| {
        let mut addresses = host.ports.iter().flat_map(|port| &port.addresses);
        host.vswitch.is_none() && addresses.any(|address| in_network(vm, address.ip))
    });
    found.map(|(name, _)| name)
}

/// Whether an address is in a VM's network.
fn in_network(vm: &topology::Vm, ip: core::net::IpAddr) -> bool {
    let network = |ip: core::net::IpAddr| match ip {
        core::net::IpAddr::V4(ip) if vm.ip.prefix > 0 => {
            u32::from(ip) >> (32 - u32::from(vm.ip.prefix))
        }
        core::net::IpAddr::V4(_) | core::net::IpAddr::V6(_) => 0,
    };
    ip.is_ipv4() && network(ip) == network(vm.ip.ip)
}
