//! What the hosts hear and what our ports send: one thread per network.
//!
//! Every host broadcasts a numbered frame five times a second, and every host counts the copies that reach it: one, if
//! there is a tree; many, if there is a loop, however short. Every BPDU that passes a port of ours is looked at; those we
//! sent are kept.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use labs::netns::Namespace;
use pnet::datalink::{self, Channel, Config, DataLinkReceiver, DataLinkSender};
use pnet_base::MacAddr;

use crate::frames::{EXPERIMENTAL, frame};

/// How often the hosts broadcast.
const PERIOD: Duration = Duration::from_millis(200);
/// When a broadcast has arrived wherever it will.
const SETTLED: Duration = Duration::from_millis(1000);
/// How often sockets are looked at.
const POLL: Duration = Duration::from_millis(10);
/// Bridge group address, and that of shared spanning trees.
const GROUPS: [[u8; 6]; 2] = [
    [0x01, 0x80, 0xc2, 0, 0, 0],
    [0x01, 0x00, 0x0c, 0xcc, 0xcc, 0xcd],
];
/// Frames of hosts begin so, behind the EtherType.
const MARK: &[u8; 4] = b"ring";

/// Where a socket is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// At the host of this bridge.
    Host(usize),
    /// At a port of one of ours.
    Port {
        /// The bridge.
        bridge: usize,
        /// The cable.
        wire: usize,
    },
}

/// A BPDU that passed a port of ours last, in one direction.
#[derive(Debug, Clone, Copy)]
pub struct Heard {
    /// Its version octet.
    pub version: u8,
    /// When.
    pub at: Instant,
}

#[derive(Debug, Default)]
struct Log {
    /// When each round was sent.
    rounds: Vec<Instant>,
    /// Copies by round, sender and receiver.
    copies: BTreeMap<(u32, usize, usize), u32>,
    /// The last BPDU by cable and whether we sent it.
    last: BTreeMap<(usize, usize, bool), Heard>,
    /// What we sent.
    sent: Vec<Vec<u8>>,
}

struct Socket {
    place: Place,
    mac: MacAddr,
    sender: Box<dyn DataLinkSender>,
    receiver: Box<dyn DataLinkReceiver>,
}

/// The thread, ended when dropped.
#[derive(Debug)]
pub struct Ears {
    log: Arc<Mutex<Log>>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Ears {
    /// Listens at these places: namespace and interface of each.
    ///
    /// # Panics
    /// When there is no such interface.
    #[must_use]
    pub fn open(places: &[(Place, &Namespace, String)]) -> Self {
        let sockets = places.iter().map(|(place, namespace, interface)| {
            let opened = namespace.run(|| open(*place, interface));
            opened.expect("namespace")
        });
        let mut sockets: Vec<Socket> = sockets.collect();
        let log = Arc::new(Mutex::new(Log::default()));
        let over = Arc::new(AtomicBool::new(false));
        let (log_there, over_there) = (log.clone(), over.clone());
        let thread = std::thread::spawn(move || {
            let mut due = Instant::now();
            while !over_there.load(Ordering::Relaxed) {
                if Instant::now() >= due {
                    due += PERIOD;
                    broadcast(&mut sockets, &log_there);
                }
                for socket in &mut sockets {
                    drain(socket, &log_there);
                }
                std::thread::sleep(POLL);
            }
        });
        Self {
            log,
            over,
            thread: Some(thread),
        }
    }

    /// Whether the last rounds sent after `since` have been heard exactly as `reaches` says (from, to); `None`: too early.
    pub fn wrong(
        &self,
        since: Instant,
        hosts: &[usize],
        reaches: impl Fn(usize, usize) -> bool,
    ) -> Option<Vec<String>> {
        let log = lock(&self.log);
        let now = Instant::now();
        let whole = (0..)
            .zip(&log.rounds)
            .filter(|(_, at)| **at >= since && now - **at >= SETTLED);
        let last: Vec<u32> = whole.map(|(round, _)| round).collect();
        let [.., one, two, three] = last.as_slice() else {
            return None;
        };
        let mut all = Vec::new();
        for &round in [one, two, three] {
            for (&from, &to) in hosts
                .iter()
                .flat_map(|from| hosts.iter().map(move |to| (from, to)))
            {
                let expected = u32::from(from != to && reaches(from, to));
                let seen = log.copies.get(&(round, from, to)).copied().unwrap_or(0);
                if seen != expected {
                    all.push(format!(
                        "a broadcast of host {from} came {seen} times to host {to}, not {expected}"
                    ));
                }
            }
        }
        Some(all)
    }

    /// The most copies of one broadcast that any host has heard since this was last asked.
    #[must_use]
    pub fn take_most_copies(&self) -> u32 {
        let copies = std::mem::take(&mut lock(&self.log).copies);
        copies.into_values().max().unwrap_or(0)
    }

    /// The last BPDU on a cable as seen at our bridge `at`, sent by it (`own`) or by the other end.
    #[must_use]
    pub fn last(&self, wire: usize, at: usize, own: bool) -> Option<Heard> {
        lock(&self.log).last.get(&(wire, at, own)).copied()
    }

    /// The BPDUs that our ports have sent.
    #[must_use]
    pub fn sent(&self) -> Vec<Vec<u8>> {
        lock(&self.log).sent.clone()
    }
}

impl Drop for Ears {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // It has told of its panic.
            let _ = thread.join();
        }
    }
}

