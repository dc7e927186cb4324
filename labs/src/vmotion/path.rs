//! Where every switch must look for a VM, and where it does.

use pnet_base::MacAddr;
use std::collections::BTreeMap;
use std::collections::VecDeque;
use switchd::config::VlanNumber;
use switchd::control::{Command, MacFilter, Reply};

use crate::lab::{Lab, LabError, View};
use crate::topology::{Endpoint, Topology};

/// What a switch's table says about an address, by switch. Absent: no entry.
pub(crate) type Entries = BTreeMap<String, String>;

/// The port on which each switch must have an address that is plugged in at `port` of `vswitch`:
/// the way there along links whose both ends forward its VLAN. Switches the tree does not reach are left out.
pub(crate) fn expected(
    topology: &Topology,
    view: &View,
    vlan: VlanNumber,
    (vswitch, port): (&str, &str),
) -> Entries {
    let mut expected = Entries::new();
    expected.insert(vswitch.to_owned(), port.to_owned());
    let mut open = VecDeque::from([vswitch.to_owned()]);
    let forwards = |end: &Endpoint| view.carries(&end.node, &end.port, vlan);
    while let Some(here) = open.pop_front() {
        for link in &topology.links {
            let near = link.endpoints.iter().find(|end| end.node == here);
            let Some(near) = near.filter(|end| forwards(end)) else {
                continue;
            };
            for far in link.endpoints.iter().filter(|end| *end != near) {
                let known = expected.contains_key(&far.node);
                if !known && forwards(far) {
                    expected.insert(far.node.clone(), far.port.clone());
                    open.push_back(far.node.clone());
                }
            }
        }
    }
    expected
}

/// What every switch's table says about `mac` in `vlan` now.
pub(super) fn actual(lab: &Lab, vlan: VlanNumber, mac: MacAddr) -> Result<Entries, LabError> {
    let mut actual = Entries::new();
    for (switch, _) in lab.topology.switches() {
        let filter = MacFilter {
            vlan: Some(vlan),
            mac: Some(mac),
            ..MacFilter::default()
        };
        if let Reply::MacTable { entries, .. } = lab.ask(switch, &Command::ShowMac(filter))? {
            for entry in entries {
                actual.insert(switch.to_owned(), entry.port);
            }
        }
    }
    Ok(actual)
}

/// Entries that point elsewhere than they must: `switch:port`.
pub(crate) fn stale(expected: &Entries, actual: &Entries) -> Vec<String> {
    let wrong = actual
        .iter()
        .filter(|(switch, port)| expected.get(*switch) != Some(port));
    wrong
        .map(|(switch, port)| format!("{switch}:{port}"))
        .collect()
}
