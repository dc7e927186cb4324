//! The spanning tree of a whole lab, as its switches tell it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use pnet_base::MacAddr;
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
    /// Whether this switch takes itself for the root.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.root == Some(self.address)
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
            view.vms.insert(vm.to_owned(), settings.host.clone());
        }
        Ok(view)
    }

    /// The port at `endpoint`.
    #[must_use]
    pub fn port(&self, endpoint: &Endpoint) -> Option<&PortView> {
        self.switches.get(&endpoint.node)?.ports.get(&endpoint.port)
    }

    /// The name of the switch with this bridge address.
    #[must_use]
    pub fn name_of(&self, address: MacAddr) -> Option<&str> {
        let mut switches = self.switches.iter();
        switches
            .find(|(_, switch)| switch.address == address)
            .map(|(name, _)| name.as_str())
    }

    /// Whether the tree stands: no port is on its way to forwarding, and every switch's root is one that takes itself
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
    })
}
