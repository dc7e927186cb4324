//! The spanning tree straight from the graph: what the protocol must arrive at, found without it.
//!
//! Plain integers, no type and no line of `stp`. Lower numbers win everywhere, in this order: root, cost to the root,
//! the designated bridge, its port, the own port (802.1D-1998 8.6.8, 8.6.9). Cost: bridges × ports², for graphs of
//! tests.

/// Bridges and the ports by which they are on LANs. Bridges and LANs are numbered from 0.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    /// The bridges' identifiers, all different.
    pub bridges: Vec<u64>,
    /// All ports of all bridges.
    pub ports: Vec<Port>,
}

/// A port.
#[derive(Clone, Copy, Debug)]
pub struct Port {
    /// Its bridge.
    pub bridge: usize,
    /// Its LAN.
    pub lan: usize,
    /// Its path cost.
    pub cost: u64,
    /// Its identifier, unique in its bridge.
    pub id: u32,
    /// Whether it takes part.
    pub up: bool,
}

/// What a port is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It takes no part.
    Disabled,
    /// Its bridge's way to the root.
    Root,
    /// Its LAN's way to the root.
    Designated,
    /// Another bridge is designated on its LAN.
    Alternate,
    /// Its own bridge is designated on its LAN, by another port.
    Backup,
}

impl Role {
    /// Whether frames pass in the end.
    #[must_use]
    pub fn forwards(self) -> bool {
        match self {
            Self::Root | Self::Designated => true,
            Self::Disabled | Self::Alternate | Self::Backup => false,
        }
    }
}

/// The tree; a forest if the graph is in pieces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tree {
    /// Of each bridge: its root, and the cost to it.
    pub ways: Vec<(u64, u64)>,
    /// Of each port, in the graph's order.
    pub roles: Vec<Role>,
}

impl Graph {
    /// The tree of this graph.
    #[must_use]
    pub fn tree(&self) -> Tree {
        let ways = self.ways();
        let offer = |port: &Port| (ways[port.bridge], self.bridges[port.bridge], port.id);
        let designated = |lan: usize| {
            let ports = self.ports.iter().filter(|port| port.up && port.lan == lan);
            ports.map(offer).min()
        };
        let root_port = |bridge: usize| {
            let own = self.bridges[bridge];
            let ports = (0..).zip(&self.ports);
            ports
                .filter(|(_, port)| port.up && port.bridge == bridge)
                .filter_map(|(index, port)| {
                    let ((root, cost), speaker, id) = designated(port.lan)?;
                    let way = (root, cost + port.cost, speaker, id, port.id);
                    (speaker != own && root < own).then_some((way, index))
                })
                .min()
                .map(|(_, index)| index)
        };
        let root_ports: Vec<Option<usize>> = (0..self.bridges.len()).map(root_port).collect();
        let role = |(index, port): (usize, &Port)| match designated(port.lan) {
            _ if !port.up => Role::Disabled,
            Some(best) if best == offer(port) => Role::Designated,
            _ if root_ports[port.bridge] == Some(index) => Role::Root,
            Some((_, speaker, _)) if speaker == self.bridges[port.bridge] => Role::Backup,
            Some(_) | None => Role::Alternate,
        };
        let roles = (0..).zip(&self.ports).map(role).collect();
        Tree { ways, roles }
    }

    /// Of each bridge, its root and the least cost to it: every bridge claims to be the root, and takes what is better
    /// from those it shares a LAN with until nobody can.
    fn ways(&self) -> Vec<(u64, u64)> {
        let mut ways: Vec<(u64, u64)> = self.bridges.iter().map(|&id| (id, 0)).collect();
        let up = || self.ports.iter().filter(|port| port.up);
        loop {
            let before = ways.clone();
            for to in up() {
                for from in up().filter(|from| from.lan == to.lan) {
                    let (root, cost) = ways[from.bridge];
                    ways[to.bridge] = ways[to.bridge].min((root, cost + to.cost));
                }
            }
            if ways == before {
                return ways;
            }
        }
    }

    /// The LANs reached from `lan` by way of forwarding ports, without bridge `avoid`.
    #[must_use]
    pub fn reached(&self, roles: &[Role], lan: usize, avoid: Option<usize>) -> Vec<usize> {
        let mut lans = vec![lan];
        let mut next = 0;
        while let Some(&lan) = lans.get(next) {
            next += 1;
            let open =
                |index: usize| roles[index].forwards() && Some(self.ports[index].bridge) != avoid;
            for into in (0..self.ports.len()).filter(|&i| open(i) && self.ports[i].lan == lan) {
                let bridge = self.ports[into].bridge;
                for out in
                    (0..self.ports.len()).filter(|&i| open(i) && self.ports[i].bridge == bridge)
                {
                    let lan = self.ports[out].lan;
                    if !lans.contains(&lan) {
                        lans.push(lan);
                    }
                }
            }
        }
        lans
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(bridges: &[u64], ports: &[(usize, usize, u64)]) -> Graph {
        let ports = (0..).zip(ports).map(|(id, &(bridge, lan, cost))| Port {
            bridge,
            lan,
            cost,
            id,
            up: true,
        });
        Graph {
            bridges: bridges.to_vec(),
            ports: ports.collect(),
        }
    }

    #[test]
    fn a_triangle_rests_at_the_worse_end_opposite_the_root() {
        let triangle = [
            (0, 0, 4),
            (1, 0, 4),
            (1, 1, 4),
            (2, 1, 4),
            (2, 2, 4),
            (0, 2, 4),
        ];
        let tree = graph(&[10, 20, 30], &triangle).tree();
        assert_eq!(tree.ways, [(10, 0), (10, 4), (10, 4)]);
        use Role::{Alternate, Designated, Root};
        let expected = [Designated, Root, Designated, Alternate, Root, Designated];
        assert_eq!(tree.roles, expected);
    }

    #[test]
    fn ties_go_to_the_lower_port_at_the_other_end_then_here() {
        // Two parallel cables, crossed: the root's lower port is at the other's higher one.
        let crossed = [(0, 0, 4), (0, 1, 4), (1, 1, 4), (1, 0, 4)];
        let tree = graph(&[1, 2], &crossed).tree();
        use Role::{Alternate, Designated, Root};
        assert_eq!(tree.roles, [Designated, Designated, Alternate, Root]);
        // Two ports on one segment: the lower one of the two.
        let segment = [(0, 0, 4), (1, 0, 4), (1, 0, 4)];
        let tree = graph(&[1, 2], &segment).tree();
        assert_eq!(tree.roles, [Designated, Root, Alternate]);
    }

    #[test]
    fn a_bridge_alone_with_itself_has_a_backup_port() {
        let tree = graph(&[7], &[(0, 0, 4), (0, 0, 4)]).tree();
        assert_eq!(tree.ways, [(7, 0)]);
        assert_eq!(tree.roles, [Role::Designated, Role::Backup]);
    }

    #[test]
    fn what_is_cut_off_has_a_root_of_its_own() {
        let mut line = graph(&[1, 2, 3], &[(0, 0, 4), (1, 0, 4), (1, 1, 9), (2, 1, 5)]);
        line.ports[0].up = false;
        line.ports[1].up = false;
        let tree = line.tree();
        assert_eq!(tree.ways, [(1, 0), (2, 0), (2, 5)]);
        use Role::{Designated, Disabled, Root};
        assert_eq!(tree.roles, [Disabled, Disabled, Designated, Root]);
        assert_eq!(line.reached(&tree.roles, 1, None), [1]);
    }
}
