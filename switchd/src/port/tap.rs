//! A port that is a tap device: the switch holds the file side, a host the kernel end.
//!
//! The kernel end may be moved to another namespace, renamed, set up and down by whoever owns the host; it
//! goes away with the port.

use std::fs::{File, OpenOptions};
use std::io::{self, IoSlice, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;

use nix::sys::uio::writev;
use pnet_base::MacAddr;
use stp::PortNumber;
use tun_tap::{Iface, Mode};

use super::batch::{BATCH_MAX, Batch, Written};
use super::offload::HEADER_LEN;
use super::segment::Segmenter;
use super::way::Way;
use super::{Leaving, PortError, Reception, Sent, Turn};
use crate::link::{Namespace, NamespaceId, Namespaces, Setting};
use crate::sys::tun::{self, OFFLOAD_CSUM, OFFLOAD_TSO, OFFLOAD_USO};
use crate::sys::uring::{Kind, Ring, Target, Writes};

/// How often the kernel end is looked up while somebody moves or renames it under our eyes.
const LOCATE_TRIES: usize = 4;

/// Frames that the kernel end keeps for us while we are busy elsewhere. The default of 500 is full after a
/// millisecond of small frames, and a burst of a host that had to wait for a processor is longer than that.
const QUEUE: u32 = 2000;

/// Offloads asked for, best first, and how they are called. What the kernel end may leave undone; frames
/// towards it may be unfinished in any case.
const OFFLOADS: [(libc::c_uint, &str); 4] = [
    (
        OFFLOAD_CSUM | OFFLOAD_TSO | OFFLOAD_USO,
        "checksum, TSO, USO",
    ),
    (OFFLOAD_CSUM | OFFLOAD_TSO, "checksum, TSO"),
    (OFFLOAD_CSUM, "checksum"),
    (0, "none"),
];

/// A tap of our own.
#[derive(Debug)]
pub(crate) struct Tap {
    side: Side,
    address: MacAddr,
    /// What the kernel end may leave undone.
    offloads: &'static str,
    /// What was wanted and could not be had.
    trouble: Option<String>,
    turn: Turn,
}

/// The file side.
enum Side {
    /// With a virtio-net header before every frame; frames may be unfinished.
    Header(File),
    /// Finished frames and nothing else.
    Finished(Iface),
    /// The same of a tap that was handed over.
    Plain(File),
}

/// Where a tap's kernel end is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) namespace: NamespaceId,
    pub(crate) index: u32,
    /// Up and with carrier.
    pub(crate) works: bool,
}

impl Tap {
    /// Makes the device `name` in the daemon's namespace and sets it up.
    ///
    /// # Errors
    /// The name is taken or impossible, a privilege or the tun module is missing. Nothing is left then.
    pub(crate) fn create(
        name: &str,
        home: &mut Namespace,
        offload: bool,
    ) -> Result<Self, PortError> {
        if crate::sys::interface_name(name).is_err() {
            return Err(PortError::Name(name.to_owned()));
        }
        let mut trouble = None;
        let side = match offload.then(|| Side::with_header(name)) {
            Some(Err(error)) if error.raw_os_error() == Some(libc::EINVAL) => {
                trouble = Some(format!("no virtio-net header here: {error}"));
                Side::without_header(name, home)
            }
            Some(side) => side,
            None => Side::without_header(name, home),
        };
        let side = side.map_err(|error| match error.raw_os_error() {
            Some(libc::ENOENT | libc::ENODEV | libc::ENXIO) => PortError::NoTun(name.to_owned()),
            Some(libc::EBUSY) => PortError::Exists(name.to_owned()),
            _ => PortError::new(name, "create a tap", error),
        })?;
        Self::set_up(side, name, home, trouble)
            .map_err(|error| PortError::new(name, "set up its tap", error))
    }

