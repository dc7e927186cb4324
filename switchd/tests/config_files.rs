//! Configurations, good and bad: what is accepted survives being written and read; what is refused is refused with
//! place, key, bad value and legal range.
#![expect(
    clippy::unwrap_used,
    reason = "a test that panics is a test that found something"
)]

use std::path::{Path, PathBuf};

use clap::Parser;
use proptest::prelude::*;
use switchd::config::{
    Config, ConfigError, Flags, PortKind, World, parse_file, read_file, to_toml,
};

/// A world with one interface, `veth0`.
fn world() -> World {
    World {
        interface_exists: |name| name == "veth0",
        run_dir: || PathBuf::from("/run/test"),
    }
}

fn file(text: &str) -> Result<Config, ConfigError> {
    parse_file(Path::new("sw.toml"), text)?.check(world())
}

fn flags(line: &str) -> Result<Config, ConfigError> {
    let words = std::iter::once("switchd").chain(line.split_whitespace());
    Flags::try_parse_from(words).unwrap().raw().check(world())
}

#[test]
fn only_port_names_give_a_working_switch() {
    let config = flags("p1 veth0").unwrap();
    let shown: Vec<_> = config
        .ports
        .iter()
        .map(|port| (port.number.get(), port.name.as_str().to_owned(), port.kind))
        .collect();
    assert_eq!(
        shown,
        [
            (1, "p1".to_owned(), PortKind::Tap),
            (2, "veth0".to_owned(), PortKind::Packet)
        ]
    );
    assert!(config.stp.is_on());
    assert!(
        config
            .ports
            .iter()
            .all(|port| port.mode == switchd::vlan::PortMode::default())
    );
}

#[test]
fn file_and_flags_say_the_same() {
    let from_file = file(
        r#"
[switch]
name = "sw7"
address = "02:00:00:00:00:07"
[stp]
priority = 4096
hello = 1
max-age = 6
forward-delay = 4
[cam]
ageing = 60
capacity = 1000
[[port]]
name = "p1"
kind = "tap"
[[port]]
name = "p2"
kind = "tap"
access = 10
edge = true
[[port]]
name = "veth0"
kind = "packet"
trunk = [10, "20-29"]
native = 1
mac = "02:00:00:00:00:09"
cost = 19
[[static-mac]]
mac = "52:54:00:00:00:05"
vlan = 10
port = "p2"
"#,
    );
    let from_flags = flags(
        "--name sw7 --address 0200.0000.0007 --priority 4096 --hello 1 --max-age 6 --forward-delay 4 --ageing 60 \
         --cam-capacity 1000 --tap p1 p2:access=10:edge --packet veth0:trunk=10,20-29:native=1:mac=02:00:00:00:00:09:cost=19 \
         --static-mac 52:54:00:00:00:05/10/p2",
    );
    assert_eq!(from_file.unwrap(), from_flags.unwrap());
}

