//! What a packet port has received before its interface goes is relayed before it goes.

use std::sync::Arc;
use std::time::Duration;

use stp::PortNumber;

use super::{Daemon, line_of};
use crate::link::{Change, NamespaceId};
use crate::port::Device;

/// Batches of a port, at most: more than its sockets hold. An interface that is up again meanwhile may bring more for ever.
const BATCHES_MAX: usize = 256;

/// Batches without a frame after which there is none: one may have been a socket's word that its interface is down, others
/// frames that are refused.
const EMPTY_MAX: usize = 8;

impl Daemon {
    /// Whether `change` in `namespace` means that packet port `port` receives nothing more.
    pub(super) fn may_end(
        &mut self,
        port: PortNumber,
        namespace: NamespaceId,
        change: &Change,
    ) -> bool {
        let line = line_of(&mut self.lines, port);
        let Some(Device::Packet(packet)) = line.and_then(|line| line.device.as_deref()) else {
            return false;
        };
        let (home, index) = (self.namespaces.home(), packet.index());
        match change {
            Change::Now(link) => namespace == home && link.index == index && !link.works(),
            Change::Gone { index: gone } => namespace == home && *gone == index,
            Change::Lost => {
                let found = self.namespaces.home_mut().by_index(index);
                !matches!(found, Ok(Some(link)) if link.works())
            }
        }
    }

    /// Carries what waits at packet port `port`: of an interface that is gone nobody else would tell,
    /// neither what it has received nor how much. A batch that a forwarding thread has in hand may be overtaken.
    pub(super) fn drain(&mut self, now: Duration, port: PortNumber) {
        let line = line_of(&mut self.lines, port);
        let Some(device) = line.and_then(|line| line.device.as_ref()).map(Arc::clone) else {
            return;
        };
        self.mover.receive_control(&device);
        self.carry(now, port, 0);
        let mut empty = 0;
        for _ in 0..BATCHES_MAX {
            // Of its interface rtnetlink tells, not the socket.
            let _ = self.mover.receive(port, &device);
            empty = match self.mover.batch().len() {
                0 => empty + 1,
                _ => 0,
            };
            self.carry(now, port, 0);
            if empty == EMPTY_MAX {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Write as _;
    use std::os::fd::{AsFd, AsRawFd};
    use std::thread;

    use nix::sys::socket::{MsgFlags, recv};

    use super::super::tests::{A, B, Bench, Beside, alone, frame};
    use super::*;
    use crate::clock::Clock;
    use crate::link::Setting;
    use crate::sys::{packet, tun};

    /// More than some batches.
    const FRAMES: usize = 1000;

    /// How the interface ends.
    #[derive(Clone, Copy, Debug)]
    enum End {
        Removed,
        SetDown,
    }

    /// Frames of three lengths, the last for the queue beside the ring.
    fn numbered(number: usize) -> Vec<u8> {
        let rest = vec![0; [0, 1000, 4000][number % 3]];
        [&frame(A, B)[..], &number.to_be_bytes(), &rest].concat()
    }

    /// A switch of three taps and packet port w4, to which frames have come before its interface ended.
    fn ended(options: &str, end: End) -> Bench {
        alone();
        let mut wire = File::options()
            .read(true)
            .write(true)
            .open("/dev/net/tun")
            .unwrap();
        tun::create_tap(wire.as_fd(), "w4").unwrap();
        let line = format!("switchd {options} --tap p1:edge p2:edge p3:edge --packet w4:edge");
        let mut bench = Bench::with(&line);
        packet::set_buffers(bench.hosts[0].as_fd(), 16 << 20, 1 << 20).unwrap();
        for number in 0..FRAMES {
            let written = [&[0; 10][..], &numbered(number)].concat();
            wire.write_all(&written).unwrap();
        }
        let home = bench.daemon.namespaces.home_mut();
        let index = home.by_name("w4").unwrap().unwrap().index;
        match end {
            End::Removed => drop(wire),
            End::SetDown => home.set(index, Setting::Up(false)).unwrap(),
        }
        bench
    }

    /// How the loop hears of it.
    #[derive(Clone, Copy, Debug)]
    enum Word {
        Told,
        /// The kernel had more to tell than room.
        Lost,
    }

    /// What leaves by p1 of these frames.
    fn relayed(bench: &mut Bench, word: Word) -> Vec<Vec<u8>> {
        let (daemon, now) = (&mut bench.daemon, Clock.now());
        daemon.outbox.set_now(now);
        let home = daemon.namespaces.home();
        match word {
            Word::Told => daemon.links(now, home),
            Word::Lost => daemon.changed(now, home, &Change::Lost),
        }
        let port = daemon.switch.port(PortNumber::new(4).unwrap()).unwrap();
        assert!(!port.is_link_up());
        assert_eq!(port.counters().received_frames, FRAMES as u64);
        let host = bench.hosts[0].as_raw_fd();
        let mut place = vec![0; 8192];
        let frames = std::iter::from_fn(|| {
            let len = recv(host, &mut place, MsgFlags::MSG_DONTWAIT).ok()?;
            Some(place[..len].to_vec())
        });
        // Hosts may have said something of their own.
        frames.filter(|frame| frame[6..12] == B).collect()
    }

    fn wanted() -> Vec<Vec<u8>> {
        (0..FRAMES).map(numbered).collect()
    }

    #[test]
    fn what_has_come_before_the_interface_ends_is_relayed_and_counted() {
        for io in ["uring", "plain"] {
            for end in [End::Removed, End::SetDown] {
                for word in [Word::Told, Word::Lost] {
                    let options = format!("--io {io}");
                    let ended = move || relayed(&mut ended(&options, end), word);
                    let relayed = thread::spawn(ended).join().unwrap();
                    assert!(relayed == wanted(), "{io}, {end:?}, {word:?}");
                }
            }
        }
    }

    #[test]
    fn the_loop_does_it_also_where_a_forwarding_thread_had_no_turn_yet() {
        for end in [End::Removed, End::SetDown] {
            let relayed = thread::spawn(move || {
                let mut beside = Beside::of(ended("--io uring", end));
                relayed(&mut beside.bench, Word::Told)
            });
            assert!(relayed.join().unwrap() == wanted(), "{end:?}");
        }
    }
}
