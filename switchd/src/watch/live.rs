//! Watching running switches by their control sockets: events merged in order of time, told as they come, judged in
//! the end.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, unbounded};
use etherparse::VlanId;
use nix::sys::signal::{SigSet, Signal};
use pnet_base::MacAddr;
use serde_json::json;

use super::analysis::{Analysis, analyse};
use super::text::{change_line, report};
use super::trace::{Entries, Step, steps};
use super::{End, Observation, Seen, Subject, Verdict, Wiring};
use crate::clock::Clock;
use crate::config::VlanNumber;
use crate::control::{
    Client, ClientError, Command, EventStream, MacFilter, Notice, Reply, SpanningTree,
};
use crate::event::Event;
use crate::port_name::PortName;

/// How often a reader looks whether it shall end.
const TURN: Duration = Duration::from_millis(100);
/// Events are told this much later than they happened, so that those of all switches stand in order.
const HOLD_BACK: Duration = Duration::from_millis(300);
/// How far clock readings stray from the order of a frame's way: a batch of frames is handled well within it.
const SLACK: Duration = Duration::from_millis(1);
/// Changes told one by one; of more, as in a loop, only the number.
const LINES_MAX: usize = 1_000;
/// Events kept for the verdict. A watch that has seen so many ends: more would say nothing new.
const EVENTS_MAX: usize = 200_000;

/// A switch to watch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// What it is called in the story.
    pub name: String,
    /// Its control socket.
    pub socket: PathBuf,
}

/// What to watch, and how to tell of it.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The address.
    pub mac: MacAddr,
    /// Only in this VLAN.
    pub vlan: Option<VlanNumber>,
    /// For so long; until stopped if not given.
    pub time: Option<Duration>,
    /// Cables that are known already.
    pub wiring: Wiring,
    /// One JSON object a line: changes, then a verdict for each VLAN.
    pub json: bool,
}

/// Why a watch could not begin or go on.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// A switch does not answer.
    #[error("{name}: {source}")]
    Switch {
        /// Which.
        name: String,
        /// Why not.
        source: ClientError,
    },
    /// A thread could not be started, or nobody reads.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Watches until its time is over, `stop` is set, or every switch has gone; writes the story to `out`. Returns the
/// gravest verdict of all VLANs.
///
/// # Errors
/// A switch does not answer at the beginning, or `out` takes nothing.
pub fn watch(
    targets: &[Target],
    settings: &Settings,
    stop: &AtomicBool,
    out: &mut impl Write,
) -> Result<Verdict, WatchError> {
    let readers = Readers::start(targets)?;
    let start = Clock.now();
    let mut story = Story::begin(targets, settings, start)?;
    story.opening(targets, out)?;
    let end = settings.time.map(|time| start + time);
    let mut waiting: Vec<Seen> = Vec::new();
    loop {
        let now = Clock.now();
        let over = end.is_some_and(|end| now >= end)
            || stop.load(Ordering::Relaxed)
            || story.events.len() >= EVENTS_MAX;
        // What happened until the end has time to arrive.
        let arrives = if over { HOLD_BACK } else { TURN };
        let all_gone = readers.wait(arrives, &mut waiting);
        waiting.sort_by_key(|seen| seen.record.time);
        let over = over || all_gone;
        let ripe = Clock.now().saturating_sub(HOLD_BACK);
        let count = match over {
            true => waiting.len(),
            false => waiting.partition_point(|seen| seen.record.time <= ripe),
        };
        for seen in waiting.drain(..count) {
            story.take(seen, out)?;
        }
        out.flush()?;
        if over {
            story.until = end.map_or(now, |end| end.min(now));
            break;
        }
    }
    let forwarding = forwarding(targets);
    story.finish(&readers, &forwarding, out)
}

/// What carries frames in the end, by VLAN; `None`: a switch has gone.
type Carriers = Option<BTreeMap<VlanId, BTreeSet<End>>>;

