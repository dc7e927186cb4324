//! Many reads or writes in one system call: `io_uring(7)`.
//!
//! A [`Ring`] runs a bounded number of operations to their end before a call returns, so that every buffer is
//! lent for the length of one call and no longer. No operation waits (`RWF_NOWAIT`): the kernel carries them out, in
//! order, while it takes them. A write that is alone goes by `writev(2)`.
//!
//! Single reads in a batch, not multishot reads with a ring of buffers: they are measured to be 50 ns a frame
//! cheaper on a tap, and leave the choice of buffer and the length of a turn to the caller.

use std::io;
use std::marker::PhantomData;
use std::ops::Range;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::ptr;

use io_uring::{IoUring, opcode, squeue, types};

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
    /// Which slots of the ring's table hold a descriptor.
    attached: Vec<bool>,
    ops: Box<[Op; DEPTH]>,
    /// What stands before the bodies.
    heads: Box<[[u8; HEAD_LEN_MAX]; DEPTH]>,
    len: usize,
    vectors: Box<[[libc::iovec; 2]; DEPTH]>,
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
}

/// A write to come. Pointers of one that is not run are never followed.
#[derive(Clone, Copy)]
struct Op {
    slot: u16,
    raw: RawFd,
    descriptor: types::Fd,
    flags: squeue::Flags,
    head_len: usize,
    body: *const u8,
    body_len: usize,
    /// What the caller counts for it.
    octets: usize,
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
        ];
        if !needed.iter().all(|&code| probe.is_supported(code)) {
            return Err(io::Error::from_raw_os_error(libc::EINVAL));
        }
        // Linux 5.19. Taps know NOWAIT since 5.11.
        uring.submitter().register_files_sparse(SLOTS)?;
        let nothing = libc::iovec {
            iov_base: ptr::null_mut(),
            iov_len: 0,
        };
        Ok(Self {
            uring,
            attached: vec![false; SLOTS as usize],
            ops: Box::new([Op::NONE; DEPTH]),
            heads: Box::new([[0; HEAD_LEN_MAX]; DEPTH]),
            len: 0,
            vectors: Box::new([[nothing; 2]; DEPTH]),
            results: Box::new([0; DEPTH]),
            pinned: None,
        })
    }

    /// Puts a descriptor into the ring's table; it stays open until [`Self::detach`]. Best effort: operations work
    /// without.
    pub(crate) fn attach(&mut self, target: Target<'_>) {
        self.set_slot(target.slot, target.descriptor.as_raw_fd());
    }

    /// Takes a descriptor out of the table: it closes when its owner closes it.
    pub(crate) fn detach(&mut self, slot: u16) {
        if self.attached.get(usize::from(slot)) == Some(&true) {
            self.set_slot(slot, -1);
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

    fn set_slot(&mut self, slot: u16, descriptor: RawFd) {
        let Some(attached) = self.attached.get_mut(usize::from(slot)) else {
            return;
        };
        let updated = self
            .uring
            .submitter()
            .register_files_update(u32::from(slot), &[descriptor]);
        *attached = updated.is_ok() && descriptor >= 0;
    }

    /// Reads once into each of the first [`DEPTH`] `places`, in order. What each read gave: octets, or the
    /// negative of the error; `-EAGAIN` where nothing more was there.
    pub(crate) fn read<'r, 'p>(
        &'r mut self,
        target: Target<'_>,
        places: impl Iterator<Item = &'p mut [u8]>,
    ) -> &'r [i32] {
        let (descriptor, flags) = self.named(target.slot, target.descriptor.as_raw_fd());
        let pinned = self.pinned.clone().unwrap_or_default();
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

    /// Begins a number of writes.
    pub(crate) fn writes<'a>(&mut self) -> Writes<'_, 'a> {
        self.len = 0;
        Writes {
            ring: self,
            lent: PhantomData,
        }
    }

    fn run_writes(&mut self) {
        if self.len == 1 {
            self.results[0] = self.write_alone();
            return;
        }
        let mut queue = self.uring.submission();
        for (index, op) in self.ops[..self.len].iter().enumerate() {
            let entry = if op.head_len == 0 {
                opcode::Write::new(op.descriptor, op.body, short(op.body_len))
                    .rw_flags(NOWAIT)
                    .build()
            } else {
                self.vectors[index] = [
                    vector(self.heads[index].as_ptr(), op.head_len),
                    vector(op.body, op.body_len),
                ];
                opcode::Writev::new(op.descriptor, self.vectors[index].as_ptr(), 2)
                    .rw_flags(NOWAIT)
                    .build()
            };
            push(&mut queue, &entry.flags(op.flags).user_data(index as u64));
        }
        drop(queue);
        self.run(self.len);
    }

    /// The only write, which is cheaper without the ring. The descriptor does not block.
    fn write_alone(&mut self) -> i32 {
        let op = &self.ops[0];
        let vectors = &mut self.vectors[0];
        *vectors = [
            vector(self.heads[0].as_ptr(), op.head_len),
            vector(op.body, op.body_len),
        ];
        // An empty piece costs as much as a full one.
        let pieces = if op.head_len == 0 {
            &vectors[1..]
        } else {
            &vectors[..]
        };
        let count = libc::c_int::try_from(pieces.len()).expect("one or two");
        // SAFETY: the pieces are this ring's own head and the body, which is lent until the writes are run.
        let written = unsafe { libc::writev(op.raw, pieces.as_ptr(), count) };
        match i32::try_from(written) {
            Ok(octets) if octets >= 0 => octets,
            Ok(_) => -io::Error::last_os_error()
                .raw_os_error()
                .unwrap_or(libc::EIO),
            Err(_) => i32::MAX,
        }
    }

    /// How an operation names its file: by its place in the table, if it has one.
    fn named(&self, slot: u16, descriptor: RawFd) -> (types::Fd, squeue::Flags) {
        if self.attached.get(usize::from(slot)) == Some(&true) {
            (types::Fd(i32::from(slot)), squeue::Flags::FIXED_FILE)
        } else {
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
    // SAFETY: entries are made by `read` and `run_writes` only, which call `run` before they return; the
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

/// Writes that go out together: all when there are [`DEPTH`] of them, the rest with [`Self::run`].
pub(crate) struct Writes<'r, 'a> {
    ring: &'r mut Ring,
    lent: PhantomData<&'a [u8]>,
}

impl<'a> Writes<'_, 'a> {
    /// Adds a write of `head` (at most [`HEAD_LEN_MAX`] octets, copied) and `body` behind it. `done` hears what
    /// became of writes: slot and `octets` of each, and what the kernel says.
    pub(crate) fn push(
        &mut self,
        target: Target<'_>,
        head: &[u8],
        body: &'a [u8],
        octets: usize,
        done: impl FnMut(u16, usize, io::Result<usize>),
    ) {
        let index = self.ring.len;
        let (descriptor, flags) = self.ring.named(target.slot, target.descriptor.as_raw_fd());
        self.ring.ops[index] = Op {
            slot: target.slot,
            raw: target.descriptor.as_raw_fd(),
            descriptor,
            flags,
            head_len: head.len(),
            body: body.as_ptr(),
            body_len: body.len(),
            octets,
        };
        self.ring.heads[index][..head.len()].copy_from_slice(head);
        self.ring.len += 1;
        if self.ring.len == DEPTH {
            self.run(done);
        }
    }

    /// Runs the writes added since the last time.
    pub(crate) fn run(&mut self, mut done: impl FnMut(u16, usize, io::Result<usize>)) {
        self.ring.run_writes();
        let len = std::mem::take(&mut self.ring.len);
        for (op, &result) in self.ring.ops[..len].iter().zip(self.ring.results.iter()) {
            let result = usize::try_from(result)
                .map_err(|_| io::Error::from_raw_os_error(result.wrapping_neg()));
            done(op.slot, op.octets, result);
        }
    }

    /// After a [`Self::run`], writes of memory that is lent for a shorter time.
    pub(crate) fn aside<'b>(
        &mut self,
        done: impl FnMut(u16, usize, io::Result<usize>),
    ) -> Writes<'_, 'b> {
        self.run(done);
        self.ring.writes()
    }
}

impl Op {
    const NONE: Self = Self {
        slot: 0,
        raw: -1,
        descriptor: types::Fd(-1),
        flags: squeue::Flags::empty(),
        head_len: 0,
        body: ptr::null(),
        body_len: 0,
        octets: 0,
    };
}

fn vector(at: *const u8, len: usize) -> libc::iovec {
    libc::iovec {
        iov_base: at.cast_mut().cast(),
        iov_len: len,
    }
}

/// A frame is far shorter; of anything longer the first 4 GiB.
fn short(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixDatagram;

    fn target(slot: u16, socket: &UnixDatagram) -> Target<'_> {
        Target {
            slot,
            descriptor: socket.as_fd(),
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
            let got = ring.read(target(3, &far), places).to_vec();
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
            let got = ring.read(target(3, &far), places.into_iter()).to_vec();
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

    #[test]
    fn more_writes_than_the_ring_holds_all_go_out_in_order() {
        let mut ring = Ring::new().unwrap();
        let (mut read, write) = std::io::pipe().unwrap();
        let target = Target {
            slot: 7,
            descriptor: write.as_fd(),
        };
        let bodies: Vec<[u8; 1]> = (0..u8::try_from(3 * DEPTH / 2).unwrap())
            .map(|body| [body])
            .collect();
        let mut octets = 0;
        let mut done = |slot, counted, result: io::Result<usize>| {
            assert_eq!((slot, counted), (7, 1));
            octets += result.unwrap();
        };
        let mut writes = ring.writes();
        for body in &bodies {
            let head = &b"head"[..usize::from(body[0] % 5)];
            writes.push(target, head, body, 1, &mut done);
        }
        writes.run(&mut done);
        let wanted: Vec<u8> = bodies
            .iter()
            .flat_map(|body| [&b"head"[..usize::from(body[0] % 5)], body].concat())
            .collect();
        assert_eq!(octets, wanted.len());
        let mut got = vec![0; wanted.len()];
        read.read_exact(&mut got).unwrap();
        assert_eq!(got, wanted);
    }

    #[test]
    fn what_was_added_but_not_run_is_forgotten() {
        let mut ring = Ring::new().unwrap();
        let (mut read, mut write) = std::io::pipe().unwrap();
        {
            let lost = b"lost".to_vec();
            let descriptor = write.as_fd();
            let target = Target {
                slot: 0,
                descriptor,
            };
            let mut writes = ring.writes();
            writes.push(target, b"", &lost, 4, |_, _, _| {});
        }
        ring.writes()
            .run(|_, _, _| panic!("nothing was to be written"));
        write.write_all(b"x").unwrap();
        drop(write);
        let mut got = Vec::new();
        read.read_to_end(&mut got).unwrap();
        assert_eq!(got, b"x");
    }

    #[test]
    fn errors_are_those_of_each_write() {
        let mut ring = Ring::new().unwrap();
        let (near, far) = pair();
        drop(far);
        let mut told = Vec::new();
        let mut writes = ring.writes();
        writes.push(target(0, &near), b"", b"x", 1, |_, _, _| {});
        writes.run(|_, _, result| told.push(result.unwrap_err().raw_os_error()));
        assert_eq!(told, [Some(libc::ECONNREFUSED)]);
    }
}
