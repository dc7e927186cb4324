//! The lines of a switch: each port's device, and what its link does.

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::sync::Arc;
use std::thread;

use pnet_base::MacAddr;
use stp::PortNumber;

use super::poller::Poller;
use crate::config::{Endpoint, Io, PortConfig, PortKind};
use crate::link::{Change, Link, NamespaceId, Namespaces};
use crate::port::datagram::Datagram;
use crate::port::given;
use crate::port::packet::Packet;
use crate::port::receivers::Receivers;
use crate::port::stream::Stream;
use crate::port::tap::{Place, Tap};
use crate::port::{Device, FanOut, PortError};
use crate::sys::ethtool::{self, Speed};
use crate::workers::Tally;

/// How often a tap is looked for in a namespace that was not watched until then.
const LOCATE_TRIES: usize = 4;

/// Why a packet port has no receive ring any more.
const RING_DEAD: &str = "a frame that cannot be described stopped the receive ring";

/// A port's device and where its interface is.
#[derive(Debug)]
pub(super) struct Line {
    name: String,
    kind: PortKind,
    pub(super) address: MacAddr,
    /// None while there is no interface to a packet port.
    pub(super) device: Option<Arc<Device>>,
    /// What forwarding threads have counted of it and the core does not know yet.
    pub(super) tally: Arc<Tally>,
    /// Namespace and index of the interface, as far as known.
    place: Option<(NamespaceId, u32)>,
    /// The device was deleted by somebody else, or its state cannot be known.
    pub(super) trouble: Option<String>,
    /// Nobody tells of its link's changes, or its interface is there but could not be opened: it must be looked at.
    pub(super) is_unwatched: bool,
    enabled: bool,
    io: Io,
    /// Whether unfinished frames cross it.
    offload: bool,
}

/// What became of a line's link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LinkState {
    Up(Speed),
    Down,
}

impl Line {
    /// Opens the device of `config`; nothing is left if that fails.
    ///
    /// # Errors
    /// See [`PortError`].
    pub(super) fn open(
        config: &PortConfig,
        namespaces: &mut Namespaces,
        (receivers, offload): (&Receivers, bool),
    ) -> Result<Self, PortError> {
        let offload = config.offload.unwrap_or(offload);
        let name = config.name.to_string();
        let home = namespaces.home_mut();
        let (device, address) = match &config.endpoint {
            Some(endpoint) => {
                let (device, address) = open_endpoint(&name, endpoint)?;
                (device, address.unwrap_or_else(own_address))
            }
            None if config.kind == PortKind::Tap => {
                let tap = Tap::create(&name, home, offload)?;
                if let Some(trouble) = tap.trouble() {
                    eprintln!("switchd: port {name}: {trouble}; its frames are finished");
                }
                let address = tap.address();
                (Device::Tap(tap), address)
            }
            None => {
                let link = home
                    .by_name(&name)
                    .map_err(|error| PortError::new(&name, "look for its interface", error))?
                    .ok_or_else(|| PortError::missing(&name))?;
                let packet = Packet::open(&link, home, (receivers, offload))?;
                if packet.was_down() {
                    eprintln!("switchd: port {name}: brought the interface up");
                }
                if let Some(why) = packet.fallback() {
                    eprintln!("switchd: port {name}: {why}; frames are received by recvmmsg");
                }
                if let Some(why) = packet.undivided() {
                    eprintln!("switchd: port {name}: {why}; each frame is offered to two sockets");
                }
                let address = link.address.unwrap_or_else(MacAddr::zero);
                (Device::Packet(packet), address)
            }
        };
        let mut line = Self {
            name,
            kind: config.kind,
            address: config.mac.unwrap_or(address),
            device: Some(Arc::new(device)),
            tally: Arc::default(),
            place: None,
            trouble: None,
            is_unwatched: false,
            enabled: true,
            io: receivers.io(),
            offload,
        };
        if config.down {
            line.set_enabled(namespaces, false);
        }
        Ok(line)
    }

    /// Whether its interface is in `namespace`.
    pub(super) fn is_in(&self, namespace: NamespaceId) -> bool {
        self.place
            .is_some_and(|(in_namespace, _)| in_namespace == namespace)
    }

