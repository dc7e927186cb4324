//! What a lab has made, written down before it is made, so that whoever comes next can clear it.
//!
//! A lab's directory is `RUN/labs/NAME/`: its file (`lab.yml`), the journal, and per switch the configuration and the
//! log, per wire that is a process its control socket. Everything else a lab makes is a namespace, something inside a namespace that goes with it, or a process. The
//! journal is a file of one JSON object a line, appended to and never rewritten: a runner that dies at any point
//! leaves all it had begun.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};

use super::process::Identity;
use super::{LabError, is_machine, is_probe};
use crate::sim::Power;

/// One line of the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "made")]
pub(super) enum Record {
    /// The lab belongs to a runner and is not to outlive it.
    Owner {
        /// The runner.
        owner: Identity,
    },
    /// A namespace, about to be made.
    Namespace {
        /// Its name.
        name: String,
    },
    /// A control socket, about to be made.
    Socket {
        /// Its path.
        path: PathBuf,
    },
    /// A process that was started; one that was started but not yet written down is found by its namespace.
    Process {
        /// The node it belongs to.
        node: String,
        /// What it does for the node: `switchd`, `hub`, …
        role: String,
        /// Who it is.
        #[serde(flatten)]
        identity: Identity,
    },
    /// A process that was ended on purpose.
    Ended {
        /// Who it was.
        #[serde(flatten)]
        identity: Identity,
    },
    /// The lab is complete.
    Up,
    /// A veth was cut or repaired.
    Link {
        /// Its index in the lab, links of `connect` steps behind those of the file.
        link: usize,
        /// Whether it is cut now.
        cut: bool,
    },
    /// The link of a `connect` step is there.
    Connected {
        /// Its index, as above.
        link: usize,
    },
    /// A switch was switched off or on, or frozen.
    Power {
        /// The switch.
        switch: String,
        /// What it is now.
        power: Power,
    },
}

impl Record {
    /// Node, role and identity, of a process that was started.
    pub(super) fn process(&self) -> Option<(&str, &str, Identity)> {
        match self {
            Self::Process {
                node,
                role,
                identity,
            } => Some((node, role, *identity)),
            Self::Owner { .. }
            | Self::Namespace { .. }
            | Self::Socket { .. }
            | Self::Ended { .. }
            | Self::Up
            | Self::Link { .. }
            | Self::Connected { .. }
            | Self::Power { .. } => None,
        }
    }
}

/// What steps have done to a lab so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Live {
    /// Switches; those that are not in it run.
    power: BTreeMap<String, Power>,
    /// Links that are cut.
    cut: BTreeSet<usize>,
    /// Links of `connect` steps that are there.
    connected: BTreeSet<usize>,
}

impl Live {
    pub(super) fn of(records: &[Record]) -> Self {
        let mut live = Self::default();
        for record in records {
            match record {
                Record::Power { switch, power } => {
                    live.power.insert(switch.clone(), *power);
                }
                Record::Link { link, cut: true } => {
                    live.cut.insert(*link);
                }
                Record::Link { link, cut: false } => {
                    live.cut.remove(link);
                }
                Record::Connected { link } => {
                    live.connected.insert(*link);
                }
                Record::Owner { .. }
                | Record::Namespace { .. }
                | Record::Socket { .. }
                | Record::Process { .. }
                | Record::Ended { .. }
                | Record::Up => {}
            }
        }
        live
    }

    /// Whether a node runs; hosts always do.
    pub(super) fn power(&self, node: &str) -> Power {
        self.power.get(node).copied().unwrap_or_default()
    }

    pub(super) fn is_cut(&self, link: usize) -> bool {
        self.cut.contains(&link)
    }

    pub(super) fn is_connected(&self, link: usize) -> bool {
        self.connected.contains(&link)
    }
}

/// The directory of all labs.
pub(super) fn labs_dir(run_dir: &Path) -> PathBuf {
    run_dir.join("labs")
}

/// A lab's directory.
pub(super) fn lab_dir(run_dir: &Path, name: &str) -> PathBuf {
    labs_dir(run_dir).join(name)
}

/// How long the lock of a lab may stay held after its holder was killed.
///
/// A child that was forked and has not come to its exec yet holds it too (flock(2): the lock belongs to the open file, which
/// a fork shares), and outlives a killed parent for that moment, which a busy machine makes longer.
const ORPHAN: Duration = Duration::from_secs(2);

