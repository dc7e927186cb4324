//! Why a port is what it is.

use super::{Tree, TreePort};
use crate::event::{PortRole, PortState};
use crate::id::PortId;
use crate::priority::{PriorityVector, TreeVector};
use crate::reason::{Candidate, Comparison, Reason, RoleReason, StateReason};

impl Tree {
    pub(crate) fn why(&self, index: usize) -> Reason {
        Reason {
            role: self.why_role(index),
            state: self.why_state(index),
        }
    }

    fn why_role(&self, index: usize) -> RoleReason {
        let port = &self.ports[index];
        let lan = || {
            let rival = match port.role {
                PortRole::Designated => port.rival?,
                PortRole::Disabled
                | PortRole::Root
                | PortRole::Alternate
                | PortRole::Backup
                | PortRole::Master => port.designated,
            };
            Comparison::of(said(self.offer(port.id)), said(rival), false)
        };
        let reason = match port.role {
            PortRole::Disabled => Some(RoleReason::NotOperational),
            PortRole::Root => self.why_best(index).map(RoleReason::BestPath),
            PortRole::Designated => lan()
                .filter(|lan| lan.winner == said(self.offer(port.id)))
                .map(RoleReason::BetterOffer)
                .or(Some(RoleReason::NobodyElse)),
            PortRole::Alternate | PortRole::Master => lan().map(|lan| RoleReason::WorseOffer {
                lan,
                path: self.why_not_root(index),
            }),
            PortRole::Backup => lan().map(RoleReason::OwnOffer),
        };
        reason.unwrap_or(RoleReason::NobodyElse)
    }

    /// The ways to a better root, but for the one through `except`.
    fn ways_but(&self, except: Option<usize>) -> impl Iterator<Item = Candidate> + '_ {
        let ports = self.ports.iter().enumerate();
        ports.filter_map(move |(index, port)| {
            let way = self.candidate(port).filter(|_| Some(index) != except)?;
            Some(Candidate {
                port: Some((port.number, port.id)),
                ..said(way)
            })
        })
    }

    fn own_claim(&self) -> Candidate {
        said(PriorityVector {
            root: self.bridge_id,
            root_path_cost: 0,
            designated_bridge: self.bridge_id,
            designated_port: PortId::from_octets([0, 0]),
        })
    }

    fn way(&self, port: &TreePort) -> Option<Candidate> {
        Some(Candidate {
            port: Some((port.number, port.id)),
            ..said(self.candidate(port)?)
        })
    }

    fn why_best(&self, index: usize) -> Option<Comparison> {
        let next = self
            .ways_but(Some(index))
            .min_by_key(|way| (way.vector, way.port.map(|(_, id)| id)))
            .unwrap_or(self.own_claim());
        Comparison::of(self.way(&self.ports[index])?, next, false)
    }

    fn why_not_root(&self, index: usize) -> Option<Comparison> {
        let best = match self.root_port {
            Some(root) => self.way(&self.ports[root])?,
            None => self.own_claim(),
        };
        let port = &self.ports[index];
        let way = if port.restricted_role {
            None
        } else {
            port.root_path()
        };
        let way = Candidate {
            port: Some((port.number, port.id)),
            ..said(way?)
        };
        Comparison::of(best, way, false)
    }

    fn why_state(&self, index: usize) -> StateReason {
        let port = &self.ports[index];
        let until = port.forward_delay_timer.due(self.times.forward_delay);
        match (port.state, port.inconsistent) {
            (PortState::Disabled, _) => StateReason::Disabled,
            (PortState::Blocking, Some(inconsistency)) => StateReason::Held(inconsistency),
            (PortState::Blocking, None) => StateReason::Role,
            (PortState::Listening | PortState::Learning, _) => StateReason::WaitsForDelay { until },
            (PortState::Forwarding, _) => StateReason::Forwarding,
        }
    }
}

/// Where no regions are, every bridge is one.
const fn said(vector: PriorityVector) -> Candidate {
    Candidate {
        vector: TreeVector {
            root: vector.root,
            external_root_path_cost: vector.root_path_cost,
            regional_root: vector.designated_bridge,
            internal_root_path_cost: 0,
            designated_bridge: vector.designated_bridge,
            designated_port: vector.designated_port,
        },
        port: None,
    }
}
