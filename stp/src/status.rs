//! What a bridge tells of itself. Instants are on the caller's time line: what is left of a timer is
//! `due.saturating_sub(now)`.

use core::time::Duration;

use crate::bpdu::{Bpdu, EpochStamp};
use crate::config::{Inconsistency, Protocol};
use crate::cost::PathCost;
use crate::event::{PortRole, PortState};
use crate::id::{BridgeId, PortId, PortNumber, TreeId};
use crate::priority::PriorityVector;
use crate::times::TimesInForce;

/// One tree, seen from this bridge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TreeStatus {
    /// Which tree.
    pub tree: TreeId,
    /// The protocol that keeps it.
    pub protocol: Protocol,
    /// This bridge's identifier in it (802.1D-1998 8.5.3.7).
    pub bridge: BridgeId,
    /// The root (8.5.3.1).
    pub root: BridgeId,
    /// The cost to the root, 0 at the root (8.5.3.2). In the common tree of a region the external cost, within its other
    /// trees the internal one.
    pub root_path_cost: u32,
    /// The bridge at which the region meets the way to the root (802.1Q 13.9); in other protocols than
    /// [`Protocol::Mstp`] this bridge.
    pub regional_root: BridgeId,
    /// The cost to it; 0 in other protocols than [`Protocol::Mstp`].
    pub internal_root_path_cost: u32,
    /// How many bridges further its information goes; `None` in other protocols than [`Protocol::Mstp`].
    pub remaining_hops: Option<u8>,
    /// The port towards the root, `None` at the root (8.5.3.3).
    pub root_port: Option<PortNumber>,
    /// The root's times, which are in force here too (8.5.3.4 to 8.5.3.6).
    pub times: TimesInForce,
    /// Topology changes.
    pub topology_change: TopologyChangeStatus,
    /// Its epoch, and whether the root has vouched in it; `None` without epochs.
    pub epoch: Option<EpochStamp>,
    /// When the bridge sends its next configuration BPDUs by itself; `None` unless it is the root (8.5.4.1).
    pub hello_due: Option<Duration>,
    /// When it repeats its topology change notification; `None` if none is outstanding (8.5.4.2).
    pub topology_change_notification_due: Option<Duration>,
    /// When it ceases, as the root, to tell of a topology change (8.5.4.3).
    pub topology_change_due: Option<Duration>,
}

impl TreeStatus {
    /// Whether this bridge is the root.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.bridge == self.root
    }
}

/// Topology changes, as one bridge knows of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct TopologyChangeStatus {
    /// The root tells of a change: short ageing is in force (8.5.3.12).
    pub active: bool,
    /// This bridge has detected or been notified of one, and its notification is not yet acknowledged; at the root:
    /// not yet over (8.5.3.11).
    pub detected: bool,
    /// How often `active` has become true since the bridge began.
    pub count: u64,
    /// When the latest cause came: detected, notified or told of by the root.
    pub last: Option<Duration>,
    /// The port that cause came from, if it was a port.
    pub last_port: Option<PortNumber>,
}

