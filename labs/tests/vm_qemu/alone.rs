//! Two QEMUs and a cable between them that fails: machines without a guest, which boot in no time and whose memory is
//! empty. Of the failures each comes at a number of octets, so that none depends on how fast anything is.

use core::time::Duration;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddrV4, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;

use labs::guest::shell::GuestEvent;
use labs::qemu::{Accelerator, Image, Launch, Limits, Qemu, Told, migrate};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use pnet_base::MacAddr;

use super::lab_common::wait_for;

/// Slow, and never at its end by itself.
const SLOW: Limits = Limits {
    bandwidth: 20_000,
    downtime: Duration::from_millis(20),
    rest: 0,
    patience: Duration::from_secs(1),
    total: Duration::from_secs(60),
};
/// Slow, and at once at its end: the machine is stopped, then the rest goes without limits.
const STOPPED: Limits = Limits {
    rest: u64::MAX,
    ..SLOW
};
/// Octets that are sent while nothing has been stopped, at [`SLOW`].
const EARLY: usize = 5_000;
/// Octets of which most are sent when the machine stands still, at [`STOPPED`]: slower than that they would take seconds.
/// An empty memory of 64 MiB is 150,000.
const LATE: usize = 100_000;

/// A machine. Dropped, it is killed.
struct Machine {
    child: Child,
    qemu: Qemu,
}

impl Machine {
    fn start(dir: &Path, name: &str, incoming: Option<SocketAddrV4>) -> Self {
        let path = |end: &str| dir.join(format!("{name}.{end}"));
        let launch = Launch {
            name,
            image: &Image::default(),
            accelerator: Accelerator::Tcg,
            memory_mib: 64,
            mac: MacAddr(0x52, 0x54, 0, 0, 0, 5),
            ip: (Ipv4Addr::new(10, 0, 10, 5), 24),
            port: 7,
            dirty_rate: 0,
            card: &path("card"),
            monitor: &path("qmp"),
            console: &path("console"),
            incoming,
        };
        let mut command = launch.command().unwrap();
        let child = command.stdin(Stdio::null()).stderr(Stdio::null()).spawn();
        let mut found = None;
        wait_for("the monitor", || {
            found = Qemu::connect(&path("qmp"), Accelerator::Tcg).ok();
            found.is_some()
        });
        Self {
            child: child.unwrap(),
            qemu: found.unwrap(),
        }
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().try_into().unwrap())
    }

    fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What becomes of the cable when so many octets have passed.
enum Fate {
    Whole,
    /// Nothing passes any more, and nobody is told.
    Silent(usize),
    /// A machine dies.
    Kills(usize, Pid),
}

/// The cable: what arrives `at` one end goes `to` the other. The thread ends with the connection.
fn cable(at: SocketAddrV4, to: SocketAddrV4, fate: Fate) -> JoinHandle<()> {
    let listener = TcpListener::bind(at).unwrap();
    std::thread::spawn(move || {
        let (near, _) = listener.accept().unwrap();
        let far = TcpStream::connect(to).unwrap();
        let (mut back, mut home) = (far.try_clone().unwrap(), near.try_clone().unwrap());
        let answers = std::thread::spawn(move || {
            let _ = std::io::copy(&mut back, &mut home);
            let _ = home.shutdown(Shutdown::Both);
        });
        pass(&near, &far, &fate);
        if matches!(fate, Fate::Silent(_)) {
            // Until one of the machines has given up.
            answers.join().unwrap();
        }
        let _ = (near.shutdown(Shutdown::Both), far.shutdown(Shutdown::Both));
    })
}

/// Lets pass what comes, as far as the cable's fate lets it.
fn pass(mut near: &TcpStream, mut far: &TcpStream, fate: &Fate) {
    let mut passed = 0;
    let mut buffer = [0; 1024];
    while let Ok(octets @ 1..) = near.read(&mut buffer) {
        passed += octets;
        match fate {
            Fate::Silent(end) if passed > *end => return,
            // Once it is dead it stays so.
            Fate::Kills(end, pid) if passed > *end => drop(kill(*pid, Signal::SIGKILL)),
            Fate::Whole | Fate::Silent(_) | Fate::Kills(..) => {}
        }
        if far.write_all(&buffer[..octets]).is_err() {
            return;
        }
    }
}

