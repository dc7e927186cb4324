//! Descriptors named by number: those that a process is started with.

use std::io;
use std::os::fd::{FromRawFd, OwnedFd};

use super::check;

/// A descriptor of our own for what descriptor `number` of this process refers to.
///
/// # Errors
/// `EBADF` if there is none.
pub(crate) fn descriptor(number: u32) -> io::Result<OwnedFd> {
    /// Where the copy may be: above those of standard input and output.
    const LOWEST: libc::c_int = 3;
    let number = i32::try_from(number).map_err(|_| io::Error::from_raw_os_error(libc::EBADF))?;
    // SAFETY: F_DUPFD_CLOEXEC takes its argument by value; it makes a new descriptor and touches no other.
    let copy = check(unsafe { libc::fcntl(number, libc::F_DUPFD_CLOEXEC, LOWEST) })?;
    // SAFETY: the kernel has just made this descriptor for us; nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(copy) })
}
