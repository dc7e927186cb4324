//! The running switch as control sees it.

use std::fmt::Write;
use std::time::Duration;

use cam::AgeingTime;
use etherparse::VlanId;
use pnet_base::MacAddr;
use stp::PortNumber;

use super::lines::Line;
use super::{Daemon, line_of};
use crate::config::{Config, PortConfig, PortKind, StaticMac, StpConfig};
use crate::control::{Error, ErrorCode, PortFacts, Target};
use crate::event::FlushReason;
use crate::port::receivers::Receivers;
use crate::port::{Device, FRAME_LEN_MAX, PortError};
use crate::switch::{Switch, SwitchError};

impl Daemon {
    /// Puts an opened line into the switch. It is closed again if that fails.
    pub(super) fn connect(
        &mut self,
        now: Duration,
        port: &PortConfig,
        line: Line,
    ) -> Result<(), Error> {
        let (number, settings) = (port.number, port.core(line.address));
        let added = self
            .switch
            .add_port(now, number, settings, &mut self.outbox);
        if let Err(error) = added {
            line.close(&mut self.namespaces);
            return Err(refused(&error));
        }
        let watched = match &line.device {
            Some(device) => self.poller.add_port(number, device),
            None => Ok(()),
        };
        if let Some(device) = &line.device {
            self.mover.attach(number, device);
        }
        self.is_rewired = true;
        let place = usize::from(number.get());
        if self.lines.len() <= place {
            self.lines.resize_with(place + 1, || None);
        }
        let line = self.lines[place].insert(line);
        let state = line.look_first(&mut self.namespaces, &self.poller);
        self.set_link(now, number, state);
        self.plan_look(now);
        watched.map_err(|error| {
            let message = format!("port {}: cannot wait for its frames: {error}", port.name);
            self.disconnect(now, number);
            Error::new(ErrorCode::System, message)
        })
    }

    /// Takes a port out of the switch and closes its device.
    fn disconnect(&mut self, now: Duration, number: PortNumber) {
        // It is only absent if it was never added.
        let _ = self.switch.remove_port(now, number, &mut self.outbox);
        self.mover.detach(number);
        self.busy.forget(number);
        let line = self.lines.get_mut(usize::from(number.get()));
        if let Some(line) = line.and_then(Option::take) {
            // Forwarding threads let go of the device first.
            self.is_rewired = true;
            self.publish();
            if let Some(device) = line.close(&mut self.namespaces) {
                self.poller.remove_port(&device);
                self.closing.push(device);
            }
        }
    }

    /// Pins an address in the core.
    pub(super) fn pin(&mut self, now: Duration, entry: StaticMac) -> Result<(), Error> {
        let (vlan, outbox) = (entry.vlan.id(), &mut self.outbox);
        self.switch
            .set_static(now, vlan, entry.mac, entry.port, outbox)
            .map_err(|error| refused(&error))
    }

    fn known(&self, number: PortNumber) -> Result<PortNumber, Error> {
        match self.switch.port(number) {
            Some(_) => Ok(number),
            None => Err(refused(&SwitchError::NoPort(number.get()))),
        }
    }
}

impl Target for Daemon {
    fn config(&self) -> &Config {
        &self.config
    }

    fn switch(&self) -> &Switch {
        &self.switch
    }

    fn started(&self) -> Duration {
        self.started
    }

    fn port_facts(&self, number: PortNumber) -> Option<PortFacts> {
        let line = self.lines.get(usize::from(number.get()))?.as_ref()?;
        let port = self.switch.port(number)?;
        let by = |plain: &str| match (self.mover.has_ring(), self.mover.fallback()) {
            (true, _) => "io_uring".to_owned(),
            (false, None) => plain.to_owned(),
            (false, Some(why)) => format!("{plain} ({why})"),
        };
        let mut io = match line.device.as_deref() {
            Some(Device::Tap(tap)) => tap.describe(&by("read and write")),
            Some(Device::Packet(packet)) => packet.describe(&by("sendmmsg")),
            Some(Device::Stream(stream)) => stream.describe(),
            Some(Device::Datagram(datagram)) => datagram.describe(),
            None => "no interface".to_owned(),
        };
        if let Some(workers) = &self.workers {
            let _ = write!(io, "; forwarding thread {}", workers.of(number));
        }
        if let Some(trouble) = &line.trouble {
            io.push_str("; ");
            io.push_str(trouble);
        }
        Some(PortFacts {
            mac: line.address,
            link: port.is_link_up(),
            frame_max: u32::try_from(FRAME_LEN_MAX).expect("9216"),
            io,
        })
    }

