//! The spanning tree of a whole lab, as its switches tell it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use pnet_base::MacAddr;
use switchd::config::{PortMode, VlanNumber, VlanSet};
use switchd::control::{Command, Reply, SpanningTree};

use super::{Lab, LabError, interrupt};
use crate::sim::Power;
use crate::topology::Endpoint;

/// How often switches are asked while waiting.
const POLL: Duration = Duration::from_millis(50);

/// All switches at one moment (each asked in turn: some milliseconds apart).
#[derive(Debug, Clone, Default)]
pub struct View {
    /// By the switch's name.
    pub switches: BTreeMap<String, SwitchView>,
    /// Where each VM runs, as far as known: VM, host.
    pub vms: BTreeMap<String, String>,
}

/// One switch.
#[derive(Debug, Clone)]
pub struct SwitchView {
    /// Process number.
    pub pid: u32,
    /// Its bridge address.
    pub address: MacAddr,
    /// Its bridge priority.
    pub priority: u16,
    /// The root, if it runs the spanning tree.
    pub root: Option<MacAddr>,
    /// Cost of its path to the root.
    pub root_path_cost: u32,
    /// By port name; without spanning tree, role is empty and the state that of the port.
    pub ports: BTreeMap<String, PortView>,
    /// Every tree it is in; none without spanning tree.
    pub trees: Vec<TreeStates>,
}

/// A tree as a switch has it: whose frames go by it, and which ports let them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeStates {
    /// The VLANs.
    pub vlans: VlanSet,
    /// The states of ports in it, by name.
    pub states: BTreeMap<String, String>,
    /// The ports that do not forward yet although their role lets them.
    pub unsettled: BTreeSet<String>,
}

/// Whether a port of a tree is where its role leads it to. A rapid protocol's designated port blocks until its neighbour
/// agrees.
pub(crate) fn is_settled(role: &str, state: &str) -> bool {
    match state {
        "listening" | "learning" => false,
        "blocking" => !matches!(role, "root" | "designated" | "master"),
        _ => true,
    }
}

/// One port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortView {
    /// `root`, `designated`, `alternate`, `backup`, `disabled`, or empty without spanning tree.
    pub role: String,
    /// `forwarding`, `blocking`, `listening`, `learning`, `disabled`.
    pub state: String,
    /// Whether the link is there.
    pub link: bool,
    /// What keeps it from forwarding in some tree, or has disabled it for cause: in the switch's words, or empty.
    pub held: String,
    /// Which VLANs it carries, and in which form.
    pub mode: PortMode,
}

impl PortView {
    /// What is to be told of it.
    #[must_use]
    pub fn told(&self, endpoint: &Endpoint) -> String {
        let held = match self.held.as_str() {
            "" => String::new(),
            held => format!(", held: {held}"),
        };
        format!("{endpoint} is {} {}{held}", self.role, self.state)
    }
}

impl SwitchView {
    /// Whether every port of a tree is where it is going to be. One that something holds goes nowhere, whichever of its
    /// trees that is in at this moment.
    fn stands(&self, tree: &TreeStates) -> bool {
        let held = |port: &String| {
            self.ports
                .get(port)
                .is_some_and(|port| !port.held.is_empty())
        };
        tree.unsettled.iter().all(held)
    }

    /// Whether this switch takes itself for the root.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.root == Some(self.address)
    }

    /// The state of a port for the frames of a VLAN: that in their tree, or, without spanning tree, its own. `None`: they
    /// have no tree, and go nowhere.
    #[must_use]
    pub fn state_in(&self, port: &str, vlan: VlanNumber) -> Option<&str> {
        if self.trees.is_empty() {
            return self.ports.get(port).map(|port| port.state.as_str());
        }
        let mut trees = self.trees.iter();
        let tree = trees.find(|tree| tree.vlans.contains(vlan.id()))?;
        tree.states.get(port).map(String::as_str)
    }
}

