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
use super::mover::{Means, Tally};
use super::offload::HEADER_LEN;
use super::packet::Packet;
use crate::sys::copies::{COPIES_MAX, Copier, Failed};
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
        cookie: packet.cookie(),
        _link: copier.attach(packet.index())?,
    })
}

fn in_words(error: io::Error) -> String {
    if error.kind() == io::ErrorKind::PermissionDenied {
        return "no copies by the kernel here: they take cap_bpf and cap_net_admin".to_owned();
    }
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
        batch: &'a Batch,
        means: &mut Means<'_, 'a>,
        count: &mut Tally<'_, impl FnMut(PortNumber, Sent)>,
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
            let led = self.fan_out.copier().zip(first.packet.copies().cookie());
            if let Some(led) = led.filter(|_| others > 0) {
                let others = rest.iter_mut().filter(is_alike).filter_map(Option::take);
                send_alike(led, first, others, batch, means, count);
            } else {
                first.send_from(0, batch, means, count);
            }
        }
    }
}

/// Sends by `leader`, whose socket has this cookie, what leaves alike by it and by `others`, at most [`COPIES_MAX`] of them.
fn send_alike<'a>(
    (copier, cookie): (&Copier, u64),
    leader: Part<'a>,
    others: impl Iterator<Item = Part<'a>>,
    batch: &'a Batch,
    means: &mut Means<'_, 'a>,
    count: &mut Tally<'_, impl FnMut(PortNumber, Sent)>,
) {
    let mut group = [None; COPIES_MAX];
    for (place, other) in group.iter_mut().zip(others) {
        *place = Some(other);
    }
    let others = || group.iter().map_while(Option::as_ref);
    copier.begin(cookie, others().map(|other| other.packet.index()));
    let progress = lead(leader, copier, batch, means.messages);
    copier.end();
    if progress.is_passed_by {
        let copies = leader.packet.copies();
        copies.is_passed_by.store(true, Ordering::Relaxed);
    }
    count.add(leader.port, progress.sent);
    leader.send_from(progress.done, batch, means, count);
    let copied = &leader.queue[..progress.copied];
    let octets = copied
        .iter()
        .map(|outgoing| batch.octets_of(outgoing) as u64)
        .sum();
    for (other, failed) in others().zip(copier.take_failed()) {
        let sent = copied_to_another(copied.len() as u64, octets, failed);
        count.add(other.port, sent);
        other.send_from(copied.len(), batch, means, count);
    }
}

impl<'a> Part<'a> {
    /// Sends what is left from frame `done` of the queue on.
    fn send_from(
        self,
        done: usize,
        batch: &'a Batch,
        means: &mut Means<'_, 'a>,
        count: &mut Tally<'_, impl FnMut(PortNumber, Sent)>,
    ) {
        if let Some(rest @ [_, ..]) = self.queue.get(done..) {
            self.packet.relay(self.port, batch, rest, means, count);
        }
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
mod tests;
