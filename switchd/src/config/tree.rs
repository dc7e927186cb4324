//! What is said of the spanning trees of a switch: as written, and as checked.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use pnet_base::MacAddr;
use serde::{Deserialize, Serialize};
use stp::{
    BridgeConfig, BridgePriority, BridgeTimes, MSTI_RECORDS_MAX, MaxHops, RegionName, TimesError,
    TransmitHoldCount, TreeId,
};

use super::error::KeyError;
use super::settings::{self, BRIDGE_PRIORITY_RANGE};
use crate::trees::{Instances, TreeProtocol};
use crate::vlan_set::VlanSet;

/// What a switch runs that is told to run a spanning tree, and not which.
pub const DEFAULT_PROTOCOL: TreeProtocol = TreeProtocol::Rstp;

/// The keys of `[stp]`.
const STP_KEYS: [&str; 15] = [
    "enabled",
    "protocol",
    "priority",
    "hello",
    "max-age",
    "forward-delay",
    "hold-count",
    "max-hops",
    "guard-recovery",
    "epochs",
    "region",
    "revision",
    "instances",
    "priorities",
    "vlans",
];

/// What is said of the spanning tree of the whole switch; keys left out keep their value.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct StpSettings {
    /// Whether the switch runs a spanning tree: the one it runs, or would by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Which.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol: Option<TreeProtocol>,
    /// Bridge priority, 0..=61440 in steps of 4096.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<u32>,
    /// Hello time, 1..=10 seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hello: Option<u32>,
    /// Max age, 6..=40 seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_age: Option<u32>,
    /// Forward delay, 4..=30 seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forward_delay: Option<u32>,
    /// Rapid protocols: BPDUs a port sends in a second at most, 1..=10.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hold_count: Option<u32>,
    /// Region: how many bridges deep it may be, 6..=40.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_hops: Option<u32>,
    /// After how many seconds a port that a guard has disabled is tried again, 1..=86400; 0: when management says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guard_recovery: Option<u32>,
    /// Rapid protocols: whether roots vouch for their word in numbered epochs, against counting to infinity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epochs: Option<bool>,
    /// Region: its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Region: the revision of its VLAN map, 0..=65535.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<u32>,
    /// Region: which VLANs go by which instance; others by the common tree.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instances: Option<InstanceMap>,
    /// Bridge priorities of single trees, by instance or by VLAN.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priorities: Option<TreePriorities>,
    /// VLANs that have a tree where every VLAN has one, besides those that ports name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vlans: Option<VlanSet>,
}

/// Instances and their VLANs, written `1:10,20-29 2:30`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct InstanceMap(pub BTreeMap<u16, VlanSet>);

/// Trees and their bridge priorities, written `1:4096 10:8192`. Not checked yet.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct TreePriorities(pub BTreeMap<u16, u32>);

/// `KEY:VALUE` groups with blanks between them.
fn pairs<V: FromStr>(text: &str, what: &str) -> Result<BTreeMap<u16, V>, String> {
    let mut map = BTreeMap::new();
    for pair in text.split_whitespace() {
        let parsed = pair.split_once(':').and_then(|(number, value)| {
            let number = number
                .parse()
                .ok()
                .filter(|number| (1..=4094).contains(number));
            Some((number?, value.parse().ok()?))
        });
        let (number, value) = parsed.ok_or_else(|| format!("'{pair}' is not {what}"))?;
        if map.insert(number, value).is_some() {
            return Err(format!("{number} is given twice"));
        }
    }
    Ok(map)
}

fn write_pairs<V: fmt::Display>(f: &mut fmt::Formatter<'_>, map: &BTreeMap<u16, V>) -> fmt::Result {
    for (index, (number, value)) in map.iter().enumerate() {
        let separator = if index == 0 { "" } else { " " };
        write!(f, "{separator}{number}:{value}")?;
    }
    Ok(())
}

impl FromStr for InstanceMap {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let map = pairs(text, "INSTANCE:VLANS, such as 1:10,20-29").map(Self)?;
        map.checked()?;
        Ok(map)
    }
}

