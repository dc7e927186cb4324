//! Ports for virtual machines, and the real QEMU at their other end: no guest, but all of its network devices. In QEMU
//! each pair of them is joined by a hub, so that what goes out of the switch by one port comes back by another:
//!
//! ```text
//!   a ─ p1            p8 ─ b          p1 and p2 are in VLAN 1, p3 and p4 in VLAN 2, p5 and p6 in 3, p7 and p8 in 4
//!        p2 ──hub 0── p3              p2 stream, the switch listens       p3 dgram
//!        p4 ──hub 1── p5              p4 stream, the switch connects      p5 udp
//!        p6 ──hub 2── p7              p6 packet port on QEMU's tap        p7 stream, the switch listens
//! ```

use std::io::{Read as _, Write as _};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use switchd::config::{Endpoint, PortConfig, PortKind, PortMode};
use switchd::control::Target as _;
use switchd::counters::DropReason;

use super::support::stream::transfer;
use super::support::switch::{Switch, config, port, vlan};
use super::support::wire::{Wire, frame};
use super::support::{Namespace, PATIENCE, eventually};
use super::{BROADCAST, STATION_A, STATION_B, tap_host};

/// The pause between two frames of the stations that must not notice anything: slow enough that none is lost for want of time.
const PACE: Duration = Duration::from_micros(500);

/// QEMU without a machine. Dropped, it is killed.
struct Qemu(Child);

impl Qemu {
    fn start(here: &Namespace, dir: &Path) -> Self {
        let path = |name: &str| dir.join(name).display().to_string();
        let devices = [
            format!("stream,server=off,addr.type=unix,addr.path={}", path("p2")),
            format!(
                "dgram,local.type=unix,local.path={},remote.type=unix,remote.path={}",
                path("q3"),
                path("p3")
            ),
            format!("stream,server=on,addr.type=unix,addr.path={}", path("q4")),
            "dgram,local.type=inet,local.host=127.0.0.1,local.port=6005,remote.type=inet,\
             remote.host=127.0.0.1,remote.port=5005"
                .to_owned(),
            "tap,ifname=t6,script=no,downscript=no,vhost=off,vnet_hdr=off".to_owned(),
            format!("stream,server=off,addr.type=unix,addr.path={}", path("p7")),
        ];
        Self::with(here, &devices, Stdio::null())
    }

    /// With these devices, each pair of them joined.
    fn with(here: &Namespace, devices: &[String], stdin: Stdio) -> Self {
        let mut command = Command::new("qemu-system-x86_64");
        command.args(["-M", "none", "-nodefaults", "-no-user-config"]);
        command.args(["-display", "none"]);
        for (number, device) in devices.iter().enumerate() {
            let (kind, options) = device.split_once(',').unwrap();
            let hub = number / 2;
            command.args(["-netdev", &format!("{kind},id=n{number},{options}")]);
            command.args([
                "-netdev",
                &format!("hubport,id=h{number},hubid={hub},netdev=n{number}"),
            ]);
        }
        command.stdin(stdin).stderr(Stdio::null());
        Self(here.run(|| command.spawn().unwrap()))
    }
}

