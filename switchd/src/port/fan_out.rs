//! Fan-out: frames that leave alike by several packet ports are sent by one of them, and the kernel copies them to the
//! others. That takes it half the time of sending them by each.
//!
//! It is begun only where frames are flooded in numbers: the program that copies stands at the interface of the port
//! that sends, where it costs every frame a little. Whatever is not copied leaves port by port; no port's frames change
//! their order by that, since all that leaves by a port in a batch does so in one way up to some frame, and in the
//! other from there on.

use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use stp::PortNumber;

use super::Sent;
use super::batch::{BATCH_MAX, Batch, Outgoing};
use super::offload::HEADER_LEN;
use super::packet::Packet;
use super::segment::Segmenter;
use crate::sys::copies::{self, COPIES_MAX, Copier, Failed};
use crate::sys::mmsg::Messages;

/// Ports that frames are gathered for: one that sends, and the others.
const PORTS_MAX: usize = COPIES_MAX + 1;

/// A port is made to send for others when so many frames of a batch leave by it and by so many others alike.
const WORTH_FRAMES: usize = 16;
const WORTH_OTHERS: usize = 2;

/// The program that copies, once it is wanted. A switch has one.
#[derive(Debug, Default)]
pub(crate) struct FanOut {
    copier: OnceLock<Result<Copier, String>>,
    /// There is a port that would be worth it.
    is_wanted: AtomicBool,
}

/// Whether a packet port may send for others.
#[derive(Debug, Default)]
pub(crate) struct Copies {
    /// It would be worth it.
    is_wanted: AtomicBool,
    /// The program's place at the interface, and the socket it copies for; or why there is none.
    place: OnceLock<Result<Place, String>>,
    /// The program has missed frames of ours.
    is_passed_by: AtomicBool,
}

#[derive(Debug)]
struct Place {
    cookie: u64,
    /// Goes when closed.
    _link: OwnedFd,
}

/// What leaves by packet ports in one batch.
#[derive(Debug)]
pub(super) struct Gathered<'a> {
    fan_out: &'a FanOut,
    parts: [Option<Part<'a>>; PORTS_MAX],
    len: usize,
}

#[derive(Clone, Copy, Debug)]
struct Part<'a> {
    port: PortNumber,
    packet: &'a Packet,
    queue: &'a [Outgoing],
}

/// How far one port came with sending for others.
#[derive(Debug, Default)]
struct Progress {
    /// What became of its own frames.
    sent: Sent,
    /// Frames that are done with, by itself.
    done: usize,
    /// Frames that were copied; a beginning of the queue.
    copied: usize,
    is_passed_by: bool,
}

impl FanOut {
    /// Has `packet` send for others from here on. May take long; nobody need wait.
    ///
    /// # Errors
    /// The kernel cannot do it, or may not for us; it will not be asked for this port again.
    pub(crate) fn attach(&self, packet: &Packet) -> Result<(), String> {
        let place = match self.copier.get_or_init(|| Copier::new().map_err(in_words)) {
            Ok(copier) => place(copier, packet).map_err(in_words),
            Err(why) => Err(why.clone()),
        };
        let result = place.as_ref().map(|_| ()).map_err(Clone::clone);
        // Only one is asked to.
        let _ = packet.copies().place.set(place);
        result
    }

    /// Whether there are ports to be [attached](Self::attach), which know it themselves; said once.
    pub(crate) fn take_wish(&self) -> bool {
        take(&self.is_wanted)
    }

    fn want(&self, packet: &Packet) {
        let copies = packet.copies();
        if copies.place.get().is_none() && !copies.is_wanted.swap(true, Ordering::Relaxed) {
            self.is_wanted.store(true, Ordering::Relaxed);
        }
    }

    fn copier(&self) -> Option<&Copier> {
        self.copier.get()?.as_ref().ok()
    }
}

fn place(copier: &Copier, packet: &Packet) -> io::Result<Place> {
    Ok(Place {
        cookie: copies::cookie(packet.sender())?,
        _link: copier.attach(packet.index())?,
    })
}

fn in_words(error: io::Error) -> String {
    format!("no copies by the kernel here: {error}")
}

impl Copies {
    /// Whether the port is to be [attached](FanOut::attach).
    pub(crate) fn is_wanted(&self) -> bool {
        self.is_wanted.load(Ordering::Relaxed) && self.place.get().is_none()
    }

    fn cookie(&self) -> Option<u64> {
        let place = self.place.get()?.as_ref().ok()?;
        (!self.is_passed_by.load(Ordering::Relaxed)).then_some(place.cookie)
    }
}

