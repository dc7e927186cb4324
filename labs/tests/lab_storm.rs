//! A storm on the real kernel, with nothing configured against it: BPDUs are filtered on one of two cables between two
//! switches, and a host broadcasts. What a switch does of its own accord: it stays within its share of a processor, answers
//! its control socket, and names the ports of the loop within a second. Needs root.
#![allow(clippy::unwrap_used, reason = "a test says no more by expect")]

mod lab_common;

use std::collections::BTreeSet;
use std::fs;
use std::time::{Duration, Instant};

use lab_common::World;
use labs::lab::{self, Lab, Options, run_step};
use labs::topology::Topology;
use switchd::control::{Command, EventStream, Notice};
use switchd::event::Event;

/// Clock ticks a second in /proc.
const TICKS: u32 = 100;
/// How long it storms while the switches are looked at.
const STORM: Duration = Duration::from_secs(3);
/// The share of a processor that a switch may take, in percent. Unbraked, each of two takes one for itself.
const SHARE_MAX: u128 = 25;

/// `filtered-ring` without storm control, as far as its check of it.
fn topology(name: &str) -> Topology {
    let text = labs::scenarios::find("filtered-ring").unwrap().source;
    let control = ", storm-broadcast: 100, storm-multicast: 100, storm-action: shutdown";
    assert!(text.contains(control));
    let text = text.replace(control, "");
    let end = text.find("  - check: {port: \"sw2:b\", held").unwrap();
    let mut topology = Topology::parse("filtered-ring", &text[..end]).unwrap();
    topology.rename(name).unwrap();
    topology
}

/// What a switch's process has had of a processor.
fn processor_time(lab: &Lab, switch: &str) -> Duration {
    let processes = lab.processes();
    let found = processes.iter().find(|(node, _, _)| node == switch);
    let pid = found.unwrap().2.pid;
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    // Behind the name, which may have blanks: fields 14 and 15 of proc(5).
    let fields = stat.rsplit_once(')').unwrap().1.split_whitespace();
    let ticks: u32 = fields
        .skip(11)
        .take(2)
        .map(|n| n.parse::<u32>().unwrap())
        .sum();
    Duration::from_secs(1) / TICKS * ticks
}

/// The time of the first move of an address, that of the first loop told of, and the ports it names.
fn told(stream: &mut EventStream) -> (Option<Duration>, Option<Duration>, BTreeSet<String>) {
    let (mut moved, mut flaps, mut ports) = (None, None, BTreeSet::new());
    let end = Instant::now() + STORM;
    while Instant::now() < end {
        match stream.next_within(Duration::from_millis(100)).unwrap() {
            // What is lost is the hundredth move.
            None | Some(Notice::Lost { .. }) => {}
            Some(Notice::Event(record)) => {
                if matches!(record.event, Event::CamMove { .. }) {
                    moved = moved.or(Some(record.time));
                }
                if let Event::Flapping { from, to, .. } = record.event {
                    flaps = flaps.or(Some(record.time));
                    ports.extend([from.to_string(), to.to_string()]);
                }
            }
        }
    }
    (moved, flaps, ports)
}

#[test]
fn a_storm_leaves_the_switches_their_wits_and_the_machine_its_processors() {
    let world = World::new("storm");
    let run_dir = world.run_dir();
    let options = Options {
        run_dir: &run_dir,
        owned: true,
        progress: &|_| {},
    };
    let lab = lab::up(topology(&world.lab()), &options).unwrap();
    let switches = ["sw1", "sw2"];
    let mut streams = switches.map(|switch| lab.client(switch).unwrap().events(None).unwrap());
    let mut nobody = |_: &str, _: &str| panic!("no machine runs here");
    for step in &lab.topology.steps {
        let outcome = run_step(&lab, &step.kind, &mut nobody).unwrap();
        assert!(outcome.ok, "line {}: {}", step.at.line, outcome.text);
    }
    let (begin, before) = (
        Instant::now(),
        switches.map(|switch| processor_time(&lab, switch)),
    );
    let (told, answers) = std::thread::scope(|scope| {
        let listeners = streams
            .each_mut()
            .map(|stream| scope.spawn(|| told(stream)));
        let mut answers = [0; 2];
        while begin.elapsed() < STORM {
            for (switch, answers) in switches.iter().zip(&mut answers) {
                lab.ask(switch, &Command::ShowVersion).unwrap();
                *answers += 1;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        (listeners.map(|listener| listener.join().unwrap()), answers)
    });
    let elapsed = begin.elapsed();
    for (index, switch) in switches.iter().enumerate() {
        let (moved, flaps, ports) = &told[index];
        let (moved, flaps) = (moved.unwrap(), flaps.expect("a loop is told of"));
        let named = flaps.saturating_sub(moved);
        assert!(named < Duration::from_secs(1), "{switch}: {named:?}");
        let has = |port: &str| ports.contains(port);
        assert!(has("a") && has("b"), "{switch} names {ports:?}");
        assert!(answers[index] >= 10, "{switch}: {answers:?}");
        let took = processor_time(&lab, switch) - before[index];
        let share = 100 * took.as_nanos() / elapsed.as_nanos();
        assert!(share <= SHARE_MAX, "{switch}: {share} % of a processor");
    }
    lab::down(lab.run_dir(), lab.name()).unwrap();
    world.assert_nothing_left();
}
