//! Devices under test.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::BenchError;
use crate::lab::program;
use crate::netns::Namespace;
use crate::peers::{Daemon, KernelBridge, Ovs, OvsPort, PeerError, Vde};

/// How long a switch may take until its ports are there.
const PATIENCE: Duration = Duration::from_secs(20);
/// Addresses that a device must be able to hold, where it lets itself be told.
pub(super) const TABLE: u32 = 131_072;

/// What a port is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Medium {
    /// A tap that the device makes; its kernel end is the host's interface.
    Tap,
    /// One end of a veth pair, through a packet socket or in the kernel.
    Veth,
}

/// A device under test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Dut {
    /// Ours, tap ports.
    SwitchdTap,
    /// Ours, packet ports.
    SwitchdPacket,
    /// Ours, tap ports without offloads: what the offloads cost small frames.
    SwitchdTapPlain,
    /// Linux's bridge.
    KernelBridge,
    /// Open vSwitch's userspace datapath, tap ports.
    OvsTap,
    /// The same, packet sockets on veth.
    OvsVeth,
    /// VDE, tap ports.
    Vde,
}

impl Dut {
    /// In the order they take their turns.
    pub const ALL: [Self; 7] = [
        Self::SwitchdTap,
        Self::SwitchdPacket,
        Self::KernelBridge,
        Self::OvsTap,
        Self::OvsVeth,
        Self::Vde,
        Self::SwitchdTapPlain,
    ];

    /// Its name in tables and files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::SwitchdTap => "switchd-tap",
            Self::SwitchdPacket => "switchd-packet",
            Self::SwitchdTapPlain => "switchd-tap-plain",
            Self::KernelBridge => "kernel-bridge",
            Self::OvsTap => "ovs-tap",
            Self::OvsVeth => "ovs-veth",
            Self::Vde => "vde",
        }
    }

    /// The device called so.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|dut| dut.name() == name)
    }

    /// What `--dut` calls it.
    #[must_use]
    pub fn family(self) -> Family {
        match self {
            Self::SwitchdTap | Self::SwitchdPacket | Self::SwitchdTapPlain => Family::Switchd,
            Self::KernelBridge => Family::KernelBridge,
            Self::OvsTap | Self::OvsVeth => Family::Ovs,
            Self::Vde => Family::Vde,
        }
    }

    /// What its ports are.
    #[must_use]
    pub fn medium(self) -> Medium {
        match self {
            Self::SwitchdTap | Self::SwitchdTapPlain | Self::OvsTap | Self::Vde => Medium::Tap,
            Self::SwitchdPacket | Self::KernelBridge | Self::OvsVeth => Medium::Veth,
        }
    }

    /// Whether hosts must finish their checksums themselves: Open vSwitch reads a packet socket without the header that
    /// says a checksum is unfinished, and passes such a frame on as it is.
    #[must_use]
    pub fn wants_checksums(self) -> bool {
        self == Self::OvsVeth
    }

    /// Whether everything it takes is installed.
    ///
    /// # Errors
    /// What is missing.
    pub fn installed(self) -> Result<(), BenchError> {
        match self.family() {
            Family::Switchd => program("switchd").map(|_| ()).map_err(BenchError::from),
            Family::KernelBridge => Ok(KernelBridge::installed()?),
            Family::Ovs => Ok(Ovs::installed()?),
            Family::Vde => Ok(Vde::installed()?),
        }
    }
}

/// Devices as `--dut` names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Family {
    /// This project's switch.
    Switchd,
    /// Linux's bridge.
    KernelBridge,
    /// Open vSwitch, userspace datapath.
    Ovs,
    /// VDE.
    Vde,
}

/// A running device.
#[derive(Debug)]
pub(super) enum Device {
    Switchd(Daemon),
    Kernel,
    Ovs(Ovs),
    Vde(Vde),
}

impl Device {
    /// Starts `dut` in `namespace` over `ports` and waits until taps are there. Files are kept in `dir`.
    pub(super) fn start(
        dut: Dut,
        namespace: &Namespace,
        ports: &[&str],
        dir: &Path,
        switchd_args: &[String],
    ) -> Result<Self, BenchError> {
        let mut this = Self::launch(dut, namespace, ports, dir, switchd_args)?;
        let net = namespace.net()?;
        let there = || ports.iter().all(|port| net.link(port).is_ok());
        match &mut this {
            Self::Switchd(daemon) => daemon.wait_until(PATIENCE, there)?,
            Self::Vde(vde) => vde.wait_until(PATIENCE, there)?,
            Self::Kernel | Self::Ovs(_) => {}
        }
        Ok(this)
    }

