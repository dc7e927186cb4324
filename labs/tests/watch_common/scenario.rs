//! Stories of one machine, drawn at random. What became of it follows from what the story did, never from what the
//! switches told.

use core::time::Duration;
use std::rc::Rc;

use labs::client::Gap;
use labs::sim::{LinkState, OneWay, Operation};
use labs::watch::{forwarding, tables, wiring_in};
use switchd::watch::{Analysis, Observation, Verdict, Wiring, analyse};

use super::network::{MS, Network, Shape, subject};
use super::stations::{CLIENT, Card, Client, VM, gratuitous, question, rarp, word};

const S: Duration = Duration::from_secs(1);
/// When the machine first speaks; then the watch begins, then the story.
const SPEAKS: Duration = Duration::from_secs(200);
const WATCHED: Duration = Duration::from_secs(201);
const BEGINS: Duration = Duration::from_secs(202);

/// What a story is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Clean,
    ChattyThenAnnounced,
    Silent,
    Unannounced,
    AllAnnouncementsLost,
    LostOnTheWay,
    Leak,
    LeakAborted,
    ThereAndBack,
    ThirdPlace,
    TwoStations,
    TwoStationsForAWhile,
    Loop,
    LoopWithMove,
    LoopOneWay,
    PathCut,
    Quiet,
    FallsSilent,
    MovesThenPathCut,
}

impl Kind {
    pub(crate) const ALL: [Self; 19] = [
        Self::Clean,
        Self::ChattyThenAnnounced,
        Self::Silent,
        Self::Unannounced,
        Self::AllAnnouncementsLost,
        Self::LostOnTheWay,
        Self::Leak,
        Self::LeakAborted,
        Self::ThereAndBack,
        Self::ThirdPlace,
        Self::TwoStations,
        Self::TwoStationsForAWhile,
        Self::Loop,
        Self::LoopWithMove,
        Self::LoopOneWay,
        Self::PathCut,
        Self::Quiet,
        Self::FallsSilent,
        Self::MovesThenPathCut,
    ];

    fn shape(self, seed: u64) -> Shape {
        let plain = Shape {
            ring: false,
            tree: seed.is_multiple_of(2),
            least: 1,
            ageing: 300,
            period: 10 * MS,
        };
        match self {
            Self::Clean
            | Self::ChattyThenAnnounced
            | Self::Unannounced
            | Self::AllAnnouncementsLost
            | Self::Leak
            | Self::LeakAborted
            | Self::ThereAndBack
            | Self::ThirdPlace
            | Self::TwoStations
            | Self::TwoStationsForAWhile
            | Self::Quiet => match seed % 4 {
                0 => Shape {
                    ring: true,
                    least: 3,
                    ..plain
                },
                _ => plain,
            },
            Self::LostOnTheWay => Shape { least: 2, ..plain },
            Self::Silent | Self::FallsSilent => Shape {
                ageing: 10,
                ..plain
            },
            Self::Loop | Self::LoopWithMove | Self::LoopOneWay => Shape {
                ring: true,
                tree: false,
                least: 3,
                period: 300 * MS,
                ..plain
            },
            Self::PathCut | Self::MovesThenPathCut => Shape {
                ring: true,
                tree: true,
                least: 3,
                ..plain
            },
        }
    }
}

/// A move: the truth that a silence is held against.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moved {
    pub(crate) stopped: Duration,
    pub(crate) resumed: Duration,
    /// The first frame that left the new place.
    pub(crate) spoke: Option<Duration>,
    /// When the client, which had forgotten the machine's address, asks for it with success.
    pub(crate) answered: Option<Duration>,
}

/// A story that has been lived.
pub(crate) struct Lived {
    pub(crate) net: Network,
    pub(crate) truth: Verdict,
    pub(crate) analysis: Analysis,
    pub(crate) wiring: Wiring,
    /// Of a story with one move, what the client felt, and until when it looked.
    pub(crate) moved: Option<(Moved, Gap, Duration)>,
}

/// What a story does, as it is drawn.
struct Script<'n> {
    net: &'n mut Network,
    until: Duration,
}