    /// A tap that somebody else has made, and set up as he wants it.
    ///
    /// # Errors
    /// It is no tap, or frames of it begin with packet information.
    pub(super) fn given(descriptor: OwnedFd) -> io::Result<Self> {
        let flags = tun::flags(descriptor.as_fd())?;
        if flags & libc::IFF_TAP == 0 || flags & libc::IFF_NO_PI == 0 {
            return Err(io::Error::from_raw_os_error(libc::EINVAL));
        }
        let file = File::from(descriptor);
        let nonblocking = nix::fcntl::FcntlArg::F_SETFL(nix::fcntl::OFlag::O_NONBLOCK);
        nix::fcntl::fcntl(&file, nonblocking)?;
        let side = match flags & libc::IFF_VNET_HDR {
            0 => Side::Plain(file),
            _ => Side::Header(file),
        };
        Self::on(side, None)
    }

    fn set_up(
        side: Side,
        name: &str,
        home: &mut Namespace,
        trouble: Option<String>,
    ) -> io::Result<Self> {
        let tap = Self::on(side, trouble)?;
        // Without it the port is no worse than taps are by default. Two requests: in one, the kernel would set the tap up
        // first, and make a queue in use longer, for which it waits until nobody uses it.
        let _ = home.set_by_name(name, Setting::QueueLength(QUEUE));
        home.set_by_name(name, Setting::Up(true))?;
        Ok(tap)
    }

    fn on(side: Side, trouble: Option<String>) -> io::Result<Self> {
        let file = side.descriptor();
        let mut offloads = OFFLOADS[OFFLOADS.len() - 1].1;
        if side.header_len() > 0 {
            let header_len = libc::c_int::try_from(HEADER_LEN).expect("10");
            tun::set_header_len(file, header_len)?;
            let granted = OFFLOADS
                .into_iter()
                .find(|&(offloads, _)| tun::set_offload(file, offloads).is_ok());
            offloads = granted.map_or(offloads, |(_, words)| words);
        }
        let address = port_address(tun::address(file)?);
        Ok(Self {
            side,
            address,
            offloads,
            trouble,
            turn: Turn::new(),
        })
    }

