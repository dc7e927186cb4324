//! Families of topologies: the same idea at any size.

use super::graph::Graph;

/// A way to build networks, that grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, clap::ValueEnum)]
pub enum Family {
    /// One after the other.
    Line,
    /// A line whose ends meet.
    Ring,
    /// A binary tree, the root at its top.
    Tree,
    /// Everyone cabled to everyone.
    Mesh,
    /// Two cores, and pairs of access switches: each cabled to both cores and to its twin.
    Pods,
    /// Three layers after Clos and Leiserson, of switches with k ports each.
    FatTree,
    /// A line with the root at one end: what depth does.
    Chain,
}

impl Family {
    /// The families of the growing domain; [`Family::Chain`] is the depth chapter's.
    pub const GROWING: [Self; 6] = [
        Self::Line,
        Self::Ring,
        Self::Tree,
        Self::Mesh,
        Self::Pods,
        Self::FatTree,
    ];

    /// The word in tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Line => "line",
            Self::Ring => "ring",
            Self::Tree => "tree",
            Self::Mesh => "mesh",
            Self::Pods => "pods",
            Self::FatTree => "fat-tree",
            Self::Chain => "chain",
        }
    }

    /// As in headings and legends.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Line => "line",
            Self::Ring => "ring",
            Self::Tree => "binary tree",
            Self::Mesh => "full mesh",
            Self::Pods => "dual-core pods",
            Self::FatTree => "fat tree",
            Self::Chain => "line, root at the end",
        }
    }

    /// The family of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let mut all = Self::GROWING.into_iter().chain([Self::Chain]);
        all.find(|family| family.name() == name)
    }

    /// The sizes studied, in switches, ascending. A full mesh ends at 128, where it has 8,128 cables; 1,000 switches
    /// would need half a million, and each more ports than a switch has.
    #[must_use]
    pub const fn sizes(self) -> &'static [u32] {
        match self {
            Self::Line => &[2, 4, 7, 8, 10, 12, 14, 16, 20, 24, 32, 64, 128, 256, 1000],
            Self::Ring => &[3, 4, 8, 12, 16, 20, 24, 28, 32, 40, 48, 64, 128, 256, 1000],
            Self::Tree => &[2, 3, 7, 15, 31, 63, 127, 255, 511, 1000],
            Self::Mesh => &[2, 3, 4, 8, 16, 32, 64, 128],
            Self::Pods => &[4, 6, 10, 18, 34, 66, 130, 258, 514, 1000],
            Self::FatTree => &[5, 20, 45, 80, 125, 245, 500, 980],
            Self::Chain => &[
                2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24,
                26, 28, 30, 32, 36, 40, 44, 48,
            ],
        }
    }

    /// The largest size that is disturbed: far larger ones of great depth never come to stand in the first place, and
    /// every event in a mesh of 128 costs half a minute, to show what one of 64 shows.
    #[must_use]
    pub const fn largest_standing(self) -> u32 {
        match self {
            Self::Line | Self::Ring | Self::Chain => 48,
            Self::Mesh => 64,
            Self::Tree | Self::Pods | Self::FatTree => u32::MAX,
        }
    }

    /// The network of this many switches. A size between those a family knows gives the largest one below it: pods
    /// come in pairs, a fat tree has 5k²/4 switches.
    #[must_use]
    pub fn graph(self, size: u32) -> Graph {
        let size = size.max(2) as usize;
        match self {
            Self::Line => line(size, Vec::new()),
            Self::Chain => line(size, vec![0]),
            Self::Ring => ring(size),
            Self::Tree => tree(size),
            Self::Mesh => mesh(size),
            Self::Pods => pods(size),
            Self::FatTree => fat_tree(size),
        }
    }
}

fn line(switches: usize, placed: Vec<usize>) -> Graph {
    Graph {
        switches,
        links: (1..switches).map(|at| (at - 1, at)).collect(),
        access: (0..switches).collect(),
        placed,
    }
}