/// An address of the loopback that no other test has, and no other run of this one.
fn address() -> SocketAddrV4 {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed) % 16 + 16 * std::process::id() as usize;
    let [.., b, c, d] = number.to_be_bytes();
    SocketAddrV4::new(Ipv4Addr::new(127, b | 0x80, c, d), 7001)
}

/// Source and target, and the way between them.
struct Pair {
    _dir: tempfile::TempDir,
    source: Machine,
    target: Machine,
    near: SocketAddrV4,
    far: SocketAddrV4,
}

impl Pair {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (near, far) = (address(), address());
        let source = Machine::start(dir.path(), "source", None);
        let target = Machine::start(dir.path(), "target", Some(far));
        Self {
            _dir: dir,
            source,
            target,
            near,
            far,
        }
    }

    fn migrate(&mut self, limits: &Limits, fate: Fate) -> Told {
        let cable = cable(self.near, self.far, fate);
        let told = migrate(
            &mut self.source.qemu,
            &mut self.target.qemu,
            self.near,
            limits,
        );
        // No connection is left that could keep it.
        cable.join().unwrap();
        told.unwrap()
    }

    /// The machine runs at the source, and the target's process ends.
    fn check_stays(&mut self, told: &Told, reason: &str) {
        let failed = end(told);
        assert_eq!(failed.kind, "failed", "{told:?}");
        assert_eq!(failed.fields["survives"], true, "{told:?}");
        let said = failed.fields["reason"].as_str().unwrap();
        assert!(said.contains(reason), "{said}");
        assert!(self.source.qemu.is_running().unwrap());
        wait_for("the target's end", || self.target.has_ended());
    }
}

fn end(told: &Told) -> &GuestEvent {
    &told.last().unwrap().1
}

fn has(told: &Told, kind: &str) -> bool {
    told.iter().any(|(_, event)| event.kind == kind)
}

#[test]
fn a_machine_moves_and_qemu_says_what_it_cost() {
    let mut pair = Pair::new();
    let told = pair.migrate(&Limits::default(), Fate::Whole);
    let kinds: Vec<&str> = told.iter().map(|(_, event)| event.kind.as_str()).collect();
    assert_eq!(kinds.last(), Some(&"figures"), "{told:?}");
    assert!(has(&told, "stop") && has(&told, "resumed"), "{told:?}");
    let figures = &end(&told).fields;
    assert!(figures["transferred"].as_u64() > Some(100_000));
    assert!(figures["rounds"].as_u64() >= Some(1));
    assert!(pair.target.qemu.is_running().unwrap());
    assert!(!pair.source.qemu.is_running().unwrap());
}

#[test]
fn a_target_that_dies_early_or_when_all_stands_still_leaves_the_machine_at_the_source() {
    for (limits, octets) in [(SLOW, EARLY), (STOPPED, LATE)] {
        let mut pair = Pair::new();
        let target = pair.target.pid();
        let told = pair.migrate(&limits, Fate::Kills(octets, target));
        assert_eq!(has(&told, "stop"), limits == STOPPED, "{told:?}");
        pair.check_stays(&told, "the target's QEMU");
    }
}

/// An earlier silence needs more to send than the kernel keeps for a peer: see the cut in a lab.
#[test]
fn a_cable_that_falls_silent_when_all_stands_still_leaves_the_machine_at_the_source() {
    let mut pair = Pair::new();
    let told = pair.migrate(&STOPPED, Fate::Silent(LATE));
    assert!(has(&told, "stop"), "{told:?}");
    pair.check_stays(&told, "nothing gets through for 1 s");
}

#[test]
fn a_target_that_is_not_there_leaves_the_machine_where_it_is() {
    let mut pair = Pair::new();
    let nobody = address();
    let told = migrate(
        &mut pair.source.qemu,
        &mut pair.target.qemu,
        nobody,
        &Limits::default(),
    );
    pair.check_stays(&told.unwrap(), "Connection refused");
}

#[test]
fn a_source_that_dies_takes_the_machine_with_it_and_the_target_does_not_wait_for_it() {
    let mut pair = Pair::new();
    let source = pair.source.pid();
    let told = pair.migrate(&SLOW, Fate::Kills(EARLY, source));
    let failed = end(&told);
    assert_eq!(failed.kind, "failed", "{told:?}");
    assert_eq!(failed.fields["survives"], false, "{told:?}");
    wait_for("the target's end", || pair.target.has_ended());
}
