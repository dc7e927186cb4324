//! Many reads or writes in one system call: `io_uring(7)`.
//!
//! A [`Ring`] runs a bounded number of operations to their end before a call returns, so that every buffer is
//! lent for the length of one call and no longer. No operation waits (`RWF_NOWAIT`, `MSG_DONTWAIT`): the kernel carries them
//! out, in order, while it takes them. A write that is alone goes without the ring.
//!
//! Single reads in a batch, not multishot reads with a ring of buffers: they are measured to be 50 ns a frame
//! cheaper on a tap, and leave the choice of buffer and the length of a turn to the caller.

mod writes;

use std::io;
use std::ops::Range;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};

use io_uring::{IoUring, opcode, squeue, types};

use writes::Pending;
pub(crate) use writes::Writes;

/// Operations in flight, at most.
pub(crate) const DEPTH: usize = 64;

/// Octets that stand before the body of a write, at most: virtio-net header, addresses, tag.
pub(crate) const HEAD_LEN_MAX: usize = 26;

/// Descriptors that may be attached to a ring.
const SLOTS: u32 = 1024;

/// Every operation says "not now" instead of waiting: `O_NONBLOCK` alone would have io_uring wait for readiness.
const NOWAIT: libc::c_int = libc::RWF_NOWAIT;

/// The kernel says "later" in the middle of a batch at most so many times on end.
const RETRIES_MAX: u32 = 1000;

/// A ring of one thread.
pub(crate) struct Ring {
    uring: IoUring,
    /// What the slots of the ring's table hold.
    attached: Vec<Option<Kind>>,
    pending: Pending,
    results: Box<[i32; DEPTH]>,
    /// Addresses of the memory that the kernel has at hand.
    pinned: Option<Range<usize>>,
}

/// What an operation works on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target<'a> {
    /// Its place in the ring's table, if it was attached: saves the kernel some 50 ns per operation.
    pub(crate) slot: u16,
    /// The descriptor itself.
    pub(crate) descriptor: BorrowedFd<'a>,
    pub(crate) kind: Kind,
}

/// What a descriptor is of: it says by what calls frames go there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A file, which stays the same as long as it is attached.
    File,
    /// The socket with this cookie. It may be replaced by another while it is attached, which is not taken for it then.
    Socket(u64),
}

impl Ring {
    /// Makes a ring, to be used by the calling thread only.
    ///
    /// # Errors
    /// `ENOSYS` or `EPERM` where the kernel has no io_uring or forbids it, `EINVAL` where it is too old, `EMFILE`.
    pub(crate) fn new() -> io::Result<Self> {
        let entries = u32::try_from(DEPTH).expect("a small number");
        // Completions are run when we ask for them, not whenever the kernel interrupts us (Linux 6.1).
        let mut wanted = IoUring::builder();
        wanted
            .setup_single_issuer()
            .setup_defer_taskrun()
            .setup_submit_all();
        // Entries are taken in the order of their places (Linux 6.6).
        let uring = (wanted.clone().setup_no_sqarray().build(entries))
            .or_else(|_| wanted.build(entries))
            .or_else(|_| IoUring::new(entries))?;
        let mut probe = io_uring::Probe::new();
        uring.submitter().register_probe(&mut probe)?;
        let needed = [
            opcode::Read::CODE,
            opcode::ReadFixed::CODE,
            opcode::Write::CODE,
            opcode::Writev::CODE,
            opcode::Send::CODE,
            opcode::SendMsg::CODE,
        ];
        if !needed.iter().all(|&code| probe.is_supported(code)) {
            return Err(io::Error::from_raw_os_error(libc::EINVAL));
        }
        // Linux 5.19. Taps know NOWAIT since 5.11.
        uring.submitter().register_files_sparse(SLOTS)?;
        Ok(Self {
            uring,
            attached: vec![None; SLOTS as usize],
            pending: Pending::new(),
            results: Box::new([0; DEPTH]),
            pinned: None,
        })
    }

    /// Puts a descriptor into the ring's table; it stays open until [`Self::detach`], or until another is put into its
    /// place. Best effort: operations work without.
    pub(crate) fn attach(&mut self, target: Target<'_>) {
        if self.holds(target) {
            return;
        }
        let kind = Some(target.kind);
        self.set_slot(target.slot, target.descriptor.as_raw_fd(), kind);
    }