/// Asks every switch which of its ports forward, in which VLAN.
fn forwarding(targets: &[Target]) -> Carriers {
    let mut carriers: BTreeMap<VlanId, BTreeSet<End>> = BTreeMap::new();
    for target in targets {
        let mut client = Client::connect(&target.socket).ok()?;
        let all = Command::ShowInterfaces { interface: None };
        let Ok(Reply::Interfaces { interfaces }) = client.call(&all) else {
            return None;
        };
        let forwards = |name: &&String| {
            interfaces
                .iter()
                .any(|port| port.name == **name && port.link && port.state == "forwarding")
        };
        let Ok(Reply::Vlans { vlans }) = client.call(&Command::ShowVlan) else {
            return None;
        };
        for line in vlans {
            let ends = carriers.entry(line.vlan.id()).or_default();
            for port in line.tagged.iter().chain(&line.untagged).filter(forwards) {
                ends.insert(End {
                    switch: target.name.clone(),
                    port: port.parse().ok()?,
                });
            }
        }
    }
    Some(carriers)
}

/// Sets a flag at SIGINT, SIGTERM and SIGHUP instead of ending the program; a second one ends it. To be called once,
/// before any other thread is started.
///
/// # Errors
/// No thread can be started.
pub fn stop_on_signals() -> io::Result<Arc<AtomicBool>> {
    let signals: SigSet = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP]
        .into_iter()
        .collect();
    signals.thread_block()?;
    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            while signals.wait().is_ok() {
                if flag.swap(true, Ordering::Relaxed) {
                    std::process::exit(130);
                }
            }
        })?;
    Ok(stop)
}

/// What a reader tells.
enum News {
    Event(Seen),
    Lost(u64),
    Gone(String),
}

/// A thread per switch. They end when dropped.
struct Readers {
    queue: Receiver<News>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
    lost: std::cell::Cell<u64>,
    gone: std::cell::RefCell<Vec<String>>,
}

impl Readers {
    fn start(targets: &[Target]) -> Result<Self, WatchError> {
        let (sender, queue) = unbounded();
        let stop = Arc::new(AtomicBool::new(false));
        let mut readers = Self {
            queue,
            stop: Arc::clone(&stop),
            threads: Vec::new(),
            lost: std::cell::Cell::new(0),
            gone: std::cell::RefCell::default(),
        };
        for target in targets {
            let stream = Client::connect(&target.socket).and_then(|client| client.events(None));
            let stream = stream.map_err(|source| failed(target, source))?;
            let (name, sender, stop) = (target.name.clone(), sender.clone(), Arc::clone(&stop));
            let thread = std::thread::Builder::new()
                .name(format!("events {name}"))
                .spawn(move || read(&name, stream, &sender, &stop));
            readers.threads.push(thread?);
        }
        Ok(readers)
    }

    /// Takes what arrives within `time`. Whether all switches have gone.
    fn wait(&self, time: Duration, into: &mut Vec<Seen>) -> bool {
        let end = Clock.now() + time;
        loop {
            let left = end.saturating_sub(Clock.now());
            match self.queue.recv_timeout(left) {
                Ok(News::Event(seen)) => into.push(seen),
                Ok(News::Lost(count)) => self.lost.set(self.lost.get() + count),
                Ok(News::Gone(name)) => self.gone.borrow_mut().push(name),
                Err(RecvTimeoutError::Timeout) => return false,
                Err(RecvTimeoutError::Disconnected) => return true,
            }
            if into.len() >= EVENTS_MAX {
                return false;
            }
        }
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _panicked = thread.join();
        }
    }
}

fn read(name: &str, mut stream: EventStream, sender: &Sender<News>, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        let news = match stream.next_within(TURN) {
            Ok(None) => continue,
            Ok(Some(Notice::Event(record))) => News::Event(Seen {
                switch: name.to_owned(),
                record,
            }),
            Ok(Some(Notice::Lost { from, to })) => News::Lost(to - from + 1),
            Err(_) => News::Gone(name.to_owned()),
        };
        let over = matches!(news, News::Gone(_));
        if sender.send(news).is_err() || over {
            return;
        }
    }
}

fn failed(target: &Target, source: ClientError) -> WatchError {
    WatchError::Switch {
        name: target.name.clone(),
        source,
    }
}

