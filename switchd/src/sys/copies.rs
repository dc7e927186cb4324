//! Copies of a frame that the kernel makes: a BPF program at the egress of one interface clones what a socket of
//! ours sends there to other interfaces (`bpf(2)`, tcx, Linux 6.6).
//!
//! The program is given its orders in memory that it shares with us: for whose frames, and to which interfaces. A frame
//! passes it while it is being sent, in the sender's own time; so one thread that gives an order, sends, and takes the
//! order back has copies of just those frames. Frames of anybody else pass as if there were no program.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicI32, AtomicU32, AtomicU64, Ordering};

use super::check;

mod program;

use program::program;

/// Interfaces that one frame is copied to, at most.
pub(crate) const COPIES_MAX: usize = 64;

/// What the program is told, and what it tells. One thread at a time gives orders, and the program runs in that
/// thread's own calls: nothing here is ordered by anything else.
#[repr(C)]
struct Orders {
    /// The socket whose frames are copied; 0 for none.
    cookie: AtomicU64,
    /// How many of `indexes` count.
    count: AtomicU64,
    /// Frames seen of that socket, ever.
    seen: AtomicU64,
    indexes: [AtomicU32; COPIES_MAX],
    /// By place in `indexes`: copies that could not be made or sent, their octets, and what the kernel said of the last.
    failed: [AtomicU32; COPIES_MAX],
    octets: [AtomicU32; COPIES_MAX],
    errors: [AtomicI32; COPIES_MAX],
}

/// A program and its orders.
#[derive(Debug)]
pub(crate) struct Copier {
    program: OwnedFd,
    orders: NonNull<Orders>,
}

// SAFETY: the memory is mapped for as long as the copier lives, from no thread in particular, and is atomics only.
unsafe impl Send for Copier {}
// SAFETY: as above.
unsafe impl Sync for Copier {}

/// Copies to one interface that were not made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Failed {
    pub(crate) frames: u32,
    pub(crate) octets: u32,
    /// What the kernel said of the last.
    pub(crate) error: i32,
}

impl Copier {
    /// A program that is attached nowhere yet.
    ///
    /// # Errors
    /// `EPERM` without `CAP_BPF` and `CAP_NET_ADMIN`, `ENOSYS` or `EINVAL` where the kernel lacks any of this.
    pub(crate) fn new() -> io::Result<Self> {
        if cfg!(target_endian = "big") {
            // Its instructions are laid out for the other kind.
            return Err(io::ErrorKind::Unsupported.into());
        }
        let map = create_map()?;
        let program = load(&program(map.as_raw_fd()))?;
        // SAFETY: a new mapping, at an address of the kernel's choice; it outlives the map's descriptor.
        let memory = unsafe {
            libc::mmap(
                ptr::null_mut(),
                size_of::<Orders>(),
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                map.as_raw_fd(),
                0,
            )
        };
        if memory == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        Ok(Self {
            program,
            orders: NonNull::new(memory.cast()).ok_or(io::ErrorKind::OutOfMemory)?,
        })
    }

    /// Puts the program at the egress of interface `index`, until what this gives is closed, or its process ends. May
    /// wait for whoever else changes interfaces.
    ///
    /// # Errors
    /// `EINVAL` where the kernel has no tcx, `ENODEV` if there is no such interface, `EPERM`.
    pub(crate) fn attach(&self, index: u32) -> io::Result<OwnedFd> {
        const LINK_CREATE: libc::c_int = 28;
        const TCX_EGRESS: u32 = 47;
        // program, interface, kind, flags; then what it stands relative to, which is nothing.
        let program = u32::try_from(self.program.as_raw_fd()).expect("a descriptor");
        bpf(LINK_CREATE, &[program, index, TCX_EGRESS, 0, 0, 0, 0, 0])
    }

    /// From here on, what the socket of `cookie` sends by an interface with the program goes to `others` as well, at most
    /// [`COPIES_MAX`] of them.
    pub(crate) fn begin(&self, cookie: u64, others: impl Iterator<Item = u32>) {
        let orders = self.orders();
        let mut count = 0;
        for (place, index) in orders.indexes.iter().zip(others) {
            place.store(index, Ordering::Relaxed);
            count += 1;
        }
        orders.count.store(count, Ordering::Relaxed);
        orders.cookie.store(cookie, Ordering::Relaxed);
    }

    /// From here on nothing is copied.
    pub(crate) fn end(&self) {
        self.orders().cookie.store(0, Ordering::Relaxed);
    }

