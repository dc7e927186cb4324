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
    Link {
        index: usize,
        own: &'t Endpoint,
        far: &'t Endpoint,
    },
    Vm {
        port: &'t str,
        vm: &'t str,
        here: bool,
    },
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
            match branch {
                Branch::Vm { port, vm, here } => {
                    let what = if here {
                        vm.to_owned()
                    } else {
                        format!("({vm} elsewhere)")
                    };
                    let own = self.end(&Endpoint {
                        node: node.to_owned(),
                        port: port.to_owned(),
                    });
                    let _ = writeln!(self.text, "{indent}{fork} {own} ─── {what}");
                }
                Branch::Link { index, own, far } => {
                    self.links.insert(index);
                    let carries = self.carries(own) && self.carries(far);
                    let grows = carries && self.drawn.insert(&far.node);
                    let wire = if carries { "───" } else { "─╳─" };
                    let label = if grows {
                        self.label(&far.node)
                    } else {
                        far.node.clone()
                    };
                    let (own, end) = (self.end(own), self.end(far));
                    let _ = writeln!(self.text, "{indent}{fork} {own} {wire} {end}  {label}");
                    if grows {
                        self.branches(&far.node, &format!("{indent}{below}"));
                        // Deeper branches may have drawn some of these links from their other end.
                        branches.retain(|branch| !matches!(branch, Branch::Link { index, .. } if self.links.contains(index)));
                    }
                }
            }
        }
    }

    /// What hangs on `node` and is not drawn yet: links in file order, then VMs.
    fn branches_of(&self, node: &'t str) -> Vec<Branch<'t>> {
        let mut branches = Vec::new();
        for (index, link) in self.topology.links.iter().enumerate() {
            if self.links.contains(&index) {
                continue;
            }
            for own in link.endpoints.iter().filter(|end| end.node == node) {
                let others = link.endpoints.iter().filter(|end| *end != own);
                branches.extend(others.map(|far| Branch::Link { index, own, far }));
                if link.endpoints.len() == 2 {
                    break;
                }
            }
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
