//! Ports on sockets: a peer in the test's hand that comes, goes, and misbehaves; a host with offloads beside it.

use std::io::{Read, Write};
use std::net::UdpSocket;
use std::os::fd::AsRawFd;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use switchd::VlanSet;
use switchd::config::{Endpoint, PortConfig, PortKind};
use switchd::counters::DropReason;
use switchd::vlan::{PortMode, default_vid};
use tempfile::TempDir;
use tun_tap::{Iface, Mode};

use super::support::switch::{Switch, config, port};
use super::support::wire::frame;
use super::support::{Namespace, PATIENCE, eventually, undisturbed};
use super::{BROADCAST, STATION_A, STATION_B, tap_host};

/// A switch with a tap `p1` and a port 2 on a socket.
fn switch(here: &Namespace, kind: PortKind, endpoint: Endpoint) -> Switch {
    let mut config = config(&[(PortKind::Tap, "p1")]);
    config.ports.push(PortConfig {
        endpoint: Some(endpoint),
        ..port(2, kind, "vm")
    });
    Switch::start(here, config).unwrap()
}

/// The same with port 2 listening at the path, and a host behind the tap.
fn listening() -> (Switch, Namespace, Namespace, TempDir, PathBuf) {
    let (here, dir) = (Namespace::new(), tempfile::tempdir().unwrap());
    let path = dir.path().join("vm");
    let switch = switch(&here, PortKind::Stream, Endpoint::Listen(path.clone()));
    let host = tap_host(&here, "p1", 1);
    (switch, host, here, dir, path)
}

fn write(peer: &mut UnixStream, frame: &[u8]) {
    let len = u32::try_from(frame.len()).unwrap();
    peer.write_all(&[&len.to_be_bytes()[..], frame].concat())
        .unwrap();
}

fn read(peer: &mut UnixStream) -> Vec<u8> {
    peer.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut length = [0; 4];
    peer.read_exact(&mut length).unwrap();
    let mut frame = vec![0; u32::from_be_bytes(length).try_into().unwrap()];
    peer.read_exact(&mut frame).unwrap();
    frame
}

/// What a host's ARP request for 10.0.0.9 does to the port: proof that frames leave.
fn ask(host: &Namespace) {
    host.run(|| {
        let socket = UdpSocket::bind("10.0.0.1:0").unwrap();
        // The neighbour will not answer; that the request goes out is all.
        let _ = socket.send_to(b"?", "10.0.0.9:9");
    });
}

fn is_arp(frame: &[u8]) -> bool {
    frame[12..14] == [8, 6]
}

fn up(switch: &Switch, wanted: bool) {
    eventually("the carrier follows the peer", || switch.link(2) == wanted);
}

fn learns(switch: &Switch, send: impl FnOnce()) {
    let before = switch.received(2);
    send();
    eventually("its frame is taken", || switch.received(2) > before);
}

#[test]
fn a_stream_listens_connects_and_comes_back_on_both_sides() {
    let (here, dir) = (Namespace::new(), tempfile::tempdir().unwrap());
    let path = dir.path().join("vm");
    // What a killed switch has left is no hindrance.
    drop(UnixListener::bind(&path).unwrap());
    let listening = switch(&here, PortKind::Stream, Endpoint::Listen(path.clone()));
    let host = tap_host(&here, "p1", 1);
    for _ in 0..2 {
        up(&listening, false);
        let mut peer = UnixStream::connect(&path).unwrap();
        up(&listening, true);
        learns(&listening, || {
            write(&mut peer, &frame(BROADCAST, STATION_A, &[0; 46]))
        });
        ask(&host);
        while !is_arp(&read(&mut peer)) {}
    }
    drop(listening);
    assert!(!path.exists());

    let there = Namespace::new();
    let connecting = switch(&there, PortKind::Stream, Endpoint::Connect(path.clone()));
    for _ in 0..2 {
        up(&connecting, false);
        let listener = UnixListener::bind(&path).unwrap();
        let (mut peer, _) = listener.accept().unwrap();
        up(&connecting, true);
        learns(&connecting, || {
            write(&mut peer, &frame(BROADCAST, STATION_A, &[0; 46]))
        });
        drop((listener, peer));
        std::fs::remove_file(&path).unwrap();
    }
}

