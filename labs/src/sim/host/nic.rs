//! One interface of a host: smoltcp's interface and sockets behind a frame in, frames out.

use core::fmt;
use core::net::Ipv4Addr;
use core::time::Duration;

use pnet_base::MacAddr;
use smoltcp::iface::{Config, Interface, PollResult, SocketHandle, SocketSet};
use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::socket::{AnySocket, icmp, tcp};
use smoltcp::time::Instant;
use smoltcp::wire::{
    EthernetAddress, HardwareAddress, IpAddress, IpCidr, IpListenEndpoint, Ipv4Cidr,
};

/// Frames that leave per poll, at most; what is left waits in the sockets.
const FRAMES_MAX: usize = 64;
/// Octets of an Ethernet header.
const HEADER: usize = 14;
/// What the kernel's segmentation offload hands to a tap as one frame: the simulated wires carry such frames whole, as
/// the real ones do.
const SEGMENTS: usize = 32 * 1024;
/// First port of TCP sockets that call (RFC 6335: dynamic ports).
const CALLING_PORT: u16 = 49_152;

/// An address and its prefix length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostAddress {
    /// The address.
    pub ip: Ipv4Addr,
    /// Prefix length in bits, 0..=32.
    pub prefix: u8,
}

impl HostAddress {
    fn contains(self, other: Ipv4Addr) -> bool {
        self.cidr().contains_addr(&other)
    }

    const fn cidr(self) -> Ipv4Cidr {
        Ipv4Cidr::new(self.ip, self.prefix)
    }
}

/// An interface with its addresses and sockets.
pub(super) struct Nic {
    interface: Interface,
    sockets: SocketSet<'static>,
    addresses: Vec<HostAddress>,
    calls: u16,
    /// Sockets that nobody uses any more, until their connections are over.
    retired: Vec<SocketHandle>,
}

impl fmt::Debug for Nic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nic")
            .field("addresses", &self.addresses)
            .finish_non_exhaustive()
    }
}

impl Nic {
    /// An interface. More addresses than smoltcp is built for are left out; their number is what
    /// [`Self::addresses`] tells.
    pub(super) fn new(
        now: Duration,
        mac: MacAddr,
        addresses: &[HostAddress],
        gateway: Option<Ipv4Addr>,
        seed: u64,
    ) -> Self {
        let hardware = HardwareAddress::Ethernet(EthernetAddress(mac.octets()));
        let mut config = Config::new(hardware);
        config.random_seed = seed;
        let mut frames = Vec::new();
        let mut card = Card {
            arrived: None,
            frames: &mut frames,
        };
        let mut interface = Interface::new(config, &mut card, instant(now));
        let mut taken = Vec::new();
        interface.update_ip_addrs(|held| {
            for address in addresses {
                if held.push(IpCidr::Ipv4(address.cidr())).is_ok() {
                    taken.push(*address);
                }
            }
        });
        if let Some(gateway) = gateway
            && taken.iter().any(|address| address.contains(gateway))
        {
            // The table is empty: there is room.
            let _ = interface.routes_mut().add_default_ipv4_route(gateway);
        }
        Self {
            interface,
            sockets: SocketSet::new(Vec::new()),
            addresses: taken,
            calls: 0,
            retired: Vec::new(),
        }
    }

    pub(super) fn addresses(&self) -> &[HostAddress] {
        &self.addresses
    }

    pub(super) fn is_neighbour(&self, ip: Ipv4Addr) -> bool {
        self.addresses.iter().any(|address| address.contains(ip))
    }

    /// A socket that waits for a call to `port`, with buffers of so many octets.
    pub(super) fn listen(&mut self, port: u16, buffer: usize) -> SocketHandle {
        let mut socket = tcp_socket(buffer);
        // A port that is not 0, on a socket that is closed.
        let _ = socket.listen(port);
        self.sockets.add(socket)
    }

