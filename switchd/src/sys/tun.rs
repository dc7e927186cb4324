//! `/dev/net/tun`: the ioctls of a tap device (`linux/if_tun.h`).

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use pnet_base::MacAddr;

use super::{check, request};

/// The reader takes frames with an unfinished checksum.
pub(crate) const OFFLOAD_CSUM: libc::c_uint = libc::TUN_F_CSUM;
/// The reader takes TCP super-frames over IPv4 and IPv6, ECN bits included.
pub(crate) const OFFLOAD_TSO: libc::c_uint =
    libc::TUN_F_TSO4 | libc::TUN_F_TSO6 | libc::TUN_F_TSO_ECN;
/// The reader takes UDP super-frames (Linux 6.2).
pub(crate) const OFFLOAD_USO: libc::c_uint = libc::TUN_F_USO4 | libc::TUN_F_USO6;

/// Makes the open `/dev/net/tun` descriptor the file side of a new tap called `name`: no packet
/// information, a virtio-net header before every frame.
///
/// # Errors
/// `EBUSY` if a device of that name exists, `EPERM` without `CAP_NET_ADMIN`, `EINVAL` for a bad name or a
/// name taken by another kind of interface.
pub(crate) fn create_tap(tun: BorrowedFd<'_>, name: &str) -> io::Result<()> {
    const FLAGS: libc::c_int =
        libc::IFF_TAP | libc::IFF_NO_PI | libc::IFF_VNET_HDR | libc::IFF_TUN_EXCL;
    let mut request = request(name)?;
    let [low, high, ..] = FLAGS.to_le_bytes();
    request.ifr_ifru.ifru_flags = libc::c_short::from_le_bytes([low, high]);
    // SAFETY: TUNSETIFF reads and writes one `struct ifreq`, which `request` is and outlives the call.
    check(unsafe { libc::ioctl(tun.as_raw_fd(), libc::TUNSETIFF, &raw mut request) })?;
    Ok(())
}

/// The file side of a tap that `tun-tap` has opened.
pub(crate) fn file_side(tap: &tun_tap::Iface) -> BorrowedFd<'_> {
    // SAFETY: `tap` owns the descriptor and is borrowed for as long as the result lives.
    unsafe { BorrowedFd::borrow_raw(tap.as_raw_fd()) }
}

/// Says which unfinished frames the reader of the tap can take; `OFFLOAD_*`, combined.
///
/// # Errors
/// `EINVAL` if the kernel does not know one of them.
pub(crate) fn set_offload(tap: BorrowedFd<'_>, offloads: libc::c_uint) -> io::Result<()> {
    // SAFETY: TUNSETOFFLOAD takes its argument by value.
    check(unsafe {
        libc::ioctl(
            tap.as_raw_fd(),
            libc::TUNSETOFFLOAD,
            libc::c_ulong::from(offloads),
        )
    })?;
    Ok(())
}

/// Sets the octets of the virtio-net header that stands before each frame.
///
/// # Errors
/// `EINVAL` for a size under 10.
pub(crate) fn set_header_len(tap: BorrowedFd<'_>, octets: libc::c_int) -> io::Result<()> {
    // SAFETY: TUNSETVNETHDRSZ reads one `int`, which `octets` is and outlives the call.
    check(unsafe { libc::ioctl(tap.as_raw_fd(), libc::TUNSETVNETHDRSZ, &raw const octets) })?;
    Ok(())
}

/// Raises or drops the carrier that the kernel end sees.
///
/// # Errors
/// `EINVAL` while the kernel end is set down: it has no carrier then anyway.
pub(crate) fn set_carrier(tap: BorrowedFd<'_>, carrier: bool) -> io::Result<()> {
    let carrier = libc::c_int::from(carrier);
    // SAFETY: TUNSETCARRIER reads one `int`, which `carrier` is and outlives the call.
    check(unsafe { libc::ioctl(tap.as_raw_fd(), libc::TUNSETCARRIER, &raw const carrier) })?;
    Ok(())
}

/// The network namespace that the kernel end is in now.
///
/// # Errors
/// `EPERM` without `CAP_NET_ADMIN` over that namespace, `EBADFD` if the device was deleted, `EINVAL` before
/// Linux 5.2.
pub(crate) fn namespace(tap: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    // SAFETY: TUNGETDEVNETNS takes no argument.
    let descriptor = check(unsafe { libc::ioctl(tap.as_raw_fd(), libc::TUNGETDEVNETNS) })?;
    // SAFETY: the kernel has just made this descriptor for us; nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

/// The name that the kernel end has now.
///
/// # Errors
/// `EBADFD` if the device was deleted.
pub(crate) fn name(tap: BorrowedFd<'_>) -> io::Result<String> {
    let mut request = request("unset")?;
    // SAFETY: TUNGETIFF writes one `struct ifreq`, which `request` is and outlives the call.
    check(unsafe { libc::ioctl(tap.as_raw_fd(), libc::TUNGETIFF, &raw mut request) })?;
    let octets = request.ifr_name.map(|c| c.to_ne_bytes()[0]);
    let name = CStr::from_bytes_until_nul(&octets)
        .map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))?;
    Ok(name.to_string_lossy().into_owned())
}

/// The flags that the tap was made with (`IFF_*`).
///
/// # Errors
/// It is no tap.
pub(crate) fn flags(tap: BorrowedFd<'_>) -> io::Result<libc::c_int> {
    let mut request = request("unset")?;
    // SAFETY: TUNGETIFF writes one `struct ifreq`, which `request` is and outlives the call.
    check(unsafe { libc::ioctl(tap.as_raw_fd(), libc::TUNGETIFF, &raw mut request) })?;
    // SAFETY: TUNGETIFF has written the flags, and any octets are flags.
    let flags = unsafe { request.ifr_ifru.ifru_flags };
    // They are 16 bits without sign.
    Ok(libc::c_int::from(u16::from_ne_bytes(flags.to_ne_bytes())))
}

/// The address of the kernel end, whatever namespace it is in.
///
/// # Errors
/// `EBADFD` if the device was deleted.
pub(crate) fn address(tap: BorrowedFd<'_>) -> io::Result<MacAddr> {
    let mut request = request("unset")?;
    // SAFETY: SIOCGIFHWADDR on a tap's descriptor writes one `struct ifreq`, which `request` is.
    check(unsafe { libc::ioctl(tap.as_raw_fd(), libc::SIOCGIFHWADDR, &raw mut request) })?;
    // SAFETY: SIOCGIFHWADDR fills the address member of the union; any octets are a valid `sockaddr`.
    let data = unsafe { request.ifr_ifru.ifru_hwaddr }.sa_data;
    let [a, b, c, d, e, f, ..] = data.map(|c| c.to_ne_bytes()[0]);
    Ok(MacAddr::new(a, b, c, d, e, f))
}
