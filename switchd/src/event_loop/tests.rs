//! The loop without its wait: what a frame costs beside the system calls.

use std::fs::File;
use std::io::Write as _;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use clap::Parser;
use nix::sched::{CloneFlags, unshare};
use nix::sys::socket::{MsgFlags, send};
use tun_tap::{Iface, Mode};

use super::*;
use crate::config::{Flags, World};
use crate::control::{CLIENTS_MAX, Server, Target as _, Unserved, execute};
use crate::link::Setting;
use crate::port::batch::BATCH_MAX;
use crate::sys::{allocations, packet, tun};
use crate::workers::{Lone, Way, Workers};

const ALL: [u8; 6] = [0xff; 6];
pub(super) const A: [u8; 6] = [2, 0xaa, 0, 0, 0, 1];
pub(super) const B: [u8; 6] = [2, 0xbb, 0, 0, 0, 2];

/// A switch of three taps in a namespace of its own, and a socket on the host's side of each.
pub(super) struct Bench {
    pub(super) daemon: Daemon,
    pub(super) hosts: [OwnedFd; 3],
    _server: Server,
    _run_dir: tempfile::TempDir,
}

impl Bench {
    /// Leaves the calling thread in a new namespace.
    fn new() -> Self {
        alone();
        Self::with("switchd --tap p1:edge p2:edge p3:edge:trunk")
    }

    /// The same with these arguments.
    pub(super) fn with(line: &str) -> Self {
        let run_dir = tempfile::tempdir().unwrap();
        let (requests, asked) = crossbeam_channel::bounded(CLIENTS_MAX);
        let (control, events) = Unserved::bind(run_dir.path(), "sw1", requests, || {}).unwrap();
        let server = control.serve().unwrap();
        let flags = Flags::try_parse_from(line.split(' ')).unwrap();
        let inputs = Inputs {
            requests: asked,
            waker: Waker::new().unwrap(),
            signals: None,
            execute,
            events: Some(events),
        };
        let config = flags.raw().check(World::default()).unwrap();
        let mut daemon = Daemon::start(config, inputs).unwrap();
        let hosts = ["p1", "p2", "p3"].map(|name| {
            let link = daemon.namespaces.home_mut().by_name(name).unwrap().unwrap();
            let socket = packet::socket().unwrap();
            packet::bind(socket.as_fd(), link.index).unwrap();
            socket
        });
        Self {
            daemon,
            hosts,
            _server: server,
            _run_dir: run_dir,
        }
    }

    /// Sends `frame` from the host of a port, and takes it through the switch; the allocations that cost.
    fn carry(&mut self, port: u16, frame: &[u8]) -> u64 {
        let host = &self.hosts[usize::from(port) - 1];
        assert_eq!(
            send(host.as_raw_fd(), frame, MsgFlags::empty()),
            Ok(frame.len())
        );
        let number = PortNumber::new(port).unwrap();
        let counted = |daemon: &Daemon| {
            daemon
                .switch
                .port(number)
                .unwrap()
                .counters()
                .received_frames
        };
        let before = counted(&self.daemon);
        let cost = allocations::during(|| {
            let now = Clock.now();
            self.daemon.outbox.set_now(now);
            self.daemon.receive(now, number);
        });
        assert!(counted(&self.daemon) > before, "the frame was there");
        cost
    }
}

/// Puts the calling thread into a namespace whose interfaces send nothing by themselves: hosts with IPv6 report their
/// groups and look for routers, whenever they come to it.
pub(super) fn alone() {
    unshare(CloneFlags::CLONE_NEWNET).expect("tests of ports need root");
    match std::fs::write("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1") {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {} // A kernel without IPv6.
        written => written.unwrap(),
    }
}

pub(super) fn frame(destination: [u8; 6], source: [u8; 6]) -> Vec<u8> {
    [&destination[..], &source, &[0x88, 0xb5], &[0; 46]].concat()
}

