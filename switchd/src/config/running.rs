//! A configuration as the file that reproduces it.

use core::fmt::{self, Write};

use super::{AcceptableFrames, Config, Io, PortConfig, PortKind, PortMode};

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
    if !config.offload {
        writeln!(text, "offload = false")?;
    }
    let times = config.stp.times;
    writeln!(text, "\n[stp]")?;
    writeln!(text, "enabled = {}", config.stp.enabled)?;
    writeln!(text, "priority = {}", config.stp.priority)?;
    writeln!(text, "hello = {}", times.hello_time().as_secs())?;
    writeln!(text, "max-age = {}", times.max_age().as_secs())?;
    writeln!(text, "forward-delay = {}", times.forward_delay().as_secs())?;
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
    let kind = match port.kind {
        PortKind::Tap => "tap",
        PortKind::Packet => "packet",
    };
    writeln!(text, "kind = \"{kind}\"")?;
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
    if let Some(cost) = port.cost {
        writeln!(text, "cost = {cost}")?;
    }
    if port.priority != stp::PortPriority::default() {
        writeln!(text, "priority = {}", port.priority)?;
    }
    if port.edge {
        writeln!(text, "edge = true")?;
    }
    if port.down {
        writeln!(text, "down = true")?;
    }
    if let Some(offload) = port.offload {
        writeln!(text, "offload = {offload}")?;
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
