//! One move, from the order to the last entry.

use core::time::Duration;
use serde_json::Value;
use std::net::SocketAddrV4;
use switchd::config::VlanNumber;
use switchd::event::{Event, Record};

use super::Play;
use super::events::Seen;
use super::guests::{self, Guest};
use super::outside::{heard, measure, wait_for_announcements};
use super::path::{self, Entries};
use super::probe::Probe;
use super::report::{Announcement, CamMove, MigrationReport, TcpSummary, ms, ms_after};
use crate::domain::Domain;
use crate::guest::ANNOUNCE_AT;
use crate::guest::shell::{GuestClient, GuestEvent, Request, monotonic};
use crate::lab::{LabError, View, interrupt};
use crate::migrate::Limits;
use crate::qemu::{Accelerator, Figures};
use crate::topology::{Vm, VmMachine};
use crate::watch::moved::{self, Felt};

/// A move that takes longer is taken for stuck: 64 MiB take less than a second.
pub(crate) const MOVE_MAX: Duration = Duration::from_secs(60);
/// How long after the last announcement its effects are waited for.
pub(crate) const SETTLE: Duration = Duration::from_millis(200);
/// What the client sees before the move is not the move's doing.
pub(crate) const WARM_UP: Duration = Duration::from_millis(500);
const TURN: Duration = Duration::from_millis(5);
/// Daemons read their clock once for a batch of frames.
const SLACK: Duration = Duration::from_millis(1);
/// The bar: a user of the VM must not see more silence than this.
pub(crate) const SILENCE_MAX_MS: f64 = 200.0;

