//! One case, lived in virtual time.

use core::time::Duration;

use etherparse::VlanId;

use super::network::Ring;
use super::stations::Client;
use super::{
    ASKED_AFTER, CUT_AFTER, Case, FIRST_QUESTION, FIRST_WORD, PAUSE, PERIOD, Record, Setting, Tree,
    WORDS, asked, millis, predict,
};
use crate::sim::{LinkState, Operation, WorldError};

/// Cuts come at most so much before the resume beyond the time the tree needs: then it stands again.
pub(super) const EARLY: i64 = 4_000;
/// How long the client has asked before the stop.
const WARM_UP: i64 = 1_000;
/// When one looks which switches are still wrong.
const LOOK: i64 = 1_000;
/// How long one goes on after the outage should be over.
const AFTERWARDS: i64 = 2_000;

/// What became of a case; milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Measured {
    /// Questions asked after the resume that stayed unanswered, as the time they stand for.
    pub(super) outage: i64,
    /// From the resume to the first question that was answered.
    pub(super) first: Option<i64>,
    /// Switches of the way that were wrong a second after the resume; of quiet networks only.
    pub(super) stale: Option<usize>,
    /// The part of the outage in which no way was open at all.
    pub(super) way_broken: i64,
}

/// Predicts and lives a case.
///
/// # Errors
/// The network could not be built or did not come to rest.
pub(super) fn run(setting: &Setting, case: &Case) -> Result<Record, WorldError> {
    let predicted = predict::predict(setting, case);
    let resume = resume_at(setting);
    let at = |time: i64| after(resume, time);
    let first = at(FIRST_QUESTION - PAUSE - WARM_UP) + ASKED_AFTER;
    let period = Duration::from_millis(PERIOD.unsigned_abs());
    let mut ring = Ring::build(setting, case.diameter, (at(-PAUSE), resume), first, period)?;
    ring.world.run_until(introduced_at(setting));
    ring.introduce()?;
    for (time, word, heard) in case.announcements() {
        ring.announce(at(time), word, heard)?;
    }
    let end = predicted.over + AFTERWARDS;
    if case.chatty {
        let mut word = FIRST_WORD;
        while word < end {
            ring.speak(at(word))?;
            word += WORDS;
        }
    }
    if let Tree::Cut(time) = case.tree {
        let (wire, state) = (ring.cut, LinkState::Down);
        ring.world
            .schedule(at(time) + CUT_AFTER, Operation::Link { wire, state })?;
    }
    ring.world.run_until(at(LOOK));
    let vlan = VlanId::try_new(1).unwrap_or_default();
    let stale = (case.tree == Tree::Quiet).then(|| ring.stale(vlan));
    ring.world.run_until(at(end.max(LOOK)));
    if let Some(client) = ring.world.station_mut::<Client>(ring.client) {
        client.stop();
    }
    // What is under way arrives.
    ring.world
        .run_for(Duration::from_millis(PERIOD.unsigned_abs()));
    Ok(Record {
        case: *case,
        predicted,
        measured: Measured {
            stale,
            way_broken: way_broken(case, &ring, resume),
            ..count(&ring, resume)
        },
    })
}

/// When the stations say who they are: the tree has been built, and the topology change that comes of it is over, or
/// entries would age by the forward delay.
fn introduced_at(setting: &Setting) -> Duration {
    2 * setting.times.forward_delay()
        + setting.times.topology_change_time()
        + Duration::from_secs(10)
}

/// When the machine resumes: late enough for the earliest cut, and for entries of the introduction to be older than a
/// forward delay by the time the tree has rebuilt itself.
fn resume_at(setting: &Setting) -> Duration {
    introduced_at(setting)
        + 2 * setting.times.forward_delay()
        + Duration::from_millis(EARLY.unsigned_abs())
        + Duration::from_secs(4)
}

fn after(resume: Duration, time: i64) -> Duration {
    let distance = Duration::from_millis(time.unsigned_abs());
    match time < 0 {
        true => resume.saturating_sub(distance),
        false => resume + distance,
    }
}

fn count(ring: &Ring, resume: Duration) -> Measured {
    let client = ring.world.station::<Client>(ring.client);
    let questions = client.map_or(&[][..], |client| &client.questions);
    let later = || questions.iter().filter(|(at, _)| *at >= resume);
    let unanswered = later().filter(|(_, answered)| !answered).count();
    let first = later().find(|(_, answered)| *answered);
    Measured {
        outage: i64::try_from(unanswered).unwrap_or(i64::MAX) * PERIOD,
        first: first.map(|(at, _)| millis(*at - resume)),
        stale: None,
        way_broken: 0,
    }
}