#[test]
fn every_bad_file_is_refused_with_its_place() {
    for (text, expected) in [
        (
            "[switch]\nname = \"\"",
            "sw.toml:2: [switch]: name: is empty",
        ),
        (
            "[switch]\nname = \"a/b\"",
            "sw.toml:2: [switch]: name: 'a/b' is no name for a switch: letters, digits, '.', '_' and '-', the first no '.' or '-'",
        ),
        (
            "[swich]",
            "sw.toml:1: unknown key 'swich'; did you mean 'switch'?",
        ),
        ("switch = 1", "sw.toml:1: write it as a table: [switch]"),
        (
            "[port]\nname = \"p1\"",
            "sw.toml:1: write each port as [[port]]",
        ),
        ("x = [", "sw.toml:1: unclosed array, expected `]`"),
        (
            "[stp]\n\nprioritty = 4096",
            "sw.toml:3: [stp]: unknown key 'prioritty'; did you mean 'priority'?",
        ),
        (
            "[stp]\npriority = 4097",
            "sw.toml:2: [stp]: priority: '4097' is not a bridge priority (0..61440 in steps of 4096)",
        ),
        (
            "[stp]\nhello = 11",
            "sw.toml:2: [stp]: hello: '11' is not a time in seconds (1..10)",
        ),
        (
            "[stp]\nmax-age = 5",
            "sw.toml:2: [stp]: max-age: '5' is not a time in seconds (6..40)",
        ),
        (
            "[stp]\nmax-age = 40",
            "sw.toml:2: [stp]: forward-delay: 15 s allows a max-age of at most 28 s, not 40 s: 2 x (forward-delay - 1) >= max-age >= 2 x (hello + 1)",
        ),
        (
            "[stp]\nhello = 10",
            "sw.toml:2: [stp]: max-age: 20 s is too short for a hello of 10 s, which needs 22 s: 2 x (forward-delay - 1) >= max-age >= 2 x (hello + 1)",
        ),
        (
            "[stp]\nenabled = \"maybe\"",
            "sw.toml:2: [stp]: enabled: 'maybe' is not on or off",
        ),
        (
            "[cam]\nageing = 9",
            "sw.toml:2: [cam]: ageing: '9' is not a time in seconds (10..1000000)",
        ),
        (
            "[cam]\ncapacity = 0",
            "sw.toml:2: [cam]: capacity: '0' is not a number of addresses (1..1000000)",
        ),
        (
            "[[port]]\nkind = \"tap\"",
            "sw.toml:1: [[port]]: name is missing",
        ),
        (
            "[[port]]\nname = \"a-name-too-long-\"",
            "sw.toml:2: [[port]] a-name-too-long-: name: port name 'a-name-too-long-' is longer than 15 octets",
        ),
        (
            "[[port]]\nname = \"p1\"\naccess = 4095",
            "sw.toml:3: [[port]] p1: access: '4095' is not a VLAN (1..4094)",
        ),
        (
            "[[port]]\nname = \"p1\"\naccess = -1",
            "sw.toml:3: [[port]] p1: access: '-1' is not a VLAN (1..4094)",
        ),
        (
            "[[port]]\nname = \"p1\"\naccess = 1979-05-27",
            "sw.toml:3: [[port]] p1: access: not a text, number, true or false, or a list of them",
        ),
        (
            "[[port]]\nname = \"p1\"\naccess = 1\ntrunk = \"all\"",
            "sw.toml:4: [[port]] p1: trunk: excludes access: a port has one mode",
        ),
        (
            "[[port]]\nname = \"p1\"\nnative = 1",
            "sw.toml:3: [[port]] p1: native: belongs to mode trunk: say trunk=LIST as well",
        ),
        (
            "[[port]]\nname = \"p1\"\nhybrid = true\ntagged = \"1,2\"",
            "sw.toml:4: [[port]] p1: tagged: VLAN 1 is in both tagged and untagged",
        ),
        (
            "[[port]]\nname = \"p1\"\nnumber = 1024",
            "sw.toml:3: [[port]] p1: number: '1024' is not a port number (1..1023)",
        ),
        (
            "[[port]]\nname = \"p1\"\nnumber = 2\n[[port]]\nname = \"p2\"\nnumber = 2",
            "sw.toml:6: [[port]] p2: number: port 2 is 'p1' already",
        ),
        (
            "[[port]]\nname = \"p1\"\n[[port]]\nname = \"p1\"",
            "sw.toml:4: [[port]] p1: name: a port 'p1' exists already",
        ),
        (
            "[[port]]\nname = \"p1\"\nkind = \"tun\"",
            "sw.toml:3: [[port]] p1: kind: 'tun' is not tap, packet, stream, dgram, udp or fd",
        ),
        (
            "[[port]]\nname = \"p1\"\nmac = \"01:00:00:00:00:00\"",
            "sw.toml:3: [[port]] p1: mac: '01:00:00:00:00:00' is a group address",
        ),
        (
            "[[static-mac]]\nmac = \"52:54:00:00:00:05\"\nvlan = 1\nport = \"p1\"",
            "sw.toml:1: [[static-mac]]: port: there is no port 'p1'",
        ),
    ] {
        assert_eq!(file(text).unwrap_err().to_string(), expected, "{text}");
    }
}

#[test]
fn every_bad_flag_is_refused_with_its_place() {
    for (line, expected) in [
        ("p1 p1", "p1: name: a port 'p1' exists already"),
        (
            "--tap p1:acess=10",
            "--tap p1:acess=10: unknown key 'acess'; did you mean 'access'?",
        ),
        (
            "--packet p1:cost=0",
            "--packet p1:cost=0: cost: '0' is not auto or 1..200000000",
        ),
        (
            "p1:priority=5",
            "p1:priority=5: priority: '5' is not a port priority (0..240 in steps of 16)",
        ),
        ("p1:access", "p1:access: access: needs a value: access=…"),
        (
            "--protocol rtsp",
            "--protocol: 'rtsp' is none of off, stp, rstp, mstp, pvst, rapid-pvst",
        ),
        (
            "--hello 11",
            "--hello: '11' is not a time in seconds (1..10)",
        ),
        ("--stp maybe", "--stp: enabled: 'maybe' is not on or off"),
        (
            "--static-mac 52:54:00:00:00:05",
            "--static-mac 52:54:00:00:00:05: needs vlan, mac and port",
        ),
    ] {
        assert_eq!(flags(line).unwrap_err().to_string(), expected, "{line}");
    }
}

