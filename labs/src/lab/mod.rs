//! Labs on real namespaces: making, finding, asking and clearing them.
//!
//! Every node has a namespace `algo-LAB-NODE`; every switch is a `switchd` process in its own, called `LAB-NODE` on
//! its control socket. A link between switches is a veth pair of packet ports; a link from a switch to a host is a tap
//! port whose kernel end is moved into the host's namespace; a segment of more than two ends, and every link to whose
//! frames something shall happen, is a hidden `labs hub` with a tap per end. What a lab makes is written into its journal (`RUN/labs/LAB/journal`) before it is made, with the
//! start time beside every process number, so that the next `up` or `down` finds and clears what a killed runner or
//! daemon has left.

mod build;
mod clear;
mod config;
pub mod draw;
mod error;
mod incidents;
pub mod interrupt;
mod ping;
mod power;
mod privilege;
mod process;
mod scratch;
mod state;
mod steps;
mod tree;
mod wiring;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use switchd::control::{Client, socket_path};

use crate::netns::Namespace;
use crate::sim::Power;
use crate::topology::{NodeKind, Topology};

pub use build::{Options, up};
pub(crate) use build::{last_words, program};
pub use clear::down;
pub use error::LabError;
pub use ping::ping;
pub use privilege::{PrivilegeError, check as check_privilege};
pub use process::Identity;
pub(crate) use process::end_one as end_process;
pub(crate) use scratch::start_guard;
pub use scratch::{Scratch, guard};
pub use state::Condition;
pub use steps::{Outcome, run_step};
pub(crate) use tree::is_settled;
pub use tree::{PortView, SwitchView, TreeStates, View};

use state::{Journal, Live, Record};

/// A lab that is up.
#[derive(Debug)]
pub struct Lab {
    /// What it was made from; its name is the lab's name in force.
    pub topology: Topology,
    /// The same with the links of its `connect` steps.
    whole: Topology,
    run_dir: PathBuf,
}

