//! What management sets. Every value is legal by its type; defaults and ranges stand at the types.

use core::fmt;
use core::time::Duration;

use pnet_base::MacAddr;

use crate::cost::PathCost;
use crate::id::{BridgeId, BridgePriority, PortPriority};
use crate::times::BridgeTimes;

/// A bridge's settings; all of them may change while it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BridgeConfig {
    /// The bridge address, unique in the network: the last word in every election.
    pub address: MacAddr,
    /// The bridge priority: the first word. Default 32768.
    pub priority: BridgePriority,
    /// The system identifier extension (802.1D-2004 9.2.5): 0, or the VLAN of a bridge that keeps that VLAN's tree. The
    /// low twelve bits count. Default 0.
    pub extension: u16,
    /// The times this bridge announces when it is the root. Default 20 s, 2 s, 15 s.
    pub times: BridgeTimes,
    /// The protocol it speaks. Default [`Protocol::Stp`].
    pub protocol: Protocol,
    /// How many BPDUs a port sends in a second at most. Default 6. The classic protocol sends one in its hold time.
    pub transmit_hold_count: TransmitHoldCount,
    /// How many bridges deep a region may be ([`Protocol::Mstp`]). Default 20.
    pub max_hops: MaxHops,
    /// After what time a port that BPDU guard has disabled is tried again. Default `None`: when management says so.
    pub guard_recovery: Option<Duration>,
    /// Epochs in every tree, against counting to infinity (of the rapid protocols; no part of the standard, harmless to
    /// bridges without). Default false.
    pub epochs: bool,
}

impl BridgeConfig {
    /// The defaults, for the bridge of this address.
    #[must_use]
    pub fn new(address: MacAddr) -> Self {
        Self {
            address,
            priority: BridgePriority::default(),
            extension: 0,
            times: BridgeTimes::default(),
            protocol: Protocol::default(),
            transmit_hold_count: TransmitHoldCount::default(),
            max_hops: MaxHops::default(),
            guard_recovery: None,
            epochs: false,
        }
    }

    /// The identifier these settings give the bridge.
    #[must_use]
    pub const fn id(&self) -> BridgeId {
        BridgeId::new(self.priority, self.address).with_extension(self.extension)
    }
}

/// Which protocol a bridge speaks. Changed on a live bridge, every port begins again, discarding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Protocol {
    /// Classic spanning tree, IEEE 802.1D-1998 clause 8.
    #[default]
    Stp,
    /// Rapid spanning tree, IEEE 802.1D-2004 clause 17.
    Rstp,
    /// Multiple spanning trees, IEEE 802.1Q clause 13.
    Mstp,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Stp => "stp",
            Self::Rstp => "rstp",
            Self::Mstp => "mstp",
        })
    }
}

/// Transmit Hold Count (802.1D-2004 17.13.12): 1..=10 BPDUs, default 6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransmitHoldCount(u8);

impl TransmitHoldCount {
    /// `count` within 1..=10 (802.1D-2004 Table 17-1); `None` otherwise.
    #[must_use]
    pub const fn new(count: u8) -> Option<Self> {
        match count {
            1..=10 => Some(Self(count)),
            0 | 11..=u8::MAX => None,
        }
    }

    /// The count, 1..=10.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }
}

impl Default for TransmitHoldCount {
    /// 6.
    fn default() -> Self {
        Self(6)
    }
}

/// Max Hops (802.1Q 13.26): 6..=40 bridges, default 20.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MaxHops(u8);

impl MaxHops {
    /// `hops` within 6..=40; `None` otherwise.
    #[must_use]
    pub const fn new(hops: u8) -> Option<Self> {
        match hops {
            6..=40 => Some(Self(hops)),
            0..=5 | 41..=u8::MAX => None,
        }
    }

    /// The number, 6..=40.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }
}

impl Default for MaxHops {
    /// 20.
    fn default() -> Self {
        Self(20)
    }
}

