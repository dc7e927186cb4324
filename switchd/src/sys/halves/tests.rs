//! Both ways to part frames, by what the programs say and by what the kernel does with them.

use std::array;
use std::os::fd::{AsFd, OwnedFd};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};
use nix::sys::socket::{MsgFlags, recv, send};
use proptest::prelude::*;

use super::*;
use crate::link::{Namespaces, Setting};
use crate::sys::packet::{Switch, bind, bind_to_send, set_buffers, socket, turn_on};

/// How long anything may take that takes milliseconds on an idle machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// What the kernel notes of a frame that comes in (`eth_type_trans`).
fn noted(frame: &[u8]) -> u32 {
    u32::from(match frame[..6] {
        [0xff, 0xff, 0xff, 0xff, 0xff, 0xff] => libc::PACKET_BROADCAST,
        [first, ..] if first & 1 == 1 => libc::PACKET_MULTICAST,
        _ => libc::PACKET_OTHERHOST,
    })
}

/// What the kernel's machine does with the few instructions used here, for a program that sees `frame` from octet `begin` on.
fn run(program: &[libc::sock_filter], frame: &[u8], begin: usize) -> u32 {
    let load = |k: u32, len: usize| {
        if k == NOTED + 4 {
            return Some(noted(frame));
        }
        let at = match k.checked_sub(ETHERNET) {
            Some(at) => at as usize,
            None => begin + k as usize,
        };
        let octets = frame.get(at..at + len)?;
        Some(
            octets
                .iter()
                .fold(0, |value, &octet| value << 8 | u32::from(octet)),
        )
    };
    let (mut at, mut loaded) = (0, 0);
    loop {
        let step = program[at];
        at += 1;
        let len = match step.code {
            LOAD_WORD => 4,
            LOAD_HALF => 2,
            LOAD_OCTET => 1,
            RETURN => return step.k,
            IF_EQUAL | IF_AT_LEAST => {
                let holds = match step.code {
                    IF_EQUAL => loaded == step.k,
                    _ => loaded >= step.k,
                };
                at += usize::from(if holds { step.jt } else { step.jf });
                continue;
            }
            code => panic!("{code:#x}"),
        };
        match load(step.k, len) {
            Some(value) => loaded = value,
            None => return 0,
        }
    }
}

/// What the filters say, and the place in the group.
fn parted(destination: [u8; 6]) -> ([u32; 2], u32) {
    let frame = [&destination[..], &[2, 0, 0, 0, 0, 1, 0x88, 0xb5]].concat();
    let filters = [Half::Control, Half::Data].map(|half| run(&half.filter(), &frame, 0));
    (filters, run(&place(), &frame, frame.len()))
}

const CONTROL_ALONE: ([u32; 2], u32) = ([u32::MAX, 0], CONTROL);
const DATA_ALONE: ([u32; 2], u32) = ([0, u32::MAX], DATA);

const DATA_DESTINATIONS: [[u8; 6]; 6] = [
    [1, 0x80, 0xc2, 0, 0, 0x10],
    [1, 0x80, 0xc2, 0, 1, 0],
    [1, 0, 0x0c, 0xcc, 0xcc, 0xcc],
    [2, 0, 0, 0, 0, 2],
    [0xff; 6],
    [0; 6],
];

#[test]
fn addresses_of_bridge_protocols_are_control() {
    for last in 0..=0x0f {
        assert_eq!(parted([1, 0x80, 0xc2, 0, 0, last]), CONTROL_ALONE);
    }
    assert_eq!(parted([1, 0, 0x0c, 0xcc, 0xcc, 0xcd]), CONTROL_ALONE);
    for data in DATA_DESTINATIONS {
        assert_eq!(parted(data), DATA_ALONE);
    }
}

proptest! {
    #[test]
    fn the_halves_leave_nothing_out_and_nothing_twice_and_the_group_decides_as_they_do(
        destination in prop_oneof![
            any::<[u8; 6]>(),
            any::<[u8; 2]>().prop_map(|[a, b]| [1, 0x80, 0xc2, 0, a, b]),
            any::<[u8; 2]>().prop_map(|[a, b]| [1, 0, 0x0c, 0xcc, a, b]),
        ],
    ) {
        let said = parted(destination);
        prop_assert!(said == CONTROL_ALONE || said == DATA_ALONE, "{:?}", said);
    }
}