impl Script<'_> {
    fn at(&mut self, time: Duration, operation: Operation) {
        self.net.world.schedule(time, operation).unwrap();
        self.until = self.until.max(time);
    }

    fn send(&mut self, time: Duration, from: usize, frame: Rc<[u8]>) {
        let from = self.net.cards[from].0;
        self.at(time, Operation::Send { from, frame });
    }

    /// The machine runs at `place`, and answers.
    fn runs(&mut self, place: usize, from: Duration, to: Duration) {
        let node = self.net.cards[place].0.node;
        let card = self.net.world.station_mut::<Card>(node).unwrap();
        card.runs.push((from, to));
    }

    /// Five announcements as QEMU spaces them, of one kind or both.
    fn announces(&mut self, place: usize, from: Duration) {
        let kind = self.net.chance.below(3);
        for after in [0, 50, 200, 450, 800] {
            let time = from + after * MS;
            if kind != 1 {
                self.send(time, place, rarp());
            }
            if kind != 0 {
                self.send(time + Duration::from_micros(20), place, gratuitous());
            }
        }
    }

    /// It sends frames to its client, some to all.
    fn talks(&mut self, place: usize, from: Duration, to: Duration) {
        let mut time = from;
        while time < to {
            let frame = match self.net.chance.below(12) {
                0 => question(),
                _ => word(VM, CLIENT),
            };
            self.send(time, place, frame);
            time += self.net.millis(5, 120);
        }
    }

    fn plug(&mut self, time: Duration, place: usize, plugged: bool) {
        let port = self.net.cards[place].0;
        self.at(time, Operation::Plug { port, plugged });
    }

    /// Moves from place to place with announcements. Returns stop, resume, first frame.
    fn moves(&mut self, from: usize, to: usize, at: Duration, end: Duration) -> Moved {
        let resumed = at + self.net.millis(1, 200);
        let spoke = resumed + self.net.millis(0, 300);
        self.runs(to, resumed, end);
        self.announces(to, spoke);
        self.talks(to, spoke + MS, end);
        if self.net.coin() {
            let after = spoke + self.net.millis(1, 900);
            self.plug(after, from, false);
        }
        Moved {
            stopped: at,
            resumed,
            spoke: Some(spoke),
            answered: None,
        }
    }
}

/// Lives a story.
pub(crate) fn live(kind: Kind, seed: u64) -> Lived {
    let mut net = Network::draw(kind.shape(seed), seed);
    let mut script = Script {
        net: &mut net,
        until: BEGINS,
    };
    script.send(SPEAKS - 2 * MS, 0, gratuitous());
    let (truth, moved) = tell(kind, seed, &mut script);
    let last = script.until.max(BEGINS);
    let until = last + 3 * S;
    net.world.run_until(WATCHED);
    net.recorder.borrow_mut().take();
    let before = tables(&net.world, subject());
    let client = net.client.node;
    let now = net.world.now();
    net.world
        .station_mut::<Client>(client)
        .unwrap()
        .longest(now);
    // The machine runs until then; what the client misses afterwards is no story.
    net.world.run_until(last);
    let gap = net
        .world
        .station_mut::<Client>(client)
        .unwrap()
        .longest(last);
    net.world.run_until(until);
    assert!(net.world.refused().is_empty(), "{:?}", net.world.refused());
    let observation = Observation {
        before: before.clone(),
        events: net.recorder.borrow_mut().take(),
        until,
        forwarding: Some(forwarding(&net.world, subject())),
        slack: Duration::ZERO,
    };
    let wiring = wiring_in(net.world.map());
    let analysis = analyse(subject(), &wiring, &observation);
    let truth = match truth {
        Truth::Is(verdict) => verdict,
        Truth::At(place) => match net.astray(net.cards[place].1).is_empty() {
            true => Verdict::CleanMove,
            false => Verdict::StaleEntry,
        },
        Truth::AtAfterWords => match (
            net.rest_learns_by_word(),
            net.astray(net.cards[1].1).is_empty(),
        ) {
            (true, _) => Verdict::NeverAnnounced,
            (false, true) => Verdict::CleanMove,
            (false, false) => Verdict::StaleEntry,
        },
        Truth::Path => {
            let after = tables(&net.world, subject());
            let turned = |(switch, port)| after.get(switch).is_some_and(|now| now != port);
            match before.iter().any(turned) {
                true => Verdict::PathChanged,
                false => Verdict::Still,
            }
        }
    };
    Lived {
        net,
        truth,
        analysis,
        wiring,
        moved: moved.map(|moved| (moved, gap, last)),
    }
}

/// How the truth is known.
enum Truth {
    /// From the story.
    Is(Verdict),
    /// It moved to this place and said so: clean if every table leads there.
    At(usize),
    /// The same, but it had spoken to its client before it announced itself. Where that frame alone put every entry
    /// right, nothing was left for an announcement to tell.
    AtAfterWords,
    /// It stayed: the tables say whether the way changed.
    Path,
}

