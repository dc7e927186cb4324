//! Why a port is what it is, and does what it does: the comparison that decided, or what it waits for.

use core::time::Duration;

use crate::config::Inconsistency;
use crate::id::{PortId, PortNumber};
use crate::priority::{Component, TreeVector};

/// Why a port has its role and its state in a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reason {
    /// What gave it its role.
    pub role: RoleReason,
    /// What gave it its state.
    pub state: StateReason,
}

/// One comparison: of two vectors, the lower wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Comparison {
    /// What is best.
    pub winner: Candidate,
    /// What it was compared with.
    pub loser: Candidate,
    /// The first part in which they differ.
    pub decided_by: Component,
}

/// What takes part in a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// What it says. A way to the root has the cost of the port it goes through on top.
    pub vector: TreeVector,
    /// The port of ours it goes through, the last tie-breaker between ways; `None` for this bridge's own claim to be
    /// the root, and between what is said on one LAN.
    pub port: Option<(PortNumber, PortId)>,
}

/// What gave a port its role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoleReason {
    /// Disabled: management, a guard or the missing link has it so.
    NotOperational,
    /// Root: the best way to the root, better than the next best or than this bridge's own claim.
    BestPath(Comparison),
    /// Designated: what this bridge says on the LAN is better than what was last heard there.
    BetterOffer(Comparison),
    /// Designated: nobody else says anything on the LAN.
    NobodyElse,
    /// Alternate: another bridge says something better on the LAN (`lan`), and the way through it is not the best
    /// (`path`; `None` if root guard forbids it, or it is no way at all).
    WorseOffer {
        /// What is said on the LAN against what this bridge would say.
        lan: Comparison,
        /// The root port's way, or this bridge's own claim, against the way through this port.
        path: Option<Comparison>,
    },
    /// Backup: another port of this bridge says something better on the LAN.
    OwnOffer(Comparison),
    /// Master, or blocked in an instance with the port's role in the common tree: the region ends at this port.
    Boundary,
}

/// What gave a port its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateReason {
    /// The port is disabled.
    Disabled,
    /// It has gone all the way.
    Forwarding,
    /// Its role forwards nothing.
    Role,
    /// A guard holds it.
    Held(Inconsistency),
    /// It waits for the far end's agreement, or else until then.
    WaitsForAgreement {
        /// When the forward delay ends.
        until: Option<Duration>,
    },
    /// It waits until then: the forward delay.
    WaitsForDelay {
        /// When the forward delay ends.
        until: Option<Duration>,
    },
    /// It is a new root port, and ports that were the root port lately have not ceased to forward.
    WaitsForFormerRoot {
        /// When the forward delay ends at the latest.
        until: Option<Duration>,
    },
}

impl Comparison {
    /// Compares; `None` if nothing tells the two apart. Where no regions are, a regional root is the bridge that speaks.
    pub(crate) fn of(one: Candidate, other: Candidate, regions: bool) -> Option<Self> {
        let key = |candidate: &Candidate| (candidate.vector, candidate.port.map(|(_, id)| id));
        let (winner, loser) = if key(&one) <= key(&other) {
            (one, other)
        } else {
            (other, one)
        };
        let decided_by = match winner.vector.decided_by(&loser.vector) {
            Some(Component::RegionalRoot) if !regions => Component::DesignatedBridge,
            Some(component) => component,
            None if winner.port != loser.port => Component::ReceivingPort,
            None => return None,
        };
        Some(Self {
            winner,
            loser,
            decided_by,
        })
    }
}