impl Drop for Qemu {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn socket(number: u16, kind: PortKind, endpoint: Endpoint, in_vlan: u16) -> PortConfig {
    PortConfig {
        endpoint: Some(endpoint),
        ..member(number, kind, &format!("p{number}"), in_vlan)
    }
}

fn member(number: u16, kind: PortKind, name: &str, in_vlan: u16) -> PortConfig {
    PortConfig {
        mode: PortMode::Access {
            vlan: vlan(in_vlan),
        },
        ..port(number, kind, name)
    }
}

/// The switch of the drawing, and two more ports for stations that have nothing to do with it. Port 6 is added by
/// [`plug_in`].
fn switch(here: &Namespace, dir: &Path) -> Switch {
    let path = |name: &str| dir.join(name);
    let dgram = Endpoint::Dgram {
        local: path("p3"),
        remote: path("q3"),
    };
    let udp = Endpoint::Udp {
        local: "127.0.0.1:5005".parse().unwrap(),
        remote: "127.0.0.1:6005".parse().unwrap(),
    };
    let mut config = config(&[]);
    config.ports = vec![
        member(1, PortKind::Tap, "p1", 1),
        socket(2, PortKind::Stream, Endpoint::Listen(path("p2")), 1),
        socket(3, PortKind::Dgram, dgram, 2),
        socket(4, PortKind::Stream, Endpoint::Connect(path("q4")), 2),
        socket(5, PortKind::Udp, udp, 3),
        socket(7, PortKind::Stream, Endpoint::Listen(path("p7")), 4),
        member(8, PortKind::Tap, "p8", 4),
        member(9, PortKind::Packet, "w9", 9),
        member(10, PortKind::Packet, "w10", 9),
    ];
    Switch::start(here, config).unwrap()
}

/// The tap is there when QEMU is.
fn plug_in(here: &Namespace, switch: &Switch) {
    eventually("QEMU makes its tap", || here.has("t6"));
    here.ip("link set t6 up");
    switch.ask(|daemon, now| {
        let port = member(6, PortKind::Packet, "t6", 3);
        daemon.add_port(now, port).unwrap();
    });
}

/// Two stations that talk until they are checked; every frame must arrive, whatever happens at other ports.
struct Bystanders {
    /// How many it has sent, and its wire: a wire that goes takes along what the switch has not read of it.
    sender: JoinHandle<(u32, Wire)>,
    receiver: Wire,
    is_over: Arc<AtomicBool>,
}

/// The wires of the two.
fn wires(here: &Namespace) -> (Wire, Wire) {
    let wire = |name| {
        let wire = Wire::new(here, name);
        // Room for seconds: whoever reads it may have to wait that long for a processor, beside all the other tests.
        here.ip(&format!("link set {name} txqueuelen 10000"));
        here.ip(&format!("link set {name} up"));
        wire
    };
    (wire("w9"), wire("w10"))
}

impl Bystanders {
    /// The first talks to the second.
    fn talk(switch: &Switch, (sender, receiver): (Wire, Wire)) -> Self {
        carriers(switch, &[9, 10], true);
        // Each is known before: nothing is flooded to ports that come and go. And both wires are read from now on.
        receiver.send(&frame(BROADCAST, STATION_B, &[0; 46]));
        sender.receive("the other station", |seen| seen[6..12] == STATION_B);
        sender.send(&frame(STATION_B, STATION_A, &[0; 46]));
        receiver.receive("an answer", |seen| seen[6..12] == STATION_A);
        let is_over = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&is_over);
        let sender = std::thread::spawn(move || {
            let mut payload = [0; 46];
            for number in 0_u32.. {
                if over.load(Ordering::Relaxed) {
                    return (number, sender);
                }
                payload[..4].copy_from_slice(&number.to_be_bytes());
                sender.send(&frame(STATION_B, STATION_A, &payload));
                std::thread::sleep(PACE);
            }
            unreachable!("so many frames take weeks");
        });
        Self {
            sender,
            receiver,
            is_over,
        }
    }

    /// Every frame has arrived, in order.
    fn check(self) {
        self.is_over.store(true, Ordering::Relaxed);
        let (sent, _wire) = self.sender.join().unwrap();
        assert!(sent > 0);
        for number in 0..sent {
            let is_theirs = |seen: &[u8]| seen[6..12] == STATION_A;
            let seen = self.receiver.receive("the next frame", is_theirs);
            assert_eq!(seen[14..18], number.to_be_bytes());
        }
    }
}

/// Ports 2 to 7 are those that end in QEMU.
fn carriers(switch: &Switch, ports: &[u16], wanted: bool) {
    for &port in ports {
        eventually(&format!("the carrier of port {port} is {wanted}"), || {
            switch.link(port) == wanted
        });
    }
}

#[test]
fn every_device_of_qemu_carries_tcp_and_its_death_is_a_cable_pulled_at_its_own_ports() {
    let (here, dir) = (Namespace::new(), tempfile::tempdir().unwrap());
    let stations = wires(&here);
    let switch = switch(&here, dir.path());
    let qemu = Qemu::start(&here, dir.path());
    plug_in(&here, &switch);
    let (a, b) = (tap_host(&here, "p1", 1), tap_host(&here, "p8", 2));
    carriers(&switch, &[2, 3, 4, 5, 6, 7], true);
    transfer(&a, &b, 2, 4 << 20);
    for port in 2..=7 {
        assert_eq!(switch.drops(port, DropReason::BadFraming), 0);
        assert!(switch.received(port) > 100, "port {port}");
    }

    let bystanders = Bystanders::talk(&switch, stations);
    drop(qemu);
    // Streams end at once, a datagram socket is found gone, a tap goes with its process. UDP has no carrier to lose
    // before somebody says that the port is nobody's.
    carriers(&switch, &[2, 3, 4, 6, 7], false);
    let _ = std::fs::remove_file(dir.path().join("q3"));
    let again = Qemu::start(&here, dir.path());
    eventually("QEMU makes its tap again", || here.has("t6"));
    here.ip("link set t6 up");
    carriers(&switch, &[2, 3, 4, 6, 7], true);
    transfer(&a, &b, 2, 1 << 20);
    assert!(switch.link(5));
    drop(again);
    bystanders.check();
}

