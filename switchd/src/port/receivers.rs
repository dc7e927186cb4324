//! The sockets of a packet port: one receives data, one frames of bridge protocols, and one sends.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::thread;

use crossbeam_channel::{Receiver, bounded};

use super::intake::Intake;
use crate::config::Io;
use crate::sys::halves::{self, Half};
use crate::sys::packet::{self, Switch};

/// Octets of frames the kernel keeps while we are busy elsewhere: some 60 super-frames, or 8,000 small ones.
/// The default of 208 KiB is full with three super-frames.
const RECEIVE_BUFFER: libc::c_int = 8 << 20;

/// Octets of frames on their way out. A veth takes them at once; a NIC holds a ring full.
const SEND_BUFFER: libc::c_int = 4 << 20;

/// Octets of frames of bridge protocols the kernel keeps: some 300 BPDUs.
const CONTROL_BUFFER: libc::c_int = 256 << 10;

/// Threads that make [`Receivers`], at most.
const MAKERS_MAX: usize = 32;

/// Sockets that receive, yet to be bound, made ahead and side by side: for a ring the kernel waits until all its processors
/// have passed a quiet moment (RCU), some 12 ms, and for several at once it waits once.
pub(crate) struct Receivers {
    io: Io,
    made: Receiver<io::Result<(OwnedFd, Intake)>>,
}

impl Receivers {
    /// None is made before it is needed.
    pub(crate) fn none(io: Io) -> Self {
        Self::ahead(0, io)
    }

    /// `count` are being made while other things are done.
    pub(crate) fn ahead(count: usize, io: Io) -> Self {
        let (give, made) = bounded(count);
        let makers = match io {
            Io::Uring => count.min(MAKERS_MAX),
            Io::Plain => 0,
        };
        for maker in 0..makers {
            let share = count / makers + usize::from(maker < count % makers);
            let give = give.clone();
            let make = move || {
                for _ in 0..share {
                    // Who wanted them may have given up.
                    let _ = give.send(receiver(io));
                }
            };
            // Without a thread its share is made when it is needed.
            let _ = thread::Builder::new().name("rings".to_owned()).spawn(make);
        }
        Self { io, made }
    }

    /// How frames are to be moved.
    pub(crate) fn io(&self) -> Io {
        self.io
    }

    fn next(&self) -> io::Result<(OwnedFd, Intake)> {
        self.made.recv().unwrap_or_else(|_| receiver(self.io))
    }
}

/// The sockets of a packet port, bound to its interface.
pub(super) struct Sockets {
    pub(super) data: OwnedFd,
    pub(super) sender: OwnedFd,
    /// Cookie of the sender.
    pub(super) cookie: u64,
    pub(super) control: OwnedFd,
    pub(super) intake: Intake,
    /// Why the kernel offers each frame to both that receive, although that was not wanted.
    pub(super) undivided: Option<String>,
}

/// Sockets of interface `index`. Those that receive are a group, but for [`Io::Plain`] and where the kernel refuses: there
/// their filters stay, which costs time, and loses nothing.
pub(super) fn sockets(index: u32, receivers: &Receivers) -> io::Result<Sockets> {
    // The older of the two, as a group needs it, whoever made it when.
    let (data, intake) = receivers.next()?;
    let control = prepare(Half::Control, (CONTROL_BUFFER, CONTROL_BUFFER))?;
    packet::bind(control.as_fd(), index)?;
    packet::set_urgent(control.as_fd())?;
    packet::bind(data.as_fd(), index)?;
    let divided = match receivers.io {
        Io::Uring => halves::divide(data.as_fd(), control.as_fd()),
        Io::Plain => Ok(()),
    };
    packet::join_promiscuous(data.as_fd(), index)?;
    let sender = packet::socket()?;
    packet::turn_on(sender.as_fd(), Switch::VnetHeader)?;
    packet::set_buffers(sender.as_fd(), 0, SEND_BUFFER)?;
    packet::bind_to_send(sender.as_fd(), index)?;
    Ok(Sockets {
        data,
        cookie: packet::cookie(sender.as_fd())?,
        sender,
        control,
        intake,
        undivided: divided.err().map(in_words),
    })
}

