//! Events as sentences.

use std::time::Duration;

use super::dotted;
use crate::event::{Event, FlushReason, Record, TopologyChangeStep};
use crate::frame::Cause;
use crate::protect::flood_name;

/// One event on one line: number, seconds of the machine's monotonic clock, what happened.
#[must_use]
pub fn event(record: &Record) -> String {
    format!(
        "{:>6}  {:>14}  {}",
        record.seq,
        seconds(record.time),
        sentence(&record.event)
    )
}

/// Of which tree; nothing of the common one.
fn of(tree: u16) -> String {
    match tree {
        0 => String::new(),
        tree => format!(" {tree}"),
    }
}

const fn held(why: stp::Inconsistency) -> &'static str {
    match why {
        stp::Inconsistency::Root => "root guard, a better root is announced there",
        stp::Inconsistency::Loop => "loop guard, the bridge there has fallen silent",
        stp::Inconsistency::BridgeAssurance => "bridge assurance, no BPDU comes from there",
        stp::Inconsistency::BpduGuard => "BPDU guard, a BPDU came; it is disabled",
        stp::Inconsistency::Pvid => "the far end takes the link for another VLAN",
        stp::Inconsistency::Type => "the far end takes the link for a trunk",
    }
}

fn seconds(time: Duration) -> String {
    format!("{}.{:06}", time.as_secs(), time.subsec_micros())
}

fn sentence(event: &Event) -> String {
    match event {
        Event::CamLearn {
            vlan,
            mac,
            port,
            cause,
        } => format!(
            "Host {} in vlan {} was learned on port {port} ({})",
            dotted(*mac),
            vlan.value(),
            words(*cause)
        ),
        Event::CamMove {
            vlan,
            mac,
            from,
            to,
            cause,
        } => format!(
            "Host {} in vlan {} moved from port {from} to port {to} ({})",
            dotted(*mac),
            vlan.value(),
            words(*cause)
        ),
        Event::CamExpire { vlan, mac, port } => format!(
            "Host {} in vlan {} was not heard for the ageing time and left port {port}",
            dotted(*mac),
            vlan.value()
        ),
        Event::CamEvict { vlan, mac, port } => format!(
            "Host {} in vlan {} on port {port} made room in a full table",
            dotted(*mac),
            vlan.value()
        ),
        Event::CamFlush {
            port,
            vlan,
            count,
            reason,
        } => {
            let of_port = port.map_or_else(String::new, |port| format!(" of port {port}"));
            let of_vlan =
                vlan.map_or_else(String::new, |vlan| format!(" in vlan {}", vlan.value()));
            format!(
                "{count} addresses{of_port}{of_vlan} were flushed ({})",
                flushed(*reason)
            )
        }
        Event::StpRole {
            tree,
            port,
            from,
            to,
        } => format!(
            "Spanning tree{}: port {port} is now {to}, was {from}",
            of(*tree)
        ),
        Event::StpState {
            tree,
            port,
            from,
            to,
        } => format!(
            "Spanning tree{}: port {port} went from {from} to {to}",
            of(*tree)
        ),
        Event::StpRoot {
            tree,
            root_priority,
            root_address,
            path_cost,
            port,
        } => match port {
            Some(port) => format!(
                "Spanning tree{}: root is {root_priority} {}, cost {path_cost} by port {port}",
                of(*tree),
                dotted(*root_address)
            ),
            None => format!(
                "Spanning tree{}: this bridge is the root ({root_priority} {})",
                of(*tree),
                dotted(*root_address)
            ),
        },
        Event::TopologyChange { tree, port, what } => {
            let at = port.map_or_else(String::new, |port| format!(" (port {port})"));
            format!("Topology change{} {}{at}", of(*tree), step(*what))
        }
        Event::ShortAgeing { tree: 0, active } => match active {
            true => {
                "Addresses now age after the forward delay: a topology change is active".to_owned()
            }
            false => "Addresses age after the configured time again".to_owned(),
        },
        Event::ShortAgeing { tree, active } => match active {
            true => {
                format!("Addresses in tree {tree} are learned anew: a topology change is active")
            }
            false => format!("The topology change in tree {tree} is over"),
        },
        Event::StpInconsistent {
            tree,
            port,
            inconsistent,
        } => match inconsistent {
            Some(why) => format!(
                "Spanning tree{}: port {port} is held: {}",
                of(*tree),
                held(*why)
            ),
            None => format!("Spanning tree{}: port {port} is no longer held", of(*tree)),
        },
        Event::PortDisabled {
            port,
            reason,
            active,
        } => match active {
            true => format!("Port {port} is disabled: {}", reason.name()),
            false => format!("Port {port} is tried again after {}", reason.name()),
        },
        Event::Storm { port, what, active } => match active {
            true => format!(
                "Storm of {} frames on port {port}: above the limit",
                flood_name(*what)
            ),
            false => format!(
                "Storm of {} frames on port {port} is over",
                flood_name(*what)
            ),
        },
        Event::Flapping {
            vlan,
            mac,
            from,
            to,
        } => format!(
            "MACFLAP_NOTIF: Host {} in vlan {} is flapping between port {from} and port {to}",
            dotted(*mac),
            vlan.value()
        ),
        Event::Link { port, up } => {
            format!(
                "Link of port {port} came {}",
                if *up { "up" } else { "down" }
            )
        }
        Event::PortAdded { port } => format!("Port {port} was added"),
        Event::PortRemoved { port } => format!("Port {port} was removed"),
    }
}

