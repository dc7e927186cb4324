//! What must hold: by example here, under any sequence of calls in `properties`.

mod bounds;
mod examples;
mod invariants;
mod model;
mod properties;

use core::time::Duration;

use etherparse::VlanId;
use pnet_base::MacAddr;

use crate::{Capacity, MacTable, MacTableConfig};

const VLAN: VlanId = VlanId::ZERO;

fn table(capacity: usize) -> MacTable<u16> {
    MacTable::new(MacTableConfig {
        capacity: Capacity::new(capacity).unwrap(),
        hash_key: [0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908],
        ..MacTableConfig::default()
    })
}

fn vlan(number: u16) -> VlanId {
    VlanId::try_new(number).unwrap()
}

/// The `number`th station.
fn station(number: u32) -> MacAddr {
    let [a, b, c, d] = number.to_be_bytes();
    MacAddr::new(0x52, 0x54, a, b, c, d)
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