/// Whether a link has two ends only (adminPointToPointMAC, 802.1D-2004 6.4.3). Only over such a link do rapid bridges
/// agree to forward at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum PointToPoint {
    /// As [`crate::Event::LinkUp`] says.
    #[default]
    Auto,
    /// It has, whatever the link says.
    On,
    /// It has more.
    Off,
}

/// A port's settings; all of them may change while it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortConfig {
    /// The port priority. Default 128.
    pub priority: PortPriority,
    /// The path cost. Default `None`: the cost that [`crate::Event::LinkUp`] brings, by the link's speed. In a region
    /// also the internal one.
    pub path_cost: Option<PathCost>,
    /// Whether only end stations are expected here: the port forwards at once and its coming and going is no topology
    /// change, until a BPDU proves otherwise. Default false.
    pub admin_edge: bool,
    /// Whether a port that hears no BPDU for the migrate time, 3 s, is taken for an edge (802.1D-2004 17.13.3). Default
    /// true. The classic protocol has no such rule.
    pub auto_edge: bool,
    /// Whether the link has two ends. Default by the link.
    pub point_to_point: PointToPoint,
    /// Root guard (restrictedRole, 802.1Q 13.25): the port is never the way to the root. One that hears of a better
    /// root blocks, [`Inconsistency::Root`], until that information has grown too old. Default false.
    pub restricted_role: bool,
    /// Topology change guard (restrictedTcn, 802.1Q 13.25): changes told of here go no further. Default false.
    pub restricted_tcn: bool,
    /// BPDU guard: a BPDU disables the port, [`Inconsistency::BpduGuard`]. Default false.
    pub bpdu_guard: bool,
    /// BPDU filter: no BPDU is sent or taken. Default false.
    pub bpdu_filter: bool,
    /// Loop guard: a port that took information from another bridge, and hears it no longer, blocks,
    /// [`Inconsistency::Loop`], until a BPDU comes. Default false.
    pub loop_guard: bool,
    /// Bridge assurance: on a link of two ends that is no edge, BPDUs are sent whatever the port's role, and a port that
    /// hears none for three hello times blocks, [`Inconsistency::BridgeAssurance`]. Default false. Not in the
    /// classic protocol, where only one end of a link may speak.
    pub bridge_assurance: bool,
}

impl Default for PortConfig {
    fn default() -> Self {
        Self {
            priority: PortPriority::default(),
            path_cost: None,
            admin_edge: false,
            auto_edge: true,
            point_to_point: PointToPoint::Auto,
            restricted_role: false,
            restricted_tcn: false,
            bpdu_guard: false,
            bpdu_filter: false,
            loop_guard: false,
            bridge_assurance: false,
        }
    }
}

/// Why a port is kept from forwarding although the tree would let it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Inconsistency {
    /// Root guard: somebody behind the port claims to be a better root.
    Root,
    /// Loop guard: the bridge behind the port has fallen silent.
    Loop,
    /// Bridge assurance: no BPDU comes from the far end.
    BridgeAssurance,
    /// BPDU guard: a BPDU came where none may come; the port is disabled.
    BpduGuard,
    /// The far end takes the link for another VLAN than this end does.
    Pvid,
    /// The far end takes the link for a trunk; here it is in one VLAN.
    Type,
}

impl fmt::Display for Inconsistency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Root => "root-inconsistent",
            Self::Loop => "loop-inconsistent",
            Self::BridgeAssurance => "bridge-assurance-inconsistent",
            Self::BpduGuard => "bpdu-guard",
            Self::Pvid => "pvid-inconsistent",
            Self::Type => "type-inconsistent",
        })
    }
}

/// A bridge's settings in one tree of several (802.1Q 13.25: for an MSTI).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct TreeConfig {
    /// The bridge priority in this tree. Default 32768.
    pub priority: BridgePriority,
}

/// A port's settings in one tree of several.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct TreePortConfig {
    /// The port priority in this tree. Default 128.
    pub priority: PortPriority,
    /// The internal path cost in this tree. Default `None`: as the link's speed has it.
    pub path_cost: Option<PathCost>,
}
