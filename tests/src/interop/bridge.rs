//! A running bridge of any brand: started, asked and changed in its own words.

use std::path::Path;
use std::time::Duration;

use labs::netns::Namespace;
use labs::peers::{KernelBridge, Ovs, OvsPort, PeerError, Protocol, Tree};
use pnet_base::MacAddr;
use stp::BridgeTimes;
use switchd::config::{Cost, PortSettings, StpSettings};
use switchd::control::{Command as Ask, EventStream};
use switchd::event::{Event, FlushReason};

use super::model::{Model, address};
use super::plan::{Brand, Speech, name};
use super::view::View;
use crate::switch_process::SwitchProcess;
use crate::{events, net};

/// The port of a bridge's host. (`ip link set h` asks for help.)
pub const HOST: &str = "host";
/// The number of that port: behind all others.
const HOST_NUMBER: u32 = 9;
/// The cost of that port.
const HOST_COST: u32 = 100;
/// The name of a peer's bridge in its namespace.
const DEVICE: &str = "br0";
const PRIORITY: u8 = 128;

/// The fastest legal times (802.1D-1998 8.10.2): max age 6 s, hello time 1 s, forward delay 4 s.
#[must_use]
pub fn times() -> BridgeTimes {
    let second = Duration::from_secs;
    BridgeTimes::new(second(6), second(1), second(4)).expect("legal times")
}

/// A bridge that runs.
#[derive(Debug)]
pub enum Running {
    /// One of ours.
    Ours {
        /// The process.
        process: SwitchProcess,
        /// What it tells.
        stream: EventStream,
    },
    /// The kernel's.
    Kernel {
        /// Where it is.
        namespace: Namespace,
        /// The device.
        bridge: KernelBridge,
    },
    /// Open vSwitch.
    Ovs {
        /// Its processes.
        ovs: Ovs,
        /// Its ports by their number there.
        ports: Vec<(u32, String)>,
    },
}

impl Running {
    /// Starts bridge `index` of `model` over its ports in `namespace`. `dir` is a new directory of its own.
    ///
    /// # Panics
    /// When a peer is missing or refuses.
    #[must_use]
    pub fn start(model: &Model, index: usize, namespace: &Namespace, dir: &Path) -> Self {
        let bridge = model.bridges[index];
        let wires = model.scenario.wires_of(index);
        let ports: Vec<(String, u32)> = wires
            .map(|wire| (model.scenario.port(index, wire), model.cost(index, wire)))
            .collect();
        let made = match bridge.brand {
            Brand::Ours => Ok(start_ours(model, index, namespace, &ports)),
            Brand::Kernel => start_kernel(model, index, namespace, &ports),
            Brand::Ovs => start_ovs(model, index, namespace, &ports, dir),
        };
        made.unwrap_or_else(|error| panic!("{}: {error}", name(index)))
    }

    /// What it says of its tree.
    ///
    /// # Panics
    /// When it does not answer.
    #[must_use]
    pub fn view(&self) -> View {
        let view = match self {
            Self::Ours { process, .. } => return View::of_ours(&process.spanning_tree()),
            Self::Kernel { bridge, .. } => bridge.tree(),
            Self::Ovs { ovs, .. } => ovs.tree(DEVICE),
        };
        view.expect("the peer answers").into()
    }

    /// The ports to which it would send frames for unicast addresses it has learned. `None`: it does not act on what it
    /// shows: the kernel's bridge shows entries that are too old, and believes them.
    ///
    /// # Panics
    /// When it does not answer.
    #[must_use]
    pub fn addresses(&self) -> Option<Vec<(MacAddr, String)>> {
        match self {
            Self::Ours { process, .. } => {
                let entries = process.cam().into_iter();
                Some(entries.map(|entry| (entry.mac, entry.port)).collect())
            }
            Self::Kernel { .. } => None,
            Self::Ovs { ovs, ports } => {
                let entries = ovs.addresses(DEVICE).expect("the peer answers");
                let named = entries.into_iter().filter_map(|(mac, number)| {
                    let port = ports.iter().find(|(own, _)| *own == number)?;
                    Some((mac, port.1.clone()))
                });
                Some(named.collect())
            }
        }
    }

