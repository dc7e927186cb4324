//! A machine and a client's stack on a wire with delay, in virtual time.
#![allow(unreachable_pub, reason = "shared by tests")]

use core::time::Duration;
use labs::guest::{Checkpoint, FRAME_MAX, Machine, MachineConfig, stream};
use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::socket::tcp;
use smoltcp::time::Instant;
use smoltcp::wire::{EthernetAddress, HardwareAddress, IpAddress, IpCidr};
use std::collections::{BTreeMap, VecDeque};

pub const DELAY: Duration = Duration::from_micros(200);
pub const MS: Duration = Duration::from_millis(1);
pub const CLIENT_MAC: [u8; 6] = [2, 0, 0, 0, 0, 9];

pub fn config() -> MachineConfig {
    MachineConfig {
        memory_pages: 64,
        stream_rate: 0,
        ..MachineConfig::default()
    }
}

/// The client's card: frames in and out, all of them.
#[derive(Default)]
struct Card {
    arrived: VecDeque<Vec<u8>>,
    departed: Vec<Vec<u8>>,
}
struct Rx(Vec<u8>);
struct Tx<'a>(&'a mut Vec<Vec<u8>>);

impl Device for Card {
    type RxToken<'a> = Rx;
    type TxToken<'a> = Tx<'a>;
    fn receive(&mut self, _: Instant) -> Option<(Rx, Tx<'_>)> {
        Some((Rx(self.arrived.pop_front()?), Tx(&mut self.departed)))
    }
    fn transmit(&mut self, _: Instant) -> Option<Tx<'_>> {
        Some(Tx(&mut self.departed))
    }
    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = FRAME_MAX;
        capabilities
    }
}
impl RxToken for Rx {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0)
    }
}
impl TxToken for Tx<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut frame = vec![0; len];
        let result = f(&mut frame);
        self.0.push(frame);
        result
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum To {
    Machine,
    Client,
}

/// One machine, one client, one wire.
pub struct World {
    pub now: Duration,
    pub machine: Option<Machine>,
    pub wake: Option<Duration>,
    pub interface: Interface,
    pub sockets: SocketSet<'static>,
    card: Card,
    wire: BTreeMap<(Duration, u64), (To, Vec<u8>)>,
    pub serial: u64,
    /// Frames the machine sent.
    pub sent: Vec<(Duration, Vec<u8>)>,
    pub streams: Vec<(SocketHandle, u64)>,
    /// Reading stops here, so that the window closes.
    pub read_limit: u64,
    pub uploaded: u64,
}

impl World {
    pub fn new(config: MachineConfig) -> Self {
        let now = MS;
        let mut card = Card::default();
        let hardware = Config::new(HardwareAddress::Ethernet(EthernetAddress(CLIENT_MAC)));
        let mut interface = Interface::new(hardware, &mut card, instant(now));
        interface.update_ip_addrs(|addresses| {
            let cidr = IpCidr::new(IpAddress::v4(10, 10, 0, 100), 24);
            addresses.push(cidr).expect("room for one");
        });
        Self {
            now,
            machine: Some(Machine::boot(now, config).expect("a good configuration")),
            wake: Some(now),
            interface,
            sockets: SocketSet::new(Vec::new()),
            card,
            wire: BTreeMap::new(),
            serial: 0,
            sent: Vec::new(),
            streams: Vec::new(),
            read_limit: u64::MAX,
            uploaded: 0,
        }
    }

    pub fn connect(&mut self) -> SocketHandle {
        // Above 64 KiB, so that window scaling is agreed on.
        let buffer = || tcp::SocketBuffer::new(vec![0; 200_000]);
        let handle = self.sockets.add(tcp::Socket::new(buffer(), buffer()));
        let port = 40_000 + u16::try_from(self.streams.len()).expect("few");
        let socket = self.sockets.get_mut::<tcp::Socket<'_>>(handle);
        socket.set_ack_delay(None);
        let remote = (IpAddress::v4(10, 10, 0, 5), 7);
        socket
            .connect(self.interface.context(), remote, port)
            .expect("a fresh socket");
        self.streams.push((handle, 0));
        handle
    }

    pub fn state(&self, handle: SocketHandle) -> tcp::State {
        self.sockets.get::<tcp::Socket<'_>>(handle).state()
    }

    pub fn close(&mut self, handle: SocketHandle) {
        self.sockets.get_mut::<tcp::Socket<'_>>(handle).close();
    }

