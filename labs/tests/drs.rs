//! `labs drs`: a hundred moves in virtual time, some for real, and what is refused. The real one needs root.
#![allow(clippy::unwrap_used, reason = "a test says no more by expect")]

mod lab_common;

use std::process::{Command, Output};

use lab_common::{World, both, two_hosts};
use serde_json::Value;

/// The moves that the head of the built-in lab allows until it is even.
const MOVES_AT_FIRST: u64 = 8;

fn drs(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_labs"));
    command.arg("drs").args(arguments).output().unwrap()
}

fn report(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", both(output)))
}

fn migrations(report: &Value) -> Vec<&Value> {
    let rounds = report["rounds"].as_array().unwrap().iter();
    let moves = rounds.flat_map(|round| round["moves"].as_array().unwrap());
    moves.map(|one| &one["migration"]).collect()
}

/// The built-in lab with loads that never rest.
fn restless() -> String {
    let text = labs::scenarios::find("drs").unwrap().source;
    let (head, rest) = text.split_once("  loads:\n").unwrap();
    let (_, tail) = rest.split_once("  rules:\n").unwrap();
    let head = head.replacen(
        "interval: 2s\n  cool-down: 15s",
        "interval: 1s\n  cool-down: 4s",
        1,
    );
    let loads: String = [
        "web1", "web2", "web3", "app1", "cache1", "job1", "db1", "db2",
    ]
    .iter()
    .map(|vm| format!("    {vm}: {{random: {{low: 10%, high: 180%, every: 6s}}}}\n"))
    .collect();
    format!("{head}  loads:\n{loads}  rules:\n{tail}")
}

#[test]
fn a_hundred_moves_in_virtual_time_lose_no_session_and_nobody_goes_to_and_fro() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("lab.yml").display().to_string();
    std::fs::write(&file, restless()).unwrap();
    let output = drs(&[&file, "--sim", "--moves", "100", "--until", "2h", "--json"]);
    assert!(output.status.success(), "{}", both(&output));
    let report = report(&output);
    let summary = &report["summary"];
    assert!(summary["moves"].as_u64().unwrap() >= 100, "{summary}");
    for (key, expected) in [
        ("failed", 0),
        ("noticed", 0),
        ("ping_pong", 0),
        ("sessions", 8),
    ] {
        assert_eq!(summary[key], expected, "{key}: {summary}");
    }
    assert_eq!(summary["sessions_lost"], serde_json::json!([]));
    assert_eq!(summary["broken"], serde_json::json!([]));
    assert!(
        summary["rest_min_ms"].as_u64().unwrap() >= 4_000,
        "{summary}"
    );
    for migration in migrations(&report) {
        assert_eq!(migration["tcp"]["alive"], true, "{migration}");
        assert_eq!(migration["tcp"]["bytes_lost"], 0, "{migration}");
        assert_eq!(migration["memory_equal"], true, "{migration}");
    }
}

#[test]
fn the_built_in_lab_keeps_what_its_head_promises() {
    let output = drs(&["--sim", "--json"]);
    assert!(output.status.success(), "{}", both(&output));
    let report = report(&output);
    let summary = &report["summary"];
    let excursions = summary["excursions"].as_array().unwrap();
    assert_eq!(excursions[0]["from_ms"], 0);
    for one in excursions.iter().filter(|one| !one["to_ms"].is_null()) {
        assert!(
            one["moves"].as_u64().unwrap() <= MOVES_AT_FIRST,
            "{summary}"
        );
    }
    assert_eq!(
        (&summary["failed"], &summary["noticed"]),
        (&0.into(), &0.into())
    );
    assert_eq!(summary["sessions_lost"], serde_json::json!([]));
    let open = excursions.iter().filter(|one| one["to_ms"].is_null());
    assert!(
        open.count() <= 1,
        "only the last may be under way: {summary}"
    );
    let rounds = report["rounds"].as_array().unwrap();
    // Every VLAN that does not reach a host is named where it stops.
    let refused = rounds
        .iter()
        .flat_map(|round| round["refused"].as_array().unwrap());
    let to_esx4 = refused.filter(|one| one["reason"] == "network");
    let whys: std::collections::BTreeSet<&str> =
        to_esx4.map(|one| one["why"].as_str().unwrap()).collect();
    let why = |vm| format!("VLAN 30 of {vm} stops at tor2:esx4, which does not carry it");
    assert_eq!(
        whys,
        [why("db1"), why("db2")]
            .iter()
            .map(String::as_str)
            .collect()
    );
}

#[test]
fn the_same_seed_gives_the_same_rounds() {
    let run = |seed: &str| drs(&["--sim", "--until", "12s", "--seed", seed, "--json"]);
    let first = run("7");
    let rounds = report(&first)["rounds"].as_array().unwrap().len();
    assert!(rounds > 3, "{}", both(&first));
    assert_eq!(first.stdout, run("7").stdout);
    assert_ne!(first.stdout, run("8").stdout);
}