#[test]
fn the_kernel_that_has_no_such_groups_is_told_by_its_release() {
    let old = [
        "6.1.0-18-amd64",
        "5.15.167.4-microsoft-standard-WSL2",
        "4.4.0",
    ];
    for release in old {
        assert!(version(release) < Some(IGNORES_OUTGOING), "{release}");
    }
    for release in ["6.2.0", "6.18.44", "10.0-rc1", "7.0"] {
        assert!(version(release) >= Some(IGNORES_OUTGOING), "{release}");
    }
    for odd in ["", "6", "Linux", "99999999999.1"] {
        assert_eq!(version(odd), None, "{odd}");
    }
}

/// Both sockets at one end of a wire, and one that sends from the other.
struct Rig {
    data: OwnedFd,
    control: OwnedFd,
    far: OwnedFd,
    index: u32,
    namespaces: Namespaces,
}

impl Rig {
    /// Leaves the calling thread in a new namespace. Both sockets are bound and have their filters.
    fn new() -> Self {
        unshare(CloneFlags::CLONE_NEWNET).expect("tests of ports need root");
        let mut ip = Command::new("ip");
        ip.args(["link", "add", "w1", "type", "veth", "peer", "name", "w2"]);
        assert!(ip.status().unwrap().success());
        let mut namespaces = Namespaces::new().unwrap();
        let home = namespaces.home_mut();
        let [index, far_index] = ["w1", "w2"].map(|name| {
            let index = home.by_name(name).unwrap().unwrap().index;
            home.set(index, Setting::Up(true)).unwrap();
            index
        });
        let [data, control] = Self::sockets(index);
        let far = socket().unwrap();
        // The interface's queue takes nothing until the kernel has noticed, later, that a link is back.
        turn_on(far.as_fd(), Switch::QdiscBypass).unwrap();
        bind_to_send(far.as_fd(), far_index).unwrap();
        Self {
            data,
            control,
            far,
            index,
            namespaces,
        }
    }

    /// The first is the older one.
    fn sockets(index: u32) -> [OwnedFd; 2] {
        [Half::Data, Half::Control].map(|half| {
            let socket = socket().unwrap();
            turn_on(socket.as_fd(), Switch::IgnoreOutgoing).unwrap();
            filter(socket.as_fd(), half).unwrap();
            set_buffers(socket.as_fd(), 4 << 20, 0).unwrap();
            bind(socket.as_fd(), index).unwrap();
            socket
        })
    }

    fn divide(&self) -> io::Result<()> {
        divide(self.data.as_fd(), self.control.as_fd())
    }

    fn set_up(&mut self, up: bool) {
        let home = self.namespaces.home_mut();
        home.set(self.index, Setting::Up(up)).unwrap();
    }

    /// Sends frames of every kind and length, and has each come once, in order, to the socket that is for it.
    #[track_caller]
    fn check(&self, what: &str) {
        let control = (0..=0x0f).map(|last| [1, 0x80, 0xc2, 0, 0, last]);
        let control: Vec<_> = control.chain([[1, 0, 0x0c, 0xcc, 0xcc, 0xcd]]).collect();
        let kinds: [&[u8]; 3] = [
            &[0x88, 0xb5],
            &[0, 3, 0x42, 0x42, 3],
            // The kernel drops tagged frames that are shorter.
            &[0x81, 0, 0, 10, 0x88, 0xb5, 0, 0],
        ];
        let mut wanted = [Vec::new(), Vec::new()];
        for destination in DATA_DESTINATIONS.iter().chain(&control) {
            let half = usize::from(control.contains(destination));
            for kind in kinds {
                for len in [12 + kind.len(), 52, 60, 1514] {
                    let number = wanted.iter().map(Vec::len).sum::<usize>();
                    let number = u16::try_from(number).unwrap();
                    wanted[half].push(number);
                    let mut frame = [destination, &source(number)[..], kind].concat();
                    frame.resize(len, 0xa5);
                    self.send(&frame);
                }
            }
        }
        let sockets = [&self.data, &self.control].into_iter().zip(&wanted);
        let received: Vec<_> = sockets
            .map(|(socket, wanted)| received(socket, wanted))
            .collect();
        assert!(received == wanted, "{what}: {received:?}, not {wanted:?}");
    }