    /// Administratively down, the other end of the line sees its carrier go.
    pub(super) fn set_enabled(&mut self, namespaces: &mut Namespaces, enabled: bool) {
        self.enabled = enabled;
        let result = match self.device.as_deref() {
            Some(Device::Tap(tap)) => tap.set_carrier(enabled),
            Some(Device::Packet(packet)) => packet.set_up(namespaces.home_mut(), enabled),
            Some(Device::Stream(stream)) => {
                stream.set_enabled(enabled);
                Ok(())
            }
            Some(Device::Datagram(datagram)) => {
                datagram.set_enabled(enabled);
                Ok(())
            }
            None => Ok(()),
        };
        if let Err(error) = result {
            self.trouble = Some(format!("cannot set the carrier: {error}"));
        }
    }

    /// Looks at the link of a line that was just opened; the daemon's own namespace is watched.
    pub(super) fn look_first(&mut self, namespaces: &mut Namespaces, poller: &Poller) -> LinkState {
        match self.device.as_deref() {
            Some(Device::Tap(tap)) => match tap.place_if_new(&self.name, namespaces) {
                Some(place) => self.looked_at_tap(Ok(place)),
                None => self.look(namespaces, poller),
            },
            Some(Device::Packet(_) | Device::Stream(_) | Device::Datagram(_)) | None => {
                self.look(namespaces, poller)
            }
        }
    }

    /// Looks at the link as it is now. Watches the namespace it is in.
    pub(super) fn look(&mut self, namespaces: &mut Namespaces, poller: &Poller) -> LinkState {
        match self.device.as_deref() {
            Some(Device::Tap(tap)) => {
                let looked = locate(tap, namespaces, poller);
                self.looked_at_tap(looked)
            }
            Some(Device::Packet(packet)) => {
                let index = packet.index();
                let home = namespaces.home();
                let found = namespaces.home_mut().by_index(index);
                self.looked_at_packet(home, index, found, namespaces)
            }
            Some(device @ (Device::Stream(_) | Device::Datagram(_))) => {
                match device.has_carrier() {
                    Some(false) => LinkState::Down,
                    Some(true) | None => LinkState::Up(Speed::default()),
                }
            }
            None => LinkState::Down,
        }
    }

    fn looked_at_tap(&mut self, looked: io::Result<Place>) -> LinkState {
        match looked {
            Ok(place) => {
                self.place = Some((place.namespace, place.index));
                self.trouble = None;
                self.is_unwatched = false;
                if place.works {
                    LinkState::Up(Speed::default())
                } else {
                    LinkState::Down
                }
            }
            Err(error) if error.raw_os_error() == Some(libc::EBADFD) => {
                self.gone();
                LinkState::Down
            }
            Err(error) => {
                // We cannot see it: taken for up, so that its frames pass.
                self.place = None;
                self.is_unwatched = true;
                self.trouble = Some(format!("link state unknown: {error}"));
                LinkState::Up(Speed::default())
            }
        }
    }

    fn looked_at_packet(
        &mut self,
        home: NamespaceId,
        index: u32,
        found: io::Result<Option<Link>>,
        namespaces: &mut Namespaces,
    ) -> LinkState {
        match found {
            Ok(Some(link)) => {
                self.place = Some((home, index));
                self.trouble = None;
                self.is_unwatched = false;
                self.packet_state(&link, namespaces)
            }
            Ok(None) | Err(_) => {
                self.device = None;
                self.place = None;
                LinkState::Down
            }
        }
    }

    /// The tap's device was deleted, by hand or with the namespace it was in; or the only peer of a socket went.
    pub(super) fn gone(&mut self) {
        self.device = None;
        self.place = None;
        self.is_unwatched = false;
        let what = match self.kind {
            PortKind::Fd => "the other end was closed",
            PortKind::Tap
            | PortKind::Packet
            | PortKind::Stream
            | PortKind::Dgram
            | PortKind::Udp => "the device was deleted",
        };
        self.trouble = Some(format!("{what}; remove and add the port"));
    }