/// The tables when the watch began, by VLAN and switch.
type Tables = BTreeMap<VlanId, BTreeMap<String, PortName>>;

/// What is known so far.
struct Story<'a> {
    settings: &'a Settings,
    wiring: Wiring,
    before: Tables,
    /// As the events changed them.
    now: Tables,
    events: Vec<Seen>,
    start: Duration,
    until: Duration,
    lines: usize,
}

impl<'a> Story<'a> {
    /// Asks every switch for its entries and its tree.
    fn begin(
        targets: &[Target],
        settings: &'a Settings,
        start: Duration,
    ) -> Result<Self, WatchError> {
        let mut before = Tables::new();
        let mut trees: Vec<(String, SpanningTree)> = Vec::new();
        for target in targets {
            let mut client =
                Client::connect(&target.socket).map_err(|source| failed(target, source))?;
            let filter = MacFilter {
                mac: Some(settings.mac),
                vlan: settings.vlan,
                ..MacFilter::default()
            };
            let mut ask = |command| client.call(&command).map_err(|error| failed(target, error));
            if let Reply::MacTable { entries, .. } = ask(Command::ShowMac(filter))? {
                for entry in entries {
                    if let Ok(port) = entry.port.parse() {
                        let table = before.entry(entry.vlan.id()).or_default();
                        table.insert(target.name.clone(), port);
                    }
                }
            }
            if let Reply::SpanningTree(tree) = ask(Command::ShowSpanningTree { tree: None })? {
                trees.push((target.name.clone(), tree));
            }
        }
        let mut wiring = settings.wiring.clone();
        wiring.connect_trees(&trees);
        if targets.len() == 1 {
            wiring = Wiring::none();
        }
        Ok(Self {
            settings,
            wiring,
            now: before.clone(),
            before,
            events: Vec::new(),
            start,
            until: start,
            lines: 0,
        })
    }

    fn opening(&self, targets: &[Target], out: &mut impl Write) -> io::Result<()> {
        let names: Vec<&str> = targets.iter().map(|target| target.name.as_str()).collect();
        if self.settings.json {
            let table = |(vlan, table): (&VlanId, &BTreeMap<String, PortName>)| {
                (vlan.value().to_string(), json!(table))
            };
            let before: serde_json::Map<_, _> = self.before.iter().map(table).collect();
            let whom = self.settings.mac.to_string();
            writeln!(
                out,
                "{}",
                json!({"watching": whom, "switches": names, "before": before})
            )?;
            return out.flush();
        }
        let ends = match self.settings.time {
            Some(time) => format!("for {} s", time.as_secs_f64()),
            None => "until Ctrl-C".to_owned(),
        };
        writeln!(
            out,
            "watching {} on {}, {ends}",
            self.settings.mac,
            names.join(", ")
        )?;
        for (vlan, table) in &self.before {
            let entries: Vec<String> = table
                .iter()
                .map(|(switch, port)| format!("{switch}:{port}"))
                .collect();
            writeln!(out, "vlan {}: {}", vlan.value(), entries.join(", "))?;
        }
        if self.before.is_empty() {
            writeln!(out, "no switch has an entry for it")?;
        }
        out.flush()
    }

    /// One event: told if it changes an entry, kept if it can matter.
    fn take(&mut self, seen: Seen, out: &mut impl Write) -> io::Result<()> {
        let only = self.settings.vlan.map(VlanNumber::id);
        let mut vlans: BTreeSet<VlanId> = self.now.keys().copied().collect();
        match seen.record.event {
            Event::CamLearn { vlan, mac, .. }
            | Event::CamMove { vlan, mac, .. }
            | Event::CamExpire { vlan, mac, .. }
            | Event::CamEvict { vlan, mac, .. } => {
                if mac != self.settings.mac || only.is_some_and(|only| only != vlan) {
                    return Ok(());
                }
                vlans = BTreeSet::from([vlan]);
            }
            Event::CamFlush { .. } | Event::Link { .. } | Event::PortRemoved { .. } => {}
            Event::StpRole { .. }
            | Event::StpState { .. }
            | Event::StpRoot { .. }
            | Event::TopologyChange { .. }
            | Event::ShortAgeing { .. }
            | Event::StpInconsistent { .. }
            | Event::PortDisabled { .. }
            | Event::Storm { .. }
            | Event::Flapping { .. }
            | Event::PortAdded { .. } => return Ok(()),
        }
        for vlan in vlans {
            self.tell(vlan, &seen, out)?;
        }
        self.events.push(seen);
        Ok(())
    }

