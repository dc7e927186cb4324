//! What happened in a switch, as a plain value: the event stream's vocabulary.

use std::time::Duration;

use etherparse::VlanId;
use pnet_base::MacAddr;
use serde::{Deserialize, Serialize};

use crate::forward::Flood;
use crate::frame::Cause;
use crate::port_name::PortName;
use crate::protect::DisableReason;

/// One thing that happened. Its JSON is an object whose `kind` is the variant in kebab case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Event {
    /// A CAM entry appeared.
    CamLearn {
        /// Its VLAN.
        #[serde(with = "as_vlan")]
        vlan: VlanId,
        /// Its address.
        #[serde(with = "as_text")]
        mac: MacAddr,
        /// Where it points.
        port: PortName,
        /// The kind of frame that did it.
        cause: Cause,
    },
    /// A CAM entry now points to another port: the address moved.
    CamMove {
        /// Its VLAN.
        #[serde(with = "as_vlan")]
        vlan: VlanId,
        /// Its address.
        #[serde(with = "as_text")]
        mac: MacAddr,
        /// Where it pointed.
        from: PortName,
        /// Where it points.
        to: PortName,
        /// The kind of frame that did it.
        cause: Cause,
    },
    /// A CAM entry reached its age.
    CamExpire {
        /// Its VLAN.
        #[serde(with = "as_vlan")]
        vlan: VlanId,
        /// Its address.
        #[serde(with = "as_text")]
        mac: MacAddr,
        /// Where it pointed.
        port: PortName,
    },
    /// A CAM entry made room for another in a full table.
    CamEvict {
        /// Its VLAN.
        #[serde(with = "as_vlan")]
        vlan: VlanId,
        /// Its address.
        #[serde(with = "as_text")]
        mac: MacAddr,
        /// Where it pointed.
        port: PortName,
    },
    /// Dynamic CAM entries were removed together.
    CamFlush {
        /// Only of this port.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        port: Option<PortName>,
        /// Only of this VLAN.
        #[serde(
            default,
            skip_serializing_if = "Option::is_none",
            with = "as_vlan_option"
        )]
        vlan: Option<VlanId>,
        /// How many.
        count: usize,
        /// Why.
        reason: FlushReason,
    },
    /// A port's role on a tree changed.
    StpRole {
        /// The tree.
        tree: u16,
        /// The port.
        port: PortName,
        /// Its role before.
        #[serde(with = "as_role")]
        from: stp::PortRole,
        /// Its role now.
        #[serde(with = "as_role")]
        to: stp::PortRole,
    },
    /// A port's state on a tree changed.
    StpState {
        /// The tree.
        tree: u16,
        /// The port.
        port: PortName,
        /// Its state before.
        #[serde(with = "as_state")]
        from: stp::PortState,
        /// Its state now.
        #[serde(with = "as_state")]
        to: stp::PortState,
    },
    /// The bridge takes another root, or reaches it another way.
    StpRoot {
        /// The tree.
        tree: u16,
        /// The root's priority, system identifier extension included.
        root_priority: u16,
        /// The root's address.
        #[serde(with = "as_text")]
        root_address: MacAddr,
        /// Root path cost; 0 when this bridge is the root.
        path_cost: u32,
        /// Root port; none when this bridge is the root.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        port: Option<PortName>,
    },
    /// A step of topology change handling.
    TopologyChange {
        /// The tree.
        tree: u16,
        /// The port concerned, if it was one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        port: Option<PortName>,
        /// What happened.
        what: TopologyChangeStep,
    },
    /// Dynamic entries age by the forward delay while a topology change is active (802.1D-1998 8.3.5).
    ShortAgeing {
        /// The tree.
        tree: u16,
        /// Begins or ends.
        active: bool,
    },
    /// A guard or a disagreement keeps a port from forwarding, or does so no longer.
    StpInconsistent {
        /// The tree; 0 if it is true of all.
        tree: u16,
        /// The port.
        port: PortName,
        /// What keeps it; none: nothing does any more.
        #[serde(
            default,
            skip_serializing_if = "Option::is_none",
            with = "as_inconsistency"
        )]
        inconsistent: Option<stp::Inconsistency>,
    },
    /// A port was disabled for cause by storm control or loop detection, or is tried again.
    PortDisabled {
        /// The port.
        port: PortName,
        /// Why.
        reason: DisableReason,
        /// Disabled, or tried again.
        active: bool,
    },
    /// More flooded frames than its limit come in by a port, or no longer.
    Storm {
        /// The port.
        port: PortName,
        /// Of which kind.
        what: Flood,
        /// Begins or ends.
        active: bool,
    },
    /// An address moves to and fro between two ports, as in a loop. Told once a second.
    Flapping {
        /// Its VLAN.
        #[serde(with = "as_vlan")]
        vlan: VlanId,
        /// Its address.
        #[serde(with = "as_text")]
        mac: MacAddr,
        /// The port it left last.
        from: PortName,
        /// The port it came to.
        to: PortName,
    },
    /// A port's carrier came or went.
    Link {
        /// The port.
        port: PortName,
        /// Present.
        up: bool,
    },
    /// A port was added.
    PortAdded {
        /// The port.
        port: PortName,
    },
    /// A port was removed.
    PortRemoved {
        /// The port.
        port: PortName,
    },
}