    pub fn machine(&self) -> &Machine {
        self.machine.as_ref().expect("it runs")
    }

    fn post(&mut self, to: To, frame: Vec<u8>) {
        self.serial += 1;
        self.wire
            .insert((self.now + DELAY, self.serial), (to, frame));
    }

    pub fn poll_machine(&mut self, frame: Option<&[u8]>) {
        let Some(machine) = &mut self.machine else {
            return;
        };
        let output = machine.poll(self.now, frame);
        self.wake = output.deadline;
        assert!(self.wake.is_none_or(|at| at >= self.now));
        let frames = output.frames.iter().cloned();
        for frame in frames.collect::<Vec<_>>() {
            self.sent.push((self.now, frame.clone()));
            self.post(To::Client, frame);
        }
    }

    pub fn poll_client(&mut self) {
        let now = instant(self.now);
        self.interface.poll(now, &mut self.card, &mut self.sockets);
        for (handle, received) in &mut self.streams {
            let socket = self.sockets.get_mut::<tcp::Socket<'_>>(*handle);
            while socket.can_recv() && *received < self.read_limit {
                let room = usize::try_from(self.read_limit - *received).unwrap_or(usize::MAX);
                let mut buffer = vec![0; room.min(4096)];
                let count = socket.recv_slice(&mut buffer).expect("can receive");
                let mut expected = vec![0; count];
                stream::fill(*received, &mut expected);
                assert_eq!(buffer[..count], expected, "stream damaged at {received}");
                *received += count as u64;
            }
        }
        self.interface.poll(now, &mut self.card, &mut self.sockets);
        for frame in std::mem::take(&mut self.card.departed) {
            self.post(To::Machine, frame);
        }
    }

    pub fn upload(&mut self, handle: SocketHandle, count: u64) {
        let octets: Vec<u8> = (self.uploaded..self.uploaded + count)
            .map(stream::upstream_octet)
            .collect();
        let socket = self.sockets.get_mut::<tcp::Socket<'_>>(handle);
        self.uploaded += socket.send_slice(&octets).expect("can send") as u64;
        self.poll_client();
    }

    /// Runs until `end`, every event at its time.
    pub fn run_until(&mut self, end: Duration) {
        self.poll_client();
        loop {
            let arrival = self.wire.keys().next().map(|key| key.0);
            let client = self.interface.poll_at(instant(self.now), &self.sockets);
            let client = client.map(|at| duration(at).max(self.now));
            let wake = self.wake.filter(|_| self.machine.is_some());
            let next = [arrival, client, wake].into_iter().flatten().min();
            let Some(next) = next.filter(|at| *at <= end) else {
                break;
            };
            self.now = next.max(self.now);
            while let Some(entry) = self.wire.first_entry() {
                if entry.key().0 > self.now {
                    break;
                }
                match entry.remove() {
                    (To::Machine, frame) => self.poll_machine(Some(&frame)),
                    (To::Client, frame) => self.card.arrived.push_back(frame),
                }
            }
            self.poll_client();
            if self.wake.is_some_and(|at| at <= self.now) {
                self.poll_machine(None);
            }
        }
        self.now = end;
    }

    pub fn run_for(&mut self, time: Duration) {
        self.run_until(self.now + time);
    }

    /// Stops the machine, lets `pause` pass (frames to it are lost), and thaws it elsewhere.
    pub fn migrate(&mut self, pause: Duration) -> Checkpoint {
        let machine = self.machine.take().expect("it runs");
        let checkpoint = machine.freeze();
        let text = serde_json::to_string(&checkpoint).expect("plain data");
        self.run_for(pause);
        let arrived: Checkpoint = serde_json::from_str(&text).expect("what was written");
        assert_eq!(arrived, checkpoint);
        let memory = machine.memory().clone();
        let mut thawed = Machine::thaw(self.now, arrived, memory).expect("a good checkpoint");
        thawed.announce(self.now);
        self.machine = Some(thawed);
        self.poll_machine(None);
        checkpoint
    }

    pub fn received(&self) -> u64 {
        self.streams.iter().map(|stream| stream.1).sum()
    }
}

fn instant(now: Duration) -> Instant {
    Instant::from_micros(i64::try_from(now.as_micros()).expect("a short test"))
}

fn duration(at: Instant) -> Duration {
    Duration::from_micros(u64::try_from(at.total_micros()).unwrap_or(0))
}
