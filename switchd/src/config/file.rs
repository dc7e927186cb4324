//! Configuration files: TOML, read with the line of every key.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{ConfigError, Origin, Problem, did_you_mean};
use super::raw::{Entry, Group, RawConfig};

/// The tables of a file.
const TABLES: [&str; 5] = ["switch", "stp", "cam", "port", "static-mac"];

/// Octets of a configuration file, at most: 1023 ports with every key and tens of thousands of pinned addresses
/// are less.
const FILE_LEN_MAX: u64 = 4 << 20;

/// Reads a configuration file.
///
/// # Errors
/// It cannot be read, is longer than 4 MiB or no UTF-8; or as [`parse`].
pub fn read(path: &Path) -> Result<RawConfig, ConfigError> {
    let refused = |message| ConfigError::of_file(path, message);
    let mut text = String::new();
    let read = File::open(path)
        .and_then(|file| file.take(FILE_LEN_MAX + 1).read_to_string(&mut text))
        .map_err(|error| refused(format!("cannot be read: {error}")))?;
    match read as u64 {
        0..=FILE_LEN_MAX => parse(path, &text),
        _ => Err(refused(format!(
            "is no configuration: longer than {} MiB",
            FILE_LEN_MAX >> 20
        ))),
    }
}

/// Reads the text of a configuration file; `path` only serves messages.
///
/// # Errors
/// Not TOML, an unknown table, a value that is no scalar or list of scalars.
pub fn parse(path: &Path, text: &str) -> Result<RawConfig, ConfigError> {
    let newlines = text
        .bytes()
        .enumerate()
        .filter(|&(_, octet)| octet == b'\n');
    let mut reader = Reader {
        path,
        newlines: newlines.map(|(offset, _)| offset).collect(),
        problems: Vec::new(),
    };
    let raw = match DeTable::parse(text) {
        Ok(document) => reader.document(document.get_ref()),
        Err(error) => {
            let start = error.span().map_or(0, |span| span.start);
            reader.problem(start, error.message().trim().to_owned());
            RawConfig::default()
        }
    };
    match reader.problems.is_empty() {
        true => Ok(raw),
        false => Err(ConfigError {
            problems: reader.problems,
        }),
    }
}

struct Reader<'a> {
    path: &'a Path,
    /// Where each line ends.
    newlines: Vec<usize>,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn at(&self, offset: usize) -> Origin {
        Origin::Line {
            file: self.path.to_owned(),
            line: 1 + self.newlines.partition_point(|&newline| newline < offset),
        }
    }

    fn problem(&mut self, offset: usize, message: String) {
        let at = self.at(offset);
        self.problems.push(Problem { at, message });
    }

    fn document(&mut self, document: &DeTable<'_>) -> RawConfig {
        let mut raw = RawConfig::default();
        for (key, value) in document {
            let name: &str = key.get_ref();
            match name {
                "switch" => raw.switch = self.tables(name, value, false),
                "stp" => raw.stp = self.tables(name, value, false),
                "cam" => raw.cam = self.tables(name, value, false),
                "port" => raw.ports = self.tables(name, value, true),
                "static-mac" => raw.static_macs = self.tables(name, value, true),
                unknown => {
                    let hint = did_you_mean(unknown, &TABLES);
                    self.problem(key.span().start, format!("unknown key '{unknown}'{hint}"));
                }
            }
        }
        raw
    }

    /// The tables of one name: `[name]`, or several `[[name]]`.
    fn tables(&mut self, name: &str, value: &Spanned<DeValue<'_>>, many: bool) -> Vec<Group> {
        let start = value.span().start;
        match (value.get_ref(), many) {
            (DeValue::Table(table), false) => vec![self.group(format!("[{name}]"), start, table)],
            (DeValue::Array(elements), true) => {
                let mut groups = Vec::new();
                for element in elements {
                    let start = element.span().start;
                    match element.get_ref().as_table() {
                        Some(table) => {
                            groups.push(self.group(format!("[[{name}]]"), start, table));
                        }
                        None => self.problem(start, format!("write each {name} as [[{name}]]")),
                    }
                }
                groups
            }
            (_, false) => {
                self.problem(start, format!("write it as a table: [{name}]"));
                Vec::new()
            }
            (_, true) => {
                self.problem(start, format!("write each {name} as [[{name}]]"));
                Vec::new()
            }
        }
    }

    fn group(&mut self, mut title: String, start: usize, table: &DeTable<'_>) -> Group {
        if let Some(DeValue::String(name)) = table.get("name").map(Spanned::get_ref)
            && title.starts_with("[[")
        {
            title = format!("{title} {name}");
        }
        let mut entries = Vec::new();
        for (key, value) in table {
            let (name, start): (&str, usize) = (key.get_ref(), key.span().start);
            match scalar_or_list(value.get_ref()) {
                Some(text) => entries.push(Entry {
                    key: name.to_owned(),
                    value: Some(text),
                    at: self.at(start),
                }),
                None => self.problem(
                    start,
                    format!(
                        "{title}: {name}: not a text, number, true or false, or a list of them"
                    ),
                ),
            }
        }
        // Tables come back sorted by key; people read files by line.
        entries.sort_by_key(|entry| match &entry.at {
            Origin::Line { line, .. } => *line,
            Origin::File(_) | Origin::Flag(_) | Origin::Nowhere => 0,
        });
        Group {
            title,
            at: self.at(start),
            entries,
        }
    }
}

fn scalar_or_list(value: &DeValue<'_>) -> Option<String> {
    if let Some(elements) = value.as_array() {
        let texts: Option<Vec<String>> = elements
            .iter()
            .map(|element| scalar(element.get_ref()))
            .collect();
        return texts.map(|texts| match texts.is_empty() {
            true => "none".to_owned(),
            false => texts.join(","),
        });
    }
    scalar(value)
}

fn scalar(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) => Some(number.to_string()),
        DeValue::Float(number) => Some(number.to_string()),
        DeValue::Boolean(truth) => Some(truth.to_string()),
        DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => None,
    }
}
