//! Migration without sockets: both sides, a link with a rate, virtual time; cut anywhere.

use core::time::Duration;
use labs::guest::{Machine, MachineConfig};
use labs::migrate::protocol::{Decoder, Message, encode};
use labs::migrate::{Happening, Limits, Outcome, Source, Target};
use proptest::prelude::*;

const MS: Duration = Duration::from_millis(1);
const PAGES: u32 = 512;
/// Octets the link carries per step of [`STEP`]: 100 MB/s.
const PER_STEP: usize = 20_000;
const STEP: Duration = Duration::from_micros(200);

fn config(dirty: u32) -> MachineConfig {
    MachineConfig {
        memory_pages: PAGES,
        dirty_pages_per_second: dirty,
        ..MachineConfig::default()
    }
}

/// A migration in virtual time.
struct Move {
    now: Duration,
    machine: Machine,
    source: Source,
    target: Target,
    forth: Vec<u8>,
    back: Vec<u8>,
    at_target: Decoder,
    at_source: Decoder,
    carried: usize,
    arrived: Option<Machine>,
    happenings: Vec<(Duration, Happening)>,
}

impl Move {
    fn new(dirty: u32, limits: Limits) -> Self {
        let now = Duration::from_secs(1);
        let mut machine = Machine::boot(now, config(dirty)).expect("a good configuration");
        let mut forth = Vec::new();
        let source = Source::new(now, limits, &mut machine, &mut forth);
        Self {
            now,
            machine,
            source,
            target: Target::new(PAGES),
            forth,
            back: Vec::new(),
            at_target: Decoder::default(),
            at_source: Decoder::default(),
            carried: 0,
            arrived: None,
            happenings: Vec::new(),
        }
    }

    /// One step of time. False: nothing more will happen.
    fn step(&mut self) -> bool {
        self.now += STEP;
        if self.source.outcome() == Outcome::Copying {
            self.machine.poll(self.now, None);
        }
        self.source
            .fill(self.now, &mut self.machine, &mut self.forth);
        let count = self.forth.len().min(PER_STEP);
        self.at_target.feed(&self.forth[..count]);
        self.forth.drain(..count);
        self.carried += count;
        while let Some(message) = self.at_target.message().expect("good bytes") {
            let arrived = self.target.handle(self.now, &message, &mut self.back);
            if let Some(machine) = arrived.expect("a good migration") {
                self.arrived = Some(machine);
            }
        }
        self.at_source.feed(&self.back);
        self.back.clear();
        while let Some(message) = self.at_source.message().expect("good bytes") {
            let (machine, out) = (&mut self.machine, &mut self.forth);
            self.source.handle(self.now, &message, machine, out);
        }
        self.source.expire(self.now);
        self.happenings.extend(self.source.take_happenings());
        matches!(self.source.outcome(), Outcome::Copying | Outcome::Stopped)
    }

    fn run(&mut self) {
        let end = self.now + Duration::from_secs(20);
        while self.step() && self.now < end {}
    }

    fn rounds(&self) -> usize {
        let round = |h: &&(Duration, Happening)| matches!(h.1, Happening::Round { .. });
        self.happenings.iter().filter(round).count()
    }
}

#[test]
fn memory_arrives_equal_in_few_rounds_and_the_pause_fits_the_target() {
    let mut moving = Move::new(2000, Limits::default());
    moving.run();
    assert_eq!(moving.source.outcome(), Outcome::Moved);
    let arrived = moving.arrived.as_ref().expect("it arrived");
    assert_eq!(arrived.memory().digest(), moving.machine.memory().digest());
    assert_eq!(arrived.memory().digest(), moving.source.target_digest());
    assert_eq!(arrived.status().moves, 1);
    assert!((1..=5).contains(&moving.rounds()), "{}", moving.rounds());
    let at = |wanted: fn(&Happening) -> bool| {
        let found = moving.happenings.iter().find(|h| wanted(&h.1));
        found.expect("it happened").0
    };
    let stop = at(|h| {
        matches!(
            h,
            Happening::Stop {
                converged: true,
                ..
            }
        )
    });
    let resumed = at(|h| matches!(h, Happening::Resumed { .. }));
    assert!(resumed - stop < 10 * MS, "{:?}", resumed - stop);
}

