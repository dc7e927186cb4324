//! Which trials there are, in which order, and who does which.

use core::cmp::Reverse;
use core::fmt;
use core::str::FromStr;
use core::time::Duration;
use std::collections::{BTreeMap, BinaryHeap};

use serde::{Deserialize, Serialize};
use stp::BridgeTimes;

use super::families::Family;
use super::protocol::Protocol;

/// What happens to the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, clap::ValueEnum)]
pub enum Event {
    /// All switches get power within two seconds.
    ColdStart,
    /// The root loses power; its neighbours lose carrier.
    RootLoss,
    /// The link of the root that probes cross is cut; both ends lose carrier.
    RootLinkLoss,
    /// The same link dies, and carrier stays.
    SilentFailure,
    /// A switch that was not the root is given the best priority.
    NewRoot,
    /// A host's link goes down and up five times, at a port that takes part in spanning tree.
    FlappingPort,
    /// The same at an edge port.
    FlappingEdge,
}

impl Event {
    /// All, in the order of the report.
    pub const ALL: [Self; 7] = [
        Self::ColdStart,
        Self::RootLoss,
        Self::RootLinkLoss,
        Self::SilentFailure,
        Self::NewRoot,
        Self::FlappingPort,
        Self::FlappingEdge,
    ];

    /// The word in tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ColdStart => "cold-start",
            Self::RootLoss => "root-loss",
            Self::RootLinkLoss => "root-link-loss",
            Self::SilentFailure => "silent-failure",
            Self::NewRoot => "new-root",
            Self::FlappingPort => "flapping-port",
            Self::FlappingEdge => "flapping-edge",
        }
    }

    /// As in headings.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::ColdStart => "Cold start",
            Self::RootLoss => "The root dies",
            Self::RootLinkLoss => "A link of the root is cut",
            Self::SilentFailure => "A link of the root dies in silence",
            Self::NewRoot => "A better root appears",
            Self::FlappingPort => "A host's link flaps",
            Self::FlappingEdge => "A host's link flaps at an edge port",
        }
    }

    /// The event of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|event| event.name() == name)
    }
}

/// The times switches are given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timers {
    /// Max age 20 s, hello 2 s, forward delay 15 s; a second of message age per hop.
    Default,
    /// The default, with the least message age per hop there is: 1/256 s.
    SmallIncrement,
    /// The longest max age, 40 s, and the forward delay it needs, 21 s.
    LongMaxAge,
}

impl Timers {
    /// All.
    pub const ALL: [Self; 3] = [Self::Default, Self::SmallIncrement, Self::LongMaxAge];

    /// The word in tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::SmallIncrement => "small-increment",
            Self::LongMaxAge => "long-max-age",
        }
    }

    /// The timers of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|timers| timers.name() == name)
    }

    /// The times themselves.
    #[must_use]
    pub fn times(self) -> BridgeTimes {
        let default = BridgeTimes::default();
        let seconds = Duration::from_secs;
        match self {
            Self::Default => default,
            Self::SmallIncrement => default
                .with_message_age_increment(stp::BpduTime::from_units(1).duration())
                .expect("1/256 s is the least there is"),
            Self::LongMaxAge => BridgeTimes::new(seconds(40), seconds(2), seconds(21))
                .expect("2 x (21 - 1) >= 40 >= 2 x (2 + 1)"),
        }
    }
}

/// One trial. Keys order as the rows of the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// What is built.
    pub family: Family,
    /// What times switches have.
    pub timers: Timers,
    /// What happens.
    pub event: Event,
    /// How many switches.
    pub size: u32,
    /// Which of the trials that differ in chance only; from 1.
    pub seed: u32,
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} of {}, {} timers, {}, seed {}",
            self.family.name(),
            self.size,
            self.timers.name(),
            self.event.name(),
            self.seed
        )
    }
}

impl Key {
    /// Whether the network is so deep that it hardly settles.
    fn is_deep(&self) -> bool {
        match self.family {
            Family::Line | Family::Ring => self.size > 20,
            Family::Chain => self.size > 10,
            Family::Tree | Family::Mesh | Family::Pods | Family::FatTree => false,
        }
    }