#[test]
fn a_stream_out_of_step_or_cut_in_a_frame_is_counted_and_costs_its_own_port_only() {
    let (switch, host, _here, _dir, path) = listening();
    for (count, octets) in [(1, &[0xff_u8; 64][..]), (2, &[0, 0, 0, 60, 1, 2, 3])] {
        let mut peer = UnixStream::connect(&path).unwrap();
        learns(&switch, || {
            write(&mut peer, &frame(BROADCAST, STATION_A, &[0; 46]))
        });
        peer.write_all(octets).unwrap();
        drop(peer);
        eventually("it is counted", || {
            switch.drops(2, DropReason::BadFraming) == count
        });
        up(&switch, false);
        let before = switch.received(1);
        ask(&host);
        eventually("the other port goes on", || switch.received(1) > before);
    }
    // The next one is let in all the same.
    let mut peer = UnixStream::connect(&path).unwrap();
    learns(&switch, || {
        write(&mut peer, &frame(BROADCAST, STATION_A, &[0; 46]))
    });
}

/// From the longest frame that there is to the longest that QEMU announces, which no port takes.
#[test]
fn a_frame_longer_than_any_is_counted_and_the_next_one_taken() {
    let (switch, _host, _here, _dir, path) = listening();
    let mut peer = UnixStream::connect(&path).unwrap();
    up(&switch, true);
    write(&mut peer, &frame(BROADCAST, STATION_A, &[0; 9216 - 14]));
    eventually("the longest is taken", || switch.received(2) == 1);
    for (count, len) in [(1, 9217), (2, 65_712), (3, 65_713), (4, 68 << 10)] {
        write(&mut peer, &frame(BROADCAST, STATION_A, &vec![0; len - 14]));
        eventually("it is counted", || {
            switch.drops(2, DropReason::Oversize) == count
        });
    }
    learns(&switch, || {
        write(&mut peer, &frame(BROADCAST, STATION_A, &[0; 46]))
    });
    assert!(switch.link(2));
}

#[test]
fn a_longest_frame_gets_its_tag_on_a_socket() {
    let (here, dir) = (Namespace::new(), tempfile::tempdir().unwrap());
    let path = dir.path().join("vm");
    let mut config = config(&[(PortKind::Tap, "p1")]);
    for (number, name, tagged) in [(2, "untagged", false), (3, "tagged", true)] {
        let mut port = PortConfig {
            endpoint: Some(Endpoint::Listen(path.with_extension(name))),
            ..port(number, PortKind::Stream, name)
        };
        if tagged {
            port.mode = PortMode::Trunk {
                allowed: VlanSet::all(),
                native: default_vid(),
                native_tagged: true,
            };
        }
        config.ports.push(port);
    }
    let switch = Switch::start(&here, config).unwrap();
    let mut near = UnixStream::connect(path.with_extension("untagged")).unwrap();
    let mut far = UnixStream::connect(path.with_extension("tagged")).unwrap();
    eventually("both have peers", || switch.link(2) && switch.link(3));
    write(&mut near, &frame(BROADCAST, STATION_A, &[0; 9216 - 14]));
    let tagged = loop {
        let read = read(&mut far);
        if read[..6] == [0xff; 6] {
            break read;
        }
    };
    assert_eq!(
        (tagged.len(), &tagged[12..16]),
        (9220, &[0x81, 0, 0, 1][..])
    );
}

#[test]
fn a_peer_that_does_not_read_or_floods_costs_its_own_port_only() {
    let (switch, host, _here, _dir, path) = listening();
    let mut peer = UnixStream::connect(&path).unwrap();
    up(&switch, true);
    host.ip("neigh add 10.0.0.9 lladdr 02:00:00:00:00:0b dev eth0");
    let flood = host.spawn(|| {
        let socket = UdpSocket::bind("10.0.0.1:0").unwrap();
        for _ in 0..20_000 {
            let _ = socket.send_to(&[0; 1400], "10.0.0.9:9");
        }
    });
    eventually("its own frames are lost", || {
        switch.drops(2, DropReason::TransmitFull) > 0
    });
    flood.join().unwrap();
    // Meanwhile it floods, and is heard; a beginning of a frame that waited is sent whole.
    for _ in 0..2000 {
        write(&mut peer, &frame(STATION_B, STATION_A, &[0; 1400]));
    }
    eventually("every frame of the flood is taken", || {
        switch.received(2) == 2000
    });
    for _ in 0..100 {
        assert!(read(&mut peer).len() >= 14);
    }
}

/// A TCP super-frame or unfinished checksum of the host arrives finished: sums are right and frames are short.
#[test]
fn frames_of_a_host_with_offloads_arrive_finished() {
    let (switch, host, _here, _dir, path) = listening();
    let mut peer = UnixStream::connect(&path).unwrap();
    up(&switch, true);
    host.ip("neigh add 10.0.0.9 lladdr 02:00:00:00:00:0b dev eth0");
    host.run(|| {
        let socket = UdpSocket::bind("10.0.0.1:0").unwrap();
        socket.send_to(b"abcd", "10.0.0.9:9").unwrap();
    });
    let udp = loop {
        let frame = read(&mut peer);
        if frame[12..14] == [8, 0] && frame[23] == 17 {
            break frame;
        }
    };
    // Pseudo-header, header and payload sum to all ones (RFC 768).
    let datagram = &udp[34..46];
    let mut sum = 17 + 12;
    for pair in udp[26..34].chunks(2).chain(datagram.chunks(2)) {
        sum += u32::from(u16::from_be_bytes([pair[0], pair[1]]));
    }
    assert_eq!((sum & 0xffff) + (sum >> 16), 0xffff);
}

