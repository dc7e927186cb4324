//! A port that is a datagram socket, a datagram a frame: a VM's network card, as QEMU's `-netdev dgram` has it, or
//! a node of GNS3 by UDP.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::batch::Batch;
use super::segment::Segmenter;
use super::socket_file::SocketFile;
use super::watch::Watch;
use super::way::{Way, send_own};
use super::{Leaving, PortError, Reception, Sent, Turn};
use crate::sys::mmsg::Messages;
use crate::sys::packet::set_buffers;

/// How often a unix socket's peer is looked for: the kernel tells neither that it came nor that it went.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// How long the carrier is down after a host has said that nobody has the peer's UDP port. Nothing tells when
/// somebody has, unless he sends.
const REFUSED: Duration = Duration::from_secs(2);

/// As soon as the loop runs.
const SOON: Duration = Duration::from_nanos(1);

/// Octets the kernel keeps in each direction.
const BUFFER: libc::c_int = 1 << 20;

/// The port.
#[derive(Debug)]
pub(crate) struct Datagram {
    watch: Watch,
    socket: Socket,
    carrier: AtomicBool,
    /// The carrier as the loop knows it.
    told: AtomicBool,
    enabled: AtomicBool,
    turn: Turn,
}

#[derive(Debug)]
enum Socket {
    Unix {
        socket: UnixDatagram,
        local: PathBuf,
        remote: PathBuf,
        _file: SocketFile,
    },
    Udp {
        socket: UdpSocket,
        local: SocketAddr,
        remote: SocketAddr,
    },
    /// Somebody has opened and connected it.
    Given {
        socket: OwnedFd,
        /// A peer may come back; that of a pair of unix sockets cannot.
        is_inet: bool,
    },
}

impl Datagram {
    /// A unix socket at `local` for the peer at `remote`.
    ///
    /// # Errors
    /// The path is taken, or cannot be made.
    pub(crate) fn unix(port: &str, local: &Path, remote: &Path) -> Result<Self, PortError> {
        let bound = SocketFile::bind(
            local,
            |path| UnixDatagram::bind(path),
            |path| UnixDatagram::unbound()?.connect(path),
        );
        bound
            .and_then(|(socket, file)| {
                Self::new(Socket::Unix {
                    socket,
                    local: local.to_owned(),
                    remote: remote.to_owned(),
                    _file: file,
                })
            })
            .map_err(|error| PortError::at(port, "bind at", local, error))
    }

    /// A UDP socket at `local` for the peer at `remote`.
    ///
    /// # Errors
    /// The address is taken, or not of this host; there is no way to the peer.
    pub(crate) fn udp(
        port: &str,
        local: SocketAddr,
        remote: SocketAddr,
    ) -> Result<Self, PortError> {
        let open = || {
            let socket = UdpSocket::bind(local)?;
            socket.connect(remote)?;
            Self::new(Socket::Udp {
                socket,
                local,
                remote,
            })
        };
        open().map_err(|error| PortError::new(port, "open its UDP socket", error))
    }

    /// A datagram socket that somebody has opened and connected.
    pub(super) fn given(socket: OwnedFd, is_inet: bool) -> io::Result<Self> {
        Self::new(Socket::Given { socket, is_inet })
    }

    fn new(socket: Socket) -> io::Result<Self> {
        let watch = Watch::new()?;
        watch.add(socket.descriptor())?;
        // More than the default is only comfort.
        let _ = set_buffers(socket.descriptor(), BUFFER, BUFFER);
        let looks = matches!(socket, Socket::Unix { .. });
        if looks {
            watch.after(SOON);
        }
        Ok(Self {
            watch,
            socket,
            carrier: AtomicBool::new(!looks),
            told: AtomicBool::new(!looks),
            enabled: AtomicBool::new(true),
            turn: Turn::new(),
        })
    }