#[test]
fn frames_cost_no_allocation() {
    let bench = std::thread::spawn(|| {
        let mut bench = Bench::new();
        let bpdu = stp::Bpdu::Tcn;
        let bpdu = stp::llc::frame(A.into(), &bpdu);
        // Queues get their memory with the first frames.
        for port in 1..=3 {
            bench.carry(port, &frame(ALL, [2, 0, 0, 0, 0, port.to_be_bytes()[1]]));
        }
        let sent = |bench: &Bench| -> u64 {
            let ports = bench.daemon.switch.ports();
            ports
                .map(|(_, port)| port.counters().transmitted_frames)
                .sum()
        };
        let before = sent(&bench);
        assert_eq!(bench.carry(1, &frame(ALL, A)), 0, "learned and flooded");
        assert_eq!(bench.carry(2, &frame(A, B)), 0, "learned and relayed");
        assert_eq!(bench.carry(1, &frame(B, A)), 0, "refreshed and relayed");
        assert_eq!(bench.carry(2, &frame(ALL, A)), 0, "moved");
        assert_eq!(bench.carry(1, &[0; 20]), 0, "dropped");
        assert_eq!(sent(&bench) - before, 2 + 1 + 1 + 2);
        // So does spanning tree with its first actions.
        bench.carry(1, &bpdu);
        assert_eq!(bench.carry(1, &bpdu), 0, "a BPDU");
    });
    bench.join().unwrap();
}

/// Frames come and go as before when a switch has been busy for so long that its memory is pinned.
#[test]
fn a_busy_switch_pins_its_memory_and_relays_every_frame_as_it_came() {
    /// Frames sent before the switch gets to them: several full batches, and fewer than a socket holds.
    const BURST: usize = 4 * BATCH_MAX;
    let busy = std::thread::spawn(|| {
        let mut bench = Bench::new();
        bench.carry(2, &frame(A, B));
        let mut place = [0; 2048];
        let mut receive = |host: &OwnedFd| {
            let flags = MsgFlags::MSG_DONTWAIT;
            nix::sys::socket::recv(host.as_raw_fd(), &mut place, flags)
                .map(|len| place[..len].to_vec())
        };
        while receive(&bench.hosts[1]).is_ok() {}
        let (mut bursts, mut pinned) = (0, 0);
        while pinned < 3 {
            assert!(bursts < 1000, "it is busy enough");
            bursts += 1;
            pinned += u32::from(bench.daemon.mover.has_pinned());
            let numbered = |number: usize| [&frame(B, A)[..], &number.to_be_bytes()].concat();
            for number in 0..BURST {
                let host = bench.hosts[0].as_raw_fd();
                send(host, &numbered(number), MsgFlags::empty()).unwrap();
            }
            let mut relayed = Vec::new();
            while relayed.len() < BURST {
                let now = Clock.now();
                bench.daemon.outbox.set_now(now);
                bench.daemon.receive(now, PortNumber::MIN);
                relayed.extend(std::iter::from_fn(|| receive(&bench.hosts[1]).ok()));
            }
            assert_eq!(relayed, (0..BURST).map(numbered).collect::<Vec<_>>());
        }
        assert!(bursts > 100, "a switch that is hardly busy keeps small");
    });
    busy.join().unwrap();
}

