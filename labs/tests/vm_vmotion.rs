//! Labs with virtual machines on the real kernel and the real daemon. Needs root.
#![allow(clippy::unwrap_used, reason = "a test says no more by expect")]

mod lab_common;

use lab_common::{World, both, two_hosts, wait_for};
use labs::guest::ANNOUNCE_AT;
use labs::guest::shell::GuestClient;
use labs::vmotion::{Announcement, Report};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::process::Stdio;

/// The lab of two hosts, with a small machine.
fn pair() -> String {
    two_hosts("memory: 8MiB, dirty-rate: 1MiB/s")
}

fn report(stdout: &[u8]) -> Report {
    serde_json::from_slice(stdout).unwrap()
}

/// Both kinds were sent, none before its time. That none is late, and so merged with the next, virtual time shows.
fn assert_on_schedule(announcements: &[Announcement]) {
    for kind in ["rarp", "gratuitous-arp"] {
        let of_kind = announcements.iter().filter(|heard| heard.kind == kind);
        let times: Vec<f64> = of_kind.map(|heard| heard.at_ms).collect();
        assert!(
            (1..=ANNOUNCE_AT.len()).contains(&times.len()),
            "{announcements:?}"
        );
        let earliest = ANNOUNCE_AT.iter().map(|at| at.as_secs_f64() * 1000.0);
        assert!(
            times
                .iter()
                .zip(earliest)
                .all(|(&at, earliest)| at >= earliest),
            "{announcements:?}"
        );
    }
}

#[test]
fn the_vmotion_lab_moves_its_machine_there_and_back_and_nobody_notices() {
    let world = World::new("vmotion");
    let name = world.lab();
    let output = world.labs(&["run", "vmotion", "--name", &name, "--json"]);
    let report = report(&output.stdout);
    assert_eq!((report.lab.as_str(), report.switches), (name.as_str(), 6));
    assert_eq!(report.stp.blocked, ["acc1:p2", "acc2:p2"]);
    assert!(report.stp.converged_ms > 0.0);
    let hosts: Vec<_> = report
        .migrations
        .iter()
        .map(|m| (&*m.from, &*m.to))
        .collect();
    assert_eq!(
        hosts,
        [("esx1", "esx2"), ("esx2", "esx1")],
        "{}",
        both(&output)
    );
    for migration in &report.migrations {
        assert_eq!(migration.failure, None);
        assert_eq!(
            (migration.memory_mib, migration.memory_equal),
            (64, Some(true))
        );
        let tcp = migration.tcp.as_ref().unwrap();
        assert!(tcp.alive);
        assert_eq!(
            (tcp.bytes_lost, tcp.bytes_duplicated, tcp.bytes_damaged),
            (0, 0, 0)
        );
        assert_eq!(migration.stale, Vec::<String>::new());
        assert_eq!(migration.not_by_announcement, Vec::<String>::new());
        assert_on_schedule(&migration.announcements);
        let verdict = migration.verdict;
        assert_eq!(verdict, Some(switchd::watch::Verdict::CleanMove));
        // On a busy machine the longest silence may be another one.
        if let Some(downtime) = &migration.downtime {
            let rest_of_pause = migration.pause_ms - downtime.pause_ms;
            assert!(rest_of_pause > -0.01, "{downtime:?}");
            // A client that had to wait for a processor reads the last answer only when the machine has stopped.
            let begins_before = downtime.before_stop_ms > 0.0;
            assert!(!begins_before || rest_of_pause < 0.01, "{downtime:?}");
            assert_eq!(downtime.arp_ms, None, "for real nobody looks");
        }
        // All but core2, which sees both hosts behind core1.
        let mut moved: Vec<&str> = migration.cam_moves.iter().map(|m| &*m.switch).collect();
        moved.sort_unstable();
        assert_eq!(moved, ["acc1", "acc2", "core1", "vsw1", "vsw2"]);
        assert!(
            migration
                .cam_moves
                .iter()
                .all(|m| m.cause == "rarp" && m.vlan == 10)
        );
    }
    world.assert_nothing_left();
}

#[test]
fn a_move_over_a_cut_network_fails_by_name_and_the_machine_stays() {
    let world = World::new("cutnet");
    let name = world.lab();
    let steps = "  - link: {down: \"vsw2:vmk0\"}\n  - migrate: {vm: vm1, to: esx2, force: on}\n";
    let file = world.file(&format!("{}{steps}", pair()));
    let output = world.labs(&["run", &file, "--name", &name, "--json"]);
    assert_eq!(output.status.code(), Some(1), "{}", both(&output));
    let report = report(&output.stdout);
    let migration = &report.migrations[0];
    assert!(migration.failure.is_some() && !report.ok);
    let tcp = migration.tcp.as_ref().unwrap();
    assert!(tcp.alive, "the session goes on");
    assert_eq!(tcp.bytes_lost, 0);
    assert_eq!(migration.stale, Vec::<String>::new());
    world.assert_nothing_left();
}

