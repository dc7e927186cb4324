use super::*;

fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}

fn parsed(line: &str) -> Action {
    parse(&words(line)).unwrap_or_else(|error| panic!("{}", error.pointed("")))
}

#[test]
fn unambiguous_beginnings_stand_for_the_word() {
    for (short, long) in [
        ("sh mac add", "show mac address-table"),
        ("sh span", "show spanning-tree"),
        ("sh span det", "show spanning-tree detail"),
        ("sho int", "show interfaces"),
        ("sh int p1 c", "show interfaces p1 counters"),
        ("sh run", "show running-config"),
        ("sh ver", "show version"),
        ("sh vl", "show vlan"),
        ("wh p p1 v 10", "why port p1 vlan 10"),
        (
            "sh mac a v 10 i p1 c",
            "show mac address-table vlan 10 interface p1 count",
        ),
        ("cl mac a d v 10", "clear mac address-table dynamic vlan 10"),
        (
            "cl sp det int p1",
            "clear spanning-tree detected-protocols interface p1",
        ),
        ("set span prio 4096", "set spanning-tree priority 4096"),
        ("set p p1 acc 10", "set port p1 access 10"),
        ("rem p p1", "remove port p1"),
        ("SHOW VERSION", "show version"),
        ("ev --f", "events --follow"),
    ] {
        assert_eq!(parsed(short), parsed(long), "{short}");
    }
}

#[test]
fn every_setting_becomes_its_command() {
    let port = |settings| {
        Action::Ask(
            Box::new(Command::SetPort {
                port: "p1".to_owned(),
                settings,
            }),
            Output::Plain,
        )
    };
    let from = |pairs: &[(&str, Option<&str>)]| {
        let mut settings = PortSettings::default();
        for (key, value) in pairs {
            settings.take(key, *value).unwrap();
        }
        settings
    };
    for (line, pairs) in [
        ("set port p1 up", &[("down", Some("off"))][..]),
        ("set port p1 down", &[("down", None)]),
        ("set port p1 trunk", &[("trunk", None)]),
        (
            "set port p1 trunk 10,20-29 native 5",
            &[("trunk", Some("10,20-29")), ("native", Some("5"))],
        ),
        (
            "set port p1 trunk native 5",
            &[("trunk", None), ("native", Some("5"))],
        ),
        (
            "set port p1 native-tagged off",
            &[("native-tagged", Some("off"))],
        ),
        (
            "set port p1 hybrid pvid 5 tagged 10 untagged 5,6",
            &[
                ("hybrid", None),
                ("pvid", Some("5")),
                ("tagged", Some("10")),
                ("untagged", Some("5,6")),
            ],
        ),
        ("set port p1 edge", &[("edge", None)]),
        (
            "set port p1 edge off cost auto priority 16",
            &[
                ("edge", Some("off")),
                ("cost", Some("auto")),
                ("priority", Some("16")),
            ],
        ),
        (
            "set port p1 frames tagged dot1q-tunnel 100",
            &[("frames", Some("tagged")), ("dot1q-tunnel", Some("100"))],
        ),
    ] {
        assert_eq!(parsed(line), port(from(pairs)), "{line}");
    }
    assert_eq!(
        parsed("add port p9 tap access 10"),
        parsed("add port p9:access=10 tap")
    );
    assert_eq!(
        parsed("no mac address-table static 5254.0000.0005 vlan 10 interface p1"),
        parsed("set no mac address-table static 52:54:00:00:00:05 vlan 10")
    );
    assert_eq!(
        parsed("events --since 7"),
        Action::Events {
            follow: false,
            since: Some(7)
        }
    );
}

#[test]
fn errors_point_at_the_word() {
    for (line, pointed) in [
        (
            "",
            "sw1> 
     ^
% Incomplete command: one of show, why, clear, set, no, add, remove, events is missing",
        ),
        (
            "show mac foo",
            "sw1> show mac foo
              ^
% Invalid input detected at '^' marker: 'foo' is none of address-table",
        ),
        (
            "s version",
            "sw1> s version
     ^
% Ambiguous command: 's' could be show or set",
        ),
        (
            "show v",
            "sw1> show v
          ^
% Ambiguous command: 'v' could be vlan or version",
        ),
        (
            "show mac address-table vlan 5000",
            "sw1> show mac address-table vlan 5000
                                 ^
% '5000' is not a VLAN (1..4094)",
        ),
        (
            "show mac address-table vlan",
            "sw1> show mac address-table vlan
                                 ^
% Incomplete command: a VLAN (1..4094) is missing",
        ),
        (
            "show version now",
            "sw1> show version now
                  ^
% Invalid input detected at '^' marker: nothing is expected here, not 'now'",
        ),
        (
            "set port p1 cost cheap",
            "sw1> set port p1 cost cheap
                      ^
% cost: 'cheap' is not auto or 1..200000000",
        ),
        (
            "set spanning-tree hello-time x",
            "sw1> set spanning-tree hello-time x
                                  ^
% hello: 'x' is not a time in seconds (1..10)",
        ),
    ] {
        let error = parse(&words(line)).unwrap_err();
        assert_eq!(error.pointed("sw1> "), pointed, "{line}");
    }
}

#[test]
fn a_port_may_be_called_like_a_word() {
    let command = Command::ShowInterfaces {
        interface: Some("p1".to_owned()),
    };
    assert_eq!(
        parsed("show interfaces p1"),
        Action::Ask(Box::new(command), Output::OnePort)
    );
    let command = Command::RemovePort {
        port: "port".to_owned(),
    };
    assert_eq!(
        parsed("remove port port"),
        Action::Ask(Box::new(command), Output::Plain)
    );
}