#[test]
fn a_busy_port_is_not_waited_for_until_it_is_empty() {
    const BURST: u64 = 100;
    let bench = std::thread::spawn(|| {
        let mut bench = Bench::new();
        let daemon = &mut bench.daemon;
        let count = |daemon: &Daemon| {
            let port = daemon.switch.port(PortNumber::MIN).unwrap();
            port.counters().received_frames
        };
        let burst = || {
            for _ in 0..BURST {
                let sent = send(bench.hosts[0].as_raw_fd(), &frame(B, A), MsgFlags::empty());
                sent.unwrap();
            }
        };
        let (mut turns, mut busy_turns) = (0, 0);
        for round in 1..=3 {
            burst();
            while count(daemon) < round * BURST || !daemon.busy.is_empty() {
                assert!(daemon.turn().unwrap());
                turns += 1;
                assert!(turns < 100, "its frames are not heard of");
                busy_turns += u32::from(!daemon.busy.is_empty());
            }
        }
        assert!(busy_turns > 0, "many frames make it busy");
        assert!(count(daemon) < 4 * BURST);
        // Gone while it is busy, and another of its number comes.
        burst();
        while daemon.busy.is_empty() {
            assert!(daemon.turn().unwrap());
            turns += 1;
            assert!(turns < 200, "many frames make it busy");
        }
        let now = Clock.now();
        let again = daemon.config.ports[0].clone();
        daemon.remove_port(now, PortNumber::MIN).unwrap();
        assert!(daemon.busy.is_empty());
        daemon.closing.clear();
        daemon.add_port(now, again).unwrap();
        let link = daemon.namespaces.home_mut().by_name("p1").unwrap();
        let host = packet::socket().unwrap();
        packet::bind(host.as_fd(), link.unwrap().index).unwrap();
        let before = count(daemon);
        send(host.as_raw_fd(), &frame(B, A), MsgFlags::empty()).unwrap();
        while count(daemon) == before {
            assert!(daemon.turn().unwrap());
            turns += 1;
            assert!(turns < 300, "the new port is not heard of");
        }
    });
    bench.join().unwrap();
}

/// The bench with a forwarding thread beside it, which the test plays.
pub(super) struct Beside {
    pub(super) bench: Bench,
    worker: Lone,
}

impl Beside {
    fn new() -> Self {
        Self::of(Bench::new())
    }

    pub(super) fn of(mut bench: Bench) -> Self {
        let daemon = &mut bench.daemon;
        let (mirror, now) = (daemon.switch.mirror(), Clock.now());
        let (mut workers, worker) = Workers::lone(&mirror, daemon.switch.fast_path(now));
        let ways = daemon.lines.iter().map(|line| {
            line.as_ref().map(|line| Way {
                device: line.device.clone(),
                tally: line.tally.clone(),
            })
        });
        workers.offer(daemon.switch.fast_path(now), ways.collect());
        let mut beside = Self { bench, worker };
        beside.worker.take_back();
        beside.bench.daemon.workers = Some(workers);
        beside
    }

    fn send(&self, port: u16, frame: &[u8]) {
        let host = &self.bench.hosts[usize::from(port) - 1];
        let sent = send(host.as_raw_fd(), frame, MsgFlags::empty());
        assert_eq!(sent, Ok(frame.len()));
    }

    /// A turn of the thread for `port`; the allocations that cost.
    fn turn(&mut self, port: u16) -> u64 {
        let worker = &mut self.worker;
        allocations::during(|| worker.turn(PortNumber::new(port).unwrap()))
    }

    /// Carries what the thread has handed over; how many batches, and the allocations that cost.
    fn serve(&mut self) -> (usize, u64) {
        let mut batches = 0;
        let daemon = &mut self.bench.daemon;
        let cost = allocations::during(|| {
            while let Some(handed) = daemon.workers.as_ref().unwrap().next_handed() {
                batches += 1;
                let now = Clock.now();
                daemon.outbox.set_now(now);
                daemon.carry_handed(now, handed);
            }
        });
        self.worker.take_back();
        (batches, cost)
    }

    fn received(&mut self, port: u16) -> u64 {
        self.bench.daemon.pour_tallies();
        let port = PortNumber::new(port).unwrap();
        let port = self.bench.daemon.switch.port(port).unwrap();
        port.counters().received_frames
    }
}

