//! Words of a command line: any unambiguous beginning of a word stands for it, and errors point at the word.

use std::fmt;

/// Why words are no command: which word, what is wrong with it, what is possible there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseError {
    /// All words.
    words: Vec<String>,
    /// The word in error; one past the last: something is missing.
    at: usize,
    message: String,
}

impl ParseError {
    /// What is wrong, without the words.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The command line, a `^` under the word in error, and what is wrong; `prompt` stands before the words.
    #[must_use]
    pub fn pointed(&self, prompt: &str) -> String {
        let before: usize = self.words[..self.at]
            .iter()
            .map(|word| word.chars().count() + 1)
            .sum();
        let indent = prompt.chars().count() + before;
        format!(
            "{prompt}{}\n{:indent$}^\n% {}",
            self.words.join(" "),
            "",
            self.message
        )
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ParseError {}

/// The words not yet understood.
#[derive(Debug)]
pub(super) struct Words<'a> {
    words: &'a [String],
    at: usize,
}

impl<'a> Words<'a> {
    pub(super) const fn new(words: &'a [String]) -> Self {
        Self { words, at: 0 }
    }

    pub(super) const fn is_at_end(&self) -> bool {
        self.at >= self.words.len()
    }

    /// An error at the word read last.
    pub(super) fn error_before(&self, message: impl Into<String>) -> ParseError {
        self.error_at(self.at.saturating_sub(1), message)
    }

    fn error_at(&self, at: usize, message: impl Into<String>) -> ParseError {
        ParseError {
            words: self.words.to_vec(),
            at,
            message: message.into(),
        }
    }

    /// The next word as it is; `what` says what should stand there.
    pub(super) fn value(&mut self, what: &str) -> Result<&'a str, ParseError> {
        let word = self.words.get(self.at);
        let word = word.ok_or_else(|| {
            self.error_at(self.at, format!("Incomplete command: {what} is missing"))
        })?;
        self.at += 1;
        Ok(word)
    }

    /// The next word, read by `read`, which says what is wrong with it.
    pub(super) fn read<T>(
        &mut self,
        what: &str,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<T, ParseError> {
        let word = self.value(what)?;
        read(word).map_err(|message| self.error_before(message))
    }

    /// The next word as one of `known`, by any beginning that only one of them has.
    pub(super) fn keyword(&mut self, known: &[&'static str]) -> Result<&'static str, ParseError> {
        let Some(word) = self.words.get(self.at) else {
            let message = format!("Incomplete command: one of {} is missing", known.join(", "));
            return Err(self.error_at(self.at, message));
        };
        let word = word.to_ascii_lowercase();
        let exact = known.iter().find(|keyword| **keyword == word);
        let matching: Vec<&'static str> = match exact {
            Some(exact) => vec![exact],
            None => known
                .iter()
                .copied()
                .filter(|keyword| !word.is_empty() && keyword.starts_with(&word))
                .collect(),
        };
        match matching.as_slice() {
            [keyword] => {
                self.at += 1;
                Ok(keyword)
            }
            [] => {
                let message = format!(
                    "Invalid input detected at '^' marker: '{word}' is none of {}",
                    known.join(", ")
                );
                Err(self.error_at(self.at, message))
            }
            several => {
                let message = format!(
                    "Ambiguous command: '{word}' could be {}",
                    several.join(" or ")
                );
                Err(self.error_at(self.at, message))
            }
        }
    }

    /// The next word if it is an unambiguous beginning of one of `known`; nothing is taken otherwise.
    pub(super) fn peek_keyword(&self, known: &[&'static str]) -> Option<&'static str> {
        let mut ahead = Self {
            words: self.words,
            at: self.at,
        };
        ahead.keyword(known).ok()
    }

    /// That nothing is left.
    pub(super) fn end(&self) -> Result<(), ParseError> {
        match self.words.get(self.at) {
            None => Ok(()),
            Some(word) => Err(self.error_at(
                self.at,
                format!(
                    "Invalid input detected at '^' marker: nothing is expected here, not '{word}'"
                ),
            )),
        }
    }
}
