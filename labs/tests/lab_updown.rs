//! Labs on the real kernel: up, asked, down, and nothing left, whatever dies when. Needs root.
#![allow(clippy::unwrap_used, reason = "a test says no more by expect")]

mod lab_common;

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use lab_common::{World, both, wait_for};
use labs::lab::Identity;
use labs::netns::Namespace;
use labs::scenarios::SCENARIOS;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

#[test]
fn every_scenario_comes_up_and_leaves_nothing() {
    let world = World::new("all");
    let name = world.lab();
    for scenario in SCENARIOS {
        world.good(&["up", scenario.name, "--name", &name]);
        let lab = labs::scenarios::find(scenario.name).unwrap();
        let is_process = |link: &&labs::topology::Link| {
            let touched = match scenario.name {
                "silent-link" | "bridge-assurance" => "sw1:p1",
                "one-way-link" => "sw2:p2",
                _ => "",
            };
            let is_touched = |end: &labs::topology::Endpoint| end.to_string() == touched;
            let is_hub = link.endpoints.len() > 2 || link.conditions.given;
            is_hub || link.endpoints.iter().any(is_touched)
        };
        let hubs = lab.links.iter().filter(is_process).count();
        let expected = lab.switches().count() + lab.hosts().count() + hubs;
        assert_eq!(
            world.namespaces().len(),
            expected,
            "{:?}",
            world.namespaces()
        );

        let status: Value = serde_json::from_str(&world.good(&["status", "--json"])).unwrap();
        assert_eq!(
            status["switches"].as_array().unwrap().len(),
            lab.switches().count()
        );
        let drawing = world.good(&["status"]);
        for node in lab
            .switches()
            .map(|(name, _)| name)
            .chain(lab.hosts().map(|(name, _)| name))
        {
            assert!(drawing.contains(node), "{node} in\n{drawing}");
        }
        assert!(world.good(&["list"]).starts_with(&name));
        let again = world.bad(2, &["up", scenario.name, "--name", &name]);
        assert!(
            again.contains(&format!(
                "the lab {name} is up already; take it down by `labs down {name}`"
            )),
            "{again}"
        );

        world.good(&["down"]);
        world.assert_nothing_left();
        let down = world.bad(2, &["down", &name]);
        assert!(
            down.contains(&format!("the lab {name} is not up; no lab is")),
            "{down}"
        );
    }
}

#[test]
fn exec_runs_inside_the_node_and_hands_the_exit_code_on() {
    let world = World::new("exec");
    world.good(&["up", "two-hosts", "--name", &world.lab(), "--quiet"]);
    let links = world.good(&["exec", "h1", "cat", "/proc/net/dev"]);
    assert!(links.contains("eth0:") && !links.contains("p1:"), "{links}");
    let node = format!("{}/sw1", world.lab());
    assert_eq!(
        world
            .labs(&["exec", &node, "sh", "-c", "exit 7"])
            .status
            .code(),
        Some(7)
    );
    assert_eq!(
        world
            .labs(&["exec", "h1", "sh", "-c", "kill -9 $$"])
            .status
            .code(),
        Some(137)
    );
    let unknown = world.bad(2, &["exec", "h3", "true"]);
    assert_eq!(
        unknown,
        format!(
            "labs: the lab {} has no node `h3`; did you mean `h1`?\n",
            world.lab()
        )
    );
}

#[test]
fn a_runner_killed_while_it_builds_leaves_nothing_that_down_does_not_clear() {
    let world = World::new("killrun");
    let name = world.lab();
    // Once with namespaces only, once with daemons running.
    for sign in ["\"made\":\"namespace\"", "\"made\":\"process\""] {
        let mut runner = world
            .command(&["up", "vmotion", "--name", &name])
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let journal = world.run_dir().join("labs").join(&name).join("journal");
        // The journal tells before the first namespace is made.
        wait_for("the journal to tell, and a namespace", || {
            std::fs::read_to_string(&journal).is_ok_and(|text| text.contains(sign))
                && !world.namespaces().is_empty()
        });
        runner.kill().unwrap();
        runner.wait().unwrap();
        assert!(!world.namespaces().is_empty());
        world.good(&["down", &name]);
        world.assert_nothing_left();
    }
    // The next `up` clears as well.
    let mut runner = world
        .command(&["up", "vmotion", "--name", &name])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait_for("a daemon", || {
        world
            .processes()
            .iter()
            .any(|(_, line)| line.contains("--config"))
    });
    runner.kill().unwrap();
    runner.wait().unwrap();
    world.good(&["up", "two-hosts", "--name", &name]);
    assert_eq!(world.namespaces().len(), 3);
    world.good(&["down"]);
    world.assert_nothing_left();
}

