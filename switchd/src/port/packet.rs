//! A port that is an AF_PACKET socket on an interface that exists: a veth end, a NIC.
//!
//! The 10-octet virtio-net header cannot describe a super-frame inside a tunnel (VXLAN, GRE): the kernel hands
//! such a frame over as an error, and it is counted as `bad-offload`; where frames are received by a ring, the ring stops,
//! and the port goes on without one ([`Intake::look_after`]). A host that tunnels through a packet port
//! switches that one offload off (`ethtool -K eth0 tx-udp_tnl-segmentation off tx-gre-segmentation off`).

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use stp::PortNumber;

use super::batch::{BATCH_MAX, Batch, Outgoing};
use super::fan_out::Copies;
use super::intake::{Intake, receive_messages};
use super::mover::{Means, Tally};
use super::offload::HEADER_LEN;
use super::receivers::{Receivers, Sockets, sockets};
use super::way::{Way, send_own};
use super::{PortError, Reception, Sent};
use crate::config::Io;
use crate::link::{ADDRESS_GENERATION_NONE, Link, Namespace, Setting};
use crate::sys::mmsg::Messages;
use crate::sys::uring::{Kind, Target};

/// A packet port's socket, bound to one interface. When the interface goes, the socket is dropped, and made
/// anew when one of that name returns.
#[derive(Debug)]
pub(crate) struct Packet {
    socket: OwnedFd,
    /// Sends, and receives nothing: a socket that somebody waits for tells him of every frame it has sent.
    sender: OwnedFd,
    /// Tells it from any other.
    cookie: u64,
    /// Frames of bridge protocols have a queue of their own, so that no flood fills it.
    control: OwnedFd,
    index: u32,
    found: Found,
    /// Frames leave finished.
    finishes: bool,
    intake: Intake,
    /// Why each frame is offered to both sockets that receive, if it is.
    undivided: Option<String>,
    copies: Copies,
}

/// How the interface was found, to leave it so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Found {
    up: bool,
    /// Set to none, from this.
    address_generation: Option<u8>,
}

impl Packet {
    /// Takes interface `link` and brings it up. An interface that was down is kept from making itself an
    /// IPv6 address: the switch's end of a wire is no host.
    ///
    /// # Errors
    /// It is none of Ethernet, it went meanwhile, or a privilege is missing. It is as it was then.
    pub(crate) fn open(
        link: &Link,
        home: &mut Namespace,
        (receivers, offload): (&Receivers, bool),
    ) -> Result<Self, PortError> {
        if !link.is_ethernet {
            return Err(PortError::NotEthernet(link.name.clone()));
        }
        let quiet = link
            .address_generation
            .filter(|&mode| !link.is_up && mode != ADDRESS_GENERATION_NONE);
        let found = Found {
            up: link.is_up,
            address_generation: quiet,
        };
        // Up first: a socket bound to an interface that is down starts with an error.
        let opened = found
            .set_up(link.index, home, true)
            .map_err(|error| PortError::new(&link.name, "set its interface up", error))
            .and_then(|()| {
                sockets(link.index, receivers)
                    .map_err(|error| PortError::new(&link.name, "open a packet socket", error))
            });
        match opened {
            Ok(sockets) => Ok(Self::of(sockets, link.index, found, !offload)),
            Err(error) => {
                found.restore(link.index, home);
                Err(error)
            }
        }
    }

    fn of(sockets: Sockets, index: u32, found: Found, finishes: bool) -> Self {
        Self {
            socket: sockets.data,
            sender: sockets.sender,
            cookie: sockets.cookie,
            control: sockets.control,
            index,
            found,
            finishes,
            intake: sockets.intake,
            undivided: sockets.undivided,
            copies: Copies::default(),
        }
    }

    pub(crate) fn descriptor(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Readable when there are frames of bridge protocols.
    pub(crate) fn control_descriptor(&self) -> BorrowedFd<'_> {
        self.control.as_fd()
    }

    /// How frames are moved, for people; they are sent by `by`.
    pub(crate) fn describe(&self, by: &str) -> String {
        let leave = if self.finishes {
            "frames leave finished"
        } else {
            "offloads: all"
        };
        let (intake, copies) = (&self.intake, &self.copies);
        let undivided = self.undivided.as_ref();
        let offered = undivided.map_or_else(String::new, |why| {
            format!(", frames offered to two sockets ({why})")
        });
        format!("packet socket, {intake}{offered}, {by}, virtio-net header, {leave}{copies}")
    }

    /// Whether the kernel copies what leaves here to other ports.
    pub(crate) fn copies(&self) -> &Copies {
        &self.copies
    }

