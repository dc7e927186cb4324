//! AF_PACKET sockets: making one, its options, binding it (`packet(7)`).

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use super::check;

/// `ETH_P_ALL`.
const ALL_PROTOCOLS: u16 = 0x0003;

/// An unbound, non-blocking AF_PACKET socket for whole frames. It receives nothing until [`bind`].
///
/// # Errors
/// `EPERM` without `CAP_NET_RAW`, `EMFILE`, `EAFNOSUPPORT`.
pub(crate) fn socket() -> io::Result<OwnedFd> {
    // SAFETY: no pointer is passed.
    let descriptor = check(unsafe {
        libc::socket(
            libc::AF_PACKET,
            libc::SOCK_RAW | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK,
            0,
        )
    })?;
    // SAFETY: the kernel has just made this descriptor for us; nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

/// Options of a packet socket that are an `int`, on or off.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Switch {
    /// A virtio-net header before every frame, both ways.
    VnetHeader,
    /// What the kernel took out of a frame comes as a control message.
    Auxdata,
    /// Frames sent by this machine through the interface are not received (Linux 4.20).
    IgnoreOutgoing,
    /// What is sent does not wait in the interface's queue.
    QdiscBypass,
}

/// Turns `option` on.
///
/// # Errors
/// `ENOPROTOOPT` if the kernel does not know it.
pub(crate) fn turn_on(socket: BorrowedFd<'_>, option: Switch) -> io::Result<()> {
    let option = match option {
        Switch::VnetHeader => libc::PACKET_VNET_HDR,
        Switch::Auxdata => libc::PACKET_AUXDATA,
        Switch::IgnoreOutgoing => libc::PACKET_IGNORE_OUTGOING,
        Switch::QdiscBypass => libc::PACKET_QDISC_BYPASS,
    };
    let on: libc::c_int = 1;
    set_option(socket, libc::SOL_PACKET, option, &on)
}

/// What the socket sends goes before what others send, where the interface has a queue (`TC_PRIO_CONTROL`).
///
/// # Errors
/// `EPERM` without `CAP_NET_ADMIN`.
pub(crate) fn set_urgent(socket: BorrowedFd<'_>) -> io::Result<()> {
    let priority: libc::c_int = 7;
    set_option(socket, libc::SOL_SOCKET, libc::SO_PRIORITY, &priority)
}

/// Frames that the kernel has dropped since last asked because the reader was too slow.
///
/// # Errors
/// `EBADF`.
pub(crate) fn take_drops(socket: BorrowedFd<'_>) -> io::Result<u64> {
    let mut stats = libc::tpacket_stats {
        tp_packets: 0,
        tp_drops: 0,
    };
    let mut len = length_of::<libc::tpacket_stats>();
    // SAFETY: PACKET_STATISTICS writes at most `len` octets, the size of `stats`, which outlives the call.
    check(unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_PACKET,
            libc::PACKET_STATISTICS,
            (&raw mut stats).cast(),
            &raw mut len,
        )
    })?;
    Ok(u64::from(stats.tp_drops))
}

/// Makes interface `index` promiscuous for as long as the socket lives.
///
/// # Errors
/// `ENODEV` if there is none.
pub(crate) fn join_promiscuous(socket: BorrowedFd<'_>, index: u32) -> io::Result<()> {
    let membership = libc::packet_mreq {
        mr_ifindex: index_of(index)?,
        mr_type: libc::c_ushort::try_from(libc::PACKET_MR_PROMISC).expect("it is 1"),
        mr_alen: 0,
        mr_address: [0; 8],
    };
    set_option(
        socket,
        libc::SOL_PACKET,
        libc::PACKET_ADD_MEMBERSHIP,
        &membership,
    )
}

/// Octets the kernel may hold for the reader and for the device: above the system's limit for others
/// (`net.core.rmem_max`, `wmem_max`), or, in a user namespace, whose root may not go above it, at most as many.
///
/// # Errors
/// `EBADF`; sizes are not refused.
pub(crate) fn set_buffers(
    socket: BorrowedFd<'_>,
    receive: libc::c_int,
    send: libc::c_int,
) -> io::Result<()> {
    for (forced, limited, octets) in [
        (libc::SO_RCVBUFFORCE, libc::SO_RCVBUF, receive),
        (libc::SO_SNDBUFFORCE, libc::SO_SNDBUF, send),
    ] {
        match set_option(socket, libc::SOL_SOCKET, forced, &octets) {
            Err(error) if error.raw_os_error() == Some(libc::EPERM) => {
                set_option(socket, libc::SOL_SOCKET, limited, &octets)?;
            }
            result => result?,
        }
    }
    Ok(())
}

/// Binds to interface `index`: from here on its frames are received, and sent to it.
///
/// # Errors
/// `ENODEV` if there is none. If it is set down, the next call on the socket says `ENETDOWN` once.
pub(crate) fn bind(socket: BorrowedFd<'_>, index: u32) -> io::Result<()> {
    bind_to(socket, index, ALL_PROTOCOLS)
}

/// Binds to interface `index` to send to it; nothing is received.
///
/// # Errors
/// As [`bind`].
pub(crate) fn bind_to_send(socket: BorrowedFd<'_>, index: u32) -> io::Result<()> {
    bind_to(socket, index, 0)
}

/// The same for frames of one EtherType only; 0: none is received.
///
/// # Errors
/// As [`bind`].
pub(super) fn bind_to(socket: BorrowedFd<'_>, index: u32, ether_type: u16) -> io::Result<()> {
    let address = libc::sockaddr_ll {
        sll_family: libc::sa_family_t::try_from(libc::AF_PACKET).expect("it is 17"),
        sll_protocol: ether_type.to_be(),
        sll_ifindex: index_of(index)?,
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 0,
        sll_addr: [0; 8],
    };
    // SAFETY: the pointer and length describe `address`, which outlives the call; the kernel reads it by
    // its family, and this is the layout of AF_PACKET.
    check(unsafe {
        libc::bind(
            socket.as_raw_fd(),
            (&raw const address).cast(),
            length_of::<libc::sockaddr_ll>(),
        )
    })?;
    Ok(())
}

fn index_of(index: u32) -> io::Result<libc::c_int> {
    libc::c_int::try_from(index).map_err(|_| io::Error::from_raw_os_error(libc::ENODEV))
}

pub(super) fn length_of<T>() -> libc::socklen_t {
    libc::socklen_t::try_from(size_of::<T>()).expect("a small struct")
}

pub(super) fn set_option<T>(
    socket: BorrowedFd<'_>,
    level: libc::c_int,
    option: libc::c_int,
    value: &T,
) -> io::Result<()> {
    // SAFETY: the pointer and length describe `value`, which outlives the call and is only read; the
    // callers in this module and its neighbours pass the type that the option has.
    check(unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            option,
            std::ptr::from_ref(value).cast(),
            length_of::<T>(),
        )
    })?;
    Ok(())
}

/// What tells a socket from all others, as long as it lives.
///
/// # Errors
/// `ENOPROTOOPT` before Linux 4.12.
pub(crate) fn cookie(socket: BorrowedFd<'_>) -> io::Result<u64> {
    let mut cookie = 0_u64;
    let mut len = libc::socklen_t::try_from(size_of::<u64>()).expect("8");
    // SAFETY: SO_COOKIE writes at most `len` octets, the size of `cookie`, which outlives the call.
    check(unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_COOKIE,
            (&raw mut cookie).cast(),
            &raw mut len,
        )
    })?;
    Ok(cookie)
}
