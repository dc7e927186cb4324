//! Rapid and multiple spanning trees: IEEE 802.1D-2004 clause 17, split per port and per tree as IEEE 802.1Q clause 13
//! has it. A rapid bridge is a bridge of one tree that takes everybody for another region; more trees are more trees,
//! not more machines.
//!
//! | file | clauses of 802.1D-2004 (802.1Q) |
//! | --- | --- |
//! | `mod.rs` | 17.18, 17.19 variables |
//! | `countdown.rs`, `dues.rs`, `expire.rs` | 17.17, 17.22 timers, as deadlines |
//! | `times.rs` | 17.18.4, 17.19.22 times |
//! | `receive.rs` | 17.23 Port Receive, 17.21.22 |
//! | `migration.rs` | 17.24 Port Protocol Migration |
//! | `detection.rs` | 17.25 Bridge Detection |
//! | `transmit.rs`, `speak.rs` | 17.26 Port Transmit; 17.21.18 to 17.21.20 |
//! | `information.rs`, `record.rs` | 17.27 Port Information; 17.21.1, 17.21.8 to 17.21.14, 17.21.23 |
//! | `role_selection.rs` | 17.28 Port Role Selection, 17.21.25 (13.26.23) |
//! | `role_transition.rs` | 17.29 Port Role Transitions (13.35) |
//! | `state_transition.rs` | 17.30 Port State Transition |
//! | `topology_change.rs` | 17.31 Topology Change |
//! | `epoch.rs` | epochs, no part of the standard |
//! | `settle.rs` | in which order machines step, and until when |
//! | `publish.rs` | what is told of it |
//! | `manage.rs`, `guard.rs` | management, guards |
//! | `status.rs`, `why.rs` | what is shown, and why it is so |
//!
//! A machine is an enum of its figure's boxes: `next` is the figure's arrows and changes nothing, `enter` is what stands
//! in the box. Variables and procedures have the standard's names. Ports go by their index, which is number order.

mod countdown;
mod detection;
mod dues;
mod epoch;
mod expire;
mod guard;
mod information;
mod manage;
mod migration;
mod publish;
mod receive;
mod record;
mod role_selection;
mod role_transition;
mod settle;
mod speak;
mod state_transition;
mod status;
mod times;
mod topology_change;
mod transitions;
mod transmit;
mod why;

use core::time::Duration;

use crate::bpdu::{EpochStamp, RstRole};
use crate::config::{BridgeConfig, Inconsistency, PortConfig};
use crate::cost::PathCost;
use crate::event::{Action, PortRole, PortState};
use crate::id::{BridgeId, BridgePriority, PortId, PortNumber, PortPriority, TreeId};
use crate::priority::TreeVector;
use crate::region::ConfigurationId;
use crate::status::{PortCounters, TopologyChangeStatus};
use countdown::Countdown;
use dues::Dues;
use settle::Marks;
use times::Times;

pub(crate) use manage::Link;
pub(crate) use transitions::Transitions;
pub use transitions::{Machine, Transition};

/// Migrate Time (802.1D-2004 Table 17-1).
const MIGRATE_TIME: Duration = Duration::from_secs(3);

/// A bridge of rapid or multiple spanning trees.
#[derive(Clone, Debug)]
pub(crate) struct Engine {
    config: BridgeConfig,
    /// The region, if there is one: [`crate::Protocol::Mstp`].
    region: Option<ConfigurationId>,
    /// In number order.
    ports: Vec<Port>,
    /// The common tree first, then instances by number. Their ports stand in the order of `ports`.
    trees: Vec<Tree>,
    now: Duration,
    /// Ports with something to do, whatever the tree.
    marks: Marks,
    /// When a timer of a port is due, whatever the tree.
    dues: Dues,
    taken: Transitions,
}

/// Where a machine of a (port, tree) runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct At {
    tree: usize,
    port: usize,
}

impl At {
    const fn is_common(self) -> bool {
        self.tree == 0
    }
}

