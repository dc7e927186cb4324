//! What must hold: by example here, under any sequence of calls in `properties`.

mod bounds;
mod examples;
mod full;
mod invariants;
mod model;
mod properties;

use core::time::Duration;

use etherparse::VlanId;
use pnet_base::MacAddr;

use crate::{Capacity, Departed, Departure, Learned, MacTable, MacTableConfig};

const VLAN: VlanId = VlanId::ZERO;
const NEW: Learned<u16> = Learned::New { displaced: None };

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

fn left(address: MacAddr, port: u16, cause: Departure) -> Departed<u16> {
    Departed {
        vlan: VLAN,
        address,
        port,
        cause,
    }
}

/// `count` stations on `port`, numbered from `first`, a second apart.
fn learn_many(table: &mut MacTable<u16>, first: u32, count: u32, port: u16) {
    for number in first..first + count {
        table.learn(seconds(number.into()), VLAN, station(number), port);
    }
}
