//! `switchctl` against a running switch: every answer as it is printed, every refusal with its exit code.

#[path = "switchctl/golden.rs"]
mod golden;
#[path = "switchctl/watch.rs"]
mod watch;

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;
use std::time::Duration;

use golden::{
    CHANGES, COUNTERS, INTERFACE, INTERFACES, MAC_COUNT, MAC_COUNT_OF_ADDRESS, MAC_OF_PORT,
    MAC_TABLE, NO_TREE, PORTS_CONFIGURED, REFUSED, TREE, VLANS,
};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tests::frames::{frame, inject, tagged};
use tests::net::{Net, cable};
use tests::switch_process::SwitchProcess;
use tests::switchctl::{Spoken, command, say};
use tests::wait::wait_for_eq;

const A: [u8; 6] = [2, 0xaa, 0, 0, 0, 1];
const ALL: [u8; 6] = [0xff; 6];
/// How long may take what takes milliseconds on an idle machine.
const SOON: Duration = Duration::from_secs(10);

/// Addresses of their own make the output the same every time.
const PORTS: [&str; 6] = [
    "--packet",
    "p1:mac=02:00:00:00:01:01:edge",
    "p2:trunk=10,20-22:native=99:native-tagged:edge:cost=19:priority=64:mac=02:00:00:00:01:02",
    "--tap",
    "t1:dot1q-tunnel=100:edge:number=7:mac=02:00:00:00:01:07",
    "t2:hybrid:pvid=30:tagged=10:untagged=30-31:down:frames=untagged:mac=02:00:00:00:01:08",
];

struct Lab {
    host: labs::netns::Namespace,
    switch: SwitchProcess,
    _net: Net,
}

impl Lab {
    fn new(arguments: &[&str]) -> Self {
        let mut net = Net::new();
        let (inside, host) = (net.namespace("sw"), net.namespace("h"));
        cable(&host, "eth0", &inside, "p1");
        cable(&host, "eth1", &inside, "p2");
        let address = ["--address", "02:00:00:00:00:99"];
        let arguments = [&address[..], arguments, &PORTS].concat();
        let switch = SwitchProcess::start(&inside, "sw1", &arguments);
        Self {
            host,
            switch,
            _net: net,
        }
    }

    /// A switch without a spanning tree that has learned station A on p1: nothing moves by itself.
    fn still() -> Self {
        let lab = Self::new(&["--stp", "off"]);
        inject(&lab.host, "eth0", &[frame(ALL, A, b"hello")]);
        wait_for_eq("learned", SOON, &Some("p1".to_owned()), || {
            lab.switch.port_of(A.into())
        });
        lab
    }

    fn say(&self, words: &str) -> Spoken {
        say(self.switch.run_dir(), &format!("sw1 {words}"))
    }

    /// What is printed by a command that succeeds.
    fn print(&self, words: &str) -> String {
        let spoken = self.say(words);
        assert_eq!((spoken.code, spoken.err.as_str()), (0, ""), "{words}");
        spoken.out
    }
}

#[test]
fn shows_are_printed_in_the_layout_users_know() {
    let lab = Lab::still();
    for (words, expected) in [
        ("show mac address-table", MAC_TABLE),
        ("sh mac add", MAC_TABLE),
        ("show mac address-table vlan 1 interface p1", MAC_OF_PORT),
        ("show mac address-table count", MAC_COUNT),
        (
            "show mac address-table address 02aa.0000.0001 count",
            MAC_COUNT_OF_ADDRESS,
        ),
        ("show vlan", VLANS),
        ("show interfaces", INTERFACES),
        ("show spanning-tree", NO_TREE),
    ] {
        assert_eq!(lab.print(words), expected, "{words}");
    }
    let config = lab.print("show running-config");
    let ports = config.find("\n[[port]]").expect("ports");
    assert_eq!(&config[ports..], PORTS_CONFIGURED);
    let version = lab.print("show version");
    assert!(version.contains("sw1 uptime is 00:00:"), "{version}");
    let process = format!("Process {}, bridge", lab.switch.pid());
    assert!(version.contains(&process), "{version}");
}

#[test]
fn counters_name_the_reason_of_every_drop() {
    let lab = Lab::still();
    let tagged = tagged(&frame(ALL, A, b"tagged"), 5);
    inject(&lab.host, "eth0", &[tagged]);
    wait_for_eq("counted", SOON, &INTERFACE.to_owned(), || {
        lab.print("show interfaces p1")
    });
    assert_eq!(lab.print("show interfaces counters"), COUNTERS);
    let of_port = lab.print("show interfaces p1 counters");
    let lines: Vec<&str> = COUNTERS.lines().collect();
    let expected = [&lines[..2], &lines[3..6]].concat();
    assert_eq!(of_port.lines().collect::<Vec<_>>(), expected);
}

