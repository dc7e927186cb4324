//! The VMs of a lab: their processes, and the vSwitch ports they are plugged into.
//!
//! A VM's card is a tap in its vSwitch's namespace; plugging it in is a live `add port` of kind
//! `packet`, unplugging a `remove port`: what a hypervisor does with a vNIC.

use core::time::Duration;
use std::collections::BTreeMap;
use std::fs::File;
use std::net::{IpAddr, Ipv4Addr, SocketAddrV4};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use switchd::config::{PortKind, PortSettings};
use switchd::control::{ClientError, Command as Ask, ErrorCode};

use crate::guest::shell::{GuestClient, Request, monotonic};
use crate::lab::{Identity, Lab, LabError, interrupt, namespace_name, program};
use crate::topology::{Vm, Wire};

/// How long a guest may take until it answers: it fills its memory first.
const READY_MAX: Duration = Duration::from_secs(10);
/// How long a guest may take to end after it was told to.
const QUIT_MAX: Duration = Duration::from_secs(3);
const TURN: Duration = Duration::from_millis(5);
/// Where a host waits for machines.
const MIGRATION_PORT: u16 = 7001;
/// The guests' stream service.
pub(super) const STREAM_PORT: u16 = 7;

/// A guest process and where it is plugged in.
#[derive(Debug)]
pub(super) struct Guest {
    pub(super) host: String,
    pub(super) client: GuestClient,
    child: Child,
    vswitch: String,
    port: String,
}

/// The running VMs, by name.
#[derive(Debug, Default)]
pub(super) struct Guests {
    running: BTreeMap<String, Guest>,
}

impl Guests {
    /// Boots `vm` where the file says and plugs it in.
    pub(super) fn boot(&mut self, lab: &Lab, vm: &str, settings: &Vm) -> Result<(), LabError> {
        let guest = Guest::start(lab, vm, settings, &settings.host, None)?;
        self.running.insert(vm.to_owned(), guest);
        Ok(())
    }

    /// Where each VM runs: VM, host.
    pub(super) fn places(&self) -> impl Iterator<Item = (&str, &str)> {
        self.running
            .iter()
            .map(|(vm, guest)| (vm.as_str(), guest.host.as_str()))
    }

    /// Lets every VM tell the network where it is.
    pub(super) fn announce(&mut self) -> Result<(), LabError> {
        for (vm, guest) in &mut self.running {
            let told = guest.client.call(&Request::Announce);
            told.map_err(|error| LabError::Other(format!("{vm}: {error}")))?;
        }
        Ok(())
    }

    /// The process of `vm`.
    pub(super) fn get(&mut self, vm: &str) -> Result<&mut Guest, LabError> {
        let missing = || LabError::Other(format!("{vm} does not run"));
        self.running.get_mut(vm).ok_or_else(missing)
    }

    /// `vm` is now `guest`; returns the process it was.
    pub(super) fn replace(&mut self, vm: &str, guest: Guest) -> Option<Guest> {
        self.running.insert(vm.to_owned(), guest)
    }
}

impl Guest {
    /// Starts a process for `vm` on `host`, booting or waiting at `incoming`, and plugs it in.
    pub(super) fn start(
        lab: &Lab,
        vm: &str,
        settings: &Vm,
        host: &str,
        incoming: Option<SocketAddrV4>,
    ) -> Result<Self, LabError> {
        let vswitch = lab
            .topology
            .host(host)
            .and_then(|host| host.vswitch.clone());
        let vswitch = vswitch.ok_or_else(|| LabError::Other(format!("{host} has no vSwitch")))?;
        let (port, port_settings) = vm_port(lab, vm, settings, &vswitch);
        unplug(lab, &vswitch, &port)?;
        let control = control_path(lab, vm, host);
        let mut command = command(lab, vm, settings, &vswitch, &port)?;
        command.arg("--control").arg(&control);
        if let Some(at) = incoming {
            command.arg("--incoming").arg(at.to_string());
        }
        let log = lab.dir().join(format!("{vm}-{host}.log"));
        let stderr = File::create(&log)
            .map_err(|source| LabError::io(format!("write {}", log.display()), source))?;
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(stderr);
        let mut child = lab.spawn(host, &format!("guest {vm}"), &mut command)?;
        let client = connect(&control, &mut child, vm, &log)?;
        plug(lab, &vswitch, &port, port_settings)?;
        Ok(Self {
            host: host.to_owned(),
            client,
            child,
            vswitch,
            port,
        })
    }

    /// The vSwitch and the port it is plugged into.
    pub(super) fn plug(&self) -> (&str, &str) {
        (&self.vswitch, &self.port)
    }

