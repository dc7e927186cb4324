//! The bench measures every device and leaves nothing, also when it is killed. Counts are checked, times are not: how
//! fast anything is depends on what else the machine does. Needs root and the peers.
#![allow(clippy::unwrap_used, reason = "a test says no more by expect")]

mod lab_common;

use std::collections::BTreeSet;
use std::process::Stdio;

use lab_common::{World, both, wait_for};
use labs::bench::Outcome;
use labs::bench::catalogue::METRICS;
use labs::netns::Namespace;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const PEERS: [&str; 6] = [
    "switchd-tap",
    "switchd-packet",
    "kernel-bridge",
    "ovs-tap",
    "ovs-veth",
    "vde",
];

fn namespaces_of(pid: u32) -> Vec<String> {
    let prefix = format!("algo-bench-{pid}-");
    let mut names = Namespace::names();
    names.retain(|name| name.starts_with(&prefix));
    names
}

#[test]
fn every_device_is_measured_and_nothing_is_left() {
    let world = World::new("bench-all");
    let dir = tempfile::tempdir().unwrap();
    let (json, html) = (dir.path().join("b.json"), dir.path().join("b.html"));
    let mut command = world.command(&["bench", "--quick", "--strict", "--quiet"]);
    command.args(["--scenario", "tcp,flat-out,errored"]);
    command.arg("--json").arg(&json).arg("--html").arg(&html);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    let pid = child.id();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", both(&output));
    let outcome: Outcome = serde_json::from_str(&std::fs::read_to_string(json).unwrap()).unwrap();
    assert_eq!(outcome.failures, []);
    for (scenario, metric) in [("tcp", "rate"), ("flat-out", "received")] {
        for dut in PEERS {
            let values: Vec<(u32, f64)> = outcome.values(scenario, metric, dut).collect();
            assert!(
                matches!(values[..], [(1, value)] if value > 0.0),
                "{scenario} {metric} {dut}: {values:?}"
            );
        }
    }
    let only = |scenario: &'static str, metric: &'static str, dut: &'static str| {
        let (_, value) = outcome.values(scenario, metric, dut).next().unwrap();
        value
    };
    for dut in ["switchd-tap", "switchd-packet"] {
        assert!(only("errored", "relayed", dut) == 0.0, "{dut}");
        assert!(only("flat-out", "duplicates", dut) == 0.0, "{dut}");
        assert!(only("flat-out", "reordered", dut) == 0.0, "{dut}");
        assert!(only("flat-out", "cpu", dut) > 0.0, "{dut}");
    }
    // The kernel's bridge has no process whose time could be told.
    let cpu = outcome.values("flat-out", "cpu", "kernel-bridge").count();
    assert_eq!(cpu, 0);
    let measured: BTreeSet<&str> = outcome.devices.keys().map(String::as_str).collect();
    assert!(
        PEERS.iter().all(|dut| measured.contains(dut)),
        "{measured:?}"
    );
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.contains("TCP, one pair") && text.contains("× kernel-bridge"),
        "{text}"
    );
    assert!(std::fs::read_to_string(html).unwrap().contains("<svg"));
    assert_eq!(namespaces_of(pid), Vec::<String>::new());
    world.assert_nothing_left();
}

#[test]
fn a_killed_bench_is_cleared_by_its_guard() {
    let world = World::new("bench-kill");
    let arguments = [
        "bench",
        "--quiet",
        "--dut",
        "switchd,vde",
        "--scenario",
        "flat-out",
    ];
    let mut command = world.command(&arguments);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let pid = child.id();
    wait_for("both devices run", || {
        let lines = world.processes();
        let runs = |program: &str| lines.iter().any(|(_, line)| line.contains(program));
        runs("switchd") && runs("vde_switch")
    });
    kill(Pid::from_raw(pid.try_into().unwrap()), Signal::SIGKILL).unwrap();
    child.wait().unwrap();
    wait_for("the guard has cleared", || {
        namespaces_of(pid).is_empty() && world.processes().is_empty() && !world.run_dir().exists()
    });
}

/// The other scenarios, one device being enough to see that they measure.
#[test]
fn every_figure_of_a_scenario_is_filled_in() {
    const SCENARIOS: [&str; 8] = [
        "throughput",
        "latency",
        "round-trip",
        "broadcast",
        "congestion",
        "learning",
        "footprint",
        "chain",
    ];
    let world = World::new("bench-more");
    let dir = tempfile::tempdir().unwrap();
    let json = dir.path().join("b.json").display().to_string();
    let mut arguments = vec!["bench", "--quick", "--quiet", "--json", &json];
    arguments.extend(["--dut", "switchd", "--ports", "packet", "--scenario"]);
    let scenarios = SCENARIOS.join(",");
    arguments.push(&scenarios);
    world.good(&arguments);
    let outcome: Outcome = serde_json::from_str(&std::fs::read_to_string(&json).unwrap()).unwrap();
    assert_eq!(outcome.failures, []);
    // A quick look has the shorter chains only.
    let longer = |name: &str| name.ends_with("-4") || name.ends_with("-8");
    for metric in METRICS {
        let wanted = SCENARIOS.contains(&metric.scenario)
            && !(metric.scenario == "chain" && longer(metric.name));
        let values = outcome.values(metric.scenario, metric.name, "switchd-packet");
        assert_eq!(values.count(), usize::from(wanted), "{metric:?}");
    }
    let only = |scenario: &'static str, metric: &'static str| {
        let mut values = outcome.values(scenario, metric, "switchd-packet");
        values.next().unwrap().1
    };
    assert!(only("footprint", "rss-100k") > only("footprint", "rss"));
    assert!(only("round-trip", "p99") >= only("round-trip", "p50"));
    assert!(only("latency", "p99") >= only("latency", "p50"));

    // From the figures the same page again, and never two runs of the same as one.
    let html = dir.path().join("again.html").display().to_string();
    let table = world.good(&["bench", "--from", &json, "--html", &html]);
    assert!(table.contains("head-of-line blocking"), "{table}");
    assert!(std::fs::read_to_string(&html).unwrap().contains("<svg"));
    let twice = format!("{json},{json}");
    let said = world.bad(2, &["bench", "--from", &twice]);
    assert!(said.contains("is in two of the runs"), "{said}");
    world.assert_nothing_left();
}

#[test]
fn what_makes_no_sense_is_said_before_anything_is_measured() {
    let world = World::new("bench-no");
    let cases: [(&[&str], &str); 8] = [
        (
            &["--scenario", "speed"],
            "no scenario `speed`; there is tcp, ",
        ),
        (&["--dut", "hub"], "possible values: switchd"),
        (&["--ports", "serial"], "possible values: tap, packet"),
        (&["--rounds", "0"], "0 is not in 1..=1000"),
        (&["--json", "/nonexistent/b.json"], "cannot write to"),
        (&["--from", "/nonexistent/b.json"], "cannot read"),
        (&["--from", "/proc/self/status"], "cannot read"),
        (
            &["--from", "b.json", "--rounds", "2"],
            "cannot be used with",
        ),
    ];
    for (arguments, wanted) in cases {
        let said = world.bad(2, &[&["bench"], arguments].concat());
        assert!(said.contains(wanted), "{arguments:?}: {said}");
    }
    let list = world.good(&["bench", "--scenario", "list"]);
    assert!(list.contains("RFC 2544, 26.1"), "{list}");
    world.assert_nothing_left();
}
