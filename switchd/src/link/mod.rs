//! Links: whether a port's interface exists, is up and has carrier, in whatever namespace it is.

mod cost;
mod route;

use std::fs::File;
use std::io;
use std::net::UdpSocket;
use std::os::fd::AsFd;

pub(crate) use cost::path_cost;
pub(crate) use route::{ADDRESS_GENERATION_NONE, Change, Link, Namespace, NamespaceId, Setting};

/// Lets the tap `interface` of the calling thread's namespace say that it is this fast, in megabits per second, and
/// whether two stations share it or more (half duplex): path costs and link types follow from it.
///
/// # Errors
/// There is none of that name, it is no tap, or CAP_NET_ADMIN is missing.
pub fn set_speed(interface: &str, megabits: u32, full_duplex: bool) -> io::Result<()> {
    // Any socket of the namespace will do.
    let socket = UdpSocket::bind((core::net::Ipv4Addr::UNSPECIFIED, 0))?;
    crate::sys::ethtool::set_speed(socket.as_fd(), interface, megabits, full_duplex)
}

/// The namespaces in which ports have an interface: the daemon's own, and those that taps were moved to.
#[derive(Debug)]
pub(crate) struct Namespaces {
    home: NamespaceId,
    open: Vec<(NamespaceId, Namespace)>,
}

impl Namespaces {
    /// Opens the namespace of the calling thread.
    ///
    /// # Errors
    /// No rtnetlink, or no `/proc`.
    pub(crate) fn new() -> io::Result<Self> {
        let home = NamespaceId::of(&File::open("/proc/thread-self/ns/net")?)?;
        Ok(Self {
            home,
            open: vec![(home, Namespace::here()?)],
        })
    }

    /// The daemon's own namespace.
    pub(crate) fn home(&self) -> NamespaceId {
        self.home
    }

    /// Sockets of the daemon's own namespace.
    pub(crate) fn home_mut(&mut self) -> &mut Namespace {
        &mut self.open[0].1
    }

    /// Sockets of an open namespace.
    pub(crate) fn get_mut(&mut self, id: NamespaceId) -> Option<&mut Namespace> {
        let (_, namespace) = self.open.iter_mut().find(|(open, _)| *open == id)?;
        Some(namespace)
    }

    /// Opens `namespace` unless it is open.
    ///
    /// # Errors
    /// See [`Namespace::of`].
    pub(crate) fn enter(&mut self, namespace: &File) -> io::Result<NamespaceId> {
        let id = NamespaceId::of(namespace)?;
        if !self.open.iter().any(|(open, _)| *open == id) {
            self.open.push((id, Namespace::of(namespace)?));
        }
        Ok(id)
    }

    /// Closes the namespaces in which no port is any more; an open socket would keep them alive.
    pub(crate) fn retain(&mut self, used: impl Fn(NamespaceId) -> bool) {
        let home = self.home;
        self.open.retain(|&(id, _)| id == home || used(id));
    }
}