#[test]
fn a_switch_that_is_restarted_is_found_again_where_qemu_listens() {
    let (here, dir) = (Namespace::new(), tempfile::tempdir().unwrap());
    let _stations = wires(&here);
    let first = switch(&here, dir.path());
    let _qemu = Qemu::start(&here, dir.path());
    plug_in(&here, &first);
    carriers(&first, &[2, 3, 4, 5, 6, 7], true);
    drop(first);
    let second = switch(&here, dir.path());
    plug_in(&here, &second);
    carriers(&second, &[3, 4, 5, 6], true);
    // QEMU connects once, and does not again.
    assert!(!second.link(2) && !second.link(7));
}

/// Both ends of one socket pair: QEMU has it as its standard input.
#[test]
fn a_socket_that_was_handed_to_both_carries_tcp_until_qemu_is_gone() {
    let (here, dir) = (Namespace::new(), tempfile::tempdir().unwrap());
    let (near, far) = UnixStream::pair().unwrap();
    let number = u32::try_from(near.as_raw_fd()).unwrap();
    let listening = Endpoint::Listen(dir.path().join("p3"));
    let mut config = config(&[]);
    config.ports = vec![
        member(1, PortKind::Tap, "p1", 1),
        socket(2, PortKind::Fd, Endpoint::Descriptor(number), 1),
        socket(3, PortKind::Stream, listening, 2),
        member(4, PortKind::Tap, "p4", 2),
    ];
    let switch = Switch::start(&here, config).unwrap();
    drop(near);
    let devices = [
        "stream,server=off,addr.type=fd,addr.str=0".to_owned(),
        format!(
            "stream,server=off,addr.type=unix,addr.path={}",
            dir.path().join("p3").display()
        ),
    ];
    let qemu = Qemu::with(&here, &devices, OwnedFd::from(far).into());
    let (a, b) = (tap_host(&here, "p1", 1), tap_host(&here, "p4", 2));
    carriers(&switch, &[2, 3], true);
    transfer(&a, &b, 2, 1 << 20);
    drop(qemu);
    carriers(&switch, &[2, 3], false);
}

/// What a hostile peer does to its own port is no other port's affair.
#[test]
fn bad_lengths_half_frames_and_floods_cost_no_other_port_a_frame() {
    let (here, dir) = (Namespace::new(), tempfile::tempdir().unwrap());
    let stations = wires(&here);
    let switch = switch(&here, dir.path());
    let bystanders = Bystanders::talk(&switch, stations);
    let flood = {
        let mut octets = Vec::new();
        for _ in 0..100 {
            octets.extend(1014_u32.to_be_bytes());
            octets.extend(frame(BROADCAST, STATION_A, &[7; 1000]));
        }
        octets
    };
    // What is sent, and whether the switch hangs up for it.
    let attacks: [(&[u8], bool); 5] = [
        (&[0xff; 64], true),
        (&[0, 0, 0, 60, 1, 2, 3], false),
        (&[0, 0, 0], false),
        // Frames of no octet and of one are in step.
        (&[0, 0, 0, 0, 0, 0, 0, 1, 9], false),
        (&flood, false),
    ];
    for (octets, is_hung_up_on) in attacks {
        let mut peers =
            ["p2", "p7"].map(|path| UnixStream::connect(dir.path().join(path)).unwrap());
        for peer in &mut peers {
            peer.set_read_timeout(Some(PATIENCE)).unwrap();
            peer.set_write_timeout(Some(PATIENCE)).unwrap();
            // It may be hung up on in the middle of it.
            let _ = peer.write_all(octets);
        }
        for peer in peers.iter_mut().filter(|_| is_hung_up_on) {
            // Unread octets of ours make the end a reset.
            let _ = peer.read_to_end(&mut Vec::new());
        }
    }
    eventually("what is no frame is counted", || {
        [2, 7].map(|port| switch.drops(port, DropReason::BadFraming)) == [3; 2]
    });
    bystanders.check();
    // And a peer that behaves is served.
    let mut peer = UnixStream::connect(dir.path().join("p2")).unwrap();
    let before = switch.received(2);
    peer.write_all(
        &[
            &60_u32.to_be_bytes()[..],
            &frame(BROADCAST, STATION_A, &[0; 46]),
        ]
        .concat(),
    )
    .unwrap();
    eventually("a good peer is heard", || switch.received(2) > before);
}