impl Lab {
    /// Opens the lab `name` of `run_dir`, up or broken.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn open(run_dir: &Path, name: &str) -> Result<Self, LabError> {
        let path = state::lab_dir(run_dir, name).join("lab.yml");
        let text = fs::read_to_string(&path).map_err(|_| LabError::not_up(run_dir, name))?;
        let mut topology = Topology::parse(&path.display().to_string(), &text)?;
        name.clone_into(&mut topology.name);
        Ok(Self::new(topology, run_dir))
    }

    fn new(topology: Topology, run_dir: &Path) -> Self {
        Self {
            whole: topology.connected(|_| true),
            topology,
            run_dir: run_dir.to_owned(),
        }
    }

    /// The topology as it is now: with those links of `connect` steps that are there.
    #[must_use]
    pub fn current(&self) -> Topology {
        let live = self.live();
        self.topology.connected(|link| live.is_connected(link))
    }

    fn live(&self) -> Live {
        Live::of(&self.journal().read())
    }

    /// Whether a switch runs.
    #[must_use]
    pub fn power(&self, switch: &str) -> Power {
        self.live().power(switch)
    }

    /// Writes down that a process was ended on purpose.
    pub(crate) fn ended(&self, identity: Identity) -> Result<(), LabError> {
        self.journal().write(&Record::Ended { identity })
    }

    /// The lab's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.topology.name
    }

    /// Where the switches' control sockets are.
    #[must_use]
    pub fn run_dir(&self) -> &Path {
        &self.run_dir
    }

    /// The lab's own directory: file, journal, configurations, logs.
    #[must_use]
    pub fn dir(&self) -> PathBuf {
        state::lab_dir(&self.run_dir, self.name())
    }

    /// The namespace of a switch or host. A VM runs in that of its host.
    ///
    /// # Errors
    /// When it is gone.
    pub fn namespace(&self, node: &str) -> Result<Namespace, LabError> {
        Ok(Namespace::open(&namespace_name(self.name(), node))?)
    }

    /// A connection to the control socket of a switch.
    ///
    /// # Errors
    /// When the switch does not answer: it may be off or frozen.
    pub fn client(&self, switch: &str) -> Result<Client, LabError> {
        match self.power(switch) {
            Power::On => self.connect(switch),
            Power::Off => Err(LabError::Other(format!("{switch} is off"))),
            Power::Frozen => Err(LabError::Other(format!("{switch} is frozen"))),
        }
    }

    /// The control socket of a switch.
    pub(crate) fn socket(&self, switch: &str) -> PathBuf {
        socket_path(&self.run_dir, &switch_name(self.name(), switch))
    }

    fn connect(&self, switch: &str) -> Result<Client, LabError> {
        let client = Client::connect_named(&self.run_dir, &switch_name(self.name(), switch));
        client.map_err(|error| LabError::switch(switch, error))
    }

    /// Starts `command` in the namespace of `node` and writes it down as its `role`, so that clearing the lab ends it.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn spawn(&self, node: &str, role: &str, command: &mut Command) -> Result<Child, LabError> {
        build::spawn(&self.journal(), &self.namespace(node)?, node, role, command)
    }

    /// How it stands.
    #[must_use]
    pub fn condition(&self) -> Condition {
        state::condition(&self.journal().read())
    }

    /// Its processes: node, role, identity; in the order they were started, without those that were ended on purpose.
    #[must_use]
    pub fn processes(&self) -> Vec<(String, String, Identity)> {
        let records = self.journal().read();
        let ended = state::ended(&records);
        let processes = records.iter().filter_map(Record::process);
        processes
            .filter(|(_, _, identity)| !ended.contains(identity))
            .map(|(node, role, identity)| (node.to_owned(), role.to_owned(), identity))
            .collect()
    }

    /// The host a VM runs on now, if it runs. While it moves, that is the one it leaves.
    #[must_use]
    pub fn place(&self, vm: &str) -> Option<String> {
        let roles = [guest_role(vm), qemu_role(vm)];
        let mut processes = self.processes().into_iter();
        let found = processes.find(|(_, it, identity)| roles.contains(it) && identity.is_alive());
        found.map(|(node, _, _)| node)
    }

    /// The namespace a command for `node` belongs in: its own, or that of the host of a VM.
    ///
    /// # Errors
    /// When there is no such node.
    pub fn node_namespace(&self, node: &str) -> Result<Namespace, LabError> {
        let found = self
            .topology
            .node(node)
            .ok_or_else(|| LabError::unknown_node(self, node))?;
        match &found.kind {
            NodeKind::Switch(_) | NodeKind::Host(_) => self.namespace(node),
            NodeKind::Vm(vm) => self.namespace(&vm.host),
        }
    }

    fn journal(&self) -> Journal {
        Journal::of(&self.run_dir, self.name())
    }
}

/// All labs of a run directory, whatever their condition, by name.
#[must_use]
pub fn names(run_dir: &Path) -> Vec<String> {
    state::names(run_dir)
}

/// How the lab `name` stands.
#[must_use]
pub fn condition(run_dir: &Path, name: &str) -> Condition {
    state::condition(&Journal::of(run_dir, name).read())
}

/// What the process of a VM does for its host, in the journal.
pub(crate) fn guest_role(vm: &str) -> String {
    format!("guest {vm}")
}

/// The same of a VM that QEMU runs.
pub(crate) fn qemu_role(vm: &str) -> String {
    format!("qemu {vm}")
}

/// And of the client that watches a VM's moves.
pub(crate) fn probe_role(vm: &str) -> String {
    format!("probe {vm}")
}

/// Whether a process of this role is a client that comes and goes.
fn is_probe(role: &str) -> bool {
    role.starts_with("probe ")
}

/// Whether a process of this role is a VM.
fn is_machine(role: &str) -> bool {
    role.starts_with("guest ") || role.starts_with("qemu ")
}

/// The name of a node's namespace.
#[must_use]
pub fn namespace_name(lab: &str, node: &str) -> String {
    format!("algo-{lab}-{node}")
}

/// The name of a switch's control socket, as `switchctl` takes it.
#[must_use]
pub fn switch_name(lab: &str, switch: &str) -> String {
    format!("{lab}-{switch}")
}
