//! The simulator and reality agree: the same lab files, on daemons in namespaces and in virtual time, end in the same
//! state of every port and the same CAM entries, after about the same time; also with the Linux kernel's bridge in the
//! place of a switch. [`tests::agree`] says what is compared, [`tests::agree::span`] how long "about" is.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::panic::catch_unwind;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use labs::scenarios;
use labs::topology::{NodeKind, Topology};
use switchd::TreeProtocol;
use tests::agree::real::Real;
use tests::agree::span::tolerance;
use tests::agree::{Exchange, Phase, Span, depth, disturbances, sim, words};
use tests::binaries;

/// Lab files, longest first, and the switch whose place the kernel takes (one with no host of its own).
const LABS: [(&str, Option<&str>); 23] = [
    ("silent-link", None),
    ("hung-switch", None),
    ("triangle", None),
    ("line", None),
    ("ring-of-six", None),
    ("line", Some("sw3")),
    ("parallel-links", None),
    ("ring", Some("sw2")),
    ("figure-eight", None),
    ("ring", None),
    ("backup-port", None),
    ("access-pods", Some("core1")),
    ("figure-eight", Some("sw4")),
    ("access-pods", None),
    ("new-root", None),
    ("new-cable", None),
    ("full-mesh", None),
    ("trunk-ring", None),
    ("root-timers", None),
    ("edge-ports", None),
    ("shared-segment", None),
    ("vlans", None),
    ("two-hosts", None),
];

/// Labs that are up at once: most of their time is waiting for timers.
const AT_ONCE: usize = 8;
/// The root's hello time in all of them.
const HELLO: Duration = Duration::from_secs(1);
/// What a lab is waited for beyond the simulated time and the tolerance: to be looked at, on a machine with other work.
const PATIENCE: Duration = Duration::from_secs(15);

#[test]
fn the_simulator_and_reality_agree() {
    let _ = binaries::directory();
    let next = AtomicUsize::new(0);
    let told = Mutex::new(BTreeMap::new());
    let worker = || {
        while let Some(&(name, kernel)) = LABS.get(next.fetch_add(1, Ordering::Relaxed)) {
            let index = LABS.iter().position(|lab| *lab == (name, kernel));
            let index = index.expect("it is one of them");
            // One lab that cannot be run leaves the others.
            let done = catch_unwind(|| agree(index, name, kernel));
            let (text, wrong) =
                done.unwrap_or_else(|_| (String::new(), vec![format!("{name}: see above")]));
            told.lock()
                .expect("nobody panics")
                .insert(index, (text, wrong));
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(worker);
        }
    });
    let told = told.into_inner().expect("nobody panicked");
    assert_eq!(told.len(), LABS.len());
    let table: String = told.values().map(|(text, _)| text.as_str()).collect();
    // Past the test harness, which shows what a test prints only if it fails.
    writeln!(std::io::stderr(), "{table}").expect("there is a standard error");
    let wrong: Vec<&str> = told
        .values()
        .flat_map(|(_, wrong)| wrong)
        .map(String::as_str)
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The steps of every lab file hold as they stand there, waits and all: they are exercises too.
#[test]
fn every_lab_file_passes_in_virtual_time() {
    for (name, _) in LABS {
        let topology = scenarios::find(name).expect("it is built in");
        let mut twin = labs::sim::Twin::new(topology, 1).expect("it can be simulated");
        let steps = twin.run(|_| {}).expect("every step can be done");
        for step in steps {
            assert!(step.ok, "{name}, line {}: {}", step.line, step.text);
        }
    }
}

