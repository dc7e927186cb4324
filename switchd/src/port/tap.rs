//! A port that is a tap device: the switch holds the file side, a host the kernel end.
//!
//! The kernel end may be moved to another namespace, renamed, set up and down by whoever owns the host; it
//! goes away with the port.

use std::fs::{File, OpenOptions};
use std::io::{self, IoSlice, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::sync::atomic::{AtomicUsize, Ordering};

use pnet_base::MacAddr;
use stp::PortNumber;

use super::batch::{BATCH_MAX, Batch, Written};
use super::offload::HEADER_LEN;
use super::{Leaving, PortError, Reception, Sent};
use crate::link::{Namespace, NamespaceId, Namespaces, Setting};
use crate::sys::tun::{self, OFFLOAD_CSUM, OFFLOAD_TSO, OFFLOAD_USO};
use crate::sys::uring::{Ring, Target, Writes};

/// How often the kernel end is looked up while somebody moves or renames it under our eyes.
const LOCATE_TRIES: usize = 4;

/// Reads asked of the ring while a port is quiet: more than one, so that one call sees that nothing is left.
const READS_MIN: usize = 4;

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

/// The file side of a tap.
#[derive(Debug)]
pub(crate) struct Tap {
    file: File,
    address: MacAddr,
    offloads: &'static str,
    /// Reads to ask of the ring next time: a read of nothing costs 100 ns, a turn too short more.
    reads: AtomicUsize,
}

/// Where a tap's kernel end is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) namespace: NamespaceId,
    pub(crate) index: u32,
    /// Up and with carrier.
    pub(crate) works: bool,
    /// The namespace was opened for this port just now.
    pub(crate) is_new: bool,
}

