//! Two packet sockets at one interface: one for frames of bridge protocols, one for all others.
//!
//! Each has a filter at first, and the kernel offers every frame to both, of which one refuses it. [`divide`] makes them a
//! group (`PACKET_FANOUT`, `packet(7)`): the kernel asks one program whose a frame is, and offers it once.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use nix::sys::utsname::uname;

use super::check;
use super::packet::{length_of, set_option};

/// Which frames a packet socket receives. The two halves leave nothing out and nothing twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Half {
    /// Those to addresses of bridge protocols: 01-80-C2-00-00-00 to 0F (802.1Q Table 8-1), and 01-00-0C-CC-CC-CD,
    /// where trees of single VLANs speak.
    Control,
    /// All others.
    Data,
}

/// Operations of the kernel's classic machine (`linux/filter.h`).
const LOAD_WORD: u16 = 0x20;
const LOAD_HALF: u16 = 0x28;
const LOAD_OCTET: u16 = 0x30;
const IF_EQUAL: u16 = 0x15;
const IF_AT_LEAST: u16 = 0x35;
const RETURN: u16 = 0x06;

/// Instructions of [`by_destination`].
const STEPS: usize = 9;

const fn step(code: u16, jt: u8, jf: u8, k: u32) -> libc::sock_filter {
    libc::sock_filter { code, jt, jf, k }
}

/// A program that says `control` or `data` of a frame whose Ethernet header is at offset `at`: destination in two loads.
fn by_destination(at: u32, control: u32, data: u32) -> [libc::sock_filter; STEPS] {
    [
        step(LOAD_WORD, 0, 0, at),
        step(IF_EQUAL, 0, 2, 0x0180_c200),
        step(LOAD_HALF, 0, 0, at + 4),
        step(IF_AT_LEAST, 4, 3, 0x0010),
        step(IF_EQUAL, 0, 3, 0x0100_0ccc),
        step(LOAD_HALF, 0, 0, at + 4),
        step(IF_EQUAL, 0, 1, 0xcccd),
        step(RETURN, 0, 0, control),
        step(RETURN, 0, 0, data),
    ]
}

impl Half {
    /// Takes the whole frame or nothing. A filter sees a frame from its Ethernet header on.
    fn filter(self) -> [libc::sock_filter; STEPS] {
        match self {
            Self::Control => by_destination(0, u32::MAX, 0),
            Self::Data => by_destination(0, 0, u32::MAX),
        }
    }
}

/// Places in the group. A program that loads what a frame has not ends with 0: data.
const DATA: u32 = 0;
const CONTROL: u32 = 1;

/// Where a program finds what the kernel has noted of a frame, and where the frame's Ethernet header: a group's program is
/// asked while the frame begins behind it.
const NOTED: u32 = libc::SKF_AD_OFF.cast_unsigned();
const ETHERNET: u32 = libc::SKF_LL_OFF.cast_unsigned();

/// Says the place in the group. To read what the kernel has noted costs less than to load a destination, and few frames
/// are multicasts.
fn place() -> [libc::sock_filter; STEPS + 2] {
    let noted = NOTED + libc::SKF_AD_PKTTYPE.cast_unsigned();
    let multicast = u32::from(libc::PACKET_MULTICAST);
    let mut program = [step(RETURN, 0, 0, DATA); STEPS + 2];
    program[0] = step(LOAD_OCTET, 0, 0, noted);
    // Else to the last, past all that looks at the destination.
    program[1] = step(IF_EQUAL, 0, 8, multicast);
    program[2..].copy_from_slice(&by_destination(ETHERNET, CONTROL, DATA));
    program
}

/// From here on the socket receives `half` only.
///
/// # Errors
/// `ENOMEM`.
pub(crate) fn filter(socket: BorrowedFd<'_>, half: Half) -> io::Result<()> {
    let option = (libc::SOL_SOCKET, libc::SO_ATTACH_FILTER);
    set_program(socket, option, &mut half.filter())
}

