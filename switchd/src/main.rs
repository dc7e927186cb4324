//! `switchd`: one switch, one process.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;
use clap::{CommandFactory, Parser};
use switchd::config::{self, Config, ConfigError, Flags, RawConfig, World};
use switchd::control::{CLIENTS_MAX, Unserved, execute, socket_path};
use switchd::{Daemon, Inputs, Signals, Waker, cli};

/// The configuration is wrong; clap uses the same for usage.
const EXIT_CONFIG: u8 = 2;

fn main() -> ExitCode {
    let flags = Flags::parse();
    if let Some(shell) = flags.completions {
        return cli::print(&cli::completions(shell, &mut Flags::command()));
    }
    let config = match read(&flags) {
        Ok(config) => config,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(EXIT_CONFIG);
        }
    };
    if flags.check {
        return cli::print(&format!(
            "switch '{}': configuration is good, {} ports\n",
            config.name,
            config.ports.len()
        ));
    }
    match run(config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("switchd: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The configuration: the file's, if one is named, with the flags' over it.
fn read(flags: &Flags) -> Result<Config, ConfigError> {
    let mut raw = match &flags.config {
        Some(path) => config::read_file(path)?,
        None => RawConfig::default(),
    };
    raw.extend(flags.raw());
    raw.check(World::default())
}

/// Runs until SIGTERM or SIGINT; everything made is gone when this returns.
fn run(config: Config) -> anyhow::Result<()> {
    let signals = Signals::block().context("cannot take signals")?;
    let waker = Waker::new().context("cannot make an eventfd")?;
    let (requests, asked) = crossbeam_channel::bounded(CLIENTS_MAX);
    let wake = waker.clone();
    let (name, run_dir) = (config.name.clone(), config.run_dir.clone());
    // First the name, then the ports: a second switch of this name is refused before it touches anything.
    let (control, events) = Unserved::bind(&run_dir, &name, requests, move || wake.wake())?;
    let inputs = Inputs {
        requests: asked,
        waker,
        signals: Some(signals),
        execute,
        events: Some(events),
    };
    let mut daemon = Daemon::start(config, inputs)?;
    // After the ports: a second thread takes its time from them, and slows down what the first does with memory.
    let _server = control.serve().context("cannot start a thread")?;
    // A line, a write: standard error has no buffer.
    let line = format!(
        "switchd: {name} runs, control socket {}; ask it: switchctl {name} show interfaces\n",
        socket_path(&run_dir, &name).display()
    );
    // There may be nobody to tell.
    let _ = std::io::stderr().write_all(line.as_bytes());
    let ran = daemon.run().context("the loop cannot go on");
    // First the ports, then the name: who finds it free finds the ports free.
    drop(daemon);
    ran
}
