//! Counting what happens from an instant on.

use core::time::Duration;

use switchd::event::{Event, TopologyChangeStep};

use crate::sim::{Map, Notice, Observer, PortRef};

/// Where the octets of a BPDU are in its frame: after two addresses, a length and three octets of LLC …
const BPDU_AT: usize = 17;
/// … or eight, of LLC and SNAP, where it is one VLAN's.
const SHARED_BPDU_AT: usize = 22;

/// An observer that counts; [`Meter::begin`] makes it start again.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Meter {
    /// When a port last changed its role.
    pub(super) last_role: Option<Duration>,
    /// When a role, a state or a root last changed.
    pub(super) last_change: Option<Duration>,
    /// BPDUs that left a port.
    pub(super) bpdus: u64,
    /// Those of them up to the last change.
    pub(super) bpdus_at_change: u64,
    /// Topology changes that switches detected at their own ports.
    pub(super) detected: u64,
    /// CAM entries removed together, when a port went down or ceased to forward.
    pub(super) flushed: u64,
    /// CAM entries that grew too old.
    pub(super) aged: u64,
    /// CAM entries learned or moved.
    pub(super) learned: u64,
    /// The greatest message age anybody sent, in 1/256 s.
    pub(super) oldest: u16,
    /// Changes at this port do not count as changes of the tree: it is what makes them.
    pub(super) ignored: Option<PortRef>,
}

impl Meter {
    /// Counts from now on.
    pub(super) fn begin(&mut self) {
        *self = Self {
            ignored: self.ignored,
            ..Self::default()
        };
    }

    fn changed(&mut self, now: Duration) {
        self.last_change = Some(now);
        self.bpdus_at_change = self.bpdus;
    }

    fn is_ignored(&self, map: &Map, node: crate::sim::NodeId, name: &str) -> bool {
        self.ignored.is_some_and(|port| {
            port.node == node
                && map
                    .port_name(port)
                    .is_some_and(|known| known.as_str() == name)
        })
    }
}

impl Observer for Meter {
    fn notice(&mut self, now: Duration, map: &Map, notice: &Notice<'_>) {
        match notice {
            Notice::Transmitted {
                frame, flow: None, ..
            } => {
                self.bpdus += 1;
                if let Some(age) = message_age(frame) {
                    self.oldest = self.oldest.max(age);
                }
            }
            Notice::Bridge { node, event } => match event {
                Event::StpRole { port, .. } if !self.is_ignored(map, *node, port.as_str()) => {
                    self.last_role = Some(now);
                    self.changed(now);
                }
                Event::StpState { port, .. } if !self.is_ignored(map, *node, port.as_str()) => {
                    self.changed(now);
                }
                Event::StpRoot { .. } => self.changed(now),
                Event::TopologyChange { what, .. } => {
                    self.detected += u64::from(*what == TopologyChangeStep::Detected);
                }
                Event::CamFlush { count, .. } => self.flushed += *count as u64,
                Event::CamExpire { .. } => self.aged += 1,
                Event::CamLearn { .. } | Event::CamMove { .. } => self.learned += 1,
                Event::StpRole { .. }
                | Event::StpState { .. }
                | Event::CamEvict { .. }
                | Event::ShortAgeing { .. }
                | Event::StpInconsistent { .. }
                | Event::PortDisabled { .. }
                | Event::Storm { .. }
                | Event::Flapping { .. }
                | Event::Link { .. }
                | Event::PortAdded { .. }
                | Event::PortRemoved { .. } => {}
            },
            Notice::Transmitted { .. }
            | Notice::Arrived { .. }
            | Notice::Lost { .. }
            | Notice::Dropped { .. }
            | Notice::Operation(_)
            | Notice::Finding(_) => {}
        }
    }
}

/// The message age of an untagged BPDU in its frame, in 1/256 s; `None` for any other frame.
pub(super) fn message_age(frame: &[u8]) -> Option<u16> {
    let at = match frame.get(14..17)? {
        [0x42, 0x42, 3] => BPDU_AT,
        _snap => SHARED_BPDU_AT,
    };
    let bpdu = frame.get(at..)?;
    // Of versions 0, 2 and 3: configuration, rapid, multiple.
    let has_age = matches!(bpdu.get(..4)?, [0, 0, 0, 0] | [0, 0, 2 | 3, 2]);
    let age = bpdu.get(27..29)?;
    has_age.then(|| u16::from_be_bytes([age[0], age[1]]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_age_is_where_the_codec_puts_it() {
        let bpdu = stp::Bpdu::Config(stp::ConfigBpdu {
            message_age: stp::BpduTime::from_units(0x1234),
            ..config()
        });
        let frame = stp::llc::frame(pnet_base::MacAddr::new(2, 0, 0, 0, 0, 1), &bpdu);
        assert_eq!(message_age(&frame), Some(0x1234));
        let notification = stp::llc::frame(pnet_base::MacAddr::zero(), &stp::Bpdu::Tcn);
        assert_eq!(message_age(&notification), None);
        assert_eq!(message_age(&[]), None);
    }

    fn config() -> stp::ConfigBpdu {
        let address = pnet_base::MacAddr::new(2, 0, 0, 0, 0, 1);
        let bridge = stp::BridgeId::new(stp::BridgePriority::MIN, address);
        let seconds = |units: u16| stp::BpduTime::from_units(256 * units);
        stp::ConfigBpdu {
            root: bridge,
            root_path_cost: 0,
            bridge,
            port: stp::PortId::new(stp::PortPriority::MIN, stp::PortNumber::MIN),
            message_age: seconds(0),
            max_age: seconds(20),
            hello_time: seconds(2),
            forward_delay: seconds(15),
            topology_change_acknowledgment: false,
            topology_change: false,
        }
    }
}
