//! Trials of the growing domain: what the protocol promises in small networks, and what it cannot keep in deep ones.

use labs::study::{
    Event, Family, Key, Metric, Outcome, Protocol, Record, Timers, read_runs, run, trial,
    write_runs,
};

fn trial_of(family: Family, size: u32, event: Event) -> Record {
    let key = Key {
        family,
        timers: Timers::Default,
        event,
        size,
        seed: 1,
    };
    trial::run(&key, Protocol::Stp, 1)
}

fn seconds(record: &Record, metric: Metric) -> u64 {
    record.get(metric).expect("it was measured") / 1_000_000
}

#[test]
fn a_ring_starts_within_twice_the_forward_delay_and_blocks_one_port() {
    let record = trial_of(Family::Ring, 4, Event::ColdStart);
    assert_eq!(record.outcome(), Outcome::Settled);
    assert!(seconds(&record, Metric::Settle) <= 30);
    assert!((29..=30).contains(&seconds(&record, Metric::LastLost)));
    assert_eq!(record.get(Metric::Blocked), Some(1));
    assert_eq!(record.get(Metric::Depth), Some(3));
    assert_eq!(record.get(Metric::Loops), Some(0));
}

#[test]
fn a_cut_link_is_direct_in_pods_and_a_silent_one_costs_max_age() {
    let cut = trial_of(Family::Pods, 6, Event::RootLinkLoss);
    let silent = trial_of(Family::Pods, 6, Event::SilentFailure);
    // Hosts are back after twice the forward delay. The twin of the switch that lost its root port may remember what
    // that one used to say until max age, and then opens the link between them.
    assert!(seconds(&cut, Metric::LastLost) <= 30);
    assert!((30..=50).contains(&seconds(&cut, Metric::Settle)));
    assert!((46..=51).contains(&seconds(&silent, Metric::LastLost)));
    // The information lives max age less the second it was old when the last hello brought it.
    assert!((46..=50).contains(&seconds(&silent, Metric::Settle)));
    assert!(silent.get(Metric::Expiries) > Some(0));
    for record in [&cut, &silent] {
        assert_eq!(record.get(Metric::Broken), Some(0));
        assert_eq!(record.get(Metric::Parted), Some(0));
        assert!(record.get(Metric::Lost) > Some(0));
    }
}

#[test]
fn a_tree_has_no_second_way() {
    let record = trial_of(Family::Tree, 7, Event::RootLoss);
    assert_eq!(record.outcome(), Outcome::Settled);
    assert_eq!(record.get(Metric::Parted), Some(1));
    assert_eq!(record.get(Metric::Broken), Some(1));
    assert_eq!(record.get(Metric::LastLost), None);
    assert_eq!(
        (record.get(Metric::Roots), record.get(Metric::Parts)),
        (Some(2), Some(2))
    );
}

#[test]
fn only_the_flapping_of_a_port_that_takes_part_is_felt() {
    let port = trial_of(Family::Pods, 6, Event::FlappingPort);
    let edge = trial_of(Family::Pods, 6, Event::FlappingEdge);
    assert_eq!(
        port.get(Metric::TopologyChanges),
        Some(u64::from(trial::FLAPS))
    );
    assert!(port.get(Metric::Flooded) > Some(0));
    assert_eq!(edge.get(Metric::TopologyChanges), Some(0));
    assert_eq!(edge.get(Metric::Flooded), Some(0));
    for record in [port, edge] {
        assert_eq!(record.get(Metric::Lost), Some(0));
        assert_eq!(record.get(Metric::LastRole), None);
    }
}

#[test]
fn a_deep_line_never_settles_and_that_is_told() {
    let key = |size, timers| Key {
        family: Family::Chain,
        timers,
        event: Event::ColdStart,
        size,
        seed: 1,
    };
    let shallow = trial::run(&key(8, Timers::Default), Protocol::Stp, 1);
    assert_eq!(shallow.outcome(), Outcome::Settled);
    let deep = trial::run(&key(16, Timers::Default), Protocol::Stp, 1);
    assert_eq!(deep.outcome(), Outcome::Unsettled);
    assert_eq!(deep.get(Metric::Settle), None);
    assert!(deep.get(Metric::Expiries) > Some(10));
    let helped = trial::run(&key(16, Timers::SmallIncrement), Protocol::Stp, 1);
    assert_eq!(helped.outcome(), Outcome::Settled);
}

