//! The command line of `switchctl`: words into commands, and what all binaries do on a terminal.

mod help;
mod parse;
mod watch;
mod words;

use std::io::{self, Write};
use std::process::ExitCode;

pub use help::{HELP, command};
pub use parse::{Action, Output, parse};
pub use watch::{WatchWords, time};
pub use words::ParseError;

/// Writes `text` to standard output. A reader who went away (a closed pipe) is no failure.
#[must_use]
pub fn print(text: &str) -> ExitCode {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cannot write: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The completion script of a program for a shell.
#[must_use]
pub fn completions(shell: clap_complete::Shell, command: &mut clap::Command) -> String {
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(shell, command, name, &mut script);
    String::from_utf8_lossy(&script).into_owned()
}
