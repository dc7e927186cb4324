//! A Linux guest in a lab of two hosts. What is asserted of time is nothing: that is what `make soak` looks at.

use std::process::{Child, Stdio};

use labs::netns::Namespace;
use labs::vmotion::{MigrationReport, Report};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::lab_common::{World, both, two_hosts, wait_for};

/// What vm1 is, and what is done to it first.
const MACHINE: &str = "machine: qemu, memory: 96MiB, dirty-rate: 4MiB/s";
const STEPS: &str = "  - check: {ping: {from: client, to: vm1}, wait: 60s}
  - migrate: {vm: vm1, to: esx2}
";

/// The lab, being run.
struct Run {
    world: World,
    runner: Child,
}

impl Run {
    fn start(test: &'static str, more_steps: &str) -> Self {
        let world = World::new(test);
        let name = world.lab();
        let file = world.file(&format!("{}{STEPS}{more_steps}", two_hosts(MACHINE)));
        let words = ["run", &file, "--name", &name, "--json", "--accel", "tcg"];
        let mut command = world.command(&words);
        let runner = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let runner = runner.spawn().unwrap();
        Self { world, runner }
    }

    /// The process of vm1 on `esx1`, and that on `esx2`, as soon as the one is being copied to the other.
    fn copying(&mut self) -> (Pid, Pid) {
        copying(&self.world, &mut self.runner)
    }

    /// What it reported in the end, which nothing of it has outlived.
    fn report(self) -> (Vec<MigrationReport>, String) {
        let output = self.runner.wait_with_output().unwrap();
        let said = both(&output);
        let report = serde_json::from_slice::<Report>(&output.stdout);
        let report = report.unwrap_or_else(|error| panic!("{error}: {said}"));
        assert_eq!(output.status.success(), report.ok, "{said}");
        self.world.assert_nothing_left();
        (report.migrations, said)
    }
}

/// The process of vm1 that is copied, and that which it is copied to, as soon as that goes on.
fn copying(world: &World, runner: &mut Child) -> (Pid, Pid) {
    let mut found = None;
    wait_for("the copy to be under way", || {
        assert_eq!(runner.try_wait().unwrap(), None, "it has ended");
        let machines = world.processes();
        let is_machine = |line: &str| line.starts_with("qemu-system-x86_64 ");
        let is_target = |line: &str| line.contains("-incoming");
        let of = |wanted: bool| {
            let mut machines = machines.iter();
            let found = machines.find(|(_, line)| is_machine(line) && is_target(line) == wanted);
            found.map(|(pid, _)| *pid)
        };
        found = of(false)
            .zip(of(true))
            .filter(|(_, pid)| is_connected(*pid));
        found.is_some()
    });
    let (source, target) = found.unwrap();
    (Pid::from_raw(source), Pid::from_raw(target))
}

/// Whether the process `pid` is in a namespace where somebody has connected to port 7001.
fn is_connected(pid: i32) -> bool {
    let table = std::fs::read_to_string(format!("/proc/{pid}/net/tcp")).unwrap_or_default();
    let mut lines = table.lines().map(|line| line.split_whitespace().collect());
    // Number, local address, remote address, state: 01 is established.
    lines.any(|line: Vec<&str>| line[1].ends_with(":1B59") && line[3] == "01")
}

#[test]
fn a_linux_guest_moves_while_a_client_talks_to_it_and_stays_where_it_is_refused() {
    // The way back is closed: something else waits where machines arrive.
    let run = Run::start("qemu", "  - migrate: {vm: vm1, to: esx1}\n");
    let namespace = format!("algo-{}-esx1", run.world.lab());
    wait_for("the host", || Namespace::names().contains(&namespace));
    let mut taken = None;
    wait_for("its address", || {
        let bound = Namespace::open(&namespace)
            .and_then(|host| host.run(|| std::net::TcpListener::bind("10.0.20.1:7001")));
        taken = bound.ok().and_then(Result::ok);
        taken.is_some()
    });
    let (migrations, said) = run.report();
    let [there, back] = migrations.as_slice() else {
        panic!("{said}");
    };
    assert_eq!(there.failure, None, "{said}");
    let tcp = there.tcp.as_ref().unwrap();
    assert!(tcp.alive && tcp.bytes_lost == 0, "{said}");
    assert_eq!((&*there.from, &*there.to), ("esx1", "esx2"));
    let unannounced = (&there.stale, &there.not_by_announcement);
    assert_eq!(unannounced, (&vec![], &vec![]), "{said}");
    let mut moved: Vec<&str> = there.cam_moves.iter().map(|m| &*m.switch).collect();
    moved.sort_unstable();
    assert_eq!(moved, ["vsw1", "vsw2"], "{said}");
    assert!(there.cam_moves.iter().all(|moved| moved.cause == "rarp"));
    assert!(there.announcements.iter().any(|heard| heard.kind == "rarp"));
    assert!(there.pause_ms > 0.0 && there.total_ms > there.pause_ms);
    let figures = there.qemu.as_ref().unwrap();
    assert!(figures.total_ms > 0 && figures.transferred > 10 << 20);
    assert!(figures.rounds > 0 && there.rounds > 0);
    assert_eq!(there.memory_equal, None, "nobody compares");

    let failure = back.failure.as_deref().unwrap();
    assert!(failure.starts_with("esx1 refuses: "), "{failure}");
    assert!(failure.contains("Address already in use"), "{failure}");
    let tcp = back.tcp.as_ref().unwrap();
    assert!(tcp.alive && tcp.bytes_lost == 0, "{said}");
    assert!(said.contains("FAIL vm1 stays on esx2"), "{said}");
}

