//! From what was written to what may run: every value in its range, every combination legal.

use std::collections::BTreeSet;
use std::path::PathBuf;

use cam::{AgeingTime, Capacity};

use super::error::{ConfigError, Origin, Problem, did_you_mean};
use super::legal::{self, AGEING_LEGAL, World};
use super::raw::{Group, RawConfig};
use super::settings::{self, PORT_KEYS};
use super::{Config, Io, PortKind, PortSettings, StpConfig, StpSettings};
use crate::port_name::PortName;

const SWITCH_KEYS: [&str; 6] = ["name", "run-dir", "address", "io", "workers", "offload"];
const CAM_KEYS: [&str; 2] = ["ageing", "capacity"];
const STATIC_MAC_KEYS: [&str; 3] = ["vlan", "mac", "port"];

impl RawConfig {
    /// Checks everything.
    ///
    /// # Errors
    /// All problems found, with their places.
    pub fn check(&self, world: World) -> Result<Config, ConfigError> {
        let mut checker = Checker {
            problems: Vec::new(),
        };
        let mut config = Config {
            name: "sw1".to_owned(),
            run_dir: PathBuf::new(),
            address: None,
            stp: StpConfig::default(),
            ageing: AgeingTime::default(),
            cam_capacity: Capacity::default(),
            io: Io::default(),
            workers: 0,
            offload: true,
            ports: Vec::new(),
            static_macs: Vec::new(),
        };
        checker.switch(&self.switch, &mut config);
        if config.run_dir.as_os_str().is_empty() {
            config.run_dir = (world.run_dir)();
        }
        checker.stp(&self.stp, &mut config);
        checker.cam(&self.cam, &mut config);
        checker.ports(&self.ports, world, &mut config);
        checker.static_macs(&self.static_macs, &mut config);
        match checker.problems.is_empty() {
            true => Ok(config),
            false => Err(ConfigError::sorted(checker.problems)),
        }
    }
}

/// What a message says beyond the place: a flag names its key.
fn unsaid<'a>(at: &Origin, message: &'a str) -> &'a str {
    let key = match at {
        Origin::Flag(flag) => flag.strip_prefix("--"),
        Origin::Line { .. } | Origin::File(_) | Origin::Nowhere => None,
    };
    key.and_then(|key| message.strip_prefix(key)?.strip_prefix(": "))
        .unwrap_or(message)
}

struct Checker {
    problems: Vec<Problem>,
}

impl Checker {
    fn problem(&mut self, at: &Origin, title: &str, message: impl core::fmt::Display) {
        let separator = if title.is_empty() { "" } else { ": " };
        let message = message.to_string();
        let message = unsaid(at, &message);
        self.problems.push(Problem {
            at: at.clone(),
            message: format!("{title}{separator}{message}"),
        });
    }

    /// Runs `take` over every entry of the groups, turning refusals and repeated keys into problems.
    fn each(
        &mut self,
        groups: &[Group],
        mut take: impl FnMut(&str, Option<&str>) -> Result<(), String>,
    ) {
        for group in groups {
            let mut seen = BTreeSet::new();
            for entry in &group.entries {
                if !seen.insert(entry.key.as_str()) {
                    let message = format!("{} is given twice", entry.key);
                    self.problem(&entry.at, &group.title, message);
                } else if let Err(message) = take(&entry.key, entry.value.as_deref()) {
                    self.problem(&entry.at, &group.title, message);
                }
            }
        }
    }

    fn switch(&mut self, groups: &[Group], config: &mut Config) {
        self.each(groups, |key, value| {
            let value = value.unwrap_or_default();
            match key {
                "name" => config.name = legal::switch_name(value).map_err(|e| e.to_string())?,
                "run-dir" if value.is_empty() => return Err("run-dir: is empty".to_owned()),
                "run-dir" => config.run_dir = PathBuf::from(value),
                "address" => config.address = Some(legal::bridge_address(value)?),
                "io" => config.io = legal::io(value)?,
                "workers" => config.workers = legal::workers(value)?,
                "offload" => {
                    config.offload =
                        settings::truth("offload", Some(value)).map_err(|e| e.to_string())?;
                }
                unknown => return Err(unknown_key(unknown, &SWITCH_KEYS)),
            }
            Ok(())
        });
    }

    fn stp(&mut self, groups: &[Group], config: &mut Config) {
        let mut written = StpSettings::default();
        self.each(groups, |key, value| written.take(key, value));
        match config.stp.with(&written) {
            Ok(stp) => config.stp = stp,
            Err(error) => {
                let (at, title) = place(groups, error.key);
                self.problem(&at, &title, error);
            }
        }
    }

