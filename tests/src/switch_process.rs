//! A `switchd` process in a namespace.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use labs::netns::Namespace;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use switchd::control::{Client, Command as Ask, MacEntry, MacFilter, Reply, SpanningTree};
use tempfile::TempDir;

use crate::{binaries, wait};

/// How long a switch may take from start to answering: two cores, many tests at once.
pub const START: Duration = Duration::from_secs(20);

/// A running switch; told to stop when dropped.
#[derive(Debug)]
pub struct SwitchProcess {
    child: Child,
    run_dir: TempDir,
    name: String,
}

impl SwitchProcess {
    /// Starts `switchd --name NAME ARGUMENTS…` in `namespace` and waits until it answers.
    ///
    /// # Panics
    /// When it does not within [`START`].
    #[must_use]
    pub fn start(namespace: &Namespace, name: &str, arguments: &[&str]) -> Self {
        let run_dir = tempfile::tempdir().expect("a directory");
        let child = namespace
            .spawn(
                Command::new(binaries::path("switchd"))
                    .args(["--name", name, "--run-dir"])
                    .arg(run_dir.path())
                    .args(arguments)
                    .stdin(Stdio::null()),
            )
            .expect("switchd starts");
        let mut this = Self {
            child,
            run_dir,
            name: name.to_owned(),
        };
        wait::wait_for("switchd answers", START, || {
            if let Ok(Some(status)) = this.child.try_wait() {
                panic!("switchd ended at once: {status}");
            }
            // The greeting comes from the control thread; an answer, from the loop with all its ports.
            let mut client = Client::connect_named(this.run_dir.path(), &this.name).ok()?;
            client.call(&Ask::ShowVersion).ok()
        });
        this
    }

    /// A new connection to its control socket.
    ///
    /// # Panics
    /// When it does not answer.
    #[must_use]
    pub fn client(&self) -> Client {
        Client::connect_named(self.run_dir.path(), &self.name).expect("switchd answers")
    }

    /// The run directory, for `switchctl --run-dir`.
    #[must_use]
    pub fn run_dir(&self) -> &std::path::Path {
        self.run_dir.path()
    }

    /// The process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// One question, which must be answered.
    ///
    /// # Panics
    /// When the switch refuses.
    #[must_use]
    pub fn ask(&self, command: &Ask) -> Reply {
        self.client()
            .call(command)
            .unwrap_or_else(|error| panic!("{command:?}: {error}"))
    }

    /// The spanning tree.
    ///
    /// # Panics
    /// On an answer to another question.
    #[must_use]
    pub fn spanning_tree(&self) -> SpanningTree {
        let reply = self.ask(&Ask::ShowSpanningTree { tree: None });
        let Reply::SpanningTree(tree) = reply else {
            panic!("{reply:?}");
        };
        tree
    }

    /// `(role, state)` of a port on the common tree.
    ///
    /// # Panics
    /// When there is no such port.
    #[must_use]
    pub fn role_and_state(&self, port: &str) -> (String, String) {
        let tree = self.spanning_tree();
        let port = tree.trees[0]
            .ports
            .iter()
            .find(|candidate| candidate.name == port)
            .unwrap_or_else(|| panic!("no port {port}"));
        (port.role.clone(), port.state.clone())
    }

    /// The learned and pinned CAM entries.
    ///
    /// # Panics
    /// On an answer to another question.
    #[must_use]
    pub fn cam(&self) -> Vec<MacEntry> {
        let reply = self.ask(&Ask::ShowMac(MacFilter::default()));
        let Reply::MacTable { entries, .. } = reply else {
            panic!("{reply:?}");
        };
        entries
    }

    /// The port a learned address points to.
    #[must_use]
    pub fn port_of(&self, mac: pnet_base::MacAddr) -> Option<String> {
        self.cam()
            .into_iter()
            .find(|entry| entry.mac == mac)
            .map(|entry| entry.port)
    }
}

impl Drop for SwitchProcess {
    fn drop(&mut self) {
        let Ok(pid) = i32::try_from(self.child.id()) else {
            return;
        };
        // It may have ended by itself or by the test's own hand.
        let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
        for _ in 0..100 {
            if matches!(self.child.try_wait(), Ok(Some(_)) | Err(_)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
