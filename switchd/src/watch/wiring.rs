//! Which ports of the watched switches lead to other watched switches.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use crate::control::SpanningTree;
use crate::port_name::PortName;

/// A port of a switch; reads and prints as `switch:port`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct End {
    /// The switch.
    pub switch: String,
    /// The port.
    pub port: PortName,
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.switch, self.port)
    }
}

impl Serialize for End {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl FromStr for End {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let form = || format!("'{text}' is no port of a switch: write SWITCH:PORT");
        let (switch, port) = text.split_once(':').ok_or_else(form)?;
        if switch.is_empty() {
            return Err(form());
        }
        Ok(Self {
            switch: switch.to_owned(),
            port: port.parse().map_err(|error| format!("'{text}': {error}"))?,
        })
    }
}

/// A cable between switches, or a segment of more ends.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Segment {
    ends: Vec<End>,
    /// Stations are on it too.
    shared: bool,
}

/// The cables between the watched switches. Ports without one are where stations are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wiring {
    segments: Vec<Segment>,
    at: BTreeMap<End, usize>,
    unknown: bool,
}

impl Wiring {
    /// No cable between watched switches: every port may have a station.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Nobody knows: each switch is judged by itself.
    #[must_use]
    pub fn unknown() -> Self {
        Self {
            unknown: true,
            ..Self::default()
        }
    }

    /// Whether nobody knows.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        self.unknown
    }

    /// Adds a cable or segment between watched switches; `shared`: stations are on it too. Of less than two ends, or with
    /// an end that has a cable already, it is none.
    pub fn connect(&mut self, ends: Vec<End>, shared: bool) {
        if ends.len() < 2 || ends.iter().any(|end| self.at.contains_key(end)) {
            return;
        }
        for end in &ends {
            self.at.insert(end.clone(), self.segments.len());
        }
        self.segments.push(Segment { ends, shared });
        self.unknown = false;
    }

    /// What spanning tree knows of cables: a port that is not designated names the designated port of its segment
    /// (802.1D-1998 8.5.5). Switches without spanning tree contribute nothing.
    pub fn connect_trees(&mut self, trees: &[(String, SpanningTree)]) {
        let tree_of = |of: &SpanningTree| of.trees.iter().find(|tree| tree.tree == 0).cloned();
        let trees: Vec<_> = trees
            .iter()
            .filter_map(|(switch, of)| Some((switch, tree_of(of)?)))
            .collect();
        let mut segments: BTreeMap<End, Vec<End>> = BTreeMap::new();
        for (switch, tree) in &trees {
            for port in tree.ports.iter().filter(|port| port.role != "disabled") {
                let designated = trees
                    .iter()
                    .find(|(_, other)| other.bridge_mac == port.designated_bridge_mac);
                let Some((far, far_tree)) = designated else {
                    continue;
                };
                let far_port = far_tree
                    .ports
                    .iter()
                    .find(|far| far.number == port.designated_port_number);
                let (Some(far_port), Ok(name)) = (far_port, port.name.parse()) else {
                    continue;
                };
                let Ok(far_name) = far_port.name.parse() else {
                    continue;
                };
                let end = |switch: &str, port| End {
                    switch: switch.to_owned(),
                    port,
                };
                let (near, far) = (end(switch, name), end(far, far_name));
                if near != far {
                    segments
                        .entry(far.clone())
                        .or_insert_with(|| vec![far])
                        .push(near);
                }
            }
        }
        for ends in segments.into_values() {
            self.connect(ends, false);
        }
    }

    /// The far ends of the cable at `end`, and whether stations are on it too; `None`: it leads to no watched switch.
    pub(super) fn across<'w>(
        &'w self,
        end: &'w End,
    ) -> Option<(impl Iterator<Item = &'w End>, bool)> {
        let segment = self.segments.get(*self.at.get(end)?)?;
        let far = segment.ends.iter().filter(move |other| *other != end);
        Some((far, segment.shared))
    }

    /// The switches a frame passes from `switch` on if it follows `entries`, that one first.
    #[must_use]
    pub fn way(&self, entries: &BTreeMap<String, PortName>, switch: &str) -> Vec<String> {
        let mut way = vec![switch.to_owned()];
        while let Some(here) = way.last() {
            let Some(&port) = entries.get(here) else {
                break;
            };
            let end = End {
                switch: here.clone(),
                port,
            };
            let Some((far, _)) = self.across(&end) else {
                break;
            };
            let next = far
                .map(|far| &far.switch)
                .find(|far| entries.contains_key(*far));
            match next {
                Some(next) if !way.contains(next) => way.push(next.clone()),
                Some(_) | None => break,
            }
        }
        way
    }

    /// The port by which each switch reaches `place`, over cables whose ends forward. Where several ways lead there,
    /// the shortest; spanning tree leaves one.
    #[must_use]
    pub fn ways_to(
        &self,
        place: Option<&End>,
        forwarding: &BTreeSet<End>,
    ) -> BTreeMap<String, PortName> {
        let mut ways = BTreeMap::new();
        let mut open = VecDeque::new();
        if let Some(place) = place {
            // On a segment with stations every switch of it is near.
            let near = self
                .segment_of(place)
                .unwrap_or(std::slice::from_ref(place));
            for end in near {
                ways.insert(end.switch.clone(), end.port);
                open.push_back(end.switch.clone());
            }
        }
        while let Some(here) = open.pop_front() {
            for segment in &self.segments {
                let mut mine = segment.ends.iter().filter(|end| end.switch == here);
                if !mine.any(|end| forwarding.contains(end)) {
                    continue;
                }
                for far in segment.ends.iter().filter(|far| forwarding.contains(far)) {
                    if !ways.contains_key(&far.switch) {
                        ways.insert(far.switch.clone(), far.port);
                        open.push_back(far.switch.clone());
                    }
                }
            }
        }
        ways
    }

    /// All ends of the segment at `end`.
    pub(super) fn segment_of(&self, end: &End) -> Option<&[End]> {
        Some(&self.segments.get(*self.at.get(end)?)?.ends)
    }

    /// The name under which a place on the segment of `end` is known.
    pub(super) fn place(&self, end: &End) -> End {
        let segment = self.at.get(end).and_then(|at| self.segments.get(*at));
        segment
            .and_then(|segment| segment.ends.first())
            .unwrap_or(end)
            .clone()
    }

    /// Whether two ports are on one segment.
    pub(super) fn share(&self, one: &End, other: &End) -> bool {
        one == other
            || self
                .at
                .get(one)
                .is_some_and(|at| self.at.get(other) == Some(at))
    }

    /// How many switches a chain of entries can pass.
    pub(super) fn reach(&self) -> usize {
        self.at.len() + 1
    }
}