    fn cam(&mut self, groups: &[Group], config: &mut Config) {
        self.each(groups, |key, value| {
            match key {
                "ageing" => {
                    let seconds = settings::number("ageing", value, AGEING_LEGAL)
                        .and_then(|seconds| legal::ageing(seconds.into()));
                    config.ageing = seconds.map_err(|error| error.to_string())?;
                }
                "capacity" => {
                    let legal = "a number of addresses (1..1000000)";
                    let capacity = settings::number("capacity", value, legal)
                        .map_err(|error| error.to_string())?;
                    config.cam_capacity = Capacity::new(capacity as usize)
                        .map_err(|_| format!("capacity: '{capacity}' is not {legal}"))?;
                }
                unknown => return Err(unknown_key(unknown, &CAM_KEYS)),
            }
            Ok(())
        });
    }

    fn ports(&mut self, groups: &[Group], world: World, config: &mut Config) {
        // Ports that say their number come first, so that the others take what is left.
        let mut written: Vec<(&Group, WrittenPort)> = Vec::new();
        for group in groups {
            if let Some(port) = self.written_port(group) {
                written.push((group, port));
            }
        }
        written.sort_by_key(|(_, port)| port.settings.number.is_none());
        for (group, port) in written {
            let added = config.new_port(port.name.as_str(), port.kind, &port.settings, world);
            match added {
                Ok(port) => config.insert_port(port),
                Err(error) => {
                    let at = group
                        .entries
                        .iter()
                        .find(|entry| entry.key == error.key)
                        .map_or(&group.at, |entry| &entry.at);
                    self.problem(at, &group.title, error);
                }
            }
        }
    }

    /// The words of one port; `None` when they make no port, with the problems noted.
    fn written_port(&mut self, group: &Group) -> Option<WrittenPort> {
        let before = self.problems.len();
        let (mut name, mut kind) = (None, None);
        let mut port = PortSettings::default();
        self.each(std::slice::from_ref(group), |key, value| match key {
            "name" => {
                name =
                    Some(legal::port_name(value.unwrap_or_default()).map_err(|e| e.to_string())?);
                Ok(())
            }
            "kind" => {
                kind = Some(legal::port_kind(value.unwrap_or_default())?);
                Ok(())
            }
            key if PORT_KEYS.contains(&key) => port.take(key, value),
            key => {
                let mut known = vec!["name", "kind"];
                known.extend(PORT_KEYS);
                Err(unknown_key(key, &known))
            }
        });
        if self.problems.len() > before {
            return None;
        }
        let Some(name) = name else {
            self.problem(&group.at, &group.title, "name is missing");
            return None;
        };
        Some(WrittenPort {
            name,
            kind,
            settings: port,
        })
    }

    fn static_macs(&mut self, groups: &[Group], config: &mut Config) {
        for group in groups {
            let (mut vlan, mut mac, mut port) = (None, None, None);
            let before = self.problems.len();
            self.each(std::slice::from_ref(group), |key, value| {
                match key {
                    "vlan" => {
                        vlan = Some(settings::vlan("vlan", value).map_err(|e| e.to_string())?)
                    }
                    "mac" => mac = Some(settings::mac("mac", value).map_err(|e| e.to_string())?),
                    "port" => port = value.map(str::to_owned),
                    unknown => return Err(unknown_key(unknown, &STATIC_MAC_KEYS)),
                }
                Ok(())
            });
            if self.problems.len() > before {
                continue;
            }
            let (Some(vlan), Some(mac), Some(port)) = (vlan, mac, port) else {
                self.problem(&group.at, &group.title, "needs vlan, mac and port");
                continue;
            };
            match config.new_static_mac(vlan, mac, &port) {
                Ok(entry) => config.static_macs.push(entry),
                Err(error) => self.problem(&group.at, &group.title, error),
            }
        }
    }
}

struct WrittenPort {
    name: PortName,
    kind: Option<PortKind>,
    settings: PortSettings,
}

/// Where a key was written last, or else another of the times it has to go with; and the title of its group.
fn place(groups: &[Group], key: &str) -> (Origin, String) {
    let keys = [key, "max-age", "hello", "forward-delay"];
    let written = keys.iter().find_map(|key| {
        groups.iter().rev().find_map(|group| {
            let entry = group.entries.iter().find(|entry| entry.key == *key)?;
            Some((entry.at.clone(), group.title.clone()))
        })
    });
    written.unwrap_or((Origin::Nowhere, String::new()))
}

fn unknown_key(key: &str, known: &[&str]) -> String {
    format!("unknown key '{key}'{}", did_you_mean(key, known))
}
