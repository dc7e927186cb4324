//! Writes that go out together.

use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsRawFd, RawFd};
use std::ptr;

use io_uring::{opcode, squeue, types};

use super::super::mmsg::{header, part};
use super::{DEPTH, HEAD_LEN_MAX, Kind, NOWAIT, Ring, Target, push, short};

/// Writes to come. Pointers of those that are not run are never followed.
pub(super) struct Pending {
    ops: Box<[Op; DEPTH]>,
    /// What stands before the bodies.
    heads: Box<[[u8; HEAD_LEN_MAX]; DEPTH]>,
    len: usize,
    vectors: Box<[[libc::iovec; 2]; DEPTH]>,
    headers: Box<[libc::msghdr; DEPTH]>,
}

#[derive(Clone, Copy)]
struct Op {
    slot: u16,
    raw: RawFd,
    descriptor: types::Fd,
    flags: squeue::Flags,
    is_socket: bool,
    head_len: usize,
    body: *const u8,
    body_len: usize,
    /// What the caller counts for it.
    octets: usize,
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
        let (descriptor, flags) = self.ring.named(target);
        let pending = &mut self.ring.pending;
        let index = pending.len;
        pending.ops[index] = Op {
            slot: target.slot,
            raw: target.descriptor.as_raw_fd(),
            descriptor,
            flags,
            is_socket: matches!(target.kind, Kind::Socket(_)),
            head_len: head.len(),
            body: body.as_ptr(),
            body_len: body.len(),
            octets,
        };
        pending.heads[index][..head.len()].copy_from_slice(head);
        pending.len += 1;
        if pending.len == DEPTH {
            self.run(done);
        }
    }

    /// Runs the writes added since the last time.
    pub(crate) fn run(&mut self, mut done: impl FnMut(u16, usize, io::Result<usize>)) {
        self.ring.run_pending();
        let (pending, results) = (&mut self.ring.pending, &self.ring.results);
        let len = std::mem::take(&mut pending.len);
        for (op, &result) in pending.ops[..len].iter().zip(results.iter()) {
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

impl Ring {
    /// Begins a number of writes.
    pub(crate) fn writes<'a>(&mut self) -> Writes<'_, 'a> {
        self.pending.len = 0;
        Writes {
            ring: self,
            lent: PhantomData,
        }
    }

    fn run_pending(&mut self) {
        let len = self.pending.len;
        if len == 1 {
            self.results[0] = self.pending.write_alone();
            return;
        }
        let mut queue = self.uring.submission();
        for index in 0..len {
            let (entry, flags) = (self.pending.entry(index), self.pending.ops[index].flags);
            push(&mut queue, &entry.flags(flags).user_data(index as u64));
        }
        drop(queue);
        self.run(len);
    }
}

impl Pending {
    pub(super) fn new() -> Self {
        let nothing = part(ptr::null(), 0);
        Self {
            ops: Box::new([Op::NONE; DEPTH]),
            heads: Box::new([[0; HEAD_LEN_MAX]; DEPTH]),
            len: 0,
            vectors: Box::new([[nothing; 2]; DEPTH]),
            headers: Box::new([header(ptr::null_mut(), 0); DEPTH]),
        }
    }

    /// Write number `index`, as the ring takes it. To a socket the calls made for files cost an eighth more.
    fn entry(&mut self, index: usize) -> squeue::Entry {
        let op = self.ops[index];
        let len = short(op.body_len);
        match (op.is_socket, op.head_len) {
            (false, 0) => opcode::Write::new(op.descriptor, op.body, len)
                .rw_flags(NOWAIT)
                .build(),
            (false, _) => opcode::Writev::new(op.descriptor, self.vectors(index).as_ptr(), 2)
                .rw_flags(NOWAIT)
                .build(),
            (true, 0) => opcode::Send::new(op.descriptor, op.body, len)
                .flags(libc::MSG_DONTWAIT)
                .build(),
            (true, _) => {
                self.headers[index] = header(self.vectors(index).as_mut_ptr(), 2);
                opcode::SendMsg::new(op.descriptor, &raw const self.headers[index])
                    .flags(libc::MSG_DONTWAIT.cast_unsigned())
                    .build()
            }
        }
    }

    /// Head and body of write number `index`.
    fn vectors(&mut self, index: usize) -> &mut [libc::iovec; 2] {
        let op = &self.ops[index];
        let head = part(self.heads[index].as_ptr(), op.head_len);
        self.vectors[index] = [head, part(op.body, op.body_len)];
        &mut self.vectors[index]
    }

    /// The only write, which is cheaper without the ring. A file does not block.
    fn write_alone(&mut self) -> i32 {
        let op = self.ops[0];
        let vectors = self.vectors(0);
        // An empty piece costs as much as a full one.
        let pieces = if op.head_len == 0 {
            &mut vectors[1..]
        } else {
            &mut vectors[..]
        };
        let written = if op.is_socket {
            let message = header(pieces.as_mut_ptr(), pieces.len());
            // SAFETY: the message names pieces that are this ring's own head and the body, which is lent until the writes are
            // run. Sending only reads them.
            unsafe { libc::sendmsg(op.raw, &raw const message, libc::MSG_DONTWAIT) }
        } else {
            let count = libc::c_int::try_from(pieces.len()).expect("one or two");
            // SAFETY: the pieces are this ring's own head and the body, which is lent until the writes are run.
            unsafe { libc::writev(op.raw, pieces.as_ptr(), count) }
        };
        match i32::try_from(written) {
            Ok(octets) if octets >= 0 => octets,
            Ok(_) => -io::Error::last_os_error()
                .raw_os_error()
                .unwrap_or(libc::EIO),
            Err(_) => i32::MAX,
        }
    }
}

impl Op {
    const NONE: Self = Self {
        slot: 0,
        raw: -1,
        descriptor: types::Fd(-1),
        flags: squeue::Flags::empty(),
        is_socket: false,
        head_len: 0,
        body: ptr::null(),
        body_len: 0,
        octets: 0,
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixDatagram;

    #[test]
    fn more_writes_than_the_ring_holds_all_go_out_in_order() {
        let mut ring = Ring::new().unwrap();
        let (mut read, write) = std::io::pipe().unwrap();
        let target = Target {
            slot: 7,
            descriptor: write.as_fd(),
            kind: Kind::File,
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
                kind: Kind::File,
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

    fn socket(slot: u16, cookie: u64, socket: &UnixDatagram) -> Target<'_> {
        Target {
            slot,
            descriptor: socket.as_fd(),
            kind: Kind::Socket(cookie),
        }
    }

    #[test]
    fn errors_are_those_of_each_write() {
        let mut ring = Ring::new().unwrap();
        for is_alone in [true, false] {
            let ((near, far), (other, there)) =
                (UnixDatagram::pair().unwrap(), UnixDatagram::pair().unwrap());
            drop(far);
            let mut told = Vec::new();
            let mut done = |slot, octets, result: io::Result<usize>| {
                told.push((slot, octets, result.map_err(|error| error.raw_os_error())));
            };
            let mut writes = ring.writes();
            writes.push(socket(1, 1, &near), b"", b"x", 1, &mut done);
            if !is_alone {
                writes.push(socket(2, 2, &other), b"h", b"yz", 2, &mut done);
            }
            writes.run(&mut done);
            let refused = (1, 1, Err(Some(libc::ECONNREFUSED)));
            assert_eq!(told[0], refused);
            if !is_alone {
                assert_eq!(told[1..], [(2, 2, Ok(3))]);
                let mut place = [0; 8];
                assert_eq!(there.recv(&mut place).unwrap(), 3);
                assert_eq!(&place[..3], b"hyz");
            }
        }
    }

    #[test]
    fn a_socket_keeps_frames_apart_and_says_when_it_has_no_room_instead_of_waiting() {
        let mut ring = Ring::new().unwrap();
        for attached in [false, true] {
            // It would block.
            let (near, far) = UnixDatagram::pair().unwrap();
            if attached {
                ring.attach(socket(3, 3, &near));
            }
            let (mut sent, mut full) = (0, 0);
            for _ in 0..100 {
                let mut done = |_, _, result: io::Result<usize>| match result {
                    Ok(_) => sent += 1,
                    Err(error) => {
                        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
                        full += 1;
                    }
                };
                let mut writes = ring.writes();
                for head in [&b""[..], b"head"] {
                    writes.push(socket(3, 3, &near), head, &[7; 500], 500, &mut done);
                }
                writes.run(&mut done);
                writes.push(socket(3, 3, &near), b"one", &[7; 500], 500, &mut done);
                writes.run(&mut done);
            }
            assert_eq!(sent + full, 300);
            assert!(sent > 0 && full > 0, "{sent} {full}");
            far.set_nonblocking(true).unwrap();
            let mut place = [0; 2000];
            let lengths: Vec<usize> = std::iter::from_fn(|| far.recv(&mut place).ok()).collect();
            assert_eq!(lengths.len(), sent);
            let whole = [500, 504, 503];
            assert!(
                lengths
                    .iter()
                    .zip(whole.iter().cycle())
                    .all(|(got, wanted)| got == wanted)
            );
        }
    }

    #[test]
    fn another_socket_in_the_place_of_one_that_is_attached_is_not_taken_for_it() {
        let mut ring = Ring::new().unwrap();
        let (old, far_of_old) = UnixDatagram::pair().unwrap();
        ring.attach(socket(3, 1, &old));
        let (new, far_of_new) = UnixDatagram::pair().unwrap();
        far_of_new.set_nonblocking(true).unwrap();
        let mut place = [0; 8];
        for attached in [false, true] {
            if attached {
                ring.attach(socket(3, 2, &new));
            }
            let mut writes = ring.writes();
            for body in [b"a", b"b"] {
                writes.push(socket(3, 2, &new), b"", body, 1, |_, _, _| {});
            }
            writes.run(|_, _, result| assert_eq!(result.unwrap(), 1));
            for body in [b"a", b"b"] {
                assert_eq!(far_of_new.recv(&mut place).unwrap(), 1);
                assert_eq!(&place[..1], body);
            }
        }
        drop(old);
        assert!(far_of_old.send(b"x").is_err(), "nobody has the other end");
    }
}
