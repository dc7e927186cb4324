//! What is wrong with a configuration, and where.

use core::fmt;
use std::path::{Path, PathBuf};

/// Where a value was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A line of a file, counted from 1.
    Line {
        /// The file.
        file: PathBuf,
        /// The line.
        line: usize,
    },
    /// A file as a whole.
    File(PathBuf),
    /// A flag and, if it takes several, which one.
    Flag(String),
    /// Nowhere: the default, or a live command.
    Nowhere,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line { file, line } => write!(f, "{}:{line}: ", file.display()),
            Self::File(file) => write!(f, "{}: ", file.display()),
            Self::Flag(flag) => write!(f, "{flag}: "),
            Self::Nowhere => Ok(()),
        }
    }
}

/// One thing wrong: the place, and what was found and what is legal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub at: Origin,
    /// What.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.at, self.message)
    }
}

/// Everything wrong with a configuration; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// In the order found.
    pub problems: Vec<Problem>,
}

impl ConfigError {
    /// Problems in the order of the lines they stand on.
    pub(super) fn sorted(mut problems: Vec<Problem>) -> Self {
        problems.sort_by_key(|problem| match problem.at {
            Origin::Line { line, .. } => line,
            Origin::File(_) | Origin::Flag(_) | Origin::Nowhere => 0,
        });
        Self { problems }
    }

    /// A file that is wrong as a whole.
    #[must_use]
    pub fn of_file(path: &Path, message: String) -> Self {
        Self {
            problems: vec![Problem {
                at: Origin::File(path.to_owned()),
                message,
            }],
        }
    }
}

impl std::error::Error for ConfigError {}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{problem}")?;
        }
        Ok(())
    }
}

/// A value that a key does not take; the key, and what is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {message}")]
pub struct KeyError {
    /// The key as written in files and flags.
    pub key: &'static str,
    /// The bad value and the legal range.
    pub message: String,
}

impl KeyError {
    pub(crate) fn new(key: &'static str, message: impl Into<String>) -> Self {
        Self {
            key,
            message: message.into(),
        }
    }
}

/// `; did you mean 'x'?` for the known word nearest to `word`, or the list of all when none is near.
pub(crate) fn did_you_mean(word: &str, known: &[&str]) -> String {
    let nearest = known
        .iter()
        .map(|candidate| (distance(word, candidate), *candidate))
        .min();
    match nearest {
        Some((distance, candidate)) if distance <= 1 + candidate.len() / 4 => {
            format!("; did you mean '{candidate}'?")
        }
        Some(_) | None => format!("; known are {}", known.join(", ")),
    }
}

/// How many letters must be added, dropped, changed or swapped with their neighbour.
fn distance(one: &str, other: &str) -> usize {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=other.len()).collect();
    for (row, letter) in one.iter().enumerate() {
        let mut now = vec![row + 1];
        for (column, facing) in other.iter().enumerate() {
            let changed = last[column] + usize::from(letter != facing);
            let mut least = changed.min(last[column + 1] + 1).min(now[column] + 1);
            let swapped =
                row > 0 && column > 0 && one[row - 1] == *facing && other[column - 1] == *letter;
            if swapped {
                least = least.min(before[column - 1] + 1);
            }
            now.push(least);
        }
        before = std::mem::replace(&mut last, now);
    }
    last[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words_are_offered_and_far_ones_are_not() {
        let known = ["priority", "hello", "max-age"];
        assert_eq!(
            did_you_mean("prioritty", &known),
            "; did you mean 'priority'?"
        );
        assert_eq!(did_you_mean("helol", &known), "; did you mean 'hello'?");
        assert_eq!(did_you_mean("max_age", &known), "; did you mean 'max-age'?");
        assert_eq!(
            did_you_mean("colour", &known),
            "; known are priority, hello, max-age"
        );
    }
}