    fn tell(&mut self, vlan: VlanId, seen: &Seen, out: &mut impl Write) -> io::Result<()> {
        let subject = self.subject(vlan);
        let table = self.now.entry(vlan).or_default();
        let mut entries = Entries::new(subject, &self.wiring, std::mem::take(table));
        let one = Observation {
            events: vec![seen.clone()],
            ..Observation::default()
        };
        let changed = steps(&mut entries, &one);
        *table = entries.all().map(|end| (end.switch, end.port)).collect();
        for step in changed {
            let Step::Changed(change) = step else {
                continue;
            };
            self.lines += 1;
            if self.lines > LINES_MAX {
                continue;
            }
            if self.settings.json {
                writeln!(out, "{}", json!({"vlan": vlan.value(), "change": change}))?;
            } else {
                writeln!(out, "{}", change_line(&change, subject, self.start))?;
            }
        }
        Ok(())
    }

    fn subject(&self, vlan: VlanId) -> Subject {
        Subject {
            vlan,
            mac: self.settings.mac,
        }
    }

    fn finish(
        self,
        readers: &Readers,
        carriers: &Carriers,
        out: &mut impl Write,
    ) -> Result<Verdict, WatchError> {
        let (lost, gone) = (readers.lost.get(), readers.gone.borrow().clone());
        let mut worst = None;
        for &vlan in self.now.keys() {
            let observation = Observation {
                before: self.before.get(&vlan).cloned().unwrap_or_default(),
                events: self.events.clone(),
                until: self.until,
                forwarding: carriers
                    .as_ref()
                    .map(|of| of.get(&vlan).cloned().unwrap_or_default()),
                slack: SLACK,
            };
            let subject = self.subject(vlan);
            let analysis = analyse(subject, &self.wiring, &observation);
            if analysis.changes.is_empty() && analysis.stays.is_empty() {
                continue;
            }
            worst = worst.max(Some(analysis.verdict));
            self.verdict(&analysis, subject, lost, &gone, out)?;
        }
        let verdict = worst.unwrap_or(Verdict::NotSeen);
        if self.settings.json {
            if worst.is_none() {
                writeln!(
                    out,
                    "{}",
                    json!({"verdict": verdict, "mac": self.settings.mac.to_string(), "lost": lost, "gone": gone})
                )?;
            }
            out.flush()?;
            return Ok(verdict);
        }
        if self.lines > LINES_MAX {
            writeln!(out, "\n{} more changes", self.lines - LINES_MAX)?;
        }
        if worst.is_none() {
            writeln!(
                out,
                "\n{}: {verdict}\n  {}",
                self.settings.mac,
                verdict.advice()
            )?;
        }
        if lost > 0 {
            writeln!(out, "  {lost} events were lost: the verdict may be wrong")?;
        }
        if !gone.is_empty() {
            writeln!(out, "  gone while watched: {}", gone.join(", "))?;
        }
        out.flush()?;
        Ok(verdict)
    }

    fn verdict(
        &self,
        analysis: &Analysis,
        subject: Subject,
        lost: u64,
        gone: &[String],
        out: &mut impl Write,
    ) -> io::Result<()> {
        if !self.settings.json {
            return write!(out, "\n{}", report(analysis, subject, self.start));
        }
        let mut object = serde_json::to_value(analysis)?;
        if let Some(fields) = object.as_object_mut() {
            fields.insert("mac".to_owned(), json!(subject.mac.to_string()));
            fields.insert("changes".to_owned(), json!(analysis.changes.len()));
            fields.insert("lost".to_owned(), json!(lost));
            fields.insert("gone".to_owned(), json!(gone));
        }
        writeln!(out, "{object}")
    }
}
