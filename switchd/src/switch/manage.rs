//! What management wants of a switch: ports, spanning tree, CAM; all of it live.

use std::time::Duration;

use cam::{Flush, Origin};
use etherparse::VlanId;
use pnet_base::MacAddr;
use stp::{PortNumber, PortState};

use super::{Port, PortSettings, Switch, SwitchError};
use crate::counters::PortCounters;
use crate::event::{Event, FlushReason};
use crate::meter::Meter;
use crate::ports::Ports;
use crate::portset::PORTS_MAX;
use crate::protect::Protection;

impl Switch {
    /// Adds a port, without carrier.
    ///
    /// # Errors
    /// The number is taken or out of range, or the name is taken; nothing is changed then.
    pub fn add_port(
        &mut self,
        now: Duration,
        port: PortNumber,
        settings: PortSettings,
        out: &mut impl Ports,
    ) -> Result<(), SwitchError> {
        let index = usize::from(port.get());
        if index >= PORTS_MAX {
            return Err(SwitchError::NumberRange(port.get()));
        }
        if self.port(port).is_some() {
            return Err(SwitchError::NumberTaken(port.get()));
        }
        if self.find_port(settings.name.as_str()).is_some() {
            return Err(SwitchError::NameTaken(settings.name));
        }
        if self.ports.len() <= index {
            self.ports.resize(index + 1, None);
        }
        let (name, stp, enabled) = (settings.name, settings.stp, settings.enabled);
        self.ports[index] = Some(Port {
            meter: Meter::new(&settings.rate),
            settings,
            counters: PortCounters::default(),
            protection: Protection::default(),
            link: None,
            trees: Vec::new(),
        });
        self.look_for_rates();
        self.apply_vlans();
        self.insert_local(now, port, out);
        out.notice(Event::PortAdded { port: name });
        self.drive(now, out, |engine| engine.add_port(now, port, stp));
        self.drive(now, out, |engine| {
            engine.set_port_enabled(now, port, enabled)
        });
        self.arrange_trees(now, out);
        Ok(())
    }

    /// Removes a port and all the CAM knew of it.
    ///
    /// # Errors
    /// There is no such port.
    pub fn remove_port(
        &mut self,
        now: Duration,
        port: PortNumber,
        out: &mut impl Ports,
    ) -> Result<(), SwitchError> {
        let name = self.known(port)?.settings.name;
        self.drive(now, out, |engine| engine.remove_port(now, port));
        self.flush_port(port, FlushReason::PortRemoved, out);
        self.cam.remove_port(port);
        for tree in self
            .forwarding
            .trees()
            .slots()
            .to_vec()
            .into_iter()
            .flatten()
        {
            self.forwarding.set_state(tree, port, PortState::Disabled);
        }
        self.ports[usize::from(port.get())] = None;
        self.look_for_rates();
        self.apply_vlans();
        self.arrange_trees(now, out);
        out.notice(Event::PortRemoved { port: name });
        Ok(())
    }

    /// Changes a port's settings; name and address are kept.
    ///
    /// # Errors
    /// There is no such port.
    pub fn set_port(
        &mut self,
        now: Duration,
        port: PortNumber,
        settings: PortSettings,
        out: &mut impl Ports,
    ) -> Result<(), SwitchError> {
        let old = self.known(port)?.settings.clone();
        let settings = PortSettings {
            name: old.name,
            address: old.address,
            ..settings
        };
        let (stp, enabled) = (settings.stp, settings.enabled);
        let vlans_changed = (
            &settings.mode,
            settings.acceptable,
            settings.ingress_filtering,
        ) != (&old.mode, old.acceptable, old.ingress_filtering);
        if let Some(state) = self.port_mut(port) {
            if settings.rate != old.rate {
                state.meter.set(now, &settings.rate);
            }
            state.settings = settings;
        }
        self.look_for_rates();
        if vlans_changed {
            self.flush_port(port, FlushReason::VlanChanged, out);
            self.cam.remove(now, old.mode.pvid(), old.address);
            self.apply_vlans();
            self.insert_local(now, port, out);
            self.arrange_trees(now, out);
        }
        if stp != old.stp {
            self.drive(now, out, |engine| engine.configure_port(now, port, stp));
        }
        if enabled != old.enabled {
            // What disabled it for cause is over when management says so.
            self.clear_disabled(port, out);
            self.let_run(now, port, out);
        }
        Ok(())
    }

    fn look_for_rates(&mut self) {
        let mut ports = self.ports.iter().flatten();
        self.is_metered = ports.any(|port| port.meter.is_any());
        self.forwarding.touch();
    }

    pub(super) fn apply_vlans(&mut self) {
        let ports = (0..).zip(&self.ports).filter_map(|(number, port)| {
            let settings = &port.as_ref()?.settings;
            let acceptable = settings
                .acceptable
                .unwrap_or(settings.mode.acceptable_frames());
            Some((
                PortNumber::new(number)?,
                &settings.mode,
                acceptable,
                settings.ingress_filtering,
            ))
        });
        self.forwarding.set_ports(ports);
    }

    /// The port's own address, in the VLAN a host on it would look for it.
    fn insert_local(&mut self, now: Duration, port: PortNumber, out: &mut impl Ports) {
        let Some((vlan, address)) = self
            .port(port)
            .map(|state| (state.settings.mode.pvid(), state.settings.address))
        else {
            return;
        };
        // Refused only if the table is full of static entries, or the address is no individual one: then
        // frames to it are flooded, as to any unknown address.
        if let Ok(Some(gone)) = self.cam.insert_local(now, vlan, address, port) {
            crate::effects::departed(&self.ports, &gone, out);
        }
    }

    /// Removes dynamic CAM entries; returns how many.
    pub fn flush(
        &mut self,
        flush: Flush<PortNumber>,
        reason: FlushReason,
        out: &mut impl Ports,
    ) -> usize {
        crate::effects::flush(&mut self.cam, &self.ports, flush, reason, out)
    }

    /// Binds an address to a port until [`Switch::remove_static`].
    ///
    /// # Errors
    /// There is no such port, or the CAM cannot hold the entry.
    pub fn set_static(
        &mut self,
        now: Duration,
        vlan: VlanId,
        address: MacAddr,
        port: PortNumber,
        out: &mut impl Ports,
    ) -> Result<(), SwitchError> {
        self.known(port)?;
        if let Some(gone) = self.cam.insert_static(now, vlan, address, port)? {
            crate::effects::departed(&self.ports, &gone, out);
        }
        Ok(())
    }

    /// Removes a static entry; says whether there was one.
    pub fn remove_static(&mut self, now: Duration, vlan: VlanId, address: MacAddr) -> bool {
        let is_static = self
            .cam
            .entry(now, vlan, address)
            .is_some_and(|entry| entry.origin == Origin::Static);
        is_static && self.cam.remove(now, vlan, address).is_some()
    }

    /// Changes the CAM's ageing time; acts on entries already there.
    pub fn set_ageing(&mut self, now: Duration, ageing: cam::AgeingTime) {
        self.cam.set_ageing(now, ageing);
    }
}
