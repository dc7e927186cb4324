//! One at a time: who may move the machines of a lab.
//!
//! A machine of QEMU's has one monitor, and both its processes are asked which of them it is: two that move it at once would
//! each end the other's target. So whoever moves machines holds a lock in the lab's directory, `labs migrate` for one move,
//! `labs run` and `labs drs` for as long as they play. A second one is refused, and told who was first.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;

use nix::fcntl::{Flock, FlockArg};

use crate::lab::{Lab, LabError};

/// Keeps others away from the machines of a lab for as long as it lives.
#[derive(Debug)]
pub(super) struct Alone {
    _lock: Flock<File>,
}

impl Alone {
    /// `who` is what a second one is told: a sentence.
    ///
    /// # Errors
    /// Somebody else holds the lock, or the file cannot be written.
    pub(super) fn with(lab: &Lab, who: &str) -> Result<Self, LabError> {
        let path = lab.dir().join("moves.lock");
        let failed = |source| LabError::io(format!("write {}", path.display()), source);
        let mut options = OpenOptions::new();
        // What is in it is another's until it is locked.
        let file = options.create(true).truncate(false).write(true).open(&path);
        let lock = Flock::lock(file.map_err(failed)?, FlockArg::LockExclusiveNonblock);
        let Ok(mut lock) = lock else {
            let first = fs::read_to_string(&path).unwrap_or_default();
            let first = match first.is_empty() {
                true => "somebody else moves its machines",
                false => first.as_str(),
            };
            return Err(LabError::Other(format!("{}: {first}", lab.name())));
        };
        lock.set_len(0).map_err(failed)?;
        lock.write_all(who.as_bytes()).map_err(failed)?;
        Ok(Self { _lock: lock })
    }
}
