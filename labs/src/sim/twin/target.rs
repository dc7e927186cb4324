//! A simulated switch as control sees it: `set` steps go the way of `switchctl`.

use core::time::Duration;

use cam::AgeingTime;
use etherparse::VlanId;
use pnet_base::MacAddr;
use stp::PortNumber;
use switchd::config::{Config, PortConfig, StaticMac, StpConfig};
use switchd::control::{Error, ErrorCode, PortFacts, Target};
use switchd::event::FlushReason;
use switchd::{Switch, SwitchError};

use crate::sim::fabric::Effects;

/// Longest frame the switches carry, in octets.
const FRAME_MAX: u32 = 9_216;

/// A running switch with its configuration and the way to its wires.
pub(super) struct Running<'a, 'w> {
    pub(super) config: &'a mut Config,
    pub(super) switch: &'a mut Switch,
    pub(super) out: &'a mut Effects<'w>,
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

impl Running<'_, '_> {
    fn address(&self, number: PortNumber) -> Result<MacAddr, Error> {
        let port = self.switch.port(number);
        let missing = || refused(&SwitchError::NoPort(number.get()));
        Ok(port.ok_or_else(missing)?.settings().address)
    }
}

impl Target for Running<'_, '_> {
    fn config(&self) -> &Config {
        self.config
    }

    fn switch(&self) -> &Switch {
        self.switch
    }

    fn started(&self) -> Duration {
        Duration::ZERO
    }

    fn port_facts(&self, number: PortNumber) -> Option<PortFacts> {
        let port = self.switch.port(number)?;
        Some(PortFacts {
            mac: port.settings().address,
            link: port.is_link_up(),
            frame_max: FRAME_MAX,
            io: "simulated wire".to_owned(),
        })
    }

    fn add_port(&mut self, now: Duration, port: PortConfig) -> Result<(), Error> {
        let address = port.mac.unwrap_or(self.config.address.unwrap_or_default());
        self.switch
            .add_port(now, port.number, port.core(address), self.out)
            .map_err(|error| refused(&error))?;
        self.config.insert_port(port);
        Ok(())
    }

    fn remove_port(&mut self, now: Duration, number: PortNumber) -> Result<(), Error> {
        self.switch
            .remove_port(now, number, self.out)
            .map_err(|error| refused(&error))?;
        self.config.remove_port(number);
        Ok(())
    }

    fn configure_port(&mut self, now: Duration, port: PortConfig) -> Result<(), Error> {
        let address = self.address(port.number)?;
        self.switch
            .set_port(now, port.number, port.core(address), self.out)
            .map_err(|error| refused(&error))?;
        self.config.replace_port(port);
        Ok(())
    }

    fn configure_stp(&mut self, now: Duration, stp: StpConfig) {
        let bridge = stp.bridge(self.switch.bridge_config().address);
        self.switch.set_bridge(now, bridge, self.out);
        let instances = stp.instances.clone();
        self.switch.set_instances(now, instances, self.out);
        self.switch.set_protocol(now, stp.protocol, self.out);
        self.config.stp = stp;
    }

    fn check_migration(&mut self, now: Duration, number: PortNumber) {
        self.switch.check_migration(now, number, self.out);
    }

    fn configure_ageing(&mut self, now: Duration, ageing: AgeingTime) {
        self.switch.set_ageing(now, ageing);
        self.config.ageing = ageing;
    }

    fn flush(&mut self, _: Duration, flush: cam::Flush<PortNumber>) -> u64 {
        let reason = FlushReason::Management;
        self.switch.flush(flush, reason, self.out) as u64
    }

    fn insert_static(&mut self, now: Duration, entry: StaticMac) -> Result<(), Error> {
        self.switch
            .set_static(now, entry.vlan.id(), entry.mac, entry.port, self.out)
            .map_err(|error| refused(&error))?;
        self.config.static_macs.push(entry);
        Ok(())
    }

    fn remove_static(&mut self, now: Duration, vlan: VlanId, mac: MacAddr) -> bool {
        let is_it = |entry: &StaticMac| (entry.vlan.id(), entry.mac) == (vlan, mac);
        self.config.static_macs.retain(|entry| !is_it(entry));
        self.switch.remove_static(now, vlan, mac)
    }
}