    pub(crate) fn descriptor(&self) -> BorrowedFd<'_> {
        self.side.descriptor()
    }

    /// How frames are moved, for people; `by` is the mover's part.
    pub(crate) fn describe(&self, by: &str) -> String {
        let header = match (&self.side, &self.trouble) {
            (Side::Header(_), _) => format!("virtio-net header, offloads: {}", self.offloads),
            (Side::Finished(_) | Side::Plain(_), None) => "frames finished".to_owned(),
            (Side::Finished(_) | Side::Plain(_), Some(why)) => format!("frames finished ({why})"),
        };
        format!("tap, {by}, {header}")
    }

    /// What was wanted and could not be had.
    pub(crate) fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// Address of the port, not that of the kernel end: that is the host's.
    pub(crate) fn address(&self) -> MacAddr {
        self.address
    }

    /// Raises or drops the carrier that the host sees.
    pub(crate) fn set_carrier(&self, carrier: bool) -> io::Result<()> {
        tun::set_carrier(self.descriptor(), carrier)
    }

    /// The kernel end as it was made: called `name`, with the address it was given, in the daemon's namespace. `None` if
    /// it is not there any more, or cannot be asked for. Cheaper than [`Self::locate`], which needs to know nothing.
    pub(crate) fn place_if_new(&self, name: &str, namespaces: &mut Namespaces) -> Option<Place> {
        let link = namespaces.home_mut().by_name(name).ok()??;
        // The address is random: no other interface has it by chance.
        (link.address.map(port_address) == Some(self.address)).then(|| Place {
            namespace: namespaces.home(),
            index: link.index,
            works: link.works(),
        })
    }

    /// Finds the kernel end, opening its namespace if need be. One that it was in for a moment only may be opened, too,
    /// and so may any if this fails.
    ///
    /// # Errors
    /// `EBADFD` if the device was deleted; else its state cannot be known.
    pub(crate) fn locate(&self, namespaces: &mut Namespaces) -> io::Result<Place> {
        for _ in 0..LOCATE_TRIES {
            let before = File::from(tun::namespace(self.descriptor())?);
            let id = namespaces.enter(&before)?;
            let name = tun::name(self.descriptor())?;
            let Some(namespace) = namespaces.get_mut(id) else {
                continue;
            };
            let Some(link) = namespace.by_name(&name)? else {
                continue;
            };
            let after = File::from(tun::namespace(self.descriptor())?);
            if NamespaceId::of(&after)? == id && tun::name(self.descriptor())? == name {
                return Ok(Place {
                    namespace: id,
                    index: link.index,
                    works: link.works(),
                });
            }
        }
        Err(io::Error::from_raw_os_error(libc::EAGAIN))
    }

    /// What a ring works on.
    pub(crate) fn target(&self, port: PortNumber) -> Target<'_> {
        Target {
            slot: port.get(),
            descriptor: self.descriptor(),
            kind: Kind::File,
        }
    }

    /// Reads at most a batch of frames, one by one.
    pub(crate) fn receive(&self, batch: &mut Batch) -> Reception {
        let header_len = self.side.header_len();
        let mut results = [-libc::EAGAIN; BATCH_MAX];
        let places = batch.places(header_len).into_iter().take(self.turn.asked());
        for (result, place) in results.iter_mut().zip(places) {
            match self.side.read(place) {
                Ok(octets) => *result = i32::try_from(octets).unwrap_or(i32::MAX),
                Err(error) => {
                    *result = -error.raw_os_error().unwrap_or(libc::EIO);
                    break;
                }
            }
        }
        let reception = take(batch, header_len, &results);
        self.turn.over(batch);
        reception
    }

    /// Reads at most a batch of frames in one call. One frame alone is cheaper without the ring.
    pub(crate) fn receive_by(
        &self,
        ring: &mut Ring,
        port: PortNumber,
        batch: &mut Batch,
    ) -> Reception {
        let asked = self.turn.asked();
        if asked == 1 {
            return self.receive(batch);
        }
        let header_len = self.side.header_len();
        let places = batch.places(header_len).into_iter().take(asked);
        let results = ring.read(self.target(port), places, self.turn.is_short());
        let reception = take(batch, header_len, results);
        self.turn.over(batch);
        reception
    }

    /// Whether frames leave finished.
    fn finishes(&self) -> bool {
        match self.side {
            Side::Header(_) => false,
            Side::Finished(_) | Side::Plain(_) => true,
        }
    }

    /// Writes what leaves, one by one.
    pub(crate) fn transmit(
        &self,
        batch: &Batch,
        leaving: Leaving<'_>,
        segmenter: &mut Segmenter,
    ) -> Sent {
        let header_len = self.side.header_len();
        let queue = match leaving {
            Leaving::Relayed(queue) => queue,
            Leaving::Own(frame) => return self.write(&Written::finished(frame, header_len)),
        };
        let mut sent = Sent::default();
        for outgoing in queue {
            let written = batch.written(outgoing, header_len);
            sent += match batch.unfinished(outgoing).filter(|_| self.finishes()) {
                None => self.write(&written),
                Some(offload) => match segmenter.finish(written.head(), written.body, &offload) {
                    Ok(pieces) => pieces.fold(Sent::default(), |mut sent, piece| {
                        sent += self.write(&Written::finished(piece, header_len));
                        sent
                    }),
                    Err(_) => Sent::unfinished(),
                },
            };
        }
        sent
    }

    fn write(&self, written: &Written<'_>) -> Sent {
        Sent::of(written.octets, self.side.write(written))
    }

    /// Adds what leaves to `writes`; `done` hears of it when they are run.
    pub(crate) fn push<'a>(
        &self,
        port: PortNumber,
        batch: &'a Batch,
        leaving: Leaving<'a>,
        segmenter: &mut Segmenter,
        writes: &mut Writes<'_, 'a>,
        done: impl FnMut(u16, usize, io::Result<usize>),
    ) {
        let (target, header_len) = (self.target(port), self.side.header_len());
        match leaving {
            Leaving::Own(frame) => {
                let own = Written::finished(frame, header_len);
                writes.push(target, own.head(), frame, own.octets, done);
            }
            Leaving::Relayed(queue) => {
                let way = Way {
                    header_len,
                    finishes: self.finishes(),
                };
                way.push(target, batch, queue, segmenter, writes, done);
            }
        }
    }
}