    /// Takes a descriptor out of the table: it closes when its owner closes it.
    pub(crate) fn detach(&mut self, slot: u16) {
        if self
            .attached
            .get(usize::from(slot))
            .is_some_and(Option::is_some)
        {
            self.set_slot(slot, -1, None);
        }
    }

    /// Has the kernel keep `memory` at hand, all of its pages, until [`Self::unpin`]: reads into it cost less then, some 100
    /// ns for a small frame on a tap.
    ///
    /// Whoever gives `memory` away has it unpinned first. If he does not, nothing is unsafe: the kernel keeps its pages, and
    /// reads go there, to be seen by nobody.
    ///
    /// # Errors
    /// `ENOMEM` if the process may not lock so much memory. Reads go on as before.
    pub(crate) fn pin(&mut self, memory: &mut [u8]) -> io::Result<()> {
        self.unpin();
        let all = [libc::iovec {
            iov_base: memory.as_mut_ptr().cast(),
            iov_len: memory.len(),
        }];
        // SAFETY: the kernel takes references to the pages, and writes to them only by reads of this ring, which name memory
        // lent to them as any read does.
        unsafe { self.uring.submitter().register_buffers(&all) }?;
        let from = memory.as_ptr() as usize;
        self.pinned = Some(from..from + memory.len());
        Ok(())
    }

    /// Whether anything is pinned.
    #[cfg(test)]
    pub(crate) fn has_pinned(&self) -> bool {
        self.pinned.is_some()
    }

    /// Lets go of what is pinned.
    pub(crate) fn unpin(&mut self) {
        if self.pinned.take().is_some() {
            // It was registered, and nothing is in flight.
            let _ = self.uring.submitter().unregister_buffers();
        }
    }

    fn set_slot(&mut self, slot: u16, descriptor: RawFd, kind: Option<Kind>) {
        let Some(attached) = self.attached.get_mut(usize::from(slot)) else {
            return;
        };
        let updated = self
            .uring
            .submitter()
            .register_files_update(u32::from(slot), &[descriptor]);
        *attached = kind.filter(|_| updated.is_ok());
    }

    fn holds(&self, target: Target<'_>) -> bool {
        self.attached.get(usize::from(target.slot)) == Some(&Some(target.kind))
    }

    /// Reads once into each of the first [`DEPTH`] `places`, in order. What each read gave: octets, or the
    /// negative of the error; `-EAGAIN` where nothing more was there. Frames that are likely to be short are read by the help
    /// of what is pinned; into that the kernel copies page by page, which costs a long one more than it saves.
    pub(crate) fn read<'r, 'p>(
        &'r mut self,
        target: Target<'_>,
        places: impl Iterator<Item = &'p mut [u8]>,
        are_short: bool,
    ) -> &'r [i32] {
        let (descriptor, flags) = self.named(target);
        let pinned = self.pinned.clone().filter(|_| are_short);
        let pinned = pinned.unwrap_or_default();
        let mut queue = self.uring.submission();
        let mut count = 0;
        for place in places.take(DEPTH) {
            let (at, len) = (place.as_mut_ptr(), short(place.len()));
            let is_pinned = pinned.start <= at as usize && at as usize + place.len() <= pinned.end;
            let entry = if is_pinned {
                opcode::ReadFixed::new(descriptor, at, len, 0)
                    .rw_flags(NOWAIT)
                    .build()
            } else {
                opcode::Read::new(descriptor, at, len)
                    .rw_flags(NOWAIT)
                    .build()
            };
            let entry = entry.flags(flags).user_data(count as u64);
            push(&mut queue, &entry);
            count += 1;
        }
        drop(queue);
        // The places are borrowed mutably until after this call, and distinct: an iterator of `&'p mut`
        // cannot give out one twice.
        self.run(count);
        &self.results[..count]
    }

    /// How an operation names its file: by its place in the table, if it has one.
    fn named(&self, target: Target<'_>) -> (types::Fd, squeue::Flags) {
        if self.holds(target) {
            (types::Fd(i32::from(target.slot)), squeue::Flags::FIXED_FILE)
        } else {
            let descriptor = target.descriptor.as_raw_fd();
            (types::Fd(descriptor), squeue::Flags::empty())
        }
    }

    /// Runs what was pushed, `count` operations, to its end. Lent memory is free again when this returns; if the
    /// kernel broke its word on that, nothing could go on safely.
    fn run(&mut self, count: usize) {
        let mut outstanding = count;
        let mut retries = 0;
        // Operations that do not wait are done when they are taken: nothing is waited for at first.
        let mut wanted = 0;
        while outstanding > 0 {
            let submitted = self.uring.submit_and_wait(wanted);
            if let Err(error) = submitted {
                match error.raw_os_error() {
                    Some(libc::EINTR | libc::EAGAIN | libc::EBUSY | libc::ENOMEM)
                        if retries < RETRIES_MAX =>
                    {
                        retries += 1;
                    }
                    _ => std::process::abort(),
                }
            }
            for completion in self.uring.completion() {
                let index = usize::try_from(completion.user_data()).unwrap_or(usize::MAX);
                if let Some(result) = self.results.get_mut(index) {
                    *result = completion.result();
                }
                outstanding -= 1;
                retries = 0;
            }
            wanted = outstanding;
        }
    }
}

