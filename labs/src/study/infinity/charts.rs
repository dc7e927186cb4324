//! The pictures.

use super::{Case, Epochs, Record, Shape};
use crate::study::plot::{Chart, Dot, Guide, Look, Scale, Series, seconds};

const SPREAD: &str = "least, median and greatest of five instants within a hello time";
/// The least that is drawn on an axis of ratios.
const LEAST: i64 = 1;
/// "Tens of seconds even in a small network" (Elmeleegy, Cox, Ng 2006, abstract), where tens begin.
pub(super) const PUBLISHED: f64 = 10.0;

pub(super) fn all(records: &[Record]) -> Vec<Chart> {
    let mut charts = vec![
        by_size(records, Shape::Ring, "ring"),
        by_size(records, Shape::Dual, "dual"),
        by_size(records, Shape::Mesh, "mesh"),
        by_max_age(records),
        by_hold_count(records),
        loops(records),
    ];
    charts.retain(|chart| !chart.is_empty());
    charts
}

/// A dot for every `x` among the records that `belongs` picks, over the offsets.
fn dots(
    records: &[Record],
    belongs: impl Fn(&Case) -> bool,
    x: impl Fn(&Case) -> u32,
    y: impl Fn(&Record) -> Option<i64>,
) -> Vec<Dot> {
    let mut by_x = std::collections::BTreeMap::<u32, Vec<i64>>::new();
    for record in records.iter().filter(|record| belongs(&record.case)) {
        let values = by_x.entry(x(&record.case)).or_default();
        values.extend(y(record).map(|value| value.max(LEAST)));
    }
    let dot = |(x, mut values): (u32, Vec<i64>)| {
        values.sort_unstable();
        let (first, last) = (values.first()?, values.last()?);
        let middle = values[values.len() / 2];
        Some(Dot {
            x: f64::from(x),
            y: Some([seconds(*first), seconds(middle), seconds(*last)]),
            whole: true,
        })
    };
    by_x.into_iter().filter_map(dot).collect()
}

fn believed(record: &Record) -> Option<i64> {
    record.measured.believed
}

fn series(place: usize, label: String, dots: Vec<Dot>) -> Series {
    Series {
        label,
        look: Look::nth(place).line(),
        dots,
    }
}

fn of_epochs(epochs: Epochs) -> String {
    match epochs {
        Epochs::Nobody => "RSTP as the standard has it",
        Epochs::Half => "every other bridge with epochs",
        Epochs::All => "all with epochs",
    }
    .to_owned()
}

fn published() -> Vec<Guide> {
    vec![Guide {
        y: PUBLISHED,
        label: "published: tens of s".to_owned(),
    }]
}

/// Duration against the number of bridges.
fn by_size(records: &[Record], shape: Shape, name: &'static str) -> Chart {
    let lines = Epochs::ALL.into_iter().enumerate().map(|(place, epochs)| {
        let belongs = |case: &Case| {
            *case
                == Case {
                    size: case.size,
                    offset: case.offset,
                    epochs,
                    ..Case::new(shape, 0)
                }
        };
        series(
            place,
            of_epochs(epochs),
            dots(records, belongs, |case| case.size, believed),
        )
    });
    Chart {
        name,
        title: format!("A dead root's word in a {name}, max age 20 s, hold count 6"),
        subtitle: SPREAD.to_owned(),
        x: ("bridges that are left", Scale::Linear),
        y: ("believed, seconds", Scale::Log),
        band: "",
        series: lines.collect(),
        guides: published(),
    }
}

fn by_max_age(records: &[Record]) -> Chart {
    let lines = [
        (Shape::Ring, 2, Epochs::Nobody),
        (Shape::Dual, 3, Epochs::Nobody),
        (Shape::Mesh, 4, Epochs::Nobody),
        (Shape::Mesh, 4, Epochs::All),
    ];
    let lines = lines
        .into_iter()
        .enumerate()
        .map(|(place, (shape, size, epochs))| {
            let belongs = |case: &Case| {
                *case
                    == Case {
                        max_age: case.max_age,
                        offset: case.offset,
                        epochs,
                        ..Case::new(shape, size)
                    }
            };
            let label = format!("{} of {size}, {}", shape.name(), of_epochs(epochs));
            series(
                place,
                label,
                dots(records, belongs, |case| case.max_age, believed),
            )
        });
    Chart {
        name: "max-age",
        title: "By max age, hold count 6".to_owned(),
        subtitle: SPREAD.to_owned(),
        x: ("max age, seconds", Scale::Linear),
        y: ("believed, seconds", Scale::Log),
        band: "",
        series: lines.collect(),
        guides: published(),
    }
}

fn by_hold_count(records: &[Record]) -> Chart {
    let lines = [
        (Shape::Ring, 2),
        (Shape::Dual, 3),
        (Shape::Dual, 6),
        (Shape::Mesh, 4),
    ];
    let lines = lines.into_iter().enumerate().map(|(place, (shape, size))| {
        let belongs = |case: &Case| {
            *case
                == Case {
                    hold: case.hold,
                    offset: case.offset,
                    ..Case::new(shape, size)
                }
        };
        let label = format!("{} of {size}", shape.name());
        series(
            place,
            label,
            dots(records, belongs, |case| case.hold.into(), believed),
        )
    });
    Chart {
        name: "hold-count",
        title: "By transmit hold count, max age 20 s, no epochs".to_owned(),
        subtitle: SPREAD.to_owned(),
        x: ("BPDUs a port may send in a second", Scale::Linear),
        y: ("believed, seconds", Scale::Linear),
        band: "",
        series: lines.collect(),
        guides: published(),
    }
}

fn loops(records: &[Record]) -> Chart {
    let lines = [
        (Shape::Dual, Epochs::Nobody),
        (Shape::Hub, Epochs::Nobody),
        (Shape::Mesh, Epochs::Nobody),
        (Shape::Hub, Epochs::All),
    ];
    let lines = lines
        .into_iter()
        .enumerate()
        .map(|(place, (shape, epochs))| {
            let belongs = |case: &Case| {
                *case
                    == Case {
                        size: case.size,
                        offset: case.offset,
                        epochs,
                        ..Case::new(shape, 0)
                    }
            };
            let looped = |record: &Record| Some(record.measured.looped);
            let label = format!("{}, {}", shape.name(), of_epochs(epochs));
            series(
                place,
                label,
                dots(records, belongs, |case| case.size, looped),
            )
        });
    Chart {
        name: "loops",
        title: "Ports forward in a circle, max age 20 s, hold count 6".to_owned(),
        subtitle: SPREAD.to_owned(),
        x: ("bridges that are left", Scale::Linear),
        y: ("in a circle, seconds (1 ms: never)", Scale::Linear),
        band: "",
        series: lines.collect(),
        guides: Vec::new(),
    }
}
