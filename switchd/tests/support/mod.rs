//! Namespaces, switches and wires for the tests of ports. Everything here is anonymous: it goes with the
//! descriptors and threads that hold it, also when a test panics or is killed.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::process::Command;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, setns, unshare};

pub(crate) mod stream;
pub(crate) mod switch;
pub(crate) mod wire;

/// How long anything may take that takes milliseconds on an idle machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A network namespace without a name. When a test fails, it says how its interfaces are.
pub(crate) struct Namespace(File);

impl Namespace {
    pub(crate) fn new() -> Self {
        let file = std::thread::spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET).expect("tests of ports need root");
            File::open("/proc/thread-self/ns/net").unwrap()
        });
        let namespace = Self(file.join().unwrap());
        namespace.ip("link set lo up");
        namespace
    }

    /// Runs `what` on a thread in the namespace, and waits for it.
    pub(crate) fn run<T: Send>(&self, what: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                setns(&self.0, CloneFlags::CLONE_NEWNET).unwrap();
                what()
            });
            thread
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// Runs `what` on a thread in the namespace.
    pub(crate) fn spawn<T: Send + 'static>(
        &self,
        what: impl FnOnce() -> T + Send + 'static,
    ) -> JoinHandle<T> {
        let file = self.0.try_clone().unwrap();
        std::thread::spawn(move || {
            setns(&file, CloneFlags::CLONE_NEWNET).unwrap();
            what()
        })
    }

    /// `ip` with these arguments; its output. Panics if it refuses.
    pub(crate) fn ip(&self, arguments: &str) -> String {
        let output = self.run(|| {
            let words = arguments.split_whitespace();
            Command::new("ip").args(words).output().unwrap()
        });
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "ip {arguments}: {errors}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Whether there is an interface called `name`. A tap that was closed may be there for a moment: a process that another
    /// test is about to start has a copy of the descriptor until it runs its own program.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.ip("-o link").contains(&format!(": {name}"))
    }

    /// A name of the namespace that `ip` takes.
    pub(crate) fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.0.as_raw_fd())
    }

    /// A veth pair: one end here, the other in `there`, both down.
    pub(crate) fn veth(&self, here: &str, there: &Self, name: &str) {
        let path = there.path();
        self.ip(&format!(
            "link add {here} type veth peer name {name} netns {path}"
        ));
    }

    /// A host interface: address `10.0.0.HOST/24`, up.
    pub(crate) fn host(&self, name: &str, host: u8) {
        self.ip(&format!("addr add 10.0.0.{host}/24 dev {name}"));
        self.ip(&format!("link set {name} up"));
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        for line in ["ip -s -s link", "ip neigh", "tc -s qdisc"] {
            // Whatever goes wrong here is not what the test is about.
            let said = std::thread::scope(|scope| {
                let thread = scope.spawn(|| {
                    setns(&self.0, CloneFlags::CLONE_NEWNET).ok()?;
                    let mut words = line.split(' ');
                    Command::new(words.next()?).args(words).output().ok()
                });
                thread.join().ok().flatten()
            });
            let said = said.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
            eprintln!("--- {line}:\n{}", said.unwrap_or_default());
        }
    }
}

/// What `receive` gives, tried again when the wait ended only because the process was stopped and went on: with a
/// timeout at the socket that needs no signal handler (signal(7)).
pub(crate) fn undisturbed<T>(mut receive: impl FnMut() -> std::io::Result<T>) -> T {
    loop {
        match receive() {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            received => return received.unwrap(),
        }
    }
}

/// Waits until `holds`, and fails with `what` if it does not within [`PATIENCE`].
#[track_caller]
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "never: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
