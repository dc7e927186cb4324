//! The loop: waits for readiness or the next deadline, carries frames in batches, everything else between them.

mod aside;
mod awake;
mod busy;
mod drain;
mod handed;
mod lines;
mod outbox;
mod poller;
mod slices;
mod start;
mod target;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, TryRecvError};
use stp::PortNumber;

use crate::clock::Clock;
use crate::config::Config;
use crate::control::Request;
use crate::counters::DropReason;
use crate::link::{Change, NamespaceId, Namespaces, path_cost};
use crate::port::{Device, Mover, Reception};
use crate::switch::Switch;
use crate::sys::ethtool::Speed;
use crate::train::Train;
use crate::workers::Workers;

use aside::drop_aside;
use awake::Awake;
use busy::{Busy, Wait};
use lines::{Line, LinkState};
pub(crate) use outbox::Outbox;
use poller::{Poller, Ready};
pub use poller::{Signals, Waker};
use slices::Slices;
pub use start::{Executor, Inputs, StartError};

/// Requests carried out between two batches, at most.
const REQUESTS_MAX: usize = 8;

/// How often, under load, frames of bridge protocols are looked for between two batches. A turn over many flooded
/// ports takes longer than a BPDU may wait; a batch does not.
const CONTROL_EVERY: Duration = Duration::from_millis(1);

/// How often a link is looked at whose changes nobody tells of.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A switch with its ports, running on one thread, or on one and its forwarding threads.
///
/// Dropped, it removes its taps and leaves the interfaces of its packet ports as it found them.
#[derive(Debug)]
pub struct Daemon {
    config: Config,
    started: Duration,
    switch: Switch,
    /// By port number, as far as there are any.
    lines: Vec<Option<Line>>,
    namespaces: Namespaces,
    poller: Poller,
    /// Ports that are not waited for.
    busy: Busy,
    awake: Awake,
    /// If the kernel lets it choose.
    slices: Option<Slices>,
    mover: Mover,
    outbox: Outbox,
    /// Forwarding threads, if there are any: they have the ports then.
    workers: Option<Workers>,
    /// A device may have come or gone that they do not know of.
    is_rewired: bool,
    /// Devices of ports that were removed, to be closed.
    closing: Vec<Arc<Device>>,
    requests: Receiver<Request>,
    execute: Executor,
    /// What one wait found; kept for its memory.
    ready: Vec<Ready>,
    /// The same of ports with frames of bridge protocols.
    controlled: Vec<PortNumber>,
    /// When to look at receive rings and at the links that cannot be watched, if there are any.
    look_at: Option<Duration>,
}

impl Daemon {
    /// Runs until a signal, or until nobody can ask any more.
    ///
    /// # Errors
    /// The kernel refuses to wait: nothing can go on then.
    pub fn run(&mut self) -> io::Result<()> {
        match Slices::new() {
            Ok(slices) => self.slices = Some(slices),
            Err(why) => eprintln!(
                "switchd: others may keep the processor for milliseconds, no short slices: {why}"
            ),
        }
        while self.turn()? {}
        Ok(())
    }

    /// Waits until something is ready, and does it; false if that was the end.
    fn turn(&mut self) -> io::Result<bool> {
        let mut ready = std::mem::take(&mut self.ready);
        ready.clear();
        let deadline = [self.switch.deadline(), self.look_at].into_iter().flatten();
        let is_busy = !self.busy.is_empty();
        let sleeps = !is_busy && self.workers.as_ref().is_none_or(Workers::lie_down);
        let sleep = sleeps.then_some(&mut self.awake);
        self.poller
            .wait(deadline.min(), sleep, |what| ready.push(what))?;
        if is_busy {
            ready.extend(self.busy.ports().map(Ready::Port));
        }
        if ready.contains(&Ready::Control) {
            self.control(Clock.now());
        }
        let mut looked = Clock.now();
        self.note_load(looked);
        if self.workers.is_some() {
            self.serve_workers(&mut looked)?;
        }
        for &what in &ready {
            let now = Clock.now();
            if now.saturating_sub(looked) >= CONTROL_EVERY {
                looked = now;
                self.control(now);
            }
            self.outbox.set_now(now);
            match what {
                Ready::Port(port) => self.receive(now, port),
                Ready::Link(namespace) => self.links(now, namespace),
                Ready::Timer | Ready::Control | Ready::Bell => {}
                Ready::Wake if self.requests(now) => {}
                Ready::Wake | Ready::Stop => return Ok(false),
            }
            self.expire(now);
            self.attach_copies();
            if self.look_at.is_some_and(|due| due <= now) {
                self.look(now);
            }
        }
        self.ready = ready;
        Ok(true)
    }