/// The variables of one port (17.19), and its machines that are there once.
#[derive(Clone, Debug)]
struct Port {
    number: PortNumber,
    config: PortConfig,
    /// portEnabled: by management, by its link and by BPDU guard.
    enabled: bool,
    /// The cost that comes with the link.
    link_cost: PathCost,
    /// What the link says; [`Port::is_point_to_point`] is operPointToPointMAC.
    link_point_to_point: bool,
    edge_delay_while: Countdown,
    hello_when: Countdown,
    mdelay_while: Countdown,
    /// Until the next second of 17.22: txCount goes down by one then.
    tick: Countdown,
    /// Bridge assurance: until when a BPDU must come.
    assurance_while: Countdown,
    info_internal: bool,
    mcheck: bool,
    new_info: bool,
    new_info_msti: bool,
    oper_edge: bool,
    /// A BPDU waits to be received (rcvdBPDU).
    rcvd_bpdu: Option<Heard>,
    rcvd_internal: bool,
    /// What the last MST BPDU of the region said of the common tree.
    heard_common: Option<TreeVector>,
    rcvd_rstp: bool,
    rcvd_stp: bool,
    rcvd_tc_ack: bool,
    rcvd_tcn: bool,
    /// Whether the last BPDU had a stamp of epochs; `None` if none came since the link did.
    heard_stamp: Option<bool>,
    send_rstp: bool,
    tc_ack: bool,
    tx_count: u8,
    receive: receive::State,
    migration: migration::State,
    detection: detection::State,
    transmit: transmit::State,
    counters: PortCounters,
    /// Held in all trees by somebody outside: [`crate::Bridge::hold_port`].
    held_outside: Option<Inconsistency>,
}

/// What Port Receive has to know of a BPDU; what it says is in [`TreePort::message`] by then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Heard {
    rapid: bool,
    internal: bool,
}

impl Port {
    const fn is_point_to_point(&self) -> bool {
        match self.config.point_to_point {
            crate::PointToPoint::Auto => self.link_point_to_point,
            crate::PointToPoint::On => true,
            crate::PointToPoint::Off => false,
        }
    }
}

/// A tree as this bridge sees it.
#[derive(Clone, Debug)]
struct Tree {
    id: TreeId,
    priority: BridgePriority,
    bridge_id: BridgeId,
    /// rootPriority.
    root: TreeVector,
    /// rootPortId, by index; `None` at the root.
    root_port: Option<usize>,
    root_times: Times,
    /// The present epoch, if there are epochs.
    epoch: u32,
    /// The epoch in which the root vouched for its word.
    root_vouched: Option<u32>,
    selection: role_selection::State,
    ports: Vec<TreePort>,
    marks: Marks,
    /// When a timer of one of its ports is due.
    dues: Dues,
    told_root: (BridgeId, u32, Option<usize>),
    topology_change: TopologyChangeStatus,
    /// How many of its ports tell of a topology change: whose tcWhile runs.
    changing_ports: usize,
}

/// infoIs (17.19.10).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum InfoIs {
    Disabled,
    Aged,
    Mine,
    Received,
}

/// What has come for one tree in one BPDU: message priority, message times, flags (17.19.14, 17.19.15).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Message {
    /// A topology change notification says nothing else.
    notification: bool,
    role: RstRole,
    priority: TreeVector,
    times: Times,
    proposal: bool,
    agreement: bool,
    learning: bool,
    topology_change: bool,
    acknowledgment: bool,
    epoch: Option<EpochStamp>,
}

/// rcvdInfo (17.21.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum RcvdInfo {
    SuperiorDesignated,
    RepeatedDesignated,
    InferiorDesignated,
    InferiorRootAlternate,
    Other,
}

