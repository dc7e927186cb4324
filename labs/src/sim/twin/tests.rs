use serde_json::Value;
use stp::{PortRole, RoleReason, StateReason, TreeId, TreeVector};

use super::*;
use crate::scenarios::SCENARIOS;
use crate::sim::PortRef;
use crate::topology::StepKind;

fn lab(name: &str) -> Topology {
    let scenario = SCENARIOS.iter().find(|scenario| scenario.name == name);
    Topology::parse(name, scenario.unwrap().text).unwrap()
}

/// Every step does what it should, and whenever the network stands between two, every blocked port has its reason.
#[test]
fn every_built_in_lab_goes_well() {
    let (mut blocked, mut looked) = (0, 0);
    for scenario in SCENARIOS {
        let mut twin = Twin::new(lab(scenario.name), 1).unwrap();
        let mut reports = Vec::new();
        for step in twin.topology.steps.clone() {
            let report = twin.step(&step).unwrap();
            assert!(report.ok, "{}: {report:#?}", scenario.name);
            reports.push(report);
            // News of what a step did to the network is on its way.
            let is_at_rest = matches!(
                step.kind,
                StepKind::Wait(_) | StepKind::WaitConverged(_) | StepKind::Check(_)
            );
            if is_at_rest && twin.world.is_settled() {
                looked += 1;
                blocked += reasons_hold(&twin, scenario.name);
            }
        }
        let report = twin.report(reports);
        assert!(report.ok, "{}: {:#?}", scenario.name, report.violations);
        reasons_hold(&twin, scenario.name);
    }
    assert!(
        blocked >= 150,
        "{blocked} blocked ports in {looked} looks: is it at rest at all?"
    );
}

/// The reason of every blocked port, derived again from what all bridges on its LAN say. Returns how many there were.
fn reasons_hold(twin: &Twin, lab: &str) -> usize {
    let world = &twin.world;
    let mut blocked = 0;
    for node in world.bridges() {
        let Some(switch) = world.switch(node) else {
            continue;
        };
        for tree in switch.trees() {
            for (number, _) in switch.ports() {
                let Some(status) = switch.port_in_tree(tree, number) else {
                    continue;
                };
                let reason = switch.why(tree, number).unwrap();
                let at = format!(
                    "{lab}: {}.{number} in {tree}: {reason:?}",
                    world.map().name(node)
                );
                if let Some(held) = status.inconsistent {
                    assert_eq!(reason.state, StateReason::Held(held), "{at}");
                    continue;
                }
                let lan = match (status.role, reason.role) {
                    (PortRole::Alternate, RoleReason::WorseOffer { lan, .. }) => lan,
                    (PortRole::Backup, RoleReason::OwnOffer(lan)) => lan,
                    (PortRole::Alternate | PortRole::Backup, _) => panic!("{at}"),
                    _ => continue,
                };
                blocked += 1;
                assert_eq!(reason.state, StateReason::Role, "{at}");
                let port = node.port(number);
                assert_eq!(Some(lan.winner.vector), spoken(world, port, tree), "{at}");
                assert_eq!(Some(lan.loser.vector), offer(world, port, tree), "{at}");
                assert!(lan.winner.vector < lan.loser.vector, "{at}");
            }
        }
    }
    blocked
}

/// The best that any bridge says on a port's LAN, asked of the bridges.
fn spoken(world: &World, port: PortRef, tree: TreeId) -> Option<TreeVector> {
    let (wire, _) = world.map().wire_at(port)?;
    let ends = world.wire(wire)?.ends().iter();
    ends.filter_map(|end| offer(world, end.port(), tree)).min()
}

/// What a bridge says on a port's LAN, by what it knows of the tree; `None` if the port takes no part.
fn offer(world: &World, end: PortRef, tree: TreeId) -> Option<TreeVector> {
    let switch = world.switch(end.node)?;
    let trees = switch.trees();
    let own = trees.iter().find(|own| **own == tree).or(trees.first())?;
    let (port, tree) = (switch.port_in_tree(*own, end.port)?, switch.tree(*own)?);
    let (regional_root, internal_root_path_cost) = match tree.remaining_hops {
        Some(_) => (tree.regional_root, tree.internal_root_path_cost),
        None => (tree.bridge, 0),
    };
    let offer = TreeVector {
        root: tree.root,
        external_root_path_cost: tree.root_path_cost,
        regional_root,
        internal_root_path_cost,
        designated_bridge: tree.bridge,
        designated_port: port.id,
    };
    (port.role != PortRole::Disabled).then_some(offer)
}

