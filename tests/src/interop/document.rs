//! `docs/INTEROP.md`, written by a run.

use core::fmt::Write as _;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use super::dissect;
use super::measure::Measured;
use super::plan::{Brand, Scenario, name};
use super::play::Outcome;

/// Where the matrix begins: everything up to the next heading belongs to it.
const MATRIX: &str = "## Matrix\n";

const HEAD: &str = "\
# Interoperability

Spanning tree with other people's bridges, live: processes in network namespaces, veth pairs, real frames. `make interop`
plays every scenario below and writes this file; `make test` plays them too, and fails if a bridge does not agree or if
the matrix is no longer what is played.

After the start and after everything that happens, the bridges must *agree* with the tree that follows from the graph,
found by code that shares nothing with ours: every port of every bridge has its role (where the brand tells it) and state,
every bridge the root and the cost; on every cable of ours the designated bridge speaks the version that both understand;
a broadcast of every bridge's host comes to every other host exactly once, and nobody ever hears three copies of one
(except while rapid bridges whose root died or got worse still believe its old word, when the standard excludes no loop:
[STP.md](STP.md)); if a
port began to forward, every bridge has noticed the topology change (Open vSwitch does not say), and neither ours nor
Open vSwitch keeps an address at a port that no longer leads to its host. Linux's bridge is not held to the last: it keeps
such entries for as long as they age, and sends by them. Nor is Open vSwitch held to forwarding by what its RSTP has decided: of
a port that begins to forward its datapath may go on dropping the frames of a host that never pauses, so it is told to
look again (`revalidator/purge`) before hosts are listened to.

Every BPDU that our ports send meanwhile is read by tshark, which must not complain; its fields are asked for in
`tests/tests/interop.rs`. All bridges have the fastest legal times: max age 6 s, hello time 1 s, forward delay 4 s (Open
vSwitch's RSTP: hello time 2 s). Where ours have epochs ([TREES.md](TREES.md)), which the others do not know, no port may move,
nor a topology change come, for another 4 s in the end.

";

/// The document.
#[must_use]
pub fn path() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/INTEROP.md"))
}

/// The whole document.
#[must_use]
pub fn whole(peers: &str, matrix: &str, measured: &str) -> String {
    format!("{HEAD}{peers}{matrix}{measured}")
        .trim_end()
        .to_owned()
        + "\n"
}

/// Which peers, in the versions of this machine.
///
/// # Panics
/// When one is missing.
#[must_use]
pub fn versions() -> String {
    let ovs = Command::new("ovs-vsctl").arg("--version").output();
    let ovs = ovs.unwrap_or_else(|error| panic!("ovs-vsctl: {error}; run `make setup`"));
    let ovs = String::from_utf8_lossy(&ovs.stdout).into_owned();
    let ovs = ovs
        .lines()
        .next()
        .and_then(|line| line.split_whitespace().last());
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").expect("Linux");
    // What stands behind the numbers names who built it.
    let kernel = kernel.trim().split('-').next();
    format!(
        "## Peers\n\n| peer | version | speaks |\n| --- | --- | --- |\n| Linux's bridge | {} | STP |\n| Open vSwitch, \
         userspace datapath | {} | STP, RSTP |\n| tshark | {} | reads all of them |\n\n",
        kernel.unwrap_or_default(),
        ovs.unwrap_or_default(),
        dissect::version(),
    )
}

/// The matrix: what was played, and what came of it.
#[must_use]
pub fn matrix(scenarios: &[Scenario], outcomes: &[Option<Outcome>]) -> String {
    let mut text = format!(
        "{MATRIX}\nBridges are called a, b, c in the order in which they stand, their ports p1, p2 in the order of the \
         cables.\n\n| scenario | bridges | what happens | the tree | verdict |\n| --- | --- | --- | --- | --- |\n"
    );
    for (scenario, outcome) in scenarios.iter().zip(outcomes) {
        let rows = outcome.iter().flat_map(|outcome| {
            let failed = outcome.wrong.as_ref().map(|_| outcome.rows.len() - 1);
            let row = move |(index, row)| (row, failed == Some(index));
            outcome.rows.iter().enumerate().map(row)
        });
        for (index, ((what, tree), failed)) in rows.enumerate() {
            let (title, bridges) = match index {
                0 => (scenario.name, bridges(scenario)),
                _ => ("", String::new()),
            };
            let verdict = if failed { "**differs**" } else { "agree" };
            // A string takes every word.
            let _ = writeln!(
                text,
                "| {title} | {bridges} | {what} | {tree} | {verdict} |"
            );
        }
    }
    text.push('\n');
    text
}

/// The silences, as a table.
#[must_use]
pub fn measured(all: &[Measured]) -> String {
    if all.is_empty() {
        return String::new();
    }
    let mut text = "## Measured\n\nThree bridges of one brand in a triangle, RSTP, their hosts; one host sends another a frame a \
         millisecond. How long it hears nothing when something fails, in the run that wrote this:\n\n\
         | triangle | what fails | median | least | most | times |\n| --- | --- | --- | --- | --- | --- |\n"
        .to_owned();
    for one in all {
        let ms = |time: Duration| format!("{:.1} ms", time.as_secs_f64() * 1e3);
        let extreme = |found: Option<&Duration>| ms(found.copied().unwrap_or_default());
        // A string takes every word.
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} |",
            one.who,
            one.what,
            ms(one.median()),
            extreme(one.silences.iter().min()),
            extreme(one.silences.iter().max()),
            one.silences.len(),
        );
    }
    text
}

fn bridges(scenario: &Scenario) -> String {
    let bridges = scenario.bridges.iter().enumerate().map(|(index, bridge)| {
        let brand = match bridge.brand {
            Brand::Ours => "ours",
            Brand::Kernel => "kernel",
            Brand::Ovs => "Open vSwitch",
        };
        let epochs = if bridge.epochs { " with epochs" } else { "" };
        format!(
            "{} {brand} {}{epochs} {}",
            name(index),
            bridge.speech,
            bridge.priority
        )
    });
    bridges.collect::<Vec<_>>().join(", ")
}

/// The matrix in a document.
#[must_use]
pub fn matrix_in(document: &str) -> Option<&str> {
    let start = document.find(MATRIX)?;
    let rest = &document[start + MATRIX.len()..];
    let end = rest.find("\n## ").map_or(rest.len(), |end| end + 1);
    Some(&document[start..start + MATRIX.len() + end])
}

/// The first line in which two matrices differ.
#[must_use]
pub fn difference(committed: &str, played: &str) -> Option<String> {
    let mut lines = played.trim_end().lines();
    let mut old = committed.trim_end().lines();
    loop {
        match (old.next(), lines.next()) {
            (None, None) => return None,
            (old, new) if old == new => {}
            (old, new) => {
                let [old, new] = [old, new].map(|line| line.unwrap_or("(nothing)"));
                return Some(format!(
                    "docs/INTEROP.md says\n  {old}\nbut played was\n  {new}"
                ));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_matrix_ends_at_the_next_heading() {
        let document = "# Title\n\n## Matrix\n\n| a |\n\n## Measured\n\n| b |\n";
        assert_eq!(matrix_in(document), Some("## Matrix\n\n| a |\n\n"));
        assert_eq!(matrix_in("# Title\n"), None);
        assert_eq!(difference("a\nb", "a\nb\n\n"), None);
        assert!(difference("a\nb", "a").is_some_and(|text| text.contains("(nothing)")));
    }
}
