//! Whole lab files: what a good one becomes, and exactly what is said about bad ones.

use super::*;

const PAIR: &str = "name: pair
topology:
  nodes:
    sw1: {kind: switch, ports: {p1: {trunk: [10, 20-29], native: 1}}}
    sw2: {kind: switch, stp: off}
    h1:
      kind: host
      ports: {eth0: {ip: 10.0.10.5/24, mac: 52:54:00:00:00:01, mtu: 9000}}
  links:
    - endpoints: [\"sw1:p1\", \"sw2:p1\"]
    - endpoints: [\"sw2:h1\", \"h1:eth0\"]
";

fn fault(text: &str) -> String {
    Topology::parse("lab.yml", text).unwrap_err().to_string()
}

/// What is said about [`PAIR`] with `from` written as `to`.
fn pair_with(from: &str, to: &str) -> String {
    assert!(PAIR.contains(from), "{from}");
    fault(&PAIR.replacen(from, to, 1))
}

/// What is said about [`PAIR`] with these steps.
fn pair_and(steps: &str) -> String {
    fault(&format!("{PAIR}steps:\n{steps}\n"))
}

#[test]
fn a_pair_is_read_as_written() {
    let lab = Topology::parse("lab.yml", PAIR).unwrap();
    assert_eq!(lab.name, "pair");
    let sw1 = lab.switch("sw1").unwrap();
    let trunk = PortSettings {
        trunk: Some("10,20-29".parse().unwrap()),
        native: VlanNumber::new(1),
        ..PortSettings::default()
    };
    assert_eq!(sw1.ports[0].settings, trunk);
    assert!(sw1.runs_stp());
    let sw2 = lab.switch("sw2").unwrap();
    assert!(!sw2.runs_stp());
    let wires: Vec<_> = sw2
        .ports
        .iter()
        .map(|port| (port.name.as_str(), &port.wire))
        .collect();
    assert_eq!(wires, [("p1", &Wire::Link(0)), ("h1", &Wire::Link(1))]);
    let eth0 = &lab.host("h1").unwrap().ports[0];
    assert_eq!(
        (eth0.addresses[0].to_string().as_str(), eth0.mtu),
        ("10.0.10.5/24", Some(9000))
    );
}

#[test]
fn the_vmotion_lab_is_right_and_its_vswitches_have_a_port_for_the_vm() {
    let lab = Topology::parse("vmotion.yml", include_str!("../../scenarios/vmotion.yml")).unwrap();
    assert_eq!(lab.switches().count(), 6);
    assert_eq!(
        lab.switch("core2").unwrap().stp.hello,
        Some(1),
        "supplied by `kinds`"
    );
    for vswitch in ["vsw1", "vsw2"] {
        let port = lab.switch(vswitch).unwrap().port("vm1").unwrap();
        assert_eq!(port.wire, Wire::Vm("vm1".to_owned()));
        assert_eq!(port.settings.access, VlanNumber::new(10));
    }
    assert_eq!(lab.vm("vm1").unwrap().memory, 64 << 20);
}

#[test]
fn faults_of_the_whole_file() {
    assert_eq!(
        fault("name: x\ntopolgy: {}\n"),
        "lab.yml:2:1: the lab: unknown key `topolgy`; did you mean `topology`?"
    );
    assert_eq!(
        fault("name: x\n"),
        "lab.yml:1:1: the lab needs the key `topology`"
    );
    assert_eq!(
        pair_with("name: pair", "name: ../pair"),
        "lab.yml:1:7: `../pair` is no lab name: 1 to 24 letters, digits, `-` and `_`, a letter or digit first"
    );
    assert_eq!(
        fault("name: x\ntopology: {nodes: {}}\n"),
        "lab.yml:2:19: a lab has at least one node"
    );
    assert_eq!(
        fault("- 1\n- 2\n"),
        "lab.yml:1:1: the lab: expected keys and values, found a list"
    );
}

#[test]
fn faults_of_nodes() {
    assert_eq!(
        pair_with("kind: switch", "kind: swich"),
        "lab.yml:4:17: `kind`: expected switch, host or vm, found `swich`; did you mean `switch`?"
    );
    assert_eq!(
        pair_with("kind: switch, ports", "ports"),
        "lab.yml:4:5: node `sw1` needs the key `kind`: switch, host or vm"
    );
    assert_eq!(
        pair_with("stp: off", "spt: off"),
        "lab.yml:5:25: node `sw2`: unknown key `spt`; did you mean `stp`?"
    );
    assert_eq!(
        pair_with("stp: off", "stp: of"),
        "lab.yml:5:30: `stp`: expected on or off, found `of`; did you mean `off`?"
    );
    assert_eq!(
        pair_with("stp: off", "priority: 5000"),
        "lab.yml:5:35: `priority`: expected a multiple of 4096 from 0 to 61440, found `5000`"
    );
    assert_eq!(
        pair_with("stp: off", "hello: 11"),
        "lab.yml:5:32: `hello`: expected whole seconds 1 to 10, found `11`"
    );
    assert_eq!(
        pair_with("stp: off", "forward-delay: 4"),
        "lab.yml:5:40: impossible timers (hello 2 s, max-age 20 s, forward-delay 4 s): 2 × (forward-delay − 1) must be at least max-age, so forward-delay at least 11"
    );
    assert_eq!(
        pair_with("stp: off", "hello: 10"),
        "lab.yml:5:32: impossible timers (hello 10 s, max-age 20 s, forward-delay 15 s): max-age must be at least 2 × (hello + 1), so at least 22"
    );
    assert_eq!(
        pair_with("stp: off", "ports: {p1: {access: 4095}}"),
        "lab.yml:5:46: `access`: expected a VLAN 1 to 4094, found `4095`"
    );
    assert_eq!(
        pair_with("stp: off", "ports: {p1: {access: 10, trunk: all}}"),
        "lab.yml:5:50: a port is either `access` or `trunk`, not both"
    );
    assert_eq!(
        pair_with("stp: off", "ports: {p1: {native: 10}}"),
        "lab.yml:5:38: `native` goes with `trunk`, which is absent"
    );
    assert_eq!(
        pair_with("stp: off", "ports: {p1: {acess: 10}}"),
        "lab.yml:5:38: node `sw2`, port `p1`: unknown key `acess`; did you mean `access`?"
    );
    assert_eq!(
        pair_with("20-29", "29-20"),
        "lab.yml:4:50: `trunk`: '29-20' ends before it starts"
    );
    assert_eq!(
        pair_with("10.0.10.5/24", "10.0.10.256/24"),
        "lab.yml:8:26: `ip`: expected an address with its prefix such as 10.0.10.5/24, found `10.0.10.256/24`"
    );
    assert_eq!(
        pair_with("10.0.10.5/24", "10.0.10.5"),
        "lab.yml:8:26: `ip`: expected an address with its prefix such as 10.0.10.5/24, found `10.0.10.5` (no prefix)"
    );
    assert_eq!(
        pair_with("52:54:00:00:00:01", "53:54:00:00:00:01"),
        "lab.yml:8:45: `mac`: 53:54:00:00:00:01 is not the address of one station (group bit set, or zero)"
    );
    assert_eq!(
        pair_with("mtu: 9000", "mtu: 9203"),
        "lab.yml:8:69: `mtu`: expected a whole number 68 to 9202, found `9203`"
    );
}

#[test]
fn faults_of_links() {
    assert_eq!(
        pair_with("sw1:p1\", \"sw2", "sw1:p1\", \"sv2"),
        "lab.yml:10:29: there is no node `sv2`; did you mean `sw2`?"
    );
    assert_eq!(
        pair_with("\"sw2:h1\"", "\"sw2:p1\""),
        "lab.yml:11:19: port sw2:p1 is used twice, first on line 10"
    );
    assert_eq!(
        pair_with(", \"sw2:p1\"", ""),
        "lab.yml:10:18: a link has 2 to 64 endpoints, this one 1"
    );
    assert_eq!(
        pair_with("h1:eth0", "h1"),
        "lab.yml:11:29: `endpoints`: expected node:port such as sw1:p1, found `h1`"
    );
    assert_eq!(
        pair_with("h1:eth0", "h1:eth1"),
        "lab.yml:8:15: no link ends at port h1:eth0; did you mean `eth1`?"
    );
    assert_eq!(
        pair_with("h1:eth0", "h1:an-interface-too-long"),
        "lab.yml:11:29: `an-interface-too-long` is no port name: 1 to 15 letters, digits, `-`, `_` and `.`, not `lo`, `all` or `default`"
    );
}

#[test]
fn addresses_are_given_once() {
    let twice = |port: &str| {
        let h2 = format!(
            "    h2: {{kind: host, ports: {{e: {{{port}}}}}}}\n  links:\n    - endpoints: [\"sw1:p9\", \"h2:e\"]\n"
        );
        pair_with("  links:\n", &h2)
    };
    assert_eq!(
        twice("ip: 10.0.10.5/16"),
        "lab.yml:9:5: h2:e has the IP address 10.0.10.5 that h1:eth0 has too"
    );
    assert_eq!(
        twice("mac: 5254.0000.0001"),
        "lab.yml:9:5: h2:e has the MAC address 52:54:00:00:00:01 that h1:eth0 has too"
    );
}

#[test]
fn a_setting_is_told_as_it_is_written() {
    let steps = "steps:
  - set: {switch: sw1, priority: 4096, vlans: 10-20}
  - set: {priorities: {10: 0, 20: 4096}, switch: sw1}
  - set: {port: \"sw1:p1\", trunk: [10, 20-29], native: 10}
";
    let topology = Topology::parse("lab.yml", &format!("{PAIR}{steps}")).unwrap();
    let told = topology.steps.iter().map(|step| {
        let StepKind::Set(setting) = &step.kind else {
            panic!("{step:?}");
        };
        setting.to_string()
    });
    assert_eq!(
        told.collect::<Vec<_>>(),
        [
            "set sw1: priority 4096, vlans 10-20",
            "set sw1: priorities 10 0 20 4096",
            "set sw1:p1: trunk 10,20-29, native 10",
        ]
    );
}

#[test]
fn faults_of_steps() {
    assert_eq!(
        pair_and("  - wiat: 5s"),
        "lab.yml:13:5: a step: unknown key `wiat`; did you mean `wait`?"
    );
    assert_eq!(
        pair_and("  - wait: 5 parsecs"),
        "lab.yml:13:11: `wait`: expected a time such as 500ms, 10s or 2m, found `5 parsecs`"
    );
    assert_eq!(
        pair_and("  - {wait: 5s, link: {}}"),
        "lab.yml:13:16: a step has one key: wait, link, switch, connect, set, send, migrate or check"
    );
    assert_eq!(
        pair_and("  - link: {down: \"sw1:p7\"}"),
        "lab.yml:13:18: no link ends at sw1:p7; did you mean `sw1:p1`?"
    );
    assert_eq!(
        pair_and("  - link: {down: \"sw9:p1\"}"),
        "lab.yml:13:18: there is no node `sw9`; did you mean `sw1`?"
    );
    assert_eq!(
        pair_and("  - link: {}"),
        "lab.yml:13:11: `link` takes one key, `down`, `up`, `silent` or `change`, with a port such as sw1:p1"
    );
    assert_eq!(
        pair_and("  - migrate: {vm: vm1, to: h1}"),
        "lab.yml:13:19: there is no VM `vm1`"
    );
    assert_eq!(
        pair_and("  - check: {root: sw2}"),
        "lab.yml:13:19: the switch `sw2` runs no spanning tree"
    );
    assert_eq!(
        pair_and("  - check: {rot: sw1}"),
        "lab.yml:13:13: check: unknown key `rot`; did you mean `root`?"
    );
    assert_eq!(
        pair_and("  - check: {port: \"sw1:p1\", role: rooot}"),
        "lab.yml:13:35: `role`: expected root, designated, alternate, backup, master or disabled, found `rooot`; did you mean `root`?"
    );
    assert_eq!(
        pair_and("  - check: {mac: \"h1:eth0\", switch: sw1, at: p2}"),
        "lab.yml:13:46: `sw1` has no port `p2`; did you mean `p1`?"
    );
    assert_eq!(
        pair_and("  - check: {ping: {from: h1, to: h2}}"),
        "lab.yml:13:34: there is no host, VM or address `h2`; did you mean `h1`?"
    );
    assert_eq!(
        pair_and("  - check: {ping: {from: h1, to: \"fd00::1\"}}"),
        "lab.yml:13:34: `fd00::1` is fd00::1: a ping check needs an IPv4 address"
    );
    assert_eq!(
        pair_and("  - set: {switch: sw1, prority: 0}"),
        "lab.yml:13:24: set: unknown key `prority`; did you mean `priority`?"
    );
    assert_eq!(
        pair_and("  - set: {switch: sw1}"),
        "lab.yml:13:5: `set` changes nothing: no setting is given"
    );
    assert_eq!(
        pair_and("  - set: {port: \"sw1:p1\", number: 3}"),
        "lab.yml:13:27: set: unknown key `number`"
    );
}

#[test]
fn faults_of_vms() {
    let vm = |host: &str, vm: &str| {
        let nodes = format!(
            "    h2: {{kind: host{host}, ports: {{e: {{}}}}}}\n    vm1: {{kind: vm, {vm}}}\n  links:\n    - endpoints: [\"sw1:p9\", \"h2:e\"]\n"
        );
        pair_with("  links:\n", &nodes)
    };
    let whole = "mac: 52:54:00:00:00:05, ip: 10.0.10.6/24";
    assert_eq!(
        vm("", &format!("host: h2, {whole}")),
        "lab.yml:10:27: the host `h2` has no vSwitch to plug a VM into: give it the key `vswitch`"
    );
    assert_eq!(
        vm(", vswitch: sw2", &format!("host: h3, {whole}")),
        "lab.yml:10:27: there is no host `h3`; did you mean `h2`?"
    );
    assert_eq!(
        vm(", vswitch: sw3", &format!("host: h2, {whole}")),
        "lab.yml:9:31: there is no switch `sw3`; did you mean `sw1`?"
    );
    assert_eq!(
        vm(", vswitch: sw2", "host: h2"),
        "lab.yml:10:5: node `vm1` needs the key `mac`"
    );
    assert_eq!(
        vm(", vswitch: sw2", &format!("host: h2, memory: 5, {whole}")),
        "lab.yml:10:39: `memory`: expected a multiple of 4096 octets up to 4GiB"
    );
}

/// What is said about the built-in lab of balancing with `from` written as `to`.
fn drs_with(from: &str, to: &str) -> String {
    let text = include_str!("../../scenarios/drs.yml");
    assert!(text.contains(from), "{from}");
    fault(&text.replacen(from, to, 1))
}

#[test]
fn the_section_drs_is_read_and_what_it_leaves_out_has_a_default() {
    let text = include_str!("../../scenarios/drs.yml");
    let drs = Topology::parse("drs.yml", text).unwrap().drs.unwrap();
    assert_eq!(
        (drs.level.get(), drs.target, drs.threshold),
        (4, Some(8.0), 90.0)
    );
    assert_eq!(
        (drs.hosts.len(), drs.loads.len(), drs.rules.len()),
        (4, 8, 3)
    );
    let bare = text
        .replacen("  level: 4\n", "", 1)
        .replacen("    app1: 60%\n", "", 1);
    let drs = Topology::parse("drs.yml", &bare).unwrap().drs.unwrap();
    assert_eq!(drs.level.get(), 3);
    assert_eq!(drs.loads["app1"], crate::drs::Load::Drawn);
}

#[test]
fn faults_of_the_section_drs() {
    for (from, to, expected) in [
        (
            "level: 4",
            "level: 6",
            "`level`: expected a whole number 1 to 5, found `6`",
        ),
        (
            "level: 4",
            "levl: 4",
            "drs: unknown key `levl`; did you mean `level`?",
        ),
        (
            "target-deviation: 8%",
            "target-deviation: 8",
            "`target-deviation`: expected 0.1% to 100%, such as 60%, found `8`",
        ),
        (
            "target-deviation: 8%",
            "target-deviation: inf%",
            "`target-deviation`: expected 0.1% to 100%, such as 60%, found `inf%`",
        ),
        (
            "interval: 2s",
            "interval: 0s",
            "`interval`: expected 100ms to 24h, found `0s`",
        ),
        (
            "cool-down: 15s",
            "cool-down: 90h",
            "`cool-down`: expected 0ns to 24h, found `90h`",
        ),
        (
            "hosts: {esx1: 400%",
            "hosts: {esx1: 0%",
            "`esx1`: expected 1% to 10000%, such as 60%, found `0%`",
        ),
        (
            "hosts: {esx1: 400%",
            "hosts: {client: 400%",
            "the host `client` has no vSwitch to plug a VM into",
        ),
        (
            "    app1: 60%",
            "    app9: 60%",
            "there is no VM `app9`; did you mean `app1`?",
        ),
        (
            "    app1: 60%",
            "    app1: {wav: 1}",
            "a load: unknown key `wav`; did you mean `wave`?",
        ),
        (
            "    app1: 60%",
            "    app1: []",
            "`app1`: a load is a share such as 60%, `measured`, `drawn`, or one of steps, wave, bursts or random",
        ),
        (
            "{0s: 70%, 60s: 150%}",
            "{1s: 70%}",
            "`steps`: times begin with 0s, and each is later than the one before",
        ),
        (
            "{0s: 70%, 60s: 150%}",
            "{0s: 70%, 0ms: 1%}",
            "`steps`: times begin with 0s, and each is later than the one before",
        ),
        (
            "low: 40%, high: 110%",
            "low: 40%, high: 10%",
            "`high` is less than `low`",
        ),
        (
            "length: 20s",
            "length: 61s",
            "`length`: a burst is not longer than the stretch `every` that it is in",
        ),
        (
            "- anti-affinity: [db1, db2]",
            "- anti-affinity: [db1, db1]",
            "`anti-affinity`: `db1` is named twice",
        ),
        (
            "- anti-affinity: [db1, db2]",
            "- anti-affinity: db1",
            "`anti-affinity`: expected at least 2 names",
        ),
        (
            "- anti-affinity: [db1, db2]",
            "- {vms: db1, affinity: [db1, db2]}",
            "a rule is `affinity` or `anti-affinity` with VMs, or `vms` with `must` or `must-not` and hosts",
        ),
        (
            "- affinity: [app1, cache1]",
            "- affinity: [db1, web1, db2]",
            "this rule cannot be kept with those before it: db1 and db2 must be together by affinity",
        ),
        (
            "must-not: esx4}",
            "must-not: [esx1, esx2, esx3, esx4]}",
            "this rule cannot be kept with those before it: no host is left for job1",
        ),
    ] {
        let said = drs_with(from, to);
        assert!(said.starts_with("lab.yml:"), "{said}");
        assert!(said.ends_with(&format!(": {expected}")), "{to}: {said}");
    }
}