#[test]
fn a_blocked_port_of_every_protocol_has_its_reason() {
    for protocol in ["stp", "rstp", "mstp", "pvst", "rapid-pvst"] {
        // As far as the cut, which leaves nothing to block.
        let whole = lab_text("ring").split("  - link:").next().unwrap();
        let text = whole.replace("protocol: rstp", &format!("protocol: {protocol}"));
        assert!(protocol == "rstp" || text != whole);
        let ring = Topology::parse("ring", &text).unwrap();
        let mut twin = Twin::new(ring, 1).unwrap();
        twin.run(|_| {}).unwrap();
        assert_eq!(reasons_hold(&twin, protocol), 1, "{protocol}");
    }
}

/// From every protocol to every other, switch by switch while hosts talk; the root last, as docs/TREES.md has it.
#[test]
fn protocols_change_live_without_a_loop_if_the_root_is_last() {
    let (head, _) = lab_text("ring-of-six").split_once("\nsteps:\n").unwrap();
    assert!(
        head.contains("sw1: {kind: switch, priority: 4096"),
        "the root"
    );
    let protocols = ["stp", "rstp", "mstp", "pvst", "rapid-pvst"];
    let orders = [[2, 3, 4, 5, 6, 1], [4, 6, 3, 2, 5, 1]];
    let pairs = protocols
        .iter()
        .flat_map(|from| protocols.map(|to| (*from, to)));
    for (from, to) in pairs.filter(|(from, to)| from != to) {
        for order in orders {
            let mut text = format!("{head}\nsteps:\n");
            for switch in order {
                text += &format!("  - set: {{switch: sw{switch}, protocol: {from}}}\n");
            }
            text += "  - wait: {converged: 60s}\n  - wait: 10s\n";
            for switch in order {
                text += &format!("  - set: {{switch: sw{switch}, protocol: {to}}}\n");
                text += "  - wait: 1500ms\n  - send: {from: h1, to: broadcast}\n";
            }
            text +=
                "  - wait: {converged: 90s}\n  - check: {ping: {from: h1, to: h4}, wait: 30s}\n";
            let mut twin = Twin::new(Topology::parse("change.yml", &text).unwrap(), 1).unwrap();
            let steps = twin.run(|_| {}).unwrap();
            let report = twin.report(steps);
            let what = format!("{from} to {to}, {order:?}");
            assert!(report.ok, "{what}: {:#?}", report.steps);
            let is_loop =
                |found: &&Value| found["violation"] == "cycle" || found["violation"] == "loop";
            let found: Vec<&Value> = report.violations.iter().filter(is_loop).collect();
            assert!(found.is_empty(), "{what}: {found:?}");
        }
    }
}

/// What trying every order of messages has found (`stp/tests/network/orders.rs`), as a lab: a slow link lets the new root's
/// word come round before it.
#[test]
fn the_order_of_messages_that_opens_a_loop_is_a_lab() {
    let slow = "delay: 100ms";
    let text = lab_text("root-race");
    assert!(text.contains(slow));
    let found = |text: &str| {
        let mut twin = Twin::new(Topology::parse("root-race", text).unwrap(), 1).unwrap();
        let steps = twin.run(|_| {}).unwrap();
        let report = twin.report(steps);
        assert!(report.ok, "{report:#?}");
        let kinds = report.violations.iter().map(|found| {
            let kind = found["violation"].as_str().unwrap();
            kind.to_owned()
        });
        kinds.collect::<std::collections::BTreeSet<_>>()
    };
    let with = found(text);
    assert!(with.contains("cycle") && with.contains("loop"), "{with:?}");
    let without = found(&text.replace(slow, "delay: 10us"));
    assert!(without.is_empty(), "{without:?}");
}

fn lab_text(name: &str) -> &'static str {
    let scenario = SCENARIOS.iter().find(|scenario| scenario.name == name);
    scenario.unwrap().text
}

