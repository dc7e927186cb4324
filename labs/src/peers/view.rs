//! What a peer says of its whole tree, read from what its tools print.

use std::collections::BTreeMap;

use pnet_base::MacAddr;
use serde_json::Value;

use super::PortStatus;

/// A peer's spanning tree at one instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeView {
    /// The root it believes in: priority and address.
    pub root: (u16, MacAddr),
    /// What it costs to get there; 0 at the root.
    pub root_path_cost: u32,
    /// Whether it ages addresses early because of a topology change; `None`: it does not say (Open vSwitch).
    pub topology_change: Option<bool>,
    /// Ports by name.
    pub ports: BTreeMap<String, PortStatus>,
}

/// Reads `ip -j -d link show`.
pub(super) fn of_kernel(text: &str, bridge: &str) -> Option<TreeView> {
    let links: Vec<Value> = serde_json::from_str(text).ok()?;
    let this = links.iter().find(|link| link["ifname"] == bridge)?;
    let facts = &this["linkinfo"]["info_data"];
    let members = || links.iter().filter(|link| link["master"] == bridge);
    let mut ports = BTreeMap::new();
    for link in members() {
        let state = link["linkinfo"]["info_slave_data"]["state"].as_str()?;
        let status = PortStatus {
            role: None,
            state: state.to_owned(),
        };
        ports.insert(link["ifname"].as_str()?.to_owned(), status);
    }
    // What iproute2 calls the root of a bridge is the bridge itself; its root port knows the root.
    let root = match facts["root_port"].as_u64()? {
        0 => &facts["bridge_id"],
        number => {
            let facts = |link: &'_ Value| link["linkinfo"]["info_slave_data"].clone();
            let port = members().find(|link| hexadecimal(&facts(link)["no"]) == Some(number))?;
            &port["linkinfo"]["info_slave_data"]["root_id"]
        }
    };
    Some(TreeView {
        root: identifier(root.as_str()?)?,
        root_path_cost: facts["root_path_cost"].as_u64()?.try_into().ok()?,
        topology_change: Some(facts["topology_change"].as_u64()? != 0),
        ports,
    })
}

/// `"0x1"`.
fn hexadecimal(value: &Value) -> Option<u64> {
    u64::from_str_radix(value.as_str()?.strip_prefix("0x")?, 16).ok()
}

/// `1000.2:0:0:0:0:a`: the octets come without leading zeros.
fn identifier(text: &str) -> Option<(u16, MacAddr)> {
    let (priority, address) = text.split_once('.')?;
    let mut octets = [0; 6];
    let mut parts = address.split(':');
    for octet in &mut octets {
        *octet = u8::from_str_radix(parts.next()?, 16).ok()?;
    }
    Some((u16::from_str_radix(priority, 16).ok()?, octets.into()))
}

/// Reads `ovs-appctl stp/show` and `rstp/show`.
pub(super) fn of_ovs(text: &str) -> Option<TreeView> {
    let (head, table) = text.split_once("Interface")?;
    let (_, root) = head.split_once("Root ID:")?;
    let (root, _) = root.split_once("Bridge ID:")?;
    let value = |key: &str| {
        let mut lines = root.lines().map(str::trim);
        lines.find_map(|line| Some(line.strip_prefix(key)?.trim()))
    };
    let port = |line: &str| {
        let mut words = line.split_whitespace();
        let name = words.next()?.to_owned();
        let status = PortStatus {
            role: Some(words.next()?.to_ascii_lowercase()),
            state: words.next()?.to_ascii_lowercase(),
        };
        Some((name, status))
    };
    let priority = value("stp-priority")?.parse().ok()?;
    let address = value("stp-system-id")?.parse().ok()?;
    Some(TreeView {
        root: (priority, address),
        root_path_cost: match value("root-path-cost") {
            Some(cost) => cost.parse().ok()?,
            None => 0,
        },
        topology_change: None,
        // Below the headings is a rule.
        ports: table.lines().skip(2).filter_map(port).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(role: Option<&str>, state: &str) -> PortStatus {
        PortStatus {
            role: role.map(str::to_owned),
            state: state.to_owned(),
        }
    }

    #[test]
    fn a_kernel_bridge_knows_its_root_by_its_root_port() {
        let text = r#"[{"ifname":"lo"},
            {"ifname":"br0","linkinfo":{"info_data":{"bridge_id":"8000.12:20:63:2b:16:a4",
              "root_id":"8000.12:20:63:2b:16:a4","root_port":2,"root_path_cost":200,"topology_change":1}}},
            {"ifname":"p1","master":"br0","linkinfo":{"info_slave_data":{"state":"blocking","no":"0x1",
              "root_id":"2000.2:0:0:0:0:b"}}},
            {"ifname":"p2","master":"br0","linkinfo":{"info_slave_data":{"state":"forwarding","no":"0x2",
              "root_id":"1000.2:0:0:0:0:a"}}}]"#;
        let view = of_kernel(text, "br0").unwrap();
        assert_eq!(view.root, (0x1000, MacAddr::new(2, 0, 0, 0, 0, 10)));
        assert_eq!(
            (view.root_path_cost, view.topology_change),
            (200, Some(true))
        );
        assert_eq!(view.ports["p1"], status(None, "blocking"));
        assert_eq!(of_kernel(text, "br1"), None);
        let alone = text.replace("\"root_port\":2", "\"root_port\":0");
        assert_eq!(of_kernel(&alone, "br0").unwrap().root.0, 0x8000);
    }

    #[test]
    fn open_vswitch_shows_its_tree_as_a_table() {
        let text = "---- br0 ----\nRoot ID:\n  stp-priority  4096\n  stp-system-id   02:00:00:00:00:01\n  \
            stp-hello-time  1s\n  root-port       p2\n  root-path-cost  100\n\n\
            Bridge ID:\n  stp-priority  8192\n  stp-system-id   02:00:00:00:00:02\n\n  \
            Interface  Role       State      Cost  Pri.Nbr \n  \
            ---------- ---------- ---------- ----- -------\n  \
            p2         Root       Forwarding 100   128.1\n  \
            p1         Alternate  Discarding 2     128.2\n\n";
        let view = of_ovs(text).unwrap();
        assert_eq!(view.root, (4096, MacAddr::new(2, 0, 0, 0, 0, 1)));
        assert_eq!((view.root_path_cost, view.ports.len()), (100, 2));
        assert_eq!(view.ports["p1"], status(Some("alternate"), "discarding"));
        assert_eq!(of_ovs("bridge br0: no such thing"), None);
    }
}
