//! How a packet port receives: from a ring shared with the kernel, or by `recvmmsg`.
//!
//! The ring is a third cheaper for small frames, and leaves longer ones to `recvmmsg`: see docs/DESIGN.md.

use std::fmt;
use std::io;
use std::ops::Range;
use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicU64, Ordering};

use nix::sys::socket::getsockopt;
use nix::sys::socket::sockopt::SocketError;

use super::batch::{BATCH_MAX, Batch};
use super::offload::HEADER_LEN;
use super::turn::{OCTETS, Turn};
use crate::config::Io;
use crate::sys::mmsg::{Arrival, Messages};
use crate::sys::packet;
use crate::sys::receive_ring::{ReceiveRing, Slot};

/// Frames of a turn after which it is asked whether the queue has overflowed: to ask costs a system call, which
/// a frame alone feels. A queue that is full gives longer turns, of super-frames, too.
const LONG_TURN: usize = 8;

/// How frames come out of a packet socket.
#[derive(Debug)]
pub(super) enum Intake {
    /// From the ring.
    Ring {
        ring: ReceiveRing,
        /// Frames that had been taken when it was last looked after.
        looked_at: AtomicU64,
    },
    /// By `recvmmsg`.
    Messages {
        turn: Turn,
        /// Why there is no ring, although one was wanted.
        fallback: Option<String>,
    },
}

impl Intake {
    /// For `socket`, which is not bound yet.
    pub(super) fn new(socket: BorrowedFd<'_>, io: Io) -> Self {
        match io {
            Io::Uring => Self::with(ReceiveRing::new(socket)),
            Io::Plain => Self::without_ring(None),
        }
    }

    fn with(ring: io::Result<ReceiveRing>) -> Self {
        match ring {
            Ok(ring) => Self::Ring {
                ring,
                looked_at: AtomicU64::new(0),
            },
            Err(error) => Self::without_ring(Some(format!("no receive ring here: {error}"))),
        }
    }

    /// By `recvmmsg`, because of `fallback` or because that was wanted.
    pub(super) fn without_ring(fallback: Option<String>) -> Self {
        Self::Messages {
            turn: Turn::new(),
            fallback,
        }
    }

    pub(super) fn has_ring(&self) -> bool {
        matches!(self, Self::Ring { .. })
    }

    pub(super) fn fallback(&self) -> Option<&str> {
        match self {
            Self::Ring { .. } => None,
            Self::Messages { fallback, .. } => fallback.as_deref(),
        }
    }

    /// Receives at most a batch of frames.
    pub(super) fn receive(
        &self,
        socket: BorrowedFd<'_>,
        batch: &mut Batch,
        messages: &mut Messages,
    ) {
        match self {
            Self::Ring { ring, .. } => receive_slots(ring, socket, batch, messages),
            Self::Messages { turn, .. } => {
                receive_messages(socket, batch, messages, turn.asked());
                turn.over(batch);
            }
        }
    }

    /// How many frames the kernel has dropped since last asked, and whether the ring takes no more for good.
    ///
    /// Linux (seen up to 6.18) loses a slot of a ring to a frame that it cannot describe in a virtio-net header, such
    /// as one that a guest wants fragmented (UFO), and waits for that slot for ever: it drops all frames
    /// although the ring is empty, and wakes nobody.
    pub(super) fn look_after(&self, socket: BorrowedFd<'_>) -> (u64, bool) {
        let Self::Ring { ring, looked_at } = self else {
            return (0, false);
        };
        let drops = packet::take_drops(socket).unwrap_or(0);
        let taker = ring.taker();
        let (taken, is_empty) = (taker.taken(), taker.is_empty());
        // Nothing was taken since, and nothing is there: the ring was empty all the time.
        let was_empty = looked_at.swap(taken, Ordering::Relaxed) == taken && is_empty;
        (drops, was_empty && drops > 0)
    }
}

impl fmt::Display for Intake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ring { .. } => write!(f, "receive ring"),
            Self::Messages { fallback: None, .. } => write!(f, "recvmmsg"),
            Self::Messages {
                fallback: Some(why),
                ..
            } => write!(f, "recvmmsg ({why})"),
        }
    }
}

