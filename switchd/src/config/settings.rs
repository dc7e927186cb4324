//! Settings in which every key may be left out: what a file, a flag or a live `set` says of a port or the tree.

use pnet_base::MacAddr;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::VlanNumber;
use super::error::{KeyError, did_you_mean};
use super::rate::{self, BurstLimit, RateLimit};
use crate::protect::{LoopDetection, StormAction};
use crate::vlan::AcceptableFrames;
use crate::vlan_set::VlanSet;

/// What a port is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PortKind {
    /// A tap device the switch creates and removes.
    Tap,
    /// An AF_PACKET socket on an interface that exists already.
    Packet,
    /// A unix stream socket, each frame behind its length.
    Stream,
    /// A unix datagram socket, a datagram a frame.
    Dgram,
    /// A UDP socket, a datagram a frame.
    Udp,
    /// A tap or socket that somebody else has opened.
    Fd,
}

/// How frames are moved.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Io {
    /// By rings shared with the kernel, as far as it has them: io_uring, and a receive ring at packet ports.
    #[default]
    Uring,
    /// Without: read and write at taps, `recvmmsg` and `sendmmsg` at packet ports.
    Plain,
}

/// A path cost as written: `auto` (from the speed of the link) or a number, range not checked yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cost {
    /// From the speed of the link.
    Auto,
    /// This number.
    Fixed(u32),
}

impl Serialize for Cost {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Auto => serializer.serialize_str("auto"),
            Self::Fixed(cost) => serializer.serialize_u32(*cost),
        }
    }
}

impl<'de> Deserialize<'de> for Cost {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(deserializer)?;
        let number = value.as_u64().map(u32::try_from);
        match (value.as_str(), number) {
            (Some("auto"), _) => Ok(Self::Auto),
            (_, Some(Ok(cost))) => Ok(Self::Fixed(cost)),
            _ => Err(D::Error::custom(format!(
                "cost: {value} is not {COST_RANGE}"
            ))),
        }
    }
}

/// What is said of one port. Keys left out keep their value on a live port, take the default on a new one.
///
/// The keys of a `[[port]]` table, the options of a `PORT` flag and the fields of `set-port` and `add-port`
/// are these fields by these names (with `-` for `_`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct PortSettings {
    /// Number, 1..=1023; the lowest free one if left out. Fixed once the port exists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number: Option<u32>,
    /// Address of the port, source of its BPDUs. Fixed once the port exists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mac: Option<MacAddr>,
    /// Mode access, in this VLAN.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access: Option<VlanNumber>,
    /// Mode trunk, allowing these VLANs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trunk: Option<VlanSet>,
    /// Trunk: the VLAN of untagged frames (default 1).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub native: Option<VlanNumber>,
    /// Trunk: send the native VLAN tagged too (default no).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub native_tagged: Option<bool>,
    /// Mode hybrid: `pvid`, `tagged` and `untagged` say the rest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hybrid: Option<bool>,
    /// Hybrid: the VLAN of untagged frames (default 1).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pvid: Option<VlanNumber>,
    /// Hybrid: the VLANs sent with their tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tagged: Option<VlanSet>,
    /// Hybrid: the VLANs sent without a tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub untagged: Option<VlanSet>,
    /// Mode dot1q-tunnel: every frame, tagged or not, rides in this VLAN.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dot1q_tunnel: Option<VlanNumber>,
    /// Which frames the port takes in (default all the mode allows).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frames: Option<AcceptableFrames>,
    /// Spanning-tree path cost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost: Option<Cost>,
    /// Spanning-tree port priority, 0..=240 in steps of 16.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<u32>,
    /// A port to a host: forwards at once, starts no topology change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub edge: Option<bool>,
    /// Rapid protocols: whether a port that hears no BPDU for 3 s is taken for an edge (default yes).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auto_edge: Option<bool>,
    /// Whether the link has two ends only (default as the link says).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub point_to_point: Option<PointToPoint>,
    /// Never the way to the root: restricted role.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root_guard: Option<bool>,
    /// Topology changes told of here go no further: restricted TCN.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tcn_guard: Option<bool>,
    /// A BPDU disables the port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bpdu_guard: Option<bool>,
    /// No BPDU is sent or taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bpdu_filter: Option<bool>,
    /// A port whose bridge falls silent blocks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loop_guard: Option<bool>,
    /// BPDUs are due from both ends of the link.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bridge_assurance: Option<bool>,
    /// Broadcasts a second that the port takes at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storm_broadcast: Option<StormLimit>,
    /// Multicasts a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storm_multicast: Option<StormLimit>,
    /// Frames to unknown addresses a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storm_unknown_unicast: Option<StormLimit>,
    /// What becomes of frames above a limit (default drop).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storm_action: Option<StormAction>,
    /// What to do about a loop that flapping addresses give away (default log).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loop_detection: Option<LoopDetection>,
    /// How much the port takes in, and how much it sends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<RateLimit>,
    /// How much it takes in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate_in: Option<RateLimit>,
    /// How much it sends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate_out: Option<RateLimit>,
    /// How much may pass at once (default 20 ms of the rate).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub burst: Option<BurstLimit>,
    /// Administratively down.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub down: Option<bool>,
    /// Whether unfinished frames cross the port (default what the switch says). Fixed once the port exists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offload: Option<bool>,
    /// Kind stream: path where it listens for its peer. This and the four below are fixed once the port exists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen: Option<String>,
    /// Kind stream: path where its peer listens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connect: Option<String>,
    /// Kinds dgram and udp: its own path, or address and port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub local: Option<String>,
    /// Kinds dgram and udp: its peer's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remote: Option<String>,
    /// Kind fd: number of the descriptor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fd: Option<u32>,
}