    /// A socket that calls.
    pub(super) fn call(&mut self, to: Ipv4Addr, port: u16, buffer: usize) -> SocketHandle {
        let mut socket = tcp_socket(buffer);
        let local = CALLING_PORT.saturating_add(self.calls);
        self.calls = (self.calls + 1) % 16_000;
        // Refused only without an address of our own: then the socket stays closed, and its user sees that.
        let _ = socket.connect(
            self.interface.context(),
            (IpAddress::Ipv4(to), port),
            IpListenEndpoint::from(local),
        );
        self.sockets.add(socket)
    }

    /// A socket for echo requests of this identifier.
    pub(super) fn echo(&mut self, identifier: u16) -> SocketHandle {
        let buffer =
            || icmp::PacketBuffer::new(vec![icmp::PacketMetadata::EMPTY; 8], vec![0; 1024]);
        let mut socket = icmp::Socket::new(buffer(), buffer());
        // A fresh socket can be bound to any identifier.
        let _ = socket.bind(icmp::Endpoint::Ident(identifier));
        self.sockets.add(socket)
    }

    pub(super) fn socket<T: AnySocket<'static>>(&mut self, handle: SocketHandle) -> &mut T {
        self.sockets.get_mut(handle)
    }

    pub(super) fn remove(&mut self, handle: SocketHandle) {
        self.sockets.remove(handle);
    }

    /// Closes a connection; its socket goes when the peer has closed, too. Its buffers are large, and moves are many.
    pub(super) fn retire(&mut self, handle: SocketHandle) {
        self.socket::<tcp::Socket<'static>>(handle).close();
        self.retired.push(handle);
    }

    fn bury(&mut self) {
        let sockets = &mut self.sockets;
        self.retired.retain(|handle| {
            let is_over = !sockets.get::<tcp::Socket<'static>>(*handle).is_open();
            if is_over {
                sockets.remove(*handle);
            }
            !is_over
        });
    }

    /// Takes in one frame; replies go to `frames`.
    pub(super) fn ingress(&mut self, now: Duration, frame: &[u8], frames: &mut Vec<Vec<u8>>) {
        let mut card = Card {
            arrived: Some(frame),
            frames,
        };
        self.interface
            .poll_ingress_single(instant(now), &mut card, &mut self.sockets);
    }

    /// Sends what the sockets have, as much as fits.
    pub(super) fn egress(&mut self, now: Duration, frames: &mut Vec<Vec<u8>>) {
        let now = instant(now);
        self.interface.poll_maintenance(now);
        let mut card = Card {
            arrived: None,
            frames,
        };
        while card.frames.len() < FRAMES_MAX {
            match self
                .interface
                .poll_egress(now, &mut card, &mut self.sockets)
            {
                PollResult::None => break,
                PollResult::SocketStateChanged => {}
            }
        }
        self.bury();
    }

    /// When it wants to be polled next.
    pub(super) fn deadline(&mut self, now: Duration) -> Option<Duration> {
        let at = self.interface.poll_at(instant(now), &self.sockets)?;
        let micros = u64::try_from(at.total_micros()).unwrap_or(0);
        Some(Duration::from_micros(micros).max(now))
    }
}

fn tcp_socket(buffer: usize) -> tcp::Socket<'static> {
    let mut socket = tcp::Socket::new(
        tcp::SocketBuffer::new(vec![0; buffer]),
        tcp::SocketBuffer::new(vec![0; buffer]),
    );
    // Messages are small, and wait for nobody.
    socket.set_nagle_enabled(false);
    socket.set_ack_delay(None);
    // As Linux does: without, a copy that fills a wire's queue never finds its rate.
    socket.set_congestion_control(tcp::CongestionControl::Cubic);
    socket
}

fn instant(now: Duration) -> Instant {
    Instant::from_micros(i64::try_from(now.as_micros()).unwrap_or(i64::MAX))
}

/// The network card for the length of one call.
struct Card<'a> {
    arrived: Option<&'a [u8]>,
    frames: &'a mut Vec<Vec<u8>>,
}

struct Arrived<'a>(&'a [u8]);
struct Departing<'a>(&'a mut Vec<Vec<u8>>);

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
        (self.frames.len() < FRAMES_MAX).then_some(Departing(self.frames))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = HEADER + SEGMENTS;
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
        let mut frame = vec![0; len];
        let result = f(&mut frame);
        self.0.push(frame);
        result
    }
}
