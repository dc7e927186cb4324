//! Loops, told by an address that flaps: a frame that goes round comes in by one port, then by another, and its source
//! address moves each time. A station that moves does so once.

use std::time::Duration;

use etherparse::VlanId;
use pnet_base::MacAddr;

/// Moves of one address within [`WINDOW`] that are a loop.
pub(crate) const FLAPS: u32 = 10;
/// In which time.
const WINDOW: Duration = Duration::from_secs(1);
/// A port that shows a loop is held to few flooded frames for so long after it did so last.
const BRAKE: Duration = Duration::from_secs(1);
/// An address that has not moved for so long is no longer looked at: the next one that moves is.
const PAUSE: Duration = Duration::from_millis(100);

/// The address that a port watches.
#[derive(Clone, Copy, Debug)]
struct Suspect {
    vlan: VlanId,
    address: MacAddr,
    since: Duration,
    last: Duration,
    moves: u32,
}

/// The moves that a port saw, to it and from it: those of one address at a time, which is enough, since in a loop every
/// address flaps.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Flaps {
    suspect: Option<Suspect>,
    told: Option<Duration>,
    /// When the address last moved that gives a loop away.
    seen: Option<Duration>,
}

impl Flaps {
    /// Counts a move. Says if it is a loop, once a second.
    pub(crate) fn count(&mut self, now: Duration, vlan: VlanId, address: MacAddr) -> bool {
        let fresh = Suspect {
            vlan,
            address,
            since: now,
            last: now,
            moves: 0,
        };
        let suspect = self.suspect.get_or_insert(fresh);
        let is_it = (suspect.vlan, suspect.address) == (vlan, address);
        let is_quiet = now.saturating_sub(suspect.last) > PAUSE;
        if is_quiet || is_it && now.saturating_sub(suspect.since) > WINDOW {
            *suspect = fresh;
        } else if !is_it {
            return false;
        }
        suspect.last = now;
        suspect.moves += 1;
        let is_loop = suspect.moves >= FLAPS;
        if is_loop {
            self.seen = Some(now);
        }
        let is_news = self
            .told
            .is_none_or(|told| now.saturating_sub(told) >= WINDOW);
        if is_loop && is_news {
            self.told = Some(now);
        }
        is_loop && is_news
    }

    /// Whether the port shows a loop, or has just done so.
    pub(crate) fn is_loop(&self, now: Duration) -> bool {
        self.seen
            .is_some_and(|seen| now.saturating_sub(seen) < BRAKE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn mac(last: u8) -> MacAddr {
        MacAddr::new(2, 0, 0, 0, 0, last)
    }

    fn vlan() -> VlanId {
        VlanId::try_new(1).unwrap()
    }

    #[test]
    fn an_address_that_flaps_is_told_of_once_a_second() {
        let mut flaps = Flaps::default();
        let told: Vec<u32> = (0..2500)
            .filter(|&at| flaps.count(MS * at, vlan(), mac(1)))
            .collect();
        // The tenth move, and every second after.
        assert_eq!(told.len(), 3, "{told:?}");
        assert_eq!(told[0], 9);
        assert!(told[1] >= 1009 && told[1] < 1030, "{told:?}");
        assert!(flaps.is_loop(MS * 2500) && !flaps.is_loop(MS * 3500));
    }

    #[test]
    fn many_stations_that_move_once_are_no_loop() {
        let mut flaps = Flaps::default();
        for at in 0..250_u8 {
            assert!(!flaps.count(MS * 20 * u32::from(at), vlan(), mac(at)));
            assert!(!flaps.is_loop(MS * 20 * u32::from(at)));
        }
    }

    #[test]
    fn one_station_that_roams_is_no_loop() {
        let mut flaps = Flaps::default();
        for at in 0..100 {
            assert!(!flaps.count(MS * 150 * at, vlan(), mac(1)), "at {at}");
        }
    }

    #[test]
    fn a_suspect_among_others_is_still_found() {
        let mut flaps = Flaps::default();
        let told = (0..200).any(|at: u32| {
            let who = u8::try_from(at % 5).unwrap();
            flaps.count(MS * at, vlan(), mac(who))
        });
        assert!(told);
    }
}