    /// How much work it is, roughly, in no unit.
    #[must_use]
    pub fn cost(&self) -> u64 {
        let links = match self.family {
            Family::Line | Family::Ring | Family::Tree | Family::Chain => u64::from(self.size),
            Family::Mesh => u64::from(self.size).pow(2) / 2,
            Family::Pods => 5 * u64::from(self.size) / 2,
            // k³/2 links at 5k²/4 switches.
            Family::FatTree => u64::from(self.size) * u64::from(self.size.isqrt()) / 3,
        };
        let times = match self.event {
            Event::ColdStart | Event::RootLoss | Event::RootLinkLoss | Event::NewRoot => 1,
            Event::FlappingEdge => 2,
            Event::FlappingPort | Event::SilentFailure => 3,
        };
        // What does not settle is watched until patience ends, and changes all the while.
        let unrest = if self.is_deep() { 8 } else { 1 };
        (links + 10) * times * unrest
    }
}

/// All trials of a study, as a few settings. Whoever has the same plan has the same trials.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The form of plans and tables; parts of another form cannot be merged.
    pub format: u32,
    /// What is studied.
    pub protocol: Protocol,
    /// What chance is drawn from.
    pub seed: u64,
    /// The largest number of switches.
    pub size_max: u32,
    /// Trials of each point, instead of what its size allows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trials: Option<u32>,
    /// Families, by name; in the order of the report.
    pub families: Vec<String>,
    /// Events, by name.
    pub events: Vec<String>,
    /// Whether what the protocol has of its own to measure is part of it; of the classic one, that is depth.
    pub depth: bool,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            format: Self::FORMAT,
            protocol: Protocol::Stp,
            seed: 1,
            size_max: 1000,
            trials: None,
            families: Family::GROWING
                .map(|family| family.name().to_owned())
                .into(),
            events: Event::ALL.map(|event| event.name().to_owned()).into(),
            depth: true,
        }
    }
}

/// Trials of a point of the depth chapter: small networks, much chance.
const DEPTH_TRIALS: u32 = 5;

impl Plan {
    /// The present form of plans and tables.
    pub const FORMAT: u32 = 1;

    /// All trials, in the order of the tables.
    #[must_use]
    pub fn keys(&self) -> Vec<Key> {
        let growing = Family::GROWING.into_iter();
        let growing =
            growing.filter(|family| self.families.iter().any(|name| name == family.name()));
        let mut keys = Vec::new();
        for family in growing {
            for event in self.events() {
                self.add(&mut keys, family, Timers::Default, event, trials_of(family));
            }
        }
        if self.has_depth() {
            for timers in Timers::ALL {
                let trials = |_| DEPTH_TRIALS;
                self.add(&mut keys, Family::Chain, timers, Event::ColdStart, trials);
            }
        }
        keys
    }

    /// Whether there is a chapter on depth. It is about the classic protocol: what a hop costs there is its hold time.
    #[must_use]
    pub fn has_depth(&self) -> bool {
        self.depth && self.protocol == Protocol::Stp
    }

    /// The events, in order.
    pub fn events(&self) -> impl Iterator<Item = Event> {
        let all = Event::ALL.into_iter();
        all.filter(|event| self.events.iter().any(|name| name == event.name()))
    }

    fn add(
        &self,
        keys: &mut Vec<Key>,
        family: Family,
        timers: Timers,
        event: Event,
        trials: impl Fn(u32) -> u32,
    ) {
        let largest = match event {
            Event::ColdStart => self.size_max,
            // Nothing can be done to a network that never stands.
            Event::RootLoss
            | Event::RootLinkLoss
            | Event::SilentFailure
            | Event::NewRoot
            | Event::FlappingPort
            | Event::FlappingEdge => self.size_max.min(family.largest_standing()),
        };
        let sizes = family.sizes().iter().copied();
        for size in sizes.filter(|&size| size <= largest) {
            for seed in 1..=self.trials.unwrap_or_else(|| trials(size)) {
                keys.push(Key {
                    family,
                    timers,
                    event,
                    size,
                    seed,
                });
            }
        }
    }

    /// The trials of one part, in the order of the tables. Parts are about equally heavy: the heaviest bundle that is left
    /// goes to the part that has least.
    #[must_use]
    pub fn keys_of(&self, shard: Shard) -> Vec<Key> {
        let mut bundles = bundles(&self.keys());
        bundles.sort_by_key(|bundle| (core::cmp::Reverse(cost(bundle)), bundle[0]));
        let mut parts: BinaryHeap<Reverse<(u64, u32)>> =
            (1..=shard.of).map(|part| Reverse((0, part))).collect();
        let mut keys = Vec::new();
        for bundle in bundles {
            let Some(Reverse((load, part))) = parts.pop() else {
                break;
            };
            parts.push(Reverse((load + cost(&bundle), part)));
            if part == shard.part {
                keys.extend(bundle);
            }
        }
        keys.sort_unstable();
        keys
    }
}