/// What happened, with where.
pub(crate) type Told = Vec<(&'static str, GuestEvent)>;

impl Play<'_> {
    /// Moves `vm` to the host `to`. False: it did not move, or somebody noticed.
    pub(super) fn migrate(&mut self, vm: &str, to: &str, force: bool) -> Result<bool, LabError> {
        let lab = self.lab;
        let missing = || LabError::Other(format!("no VM {vm}"));
        let settings = lab.topology.vm(vm).ok_or_else(missing)?;
        if !self.may_move(vm, settings, to, force)? {
            return Ok(false);
        }
        if !self.probes.contains_key(vm) {
            let probe = Probe::start(lab, vm, settings)?;
            self.probes.insert(vm.to_owned(), probe);
            self.story
                .line(monotonic(), &format!("a client talks to {vm}"))?;
        }
        let from = self.guests.get(vm)?.host.clone();
        self.story
            .heading(&format!("{vm} moves from {from} to {to}"))?;
        let address = guests::migration_address(lab, to)?;
        let started = self.guests.start(lab, vm, settings, to, Some(address));
        interrupt::pause(WARM_UP)?;
        let mut target = match started {
            Ok(target) => target,
            Err(LabError::Start { reason, .. }) => {
                return self.refused(vm, from, to, &reason).map(|()| false);
            }
            Err(error) => return Err(error),
        };
        let vlan = settings.vlan.unwrap_or(VlanNumber::DEFAULT);
        let before = path::actual(lab, vlan, settings.mac)?;
        self.watch.drain();
        self.probe(vm)?;

        let (ordered, mut told) = self.guests.get(vm)?.move_to(&mut target, address)?;
        if settings.machine == VmMachine::Qemu {
            wait_for_announcements(&told)?;
        }
        let mut report = MigrationReport {
            vm: vm.to_owned(),
            from,
            to: to.to_owned(),
            memory_mib: settings.memory >> 20,
            ..MigrationReport::default()
        };
        let seen = self.probe(vm)?;
        told.extend(heard(&seen.heard, ordered));
        let resumed = digest_events(&told, ordered, &mut report);
        if let Some(failure) = &mut report.failure {
            self.explain(vm, settings, &told, &target, failure)?;
        }
        report.asked(&seen.ping);
        report.tcp = Some(summary(&seen));
        let events = self.watch.drain();
        let moves = entries_changed(&events, settings, resumed.unwrap_or(ordered));
        self.tell(&told, &events, settings, resumed)?;
        let host = self.probes.get(vm).map(|probe| probe.host.clone());
        let view = self.settle(vm, target, moves, &before, vlan, settings, &mut report)?;
        let watched = moved::Move {
            topology: &lab.topology,
            vm: settings,
            before: &before,
            events: &events,
            view: &view,
            now: monotonic(),
            slack: SLACK,
        };
        let pause = from_ms(report.pause_ms);
        let felt = resumed.zip(host.as_deref()).map(|(resumed, client)| Felt {
            client,
            gap: (seen.ping).silence_around(resumed.saturating_sub(pause), resumed),
            resumed,
            pause,
            arp: None,
        });
        judge(&watched, felt.as_ref(), &mut report);
        measure(&mut report);
        report.ok = is_good(&report);
        let ok = report.ok;
        self.report.migrations.push(report);
        self.report.events_lost = self.watch.lost();
        Ok(ok)
    }

    /// Whether every VLAN a move needs reaches the target, or it is to be tried all the same.
    fn may_move(
        &mut self,
        vm: &str,
        settings: &Vm,
        to: &str,
        force: bool,
    ) -> Result<bool, LabError> {
        let from = self.guests.get(vm)?.host.clone();
        let view = self.view()?;
        let domain = Domain {
            topology: &self.lab.topology,
            view: &view,
        };
        let Some(stop) = domain.stop(vm, settings, &from, to) else {
            return Ok(true);
        };
        if force {
            let text = format!("{vm} is moved although {stop}");
            self.story.line(monotonic(), &text)?;
            return Ok(true);
        }
        let text = format!("FAIL {vm} stays on {from}: {stop}");
        self.story.line(monotonic(), &text)?;
        self.report.migrations.push(MigrationReport {
            vm: vm.to_owned(),
            from,
            to: to.to_owned(),
            failure: Some(stop.to_string()),
            ..MigrationReport::default()
        });
        Ok(false)
    }

    /// The target's process did not come up: nothing has moved.
    fn refused(&mut self, vm: &str, from: String, to: &str, reason: &str) -> Result<(), LabError> {
        let failure = format!("{to} refuses: {reason}");
        let text = format!("FAIL {vm} stays on {from}: {failure}");
        self.story.line(monotonic(), &text)?;
        let seen = self.probe(vm)?;
        self.report.migrations.push(MigrationReport {
            vm: vm.to_owned(),
            from,
            to: to.to_owned(),
            tcp: Some(summary(&seen)),
            failure: Some(failure),
            ..MigrationReport::default()
        });
        Ok(())
    }

    /// Adds to a failure what the target's process has said, and boots a machine anew whose process has died.
    fn explain(
        &mut self,
        vm: &str,
        settings: &Vm,
        told: &Told,
        target: &Guest,
        failure: &mut String,
    ) -> Result<(), LabError> {
        if settings.machine == VmMachine::Labs {
            return Ok(());
        }
        let said = target.last_words();
        if !said.is_empty() {
            failure.push_str(&format!("; {} said: {said}", target.host));
        }
        let is_lost = |(_, event): &(_, GuestEvent)| {
            event.kind == "failed" && event.fields.get("survives") == Some(&Value::Bool(false))
        };
        if told.iter().any(is_lost) {
            self.guests.revive(self.lab, vm, settings)?;
            let host = &self.guests.get(vm)?.host;
            failure.push_str(&format!("; {vm} was started anew on {host}"));
        }
        Ok(())
    }

    fn probe(&mut self, vm: &str) -> Result<crate::client::Report, LabError> {
        let missing = || LabError::Other(format!("no client of {vm}"));
        self.probes.get_mut(vm).ok_or_else(missing)?.report()
    }

    /// Compares the tables with the tree, and ends the process that is not the VM any more.
    #[expect(
        clippy::too_many_arguments,
        reason = "the facts of one move, used once"
    )]
    fn settle(
        &mut self,
        vm: &str,
        target: Guest,
        (moves, learns): (Vec<CamMove>, Vec<CamMove>),
        before: &Entries,
        vlan: VlanNumber,
        settings: &Vm,
        report: &mut MigrationReport,
    ) -> Result<View, LabError> {
        let lab = self.lab;
        let gone = if report.failure.is_some() {
            Some(target)
        } else {
            self.guests.replace(vm, target)
        };
        let view = self.view()?;
        let (vswitch, port) = self.guests.get(vm)?.plug();
        let expected = path::expected(&lab.topology, &view, vlan, (vswitch, port));
        let actual = path::actual(lab, vlan, settings.mac)?;
        report.stale = path::stale(&expected, &actual);
        if report.failure.is_none() {
            let changes = moves.iter().chain(&learns);
            report.not_by_announcement =
                path::unannounced(&expected, before, changes, -report.pause_ms);
        }
        report.cam_moves = moves;
        report.cam_learns = learns;
        if let Some(gone) = gone {
            gone.end(lab)?;
        }
        Ok(view)
    }

    /// One line per thing that happened, in order of time.
    fn tell(
        &self,
        told: &Told,
        events: &[Seen],
        settings: &Vm,
        resumed: Option<Duration>,
    ) -> Result<(), LabError> {
        for (at, text) in lines(told, events, settings, resumed) {
            self.story.line(at, &text)?;
        }
        Ok(())
    }
}

