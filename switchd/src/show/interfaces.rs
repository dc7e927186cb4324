//! `show interfaces`.

use std::fmt::Write;

use super::dotted;
use crate::config::{AcceptableFrames, PortMode, rate_text};
use crate::control::Interface;

/// A line per port: what `show interfaces status` is on IOS.
#[must_use]
pub fn interface_status(interfaces: &[Interface]) -> String {
    let mut text = String::from(
        "Port             Nbr  Kind   Status       Mode         Vlan             State\n\
         ---------------- ---- ------ ------------ ------------ ---------------- ----------\n",
    );
    for port in interfaces {
        let (mode, vlan) = mode_and_vlan(&port.mode);
        let _ = writeln!(
            text,
            "{:<16} {:<4} {:<6} {:<12} {mode:<12} {vlan:<16} {}",
            port.name,
            port.number,
            port.kind.name(),
            status(port),
            port.state
        );
    }
    text
}

/// Frames and octets of every port, and why frames were dropped.
#[must_use]
pub fn interface_counters(interfaces: &[Interface]) -> String {
    let mut text = String::from(
        "Port                 InOctets     InFrames    OutOctets    OutFrames        Drops\n\
         ---------------- ------------ ------------ ------------ ------------ ------------\n",
    );
    for port in interfaces {
        let counted = &port.counters;
        let drops: u64 = counted.drops.values().sum();
        let _ = writeln!(
            text,
            "{:<16} {:>12} {:>12} {:>12} {:>12} {drops:>12}",
            port.name, counted.rx_octets, counted.rx_frames, counted.tx_octets, counted.tx_frames
        );
        for (reason, frames) in &counted.drops {
            let _ = writeln!(text, "{:>68} {frames:>12}", format!("dropped: {reason}"));
        }
    }
    text
}

/// All about one port.
#[must_use]
pub fn interface(port: &Interface) -> String {
    let mut text = String::new();
    let up = |up| if up { "up" } else { "down" };
    let (mode, vlan) = mode_and_vlan(&port.mode);
    let counted = &port.counters;
    let lines = [
        format!(
            "{} is {}, line protocol is {} ({})",
            port.name,
            if port.enabled {
                "up"
            } else {
                "administratively down"
            },
            up(port.link && port.enabled && port.disabled.is_none()),
            port.disabled.as_ref().map_or_else(
                || status(port).to_owned(),
                |reason| format!("err-disabled, {reason}")
            )
        ),
        format!(
            "  Hardware is {}, port number {}, address is {}",
            port.kind.name(),
            port.number,
            dotted(port.mac)
        ),
        format!("  {}", port.io),
        format!(
            "  Longest frame {} octets, takes in {}",
            port.frame_max,
            frames(port.frames)
        ),
        format!("  Mode {mode}, VLAN {vlan}{}", native(&port.mode)),
        format!("  Spanning tree state {}", port.state),
        format!(
            "     {} frames input, {} octets",
            counted.rx_frames, counted.rx_octets
        ),
        format!(
            "     {} frames output, {} octets",
            counted.tx_frames, counted.tx_octets
        ),
        format!("     {} drops", counted.drops.values().sum::<u64>()),
    ];
    let rates = [("input", port.rate_in), ("output", port.rate_out)];
    let rates = rates.iter().filter_map(|(way, rate)| {
        let rate = rate.as_ref()?;
        let bits = rate_text(rate.bits);
        Some(format!(
            "  Rate of {way} {bits}/s, burst {} octets",
            rate.burst
        ))
    });
    let [head @ .., input, output, drops] = lines;
    let lines = head.into_iter().chain(rates).chain([input, output, drops]);
    for line in lines {
        let _ = writeln!(text, "{line}");
    }
    for (reason, frames) in &counted.drops {
        let _ = writeln!(text, "        {frames} {reason}");
    }
    text
}

fn status(port: &Interface) -> &'static str {
    if port.disabled.is_some() {
        return "err-disabled";
    }
    match (port.enabled, port.link) {
        (false, _) => "disabled",
        (true, true) => "connected",
        (true, false) => "notconnect",
    }
}

