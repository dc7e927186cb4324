//! Many frames in one system call: `recvmmsg(2)` with the packet socket's auxiliary data, `sendmmsg(2)`.

use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;

use super::uring::HEAD_LEN_MAX;

/// Frames moved by one call, at most. Bounds what one port may do before the next has its turn.
pub(crate) const BATCH_MAX: usize = 64;

/// Parts a frame is sent in: what stands before it or was changed in its beginning, which may be nothing, and
/// the rest.
const PARTS: usize = 2;

/// What was received into one place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Arrival {
    /// Octets received, header included; a frame that does not fit is cut.
    pub(crate) len: usize,
    /// The tag that the kernel took out of the frame: TPID and tag control information.
    pub(crate) tag: Option<[u8; 4]>,
}

/// Room for what the kernel wants to know of each frame. Kept, so that a call writes no more of it than it has
/// frames; a thread has one.
pub(crate) struct Messages {
    headers: Box<[libc::mmsghdr; BATCH_MAX]>,
    parts: Box<[[libc::iovec; PARTS]; BATCH_MAX]>,
    controls: Box<[Control; BATCH_MAX]>,
    arrivals: Box<[Arrival; BATCH_MAX]>,
    heads: Box<[[u8; HEAD_LEN_MAX]; BATCH_MAX]>,
    /// Frames to be sent, and what the caller counts for each.
    len: usize,
    octets: Box<[usize; BATCH_MAX]>,
}

/// Frames that go out together. Pointers of those that are not sent are never followed.
pub(crate) struct Sends<'m, 'a> {
    messages: &'m mut Messages,
    lent: PhantomData<&'a [u8]>,
}

/// `CMSG_SPACE(sizeof(struct tpacket_auxdata))`, with the alignment of `struct cmsghdr`.
#[repr(C, align(8))]
#[derive(Clone, Copy)]
struct Control([u8; CONTROL_LEN]);

const CONTROL_LEN: usize = 48;

impl Messages {
    pub(crate) fn new() -> Self {
        let nothing = part(ptr::null(), 0);
        Self {
            headers: Box::new([message(ptr::null_mut(), 0); BATCH_MAX]),
            parts: Box::new([[nothing; PARTS]; BATCH_MAX]),
            controls: Box::new([Control([0; CONTROL_LEN]); BATCH_MAX]),
            arrivals: Box::new([Arrival::default(); BATCH_MAX]),
            heads: Box::new([[0; HEAD_LEN_MAX]; BATCH_MAX]),
            len: 0,
            octets: Box::new([0; BATCH_MAX]),
        }
    }

    /// Receives as many frames as are there, at most as there are `places` and [`BATCH_MAX`], without waiting.
    /// What was received, in the order of the places.
    ///
    /// # Errors
    /// `EAGAIN` if there is none, `ENETDOWN` once after the interface went down or away, `EINVAL` for a frame
    /// whose offloads the kernel cannot put into a virtio-net header (it is gone then).
    pub(crate) fn receive<'p>(
        &mut self,
        socket: BorrowedFd<'_>,
        places: impl Iterator<Item = &'p mut [u8]>,
    ) -> io::Result<&[Arrival]> {
        let mut count = 0;
        for place in places.take(BATCH_MAX) {
            self.parts[count][0] = part(place.as_mut_ptr(), place.len());
            let mut header = message(self.parts[count].as_mut_ptr(), 1);
            header.msg_hdr.msg_control = (&raw mut self.controls[count]).cast();
            header.msg_hdr.msg_controllen = CONTROL_LEN;
            self.headers[count] = header;
            count += 1;
        }
        // SAFETY: the first `count` headers point to a part and control space of their own, boxed in `self`; the
        // parts point into the places, which are borrowed mutably until after this call, and distinct: an
        // iterator of `&'p mut` cannot give out one twice. Lengths are those of the slices.
        let received = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                self.headers.as_mut_ptr(),
                u32::try_from(count).expect("at most BATCH_MAX"),
                libc::MSG_DONTWAIT,
                ptr::null_mut(),
            )
        };
        let received = usize::try_from(received).map_err(|_| io::Error::last_os_error())?;
        for (arrival, header) in self.arrivals.iter_mut().zip(&*self.headers).take(received) {
            *arrival = Arrival {
                len: usize::try_from(header.msg_len).unwrap_or(usize::MAX),
                tag: stripped_tag(&header.msg_hdr),
            };
        }
        Ok(&self.arrivals[..received])
    }

    /// Begins a number of frames to be sent.
    pub(crate) fn sends<'a>(&mut self) -> Sends<'_, 'a> {
        self.len = 0;
        Sends {
            messages: self,
            lent: PhantomData,
        }
    }
}

