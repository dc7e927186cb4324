//! The classic protocol, IEEE 802.1D-1998 clause 8: one tree as one bridge sees it.
//!
//! | file | clauses |
//! | --- | --- |
//! | `mod.rs` | 8.5 parameters and timers |
//! | `transmit.rs` | 8.6.1, 8.6.4 to 8.6.6: what is sent |
//! | `record.rs` | 8.6.2, 8.6.3: what is remembered |
//! | `update.rs` | 8.6.7 to 8.6.10: root and designated ports |
//! | `state.rs` | 8.6.11 to 8.6.13: port states |
//! | `topology_change.rs` | 8.6.14 to 8.6.16 |
//! | `receive.rs` | 8.7.1, 8.7.2 |
//! | `expire.rs` | 8.7.3 to 8.7.8, and in which order |
//! | `manage.rs` | 8.8 |
//! | `guard.rs`, `why.rs` | guards; why a port is what it is |
//! | `status.rs` | what is shown |
//!
//! A procedure has the name it has in the standard. Ports go by their index, which is number order.

mod expire;
mod guard;
mod manage;
mod receive;
mod record;
mod state;
mod status;
mod topology_change;
mod transmit;
mod update;
mod why;

#[cfg(test)]
mod tests;

use core::time::Duration;

use crate::config::Inconsistency;
use crate::cost::PathCost;
use crate::event::{Action, PortRole, PortState};
use crate::id::{BridgeId, PortId, PortNumber, TreeId};
use crate::priority::PriorityVector;
use crate::status::{PortCounters, TopologyChangeStatus};
use crate::timers::Timer;
use crate::times::{BridgeTimes, TimesInForce};

/// What a procedure needs beside the tree: the time, and where to put what is to be done.
#[derive(Debug)]
pub(crate) struct Context<'a> {
    pub(crate) now: Duration,
    pub(crate) actions: &'a mut Vec<Action>,
}

impl Context<'_> {
    fn act(&mut self, action: Action) {
        self.actions.push(action);
    }
}

/// The bridge parameters and timers of one tree (8.5.3, 8.5.4).
#[derive(Clone, Debug)]
pub(crate) struct Tree {
    id: TreeId,
    /// Bridge Identifier (8.5.3.7).
    bridge_id: BridgeId,
    /// The identifier before it was last changed, and when that was.
    former_id: Option<(BridgeId, Duration)>,
    /// Bridge Max Age, Bridge Hello Time, Bridge Forward Delay (8.5.3.8 to 8.5.3.10).
    bridge_times: BridgeTimes,
    /// Designated Root (8.5.3.1).
    designated_root: BridgeId,
    /// Root Path Cost (8.5.3.2).
    root_path_cost: u32,
    /// Root Port (8.5.3.3), by index; `None` at the root.
    root_port: Option<usize>,
    /// Max Age, Hello Time, Forward Delay (8.5.3.4 to 8.5.3.6).
    times: TimesInForce,
    /// Topology Change Detected (8.5.3.11) and Topology Change (8.5.3.12), with what is counted of them.
    topology_change: TopologyChangeStatus,
    /// 8.5.4.1; up to Hello Time.
    hello_timer: Timer,
    /// 8.5.4.2; up to Bridge Hello Time.
    topology_change_notification_timer: Timer,
    /// 8.5.4.3; up to Topology Change Time (8.5.3.13).
    topology_change_timer: Timer,
    ports: Vec<TreePort>,
}

