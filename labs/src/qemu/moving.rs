//! One live migration between two QEMUs, and what becomes of it when something fails.
//!
//! ```text
//!   source                                target
//!   migrate ── memory, round by round ──►   incoming
//!   STOP    ── the rest, the devices ────►
//!           ◄── all is here ─────────────   (return path: without it the source would count what lies in a socket's
//!   completed                               buffer as arrived, and a dying target would take the machine with it)
//!                                           RESUME, RARP
//! ```
//!
//! Under TCG the STOP is ours, and comes before QEMU looks up the written pages for the second time. Up to version 7.2 at
//! least, TCG does not notice that it has looked: a page the guest goes on writing through an entry of its TLB counts as
//! clean, and arrives as it was. When the machine stands still for every look but the first, nothing can be missed; the
//! price is a pause as long as all that was written meanwhile takes. On KVM QEMU stops the machine itself.
//!
//! The two are asked over their monitors, which no cut link touches: which of them runs the machine is never a guess.
//! Until the target has said RESUME any failure ends with the target's process told to quit *before* the source is let
//! go on, so that there are never two.

use core::time::Duration;
use std::net::SocketAddrV4;

use serde_json::{Map, Value, json};

use super::{Accelerator, Figures, Qemu, QmpError, QmpEvent};
use crate::guest::shell::{GuestEvent, monotonic};
use crate::lab::{LabError, interrupt};

/// What a migration may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Octets per second.
    pub bandwidth: u64,
    /// On KVM the guest stops when QEMU thinks that the rest takes no longer than this.
    pub downtime: Duration,
    /// Under TCG the guest stops at the next pause of the copy when no more octets of the first round are left than this,
    /// and at half of it in any case.
    pub rest: u64,
    /// Nothing more arrives for so long: it has failed.
    pub patience: Duration,
    /// So has one that takes longer than this.
    pub total: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bandwidth: 125_000_000,
            downtime: Duration::from_millis(20),
            // QEMU spends its bandwidth tenth of a second by tenth of a second: more than one such portion.
            rest: 16 << 20,
            patience: Duration::from_secs(3),
            total: Duration::from_secs(60),
        }
    }
}

/// What happened, with where: `source` or `target`.
pub type Told = Vec<(&'static str, GuestEvent)>;

const TURN: Duration = Duration::from_millis(2);
/// How often QEMU is asked how far it is.
const ASK: Duration = Duration::from_millis(10);
/// Under TCG the copy is slowed when so many times the rest is left, and has paused when nothing was sent for this long.
const STRETCH: f64 = 2.0;
const BREATH: Duration = Duration::from_millis(25);
/// Under TCG QEMU shall not come to an end by itself, and once the guest stands still as fast as it can.
const DOWNTIME_NEVER: u64 = 0;
const DOWNTIME_ALWAYS: u64 = 2_000_000;
/// How long the side that is left may take to say what the end of the other meant.
const AFTERWARDS: Duration = Duration::from_secs(2);

/// Moves the machine of `source` into `target`, which waits at `to`. The end of what is told is `resumed` (it runs at the
/// target) or `failed` (with `survives`: whether it runs at the source).
///
/// # Errors
/// [`LabError::Interrupted`].
pub fn migrate(
    source: &mut Qemu,
    target: &mut Qemu,
    to: SocketAddrV4,
    limits: &Limits,
) -> Result<Told, LabError> {
    let mut migration = Migration::new(source, target, limits);
    if let Err(error) = migration.order(to) {
        migration.end = Some(End::Failed(error.to_string()));
    }
    while migration.end.is_none() {
        interrupt::check()?;
        migration.turn();
    }
    migration.finish();
    Ok(migration.told)
}

/// Ends what is left of a migration whose order nobody waits for any more, and lets the guest run. Nothing of it is told
/// to whoever moves the machine next.
///
/// # Errors
/// When QEMU is gone.
pub fn abandon(source: &mut Qemu) -> Result<(), QmpError> {
    // Refused when there is none.
    let _ = source.qmp.execute("migrate_cancel", json!({}));
    let end = monotonic() + AFTERWARDS;
    while monotonic() < end && is_under_way(&source.qmp.execute("query-migrate", json!({}))?) {
        source.next_event(TURN)?;
    }
    source.go_on()?;
    while source.next_event(TURN)?.is_some() {}
    Ok(())
}

/// Whether these are the figures of a migration that has not ended.
fn is_under_way(figures: &Value) -> bool {
    let status = figures.get("status").and_then(Value::as_str);
    matches!(
        status,
        Some("setup" | "active" | "pre-switchover" | "device" | "cancelling")
    )
}

/// A figure of the memory copied.
fn ram(figures: &Value, key: &str) -> f64 {
    let value = figures.get("ram").and_then(|ram| ram.get(key));
    value.and_then(Value::as_f64).unwrap_or(0.0)
}

/// How it ended.
enum End {
    Moved,
    Failed(String),
}

struct Migration<'a> {
    source: Side<'a>,
    target: Side<'a>,
    limits: &'a Limits,
    begun: Duration,
    asked: Duration,
    /// The copy goes at half its speed, for its last stretch.
    is_slowed: bool,
    /// When something arrived last, and how much it was by then.
    progress: (Duration, u64),
    /// We have stopped the guest.
    is_stopped: bool,
    /// The source has said that all is over.
    is_completed: bool,
    resumed: Option<Duration>,
    figures: Value,
    end: Option<End>,
    told: Told,
}

