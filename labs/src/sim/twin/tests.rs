use super::*;
use crate::scenarios::SCENARIOS;

fn lab(name: &str) -> Topology {
    let scenario = SCENARIOS.iter().find(|scenario| scenario.name == name);
    Topology::parse(name, scenario.unwrap().text).unwrap()
}

#[test]
fn every_built_in_lab_goes_well() {
    for scenario in SCENARIOS {
        let mut twin = Twin::new(lab(scenario.name), 1).unwrap();
        let mut story = Vec::new();
        let steps = twin.run(|telling| story.push(telling.clone())).unwrap();
        let report = twin.report(steps);
        assert!(
            report.ok,
            "{}: {story:#?} {:#?}",
            scenario.name, report.violations
        );
    }
}