/// The parameters and timers of one port in one tree (8.5.5, 8.5.6).
#[derive(Clone, Copy, Debug)]
struct TreePort {
    number: PortNumber,
    /// Port Identifier (8.5.5.1).
    id: PortId,
    /// State (8.5.5.2).
    state: PortState,
    state_since: Option<Duration>,
    /// What the last port state selection made of it.
    role: PortRole,
    /// Path Cost (8.5.5.3).
    path_cost: PathCost,
    /// Designated Root, Cost, Bridge and Port (8.5.5.4 to 8.5.5.7).
    designated: PriorityVector,
    /// 8.5.5.8.
    topology_change_acknowledge: bool,
    /// Configuration Pending (8.5.5.9).
    config_pending: bool,
    /// Operates as an edge port; Change Detection Enabled (8.5.5.10) is the opposite.
    edge: bool,
    /// 8.5.6.1; up to Max Age.
    message_age_timer: Timer,
    /// 8.5.6.2; up to Forward Delay.
    forward_delay_timer: Timer,
    /// 8.5.6.3; up to Hold Time. Left running when it has expired with nothing pending.
    hold_timer: Timer,
    counters: PortCounters,
    /// The guard that holds the port.
    inconsistent: Option<Inconsistency>,
    /// Held by loop guard.
    held: Option<Inconsistency>,
    /// Held by somebody outside: [`crate::Bridge::hold_port`].
    held_outside: Option<Inconsistency>,
    /// Root guard: never the way to the root.
    restricted_role: bool,
    /// Topology change guard: changes told of here go no further.
    restricted_tcn: bool,
    /// Information that ceases to come does not make the port designated.
    loop_guard: bool,
    /// What somebody worse said on the LAN last.
    rival: Option<PriorityVector>,
}

impl TreePort {
    fn is_enabled(&self) -> bool {
        self.state != PortState::Disabled
    }

    const fn change_detection_enabled(&self) -> bool {
        !self.edge
    }

    /// The way to the root through this port.
    fn root_path(&self) -> Option<PriorityVector> {
        self.designated.plus(self.path_cost)
    }
}

impl Tree {
    /// A tree without ports: this bridge is the root (8.8.1).
    pub(crate) fn new(id: TreeId, bridge_id: BridgeId, bridge_times: BridgeTimes) -> Self {
        Self {
            id,
            bridge_id,
            former_id: None,
            bridge_times,
            designated_root: bridge_id,
            root_path_cost: 0,
            root_port: None,
            times: bridge_times.in_force(),
            topology_change: TopologyChangeStatus::default(),
            hello_timer: Timer::default(),
            topology_change_notification_timer: Timer::default(),
            topology_change_timer: Timer::default(),
            ports: Vec::new(),
        }
    }

    pub(crate) const fn id(&self) -> TreeId {
        self.id
    }

    pub(crate) const fn bridge_id(&self) -> BridgeId {
        self.bridge_id
    }

    /// Adds a disabled port at `index`.
    pub(crate) fn insert_port(
        &mut self,
        index: usize,
        number: PortNumber,
        id: PortId,
        path_cost: PathCost,
    ) {
        let port = TreePort {
            number,
            id,
            state: PortState::Disabled,
            state_since: None,
            role: PortRole::Disabled,
            path_cost,
            designated: self.offer(id),
            topology_change_acknowledge: false,
            config_pending: false,
            edge: false,
            message_age_timer: Timer::default(),
            forward_delay_timer: Timer::default(),
            hold_timer: Timer::default(),
            counters: PortCounters::default(),
            inconsistent: None,
            held: None,
            held_outside: None,
            restricted_role: false,
            restricted_tcn: false,
            loop_guard: false,
            rival: None,
        };
        self.ports.insert(index, port);
        self.root_port = self.root_port.map(|root| root + usize::from(root >= index));
    }

    /// Removes the port at `index`, which is disabled and so is not the root port.
    pub(crate) fn remove_port(&mut self, index: usize) {
        self.ports.remove(index);
        self.root_port = self.root_port.map(|root| root - usize::from(root > index));
    }

    /// Whether this bridge is the root.
    fn is_root_bridge(&self) -> bool {
        self.designated_root == self.bridge_id
    }

    /// Whether the port is the designated port of its LAN, as far as is known there (8.6.9).
    fn is_designated_port(&self, index: usize) -> bool {
        let port = &self.ports[index];
        port.designated.designated_bridge == self.bridge_id
            && port.designated.designated_port == port.id
    }

    /// Whether the bridge is designated on any LAN that it reaches.
    fn is_designated_for_some_port(&self) -> bool {
        self.ports
            .iter()
            .any(|port| port.is_enabled() && port.designated.designated_bridge == self.bridge_id)
    }

    /// What this bridge says on a LAN through the port of this identifier.
    const fn offer(&self, port: PortId) -> PriorityVector {
        PriorityVector {
            root: self.designated_root,
            root_path_cost: self.root_path_cost,
            designated_bridge: self.bridge_id,
            designated_port: port,
        }
    }

    /// The number of the port at `index`.
    fn number(&self, index: usize) -> PortNumber {
        self.ports[index].number
    }
}
