//! Plays every scenario with other people's bridges and writes docs/INTEROP.md.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;
use tests::interop::{document, measure, run, scenarios};

/// Play every scenario and write docs/INTEROP.md. Exit code 1: a bridge differs from what the graph demands, or tshark
/// complains of a BPDU of ours.
#[derive(Parser)]
#[command(name = "interop")]
struct Arguments {
    /// Print the document instead of writing it.
    #[arg(long)]
    print: bool,
    /// How often the measured triangles lose a carrier; 0 leaves the measurement out.
    #[arg(long, default_value_t = 20)]
    times: usize,
}

fn main() -> ExitCode {
    match play(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            // There is nowhere else to tell it.
            let _ = writeln!(io::stderr(), "interop: {error}");
            ExitCode::FAILURE
        }
    }
}

fn play(arguments: &Arguments) -> io::Result<bool> {
    let all = scenarios::all();
    let outcomes = run::run(&all);
    let mut wrong = run::wrong(&all, &outcomes);
    wrong.extend(run::complaints(&outcomes));
    let measured = measure::measure(arguments.times).map_err(io::Error::other)?;
    let text = document::whole(
        &document::versions(),
        &document::matrix(&all, &outcomes),
        &document::measured(&measured),
    );
    if arguments.print {
        io::stdout().write_all(text.as_bytes())?;
    } else {
        std::fs::write(document::path(), text)?;
    }
    for line in &wrong {
        writeln!(io::stderr(), "{line}")?;
    }
    Ok(wrong.is_empty())
}
