//! What an interface says of its speed, and what a tap shall say (`SIOCETHTOOL`, `linux/ethtool.h`).

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use super::{check, request};

/// Speed and duplex of an interface, each `None` where the driver does not know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Speed {
    /// Megabits a second.
    pub(crate) megabits: Option<u32>,
    /// Full duplex.
    pub(crate) full_duplex: Option<bool>,
}

/// `struct ethtool_cmd`, the request `ETHTOOL_GSET` as every kernel since 2.4 answers it.
#[repr(C)]
#[derive(Default)]
struct Command {
    cmd: u32,
    supported: u32,
    advertising: u32,
    speed: u16,
    duplex: u8,
    port: u8,
    phy_address: u8,
    transceiver: u8,
    autoneg: u8,
    mdio_support: u8,
    maxtxpkt: u32,
    maxrxpkt: u32,
    speed_hi: u16,
    eth_tp_mdix: u8,
    eth_tp_mdix_ctrl: u8,
    lp_advertising: u32,
    reserved: [u32; 2],
}

const ETHTOOL_GSET: u32 = 1;
const ETHTOOL_SSET: u32 = 2;
const DUPLEX_HALF: u8 = 0;
const DUPLEX_FULL: u8 = 1;

/// Asks the driver of interface `name`, through any socket of the interface's namespace.
///
/// # Errors
/// `ENODEV` if there is none of that name, `EOPNOTSUPP` if its driver has no answer.
pub(crate) fn speed(socket: BorrowedFd<'_>, name: &str) -> io::Result<Speed> {
    let mut command = Command {
        cmd: ETHTOOL_GSET,
        ..Command::default()
    };
    call(socket, name, &mut command)?;
    Ok(decode(&command))
}

/// Tells interface `name` what to say of itself; a tap says whatever it is told.
///
/// # Errors
/// As of [`speed`], and `EPERM` without CAP_NET_ADMIN.
pub(crate) fn set_speed(
    socket: BorrowedFd<'_>,
    name: &str,
    megabits: u32,
    full_duplex: bool,
) -> io::Result<()> {
    let [high_0, high_1, low_0, low_1] = megabits.to_be_bytes();
    let mut command = Command {
        cmd: ETHTOOL_SSET,
        speed: u16::from_be_bytes([low_0, low_1]),
        speed_hi: u16::from_be_bytes([high_0, high_1]),
        duplex: if full_duplex {
            DUPLEX_FULL
        } else {
            DUPLEX_HALF
        },
        ..Command::default()
    };
    call(socket, name, &mut command)
}

fn call(socket: BorrowedFd<'_>, name: &str, command: &mut Command) -> io::Result<()> {
    let mut request = request(name)?;
    request.ifr_ifru.ifru_data = (&raw mut *command).cast();
    // SAFETY: SIOCETHTOOL reads `request`; the requests above read or write one `struct ethtool_cmd` through its
    // data pointer, and `Command` has that layout. Both outlive the call.
    check(unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCETHTOOL, &raw mut request) })?;
    Ok(())
}

fn decode(command: &Command) -> Speed {
    let megabits = u32::from(command.speed_hi) << 16 | u32::from(command.speed);
    // SPEED_UNKNOWN is -1; a driver of 16 bits leaves the upper half zero.
    let unknown = megabits == 0 || megabits == u32::MAX || megabits == u32::from(u16::MAX);
    Speed {
        megabits: (!unknown).then_some(megabits),
        full_duplex: match command.duplex {
            DUPLEX_HALF => Some(false),
            DUPLEX_FULL => Some(true),
            _ => None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(speed_hi: u16, speed: u16, duplex: u8) -> Speed {
        decode(&Command {
            speed,
            speed_hi,
            duplex,
            ..Command::default()
        })
    }

    #[test]
    fn the_layout_is_the_kernels() {
        assert_eq!(size_of::<Command>(), 44);
    }

    #[test]
    fn speeds_over_65_gigabits_use_both_halves() {
        assert_eq!(answer(0, 10_000, 1).megabits, Some(10_000));
        assert_eq!(answer(1, 34_464, 1).megabits, Some(100_000));
    }

    #[test]
    fn an_unknown_speed_or_duplex_is_none() {
        for (high, low) in [(0, 0), (u16::MAX, u16::MAX), (0, u16::MAX)] {
            assert_eq!(answer(high, low, 0xff), Speed::default());
        }
        assert_eq!(answer(0, 10, 0).full_duplex, Some(false));
    }
}
