//! Letting time pass.

use core::time::Duration;
use std::rc::Rc;

use stp::TreeId;
use switchd::counters::{DropReason, PortCounters};

use super::{Body, World};
use crate::sim::checks::Track;
use crate::sim::fabric::Incoming;
use crate::sim::id::{NodeId, PortRef, WireId};
use crate::sim::observe::Notice;
use crate::sim::operation::Power;
use crate::sim::queue::{What, nanos};
use crate::sim::station::Outbox;

/// The network did not come to rest in the time it was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not quiet after {bound:?}: the tree last changed at {last:?}")]
pub struct NotQuiet {
    /// The time it was given.
    pub bound: Duration,
    /// When the tree last changed.
    pub last: Duration,
}

impl World {
    /// When the next thing happens; `None`: nothing ever will.
    #[must_use]
    pub fn next_at(&self) -> Option<Duration> {
        self.fabric.queue.next_at().map(Duration::from_nanos)
    }

    /// Lets the next thing happen, and the clock jump to it. `false`: there is nothing left to happen.
    pub fn step(&mut self) -> bool {
        self.check_cycles();
        let Some((at, what)) = self.fabric.queue.pop() else {
            return false;
        };
        self.fabric.now = self.fabric.now.max(Duration::from_nanos(at));
        self.fabric.totals.events += 1;
        match what {
            What::Arrival(place) => {
                if let Some(arrival) = self.fabric.arrivals.take(place) {
                    self.arrive(&arrival);
                }
            }
            What::Timer(node) => self.timer(NodeId(node), at),
            What::Operation(place) => self.operate(place),
        }
        self.fabric.report();
        true
    }

    /// Lets everything happen that happens until then, that instant included; the clock shows `time` afterwards.
    pub fn run_until(&mut self, time: Duration) {
        while self.next_at().is_some_and(|at| at <= time) {
            self.step();
        }
        self.check_cycles();
        self.fabric.now = self.fabric.now.max(time);
    }

    /// Lets so much time pass.
    pub fn run_for(&mut self, time: Duration) {
        self.run_until(self.now().saturating_add(time));
    }

    /// Runs until `holds`, looking after every step; `false`: it did not by then.
    pub fn run_while_not(&mut self, until: Duration, mut holds: impl FnMut(&Self) -> bool) -> bool {
        loop {
            if holds(self) {
                return true;
            }
            if self.next_at().is_none_or(|at| at > until) {
                self.run_until(until);
                return holds(self);
            }
            self.step();
        }
    }

    /// How long the tree must have stood still to be taken for final: nothing that the protocol still holds can stir
    /// it. Information lives max age, a port walks to forwarding in twice the forward delay, news come with hellos.
    #[must_use]
    pub fn calm(&self) -> Duration {
        let times = self
            .bridges()
            .filter_map(|node| self.switch(node)?.bridge())
            .map(|bridge| bridge.tree(TreeId::COMMON).times);
        times
            .map(|times| times.max_age + 2 * times.forward_delay + 2 * times.hello_time)
            .max()
            .unwrap_or_default()
    }

    /// Lets time pass until the tree has stood still for [`World::calm`], or until `bound` has passed from now. Returns when
    /// the tree last changed: the convergence time, counted from the world's beginning. A world that never changed has
    /// converged at zero.
    ///
    /// A port on its way to forwarding changes sooner than that, so one that still listens is held by what it hears again
    /// and again, as by a dispute (802.1Q 13.26.8), and part of a tree at rest: see [`World::is_settled`].
    ///
    /// # Errors
    /// It does not come to rest.
    pub fn run_quiet(&mut self, bound: Duration) -> Result<Duration, NotQuiet> {
        let end = self.now().saturating_add(bound);
        let begin = self.now();
        loop {
            let last = self.changes().last().unwrap_or_default();
            let quiet_at = last.max(begin).saturating_add(self.calm());
            if quiet_at > end {
                self.run_until(end);
                let last = self.changes().last().unwrap_or_default();
                return Err(NotQuiet { bound, last });
            }
            self.run_until(quiet_at);
            if self.changes().last().unwrap_or_default() == last {
                return Ok(last);
            }
        }
    }

    /// Runs until no frame but BPDUs is under way; `false` if some are still by then.
    pub fn drain(&mut self, until: Duration) -> bool {
        self.run_while_not(until, |world| {
            world.flows().iter().all(|(_, flow)| flow.is_over())
        })
    }