/// One line per thing that happened, in order of time.
pub(crate) fn lines(
    told: &Told,
    events: &[Seen],
    settings: &Vm,
    resumed: Option<Duration>,
) -> Vec<(Duration, String)> {
    let mut lines: Vec<(Duration, String)> = Vec::new();
    if let Some(resumed) = resumed {
        lines.push((resumed, "RESUME".to_owned()));
    }
    for (side, event) in told {
        let at = Duration::from_nanos(event.time_ns);
        if let Some(text) = sentence(side, event) {
            lines.push((at, text));
        }
    }
    for seen in events {
        if let Some(entry) = entry_changed(seen, settings, resumed.unwrap_or_default()) {
            let mut text = format!(
                "  {:<6} vlan {} {}: {} → {} by {}",
                entry.switch,
                entry.vlan,
                entry.mac,
                if entry.from.is_empty() {
                    "(none)"
                } else {
                    &entry.from
                },
                entry.to,
                frame_name(&entry.cause),
            );
            if resumed.is_some() {
                text.push_str(&format!(", {:+.3} ms", entry.at_ms));
            }
            lines.push((seen.record.time, text));
        }
    }
    lines.sort_by_key(|line| line.0);
    lines
}

/// Orders a machine of the labs' own to move to `to`, where `target` waits: when, and what both told.
pub(super) fn copy(
    source: &mut GuestClient,
    target: &mut GuestClient,
    to: SocketAddrV4,
) -> Result<(Duration, Told), LabError> {
    // What it told before the order is of no interest now.
    while let Ok(Some(_)) = source.next_event(TURN) {}
    let ordered = monotonic();
    let order = Request::Migrate {
        to,
        limits: Limits::default(),
    };
    let refused = |error| LabError::Other(format!("{error}"));
    source.call(&order).map_err(refused)?;
    Ok((ordered, follow(source, target)?))
}

/// Collects what both processes tell, until the move is over and its announcements had their time,
/// or nobody is left to tell. A process that dies tells nothing more; the other one says what that
/// meant.
fn follow(source: &mut GuestClient, target: &mut GuestClient) -> Result<Told, LabError> {
    let mut told = Told::new();
    let mut end = monotonic() + MOVE_MAX;
    let mut sides = vec![("source", source), ("target", target)];
    while monotonic() < end && !sides.is_empty() {
        interrupt::check()?;
        sides.retain_mut(|(side, guest)| {
            let event = match guest.next_event(TURN) {
                Ok(None) => return true,
                Ok(Some(event)) => event,
                Err(_) => return false,
            };
            let rest = match event.kind.as_str() {
                "verified" => Some(ANNOUNCE_AT[ANNOUNCE_AT.len() - 1] + SETTLE),
                "failed" => Some(SETTLE),
                _ => None,
            };
            if let Some(rest) = rest {
                end = monotonic() + rest;
            }
            told.push((side, event));
            true
        });
    }
    Ok(told)
}