impl<'a> Sends<'_, 'a> {
    /// Adds a frame: `head` (at most [`HEAD_LEN_MAX`] octets, copied) and `body` behind it. There must be room.
    pub(crate) fn push(&mut self, head: &[u8], body: &'a [u8], octets: usize) {
        let messages = &mut *self.messages;
        let index = messages.len;
        messages.heads[index][..head.len()].copy_from_slice(head);
        let parts = &mut messages.parts[index];
        let body = part(body.as_ptr(), body.len());
        // An empty part costs as much as a full one.
        let count = if head.is_empty() {
            parts[0] = body;
            1
        } else {
            *parts = [part(messages.heads[index].as_ptr(), head.len()), body];
            2
        };
        messages.headers[index] = message(parts.as_mut_ptr(), count);
        messages.octets[index] = octets;
        messages.len += 1;
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.messages.len
    }

    /// Whether there is no room for another.
    pub(crate) fn is_full(&self) -> bool {
        self.messages.len == BATCH_MAX
    }

    /// Octets of frame `index`, as its pusher counts them.
    pub(crate) fn octets(&self, index: usize) -> usize {
        self.messages.octets[index]
    }

    /// Sends the frames from number `from` on in order without waiting: at least one, or the error of the first. A
    /// socket in the middle of a batch that cannot take more says so with the next call.
    ///
    /// # Errors
    /// `EAGAIN` or `ENOBUFS` if there is no room, `EMSGSIZE` if the frame is too long for the interface,
    /// `EINVAL` if its virtio-net header is refused, `ENETDOWN`, `ENXIO`, `ENODEV` if there is no interface.
    pub(crate) fn send(&mut self, socket: BorrowedFd<'_>, from: usize) -> io::Result<usize> {
        let messages = &mut *self.messages;
        let headers = &mut messages.headers[..messages.len][from..];
        // SAFETY: these headers were made by `push` since the last `clear`; they point to parts boxed beside them,
        // and those to heads boxed there, or to bodies lent for `'a`. Sending only reads them.
        let sent = unsafe {
            libc::sendmmsg(
                socket.as_raw_fd(),
                headers.as_mut_ptr(),
                u32::try_from(headers.len()).expect("at most BATCH_MAX"),
                libc::MSG_DONTWAIT,
            )
        };
        usize::try_from(sent).map_err(|_| io::Error::last_os_error())
    }

    /// Forgets them.
    pub(crate) fn clear(&mut self) {
        self.messages.len = 0;
    }

    /// After a [`Self::clear`], frames in memory that is lent for a shorter time.
    pub(crate) fn aside<'b>(&mut self) -> Sends<'_, 'b> {
        self.messages.sends()
    }
}

impl std::fmt::Debug for Messages {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Messages").finish_non_exhaustive()
    }
}

/// A piece of what is sent or received.
pub(super) fn part(at: *const u8, len: usize) -> libc::iovec {
    libc::iovec {
        iov_base: at.cast_mut().cast(),
        iov_len: len,
    }
}

fn message(parts: *mut libc::iovec, count: usize) -> libc::mmsghdr {
    libc::mmsghdr {
        msg_hdr: header(parts, count),
        msg_len: 0,
    }
}

/// A message of so many parts, between a socket and its peer.
pub(super) fn header(parts: *mut libc::iovec, count: usize) -> libc::msghdr {
    libc::msghdr {
        msg_name: ptr::null_mut(),
        msg_namelen: 0,
        msg_iov: parts,
        msg_iovlen: count,
        msg_control: ptr::null_mut(),
        msg_controllen: 0,
        msg_flags: 0,
    }
}

