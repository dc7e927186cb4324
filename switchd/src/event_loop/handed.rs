//! The loop's dealings with forwarding threads.

use std::io;
use std::time::Duration;

use stp::PortNumber;

use super::{CONTROL_EVERY, Daemon};
use crate::clock::Clock;
use crate::workers::{Handed, Way};

/// Batches of forwarding threads that are carried before something else has its turn.
const HANDED_MAX: usize = 64;

impl Daemon {
    /// Carries what forwarding threads have handed over, those batches first that have BPDUs in them; between batches,
    /// frames of bridge protocols and timers have their turn. `looked` is when those were looked for last.
    pub(super) fn serve_workers(&mut self, looked: &mut Duration) -> io::Result<()> {
        if let Some(workers) = &self.workers {
            workers.get_up()?;
        }
        self.confirm(*looked);
        for _ in 0..HANDED_MAX {
            let Some(handed) = self.workers.as_ref().and_then(|it| it.next_handed()) else {
                return Ok(());
            };
            let now = Clock.now();
            if now.saturating_sub(*looked) >= CONTROL_EVERY {
                *looked = now;
                self.control(now);
            }
            self.outbox.set_now(now);
            self.carry_handed(now, handed);
            self.expire(now);
        }
        Ok(())
    }

    /// A batch that a thread has received, through the switch; and back to it.
    pub(super) fn carry_handed(&mut self, now: Duration, handed: Handed) {
        let Handed {
            port,
            batch,
            first,
            reception,
            ..
        } = handed;
        let own = self.mover.exchange(batch);
        self.received(now, port, first, reception);
        let batch = self.mover.exchange(own);
        if let Some(workers) = &self.workers {
            workers.give_back(Handed { batch, ..handed });
        }
    }

    /// Refreshes entries of stations that threads have seen. Bounded: each thread tells of a station now and then.
    pub(super) fn confirm(&mut self, now: Duration) {
        let Some(workers) = &self.workers else {
            return;
        };
        while let Some(seen) = workers.next_confirmation() {
            self.switch
                .confirm(now, (seen.vlan, seen.address), seen.port);
        }
    }

    /// Lets forwarding threads know what has changed, before anything leaves that relies on it.
    pub(super) fn publish(&mut self) {
        let Some(workers) = &mut self.workers else {
            return;
        };
        let (now, revision) = (self.outbox.now(), self.switch.revision());
        if !self.is_rewired && !workers.is_stale(now, revision) {
            return;
        }
        let last = self.switch.ports().last().map_or(0, |(port, _)| port.get());
        let ways = self.lines.iter().take(usize::from(last) + 1).map(|line| {
            line.as_ref().map(|line| Way {
                device: line.device.clone(),
                tally: line.tally.clone(),
            })
        });
        let path = self.switch.fast_path(now);
        workers.publish(now, revision, path, ways.collect());
        self.is_rewired = false;
    }

    /// Takes over what forwarding threads have counted.
    pub(super) fn pour_tallies(&mut self) {
        if self.workers.is_none() {
            return;
        }
        for (number, line) in (0..).zip(&self.lines) {
            let port = PortNumber::new(number).zip(line.as_ref());
            if let Some((port, line)) = port
                && let Some(counters) = self.switch.counters_mut(port)
            {
                line.tally.pour(counters);
            }
        }
    }
}