    /// Slices are short where the thread competes for the processor: with its ports' senders, or with its own threads.
    fn note_load(&mut self, now: Duration) {
        let is_loaded = self.workers.is_some() || !self.awake.is_light();
        if let Some(slices) = &mut self.slices {
            slices.turn(now, is_loaded);
        }
    }

    /// Has ports send for others where the last batches were worth it.
    fn attach_copies(&self) {
        let Some(fan_out) = self.mover.fan_out().filter(|fan_out| fan_out.take_wish()) else {
            return;
        };
        for line in self.lines.iter().flatten() {
            line.attach_copies(fan_out);
        }
    }

    /// Runs timers that are due.
    fn expire(&mut self, now: Duration) {
        if self.switch.deadline().is_some_and(|due| due <= now) {
            self.confirm(now);
            self.switch.timeout(now, &mut self.outbox);
            self.flush();
        }
    }

    /// The switch as it is.
    #[must_use]
    pub fn switch(&self) -> &Switch {
        &self.switch
    }

    /// One batch from `port` through the switch.
    fn receive(&mut self, now: Duration, port: PortNumber) {
        let Some(line) = self
            .lines
            .get_mut(usize::from(port.get()))
            .and_then(Option::as_mut)
        else {
            return self.busy.forget(port);
        };
        let Some(device) = &line.device else {
            return self.busy.forget(port);
        };
        let reception = self.mover.receive(port, device);
        let batch = self.mover.batch();
        self.awake.turned(batch.len(), || batch.octets());
        let wait = self.busy.turned(port, batch.len());
        self.received(now, port, 0, reception);
        if wait != Wait::AsBefore {
            self.set_waiting(port, wait == Wait::Begin);
        }
    }

    /// Begins or stops to wait for frames of `port`.
    #[cold]
    fn set_waiting(&mut self, port: PortNumber, waits: bool) {
        let line = line_of(&mut self.lines, port);
        let Some(device) = line.and_then(|line| line.device.as_deref()) else {
            return self.busy.forget(port);
        };
        if !waits {
            self.poller.stop_waiting(device);
        } else if self.poller.wait_again(port, device).is_err() {
            self.busy.keep(port);
        }
    }

    /// Carries the batch of the mover, received from `port`, from frame `first` on.
    fn received(&mut self, now: Duration, port: PortNumber, first: usize, reception: Reception) {
        let line = line_of(&mut self.lines, port);
        let device = line.and_then(|line| line.device.as_deref());
        let carrier = match reception {
            Reception::Carrier => device.and_then(Device::has_carrier),
            Reception::Done | Reception::Gone => None,
        };
        if carrier == Some(true) {
            self.set_link(now, port, LinkState::Up(Speed::default()));
        }
        self.carry(now, port, first);
        if carrier == Some(false) {
            self.set_link(now, port, LinkState::Down);
            self.flush();
        }
        if reception == Reception::Gone {
            self.mover.detach(port);
            line_of(&mut self.lines, port).map(Line::gone);
            self.is_rewired = true;
            self.set_link(now, port, LinkState::Down);
            self.flush();
        }
    }

    /// A batch of frames of bridge protocols from every port that has some.
    fn control(&mut self, now: Duration) {
        self.outbox.set_now(now);
        let mut ports = std::mem::take(&mut self.controlled);
        ports.clear();
        self.poller.control(|port| ports.push(port));
        for &port in &ports {
            let line = self.lines.get(usize::from(port.get()));
            let line = line.and_then(Option::as_ref);
            if let Some(device) = line.and_then(|line| line.device.as_deref()) {
                self.mover.receive_control(device);
                self.carry(now, port, 0);
            }
        }
        self.controlled = ports;
    }

    /// The batch, received from `port`, through the switch, from frame `first` on.
    fn carry(&mut self, now: Duration, port: PortNumber, first: usize) {
        let mut train = Train::default();
        for frame in first..self.mover.batch().len() {
            self.outbox.set_frame(frame);
            let octets = self.mover.batch().frame(frame);
            let outbox = &mut self.outbox;
            self.switch
                .receive_in(&mut train, now, port, octets, outbox);
        }
        for (reason, frames) in self.mover.batch_mut().take_drops() {
            count_drops(&mut self.switch, port, reason, frames);
        }
        self.flush();
    }

    /// Sends what the core decided.
    fn flush(&mut self) {
        if self.workers.is_some() {
            self.publish();
        }
        let (lines, switch) = (&self.lines, &mut self.switch);
        let leaving = self.outbox.leaving().map(|(port, leaving)| {
            let line = lines.get(usize::from(port.get())).and_then(Option::as_ref);
            (port, line.and_then(|line| line.device.as_deref()), leaving)
        });
        self.mover.send(leaving, |port, sent| {
            let Some(counters) = switch.counters_mut(port) else {
                return;
            };
            counters.transmitted_frames += sent.frames;
            counters.transmitted_octets += sent.octets;
            for (reason, frames) in sent.drops() {
                counters.dropped(reason, frames);
            }
        });
        self.outbox.clear();
    }

