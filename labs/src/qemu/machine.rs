//! One QEMU process: its command line, its monitor, its end.

use core::time::Duration;
use std::io::Read as _;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::{Path, PathBuf};
use std::process::Command;

use pnet_base::MacAddr;
use serde_json::{Value, json};

use super::{Accelerator, Image, PROGRAM, Qmp, QmpError};

/// How a machine is started.
#[derive(Clone, Debug)]
pub struct Launch<'a> {
    /// Its name.
    pub name: &'a str,
    /// What it boots.
    pub image: &'a Image,
    /// What runs it.
    pub accelerator: Accelerator,
    /// Its memory, MiB.
    pub memory_mib: u64,
    /// Address of its network card.
    pub mac: MacAddr,
    /// Its address and the length of its network's prefix, for the guest.
    pub ip: (Ipv4Addr, u8),
    /// TCP port on which the guest echoes.
    pub port: u16,
    /// Octets of memory the guest writes per second.
    pub dirty_rate: u64,
    /// Where its network card waits for the switch.
    pub card: &'a Path,
    /// Where its monitor waits.
    pub monitor: &'a Path,
    /// Where its console goes.
    pub console: &'a Path,
    /// Where it waits for a machine to arrive, instead of booting.
    pub incoming: Option<SocketAddrV4>,
}

/// Why a machine cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum QemuError {
    /// The disk cannot be read.
    #[error("{}: {source}", path.display())]
    Disk {
        /// The disk.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// QEMU separates options by commas; a path with one would be taken apart.
    #[error("QEMU cannot take the path {}: it has a comma", path.display())]
    Comma {
        /// The path.
        path: PathBuf,
    },
}

impl Launch<'_> {
    /// The command that starts it.
    ///
    /// # Errors
    /// When a path cannot be told to QEMU, or the disk not be read.
    pub fn command(&self) -> Result<Command, QemuError> {
        let mut command = Command::new(PROGRAM);
        command
            .args(["-name", self.name, "-M", "q35"])
            .args(["-accel", self.accelerator.name()])
            .args(["-cpu", self.processor()])
            .args(["-m", &self.memory_mib.to_string()])
            .args(["-nodefaults", "-no-user-config", "-display", "none"])
            .arg("-no-reboot")
            // The target goes on at once, also if the source was stopped by order: see `moving`.
            .args(["-global", "migration.store-global-state=off"])
            .args(["-serial", &format!("file:{}", plain(self.console)?)])
            .args([
                "-qmp",
                &format!("unix:{},server=on,wait=off", plain(self.monitor)?),
            ]);
        // The machine listens and the switch connects: so the card survives a restart of the switch.
        command
            .args([
                "-netdev",
                &format!(
                    "stream,id=n0,server=on,addr.type=unix,addr.path={}",
                    plain(self.card)?
                ),
            ])
            .args(["-device", &self.network_card()]);
        self.boot(&mut command)?;
        if let Some(at) = self.incoming {
            command.args(["-incoming", &format!("tcp:{at}")]);
        }
        Ok(command)
    }

    /// All is translated, and the guest is ours, which asks for no more than it needs; a guest of the user's own may.
    fn is_translated_and_ours(&self) -> bool {
        self.image.is_packaged && self.accelerator != Accelerator::Kvm
    }

    /// Ours gets the simplest, which has the least to translate, and a source of random numbers: a kernel without one makes
    /// each of them anew, for every echo reply.
    fn processor(&self) -> &'static str {
        match self.is_translated_and_ours() {
            true => "qemu64,+rdrand",
            false => "max",
        }
    }

    /// Ours announces nothing by itself, as QEMU does it already: to be told of the move is the first thing that a guest would
    /// do at the target, and as all of it is to be translated its clients would wait for that some milliseconds.
    fn network_card(&self) -> String {
        let announce = match self.is_translated_and_ours() {
            true => ",guest_announce=off",
            false => "",
        };
        // No ROM to boot from the network: Debian has it in a package of its own.
        format!(
            "virtio-net-pci,netdev=n0,mac={},romfile={announce}",
            self.mac
        )
    }

    fn boot(&self, command: &mut Command) -> Result<(), QemuError> {
        let Image {
            kernel,
            initrd,
            disk,
            ..
        } = self.image;
        if let Some(kernel) = kernel {
            let (ip, prefix) = self.ip;
            let words = format!(
                "algo.ip={ip}/{prefix} algo.port={} algo.dirty={}",
                self.port,
                self.dirty_rate >> 10
            );
            command.arg("-kernel").arg(kernel);
            command.arg("-append").arg(self.image.command_line(&words));
        }
        if let Some(initrd) = initrd {
            command.arg("-initrd").arg(initrd);
        }
        if let Some(disk) = disk {
            let format = format_of(disk)?;
            let path = plain(disk)?;
            command.args(["-drive", &format!("file={path},format={format},if=virtio")]);
        }
        Ok(())
    }
}

/// The path as an option's value.
fn plain(path: &Path) -> Result<String, QemuError> {
    let text = path.display().to_string();
    match text.contains(',') {
        true => Err(QemuError::Comma {
            path: path.to_owned(),
        }),
        false => Ok(text),
    }
}

/// QEMU wants to be told what a disk is; qcow2 says so itself.
fn format_of(disk: &Path) -> Result<&'static str, QemuError> {
    let mut magic = Vec::new();
    let read = std::fs::File::open(disk).and_then(|file| file.take(4).read_to_end(&mut magic));
    read.map_err(|source| QemuError::Disk {
        path: disk.to_owned(),
        source,
    })?;
    Ok(match magic.as_slice() {
        b"QFI\xfb" => "qcow2",
        _ => "raw",
    })
}

