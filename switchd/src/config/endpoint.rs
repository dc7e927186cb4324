//! Where the frames of a port without an interface of its own come from: a socket, or a descriptor of somebody's.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::error::KeyError;
use super::{PortKind, PortSettings};

/// Octets of the longest path of a unix socket: `sun_path` less its terminator.
const SOCKET_PATH_MAX: usize = 107;

/// The keys that say it.
const KEYS: [&str; 5] = ["listen", "connect", "local", "remote", "fd"];

/// The other end of a port that is no interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// A unix stream socket that listens for its peer.
    Listen(PathBuf),
    /// A unix stream socket that connects to its peer, and again when it went.
    Connect(PathBuf),
    /// A unix datagram socket.
    Dgram {
        /// Its own path.
        local: PathBuf,
        /// Its peer's.
        remote: PathBuf,
    },
    /// A UDP socket.
    Udp {
        /// Its own address.
        local: SocketAddr,
        /// Its peer's.
        remote: SocketAddr,
    },
    /// A descriptor that the process was started with.
    Descriptor(u32),
}

impl Endpoint {
    /// What `settings` say of a port of `kind`; `None` for an interface.
    pub(super) fn of(kind: PortKind, settings: &PortSettings) -> Result<Option<Self>, KeyError> {
        let wanted: &[&str] = match kind {
            PortKind::Tap | PortKind::Packet => &[],
            PortKind::Stream => &["listen", "connect"],
            PortKind::Dgram | PortKind::Udp => &["local", "remote"],
            PortKind::Fd => &["fd"],
        };
        for (key, value) in settings.endpoint() {
            if value.is_some() && !wanted.contains(&key) {
                let message = format!("a port of kind {} has none", kind.name());
                return Err(KeyError::new(key, message));
            }
        }
        let missing = |key, what: &str| KeyError::new(key, format!("{} needs {what}", kind.name()));
        let both = || {
            let local = settings.local.as_deref();
            let remote = settings.remote.as_deref();
            Ok((
                local.ok_or_else(|| missing("local", "local=ITS-OWN and remote=ITS-PEER'S"))?,
                remote.ok_or_else(|| missing("remote", "local=ITS-OWN and remote=ITS-PEER'S"))?,
            ))
        };
        Ok(match kind {
            PortKind::Tap | PortKind::Packet => None,
            PortKind::Stream => Some(match (&settings.listen, &settings.connect) {
                (Some(at), None) => Self::Listen(socket_path("listen", at)?),
                (None, Some(to)) => Self::Connect(socket_path("connect", to)?),
                (None, None) => return Err(missing("listen", "listen=PATH or connect=PATH")),
                (Some(_), Some(_)) => return Err(KeyError::new("connect", "excludes listen")),
            }),
            PortKind::Dgram => {
                let (local, remote) = both()?;
                Some(Self::Dgram {
                    local: socket_path("local", local)?,
                    remote: socket_path("remote", remote)?,
                })
            }
            PortKind::Udp => {
                let (local, remote) = both()?;
                let (local, remote) = (address("local", local)?, address("remote", remote)?);
                if local.is_ipv4() != remote.is_ipv4() {
                    return Err(KeyError::new("remote", "is of another family than local"));
                }
                Some(Self::Udp { local, remote })
            }
            PortKind::Fd => {
                let number = settings.fd.ok_or_else(|| missing("fd", "fd=NUMBER"))?;
                Some(Self::Descriptor(number))
            }
        })
    }

    /// The keys and values it is written with.
    #[must_use]
    pub fn written(&self) -> Vec<(&'static str, String)> {
        let path = |path: &PathBuf| path.to_string_lossy().into_owned();
        match self {
            Self::Listen(at) => vec![("listen", path(at))],
            Self::Connect(to) => vec![("connect", path(to))],
            Self::Dgram { local, remote } => {
                vec![("local", path(local)), ("remote", path(remote))]
            }
            Self::Udp { local, remote } => {
                vec![("local", local.to_string()), ("remote", remote.to_string())]
            }
            Self::Descriptor(number) => vec![("fd", number.to_string())],
        }
    }
}

