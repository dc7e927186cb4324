//! A configuration as the file that reproduces it.

use core::fmt::{self, Write};

use super::rate::rate_text;
use super::{AcceptableFrames, Config, Endpoint, Io, PortConfig, PortMode, StpConfig};
use crate::meter::{BitRate, RateLimits};
use crate::protect::{LoopDetection, StormAction};

/// Writes the configuration file of `config`: read back and checked, it gives the same configuration.
#[must_use]
pub fn to_toml(config: &Config) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = write_config(&mut text, config);
    text
}

fn write_config(text: &mut String, config: &Config) -> fmt::Result {
    writeln!(text, "[switch]")?;
    writeln!(text, "name = {}", quoted(&config.name))?;
    let run_dir = config.run_dir.to_string_lossy();
    writeln!(text, "run-dir = {}", quoted(&run_dir))?;
    if let Some(address) = config.address {
        writeln!(text, "address = \"{address}\"")?;
    }
    match config.io {
        Io::Uring => {}
        Io::Plain => writeln!(text, "io = \"plain\"")?,
    }
    if config.workers != 0 {
        writeln!(text, "workers = {}", config.workers)?;
    }
    if !config.offload {
        writeln!(text, "offload = false")?;
    }
    write_stp(text, &config.stp)?;
    writeln!(text, "\n[cam]")?;
    writeln!(text, "ageing = {}", config.ageing.as_secs())?;
    writeln!(text, "capacity = {}", config.cam_capacity.get())?;
    for port in &config.ports {
        write_port(text, port)?;
    }
    for entry in &config.static_macs {
        if let Some(port) = config.port_numbered(entry.port) {
            writeln!(text, "\n[[static-mac]]")?;
            writeln!(text, "vlan = {}", entry.vlan)?;
            writeln!(text, "mac = \"{}\"", entry.mac)?;
            writeln!(text, "port = {}", quoted(port.name.as_str()))?;
        }
    }
    Ok(())
}

/// Defaults are left out, but for what a reader wants to see of every port.
fn write_port(text: &mut String, port: &PortConfig) -> fmt::Result {
    writeln!(text, "\n[[port]]")?;
    writeln!(text, "name = {}", quoted(port.name.as_str()))?;
    writeln!(text, "kind = \"{}\"", port.kind.name())?;
    for (key, value) in port.endpoint.iter().flat_map(Endpoint::written) {
        writeln!(text, "{key} = {}", quoted(&value))?;
    }
    writeln!(text, "number = {}", port.number)?;
    if let Some(mac) = port.mac {
        writeln!(text, "mac = \"{mac}\"")?;
    }
    match &port.mode {
        PortMode::Access { vlan } => writeln!(text, "access = {}", vlan.value())?,
        PortMode::Trunk {
            allowed,
            native,
            native_tagged,
        } => {
            writeln!(text, "trunk = \"{allowed}\"")?;
            writeln!(text, "native = {}", native.value())?;
            if *native_tagged {
                writeln!(text, "native-tagged = true")?;
            }
        }
        PortMode::Hybrid {
            pvid,
            tagged,
            untagged,
        } => {
            writeln!(text, "hybrid = true")?;
            writeln!(text, "pvid = {}", pvid.value())?;
            writeln!(text, "tagged = \"{tagged}\"")?;
            writeln!(text, "untagged = \"{untagged}\"")?;
        }
        PortMode::Dot1qTunnel { vlan } => writeln!(text, "dot1q-tunnel = {}", vlan.value())?,
    }
    match port.frames {
        None => {}
        Some(AcceptableFrames::All) => writeln!(text, "frames = \"all\"")?,
        Some(AcceptableFrames::Tagged) => writeln!(text, "frames = \"tagged\"")?,
        Some(AcceptableFrames::Untagged) => writeln!(text, "frames = \"untagged\"")?,
    }
    write_tree_port(text, &port.stp)?;
    write_protection(text, port)?;
    write_rate(text, &port.rate)?;
    if port.down {
        writeln!(text, "down = true")?;
    }
    if let Some(offload) = port.offload {
        writeln!(text, "offload = {offload}")?;
    }
    Ok(())
}

