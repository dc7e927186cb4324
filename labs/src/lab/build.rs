//! Bringing a lab up: namespaces, then links, then daemons, then hosts, each stage in parallel.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use switchd::control::{self, Client, ClientError, socket_path};

use super::process::Identity;
use super::state::{self, Condition, Journal, Lock, Record};
use super::{
    Lab, LabError, clear, config, interrupt, namespace_name, privilege, switch_name, wiring,
};
use crate::netns::Namespace;
use crate::topology::Topology;

/// How long a switch may take until it answers. It takes some 10 ms; a debug build on a busy machine a few hundred.
const READY_PATIENCE: Duration = Duration::from_secs(10);
/// How often a starting switch is asked.
const POLL: Duration = Duration::from_millis(10);
/// How many nodes are worked on at once: the work is waiting for the kernel and for daemons.
const WORKERS: usize = 8;
/// The variable that names the directory of `switchd` and `labs`, for programs that are not beside them.
pub(super) const BIN_DIR_VARIABLE: &str = "ALGORHYME_BIN_DIR";
/// How much of a daemon's log goes into an error.
const LAST_WORDS: usize = 2000;

/// How a lab is brought up.
pub struct Options<'a> {
    /// Where sockets and the lab's own directory are made.
    pub run_dir: &'a Path,
    /// Whether the lab shall not outlive this process: when it dies, the next `up` clears the lab instead of
    /// complaining that it is up.
    pub owned: bool,
    /// Is told what has been done, a line at a time, from several threads.
    pub progress: &'a (dyn Fn(&str) + Sync),
}

impl core::fmt::Debug for Options<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Options")
            .field("run_dir", &self.run_dir)
            .field("owned", &self.owned)
            .finish_non_exhaustive()
    }
}

/// What the stages of a build share.
pub(super) struct Site<'a> {
    pub(super) topology: &'a Topology,
    /// With the links of `connect` steps.
    pub(super) whole: &'a Topology,
    pub(super) run_dir: &'a Path,
    pub(super) journal: Journal,
    progress: &'a (dyn Fn(&str) + Sync),
}

/// Brings the lab `topology` up. What an earlier, dead run of the same name left is cleared first.
///
/// # Errors
/// When it is up already, the system lacks something, or any part fails: then all that was made is cleared again.
pub fn up(topology: Topology, options: &Options<'_>) -> Result<Lab, LabError> {
    privilege::check()?;
    let name = topology.name.clone();
    let run_dir = options.run_dir;
    let _lock = Lock::take(run_dir, &name)?;
    clear_leftovers(run_dir, &name, options.progress)?;
    let dir = state::lab_dir(run_dir, &name);
    state::make_dir(&dir)
        .map_err(|source| LabError::io(format!("make {}", dir.display()), source))?;
    let lab = Lab::new(topology, run_dir);
    match Site::of(&lab, options.progress).build(options.owned) {
        Ok(()) => Ok(lab),
        Err(error) => {
            (options.progress)("failed: clearing what was made");
            clear::clear(run_dir, &name)?;
            Err(error)
        }
    }
}

fn clear_leftovers(
    run_dir: &Path,
    name: &str,
    progress: &(dyn Fn(&str) + Sync),
) -> Result<(), LabError> {
    if !state::lab_dir(run_dir, name).exists() {
        return Ok(());
    }
    match state::condition(&Journal::of(run_dir, name).read()) {
        Condition::Up => Err(LabError::AlreadyUp {
            name: name.to_owned(),
        }),
        Condition::Partial | Condition::Broken => {
            progress("clearing what an earlier run has left");
            clear::clear(run_dir, name)
        }
    }
}

impl<'a> Site<'a> {
    pub(super) fn of(lab: &'a Lab, progress: &'a (dyn Fn(&str) + Sync)) -> Self {
        Self {
            topology: &lab.topology,
            whole: &lab.whole,
            run_dir: &lab.run_dir,
            journal: lab.journal(),
            progress,
        }
    }

    fn build(&self, owned: bool) -> Result<(), LabError> {
        self.write_file("lab.yml", &self.topology.source)?;
        if owned {
            self.journal.write(&Record::Owner {
                owner: Identity::own(),
            })?;
        }
        let namespaces: Vec<String> = self.namespaces();
        each(&namespaces, |name| self.make_namespace(name))?;
        self.say(&format!("{} namespaces", namespaces.len()));
        let links: Vec<usize> = (0..self.topology.links.len()).collect();
        each(&links, |&link| wiring::lay(self, link))?;
        self.say(&format!("{} links", links.len()));
        let switches: Vec<&str> = self.topology.switches().map(|(name, _)| name).collect();
        each(&switches, |switch| {
            self.write_file(&config_file(switch), &config::toml(self, switch)?)?;
            self.start_switch(switch)
        })?;
        let hosts: Vec<&str> = self.topology.hosts().map(|(name, _)| name).collect();
        each(&hosts, |host| wiring::furnish(self, host))?;
        self.say(&format!("{} hosts", hosts.len()));
        self.journal.write(&Record::Up)
    }

    pub(super) fn make_namespace(&self, name: &str) -> Result<(), LabError> {
        self.journal.write(&Record::Namespace {
            name: name.to_owned(),
        })?;
        Namespace::create(name)?;
        Ok(())
    }

    /// Every namespace of the lab: switches, hosts, wires that are processes.
    fn namespaces(&self) -> Vec<String> {
        let switches = self.topology.switches().map(|(name, _)| name);
        let hosts = self.topology.hosts().map(|(name, _)| name);
        let nodes = switches.chain(hosts).map(|node| self.namespace_name(node));
        let hubs = (0..self.topology.links.len())
            .filter(|&link| wiring::medium(self.whole, link) == wiring::Medium::Hub);
        nodes
            .chain(hubs.map(|link| self.namespace_name(&wiring::hub_node(link))))
            .collect()
    }