fn push(queue: &mut squeue::SubmissionQueue<'_>, entry: &squeue::Entry) {
    // SAFETY: entries are made by `read` and `run_pending` only, which call `run` before they return; the
    // memory that an entry names is lent to them for longer than that, or is the ring's own and boxed.
    let pushed = unsafe { queue.push(entry) };
    // The queue has DEPTH entries and was empty.
    debug_assert!(pushed.is_ok());
}

impl std::fmt::Debug for Ring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ring").finish_non_exhaustive()
    }
}

/// A frame is far shorter; of anything longer the first 4 GiB.
fn short(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixDatagram;

    fn target(slot: u16, socket: &UnixDatagram) -> Target<'_> {
        Target {
            slot,
            descriptor: socket.as_fd(),
            kind: Kind::File,
        }
    }

    fn pair() -> (UnixDatagram, UnixDatagram) {
        let (near, far) = UnixDatagram::pair().unwrap();
        near.set_nonblocking(true).unwrap();
        far.set_nonblocking(true).unwrap();
        (near, far)
    }

    #[test]
    fn reads_fill_places_in_order_and_say_where_nothing_was() {
        let (near, far) = pair();
        let mut ring = Ring::new().unwrap();
        for attached in [false, true] {
            if attached {
                ring.attach(target(3, &far));
            }
            near.send(b"one").unwrap();
            near.send(b"three").unwrap();
            let mut memory = [[0; 8]; 3];
            let places = memory.iter_mut().map(|place| &mut place[..]);
            let got = ring.read(target(3, &far), places, true).to_vec();
            assert_eq!(got, [3, 5, -libc::EAGAIN]);
            assert_eq!(
                (&memory[0][..3], &memory[1][..5]),
                (&b"one"[..], &b"three"[..])
            );
        }
    }

    #[test]
    fn reads_into_pinned_memory_are_the_same() {
        let (near, far) = pair();
        let mut ring = Ring::new().unwrap();
        let mut memory = vec![0; 3 * 4096];
        ring.pin(&mut memory).unwrap();
        assert!(ring.has_pinned());
        // The last place is elsewhere, and the one before ends there.
        let mut beside = [0; 8];
        for round in 0..3 {
            near.send(b"one").unwrap();
            near.send(&[7; 5000]).unwrap();
            near.send(b"three").unwrap();
            let (first, second) = memory.split_at_mut(4096);
            let places = [first, second, &mut beside[..]];
            let got = ring
                .read(target(3, &far), places.into_iter(), round != 1)
                .to_vec();
            assert_eq!(got, [3, 5000, 5]);
            assert_eq!((&memory[..3], &beside[..5]), (&b"one"[..], &b"three"[..]));
            assert_eq!(memory[4096..4096 + 5000], [7; 5000]);
            memory.fill(0);
            match round {
                0 => ring.pin(&mut memory).unwrap(),
                _ => ring.unpin(),
            }
        }
        assert!(!ring.has_pinned());
    }

    #[test]
    fn a_detached_descriptor_closes_with_its_owner() {
        let (near, far) = pair();
        let mut ring = Ring::new().unwrap();
        ring.attach(target(3, &far));
        ring.detach(3);
        drop(far);
        assert!(near.send(b"x").is_err(), "nobody has the other end");
    }
}
