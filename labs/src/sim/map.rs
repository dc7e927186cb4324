//! Who is called what, and what is plugged in where.

use std::collections::BTreeMap;

use pnet_base::MacAddr;
use stp::PortNumber;
use switchd::PortName;

use super::id::{NodeId, PortRef, WireId};

/// The names in a world and its wiring: what observers need to speak of ids.
#[derive(Clone, Debug, Default)]
pub struct Map {
    nodes: Vec<Entry>,
    by_name: BTreeMap<String, NodeId>,
    stations: BTreeMap<MacAddr, PortRef>,
    wires: Vec<Vec<PortRef>>,
}

#[derive(Clone, Debug)]
struct Entry {
    name: String,
    is_bridge: bool,
    /// Indexed by port number.
    ports: Vec<Option<Port>>,
}

#[derive(Clone, Copy, Debug)]
struct Port {
    name: PortName,
    wire: Option<(WireId, usize)>,
}

impl Map {
    pub(super) fn add_node(&mut self, name: &str, is_bridge: bool) -> NodeId {
        let id = NodeId(u32::try_from(self.nodes.len()).expect("memory ends before 2^32 nodes"));
        self.nodes.push(Entry {
            name: name.to_owned(),
            is_bridge,
            ports: Vec::new(),
        });
        self.by_name.insert(name.to_owned(), id);
        id
    }

    /// Names a port of an existing node.
    pub(super) fn add_port(&mut self, port: PortRef, name: PortName) {
        let ports = &mut self.nodes[port.node.index()].ports;
        let index = usize::from(port.port.get());
        if ports.len() <= index {
            ports.resize(index + 1, None);
        }
        ports[index] = Some(Port { name, wire: None });
    }

    pub(super) fn add_wire(&mut self, ends: &[PortRef]) -> WireId {
        let id = WireId(u32::try_from(self.wires.len()).expect("memory ends before 2^32 wires"));
        for (index, end) in ends.iter().enumerate() {
            if let Some(port) = self.port_mut(*end) {
                port.wire = Some((id, index));
            }
        }
        self.wires.push(ends.to_vec());
        id
    }

    /// Says at which port a station's address is.
    pub(super) fn place(&mut self, address: MacAddr, at: PortRef) {
        self.stations.insert(address, at);
    }

    fn port_entry(&self, port: PortRef) -> Option<&Port> {
        let node = self.nodes.get(port.node.index())?;
        node.ports.get(usize::from(port.port.get()))?.as_ref()
    }

    fn port_mut(&mut self, port: PortRef) -> Option<&mut Port> {
        let node = self.nodes.get_mut(port.node.index())?;
        node.ports.get_mut(usize::from(port.port.get()))?.as_mut()
    }

    /// Nodes, in the order they were added.
    pub fn nodes(&self) -> impl DoubleEndedIterator<Item = NodeId> + use<> {
        (0..u32::try_from(self.nodes.len()).unwrap_or(u32::MAX)).map(NodeId)
    }

    /// Wires, in the order they were connected.
    pub fn wires(&self) -> impl DoubleEndedIterator<Item = WireId> + use<> {
        (0..u32::try_from(self.wires.len()).unwrap_or(u32::MAX)).map(WireId)
    }

    /// Whether the node is a bridge; a station otherwise.
    #[must_use]
    pub fn is_bridge(&self, node: NodeId) -> bool {
        self.nodes
            .get(node.index())
            .is_some_and(|entry| entry.is_bridge)
    }

    /// The node called `name`. Cost: log(nodes).
    #[must_use]
    pub fn node(&self, name: &str) -> Option<NodeId> {
        self.by_name.get(name).copied()
    }

    /// The node's name; empty for a node of another world.
    #[must_use]
    pub fn name(&self, node: NodeId) -> &str {
        self.nodes
            .get(node.index())
            .map_or("", |entry| entry.name.as_str())
    }

    /// The ports of a node, in number order.
    pub fn ports(&self, node: NodeId) -> impl Iterator<Item = (PortRef, PortName)> {
        let ports = self
            .nodes
            .get(node.index())
            .map_or(&[][..], |entry| &entry.ports);
        (0..).zip(ports).filter_map(move |(number, port)| {
            Some((node.port(PortNumber::new(number)?), port.as_ref()?.name))
        })
    }

    /// The port of `node` called `name`. Cost: ports of the node.
    #[must_use]
    pub fn port(&self, node: NodeId, name: &str) -> Option<PortRef> {
        self.ports(node)
            .find(|(_, known)| known.as_str() == name)
            .map(|(port, _)| port)
    }

    /// The port's name.
    #[must_use]
    pub fn port_name(&self, port: PortRef) -> Option<PortName> {
        self.port_entry(port).map(|entry| entry.name)
    }

    /// Whether there is such a port.
    #[must_use]
    pub fn has_port(&self, port: PortRef) -> bool {
        self.port_entry(port).is_some()
    }

    /// `node:port` as lab files write it.
    #[must_use]
    pub fn label(&self, port: PortRef) -> String {
        match self.port_name(port) {
            Some(name) => format!("{}:{name}", self.name(port.node)),
            None => format!("{}:{}", self.name(port.node), port.port),
        }
    }

    /// The wire at a port, and which of its ends that is.
    #[must_use]
    pub fn wire_at(&self, port: PortRef) -> Option<(WireId, usize)> {
        self.port_entry(port)?.wire
    }

    /// The ports a wire was connected to.
    #[must_use]
    pub fn ends(&self, wire: WireId) -> &[PortRef] {
        self.wires.get(wire.index()).map_or(&[], Vec::as_slice)
    }

    /// The port at which the station of this address is.
    #[must_use]
    pub fn station(&self, address: MacAddr) -> Option<PortRef> {
        self.stations.get(&address).copied()
    }
}