#[test]
fn a_move_out_of_its_domain_is_refused_before_anything_is_copied() {
    let world = World::new("domain");
    let name = world.lab();
    let steps = "  - set: {port: \"vsw2:uplink\", trunk: [20]}\n  - migrate: {vm: vm1, to: esx2}\n";
    let file = world.file(&format!("{}{steps}", pair()));
    let output = world.labs(&["run", &file, "--name", &name, "--json"]);
    assert_eq!(output.status.code(), Some(1), "{}", both(&output));
    let report = report(&output.stdout);
    let migration = &report.migrations[0];
    assert_eq!(
        migration.failure.as_deref(),
        Some("VLAN 10 of vm1 stops at vsw2:uplink, which does not carry it")
    );
    assert_eq!(
        (migration.rounds, migration.total_ms),
        (0, 0.0),
        "nothing was copied"
    );
    let story = both(&output);
    assert!(story.contains("FAIL vm1 stays on esx1: VLAN 10"), "{story}");
    world.assert_nothing_left();
}

#[test]
fn a_machine_whose_target_is_killed_goes_on_where_it_was() {
    let world = World::new("killed");
    let name = world.lab();
    // A quarter of a gigabyte takes two seconds: time enough to be killed in.
    let pair = two_hosts("memory: 256MiB, dirty-rate: 1MiB/s");
    let file = world.file(&format!("{pair}  - migrate: {{vm: vm1, to: esx2}}\n"));
    let mut command = world.command(&["run", &file, "--name", &name, "--json"]);
    let runner = command.stdout(Stdio::piped()).stderr(Stdio::null());
    let runner = runner.spawn().unwrap();
    let source = world
        .run_dir()
        .join("labs")
        .join(&name)
        .join("vm1-esx1.sock");
    let migrates = || GuestClient::connect(&source).is_ok_and(|guest| guest.state() == "migrating");
    wait_for("the machine to be copied", migrates);
    let processes = world.processes();
    let target = processes
        .iter()
        .find(|(_, line)| line.contains("--incoming"));
    kill(Pid::from_raw(target.unwrap().0), Signal::SIGKILL).unwrap();
    let output = runner.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", both(&output));
    let report = report(&output.stdout);
    let migration = &report.migrations[0];
    assert!(migration.failure.is_some());
    let tcp = migration.tcp.as_ref().unwrap();
    assert!(tcp.alive, "the session goes on");
    assert_eq!(tcp.bytes_lost + tcp.bytes_damaged, 0);
    world.assert_nothing_left();
}

#[test]
fn the_story_names_every_entry_that_was_rewritten() {
    let world = World::new("story");
    let name = world.lab();
    let file = world.file(&format!("{}  - migrate: {{vm: vm1, to: esx2}}\n", pair()));
    let story = world.good(&["run", &file, "--name", &name]);
    let mut rest = story.as_str();
    for word in [
        "round 1",
        "STOP",
        "RESUME",
        "announcement: RARP",
        "is equal",
        "session alive",
    ] {
        let at = rest.find(word);
        rest = &rest[at.unwrap_or_else(|| panic!("no `{word}` in\n{story}"))..];
    }
    assert!(story.contains("vm1 → uplink by RARP"), "{story}");
    assert!(!story.contains('\x1b'), "colors are for terminals");
    world.assert_nothing_left();
}

#[test]
fn machines_of_a_lab_that_is_up_answer_their_clients() {
    let world = World::new("upvm");
    let name = world.lab();
    let file = world.file(&pair());
    world.good(&["up", &file, "--name", &name, "--quiet"]);
    let probe = env!("CARGO_BIN_EXE_labs");
    let report = world.good(&[
        "exec",
        "client",
        "sh",
        "-c",
        &format!("echo | {probe} probe 10.0.10.5:7"),
    ]);
    let last = report.lines().last().unwrap();
    let report: labs::client::Report = serde_json::from_str(last).unwrap();
    assert_eq!(report.tcp.bytes_lost + report.tcp.bytes_damaged, 0);
    assert!(report.tcp.alive);
    world.good(&["down", &name]);
    world.assert_nothing_left();
}
