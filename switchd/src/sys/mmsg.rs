//! Many frames in one system call: `recvmmsg(2)` with the packet socket's auxiliary data, `sendmmsg(2)`.

use std::array;
use std::io::{self, IoSlice};
use std::os::fd::{AsRawFd, BorrowedFd};

/// Frames moved by one call, at most. Bounds what one port may do before the next has its turn; a larger
/// batch saves little (the system call is then a few per cent of the frame's cost) and spills the cache.
pub(crate) const BATCH_MAX: usize = 32;

/// Parts a frame is sent in: what stands before it or was changed in its beginning, which may be nothing, and
/// the rest.
pub(crate) const PARTS: usize = 2;

/// Where one received frame goes, and what came with it.
#[derive(Debug)]
pub(crate) struct Incoming<'a> {
    /// Takes the virtio-net header and the frame behind it.
    pub(crate) octets: &'a mut [u8],
    /// Octets received, header included; a frame that does not fit is cut.
    pub(crate) len: usize,
    /// The tag that the kernel took out of the frame: TPID and tag control information.
    pub(crate) tag: Option<[u8; 4]>,
}

/// `CMSG_SPACE(sizeof(struct tpacket_auxdata))`, with the alignment of `struct cmsghdr`.
#[repr(C, align(8))]
#[derive(Clone, Copy)]
struct Control([u8; CONTROL_LEN]);

const CONTROL_LEN: usize = 48;

/// Receives as many frames as are there, at most as there are places, without waiting. The number of
/// frames received; their places are filled in order.
///
/// # Errors
/// `EAGAIN` if there is none, `ENETDOWN` once after the interface went down or away, `EINVAL` for a frame
/// whose offloads the kernel cannot put into a virtio-net header (it is gone then).
pub(crate) fn receive(
    socket: BorrowedFd<'_>,
    places: &mut [Incoming<'_>; BATCH_MAX],
) -> io::Result<usize> {
    let mut controls = [Control([0; CONTROL_LEN]); BATCH_MAX];
    let mut parts: [libc::iovec; BATCH_MAX] = array::from_fn(|i| part(places[i].octets));
    let mut messages: [libc::mmsghdr; BATCH_MAX] = array::from_fn(|i| {
        let mut message = message(&mut parts[i..=i]);
        message.msg_hdr.msg_control = (&raw mut controls[i]).cast();
        message.msg_hdr.msg_controllen = CONTROL_LEN;
        message
    });
    // SAFETY: every header points to a part and control space of its own on this stack frame; the parts
    // point into the places, which are exclusively ours for the call. Lengths are those of the slices.
    let received = unsafe {
        libc::recvmmsg(
            socket.as_raw_fd(),
            messages.as_mut_ptr(),
            u32::try_from(BATCH_MAX).expect("a small number"),
            libc::MSG_DONTWAIT,
            std::ptr::null_mut(),
        )
    };
    let received = usize::try_from(received).map_err(|_| io::Error::last_os_error())?;
    for (place, message) in places.iter_mut().zip(&messages).take(received) {
        place.len = usize::try_from(message.msg_len).unwrap_or(usize::MAX);
        place.tag = stripped_tag(&message.msg_hdr);
    }
    Ok(received)
}

/// Sends `frames` in order without waiting: at least one, or the error of the first. A socket in the
/// middle of a batch that cannot take more says so with the next call.
///
/// # Errors
/// `EAGAIN` or `ENOBUFS` if there is no room, `EMSGSIZE` if the frame is too long for the interface,
/// `EINVAL` if its virtio-net header is refused, `ENETDOWN`, `ENXIO`, `ENODEV` if there is no interface.
pub(crate) fn send(socket: BorrowedFd<'_>, frames: &[[IoSlice<'_>; PARTS]]) -> io::Result<usize> {
    let count = frames.len().min(BATCH_MAX);
    let mut messages: [libc::mmsghdr; BATCH_MAX] = array::from_fn(|i| {
        let mut message = message(&mut []);
        if let Some(parts) = frames.get(i) {
            // An empty first part costs as much as a full one.
            let parts = if parts[0].is_empty() {
                &parts[1..]
            } else {
                &parts[..]
            };
            // `IoSlice` is guaranteed to have the layout of `iovec`; the kernel only reads through it.
            message.msg_hdr.msg_iov = parts.as_ptr().cast_mut().cast();
            message.msg_hdr.msg_iovlen = parts.len();
        }
        message
    });
    // SAFETY: the first `count` headers point to the iovecs of `frames`, which outlive the call and whose
    // octets are only read.
    let sent = unsafe {
        libc::sendmmsg(
            socket.as_raw_fd(),
            messages.as_mut_ptr(),
            u32::try_from(count).expect("at most BATCH_MAX"),
            libc::MSG_DONTWAIT,
        )
    };
    usize::try_from(sent).map_err(|_| io::Error::last_os_error())
}

fn part(octets: &mut [u8]) -> libc::iovec {
    libc::iovec {
        iov_base: octets.as_mut_ptr().cast(),
        iov_len: octets.len(),
    }
}

fn message(parts: &mut [libc::iovec]) -> libc::mmsghdr {
    libc::mmsghdr {
        msg_hdr: libc::msghdr {
            msg_name: std::ptr::null_mut(),
            msg_namelen: 0,
            msg_iov: parts.as_mut_ptr(),
            msg_iovlen: parts.len(),
            msg_control: std::ptr::null_mut(),
            msg_controllen: 0,
            msg_flags: 0,
        },
        msg_len: 0,
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

fn tag_of(status: u32, tpid: u16, tci: u16) -> Option<[u8; 4]> {
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

    fn places(memory: &mut [[u8; 16]; BATCH_MAX]) -> [Incoming<'_>; BATCH_MAX] {
        let mut cells = memory.iter_mut();
        array::from_fn(|_| Incoming {
            octets: cells.next().unwrap(),
            len: 0,
            tag: None,
        })
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
        let texts = ["", "a", "bc"];
        let frames = texts.map(|text| {
            [
                IoSlice::new(if text == "a" { b"" } else { b"head" }),
                IoSlice::new(text.as_bytes()),
            ]
        });
        assert_eq!(send(near.as_fd(), &frames).unwrap(), 3);

        let mut memory = [[0; 16]; BATCH_MAX];
        let mut places = places(&mut memory);
        assert_eq!(receive(far.as_fd(), &mut places).unwrap(), 3);
        for (place, sent) in places.iter().zip(["head", "a", "headbc"]) {
            assert_eq!(&place.octets[..place.len], sent.as_bytes());
            assert_eq!(place.tag, None);
        }
        let again = receive(far.as_fd(), &mut places).unwrap_err();
        assert_eq!(again.kind(), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn a_frame_longer_than_its_place_fills_it() {
        let (near, far) = UnixDatagram::pair().unwrap();
        near.send(&[7; 40]).unwrap();
        let mut memory = [[0; 16]; BATCH_MAX];
        let mut places = places(&mut memory);
        assert_eq!(receive(far.as_fd(), &mut places).unwrap(), 1);
        assert_eq!(places[0].len, 16);
    }
}
