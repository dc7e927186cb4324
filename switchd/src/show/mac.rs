//! `show mac address-table`.

use std::fmt::Write;

use super::dotted;
use crate::control::{MacCount, MacEntry, MacOrigin};

/// The table, ascending by VLAN and address. Addresses of the switch itself are its CPU's, as IOS has it.
#[must_use]
pub fn mac_table(entries: &[MacEntry]) -> String {
    let mut sorted: Vec<&MacEntry> = entries.iter().collect();
    sorted.sort_by_key(|entry| (entry.vlan, entry.mac));
    let mut text = String::from(
        "          Mac Address Table\n\
         -------------------------------------------\n\
         \n\
         Vlan    Mac Address       Type        Ports\n\
         ----    -----------       --------    -----\n",
    );
    for entry in sorted {
        let (origin, port) = match entry.origin {
            MacOrigin::Dynamic => ("DYNAMIC", entry.port.as_str()),
            MacOrigin::Static => ("STATIC", entry.port.as_str()),
            MacOrigin::Local => ("STATIC", "CPU"),
        };
        let (vlan, mac) = (entry.vlan.get(), dotted(entry.mac));
        let _ = writeln!(text, "{vlan:>4}    {mac}    {origin:<8}    {port}");
    }
    let _ = writeln!(
        text,
        "Total Mac Addresses for this criterion: {}",
        entries.len()
    );
    text
}

/// How many addresses the whole table has, and how they came and went.
#[must_use]
pub fn mac_count(count: &MacCount) -> String {
    let held = count.dynamic + count.static_ + count.local;
    let lines = [
        ("Dynamic Address Count", count.dynamic),
        ("Static  Address Count", count.static_ + count.local),
        ("Total Mac Addresses", held),
        (
            "Total Mac Address Space Available",
            count.capacity.saturating_sub(held),
        ),
        ("Learned since start", count.learned),
        ("Moved to another port", count.moved),
        ("Expired", count.expired),
        ("Evicted by a full table", count.evicted),
        ("Flushed", count.flushed),
        ("Refused", count.rejected),
    ];
    let mut text = String::new();
    for (name, number) in lines {
        let _ = writeln!(text, "{name:<34}: {number}");
    }
    text
}

/// How many addresses match what was asked for.
#[must_use]
pub fn mac_filtered_count(entries: &[MacEntry]) -> String {
    let dynamic = entries
        .iter()
        .filter(|entry| entry.origin == MacOrigin::Dynamic);
    let dynamic = dynamic.count();
    format!(
        "{:<34}: {dynamic}\n{:<34}: {}\n{:<34}: {}\n",
        "Dynamic Address Count",
        "Static  Address Count",
        entries.len() - dynamic,
        "Total Mac Addresses",
        entries.len()
    )
}

#[cfg(test)]
mod tests {
    use pnet_base::MacAddr;

    use super::*;
    use crate::config::VlanNumber;

    fn entry(vlan: u16, last: u8, origin: MacOrigin, port: &str) -> MacEntry {
        MacEntry {
            vlan: VlanNumber::new(vlan).unwrap(),
            mac: MacAddr::new(0, 0x50, 0x79, 0x66, 0x68, last),
            origin,
            port: port.to_owned(),
            expires_ms: None,
        }
    }

    #[test]
    fn the_table_has_the_known_columns() {
        let shown = mac_table(&[
            entry(4094, 2, MacOrigin::Local, "p2"),
            entry(10, 1, MacOrigin::Static, "p10"),
            entry(1, 0, MacOrigin::Dynamic, "p1"),
        ]);
        assert_eq!(
            shown,
            "          Mac Address Table
-------------------------------------------

Vlan    Mac Address       Type        Ports
----    -----------       --------    -----
   1    0050.7966.6800    DYNAMIC     p1
  10    0050.7966.6801    STATIC      p10
4094    0050.7966.6802    STATIC      CPU
Total Mac Addresses for this criterion: 3
"
        );
    }

    #[test]
    fn counts_tell_where_addresses_went() {
        let shown = mac_count(&MacCount {
            dynamic: 2,
            static_: 1,
            local: 1,
            capacity: 100,
            learned: 9,
            moved: 3,
            expired: 4,
            evicted: 0,
            flushed: 3,
            rejected: 0,
        });
        assert_eq!(
            shown,
            "Dynamic Address Count             : 2
Static  Address Count             : 2
Total Mac Addresses               : 4
Total Mac Address Space Available : 96
Learned since start               : 9
Moved to another port             : 3
Expired                           : 4
Evicted by a full table           : 0
Flushed                           : 3
Refused                           : 0
"
        );
    }
}