/// Runs a lab on both backends. A line per phase, and what was different.
fn agree(index: usize, name: &str, kernel: Option<&str>) -> (String, Vec<String>) {
    let label = kernel.map_or(name.to_owned(), |kernel| {
        format!("{name} ({kernel}: kernel)")
    });
    let mut topology = scenarios::find(name).expect("it is built in");
    // Namespaces are the machine's, and others may run the same lab.
    let own = format!("agree-{}-{index}", std::process::id());
    topology.rename(&own).expect("a legal name");
    if kernel.is_some() {
        // It speaks the classic protocol, so the simulated switch in its place does; with it all do, for a rapid bridge first finds
        // out whom it talks to.
        for node in &mut topology.nodes {
            if let NodeKind::Switch(switch) = &mut node.kind {
                switch.stp.protocol = Some(TreeProtocol::Stp);
            }
        }
    }
    let mut text = String::new();
    let wrong = match compare(&topology, kernel, &label, &mut text) {
        Ok(wrong) => wrong,
        Err(error) => vec![error],
    };
    let wrong = wrong
        .into_iter()
        .map(|what| format!("{label}: {what}"))
        .collect();
    (text, wrong)
}

fn compare(
    topology: &Topology,
    kernel: Option<&str>,
    label: &str,
    text: &mut String,
) -> Result<Vec<String>, String> {
    let simulated = sim::play(topology, kernel);
    let run_dir = tempfile::tempdir().map_err(|error| error.to_string())?;
    let mut real = Real::up(topology, kernel, run_dir.path())?;
    let steps = disturbances(topology);
    let starts = std::iter::once(None).chain(steps.iter().map(Some));
    let mut wrong = Vec::new();
    // What was heard before a disturbance had come the way it went then.
    let mut before = 0;
    for (step, simulated) in starts.zip(&simulated) {
        let what = step.map_or("start".to_owned(), words);
        let after = depth(topology, &simulated.state);
        let depth = after.max(std::mem::replace(&mut before, after));
        let expected = simulated.span.map_or(Duration::ZERO, |span| span.took);
        let still = Span {
            took: Duration::ZERO,
            skew: Duration::ZERO,
        };
        let patience = expected + tolerance(still, HELLO, depth) + PATIENCE;
        let seen = real.phase(step, simulated, patience);
        let seen = seen.map_err(|error| format!("{what}: {error}"))?;
        let line = times(simulated, &seen, depth, &what, &mut wrong);
        writeln!(text, "{label:32} {what:20} {line}").map_err(|error| error.to_string())?;
        wrong.extend(
            differences(&simulated.exchange, &seen.exchange)
                .map(|difference| format!("{what}: {difference}")),
        );
    }
    Ok(wrong)
}

/// The times of a phase in words; too far apart is wrong.
fn times(sim: &Phase, real: &Phase, depth: u32, what: &str, wrong: &mut Vec<String>) -> String {
    let ports: usize = real.state.values().map(|switch| switch.ports.len()).sum();
    let entries: usize = real.exchange.cams.values().map(|cam| cam.len()).sum();
    let same = format!("{ports:2} ports, {entries:2} CAM entries");
    match (sim.span, real.span) {
        (None, None) => format!("{same}, nothing moved"),
        (Some(sim), Some(real)) => {
            let within = tolerance(real, HELLO, depth);
            let [s, r, w] = [sim.took, real.took, within].map(|time| time.as_secs_f64());
            if sim.took.abs_diff(real.took) > within {
                wrong.push(format!(
                    "{what}: simulated {s:.2} s, real {r:.2} s: not within {w:.2} s"
                ));
            }
            format!("{same}, simulated {s:5.2} s, real {r:5.2} s, within {w:.2} s")
        }
        (sim, real) => {
            wrong.push(format!(
                "{what}: simulated {sim:?}, real {real:?}: one did not move"
            ));
            same
        }
    }
}

fn differences<'a>(sim: &'a Exchange, real: &'a Exchange) -> impl Iterator<Item = String> + 'a {
    let pings = sim
        .pings
        .iter()
        .filter(|&(pair, came)| real.pings.get(pair) != Some(came));
    let pings = pings.map(|((from, to), came)| {
        format!(
            "a ping from {from} to {to}: simulated {came}, real {}",
            !came
        )
    });
    let cams = sim
        .cams
        .iter()
        .filter(|&(name, cam)| real.cams.get(name) != Some(cam));
    let cams = cams.map(|(name, cam)| {
        format!(
            "CAM of {name}:\n  simulated {cam:?}\n  real {:?}",
            real.cams.get(name)
        )
    });
    pings.chain(cams)
}
