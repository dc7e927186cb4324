//! The grammar of `switchctl`.

use super::words::{ParseError, Words};
use crate::config::{self, PortKind, PortSettings, StpSettings, VlanNumber, parse_mac};
use crate::control::{Command, MacFilter, TreeChoice};

/// What a command line asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Ask the switch, and show the answer this way.
    Ask(Box<Command>, Output),
    /// Print events.
    Events {
        /// Go on as they happen, rather than stop at the last.
        follow: bool,
        /// From this number on; `None`: from the oldest kept, or with `follow` from now on.
        since: Option<u64>,
    },
}

/// How an answer is shown as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// The whole answer in its usual form.
    Plain,
    /// Only how many addresses.
    Count,
    /// With timers and counters.
    Detail,
    /// Counters of all ports.
    Counters,
    /// One port in full.
    OnePort,
}

/// Reads the words after the name of the switch.
///
/// # Errors
/// No command: which word is wrong, and what is possible there.
pub fn parse(words: &[String]) -> Result<Action, ParseError> {
    let mut words = Words::new(words);
    let verbs = [
        "show", "why", "clear", "set", "no", "add", "remove", "events",
    ];
    let action = match words.keyword(&verbs)? {
        "show" => show(&mut words)?,
        "why" => why(&mut words)?,
        "clear" => clear(&mut words)?,
        "set" => plain(set(&mut words)?),
        "no" => {
            if words.peek_keyword(&["set"]).is_some() {
                words.keyword(&["set"])?;
            }
            plain(unpin(&mut words)?)
        }
        "add" => plain(add(&mut words)?),
        "remove" => {
            words.keyword(&["port"])?;
            let port = words.value("the name of a port")?.to_owned();
            plain(Command::RemovePort { port })
        }
        _ => events(&mut words)?,
    };
    words.end()?;
    Ok(action)
}

fn plain(command: Command) -> Action {
    Action::Ask(Box::new(command), Output::Plain)
}

fn show(words: &mut Words<'_>) -> Result<Action, ParseError> {
    let nouns = [
        "mac",
        "spanning-tree",
        "vlan",
        "interfaces",
        "running-config",
        "version",
    ];
    Ok(match words.keyword(&nouns)? {
        "mac" => show_mac(words)?,
        "spanning-tree" => show_spanning_tree(words)?,
        "vlan" => plain(Command::ShowVlan),
        "interfaces" => show_interfaces(words)?,
        "running-config" => plain(Command::ShowRunningConfig),
        _ => plain(Command::ShowVersion),
    })
}

/// `[vlan N|mst N] [detail]`, in either order.
fn show_spanning_tree(words: &mut Words<'_>) -> Result<Action, ParseError> {
    let (mut tree, mut output) = (None, Output::Plain);
    while !words.is_at_end() {
        match words.keyword(&["vlan", "mst", "detail"])? {
            "vlan" => tree = Some(TreeChoice::Vlan(vlan(words)?)),
            "mst" => tree = Some(TreeChoice::Mst(instance(words)?)),
            _ => output = Output::Detail,
        }
    }
    Ok(Action::Ask(
        Box::new(Command::ShowSpanningTree { tree }),
        output,
    ))
}

/// `port P [vlan N|mst N]`.
fn why(words: &mut Words<'_>) -> Result<Action, ParseError> {
    words.keyword(&["port"])?;
    let port = words.value("the name of a port")?.to_owned();
    let tree = match words.is_at_end() {
        true => None,
        false => Some(match words.keyword(&["vlan", "mst"])? {
            "vlan" => TreeChoice::Vlan(vlan(words)?),
            _ => TreeChoice::Mst(instance(words)?),
        }),
    };
    Ok(plain(Command::Why { port, tree }))
}

fn instance(words: &mut Words<'_>) -> Result<u16, ParseError> {
    words.read("an instance (0..4094)", |word| {
        let number = word.parse().ok().filter(|number| *number <= 4094);
        number.ok_or_else(|| format!("'{word}' is not an instance (0..4094)"))
    })
}

fn show_mac(words: &mut Words<'_>) -> Result<Action, ParseError> {
    words.keyword(&["address-table"])?;
    let mut filter = MacFilter::default();
    let mut count = false;
    while !words.is_at_end() {
        match words.keyword(&["vlan", "interface", "address", "count"])? {
            "count" => count = true,
            key => take_filter(words, key, &mut filter)?,
        }
    }
    Ok(match count {
        true if filter == MacFilter::default() => {
            Action::Ask(Box::new(Command::ShowMacCount), Output::Count)
        }
        true => Action::Ask(Box::new(Command::ShowMac(filter)), Output::Count),
        false => plain(Command::ShowMac(filter)),
    })
}