struct Side<'a> {
    qemu: &'a mut Qemu,
    /// When it was found gone.
    gone: Option<Duration>,
}

impl Side<'_> {
    fn next(&mut self) -> Option<QmpEvent> {
        if self.gone.is_some() {
            return None;
        }
        match self.qemu.next_event(TURN) {
            Ok(event) => event,
            Err(_) => {
                self.gone = Some(monotonic());
                None
            }
        }
    }

    fn ask(&mut self, command: &str, arguments: Value) -> Result<Value, QmpError> {
        self.qemu.qmp.execute(command, arguments)
    }
}

impl<'a> Migration<'a> {
    fn new(source: &'a mut Qemu, target: &'a mut Qemu, limits: &'a Limits) -> Self {
        let now = monotonic();
        let side = |qemu| Side { qemu, gone: None };
        Self {
            source: side(source),
            target: side(target),
            limits,
            begun: now,
            asked: now,
            is_slowed: false,
            progress: (now, 0),
            is_stopped: false,
            is_completed: false,
            resumed: None,
            figures: Value::Null,
            end: None,
            told: Told::new(),
        }
    }

    fn order(&mut self, to: SocketAddrV4) -> Result<(), QmpError> {
        let capabilities = json!({"capabilities": [
            {"capability": "events", "state": true},
            {"capability": "return-path", "state": true},
        ]});
        for side in [&mut self.target, &mut self.source] {
            side.ask("migrate-set-capabilities", capabilities.clone())?;
        }
        let downtime = match self.is_translated() {
            true => DOWNTIME_NEVER,
            false => u64::try_from(self.limits.downtime.as_millis()).unwrap_or(u64::MAX),
        };
        let limits = json!({"max-bandwidth": self.limits.bandwidth, "downtime-limit": downtime});
        self.source.ask("migrate-set-parameters", limits)?;
        self.begun = monotonic();
        self.progress.0 = self.begun;
        self.source
            .ask("migrate", json!({"uri": format!("tcp:{to}")}))
            .map(drop)
    }

    /// Takes what both tell, asks how far it is, and decides whether it is over.
    fn turn(&mut self) {
        while let Some(event) = self.source.next() {
            self.source_tells(&event);
        }
        while let Some(event) = self.target.next() {
            self.target_tells(&event);
        }
        let now = monotonic();
        if now >= self.asked + ASK && self.source.gone.is_none() {
            self.asked = now;
            self.ask();
            self.stop_in_time(now);
        }
        if self.end.is_none() {
            self.end = self.judge(now);
        }
    }

    fn is_translated(&self) -> bool {
        self.source.qemu.accelerator() != Accelerator::Kvm
    }

