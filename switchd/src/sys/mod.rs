//! Every `unsafe` block of the project: the system calls no crate of ours offers safely.
//!
//! A file per kernel object. Each function is one call with its arguments checked, and is safe to call with
//! any argument: what the kernel does not accept comes back as an error.

#[cfg(test)]
pub(crate) mod allocations;
pub(crate) mod copies;
pub(crate) mod ethtool;
pub(crate) mod halves;
pub(crate) mod inherited;
pub(crate) mod mmsg;
pub(crate) mod packet;
pub(crate) mod receive_ring;
pub(crate) mod slice;
pub(crate) mod traffic;
pub(crate) mod tun;
pub(crate) mod uring;

use std::io;

/// The error of a system call that says -1 for failure.
fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(result)
}

/// An interface name as the kernel takes it: at most 15 octets, and a NUL.
///
/// # Errors
/// The name is empty, too long, or holds a NUL, a slash or a blank.
pub(crate) fn interface_name(name: &str) -> io::Result<[libc::c_char; libc::IFNAMSIZ]> {
    let refused = |octet: u8| octet == 0 || octet == b'/' || octet.is_ascii_whitespace();
    if name.is_empty() || name.len() >= libc::IFNAMSIZ || name.bytes().any(refused) {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    }
    let mut field = [0; libc::IFNAMSIZ];
    for (place, octet) in field.iter_mut().zip(name.bytes()) {
        *place = libc::c_char::from_ne_bytes([octet]);
    }
    Ok(field)
}

/// A `struct ifreq` for `name`, all else zero.
fn request(name: &str) -> io::Result<libc::ifreq> {
    Ok(libc::ifreq {
        ifr_name: interface_name(name)?,
        ifr_ifru: libc::__c_anonymous_ifr_ifru {
            ifru_newname: [0; libc::IFNAMSIZ],
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interface_names_are_bounded_as_the_kernel_bounds_them() {
        assert!(interface_name("veth0").is_ok());
        assert!(interface_name("fifteen-octets-").is_ok());
        for refused in ["", "sixteen-octets--", "a/b", "a b", "a\0"] {
            assert!(interface_name(refused).is_err(), "{refused:?}");
        }
    }
}