/// Receives from the ring, and from the socket's queue what the ring has only the beginning of, in order.
fn receive_slots(
    ring: &ReceiveRing,
    socket: BorrowedFd<'_>,
    batch: &mut Batch,
    messages: &mut Messages,
) {
    let mut arrivals = [None; BATCH_MAX];
    let (mut count, mut octets, mut lost, mut malformed) = (0, 0_usize, 0, 0);
    let mut queued = 0;
    let mut places = batch.places(HEADER_LEN);
    let mut taker = ring.taker();
    while count < BATCH_MAX && octets < OCTETS {
        let Some(slot) = taker.take(places[count], HEADER_LEN) else {
            break;
        };
        match slot {
            Slot::Queued(len) => {
                (queued, octets) = (queued + 1, octets.saturating_add(len));
                count += 1;
            }
            Slot::Frame(arrival) => {
                arrivals[count] = Some(arrival);
                octets += arrival.len;
                // One place behind those that are to be taken from the queue.
                let run = count - queued..count;
                lost += take_queued(socket, run, &mut places, messages, &mut arrivals);
                queued = 0;
                count += 1;
            }
            Slot::Cut => lost += 1,
            Slot::Malformed => malformed += 1,
        }
    }
    let run = count - queued..count;
    lost += take_queued(socket, run, &mut places, messages, &mut arrivals);
    let is_losing = taker.is_losing() || count == BATCH_MAX;
    drop(taker);
    if count == 0 {
        // That the interface went down makes the socket ready until somebody has asked for it; rtnetlink says so too.
        let _ = getsockopt(&socket, SocketError);
    }
    for (place, arrival) in arrivals.iter().enumerate() {
        if let Some(Arrival { len, tag }) = *arrival {
            batch.accept(place, len, HEADER_LEN, tag);
        }
    }
    (0..malformed).for_each(|_| batch.refuse());
    if is_losing {
        lost += packet::take_drops(socket).unwrap_or(0);
    }
    batch.miss(lost);
}

/// Receives from the socket's queue the frames that the ring says are there, one for each place of `run`; how many were
/// not.
fn take_queued(
    socket: BorrowedFd<'_>,
    run: Range<usize>,
    places: &mut [&mut [u8]],
    messages: &mut Messages,
    arrivals: &mut [Option<Arrival>],
) -> u64 {
    let (places, arrivals) = (&mut places[run.clone()], &mut arrivals[run]);
    let mut next = 0;
    let mut refusals = 0;
    while next < places.len() {
        let wanted = places[next..].iter_mut().map(|place| &mut **place);
        match messages.receive(socket, wanted) {
            Ok(received) if !received.is_empty() => {
                for arrival in received {
                    arrivals[next] = Some(*arrival);
                    next += 1;
                }
            }
            // That the interface went down is said once, and takes no frame's place.
            Err(error) if error.kind() != io::ErrorKind::WouldBlock && refusals < LONG_TURN => {
                refusals += 1;
            }
            // What the ring promised is not there.
            Ok(_) | Err(_) => break,
        }
    }
    (places.len() - next) as u64
}

