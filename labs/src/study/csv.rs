//! Records as CSV, and back.

use std::fmt::Write as _;

use super::families::Family;
use super::plan::{Event, Key, Timers};
use super::record::{Metric, Outcome, Record, Unit};

const KEY_COLUMNS: [&str; 6] = ["family", "timers", "event", "switches", "trial", "outcome"];

/// Why a table of records is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CsvError {
    /// The first line names other columns.
    #[error("line 1: these are not the columns of a study: {0}")]
    Header(String),
    /// A line has too few or too many cells.
    #[error("line {line}: {found} cells instead of {expected}")]
    Cells {
        /// Which line, from 1.
        line: usize,
        /// How many it has.
        found: usize,
        /// How many it should have.
        expected: usize,
    },
    /// A cell does not say what its column is about.
    #[error("line {line}: '{cell}' is no {column}")]
    Cell {
        /// Which line, from 1.
        line: usize,
        /// What it says.
        cell: String,
        /// The column's name.
        column: &'static str,
    },
}

/// The table of all trials: a heading, then a line each. Times are in seconds, with six digits after the point.
#[must_use]
pub fn write_runs(records: &[Record]) -> String {
    let mut text = heading();
    text.push('\n');
    for record in records {
        let key = record.key();
        let _ = write!(
            text,
            "{},{},{},{},{},{}",
            key.family.name(),
            key.timers.name(),
            key.event.name(),
            key.size,
            key.seed,
            record.outcome().name()
        );
        for metric in Metric::ALL {
            text.push(',');
            if let Some(value) = record.get(metric) {
                text.push_str(&cell(metric.unit(), value));
            }
        }
        text.push('\n');
    }
    text
}

/// A value as its cell says it.
pub(super) fn cell(unit: Unit, value: u64) -> String {
    match unit {
        Unit::Time => format!("{}.{:06}", value / 1_000_000, value % 1_000_000),
        Unit::Count | Unit::Flag => value.to_string(),
    }
}

fn heading() -> String {
    let metrics = Metric::ALL.iter().map(|metric| metric.name());
    let columns: Vec<&str> = KEY_COLUMNS.into_iter().chain(metrics).collect();
    columns.join(",")
}

/// Reads what [`write_runs`] wrote.
///
/// # Errors
/// The first line that is not as it should be.
pub fn read_runs(text: &str) -> Result<Vec<Record>, CsvError> {
    let mut lines = text.lines();
    let first = lines.next().unwrap_or_default();
    if first != heading() {
        return Err(CsvError::Header(first.to_owned()));
    }
    (2..)
        .zip(lines)
        .map(|(line, text)| read_line(line, text))
        .collect()
}

fn read_line(line: usize, text: &str) -> Result<Record, CsvError> {
    let cells: Vec<&str> = text.split(',').collect();
    let expected = KEY_COLUMNS.len() + Metric::ALL.len();
    if cells.len() != expected {
        return Err(CsvError::Cells {
            line,
            found: cells.len(),
            expected,
        });
    }
    let wrong = |place: usize| CsvError::Cell {
        line,
        cell: cells[place].to_owned(),
        column: KEY_COLUMNS[place],
    };
    let key = Key {
        family: Family::from_name(cells[0]).ok_or_else(|| wrong(0))?,
        timers: Timers::from_name(cells[1]).ok_or_else(|| wrong(1))?,
        event: Event::from_name(cells[2]).ok_or_else(|| wrong(2))?,
        size: cells[3].parse().map_err(|_| wrong(3))?,
        seed: cells[4].parse().map_err(|_| wrong(4))?,
    };
    let outcome = Outcome::from_name(cells[5]).ok_or_else(|| wrong(5))?;
    let mut record = Record::new(key, outcome);
    for (metric, &cell) in Metric::ALL.into_iter().zip(&cells[KEY_COLUMNS.len()..]) {
        if cell.is_empty() {
            continue;
        }
        let value = value(metric.unit(), cell).ok_or_else(|| CsvError::Cell {
            line,
            cell: cell.to_owned(),
            column: metric.name(),
        })?;
        record.set(metric, Some(value));
    }
    Ok(record)
}

fn value(unit: Unit, cell: &str) -> Option<u64> {
    match unit {
        Unit::Count => cell.parse().ok(),
        Unit::Flag => cell.parse().ok().filter(|flag| *flag < 2),
        Unit::Time => {
            let (seconds, micros) = cell.split_once('.')?;
            let micros: u64 = (micros.len() == 6).then(|| micros.parse().ok())??;
            seconds
                .parse::<u64>()
                .ok()?
                .checked_mul(1_000_000)?
                .checked_add(micros)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        let key = Key {
            family: Family::FatTree,
            timers: Timers::Default,
            event: Event::RootLoss,
            size: 20,
            seed: 3,
        };
        let mut record = Record::new(key, Outcome::Split);
        record.set(Metric::Settle, Some(30_000_123));
        record.set(Metric::Bpdus, Some(0));
        record.set(Metric::Broken, Some(1));
        record
    }

    #[test]
    fn a_record_comes_back() {
        let text = write_runs(&[record()]);
        assert!(
            text.contains("fat-tree,default,root-loss,20,3,split,30.000123,,"),
            "{text}"
        );
        assert_eq!(read_runs(&text), Ok(vec![record()]));
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        let good = write_runs(&[record()]);
        for (text, message) in [
            (
                "a,b\n".to_owned(),
                "line 1: these are not the columns of a study: a,b",
            ),
            (
                good.replace("fat-tree", "hedge"),
                "line 2: 'hedge' is no family",
            ),
            (
                good.replace("30.000123", "30.1"),
                "line 2: '30.1' is no settle_s",
            ),
            (
                good.replace(",20,3", ",20,3,"),
                "line 2: 29 cells instead of 28",
            ),
        ] {
            assert_eq!(read_runs(&text).unwrap_err().to_string(), message);
        }
    }
}
