//! Charts: what is drawn, apart from how. [`Chart::svg`] and [`Chart::png`] draw the same picture, with a font that is
//! part of the program: none has to be installed.

mod axis;
mod draw;
mod marker;

use std::path::Path;

use axis::Axis;
use plotters::prelude::{BitMapBackend, IntoDrawingArea, SVGBackend};

pub(super) use axis::Scale;
pub(super) use marker::Look;

/// Milliseconds as an axis of seconds has them.
#[expect(
    clippy::cast_precision_loss,
    reason = "milliseconds of minutes are far below 2^52"
)]
pub(super) const fn seconds(millis: i64) -> f64 {
    millis as f64 / 1e3
}

/// Pixels of a chart in SVG; PNGs have twice as many.
const WIDTH: u32 = 960;
const HEIGHT: u32 = 540;

/// A picture could not be made or written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("chart '{chart}': {problem}")]
pub struct PlotError {
    chart: String,
    problem: String,
}

/// One value with its spread, or a place where there is none.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Dot {
    pub(super) x: f64,
    /// Least, middle and greatest; `None`: it never came to that, which is drawn in the band at the top.
    pub(super) y: Option<[f64; 3]>,
    /// Drawn hollow if not: only some trials came to that.
    pub(super) whole: bool,
}

/// What belongs together.
#[derive(Clone, Debug)]
pub(super) struct Series {
    pub(super) label: String,
    pub(super) look: Look,
    pub(super) dots: Vec<Dot>,
}

/// A value that a chart is held against.
#[derive(Clone, Debug)]
pub(super) struct Guide {
    pub(super) y: f64,
    pub(super) label: String,
}

/// A chart.
#[derive(Clone, Debug)]
pub(super) struct Chart {
    /// What its files are called.
    pub(super) name: &'static str,
    pub(super) title: String,
    pub(super) subtitle: String,
    pub(super) x: (&'static str, Scale),
    pub(super) y: (&'static str, Scale),
    /// What the band at the top says; it is there only if there is something in it.
    pub(super) band: &'static str,
    pub(super) series: Vec<Series>,
    pub(super) guides: Vec<Guide>,
}

impl Chart {
    /// Whether there is nothing to draw.
    pub(super) fn is_empty(&self) -> bool {
        self.series.iter().all(|series| series.dots.is_empty())
    }

    /// The picture as SVG.
    pub(super) fn svg(&self) -> Result<String, PlotError> {
        let mut text = String::new();
        {
            let area = SVGBackend::with_string(&mut text, (WIDTH, HEIGHT)).into_drawing_area();
            self.draw(&area, 1).map_err(|problem| self.error(problem))?;
            area.present()
                .map_err(|problem| self.error(problem.to_string()))?;
        }
        Ok(text)
    }

    /// Writes the picture as PNG.
    pub(super) fn png(&self, path: &Path) -> Result<(), PlotError> {
        let area = BitMapBackend::new(path, (2 * WIDTH, 2 * HEIGHT)).into_drawing_area();
        self.draw(&area, 2).map_err(|problem| self.error(problem))?;
        area.present()
            .map_err(|problem| self.error(problem.to_string()))
    }

    fn error(&self, problem: String) -> PlotError {
        PlotError {
            chart: self.name.to_owned(),
            problem,
        }
    }

    fn axes(&self) -> (Axis, Axis) {
        let dots = || self.series.iter().flat_map(|series| &series.dots);
        let x = Axis::around(self.x.1, dots().map(|dot| dot.x), false);
        let values = dots().filter_map(|dot| dot.y).flatten();
        let guides = self.guides.iter().map(|guide| guide.y);
        let y = Axis::around(self.y.1, values.chain(guides), true);
        (x, y)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart() -> Chart {
        let dot = |x, y: Option<[f64; 3]>| Dot { x, y, whole: true };
        Chart {
            name: "test",
            title: "A title & more".to_owned(),
            subtitle: "what is under it".to_owned(),
            x: ("switches", Scale::Log),
            y: ("time in seconds", Scale::Linear),
            band: "never settled",
            series: vec![Series {
                label: "ring".to_owned(),
                look: Look::nth(1),
                dots: vec![dot(2.0, Some([1.0, 2.0, 30.0])), dot(1000.0, None)],
            }],
            guides: vec![Guide {
                y: 50.0,
                label: "the promise".to_owned(),
            }],
        }
    }

    #[test]
    fn a_picture_says_what_it_is_about_and_repeats() {
        let svg = chart().svg().unwrap();
        for word in [
            "A title &amp; more",
            "switches",
            "time in seconds",
            "ring",
            "the promise",
            "never settled",
            "1,000",
        ] {
            assert!(svg.contains(word), "{word}");
        }
        assert_eq!(svg, chart().svg().unwrap());
    }

    #[test]
    fn a_png_is_written_without_any_font_installed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("test.png");
        chart().png(&path).unwrap();
        let octets = std::fs::read(path).unwrap();
        assert!(octets.starts_with(b"\x89PNG"));
        let missing = chart().png(Path::new("/nonexistent/test.png")).unwrap_err();
        assert!(missing.to_string().starts_with("chart 'test': "));
    }
}