/// For people, behind what else a port does.
impl fmt::Display for Copies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place.get() {
            None => Ok(()),
            Some(_) if self.is_passed_by.load(Ordering::Relaxed) => {
                f.write_str(", floods port by port (another program takes frames first)")
            }
            Some(Ok(_)) => f.write_str(", floods copied by the kernel"),
            Some(Err(why)) => write!(f, ", floods port by port ({why})"),
        }
    }
}

impl<'a> Gathered<'a> {
    pub(super) fn new(fan_out: &'a FanOut) -> Self {
        Self {
            fan_out,
            parts: [None; PORTS_MAX],
            len: 0,
        }
    }

    /// Keeps what leaves by `port` for [`Self::send`]; false if that has to be sent at once.
    pub(super) fn add(
        &mut self,
        port: PortNumber,
        packet: &'a Packet,
        queue: &'a [Outgoing],
    ) -> bool {
        let is_kept = self.len < PORTS_MAX && queue.len() <= BATCH_MAX && packet.takes_unfinished();
        if is_kept {
            self.parts[self.len] = Some(Part {
                port,
                packet,
                queue,
            });
            self.len += 1;
        }
        is_kept
    }

    /// Sends all that was kept. `count` hears what became of it, a port at a time.
    pub(super) fn send(
        mut self,
        batch: &Batch,
        segmenter: &mut Segmenter,
        messages: &mut Messages,
        mut count: impl FnMut(PortNumber, Sent),
    ) {
        for at in 0..self.len {
            let Some(first) = self.parts[at].take() else {
                continue;
            };
            let rest = &mut self.parts[at + 1..self.len];
            let is_alike = |part: &&mut Option<Part<'_>>| {
                part.as_ref().is_some_and(|part| part.queue == first.queue)
            };
            let others = rest.iter_mut().filter(is_alike).count();
            if others >= WORTH_OTHERS && first.queue.len() >= WORTH_FRAMES {
                self.fan_out.want(first.packet);
            }
            let led =
                (self.fan_out.copier().zip(first.packet.copies().cookie())).filter(|_| others > 0);
            let Some((copier, cookie)) = led else {
                let sent = first.packet.relay(batch, first.queue, segmenter, messages);
                count(first.port, sent);
                continue;
            };
            let others = rest.iter_mut().filter(is_alike).filter_map(Option::take);
            let mut group = [None; COPIES_MAX];
            for (place, other) in group.iter_mut().zip(others) {
                *place = Some(other);
            }
            let others = || group.iter().map_while(Option::as_ref);
            copier.begin(cookie, others().map(|other| other.packet.index()));
            let progress = lead(first, copier, batch, messages);
            copier.end();
            count(
                first.port,
                first.finish(progress.sent, progress.done, batch, (segmenter, messages)),
            );
            if progress.is_passed_by {
                first
                    .packet
                    .copies()
                    .is_passed_by
                    .store(true, Ordering::Relaxed);
            }
            let copied = &first.queue[..progress.copied];
            let octets = copied
                .iter()
                .map(|outgoing| batch.octets_of(outgoing) as u64)
                .sum();
            for (other, failed) in others().zip(copier.take_failed()) {
                let sent = copied_to_another(copied.len() as u64, octets, failed);
                count(
                    other.port,
                    other.finish(sent, copied.len(), batch, (segmenter, messages)),
                );
            }
        }
    }
}

impl Part<'_> {
    /// Sends what is left from frame `done` of the queue on; adds what becomes of it to `sent`.
    fn finish(
        self,
        mut sent: Sent,
        done: usize,
        batch: &Batch,
        (segmenter, messages): (&mut Segmenter, &mut Messages),
    ) -> Sent {
        if let Some(rest @ [_, ..]) = self.queue.get(done..) {
            sent += self.packet.relay(batch, rest, segmenter, messages);
        }
        sent
    }
}

/// Sends by one port while the kernel copies to others, up to the first frame that is not taken or not copied.
fn lead(leader: Part<'_>, copier: &Copier, batch: &Batch, messages: &mut Messages) -> Progress {
    let mut sends = messages.sends();
    for outgoing in leader.queue {
        let written = batch.written(outgoing, HEADER_LEN);
        sends.push(written.head(), written.body, written.octets);
    }
    let mut progress = Progress::default();
    let seen_before = copier.seen();
    while progress.done < sends.len() {
        let result = sends.send(leader.packet.sender(), progress.done);
        progress.copied = usize::try_from(copier.seen() - seen_before).unwrap_or(usize::MAX);
        match result {
            Ok(taken) => {
                let end = sends.len().min(progress.done + taken.max(1));
                (progress.done..end).for_each(|index| progress.sent.count(sends.octets(index)));
                progress.done = end;
                progress.is_passed_by = progress.copied != end;
                if progress.is_passed_by {
                    break;
                }
            }
            Err(error) => {
                // It may have been copied before the port had no room for it.
                progress.done += 1;
                let behind = (sends.len() - progress.done) as u64;
                if let Some(counter) = progress.sent.refused(error) {
                    *counter += behind;
                    progress.done = sends.len();
                }
                break;
            }
        }
    }
    progress.copied = progress.copied.min(sends.len());
    sends.clear();
    progress
}

