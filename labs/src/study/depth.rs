//! The depth chapter: how far the root's word reaches.

use core::time::Duration;

use stp::TreeId;

use super::families::Family;
use super::network::Network;
use super::plan::{Event, Key, Timers};
use super::protocol::Protocol;

/// How long the stories go on.
const STORY: Duration = Duration::from_secs(150);

/// What a legend calls the timers.
pub(super) fn timers_label(timers: Timers) -> String {
    match timers {
        Timers::Default => "default timers",
        Timers::SmallIncrement => "1/256 s of age per hop",
        Timers::LongMaxAge => "max age 40 s, forward delay 21 s",
    }
    .to_owned()
}

/// How deep a line can be for sure, both ends counted: each hop adds the increment, and may add the hold time, to the age
/// of the word that the last switch holds, and that must stay below max age.
pub(super) fn sure_depth(timers: Timers) -> u64 {
    let times = timers.times();
    let hop = times.message_age_increment() + stp::HOLD_TIME;
    let hops = times.max_age().as_nanos().saturating_sub(1) / hop.as_nanos();
    u64::try_from(hops).unwrap_or(u64::MAX).saturating_add(1)
}

/// A moment of a story: seconds, and the age of the word that is held then; `None`: the switch takes itself for the root.
type Moment = (f64, Option<f64>);

/// What the last switch of three lines holds, four times a second, from the first word it hears on.
pub(super) fn stories(study: u64) -> Vec<(String, Vec<Moment>)> {
    let cases = [
        (8, Timers::Default),
        (14, Timers::Default),
        (14, Timers::SmallIncrement),
    ];
    let story = |(size, timers): (u32, Timers)| {
        let heard = story(size, timers, study);
        (format!("{size} switches, {}", timers_label(timers)), heard)
    };
    cases.into_iter().map(story).collect()
}

fn story(size: u32, timers: Timers, study: u64) -> Vec<Moment> {
    let key = Key {
        family: Family::Chain,
        timers,
        event: Event::ColdStart,
        size,
        seed: 1,
    };
    let mut network = Network::build(&key, Protocol::Stp, study).expect("a line can be built");
    network.power_on().expect("its switches can be switched on");
    let begin = network.world.now();
    let last = network.bridges[network.bridges.len() - 1];
    let mut moments = Vec::new();
    let mut has_heard = false;
    while network.world.now() < begin + STORY {
        network.world.run_for(Duration::from_millis(250));
        let now = network.world.now();
        let age = network.root_port(last).and_then(|port| {
            let bridge = network.world.switch(last)?.bridge()?;
            let status = bridge.port(port.port)?;
            let max_age = bridge.tree(TreeId::COMMON).times.max_age;
            // What is left of its life says how old it is now.
            let left = status.message_age_due?.saturating_sub(now);
            Some(max_age.saturating_sub(left))
        });
        has_heard |= age.is_some();
        if has_heard {
            moments.push((
                (now - begin).as_secs_f64(),
                age.map(|age| age.as_secs_f64()),
            ));
        }
    }
    moments
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sure_depths_follow_from_the_times() {
        // (n − 1) × (1 + 1) < 20
        assert_eq!(sure_depth(Timers::Default), 10);
        // (n − 1) × (1/256 + 1) < 20
        assert_eq!(sure_depth(Timers::SmallIncrement), 20);
        // (n − 1) × (1 + 1) < 40
        assert_eq!(sure_depth(Timers::LongMaxAge), 20);
    }

    #[test]
    fn a_short_line_keeps_the_word_and_a_long_one_loses_it() {
        let kept = story(8, Timers::Default, 1);
        assert!(
            kept.iter()
                .all(|(_, age)| age.is_some_and(|age| age < 20.0))
        );
        let lost = story(14, Timers::Default, 1);
        assert!(lost.iter().any(|(_, age)| age.is_none()));
        assert!(lost.iter().any(|(_, age)| age.is_some()));
    }
}
