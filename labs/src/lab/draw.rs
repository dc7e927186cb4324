//! A lab as text: the spanning tree from its root down, with what is blocked shown where it would have closed a loop.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::{PortView, View};
use crate::topology::{Endpoint, NodeKind, Topology, Wire};

/// Draws `topology` as `view` shows it, a line per link end, the root first.
///
/// ```text
/// core1  ROOT  priority 4096
/// ├─ p1 Desg FWD ─── p1 Root FWD  core2
/// ├─ p2 Desg FWD ─── p1 Root FWD  acc1
/// │  ├─ p2 Altn BLK ─╳─ p2 Desg FWD  core2
/// │  └─ esx1 Desg FWD ─── uplink FWD  vsw1  no spanning tree
/// └─ client Desg FWD ─── eth0  client  10.0.10.100/24
/// ```
#[must_use]
pub fn draw(topology: &Topology, view: &View) -> String {
    let mut drawing = Drawing {
        topology,
        view,
        drawn: BTreeSet::new(),
        links: BTreeSet::new(),
        text: String::new(),
    };
    let is_root = |name: &&str| {
        view.switches
            .get(*name)
            .is_some_and(super::SwitchView::is_root)
    };
    let roots = topology.switches().map(|(name, _)| name).filter(is_root);
    let others = topology.nodes.iter().map(|node| node.name.as_str());
    // A VM is drawn at its vSwitch, or, without any view of it, not at all.
    let others = others.filter(|name| topology.vm(name).is_none());
    for node in roots.chain(others) {
        if drawing.drawn.insert(node) {
            let label = drawing.label(node);
            drawing.text.push_str(&label);
            drawing.text.push('\n');
            drawing.branches(node, "");
        }
    }
    drawing.text
}

struct Drawing<'t> {
    topology: &'t Topology,
    view: &'t View,
    drawn: BTreeSet<&'t str>,
    links: BTreeSet<usize>,
    text: String,
}

/// A line below a node.
enum Branch<'t> {
    /// A cable.
    Cable {
        link: usize,
        own: &'t Endpoint,
        far: &'t Endpoint,
    },
    /// A shared segment this node is on.
    Segment { link: usize, own: &'t Endpoint },
    /// The port of a VM.
    Vm {
        port: &'t str,
        vm: &'t str,
        here: bool,
    },
}

impl Branch<'_> {
    fn link(&self) -> Option<usize> {
        match self {
            Self::Cable { link, .. } | Self::Segment { link, .. } => Some(*link),
            Self::Vm { .. } => None,
        }
    }
}

impl<'t> Drawing<'t> {
    fn branches(&mut self, node: &'t str, indent: &str) {
        let mut branches = self.branches_of(node);
        while !branches.is_empty() {
            let branch = branches.remove(0);
            let last = branches.is_empty();
            let (fork, below) = if last {
                ("└─", "   ")
            } else {
                ("├─", "│  ")
            };
            let line = format!("{indent}{fork} ");
            let below = format!("{indent}{below}");
            self.links.extend(branch.link());
            match branch {
                Branch::Vm { port, vm, here } => {
                    let what = if here {
                        vm.to_owned()
                    } else {
                        format!("({vm} elsewhere)")
                    };
                    let own = Endpoint {
                        node: node.to_owned(),
                        port: port.to_owned(),
                    };
                    let _ = writeln!(self.text, "{line}{} ─── {what}", self.end(&own));
                }
                Branch::Cable { own, far, .. } => {
                    let _ = write!(self.text, "{line}{} ", self.end(own));
                    self.far_end(far, self.carries(own), &below);
                }
                Branch::Segment { link, own } => self.segment(link, own, &line, &below),
            }
            // Deeper branches may have drawn some of these links from their other end.
            branches.retain(|branch| !branch.link().is_some_and(|link| self.links.contains(&link)));
        }
    }

    /// The rest of a line, from the wire on, and what hangs on the node there if it is met for the first time.
    fn far_end(&mut self, far: &'t Endpoint, near_carries: bool, below: &str) {
        let carries = near_carries && self.carries(far);
        let grows = carries && self.drawn.insert(&far.node);
        let wire = if carries { "───" } else { "─╳─" };
        let label = if grows {
            self.label(&far.node)
        } else {
            far.node.clone()
        };
        let _ = writeln!(self.text, "{wire} {}  {label}", self.end(far));
        if grows {
            self.branches(&far.node, below);
        }
    }

    fn segment(&mut self, link: usize, own: &'t Endpoint, line: &str, below: &str) {
        let topology = self.topology;
        let ends = &topology.links[link].endpoints;
        let _ = writeln!(
            self.text,
            "{line}{} ─── segment of {} ends",
            self.end(own),
            ends.len()
        );
        let mut others = ends.iter().filter(|end| *end != own).peekable();
        while let Some(far) = others.next() {
            let (fork, deeper) = if others.peek().is_none() {
                ("└", "   ")
            } else {
                ("├", "│  ")
            };
            let _ = write!(self.text, "{below}{fork}");
            self.far_end(far, self.carries(own), &format!("{below}{deeper}"));
        }
    }

