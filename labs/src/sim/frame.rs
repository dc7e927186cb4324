//! Frames to send: just enough to be relayed and learned from.

use std::rc::Rc;

use pnet_base::MacAddr;

/// EtherType of frames that only tests understand (802 local experimental, IEEE 802-2014 9.2.4).
pub const EXPERIMENTAL: u16 = 0x88b5;

/// An untagged frame of 60 octets that says nothing.
#[must_use]
pub fn data(destination: MacAddr, source: MacAddr) -> Rc<[u8]> {
    with_payload(destination, source, EXPERIMENTAL, &[0; 46])
}

/// An untagged frame.
#[must_use]
pub fn with_payload(
    destination: MacAddr,
    source: MacAddr,
    ether_type: u16,
    payload: &[u8],
) -> Rc<[u8]> {
    [
        &destination.octets()[..],
        &source.octets(),
        &ether_type.to_be_bytes(),
        payload,
    ]
    .concat()
    .into()
}

/// A broadcast of 60 octets.
#[must_use]
pub fn broadcast(source: MacAddr) -> Rc<[u8]> {
    data(MacAddr::broadcast(), source)
}
