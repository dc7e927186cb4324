//! Writing a study: tables, charts and the report that explains them.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::charts;
use super::csv::{cell, write_runs};
use super::own::Own;
use super::plan::Plan;
use super::plot::PlotError;
use super::record::{Metric, Outcome, Record};
use super::summary::{Point, points};

mod chapters;
pub(super) mod html;
mod verdict;

/// The report's file.
pub const REPORT: &str = "report.html";
/// The plan's file.
pub const PLAN: &str = "plan.json";
/// The file of all trials.
pub const RUNS: &str = "trials.csv";
/// The file of all points.
pub const POINTS: &str = "points.csv";
/// The folder of the charts.
pub const CHARTS: &str = "charts";

/// Why a report was not written.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// A file could not be written.
    #[error("{}: {problem}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why not.
        problem: io::Error,
    },
    /// A chart could not be drawn.
    #[error(transparent)]
    Plot(#[from] PlotError),
}

/// Writes all there is into `dir`, which exists: the plan, the tables, the charts and the report. The same plan and
/// records give the same octets.
///
/// # Errors
/// A file cannot be written.
pub fn write(dir: &Path, plan: &Plan, records: &[Record]) -> Result<(), ReportError> {
    write_part(dir, plan, records)?;
    let points = points(records);
    put(&dir.join(POINTS), &write_points(&points))?;
    let own = Own::measure(plan);
    for (name, table) in own.tables() {
        put(&dir.join(name), &table)?;
    }
    let charts = charts::all(plan, &points, &own);
    let folder = dir.join(CHARTS);
    fs::create_dir_all(&folder).map_err(|problem| ReportError::File {
        path: folder.clone(),
        problem,
    })?;
    let mut pictures = Vec::with_capacity(charts.len());
    for chart in &charts {
        let svg = chart.svg()?;
        put(&folder.join(format!("{}.svg", chart.name)), &svg)?;
        chart.png(&folder.join(format!("{}.png", chart.name)))?;
        pictures.push((chart, svg));
    }
    let page = html::page(&html::Material {
        plan,
        points: &points,
        own: &own,
        pictures: &pictures,
    });
    put(&dir.join(REPORT), &page)
}

/// Writes what a part of a study consists of: its plan and its trials.
///
/// # Errors
/// A file cannot be written.
pub fn write_part(dir: &Path, plan: &Plan, records: &[Record]) -> Result<(), ReportError> {
    let mut text = serde_json::to_string_pretty(plan).expect("names and numbers are JSON");
    text.push('\n');
    put(&dir.join(PLAN), &text)?;
    put(&dir.join(RUNS), &write_runs(records))
}

pub(super) fn put(path: &Path, text: &str) -> Result<(), ReportError> {
    fs::write(path, text).map_err(|problem| ReportError::File {
        path: path.to_owned(),
        problem,
    })
}

/// The table of points: how the trials ended, and of every metric the least, the median and the 99th percentile.
fn write_points(points: &[Point<'_>]) -> String {
    let mut text = String::from("family,timers,event,switches,trials");
    for outcome in Outcome::ALL {
        let _ = write!(text, ",{}", outcome.name());
    }
    for metric in Metric::ALL {
        let name = metric.name();
        let _ = write!(text, ",{name}_n,{name}_min,{name}_median,{name}_p99");
    }
    text.push('\n');
    for point in points {
        let _ = write!(
            text,
            "{},{},{},{},{}",
            point.family.name(),
            point.timers.name(),
            point.event.name(),
            point.size,
            point.records.len()
        );
        for outcome in Outcome::ALL {
            let _ = write!(text, ",{}", point.ended(outcome));
        }
        for metric in Metric::ALL {
            match point.spread(metric) {
                None => text.push_str(",0,,,"),
                Some(spread) => {
                    let [min, median, p99] = [spread.min, spread.median, spread.p99]
                        .map(|value| cell(metric.unit(), value));
                    let _ = write!(text, ",{},{min},{median},{p99}", spread.count);
                }
            }
        }
        text.push('\n');
    }
    text
}