/// Receives at most `asked` frames by `recvmmsg`.
pub(super) fn receive_messages(
    socket: BorrowedFd<'_>,
    batch: &mut Batch,
    messages: &mut Messages,
    asked: usize,
) {
    let places = batch.places(HEADER_LEN).into_iter().take(asked);
    match messages.receive(socket, places) {
        Ok(arrivals) => {
            for (place, arrival) in arrivals.iter().enumerate() {
                batch.accept(place, arrival.len, HEADER_LEN, arrival.tag);
            }
            // Who overflows a queue leaves it full.
            if arrivals.len() == asked && asked >= LONG_TURN {
                batch.miss(packet::take_drops(socket).unwrap_or(0));
            }
        }
        // A frame that the kernel could not describe in a virtio-net header; it is gone.
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => batch.refuse(),
        // Nothing there, or the interface went down: rtnetlink says so too.
        Err(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::{AsFd, OwnedFd};

    use nix::sched::{CloneFlags, unshare};
    use tun_tap::{Iface, Mode};

    use super::*;
    use crate::counters::DropReason;
    use crate::link::{Namespaces, Setting};
    use crate::sys::halves::{Half, filter};
    use crate::sys::packet::Switch;
    use crate::sys::receive_ring::SLOTS;

    /// The other end of a wire, the socket at this end, and how it receives.
    struct Rig {
        wire: Iface,
        socket: OwnedFd,
        intake: Intake,
        batch: Batch,
        messages: Messages,
    }

    impl Rig {
        /// Leaves the calling thread in a new namespace. Frames that wait outside the ring may have so many octets.
        fn new(io: Io, queue: libc::c_int) -> Self {
            unshare(CloneFlags::CLONE_NEWNET).expect("tests of ports need root");
            let wire = Iface::without_packet_info("w1", Mode::Tap).unwrap();
            let mut namespaces = Namespaces::new().unwrap();
            let home = namespaces.home_mut();
            let index = home.by_name("w1").unwrap().unwrap().index;
            home.set(index, Setting::Up(true)).unwrap();
            let socket = packet::socket().unwrap();
            for option in [Switch::VnetHeader, Switch::Auxdata, Switch::IgnoreOutgoing] {
                packet::turn_on(socket.as_fd(), option).unwrap();
            }
            filter(socket.as_fd(), Half::Data).unwrap();
            packet::set_buffers(socket.as_fd(), queue, 0).unwrap();
            let intake = Intake::new(socket.as_fd(), io);
            packet::bind(socket.as_fd(), index).unwrap();
            assert_eq!(intake.fallback(), None);
            Self {
                wire,
                socket,
                intake,
                batch: Batch::new(),
                messages: Messages::new(),
            }
        }

        /// Sends frame `number` of `len` octets, of which no two are the same.
        fn send(&self, number: u16, len: usize) {
            assert_eq!(self.wire.send(&frame(number, len)).unwrap(), len);
        }

        /// Receives until nothing is there; frames, and how many were counted as lost.
        fn receive(&mut self) -> (Vec<Vec<u8>>, u64) {
            let (mut frames, mut lost) = (Vec::new(), 0);
            loop {
                self.intake
                    .receive(self.socket.as_fd(), &mut self.batch, &mut self.messages);
                for (reason, count) in self.batch.take_drops() {
                    assert!(
                        count == 0 || reason == DropReason::ReceiveFull,
                        "{reason:?}"
                    );
                    lost += count;
                }
                if self.batch.len() == 0 {
                    return (frames, lost);
                }
                frames.extend((0..self.batch.len()).map(|index| self.batch.frame(index).to_vec()));
            }
        }
    }

    fn frame(number: u16, len: usize) -> Vec<u8> {
        let addresses = [
            0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1, 0x88, 0xb5,
        ];
        let mut frame = [&addresses[..], &number.to_be_bytes()].concat();
        frame.resize(len, number.to_le_bytes()[0]);
        frame
    }

    /// In a namespace of its own.
    fn apart(test: impl FnOnce() + Send + 'static) {
        std::thread::spawn(test).join().unwrap();
    }

    #[test]
    fn short_and_long_frames_keep_their_order() {
        for io in [Io::Uring, Io::Plain] {
            apart(move || {
                let mut rig = Rig::new(io, 8 << 20);
                assert_eq!(rig.intake.has_ring(), io == Io::Uring);
                // Whatever stands beside what, round the ring more than once.
                let len = |number: u16| {
                    [60, 5000, 60, 60, 9000, 1652, 1653, 1514, 3000][usize::from(number) % 9]
                };
                for burst in 0..30 {
                    let numbers = burst * 100..burst * 100 + 100;
                    numbers
                        .clone()
                        .for_each(|number| rig.send(number, len(number)));
                    let (frames, lost) = rig.receive();
                    assert_eq!(lost, 0);
                    let wanted: Vec<_> = numbers.map(|number| frame(number, len(number))).collect();
                    assert!(frames == wanted, "{io:?}, burst {burst}");
                }
            });
        }
    }

    #[test]
    fn a_frame_of_which_only_the_beginning_is_left_is_counted_and_the_others_arrive() {
        apart(|| {
            let mut rig = Rig::new(Io::Uring, 64 << 10);
            let sent: Vec<_> = (0..200_u16)
                .map(|number| (number, if number % 2 == 0 { 60 } else { 9000 }))
                .collect();
            sent.iter().for_each(|&(number, len)| rig.send(number, len));
            let (frames, lost) = rig.receive();
            assert!(lost > 0, "100 frames of 9000 octets do not fit");
            assert_eq!(frames.len() as u64 + lost, 200);
            let short = frames.iter().filter(|frame| frame.len() == 60).count();
            assert_eq!(short, 100);
            // What arrived is whole and in order.
            let mut sent = sent.iter().map(|&(number, len)| frame(number, len));
            assert!(frames.iter().all(|frame| sent.any(|sent| sent == *frame)));
            // There is room again.
            rig.send(1, 9000);
            assert_eq!(rig.receive(), (vec![frame(1, 9000)], 0));
        });
    }

    #[test]
    fn frames_beyond_a_full_ring_are_counted() {
        apart(|| {
            let mut rig = Rig::new(Io::Uring, 8 << 20);
            let count = u16::try_from(SLOTS + 100).unwrap();
            (0..count).for_each(|number| rig.send(number, 60));
            let (frames, lost) = rig.receive();
            assert_eq!((frames.len(), lost), (SLOTS, 100));
            rig.send(7, 60);
            assert_eq!(rig.receive(), (vec![frame(7, 60)], 0));
            // A ring that was full is not dead.
            let dead = |rig: &Rig| rig.intake.look_after(rig.socket.as_fd());
            assert_eq!(dead(&rig), (0, false));
            (0..count).for_each(|number| rig.send(number, 60));
            assert_eq!(dead(&rig), (100, false));
            assert_eq!(rig.receive().0.len(), SLOTS);
            assert_eq!(dead(&rig), (0, false));
            assert_eq!(dead(&rig), (0, false));
        });
    }

    #[test]
    fn a_kernel_without_rings_is_no_reason_not_to_receive() {
        let refused = io::Error::from_raw_os_error(libc::ENOMEM);
        let intake = Intake::with(Err(refused));
        let said = intake.to_string();
        assert!(
            said.starts_with("recvmmsg (no receive ring here: Cannot allocate memory"),
            "{said}"
        );
        assert!(!intake.has_ring());
        assert_eq!(Intake::without_ring(None).to_string(), "recvmmsg");
    }
}
