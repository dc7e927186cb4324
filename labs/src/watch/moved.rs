//! A move of a lab's VM, judged: what the switches' events amount to, and where the silence went.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use switchd::PortName;
use switchd::config::VlanNumber;
use switchd::watch::{Analysis, End, Observation, Seen, Subject, analyse};

use super::{Downtime, Moments, wiring_of};
use crate::client::Gap;
use crate::lab::View;
use crate::topology::{NodeKind, Topology, Vm};

/// What is known of a move.
pub(crate) struct Move<'a> {
    pub(crate) topology: &'a Topology,
    pub(crate) vm: &'a Vm,
    /// Tables when it began.
    pub(crate) before: &'a BTreeMap<String, String>,
    /// Events since.
    pub(crate) events: &'a [Seen],
    /// The lab as it is now.
    pub(crate) view: &'a View,
    pub(crate) now: Duration,
    /// See [`Observation::slack`].
    pub(crate) slack: Duration,
}

/// What is known of a client's silence.
pub(crate) struct Felt<'a> {
    /// The client's host.
    pub(crate) client: &'a str,
    pub(crate) gap: Gap,
    pub(crate) resumed: Duration,
    pub(crate) pause: Duration,
    pub(crate) arp: Option<(Duration, Duration)>,
}

impl Move<'_> {
    pub(crate) fn judge(&self) -> Analysis {
        let subject = Subject {
            vlan: self.vm.vlan.unwrap_or(VlanNumber::DEFAULT).id(),
            mac: self.vm.mac,
        };
        let entry = |(switch, port): (&String, &String)| {
            Some((switch.clone(), port.parse::<PortName>().ok()?))
        };
        let observation = Observation {
            before: self.before.iter().filter_map(entry).collect(),
            events: self.events.to_vec(),
            until: self.now,
            forwarding: Some(self.forwarding()),
            slack: self.slack,
        };
        analyse(subject, &wiring_of(self.topology), &observation)
    }

    fn forwarding(&self) -> BTreeSet<End> {
        let vlan = self.vm.vlan.unwrap_or(VlanNumber::DEFAULT);
        let mut ends = BTreeSet::new();
        for (switch, view) in &self.view.switches {
            for port in view.ports.keys() {
                if self.view.carries(switch, port, vlan)
                    && let Ok(port) = port.parse()
                {
                    ends.insert(End {
                        switch: switch.clone(),
                        port,
                    });
                }
            }
        }
        ends
    }

    /// Where the silence went; `None` if it was not the move's.
    pub(crate) fn downtime(&self, analysis: &Analysis, felt: &Felt<'_>) -> Option<Downtime> {
        let moments = Moments {
            silence: (
                Duration::from_nanos(felt.gap.from_ns),
                Duration::from_nanos(felt.gap.to_ns),
            ),
            stopped: felt.resumed.saturating_sub(felt.pause),
            resumed: felt.resumed,
            arp: felt.arp,
            ..Moments::default()
        };
        let client = switch_of(self.topology, felt.client)?;
        Downtime::of(&moments.seen(analysis, &wiring_of(self.topology), client))
    }
}

/// The switch a host is plugged into.
fn switch_of<'t>(topology: &'t Topology, host: &str) -> Option<&'t str> {
    let links = topology.links.iter();
    let mine = links.filter(|link| link.endpoints.iter().any(|end| end.node == host));
    let mut nodes = mine.flat_map(|link| link.endpoints.iter().map(|end| end.node.as_str()));
    nodes.find(|node| {
        let node = topology.node(node);
        node.is_some_and(|node| matches!(node.kind, NodeKind::Switch(_)))
    })
}
