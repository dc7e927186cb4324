//! How the BPDUs of per-VLAN trees go over a wire.
//!
//! On a port of one VLAN they look like any bridge's. On a trunk each VLAN's go to the shared spanning tree address, in
//! the VLAN and in the form its data has, and say which VLAN they mean. One VLAN's go to the bridge group address
//! besides, so that bridges of one tree understand us: VLAN 1's, whatever the native VLAN, as the trade does; on a
//! trunk without VLAN 1, the native one's.

use etherparse::VlanId;
use pnet_base::MacAddr;
use stp::{Bpdu, TreeId};

use crate::vlan::{PortMode, default_vid};

/// The tree of a VLAN.
pub(crate) fn tree_of(vlan: VlanId) -> Option<TreeId> {
    TreeId::new(vlan.value())
}

/// Whether the port takes part in more trees than one, and so speaks to the shared address.
pub(crate) fn is_trunk(mode: &PortMode) -> bool {
    match mode {
        PortMode::Trunk { .. } | PortMode::Hybrid { .. } => true,
        PortMode::Access { .. } | PortMode::Dot1qTunnel { .. } => false,
    }
}

/// The tree that BPDUs to and from the bridge group address speak for; `None` if the port carries no such VLAN.
pub(crate) fn plain_tree(mode: &PortMode) -> Option<TreeId> {
    let members = mode.members();
    let first = default_vid();
    if is_trunk(mode) && members.contains(first) {
        return tree_of(first);
    }
    let native = mode.pvid();
    members.contains(native).then(|| tree_of(native)).flatten()
}

/// The frames that carry a tree's BPDU out of a port: none, one or two, each handed to `send`. `buffer` is room for
/// them.
pub(crate) fn frames(
    buffer: &mut Vec<u8>,
    mode: &PortMode,
    source: MacAddr,
    tree: TreeId,
    bpdu: &Bpdu,
    mut send: impl FnMut(&[u8]),
) {
    if plain_tree(mode) == Some(tree) {
        buffer.clear();
        stp::llc::frame_into(buffer, source, bpdu);
        send(buffer);
    }
    if is_trunk(mode) {
        let is_untagged = match VlanId::try_new(tree.get()) {
            Ok(vlan) => mode.untagged().contains(vlan),
            Err(_) => false,
        };
        buffer.clear();
        stp::llc::shared_frame_into(buffer, source, tree.get(), !is_untagged, bpdu);
        send(buffer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stp::llc;

    fn vid(vlan: u16) -> VlanId {
        VlanId::try_new(vlan).unwrap()
    }

    fn trunk(allowed: &str, native: u16, native_tagged: bool) -> PortMode {
        PortMode::Trunk {
            allowed: allowed.parse().unwrap(),
            native: vid(native),
            native_tagged,
        }
    }

    /// Destination and, if there is one, the VLAN of the tag of each frame.
    fn sent(mode: &PortMode, tree: u16) -> Vec<(MacAddr, Option<u16>)> {
        let mut sent = Vec::new();
        let tree = TreeId::new(tree).unwrap();
        frames(
            &mut Vec::new(),
            mode,
            MacAddr::zero(),
            tree,
            &Bpdu::Tcn,
            |frame| {
                let header = crate::frame::Header::parse(frame).unwrap();
                sent.push((header.destination, header.tag.map(|tag| tag.vid.value())));
            },
        );
        sent
    }

    const PLAIN: (MacAddr, Option<u16>) = (llc::BRIDGE_GROUP_ADDRESS, None);

    fn shared(tag: Option<u16>) -> (MacAddr, Option<u16>) {
        (llc::SHARED_SPANNING_TREE_ADDRESS, tag)
    }

    #[test]
    fn an_access_port_speaks_plainly() {
        let mode = PortMode::Access { vlan: vid(10) };
        assert_eq!(sent(&mode, 10), [PLAIN]);
        assert_eq!(plain_tree(&mode), TreeId::new(10));
    }

    #[test]
    fn a_trunk_speaks_for_vlan_1_both_ways_whatever_its_native_vlan() {
        let usual = trunk("1,10", 1, false);
        assert_eq!(sent(&usual, 1), [PLAIN, shared(None)]);
        assert_eq!(sent(&usual, 10), [shared(Some(10))]);
        let native_5 = trunk("1,5", 5, false);
        assert_eq!(sent(&native_5, 1), [PLAIN, shared(Some(1))]);
        assert_eq!(sent(&native_5, 5), [shared(None)]);
        let tagged = trunk("1,5", 5, true);
        assert_eq!(sent(&tagged, 5), [shared(Some(5))]);
    }

    #[test]
    fn without_vlan_1_the_native_vlan_speaks_plainly() {
        let mode = trunk("5,10", 5, false);
        assert_eq!(sent(&mode, 5), [PLAIN, shared(None)]);
        assert_eq!(sent(&mode, 10), [shared(Some(10))]);
        assert_eq!(plain_tree(&trunk("10", 5, false)), None);
    }
}