/// Why entries were flushed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FlushReason {
    /// Somebody asked.
    Management,
    /// The port lost its carrier or was disabled.
    LinkDown,
    /// The port no longer forwards.
    NotForwarding,
    /// The port's VLANs changed.
    VlanChanged,
    /// The port was removed.
    PortRemoved,
    /// Spanning tree asked for it.
    TopologyChange,
}

/// Steps of topology change handling (802.1D-1998 8.3.5, 8.6.14).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TopologyChangeStep {
    /// This bridge saw a port begin or cease to forward.
    Detected,
    /// A Topology Change Notification arrived from below.
    Notified,
    /// The designated bridge acknowledged our notification.
    Acknowledged,
    /// The flag in configuration messages is on.
    Active,
    /// The flag is off again.
    Ended,
}

/// An event with its place in the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// Gapless, from 0.
    pub seq: u64,
    /// When: monotonic time, comparable between the switches of one machine or one simulation.
    pub time: Duration,
    /// What.
    pub event: Event,
}

/// The JSON form of a [`Record`]: sequence number and nanoseconds beside the event's own fields.
#[derive(Serialize, Deserialize)]
struct RecordJson {
    seq: u64,
    time_ns: u64,
    #[serde(flatten)]
    event: Event,
}

impl Serialize for Record {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        RecordJson {
            seq: self.seq,
            time_ns: u64::try_from(self.time.as_nanos()).unwrap_or(u64::MAX),
            event: self.event,
        }
        .serialize(to)
    }
}

impl<'de> Deserialize<'de> for Record {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let json = RecordJson::deserialize(from)?;
        Ok(Self {
            seq: json.seq,
            time: Duration::from_nanos(json.time_ns),
            event: json.event,
        })
    }
}

/// Values that print and parse as text.
mod as_text {
    use std::fmt::Display;
    use std::str::FromStr;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<T: Display, S: Serializer>(
        value: &T,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.collect_str(value)
    }