    fn packet_state(&self, link: &Link, namespaces: &mut Namespaces) -> LinkState {
        if !link.works() {
            return LinkState::Down;
        }
        // A driver that does not answer is taken for a fast one.
        let speed = ethtool::speed(namespaces.home_mut().socket(), &link.name);
        LinkState::Up(speed.unwrap_or_default())
    }

    /// What `change` in `namespace` means for this line; `None` if nothing.
    pub(super) fn changed(
        &mut self,
        number: PortNumber,
        namespace: NamespaceId,
        change: &Change,
        namespaces: &mut Namespaces,
        poller: &Poller,
    ) -> Option<LinkState> {
        match change {
            Change::Now(link) if self.place == Some((namespace, link.index)) => {
                Some(match self.device.as_deref() {
                    Some(Device::Packet(_)) => self.packet_state(link, namespaces),
                    Some(Device::Tap(_)) if link.works() => LinkState::Up(Speed::default()),
                    Some(Device::Tap(_) | Device::Stream(_) | Device::Datagram(_)) | None => {
                        LinkState::Down
                    }
                })
            }
            Change::Now(link) => {
                let returned = self.device.is_none()
                    && self.kind == PortKind::Packet
                    && namespace == namespaces.home()
                    && link.name == self.name;
                returned.then(|| self.reopen(number, link, namespaces, poller))
            }
            Change::Gone { index } if self.place == Some((namespace, *index)) => {
                if let Some(Device::Packet(_)) = self.device.as_deref() {
                    self.device = None;
                    self.place = None;
                    return Some(LinkState::Down);
                }
                Some(self.look(namespaces, poller))
            }
            Change::Gone { .. } => None,
            Change::Lost => Some(self.look_again(number, namespaces, poller)),
        }
    }

    /// Looks at everything: the interface of a packet port may have gone and another of its name come.
    pub(super) fn look_again(
        &mut self,
        number: PortNumber,
        namespaces: &mut Namespaces,
        poller: &Poller,
    ) -> LinkState {
        let state = self.look(namespaces, poller);
        if self.device.is_some() || self.kind != PortKind::Packet {
            return state;
        }
        match namespaces.home_mut().by_name(&self.name) {
            Ok(Some(link)) => self.reopen(number, &link, namespaces, poller),
            Ok(None) => {
                self.is_unwatched = false;
                self.trouble = None;
                state
            }
            Err(_) => state,
        }
    }

    /// An interface of the packet port's name is there again.
    fn reopen(
        &mut self,
        number: PortNumber,
        link: &Link,
        namespaces: &mut Namespaces,
        poller: &Poller,
    ) -> LinkState {
        let opened = Packet::open(
            link,
            namespaces.home_mut(),
            (&Receivers::none(self.io), self.offload),
        )
        .map_err(|error| error.to_string())
        .and_then(|packet| {
            let device = Device::Packet(packet);
            poller
                .add_port(number, &device)
                .map_err(|error| format!("port {}: {error}", self.name))?;
            Ok(device)
        });
        match opened {
            Ok(device) => {
                self.device = Some(Arc::new(device));
                if !self.enabled {
                    self.set_enabled(namespaces, false);
                }
                self.look(namespaces, poller)
            }
            Err(error) => {
                // No descriptor, no memory, or the interface is going again: tried again until it works.
                if self.trouble.as_ref() != Some(&error) {
                    eprintln!("switchd: {error}");
                }
                self.trouble = Some(error);
                self.is_unwatched = true;
                LinkState::Down
            }
        }
    }

    /// Whether it has to be looked at now and then.
    pub(super) fn wants_looks(&self) -> bool {
        let packet = self.device.as_deref();
        self.is_unwatched
            || packet
                .is_some_and(|device| matches!(device, Device::Packet(packet) if packet.has_ring()))
    }