/// One port in one tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortStatus {
    /// The port.
    pub port: PortNumber,
    /// The tree.
    pub tree: TreeId,
    /// Its role.
    pub role: PortRole,
    /// Its state (802.1D-1998 8.5.5.2).
    pub state: PortState,
    /// Its identifier (8.5.5.1).
    pub id: PortId,
    /// Its path cost in force (8.5.5.3).
    pub path_cost: PathCost,
    /// Whether management lets it run.
    pub enabled: bool,
    /// Whether it reaches its LAN.
    pub link_up: bool,
    /// Whether the link has two ends only.
    pub point_to_point: bool,
    /// Whether management expects end stations only.
    pub admin_edge: bool,
    /// Whether it is an edge in fact: up, expected to be one, and no BPDU heard since it came up.
    pub edge: bool,
    /// What is known of the LAN: the designated root, cost, bridge and port (8.5.5.4 to 8.5.5.7). On a designated port
    /// these are this bridge's own.
    pub designated: PriorityVector,
    /// The way to the root through this port: `designated` plus the path cost. `None` if the port is disabled, or this
    /// bridge itself is designated, or the sum is more than a BPDU can say. The least of these, then the lowest port identifier, makes the root port.
    pub root_path: Option<PriorityVector>,
    /// What this bridge would say on the LAN. Less than `designated`, or equal to it, makes a designated port.
    pub offer: PriorityVector,
    /// A topology change acknowledgment waits to be sent (8.5.5.8).
    pub topology_change_acknowledge: bool,
    /// A configuration BPDU waits for the hold timer (8.5.5.9).
    pub config_pending: bool,
    /// Changes of this port's state are topology changes (8.5.5.10).
    pub change_detection_enabled: bool,
    /// The age of the information held, at the time it was received; `None` on a designated or disabled port.
    pub message_age: Option<Duration>,
    /// When that information is too old (8.5.6.1).
    pub message_age_due: Option<Duration>,
    /// When the port goes on to learning or forwarding (8.5.6.2).
    pub forward_delay_due: Option<Duration>,
    /// Until when no further configuration BPDU may be sent; may lie in the past (8.5.6.3).
    pub hold_until: Option<Duration>,
    /// The guard that holds the port, if one does.
    pub inconsistent: Option<Inconsistency>,
    /// Whether the port speaks the rapid protocols; if not, configuration BPDUs and notifications (sendRSTP,
    /// 802.1D-2004 17.19.38).
    pub send_rstp: bool,
    /// Whether the bridge behind the port belongs to another region, or to none, or there is none (802.1Q 13.12). False
    /// unless this bridge speaks [`crate::Protocol::Mstp`].
    pub boundary: bool,
    /// Whether the last BPDU heard had a stamp of epochs; `None` if none was heard, and in the classic protocol.
    pub heard_epoch: Option<bool>,
    /// When the state last changed; `None` if it never did.
    pub state_since: Option<Duration>,
    /// What was counted.
    pub counters: PortCounters,
}

/// Counts since the port was added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct PortCounters {
    /// Configuration BPDUs received.
    pub config_received: u64,
    /// Topology change notifications received.
    pub tcn_received: u64,
    /// RST BPDUs received; the classic protocol does not understand them.
    pub rst_received: u64,
    /// Configuration BPDUs sent.
    pub config_sent: u64,
    /// Topology change notifications sent.
    pub tcn_sent: u64,
    /// BPDUs that arrived while the port was disabled; counted nowhere else.
    pub discarded_disabled: u64,
    /// Configuration BPDUs that this very port had sent, or this bridge just before its identifier was
    /// changed; also counted as received.
    pub discarded_own: u64,
    /// How often the port began to forward.
    pub forward_transitions: u64,
    /// How often held information grew too old.
    pub message_age_expiries: u64,
    /// RST BPDUs sent.
    pub rst_sent: u64,
    /// MST BPDUs received.
    pub mst_received: u64,
    /// MST BPDUs sent.
    pub mst_sent: u64,
    /// BPDUs that BPDU filter threw away; counted nowhere else.
    pub discarded_filtered: u64,
    /// How often BPDU guard disabled the port.
    pub guard_trips: u64,
}

impl PortCounters {
    /// All BPDUs received while not disabled.
    #[must_use]
    pub const fn bpdus_received(&self) -> u64 {
        self.config_received + self.tcn_received + self.rst_received + self.mst_received
    }

    pub(crate) const fn count_received(&mut self, bpdu: &Bpdu) {
        match bpdu {
            Bpdu::Config(_) => self.config_received += 1,
            Bpdu::Tcn => self.tcn_received += 1,
            Bpdu::Rst(_) => self.rst_received += 1,
            Bpdu::Mst(_) => self.mst_received += 1,
        }
    }

    /// The sums.
    #[must_use]
    pub(crate) const fn plus(&self, other: &Self) -> Self {
        Self {
            config_received: self.config_received + other.config_received,
            tcn_received: self.tcn_received + other.tcn_received,
            rst_received: self.rst_received + other.rst_received,
            mst_received: self.mst_received + other.mst_received,
            config_sent: self.config_sent + other.config_sent,
            tcn_sent: self.tcn_sent + other.tcn_sent,
            rst_sent: self.rst_sent + other.rst_sent,
            mst_sent: self.mst_sent + other.mst_sent,
            discarded_disabled: self.discarded_disabled + other.discarded_disabled,
            discarded_own: self.discarded_own + other.discarded_own,
            discarded_filtered: self.discarded_filtered + other.discarded_filtered,
            forward_transitions: self.forward_transitions + other.forward_transitions,
            message_age_expiries: self.message_age_expiries + other.message_age_expiries,
            guard_trips: self.guard_trips + other.guard_trips,
        }
    }

    /// All BPDUs sent.
    #[must_use]
    pub const fn bpdus_sent(&self) -> u64 {
        self.config_sent + self.tcn_sent + self.rst_sent + self.mst_sent
    }
}
