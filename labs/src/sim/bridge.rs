//! What a bridge is made with, and the bridge in the world.

use cam::{AgeingTime, Capacity, MacTableConfig};
use pnet_base::MacAddr;
use stp::{
    BridgeConfig, BridgePriority, BridgeTimes, PathCost, PortNumber, PortPriority,
    TransmitHoldCount,
};
use switchd::{Instances, PortName, PortSettings, Switch, SwitchConfig, TreeProtocol};

use super::id::NodeId;

/// Entries a bridge's CAM holds unless it is told otherwise. Ten thousand bridges then stay under a gigabyte.
pub const CAM_CAPACITY: u16 = 1024;

/// What a bridge is made with; everything is optional but the name.
///
/// ```
/// use labs::sim::BridgeSpec;
/// use stp::BridgePriority;
///
/// let core = BridgeSpec::new("core1").priority(BridgePriority::MIN);
/// ```
#[derive(Clone, Debug)]
pub struct BridgeSpec {
    pub(super) name: String,
    pub(super) address: Option<MacAddr>,
    pub(super) priority: BridgePriority,
    pub(super) times: BridgeTimes,
    transmit_hold_count: TransmitHoldCount,
    pub(super) protocol: TreeProtocol,
    pub(super) epochs: bool,
    pub(super) instances: Instances,
    pub(super) cam: MacTableConfig,
}

impl BridgeSpec {
    /// A bridge with the protocol's defaults. Its address follows from the order of adding: who came earlier has the
    /// lower one and wins the election.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            address: None,
            priority: BridgePriority::default(),
            times: BridgeTimes::default(),
            transmit_hold_count: TransmitHoldCount::default(),
            protocol: TreeProtocol::Stp,
            epochs: false,
            instances: Instances::default(),
            cam: MacTableConfig {
                capacity: Capacity::new(usize::from(CAM_CAPACITY)).unwrap_or_default(),
                ..MacTableConfig::default()
            },
        }
    }

    /// With this address.
    #[must_use]
    pub fn address(mut self, address: MacAddr) -> Self {
        self.address = Some(address);
        self
    }

    /// With this priority.
    #[must_use]
    pub fn priority(mut self, priority: BridgePriority) -> Self {
        self.priority = priority;
        self
    }

    /// With these timers.
    #[must_use]
    pub fn times(mut self, times: BridgeTimes) -> Self {
        self.times = times;
        self
    }

    /// With ports that send so many BPDUs in a second at most; the classic protocol has a hold time instead.
    #[must_use]
    pub fn transmit_hold_count(mut self, count: TransmitHoldCount) -> Self {
        self.transmit_hold_count = count;
        self
    }

    /// With the classic spanning tree, as it is unless told otherwise, or without any.
    #[must_use]
    pub fn spanning_tree(self, on: bool) -> Self {
        self.protocol(match on {
            true => TreeProtocol::Stp,
            false => TreeProtocol::Off,
        })
    }

    /// With this spanning tree protocol.
    #[must_use]
    pub fn protocol(mut self, protocol: TreeProtocol) -> Self {
        self.protocol = protocol;
        self
    }

    /// With epochs, against counting to infinity, or without.
    #[must_use]
    pub fn epochs(mut self, epochs: bool) -> Self {
        self.epochs = epochs;
        self
    }

    /// With this region, and these priorities of single trees.
    #[must_use]
    pub fn instances(mut self, instances: Instances) -> Self {
        self.instances = instances;
        self
    }

    /// With this ageing time.
    #[must_use]
    pub fn ageing(mut self, ageing: AgeingTime) -> Self {
        self.cam.ageing = ageing;
        self
    }

    /// With a CAM of this size.
    #[must_use]
    pub fn cam_capacity(mut self, capacity: Capacity) -> Self {
        self.cam.capacity = capacity;
        self
    }

    pub(super) fn config(&self, address: MacAddr) -> SwitchConfig {
        SwitchConfig {
            bridge: BridgeConfig {
                priority: self.priority,
                times: self.times,
                transmit_hold_count: self.transmit_hold_count,
                epochs: self.epochs,
                ..BridgeConfig::new(self.address.unwrap_or(address))
            },
            protocol: self.protocol,
            instances: self.instances.clone(),
            cam: self.cam,
        }
    }
}

