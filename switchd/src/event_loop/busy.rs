//! Busy ports, which are not waited for.
//!
//! Whoever sends to a port that somebody waits for tells him so, frame by frame, a fifteenth of what the frame costs him; and
//! the loop asks for each such port whether it is ready, and now and then lies down only to be woken. A port that has many
//! frames each turn has its turns without being asked, until one is empty: then it is waited for again. So nobody ever waits
//! by trying again and again.

use stp::PortNumber;

use crate::portset::PortSet;

/// Frames of a turn that make a port busy. To stop and to begin waiting cost as much as two of them.
const MANY: usize = 8;

/// Which ports are busy.
#[derive(Debug, Default)]
pub(super) struct Busy {
    /// Their last turn had many frames.
    many: PortSet,
    busy: PortSet,
}

/// What the loop is to do about a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wait {
    /// Go on as before.
    AsBefore,
    /// Stop waiting for it: it has its turn every time.
    Stop,
    /// Wait for it again.
    Begin,
}

impl Busy {
    /// A turn of `port` has brought `frames`. Twice many make it busy: a burst is no reason.
    pub(super) fn turned(&mut self, port: PortNumber, frames: usize) -> Wait {
        if self.busy.contains(port) {
            if frames > 0 {
                return Wait::AsBefore;
            }
            self.forget(port);
            return Wait::Begin;
        }
        let are_many = frames >= MANY;
        let were_many = self.many.contains(port);
        if are_many != were_many {
            self.many.set(port, are_many);
        }
        if are_many && were_many {
            self.busy.insert(port);
            return Wait::Stop;
        }
        Wait::AsBefore
    }

    /// `port` is waited for, or gone.
    pub(super) fn forget(&mut self, port: PortNumber) {
        self.busy.remove(port);
        self.many.remove(port);
    }

    /// `port` cannot be waited for, for want of memory: it has its turns until it can be, which is better than none.
    pub(super) fn keep(&mut self, port: PortNumber) {
        self.busy.insert(port);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.busy.is_empty()
    }

    pub(super) fn ports(&self) -> impl Iterator<Item = PortNumber> + use<> {
        self.busy.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twice_many_frames_make_a_port_busy_until_none_come() {
        let (mut busy, port) = (Busy::default(), PortNumber::new(3).unwrap());
        let turns = [MANY, MANY - 1, MANY, MANY, 1, 0];
        let waits = turns.map(|frames| busy.turned(port, frames));
        let before = Wait::AsBefore;
        assert_eq!(
            waits,
            [before, before, before, Wait::Stop, before, Wait::Begin]
        );
        assert!(busy.is_empty());
        assert_eq!(busy.turned(port, MANY), before, "it starts anew");
        assert_eq!(busy.turned(port, MANY), Wait::Stop);
        assert_eq!(busy.ports().collect::<Vec<_>>(), [port]);
        busy.forget(port);
        assert_eq!(busy.turned(port, MANY), before);
    }
}