impl InstanceMap {
    /// # Errors
    /// More instances than a region has, or a VLAN in two.
    pub fn checked(&self) -> Result<(), String> {
        if self.0.len() > MSTI_RECORDS_MAX {
            return Err(format!("a region has at most {MSTI_RECORDS_MAX} instances"));
        }
        let mut seen: BTreeMap<u16, u16> = BTreeMap::new();
        for (&instance, vlans) in &self.0 {
            for vlan in vlans.iter() {
                if let Some(other) = seen.insert(vlan.value(), instance) {
                    return Err(format!(
                        "VLAN {} is in instance {other} and in instance {instance}",
                        vlan.value()
                    ));
                }
            }
        }
        Ok(())
    }
}

impl FromStr for TreePriorities {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        pairs(text, "TREE:PRIORITY, such as 10:4096").map(Self)
    }
}

impl fmt::Display for InstanceMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_pairs(f, &self.0)
    }
}

impl fmt::Display for TreePriorities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_pairs(f, &self.0)
    }
}

impl From<InstanceMap> for String {
    fn from(map: InstanceMap) -> Self {
        map.to_string()
    }
}

impl TryFrom<String> for InstanceMap {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<TreePriorities> for String {
    fn from(map: TreePriorities) -> Self {
        map.to_string()
    }
}

impl TryFrom<String> for TreePriorities {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl StpSettings {
    /// Takes one key as written.
    ///
    /// # Errors
    /// The key is unknown, or the value is of the wrong kind. The text names the key.
    pub fn take(&mut self, key: &str, value: Option<&str>) -> Result<(), String> {
        let Some(&known) = STP_KEYS.iter().find(|known| **known == key) else {
            let hint = super::did_you_mean(key, &STP_KEYS);
            return Err(format!("unknown key '{key}'{hint}"));
        };
        self.take_known(known, value)
            .map_err(|error| error.to_string())
    }

    fn take_known(&mut self, key: &'static str, value: Option<&str>) -> Result<(), KeyError> {
        fn parsed<T: FromStr<Err: fmt::Display>>(
            key: &'static str,
            value: Option<&str>,
        ) -> Result<Option<T>, KeyError> {
            let text = value.unwrap_or_default();
            let wrong = |error: T::Err| KeyError::new(key, error.to_string());
            text.parse().map(Some).map_err(wrong)
        }
        let number = |range| settings::number(key, value, range).map(Some);
        match key {
            "enabled" => self.enabled = Some(settings::truth(key, value)?),
            "protocol" => self.protocol = parsed(key, value)?,
            "priority" => self.priority = number(BRIDGE_PRIORITY_RANGE)?,
            "hello" => self.hello = number("a time in seconds (1..10)")?,
            "max-age" => self.max_age = number("a time in seconds (6..40)")?,
            "forward-delay" => self.forward_delay = number("a time in seconds (4..30)")?,
            "hold-count" => self.hold_count = number(HOLD_COUNT_RANGE)?,
            "max-hops" => self.max_hops = number(MAX_HOPS_RANGE)?,
            "guard-recovery" => self.guard_recovery = number(RECOVERY_RANGE)?,
            "epochs" => self.epochs = Some(settings::truth(key, value)?),
            "region" => self.region = Some(value.unwrap_or_default().to_owned()),
            "revision" => self.revision = number(REVISION_RANGE)?,
            "instances" => self.instances = parsed(key, value)?,
            "priorities" => self.priorities = parsed(key, value)?,
            _ => self.vlans = parsed(key, value)?,
        }
        Ok(())
    }
}

const NO_EPOCHS: &str = "classic bridges forget a dead root by max age and do not count to infinity, and their BPDUs have no \
                         place for an epoch; set epochs off, or a rapid protocol";
const HOLD_COUNT_RANGE: &str = "a number of BPDUs (1..10)";
const MAX_HOPS_RANGE: &str = "a number of bridges (6..40)";
const RECOVERY_RANGE: &str = "a time in seconds (1..86400, or 0 for never)";
const RECOVERY_MAX: u32 = 86_400;
const REVISION_RANGE: &str = "a revision (0..65535)";

/// The spanning tree of a switch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StpConfig {
    /// Which it runs.
    pub protocol: TreeProtocol,
    /// Bridge priority.
    pub priority: BridgePriority,
    /// Hello time, max age and forward delay for when it is the root.
    pub times: BridgeTimes,
    /// BPDUs a port sends in a second at most.
    pub hold_count: TransmitHoldCount,
    /// How many bridges deep its region may be.
    pub max_hops: MaxHops,
    /// After what time a port that was disabled for cause is tried again.
    pub guard_recovery: Option<Duration>,
    /// Whether roots vouch for their word in numbered epochs.
    pub epochs: bool,
    /// Region, VLANs and priorities of single trees.
    pub instances: Instances,
}

impl Default for StpConfig {
    /// The standard's defaults.
    fn default() -> Self {
        Self {
            protocol: DEFAULT_PROTOCOL,
            priority: BridgePriority::default(),
            times: BridgeTimes::default(),
            hold_count: TransmitHoldCount::default(),
            max_hops: MaxHops::default(),
            guard_recovery: None,
            epochs: false,
            instances: Instances::default(),
        }
    }
}

impl StpConfig {
    /// Whether it runs any.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.protocol != TreeProtocol::Off
    }

