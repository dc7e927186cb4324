//! What a lab file says about one switch port, in the words of the daemon's configuration.

use switchd::config::{
    AcceptableFrames, BurstLimit, Cost, PointToPoint, PortSettings, RateLimit, StormLimit,
};
use switchd::meter::{BURST_MAX, BURST_MIN, BitRate, Burst};
use switchd::protect::{LoopDetection, STORM_RATE_MAX, StormAction};

use super::error::Fault;
use super::fields::{self, Fields};
use super::yaml::Value;

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
        auto_edge: fields.read("auto-edge", fields::switch)?,
        point_to_point: fields.read("point-to-point", point_to_point)?,
        root_guard: fields.read("root-guard", fields::switch)?,
        tcn_guard: fields.read("tcn-guard", fields::switch)?,
        bpdu_guard: fields.read("bpdu-guard", fields::switch)?,
        bpdu_filter: fields.read("bpdu-filter", fields::switch)?,
        loop_guard: fields.read("loop-guard", fields::switch)?,
        bridge_assurance: fields.read("bridge-assurance", fields::switch)?,
        storm_broadcast: fields.read("storm-broadcast", storm_limit)?,
        storm_multicast: fields.read("storm-multicast", storm_limit)?,
        storm_unknown_unicast: fields.read("storm-unknown-unicast", storm_limit)?,
        storm_action: fields.read("storm-action", |value, key| {
            fields::word(value, key, &STORM_ACTIONS)
        })?,
        loop_detection: fields.read("loop-detection", |value, key| {
            fields::word(value, key, &LOOP_DETECTION)
        })?,
        rate: fields.read("rate", rate)?,
        rate_in: fields.read("rate-in", rate)?,
        rate_out: fields.read("rate-out", rate)?,
        burst: fields.read("burst", burst)?,
        down: fields.read("down", fields::switch)?,
        offload: None,
        listen: None,
        connect: None,
        local: None,
        remote: None,
        fd: None,
    })
}

const STORM_ACTIONS: [(&str, StormAction); 2] = [
    ("drop", StormAction::Drop),
    ("shutdown", StormAction::Shutdown),
];
const LOOP_DETECTION: [(&str, LoopDetection); 3] = [
    ("off", LoopDetection::Off),
    ("log", LoopDetection::Log),
    ("shutdown", LoopDetection::Shutdown),
];

fn point_to_point(value: &Value, key: &str) -> Result<PointToPoint, Fault> {
    if fields::text(value, key)? == "auto" {
        return Ok(PointToPoint::Auto);
    }
    Ok(match fields::switch(value, key)? {
        true => PointToPoint::On,
        false => PointToPoint::Off,
    })
}

/// Frames a second, or `off`.
fn storm_limit(value: &Value, key: &str) -> Result<StormLimit, Fault> {
    if fields::text(value, key)? == "off" {
        return Ok(StormLimit::Off);
    }
    fields::number(value, key, 1..=STORM_RATE_MAX).map(StormLimit::Rate)
}

/// How much a port takes in or sends; or `off`.
fn rate(value: &Value, key: &str) -> Result<RateLimit, Fault> {
    let written = fields::text(value, key)?;
    let rate = RateLimit::parse(written).filter(|rate| match rate {
        RateLimit::Off => true,
        RateLimit::Bits(bits) => BitRate::new(*bits).is_some(),
    });
    rate.ok_or_else(|| {
        let message = format!(
            "`{key}`: expected off or a rate from 1kbit to 400Gbit such as 100Mbit or 1Gbit, found `{written}`"
        );
        Fault::new(value.at, message)
    })
}

/// How much may pass at once; or `auto`.
fn burst(value: &Value, key: &str) -> Result<BurstLimit, Fault> {
    let written = fields::text(value, key)?;
    let burst = BurstLimit::parse(written).filter(|burst| match burst {
        BurstLimit::Auto => true,
        BurstLimit::Octets(octets) => {
            u32::try_from(*octets).is_ok_and(|octets| Burst::new(octets).is_some())
        }
    });
    burst.ok_or_else(|| {
        let message = format!(
            "`{key}`: expected auto or {BURST_MIN} to {BURST_MAX} octets such as 256KiB or 4MiB, found `{written}`"
        );
        Fault::new(value.at, message)
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
