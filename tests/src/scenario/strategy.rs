//! Random scenarios.

use core::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::regime::least_max_age;
use super::{Bridge, End, Fault, Scenario, Step, Times, Wire};

/// What kind of scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Times that fit the network, and nothing is lost in silence: no loop may be.
    Safe,
    /// Times that fit, and frames are lost.
    Lossy,
    /// Any legal times, whatever the network; nothing is lost in silence.
    AnyTimes,
}

impl Kind {
    /// The kind of the scenario of this number: six in ten are safe, three lossy.
    #[must_use]
    pub fn of(number: u64) -> Self {
        match number % 10 {
            0 | 2 | 4 | 5 | 7 | 9 => Self::Safe,
            1 | 3 | 6 => Self::Lossy,
            _ => Self::AnyTimes,
        }
    }
}

/// The scenario of this number: always the same one.
#[must_use]
pub fn numbered(number: u64) -> Scenario {
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&number.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let drawn = scenario(Kind::of(number)).new_tree(&mut runner);
    drawn.expect("nothing is filtered out").current()
}

/// How large a network is, and how slow.
#[derive(Clone, Copy, Debug)]
struct Size {
    bridges: usize,
    delay_us: u32,
}

fn size() -> impl Strategy<Value = Size> {
    let bridges = prop_oneof![12 => 2..=4_usize, 6 => 5..=8_usize, 1 => 9..=12_usize];
    let delay_us = prop_oneof![6 => 1..=1_000_u32, 2 => 1..=50_000_u32, 1 => 1..=500_000_u32];
    (bridges, delay_us).prop_map(|(bridges, delay_us)| Size { bridges, delay_us })
}

/// A scenario of this kind.
pub fn scenario(kind: Kind) -> impl Strategy<Value = Scenario> {
    let drawn = size().prop_flat_map(move |size| {
        let bridges = size.bridges;
        (
            any::<u64>(),
            times(kind, size).prop_flat_map(move |times| vec(bridge(times), bridges)),
            wires(size),
            prop_oneof![Just(0), 300..3_000_u32, 1_000..10_000_u32],
            any::<(bool, bool)>(),
            vec(step(kind), 0..=8),
            Just(size),
        )
    });
    drawn.prop_map(
        |(seed, bridges, wires, traffic_ms, (hush, late), mut steps, size)| {
            if late && let Some((wait_us, _)) = steps.first_mut() {
                *wait_us += settling_us(&bridges);
            }
            let mut scenario = Scenario {
                seed,
                bridges,
                wires,
                traffic_ms,
                hush,
                steps: Vec::new(),
            };
            scenario.steps = steps
                .into_iter()
                .map(|(wait_us, raw)| Step {
                    wait_us,
                    fault: raw.place(&scenario, size),
                })
                .collect();
            scenario
        },
    )
}

/// Long enough for a tree to stand and for hosts to be known.
fn settling_us(bridges: &[Bridge]) -> u64 {
    let times = bridges.iter().map(|bridge| bridge.times);
    let longest = times.map(|times| times.max_age() + 3 * times.forward_delay());
    let longest = longest.max().unwrap_or_default();
    u64::try_from(longest.as_micros()).unwrap_or(0)
}

/// The ranges a scenario's times are drawn from.
#[derive(Clone, Copy, Debug)]
enum Ranges {
    Any,
    Fit {
        max_age: (u8, u8),
        hello_time: u8,
        forward_delay: u8,
    },
}

/// Ranges such that whoever is root, and whatever is in force elsewhere, [`super::regime`] is content.
fn times(kind: Kind, size: Size) -> BoxedStrategy<Ranges> {
    if kind == Kind::AnyTimes {
        return Just(Ranges::Any).boxed();
    }
    let hello_time = prop_oneof![3 => Just(1_u8), 2 => Just(2), 1 => 3..=6_u8];
    let drawn = (hello_time, prop_oneof![2 => Just(0), 1 => 0..=8_u8]);
    drawn
        .prop_map(move |(hello_time, slack)| {
            let bridges = u32::try_from(size.bridges).unwrap_or(u32::MAX);
            let delay = Duration::from_micros(size.delay_us.into());
            let hello = Duration::from_secs(hello_time.into());
            let least =
                least_max_age(bridges, hello, delay).max(2 * hello + Duration::from_secs(2));
            let least = seconds(least).clamp(6, 40);
            let most = (least + slack).min(40);
            let spread = bridges * (Duration::from_secs(1) + 2 * delay);
            let forward_delay = (Duration::from_secs(most.into()) + spread) / 2;
            Ranges::Fit {
                max_age: (least, most),
                hello_time,
                forward_delay: seconds(forward_delay).clamp(4, 30),
            }
        })
        .boxed()
}

/// Whole seconds, rounded up.
fn seconds(time: Duration) -> u8 {
    u8::try_from(time.as_micros().div_ceil(1_000_000)).unwrap_or(u8::MAX)
}

fn legal_times(ranges: Ranges) -> BoxedStrategy<Times> {
    match ranges {
        Ranges::Fit {
            max_age: (least, most),
            hello_time,
            forward_delay,
        } => (
            least..=most,
            1..=hello_time,
            forward_delay..=forward_delay.saturating_add(3).min(30),
        )
            .prop_map(|(a, h, f)| Times(a, h, f))
            .boxed(),
        Ranges::Any => prop_oneof![2 => 4..=8_u8, 1 => 4..=30_u8]
            .prop_flat_map(|f| (6..=(2 * (f - 1)).min(40), Just(f)))
            .prop_flat_map(|(a, f)| (Just(a), 1..=(a / 2 - 1).min(10), Just(f)))
            .prop_map(|(a, h, f)| Times(a, h, f))
            .boxed(),
    }
}

