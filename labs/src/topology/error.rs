//! Where in a lab file something is, and what is wrong with it.

use core::fmt;

/// A place in a lab file: line and column, both from 1, in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Position {
    /// Line, from 1.
    pub line: usize,
    /// Column, from 1.
    pub column: usize,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// The first thing found wrong in a lab file. Displays as `file:line:column: message`, with a suggestion
/// where a known word is near.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{at}: {message}{}", suggestion_text(.suggestion.as_deref()))]
pub struct Error {
    /// The file as the user named it.
    pub file: String,
    /// Where.
    pub at: Position,
    /// What is wrong, in one line.
    pub message: String,
    /// The known word nearest to the one that was written, if one is near.
    pub suggestion: Option<String>,
}

fn suggestion_text(suggestion: Option<&str>) -> String {
    suggestion.map_or_else(String::new, |word| format!("; did you mean `{word}`?"))
}

/// A fault without its file: what the parts of the parser return.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) at: Position,
    pub(super) message: String,
    pub(super) suggestion: Option<String>,
}

impl Fault {
    pub(super) fn new(at: Position, message: impl Into<String>) -> Self {
        Self {
            at,
            message: message.into(),
            suggestion: None,
        }
    }

    /// Adds the nearest of `known` to the wrong word `written`, if one is near enough to be meant.
    pub(super) fn near<'k>(
        mut self,
        written: &str,
        known: impl IntoIterator<Item = &'k str>,
    ) -> Self {
        self.suggestion = nearest(written, known).map(str::to_owned);
        self
    }

    pub(super) fn in_file(self, file: &str) -> Error {
        Error {
            file: file.to_owned(),
            at: self.at,
            message: self.message,
            suggestion: self.suggestion,
        }
    }
}

/// The word of `known` nearest to `written`: at most a third of its letters (and at least one) wrong.
/// Also used for lab and node names on the command line.
pub fn nearest<'k>(written: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let limit = (written.chars().count() / 3).max(1);
    known
        .into_iter()
        .map(|word| (distance(written, word), word))
        .filter(|&(distance, _)| distance <= limit)
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, word)| word)
}

/// Optimal string alignment distance: insertions, deletions, substitutions and swaps of neighbours.
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().flat_map(char::to_lowercase).collect();
    let b: Vec<char> = b.chars().flat_map(char::to_lowercase).collect();
    let mut rows = vec![(0..=b.len()).collect::<Vec<usize>>()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let substitution = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = substitution.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_takes_typos_and_refuses_strangers() {
        let known = ["kind", "ports", "priority", "stp"];
        assert_eq!(nearest("prioritty", known), Some("priority"));
        assert_eq!(nearest("prots", known), Some("ports"));
        assert_eq!(nearest("Kind", known), Some("kind"));
        assert_eq!(nearest("colour", known), None);
        assert_eq!(nearest("", known), None);
    }

    #[test]
    fn distance_counts_a_swap_as_one() {
        assert_eq!(distance("acces", "access"), 1);
        assert_eq!(distance("proirity", "priority"), 1);
        assert_eq!(distance("", "abc"), 3);
    }
}
