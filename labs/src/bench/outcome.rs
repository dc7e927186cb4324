//! What a run has found: every figure of every round, where, with what, and how it was got.

use std::collections::BTreeMap;
use std::fs;

use serde::{Deserialize, Serialize};

/// One figure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// The round, from 1.
    pub round: u32,
    /// The scenario.
    pub scenario: String,
    /// The device.
    pub dut: String,
    /// The figure's name.
    pub metric: String,
    /// Its value, in the unit that the catalogue says.
    pub value: f64,
}

/// A scenario that could not be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The round, from 1.
    pub round: u32,
    /// The scenario.
    pub scenario: String,
    /// The device.
    pub dut: String,
    /// Why.
    pub reason: String,
}

/// Where it was measured.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// Kernel release and version.
    pub kernel: String,
    /// Processor model.
    pub cpu: String,
    /// How many processors.
    pub cores: usize,
    /// Memory in MiB.
    pub memory_mib: u64,
}

/// All of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// How the bench was called.
    pub command: String,
    /// When, in UTC.
    pub date: String,
    /// Where.
    pub machine: Machine,
    /// How the devices were started, by name.
    pub devices: BTreeMap<String, String>,
    /// Programs and their versions.
    pub versions: BTreeMap<String, String>,
    /// Devices that could not be measured, and why.
    pub missing: BTreeMap<String, String>,
    /// Seconds it took.
    pub seconds: f64,
    /// Every figure.
    pub samples: Vec<Sample>,
    /// What could not be done.
    pub failures: Vec<Failure>,
}

impl Machine {
    /// This one.
    #[must_use]
    pub fn here() -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let line = |text: &str, key: &str| {
            let line = text.lines().find(|line| line.starts_with(key))?;
            Some(line.split_once(':')?.1.trim().to_owned())
        };
        let memory = line(&read("/proc/meminfo"), "MemTotal");
        let kib = memory.and_then(|text| text.split(' ').next()?.parse::<u64>().ok());
        let kernel = ["ostype", "osrelease", "version"]
            .map(|name| read(&format!("/proc/sys/kernel/{name}")).trim().to_owned());
        Self {
            kernel: kernel.join(" "),
            cpu: line(&read("/proc/cpuinfo"), "model name").unwrap_or_default(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_mib: kib.unwrap_or(0) / 1024,
        }
    }
}

impl Outcome {
    /// The values of a figure, by round.
    pub fn values<'a>(
        &'a self,
        scenario: &'a str,
        metric: &'a str,
        dut: &'a str,
    ) -> impl Iterator<Item = (u32, f64)> + 'a {
        let wanted = move |sample: &&Sample| {
            sample.scenario == scenario && sample.metric == metric && sample.dut == dut
        };
        self.samples
            .iter()
            .filter(wanted)
            .map(|sample| (sample.round, sample.value))
    }

    /// Rounds, as many as there are figures of.
    #[must_use]
    pub fn rounds(&self) -> u32 {
        let rounds = self.samples.iter().map(|sample| sample.round);
        rounds.max().unwrap_or(0)
    }

    /// This and a run of other scenarios on the same machine, as one.
    ///
    /// # Errors
    /// When they are of different machines, or a scenario is in both: their rounds were not interleaved.
    pub fn joined(mut self, other: Self) -> Result<Self, String> {
        if self.machine != other.machine {
            return Err("runs of different machines cannot be joined".to_owned());
        }
        let both = |sample: &&Sample| other.samples.iter().any(|o| o.scenario == sample.scenario);
        if let Some(sample) = self.samples.iter().find(both) {
            return Err(format!(
                "scenario {} is in two of the runs",
                sample.scenario
            ));
        }
        self.command = format!("{}; {}", self.command, other.command);
        if self.date != other.date {
            self.date = format!("{}; {}", self.date, other.date);
        }
        self.devices.extend(other.devices);
        self.versions.extend(other.versions);
        self.missing.extend(other.missing);
        self.seconds += other.seconds;
        self.samples.extend(other.samples);
        self.failures.extend(other.failures);
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(scenario: &str, cores: usize) -> Outcome {
        Outcome {
            command: format!("bench {scenario}"),
            machine: Machine {
                cores,
                ..Machine::default()
            },
            seconds: 2.0,
            samples: vec![Sample {
                round: 1,
                scenario: scenario.to_owned(),
                dut: "vde".to_owned(),
                metric: "rate".to_owned(),
                value: 1.0,
            }],
            ..Outcome::default()
        }
    }

    #[test]
    fn runs_of_different_scenarios_on_one_machine_are_joined_and_no_others() {
        let both = run("tcp", 2).joined(run("learning", 2)).unwrap();
        assert_eq!((both.samples.len(), both.seconds), (2, 4.0));
        assert_eq!(both.command, "bench tcp; bench learning");
        assert!(run("tcp", 2).joined(run("tcp", 2)).is_err());
        assert!(run("tcp", 2).joined(run("learning", 4)).is_err());
    }
}