impl PortKind {
    /// As written.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tap => "tap",
            Self::Packet => "packet",
            Self::Stream => "stream",
            Self::Dgram => "dgram",
            Self::Udp => "udp",
            Self::Fd => "fd",
        }
    }

    /// The kind that the endpoint in `settings` is of, if one is written.
    pub(super) fn of_endpoint(settings: &PortSettings) -> Option<Self> {
        let of_address = || settings.local.as_ref().or(settings.remote.as_ref());
        if settings.listen.is_some() || settings.connect.is_some() {
            Some(Self::Stream)
        } else if settings.fd.is_some() {
            Some(Self::Fd)
        } else {
            of_address().map(|address| match address.parse::<SocketAddr>() {
                Ok(_) => Self::Udp,
                Err(_) => Self::Dgram,
            })
        }
    }
}

impl PortSettings {
    /// What is said of the endpoint.
    pub(super) fn endpoint(&self) -> [(&'static str, Option<String>); 5] {
        let values = [
            self.listen.clone(),
            self.connect.clone(),
            self.local.clone(),
            self.remote.clone(),
            self.fd.map(|number| number.to_string()),
        ];
        let mut keys = KEYS.into_iter();
        values.map(|value| (keys.next().unwrap_or_default(), value))
    }
}

fn socket_path(key: &'static str, text: &str) -> Result<PathBuf, KeyError> {
    match text.len() {
        0 => Err(KeyError::new(key, "is empty")),
        1..=SOCKET_PATH_MAX if !text.contains('\0') => Ok(PathBuf::from(text)),
        len => {
            let message = format!("{len} octets are no path of a socket (1..{SOCKET_PATH_MAX})");
            Err(KeyError::new(key, message))
        }
    }
}

fn address(key: &'static str, text: &str) -> Result<SocketAddr, KeyError> {
    text.parse().map_err(|_| {
        let message = format!("'{text}' is not an address and port (127.0.0.1:5000, [::1]:5000)");
        KeyError::new(key, message)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(keys: &[(&str, &str)]) -> PortSettings {
        let mut settings = PortSettings::default();
        for (key, value) in keys {
            settings.take(key, Some(value)).unwrap();
        }
        settings
    }

    #[test]
    fn each_kind_has_its_keys_and_no_other() {
        for (kind, keys, message) in [
            (
                PortKind::Tap,
                &[("fd", "3")][..],
                "fd: a port of kind tap has none",
            ),
            (
                PortKind::Stream,
                &[],
                "listen: stream needs listen=PATH or connect=PATH",
            ),
            (
                PortKind::Stream,
                &[("listen", "a"), ("connect", "b")],
                "connect: excludes listen",
            ),
            (
                PortKind::Stream,
                &[("local", "a")],
                "local: a port of kind stream has none",
            ),
            (
                PortKind::Dgram,
                &[("local", "a")],
                "remote: dgram needs local=ITS-OWN and remote=ITS-PEER'S",
            ),
            (
                PortKind::Udp,
                &[("local", "a"), ("remote", "b")],
                "local: 'a' is not an address and port (127.0.0.1:5000, [::1]:5000)",
            ),
            (
                PortKind::Udp,
                &[("local", "127.0.0.1:1"), ("remote", "[::1]:1")],
                "remote: is of another family than local",
            ),
            (PortKind::Fd, &[], "fd: fd needs fd=NUMBER"),
        ] {
            let error = Endpoint::of(kind, &settings(keys)).unwrap_err();
            assert_eq!(error.to_string(), message);
        }
        let long = "x".repeat(SOCKET_PATH_MAX + 1);
        assert!(Endpoint::of(PortKind::Stream, &settings(&[("listen", &long)])).is_err());
    }

    #[test]
    fn an_endpoint_says_its_kind_and_is_written_as_it_was_read() {
        for (kind, keys) in [
            (PortKind::Stream, &[("listen", "/run/vm")][..]),
            (PortKind::Stream, &[("connect", "/run/vm")]),
            (
                PortKind::Dgram,
                &[("local", "/run/sw"), ("remote", "/run/vm")],
            ),
            (
                PortKind::Udp,
                &[("local", "[::1]:5000"), ("remote", "[::1]:5001")],
            ),
            (PortKind::Fd, &[("fd", "7")]),
        ] {
            let settings = settings(keys);
            assert_eq!(PortKind::of_endpoint(&settings), Some(kind));
            let endpoint = Endpoint::of(kind, &settings).unwrap().unwrap();
            let written = endpoint.written();
            let written: Vec<_> = written.iter().map(|(k, v)| (*k, v.as_str())).collect();
            assert_eq!(written, keys);
        }
        assert_eq!(PortKind::of_endpoint(&PortSettings::default()), None);
    }
}
