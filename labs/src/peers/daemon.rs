//! A process that ends with its owner.

use std::fs::File;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::PeerError;
use super::tool::shown;
use crate::lab::last_words;
use crate::netns::Namespace;

/// How long a daemon may take to end after SIGTERM; then it is killed.
const PATIENCE: Duration = Duration::from_secs(3);
const POLL: Duration = Duration::from_millis(2);

/// A running daemon of a peer, or any other process that is to end when this is dropped.
#[derive(Debug)]
pub struct Daemon {
    program: &'static str,
    child: Child,
    /// Held open: VDE ends when its standard input does.
    _stdin: Option<ChildStdin>,
    command: String,
    log: std::path::PathBuf,
}

impl Daemon {
    /// Starts `command` in `namespace`, what it says into the file `log`, away from the terminal's signals.
    ///
    /// # Errors
    /// When the namespace cannot be entered, the log not written or the program not started.
    pub fn start(
        namespace: &Namespace,
        program: &'static str,
        command: &mut Command,
        log: &Path,
    ) -> Result<Self, PeerError> {
        use std::os::unix::process::CommandExt;
        let output = File::create(log).and_then(|file| Ok((file.try_clone()?, file)));
        let (stdout, stderr) =
            output.map_err(|source| PeerError::io(format!("write {}", log.display()), source))?;
        command
            .stdin(Stdio::piped())
            .stdout(stdout)
            .stderr(stderr)
            .process_group(0);
        let mut child = namespace.spawn(command)?;
        Ok(Self {
            program,
            _stdin: child.stdin.take(),
            child,
            command: shown(command),
            log: log.to_owned(),
        })
    }

    /// Its process number.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// How it was started.
    #[must_use]
    pub fn command(&self) -> &str {
        &self.command
    }

    /// Waits until `ready` says so, for at most `patience`.
    ///
    /// # Errors
    /// When it ends or does not get ready, with its last words.
    pub fn wait_until(
        &mut self,
        patience: Duration,
        mut ready: impl FnMut() -> bool,
    ) -> Result<(), PeerError> {
        let end = Instant::now() + patience;
        while !ready() {
            let ended = matches!(self.child.try_wait(), Ok(Some(_)) | Err(_));
            if ended || Instant::now() > end {
                let said = last_words(&self.log);
                let said = match (said.is_empty(), ended) {
                    (false, _) => said,
                    (true, true) => "it ended without a word".to_owned(),
                    (true, false) => format!("it is not ready after {patience:?}"),
                };
                return Err(PeerError::Start {
                    program: self.program,
                    said,
                });
            }
            std::thread::sleep(POLL);
        }
        Ok(())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Ok(pid) = i32::try_from(self.child.id()) {
            // It may have ended by itself: not yet reaped, its number is still its own.
            let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
        }
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            if matches!(self.child.try_wait(), Ok(Some(_)) | Err(_)) {
                return;
            }
            std::thread::sleep(POLL);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
