//! The daemon as a process: what it leaves behind when it ends, however it ends.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(
    dead_code,
    reason = "these tests use a part of what tests of ports share"
)]

mod support;

use std::io::{BufRead, BufReader};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use support::stream::transfer;
use support::wire::{Wire, frame};
use support::{Namespace, eventually};

/// A user without any privilege.
const NOBODY: u32 = 65534;

/// Gives `place` to [`NOBODY`], with a copy of the program in it: other people's directories may keep him out.
/// Another process writes the copy. A descriptor of ours that is open for writing would pass, while another test's
/// child is between fork and exec, to that child, and for as long the copy could not be run (`ETXTBSY`).
fn nobodys_switchd(place: &Path) -> PathBuf {
    std::os::unix::fs::chown(place, Some(NOBODY), Some(NOBODY)).unwrap();
    let program = place.join("switchd");
    let mut copy = Command::new("cp");
    copy.arg(env!("CARGO_BIN_EXE_switchd")).arg(&program);
    assert!(copy.status().unwrap().success());
    program
}

/// A running daemon; killed if the test fails.
struct Process(Option<Child>);

impl Process {
    fn start(namespace: &Namespace, run_dir: &Path, arguments: &str) -> Self {
        let child = namespace.run(|| {
            Command::new(env!("CARGO_BIN_EXE_switchd"))
                .args(["--name", "sw1", "--run-dir"])
                .arg(run_dir)
                .args(arguments.split_whitespace())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap()
        });
        Self(Some(child))
    }

    fn signal(&self, signal: Signal) {
        let id = self.0.as_ref().unwrap().id();
        kill(Pid::from_raw(id.try_into().unwrap()), signal).unwrap();
    }

