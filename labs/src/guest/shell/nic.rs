//! The machine's network card: the descriptor side of a tap.

use anyhow::Context as _;
use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use std::io;
use std::os::fd::AsRawFd as _;
use tun_tap::{Iface, Mode};

use crate::guest::FRAME_MAX;
use crate::netns::Namespace;

/// A tap whose frames go to and come from the machine.
#[derive(Debug)]
pub(super) struct Nic {
    tap: Iface,
    /// Frames may wait: the last read did not say otherwise.
    pub(super) ready: bool,
    buffer: Vec<u8>,
}

impl Nic {
    /// Makes the tap `name` in the namespace `netns` (or here) and sets it up.
    pub(super) fn open(name: &str, netns: Option<&str>) -> anyhow::Result<Self> {
        let make = || Iface::without_packet_info(name, Mode::Tap);
        let tap = match netns {
            None => make()?,
            Some(netns) => {
                let namespace = Namespace::open(netns)?;
                let tap = namespace
                    .run(make)?
                    .with_context(|| format!("make the tap {name} in {netns}"))?;
                namespace.net()?.set_up(tap.name(), true)?;
                tap
            }
        };
        tap.set_non_blocking()?;
        Ok(Self {
            tap,
            ready: true,
            // One more than the longest: a longer frame shows by filling it.
            buffer: vec![0; FRAME_MAX + 1],
        })
    }

    pub(super) fn register(&self, registry: &Registry, token: Token) -> io::Result<()> {
        registry.register(
            &mut SourceFd(&self.tap.as_raw_fd()),
            token,
            Interest::READABLE,
        )
    }

    /// The next frame that waits, if any.
    pub(super) fn receive(&mut self) -> Option<&[u8]> {
        match self.tap.recv(&mut self.buffer) {
            Ok(len) => Some(&self.buffer[..len]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => None,
            Err(_) => {
                self.ready = false;
                None
            }
        }
    }

    /// Sends a frame. A card has no way to say that it could not: the frame is lost, as on a wire.
    pub(super) fn send(&self, frame: &[u8]) {
        let _lost_if_error = self.tap.send(frame);
    }
}
