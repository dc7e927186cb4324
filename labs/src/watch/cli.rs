//! `labs watch`: an address of a running lab, over all its switches.

use std::io;
use std::time::Duration;

use clap::Args;
use pnet_base::MacAddr;
use switchd::config::{VlanNumber, parse_mac};
use switchd::control::socket_path;
use switchd::watch::Verdict;
use switchd::watch::live::{self, Settings, Target, WatchError};

use super::wiring_of;
use crate::lab::{Lab, LabError, switch_name};

/// Arguments of `labs watch`.
#[derive(Clone, Debug, Args)]
pub struct WatchArgs {
    /// A VM of the lab, a port of a host as HOST:PORT, or any address.
    #[arg(value_name = "VM|MAC")]
    pub whom: String,
    /// The lab; may be left out when there is only one.
    #[arg(long, value_name = "NAME")]
    pub lab: Option<String>,
    /// Only in this VLAN; a VM is watched in its own.
    #[arg(long, value_name = "VLAN")]
    pub vlan: Option<VlanNumber>,
    /// How long, such as 30s or 2m; until Ctrl-C if not given.
    #[arg(long = "for", value_name = "TIME", value_parser = switchd::cli::time)]
    pub time: Option<Duration>,
    /// One JSON object a line: every change, then a verdict for each VLAN.
    #[arg(long)]
    pub json: bool,
}

/// Watches until time is over or somebody stops it.
///
/// # Errors
/// Nobody of that name, or a switch does not answer.
pub fn run(lab: &Lab, args: &WatchArgs) -> Result<Verdict, LabError> {
    let (mac, vlan) = whom(lab, &args.whom)?;
    let targets = lab.topology.switches().map(|(switch, _)| Target {
        name: switch.to_owned(),
        socket: socket_path(lab.run_dir(), &switch_name(lab.name(), switch)),
    });
    let targets: Vec<Target> = targets.collect();
    let settings = Settings {
        mac,
        vlan: args.vlan.or(vlan),
        time: args.time,
        wiring: wiring_of(&lab.topology),
        json: args.json,
    };
    let stop = live::stop_on_signals().map_err(|error| LabError::io("start a thread", error))?;
    match live::watch(&targets, &settings, &stop, &mut io::stdout().lock()) {
        Ok(verdict) => Ok(verdict),
        // A reader that went away has seen enough.
        Err(WatchError::Io(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            Ok(Verdict::Still)
        }
        Err(error) => Err(LabError::Other(error.to_string())),
    }
}

/// The address meant, and its VLAN if the lab file says.
fn whom(lab: &Lab, word: &str) -> Result<(MacAddr, Option<VlanNumber>), LabError> {
    let topology = &lab.topology;
    if let Some(vm) = topology.vm(word) {
        return Ok((vm.mac, vm.vlan));
    }
    let of_host = word.split_once(':').and_then(|(host, port)| {
        let host = topology.host(host)?;
        host.ports.iter().find(|known| known.name == port)?.mac
    });
    if let Some(mac) = of_host.or_else(|| parse_mac(word)) {
        return Ok((mac, None));
    }
    let vms: Vec<&str> = topology.vms().map(|(vm, _)| vm).collect();
    Err(LabError::Other(format!(
        "'{word}' is no VM of {} and no MAC address{}",
        lab.name(),
        match vms.is_empty() {
            true => String::new(),
            false => format!("; its VMs are {}", vms.join(", ")),
        }
    )))
}
