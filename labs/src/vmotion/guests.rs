//! The VMs of a lab: their processes, and the vSwitch ports they are plugged into.
//!
//! Plugging a VM's card in is a live `add port`, unplugging a `remove port`: what a hypervisor does with a vNIC. The card
//! of the labs' own machine is a tap in its vSwitch's namespace and the port of kind `packet`; that of QEMU's is a socket
//! in the lab's directory, and the port of kind `stream`.

mod adopt;

use core::time::Duration;
use std::collections::BTreeMap;
use std::fs::File;
use std::net::{IpAddr, Ipv4Addr, SocketAddrV4};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use switchd::config::{PortKind, PortSettings};
use switchd::control::{ClientError, Command as Ask, ErrorCode};

use super::migration::{self, Told};
use super::process::Process;
use crate::guest::shell::{GuestClient, Request, monotonic};
use crate::lab::{
    Lab, LabError, guest_role, interrupt, last_words, namespace_name, program, qemu_role,
};
use crate::qemu::{self, Launch, PROGRAM, Qemu, Setup};
use crate::topology::{Vm, VmMachine, Wire};

/// How long a guest may take until it answers: it fills its memory first.
const READY_MAX: Duration = Duration::from_secs(10);
/// How long a guest may take to end after it was told to.
const QUIT_MAX: Duration = Duration::from_secs(3);
/// To remove a tap the kernel waits for its other processors and for whoever else removes interfaces: milliseconds as a
/// rule, more than ten seconds were seen beside several compilers.
const UNPLUG_MAX: Duration = Duration::from_secs(60);
const TURN: Duration = Duration::from_millis(5);
/// Where a host waits for machines.
const MIGRATION_PORT: u16 = 7001;
/// The guests' stream service.
pub(super) const STREAM_PORT: u16 = 7;

/// A guest process and where it is plugged in.
#[derive(Debug)]
pub(super) struct Guest {
    pub(super) host: String,
    machine: Machine,
    /// Where its process complains.
    log: PathBuf,
    process: Process,
    vswitch: String,
    port: String,
}

/// How a guest is spoken to.
#[derive(Debug)]
enum Machine {
    Labs(GuestClient),
    Qemu(Qemu),
}

/// The running VMs, by name.
#[derive(Debug, Default)]
pub(super) struct Guests {
    /// What those of QEMU are made of.
    setup: Option<Setup>,
    running: BTreeMap<String, Guest>,
}

impl Guests {
    /// None yet. What those of QEMU are made of is written down for who moves them later.
    pub(super) fn new(lab: &Lab, setup: Option<Setup>) -> Result<Self, LabError> {
        if let Some(setup) = &setup {
            let kept = setup.keep(&lab.dir());
            kept.map_err(|error| LabError::Other(error.to_string()))?;
        }
        Ok(Self {
            setup,
            running: BTreeMap::new(),
        })
    }

    /// Boots `vm` where the file says and plugs it in.
    pub(super) fn boot(&mut self, lab: &Lab, vm: &str, settings: &Vm) -> Result<(), LabError> {
        self.boot_on(lab, vm, settings, &settings.host)
    }

    fn boot_on(&mut self, lab: &Lab, vm: &str, settings: &Vm, host: &str) -> Result<(), LabError> {
        let guest = self.start(lab, vm, settings, host, None)?;
        self.running.insert(vm.to_owned(), guest);
        Ok(())
    }

    /// Starts a process for `vm` on `host`, booting or waiting at `incoming`, and plugs it in.
    pub(super) fn start(
        &self,
        lab: &Lab,
        vm: &str,
        settings: &Vm,
        host: &str,
        incoming: Option<SocketAddrV4>,
    ) -> Result<Guest, LabError> {
        let place = Place::of(lab, vm, settings, host)?;
        match (settings.machine, &self.setup) {
            (VmMachine::Labs, _) => place.start_labs(incoming),
            (VmMachine::Qemu, Some(setup)) => place.start_qemu(setup, incoming),
            (VmMachine::Qemu, None) => Err(LabError::Other(format!("{vm}: nothing to boot"))),
        }
    }