fn stripped_tag(header: &libc::msghdr) -> Option<[u8; 4]> {
    // SAFETY: the kernel has filled `header`; its control pointer and length describe space that is alive.
    let control = unsafe { libc::CMSG_FIRSTHDR(header).as_ref() }?;
    let wanted = control.cmsg_level == libc::SOL_PACKET
        && control.cmsg_type == libc::PACKET_AUXDATA
        && control.cmsg_len >= size_of::<libc::cmsghdr>() + size_of::<libc::tpacket_auxdata>();
    if !wanted {
        return None;
    }
    // SAFETY: the message is of the type checked above and long enough for it; the read need not be aligned.
    let data: libc::tpacket_auxdata =
        unsafe { std::ptr::read_unaligned(libc::CMSG_DATA(control).cast()) };
    tag_of(data.tp_status, data.tp_vlan_tpid, data.tp_vlan_tci)
}

pub(super) fn tag_of(status: u32, tpid: u16, tci: u16) -> Option<[u8; 4]> {
    if status & libc::TP_STATUS_VLAN_VALID == 0 {
        return None;
    }
    // Kernels before 3.14 do not say the TPID; they knew no other.
    let tpid = match status & libc::TP_STATUS_VLAN_TPID_VALID {
        0 => 0x8100,
        _ => tpid,
    };
    let [a, b] = tpid.to_be_bytes();
    let [c, d] = tci.to_be_bytes();
    Some([a, b, c, d])
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixDatagram;

    fn places(memory: &mut [[u8; 16]; 4]) -> impl Iterator<Item = &mut [u8]> {
        memory.iter_mut().map(|place| &mut place[..])
    }

    fn arrival(len: usize) -> Arrival {
        Arrival { len, tag: None }
    }

    #[test]
    fn a_tag_needs_its_status_bit_and_has_its_own_tpid() {
        const VALID: u32 = libc::TP_STATUS_VLAN_VALID;
        const TPID: u32 = libc::TP_STATUS_VLAN_TPID_VALID;
        assert_eq!(tag_of(0, 0x8100, 10), None);
        assert_eq!(tag_of(VALID, 0, 10), Some([0x81, 0, 0, 10]));
        assert_eq!(
            tag_of(VALID | TPID, 0x88a8, 0x2064),
            Some([0x88, 0xa8, 0x20, 0x64])
        );
    }

    #[test]
    fn batches_keep_order_parts_and_lengths() {
        let (near, far) = UnixDatagram::pair().unwrap();
        let mut messages = Messages::new();
        let mut sends = messages.sends();
        for body in ["", "a", "bc"] {
            let head = if body == "a" { "" } else { "head" };
            sends.push(head.as_bytes(), body.as_bytes(), body.len());
        }
        assert_eq!((sends.len(), sends.octets(2)), (3, 2));
        assert_eq!(sends.send(near.as_fd(), 0).unwrap(), 3);
        assert_eq!(sends.send(near.as_fd(), 1).unwrap(), 2);

        let mut memory = [[0; 16]; 4];
        let arrivals = messages.receive(far.as_fd(), places(&mut memory)).unwrap();
        assert_eq!(arrivals, [4, 1, 6, 1].map(arrival));
        let wanted = ["head", "a", "headbc", "a"];
        for (place, wanted) in memory.iter().zip(wanted) {
            assert_eq!(&place[..wanted.len()], wanted.as_bytes());
        }
        let arrivals = messages.receive(far.as_fd(), places(&mut memory)).unwrap();
        assert_eq!(arrivals, [arrival(6)]);
        let again = messages.receive(far.as_fd(), places(&mut memory));
        assert_eq!(again.unwrap_err().kind(), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn what_was_added_but_cleared_is_not_sent() {
        let (near, far) = UnixDatagram::pair().unwrap();
        let mut messages = Messages::new();
        let mut sends = messages.sends();
        sends.push(b"", b"lost", 4);
        sends.clear();
        {
            let short_lived = b"found".to_vec();
            let mut aside = sends.aside();
            aside.push(b"", &short_lived, 5);
            assert_eq!(aside.send(near.as_fd(), 0).unwrap(), 1);
        }
        let mut memory = [[0; 16]; 4];
        let arrivals = messages.receive(far.as_fd(), places(&mut memory)).unwrap();
        assert_eq!(arrivals, [arrival(5)]);
    }

    #[test]
    fn a_frame_longer_than_its_place_fills_it() {
        let (near, far) = UnixDatagram::pair().unwrap();
        near.send(&[7; 40]).unwrap();
        let mut memory = [[0; 16]; 4];
        let mut messages = Messages::new();
        let arrivals = messages.receive(far.as_fd(), places(&mut memory)).unwrap();
        assert_eq!(arrivals, [arrival(16)]);
    }
}
