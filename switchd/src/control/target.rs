//! What control needs of a running switch.

use std::time::Duration;

use cam::AgeingTime;
use etherparse::VlanId;
use pnet_base::MacAddr;
use stp::PortNumber;

use super::Error;
use crate::config::{Config, PortConfig, StaticMac, StpConfig};
use crate::switch::Switch;

/// A running switch as control sees it: the daemon, or a bare core in tests and in the simulation.
///
/// Values that arrive here were checked; errors are those of the world (no such interface, no privilege, table
/// full). A call that fails has changed nothing. Each call does a bounded amount of work and never blocks.
pub trait Target {
    /// The live configuration; every successful call below is reflected in it.
    fn config(&self) -> &Config;

    /// The core.
    fn switch(&self) -> &Switch;

    /// When the switch started, on the time line of `now`.
    fn started(&self) -> Duration;

    /// What the port is at this moment; `None` for a number no port has.
    fn port_facts(&self, number: PortNumber) -> Option<PortFacts>;

    /// Adds a port whose name and number are free: makes or opens its device, then tells the core.
    ///
    /// # Errors
    /// The kernel refused.
    fn add_port(&mut self, now: Duration, port: PortConfig) -> Result<(), Error>;

    /// Removes the port with this number, and the addresses pinned to it: core first, then the device.
    ///
    /// # Errors
    /// The kernel refused.
    fn remove_port(&mut self, now: Duration, number: PortNumber) -> Result<(), Error>;

    /// Gives the port with this number a new mode, spanning-tree parameters, administrative state. Number, name,
    /// kind and address are as they were.
    ///
    /// # Errors
    /// The kernel refused.
    fn configure_port(&mut self, now: Duration, port: PortConfig) -> Result<(), Error>;

    /// Changes the spanning tree, on and off included.
    fn configure_stp(&mut self, now: Duration, stp: StpConfig);

    /// Finds out again whether classic bridges are behind the port with this number.
    fn check_migration(&mut self, now: Duration, number: PortNumber);

    /// Changes the ageing time.
    fn configure_ageing(&mut self, now: Duration, ageing: AgeingTime);

    /// Forgets learned entries; tells how many.
    fn flush(&mut self, now: Duration, flush: cam::Flush<PortNumber>) -> u64;

    /// Pins an address to a port.
    ///
    /// # Errors
    /// The table is full.
    fn insert_static(&mut self, now: Duration, entry: StaticMac) -> Result<(), Error>;

    /// Unpins an address; whether it was pinned.
    fn remove_static(&mut self, now: Duration, vlan: VlanId, mac: MacAddr) -> bool;
}

/// A port's device at this moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortFacts {
    /// Address of the port.
    pub mac: MacAddr,
    /// Whether the link is there.
    pub link: bool,
    /// Longest frame in octets, tags included.
    pub frame_max: u32,
    /// Words about the I/O path: offloads in use, what the kernel refused.
    pub io: String,
}
