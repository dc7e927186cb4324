//! Staying awake for a moment before sleeping.
//!
//! A thread that sleeps is woken 5 to 30 µs after its frame has come: the sender interrupts another core, which may have to come
//! out of its own sleep first. Where frames come one by one, each the answer to the one before, that is most of a round trip. So
//! a loop that has carried nothing but lone small frames for a while, and whose last wait was short, looks for a moment whether
//! the next one comes, before it lies down. If none comes that soon, it sleeps at once the next time: a switch with little to do
//! burns nothing. Nor does one with much: who sends super-frames needs the processor more than a few microseconds.

use std::time::Duration;

use nix::sched::{CpuSet, sched_getaffinity};
use nix::unistd::Pid;

/// How long it stays awake.
const LIMIT: Duration = Duration::from_micros(30);

/// A wait so short would have been worth it, or nearly: part of it is the waking, which being awake saves.
const SHORT: Duration = Duration::from_micros(60);

/// Light turns, one after the other, before it stays awake: the acknowledgements between two super-frames are fewer.
const LIGHT_TURNS: u32 = 16;

/// What a light turn has at most: a frame and another that came by chance, of the usual length.
const FRAMES: usize = 2;
const OCTETS: usize = 2 * 1518;

/// Whether to stay awake.
#[derive(Debug)]
pub(super) struct Awake {
    /// Another core can send meanwhile.
    has_company: bool,
    was_short: bool,
    light_turns: u32,
}

impl Awake {
    /// A thread that has the only core it may run on for itself would wait for nobody.
    pub(super) fn new() -> Self {
        // Unknown is as good as one: sleeping is always right.
        Self::on(sched_getaffinity(Pid::from_raw(0)).map_or(1, |cores| count(&cores)))
    }

    /// Sleeps at once, always.
    pub(super) fn never() -> Self {
        Self::on(1)
    }

    fn on(cores: usize) -> Self {
        Self {
            has_company: cores > 1,
            was_short: false,
            light_turns: LIGHT_TURNS,
        }
    }

    /// Whether there were only light turns for a while.
    pub(super) fn is_light(&self) -> bool {
        self.light_turns >= LIGHT_TURNS
    }

    /// How long to look before sleeping; zero to sleep at once.
    pub(super) fn limit(&self) -> Duration {
        match self.has_company && self.was_short && self.is_light() {
            true => LIMIT,
            false => Duration::ZERO,
        }
    }

    /// It has waited so long, awake and asleep.
    pub(super) fn waited(&mut self, time: Duration) {
        self.was_short = time < SHORT;
    }

    /// A turn has brought so many frames of so many octets in all.
    pub(super) fn turned(&mut self, frames: usize, octets: impl FnOnce() -> usize) {
        let is_light = frames <= FRAMES && octets() <= OCTETS;
        self.light_turns = match is_light {
            true => self.light_turns.saturating_add(1),
            false => 0,
        };
    }
}

fn count(cores: &CpuSet) -> usize {
    let is_one = |core: &usize| cores.is_set(*core).unwrap_or(false);
    (0..CpuSet::count()).filter(is_one).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cores_that_the_thread_may_use_are_counted() {
        let mut cores = CpuSet::new();
        assert_eq!(count(&cores), 0);
        for core in [0, 7, CpuSet::count() - 1] {
            cores.set(core).unwrap();
        }
        assert_eq!(count(&cores), 3);
    }

    #[test]
    fn only_who_waited_shortly_stays_awake_and_never_on_a_single_core() {
        let mut awake = Awake::on(2);
        assert_eq!(awake.limit(), Duration::ZERO, "the first wait may be long");
        awake.waited(Duration::from_micros(59));
        assert_eq!(awake.limit(), LIMIT);
        awake.waited(LIMIT);
        assert_eq!(awake.limit(), LIMIT, "it came just too late");
        awake.waited(SHORT);
        assert_eq!(awake.limit(), Duration::ZERO);
        let mut alone = Awake::on(1);
        alone.waited(Duration::from_micros(1));
        assert_eq!(alone.limit(), Duration::ZERO);
    }

    #[test]
    fn many_or_long_frames_end_it_until_there_were_none_for_a_while() {
        for (frames, octets) in [(3, 180), (1, 3037_usize)] {
            let mut awake = Awake::on(2);
            awake.waited(Duration::ZERO);
            assert_eq!(awake.limit(), LIMIT);
            awake.turned(frames, || octets);
            for _ in 1..LIGHT_TURNS {
                assert_eq!(awake.limit(), Duration::ZERO);
                awake.turned(2, || 3036);
            }
            assert!(!awake.is_light());
            awake.turned(0, || 0);
            assert!(awake.is_light());
            assert_eq!(awake.limit(), LIMIT);
        }
    }
}