#[test]
fn a_killed_daemon_is_named_and_its_lab_cleared() {
    let world = World::new("killdaemon");
    let name = world.lab();
    for again in [
        ["down", &name].as_slice(),
        &["up", "two-hosts", "--name", &name],
    ] {
        world.good(&["up", "two-hosts", "--name", &name]);
        let daemons = world.processes();
        let [(pid, _)] = daemons.as_slice() else {
            panic!("one daemon: {daemons:?}");
        };
        kill(Pid::from_raw(*pid), Signal::SIGKILL).unwrap();
        wait_for("its end", || Identity::of(*pid).is_none());
        let status = world.bad(2, &["status"]);
        assert!(
            status.contains(&format!(
                "switchd of sw1 (pid {pid}) has died; `labs down {name}` clears it"
            )),
            "{status}"
        );
        assert!(world.good(&["list"]).contains("broken"));
        world.good(again);
    }
    world.good(&["down"]);
    world.assert_nothing_left();
}

#[test]
fn a_failed_up_takes_back_what_it_made() {
    let world = World::new("fail");
    let taken = format!("algo-{}-h2", world.lab());
    Namespace::create(&taken).unwrap();
    let error = world.bad(1, &["up", "two-hosts", "--name", &world.lab()]);
    Namespace::remove(&taken).unwrap();
    assert!(
        error.contains(&format!("cannot create the namespace {taken}: File exists")),
        "{error}"
    );
    world.assert_nothing_left();
}

#[test]
fn a_switch_that_cannot_start_says_why_and_the_lab_is_cleared() {
    let world = World::new("nostart");
    // Longer than a socket's address may be.
    let long = world.run_dir().join("x".repeat(120));
    let mut command = Command::new(env!("CARGO_BIN_EXE_labs"));
    command
        .arg("--run-dir")
        .arg(&long)
        .args(["up", "two-hosts", "--name", &world.lab()]);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", both(&output));
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("sw1: switchd did not come up: "), "{error}");
    assert!(!long.exists());
    assert_eq!(world.namespaces(), Vec::<String>::new());
    assert_eq!(world.processes(), []);
}

#[test]
fn a_wrong_file_starts_nothing() {
    let world = World::new("wrong");
    let file = world.file("name: x\ntopology:\n  nodes:\n    sw1: {kind: swich}\n");
    let error = world.bad(2, &["up", &file]);
    assert_eq!(
        error,
        format!(
            "labs: {file}:4:17: `kind`: expected switch, host or vm, found `swich`; did you mean `switch`?\n"
        )
    );
    world.assert_nothing_left();
}

#[test]
fn an_interrupted_run_clears_behind_it() {
    let world = World::new("int");
    let text = "name: x\ntopology:\n  nodes:\n    sw1: {kind: switch}\nsteps:\n  - wait: 1h\n";
    let file = world.file(text);
    let mut runner = world
        .command(&["run", &file, "--name", &world.lab()])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let journal = world
        .run_dir()
        .join("labs")
        .join(world.lab())
        .join("journal");
    wait_for("the lab", || {
        std::fs::read_to_string(&journal).is_ok_and(|text| text.contains("\"made\":\"up\""))
    });
    kill(
        Pid::from_raw(runner.id().try_into().unwrap()),
        Signal::SIGINT,
    )
    .unwrap();
    assert_eq!(runner.wait().unwrap().code(), Some(130));
    world.assert_nothing_left();
}

#[test]
fn without_privilege_it_is_said_what_is_missing_and_nothing_is_made() {
    let world = World::new("noroot");
    let public = tempfile::tempdir().unwrap();
    std::fs::set_permissions(public.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let program = public.path().join("labs");
    // Another process writes the copy: a descriptor of ours, open for writing, could pass to the child of another
    // test, and for as long the copy could not be run (`ETXTBSY`).
    let mut copy = Command::new("cp");
    copy.arg(env!("CARGO_BIN_EXE_labs")).arg(&program);
    assert!(copy.status().unwrap().success());
    let mut command = Command::new(&program);
    command
        .arg("--run-dir")
        .arg(world.run_dir())
        .args(["up", "two-hosts"])
        .uid(65534)
        .gid(65534);
    let output = command.output().unwrap();
    let error = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", both(&output));
    for word in ["CAP_SYS_ADMIN", "CAP_NET_ADMIN", "sudo labs"] {
        assert!(error.contains(word), "{error}");
    }
    world.assert_nothing_left();
}
