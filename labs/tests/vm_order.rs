//! `labs migrate` in a lab that is up, and moves where every VLAN has its own way. Needs root.
#![allow(clippy::unwrap_used, reason = "a test says no more by expect")]

mod lab_common;

use std::process::{Command as Process, Stdio};
use std::time::{Duration, Instant};

use lab_common::{PATIENCE, World, both};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use switchd::config::PortSettings;
use switchd::control::{Client, Command};

/// Two hosts, their vSwitches joined directly: no spanning tree to wait for.
const PAIR: &str = "
name: pair
topology:
  nodes:
    vsw1: {kind: switch, protocol: off, ports: {uplink: {trunk: all}, vmk0: {access: 20}, client: {access: 10}}}
    vsw2: {kind: switch, protocol: off, ports: {uplink: {trunk: [10, 20]}, vmk0: {access: 20}}}
    esx1: {kind: host, vswitch: vsw1, ports: {vmk0: {ip: 10.0.20.1/24}}}
    esx2: {kind: host, vswitch: vsw2, ports: {vmk0: {ip: 10.0.20.2/24}}}
    client: {kind: host, ports: {eth0: {ip: 10.0.10.100/24}}}
    vm1: {kind: vm, host: esx1, vlan: 10, mac: 52:54:00:00:00:05, ip: 10.0.10.5/24, memory: 8MiB, dirty-rate: 1MiB/s}
  links:
    - endpoints: [\"vsw1:uplink\", \"vsw2:uplink\"]
    - endpoints: [\"vsw1:vmk0\", \"esx1:vmk0\"]
    - endpoints: [\"vsw2:vmk0\", \"esx2:vmk0\"]
    - endpoints: [\"vsw1:client\", \"client:eth0\"]
steps:
  - wait: {converged: 10s}
";

fn trunk(world: &World, vlans: &str) {
    let mut settings = PortSettings::default();
    settings.take("trunk", Some(vlans)).unwrap();
    let port = "uplink".to_owned();
    let name = format!("{}-vsw2", world.lab());
    let mut client = Client::connect_named(&world.run_dir(), &name).unwrap();
    client.call(&Command::SetPort { port, settings }).unwrap();
}

fn json(text: &[u8]) -> Value {
    serde_json::from_slice(text).unwrap()
}

#[test]
fn a_lab_that_is_up_moves_its_machine_when_told() {
    let world = World::new("order");
    let name = world.lab();
    let file = world.file(PAIR);
    let error = world.bad(2, &["migrate", "vm1", "esx2"]);
    assert!(error.contains("no lab is up"), "{error}");
    world.good(&["up", &file, "--name", &name]);
    for (machine, host, said) in [
        ("vm2", "esx2", "there is no VM `vm2`; did you mean `vm1`?"),
        (
            "vm1",
            "esx3",
            "there is no host `esx3`; did you mean `esx1`?",
        ),
        ("vm1", "client", "the host `client` has no vSwitch"),
        ("vm1", "esx1", "vm1 runs on esx1 already"),
    ] {
        let error = world.bad(2, &["migrate", machine, host]);
        assert!(error.contains(said), "{error}");
    }
    let processes = world.processes().len();

    trunk(&world, "20");
    let refused = world.labs(&["migrate", "vm1", "esx2", "--json"]);
    assert_eq!(refused.status.code(), Some(1), "{}", both(&refused));
    let stop = "VLAN 10 of vm1 stops at vsw2:uplink, which does not carry it";
    let report = json(&refused.stdout);
    assert_eq!(
        (&report["failure"], &report["rounds"]),
        (&stop.into(), &0.into())
    );
    assert!(both(&refused).contains(&format!("vm1 stays on esx1: {stop}")));
    assert_eq!(world.processes().len(), processes, "nothing was started");

    trunk(&world, "10");
    let error = world.bad(1, &["migrate", "vm1", "esx2"]);
    assert!(error.is_empty(), "the story is on standard output: {error}");
    let forced = world.labs(&["migrate", "vm1", "esx2", "--force", "--json"]);
    assert_eq!(forced.status.code(), Some(1), "{}", both(&forced));
    let report = json(&forced.stdout);
    assert!(
        report["failure"].is_string() && report["tcp"]["alive"] == true,
        "{report}"
    );

    trunk(&world, "10,20");
    for (from, to) in [("esx1", "esx2"), ("esx2", "esx1")] {
        let moved = world.labs(&["migrate", "vm1", to, "--json"]);
        let report = json(&moved.stdout);
        assert_eq!((&report["from"], &report["to"]), (&from.into(), &to.into()));
        assert_eq!(report["failure"], Value::Null, "{}", both(&moved));
        assert_eq!(
            (&report["tcp"]["alive"], &report["tcp"]["bytes_lost"]),
            (&true.into(), &0.into())
        );
        let status = json(world.good(&["status", "--json"]).as_bytes());
        assert_eq!(status["vms"]["vm1"], to);
    }
    assert_eq!(
        world.processes().len(),
        processes,
        "the process it was has gone"
    );
    world.good(&["down"]);
    world.assert_nothing_left();
}

/// Whoever moves the machines of a lab, and says so in its lock.
fn wait_for_mover(world: &World, says: &str) {
    let lock = world.run_dir().join("labs").join(world.lab());
    let lock = lock.join("moves.lock");
    let end = Instant::now() + PATIENCE;
    while !std::fs::read_to_string(&lock).is_ok_and(|text| text.contains(says)) {
        assert!(Instant::now() < end, "{says}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn the_machines_of_a_lab_are_moved_by_one_at_a_time() {
    let world = World::new("alone");
    let name = world.lab();
    let file = world.file(&format!("{PAIR}  - wait: 1h\n"));
    let quiet = |command: &mut Process| command.stdout(Stdio::null()).spawn().unwrap();
    // A run has them to itself, also between its moves.
    let mut run = quiet(&mut world.command(&["run", &file, "--name", &name]));
    wait_for_mover(&world, "labs run");
    let error = world.bad(1, &["migrate", "vm1", "esx2"]);
    let said = format!("{name}: its machines are moved by `labs run` alone");
    assert!(error.contains(&said), "{error}");
    kill(Pid::from_raw(run.id().try_into().unwrap()), Signal::SIGINT).unwrap();
    assert_eq!(run.wait().unwrap().code(), Some(130));

    world.good(&["up", &file, "--name", &name]);
    let mut first = quiet(&mut world.command(&["migrate", "vm1", "esx2"]));
    wait_for_mover(&world, "esx2");
    let error = world.bad(1, &["migrate", "vm1", "esx2"]);
    let said = format!("{name}: vm1 is being moved to esx2");
    assert!(error.contains(&said), "{error}");
    assert!(first.wait().unwrap().code().is_some());
    // Who has ended keeps nobody away, though the file still names it.
    let error = world.bad(2, &["migrate", "vm1", "esx2"]);
    assert!(error.contains("vm1 runs on esx2 already"), "{error}");
    world.good(&["down"]);
    world.assert_nothing_left();
}

/// A ring of three with the hosts at sw1 and sw3. VLAN 10 goes by the link between those two alone.
const RING: &str = "
name: ring
topology:
  nodes:
    sw1: {kind: switch, SW1, ports: {d: {trunk: [10, 20]}, a: {trunk: [20]}, esx1: {trunk: [10, 20], edge: on}, client: {access: 10, edge: on}}}
    sw2: {kind: switch, SW2, ports: {a: {trunk: [20]}, b: {trunk: [20]}}}
    sw3: {kind: switch, SW3, ports: {d: {trunk: [10, 20]}, b: {trunk: [20]}, esx2: {trunk: [10, 20], edge: on}}}
    vsw1: {kind: switch, protocol: off, ports: {uplink: {trunk: [10, 20]}, vmk0: {access: 20}}}
    vsw2: {kind: switch, protocol: off, ports: {uplink: {trunk: [10, 20]}, vmk0: {access: 20}}}
    esx1: {kind: host, vswitch: vsw1, ports: {vmk0: {ip: 10.0.20.1/24}}}
    esx2: {kind: host, vswitch: vsw2, ports: {vmk0: {ip: 10.0.20.2/24}}}
    client: {kind: host, ports: {eth0: {ip: 10.0.10.100/24}}}
    vm1: {kind: vm, host: esx1, vlan: 10, mac: 52:54:00:00:00:05, ip: 10.0.10.5/24, memory: 8MiB, dirty-rate: 1MiB/s}
  links:
    - endpoints: [\"sw1:d\", \"sw3:d\"]
    - endpoints: [\"sw1:a\", \"sw2:a\"]
    - endpoints: [\"sw2:b\", \"sw3:b\"]
    - endpoints: [\"sw1:esx1\", \"vsw1:uplink\"]
    - endpoints: [\"sw3:esx2\", \"vsw2:uplink\"]
    - endpoints: [\"vsw1:vmk0\", \"esx1:vmk0\"]
    - endpoints: [\"vsw2:vmk0\", \"esx2:vmk0\"]
    - endpoints: [\"sw1:client\", \"client:eth0\"]
steps:
  - wait: {converged: 30s}
  - check: {ping: {from: client, to: vm1}, wait: 10s}
  - migrate: {vm: vm1, to: esx2}
";

fn ring(switches: [&str; 3]) -> String {
    let [one, two, three] = switches;
    RING.replace("SW1", one)
        .replace("SW2", two)
        .replace("SW3", three)
}

/// In namespaces and in virtual time: exit code, and why the move failed.
fn both_backends(test: &'static str, lab: &str) -> [(Option<i32>, Value); 2] {
    let world = World::new(test);
    let file = world.file(lab);
    let outcome = |arguments: &[&str]| {
        let output = world.labs(arguments);
        let text = String::from_utf8_lossy(&output.stdout);
        let report: Value =
            serde_json::from_str(&text).unwrap_or_else(|_| panic!("{}", both(&output)));
        let migration = &report["migrations"][0];
        // Where it is refused before it begins, no client is asked.
        let is_refused = !migration["failure"].is_null();
        assert_eq!(migration.get("tcp").is_none(), is_refused, "{report}");
        (output.status.code(), migration["failure"].clone())
    };
    let outcomes = [
        outcome(&["run", &file, "--name", &world.lab(), "--json"]),
        outcome(&["sim", &file, "--json"]),
    ];
    world.assert_nothing_left();
    outcomes
}

#[test]
fn where_every_vlan_has_its_tree_each_is_followed_in_its_own() {
    // In VLANs 1 and 20 the root is sw2 and the link between sw1 and sw3 is blocked; VLAN 10 has no other way, and it is open.
    let pvst = |priority: &str| format!("protocol: rapid-pvst, priority: {priority}");
    let lab = ring([&pvst("32768"), &pvst("4096"), &pvst("32768")]);
    for outcome in both_backends("pvst", &lab) {
        assert_eq!(outcome, (Some(0), Value::Null));
    }
}

#[test]
fn a_vlan_whose_instance_blocks_its_only_link_does_not_reach_the_target() {
    // The common tree uses the link between sw1 and sw3; instance 1, which VLAN 10 goes by, has its root at sw2 and blocks it.
    let mstp = |priorities: &str| {
        format!("protocol: mstp, region: {{name: r, instances: {{1: \"10\"}}}}, {priorities}")
    };
    let lab = ring([
        &mstp("priority: 4096"),
        &mstp("priorities: {1: 4096}"),
        &mstp("priority: 8192"),
    ]);
    for outcome in both_backends("mstp", &lab) {
        let (code, failure) = outcome;
        let failure = failure.as_str().unwrap().to_owned();
        assert_eq!(code, Some(1), "{failure}");
        assert!(
            failure.starts_with("VLAN 10 of vm1 stops at sw"),
            "{failure}"
        );
    }
}