fn tell(kind: Kind, seed: u64, script: &mut Script<'_>) -> (Truth, Option<Moved>) {
    let at = BEGINS + script.net.millis(0, 500);
    let end = at + 3 * S;
    match kind {
        Kind::Clean | Kind::ChattyThenAnnounced => {
            source(script, at);
            let moved = script.moves(0, 1, at, end);
            if kind == Kind::ChattyThenAnnounced {
                // To its client alone: the rest of the network learns nothing from it.
                let early = moved.resumed;
                script.send(early, 1, word(VM, CLIENT));
            }
            let mut answered = None;
            if seed.is_multiple_of(3) {
                // It asks while the machine is stopped, and again a second later, when the way is right.
                let gone = at + (moved.resumed - at) / 2;
                forgets(script, gone);
                answered = Some(gone + S);
            }
            let (truth, spoke) = if kind == Kind::Clean {
                (Truth::At(1), moved.spoke)
            } else {
                (Truth::AtAfterWords, Some(moved.resumed))
            };
            (
                truth,
                Some(Moved {
                    spoke,
                    answered,
                    ..moved
                }),
            )
        }
        Kind::Silent | Kind::Unannounced | Kind::AllAnnouncementsLost => (
            Truth::Is(Verdict::NeverAnnounced),
            Some(unannounced(kind, seed, script, at)),
        ),
        Kind::LostOnTheWay => {
            source(script, at);
            let resumed = at + script.net.millis(1, 200);
            let spoke = resumed + 30 * MS;
            script.runs(1, resumed, end);
            let wire = usize::try_from(script.net.chance.below(script.net.cables.len() as u64));
            let wire = script.net.cables[wire.unwrap()];
            for port in script.net.world.map().ends(wire).to_vec() {
                let mute = |mute| Operation::OneWay {
                    port,
                    one_way: OneWay { mute, deaf: false },
                };
                script.at(resumed, mute(true));
                script.at(spoke + 850 * MS, mute(false));
            }
            script.announces(1, spoke);
            if seed.is_multiple_of(3) {
                script.talks(1, spoke + S, end);
            }
            (Truth::At(1), None)
        }
        Kind::Leak | Kind::LeakAborted => (Truth::Is(Verdict::EarlyLeak), leak(kind, script, at)),
        Kind::ThereAndBack | Kind::ThirdPlace => {
            source(script, at);
            let second = at + S + script.net.millis(200, 3_000);
            script.moves(0, 1, at, second);
            let to = if kind == Kind::ThirdPlace { 2 } else { 0 };
            script.plug(second - 5 * MS, to, true);
            script.moves(1, to, second, second + 3 * S);
            (Truth::Is(Verdict::DoubleMove), None)
        }
        Kind::TwoStations | Kind::TwoStationsForAWhile => two_stations(kind, script, at),
        Kind::Loop | Kind::LoopWithMove | Kind::LoopOneWay => looped(kind, script, at),
        Kind::PathCut | Kind::Quiet => {
            script.runs(0, SPEAKS, SPEAKS + 1_000 * S);
            script.talks(0, SPEAKS, at + 40 * S);
            if kind == Kind::PathCut {
                let cables = &script.net.cables;
                let wire = usize::try_from(script.net.chance.below(cables.len() as u64));
                let wire = script.net.cables[wire.unwrap()];
                let state = LinkState::Down;
                script.at(at, Operation::Link { wire, state });
            }
            (Truth::Path, None)
        }
        Kind::FallsSilent => {
            script.runs(0, SPEAKS, at);
            script.talks(0, SPEAKS, at);
            quiet_client(script, at);
            script.until = at + 15 * S;
            (Truth::Is(Verdict::FellSilent), None)
        }
        Kind::MovesThenPathCut => {
            source(script, at);
            let moved = script.moves(0, 1, at, at + 45 * S);
            let cables = &script.net.cables;
            let wire = usize::try_from(script.net.chance.below(cables.len() as u64));
            let wire = script.net.cables[wire.unwrap()];
            let state = LinkState::Down;
            script.at(moved.resumed + 3 * S, Operation::Link { wire, state });
            (Truth::At(1), None)
        }
    }
}

/// The machine runs at the first place until `at`.
fn source(script: &mut Script<'_>, at: Duration) {
    script.runs(0, SPEAKS - S, at);
    script.talks(0, SPEAKS, at);
}

fn forgets(script: &mut Script<'_>, at: Duration) {
    let client = script.net.client.node;
    let client = script.net.world.station_mut::<Client>(client).unwrap();
    client.forgets = Some(at);
}

/// The client says nothing from the beginning.
fn quiet_client(script: &mut Script<'_>, _: Duration) {
    let client = script.net.client.node;
    script
        .net
        .world
        .station_mut::<Client>(client)
        .unwrap()
        .stop();
}