    /// The same without waiting for what comes by itself.
    pub(super) fn launch(
        dut: Dut,
        namespace: &Namespace,
        ports: &[&str],
        dir: &Path,
        switchd_args: &[String],
    ) -> Result<Self, BenchError> {
        fs::create_dir_all(dir)
            .map_err(|source| BenchError::io(format!("make {}", dir.display()), source))?;
        match dut {
            Dut::SwitchdTap | Dut::SwitchdPacket | Dut::SwitchdTapPlain => {
                let mut command = switchd(dut, ports, dir, switchd_args)?;
                let log = dir.join("log");
                let daemon = Daemon::start(namespace, "switchd", &mut command, &log)?;
                Ok(Self::Switchd(daemon))
            }
            Dut::KernelBridge => {
                // A chain has several in one namespace.
                let name = format!("br-{}", ports.first().unwrap_or(&"0"));
                KernelBridge::create(namespace, &name, ports, None)?;
                Ok(Self::Kernel)
            }
            Dut::OvsTap => Ok(Self::Ovs(ovs(namespace, ports, dir, OvsPort::Tap)?)),
            Dut::OvsVeth => Ok(Self::Ovs(ovs(namespace, ports, dir, OvsPort::System)?)),
            Dut::Vde => Ok(Self::Vde(Vde::launch(namespace, dir, ports)?)),
        }
    }

    /// The process that forwards; the kernel's bridge has none.
    pub(super) fn pid(&self) -> Option<u32> {
        match self {
            Self::Switchd(daemon) => Some(daemon.pid()),
            Self::Kernel => None,
            Self::Ovs(ovs) => Some(ovs.pid()),
            Self::Vde(vde) => Some(vde.pid()),
        }
    }

    /// How it was started.
    pub(super) fn command(&self) -> String {
        match self {
            Self::Switchd(daemon) => daemon.command().to_owned(),
            Self::Kernel => "ip link add br0 type bridge".to_owned(),
            Self::Ovs(ovs) => ovs.command().to_owned(),
            Self::Vde(vde) => vde.command().to_owned(),
        }
    }
}

/// Spanning tree is off unless it is what is measured: ports forward at once.
fn switchd(
    dut: Dut,
    ports: &[&str],
    dir: &Path,
    arguments: &[String],
) -> Result<Command, BenchError> {
    let mut command = Command::new(program("switchd")?);
    command.args(["--name", "bench"]);
    if !arguments.iter().any(|argument| argument == "--stp") {
        command.args(["--stp", "off"]);
    }
    command.args(["--cam-capacity", &TABLE.to_string()]);
    command.arg("--run-dir").arg(dir);
    if dut == Dut::SwitchdTapPlain {
        command.args(PLAIN);
    }
    command.args(arguments);
    command.arg(match dut.medium() {
        Medium::Tap => "--tap",
        Medium::Veth => "--packet",
    });
    command.args(ports);
    Ok(command)
}

/// Switches the offloads of taps off.
pub(super) const PLAIN: [&str; 2] = ["--offload", "off"];

/// Whether our switch has the option that [`Dut::SwitchdTapPlain`] needs.
pub(super) fn knows_offload() -> Result<bool, BenchError> {
    let output = Command::new(program("switchd")?).arg("--help").output();
    let output = output.map_err(|source| BenchError::io("ask switchd for help", source))?;
    Ok(String::from_utf8_lossy(&output.stdout).contains(PLAIN[0]))
}

fn ovs(namespace: &Namespace, ports: &[&str], dir: &Path, kind: OvsPort) -> Result<Ovs, PeerError> {
    let ovs = Ovs::start(namespace, dir)?;
    ovs.add_bridge("br0")?;
    let size = format!("other_config:mac-table-size={TABLE}");
    ovs.vsctl(&["set", "bridge", "br0", &size])?;
    ovs.add_ports("br0", ports, kind)?;
    Ok(ovs)
}
