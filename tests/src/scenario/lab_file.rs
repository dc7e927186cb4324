//! A scenario as a lab file, for `labs sim`: the same network, the same faults at the same times, and checks of what must
//! hold in the end.

#[cfg(test)]
mod tests;

use core::fmt::Write as _;
use core::time::Duration;

use labs::sim::Power;

use super::network::Network;
use super::regime::Regime;
use super::{Fault, Scenario, Wire};
use crate::oracle::{Graph, Role, Tree};

/// The lab file. `head` says in one line what it shows.
#[must_use]
pub fn write(scenario: &Scenario, head: &str) -> String {
    let mut file = File::new(scenario);
    file.line(&format!("# {head}"));
    let seed = scenario.seed;
    file.line(&format!("# labs sim THIS-FILE --seed {seed}"));
    file.line("name: scenario\ntopology:\n  nodes:");
    file.bridges();
    file.hosts();
    file.line("  links:");
    for wire in 0..scenario.wires.len() {
        file.link(wire);
    }
    file.line("steps:");
    file.steps();
    file.text
}

struct File<'a> {
    scenario: &'a Scenario,
    text: String,
    /// By wire: its ends as `node:port`, bridges' first; empty for a wire with less than two.
    ends: Vec<Vec<String>>,
    /// By wire: the delay and the loss now.
    media: Vec<(u32, u8)>,
    /// By wire and end: mute and deaf now.
    one_way: Vec<Vec<(bool, bool)>>,
    power: Vec<Power>,
    time_us: u64,
    next_broadcast_us: Option<u64>,
}

impl<'a> File<'a> {
    fn new(scenario: &'a Scenario) -> Self {
        let mut ports = vec![0; scenario.bridges.len()];
        let mut hosts = 0;
        let wires = scenario.wires.iter();
        let ends: Vec<_> = wires
            .map(|wire| ends(wire, &mut ports, &mut hosts))
            .collect();
        let traffic = u64::from(scenario.traffic_ms) * 1_000;
        Self {
            scenario,
            text: String::new(),
            media: scenario
                .wires
                .iter()
                .map(|wire| (wire.delay_us, 0))
                .collect(),
            one_way: ends
                .iter()
                .map(|ends| vec![(false, false); ends.len()])
                .collect(),
            ends,
            power: vec![Power::On; scenario.bridges.len()],
            time_us: 0,
            next_broadcast_us: (traffic > 0).then_some(traffic),
        }
    }

    fn line(&mut self, line: &str) {
        self.text += line;
        self.text += "\n";
    }

    fn bridges(&mut self) {
        for (index, bridge) in self.scenario.bridges.iter().enumerate() {
            let mut ports = Vec::new();
            for (wire, ends) in self.scenario.wires.iter().zip(&self.ends) {
                for (end, label) in wire.ends.iter().zip(ends) {
                    if end.bridge == index {
                        let port = label.split_once(':').map_or("", |(_, port)| port);
                        let (cost, priority) = (end.cost, u32::from(end.priority) * 16);
                        let edge = if end.edge { ", edge: on" } else { "" };
                        ports.push(format!(
                            "{port}: {{cost: {cost}, priority: {priority}{edge}}}"
                        ));
                    }
                }
            }
            let (number, priority) = (index + 1, u32::from(bridge.priority) * 4096);
            let times = bridge.times;
            // Of two bridges with equal priority the earlier one is better: its address is lower.
            self.line(&format!(
                "    sw{number}: {{kind: switch, protocol: stp, priority: {priority}, address: \"02:00:00:00:00:{number:02x}\", \
                 max-age: {}, hello: {}, forward-delay: {}, ageing: 1000000, ports: {{{}}}}}",
                times.0,
                times.1,
                times.2,
                ports.join(", ")
            ));
        }
    }

    fn hosts(&mut self) {
        for (number, host) in (1..).zip(self.all_hosts()) {
            let name = host.trim_end_matches(":eth0");
            self.line(&format!(
                "    {name}: {{kind: host, ports: {{eth0: {{ip: 10.0.0.{number}/24}}}}}}"
            ));
        }
    }

    fn all_hosts(&self) -> Vec<String> {
        let ends = self.ends.iter().flatten();
        ends.filter(|end| end.ends_with(":eth0")).cloned().collect()
    }

    fn link(&mut self, wire: usize) {
        if self.ends[wire].is_empty() {
            return;
        }
        let delay = self.scenario.wires[wire].delay_us;
        let ends = quoted(&self.ends[wire]);
        self.line(&format!("    - {{endpoints: [{ends}], delay: {delay}us}}"));
    }