    fn timer(&mut self, node: NodeId, at: u64) {
        let place = &mut self.nodes[node.index()];
        if place.armed != Some(at) {
            return;
        }
        place.armed = None;
        if self.fabric.power[node.index()] != Power::On {
            return;
        }
        match &mut place.body {
            Body::Bridge(_) => {
                self.with_switch(node, None, |switch, now, out| {
                    if switch.deadline().is_some_and(|deadline| deadline <= now) {
                        switch.timeout(now, out);
                    }
                });
            }
            Body::Station { station, .. } => {
                let now = self.fabric.now;
                let mut out = Outbox {
                    fabric: &mut self.fabric,
                    node,
                };
                station.timeout(now, &mut out);
                self.rearm(node);
            }
        }
        // A node that wants to be called at once again and again would stop time.
        let now = nanos(self.fabric.now);
        let place = &mut self.nodes[node.index()];
        if place.armed.is_some_and(|armed| armed <= now) {
            place.armed = Some(now + 1);
            self.fabric.queue.push(now + 1, What::Timer(node.0));
        }
    }

    fn operate(&mut self, place: u32) {
        let Some(operation) = self.operations.take(place) else {
            return;
        };
        if let Err(error) = self.apply(operation.clone()) {
            self.refused.push((self.fabric.now, operation, error));
        }
    }

    /// A frame comes in by a port of a node that runs.
    pub(super) fn accept(
        &mut self,
        at: PortRef,
        wire: Option<WireId>,
        octets: &Rc<[u8]>,
        track: Option<&Track>,
    ) {
        self.fabric.totals.arrived += 1;
        let flow = track.map(|track| track.flow);
        self.fabric.notice(&Notice::Arrived {
            at,
            wire,
            frame: octets,
            flow,
        });
        match &mut self.nodes[at.node.index()].body {
            Body::Bridge(_) => self.bridge_accepts(at, octets, track),
            Body::Station { station, .. } => {
                if let Some(track) = track {
                    self.fabric.flows.deliver(self.fabric.now, track, at);
                }
                let now = self.fabric.now;
                let mut out = Outbox {
                    fabric: &mut self.fabric,
                    node: at.node,
                };
                station.receive(now, at.port, octets, &mut out);
                self.rearm(at.node);
            }
        }
    }

    fn bridge_accepts(&mut self, at: PortRef, octets: &Rc<[u8]>, track: Option<&Track>) {
        let before =
            track.and_then(|_| self.port_of(at.node, at.port).map(|port| *port.counters()));
        let transmitted = self.fabric.totals.transmitted;
        let incoming = Incoming::new(octets, at, track);
        self.with_switch(at.node, Some(incoming), |switch, now, out| {
            switch.receive(now, at.port, octets, out);
        });
        let (Some(track), Some(before)) = (track, before) else {
            return;
        };
        let copies = self.fabric.totals.transmitted - transmitted;
        self.fabric.totals.flooded += u64::from(copies > 1);
        let after = self.port_of(at.node, at.port).map(|port| *port.counters());
        if let Some(reason) = after.and_then(|after| drop_reason(&before, &after)) {
            self.fabric.totals.dropped += 1;
            // What is above a rate is to be dropped: that is no blackhole.
            let is_policed = reason == DropReason::ReceiveRate;
            self.fabric
                .flows
                .lose(track, Some(at), reason.name(), is_policed);
            self.fabric.notice(&Notice::Dropped {
                at,
                reason,
                flow: Some(track.flow),
            });
        }
    }

    /// Looks for circles of forwarding ports, if asked to and if anything changed.
    fn check_cycles(&mut self) {
        let passes = self
            .fabric
            .queue
            .next_at()
            .is_none_or(|at| at > nanos(self.fabric.now));
        if !passes || !self.fabric.changes.topology {
            return;
        }
        let Some(mut watch) = self.cycles.take() else {
            return;
        };
        self.fabric.changes.topology = false;
        for finding in watch.look(self) {
            self.fabric.record(finding);
        }
        self.cycles = Some(watch);
    }
}

/// Which counter of drops grew.
fn drop_reason(before: &PortCounters, after: &PortCounters) -> Option<DropReason> {
    if before.drops_total() == after.drops_total() {
        return None;
    }
    DropReason::ALL
        .iter()
        .copied()
        .find(|&reason| after.drops(reason) > before.drops(reason))
}
