//! Packet sockets for measuring: frames of one EtherType, many in a call, as cheap as the kernel lets them be.
//!
//! Used by the bench's generator and sink, which need none of what a port does: no virtio-net header, no tag put
//! back, no queue of the device.

use std::array;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use super::packet::{self, Switch};

/// Frames moved by one call, at most.
pub const TRAFFIC_BATCH: usize = 64;

/// Octets of frames the kernel keeps for a reader that is busy elsewhere.
const RECEIVE_BUFFER: libc::c_int = 32 << 20;
const SEND_BUFFER: libc::c_int = 4 << 20;

/// A packet socket bound to one interface of the namespace it was opened in.
#[derive(Debug)]
pub struct TrafficSocket {
    socket: OwnedFd,
}

impl TrafficSocket {
    /// One that sends past the interface's queue (`PACKET_QDISC_BYPASS`) and receives nothing.
    ///
    /// # Errors
    /// `EPERM` without `CAP_NET_RAW`, `ENODEV` if there is no such interface.
    pub fn sender(interface: u32) -> io::Result<Self> {
        let socket = packet::socket()?;
        packet::turn_on(socket.as_fd(), Switch::QdiscBypass)?;
        packet::set_buffers(socket.as_fd(), RECEIVE_BUFFER, SEND_BUFFER)?;
        packet::bind_to(socket.as_fd(), interface, 0)?;
        Ok(Self { socket })
    }

    /// One that receives frames of `ether_type`, not those this machine sends.
    ///
    /// # Errors
    /// `EPERM` without `CAP_NET_RAW`, `ENODEV` if there is no such interface.
    pub fn receiver(interface: u32, ether_type: u16) -> io::Result<Self> {
        let socket = packet::socket()?;
        packet::turn_on(socket.as_fd(), Switch::IgnoreOutgoing)?;
        packet::set_buffers(socket.as_fd(), RECEIVE_BUFFER, SEND_BUFFER)?;
        packet::bind_to(socket.as_fd(), interface, ether_type)?;
        Ok(Self { socket })
    }

    /// From here on takes only frames whose 32 bits at `offset`, masked, are zero. The kernel looks; others never come
    /// here.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub fn sample(&self, offset: u32, mask: u32) -> io::Result<()> {
        // Classic BPF: load, mask, compare, take all or nothing.
        let mut program = [
            filter(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, offset),
            filter(libc::BPF_ALU | libc::BPF_AND | libc::BPF_K, 0, 0, mask),
            filter(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, 1, 0),
            filter(libc::BPF_RET | libc::BPF_K, 0, 0, u32::MAX),
            filter(libc::BPF_RET | libc::BPF_K, 0, 0, 0),
        ];
        let program = libc::sock_fprog {
            len: 5,
            filter: program.as_mut_ptr(),
        };
        packet::set_option(
            self.socket.as_fd(),
            libc::SOL_SOCKET,
            libc::SO_ATTACH_FILTER,
            &program,
        )
    }

    /// Sends the frames that stand one behind the other in `frames`, each of `length` octets, at most
    /// [`TRAFFIC_BATCH`]: how many the kernel took, or what it said of the first.
    ///
    /// # Errors
    /// `ENOBUFS` if the device has no room, `EAGAIN` if the socket has none, `ENETDOWN`, `ENXIO`, `EMSGSIZE`.
    ///
    /// # Panics
    /// When `length` is 0.
    pub fn send(&self, frames: &[u8], length: usize) -> io::Result<usize> {
        let mut pieces = frames.chunks_exact(length);
        let count = pieces.len().min(TRAFFIC_BATCH);
        let mut parts: [libc::iovec; TRAFFIC_BATCH] = array::from_fn(|_| {
            let piece = pieces.next().unwrap_or(&[]);
            libc::iovec {
                iov_base: piece.as_ptr().cast_mut().cast(),
                iov_len: piece.len(),
            }
        });
        let mut messages = messages(&mut parts);
        // SAFETY: the first `count` headers point to iovecs of this stack frame, which point into `frames`; both
        // outlive the call, and sending only reads.
        let sent = unsafe {
            libc::sendmmsg(
                self.socket.as_raw_fd(),
                messages.as_mut_ptr(),
                u32::try_from(count).expect("at most TRAFFIC_BATCH"),
                libc::MSG_DONTWAIT,
            )
        };
        usize::try_from(sent).map_err(|_| io::Error::last_os_error())
    }

    /// Receives frames into `places`, `stride` octets each, and their lengths into `lengths`: how many came, at most
    /// [`TRAFFIC_BATCH`] and as many as there is room for. Longer frames are cut.
    ///
    /// # Errors
    /// `EAGAIN` if there is none, `ENETDOWN` once after the interface went down.
    ///
    /// # Panics
    /// When `stride` is 0.
    pub fn receive(
        &self,
        places: &mut [u8],
        stride: usize,
        lengths: &mut [usize],
    ) -> io::Result<usize> {
        let mut pieces = places.chunks_exact_mut(stride);
        let count = pieces.len().min(TRAFFIC_BATCH).min(lengths.len());
        let mut parts: [libc::iovec; TRAFFIC_BATCH] = array::from_fn(|_| {
            let piece = pieces.next().unwrap_or(&mut []);
            libc::iovec {
                iov_base: piece.as_mut_ptr().cast(),
                iov_len: piece.len(),
            }
        });
        let mut messages = messages(&mut parts);
        // SAFETY: the first `count` headers point to iovecs of this stack frame, which point to disjoint pieces of
        // `places`, exclusively ours for the call.
        let received = unsafe {
            libc::recvmmsg(
                self.socket.as_raw_fd(),
                messages.as_mut_ptr(),
                u32::try_from(count).expect("at most TRAFFIC_BATCH"),
                libc::MSG_DONTWAIT,
                std::ptr::null_mut(),
            )
        };
        let received = usize::try_from(received).map_err(|_| io::Error::last_os_error())?;
        for (length, message) in lengths.iter_mut().zip(&messages).take(received) {
            *length = usize::try_from(message.msg_len).unwrap_or(usize::MAX);
        }
        Ok(received)
    }
}

impl AsFd for TrafficSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn messages(parts: &mut [libc::iovec; TRAFFIC_BATCH]) -> [libc::mmsghdr; TRAFFIC_BATCH] {
    let mut parts = parts.iter_mut();
    array::from_fn(|_| libc::mmsghdr {
        msg_hdr: libc::msghdr {
            msg_name: std::ptr::null_mut(),
            msg_namelen: 0,
            msg_iov: parts.next().map_or(std::ptr::null_mut(), |part| part),
            msg_iovlen: 1,
            msg_control: std::ptr::null_mut(),
            msg_controllen: 0,
            msg_flags: 0,
        },
        msg_len: 0,
    })
}

fn filter(code: u32, jt: u8, jf: u8, k: u32) -> libc::sock_filter {
    libc::sock_filter {
        code: u16::try_from(code).expect("operation codes have 16 bits"),
        jt,
        jf,
        k,
    }
}