    fn wait(mut self) -> Output {
        self.0.take().unwrap().wait_with_output().unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

#[test]
fn a_signal_ends_it_with_success_and_nothing_is_left() {
    for (signal, workers) in [
        (Signal::SIGTERM, ""),
        (Signal::SIGINT, ""),
        (Signal::SIGTERM, "--workers 2 "),
    ] {
        let (here, run_dir) = (Namespace::new(), tempfile::tempdir().unwrap());
        here.ip("link add v1 type veth peer name v2");
        let arguments = format!("{workers}--tap p1 p2 --packet v1");
        let process = Process::start(&here, run_dir.path(), &arguments);
        let socket = run_dir.path().join("sw1.sock");
        eventually("it runs", || {
            socket.exists() && here.has("p2") && here.ip("-o link show v1").contains(",UP")
        });
        process.signal(signal);
        let output = process.wait();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert!(!here.has("p1") && !here.has("p2"));
        assert!(!here.ip("-o link show v1").contains(",UP"));
        assert!(!socket.exists());
    }
}

#[test]
fn under_load_those_who_carry_frames_wait_less_for_others_and_nobody_else_does() {
    // How many of its threads have short slices at rest and under load, and how many there are.
    for (arguments, at_rest, loaded, threads) in [("", 0, 1, 2), ("--workers 2 ", 3, 3, 4)] {
        let (here, run_dir) = (Namespace::new(), tempfile::tempdir().unwrap());
        let wires = ["w1", "w2"].map(|name| {
            let wire = Wire::new(&here, name);
            here.ip(&format!("link set {name} up"));
            wire
        });
        let arguments = format!("{arguments}--stp off --packet w1 w2");
        let process = Process::start(&here, run_dir.path(), &arguments);
        let id = process.0.as_ref().unwrap().id();
        let are_short = |expected: usize| {
            let slices = slices(id);
            let short = slices.iter().filter(|slice| **slice == 100_000).count();
            slices.len() == threads && short == expected
        };
        let send = |count: u8| {
            for number in 0..count {
                for (wire, station) in wires.iter().zip([1, 2]) {
                    wire.send(&frame([0xff; 6], [2, 0, 0, 0, 0, station], &[number; 46]));
                }
            }
        };
        let socket = run_dir.path().join("sw1.sock");
        eventually("it runs", || socket.exists() && are_short(at_rest));
        eventually("load", || {
            send(200);
            are_short(loaded)
        });
        eventually("calm", || {
            send(1);
            are_short(at_rest)
        });
        process.signal(Signal::SIGTERM);
        assert_eq!(process.wait().status.code(), Some(0));
    }
}

/// The slice of each thread of a process, in nanoseconds.
fn slices(process: u32) -> Vec<u64> {
    std::fs::read_dir(format!("/proc/{process}/task"))
        .unwrap()
        .filter_map(|task| std::fs::read_to_string(task.unwrap().path().join("sched")).ok())
        .filter_map(|sched| {
            let line = sched.lines().find(|line| line.starts_with("se.slice"))?;
            line.rsplit_once(':')?.1.trim().parse().ok()
        })
        .collect()
}

#[test]
fn killed_it_leaves_no_tap_and_its_name_is_free() {
    let (here, run_dir) = (Namespace::new(), tempfile::tempdir().unwrap());
    for _ in 0..2 {
        let process = Process::start(&here, run_dir.path(), "--tap p1");
        eventually("it runs", || here.has("p1"));
        process.signal(Signal::SIGKILL);
        assert_eq!(process.wait().status.signal(), Some(9));
        eventually("the tap went with the process", || !here.has("p1"));
    }
}

#[test]
fn a_port_that_cannot_be_opened_is_named_and_nothing_is_left() {
    let (here, run_dir) = (Namespace::new(), tempfile::tempdir().unwrap());
    here.ip("link add v1 type veth peer name v2");
    for (arguments, words) in [
        (
            "--tap p1 --packet none",
            "port none: there is no interface of that name; create it first",
        ),
        (
            "--packet v1 --tap v2",
            "port v2: an interface of that name exists already",
        ),
    ] {
        let output = Process::start(&here, run_dir.path(), arguments).wait();
        let errors = String::from_utf8(output.stderr).unwrap();
        assert!(errors.contains(words), "{errors}");
        assert_ne!(output.status.code(), Some(0));
        assert!(!here.has("p1"));
        assert!(!here.ip("-o link show v1").contains(",UP"));
        assert!(!run_dir.path().join("sw1.sock").exists());
    }
}

#[test]
fn a_bad_configuration_ends_it_before_it_makes_anything() {
    let (here, run_dir) = (Namespace::new(), tempfile::tempdir().unwrap());
    let file = run_dir.path().join("bad.toml");
    std::fs::write(
        &file,
        "[stp]\nhello = 11\n\n[[port]]\nname = \"q1\"\nacces = 1\n",
    )
    .unwrap();
    let at = file.display();
    for (arguments, words) in [
        (
            format!("--config {at}"),
            format!("{at}:6: [[port]] q1: unknown key 'acces'; did you mean 'access'?"),
        ),
        (
            format!("--config {at}"),
            format!("{at}:2: [stp]: hello: '11' is not a time in seconds (1..10)"),
        ),
        (
            "--tap q1 q1".to_owned(),
            "--tap q1: name: a port 'q1' exists already".to_owned(),
        ),
        (
            "--tap q1:access=4095".to_owned(),
            "--tap q1:access=4095: access: '4095' is not a VLAN (1..4094)".to_owned(),
        ),
        ("--tap q1 --colour red".to_owned(), "'--colour'".to_owned()),
        (
            "--config /dev/zero --tap q1".to_owned(),
            "/dev/zero: is no configuration: longer than 4 MiB".to_owned(),
        ),
    ] {
        let output = Process::start(&here, run_dir.path(), &arguments).wait();
        let errors = String::from_utf8(output.stderr).unwrap();
        assert!(errors.contains(&words), "{arguments}: {errors}");
        assert_eq!(output.status.code(), Some(2), "{arguments}");
        assert!(!here.has("q1") && !run_dir.path().join("sw1.sock").exists());
    }
}

#[test]
fn a_second_switch_of_the_same_name_is_refused_and_disturbs_nothing() {
    let (here, run_dir) = (Namespace::new(), tempfile::tempdir().unwrap());
    let first = Process::start(&here, run_dir.path(), "--tap p1");
    eventually("it runs", || here.has("p1"));
    let second = Process::start(&here, run_dir.path(), "--tap p2").wait();
    let errors = String::from_utf8(second.stderr).unwrap();
    assert!(
        errors.contains("a switch named 'sw1' is running already"),
        "{errors}"
    );
    assert_eq!(second.status.code(), Some(1));
    assert!(here.has("p1") && !here.has("p2") && run_dir.path().join("sw1.sock").exists());
    first.signal(Signal::SIGTERM);
    assert_eq!(first.wait().status.code(), Some(0));
}

#[test]
fn without_privilege_it_says_what_is_missing_and_how_to_get_it() {
    let here = Namespace::new();
    here.ip("link add v1 type veth peer name v2");
    let run_dir = tempfile::tempdir().unwrap();
    let program = nobodys_switchd(run_dir.path());
    for arguments in ["--tap q1", "--packet v1"] {
        let output = here.run(|| {
            Command::new(&program)
                .args(["--run-dir"])
                .arg(run_dir.path())
                .args(arguments.split(' '))
                .uid(NOBODY)
                .gid(NOBODY)
                .output()
                .unwrap()
        });
        let errors = String::from_utf8(output.stderr).unwrap();
        for words in [
            "not permitted to",
            "run as root",
            "cap_net_admin,cap_net_raw",
        ] {
            assert!(errors.contains(words), "{arguments}: {errors}");
        }
        assert_eq!(output.status.code(), Some(1));
        assert!(!run_dir.path().join("sw1.sock").exists());
    }
}

#[test]
fn root_of_a_user_namespace_is_privilege_enough_for_packet_ports() {
    let run_dir = tempfile::tempdir().unwrap();
    nobodys_switchd(run_dir.path());
    let unshared = |script: &str| {
        let mut command = Command::new("unshare");
        command
            .args(["-rn", "sh", "-c", script])
            .uid(NOBODY)
            .gid(NOBODY);
        command.current_dir(run_dir.path());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    };
    if !unshared("true")
        .status()
        .is_ok_and(|status| status.success())
    {
        eprintln!("this machine keeps user namespaces from its users");
        return;
    }
    let script = "ip link add v1 type veth peer name v2 && exec ./switchd --run-dir . --packet v1";
    let process = Process(Some(unshared(script).spawn().unwrap()));
    let mut client = None;
    eventually("it answers", || {
        client = switchd::control::Client::connect_named(run_dir.path(), "sw1").ok();
        client.is_some()
    });
    let asked = client
        .unwrap()
        .call(&switchd::control::Command::ShowVersion);
    let Ok(switchd::control::Reply::Version(version)) = asked else {
        panic!("{:?}", process.wait());
    };
    assert_eq!(version.ports, 1);
    process.signal(Signal::SIGTERM);
    assert_eq!(process.wait().status.code(), Some(0));
}

#[test]
fn without_descriptors_an_interface_is_taken_as_soon_as_there_are_some() {
    let (here, run_dir) = (Namespace::new(), tempfile::tempdir().unwrap());
    let hosts = [1, 2, 3].map(|host| {
        let there = Namespace::new();
        here.veth(&format!("v{host}"), &there, "eth0");
        there.host("eth0", host);
        there
    });
    let mut process = Process::start(&here, run_dir.path(), "--stp off --packet v1 v2 v3");
    transfer(&hosts[0], &hosts[2], 3, 1 << 20);
    let id = process.0.as_ref().unwrap().id();
    let limit = |descriptors: usize| {
        let limit = format!("--nofile={descriptors}:");
        let process = format!("--pid={id}");
        let set = Command::new("prlimit").args([&process, &limit]).status();
        assert!(set.unwrap().success());
    };
    let open = || std::fs::read_dir(format!("/proc/{id}/fd")).unwrap().count();
    let all = open();
    here.ip("link del v2");
    eventually("its sockets closed", || open() < all);
    limit(0);
    here.veth("v2", &hosts[1], "eth0");
    hosts[1].host("eth0", 2);
    let errors = process.0.as_mut().unwrap().stderr.take().unwrap();
    let said = BufReader::new(errors).lines().find(|line| {
        let line = line.as_ref().unwrap();
        line.contains("port v2") && line.contains("Too many open files")
    });
    assert!(said.is_some());
    transfer(&hosts[0], &hosts[2], 3, 1 << 20);
    limit(1024);
    transfer(&hosts[0], &hosts[1], 2, 1 << 20);
    assert_eq!(open(), all);
}