fn take_filter(words: &mut Words<'_>, key: &str, filter: &mut MacFilter) -> Result<(), ParseError> {
    match key {
        "vlan" => filter.vlan = Some(vlan(words)?),
        "interface" => filter.interface = Some(words.value("the name of a port")?.to_owned()),
        _ => filter.mac = Some(mac(words)?),
    }
    Ok(())
}

fn vlan(words: &mut Words<'_>) -> Result<VlanNumber, ParseError> {
    words.read("a VLAN (1..4094)", |word| {
        word.parse().map_err(|error| format!("{error}"))
    })
}

fn mac(words: &mut Words<'_>) -> Result<pnet_base::MacAddr, ParseError> {
    words.read("a MAC address", |word| {
        parse_mac(word).ok_or_else(|| {
            format!("'{word}' is not a MAC address (5254.0000.0005 or 52:54:00:00:00:05)")
        })
    })
}

fn number(words: &mut Words<'_>, what: &str) -> Result<u32, ParseError> {
    words.read(what, |word| {
        word.parse().map_err(|_| format!("'{word}' is not {what}"))
    })
}

fn show_interfaces(words: &mut Words<'_>) -> Result<Action, ParseError> {
    if words.is_at_end() {
        let interface = None;
        return Ok(plain(Command::ShowInterfaces { interface }));
    }
    let is_counters = words.peek_keyword(&["counters"]).is_some();
    let interface = match is_counters {
        true => None,
        false => Some(words.value("the name of a port")?.to_owned()),
    };
    let output = match (words.is_at_end(), &interface) {
        (true, Some(_)) => Output::OnePort,
        _ => {
            words.keyword(&["counters"])?;
            Output::Counters
        }
    };
    Ok(Action::Ask(
        Box::new(Command::ShowInterfaces { interface }),
        output,
    ))
}

fn clear(words: &mut Words<'_>) -> Result<Action, ParseError> {
    if words.keyword(&["mac", "spanning-tree"])? == "spanning-tree" {
        return clear_detected_protocols(words);
    }
    words.keyword(&["address-table"])?;
    words.keyword(&["dynamic"])?;
    let mut filter = MacFilter::default();
    while !words.is_at_end() {
        let key = words.keyword(&["vlan", "interface", "address"])?;
        take_filter(words, key, &mut filter)?;
    }
    Ok(plain(Command::ClearMac(filter)))
}

fn clear_detected_protocols(words: &mut Words<'_>) -> Result<Action, ParseError> {
    words.keyword(&["detected-protocols"])?;
    let interface = if words.is_at_end() {
        None
    } else {
        words.keyword(&["interface"])?;
        Some(words.value("the name of a port")?.to_owned())
    };
    Ok(plain(Command::CheckMigration { interface }))
}

fn set(words: &mut Words<'_>) -> Result<Command, ParseError> {
    let nouns = ["port", "spanning-tree", "ageing-time", "mac", "no"];
    match words.keyword(&nouns)? {
        "port" => {
            let port = words.value("the name of a port")?.to_owned();
            let settings = port_settings(words)?;
            if settings == PortSettings::default() {
                words.keyword(PORT_WORDS)?;
            }
            Ok(Command::SetPort { port, settings })
        }
        "spanning-tree" => set_stp(words),
        "ageing-time" => {
            let seconds = number(words, "a time in seconds (10..1000000)")?.into();
            Ok(Command::SetAgeing { seconds })
        }
        "mac" => pin(words),
        _ => unpin(words),
    }
}

/// What may be said of a port after its name: the keys of the configuration, and `up`.
const PORT_WORDS: &[&str] = &[
    "up",
    "down",
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
];

/// Those of them that are on when named, and may be followed by `on` or `off`.
const SWITCHES: &[&str] = &[
    "edge",
    "native-tagged",
    "auto-edge",
    "root-guard",
    "tcn-guard",
    "bpdu-guard",
    "bpdu-filter",
    "loop-guard",
    "bridge-assurance",
];

fn port_settings(words: &mut Words<'_>) -> Result<PortSettings, ParseError> {
    let mut settings = PortSettings::default();
    while !words.is_at_end() {
        let word = words.keyword(PORT_WORDS)?;
        let taken = match word {
            "up" => settings.take("down", Some("off")),
            "down" => settings.take("down", None),
            "hybrid" => settings.take("hybrid", None),
            word if SWITCHES.contains(&word) => {
                let given = words.peek_keyword(&["on", "off"]);
                if given.is_some() {
                    words.keyword(&["on", "off"])?;
                }
                settings.take(word, given)
            }
            "trunk" => {
                let next_is_list = !words.is_at_end() && words.peek_keyword(PORT_WORDS).is_none();
                let list = next_is_list.then(|| words.value("VLANs")).transpose()?;
                settings.take("trunk", list)
            }
            word => {
                let value = words.value(&format!("a value for {word}"))?;
                settings.take(word, Some(value))
            }
        };
        taken.map_err(|message| words.error_before(message))?;
    }
    Ok(settings)
}