#[test]
fn frames_of_a_forwarding_thread_cost_no_allocation_and_unknown_ones_are_the_cores() {
    let beside = std::thread::spawn(|| {
        let mut beside = Beside::new();
        beside.send(1, &frame(B, A));
        beside.turn(1);
        assert_eq!(beside.serve().0, 1, "learned by the core");
        beside.send(2, &frame(A, B));
        beside.turn(2);
        assert_eq!(beside.serve().0, 1, "learned by the core");
        let before = beside.received(1);
        for warm in [true, false] {
            for destination in [B, ALL] {
                beside.send(1, &frame(destination, A));
                let cost = beside.turn(1);
                assert!(warm || cost == 0, "{cost} allocations");
                assert_eq!(beside.serve().0, 0, "nobody but the thread has seen it");
            }
        }
        assert_eq!(beside.received(1), before + 4);
        // A frame for the core takes those behind it along, and its port rests until it is back.
        let unknown = [2, 0xcc, 0, 0, 0, 3];
        for warm in [true, false] {
            beside.send(1, &frame(unknown, A));
            beside.turn(1);
            beside.send(1, &frame(B, A));
            let cost = beside.turn(1);
            assert_eq!(cost, 0, "a port that rests is not looked at");
            let (batches, cost) = beside.serve();
            assert_eq!(batches, 1);
            assert!(warm || cost == 0, "{cost} allocations");
            assert_eq!(beside.turn(1), 0);
            assert_eq!(beside.serve().0, 0);
        }
        assert_eq!(beside.received(1), before + 8);
        // Once the links of the start are known, news that change no port are no news to threads: nobody is woken, and
        // nobody waited for.
        let offered = |beside: &Beside| beside.bench.daemon.workers.as_ref().unwrap().generation();
        let daemon = &mut beside.bench.daemon;
        let home = daemon.namespaces.home();
        daemon.links(Clock.now(), home);
        let published = offered(&beside);
        let daemon = &mut beside.bench.daemon;
        let here = daemon.namespaces.home_mut();
        let lo = here.by_name("lo").unwrap().unwrap();
        here.set(lo.index, Setting::Up(true)).unwrap();
        daemon.links(Clock.now(), home);
        assert_eq!(offered(&beside), published);
    });
    beside.join().unwrap();
}

#[test]
fn many_new_stations_cost_no_allocation() {
    let bench = std::thread::spawn(|| {
        let mut bench = Bench::new();
        bench.carry(1, &frame(ALL, A));
        for station in 0_u16..1000 {
            let [high, low] = station.to_be_bytes();
            let cost = bench.carry(1, &frame(ALL, [2, 1, 0, 0, high, low]));
            assert_eq!(cost, 0, "station {station}");
        }
        // The hosts' own stacks may have said something, too.
        assert!(bench.daemon.switch.cam().stats().learned > 1000);
    });
    bench.join().unwrap();
}

#[test]
fn a_bpdu_overtakes_whatever_the_port_has_not_taken_yet() {
    let bench = std::thread::spawn(|| {
        alone();
        // A port whose other end is in our hand.
        let wire = Iface::without_packet_info("w4", Mode::Tap).unwrap();
        let mut bench = Bench::with("switchd --tap p1 p2 p3 --packet w4");
        let (daemon, number) = (&mut bench.daemon, PortNumber::new(4).unwrap());
        let count = |daemon: &Daemon| {
            let status = daemon.switch.bridge().unwrap().port(number).unwrap();
            let counters = daemon.switch.port(number).unwrap().counters();
            (status.counters.bpdus_received(), counters.received_frames)
        };
        let before = count(daemon);
        // More than its queue holds: the last of them are lost, and so would be whatever comes behind.
        let flood = [&frame(ALL, B)[..], &[0; 1400]].concat();
        for _ in 0..20_000 {
            wire.send(&flood).unwrap();
        }
        wire.send(&stp::llc::frame(A.into(), &stp::Bpdu::Tcn))
            .unwrap();
        while count(daemon).0 == before.0 {
            assert!(daemon.turn().unwrap());
        }
        // In the turn that found it, behind one batch of the flood at most.
        assert_eq!(count(daemon).0, before.0 + 1);
        assert!(count(daemon).1 - before.1 <= 2 * BATCH_MAX as u64);
        while count(daemon).1 < 2 * BATCH_MAX as u64 {
            assert!(daemon.turn().unwrap());
        }
        let counters = daemon.switch.port(number).unwrap().counters();
        assert!(counters.drops(DropReason::ReceiveFull) > 0);
    });
    bench.join().unwrap();
}

