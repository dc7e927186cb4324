//! Following frames: every copy of every frame a station sent, from its origin to where it ends.

use core::time::Duration;
use std::collections::BTreeMap;
use std::rc::Rc;

use super::{Finding, Violation};
use crate::sim::id::{FlowId, NodeId, PortRef};

/// Bounds of what one frame may become, so that a broadcast storm is a finding and not the end of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Copies of one frame for each end of a wire in the world; a flood without loop makes one at most.
    pub copies_per_end: u32,
    /// How often one copy may come back to bridges it has passed, until it is dropped.
    pub returns: u16,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            copies_per_end: 16,
            returns: 8,
        }
    }
}

/// A frame somebody sent, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flow {
    /// When it was sent.
    pub sent: Duration,
    /// From where.
    pub from: PortRef,
    /// The station it is for; `None`: for all, or nobody known.
    pub to: Option<PortRef>,
    /// Copies put on wires, one for each receiver.
    pub copies: u32,
    /// Copies that are under way.
    pub in_flight: u32,
    /// Where it arrived at stations, in order; the same station twice is a duplicate.
    pub deliveries: Vec<Delivery>,
    /// Whether a copy came back to a bridge.
    pub looped: bool,
    stormed: bool,
    keep: bool,
    /// Copies lost by chance: then it is no blackhole.
    unlucky: bool,
    last: Option<(Rc<Hop>, &'static str)>,
    relayed: Relayers,
}

/// Bridges that have relayed a copy of a frame.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Relayers(Vec<u64>);

impl Relayers {
    /// Adds a bridge; `false` if it was there.
    fn insert(&mut self, bridge: NodeId) -> bool {
        let (word, bit) = (bridge.index() / 64, bridge.index() % 64);
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        let before = self.0[word];
        self.0[word] |= 1 << bit;
        before != self.0[word]
    }
}

/// An arrival at a station.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// When.
    pub time: Duration,
    /// Where.
    pub at: PortRef,
}

impl Flow {
    /// How often it reached `port`.
    #[must_use]
    pub fn count_at(&self, port: PortRef) -> usize {
        self.deliveries
            .iter()
            .filter(|delivery| delivery.at == port)
            .count()
    }

    /// Whether no copy is under way any more.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.in_flight == 0
    }
}

/// A copy's way so far: a list that copies share.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Hop {
    at: PortRef,
    previous: Option<Rc<Self>>,
}

/// Without recursion, however long the way was.
impl Drop for Hop {
    fn drop(&mut self) {
        let mut next = self.previous.take();
        while let Some(hop) = next.and_then(Rc::into_inner) {
            let mut hop = hop;
            next = hop.previous.take();
        }
    }
}

impl Hop {
    fn path(self: &Rc<Self>) -> Vec<PortRef> {
        let hops = core::iter::successors(Some(self), |hop| hop.previous.as_ref());
        let mut path: Vec<PortRef> = hops.map(|hop| hop.at).collect();
        path.reverse();
        path
    }

    fn has_passed(self: &Rc<Self>, bridge: NodeId) -> bool {
        // The origin is no passage: a station, or the port of a bridge that was made to send.
        core::iter::successors(Some(self), |hop| hop.previous.as_ref())
            .any(|hop| hop.at.node == bridge && hop.previous.is_some())
    }
}

/// What a copy carries with it besides its octets.
#[derive(Clone, Debug)]
pub(crate) struct Track {
    pub(crate) flow: FlowId,
    path: Rc<Hop>,
    returns: u16,
}

/// Whether a bridge may relay a copy.
#[derive(Debug)]
pub(crate) enum Relay {
    /// It may, and this is what its copies carry.
    Go(Track),
    /// The copy has come back too often.
    Stop,
}

/// Every frame that is under way, or that somebody wants to know about.
#[derive(Clone, Debug, Default)]
pub struct Flows {
    flows: BTreeMap<FlowId, Flow>,
    next: u64,
    limits: Limits,
    ends: u32,
    /// Findings since the world last took them.
    pub(crate) found: Vec<Finding>,
}

impl Flows {
    pub(crate) fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    pub(crate) fn add_ends(&mut self, ends: usize) {
        self.ends = self
            .ends
            .saturating_add(u32::try_from(ends).unwrap_or(u32::MAX));
    }

    /// A flow, while copies of it are under way or its sender keeps it.
    #[must_use]
    pub fn get(&self, flow: FlowId) -> Option<&Flow> {
        self.flows.get(&flow)
    }

    /// Flows with copies under way, and kept ones.
    pub fn iter(&self) -> impl Iterator<Item = (FlowId, &Flow)> {
        self.flows.iter().map(|(id, flow)| (*id, flow))
    }

    pub(crate) fn take(&mut self, flow: FlowId) -> Option<Flow> {
        let over = self.flows.get(&flow)?.is_over();
        if over {
            self.flows.remove(&flow)
        } else {
            let flow = self.flows.get_mut(&flow)?;
            flow.keep = false;
            Some(flow.clone())
        }
    }