fn unannounced(kind: Kind, seed: u64, script: &mut Script<'_>, at: Duration) -> Moved {
    source(script, at);
    let resumed = at + script.net.millis(1, 200);
    let unplugged = resumed + 40 * MS;
    if kind == Kind::Silent {
        script.plug(unplugged, 0, false);
        // Seen to the end, or broken off before the entries have aged.
        script.until = at
            + if seed.is_multiple_of(2) {
                14 * S
            } else {
                4 * S
            };
        script.runs(1, resumed, at + 100 * S);
        return Moved {
            stopped: at,
            resumed,
            spoke: None,
            answered: None,
        };
    }
    if kind == Kind::AllAnnouncementsLost {
        let port = script.net.cards[1].0;
        let mute = |mute| Operation::OneWay {
            port,
            one_way: OneWay { mute, deaf: false },
        };
        script.at(resumed, mute(true));
        script.at(resumed + 900 * MS, mute(false));
        script.announces(1, resumed + MS);
    }
    script.runs(1, resumed + S, at + 4 * S);
    let first = resumed + S + script.net.millis(0, 500);
    if script.net.coin() {
        script.send(first, 1, question());
    } else {
        script.send(first, 1, word(VM, CLIENT));
    }
    script.talks(1, first + 10 * MS, at + 4 * S);
    if script.net.coin() {
        script.plug(first + 100 * MS, 0, false);
    }
    Moved {
        stopped: at,
        resumed,
        spoke: Some(first),
        answered: None,
    }
}

fn leak(kind: Kind, script: &mut Script<'_>, at: Duration) -> Option<Moved> {
    let leaks = if kind == Kind::LeakAborted {
        1
    } else {
        1 + script.net.chance.below(3)
    };
    let mut time = at;
    for _ in 0..leaks {
        let frame = if script.net.coin() {
            rarp()
        } else {
            gratuitous()
        };
        script.send(time, 1, frame);
        time += script.net.millis(30, 400);
    }
    if kind == Kind::LeakAborted {
        script.runs(0, SPEAKS - S, time + 10 * S);
        script.talks(0, SPEAKS, time + 4 * S);
        script.send(time + S, 0, question());
        return None;
    }
    // The source spoke after the last leak, to everybody: the leak was undone.
    script.runs(0, SPEAKS - S, time);
    script.talks(0, SPEAKS, time - 3 * MS);
    script.send(time - 2 * MS, 0, question());
    Some(script.moves(0, 1, time, time + 3 * S))
}

fn two_stations(kind: Kind, script: &mut Script<'_>, at: Duration) -> (Truth, Option<Moved>) {
    let end = at + 6 * S;
    script.runs(0, SPEAKS - S, end + 10 * S);
    script.runs(1, at, end);
    let last = if kind == Kind::TwoStations {
        end + 3 * S
    } else {
        end
    };
    if script.net.coin() {
        script.announces(1, at);
    }
    let broadcasts = script.net.coin();
    let mut time = at;
    while time < last {
        let frame = if broadcasts {
            question()
        } else {
            word(VM, CLIENT)
        };
        script.send(time, 1, frame);
        time += script.net.millis(20, 400);
    }
    script.talks(0, SPEAKS, last);
    // Both are heard by everybody at times, whatever the rest does.
    for turn in 0..5 {
        script.send(at + (700 * turn + 100) * MS, 1, question());
        script.send(at + (700 * turn + 450) * MS, 0, question());
    }
    if kind == Kind::TwoStationsForAWhile {
        script.plug(end + 50 * MS, 1, false);
        script.talks(0, end + 100 * MS, end + 3 * S);
    } else {
        script.until = last - 3 * S;
    }
    (Truth::Is(Verdict::Flap), None)
}

fn looped(kind: Kind, script: &mut Script<'_>, at: Duration) -> (Truth, Option<Moved>) {
    let end = at + 2 * S;
    // Until the story begins, the ring is open.
    let wire = script.net.cables[script.net.cables.len() - 1];
    script.net.world.set_link(wire, LinkState::Down).unwrap();
    let state = LinkState::Up;
    script.at(at, Operation::Link { wire, state });
    if kind == Kind::LoopOneWay {
        let cable = script.net.world.map().ends(wire)[0];
        let one_way = OneWay {
            mute: true,
            deaf: false,
        };
        script.at(
            at,
            Operation::OneWay {
                port: cable,
                one_way,
            },
        );
    }
    script.runs(0, SPEAKS - S, end);
    script.talks(0, SPEAKS, at);
    let mut time = at + MS;
    for _ in 0..4 + script.net.chance.below(6) {
        script.send(time, 0, question());
        time += script.net.millis(20, 150);
    }
    if kind == Kind::LoopWithMove {
        script.moves(0, 1, time, time + S);
    }
    if script.net.coin() {
        let state = LinkState::Down;
        script.at(time + 500 * MS, Operation::Link { wire, state });
    }
    (Truth::Is(Verdict::Loop), None)
}