/// Cheaper than a swap while it is not set.
fn take(flag: &AtomicBool) -> bool {
    flag.load(Ordering::Relaxed) && flag.swap(false, Ordering::Relaxed)
}

/// What became of `frames` of `octets` in all at a port that the kernel copied them to.
fn copied_to_another(frames: u64, octets: u64, failed: Failed) -> Sent {
    let mut sent = Sent {
        frames: frames.saturating_sub(failed.frames.into()),
        octets: octets.saturating_sub(failed.octets.into()),
        ..Sent::default()
    };
    if failed.frames > 0 {
        let error = match failed.error {
            // What a queue says that has dropped the frame.
            1.. => libc::ENOBUFS,
            // What the program is told where there is no such interface.
            error if error == -libc::EINVAL => libc::ENODEV,
            error => error.wrapping_neg(),
        };
        *sent.reason(Some(error)).0 += u64::from(failed.frames);
    }
    sent
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;

    use nix::sched::{CloneFlags, unshare};
    use tun_tap::{Iface, Mode};

    use super::*;
    use crate::config::Io;
    use crate::link::Namespaces;
    use crate::port::packet::Receivers;
    use crate::tag::Relayed;

    /// Packet ports on taps, whose other ends are read by the test, and what moves frames to them.
    struct Rig {
        wires: Vec<Iface>,
        packets: Vec<Packet>,
        fan_out: FanOut,
        batch: Batch,
    }

    impl Rig {
        /// Leaves the calling thread in a new namespace.
        fn new() -> Self {
            unshare(CloneFlags::CLONE_NEWNET).expect("tests of ports need root");
            let names = ["w1", "w2", "w3"];
            let wires = names.map(|name| Iface::without_packet_info(name, Mode::Tap).unwrap());
            for wire in &wires {
                let nonblocking = nix::fcntl::FcntlArg::F_SETFL(nix::fcntl::OFlag::O_NONBLOCK);
                nix::fcntl::fcntl(crate::sys::tun::file_side(wire), nonblocking).unwrap();
            }
            let mut namespaces = Namespaces::new().unwrap();
            let home = namespaces.home_mut();
            let packets = names.map(|name| {
                let link = home.by_name(name).unwrap().unwrap();
                Packet::open(&link, home, (&Receivers::none(Io::Plain), true)).unwrap()
            });
            Self {
                wires: wires.into(),
                packets: packets.into(),
                fan_out: FanOut::default(),
                batch: Batch::new(),
            }
        }

        /// Sends `frames` by all three ports; what became of them at each.
        fn flood(&mut self, frames: &[Vec<u8>]) -> [Sent; 3] {
            let places = self.batch.places(HEADER_LEN);
            for (place, frame) in places.into_iter().zip(frames) {
                let (header, octets) = place.split_at_mut(HEADER_LEN);
                header.fill(0);
                octets[..frame.len()].copy_from_slice(frame);
            }
            for (place, frame) in frames.iter().enumerate() {
                self.batch
                    .accept(place, HEADER_LEN + frame.len(), HEADER_LEN, None);
            }
            let outgoing = |index| {
                let relayed = Relayed::new(self.batch.frame(index), false, None);
                Outgoing::new(index, &relayed)
            };
            let queue: Vec<Outgoing> = (0..frames.len()).map(outgoing).collect();
            let mut gathered = Gathered::new(&self.fan_out);
            for (number, packet) in (1..).zip(&self.packets) {
                assert!(gathered.add(PortNumber::new(number).unwrap(), packet, &queue));
            }
            let mut sent = [Sent::default(); 3];
            let (mut segmenter, mut messages) = (Segmenter::default(), Messages::new());
            gathered.send(&self.batch, &mut segmenter, &mut messages, |port, what| {
                sent[usize::from(port.get()) - 1] += what;
            });
            sent
        }

        /// What has arrived at the other end of each wire, as far as it is ours.
        fn arrived(&self) -> Vec<Vec<Vec<u8>>> {
            let read = |wire: &Iface| {
                let mut frames = Vec::new();
                let mut place = [0; 2048];
                while let Ok(len) = wire.recv(&mut place) {
                    frames.extend(is_ours(&place[..len]).then(|| place[..len].to_vec()));
                }
                frames
            };
            self.wires.iter().map(read).collect()
        }

        /// Sends and looks: each port's frames are counted and arrive.
        fn flood_arrives(&mut self) {
            let frames = frames(60);
            let all = Sent {
                frames: frames.len() as u64,
                octets: 60 * frames.len() as u64,
                ..Sent::default()
            };
            assert_eq!(self.flood(&frames), [all; 3]);
            assert_eq!(
                self.arrived(),
                [&frames, &frames, &frames].map(Clone::clone)
            );
        }

        fn seen(&self) -> u64 {
            self.fan_out.copier().unwrap().seen()
        }
    }

    fn frames(len: usize) -> Vec<Vec<u8>> {
        let numbered = |number| {
            let mut frame = b"\xff\xff\xff\xff\xff\xff\x02\0\0\0\0\x0a\x88\xb5".to_vec();
            frame.resize(len, number);
            frame
        };
        (0..40).map(numbered).collect()
    }

    /// The kernel speaks on these wires, too: IPv6.
    fn is_ours(frame: &[u8]) -> bool {
        frame.get(12..14) == Some(&[0x88, 0xb5])
    }

    /// In a namespace of its own.
    fn apart(test: impl FnOnce() + Send + 'static) {
        std::thread::spawn(test).join().unwrap();
    }

    #[test]
    fn a_flood_that_is_worth_it_makes_the_first_port_send_for_the_others() {
        apart(|| {
            let mut rig = Rig::new();
            rig.flood_arrives();
            assert!(rig.fan_out.take_wish() && !rig.fan_out.take_wish());
            let wanted: Vec<bool> = rig
                .packets
                .iter()
                .map(|it| it.copies().is_wanted())
                .collect();
            assert_eq!(wanted, [true, false, false]);
            rig.fan_out.attach(&rig.packets[0]).unwrap();
            assert!(!rig.packets[0].copies().is_wanted());
            assert_eq!(
                rig.packets[0].copies().to_string(),
                ", floods copied by the kernel"
            );
            rig.flood_arrives();
            assert_eq!(rig.seen(), 40);
            rig.flood_arrives();
            assert_eq!(rig.seen(), 80);
            assert!(!rig.fan_out.take_wish(), "said once");
        });
    }

    #[test]
    fn frames_of_others_are_not_copied() {
        apart(|| {
            let mut rig = Rig::new();
            rig.fan_out.attach(&rig.packets[0]).unwrap();
            rig.flood_arrives();
            let alone = &frames(60)[..1];
            let other = crate::sys::packet::socket().unwrap();
            crate::sys::packet::bind_to_send(
                std::os::fd::AsFd::as_fd(&other),
                rig.packets[0].index(),
            )
            .unwrap();
            let flags = nix::sys::socket::MsgFlags::empty();
            nix::sys::socket::send(other.as_raw_fd(), &alone[0], flags).unwrap();
            assert_eq!(rig.arrived(), [alone.to_vec(), vec![], vec![]]);
            assert_eq!(rig.seen(), 40);
        });
    }

    #[test]
    fn frames_that_the_program_does_not_see_leave_port_by_port() {
        apart(|| {
            let mut rig = Rig::new();
            rig.fan_out.attach(&rig.packets[0]).unwrap();
            rig.flood_arrives();
            let Some(Ok(place)) = rig.packets[0].copies().place.get() else {
                panic!("it is attached");
            };
            copies::detach(&place._link).unwrap();
            rig.flood_arrives();
            assert_eq!(rig.seen(), 40);
            let said = rig.packets[0].copies().to_string();
            assert!(said.contains("another program"), "{said}");
            rig.flood_arrives();
            assert_eq!(rig.seen(), 40);
        });
    }

    #[test]
    fn an_interface_that_went_is_counted_and_costs_the_others_nothing() {
        // The first sends for the others.
        for gone in 0..3 {
            apart(move || {
                let mut rig = Rig::new();
                rig.fan_out.attach(&rig.packets[0]).unwrap();
                rig.flood_arrives();
                drop(rig.wires.remove(gone));
                let mut sent = rig.flood(&frames(60)).to_vec();
                let nothing = Sent {
                    down: 40,
                    ..Sent::default()
                };
                assert_eq!(sent.remove(gone), nothing, "port {gone}");
                assert_eq!([40, 40], [sent[0].frames, sent[1].frames]);
                assert_eq!(rig.arrived(), [frames(60), frames(60)]);
            });
        }
    }

    #[test]
    fn a_kernel_that_cannot_copy_is_no_reason_not_to_flood() {
        apart(|| {
            let mut rig = Rig::new();
            rig.fan_out.copier = OnceLock::from(Err("no copies here".to_owned()));
            rig.flood_arrives();
            let why = rig.fan_out.attach(&rig.packets[0]).unwrap_err();
            assert_eq!(why, "no copies here");
            let said = rig.packets[0].copies().to_string();
            assert_eq!(said, ", floods port by port (no copies here)");
            rig.flood_arrives();
        });
    }
}