/// Hands a program to the kernel, by an option that takes one.
fn set_program(
    socket: BorrowedFd<'_>,
    (level, option): (libc::c_int, libc::c_int),
    program: &mut [libc::sock_filter],
) -> io::Result<()> {
    let program = libc::sock_fprog {
        len: libc::c_ushort::try_from(program.len()).expect("a few instructions"),
        filter: program.as_mut_ptr(),
    };
    // The kernel copies the program, which lives until this returns.
    set_option(socket, level, option, &program)
}

/// First Linux whose groups leave out what this machine sends. Those before it take the flag and do not heed it.
const IGNORES_OUTGOING: (u32, u32) = (6, 2);

/// Has the kernel hand each frame to one of two sockets that are bound to the same interface and have their filters:
/// to `data`, which has to be the older one, or to `control`.
///
/// When the interface goes down, the kernel empties the group; when it comes up, it fills it with the sockets in the order in
/// which they were made. In between, places may be wrong: who reads must take any frame from either socket.
///
/// No frame is received twice meanwhile: the filters stay until both are in the group and its program decides as they do.
/// One that comes in the very moment in which a socket goes over to the group may be lost, as if it had come before the socket
/// was there.
///
/// # Errors
/// `Unsupported` before Linux 6.2; `EINVAL` if they are not bound to the same interface, or if it is down (before Linux
/// 6.13); `EALREADY` if one is in a group; `ENOMEM`. Both have their filters then, and receive as before.
pub(crate) fn divide(data: BorrowedFd<'_>, control: BorrowedFd<'_>) -> io::Result<()> {
    if !is_divisible() {
        return Err(io::ErrorKind::Unsupported.into());
    }
    join(data, Group::New)?;
    let option = (libc::SOL_PACKET, libc::PACKET_FANOUT_DATA);
    set_program(data, option, &mut place())?;
    join(control, Group::Of(group(data)?))?;
    for socket in [data, control] {
        let unused: libc::c_int = 0;
        set_option(socket, libc::SOL_SOCKET, libc::SO_DETACH_FILTER, &unused)?;
    }
    Ok(())
}

/// Whether this kernel's groups do what [`divide`] needs. No call tells.
fn is_divisible() -> bool {
    let Ok(system) = uname() else {
        return false;
    };
    let release = system.release().to_str();
    release.and_then(version) >= Some(IGNORES_OUTGOING)
}

/// Major and minor number of a release of Linux.
fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|sign: char| !sign.is_ascii_digit());
    let mut next = || numbers.next()?.parse().ok();
    Some((next()?, next()?))
}

/// A group of sockets; a namespace has room for 65,536.
enum Group {
    New,
    Of(u16),
}

fn join(socket: BorrowedFd<'_>, group: Group) -> io::Result<()> {
    let (number, flag) = match group {
        Group::New => (0, libc::PACKET_FANOUT_FLAG_UNIQUEID),
        Group::Of(number) => (u32::from(number), 0),
    };
    let kind = libc::PACKET_FANOUT_CBPF | libc::PACKET_FANOUT_FLAG_IGNORE_OUTGOING | flag;
    let request: libc::c_uint = number | kind << 16;
    set_option(socket, libc::SOL_PACKET, libc::PACKET_FANOUT, &request)
}

/// The number of the group that the socket is in.
fn group(socket: BorrowedFd<'_>) -> io::Result<u16> {
    let mut group: libc::c_uint = 0;
    let mut len = length_of::<libc::c_uint>();
    // SAFETY: PACKET_FANOUT writes at most `len` octets, the size of `group`, which outlives the call.
    check(unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_PACKET,
            libc::PACKET_FANOUT,
            (&raw mut group).cast(),
            &raw mut len,
        )
    })?;
    let [.., high, low] = group.to_be_bytes();
    Ok(u16::from_be_bytes([high, low]))
}

#[cfg(test)]
mod tests;
