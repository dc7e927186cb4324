//! Why a port is what it is.

use super::role_selection::{Path, is_word_of};
use super::{At, Engine, InfoIs};
use crate::event::PortRole;
use crate::id::TreeId;
use crate::priority::TreeVector;
use crate::reason::{Candidate, Comparison, Reason, RoleReason, StateReason};

impl Engine {
    pub(crate) fn why(&self, index: usize, id: TreeId) -> Option<Reason> {
        let at = At {
            tree: self.find(id)?,
            port: index,
        };
        Some(Reason {
            role: self.why_role(at),
            state: self.why_state(at),
        })
    }

    fn why_role(&self, at: At) -> RoleReason {
        let tree = &self.trees[at.tree];
        let port = self.tp(at);
        let lan = || {
            self.compare(
                said(port.designated_priority),
                said(match port.info_is {
                    InfoIs::Received => port.port_priority,
                    InfoIs::Disabled | InfoIs::Aged | InfoIs::Mine => port.rival?,
                }),
            )
        };
        let boundary = !at.is_common() && port.info_is != InfoIs::Received;
        let reason = match port.role {
            PortRole::Disabled => Some(RoleReason::NotOperational),
            PortRole::Master => Some(RoleReason::Boundary),
            PortRole::Root => self.why_best(at).map(RoleReason::BestPath),
            PortRole::Designated => lan()
                .filter(|lan| lan.winner.vector == port.designated_priority)
                .map(RoleReason::BetterOffer)
                .or(Some(RoleReason::NobodyElse)),
            PortRole::Alternate | PortRole::Backup if boundary => Some(RoleReason::Boundary),
            PortRole::Backup if is_word_of(port, tree.bridge_id) => lan().map(RoleReason::OwnOffer),
            PortRole::Alternate | PortRole::Backup => lan().map(|lan| RoleReason::WorseOffer {
                lan,
                path: self.why_not_root(at),
            }),
        };
        // Two vectors that are the same in all parts come from one port alone, our own.
        reason.unwrap_or(RoleReason::NobodyElse)
    }

    /// The root port's way against the next best.
    fn why_best(&self, at: At) -> Option<Comparison> {
        let paths = (0..self.ports.len()).filter_map(|port| self.root_path(At { port, ..at }));
        let own = (self.bridge_priority(at.tree), None);
        let next = paths
            .filter(|&(_, _, port)| port != at.port)
            .map(|path| (path.0, Some(path)))
            .min_by_key(|(vector, path)| (*vector, path.map(|path| path.1)))
            .filter(|(vector, _)| *vector < own.0)
            .unwrap_or(own);
        self.compare(
            self.way(self.root_path(at)?),
            next.1.map_or(said(next.0), |path| self.way(path)),
        )
    }

    /// What is better than the way through a port that is not the root port.
    fn why_not_root(&self, at: At) -> Option<Comparison> {
        let path = self.root_path(at)?;
        let best = self
            .best_path(at.tree)
            .map_or(said(self.bridge_priority(at.tree)), |best| self.way(best));
        self.compare(best, self.way(path))
    }

    fn compare(&self, one: Candidate, other: Candidate) -> Option<Comparison> {
        Comparison::of(one, other, self.region.is_some())
    }

    fn way(&self, (vector, id, port): Path) -> Candidate {
        Candidate {
            vector,
            port: Some((self.ports[port].number, id)),
        }
    }

    fn why_state(&self, at: At) -> StateReason {
        let port = self.tp(at);
        let until = port.fd_while.due();
        match port.role {
            PortRole::Disabled => StateReason::Disabled,
            PortRole::Alternate | PortRole::Backup => match self.inconsistency(at) {
                Some(inconsistency) => StateReason::Held(inconsistency),
                None => StateReason::Role,
            },
            PortRole::Root | PortRole::Designated | PortRole::Master if port.forwarding => {
                StateReason::Forwarding
            }
            PortRole::Root | PortRole::Designated | PortRole::Master => {
                match self.inconsistency(at) {
                    Some(inconsistency) => StateReason::Held(inconsistency),
                    None if port.role == PortRole::Root => {
                        StateReason::WaitsForFormerRoot { until }
                    }
                    None if port.proposing => StateReason::WaitsForAgreement { until },
                    None => StateReason::WaitsForDelay { until },
                }
            }
        }
    }
}

const fn said(vector: TreeVector) -> Candidate {
    Candidate { vector, port: None }
}