/// The right to make or clear a lab: held by one process at a time.
#[derive(Debug)]
pub(super) struct Lock {
    path: PathBuf,
    file: Flock<File>,
}

impl Lock {
    /// Takes the lock of the lab `name`, waiting no longer than [`ORPHAN`] for its holder.
    pub(super) fn take(run_dir: &Path, name: &str) -> Result<Self, LabError> {
        let dir = labs_dir(run_dir);
        let failed = |source| LabError::io(format!("lock the lab {name}"), source);
        make_dir(run_dir)
            .and_then(|()| make_dir(&dir))
            .map_err(failed)?;
        let path = dir.join(format!("{name}.lock"));
        let patience = Instant::now() + ORPHAN;
        loop {
            let opened = OpenOptions::new()
                .create(true)
                .truncate(false)
                .write(true)
                .open(&path);
            let file = match opened {
                // The last lab went, and its directory with it, between the two steps.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    make_dir(run_dir)
                        .and_then(|()| make_dir(&dir))
                        .map_err(failed)?;
                    continue;
                }
                opened => opened.map_err(failed)?,
            };
            let file = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                Ok(file) => file,
                Err((_, nix::Error::EWOULDBLOCK)) if Instant::now() < patience => {
                    thread::sleep(ORPHAN / 200);
                    continue;
                }
                Err((_, nix::Error::EWOULDBLOCK)) => {
                    return Err(LabError::Busy {
                        name: name.to_owned(),
                    });
                }
                Err((_, errno)) => return Err(failed(errno.into())),
            };
            // The one who held it before may have removed the file: then this lock locks nothing.
            let ours = file.metadata().map_err(failed)?.ino();
            if fs::metadata(&path).is_ok_and(|there| there.ino() == ours) {
                return Ok(Self { path, file });
            }
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
        let _ = self.file.metadata();
        // Directories go when they are empty; that another lab is in them is the usual reason why not.
        if let Some(labs) = self.path.parent() {
            let _ = fs::remove_dir(labs);
            let _ = labs.parent().map(fs::remove_dir);
        }
    }
}

/// The journal of a lab.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
}

impl Journal {
    pub(super) fn of(run_dir: &Path, name: &str) -> Self {
        Self {
            path: lab_dir(run_dir, name).join("journal"),
        }
    }

    /// Appends a line; one write, so that concurrent lines stay whole.
    pub(super) fn write(&self, record: &Record) -> Result<(), LabError> {
        let write = || {
            let mut line = serde_json::to_vec(record)?;
            line.push(b'\n');
            let mut file = OpenOptions::new()
                .create(true)
                .append(true)
                .open(&self.path)?;
            file.write_all(&line)
        };
        write().map_err(|source| LabError::io(format!("write {}", self.path.display()), source))
    }

    /// All whole lines; what a dying writer left half is not one.
    pub(super) fn read(&self) -> Vec<Record> {
        let Ok(file) = File::open(&self.path) else {
            return Vec::new();
        };
        let lines = BufReader::new(file).lines().map_while(Result::ok);
        lines
            .filter_map(|line| serde_json::from_str(&line).ok())
            .collect()
    }
}

/// How a lab stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// Complete, every process alive.
    Up,
    /// Being made or cleared by another process right now, or left half made by one that died.
    Partial,
    /// Complete once, but the runner or some daemon has died.
    Broken,
}

pub(super) fn condition(records: &[Record]) -> Condition {
    let mut complete = false;
    let mut alive = true;
    let ended = ended(records);
    let is_missed = |role: &str, identity: &Identity| {
        !ended.contains(identity) && !identity.is_alive() && !is_replaced(records, role)
    };
    for record in records {
        match record {
            Record::Owner { owner } => alive &= owner.is_alive(),
            Record::Process { role, identity, .. } => alive &= !is_missed(role, identity),
            Record::Up => complete = true,
            Record::Namespace { .. }
            | Record::Socket { .. }
            | Record::Ended { .. }
            | Record::Link { .. }
            | Record::Connected { .. }
            | Record::Power { .. } => {}
        }
    }
    match (complete, alive) {
        (false, _) => Condition::Partial,
        (true, true) => Condition::Up,
        (true, false) => Condition::Broken,
    }
}

/// Whether a process of this role may be gone and the lab be whole: a client that watched a move, and a VM that another
/// process has or has become. Both are left by a move whose runner was killed.
fn is_replaced(records: &[Record], role: &str) -> bool {
    let mut processes = records.iter().filter_map(Record::process);
    is_probe(role)
        || is_machine(role) && processes.any(|(_, it, identity)| it == role && identity.is_alive())
}

