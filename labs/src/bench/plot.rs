//! The outcome as one picture: a panel for each headline figure, a bar for each device.

use std::path::Path;
use std::sync::Once;

use plotters::coord::Shift;
use plotters::element::{Rectangle, Text};
use plotters::prelude::{BitMapBackend, DrawingArea, DrawingBackend, IntoDrawingArea, SVGBackend};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, FontStyle, IntoFont, RGBColor, TextStyle, WHITE, register_font};

use super::catalogue::{METRICS, Metric, Scenario};
use super::table::{devices, number, spread};
use super::{BenchError, Dut, Family, Outcome, Spread};

const INK: RGBColor = RGBColor(34, 34, 34);
const PALE: RGBColor = RGBColor(110, 110, 110);
const RANGE: RGBColor = RGBColor(60, 60, 60);

/// What the picture shows: scenario and figure.
const PANELS: [(&str, &str); 6] = [
    ("tcp", "rate"),
    ("flat-out", "received"),
    ("throughput", "rate"),
    ("broadcast", "delivered"),
    ("flat-out", "cpu"),
    ("round-trip", "p50"),
];

const WIDTH: i32 = 960;
const COLUMNS: i32 = 2;
const TITLE: i32 = 34;
const PANEL_TITLE: i32 = 42;
const BAR: i32 = 20;
const LABEL: i32 = 124;
const MARGIN: i32 = 14;
const VALUE: i32 = 62;

/// The picture as SVG.
pub(super) fn svg(outcome: &Outcome) -> Result<String, BenchError> {
    let mut text = String::new();
    {
        let size = size(outcome);
        let area = SVGBackend::with_string(&mut text, size).into_drawing_area();
        draw(outcome, &area, 1).map_err(BenchError::Plot)?;
        area.present()
            .map_err(|error| BenchError::Plot(error.to_string()))?;
    }
    Ok(text)
}

/// Writes it as PNG, with twice as many pixels.
pub(super) fn png(outcome: &Outcome, path: &Path) -> Result<(), BenchError> {
    let (width, height) = size(outcome);
    let area = BitMapBackend::new(path, (2 * width, 2 * height)).into_drawing_area();
    draw(outcome, &area, 2).map_err(BenchError::Plot)?;
    area.present()
        .map_err(|error| BenchError::Plot(error.to_string()))
}

/// Devices worth a bar: the variant that only tells what offloads cost is none.
fn bars(outcome: &Outcome) -> Vec<Dut> {
    let mut duts = devices(outcome);
    duts.retain(|dut| *dut != Dut::SwitchdTapPlain);
    duts
}

fn panel_height(outcome: &Outcome) -> i32 {
    let bars = i32::try_from(bars(outcome).len()).unwrap_or(0);
    PANEL_TITLE + bars * BAR + MARGIN
}

fn size(outcome: &Outcome) -> (u32, u32) {
    let rows = i32::try_from(PANELS.len()).unwrap_or(0) / COLUMNS;
    let height = TITLE + rows * panel_height(outcome);
    let unsigned = |length: i32| u32::try_from(length).unwrap_or(1);
    (unsigned(WIDTH), unsigned(height))
}

/// A surface in units of one SVG pixel.
struct Pen<'a, DB: DrawingBackend> {
    area: &'a DrawingArea<DB, Shift>,
    scale: i32,
}

impl<DB: DrawingBackend> Pen<'_, DB> {
    fn bar(&self, [x0, y0, x1, y1]: [i32; 4], colour: RGBColor) -> Result<(), String> {
        let scale = self.scale;
        let corners = [(x0 * scale, y0 * scale), (x1 * scale, y1 * scale)];
        let bar = Rectangle::new(corners, colour.filled());
        self.area.draw(&bar).map_err(|error| error.to_string())
    }

    fn text(
        &self,
        text: &str,
        (x, y): (i32, i32),
        style: (i32, RGBColor, HPos),
    ) -> Result<(), String> {
        let (size, colour, anchor) = style;
        let style: TextStyle<'_> = ("sans-serif", size * self.scale)
            .into_font()
            .color(&colour)
            .pos(Pos::new(anchor, VPos::Center));
        let text = Text::new(text.to_owned(), (x * self.scale, y * self.scale), style);
        self.area.draw(&text).map_err(|error| error.to_string())
    }
}

