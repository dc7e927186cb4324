//! What a lab file says about one switch port, in the words of the daemon's configuration.

use etherparse::VlanId;
use pnet_base::MacAddr;

use super::error::Fault;
use super::fields::{self, Fields};

/// Keys of a switch port.
pub(super) const KEYS: &[&str] = &[
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
    "number",
    "mac",
    "down",
];

/// Settings of a switch port; what the file leaves out is `None`: the daemon's default holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PortSettings {
    /// How the port treats VLANs.
    pub mode: Option<PortMode>,
    /// Acceptable frame types (802.1Q 6.9): `all`, `tagged` or `untagged`.
    pub frames: Option<&'static str>,
    /// Path cost, 1 to 200,000,000.
    pub cost: Option<u32>,
    /// Port priority, 0 to 240 in steps of 16.
    pub priority: Option<u16>,
    /// Edge port: forwards at once.
    pub edge: Option<bool>,
    /// Port number, 1 to 1023.
    pub number: Option<u16>,
    /// The address the port sends BPDUs from.
    pub mac: Option<MacAddr>,
    /// Administratively down.
    pub down: Option<bool>,
}

/// How a port treats VLANs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PortMode {
    /// One VLAN, untagged.
    Access(VlanId),
    /// Several VLANs, tagged, and a native one.
    Trunk {
        /// The VLANs carried.
        allowed: Vec<VlanRange>,
        /// The native VLAN; the daemon's default if absent.
        native: Option<VlanId>,
        /// Whether the native VLAN goes out tagged too.
        native_tagged: bool,
    },
    /// Tagged and untagged VLANs in any mixture.
    Hybrid {
        /// Where untagged frames belong.
        pvid: Option<VlanId>,
        /// Sent tagged.
        tagged: Vec<VlanRange>,
        /// Sent untagged.
        untagged: Vec<VlanRange>,
    },
    /// A customer's frames, tagged or not, inside this VLAN.
    Dot1qTunnel(VlanId),
}

/// VLANs `first` to `last`, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VlanRange {
    /// The first.
    pub first: VlanId,
    /// The last, not below the first.
    pub last: VlanId,
}

impl core::fmt::Display for VlanRange {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        if self.first == self.last {
            write!(f, "{}", self.first.value())
        } else {
            write!(f, "{}-{}", self.first.value(), self.last.value())
        }
    }
}

impl VlanRange {
    /// Whether `vlan` is one of them.
    #[must_use]
    pub fn contains(&self, vlan: VlanId) -> bool {
        (self.first..=self.last).contains(&vlan)
    }
}

pub(super) fn read(fields: &Fields<'_>) -> Result<PortSettings, Fault> {
    const FRAMES: &[(&str, &str)] = &[
        ("all", "all"),
        ("tagged", "tagged"),
        ("untagged", "untagged"),
    ];
    Ok(PortSettings {
        mode: mode(fields)?,
        frames: fields.read("frames", |value, key| fields::word(value, key, FRAMES))?,
        cost: fields.read("cost", |value, key| {
            fields::number(value, key, 1..=200_000_000)
        })?,
        priority: fields.read("priority", |value, key| {
            fields::stepped(value, key, 0..=240, 16)
        })?,
        edge: fields.read("edge", fields::switch)?,
        number: fields.read("number", |value, key| fields::number(value, key, 1..=1023))?,
        mac: fields.read("mac", fields::mac)?,
        down: fields.read("down", fields::switch)?,
    })
}

/// The mode: at most one of the four, and the helpers of that one only.
fn mode(fields: &Fields<'_>) -> Result<Option<PortMode>, Fault> {
    const MODES: &[(&str, &[&str])] = &[
        ("access", &[]),
        ("trunk", &["native", "native-tagged"]),
        ("hybrid", &["pvid", "tagged", "untagged"]),
        ("dot1q-tunnel", &[]),
    ];
    let mut given = MODES.iter().filter_map(|(mode, _)| fields.entry(mode));
    let chosen = given.next();
    if let (Some((first, _)), Some((second, _))) = (chosen, given.next()) {
        let message = format!(
            "a port is either `{}` or `{}`, not both",
            first.text, second.text
        );
        return Err(Fault::new(second.at, message));
    }
    for (mode, helpers) in MODES {
        let helper = helpers.iter().find_map(|helper| fields.entry(helper));
        if let Some((helper, _)) =
            helper.filter(|_| chosen.is_none_or(|(key, _)| key.text != *mode))
        {
            return Err(Fault::new(
                helper.at,
                format!("`{}` goes with `{mode}`, which is absent", helper.text),
            ));
        }
    }
    let Some((key, value)) = chosen else {
        return Ok(None);
    };
    Ok(Some(match key.text.as_str() {
        "access" => PortMode::Access(fields::vlan(value, "access")?),
        "trunk" => PortMode::Trunk {
            allowed: fields::vlans(value, "trunk")?,
            native: fields.read("native", fields::vlan)?,
            native_tagged: fields
                .read("native-tagged", fields::switch)?
                .unwrap_or(false),
        },
        "hybrid" => PortMode::Hybrid {
            pvid: fields.read("pvid", fields::vlan)?,
            tagged: fields.read("tagged", fields::vlans)?.unwrap_or_default(),
            untagged: fields.read("untagged", fields::vlans)?.unwrap_or_default(),
        },
        _ => PortMode::Dot1qTunnel(fields::vlan(value, "dot1q-tunnel")?),
    }))
}