    /// The socket that relayed frames leave by.
    pub(super) fn sender(&self) -> BorrowedFd<'_> {
        self.sender.as_fd()
    }

    /// Its cookie, `socket(7)`.
    pub(super) fn cookie(&self) -> u64 {
        self.cookie
    }

    /// What a ring works on.
    pub(super) fn target(&self, port: PortNumber) -> Target<'_> {
        Target {
            slot: port.get(),
            descriptor: self.sender(),
            kind: Kind::Socket(self.cookie),
        }
    }

    /// Whether frames leave as they are, finished or not.
    pub(super) fn takes_unfinished(&self) -> bool {
        !self.finishes
    }

    /// Why frames are not received by a ring, although that was wanted.
    pub(crate) fn fallback(&self) -> Option<&str> {
        self.intake.fallback()
    }

    /// Why the kernel offers each frame to two sockets, although that was not wanted.
    pub(crate) fn undivided(&self) -> Option<&str> {
        self.undivided.as_deref()
    }

    /// Whether frames are received by a ring, which has to be looked after.
    pub(crate) fn has_ring(&self) -> bool {
        self.intake.has_ring()
    }

    /// How many frames the kernel has dropped since last asked, and whether the ring takes no more for good.
    pub(crate) fn look_after(&self) -> (u64, bool) {
        self.intake.look_after(self.socket.as_fd())
    }

    /// The same interface anew, and without a ring: the kernel has left the one there is for dead.
    ///
    /// # Errors
    /// No descriptor, no memory, or the interface is gone.
    pub(crate) fn without_ring(&self, why: &'static str) -> io::Result<Self> {
        let sockets = sockets(self.index, &Receivers::none(Io::Plain))?;
        Ok(Self {
            intake: Intake::without_ring(Some(why.to_owned())),
            ..Self::of(sockets, self.index, self.found, self.finishes)
        })
    }

    /// Index of the interface.
    pub(crate) fn index(&self) -> u32 {
        self.index
    }

    /// Whether it was brought up by us.
    pub(crate) fn was_down(&self) -> bool {
        !self.found.up
    }

    /// Sets the interface up or down: the other end of the wire sees the carrier come or go.
    ///
    /// # Errors
    /// The interface is gone.
    pub(crate) fn set_up(&self, home: &mut Namespace, up: bool) -> io::Result<()> {
        self.found.set_up(self.index, home, up)
    }

    /// Leaves the interface as it was found. An interface that is gone needs no leaving.
    pub(crate) fn restore(&self, home: &mut Namespace) {
        self.found.restore(self.index, home);
    }

    /// Receives at most a batch of frames, tags put back.
    pub(crate) fn receive(&self, batch: &mut Batch, messages: &mut Messages) -> Reception {
        self.intake.receive(self.socket.as_fd(), batch, messages);
        Reception::Done
    }

    /// The same of those of bridge protocols.
    pub(crate) fn receive_control(&self, batch: &mut Batch, messages: &mut Messages) {
        receive_messages(self.control.as_fd(), batch, messages, BATCH_MAX);
    }

    /// Sends a frame of the switch itself.
    pub(super) fn send_own(&self, frame: &[u8], messages: &mut Messages) -> Sent {
        send_own(self.control.as_fd(), HEADER_LEN, frame, messages)
    }

    /// Sends frames of the batch as `port`: by the ring, if there is one, else at once. `count` hears what became of them.
    pub(super) fn relay<'a>(
        &self,
        port: PortNumber,
        batch: &'a Batch,
        queue: &[Outgoing],
        means: &mut Means<'_, 'a>,
        count: &mut Tally<'_, impl FnMut(PortNumber, Sent)>,
    ) {
        let way = Way {
            header_len: HEADER_LEN,
            finishes: self.finishes,
        };
        let Means {
            segmenter,
            messages,
            writes,
        } = means;
        if let Some(writes) = writes {
            let done = |slot, octets, result| count.report(slot, octets, result);
            return way.push(self.target(port), batch, queue, segmenter, writes, done);
        }
        let sent = way.transmit(self.sender(), batch, queue, segmenter, messages);
        count.add(port, sent);
    }
}

impl Found {
    fn set_up(self, index: u32, home: &mut Namespace, up: bool) -> io::Result<()> {
        if up && self.address_generation.is_some() {
            // It is only politeness: a kernel that refuses makes the port no worse.
            let quiet = Setting::AddressGeneration(ADDRESS_GENERATION_NONE);
            let _ = home.set(index, quiet);
        }
        home.set(index, Setting::Up(up))
    }

    fn restore(self, index: u32, home: &mut Namespace) {
        let _ = home.set(index, Setting::Up(self.up));
        if let Some(mode) = self.address_generation {
            let _ = home.set(index, Setting::AddressGeneration(mode));
        }
    }
}

#[cfg(test)]
mod tests {
    use nix::sched::{CloneFlags, unshare};
    use tun_tap::{Iface, Mode};

    use super::*;
    use crate::link::Namespaces;

    #[test]
    fn a_port_says_why_its_sockets_are_no_group_and_nothing_where_that_was_wanted() {
        let apart = std::thread::spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET).expect("tests of ports need root");
            let _wire = Iface::without_packet_info("w1", Mode::Tap).unwrap();
            let mut namespaces = Namespaces::new().unwrap();
            let home = namespaces.home_mut();
            let link = home.by_name("w1").unwrap().unwrap();
            for io in [Io::Uring, Io::Plain] {
                let receivers = Receivers::none(io);
                let port = Packet::open(&link, home, (&receivers, true)).unwrap();
                assert!(!port.describe("sendmmsg").contains("two sockets"));
                let refused = Sockets {
                    undivided: Some("no group of sockets here: it is full".to_owned()),
                    ..sockets(link.index, &receivers).unwrap()
                };
                let port = Packet::of(refused, link.index, port.found, false);
                let said = port.describe("sendmmsg");
                let wanted =
                    ", frames offered to two sockets (no group of sockets here: it is full)";
                assert!(said.contains(wanted), "{said}");
                assert!(port.undivided().is_some());
            }
        });
        apart.join().unwrap();
    }
}
