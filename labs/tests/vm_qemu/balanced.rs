//! `labs drs` with a Linux guest, whose load is what its process uses.

use labs::vmotion::MigrationReport;
use serde_json::Value;

use super::lab_common::{World, both, two_hosts};

/// A guest of Linux and a machine of the labs' own, which must not be on one host, and only the former may leave.
fn crowded() -> String {
    let lab = two_hosts("machine: qemu, memory: 96MiB, dirty-rate: 4MiB/s");
    let other = "    vm2: {kind: vm, host: esx1, vlan: 10, ip: 10.0.10.6/24, mac: 52:54:00:00:00:06, memory: 1MiB}\n";
    let lab = lab.replacen("  links:\n", &format!("{other}  links:\n"), 1);
    // No step waits for the guest: whoever talks to it does.
    format!(
        "{lab}  - wait: {{converged: 10s}}
drs:
  interval: 2s
  for: 7s
  loads: {{vm1: measured, vm2: 30%}}
  rules: [{{anti-affinity: [vm1, vm2]}}, {{vms: vm2, must: [esx1]}}]
"
    )
}

#[test]
fn a_linux_guest_is_measured_and_moved_by_a_rule() {
    let world = World::new("qemudrs");
    let file = world.file(&crowded());
    let words = [
        "drs",
        &file,
        "--name",
        &world.lab(),
        "--accel",
        "tcg",
        "--json",
    ];
    let output = world.labs(&words);
    let said = both(&output);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{said}"));
    let rounds = report["rounds"].as_array().unwrap();
    assert!(rounds.len() > 1, "{said}");
    let moves: Vec<&Value> = rounds
        .iter()
        .flat_map(|round| round["moves"].as_array().unwrap())
        .collect();
    let [moved] = moves.as_slice() else {
        panic!("{said}");
    };
    assert_eq!(moved["mandatory"], true, "{said}");
    let migration = serde_json::from_value::<MigrationReport>(moved["migration"].clone()).unwrap();
    assert_eq!(migration.failure, None, "{said}");
    assert_eq!((&*migration.vm, &*migration.to), ("vm1", "esx2"));
    assert!(migration.qemu.is_some() && migration.stale.is_empty());
    let tcp = migration.tcp.as_ref().unwrap();
    assert!(tcp.alive && tcp.bytes_lost == 0);
    // What the process of before has used, and then that which it moved to: a guest that is asked is never idle, and
    // QEMU's few threads have not more than some cores.
    for round in [rounds.first(), rounds.last()].into_iter().flatten() {
        let hosts = round["hosts"].as_array().unwrap().iter();
        let mut vms = hosts.flat_map(|host| host["vms"].as_array().unwrap());
        let vm1 = vms.find(|vm| vm["vm"] == "vm1").unwrap();
        let load = vm1["load"].as_f64().unwrap();
        assert!(load > 1.0 && load < 400.0, "{load}: {said}");
    }
    let summary = &report["summary"];
    assert_eq!(summary["sessions"], 2);
    assert_eq!(summary["sessions_lost"], serde_json::json!([]), "{said}");
    assert_eq!(summary["broken"], serde_json::json!([]), "{said}");
    world.assert_nothing_left();
}