    /// Lets a peer whose data path lags behind its spanning tree look again: [`Ovs::purge_flows`].
    ///
    /// # Panics
    /// When it does not answer.
    pub fn purge_flows(&self) {
        match self {
            Self::Ours { .. } | Self::Kernel { .. } => {}
            Self::Ovs { ovs, .. } => ovs.purge_flows().expect("the peer answers"),
        }
    }

    /// Forgets what was told so far.
    pub fn mark(&mut self) {
        if let Self::Ours { stream, .. } = self {
            while events::next(stream).is_some() {}
        }
    }

    /// Whether it has noticed a topology change since [`mark`](Self::mark); `None`: it does not say.
    ///
    /// # Panics
    /// When it does not answer.
    #[must_use]
    pub fn noticed(&mut self) -> Option<bool> {
        match self {
            Self::Ours { stream, .. } => {
                while let Some(record) = events::next(stream) {
                    if is_topology_change(&record.event) {
                        return Some(true);
                    }
                }
                Some(false)
            }
            Self::Kernel { bridge, .. } => bridge.tree().expect("the peer answers").topology_change,
            Self::Ovs { .. } => None,
        }
    }

    /// Changes its priority while it runs.
    ///
    /// # Panics
    /// When it refuses.
    pub fn set_priority(&self, model: &Model, index: usize) {
        let priority = model.bridges[index].priority;
        match self {
            Self::Ours { process, .. } => {
                let settings = StpSettings {
                    priority: Some(priority.into()),
                    ..StpSettings::default()
                };
                let _done = process.ask(&Ask::SetSpanningTree(settings));
            }
            Self::Kernel { bridge, .. } => {
                let line = format!("link set {DEVICE} type bridge priority {priority}");
                bridge.batch(&[line]).expect("the kernel takes it");
            }
            Self::Ovs { ovs, .. } => set_tree(ovs, model, index).expect("Open vSwitch takes it"),
        }
    }

    /// Changes the cost of its end of a cable while it runs.
    ///
    /// # Panics
    /// When it refuses.
    pub fn set_cost(&self, model: &Model, index: usize, wire: usize) {
        let (port, cost) = (model.scenario.port(index, wire), model.cost(index, wire));
        let done = match self {
            Self::Ours { process, .. } => {
                let settings = PortSettings {
                    cost: Some(Cost::Fixed(cost)),
                    ..PortSettings::default()
                };
                let _done = process.ask(&Ask::SetPort { port, settings });
                Ok(())
            }
            Self::Kernel { bridge, .. } => bridge.set_port(&port, cost, PRIORITY),
            Self::Ovs { ovs, .. } => ovs.set_port(&port, cost, PRIORITY),
        };
        done.expect("the peer takes it");
    }

    /// Changes what it speaks while it runs.
    ///
    /// # Panics
    /// When it refuses or cannot.
    pub fn set_speech(&self, model: &Model, index: usize) {
        match self {
            Self::Ours { process, .. } => {
                let settings = StpSettings {
                    protocol: Some(model.bridges[index].speech.protocol()),
                    ..StpSettings::default()
                };
                let _done = process.ask(&Ask::SetSpanningTree(settings));
            }
            Self::Kernel { .. } => panic!("the kernel's bridge speaks one protocol"),
            Self::Ovs { ovs, ports } => {
                let done = set_tree(ovs, model, index).and_then(|()| {
                    let names = ports.iter().filter(|(_, port)| port != HOST);
                    let wires = model.scenario.wires_of(index);
                    wires.zip(names).try_for_each(|(wire, (_, port))| {
                        ovs.set_port(port, model.cost(index, wire), PRIORITY)
                    })
                });
                done.expect("Open vSwitch takes it");
            }
        }
    }

