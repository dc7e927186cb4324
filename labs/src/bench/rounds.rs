//! A whole run: rounds, and in each round every scenario with every device in turn.

use std::collections::BTreeMap;
use std::time::Instant;

use super::BenchError;
use super::bed::{Bed, Plan};
use super::catalogue::{SCENARIOS, Scenario};
use super::dut::{Device, Dut};
use super::outcome::{Failure, Outcome, Sample};
use super::plan::Times;
use super::scenario::{self, Figures, LENGTHS, PORTS, Setting};
use crate::lab::Scratch;

/// What to do.
#[derive(Debug)]
pub(super) struct Run<'a> {
    pub(super) scratch: &'a Scratch,
    pub(super) switchd_args: &'a [String],
    pub(super) duts: &'a [Dut],
    pub(super) scenarios: &'a [&'static Scenario],
    pub(super) rounds: u32,
    pub(super) times: Times,
}

impl Run<'_> {
    /// Does it; `say` is told what is being done. What fails is noted and the rest done all the same.
    ///
    /// # Errors
    /// When it is interrupted.
    pub(super) fn run(&self, outcome: &mut Outcome, say: &dyn Fn(&str)) -> Result<(), BenchError> {
        let begin = Instant::now();
        for round in 1..=self.rounds {
            let mut notes = Notes { round, outcome };
            self.on_beds(&mut notes, say)?;
            self.on_their_own(&mut notes, say)?;
        }
        outcome.seconds = begin.elapsed().as_secs_f64();
        Ok(())
    }

    fn setting(&self) -> Setting<'_> {
        Setting {
            plan: Plan {
                scratch: self.scratch,
                switchd_args: self.switchd_args,
            },
            times: self.times,
        }
    }

    /// Scenarios that share a bed for each device, all of them up at once: an idle device costs next to nothing, and
    /// devices take turns within seconds.
    fn on_beds(&self, notes: &mut Notes<'_>, say: &dyn Fn(&str)) -> Result<(), BenchError> {
        let setting = self.setting();
        let scenarios: Vec<&Scenario> = self
            .scenarios
            .iter()
            .copied()
            .filter(|scenario| !is_on_its_own(scenario))
            .filter(|scenario| notes.round == 1 || !scenario.is_count())
            .collect();
        let mut beds = Vec::new();
        for &dut in self.duts {
            if !scenarios.iter().any(|scenario| scenario.takes(dut)) {
                continue;
            }
            say(&format!("round {}: {} starts", notes.round, dut.name()));
            match Bed::start(setting.plan, dut, PORTS, "") {
                Ok(bed) => {
                    let command = bed.devices.first().map(Device::command);
                    notes.started(dut, command.unwrap_or_default());
                    beds.push((bed, Figures::default()));
                }
                Err(error) => notes.failed("start", dut, error)?,
            }
        }
        for scenario in scenarios {
            for (bed, earlier) in &mut beds {
                if !scenario.takes(bed.dut) {
                    continue;
                }
                say(&format!(
                    "round {}: {}, {}",
                    notes.round,
                    scenario.name,
                    bed.dut.name()
                ));
                match scenario::on_bed(scenario.name, bed, &setting, earlier) {
                    Ok(figures) => {
                        notes.take(scenario.name, bed.dut, &figures);
                        if scenario.name == "throughput" {
                            *earlier = figures;
                        }
                    }
                    Err(error) => notes.failed(scenario.name, bed.dut, error)?,
                }
            }
        }
        Ok(())
    }

    /// Scenarios that make beds of their own.
    fn on_their_own(&self, notes: &mut Notes<'_>, say: &dyn Fn(&str)) -> Result<(), BenchError> {
        let setting = self.setting();
        for scenario in self
            .scenarios
            .iter()
            .filter(|scenario| is_on_its_own(scenario))
        {
            if notes.round > 1 && scenario.is_count() {
                continue;
            }
            let lengths = LENGTHS.iter().filter(|length| **length <= self.times.chain);
            let parts = if scenario.name == "chain" {
                lengths.count()
            } else {
                1
            };
            for part in 0..parts {
                for &dut in self.duts.iter().filter(|dut| scenario.takes(**dut)) {
                    say(&format!(
                        "round {}: {}, {}",
                        notes.round,
                        scenario.name,
                        dut.name()
                    ));
                    let figures = match scenario.name {
                        "bpdu" => scenario::bpdu(&setting, dut),
                        "footprint" => scenario::footprint(&setting, dut),
                        "caching" => scenario::caching(&setting, dut),
                        _ => scenario::chain(&setting, dut, part),
                    };
                    match figures {
                        Ok(figures) => notes.take(scenario.name, dut, &figures),
                        Err(error) => notes.failed(scenario.name, dut, error)?,
                    }
                }
            }
        }
        Ok(())
    }
}

fn is_on_its_own(scenario: &Scenario) -> bool {
    matches!(scenario.name, "bpdu" | "footprint" | "caching" | "chain")
}

/// Where a round's figures go.
struct Notes<'a> {
    round: u32,
    outcome: &'a mut Outcome,
}

impl Notes<'_> {
    fn started(&mut self, dut: Dut, command: String) {
        self.outcome.devices.insert(dut.name().to_owned(), command);
    }

    fn take(&mut self, scenario: &str, dut: Dut, figures: &Figures) {
        let samples = figures.values.iter().map(|(metric, value)| Sample {
            round: self.round,
            scenario: scenario.to_owned(),
            dut: dut.name().to_owned(),
            metric: (*metric).to_owned(),
            value: *value,
        });
        self.outcome.samples.extend(samples);
    }

    /// Notes what failed, and goes on unless that was the user's wish.
    fn failed(&mut self, scenario: &str, dut: Dut, error: BenchError) -> Result<(), BenchError> {
        if error.is_interrupt() {
            return Err(error);
        }
        self.outcome.failures.push(Failure {
            round: self.round,
            scenario: scenario.to_owned(),
            dut: dut.name().to_owned(),
            reason: error.to_string(),
        });
        Ok(())
    }
}

/// The scenarios named, in the order of the catalogue; all if none is.
///
/// # Errors
/// When there is none of a name.
pub(super) fn chosen(names: &[String]) -> Result<Vec<&'static Scenario>, BenchError> {
    for name in names {
        if Scenario::named(name).is_none() {
            let all: Vec<&str> = SCENARIOS.iter().map(|scenario| scenario.name).collect();
            return Err(BenchError::Usage(format!(
                "there is no scenario `{name}`; there is {}",
                all.join(", ")
            )));
        }
    }
    let wanted =
        |scenario: &&Scenario| names.is_empty() || names.iter().any(|name| name == scenario.name);
    Ok(SCENARIOS.iter().filter(wanted).collect())
}

/// Versions of the programs that made the figures.
pub(super) fn versions() -> BTreeMap<String, String> {
    let first_line = |program: &str, argument: &str| {
        let mut command = std::process::Command::new(program);
        let output = command.arg(argument).output().ok()?;
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text).into_owned();
        text.lines().next().map(|line| line.trim().to_owned())
    };
    let asked = [
        ("ovs-vsctl", "--version"),
        ("vde_switch", "--version"),
        ("iperf3", "--version"),
        ("sockperf", "--version"),
        ("ip", "-V"),
    ];
    asked
        .into_iter()
        .filter_map(|(program, argument)| {
            Some((program.to_owned(), first_line(program, argument)?))
        })
        .collect()
}
