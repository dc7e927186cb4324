//! When things last changed: what convergence is measured by.

use core::time::Duration;
use std::collections::BTreeMap;

use stp::PortState;
use switchd::event::Event;

use super::id::{NodeId, PortRef};
use super::map::Map;

/// How often the tree changed, and when last. A change is a port's new role or state, or a bridge's new root, cost or
/// root port.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    last: Option<Duration>,
    count: u64,
    nodes: BTreeMap<NodeId, Duration>,
    ports: BTreeMap<PortRef, Duration>,
    /// The wiring or a forwarding port changed since the cycle check last looked.
    pub(super) topology: bool,
    /// Topology changes that bridges detected.
    detected: u64,
    /// CAM entries flushed.
    flushed: u64,
    /// CAM entries learned or moved.
    learned: u64,
}

impl Changes {
    pub(super) fn note(&mut self, now: Duration, node: NodeId, map: &Map, event: &Event) {
        let port = match event {
            Event::StpRole { port, .. } => Some(*port),
            Event::StpState { port, to, .. } => {
                self.topology |= *to == PortState::Forwarding;
                Some(*port)
            }
            Event::StpRoot { .. } => None,
            Event::TopologyChange { what, .. } => {
                self.detected += u64::from(*what == switchd::event::TopologyChangeStep::Detected);
                return;
            }
            Event::CamFlush { count, .. } => {
                self.flushed += *count as u64;
                return;
            }
            Event::CamLearn { .. } | Event::CamMove { .. } => {
                self.learned += 1;
                return;
            }
            Event::CamExpire { .. }
            | Event::CamEvict { .. }
            | Event::ShortAgeing { .. }
            | Event::StpInconsistent { .. }
            | Event::PortDisabled { .. }
            | Event::Storm { .. }
            | Event::Flapping { .. }
            | Event::Link { .. }
            | Event::PortAdded { .. }
            | Event::PortRemoved { .. } => return,
        };
        self.last = Some(now);
        self.count += 1;
        self.nodes.insert(node, now);
        if let Some(port) = port.and_then(|port| map.port(node, port.as_str())) {
            self.ports.insert(port, now);
        }
    }

    /// When anything last changed.
    #[must_use]
    pub fn last(&self) -> Option<Duration> {
        self.last
    }

    /// How many changes there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// When anything of this bridge last changed.
    #[must_use]
    pub fn of_node(&self, node: NodeId) -> Option<Duration> {
        self.nodes.get(&node).copied()
    }

    /// When role or state of this port last changed.
    #[must_use]
    pub fn of_port(&self, port: PortRef) -> Option<Duration> {
        self.ports.get(&port).copied()
    }

    /// How many topology changes bridges detected.
    #[must_use]
    pub fn topology_changes(&self) -> u64 {
        self.detected
    }

    /// How many CAM entries were flushed.
    #[must_use]
    pub fn flushed(&self) -> u64 {
        self.flushed
    }

    /// How many CAM entries were learned or moved.
    #[must_use]
    pub fn learned(&self) -> u64 {
        self.learned
    }
}
