//! `why port P`: the comparison that decided, in sentences.

use std::fmt::Write;

use super::{dotted, tree_name};
use crate::control::{Waits, Why, WhyComparison, WhyRole, WhyTree, WhyVector};

/// Why a port has its roles and its states.
#[must_use]
pub fn why(why: &Why) -> String {
    let mut text = String::new();
    if let Some(down) = down(why) {
        let _ = writeln!(text, "{} is disabled: {down}.", why.port);
        return text;
    }
    if why.trees.is_empty() {
        let _ = match why.protocol.as_str() {
            "off" => writeln!(
                text,
                "{} forwards: spanning tree is off, and it has a link.",
                why.port
            ),
            _ => writeln!(
                text,
                "{} carries no VLAN that has a spanning tree.",
                why.port
            ),
        };
    }
    for tree in &why.trees {
        // Writing to a String cannot fail.
        let _ = one(&mut text, why, tree);
    }
    text
}

/// Why it takes part in nothing.
fn down(why: &Why) -> Option<&'static str> {
    match (why.enabled, why.disabled.as_deref(), why.link) {
        (false, _, _) => Some("it is administratively down"),
        (true, Some("bpdu-guard"), _) => Some("BPDU guard, a BPDU came where none may come"),
        (true, Some("storm"), _) => Some("storm control, more came in than its limit"),
        (true, Some(_), _) => {
            Some("loop detection, addresses moved to and fro between it and another port")
        }
        (true, None, false) => Some("it has no link"),
        (true, None, true) => None,
    }
}

fn one(text: &mut String, why: &Why, tree: &WhyTree) -> std::fmt::Result {
    let WhyTree {
        role,
        state,
        lan,
        path,
        ..
    } = tree;
    writeln!(
        text,
        "{} is {role} and {state} in {}",
        why.port,
        tree_name(&why.protocol, tree.tree)
    )?;
    writeln!(text, "  Role: {}", because(tree))?;
    if let Some(lan) = lan {
        compared(text, "said on its LAN", lan)?;
    }
    if let Some(path) = path {
        compared(text, "way to the root", path)?;
    }
    writeln!(text, "  State: {}", state_because(tree))
}

fn because(tree: &WhyTree) -> &'static str {
    match tree.because {
        WhyRole::NotOperational => "it takes no part",
        WhyRole::BestPath => "the best way to the root goes through it",
        WhyRole::BetterOffer => "on its LAN this bridge offers the best way to the root",
        WhyRole::NobodyElse => "nobody else offers a way to the root on its LAN",
        WhyRole::WorseOffer if tree.path.is_none() => {
            "another bridge offers a better way on its LAN, and it must not be the root port"
        }
        WhyRole::WorseOffer => {
            "another bridge offers a better way on its LAN, and it is not the best for this bridge"
        }
        WhyRole::OwnOffer => "another port of this bridge is on the same LAN, and comes first",
        WhyRole::Boundary => "the region ends here: as the common spanning tree has it",
    }
}

fn compared(text: &mut String, what: &str, compared: &WhyComparison) -> std::fmt::Result {
    writeln!(text, "    best {what:<16} {}", vector(&compared.winner))?;
    writeln!(text, "    against {:<13} {}", "", vector(&compared.loser))?;
    writeln!(text, "    decided by the {}", compared.decided_by)
}

fn vector(vector: &WhyVector) -> String {
    let mut text = format!(
        "root {}.{} cost {}",
        vector.root_priority,
        dotted(vector.root_mac),
        vector.root_path_cost
    );
    if let Some(regional) = &vector.regional {
        let _ = write!(
            text,
            ", regional root {}.{} cost {}",
            regional.priority,
            dotted(regional.mac),
            regional.internal_path_cost
        );
    }
    let _ = write!(
        text,
        ", bridge {}.{} port {}.{}",
        vector.bridge_priority,
        dotted(vector.bridge_mac),
        vector.port_priority,
        vector.port_number
    );
    if let Some(port) = &vector.through {
        let _ = write!(text, ", through {port}");
    }
    text
}