pub(crate) fn summary(seen: &crate::client::Report) -> TcpSummary {
    TcpSummary {
        alive: seen.tcp.alive,
        longest_stall_ms: seen.tcp.stall.ms(),
        bytes_lost: seen.tcp.bytes_lost,
        bytes_duplicated: seen.tcp.bytes_duplicated,
        bytes_damaged: seen.tcp.bytes_damaged,
    }
}

/// Puts what the processes told into the report; returns when the VM resumed.
pub(crate) fn digest_events(
    told: &Told,
    ordered: Duration,
    report: &mut MigrationReport,
) -> Option<Duration> {
    let mut stopped = None;
    let mut resumed = None;
    for (_, event) in told {
        let at = Duration::from_nanos(event.time_ns);
        let number = |key: &str| event.fields.get(key).and_then(Value::as_u64);
        match event.kind.as_str() {
            "round" => report.rounds += 1,
            "stop" => stopped = Some(at),
            "resumed" => {
                resumed = number("resumed_ns").map(Duration::from_nanos);
                report.total_ms = ms(at.saturating_sub(ordered));
            }
            "verified" => {
                let equal = event.fields.get("equal").and_then(Value::as_bool);
                report.memory_equal = Some(equal == Some(true));
            }
            "failed" => report.failure = Some(text(event, "reason")),
            "figures" => {
                let figures = Value::Object(event.fields.clone());
                report.qemu = serde_json::from_value::<Figures>(figures).ok();
            }
            _ => {}
        }
    }
    if resumed.is_none() && report.failure.is_none() {
        report.failure = Some("the move did not come to an end".to_owned());
    }
    if let Some(figures) = &report.qemu {
        report.rounds = u32::try_from(figures.rounds).unwrap_or(u32::MAX);
    }
    if let (Some(stopped), Some(resumed)) = (stopped, resumed) {
        report.pause_ms = ms(resumed.saturating_sub(stopped));
    }
    let announced = told
        .iter()
        .filter(|(side, event)| *side == "target" && event.kind == "announced");
    for (_, event) in announced {
        let at = Duration::from_nanos(event.time_ns);
        report.announcements.push(Announcement {
            kind: text(event, "kind"),
            at_ms: ms_after(resumed.unwrap_or(ordered), at),
        });
    }
    resumed
}

/// Puts verdict and parts of the silence into the report.
pub(crate) fn judge(
    watched: &moved::Move<'_>,
    felt: Option<&Felt<'_>>,
    report: &mut MigrationReport,
) {
    let analysis = watched.judge();
    report.downtime = felt.and_then(|felt| watched.downtime(&analysis, felt));
    report.verdict = Some(analysis.verdict);
}

/// Milliseconds of a report as a time.
pub(crate) fn from_ms(ms: f64) -> Duration {
    Duration::try_from_secs_f64(ms / 1e3).unwrap_or_default()
}

/// It moved, and nobody noticed.
pub(crate) fn is_good(report: &MigrationReport) -> bool {
    let is_in_time = match &report.qemu {
        Some(figures) => figures.is_good(),
        None => report.ping_gap_ms < SILENCE_MAX_MS,
    };
    is_in_time && is_whole(report)
}

/// It moved and nothing is missing, however long its users waited.
pub(crate) fn is_whole(report: &MigrationReport) -> bool {
    let Some(tcp) = &report.tcp else {
        return false;
    };
    let is_undamaged = tcp.bytes_duplicated + tcp.bytes_damaged == 0;
    // QEMU does not compare memories, and under TCG its record of written pages misses one now and then: that damages
    // the guest, is reported, and is not the network's doing.
    let is_same = match &report.qemu {
        Some(figures) => figures.accelerator == Accelerator::Tcg || is_undamaged,
        None => report.memory_equal == Some(true) && is_undamaged,
    };
    report.failure.is_none()
        && is_same
        && tcp.alive
        && tcp.bytes_lost == 0
        && report.stale.is_empty()
        && report.not_by_announcement.is_empty()
}

pub(super) fn is_announcement(change: &CamMove) -> bool {
    matches!(change.cause.as_str(), "rarp" | "gratuitous-arp")
}

