//! `show spanning-tree`, short and `detail`.

use std::fmt::Write;

use super::{dotted, span, tree_name};
use crate::control::{EpochReply, SpanningTree, StpTimes, Tree, TreePort};

/// The short form: who is root, timers, and a line per port that takes part.
#[must_use]
pub fn spanning_tree(shown: &SpanningTree) -> String {
    let mut text = String::new();
    for tree in &shown.trees {
        // Writing to a String cannot fail.
        let _ = short(&mut text, shown, tree);
    }
    or_off(text)
}

/// The long form: counters and timers of tree and ports.
#[must_use]
pub fn spanning_tree_detail(shown: &SpanningTree) -> String {
    let mut text = String::new();
    for tree in &shown.trees {
        let _ = detail(&mut text, shown, tree);
    }
    or_off(text)
}

fn or_off(text: String) -> String {
    match text.is_empty() {
        true => "Spanning tree is off: every port that has a link forwards.\n".to_owned(),
        false => text,
    }
}

fn short(text: &mut String, shown: &SpanningTree, tree: &Tree) -> std::fmt::Result {
    writeln!(text, "{}", tree_name(&shown.protocol, tree.tree))?;
    writeln!(
        text,
        "  Spanning tree enabled protocol {}",
        word(&shown.protocol)
    )?;
    if let Some(epoch) = tree.epoch {
        writeln!(text, "  Epoch      {}{}", epoch.number, vouched(epoch))?;
    }
    region(text, shown, tree)?;
    writeln!(text, "  Root ID    Priority    {}", tree.root_priority)?;
    writeln!(text, "             Address     {}", dotted(tree.root_mac))?;
    match &tree.root_port {
        None => writeln!(text, "             This bridge is the root")?,
        Some(port) => {
            writeln!(text, "             Cost        {}", tree.root_path_cost)?;
            writeln!(
                text,
                "             Port        {} ({port})",
                number_of(tree, port)
            )?;
        }
    }
    write_times(text, &tree.root_times)?;
    let (priority, extension) = (tree.bridge_priority & 0xf000, tree.bridge_priority & 0x0fff);
    writeln!(
        text,
        "\n  Bridge ID  Priority    {}  (priority {priority} sys-id-ext {extension})",
        tree.bridge_priority
    )?;
    writeln!(text, "             Address     {}", dotted(tree.bridge_mac))?;
    write_times(text, &tree.bridge_times)?;
    writeln!(text, "             Aging Time  {} sec", shown.ageing)?;
    writeln!(text, "\nInterface        Role Sts Cost      Prio.Nbr Type")?;
    writeln!(
        text,
        "---------------- ---- --- --------- -------- --------------------------------"
    )?;
    for port in tree.ports.iter().filter(|port| port.role != "disabled") {
        let id = format!("{}.{}", port.priority, port.number);
        writeln!(
            text,
            "{:<16} {:<4} {:<4}{:<9} {id:<8} {}",
            port.name,
            short_role(&port.role),
            short_state(port),
            port.path_cost,
            link_type(&shown.protocol, port)
        )?;
    }
    for port in &tree.ports {
        if port.inconsistent.as_deref() == Some(BPDU_GUARD) {
            writeln!(text, "{:<16} is err-disabled by BPDU guard", port.name)?;
        }
    }
    Ok(())
}

fn vouched(epoch: EpochReply) -> &'static str {
    match epoch.vouched {
        true => "",
        false => ", in which the root has not vouched for its word",
    }
}

const BPDU_GUARD: &str = "bpdu-guard";

/// What IOS calls a protocol.
fn word(protocol: &str) -> &str {
    match protocol {
        "stp" | "pvst" => "ieee",
        "rapid-pvst" => "rstp",
        other => other,
    }
}

