//! Making a scenario smaller while it still shows what it shows.

use super::{Bridge, Fault, Scenario, Times};

/// Scenarios tried at most; each takes about a millisecond.
const TRIES_MAX: usize = 20_000;

/// The smallest scenario found for which `shows` still holds; `scenario` itself if nothing can be left out. Leaves
/// out steps, hosts, ends, wires and bridges, then makes numbers ordinary, until nothing more helps.
#[must_use]
pub fn minimise(scenario: &Scenario, mut shows: impl FnMut(&Scenario) -> bool) -> Scenario {
    let mut best = scenario.clone();
    let mut tries = 0;
    loop {
        let smaller = candidates(&best).into_iter().find(|candidate| {
            tries += 1;
            tries <= TRIES_MAX && *candidate != best && shows(candidate)
        });
        let Some(smaller) = smaller else {
            return best;
        };
        best = smaller;
    }
}

/// What could be left out or simplified, one thing at a time, the greatest first.
fn candidates(scenario: &Scenario) -> Vec<Scenario> {
    let mut found = Vec::new();
    let mut offer = |change: &dyn Fn(&mut Scenario)| {
        let mut candidate = scenario.clone();
        change(&mut candidate);
        found.push(candidate);
    };
    for bridge in (0..scenario.bridges.len()).rev() {
        offer(&|s| remove_bridge(s, bridge));
    }
    for wire in (0..scenario.wires.len()).rev() {
        offer(&|s| remove_wire(s, wire));
    }
    for step in 0..scenario.steps.len() {
        offer(&|s| {
            s.steps.truncate(step);
        });
        offer(&|s| remove_step(s, step, true));
        offer(&|s| remove_step(s, step, false));
        offer(&|s| s.steps[step].fault = Fault::Nothing);
    }
    for (wire, of) in scenario.wires.iter().enumerate() {
        for end in 0..of.ends.len() {
            offer(&|s| remove_end(s, wire, end));
        }
        offer(&|s| s.wires[wire].hosts = s.wires[wire].hosts.saturating_sub(1));
    }
    offer(&|s| s.traffic_ms = 0);
    offer(&|s| s.hush = false);
    offer(&|s| s.seed = 0);
    simpler_numbers(scenario, &mut found);
    found
}

fn simpler_numbers(scenario: &Scenario, found: &mut Vec<Scenario>) {
    let mut offer = |change: &dyn Fn(&mut Scenario)| {
        let mut candidate = scenario.clone();
        change(&mut candidate);
        found.push(candidate);
    };
    // Towards one form only: what has become the fastest does not become the default again.
    let fastest = |bridge: &Bridge| bridge.times == Times::FASTEST;
    if !scenario.bridges.iter().all(fastest) {
        for times in [Times::FASTEST, Times::DEFAULT] {
            offer(&|s| s.bridges.iter_mut().for_each(|bridge| bridge.times = times));
        }
    }
    offer(&|s| {
        for (priority, bridge) in (0..).zip(&mut s.bridges) {
            bridge.priority = priority;
        }
    });
    for bridge in 0..scenario.bridges.len() {
        offer(&|s| s.bridges[bridge].times = s.bridges[0].times);
    }
    for (wire, of) in scenario.wires.iter().enumerate() {
        offer(&|s| s.wires[wire].delay_us = 10);
        for end in 0..of.ends.len() {
            offer(&|s| s.wires[wire].ends[end].cost = 2);
            offer(&|s| s.wires[wire].ends[end].priority = 8);
            offer(&|s| s.wires[wire].ends[end].edge = false);
        }
    }
    for step in 0..scenario.steps.len() {
        for unit in [10_000_000, 1_000_000, 100_000, 1_000] {
            offer(&|s| s.steps[step].wait_us -= s.steps[step].wait_us % unit);
        }
        offer(&|s| s.steps[step].wait_us /= 2);
        offer(&|s| {
            if let Fault::Loss(_, percent) = &mut s.steps[step].fault {
                *percent = 100;
            }
        });
    }
}

fn remove_bridge(scenario: &mut Scenario, bridge: usize) {
    if scenario.bridges.len() == 1 {
        return;
    }
    scenario.bridges.remove(bridge);
    for step in &mut scenario.steps {
        match bridge_of(&mut step.fault) {
            Some(of) if *of == bridge => step.fault = Fault::Nothing,
            Some(of) => *of -= usize::from(*of > bridge),
            None => {}
        }
    }
    for wire in (0..scenario.wires.len()).rev() {
        for end in (0..scenario.wires[wire].ends.len()).rev() {
            if scenario.wires[wire].ends[end].bridge == bridge {
                remove_end(scenario, wire, end);
            }
        }
        let of = &mut scenario.wires[wire];
        for end in &mut of.ends {
            end.bridge -= usize::from(end.bridge > bridge);
        }
        if of.ends.len() + usize::from(of.hosts) < 2 || of.ends.is_empty() {
            remove_wire(scenario, wire);
        }
    }
}

