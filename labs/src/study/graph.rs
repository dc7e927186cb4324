//! A network as a plain graph: who is cabled to whom, and where hosts may be.

use std::collections::VecDeque;

/// Switches, numbered from 0, and the cables between them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Graph {
    /// How many switches.
    pub switches: usize,
    /// The cables; each pair once.
    pub links: Vec<(usize, usize)>,
    /// Switches that hosts are plugged into, at least one.
    pub access: Vec<usize>,
    /// Switches that an engineer made the root and its stand-ins, best first; empty: the lowest address wins.
    pub placed: Vec<usize>,
}

/// What of a graph is out of order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Damage {
    /// A switch that is off.
    pub switch: Option<usize>,
    /// A link, by its place in [`Graph::links`], that carries nothing.
    pub link: Option<usize>,
}

impl Graph {
    /// Hops from `start` to every switch; `None`: no way. Cost: switches + links.
    #[must_use]
    pub fn distances(&self, start: usize, damage: Damage) -> Vec<Option<u32>> {
        let neighbours = self.neighbours(damage);
        let mut distances = vec![None; self.switches];
        if damage.switch == Some(start) {
            return distances;
        }
        distances[start] = Some(0);
        let mut todo = VecDeque::from([(start, 0)]);
        while let Some((at, distance)) = todo.pop_front() {
            for &next in &neighbours[at] {
                if distances[next].is_none() {
                    distances[next] = Some(distance + 1);
                    todo.push_back((next, distance + 1));
                }
            }
        }
        distances
    }

    /// Into how many parts the switches fall that are not off.
    #[must_use]
    pub fn parts(&self, damage: Damage) -> usize {
        let mut seen = vec![false; self.switches];
        let mut parts = 0;
        for start in (0..self.switches).filter(|&start| damage.switch != Some(start)) {
            if seen[start] {
                continue;
            }
            parts += 1;
            for (switch, distance) in self.distances(start, damage).into_iter().enumerate() {
                seen[switch] |= distance.is_some();
            }
        }
        parts
    }

    /// The switch of [`Graph::access`] that is farthest from `start`; the last one of several.
    #[must_use]
    pub fn farthest_access(&self, start: usize) -> usize {
        let distances = self.distances(start, Damage::default());
        let far = self.access.iter().copied();
        far.max_by_key(|&switch| distances[switch].unwrap_or(0))
            .unwrap_or(start)
    }

    fn neighbours(&self, damage: Damage) -> Vec<Vec<usize>> {
        let mut neighbours = vec![Vec::new(); self.switches];
        for (index, &(a, b)) in self.links.iter().enumerate() {
            let dead =
                damage.link == Some(index) || damage.switch.is_some_and(|off| off == a || off == b);
            if !dead {
                neighbours[a].push(b);
                neighbours[b].push(a);
            }
        }
        neighbours
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn square() -> Graph {
        Graph {
            switches: 4,
            links: vec![(0, 1), (1, 2), (2, 3), (3, 0)],
            access: vec![0, 1, 2, 3],
            placed: Vec::new(),
        }
    }

    #[test]
    fn distances_go_round_what_is_broken() {
        let graph = square();
        let whole = graph.distances(0, Damage::default());
        assert_eq!(whole, [Some(0), Some(1), Some(2), Some(1)]);
        let cut = Damage {
            link: Some(0),
            ..Damage::default()
        };
        assert_eq!(
            graph.distances(0, cut),
            [Some(0), Some(3), Some(2), Some(1)]
        );
        let off = Damage {
            switch: Some(1),
            link: Some(3),
        };
        assert_eq!(graph.distances(0, off), [Some(0), None, None, None]);
        assert_eq!(graph.distances(1, off), [None; 4]);
    }

    #[test]
    fn parts_are_counted_without_what_is_off() {
        let graph = square();
        assert_eq!(graph.parts(Damage::default()), 1);
        assert_eq!(
            graph.parts(Damage {
                switch: Some(1),
                link: None
            }),
            1
        );
        assert_eq!(
            graph.parts(Damage {
                switch: Some(1),
                link: Some(3)
            }),
            2
        );
        assert_eq!(graph.farthest_access(1), 3);
    }
}