    /// What hangs on `node` and is not drawn yet: links in file order, then VMs.
    fn branches_of(&self, node: &'t str) -> Vec<Branch<'t>> {
        let mut branches = Vec::new();
        for (link, wire) in self.topology.links.iter().enumerate() {
            let own = wire.endpoints.iter().find(|end| end.node == node);
            let Some(own) = own.filter(|_| !self.links.contains(&link)) else {
                continue;
            };
            branches.push(match wire.endpoints.as_slice() {
                [one, other] => Branch::Cable {
                    link,
                    own,
                    far: if own == one { other } else { one },
                },
                _ => Branch::Segment { link, own },
            });
        }
        let ports = self
            .topology
            .switch(node)
            .map_or(&[][..], |switch| &switch.ports);
        for port in ports {
            if let Wire::Vm(vm) = &port.wire {
                let host = self
                    .view
                    .vms
                    .get(vm)
                    .and_then(|host| self.topology.host(host));
                let here = host.is_some_and(|host| host.vswitch.as_deref() == Some(node));
                branches.push(Branch::Vm {
                    port: &port.name,
                    vm,
                    here,
                });
            }
        }
        branches
    }

    /// Whether data passes this end: it is not a switch's, or its port forwards with a link.
    fn carries(&self, end: &Endpoint) -> bool {
        self.view
            .port(end)
            .is_none_or(|port| port.state == "forwarding" && port.link)
    }

    fn end(&self, end: &Endpoint) -> String {
        match self.view.port(end) {
            None => end.port.clone(),
            Some(PortView { link: false, .. }) => format!("{} down", end.port),
            Some(port) if port.role.is_empty() => {
                format!("{} {}", end.port, short_state(&port.state))
            }
            Some(port) => format!(
                "{} {} {}",
                end.port,
                short_role(&port.role),
                short_state(&port.state)
            ),
        }
    }

    fn label(&self, node: &str) -> String {
        match (
            self.view.switches.get(node),
            self.topology.node(node).map(|node| &node.kind),
        ) {
            (Some(switch), _) if switch.root.is_none() => format!("{node}  no spanning tree"),
            (Some(switch), _) if switch.is_root() => {
                format!("{node}  ROOT  priority {}", switch.priority)
            }
            (Some(switch), _) => format!("{node}  priority {}", switch.priority),
            (None, Some(NodeKind::Host(host))) => {
                let addresses = host
                    .ports
                    .iter()
                    .flat_map(|port| &port.addresses)
                    .map(ToString::to_string);
                [node.to_owned()]
                    .into_iter()
                    .chain(addresses)
                    .collect::<Vec<_>>()
                    .join("  ")
            }
            (None, Some(NodeKind::Switch(_) | NodeKind::Vm(_)) | None) => node.to_owned(),
        }
    }
}

/// The short forms users of `show spanning-tree` know.
#[must_use]
pub fn short_role(role: &str) -> &str {
    match role {
        "root" => "Root",
        "designated" => "Desg",
        "alternate" => "Altn",
        "backup" => "Back",
        "disabled" => "Dis",
        other => other,
    }
}

/// The short forms users of `show spanning-tree` know.
#[must_use]
pub fn short_state(state: &str) -> &str {
    match state {
        "forwarding" => "FWD",
        "blocking" => "BLK",
        "listening" => "LIS",
        "learning" => "LRN",
        "disabled" => "DIS",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::SwitchView;

    fn switch(address: u8, root: Option<u8>, ports: &[(&str, &str, &str)]) -> SwitchView {
        let mac = |last| pnet_base::MacAddr::new(2, 0, 0, 0, 0, last);
        let port = |&(name, role, state): &(&str, &str, &str)| {
            let view = PortView {
                role: role.to_owned(),
                state: state.to_owned(),
                link: state != "disabled",
                held: String::new(),
                mode: switchd::config::PortMode::default(),
            };
            (name.to_owned(), view)
        };
        SwitchView {
            pid: 1,
            address: mac(address),
            priority: 4096,
            root: root.map(mac),
            root_path_cost: 0,
            ports: ports.iter().map(port).collect(),
            trees: Vec::new(),
        }
    }

    #[test]
    fn a_blocked_link_a_segment_and_a_vm() {
        let text = "name: x
topology:
  nodes:
    h1: {kind: host, ports: {eth0: {ip: 10.0.0.1/24}}}
    a: {kind: switch}
    b: {kind: switch}
    v: {kind: switch, stp: off}
    e: {kind: host, vswitch: v}
    vm1: {kind: vm, host: e, mac: 52:54:00:00:00:05, ip: 10.0.0.5/24}
  links:
    - endpoints: [\"a:p1\", \"b:p1\", \"h1:eth0\"]
    - endpoints: [\"a:p2\", \"b:p2\"]
    - endpoints: [\"b:p3\", \"v:up\"]
    - endpoints: [\"b:p4\", \"a:p4\"]
";
        let topology = Topology::parse("x.yml", text).unwrap();
        let (desg, fwd, off) = ("designated", "forwarding", "disabled");
        let a = [("p1", desg, fwd), ("p2", desg, fwd), ("p4", off, off)];
        let b = [
            ("p1", "root", fwd),
            ("p2", "alternate", "blocking"),
            ("p3", desg, fwd),
            ("p4", off, off),
        ];
        let mut view = View::default();
        view.switches.insert("a".to_owned(), switch(1, Some(1), &a));
        view.switches.insert("b".to_owned(), switch(2, Some(1), &b));
        view.switches.insert(
            "v".to_owned(),
            switch(3, None, &[("up", "", fwd), ("vm1", "", fwd)]),
        );
        view.vms.insert("vm1".to_owned(), "e".to_owned());
        let expected = "\
a  ROOT  priority 4096
├─ p1 Desg FWD ─── segment of 3 ends
│  ├─── p1 Root FWD  b  priority 4096
│  │  ├─ p2 Altn BLK ─╳─ p2 Desg FWD  a
│  │  ├─ p3 Desg FWD ─── up FWD  v  no spanning tree
│  │  │  └─ vm1 FWD ─── vm1
│  │  └─ p4 down ─╳─ p4 down  a
│  └─── eth0  h1  10.0.0.1/24
e
";
        let drawing = draw(&topology, &view);
        assert_eq!(drawing, expected, "\n{drawing}");
    }
}