    /// Under TCG: stops the guest before the first round is over, and lets QEMU finish without limits.
    ///
    /// QEMU sends what its bandwidth allows for a tenth of a second as fast as it can, and then nothing until that is over.
    /// As long as it sends, guest and network want for processors: a guest that is stopped then has unfinished work, and
    /// does that first at the target. So the last stretch goes at half the speed, and the guest stops in one of the pauses.
    fn stop_in_time(&mut self, now: Duration) {
        let rest = ram(&self.figures, "remaining");
        let limit = self.limits.rest as f64;
        let is_active = self.figures.get("status").and_then(Value::as_str) == Some("active");
        if self.is_stopped || !self.is_translated() || !is_active || rest > STRETCH * limit {
            return;
        }
        if !self.is_slowed {
            self.is_slowed = true;
            let half = json!({"max-bandwidth": self.limits.bandwidth / 2});
            if let Err(error) = self.source.ask("migrate-set-parameters", half) {
                self.end = Some(End::Failed(error.to_string()));
            }
            return;
        }
        let is_pausing = now >= self.progress.0 + BREATH;
        if rest > limit || rest > limit / 2.0 && !is_pausing {
            return;
        }
        self.is_stopped = true;
        let unlimited = json!({"max-bandwidth": 0, "downtime-limit": DOWNTIME_ALWAYS});
        let stopped = self.source.ask("stop", json!({}));
        if let Err(error) =
            stopped.and_then(|_| self.source.ask("migrate-set-parameters", unlimited))
        {
            self.end = Some(End::Failed(error.to_string()));
        }
    }

    fn source_tells(&mut self, event: &QmpEvent) {
        let status = event.data.get("status").and_then(Value::as_str);
        match (event.name.as_str(), status) {
            ("STOP", _) => self.tell(
                "source",
                event.at,
                "stop",
                "STOP: the rest and the devices to go",
            ),
            ("RESUME", _) => {
                self.tell("source", event.at, "going-on", "the source goes on");
            }
            ("MIGRATION_PASS", _) => self.round(event),
            ("MIGRATION", Some("completed")) => {
                self.is_completed = true;
                self.ask();
            }
            ("MIGRATION", Some(status @ ("failed" | "cancelled"))) => {
                let reason = self.reason(status);
                self.end = Some(End::Failed(reason));
            }
            (_, _) => {}
        }
    }

    fn target_tells(&mut self, event: &QmpEvent) {
        if event.name == "RESUME" {
            self.resumed = Some(event.at);
        }
    }

    /// The dirty pages were looked up: a round is over, and the next begins. The first look is the beginning.
    fn round(&mut self, event: &QmpEvent) {
        let number = event.data.get("pass").and_then(Value::as_u64).unwrap_or(0);
        self.ask();
        let ram = |key| ram(&self.figures, key);
        if number < 2 {
            return;
        }
        let text = format!(
            "round {}: {:.1} MiB sent so far at {:.0} MB/s; {:.2} MiB to go",
            number - 1,
            ram("transferred") / f64::from(1 << 20),
            ram("mbps") / 8.0,
            ram("remaining") / f64::from(1 << 20),
        );
        self.tell("source", event.at, "round", &text);
    }

    fn ask(&mut self) {
        let Ok(figures) = self.source.ask("query-migrate", json!({})) else {
            return;
        };
        let ram = figures.get("ram");
        let sent = ram.and_then(|ram| ram.get("transferred"));
        let sent = sent.and_then(Value::as_u64).unwrap_or(0);
        if sent > self.progress.1 {
            self.progress = (monotonic(), sent);
        }
        self.figures = figures;
    }

    fn reason(&mut self, status: &str) -> String {
        self.ask();
        let said = self.figures.get("error-desc").and_then(Value::as_str);
        match said {
            Some(said) => format!("QEMU: {said}"),
            None => format!("QEMU: the migration {status}"),
        }
    }

