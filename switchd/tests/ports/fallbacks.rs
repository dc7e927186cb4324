//! Every way of moving frames carries the same traffic: io_uring or read and write, a receive ring or recvmmsg,
//! super-frames or finished ones. What a kernel refuses ends in one of these.

use std::net::UdpSocket;

use super::support::stream::transfer;
use super::support::switch::{Switch, config, number, vlan};
use super::support::{Namespace, PATIENCE, eventually, undisturbed};
use nix::sys::socket::{setsockopt, sockopt::UdpGsoSegment};
use switchd::config::{Io, PortKind, PortMode, VlanSet};
use switchd::control::Target;
use switchd::counters::DropReason;

const MIB: usize = 1 << 20;

/// Frames that `octets` of TCP are at least, one for each segment.
const fn segments(octets: usize) -> u64 {
    (octets / 1460) as u64
}

/// What the tests ask of a switch in `io` and `offload` that has a tap, another, and a packet port.
struct Rig {
    switch: Switch,
    hosts: [Namespace; 3],
}

impl Rig {
    fn new(io: Io, offload: bool) -> Self {
        let here = Namespace::new();
        let veth = Namespace::new();
        here.veth("v3", &veth, "eth0");
        veth.host("eth0", 3);
        let ports = [
            (PortKind::Tap, "p1"),
            (PortKind::Tap, "p2"),
            (PortKind::Packet, "v3"),
        ];
        let mut config = config(&ports);
        (config.io, config.offload) = (io, offload);
        let switch = Switch::start(&here, config).unwrap();
        let tap = |name: &str, host| {
            let there = Namespace::new();
            here.ip(&format!("link set {name} netns {}", there.path()));
            there.host(name, host);
            there
        };
        let hosts = [tap("p1", 1), tap("p2", 2), veth];
        eventually("links", || (1..=3).all(|port| switch.link(port)));
        Self { switch, hosts }
    }

    fn transmitted(&self, port: u16) -> u64 {
        let port = number(port);
        self.switch.ask(move |daemon, _| {
            let port = daemon.switch().port(port).unwrap();
            port.counters().transmitted_frames
        })
    }

    /// The frames that leave by `port` while `act` runs.
    fn leaving_by(&self, port: u16, act: impl FnOnce()) -> u64 {
        let before = self.transmitted(port);
        act();
        self.transmitted(port) - before
    }

    fn io(&self, port: u16) -> String {
        let port = number(port);
        self.switch
            .ask(move |daemon, _| daemon.port_facts(port).unwrap().io)
    }

    /// Sends datagrams as one super-frame and takes every one of them at the other host.
    fn datagrams(&self, from: u8, to: u8) {
        const SIZE: u16 = 1000;
        const COUNT: u8 = 11;
        let host = |host: u8| &self.hosts[usize::from(host) - 1];
        let receiver = host(to).run(|| UdpSocket::bind(("0.0.0.0", 5002)).unwrap());
        receiver.set_read_timeout(Some(PATIENCE)).unwrap();
        host(from).run(|| {
            let sender = UdpSocket::bind(("0.0.0.0", 0)).unwrap();
            let there = format!("10.0.0.{to}:5002");
            // The first finds the neighbour.
            sender.send_to(b"hello", &there).unwrap();
            undisturbed(|| receiver.recv(&mut [0; 8]));
            setsockopt(&sender, UdpGsoSegment, &i32::from(SIZE)).unwrap();
            let sent: Vec<u8> = (0..COUNT)
                .flat_map(|count| vec![count; usize::from(SIZE)])
                .collect();
            // The last is shorter.
            let sent = &sent[..sent.len() - 1];
            assert_eq!(sender.send_to(sent, &there).unwrap(), sent.len());
            let mut got = [0; 2000];
            for (count, datagram) in (0..COUNT).zip(sent.chunks(usize::from(SIZE))) {
                let len = undisturbed(|| receiver.recv(&mut got));
                assert_eq!(
                    &got[..len],
                    datagram,
                    "datagram {count} from {from} to {to}"
                );
            }
        });
    }
}

#[test]
fn every_path_carries_the_same_traffic() {
    let paths = [Io::Uring, Io::Plain].map(|io| [true, false].map(|offload| (io, offload)));
    for (io, offload) in paths.into_iter().flatten() {
        let rig = Rig::new(io, offload);
        let [a, b, c] = &rig.hosts;
        // From a tap to a tap, between tap and interface both ways.
        for (from, to, host) in [(a, b, 2), (c, a, 1), (a, c, 3)] {
            let frames = rig.leaving_by(host, || {
                transfer(from, to, u8::try_from(host).unwrap(), 8 * MIB);
            });
            let whole = frames < segments(8 * MIB) / 2;
            let told = format!("{io:?} offload {offload}, to {host}: {frames} frames");
            assert_eq!(whole, offload, "{told}");
        }
        for (from, to) in [(1, 2), (3, 1), (1, 3)] {
            rig.datagrams(from, to);
        }
        for port in 1..=3 {
            let unfinished = rig.switch.drops(port, DropReason::TransmitOffload);
            let refused = rig.switch.drops(port, DropReason::TransmitError);
            assert_eq!((unfinished, refused), (0, 0), "{io:?} offload {offload}");
        }
        let (by, packet_by) = match io {
            Io::Uring => ("io_uring", "receive ring, io_uring"),
            Io::Plain => ("read and write", "recvmmsg, sendmmsg"),
        };
        let (tap, packet) = if offload {
            ("virtio-net header", "offloads: all")
        } else {
            ("frames finished", "frames leave finished")
        };
        let (said, wanted) = (rig.io(1), format!("tap, {by}, {tap}"));
        assert!(said.starts_with(&wanted), "{said}");
        let wanted = format!("packet socket, {packet_by}, virtio-net header, {packet}");
        assert!(rig.io(3).starts_with(&wanted), "{}", rig.io(3));
    }
}

#[test]
fn super_frames_of_a_vlan_leave_a_finished_trunk_as_tagged_segments() {
    let (here, there) = (Namespace::new(), Namespace::new());
    here.veth("trunk", &there, "trunk");
    let start = |namespace: &Namespace, host: u8, io| {
        let end = Namespace::new();
        namespace.veth("host", &end, "eth0");
        end.host("eth0", host);
        let ports = [(PortKind::Packet, "host"), (PortKind::Packet, "trunk")];
        let mut config = config(&ports);
        config.io = io;
        config.ports[0].mode = PortMode::Access { vlan: vlan(10) };
        config.ports[1].offload = Some(false);
        config.ports[1].mode = PortMode::Trunk {
            allowed: VlanSet::all(),
            native: vlan(1),
            native_tagged: false,
        };
        (Switch::start(namespace, config).unwrap(), end)
    };
    let (first, a) = start(&here, 1, Io::Uring);
    let (second, b) = start(&there, 2, Io::Plain);
    transfer(&a, &b, 2, 8 * MIB);
    assert!(first.received(1) < segments(8 * MIB) / 2);
    assert!(second.received(2) >= segments(8 * MIB));
}