    pub(super) fn deserialize<'de, T, D>(from: D) -> Result<T, D::Error>
    where
        T: FromStr<Err: Display>,
        D: Deserializer<'de>,
    {
        String::deserialize(from)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// A VLAN as a number.
mod as_vlan {
    use etherparse::VlanId;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(vlan: &VlanId, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u16(vlan.value())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<VlanId, D::Error> {
        VlanId::try_new(u16::deserialize(from)?).map_err(serde::de::Error::custom)
    }
}

/// A VLAN as a number, or nothing.
mod as_vlan_option {
    use etherparse::VlanId;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(
        vlan: &Option<VlanId>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        vlan.map(VlanId::value).serialize(to)
    }

    pub(super) fn deserialize<'de, D>(from: D) -> Result<Option<VlanId>, D::Error>
    where
        D: Deserializer<'de>,
    {
        Option::<u16>::deserialize(from)?
            .map(|vlan| VlanId::try_new(vlan).map_err(serde::de::Error::custom))
            .transpose()
    }
}

/// A port role by its name in the standard.
mod as_role {
    use serde::{Deserialize, Deserializer, Serializer};
    use stp::PortRole;

    pub(super) fn serialize<S: Serializer>(role: &PortRole, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(role)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<PortRole, D::Error> {
        let name = String::deserialize(from)?;
        [
            PortRole::Disabled,
            PortRole::Root,
            PortRole::Designated,
            PortRole::Alternate,
            PortRole::Backup,
            PortRole::Master,
        ]
        .into_iter()
        .find(|role| role.to_string() == name)
        .ok_or_else(|| serde::de::Error::custom(format!("'{name}' is no port role")))
    }
}

/// A port state by its name in the standard.
mod as_state {
    use serde::{Deserialize, Deserializer, Serializer};
    use stp::PortState;

    pub(super) fn serialize<S: Serializer>(state: &PortState, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(state)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<PortState, D::Error> {
        let name = String::deserialize(from)?;
        [
            PortState::Disabled,
            PortState::Blocking,
            PortState::Listening,
            PortState::Learning,
            PortState::Forwarding,
        ]
        .into_iter()
        .find(|state| state.to_string() == name)
        .ok_or_else(|| serde::de::Error::custom(format!("'{name}' is no port state")))
    }
}

/// What keeps a port, by its word; or nothing.
mod as_inconsistency {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use stp::Inconsistency;

    pub(super) fn serialize<S: Serializer>(
        value: &Option<Inconsistency>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        value.map(|value| value.to_string()).serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Inconsistency>, D::Error> {
        let Some(name) = Option::<String>::deserialize(from)? else {
            return Ok(None);
        };
        let known = [
            Inconsistency::Root,
            Inconsistency::Loop,
            Inconsistency::BridgeAssurance,
            Inconsistency::BpduGuard,
            Inconsistency::Pvid,
            Inconsistency::Type,
        ];
        let found = known.into_iter().find(|known| known.to_string() == name);
        let unknown = || serde::de::Error::custom(format!("'{name}' is no inconsistency"));
        found.map(Some).ok_or_else(unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_move_reads_as_documented() {
        let record = Record {
            seq: 12,
            time: Duration::from_nanos(123_456_789),
            event: Event::CamMove {
                vlan: VlanId::try_new(10).unwrap(),
                mac: "52:54:00:00:00:05".parse().unwrap(),
                from: "p1".parse().unwrap(),
                to: "p2".parse().unwrap(),
                cause: Cause::Rarp,
            },
        };
        let json = serde_json::to_string(&record).unwrap();
        assert_eq!(
            json,
            r#"{"seq":12,"time_ns":123456789,"kind":"cam-move","vlan":10,"mac":"52:54:00:00:00:05","from":"p1","to":"p2","cause":"rarp"}"#
        );
        assert_eq!(serde_json::from_str::<Record>(&json).unwrap(), record);
    }

    #[test]
    fn optional_fields_are_left_out() {
        let event = Event::CamFlush {
            port: None,
            vlan: None,
            count: 3,
            reason: FlushReason::Management,
        };
        let json = serde_json::to_string(&event).unwrap();
        assert_eq!(
            json,
            r#"{"kind":"cam-flush","count":3,"reason":"management"}"#
        );
        assert_eq!(serde_json::from_str::<Event>(&json).unwrap(), event);
    }
}