    /// How many frames were copied so far.
    pub(crate) fn seen(&self) -> u64 {
        self.orders().seen.load(Ordering::Relaxed)
    }

    /// What has failed since last asked, for each of the `others` of the last order.
    pub(crate) fn take_failed(&self) -> impl Iterator<Item = Failed> {
        let orders = self.orders();
        let count = usize::try_from(orders.count.load(Ordering::Relaxed)).unwrap_or(COPIES_MAX);
        let failed = orders.failed.iter().zip(&orders.octets).zip(&orders.errors);
        failed.take(count).map(|((frames, octets), error)| {
            if frames.load(Ordering::Relaxed) == 0 {
                return Failed::default();
            }
            Failed {
                frames: frames.swap(0, Ordering::Relaxed),
                octets: octets.swap(0, Ordering::Relaxed),
                error: error.load(Ordering::Relaxed),
            }
        })
    }

    fn orders(&self) -> &Orders {
        // SAFETY: mapped with this length in `new` until `drop`, aligned to a page; zeroes, and any other octets, are a
        // value of these atomics, which are also what the program reads and writes.
        unsafe { self.orders.as_ref() }
    }
}

impl Drop for Copier {
    fn drop(&mut self) {
        // SAFETY: mapped by `new` with this length; nobody has borrowed it, since `self` is given up.
        unsafe { libc::munmap(self.orders.as_ptr().cast(), size_of::<Orders>()) };
    }
}

/// Takes a program away from where `link` has put it, as an administrator may.
#[cfg(test)]
pub(crate) fn detach(link: &OwnedFd) -> io::Result<()> {
    const LINK_DETACH: libc::c_int = 34;
    let link = u32::try_from(link.as_raw_fd()).expect("a descriptor");
    call(LINK_DETACH, &[link]).map(|_| ())
}

/// A map with one value, [`Orders`], that can be mapped into memory.
fn create_map() -> io::Result<OwnedFd> {
    const MAP_CREATE: libc::c_int = 0;
    const ARRAY: u32 = 2;
    const MMAPABLE: u32 = 1 << 10;
    let value_len = u32::try_from(size_of::<Orders>()).expect("about a page");
    bpf(MAP_CREATE, &[ARRAY, 4, value_len, 1, MMAPABLE])
}

fn load(program: &[u64]) -> io::Result<OwnedFd> {
    const PROG_LOAD: libc::c_int = 5;
    const SCHED_CLS: u32 = 3;
    const LICENCE: &core::ffi::CStr = c"Dual MIT/GPL";
    let count = u32::try_from(program.len()).expect("some instructions");
    // A field of 64 bits, as two of 32.
    let halves = |address: usize| {
        let [a, b, c, d, e, f, g, h] = (address as u64).to_ne_bytes();
        [[a, b, c, d], [e, f, g, h]].map(u32::from_ne_bytes)
    };
    let [low, high] = halves(program.as_ptr() as usize);
    let [licence_low, licence_high] = halves(LICENCE.as_ptr() as usize);
    // kind, number of instructions, where they are, where the licence is; all else none.
    bpf(
        PROG_LOAD,
        &[SCHED_CLS, count, low, high, licence_low, licence_high],
    )
}

/// A call that makes a descriptor.
fn bpf(command: libc::c_int, attributes: &[u32]) -> io::Result<OwnedFd> {
    let made = call(command, attributes)?;
    // SAFETY: the kernel has just made this descriptor for us; nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(made) })
}

/// `bpf(2)`. What `attributes` do not say is zero.
fn call(command: libc::c_int, attributes: &[u32]) -> io::Result<libc::c_int> {
    // SAFETY: pointer and length describe `attributes`, which outlive the call; what they point to, the constants and
    // borrowed slices of `load`, does too. The kernel only reads.
    let result = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            command,
            attributes.as_ptr(),
            size_of_val(attributes),
        )
    };
    check(libc::c_int::try_from(result).unwrap_or(-1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_takes_the_program_and_shares_the_orders() {
        let copier = Copier::new().expect("tests of ports need root");
        copier.begin(7, [3, 4].into_iter());
        assert_eq!(copier.seen(), 0);
        assert_eq!(
            copier.take_failed().collect::<Vec<_>>(),
            [Failed::default(); 2]
        );
        copier.end();
        assert_eq!(
            copier.attach(0x7fff_0000).unwrap_err().raw_os_error(),
            Some(libc::ENODEV)
        );
    }
}
