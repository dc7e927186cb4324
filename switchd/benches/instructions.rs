//! What a frame costs the core, in instructions as callgrind counts them: `make callgrind`.
//!
//! Wall time says little on a busy machine; instructions repeat. The figures of each operation are kept in
//! `instructions.toml`; one that has grown beyond the tolerance fails. `make callgrind UPDATE=1` writes new figures:
//! a change that moves them commits them, and says why.

mod scene;

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;
use std::process::{Command, ExitCode};

use serde::{Deserialize, Serialize};

/// The function in which callgrind counts; a name that nothing else has.
const REGION: &str = "callgrind_region";
/// Done once before counting: caches and tables are warm then, and loaders have resolved what they resolve late.
const WARM_UP: u32 = 100;
/// Counted together.
const COUNTED: u32 = 1_000;
/// How many percent more instructions are no failure, with the compiler that made the figures.
const TOLERANCE: u64 = 5;
/// The same with another compiler, whose code is other code.
const TOLERANCE_OTHER_COMPILER: u64 = 25;
/// A difference as small as this is none, whatever percentage it is.
const TOLERANCE_INSTRUCTIONS: u64 = 4;

/// The figures kept in the tree.
#[derive(Debug, Deserialize, Serialize)]
struct Figures {
    /// The compiler that made them.
    rustc: String,
    /// Instructions of each operation.
    instructions: BTreeMap<String, u64>,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match words.as_slice() {
        ["--run", name] => {
            run(name);
            Ok(true)
        }
        words => compare(words.contains(&"--update")),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("instructions: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Under callgrind: one operation.
fn run(name: &str) {
    let operations = scene::operations();
    let mut operation = operations
        .into_iter()
        .find(|operation| operation.name == name)
        .expect("named by the process that started this one");
    for _ in 0..WARM_UP {
        (operation.run)();
    }
    callgrind_region(&mut operation.run);
}

#[inline(never)]
fn callgrind_region(run: &mut dyn FnMut()) {
    for _ in 0..COUNTED {
        run();
    }
}

/// Counts every operation and holds it against its figure; says whether all keep theirs.
fn compare(update: bool) -> Result<bool, Box<dyn Error>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/instructions.toml");
    let rustc = compiler()?;
    let kept: Option<Figures> = match std::fs::read_to_string(&path) {
        Ok(text) => Some(toml::from_str(&text)?),
        Err(_) if update => None,
        Err(error) => return Err(format!("{}: {error}", path.display()).into()),
    };
    let same = kept.as_ref().is_some_and(|kept| kept.rustc == rustc);
    let percent = if same {
        TOLERANCE
    } else {
        TOLERANCE_OTHER_COMPILER
    };
    if let Some(kept) = kept.as_ref().filter(|_| !same) {
        eprintln!(
            "figures are of {}, this is {rustc}: {percent} % are tolerated",
            kept.rustc
        );
    }
    let (mut instructions, mut good) = (BTreeMap::new(), true);
    eprintln!("{:<28} {:>8} {:>8}", "instructions", "kept", "now");
    for operation in scene::operations() {
        let now = count(operation.name)?;
        let figure = kept
            .as_ref()
            .and_then(|kept| kept.instructions.get(operation.name));
        let verdict = match figure {
            None => "no figure is kept",
            Some(&kept) if now > kept + (kept * percent / 100).max(TOLERANCE_INSTRUCTIONS) => {
                "MORE"
            }
            Some(&kept) if now + (kept * percent / 100).max(TOLERANCE_INSTRUCTIONS) < kept => {
                "less: keep the gain with UPDATE=1"
            }
            Some(_) => "",
        };
        good &= figure.is_some() && verdict != "MORE";
        let kept = figure.map_or_else(|| "-".to_owned(), u64::to_string);
        eprintln!("{:<28} {kept:>8} {now:>8}  {verdict}", operation.name);
        instructions.insert(operation.name.to_owned(), now);
    }
    if update {
        let text = toml::to_string(&Figures {
            rustc,
            instructions,
        })?;
        std::fs::write(&path, text)?;
        return Ok(true);
    }
    Ok(good)
}

/// Starts this program under callgrind for one operation; instructions per repetition.
fn count(name: &str) -> Result<u64, Box<dyn Error>> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(format!("--toggle-collect=*{REGION}*"))
        .arg(std::env::current_exe()?)
        .args(["--run", name])
        .output()
        .map_err(|error| format!("cannot start valgrind: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    let collected = said
        .lines()
        .find_map(|line| line.split_once("Collected :"))
        .and_then(|(_, count)| count.trim().parse::<u64>().ok())
        .filter(|&count| output.status.success() && count > 0);
    match collected {
        Some(count) => Ok(count / u64::from(COUNTED)),
        None => Err(format!("valgrind counted nothing for '{name}':\n{said}").into()),
    }
}

fn compiler() -> Result<String, Box<dyn Error>> {
    let output = Command::new("rustc").arg("--version").output()?;
    let said = String::from_utf8(output.stdout)?;
    let version = said.split_whitespace().take(2).collect::<Vec<_>>();
    Ok(version.join(" "))
}
