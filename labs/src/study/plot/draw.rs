//! Drawing a chart on any surface.

use std::sync::Once;

use plotters::coord::Shift;
use plotters::element::{Circle, PathElement, Polygon, Text};
use plotters::prelude::{DrawingArea, DrawingBackend};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{
    Color, FontStyle, FontTransform, IntoFont, RGBColor, ShapeStyle, TextStyle, WHITE,
    register_font,
};

use super::axis::{Axis, label};
use super::marker::{Look, Shape};
use super::{Chart, Dot, HEIGHT, Series, WIDTH};

const INK: RGBColor = RGBColor(34, 34, 34);
const PALE: RGBColor = RGBColor(110, 110, 110);
const GRID: RGBColor = RGBColor(222, 222, 222);
const FAINT: RGBColor = RGBColor(240, 240, 240);
const BAND: RGBColor = RGBColor(250, 240, 232);

/// Where the plot itself is.
const LEFT: f64 = 86.0;
const RIGHT: f64 = WIDTH as f64 - 150.0;
const TOP: f64 = 96.0;
const BOTTOM: f64 = HEIGHT as f64 - 62.0;
const LEGEND: f64 = 72.0;
const LEGEND_ROW: f64 = 18.0;
const BAND_HEIGHT: f64 = 30.0;
const RADIUS: f64 = 4.5;

type Drawn = Result<(), String>;

/// A surface in units of one SVG pixel.
struct Pen<'a, DB: DrawingBackend> {
    area: &'a DrawingArea<DB, Shift>,
    scale: f64,
}

fn fonts() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        for (style, font) in [
            (FontStyle::Normal, dejavu::sans::regular()),
            (FontStyle::Bold, dejavu::sans::bold()),
        ] {
            // A font that cannot be read shows as an error of the first text drawn.
            let _ = register_font("sans-serif", style, font);
        }
    });
}

impl<DB: DrawingBackend> Pen<'_, DB> {
    fn at(&self, (x, y): (f64, f64)) -> (i32, i32) {
        (self.length(x), self.length(y))
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "rounded, and within a picture of a few thousand pixels"
    )]
    fn length(&self, length: f64) -> i32 {
        (length * self.scale).round() as i32
    }

    fn stroke(&self, colour: &impl Color, width: u32) -> ShapeStyle {
        let width = f64::from(width) * self.scale;
        colour.stroke_width(u32::try_from(self.whole(width)).unwrap_or(1))
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "a line's width is a small number"
    )]
    fn whole(&self, value: f64) -> i32 {
        value.round() as i32
    }

    fn path(&self, points: &[(f64, f64)], style: ShapeStyle) -> Drawn {
        let points: Vec<_> = points.iter().map(|point| self.at(*point)).collect();
        let path = PathElement::new(points, style);
        self.area.draw(&path).map_err(|error| error.to_string())
    }

    fn area_of(&self, points: &[(f64, f64)], style: ShapeStyle) -> Drawn {
        let points: Vec<_> = points.iter().map(|point| self.at(*point)).collect();
        let polygon = Polygon::new(points, style);
        self.area.draw(&polygon).map_err(|error| error.to_string())
    }

    fn text(&self, text: &str, at: (f64, f64), style: TextStyle<'_>) -> Drawn {
        let text = Text::new(text.to_owned(), self.at(at), style);
        self.area.draw(&text).map_err(|error| error.to_string())
    }

    fn font(&self, size: f64, colour: RGBColor, h: HPos, v: VPos) -> TextStyle<'static> {
        ("sans-serif", size * self.scale)
            .into_font()
            .color(&colour)
            .pos(Pos::new(h, v))
    }

    fn marker(&self, (x, y): (f64, f64), look: Look, whole: bool) -> Drawn {
        let filled = look.colour.filled();
        let rim = self.stroke(&look.colour, 2);
        match look.shape {
            Shape::None => Ok(()),
            Shape::Circle => {
                let radius = self.length(RADIUS);
                let style = if whole { filled } else { WHITE.filled() };
                let disc = Circle::new(self.at((x, y)), radius, style);
                self.area.draw(&disc).map_err(|error| error.to_string())?;
                let ring = Circle::new(self.at((x, y)), radius, rim);
                self.area.draw(&ring).map_err(|error| error.to_string())
            }
            Shape::Square
            | Shape::Triangle
            | Shape::Diamond
            | Shape::TriangleDown
            | Shape::Hexagon => {
                let corner = |(dx, dy): &(f64, f64)| (x + RADIUS * dx, y + RADIUS * dy);
                let mut corners: Vec<_> = look.shape.corners().iter().map(corner).collect();
                let style = if whole { filled } else { WHITE.filled() };
                self.area_of(&corners, style)?;
                corners.extend(corners.first().copied());
                self.path(&corners, rim)
            }
        }
    }

    fn cross(&self, (x, y): (f64, f64), look: Look) -> Drawn {
        let style = self.stroke(&look.colour, 2);
        let arm = RADIUS;
        self.path(&[(x - arm, y - arm), (x + arm, y + arm)], style)?;
        self.path(&[(x - arm, y + arm), (x + arm, y - arm)], style)
    }

    fn dashes(&self, from: (f64, f64), to: f64, style: ShapeStyle) -> Drawn {
        let (dash, gap) = (7.0, 5.0);
        let mut x = from.0;
        while x < to {
            self.path(&[(x, from.1), ((x + dash).min(to), from.1)], style)?;
            x += dash + gap;
        }
        Ok(())
    }
}

