//! Where every switch must look for a VM, and where it does.

use pnet_base::MacAddr;
use std::collections::BTreeMap;
use std::collections::VecDeque;
use switchd::config::VlanNumber;
use switchd::control::{Command, MacFilter, Reply};

use super::migration::is_announcement;
use super::report::CamMove;
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

/// Switches whose entry had to change, and was first made right by something else than an announcement, or never.
///
/// What a switch without an entry learned before `stop_ms`, while the VM still ran at its old place, is what the move
/// found there: a switch that lies on no path of the VM's may hear its first broadcast after `before` was read.
pub(crate) fn unannounced<'a>(
    expected: &Entries,
    before: &Entries,
    changes: impl Iterator<Item = &'a CamMove>,
    stop_ms: f64,
) -> Vec<String> {
    let mut changes: Vec<&CamMove> = changes.collect();
    changes.sort_by(|a, b| a.at_ms.total_cmp(&b.at_ms));
    let (learned, since): (Vec<&CamMove>, Vec<&CamMove>) = changes
        .into_iter()
        .partition(|change| change.at_ms < stop_ms && change.from.is_empty());
    let mut found: BTreeMap<&str, &str> = BTreeMap::new();
    found.extend(before.iter().map(|(switch, port)| (&**switch, &**port)));
    found.extend(learned.iter().map(|change| (&*change.switch, &*change.to)));
    let is_unannounced = |(switch, port): &(&String, &String)| {
        let mut here = since.iter().filter(|change| change.switch == **switch);
        let righted = here.find(|change| change.to == **port);
        found.get(switch.as_str()) != Some(&port.as_str())
            && righted.is_none_or(|change| !is_announcement(change))
    };
    let switches = expected.iter().filter(is_unannounced);
    switches.map(|(switch, _)| switch.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(switch: &str, from: &str, to: &str, cause: &str, at_ms: f64) -> CamMove {
        CamMove {
            switch: switch.to_owned(),
            vlan: 10,
            mac: "52:54:00:00:00:05".to_owned(),
            from: from.to_owned(),
            to: to.to_owned(),
            cause: cause.to_owned(),
            at_ms,
        }
    }

    fn entries(of: &[(&str, &str)]) -> Entries {
        let owned = of.iter().map(|(s, p)| ((*s).to_owned(), (*p).to_owned()));
        owned.collect()
    }

    /// A move of 100 ms from s1 to s2 whose third switch sees both through one port.
    fn unannounced_after(before: &[(&str, &str)], changes: &[CamMove]) -> Vec<String> {
        let expected = entries(&[("s1", "up"), ("s2", "vm"), ("s3", "up")]);
        unannounced(&expected, &entries(before), changes.iter(), -100.0)
    }

    const KNOWN: [(&str, &str); 3] = [("s1", "vm"), ("s2", "up"), ("s3", "up")];

    #[test]
    fn announcements_make_every_entry_right() {
        let heard = [
            change("s2", "up", "vm", "rarp", 0.1),
            change("s1", "vm", "up", "gratuitous-arp", 0.2),
        ];
        assert_eq!(unannounced_after(&KNOWN, &heard), [""; 0]);
        assert_eq!(unannounced_after(&KNOWN, &heard[..1]), ["s1"]);
        assert_eq!(unannounced_after(&KNOWN, &[]), ["s1", "s2"]);
    }

    #[test]
    fn what_a_switch_learns_before_the_stop_is_what_the_move_finds() {
        let heard = [
            change("s2", "up", "vm", "rarp", 0.1),
            change("s1", "vm", "up", "rarp", 0.2),
            change("s2", "", "up", "other", -1297.5),
            change("s3", "", "up", "other", -1297.4),
        ];
        assert_eq!(unannounced_after(&[("s1", "vm")], &heard), [""; 0]);
        // Learned after the stop, the third switch's was no announcement's.
        let late = change("s3", "", "up", "other", 3.0);
        let heard = [&heard[..3], &[late]].concat();
        assert_eq!(unannounced_after(&[("s1", "vm")], &heard), ["s3"]);
    }

    #[test]
    fn a_frame_of_the_vm_that_is_first_to_make_an_entry_right_is_no_announcement() {
        let heard = [
            change("s2", "up", "vm", "ipv4", -200.0),
            change("s2", "up", "vm", "rarp", 0.1),
            change("s1", "vm", "up", "rarp", 0.2),
        ];
        assert_eq!(unannounced_after(&KNOWN, &heard), ["s2"]);
    }
}