fn in_words(error: io::Error) -> String {
    if error.kind() == io::ErrorKind::Unsupported {
        return "no group of sockets here: it takes Linux 6.2".to_owned();
    }
    format!("no group of sockets here: {error}")
}

/// A socket that is to receive data, and how it does.
fn receiver(io: Io) -> io::Result<(OwnedFd, Intake)> {
    let socket = prepare(Half::Data, (RECEIVE_BUFFER, SEND_BUFFER))?;
    let intake = Intake::new(socket.as_fd(), io);
    Ok((socket, intake))
}

/// A socket that has yet to be bound.
fn prepare(half: Half, (receive, send): (libc::c_int, libc::c_int)) -> io::Result<OwnedFd> {
    let socket = packet::socket()?;
    for option in [Switch::VnetHeader, Switch::Auxdata, Switch::IgnoreOutgoing] {
        packet::turn_on(socket.as_fd(), option)?;
    }
    halves::filter(socket.as_fd(), half)?;
    packet::set_buffers(socket.as_fd(), receive, send)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use nix::sched::{CloneFlags, unshare};
    use tun_tap::{Iface, Mode};

    use super::*;
    use crate::link::Namespaces;
    use crate::port::batch::Batch;
    use crate::port::packet::Packet;
    use crate::sys::mmsg::Messages;

    const TREE: [u8; 6] = [1, 0x80, 0xc2, 0, 0, 0];
    const STATION: [u8; 6] = [2, 0, 0, 0, 0, 2];

    fn frame(destination: [u8; 6], number: u8) -> Vec<u8> {
        let source = [2, 0, 0, 0, 0, 1, 0x88, 0xb5];
        [&destination[..], &source, &[number; 46]].concat()
    }

    /// Sends both kinds by turns; what comes from the port's two queues.
    fn exchange(wire: &Iface, port: &Packet) -> [Vec<Vec<u8>>; 2] {
        for number in 0..10 {
            for destination in [STATION, TREE] {
                let frame = frame(destination, number);
                assert_eq!(wire.send(&frame).unwrap(), frame.len());
            }
        }
        let (mut batch, mut messages) = (Batch::new(), Messages::new());
        let mut take = |receive: &dyn Fn(&mut Batch, &mut Messages)| {
            let mut frames = Vec::new();
            // Some turns take one frame, and one takes what a socket says of an interface that was down.
            for _ in 0..20 {
                receive(&mut batch, &mut messages);
                let whole = (0..batch.len()).map(|index| batch.frame(index).to_vec());
                frames.extend(whole.filter(|frame| frame[6..12] == [2, 0, 0, 0, 0, 1]));
            }
            frames
        };
        let data = take(&|batch, messages| {
            port.receive(batch, messages);
        });
        [
            data,
            take(&|batch, messages| port.receive_control(batch, messages)),
        ]
    }

    #[test]
    fn each_queue_has_its_frames_whoever_made_its_socket_and_when_and_also_after_down_and_up() {
        let all = |to| (0..10).map(|number| frame(to, number)).collect::<Vec<_>>();
        let wanted = [STATION, TREE].map(all);
        let apart = thread::spawn(move || {
            unshare(CloneFlags::CLONE_NEWNET).expect("tests of ports need root");
            let wire = Iface::without_packet_info("w1", Mode::Tap).unwrap();
            let mut namespaces = Namespaces::new().unwrap();
            let home = namespaces.home_mut();
            let link = home.by_name("w1").unwrap().unwrap();
            for receivers in [
                Receivers::ahead(2, Io::Uring),
                Receivers::none(Io::Uring),
                Receivers::none(Io::Plain),
            ] {
                let mut port = Packet::open(&link, home, (&receivers, true)).unwrap();
                for _ in 0..2 {
                    assert_eq!(exchange(&wire, &port), wanted);
                    for up in [false, true] {
                        port.set_up(home, up).unwrap();
                    }
                    assert_eq!(exchange(&wire, &port), wanted);
                    // Those there were receive no more.
                    port = port.without_ring("a test").unwrap();
                }
            }
        });
        apart.join().unwrap();
    }
}