fn bridge(ranges: Ranges) -> impl Strategy<Value = Bridge> {
    (0..16_u8, legal_times(ranges)).prop_map(|(priority, times)| Bridge { priority, times })
}

/// Cables that mostly connect everything, more cables, segments, loops of one cable, and hosts.
fn wires(size: Size) -> impl Strategy<Value = Vec<Wire>> {
    let bridges = size.bridges;
    let end = move || {
        (
            0..bridges,
            cost(),
            prop_oneof![3 => Just(8_u8), 1 => 0..16_u8],
        )
            .prop_map(|(bridge, cost, priority)| End {
                bridge,
                cost,
                priority,
                edge: false,
            })
    };
    let trunk = move |number: usize| {
        (end(), end(), prop::bool::weighted(0.93)).prop_map(move |(mut a, mut b, ordered)| {
            if ordered {
                a.bridge %= number;
                b.bridge = number;
            }
            (vec![a, b], 0)
        })
    };
    let trunks: Vec<_> = (1..bridges).map(trunk).collect();
    let more = prop_oneof![
        6 => vec(end(), 2).prop_map(|ends| (ends, 0)),
        2 => (vec(end(), 2..=4), 0..=1_u8),
    ];
    let host = (
        end(),
        prop_oneof![5 => Just(1_u8), 1 => Just(2)],
        any::<bool>(),
    )
        .prop_map(|(mut end, hosts, edge)| {
            end.edge = edge;
            (vec![end], hosts)
        });
    let rest = (vec(more, 0..=bridges), vec(host, 1..=4));
    let delays = vec(1..=size.delay_us, 3 * bridges + 4);
    (trunks, rest, delays).prop_map(|(trunks, (more, hosts), delays)| {
        let all = trunks.into_iter().chain(more).chain(hosts);
        all.zip(delays)
            .map(|((ends, hosts), delay_us)| Wire {
                ends,
                hosts,
                delay_us,
            })
            .collect()
    })
}

fn cost() -> impl Strategy<Value = u32> {
    prop_oneof![4 => Just(2_u32), 3 => 1..=4_u32, 1 => 1..=200_000_u32]
}

/// A fault whose places are not yet known.
#[derive(Clone, Debug)]
struct Raw {
    what: What,
    wire: Index,
    end: Index,
    bridge: Index,
    number: u32,
}

#[derive(Clone, Copy, Debug)]
enum What {
    Down,
    Up,
    Silent,
    Mute,
    Deaf,
    Loss,
    Delay,
    Off,
    On,
    Freeze,
    Priority,
    Times,
    Cost,
    PortPriority,
    PortDown,
    PortUp,
}

fn step(kind: Kind) -> impl Strategy<Value = (u64, Raw)> {
    let quiet = prop_oneof![
        6 => Just(What::Down),
        6 => Just(What::Up),
        1 => Just(What::Delay),
        4 => Just(What::Off),
        5 => Just(What::On),
        2 => Just(What::Priority),
        1 => Just(What::Times),
        2 => Just(What::Cost),
        1 => Just(What::PortPriority),
        1 => Just(What::PortDown),
        2 => Just(What::PortUp),
    ];
    let lossy = prop_oneof![
        Just(What::Silent),
        Just(What::Mute),
        Just(What::Deaf),
        Just(What::Loss),
        Just(What::Freeze),
    ];
    let what = if kind == Kind::Lossy {
        prop_oneof![2 => quiet, 1 => lossy].boxed()
    } else {
        quiet.boxed()
    };
    let wait_us = prop_oneof![
        2 => 0..100_000_u64,
        3 => 0..5_000_000_u64,
        3 => 0..40_000_000_u64,
        2 => (0..40_u64).prop_map(|seconds| seconds * 1_000_000),
    ];
    let raw = (what, any::<[Index; 3]>(), any::<u32>());
    (wait_us, raw).prop_map(|(wait_us, (what, [wire, end, bridge], number))| {
        let raw = Raw {
            what,
            wire,
            end,
            bridge,
            number,
        };
        (wait_us, raw)
    })
}

impl Raw {
    /// The fault, in this network. New times are those of some bridge in it, so that they fit if the others do.
    fn place(&self, scenario: &Scenario, size: Size) -> Fault {
        let wire = self.wire.index(scenario.wires.len());
        let end = self.end.index(scenario.wires[wire].ends.len());
        let bridge = self.bridge.index(scenario.bridges.len());
        let small = |limit: u32| u8::try_from(self.number % limit).unwrap_or(0);
        match self.what {
            What::Down => Fault::Down(wire),
            What::Up => Fault::Up(wire),
            What::Silent => Fault::Silent(wire),
            What::Mute => Fault::Mute(wire, end),
            What::Deaf => Fault::Deaf(wire, end),
            What::Loss => Fault::Loss(wire, small(91) + 10),
            What::Delay => Fault::Delay(wire, 1 + self.number % size.delay_us),
            What::Off => Fault::Off(bridge),
            What::On => Fault::On(bridge),
            What::Freeze => Fault::Freeze(bridge),
            What::Priority => Fault::Priority(bridge, small(16)),
            What::Times => Fault::Times(bridge, self.new_times(scenario)),
            What::Cost => Fault::Cost(wire, end, 1 + self.number % 6),
            What::PortPriority => Fault::PortPriority(wire, end, small(16)),
            What::PortDown => Fault::PortDown(wire, end),
            What::PortUp => Fault::PortUp(wire, end),
        }
    }

    fn new_times(&self, scenario: &Scenario) -> Times {
        scenario.bridges[self.end.index(scenario.bridges.len())].times
    }
}