/// A lab with its remedy taken away, and the check that then fails first.
#[test]
fn a_lab_of_a_failure_fails_by_name_without_its_remedy() {
    for (name, remedy, instead, named) in [
        (
            "one-way-link",
            "loop-guard: on",
            "loop-guard: off",
            "nothing holds sw3:p2",
        ),
        (
            "bridge-assurance",
            "bridge-assurance: on",
            "bridge-assurance: off",
            "the root has not noticed",
        ),
        (
            "rogue-root",
            "root-guard: on",
            "root-guard: off",
            "sw1 has lost the election",
        ),
        (
            "rogue-root",
            "bpdu-guard: on",
            "bpdu-guard: off",
            "sw2:hub is not disabled",
        ),
        (
            "filtered-ring",
            "storm-action: shutdown",
            "storm-action: drop",
            "it goes round",
        ),
        (
            "flapping-host",
            "x: {edge: on, auto-edge: off}",
            "x: {auto-edge: off}",
            "sw2 has forgotten",
        ),
        (
            "flapping-corner",
            "p2: {tcn-guard: on}",
            "p2: {}",
            "sw2 has forgotten",
        ),
        (
            "native-mismatch",
            "protocol: rapid-pvst",
            "protocol: rstp",
            "nobody notices",
        ),
        (
            "loop-detection",
            "loop-detection: shutdown",
            "loop-detection: log",
            "it goes round",
        ),
        (
            "mixed-versions",
            "  - set: {switch: sw2, protocol: rstp}\n",
            "",
            "sw3 waits",
        ),
    ] {
        let scenario = SCENARIOS.iter().find(|scenario| scenario.name == name);
        let text = scenario.unwrap().text;
        assert!(text.contains(remedy), "{name}");
        let broken = Topology::parse(name, &text.replace(remedy, instead)).unwrap();
        let mut twin = Twin::new(broken, 1).unwrap();
        let steps = twin.run(|_| {}).unwrap();
        let failed = steps.iter().find(|step| !step.ok);
        let failed = failed.unwrap_or_else(|| panic!("{name} goes well without {remedy}"));
        assert!(failed.text.contains(named), "{name}: {failed:#?}");
    }
}

/// A lab of two hosts at a switch, its first port with a rate, and steps.
fn with_rate(rate: &str, steps: &str) -> Topology {
    let text = format!(
        "name: rate
topology:
  nodes:
    sw1: {{kind: switch, stp: off, ports: {{h1: {{{rate}}}, h2: {{}}}}}}
    h1: {{kind: host, ports: {{e: {{ip: 10.0.0.1/24}}}}}}
    h2: {{kind: host, ports: {{e: {{ip: 10.0.0.2/24}}}}}}
  links:
    - endpoints: [\"sw1:h1\", \"h1:e\"]
    - endpoints: [\"sw1:h2\", \"h2:e\"]
steps:
  - wait: 1s
{steps}"
    );
    Topology::parse("rate.yml", &text).unwrap()
}

#[test]
fn a_rate_of_a_lab_file_holds_in_virtual_time_and_drops_no_blackhole() {
    // A bucket holds 66 frames of 1,000 octets; half a second at a Mbit/s earns 62.5 more.
    let steps = "  - send: {from: h1, to: h2, count: 100, octets: 1000}
  - wait: 500ms
  - send: {from: h1, to: h2, count: 100, octets: 1000}
  - wait: 1s
";
    let lab = with_rate("rate-in: 1Mbit, burst: 66000", steps);
    let mut twin = Twin::new(lab, 1).unwrap();
    let steps = twin.run(|_| {}).unwrap();
    let report = twin.report(steps);
    assert!(report.ok && report.violations.is_empty());
    let drops: Vec<u64> = report.bridges[0]
        .ports
        .iter()
        .map(|port| {
            port.drops
                .get("receive-rate")
                .and_then(serde_json::Value::as_u64)
        })
        .map(Option::unwrap_or_default)
        .collect();
    assert_eq!(drops, [34 + 38, 0]);
}

#[test]
fn a_move_that_is_felt_says_how_much_and_one_that_is_missed_fails_by_name() {
    let text = lab("vmotion-shared").source;
    let told = |text: &str| {
        let mut twin = Twin::new(Topology::parse("x.yml", text).unwrap(), 1).unwrap();
        let steps = twin.run(|_| {}).unwrap();
        twin.report(steps)
    };
    let report = told(&text);
    let [shared, own] = report.migrations.as_slice() else {
        panic!("{:?}", report.steps);
    };
    assert!(report.ok && own.ok);
    assert!(shared.slowest_answer_ms > 3.0 * own.slowest_answer_ms);
    assert!(own.slowest_answer_ms < 10.0, "{own:?}");
    for migration in [shared, own] {
        let tcp = migration.tcp.as_ref().unwrap();
        assert!(tcp.alive && tcp.bytes_lost == 0);
        // 16 MiB at 100 Mbit/s take 1.34 s.
        assert!((1_340.0..1_700.0).contains(&migration.total_ms));
    }
    let lines = text.lines().filter(|line| !line.contains("- set:"));
    let without = lines.collect::<Vec<_>>().join("\n");
    let report = told(&without);
    let last = report.steps.last().unwrap();
    assert!(
        !report.ok && last.text.contains("the copy is felt"),
        "{last:?}"
    );
}