/// Trials that differ in nothing but the event, together: they have a beginning in common, and whoever does one of them
/// does the others for less.
pub(super) fn bundles(keys: &[Key]) -> Vec<Vec<Key>> {
    let mut bundles: BTreeMap<_, Vec<Key>> = BTreeMap::new();
    for &key in keys {
        let network = (key.family, key.timers, key.size, key.seed);
        bundles.entry(network).or_default().push(key);
    }
    bundles.into_values().collect()
}

/// How much work a bundle is.
pub(super) fn cost(bundle: &[Key]) -> u64 {
    bundle.iter().map(Key::cost).sum()
}

/// How many trials a point has, by what one costs.
fn trials_of(family: Family) -> impl Fn(u32) -> u32 {
    move |size| {
        let key = Key {
            family,
            timers: Timers::Default,
            event: Event::ColdStart,
            size,
            seed: 1,
        };
        let affordable = 1_000 / key.cost();
        u32::try_from(affordable.clamp(3, 20)).unwrap_or(20)
    }
}

/// One part of several: `2/5` is the second of five.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    part: u32,
    of: u32,
}

impl Shard {
    /// Everything in one part.
    pub const WHOLE: Self = Self { part: 1, of: 1 };

    /// Whether it is everything.
    #[must_use]
    pub fn is_whole(self) -> bool {
        self == Self::WHOLE
    }
}

/// What is wrong with a shard.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShardError {
    /// Not two numbers with a stroke between them.
    #[error("'{0}' is no part of a whole: write I/N, as in 2/5")]
    Form(String),
    /// The part is not among the parts.
    #[error("there is no part {part} of {of}: parts are 1/{of} to {of}/{of}")]
    Range {
        /// The part asked for.
        part: u32,
        /// Of how many.
        of: u32,
    },
    /// Nothing is split into no parts.
    #[error("a study has at least one part, not 0")]
    Zero,
}

impl FromStr for Shard {
    type Err = ShardError;

    fn from_str(text: &str) -> Result<Self, ShardError> {
        let numbers = text
            .split_once('/')
            .and_then(|(part, of)| Some((part.parse().ok()?, of.parse().ok()?)));
        let (part, of) = numbers.ok_or_else(|| ShardError::Form(text.to_owned()))?;
        if of == 0 {
            return Err(ShardError::Zero);
        }
        if part == 0 || part > of {
            return Err(ShardError::Range { part, of });
        }
        Ok(Self { part, of })
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.part, self.of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_make_the_whole() {
        let plan = Plan {
            size_max: 32,
            ..Plan::default()
        };
        let whole = plan.keys();
        assert!(whole.is_sorted());
        let mut joined: Vec<Key> = (1..=3)
            .flat_map(|part| plan.keys_of(Shard { part, of: 3 }))
            .collect();
        joined.sort_unstable();
        assert_eq!(joined, whole);
        assert_eq!(plan.keys_of(Shard::WHOLE), whole);
        let costs = [1, 2, 3].map(|part| {
            let keys = plan.keys_of(Shard { part, of: 3 });
            keys.iter().map(Key::cost).sum::<u64>()
        });
        let (least, most) = (costs.iter().min().unwrap(), costs.iter().max().unwrap());
        assert!(most * 100 < least * 101, "{costs:?}");
    }

    #[test]
    fn shards_are_read_or_refused() {
        assert_eq!("2/5".parse(), Ok(Shard { part: 2, of: 5 }));
        for (text, message) in [
            ("2", "'2' is no part of a whole: write I/N, as in 2/5"),
            ("a/b", "'a/b' is no part of a whole: write I/N, as in 2/5"),
            ("0/3", "there is no part 0 of 3: parts are 1/3 to 3/3"),
            ("4/3", "there is no part 4 of 3: parts are 1/3 to 3/3"),
            ("1/0", "a study has at least one part, not 0"),
        ] {
            assert_eq!(text.parse::<Shard>().unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn names_lead_back() {
        assert!(
            Event::ALL
                .iter()
                .all(|event| Event::from_name(event.name()) == Some(*event))
        );
        assert!(
            Timers::ALL
                .iter()
                .all(|timers| Timers::from_name(timers.name()) == Some(*timers))
        );
    }
}