    /// Pulls the plug, then ends the process.
    pub(super) fn end(mut self, lab: &Lab) -> Result<(), LabError> {
        unplug(lab, &self.vswitch, &self.port)?;
        let pid = i32::try_from(self.child.id()).ok();
        if let Some(identity) = pid.and_then(Identity::of) {
            lab.ended(identity)?;
        }
        // One that has died by itself needs no telling.
        let _gone = self.client.call(&Request::Quit);
        let end = monotonic() + QUIT_MAX;
        while monotonic() < end {
            if matches!(self.child.try_wait(), Ok(Some(_)) | Err(_)) {
                return Ok(());
            }
            std::thread::sleep(TURN);
        }
        let killed = self.child.kill().and_then(|()| self.child.wait());
        killed
            .map(drop)
            .map_err(|source| LabError::io("end a guest", source))
    }
}

/// The address at which `host` takes machines in: that of its VMkernel interface.
pub(super) fn migration_address(lab: &Lab, host: &str) -> Result<SocketAddrV4, LabError> {
    let ports = lab.topology.host(host).map_or(&[][..], |host| &host.ports);
    let mut addresses = ports.iter().flat_map(|port| &port.addresses);
    let found = addresses.find_map(|address| match address.ip {
        IpAddr::V4(ip) => Some(ip),
        IpAddr::V6(_) => None,
    });
    let missing = || LabError::Other(format!("{host} has no VMkernel address"));
    Ok(SocketAddrV4::new(
        found.ok_or_else(missing)?,
        MIGRATION_PORT,
    ))
}

/// The VM's address.
pub(super) fn ipv4(vm: &str, settings: &Vm) -> Result<Ipv4Addr, LabError> {
    match settings.ip.ip {
        IpAddr::V4(ip) => Ok(ip),
        IpAddr::V6(_) => Err(LabError::Other(format!("{vm}: guests speak IPv4 only"))),
    }
}

/// Name and settings of the port of `vm` on `vswitch`.
fn vm_port(lab: &Lab, vm: &str, settings: &Vm, vswitch: &str) -> (String, PortSettings) {
    let ports = lab.topology.switch(vswitch).map_or(&[][..], |s| &s.ports);
    let wire = Wire::Vm(vm.to_owned());
    if let Some(port) = ports.iter().find(|port| port.wire == wire) {
        return (port.name.clone(), port.settings.clone());
    }
    let settings = PortSettings {
        access: settings.vlan,
        ..PortSettings::default()
    };
    (vm.to_owned(), settings)
}

fn command(
    lab: &Lab,
    vm: &str,
    settings: &Vm,
    vswitch: &str,
    port: &str,
) -> Result<Command, LabError> {
    let mut command = Command::new(program("labs")?);
    let ip = ipv4(vm, settings)?;
    let memory_mib = (settings.memory >> 20).max(1);
    command
        .args(["guest", "--name", vm, "--tap", port])
        .args(["--tap-netns", &namespace_name(lab.name(), vswitch)])
        .args(["--mac", &settings.mac.to_string()])
        .args(["--ip", &ip.to_string()])
        .args(["--prefix", &settings.ip.prefix.to_string()])
        .args(["--port", &STREAM_PORT.to_string()])
        .args(["--memory-mib", &memory_mib.to_string()])
        .args(["--dirty-rate", &settings.dirty_rate.to_string()]);
    Ok(command)
}

fn control_path(lab: &Lab, vm: &str, host: &str) -> PathBuf {
    lab.dir().join(format!("{vm}-{host}.sock"))
}

fn connect(
    control: &std::path::Path,
    child: &mut Child,
    vm: &str,
    log: &std::path::Path,
) -> Result<GuestClient, LabError> {
    let end = monotonic() + READY_MAX;
    loop {
        let error = match GuestClient::connect(control) {
            Ok(client) => return Ok(client),
            Err(error) => error,
        };
        let died = matches!(child.try_wait(), Ok(Some(_)) | Err(_));
        if died || monotonic() > end {
            let said = std::fs::read_to_string(log).unwrap_or_default();
            let said = said.trim();
            return Err(LabError::Start {
                node: vm.to_owned(),
                program: "labs guest",
                reason: if said.is_empty() {
                    error.to_string()
                } else {
                    said.to_owned()
                },
            });
        }
        interrupt::pause(TURN)?;
    }
}

fn plug(lab: &Lab, vswitch: &str, port: &str, settings: PortSettings) -> Result<(), LabError> {
    let command = Ask::AddPort {
        port: port.to_owned(),
        kind: Some(PortKind::Packet),
        settings,
    };
    let added = lab.client(vswitch)?.call(&command);
    added
        .map(drop)
        .map_err(|error| LabError::Other(format!("{vswitch}: plug in {port}: {error}")))
}

/// Removes the port, if it is there.
fn unplug(lab: &Lab, vswitch: &str, port: &str) -> Result<(), LabError> {
    let port = port.to_owned();
    match lab.client(vswitch)?.call(&Ask::RemovePort { port }) {
        Ok(_) => Ok(()),
        Err(ClientError::Refused(error)) if error.code == ErrorCode::NotFound => Ok(()),
        Err(error) => Err(LabError::Other(format!("{vswitch}: unplug: {error}"))),
    }
}
