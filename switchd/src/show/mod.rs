//! Answers as text, in the layout that users of IOS know by heart.

mod events;
mod interfaces;
mod mac;
mod spanning_tree;
mod vlan;
mod why;

use std::fmt::Write;

use pnet_base::MacAddr;

use crate::control::{Greeting, Version};

pub use events::event;
pub(crate) use events::{flushed, words};
pub use interfaces::{interface, interface_counters, interface_status};
pub use mac::{mac_count, mac_filtered_count, mac_table};
pub use spanning_tree::{spanning_tree, spanning_tree_detail};
pub use vlan::vlans;
pub use why::why;

/// `5254.0000.0005`: an address as IOS writes it.
#[must_use]
pub fn dotted(mac: MacAddr) -> String {
    let [a, b, c, d, e, f] = mac.octets();
    format!("{a:02x}{b:02x}.{c:02x}{d:02x}.{e:02x}{f:02x}")
}

/// What IOS calls a tree: the common one is that of VLAN 1, unless there are regions.
fn tree_name(protocol: &str, tree: u16) -> String {
    match (protocol, tree) {
        ("mstp", tree) => format!("MST{tree}"),
        (_, 0) => "VLAN0001".to_owned(),
        (_, tree) => format!("VLAN{tree:04}"),
    }
}

/// `01:02:03`, or days beyond a day: how long something took.
#[must_use]
pub fn span(millis: u64) -> String {
    let seconds = millis / 1000;
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let clock = format!("{:02}:{:02}:{:02}", rest / 3600, rest / 60 % 60, rest % 60);
    match days {
        0 => clock,
        days => format!("{days}d {clock}"),
    }
}

/// `show version`.
#[must_use]
pub fn version(version: &Version) -> String {
    format!(
        "switchd {}, control protocol {}\n\
         {} uptime is {}\n\
         Process {}, bridge address {}, {} ports\n",
        version.switchd,
        version.protocol,
        version.name,
        span(version.uptime_ms),
        version.pid,
        dotted(version.mac),
        version.ports
    )
}

/// The switches of a run directory.
#[must_use]
pub fn switches(live: &[Greeting], stale: &[String]) -> String {
    let mut text = String::from("Switch           Pid     Version\n");
    text.push_str("---------------- ------- -------\n");
    for switch in live {
        let _ = writeln!(
            text,
            "{:<16} {:<7} {}",
            switch.name, switch.pid, switch.switchd
        );
    }
    for name in stale {
        let _ = writeln!(text, "{name:<16} -       does not answer");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_read_like_a_clock() {
        assert_eq!(span(999), "00:00:00");
        assert_eq!(span(3_723_000), "01:02:03");
        assert_eq!(span(86_400_000 + 1000), "1d 00:00:01");
    }

    #[test]
    fn version_names_process_and_uptime() {
        let shown = version(&Version {
            switchd: "0.1.0".to_owned(),
            protocol: 1,
            name: "sw1".to_owned(),
            pid: 7,
            uptime_ms: 61_000,
            mac: MacAddr::new(2, 0, 0, 0, 0, 1),
            ports: 3,
        });
        assert_eq!(
            shown,
            "switchd 0.1.0, control protocol 1\nsw1 uptime is 00:01:01\nProcess 7, bridge address 0200.0000.0001, 3 ports\n"
        );
    }
}
