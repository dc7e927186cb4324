//! smoltcp's interface and sockets behind two calls: a frame in, frames out.

use core::time::Duration;
use smoltcp::iface::{Config, Interface, PollResult, SocketHandle, SocketSet};
use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::socket::tcp;
use smoltcp::time::Instant;
use smoltcp::wire::{HardwareAddress, IpCidr, Ipv4Cidr};

use super::FRAME_MAX;
use super::checkpoint::MachineConfig;
use super::frame::address;

/// Frames the machine hands out at most per poll; what is left waits in the sockets.
pub(super) const FRAMES_MAX: usize = 64;
/// Octets a connection may have queued and unacknowledged.
pub(super) const SEND_BUFFER: usize = 64 * 1024;
/// Octets received and not consumed: small, for the service consumes at once.
const RECEIVE_BUFFER: usize = 16 * 1024;

/// Frames to send, in buffers that are used again.
#[derive(Clone, Debug, Default)]
pub(super) struct Frames {
    buffers: Vec<Vec<u8>>,
    used: usize,
}

impl Frames {
    pub(super) fn clear(&mut self) {
        self.used = 0;
    }

    pub(super) fn as_slice(&self) -> &[Vec<u8>] {
        &self.buffers[..self.used]
    }

    pub(super) fn as_mut_slice(&mut self) -> &mut [Vec<u8>] {
        &mut self.buffers[..self.used]
    }

    fn is_full(&self) -> bool {
        self.used >= FRAMES_MAX
    }

    /// A buffer of `len` zeros at the end.
    pub(super) fn push(&mut self, len: usize) -> &mut [u8] {
        if self.used == self.buffers.len() {
            self.buffers.push(Vec::with_capacity(FRAME_MAX));
        }
        let buffer = &mut self.buffers[self.used];
        self.used += 1;
        buffer.clear();
        buffer.resize(len, 0);
        buffer
    }
}

/// Interface and sockets of one machine.
pub(super) struct Stack {
    interface: Interface,
    sockets: SocketSet<'static>,
}

impl core::fmt::Debug for Stack {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Stack").finish_non_exhaustive()
    }
}

impl Stack {
    /// A stack with the addresses of `config`, which were checked, and no sockets.
    pub(super) fn new(now: Duration, config: &MachineConfig) -> Self {
        let mut hardware = Config::new(HardwareAddress::Ethernet(address(config.mac)));
        hardware.random_seed = config.seed ^ u64::try_from(now.as_micros()).unwrap_or(0);
        let mut frames = Frames::default();
        let mut card = Card {
            arrived: None,
            frames: &mut frames,
        };
        let mut interface = Interface::new(hardware, &mut card, instant(now));
        interface.update_ip_addrs(|addresses| {
            addresses
                .push(IpCidr::Ipv4(Ipv4Cidr::new(config.ip, config.prefix_len)))
                .expect("an interface holds one address");
        });
        Self {
            interface,
            sockets: SocketSet::new(Vec::new()),
        }
    }

    /// A new socket that listens on `port` (not 0).
    pub(super) fn listen(&mut self, port: u16) -> SocketHandle {
        let mut socket = tcp::Socket::new(
            tcp::SocketBuffer::new(vec![0; RECEIVE_BUFFER]),
            tcp::SocketBuffer::new(vec![0; SEND_BUFFER]),
        );
        // Records are small: with Nagle's algorithm each would wait for a delayed acknowledgment.
        socket.set_nagle_enabled(false);
        // Its pace is its own, far below what any wire carries; and a window would not move with the machine.
        socket.set_congestion_control(tcp::CongestionControl::None);
        socket.listen(port).expect("closed, and the port is not 0");
        self.sockets.add(socket)
    }

    pub(super) fn socket(&mut self, handle: SocketHandle) -> &mut tcp::Socket<'static> {
        self.sockets.get_mut(handle)
    }

    pub(super) fn socket_ref(&self, handle: SocketHandle) -> &tcp::Socket<'static> {
        self.sockets.get(handle)
    }

    /// Takes in one frame; replies go to `frames`.
    pub(super) fn ingress(&mut self, now: Duration, frame: &[u8], frames: &mut Frames) {
        let mut card = Card {
            arrived: Some(frame),
            frames,
        };
        self.interface
            .poll_ingress_single(instant(now), &mut card, &mut self.sockets);
    }

    /// Sends what the sockets have, until they have no more or `frames` is full.
    pub(super) fn egress(&mut self, now: Duration, frames: &mut Frames) {
        let mut card = Card {
            arrived: None,
            frames,
        };
        let now = instant(now);
        self.interface.poll_maintenance(now);
        while !card.frames.is_full() {
            match self
                .interface
                .poll_egress(now, &mut card, &mut self.sockets)
            {
                PollResult::None => break,
                PollResult::SocketStateChanged => {}
            }
        }
    }

    /// When the stack wants to be polled next.
    pub(super) fn deadline(&mut self, now: Duration) -> Option<Duration> {
        let at = self.interface.poll_at(instant(now), &self.sockets)?;
        let micros = u64::try_from(at.total_micros()).unwrap_or(0);
        Some(Duration::from_micros(micros).max(now))
    }
}

fn instant(now: Duration) -> Instant {
    Instant::from_micros(i64::try_from(now.as_micros()).unwrap_or(i64::MAX))
}

/// The network card for the length of one call.
struct Card<'a> {
    arrived: Option<&'a [u8]>,
    frames: &'a mut Frames,
}

struct Arrived<'a>(&'a [u8]);
struct Departing<'a>(&'a mut Frames);

impl Device for Card<'_> {
    type RxToken<'b>
        = Arrived<'b>
    where
        Self: 'b;
    type TxToken<'b>
        = Departing<'b>
    where
        Self: 'b;

    fn receive(&mut self, _: Instant) -> Option<(Arrived<'_>, Departing<'_>)> {
        let frame = self.arrived.take()?;
        Some((Arrived(frame), Departing(self.frames)))
    }

    fn transmit(&mut self, _: Instant) -> Option<Departing<'_>> {
        (!self.frames.is_full()).then_some(Departing(self.frames))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = FRAME_MAX;
        capabilities
    }
}

impl RxToken for Arrived<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(self.0)
    }
}

impl TxToken for Departing<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        f(self.0.push(len))
    }
}
