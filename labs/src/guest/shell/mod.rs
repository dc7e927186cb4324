//! The process that gives a [`Machine`](super::Machine) a network card, a clock and a socket to be
//! asked on: `labs guest`.
//!
//! One thread, one loop: it sleeps in epoll until a frame, a request, migration traffic or the
//! earliest deadline (a timerfd, for epoll's own timeout counts whole milliseconds) and does a
//! bounded amount of each per turn.
//!
//! The card is the descriptor side of a tap opened in the vSwitch's namespace; the device itself
//! stays there as the plug a vSwitch port is put on. A machine that is stopped or has left keeps
//! its tap, silent, until the process is told to quit: the plug is pulled after the move, so no
//! switch loses a carrier and flushes an entry early.

mod client;
mod control;
mod incoming;
mod nic;
mod outgoing;
mod run;

use core::time::Duration;
use pnet_base::MacAddr;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::PathBuf;

use super::MachineConfig;
use super::memory::{PAGE, PAGES_PER_MIB};

pub use client::{GuestClient, GuestClientError, GuestEvent};
pub use control::Request;

/// Flags of `labs guest`: one virtual machine, in the foreground, until it is told to quit.
#[derive(Clone, Debug, clap::Args)]
pub struct GuestArgs {
    /// Name of the machine, for messages
    #[arg(long, default_value = "vm1")]
    pub name: String,
    /// Tap to make as the machine's network card
    #[arg(long)]
    pub tap: String,
    /// Named network namespace of the vSwitch, in which the tap is made; default: this one
    #[arg(long)]
    pub tap_netns: Option<String>,
    /// Control socket to listen on
    #[arg(long)]
    pub control: PathBuf,
    /// Wait at ADDRESS:PORT for a machine to arrive, instead of booting one
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub incoming: Option<SocketAddrV4>,
    /// Address of the network card
    #[arg(long, default_value = "52:54:00:00:00:05")]
    pub mac: MacAddr,
    /// IP address
    #[arg(long, default_value = "10.0.10.5")]
    pub ip: Ipv4Addr,
    /// Length of the network prefix
    #[arg(long, default_value_t = 24)]
    pub prefix: u8,
    /// TCP port of the stream service
    #[arg(long, default_value_t = 7)]
    pub port: u16,
    /// Memory in MiB (with --incoming: the most to accept)
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub memory_mib: u32,
    /// Memory dirtied, in octets per second
    #[arg(long, default_value_t = 8 << 20)]
    pub dirty_rate: u64,
    /// Pace of the stream, octets per second; 0: as fast as the client takes it
    #[arg(long, default_value_t = 256 << 10)]
    pub stream_rate: u64,
}

impl GuestArgs {
    /// The machine these flags describe.
    #[must_use]
    pub fn config(&self) -> MachineConfig {
        let pages = self.dirty_rate / PAGE as u64;
        MachineConfig {
            mac: self.mac,
            ip: self.ip,
            prefix_len: self.prefix,
            port: self.port,
            memory_pages: self.memory_mib * PAGES_PER_MIB,
            dirty_pages_per_second: u32::try_from(pages).unwrap_or(u32::MAX),
            stream_rate: self.stream_rate,
            stream_limit: None,
            seed: u64::from(u32::from(self.ip)),
        }
    }
}

/// Runs `labs guest` until it is told to quit or the process gets SIGTERM or SIGINT.
///
/// # Errors
///
/// When the tap, the control socket or the incoming socket cannot be had, or `args` describe no
/// machine. Nothing is left behind then.
pub fn run(args: &GuestArgs) -> anyhow::Result<()> {
    run::Shell::new(args)?.run()
}

/// CLOCK_MONOTONIC: comparable between the processes of one machine.
#[must_use]
pub fn monotonic() -> Duration {
    let now = nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC)
        .expect("CLOCK_MONOTONIC exists on Linux");
    Duration::from(now)
}
