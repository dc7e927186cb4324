//! From a lab file to a world.

use core::net::{IpAddr, Ipv4Addr};
use core::time::Duration;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::rc::Rc;

use pnet_base::MacAddr;
use stp::PortNumber;
use switchd::config::{self, Config, PortKind, StpConfig, World as PortWorld};

use super::{Events, Pace, Twin, TwinError, VmPlaces, VmPort};
use crate::guest::{Machine, MachineConfig, memory::PAGE};
use crate::sim::host::{Host, HostAddress};
use crate::sim::id::{NodeId, PortRef};
use crate::sim::wire::{LinkState, Medium, OneWay};
use crate::sim::world::World;
use crate::topology::{self, Address, Endpoint, Link, Position, Topology, Wire};

/// The guests' stream service.
pub(super) const STREAM_PORT: u16 = 7;

/// A simulation asks nobody whether an interface exists.
pub(super) const NOWHERE: PortWorld = PortWorld {
    interface_exists: |_| true,
    run_dir: PathBuf::new,
};

impl Twin {
    /// Builds the lab: everything is switched on and plugged in at time zero, VMs run where the file says.
    ///
    /// # Errors
    /// The lab needs something a simulated host cannot do, with its place in the file.
    pub fn new(topology: Topology, seed: u64) -> Result<Self, TwinError> {
        Self::paced(topology, seed, Pace::default())
    }

    /// The same, with so much talk between VMs and their clients.
    pub(crate) fn paced(topology: Topology, seed: u64, pace: Pace) -> Result<Self, TwinError> {
        let events = Rc::new(RefCell::new(Events::default()));
        let mut world = World::new(seed);
        world.watch_cycles();
        world.observe(events.clone());
        let mut twin = Self {
            world,
            topology: topology.clone(),
            configs: BTreeMap::new(),
            vms: BTreeMap::new(),
            events,
            arps: BTreeMap::new(),
            migrations: Vec::new(),
            story: Vec::new(),
            until: None,
            seed,
            pace,
        };
        for node in &topology.nodes {
            match &node.kind {
                topology::NodeKind::Switch(switch) => {
                    twin.add_switch(&node.name, node.at, switch)?;
                }
                topology::NodeKind::Host(host) => twin.add_host(&node.name, node.at, host)?,
                topology::NodeKind::Vm(_) => {}
            }
        }
        for link in &topology.links {
            twin.add_link(link)?;
        }
        for node in &topology.nodes {
            if let topology::NodeKind::Vm(vm) = &node.kind {
                twin.add_vm(&node.name, node.at, vm)?;
            }
        }
        Ok(twin)
    }

    /// Steps end when this time is reached; what is left of them is not done.
    pub fn end_at(&mut self, until: Duration) {
        self.until = Some(until);
    }

    fn add_switch(
        &mut self,
        name: &str,
        at: Position,
        switch: &topology::Switch,
    ) -> Result<(), TwinError> {
        let wrong = |error: config::KeyError| self.fault(at, format!("{name}: {error}"));
        let mut config = Config {
            name: name.to_owned(),
            run_dir: PathBuf::new(),
            address: switch.address,
            stp: StpConfig::default().with(&switch.stp).map_err(wrong)?,
            ageing: match switch.ageing {
                Some(seconds) => config::ageing(seconds).map_err(wrong)?,
                None => cam::AgeingTime::default(),
            },
            cam_capacity: match switch.cam_capacity {
                Some(capacity) => {
                    let capacity = usize::try_from(capacity).unwrap_or(usize::MAX);
                    cam::Capacity::new(capacity)
                        .map_err(|error| self.fault(at, format!("{name}: {error}")))?
                }
                None => cam::Capacity::default(),
            },
            io: config::Io::default(),
            workers: 0,
            offload: true,
            ports: Vec::new(),
            static_macs: Vec::new(),
        };
        for port in &switch.ports {
            let added =
                config.new_port(&port.name, Some(PortKind::Packet), &port.settings, NOWHERE);
            config.insert_port(added.map_err(wrong)?);
        }
        let added = self.world.add_switch(name, |address| {
            config.core(config.address.unwrap_or(address), [0, 0])
        });
        let node = added.map_err(|error| self.fault(at, error.to_string()))?;
        for port in config.ports.clone() {
            self.add_switch_port(node, at, &port)?;
        }
        self.configs.insert(node, config);
        Ok(())
    }

