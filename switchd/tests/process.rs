//! The daemon as a process: what it leaves behind when it ends, however it ends.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(
    dead_code,
    reason = "these tests use a part of what tests of ports share"
)]

mod support;

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use support::{Namespace, eventually};

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
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let (here, run_dir) = (Namespace::new(), tempfile::tempdir().unwrap());
        here.ip("link add v1 type veth peer name v2");
        let process = Process::start(&here, run_dir.path(), "--tap p1 p2 --packet v1");
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
