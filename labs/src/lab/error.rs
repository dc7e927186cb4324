//! Why something could not be done with a lab.

use std::io;
use std::path::Path;

use switchd::control::ClientError;

use super::{Lab, PrivilegeError, state};
use crate::netns;
use crate::topology::{self, nearest};

/// Why something could not be done with a lab.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// The lab file is wrong.
    #[error(transparent)]
    File(#[from] topology::Error),
    /// The lab file cannot be had.
    #[error(transparent)]
    Load(#[from] topology::LoadError),
    /// The system does not let us.
    #[error(transparent)]
    Privilege(#[from] PrivilegeError),
    /// It is up already.
    #[error("the lab {name} is up already; take it down by `labs down {name}`")]
    AlreadyUp {
        /// The lab.
        name: String,
    },
    /// It is not up.
    #[error("the lab {name} is not up{hint}")]
    NotUp {
        /// The lab.
        name: String,
        /// What is up instead.
        hint: String,
    },
    /// Somebody else is at it.
    #[error("another `labs` is bringing the lab {name} up or down right now")]
    Busy {
        /// The lab.
        name: String,
    },
    /// The lab has no such node.
    #[error("the lab {lab} has no node `{node}`{hint}")]
    UnknownNode {
        /// The lab.
        lab: String,
        /// The node.
        node: String,
        /// What it has.
        hint: String,
    },
    /// A program that belongs to us is not where we are.
    #[error("cannot find the program `{program}` beside {}; build it by `cargo build --bins`", beside.display())]
    Program {
        /// The program.
        program: &'static str,
        /// Where it was looked for.
        beside: std::path::PathBuf,
    },
    /// Something in a namespace failed.
    #[error(transparent)]
    Netns(#[from] netns::Error),
    /// A file or process operation failed.
    #[error("cannot {action}: {source}")]
    Io {
        /// What was tried.
        action: String,
        /// What the system said.
        source: io::Error,
    },
    /// A daemon did not come up.
    #[error("{node}: {program} did not come up: {reason}")]
    Start {
        /// The node.
        node: String,
        /// The program.
        program: &'static str,
        /// Its own last words, or what is known.
        reason: String,
    },
    /// A switch does not answer, or refuses.
    #[error("{switch}: {source}")]
    Switch {
        /// The switch.
        switch: String,
        /// Why.
        source: Box<ClientError>,
    },
    /// A process outlived SIGKILL.
    #[error("the lab {name} is down, but these processes do not end: {pids}")]
    Stuck {
        /// The lab.
        name: String,
        /// The processes.
        pids: String,
    },
    /// What the user asked for makes no sense in this lab.
    #[error("{0}")]
    Wrong(String),
    /// A lab cannot be run in virtual time.
    #[error(transparent)]
    Simulation(#[from] crate::sim::TwinError),
    /// The user, or the system, wants the program to end.
    #[error("interrupted")]
    Interrupted,
    /// Another part could not do its share.
    #[error("{0}")]
    Other(String),
}

impl LabError {
    pub(crate) fn io(action: impl Into<String>, source: io::Error) -> Self {
        Self::Io {
            action: action.into(),
            source,
        }
    }

    pub(crate) fn switch(switch: &str, source: ClientError) -> Self {
        Self::Switch {
            switch: switch.to_owned(),
            source: Box::new(source),
        }
    }

    pub(crate) fn not_up(run_dir: &Path, name: &str) -> Self {
        let names = state::names(run_dir);
        let hint = match nearest(name, names.iter().map(String::as_str)) {
            Some(near) => format!("; did you mean `{near}`?"),
            None if names.is_empty() => {
                "; no lab is (`labs up NAME` starts one, `labs list --scenarios` shows which)"
                    .to_owned()
            }
            None => format!("; there is {}", names.join(", ")),
        };
        Self::NotUp {
            name: name.to_owned(),
            hint,
        }
    }

    pub(crate) fn unknown_node(lab: &Lab, node: &str) -> Self {
        let names: Vec<&str> = lab
            .topology
            .nodes
            .iter()
            .map(|node| node.name.as_str())
            .collect();
        let hint = match nearest(node, names.iter().copied()) {
            Some(near) => format!("; did you mean `{near}`?"),
            None => format!("; it has {}", names.join(", ")),
        };
        Self::UnknownNode {
            lab: lab.name().to_owned(),
            node: node.to_owned(),
            hint,
        }
    }

    /// The exit code a command ends with: 2 for what the user must mend, 1 for what went wrong underway.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::File(_)
            | Self::Load(_)
            | Self::Privilege(_)
            | Self::AlreadyUp { .. }
            | Self::NotUp { .. }
            | Self::Busy { .. }
            | Self::UnknownNode { .. }
            | Self::Program { .. }
            | Self::Wrong(_)
            | Self::Simulation(_) => 2,
            Self::Netns(_)
            | Self::Io { .. }
            | Self::Start { .. }
            | Self::Switch { .. }
            | Self::Stuck { .. }
            | Self::Other(_) => 1,
            // As a shell reports a program that SIGINT has ended.
            Self::Interrupted => 130,
        }
    }
}
