//! A scenario as the oracle sees it: what every port must be, at any of its steps.

use pnet_base::MacAddr;

use super::plan::{Bridge, Scenario, Speech, Step, name};
use super::view::View;
use crate::oracle::{Graph, Port, Role, Tree};

/// The default port priority, in the upper octet of a port identifier.
const PORT_PRIORITY: u32 = 128;

/// A scenario at some step.
#[derive(Debug, Clone)]
pub struct Model {
    /// The scenario.
    pub scenario: Scenario,
    /// The bridges as configured now.
    pub bridges: Vec<Bridge>,
    alive: Vec<bool>,
    joined: Vec<bool>,
    /// Of each cable, the costs at its ends.
    costs: Vec<[u32; 2]>,
}

/// The tree that must be.
#[derive(Debug, Clone)]
pub struct Expected {
    graph: Graph,
    tree: Tree,
}

impl Model {
    /// At the start.
    #[must_use]
    pub fn new(scenario: &Scenario) -> Self {
        Self {
            bridges: scenario.bridges.clone(),
            alive: vec![true; scenario.bridges.len()],
            joined: vec![true; scenario.wires.len()],
            costs: scenario.wires.iter().map(|wire| [wire.cost; 2]).collect(),
            scenario: scenario.clone(),
        }
    }

    /// After `step`.
    ///
    /// # Panics
    /// When the step does not fit.
    pub fn take(&mut self, step: Step) {
        match step {
            Step::Cut(wire) => self.joined[wire] = false,
            Step::Join(wire) => self.joined[wire] = true,
            Step::Stop(bridge) => self.alive[bridge] = false,
            Step::Start(bridge) => self.alive[bridge] = true,
            Step::Priority(bridge, priority) => self.bridges[bridge].priority = priority,
            Step::Speak(bridge, speech) => self.bridges[bridge].speech = speech,
            Step::Cost { bridge, wire, cost } => {
                let end = self.scenario.wires[wire].ends[0] != bridge;
                self.costs[wire][usize::from(end)] = cost;
            }
        }
    }

    /// Whether `step` takes the root away or makes it worse while a rapid bridge still holds its old word. A rapid bridge
    /// believes the best word it holds, that one too, and until it has counted up to max age the standard excludes no
    /// loop (Myers, Ng and Zhang 2004): it is the one step after which there may be one for a while.
    #[must_use]
    pub fn leaves_old_words(&self, step: Step) -> bool {
        let (Step::Stop(bridge) | Step::Priority(bridge, _)) = step else {
            return false;
        };
        let others = (0..self.bridges.len()).filter(|&other| other != bridge);
        let mut speeches = others
            .filter(|&other| self.alive[other])
            .map(|other| self.bridges[other].speech);
        let mut after = self.clone();
        after.take(step);
        let is_worse =
            !after.alive[bridge] || after.bridges[bridge].priority > self.bridges[bridge].priority;
        let was_root = self.alive[bridge] && self.expected().root(bridge) == bridge;
        is_worse && was_root && speeches.any(|speech| speech == Speech::Rstp)
    }

    /// Whether a bridge runs.
    #[must_use]
    pub fn is_alive(&self, bridge: usize) -> bool {
        self.alive[bridge]
    }

    /// The cost of a bridge's end of a cable.
    #[must_use]
    pub fn cost(&self, bridge: usize, wire: usize) -> u32 {
        let end = self.scenario.wires[wire].ends[0] != bridge;
        self.costs[wire][usize::from(end)]
    }

    /// The tree that must be: of the bridges that run, over the cables that have carrier.
    #[must_use]
    pub fn expected(&self) -> Expected {
        let bridges = (0..).zip(&self.bridges);
        let id = |(index, bridge): (usize, &Bridge)| {
            let octets = address(index).octets();
            let mac = octets
                .iter()
                .fold(0, |all, octet| all << 8 | u64::from(*octet));
            u64::from(bridge.priority) << 48 | mac
        };
        let mut ports = Vec::new();
        for (lan, wire) in self.scenario.wires.iter().enumerate() {
            for bridge in wire.ends {
                let number = self.scenario.wires_of(bridge).position(|own| own == lan);
                let number = number.map_or(0, |number| number + 1);
                ports.push(Port {
                    bridge,
                    lan,
                    cost: self.cost(bridge, lan).into(),
                    id: PORT_PRIORITY << 8 | u32::try_from(number).unwrap_or(u32::MAX),
                    up: self.joined[lan] && self.alive[bridge],
                });
            }
        }
        let graph = Graph {
            bridges: bridges.map(id).collect(),
            ports,
        };
        let tree = graph.tree();
        Expected { graph, tree }
    }

    /// Where what the bridges say differs from what must be; `None` for a bridge that was not asked.
    #[must_use]
    pub fn differences(&self, expected: &Expected, views: &[Option<View>]) -> Vec<String> {
        let mut all = Vec::new();
        for (bridge, view) in views.iter().enumerate() {
            if let Some(view) = view.as_ref().filter(|_| self.alive[bridge]) {
                all.extend(expected.root_difference(bridge, view));
                all.extend(self.port_differences(expected, bridge, view));
            }
        }
        all
    }

