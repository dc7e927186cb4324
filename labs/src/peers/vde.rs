//! VDE's switch, with tap ports.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::PeerError;
use super::daemon::Daemon;
use super::tool::{self, Package};
use crate::netns::Namespace;

const SWITCH: Package = Package {
    program: "vde_switch",
    package: "vde2",
};
/// How long it may take until its taps are there.
const PATIENCE: Duration = Duration::from_secs(20);
/// Buckets of its table of addresses: as many as the bench teaches it, or it would be measured searching lists.
const HASH_BUCKETS: &str = "131072";

/// A `vde_switch` process.
#[derive(Debug)]
pub struct Vde {
    daemon: Daemon,
}

impl Vde {
    /// Whether it is installed.
    ///
    /// # Errors
    /// [`PeerError::Missing`].
    pub fn installed() -> Result<(), PeerError> {
        tool::find(SWITCH).map(|_| ())
    }

    /// Starts a switch in `namespace` with a tap for each of `ports`, and waits until they are there. Its socket and
    /// log are kept in `dir`.
    ///
    /// # Errors
    /// When VDE is missing or does not come up.
    pub fn start(namespace: &Namespace, dir: &Path, ports: &[&str]) -> Result<Self, PeerError> {
        let mut this = Self::launch(namespace, dir, ports)?;
        let net = namespace.net()?;
        this.wait_until(PATIENCE, || ports.iter().all(|port| net.link(port).is_ok()))?;
        Ok(this)
    }

    /// Waits until `ready` says so, for at most `patience`.
    ///
    /// # Errors
    /// When it ends or does not get ready.
    pub fn wait_until(
        &mut self,
        patience: Duration,
        ready: impl FnMut() -> bool,
    ) -> Result<(), PeerError> {
        self.daemon.wait_until(patience, ready)
    }

    /// The same without waiting.
    ///
    /// # Errors
    /// When VDE is missing or cannot be started.
    pub fn launch(namespace: &Namespace, dir: &Path, ports: &[&str]) -> Result<Self, PeerError> {
        std::fs::create_dir_all(dir)
            .map_err(|source| PeerError::io(format!("make {}", dir.display()), source))?;
        let mut command = Command::new(tool::find(SWITCH)?);
        command.arg("-s").arg(dir.join("ctl"));
        command.args(["--hashsize", HASH_BUCKETS]);
        for port in ports {
            command.args(["-t", port]);
        }
        let daemon = Daemon::start(namespace, "vde_switch", &mut command, &dir.join("log"))?;
        Ok(Self { daemon })
    }

    /// Its process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.daemon.pid()
    }

    /// How it was started.
    #[must_use]
    pub fn command(&self) -> &str {
        self.daemon.command()
    }
}
