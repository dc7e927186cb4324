//! Steps about things that go wrong, on the real kernel: what a lab says happens to wires and switches does. Needs root.
//!
//! The switches run no spanning tree where nothing else is the matter: a frame passes at once, or it does not.
#![allow(clippy::unwrap_used, reason = "a test says no more by expect")]

mod lab_common;

use std::process::Stdio;
use std::time::Duration;

use lab_common::{World, wait_for};
use labs::lab::{self, Lab, Options, Outcome, View, run_step};
use labs::netns::Namespace;
use labs::sim::Power;
use labs::topology::{Step, StepKind, Topology};
use serde_json::Value;

/// Two switches, two links between hosts' switches, a host at each.
const LAB: &str = "
topology:
  nodes:
    sw1: {kind: switch, stp: off}
    sw2: {kind: switch, stp: off}
    h1: {kind: host, ports: {eth0: {ip: 10.0.0.1/24, mac: \"52:54:00:00:01:01\"}}}
    h2: {kind: host, ports: {eth0: {ip: 10.0.0.2/24, mac: \"52:54:00:00:01:02\"}}}
  links:
    - endpoints: [\"sw1:h1\", \"h1:eth0\"]
    - endpoints: [\"sw2:h2\", \"h2:eth0\"]
";

/// A lab that goes down when dropped.
struct Up(Lab);

impl Drop for Up {
    fn drop(&mut self) {
        lab::down(self.0.run_dir(), self.0.name()).unwrap();
    }
}

fn up(world: &World, links: &str, steps: &str) -> Up {
    let text = format!("name: {}{LAB}{links}steps:\n{steps}", world.lab());
    let topology = Topology::parse("t.yml", &text).unwrap();
    let run_dir = world.run_dir();
    let options = Options {
        run_dir: &run_dir,
        owned: true,
        progress: &|_| {},
    };
    Up(lab::up(topology, &options).unwrap())
}

fn play(lab: &Lab) {
    for step in &lab.topology.steps {
        let outcome = act(lab, step);
        assert!(outcome.ok, "line {}: {}", step.at.line, outcome.text);
    }
}

fn act(lab: &Lab, step: &Step) -> Outcome {
    let mut nobody = |_: &str, _: &str| panic!("no machine runs here");
    run_step(lab, &step.kind, &mut nobody)
        .unwrap_or_else(|error| panic!("line {}: {error}", step.at.line))
}

const PASSES: &str = "  - check: {ping: {from: h1, to: h2}, wait: 5s}\n";
const LOST: &str = "  - check: {ping: {from: h1, to: h2, lost: on}}\n";
const CABLE: &str = "    - endpoints: [\"sw1:p1\", \"sw2:p1\"]\n";

fn has_link(lab: &Lab, switch: &str, port: &str) -> bool {
    View::of(lab).unwrap().switches[switch].ports[port].link
}

#[test]
fn a_wire_does_to_frames_what_the_file_says() {
    let world = World::new("wire");
    let links = format!("{CABLE}      delay: 30ms\n      from: {{\"sw2:p1\": {{delay: 50ms}}}}\n");
    let steps = [
        PASSES,
        // Dead, and it does not show.
        "  - link: {silent: \"sw1:p1\"}\n",
        LOST,
        "  - link: {up: \"sw2:p1\"}\n",
        PASSES,
        // Requests are lost on their way, or answers.
        "  - link: {change: \"sw1:p1\", mute: on}\n",
        LOST,
        "  - link: {change: \"sw1:p1\", deaf: on}\n",
        LOST,
        "  - link: {change: \"sw1:p1\", loss: 100%}\n",
        LOST,
        "  - link: {change: \"sw1:p1\", loss: 0%, duplicate: 100%}\n",
        PASSES,
    ];
    let lab = up(&world, &links, &steps.concat());
    play(&lab.0);
    // There and back: no frame comes before its time.
    let h1 = lab.0.namespace("h1").unwrap();
    let patience = Duration::from_secs(5);
    let took = lab::ping(&h1, "10.0.0.2".parse().unwrap(), patience).unwrap();
    assert!(took.unwrap() >= Duration::from_millis(30 + 50), "{took:?}");
    drop(lab);
    world.assert_nothing_left();
}

#[test]
fn carrier_goes_and_comes_at_both_ends_of_every_kind_of_cable() {
    let world = World::new("carrier");
    // A veth, and two processes: one from the start without carrier.
    let links = format!(
        "{CABLE}    - endpoints: [\"sw1:p2\", \"sw2:p2\"]\n      delay: 1ms\n      state: down\n    - endpoints: [\"sw1:p3\", \"sw2:p3\"]\n      loss: 1%\n"
    );
    let steps = "  - link: {up: \"sw2:p2\"}\n  - link: {down: \"sw1:p1\"}\n  - link: {down: \"sw1:p3\"}\n  - link: {up: \"sw2:p1\"}\n  - link: {up: \"sw2:p3\"}\n";
    let lab = up(&world, &links, steps);
    let states = |expected: [bool; 3]| {
        let seen = || {
            ["p1", "p2", "p3"]
                .map(|port| ["sw1", "sw2"].map(|switch| has_link(&lab.0, switch, port)))
        };
        wait_for(&format!("carrier {expected:?}"), || {
            seen() == expected.map(|is| [is, is])
        });
    };
    // No loop of three cables may be closed: nothing is sent here.
    let expected = [
        [true, false, true],
        [true, true, true],
        [false, true, true],
        [false, true, false],
        [true, true, false],
        [true, true, true],
    ];
    states(expected[0]);
    for (step, expected) in lab.0.topology.steps.iter().zip(&expected[1..]) {
        assert!(act(&lab.0, step).ok);
        states(*expected);
    }
    drop(lab);
    world.assert_nothing_left();
}

#[test]
fn a_switch_hangs_goes_off_and_comes_back_with_what_it_had_been_told() {
    let world = World::new("power");
    let steps = [
        PASSES,
        "  - set: {switch: sw2, ageing: 77}\n",
        "  - connect: {endpoints: [\"sw1:p9\", \"sw2:p9\"], state: silent}\n",
        "  - switch: {freeze: sw2}\n",
        LOST,
        "  - check: {mac: \"h1:eth0\", switch: sw2, at: p1, fail: as it should}\n",
        "  - switch: {up: sw2}\n",
        PASSES,
        "  - switch: {freeze: sw2}\n",
        "  - switch: {down: sw2}\n",
        LOST,
        "  - switch: {up: sw2}\n",
        PASSES,
    ];
    let lab = up(&world, CABLE, &steps.concat());
    let pid = || View::of(&lab.0).unwrap().switches["sw2"].pid;
    let first = pid();
    for step in &lab.0.topology.steps {
        let outcome = act(&lab.0, step);
        let is_cam = matches!(&step.kind, StepKind::Check(check) if check.fail.is_some());
        assert_eq!(
            outcome.ok, !is_cam,
            "line {}: {}",
            step.at.line, outcome.text
        );
        if is_cam {
            assert_eq!(outcome.text, "as it should (sw2 is frozen)");
        }
        if outcome.text == "switch sw2 down" {
            assert_eq!(lab.0.power("sw2"), Power::Off);
            let error = lab.0.client("sw2").unwrap_err();
            assert_eq!(error.to_string(), "sw2 is off");
            for port in ["p1", "p9"] {
                wait_for("carrier to go", || !has_link(&lab.0, "sw1", port));
            }
        }
    }
    assert_ne!(pid(), first, "another process");
    for (switch, port) in [("sw1", "p1"), ("sw2", "p1"), ("sw1", "p9"), ("sw2", "p9")] {
        wait_for("carrier to come", || has_link(&lab.0, switch, port));
    }
    let config = switchd::control::Command::ShowRunningConfig;
    let reply = format!("{:?}", lab.0.ask("sw2", &config).unwrap());
    assert!(reply.contains("ageing = 77"), "{reply}");
    assert_eq!(lab.0.condition(), labs::lab::Condition::Up);
    drop(lab);
    world.assert_nothing_left();
}

#[test]
fn a_new_cable_is_plugged_in_and_frames_are_sent_from_any_port() {
    let world = World::new("plug");
    let steps = [
        LOST,
        "  - connect: {endpoints: [\"sw1:p9\", \"sw2:p9\"]}\n",
        PASSES,
        "  - link: {down: \"sw2:p9\"}\n",
        LOST,
        "  - link: {up: \"sw1:p9\"}\n",
        PASSES,
        "  - send: {from: h1, to: h2, source: \"52:54:00:00:00:99\", count: 3, octets: 1400}\n",
        "  - check: {mac: \"52:54:00:00:00:99\", switch: sw2, at: p9, wait: 5s}\n",
        // As if sw2 had sent it: sw1 learns the address at the port it comes in by.
        "  - send: {from: \"sw2:p9\", to: broadcast, source: \"52:54:00:00:00:98\"}\n",
        "  - check: {mac: \"52:54:00:00:00:98\", switch: sw1, at: p9, wait: 5s}\n",
        // Towards a host, which sees no switch learn anything.
        "  - send: {from: \"sw1:h1\", to: h1}\n",
    ];
    let lab = up(&world, "", &steps.concat());
    play(&lab.0);
    let drawing = world.good(&["status"]);
    assert!(drawing.contains("─── p9 FWD  sw2"), "{drawing}");
    let big = "  - send: {from: h1, to: h2, octets: 2000}\n";
    let text = format!("name: x{LAB}steps:\n{big}");
    let step = Topology::parse("t.yml", &text).unwrap().steps.remove(0);
    let mut nobody = |_: &str, _: &str| panic!("no machine runs here");
    let error = run_step(&lab.0, &step.kind, &mut nobody).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot send from h1:eth0: Message too long (os error 90)"
    );
    drop(lab);
    world.assert_nothing_left();
}

/// What ports report is what the file says, and the path cost follows (802.1D-1998 Table 8-5).
#[test]
fn a_link_has_the_speed_the_file_says() {
    let world = World::new("speed");
    let text = format!(
        "name: {}\ntopology:\n  nodes:\n    a: {{kind: switch, priority: 0}}\n    b: {{kind: switch}}\n  links:\n    - endpoints: [\"a:p1\", \"b:p1\"]\n      speed: 100Mbit\n",
        world.lab()
    );
    let file = world.file(&text);
    world.good(&["up", &file, "--quiet"]);
    wait_for("the cost of 100 Mbit/s", || {
        let status: Value = serde_json::from_str(&world.good(&["status", "--json"])).unwrap();
        status["switches"][1]["root_path_cost"] == 19
    });
    world.good(&["down"]);
    world.assert_nothing_left();
}

#[test]
fn a_killed_runner_with_a_frozen_switch_leaves_nothing_that_down_does_not_clear() {
    let world = World::new("killfrozen");
    let steps = "  - connect: {endpoints: [\"sw1:p9\", \"sw2:p9\"], delay: 1ms}\n  - switch: {down: sw1}\n  - switch: {up: sw1}\n  - switch: {freeze: sw2}\n  - wait: 1h\n";
    let file = world.file(&format!("name: x{LAB}{CABLE}steps:\n{steps}"));
    let mut runner = world
        .command(&["run", &file, "--name", &world.lab()])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let journal = world
        .run_dir()
        .join("labs")
        .join(world.lab())
        .join("journal");
    wait_for("a frozen switch", || {
        std::fs::read_to_string(&journal).is_ok_and(|text| text.contains("frozen"))
    });
    let stopped = || {
        let processes = world.processes().into_iter();
        processes
            .map(|(pid, _)| std::fs::read_to_string(format!("/proc/{pid}/stat")))
            .any(|stat| {
                stat.is_ok_and(|stat| {
                    stat.rsplit_once(") ")
                        .is_some_and(|(_, rest)| rest.starts_with('T'))
                })
            })
    };
    wait_for("its process to stop", stopped);
    runner.kill().unwrap();
    runner.wait().unwrap();
    let namespaces = Namespace::names().into_iter();
    let prefix = format!("algo-{}-", world.lab());
    assert_eq!(
        namespaces.filter(|name| name.starts_with(&prefix)).count(),
        5
    );
    world.good(&["down", &world.lab()]);
    world.assert_nothing_left();
}