    pub(crate) fn descriptor(&self) -> BorrowedFd<'_> {
        self.watch.descriptor()
    }

    /// Whether there is a peer, as far as the kernel tells.
    pub(crate) fn has_carrier(&self) -> bool {
        self.carrier.load(Ordering::Relaxed) && self.enabled.load(Ordering::Relaxed)
    }

    /// Administratively down, nothing passes.
    pub(crate) fn set_enabled(&self, enabled: bool) {
        self.enabled.store(enabled, Ordering::Relaxed);
    }

    /// For people.
    pub(crate) fn describe(&self) -> String {
        let socket = match &self.socket {
            Socket::Unix { local, remote, .. } => {
                format!(
                    "datagram socket, {} to {}",
                    local.display(),
                    remote.display()
                )
            }
            Socket::Udp { local, remote, .. } => format!("UDP socket, {local} to {remote}"),
            Socket::Given { .. } => "datagram socket, handed over".to_owned(),
        };
        let peer = match self.carrier.load(Ordering::Relaxed) {
            true => "",
            false => ", no peer",
        };
        format!("{socket}{peer}, frames leave finished")
    }

    /// Receives at most a batch of frames; looks for the peer when it is time.
    pub(crate) fn receive(&self, batch: &mut Batch, messages: &mut Messages) -> Reception {
        let is_time = self.watch.clear();
        let places = batch.places(0).into_iter().take(self.turn.asked());
        let received = messages.receive(self.socket.descriptor(), places);
        for (place, arrival) in received
            .iter()
            .flat_map(|arrivals| arrivals.iter())
            .enumerate()
        {
            batch.accept(place, arrival.len, 0, None);
        }
        self.turn.over(batch);
        match (&self.socket, received) {
            (Socket::Unix { socket, remote, .. }, received) => {
                if is_time || (received.is_ok() && !self.carrier.load(Ordering::Relaxed)) {
                    // To the same peer again it is no change; that he is gone, or another by now, is found out.
                    let is_there = socket.connect(remote).is_ok();
                    self.carrier.store(is_there, Ordering::Relaxed);
                    self.watch.after(LOOK_EVERY);
                }
            }
            (_, Ok(_)) => self.carrier.store(true, Ordering::Relaxed),
            (_, Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => self.refused(),
            (_, Err(_)) if is_time => self.carrier.store(true, Ordering::Relaxed),
            (_, Err(_)) => {}
        }
        let carrier = self.carrier.load(Ordering::Relaxed);
        match self.told.swap(carrier, Ordering::Relaxed) == carrier {
            true => Reception::Done,
            false => Reception::Carrier,
        }
    }

    /// The peer's host has said that nobody is there.
    fn refused(&self) {
        self.carrier.store(false, Ordering::Relaxed);
        match &self.socket {
            Socket::Udp { .. } | Socket::Given { is_inet: true, .. } => self.watch.after(REFUSED),
            Socket::Unix { .. } | Socket::Given { is_inet: false, .. } => {}
        }
        self.watch.again();
    }

    /// Sends what leaves, finished.
    pub(crate) fn transmit(
        &self,
        batch: &Batch,
        leaving: Leaving<'_>,
        segmenter: &mut Segmenter,
        messages: &mut Messages,
    ) -> Sent {
        if !self.has_carrier() {
            return Sent::nowhere(leaving.frames());
        }
        let sent = match leaving {
            Leaving::Own(frame) => send_own(self.socket.descriptor(), 0, frame, messages),
            Leaving::Relayed(queue) => {
                let way = Way {
                    header_len: 0,
                    finishes: true,
                };
                way.transmit(self.socket.descriptor(), batch, queue, segmenter, messages)
            }
        };
        if sent.down > 0 {
            self.refused();
        }
        sent
    }
}

impl Socket {
    fn descriptor(&self) -> BorrowedFd<'_> {
        match self {
            Self::Unix { socket, .. } => socket.as_fd(),
            Self::Udp { socket, .. } => socket.as_fd(),
            Self::Given { socket, .. } => socket.as_fd(),
        }
    }
}
