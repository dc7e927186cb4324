//! `labs`: runs topology files on namespaces.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let cli = labs::cli::Cli::parse();
    match labs::command::run(cli) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("labs: {error}");
            error.exit_code()
        }
    }
}