    fn port_differences(&self, expected: &Expected, bridge: usize, view: &View) -> Vec<String> {
        let differs = |wire: usize| {
            let role = expected.role(bridge, wire);
            let port = self.scenario.port(bridge, wire);
            let seen = view.ports.get(&port);
            let (seen_role, state) = seen.map_or((None, "disabled"), |seen| {
                (seen.role.as_deref(), seen.state.as_str())
            });
            let (word, states): (_, &[&str]) = match role {
                Role::Root => ("root", &["forwarding"]),
                Role::Designated => ("designated", &["forwarding"]),
                Role::Alternate => ("alternate", &["blocking", "discarding"]),
                Role::Backup => ("backup", &["blocking", "discarding"]),
                Role::Disabled => ("disabled", &["disabled", "discarding"]),
            };
            // Open vSwitch's STP keeps the role a port had when it lost its carrier.
            let other_role = seen_role.is_some_and(|seen| seen != word) && state != "disabled";
            (other_role || !states.contains(&state)).then(|| {
                let seen = seen_role.unwrap_or("?");
                format!(
                    "{} {port} is {seen} {state}, not {word} {}",
                    name(bridge),
                    states[0]
                )
            })
        };
        self.scenario.wires_of(bridge).filter_map(differs).collect()
    }
}

impl Expected {
    /// What a bridge's port at a cable is.
    ///
    /// # Panics
    /// When they do not meet.
    #[must_use]
    pub fn role(&self, bridge: usize, wire: usize) -> Role {
        let ports = self.graph.ports.iter();
        let found = ports.zip(&self.tree.roles);
        let mut found = found.filter(|(port, _)| port.bridge == bridge && port.lan == wire);
        *found.next().expect("the cable ends there").1
    }

    /// The bridge that must be the root of `bridge`.
    ///
    /// # Panics
    /// Never: a root is a bridge.
    #[must_use]
    pub fn root(&self, bridge: usize) -> usize {
        let (root, _) = self.tree.ways[bridge];
        let position = self.graph.bridges.iter().position(|&id| id == root);
        position.expect("a root is a bridge")
    }

    /// Whether a frame of `from`'s host gets to `to`'s.
    #[must_use]
    pub fn reaches(&self, from: usize, to: usize) -> bool {
        from == to || self.leads(from, None, to)
    }

    /// Whether the way from `bridge` by the cable `wire` (`None`: by any) leads to the bridge `to`.
    #[must_use]
    pub fn leads(&self, bridge: usize, wire: Option<usize>, to: usize) -> bool {
        let ports = || self.graph.ports.iter().zip(&self.tree.roles);
        let mut out = ports().filter(|(port, role)| {
            port.bridge == bridge && role.forwards() && wire.is_none_or(|wire| wire == port.lan)
        });
        out.any(|(port, _)| {
            let lans = self.graph.reached(&self.tree.roles, port.lan, Some(bridge));
            ports()
                .any(|(end, role)| end.bridge == to && role.forwards() && lans.contains(&end.lan))
        })
    }

    /// Whether some port forwards that did not `before`: a topology change to be told everywhere.
    #[must_use]
    pub fn opens(&self, before: &Self) -> bool {
        let mut roles = self.tree.roles.iter().zip(&before.tree.roles);
        roles.any(|(now, before)| now.forwards() && !before.forwards())
    }

    /// The bridge that is designated on a cable.
    #[must_use]
    pub fn designated(&self, wire: usize) -> Option<usize> {
        let mut ports = self.graph.ports.iter().zip(&self.tree.roles);
        let found = ports.find(|(port, role)| port.lan == wire && **role == Role::Designated)?;
        Some(found.0.bridge)
    }

    fn root_difference(&self, bridge: usize, view: &View) -> Option<String> {
        let (root, cost) = self.tree.ways[bridge];
        let priority = u16::try_from(root >> 48).unwrap_or(u16::MAX);
        let expected = ((priority, address(self.root(bridge))), cost);
        let seen = (view.root, u64::from(view.root_path_cost));
        (seen != expected).then(|| {
            let show = |((priority, mac), cost): ((u16, MacAddr), u64)| {
                format!("{priority}.{mac} at cost {cost}")
            };
            format!(
                "{} has root {}, not {}",
                name(bridge),
                show(seen),
                show(expected)
            )
        })
    }

    /// The tree in words: who is root, and what rests.
    #[must_use]
    pub fn words(&self, model: &Model) -> String {
        let alive = (0..model.bridges.len()).filter(|&bridge| model.is_alive(bridge));
        let mut roots: Vec<&str> = alive.map(|bridge| name(self.root(bridge))).collect();
        roots.dedup();
        let ports = self.graph.ports.iter().zip(&self.tree.roles);
        let resting = ports.filter(|(_, role)| matches!(role, Role::Alternate | Role::Backup));
        let resting: Vec<String> = resting
            .map(|(port, _)| {
                format!(
                    "{} {}",
                    name(port.bridge),
                    model.scenario.port(port.bridge, port.lan)
                )
            })
            .collect();
        match resting.as_slice() {
            [] => format!("root {}", roots.join(", ")),
            resting => format!("root {}, blocked {}", roots.join(", "), resting.join(", ")),
        }
    }
}

/// The address in a bridge's identifier.
#[must_use]
pub fn address(bridge: usize) -> MacAddr {
    let number = u8::try_from(bridge).unwrap_or(u8::MAX);
    MacAddr::new(2, 0, 0, 0xb1, 0, number + 1)
}