    /// Boots `vm`, whose process has died, where it was.
    pub(super) fn revive(&mut self, lab: &Lab, vm: &str, settings: &Vm) -> Result<(), LabError> {
        let Some(dead) = self.running.remove(vm) else {
            return Ok(());
        };
        let host = dead.host.clone();
        dead.end(lab)?;
        self.boot_on(lab, vm, settings, &host)
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
            let told = match &mut guest.machine {
                Machine::Labs(client) => client
                    .call(&Request::Announce)
                    .map(drop)
                    .map_err(|error| error.to_string()),
                Machine::Qemu(qemu) => qemu.announce().map_err(|error| error.to_string()),
            };
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

/// Where a VM's process is to run, and where it is to be plugged in.
struct Place<'a> {
    lab: &'a Lab,
    vm: &'a str,
    settings: &'a Vm,
    host: &'a str,
    vswitch: String,
    port: String,
    port_settings: PortSettings,
}

impl<'a> Place<'a> {
    /// The plug is free when it is found.
    fn of(lab: &'a Lab, vm: &'a str, settings: &'a Vm, host: &'a str) -> Result<Self, LabError> {
        let (vswitch, port, port_settings) = plug_of(lab, vm, settings, host)?;
        unplug(lab, &vswitch, &port)?;
        Ok(Self {
            lab,
            vm,
            settings,
            host,
            vswitch,
            port,
            port_settings,
        })
    }

    fn file(&self, end: &str) -> PathBuf {
        file(self.lab, self.vm, self.host, end)
    }

    fn start_labs(self, incoming: Option<SocketAddrV4>) -> Result<Guest, LabError> {
        let control = self.file("sock");
        let mut command = command(self.lab, self.vm, self.settings, &self.vswitch, &self.port)?;
        command.arg("--control").arg(&control);
        if let Some(at) = incoming {
            command.arg("--incoming").arg(at.to_string());
        }
        let mut child = self.spawn(&guest_role(self.vm), &mut command)?;
        let client = self.connect(&mut child, "labs guest", || GuestClient::connect(&control))?;
        let settings = self.port_settings.clone();
        self.guest(Machine::Labs(client), child, PortKind::Packet, settings)
    }

    fn start_qemu(self, setup: &Setup, incoming: Option<SocketAddrV4>) -> Result<Guest, LabError> {
        let (card, monitor) = (self.file("card"), self.file("qmp"));
        for left in [&card, &monitor] {
            // Of a machine that was here before.
            let _ = std::fs::remove_file(left);
        }
        let launch = Launch {
            name: self.vm,
            image: &setup.image,
            accelerator: setup.accelerator,
            memory_mib: (self.settings.memory >> 20).max(1),
            mac: self.settings.mac,
            ip: (ipv4(self.vm, self.settings)?, self.settings.ip.prefix),
            port: STREAM_PORT,
            dirty_rate: self.settings.dirty_rate,
            card: &card,
            monitor: &monitor,
            console: &self.file("console"),
            incoming,
        };
        let command = launch.command();
        let mut command = command.map_err(|error| LabError::Other(error.to_string()))?;
        let mut child = self.spawn(&qemu_role(self.vm), &mut command)?;
        let qemu = self.connect(&mut child, PROGRAM, || {
            Qemu::connect(&monitor, setup.accelerator)
        })?;
        let settings = PortSettings {
            connect: Some(card.display().to_string()),
            ..self.port_settings.clone()
        };
        self.guest(Machine::Qemu(qemu), child, PortKind::Stream, settings)
    }

    fn spawn(&self, role: &str, command: &mut Command) -> Result<Child, LabError> {
        let log = self.file("log");
        let stderr = File::create(&log)
            .map_err(|source| LabError::io(format!("write {}", log.display()), source))?;
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(stderr);
        self.lab.spawn(self.host, role, command)
    }

    /// Connects to a process that has just been started, as soon as it answers.
    fn connect<T, E: ToString>(
        &self,
        child: &mut Child,
        program: &'static str,
        connect: impl Fn() -> Result<T, E>,
    ) -> Result<T, LabError> {
        let end = monotonic() + READY_MAX;
        loop {
            let error = match connect() {
                Ok(client) => return Ok(client),
                Err(error) => error,
            };
            let died = matches!(child.try_wait(), Ok(Some(_)) | Err(_));
            if died || monotonic() > end {
                let said = last_words(&self.file("log"));
                return Err(LabError::Start {
                    node: self.vm.to_owned(),
                    program,
                    reason: if said.is_empty() {
                        error.to_string()
                    } else {
                        said
                    },
                });
            }
            interrupt::pause(TURN)?;
        }
    }