    fn add_port(&mut self, now: Duration, port: PortConfig) -> Result<(), Error> {
        if port.kind == PortKind::Fd {
            // By number one could name any descriptor of the switch's own.
            let message = "fd: descriptors are handed over when the switch starts";
            return Err(Error::new(ErrorCode::BadValue, message.to_owned()));
        }
        let line = Line::open(
            &port,
            &mut self.namespaces,
            (&Receivers::none(self.config.io), self.config.offload),
        )
        .map_err(|error| not_opened(&error))?;
        self.connect(now, &port, line)?;
        self.config.insert_port(port);
        Ok(())
    }

    fn remove_port(&mut self, now: Duration, number: PortNumber) -> Result<(), Error> {
        let known = self.known(number)?;
        self.disconnect(now, known);
        self.config.remove_port(number);
        Ok(())
    }

    fn configure_port(&mut self, now: Duration, port: PortConfig) -> Result<(), Error> {
        let number = self.known(port.number)?;
        let Some(line) = line_of(&mut self.lines, number) else {
            return Err(refused(&SwitchError::NoPort(number.get())));
        };
        self.switch
            .set_port(now, number, port.core(line.address), &mut self.outbox)
            .map_err(|error| refused(&error))?;
        let entry = self
            .config
            .ports
            .iter_mut()
            .find(|entry| entry.number == port.number);
        if let Some(entry) = entry {
            if entry.down != port.down {
                line.set_enabled(&mut self.namespaces, !port.down);
            }
            *entry = port;
        }
        Ok(())
    }

    fn configure_stp(&mut self, now: Duration, stp: StpConfig) {
        let address = self.switch.bridge_config().address;
        let bridge = stp.bridge(address);
        self.switch.set_bridge(now, bridge, &mut self.outbox);
        self.switch
            .set_instances(now, stp.instances.clone(), &mut self.outbox);
        self.switch
            .set_protocol(now, stp.protocol, &mut self.outbox);
        self.config.stp = stp;
    }

    fn check_migration(&mut self, now: Duration, number: PortNumber) {
        self.switch.check_migration(now, number, &mut self.outbox);
    }

    fn configure_ageing(&mut self, now: Duration, ageing: AgeingTime) {
        self.switch.set_ageing(now, ageing);
        self.config.ageing = ageing;
    }

    fn flush(&mut self, _now: Duration, flush: cam::Flush<PortNumber>) -> u64 {
        let reason = FlushReason::Management;
        self.switch.flush(flush, reason, &mut self.outbox) as u64
    }

    fn insert_static(&mut self, now: Duration, entry: StaticMac) -> Result<(), Error> {
        self.pin(now, entry)?;
        self.config.static_macs.push(entry);
        Ok(())
    }

    fn remove_static(&mut self, now: Duration, vlan: VlanId, mac: MacAddr) -> bool {
        let is_it = |entry: &StaticMac| (entry.vlan.id(), entry.mac) == (vlan, mac);
        self.config.static_macs.retain(|entry| !is_it(entry));
        self.switch.remove_static(now, vlan, mac)
    }
}

fn refused(error: &SwitchError) -> Error {
    let code = match error {
        SwitchError::NumberTaken(_) | SwitchError::NameTaken(_) => ErrorCode::Exists,
        SwitchError::NumberRange(_) => ErrorCode::BadValue,
        SwitchError::NoPort(_) => ErrorCode::NotFound,
        SwitchError::Static(_) => ErrorCode::Full,
    };
    Error::new(code, error.to_string())
}

fn not_opened(error: &PortError) -> Error {
    let code = match error {
        PortError::Missing { .. } => ErrorCode::NotFound,
        PortError::Exists(_) => ErrorCode::Exists,
        PortError::NotEthernet(_) | PortError::Name(_) | PortError::Descriptor { .. } => {
            ErrorCode::BadValue
        }
        PortError::Privilege { .. }
        | PortError::NoTun(_)
        | PortError::Path { .. }
        | PortError::System { .. } => ErrorCode::System,
    };
    Error::new(code, error.to_string())
}
