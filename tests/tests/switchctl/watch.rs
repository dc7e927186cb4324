//! `switchctl watch` on a running switch.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tests::frames::{frame, inject};
use tests::switchctl::{command, say};

use super::{A, ALL, Lab};

const WHOM: &str = "02:aa:00:00:00:01";

/// A watch under way.
struct Watch {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Watch {
    fn start(lab: &Lab, words: &str) -> Self {
        let mut command = command(lab.switch.run_dir(), &format!("watch {WHOM} {words}"));
        let mut child = command.stdout(Stdio::piped()).spawn().expect("starts");
        let output = BufReader::new(child.stdout.take().expect("a pipe"));
        Self { child, output }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("a line");
        line.trim_end().to_owned()
    }

    /// What is left of its output, and its exit code.
    fn end(mut self) -> (String, Option<i32>) {
        let mut rest = String::new();
        self.output.read_to_string(&mut rest).expect("text");
        (rest, self.child.wait().expect("ends").code())
    }
}

/// RARP of A for itself (RFC 903).
fn rarp() -> Vec<u8> {
    let mut frame = [&ALL[..], &A, &[0x80, 0x35, 0, 1, 8, 0, 6, 4, 0, 3], &A].concat();
    frame.extend([0; 4]);
    frame.extend(A);
    frame.resize(60, 0);
    frame
}

#[test]
fn a_move_is_told_as_it_happens_and_judged_in_the_end() {
    let lab = Lab::still();
    assert_eq!(lab.say("set port p2 access 1").code, 0);
    let mut watch = Watch::start(&lab, "--for 2s");
    let opening = watch.line();
    assert_eq!(opening, format!("watching {WHOM} on sw1, for 2 s"));
    assert_eq!(watch.line(), "vlan 1: sw1:p1");
    inject(&lab.host, "eth1", &[rarp()]);
    let told = watch.line();
    assert!(
        told.ends_with("sw1      vlan 1    p1 → p2 by a RARP announcement"),
        "{told}"
    );
    let (rest, code) = watch.end();
    assert!(rest.contains(&format!(
        "{WHOM} in vlan 1: clean move\n  at sw1:p1\n  at sw1:p2 from "
    )));
    assert!(rest.contains("  no entry points elsewhere\n"), "{rest}");
    assert_eq!(code, Some(0));
}

#[test]
fn a_move_without_announcement_is_told_in_json_until_somebody_stops_it() {
    let lab = Lab::still();
    assert_eq!(lab.say("set port p2 access 1").code, 0);
    let mut watch = Watch::start(&lab, "sw1 --json --vlan 1");
    let opening: Value = serde_json::from_str(&watch.line()).expect("JSON");
    assert_eq!(opening["watching"], WHOM);
    assert_eq!(opening["before"]["1"]["sw1"], "p1");
    inject(&lab.host, "eth1", &[frame(ALL, A, b"here I am")]);
    let change: Value = serde_json::from_str(&watch.line()).expect("JSON");
    assert_eq!(change["change"]["how"]["moved"], "other");
    assert_eq!(change["change"]["place"], "sw1:p2");
    let process = i32::try_from(watch.child.id()).expect("a process");
    kill(Pid::from_raw(process), Signal::SIGINT).expect("it runs");
    let (rest, code) = watch.end();
    let verdict: Value = serde_json::from_str(rest.trim()).expect("JSON");
    assert_eq!(verdict["verdict"], "never-announced", "{rest}");
    assert_eq!(verdict["stays"][1]["place"], "sw1:p2");
    assert_eq!(code, Some(3));
}

#[test]
fn what_cannot_be_watched_is_said() {
    let lab = Lab::still();
    let run_dir = lab.switch.run_dir();
    for (words, code, error) in [
        ("watch", 2, "watch: name the address to watch"),
        ("watch 02:aa:00:00:00:zz", 2, "is not a MAC address"),
        (
            "watch 02:aa:00:00:00:01 sw7 --for 1s",
            1,
            "% sw7: no switch answers at ",
        ),
        (
            "watch 02:aa:00:00:00:01 --frob",
            2,
            "unknown option '--frob'",
        ),
    ] {
        let spoken = say(run_dir, words);
        assert_eq!(spoken.code, code, "{words}: {}", spoken.err);
        assert!(spoken.err.contains(error), "{words}: {}", spoken.err);
    }
    let nobody = say(run_dir, "watch 02:aa:00:00:00:77 --for 100ms");
    assert_eq!(nobody.code, 3);
    assert!(
        nobody.out.contains("02:aa:00:00:00:77: not seen"),
        "{}",
        nobody.out
    );
}
