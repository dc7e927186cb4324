//! The planner by properties: whatever the cluster, its loads and its rules.

use core::time::Duration;
use std::collections::BTreeMap;

use proptest::prelude::*;

use super::rules::{breaches, units};
use super::*;
use crate::topology::Position;

const INTERVAL: Duration = Duration::from_secs(5);

fn settings(level: u8, hosts: &[f64], vms: usize) -> Settings {
    let host = |(index, capacity): (usize, &f64)| (format!("h{index}"), *capacity);
    Settings {
        at: Position::default(),
        level: Level::new(level).unwrap(),
        target: None,
        threshold: 90.0,
        cool_down: Duration::from_secs(20),
        interval: INTERVAL,
        length: Duration::from_secs(600),
        hosts: hosts.iter().enumerate().map(host).collect(),
        loads: (0..vms).map(|vm| (format!("v{vm}"), Load::Drawn)).collect(),
        rules: Vec::new(),
    }
}

/// A cluster with its VMs on these hosts.
fn cluster(settings: &Settings, vms: &[(usize, f64)]) -> Snapshot {
    let vm = |(index, (host, load)): (usize, &(usize, f64))| {
        let now = VmNow {
            host: format!("h{}", host % settings.hosts.len()),
            load: *load,
            memory: 64 << 20,
            dirty_rate: 1 << 20,
        };
        (format!("v{index}"), now)
    };
    Snapshot {
        hosts: settings.hosts.clone(),
        vms: vms.iter().enumerate().map(vm).collect(),
        obstacles: BTreeMap::new(),
    }
}

fn places(cluster: &Snapshot) -> BTreeMap<String, String> {
    let places = cluster.vms.iter();
    places
        .map(|(vm, now)| (vm.clone(), now.host.clone()))
        .collect()
}

/// The deviation, by another way than the planner's: the mean of squares less the square of the mean.
fn deviation(cluster: &Snapshot) -> f64 {
    let load = |host: &String| -> f64 {
        let here = cluster.vms.values().filter(|vm| vm.host == *host);
        here.map(|vm| vm.load).sum()
    };
    let loads = cluster
        .hosts
        .iter()
        .map(|(host, has)| 100.0 * load(host) / has);
    let loads: Vec<f64> = loads.collect();
    let number = loads.len() as f64;
    let mean = loads.iter().sum::<f64>() / number;
    let squares = loads.iter().map(|load| load * load).sum::<f64>() / number;
    (squares - mean * mean).max(0.0).sqrt()
}

fn act(planner: &mut Planner, cluster: &mut Snapshot, now: Duration, decision: &Decision) -> usize {
    let Some(choice) = &decision.chosen else {
        return 0;
    };
    for vm in &choice.vms {
        let state = cluster.vms.get_mut(vm).unwrap();
        assert_eq!(state.host, choice.from);
        assert_ne!(choice.from, choice.to);
        state.host.clone_from(&choice.to);
        planner.moved(now, vm, &choice.from);
    }
    choice.vms.len()
}

fn a_cluster() -> impl Strategy<Value = (u8, Vec<f64>, Vec<(usize, f64)>)> {
    let host = prop_oneof![Just(200.0), Just(400.0), Just(800.0)];
    let vm = (0..8_usize, 0..1_500_u32).prop_map(|(host, load)| (host, f64::from(load) / 10.0));
    (
        1..=5_u8,
        prop::collection::vec(host, 2..6),
        prop::collection::vec(vm, 1..14),
    )
}

