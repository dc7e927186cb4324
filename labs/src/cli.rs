//! The command line of `labs`.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// Labs of switches, hosts and virtual machines on one Linux machine.
///
/// A lab is a YAML file in containerlab's words: nodes of kind switch, host and vm, links between their ports, and steps.
/// Every switch is its own `switchd` process in its own network namespace.
///
/// The quickest way in: `labs run triangle` brings a lab up, does what its file says, prints what it saw, and takes it
/// down again.
#[derive(Debug, Parser)]
#[command(name = "labs", version, arg_required_else_help = true)]
pub struct Cli {
    /// Where control sockets and the state of labs are kept.
    #[arg(long, global = true, value_name = "DIR", env = switchd::control::RUN_DIR_VARIABLE)]
    pub run_dir: Option<PathBuf>,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Bring a lab up and leave it up.
    ///
    /// Then `labs status`, `labs exec h1 …`, `ip netns exec algo-LAB-h1 …` and `switchctl LAB-sw1 show spanning-tree` work on it.
    Up {
        /// A lab file, or the name of a built-in lab.
        lab: String,
        /// Call it this instead of the name in the file.
        #[arg(long, value_name = "NAME")]
        name: Option<String>,
        /// Do not tell of the progress.
        #[arg(long, short)]
        quiet: bool,
        /// What the VMs boot whose `machine` is qemu.
        #[command(flatten)]
        qemu: Box<crate::qemu::QemuArgs>,
    },
    /// Take a lab down, or clear what is left of one that died: nothing of it remains.
    Down {
        /// The lab; may be left out when there is only one.
        name: Option<String>,
        /// All labs.
        #[arg(long, conflicts_with = "name")]
        all: bool,
    },
    /// Labs that are up, or that have left something.
    List {
        /// Built-in labs instead, and what each shows.
        #[arg(long)]
        scenarios: bool,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// The switches of a lab, the roles and states of their ports, and a drawing.
    Status {
        /// The lab; may be left out when there is only one.
        name: Option<String>,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Run a command inside a node: `labs exec h1 ip addr`, or `labs exec ring/h1 ip addr` when several labs are up.
    Exec {
        /// The node, or LAB/NODE.
        node: String,
        /// The command and its arguments.
        #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<String>,
    },
    /// Bring a lab up, do its steps, take it down. Exit code 0 only if every check held.
    Run {
        /// A lab file, or the name of a built-in lab.
        lab: String,
        /// Call it this instead of the name in the file.
        #[arg(long, value_name = "NAME")]
        name: Option<String>,
        /// The outcome as one JSON object on standard output; the story goes to standard error.
        #[arg(long)]
        json: bool,
        /// Leave the lab up afterwards.
        #[arg(long)]
        keep: bool,
        /// What the VMs boot whose `machine` is qemu.
        #[command(flatten)]
        qemu: Box<crate::qemu::QemuArgs>,
    },
    /// Make the guest of lab vmotion-qemu, if it is not there, and say where it is: Linux and busybox from Debian packages,
    /// kept in the cache directory ($XDG_CACHE_HOME/algorhyme, ~/.cache/algorhyme). `labs run` does so by itself.
    Image {
        /// From the newest packages, also if it is there.
        #[arg(long)]
        refresh: bool,
    },
    /// Watch one address over all switches of a lab that is up: every change of its entries as it happens, with the frame
    /// that caused it, and a verdict in the end.
    ///
    /// Verdicts: clean move, double move, path changed, still; and, with exit code 3: early leak, flap, never announced,
    /// stale entry left, fell silent, not seen, bridging loop.
    Watch(crate::watch::cli::WatchArgs),
    /// Move a VM of a lab that is up to another host while a client talks to it, and tell what became of it.
    ///
    /// Before anything is copied, the VM's VLAN and that of the VMkernel ports are followed from switch to switch, each in
    /// its own spanning tree. If one does not reach the target, the VM stays, and the first port where it stops is named.
    ///
    /// Exit codes: 0 moved, and nobody noticed; 1 it was refused or failed, or it was noticed; 2 there is no such VM or
    /// host, or it runs there already.
    Migrate {
        /// The VM.
        vm: String,
        /// The host it is to go to.
        host: String,
        /// The lab; may be left out when there is only one.
        #[arg(long, value_name = "NAME")]
        lab: Option<String>,
        /// Even if a VLAN it needs does not reach the target: shows what then happens.
        #[arg(long)]
        force: bool,
        /// What became of it as one JSON object on standard output; the story goes to standard error.
        #[arg(long)]
        json: bool,
    },
    /// Run a lab in virtual time: the same switches and steps without namespaces or privilege, in a blink.
    Sim(crate::sim::cli::SimArgs),
    /// Balance a lab's VMs over its hosts: bring it up, do its steps, then move VMs from busy hosts to idle ones, round by
    /// round, while a client talks to each of them; and say why, also of what is not moved.
    ///
    /// Loads, rules, target and eagerness are the section `drs` of the lab file; without one, loads are drawn from the seed.
    ///
    /// Exit code 0 only if every move came to its end, no session was lost, no VM went to and fro, and no rule is broken.
    Drs(crate::drs::cli::DrsArgs),
    /// Print a built-in lab's file, to start one's own from.
    Show {
        /// The lab.
        lab: String,
    },
    /// How spanning tree behaves as a network grows, measured in virtual time.
    Study(crate::study::cli::Study),
    /// Measure the switch beside the kernel's bridge, Open vSwitch and VDE.
    Bench(crate::bench::cli::Bench),
    /// Print shell completions.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// A virtual machine: its memory, its network card, its service.
    #[command(hide = true)]
    Guest(crate::guest::shell::GuestArgs),
    /// A virtual machine's client with a stopwatch.
    #[command(hide = true)]
    Probe(crate::client::ProbeArgs),
    /// Waits for its standard input to end, then clears what the lab has left.
    #[command(hide = true)]
    Guard {
        /// The lab.
        name: String,
    },
    /// Keeps a core from sleeping.
    #[command(hide = true)]
    Spin {
        /// Which.
        core: usize,
    },
    /// A wire that is a process: makes taps and carries frames between them.
    #[command(hide = true)]
    Hub(crate::hub::HubArgs),
}
