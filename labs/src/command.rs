//! What each command of `labs` does. Everything a user reads on standard output is written here.

use std::io::{self, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use clap::CommandFactory;
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;
use serde_json::{Value, json};
use switchd::control::default_run_dir;

use crate::cli::{Cli, Command};
use crate::lab::{self, Condition, Lab, LabError, Options, View, draw, interrupt};
use crate::qemu::{ImageError, QemuArgs, Setup, image};
use crate::run;
use crate::scenarios::{self, FindError, SCENARIOS};
use crate::sim::Power;
use crate::topology::Topology;
use crate::vmotion;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The lab asked for is not there, or wrong.
    #[error(transparent)]
    Find(#[from] FindError),
    /// Something about a running lab.
    #[error(transparent)]
    Lab(#[from] LabError),
    /// The command needs to be told which lab.
    #[error("{0}")]
    Usage(String),
    /// A study.
    #[error(transparent)]
    Study(#[from] crate::study::cli::StudyError),
    /// What a virtual machine of QEMU boots.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// The bench.
    #[error(transparent)]
    Bench(#[from] crate::bench::BenchError),
    /// Standard output, or a hub's tap.
    #[error("{0}")]
    Io(#[from] io::Error),
}

impl CommandError {
    /// 2 for what the user must mend, 1 for what went wrong underway.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Find(_) | Self::Usage(_) => 2,
            Self::Image(error) => error.exit_code(),
            Self::Lab(error) => error.exit_code(),
            Self::Study(error) => error.exit_code(),
            Self::Bench(error) => error.exit_code(),
            Self::Io(_) => 1,
        })
    }
}

/// Does what the command line says.
///
/// # Errors
/// Whatever the command runs into, for the caller to print.
pub fn run(cli: Cli) -> Result<ExitCode, CommandError> {
    let run_dir = cli.run_dir.unwrap_or_else(default_run_dir);
    // Daemons run elsewhere: they need the whole path.
    let run_dir = std::path::absolute(run_dir)?;
    match cli.command {
        Command::Up {
            lab,
            name,
            quiet,
            qemu,
        } => up(&run_dir, &lab, name.as_deref(), quiet, &qemu),
        Command::Down { name, all } => down(&run_dir, name.as_deref(), all),
        Command::List {
            scenarios: true,
            json,
        } => list_scenarios(json),
        Command::List {
            scenarios: false,
            json,
        } => list(&run_dir, json),
        Command::Status { name, json } => status(&run_dir, name.as_deref(), json),
        Command::Exec { node, command } => exec(&run_dir, &node, &command),
        Command::Run {
            lab,
            name,
            json,
            keep,
            qemu,
        } => {
            let told = run::Wishes { json, keep };
            run::run(&run_dir, topology(&lab, name.as_deref())?, told, &qemu)
        }
        Command::Image { refresh } => image(refresh),
        Command::Watch(args) => watch(&run_dir, &args),
        Command::Migrate {
            vm,
            host,
            lab,
            force,
            json,
        } => {
            let order = vmotion::Order {
                vm: &vm,
                to: &host,
                force,
            };
            migrate(&run_dir, lab.as_deref(), order, json)
        }
        Command::Sim(args) => simulate(&args),
        Command::Drs(args) => {
            let lab = topology(&args.lab, args.name.as_deref())?;
            let ok = crate::drs::cli::run(&args, &run_dir, lab)?;
            Ok(ExitCode::from(u8::from(!ok)))
        }
        Command::Show { lab } => show(&lab),
        Command::Study(study) => Ok(crate::study::cli::run(&study)?),
        Command::Bench(bench) => Ok(crate::bench::cli::run(&bench, &run_dir)?),
        Command::Guard { name } => {
            lab::guard(&run_dir, &name)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Spin { core } => spin(core),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "labs", &mut io::stdout());
            Ok(ExitCode::SUCCESS)
        }
        Command::Guest(args) => done(crate::guest::shell::run(&args)),
        Command::Probe(args) => done(crate::client::run(&args)),
        Command::Hub(args) => {
            crate::hub::run(&args)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// What `labs watch` answers when not all is as it should be.
const EXIT_VERDICT: u8 = 3;

fn watch(run_dir: &Path, args: &crate::watch::cli::WatchArgs) -> Result<ExitCode, CommandError> {
    let lab = Lab::open(run_dir, &the_lab(run_dir, args.lab.as_deref())?)?;
    let verdict = crate::watch::cli::run(&lab, args)?;
    Ok(match verdict.is_good() {
        true => ExitCode::SUCCESS,
        false => ExitCode::from(EXIT_VERDICT),
    })
}

fn migrate(
    run_dir: &Path,
    lab: Option<&str>,
    order: vmotion::Order<'_>,
    json: bool,
) -> Result<ExitCode, CommandError> {
    let lab = open_up(run_dir, lab)?;
    order.check(&lab.topology)?;
    lab::check_privilege().map_err(LabError::from)?;
    interrupt::catch()?;
    let start = crate::guest::shell::monotonic();
    let report = vmotion::migrate(&lab, order, vmotion::Options { json, start })?;
    Ok(ExitCode::from(u8::from(!report.ok)))
}

/// The lab meant, which must be up and whole.
fn open_up(run_dir: &Path, name: Option<&str>) -> Result<Lab, CommandError> {
    let lab = Lab::open(run_dir, &the_lab(run_dir, name)?)?;
    if lab.condition() == Condition::Up {
        return Ok(lab);
    }
    let name = lab.name();
    let dead = lab
        .processes()
        .into_iter()
        .filter(|(_, _, identity)| !identity.is_alive());
    let dead: Vec<String> = dead
        .map(|(node, role, identity)| format!("{role} of {node} (pid {}) has died", identity.pid))
        .collect();
    let why = if dead.is_empty() {
        "it was never finished".to_owned()
    } else {
        dead.join(", ")
    };
    Err(CommandError::Usage(format!(
        "the lab {name} is broken: {why}; `labs down {name}` clears it"
    )))
}

fn simulate(args: &crate::sim::cli::SimArgs) -> Result<ExitCode, CommandError> {
    let ok = crate::sim::cli::run(args, topology(&args.lab, None)?)?;
    Ok(ExitCode::from(u8::from(!ok)))
}

/// Uses up a core until it is ended; `labs bench` lowers its priority.
fn spin(core: usize) -> Result<ExitCode, CommandError> {
    let mut cores = CpuSet::new();
    cores.set(core).map_err(io::Error::from)?;
    sched_setaffinity(Pid::from_raw(0), &cores).map_err(io::Error::from)?;
    loop {
        core::hint::spin_loop();
    }
}

/// The end of a process that is part of a lab.
fn done(result: anyhow::Result<()>) -> Result<ExitCode, CommandError> {
    match result {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(error) => Err(LabError::Other(format!("{error:#}")).into()),
    }
}

/// Writes to standard output; a reader that has gone away ends the program quietly, as it does other tools.
pub(crate) fn print(text: &str) -> Result<(), io::Error> {
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        done => done,
    }
}

fn topology(lab: &str, name: Option<&str>) -> Result<Topology, CommandError> {
    let mut topology = scenarios::find(lab)?;
    if let Some(name) = name {
        let rename = topology.rename(name);
        rename.map_err(CommandError::Usage)?;
    }
    Ok(topology)
}

fn up(
    run_dir: &Path,
    lab: &str,
    name: Option<&str>,
    quiet: bool,
    qemu: &QemuArgs,
) -> Result<ExitCode, CommandError> {
    let topology = topology(lab, name)?;
    interrupt::catch()?;
    let start = Instant::now();
    let progress = |text: &str| {
        if !quiet {
            eprintln!("[{:6.3}] {text}", start.elapsed().as_secs_f64());
        }
    };
    let setup = Setup::prepare(&topology, qemu, &progress)?;
    let options = Options {
        run_dir,
        owned: false,
        progress: &progress,
    };
    let lab = lab::up(topology, &options)?;
    if let Err(error) = vmotion::boot(&lab, setup) {
        lab::down(run_dir, lab.name())?;
        return Err(error.into());
    }
    progress(&format!("{} is up", lab.name()));
    Ok(ExitCode::SUCCESS)
}

fn down(run_dir: &Path, name: Option<&str>, all: bool) -> Result<ExitCode, CommandError> {
    let names = if all {
        lab::names(run_dir)
    } else {
        vec![the_lab(run_dir, name)?]
    };
    let mut first = None;
    for name in names {
        match lab::down(run_dir, &name) {
            Ok(()) => eprintln!("{name} is down"),
            Err(error) => {
                eprintln!("{name}: {error}");
                first.get_or_insert(error);
            }
        }
    }
    match first {
        Some(error) => Ok(ExitCode::from(error.exit_code())),
        None => Ok(ExitCode::SUCCESS),
    }
}

/// The lab meant: the one named, else the only one.
fn the_lab(run_dir: &Path, name: Option<&str>) -> Result<String, CommandError> {
    if let Some(name) = name {
        return Ok(name.to_owned());
    }
    match lab::names(run_dir).as_slice() {
        [only] => Ok(only.clone()),
        [] => Err(CommandError::Usage(
            "no lab is up (`labs up NAME` starts one, `labs list --scenarios` shows which)"
                .to_owned(),
        )),
        several => Err(CommandError::Usage(format!(
            "several labs are up, name one: {}",
            several.join(", ")
        ))),
    }
}

fn list_scenarios(json: bool) -> Result<ExitCode, CommandError> {
    if json {
        let list: Vec<Value> = SCENARIOS
            .iter()
            .map(|scenario| json!({"name": scenario.name, "shows": scenario.headline()}))
            .collect();
        print(&format!("{}\n", Value::from(list)))?;
        return Ok(ExitCode::SUCCESS);
    }
    for scenario in SCENARIOS {
        print(&format!("{:<16} {}\n", scenario.name, scenario.headline()))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn image(refresh: bool) -> Result<ExitCode, CommandError> {
    let cache = image::cache()?;
    if refresh {
        image::forget(&cache)?;
    }
    let made = image::packaged(&cache, &|text| eprintln!("{text}"))?;
    for path in [made.kernel, made.initrd].into_iter().flatten() {
        print(&format!("{}\n", path.display()))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn show(name: &str) -> Result<ExitCode, CommandError> {
    print(&scenarios::find(name)?.source)?;
    Ok(ExitCode::SUCCESS)
}

fn list(run_dir: &Path, as_json: bool) -> Result<ExitCode, CommandError> {
    let mut lines = Vec::new();
    for name in lab::names(run_dir) {
        let condition = lab::condition(run_dir, &name);
        let word = match condition {
            Condition::Up => "up",
            Condition::Partial => "half made",
            Condition::Broken => "broken",
        };
        let nodes = Lab::open(run_dir, &name).map_or(0, |lab| lab.topology.nodes.len());
        lines.push((name, word, nodes));
    }
    if as_json {
        let list: Vec<Value> = lines
            .iter()
            .map(|(name, word, nodes)| json!({"lab": name, "condition": word, "nodes": nodes}))
            .collect();
        print(&format!("{}\n", Value::from(list)))?;
    } else if lines.is_empty() {
        eprintln!("no lab is up");
    } else {
        for (name, word, nodes) in lines {
            let hint = if word == "up" {
                String::new()
            } else {
                format!("  (`labs down {name}` clears it)")
            };
            print(&format!("{name:<24} {word:<9} {nodes:>4} nodes{hint}\n"))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn status(run_dir: &Path, name: Option<&str>, as_json: bool) -> Result<ExitCode, CommandError> {
    let lab = open_up(run_dir, name)?;
    let view = View::of(&lab)?;
    if as_json {
        print(&format!("{}\n", status_json(&lab, &view)))?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut text = String::from(
        "Switch           Pid      Root             Ports\n---------------- -------- ---------------- ------------------------------\n",
    );
    for (name, _) in lab.topology.switches() {
        let Some(switch) = view.switches.get(name) else {
            let word = match lab.power(name) {
                Power::On => "gone",
                Power::Off => "off",
                Power::Frozen => "frozen",
            };
            text.push_str(&format!("{name:<16} {word}\n"));
            continue;
        };
        let root = match switch.root {
            None => "no spanning tree".to_owned(),
            Some(_) if switch.is_root() => "this switch".to_owned(),
            Some(root) => view
                .name_of(root)
                .map_or_else(|| root.to_string(), str::to_owned),
        };
        let ports = switch.ports.iter().map(|(port, seen)| {
            let words = [
                port,
                draw::short_role(&seen.role),
                draw::short_state(&seen.state),
            ];
            words
                .into_iter()
                .filter(|word| !word.is_empty())
                .collect::<Vec<_>>()
                .join(" ")
        });
        let ports = ports.collect::<Vec<_>>().join(", ");
        text.push_str(&format!(
            "{name:<16} {:<8} {root:<16} {ports}\n",
            switch.pid
        ));
    }
    print(&format!("{text}\n{}", draw::draw(&lab.current(), &view)))?;
    Ok(ExitCode::SUCCESS)
}

fn status_json(lab: &Lab, view: &View) -> Value {
    let switch = |(name, switch): (&String, &lab::SwitchView)| {
        let port = |(name, port): (&String, &lab::PortView)| json!({"port": name, "role": port.role, "state": port.state, "link": port.link});
        json!({
            "switch": name,
            "pid": switch.pid,
            "address": switch.address.to_string(),
            "priority": switch.priority,
            "root": switch.root.map(|root| root.to_string()),
            "is_root": switch.is_root(),
            "root_path_cost": switch.root_path_cost,
            "ports": switch.ports.iter().map(port).collect::<Vec<_>>(),
        })
    };
    json!({
        "lab": lab.name(),
        "converged": view.is_converged(),
        "vms": view.vms,
        "switches": view.switches.iter().map(switch).collect::<Vec<_>>(),
    })
}

fn exec(run_dir: &Path, node: &str, command: &[String]) -> Result<ExitCode, CommandError> {
    let (lab, node) = match node.split_once('/') {
        Some((lab, node)) => (Some(lab), node),
        None => (None, node),
    };
    let lab = Lab::open(run_dir, &the_lab(run_dir, lab)?)?;
    let namespace = lab.node_namespace(node)?;
    let [program, arguments @ ..] = command else {
        return Err(CommandError::Usage("exec needs a command".to_owned()));
    };
    let mut child = std::process::Command::new(program);
    child.args(arguments);
    let status = namespace
        .spawn(&mut child)
        .map_err(LabError::from)?
        .wait()?;
    // As a shell has it: 128 and the signal's number.
    let code = status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal))
        .unwrap_or(1);
    Ok(ExitCode::from(u8::try_from(code).unwrap_or(1)))
}