fn write_stp(text: &mut String, stp: &StpConfig) -> fmt::Result {
    let times = stp.times;
    writeln!(text, "\n[stp]")?;
    writeln!(text, "protocol = \"{}\"", stp.protocol)?;
    writeln!(text, "priority = {}", stp.priority)?;
    writeln!(text, "hello = {}", times.hello_time().as_secs())?;
    writeln!(text, "max-age = {}", times.max_age().as_secs())?;
    writeln!(text, "forward-delay = {}", times.forward_delay().as_secs())?;
    let standard = StpConfig::default();
    if stp.hold_count != standard.hold_count {
        writeln!(text, "hold-count = {}", stp.hold_count.get())?;
    }
    if stp.max_hops != standard.max_hops {
        writeln!(text, "max-hops = {}", stp.max_hops.get())?;
    }
    if let Some(after) = stp.guard_recovery {
        writeln!(text, "guard-recovery = {}", after.as_secs())?;
    }
    if stp.epochs {
        writeln!(text, "epochs = true")?;
    }
    let region = &stp.instances.region;
    if region.name != stp::RegionName::default() {
        writeln!(text, "region = {}", quoted(&region.name.to_string()))?;
    }
    if region.revision != 0 {
        writeln!(text, "revision = {}", region.revision)?;
    }
    let instances = stp.instance_map().to_string();
    if !instances.is_empty() {
        writeln!(text, "instances = \"{instances}\"")?;
    }
    let priorities = stp.tree_priorities().to_string();
    if !priorities.is_empty() {
        writeln!(text, "priorities = \"{priorities}\"")?;
    }
    if !stp.instances.vlans.is_empty() {
        writeln!(text, "vlans = \"{}\"", stp.instances.vlans)?;
    }
    Ok(())
}

fn write_tree_port(text: &mut String, port: &stp::PortConfig) -> fmt::Result {
    let standard = stp::PortConfig::default();
    if let Some(cost) = port.path_cost {
        writeln!(text, "cost = {cost}")?;
    }
    if port.priority != standard.priority {
        writeln!(text, "priority = {}", port.priority)?;
    }
    let truths = [
        ("edge", port.admin_edge, standard.admin_edge),
        ("auto-edge", port.auto_edge, standard.auto_edge),
        ("root-guard", port.restricted_role, standard.restricted_role),
        ("tcn-guard", port.restricted_tcn, standard.restricted_tcn),
        ("bpdu-guard", port.bpdu_guard, standard.bpdu_guard),
        ("bpdu-filter", port.bpdu_filter, standard.bpdu_filter),
        ("loop-guard", port.loop_guard, standard.loop_guard),
        (
            "bridge-assurance",
            port.bridge_assurance,
            standard.bridge_assurance,
        ),
    ];
    for (key, held, standard) in truths {
        if held != standard {
            writeln!(text, "{key} = {held}")?;
        }
    }
    match port.point_to_point {
        stp::PointToPoint::Auto => Ok(()),
        stp::PointToPoint::On => writeln!(text, "point-to-point = true"),
        stp::PointToPoint::Off => writeln!(text, "point-to-point = false"),
    }
}

fn write_rate(text: &mut String, rate: &RateLimits) -> fmt::Result {
    let mut write = |key, limit: Option<BitRate>| match limit {
        Some(limit) => writeln!(text, "{key} = \"{}\"", rate_text(limit.get())),
        None => Ok(()),
    };
    if rate.input == rate.output {
        write("rate", rate.input)?;
    } else {
        write("rate-in", rate.input)?;
        write("rate-out", rate.output)?;
    }
    match rate.burst {
        Some(burst) => writeln!(text, "burst = {}", burst.get()),
        None => Ok(()),
    }
}

fn write_protection(text: &mut String, port: &PortConfig) -> fmt::Result {
    let limits = [
        ("storm-broadcast", port.storm.broadcast),
        ("storm-multicast", port.storm.multicast),
        ("storm-unknown-unicast", port.storm.unknown_unicast),
    ];
    for (key, limit) in limits {
        if let Some(limit) = limit {
            writeln!(text, "{key} = {}", limit.get())?;
        }
    }
    if port.storm.action != StormAction::default() {
        writeln!(text, "storm-action = \"{}\"", port.storm.action.name())?;
    }
    if port.loop_detection != LoopDetection::default() {
        let word = port.loop_detection.name();
        writeln!(text, "loop-detection = \"{word}\"")?;
    }
    Ok(())
}

/// A TOML basic string.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            letter if letter.is_control() => {
                let _ = write!(quoted, "\\u{:04X}", u32::from(letter));
            }
            letter => quoted.push(letter),
        }
    }
    quoted.push('"');
    quoted
}