#[test]
fn the_tree_is_printed_with_roles_states_and_timers() {
    let lab = Lab::new(&["--priority", "4096"]);
    wait_for_eq("links up", SOON, &TREE.to_owned(), || {
        lab.print("show spanning-tree")
    });
    let detail = lab.print("show spanning-tree detail");
    for line in [
        " VLAN0001 is executing the rstp compatible Spanning Tree protocol",
        "  We are the root of the spanning tree",
        " Port 1 (t2) of VLAN0001 is disabled",
        " Port 3 (p2) of VLAN0001 is designated forwarding",
        "   Port path cost 19, Port priority 64, Port Identifier 64.3.",
        "   Designated bridge has priority 4096, address 0200.0000.0099",
        "   Link type is point-to-point, edge",
    ] {
        assert!(detail.lines().any(|printed| printed == line), "{line}");
    }
}

#[test]
fn every_answer_comes_as_json_too() {
    let lab = Lab::still();
    for (words, reply) in [
        ("show mac address-table", "mac-table"),
        ("show mac address-table vlan 1 count", "mac-table"),
        ("show mac address-table count", "mac-count"),
        ("show spanning-tree", "spanning-tree"),
        ("show spanning-tree detail", "spanning-tree"),
        ("show vlan", "vlans"),
        ("show interfaces", "interfaces"),
        ("show interfaces p1", "interfaces"),
        ("show interfaces counters", "interfaces"),
        ("show running-config", "running-config"),
        ("show version", "version"),
        ("set ageing-time 100", "done"),
        ("add port t9 tap", "port-added"),
        ("remove port t9", "done"),
        ("clear mac address-table dynamic", "cleared"),
    ] {
        let printed = lab.print(&format!("{words} --json"));
        let json: Value = serde_json::from_str(&printed).expect(words);
        assert_eq!(json["reply"], reply, "{words}");
    }
    let events = lab.print("--json events");
    for (number, line) in events.lines().enumerate() {
        let event: Value = serde_json::from_str(line).expect("an event a line");
        assert_eq!(event["seq"], number, "no gaps");
        assert!(event["time_ns"].is_u64() && event["kind"].is_string());
    }
    let learned = events.lines().find(|line| line.contains("cam-learn"));
    let learned: Value = serde_json::from_str(learned.expect("learned")).expect("an event");
    assert_eq!(learned["mac"], "02:aa:00:00:00:01");
    assert_eq!(learned["port"], "p1");
    assert_eq!(learned["cause"], "other");
}

#[test]
fn what_is_set_holds_at_once_and_is_in_the_running_configuration() {
    let lab = Lab::still();
    for (words, lines) in CHANGES {
        let said = lab.print(words);
        assert!(
            said.is_empty() || said.starts_with("added as port "),
            "{said}"
        );
        let config = lab.print("show running-config");
        let part = match words.contains("port p1") {
            true => config
                .split("\n\n")
                .find(|part| part.contains("name = \"p1\"")),
            false => Some(config.as_str()),
        };
        let part = part.expect("p1 is configured");
        for line in lines {
            let (line, wanted) = match line.strip_prefix('!') {
                Some(line) => (line, false),
                None => (*line, true),
            };
            let found = part.lines().any(|held| held == line);
            assert_eq!(found, wanted, "{words}: {line} in {part}");
        }
    }
    inject(&lab.host, "eth1", &[tagged(&frame(ALL, A, b"again"), 20)]);
    wait_for_eq("learned", SOON, &Some("p2".to_owned()), || {
        lab.switch.port_of(A.into())
    });
    for (words, count) in [
        ("vlan 10", 0),
        ("interface p1", 0),
        ("address 02aa.0000.0001", 1),
    ] {
        let said = lab.print(&format!("clear mac address-table dynamic {words}"));
        let noun = if count == 1 { "address" } else { "addresses" };
        assert_eq!(said, format!("{count} {noun} cleared\n"), "{words}");
    }
}

#[test]
fn what_is_refused_says_why_and_which_word() {
    let lab = Lab::still();
    for (words, code, err) in REFUSED {
        let out = String::new();
        let err = err.to_owned();
        assert_eq!(lab.say(words), Spoken { code, out, err }, "{words}");
    }
    assert_eq!(lab.print("show interfaces"), INTERFACES, "nothing changed");
}

