//! Joining the parts of a study.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::csv::{CsvError, read_runs};
use super::plan::{Key, Plan};
use super::record::Record;
use super::report::{PLAN, RUNS};

/// Why parts cannot be joined.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    /// A file of a part cannot be read.
    #[error("{}: {problem}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// Why not.
        problem: io::Error,
    },
    /// A plan is none.
    #[error("{}: not the plan of a study: {problem}", path.display())]
    Plan {
        /// Which file.
        path: PathBuf,
        /// Why not.
        problem: serde_json::Error,
    },
    /// A table is none.
    #[error("{}: {problem}", path.display())]
    Table {
        /// Which file.
        path: PathBuf,
        /// Why not.
        problem: CsvError,
    },
    /// Made by a program whose tables are different.
    #[error("{}: format {found}, and this program writes format {}", path.display(), Plan::FORMAT)]
    Format {
        /// Which file.
        path: PathBuf,
        /// The plan's format.
        found: u32,
    },
    /// Two parts are of different studies.
    #[error("{} and {} are parts of different studies: their plans differ", first.display(), other.display())]
    Different {
        /// One part.
        first: PathBuf,
        /// The other.
        other: PathBuf,
    },
    /// A trial was measured twice, differently.
    #[error("{}: {key}: another part measured something else", path.display())]
    Contradiction {
        /// The later part.
        path: PathBuf,
        /// Which trial.
        key: Key,
    },
    /// A trial that is not in the plan.
    #[error("{}: {key}: no trial of this study", path.display())]
    Unknown {
        /// Which part.
        path: PathBuf,
        /// Which trial.
        key: Key,
    },
    /// Parts are missing.
    #[error(
        "{missing} of {all} trials are in none of the parts, the first of them {key}: are all parts here?"
    )]
    Missing {
        /// How many are missing.
        missing: usize,
        /// How many there should be.
        all: usize,
        /// One of them.
        key: Key,
    },
}

/// Reads parts and joins them: the plan they share and all its records, in order. The same part twice is no harm.
///
/// # Errors
/// A part cannot be read, is of another study, or they are not the whole.
pub fn read(parts: &[PathBuf]) -> Result<(Plan, Vec<Record>), MergeError> {
    let mut plan: Option<(&Path, Plan)> = None;
    let mut joined = BTreeMap::new();
    for part in parts {
        let own = read_plan(&part.join(PLAN))?;
        let (first, plan) = plan.get_or_insert_with(|| (part, own.clone()));
        if *plan != own {
            return Err(MergeError::Different {
                first: first.to_owned(),
                other: part.clone(),
            });
        }
        let path = part.join(RUNS);
        let records = read_runs(&text(&path)?).map_err(|problem| MergeError::Table {
            path: path.clone(),
            problem,
        })?;
        for record in records {
            let key = *record.key();
            if joined.get(&key).is_some_and(|known| *known != record) {
                return Err(MergeError::Contradiction { path, key });
            }
            joined.insert(key, record);
        }
    }
    let plan = plan.map(|(_, plan)| plan).unwrap_or_default();
    complete(&plan, joined, parts)
}

fn complete(
    plan: &Plan,
    mut joined: BTreeMap<Key, Record>,
    parts: &[PathBuf],
) -> Result<(Plan, Vec<Record>), MergeError> {
    let keys = plan.keys();
    let missing: Vec<&Key> = keys
        .iter()
        .filter(|key| !joined.contains_key(key))
        .collect();
    if let Some(&&key) = missing.first() {
        return Err(MergeError::Missing {
            missing: missing.len(),
            all: keys.len(),
            key,
        });
    }
    let records: Vec<Record> = keys.iter().filter_map(|key| joined.remove(key)).collect();
    if let Some(key) = joined.into_keys().next() {
        let path = parts.first().cloned().unwrap_or_default();
        return Err(MergeError::Unknown { path, key });
    }
    Ok((plan.clone(), records))
}

fn read_plan(path: &Path) -> Result<Plan, MergeError> {
    let plan: Plan = serde_json::from_str(&text(path)?).map_err(|problem| MergeError::Plan {
        path: path.to_owned(),
        problem,
    })?;
    if plan.format != Plan::FORMAT {
        return Err(MergeError::Format {
            path: path.to_owned(),
            found: plan.format,
        });
    }
    Ok(plan)
}

fn text(path: &Path) -> Result<String, MergeError> {
    fs::read_to_string(path).map_err(|problem| MergeError::File {
        path: path.to_owned(),
        problem,
    })
}