/// Four machines on one of two hosts; two of them must not be together, and the load of one is what its process uses.
fn crowded() -> String {
    let vm = |number: u8| {
        format!(
            "    vm{number}: {{kind: vm, host: esx1, vlan: 10, ip: 10.0.10.{number}/24, mac: 52:54:00:00:00:0{number}, memory: 1MiB}}\n"
        )
    };
    let more: String = (2..=4).map(vm).collect();
    let lab = two_hosts("memory: 1MiB").replacen("  links:\n", &format!("{more}  links:\n"), 1);
    format!(
        "{lab}  - check: {{ping: {{from: client, to: vm4}}, wait: 10s}}
drs:
  target-deviation: 8%
  interval: 500ms
  loads: {{vm1: 20%, vm2: measured, vm3: 90%, vm4: 100%}}
  rules: [{{anti-affinity: [vm1, vm2]}}]
"
    )
}

#[test]
fn for_real_machines_move_and_their_sessions_live() {
    let world = World::new("drs");
    let name = world.lab();
    let file = world.file(&crowded());
    let output = world.labs(&[
        "drs", &file, "--name", &name, "--moves", "2", "--until", "30s", "--json",
    ]);
    let report = report(&output);
    assert_eq!(report["backend"], "netns");
    assert_eq!(report["lab"], name.as_str());
    let rounds = report["rounds"].as_array().unwrap();
    let moves = rounds
        .iter()
        .flat_map(|round| round["moves"].as_array().unwrap());
    let mandatory: Vec<bool> = moves
        .map(|one| one["mandatory"].as_bool().unwrap())
        .collect();
    assert_eq!(mandatory, [true, false], "{}", both(&output));
    for migration in migrations(&report) {
        assert_eq!(migration["failure"], Value::Null, "{migration}");
        assert_eq!(migration["tcp"]["bytes_lost"], 0, "{migration}");
        assert_eq!(migration["stale"], serde_json::json!([]), "{migration}");
        assert_eq!(migration["to"], "esx2");
    }
    let summary = &report["summary"];
    assert_eq!(summary["sessions"], 4);
    assert_eq!(summary["sessions_lost"], serde_json::json!([]), "{summary}");
    assert_eq!(
        (&summary["ping_pong"], &summary["broken"]),
        (&0.into(), &serde_json::json!([]))
    );
    let load = |vm: &str| {
        let hosts = rounds[0]["hosts"].as_array().unwrap().iter();
        let mut vms = hosts.flat_map(|host| host["vms"].as_array().unwrap());
        vms.find(|one| one["vm"] == vm).unwrap()["load"]
            .as_f64()
            .unwrap()
    };
    // One thread cannot use more than a core, and a tick.
    assert!((0.0..=110.0).contains(&load("vm2")), "{}", load("vm2"));
    assert_eq!(load("vm3"), 90.0, "that one is told");
    world.assert_nothing_left();
}

#[test]
fn a_newcomer_reads_what_moves_and_why() {
    let output = drs(&["--sim", "--until", "3s"]);
    assert!(output.status.success(), "{}", both(&output));
    let story = String::from_utf8(output.stdout).unwrap();
    for part in [
        "round 1, 0.0 s: deviation ",
        " points, target 8.0\n  esx1  ██",
        "\n  MOVE ",
        "is above the target of 8.0; this takes off ",
        "\n  not moved\n",
        "VLAN 30 of db1 stops at tor2:esx4, which does not carry it",
        "would share esx3 (anti-affinity of db1 and db2)",
        "session alive",
        "\n  sessions lost              0 of 8\n",
        "\ndrs: ok\n",
    ] {
        assert!(story.contains(part), "{part}:\n{story}");
    }
    // The frames are told only if asked for.
    assert!(!story.contains("by RARP"), "{story}");
    let details = drs(&["--sim", "--until", "3s", "--details"]);
    let details = String::from_utf8(details.stdout).unwrap();
    assert!(
        details.contains("by RARP") && details.contains("STOP: "),
        "{details}"
    );
}

#[test]
fn what_makes_no_sense_is_refused_before_anything_is_started() {
    for (arguments, expected) in [
        (
            &["--level", "6"][..],
            "'6' is no level from 1 (conservative) to 5 (aggressive)",
        ),
        (&["--until", "1.5s"], "'1.5s' is no time"),
        (&["--moves", "0"], "0 is not in 1.."),
        (
            &["--sim", "--accel", "tcg"],
            "in virtual time no QEMU runs: leave out --sim",
        ),
        (
            &["triangle", "--sim"],
            "there is nothing to balance in triangle: that takes a VM and two hosts",
        ),
        (
            &["drz", "--sim"],
            "there is no file and no built-in lab `drz`; did you mean `drs`?",
        ),
    ] {
        let output = drs(arguments);
        assert_eq!(
            output.status.code(),
            Some(2),
            "{arguments:?}: {}",
            both(&output)
        );
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(text.contains(expected), "{arguments:?}: {text}");
    }
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("lab.yml");
    let text = labs::scenarios::find("drs").unwrap().source;
    std::fs::write(&file, text.replacen("app1: 60%", "app1: measured", 1)).unwrap();
    let output = drs(&[&file.display().to_string(), "--sim"]);
    assert_eq!(output.status.code(), Some(2), "{}", both(&output));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(
        text.contains("the load of app1 is measured, and in virtual time no process has one"),
        "{text}"
    );
}