    pub(super) fn add_switch_port(
        &mut self,
        node: NodeId,
        at: Position,
        port: &config::PortConfig,
    ) -> Result<PortRef, TwinError> {
        let added = self
            .world
            .add_port_with(node, port.number, port.mac, |address| port.core(address));
        added.map_err(|error| self.fault(at, error.to_string()))
    }

    fn add_host(
        &mut self,
        name: &str,
        at: Position,
        host: &topology::Host,
    ) -> Result<(), TwinError> {
        let added = self.world.add_station(name, Host::new());
        let node = added.map_err(|error| self.fault(at, error.to_string()))?;
        let gateway = match host.gateway {
            Some(IpAddr::V4(gateway)) => Some(gateway),
            Some(IpAddr::V6(_)) | None => None,
        };
        for (number, port) in (1..).map_while(PortNumber::new).zip(&host.ports) {
            let added = self
                .world
                .add_station_port(node, number, &port.name, port.mac);
            let end = added.map_err(|error| self.fault(at, error.to_string()))?;
            let addresses: Vec<HostAddress> = port.addresses.iter().filter_map(ipv4).collect();
            let Some(mac) = self.world.address(end) else {
                continue;
            };
            let seed = self.seed ^ u64::from(end.port.get()) << 32 ^ node.index() as u64;
            let taken = self.world.with_station(node, |host: &mut Host, now, _| {
                host.add_nic(now, number, mac, &addresses, gateway, seed)
            });
            if taken != Some(addresses.len()) {
                let message = format!(
                    "{name}:{}: a simulated host takes {} IPv4 addresses on a port, not {}",
                    port.name,
                    taken.unwrap_or(0),
                    addresses.len()
                );
                return Err(self.fault(at, message));
            }
        }
        Ok(())
    }

    fn add_link(&mut self, link: &Link) -> Result<(), TwinError> {
        self.connect(link.at, &link.endpoints, &link.conditions)
    }

    /// Plugs a wire between ports that exist.
    pub(super) fn connect(
        &mut self,
        at: Position,
        endpoints: &[Endpoint],
        conditions: &topology::Conditions,
    ) -> Result<(), TwinError> {
        let mut ends = Vec::new();
        for endpoint in endpoints {
            let end = self.port(endpoint);
            ends.push(end.ok_or_else(|| self.fault(at, format!("there is no port {endpoint}")))?);
        }
        let medium = Medium {
            impairment: conditions.impairment,
            speed: conditions.speed,
        };
        let wire = self.world.connect(&ends, medium);
        let wire = wire.map_err(|error| self.fault(at, error.to_string()))?;
        for (endpoint, impairment, one_way) in &conditions.from {
            let Some(end) = self.port(endpoint) else {
                continue;
            };
            self.must(at, |world| world.impair(end, *impairment))?;
            if *one_way != OneWay::default() {
                self.must(at, |world| world.set_one_way(end, *one_way))?;
            }
        }
        if conditions.state != LinkState::Up {
            self.must(at, |world| world.set_link(wire, conditions.state))?;
        }
        Ok(())
    }

    pub(super) fn must<R>(
        &mut self,
        at: Position,
        act: impl FnOnce(&mut World) -> Result<R, crate::sim::WorldError>,
    ) -> Result<R, TwinError> {
        act(&mut self.world).map_err(|error| self.fault(at, error.to_string()))
    }

