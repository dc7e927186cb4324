//! Switching a switch off and on, and letting it hang.

use switchd::control::{Command, Reply};

use super::build::{self, Site};
use super::process::{self, Identity};
use super::state::Record;
use super::wiring::{self, Medium};
use super::{Lab, LabError};
use crate::hub::Request;
use crate::sim::Power;

/// What a switch's process is called in the journal.
const ROLE: &str = "switchd";

/// Makes `switch` what `power` says.
pub(super) fn set(lab: &Lab, switch: &str, power: Power) -> Result<(), LabError> {
    let before = lab.power(switch);
    match (before, power) {
        (Power::On, Power::Frozen) => freeze(lab, switch),
        (Power::On | Power::Frozen, Power::Off) => switch_off(lab, switch, before),
        (Power::Frozen, Power::On) => {
            process(lab, switch)?.signal(CONTINUE);
            write(lab, switch, Power::On)
        }
        (Power::Off, Power::On) => switch_on(lab, switch),
        (Power::Off, Power::Frozen) => {
            switch_on(lab, switch)?;
            freeze(lab, switch)
        }
        (Power::On, Power::On) | (Power::Off, Power::Off) | (Power::Frozen, Power::Frozen) => {
            Ok(())
        }
    }
}

use nix::sys::signal::Signal::{SIGCONT as CONTINUE, SIGSTOP as STOP};

fn freeze(lab: &Lab, switch: &str) -> Result<(), LabError> {
    write(lab, switch, Power::Frozen)?;
    process(lab, switch)?.signal(STOP);
    Ok(())
}

/// The carrier goes first, so that nobody hears its last words. What it was told while it ran it shall know when it is
/// switched on again.
fn switch_off(lab: &Lab, switch: &str, before: Power) -> Result<(), LabError> {
    let site = Site::of(lab, &|_| {});
    let identity = process(lab, switch)?;
    write(lab, switch, Power::Off)?;
    sync_links(lab, &site, switch, false)?;
    if before == Power::Frozen {
        identity.signal(CONTINUE);
    }
    let reply = lab.connect(switch)?.call(&Command::ShowRunningConfig);
    let reply = reply.map_err(|error| LabError::switch(switch, error))?;
    let Reply::RunningConfig { toml } = reply else {
        return Err(LabError::Other(format!(
            "{switch}: an answer to another question"
        )));
    };
    site.write_file(&build::config_file(switch), &toml)?;
    lab.ended(identity)?;
    // Given time, it would leave its interfaces as it found them: up.
    process::kill_at_once(identity);
    Ok(())
}

fn switch_on(lab: &Lab, switch: &str) -> Result<(), LabError> {
    let site = Site::of(lab, &|_| {});
    let net = site.namespace(switch)?.net()?;
    let before: Vec<String> = net.links()?.into_iter().map(|link| link.name).collect();
    site.start_switch(switch)?;
    write(lab, switch, Power::On)?;
    let is_its =
        |(_, host): &(&str, &crate::topology::Host)| host.vswitch.as_deref() == Some(switch);
    if let Some((name, host)) = lab.topology.hosts().find(is_its) {
        wiring::plug_vms_but(&site, host, &site.namespace(name)?, &before)?;
    }
    sync_links(lab, &site, switch, true)
}

/// Carrier comes and goes with the switch, at both ends.
fn sync_links(lab: &Lab, site: &Site<'_>, switch: &str, on: bool) -> Result<(), LabError> {
    let live = lab.live();
    let file = lab.topology.links.len();
    for (index, link) in site.whole.links.iter().enumerate() {
        let there = index < file || live.is_connected(index);
        let ends = (0..).zip(&link.endpoints);
        let own: Vec<usize> = ends
            .filter(|(_, end)| there && end.node == switch)
            .map(|(end, _)| end)
            .collect();
        if own.is_empty() {
            continue;
        }
        match wiring::medium(site.whole, index) {
            Medium::Hub => {
                for end in own {
                    wiring::tell_hub(site, index, &Request::Power { end, on })?;
                }
            }
            Medium::Veth => wiring::sync_veth(site, index, &live)?,
            // It ends with the process, and no step of such a lab switches it off.
            Medium::Tap => {}
        }
    }
    Ok(())
}

fn write(lab: &Lab, switch: &str, power: Power) -> Result<(), LabError> {
    lab.journal().write(&Record::Power {
        switch: switch.to_owned(),
        power,
    })
}

/// Its process, the newest one.
fn process(lab: &Lab, switch: &str) -> Result<Identity, LabError> {
    let processes = lab.processes().into_iter().rev();
    let mut own = processes.filter(|(node, role, _)| node == switch && role == ROLE);
    let missing = || LabError::Other(format!("{switch} has no process"));
    own.next()
        .map(|(_, _, identity)| identity)
        .ok_or_else(missing)
}