    /// Whether it is over although nobody has said so.
    fn judge(&self, now: Duration) -> Option<End> {
        let since = |moment: Option<Duration>| moment.map(|at| now.saturating_sub(at));
        let waited = |moment| since(moment).is_some_and(|time| time >= AFTERWARDS);
        if self.resumed.is_some() {
            // It runs there: the source's word is only still to come.
            let is_known = self.is_completed || self.source.gone.is_some();
            return (is_known || waited(self.resumed)).then_some(End::Moved);
        }
        // A target that gets no more gives up: where both are gone, whichever was seen first, the source went first.
        let is_source_gone = self.source.gone.is_some();
        if waited(self.source.gone) || is_source_gone && waited(self.target.gone) {
            return Some(End::Failed("the source's QEMU died".to_owned()));
        }
        if waited(self.target.gone) {
            return Some(End::Failed("the target's QEMU died".to_owned()));
        }
        let patience = self.limits.patience;
        if now.saturating_sub(self.progress.0) >= patience {
            let text = format!("nothing gets through for {} s", patience.as_secs_f64());
            return Some(End::Failed(text));
        }
        let is_late = now.saturating_sub(self.begun) >= self.limits.total;
        is_late.then(|| End::Failed(format!("no end after {} s", self.limits.total.as_secs())))
    }

    /// Says how it ended, and sees to it that the machine runs in one place.
    fn finish(&mut self) {
        match self.end.take() {
            Some(End::Failed(reason)) => match self.settle() {
                // The target had it all and runs: only the source did not come to know.
                Some(at) => self.moved(at),
                None => self.failed(reason),
            },
            Some(End::Moved) | None => self.moved(self.resumed.unwrap_or_else(monotonic)),
        }
    }

    fn moved(&mut self, at: Duration) {
        let ns = u64::try_from(at.as_nanos()).unwrap_or(u64::MAX);
        self.ask();
        let fields = json!({"resumed_ns": ns, "text": "the source knows, and lets go"});
        self.push("source", monotonic(), "resumed", fields);
        let figures = Figures::of(&self.figures, self.source.qemu.accelerator());
        let figures = serde_json::to_value(figures).unwrap_or_default();
        self.push("source", monotonic(), "figures", figures);
    }

    fn failed(&mut self, reason: String) {
        let is_there =
            self.source.gone.is_none() && self.source.qemu.is_running().is_ok_and(|is| is);
        let reason = match (self.target.gone, is_there) {
            (Some(_), true) if !reason.contains("target's QEMU died") => {
                format!("{reason} (the target's QEMU has ended)")
            }
            (_, _) => reason,
        };
        let text = match is_there {
            true => format!("FAILED: {reason}; the VM goes on where it was"),
            false => format!("FAILED: {reason}; the VM is gone"),
        };
        let fields = json!({"reason": reason, "survives": is_there, "text": text});
        self.push("source", monotonic(), "failed", fields);
    }

    /// After a failure: the target ends, then the source goes on. When the target resumed, if it did after all.
    fn settle(&mut self) -> Option<Duration> {
        while let Some(event) = self.target.next() {
            self.target_tells(&event);
        }
        let runs_there =
            self.target.gone.is_none() && self.target.qemu.is_running().is_ok_and(|is| is);
        if runs_there {
            return Some(self.resumed.unwrap_or_else(monotonic));
        }
        // Not there already, or no migration to cancel: both are what is wanted.
        let _ = self.target.qemu.quit();
        let _ = self.source.ask("migrate_cancel", json!({}));
        let end = monotonic() + AFTERWARDS;
        while monotonic() < end && self.source.gone.is_none() {
            self.ask();
            if !is_under_way(&self.figures) {
                break;
            }
            while let Some(event) = self.source.next() {
                if event.name == "RESUME" {
                    self.tell("source", event.at, "going-on", "the source goes on");
                }
            }
        }
        if self
            .source
            .qemu
            .go_on()
            .and_then(|()| self.source.qemu.announce())
            .is_err()
        {
            self.source.gone.get_or_insert_with(monotonic);
        }
        None
    }

    fn tell(&mut self, side: &'static str, at: Duration, kind: &str, text: &str) {
        self.push(side, at, kind, json!({"text": text}));
    }

    fn push(&mut self, side: &'static str, at: Duration, kind: &str, fields: Value) {
        let fields = match fields {
            Value::Object(fields) => fields,
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_) => Map::new(),
        };
        let time_ns = u64::try_from(at.as_nanos()).unwrap_or(u64::MAX);
        let kind = kind.to_owned();
        self.told.push((
            side,
            GuestEvent {
                kind,
                time_ns,
                fields,
            },
        ));
    }
}
