//! Other people's switches, run privately in a namespace: what the bench compares with and what the tests of
//! interoperability talk to.
//!
//! [`KernelBridge`] is Linux's own bridge, [`Ovs`] Open vSwitch with its userspace datapath, [`Vde`] VDE's switch. None of
//! them uses or touches a daemon of the system: databases, sockets and logs are in a directory of the caller's, devices in
//! a namespace of the caller's, and processes end when their owner is dropped. A peer that is not installed is an error
//! that names the program and its Debian package ([`PeerError::Missing`]).
//!
//! ```no_run
//! use labs::netns::Namespace;
//! use labs::peers::{Ovs, OvsPort, Protocol, Tree};
//!
//! let red = Namespace::create("red")?;
//! let ovs = Ovs::start(&red, std::path::Path::new("/tmp/ovs-red"))?;
//! ovs.add_bridge("br0")?;
//! ovs.add_ports("br0", &["p1", "p2"], OvsPort::Tap)?;
//! ovs.set_tree("br0", &Tree { priority: 4096, ..Tree::new(Protocol::Rstp) })?;
//! assert_eq!(ovs.port("p1")?.role.as_deref(), Some("designated"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod daemon;
mod kernel;
mod ovs;
mod tool;
mod vde;
mod view;

use std::io;

use pnet_base::MacAddr;
use stp::BridgeTimes;

pub use daemon::Daemon;
pub use kernel::KernelBridge;
pub use ovs::{Ovs, OvsPort};
pub use tool::{Package, find};
pub use vde::Vde;
pub use view::TreeView;

use crate::netns;

/// Why a peer cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum PeerError {
    /// It is not installed.
    #[error("there is no program `{program}` (Debian package {package})")]
    Missing {
        /// What was looked for.
        program: &'static str,
        /// Where it comes from.
        package: &'static str,
    },
    /// A namespace cannot be entered.
    #[error(transparent)]
    Netns(#[from] netns::Error),
    /// A file or process operation failed.
    #[error("cannot {action}: {source}")]
    Io {
        /// What was tried.
        action: String,
        /// What the system said.
        source: io::Error,
    },
    /// One of its tools refused.
    #[error("`{command}`: {said}")]
    Refused {
        /// The command.
        command: String,
        /// What it said.
        said: String,
    },
    /// A daemon ended, or does not answer.
    #[error("{program} did not come up: {said}")]
    Start {
        /// The daemon.
        program: &'static str,
        /// Its last words, or what is known.
        said: String,
    },
}

impl PeerError {
    pub(crate) fn io(action: impl Into<String>, source: io::Error) -> Self {
        Self::Io {
            action: action.into(),
            source,
        }
    }
}

/// Which spanning tree a peer speaks. The kernel bridge speaks [`Protocol::Stp`] only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// 802.1D-1998.
    Stp,
    /// 802.1D-2004.
    Rstp,
}

/// A peer's spanning tree parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tree {
    /// Which protocol.
    pub protocol: Protocol,
    /// Bridge priority, 0 to 61440 in steps of 4096.
    pub priority: u16,
    /// The address in the bridge's identifier; the peer's own choice if absent.
    pub address: Option<MacAddr>,
    /// Hello time, max age and forward delay; peers take whole seconds.
    pub times: BridgeTimes,
}

impl Tree {
    /// Priority 32768 and default times (802.1D-2004 Table 17-1).
    #[must_use]
    pub fn new(protocol: Protocol) -> Self {
        Self {
            protocol,
            priority: 32768,
            address: None,
            times: BridgeTimes::default(),
        }
    }
}

/// What a peer says of a port of its spanning tree, in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortStatus {
    /// `root`, `designated`, `alternate`, `backup`, `disabled`; `None`: the peer does not say (the kernel bridge).
    pub role: Option<String>,
    /// `disabled`, `blocking`, `listening`, `learning`, `forwarding`, or `discarding`.
    pub state: String,
}
