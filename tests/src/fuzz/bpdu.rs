//! BPDUs: a value or a reason, and a value that survives being sent.

use pnet_base::MacAddr;
use stp::{Bpdu, llc};

const PORT: MacAddr = MacAddr(2, 0, 0, 0, 0, 1);

/// The first octet says how the rest is read.
pub(super) fn run(octets: &[u8]) {
    let Some((&way, octets)) = octets.split_first() else {
        return;
    };
    match way % 3 {
        0 => {
            if let Ok(bpdu) = Bpdu::decode(octets) {
                assert_eq!(Bpdu::decode(&bpdu.encode()), Ok(bpdu));
            }
        }
        1 => {
            if let Ok(bpdu) = llc::unframe(octets) {
                let frame = llc::frame(PORT, &bpdu);
                assert_eq!(llc::unframe(&frame), Ok(bpdu));
            }
        }
        _ => shared(octets),
    }
}

/// A shared frame says the same again with a tag and without, but for what only regions understand: there the VLAN
/// stands behind the octets of an RST BPDU.
fn shared(octets: &[u8]) {
    let Ok(mut told) = llc::unframe_shared(octets) else {
        return;
    };
    if let Bpdu::Mst(mst) = told.bpdu {
        told.bpdu = Bpdu::Rst(mst.cist);
    }
    for tagged in [false, true] {
        let mut frame = Vec::new();
        llc::shared_frame_into(&mut frame, PORT, told.vlan.unwrap_or(1), tagged, &told.bpdu);
        assert_eq!(llc::unframe_shared(&frame).as_ref(), Ok(&told));
    }
}
