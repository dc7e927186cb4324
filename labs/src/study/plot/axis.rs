//! From values to places, and where the ticks are.

/// How values are spread along an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::study) enum Scale {
    /// Equal differences are equally far apart; begins at zero, or at a tick below if there are negative values.
    Linear,
    /// The same, from 0 to 100.
    Percent,
    /// Equal ratios are equally far apart; what is not above zero is drawn at the lower end.
    Log,
}

/// One axis: its range and its ticks.
#[derive(Clone, Debug)]
pub(super) struct Axis {
    scale: Scale,
    low: f64,
    high: f64,
    /// With a label.
    pub(super) ticks: Vec<f64>,
    /// Without.
    pub(super) minor: Vec<f64>,
}

impl Axis {
    /// An axis that all these values fit on; `round`: that ends at ticks.
    pub(super) fn around(scale: Scale, values: impl Iterator<Item = f64>, round: bool) -> Self {
        match scale {
            Scale::Linear => Self::linear(values, round),
            Scale::Percent => Self {
                scale,
                low: 0.0,
                high: 100.0,
                ticks: multiples(20.0, 100.0),
                minor: Vec::new(),
            },
            Scale::Log => Self::log(values, round),
        }
    }

    fn linear(values: impl Iterator<Item = f64>, round: bool) -> Self {
        let (least, most) = values.fold((0.0_f64, 0.0_f64), |(least, most), value| {
            (least.min(value), most.max(value))
        });
        let most = if most > 0.0 { most } else { 1.0 };
        let step = step((most - least) / 6.0);
        let low = (least / step).floor() * step;
        // A little air above the highest value.
        let steps = (most * 1.04 / step).ceil();
        let high = if round { steps * step } else { most * 1.04 };
        let above = multiples(step, high);
        let below = multiples(step, -low).into_iter().skip(1).map(|tick| -tick);
        let mut ticks: Vec<f64> = below.collect();
        ticks.reverse();
        ticks.extend(above);
        Self {
            scale: Scale::Linear,
            low,
            high,
            ticks,
            minor: Vec::new(),
        }
    }

    fn log(values: impl Iterator<Item = f64>, round: bool) -> Self {
        let (least, most) = values
            .filter(|value| *value > 0.0)
            .fold((f64::MAX, 0.0_f64), |(least, most), value| {
                (least.min(value), most.max(value))
            });
        let (least, most) = if most > 0.0 {
            (least, most)
        } else {
            (1.0, 10.0)
        };
        let (low, high) = if round {
            let low = 10_f64.powf(least.log10().floor());
            (
                low,
                10_f64.powf((most * 1.05).log10().ceil()).max(low * 10.0),
            )
        } else {
            (least / 1.15, most * 1.15)
        };
        let decades = || {
            // 20 decades hold any count there is.
            (-6..20).map(|exponent| 10_f64.powi(exponent))
        };
        let within = |value: &f64| *value >= low * 0.999 && *value <= high * 1.001;
        let few = high / low <= 5_000.0;
        let all = decades().flat_map(|decade| [decade, 2.0 * decade, 5.0 * decade]);
        let all: Vec<f64> = all.filter(within).collect();
        let tens: Vec<f64> = decades().filter(within).collect();
        let (ticks, minor) = if few && !round {
            (all, Vec::new())
        } else {
            (tens, all)
        };
        Self {
            scale: Scale::Log,
            low,
            high,
            ticks,
            minor,
        }
    }

    /// Where a value is: 0 at the lower end, 1 at the upper.
    pub(super) fn place(&self, value: f64) -> f64 {
        let place = match self.scale {
            Scale::Linear | Scale::Percent => (value - self.low) / (self.high - self.low),
            Scale::Log => (value.max(self.low) / self.low).log10() / (self.high / self.low).log10(),
        };
        place.clamp(0.0, 1.0)
    }
}

/// The least of 1, 2 and 5 times a power of ten that is not below `least`.
fn step(least: f64) -> f64 {
    let decade = 10_f64.powf(least.log10().floor());
    [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|factor| factor * decade)
        .find(|step| *step >= least * 0.999)
        .unwrap_or(10.0 * decade)
}

fn multiples(step: f64, high: f64) -> Vec<f64> {
    (0..=20_u32)
        .map(|count| f64::from(count) * step)
        .take_while(|value| *value <= high * 1.001)
        .collect()
}

/// A tick's value: thousands set apart, no digits that say nothing.
pub(super) fn label(value: f64) -> String {
    if value < 1.0 && value > 0.0 {
        let text = format!("{value:.3}");
        return text.trim_end_matches('0').to_owned();
    }
    let whole = format!("{value:.0}");
    if value >= 1e6 {
        let (scaled, letter) = if value >= 1e9 {
            (value / 1e9, "G")
        } else {
            (value / 1e6, "M")
        };
        return format!("{scaled:.0}{letter}");
    }
    match whole.len().checked_sub(3) {
        Some(split) if split > 0 => format!("{},{}", &whole[..split], &whole[split..]),
        Some(_) | None => {
            let text = format!("{value:.1}");
            text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn linear_axes_begin_at_zero_and_end_at_a_tick() {
        let axis = Axis::around(Scale::Linear, [3.0, 48.7].into_iter(), true);
        assert_eq!(axis.ticks, [0.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0]);
        assert!((axis.place(30.0) - 0.5).abs() < 1e-9);
        assert!(axis.place(-1.0).abs() < 1e-9);
        let axis = Axis::around(Scale::Linear, [-5.0, 33.0].into_iter(), false);
        assert_eq!(axis.ticks, [-10.0, 0.0, 10.0, 20.0, 30.0]);
        assert!(axis.place(-10.0).abs() < 1e-9);
        assert_eq!(label(-10.0), "-10");
    }

    #[test]
    fn log_axes_keep_ratios() {
        let axis = Axis::around(Scale::Log, [2.0, 0.0, 1000.0].into_iter(), false);
        assert_eq!(
            axis.ticks,
            [2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0]
        );
        let step = axis.place(20.0) - axis.place(10.0);
        assert!((axis.place(200.0) - axis.place(100.0) - step).abs() < 1e-9);
        let axis = Axis::around(Scale::Log, [70.0, 120_000.0].into_iter(), true);
        assert_eq!(axis.ticks, [10.0, 100.0, 1e3, 1e4, 1e5, 1e6]);
    }

    #[test]
    fn nothing_to_show_is_no_trouble() {
        for scale in [Scale::Linear, Scale::Log] {
            let axis = Axis::around(scale, core::iter::empty(), true);
            assert!(axis.ticks.len() > 1);
            assert!(axis.place(0.0).abs() < 1e-9);
        }
    }

    #[test]
    fn labels_are_short() {
        for (value, text) in [
            (0.0, "0"),
            (0.5, "0.5"),
            (2.5, "2.5"),
            (500.0, "500"),
            (1_000.0, "1,000"),
            (100_000.0, "100,000"),
            (2e6, "2M"),
            (1e9, "1G"),
        ] {
            assert_eq!(label(value), text);
        }
    }
}