/// Whether a link has two ends only, as written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PointToPoint {
    /// As the link says.
    Auto,
    /// It has.
    On,
    /// It has more.
    Off,
}

/// A storm control limit as written: `off` or a number of frames a second, range not checked yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StormLimit {
    /// None.
    Off,
    /// This many.
    Rate(u32),
}

impl Serialize for StormLimit {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Off => serializer.serialize_str("off"),
            Self::Rate(rate) => serializer.serialize_u32(*rate),
        }
    }
}

impl<'de> Deserialize<'de> for StormLimit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(deserializer)?;
        let number = value.as_u64().map(u32::try_from);
        match (value.as_str(), number) {
            (Some("off"), _) => Ok(Self::Off),
            (_, Some(Ok(rate))) => Ok(Self::Rate(rate)),
            _ => Err(D::Error::custom(format!("{value} is not {STORM_RANGE}"))),
        }
    }
}

/// What a storm control limit may be, for messages.
pub(crate) const STORM_RANGE: &str = "off or a number of frames a second (1..10000000)";

/// What a cost may be, for messages.
pub(crate) const COST_RANGE: &str = "auto or 1..200000000";

/// The keys of a port, in the order `show running-config` writes them.
pub const PORT_KEYS: [&str; 39] = [
    "number",
    "mac",
    "access",
    "trunk",
    "native",
    "native-tagged",
    "hybrid",
    "pvid",
    "tagged",
    "untagged",
    "dot1q-tunnel",
    "frames",
    "cost",
    "priority",
    "edge",
    "auto-edge",
    "point-to-point",
    "root-guard",
    "tcn-guard",
    "bpdu-guard",
    "bpdu-filter",
    "loop-guard",
    "bridge-assurance",
    "storm-broadcast",
    "storm-multicast",
    "storm-unknown-unicast",
    "storm-action",
    "loop-detection",
    "rate",
    "rate-in",
    "rate-out",
    "burst",
    "down",
    "offload",
    "listen",
    "connect",
    "local",
    "remote",
    "fd",
];

impl PortSettings {
    /// Takes one key as written; `value` is `None` for a bare word such as `edge`.
    ///
    /// # Errors
    /// The key is unknown, needs a value, or the value is of the wrong kind. The error text names the key.
    pub fn take(&mut self, key: &str, value: Option<&str>) -> Result<(), String> {
        let Some(&key) = PORT_KEYS.iter().find(|known| **known == key) else {
            return Err(format!(
                "unknown key '{key}'{}",
                did_you_mean(key, &PORT_KEYS)
            ));
        };
        self.take_known(key, value)
            .map_err(|error| error.to_string())
    }