#[test]
fn switches_are_listed_and_missing_ones_told() {
    let lab = Lab::still();
    let run_dir = lab.switch.run_dir();
    drop(std::os::unix::net::UnixListener::bind(run_dir.join("gone.sock")).expect("a socket"));
    let listed = say(run_dir, "list");
    let expected = format!(
        "Switch           Pid     Version\n---------------- ------- -------\nsw1              {:<7} {}\n\
         gone             -       does not answer\n",
        lab.switch.pid(),
        env!("CARGO_PKG_VERSION")
    );
    assert_eq!((listed.code, listed.out), (0, expected));
    let json: Value = serde_json::from_str(&say(run_dir, "list --json").out).expect("json");
    assert_eq!(
        (&json[0]["name"], json.as_array().map(Vec::len)),
        (&"sw1".into(), Some(1))
    );
    for (words, code, err) in [
        (
            "sw2 show version",
            1,
            "% no switch 'sw2' answers; running are sw1\n",
        ),
        (
            "gone show version",
            1,
            "% no switch 'gone' answers; running are sw1\n",
        ),
        (
            "--bogus show",
            2,
            "unknown option '--bogus'\n(switchctl --help has the commands)\n",
        ),
    ] {
        let spoken = say(run_dir, words);
        assert_eq!((spoken.code, spoken.err.as_str()), (code, err), "{words}");
    }
    let empty = tempfile::tempdir().expect("a directory");
    let listed = say(empty.path(), "list");
    assert!(listed.out.starts_with("No switch runs in "), "{listed:?}");
}

#[test]
fn completions_know_the_commands_of_both_programs() {
    let nowhere = std::path::Path::new("/");
    for shell in ["bash", "zsh", "fish"] {
        let spoken = say(nowhere, &format!("completions {shell}"));
        assert_eq!(spoken.code, 0, "{shell}");
        for word in [
            "address-table",
            "spanning-tree",
            "running-config",
            "dot1q-tunnel",
        ] {
            assert!(spoken.out.contains(word), "{shell}: {word}");
        }
    }
    let spoken = say(nowhere, "completions perl");
    assert_eq!(spoken.code, 2);
}

#[test]
fn a_reader_who_goes_away_is_no_failure_and_a_full_disk_is_one() {
    let lab = Lab::still();
    let run_dir = lab.switch.run_dir();
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let output = command(run_dir, "sw1 show running-config")
        .stdout(writer)
        .output()
        .expect("switchctl starts");
    assert_eq!((output.status.code(), output.stderr), (Some(0), vec![]));
    let full = File::options()
        .write(true)
        .open("/dev/full")
        .expect("/dev/full");
    let status = command(run_dir, "sw1 show running-config")
        .stdout(full)
        .stderr(Stdio::null())
        .status()
        .expect("switchctl starts");
    assert_eq!(status.code(), Some(1));
}

#[test]
fn events_are_followed_until_the_reader_or_the_switch_goes() {
    let lab = Lab::still();
    let follow = || {
        let mut child = command(lab.switch.run_dir(), "sw1 events --follow --since 0")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("switchctl starts");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let told = "Host 02aa.0000.0001 in vlan 1 was learned on port p1 (a frame of another kind)";
        let learned = lines.find(|line| line.as_ref().is_ok_and(|line| line.ends_with(told)));
        assert!(learned.is_some(), "history comes first");
        (child, lines)
    };
    let (mut leaver, lines) = follow();
    let (mut stayer, mut lines_of_stayer) = follow();
    drop(lines);
    // Something to write, which the leaver's pipe does not take any more.
    assert_eq!(lab.print("set port p1 down"), "");
    assert_eq!(leaver.wait().expect("ends").code(), Some(0));
    let down = lines_of_stayer.find(|line| {
        let told = "port p1 went from forwarding to disabled";
        line.as_ref().is_ok_and(|line| line.ends_with(told))
    });
    assert!(down.is_some(), "and then what happens");
    drop(lab.switch);
    let mut err = String::new();
    let mut stderr = stayer.stderr.take().expect("piped");
    stderr.read_to_string(&mut err).expect("text");
    assert!(
        err.starts_with("% the connection to the switch broke"),
        "{err}"
    );
    assert_eq!(stayer.wait().expect("ends").code(), Some(1));
}

#[test]
fn a_reader_that_is_stopped_and_goes_on_has_missed_nothing() {
    let lab = Lab::still();
    let mut child = command(lab.switch.run_dir(), "sw1 events --follow --since 0")
        .stdout(Stdio::piped())
        .spawn()
        .expect("switchctl starts");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    lines.next().expect("history comes first").expect("text");
    let pid = Pid::from_raw(child.id().try_into().expect("a process id"));
    // The history may be read before the reader waits for more, so that a single stop could find it at work.
    for _ in 0..20 {
        kill(pid, Signal::SIGSTOP).expect("it runs");
        wait_for_eq("stopped", SOON, &Some('T'), || state(pid));
        kill(pid, Signal::SIGCONT).expect("it is stopped");
        wait_for_eq("asleep again", SOON, &Some('S'), || state(pid));
    }
    assert_eq!(lab.print("set port p1 down"), "");
    let down = lines.find(|line| {
        let told = "port p1 went from forwarding to disabled";
        line.as_ref().is_ok_and(|line| line.ends_with(told))
    });
    assert!(down.is_some(), "it still follows");
    child.kill().expect("it runs");
    child.wait().expect("ends");
}

/// What process `pid` does, as `/proc` has it: `T` stopped, `S` asleep, `Z` ended.
fn state(pid: Pid) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}