    /// Starts a switch with the configuration that lies in its file.
    pub(super) fn start_switch(&self, name: &str) -> Result<(), LabError> {
        let own_name = switch_name(&self.topology.name, name);
        let file = self.dir().join(config_file(name));
        let log = self.dir().join(format!("{name}.log"));
        let mut command = Command::new(program("switchd")?);
        command.arg("--config").arg(file).stdin(Stdio::null());
        let output = File::options()
            .create(true)
            .append(true)
            .open(&log)
            .and_then(|file| Ok((file.try_clone()?, file)));
        let (stdout, stderr) =
            output.map_err(|source| LabError::io(format!("write {}", log.display()), source))?;
        command.stdout(stdout).stderr(stderr);
        let path = socket_path(self.run_dir, &own_name);
        self.journal.write(&Record::Socket { path: path.clone() })?;
        let namespace = self.namespace(name)?;
        let mut child = spawn(&self.journal, &namespace, name, "switchd", &mut command)?;
        let end = Instant::now() + READY_PATIENCE;
        while let Err(error) = ready(&path) {
            let exited = child.try_wait();
            let exited = exited.map_err(|source| LabError::io(format!("watch {name}"), source))?;
            if exited.is_some() || Instant::now() > end {
                let said = last_words(&log);
                let reason = if said.is_empty() {
                    error.to_string()
                } else {
                    said
                };
                return Err(LabError::Start {
                    node: name.to_owned(),
                    program: "switchd",
                    reason,
                });
            }
            interrupt::pause(POLL)?;
        }
        self.say(&format!("{name}: switchd {} answers", child.id()));
        Ok(())
    }

    pub(super) fn namespace_name(&self, node: &str) -> String {
        namespace_name(&self.topology.name, node)
    }

    pub(super) fn namespace(&self, node: &str) -> Result<Namespace, LabError> {
        Ok(Namespace::open(&self.namespace_name(node))?)
    }

    pub(super) fn dir(&self) -> PathBuf {
        state::lab_dir(self.run_dir, &self.topology.name)
    }

    pub(super) fn write_file(&self, name: &str, text: &str) -> Result<PathBuf, LabError> {
        let path = self.dir().join(name);
        fs::write(&path, text)
            .map_err(|source| LabError::io(format!("write {}", path.display()), source))?;
        Ok(path)
    }

    fn say(&self, text: &str) {
        (self.progress)(text);
    }
}

/// The name of a switch's configuration file.
pub(super) fn config_file(switch: &str) -> String {
    format!("{switch}.toml")
}

/// The socket is there before the ports are; a question is answered when both are.
fn ready(socket: &Path) -> Result<(), ClientError> {
    Client::connect(socket)?.call(&control::Command::ShowVersion)?;
    Ok(())
}

/// Starts `command` inside `namespace`, away from the terminal's signals, and writes it down.
pub(super) fn spawn(
    journal: &Journal,
    namespace: &Namespace,
    node: &str,
    role: &str,
    command: &mut Command,
) -> Result<Child, LabError> {
    use std::os::unix::process::CommandExt;
    let child = namespace.spawn(command.process_group(0))?;
    let identity = i32::try_from(child.id()).ok().and_then(Identity::of);
    // A child that is dead by now needs no line: whoever waits for it will say so.
    if let Some(identity) = identity {
        journal.write(&Record::Process {
            node: node.to_owned(),
            role: role.to_owned(),
            identity,
        })?;
    }
    Ok(child)
}

/// The path of a program of ours: beside the running one, where cargo and a package put them.
pub(crate) fn program(name: &'static str) -> Result<PathBuf, LabError> {
    let own = std::env::current_exe()
        .map_err(|source| LabError::io("find the running program", source))?;
    let beside = own.parent().map(Path::to_owned).unwrap_or_default();
    let named = std::env::var_os(BIN_DIR_VARIABLE).map(PathBuf::from);
    // A test's executable is in `deps`, one level below the programs.
    let above = beside.parent().map(Path::to_owned);
    let dirs = named.into_iter().chain([beside.clone()]).chain(above);
    let found = dirs.map(|dir| dir.join(name)).find(|path| path.is_file());
    found.ok_or(LabError::Program {
        program: name,
        beside,
    })
}

/// The end of a daemon's log, without blank lines.
pub(crate) fn last_words(log: &Path) -> String {
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text[text.len().saturating_sub(LAST_WORDS)..]).into_owned();
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    lines.join("; ")
}

/// Does `work` for each of `items`, [`WORKERS`] at a time. After the first error no further item is begun.
fn each<T: Sync>(
    items: &[T],
    work: impl Fn(&T) -> Result<(), LabError> + Sync,
) -> Result<(), LabError> {
    let next = AtomicUsize::new(0);
    let failure: Mutex<Option<LabError>> = Mutex::new(None);
    let failed = || failure.lock().map_or(true, |failure| failure.is_some());
    let worker = || {
        while let Some(item) = items
            .get(next.fetch_add(1, Ordering::Relaxed))
            .filter(|_| !failed())
        {
            let done = interrupt::check().and_then(|()| work(item));
            if let (Err(error), Ok(mut failure)) = (done, failure.lock()) {
                failure.get_or_insert(error);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..WORKERS.min(items.len()) {
            scope.spawn(worker);
        }
    });
    match failure.into_inner() {
        Ok(None) => Ok(()),
        Ok(Some(error)) => Err(error),
        Err(_) => Err(LabError::io(
            "work in parallel",
            io::Error::other("a worker panicked"),
        )),
    }
}