#[test]
fn a_frame_that_cannot_be_described_costs_a_packet_port_its_ring_and_no_more() {
    for workers in [0, 1] {
        let bench = std::thread::spawn(move || {
            alone();
            // The port is the kernel end of a guest's tap.
            let guest = std::fs::OpenOptions::new()
                .read(true)
                .write(true)
                .open("/dev/net/tun")
                .unwrap();
            tun::create_tap(guest.as_fd(), "w4").unwrap();
            let line = format!("switchd --workers {workers} --tap p1 p2 p3 --packet w4:edge");
            let mut bench = Bench::with(&line);
            let (daemon, number) = (&mut bench.daemon, PortNumber::new(4).unwrap());
            let received = |daemon: &mut Daemon| {
                daemon.pour_tallies();
                let counters = daemon.switch.port(number).unwrap().counters();
                (
                    counters.received_frames,
                    counters.drops(DropReason::ReceiveFull),
                )
            };
            let pass = |daemon: &mut Daemon, turns: u32| {
                let before = received(daemon).0;
                for _ in 0..turns {
                    (&guest)
                        .write_all(&[&[0; 10][..], &frame(ALL, B)].concat())
                        .unwrap();
                    assert!(daemon.turn().unwrap());
                    if received(daemon).0 > before {
                        return;
                    }
                }
                panic!("nothing passes: {}", daemon.port_facts(number).unwrap().io);
            };
            pass(daemon, 100);
            assert!(
                daemon
                    .port_facts(number)
                    .unwrap()
                    .io
                    .contains("receive ring")
            );
            // A datagram of 4000 octets, to be made fragments of (UFO): VIRTIO_NET_HDR_GSO_UDP.
            let header = [1, 3, 42, 0, 0x78, 5, 34, 0, 6, 0];
            let ip = [
                0x45, 0, 0x0f, 0xbc, 0, 1, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2,
            ];
            let udp = [0, 1, 0, 2, 0x0f, 0xa8, 0, 0];
            let ethernet = [&ALL[..], &B, &[8, 0]].concat();
            let datagram = [&header[..], &ethernet, &ip, &udp, &[0; 4000]].concat();
            (&guest).write_all(&datagram).unwrap();
            // Turns with nothing to do end with a timer, and each has another frame: this is bounded in time.
            pass(daemon, 10_000);
            assert!(received(daemon).1 > 0);
            pass(daemon, 100);
        });
        bench.join().unwrap();
    }
}

#[test]
fn a_namespace_that_was_opened_in_vain_is_watched_once_a_tap_is_there() {
    let bench = std::thread::spawn(|| {
        let mut bench = Bench::new();
        let daemon = &mut bench.daemon;
        let number = PortNumber::new(1).unwrap();
        let there = std::thread::spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET).unwrap();
            File::open("/proc/thread-self/ns/net").unwrap()
        });
        let there = there.join().unwrap();
        // The tap was looked for, and renamed between the question for its name and the question for its link.
        let id = daemon.namespaces.enter(&there).unwrap();
        let path = format!("/proc/{}/fd/{}", std::process::id(), there.as_raw_fd());
        let moved = std::process::Command::new("ip")
            .args(["link", "set", "p1", "netns", &path])
            .status();
        assert!(moved.unwrap().success());
        let is_up = |daemon: &Daemon| daemon.switch.port(number).unwrap().is_link_up();
        let home = daemon.namespaces.home();
        daemon.links(Clock.now(), home);
        assert!(!is_up(daemon), "moved, and down");
        // Set up, it wakes the loop, which then knows.
        let other = daemon.namespaces.get_mut(id).unwrap();
        let link = other.by_name("p1").unwrap().unwrap();
        other.set(link.index, Setting::Up(true)).unwrap();
        let (mut woken, now) = (Vec::new(), Some(Clock.now()));
        let awake = &mut daemon.awake;
        let waited = (daemon.poller).wait(now, Some(awake), |ready| woken.push(ready));
        waited.unwrap();
        assert!(woken.contains(&Ready::Link(id)), "{woken:?}");
        daemon.links(Clock.now(), id);
        assert!(is_up(daemon));
    });
    bench.join().unwrap();
}