fn lock(log: &Mutex<Log>) -> std::sync::MutexGuard<'_, Log> {
    log.lock().unwrap_or_else(PoisonError::into_inner)
}

fn open(place: Place, interface: &str) -> Socket {
    let found = datalink::interfaces()
        .into_iter()
        .find(|candidate| candidate.name == interface);
    let found = found.unwrap_or_else(|| panic!("no interface {interface}"));
    let config = Config {
        read_timeout: Some(Duration::ZERO),
        ..Config::default()
    };
    match datalink::channel(&found, config).expect("raw socket") {
        Channel::Ethernet(sender, receiver) => Socket {
            place,
            mac: found.mac.expect("Ethernet"),
            sender,
            receiver,
        },
        _ => panic!("not an Ethernet interface"),
    }
}

/// The address that host `index` broadcasts from.
fn source(index: usize) -> [u8; 6] {
    [2, 0, 0, 0x0b, 0, u8::try_from(index).unwrap_or(u8::MAX)]
}

fn broadcast(sockets: &mut [Socket], log: &Mutex<Log>) {
    let round = {
        let mut log = lock(log);
        log.rounds.push(Instant::now());
        u32::try_from(log.rounds.len() - 1).unwrap_or(u32::MAX)
    };
    for socket in sockets {
        if let Place::Host(index) = socket.place {
            let from = u8::try_from(index).unwrap_or(u8::MAX);
            let mut payload = [&MARK[..], &[from], &round.to_be_bytes()].concat();
            payload.resize(46, 0);
            // A host whose cable is out hears nothing, and is not heard.
            let _ = socket
                .sender
                .send_to(&frame([0xff; 6], source(index), &payload), None);
        }
    }
}

fn drain(socket: &mut Socket, log: &Mutex<Log>) {
    let own = socket.mac.octets();
    while let Ok(octets) = socket.receiver.next() {
        match socket.place {
            Place::Host(to) => {
                if let Some((round, from)) = heard(octets) {
                    *lock(log).copies.entry((round, from, to)).or_insert(0) += 1;
                }
            }
            Place::Port { bridge, wire } => {
                let is_group = GROUPS.iter().any(|group| octets.starts_with(group));
                if let (true, Some(version)) = (is_group, version(octets)) {
                    let is_ours = octets.get(6..12) == Some(&own);
                    let mut log = lock(log);
                    let at = Instant::now();
                    log.last
                        .insert((wire, bridge, is_ours), Heard { version, at });
                    if is_ours {
                        log.sent.push(octets.to_vec());
                    }
                }
            }
        }
    }
}

/// Round and sender of a host's broadcast.
fn heard(octets: &[u8]) -> Option<(u32, usize)> {
    let payload = octets.get(12..)?.strip_prefix(&EXPERIMENTAL)?;
    match payload.strip_prefix(MARK)? {
        [from, a, b, c, d, ..] => Some((u32::from_be_bytes([*a, *b, *c, *d]), usize::from(*from))),
        _ => None,
    }
}

/// The version of an untagged IEEE BPDU: behind addresses, length, LLC and protocol identifier.
fn version(octets: &[u8]) -> Option<u8> {
    let llc = octets.get(14..17)?;
    (llc == [0x42, 0x42, 0x03]).then(|| octets.get(19).copied())?
}