const fn frames(frames: AcceptableFrames) -> &'static str {
    match frames {
        AcceptableFrames::All => "all frames",
        AcceptableFrames::Tagged => "tagged frames only",
        AcceptableFrames::Untagged => "untagged frames only",
    }
}

fn mode_and_vlan(mode: &PortMode) -> (&'static str, String) {
    match mode {
        PortMode::Access { vlan } => ("access", vlan.value().to_string()),
        PortMode::Trunk { allowed, .. } => ("trunk", allowed.to_string()),
        PortMode::Hybrid {
            tagged, untagged, ..
        } => ("hybrid", tagged.union(untagged).to_string()),
        PortMode::Dot1qTunnel { vlan } => ("dot1q-tunnel", vlan.value().to_string()),
    }
}

fn native(mode: &PortMode) -> String {
    match mode {
        PortMode::Trunk {
            native,
            native_tagged,
            ..
        } => {
            let tagged = if *native_tagged { " tagged" } else { "" };
            format!(", native {}{tagged}", native.value())
        }
        PortMode::Hybrid { pvid, untagged, .. } => {
            format!(", pvid {}, untagged {untagged}", pvid.value())
        }
        PortMode::Access { .. } | PortMode::Dot1qTunnel { .. } => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use pnet_base::MacAddr;

    use super::*;
    use crate::config::PortKind;
    use crate::control::{Counters, RateReply};
    use crate::vlan::default_vid;

    fn port() -> Interface {
        Interface {
            number: 2,
            name: "veth0".to_owned(),
            kind: PortKind::Packet,
            enabled: true,
            link: true,
            mac: MacAddr::new(2, 0, 0, 0, 0, 2),
            frame_max: 9216,
            mode: PortMode::Trunk {
                allowed: "1,10-20".parse().unwrap(),
                native: default_vid(),
                native_tagged: false,
            },
            frames: AcceptableFrames::All,
            state: "forwarding".to_owned(),
            disabled: None,
            rate_in: None,
            rate_out: None,
            io: "packet socket".to_owned(),
            counters: Counters {
                rx_frames: 12,
                rx_octets: 1234,
                tx_frames: 3,
                tx_octets: 180,
                drops: [("ingress-filter".to_owned(), 4), ("runt".to_owned(), 1)].into(),
            },
        }
    }

    #[test]
    fn status_is_a_line_per_port() {
        let mut down = port();
        down.name = "p3".to_owned();
        down.number = 3;
        down.kind = PortKind::Tap;
        down.enabled = false;
        down.mode = PortMode::default();
        down.state = "disabled".to_owned();
        assert_eq!(
            interface_status(&[port(), down]),
            "Port             Nbr  Kind   Status       Mode         Vlan             State
---------------- ---- ------ ------------ ------------ ---------------- ----------
veth0            2    packet connected    trunk        1,10-20          forwarding
p3               3    tap    disabled     access       1                disabled
"
        );
    }

    #[test]
    fn counters_name_every_reason_of_a_drop() {
        assert_eq!(
            interface_counters(&[port()]),
            "Port                 InOctets     InFrames    OutOctets    OutFrames        Drops
---------------- ------------ ------------ ------------ ------------ ------------
veth0                    1234           12          180            3            5
                                             dropped: ingress-filter            4
                                                       dropped: runt            1
"
        );
    }

    #[test]
    fn rates_are_told_where_there_are_some() {
        let limited = Interface {
            rate_in: Some(RateReply {
                bits: 1_000_000_000,
                burst: 2_500_000,
            }),
            ..port()
        };
        let text = interface(&limited);
        let line = "  Spanning tree state forwarding
  Rate of input 1Gbit/s, burst 2500000 octets
     12 frames input";
        assert!(text.contains(line), "{text}");
        assert!(!text.contains("Rate of output"), "{text}");
    }

    #[test]
    fn one_port_is_told_in_full() {
        assert_eq!(
            interface(&port()),
            "veth0 is up, line protocol is up (connected)
  Hardware is packet, port number 2, address is 0200.0000.0002
  packet socket
  Longest frame 9216 octets, takes in all frames
  Mode trunk, VLAN 1,10-20, native 1
  Spanning tree state forwarding
     12 frames input, 1234 octets
     3 frames output, 180 octets
     5 drops
        4 ingress-filter
        1 runt
"
        );
    }
}
