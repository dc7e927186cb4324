//! What many spanning trees cost a switch, in virtual time: `cargo bench -p switchd --bench trees [-- NAME…]`; names:
//! `rapid-pvst`, `pvst`, `mstp`.
//!
//! A switch and its only neighbour are joined by all of their ports, every one a trunk of all VLANs. The neighbour is a
//! second switch until both have settled; what it says in a hello time is written down then, and said again in every hello
//! time that is measured: octets in, octets out, no socket. A figure is the processor time of one hello time (2 s), the
//! median of several, and the share of a core that is.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a program that prints figures about switches it builds itself"
)]

use std::time::Duration;

use cam::MacTableConfig;
use pnet_base::MacAddr;
use stp::{
    BridgeConfig, BridgePriority, PathCost, PortNumber, Region, RegionName, TreeId, VlanMap,
};
use switchd::event::Event;
use switchd::tag::Relayed;
use switchd::vlan::{PortMode, default_vid};
use switchd::{
    Instances, PortSettings, Ports, Switch, SwitchConfig, TreeProtocol, VID_MAX, VlanSet,
};

/// The hello time of both.
const HELLO: Duration = Duration::from_secs(2);
/// Longer than trees take to stand, and to tell of it: two forward delays, and topology change time, of the classic one; a few
/// seconds of the others.
const fn settled(protocol: TreeProtocol) -> Duration {
    match protocol {
        TreeProtocol::Off | TreeProtocol::Stp | TreeProtocol::Pvst => Duration::from_secs(70),
        TreeProtocol::Rstp | TreeProtocol::Mstp | TreeProtocol::RapidPvst => {
            Duration::from_secs(10)
        }
    }
}
/// How many hello times are measured.
const ROUNDS: usize = 7;

fn main() {
    let names: Vec<String> = std::env::args()
        .skip(1)
        .filter(|name| !name.starts_with('-'))
        .collect();
    let wanted = |name: &str| names.is_empty() || names.iter().any(|wanted| wanted == name);
    let cases = [
        (TreeProtocol::RapidPvst, usize::from(VID_MAX), 32),
        (TreeProtocol::Pvst, usize::from(VID_MAX), 32),
        (TreeProtocol::Mstp, 64, 128),
    ];
    for (protocol, trees, ports) in cases {
        if wanted(protocol.name()) {
            measure(protocol, trees, ports);
        }
    }
}

fn measure(protocol: TreeProtocol, trees: usize, ports: u16) {
    println!("{protocol}: {trees} trees on {ports} ports");
    for index in [0, 1] {
        let begin = processor_time();
        let mut pair = Pair::new(protocol, ports);
        pair.run(settled(protocol));
        let both = processor_time() - begin;
        if index == 0 {
            println!(
                "    the first {:?}, both switches: {both:.2?} of a core",
                settled(protocol),
            );
        }
        let said = pair.record(1 - index);
        let end = &mut pair.ends[index];
        let mut times: Vec<Duration> = (0..ROUNDS).map(|_| end.hello_time(&said)).collect();
        times.sort_unstable();
        let (time, frames) = (times[ROUNDS / 2], end.wire.frames + said.len());
        println!(
            "    {}: {time:.2?} in a hello time, {:.1} % of a core; {} frames sent, {} heard, {:.0} ns each",
            ["root of all trees", "leaf of all trees"][index],
            100.0 * time.as_secs_f64() / HELLO.as_secs_f64(),
            end.wire.frames,
            said.len(),
            time.as_secs_f64() * 1e9 / frames.max(1) as f64,
        );
    }
}

/// Two switches, joined by ports of equal number.
struct Pair {
    ends: [End; 2],
}

impl Pair {
    fn new(protocol: TreeProtocol, ports: u16) -> Self {
        let mut ends = [1, 2].map(|id| End::new(id, protocol, ports));
        for end in &mut ends {
            end.plug();
        }
        Self { ends }
    }

    /// Until `until`, what one sends being heard by the other at once.
    fn run(&mut self, until: Duration) {
        loop {
            let due = self
                .ends
                .iter()
                .filter_map(|end| end.switch.deadline())
                .min();
            let Some(due) = due.filter(|&due| due <= until) else {
                break;
            };
            for end in &mut self.ends {
                end.wire.keep = true;
                end.timeouts(due);
            }
            self.exchange();
        }
        for end in &mut self.ends {
            end.now = until;
            end.wire.keep = false;
        }
    }

    fn exchange(&mut self) {
        let [one, other] = &mut self.ends;
        while !(one.wire.kept.is_empty() && other.wire.kept.is_empty()) {
            other.hear(&core::mem::take(&mut one.wire.kept));
            one.hear(&core::mem::take(&mut other.wire.kept));
        }
    }