/// Entries of the VM that moved, and that were made.
pub(crate) fn entries_changed(
    events: &[Seen],
    settings: &Vm,
    resumed: Duration,
) -> (Vec<CamMove>, Vec<CamMove>) {
    let changes = events
        .iter()
        .filter_map(|seen| entry_changed(seen, settings, resumed));
    changes.partition(|change| !change.from.is_empty())
}

fn entry_changed(seen: &Seen, settings: &Vm, resumed: Duration) -> Option<CamMove> {
    let Record { event, time, .. } = seen.record;
    let (vlan, mac, from, to, cause) = match event {
        Event::CamMove {
            vlan,
            mac,
            from,
            to,
            cause,
        } => (vlan, mac, from.as_str().to_owned(), to, cause),
        Event::CamLearn {
            vlan,
            mac,
            port,
            cause,
        } => (vlan, mac, String::new(), port, cause),
        Event::CamExpire { .. }
        | Event::CamEvict { .. }
        | Event::CamFlush { .. }
        | Event::StpRole { .. }
        | Event::StpState { .. }
        | Event::StpRoot { .. }
        | Event::TopologyChange { .. }
        | Event::ShortAgeing { .. }
        | Event::StpInconsistent { .. }
        | Event::PortDisabled { .. }
        | Event::Storm { .. }
        | Event::Flapping { .. }
        | Event::Link { .. }
        | Event::PortAdded { .. }
        | Event::PortRemoved { .. } => return None,
    };
    let cause = serde_json::to_value(cause).ok()?;
    (mac == settings.mac).then(|| CamMove {
        switch: seen.switch.clone(),
        vlan: vlan.value(),
        mac: mac.to_string(),
        from,
        to: to.as_str().to_owned(),
        cause: cause.as_str().unwrap_or_default().to_owned(),
        at_ms: ms_after(resumed, time),
    })
}

/// What a process told, as a sentence; `None` for what both sides tell.
fn sentence(side: &str, event: &GuestEvent) -> Option<String> {
    // QEMU's driver has its own words.
    if let Some(Value::String(text)) = event.fields.get("text") {
        return Some(text.clone());
    }
    let number = |key: &str| event.fields.get(key).and_then(Value::as_u64).unwrap_or(0);
    let mib = |pages: u64| pages as f64 / 256.0;
    Some(match (event.kind.as_str(), side) {
        ("round", _) => format!(
            "round {}: {} pages ({:.1} MiB) at {:.0} MB/s; {} pages written meanwhile",
            number("round"),
            number("pages"),
            mib(number("pages")),
            number("rate") as f64 / 1e6,
            number("dirty"),
        ),
        ("stop", _) => format!(
            "STOP: {} pages ({:.2} MiB) and the machine's state to go",
            number("pages"),
            mib(number("pages")),
        ),
        ("ready", _) => format!(
            "the target has it all, memory digest {}",
            text(event, "digest")
        ),
        ("resumed", _) => "the source knows, and lets go".to_owned(),
        // Both frames leave together, RARP first: one line for the two.
        ("announced", "target") if text(event, "kind") == "rarp" => {
            "announcement: RARP and gratuitous ARP".to_owned()
        }
        ("verified", _) => format!(
            "memory left behind {}: digest {}",
            if event.fields.get("equal") == Some(&Value::Bool(true)) {
                "is equal"
            } else {
                "DIFFERS"
            },
            text(event, "digest"),
        ),
        ("failed", _) => format!(
            "FAILED: {}; the VM goes on where it was",
            text(event, "reason")
        ),
        ("not-arrived", _) => format!("the target gives up: {}", text(event, "reason")),
        (_, _) => return None,
    })
}

/// What people call a kind of frame.
pub(super) fn frame_name(kind: &str) -> &str {
    match kind {
        "rarp" => "RARP",
        "gratuitous-arp" => "gratuitous ARP",
        "arp" => "ARP",
        "ipv4" => "IPv4",
        other => other,
    }
}

fn text(event: &GuestEvent, key: &str) -> String {
    let text = event.fields.get(key).and_then(Value::as_str);
    text.unwrap_or_default().to_owned()
}