    /// What the bridge of this address is made with.
    #[must_use]
    pub fn bridge(&self, address: MacAddr) -> BridgeConfig {
        BridgeConfig {
            priority: self.priority,
            times: self.times,
            transmit_hold_count: self.hold_count,
            max_hops: self.max_hops,
            guard_recovery: self.guard_recovery,
            epochs: self.epochs,
            ..BridgeConfig::new(address)
        }
    }

    /// This with what `settings` says.
    ///
    /// # Errors
    /// A value out of its range, or times that do not go together.
    pub fn with(&self, settings: &StpSettings) -> Result<Self, KeyError> {
        let mut stp = self.clone();
        match (settings.protocol, settings.enabled) {
            (Some(TreeProtocol::Off), Some(true)) | (Some(_), Some(false)) => {
                let other = "contradicts enabled";
                return Err(KeyError::new("protocol", other));
            }
            (Some(protocol), _) => stp.protocol = protocol,
            (None, Some(false)) => stp.protocol = TreeProtocol::Off,
            (None, Some(true)) if !self.is_on() => stp.protocol = DEFAULT_PROTOCOL,
            (None, Some(true) | None) => {}
        }
        if let Some(value) = settings.priority {
            stp.priority = priority("priority", value)?;
        }
        stp.times = self.times_with(settings)?;
        if let Some(count) = settings.hold_count {
            let checked = u8::try_from(count).ok().and_then(TransmitHoldCount::new);
            stp.hold_count = in_range("hold-count", count, checked, HOLD_COUNT_RANGE)?;
        }
        if let Some(hops) = settings.max_hops {
            let checked = u8::try_from(hops).ok().and_then(MaxHops::new);
            stp.max_hops = in_range("max-hops", hops, checked, MAX_HOPS_RANGE)?;
        }
        stp.epochs = settings.epochs.unwrap_or(stp.epochs);
        if stp.epochs && stp.protocol.engine() == Some(stp::Protocol::Stp) {
            let protocol = stp.protocol;
            return Err(KeyError::new(
                "epochs",
                format!("{protocol} has none: {NO_EPOCHS}"),
            ));
        }
        match settings.guard_recovery {
            None => {}
            Some(0) => stp.guard_recovery = None,
            Some(seconds @ 1..=RECOVERY_MAX) => {
                stp.guard_recovery = Some(Duration::from_secs(seconds.into()));
            }
            Some(other) => {
                return in_range("guard-recovery", other, None, RECOVERY_RANGE);
            }
        }
        stp.instances = self.instances_with(settings)?;
        Ok(stp)
    }

    fn times_with(&self, settings: &StpSettings) -> Result<BridgeTimes, KeyError> {
        let seconds = |written: Option<u32>, held: Duration| {
            written.map_or(held, |seconds| Duration::from_secs(seconds.into()))
        };
        let max_age = seconds(settings.max_age, self.times.max_age());
        let hello = seconds(settings.hello, self.times.hello_time());
        let forward_delay = seconds(settings.forward_delay, self.times.forward_delay());
        BridgeTimes::new(max_age, hello, forward_delay).map_err(times_error)
    }

