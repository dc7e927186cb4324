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

/// Which frames a packet socket receives. The two halves leave nothing out and nothing twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Half {
    /// Those to addresses of bridge protocols: 01-80-C2-00-00-00 to 0F (802.1Q Table 8-1), and 01-00-0C-CC-CC-CD,
    /// where trees of single VLANs speak.
    Control,
    /// All others.
    Data,
}

impl Half {
    /// The filter as a program of the kernel's classic machine (`linux/filter.h`): destination in two loads.
    fn program(self) -> [libc::sock_filter; 9] {
        const LOAD_WORD: u16 = 0x20;
        const LOAD_HALF: u16 = 0x28;
        const IF_EQUAL: u16 = 0x15;
        const IF_AT_LEAST: u16 = 0x35;
        const RETURN: u16 = 0x06;
        let step = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
        let (control, data) = match self {
            Self::Control => (u32::MAX, 0),
            Self::Data => (0, u32::MAX),
        };
        [
            step(LOAD_WORD, 0, 0, 0),
            step(IF_EQUAL, 0, 2, 0x0180_c200),
            step(LOAD_HALF, 0, 0, 4),
            step(IF_AT_LEAST, 4, 3, 0x0010),
            step(IF_EQUAL, 0, 3, 0x0100_0ccc),
            step(LOAD_HALF, 0, 0, 4),
            step(IF_EQUAL, 0, 1, 0xcccd),
            step(RETURN, 0, 0, control),
            step(RETURN, 0, 0, data),
        ]
    }
}

/// From here on the socket receives `half` only.
///
/// # Errors
/// `ENOMEM`.
pub(crate) fn filter(socket: BorrowedFd<'_>, half: Half) -> io::Result<()> {
    let mut program = half.program();
    let program = libc::sock_fprog {
        len: libc::c_ushort::try_from(program.len()).expect("it is 9"),
        filter: program.as_mut_ptr(),
    };
    // The kernel copies the program, which lives until this returns.
    set_option(socket, libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, &program)
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

fn length_of<T>() -> libc::socklen_t {
    libc::socklen_t::try_from(size_of::<T>()).expect("a small struct")
}

pub(super) fn set_option<T>(
    socket: BorrowedFd<'_>,
    level: libc::c_int,
    option: libc::c_int,
    value: &T,
) -> io::Result<()> {
    // SAFETY: the pointer and length describe `value`, which outlives the call and is only read; the
    // callers above pass the type that the option has.
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What the kernel's machine does with the few instructions used here.
    fn run(half: Half, frame: &[u8]) -> u32 {
        let (program, mut at, mut loaded) = (half.program(), 0, 0);
        loop {
            let step = program[at];
            let place = usize::try_from(step.k).unwrap_or(usize::MAX);
            at += 1;
            let jump = match step.code {
                0x20 => {
                    loaded = u32::from_be_bytes(frame[place..place + 4].try_into().unwrap());
                    0
                }
                0x28 => {
                    loaded = u32::from(u16::from_be_bytes([frame[place], frame[place + 1]]));
                    0
                }
                0x15 if loaded == step.k => step.jt,
                0x35 if loaded >= step.k => step.jt,
                0x15 | 0x35 => step.jf,
                0x06 => return step.k,
                code => panic!("{code:#x}"),
            };
            at += usize::from(jump);
        }
    }

    fn halves(destination: [u8; 6]) -> [u32; 2] {
        [Half::Control, Half::Data].map(|half| run(half, &destination))
    }

    #[test]
    fn addresses_of_bridge_protocols_are_control() {
        for last in 0..=0x0f {
            assert_eq!(halves([1, 0x80, 0xc2, 0, 0, last]), [u32::MAX, 0]);
        }
        assert_eq!(halves([1, 0, 0x0c, 0xcc, 0xcc, 0xcd]), [u32::MAX, 0]);
        for data in [
            [1, 0x80, 0xc2, 0, 0, 0x10],
            [1, 0x80, 0xc2, 0, 1, 0],
            [1, 0, 0x0c, 0xcc, 0xcc, 0xcc],
            [0xff; 6],
            [0; 6],
        ] {
            assert_eq!(halves(data), [0, u32::MAX]);
        }
    }

    proptest! {
        #[test]
        fn the_halves_leave_nothing_out_and_nothing_twice(
            destination in prop_oneof![
                any::<[u8; 6]>(),
                any::<[u8; 2]>().prop_map(|[a, b]| [1, 0x80, 0xc2, 0, a, b]),
                any::<[u8; 2]>().prop_map(|[a, b]| [1, 0, 0x0c, 0xcc, a, b]),
            ],
        ) {
            let [control, data] = halves(destination);
            prop_assert_eq!(control, !data);
        }
    }
}