fn draw<DB: DrawingBackend>(
    outcome: &Outcome,
    area: &DrawingArea<DB, Shift>,
    scale: i32,
) -> Result<(), String> {
    fonts();
    area.fill(&WHITE).map_err(|error| error.to_string())?;
    let pen = Pen { area, scale };
    let title = format!(
        "median of {} interleaved rounds, line: least to greatest · {} cores, {}",
        outcome.rounds(),
        outcome.machine.cores,
        outcome.machine.cpu
    );
    pen.text(&title, (MARGIN, TITLE / 2), (13, PALE, HPos::Left))?;
    let height = panel_height(outcome);
    for (place, (scenario, name)) in (0..).zip(PANELS) {
        let metric = METRICS
            .iter()
            .find(|metric| metric.scenario == scenario && metric.name == name);
        let origin = (
            place % COLUMNS * (WIDTH / COLUMNS),
            TITLE + place / COLUMNS * height,
        );
        if let Some(metric) = metric {
            panel(&pen, outcome, metric, origin)?;
        }
    }
    Ok(())
}

fn panel<DB: DrawingBackend>(
    pen: &Pen<'_, DB>,
    outcome: &Outcome,
    metric: &Metric,
    (left, top): (i32, i32),
) -> Result<(), String> {
    let scenario = Scenario::named(metric.scenario).map_or("", |scenario| scenario.title);
    let heading = if metric.name == "cpu" {
        format!("{scenario}: {}", metric.title)
    } else {
        scenario.to_owned()
    };
    let at = (left + MARGIN, top + 12);
    pen.text(&heading, at, (15, INK, HPos::Left))?;
    let better = match metric.better {
        super::catalogue::Better::Higher => "more is better",
        super::catalogue::Better::Lower => "less is better",
    };
    let under = format!("{}, {better}", metric.unit);
    pen.text(&under, (left + MARGIN, top + 30), (12, PALE, HPos::Left))?;
    let rows: Vec<(Dut, Option<Spread>)> = bars(outcome)
        .into_iter()
        .map(|dut| (dut, spread(outcome, metric, dut)))
        .collect();
    let most = rows
        .iter()
        .filter_map(|(_, spread)| spread.map(|spread| spread.max))
        .fold(0.0, f64::max);
    let begin = left + LABEL;
    let room = WIDTH / COLUMNS - LABEL - VALUE - MARGIN;
    for (row, (dut, spread)) in (0..).zip(rows) {
        let y = top + PANEL_TITLE + row * BAR + BAR / 2;
        pen.text(dut.name(), (begin - 6, y), (12, INK, HPos::Right))?;
        let Some(spread) = spread else {
            pen.text("–", (begin + 4, y), (12, PALE, HPos::Left))?;
            continue;
        };
        let end = |value: f64| begin + share(value / most, room);
        pen.bar(
            [begin, y - 7, end(spread.median).max(begin + 1), y + 7],
            colour(dut),
        )?;
        pen.bar([end(spread.min), y - 1, end(spread.max), y + 1], RANGE)?;
        let value = number(spread.median);
        pen.text(&value, (end(spread.max) + 5, y), (12, INK, HPos::Left))?;
    }
    Ok(())
}

/// A share of a length, in whole pixels.
#[expect(
    clippy::cast_possible_truncation,
    reason = "between 0 and the width of a picture"
)]
fn share(share: f64, room: i32) -> i32 {
    (share.clamp(0.0, 1.0) * f64::from(room)).round() as i32
}

fn colour(dut: Dut) -> RGBColor {
    match (dut.family(), dut) {
        (Family::Switchd, Dut::SwitchdPacket) => RGBColor(86, 160, 211),
        (Family::Switchd, _) => RGBColor(31, 100, 160),
        (Family::KernelBridge, _) => RGBColor(140, 140, 140),
        (Family::Ovs, Dut::OvsVeth) => RGBColor(235, 170, 110),
        (Family::Ovs, _) => RGBColor(217, 119, 38),
        (Family::Vde, _) => RGBColor(112, 160, 80),
    }
}

fn fonts() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // A font that cannot be read shows as an error of the first text drawn.
        let _ = register_font("sans-serif", FontStyle::Normal, dejavu::sans::regular());
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::Sample;

    #[test]
    fn the_picture_names_devices_figures_and_values() {
        let sample = |dut: &str, value| Sample {
            round: 1,
            scenario: "tcp".to_owned(),
            dut: dut.to_owned(),
            metric: "rate".to_owned(),
            value,
        };
        let outcome = Outcome {
            samples: vec![sample("switchd-tap", 9.0), sample("vde", 0.0)],
            ..Outcome::default()
        };
        let svg = svg(&outcome).unwrap();
        for word in ["TCP, one pair", "Gbit/s", "switchd-tap", "vde", "9.00"] {
            assert!(svg.contains(word), "{word}");
        }
        let dir = tempfile::tempdir().unwrap();
        png(&outcome, &dir.path().join("bench.png")).unwrap();
        assert!(png(&outcome, Path::new("/nonexistent/bench.png")).is_err());
    }
}