fn ring(switches: usize) -> Graph {
    let mut graph = line(switches, Vec::new());
    if switches > 2 {
        graph.links.push((switches - 1, 0));
    }
    graph
}

fn tree(switches: usize) -> Graph {
    Graph {
        switches,
        links: (1..switches).map(|at| ((at - 1) / 2, at)).collect(),
        // The leaves: those without children.
        access: (switches / 2..switches).collect(),
        placed: vec![0],
    }
}

fn mesh(switches: usize) -> Graph {
    let pairs = (0..switches).flat_map(|a| (a + 1..switches).map(move |b| (a, b)));
    Graph {
        switches,
        links: pairs.collect(),
        access: (0..switches).collect(),
        placed: Vec::new(),
    }
}

/// Cores 0 and 1; access switches in pairs after them.
fn pods(size: usize) -> Graph {
    let pairs = (size.saturating_sub(2) / 2).max(1);
    let switches = 2 + 2 * pairs;
    let mut links = vec![(0, 1)];
    for left in (2..switches).step_by(2) {
        let right = left + 1;
        links.extend([(0, left), (1, left), (0, right), (1, right), (left, right)]);
    }
    Graph {
        switches,
        links,
        access: (2..switches).collect(),
        placed: vec![0, 1],
    }
}

/// k pods of k/2 aggregation and k/2 edge switches, (k/2)² cores. The first two cores are the root and its stand-in.
fn fat_tree(size: usize) -> Graph {
    let half = (1..)
        .take_while(|half| 5 * half * half <= size)
        .last()
        .unwrap_or(1);
    let pods = 2 * half;
    let core = |group: usize, member: usize| group * half + member;
    let aggregation = |pod: usize, at: usize| half * half + pod * half + at;
    let edge = |pod: usize, at: usize| half * half + pods * half + pod * half + at;
    let mut links = Vec::new();
    for pod in 0..pods {
        for group in 0..half {
            links.extend((0..half).map(|member| (core(group, member), aggregation(pod, group))));
            links.extend((0..half).map(|at| (aggregation(pod, group), edge(pod, at))));
        }
    }
    Graph {
        switches: 5 * half * half,
        links,
        access: (edge(0, 0)..5 * half * half).collect(),
        placed: vec![0, 1].into_iter().take(half * half).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::graph::Damage;
    use super::*;

    #[test]
    fn every_size_is_connected_and_as_large_as_it_says() {
        for family in Family::GROWING.into_iter().chain([Family::Chain]) {
            for &size in family.sizes().iter().filter(|&&size| size <= 256) {
                let graph = family.graph(size);
                assert_eq!(graph.switches, size as usize, "{family:?}");
                assert_eq!(graph.parts(Damage::default()), 1, "{family:?} {size}");
                assert!(!graph.access.is_empty());
                assert!(graph.links.iter().all(|(a, b)| a != b));
            }
        }
    }

    #[test]
    fn shapes_have_their_numbers_of_links() {
        for (family, size, links) in [
            (Family::Line, 5, 4),
            (Family::Ring, 5, 5),
            (Family::Tree, 15, 14),
            (Family::Mesh, 8, 28),
            (Family::Pods, 10, 1 + 4 * 5),
            (Family::FatTree, 20, 32),
        ] {
            assert_eq!(family.graph(size).links.len(), links, "{family:?}");
        }
    }

    #[test]
    fn a_fat_tree_has_k_ports_at_every_switch() {
        let graph = Family::FatTree.graph(45);
        let hosts = 3;
        for switch in 0..graph.switches {
            let cables = graph
                .links
                .iter()
                .filter(|(a, b)| *a == switch || *b == switch);
            let hosts = if graph.access.contains(&switch) {
                hosts
            } else {
                0
            };
            assert_eq!(cables.count() + hosts, 6);
        }
    }

    #[test]
    fn names_lead_back() {
        for family in Family::GROWING {
            assert_eq!(Family::from_name(family.name()), Some(family));
        }
        assert_eq!(Family::from_name("torus"), None);
    }
}