fn dgram(local: &Path, remote: &Path) -> Endpoint {
    Endpoint::Dgram {
        local: local.to_owned(),
        remote: remote.to_owned(),
    }
}

#[test]
fn a_datagram_is_a_frame_and_its_peer_may_go_and_come_back() {
    let (here, dir) = (Namespace::new(), tempfile::tempdir().unwrap());
    let (ours, theirs) = (dir.path().join("sw"), dir.path().join("vm"));
    let switch = switch(&here, PortKind::Dgram, dgram(&ours, &theirs));
    let host = tap_host(&here, "p1", 1);
    for _ in 0..2 {
        up(&switch, false);
        let peer = UnixDatagram::bind(&theirs).unwrap();
        up(&switch, true);
        learns(&switch, || {
            let frame = frame(BROADCAST, STATION_A, &[0; 46]);
            peer.send_to(&frame, &ours).unwrap();
        });
        ask(&host);
        peer.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut buffer = [0; 2000];
        while !is_arp(&buffer) {
            undisturbed(|| peer.recv(&mut buffer));
        }
        drop(peer);
        std::fs::remove_file(&theirs).unwrap();
    }
    drop(switch);
    assert!(!ours.exists());
}

#[test]
fn udp_carries_frames_and_a_port_nobody_has_is_no_peer() {
    let here = Namespace::new();
    let peer = here.run(|| UdpSocket::bind("127.0.0.1:5001").unwrap());
    let endpoint = Endpoint::Udp {
        local: "127.0.0.1:5000".parse().unwrap(),
        remote: "127.0.0.1:5001".parse().unwrap(),
    };
    let switch = switch(&here, PortKind::Udp, endpoint);
    let host = tap_host(&here, "p1", 1);
    up(&switch, true);
    let send = |peer: &UdpSocket| {
        let frame = frame(BROADCAST, STATION_A, &[0; 46]);
        peer.send_to(&frame, "127.0.0.1:5000").unwrap();
    };
    learns(&switch, || send(&peer));
    ask(&host);
    peer.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut buffer = [0; 2000];
    while !is_arp(&buffer) {
        undisturbed(|| peer.recv(&mut buffer));
    }
    drop(peer);
    eventually("nobody has the port", || {
        ask(&host);
        host.ip("neigh flush dev eth0");
        !switch.link(2)
    });
    let peer = here.run(|| UdpSocket::bind("127.0.0.1:5001").unwrap());
    send(&peer);
    up(&switch, true);
}

#[test]
fn what_others_have_opened_is_taken_and_what_is_nothing_is_refused() {
    let here = Namespace::new();
    let (near, mut far) = UnixStream::pair().unwrap();
    let number = u32::try_from(near.as_raw_fd()).unwrap();
    let stream = switch(&here, PortKind::Fd, Endpoint::Descriptor(number));
    drop(near);
    up(&stream, true);
    learns(&stream, || {
        write(&mut far, &frame(BROADCAST, STATION_A, &[0; 46]))
    });
    drop(far);
    up(&stream, false);
    drop(stream);

    let tap = here.run(|| Iface::without_packet_info("t9", Mode::Tap).unwrap());
    here.ip("link set t9 up");
    let number = u32::try_from(tap.as_raw_fd()).unwrap();
    let switch = switch(&here, PortKind::Fd, Endpoint::Descriptor(number));
    up(&switch, true);
    here.ip("link set t9 down");
    up(&switch, false);
    drop(switch);

    let (near, _far) = UnixDatagram::pair().unwrap();
    for (number, taken) in [
        (u32::try_from(near.as_raw_fd()).unwrap(), true),
        (u32::MAX, false),
        (u32::try_from(std::io::stderr().as_raw_fd()).unwrap(), false),
    ] {
        let mut config = config(&[]);
        config.ports.push(PortConfig {
            endpoint: Some(Endpoint::Descriptor(number)),
            ..port(1, PortKind::Fd, "x")
        });
        match Switch::start(&here, config) {
            Ok(_) => assert!(taken),
            Err(error) => {
                assert!(!taken, "{error}");
                assert!(error.starts_with(&format!("port x: descriptor {number} is no tap")));
            }
        }
    }
}