/// From the cut until the detour's port forwarded.
fn way_broken(case: &Case, ring: &Ring, resume: Duration) -> i64 {
    let Tree::Cut(at) = case.tree else {
        return 0;
    };
    let opened = ring.world.changes().of_port(ring.waiting);
    let opened = opened.filter(|opened| *opened > after(resume, at));
    match opened.filter(|_| case.diameter > 1) {
        Some(opened) if opened >= resume => asked(at, millis(opened - resume)),
        Some(_) | None => 0,
    }
}

#[cfg(test)]
mod tests {
    use cam::{AgeingTime, Origin};

    use super::super::stations::VM;
    use super::super::{Schedule, Sender};
    use super::*;

    fn case(diameter: u32) -> Case {
        Case {
            diameter,
            tree: Tree::Quiet,
            chatty: false,
            sender: Sender::Nobody,
            lost: 0,
            schedule: Schedule::QEMU,
        }
    }

    /// When s1's entry for the machine ends, and where it leads.
    fn entry_of(ring: &Ring) -> (stp::PortNumber, Duration, Duration) {
        let switch = ring.world.switch(ring.first).unwrap();
        let (page, _) = switch.cam().entries_from(ring.world.now(), 0, 4096);
        let mut mine = page.into_iter().filter(|entry| entry.address == VM);
        let entry = mine.next().unwrap();
        match entry.origin {
            Origin::Dynamic { seen, expires } => (entry.port, seen, expires),
            Origin::Static | Origin::Local => panic!("{entry:?}"),
        }
    }

    #[test]
    fn a_silent_guest_without_announcement_heals_exactly_at_ageing() {
        for (diameter, seconds) in [(1, 300), (3, 300), (8, 20)] {
            let setting = Setting {
                ageing: AgeingTime::from_secs(seconds).unwrap(),
                ..Setting::default()
            };
            let resume = resume_at(&setting);
            let stop = after(resume, -PAUSE);
            let first = after(resume, -PAUSE - WARM_UP);
            let period = Duration::from_millis(1);
            let mut ring = Ring::build(&setting, diameter, (stop, resume), first, period).unwrap();
            ring.world.run_until(introduced_at(&setting));
            ring.introduce().unwrap();
            ring.world.run_until(resume);
            let (port, seen, expires) = entry_of(&ring);
            assert!(seen < stop + Duration::from_millis(1) && seen + period > stop);
            assert_eq!(
                expires,
                seen + setting.ageing.get(),
                "ageing time, to the nanosecond"
            );
            let vlan = VlanId::try_new(1).unwrap();
            let s1 = ring.first;
            let lookup = |ring: &Ring| {
                let switch = ring.world.switch(s1).unwrap();
                switch.cam().lookup(ring.world.now(), vlan, VM)
            };
            ring.world.run_until(expires - Duration::from_nanos(1));
            assert_eq!(
                lookup(&ring),
                Some(port),
                "a nanosecond before, it leads to the source"
            );
            ring.world.run_until(expires + 2 * period);
            let client = ring.world.station::<Client>(ring.client).unwrap();
            let wire = Duration::from_millis(1);
            for (asked, answered) in &client.questions {
                let arrives = *asked + wire;
                match *asked >= resume && arrives < expires {
                    true => assert!(!answered, "{asked:?} of {expires:?}"),
                    false if *asked > expires && *asked < expires + period => {
                        assert!(answered, "{asked:?} of {expires:?}");
                    }
                    false => {}
                }
            }
            assert_ne!(lookup(&ring), Some(port));
        }
    }

    #[test]
    fn what_is_lost_shows_in_the_silence_and_nowhere_else() {
        let setting = Setting::default();
        for (lost, outage, stale) in [(0, 0, 0), (1, 50, 0), (4, 800, 0), (5, 299_950, 4)] {
            let case = Case {
                sender: Sender::Rarp,
                lost,
                ..case(4)
            };
            let record = run(&setting, &case).unwrap();
            assert_eq!(record.measured.outage, outage, "{lost} lost");
            assert_eq!(record.measured.stale, Some(stale), "{lost} lost");
            assert_eq!(record.measured.first, Some(outage + FIRST_QUESTION));
            assert!(record.holds());
        }
    }
}