#[test]
fn a_load_faster_than_the_link_stops_after_the_last_round() {
    let limits = Limits {
        rounds: 4,
        bandwidth: 1_000_000,
        ..Limits::default()
    };
    let mut moving = Move::new(100_000, limits);
    moving.run();
    assert_eq!(moving.source.outcome(), Outcome::Moved);
    assert_eq!(moving.rounds(), 4);
    let unconverged = |h: &(Duration, Happening)| {
        matches!(
            h.1,
            Happening::Stop {
                converged: false,
                ..
            }
        )
    };
    assert!(moving.happenings.iter().any(unconverged));
    let arrived = moving.arrived.expect("it arrived");
    assert_eq!(arrived.memory().digest(), moving.machine.memory().digest());
}

#[test]
fn the_bandwidth_limit_holds() {
    let limits = Limits {
        bandwidth: 10_000_000,
        ..Limits::default()
    };
    let mut moving = Move::new(0, limits);
    let start = moving.now;
    moving.run();
    assert_eq!(moving.source.outcome(), Outcome::Moved);
    // 2 MiB at 10 MB/s: 210 ms.
    let took = moving.now - start;
    assert!((200 * MS..260 * MS).contains(&took), "{took:?}");
}

#[test]
fn a_silent_target_is_given_up_and_the_guest_goes_on() {
    let limits = Limits {
        patience_ms: 50,
        ..Limits::default()
    };
    let mut moving = Move::new(1000, limits.clone());
    for _ in 0..30 {
        moving.step();
    }
    // From now on nothing is carried.
    let end = moving.now + 100 * MS;
    while moving.now < end {
        moving.now += MS;
        let (machine, out) = (&mut moving.machine, &mut moving.forth);
        moving.source.fill(moving.now, machine, out);
        moving.source.expire(moving.now);
    }
    assert_eq!(moving.source.outcome(), Outcome::Failed);
    let happenings = moving.source.take_happenings();
    assert!(matches!(&happenings[..], [(_, Happening::Failed { .. })]));
    let before = moving.machine.status().pages_written;
    for step in 0..50 {
        moving.machine.poll(moving.now + step * MS, None);
    }
    assert!(moving.machine.status().pages_written > before);
}

#[test]
fn a_target_refuses_by_name_and_the_guest_stays() {
    let mut out = Vec::new();
    let mut target = Target::new(PAGES - 1);
    let error = target
        .handle(MS, &Message::Hello { pages: PAGES }, &mut out)
        .expect_err("too large");
    let mut moving = Move::new(0, Limits::default());
    let mut decoder = Decoder::default();
    decoder.feed(&out);
    let refusal = decoder.message().expect("good bytes").expect("a refusal");
    let reason = error.to_string();
    assert_eq!(refusal, Message::Refused { reason: &reason });
    let (machine, forth) = (&mut moving.machine, &mut moving.forth);
    moving.source.handle(moving.now, &refusal, machine, forth);
    assert_eq!(moving.source.outcome(), Outcome::Failed);
}

