//! Namespaces for a while, without a lab file: journalled like a lab, cleared when dropped, and cleared all the same if
//! the process that made them is killed.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::state::{self, Condition, Journal, Lock, Record};
use super::{Identity, LabError, clear, namespace_name, privilege, program};
use crate::netns::Namespace;

/// How long a guard tries to clear, and how often.
const PATIENCE: Duration = Duration::from_secs(30);
const RETRY: Duration = Duration::from_millis(50);

/// A set of namespaces that goes with its owner.
///
/// A *guard*, a process of its own, waits for its owner to end and clears what is left then: also after `kill -9`. If
/// both were killed, the next [`Scratch::make`] of the same kind does it, or `labs down`.
#[derive(Debug)]
pub struct Scratch {
    run_dir: PathBuf,
    name: String,
    journal: Journal,
    guard: Option<Child>,
    _lock: Lock,
}

impl Scratch {
    /// Makes an empty one, called `KIND-PID`, and clears those of dead owners of the same kind.
    ///
    /// # Errors
    /// Without the privileges a lab needs, or when the run directory cannot be written.
    pub fn make(run_dir: &Path, kind: &str) -> Result<Self, LabError> {
        privilege::check()?;
        clear_dead(run_dir, kind)?;
        let name = format!("{kind}-{}", std::process::id());
        let lock = Lock::take(run_dir, &name)?;
        let dir = state::lab_dir(run_dir, &name);
        state::make_dir(&dir)
            .map_err(|source| LabError::io(format!("make {}", dir.display()), source))?;
        let journal = Journal::of(run_dir, &name);
        journal.write(&Record::Owner {
            owner: Identity::own(),
        })?;
        journal.write(&Record::Up)?;
        let mut this = Self {
            run_dir: run_dir.to_owned(),
            name,
            journal,
            guard: None,
            _lock: lock,
        };
        this.guard = Some(start_guard(run_dir, &this.name)?);
        Ok(this)
    }

    /// Makes the namespace of `node`.
    ///
    /// # Errors
    /// When it is there already or the kernel refuses.
    pub fn namespace(&self, node: &str) -> Result<Namespace, LabError> {
        let name = namespace_name(&self.name, node);
        self.journal
            .write(&Record::Namespace { name: name.clone() })?;
        Ok(Namespace::create(&name)?)
    }

    /// Its directory, for files and sockets; it goes with the rest.
    #[must_use]
    pub fn dir(&self) -> PathBuf {
        state::lab_dir(&self.run_dir, &self.name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = clear::clear(&self.run_dir, &self.name) {
            eprintln!("{error}");
        }
        if let Some(mut guard) = self.guard.take() {
            // Its standard input ends here, and with nothing left to clear so does it.
            drop(guard.stdin.take());
            let _ = guard.wait();
        }
    }
}

/// Starts a guard of the lab `name`. Its standard input is a pipe: it begins when that ends.
///
/// # Errors
/// When it cannot be started.
pub(crate) fn start_guard(run_dir: &Path, name: &str) -> Result<Child, LabError> {
    use std::os::unix::process::CommandExt;
    let mut command = Command::new(program("labs")?);
    command
        .arg("--run-dir")
        .arg(run_dir)
        .args(["guard", name])
        .stdin(Stdio::piped())
        .process_group(0);
    command
        .spawn()
        .map_err(|source| LabError::io("start a guard", source))
}

/// What a guard does: waits until its standard input ends, which is when its owner does, then clears.
///
/// # Errors
/// When something cannot be cleared.
pub fn guard(run_dir: &Path, name: &str) -> Result<(), LabError> {
    let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
    let end = Instant::now() + PATIENCE;
    loop {
        if !state::lab_dir(run_dir, name).exists() {
            return Ok(());
        }
        // The pipe may end before the kernel has let go of the owner's lock, or of what its processes held: nobody else
        // would come and clear, so this is tried for a while.
        match clear::down(run_dir, name) {
            Ok(()) => return Ok(()),
            Err(error) if Instant::now() > end => return Err(error),
            Err(_) => std::thread::sleep(RETRY),
        }
    }
}

fn clear_dead(run_dir: &Path, kind: &str) -> Result<(), LabError> {
    for name in state::names(run_dir) {
        let pid = name
            .strip_prefix(kind)
            .and_then(|rest| rest.strip_prefix('-'));
        if pid.is_none_or(|pid| pid.parse::<u32>().is_err()) {
            continue;
        }
        let dead = state::condition(&Journal::of(run_dir, &name).read()) != Condition::Up;
        match dead.then(|| clear::down(run_dir, &name)) {
            // Its guard is at it.
            None | Some(Ok(()) | Err(LabError::Busy { .. } | LabError::NotUp { .. })) => {}
            Some(Err(error)) => return Err(error),
        }
    }
    Ok(())
}