#[test]
fn all_problems_are_told_at_once_by_line() {
    let text = "[cam]\nageing = 1\n[[port]]\nname = \"p1\"\naccess = 0\n[stp]\nhello = 0";
    let error = file(text).unwrap_err();
    let places: Vec<String> = error
        .problems
        .iter()
        .map(|problem| problem.at.to_string())
        .collect();
    assert_eq!(places, ["sw.toml:2: ", "sw.toml:5: ", "sw.toml:7: "]);
}

/// A port as somebody might write it, by flag.
#[test]
fn a_file_that_is_none_is_refused_before_it_fills_the_memory() {
    let error = read_file(Path::new("/dev/zero")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "/dev/zero: is no configuration: longer than 4 MiB"
    );
    let error = read_file(Path::new("/nowhere.toml"))
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("/nowhere.toml: cannot be read"),
        "{error}"
    );
}

#[test]
fn a_file_full_of_mistakes_names_every_one() {
    let lines = 20_000;
    let text: String = (0..lines).map(|key| format!("k{key} = 1\n")).collect();
    let error = file(&format!("[switch]\n{text}")).unwrap_err();
    assert_eq!(error.problems.len(), lines);
    assert!(
        error.to_string().contains("sw.toml:20001: "),
        "the last line"
    );
    let ports: String = (0..3000)
        .map(|port| format!("[[port]]\nname = \"p{port}\"\n"))
        .collect();
    let error = file(&ports).unwrap_err();
    assert_eq!(error.problems.len(), 3000 - 1023);
    assert!(error.to_string().contains("at most 1023 ports"));
}

fn port() -> impl Strategy<Value = String> {
    let mode = prop_oneof![
        Just(String::new()),
        (1..=4094_u16).prop_map(|vlan| format!(":access={vlan}")),
        (1..=2000_u16, 2001..=4094_u16, 1..=4094_u16, any::<bool>()).prop_map(
            |(low, high, native, tagged)| {
                let tagged = if tagged { ":native-tagged" } else { "" };
                format!(":trunk={low},{high}:native={native}{tagged}")
            }
        ),
        (1..=100_u16).prop_map(|pvid| format!(":hybrid:pvid={pvid}:tagged=200-300")),
        (1..=4094_u16).prop_map(|vlan| format!(":dot1q-tunnel={vlan}")),
    ];
    let frames = prop_oneof![
        Just(""),
        Just(":frames=all"),
        Just(":frames=tagged"),
        Just(":frames=untagged")
    ];
    let rest = prop_oneof![Just(""), Just(":cost=19:edge"), Just(":priority=16:down")];
    (mode, frames, rest).prop_map(|(mode, frames, rest)| format!("{mode}{frames}{rest}"))
}

proptest! {
    #[test]
    fn a_configuration_survives_being_written_and_read(
        ports in proptest::collection::vec(port(), 0..6),
        priority in 0..=15_u16,
        stp in any::<bool>(),
        ageing in 10..=1_000_000_u32,
    ) {
        let mut line = format!(
            "--stp {} --priority {} --ageing {ageing}",
            if stp { "on" } else { "off" },
            priority * 4096
        );
        for (index, port) in ports.iter().enumerate() {
            line.push_str(&format!(" p{index}{port}"));
        }
        let config = flags(&line).unwrap();
        let text = to_toml(&config);
        prop_assert_eq!(file(&text).map_err(|error| TestCaseError::fail(format!("{error}\n{text}")))?, config);
    }

    #[test]
    fn arbitrary_files_never_panic(text in "[\\[\\]a-z=\", 0-9\n.-]{0,200}") {
        let _ = file(&text);
    }
}

#[test]
fn forwarding_threads_are_counted_from_none_and_written_back() {
    assert_eq!(flags("p1").unwrap().workers, 0);
    let config = file("[switch]\nworkers = 2\n[[port]]\nname = \"p1\"\n").unwrap();
    assert_eq!(config.workers, 2);
    assert_eq!(
        config,
        flags("--workers 2 p1")
            .map(|flags| Config {
                run_dir: config.run_dir.clone(),
                ..flags
            })
            .unwrap()
    );
    let written = to_toml(&config);
    assert!(written.contains("\nworkers = 2\n"), "{written}");
    assert_eq!(file(&written).unwrap(), config);
    for wrong in ["65", "-1", "two", ""] {
        let error = flags(&format!("--workers={wrong} p1"))
            .unwrap_err()
            .to_string();
        assert!(error.contains("is not 0..64"), "{error}");
    }
}