    fn instances_with(&self, settings: &StpSettings) -> Result<Instances, KeyError> {
        let mut instances = self.instances.clone();
        if let Some(name) = &settings.region {
            instances.region.name = RegionName::new(name).ok_or_else(|| {
                KeyError::new("region", format!("'{name}' is longer than 32 octets"))
            })?;
        }
        if let Some(revision) = settings.revision {
            let checked = u16::try_from(revision).ok();
            instances.region.revision = in_range("revision", revision, checked, REVISION_RANGE)?;
        }
        if let Some(map) = &settings.instances {
            map.checked()
                .map_err(|error| KeyError::new("instances", error))?;
            instances.region.vlans = stp::VlanMap::new();
            for (&instance, vlans) in &map.0 {
                for vlan in vlans.iter() {
                    let tree = TreeId::new(instance).unwrap_or_default();
                    instances.region.vlans.set(vlan.value(), tree);
                }
            }
        }
        if let Some(priorities) = &settings.priorities {
            instances.priorities.clear();
            for (&tree, &value) in &priorities.0 {
                if let Some(tree) = TreeId::new(tree) {
                    let value = priority("priorities", value)?;
                    instances.priorities.insert(tree, value);
                }
            }
        }
        if let Some(vlans) = &settings.vlans {
            instances.vlans = vlans.clone();
        }
        Ok(instances)
    }

    /// The instances as they are written.
    #[must_use]
    pub fn instance_map(&self) -> InstanceMap {
        let mut map: BTreeMap<u16, VlanSet> = BTreeMap::new();
        for (vlan, instance) in self.instances.region.vlans.iter() {
            if let Ok(vlan) = etherparse::VlanId::try_new(vlan) {
                let vlans = map.entry(instance.get()).or_default();
                *vlans = vlans.union(&VlanSet::single(vlan));
            }
        }
        InstanceMap(map)
    }

    /// The priorities of single trees as they are written.
    #[must_use]
    pub fn tree_priorities(&self) -> TreePriorities {
        let priorities = self.instances.priorities.iter();
        TreePriorities(
            priorities
                .map(|(tree, priority)| (tree.get(), u32::from(priority.get())))
                .collect(),
        )
    }
}

fn in_range<T>(
    key: &'static str,
    value: u32,
    checked: Option<T>,
    range: &str,
) -> Result<T, KeyError> {
    checked.ok_or_else(|| KeyError::new(key, format!("'{value}' is not {range}")))
}

fn priority(key: &'static str, value: u32) -> Result<BridgePriority, KeyError> {
    let checked = u16::try_from(value).ok().and_then(BridgePriority::new);
    in_range(key, value, checked, BRIDGE_PRIORITY_RANGE)
}

/// The relation of 802.1D-1998 8.10.2, for messages.
const RELATION: &str = "2 x (forward-delay - 1) >= max-age >= 2 x (hello + 1)";