/// Rules over VMs `v0`… and hosts `h0`…, of which none contradicts another.
fn some_rules() -> impl Strategy<Value = Vec<Rule>> {
    let names = |mark: &'static str, most: usize, number| {
        prop::collection::btree_set(0..most, number)
            .prop_map(move |all| all.iter().map(|n| format!("{mark}{n}")).collect::<Vec<_>>())
    };
    let rule = prop_oneof![
        names("v", 6, 2..4).prop_map(Rule::Affinity),
        names("v", 6, 2..4).prop_map(Rule::AntiAffinity),
        (names("v", 6, 1..3), names("h", 4, 1..4))
            .prop_map(|(vms, hosts)| Rule::Must { vms, hosts }),
        (names("v", 6, 1..3), names("h", 4, 1..3))
            .prop_map(|(vms, hosts)| Rule::MustNot { vms, hosts }),
    ];
    prop::collection::vec(rule, 0..4).prop_filter("contradiction", |rules| {
        let vms = (0..8).map(|vm| format!("v{vm}")).collect();
        let hosts = (0..4).map(|host| format!("h{host}")).collect();
        contradiction(rules, &vms, &hosts).is_none()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// With loads that stay, every move lowers the deviation, there are no more of them than was said at first, and in the
    /// end either the target is met or no single move is left that would be worth it.
    #[test]
    fn steady_loads_come_to_rest_within_the_moves_that_were_stated((level, hosts, vms) in a_cluster()) {
        let settings = settings(level, &hosts, vms.len());
        let mut cluster = cluster(&settings, &vms);
        let mut planner = Planner::new(settings.clone());
        let least = settings.level.least_benefit();
        let mut moves = 0;
        let mut stated = None;
        let mut now = Duration::ZERO;
        loop {
            let before = deviation(&cluster);
            let decision = planner.decide(now, &cluster);
            prop_assert!((decision.deviation - before).abs() < 1e-6);
            let most = *stated.get_or_insert(decision.moves_max);
            act(&mut planner, &mut cluster, now, &decision);
            // Nobody rests any more: what is left then is left for good.
            now += settings.no_return() + INTERVAL;
            let Some(choice) = &decision.chosen else {
                if let Some(target) = decision.target && before > target {
                    prop_assert_eq!(decision.verdict, Verdict::Stuck);
                    prop_assert!(nothing_better(&settings, &cluster, least), "{:?}", decision);
                }
                break;
            };
            moves += 1;
            let after = deviation(&cluster);
            prop_assert!(after <= before - least + 1e-6, "{} → {}", before, after);
            prop_assert!((choice.deviation_after - after).abs() < 1e-6);
            let was_busy = decision.hosts.iter().any(|host| host.load > settings.threshold);
            prop_assert!(moves <= most || was_busy, "{} moves of {}", moves, most);
            // Also those that relieve a busy host: they lower the deviation, too.
            prop_assert!(f64::from(u32::try_from(moves).unwrap()) <= 400.0 / least);
        }
        prop_assert!(level > 1 || moves == 0);
    }

    /// Loads that jump about, hosts that VLANs do not reach, and rules: none is broken, no VM moves before it has rested,
    /// none goes back too early, none goes where it cannot.
    #[test]
    fn rules_rest_and_network_are_respected(
        seed in any::<u64>(),
        rules in some_rules(),
        starts in prop::collection::vec(0..4_usize, 8),
        barred in prop::collection::btree_set((0..8_usize, 0..4_usize), 0..6),
    ) {
        let mut settings = settings(5, &[400.0; 4], 8);
        settings.rules = rules;
        let vms: Vec<(usize, f64)> = starts.iter().map(|host| (*host, 0.0)).collect();
        let mut cluster = cluster(&settings, &vms);
        for (vm, host) in &barred {
            cluster.obstacles.insert((format!("v{vm}"), format!("h{host}")), "no way".to_owned());
        }
        let mut planner = Planner::new(settings.clone());
        let mut left: BTreeMap<String, (Duration, String)> = BTreeMap::new();
        for round in 0..60_u32 {
            let now = INTERVAL * round;
            for (vm, number) in cluster.vms.values_mut().zip(0..) {
                vm.load = Load::Drawn.at(now, seed, number).unwrap();
            }
            let before = breaches(&settings.rules, &places(&cluster)).len();
            let decision = planner.decide(now, &cluster);
            prop_assert_eq!(decision.broken.len(), before);
            let moved = act(&mut planner, &mut cluster, now, &decision);
            let after = breaches(&settings.rules, &places(&cluster)).len();
            let Some(choice) = &decision.chosen else { continue };
            prop_assert_eq!(moved, choice.vms.len());
            prop_assert_eq!(choice.mandatory, before > 0);
            prop_assert!(after < before || after == 0, "breaches {} → {}", before, after);
            for vm in &choice.vms {
                let way = (vm.clone(), choice.to.clone());
                prop_assert!(!cluster.obstacles.contains_key(&way));
                if !choice.mandatory && let Some((at, from)) = left.get(vm) {
                    prop_assert!(now - *at >= settings.cool_down);
                    prop_assert!(choice.to != *from || now - *at >= settings.no_return());
                }
                left.insert(vm.clone(), (now, choice.from.clone()));
            }
        }
    }

    /// A burst shorter than the rounds that count moves nobody, however large: before and after it, everything is even.
    #[test]
    fn a_short_burst_moves_nobody(burst in 1..390_u32, vm in 0..8_usize, long in 1..3_u32) {
        let settings = settings(5, &[400.0; 4], 8);
        let vms: Vec<(usize, f64)> = (0..8).map(|vm| (vm / 2, 100.0)).collect();
        let even = cluster(&settings, &vms);
        let mut planner = Planner::new(settings);
        for round in 0..10_u32 {
            let mut now = even.clone();
            if (5..5 + long).contains(&round) {
                now.vms.get_mut(&format!("v{vm}")).unwrap().load += f64::from(burst);
            }
            let decision = planner.decide(INTERVAL * round, &now);
            prop_assert_eq!(decision.chosen, None);
        }
    }
}

/// No single move would lower the deviation by enough without overloading its target: asked by trying them all.
fn nothing_better(settings: &Settings, cluster: &Snapshot, least: f64) -> bool {
    let before = deviation(cluster);
    let tried = cluster.vms.keys().flat_map(|vm| {
        let hosts = cluster.hosts.keys();
        hosts.map(move |host| (vm.clone(), host.clone()))
    });
    tried.into_iter().all(|(vm, to)| {
        let mut after = cluster.clone();
        after.vms.get_mut(&vm).unwrap().host.clone_from(&to);
        let here = after.vms.values().filter(|vm| vm.host == to);
        let load = here.map(|vm| vm.load).sum::<f64>() * 100.0 / settings.hosts[&to];
        deviation(&after) > before - least - 1e-6 || load > settings.threshold
    })
}

#[test]
fn levels_put_up_with_less_and_less() {
    let targets = [1, 2, 3, 4, 5].map(|level| Level::new(level).unwrap().target(4));
    // 0.1 (5 - N) / sqrt(4), in percent points.
    assert_eq!(
        targets,
        [None, Some(15.0), Some(10.0), Some(5.0), Some(0.0)]
    );
    let least = [2, 3, 4, 5].map(|level| Level::new(level).unwrap().least_benefit());
    assert!(least.is_sorted_by(|a, b| a > b));
    assert_eq!((Level::new(0), Level::new(6)), (None, None));
}

#[test]
fn everything_that_is_not_done_has_a_reason() {
    let mut settings = settings(4, &[400.0; 4], 5);
    settings.rules = vec![
        Rule::Affinity(vec!["v2".to_owned(), "v3".to_owned()]),
        Rule::AntiAffinity(vec!["v0".to_owned(), "v4".to_owned()]),
    ];
    let vms = [(0, 190.0), (0, 150.0), (1, 60.0), (1, 60.0), (2, 30.0)];
    let mut cluster = cluster(&settings, &vms);
    let way = |vm: &str, host: &str| (vm.to_owned(), host.to_owned());
    cluster
        .obstacles
        .insert(way("v0", "h3"), "VLAN 10 of v0 stops at p1".to_owned());
    let mut planner = Planner::new(settings);
    let decision = planner.decide(Duration::ZERO, &cluster);
    let choice = decision.chosen.clone().unwrap();
    assert_eq!(
        (choice.vms, &*choice.from, &*choice.to),
        (vec!["v1".to_owned()], "h0", "h3")
    );
    assert!(
        choice
            .why
            .contains("is above the target of 5.0; this takes off"),
        "{}",
        choice.why
    );
    let why = |vms: &[&str], to: &str| {
        let found = decision
            .refused
            .iter()
            .find(|one| one.vms == vms && one.to == to);
        let found = found.unwrap_or_else(|| panic!("{vms:?} → {to}: {decision:#?}"));
        (found.reason, found.why.as_str())
    };
    assert_eq!(
        why(&["v0"], "h3"),
        (Refusal::Network, "VLAN 10 of v0 stops at p1")
    );
    assert_eq!(
        why(&["v0"], "h2"),
        (
            Refusal::Rule,
            "v0 and v4 would share h2 (anti-affinity of v0 and v4)"
        )
    );
    assert_eq!(why(&["v2", "v3"], "h0").0, Refusal::Threshold);
    assert_eq!(why(&["v1"], "h2").0, Refusal::Lesser);
    assert_eq!(why(&["v4"], "h1").0, Refusal::Worse);
    // Two units of one and one of two, one host each is on already, and the one that was chosen.
    assert_eq!(decision.refused.len(), 4 * 3 - 1);
    let table = text::round(1, &decision);
    for line in [
        "round 1, 0.0 s: deviation 33.3 points, target 5.0",
        "  h0  █████████████████░░░   85 % of 400   v0 190, v1 150",
        "  h3  ░░░░░░░░░░░░░░░░░░░░    0 % of 400   no VM",
        "  MOVE v1 from h0 to h3: deviation 33.3 → ",
        "    v0 → h3 ",
        ": VLAN 10 of v0 stops at p1",
    ] {
        assert!(table.contains(line), "{line}:\n{table}");
    }
}

#[test]
fn those_that_affinity_binds_move_together_and_strangers_are_brought_together_first() {
    let mut settings = settings(1, &[400.0; 3], 3);
    settings.rules = vec![Rule::Affinity(vec!["v0".to_owned(), "v1".to_owned()])];
    assert_eq!(units(&settings.rules, settings.loads.keys()).len(), 2);
    let mut apart = cluster(&settings, &[(0, 10.0), (1, 10.0), (1, 300.0)]);
    let mut planner = Planner::new(settings.clone());
    // Level 1 mends as well; v1 goes to v0, because the other way round two hosts would be less even.
    let decision = planner.decide(Duration::ZERO, &apart);
    assert_eq!(decision.broken.len(), 1);
    let choice = decision.chosen.clone().unwrap();
    assert!(
        choice.mandatory && choice.why.contains("affinity of v0 and v1"),
        "{}",
        choice.why
    );
    assert_eq!((choice.vms[0].as_str(), choice.to.as_str()), ("v1", "h0"));
    act(&mut planner, &mut apart, Duration::ZERO, &decision);
    let decision = planner.decide(INTERVAL, &apart);
    assert_eq!(
        (decision.verdict, decision.chosen),
        (Verdict::RulesOnly, None)
    );
    // v2 would be cheaper to move, but has to stay: both move.
    settings.level = Level::new(5).unwrap();
    settings.rules.push(Rule::Must {
        vms: vec!["v2".to_owned()],
        hosts: vec!["h0".to_owned()],
    });
    let together = cluster(&settings, &[(0, 100.0), (0, 100.0), (0, 150.0)]);
    let choice = Planner::new(settings)
        .decide(Duration::ZERO, &together)
        .chosen;
    assert_eq!(choice.unwrap().vms, ["v0", "v1"]);
}

#[test]
fn a_busy_host_is_relieved_although_the_deviation_is_small() {
    let mut settings = settings(4, &[400.0; 2], 6);
    settings.target = Some(20.0);
    let vms = [
        (0, 95.0),
        (0, 95.0),
        (0, 100.0),
        (0, 75.0),
        (1, 120.0),
        (1, 120.0),
    ];
    let cluster = cluster(&settings, &vms);
    let decision = Planner::new(settings).decide(Duration::ZERO, &cluster);
    assert!(decision.deviation < 20.0 && decision.moves_max == 0);
    let choice = decision.chosen.unwrap();
    assert_eq!(
        (choice.vms, choice.to.as_str()),
        (vec!["v3".to_owned()], "h1")
    );
    assert!(choice.why.starts_with("h0 is above 90 %"), "{}", choice.why);
}

#[test]
fn a_load_that_lasts_is_acted_upon_in_the_third_round() {
    let settings = settings(4, &[400.0; 2], 4);
    let even = cluster(&settings, &[(0, 60.0), (0, 60.0), (1, 60.0), (1, 60.0)]);
    let mut planner = Planner::new(settings);
    let mut first = None;
    for round in 0..10_u32 {
        let mut now = even.clone();
        if round >= 3 {
            now.vms.get_mut("v0").unwrap().load = 160.0;
        }
        let decision = planner.decide(INTERVAL * round, &now);
        if first.is_none() && decision.chosen.is_some() {
            first = Some(round);
        }
        if round == 3 {
            assert!(
                decision
                    .refused
                    .iter()
                    .any(|one| one.reason == Refusal::Burst)
            );
        }
    }
    let first = first.unwrap();
    assert_eq!(first, 3 + 2);
}