    fn send(&self, frame: &[u8]) {
        let sent = send(self.far.as_raw_fd(), frame, MsgFlags::empty());
        assert_eq!(sent.unwrap(), frame.len());
    }
}

/// The source of frame `number`; nobody else's.
fn source(number: u16) -> [u8; 6] {
    let [high, low] = number.to_be_bytes();
    [0x06, 0x5a, 0x5a, 0x5a, high, low]
}

/// Numbers of our frames that have come to `socket`, once the last of `wanted` has.
fn received(socket: &OwnedFd, wanted: &[u16]) -> Vec<u16> {
    let (mut numbers, mut frame) = (Vec::new(), [0; 2000]);
    let end = Instant::now() + PATIENCE;
    loop {
        match recv(socket.as_raw_fd(), &mut frame, MsgFlags::empty()) {
            Ok(_) => {
                let number = u16::from_be_bytes([frame[10], frame[11]]);
                if frame[6..12] == source(number) {
                    numbers.push(number);
                }
            }
            // That the interface was down is said once.
            Err(Errno::ENETDOWN) => {}
            Err(Errno::EAGAIN) => {
                if numbers.last() == wanted.last() || Instant::now() > end {
                    return numbers;
                }
                thread::sleep(Duration::from_millis(1));
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// In a namespace of its own.
fn apart(test: impl FnOnce(Rig) + Send + 'static) {
    thread::spawn(|| test(Rig::new())).join().unwrap();
}

#[test]
fn filters_and_group_part_frames_alike_and_a_link_that_comes_back_finds_the_group_as_it_was() {
    apart(|mut rig| {
        rig.check("filters");
        match rig.divide() {
            Ok(()) => {
                let groups = [&rig.data, &rig.control].map(|socket| group(socket.as_fd()).unwrap());
                assert_eq!(groups[0], groups[1]);
            }
            Err(error) => assert!(!is_divisible(), "{error}"),
        }
        rig.check("group");
        for _ in 0..3 {
            rig.set_up(false);
            rig.set_up(true);
            rig.check("down and up");
        }
    });
}

#[test]
fn a_group_refused_leaves_the_filters() {
    for place in 0..2 {
        apart(move |rig| {
            // Who is in a group joins no other: neither is in one with the other, or both are in one each.
            let busy = [&rig.data, &rig.control][place].as_fd();
            join(busy, Group::New).unwrap();
            assert!(rig.divide().is_err());
            rig.check("filters");
        });
    }
}

#[test]
fn what_is_sent_is_not_received() {
    apart(|rig| {
        if rig.divide().is_err() {
            assert!(!is_divisible());
        }
        let near = socket().unwrap();
        bind_to_send(near.as_fd(), rig.index).unwrap();
        for destination in [[2, 0, 0, 0, 0, 2], [1, 0x80, 0xc2, 0, 0, 0]] {
            let frame = [&destination[..], &source(0xffff), &[0x88, 0xb5], &[0; 46]].concat();
            send(near.as_raw_fd(), &frame, MsgFlags::empty()).unwrap();
        }
        rig.check("only what comes in");
    });
}

#[test]
fn each_port_has_a_group_of_its_own() {
    apart(|rig| {
        let ports: [_; 20] = array::from_fn(|_| Rig::sockets(rig.index));
        let mut groups = Vec::new();
        for [data, control] in &ports {
            let divided = divide(data.as_fd(), control.as_fd());
            assert_eq!(divided.is_ok(), is_divisible(), "{divided:?}");
            groups.push(group(data.as_fd()).unwrap());
        }
        groups.sort_unstable();
        groups.dedup();
        assert!(!is_divisible() || groups.len() == ports.len(), "{groups:?}");
    });
}