    fn steps(&mut self) {
        let scenario = self.scenario;
        let mut at = 0;
        for step in &scenario.steps {
            at += step.wait_us;
            self.wait_until(at);
            self.fault(step.fault);
        }
        self.heal();
        if scenario.hush {
            self.next_broadcast_us = None;
        }
        let regime = Regime::of(scenario);
        let network = self.end_of_faults();
        let graph = network.graph();
        let tree = graph.tree();
        let roots = (0..graph.bridges.len()).filter(|&i| tree.ways[i].0 == graph.bridges[i]);
        let times: Vec<_> = roots.filter_map(|root| network.times(root)).collect();
        let longest = |bounds: &mut dyn Iterator<Item = Duration>| bounds.max().unwrap_or_default();
        let settling = longest(&mut times.iter().map(|&root| regime.settled_after(root)));
        let learning = longest(&mut times.iter().map(|&root| regime.learned_after(root)));
        self.wait_until(at + micros(settling));
        if regime.reaches {
            self.tree_checks(&network, &tree);
            self.wait_until(at + micros(settling + learning));
            // There and back over every bridge; a simulated host waits for its answer half a second.
            if 2 * (regime.bridges + 1) * regime.delay < Duration::from_millis(400) {
                self.reach_checks(&network, &graph, &tree);
            }
        }
    }

    /// The network as the faults leave it.
    fn end_of_faults(&self) -> Network {
        let mut network = Network::build(self.scenario);
        for step in &self.scenario.steps {
            network.hurt(step.fault);
        }
        network.heal();
        network
    }

    /// Waits, and lets hosts send meanwhile.
    fn wait_until(&mut self, at_us: u64) {
        while let Some(next) = self.next_broadcast_us.filter(|next| *next <= at_us) {
            self.wait(next);
            for host in self.all_hosts() {
                let name = host.trim_end_matches(":eth0").to_owned();
                self.line(&format!("  - send: {{from: {name}, to: broadcast}}"));
            }
            self.next_broadcast_us = Some(next + u64::from(self.scenario.traffic_ms) * 1_000);
        }
        self.wait(at_us);
    }

    fn wait(&mut self, at_us: u64) {
        let wait = at_us - self.time_us;
        self.time_us = at_us;
        match (wait, wait % 1_000_000) {
            (0, _) => {}
            (_, 0) => self.line(&format!("  - wait: {}s", wait / 1_000_000)),
            _ => self.line(&format!("  - wait: {wait}us")),
        }
    }

    fn fault(&mut self, fault: Fault) {
        match fault {
            Fault::Nothing => {}
            Fault::Down(wire) => self.carrier(wire, "down"),
            Fault::Up(wire) => {
                self.heal_wire(wire);
                self.carrier(wire, "up");
            }
            Fault::Silent(wire) => {
                if let Some(end) = self.end(wire, 0) {
                    self.line(&format!("  - link: {{silent: \"{end}\"}}"));
                }
            }
            Fault::Mute(wire, end) => self.set_one_way(wire, end, (true, false)),
            Fault::Deaf(wire, end) => self.set_one_way(wire, end, (false, true)),
            Fault::Loss(wire, percent) => self.set_medium(wire, |medium| medium.1 = percent),
            Fault::Delay(wire, delay_us) => self.set_medium(wire, |medium| medium.0 = delay_us),
            Fault::Off(bridge) => self.set_power(bridge, Power::Off),
            Fault::On(bridge) => self.set_power(bridge, Power::On),
            Fault::Freeze(bridge) if self.power.get(bridge) == Some(&Power::On) => {
                self.set_power(bridge, Power::Frozen);
            }
            Fault::Freeze(_) => {}
            Fault::Priority(bridge, priority) => {
                self.set_bridge(bridge, &format!("priority: {}", u32::from(priority) * 4096));
            }
            Fault::Times(bridge, times) => {
                let (age, hello, delay) = (times.0, times.1, times.2);
                let times = format!("max-age: {age}, hello: {hello}, forward-delay: {delay}");
                self.set_bridge(bridge, &times);
            }
            Fault::Cost(wire, end, cost) => self.set_port(wire, end, &format!("cost: {cost}")),
            Fault::PortPriority(wire, end, priority) => {
                self.set_port(
                    wire,
                    end,
                    &format!("priority: {}", u32::from(priority) * 16),
                );
            }
            Fault::PortDown(wire, end) => self.set_port(wire, end, "down: on"),
            Fault::PortUp(wire, end) => self.set_port(wire, end, "down: off"),
        }
    }

    fn end(&self, wire: usize, end: usize) -> Option<&String> {
        self.ends.get(wire)?.get(end)
    }

    /// Of a segment each end is unplugged by itself.
    fn carrier(&mut self, wire: usize, word: &str) {
        let ends = self.ends.get(wire).cloned().unwrap_or_default();
        let count = if ends.len() > 2 { ends.len() } else { 1 };
        for end in ends.iter().take(count) {
            self.line(&format!("  - link: {{{word}: \"{end}\"}}"));
        }
    }

    fn set_one_way(&mut self, wire: usize, end: usize, now: (bool, bool)) {
        if self.is_bridge_end(wire, end) {
            self.one_way[wire][end] = now;
            self.change(wire, end);
        }
    }

    fn is_bridge_end(&self, wire: usize, end: usize) -> bool {
        let host = |end: &String| end.ends_with(":eth0");
        self.end(wire, end).is_some_and(|end| !host(end))
    }

