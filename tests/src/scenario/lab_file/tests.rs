use labs::sim::{Twin, TwinReport};
use labs::topology::Topology;

use super::write;
use crate::failure::smallest;
use crate::scenario::Scenario;
use crate::scenario::strategy::{Kind, numbered};
use crate::trial::play;

/// What `labs sim` makes of the scenario's lab file.
fn simulate(scenario: &Scenario) -> (String, TwinReport) {
    let text = write(scenario, "a scenario");
    let topology = Topology::parse("scenario.yml", &text).expect(&text);
    let mut twin = Twin::new(topology, scenario.seed).expect("it can be simulated");
    let steps = twin.run(|_| {}).expect("all steps can be done");
    let report = twin.report(steps);
    (text, report)
}

fn loops(report: &TwinReport) -> u64 {
    let counts = report.violation_counts;
    counts.loops + counts.storms + counts.cycles
}

#[test]
fn lab_files_of_safe_scenarios_pass_their_own_checks() {
    for number in (0..60).filter(|&number| Kind::of(number) == Kind::Safe) {
        let (text, report) = simulate(&numbered(number));
        assert!(
            report.ok && loops(&report) == 0,
            "scenario {number}\n{report:?}\n{text}"
        );
    }
}

#[test]
fn the_smallest_lab_file_shows_the_loop() {
    let seen = |number: &u64| play(&numbered(*number)).loops.first().cloned();
    let (number, seen) = (0..)
        .find_map(|number| Some((number, seen(&number)?)))
        .expect("some scenario with loss has a loop");
    let small = smallest(&numbered(number));
    assert!(small.wires.len() <= 3, "scenario {number}: {small:?}");
    let (text, report) = simulate(&small);
    assert!(
        loops(&report) > 0,
        "{seen} of scenario {number} is gone\n{text}"
    );
}
