//! `labs sim`: lab files in virtual time, by way of the program.

#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests may unwrap as tests do"
)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

const RING: &str = r#"
name: faults
topology:
  kinds:
    switch: {protocol: stp, hello: 1, max-age: 6, forward-delay: 4}
  nodes:
    a: {kind: switch, priority: 4096, address: "52:54:00:00:0a:00"}
    b: {kind: switch, priority: 8192, address: "52:54:00:00:0b:00"}
    c: {kind: switch, address: "52:54:00:00:0c:00"}
    h1: {kind: host, ports: {eth0: {ip: 10.0.0.1/24, mac: "52:54:00:00:00:01"}}}
    h2: {kind: host, ports: {eth0: {ip: 10.0.0.2/24, mac: "52:54:00:00:00:02"}}}
  links:
    - endpoints: ["a:p1", "b:p1"]
      delay: 1ms
      jitter: 100us
    - endpoints: ["b:p2", "c:p1"]
      loss: 1%
    - endpoints: ["c:p2", "a:p2"]
      speed: 1Gbit
    - endpoints: ["b:h1", "h1:eth0"]
    - endpoints: ["c:h2", "h2:eth0"]
steps:
"#;

/// The fault-free steps that every case below begins with.
const CONVERGED: &str = "  - wait: {converged: 30s}\n  - check: {root: a}\n";

struct Lab {
    dir: tempfile::TempDir,
}