const STP_WORDS: &[&str] = &[
    "on",
    "off",
    "protocol",
    "priority",
    "hello-time",
    "max-age",
    "forward-time",
    "hold-count",
    "max-hops",
    "guard-recovery",
    "epochs",
    "region",
    "revision",
    "instances",
    "tree-priorities",
    "vlans",
];

fn set_stp(words: &mut Words<'_>) -> Result<Command, ParseError> {
    let mut settings = StpSettings::default();
    loop {
        let taken = match words.keyword(STP_WORDS)? {
            "on" => settings.take("enabled", Some("on")),
            "off" => settings.take("enabled", Some("off")),
            "priority" => {
                let range = "a bridge priority (0..61440 in steps of 4096)";
                settings.take("priority", Some(words.value(range)?))
            }
            "hello-time" => settings.take("hello", Some(words.value("a time in seconds (1..10)")?)),
            "max-age" => settings.take("max-age", Some(words.value("a time in seconds (6..40)")?)),
            "forward-time" => {
                let value = words.value("a time in seconds (4..30)")?;
                settings.take("forward-delay", Some(value))
            }
            // As many groups as follow: instances 1:10,20 2:30.
            key @ ("instances" | "tree-priorities") => {
                let mut groups = Vec::new();
                while !words.is_at_end() && words.peek_keyword(STP_WORDS).is_none() {
                    groups.push(words.value("a group such as 1:10,20")?);
                }
                let key = if key == "instances" {
                    key
                } else {
                    "priorities"
                };
                settings.take(key, Some(&groups.join(" ")))
            }
            key => settings.take(key, Some(words.value(&format!("a value for {key}"))?)),
        };
        taken.map_err(|message| words.error_before(message))?;
        if words.is_at_end() {
            return Ok(Command::SetSpanningTree(settings));
        }
    }
}

fn pin(words: &mut Words<'_>) -> Result<Command, ParseError> {
    words.keyword(&["address-table"])?;
    words.keyword(&["static"])?;
    let mac = mac(words)?;
    words.keyword(&["vlan"])?;
    let vlan = vlan(words)?;
    words.keyword(&["interface"])?;
    let port = words.value("the name of a port")?.to_owned();
    Ok(Command::SetStaticMac { vlan, mac, port })
}

fn unpin(words: &mut Words<'_>) -> Result<Command, ParseError> {
    words.keyword(&["mac"])?;
    words.keyword(&["address-table"])?;
    words.keyword(&["static"])?;
    let mac = mac(words)?;
    words.keyword(&["vlan"])?;
    let vlan = vlan(words)?;
    if !words.is_at_end() {
        // As IOS takes it; an address is pinned to one port only.
        words.keyword(&["interface"])?;
        words.value("the name of a port")?;
    }
    Ok(Command::RemoveStaticMac { vlan, mac })
}

/// The kinds of port that can be added to a running switch: descriptors are handed over at its start.
const KINDS: [PortKind; 5] = [
    PortKind::Packet,
    PortKind::Tap,
    PortKind::Stream,
    PortKind::Dgram,
    PortKind::Udp,
];

fn add(words: &mut Words<'_>) -> Result<Command, ParseError> {
    words.keyword(&["port"])?;
    let written = words.value("the name of a port")?;
    let mut settings = PortSettings::default();
    let mut port = String::new();
    // `p9:access=10`, as on the command line of switchd.
    for entry in config::parse_port(written, &config::Origin::Nowhere) {
        match entry.key.as_str() {
            "name" => port = entry.value.unwrap_or_default(),
            key => settings
                .take(key, entry.value.as_deref())
                .map_err(|message| words.error_before(message))?,
        }
    }
    let kind = KINDS.into_iter().find(|kind| {
        words.peek_keyword(&[kind.name()]).is_some() && words.peek_keyword(PORT_WORDS).is_none()
    });
    if let Some(kind) = kind {
        words.keyword(&[kind.name()])?;
    }
    let more = port_settings(words)?;
    if settings == PortSettings::default() {
        settings = more;
    } else if more != PortSettings::default() {
        return Err(words.error_before("give options with ':' or as words, not both"));
    }
    Ok(Command::AddPort {
        port,
        kind,
        settings,
    })
}

fn events(words: &mut Words<'_>) -> Result<Action, ParseError> {
    let (mut follow, mut since) = (false, None);
    while !words.is_at_end() {
        match words.keyword(&["--follow", "--since", "-f", "follow", "since"])? {
            "--since" | "since" => {
                since = Some(words.read("the number of an event", |word| {
                    word.parse()
                        .map_err(|_| format!("'{word}' is not the number of an event"))
                })?);
            }
            _ => follow = true,
        }
    }
    Ok(Action::Events { follow, since })
}

#[cfg(test)]
mod tests;