    /// What the end `index` says in a hello time of its own, with nobody answering: a leaf hears a root's designated ports,
    /// and a root hears nothing.
    fn record(&mut self, index: usize) -> Vec<(Duration, PortNumber, Vec<u8>)> {
        let end = &mut self.ends[index];
        let (begin, mut said) = (end.now, Vec::new());
        end.wire.keep = true;
        while let Some(due) = end.switch.deadline().filter(|&due| due <= begin + HELLO) {
            end.timeouts(due);
            let kept = core::mem::take(&mut end.wire.kept).into_iter();
            said.extend(kept.map(|(port, frame)| (due - begin, port, frame)));
        }
        end.wire.keep = false;
        said
    }
}

/// What a switch sends.
#[derive(Default)]
struct Wire {
    keep: bool,
    kept: Vec<(PortNumber, Vec<u8>)>,
    frames: usize,
}

impl Ports for Wire {
    fn transmit(&mut self, _: PortNumber, _: Relayed<'_>) {}

    fn send(&mut self, port: PortNumber, frame: &[u8]) {
        self.frames += 1;
        if self.keep {
            self.kept.push((port, frame.to_vec()));
        }
    }

    fn notice(&mut self, _: Event) {}
}

struct End {
    switch: Switch,
    wire: Wire,
    now: Duration,
}

impl End {
    fn new(id: u8, protocol: TreeProtocol, ports: u16) -> Self {
        let mut bridge = BridgeConfig::new(MacAddr::new(2, 0, 0, 0, id, 0));
        bridge.priority = BridgePriority::new(4096 * u16::from(id)).unwrap();
        let mut end = Self {
            switch: Switch::new(SwitchConfig {
                bridge,
                protocol,
                instances: instances(),
                cam: MacTableConfig::default(),
            }),
            wire: Wire::default(),
            now: Duration::ZERO,
        };
        for number in 1..=ports {
            let [high, low] = number.to_be_bytes();
            let address = MacAddr::new(2, 0, 0, id, high, low);
            let mut settings = PortSettings::new(format!("p{number}").parse().unwrap(), address);
            settings.mode = PortMode::Trunk {
                allowed: VlanSet::all(),
                native: default_vid(),
                native_tagged: false,
            };
            let port = PortNumber::new(number).unwrap();
            let (switch, wire) = (&mut end.switch, &mut end.wire);
            switch
                .add_port(Duration::ZERO, port, settings, wire)
                .unwrap();
        }
        end
    }

    fn plug(&mut self) {
        let numbers: Vec<PortNumber> = self.switch.ports().map(|(number, _)| number).collect();
        for port in numbers {
            let cost = PathCost::new(2000).unwrap();
            self.switch
                .link_up(self.now, port, cost, true, &mut self.wire);
        }
    }

    fn hear(&mut self, frames: &[(PortNumber, Vec<u8>)]) {
        for (port, frame) in frames {
            self.switch.receive(self.now, *port, frame, &mut self.wire);
        }
    }

    /// Everything due by `until`.
    fn timeouts(&mut self, until: Duration) {
        while let Some(due) = self.switch.deadline().filter(|&due| due <= until) {
            self.now = self.now.max(due);
            self.switch.timeout(self.now, &mut self.wire);
        }
    }

    /// What a hello time costs in which `said` is heard, spread over it as it was said.
    fn hello_time(&mut self, said: &[(Duration, PortNumber, Vec<u8>)]) -> Duration {
        let begin = self.now;
        self.wire.frames = 0;
        let before = processor_time();
        for (after, port, frame) in said {
            self.timeouts(begin + *after);
            self.now = begin + *after;
            self.switch.receive(self.now, *port, frame, &mut self.wire);
        }
        self.timeouts(begin + HELLO);
        self.now = begin + HELLO;
        processor_time() - before
    }
}

/// 64 instances, of 63 or 64 VLANs each.
fn instances() -> Instances {
    let mut vlans = VlanMap::new();
    for vid in 1..=VID_MAX {
        vlans.set(vid, TreeId::new(1 + vid % 64).unwrap());
    }
    Instances {
        region: Region {
            name: RegionName::new("bench").unwrap(),
            revision: 1,
            vlans,
        },
        vlans: VlanSet::all(),
        ..Instances::default()
    }
}

/// What this thread has had of a processor.
fn processor_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    let nanos = stat
        .split_whitespace()
        .next()
        .and_then(|nanos| nanos.parse().ok());
    Duration::from_nanos(nanos.unwrap_or(0))
}