#[test]
fn a_guest_whose_vmotion_link_is_cut_in_the_middle_goes_on_where_it_was() {
    let mut run = Run::start("qemucut", "");
    run.copying();
    let host = Namespace::open(&format!("algo-{}-esx2", run.world.lab())).unwrap();
    host.net().unwrap().set_up("vmk0", false).unwrap();
    let (migrations, said) = run.report();
    let failure = migrations[0].failure.as_deref().unwrap();
    assert!(
        failure.contains("nothing gets through for 3 s"),
        "{failure}"
    );
    assert!(said.contains("the VM goes on where it was"), "{said}");
    let tcp = migrations[0].tcp.as_ref().unwrap();
    assert!(tcp.alive, "{said}");
    assert_eq!(tcp.bytes_lost, 0);
    assert_eq!(migrations[0].stale, Vec::<String>::new());
}

#[test]
fn a_guest_whose_process_dies_in_the_middle_is_started_anew_where_it_was() {
    let mut run = Run::start("qemudies", "");
    let (source, _) = run.copying();
    kill(source, Signal::SIGKILL).unwrap();
    let (migrations, said) = run.report();
    let failure = migrations[0].failure.as_deref().unwrap();
    assert!(failure.starts_with("the source's QEMU died"), "{failure}");
    let end = "vm1 was started anew on esx1";
    assert!(failure.ends_with(end), "{failure}");
    assert!(!migrations[0].tcp.as_ref().unwrap().alive, "{said}");
}

#[test]
fn a_run_that_is_killed_in_the_middle_of_a_move_leaves_nothing() {
    let mut run = Run::start("qemukill", "");
    run.copying();
    run.runner.kill().unwrap();
    run.runner.wait().unwrap();
    wait_for("its guard to clear", || {
        run.world.namespaces().is_empty() && run.world.processes().is_empty()
    });
    wait_for("its files to go", || !run.world.run_dir().exists());
    run.world.assert_nothing_left();
}

#[test]
fn a_lab_that_is_up_moves_its_linux_guest_when_told_also_after_a_move_that_was_killed() {
    let world = World::new("qemuorder");
    let name = world.lab();
    let file = world.file(&format!("{}{STEPS}", two_hosts(MACHINE)));
    world.good(&["up", &file, "--name", &name, "--accel", "tcg"]);
    let lab = world.run_dir().join("labs").join(&name);
    wait_for("the guest", || {
        let console = std::fs::read(lab.join("vm1-esx1.console")).unwrap_or_default();
        String::from_utf8_lossy(&console).contains("GUEST READY")
    });
    let order = ["migrate", "vm1", "esx2", "--json"];
    let processes = world.processes().len();
    let mut killed = world.command(&order);
    let killed = killed.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let mut killed = killed.unwrap();
    copying(&world, &mut killed);
    killed.kill().unwrap();
    killed.wait().unwrap();
    // Two are left, one of which is the machine; a copy that nobody watches any more may come to its end.
    let moved = world.labs(&order);
    let said = both(&moved);
    if moved.status.code() == Some(2) {
        assert!(said.contains("vm1 runs on esx2 already"), "{said}");
    } else {
        let report: MigrationReport = serde_json::from_slice(&moved.stdout).unwrap();
        assert_eq!(report.failure, None, "{said}");
        let tcp = report.tcp.as_ref().unwrap();
        assert!(tcp.alive && tcp.bytes_lost == 0, "{said}");
        assert!(report.stale.is_empty() && report.qemu.is_some(), "{said}");
    }
    let status = world.good(&["status", "--json"]);
    let status: serde_json::Value = serde_json::from_str(&status).unwrap();
    assert_eq!(status["vms"]["vm1"], "esx2");
    wait_for("what the killed one started to end", || {
        world.processes().len() == processes
    });
    world.good(&["down"]);
    world.assert_nothing_left();
}
