//! How a switch starts: all of its ports, or none.

use std::hash::{BuildHasher, DefaultHasher, Hash, Hasher, RandomState};
use std::io;
use std::time::Duration;

use crossbeam_channel::Receiver;
use pnet_base::MacAddr;

use super::Daemon;
use super::awake::Awake;
use super::busy::Busy;
use super::lines::{self, Line};
use super::outbox::Outbox;
use super::poller::{Poller, Signals, Waker};
use crate::clock::Clock;
use crate::config::{Config, Io, PortConfig, PortKind};
use crate::control::{Command, Error, EventSink, Reply, Request};
use crate::link::{NamespaceId, Namespaces};
use crate::port::receivers::Receivers;
use crate::port::{Mover, PortError};
use crate::switch::Switch;
use crate::workers::Workers;

/// What the loop listens to beside its ports.
#[derive(Debug)]
pub struct Inputs {
    /// Requests to carry out. When nobody can ask any more, the loop stops.
    pub requests: Receiver<Request>,
    /// Whoever sends a request calls it afterwards.
    pub waker: Waker,
    /// SIGTERM and SIGINT stop the loop.
    pub signals: Option<Signals>,
    /// Carries out a request: `control::execute`, or what a test wants to know.
    pub execute: Executor,
    /// Where events go.
    pub events: Option<EventSink>,
}

/// Carries out one command on the loop's thread, between two batches; bounded work, no waiting.
pub type Executor = fn(&mut Daemon, Duration, Command) -> Result<Reply, Error>;

/// Why a switch could not start. Nothing it made is left.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// One of its ports.
    #[error(transparent)]
    Port(#[from] PortError),
    /// Something all ports need.
    #[error("cannot {doing}: {source}")]
    System {
        /// What was tried.
        doing: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
}

impl Daemon {
    /// Opens every port of `config`, or none.
    ///
    /// # Errors
    /// The first port that cannot be opened, and why; or the kernel has no epoll, netlink or descriptors.
    pub fn start(config: Config, inputs: Inputs) -> Result<Self, StartError> {
        let system = |doing| move |source| StartError::System { doing, source };
        let mut namespaces = Namespaces::new().map_err(system("open rtnetlink"))?;
        let poller = Poller::new(inputs.waker, inputs.signals, config.workers == 0)
            .map_err(system("wait for events"))?;
        let mut mover = Mover::new(config.io);
        if config.workers == 0 && config.io == Io::Uring {
            mover.allow_copies();
        }
        if let Some(why) = mover.fallback() {
            eprintln!(
                "switchd: {why}; frames of taps are moved one by one, those of packet ports leave by sendmmsg"
            );
        }
        let of_packets = |port: &&PortConfig| port.kind == PortKind::Packet;
        let count = config.ports.iter().filter(of_packets).count();
        let receivers = Receivers::ahead(count, config.io);
        let mut opened = Vec::new();
        for port in &config.ports {
            match Line::open(port, &mut namespaces, (&receivers, config.offload)) {
                Ok(line) => opened.push(line),
                Err(error) => {
                    close(opened, &mut namespaces);
                    return Err(error.into());
                }
            }
        }
        let home = namespaces.home();
        if let Err(error) = lines::watch(&mut namespaces, home, &poller) {
            close(opened, &mut namespaces);
            return Err(system("watch links")(error));
        }
        let address = config
            .address
            .unwrap_or_else(|| bridge_address(&config, &opened, home));
        let mut switch = Switch::new(config.core(address, hash_key()));
        let workers = match start_workers(&config, &mut switch, &poller) {
            Ok(workers) => workers,
            Err(error) => {
                close(opened, &mut namespaces);
                return Err(system("start forwarding threads")(error));
            }
        };
        let awake = match workers {
            None => Awake::new(),
            // They need the cores more than their loop does.
            Some(_) => Awake::never(),
        };
        let mut daemon = Self {
            switch,
            config,
            started: Clock.now(),
            lines: Vec::new(),
            namespaces,
            poller,
            busy: Busy::default(),
            awake,
            slices: None,
            mover,
            outbox: Outbox::new(inputs.events),
            workers,
            is_rewired: false,
            closing: Vec::new(),
            requests: inputs.requests,
            execute: inputs.execute,
            ready: Vec::new(),
            controlled: Vec::new(),
            look_at: None,
        };
        let now = Clock.now();
        daemon.outbox.set_now(now);
        for (port, line) in daemon.config.ports.clone().iter().zip(opened) {
            daemon
                .connect(now, port, line)
                .map_err(|error| StartError::System {
                    doing: "add a port",
                    source: io::Error::other(error.message),
                })?;
        }
        for entry in daemon.config.static_macs.clone() {
            daemon.pin(now, entry).map_err(|error| StartError::System {
                doing: "pin an address",
                source: io::Error::other(error.message),
            })?;
        }
        daemon.flush();
        Ok(daemon)
    }
}

/// Nothing is left of lines of a switch that does not start.
fn close(opened: Vec<Line>, namespaces: &mut Namespaces) {
    for line in opened {
        line.close(namespaces);
    }
}

/// The forwarding threads that are configured.
fn start_workers(
    config: &Config,
    switch: &mut Switch,
    poller: &Poller,
) -> io::Result<Option<Workers>> {
    if config.workers == 0 {
        return Ok(None);
    }
    let mirror = switch.mirror();
    let path = switch.fast_path(Duration::ZERO);
    let workers = Workers::start(config.workers.into(), config.io, &mirror, path)?;
    poller.add_bell(workers.bell())?;
    Ok(Some(workers))
}

/// Nobody outside may know which addresses collide.
fn hash_key() -> [u64; 2] {
    [0, 1].map(|half: u64| RandomState::new().hash_one(half))
}

/// The bridge's address if none is configured: the lowest of its interfaces', as is the custom. A switch of
/// taps alone, which are new every time, has one derived from its name and namespace.
fn bridge_address(config: &Config, lines: &[Line], home: NamespaceId) -> MacAddr {
    let interfaces = config
        .ports
        .iter()
        .zip(lines)
        .filter(|(port, _)| port.kind == PortKind::Packet);
    let lowest = interfaces.map(|(_, line)| line.address).min();
    lowest.unwrap_or_else(|| {
        let mut hasher = DefaultHasher::new();
        (&config.name, home.get()).hash(&mut hasher);
        let [a, b, c, d, e, ..] = hasher.finish().to_be_bytes();
        // Individual and locally administered.
        MacAddr(0x02, a, b, c, d, e)
    })
}
