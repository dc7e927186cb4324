//! Taking over the VMs of a lab that has been up for a while: other programs' children, found by the journal.
//!
//! A move whose runner was killed leaves a second process behind. Which of the two is the machine is asked of both, and
//! the other one is ended before anything else happens, so that there are never two.

use crate::guest::shell::GuestClient;
use crate::lab::{Identity, Lab, LabError, end_process, guest_role, qemu_role};
use crate::qemu::{Phase, Qemu, Setup};
use crate::topology::{Vm, VmMachine};

use super::{Guest, Guests, Machine, Process, file, plug_of, unplug};

/// A process of a VM, asked what it does.
struct Found {
    host: String,
    identity: Identity,
    machine: Machine,
    is_running: bool,
    /// It holds the machine although it stands still: what an interrupted move leaves.
    is_halted: bool,
}

impl Guests {
    /// Takes over `vm` where it runs now. What it was made of is what its lab was brought up with.
    pub(in crate::vmotion) fn adopt(
        &mut self,
        lab: &Lab,
        vm: &str,
        settings: &Vm,
    ) -> Result<(), LabError> {
        let found = match settings.machine {
            VmMachine::Labs => of_labs(lab, vm)?,
            VmMachine::Qemu => {
                let kept = Setup::kept(&lab.dir());
                let setup = kept.map_err(|error| LabError::Other(format!("{vm}: {error}")))?;
                let found = of_qemu(lab, vm, &setup)?;
                self.setup = Some(setup);
                found
            }
        };
        let (it, others) = the_machine(vm, found)?;
        for process in others {
            let (vswitch, port, _) = plug_of(lab, vm, settings, &process.host)?;
            unplug(lab, &vswitch, &port)?;
            lab.ended(process.identity)?;
            end_process(process.identity);
        }
        let it = going(vm, it)?;
        let (vswitch, port, _) = plug_of(lab, vm, settings, &it.host)?;
        let guest = Guest {
            machine: it.machine,
            process: Process::Adopted(it.identity),
            log: file(lab, vm, &it.host, "log"),
            host: it.host,
            vswitch,
            port,
        };
        self.running.insert(vm.to_owned(), guest);
        Ok(())
    }
}

/// The processes of a machine of the labs' own.
fn of_labs(lab: &Lab, vm: &str) -> Result<Vec<Found>, LabError> {
    let mut all = Vec::new();
    for (host, identity) in alive(lab, &guest_role(vm)) {
        let client = GuestClient::connect(&file(lab, vm, &host, "sock"));
        let client = client.map_err(|error| LabError::Other(format!("{vm}: {error}")))?;
        let is_running = match client.state() {
            "migrating" => {
                let text = format!("{vm} is being moved from {host}");
                return Err(LabError::Other(text));
            }
            state => state == "running",
        };
        all.push(Found {
            host,
            identity,
            machine: Machine::Labs(client),
            is_running,
            // Its protocol settles by itself who goes on.
            is_halted: false,
        });
    }
    Ok(all)
}

/// The processes of a machine of QEMU's.
fn of_qemu(lab: &Lab, vm: &str, setup: &Setup) -> Result<Vec<Found>, LabError> {
    let wrong = |error| LabError::Other(format!("{vm}: {error}"));
    let mut all = Vec::new();
    for (host, identity) in alive(lab, &qemu_role(vm)) {
        let monitor = file(lab, vm, &host, "qmp");
        let mut qemu = Qemu::connect(&monitor, setup.accelerator).map_err(wrong)?;
        let phase = qemu.phase().map_err(wrong)?;
        all.push(Found {
            host,
            identity,
            machine: Machine::Qemu(qemu),
            is_running: phase == Phase::Running,
            is_halted: phase == Phase::Halted,
        });
    }
    Ok(all)
}

fn alive(lab: &Lab, role: &str) -> Vec<(String, Identity)> {
    let processes = lab.processes().into_iter();
    let mine = processes.filter(|(_, it, identity)| it == role && identity.is_alive());
    mine.map(|(host, _, identity)| (host, identity)).collect()
}

/// The process that is the machine, and the others.
fn the_machine(vm: &str, mut found: Vec<Found>) -> Result<(Found, Vec<Found>), LabError> {
    let running = found.iter().position(|process| process.is_running);
    let chosen = running.or_else(|| found.iter().position(|process| process.is_halted));
    let gone = || LabError::Other(format!("{vm} does not run any more"));
    let it = found.swap_remove(chosen.ok_or_else(gone)?);
    Ok((it, found))
}

/// The machine, which goes on if it stood still. The labs' own has seen to that by itself.
fn going(vm: &str, mut it: Found) -> Result<Found, LabError> {
    if let Machine::Qemu(qemu) = &mut it.machine {
        let abandoned = crate::qemu::abandon(qemu);
        abandoned.map_err(|error| LabError::Other(format!("{vm}: {error}")))?;
    }
    Ok(it)
}