/// The region, and which VLANs go by the tree.
fn region(text: &mut String, shown: &SpanningTree, tree: &Tree) -> std::fmt::Result {
    let Some(region) = &shown.region else {
        return Ok(());
    };
    writeln!(
        text,
        "  Region     [{}] revision {}, digest {}",
        region.name, region.revision, region.digest
    )?;
    writeln!(text, "  VLANs      {}", tree.vlans)?;
    match &tree.regional_root {
        None => Ok(()),
        Some(root) => writeln!(
            text,
            "  Regional root {}.{}, cost {}, {} hops left",
            root.priority,
            dotted(root.mac),
            root.internal_path_cost,
            root.remaining_hops
        ),
    }
}

fn write_times(text: &mut String, times: &StpTimes) -> std::fmt::Result {
    writeln!(
        text,
        "             Hello Time  {:>2} sec  Max Age {:>2} sec  Forward Delay {:>2} sec",
        times.hello, times.max_age, times.forward_delay
    )
}

fn number_of(tree: &Tree, name: &str) -> u16 {
    let port = tree.ports.iter().find(|port| port.name == name);
    port.map_or(0, |port| port.number)
}

fn short_role(role: &str) -> &str {
    match role {
        "root" => "Root",
        "designated" => "Desg",
        "alternate" => "Altn",
        "backup" => "Back",
        "master" => "Mstr",
        other => other,
    }
}

/// Three letters, or `BKN*`: broken, kept from forwarding by a guard or a disagreement.
fn short_state(port: &TreePort) -> &str {
    if port.inconsistent.is_some() {
        return "BKN*";
    }
    match port.state.as_str() {
        "forwarding" => "FWD",
        "learning" => "LRN",
        "listening" => "LIS",
        "blocking" => "BLK",
        _ => "DIS",
    }
}

fn link_type(protocol: &str, port: &TreePort) -> String {
    let mut text = match port.point_to_point {
        true => "P2p".to_owned(),
        false => "Shr".to_owned(),
    };
    if port.edge {
        text.push_str(" Edge");
    }
    let is_rapid = matches!(protocol, "rstp" | "mstp" | "rapid-pvst");
    match (port.boundary, is_rapid && !port.rapid) {
        (false, false) => {}
        (false, true) => text.push_str(" Peer(STP)"),
        (true, false) => text.push_str(" Bound(RSTP)"),
        (true, true) => text.push_str(" Bound(STP)"),
    }
    if port.epochs == Some(false) {
        text.push_str(" NoEpochs");
    }
    match port.inconsistent.as_deref() {
        None | Some(BPDU_GUARD) => {}
        Some("root-inconsistent") => text.push_str(" *ROOT_Inc"),
        Some("loop-inconsistent") => text.push_str(" *LOOP_Inc"),
        Some("bridge-assurance-inconsistent") => text.push_str(" *BA_Inc"),
        Some("pvid-inconsistent") => text.push_str(" *PVID_Inc"),
        Some(_) => text.push_str(" *TYPE_Inc"),
    }
    text
}

fn detail(text: &mut String, shown: &SpanningTree, tree: &Tree) -> std::fmt::Result {
    let (priority, extension) = (tree.bridge_priority & 0xf000, tree.bridge_priority & 0x0fff);
    writeln!(
        text,
        " {} is executing the {} compatible Spanning Tree protocol",
        tree_name(&shown.protocol, tree.tree),
        word(&shown.protocol)
    )?;
    writeln!(
        text,
        "  Bridge Identifier has priority {priority}, sysid {extension}, address {}",
        dotted(tree.bridge_mac)
    )?;
    let own = tree.bridge_times;
    writeln!(
        text,
        "  Configured hello time {}, max age {}, forward delay {}",
        own.hello, own.max_age, own.forward_delay
    )?;
    match &tree.root_port {
        None => writeln!(text, "  We are the root of the spanning tree")?,
        Some(port) => {
            writeln!(
                text,
                "  Current root has priority {}, address {}",
                tree.root_priority,
                dotted(tree.root_mac)
            )?;
            writeln!(
                text,
                "  Root port is {} ({port}), cost of root path is {}",
                number_of(tree, port),
                tree.root_path_cost
            )?;
        }
    }
    if let Some(epoch) = tree.epoch {
        writeln!(text, "  Epoch {}{}", epoch.number, vouched(epoch))?;
    }
    topology_changes(text, tree)?;
    let now = tree.root_times;
    writeln!(
        text,
        "  Times:  hold 1, topology change {}, notification {}",
        now.max_age + now.forward_delay,
        now.hello
    )?;
    writeln!(
        text,
        "          hello {}, max age {}, forward delay {}",
        now.hello, now.max_age, now.forward_delay
    )?;
    writeln!(
        text,
        "  Aging time {} (configured {})",
        shown.ageing, shown.ageing_configured
    )?;
    for port in &tree.ports {
        port_detail(text, &shown.protocol, tree, port)?;
    }
    Ok(())
}

