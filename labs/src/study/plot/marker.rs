//! Colours and shapes: each series differs in both, for those who see no colours.

use plotters::style::RGBColor;

/// How a series looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::study) struct Look {
    pub(super) colour: RGBColor,
    pub(super) shape: Shape,
}

/// The shape of a series' dots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Circle,
    Square,
    Triangle,
    Diamond,
    TriangleDown,
    Hexagon,
    /// A line without dots: too many to mark each.
    None,
}

/// Colours that remain distinct for the colour-blind (Okabe and Ito, "Color universal design", 2008), darkened where
/// they were too light for white paper.
const LOOKS: [(RGBColor, Shape); 6] = [
    (RGBColor(0, 114, 178), Shape::Circle),
    (RGBColor(213, 94, 0), Shape::Square),
    (RGBColor(0, 138, 100), Shape::Triangle),
    (RGBColor(178, 84, 140), Shape::Diamond),
    (RGBColor(60, 60, 60), Shape::TriangleDown),
    (RGBColor(196, 138, 0), Shape::Hexagon),
];

impl Look {
    /// The look of a chart's n-th series, from 0; they repeat after six.
    pub(in crate::study) fn nth(place: usize) -> Self {
        let (colour, shape) = LOOKS[place % LOOKS.len()];
        Self { colour, shape }
    }

    /// The same without dots.
    pub(in crate::study) fn line(self) -> Self {
        Self {
            shape: Shape::None,
            ..self
        }
    }
}

impl Shape {
    /// The corners of the shape around the origin, for a radius of 1; none for a circle.
    pub(super) fn corners(self) -> &'static [(f64, f64)] {
        match self {
            Self::Circle | Self::None => &[],
            Self::Square => &[(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)],
            Self::Triangle => &[(0.0, -1.2), (1.1, 0.8), (-1.1, 0.8)],
            Self::Diamond => &[(0.0, -1.3), (1.3, 0.0), (0.0, 1.3), (-1.3, 0.0)],
            Self::TriangleDown => &[(0.0, 1.2), (1.1, -0.8), (-1.1, -0.8)],
            Self::Hexagon => &[
                (0.0, -1.15),
                (1.0, -0.57),
                (1.0, 0.57),
                (0.0, 1.15),
                (-1.0, 0.57),
                (-1.0, -0.57),
            ],
        }
    }
}
