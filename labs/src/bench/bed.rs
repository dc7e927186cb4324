//! A test bed: a device under test in a namespace, and hosts on its ports.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use switchd::TrafficSocket;

use super::dut::{Device, Dut, Medium};
use super::traffic::{self, Addresses, FRAME_MIN, Rate, Reading, Sent, Sink, Stream, Tally};
use super::{BenchError, usage};
use crate::lab::{Scratch, interrupt};
use crate::netns::{self, Namespace, VethEnd};

/// The interface of every host.
pub(super) const INTERFACE: &str = "eth0";
/// How long a device may take from start to relaying between all ports.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long nothing must arrive for a stream to be over, and how long that is waited for.
const QUIET: Duration = Duration::from_millis(15);
const QUIET_PATIENCE: Duration = Duration::from_millis(500);

/// A host: a namespace with one interface.
#[derive(Debug)]
pub(super) struct Host {
    pub(super) namespace: Namespace,
    /// Interface index.
    pub(super) index: u32,
    sender: TrafficSocket,
}

/// A device and its hosts. All of it goes when dropped.
#[derive(Debug)]
pub(super) struct Bed {
    pub(super) dut: Dut,
    // Dropped in this order: processes before the namespaces they are in.
    pub(super) devices: Vec<Device>,
    pub(super) hosts: Vec<Host>,
    pub(super) switch: Namespace,
    pub(super) dir: std::path::PathBuf,
    streams: AtomicU32,
}

/// What came of a stream from one host to another.
#[derive(Debug)]
pub(super) struct Measured {
    pub(super) sent: Sent,
    /// By the receiving interface's count.
    pub(super) received: u64,
    /// Processor time of the device's processes; `None` for the kernel's bridge.
    pub(super) device_time: Option<Duration>,
    /// Of the whole machine.
    pub(super) machine_time: Duration,
    pub(super) tally: Tally,
}

impl Measured {
    pub(super) fn lost(&self) -> u64 {
        self.sent.offered.saturating_sub(self.received)
    }

    /// Frames a second received.
    pub(super) fn rate(&self) -> f64 {
        self.received as f64 / self.sent.elapsed.as_secs_f64().max(1e-9)
    }
}

/// What a test bed is made of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan<'a> {
    pub(super) scratch: &'a Scratch,
    pub(super) switchd_args: &'a [String],
}