fn topology_changes(text: &mut String, tree: &Tree) -> std::fmt::Result {
    let changes = &tree.topology_changes;
    let set = |flag| if flag { "set" } else { "not set" };
    writeln!(
        text,
        "  Topology change flag {}, detected flag {}",
        set(changes.active),
        set(changes.detected)
    )?;
    write!(text, "  Number of topology changes {}", changes.count)?;
    match changes.last_ms {
        Some(last) => writeln!(text, " last change occurred {} ago", span(last))?,
        None => writeln!(text)?,
    }
    match &changes.last_port {
        Some(port) => writeln!(text, "          from {port}"),
        None => Ok(()),
    }
}

fn port_detail(
    text: &mut String,
    protocol: &str,
    tree: &Tree,
    port: &TreePort,
) -> std::fmt::Result {
    let role_and_state = match port.role.as_str() {
        "disabled" => "disabled".to_owned(),
        role => match &port.inconsistent {
            None => format!("{role} {}", port.state),
            Some(why) => format!("{role} {}, broken ({why})", port.state),
        },
    };
    writeln!(
        text,
        "\n Port {} ({}) of {} is {role_and_state}",
        port.number,
        port.name,
        tree_name(protocol, tree.tree)
    )?;
    writeln!(
        text,
        "   Port path cost {}, Port priority {}, Port Identifier {}.{}.",
        port.path_cost, port.priority, port.priority, port.number
    )?;
    writeln!(
        text,
        "   Designated root has priority {}, address {}",
        port.designated_root_priority,
        dotted(port.designated_root_mac)
    )?;
    writeln!(
        text,
        "   Designated bridge has priority {}, address {}",
        port.designated_bridge_priority,
        dotted(port.designated_bridge_mac)
    )?;
    writeln!(
        text,
        "   Designated port id is {}.{}, designated path cost {}",
        port.designated_port_priority, port.designated_port_number, port.designated_cost
    )?;
    let seconds = |timer: Option<u64>| timer.map_or(0, |left| left.div_ceil(1000));
    writeln!(
        text,
        "   Timers: message age {}, forward delay {}, hold {}",
        seconds(port.message_age_timer_ms),
        seconds(port.forward_delay_timer_ms),
        seconds(port.hold_timer_ms)
    )?;
    writeln!(
        text,
        "   Number of transitions to forwarding state: {}",
        port.forward_transitions
    )?;
    let link = if port.point_to_point {
        "point-to-point"
    } else {
        "shared"
    };
    let edge = if port.edge { ", edge" } else { "" };
    let epochs = match port.epochs {
        None => "",
        Some(true) => ", a neighbour with epochs",
        Some(false) => ", a neighbour without epochs",
    };
    writeln!(text, "   Link type is {link}{edge}{epochs}")?;
    let counted = port.bpdus;
    writeln!(
        text,
        "   BPDU: sent {}, received {} (topology change notifications: sent {}, received {})",
        counted.config_sent + counted.tcn_sent + counted.rst_sent + counted.mst_sent,
        counted.config_received
            + counted.tcn_received
            + counted.rst_received
            + counted.mst_received,
        counted.tcn_sent,
        counted.tcn_received
    )
}

#[cfg(test)]
mod tests;