    /// Replaces the receive ring of a packet port by `recvmmsg` if the kernel has left it for dead; how many frames the
    /// kernel has dropped since last asked.
    pub(super) fn look_after_ring(&mut self, number: PortNumber, poller: &Poller) -> u64 {
        let Some(Device::Packet(packet)) = self.device.as_deref() else {
            return 0;
        };
        let (drops, is_dead) = packet.look_after();
        if !is_dead {
            return drops;
        }
        // Once is enough: whoever sends such a frame sends another.
        self.io = Io::Plain;
        let replaced = packet.without_ring(RING_DEAD).and_then(|packet| {
            let device = Device::Packet(packet);
            poller.add_port(number, &device)?;
            Ok(device)
        });
        match replaced {
            Ok(device) => {
                eprintln!(
                    "switchd: port {}: {RING_DEAD}; frames are received by recvmmsg",
                    self.name
                );
                self.device = Some(Arc::new(device));
                self.trouble = None;
            }
            Err(error) => {
                self.trouble = Some(format!("{RING_DEAD}, and cannot go on without: {error}"))
            }
        }
        drops
    }

    /// Has a packet port send for others, if that was found to be worth it. The kernel may take long for that, so it is
    /// done on a thread of its own.
    pub(super) fn attach_copies(&self, fan_out: &Arc<FanOut>) {
        let Some(device) = &self.device else {
            return;
        };
        if !matches!(&**device, Device::Packet(packet) if packet.copies().is_wanted()) {
            return;
        }
        let (fan_out, device) = (Arc::clone(fan_out), Arc::clone(device));
        let name = self.name.clone();
        let attach = move || {
            if let Device::Packet(packet) = &*device
                && let Err(why) = fan_out.attach(packet)
            {
                eprintln!("switchd: port {name}: {why}; floods leave port by port");
            }
        };
        // Without a thread floods leave port by port, as before.
        let _ = thread::Builder::new()
            .name("copies".to_owned())
            .spawn(attach);
    }

    /// Leaves somebody's interface as it was found. The device that is left is closed by dropping it, which may take the
    /// kernel long.
    pub(super) fn close(self, namespaces: &mut Namespaces) -> Option<Arc<Device>> {
        if let Some(Device::Packet(packet)) = self.device.as_deref() {
            packet.restore(namespaces.home_mut());
        }
        self.device
    }
}

fn open_endpoint(name: &str, endpoint: &Endpoint) -> Result<(Device, Option<MacAddr>), PortError> {
    match endpoint {
        Endpoint::Listen(path) => Ok((Device::Stream(Stream::listen(name, path)?), None)),
        Endpoint::Connect(path) => Ok((Device::Stream(Stream::connect(name, path)?), None)),
        Endpoint::Dgram { local, remote } => {
            let datagram = Datagram::unix(name, local, remote)?;
            Ok((Device::Datagram(datagram), None))
        }
        Endpoint::Udp { local, remote } => {
            let datagram = Datagram::udp(name, *local, *remote)?;
            Ok((Device::Datagram(datagram), None))
        }
        Endpoint::Descriptor(number) => given::open(name, *number),
    }
}

/// An address for a port without interface: individual, locally administered, new every time, as a tap's is.
fn own_address() -> MacAddr {
    let [a, b, c, d, e, ..] = RandomState::new().hash_one(0_u64).to_be_bytes();
    MacAddr(0x02, a, b, c, d, e)
}

/// Where the kernel end of a tap is, in a namespace that is watched: of what happens to it from now on the loop hears.
///
/// # Errors
/// See [`Tap::locate`].
fn locate(tap: &Tap, namespaces: &mut Namespaces, poller: &Poller) -> io::Result<Place> {
    for _ in 0..LOCATE_TRIES {
        let place = tap.locate(namespaces)?;
        if !watch(namespaces, place.namespace, poller)? {
            return Ok(place);
        }
        // Between the look and the watch it may have changed, or moved on.
    }
    Err(io::Error::from_raw_os_error(libc::EAGAIN))
}

/// Makes changes in `namespace` wake the loop. False if they did already.
///
/// # Errors
/// `ENOMEM`, or too many descriptors are waited for.
pub(super) fn watch(
    namespaces: &mut Namespaces,
    id: NamespaceId,
    poller: &Poller,
) -> io::Result<bool> {
    let unwatched = namespaces.get_mut(id).filter(|it| !it.is_watched());
    let Some(namespace) = unwatched else {
        return Ok(false);
    };
    namespace.listen()?;
    poller.add_namespace(id, namespace.listener())?;
    namespace.set_watched();
    Ok(true)
}
