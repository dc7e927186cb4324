//! Finding and running the peers' programs.

use std::env;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::PeerError;
use crate::netns::Namespace;

/// Where a program comes from: its name, and the Debian package that has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Package {
    /// The program.
    pub program: &'static str,
    /// The package.
    pub package: &'static str,
}

/// Where daemons are, also for a user whose `PATH` does not say so.
const SYSTEM_DIRS: [&str; 4] = ["/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/bin"];

/// The path of a program.
///
/// # Errors
/// [`PeerError::Missing`].
pub fn find(package: Package) -> Result<PathBuf, PeerError> {
    let path = env::var_os("PATH").unwrap_or_default();
    let dirs = env::split_paths(&path).chain(SYSTEM_DIRS.iter().map(PathBuf::from));
    let found = dirs
        .map(|dir| dir.join(package.program))
        .find(|path| path.is_file());
    found.ok_or(PeerError::Missing {
        program: package.program,
        package: package.package,
    })
}

/// Runs a tool to its end, in `namespace` if one is given, with `input`; what it printed.
pub(super) fn run(
    namespace: Option<&Namespace>,
    command: &mut Command,
    input: &str,
) -> Result<String, PeerError> {
    let shown = shown(command);
    let failed = |source| PeerError::io(format!("run `{shown}`"), source);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = match namespace {
        Some(namespace) => namespace.spawn(command)?,
        None => command.spawn().map_err(failed)?,
    };
    if let Some(mut stdin) = child.stdin.take() {
        // A tool that ends without reading says why itself.
        let _ = stdin.write_all(input.as_bytes());
    }
    let output = child.wait_with_output().map_err(failed)?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(PeerError::Refused {
        command: shown,
        said,
    })
}

/// A command as a person types it.
pub(super) fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let program = program.file_name().unwrap_or(command.get_program());
    let words = command.get_args().map(|word| word.to_string_lossy());
    core::iter::once(program.to_string_lossy())
        .chain(words)
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_is_named_with_its_package() {
        let error = find(Package {
            program: "no-such-switch",
            package: "no-such-package",
        })
        .unwrap_err()
        .to_string();
        assert!(error.contains("no-such-switch") && error.contains("no-such-package"));
        assert!(
            find(Package {
                program: "sh",
                package: "dash"
            })
            .is_ok()
        );
    }

    #[test]
    fn a_tool_reads_its_input_and_its_refusal_is_told() {
        assert_eq!(
            run(None, &mut Command::new("cat"), "words").unwrap(),
            "words"
        );
        let mut command = Command::new("sh");
        command.args(["-c", "echo no such bridge >&2; exit 3"]);
        let error = run(None, &mut command, "").unwrap_err().to_string();
        assert!(error.ends_with("no such bridge"), "{error}");
    }
}