    fn set_medium(&mut self, wire: usize, change: impl Fn(&mut (u32, u8))) {
        if self.end(wire, 0).is_none() {
            return;
        }
        change(&mut self.media[wire]);
        for end in 0..self.ends[wire].len() {
            self.change(wire, end);
        }
    }

    fn change(&mut self, wire: usize, end: usize) {
        let ((delay, loss), (mute, deaf)) = (self.media[wire], self.one_way[wire][end]);
        let label = &self.ends[wire][end];
        let on = |on| if on { "on" } else { "off" };
        let (mute, deaf) = (on(mute), on(deaf));
        self.line(&format!(
            "  - link: {{change: \"{label}\", delay: {delay}us, loss: {loss}%, mute: {mute}, deaf: {deaf}}}"
        ));
    }

    fn heal_wire(&mut self, wire: usize) {
        let Some(one_way) = self.one_way.get_mut(wire) else {
            return;
        };
        let hurt = self.media[wire].1 > 0 || one_way.iter().any(|&now| now != (false, false));
        if hurt {
            one_way.fill((false, false));
            self.set_medium(wire, |medium| medium.1 = 0);
        }
    }

    /// As [`Network::heal`].
    fn heal(&mut self) {
        let is_silent = |wire: usize| {
            let mut states = self.scenario.steps.iter().filter_map(|step| {
                let (Fault::Silent(of) | Fault::Up(of) | Fault::Down(of)) = step.fault else {
                    return None;
                };
                (of == wire).then_some(step.fault == Fault::Silent(of))
            });
            states.next_back() == Some(true)
        };
        let silent: Vec<bool> = (0..self.ends.len()).map(is_silent).collect();
        for (wire, silent) in silent.into_iter().enumerate() {
            self.heal_wire(wire);
            if silent {
                self.carrier(wire, "up");
            }
        }
        for bridge in 0..self.power.len() {
            if self.power[bridge] == Power::Frozen {
                self.set_power(bridge, Power::On);
            }
        }
    }

    fn set_power(&mut self, bridge: usize, power: Power) {
        let Some(now) = self.power.get_mut(bridge) else {
            return;
        };
        *now = power;
        let word = match power {
            Power::On => "up",
            Power::Off => "down",
            Power::Frozen => "freeze",
        };
        self.line(&format!("  - switch: {{{word}: sw{}}}", bridge + 1));
    }

    /// What is off or hangs takes no settings.
    fn set_bridge(&mut self, bridge: usize, settings: &str) {
        if self.power.get(bridge) == Some(&Power::On) {
            let number = bridge + 1;
            self.line(&format!("  - set: {{switch: sw{number}, {settings}}}"));
        }
    }

    fn set_port(&mut self, wire: usize, end: usize, settings: &str) {
        let bridge = self.scenario.wires.get(wire).and_then(|w| w.ends.get(end));
        let runs = bridge.is_some_and(|end| self.power.get(end.bridge) == Some(&Power::On));
        if let Some(label) = self.end(wire, end).cloned().filter(|_| runs) {
            self.line(&format!("  - set: {{port: \"{label}\", {settings}}}"));
        }
    }

    fn tree_checks(&mut self, network: &Network, tree: &Tree) {
        for (port, role) in network.all_ports().zip(&tree.roles) {
            let expected = match role {
                Role::Disabled => continue,
                Role::Root => "role: root, state: forwarding",
                Role::Designated => "role: designated, state: forwarding",
                Role::Alternate => "role: alternate, state: blocking",
                Role::Backup => "role: backup, state: blocking",
            };
            let label = network.world.map().label(port);
            self.line(&format!("  - check: {{port: \"{label}\", {expected}}}"));
        }
    }

    fn reach_checks(&mut self, network: &Network, graph: &Graph, tree: &Tree) {
        let hosts: Vec<_> = (1..).zip(&network.hosts).collect();
        for &(from, (home, _)) in &hosts {
            let reached = graph.reached(&tree.roles, *home, None);
            for &(to, (other, _)) in &hosts {
                if from < to && reached.contains(other) {
                    self.line(&format!(
                        "  - check: {{ping: {{from: h{from}, to: h{to}}}, wait: 5s}}"
                    ));
                }
            }
        }
    }
}

/// The labels that [`Network::build`] gives the ends of a wire.
fn ends(wire: &Wire, ports: &mut [u32], hosts: &mut u32) -> Vec<String> {
    let bridges = ports.len();
    let known = wire.ends.iter().filter(|end| end.bridge < bridges);
    if known.clone().count() + usize::from(wire.hosts) < 2 {
        return Vec::new();
    }
    let mut ends = Vec::new();
    for bridge in known.map(|end| end.bridge) {
        ports[bridge] += 1;
        ends.push(format!("sw{}:p{}", bridge + 1, ports[bridge]));
    }
    for _ in 0..wire.hosts {
        *hosts += 1;
        ends.push(format!("h{hosts}:eth0"));
    }
    ends
}

fn quoted(ends: &[String]) -> String {
    let mut text = String::new();
    for end in ends {
        let comma = if text.is_empty() { "" } else { ", " };
        // Writing to a string does not fail.
        let _ = write!(text, "{comma}\"{end}\"");
    }
    text
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