impl Lab {
    fn new(steps: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("lab.yml"), format!("{RING}{steps}")).unwrap();
        Self { dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn sim(&self, arguments: &[&str]) -> Output {
        sim(self.dir.path(), "lab.yml", arguments)
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let output = self.sim(&[&["--json"], arguments].concat());
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {text}"))
    }
}

fn sim(dir: &Path, lab: &str, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_labs"))
        .current_dir(dir)
        .args(["sim", lab])
        .args(arguments)
        .output()
        .unwrap()
}

fn steps_are_ok(report: &Value) {
    assert_eq!(report["ok"], true, "{}", report["steps"]);
}

#[test]
fn links_die_switches_hang_and_the_tree_heals() {
    let report = Lab::new(&format!(
        "{CONVERGED}
  - check: {{port: \"c:p1\", role: alternate, state: blocking}}
  - check: {{ping: {{from: h1, to: h2}}, wait: 3s}}
  - link: {{silent: \"a:p2\"}}
  - check: {{port: \"c:p1\", role: root, state: forwarding, wait: 20s}}
  - check: {{ping: {{from: h1, to: h2}}, wait: 10s}}
  - link: {{up: \"a:p2\"}}
  - wait: 20s
  - switch: {{freeze: a}}
  - check: {{root: b, nodes: [b, c], wait: 20s}}
  - switch: {{up: a}}
  - check: {{root: a, wait: 20s}}
  - switch: {{down: a}}
  - check: {{root: b, nodes: [b, c], wait: 2s}}
  - switch: {{up: a}}
  - set: {{switch: c, priority: 0}}
  - check: {{root: c, wait: 10s}}
  - connect: {{endpoints: [\"a:p9\", \"b:p9\"]}}
  - wait: 20s
  - check: {{port: \"a:p9\", role: alternate}}
  - set: {{port: \"a:p9\", cost: 1}}
  - check: {{port: \"a:p9\", role: root, wait: 10s}}
"
    ))
    .json(&[]);
    steps_are_ok(&report);
    assert_eq!(report["backend"], "sim");
    // A link that comes back from silence joins two ports that both forward by then: a circle, until the next message
    // crosses it.
    let circle = &report["violations"][0];
    assert_eq!(circle["violation"], "cycle");
    let healed = &report["steps"][7];
    assert_eq!(healed["text"], "link up at a:p2");
    assert_eq!(healed["time_ns"], circle["time_ns"]);
    let root = &report["bridges"][0]["trees"][0]["root"];
    assert_eq!(root, "0.52:54:00:00:0c:00");
    assert_eq!(report["bridges"][2]["trees"][0].get("root_port"), None);
}

#[test]
fn a_frame_with_a_forged_source_moves_the_entry() {
    let report = Lab::new(&format!(
        "{CONVERGED}
  - check: {{ping: {{from: h1, to: h2}}, wait: 3s}}
  - check: {{mac: \"h2:eth0\", switch: b, at: p1}}
  - send: {{from: h1, to: broadcast, source: \"52:54:00:00:00:02\", count: 2}}
  - wait: 1s
  - check: {{mac: \"h2:eth0\", switch: b, at: h1}}
"
    ))
    .json(&[]);
    steps_are_ok(&report);
}

#[test]
fn a_check_that_fails_says_what_is_seen_and_where_it_stands() {
    let lab = Lab::new(&format!(
        "{CONVERGED}  - check: {{root: b, fail: b is not the root}}\n  - wait: 1h\n"
    ));
    let output = lab.sim(&[]);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).unwrap();
    let expected = "FAIL b is not the root (a takes a for the root";
    assert!(text.contains(expected), "{text}");
    assert!(text.contains("(lab.yml:"), "{text}");
    let report = lab.json(&[]);
    assert_eq!(report["ok"], false);
    assert_eq!(report["steps"].as_array().map(Vec::len), Some(3));
}

#[test]
fn the_same_seed_gives_the_same_trace_and_captures() {
    let lab = Lab::new(&format!(
        "{CONVERGED}  - check: {{ping: {{from: h1, to: h2}}, wait: 3s}}\n  - wait: 60s\n"
    ));
    let run = |seed: &str, name: &str| {
        let (trace, dir) = (format!("{name}.jsonl"), format!("{name}.d"));
        let arguments = ["--seed", seed, "--trace", &trace, "--pcap", &dir];
        let report = lab.json(&arguments);
        let captures = std::fs::read(lab.path(&dir).join("b_p2--c_p1.pcap")).unwrap();
        (
            report,
            std::fs::read_to_string(lab.path(&trace)).unwrap(),
            captures,
        )
    };
    let first = run("7", "one");
    assert_eq!(first, run("7", "two"));
    assert_ne!(first.1, run("8", "three").1);
    let mut times = Vec::new();
    for line in first.1.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        times.push(line["time_ns"].as_u64().unwrap());
    }
    assert!(times.len() > 500 && times.is_sorted(), "{}", times.len());
}

#[test]
fn until_ends_a_run_on_time() {
    let lab = Lab::new("  - wait: 1h\n  - check: {root: c}\n");
    let report = lab.json(&["--until", "90s"]);
    assert_eq!(report["time_ns"], 90_000_000_000_u64);
    assert_eq!(report["steps"].as_array().map(Vec::len), Some(1));
}

/// The lab as it comes, and with slower links to the target: the pause is longer there, and the client's questions, 10 ms
/// apart, fall into some.
#[test]
fn the_story_of_the_migration_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let output = sim(dir.path(), "vmotion", &["--json"]);
    let mut taken_apart = moves_are_clean(&output);
    let story = String::from_utf8(output.stderr).unwrap();
    assert!(
        story.contains("core1  vlan 10 52:54:00:00:00:05: p2 → p3 by RARP"),
        "{story}"
    );
    let (whole, link) = (
        labs::scenarios::find("vmotion").unwrap().source,
        r#"endpoints: ["vsw2:vmk0", "esx2:vmk0"]"#,
    );
    assert!(whole.contains(link));
    for rate in ["100Mbit", "150Mbit", "200Mbit", "400Mbit"] {
        let text = whole.replace(link, &format!("{link}\n      rate: {rate}"));
        std::fs::write(dir.path().join("slow.yml"), text).unwrap();
        taken_apart += moves_are_clean(&sim(dir.path(), "slow.yml", &["--json"]));
    }
    assert!(taken_apart > 0);
}

/// Both moves are; of how many the pause was seen by the client, and so was taken apart.
fn moves_are_clean(output: &Output) -> usize {
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["ok"], true);
    let moves = report["migrations"].as_array().unwrap();
    assert_eq!(moves.len(), 2);
    let mut taken_apart = 0;
    for one in moves {
        assert_eq!(one["tcp"]["alive"], true, "{one}");
        assert_eq!(one["tcp"]["bytes_lost"], 0, "{one}");
        assert_eq!(one["cam_moves"].as_array().map(Vec::len), Some(5), "{one}");
        assert_eq!(one["stale"].as_array().map(Vec::len), Some(0), "{one}");
        assert!(one["ping_gap_ms"].as_f64().unwrap() < 60.0, "{one}");
        assert_eq!(one["verdict"], "clean-move", "{one}");
        let announcements = one["announcements"].as_array().unwrap();
        let of = |kind: &str| -> Vec<f64> {
            let these = announcements.iter().filter(|heard| heard["kind"] == kind);
            these
                .map(|heard| heard["at_ms"].as_f64().unwrap().round())
                .collect()
        };
        for kind in ["rarp", "gratuitous-arp"] {
            assert_eq!(of(kind), [0.0, 50.0, 200.0, 450.0, 800.0], "{one}");
        }
        let gap = one["ping_gap_ms"].as_f64().unwrap();
        let Ok(downtime) = serde_json::from_value::<labs::watch::Downtime>(one["downtime"].clone())
        else {
            // No question fell into the pause: the longest silence is the client's own pace.
            assert!(gap < 11.0, "{one}");
            continue;
        };
        taken_apart += 1;
        assert!((downtime.sum_ms() - gap).abs() < 1.0, "{one}");
        assert!((downtime.pause_ms - one["pause_ms"].as_f64().unwrap()).abs() < 0.01);
    }
    taken_apart
}

#[test]
fn a_wrong_file_is_refused_with_its_place_and_nothing_is_written() {
    for (steps, expected) in [
        (
            "  - switch: {frezee: a}\n",
            "lab.yml:23:14: switch: unknown key `frezee`; did you mean `freeze`?",
        ),
        (
            "  - link: {silent: \"a:p7\"}\n",
            "lab.yml:23:20: no link ends at a:p7; did you mean `a:p1`?",
        ),
        (
            "  - connect: {endpoints: [\"a:p8\", \"d:p8\"]}\n",
            "lab.yml:23:35: there is no switch `d`; did you mean `a`?",
        ),
        (
            "  - set: {switch: a, max-age: 40}\n",
            "lab.yml:23:5: a: forward-delay",
        ),
    ] {
        let lab = Lab::new(steps);
        let output = lab.sim(&["--trace", "trace.jsonl"]);
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(text.contains(expected), "{steps}: {text}");
        assert_eq!(output.status.code(), Some(2), "{steps}");
        assert!(!lab.path("trace.jsonl").exists(), "{steps}");
    }
}

/// The built-in lab of the move, with one thing changed, in virtual time: its report.
fn changed_vmotion(from: &str, to: &str) -> (Option<i32>, Value) {
    let dir = tempfile::tempdir().unwrap();
    let text = include_str!("../scenarios/vmotion.yml");
    assert!(text.contains(from), "{from}");
    std::fs::write(dir.path().join("lab.yml"), text.replacen(from, to, 1)).unwrap();
    let output = sim(dir.path(), "lab.yml", &["--json"]);
    let report = serde_json::from_slice(&output.stdout).unwrap();
    (output.status.code(), report)
}

#[test]
fn a_move_out_of_its_domain_is_refused_and_the_first_port_named() {
    let trunk = |port: &str, vlans: &str| format!("        {port}: {{trunk: [{vlans}]");
    for (port, vlans, failure) in [
        (
            "esx2",
            "20",
            "VLAN 10 of vm1 stops at acc2:esx2, which does not carry it",
        ),
        (
            "esx2",
            "10",
            "VLAN 20 of the migration's copy stops at acc2:esx2, which does not carry it",
        ),
    ] {
        let (code, report) = changed_vmotion(&trunk(port, "10, 20"), &trunk(port, vlans));
        assert_eq!(code, Some(1));
        let migrations = report["migrations"].as_array().unwrap();
        assert_eq!(migrations.len(), 1, "it ends there: {report}");
        assert_eq!(migrations[0]["failure"], failure);
        assert_eq!(migrations[0]["total_ms"], 0.0, "nothing was copied");
        assert_eq!(migrations[0].get("tcp"), None, "no client was asked");
    }
    // The VMkernel's own port is in another VLAN.
    let (_, report) = changed_vmotion(
        "        vmk0: {access: 20}\n    vsw2",
        "        vmk0: {access: 10}\n    vsw2",
    );
    assert_eq!(
        report["migrations"][0]["failure"],
        "VLAN 10 of the migration's copy stops at vsw2:vmk0, which does not carry it"
    );
}

#[test]
fn a_forced_move_out_of_its_domain_shows_what_happens() {
    let text = include_str!("../scenarios/vmotion.yml");
    let text = text
        .replacen("esx2: {trunk: [10, 20]", "esx2: {trunk: [20]", 1)
        .replacen("to: esx2}", "to: esx2, force: on}", 1);
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("lab.yml"), text).unwrap();
    let output = sim(dir.path(), "lab.yml", &["--json"]);
    assert_eq!(output.status.code(), Some(1));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let moved = &report["migrations"][0];
    // The copy arrives, the machine resumes, and nobody hears of it.
    assert_eq!(moved["failure"], Value::Null, "{moved}");
    assert_eq!(moved["ok"], false);
    assert!(moved["rounds"].as_u64().unwrap() > 0);
    let story = String::from_utf8(output.stderr).unwrap();
    let line = "vm1 is moved although VLAN 10 of vm1 stops at acc2:esx2, which does not carry it";
    assert!(story.contains(line), "{story}");
}