impl Side {
    fn with_header(name: &str) -> io::Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NONBLOCK)
            .open("/dev/net/tun")?;
        tun::create_tap(file.as_fd(), name)?;
        Ok(Self::Header(file))
    }

    /// `EBUSY` if there is an interface called `name`: the kernel would take a tap that nobody has open for the one that
    /// is wanted.
    fn without_header(name: &str, home: &mut Namespace) -> io::Result<Self> {
        if home.by_name(name)?.is_some() {
            return Err(io::Error::from_raw_os_error(libc::EBUSY));
        }
        let tap = Iface::without_packet_info(name, Mode::Tap)?;
        let side = Self::Finished(tap);
        nix::fcntl::fcntl(
            side.descriptor(),
            nix::fcntl::FcntlArg::F_SETFL(nix::fcntl::OFlag::O_NONBLOCK),
        )?;
        Ok(side)
    }

    fn descriptor(&self) -> BorrowedFd<'_> {
        match self {
            Self::Header(file) | Self::Plain(file) => file.as_fd(),
            Self::Finished(tap) => tun::file_side(tap),
        }
    }

    fn header_len(&self) -> usize {
        match self {
            Self::Header(_) => HEADER_LEN,
            Self::Finished(_) | Self::Plain(_) => 0,
        }
    }

    fn read(&self, place: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Header(file) | Self::Plain(file) => (&mut &*file).read(place),
            Self::Finished(tap) => tap.recv(place),
        }
    }

    fn write(&self, written: &Written<'_>) -> io::Result<usize> {
        let parts = [IoSlice::new(written.head()), IoSlice::new(written.body)];
        match self {
            Self::Header(file) | Self::Plain(file) if written.head().is_empty() => {
                (&mut &*file).write(written.body)
            }
            Self::Finished(tap) if written.head().is_empty() => tap.send(written.body),
            // A changed beginning: two pieces, one write.
            Self::Header(_) | Self::Finished(_) | Self::Plain(_) => {
                Ok(writev(self.descriptor(), &parts)?)
            }
        }
    }
}

impl std::fmt::Debug for Side {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Side").field(&self.descriptor()).finish()
    }
}

/// Takes what reads have put into the places of `batch`: octets, or the negative of an error.
fn take(batch: &mut Batch, header_len: usize, results: &[i32]) -> Reception {
    let mut reception = Reception::Done;
    for (place, &result) in results.iter().enumerate() {
        match (usize::try_from(result), -result) {
            (Ok(octets), _) => batch.accept(place, octets, header_len, None),
            (Err(_), libc::EAGAIN) => {}
            (Err(_), libc::EBADFD) => reception = Reception::Gone,
            // A frame that the kernel could not describe in a virtio-net header; it is gone.
            (Err(_), _) => batch.refuse(),
        }
    }
    reception
}

/// An address for the port beside that of the kernel end: the same but for one bit of the first octet, which
/// leaves it individual and locally administered.
fn port_address(kernel_end: MacAddr) -> MacAddr {
    let MacAddr(first, b, c, d, e, f) = kernel_end;
    MacAddr(first ^ 0x40, b, c, d, e, f)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ports_address_is_individual_and_not_the_hosts() {
        let host = MacAddr::new(0x52, 0x54, 0, 0, 0, 5);
        let port = port_address(host);
        assert_ne!(port, host);
        assert!(port.is_unicast() && port.is_local());
    }

    #[test]
    fn offloads_fall_back_to_none() {
        let sets: Vec<_> = OFFLOADS.iter().map(|&(set, _)| set.count_ones()).collect();
        assert!(sets.is_sorted_by(|a, b| a > b));
        assert_eq!(sets.last(), Some(&0));
    }
}