fn state_because(tree: &WhyTree) -> String {
    if let Some(held) = &tree.held {
        return match held.as_str() {
            "root-inconsistent" => "root guard holds it, a better root is announced there",
            "loop-inconsistent" => "loop guard holds it, the bridge there has fallen silent",
            "bridge-assurance-inconsistent" => {
                "bridge assurance holds it, no BPDU comes from there"
            }
            "pvid-inconsistent" => "held, the far end takes the link for another VLAN",
            "type-inconsistent" => "held, the far end takes the link for a trunk",
            _ => "BPDU guard has disabled it",
        }
        .to_owned();
    }
    if let Some(Waits { what, at_most_ms }) = &tree.waits {
        let left = at_most_ms.map_or_else(String::new, |left| {
            format!(", {}.{:03} s at most", left / 1000, left % 1000)
        });
        return match what.as_str() {
            "agreement" => format!("it waits for the far end to agree{left}"),
            "former-root" => format!("it waits for the former root port to block{left}"),
            _ => format!("it waits for the forward delay{left}"),
        };
    }
    match (tree.role.as_str(), tree.state.as_str()) {
        ("disabled", _) => "it is disabled",
        (_, "forwarding") => "its role forwards, and has gone all the way",
        _ => "its role forwards nothing",
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use pnet_base::MacAddr;

    fn said(last: u8, cost: u32, through: Option<&str>) -> WhyVector {
        WhyVector {
            root_priority: 4096,
            root_mac: MacAddr::new(2, 0, 0, 0, 0, 1),
            root_path_cost: cost,
            regional: None,
            bridge_priority: 32_768,
            bridge_mac: MacAddr::new(2, 0, 0, 0, 0, last),
            port_priority: 128,
            port_number: 2,
            through: through.map(str::to_owned),
        }
    }

    fn blocked() -> Why {
        Why {
            port: "p2".to_owned(),
            protocol: "rstp".to_owned(),
            enabled: true,
            link: true,
            disabled: None,
            trees: vec![WhyTree {
                tree: 0,
                role: "alternate".to_owned(),
                state: "blocking".to_owned(),
                because: WhyRole::WorseOffer,
                lan: Some(WhyComparison {
                    winner: said(2, 4, None),
                    loser: said(3, 4, None),
                    decided_by: "designated bridge".to_owned(),
                }),
                path: Some(WhyComparison {
                    winner: said(1, 4, Some("p1")),
                    loser: said(2, 8, Some("p2")),
                    decided_by: "root path cost".to_owned(),
                }),
                held: None,
                waits: None,
            }],
        }
    }

    #[test]
    fn a_blocked_port_has_both_comparisons() {
        assert_eq!(
            why(&blocked()),
            "p2 is alternate and blocking in VLAN0001
  Role: another bridge offers a better way on its LAN, and it is not the best for this bridge
    best said on its LAN  root 4096.0200.0000.0001 cost 4, bridge 32768.0200.0000.0002 port 128.2
    against               root 4096.0200.0000.0001 cost 4, bridge 32768.0200.0000.0003 port 128.2
    decided by the designated bridge
    best way to the root  root 4096.0200.0000.0001 cost 4, bridge 32768.0200.0000.0001 port 128.2, through p1
    against               root 4096.0200.0000.0001 cost 8, bridge 32768.0200.0000.0002 port 128.2, through p2
    decided by the root path cost
  State: its role forwards nothing
"
        );
    }

    #[test]
    fn what_takes_no_part_says_why() {
        let mut port = blocked();
        port.link = false;
        assert_eq!(why(&port), "p2 is disabled: it has no link.\n");
        port.disabled = Some("bpdu-guard".to_owned());
        assert!(why(&port).contains("BPDU guard"));
        port.enabled = false;
        assert!(why(&port).contains("administratively down"));
        let mut off = blocked();
        off.protocol = "off".to_owned();
        off.trees.clear();
        assert!(why(&off).contains("spanning tree is off"));
    }

    #[test]
    fn guards_and_waits_are_told() {
        let mut port = blocked();
        port.trees[0].held = Some("root-inconsistent".to_owned());
        assert!(why(&port).contains("State: root guard holds it"));
        port.trees[0].held = None;
        port.trees[0].waits = Some(Waits {
            what: "agreement".to_owned(),
            at_most_ms: Some(14_250),
        });
        assert!(why(&port).contains("far end to agree, 14.250 s at most"));
    }
}