    fn guest(
        self,
        machine: Machine,
        child: Child,
        kind: PortKind,
        settings: PortSettings,
    ) -> Result<Guest, LabError> {
        plug(self.lab, &self.vswitch, &self.port, kind, settings)?;
        Ok(Guest {
            log: self.file("log"),
            host: self.host.to_owned(),
            machine,
            process: Process::Own(child),
            vswitch: self.vswitch,
            port: self.port,
        })
    }
}

impl Guest {
    /// Moves the machine into `target`, which waits at `to`: when that was ordered, and what happened.
    pub(super) fn move_to(
        &mut self,
        target: &mut Self,
        to: SocketAddrV4,
    ) -> Result<(Duration, Told), LabError> {
        match (&mut self.machine, &mut target.machine) {
            (Machine::Labs(source), Machine::Labs(target)) => migration::copy(source, target, to),
            (Machine::Qemu(source), Machine::Qemu(there)) => {
                let ordered = monotonic();
                let told = qemu::migrate(source, there, to, &qemu::Limits::default())?;
                Ok((ordered, told))
            }
            (Machine::Labs(_), Machine::Qemu(_)) | (Machine::Qemu(_), Machine::Labs(_)) => {
                Err(LabError::Other("machines of two kinds".to_owned()))
            }
        }
    }

    /// Its process.
    pub(super) fn pid(&self) -> Option<i32> {
        Some(self.process.identity()?.pid)
    }

    /// What its process has said on its way out.
    pub(super) fn last_words(&self) -> String {
        last_words(&self.log)
    }

    /// The vSwitch and the port it is plugged into.
    pub(super) fn plug(&self) -> (&str, &str) {
        (&self.vswitch, &self.port)
    }

    /// Pulls the plug, then ends the process.
    pub(super) fn end(mut self, lab: &Lab) -> Result<(), LabError> {
        unplug(lab, &self.vswitch, &self.port)?;
        if let Some(identity) = self.process.identity() {
            lab.ended(identity)?;
        }
        // One that has died by itself needs no telling.
        match &mut self.machine {
            Machine::Labs(client) => drop(client.call(&Request::Quit)),
            Machine::Qemu(qemu) => drop(qemu.quit()),
        }
        let end = monotonic() + QUIT_MAX;
        while monotonic() < end {
            if self.process.has_ended() {
                return Ok(());
            }
            std::thread::sleep(TURN);
        }
        self.process.kill()
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

/// A file of the process of `vm` on a host.
fn file(lab: &Lab, vm: &str, host: &str, end: &str) -> PathBuf {
    lab.dir().join(format!("{vm}-{host}.{end}"))
}

/// The vSwitch of a host, and name and settings of the port of `vm` there.
fn plug_of(
    lab: &Lab,
    vm: &str,
    settings: &Vm,
    host: &str,
) -> Result<(String, String, PortSettings), LabError> {
    let host_settings = lab.topology.host(host);
    let vswitch = host_settings.and_then(|host| host.vswitch.clone());
    let vswitch = vswitch.ok_or_else(|| LabError::Other(format!("{host} has no vSwitch")))?;
    let (port, port_settings) = vm_port(lab, vm, settings, &vswitch);
    Ok((vswitch, port, port_settings))
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

fn plug(
    lab: &Lab,
    vswitch: &str,
    port: &str,
    kind: PortKind,
    settings: PortSettings,
) -> Result<(), LabError> {
    let command = Ask::AddPort {
        port: port.to_owned(),
        kind: Some(kind),
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
    let mut client = lab.client(vswitch)?;
    client
        .set_timeout(UNPLUG_MAX)
        .map_err(|error| LabError::Other(format!("{vswitch}: unplug: {error}")))?;
    match client.call(&Ask::RemovePort { port }) {
        Ok(_) => Ok(()),
        Err(ClientError::Refused(error)) if error.code == ErrorCode::NotFound => Ok(()),
        Err(error) => Err(LabError::Other(format!("{vswitch}: unplug: {error}"))),
    }
}
