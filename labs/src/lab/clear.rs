//! Clearing a lab: whatever its condition, nothing of it is left.

use std::fs;
use std::path::{Path, PathBuf};

use super::state::{Journal, Lock, Record, lab_dir};
use super::{LabError, process};
use crate::netns::{DIRECTORY, Namespace};

/// Takes the lab `name` down, or clears what is left of it: processes (also those that were started in its
/// namespaces by others), namespaces with all that is in them, sockets, files.
///
/// # Errors
/// When there is none of that name, or another `labs` is at it.
pub fn down(run_dir: &Path, name: &str) -> Result<(), LabError> {
    if !lab_dir(run_dir, name).exists() {
        return Err(LabError::not_up(run_dir, name));
    }
    let _lock = Lock::take(run_dir, name)?;
    clear(run_dir, name)
}

/// The same with the lock already taken.
pub(super) fn clear(run_dir: &Path, name: &str) -> Result<(), LabError> {
    let records = Journal::of(run_dir, name).read();
    let namespaces: Vec<&str> = records.iter().filter_map(namespace).collect();
    let paths: Vec<PathBuf> = namespaces
        .iter()
        .map(|name| Path::new(DIRECTORY).join(name))
        .collect();
    let mut processes: Vec<_> = records.iter().filter_map(identity).collect();
    processes.extend(process::inside(&paths));
    processes.sort_unstable();
    processes.dedup();
    let mut stuck = process::end(&processes);
    // One of them may have started another after the look.
    stuck.extend(process::end(&process::inside(&paths)));
    for namespace in namespaces {
        Namespace::remove(namespace)?;
    }
    for record in &records {
        if let Record::Socket { path } = record {
            // A switch that ended by itself has removed it.
            let _ = fs::remove_file(path);
        }
    }
    let dir = lab_dir(run_dir, name);
    fs::remove_dir_all(&dir)
        .map_err(|source| LabError::io(format!("remove {}", dir.display()), source))?;
    if stuck.is_empty() {
        return Ok(());
    }
    let pids: Vec<String> = stuck
        .iter()
        .map(|process| process.pid.to_string())
        .collect();
    Err(LabError::Stuck {
        name: name.to_owned(),
        pids: pids.join(", "),
    })
}

fn namespace(record: &Record) -> Option<&str> {
    match record {
        Record::Namespace { name } => Some(name),
        Record::Owner { .. }
        | Record::Socket { .. }
        | Record::Process { .. }
        | Record::Ended { .. }
        | Record::Up
        | Record::Link { .. }
        | Record::Connected { .. }
        | Record::Power { .. } => None,
    }
}

fn identity(record: &Record) -> Option<process::Identity> {
    record.process().map(|(_, _, identity)| identity)
}