    /// A card for the VM at every vSwitch, plugged in where it runs.
    fn add_vm(&mut self, name: &str, at: Position, vm: &topology::Vm) -> Result<(), TwinError> {
        let topology = self.topology.clone();
        let mut ports = BTreeMap::new();
        for (host, settings) in topology.hosts() {
            let Some(vswitch) = &settings.vswitch else {
                continue;
            };
            let Some(node) = self.node(host) else {
                continue;
            };
            let plug = topology
                .switch(vswitch)
                .into_iter()
                .flat_map(|switch| &switch.ports)
                .find(|port| port.wire == Wire::Vm(name.to_owned()));
            let Some(plug) = plug else {
                continue;
            };
            let plug = Endpoint {
                node: vswitch.clone(),
                port: plug.name.clone(),
            };
            let card = self.add_card(node, at, name, vm.mac)?;
            let Some(switch_port) = self.port(&plug) else {
                continue;
            };
            let medium = Medium::default();
            self.must(at, |world| world.connect(&[switch_port, card], medium))?;
            if *host != vm.host {
                self.must(at, |world| world.plug(card, false))?;
            }
            let port = VmPort {
                port: card,
                at: plug,
            };
            ports.insert(host.to_owned(), port);
        }
        let places = VmPlaces {
            host: vm.host.clone(),
            ports,
        };
        self.boot(name, at, vm, &places)?;
        self.vms.insert(name.to_owned(), places);
        Ok(())
    }

    fn add_card(
        &mut self,
        node: NodeId,
        at: Position,
        name: &str,
        mac: MacAddr,
    ) -> Result<PortRef, TwinError> {
        let used = self.world.map().ports(node).count();
        let number = u16::try_from(used + 1).ok().and_then(PortNumber::new);
        let number = number.ok_or_else(|| self.fault(at, "a host has at most 4095 ports"))?;
        let card = self.must(at, |world| {
            world.add_station_port(node, number, name, Some(mac))
        })?;
        self.world
            .with_station(node, |host: &mut Host, _, _| host.add_place(number));
        Ok(card)
    }

    fn boot(
        &mut self,
        name: &str,
        at: Position,
        vm: &topology::Vm,
        places: &VmPlaces,
    ) -> Result<(), TwinError> {
        let IpAddr::V4(ip) = vm.ip.ip else {
            return Err(self.fault(at, format!("{name}: a VM needs an IPv4 address")));
        };
        let pages = |octets: u64| u32::try_from(octets / PAGE as u64).unwrap_or(u32::MAX);
        let config = MachineConfig {
            mac: vm.mac,
            ip,
            prefix_len: vm.ip.prefix,
            port: STREAM_PORT,
            memory_pages: pages(vm.memory),
            dirty_pages_per_second: pages(vm.dirty_rate),
            stream_rate: self.pace.stream,
            stream_limit: None,
            seed: self.seed,
        };
        let machine = Machine::boot(self.world.now(), config);
        let machine = machine.map_err(|error| self.fault(at, format!("{name}: {error}")))?;
        let Some(place) = places.ports.get(&places.host) else {
            return Err(self.fault(at, format!("{name}: {} has no vSwitch", places.host)));
        };
        let port = place.port;
        self.world.place(vm.mac, port);
        self.world
            .with_station(port.node, |host: &mut Host, now, _| {
                host.boot(port.port, machine);
                host.announce(now, port.port);
            });
        Ok(())
    }
}

fn ipv4(address: &Address) -> Option<HostAddress> {
    match address.ip {
        IpAddr::V4(ip) => Some(HostAddress {
            ip,
            prefix: address.prefix,
        }),
        IpAddr::V6(_) => None,
    }
}

/// The address a host takes machines at: its first.
pub(super) fn migration_address(host: &topology::Host) -> Option<Ipv4Addr> {
    let mut addresses = host.ports.iter().flat_map(|port| &port.addresses);
    addresses.find_map(ipv4).map(|address| address.ip)
}