#[test]
fn a_target_does_not_build_a_machine_on_other_memory() {
    let mut moving = Move::new(0, Limits::default());
    let mut decoder = Decoder::default();
    let mut out = Vec::new();
    let mut target = Target::new(PAGES);
    let hello = Message::Hello { pages: PAGES };
    assert!(target.handle(MS, &hello, &mut out).is_ok());
    let (machine, forth) = (&mut moving.machine, &mut moving.forth);
    moving
        .source
        .handle(moving.now, &Message::Accept, machine, forth);
    let checkpoint = serde_json::to_vec(&moving.machine.freeze()).expect("plain data");
    let state = Message::State {
        digest: moving.machine.memory().digest(),
        checkpoint: &checkpoint,
    };
    let error = target
        .handle(MS, &state, &mut out)
        .expect_err("no pages came");
    assert!(error.to_string().contains("digest"), "{error}");
    decoder.feed(&out);
    while let Some(message) = decoder.message().expect("good bytes") {
        assert!(!matches!(message, Message::Ready { .. }));
    }
}

#[test]
fn in_doubt_the_announcement_decides() {
    for heard in [true, false] {
        let mut moving = Move::new(0, Limits::default());
        // Up to the moment in which the source has sent `Go`.
        while !matches!(moving.happenings.last(), Some((_, Happening::Ready { .. }))) {
            assert!(moving.step());
        }
        moving.source.lost(moving.now, "cut");
        assert_eq!(moving.source.outcome(), Outcome::Doubt);
        moving.source.settle(moving.now, heard);
        let expected = if heard {
            Outcome::Moved
        } else {
            Outcome::Failed
        };
        assert_eq!(moving.source.outcome(), expected);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn cut_anywhere_exactly_one_side_has_the_guest(cut in 0usize..2_400_000) {
        let mut moving = Move::new(2000, Limits::default());
        while moving.carried < cut && moving.step() {}
        if moving.source.outcome() != Outcome::Moved {
            moving.source.lost(moving.now, "cut");
        }
        let here = match moving.source.outcome() {
            Outcome::Failed => true,
            Outcome::Moved => false,
            // What the wire would tell: the target announces itself if it runs.
            Outcome::Doubt => {
                moving.source.settle(moving.now, moving.arrived.is_some());
                moving.source.outcome() == Outcome::Failed
            }
            Outcome::Copying | Outcome::Stopped => unreachable!("it was cut"),
        };
        prop_assert!(here != moving.arrived.is_some());
        if let Some(arrived) = &moving.arrived {
            prop_assert_eq!(arrived.memory().digest(), moving.machine.memory().digest());
        }
    }

    #[test]
    fn hostile_sources_and_targets_are_refused(
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
        kinds in proptest::collection::vec(0usize..9, 0..12),
    ) {
        let page = {
            let mut out = Vec::new();
            let content = [7; 4096];
            let mut pages = [(PAGES + 5, &content[..])].into_iter();
            labs::migrate::protocol::encode_pages(|| pages.next(), &mut out);
            out
        };
        let mut script = Vec::new();
        for kind in kinds {
            match kind {
                0 => encode(&Message::Hello { pages: PAGES }, &mut script),
                1 => encode(&Message::Accept, &mut script),
                2 => script.extend(&page),
                3 => encode(&Message::RoundEnd { round: 1 }, &mut script),
                4 => encode(&Message::RoundDone { round: 1 }, &mut script),
                5 => encode(&Message::State { digest: 0, checkpoint: &bytes }, &mut script),
                6 => encode(&Message::Ready { digest: 1 }, &mut script),
                7 => encode(&Message::Go, &mut script),
                _ => encode(&Message::Resumed { time_ns: 1 }, &mut script),
            }
        }
        script.extend(&bytes);
        let mut decoder = Decoder::default();
        decoder.feed(&script);
        let (mut target, mut out) = (Target::new(PAGES), Vec::new());
        let mut moving = Move::new(0, Limits::default());
        while let Ok(Some(message)) = decoder.message() {
            let arrived = target.handle(MS, &message, &mut out);
            prop_assert!(!matches!(arrived, Ok(Some(_))), "no machine from this");
            let (machine, forth) = (&mut moving.machine, &mut moving.forth);
            moving.source.handle(moving.now, &message, machine, forth);
            prop_assert_ne!(moving.source.outcome(), Outcome::Moved);
        }
    }
}