/// The variables of one port in one tree (17.19), and its machines there.
#[derive(Clone, Debug)]
struct TreePort {
    id: PortId,
    /// What management says for this tree; in the common tree the port's own settings.
    priority: PortPriority,
    own_cost: Option<PathCost>,
    /// The cost in force: of an instance the internal one, of the common tree both.
    path_cost: PathCost,
    fd_while: Countdown,
    rr_while: Countdown,
    rb_while: Countdown,
    tc_while: Countdown,
    rcvd_info_while: Countdown,
    agree: bool,
    agreed: bool,
    disputed: bool,
    fdb_flush: bool,
    forward: bool,
    forwarding: bool,
    learn: bool,
    learning: bool,
    proposed: bool,
    proposing: bool,
    rcvd_tc: bool,
    re_root: bool,
    reselect: bool,
    selected: bool,
    sync: bool,
    synced: bool,
    tc_prop: bool,
    updt_info: bool,
    /// mastered (802.1Q 13.24): the far end leads to a master port.
    mastered: bool,
    info_is: InfoIs,
    rcvd_info: RcvdInfo,
    role: PortRole,
    selected_role: PortRole,
    port_priority: TreeVector,
    port_times: Times,
    /// The epoch in which the root vouched for what is known of the LAN.
    vouched: Option<u32>,
    designated_priority: TreeVector,
    designated_times: Times,
    /// rcvdMsg, and what it is.
    message: Option<Message>,
    /// The information held has come too far to be believed for long; that is no silence.
    too_old: bool,
    /// What somebody worse said on the LAN last.
    rival: Option<TreeVector>,
    /// The guard that holds the port in this tree.
    held: Option<Inconsistency>,
    information: information::State,
    role_transition: role_transition::State,
    state_transition: state_transition::State,
    topology_change: topology_change::State,
    told_changing: bool,
    told_role: PortRole,
    told_state: PortState,
    told_inconsistent: Option<Inconsistency>,
    state_since: Option<Duration>,
    forward_transitions: u64,
    expiries: u64,
}

/// What a call needs beside the engine: where to put what is to be done.
pub(crate) type Actions = Vec<Action>;

impl Engine {
    fn tp(&self, at: At) -> &TreePort {
        &self.trees[at.tree].ports[at.port]
    }

    fn tp_mut(&mut self, at: At) -> &mut TreePort {
        &mut self.trees[at.tree].ports[at.port]
    }

    /// The port in the common tree.
    fn common(&self, port: usize) -> &TreePort {
        &self.trees[0].ports[port]
    }

    /// HelloTime (17.20): this bridge's own, which its designated times carry.
    const fn hello_time(&self) -> Duration {
        self.config.times.hello_time()
    }

    /// FwdDelay (17.20): the root's.
    fn fwd_delay(&self) -> Duration {
        self.trees[0].root_times.forward_delay
    }

    /// MaxAge (17.20): the root's.
    fn max_age(&self) -> Duration {
        self.trees[0].root_times.max_age
    }

    /// forwardDelay (17.20): over a port that speaks the rapid protocol information travels fast. On a shared LAN, where
    /// nobody can agree, it is not enough that it travels: what a dead root said must be forgotten first.
    fn forward_delay(&self, port: usize) -> Duration {
        if self.ports[port].send_rstp && self.ports[port].is_point_to_point() {
            self.hello_time()
        } else {
            self.fwd_delay()
        }
    }

    /// EdgeDelay (17.20).
    fn edge_delay(&self, port: usize) -> Duration {
        if self.ports[port].is_point_to_point() {
            MIGRATE_TIME
        } else {
            self.max_age()
        }
    }

    /// allSynced (17.20; 802.1Q 13.25): the port's other ports have nothing in the way of its agreement.
    fn all_synced(&self, at: At) -> bool {
        let ports = &self.trees[at.tree].ports;
        let own = ports[at.port].role;
        ports.iter().enumerate().all(|(index, port)| {
            let excepted = match own {
                PortRole::Master => index == at.port,
                PortRole::Root
                | PortRole::Designated
                | PortRole::Alternate
                | PortRole::Backup
                | PortRole::Disabled => port.role == PortRole::Root,
            };
            port.selected
                && port.role == port.selected_role
                && !port.updt_info
                && (port.synced || excepted)
        })
    }

    /// reRooted (17.20): no other port was the root port a moment ago.
    fn re_rooted(&self, at: At) -> bool {
        let ports = self.trees[at.tree].ports.iter().enumerate();
        let mut others = ports.filter(|(index, _)| *index != at.port);
        others.all(|(_, port)| port.rr_while.is_zero())
    }

    /// Whether some guard keeps the port from forwarding in this tree.
    fn is_held(&self, at: At) -> bool {
        self.tp(at).held.is_some() || self.ports[at.port].held_outside.is_some()
    }
}