#[test]
fn threads_change_nothing_and_tables_come_back() {
    let keys: Vec<Key> = Event::ALL
        .into_iter()
        .flat_map(|event| (1..=2).map(move |seed| (event, seed)))
        .map(|(event, seed)| Key {
            family: Family::Mesh,
            timers: Timers::Default,
            event,
            size: 4,
            seed,
        })
        .collect();
    let alone: Vec<Record> = keys
        .iter()
        .map(|key| trial::run(key, Protocol::Stp, 9))
        .collect();
    let jobs = |jobs| {
        let mut over = 0;
        let records = run::run(
            &keys,
            Protocol::Stp,
            9,
            std::num::NonZeroUsize::new(jobs).unwrap(),
            |_| over += 1,
        );
        assert_eq!(over, keys.len());
        records
    };
    let one = jobs(1);
    assert_eq!(one, jobs(3));
    assert_eq!(one, alone, "a beginning in common changes nothing");
    let order: Vec<&Key> = one.iter().map(Record::key).collect();
    assert_eq!(order, keys.iter().collect::<Vec<_>>());
    assert_ne!(one[0], one[1], "chance differs");
    assert_eq!(read_runs(&write_runs(&one)), Ok(one));
}

/// The same cut in the same pods: where neighbours agree to forward it costs less than a second, else the forward delays.
#[test]
fn every_protocol_keeps_its_promise_in_pods() {
    for (protocol, limits) in [
        (Protocol::Stp, [30, 50]),
        (Protocol::Pvst, [30, 50]),
        (Protocol::Rstp, [1, 6]),
        (Protocol::Mstp, [1, 6]),
        (Protocol::RapidPvst, [1, 6]),
    ] {
        for (event, limit) in [Event::RootLinkLoss, Event::SilentFailure]
            .into_iter()
            .zip(limits)
        {
            let key = Key {
                family: Family::Pods,
                timers: Timers::Default,
                event,
                size: 6,
                seed: 1,
            };
            let record = trial::run(&key, protocol, 1);
            let name = protocol.name();
            assert_eq!(record.outcome(), Outcome::Settled, "{name}: {key}");
            assert_eq!(record.get(Metric::Loops), Some(0), "{name}: {key}");
            assert_eq!(record.get(Metric::Broken), Some(0), "{name}: {key}");
            // Nothing may have been lost at all: probes are 100 ms apart.
            let lost = record.get(Metric::LastLost).unwrap_or(0) / 1_000_000;
            assert!(lost <= limit, "{name}: {key}: {lost} s");
            if protocol.is_rapid() {
                assert!(seconds(&record, Metric::LastRole) < limit, "{name}: {key}");
            }
            // The end of the silent cable that nobody answers takes itself for an edge after the edge delay.
            if protocol.is_rapid() && event == Event::SilentFailure {
                let after = record.get(Metric::Settle).zip(record.get(Metric::LastRole));
                let after = after.map(|(settle, role)| settle - role);
                // News of it has crossed a cable or two meanwhile, 50 µs each.
                let after = after.expect("the tree changed");
                assert!(
                    (2_999_000..=3_000_000).contains(&after),
                    "{name}: {key}: {after} µs"
                );
            }
        }
    }
}

/// Too many switches for max age believe in two roots, and a port between them waits for ever: that is a tree at rest, and
/// the trial ends.
#[test]
fn a_port_that_waits_for_ever_does_not_keep_a_trial_from_ending() {
    let key = Key {
        family: Family::Line,
        timers: Timers::Default,
        event: Event::NewRoot,
        size: 32,
        seed: 1,
    };
    let record = trial::run(&key, Protocol::Rstp, 1);
    assert_eq!(record.outcome(), Outcome::Split);
    assert_eq!(record.get(Metric::Roots), Some(2));
}