impl View {
    /// Asks every switch of `lab` that runs.
    ///
    /// # Errors
    /// When one does not answer.
    pub fn of(lab: &Lab) -> Result<Self, LabError> {
        let mut view = Self::default();
        let live = lab.live();
        let runs = |(name, _): &(&str, _)| live.power(name) == Power::On;
        for (name, _) in lab.topology.switches().filter(runs) {
            view.switches.insert(name.to_owned(), switch(lab, name)?);
        }
        for (vm, settings) in lab.topology.vms() {
            let place = lab.place(vm).unwrap_or_else(|| settings.host.clone());
            view.vms.insert(vm.to_owned(), place);
        }
        Ok(view)
    }

    /// The port at `endpoint`.
    #[must_use]
    pub fn port(&self, endpoint: &Endpoint) -> Option<&PortView> {
        self.switches.get(&endpoint.node)?.ports.get(&endpoint.port)
    }

    /// Whether frames of a VLAN pass a port: it has carrier, is in the VLAN, and forwards in its tree.
    #[must_use]
    pub fn carries(&self, switch: &str, port: &str, vlan: VlanNumber) -> bool {
        self.switches.get(switch).is_some_and(|switch| {
            let seen = switch.ports.get(port);
            seen.is_some_and(|seen| seen.link && seen.mode.members().contains(vlan.id()))
                && switch.state_in(port, vlan) == Some("forwarding")
        })
    }

    /// The name of the switch with this bridge address.
    #[must_use]
    pub fn name_of(&self, address: MacAddr) -> Option<&str> {
        let mut switches = self.switches.iter();
        switches
            .find(|(_, switch)| switch.address == address)
            .map(|(name, _)| name.as_str())
    }

    /// Whether every tree stands: no port is on its way to forwarding, and every switch's root is one that takes itself
    /// for it (or none of this lab).
    #[must_use]
    pub fn is_converged(&self) -> bool {
        let settled = |port: &PortView| !matches!(port.state.as_str(), "listening" | "learning");
        let agreed = |switch: &SwitchView| {
            let root = switch
                .root
                .and_then(|root| self.name_of(root))
                .and_then(|name| self.switches.get(name));
            root.is_none_or(SwitchView::is_root)
        };
        let started = |switch: &SwitchView| {
            switch.ports.values().any(|port| port.state == "forwarding")
                || switch.ports.values().all(|port| !port.link)
        };
        self.switches.values().all(|switch| {
            switch.ports.values().all(settled)
                && switch.trees.iter().all(|tree| switch.stands(tree))
                && agreed(switch)
                && (switch.root.is_none() || started(switch))
        })
    }

    /// Whether `nodes` (none: all with a spanning tree) take `root` for the root, and what is seen.
    #[must_use]
    pub fn look_root(&self, root: &str, nodes: &[String]) -> (bool, String) {
        let Some(address) = self.switches.get(root).map(|switch| switch.address) else {
            return (false, format!("{root} does not run"));
        };
        let takes = |node: &str, switch: &SwitchView| {
            let name = switch
                .root
                .and_then(|taken| self.name_of(taken))
                .unwrap_or("another bridge");
            (switch.root != Some(address)).then(|| format!("{node} takes {name} for the root"))
        };
        let others: Vec<String> = if nodes.is_empty() {
            let trees = self.switches.iter().filter(|(_, one)| one.root.is_some());
            trees.filter_map(|(node, one)| takes(node, one)).collect()
        } else {
            let asked = nodes.iter().map(|node| (node, self.switches.get(node)));
            let seen = asked.filter_map(|(node, one)| match one {
                Some(one) => takes(node, one),
                None => Some(format!("{node} does not run")),
            });
            seen.collect()
        };
        if others.is_empty() {
            (true, format!("{root} is the root"))
        } else {
            (false, others.join(", "))
        }
    }

