//! Descriptors that the process was started with: taps and sockets that somebody else has opened.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use nix::sys::socket::sockopt::SockType as SocketType;
use nix::sys::socket::{
    AddressFamily, SockType, SockaddrLike, SockaddrStorage, getpeername, getsockopt,
};
use pnet_base::MacAddr;

use super::datagram::Datagram;
use super::stream::Stream;
use super::tap::Tap;
use super::{Device, PortError};
use crate::sys::inherited;

/// The device behind descriptor `number`, and its address if it has one.
///
/// # Errors
/// There is none, or it is neither a tap nor a socket that is connected.
pub(crate) fn open(port: &str, number: u32) -> Result<(Device, Option<MacAddr>), PortError> {
    let refused = |cause| PortError::Descriptor {
        port: port.to_owned(),
        number,
        cause,
    };
    let descriptor = inherited::descriptor(number).map_err(refused)?;
    match getsockopt(&descriptor.as_fd(), SocketType) {
        Ok(kind) => socket(descriptor, kind).map(|device| (device, None)),
        Err(_) => Tap::given(descriptor).map(|tap| {
            let address = tap.address();
            (Device::Tap(tap), Some(address))
        }),
    }
    .map_err(refused)
}

fn socket(descriptor: OwnedFd, kind: SockType) -> io::Result<Device> {
    let peer: SockaddrStorage = getpeername(descriptor.as_raw_fd())?;
    let is_inet = match peer.family() {
        Some(AddressFamily::Inet | AddressFamily::Inet6) => true,
        Some(AddressFamily::Unix) => false,
        _ => return Err(io::Error::from_raw_os_error(libc::EAFNOSUPPORT)),
    };
    if kind == SockType::Stream {
        Ok(Device::Stream(Stream::given(descriptor)?))
    } else if kind == SockType::Datagram {
        Ok(Device::Datagram(Datagram::given(descriptor, is_inet)?))
    } else {
        Err(io::Error::from_raw_os_error(libc::ESOCKTNOSUPPORT))
    }
}
