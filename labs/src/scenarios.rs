//! The labs that come with the program: `labs run NAME` works anywhere.

use std::path::Path;

use crate::topology::{LoadError, Topology, nearest};

/// A built-in lab.
#[derive(Debug, Clone, Copy)]
pub struct Scenario {
    /// Its name on the command line.
    pub name: &'static str,
    /// Its file.
    pub text: &'static str,
}

macro_rules! scenarios {
    ($($name:literal),* $(,)?) => {
        &[$(Scenario {
            name: $name,
            text: include_str!(concat!("../scenarios/", $name, ".yml")),
        }),*]
    };
}

/// All built-in labs, by name.
pub const SCENARIOS: &[Scenario] = scenarios![
    "access-pods",
    "backup-port",
    "bridge-assurance",
    "count-to-infinity",
    "drs",
    "edge-ports",
    "figure-eight",
    "filtered-ring",
    "flapping-corner",
    "flapping-host",
    "full-mesh",
    "hung-switch",
    "line",
    "loop-detection",
    "mixed-versions",
    "native-mismatch",
    "new-cable",
    "new-root",
    "one-way-link",
    "parallel-links",
    "ring",
    "ring-of-six",
    "rogue-root",
    "root-race",
    "root-timers",
    "shared-segment",
    "silent-link",
    "triangle",
    "trunk-ring",
    "two-hosts",
    "vlans",
    "vmotion",
    "vmotion-qemu",
    "vmotion-shared",
];

impl Scenario {
    /// What it shows: the first line of its head comment.
    #[must_use]
    pub fn headline(&self) -> &'static str {
        self.text
            .lines()
            .next()
            .unwrap_or_default()
            .trim_start_matches(['#', ' '])
    }

    /// The whole head comment, without its marks.
    #[must_use]
    pub fn head(&self) -> String {
        let lines = self.text.lines().map_while(|line| line.strip_prefix('#'));
        lines
            .map(|line| format!("{}\n", line.strip_prefix(' ').unwrap_or(line)))
            .collect()
    }
}

/// Why neither a built-in lab nor a file was found.
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    /// Nothing of that name.
    #[error("there is no file and no built-in lab `{name}`{hint}")]
    Unknown {
        /// What was asked for.
        name: String,
        /// What there is.
        hint: String,
    },
    /// The file is there but cannot be had.
    #[error(transparent)]
    Load(#[from] LoadError),
}

/// The lab `name`: a file if it looks like one or exists, else a built-in one.
///
/// # Errors
/// When there is neither, or the file is wrong.
pub fn find(name: &str) -> Result<Topology, FindError> {
    let built_in = SCENARIOS.iter().find(|scenario| scenario.name == name);
    let path = Path::new(name);
    let looks_like_file = name.contains('/')
        || path
            .extension()
            .is_some_and(|end| end == "yml" || end == "yaml");
    match built_in {
        Some(scenario) => {
            let file = format!("{name}.yml");
            Ok(Topology::parse(&file, scenario.text).map_err(LoadError::Wrong)?)
        }
        None if looks_like_file || path.is_file() => Ok(Topology::load(path)?),
        None => {
            let names = SCENARIOS.iter().map(|scenario| scenario.name);
            let hint = match nearest(name, names.clone()) {
                Some(near) => format!("; did you mean `{near}`?"),
                None => format!("; built in are {}", names.collect::<Vec<_>>().join(", ")),
            };
            Err(FindError::Unknown {
                name: name.to_owned(),
                hint,
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scenario_is_right_has_its_name_and_says_what_it_shows() {
        for scenario in SCENARIOS {
            let lab = find(scenario.name).unwrap();
            assert_eq!(lab.name, scenario.name);
            assert!(
                scenario.headline().ends_with('.'),
                "{}: {}",
                scenario.name,
                scenario.headline()
            );
            assert!(scenario.head().contains("Expected:"), "{}", scenario.name);
            assert!(!lab.steps.is_empty(), "{}", scenario.name);
        }
    }

    #[test]
    fn what_is_neither_file_nor_scenario_gets_a_suggestion() {
        let message = |name| find(name).unwrap_err().to_string();
        assert_eq!(
            message("rign"),
            "there is no file and no built-in lab `rign`; did you mean `ring`?"
        );
        assert!(message("other").contains("; built in are access-pods, "));
        assert!(
            message("./none.yml").starts_with("cannot read the lab file ./none.yml: No such file")
        );
    }
}