    /// What changed in a namespace where ports have interfaces.
    fn links(&mut self, now: Duration, namespace: NamespaceId) {
        let mut changes: Vec<Change> = Vec::new();
        if let Some(sockets) = self.namespaces.get_mut(namespace) {
            sockets.changes(|change| changes.push(change));
        }
        for change in &changes {
            self.changed(now, namespace, change);
        }
        self.rewire();
        self.plan_look(now);
        self.flush();
    }

    /// One change.
    fn changed(&mut self, now: Duration, namespace: NamespaceId, change: &Change) {
        for number in self.numbers() {
            if self.may_end(number, namespace, change) {
                self.drain(now, number);
            }
            let Some(line) = line_of(&mut self.lines, number) else {
                continue;
            };
            let (namespaces, poller) = (&mut self.namespaces, &self.poller);
            if let Some(state) = line.changed(number, namespace, change, namespaces, poller) {
                self.set_link(now, number, state);
            }
        }
    }

    /// Looks at receive rings and at the links that cannot be watched, and opens interfaces that could not be opened.
    fn look(&mut self, now: Duration) {
        for number in self.numbers() {
            let Some(line) = line_of(&mut self.lines, number) else {
                continue;
            };
            let drops = line.look_after_ring(number, &self.poller);
            count_drops(&mut self.switch, number, DropReason::ReceiveFull, drops);
            if line.is_unwatched {
                let state = line.look_again(number, &mut self.namespaces, &self.poller);
                self.set_link(now, number, state);
            }
        }
        self.rewire();
        self.plan_look(now);
        self.flush();
    }

    /// Lets go of devices that lines have let go of, takes those they have instead, and lets go of namespaces where none is.
    fn rewire(&mut self) {
        self.is_rewired = true;
        for number in self.numbers() {
            match line_of(&mut self.lines, number).map(|line| &line.device) {
                Some(Some(device)) => self.mover.attach(number, device),
                Some(None) => self.mover.detach(number),
                None => {}
            }
        }
        let lines = &self.lines;
        self.namespaces
            .retain(|id| lines.iter().flatten().any(|line| line.is_in(id)));
    }

    fn plan_look(&mut self, now: Duration) {
        let unwatched = self.lines.iter().flatten().any(Line::wants_looks);
        let planned = self.look_at.filter(|&at| at > now);
        self.look_at = unwatched.then(|| planned.unwrap_or(now + LOOK_EVERY));
    }

    fn set_link(&mut self, now: Duration, port: PortNumber, state: LinkState) {
        match state {
            LinkState::Up(speed) => {
                let (cost, point_to_point) = path_cost(speed);
                self.switch
                    .link_up(now, port, cost, point_to_point, &mut self.outbox);
            }
            LinkState::Down => self.switch.link_down(now, port, &mut self.outbox),
        }
    }

    /// Carries out some requests; false if nobody can ask any more.
    fn requests(&mut self, now: Duration) -> bool {
        for _ in 0..REQUESTS_MAX {
            let request = match self.requests.try_recv() {
                Ok(request) => request,
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => return false,
            };
            let (command, responder) = request.into_parts();
            self.pour_tallies();
            let answer = (self.execute)(self, now, command);
            self.flush();
            match std::mem::take(&mut self.closing) {
                closing if closing.is_empty() => responder.answer(answer),
                closing => drop_aside(closing, move || responder.answer(answer)),
            }
        }
        // There may be more: after the next batches.
        self.poller.waker().wake();
        true
    }

    fn numbers(&self) -> impl Iterator<Item = PortNumber> + use<> {
        let numbers: Vec<PortNumber> = self.switch.ports().map(|(number, _)| number).collect();
        numbers.into_iter()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.workers = None;
        for number in self.numbers() {
            self.mover.detach(number);
        }
        for line in self.lines.drain(..).flatten() {
            line.close(&mut self.namespaces);
        }
    }
}

fn line_of(lines: &mut [Option<Line>], port: PortNumber) -> Option<&mut Line> {
    lines.get_mut(usize::from(port.get()))?.as_mut()
}

fn count_drops(switch: &mut Switch, port: PortNumber, reason: DropReason, frames: u64) {
    if frames > 0
        && let Some(counters) = switch.counters_mut(port)
    {
        counters.dropped(reason, frames);
    }
}

#[cfg(test)]
mod tests;