/// A kind of frame, in words.
pub(crate) const fn words(cause: Cause) -> &'static str {
    match cause {
        Cause::Rarp => "a RARP announcement",
        Cause::GratuitousArp => "a gratuitous ARP",
        Cause::Arp => "an ARP",
        Cause::Ipv4 => "an IPv4 packet",
        Cause::Other => "a frame of another kind",
    }
}

/// The reason of a flush, in words.
pub(crate) const fn flushed(reason: FlushReason) -> &'static str {
    match reason {
        FlushReason::Management => "somebody asked",
        FlushReason::LinkDown => "the link went down",
        FlushReason::NotForwarding => "the port no longer forwards",
        FlushReason::VlanChanged => "the port's VLANs changed",
        FlushReason::PortRemoved => "the port was removed",
        FlushReason::TopologyChange => "topology change",
    }
}

const fn step(step: TopologyChangeStep) -> &'static str {
    match step {
        TopologyChangeStep::Detected => "detected",
        TopologyChangeStep::Notified => "notified from below",
        TopologyChangeStep::Acknowledged => "acknowledged by the designated bridge",
        TopologyChangeStep::Active => "active",
        TopologyChangeStep::Ended => "over",
    }
}

#[cfg(test)]
mod tests {
    use etherparse::VlanId;

    use super::*;

    #[test]
    fn a_move_reads_as_a_sentence_with_its_cause() {
        let record = Record {
            seq: 12,
            time: Duration::from_nanos(1_234_567_891_000),
            event: Event::CamMove {
                vlan: VlanId::try_new(10).unwrap(),
                mac: "00:15:5d:91:85:02".parse().unwrap(),
                from: "p20".parse().unwrap(),
                to: "p1".parse().unwrap(),
                cause: Cause::GratuitousArp,
            },
        };
        assert_eq!(
            event(&record),
            "    12     1234.567891  Host 0015.5d91.8502 in vlan 10 moved from port p20 to port p1 (a gratuitous ARP)"
        );
    }

    #[test]
    fn a_flush_names_what_and_why() {
        let flush = Event::CamFlush {
            port: Some("p1".parse().unwrap()),
            vlan: None,
            count: 3,
            reason: FlushReason::LinkDown,
        };
        assert_eq!(
            sentence(&flush),
            "3 addresses of port p1 were flushed (the link went down)"
        );
    }
}