    /// Ends it, carriers up.
    pub fn stop(self) {
        if let Self::Kernel { namespace, .. } = &self {
            // A bridge device that is down has silent ports; one that is removed too.
            let removed = net::run(namespace, "ip", &["link", "del", DEVICE]);
            removed.expect("it is there");
        }
    }
}

fn is_topology_change(event: &Event) -> bool {
    matches!(
        event,
        Event::ShortAgeing { active: true, .. }
            | Event::TopologyChange { .. }
            | Event::CamFlush {
                reason: FlushReason::TopologyChange,
                ..
            }
    )
}

fn start_ours(
    model: &Model,
    index: usize,
    namespace: &Namespace,
    ports: &[(String, u32)],
) -> Running {
    let bridge = model.bridges[index];
    let [max_age, hello, forward_delay] = {
        let times = times();
        [times.max_age(), times.hello_time(), times.forward_delay()]
            .map(|time| time.as_secs().to_string())
    };
    let (mac, priority) = (address(index).to_string(), bridge.priority.to_string());
    let mut arguments = vec!["--address", &mac, "--priority", &priority];
    let protocol = bridge.speech.to_string();
    arguments.extend([
        "--protocol",
        &protocol,
        "--hello",
        &hello,
        "--max-age",
        &max_age,
        "--forward-delay",
        &forward_delay,
    ]);
    if bridge.epochs {
        arguments.extend(["--epochs", "on"]);
    }
    arguments.push("--packet");
    let numbered = (1..).zip(ports);
    let specs: Vec<String> = numbered
        .map(|(number, (port, cost)): (u32, _)| format!("{port}:number={number}:cost={cost}"))
        .chain([format!("{HOST}:number={HOST_NUMBER}:cost={HOST_COST}:edge")])
        .collect();
    arguments.extend(specs.iter().map(String::as_str));
    let process = SwitchProcess::start(namespace, name(index), &arguments);
    let stream = process.client().events(None).expect("a stream of events");
    Running::Ours { process, stream }
}

fn tree(model: &Model, index: usize) -> Tree {
    let bridge = model.bridges[index];
    let protocol = match bridge.speech {
        Speech::Stp => Protocol::Stp,
        Speech::Rstp => Protocol::Rstp,
    };
    Tree {
        protocol,
        priority: bridge.priority,
        address: Some(address(index)),
        times: times(),
    }
}

fn start_kernel(
    model: &Model,
    index: usize,
    namespace: &Namespace,
    ports: &[(String, u32)],
) -> Result<Running, PeerError> {
    let names = ports.iter().map(|(port, _)| port.as_str());
    let names: Vec<&str> = names.chain([HOST]).collect();
    let bridge = KernelBridge::create(namespace, DEVICE, &names, Some(&tree(model, index)))?;
    for (port, cost) in ports {
        bridge.set_port(port, *cost, PRIORITY)?;
    }
    let namespace = Namespace::open(namespace.name())?;
    Ok(Running::Kernel { namespace, bridge })
}

fn start_ovs(
    model: &Model,
    index: usize,
    namespace: &Namespace,
    ports: &[(String, u32)],
    dir: &Path,
) -> Result<Running, PeerError> {
    let ovs = Ovs::start(namespace, dir)?;
    ovs.add_bridge(DEVICE)?;
    set_tree(&ovs, model, index)?;
    let names: Vec<&str> = ports
        .iter()
        .map(|(port, _)| port.as_str())
        .chain([HOST])
        .collect();
    ovs.add_ports(DEVICE, &names, OvsPort::System)?;
    for (port, cost) in ports {
        ovs.set_port(port, *cost, PRIORITY)?;
    }
    let numbers = names
        .iter()
        .map(|port| Ok((ovs.number_of(port)?, (*port).to_owned())));
    let ports = numbers.collect::<Result<_, PeerError>>()?;
    Ok(Running::Ovs { ovs, ports })
}

fn set_tree(ovs: &Ovs, model: &Model, index: usize) -> Result<(), PeerError> {
    ovs.set_tree(DEVICE, &tree(model, index))
}