    fn take_known(&mut self, key: &'static str, value: Option<&str>) -> Result<(), KeyError> {
        match key {
            "number" => self.number = Some(number(key, value, "a port number (1..1023)")?),
            "mac" => self.mac = Some(mac(key, value)?),
            "access" => self.access = Some(vlan(key, value)?),
            "trunk" => self.trunk = Some(vlans(key, value)?),
            "native" => self.native = Some(vlan(key, value)?),
            "native-tagged" => self.native_tagged = Some(truth(key, value)?),
            "hybrid" => self.hybrid = Some(truth(key, value)?),
            "pvid" => self.pvid = Some(vlan(key, value)?),
            "tagged" => self.tagged = Some(vlans(key, value)?),
            "untagged" => self.untagged = Some(vlans(key, value)?),
            "dot1q-tunnel" => self.dot1q_tunnel = Some(vlan(key, value)?),
            "frames" => self.frames = Some(frames(key, value)?),
            "cost" => self.cost = Some(cost(key, value)?),
            "priority" => self.priority = Some(number(key, value, PORT_PRIORITY_RANGE)?),
            "edge" => self.edge = Some(truth(key, value)?),
            "offload" => self.offload = Some(truth(key, value)?),
            "auto-edge" => self.auto_edge = Some(truth(key, value)?),
            "point-to-point" => self.point_to_point = Some(point_to_point(key, value)?),
            "root-guard" => self.root_guard = Some(truth(key, value)?),
            "tcn-guard" => self.tcn_guard = Some(truth(key, value)?),
            "bpdu-guard" => self.bpdu_guard = Some(truth(key, value)?),
            "bpdu-filter" => self.bpdu_filter = Some(truth(key, value)?),
            "loop-guard" => self.loop_guard = Some(truth(key, value)?),
            "bridge-assurance" => self.bridge_assurance = Some(truth(key, value)?),
            "storm-broadcast" => self.storm_broadcast = Some(storm_limit(key, value)?),
            "storm-multicast" => self.storm_multicast = Some(storm_limit(key, value)?),
            "storm-unknown-unicast" => {
                self.storm_unknown_unicast = Some(storm_limit(key, value)?);
            }
            "storm-action" => self.storm_action = Some(storm_action(key, value)?),
            "loop-detection" => self.loop_detection = Some(loop_detection(key, value)?),
            "listen" => self.listen = Some(needed(key, value)?.to_owned()),
            "connect" => self.connect = Some(needed(key, value)?.to_owned()),
            "local" => self.local = Some(needed(key, value)?.to_owned()),
            "remote" => self.remote = Some(needed(key, value)?.to_owned()),
            "fd" => self.fd = Some(number(key, value, "the number of a descriptor")?),
            "rate" => self.rate = Some(rate::rate(key, needed(key, value)?)?),
            "rate-in" => self.rate_in = Some(rate::rate(key, needed(key, value)?)?),
            "rate-out" => self.rate_out = Some(rate::rate(key, needed(key, value)?)?),
            "burst" => self.burst = Some(rate::burst(key, needed(key, value)?)?),
            _ => self.down = Some(truth(key, value)?),
        }
        Ok(())
    }
}

/// What a port priority may be, for messages.
pub(crate) const PORT_PRIORITY_RANGE: &str = "a port priority (0..240 in steps of 16)";
/// What a bridge priority may be, for messages.
pub(crate) const BRIDGE_PRIORITY_RANGE: &str = "a bridge priority (0..61440 in steps of 4096)";

fn needed<'a>(key: &'static str, value: Option<&'a str>) -> Result<&'a str, KeyError> {
    value.ok_or_else(|| KeyError::new(key, format!("needs a value: {key}=…")))
}

/// A whole number; `range` says what it means and what is legal.
pub(crate) fn number(key: &'static str, value: Option<&str>, range: &str) -> Result<u32, KeyError> {
    let text = needed(key, value)?;
    text.parse()
        .map_err(|_| KeyError::new(key, format!("'{text}' is not {range}")))
}

/// `true`/`on`/`yes`, `false`/`off`/`no`; a bare word is a yes.
pub(crate) fn truth(key: &'static str, value: Option<&str>) -> Result<bool, KeyError> {
    match value {
        None | Some("true" | "on" | "yes") => Ok(true),
        Some("false" | "off" | "no") => Ok(false),
        Some(text) => Err(KeyError::new(key, format!("'{text}' is not on or off"))),
    }
}

pub(crate) fn vlan(key: &'static str, value: Option<&str>) -> Result<VlanNumber, KeyError> {
    needed(key, value)?
        .parse()
        .map_err(|error| KeyError::new(key, format!("{error}")))
}

