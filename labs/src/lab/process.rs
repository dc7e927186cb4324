//! Processes by identity: a number alone may be somebody else's by now.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

/// How long a process may take to end after SIGTERM before it gets SIGKILL. A switch ends in milliseconds.
const TERM_PATIENCE: Duration = Duration::from_secs(3);
/// How long the kernel may take to bury a process after SIGKILL.
const KILL_PATIENCE: Duration = Duration::from_secs(5);
/// How often a dying process is looked at.
const POLL: Duration = Duration::from_millis(5);

/// A process: its number, and when it started (clock ticks since boot), which no later holder of the number shares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Identity {
    /// Process number.
    pub pid: i32,
    /// Start, in clock ticks since boot (field 22 of `/proc/PID/stat`).
    pub start: u64,
}

impl Identity {
    /// The process that has the number `pid` now, unless it is dead or only waits to be reaped.
    #[must_use]
    pub fn of(pid: i32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The second field is the program's name in parentheses and may hold anything, so count behind it.
        let (_, rest) = stat.rsplit_once(')')?;
        let mut fields = rest.split_ascii_whitespace();
        let state = fields.next()?;
        if matches!(state, "Z" | "X") {
            return None;
        }
        let start = fields.nth(18)?.parse().ok()?;
        Some(Self { pid, start })
    }

    /// This very process.
    #[must_use]
    pub fn own() -> Self {
        let pid = Pid::this().as_raw();
        Self::of(pid).unwrap_or(Self { pid, start: 0 })
    }

    /// Whether it still runs.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        Self::of(self.pid) == Some(*self)
    }

    /// Sends a signal, if it still runs.
    pub(super) fn signal(&self, signal: Signal) {
        if self.is_alive() {
            // It may have ended in between: then there is nothing to do.
            let _ = kill(Pid::from_raw(self.pid), signal);
        }
    }

    /// Whether it still runs, or its main thread has ended and others have not.
    fn has_threads(&self) -> bool {
        let others = || fs::read_dir(format!("/proc/{}/task", self.pid)).map_or(0, Iterator::count);
        self.is_alive() || others() > 1
    }

    fn reap(&self) {
        // Only the parent can; everybody else gets ECHILD, and then init reaps.
        let _ = waitpid(Pid::from_raw(self.pid), Some(WaitPidFlag::WNOHANG));
    }
}

/// Ends a process that is not this one's child.
pub(crate) fn end_one(process: Identity) {
    end(&[process]);
}

/// Ends all of `processes`: SIGTERM, so that they clear up behind them (SIGCONT, so that frozen ones hear it), then
/// SIGKILL. Returns those that outlived even that, which only happens to processes stuck in the kernel.
pub(super) fn end(processes: &[Identity]) -> Vec<Identity> {
    signal(processes, Signal::SIGTERM, TERM_PATIENCE);
    signal(processes, Signal::SIGKILL, KILL_PATIENCE);
    processes
        .iter()
        .filter(|process| process.is_alive())
        .copied()
        .collect()
}

/// Ends a process as if its power was gone, all threads of it.
pub(super) fn kill_at_once(process: Identity) {
    process.signal(Signal::SIGKILL);
    let end = Instant::now() + KILL_PATIENCE;
    while process.has_threads() && Instant::now() < end {
        std::thread::sleep(POLL);
    }
    process.reap();
}

fn signal(processes: &[Identity], signal: Signal, patience: Duration) {
    for process in processes {
        process.signal(signal);
        if signal == Signal::SIGTERM {
            process.signal(Signal::SIGCONT);
        }
    }
    let end = Instant::now() + patience;
    while processes.iter().any(Identity::is_alive) && Instant::now() < end {
        std::thread::sleep(POLL);
    }
    for process in processes {
        process.reap();
    }
}

/// The processes whose main thread is in one of the network namespaces at `paths`.
pub(super) fn inside(paths: &[impl AsRef<Path>]) -> Vec<Identity> {
    let key = |path: &Path| fs::metadata(path).ok().map(|file| (file.dev(), file.ino()));
    let wanted: Vec<(u64, u64)> = paths.iter().filter_map(|path| key(path.as_ref())).collect();
    let own = Pid::this().as_raw();
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|&pid| pid != own)
        .filter(|pid| {
            key(Path::new(&format!("/proc/{pid}/ns/net")))
                .is_some_and(|found| wanted.contains(&found))
        })
        .filter_map(Identity::of)
        .collect()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_process_is_itself_until_it_ends() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let identity = Identity::of(child.id().try_into().unwrap()).unwrap();
        assert!(identity.is_alive());
        let recycled = Identity {
            start: identity.start + 1,
            ..identity
        };
        assert!(!recycled.is_alive());
        assert_eq!(end(&[recycled]), []);
        assert!(
            child.try_wait().unwrap().is_none(),
            "a process with another start is not touched"
        );
        assert_eq!(end(&[identity]), []);
        assert!(!identity.is_alive());
    }
}
