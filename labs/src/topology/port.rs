//! What a lab file says about one switch port, in the words of the daemon's configuration.

use switchd::config::{AcceptableFrames, Cost, PortSettings};

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

pub(super) fn read(fields: &Fields<'_>) -> Result<PortSettings, Fault> {
    const FRAMES: &[(&str, AcceptableFrames)] = &[
        ("all", AcceptableFrames::All),
        ("tagged", AcceptableFrames::Tagged),
        ("untagged", AcceptableFrames::Untagged),
    ];
    mode(fields)?;
    let cost = fields.read("cost", |value, key| {
        fields::number(value, key, 1..=200_000_000)
    })?;
    let priority = fields.read("priority", |value, key| {
        fields::stepped(value, key, 0..=240, 16)
    })?;
    Ok(PortSettings {
        number: fields.read("number", |value, key| fields::number(value, key, 1..=1023))?,
        mac: fields.read("mac", fields::mac)?,
        access: fields.read("access", fields::vlan)?,
        trunk: fields.read("trunk", fields::vlans)?,
        native: fields.read("native", fields::vlan)?,
        native_tagged: fields.read("native-tagged", fields::switch)?,
        hybrid: fields.read("hybrid", fields::switch)?,
        pvid: fields.read("pvid", fields::vlan)?,
        tagged: fields.read("tagged", fields::vlans)?,
        untagged: fields.read("untagged", fields::vlans)?,
        dot1q_tunnel: fields.read("dot1q-tunnel", fields::vlan)?,
        frames: fields.read("frames", |value, key| fields::word(value, key, FRAMES))?,
        cost: cost.map(Cost::Fixed),
        priority: priority.map(u32::from),
        edge: fields.read("edge", fields::switch)?,
        down: fields.read("down", fields::switch)?,
        offload: None,
    })
}

/// At most one of the four modes, and the helpers of that one only.
fn mode(fields: &Fields<'_>) -> Result<(), Fault> {
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
    Ok(())
}