/// What a port is made with; the default is a port of VLAN 1 with everything left to the protocol.
#[derive(Clone, Debug, Default)]
pub struct PortSpec {
    pub(super) name: Option<PortName>,
    pub(super) address: Option<MacAddr>,
    pub(super) stp: stp::PortConfig,
    pub(super) mode: switchd::vlan::PortMode,
    pub(super) disabled: bool,
}

impl PortSpec {
    /// With this name instead of `p` and its number.
    #[must_use]
    pub fn name(mut self, name: PortName) -> Self {
        self.name = Some(name);
        self
    }

    /// With this address, the source of its BPDUs.
    #[must_use]
    pub fn address(mut self, address: MacAddr) -> Self {
        self.address = Some(address);
        self
    }

    /// With this path cost instead of the wire's.
    #[must_use]
    pub fn cost(mut self, cost: PathCost) -> Self {
        self.stp.path_cost = Some(cost);
        self
    }

    /// With this port priority.
    #[must_use]
    pub fn priority(mut self, priority: PortPriority) -> Self {
        self.stp.priority = priority;
        self
    }

    /// As an edge port.
    #[must_use]
    pub fn edge(mut self, edge: bool) -> Self {
        self.stp.admin_edge = edge;
        self
    }

    /// With these spanning tree settings, guards among them. Cost, priority and edge are theirs, too.
    #[must_use]
    pub fn stp(mut self, stp: stp::PortConfig) -> Self {
        self.stp = stp;
        self
    }

    /// With this VLAN mode.
    #[must_use]
    pub fn mode(mut self, mode: switchd::vlan::PortMode) -> Self {
        self.mode = mode;
        self
    }

    /// Administratively down.
    #[must_use]
    pub fn disabled(mut self) -> Self {
        self.disabled = true;
        self
    }

    pub(super) fn settings(&self, port: PortNumber, address: MacAddr) -> PortSettings {
        let name = self.name.unwrap_or_else(|| default_name(port));
        PortSettings {
            mode: self.mode.clone(),
            enabled: !self.disabled,
            stp: self.stp,
            ..PortSettings::new(name, address)
        }
    }
}

/// `p` and the number.
pub(super) fn default_name(port: PortNumber) -> PortName {
    format!("p{port}")
        .parse()
        .expect("a letter and four digits are a port name")
}

/// Addresses of bridges: 02-, the node's number, zeros. Locally administered.
pub(super) fn bridge_address(node: NodeId) -> MacAddr {
    numbered(0x02, node, 0)
}

/// Addresses of a bridge's ports: as the bridge's, with the port's number.
pub(super) fn port_address(node: NodeId, port: PortNumber) -> MacAddr {
    numbered(0x02, node, port.get())
}

/// Addresses of stations: 0a-, the node's number, the port's.
pub(super) fn station_address(node: NodeId, port: PortNumber) -> MacAddr {
    numbered(0x0a, node, port.get())
}

fn numbered(first: u8, node: NodeId, port: u16) -> MacAddr {
    let [_, a, b, c] = node.0.to_be_bytes();
    let [d, e] = port.to_be_bytes();
    MacAddr::new(first, a, b, c, d, e)
}

/// A bridge in the world: running, or what is needed to switch it on.
#[derive(Clone, Debug)]
pub(super) struct BridgeNode {
    /// `None` while it is off.
    pub(super) switch: Option<Switch>,
    pub(super) config: SwitchConfig,
    /// In number order.
    pub(super) ports: Vec<(PortNumber, PortSettings)>,
}

impl BridgeNode {
    /// Takes the switch away; keeps its settings as they are now.
    pub(super) fn switch_off(&mut self) {
        let Some(switch) = self.switch.take() else {
            return;
        };
        self.config.bridge = *switch.bridge_config();
        self.config.protocol = switch.protocol();
        self.config.instances = switch.instances().clone();
        self.config.cam.ageing = switch.cam().ageing();
        self.ports = switch
            .ports()
            .map(|(number, port)| (number, port.settings().clone()))
            .collect();
    }
}
