//! One ping, from inside a namespace, without a ping program.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::{Duration, Instant};

use etherparse::{IcmpEchoHeader, Icmpv4Header, Icmpv4Type, Ipv4Slice};
use nix::errno::Errno;
use nix::sys::socket::sockopt::ReceiveTimeout;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn, recv, sendto,
    setsockopt, socket,
};
use nix::sys::time::{TimeVal, TimeValLike};
use std::os::fd::AsRawFd;

use crate::netns::Namespace;

/// What the request carries and the answer must carry back.
const PAYLOAD: &[u8; 16] = b"algorhyme-lab-01";
/// Shortest wait the kernel is asked for; zero would mean for ever.
const WAIT_MIN: Duration = Duration::from_millis(1);

/// Pings `target` once from `namespace`: the round trip, or `None` when nothing came back within `patience`.
///
/// # Errors
/// When the namespace cannot be entered or no raw socket be had (CAP_NET_RAW).
pub fn ping(
    namespace: &Namespace,
    target: Ipv4Addr,
    patience: Duration,
) -> io::Result<Option<Duration>> {
    namespace
        .run(|| ping_here(target, patience))
        .map_err(|error| error.source)?
}

fn ping_here(target: Ipv4Addr, patience: Duration) -> io::Result<Option<Duration>> {
    let raw = socket(
        AddressFamily::Inet,
        SockType::Raw,
        SockFlag::SOCK_CLOEXEC,
        SockProtocol::Icmp,
    )?;
    let [.., high, low] = std::process::id().to_be_bytes();
    let echo = IcmpEchoHeader {
        id: u16::from_be_bytes([high, low]),
        seq: 1,
    };
    let request = Icmpv4Header::with_checksum(Icmpv4Type::EchoRequest(echo), PAYLOAD);
    let mut message = request.to_bytes().to_vec();
    message.extend_from_slice(PAYLOAD);
    let start = Instant::now();
    let to = SockaddrIn::from(SocketAddrV4::new(target, 0));
    match sendto(raw.as_raw_fd(), &message, &to, MsgFlags::empty()) {
        // No route, or nobody answered the ARP request: that is no answer, not a failure.
        Err(Errno::ENETUNREACH | Errno::EHOSTUNREACH | Errno::ENETDOWN) => return Ok(None),
        sent => sent?,
    };
    let mut buffer = [0; 2048];
    loop {
        let left = patience.saturating_sub(start.elapsed());
        if left.is_zero() {
            return Ok(None);
        }
        let wait = i64::try_from(left.max(WAIT_MIN).as_micros()).unwrap_or(i64::MAX);
        setsockopt(&raw, ReceiveTimeout, &TimeVal::microseconds(wait))?;
        match recv(raw.as_raw_fd(), &mut buffer, MsgFlags::empty()) {
            Ok(length) if is_answer(&buffer[..length], target, echo) => {
                return Ok(Some(start.elapsed()));
            }
            Ok(_) | Err(Errno::EAGAIN | Errno::EINTR | Errno::EHOSTUNREACH) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}

fn is_answer(packet: &[u8], target: Ipv4Addr, echo: IcmpEchoHeader) -> bool {
    let Ok(ip) = Ipv4Slice::from_slice(packet) else {
        return false;
    };
    let Ok((icmp, payload)) = Icmpv4Header::from_slice(ip.payload().payload) else {
        return false;
    };
    ip.header().source_addr() == target
        && icmp.icmp_type == Icmpv4Type::EchoReply(echo)
        && payload == PAYLOAD
}
