//! The built-in labs do what their heads say, on the real kernel. Needs root. `vmotion` has tests of its own.
#![allow(clippy::unwrap_used, reason = "a test says no more by expect")]

mod lab_common;

use lab_common::{World, both};
use serde_json::Value;

fn holds(test: &'static str, scenario: &str) -> Value {
    let world = World::new(test);
    let output = world.labs(&["run", scenario, "--name", &world.lab(), "--json"]);
    assert!(output.status.success(), "{}", both(&output));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["ok"], true);
    let steps = labs::scenarios::find(scenario).unwrap().steps.len();
    assert_eq!(report["steps"].as_array().unwrap().len(), steps);
    world.assert_nothing_left();
    report
}

#[test]
fn two_hosts() {
    holds("two", "two-hosts");
}

#[test]
fn vlans() {
    holds("vlans", "vlans");
}

#[test]
fn triangle() {
    let report = holds("triangle", "triangle");
    let steps = report["steps"].as_array().unwrap();
    let set: Vec<&Value> = steps.iter().filter(|step| step["step"] == "set").collect();
    assert!(!set.is_empty());
    for step in set {
        assert_eq!(step["text"], "set sw2: priority 0");
    }
}

#[test]
fn ring() {
    holds("ring", "ring");
}

#[test]
fn shared_segment() {
    holds("shared", "shared-segment");
}

/// Those of failures, side by side: they mostly wait.
#[test]
fn labs_of_failures() {
    std::thread::scope(|scope| {
        for scenario in [
            "bridge-assurance",
            "filtered-ring",
            "flapping-corner",
            "flapping-host",
            "loop-detection",
            "mixed-versions",
            "native-mismatch",
            "one-way-link",
            "rogue-root",
        ] {
            scope.spawn(move || holds(scenario, scenario));
        }
    });
}

#[test]
fn a_check_that_does_not_hold_fails_the_run_and_names_its_line() {
    let world = World::new("unsolved");
    let text = "name: x
topology:
  nodes:
    h1: {kind: host, ports: {e: {ip: 10.0.0.1/24}}}
    h2: {kind: host, ports: {e: {ip: 10.0.0.2/24}}}
  links:
    - endpoints: [\"h1:e\", \"h2:e\"]
steps:
  - check: {ping: {from: h1, to: h2}, pass: there it is, wait: 10s}
  - link: {down: \"h1:e\"}
  - check: {ping: {from: h1, to: h2}, pass: not seen, fail: the cable is out}
  - wait: 1h
";
    let file = world.file(text);
    let output = world.labs(&["run", &file, "--name", &world.lab()]);
    assert_eq!(output.status.code(), Some(1), "{}", both(&output));
    let story = String::from_utf8(output.stdout).unwrap();
    assert!(story.contains("PASS there it is\n"), "{story}");
    let fail = format!("FAIL the cable is out (h2 does not answer h1) ({file}:11:5)\n");
    assert!(story.contains(&fail), "{story}");
    assert!(!story.contains("not seen"));
    world.assert_nothing_left();
}