    /// Begins a flow with one copy under way: the one in the sender's hand.
    pub(crate) fn begin(
        &mut self,
        now: Duration,
        from: PortRef,
        to: Option<PortRef>,
        keep: bool,
    ) -> Track {
        let id = FlowId(self.next);
        self.next += 1;
        let flow = Flow {
            sent: now,
            from,
            to,
            copies: 0,
            in_flight: 1,
            deliveries: Vec::new(),
            looped: false,
            stormed: false,
            keep,
            unlucky: false,
            last: None,
            relayed: Relayers::default(),
        };
        self.flows.insert(id, flow);
        Track {
            flow: id,
            path: Rc::new(Hop {
                at: from,
                previous: None,
            }),
            returns: 0,
        }
    }

    /// One more copy goes on a wire. `false`: there are too many.
    pub(crate) fn copy(&mut self, now: Duration, track: &Track) -> bool {
        let limit = self.limits.copies_per_end.saturating_mul(self.ends).max(64);
        let Some(flow) = self.flows.get_mut(&track.flow) else {
            return true;
        };
        if flow.copies >= limit {
            if !flow.stormed {
                flow.stormed = true;
                let copies = flow.copies;
                let flow = track.flow;
                self.find(now, Violation::Storm { flow, copies });
            }
            return false;
        }
        flow.copies += 1;
        flow.in_flight += 1;
        true
    }

    /// A bridge is about to relay a copy that came in `at` one of its ports.
    pub(crate) fn relay(&mut self, now: Duration, track: &Track, at: PortRef) -> Relay {
        // Only where some copy has passed already need this one's way be looked at, which may be long.
        let flow = self.flows.get_mut(&track.flow);
        let first = flow.is_some_and(|flow| flow.relayed.insert(at.node));
        let returned = !first && track.path.has_passed(at.node);
        let path = Rc::new(Hop {
            at,
            previous: Some(track.path.clone()),
        });
        let returns = track.returns + u16::from(returned);
        if returned && let Some(flow) = self.flows.get_mut(&track.flow) {
            let told = std::mem::replace(&mut flow.looped, true);
            if !told {
                let violation = Violation::Loop {
                    flow: track.flow,
                    path: path.path(),
                };
                self.find(now, violation);
            }
        }
        if returns > self.limits.returns {
            return Relay::Stop;
        }
        Relay::Go(Track {
            flow: track.flow,
            path,
            returns,
        })
    }

    /// A copy reached a station.
    pub(crate) fn deliver(&mut self, now: Duration, track: &Track, at: PortRef) {
        let Some(flow) = self.flows.get_mut(&track.flow) else {
            return;
        };
        let again = flow.deliveries.iter().any(|delivery| delivery.at == at);
        flow.deliveries.push(Delivery { time: now, at });
        let hop = Rc::new(Hop {
            at,
            previous: Some(track.path.clone()),
        });
        if again {
            let violation = Violation::Duplicate {
                flow: track.flow,
                path: hop.path(),
            };
            self.find(now, violation);
        } else if flow.to != Some(at) {
            flow.last = Some((hop, "astray"));
        }
    }

    /// A copy ended without being relayed: `at` a port, or on the way from the last one.
    pub(crate) fn lose(
        &mut self,
        track: &Track,
        at: Option<PortRef>,
        reason: &'static str,
        by_chance: bool,
    ) {
        let Some(flow) = self.flows.get_mut(&track.flow) else {
            return;
        };
        flow.unlucky |= by_chance;
        let hop = at.map_or_else(
            || track.path.clone(),
            |at| {
                Rc::new(Hop {
                    at,
                    previous: Some(track.path.clone()),
                })
            },
        );
        flow.last = Some((hop, reason));
    }

    /// One copy is under way no more; with the last one the flow is over. `reachable`: whether there is a way from the
    /// one port to the other at all.
    pub(crate) fn end(
        &mut self,
        now: Duration,
        track: &Track,
        reachable: impl FnOnce(PortRef, PortRef) -> bool,
    ) {
        let Some(flow) = self.flows.get_mut(&track.flow) else {
            return;
        };
        flow.in_flight -= 1;
        if flow.in_flight > 0 {
            return;
        }
        let last = flow.last.take();
        let missed = flow
            .to
            .filter(|&to| to != flow.from && !flow.unlucky && flow.count_at(to) == 0);
        if let (Some(to), Some((path, reason))) = (missed, last)
            && reachable(flow.from, to)
        {
            let violation = Violation::Blackhole {
                flow: track.flow,
                to,
                path: path.path(),
                reason,
            };
            self.find(now, violation);
        }
        if self.flows.get(&track.flow).is_some_and(|flow| !flow.keep) {
            self.flows.remove(&track.flow);
        }
    }

    fn find(&mut self, time: Duration, violation: Violation) {
        self.found.push(Finding { time, violation });
    }
}
