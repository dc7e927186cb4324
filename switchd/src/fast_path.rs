//! The fast path: what a forwarding thread decides by itself, with the code and the words of the core.
//!
//! The Forwarding Process is the core's own, on a copy that nobody changes; what is known of stations comes from the CAM's
//! mirror. Whatever would change anything, or is counted against a limit, goes the slow way, by the core: an address that is
//! not known where it came from, a destination that is not known, a frame for the switch itself, a port with a rate, a flood
//! that storm control counts. So a decision made here is the one the core would have made, and the core need not hear of it;
//! but for stations, of which it hears often enough that none expires.

use std::time::Duration;

use cam::{Learned, Mirror, Sight};
use etherparse::VlanId;
use pnet_base::MacAddr;
use stp::PortNumber;

use crate::counters::DropReason;
use crate::forward::{Egress, Forwarding, Known, Stations, Verdict};
use crate::ports::Ports;
use crate::portset::PortSet;
use crate::switch::Switch;
use crate::tag::Relayed;

/// A copy of what decides a frame's way, as it was at some moment.
#[derive(Clone, Debug)]
pub(crate) struct FastPath {
    forwarding: Forwarding,
    /// Ports that have a rate.
    metered: PortSet,
    is_metered: bool,
    /// Ports whose floods are counted.
    guarded: PortSet,
    /// Whether a port is guarded only because it shows a loop, which passes.
    is_braked: bool,
}

/// What became of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Course {
    /// It left.
    Relayed,
    /// It goes nowhere.
    Dropped(DropReason),
    /// The core decides.
    Slow,
}

/// A station seen where it is known to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Confirmation {
    pub(crate) vlan: VlanId,
    pub(crate) address: MacAddr,
    pub(crate) port: PortNumber,
}

/// What a forwarding thread knows of stations. `confirm` passes a confirmation on; false if it cannot.
pub(crate) struct Reflected<'m, C: FnMut(Confirmation) -> bool> {
    mirror: &'m Mirror,
    confirm: C,
}

/// The core knows better.
pub(crate) struct AskCore;

impl Switch {
    /// How often anything has changed that a [`FastPath`] is made of.
    pub(crate) fn revision(&self) -> u64 {
        self.forwarding.revision()
    }

    /// The fast path as it is now.
    pub(crate) fn fast_path(&self, now: Duration) -> FastPath {
        let mut path = FastPath {
            forwarding: self.forwarding.clone(),
            metered: PortSet::EMPTY,
            is_metered: self.is_metered,
            guarded: PortSet::EMPTY,
            is_braked: false,
        };
        for (number, port) in self.ports() {
            let storm = port.settings().storm;
            let has_limits = port.protection.counts_floods(Duration::MAX, storm);
            let is_guarded = port.protection.counts_floods(now, storm);
            path.metered.set(number, port.meter.is_any());
            path.guarded.set(number, is_guarded);
            path.is_braked |= is_guarded && !has_limits;
        }
        path
    }
}

impl FastPath {
    /// Whether it should be made anew before long, although nothing has changed but time.
    pub(crate) fn is_braked(&self) -> bool {
        self.is_braked
    }

    /// Decides one frame that arrived by `port`, and hands it to `out` for every port it leaves by. A frame that takes the
    /// slow way has left by none. No allocation, no lock.
    pub(crate) fn decide(
        &self,
        stations: &mut impl Stations<Unsure = AskCore>,
        now: Duration,
        port: PortNumber,
        frame: &[u8],
        out: &mut impl Ports,
    ) -> Course {
        if self.is_metered && self.metered.contains(port) {
            return Course::Slow;
        }
        let Ok(decision) = self.forwarding.judge(stations, now, port, frame) else {
            return Course::Slow;
        };
        let (tag, strip, egress) = match decision.verdict {
            Verdict::Relay { tag, strip, egress } => (tag, strip, egress),
            Verdict::Drop(reason) => return Course::Dropped(reason),
            Verdict::Deliver(_) | Verdict::DeliverShared { .. } => return Course::Slow,
        };
        let relayed = |tagged: bool| Relayed::new(frame, strip, tagged.then_some(tag));
        match egress {
            Egress::Port { port, tagged } => {
                if self.is_metered && self.metered.contains(port) {
                    return Course::Slow;
                }
                out.transmit(port, relayed(tagged));
            }
            Egress::Flood(_) => {
                let ports = || self.forwarding.flood(tag.vid, port);
                let is_counted = self.guarded.contains(port)
                    || self.is_metered && ports().any(|(port, _)| self.metered.contains(port));
                if is_counted {
                    return Course::Slow;
                }
                ports().for_each(|(port, tagged)| out.transmit(port, relayed(tagged)));
            }
        }
        Course::Relayed
    }
}

impl<'m, C: FnMut(Confirmation) -> bool> Reflected<'m, C> {
    pub(crate) fn new(mirror: &'m Mirror, confirm: C) -> Self {
        Self { mirror, confirm }
    }
}

impl<C: FnMut(Confirmation) -> bool> Stations for Reflected<'_, C> {
    type Unsure = AskCore;

    fn learn(
        &mut self,
        now: Duration,
        vlan: VlanId,
        address: MacAddr,
        port: PortNumber,
    ) -> Result<Learned<PortNumber>, AskCore> {
        let confirmation = Confirmation {
            vlan,
            address,
            port,
        };
        match self.mirror.sight(now, vlan, address, port.get()) {
            Sight::Known => Ok(Learned::Refreshed),
            Sight::Due if (self.confirm)(confirmation) => Ok(Learned::Refreshed),
            Sight::Due | Sight::Unknown => Err(AskCore),
        }
    }

    fn find(
        &mut self,
        now: Duration,
        vlan: VlanId,
        address: MacAddr,
    ) -> Result<Option<Known>, AskCore> {
        let found = self.mirror.find(now, vlan, address).ok_or(AskCore)?;
        let port = PortNumber::new(found.port).ok_or(AskCore)?;
        Ok(Some(Known {
            port,
            is_local: found.is_local,
        }))
    }
}

#[cfg(test)]
mod tests;