    /// Every blocked port, in name order.
    #[must_use]
    pub fn blocked(&self) -> Vec<Endpoint> {
        let ports = self
            .switches
            .iter()
            .flat_map(|(node, switch)| switch.ports.iter().map(move |port| (node, port)));
        let blocked =
            ports.filter(|(_, (_, port))| matches!(port.role.as_str(), "alternate" | "backup"));
        let endpoint = |(node, (port, _)): (&String, (&String, &PortView))| Endpoint {
            node: node.clone(),
            port: port.clone(),
        };
        blocked.map(endpoint).collect()
    }
}

impl Lab {
    /// Waits until the tree stands, at most `patience`. Returns the last view, and how long it took, or `None` when it
    /// does not stand.
    ///
    /// # Errors
    /// When a switch does not answer.
    pub fn wait_converged(&self, patience: Duration) -> Result<(View, Option<Duration>), LabError> {
        let start = Instant::now();
        loop {
            let view = View::of(self)?;
            if view.is_converged() {
                return Ok((view, Some(start.elapsed())));
            }
            if start.elapsed() >= patience {
                return Ok((view, None));
            }
            interrupt::pause(POLL)?;
        }
    }

    /// The spanning tree as the switch `name` tells it.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn spanning_tree(&self, name: &str) -> Result<SpanningTree, LabError> {
        let reply = self.ask(name, &Command::ShowSpanningTree { tree: None })?;
        let Reply::SpanningTree(tree) = reply else {
            return Err(unexpected(name, &reply));
        };
        Ok(tree)
    }

    /// Asks the switch `name`.
    ///
    /// # Errors
    /// When it does not answer, or refuses.
    pub fn ask(&self, name: &str, command: &Command) -> Result<Reply, LabError> {
        self.client(name)?
            .call(command)
            .map_err(|error| LabError::switch(name, error))
    }
}

fn unexpected(switch: &str, reply: &Reply) -> LabError {
    LabError::Other(format!(
        "{switch}: an answer to another question: {reply:?}"
    ))
}

fn switch(lab: &Lab, name: &str) -> Result<SwitchView, LabError> {
    let reply = lab.ask(name, &Command::ShowVersion)?;
    let Reply::Version(version) = reply else {
        return Err(unexpected(name, &reply));
    };
    let reply = lab.ask(name, &Command::ShowInterfaces { interface: None })?;
    let Reply::Interfaces { interfaces } = reply else {
        return Err(unexpected(name, &reply));
    };
    let stp = lab.spanning_tree(name)?;
    let tree = stp.trees.first();
    let role = |port: &str| {
        let ports = tree.map_or(&[][..], |tree| &tree.ports);
        ports
            .iter()
            .find(|known| known.name == port)
            .map(|port| (port.role.clone(), port.state.clone()))
    };
    let inconsistent = |port: &str| {
        let mut ports = stp.trees.iter().flat_map(|tree| &tree.ports);
        ports.find_map(|known| known.inconsistent.clone().filter(|_| known.name == port))
    };
    let ports = interfaces.into_iter().map(|interface| {
        let (role, state) = role(&interface.name).unwrap_or((String::new(), interface.state));
        let link = interface.link && interface.enabled;
        let held = interface.disabled.or_else(|| inconsistent(&interface.name));
        let view = PortView {
            role,
            state,
            link,
            held: held.unwrap_or_default(),
            mode: interface.mode,
        };
        (interface.name, view)
    });
    Ok(SwitchView {
        pid: version.pid,
        address: tree.map_or(version.mac, |tree| tree.bridge_mac),
        priority: tree.map_or(0, |tree| tree.bridge_priority),
        root: tree.map(|tree| tree.root_mac),
        root_path_cost: tree.map_or(0, |tree| tree.root_path_cost),
        ports: ports.collect(),
        trees: stp.trees.iter().map(states).collect(),
    })
}

fn states(tree: &switchd::control::Tree) -> TreeStates {
    let ports = tree.ports.iter();
    TreeStates {
        vlans: tree.vlans.clone(),
        unsettled: ports
            .clone()
            .filter(|port| !is_settled(&port.role, &port.state))
            .map(|port| port.name.clone())
            .collect(),
        states: ports
            .map(|port| (port.name.clone(), port.state.clone()))
            .collect(),
    }
}
