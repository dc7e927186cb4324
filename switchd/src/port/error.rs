//! Why a port could not be opened, and what helps.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// Why a port could not be opened. The text names the port and the remedy.
#[derive(Debug, Error)]
pub enum PortError {
    /// There is no interface to bind to.
    #[error(
        "port {port}: there is no interface of that name; create it first, or make the port a tap (there {})",
        list(others)
    )]
    Missing {
        /// The port.
        port: String,
        /// The Ethernet interfaces there are.
        others: Vec<String>,
    },
    /// A tap would have the name of an interface that exists.
    #[error(
        "port {0}: an interface of that name exists already; choose another name, remove it, or make the \
         port a packet port"
    )]
    Exists(String),
    /// The interface is none of Ethernet.
    #[error("port {0}: the interface does not carry Ethernet frames")]
    NotEthernet(String),
    /// The kernel does not take such a name.
    #[error("port {0}: no interface can have that name; use 1 to 15 letters, digits and . _ -")]
    Name(String),
    /// A privilege is missing.
    #[error(
        "port {port}: not permitted to {doing}; run as root, or give the program the capabilities \
         cap_net_admin and cap_net_raw (setcap cap_net_admin,cap_net_raw+ep switchd)"
    )]
    Privilege {
        /// The port.
        port: String,
        /// What was tried.
        doing: &'static str,
    },
    /// The kernel has no taps.
    #[error(
        "port {0}: there is no /dev/net/tun; load the module (modprobe tun) or use packet ports"
    )]
    NoTun(String),
    /// A path for a socket.
    #[error("port {port}: cannot {doing} {}: {cause}", path.display())]
    Path {
        /// The port.
        port: String,
        /// What was tried.
        doing: &'static str,
        /// Where.
        path: PathBuf,
        /// What the kernel said; part of the text, so no source of its own.
        cause: io::Error,
    },
    /// A descriptor that was handed over.
    #[error(
        "port {port}: descriptor {number} is no tap without packet information and no connected socket: {cause}"
    )]
    Descriptor {
        /// The port.
        port: String,
        /// Its number.
        number: u32,
        /// What is wrong with it; part of the text, so no source of its own.
        cause: io::Error,
    },
    /// Anything else the kernel said.
    #[error("port {port}: cannot {doing}: {cause}")]
    System {
        /// The port.
        port: String,
        /// What was tried.
        doing: &'static str,
        /// What the kernel said; part of the text, so no source of its own.
        cause: io::Error,
    },
}

/// The most interfaces an error names.
const NAMED_MAX: usize = 8;

/// `are veth0, veth1`, `is none`.
fn list(names: &[String]) -> String {
    match names {
        [] => "is none".to_owned(),
        [one] => format!("is {one}"),
        _ => {
            let more = if names.len() > NAMED_MAX { ", …" } else { "" };
            let named = &names[..names.len().min(NAMED_MAX)];
            format!("are {}{more}", named.join(", "))
        }
    }
}

impl PortError {
    /// No interface has the port's name; finds out which names there are.
    pub(crate) fn missing(port: &str) -> Self {
        let mut others: Vec<String> = pnet::datalink::interfaces()
            .into_iter()
            .filter(|interface| interface.mac.is_some() && !interface.is_loopback())
            .map(|interface| interface.name)
            .collect();
        others.sort();
        Self::Missing {
            port: port.to_owned(),
            others,
        }
    }

    /// What `cause` means when `doing` something with a socket at `path`.
    pub(crate) fn at(port: &str, doing: &'static str, path: &Path, cause: io::Error) -> Self {
        Self::Path {
            port: port.to_owned(),
            doing,
            path: path.to_owned(),
            cause,
        }
    }

    /// What `cause` means when `doing` something for `port`.
    pub(crate) fn new(port: &str, doing: &'static str, cause: io::Error) -> Self {
        let port = port.to_owned();
        match cause.raw_os_error() {
            Some(libc::EPERM | libc::EACCES) => Self::Privilege { port, doing },
            Some(libc::ENODEV | libc::ENXIO) => Self::missing(&port),
            _ => Self::System { port, doing, cause },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_name_port_and_remedy() {
        let error = |code| {
            let cause = io::Error::from_raw_os_error(code);
            let error = PortError::new("p1", "open /dev/net/tun", cause);
            // Who prints the sources, too, would say the same twice.
            assert!(std::error::Error::source(&error).is_none());
            error.to_string()
        };
        assert!(
            error(libc::EPERM).contains("port p1: not permitted to open /dev/net/tun; run as root")
        );
        assert!(error(libc::ENODEV).contains("create it first"));
        let missing = |others: &[&str]| {
            let (port, others) = ("p1".to_owned(), others.iter().map(|&name| name.to_owned()));
            PortError::Missing {
                port,
                others: others.collect(),
            }
            .to_string()
        };
        assert!(missing(&[]).contains("(there is none)"));
        assert!(missing(&["veth0"]).contains("(there is veth0)"));
        assert!(missing(&["veth0", "veth1"]).contains("(there are veth0, veth1)"));
        assert!(missing(&["v"; 9]).contains("v, v, …)"));
        assert!(error(libc::EMFILE).starts_with("port p1: cannot open /dev/net/tun: "));
    }
}
