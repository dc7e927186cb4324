//! What a move of a VM may cost, or must: `check: {move: vm1, total: {under: 2s}, pings-lost: {over: 10}}`.

use core::fmt;

use super::Topology;
use super::error::Fault;
use super::fields::{self, Fields};
use super::yaml::Value;

/// The figures of a move that a check can hold against a bar.
pub(super) const KEYS: &[&str] = &["total", "pause", "silence", "answer", "stall", "pings-lost"];
/// More questions than any client asks.
const PINGS_MAX: u32 = 1_000_000_000;

/// A figure of a move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Figure {
    /// From the order to the resume, milliseconds.
    Total,
    /// From stop to resume, milliseconds.
    Pause,
    /// The longest time without an answer to a ping, milliseconds.
    Silence,
    /// How long the slowest answer to a ping took, milliseconds.
    Answer,
    /// The longest time between two deliveries of the stream, milliseconds.
    Stall,
    /// Pings that were not answered.
    PingsLost,
}

/// What the figures of the last move of a VM are held against.
#[derive(Clone, Debug, PartialEq)]
pub struct Bars {
    /// The VM.
    pub vm: String,
    /// At least one.
    pub bars: Vec<Bar>,
}

/// A figure's bar.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bar {
    /// Of what.
    pub figure: Figure,
    /// It must be more than this.
    pub over: Option<f64>,
    /// It must be less than this.
    pub under: Option<f64>,
}

impl Bar {
    /// Whether a figure is on the right side.
    #[must_use]
    pub fn holds(&self, figure: f64) -> bool {
        self.over.is_none_or(|over| figure > over) && self.under.is_none_or(|under| figure < under)
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Total => "total time",
            Self::Pause => "pause",
            Self::Silence => "silence",
            Self::Answer => "slowest answer",
            Self::Stall => "stall",
            Self::PingsLost => "pings lost",
        })
    }
}

pub(super) fn read(fields: &Fields<'_>, topology: &Topology) -> Result<Bars, Fault> {
    let value = fields.need("move")?;
    let vm = fields::text(value, "move")?;
    if topology.vm(vm).is_none() {
        let known = topology.vms().map(|(name, _)| name);
        return Err(Fault::new(value.at, format!("there is no VM `{vm}`")).near(vm, known));
    }
    let mut bars = Vec::new();
    for (key, figure) in [
        ("total", Figure::Total),
        ("pause", Figure::Pause),
        ("silence", Figure::Silence),
        ("answer", Figure::Answer),
        ("stall", Figure::Stall),
        ("pings-lost", Figure::PingsLost),
    ] {
        if let Some(value) = fields.get(key) {
            bars.push(bar(value, key, figure)?);
        }
    }
    if bars.is_empty() {
        let message = format!("a check of a move expects {}", fields::one_of(KEYS));
        return Err(Fault::new(value.at, message));
    }
    Ok(Bars {
        vm: vm.to_owned(),
        bars,
    })
}

fn bar(value: &Value, key: &str, figure: Figure) -> Result<Bar, Fault> {
    let fields = Fields::new(value, key, &["over", "under"])?;
    let read = |side: &str| {
        fields.read(side, |value, side| match figure {
            Figure::Total | Figure::Pause | Figure::Silence | Figure::Answer | Figure::Stall => {
                Ok(fields::duration(value, side)?.as_secs_f64() * 1e3)
            }
            Figure::PingsLost => fields::number(value, side, 0..=PINGS_MAX).map(f64::from),
        })
    };
    let bar = Bar {
        figure,
        over: read("over")?,
        under: read("under")?,
    };
    if bar.over.is_none() && bar.under.is_none() {
        let message = format!("`{key}`: `over` or `under` which figure?");
        return Err(Fault::new(value.at, message));
    }
    Ok(bar)
}

#[cfg(test)]
mod tests {
    use super::super::{Expectation, StepKind};
    use super::*;

    /// What is read of a check of a move, or said about it.
    fn read(check: &str) -> Result<Bars, String> {
        let text = lab(check);
        let lab = Topology::parse("lab.yml", &text).map_err(|error| error.to_string())?;
        let bars = lab.steps.iter().find_map(|step| {
            if let StepKind::Check(check) = &step.kind
                && let Expectation::Move(bars) = &check.expect
            {
                return Some(bars.clone());
            }
            None
        });
        bars.ok_or_else(|| "no bars".to_owned())
    }

    fn lab(check: &str) -> String {
        format!(
            "name: x
topology:
  nodes:
    vsw1: {{kind: switch, stp: off, ports: {{vmk0: {{access: 20}}}}}}
    esx1: {{kind: host, vswitch: vsw1, ports: {{vmk0: {{ip: 10.0.20.1/24}}}}}}
    vm1: {{kind: vm, host: esx1, vlan: 10, mac: 52:54:00:00:00:05, ip: 10.0.10.5/24}}
  links:
    - endpoints: [\"vsw1:vmk0\", \"esx1:vmk0\"]
steps:
  - migrate: {{vm: vm1, to: esx1, felt: on}}
  - check: {check}
"
        )
    }

    #[test]
    fn bars_are_read_in_milliseconds_and_counts() {
        let bars = read("{move: vm1, total: {over: 1s, under: 2s}, pings-lost: {under: 3}}");
        let bars = bars.unwrap();
        assert_eq!(bars.vm, "vm1");
        let [total, lost] = bars.bars.as_slice() else {
            panic!("{bars:?}");
        };
        assert_eq!(
            (total.figure, total.over, total.under),
            (Figure::Total, Some(1e3), Some(2e3))
        );
        assert!(total.holds(1_500.0) && !total.holds(1_000.0) && !total.holds(2_000.0));
        assert_eq!(
            (lost.figure, lost.over, lost.under),
            (Figure::PingsLost, None, Some(3.0))
        );
    }

    #[test]
    fn a_check_of_a_move_says_which_figure_and_which_side() {
        for (check, said) in [
            ("{move: vm2, pause: {under: 1s}}", "there is no VM `vm2`"),
            ("{move: vm1}", "a check of a move expects total, pause"),
            (
                "{move: vm1, stall: {}}",
                "`stall`: `over` or `under` which figure?",
            ),
            ("{move: vm1, answer: {below: 1s}}", "unknown key `below`"),
            ("{move: vm1, pings-lost: {over: x}}", "`over`: expected"),
        ] {
            let error = read(check).unwrap_err();
            assert!(error.contains(said), "{error}");
        }
    }
}