impl Bed {
    /// `dut` with `ports` hosts, relaying between all of them. `label` tells it from others.
    pub(super) fn start(
        plan: Plan<'_>,
        dut: Dut,
        ports: usize,
        label: &str,
    ) -> Result<Self, BenchError> {
        let (switch, namespaces) = namespaces(plan.scratch, dut, ports, label)?;
        let names: Vec<String> = (1..=ports).map(|port| format!("p{port}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        if dut.medium() == Medium::Veth {
            for (name, host) in names.iter().zip(&namespaces) {
                netns::add_veth(VethEnd::new(&switch, name), VethEnd::new(host, INTERFACE))?;
            }
        }
        let dir = plan.scratch.dir().join(format!("{}{label}", dut.name()));
        let device = Device::start(dut, &switch, &names, &dir, plan.switchd_args)?;
        if dut.medium() == Medium::Tap {
            let net = switch.net()?;
            for (name, host) in names.iter().zip(&namespaces) {
                net.move_link(name, host, INTERFACE)?;
            }
        }
        Self::furnish(dut, vec![device], switch, namespaces, dir)
    }

    /// Gives the hosts addresses and waits until the devices relay between all of them.
    pub(super) fn furnish(
        dut: Dut,
        devices: Vec<Device>,
        switch: Namespace,
        namespaces: Vec<Namespace>,
        dir: std::path::PathBuf,
    ) -> Result<Self, BenchError> {
        let mut hosts = Vec::new();
        for (number, namespace) in (1..).zip(namespaces) {
            hosts.push(host(namespace, number, dut.wants_checksums())?);
        }
        let this = Self {
            dut,
            devices,
            hosts,
            switch,
            dir,
            streams: AtomicU32::new(0),
        };
        this.settle()?;
        Ok(this)
    }

    /// Every station speaks to everybody until everybody has heard: ports are open, addresses learned.
    fn settle(&self) -> Result<(), BenchError> {
        let end = Instant::now() + PATIENCE;
        for port in 1..=self.hosts.len() {
            let others = || (1..=self.hosts.len()).filter(|other| *other != port);
            loop {
                interrupt::check()?;
                let number = self.number();
                let sinks: Vec<Sink> = others()
                    .map(|other| self.sink(other, number, Reading::All))
                    .collect::<Result<_, _>>()?;
                let stream = self.stream(number, port, Addresses::broadcast());
                self.send(
                    port,
                    &Stream {
                        frames: 2,
                        ..stream
                    },
                )?;
                std::thread::sleep(Duration::from_millis(3));
                sinks.iter().for_each(Sink::stop);
                let heard = sinks.into_iter().map(Sink::finish);
                if heard.filter(|tally| tally.received > 0).count() == others().count() {
                    break;
                }
                if Instant::now() > end {
                    return Err(BenchError::Silent {
                        dut: self.dut.name(),
                        port,
                    });
                }
            }
        }
        Ok(())
    }

    /// A number no stream had before.
    pub(super) fn number(&self) -> u32 {
        self.streams.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Smallest frames from the station of `port`, flat out; to be adjusted.
    pub(super) fn stream(&self, number: u32, port: usize, destination: Addresses) -> Stream {
        Stream {
            number,
            source: station(port),
            destination,
            length: FRAME_MIN,
            rate: Rate::FlatOut,
            time: PATIENCE,
            frames: u64::MAX,
        }
    }

    pub(super) fn host(&self, port: usize) -> &Host {
        &self.hosts[port - 1]
    }

    pub(super) fn sink(
        &self,
        port: usize,
        number: u32,
        reading: Reading,
    ) -> Result<Sink, BenchError> {
        let host = self.host(port);
        Sink::start(&host.namespace, host.index, number, reading)
            .map_err(|source| BenchError::io("open a sink", source))
    }

    /// Sends from this thread.
    pub(super) fn send(&self, port: usize, stream: &Stream) -> Result<Sent, BenchError> {
        self.send_until(port, stream, &AtomicBool::new(false))
    }

    pub(super) fn send_until(
        &self,
        port: usize,
        stream: &Stream,
        stop: &AtomicBool,
    ) -> Result<Sent, BenchError> {
        traffic::send(&self.host(port).sender, stream, stop)
            .map_err(|source| BenchError::io(format!("send from port {port}"), source))
    }

    /// Frames that the host of `port` has received so far.
    pub(super) fn received(&self, port: usize) -> Result<u64, BenchError> {
        traffic::counters(&self.host(port).namespace, INTERFACE)
            .map(|counters| counters.received)
            .map_err(|source| BenchError::io(format!("read the counters of port {port}"), source))
    }

    /// Waits until the hosts of `ports` receive nothing more.
    pub(super) fn quiet(&self, ports: &[usize]) -> Result<Vec<u64>, BenchError> {
        let end = Instant::now() + QUIET_PATIENCE;
        let count = || -> Result<Vec<u64>, BenchError> {
            ports.iter().map(|port| self.received(*port)).collect()
        };
        let mut before = count()?;
        loop {
            std::thread::sleep(QUIET);
            let after = count()?;
            if after == before || Instant::now() > end {
                return Ok(after);
            }
            before = after;
        }
    }

    /// Sends `stream` from port 1 to the host of port 2 and measures.
    pub(super) fn measure(
        &self,
        stream: &Stream,
        reading: Reading,
    ) -> Result<Measured, BenchError> {
        interrupt::check()?;
        let (from, to) = (1, 2);
        let sink = self.sink(to, stream.number, reading)?;
        let before = self.received(to)?;
        let (device, machine) = (self.device_time(), usage::machine_time());
        let sent = self.send(from, stream)?;
        let after = self.quiet(&[to])?;
        let (device_end, machine_end) = (self.device_time(), usage::machine_time());
        Ok(Measured {
            sent,
            received: after.first().map_or(0, |after| after - before),
            device_time: device
                .zip(device_end)
                .map(|(begin, end)| end.saturating_sub(begin)),
            machine_time: machine_end.saturating_sub(machine),
            tally: sink.finish(),
        })
    }

    /// Processor time of all devices so far.
    pub(super) fn device_time(&self) -> Option<Duration> {
        let times = self
            .devices
            .iter()
            .map(|device| usage::processor_time(device.pid()?));
        times.sum()
    }

    /// Switches offloads of the host of `port` with ethtool: `["tso", "off"]`.
    pub(super) fn offload(&self, port: usize, words: &[&str]) -> Result<(), BenchError> {
        ethtool(&self.host(port).namespace, words)
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        self.devices.clear();
        let hosts = self.hosts.iter().map(|host| host.namespace.name());
        for name in hosts.chain([self.switch.name()]) {
            // What cannot be removed now is in the journal, and is told when the journal is cleared.
            let _ = Namespace::remove(name);
        }
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

/// The station behind a port.
pub(super) fn station(port: usize) -> Addresses {
    Addresses::station(u32::try_from(port).unwrap_or(u32::MAX))
}

/// The host's IPv4 address.
pub(super) fn address(port: usize) -> core::net::Ipv4Addr {
    core::net::Ipv4Addr::new(10, 0, 0, u8::try_from(port).unwrap_or(u8::MAX))
}

/// Namespaces for a switch and its hosts.
pub(super) fn namespaces(
    scratch: &Scratch,
    dut: Dut,
    hosts: usize,
    label: &str,
) -> Result<(Namespace, Vec<Namespace>), BenchError> {
    let name = |node: &str| format!("{}{label}-{node}", dut.name());
    let switch = scratch.namespace(&name("sw"))?;
    let hosts = (1..=hosts).map(|host| scratch.namespace(&name(&format!("h{host}"))));
    Ok((switch, hosts.collect::<Result<_, _>>()?))
}

fn host(namespace: Namespace, number: usize, checksums: bool) -> Result<Host, BenchError> {
    let net = namespace.net()?;
    net.set_up("lo", true)?;
    net.set_up(INTERFACE, true)?;
    net.add_address(INTERFACE, address(number).into(), 24)?;
    if checksums {
        ethtool(&namespace, &["tx", "off"])?;
    }
    let index = net.link(INTERFACE)?.index;
    let sender = namespace.run(|| TrafficSocket::sender(index))?;
    let sender = sender.map_err(|source| BenchError::io("open a packet socket", source))?;
    Ok(Host {
        namespace,
        index,
        sender,
    })
}

fn ethtool(namespace: &Namespace, words: &[&str]) -> Result<(), BenchError> {
    let mut command = Command::new(super::tools::find(super::tools::ETHTOOL)?);
    command.args(["-K", INTERFACE]).args(words);
    super::tools::run(namespace, &mut command, Path::new("ethtool"))?;
    Ok(())
}