impl Tap {
    /// Makes the device `name` in the daemon's namespace and sets it up.
    ///
    /// # Errors
    /// The name is taken or impossible, a privilege or the tun module is missing. Nothing is left then.
    pub(crate) fn create(name: &str, home: &mut Namespace) -> Result<Self, PortError> {
        if crate::sys::interface_name(name).is_err() {
            return Err(PortError::Name(name.to_owned()));
        }
        let taken = home
            .by_name(name)
            .map_err(|error| PortError::new(name, "look for its interface", error))?;
        if taken.is_some() {
            return Err(PortError::Exists(name.to_owned()));
        }
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NONBLOCK)
            .open("/dev/net/tun")
            .map_err(|error| match error.raw_os_error() {
                Some(libc::ENOENT | libc::ENODEV | libc::ENXIO) => {
                    PortError::NoTun(name.to_owned())
                }
                _ => PortError::new(name, "open /dev/net/tun", error),
            })?;
        tun::create_tap(file.as_fd(), name).map_err(|error| match error.raw_os_error() {
            Some(libc::EBUSY) => PortError::Exists(name.to_owned()),
            _ => PortError::new(name, "create a tap", error),
        })?;
        Self::set_up(file, name, home)
            .map_err(|error| PortError::new(name, "set up its tap", error))
    }

    fn set_up(file: File, name: &str, home: &mut Namespace) -> io::Result<Self> {
        let header_len = libc::c_int::try_from(HEADER_LEN).expect("10");
        tun::set_header_len(file.as_fd(), header_len)?;
        let (_, offloads) = OFFLOADS
            .into_iter()
            .find(|&(offloads, _)| tun::set_offload(file.as_fd(), offloads).is_ok())
            .unwrap_or(OFFLOADS[OFFLOADS.len() - 1]);
        let address = port_address(tun::address(file.as_fd())?);
        let link = home.by_name(name)?;
        let link = link.ok_or_else(|| io::Error::from_raw_os_error(libc::ENODEV))?;
        home.set(link.index, Setting::Up(true))?;
        Ok(Self {
            file,
            address,
            offloads,
            reads: AtomicUsize::new(READS_MIN),
        })
    }

    pub(crate) fn descriptor(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// Address of the port, not that of the kernel end: that is the host's.
    pub(crate) fn address(&self) -> MacAddr {
        self.address
    }

    /// The offloads the kernel granted.
    pub(crate) fn offloads(&self) -> &'static str {
        self.offloads
    }

    /// Raises or drops the carrier that the host sees.
    pub(crate) fn set_carrier(&self, carrier: bool) -> io::Result<()> {
        tun::set_carrier(self.file.as_fd(), carrier)
    }

    /// Finds the kernel end, opening its namespace if need be.
    ///
    /// # Errors
    /// `EBADFD` if the device was deleted; else its state cannot be known.
    pub(crate) fn locate(&self, namespaces: &mut Namespaces) -> io::Result<Place> {
        for _ in 0..LOCATE_TRIES {
            let before = File::from(tun::namespace(self.file.as_fd())?);
            let (id, is_new) = namespaces.enter(&before)?;
            let name = tun::name(self.file.as_fd())?;
            let Some(namespace) = namespaces.get_mut(id) else {
                continue;
            };
            let Some(link) = namespace.by_name(&name)? else {
                continue;
            };
            let after = File::from(tun::namespace(self.file.as_fd())?);
            if NamespaceId::of(&after)? == id && tun::name(self.file.as_fd())? == name {
                return Ok(Place {
                    namespace: id,
                    index: link.index,
                    works: link.works(),
                    is_new,
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
        }
    }

    /// Reads at most a batch of frames, one by one.
    pub(crate) fn receive(&self, batch: &mut Batch) -> Reception {
        let mut results = [-libc::EAGAIN; BATCH_MAX];
        for (result, place) in results.iter_mut().zip(batch.places(HEADER_LEN)) {
            match (&self.file).read(place) {
                Ok(octets) => *result = i32::try_from(octets).unwrap_or(i32::MAX),
                Err(error) => {
                    *result = -error.raw_os_error().unwrap_or(libc::EIO);
                    break;
                }
            }
        }
        take(batch, &results)
    }

    /// Reads at most a batch of frames in one call.
    pub(crate) fn receive_by(
        &self,
        ring: &mut Ring,
        port: PortNumber,
        batch: &mut Batch,
    ) -> Reception {
        let asked = self.reads.load(Ordering::Relaxed);
        let places = batch.places(HEADER_LEN).into_iter().take(asked);
        let results = ring.read(self.target(port), places);
        let reception = take(batch, results);
        let next = if batch.len() == asked {
            2 * asked
        } else {
            batch.len() + READS_MIN
        };
        self.reads.store(next.min(BATCH_MAX), Ordering::Relaxed);
        reception
    }

    /// Writes what leaves, one by one.
    pub(crate) fn transmit(&self, batch: &Batch, leaving: Leaving<'_>) -> Sent {
        let mut sent = Sent::default();
        match leaving {
            Leaving::Relayed(queue) => {
                for outgoing in queue {
                    self.write(&batch.written(outgoing, HEADER_LEN), &mut sent);
                }
            }
            Leaving::Own(frame) => self.write(&Written::finished(frame, HEADER_LEN), &mut sent),
        }
        sent
    }

    fn write(&self, written: &Written<'_>, sent: &mut Sent) {
        let result = if written.head().is_empty() {
            (&self.file).write(written.body)
        } else {
            let parts = [IoSlice::new(written.head()), IoSlice::new(written.body)];
            (&self.file).write_vectored(&parts)
        };
        match result {
            Ok(_) => sent.count(written.octets),
            Err(error) => {
                sent.refused(error);
            }
        }
    }

    /// Adds what leaves to `writes`; `done` hears of it when they are run.
    pub(crate) fn push<'a>(
        &self,
        port: PortNumber,
        batch: &'a Batch,
        leaving: Leaving<'a>,
        writes: &mut Writes<'_, 'a>,
        mut done: impl FnMut(u16, usize, io::Result<usize>),
    ) {
        let mut push = |written: &Written<'a>| {
            let (head, body, octets) = (written.head(), written.body, written.octets);
            writes.push(self.target(port), head, body, octets, &mut done);
        };
        match leaving {
            Leaving::Relayed(queue) => {
                for outgoing in queue {
                    push(&batch.written(outgoing, HEADER_LEN));
                }
            }
            Leaving::Own(frame) => push(&Written::finished(frame, HEADER_LEN)),
        }
    }
}

/// Takes what reads have put into the places of `batch`: octets, or the negative of an error.
fn take(batch: &mut Batch, results: &[i32]) -> Reception {
    let mut reception = Reception::Done;
    for (place, &result) in results.iter().enumerate() {
        match (usize::try_from(result), -result) {
            (Ok(octets), _) => batch.accept(place, octets, HEADER_LEN, None),
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
