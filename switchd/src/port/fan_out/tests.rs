//! Floods by packet ports on taps: copied or not, each port's frames arrive and are counted.

use std::os::fd::AsRawFd;

use nix::sched::{CloneFlags, unshare};
use tun_tap::{Iface, Mode};

use super::*;
use crate::config::Io;
use crate::link::Namespaces;
use crate::port::receivers::Receivers;
use crate::port::segment::Segmenter;
use crate::sys::uring::Ring;
use crate::tag::Relayed;

/// Packet ports on taps, whose other ends are read by the test, and what moves frames to them.
struct Rig {
    wires: Vec<Iface>,
    packets: Vec<Packet>,
    fan_out: FanOut,
    batch: Batch,
    ring: Option<Ring>,
}

impl Rig {
    /// Leaves the calling thread in a new namespace.
    fn new(has_ring: bool) -> Self {
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
            ring: has_ring.then(|| Ring::new().unwrap()),
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
        let mut means = Means {
            segmenter: &mut segmenter,
            messages: &mut messages,
            writes: self.ring.as_mut().map(Ring::writes),
        };
        let mut add = |port: PortNumber, what| sent[usize::from(port.get()) - 1] += what;
        let mut count = Tally::new(&mut add);
        gathered.send(&self.batch, &mut means, &mut count);
        if let Some(mut writes) = means.writes {
            writes.run(|slot, octets, result| count.report(slot, octets, result));
        }
        count.tell();
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

/// In a namespace of its own, without a ring and with one.
fn apart(test: impl Fn(Rig) + Clone + Send + 'static) {
    for has_ring in [false, true] {
        let test = test.clone();
        let apart = std::thread::spawn(move || test(Rig::new(has_ring)));
        apart.join().unwrap();
    }
}

#[test]
fn a_flood_that_is_worth_it_makes_the_first_port_send_for_the_others() {
    apart(|mut rig| {
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
    apart(|mut rig| {
        rig.fan_out.attach(&rig.packets[0]).unwrap();
        rig.flood_arrives();
        let alone = &frames(60)[..1];
        let other = crate::sys::packet::socket().unwrap();
        crate::sys::packet::bind_to_send(std::os::fd::AsFd::as_fd(&other), rig.packets[0].index())
            .unwrap();
        let flags = nix::sys::socket::MsgFlags::empty();
        nix::sys::socket::send(other.as_raw_fd(), &alone[0], flags).unwrap();
        assert_eq!(rig.arrived(), [alone.to_vec(), vec![], vec![]]);
        assert_eq!(rig.seen(), 40);
    });
}

#[test]
fn frames_that_the_program_does_not_see_leave_port_by_port() {
    apart(|mut rig| {
        rig.fan_out.attach(&rig.packets[0]).unwrap();
        rig.flood_arrives();
        let Some(Ok(place)) = rig.packets[0].copies().place.get() else {
            panic!("it is attached");
        };
        crate::sys::copies::detach(&place._link).unwrap();
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
        apart(move |mut rig| {
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
    apart(|mut rig| {
        rig.fan_out.copier = OnceLock::from(Err("no copies here".to_owned()));
        rig.flood_arrives();
        let why = rig.fan_out.attach(&rig.packets[0]).unwrap_err();
        assert_eq!(why, "no copies here");
        let said = rig.packets[0].copies().to_string();
        assert_eq!(said, ", floods port by port (no copies here)");
        rig.flood_arrives();
    });
}
