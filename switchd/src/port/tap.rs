//! A port that is a tap device: the switch holds the file side, a host the kernel end.
//!
//! The kernel end may be moved to another namespace, renamed, set up and down by whoever owns the host; it
//! goes away with the port.

use std::fs::{File, OpenOptions};
use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;

use nix::sys::uio::{readv, writev};
use pnet_base::MacAddr;

use super::batch::{BATCH_MAX, Batch, Outgoing, parts};
use super::offload::{HEADER_LEN, Offload};
use super::{PortError, Reception, Sent};
use crate::link::{Namespace, NamespaceId, Namespaces, Setting};
use crate::sys::mmsg::PARTS;
use crate::sys::tun::{self, OFFLOAD_CSUM, OFFLOAD_TSO, OFFLOAD_USO};

/// How often the kernel end is looked up while somebody moves or renames it under our eyes.
const LOCATE_TRIES: usize = 4;

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

    /// Reads at most a batch of frames.
    pub(crate) fn receive(&self, batch: &mut Batch) -> Reception {
        let mut received = [0; BATCH_MAX];
        let mut refused = false;
        let mut reception = Reception::Done;
        let mut read = 0;
        for place in batch.places() {
            let mut into = [IoSliceMut::new(place.header), IoSliceMut::new(place.frame)];
            match readv(&self.file, &mut into) {
                Ok(octets) => {
                    received[read] = octets;
                    read += 1;
                }
                Err(nix::Error::EAGAIN) => break,
                Err(nix::Error::EBADFD) => {
                    reception = Reception::Gone;
                    break;
                }
                // A frame that the kernel could not describe in a virtio-net header; it is gone.
                Err(_) => {
                    refused = true;
                    break;
                }
            }
        }
        for (place, &octets) in received[..read].iter().enumerate() {
            batch.accept(place, octets, None);
        }
        if refused {
            batch.refuse();
        }
        reception
    }

    /// Writes frames of `batch`.
    pub(crate) fn transmit(&self, batch: &Batch, queue: &[Outgoing]) -> Sent {
        let mut sent = Sent::default();
        for outgoing in queue {
            let header = batch.header(outgoing);
            self.write(
                &batch.parts(outgoing, &header),
                batch.octets(outgoing),
                &mut sent,
            );
        }
        sent
    }

    /// Writes one finished frame.
    pub(crate) fn send(&self, frame: &[u8]) -> Sent {
        let mut sent = Sent::default();
        let header = Offload::default().encode(0);
        self.write(&parts(&header, frame), frame.len(), &mut sent);
        sent
    }

    fn write(&self, parts: &[IoSlice<'_>; PARTS], octets: usize, sent: &mut Sent) {
        match writev(&self.file, parts) {
            Ok(_) => sent.count(octets),
            Err(error) => {
                sent.refused(error.into());
            }
        }
    }
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
