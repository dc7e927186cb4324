//! What management sets. Every value is legal by its type; defaults and ranges stand at the types.

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
    /// The times this bridge announces when it is the root. Default 20 s, 2 s, 15 s.
    pub times: BridgeTimes,
}

impl BridgeConfig {
    /// The defaults, for the bridge of this address.
    #[must_use]
    pub fn new(address: MacAddr) -> Self {
        Self {
            address,
            priority: BridgePriority::default(),
            times: BridgeTimes::default(),
        }
    }

    /// The identifier these settings give the bridge.
    #[must_use]
    pub const fn id(&self) -> BridgeId {
        BridgeId::new(self.priority, self.address)
    }
}

/// A port's settings; all of them may change while it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct PortConfig {
    /// The port priority. Default 128.
    pub priority: PortPriority,
    /// The path cost. Default `None`: the cost that [`crate::Event::LinkUp`] brings, by the link's speed.
    pub path_cost: Option<PathCost>,
    /// Whether only end stations are expected here: the port forwards at once and its coming and going is no topology
    /// change, until a BPDU proves otherwise. Default false.
    pub edge: bool,
}