/// A chart on its way to a surface.
struct Sheet<'a> {
    chart: &'a Chart,
    x: Axis,
    y: Axis,
    /// The upper end of the band: below the legend.
    band: f64,
    /// The upper end of the plot: below the band, if there is one.
    top: f64,
}

impl Chart {
    pub(super) fn draw<DB: DrawingBackend>(
        &self,
        area: &DrawingArea<DB, Shift>,
        scale: u32,
    ) -> Drawn {
        fonts();
        area.fill(&WHITE).map_err(|error| error.to_string())?;
        let pen = Pen {
            area,
            scale: f64::from(scale),
        };
        let (x, y) = self.axes();
        let rows = self.legend().last().map_or(0, |(_, row)| *row);
        let band = TOP + LEGEND_ROW * f64::from(rows);
        let has_band = self
            .series
            .iter()
            .any(|series| series.dots.iter().any(|dot| dot.y.is_none()));
        let sheet = Sheet {
            chart: self,
            x,
            y,
            band,
            top: band + if has_band { BAND_HEIGHT } else { 0.0 },
        };
        sheet.titles(&pen)?;
        sheet.grid(&pen)?;
        if has_band {
            sheet.band(&pen)?;
        }
        sheet.guides(&pen)?;
        for (place, series) in self.series.iter().enumerate() {
            sheet.series(&pen, place, series)?;
        }
        sheet.legend(&pen)
    }

    fn legend(&self) -> Vec<(f64, u32)> {
        legend_places(self.series.iter().map(|series| series.label.as_str()))
    }
}

