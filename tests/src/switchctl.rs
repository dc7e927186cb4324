//! The program `switchctl`, run to its end.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::binaries;

/// What a run of `switchctl` said, and its exit code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spoken {
    /// The exit code.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

/// `switchctl --run-dir RUN_DIR WORDS…`, with nothing of the caller's environment but the path, not run yet.
#[must_use]
pub fn command(run_dir: &Path, words: &str) -> Command {
    let mut command = Command::new(binaries::path("switchctl"));
    command
        .arg("--run-dir")
        .arg(run_dir)
        .args(words.split_whitespace())
        .env_clear()
        .stdin(Stdio::null());
    command
}

/// Runs `switchctl --run-dir RUN_DIR WORDS…`.
///
/// # Panics
/// When it ends by a signal, or says what is no text.
#[must_use]
pub fn say(run_dir: &Path, words: &str) -> Spoken {
    let output = command(run_dir, words).output().expect("switchctl starts");
    let text = |octets| String::from_utf8(octets).expect("switchctl speaks UTF-8");
    Spoken {
        code: output.status.code().expect("switchctl ends by itself"),
        out: text(output.stdout),
        err: text(output.stderr),
    }
}
