//! Pictures of rings that heal.

use super::{Failure, HoldCount, Ring, Sizes, TRIALS, fit, of, spreads};
use crate::study::plot::{Chart, Dot, Look, Scale, Series};

const HANDSHAKES: &str = "handshakes one after the other, by the law: N − 3 (even N) or N − 2 (odd) for a cable, 2N − 5 for the root";
const RECOVERY: &str = "time until all agree and forward, seconds";

/// The laws where nothing is in their way: the cable with the default hold count, the root with the greatest.
pub(in crate::study) fn law(rings: &[Ring]) -> Chart {
    let shown = [
        (Failure::RootLink, HoldCount::Default),
        (Failure::Root, HoldCount::Most),
    ];
    let mut series = Vec::new();
    for (place, (failure, hold_count)) in shown.into_iter().enumerate() {
        let dots = dots(rings, failure, hold_count, |switches| {
            failure.handshakes(switches)
        });
        let count = hold_count.value().get();
        let line = fit(rings, failure, hold_count, Sizes::All).map(|fit| {
            let at = |x: f64| Dot {
                x,
                y: Some([fit.constant + x * fit.slope; 3]),
                whole: true,
            };
            Series {
                label: format!("its law, R² = {:.4}", fit.r_squared),
                look: Look::nth(place).line(),
                dots: dots.iter().map(|dot| at(dot.x)).collect(),
            }
        });
        series.push(Series {
            label: format!("{}, hold count {count}", failure.short()),
            look: Look::nth(place),
            dots,
        });
        series.extend(line);
    }
    Chart {
        name: "ring-law",
        title: "A ring heals: time against the number of handshakes".to_owned(),
        subtitle: format!(
            "dot: slowest of {TRIALS} rings, bar: down to the fastest; line: through the slowest, as the law is about the worst place"
        ),
        x: (HANDSHAKES, Scale::Linear),
        y: (RECOVERY, Scale::Linear),
        band: "",
        series,
        guides: Vec::new(),
    }
}

/// The root's death with either hold count.
pub(in crate::study) fn without_root(rings: &[Ring]) -> Chart {
    let series = HoldCount::ALL.into_iter().enumerate();
    let series = series.map(|(place, hold_count)| Series {
        label: format!("hold count {}", hold_count.value().get()),
        look: Look::nth(place),
        dots: dots(rings, Failure::Root, hold_count, |switches| switches),
    });
    Chart {
        name: "ring-root-loss",
        title: "The root of a ring dies: what the transmit hold count does".to_owned(),
        subtitle: format!(
            "dot: slowest of {TRIALS} rings of each size, bar: down to the fastest; the same rings with either count"
        ),
        x: ("switches in the ring", Scale::Linear),
        y: (RECOVERY, Scale::Log),
        band: "",
        series: series.collect(),
        guides: Vec::new(),
    }
}

fn dots(
    rings: &[Ring],
    failure: Failure,
    hold_count: HoldCount,
    place: impl Fn(u32) -> u32,
) -> Vec<Dot> {
    let spreads = spreads(of(rings, failure, hold_count)).into_iter();
    let mut dots: Vec<Dot> = spreads
        .map(|(switches, [least, most])| Dot {
            x: f64::from(place(switches)),
            y: Some([least, most, most].map(|time| time.as_secs_f64())),
            whole: true,
        })
        .collect();
    dots.sort_by(|a, b| a.x.total_cmp(&b.x));
    dots
}