impl Sheet<'_> {
    fn x_at(&self, value: f64) -> f64 {
        LEFT + (RIGHT - LEFT) * self.x.place(value)
    }

    fn y_at(&self, value: f64) -> f64 {
        BOTTOM - (BOTTOM - self.top) * self.y.place(value)
    }

    fn titles<DB: DrawingBackend>(&self, pen: &Pen<'_, DB>) -> Drawn {
        let title = ("sans-serif", 19.0 * pen.scale, FontStyle::Bold)
            .into_font()
            .color(&INK)
            .pos(Pos::new(HPos::Left, VPos::Top));
        pen.text(&self.chart.title, (LEFT - 60.0, 14.0), title)?;
        let subtitle = pen.font(13.0, PALE, HPos::Left, VPos::Top);
        pen.text(&self.chart.subtitle, (LEFT - 60.0, 42.0), subtitle)?;
        let middle = f64::midpoint(LEFT, RIGHT);
        let below = pen.font(14.0, INK, HPos::Center, VPos::Bottom);
        pen.text(self.chart.x.0, (middle, f64::from(HEIGHT) - 12.0), below)?;
        let beside = ("sans-serif", 14.0 * pen.scale)
            .into_font()
            .transform(FontTransform::Rotate270)
            .color(&INK)
            .pos(Pos::new(HPos::Center, VPos::Top));
        pen.text(
            self.chart.y.0,
            (14.0, f64::midpoint(self.top, BOTTOM)),
            beside,
        )
    }

    fn grid<DB: DrawingBackend>(&self, pen: &Pen<'_, DB>) -> Drawn {
        for (values, colour) in [(&self.y.minor, FAINT), (&self.y.ticks, GRID)] {
            for &value in values {
                let y = self.y_at(value);
                pen.path(&[(LEFT, y), (RIGHT, y)], pen.stroke(&colour, 1))?;
            }
        }
        for &value in &self.x.ticks {
            let x = self.x_at(value);
            pen.path(&[(x, self.top), (x, BOTTOM)], pen.stroke(&FAINT, 1))?;
            pen.path(&[(x, BOTTOM), (x, BOTTOM + 5.0)], pen.stroke(&INK, 1))?;
            let style = pen.font(12.5, INK, HPos::Center, VPos::Top);
            pen.text(&label(value), (x, BOTTOM + 8.0), style)?;
        }
        for &value in &self.y.ticks {
            let style = pen.font(12.5, INK, HPos::Right, VPos::Center);
            pen.text(&label(value), (LEFT - 9.0, self.y_at(value)), style)?;
        }
        let frame = [(LEFT, self.top), (LEFT, BOTTOM), (RIGHT, BOTTOM)];
        pen.path(&frame, pen.stroke(&INK, 1))
    }

    fn band<DB: DrawingBackend>(&self, pen: &Pen<'_, DB>) -> Drawn {
        let (top, bottom) = (self.band - 2.0, self.top - 4.0);
        let corners = [(LEFT, top), (RIGHT, top), (RIGHT, bottom), (LEFT, bottom)];
        pen.area_of(&corners, BAND.filled())?;
        let style = pen.font(12.5, PALE, HPos::Left, VPos::Center);
        pen.text(
            self.chart.band,
            (RIGHT + 10.0, f64::midpoint(top, bottom)),
            style,
        )
    }

    fn guides<DB: DrawingBackend>(&self, pen: &Pen<'_, DB>) -> Drawn {
        for guide in &self.chart.guides {
            let y = self.y_at(guide.y);
            pen.dashes((LEFT, y), RIGHT, pen.stroke(&PALE, 1))?;
            let style = pen.font(12.0, PALE, HPos::Left, VPos::Center);
            pen.text(&guide.label, (RIGHT + 10.0, y), style)?;
        }
        Ok(())
    }

    /// Series stand a little beside each other, so that one's spread does not hide another's.
    fn series<DB: DrawingBackend>(
        &self,
        pen: &Pen<'_, DB>,
        place: usize,
        series: &Series,
    ) -> Drawn {
        let is_line = series.look.shape == Shape::None;
        let count = u32::try_from(self.chart.series.len()).unwrap_or(1);
        let place = f64::from(u32::try_from(place).unwrap_or(0));
        let aside = if is_line {
            0.0
        } else {
            3.0 * (place - f64::from(count - 1) / 2.0)
        };
        let x_of = |dot: &Dot| self.x_at(dot.x) + aside;
        let middles = series.dots.iter().map(|dot| {
            let [_, middle, _] = dot.y?;
            Some((x_of(dot), self.y_at(middle)))
        });
        let middles: Vec<_> = middles.collect();
        // What is between two points that exist is joined; a gap stays a gap.
        for run in middles.split(Option::is_none) {
            let run: Vec<_> = run.iter().flatten().copied().collect();
            if run.len() > 1 {
                pen.path(&run, pen.stroke(&series.look.colour.mix(0.75), 2))?;
            }
        }
        for dot in &series.dots {
            let Some([low, middle, high]) = dot.y else {
                let y = f64::midpoint(self.band - 2.0, self.top - 4.0);
                pen.cross((x_of(dot), y), series.look)?;
                continue;
            };
            if !is_line {
                let spread = [(x_of(dot), self.y_at(low)), (x_of(dot), self.y_at(high))];
                pen.path(&spread, pen.stroke(&series.look.colour.mix(0.55), 2))?;
            }
            pen.marker((x_of(dot), self.y_at(middle)), series.look, dot.whole)?;
        }
        Ok(())
    }

    /// In rows between titles and plot.
    fn legend<DB: DrawingBackend>(&self, pen: &Pen<'_, DB>) -> Drawn {
        for (series, (x, row)) in self.chart.series.iter().zip(self.chart.legend()) {
            let y = LEGEND + LEGEND_ROW * f64::from(row);
            let style = pen.stroke(&series.look.colour, 2);
            pen.path(&[(x, y), (x + 22.0, y)], style)?;
            pen.marker((x + 11.0, y), series.look, true)?;
            let style = pen.font(12.5, INK, HPos::Left, VPos::Center);
            pen.text(&series.label, (x + 29.0, y), style)?;
        }
        Ok(())
    }
}

/// Where each label stands in the legend: how far from the left, and in which row.
fn legend_places<'l>(labels: impl IntoIterator<Item = &'l str>) -> Vec<(f64, u32)> {
    let (mut x, mut row) = (LEFT - 60.0, 0);
    let place = |label: &str| {
        let letters = u32::try_from(label.chars().count()).unwrap_or(0);
        let width = 29.0 + 7.6 * f64::from(letters);
        if x > LEFT && x + width > f64::from(WIDTH) {
            (x, row) = (LEFT - 60.0, row + 1);
        }
        let here = (x, row);
        x += width + 20.0;
        here
    };
    labels.into_iter().map(place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_legend_that_is_too_long_for_a_row_goes_on_in_the_next() {
        let rows = |labels: &[&str]| -> Vec<u32> {
            let places = legend_places(labels.iter().copied());
            places.into_iter().map(|(_, row)| row).collect()
        };
        assert_eq!(rows(&["line", "ring", "binary tree", "full mesh"]), [0; 4]);
        let long = "mesh of 4, RSTP as the standard has it";
        assert_eq!(rows(&[long, long, long, "short"]), [0, 0, 1, 1]);
        let longest = "a".repeat(200);
        assert_eq!(rows(&[&longest, "short"]), [0, 1]);
    }
}
