//! Why a port is what it is, as an answer.

use std::time::Duration;

use stp::{Candidate, Comparison, PortNumber, Reason, RoleReason, StateReason, TreeId};

use super::execute::{disabled, millis};
use super::{
    Error, ErrorCode, Target, TreeChoice, Waits, Why, WhyComparison, WhyRegional, WhyRole, WhyTree,
    WhyVector, tree,
};
use crate::switch::Switch;
use crate::trees::TreeProtocol;

/// Why `port` is what it is, in the chosen tree or in all it is in.
///
/// # Errors
/// The chosen tree does not exist, or the port is not in it.
pub(super) fn show(
    target: &impl Target,
    now: Duration,
    port: PortNumber,
    choice: Option<TreeChoice>,
) -> Result<Why, Error> {
    let switch = target.switch();
    let (name, enabled, link) = switch.port(port).map_or_else(
        || (port.to_string(), false, false),
        |state| {
            let settings = state.settings();
            (
                settings.name.to_string(),
                settings.enabled,
                state.is_link_up(),
            )
        },
    );
    let wanted = tree::chosen(switch, choice)?;
    let trees: Vec<WhyTree> = wanted
        .iter()
        .filter_map(|&tree| in_tree(switch, now, port, tree))
        .collect();
    if choice.is_some() && trees.is_empty() && !wanted.is_empty() {
        let message = format!("port {name} does not carry that VLAN");
        return Err(Error::new(ErrorCode::NotFound, message));
    }
    Ok(Why {
        port: name,
        protocol: switch.protocol().name().to_owned(),
        enabled,
        link,
        disabled: disabled(target, port),
        trees,
    })
}

fn in_tree(switch: &Switch, now: Duration, port: PortNumber, tree: TreeId) -> Option<WhyTree> {
    let status = switch.port_in_tree(tree, port)?;
    let Reason { role, state } = switch.why(tree, port)?;
    let (because, lan, path) = match role {
        RoleReason::NotOperational => (WhyRole::NotOperational, None, None),
        RoleReason::BestPath(path) => (WhyRole::BestPath, None, Some(path)),
        RoleReason::BetterOffer(lan) => (WhyRole::BetterOffer, Some(lan), None),
        RoleReason::NobodyElse => (WhyRole::NobodyElse, None, None),
        RoleReason::WorseOffer { lan, path } => (WhyRole::WorseOffer, Some(lan), path),
        RoleReason::OwnOffer(lan) => (WhyRole::OwnOffer, Some(lan), None),
        RoleReason::Boundary => (WhyRole::Boundary, None, None),
    };
    let (held, waits) = match state {
        StateReason::Disabled | StateReason::Forwarding | StateReason::Role => (None, None),
        StateReason::Held(inconsistency) => (Some(inconsistency.to_string()), None),
        StateReason::WaitsForAgreement { until } => (None, Some(("agreement", until))),
        StateReason::WaitsForDelay { until } => (None, Some(("delay", until))),
        StateReason::WaitsForFormerRoot { until } => (None, Some(("former-root", until))),
    };
    Some(WhyTree {
        tree: tree.get(),
        role: status.role.to_string(),
        state: status.state.to_string(),
        because,
        lan: lan.map(|lan| comparison(switch, &lan)),
        path: path.map(|path| comparison(switch, &path)),
        held,
        waits: waits.map(|(what, until)| Waits {
            what: what.to_owned(),
            at_most_ms: until.map(|until| millis(until.saturating_sub(now))),
        }),
    })
}

fn comparison(switch: &Switch, compared: &Comparison) -> WhyComparison {
    WhyComparison {
        winner: vector(switch, &compared.winner),
        loser: vector(switch, &compared.loser),
        decided_by: compared.decided_by.to_string(),
    }
}

fn vector(switch: &Switch, candidate: &Candidate) -> WhyVector {
    let vector = candidate.vector;
    let has_region = switch.protocol() == TreeProtocol::Mstp;
    let through = candidate.port.map(|(port, _)| {
        let port_name = switch.port(port).map(|state| state.settings().name);
        port_name.map_or_else(|| port.to_string(), |name| name.to_string())
    });
    WhyVector {
        root_priority: vector.root.settable(),
        root_mac: vector.root.address(),
        root_path_cost: vector.external_root_path_cost,
        regional: has_region.then(|| WhyRegional {
            priority: vector.regional_root.settable(),
            mac: vector.regional_root.address(),
            internal_path_cost: vector.internal_root_path_cost,
        }),
        bridge_priority: vector.designated_bridge.settable(),
        bridge_mac: vector.designated_bridge.address(),
        port_priority: vector.designated_port.priority().get(),
        port_number: vector.designated_port.number(),
        through,
    }
}