fn times_error(error: TimesError) -> KeyError {
    let range = |key, time: Duration, range| {
        KeyError::new(
            key,
            format!("'{}' is not a time in seconds ({range})", time.as_secs()),
        )
    };
    match error {
        TimesError::MaxAge(time) => range("max-age", time, "6..40"),
        TimesError::HelloTime(time) => range("hello", time, "1..10"),
        TimesError::ForwardDelay(time) => range("forward-delay", time, "4..30"),
        TimesError::ForwardDelayTooShort {
            forward_delay,
            max_age,
            max_age_most,
        } => KeyError::new(
            "forward-delay",
            format!(
                "{} s allows a max-age of at most {} s, not {} s: {RELATION}",
                forward_delay.as_secs(),
                max_age_most.as_secs(),
                max_age.as_secs()
            ),
        ),
        TimesError::MaxAgeTooShort {
            hello_time,
            max_age,
            max_age_least,
        } => KeyError::new(
            "max-age",
            format!(
                "{} s is too short for a hello of {} s, which needs {} s: {RELATION}",
                max_age.as_secs(),
                hello_time.as_secs(),
                max_age_least.as_secs()
            ),
        ),
        TimesError::MessageAgeIncrement(_) => KeyError::new("max-age", error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instances_and_priorities_survive_their_text() {
        for text in ["", "1:10,20-29 2:30", "64:4094"] {
            assert_eq!(text.parse::<InstanceMap>().unwrap().to_string(), text);
        }
        let text = "1:4096 10:8192";
        assert_eq!(text.parse::<TreePriorities>().unwrap().to_string(), text);
        for wrong in ["1", "0:10", "1:x", "4095:1", "1:10 1:20", "1:10 2:10"] {
            assert!(wrong.parse::<InstanceMap>().is_err(), "{wrong}");
        }
        let many: Vec<String> = (1..=65).map(|n| format!("{n}:{n}")).collect();
        let error = many.join(" ").parse::<InstanceMap>().unwrap_err();
        assert!(error.contains("at most 64"), "{error}");
    }

    #[test]
    fn what_is_written_is_what_is_held() {
        let settings = StpSettings {
            protocol: Some(TreeProtocol::Mstp),
            region: Some("east".to_owned()),
            revision: Some(7),
            instances: Some("1:10,20 3:30".parse().unwrap()),
            priorities: Some("1:4096".parse().unwrap()),
            guard_recovery: Some(30),
            epochs: Some(true),
            ..StpSettings::default()
        };
        let config = StpConfig::default().with(&settings).unwrap();
        assert_eq!(config.instance_map().to_string(), "1:10,20 3:30");
        assert_eq!(config.tree_priorities().to_string(), "1:4096");
        assert_eq!(config.instances.region.name.to_string(), "east");
        let off = StpSettings {
            enabled: Some(false),
            ..StpSettings::default()
        };
        let config = config.with(&off).unwrap();
        assert!(!config.is_on());
        assert_eq!(config.instance_map().to_string(), "1:10,20 3:30");
        let on = StpSettings {
            enabled: Some(true),
            ..StpSettings::default()
        };
        assert_eq!(config.with(&on).unwrap().protocol, DEFAULT_PROTOCOL);
    }

    #[test]
    fn classic_protocols_have_no_epochs_and_say_why() {
        let settings = |protocol, epochs| StpSettings {
            protocol: Some(protocol),
            epochs,
            ..StpSettings::default()
        };
        for protocol in TreeProtocol::ALL {
            let result = StpConfig::default().with(&settings(protocol, Some(true)));
            match protocol {
                TreeProtocol::Stp | TreeProtocol::Pvst => {
                    let error = result.unwrap_err().to_string();
                    let begin = format!("epochs: {protocol} has none: classic bridges");
                    assert!(error.starts_with(&begin), "{error}");
                }
                TreeProtocol::Off
                | TreeProtocol::Rstp
                | TreeProtocol::Mstp
                | TreeProtocol::RapidPvst => {
                    // Nor does it change to one that has none while they are on.
                    let config = result.unwrap();
                    let classic = settings(TreeProtocol::Stp, None);
                    assert_eq!(config.with(&classic).unwrap_err().key, "epochs");
                    let off = settings(TreeProtocol::Stp, Some(false));
                    assert!(config.with(&off).is_ok());
                }
            }
        }
    }

    #[test]
    fn values_out_of_range_are_named() {
        let bad = |key: &str, value: &str| {
            let mut settings = StpSettings::default();
            settings
                .take(key, Some(value))
                .and_then(|()| match StpConfig::default().with(&settings) {
                    Ok(_) => Ok(()),
                    Err(error) => Err(error.to_string()),
                })
                .unwrap_err()
        };
        for (key, value) in [
            ("protocol", "rpvst"),
            ("hold-count", "11"),
            ("max-hops", "5"),
            ("guard-recovery", "86401"),
            ("revision", "65536"),
            ("priorities", "1:100"),
            ("instances", "1=10"),
            ("vlans", "4095"),
        ] {
            let error = bad(key, value);
            assert!(error.starts_with(&format!("{key}: ")), "{error}");
        }
        assert!(bad("region", &"x".repeat(33)).contains("32 octets"));
    }
}