/// What a process does with its machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Runs it.
    Running,
    /// Waits for it to arrive.
    Awaiting,
    /// Has it, and stands still.
    Halted,
}

/// A running machine: what is asked of it goes through its monitor.
#[derive(Debug)]
pub struct Qemu {
    /// Its monitor.
    pub(super) qmp: Qmp,
    accelerator: Accelerator,
}

impl Qemu {
    /// Connects to the monitor of a machine that was started.
    ///
    /// # Errors
    /// When it does not answer (yet).
    pub fn connect(monitor: &Path, accelerator: Accelerator) -> Result<Self, QmpError> {
        let qmp = Qmp::connect(monitor)?;
        Ok(Self { qmp, accelerator })
    }

    /// What runs it.
    #[must_use]
    pub fn accelerator(&self) -> Accelerator {
        self.accelerator
    }

    /// Whether the guest runs.
    ///
    /// # Errors
    /// When QEMU does not answer.
    pub fn is_running(&mut self) -> Result<bool, QmpError> {
        Ok(self.phase()? == Phase::Running)
    }

    /// What it does with the guest.
    ///
    /// # Errors
    /// When QEMU does not answer.
    pub fn phase(&mut self) -> Result<Phase, QmpError> {
        let status = self.qmp.execute("query-status", json!({}))?;
        let is_running = status.get("running").and_then(Value::as_bool) == Some(true);
        let is_awaiting = status.get("status").and_then(Value::as_str) == Some("inmigrate");
        Ok(match (is_running, is_awaiting) {
            (true, _) => Phase::Running,
            (false, true) => Phase::Awaiting,
            (false, false) => Phase::Halted,
        })
    }

    /// Lets the guest run, if it does not.
    ///
    /// # Errors
    /// When QEMU refuses or is gone.
    pub fn go_on(&mut self) -> Result<(), QmpError> {
        if !self.is_running()? {
            self.qmp.execute("cont", json!({}))?;
        }
        Ok(())
    }

    /// Tells the network where the machine is, by RARP.
    ///
    /// # Errors
    /// When QEMU refuses or is gone.
    pub fn announce(&mut self) -> Result<(), QmpError> {
        let schedule = json!({"initial": 50, "max": 550, "rounds": 5, "step": 100});
        self.qmp.execute("announce-self", schedule).map(drop)
    }

    /// Ends the process.
    ///
    /// # Errors
    /// When it is gone already.
    pub fn quit(&mut self) -> Result<(), QmpError> {
        self.qmp.execute("quit", json!({})).map(drop)
    }

    /// Waits for an event, see [`Qmp::next_event`].
    ///
    /// # Errors
    /// When QEMU is gone.
    pub fn next_event(&mut self, timeout: Duration) -> Result<Option<super::QmpEvent>, QmpError> {
        self.qmp.next_event(timeout)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn launch<'a>(image: &'a Image, card: &'a Path) -> Launch<'a> {
        Launch {
            name: "vm1",
            image,
            accelerator: Accelerator::Tcg,
            memory_mib: 96,
            mac: MacAddr(0x52, 0x54, 0, 0, 0, 5),
            ip: (Ipv4Addr::new(10, 0, 10, 5), 24),
            port: 7,
            dirty_rate: 8 << 20,
            card,
            monitor: Path::new("/run/x/vm1.qmp"),
            console: Path::new("/run/x/vm1.console"),
            incoming: Some(SocketAddrV4::new(Ipv4Addr::new(10, 0, 20, 2), 7001)),
        }
    }

    fn words(command: &Command) -> String {
        let words = command.get_args().map(|word| word.to_string_lossy());
        words.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_machine_hears_what_it_is() {
        let image = Image {
            kernel: Some("/k".into()),
            initrd: Some("/i".into()),
            is_packaged: true,
            ..Image::default()
        };
        let command = launch(&image, Path::new("/run/x/vm1.card")).command();
        let said = words(&command.unwrap());
        for part in [
            "-accel tcg -cpu qemu64,+rdrand -m 96",
            "-netdev stream,id=n0,server=on,addr.type=unix,addr.path=/run/x/vm1.card",
            "virtio-net-pci,netdev=n0,mac=52:54:00:00:00:05,romfile=,guest_announce=off",
            "-kernel /k -append console=ttyS0 quiet panic=-1 net.ifnames=0 mitigations=off no5lvl no_timer_check psi=0 lsm= tsc=reliable nowatchdog algo.ip=10.0.10.5/24 algo.port=7 algo.dirty=8192 -initrd /i",
            "-incoming tcp:10.0.20.2:7001",
        ] {
            assert!(said.contains(part), "{part} in {said}");
        }
    }

    #[test]
    fn a_disk_is_told_with_its_format_and_a_comma_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        for (name, content, format) in [("a", &b"QFI\xfb\0\0"[..], "qcow2"), ("b", b"x", "raw")] {
            let disk = dir.path().join(name);
            std::fs::write(&disk, content).unwrap();
            let image = Image {
                disk: Some(disk.clone()),
                ..Image::default()
            };
            let command = launch(&image, Path::new("/card")).command().unwrap();
            let drive = format!("file={},format={format},if=virtio", disk.display());
            let said = words(&command);
            assert!(said.contains(&drive) && !said.contains("-kernel"), "{said}");
            assert!(said.contains("-cpu max"), "{said}");
            assert!(!said.contains("guest_announce"), "{said}");
        }
        let image = Image::default();
        let error = launch(&image, Path::new("/a,b")).command().unwrap_err();
        assert!(error.to_string().contains("comma"));
    }
}