/// The processes that were ended on purpose.
pub(super) fn ended(records: &[Record]) -> BTreeSet<Identity> {
    let ended = |record: &Record| match record {
        Record::Ended { identity } => Some(*identity),
        Record::Owner { .. }
        | Record::Namespace { .. }
        | Record::Socket { .. }
        | Record::Process { .. }
        | Record::Up
        | Record::Link { .. }
        | Record::Connected { .. }
        | Record::Power { .. } => None,
    };
    records.iter().filter_map(ended).collect()
}

/// The names of all labs that have left something in the run directory, sorted.
pub(super) fn names(run_dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(labs_dir(run_dir))
        .into_iter()
        .flatten()
        .flatten();
    let dirs = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    let mut names: Vec<String> = dirs
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort_unstable();
    names
}

pub(super) fn make_dir(path: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).recursive(true).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        done => done,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_process_at_a_time_and_no_file_left() {
        let dir = tempfile::tempdir().unwrap();
        let run_dir = dir.path().join("run");
        let lock = Lock::take(&run_dir, "x").unwrap();
        let second = Lock::take(&run_dir, "x").unwrap_err();
        assert!(matches!(second, LabError::Busy { name } if name == "x"));
        let other = Lock::take(&run_dir, "y").unwrap();
        drop(lock);
        drop(Lock::take(&run_dir, "x").unwrap());
        drop(other);
        assert!(!run_dir.exists());
    }

    #[test]
    fn a_lock_that_outlives_its_killed_holder_for_a_moment_is_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let run_dir = dir.path().join("run");
        let first = Lock::take(&run_dir, "x").unwrap();
        // As a fork that has not come to its exec: the same open file, one more descriptor.
        let orphan = first.file.try_clone().unwrap();
        std::mem::forget(first);
        let release = thread::spawn(move || {
            thread::sleep(ORPHAN / 10);
            orphan.unlock().unwrap();
        });
        drop(Lock::take(&run_dir, "x").unwrap());
        release.join().unwrap();
    }

    #[test]
    fn what_a_killed_move_leaves_does_not_break_a_lab_and_a_machine_that_is_gone_does() {
        let process = |role: &str, identity| Record::Process {
            node: "esx1".to_owned(),
            role: role.to_owned(),
            identity,
        };
        let dead = Identity {
            pid: 1,
            start: u64::MAX,
        };
        let condition = |processes: &[(&str, Identity)]| {
            let records = processes.iter().map(|(role, it)| process(role, *it));
            condition(&records.chain([Record::Up]).collect::<Vec<_>>())
        };
        let own = Identity::own();
        assert_eq!(condition(&[("probe vm1", dead)]), Condition::Up);
        let twice = [("qemu vm1", dead), ("qemu vm1", own)];
        assert_eq!(condition(&twice), Condition::Up);
        let other = [("guest vm1", dead), ("guest vm2", own)];
        assert_eq!(condition(&other), Condition::Broken);
        let switches = [("switchd", dead), ("switchd", own)];
        assert_eq!(condition(&switches), Condition::Broken);
    }

    #[test]
    fn a_journal_with_a_torn_last_line_reads_up_to_it() {
        let dir = tempfile::tempdir().unwrap();
        make_dir(&lab_dir(dir.path(), "x")).unwrap();
        let journal = Journal::of(dir.path(), "x");
        let process = Record::Process {
            node: "sw1".to_owned(),
            role: "switchd".to_owned(),
            identity: Identity::own(),
        };
        for record in [
            Record::Namespace {
                name: "n".to_owned(),
            },
            process,
            Record::Up,
        ] {
            journal.write(&record).unwrap();
        }
        assert_eq!(condition(&journal.read()), Condition::Up);
        let dead = Record::Owner {
            owner: Identity {
                pid: 1,
                start: u64::MAX,
            },
        };
        journal.write(&dead).unwrap();
        assert_eq!(condition(&journal.read()), Condition::Broken);
        let text = fs::read(&journal.path).unwrap();
        fs::write(&journal.path, &text[..text.len() - 10]).unwrap();
        assert_eq!(journal.read().len(), 3);
        let cut = text.iter().position(|&octet| octet == b'\n').unwrap();
        fs::write(&journal.path, &text[..=cut]).unwrap();
        assert_eq!(condition(&journal.read()), Condition::Partial);
    }
}