fn remove_wire(scenario: &mut Scenario, wire: usize) {
    scenario.wires.remove(wire);
    for step in &mut scenario.steps {
        match place_of(&mut step.fault) {
            Some((of, _)) if *of == wire => step.fault = Fault::Nothing,
            Some((of, _)) => *of -= usize::from(*of > wire),
            None => {}
        }
    }
}

fn remove_end(scenario: &mut Scenario, wire: usize, end: usize) {
    scenario.wires[wire].ends.remove(end);
    for step in &mut scenario.steps {
        match place_of(&mut step.fault) {
            Some((of, Some(at))) if *of == wire && *at == end => step.fault = Fault::Nothing,
            Some((of, Some(at))) => *at -= usize::from(*of == wire && *at > end),
            Some((_, None)) | None => {}
        }
    }
}

/// Leaves a step out; with `keep_time` what follows happens when it did.
fn remove_step(scenario: &mut Scenario, step: usize, keep_time: bool) {
    let removed = scenario.steps.remove(step);
    if keep_time && let Some(next) = scenario.steps.get_mut(step) {
        next.wait_us += removed.wait_us;
    }
}

fn bridge_of(fault: &mut Fault) -> Option<&mut usize> {
    match fault {
        Fault::Off(bridge)
        | Fault::On(bridge)
        | Fault::Freeze(bridge)
        | Fault::Priority(bridge, _)
        | Fault::Times(bridge, _) => Some(bridge),
        Fault::Nothing
        | Fault::Down(_)
        | Fault::Up(_)
        | Fault::Silent(_)
        | Fault::Mute(..)
        | Fault::Deaf(..)
        | Fault::Loss(..)
        | Fault::Delay(..)
        | Fault::Cost(..)
        | Fault::PortPriority(..)
        | Fault::PortDown(..)
        | Fault::PortUp(..) => None,
    }
}

/// The wire a fault is about, and the end.
fn place_of(fault: &mut Fault) -> Option<(&mut usize, Option<&mut usize>)> {
    match fault {
        Fault::Down(wire)
        | Fault::Up(wire)
        | Fault::Silent(wire)
        | Fault::Loss(wire, _)
        | Fault::Delay(wire, _) => Some((wire, None)),
        Fault::Mute(wire, end)
        | Fault::Deaf(wire, end)
        | Fault::Cost(wire, end, _)
        | Fault::PortPriority(wire, end, _)
        | Fault::PortDown(wire, end)
        | Fault::PortUp(wire, end) => Some((wire, Some(end))),
        Fault::Nothing
        | Fault::Off(_)
        | Fault::On(_)
        | Fault::Freeze(_)
        | Fault::Priority(..)
        | Fault::Times(..) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::strategy::numbered;

    #[test]
    fn what_does_not_matter_goes() {
        let big = numbered(9);
        assert!(big.bridges.len() > 2, "{big:?}");
        let small = minimise(&big, |s| s.bridges.len() >= 2);
        assert_eq!((small.bridges.len(), small.wires.len()), (2, 0));
        assert_eq!((small.steps.len(), small.traffic_ms, small.seed), (0, 0, 0));
    }

    #[test]
    fn places_follow_what_they_are_about() {
        let mut scenario = Scenario::from_line(
            r#"{"bridges":[{"priority":0,"times":[6,1,4]},{"priority":1,"times":[6,1,4]}],
                "wires":[{"ends":[{"bridge":0,"cost":1,"priority":8}],"hosts":1,"delay_us":9},
                         {"ends":[{"bridge":0,"cost":1,"priority":8},{"bridge":1,"cost":1,"priority":8}],"delay_us":9}],
                "steps":[{"wait_us":5,"fault":{"down":0}},{"wait_us":6,"fault":{"mute":[1,1]}}]}"#,
        )
        .expect("it is a scenario");
        remove_wire(&mut scenario, 0);
        let faults = |s: &Scenario| [s.steps[0].fault, s.steps[1].fault];
        assert_eq!(faults(&scenario), [Fault::Nothing, Fault::Mute(0, 1)]);
        remove_bridge(&mut scenario, 1);
        assert_eq!(scenario.wires.len(), 0);
        assert_eq!(faults(&scenario), [Fault::Nothing, Fault::Nothing]);
    }
}
