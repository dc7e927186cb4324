//! Addresses of what the file gives none: the same on every run and on both backends, so that an election between equal
//! priorities has one outcome and a CAM can be read. Locally administered; who comes earlier in the file has the lower
//! one.

use pnet_base::MacAddr;

use super::{Node, NodeKind};

/// Fills in the address of every switch and every host interface that has none: `02:00:00:NN:00:00` and
/// `0a:00:00:NN:00:PP`, with the number of the node in the file, from 0 and without VMs, and that of the interface in the
/// order links name them, from 1.
pub(super) fn assign(nodes: &mut [Node]) {
    let mut number: u32 = 0;
    for node in nodes {
        match &mut node.kind {
            NodeKind::Switch(switch) => {
                switch.address.get_or_insert(numbered(0x02, number, 0));
            }
            NodeKind::Host(host) => {
                for (port, interface) in (1..).zip(&mut host.ports) {
                    interface.mac.get_or_insert(numbered(0x0a, number, port));
                }
            }
            NodeKind::Vm(_) => continue,
        }
        number += 1;
    }
}

fn numbered(first: u8, node: u32, port: u16) -> MacAddr {
    let [_, a, b, c] = node.to_be_bytes();
    let [d, e] = port.to_be_bytes();
    MacAddr::new(first, a, b, c, d, e)
}

#[cfg(test)]
mod tests {
    use crate::topology::Topology;

    #[test]
    fn what_the_file_leaves_out_follows_from_the_order_of_nodes() {
        let topology = Topology::parse(
            "t.yml",
            "name: t
topology:
  nodes:
    h: {kind: host, ports: {eth1: {mac: \"52:54:00:00:00:01\"}}}
    a: {kind: switch, address: \"02:aa:00:00:00:01\"}
    b: {kind: switch}
  links:
    - endpoints: [\"a:p1\", \"h:eth0\"]
    - endpoints: [\"b:p1\", \"h:eth1\"]
    - endpoints: [\"b:p2\", \"h:eth2\"]
",
        )
        .unwrap();
        let switch = |name| topology.switch(name).unwrap().address.unwrap().to_string();
        assert_eq!(switch("a"), "02:aa:00:00:00:01");
        assert_eq!(switch("b"), "02:00:00:02:00:00");
        let macs = topology.host("h").unwrap().ports.iter();
        let macs: Vec<String> = macs.map(|port| port.mac.unwrap().to_string()).collect();
        let expected = [
            "0a:00:00:00:00:01",
            "52:54:00:00:00:01",
            "0a:00:00:00:00:03",
        ];
        assert_eq!(macs, expected);
    }
}