/// A list; a bare `trunk` (or `true`) means all.
fn vlans(key: &'static str, value: Option<&str>) -> Result<VlanSet, KeyError> {
    match value {
        None | Some("true") if key == "trunk" => Ok(VlanSet::all()),
        value => needed(key, value)?
            .parse()
            .map_err(|error| KeyError::new(key, format!("{error}"))),
    }
}

fn frames(key: &'static str, value: Option<&str>) -> Result<AcceptableFrames, KeyError> {
    match needed(key, value)? {
        "all" => Ok(AcceptableFrames::All),
        "tagged" => Ok(AcceptableFrames::Tagged),
        "untagged" => Ok(AcceptableFrames::Untagged),
        text => Err(KeyError::new(
            key,
            format!("'{text}' is not all, tagged or untagged"),
        )),
    }
}

fn cost(key: &'static str, value: Option<&str>) -> Result<Cost, KeyError> {
    match needed(key, value)? {
        "auto" => Ok(Cost::Auto),
        text => text
            .parse()
            .map(Cost::Fixed)
            .map_err(|_| KeyError::new(key, format!("'{text}' is not {COST_RANGE}"))),
    }
}

fn point_to_point(key: &'static str, value: Option<&str>) -> Result<PointToPoint, KeyError> {
    match value {
        Some("auto") => Ok(PointToPoint::Auto),
        value => Ok(match truth(key, value)? {
            true => PointToPoint::On,
            false => PointToPoint::Off,
        }),
    }
}

fn storm_limit(key: &'static str, value: Option<&str>) -> Result<StormLimit, KeyError> {
    match needed(key, value)? {
        "off" => Ok(StormLimit::Off),
        text => text
            .parse()
            .map(StormLimit::Rate)
            .map_err(|_| KeyError::new(key, format!("'{text}' is not {STORM_RANGE}"))),
    }
}

fn storm_action(key: &'static str, value: Option<&str>) -> Result<StormAction, KeyError> {
    match needed(key, value)? {
        "drop" => Ok(StormAction::Drop),
        "shutdown" => Ok(StormAction::Shutdown),
        text => Err(KeyError::new(
            key,
            format!("'{text}' is not drop or shutdown"),
        )),
    }
}

fn loop_detection(key: &'static str, value: Option<&str>) -> Result<LoopDetection, KeyError> {
    match needed(key, value)? {
        "off" | "false" => Ok(LoopDetection::Off),
        "log" => Ok(LoopDetection::Log),
        "shutdown" => Ok(LoopDetection::Shutdown),
        text => Err(KeyError::new(
            key,
            format!("'{text}' is not off, log or shutdown"),
        )),
    }
}

pub(crate) fn mac(key: &'static str, value: Option<&str>) -> Result<MacAddr, KeyError> {
    let text = needed(key, value)?;
    parse_mac(text).ok_or_else(|| {
        KeyError::new(
            key,
            format!("'{text}' is not a MAC address (52:54:00:00:00:05 or 5254.0000.0005)"),
        )
    })
}

/// Reads `52:54:00:00:00:05`, `52-54-00-00-00-05` and `5254.0000.0005`.
#[must_use]
pub fn parse_mac(text: &str) -> Option<MacAddr> {
    let (separator, group) = match text.len() {
        14 => ('.', 4),
        17 if text.contains('-') => ('-', 2),
        17 => (':', 2),
        _ => return None,
    };
    let mut octets = [0; 6];
    let mut filled = 0;
    for part in text.split(separator) {
        if part.len() != group || !part.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        for pair in 0..group / 2 {
            let octet = u8::from_str_radix(&part[2 * pair..2 * pair + 2], 16).ok()?;
            *octets.get_mut(filled)? = octet;
            filled += 1;
        }
    }
    (filled == octets.len()).then(|| octets.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_in_three_spellings() {
        let expected = Some(MacAddr::new(0x52, 0x54, 0, 0xab, 0, 5));
        assert_eq!(parse_mac("52:54:00:ab:00:05"), expected);
        assert_eq!(parse_mac("52-54-00-AB-00-05"), expected);
        assert_eq!(parse_mac("5254.00ab.0005"), expected);
        for bad in [
            "",
            "52:54:00:ab:00",
            "5254:00ab:0005",
            "52:54:00:ab:00:0g",
            "+2:54:00:ab:00:05",
            "ä:54:00:ab:00:05x",
        ] {
            assert_eq!(parse_mac(bad), None, "{bad}");
        }
    }
}
